"""The way in: a selfie video and a reference photo in, one :class:`~idverify.verification.decision.Decision` out.

The steps, numbered as in the code; (0) and (2) to (5) are those of one :mod:`~idverify.verification.presentation`::

    (0) Admit the challenge, if there is one; open the recording; establish its time base.
    (1) Enrol the reference: exactly one usable face.
    (2) Detect and follow faces in the analysed frames.
    (3) Choose the subject; report bystanders.
    (4) Acquire the probe: enough faces of enough quality, drawn over time by a seed that nobody knows beforehand.
    (5) Assess every liveness mechanism, and the answer to the challenge, on the subject's track.
    (6) Compare probe with reference, pooled over frames.
    (7) Bind: every analysed frame shows the subject; the frames of (6) lie in the track of (5).
    (8) Calibrate; refuse a card that names another model.
    (9) Decide under the policy. Anything required and not assessed is inconclusive.

Public items: :class:`Verifier`, :data:`Media`, :data:`Enrolment`,
:class:`~idverify.verification.inspection.Inspection`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from idverify.challenge import Admission, Challenge, ChallengeResult, NonceStore, TimedSteps
from idverify.challenge.admission import UNCHECKED
from idverify.challenge.attempt import NO_EXTRAS, Attempt, Extras
from idverify.challenge.from_track import Likeness, TurnedFaces
from idverify.comparison.calibration import CalibrationCard
from idverify.comparison.features import Template
from idverify.comparison.score import similarity, similarity_matrix
from idverify.errors import ParameterError, UnsupportedMediaError
from idverify.media.photo import read_photo
from idverify.reasons import Assessed, NotAssessed, Reason
from idverify.verification.assembly import assemble
from idverify.verification.binding import CaptureEvidence
from idverify.verification.decision import (
    Decision,
    Findings,
    LivenessEvidence,
    MatchEvidence,
    ModelStamp,
    Task,
    match_evidence,
)
from idverify.verification.enrolment import EnrolledFace, Enrolment, FaceModels, enrol
from idverify.verification.fusion import class_evidence, confidence, fuse_liveness
from idverify.verification.inspection import Inspection, inspect_presentation
from idverify.verification.model_set import ModelSet
from idverify.verification.policy import DecisionPolicy, load_policy
from idverify.verification.presentation import Presentation, Stopwatch, observe

if TYPE_CHECKING:
    from idverify.verification.isolated import IsolatedQuestions

__all__ = ["Enrolment", "Inspection", "Media", "Verifier"]

Media = str | Path | bytes | BinaryIO
Photo = Media | NDArray[np.uint8]
Progress = Callable[[float], None]
Isolation = Literal["none", "process"]

# So many bits are exact in every reader of JSON (RFC 8259, section 6), and too many to try.
SEED_BITS = 53


class Verifier:
    """Checks selfie videos against reference photos.

    Build one and keep it: models load once, at the first use. It holds no state of a check, so threads may share it.
    To judge one recording against many references, :meth:`observe` once, :meth:`enrol` each, and :meth:`judge`.

    Parameters
    ----------
    policy
        A name (``ial2``, ``strict``, ...), a TOML file, or a policy.
    card
        What similarities mean: a calibration card, or the file of one as ``idverify calibrate`` writes it. The default
        is the card that the package ships.
    models_dir
        Where the model files are; the default is the user's data directory or ``IDVERIFY_MODELS``.
    isolation
        ``"process"``: decode and analyse in a child process with a memory limit, a time limit, no network and no files,
        as far as the system has such walls (``idverify doctor`` says). One question at a time; :meth:`observe`,
        :meth:`enrol` and :meth:`judge` are not offered, :meth:`check_many` is. A crash of a decoder is then a
        :class:`~idverify.errors.MediaCrashedError`.

    Raises
    ------
    PolicyError
        The policy cannot be used.
    ParameterError
        There is no such isolation.
    """

    def __init__(
        self,
        *,
        policy: DecisionPolicy | str | Path = "ial2",
        card: CalibrationCard | str | Path | None = None,
        models_dir: str | Path | None = None,
        isolation: Isolation = "none",
    ) -> None:
        if isolation not in ("none", "process"):
            raise ParameterError(f"isolation is 'none' or 'process', got {isolation!r}")
        self.policy = load_policy(policy)
        self._models = ModelSet(card=card, models_dir=models_dir)
        self._child: IsolatedQuestions | None = None
        if isolation == "process":
            from idverify.verification.isolated import IsolatedQuestions

            self._child = IsolatedQuestions(self.policy, card, models_dir)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the settings; models load anew where it is used, as in a pool of workers."""
        settings = {
            "policy": self.policy,
            "card": self._models.given_card,
            "models_dir": self._models.models_dir,
            "isolation": "none" if self._child is None else "process",
        }
        return _verifier_of, (settings,)

    # -- the questions ---------------------------------------------------------------------------

    def check(
        self,
        video: Media,
        reference: Photo,
        *,
        challenge: Challenge | TimedSteps | str | Path | None = None,
        challenge_key: bytes | str | None = None,
        nonce_store: NonceStore | None = None,
        subject: str | None = None,
        received_at_s: float | None = None,
        now_s: float | None = None,
        mirrored: bool = False,
        capture: CaptureEvidence | None = None,
        seed: int | None = None,
        progress: Progress | None = None,
        face_images: bool = False,
    ) -> Decision:
        """Decide whether a live person in front of the camera is the person of the reference photo.

        Parameters
        ----------
        video
            Path, bytes or binary file of a recording.
        reference
            Path, bytes, binary file or RGB array (h, w, 3) of a photo.
        challenge
            What the video has to answer, its file, or the steps that this server revealed in time. It decides, whether
            or not the policy requires one; one that is forged, expired or used is refused before the video is opened.
        challenge_key
            The secret that it was issued under; by default from ``IDVERIFY_CHALLENGE_KEY``.
        nonce_store
            Where issued and used challenges are kept. A policy that requires a challenge requires it; an
            :class:`~idverify.challenge.UnsafeNoNonceStore` does without and is named in the decision.
        subject
            Whose attempt it is, as the challenge was issued for. A policy that requires a challenge requires it.
        received_at_s
            When the recording arrived, in seconds since 1970 (UTC), by the service's own clock. Without it the time of
            verification stands for it, and the decision says that the arrival was not checked.
        now_s
            The clock, in seconds since 1970 (UTC); by default this machine's.
        mirrored
            Whether the app that recorded the video mirrors it; never the person's own choice.
        capture
            Given by a service that led the capture: what it knows of it. The policy may then require that the recording
            was bound to it.
        seed
            Draws the faces that are compared; that of a decision makes it again. By default nobody knows it beforehand:
            whoever does can show another face in just those frames.
        progress
            Called with the share done, 0..1.
        face_images
            Keep the compared faces in the decision, for a report.

        Raises
        ------
        MediaError, ModelError, CalibrationError
        ChallengeError
            The challenge cannot be read, or there is no secret to verify it with.
        ParameterError
            The policy requires a challenge, and no nonce store or subject is given; or a time is none.
        """
        attempt = None
        if challenge is not None:
            if self.policy.require_challenge and not isinstance(challenge, TimedSteps):
                _require_record(self.policy.name, nonce_store, subject)
            attempt = Attempt.at(
                challenge,
                key=challenge_key,
                mirrored=mirrored,
                subject=subject,
                received_at_s=received_at_s,
                slack_s=self.policy.challenge_slack_s,
                allow_seeded=self.policy.unsafe,
            )
        watch = self._start()
        clock_s = time.time() if now_s is None else now_s
        admission = attempt.admit(now_s=clock_s, nonce_store=nonce_store) if attempt else UNCHECKED  # (0)
        if attempt is not None and admission.refusal is not None:
            refusal = attempt.refused(admission.refusal, admission)
            refused = Findings(
                task=Task.CHECK, match=None, liveness=None, obstacles=(), challenge=refusal, capture=capture
            )
            return assemble(refused, self.policy, models=self.models, card=self.card, timing_ms=watch.ms)
        if self._child is not None:
            return self._child.check(video, reference, attempt, admission, capture, face_images, seed)
        return self._check(video, reference, attempt, admission, capture, face_images, seed, watch, progress)

    def _check(
        self,
        video: Media,
        reference: Photo,
        attempt: Attempt | None,
        admission: Admission,
        capture: CaptureEvidence | None,
        face_images: bool,
        seed: int | None,
        watch: Stopwatch | None = None,
        progress: Progress | None = None,
    ) -> Decision:
        """Decide about what was admitted."""
        watch = watch or self._start()
        enrolled = self._enrol(reference, watch)  # (1)
        needs = attempt.needs if attempt else NO_EXTRAS
        presentation = self._observe(video, watch, progress, needs=needs, seed=seed)  # (0) (2) .. (5)
        return self._judge(  # (5) .. (9)
            Task.CHECK, presentation, enrolled, watch, face_images, attempt, admission, capture
        )

    def assess_liveness(
        self,
        video: Media,
        *,
        seed: int | None = None,
        progress: Progress | None = None,
        face_images: bool = False,
    ) -> Decision:
        """Decide whether a live person is in front of the camera; nobody is compared.

        Parameters
        ----------
        video, seed, progress, face_images
            As in :meth:`check`.

        Raises
        ------
        MediaError, ModelError, CalibrationError
        """
        if self._child is not None:
            return self._child.assess_liveness(video, face_images, seed)
        watch = self._start()
        return self._judge(Task.LIVENESS, self._observe(video, watch, progress, seed=seed), None, watch, face_images)

    def check_many(self, video: Media, references: Sequence[Photo], *, seed: int | None = None) -> list[Decision]:
        """Watch one recording once and decide about it against each photo, as :meth:`check` would.

        Parameters
        ----------
        video, references, seed
            As for :meth:`check`.

        Raises
        ------
        MediaError, ModelError, CalibrationError
        """
        if self._child is not None:
            return self._child.check_many(video, references, seed)
        presentation = self.observe(video, seed=seed)
        return [self.judge(presentation, self.enrol(photo)) for photo in references]

    def compare(
        self,
        probe: Photo,
        reference: Photo,
        *,
        seed: int | None = None,
        progress: Progress | None = None,
        face_images: bool = False,
    ) -> Decision:
        """Decide whether two media show the same person; liveness is not checked.

        Parameters
        ----------
        probe
            A recording or a photo.
        reference
            A photo.
        seed, progress, face_images
            As in :meth:`check`.

        Raises
        ------
        MediaError, ModelError, CalibrationError
        """
        if self._child is not None:
            return self._child.compare(probe, reference, face_images, seed)
        watch = self._start()
        enrolled = self._enrol(reference, watch)
        shown: Presentation | Enrolment
        try:
            shown = self._enrol(probe, watch)
        except UnsupportedMediaError as no_photo:
            if isinstance(probe, np.ndarray):
                raise
            if hasattr(probe, "seek"):
                probe.seek(0)
            try:
                shown = self._observe(probe, watch, progress, liveness=False, seed=seed)
            except UnsupportedMediaError as no_video:
                if str(no_video) == str(no_photo):
                    raise
                raise UnsupportedMediaError(f"{no_photo}; {no_video}") from None
        return self._judge(Task.MATCH, shown, enrolled, watch, face_images)

    def inspect(self, video: Media, *, progress: Progress | None = None) -> Inspection:
        """Show tracks, quality and signals of a recording, without a verdict.

        Raises
        ------
        MediaError, ModelError
        """
        if self._child is not None:
            return self._child.inspect(video)
        return inspect_presentation(self._observe(video, self._start(), progress, needs=Extras(eyes=True)))

    # -- one at a time ---------------------------------------------------------------------------

    def observe(
        self, video: Media, *, seed: int | None = None, progress: Progress | None = None
    ) -> Presentation:
        """Watch a recording once, to judge it against any number of references.

        Parameters
        ----------
        video, seed, progress
            As in :meth:`check`.

        Raises
        ------
        MediaError, ModelError, CalibrationError
        """
        self._require_this_process("observe")
        return self._observe(video, self._start(), progress, seed=seed)

    def enrol(self, photo: Photo) -> Enrolment:
        """Find the one face of a photo.

        Raises
        ------
        MediaError, ModelError, CalibrationError
        """
        self._require_this_process("enrol")
        return self._enrol(photo, self._start())

    def judge(
        self, probe: Presentation | Enrolment, reference: Enrolment | None, *, face_images: bool = False
    ) -> Decision:
        """Decide about what was looked at before: as :meth:`check`, without a reference as :meth:`assess_liveness`.

        A probe that is a photo is compared only, as in :meth:`compare`.

        Raises
        ------
        UnsupportedMediaError
            A photo without a reference: there is nothing to assess.
        """
        if not isinstance(probe, Presentation):
            if reference is None:
                raise UnsupportedMediaError("liveness needs a video, this is a photo")
            return self._judge(Task.MATCH, probe, reference, self._start(), face_images)
        task = Task.LIVENESS if reference is None else Task.CHECK
        return self._judge(task, probe, reference, Stopwatch(probe.timing_ms), face_images)

    # -- models ----------------------------------------------------------------------------------

    def load(self) -> None:
        """Load models and card now instead of at the first use.

        Raises
        ------
        ModelError
        CalibrationError
            The card is of other models, or has no threshold for the policy's target and kind of reference.
        """
        if self._child is not None:
            self._child.start()
            return
        self._models.load()
        self.card.threshold(self.policy.target_fmr, self.policy.reference_kind)  # (8)

    @property
    def face_models(self) -> FaceModels:
        """Detectors, landmarks and extractors."""
        return self._models.face_models

    @property
    def card(self) -> CalibrationCard:
        """The calibration card in use."""
        return self._models.card

    @property
    def models(self) -> tuple[ModelStamp, ...]:
        """Name, version, hash and licence of every model in use."""
        return self._models.stamps

    @property
    def missing_walls(self) -> tuple[str, ...]:
        """The walls that an isolated verifier asks for and this system does not have; all of them without isolation."""
        return self._child.missing_walls if self._child is not None else ("a process of its own",)

    def questions_of_a_child(self) -> dict[str, Callable[..., Any]]:
        """What :mod:`~idverify.verification.behind_walls` may ask a verifier that works behind walls."""
        return {
            "check": self._check,
            "check_many": lambda video, photos, seed: self.check_many(video, photos, seed=seed),
            "assess_liveness": lambda video, images, seed: self.assess_liveness(video, face_images=images, seed=seed),
            "compare": lambda probe, photo, images, seed: self.compare(probe, photo, face_images=images, seed=seed),
            "inspect": self.inspect,
        }

    def _require_this_process(self, question: str) -> None:
        if self._child is not None:
            raise ParameterError(f"{question}() gives objects that isolation keeps apart; use check_many()")

    # -- the steps -------------------------------------------------------------------------------

    def _start(self) -> Stopwatch:
        """Load everything before any evidence is looked at; a missing or altered file stops here."""
        watch = Stopwatch()
        with watch("models"):
            self.load()
        return watch

    def _enrol(self, photo: Photo, watch: Stopwatch) -> Enrolment:
        with watch("reference"):
            found = read_photo(photo, limits=self.policy.limits)
            return enrol(found.image_rgb, self.face_models, notes=found.notes)

    def _observe(
        self,
        video: Media,
        watch: Stopwatch,
        progress: Progress | None,
        *,
        needs: Extras = NO_EXTRAS,
        liveness: bool = True,
        seed: int | None = None,
    ) -> Presentation:
        presentation = observe(
            video,
            self.face_models,
            self.policy,
            recapture=self._models.recapture,
            skin_change=self._models.skin_change,
            seed=secrets.randbits(SEED_BITS) if seed is None else seed,
            needs=needs,
            liveness=liveness,
            progress=progress,
        )
        watch.ms |= presentation.timing_ms
        return presentation

    def _judge(
        self,
        task: Task,
        probe: Presentation | Enrolment,
        reference: Enrolment | None,
        watch: Stopwatch,
        face_images: bool,
        attempt: Attempt | None = None,
        admission: Admission = UNCHECKED,
        capture: CaptureEvidence | None = None,
    ) -> Decision:
        presentation = probe if isinstance(probe, Presentation) else None
        judged_live = presentation if task is not Task.MATCH else None
        face = reference.value if isinstance(reference, Assessed) else None
        template, hindrances = (  # (7)
            _bound_template(probe) if isinstance(probe, Presentation) else _template_of_photo(probe)
        )
        liveness = self._liveness(judged_live, face, watch) if judged_live else None  # (5)
        match = self._match(template, face, liveness, watch)  # (6) (8)
        unusable = [reference.reason] if isinstance(reference, NotAssessed) else []
        findings = Findings(
            task=task,
            match=match,
            liveness=liveness,
            obstacles=(*unusable, *hindrances, *_doubts_about_photos(match, reference, probe)),
            handicaps=presentation.handicaps if presentation else (),
            challenge=self._answer(attempt, presentation, admission, face) if attempt and presentation else None,  # (5)
            warranted=judged_live.tampering if judged_live else (),
            capture=capture,
        )
        return assemble(  # (9)
            findings,
            self.policy,
            presentation=presentation,
            enrolled=reference,
            models=self.models,
            card=self.card,
            timing_ms=watch.ms,
            photo_notes=(*_notes("reference photo", reference), *_notes("photo", probe)),
            face_images=face_images,
        )

    def _answer(
        self, attempt: Attempt, presentation: Presentation, admission: Admission, reference: EnrolledFace | None
    ) -> ChallengeResult:
        """The subject's answer: the same track that liveness and comparison judge."""
        length_s = presentation.capture.decoded_span_s
        if isinstance(presentation.subject, NotAssessed):
            return attempt.unseen(presentation.subject.reason, recording_s=length_s, admission=admission)
        track = presentation.subject.track
        observers = presentation.capture.observers[track.track_id]
        turned = attempt.turned_faces(observers)
        return attempt.judge(
            track,
            observers,
            picture_width_px=presentation.capture.size_wh[0],
            recording_s=length_s,
            admission=admission,
            likeness=None if turned is None else self._likeness(turned, presentation.subject.template, reference),
        )

    def _likeness(self, turned: TurnedFaces, subject: Template, reference: EnrolledFace | None) -> Likeness:
        """How much the turned face looks like the reference, or else like the subject's own face.

        Whether that is the reference's is the match's to say: a stranger who follows follows.
        """
        known = [subject.vector] if reference is None else [subject.vector, reference.template.vector]
        vectors = self.face_models.extractor.extract(turned.images_rgb, np.stack(turned.points_px))
        similarities = similarity_matrix(vectors, np.stack(known)).max(axis=1)
        return Likeness(times_s=np.array(turned.times_s), mated_llr=self.card.llr_at(similarities))

    def _liveness(
        self, presentation: Presentation, reference: EnrolledFace | None, watch: Stopwatch
    ) -> LivenessEvidence | None:
        with watch("liveness"):
            evidence = presentation.mechanisms
            if reference is not None:
                evidence = presentation.mechanisms_against(reference.looks)
        if evidence is None:
            return None
        llr = fuse_liveness(evidence)
        probability = None if llr is None else confidence(match_llr=None, liveness_llr=llr, prior=self.policy.prior)
        return LivenessEvidence(
            llr=llr,
            probability=probability,
            mechanisms=evidence,
            classes=class_evidence(evidence, self.policy.attack_classes),
        )

    def _match(
        self,
        probe: Template | None,
        reference: EnrolledFace | None,
        liveness: LivenessEvidence | None,
        watch: Stopwatch,
    ) -> MatchEvidence | None:
        if probe is None or reference is None:
            return None
        with watch("comparison"):
            score = similarity(probe, reference.template)
        return match_evidence(score, self.card, self.policy, liveness)


def _verifier_of(settings: dict[str, Any]) -> Verifier:
    return Verifier(**settings)


# A face that cannot be used is said of the reference in enrolment; of the probe it has these names.
_PROBE_WORDS = {
    Reason.REFERENCE_UNUSABLE: Reason.NO_FACE,
    Reason.REFERENCE_MULTIPLE_FACES: Reason.MULTIPLE_FACES,
    Reason.REFERENCE_ROTATED: Reason.MISALIGNED_FACE,
    Reason.REFERENCE_COVERED: Reason.MOUTH_COVERED,
}


def _require_record(policy: str, nonce_store: NonceStore | None, subject: str | None) -> None:
    """A challenge that may be answered twice, or by whoever chose among many, is none."""
    if nonce_store is None:
        raise ParameterError(
            f"policy {policy} requires a challenge, and so the record of those that were issued and used: give a "
            "nonce_store (--nonces FILE), or an UnsafeNoNonceStore (--unsafe-no-nonces)"
        )
    if subject is None:
        raise ParameterError(
            f"policy {policy} requires a challenge, and so whose attempt this is: give the subject (--subject) that it "
            "was issued for"
        )


def _notes(which: str, photo: Presentation | Enrolment | None) -> tuple[str, ...]:
    """What was met in reading a photo, usable or not."""
    if photo is None or isinstance(photo, Presentation):
        return ()
    notes = photo.value.notes if isinstance(photo, Assessed) else photo.notes
    return tuple(f"{which}: {note}" for note in notes)


def _doubts_about_photos(
    match: MatchEvidence | None, reference: Enrolment | None, probe: Presentation | Enrolment
) -> tuple[Reason, ...]:
    """What speaks against taking faces that do not match for those of two people."""
    if match is None or match.matched:
        return ()
    photos = (
        (reference, Reason.REFERENCE_ROTATED, Reason.REFERENCE_COVERED),
        (probe, _PROBE_WORDS[Reason.REFERENCE_ROTATED], Reason.FACE_COVERED),
    )
    doubts = []
    for photo, rotated, covered in photos:
        if isinstance(photo, Assessed):
            doubts += [] if photo.value.surely_set_upright else [rotated]
            doubts += [covered] if photo.value.seems_covered else []
    return tuple(doubts)


def _template_of_photo(probe: Enrolment) -> tuple[Template | None, tuple[Reason, ...]]:
    if isinstance(probe, NotAssessed):
        return None, probe.causes or (_PROBE_WORDS.get(probe.reason, probe.reason),)
    return probe.value.template, ()


def _bound_template(presentation: Presentation) -> tuple[Template | None, tuple[Reason, ...]]:
    """(7) The probe, if every compared face lies in the track that liveness judges; and what hinders it."""
    subject = presentation.subject
    if isinstance(subject, NotAssessed):
        return None, presentation.obstacles
    used = [c.face.frame_index for c in subject.compared]
    if not np.isin(used, subject.track.frame_indices).all():
        raise AssertionError("a compared face lies outside the subject's track")
    return subject.template, presentation.obstacles

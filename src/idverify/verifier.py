"""The door: a selfie video and a reference photo in, one :class:`~idverify.decision.Decision` out.

The steps, numbered as in the code::

    (0) Admit the challenge, if there is one; open the recording; establish its time base.
    (1) Enrol the reference: exactly one usable face.
    (2) Detect and follow faces in the analysed frames.
    (3) Choose the subject; report bystanders.
    (4) Acquire the probe: enough faces of enough quality, spread over time.
    (5) Assess every liveness mechanism, and the answer to the challenge, on the subject's track.
    (6) Compare probe with reference, pooled over frames.
    (7) Bind: the frames of (6) lie in the track of (5), and identity is stable inside it.
    (8) Calibrate; refuse a card that names another model.
    (9) Decide under the policy. Anything required and not assessed is inconclusive.

Public items: :class:`Verifier`, :class:`Inspection`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from idverify._version import __version__
from idverify.acquisition import Capture, acquire
from idverify.calibration import CalibrationCard, load_card
from idverify.challenge import Challenge, ChallengeResult, NonceStore
from idverify.challenge.attempt import NOTHING_MORE, Attempt, Needs
from idverify.comparison import similarity
from idverify.decision import (
    Decision,
    Exhibit,
    Findings,
    FrameCounts,
    LivenessEvidence,
    MatchEvidence,
    ModelStamp,
    Outcome,
    PolicyStamp,
    ReferenceEvidence,
    Task,
    decide,
)
from idverify.detection import YuNet
from idverify.enrolment import SEARCH_SIDES_PX, EnrolledFace, FaceModels, enrol
from idverify.errors import UnsupportedMediaError
from idverify.features import DlibExtractor, FusedExtractor, SFaceExtractor, Template, sface_centre
from idverify.fusion import confidence, fuse_liveness
from idverify.landmarks import EyeModel, FaceMesh
from idverify.media import Recording, load_photo, open_recording
from idverify.models import data_dir
from idverify.pad.evidence import PADEvidence
from idverify.pad.panel import PADInputs, Panel
from idverify.policy import DecisionPolicy, load_policy
from idverify.reasons import Assessed, NotAssessed, Reason
from idverify.runtime import Session
from idverify.subject import Subject, choose_subject
from idverify.tracking import FaceTrack, Tracker

__all__ = ["Inspection", "Media", "Verifier"]

Media = str | Path | bytes | BinaryIO
Progress = Callable[[float], None]

# Faces shown in a report at most.
MAX_EXHIBITS = 8
# Below this the subject is absent for too much of the recording to speak for it.
MIN_COVERAGE = 0.5
# Bits per pixel and frame under which H.264 leaves nothing of the skin but blocks; the worst bona fide clip at hand has 0.013.
MIN_BITS_PER_PIXEL = 0.004
COMPARISON_MODELS = ("sface", "dlib_resnet")
PIPELINE_MODELS = ("yunet", "face_mesh", "iris", *COMPARISON_MODELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is in a recording, without a verdict."""

    recording: Mapping[str, object]
    tracks: tuple[FaceTrack, ...]
    subject_id: int | None
    quality: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = field(repr=False)
    signals: tuple[PADEvidence, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A recording after one pass: facts, signals and the subject."""

    capture: Capture
    subject: Subject | NotAssessed
    obstacles: tuple[Reason, ...]
    warnings: tuple[str, ...]
    panel: Panel
    facts: Mapping[str, object]


class _Stopwatch:
    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.ms[step] = self.ms.get(step, 0.0) + (time.perf_counter() - start) * 1e3


class Verifier:
    """Checks selfie videos against reference photos.

    Build one and keep it: models load once, at the first use. It holds no state of a check, so threads may share it.

    Parameters
    ----------
    policy
        A name (``ial2``, ``strict``, ...), a TOML file, or a policy.
    models_dir
        Where the model files are; the default is the user's data directory or ``IDVERIFY_MODELS``.

    Raises
    ------
    PolicyError
        The policy cannot be used.
    """

    def __init__(
        self, *, policy: DecisionPolicy | str | Path = "ial2", models_dir: str | Path | None = None
    ) -> None:
        self.policy = load_policy(policy)
        self._models_dir = Path(models_dir) if models_dir is not None else None
        self._lock = threading.Lock()

    # -- the doors -------------------------------------------------------------------------------

    def check(
        self,
        video: Media,
        reference: Media | NDArray[np.uint8],
        *,
        challenge: Challenge | str | Path | None = None,
        challenge_key: bytes | str | None = None,
        nonce_store: NonceStore | None = None,
        now_s: float | None = None,
        mirrored: bool = False,
        progress: Progress | None = None,
        exhibits: bool = False,
    ) -> Decision:
        """Decide whether a live person in front of the camera is the person of the reference photo.

        Parameters
        ----------
        video
            Path, bytes or binary file of a recording.
        reference
            Path, bytes, binary file or RGB array (h, w, 3) of a photo.
        challenge
            What the video has to answer, or its file. It decides, whether or not the policy requires one; one that
            is forged, expired or used is refused before the video is opened.
        challenge_key
            The secret that it was issued under; by default from ``IDVERIFY_CHALLENGE_KEY``.
        nonce_store
            Where used challenges are kept; without one, reuse is not noticed.
        now_s
            The clock, in seconds since 1970 (UTC); by default this machine's.
        mirrored
            Whether the app that recorded the video mirrors it; never the person's own choice.
        progress
            Called with the share done, 0..1.
        exhibits
            Keep the compared faces in the decision, for a report.

        Raises
        ------
        MediaError, ModelError, CalibrationError
        ChallengeError
            The challenge cannot be read, or there is no secret to verify it with.
        """
        watch = _Stopwatch()
        attempt = None if challenge is None else Attempt.at(challenge, key=challenge_key, mirrored=mirrored)
        self._load(watch)
        clock_s = time.time() if now_s is None else now_s
        refusal = attempt.refusal(now_s=clock_s, nonce_store=nonce_store) if attempt else None  # (0)
        if refusal is not None:
            refused = Findings(task=Task.CHECK, match=None, liveness=None, obstacles=(), challenge=refusal)
            return self._decision(refused, None, None, watch, exhibits)
        with watch("reference"):
            enrolled = enrol(load_photo(reference, limits=self.policy.limits), self.face_models)  # (1)
        seen = self._watch_recording(  # (0) (2) (3) (4)
            video, watch, progress, attempt.needs if attempt else NOTHING_MORE
        )
        face = enrolled.value if isinstance(enrolled, Assessed) else None
        liveness = self._liveness(seen, face, watch)  # (5)
        template = _bound_template(seen.subject)  # (7)
        match = self._match(template, face, watch)  # (6) (8)
        obstacles = [enrolled.reason] if isinstance(enrolled, NotAssessed) else []
        findings = Findings(
            task=Task.CHECK,
            match=match,
            liveness=liveness,
            obstacles=(*obstacles, *seen.obstacles),
            challenge=_answer(attempt, seen) if attempt else None,  # (5)
        )
        return self._decision(findings, seen, enrolled, watch, exhibits)  # (9)

    def assess_liveness(self, video: Media, *, progress: Progress | None = None, exhibits: bool = False) -> Decision:
        """Decide whether a live person is in front of the camera; nobody is compared.

        Raises
        ------
        MediaError, ModelError, CalibrationError
        """
        watch = _Stopwatch()
        self._load(watch)
        seen = self._watch_recording(video, watch, progress)
        liveness = self._liveness(seen, None, watch)
        findings = Findings(task=Task.LIVENESS, match=None, liveness=liveness, obstacles=seen.obstacles)
        return self._decision(findings, seen, None, watch, exhibits)

    def compare(
        self,
        probe: Media | NDArray[np.uint8],
        reference: Media | NDArray[np.uint8],
        *,
        progress: Progress | None = None,
        exhibits: bool = False,
    ) -> Decision:
        """Decide whether two media show the same person; liveness is not checked.

        Parameters
        ----------
        probe
            A recording or a photo.
        reference
            A photo.

        Raises
        ------
        MediaError, ModelError, CalibrationError
        """
        watch = _Stopwatch()
        self._load(watch)
        with watch("reference"):
            enrolled = enrol(load_photo(reference, limits=self.policy.limits), self.face_models)
        face = enrolled.value if isinstance(enrolled, Assessed) else None
        obstacles = [enrolled.reason] if isinstance(enrolled, NotAssessed) else []
        photo = None if isinstance(probe, np.ndarray) else self._try_photo(probe)
        if isinstance(probe, np.ndarray) or photo is not None:
            shown = enrol(photo if photo is not None else load_photo(probe), self.face_models)
            template = shown.value.template if isinstance(shown, Assessed) else None
            obstacles += [_PROBE_WORDS.get(shown.reason, shown.reason)] if isinstance(shown, NotAssessed) else []
            seen = None
        else:
            seen = self._watch_recording(probe, watch, progress)
            template = _bound_template(seen.subject)
            obstacles += seen.obstacles
        match = self._match(template, face, watch)
        findings = Findings(task=Task.MATCH, match=match, liveness=None, obstacles=tuple(obstacles))
        return self._decision(findings, seen, enrolled, watch, exhibits)

    def inspect(self, video: Media, *, progress: Progress | None = None) -> Inspection:
        """Show tracks, quality and signals of a recording, without a verdict.

        Raises
        ------
        MediaError, ModelError
        """
        watch = _Stopwatch()
        self._load(watch)
        seen = self._watch_recording(video, watch, progress, Needs(eyes=True))
        subject = seen.subject if isinstance(seen.subject, Subject) else None
        liveness = self._liveness(seen, None, watch)
        return Inspection(
            recording=seen.facts,
            tracks=tuple(seen.capture.tracks.values()),
            subject_id=subject.track.track_id if subject else None,
            quality=_quality_over_time(seen.capture, subject) if subject else {},
            signals=(*(liveness.mechanisms if liveness else ()), *seen.panel.injection_signals()),
        )

    def watch_subject(self, recording: Recording) -> Subject | NotAssessed:
        """The subject of an open recording, for those who measure templates rather than decide."""
        tracker = Tracker(self.face_models.detectors[0], self.face_models.mesh)
        return choose_subject(acquire(recording, tracker, factories={}), self.face_models)

    # -- models ----------------------------------------------------------------------------------

    def _load(self, watch: _Stopwatch) -> None:
        """Load everything before any evidence is looked at; a missing or altered file stops here."""
        with watch("models"), self._lock:
            _ = self.face_models, self._card

    @cached_property
    def _sessions(self) -> dict[str, Session]:
        # The small models run on small pictures, where a second thread costs more than it saves.
        threads = dict.fromkeys(COMPARISON_MODELS)
        return {name: Session(name, threads=threads.get(name, 1)) for name in PIPELINE_MODELS}

    @cached_property
    def face_models(self) -> FaceModels:
        """Detectors, landmarks and extractors, loaded at the first use."""
        sessions = self._sessions
        return FaceModels(
            detectors=tuple(YuNet(sessions["yunet"], input_side_px=side) for side in SEARCH_SIDES_PX),
            mesh=FaceMesh(sessions["face_mesh"]),
            eyes=EyeModel(sessions["iris"]),
            extractor=FusedExtractor(
                SFaceExtractor(sessions["sface"], self._centre[0]), DlibExtractor(sessions["dlib_resnet"])
            ),
        )

    @cached_property
    def _centre(self) -> tuple[NDArray[np.float64], str]:
        return sface_centre(self._sessions["sface"].spec.sha256)

    @cached_property
    def _card(self) -> CalibrationCard:
        card = load_card(data_dir() / "calibration" / "comparison.toml")
        used = {name: self._sessions[name].spec.sha256 for name in COMPARISON_MODELS}
        card.require_models({**used, "sface_centre": self._centre[1]})  # (8)
        card.threshold(self.policy.target_fmr)
        return card

    @property
    def _stamps(self) -> tuple[ModelStamp, ...]:
        specs = [session.spec for session in self._sessions.values()]
        return tuple(
            ModelStamp(name=s.name, version=s.version, sha256=s.sha256, licence=s.licence) for s in specs
        )

    # -- the steps -------------------------------------------------------------------------------

    def _watch_recording(
        self, video: Media, watch: _Stopwatch, progress: Progress | None, needs: Needs = NOTHING_MORE
    ) -> _Seen:
        panel = Panel()
        with watch("recording"), open_recording(video, limits=self.policy.limits) as recording:  # (0)
            eyes = self.face_models.eyes if needs.eyes else None
            tracker = Tracker(self.face_models.detectors[0], self.face_models.mesh, eyes)
            capture = acquire(  # (2)
                recording,
                tracker,
                factories={**panel.factories, **needs.factories},
                frame_observers=panel.frame_observers,
                progress=progress,
            )
            facts = _facts(recording, capture)
            panel.note_recording(recording)
            obstacles, warnings = self._recording_problems(recording, capture)
        with watch("subject"):
            subject = choose_subject(capture, self.face_models)  # (3) (4)
        return _Seen(
            capture=capture,
            subject=subject,
            obstacles=(*obstacles, *self._subject_problems(subject)),
            warnings=warnings,
            panel=panel,
            facts=facts,
        )

    def _recording_problems(self, recording: Recording, capture: Capture) -> tuple[list[Reason], tuple[str, ...]]:
        """What is wrong with the recording as a whole."""
        found = []
        if recording.time_problems.backwards:
            found.append(Reason.TIME_BASE_INVALID)
        if capture.decoded_span_s < self.policy.min_duration_s:
            found.append(Reason.RECORDING_INCOMPLETE if recording.truncated else Reason.VIDEO_TOO_SHORT)
        elif capture.n_decoded / capture.decoded_span_s < self.policy.min_frame_rate_hz:
            found.append(Reason.LOW_FRAME_RATE)
        pixels = capture.size_wh[0] * capture.size_wh[1] * capture.n_decoded
        if recording.bit_rate_bps and recording.bit_rate_bps * capture.decoded_span_s / pixels < MIN_BITS_PER_PIXEL:
            found.append(Reason.HEAVILY_COMPRESSED)
        return found, tuple(recording.notes)

    def _subject_problems(self, subject: Subject | NotAssessed) -> list[Reason]:
        if isinstance(subject, NotAssessed):
            return [subject.reason]
        found = [problem.reason for problem in subject.problems]
        if subject.coverage < MIN_COVERAGE:
            found.append(Reason.NO_FACE)
        if len(subject.compared) < self.policy.min_compared_frames:
            found.append(Reason.VIDEO_TOO_SHORT)
        return found

    def _liveness(self, seen: _Seen, reference: EnrolledFace | None, watch: _Stopwatch) -> LivenessEvidence | None:
        if isinstance(seen.subject, NotAssessed):
            return None
        subject = seen.subject
        with watch("liveness"):
            evidence = seen.panel.assess(
                PADInputs(
                    track=subject.track,
                    observers=seen.capture.observers[subject.track.track_id],
                    reference_rgb=reference.image_rgb if reference else None,
                    reference_points_px=reference.face.points_px if reference else None,
                )
            )
        llr = fuse_liveness(evidence)
        probability = None if llr is None else confidence(match_llr=None, liveness_llr=llr, prior=self.policy.prior)
        return LivenessEvidence(llr=llr, probability=probability, mechanisms=evidence)

    def _match(
        self, probe: Template | None, reference: EnrolledFace | None, watch: _Stopwatch
    ) -> MatchEvidence | None:
        if probe is None or reference is None:
            return None
        with watch("comparison"):
            score = similarity(probe, reference.template)
        threshold = self._card.threshold(self.policy.target_fmr)
        llr = float(self._card.llr_at(score))
        return MatchEvidence(
            similarity=score,
            llr=llr,
            probability=confidence(match_llr=llr, liveness_llr=None, prior=self.policy.prior),
            fmr_at_score=float(self._card.fmr_at(score)),
            threshold=threshold,
            target_fmr=self.policy.target_fmr,
            matched=score >= threshold,
        )

    def _decision(
        self,
        findings: Findings,
        seen: _Seen | None,
        enrolled: Assessed[EnrolledFace] | NotAssessed | None,
        watch: _Stopwatch,
        exhibits: bool,
    ) -> Decision:
        outcome, reasons = decide(findings, self.policy)
        subject = seen.subject if seen and isinstance(seen.subject, Subject) else None
        face = enrolled.value if isinstance(enrolled, Assessed) else None
        return Decision(
            task=findings.task,
            outcome=outcome,
            confidence=self._confidence(findings),
            reasons=reasons,
            challenge=findings.challenge,
            warnings=(*(seen.warnings if seen else ()), *self._policy_warnings(outcome)),
            match=findings.match,
            liveness=findings.liveness,
            quality=subject.quality if subject else {},
            injection_signals=seen.panel.injection_signals() if seen else (),
            frames=_counts(seen, subject),
            bystanders=subject.bystanders if subject else 0,
            reference=ReferenceEvidence(faces=face.n_faces, quality=face.quality) if face else None,
            policy=PolicyStamp(name=self.policy.name, sha256=self.policy.sha256),
            models=self._stamps,
            timing_ms=watch.ms,
            idverify_version=__version__,
            exhibits=_exhibits(subject, face) if exhibits else (),
        )

    def _policy_warnings(self, outcome: Outcome) -> tuple[str, ...]:
        if not self.policy.unsafe:
            return ()
        return (f"policy {self.policy.name}: liveness did not decide; this {outcome.value} says nothing about attacks",)

    def _confidence(self, findings: Findings) -> float | None:
        """None as soon as a half that was asked for is missing."""
        needs_match = findings.task is not Task.LIVENESS
        needs_liveness = findings.task is not Task.MATCH and not self.policy.unsafe
        match = findings.match.llr if findings.match else None
        live = findings.liveness.llr if findings.liveness and needs_liveness else None
        if (needs_match and match is None) or (needs_liveness and live is None):
            return None
        return confidence(match_llr=match, liveness_llr=live, prior=self.policy.prior)

    def _try_photo(self, media: Media) -> NDArray[np.uint8] | None:
        """The photo, or None when the media is something else (a recording, it is to be hoped)."""
        try:
            return load_photo(media, limits=self.policy.limits)
        except UnsupportedMediaError:
            if hasattr(media, "seek"):
                media.seek(0)
            return None


# A face that cannot be used is said of the reference in enrolment; of the probe it has these names.
_PROBE_WORDS = {
    Reason.REFERENCE_UNUSABLE: Reason.NO_FACE,
    Reason.REFERENCE_MULTIPLE_FACES: Reason.MULTIPLE_FACES,
}


def _answer(attempt: Attempt, seen: _Seen) -> ChallengeResult:
    """The subject's answer: the same track that liveness and comparison judge."""
    if isinstance(seen.subject, NotAssessed):
        return attempt.unseen(seen.subject.reason)
    track = seen.subject.track
    observers = seen.capture.observers[track.track_id]
    return attempt.judge(track, observers, picture_width_px=seen.capture.size_wh[0])


def _bound_template(subject: Subject | NotAssessed) -> Template | None:
    """(7) The probe, if every compared face lies in the track that liveness judges."""
    if isinstance(subject, NotAssessed):
        return None
    used = [c.face.frame_index for c in subject.compared]
    if not np.isin(used, subject.track.frame_indices).all():
        raise AssertionError("a compared face lies outside the subject's track")
    return subject.template


def _facts(recording: Recording, capture: Capture) -> dict[str, object]:
    return {
        "container": recording.container,
        "codec": recording.codec,
        "size_wh": capture.size_wh,
        "rotation_deg": recording.rotation_deg,
        "duration_s": capture.decoded_span_s,
        "nominal_rate_hz": recording.nominal_rate_hz,
        "bit_rate_bps": recording.bit_rate_bps,
        "n_decoded": capture.n_decoded,
        "n_analysed": capture.n_analysed,
        "cuts_s": capture.cuts_s,
        "metadata": dict(recording.metadata),
        "notes": tuple(recording.notes),
    }


def _counts(seen: _Seen | None, subject: Subject | None) -> FrameCounts:
    if seen is None:
        return FrameCounts(decoded=0, analysed=0, compared=0, times_s=())
    times = tuple(c.face.time_s for c in subject.compared) if subject else ()
    return FrameCounts(
        decoded=seen.capture.n_decoded, analysed=seen.capture.n_analysed, compared=len(times), times_s=times
    )


def _exhibits(subject: Subject | None, reference: EnrolledFace | None) -> tuple[Exhibit, ...]:
    shown = []
    if reference is not None:
        shown.append(
            Exhibit(
                title="reference",
                image_rgb=reference.image_rgb,
                points_px=reference.face.points_px[:, :2].astype(np.float32),
            )
        )
    for c in subject.compared[:MAX_EXHIBITS] if subject else ():
        title = f"{c.face.time_s:.2f} s"
        shown.append(Exhibit(title=title, image_rgb=c.image_rgb, points_px=c.points_px[:, :2].astype(np.float32)))
    return tuple(shown)


def _quality_over_time(
    capture: Capture, subject: Subject
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    from idverify.enrolment import face_quality

    faces = capture.candidates[subject.track.track_id]
    times = np.array([c.face.time_s for c in faces])
    points = np.stack([c.points_px for c in faces])
    values = face_quality([c.image_rgb for c in faces], points, [c.face for c in faces], capture.size_wh)
    return {name: (times, v) for name, v in values.items()}

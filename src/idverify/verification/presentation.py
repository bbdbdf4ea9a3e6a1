"""One pass over a recording: facts, the subject, and what liveness mechanisms say without a reference.

Goal: a recording is looked at once, however many references it then meets. Steps (0) and (2) to (5) of a verification,
as :mod:`idverify.verification.verifier` numbers them.

Public items: :class:`Presentation`, :func:`observe`, :class:`Stopwatch`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from idverify.challenge.attempt import NO_EXTRAS, Extras
from idverify.faces.tracking import Tracker
from idverify.media.recording import Recording, open_recording
from idverify.models.session import Session
from idverify.pad import identity_continuity
from idverify.pad.evidence import LONG_ENOUGH_S, PADEvidence
from idverify.pad.panel import PADInputs, Panel, assess_reference
from idverify.pad.reference_reuse import ReferenceFace
from idverify.reasons import NotAssessed, Reason
from idverify.verification.acquisition import Capture, acquire, working_size
from idverify.verification.enrolment import FaceModels
from idverify.verification.follower import Follower
from idverify.verification.framing import settle
from idverify.verification.policy import DecisionPolicy
from idverify.verification.subject import Subject, choose_subject, longest_track

__all__ = ["Presentation", "Stopwatch", "observe"]

# Below this the subject is absent for too much of the recording to speak for it.
MIN_COVERAGE = 0.75
# A track with this share of the analysed pictures is there throughout: what else is missing of the face, the recording
# does not show either.
THROUGHOUT = 0.9
# Bits per pixel and frame under which H.264 leaves nothing of the skin but blocks; bona fide clips at hand have at
# least 0.013.
MIN_BITS_PER_PIXEL = 0.004
# With fewer bits, or fewer pictures a second, it is hard to judge: all bona fide clips at hand but one have at least
# 0.028, and none has fewer than 15 pictures a second.
GOOD_BITS_PER_PIXEL = 0.03
GOOD_FRAME_RATE_HZ = 12.0
# A scene in which no face is found is dark when the median of its pictures' luma is below this: faces in the bona fide
# clips have 41 at least.
DARK_SCENE_LUMA = 35.0


class Stopwatch:
    """Milliseconds by step; goes on from what was measured before."""

    def __init__(self, before: Mapping[str, float] | None = None) -> None:
        self.ms: dict[str, float] = dict(before or {})

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Add the time of a block to a step."""
        start = time.perf_counter()
        yield
        self.ms[step] = self.ms.get(step, 0.0) + (time.perf_counter() - start) * 1e3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Presentation:
    """A recording after one pass.

    Parameters
    ----------
    capture
        Tracks, candidate faces and signals.
    subject
        Whose verification it is, or why nobody's.
    obstacles
        What keeps the recording from being judged, most useful advice first.
    handicaps
        What made the recording hard to judge, without keeping it from being judged, most useful advice first.
    warnings
        Oddities of the recording, as sentences.
    facts
        What the container says and what was decoded.
    mechanisms
        What every liveness mechanism says without a reference; None where there is no subject or liveness was not asked
        for.
    injection_signals
        Signs that the file was altered, made or fed in.
    timing_ms
        Milliseconds by step.
    """

    capture: Capture = field(repr=False)
    subject: Subject | NotAssessed
    obstacles: tuple[Reason, ...]
    handicaps: tuple[Reason, ...]
    warnings: tuple[str, ...]
    facts: Mapping[str, object]
    mechanisms: tuple[PADEvidence, ...] | None = field(repr=False)
    injection_signals: tuple[PADEvidence, ...] = field(repr=False)
    timing_ms: Mapping[str, float] = field(repr=False)

    @property
    def tampering(self) -> tuple[Reason, ...]:
        """What proves that the file was altered."""
        return tuple(e.reason for e in self.injection_signals if e.decisive and e.reason)

    def mechanisms_against(self, reference: ReferenceFace) -> tuple[PADEvidence, ...] | None:
        """The mechanisms, with the one that looks for the reference photo in the video asked again."""
        if self.mechanisms is None or isinstance(self.subject, NotAssessed):
            return None
        found = assess_reference(_inputs(self.capture, self.subject, reference))
        return tuple(found if evidence.name == found.name else evidence for evidence in self.mechanisms)


def observe(
    video: str | Path | bytes | BinaryIO,
    models: FaceModels,
    policy: DecisionPolicy,
    *,
    recapture: Session,
    skin_change: Session,
    seed: int,
    needs: Extras = NO_EXTRAS,
    liveness: bool = True,
    progress: Callable[[float], None] | None = None,
) -> Presentation:
    """Watch a recording.

    Parameters
    ----------
    video
        Path, bytes or binary file.
    models
    policy
        For its limits, and what it takes to judge a recording.
    recapture, skin_change
        The models of the mechanisms of these names.
    seed
        Draws the faces to be compared.
    needs
        What else is collected, for a challenge or an inspection.
    liveness
        Whether the mechanisms are asked.
    progress
        Called with the share done, 0..1.

    Raises
    ------
    MediaError
    """
    watch, panel = Stopwatch(), Panel(recapture=recapture, skin_change=skin_change)
    tracker = Tracker(models.detectors[0], models.mesh, models.eyes if needs.eyes else None)
    factories = {**(panel.factories if liveness else {}), **needs.factories}
    with watch("recording"), open_recording(video, limits=policy.limits) as recording:  # (0)
        settle(recording, models.detectors[0], models.mesh, working_size(recording.size_wh)[0])
        capture = acquire(  # (2)
            recording, tracker, factories=factories, seed=seed, fingerprints=panel.fingerprints, progress=progress
        )
        facts = _facts(recording, capture)
        panel.note_recording(recording)
        hindrances, warnings = _recording_problems(recording, capture, policy), tuple(recording.notes)
        handicaps = _recording_handicaps(recording, capture)
    with Follower() as beside:
        with watch("subject"):
            # While the networks of the comparison look at the subject, most mechanisms can judge.
            track = longest_track(capture)
            seen = beside.ask(partial(panel.see, capture.observers[track.track_id])) if liveness and track else None
            subject = choose_subject(capture, models)  # (3) (4)
        with watch("liveness"):
            mechanisms = None
            if seen is not None and isinstance(subject, Subject):
                mechanisms = panel.assess(_inputs(capture, subject), seen())  # (5)
            injection_signals = panel.injection_signals()
    dark = isinstance(subject, NotAssessed) and panel.median_luma() < DARK_SCENE_LUMA
    uncertain = Reason.LIVENESS_UNCERTAIN if liveness else Reason.MATCH_UNCERTAIN
    return Presentation(
        capture=capture,
        subject=subject,
        obstacles=(
            *hindrances,
            *_subject_problems(subject, policy, dark, _scarcity(capture, subject, uncertain)),
            *_doubts_about_the_file(injection_signals),
        ),
        handicaps=(
            *handicaps,
            *_stalls(injection_signals),
            *(subject.handicaps if isinstance(subject, Subject) else ()),
        ),
        warnings=warnings,
        facts=facts,
        mechanisms=mechanisms,
        injection_signals=injection_signals,
        timing_ms=watch.ms,
    )


def _inputs(
    capture: Capture,
    subject: Subject,
    reference: ReferenceFace | None = None,
) -> PADInputs:
    return PADInputs(
        track=subject.track,
        observers=capture.observers[subject.track.track_id],
        likenesses=subject.likenesses,
        reference=reference,
        scarcity=_scarcity(capture, subject),
    )


def _scarcity(
    capture: Capture, subject: Subject | NotAssessed, uncertain: Reason = Reason.LIVENESS_UNCERTAIN
) -> Reason:
    """Why there may be little of the face: the recording is short, goes on without it, or hangs.

    Where light or scene jumps, a face that was in sight throughout is not followed for long. What is left `uncertain`
    by that is said then: nobody moved out of the picture.
    """
    if capture.decoded_span_s < LONG_ENOUGH_S:
        return Reason.VIDEO_TOO_SHORT
    if isinstance(subject, NotAssessed) or subject.coverage < THROUGHOUT:
        return Reason.FACE_LOST
    return uncertain if len(subject.track) < THROUGHOUT * capture.n_analysed else Reason.LOW_FRAME_RATE


def _recording_problems(recording: Recording, capture: Capture, policy: DecisionPolicy) -> list[Reason]:
    """What is wrong with the recording as a whole."""
    found = []
    if recording.time_problems.backwards:
        found.append(Reason.TIME_BASE_INVALID)
    if recording.n_picture_tracks > 1:
        found.append(Reason.SEVERAL_PICTURE_TRACKS)
    if capture.decoded_span_s < policy.min_duration_s:
        found.append(Reason.RECORDING_INCOMPLETE if recording.truncated else Reason.VIDEO_TOO_SHORT)
    elif capture.n_decoded / capture.decoded_span_s < policy.min_frame_rate_hz:
        found.append(Reason.LOW_FRAME_RATE)
    if _bits_per_pixel(recording, capture) < MIN_BITS_PER_PIXEL:
        found.append(Reason.HEAVILY_COMPRESSED)
    return found


def _recording_handicaps(recording: Recording, capture: Capture) -> list[Reason]:
    """What made the recording as a whole hard to judge."""
    found = []
    if capture.n_decoded < GOOD_FRAME_RATE_HZ * capture.decoded_span_s:
        found.append(Reason.LOW_FRAME_RATE)
    if _bits_per_pixel(recording, capture) < GOOD_BITS_PER_PIXEL:
        found.append(Reason.HEAVILY_COMPRESSED)
    return found


def _bits_per_pixel(recording: Recording, capture: Capture) -> float:
    """Bits per pixel and picture."""
    return recording.bits_per_picture / (capture.size_wh[0] * capture.size_wh[1])


def _subject_problems(
    subject: Subject | NotAssessed, policy: DecisionPolicy, dark: bool, scarcity: Reason
) -> list[Reason]:
    if isinstance(subject, NotAssessed):
        return [Reason.TOO_DARK] if dark and subject.reason is Reason.NO_FACE else [subject.reason]
    found = [problem.reason for problem in subject.problems]
    if identity_continuity.assess(subject.likenesses).reason is Reason.PERSON_CHANGED:
        found.append(Reason.PERSON_CHANGED)
    if subject.coverage < MIN_COVERAGE:
        found.append(Reason.FACE_LOST)
    if len(subject.compared) < policy.min_compared_frames:
        found.append(subject.scarcity or scarcity)
    return found


def _doubts_about_the_file(injection_signals: tuple[PADEvidence, ...]) -> list[Reason]:
    """Several takes, or parts squeezed through a narrower channel, do not show that one person was there throughout.

    Nor does a screen recorder show that anybody was.
    """
    doubts = (Reason.RECORDING_CUT, Reason.QUALITY_FELL, Reason.NOT_FROM_A_CAMERA)
    return [e.reason for e in injection_signals if e.reason in doubts]


def _stalls(injection_signals: tuple[PADEvidence, ...]) -> list[Reason]:
    """A stretch that stands still proves nothing and hides nothing that was seen, but less was seen."""
    return [e.reason for e in injection_signals if e.reason is Reason.RECORDING_STALLED]


def _facts(recording: Recording, capture: Capture) -> dict[str, object]:
    return {
        "container": recording.container,
        "codec": recording.codec,
        "size_wh": capture.size_wh,
        "rotation_deg": (recording.rotation_deg + recording.framing.turn_deg) % 360,
        "duration_s": capture.decoded_span_s,
        "nominal_rate_hz": recording.nominal_rate_hz,
        "bit_rate_bps": recording.bit_rate_bps,
        "n_decoded": capture.n_decoded,
        "n_analysed": capture.n_analysed,
        "cuts_s": capture.cuts_s,
        "metadata": dict(recording.metadata),
        "notes": tuple(recording.notes),
    }

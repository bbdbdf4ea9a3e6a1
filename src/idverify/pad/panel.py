"""The panel of mechanisms: which observers a recording needs, and what each says about the subject.

A mechanism joins by its name in :data:`MECHANISMS` and one row in :meth:`Panel.see`; the observer it needs is one
entry in :attr:`Panel.factories`.

Public items: :class:`PADInputs`, :class:`Panel`, :data:`MECHANISMS`, :func:`assess_reference`,
:func:`unproven_where_skin_lives`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from idverify.faces.tracking import FaceTrack
from idverify.media.recording import Recording
from idverify.models.session import Session
from idverify.pad import (
    context_motion,
    depth,
    eye_stillness,
    identity_continuity,
    injection,
    liveliness,
    mouth_stillness,
    pulse,
    recapture,
    reference_reuse,
    screen_rhythm,
    skin_change,
    stillness,
    texture_constancy,
)
from idverify.pad.evidence import PADEvidence, Status, TrackObserver
from idverify.pad.eye_stillness import EyePictures
from idverify.pad.fingerprints import FrameFingerprints
from idverify.pad.identity_continuity import Likenesses
from idverify.pad.motion import MotionObserver
from idverify.pad.pulse import SkinColour
from idverify.pad.recapture import Recapture
from idverify.pad.reference_reuse import ReferenceFace, ReferenceReuse
from idverify.pad.screen_rhythm import ScreenRhythm
from idverify.pad.skin_change import SkinStrips
from idverify.pad.texture_constancy import SkinShade
from idverify.reasons import Reason

__all__ = ["MECHANISMS", "PADInputs", "Panel", "assess_reference", "unproven_where_skin_lives"]

T = TypeVar("T")

# More than rules an attack out (three to one), since a proof is at stake: of still pictures, a photo that is panned
# before a coarse encoder reaches almost that.
LIVING_SKIN_LLR = 1.5

# Names of all mechanisms, in the order in which they are asked; a policy may require any of them.
MECHANISMS = (
    recapture.NAME,
    stillness.NAME,
    depth.NAME,
    liveliness.NAME,
    mouth_stillness.NAME,
    eye_stillness.NAME,
    context_motion.NAME,
    texture_constancy.NAME,
    skin_change.NAME,
    pulse.NAME,
    screen_rhythm.NAME,
    identity_continuity.NAME,
    reference_reuse.NAME,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PADInputs:
    """What the mechanisms may look at: the subject's track and nothing else.

    Parameters
    ----------
    track
        The subject's.
    observers
        Name -> observer, full of the track's signals.
    likenesses
        How alike the compared faces of the track are, as the other witness says.
    reference
        The reference photo's face, for the mechanism that looks for it in the video.
    scarcity
        Why there is little of the face, said where a mechanism saw it for too short a time: a mechanism knows how long
        the face was followed, and not whether the recording ended, hung, or went on without it.
    """

    track: FaceTrack
    observers: Mapping[str, TrackObserver]
    likenesses: Likenesses
    reference: ReferenceFace | None = field(repr=False, default=None)
    scarcity: Reason = Reason.VIDEO_TOO_SHORT


class Panel:
    """The mechanisms of one check: give :attr:`factories` and :attr:`fingerprints` to the pass, then ask.

    Parameters
    ----------
    recapture, skin_change
        Of the mechanisms of these names: the models.
    """

    factories: Mapping[str, Callable[[], TrackObserver]] = {
        "motion": MotionObserver,
        "recapture": Recapture,
        "eye_stillness": EyePictures,
        "texture_constancy": SkinShade,
        "skin_change": SkinStrips,
        "pulse": SkinColour,
        "screen_rhythm": ScreenRhythm,
        "reference_reuse": ReferenceReuse,
    }

    def __init__(self, *, recapture: Session, skin_change: Session) -> None:
        self._recapture, self._skin_change = recapture, skin_change
        self._fingerprints = FrameFingerprints()
        self._facts: injection.ContainerFacts | None = None

    @property
    def fingerprints(self) -> FrameFingerprints:
        """To see every decoded frame."""
        return self._fingerprints

    def note_recording(self, recording: Recording) -> None:
        """Keep what the container says, once it was read to its end."""
        self._facts = injection.ContainerFacts.of(recording)

    def median_luma(self) -> float:
        """Of all pictures; 255 where there is none."""
        _, thumbnails = self._fingerprints.thumbnails()
        return float(np.median(thumbnails)) if len(thumbnails) else 255.0

    def see(self, observers: Mapping[str, TrackObserver]) -> tuple[PADEvidence, ...]:
        """Ask the mechanisms that need nothing but the signals of a track, in the order of :data:`MECHANISMS`."""
        motion = _observer(observers, "motion", MotionObserver).signals()
        return (
            recapture.assess(*_observer(observers, "recapture", Recapture).signals(), self._recapture),
            stillness.assess(motion),
            depth.assess(motion),
            liveliness.assess(motion),
            mouth_stillness.assess(motion),
            eye_stillness.assess(_observer(observers, "eye_stillness", EyePictures).signals()),
            context_motion.assess(motion),
            texture_constancy.assess(_observer(observers, "texture_constancy", SkinShade).signals()),
            skin_change.assess(_observer(observers, "skin_change", SkinStrips).signals(), self._skin_change),
            pulse.assess(*_observer(observers, "pulse", SkinColour).signals()),
            screen_rhythm.assess(*_observer(observers, "screen_rhythm", ScreenRhythm).signals()),
        )

    def assess(self, inputs: PADInputs, seen: tuple[PADEvidence, ...]) -> tuple[PADEvidence, ...]:
        """Ask every mechanism about the subject; `seen` is what :meth:`see` says of the subject's observers."""
        found = (*seen, identity_continuity.assess(inputs.likenesses), assess_reference(inputs))
        told = (replace(e, reason=inputs.scarcity) if e.reason is Reason.VIDEO_TOO_SHORT else e for e in found)
        return unproven_where_skin_lives(tuple(told))

    def injection_signals(self) -> tuple[PADEvidence, ...]:
        """Signals of a recording that was altered, made or fed in; of the whole recording, not of the subject."""
        if self._facts is None:
            raise RuntimeError("injection signals are complete only after the recording was read")
        return injection.assess(self._fingerprints, self._facts)


def unproven_where_skin_lives(found: tuple[PADEvidence, ...]) -> tuple[PADEvidence, ...]:
    """Take back a proof that the face is a still picture where its skin changes as flesh does: then it is a doubt.

    Somebody who stares into a webcam for seconds, before an encoder that copies what hardly moves, is as still as a
    photograph is. Not so the shade and the folds of their skin. Where light hid these, nothing is proven either.
    """
    skin = next((e for e in found if e.name == skin_change.NAME), None)
    if skin is not None and skin.bona_fide_llr is not None and skin.bona_fide_llr >= LIVING_SKIN_LLR:
        yet = "yet its skin changes as a living face's does"
    elif skin is not None and skin.hidden_by_light:
        yet = "yet light hid whether its skin changes"
    else:
        return found
    return tuple(
        replace(e, decisive=False, reason=None, detail=f"{e.detail}, {yet}")
        if e.decisive and e.reason is Reason.STATIC_PRESENTATION
        else e
        for e in found
    )


def assess_reference(inputs: PADInputs) -> PADEvidence:
    """Ask the one mechanism that depends on the reference: does the video show the photo itself?"""
    if inputs.reference is None:
        return PADEvidence(
            name=reference_reuse.NAME,
            status=Status.NOT_APPLICABLE,
            unit=reference_reuse.UNIT,
            detail="there is no reference photo",
        )
    crops = _observer(inputs.observers, "reference_reuse", ReferenceReuse).crops()
    strips = _observer(inputs.observers, "skin_change", SkinStrips).kept()
    return reference_reuse.assess(crops, strips, inputs.reference)


def _observer(observers: Mapping[str, TrackObserver], name: str, kind: type[T]) -> T:
    observer = observers[name]
    if not isinstance(observer, kind):
        raise TypeError(f"observer {name}: expected {kind.__name__}, got {type(observer).__name__}")
    return observer

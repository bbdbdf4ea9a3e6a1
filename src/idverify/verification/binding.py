"""How a recording was bound to the attempt that it is judged for.

Goal: a decision says what its recording is worth as a capture. A file proves nothing about its origin; an answered
challenge shows that it was made after the question; steps that a server revealed one by one, and timed, leave little
time to make it elsewhere.

Public items: :class:`CaptureBinding`, :class:`CaptureEvidence`, :func:`binding_of`, :func:`doubts_about`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from idverify.challenge.verification import ChallengeResult
from idverify.pad.injection import names_no_camera
from idverify.reasons import Reason

__all__ = ["CaptureBinding", "CaptureEvidence", "binding_of", "doubts_about"]


class CaptureBinding(str, Enum):
    """Weakest first."""

    FILE = "file"
    CHALLENGE = "challenge"
    SESSION = "session"

    def suffices(self, required: CaptureBinding) -> bool:
        """Whether this is at least as much as is required.

        Examples
        --------
        >>> CaptureBinding.SESSION.suffices(CaptureBinding.CHALLENGE)
        True
        """
        order = list(CaptureBinding)
        return order.index(self) >= order.index(required)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureEvidence:
    """What a service that leads the capture adds to the recording itself.

    Parameters
    ----------
    camera_named
        What the browser calls the camera; a signal, never proof. Empty where it says nothing.
    """

    camera_named: str = ""


def binding_of(challenge: ChallengeResult | None) -> CaptureBinding:
    """What an answer binds; a challenge that was not answered binds nothing."""
    if challenge is None or not challenge.followed:
        return CaptureBinding.FILE
    return CaptureBinding(challenge.binding)


def doubts_about(capture: CaptureEvidence | None) -> tuple[Reason, ...]:
    """What keeps a capture from showing that a camera was there."""
    return (Reason.NOT_FROM_A_CAMERA,) if capture is not None and names_no_camera(capture.camera_named) else ()

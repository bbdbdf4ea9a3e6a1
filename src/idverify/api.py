"""The three questions as plain functions, for callers who ask once.

Build a :class:`~idverify.verification.verifier.Verifier` to ask often, or to use a calibration card of your own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.verification.decision import Decision
from idverify.verification.policy import DecisionPolicy
from idverify.verification.verifier import Media, Verifier

__all__ = ["assess_liveness", "check", "compare"]

Policy = DecisionPolicy | str | Path


def check(video: Media, reference: Media | NDArray[np.uint8], *, policy: Policy = "ial2", **options: Any) -> Decision:
    """Decide whether a live person in front of the camera is the person of the photo; see :meth:`Verifier.check`."""
    return Verifier(policy=policy).check(video, reference, **options)


def assess_liveness(video: Media, *, policy: Policy = "ial2", **options: Any) -> Decision:
    """Decide whether a live person is in front of the camera; see :meth:`Verifier.assess_liveness`."""
    return Verifier(policy=policy).assess_liveness(video, **options)


def compare(
    probe: Media | NDArray[np.uint8], reference: Media | NDArray[np.uint8], *, policy: Policy = "ial2", **options: Any
) -> Decision:
    """Decide whether two media show the same person, without liveness; see :meth:`Verifier.compare`."""
    return Verifier(policy=policy).compare(probe, reference, **options)

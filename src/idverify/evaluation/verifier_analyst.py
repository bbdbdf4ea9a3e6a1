"""The verifier as an analyst: a video is watched once, a reference is enrolled once as long as it fits in memory.

Public items: :class:`VerifierAnalyst`.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from idverify._version import __version__
from idverify.calibration import CalibrationCard
from idverify.enrolment import EnrolledFace
from idverify.evaluation.analyst import Judge
from idverify.evaluation.verifier_steps import StepwiseVerifier
from idverify.reasons import Assessed, NotAssessed

__all__ = ["VerifierAnalyst"]

# Enrolled references are kept while they fit: 1,400 photos of Labeled Faces in the Wild, or 35 of 1600 x 1600 pixels.
CACHE_BYTES = 256 * 2**20


class VerifierAnalyst:
    """The :class:`~idverify.verifier.Verifier` as an analyst."""

    def __init__(self, policy: str = "ial2") -> None:
        self._verifier = StepwiseVerifier(policy=policy)
        self._references: OrderedDict[Path, Assessed[EnrolledFace] | NotAssessed] = OrderedDict()
        self._bytes = 0

    @property
    def stamp(self) -> Mapping[str, Any]:
        """Version, policy with thresholds, hashes of the models and of the calibration."""
        policy = self._verifier.policy
        return {
            "idverify_version": __version__,
            "policy": {
                "name": policy.name,
                "sha256": policy.sha256,
                "target_fmr": policy.target_fmr,
                "accept_liveness_llr": policy.accept_liveness_llr,
                "reject_liveness_llr": policy.reject_liveness_llr,
            },
            "models": dict(self._verifier.model_hashes),
            "comparison": _card_stamp(self._verifier.comparison_card),
        }

    def look(self, video: Path) -> Judge:
        """Analyse a video once; a photo is compared only."""
        seen = self._verifier.look(video)
        return lambda reference: self._verifier.judge(seen, self._enrol(reference) if reference else None)

    def _enrol(self, reference: Path) -> Assessed[EnrolledFace] | NotAssessed:
        if reference in self._references:
            self._references.move_to_end(reference)
            return self._references[reference]
        enrolled = self._references[reference] = self._verifier.enrol(reference)
        self._bytes += _size(enrolled)
        while self._bytes > CACHE_BYTES and len(self._references) > 1:
            self._bytes -= _size(self._references.popitem(last=False)[1])
        return enrolled


def _card_stamp(card: CalibrationCard) -> dict[str, Any]:
    """What the comparison's scores and LLRs rest on."""
    maps = (card.thresholds, *(m.tolist() for m in (card.llr_similarity, card.llr, card.tail_similarity)))
    return {"models": dict(card.models), "card_sha256": hashlib.sha256(repr(maps).encode()).hexdigest()}


def _size(enrolled: Assessed[EnrolledFace] | NotAssessed) -> int:
    return enrolled.value.image_rgb.nbytes if isinstance(enrolled, Assessed) else 0

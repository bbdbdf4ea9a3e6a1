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
from idverify.enrolment import Enrolment
from idverify.errors import UnsupportedMediaError
from idverify.evaluation.analyst import Judge
from idverify.look import Look
from idverify.reasons import Assessed
from idverify.verifier import Verifier

__all__ = ["VerifierAnalyst"]

# Enrolled references are kept while they fit: 1,400 photos of Labeled Faces in the Wild, or 35 of 1600 x 1600 pixels.
CACHE_BYTES = 256 * 2**20


class VerifierAnalyst:
    """The :class:`~idverify.verifier.Verifier` as an analyst.

    Parameters
    ----------
    policy
        Name or file of the policy.
    card
        File of a calibration card; None is the one that the package ships.
    """

    def __init__(self, policy: str = "ial2", card: Path | None = None) -> None:
        self._verifier = Verifier(policy=policy, card=card)
        self._references: OrderedDict[Path, Enrolment] = OrderedDict()
        self._bytes = 0

    @property
    def stamp(self) -> Mapping[str, Any]:
        """Version, policy with thresholds, hashes of the models and of the calibration."""
        self._verifier.load()
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
            "models": {stamp.name: stamp.sha256 for stamp in self._verifier.models},
            "comparison": _card_stamp(self._verifier.card),
        }

    def look(self, video: Path) -> Judge:
        """Analyse a video once; a photo is compared only."""
        probe: Look | Enrolment
        try:
            probe = self._verifier.enrol(video)
        except UnsupportedMediaError:
            probe = self._verifier.look(video)
        return lambda reference: self._verifier.judge(probe, self._enrol(reference) if reference else None)

    def _enrol(self, reference: Path) -> Enrolment:
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


def _size(enrolled: Enrolment) -> int:
    return enrolled.value.image_rgb.nbytes if isinstance(enrolled, Assessed) else 0

"""The verifier as the system under test.

Public items: :class:`VerifierSystem`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from idverify._version import __version__
from idverify.comparison.calibration import CalibrationCard
from idverify.errors import UnsupportedMediaError
from idverify.evaluation.system import Judge
from idverify.media.source import MediaLimits, open_source
from idverify.reasons import Assessed
from idverify.verification.enrolment import Enrolment
from idverify.verification.presentation import Presentation
from idverify.verification.verifier import Verifier

__all__ = ["VerifierSystem"]

_BLOCK = 1 << 20


class VerifierSystem:
    """The :class:`~idverify.verification.verifier.Verifier` as the system under test.

    Parameters
    ----------
    policy
        Name or file of the policy.
    card
        File of a calibration card; None is the one that the package ships.
    """

    def __init__(self, policy: str = "ial2", card: Path | None = None) -> None:
        self._verifier = Verifier(policy=policy, card=card)

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
                "target_fmr_with_liveness": policy.target_fmr_with_liveness,
                "accept_liveness_llr": policy.accept_liveness_llr,
                "reject_liveness_llr": policy.reject_liveness_llr,
                "prior": asdict(policy.prior),
            },
            "models": {stamp.name: stamp.sha256 for stamp in self._verifier.models},
            "comparison": _card_stamp(self._verifier.card),
        }

    def observe(self, video: Path) -> Judge:
        """Analyse a video once; a photo is compared only."""
        probe: Presentation | Enrolment
        try:
            probe = self._verifier.enrol(video)
        except UnsupportedMediaError:
            probe = self._verifier.observe(video, seed=_draw_of(video, self._verifier.policy.limits))
        return partial(self._verifier.judge, probe)

    def enrol(self, reference: Path) -> Enrolment:
        """Enrol a photo; what comes of it has 14 kB and no picture, so that thousands fit in memory."""
        enrolled = self._verifier.enrol(reference)
        if not isinstance(enrolled, Assessed):
            return enrolled
        return Assessed(value=replace(enrolled.value, image_rgb=np.empty((0, 0, 3), np.uint8)))


def _draw_of(video: Path, limits: MediaLimits) -> int:
    """A seed that is the video's own, so that every run of an evaluation, begun anew or not, gives the same scores."""
    digest = hashlib.sha256()
    with open_source(video, limits) as opened:
        while block := opened.stream.read(_BLOCK):
            digest.update(block)
    return int.from_bytes(digest.digest()[:6], "big")


def _card_stamp(card: CalibrationCard) -> dict[str, Any]:
    """What the comparison's scores and LLRs rest on."""
    means = {group.name: group.non_mated_mean for group in card.groups if not group.alike}
    return {"models": dict(card.models), "card_sha256": card.sha256, "non_mated_means": means}

"""Comparison: aligned faces in, templates and scores with a meaning out.

In: crops and their landmarks. Out: a :class:`Template`, a similarity (it grows with likeness), and by the calibration
card a log-likelihood ratio and the rate of strangers who would score as much. It knows nothing of liveness.
Read :mod:`~idverify.comparison.features` first, then ``score`` and ``calibration``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from idverify._lazy import lazy_names

if TYPE_CHECKING:
    from idverify.comparison.calibration import CalibrationCard, fit_card, load_card, write_card
    from idverify.comparison.features import Extractor, FusedExtractor, Template, pool
    from idverify.comparison.score import similarity, similarity_matrix

__all__ = [
    "CalibrationCard",
    "Extractor",
    "FusedExtractor",
    "Template",
    "fit_card",
    "load_card",
    "pool",
    "similarity",
    "similarity_matrix",
    "write_card",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "CalibrationCard": "calibration",
        "Extractor": "features",
        "FusedExtractor": "features",
        "Template": "features",
        "fit_card": "calibration",
        "load_card": "calibration",
        "pool": "features",
        "similarity": "score",
        "similarity_matrix": "score",
        "write_card": "calibration",
    },
)

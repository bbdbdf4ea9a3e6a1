"""Probe and reference templates in, similarity out.

Public items: :func:`similarity`, :func:`similarity_matrix`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from idverify.comparison.features import Template

__all__ = ["similarity", "similarity_matrix"]


def similarity(probe: Template, reference: Template) -> float:
    """Weighted mean of the networks' cosines, -1..1; grows with likeness. Symmetric."""
    return float(probe.vector @ reference.vector)


def similarity_matrix(probes: NDArray[np.float64], references: NDArray[np.float64]) -> NDArray[np.float64]:
    """Similarity of every probe vector with every reference vector.

    Parameters
    ----------
    probes : float64 [shape=(n, d)]
    references : float64 [shape=(m, d)]

    Returns
    -------
    float64 [shape=(n, m)]
    """
    return probes @ references.T

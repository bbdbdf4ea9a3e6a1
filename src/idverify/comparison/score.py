"""Probe and reference templates in, similarity out.

Public items: :func:`similarity`, :func:`similarity_matrix`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from idverify.comparison.features import Template

__all__ = ["similarity", "similarity_matrix"]


def similarity(probe: Template, reference: Template) -> float:
    """Weighted mean of what the networks say, -1..1; grows with likeness. Symmetric."""
    # Vectors of poor pictures are a little longer than 1: a picture beside itself would be more than alike.
    return float(np.clip(probe.vector @ reference.vector, -1, 1))


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

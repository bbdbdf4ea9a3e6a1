"""Parameters that a caller may leave to chance.

Public items: :func:`drawn`.
"""

from __future__ import annotations

import numpy as np

__all__ = ["drawn"]


def drawn(given: float | None, rng: np.random.Generator, low: float, high: float) -> float:
    """Return the value that was given, else one drawn evenly from `low` to `high`."""
    return given if given is not None else float(rng.uniform(low, high))

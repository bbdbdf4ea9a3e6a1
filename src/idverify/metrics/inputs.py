"""What the metrics take: checked arrays.

Conventions of the whole package
--------------------------------
- Scores are one-dimensional and grow towards the positive class (*mated*, or *bona fide*).
- The positive class is declared when ``score >= threshold``. Equal scores are never split.
- Infinite scores are legal (an LLR may be infinite); NaN is not, except where a function says that NaN is a
  non-response.
- A rate of nothing is undefined: empty arrays raise :class:`~idverify.errors.ParameterError`.

Public items: :func:`as_scores`, :func:`as_labels`, :func:`as_probabilities`, :func:`as_counts`,
:func:`check_open_unit`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from idverify.errors import ParameterError

__all__ = ["as_counts", "as_labels", "as_probabilities", "as_scores", "check_open_unit"]


def as_scores(values: ArrayLike, name: str, *, allow_nan: bool = False) -> NDArray[np.float64]:
    """Scores as a float64 vector.

    Parameters
    ----------
    values : array_like [shape=(n,), n >= 1]
    name
        How the caller calls them, for the message.
    allow_nan
        NaN stands for a non-response.

    Returns
    -------
    scores : float64 [shape=(n,)]

    Raises
    ------
    ParameterError
        Not one-dimensional, empty, or NaN where it has no meaning.
    """
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1:
        raise ParameterError(f"{name}: expected shape (n,), got {scores.shape}")
    if scores.size == 0:
        raise ParameterError(f"{name}: expected at least one score, got none")
    if not allow_nan and np.isnan(scores).any():
        raise ParameterError(f"{name}: expected numbers, got {int(np.isnan(scores).sum())} NaN")
    return scores


def as_labels(labels: ArrayLike, n: int) -> NDArray[np.bool_]:
    """Class labels as a boolean vector of length `n`; True is the positive class.

    Raises
    ------
    ParameterError
        Another length, or values other than 0 and 1.
    """
    given = np.asarray(labels)
    if given.shape != (n,):
        raise ParameterError(f"labels: expected shape ({n},), got {given.shape}")
    if given.dtype != np.bool_ and not np.isin(given, (0, 1)).all():
        raise ParameterError("labels: expected only 0 and 1 (or booleans)")
    return given.astype(np.bool_)


def as_probabilities(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Probabilities as a float64 vector; anything outside [0, 1] is refused, not squashed.

    Raises
    ------
    ParameterError
        As :func:`as_scores`, or a value outside [0, 1].
    """
    probabilities = as_scores(values, name)
    if probabilities.min() < 0.0 or probabilities.max() > 1.0:
        raise ParameterError(
            f"{name}: expected values in [0, 1], got {probabilities.min():.6g} to {probabilities.max():.6g}"
        )
    return probabilities


def as_counts(values: ArrayLike, name: str) -> NDArray[np.int64]:
    """Counts as an int64 vector.

    Raises
    ------
    ParameterError
        Not one-dimensional, not whole numbers, or negative.
    """
    counts = np.asarray(values)
    if counts.ndim != 1:
        raise ParameterError(f"{name}: expected shape (n,), got {counts.shape}")
    whole = counts.astype(np.int64)
    if (whole != counts).any() or (whole < 0).any():
        raise ParameterError(f"{name}: expected whole numbers >= 0")
    return whole


def check_open_unit(value: float, name: str) -> float:
    """Return `value` if it lies strictly between 0 and 1.

    Raises
    ------
    ParameterError
        Otherwise, NaN included.
    """
    if not 0.0 < value < 1.0:
        raise ParameterError(f"{name}: expected a value between 0 and 1 (exclusive), got {value!r}")
    return float(value)

"""Single figures that papers print and the standards advise against.

They stand here, apart, so that nobody takes them for the result: the threshold behind them is chosen on the very
trials that they judge, and they average errors whose costs differ (ISO/IEC 30107-3 and ISO/IEC 19795-1 report error
pairs and fixed operating points instead). Use them only to compare with published tables.

Public items: :func:`eer`, :func:`acer`, :func:`hter`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from idverify.errors import ParameterError
from idverify.metrics.error_rates import det_curve

__all__ = ["acer", "eer", "hter"]


def eer(mated: ArrayLike, non_mated: ArrayLike) -> float:
    """Equal error rate: where the DET curve crosses ``FMR = FNMR``.

    The curve is a staircase; between the last point with FMR > FNMR and the next one it is taken as a straight line.

    Parameters
    ----------
    mated, non_mated : array_like [shape=(n,)]

    Raises
    ------
    ParameterError
        A class without scores, or NaN.
    """
    curve = det_curve(mated, non_mated)
    gap = curve.fmr - curve.fnmr
    after = int(np.argmax(gap <= 0.0))
    if after == 0 or gap[after] == 0.0:
        return float((curve.fmr[after] + curve.fnmr[after]) / 2.0)
    share = gap[after - 1] / (gap[after - 1] - gap[after])
    return float(curve.fmr[after - 1] + share * (curve.fmr[after] - curve.fmr[after - 1]))


def _mean_of_rates(first: float, second: float) -> float:
    if not (0.0 <= first <= 1.0 and 0.0 <= second <= 1.0):
        raise ParameterError(f"expected two rates in [0, 1], got {first!r} and {second!r}")
    return (first + second) / 2.0


def acer(worst_apcer: float, bpcer: float) -> float:
    """Average classification error rate ``(APCER + BPCER) / 2``, with the worst species' APCER."""
    return _mean_of_rates(worst_apcer, bpcer)


def hter(far: float, frr: float) -> float:
    """Half total error rate ``(FAR + FRR) / 2`` at a threshold chosen beforehand."""
    return _mean_of_rates(far, frr)

"""Counts, the rate they give, and how far that rate can be trusted.

Conventions: an interval is two-sided at `confidence` (0.95 unless told); bounds are rates in [0, 1]. Trials are taken
as independent; where one subject gives many trials use :mod:`idverify.metrics.bootstrap`.

Public items: :class:`Proportion`, :class:`Interval`, :func:`wilson`, :func:`clopper_pearson`, :func:`rule_of_three`,
:func:`trials_for_target`.

References
----------
.. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927,
   doi:10.1080/01621459.1927.10502953.
.. [2] C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits", Biometrika 26, 1934,
   doi:10.1093/biomet/26.4.404.
.. [3] J. A. Hanley, A. Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249, 1983,
   doi:10.1001/jama.1983.03330370053031.
.. [4] ISO/IEC 19795-1:2021, Annex B (rule of 3).
.. [5] DLMF 8.17.22, https://dlmf.nist.gov/8.17 (continued fraction of the incomplete beta function).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from idverify.errors import ParameterError
from idverify.metrics.inputs import check_open_unit

__all__ = ["Interval", "Proportion", "clopper_pearson", "rule_of_three", "trials_for_target", "wilson"]

# The 95 % upper bound of zero errors in n trials is 1 - 0.05 ** (1 / n), which tends to -ln(0.05) / n = 2.996 / n
# [3], [4].
RULE_OF_THREE = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A confidence interval of a rate.

    Parameters
    ----------
    low, high
        Bounds in [0, 1].
    confidence
        Coverage of both sides together.
    method
        ``"wilson"``, ``"clopper_pearson"`` or the name of a bootstrap.
    """

    low: float
    high: float
    confidence: float
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportion:
    """`errors` of `trials`: a rate that never loses its counts.

    >>> print(Proportion(errors=0, trials=150))
    < 2.00 % (0 of 150)
    >>> print(Proportion(errors=3, trials=150))
    2.00 % (3 of 150)

    Raises
    ------
    ParameterError
        Counts that are negative, or more errors than trials.
    """

    errors: int
    trials: int

    def __post_init__(self) -> None:
        if not 0 <= self.errors <= self.trials:
            raise ParameterError(f"expected 0 <= errors <= trials, got {self.errors} of {self.trials}")

    @property
    def value(self) -> float | None:
        """``errors / trials``; None where there were no trials."""
        return self.errors / self.trials if self.trials else None

    def wilson(self, confidence: float = 0.95) -> Interval:
        """The Wilson interval of this rate."""
        return wilson(self.errors, self.trials, confidence)

    def clopper_pearson(self, confidence: float = 0.95) -> Interval:
        """The exact interval of this rate."""
        return clopper_pearson(self.errors, self.trials, confidence)

    def __str__(self) -> str:
        if not self.trials:
            return "not measured (0 trials)"
        counts = f"({self.errors} of {self.trials})"
        if not self.errors:
            return f"< {_percent(rule_of_three(self.trials))} {counts}"
        return f"{_percent(self.errors / self.trials)} {counts}"


def _percent(rate: float) -> str:
    """Three significant figures, never in exponent notation."""
    digits = 2 if rate >= 0.01 else 2 - math.floor(math.log10(rate * 100))
    return f"{100 * rate:.{digits}f} %"


def _check_counts(errors: int, trials: int) -> None:
    if trials < 1 or not 0 <= errors <= trials:
        raise ParameterError(f"expected 0 <= errors <= trials and trials >= 1, got {errors} of {trials}")


def wilson(errors: int, trials: int, confidence: float = 0.95) -> Interval:
    r"""Wilson score interval [1]_.

    With :math:`z = \Phi^{-1}((1 + c) / 2)` and :math:`\hat p = k / n`,

    .. math:: \frac{\hat p + z^2 / 2n \pm z \sqrt{\hat p (1 - \hat p) / n + z^2 / 4 n^2}}{1 + z^2 / n}.

    Raises
    ------
    ParameterError
        Counts that are impossible, or a confidence outside (0, 1).
    """
    _check_counts(errors, trials)
    z = NormalDist().inv_cdf((1.0 + check_open_unit(confidence, "confidence")) / 2.0)
    rate, spread = errors / trials, z * z / trials
    centre = (rate + spread / 2.0) / (1.0 + spread)
    half = z * math.sqrt(rate * (1.0 - rate) / trials + spread / (4.0 * trials)) / (1.0 + spread)
    # The formula reaches the ends exactly; rounding must not move them.
    low = 0.0 if errors == 0 else max(0.0, centre - half)
    high = 1.0 if errors == trials else min(1.0, centre + half)
    return Interval(low=low, high=high, confidence=confidence, method="wilson")


def clopper_pearson(errors: int, trials: int, confidence: float = 0.95) -> Interval:
    r"""Clopper-Pearson interval [2]_: never covers less than `confidence`.

    The bounds solve :math:`P(X \ge k \mid p_{low}) = P(X \le k \mid p_{high}) = (1 - c) / 2` for a binomial X of n
    trials, that is quantiles of the beta distributions (k, n - k + 1) and (k + 1, n - k).

    Raises
    ------
    ParameterError
        Counts that are impossible, or a confidence outside (0, 1).
    """
    _check_counts(errors, trials)
    tail = (1.0 - check_open_unit(confidence, "confidence")) / 2.0
    low = 0.0 if errors == 0 else _beta_quantile(tail, errors, trials - errors + 1)
    # Mirrored, so that the small tail is computed directly and not as one minus something.
    high = 1.0 if errors == trials else 1.0 - _beta_quantile(tail, trials - errors, errors + 1)
    return Interval(low=low, high=high, confidence=confidence, method="clopper_pearson")


def rule_of_three(trials: int) -> float:
    """Upper 95 % bound ``3 / trials`` of a rate with zero errors [3]_, [4]_, at most 1.

    Raises
    ------
    ParameterError
        No trials.
    """
    _check_counts(0, trials)
    return min(1.0, RULE_OF_THREE / trials)


def trials_for_target(target: float) -> int:
    """Fewest independent trials that can show a rate of at most `target` (rule of three: ``3 / target``).

    >>> trials_for_target(1e-4)
    30000

    Raises
    ------
    ParameterError
        `target` outside (0, 1).
    """
    needed = RULE_OF_THREE / check_open_unit(target, "target")
    nearest = round(needed)
    # 3 / 1e-4 is a rounding error away from 30,000, and must not become 30,001.
    return nearest if math.isclose(needed, nearest, rel_tol=1e-12) else math.ceil(needed)


def _beta_quantile(probability: float, a: float, b: float) -> float:
    """Solve I_x(a, b) = probability for x by bisection, to the last bit that matters."""
    low, high = 0.0, 1.0
    while high - low > 1e-15 * high:
        middle = (low + high) / 2.0
        if not low < middle < high:
            break
        if _beta_cdf(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def _beta_cdf(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b) for 0 < x < 1 [5]_."""
    # The fraction converges fast below the mean; above it use I_x(a, b) = 1 - I_{1-x}(b, a).
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _beta_cdf(1.0 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) / (a * _beta_fraction(x, a, b))


def _beta_fraction(x: float, a: float, b: float) -> float:
    """Continued fraction 1 + d1/(1 + d2/(1 + ...)) by the modified Lentz recurrence [5]_."""
    value = c = 1.0
    d = 0.0
    # Needs O(sqrt(max(a, b))) terms: 100,000 covers 1e9 trials with room to spare.
    for m in range(100_000):
        for term in _fraction_terms(x, a, b, m):
            d = 1.0 / (1.0 + term * d)
            c = 1.0 + term / c
            value *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return value


def _fraction_terms(x: float, a: float, b: float, m: int) -> tuple[float, float]:
    """The terms d_(2m+1) and d_(2m+2)."""
    odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    k = m + 1
    even = k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k))
    return odd, even

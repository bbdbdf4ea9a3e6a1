"""Errors of liveness detection, and of the whole system under attack.

Conventions: see :mod:`idverify.metrics.inputs`; a presentation is classified as bona fide when ``score >=
threshold``. A score of NaN is a non-response (the detector abstained). Non-responses are counted in APNRR and BPNRR
and left out of the denominators of APCER and BPCER: that makes both error rates larger, never smaller, and neither
can be improved by abstaining from easy presentations without the non-response rates showing it.

Attack rates are per PAI species, with the worst species as the headline. They are never averaged over species.

Public items: :func:`apcer`, :func:`bpcer`, :func:`apnrr`, :func:`bpnrr`, :func:`iapar`, :func:`riapar`,
:func:`worst`, :func:`threshold_at_apcer`, :func:`bpcer_at_apcer`, :class:`PADOperatingPoint`, ``BPCER_TARGETS``.

References
----------
.. [1] ISO/IEC 30107-3:2023, "Biometric presentation attack detection: testing and reporting".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from idverify.errors import ParameterError
from idverify.metrics.error_rates import threshold_at_rate
from idverify.metrics.inputs import as_labels, as_scores
from idverify.metrics.intervals import Proportion, rule_of_three

__all__ = [
    "BPCER_TARGETS",
    "PADOperatingPoint",
    "apcer",
    "apnrr",
    "bpcer",
    "bpcer_at_apcer",
    "bpnrr",
    "iapar",
    "riapar",
    "threshold_at_apcer",
    "worst",
]

# BPCER10, BPCER20 and BPCER100 of the standard: BPCER where the worst species' APCER is 10 %, 5 % and 1 % [1].
BPCER_TARGETS: tuple[float, float, float] = (0.10, 0.05, 0.01)


@dataclass(frozen=True, slots=True, kw_only=True)
class PADOperatingPoint:
    """A threshold at which no species exceeds a target APCER, and what it costs bona fide people.

    Parameters
    ----------
    threshold
        Bona fide when ``score >= threshold``.
    target_apcer
        What was asked of every species.
    apcer
        What was observed, per species.
    bpcer
        What it costs.
    supported
        Whether every species has enough presentations to show the target at all (rule of three).
    """

    threshold: float
    target_apcer: float
    apcer: Mapping[str, Proportion]
    bpcer: Proportion
    supported: bool


def _by_species(species: Sequence[str], n: int) -> dict[str, NDArray[np.bool_]]:
    """Mask of each species, in alphabetical order."""
    names = np.asarray(species, dtype=np.str_)
    if names.shape != (n,):
        raise ParameterError(f"species: expected {n} names, got {names.size}")
    return {str(name): names == name for name in np.unique(names)}


def _proportion(errors: NDArray[np.bool_]) -> Proportion:
    return Proportion(errors=int(np.count_nonzero(errors)), trials=errors.size)


def apcer(attacks: ArrayLike, species: Sequence[str], threshold: float) -> dict[str, Proportion]:
    r"""Attack presentation classification error rate of each PAI species [1]_.

    .. math:: \mathrm{APCER}_{s} = 1 - \frac{1}{N_s} \sum_{i=1}^{N_s} \mathrm{Res}_i,

    where Res is 1 for a presentation classified as attack and N counts the presentations of species s with a
    response.

    Parameters
    ----------
    attacks : array_like [shape=(n,)]
        Scores of attack presentations; NaN is a non-response.
    species : sequence of str, length n
    threshold
        Classified as bona fide at or above it.

    Returns
    -------
    dict
        Species to proportion, in alphabetical order. A species without any response has 0 trials.

    Raises
    ------
    ParameterError
        No scores, or as many names as scores are not given.

    Examples
    --------
    >>> apcer([0.1, 0.9, 0.2, 0.3], ["print", "print", "replay", "replay"], 0.5)["print"].value
    0.5
    """
    scores = as_scores(attacks, "attacks", allow_nan=True)
    return {
        name: _proportion(of_species[~np.isnan(of_species)] >= threshold)
        for name, mask in _by_species(species, scores.size).items()
        for of_species in [scores[mask]]
    }


def bpcer(bona_fide: ArrayLike, threshold: float) -> Proportion:
    r"""Bona fide presentation classification error rate [1]_: :math:`\frac{1}{N} \sum \mathrm{Res}_i` over responses.

    Parameters
    ----------
    bona_fide : array_like [shape=(n,)]
        Scores of bona fide presentations; NaN is a non-response.
    threshold
        Classified as attack below it.

    Raises
    ------
    ParameterError
        No scores.
    """
    scores = as_scores(bona_fide, "bona_fide", allow_nan=True)
    return _proportion(scores[~np.isnan(scores)] < threshold)


def apnrr(attacks: ArrayLike, species: Sequence[str]) -> dict[str, Proportion]:
    """Attack presentation non-response rate of each species [1]_: NaN scores of all presentations."""
    scores = as_scores(attacks, "attacks", allow_nan=True)
    return {name: _proportion(np.isnan(scores[mask])) for name, mask in _by_species(species, scores.size).items()}


def bpnrr(bona_fide: ArrayLike) -> Proportion:
    """Bona fide presentation non-response rate [1]_: NaN scores of all presentations."""
    return _proportion(np.isnan(as_scores(bona_fide, "bona_fide", allow_nan=True)))


def iapar(accepted: ArrayLike, species: Sequence[str]) -> dict[str, Proportion]:
    """Impostor attack presentation accept rate of each species [1]_, of the whole system.

    Parameters
    ----------
    accepted : array_like of bool [shape=(n,)]
        Whether the transaction ended in *accept* (live *and* matched). Inconclusive is not accepted.
    species : sequence of str, length n

    Returns
    -------
    dict
        Species to ``accepted / presentations``: every presentation counts, with or without a response.

    Raises
    ------
    ParameterError
        Lengths that differ, or values other than booleans.
    """
    flags = as_labels(accepted, len(species))
    return {name: _proportion(flags[mask]) for name, mask in _by_species(species, flags.size).items()}


def riapar(iapar: float, fnmr: float) -> float:
    """Relative IAPAR [1]_: ``1 + (IAPAR - (1 - FNMR)) = IAPAR + FNMR``.

    0 for a system that accepts every mated bona fide presentation and no attack; 1 for one that accepts everything.
    Use the false reject rate for `fnmr` where whole transactions are measured.

    Raises
    ------
    ParameterError
        A rate outside [0, 1].
    """
    for name, rate in (("iapar", iapar), ("fnmr", fnmr)):
        if not 0.0 <= rate <= 1.0:
            raise ParameterError(f"{name}: expected a rate in [0, 1], got {rate!r}")
    return iapar + fnmr


def worst(rates: Mapping[str, Proportion]) -> tuple[str, Proportion]:
    """The species with the highest rate: the headline of the standard [1]_.

    Equal rates: the one with fewer trials (less is known about it), then the first by name.

    Raises
    ------
    ParameterError
        No species with any trial.
    """
    measured = [(name, rate) for name, rate in rates.items() if rate.value is not None]
    if not measured:
        raise ParameterError("expected at least one species with a response, got none")
    return min(measured, key=lambda item: (-(item[1].value or 0.0), item[1].trials, item[0]))


def threshold_at_apcer(attacks: ArrayLike, species: Sequence[str], target_apcer: float) -> float:
    """The smallest threshold at which every species' APCER is at most `target_apcer`.

    Raises
    ------
    ParameterError
        No response at all, a target outside [0, 1], or infinite attack scores that no threshold keeps out.
    """
    scores = as_scores(attacks, "attacks", allow_nan=True)
    masks = _by_species(species, scores.size).values()
    answered = [scores[mask & ~np.isnan(scores)] for mask in masks]
    thresholds = [threshold_at_rate(of_species, target_apcer) for of_species in answered if of_species.size]
    if not thresholds:
        raise ParameterError("attacks: expected at least one response, got none")
    return max(thresholds)


def bpcer_at_apcer(
    bona_fide: ArrayLike, attacks: ArrayLike, species: Sequence[str], target_apcer: float
) -> PADOperatingPoint:
    """BPCER where the worst species' APCER is at most `target_apcer` [1]_.

    Parameters
    ----------
    bona_fide, attacks : array_like [shape=(n,)], [shape=(m,)]
        Scores; NaN is a non-response.
    species : sequence of str, length m
    target_apcer
        For example one of ``BPCER_TARGETS``.

    Raises
    ------
    ParameterError
        As :func:`threshold_at_apcer` and :func:`bpcer`.
    """
    threshold = threshold_at_apcer(attacks, species, target_apcer)
    observed = apcer(attacks, species, threshold)
    fewest = min(rate.trials for rate in observed.values())
    return PADOperatingPoint(
        threshold=threshold,
        target_apcer=target_apcer,
        apcer=observed,
        bpcer=bpcer(bona_fide, threshold),
        supported=fewest > 0 and rule_of_three(fewest) <= target_apcer * (1.0 + 1e-12),
    )

"""Errors group by group: FNMR per group, FMR between every two groups, worst over best, and what the counts allow.

A trial's group is its subject's; the group of a reference is that of the same person where they are a subject. What
NIST SP 800-63A-4 (section 3.11) and ISO/IEC 19795-10 ask to be told apart is told apart here: false matches within
groups and across, misses by group, each with counts and an interval by person. A figure from too few people or
comparisons says so.

Public items: :func:`group_figures`, :func:`groups_of_pairs`, :func:`unlike_the_card`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify import metrics
from idverify.evaluation.scores import ScoreTable
from idverify.metrics import Proportion
from idverify.metrics.intervals import rule_of_three

__all__ = ["UNNAMED", "group_figures", "groups_of_pairs", "unlike_the_card"]

Figures = dict[str, Any]
UNNAMED = "(not named)"
# An interval by person means little for fewer.
LEAST_PEOPLE = 10
# A mean of strangers' scores that lies this much higher: at the shipped card's threshold the rate of the least favoured
# rises tenfold over four times as much.
LARGEST_SHIFT = 0.02
# Fewer comparisons have no mean worth comparing.
LEAST_COMPARISONS = 100


def groups_of_pairs(table: ScoreTable) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """Group of each row's subject, and of whom its reference shows."""
    own = np.where(table.texts["group"] != "", table.texts["group"], UNNAMED)
    of = dict(zip(table.texts["subject"].tolist(), own.tolist(), strict=True))
    theirs = [of.get(name, UNNAMED) for name in table.texts["reference_subject"].tolist()]
    return own, np.where(table.mated, own, np.array(theirs, dtype=np.str_))


def group_figures(compared: ScoreTable, target_fmr: float | None) -> Figures:
    """Misses by group, false matches between groups, at the policy's threshold.

    Parameters
    ----------
    compared
        Bona fide rows that have a similarity.
    target_fmr
        What the policy asks for; None where it is not known.

    Returns
    -------
    dict
        Empty where fewer than two groups are named.
    """
    own, theirs = groups_of_pairs(compared)
    names = sorted({*own[compared.mated].tolist(), *own[compared.non_mated].tolist()} - {UNNAMED})
    if len(names) < 2:
        return {}
    matched = compared.texts["matched"] == "true"
    fnmr = [_row((name,), compared, compared.mated & (own == name), ~matched) for name in names]
    pairs = [(a, b) for k, a in enumerate(names) for b in names[k:]]
    fmr = []
    for a, b in pairs:
        either = ((own == a) & (theirs == b)) | ((own == b) & (theirs == a))
        fmr.append(_row((a, b), compared, compared.non_mated & either, matched))
    within = [row for row in fmr if row["groups"][0] == row["groups"][1]]
    return {
        "groups": names,
        "fnmr": fnmr,
        "fmr": fmr,
        "fnmr_worst_over_best": _worst_over_best(fnmr),
        "fmr_worst_over_best": _worst_over_best(within),
        "warnings": [*_few(fnmr, "FNMR", None), *_few(within, "FMR", target_fmr)],
    }


def _row(groups: tuple[str, ...], table: ScoreTable, rows: NDArray[np.bool_], errors: NDArray[np.bool_]) -> Figures:
    wrong, part = errors[rows], table.where(rows)
    first, second = part.texts["subject"].tolist(), part.texts["reference_subject"].tolist()
    proportion = Proportion(errors=int(np.count_nonzero(wrong)), trials=int(wrong.size))
    people = len({*first, *filter(None, second)})
    row: Figures = {"groups": list(groups), "people": people, "errors": proportion.errors, "trials": proportion.trials}
    row["rate"] = proportion.value
    if proportion.trials:
        interval = proportion.wilson()
        row |= {"low": interval.low, "high": interval.high, "text": str(proportion)}
        named = len(groups) == 1 or all(second)
        if named and people >= 3:
            by = metrics.bootstrap_by_subject(wrong, first) if len(groups) == 1 else None
            by = by or metrics.bootstrap_two_way(wrong, first, second)
            row["by_subject"] = {"low": by.low, "high": by.high, "method": by.method}
    return row


def _worst_over_best(rows: list[Figures]) -> Figures | None:
    """The highest rate over the lowest; where the lowest has no error, over the bound that its counts support."""
    counted = [row for row in rows if row["trials"]]
    if len(counted) < 2:
        return None
    worst, best = max(counted, key=lambda row: row["rate"]), min(counted, key=lambda row: row["rate"])
    bounded = best["errors"] == 0
    floor = rule_of_three(best["trials"]) if bounded else best["rate"]
    return {
        "worst": worst["groups"][0],
        "best": best["groups"][0],
        "ratio": worst["rate"] / floor,
        "at_least": bounded,
    }


def _few(rows: list[Figures], what: str, target: float | None) -> list[str]:
    found = []
    for row in rows:
        name = row["groups"][0]
        if row["people"] < LEAST_PEOPLE:
            found.append(f"{what} of {name}: {row['people']} people are too few for an interval by person.")
        if target is not None and row["trials"] < metrics.trials_for_target(target):
            found.append(
                f"{what} of {name}: {row['trials']} comparisons cannot show {target:g} "
                f"(rule of three: {metrics.trials_for_target(target)})."
            )
    return found


def unlike_the_card(others: NDArray[np.float64], card_means: Mapping[str, float]) -> Figures:
    """Whether strangers here score as those that the card was fitted on.

    Parameters
    ----------
    others : float64 [shape=(n,)]
        Similarities of non-mated comparisons.
    card_means
        Source -> mean similarity of its strangers, from the card.

    Returns
    -------
    dict
        ``mean``, ``comparisons``, the card's ``highest`` and ``lowest``, and a ``sentence`` where it lies elsewhere;
        empty where either is not known.
    """
    if others.size < LEAST_COMPARISONS or not card_means:
        return {}
    mean, low, high = float(others.mean()), min(card_means.values()), max(card_means.values())
    error = float(others.std(ddof=1) / np.sqrt(others.size))
    figures: Figures = {"mean": mean, "comparisons": int(others.size), "lowest": low, "highest": high, "sentence": None}
    span = f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}"
    here = f"Strangers score {mean:.3f} on average here ({others.size} comparisons), {span} where the card was fitted: "
    if mean - 2 * error > high + LARGEST_SHIFT:
        figures["sentence"] = here + (
            "more of them match than the card says. Fit a card to these trials with `idverify calibrate`, "
            "and use it with --card."
        )
    elif mean + 2 * error < low - LARGEST_SHIFT:
        figures["sentence"] = here + (
            "the card's thresholds are stricter here than they say. A card fitted to these trials with "
            "`idverify calibrate` would miss fewer people."
        )
    return figures

"""Scores of everybody with everybody, by comparisons that were fitted on neither person of a pair.

People of every set are dealt to :data:`FOLDS` folds by a hash of their name (the few of the stage photos in turn). What
compares two people is fitted without the folds of both, so that all pairs are judged, not only those inside of one
half: small groups need them. Thresholds that pairs are held to are counted on pairs without those folds, too.

What ships is fitted on everybody, a third more people than that; the people who meet it are others.

The fits themselves (:func:`fit_balance_on`, :func:`groups_of`) are those of ``models/training/fit_comparison.py``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from comparison_sets import (
    GROUPS,
    PADDINGS,
    TARGETS,
    Comparisons,
    Portraits,
    Stage,
    balanced,
    person_mean,
    typical_length,
)
from numpy.typing import NDArray

from idverify.comparison.balance import Balance, fit_balance, lengthened
from idverify.comparison.calibration import thresholds_for
from idverify.comparison.strangers import GroupScores

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]
Sets = tuple[Comparisons, F64, dict[str, Portraits], Stage]
Compare = Callable[[F64], F64]

FOLDS = 8
# How often the variance between groups and sources counts as within a person. From 3 to 100 hardly anything changes
# (benchmarks/accuracy/comparison_tries.py).
STRENGTH = 30.0
# What each set counts for, however large it is: press photos, portraits by group, and stage photos of few people.
SHARES = {"lfw": 0.45, "utkface": 0.45, "stage": 0.10}
# The target holds for strangers at large in every set; look-alikes of one sex and group may have ten times as many
# matches.
EXCESS = 10.0


def fold(name: str) -> int:
    return int(hashlib.sha256(f"fold: {name}".encode()).hexdigest(), 16) % FOLDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Whom a fit may look at: rows of each set."""

    lfw: Bools
    portraits: dict[str, Bools]
    stage: Bools


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Similarities of all with all, and the fold of each row.

    Parameters
    ----------
    lfw : float32 [shape=(n,)]
        Of LFW's pairs, as ``Comparisons`` has them.
    portraits, stage : float32 [shape=(n, n)]
        By padding, and of the stage photos.
    folds
        Name of the set -> fold of each photo; UTKFace by padding.
    """

    lfw: F32
    portraits: dict[str, F32]
    stage: F32
    folds: dict[str, NDArray[np.intp]]


def folds_of(sets: Sets) -> dict[str, NDArray[np.intp]]:
    pairs, _, portraits, stage = sets
    folds = {padding: np.array([fold(name) for name in own.name]) for padding, own in portraits.items()}
    return {"lfw": np.array([fold(name) for name in pairs.name]), **folds, "stage": stage.person % FOLDS}


def part_without(sets: Sets, *left_out: int) -> Part:
    """Everybody who is in none of the folds; of UTKFace, adults of the eight groups."""
    _, _, portraits, _ = sets
    free = {name: ~np.isin(folds, left_out) for name, folds in folds_of(sets).items()}
    return Part(
        lfw=free["lfw"],
        portraits={k: free[k] & own.adult & (own.group >= 0) for k, own in portraits.items()},
        stage=free["stage"],
    )


def blocks() -> Iterator[tuple[int, int]]:
    return ((a, b) for a in range(FOLDS) for b in range(a, FOLDS))


def fit_balance_on(sets: Sets, part: Part) -> tuple[Balance, dict[str, int]]:
    """The balance from some people, and how many they were."""
    pairs, vectors, portraits, stage = sets
    length = typical_length(vectors[part.lfw, :128])
    sface = lengthened(vectors[part.lfw, :128], length)
    _, person = np.unique(pairs.person[part.lfw], return_inverse=True)
    own = np.zeros((person.max() + 1, 128))
    np.add.at(own, person, sface)
    n = np.bincount(person)
    within = np.square(sface - (own / n[:, None])[person]).sum() / (n - 1).sum() / 128
    means, weights = [person_mean(sface, person)], [SHARES["lfw"]]
    counts = {"lfw_people": len(n), "lfw_photos": int(part.lfw.sum())}
    for padding, photos in portraits.items():
        for number, name in enumerate(GROUPS):
            rows = part.portraits[padding] & (photos.group == number)
            if rows.sum() < 10:
                raise SystemExit(f"{name}: {rows.sum()} photos are too few for a mean")
            means.append(lengthened(photos.vectors[rows, :128], length).mean(axis=0))
            weights.append(SHARES["utkface"] / len(portraits) / len(GROUPS))
            counts[f"UTKFace, {name}, {PADDINGS[padding]}"] = int(rows.sum())
    _, star = np.unique(stage.person[part.stage], return_inverse=True)
    means.append(person_mean(lengthened(stage.vectors[part.stage, :128], length), star))
    weights.append(SHARES["stage"])
    counts |= {"stage_people": int(star.max()) + 1, "stage_photos": int(part.stage.sum())}
    spread = {"within": float(within), "strength": STRENGTH}
    return fit_balance(np.array(means), np.array(weights), length=length, **spread), counts


def as_shipped(sets: Sets) -> Callable[[Part], Compare]:
    """The comparison that ships, fitted on a part of the people."""

    def fit(part: Part) -> Compare:
        balance, _ = fit_balance_on(sets, part)
        return lambda vectors: balanced(vectors, balance)

    return fit


def judge_left_out(sets: Sets, fit: Callable[[Part], Compare]) -> LeftOut:
    """Score every pair by what was fitted without the folds of both."""
    pairs, vectors, portraits, stage = sets
    folds = folds_of(sets)
    rows = {"lfw": vectors, **{k: own.vectors for k, own in portraits.items()}, "stage": stage.vectors}
    scores = {name: np.empty((len(x), len(x)), np.float32) for name, x in rows.items()}
    for a, b in blocks():
        compare = fit(part_without(sets, a, b))
        for name, x in rows.items():
            one, two = np.flatnonzero(folds[name] == a), np.flatnonzero(folds[name] == b)
            between = compare(x[one]) @ compare(x[two]).T
            scores[name][np.ix_(one, two)], scores[name][np.ix_(two, one)] = between, between.T
    lfw = scores.pop("lfw")[pairs.i, pairs.j]
    return LeftOut(lfw=lfw, stage=scores.pop("stage"), portraits=scores, folds=folds)


def groups_of(sets: Sets, judged: LeftOut, *left_out: int) -> list[GroupScores]:
    """Strangers and mates by source and group, of people who are in none of the folds: LFW first."""
    pairs, _, portraits, stage = sets
    part = part_without(sets, *left_out)
    both = part.lfw[pairs.i] & part.lfw[pairs.j]
    mated, others = judged.lfw[both & pairs.mated], judged.lfw[both & pairs.non_mated]
    groups = [GroupScores(name="LFW", non_mated=as64(others), mated=as64(mated), alike=False, **pairs.counts(part.lfw))]
    at_large, alike = [], []
    for padding, own in portraits.items():
        rows = np.flatnonzero(part.portraits[padding])
        i, j, two = own.pairs(rows)
        i, j = rows[i[two]], rows[j[two]]
        at_large.append(s := as64(judged.portraits[padding][i, j]))
        for number, name in enumerate(GROUPS):
            inside, whose = (own.group[i] == number) & (own.group[j] == number), rows[own.group[rows] == number]
            label = f"UTKFace ({PADDINGS[padding]} around the picture), {name}"
            alike.append(GroupScores(name=label, non_mated=s[inside], **own.counts(whose)))
    # Two readings of the same photos are one source.
    both_ways = GroupScores(name="UTKFace", non_mated=np.concatenate(at_large), alike=False, **own.counts(rows))
    groups += [both_ways, *alike]
    same, other, *_ = stage.scores(judged.stage, part.stage)
    name, counts = "stage photos of women of one look", stage.counts(part.stage)
    # One age, look and make-up: held to ten times the target, several times as many people would be missed.
    groups.append(GroupScores(name=name, non_mated=as64(other), mated=as64(same), held=False, **counts))
    return groups


def as64(scores: F32) -> F64:
    return scores.astype(np.float64)


def everybody_of(groups: list[GroupScores]) -> F64:
    """Strangers at large, of all sources together."""
    return np.concatenate([g.non_mated for g in groups if not g.alike])


def threshold_of_blocks(place: Callable[[int, int], float]) -> F64:
    """What pairs between two folds are held to [shape=(FOLDS, FOLDS)]."""
    at = np.empty((FOLDS, FOLDS))
    for a, b in blocks():
        at[a, b] = at[b, a] = place(a, b)
    return at


def thresholds_left_out(sets: Sets, judged: LeftOut) -> dict[float, F64]:
    """Thresholds for pairs between two folds, placed as the card's are, on pairs without those folds."""
    at = {target: np.empty((FOLDS, FOLDS)) for target in TARGETS}
    for a, b in blocks():
        groups = groups_of(sets, judged, a, b)
        for target, threshold in thresholds_for(TARGETS, everybody_of(groups), groups, EXCESS).items():
            at[target][a, b] = at[target][b, a] = threshold
    return at

"""Ways to compare that were tried, on people that none of them was fitted on: the winners and the losers.

    python benchmarks/accuracy/comparison_tries.py lfw.npz strangers.npz [--json FILE]

Twice, with the halves exchanged: fitted on one half of the people of LFW, UTKFace (edge padding) and the stage photos,
judged on the other; figures are means of both. Columns: FNMR on LFW at its own FMR 1e-4 (all non-mated); at that
threshold FMR of UTKFace within sex and group (mean of the eight groups) and of all against all, and of stage photos;
FNMR on LFW at the threshold that gives UTKFace 1.5e-4 for all against all, and at that which gives stage photos 1 %.
What ships is fitted on twice as many people as any of these, which changes more than most of the tries.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from comparison_sets import GROUPS, Comparisons, Portraits, Stage, person_mean, read_sets, typical_length, unit
from numpy.typing import NDArray

from idverify.comparison.balance import Balance, fit_balance, lengthened
from idverify.metrics.error_rates import threshold_at_fmr

F64 = NDArray[np.float64]
Score = Callable[[F64], F64]
# Directions of the fitted scatter that carry less than this of the largest are noise.
_LEAST_EIGENVALUE = 1e-3
COHORT, NEAREST = 256, 20


class Half:
    """What a way to compare may look at: the fit halves' raw vectors and labels."""

    def __init__(self, pairs: Comparisons, vectors: F64, portraits: Portraits, stage: Stage, test: bool) -> None:
        own = pairs.test != test
        self.lfw, self.person = vectors[own], np.unique(pairs.person[own], return_inverse=True)[1]
        rows = (portraits.test != test) & portraits.adult & (portraits.group >= 0)
        self.portraits, self.group, self.age = portraits.vectors[rows], portraits.group[rows], portraits.age[rows]
        rows = stage.test != test
        self.stage, self.star = stage.vectors[rows], stage.person[rows]

    def within(self, part: slice) -> F64:
        """Covariance within LFW's people [shape=(d, d)]."""
        x = self.lfw[:, part]
        sums = np.zeros((self.person.max() + 1, x.shape[1]))
        np.add.at(sums, self.person, x)
        n = np.bincount(self.person)
        r = x - (sums / n[:, None])[self.person]
        return r.T @ r / (n - 1).sum()

    def means(self, part: slice, *, stage: bool = True) -> tuple[F64, F64]:
        """Means of LFW, the eight groups and the stage photos, and their weights."""
        rows = [person_mean(self.lfw[:, part], self.person)]
        rows += [self.portraits[self.group == g][:, part].mean(axis=0) for g in range(len(GROUPS))]
        weights = [0.45, *[0.45 / len(GROUPS)] * len(GROUPS)]
        if stage:
            rows.append(person_mean(self.stage[:, part], np.unique(self.star, return_inverse=True)[1]))
            weights.append(0.1)
        return np.array(rows), np.array(weights)

    def balance(self, part: slice, strength: float, *, stage: bool = True) -> Balance:
        return self.balance_of(*self.means(part, stage=stage), part, strength)

    def balance_of(self, means: F64, weights: F64, part: slice, strength: float) -> Balance:
        """The balance of means that were formed in another way."""
        within = float(np.trace(self.within(part)) / means.shape[1])
        return fit_balance(means, weights, length=1.0, within=within, strength=strength)


SFACE, DLIB = slice(0, 128), slice(128, 256)


def cosines(*parts: tuple[float, Callable[[F64], F64]]) -> Score:
    """Similarity of all with all: the weighted mean of cosines."""

    def score(v: F64) -> F64:
        t = np.hstack([np.sqrt(weight) * apply(v) for weight, apply in parts if weight])
        return np.asarray(t @ t.T)

    return score


def shipped(half: Half) -> Score:
    centre = person_mean(half.lfw[:, SFACE], half.person)
    return cosines((0.5, lambda v: unit(v[:, SFACE] - centre)), (0.5, lambda v: unit(v[:, DLIB])))


def centred(weight: float, both: bool) -> Callable[[Half], Score]:
    def fit(half: Half) -> Score:
        s, d = half.balance(SFACE, 0.0), half.balance(DLIB, 0.0)
        dlib = d.apply if both else unit
        return cosines((weight, lambda v: s.apply(v[:, SFACE])), (1 - weight, lambda v: dlib(v[:, DLIB])))

    return fit


def balanced(strength: float, weight: float, *, stage: bool = True, dlib_too: bool = False) -> Callable[[Half], Score]:
    def fit(half: Half) -> Score:
        s, d = half.balance(SFACE, strength, stage=stage), half.balance(DLIB, strength, stage=stage)
        dlib = d.apply if dlib_too else unit
        return cosines((weight, lambda v: s.apply(v[:, SFACE])), (1 - weight, lambda v: dlib(v[:, DLIB])))

    return fit


def half_scaled(power: float) -> Callable[[Half], Score]:
    """Faces near the centre say little: a length that falls with their distance from it is kept, to a power."""

    def fit(half: Half) -> Score:
        b = half.balance(SFACE, 30.0)

        def away(v: F64) -> F64:
            return b.take_off(v[:, SFACE])

        typical = np.median(np.linalg.norm(away(half.lfw), axis=1))

        def apply(v: F64) -> F64:
            x = away(v)
            return np.asarray(unit(x) * (np.linalg.norm(x, axis=1, keepdims=True) / typical) ** power)

        return cosines((0.8, apply), (0.2, lambda v: unit(v[:, DLIB])))

    return fit


def by_length(weight: float, left_in: float, *, before: bool = True) -> Callable[[Half], Score]:
    """Of vectors with their lengths: short ones are lengthened, before the centre goes and in what comes out."""

    def fit(half: Half) -> Score:
        typical = typical_length(half.lfw[:, SFACE])

        def given(v: F64) -> F64:
            return lengthened(v[:, SFACE], typical) if before else unit(v[:, SFACE])

        own = copy.copy(half)
        parts = ((given(v), v[:, DLIB]) for v in (half.lfw, half.portraits, half.stage))
        own.lfw, own.portraits, own.stage = map(np.hstack, parts)
        b = own.balance(SFACE, 30.0)

        def apply(v: F64) -> F64:
            longer = np.linalg.norm(lengthened(v[:, SFACE], typical), axis=1, keepdims=True)
            return np.asarray(unit(b.take_off(given(v))) * longer**left_in)

        return cosines((weight, apply), (1 - weight, lambda v: unit(v[:, DLIB])))

    return fit


def by_age(strength: float) -> Callable[[Half], Score]:
    """Three ages of each group as groups of their own."""

    def fit(half: Half) -> Score:
        means, weights = half.means(SFACE)
        older = np.digitize(half.age, (29, 46))
        rows, shares = [means[0], means[-1]], [weights[0], weights[-1]]
        for group in range(len(GROUPS)):
            for age in range(3):
                own = (half.group == group) & (older == age)
                if own.any():
                    rows.append(half.portraits[own][:, SFACE].mean(axis=0))
                    shares.append(weights[1] * own.sum() / (half.group == group).sum())
        b = half.balance_of(np.array(rows), np.array(shares), SFACE, strength)
        return cosines((0.8, lambda v: b.apply(v[:, SFACE])), (0.2, lambda v: unit(v[:, DLIB])))

    return fit


def additive(people: float) -> Callable[[Half], Score]:
    """Means of groups drawn towards group plus sex, the more the fewer people they have."""

    def fit(half: Half) -> Score:
        means, weights = half.means(SFACE)
        number = np.arange(len(GROUPS))
        design = np.hstack([np.eye(4)[number // 2], np.eye(2)[number % 2]])
        n = np.bincount(half.group, minlength=len(GROUPS)).astype(float)
        root = np.sqrt(n)[:, None]
        own = means[1:-1]
        sums = design @ np.linalg.lstsq(root * design, root * own, rcond=None)[0]
        means[1:-1] = sums + (n / (n + people))[:, None] * (own - sums)
        b = half.balance_of(means, weights, SFACE, 30.0)
        return cosines((0.8, lambda v: b.apply(v[:, SFACE])), (0.2, lambda v: unit(v[:, DLIB])))

    return fit


def discriminant(part: slice, power: float) -> Callable[[Half], Score]:
    """Within-person whitening with groups and sources as within; directions that differ between people count more."""

    def fit(half: Half) -> Score:
        means, weights = half.means(part)
        centre = weights @ means / weights.sum()
        spread = (means - centre) * np.sqrt(weights / weights.sum())[:, None]
        w = half.within(part)
        n = len(w)
        w = 0.9 * w + 0.1 * np.trace(w) / n * np.eye(n) + 3 * spread.T @ spread
        x = half.portraits[:, part]
        x = x - np.array([x[half.group == g].mean(axis=0) for g in range(len(GROUPS))])[half.group]
        b = x.T @ x / len(x)
        values, root = np.linalg.eigh(w)
        root = root / np.sqrt(np.maximum(values, _LEAST_EIGENVALUE * values.max()))
        psi, turn = np.linalg.eigh(root.T @ b @ root)
        matrix = root @ turn * (np.maximum(psi, 0) / (psi + 1)) ** power
        return cosines((1.0, lambda v: unit((v[:, part] - centre) @ matrix)))

    return fit


def cohort(beta: float, *, divided: bool = False) -> Callable[[Half], Score]:
    """Less how alike each face is to the nearest of cluster centres; divided: by their spread as well (AS-norm)."""

    def fit(half: Half) -> Score:
        balance = half.balance(SFACE, 30.0)
        faces = [balance.apply(x[:, SFACE]).astype(np.float64) for x in (half.lfw, half.portraits, half.stage)]
        centres = _clusters(np.vstack(faces))

        def score(v: F64) -> F64:
            t = balance.apply(v[:, SFACE]).astype(np.float64)
            nearest = np.sort(t @ centres.T, axis=1)[:, -NEAREST:]
            mean, spread = nearest.mean(axis=1), nearest.std(axis=1)
            if divided:
                z = (t @ t.T - mean[:, None]) / spread[:, None]
                return np.asarray((z + z.T) / 2)
            return np.asarray(t @ t.T - beta * (mean[:, None] + mean[None]))

        return score

    return fit


def _clusters(faces: F64, rounds: int = 10) -> F64:
    centres = faces[np.random.default_rng(0).choice(len(faces), COHORT, replace=False)]
    for _ in range(rounds):
        nearest = (faces @ centres.T).argmax(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, faces)
        filled = np.bincount(nearest, minlength=COHORT) > 0
        centres[filled] = unit(sums[filled])
    return centres


TRIES: dict[str, Callable[[Half], Score]] = {
    "before: SFace less LFW's mean, dlib as it is, half each": shipped,
    "SFace alone, mean of balanced groups taken off": centred(1.0, both=False),
    "the same, dlib as it is, a fifth": centred(0.8, both=False),
    "both centred on balanced groups, dlib a fifth": centred(0.8, both=True),
    "both centred on balanced groups, half each": centred(0.5, both=True),
    "groups and sources balanced (strength 30), SFace alone": balanced(30, 1.0),
    "the same, dlib as it is, a fifth (shipped before)": balanced(30, 0.8),
    "dlib a tenth": balanced(30, 0.9),
    "dlib a quarter": balanced(30, 0.75),
    "dlib three tenths": balanced(30, 0.7),
    "dlib half": balanced(30, 0.5),
    "dlib balanced as well, a fifth": balanced(30, 0.8, dlib_too=True),
    "strength 3": balanced(3, 0.8),
    "strength 100": balanced(100, 0.8),
    "stage photos left out of the fit (a source never seen)": balanced(30, 0.8, stage=False),
    "the length of a face kept, by its distance from the centre (square root)": half_scaled(0.5),
    "three ages of each group as groups": by_age(30),
    "means of groups drawn to group plus sex (by 20 people)": additive(20),
    "SFace whitened within people, groups and sources": discriminant(SFACE, 0.0),
    "SFace: PLDA-like weights of directions": discriminant(SFACE, 0.5),
    "both networks in one PLDA-like map": discriminant(slice(0, 256), 0.5),
    "balanced, less likeness to a cohort of cluster centres (half)": cohort(0.5),
    "balanced, less likeness to a cohort of cluster centres (whole)": cohort(1.0),
    "balanced, adaptive symmetric norm by cluster centres": cohort(1.0, divided=True),
}

# Of vectors that keep the length which the network gave them.
WITH_LENGTHS: dict[str, Callable[[Half], Score]] = {
    "**the way that ships: dlib a quarter, short vectors lengthened before the centre goes, and by a fifth after**":
        by_length(0.75, 0.2),
    "not before, only by a fifth after": by_length(0.75, 0.2, before=False),
    "only before": by_length(0.75, 0.0),
    "by a tenth after": by_length(0.75, 0.1),
    "by three tenths after": by_length(0.75, 0.3),
    "the way that ships, dlib a fifth": by_length(0.8, 0.2),
    "the way that ships, dlib three tenths": by_length(0.7, 0.2),
}  # fmt: skip


def judge(fit: Callable[[Half], Score], sets: Any, test: bool) -> dict[str, float]:
    pairs, vectors, portraits, unseen, stage = sets
    score = fit(Half(pairs, vectors, portraits, stage, test))
    own = np.flatnonzero(pairs.test == test)
    i, j = np.triu_indices(len(own), 1)
    s = score(vectors[own])[i, j]
    same = pairs.person[own][i] == pairs.person[own][j]
    other = pairs.really[own][i] != pairs.really[own][j]
    mated, at = s[same], threshold_at_fmr(s[other], 1e-4)
    rows = np.flatnonzero((portraits.test == test) & portraits.adult & (portraits.group >= 0))
    i, j, two = portraits.pairs(rows)
    u, group = score(portraits.vectors[rows])[i, j][two], portraits.group[rows]
    i, j = i[two], j[two]
    there = {file: row for row, file in enumerate(unseen.files)}
    other_padding = score(unseen.vectors[[there[file] for file in portraits.files[rows]]])[i, j]
    inside = [u[(group[i] == g) & (group[j] == g)] for g in range(len(GROUPS))]
    half = stage.test == test
    i, j = np.triu_indices(int(half.sum()), 1)
    k = score(stage.vectors[half])[i, j][stage.person[half][i] != stage.person[half][j]]
    return {
        "lfw_fnmr_at_1e-4": float((mated < at).mean()),
        "group_fmr": float(np.mean([(x >= at).mean() for x in inside])),
        "all_fmr": float((u >= at).mean()),
        "all_unseen_padding_fmr": float((other_padding >= at).mean()),
        "stage_fmr": float((k >= at).mean()),
        "lfw_fnmr_where_all_1.5e-4": float((mated < threshold_at_fmr(u, 1.5e-4)).mean()),
        "lfw_fnmr_where_stage_1e-2": float((mated < threshold_at_fmr(k, 1e-2)).mean()),
    }


def without_length(own: Any) -> Any:
    """Vectors, or a set with its vectors, SFace's brought to unit length."""
    if isinstance(own, np.ndarray):
        return np.hstack([unit(own[:, SFACE]), own[:, DLIB]])
    own = copy.copy(own)
    own.vectors = without_length(own.vectors)
    return own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("strangers", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    pairs, vectors, portraits, stage = read_sets(args.lfw, args.strangers)
    with_lengths = (pairs, vectors, *portraits.values(), stage)
    without = (pairs, *(without_length(each) for each in with_lengths[1:]))
    ways = [(name, fit, without) for name, fit in TRIES.items()]
    ways += [(name, fit, with_lengths) for name, fit in WITH_LENGTHS.items()]
    results = []
    for name, fit, sets in ways:
        folds = [judge(fit, sets, test) for test in (True, False)]
        row = {key: float(np.mean([fold[key] for fold in folds])) for key in folds[0]}
        results.append({"way": name, **row})
        print(f"{name:62s} " + "  ".join(f"{key} {100 * value:.3g} %" for key, value in row.items()), flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

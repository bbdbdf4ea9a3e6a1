"""Comparison accuracy on Labeled Faces in the Wild, of people left out of the fit.

    python benchmarks/accuracy/lfw.py templates LFW_DIR lfw.npz [--quick]         # minutes: every photo once
    python benchmarks/accuracy/lfw.py report lfw.npz strangers.npz [--pairs pairs.txt] [--json FILE]
    python benchmarks/accuracy/lfw.py quick lfw.npz quick.npz           # what the quick model changes

What ships is fitted on everybody (``models/training/fit_comparison.py``). The report counts errors of all pairs, mated
and non-mated, each compared by what was fitted without both of its people, at a threshold from pairs without them
(``left_out.py``, which needs what ``strangers.py templates`` writes, too). Photos without a usable face are failures to
enrol and are counted. The data set's own 6,000 pairs are judged where their list is given.

``quick`` compares each photo as the quick model sees it (``templates --quick``) with every other one as SFace itself
does, and both as SFace does: that is what a recording of a single picture would be.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from comparison_sets import TARGETS, Comparisons, Features, balanced, rate, read_sets
from left_out import EXCESS, FOLDS, as_shipped, everybody_of, groups_of, judge_left_out, thresholds_left_out
from numpy.typing import NDArray

from idverify.comparison.balance import load_balance
from idverify.comparison.calibration import fit_card, load_card
from idverify.metrics import cllr, ece, error_rates, min_cllr, probability_from_llr
from idverify.models.manifest import data_dir, spec

F64 = NDArray[np.float64]
# The rate at which the strangers of LFW themselves are held, to compare with what others publish.
OWN_FMR = 1e-4
# One draw of 6,000 pairs is known to a tenth of a percent.
DRAWS = 10

# -- templates -------------------------------------------------------------------------------------


def make_templates(lfw: Path, out: Path, *, quick: bool) -> None:
    from rich.progress import track

    from idverify.media import load_photo

    features = Features(quick=quick)
    names, rows, pitch, failures = [], [], [], []
    for path in track(sorted(lfw.glob("*/*.jpg")), "photos"):
        name = f"{path.parent.name}/{path.name}"
        if (found := features.of(load_photo(path))) is None:
            failures.append(name)
            continue
        face, vector = found
        names.append(name)
        rows.append(vector)
        pitch.append(face.yaw_pitch_roll_deg[1])
    np.savez(out, names=np.array(names), vectors=np.array(rows), pitch=np.array(pitch), failures=np.array(failures))
    print(f"{len(names)} templates, {len(failures)} failures to enrol: {failures}")
    print(f"median head pitch {np.median(pitch):.1f} degrees from what is called level")


# -- report ----------------------------------------------------------------------------------------


def report(lfw: Path, strangers: Path, listed: Path | None) -> dict[str, Any]:
    sets = read_sets(lfw, strangers)
    pairs = sets[0]
    judged = judge_left_out(sets, as_shipped(sets))
    fold = judged.folds["lfw"]
    person = pairs.person[pairs.i[pairs.mated]]
    rows = []
    for target, thresholds in thresholds_left_out(sets, judged).items():
        at = thresholds[fold[pairs.i], fold[pairs.j]]
        missed = judged.lfw[pairs.mated] < at[pairs.mated]
        rows.append(
            {
                "target_fmr": target,
                "thresholds": [float(thresholds.min()), float(thresholds.max())],
                "fnmr": rate(missed),
                "fnmr_person_mean": float(np.mean([missed[person == p].mean() for p in np.unique(person)])),
                "fmr": rate((judged.lfw >= at)[pairs.non_mated]),
            }
        )
    mated, non_mated = judged.lfw[pairs.mated], judged.lfw[pairs.non_mated]
    own = error_rates.threshold_at_fmr(non_mated.astype(np.float64), OWN_FMR)
    return {
        "data": "LFW, single photos, all pairs of people left out of the fit",
        **pairs.counts(np.ones(len(pairs.person), bool)),
        "failures_to_enrol": len(np.load(lfw)["failures"]),
        "mated": len(mated),
        "non_mated": len(non_mated),
        "operating_points": rows,
        "at_own_fmr": {"fmr": OWN_FMR, "threshold": own, "fnmr": rate(mated < own)},
        "calibration": calibration(sets, judged),
        "ten_fold_accuracy": ten_fold(judged.lfw, pairs),
        "official_pairs": official(judged.lfw, pairs, np.load(lfw)["names"], listed) if listed else None,
    }


def calibration(sets: Any, judged: Any) -> dict[str, float]:
    """Of the LLR, at the prior of the trials: ECE weighs every comparison the same.

    Pairs inside of a fold, by a card of everybody else.
    """
    pairs, fold = sets[0], judged.folds["lfw"]
    both = []
    for k in range(FOLDS):
        groups = groups_of(sets, judged, k)
        unnamed: dict[str, Any] = {"models": {}, "people": 0, "photos": 0, "about": {}}
        given = {"targets": TARGETS, "groups": groups, "excess": EXCESS}
        card = fit_card(groups[0].mated, everybody_of(groups), **unnamed, **given)
        own = (fold[pairs.i] == k) & (fold[pairs.j] == k)
        both.append([card.llr_at(judged.lfw[own & kind]) for kind in (pairs.mated, pairs.non_mated)])
    mated, non_mated = (np.concatenate(x) for x in zip(*both, strict=True))
    llr = np.concatenate([mated, non_mated])
    truth = np.arange(len(llr)) < len(mated)
    probability = probability_from_llr(llr, float(truth.mean()))
    return {
        "cllr": float(cllr(mated, non_mated)),
        "min_cllr": float(min_cllr(mated, non_mated)),
        "ece": ece(probability, truth),
        "prior": float(truth.mean()),
    }


def official(scores: NDArray[np.floating], pairs: Comparisons, photos: NDArray[Any], listed: Path) -> dict[str, Any]:
    """LFW's own pairs, as far as both photos are at hand: accuracy on one of its folds, at the threshold of the people
    in the other nine ("unrestricted": they may be paired as one likes).

    Of a mated pair one person has to be at hand, of a non-mated pair two, so that too few non-mated ones are left. The
    protocol has as many of both, and its accuracy is the mean of what is right of each.

    Parameters
    ----------
    listed
        The data set's ``pairs.txt``: ten folds of 300 mated and 300 non-mated pairs.
    """
    row = {name.rpartition("/")[2].removesuffix(".jpg"): k for k, name in enumerate(photos)}
    owner = np.array([name.partition("/")[0] for name in photos])
    folds = _listed_folds(listed)
    named = [{name for pair in fold for name, _ in pair} for fold in folds]
    right: dict[bool, list[bool]] = {True: [], False: []}
    for fold, own in zip(folds, named, strict=True):
        others = np.isin(owner, list(set().union(*named) - own))
        train = others[pairs.i] & others[pairs.j]
        threshold = _threshold(scores[train & pairs.mated], scores[train & pairs.non_mated])
        for (one, a), (other, b) in fold:
            if row.keys() >= (both := {f"{one}_{a:04d}", f"{other}_{b:04d}"}):
                i, j = sorted(row[name] for name in both)
                score = scores[i * len(photos) - i * (i + 1) // 2 + j - i - 1]
                right[one == other].append(bool((score >= threshold) == (one == other)))
    kinds = {name: rate(np.array(right[mated])) for name, mated in (("mated", True), ("non_mated", False))}
    return {"accuracy": _mean_of(*kinds.values()), **kinds, "listed": sum(map(len, folds))}


def _listed_folds(listed: Path) -> list[list[tuple[tuple[str, int], tuple[str, int]]]]:
    """Pairs of (name, photo's number), by fold."""
    first, *lines = listed.read_text(encoding="utf-8").splitlines()
    count, of_a_kind = map(int, first.split())
    found = []
    for line in lines[: count * 2 * of_a_kind]:
        match line.split():
            case [name, a, b]:
                found.append(((name, int(a)), (name, int(b))))
            case [one, a, other, b]:
                found.append(((one, int(a)), (other, int(b))))
            case _:
                raise SystemExit(f"{listed}: {line!r} is no pair")
    return [found[k : k + 2 * of_a_kind] for k in range(0, len(found), 2 * of_a_kind)]


def _mean_of(*rates: dict[str, Any]) -> dict[str, Any]:
    """Mean of independent rates; its interval from theirs, by adding the squares of the distances (Zou & Donner 2008,
    "Construction of confidence limits about effect measures")."""
    value, ends = np.array([r["value"] for r in rates]), np.array([r["ci95"] for r in rates])
    low, high = value.mean() + np.array([-1, 1]) * np.hypot.reduce(ends - value[:, None]) / len(rates)
    return {"value": float(value.mean()), "ci95": [float(low), float(high)]}


def ten_fold(scores: NDArray[np.floating], pairs: Comparisons) -> dict[str, Any]:
    """LFW-style, drawn :data:`DRAWS` times: ten folds of people, 300 mated and 300 non-mated pairs each; threshold from
    nine, accuracy on one."""
    accuracy = [a for seed in range(DRAWS) for a in _ten_folds(scores, pairs, np.random.default_rng(seed))]
    return {"mean": float(np.mean(accuracy)), "std": float(np.std(accuracy)), "draws": DRAWS, "pairs": 6000}


def _ten_folds(scores: NDArray[np.floating], pairs: Comparisons, rng: np.random.Generator) -> Iterator[float]:
    fold = rng.integers(0, 10, pairs.person.max() + 1)
    a, b = fold[pairs.person[pairs.i]], fold[pairs.person[pairs.j]]
    inside = [np.flatnonzero(own & (a == b)) for own in (pairs.mated, pairs.non_mated)]
    drawn = [[scores[rng.choice(own[a[own] == k], 300, replace=False)] for own in inside] for k in range(10)]
    for k, (mated, strangers) in enumerate(drawn):
        threshold = _threshold(*map(np.concatenate, zip(*(drawn[:k] + drawn[k + 1 :]), strict=True)))
        yield float(np.mean([(mated >= threshold).mean(), (strangers < threshold).mean()]))


def _threshold(mated: NDArray[np.floating], strangers: NDArray[np.floating]) -> float:
    """That which tells most right, mated and strangers weighing half each: in the middle between the scores it lies
    between; the middle one where several do."""
    m, n = np.sort(mated).astype(np.float64), np.sort(strangers).astype(np.float64)
    # Whole numbers, so that equal ones are equal; the best cuts end at a mated score.
    right = len(n) * (len(m) - np.searchsorted(m, m)) + len(m) * np.searchsorted(n, m)
    best = np.flatnonzero(right == right.max())
    top = m[best[len(best) // 2]]
    below = [part[at - 1] for part in (m, n) if (at := np.searchsorted(part, top))]
    return float((top + max(below, default=top)) / 2)


# -- the quick model ---------------------------------------------------------------------------------------------------


def report_quick(exact: Path, quick: Path) -> None:
    balance, card = load_balance(spec("sface").sha256)[0], load_card(data_dir() / "calibration" / "comparison.toml")
    files = [np.load(path) for path in (exact, quick)]
    if not np.array_equal(*(file["names"] for file in files)):
        raise SystemExit("the two files are not of the same photos")
    left, right = (balanced(file["vectors"], balance) for file in files)
    pairs = Comparisons(files[0]["names"])
    scores, changed = ((left @ other.T)[pairs.i, pairs.j] for other in (left, right))
    for name, kind in (("mated", pairs.mated), ("non-mated", pairs.non_mated)):
        change = (changed - scores)[kind]
        print(f"{name}: similarity changes by {change.mean():+.4f}, standard deviation {change.std():.4f}", end="")
        print(f", {np.abs(change).max():.3f} at most, {kind.sum()} pairs")
    for target in TARGETS:
        at = card.threshold(target)
        for what, by in (("SFace", scores), ("quick", changed)):
            missed, matched = (by < at)[pairs.mated].sum(), (by >= at)[pairs.non_mated].sum()
            print(
                f"{target:g} {what}: {missed} of {pairs.mated.sum()} missed, {matched} of {pairs.non_mated.sum()} match"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("templates")
    one.add_argument("lfw", type=Path)
    one.add_argument("out", type=Path)
    one.add_argument("--quick", action="store_true", help="SFace with eight-bit layers, as for recordings")
    two = commands.add_parser("report")
    two.add_argument("lfw", type=Path)
    two.add_argument("strangers", type=Path)
    two.add_argument("--pairs", type=Path, help="pairs.txt of LFW's own protocol")
    two.add_argument("--json", type=Path)
    three = commands.add_parser("quick")
    three.add_argument("lfw", type=Path)
    three.add_argument("quick", type=Path)
    args = parser.parse_args()
    if args.command == "templates":
        make_templates(args.lfw, args.out, quick=args.quick)
    elif args.command == "quick":
        report_quick(args.lfw, args.quick)
    else:
        result = report(args.lfw, args.strangers, args.pairs)
        text = json.dumps(result, indent=2)
        print(text)
        if args.json:
            args.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

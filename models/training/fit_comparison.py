"""Fit what makes scores of faces mean the same for every group and camera: the balance, then the calibration card.

    python models/training/fit_comparison.py balance lfw.npz strangers.npz        # models/calibration/sface_balance.toml
    python models/training/fit_comparison.py card lfw.npz strangers.npz selfies.json    # models/calibration/comparison.toml

``lfw.npz`` is written by ``benchmarks/accuracy/lfw.py templates``, the other two by ``benchmarks/accuracy/strangers.py templates``
and ``selfies`` (the selfies by the balance of the first command). Both fits look at the fit halves alone; nothing of a single
person leaves them: the balance is made of means of at least ten photos, the card of counts and quantiles.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "accuracy"))

from lfw import CARD, TARGETS, balanced, person_mean  # noqa: E402
from strangers import GROUPS, PADDINGS, read_sets  # noqa: E402

from idverify.comparison.balance import fit_balance, load_balance, write_balance  # noqa: E402
from idverify.comparison.calibration import KindThresholds, fit_card, write_card  # noqa: E402
from idverify.comparison.strangers import GroupScores  # noqa: E402
from idverify.models.manifest import data_dir, spec  # noqa: E402

# How often the variance between groups and sources counts as within a person. From 3 to 100 hardly anything changes
# (benchmarks/accuracy/comparison_tries.py).
STRENGTH = 30.0
# What each set counts for, however large it is: press photos, portraits by group, and stage photos of few people.
SHARES = {"lfw": 0.45, "utkface": 0.45, "stage": 0.10}
# The target holds for strangers at large in every set; look-alikes of one sex and group may have ten times as many matches.
# The fit of the card prints what holding them to the target itself would cost.
EXCESS = 10.0
DATA = "fit halves of Labeled Faces in the Wild (deep-funneled), UTKFace (18 to 70 years, eight groups, two paddings) and stage photos"
STATED_FOR = "strangers of the least favoured group or source measured (same sex and group)"


def balance(lfw, strangers):
    pairs, vectors, portraits, stage = read_sets(lfw, strangers)
    half = ~pairs.test
    sface, person = vectors[half, :128], pairs.person[half]
    _, person = np.unique(person, return_inverse=True)
    own = np.zeros((person.max() + 1, 128))
    np.add.at(own, person, sface)
    n = np.bincount(person)
    within = np.square(sface - (own / n[:, None])[person]).sum() / (n - 1).sum() / 128
    means, weights = [person_mean(sface, person)], [SHARES["lfw"]]
    counts = {"lfw_people": len(n), "lfw_photos": int(half.sum())}
    for padding, photos in portraits.items():
        for number, name in enumerate(GROUPS):
            rows = ~photos.test & photos.adult & (photos.group == number)
            if rows.sum() < 10:
                raise SystemExit(f"{name}: {rows.sum()} photos are too few for a mean")
            means.append(photos.vectors[rows, :128].mean(axis=0))
            weights.append(SHARES["utkface"] / len(portraits) / len(GROUPS))
            counts[f"UTKFace, {name}, {PADDINGS[padding]}"] = int(rows.sum())
    means.append(person_mean(stage.vectors[~stage.test, :128], stage.person[~stage.test]))
    weights.append(SHARES["stage"])
    counts |= {"stage_people": len(np.unique(stage.person[~stage.test])), "stage_photos": int((~stage.test).sum())}
    fitted = fit_balance(np.array(means), np.array(weights), within=float(within), strength=STRENGTH)
    write_balance(
        data_dir() / "calibration" / "sface_balance.toml",
        fitted,
        model_sha256=spec("sface").sha256,
        counts=counts,
        about=about("balance"),
    )
    print(f"{len(fitted.gains)} directions, gains {np.sort(fitted.gains).round(3)}")


def card(lfw, strangers, selfies):
    pairs, vectors, portraits, stage = read_sets(lfw, strangers)
    fitted, digest = load_balance(spec("sface").sha256)
    scores = pairs.scores(balanced(vectors, fitted))
    mated, others = scores[pairs.mated & pairs.fit_pair], scores[pairs.non_mated & pairs.fit_pair]
    half = pairs.counts(~pairs.test)
    groups = [GroupScores(name="LFW", non_mated=others, mated=mated, alike=False, **half)]
    for padding, photos in portraits.items():
        rows = np.flatnonzero(~photos.test & photos.adult & (photos.group >= 0))
        templates, group = balanced(photos.vectors[rows], fitted), photos.group[rows]
        i, j, two = photos.pairs(rows)
        s, i, j = (templates @ templates.T)[i, j][two], i[two], j[two]
        label = f"UTKFace ({PADDINGS[padding]} around the picture)"
        groups.append(GroupScores(name=label, non_mated=s, people=len(rows), photos=len(rows), alike=False))
        for number, name in enumerate(GROUPS):
            inside, n = s[(group[i] == number) & (group[j] == number)], int((group == number).sum())
            groups.append(GroupScores(name=f"{label}, {name}", non_mated=inside, people=n, photos=n))
    same, other, *_ = stage.scores(balanced(stage.vectors, fitted), ~stage.test)
    people, photos = len(np.unique(stage.person[~stage.test])), int((~stage.test).sum())
    groups.append(GroupScores(name="stage photos of women of one look", non_mated=other, mated=same, people=people, photos=photos))
    everybody = np.concatenate([g.non_mated for g in groups if not g.alike])
    made = fit_card(
        mated,
        everybody,
        models={"sface": spec("sface").sha256, "dlib_resnet": spec("dlib_resnet").sha256, "sface_balance": digest},
        people=sum(g.people for g in groups[:2]),
        photos=sum(g.photos for g in groups[:2]),
        targets=TARGETS,
        about=about("card"),
        groups=groups,
        excess=EXCESS,
        stated_for=STATED_FOR,
    )
    made = dataclasses.replace(made, kinds={**made.kinds, "selfie": selfie_thresholds(made, selfies)})
    write_card(made, data_dir() / "calibration" / CARD)
    for name, kind in made.kinds.items():
        for target, at in kind.thresholds.items():
            print(f"{name} {target:g}: {at:.3f}; least favoured {made.fmr_at(at):.2g}, average {made.average_fmr_at(at):.2g}")
    literal = made.kinds["selfie"].thresholds[1e-4]
    print(f"LFW's mated below the threshold for 1e-4: {np.mean(mated < made.threshold(1e-4)):.3%}; ", end="")
    print(f"if look-alikes were held to 1e-4 as well ({literal:.3f}): {np.mean(mated < literal):.3%}")


def selfie_thresholds(made, selfies):
    """Where the least favoured tail reaches each target: a selfie beside a selfie scores far above."""
    trials = [t["similarity"] for t in json.loads(selfies.read_text())["trials"] if t["mated"]]
    rates, grid = made.tail_log10_fmr[::-1], made.tail_similarity[::-1]
    at = {t: max(float(np.interp(np.log10(t), rates, grid)), made.threshold(t)) for t in made.thresholds}
    missed = sum(s < at[min(at)] for s in trials)
    if missed:
        raise SystemExit(f"{missed} of {len(trials)} selfie videos would be missed: this kind allows no such thresholds")
    return KindThresholds(thresholds=at, mated=len(trials), missed=missed)


def about(step):
    return {
        "data": DATA,
        "date": datetime.date.today().isoformat(),
        "command": f"python models/training/fit_comparison.py {step}",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("balance", "card"):
        one = commands.add_parser(name)
        one.add_argument("lfw", type=Path)
        one.add_argument("strangers", type=Path)
        if name == "card":
            one.add_argument("selfies", type=Path)
    args = parser.parse_args()
    if args.command == "balance":
        balance(args.lfw, args.strangers)
    else:
        card(args.lfw, args.strangers, args.selfies)


if __name__ == "__main__":
    main()

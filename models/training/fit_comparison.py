"""Fit what makes scores of faces mean the same for every group and camera: the balance, then the calibration card.

    python models/training/fit_comparison.py balance lfw.npz strangers.npz        # models/calibration/sface_balance.toml
    python models/training/fit_comparison.py card lfw.npz strangers.npz selfies.json    # models/calibration/comparison.toml

``lfw.npz`` is written by ``benchmarks/accuracy/lfw.py templates``, the other two by ``benchmarks/accuracy/strangers.py templates``
and ``selfies`` (the selfies by the balance of the first command). The balance is fitted on everybody: the people who will meet it
are others, and every person in a small group makes its mean better. The card is fitted on scores of everybody, too, but of a
pair by a balance that was fitted without both of its people (``benchmarks/accuracy/left_out.py``): pairs that the balance was
fitted on look better than those to come. Nothing of a single person leaves either: the balance is made of means of at least
ten photos, the card of counts and quantiles.
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

from comparison_sets import TARGETS, read_sets  # noqa: E402
from left_out import (  # noqa: E402
    EXCESS,
    as_shipped,
    everybody_of,
    fit_balance_on,
    groups_of,
    judge_left_out,
    part_without,
)

from idverify.comparison.balance import load_balance, write_balance  # noqa: E402
from idverify.comparison.calibration import KindThresholds, fit_card, write_card  # noqa: E402
from idverify.models.manifest import data_dir, spec  # noqa: E402

DATA = "Labeled Faces in the Wild (deep-funneled), UTKFace (18 to 70 years, eight groups, two paddings) and stage photos"
LEFT_OUT = f"{DATA}; each pair scored by a balance fitted without both of its people"
STATED_FOR = "strangers of the least favoured group or source measured (same sex and group; or one age, look and make-up)"


def balance(lfw, strangers):
    sets = read_sets(lfw, strangers)
    fitted, counts = fit_balance_on(sets, part_without(sets))
    path = data_dir() / "calibration" / "sface_balance.toml"
    write_balance(path, fitted, model_sha256=spec("sface").sha256, counts=counts, about=about("balance", DATA))
    print(f"{len(fitted.gains)} directions, gains {np.sort(fitted.gains).round(3)}")


def card(lfw, strangers, selfies):
    sets = read_sets(lfw, strangers)
    _, digest = load_balance(spec("sface").sha256)
    groups = groups_of(sets, judge_left_out(sets, as_shipped(sets)))
    own, mated = groups[:2], groups[0].mated
    made = fit_card(
        mated,
        everybody_of(groups),
        models={"sface": spec("sface").sha256, "dlib_resnet": spec("dlib_resnet").sha256, "sface_balance": digest},
        people=sum(g.people for g in own),
        photos=sum(g.photos for g in own),
        targets=TARGETS,
        about=about("card", LEFT_OUT),
        groups=groups,
        excess=EXCESS,
        stated_for=STATED_FOR,
    )
    made = dataclasses.replace(made, kinds={**made.kinds, "selfie": selfie_thresholds(made, selfies)})
    write_card(made, data_dir() / "calibration" / "comparison.toml")
    for name, kind in made.kinds.items():
        for target, at in kind.thresholds.items():
            print(f"{name} {target:g}: {at:.4f}; least favoured {made.fmr_at(at):.2g}, average {made.average_fmr_at(at):.2g}")
    literal = made.kinds["selfie"].thresholds[1e-4]
    print(f"LFW's mated below the threshold for 1e-4: {np.mean(mated < made.threshold(1e-4)):.3%}; ", end="")
    print(f"if all look-alikes were held to 1e-4 as well ({literal:.3f}): {np.mean(mated < literal):.3%}")
    for group in made.groups:
        matches, _ = group.errors[1e-4]
        print(f"{group.name}: {matches} of {group.non_mated} ({matches / group.non_mated:.3%}) match")


def selfie_thresholds(made, selfies):
    """Where the least favoured tail reaches each target: a selfie beside a selfie scores far above."""
    trials = [t["similarity"] for t in json.loads(selfies.read_text())["trials"] if t["mated"]]
    rates, grid = made.tail_log10_fmr[::-1], made.tail_similarity[::-1]
    at = {t: max(float(np.interp(np.log10(t), rates, grid)), made.threshold(t)) for t in made.thresholds}
    missed = sum(s < at[min(at)] for s in trials)
    if missed:
        raise SystemExit(f"{missed} of {len(trials)} selfie videos would be missed: this kind allows no such thresholds")
    return KindThresholds(thresholds=at, mated=len(trials), missed=missed)


def about(step, data):
    return {
        "data": data,
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

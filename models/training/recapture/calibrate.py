"""Fit the LLR map of the recapture network and write models/calibration/pad_recapture.toml.

    python models/training/recapture/calibrate.py scores.csv [-o models/calibration/pad_recapture.toml]

``scores.csv`` is what benchmarks/accuracy/recapture.py writes: every clip and every attack simulated from it judged by a network that had seen
nothing of its source. The weights of scene and setting beside the face and the map are a logistic regression, both classes weighing the same, and among the attacks captured and simulated ones, and among these all species; its ends are
bounded by what the numbers of sources support (no error in n bounds a rate by 3/n). A finding proves an attack MARGIN logits
beyond the most suspicious bona fide recording.
"""

from __future__ import annotations

import argparse
import csv
import datetime
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]

from idverify.models.manifest import spec

# Beyond any bona fide value, since 27 clips do not hold the most suspicious person.
MARGIN = 2.0
# Assumed: one attack in five is of a kind that one picture cannot show (a face animated well, a good display). It bounds the LLR.
UNSEEN_ATTACK_SHARE = 0.2
RIDGE = 1e-3
PARTS = ("face", "scene", "setting")
CAPTURED = "captured_replay"


def logistic(values, target, weight):
    """Intercept and slopes of ln P(bona fide) / P(attack)."""
    design = np.c_[np.ones(len(values)), values]
    beta = np.zeros(design.shape[1])
    for _ in range(100):
        p = 1 / (1 + np.exp(-design @ beta))
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + RIDGE * np.eye(len(beta))
        beta += np.linalg.solve(hessian, design.T @ (weight * (target - p)) - RIDGE * beta)
    return beta


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "models" / "calibration" / "pad_recapture.toml")
    args = parser.parse_args()
    with args.scores.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["face"] != "" and row["species"] not in ("photo", "crop")]
    parts = np.array([[float(row[part]) for part in PARTS] for row in rows])
    target = np.array([row["presentation"] == "bona_fide" for row in rows], float)
    species = np.array([row["species"] for row in rows])
    kinds = {name: (species == name).sum() for name in set(species[target == 0])}
    share = {name: 0.25 if name == CAPTURED else 0.25 / (len(kinds) - 1) for name in kinds}
    weight = np.array([0.5 / target.sum() if bona_fide else share[name] / kinds[name] for name, bona_fide in zip(species, target, strict=True)])
    intercept, *slopes = logistic(parts, target, weight)
    # Evidence of a recapture speaks against bona fide, wherever it is seen.
    if max(slopes) >= 0:
        raise SystemExit(f"a part speaks the wrong way: {slopes}")
    of_face, of_scene, of_setting = weights = np.array(slopes) / slopes[0]
    native, slope = parts @ weights, slopes[0]
    bona_fide, attacks = native[target == 1], native[target == 0]
    floor, ceiling = -np.log(max(len(bona_fide) / 3, 1.0)), min(-np.log(UNSEEN_ATTACK_SHARE), np.log(max(len(attacks) / 3, 1.0)))
    decisive_at = bona_fide.max() + MARGIN
    ends = np.sort((np.array([floor, ceiling]) - intercept) / slope)
    args.output.write_text(
        "# Native value -> natural-log likelihood ratio (bona fide over attack) of the recapture network.\n"
        "# Written by models/training/recapture/calibrate.py; do not edit.\n"
        f'format = 1\ndate = "{datetime.date.today().isoformat()}"\nmodel_sha256 = "{spec("recapture").sha256}"\n'
        'data = "bona fide clips, captured replays and simulated species, each judged by a network trained without its source"\n'
        f"bona_fide = {len(bona_fide)}\nattacks = {len(attacks)}\nspecies = {len(kinds)}\n"
        f"left_out_bona_fide_wrong = {int((bona_fide > -intercept / slope).sum())}\n"
        f"left_out_attacks_wrong = {int((attacks < -intercept / slope).sum())}\nattacks_proven = {int((attacks >= decisive_at).sum())}\n"
        "# Of tight and wide view, of the scene, and of the two views of the setting.\n"
        f"weights = [{', '.join(f'{w:.4f}' for w in (of_face, of_face, of_scene, of_setting, of_setting))}]\n"
        f"native = [{ends[0]:.4g}, {ends[1]:.4g}]\nllr = [{ceiling:.3f}, {floor:.3f}]\ndecisive_at = {decisive_at:.3f}\n",
        encoding="utf-8",
    )
    print(args.output.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()

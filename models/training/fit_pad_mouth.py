"""Fit the LLR map of mouth_stillness and write models/calibration/pad_mouth.toml.

    python models/training/fit_pad_mouth.py --data ../shared/data --cache DIR [--masks N]

Bona fide: the clips of ``videos/bona_fide``, each by its liveliest stretch, as a verification judges it. Attacks, simulated with fixed
seeds: the same people behind a printed mask with eye holes (``idverify simulate mask_eyeholes``), their own face on it or
another's. A person is left out with and without the mask. The map is zero or below, and no proof: people keep silent.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

import cv2
import numpy as np
from fit_pad_motion import Reader, fit_logistic

from idverify.pad.mouth_stillness import NAME, native_value
from idverify.simulation import simulate

OFFSET = 0.2


def make_masks(data, cache, n):
    """(wearer, video) of n people with a mask on."""
    clips = sorted((data / "videos" / "bona_fide").iterdir(), key=lambda p: p.stem[::-1])
    photos = sorted((data / "lfw").glob("*/*_0001.jpg"))
    order = np.random.default_rng(13).permutation(len(photos))
    for i, clip in enumerate(clips[:n]):
        path = cache / f"mask_{i:03d}_{clip.stem}.mp4"
        if not path.exists():
            unfinished = path.with_suffix(".part.mp4")
            other = photos[order[i]] if i % 2 else None
            simulate("mask_eyeholes", clip, unfinished, seed=i, other=other, duration_s=4.5)
            unfinished.rename(path)
        yield clip.stem, path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--masks", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "calibration" / "pad_mouth.toml")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    read = Reader(options.cache)
    clips = sorted((options.data / "videos" / "bona_fide").iterdir())
    rows = [(p.stem, True, native_value(read(p))) for p in clips]
    for wearer, path in make_masks(options.data, options.cache, options.masks):
        signals = read(path)
        rows.append((wearer, False, None if signals is None else native_value(signals)))
    for name, is_bona_fide, value in rows:
        print(f"{'bona fide' if is_bona_fide else 'mask':10s} {name:28s} {value}")
    table = fit([row for row in rows if row[2] is not None])
    write_card(options.out, "fit_pad_mouth.py", NAME, table)


def write_card(path, made_by, name, table):
    """One mechanism's table in a file of its own."""
    lines = [
        f"# Written by models/training/{made_by}; do not edit.",
        f'date = "{datetime.date.today().isoformat()}"',
        f"\n[{name}]",
        *(f"{key} = {value}" for key, value in table.items()),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def left_out_errors(people, bona_fide, x, fit_line):
    """Attacks and bona fide recordings judged wrongly by the line that was fitted without their person."""
    wrong = [0, 0]
    for person in set(people):
        out = people == person
        a, b = fit_line(x[~out], bona_fide[~out])
        for is_bona, value in zip(bona_fide[out], x[out], strict=True):
            wrong[int(is_bona)] += int((a + b * value < 0) == is_bona)
    return wrong


def fit(rows):
    people, bona_fide, native = (np.array(column) for column in zip(*rows, strict=True))
    x, fit_line = np.log(native + OFFSET), lambda x, bona_fide: fit_logistic(x, bona_fide, np.ones(len(x)))
    intercept, slope = fit_line(x, bona_fide)
    wrong = left_out_errors(people, bona_fide, x, fit_line)
    print("LLR at 0.6, 0.9, 1.2, 1.5, 2, 3:", np.round(intercept + slope * np.log(np.array([0.6, 0.9, 1.2, 1.5, 2, 3]) + OFFSET), 2))
    n_bona, n_attack = int(bona_fide.sum()), int((~bona_fide).sum())
    return {
        "intercept": round(float(intercept), 4), "slope": round(float(slope), 4), "offset": OFFSET,
        "floor": round(-float(np.log(n_bona / 3)), 3), "ceiling": 0.0, "bona_fide_clips": n_bona, "masks": n_attack,
        "left_out_bona_fide_wrong": wrong[1], "left_out_masks_wrong": wrong[0],
    }  # fmt: skip


if __name__ == "__main__":
    main()

"""Fit the LLR map of eye_stillness and write models/calibration/pad_eyes.toml.

    python models/training/fit_pad_eyes.py --data ../shared/data --cache DIR [--swaps N]

Bona fide: the clips of ``videos/bona_fide``, each by its liveliest stretch, as a verification judges it. Attacks, simulated with fixed
seeds: the same people with the face of an LFW photo in the place of their own (``idverify simulate face_swap_crude``). A person is left
out with and without the other face. The map is zero or below, and no proof: people stare. That is part of the model too: some honest
people look just like a picture (a lapse, as in psychometrics), or the few who did would flatten the map for all.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from fit_pad_motion import RIDGE, Reader
from fit_pad_mouth import left_out_errors, write_card
from scipy.optimize import minimize

from idverify.pad.eye_stillness import NAME, EyePictures, native_value
from idverify.simulation import simulate

OFFSET = 0.2


def make_swaps(data, cache, n):
    """(person, video) of n people with another face."""
    clips = sorted((data / "videos" / "bona_fide").iterdir(), key=lambda p: p.stem[::-1])
    photos = sorted((data / "lfw").glob("*/*_0001.jpg"))
    order = np.random.default_rng(17).permutation(len(photos))
    for i, clip in enumerate(clips[:n]):
        path = cache / f"swap_{i:03d}_{clip.stem}.mp4"
        if not path.exists():
            unfinished = path.with_suffix(".part.mp4")
            simulate("face_swap_crude", clip, unfinished, seed=i, other=photos[order[i]], duration_s=4.5)
            unfinished.rename(path)
        yield clip.stem, path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--swaps", type=int, default=27)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "calibration" / "pad_eyes.toml")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    read = Reader(options.cache, NAME, EyePictures)
    rows = [(p.stem, True, native_value(read(p))) for p in sorted((options.data / "videos" / "bona_fide").iterdir())]
    for person, path in make_swaps(options.data, options.cache, options.swaps):
        signals = read(path)
        rows.append((person, False, None if signals is None else native_value(signals)))
    for name, is_bona_fide, value in rows:
        print(f"{'bona fide' if is_bona_fide else 'swap':10s} {name:28s} {value}")
    table = fit([row for row in rows if row[2] is not None])
    write_card(options.out, "fit_pad_eyes.py", NAME, table)


def fit(rows):
    """The map, and errors with each person left out; rows are (person, whether bona fide, native value)."""
    people, bona_fide, native = (np.array(column) for column in zip(*rows, strict=True))
    x, n_bona, n_attack = np.log(native + OFFSET), int(bona_fide.sum()), int((~bona_fide).sum())
    # As many may stare as the number of people cannot exclude.
    lapse = 3 / n_bona
    fit_line = partial(fit_with_lapse, lapse=lapse)
    intercept, slope = fit_line(x, bona_fide)
    wrong = left_out_errors(people, bona_fide, x, fit_line)
    print("LLR at 1, 1.5, 2, 2.5, 3, 4 %:", np.round(intercept + slope * np.log(np.array([1, 1.5, 2, 2.5, 3, 4]) + OFFSET), 2))
    return {
        "intercept": round(float(intercept), 4), "slope": round(float(slope), 4), "offset": OFFSET,
        "floor": round(float(np.log(lapse)), 3), "ceiling": 0.0, "bona_fide_clips": n_bona, "swaps": n_attack,
        "left_out_bona_fide_wrong": wrong[1], "left_out_swaps_wrong": wrong[0],
    }  # fmt: skip


def fit_with_lapse(x, bona_fide, lapse):
    """Intercept and slope of L, where the ratio of bona fide to attack is ``lapse + (1 - lapse) * exp(L)``."""

    def loss(p):
        odds = lapse + (1 - lapse) * np.exp(np.clip(p[0] + p[1] * x, -40, 40))
        return np.log1p(np.where(bona_fide, 1 / odds, odds)).sum() + RIDGE * p[1] ** 2

    return minimize(loss, [-1.0, 1.0], bounds=[(None, None), (0, None)]).x


if __name__ == "__main__":
    main()

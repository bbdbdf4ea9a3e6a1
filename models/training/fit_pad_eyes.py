"""Fit the LLR map of eye_stillness and write models/calibration/pad_eyes.toml.

    python models/training/fit_pad_eyes.py --data ../shared/data --cache DIR [--swaps N]

Bona fide: the clips of ``videos/bona_fide``, each by its liveliest stretch, as a verification judges it. Attacks, simulated with fixed
seeds: the same people with the face of an LFW photo in the place of their own (``idverify simulate face_swap_crude``). A person is left
out with and without the other face. The map is zero or below, and no proof: people stare.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

import cv2
import numpy as np
from fit_pad_motion import Reader
from fit_pad_mouth import fit

from idverify.pad.eye_stillness import NAME, EyePictures, native_value
from idverify.simulation import simulate


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
    table = fit([row for row in rows if row[2] is not None], "swaps")
    lines = [
        "# Written by models/training/fit_pad_eyes.py; do not edit.",
        f'date = "{datetime.date.today().isoformat()}"',
        f"\n[{NAME}]",
        *(f"{key} = {value}" for key, value in table.items()),
    ]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What the fits of mouth and eyes share: the same people with and without another face, and what each take says.

Bona fide are the clips of ``videos/bona_fide``; attacks are made of them with fixed seeds, once, into a cache.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from idverify.simulation import simulate


def options(description: str, attacks: str, n: int, card: str) -> argparse.Namespace:
    """The command line of a fit: data, cache, how many attacks of the name `attacks`, and the card to write."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument(f"--{attacks}", dest="n", type=int, default=n)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "calibration" / card)
    chosen = parser.parse_args()
    chosen.cache.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    return chosen


def takes(
    data, cache, n, *, species, name, seed, has_other: Callable[[int], bool], drawn: dict[str, tuple[float, float]]
) -> Iterator[tuple[str, Path]]:
    """(person, video) of n people of the clips, with a face that is drawn from LFW's photos where `has_other` says so.

    What the simulator does not draw from the seed by itself is drawn here, between the bounds of `drawn`.
    """
    clips = sorted((data / "videos" / "bona_fide").iterdir(), key=lambda p: p.stem[::-1])
    photos = sorted((data / "lfw").glob("*/*_0001.jpg"))
    order = np.random.default_rng(seed).permutation(len(photos))
    for i, clip in enumerate(clips[:n]):
        path = cache / f"{name}_{i:03d}_{clip.stem}.mp4"
        if not path.exists():
            unfinished = path.with_suffix(".part.mp4")
            other = photos[order[i]] if has_other(i) else None
            rng = np.random.default_rng([seed, i])
            params = {key: round(float(rng.uniform(*bounds)), 3) for key, bounds in drawn.items()}
            simulate(species, clip, unfinished, seed=i, other=other, duration_s=4.5, **params)
            unfinished.rename(path)
        yield clip.stem, path


def rows(data, read, native_value, attacks, name):
    """(person, whether bona fide, native value) of every take that can be judged; each is printed."""
    found = [(p.stem, True, native_value(read(p))) for p in sorted((data / "videos" / "bona_fide").iterdir())]
    for person, path in attacks:
        signals = read(path)
        found.append((person, False, None if signals is None else native_value(signals)))
    for person, is_bona_fide, value in found:
        print(f"{'bona fide' if is_bona_fide else name:10s} {person:28s} {value}")
    return [row for row in found if row[2] is not None]

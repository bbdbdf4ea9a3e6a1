"""Fit the LLR map of texture_constancy and write models/calibration/pad_texture.toml.

    python models/training/fit_pad_texture.py --data ../shared/data --cache DIR [--animated N] [--stills N]

Bona fide: the clips of ``videos/bona_fide`` in pieces of 5 s. Attacks, simulated with fixed seeds: photographs brought to life by a warp
(``idverify simulate photo_animated``, every other one from an LFW photo, the rest from frames of the clips). Still photographs take no
part and are only reported, since `stillness` proves them and what is added here is for pictures that move like a face; nor do the
captured replays. The map is zero or below: whoever plays a film of a person shows that person's light.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

import cv2
import numpy as np
from fit_pad_motion import Reader, fit_logistic, make_stills

from idverify.pad.texture_constancy import NAME, SkinShade, wander_percent
from idverify.simulation import simulate

PIECE_S = 5.0
# Added before the logarithm, in %: the wander of pictures is zero more often than not.
OFFSET = 0.1


def make_animated(data, cache, n):
    """Photographs that blink, speak and nod: even ones LFW photos of different people, odd ones frames of the clips."""
    photos = sorted((data / "lfw").glob("*/*_0001.jpg"))
    order = np.random.default_rng(11).permutation(len(photos))
    clips = sorted((data / "videos" / "bona_fide").iterdir())
    for i in range(n):
        source = clips[(i // 2) % len(clips)] if i % 2 else photos[order[i]]
        path = cache / f"animated_{i:03d}_{source.stem}.mp4"
        if not path.exists():
            unfinished = path.with_suffix(".part.mp4")
            simulate("photo_animated", source, unfinished, seed=i, size_wh=(480, 640), duration_s=4.5)
            unfinished.rename(path)
        yield path


def natives(signals):
    """Wander of each piece that can be judged."""
    if signals is None or not len(signals):
        return []
    start, end = signals.times_s[0], signals.times_s[-1]
    parts = [signals.between(s, s + PIECE_S) for s in np.arange(start, max(end - PIECE_S / 2, start + 0.1), PIECE_S)]
    found = (wander_percent(p.times_s, p.shade, p.slope) for p in parts)
    return [value for value in found if value is not None]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--animated", type=int, default=24)
    parser.add_argument("--stills", type=int, default=21)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "calibration" / "pad_texture.toml")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    read = Reader(options.cache, NAME, SkinShade)
    clips = {p.stem: natives(read(p)) for p in sorted((options.data / "videos" / "bona_fide").iterdir())}
    attacks = {p.stem: natives(read(p)) for p in make_animated(options.data, options.cache, options.animated)}
    captured = sorted((options.data / "videos" / "attack").iterdir())
    aside = {p.stem: natives(read(p)) for p in (*make_stills(options.data, options.cache, options.stills), *captured)}
    for name, values in {**clips, **attacks, **aside}.items():
        print(f"{name:44s}", np.round(values, 2))
    table = fit(clips, attacks)
    lines = [
        "# Written by models/training/fit_pad_texture.py; do not edit.",
        f'date = "{datetime.date.today().isoformat()}"',
        f'data = "{len(clips)} bona fide clips in pieces of {PIECE_S:.0f} s; {options.animated} photographs animated by simulation"',
        f"\n[{NAME}]",
        *(f"{key} = {value}" for key, value in table.items()),
    ]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def fit(clips, attacks):
    """The map, each source weighing one; and errors with each source left out of its own fit."""
    rows = [(n, b, v) for b, group in ((True, clips), (False, attacks)) for n, values in group.items() for v in values]
    sources, bona_fide, native = (np.array(column) for column in zip(*rows, strict=True))
    x = np.log(native + OFFSET)
    weights = np.array([1.0 / (sources == s).sum() for s in sources])
    n_bona, n_attack = len(set(sources[bona_fide])), len(set(sources[~bona_fide]))
    intercept, slope = fit_logistic(x, bona_fide, weights)
    wrong = [0, 0]
    for source in set(sources):
        out = sources == source
        a, b = fit_logistic(x[~out], bona_fide[~out], weights[~out])
        is_bona = bona_fide[out][0]
        # A clip is judged by its middle piece.
        wrong[int(is_bona)] += int((a + b * np.median(x[out]) < 0) == is_bona)
    print("LLR at 0, 0.1, 0.2, 0.3, 0.5, 1 %:", np.round(intercept + slope * np.log(np.array([0, 0.1, 0.2, 0.3, 0.5, 1]) + OFFSET), 2))
    return {
        "intercept": round(float(intercept), 4), "slope": round(float(slope), 4), "offset": OFFSET,
        "floor": round(-float(np.log(n_bona / 3)), 3), "ceiling": 0.0,
        "bona_fide_sources": n_bona, "bona_fide_pieces": int(bona_fide.sum()),
        "attack_sources": n_attack, "attack_pieces": int((~bona_fide).sum()),
        "left_out_bona_fide_wrong": wrong[1], "left_out_attacks_wrong": wrong[0],
    }  # fmt: skip


if __name__ == "__main__":
    main()

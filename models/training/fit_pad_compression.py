"""Fit the LLR map of the signal quality_fall and write models/calibration/pad_compression.toml.

    python models/training/fit_pad_compression.py --data ../shared/data --cache DIR

Bona fide: the genuine clips of ``videos`` and ``selfies``, and the first seconds of some encoded again, at an even quality and at few
bits, as messengers do. Attacks, simulated: the same clips through ever narrower channels (``idverify simulate bitrate_ladder``). The
mark lies halfway, in the logarithm, between the deepest bona fide fall and the shallowest ladder beyond it (a ladder that falls less
is missed, and counted); each source is also judged by a mark from all others.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import pickle
from pathlib import Path

import cv2
import numpy as np

from idverify.media import open_recording
from idverify.pad.fingerprints import FrameFingerprints, lasting_fall, shown_anew, squared_differences
from idverify.simulation import simulate

# One clip in this many is encoded again.
STRIDE = 1
# Added before logarithms: most falls are zero.
FLOOR = 0.005
MADE = {"ladder": ("bitrate_ladder", ()), "again": ("bona_fide", ()), "few_bits": ("bona_fide", ("low_bitrate",))}


def fall_of(path):
    seen = FrameFingerprints()
    with open_recording(path) as recording:
        for frame in recording:
            seen.observe_frame(frame)
    return fall_among(*seen.thumbnails(), seen.compression())


def fall_among(times, thumbnails, compression):
    distance = squared_differences(thumbnails)
    new = shown_anew(thumbnails, distance)
    change = np.sqrt(distance[new[:-1], new[1:]])
    if len(new) <= 2:
        return None
    found = lasting_fall(times[new], compression[new], np.r_[0.0, change], thumbnails[new].std(axis=(1, 2)))
    return None if found is None else found[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "calibration" / "pad_compression.toml")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    clips = sorted((options.data / "videos" / "bona_fide").iterdir())
    selfies = options.data / "selfies"
    with (selfies / "videos.csv").open(newline="", encoding="utf-8") as file:
        more = [selfies / line["path"] for line in csv.DictReader(file) if line["presentation"] == "bona_fide"]
    rows = [(p.stem, "clip", fall_of(p)) for p in clips + more]
    for k, clip in enumerate(clips[::STRIDE]):
        for kind, (species, degrade) in MADE.items():
            path, kept = (options.cache / f"{kind}-{clip.stem}{end}" for end in (".mp4", ".pkl"))
            if not kept.exists():
                simulate(species, clip, path, seed=k, degrade=degrade, duration_s=4.0)
                kept.write_bytes(pickle.dumps(fall_of(path)))
                path.unlink()
            rows.append((clip.stem, kind, pickle.loads(kept.read_bytes())))
    rows = [row for row in rows if row[2] is not None]
    for source, kind, fall in sorted(rows, key=lambda row: -row[2])[:30]:
        print(f"{kind:10s} {source:28s} {fall:.3f}")
    wrong = [0, 0]
    for source in {row[0] for row in rows}:
        mark = mark_of([row for row in rows if row[0] != source])[2]
        for _, kind, fall in (row for row in rows if row[0] == source):
            wrong[kind == "ladder"] += (fall >= mark) != (kind == "ladder")
    worst, least, mark = mark_of(rows)
    counts = {kind: sum(row[1] == kind for row in rows) for kind in ("clip", *MADE)}
    print(f"worst bona fide {worst:.3f}, least ladder {least:.3f}, mark {mark:.3f}; {counts}; left out: wrong {wrong}")
    lines = [
        "# Written by models/training/fit_pad_compression.py; do not edit.",
        f'date = "{datetime.date.today().isoformat()}"',
        "\n[quality_fall]",
        'about = "0 up to the deepest lasting fall of a bona fide clip or its re-encode, the cap at the mark; reported, not fused"',
        *(f"{kind} = {n}" for kind, n in counts.items()),
        f"left_out_bona_fide_wrong = {wrong[0]}",
        f"left_out_ladders_wrong = {wrong[1]}",
        f"native = [{worst:.4f}, {mark:.4f}]",
        f"llr = [0.0, {-np.log(counts['clip'] / 3):.3f}]",
        "\n[quality_fall.marks]",
        f"fell_from = [{mark:.4f}]",
    ]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def mark_of(rows):
    """Deepest fall of the bona fide, the shallowest ladder beyond it, and the mark between."""
    worst = max(fall for _, kind, fall in rows if kind != "ladder")
    least = min(fall for _, kind, fall in rows if kind == "ladder" and fall > worst)
    return worst, least, float(np.sqrt((worst + FLOOR) * (least + FLOOR)) - FLOOR)


if __name__ == "__main__":
    main()

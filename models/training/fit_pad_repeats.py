"""Fit the LLR map of the signal repeated_passage and write models/calibration/pad_repeats.toml.

    python models/training/fit_pad_repeats.py --data ../shared/data

Bona fide: the genuine clips of ``videos`` and ``selfies``, and every fourth of ``videos`` encoded again. Attacks, simulated: a passage
of these played over and over, and back and forth, encoded well and poorly. The map is zero up to the likest passages of a genuine
recording; a doubt lies a quarter, proof three quarters of the way from there to an exact repeat.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import io
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from idverify.media import open_recording
from idverify.media.source import MediaLimits
from idverify.pad.fingerprints import FrameFingerprints, deepest_repeat, shown_anew, squared_differences

STRIDE, CRFS = 4, (20, 30)
# Pictures of a clip that are encoded again.
N_PICTURES = 150


def depth_of(source):
    """Depth of the deepest repeat, 0 where there is none."""
    seen = FrameFingerprints()
    with open_recording(source, limits=MediaLimits(max_duration_s=30.0)) as recording:
        for frame in recording:
            seen.observe_frame(frame)
    times, thumbnails = seen.thumbnails()
    new = shown_anew(thumbnails, squared_differences(thumbnails))
    repeat = deepest_repeat(times[new], thumbnails[new])
    return 0.0 if repeat is None else 1.0 - repeat.dip


def encoded(pictures, rate, crf):
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1000))
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.options = "yuv420p", {"crf": str(crf), "preset": "veryfast"}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def altered(path):
    """Plain re-encodes and loops of one clip: (name, crf) -> depth."""
    with open_recording(path, limits=MediaLimits(max_frames=N_PICTURES)) as recording:
        frames = [(f.time_s, f.image_rgb(tuple(side // 2 * 2 for side in f.size_wh))) for f in recording]
    rate, pictures = 1.0 / float(np.median(np.diff([t for t, _ in frames]))), [image for _, image in frames]
    passage = pictures[5 : 5 + int(min(2 * rate, 0.6 * len(pictures)))]
    makes = {"plain": pictures, "loop": passage * 3, "ping_pong": (passage + passage[-2:0:-1]) * 2}
    return {(name, crf): depth_of(encoded(made, rate, crf)) for name, made in makes.items() for crf in CRFS}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "calibration" / "pad_repeats.toml")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    clips = sorted((options.data / "videos" / "bona_fide").iterdir())
    selfies = options.data / "selfies"
    with (selfies / "videos.csv").open(newline="", encoding="utf-8") as file:
        more = [selfies / line["path"] for line in csv.DictReader(file) if line["presentation"] == "bona_fide"]
    plain = {path.stem: depth_of(path) for path in clips + more}
    made = {path.stem: altered(path) for path in clips[::STRIDE]}
    for name, depth in sorted(plain.items(), key=lambda row: -row[1])[:8]:
        print(f"{name:34s} {depth:.3f}")
    for name, results in made.items():
        print(f"altered {name:34s}", {f"{kind} {crf}": round(v, 3) for (kind, crf), v in results.items()})
    genuine = [*plain.values(), *(v for r in made.values() for k, v in r.items() if k[0] == "plain")]
    worst = max(genuine)
    doubtful, decisive = (worst + share * (1 - worst) for share in (0.25, 0.75))
    loops = [v for r in made.values() for k, v in r.items() if k[0] != "plain"]
    print(f"likest passages of a genuine recording {worst:.3f}; {sum(v >= decisive for v in loops)} of {len(loops)} loops proven")
    lines = [
        "# Written by models/training/fit_pad_repeats.py; do not edit.",
        f'date = "{datetime.date.today().isoformat()}"',
        "\n[repeated_passage]",
        'about = "0 up to the likest passages of genuine recordings, the cap three quarters of the way from there to exact"',
        f"bona_fide = {len(genuine)}",
        f"clips = {len(plain)}",
        f"loops = {len(loops)}",
        f"loops_proven = {sum(v >= decisive for v in loops)}",
        f"native = [{worst:.4f}, {decisive:.4f}]",
        f"llr = [0.0, {-np.log(len(plain) / 3):.3f}]",
        f"decisive_at = {decisive:.4f}",
        "\n[repeated_passage.marks]",
        f"doubtful_from = [{doubtful:.4f}]",
    ]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

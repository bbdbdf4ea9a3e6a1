"""Do strangers gain by poor pictures, and what do mates lose? LFW photos, made worse, against everybody's.

    python benchmarks/accuracy/poor_pictures.py LFW_DIR lfw.npz [--people 700] [--json FILE]

One photo of each of some people, drawn by chance (seed 0), is blurred, shrunk, coded hard, made noisy, dark or pale,
and compared with all photos of ``lfw.npz`` (``lfw.py templates``) at the shipped threshold called FMR 1e-4. The
comparison is the one that ships, fitted on everybody; how poor a picture is moves the rates, who was in the fit hardly
does.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from comparison_sets import Features, balanced, rate
from numpy.typing import NDArray

from idverify.comparison.balance import load_balance
from idverify.comparison.calibration import load_card
from idverify.media import load_photo
from idverify.models.manifest import data_dir, spec

U8 = NDArray[np.uint8]
TARGET = 1e-4


def blurred(sigma_px: float) -> Callable[[U8], U8]:
    return lambda x: np.asarray(cv2.GaussianBlur(x, (0, 0), sigma_px), np.uint8)


def shrunk(times: int) -> Callable[[U8], U8]:
    def make(x: U8) -> U8:
        height, width = x.shape[:2]
        small = cv2.resize(x, (width // times, height // times), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)

    return make


def coded(quality: int) -> Callable[[U8], U8]:
    def make(x: U8) -> U8:
        _, packed = cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)

    return make


def noisy(levels: float) -> Callable[[U8], U8]:
    rng = np.random.default_rng(0)
    return lambda x: np.clip(x + rng.normal(0, levels, x.shape), 0, 255).astype(np.uint8)


def toned(offset: float, gain: float) -> Callable[[U8], U8]:
    return lambda x: np.clip(offset + gain * x.astype(np.float32), 0, 255).astype(np.uint8)


WAYS: dict[str, Callable[[U8], U8]] = {
    "as it is": lambda x: x,
    "blurred, 2.5 of 250 pixels": blurred(2.5),
    "blurred, 4 of 250 pixels": blurred(4),
    "shrunk to a fifth": shrunk(5),
    "JPEG quality 8": coded(8),
    "noise of 30 levels": noisy(30),
    "a fifth of the light": toned(0, 0.2),
    "a quarter of the contrast": toned(96, 0.25),
}


def measure(folder: Path, templates: Path, people: int) -> dict[str, Any]:
    features, data = Features(), np.load(templates)
    balance = load_balance(spec("sface").sha256)[0]
    at = load_card(data_dir() / "calibration" / "comparison.toml").threshold(TARGET)
    gallery, photos = balanced(data["vectors"], balance), data["names"]
    persons = np.array([name.split("/")[0] for name in photos])
    drawn = np.random.default_rng(0).permutation(np.unique(persons))[:people]
    rows = []
    for way, make in WAYS.items():
        own, vectors = [], []
        for person in drawn:
            name = photos[persons == person][0]
            if (found := features.of(make(load_photo(folder / name)))) is not None:
                own.append(name)
                vectors.append(found[1])
        scores = balanced(np.array(vectors), balance) @ gallery.T
        whose = np.array([name.split("/")[0] for name in own])
        mated = (whose[:, None] == persons) & (np.array(own)[:, None] != photos)
        strangers = whose[:, None] != persons
        row = {"way": way, "photos": len(own), "failures_to_enrol": len(drawn) - len(own)}
        row |= {"fmr": rate(scores[strangers] >= at), "fnmr": rate(scores[mated] < at)}
        rows.append(row)
        print(f"{way:28s} {len(own)} photos, FMR {row['fmr']['value']:.2e}, FNMR {row['fnmr']['value']:.3f}")
    return {"target_fmr": TARGET, "ways": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("templates", type=Path)
    parser.add_argument("--people", type=int, default=700)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    result = measure(args.lfw, args.templates, args.people)
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

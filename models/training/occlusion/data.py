"""Chips of covered and bare faces for the network that sees what hides nose and mouth.

    python models/training/occlusion/data.py --data SHARED_DATA --out DIR

Bare: photos of LFW and portraits of UTKFace, those of LFW by halves of the people as in ``benchmarks/accuracy/lfw.py``. Covered: the same photos
with coverings drawn on them by the mesh (`coverings.py`), found and aligned anew as any photo is. Labels are by the share that is hidden. Chips go to
``fit_K.npz`` and ``test_K.npz`` in DIR, outside the repository.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import cv2
import numpy as np

import coverings
from idverify.faces import quality
from idverify.faces.alignment import align
from idverify.media.photo import load_photo
from idverify.verification.model_set import ModelSet

# Kinds of covering and how often; the last are none of nose and mouth.
HIDING = ("mask",) * 5 + ("mask_low", "scarf", "scarf", "hand", "hand", "thing")
BESIDE = ("mask_chin", "hand_beside", "thing_beside", "above", "above", "beard", "beard", "shadow")
# From this share on a region is hidden; below the second it is not; between them nobody is asked.
HIDDEN, SHOWN = 0.75, 0.25
SIDE_PX = 48


def in_test_half(person):
    return int(hashlib.sha256(f"fit or test: {person}".encode()).hexdigest(), 16) % 2 == 1


class Finder:
    def __init__(self):
        models = ModelSet().face_models
        self.detector, self.mesh = models.detectors[0], models.mesh

    def mesh_of(self, image):
        """Mesh of the face nearest to the middle, or None."""
        faces = self.detector.detect(image)
        if not faces:
            return None
        middle = np.array(image.shape[1::-1]) / 2
        face = min(faces, key=lambda f: float(np.linalg.norm(f.bbox_xyxy_px.reshape(2, 2).mean(axis=0) - middle)))
        points, presence = self.mesh.fit_detected(image, [face])
        return points[0] if presence[0] >= 0.5 else None


def chip_of(image, points):
    """As the quality components see it, at the network's size."""
    chip = align([image], points[None], quality.CHIP)[0]
    return cv2.resize(chip, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)


def around(image, points):
    """The face with its surroundings, at most 176 pixels, and its mesh there: drawing takes time by the pixel."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    half = 0.95 * (high - low).max()
    left, top = np.maximum(((low + high) / 2 - half).astype(int), 0)
    right, bottom = np.minimum(((low + high) / 2 + half).astype(int), image.shape[1::-1])
    cut = image[top:bottom, left:right]
    scale = min(1.0, 176 / max(cut.shape[:2]))
    small = cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    moved = points - np.array([left, top, 0], np.float32)
    return small, moved * np.float32(scale)


def photos(data):
    """(source, test half, path) of every photo."""
    for path in sorted((data / "lfw").glob("*/*.jpg")):
        yield "lfw", in_test_half(path.parent.name), path
    for n, path in enumerate(sorted((data / "utkface").glob("*.jpg"))):
        yield "utkface", n % 4 == 0, path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--every", type=int, default=3, help="draw on one photo of so many; all give bare faces")
    parser.add_argument("--covered", type=int, default=2, help="covered twins of a photo of the fit half")
    parser.add_argument("--skip", type=int, default=1, help="take one photo of so many at all")
    parser.add_argument("--part", default="0/1", metavar="K/N", help="the K-th of N parts, to run side by side")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    finder = Finder()
    rows = {False: [], True: []}
    counts = {"photos": 0, "no face": 0, "covered": 0, "not found when covered": 0}
    other = None
    part, parts = map(int, args.part.split("/"))
    for n, (source, test, path) in list(enumerate(photos(args.data)))[part :: parts * args.skip]:
        rng = np.random.default_rng([n, 7])
        image = load_photo(path)
        if source == "utkface":
            image = cv2.copyMakeBorder(image, 70, 70, 70, 70, cv2.BORDER_REPLICATE)
        points = finder.mesh_of(image)
        counts["photos"] += 1
        if points is None:
            counts["no face"] += 1
            continue
        rows[test].append((chip_of(image, points), 0, 0, source, "bare", "", path.name))
        if (n // (parts * args.skip)) % args.every:
            continue
        image, points = around(image, points)
        xy = points[:, :2].astype(np.float64)
        kinds = [*rng.choice(HIDING, args.covered if not test else 1), *rng.choice(BESIDE, 1)]
        for kind in kinds:
            textures = coverings.HELD_OUT if test and rng.random() < 0.5 else coverings.TEXTURES
            drawn, alpha = coverings.draw(rng, image, xy, str(kind), textures, other)
            if not test:
                drawn = coverings.photographed(rng, drawn)
            found = finder.mesh_of(drawn)
            counts["covered"] += 1
            if found is None:  # a face that was followed until it was covered
                counts["not found when covered"] += 1
                found = points + rng.normal(0, 0.02 * np.ptp(xy[:, 0]), 2).astype(np.float32) @ np.eye(
                    2, 3, dtype=np.float32
                )
            labels = [coverings.covered_share(alpha, xy, group) for group in (coverings.NOSE, coverings.LIPS)]
            nose, lips = (1 if share >= HIDDEN else 0 if share <= SHOWN else -1 for share in labels)
            rows[test].append(
                (
                    chip_of(drawn, found),
                    nose,
                    lips,
                    source,
                    str(kind),
                    "held out" if textures is coverings.HELD_OUT else "",
                    path.name,
                )
            )
        other = image
        if n % 1000 == 0:
            print(n, counts, flush=True)
    for test, name in ((False, "fit"), (True, "test")):
        chips, nose, lips, source, kind, note, file = zip(*rows[test], strict=True)
        np.savez(
            args.out / f"{name}_{part}.npz",
            chips=np.stack(chips),
            nose=np.array(nose),
            mouth=np.array(lips),
            source=np.array(source),
            kind=np.array(kind),
            note=np.array(note),
            photo=np.array(file),
        )
        print(name, len(chips))
    print(counts)


if __name__ == "__main__":
    main()

"""Photos turned by any angle, without a tag that says so: are they set upright, or refused, or taken for a stranger?

    python benchmarks/accuracy/turned_pictures.py SHARED_DATA [--photos N] [--json FILE]

Photos of LFW and the separate photos of the selfie videos, drawn by chance, half of each as long as there are, enrolled
as they are and turned by the angles below before a grey ground. A turned photo is *right* when its template and that of
the photo as it is match at the shipped card's threshold for a false match rate of 0.0001, *refused* when there is a
reason instead of a template, and *wrong* otherwise: that would count as evidence of a stranger. Also counted: photos
changed although they stand upright, and faces with wrong landmarks (further than a quarter of the distance between the
eyes from where they are) that pass for surely upright.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from idverify.faces.landmarks import five_points, head_pose_deg, region_of_detection, region_of_points
from idverify.faces.uprightness import is_surely_upright
from idverify.media import load_photo
from idverify.metrics.intervals import wilson
from idverify.reasons import Assessed
from idverify.verification.verifier import Verifier

ANGLES_DEG = (30, 60, 90, 135, 150, 180, 210, 270)
TARGET_FMR = 1e-4
WORDS = ("right", "refused", "wrong")


def turned_photo(photo, angle_deg):
    """The photo turned clockwise, and the map of its pixels."""
    h, w = photo.shape[:2]
    matrix = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), -angle_deg, 1)
    wide, high = (int(np.ceil(v - 1e-9)) for v in np.abs(matrix[:, :2]) @ np.array([w, h]))
    matrix[:, 2] += np.array([wide - w, high - h]) / 2
    return cv2.warpAffine(photo, matrix, (wide, high), borderValue=(90, 90, 90)), matrix


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--photos", type=int, default=200, help="so many photos")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    verifier = Verifier()
    verifier.load()
    threshold, models = verifier.card.threshold(TARGET_FMR), verifier.face_models
    rng = np.random.default_rng(0)
    selfies, lfw = (
        list(rng.permutation(sorted((args.data / folder).glob(pattern))))
        for folder, pattern in (("selfies/references", "*.jpg"), ("lfw", "*/*.jpg"))
    )
    selfies = selfies[: args.photos // 2]
    paths = selfies + lfw[: args.photos - len(selfies)]
    table = {angle: dict.fromkeys(WORDS, 0) for angle in ANGLES_DEG}
    counts = {
        "photos": 0,
        "upright photos that were turned": 0,
        "faces with wrong landmarks": 0,
        "of them surely upright": 0,
    }
    for path in paths:
        photo = load_photo(path)
        shrink = min(1.0, 1000 / max(photo.shape[:2]))
        photo = cv2.resize(photo, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        untouched = verifier.enrol(photo)
        if not isinstance(untouched, Assessed):
            continue
        counts["photos"] += 1
        counts["upright photos that were turned"] += bool(untouched.value.notes)
        eyes = five_points(untouched.value.face.points_px)
        for angle in ANGLES_DEG:
            image, matrix = turned_photo(photo, angle)
            found = verifier.enrol(image)
            if isinstance(found, Assessed):
                same = float(found.value.template.vector @ untouched.value.template.vector) >= threshold
                table[angle]["right" if same else "wrong"] += 1
            else:
                table[angle]["refused"] += 1
            if not untouched.value.notes:
                _count_wrong_landmarks(image, eyes @ matrix[:, :2].T + matrix[:, 2], models, counts)
    for angle, row in table.items():
        print(f"{angle:4} degrees: {row}")
    print(counts)
    every = {word: _rate(sum(row[word] for row in table.values()), counts["photos"] * len(table)) for word in WORDS}
    print(every)
    if args.json:
        found = {"asked_for": args.photos, "threshold": threshold, "angles": table, "all": every, **counts}
        args.json.write_text(json.dumps(found, indent=1) + "\n")


def _rate(events, of):
    interval = wilson(events, of)
    return {"events": events, "of": of, "value": events / of, "ci95": [interval.low, interval.high]}


def _count_wrong_landmarks(image, expected, models, counts):
    faces = models.detectors[0].detect(image)
    if not faces:
        return
    points, _ = models.mesh.fit(image, [region_of_detection(faces[0])])
    points, presence = models.mesh.fit(image, [region_of_points(points[0])])
    away = np.linalg.norm(five_points(points[0]) - expected, axis=1).mean() / np.linalg.norm(expected[0] - expected[1])
    if away > 0.25:
        counts["faces with wrong landmarks"] += 1
        counts["of them surely upright"] += is_surely_upright(
            *(faces[0], float(presence[0]), float(head_pose_deg(points[0])[2])),
            *(image, models.detectors[0], models.mesh),
        )


if __name__ == "__main__":
    main()

"""Fit what likeness to the reference photo in otherwise turned pictures is worth, and write models/calibration/pad_reuse.toml.

    python models/training/fit_pad_reuse.py --data ../shared/data --takes TAKES/index.csv --cache DIR

Bona fide: the genuine clips against their own pictures a second and more apart (a photo of the very same session, the hardest
case there is), against other clips of the same person, and against separate photos. Attacks: animated photos of the fit half of
``benchmarks/accuracy/pad_takes.py``, every parameter drawn, with the photo they were made from as the reference. The map is zero
or below, and no proof. Takes of the test half are judged and printed, and not fitted on.
"""

from __future__ import annotations

import argparse
import csv
import datetime
from pathlib import Path

import cv2
import numpy as np
from fit_pad_motion import Reader, fit_logistic

from idverify.errors import IdverifyError
from idverify.faces.detection import YuNet
from idverify.faces.landmarks import FaceMesh
from idverify.media import load_photo
from idverify.models.session import Session
from idverify.pad._rigid_regions import TURNED_DEG, rigid_likeness
from idverify.pad._strips import FaceStrips
from idverify.pad.reference_reuse import TURNED_NAME, ReferenceFace
from idverify.pad.skin_change import SkinStrips
from idverify.verification.enrolment import fit_face, search_faces

OUT = Path(__file__).parents[1] / "calibration" / "pad_reuse.toml"
OFFSET, COPY = 0.02, "the photo itself"
# Pictures of a clip that stand for a photo of the same session, and kept pictures this near to it, which are left out.
OWN_AT, NEAR = (0.2, 0.5, 0.8), 8


class Strips(SkinStrips):
    """The strips that are kept, as the signals to be cached."""

    def signals(self):
        return self.kept()


def part(strips: FaceStrips, rows) -> FaceStrips:
    return FaceStrips(luma=strips.luma[rows], yaw_pitch_deg=strips.yaw_pitch_deg[rows])


class Photos:
    """Strips of photos."""

    def __init__(self):
        self._detectors, self._mesh = (YuNet(Session("yunet")),), FaceMesh(Session("face_mesh"))

    def __call__(self, path):
        try:
            image = load_photo(path)
        except IdverifyError:
            return None
        faces = search_faces(image, self._detectors)
        face = fit_face(image, max(faces, key=lambda f: f.width_px), self._mesh) if faces else None
        return None if face is None else ReferenceFace.of(image, face.points_px).strip


def bona_fide(data, read, photo):
    """Kind, person and likeness of genuine clips against pictures that they are not warped copies of."""
    clips = []
    for folder in (data, data / "selfies"):
        with (folder / "videos.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["presentation"] == "bona_fide" and "multiple_faces" not in row["path"]:
                    strips = read(folder / row["path"])
                    if strips is not None and len(strips.luma):
                        references = [folder / name for name in (row.get("references") or "").split()]
                        clips.append((row["subject"].removeprefix("webcam_"), strips, references))
    for k, (person, strips, references) in enumerate(clips):
        n = len(strips.luma)
        for at in (int(share * n) for share in OWN_AT):
            yield "own pictures", person, rigid_likeness(part(strips, np.abs(np.arange(n) - at) >= NEAR), part(strips, [at]))
        for other, theirs, _ in (row for j, row in enumerate(clips) if j != k):
            if other == person:
                yield "other clip", person, rigid_likeness(strips, part(theirs, [len(theirs.luma) // 2]))
        for strip in filter(None, map(photo, references)):
            yield "separate photo", person, rigid_likeness(strips, strip)


def attacks(index, read, photo, half):
    with index.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["half"] == half and row["species"] == "photo_driven" and row["instrument"] == "injected":
                strips, strip = read(Path(row["path"])), photo(Path(row["source_photo"]))
                if strips is not None and strip is not None:
                    yield COPY if half == "fit" else f"{COPY}, test half", row["person"], rigid_likeness(strips, strip)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--takes", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    read, photo = Reader(options.cache, "kept", Strips), Photos()
    found = [*bona_fide(options.data, read, photo)]
    for half in ("fit", "test"):
        found += attacks(options.takes, read, photo, half)
    judged = [row for row in found if row[2] is not None]
    for kind in dict.fromkeys(kind for kind, _, _ in found):
        values = [v for one, _, v in judged if one == kind]
        print(f"{kind}: {len(values)} of {sum(one == kind for one, _, _ in found)} turn far enough", np.quantile(values, (0, 0.1, 0.5, 0.9, 1)).round(3) if values else "")
    tested = [row for row in judged if row[0].endswith("test half")]
    kind, person, value = (np.array(column) for column in zip(*(row for row in judged if row not in tested), strict=True))
    genuine = kind != COPY
    # Kinds weigh alike, and so do people in them.
    weight = np.array([1 / len(set(person[kind == k])) / ((kind == k) & (person == p)).sum() for k, p in zip(kind, person, strict=True)])
    # What lacks to likeness, in its logarithm, grows with the evidence of another picture.
    x = np.log(1 - value + OFFSET)
    intercept, slope = fit_logistic(x, genuine, weight)
    floor = -float(np.log(len(set(person[genuine])) / 3))
    llr_of = lambda likeness: np.clip(intercept + slope * np.log(1 - likeness + OFFSET), floor, 0.0)  # noqa: E731
    print("at turns of", TURNED_DEG, "degrees; LLR of likeness 0.8, 0.85, 0.9, 0.93, 0.96:",
          llr_of(np.array([0.8, 0.85, 0.9, 0.93, 0.96])).round(2))
    for k in dict.fromkeys(one for one, _, _ in judged):
        own = llr_of(np.array([v for one, _, v in judged if one == k]))
        print(f"{k}: below -0.5 in {(own < -0.5).sum()} of {len(own)}, below -1 in {(own < -1).sum()}")
    options.out.write_text(
        "# Written by models/training/fit_pad_reuse.py; do not edit.\n"
        f'date = "{datetime.date.today().isoformat()}"\n\n[{TURNED_NAME}]\n'
        'about = "what lacks to likeness in pictures turned otherwise than the photo; genuine clips against their own pictures and '
        'photos of their people, animated photos against the photo itself"\n'
        f"bona_fide_people = {len(set(person[genuine]))}\nbona_fide_trials = {int(genuine.sum())}\nattacks = {int((~genuine).sum())}\n"
        f"intercept = {intercept:.4f}\nslope = {slope:.4f}\noffset = {OFFSET}\nfloor = {floor:.3f}\nceiling = 0.0\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()

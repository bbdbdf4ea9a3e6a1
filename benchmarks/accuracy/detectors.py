"""Which face detector finds the faces: YuNet against BlazeFace, on clips and photos.

    python benchmarks/accuracy/detectors.py DATA [--step 25] [--photos 300]

DATA holds ``videos.csv``, ``videos/`` and ``lfw/``. There are no boxes drawn by people, so a face counts as being there
where at least two detectors of different families agree on a box (in a clip), or where the labelled person is (an LFW
photo's centre). Printed per detector and kind of picture: recall with its count, boxes that nobody confirms, and CPU
milliseconds per picture on one core, pictures scaled and results decoded included.

``small`` shows each frame of the clips shrunk to a quarter of its size inside its own blurred surroundings.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.faces.detection import BlazeFace, FaceDetector, YuNet, overlap_matrix
from idverify.media import MediaLimits, load_photo, open_recording
from idverify.models.session import Session

Image = NDArray[np.uint8]
Boxes = NDArray[np.float64]

# Two boxes of one face; detectors differ in how much forehead they include.
SAME_FACE = 0.35
# Of each clip, so that a long one does not decide alone.
MAX_FRAMES = 250


def detectors() -> dict[str, FaceDetector]:
    """Every detector compared, named family@input side."""
    yunet = Session("yunet", threads=1)
    made: dict[str, FaceDetector] = {
        "blazeface_short@128": BlazeFace(Session("blazeface_short", threads=1), input_side_px=128),
        "blazeface_full@192": BlazeFace(Session("blazeface_full", threads=1), input_side_px=192),
    }
    return made | {f"yunet@{side}": YuNet(yunet, input_side_px=side) for side in (160, 320, 640)}


def kind_of(path: str) -> str:
    """Group of clips, by what is hard in them."""
    name = Path(path).stem
    if "dark" in name:
        return "dark"
    if "head_turns" in name:
        return "head turns"
    return {"tv": "television", "multi": "many faces"}.get(name.partition("_")[0], "facing the camera")


def clips(data: Path, step: int) -> Iterator[tuple[str, Image]]:
    """Every `step`-th frame of the start of each clip, with the clip's kind."""
    with (data / "videos.csv").open(newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    for path in paths:
        kind = kind_of(path)
        with open_recording(data / path, limits=MediaLimits(max_frames=MAX_FRAMES)) as recording:
            for frame in recording:
                if frame.index % step == 0:
                    image = frame.image_rgb()
                    yield kind, image
                    if kind == "facing the camera":
                        yield "small", shrunk(image)


def shrunk(image: Image) -> Image:
    """The picture at a quarter of its size, on a blurred copy of itself."""
    height, width = image.shape[:2]
    canvas = cv2.GaussianBlur(image, (0, 0), max(height, width) / 15)
    top, left = height * 3 // 8, width * 3 // 8
    small = cv2.resize(image, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    canvas[top : top + height // 4, left : left + width // 4] = small
    return np.asarray(canvas)


def photos(data: Path, n_photos: int) -> Iterator[tuple[str, Image]]:
    """First photos of people in LFW, evenly over the alphabet."""
    paths = sorted((data / "lfw").glob("*/*_0001.jpg"))
    for index in np.linspace(0, len(paths) - 1, n_photos).astype(int):
        yield "photos", load_photo(paths[index])


def confirmed(found: Mapping[str, Boxes]) -> Boxes:
    """One box per face that at least two families agree on."""
    families = np.concatenate([[name.partition("@")[0]] * len(boxes) for name, boxes in found.items()])
    boxes = np.concatenate(list(found.values()))
    same = overlap_matrix(boxes, boxes) >= SAME_FACE
    faces: list[int] = []
    for i in range(len(boxes)):
        if len(set(families[same[i]].tolist())) >= 2 and not same[i, faces].any():
            faces.append(i)
    return boxes[faces]


def centre_face(boxes: Boxes, image: Image) -> NDArray[np.bool_]:
    """Which boxes hold the middle of the picture."""
    middle = np.array([image.shape[1], image.shape[0]]) / 2
    return np.asarray(((boxes[:, :2] < middle) & (middle < boxes[:, 2:])).all(axis=1))


class Tally:
    """Counts of one detector on one kind of picture."""

    def __init__(self) -> None:
        self.found = self.faces = self.alone = self.pictures = 0
        self.seconds: list[float] = []

    def row(self) -> str:
        """Recall, unconfirmed boxes per 100 pictures, milliseconds."""
        recall = 100 * self.found / max(self.faces, 1)
        return (
            f"{recall:6.1f} % of {self.faces:4d}   {100 * self.alone / self.pictures:6.1f}"
            f"   {1e3 * float(np.median(self.seconds)):7.2f}"
        )


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--step", type=int, default=25, help="one frame of each clip in so many")
    parser.add_argument("--photos", type=int, default=300, help="LFW photos")
    options = parser.parse_args()
    tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
    compared = detectors()
    for source in (clips(options.data, options.step), photos(options.data, options.photos)):
        for kind, image in source:
            found: dict[str, Boxes] = {}
            for name, detector in compared.items():
                start = time.process_time()
                faces = detector.detect(image)
                tallies[kind, name].seconds.append(time.process_time() - start)
                found[name] = np.array([face.bbox_xyxy_px for face in faces]).reshape(-1, 4)
            count(tallies, kind, image, found)
    print(f"{'pictures':<18} {'detector':<20} {'recall':>16}   alone/100   CPU ms")
    for kind in dict.fromkeys(kind for kind, _ in tallies):
        for name in compared:
            print(f"{kind:<18} {name:<20} {tallies[kind, name].row()}")


def count(tallies: dict[tuple[str, str], Tally], kind: str, image: Image, found: Mapping[str, Boxes]) -> None:
    """Add one picture to the tallies."""
    faces = confirmed(found)
    for name, boxes in found.items():
        tally = tallies[kind, name]
        same = overlap_matrix(boxes, faces) >= SAME_FACE
        tally.pictures += 1
        tally.alone += int((~same.any(axis=1)).sum())
        tally.faces += 1 if kind == "photos" else len(faces)
        tally.found += int(centre_face(boxes, image).any()) if kind == "photos" else int(same.any(axis=0).sum())


if __name__ == "__main__":
    main()

"""Where quality components lie: bona fide clips, LFW photos and degraded clips, beside the floors and advised levels.

    python benchmarks/accuracy/quality_levels.py --data ../shared/data --takes DIR/takes [--photos 8]

``DIR`` is that of ``pad.py run``, which made the degraded takes. The last column counts, component by component, the
bona fide sources that lie below nine tenths of the least of all others: a level found without them would be too high.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from idverify.faces import quality
from idverify.faces.alignment import align
from idverify.faces.tracking import Tracker
from idverify.media import open_recording
from idverify.media.photo import load_photo
from idverify.simulation import DEGRADATIONS
from idverify.verification.acquisition import Capture, acquire
from idverify.verification.enrolment import face_quality, fit_face, search_faces
from idverify.verification.model_set import ModelSet

Values = dict[str, float]


def of_clip(path: Path, chain: ModelSet) -> Values:
    """Median components over the faces of the longest track; none where no face is followed."""
    models = chain.face_models
    with open_recording(path) as recording:
        capture = acquire(recording, Tracker(models.detectors[0], models.mesh), factories={})
    return _median(capture) if capture.tracks else {}


def _median(capture: Capture) -> Values:
    track = max(capture.tracks.values(), key=len)
    faces = capture.candidates[track.track_id]
    images = [c.image_rgb for c in faces]
    chips = align(images, np.stack([c.points_px for c in faces]), quality.CHIP)
    found = face_quality(images, chips, [c.face for c in faces], capture.size_wh)
    return {name: float(np.median(v)) for name, v in found.items()}


def of_photo(path: Path, chain: ModelSet) -> Values:
    image, models = load_photo(path), chain.face_models
    faces = search_faces(image, models.detectors)
    face = fit_face(image, max(faces, key=lambda f: f.width_px), models.mesh) if faces else None
    if face is None:
        return {}
    chips = align([image], face.points_px[None], quality.CHIP)
    found = face_quality([image], chips, [face], (image.shape[1], image.shape[0]))
    return {name: float(v[0]) for name, v in found.items()}


def column(rows: list[Values], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows if row])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--takes", type=Path, required=True)
    parser.add_argument("--photos", type=int, default=8, help="use every n-th photo of LFW")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    chain = ModelSet()
    clips = [of_clip(p, chain) for p in sorted((args.data / "videos" / "bona_fide").iterdir())]
    photos = [of_photo(p, chain) for p in sorted((args.data / "lfw").glob("*/*.jpg"))[:: args.photos]]
    takes = {k: [of_clip(p, chain) for p in sorted(args.takes.glob(f"{k}-*.mp4"))] for k in DEGRADATIONS}
    kinds = {k: rows for k, rows in takes.items() if any(rows)}
    head = ["component", "floor", "advised", "clips: least", "LFW: 1 %", *(f"{k}: median" for k in kinds), "left out"]
    print("| " + " | ".join(head) + " |\n" + "| --- " * len(head) + "|")
    for name in dict.fromkeys([*quality.ADVISED, *quality.FLOORS]):
        own = column(clips, name)
        left_out = sum(value < 0.9 * np.delete(own, k).min() for k, value in enumerate(own))
        levels = [f"{table[name][0]:g}" if name in table else "" for table in (quality.FLOORS, quality.ADVISED)]
        medians = [np.median(column(rows, name)) for rows in kinds.values()]
        numbers = [own.min(), np.quantile(column(photos, name), 0.01), *medians]
        print("| " + " | ".join([name, *levels, *(f"{v:.0f}" for v in numbers), str(left_out)]) + " |")


if __name__ == "__main__":
    main()

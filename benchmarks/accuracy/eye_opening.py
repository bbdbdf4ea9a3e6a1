"""What the eye model sees of blinks, beside the mesh's own lids; where it can be believed; what it costs.

Run: ``python benchmarks/accuracy/eye_opening.py CLIPS_FOLDER [--photos LFW_FOLDER] [--only NAME ...]``

Four tables:

1. blinks per clip: short dips (at most 0.6 s) of the mean opening under 60 % of its median, and the deepest value;
2. jitter by slant: difference to the median of five frames, by how much the eye faces the camera;
3. photos: the share of people whose wider eye is narrower than some openings;
4. cost: processor time of one look at both eyes, beside the mesh's (the work of all threads).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idverify.faces.detection import YuNet
from idverify.faces.landmarks import EyeModel, FaceMesh, _eye_facing, eye_opening, region_of_points
from idverify.faces.tracking import FaceTrack, Tracker
from idverify.media import load_photo, open_recording
from idverify.models.session import Session
from idverify.verification.acquisition import acquire
from idverify.verification.enrolment import fit_face, search_faces

F64 = NDArray[np.float64]
# Blinks last 0.1 to 0.4 s (Stern et al. 1984, doi:10.1177/001872088402600103); two frames more at 10 Hz.
MAX_BLINK_S = 0.6
CLOSED_SHARE = 0.6
SLANTS = (0.0, 0.6, 0.7, 0.8, 0.9, 1.01)
PHOTOS = 700
SEED = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--photos", type=Path, help="folder of folders of photos, one folder per person")
    parser.add_argument("--only", nargs="*", default=[], help="clips whose names begin with one of these")
    options = parser.parse_args()
    detector = YuNet(Session("yunet"))
    mesh, eyes = FaceMesh(Session("face_mesh", threads=1)), EyeModel(Session("iris", threads=1))
    paths = [p for p in sorted(options.clips.iterdir()) if p.name.startswith(tuple(options.only) or "")]
    tracks = {path.stem: followed(path, Tracker(detector, mesh, eyes)) for path in paths}
    heads = "".join(f"{who + ': blinks':>15} {'least':>6} {'median':>7}" for who in ("mesh", "model"))
    print(f"{'clip':24}{heads}")
    for name, track in tracks.items():
        rows = (eye_opening(track.points_px).mean(axis=1), track.eye_opening.mean(axis=1))
        cells = [f"{blinks(track.times_s, x):14d} {x.min():6.2f} {np.median(x):7.2f}" for x in rows]
        print(f"{name:24} {' '.join(cells)}")
    slant_table(tracks.values())
    if options.photos:
        photo_table(options.photos, detector, mesh, eyes)
    cost_table(mesh, eyes, next(iter(tracks.values())))


def followed(path: Path, tracker: Tracker) -> FaceTrack:
    with open_recording(path) as recording:
        return max(acquire(recording, tracker, factories={}).tracks.values(), key=len)


def blinks(times_s: F64, opening: F64) -> int:
    """Count the short dips of one series."""
    closed = np.concatenate([[False], opening < CLOSED_SHARE * np.median(opening), [False]])
    first, end = np.flatnonzero(closed[1:] != closed[:-1]).reshape(-1, 2).T
    inner = (first > 0) & (end < len(times_s))
    return int((times_s[end[inner]] - times_s[first[inner]] <= MAX_BLINK_S).sum())


def slant_table(tracks: Iterable[FaceTrack]) -> None:
    from scipy.ndimage import median_filter

    tracks = list(tracks)
    facing = np.concatenate([_eye_facing(t.points_px).ravel() for t in tracks])
    jitter = np.concatenate([np.abs(t.eye_opening - median_filter(t.eye_opening, (5, 1))).ravel() for t in tracks])
    print("\neye faces the camera  looks  mean jitter")
    for low, high in pairwise(SLANTS):
        here = (facing >= low) & (facing < high)
        note = "  (of the mesh)" if high <= 0.6 else ""
        if here.any():
            print(f"{low:9.2f} to {min(high, 1):4.2f} {here.sum():9d} {jitter[here].mean():12.3f}{note}")


def photo_table(folder: Path, detector: YuNet, mesh: FaceMesh, eyes: EyeModel) -> None:
    photos = np.array(sorted(folder.glob("*/*.jpg")))
    widest = []
    for path in np.random.default_rng(SEED).permutation(photos)[:PHOTOS]:
        photo = load_photo(path)
        faces = search_faces(photo, [detector])
        largest = max(faces, key=lambda f: f.width_px, default=None)
        face = fit_face(photo, largest, mesh, eyes) if largest else None
        widest += [face.eye_opening.max()] if face else []
    shares = "  ".join(f"{limit:.2f}: {np.mean(np.array(widest) < limit):.2%}" for limit in (0.10, 0.13, 0.15, 0.20))
    print(f"\n{len(widest)} photos: median {np.median(widest):.2f}; share below {shares}")


def cost_table(mesh: FaceMesh, eyes: EyeModel, track: FaceTrack) -> None:
    points = track.points_px[:1]
    size = int(points[..., :2].max()) + 50
    picture = np.random.default_rng(0).integers(0, 256, (size, size, 3)).astype(np.uint8)
    print("\nprocessor time of one analysed frame, one face, least and median of 50")
    print("mesh       {:5.2f} {:5.2f} ms".format(*cost_ms(lambda: mesh.fit(picture, [region_of_points(points[0])]))))
    print("both eyes  {:5.2f} {:5.2f} ms".format(*cost_ms(lambda: eyes.opening(picture, points))))


def cost_ms(call: Callable[[], object]) -> tuple[float, float]:
    call()
    spent = []
    for _ in range(50):
        start = time.process_time()
        call()
        spent.append((time.process_time() - start) * 1e3)
    return min(spent), float(np.median(spent))


if __name__ == "__main__":
    main()

"""Windows of clips, genuine and attacked, as the numbers that the trees of ``skin_change`` look at.

    python models/training/skin_change/collect.py clips ../shared/data WORK                # frames and meshes, once
    python models/training/skin_change/collect.py attack ../shared/data WORK --rounds 4    # genuine windows and attacks
    python models/training/skin_change/collect.py takes TAKES/index.csv ../shared/data WORK   # takes of pad_takes.py
    python models/training/skin_change/collect.py real ../shared/data WORK                 # clips as they are, deepfakes too

``clips`` keeps pictures of faces in WORK, which is to be deleted afterwards. ``attack`` lays a photo over the clip's own pictures,
or animates a photo by the clip's mesh or by a script (attackers.py), and passes
genuine windows and attacks alike through the same sizes, blurs, tones, grains and encoders. Each result is one file of
features in ``WORK/features`` with its kind and the clip it comes from.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import attackers
import cv2
import numpy as np

from idverify.errors import IdverifyError
from idverify.faces.detection import YuNet
from idverify.faces.landmarks import FaceMesh, head_pose_deg, region_of_points
from idverify.faces.tracking import Tracker
from idverify.media import open_recording
from idverify.models.session import Session
from idverify.pad._strips import cut_strip
from idverify.pad.evidence import ANALYSIS_RATE_HZ
from idverify.pad.skin_change import SkinStrips, describe, placement
from idverify.simulation.faces import default_locate
from idverify.verification.acquisition import acquire
from idverify.verification.enrolment import SEARCH_SIDES_PX

KINDS = ("genuine", "swap", "genuine", "blend", "driven", "script", "genuine")
CLIP_S, WINDOW_FRAMES, FACE_PX = 10.0, 40, 180.0


def clips_of(data: Path) -> Iterator[tuple[Path, str, str]]:
    """Path, presentation and person of every single-person clip."""
    for folder in (data, data / "selfies"):
        with (folder / "videos.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                species = row.get("species") or row.get("pai_species") or ""
                kind = "digital" if row["presentation"] == "digital" or species == "deepfake" else row["presentation"]
                if "multiple_faces" not in row["path"]:
                    yield folder / row["path"], kind, row["subject"]


def tracker() -> Tracker:
    return Tracker(YuNet(Session("yunet", threads=1), input_side_px=SEARCH_SIDES_PX[0]), FaceMesh(Session("face_mesh", threads=1)))


def clips(args: argparse.Namespace) -> None:
    folder = args.work / "clips"
    folder.mkdir(parents=True, exist_ok=True)
    for path, kind, person in clips_of(args.data):
        out = folder / f"{path.stem}.npz"
        if out.exists():
            continue
        follow, seen, due = tracker(), [], -np.inf
        with open_recording(path) as recording:
            for frame in recording:
                if frame.time_s > CLIP_S:
                    break
                if frame.time_s < due - 1e-3:
                    continue
                due = frame.time_s + 0.5 / ANALYSIS_RATE_HZ if due == -np.inf else max(due + 1 / ANALYSIS_RATE_HZ, frame.time_s)
                scale = max(1.0, max(frame.size_wh) / 640)
                size = (round(frame.size_wh[0] / scale), round(frame.size_wh[1] / scale))
                image = frame.image_rgb(size)
                found = follow.step(image, frame.luma(size), scale=scale, frame_index=frame.index, time_s=frame.time_s)
                if found:
                    _, face = max(found, key=lambda one: np.ptp(one[1].points_px[:, 0]))
                    seen.append((frame.time_s, image, face.points_px / np.float32(scale)))
        if not seen:
            continue
        points = np.stack([mesh for _, _, mesh in seen])
        width, height = np.median(np.ptp(points[..., :2], axis=1), axis=0)
        low = np.maximum(points[..., :2].min(axis=(0, 1)) - 0.6 * width, 0).astype(int)
        high = (points[..., :2].max(axis=(0, 1)) + 0.6 * width).astype(int)
        shrink = min(1.0, FACE_PX / width)
        pictures = [cv2.resize(image[low[1] : high[1], low[0] : high[0]], None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
                    for _, image, _ in seen]
        points[..., :2] -= low
        np.savez(out, pictures=np.stack(pictures), points=points * np.float32(shrink), times=[t for t, _, _ in seen],
                 kind=kind, person=person)
        print(path.stem, kind, len(seen), flush=True)


def photos_of(data: Path) -> list[Path]:
    """Photos to attack with: people of the fit half of pad_takes.py, and strangers."""
    digest = lambda name: int(hashlib.sha256(f"fit or test: {name}".encode()).hexdigest(), 16)  # noqa: E731
    lfw = [min(p.glob("*.jpg")) for p in sorted((data / "lfw").iterdir()) if p.is_dir() and digest(p.name) % 2 == 0]
    kpop = [p for p in sorted((data / "kpop").glob("*/*")) if digest(f"kpop_{p.parent.name}") % 2 == 0]
    return lfw[::4] + kpop + sorted((data / "utkface").glob("*"))[::9]


def attack(args: argparse.Namespace) -> None:
    cv2.setNumThreads(1)
    stored = {p.stem: np.load(p) for p in sorted((args.work / "clips").glob("*.npz"))}
    genuine = {name: clip for name, clip in stored.items() if str(clip["kind"]) == "bona_fide"}
    photos, locate, mesh = photos_of(args.data), default_locate(), FaceMesh(Session("face_mesh", threads=1))
    folder = args.work / "features"
    folder.mkdir(parents=True, exist_ok=True)
    for turn in range(args.rounds):
        for number, (name, clip) in enumerate(genuine.items()):
            for order, kind in enumerate(KINDS):
                out = folder / f"{kind}_{name}_{turn}_{order}.npz"
                if out.exists():
                    continue
                rng = np.random.default_rng((turn, number, order))
                made = attackers.window(rng, kind, clip, [g for n, g in genuine.items() if n != name], photos, locate)
                if made is not None:
                    pictures, points, step_s = made
                    found = np.stack(list(described(pictures, points, step_s, mesh)))
                    np.savez(out, features=found, kind=kind, source=name, person=person_of(str(clip["person"])))
            print(turn, name, flush=True)


def described(pictures: list[np.ndarray], points: np.ndarray, step_s: float, mesh: FaceMesh) -> Iterator[np.ndarray]:
    """Features of every second picture, from the first and from the second, with the mesh found anew."""
    found, before = [], None
    for image, start in zip(pictures, points, strict=True):
        guess = np.c_[start[:, :2], np.zeros(len(start))].astype(np.float32) if before is None else before
        fitted, _ = mesh.fit(image, [region_of_points(guess)])
        before = fitted[0]
        found.append(before)
    strips = np.stack([cut_strip(image, one) for image, one in zip(pictures, found, strict=True)])
    rows = np.array([(k * step_s, *placement(one, head_pose_deg(one))) for k, one in enumerate(found)])
    every = 2 if step_s < 0.1 else 1
    for first in range(every):
        yield describe(strips[first::every], rows[first::every])


def observed(path: Path) -> np.ndarray:
    """Features of a file, as a check collects them."""
    with open_recording(path) as recording:
        capture = acquire(recording, tracker(), factories={"skin_change": SkinStrips})
    longest = max(capture.tracks, key=lambda k: len(capture.tracks[k]), default=None)
    return np.empty((0, 0)) if longest is None else capture.observers[longest]["skin_change"].signals().features


def person_of(subject: str) -> str:
    """One name for a person in both tables."""
    return subject.removeprefix("webcam_")


def of_files(rows: Iterator[tuple[Path, str, str, str]], folder: Path) -> None:
    """Features of files, given as path, kind, clip and person behind the movements."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, kind, source, person in rows:
        out = folder / f"{kind}_{path.stem}.npz"
        if out.exists() or not path.exists():
            continue
        try:
            features = observed(path)
        except IdverifyError as error:
            print(f"{path.name}: {error}")
            continue
        if len(features):
            np.savez(out, features=features, kind=kind, source=source, person=person)


def takes(args: argparse.Namespace) -> None:
    drivers = {path.stem: person_of(person) for path, _, person in clips_of(args.data)}
    with args.index.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file)]
    for half in ("fit", "test"):
        own = []
        for row in rows:
            # What is shown on a screen or on paper is for others to find, and answers are judged as answers.
            if row["half"] == half and row["instrument"] == "injected" and not row["challenge"]:
                clip = Path(row["driver"] or row["person"]).stem
                kind = "passage" if row["species"] == "bona_fide" else row["species"]
                drawn = json.loads(row["params"])
                kind += "_drift" * ("drift" in drawn) + "_free" * ("free" in drawn)
                own.append((Path(row["path"]), kind, clip, drivers.get(clip, clip)))
        of_files(iter(own), args.work / ("features" if half == "fit" else "features_test"))


def real(args: argparse.Namespace) -> None:
    rows = ((path, f"real-{kind}", path.stem, person_of(person)) for path, kind, person in clips_of(args.data))
    of_files(rows, args.work / "features")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, action in (("clips", clips), ("attack", attack), ("takes", takes), ("real", real)):
        command = commands.add_parser(name)
        command.set_defaults(action=action)
        if name == "takes":
            command.add_argument("index", type=Path)
        command.add_argument("data", type=Path)
        command.add_argument("work", type=Path)
        if name == "attack":
            command.add_argument("--rounds", type=int, default=4)
    args = parser.parse_args()
    args.action(args)


if __name__ == "__main__":
    main()

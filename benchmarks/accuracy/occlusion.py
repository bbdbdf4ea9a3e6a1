"""Covered noses and mouths: how many are found, and how many bare faces are taken for covered ones.

    python benchmarks/accuracy/occlusion.py DIR [--clips SHARED_DATA] [--json FILE]

DIR holds the chips of ``models/training/occlusion/data.py``: coverings drawn on photos of people whom the training did
not see, half of the masks in textures that it did not see; and bare faces of photos. The coverings are simulated. With
``--clips``, also faces of the genuine clips, which take no part in training. Covered is what lies below the floors of
``idverify.faces.quality``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from idverify.faces.alignment import align
from idverify.faces.quality import CHIP, FLOORS
from idverify.media import open_recording
from idverify.metrics.intervals import wilson
from idverify.models.session import Session
from idverify.verification.model_set import ModelSet

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
COMPONENTS = ("NoseOcclusionPrevention", "MouthOcclusionPrevention")


def covered(session: Session, chips: np.ndarray) -> np.ndarray:
    """Whether each chip counts as covered [shape=(n,)]."""
    values = 100.0 / (1.0 + np.exp(session.run(chips)[0].astype(np.float64)))
    return (values < [FLOORS[name][0] for name in COMPONENTS]).any(axis=1)


def faces_of_clips(data: Path, every_s: float = 0.5):
    """Chips of the largest face of pictures of genuine clips, by clip."""
    models = ModelSet().face_models
    for path in sorted((data / "videos" / "bona_fide").glob("*")) + sorted((data / "selfies" / "videos").glob("*")):
        if "deepfake" in path.name or "replay" in path.name:
            continue
        chips, due_s = [], 0.0
        with open_recording(path) as recording:
            for frame in recording:
                if frame.time_s < due_s:
                    continue
                due_s = frame.time_s + every_s
                shrink = min(1.0, 640 / max(frame.size_wh))
                image = frame.image_rgb(tuple(round(side * shrink) for side in frame.size_wh))
                faces = models.detectors[0].detect(image)
                if not faces:
                    continue
                face = max(faces, key=lambda f: f.width_px)
                points, presence = models.mesh.fit_detected(image, [face])
                if presence[0] >= 0.5:
                    chip = align([image], points, CHIP)[0]
                    chips.append(cv2.resize(chip, (48, 48), interpolation=cv2.INTER_AREA))
        if chips:
            yield path.name, np.stack(chips)


def counted(found: np.ndarray) -> dict[str, object]:
    interval = wilson(int(found.sum()), len(found))
    bounds = {"low": round(interval.low, 5), "high": round(interval.high, 5)}
    return {"covered": int(found.sum()), "of": len(found), **bounds}


def _as_markdown(table: dict[str, dict[str, object]]) -> str:
    lines = ["| faces | taken for covered |", "| --- | --- |"]
    for name, row in table.items():
        n, low, high = int(str(row["of"])), float(str(row["low"])), float(str(row["high"]))
        share = int(str(row["covered"])) / n
        lines.append(f"| {name} | {share:.2%} ({row['covered']} of {n}; {low:.2%} to {high:.2%}) |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", type=Path)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--card", type=Path, help="write the table between the marks of this card")
    args = parser.parse_args()
    session = Session("occlusion")
    parts = [np.load(path) for path in sorted(args.set.glob("test_[0-9]*.npz"))]
    rows = {key: np.concatenate([part[key] for part in parts]) for key in parts[0].files}
    found = covered(session, rows["chips"])
    table: dict[str, dict[str, object]] = {}
    for source in ("lfw", "utkface"):
        table[f"bare faces, {source}"] = counted(found[(rows["kind"] == "bare") & (rows["source"] == source)])
    hidden = (rows["nose"] == 1) | (rows["mouth"] == 1)
    for kind in np.unique(rows["kind"][hidden]):
        for note, words in (("", "textures of the training"), ("held out", "textures held out")):
            mine = hidden & (rows["kind"] == kind) & (rows["note"] == note)
            if mine.any():
                table[f"covered: {kind}, {words}"] = counted(found[mine])
    beside = (rows["nose"] == 0) & (rows["mouth"] == 0) & (rows["kind"] != "bare")
    for kind in np.unique(rows["kind"][beside]):
        table[f"not covered: {kind}"] = counted(found[beside & (rows["kind"] == kind)])
    if args.clips:
        by_clip = {name: covered(session, chips) for name, chips in faces_of_clips(args.clips)}
        table["faces of genuine clips"] = counted(np.concatenate(list(by_clip.values())))
        table["genuine clips with most faces covered"] = counted(np.array([c.mean() > 0.5 for c in by_clip.values()]))
        for name, c in by_clip.items():
            if c.any():
                print(f"  {name}: {int(c.sum())} of {len(c)}")
    for name, row in table.items():
        print(f"{name:48} {row}")
    if args.card:
        card = args.card.read_text()
        head, tail = card.partition(BEGIN)[0], card.partition(END)[2]
        args.card.write_text(f"{head}{BEGIN}\n{_as_markdown(table)}\n{END}{tail}")
    if args.json:
        args.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()

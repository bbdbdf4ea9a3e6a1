"""Fit the LLR map of identity_continuity and write models/calibration/pad_identity.toml.

    python models/training/fit_pad_identity.py --data ../shared/data

Bona fide: the faces of each clip of ``videos/bona_fide``, as a verification picks them. Changed: the same with one face replaced by each
face of each other person, and with all faces after the middle replaced. The map is zero from the least likeness of a bona
fide clip on, and reaches what the number of clips supports (rule of three) at the greatest of a change. The mark below which the
person has changed lies in the middle between the two. A second mark tells whether two tracks show one person: in the middle between
the least similarity of the halves of a clip, pooled, and the greatest of two clips of different people.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

import cv2
import numpy as np

from idverify.verification.acquisition import acquire
from idverify.verification.model_set import ModelSet
from idverify.media import open_recording
from idverify.pad.identity_continuity import NAME, Likenesses, least_likeness
from idverify.verification.subject import choose_subject
from idverify.faces.tracking import Tracker


def least(vectors):
    """Least likeness of faces in time order, all trusted alike."""
    weights = np.ones(len(vectors))
    return least_likeness(Likenesses(times_s=np.arange(len(vectors)), similarity=vectors @ vectors.T, weights=weights))[0]


def halves(vectors):
    """Similarity of the first half of a clip's faces, pooled, with the second."""
    middle = len(vectors) // 2
    return float(vectors[:middle].mean(axis=0) @ vectors[middle:].mean(axis=0))


def same_man(a, b):
    """Two clips show the same man."""
    return a.startswith("webcam_man") and b.startswith("webcam_man")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "calibration" / "pad_identity.toml")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    models, clips, own = ModelSet().face_models, {}, {}
    for path in sorted((options.data / "videos" / "bona_fide").iterdir()):
        with open_recording(path) as recording:
            capture = acquire(recording, Tracker(models.detectors[0], models.mesh), factories={})
        subject = choose_subject(capture, models)
        clips[path.stem], own[path.stem] = subject.vectors, least_likeness(subject.likenesses)[0]
        print(f"{path.stem:28s} {own[path.stem]:.3f}")
    changes = []
    for name, vectors in clips.items():
        for other, theirs in clips.items():
            if other == name or same_man(name, other):
                continue
            half = len(vectors) // 2
            for face in theirs:
                changes.append(least(np.insert(vectors, half, face, axis=0)))
            changes.append(least(np.concatenate([vectors[:half], theirs[half:]])))
    apart = [halves(vectors) for vectors in clips.values()]
    pooled = {name: vectors.mean(axis=0) for name, vectors in clips.items()}
    strangers = [float(pooled[a] @ pooled[b]) for a in clips for b in clips if a < b and not same_man(a, b)]
    print(f"halves of a clip: least {min(apart):.3f}; clips of two people: greatest {max(strangers):.3f}")
    low, high = max(changes), min(own.values())
    print(f"{len(own)} clips: least {high:.3f}; {len(changes)} changes: greatest {low:.3f}, median {np.median(changes):.3f}")
    if low >= high or max(strangers) >= min(apart):
        raise SystemExit("changes and clips overlap: no mark can be set")
    lines = [
        "# Written by models/training/fit_pad_identity.py; do not edit.",
        f'date = "{datetime.date.today().isoformat()}"',
        f"\n[{NAME}]",
        'about = "0 from the least likeness within a bona fide clip on, the cap at the greatest after a change of person"',
        f"bona_fide = {len(own)}",
        f"changes = {len(changes)}",
        f"native = [{low:.3f}, {high:.3f}]",
        f"llr = [{-np.log(len(own) / 3):.3f}, 0.0]",
        f"\n[{NAME}.marks]",
        f"changed_below = [{(low + high) / 2:.3f}]",
        f"same_person_from = [{(max(strangers) + min(apart)) / 2:.3f}]",
    ]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

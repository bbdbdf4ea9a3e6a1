"""Fit the LLR map of identity_continuity and write models/calibration/pad_identity.toml.

    python models/training/fit_pad_identity.py --data ../shared/data

Bona fide: the genuine clips of ``videos`` and ``selfies``, each judged with SEEDS draws of the compared faces. Changed: the faces that a
verification looks at, with one of another clip's put among them, and with all after the middle replaced. The map is zero from
the least weakest link of a bona fide clip on, and reaches what the number of people supports (rule of three) at the greatest of
a change. The mark below which the person has changed lies in the middle between the two. A face is looked at again below the
likeness that no face of another clip reaches, by the fastest network. A picture that cannot be compared is odd from twice the
greatest oddness between next neighbours in a bona fide clip on. Another mark tells whether two tracks show one person: in the
middle between the least similarity of the halves of a clip, pooled, and the greatest of two clips of different people.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import datetime
from pathlib import Path

import cv2
import numpy as np

from idverify.comparison.features import glanced
from idverify.faces.tracking import Tracker
from idverify.media import open_recording
from idverify.media.source import MediaLimits
from idverify.pad.fingerprints import FrameFingerprints
from idverify.pad.identity_continuity import NAME, Likenesses, oddness, unit_pictures, weakest_link
from idverify.reasons import NotAssessed
from idverify.verification.acquisition import acquire
from idverify.verification.model_set import ModelSet
from idverify.verification.subject import choose_subject
from idverify.verification.witnesses import has_neighbours

# Draws of the compared faces per clip; seconds of it that are read.
SEEDS, MAX_S = 4, 8.0


def link(vectors):
    return weakest_link(Likenesses(times_s=np.arange(len(vectors)), similarity=vectors @ vectors.T))[0]


def halves(vectors):
    """Similarity of the first half of a clip's faces, pooled, with the second."""
    middle = len(vectors) // 2
    return float(vectors[:middle].mean(axis=0) @ vectors[middle:].mean(axis=0))


def genuine(data):
    """Path and person of every genuine clip of one person."""
    for table in (data / "videos.csv", data / "selfies" / "videos.csv"):
        with table.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                if line["presentation"] == "bona_fide" and "multiple_faces" not in line["path"]:
                    yield table.parent / line["path"], line["subject"].removeprefix("webcam_")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "calibration" / "pad_identity.toml")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    models, people, own, vectors, odd = ModelSet().face_models, {}, {}, {}, {}
    anywhere = np.random.default_rng(0).uniform(20, 76, (1, 468, 3)).astype(np.float32)
    width = models.extractor.glance([np.zeros((96, 96, 3), np.uint8)], anywhere).shape[1]
    for path, person in genuine(options.data):
        with open_recording(path, limits=MediaLimits(max_duration_s=MAX_S)) as recording:
            tracker = Tracker(models.detectors[0], models.mesh)
            capture = acquire(recording, tracker, factories={}, fingerprints=FrameFingerprints())
        subjects = [choose_subject(dataclasses.replace(capture, seed=k), models) for k in range(SEEDS)]
        if isinstance(subjects[0], NotAssessed):
            print(f"{path.stem:34s} {subjects[0]}")
            continue
        people[path.stem], vectors[path.stem] = person, subjects[0].vectors
        own[path.stem] = min(weakest_link(s.likenesses)[0] for s in subjects)
        track = subjects[0].track
        between = oddness(unit_pictures(capture.chips[track.track_id]), spacings=(1,))
        odd[path.stem] = max(0.0, float(between[has_neighbours(track.times_s)].max(initial=0.0)))
        print(f"{path.stem:34s} weakest link {own[path.stem]:.3f}, oddest picture {odd[path.stem]:.3f}", flush=True)
    changes, glances = [], []
    for name, mine in vectors.items():
        for other in (o for o in vectors if people[o] != people[name]):
            half = len(mine) // 2
            changes += [link(np.insert(mine, half, face, axis=0)) for face in vectors[other]]
            changes.append(link(np.concatenate([mine[:half], vectors[other][half:]])))
            glances.append(float((glanced(vectors[other], width) @ glanced(mine, width).T).mean(axis=1).max()))
    low, high = max(changes), min(own.values())
    print(f"{len(own)} clips: least {high:.3f}; {len(changes)} changes: greatest {low:.3f}, median {np.median(changes):.3f}")
    print(f"greatest likeness of another's face at a glance {max(glances):.3f}; oddest picture {max(odd.values()):.3f}")
    apart = [halves(mine) for mine in vectors.values()]
    pooled = {name: mine.mean(axis=0) for name, mine in vectors.items()}
    strangers = [float(pooled[a] @ pooled[b]) for a in pooled for b in pooled if people[a] != people[b]]
    print(f"halves of a clip: least {min(apart):.3f}; clips of two people: greatest {max(strangers):.3f}")
    if low >= high or max(strangers) >= min(apart):
        raise SystemExit("changes and clips overlap: no mark can be set")
    lines = [
        "# Written by models/training/fit_pad_identity.py; do not edit.",
        f'date = "{datetime.date.today().isoformat()}"',
        f"\n[{NAME}]",
        'about = "0 from the weakest link within a bona fide clip on, the cap at the greatest after a change of person"',
        f"bona_fide = {len(own)}",
        f"people = {len(set(people.values()))}",
        f"changes = {len(changes)}",
        f"native = [{low:.3f}, {high:.3f}]",
        f"llr = [{-np.log(len(set(people.values())) / 3):.3f}, 0.0]",
        f"\n[{NAME}.marks]",
        f"changed_below = [{(low + high) / 2:.3f}]",
        f"same_person_from = [{(max(strangers) + min(apart)) / 2:.3f}]",
        f"second_look_below = [{max(glances) + 0.005:.3f}]",
        f"odd_above = [{2 * max(odd.values()):.3f}]",
    ]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

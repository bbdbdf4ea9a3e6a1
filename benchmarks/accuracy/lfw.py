"""Comparison accuracy on Labeled Faces in the Wild, of people left out of the fit.

    python benchmarks/accuracy/lfw.py templates LFW_DIR lfw.npz         # minutes: every photo once
    python benchmarks/accuracy/lfw.py report lfw.npz strangers.npz [--json FILE]

What ships is fitted on everybody (``models/training/fit_comparison.py``). The report counts errors of all pairs, mated
and non-mated, each compared by what was fitted without both of its people, at a threshold from pairs without them
(``left_out.py``, which needs what ``strangers.py templates`` writes, too). The subject of a photo is the face nearest
to its centre; photos without a usable face are failures to enrol and are counted. Other benchmarks halve the people by
a hash of their name (:func:`is_test`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.comparison.balance import Balance
from idverify.comparison.calibration import fit_card
from idverify.comparison.features import SFACE_WEIGHT
from idverify.metrics import error_rates, wilson

F64 = NDArray[np.float64]
TARGETS = (1e-3, 1e-4, 1e-5, 1e-6)
CARD = "comparison.toml"
# The rate at which the strangers of LFW themselves are held, to compare with what others publish.
OWN_FMR = 1e-4
# One draw of 6,000 pairs is known to a tenth of a percent.
DRAWS = 10

# One person under two names, or one photo under two names (both photos looked at); their comparisons are of neither
# class.
SAME_PERSON = (
    ("Bart_Hendricks", "Ricky_Ray"),
    ("Cristina_Fernandez", "Cristina_Kirchner"),
    ("Felipe_De_Borbon", "Prince_Felipe"),
    ("Jason_Kapono", "Ray_Young"),
    ("John_Gruden", "Jon_Gruden"),
    ("Joseph_Blatter", "Sepp_Blatter"),
    ("Mireya_Elisa_Moscoso_Rodriguez", "Mireya_Moscoso"),
    ("Shinya_Taniguchi", "Takahiro_Mori"),
    ("Talisa_Bratt", "Talisa_Soto"),
)


def is_test(person: str) -> bool:
    return int(hashlib.sha256(f"fit or test: {person}".encode()).hexdigest(), 16) % 2 == 1


# -- templates -------------------------------------------------------------------------------------


def make_templates(lfw: Path, out: Path) -> None:
    import cv2
    from rich.progress import track

    from idverify.comparison.features import DlibExtractor, SFaceExtractor
    from idverify.media import load_photo
    from idverify.verification.enrolment import fit_face, search_faces
    from idverify.verification.verifier import Verifier

    cv2.setNumThreads(1)
    faces = Verifier().face_models
    (sface, _), (dlib, _) = faces.extractor.parts
    assert isinstance(sface, SFaceExtractor)
    assert isinstance(dlib, DlibExtractor)
    sface = SFaceExtractor(sface.session, Balance.none(128))
    from idverify.faces.alignment import align

    names, rows, pitch, failures = [], [], [], []
    for path in track(sorted(lfw.glob("*/*.jpg")), "photos"):
        photo = load_photo(path)
        centre = np.array(photo.shape[1::-1]) / 2
        found = sorted(
            search_faces(photo, faces.detectors),
            key=lambda f: float(np.linalg.norm(f.bbox_xyxy_px.reshape(2, 2).mean(axis=0) - centre)),
        )
        face = fit_face(photo, found[0], faces.mesh) if found else None
        if face is None:
            failures.append(f"{path.parent.name}/{path.name}")
            continue
        chips = [align([photo], face.points_px[None], e.canonical) for e in (sface, dlib)]
        names.append(f"{path.parent.name}/{path.name}")
        rows.append(np.concatenate([sface.extract(chips[0])[0], dlib.extract(chips[1])[0]]))
        pitch.append(face.yaw_pitch_roll_deg[1])
    np.savez(out, names=np.array(names), vectors=np.array(rows), pitch=np.array(pitch), failures=np.array(failures))
    print(f"{len(names)} templates, {len(failures)} failures to enrol: {failures}")
    print(f"median head pitch {np.median(pitch):.1f} degrees from what is called level")


# -- comparisons -----------------------------------------------------------------------------------


class Comparisons:
    """All pairs of photos, as flat arrays over the upper triangle."""

    def __init__(self, names: NDArray[Any]) -> None:
        people = np.array([n.split("/")[0] for n in names])
        alias = {b: a for a, b in SAME_PERSON}
        _, self.person = np.unique(people, return_inverse=True)
        self.name = np.array([alias.get(p, p) for p in people])
        _, self.really = np.unique(self.name, return_inverse=True)
        self.test = np.array([is_test(p) for p in people])
        self.i, self.j = np.triu_indices(len(names), 1)
        self.mated = self.person[self.i] == self.person[self.j]
        self.non_mated = self.really[self.i] != self.really[self.j]

    def counts(self, half: NDArray[np.bool_]) -> dict[str, int]:
        return {"people": len(np.unique(self.person[half])), "photos": int(half.sum())}


def balanced(vectors: F64, balance: Balance, sface_weight: float = SFACE_WEIGHT) -> F64:
    """Templates of raw vectors: SFace balanced, and dlib, with their weights."""
    sface, dlib = balance.apply(vectors[:, :128].astype(np.float64)), vectors[:, 128:].astype(np.float64)
    dlib = dlib / np.linalg.norm(dlib, axis=1, keepdims=True)
    return np.hstack([np.sqrt(sface_weight) * sface, np.sqrt(1 - sface_weight) * dlib])


def person_mean(vectors: F64, person: NDArray[np.int64]) -> F64:
    """Mean over people of each person's mean, so that the much photographed do not count for more."""
    sums = np.zeros((person.max() + 1, vectors.shape[1]))
    np.add.at(sums, person, vectors)
    n = np.bincount(person)
    return (sums[n > 0] / n[n > 0, None]).mean(axis=0)


# -- report ----------------------------------------------------------------------------------------


def report(lfw: Path, strangers: Path) -> dict[str, Any]:
    from left_out import as_shipped, judge_left_out, thresholds_left_out
    from strangers import read_sets

    sets = read_sets(lfw, strangers)
    pairs = sets[0]
    judged = judge_left_out(sets, as_shipped(sets))
    fold = judged.folds["lfw"]
    person = pairs.person[pairs.i[pairs.mated]]
    rows = []
    for target, thresholds in thresholds_left_out(sets, judged).items():
        at = thresholds[fold[pairs.i], fold[pairs.j]]
        missed = judged.lfw[pairs.mated] < at[pairs.mated]
        rows.append(
            {
                "target_fmr": target,
                "thresholds": [float(thresholds.min()), float(thresholds.max())],
                "fnmr": rate(missed),
                "fnmr_person_mean": float(np.mean([missed[person == p].mean() for p in np.unique(person)])),
                "fmr": rate((judged.lfw >= at)[pairs.non_mated]),
            }
        )
    mated, non_mated = judged.lfw[pairs.mated], judged.lfw[pairs.non_mated]
    own = error_rates.threshold_at_fmr(non_mated.astype(np.float64), OWN_FMR)
    return {
        "data": "LFW, single photos, all pairs of people left out of the fit",
        **pairs.counts(np.ones(len(pairs.person), bool)),
        "failures_to_enrol": len(np.load(lfw)["failures"]),
        "mated": len(mated),
        "non_mated": len(non_mated),
        "operating_points": rows,
        "at_own_fmr": {"fmr": OWN_FMR, "threshold": own, "fnmr": rate(mated < own)},
        "calibration": calibration(sets, judged),
        "ten_fold_accuracy": ten_fold(judged.lfw, pairs),
    }


def rate(events: NDArray[np.bool_]) -> dict[str, Any]:
    interval = wilson(int(events.sum()), len(events))
    return {
        "value": float(events.mean()),
        "events": int(events.sum()),
        "of": len(events),
        "ci95": [interval.low, interval.high],
    }


def calibration(sets: Any, judged: Any) -> dict[str, float]:
    """Of the LLR, at the prior of the trials: ECE weighs every comparison the same.

    Pairs inside of a fold, by a card of everybody else.
    """
    from left_out import EXCESS, FOLDS, everybody_of, groups_of

    from idverify.metrics import cllr, ece, min_cllr, probability_from_llr

    pairs, fold = sets[0], judged.folds["lfw"]
    both = []
    for k in range(FOLDS):
        groups = groups_of(sets, judged, k)
        unnamed: dict[str, Any] = {"models": {}, "people": 0, "photos": 0, "about": {}}
        given = {"targets": TARGETS, "groups": groups, "excess": EXCESS}
        card = fit_card(groups[0].mated, everybody_of(groups), **unnamed, **given)
        own = (fold[pairs.i] == k) & (fold[pairs.j] == k)
        both.append([card.llr_at(judged.lfw[own & kind]) for kind in (pairs.mated, pairs.non_mated)])
    mated, non_mated = (np.concatenate(x) for x in zip(*both, strict=True))
    llr = np.concatenate([mated, non_mated])
    truth = np.arange(len(llr)) < len(mated)
    probability = probability_from_llr(llr, float(truth.mean()))
    return {
        "cllr": float(cllr(mated, non_mated)),
        "min_cllr": float(min_cllr(mated, non_mated)),
        "ece": ece(probability, truth),
        "prior": float(truth.mean()),
    }


def ten_fold(scores: NDArray[np.floating], pairs: Comparisons) -> dict[str, Any]:
    """LFW-style, drawn :data:`DRAWS` times: ten folds of people, 300 mated and 300 non-mated pairs each; threshold from
    nine, accuracy on one."""
    accuracy = [a for seed in range(DRAWS) for a in _ten_folds(scores, pairs, np.random.default_rng(seed))]
    return {"mean": float(np.mean(accuracy)), "std": float(np.std(accuracy)), "draws": DRAWS, "pairs": 6000}


def _ten_folds(scores: NDArray[np.floating], pairs: Comparisons, rng: np.random.Generator) -> list[float]:
    fold = rng.integers(0, 10, pairs.person.max() + 1)
    a, b = fold[pairs.person[pairs.i]], fold[pairs.person[pairs.j]]
    inside = {kind: np.flatnonzero(own & (a == b)) for kind, own in (("m", pairs.mated), ("n", pairs.non_mated))}
    index = np.concatenate(
        [rng.choice(own[a[own] == k], 300, replace=False) for k in range(10) for own in inside.values()]
    )
    of_fold, s, truth = np.repeat(np.arange(10), 600), scores[index], pairs.mated[index]
    accuracy = []
    for k in range(10):
        train = of_fold != k
        cuts = np.unique(s[train])
        cuts = cuts[:: max(1, len(cuts) // 2000)]
        right = [((s[train] >= t) == truth[train]).mean() for t in cuts]
        threshold = cuts[int(np.argmax(right))]
        accuracy.append(float(((s[~train] >= threshold) == truth[~train]).mean()))
    return accuracy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("templates")
    one.add_argument("lfw", type=Path)
    one.add_argument("out", type=Path)
    two = commands.add_parser("report")
    two.add_argument("lfw", type=Path)
    two.add_argument("strangers", type=Path)
    two.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.command == "templates":
        make_templates(args.lfw, args.out)
    else:
        result = report(args.lfw, args.strangers)
        text = json.dumps(result, indent=2)
        print(text)
        if args.json:
            args.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

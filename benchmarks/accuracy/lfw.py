"""Comparison accuracy on Labeled Faces in the Wild: fit on one half of the people, report on the other.

    python benchmarks/accuracy/lfw.py templates LFW_DIR templates.npz   # minutes: every photo once
    python benchmarks/accuracy/lfw.py report templates.npz [--json FILE]

People are split by a hash of their name. Fitting (``models/training/fit_comparison.py``) looks at fit-half people only.
The report takes the threshold from the card and counts errors on the
test half: all mated comparisons; non-mated comparisons in which at least one person is of the test half. The subject
of a photo is the face nearest to its centre; photos without a usable face are failures to enrol and are counted.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.comparison.balance import Balance, load_balance
from idverify.comparison.calibration import load_card
from idverify.comparison.features import SFACE_WEIGHT
from idverify.metrics import wilson
from idverify.models.manifest import data_dir, spec

F64 = NDArray[np.float64]
TARGETS = (1e-3, 1e-4, 1e-5, 1e-6)
CARD = "comparison.toml"

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
        _, self.really = np.unique([alias.get(p, p) for p in people], return_inverse=True)
        self.test = np.array([is_test(p) for p in people])
        self.i, self.j = np.triu_indices(len(names), 1)
        self.mated = self.person[self.i] == self.person[self.j]
        self.non_mated = self.really[self.i] != self.really[self.j]
        n_test = self.test[self.i].astype(np.int8) + self.test[self.j]
        self.fit_pair, self.test_pair, self.touches_test = n_test == 0, n_test == 2, n_test > 0

    def scores(self, templates: F64) -> F64:
        return (templates @ templates.T)[self.i, self.j]

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


def report(templates: Path) -> dict[str, Any]:
    data = np.load(templates)
    pairs = Comparisons(data["names"])
    card = load_card(data_dir() / "calibration" / CARD)
    balance, _ = load_balance(spec("sface").sha256)
    scores = pairs.scores(balanced(data["vectors"], balance))
    mated, strangers = pairs.mated & pairs.test_pair, pairs.non_mated & pairs.touches_test
    person = pairs.person[pairs.i[mated]]
    rows = []
    for target in TARGETS:
        threshold = card.threshold(target)
        missed, passed = scores[mated] < threshold, scores[strangers] >= threshold
        rows.append(
            {
                "target_fmr": target,
                "threshold": threshold,
                "fnmr": rate(missed),
                "fnmr_person_mean": float(np.mean([missed[person == p].mean() for p in np.unique(person)])),
                "fmr": rate(passed),
            }
        )
    return {
        "data": "LFW, test half of the people, single photos",
        **pairs.counts(pairs.test),
        "failures_to_enrol": len(data["failures"]),
        "mated": int(mated.sum()),
        "non_mated": int(strangers.sum()),
        "operating_points": rows,
        "calibration": calibration(card, scores[mated], scores[pairs.non_mated & pairs.test_pair]),
        "ten_fold_accuracy": ten_fold(scores, pairs),
        "weights": neighbours(data["vectors"], balance, pairs, mated),
    }


def rate(events: NDArray[np.bool_]) -> dict[str, Any]:
    interval = wilson(int(events.sum()), len(events))
    return {
        "value": float(events.mean()),
        "events": int(events.sum()),
        "of": len(events),
        "ci95": [interval.low, interval.high],
    }


def calibration(card: Any, mated: F64, non_mated: F64) -> dict[str, float]:
    """At the prior of the trials: ECE weighs every comparison the same."""
    from idverify.metrics import cllr, ece, min_cllr, probability_from_llr

    llr = np.concatenate([card.llr_at(mated), card.llr_at(non_mated)])
    truth = np.concatenate([np.ones(len(mated), bool), np.zeros(len(non_mated), bool)])
    probability = probability_from_llr(llr, float(truth.mean()))
    return {
        "cllr": float(cllr(llr[truth], llr[~truth])),
        "min_cllr": float(min_cllr(llr[truth], llr[~truth])),
        "ece": ece(probability, truth),
        "prior": float(truth.mean()),
    }


def ten_fold(scores: F64, pairs: Comparisons, seed: int = 0) -> dict[str, Any]:
    """LFW-style, on the test half: ten folds of people, 300 mated and 300 non-mated pairs each; threshold from nine,
    accuracy on one."""
    rng = np.random.default_rng(seed)
    fold = rng.integers(0, 10, pairs.person.max() + 1)
    a, b = fold[pairs.person[pairs.i]], fold[pairs.person[pairs.j]]
    chosen = []
    for k in range(10):
        for kind in (pairs.mated, pairs.non_mated):
            pool = np.flatnonzero(kind & pairs.test_pair & (a == k) & (b == k))
            chosen.append((k, rng.choice(pool, min(300, len(pool)), replace=False)))
    index = np.concatenate([c for _, c in chosen])
    of_fold = np.concatenate([np.full(len(c), k) for k, c in chosen])
    s, truth = scores[index], pairs.mated[index]
    accuracy = []
    for k in range(10):
        train = of_fold != k
        cuts = np.unique(s[train])
        right = [((s[train] >= t) == truth[train]).mean() for t in cuts[:: max(1, len(cuts) // 2000)]]
        threshold = cuts[:: max(1, len(cuts) // 2000)][int(np.argmax(right))]
        accuracy.append(float(((s[~train] >= threshold) == truth[~train]).mean()))
    return {"mean": float(np.mean(accuracy)), "std": float(np.std(accuracy)), "pairs": len(index)}


def neighbours(vectors: F64, balance: Balance, pairs: Comparisons, mated: NDArray[np.bool_]) -> list[dict[str, float]]:
    """FNMR at the test half's own FMR 1e-4 for other weights, and with nothing taken off SFace."""
    none = Balance.none(128)
    strangers = np.flatnonzero(pairs.non_mated & pairs.test_pair)
    rows = []
    for label, b, w in [
        ("sface alone, as it is", none, 1.0),
        ("sface alone", balance, 1.0),
        ("dlib alone", balance, 0.0),
        *((f"sface weight {w:g}", balance, w) for w in (0.9, SFACE_WEIGHT, 0.7, 0.5)),
    ]:
        s = pairs.scores(balanced(vectors, b, w))
        ordered = np.partition(s[strangers], -int(1e-4 * len(strangers)) - 1)
        threshold = ordered[-int(1e-4 * len(strangers)) - 1]
        rows.append({"fusion": label, "fnmr_at_own_fmr_1e-4": float((s[mated] <= threshold).mean())})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("templates")
    one.add_argument("lfw", type=Path)
    one.add_argument("out", type=Path)
    two = commands.add_parser("report")
    two.add_argument("templates", type=Path)
    two.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.command == "templates":
        make_templates(args.lfw, args.out)
    else:
        result = report(args.templates)
        text = json.dumps(result, indent=2)
        print(text)
        if args.json:
            args.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

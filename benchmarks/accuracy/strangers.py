"""How alike strangers of one group are: portraits by group (UTKFace), stage photos of people of one look, selfies.

    python benchmarks/accuracy/strangers.py templates SHARED_DATA strangers.npz     # minutes: every photo once
    python benchmarks/accuracy/strangers.py selfies SHARED_DATA selfies.json        # selfie videos against selfies
    python benchmarks/accuracy/strangers.py report lfw.npz strangers.npz selfies.json [--json FILE]

Sets and rules. **UTKFace**: aligned portraits, one photo a person, padded by 70 pixels (the last row repeated, and
black: two sources); people of 18 to 70 years of the labels White, Black, Asian and Indian, man and woman, eight groups.
Some people are there twice: pairs of the same photo (similarity above :data:`SAME_PHOTO` of the SFace vectors alone)
are left out, and so are those of one person as listed in ``utkface_same_person.csv`` (the most similar pairs were
looked at one by one; undecided ones are left out as well). Both ways of counting are reported. **Stage photos**: women
of one age and look, many photos each. **Selfies**: selfie videos and photos of the same people.

The balance and the card that ship are fitted on everybody. Figures are of people left out (``left_out.py``): each pair
is compared by what was fitted without both of its people, at a threshold from pairs without them. "Before" is what
SFace less LFW's mean, and dlib, half each, do at the threshold for FMR 1e-4 on LFW, in the same way.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from comparison_sets import ADULT, GROUPS, PADDINGS, Features, Portraits, person_mean, rate, read_sets, unit
from left_out import (
    LeftOut,
    as_shipped,
    groups_of,
    judge_left_out,
    threshold_of_blocks,
    thresholds_left_out,
)  # fmt: skip
from numpy.typing import NDArray

from idverify.comparison.calibration import load_card
from idverify.metrics import error_rates
from idverify.metrics.bootstrap import bootstrap_two_way
from idverify.models.manifest import data_dir

F64 = NDArray[np.float64]
PADDING_PX = 70
TARGET = 1e-4


# -- templates ---------------------------------------------------------------------------------------------------------


def make_templates(shared: Path, out: Path) -> None:
    import cv2
    from rich.progress import track

    from idverify.media import load_photo

    features = Features()
    borders = {"edge": cv2.BORDER_REPLICATE, "black": cv2.BORDER_CONSTANT}
    photos = [(f"utkface-{p}/{x.name}", x, borders[p]) for p in PADDINGS for x in sorted(shared.glob("utkface/*.jpg"))]
    photos += [(f"stage/{x.parent.name}/{x.name}", x, None) for x in sorted(shared.glob("kpop/*/*"))]
    names, rows, failures = [], [], []
    for name, path, border in track(photos, "photos"):
        photo = load_photo(path)
        if border is not None:
            photo = cv2.copyMakeBorder(photo, *[PADDING_PX] * 4, border)
        if (found := features.of(photo)) is None:
            failures.append(name)
            continue
        names.append(name)
        rows.append(found[1])
    np.savez(out, names=np.array(names), vectors=np.array(rows), failures=np.array(failures))
    print(f"{len(names)} templates, {len(failures)} failures to enrol: {failures}")


def make_selfies(shared: Path, out: Path) -> None:
    """Similarity of every selfie video with every selfie photo."""
    from idverify.faces.tracking import Tracker
    from idverify.media import load_photo, open_recording
    from idverify.reasons import Assessed, NotAssessed
    from idverify.verification.acquisition import acquire
    from idverify.verification.enrolment import enrol
    from idverify.verification.model_set import ModelSet
    from idverify.verification.subject import choose_subject

    models = ModelSet().face_models
    folder = shared / "selfies"
    references = {}
    for path in sorted((folder / "references").iterdir()):
        enrolled = enrol(load_photo(path), models)
        if isinstance(enrolled, Assessed):
            references[f"references/{path.name}"] = enrolled.value.template.vector
    rows: list[dict[str, Any]] = []
    with (folder / "videos.csv").open(encoding="utf-8") as file:
        listed = [row for row in csv.DictReader(file) if row["presentation"] == "bona_fide"]
    for row in listed:
        with open_recording(folder / row["path"]) as recording:
            capture = acquire(recording, Tracker(models.detectors[0], models.mesh), factories={})
        subject = choose_subject(capture, models)
        if isinstance(subject, NotAssessed):
            print(f"{row['path']}: {subject.reason.value}")
            continue
        person = Path(row["path"]).stem.rsplit("_", 1)[0].removesuffix("_phone").removesuffix("_webcam")
        for name, vector in references.items():
            mated = Path(name).stem.startswith(person + "_")
            rows.append({"mated": mated, "similarity": float(subject.template.vector @ vector)})
    out.write_text(json.dumps({"videos": len(listed), "photos": len(references), "trials": rows}) + "\n")


# -- report ------------------------------------------------------------------------------------------------------------


def before(part: Any, sets: Any) -> Any:
    """How vectors were compared before, fitted on a part of the people."""
    pairs, vectors, _, _ = sets
    person = np.unique(pairs.person[part.lfw], return_inverse=True)[1]
    centre = person_mean(unit(vectors[part.lfw, :128]), person)

    def compare(v: F64) -> F64:
        return np.sqrt(0.5) * np.hstack([unit(unit(v[:, :128]) - centre), unit(v[:, 128:])])

    return compare


def judged(scores: LeftOut, at: F64, sets: Any) -> dict[str, Any]:
    """Errors at the thresholds [shape=(folds, folds)] that pairs between two folds are held to."""
    pairs, _, portraits, stage = sets
    fold = scores.folds["lfw"]
    passed = scores.lfw >= at[fold[pairs.i], fold[pairs.j]]
    result: dict[str, Any] = {
        "thresholds": [float(at.min()), float(at.max())],
        "lfw": {
            "fmr": rate(passed[pairs.non_mated]),
            "fnmr": rate(~passed[pairs.mated]),
            "non_mated_mean": float(scores.lfw[pairs.non_mated].mean()),
        },
    }
    for padding, own in portraits.items():
        fold = scores.folds[padding]
        result[f"utkface_{padding}"] = _portraits(own, scores.portraits[padding] >= at[fold[:, None], fold])
    fold = scores.folds["stage"]
    same, other, a, b = stage.scores(scores.stage >= at[fold[:, None], fold], np.ones(len(fold), bool))
    result["stage"] = {
        "people": len(np.unique(stage.person)),
        "fmr": by_person(other, stage.person[a], stage.person[b]),
        "fnmr": rate(~same),
    }
    return result


def _portraits(own: Portraits, passed: NDArray[np.bool_]) -> dict[str, Any]:
    """Of all photos with all, who would match."""
    rows = np.flatnonzero(own.adult & (own.group >= 0))
    i, j, two = own.pairs(rows)
    i, j = rows[i], rows[j]
    matches, group = passed[i, j], own.group
    everybody: dict[str, Any] = own.counts(rows)
    everybody |= {"all": by_person(matches[two], i[two], j[two]), "all_as_labelled": rate(matches)}
    table = []
    for number, name in enumerate(GROUPS):
        inside = (group[i] == number) & (group[j] == number)
        known = inside & two
        table.append(
            {
                "group": name,
                "photos": int((group[rows] == number).sum()),
                "fmr": by_person(matches[known], i[known], j[known]),
                "fmr_as_labelled": rate(matches[inside]),
            }
        )
    children = np.flatnonzero(own.age < ADULT[0])
    i, j, two = own.pairs(children)
    i, j = children[i], children[j]
    alike = two & (group[i] == group[j]) & (np.abs(own.age[i] - own.age[j]) <= 2)
    everybody["under_18_same_group_and_age"] = rate(passed[i, j][alike])
    return {**everybody, "groups": table}


def by_person(events: NDArray[np.bool_], first: NDArray[np.intp], second: NDArray[np.intp]) -> dict[str, Any]:
    """A rate with its interval by comparison, and by person where people can be drawn anew."""
    result = rate(events)
    if 0 < len(events) <= 2_000_000 and len(np.unique(np.concatenate([first, second]))) > 2:
        interval = bootstrap_two_way(events, list(map(str, first)), list(map(str, second)))
        result["ci95_by_person"] = [interval.low, interval.high]
    return result


def report(lfw: Path, strangers: Path, selfies: Path) -> dict[str, Any]:
    sets = read_sets(lfw, strangers)
    old = judge_left_out(sets, lambda part: before(part, sets))
    threshold = threshold_of_blocks(
        lambda a, b: error_rates.threshold_at_fmr(groups_of(sets, old, a, b)[0].non_mated, TARGET)
    )
    new = judge_left_out(sets, as_shipped(sets))
    return {
        "target_fmr": TARGET,
        "before": judged(old, threshold, sets),
        "after": judged(new, thresholds_left_out(sets, new)[TARGET], sets),
        "selfies": judged_selfies(selfies),
    }


def judged_selfies(selfies: Path) -> dict[str, Any]:
    """Errors at the thresholds of the card that ships, for each kind of reference."""
    card = load_card(data_dir() / "calibration" / "comparison.toml")
    trials = json.loads(selfies.read_text())["trials"]
    mated, others = (np.array([t["similarity"] for t in trials if t["mated"] is mate]) for mate in (True, False))
    needed = {kind: card.threshold(TARGET, kind) for kind in card.kinds}
    return {
        "lowest_mated": float(mated.min()),
        "highest_non_mated": float(others.max()),
        **{f"fnmr_{kind}": rate(mated < at) for kind, at in needed.items()},
        **{f"fmr_{kind}": rate(others >= at) for kind, at in needed.items()},
        "thresholds": needed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("templates", "selfies"):
        one = commands.add_parser(name)
        one.add_argument("data", type=Path)
        one.add_argument("out", type=Path)
    two = commands.add_parser("report")
    two.add_argument("lfw", type=Path)
    two.add_argument("strangers", type=Path)
    two.add_argument("selfies", type=Path)
    two.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.command == "templates":
        make_templates(args.data, args.out)
    elif args.command == "selfies":
        make_selfies(args.data, args.out)
    else:
        text = json.dumps(report(args.lfw, args.strangers, args.selfies), indent=2)
        print(text)
        if args.json:
            args.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

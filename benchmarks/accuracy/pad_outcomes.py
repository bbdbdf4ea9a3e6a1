"""What liveness makes of genuine clips, published deepfakes and takes of the strong attackers, policy by policy.

    python benchmarks/accuracy/pad_outcomes.py judge ../shared/data DIR [--takes TAKES/index.csv] [--minutes 10]
    python benchmarks/accuracy/pad_outcomes.py report DIR [--policy ial2] [--left-out FILE] [--update docs/liveness.md]

``judge`` appends to ``DIR/outcomes.csv`` one row per clip and mechanism, clips and takes in turns, and goes on where
it was. ``report`` decides anew from the rows under a policy, nobody compared, and prints counts with 95 % Wilson
intervals. ``skin_change`` was trained on the genuine clips at hand. With ``--left-out``, the ``left_out.csv`` of
``models/training/skin_change/train.py``, each clip is decided about by what a model says that was trained without its
person.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import time
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import cv2
from pad_rows import Clip, Row, Trial, append, read_rows, row_of, trials_of
from pad_verdicts import decided

from idverify.errors import IdverifyError
from idverify.metrics.intervals import wilson
from idverify.pad._llr import load_scale
from idverify.pad.evidence import PADEvidence
from idverify.verification.fusion import class_evidence
from idverify.verification.policy import load_policy
from idverify.verification.verifier import Verifier

MARKS = ("<!-- figures: benchmarks/accuracy/pad_outcomes.py report -->", "<!-- end of outcomes -->")


def clips(data: Path) -> list[tuple[Path, str, str]]:
    """Path, species and person of the clips as they are."""
    found = []
    for folder in (data, data / "selfies"):
        with (folder / "videos.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                named = row.get("species") or row.get("pai_species") or ""
                digital = row["presentation"] == "digital" or named == "deepfake"
                genuine = row["presentation"] == "bona_fide"
                species = "deepfake" if digital else "bona_fide" if genuine else "captured replay"
                if "multiple_faces" not in row["path"]:
                    found.append((folder / row["path"], species, row["subject"]))
    return found


def takes(index: Path, half: str) -> list[tuple[Path, str, str]]:
    with index.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["half"] == half and row["species"] != "answer_forged"]
    shown = lambda row: "injected" if row["instrument"] == "injected" else "shown"  # noqa: E731
    return [(Path(row["path"]), f"{row['species']}, {shown(row)}", row["person"]) for row in rows]


def judge(args: argparse.Namespace) -> None:
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / "outcomes.csv"
    done = {row.clip for row in read_rows(file) if row.kind == "decision"}
    verifier, end = Verifier(), time.monotonic() + 60 * args.minutes
    shown = takes(args.takes, args.half) if args.takes else []
    # In turns, so that a run that is stopped early has seen something of each.
    for entry in itertools.chain.from_iterable(itertools.zip_longest(clips(args.data), shown)):
        if entry is None or entry[0].name in done or not entry[0].exists():
            continue
        if time.monotonic() > end:
            print("time is up; run again to go on")
            return
        path, species, person = entry
        at = {"clip": path.name, "presentation": species, "material": "apart", "species": species, "source": person}
        at["half"] = args.half
        try:
            seen = verifier.observe(path)
            decision = verifier.judge(seen, None)
        except IdverifyError as error:
            append(file, [Row(**at, kind="decision", mechanism="fused", outcome="failure", detail=str(error))])
            continue
        last = Row(
            **at,
            kind="decision",
            mechanism="fused",
            status="assessed",
            obstacles=" ".join(reason.value for reason in seen.obstacles),
            handicaps=" ".join(reason.value for reason in seen.handicaps),
            outcome=decision.outcome.value,
            reason=" ".join(reason.value for reason in decision.reasons),
        )
        clip = Clip(**at)
        rows = [row_of(clip, "mechanism", e) for e in seen.mechanisms or ()]
        rows += [row_of(clip, "injection", e) for e in seen.injection_signals]
        append(file, [*rows, last])
        print(f"{species:28s} {path.name[:50]:50s} {decision.outcome.value:12s} {last.reason}", flush=True)


def report(args: argparse.Namespace) -> None:
    trials = trials_of(read_rows(args.out / "outcomes.csv"))
    if args.left_out:
        trials = without_the_person(trials, args.left_out)
    text = "\n".join(lines(trials, args.policy))
    print(text)
    if args.update:
        page = args.update.read_text(encoding="utf-8")
        before, _, rest = page.partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        args.update.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{after}", encoding="utf-8")


def without_the_person(trials: list[Trial], left_out: Path) -> list[Trial]:
    """The same clips, with what `skin_change` says where it was trained without their person.

    Takes of the test half, which no model was trained on, are judged by the mean of the models of all folds.
    """
    with left_out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    said = {row["name"].removeprefix(f"{row['kind']}_"): float(row["logit"]) for row in rows}
    scale = load_scale("skin_change")

    def instead(evidence: PADEvidence, native: float) -> PADEvidence:
        if evidence.name != "skin_change" or evidence.bona_fide_llr is None:
            return evidence
        return replace(evidence, native=native, bona_fide_llr=scale(native))

    return [
        replace(trial, mechanisms=tuple(instead(e, said[stem]) for e in trial.mechanisms))
        if (stem := Path(trial.clip.clip).stem) in said
        else trial
        for trial in trials
    ]


def lines(trials: list[Trial], name: str) -> list[str]:
    policy = load_policy(name)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    missed: dict[str, Counter[str]] = defaultdict(Counter)
    people: dict[str, set[str]] = defaultdict(set)
    for trial in trials:
        outcome, _ = decided(trial, policy)
        # Webcams are counted among all, and on their own.
        webcam = trial.clip.species == "bona_fide" and "webcam" in trial.clip.clip
        for species in (trial.clip.species, *(["bona_fide, webcams"] if webcam else [])):
            counts[species][outcome.value] += 1
            people[species].add(trial.clip.source)
            for one in class_evidence(trial.mechanisms, policy.attack_classes):
                if one.attack_class.value in policy.attack_classes and not one.passed:
                    missed[species][one.attack_class.value] += 1
    out = [
        f"Policy `{policy.name}`, liveness alone.",
        "",
        "| what | n | people | accepted | 95 % interval | inconclusive | rejected | "
        "still | animated | replayed | swapped |",
        "|" + " --- |" * 11,
    ]
    for species in sorted(counts, key=lambda s: (not s.startswith("bona_fide"), s)):
        own, n = counts[species], sum(counts[species].values())
        between = wilson(own["accept"], n)
        marks = " | ".join(str(missed[species][c]) for c in ("still", "animated", "replayed", "swapped"))
        interval = f"{100 * between.low:.0f} to {100 * between.high:.0f} %"
        told = f"{own['accept']} | {interval} | {own['inconclusive']} | {own['reject']}"
        out.append(f"| {species} | {n} | {len(people[species])} | {told} | {marks} |")
    return [*out, "", "The last four columns count the clips in which that way to attack was doubtful or not tested."]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    asked = commands.add_parser("judge")
    asked.set_defaults(action=judge)
    asked.add_argument("data", type=Path)
    asked.add_argument("out", type=Path)
    asked.add_argument("--takes", type=Path)
    asked.add_argument("--half", default="test", choices=("fit", "test"))
    asked.add_argument("--minutes", type=float, default=10.0)
    told = commands.add_parser("report")
    told.set_defaults(action=report)
    told.add_argument("out", type=Path)
    told.add_argument("--policy", default="ial2")
    told.add_argument("--left-out", type=Path)
    told.add_argument("--update", type=Path)
    args = parser.parse_args()
    args.action(args)


if __name__ == "__main__":
    main()

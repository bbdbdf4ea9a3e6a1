"""Outcomes of genuine clips, published deepfakes and takes of the strong attackers: liveness alone, and whole checks.

    python benchmarks/accuracy/pad_outcomes.py judge ../shared/data DIR [--takes TAKES/index.csv] [--minutes 10]
    python benchmarks/accuracy/pad_outcomes.py report DIR [--policy ial2] [--left-out FILE] [--update docs/liveness.md]

``judge`` appends to ``DIR/outcomes.csv`` one row per clip and mechanism, clips and takes in turns, and goes on where
it was. Takes are compared with the other photo of the person whom they are to be taken for (the column ``reference`` of
their index), genuine clips with the first usable photo of the person, where there is one. An ``answer_forged`` is
checked once, under the policy ``recovery`` with the challenge that it answers, each step as if revealed when it is due.

``report`` decides anew from the rows under a policy, and prints counts with 95 % Wilson intervals, of liveness alone
and of whole checks. ``skin_change`` was trained on the genuine clips at hand, those of the takes' drivers among them,
though on no take of the test half. With ``--left-out``, the ``left_out.csv`` of
``models/training/skin_change/train.py``, each clip is decided about by what a model says that was trained without its
person, and each take that is a file by one trained without whoever drives it.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from challenge_answers import answer
from pad_rows import FAILURE, Clip, Row, Trial, append, read_rows, row_of, trials_of
from pad_takes import SPECIES
from pad_verdicts import decided, without_the_person

from idverify.comparison.calibration import CalibrationCard, load_card
from idverify.errors import IdverifyError
from idverify.metrics.intervals import wilson
from idverify.models.manifest import data_dir
from idverify.pad import reference_reuse
from idverify.reasons import Assessed
from idverify.verification.decision import Outcome
from idverify.verification.enrolment import Enrolment
from idverify.verification.fusion import class_evidence
from idverify.verification.policy import DecisionPolicy, load_policy
from idverify.verification.verifier import Verifier

MARKS = ("<!-- figures: benchmarks/accuracy/pad_outcomes.py report -->", "<!-- end of outcomes -->")


ANSWERS = "answer_forged"
# Parts of file names, and what the genuine clips that bear them are.
SOURCES = {"webcam": "webcams", "tv_": "television", "td": "selfies with photos"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """A recording, whose it is, and the photos that it may be checked against; of a take the row of its index."""

    path: Path
    species: str
    person: str
    photos: tuple[Path, ...]
    take: dict[str, str] | None = None


def clips(data: Path) -> list[Film]:
    """The clips as they are."""
    found = []
    for folder in (data, data / "selfies"):
        with (folder / "videos.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                named = row.get("species") or row.get("pai_species") or ""
                digital = row["presentation"] == "digital" or named == "deepfake"
                genuine = row["presentation"] == "bona_fide"
                species = "deepfake" if digital else "bona_fide" if genuine else "captured replay"
                photos = [folder / name for name in (row.get("references") or "").split()]
                # Television clips are of people in Labeled Faces in the Wild, years apart.
                photos = photos or sorted((data / "lfw" / row["subject"]).glob("*.jpg"))
                if "multiple_faces" not in row["path"]:
                    path, person = folder / row["path"], row["subject"]
                    found.append(Film(path=path, species=species, person=person, photos=tuple(photos)))
    return found


def shade(params: dict[str, Any]) -> str:
    """What the skin of a take does by itself, in words after its species."""
    if "drift" not in params:
        return ""
    return " with shade of any size and pace" if "free" in params else " with drifting shade"


def takes(index: Path, half: str) -> list[Film]:
    with index.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["half"] == half]
    shown = lambda row: "injected" if row["instrument"] == "injected" else "shown"  # noqa: E731
    return [
        Film(
            path=Path(row["path"]),
            species=f"{row['species']}{shade(json.loads(row['params']))}, {shown(row)}",
            person=row["person"],
            photos=(Path(row["reference"]),),
            take=row,
        )
        for row in rows
    ]


def judge(args: argparse.Namespace) -> None:
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / "outcomes.csv"
    done = {row.clip for row in read_rows(file) if row.kind == "decision"}
    verifier, recovery, end = Verifier(), Verifier(policy="recovery"), time.monotonic() + 60 * args.minutes
    shown = takes(args.takes, args.half) if args.takes else []
    # In turns, so that a run that is stopped early has seen something of each.
    for film in itertools.chain.from_iterable(itertools.zip_longest(clips(args.data), shown)):
        if film is None or film.path.name in done or not film.path.exists():
            continue
        if time.monotonic() > end:
            print("time is up; run again to go on")
            return
        clip = Clip(
            clip=film.path.name,
            presentation=film.species,
            material="apart",
            species=film.species,
            source=film.person,
            half=args.half,
        )
        try:
            forged = film.take is not None and bool(film.take["challenge"])
            rows = list(answered(recovery, clip, film) if forged else checked(verifier, clip, film))
        except IdverifyError as error:
            rows = [row_for(clip, "decision", "fused", status=FAILURE, outcome=FAILURE, detail=str(error))]
        append(file, rows)
        print(f"{film.species:28s} {clip.clip[:50]:50s} {rows[-1].outcome:12s} {rows[-1].reason}", flush=True)


def checked(verifier: Verifier, clip: Clip, film: Film) -> Iterator[Row]:
    """What every mechanism and the comparison say; the decision about liveness alone comes last."""
    # Any seed that is not drawn anew, so that the same faces are compared again.
    seen = verifier.observe(film.path, seed=zlib.crc32(film.path.name.encode()))
    yield from (row_of(clip, "mechanism", e) for e in seen.mechanisms or ())
    yield from (row_of(clip, "injection", e) for e in seen.injection_signals)
    photo = first_usable(verifier, film.photos)
    if photo is not None:
        whole = verifier.judge(seen, photo)
        told = whole.liveness.mechanisms if whole.liveness else ()
        yield from (row_of(clip, "with_reference", e) for e in told if e.name == reference_reuse.NAME)
        yield row_for(
            clip,
            "comparison",
            "match",
            native=whole.match and whole.match.similarity,
            outcome=whole.outcome.value,
            reason=" ".join(reason.value for reason in whole.reasons),
        )
    alone = verifier.judge(seen, None)
    yield row_for(
        clip,
        "decision",
        "fused",
        status="assessed",
        obstacles=" ".join(reason.value for reason in seen.obstacles),
        handicaps=" ".join(reason.value for reason in seen.handicaps),
        outcome=alone.outcome.value,
        reason=" ".join(reason.value for reason in alone.reasons),
    )


def first_usable(verifier: Verifier, photos: Iterable[Path]) -> Enrolment | None:
    enrolled = (verifier.enrol(photo) for photo in photos)
    return next((one for one in enrolled if isinstance(one, Assessed)), None)


def answered(verifier: Verifier, clip: Clip, film: Film) -> Iterator[Row]:
    """What is decided about a forged answer."""
    assert film.take is not None
    result, outcome, reasons = answer(verifier, film.take)
    more = {"outcome": outcome, "reason": " ".join(reasons), "detail": f"challenge {result.outcome.value}"}
    yield row_for(clip, "decision", "fused", status="assessed", **more)


def row_for(clip: Clip, kind: str, mechanism: str, **more: object) -> Row:
    return Row(**asdict(clip), kind=kind, mechanism=mechanism, **more)


def report(args: argparse.Namespace) -> None:
    trials = trials_of(read_rows(args.out / "outcomes.csv"))
    if args.left_out:
        trials = without_the_person(trials, args.left_out)
    text = "\n".join(page(trials, args.policy, load_card(data_dir() / "calibration" / "comparison.toml")))
    print(text)
    if args.update:
        whole = args.update.read_text(encoding="utf-8")
        before, _, rest = whole.partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        args.update.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{after}", encoding="utf-8")


def page(trials: Sequence[Trial], name: str, card: CalibrationCard) -> list[str]:
    """Both ways of counting, and the answers."""
    policy = load_policy(name)
    answers = [trial for trial in trials if trial.clip.species.startswith(ANSWERS)]
    others = [trial for trial in trials if not trial.clip.species.startswith(ANSWERS)]
    compared = [trial for trial in others if trial.compared or trial.clip.species.startswith(SPECIES)]

    def missed(trial: Trial) -> Iterator[str]:
        for one in class_evidence(trial.mechanisms, policy.attack_classes):
            if one.attack_class.value in policy.attack_classes and not one.passed:
                yield one.attack_class.value

    def checked(trial: Trial) -> Outcome:
        # Where the photo cannot be used, what liveness alone says stands.
        return decided(trial, policy, card=card if trial.compared else None)[0]

    def met(trial: Trial) -> Iterator[str]:
        if trial.compared:
            yield "compared"
        if trial.similarity is not None and trial.similarity >= threshold:
            yield "match"
        if decided(trial, policy)[0] is Outcome.ACCEPT and checked(trial) is not Outcome.ACCEPT:
            yield "stopped by the photo"

    threshold = card.threshold(policy.target_fmr_with_liveness or policy.target_fmr)
    out = [f"Policy `{name}`, liveness alone.", ""]
    out += table(others, lambda t: decided(t, policy)[0].value, ("still", "animated", "replayed", "swapped"), missed)
    out += ["", "The last four columns count the clips in which that way to attack was doubtful or not tested."]
    out += ["", f"Policy `{name}`, whole check against another photo of the person.", ""]
    out += table(compared, lambda t: checked(t).value, ("compared", "match", "stopped by the photo"), met)
    out += ["", "The last column counts those that liveness alone accepts and the comparison does not."]
    out += ["Of takes that were not compared, as where the photo cannot be used, what liveness alone says stands."]
    if policy.target_fmr_with_liveness is not None:
        out += ["", *likeness(compared, card, policy)]
    if answers:
        out += ["", "Policy `recovery`, whole check with the challenge that is answered.", ""]
        out += table(answers, lambda t: t.outcome)
    return out


def likeness(trials: Sequence[Trial], card: CalibrationCard, policy: DecisionPolicy) -> list[str]:
    """How many resemble their photo as much as a match asks, and as one asks where liveness is judged."""
    found: dict[str, list[float]] = defaultdict(list)
    for trial in trials:
        for name in groups(trial.clip):
            if trial.similarity is not None and "shown" not in name:
                found[name].append(trial.similarity)
    targets = (policy.target_fmr, policy.target_fmr_with_liveness or policy.target_fmr)
    plain, firm = map(card.threshold, targets)
    everybody = card.groups[0]
    missed = " and ".join(f"{100 * everybody.errors[fmr][1] / everybody.mated:.1f} %" for fmr in targets)
    columns = ("what", "compared", "least", "median", f"{plain:.3f} and more", f"{firm:.3f} and more")
    out = [
        f"Similarity with that photo. A match is {plain:.3f} and more, and {firm:.3f} where liveness is judged; of "
        f"{everybody.mated:,} pairs of photos of one person that the card was fitted on, {missed} are less alike.",
        "",
        "| " + " | ".join(columns) + " |",
        "|" + " --- |" * len(columns),
    ]
    for name, values in sorted(found.items()):
        reached = [sum(value >= at for value in values) for at in (plain, firm)]
        cells = (name, len(values), f"{min(values):.2f}", f"{np.median(values):.2f}", *reached)
        out.append("| " + " | ".join(map(str, cells)) + " |")
    return out


def table(
    trials: Iterable[Trial],
    outcome: Callable[[Trial], str],
    marks: Sequence[str] = (),
    marked: Callable[[Trial], Iterable[str]] = lambda _: (),
) -> list[str]:
    """Outcomes of each group, and how many trials of it bear each mark."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    people: dict[str, set[str]] = defaultdict(set)
    for trial in trials:
        own = [outcome(trial), *marked(trial)]
        for name in groups(trial.clip):
            counts[name].update(own)
            people[name].add(trial.clip.source)
    columns = ("what", "n", "people", "accepted", "95 % interval", "inconclusive", "rejected", *marks)
    out = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for name in sorted(counts, key=lambda name: (not name.startswith("bona_fide"), name)):
        own = counts[name]
        n = sum(own[one.value] for one in Outcome) + own[FAILURE]
        between = wilson(own["accept"], n)
        interval = f"{100 * between.low:.0f} to {100 * between.high:.0f} %"
        cells = (name, n, len(people[name]), own["accept"], interval, own["inconclusive"], own["reject"])
        out.append("| " + " | ".join(map(str, (*cells, *(own[mark] for mark in marks)))) + " |")
    return out


def groups(clip: Clip) -> Iterator[str]:
    """Under which names a clip is counted: genuine ones and takes among all, and on their own."""
    yield clip.species.partition(", ")[0]
    if "," in clip.species:
        yield clip.species
    if clip.species == "bona_fide":
        yield from (f"bona_fide, {title}" for part, title in SOURCES.items() if part in clip.clip)


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

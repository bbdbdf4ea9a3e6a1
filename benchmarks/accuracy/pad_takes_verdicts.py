"""What the system says to the takes of pad_takes.py: accepted, inconclusive, rejected, by species and instrument.

    python benchmarks/accuracy/pad_takes_verdicts.py --out DIR [--policy ial2] [--half test] [--minutes 30] [--again]

Each take is checked against the other photo of the person whom it shows (a face_flash, face_blend or face_swap_tracked
wants to be taken for that person, too). Answers to challenges arrive in time. Verdicts are kept in
``DIR/verdicts-POLICY.csv``; ``--again`` judges anew after a mechanism was changed. Nothing here is a person: each
accepted take is an error. Intervals are Clopper-Pearson, 95 %, by take; several takes show one person.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
from pad_takes import CHALLENGE_KEY, SPECIES

from idverify import Verifier
from idverify.errors import IdverifyError
from idverify.metrics.intervals import clopper_pearson
from idverify.simulation import INSTRUMENTS

COLUMNS = ("path", "half", "species", "person", "instrument", "outcome", "liveness_llr", "reasons")
# From the end of an answer to its arrival.
SENDING_S = 5.0


def judged(verifier: Verifier, row: Mapping[str, str]) -> dict[str, str]:
    """The verdict on one take, or the error that it ran into."""
    options: dict[str, Any] = {}
    if row["challenge"]:
        asked = json.loads(Path(row["challenge"]).read_text(encoding="utf-8"))
        length_s = max(part["end_ms"] for part in (*asked["steps"], *asked["light"])) / 1000
        now_s = asked["issued_at_ms"] / 1000 + length_s + SENDING_S
        options = {"challenge": row["challenge"], "challenge_key": CHALLENGE_KEY, "now_s": now_s}
    verdict = {name: row[name] for name in COLUMNS[:5]}
    try:
        decision = verifier.check(row["path"], row["reference"], **options)
    except IdverifyError as error:
        return {**verdict, "outcome": "error", "liveness_llr": "", "reasons": f"{type(error).__name__}: {error}"}
    llr = "" if decision.liveness is None else f"{decision.liveness.llr:.3f}"
    reasons = " ".join(reason.value for reason in decision.reasons)
    return {**verdict, "outcome": decision.outcome.value, "liveness_llr": llr, "reasons": reasons}


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Counts by species and instrument as Markdown."""
    groups: dict[tuple[str, str], list[Mapping[str, str]]] = defaultdict(list)
    for row in rows:
        groups[row["species"], row["instrument"]].append(row)
        groups[row["species"], "all"].append(row)
    lines = ["| species | shown | takes | people | accepted | inconclusive | rejected | accepted, 95 % |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for species in SPECIES:
        for shown in (*INSTRUMENTS, "all"):
            group = groups.get((species, shown))
            if not group:
                continue
            outcomes = [row["outcome"] for row in group]
            interval = clopper_pearson(outcomes.count("accept"), len(outcomes))
            counts = [outcomes.count(name) for name in ("accept", "inconclusive", "reject")]
            cells = [species, shown, len(group), len({row["person"] for row in group}), *counts]
            lines.append(
                "| " + " | ".join(map(str, cells)) + f" | {100 * interval.low:.0f} to {100 * interval.high:.0f} % |"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the folder of pad_takes.py")
    parser.add_argument("--policy", default="ial2")
    parser.add_argument("--half", choices=("fit", "test"))
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--again", action="store_true", help="forget earlier verdicts")
    args = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    verdicts = args.out / f"verdicts-{Path(args.policy).stem}.csv"
    if args.again:
        verdicts.unlink(missing_ok=True)
    takes = _rows(args.out / "index.csv")
    known = {row["path"]: row for row in _rows(verdicts)} if verdicts.exists() else {}
    verifier, end = Verifier(policy=args.policy), time.monotonic() + 60 * args.minutes
    for row in takes:
        wanted = args.half in (None, row["half"]) and row["path"] not in known and Path(row["path"]).exists()
        if not wanted or time.monotonic() > end:
            continue
        known[row["path"]] = judged(verifier, row)
        new = not verdicts.exists()
        with verdicts.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            if new:
                writer.writeheader()
            writer.writerow(known[row["path"]])
    shown = [row for row in known.values() if args.half in (None, row["half"])]
    print(f"policy {args.policy}, takes {'of both halves' if args.half is None else 'of the half ' + args.half}\n")
    print(table(shown))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()

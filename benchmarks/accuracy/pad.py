"""Liveness of the whole system: a row per clip and mechanism, then error rates per species.

    python benchmarks/accuracy/pad.py all --data ../shared/data --out DIR --minutes 12 --update docs/liveness.md

which is

    python benchmarks/accuracy/pad.py run --data ../shared/data --out DIR [--minutes 12] [--jobs 2] [--again]
    python benchmarks/accuracy/pad.py peer --data ../shared/data --out DIR        # MiniFASNet; needs PyTorch
    python benchmarks/accuracy/pad.py report --out DIR [--policy ial2] [--update PAGE] [--left-out scores.csv takes.csv]
                                             [--skin-left-out left_out.csv]

``run`` judges the real clips, then simulated attacks and degraded bona fide clips (pad_clips.py), as many as the
minutes allow, and appends to ``DIR/rows.csv`` what every mechanism says; it can be stopped and goes on where it was.
``--again`` judges all clips anew, with the takes that are there: after a mechanism was changed or added. ``report``
decides anew from the rows, so that any policy can be asked; it prints how many outcomes differ from those of the run.
``--left-out`` takes the scores of benchmarks/accuracy/recapture.py: every real clip, and every take that is scored
there, is then judged with what the recapture network says that was trained without the clip's source. ``run`` also
writes ``DIR/takes/index.csv``; with models/training/skin_change (``collect.py takes``, then ``train.py``) it gives what
``--skin-left-out`` takes: what ``skin_change`` says of real clips and injected takes where it was trained without
whoever is seen in them.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import multiprocessing
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
from pad_clips import SOURCE_PHOTOS, Item, items, make
from pad_report import full_report
from pad_rows import FAILURE, Row, Trial, append, read_rows, row_of, trials_of
from pad_verdicts import without_the_person

from idverify.errors import IdverifyError
from idverify.models.manifest import spec
from idverify.pad import recapture
from idverify.pad.evidence import PADEvidence
from idverify.reasons import Assessed, Reason
from idverify.simulation import SPECIES
from idverify.simulation.source import Source
from idverify.verification.policy import load_policy
from idverify.verification.verifier import Verifier

MARKS = ("<!-- figures: benchmarks/accuracy/pad.py report -->", "<!-- end of figures -->")
PEER_FRAMES = 8


def photos_of(data: Path) -> list[Path]:
    """Photos of people of the test half of LFW (the other half trains), spread over the alphabet."""
    digest = lambda name: int(hashlib.sha256(f"fit or test: {name}".encode()).hexdigest(), 16)  # noqa: E731
    folders = [p for p in sorted((data / "lfw").iterdir()) if p.is_dir() and digest(p.name) % 2]
    return [min(p.glob("*.jpg")) for p in folders[:: len(folders) // SOURCE_PHOTOS][:SOURCE_PHOTOS]]


# -- run -------------------------------------------------------------------------------------------


def judge(verifier: Verifier, item: Item) -> Iterator[Row]:
    """Rows of one clip."""
    try:
        make(item)
        presentation = verifier.observe(item.path)
        decision = verifier.judge(presentation, None)
    except IdverifyError as error:
        end = {"status": FAILURE, "outcome": FAILURE, "detail": f"{type(error).__name__}: {error}"}
        yield Row(**asdict(item.clip), kind="decision", mechanism="fused", **end)
        return
    yield from (row_of(item.clip, "mechanism", evidence) for evidence in presentation.mechanisms or ())
    yield from (row_of(item.clip, "injection", evidence) for evidence in presentation.injection_signals)
    if item.one_picture_of is not None and presentation.mechanisms is not None:
        enrolled = verifier.enrol(Source(item.one_picture_of).still())
        if isinstance(enrolled, Assessed):
            alone = {evidence.name: evidence for evidence in presentation.mechanisms}
            asked = presentation.mechanisms_against(enrolled.value.looks) or ()
            yield from (row_of(item.clip, "source_photo", e) for e in asked if e is not alone[e.name])
    yield Row(
        **asdict(item.clip),
        kind="decision",
        mechanism="fused",
        status="assessed" if decision.liveness else "not_assessed",
        bona_fide_llr=decision.liveness.llr if decision.liveness else None,
        reason=" ".join(reason.value for reason in decision.reasons),
        obstacles=" ".join(reason.value for reason in presentation.obstacles),
        handicaps=" ".join(reason.value for reason in presentation.handicaps),
        outcome=decision.outcome.value,
    )


_workers: dict[str, Verifier] = {}


def _judged(item: Item, policy: str) -> tuple[list[Row], float]:
    """Rows of one clip and the seconds that it took, in a worker of its own."""
    cv2.setNumThreads(1)
    start = time.monotonic()
    if policy not in _workers:
        _workers[policy] = Verifier(policy=policy)
    return list(judge(_workers[policy], item)), time.monotonic() - start


def run(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    rows = args.out / "rows.csv"
    if args.again:
        rows.unlink(missing_ok=True)
    done = {trial.clip.clip for trial in trials_of(read_rows(rows))}
    planned = list(items(args.data, args.out, photos_of(args.data)))
    wanted = [item for item in planned if item.clip.clip not in done and (item.path.exists() or not args.again)]
    try:
        judge_all(wanted, args, rows)
    finally:
        write_index(args.out / "takes" / "index.csv", planned)


def judge_all(wanted: list[Item], args: argparse.Namespace, rows: Path) -> None:
    """Rows of as many clips as the minutes allow."""
    end = time.monotonic() + 60 * args.minutes
    with ProcessPoolExecutor(args.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: deque[Future[tuple[list[Row], float]]] = deque()
        while waiting or wanted:
            # A few ahead keep every worker busy; rows are written in the order of the items.
            while wanted and len(waiting) < 3 * args.jobs and time.monotonic() < end:
                waiting.append(pool.submit(_judged, wanted.pop(0), args.policy))
            if not waiting:
                print(f"time is up with {len(wanted)} clips left; run again to go on")
                return
            found, took = waiting.popleft().result()
            append(rows, found)
            why = found[-1].reason or found[-1].detail
            print(f"{took:5.1f} s  {found[-1].clip:40s} {found[-1].outcome:13s} {why}", flush=True)


def write_index(index: Path, planned: Iterable[Item]) -> None:
    """The takes that are there, as ``models/training/skin_change/collect.py takes`` reads them."""
    columns = ("path", "half", "species", "person", "driver", "instrument", "challenge", "params")
    index.parent.mkdir(parents=True, exist_ok=True)
    with index.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns)
        table.writeheader()
        for item in planned:
            if item.recipe is None or not item.path.exists():
                continue
            shown = SPECIES[str(item.recipe["species"])].channel == "presentation"
            table.writerow(
                {
                    "path": item.path,
                    "half": "test",
                    "species": item.clip.species,
                    "person": item.clip.source,
                    "instrument": "shown" if shown else "injected",
                    "params": "{}",
                }
            )


# -- peer ------------------------------------------------------------------------------------------


def peer(args: argparse.Namespace) -> None:
    """Mean bona fide probability of both MiniFASNet nets over a few frames of each clip."""
    root = Path(__file__).resolve().parents[2]
    sys.path.insert(0, str(root / "models" / "training" / "recapture"))
    from minifasnet import MiniFASNet
    from recapture import reduced

    from idverify.media import open_recording
    from idverify.simulation.faces import default_locate

    cv2.setNumThreads(1)
    nets, locate, file = MiniFASNet(args.data / "peers" / "minifasnet"), default_locate(), args.out / "peer.csv"
    done = {row.clip for row in read_rows(file)}
    for item in items(args.data, args.out, photos_of(args.data)):
        if item.clip.clip in done or not item.path.exists():
            continue
        pictures = []
        with open_recording(item.path) as recording:
            wanted = np.linspace(0.05, 0.95, PEER_FRAMES) * min(recording.duration_s or 5.0, 5.0)
            for frame in recording:
                if len(pictures) < PEER_FRAMES and frame.time_s >= wanted[len(pictures)]:
                    image = frame.image_rgb()
                    mesh = locate(image)
                    box = None if mesh is None else np.concatenate([mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)])
                    pictures.append(None if box is None else reduced(image, box))
        found = [picture for picture in pictures if picture is not None]
        native = float(np.mean(nets(found))) if found else None
        append(file, [Row(**asdict(item.clip), kind="peer", mechanism="minifasnet", native=native)])


# -- report ----------------------------------------------------------------------------------------


def as_left_out(trials: list[Trial], scores: list[Path]) -> list[Trial]:
    """The trials, with the recapture network's answer about a clip that of the one without the clip's source."""
    weights, scale = recapture.load_card(spec(recapture.NAME).sha256)
    of_part = dict(zip(("face", "scene", "setting"), weights[[0, 2, 3]], strict=True))
    known = {trial.clip.clip for trial in trials}
    native = {
        row["name"]: float(sum(weight * float(row[part]) for part, weight in of_part.items()))
        for path in scores
        for row in read_scores(path)
        if row["face"] and row["name"] in known
    }

    def heard(trial: Trial, evidence: PADEvidence) -> PADEvidence:
        value = native.get(trial.clip.clip)
        if evidence.name != recapture.NAME or value is None or evidence.bona_fide_llr is None:
            return evidence
        proven = scale.proves(value)
        reason = Reason.PRESENTATION_ATTACK if proven else None
        return replace(evidence, native=value, bona_fide_llr=scale(value), decisive=proven, reason=reason)

    real = {t.clip.clip for t in trials if t.clip.material in ("bona_fide", "captured")}
    if real - native.keys():
        raise SystemExit(f"no scores of {', '.join(sorted(real - native.keys()))}")
    return [replace(t, outcome="", mechanisms=tuple(heard(t, e) for e in t.mechanisms)) for t in trials]


def read_scores(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def report(args: argparse.Namespace) -> None:
    trials = trials_of(read_rows(args.out / "rows.csv") + read_rows(args.out / "peer.csv"))
    if args.left_out:
        trials = as_left_out(trials, args.left_out)
    if args.skin_left_out:
        trials = without_the_person(trials, args.skin_left_out)
    text = full_report(trials, load_policy(args.policy))
    print(text)
    if args.update:
        page = args.update.read_text(encoding="utf-8")
        before, _, rest = page.partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        args.update.write_text(f"{before}{MARKS[0]}\n\n{text}\n{MARKS[1]}{after}", encoding="utf-8")


def everything(args: argparse.Namespace) -> None:
    run(args)
    try:
        peer(args)
    except ImportError as error:
        print(f"MiniFASNet is left out: {error}")
    report(args)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, action in (("all", everything), ("run", run), ("peer", peer), ("report", report)):
        command = commands.add_parser(name)
        command.set_defaults(action=action)
        command.add_argument("--out", type=Path, required=True)
        if name != "report":
            command.add_argument("--data", type=Path, required=True)
        if name != "peer":
            command.add_argument("--policy", default="ial2")
        if name in ("all", "run"):
            command.add_argument("--minutes", type=float, default=60.0)
            command.add_argument("--jobs", type=int, default=2, help="clips judged at once, one core each")
            command.add_argument("--again", action="store_true")
        if name in ("all", "report"):
            command.add_argument("--update", type=Path, help="a page whose figures are replaced")
            command.add_argument("--left-out", type=Path, nargs="+", help="scores of networks trained without a source")
            command.add_argument("--skin-left-out", type=Path, help="the same of skin_change")
    args = parser.parse_args()
    args.action(args)


if __name__ == "__main__":
    main()

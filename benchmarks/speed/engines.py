"""The engines on this machine: ``python benchmarks/speed/engines.py WORK_DIR [--jobs 1000] [--json FILE]``.

For each engine a whole ``idverify batch`` over many recordings of one second made here (needs scikit-image and the
models), each with a reference, behind walls as always: the share of the ideal speed, from the first line of the
command to its last, and the peak memory of all its processes. The ideal is what the same checks take in as many
processes as there are workers, side by side and without an engine, each of which keeps to one core; it is measured
before and after, since two busy cores are not twice as fast as one. Then the engine's own cost: 10,000 jobs that do
nothing. With ``--kills 5`` a smaller batch is killed that often in its driver and in one of its workers, started again
each time, and its parts are compared with those of one that was not killed.

WORK_DIR holds the clips and the results; what is finished there is measured anew.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import operator
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clips import make, write_portrait

from idverify.evaluation.batch import RUN
from idverify.evaluation.executors import ENGINES, executor
from idverify.models import cores
from idverify.verification.verifier import Verifier

SIZE_WH, SECONDS = (320, 240), 1.0
REFERENCE_CHECKS, IDLE_JOBS = 40, 10_000
KILLED_JOBS, SEED = 400, 0


def processes_of(parent: int) -> Iterator[int]:
    """A process and all that descend from it (Linux)."""
    yield parent
    for listed in Path(f"/proc/{parent}/task").glob("*/children"):
        try:
            children = listed.read_text().split()
        except OSError:  # it ended meanwhile
            continue
        for child in children:
            yield from processes_of(int(child))


def own_mb(pid: int) -> float:
    """Memory that a process shares with nobody, and its part of what it shares."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


@dataclass
class Peak:
    """The highest memory of a process and its descendants, sampled once a second."""

    parent: int
    mb: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Peak:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(1.0):
            self.mb = max(self.mb, sum(map(own_mb, processes_of(self.parent))))


def prepare(work: Path, jobs: int) -> Path:
    """A manifest whose every recording has a name of its own."""
    clip = make(work / "clip.mp4", SIZE_WH, SECONDS)
    photo = write_portrait(work / "reference.png")
    manifest = work / f"manifest-{jobs}.csv"
    with manifest.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["video", "reference"])
        for number in range(jobs):
            link = work / f"clip-{number}.mp4"
            if not link.exists():
                os.link(clip, link)
            rows.writerow([link.name, photo.name])
    return manifest


def side_by_side(work: Path, workers: int) -> float:
    """Seconds a job where so many processes do nothing else."""
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        return statistics.mean(pool.map(one_after_another, [work] * workers)) / workers


def one_after_another(work: Path) -> float:
    """Seconds that a job takes a process that keeps to one core; median."""
    cores.keep_to(1)
    verifier = Verifier(isolation="process")
    taken = []
    for _ in range(REFERENCE_CHECKS):
        begun = time.perf_counter()
        verifier.check(work / "clip.mp4", work / "reference.png")
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def command_of(manifest: Path, out: Path, engine: str, workers: int) -> list[str]:
    run = [sys.executable, "-m", "idverify", "batch", str(manifest), "--out", str(out), "--quiet"]
    return [*run, "--engine", engine, "--workers", str(workers)]


def run_batch(manifest: Path, out: Path, engine: str, workers: int) -> tuple[float, float]:
    """Seconds and peak megabytes of a whole run."""
    shutil.rmtree(out, ignore_errors=True)
    begun = time.perf_counter()
    run = subprocess.Popen(command_of(manifest, out, engine, workers))
    with Peak(run.pid) as peak:
        if run.wait():
            raise SystemExit(f"the batch ended with {run.returncode}")
    return time.perf_counter() - begun, peak.mb


def idle_jobs_s(engine: str, workers: int, jobs: int) -> float:
    """Seconds for jobs that do nothing, once the engine is open."""
    with executor(engine, workers=workers) as opened:
        begun = time.perf_counter()
        # What is loaded is a zero, and the work is to add it: any worker can import both.
        done = opened.map(operator.add, range(jobs), setup=int)
        if sorted(number for number, _ in done) != list(range(jobs)):
            raise SystemExit(f"{engine}: jobs were lost")
        return time.perf_counter() - begun


def parts(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.glob("part-*"))}


def is_worker(pid: int) -> bool:
    """Whether a process does jobs, or decodes for one that does."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return command.startswith(b"ray::") or b"multiprocessing.spawn" in command


def kill_the_driver(command: list[str], kills: int, took_s: float, rng: random.Random) -> int:
    """Start a batch again and again, and kill each at a random moment; the last one is left to end."""
    for done in range(kills):
        run = subprocess.Popen(command)
        time.sleep(rng.uniform(0.5, 1.5) * took_s / (1 + kills))
        if run.poll() is not None:
            return done
        run.kill()
        run.wait()
    subprocess.run(command, check=True)
    return kills


def kill_workers(command: list[str], kills: int, took_s: float, rng: random.Random) -> int:
    """Kill processes that a batch started, at random moments."""
    run, done = subprocess.Popen(command), 0
    while done < kills:
        time.sleep(rng.uniform(0.5, 1.5) * took_s / (1 + kills))
        if run.poll() is not None:
            break
        workers = [pid for pid in processes_of(run.pid) if is_worker(pid)]
        if workers:
            os.kill(rng.choice(workers), signal.SIGKILL)
            done += 1
    if run.wait():
        raise SystemExit(f"the batch ended with {run.returncode}")
    return done


def killed(manifest: Path, work: Path, engine: str, workers: int, kills: int) -> dict[str, Any]:
    """Whether a batch that is killed again and again leaves the parts of one that is not."""
    whole, out = work / f"whole-{engine}", work / f"killed-{engine}"
    took_s, _ = run_batch(manifest, whole, engine, workers)
    expected, rng = parts(whole), random.Random(SEED)
    told = {}
    for victim, kill in (("driver", kill_the_driver), ("workers", kill_workers)):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        # The frames that are compared are drawn from the batch's secret.
        shutil.copy(whole / RUN, out / RUN)
        done = kill(command_of(manifest, out, engine, workers), kills, took_s, rng)
        told[victim] = {"kills": done, "same_bytes": parts(out) == expected}
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--jobs", type=int, default=1_000)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--engine", action="append", choices=ENGINES)
    parser.add_argument("--workers", type=int, default=cores.usable())
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    manifest = prepare(args.work, args.jobs)
    told: dict[str, Any] = {"jobs": args.jobs, "workers": args.workers, "engines": {}}
    before_s = side_by_side(args.work, args.workers)
    for engine in args.engine or ENGINES:
        out = args.work / f"out-{engine}"
        took_s, peak_mb = run_batch(manifest, out, engine, args.workers)
        after_s = side_by_side(args.work, args.workers)
        job_s = (before_s + after_s) / 2
        own = told["engines"][engine] = {
            "seconds": took_s,
            "ideal_seconds_per_job": job_s,
            "share_of_ideal": args.jobs * job_s / took_s,
            "peak_mb": peak_mb,
            "bytes_per_row": sum(map(len, parts(out).values())) / args.jobs,
            "seconds_of_10000_jobs_that_do_nothing": idle_jobs_s(engine, args.workers, IDLE_JOBS),
        }
        if args.kills:
            own["killed"] = killed(prepare(args.work, KILLED_JOBS), args.work, engine, args.workers, args.kills)
        before_s = after_s
        print(engine, json.dumps(own), flush=True)
    if args.json:
        args.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""`idverify evaluate` over the clips and photos of a data folder: what the policy does, and what the run costs.

    python benchmarks/accuracy/whole_evaluation.py run SHARED_DATA WORK_DIR [--workers N]
        [--json benchmarks/results/evaluation.json] [--plot docs/confidence.svg]
    python benchmarks/accuracy/whole_evaluation.py kill WORK_DIR [--kills 5]
        [--json benchmarks/results/evaluation_killed.json]

Makes the trials (see make_trials.py; simulated attacks are kept in WORK_DIR), runs ``idverify evaluate`` over them as
a command, and keeps: the report's figures, above all whether the confidence means what it says; the time taken; and
how busy the cores were kept. ``kill`` starts the same run once more, kills it with SIGKILL at N random moments, resumes
it each time, and compares its files byte by byte with those of the run that was not killed.

``kept_busy`` is the share of cores and moments at which a core worked for the run or could have: threads of the run
that were running or ready to run, sampled twenty times a second, at most as many as there are workers. On an idle
machine that is the share of the cores that the run used, on a shared one what it could have used.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from make_trials import make_trials

from idverify.evaluation.plots import plots
from idverify.evaluation.scores import read_scores
from idverify.models import cores
from idverify.protocols import Trial, write_trials

FILES = ("scores.csv", "run.json", "report.json", "report.md", "report.html")
SAMPLE_EVERY_S = 0.05
# Trials that are left after the last kill, so that the run is still going on.
MARGIN = 500


def command(work: Path, out: Path, workers: int, *options: str) -> list[str]:
    run = [sys.executable, "-m", "idverify", "evaluate", str(work / "trials.csv"), "--out", str(out)]
    return [*run, "--workers", str(workers), "--quiet", *options]


class Watch(threading.Thread):
    """Samples how many threads of a process and its children run or are ready to run (Linux)."""

    def __init__(self, pid: int, at_most: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.at_most, self.samples, self.over = pid, at_most, [], threading.Event()

    def can_see(self) -> bool:
        return Path(f"/proc/{self.pid}/task/{self.pid}/children").is_file()

    def run(self) -> None:
        while not self.over.wait(SAMPLE_EVERY_S):
            states = [state for pid in self._family() for state in self._states(pid)]
            self.samples.append(min(states.count("R"), self.at_most) / self.at_most)

    def _family(self) -> list[str]:
        """The process and its children: workers have none of their own."""
        try:
            return [str(self.pid), *Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except OSError:  # it ended
            return []

    def _states(self, pid: str) -> list[str]:
        found = []
        for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
            try:
                found.append(stat.read_text().rpartition(")")[2].split()[0])
            except OSError:  # it ended meanwhile
                continue
        return found


def run_once(work: Path, out: Path, workers: int) -> dict[str, Any]:
    shutil.rmtree(out, ignore_errors=True)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(command(work, out, workers), stdout=subprocess.DEVNULL)
    watch = Watch(process.pid, workers)
    if watch.can_see():
        watch.start()
    code = process.wait()
    wall_s = time.monotonic() - start
    watch.over.set()
    if code != 0:
        raise SystemExit(f"idverify evaluate ended with exit code {code}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "workers": workers,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "cpu_over_wall_and_workers": cpu_s / wall_s / workers,
        "kept_busy": sum(watch.samples) / len(watch.samples) if watch.samples else None,
    }


def run_killed(work: Path, out: Path, like: Path, workers: int, kills: int, trials: int) -> dict[str, Any]:
    """Kill and resume, up to a second after a random number of trials is finished; no seed: each time at others."""
    shutil.rmtree(out, ignore_errors=True)
    rng, finished = random.Random(), []
    for wanted in sorted(rng.sample(range(trials - MARGIN), kills)):
        process = subprocess.Popen(
            command(work, out, workers, "--resume"), stdout=subprocess.DEVNULL, start_new_session=True
        )
        while lines(out / "journal.jsonl") <= wanted and process.poll() is None:
            time.sleep(SAMPLE_EVERY_S)
        time.sleep(rng.random())
        if process.poll() is not None:
            raise SystemExit("the run ended before it was killed")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        finished.append(lines(out / "journal.jsonl") - 1)
        print(f"killed with {finished[-1]} of {trials} trials finished", file=sys.stderr)
    subprocess.run(command(work, out, workers, "--resume"), check=True, stdout=subprocess.DEVNULL)
    same = {name: digest(out / name) == digest(like / name) for name in FILES}
    return {"kills": kills, "trials_finished_at_each": finished, "same_bytes": same}


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def counts(trials: list[Trial]) -> dict[str, int]:
    return {
        "trials": len(trials),
        "videos": len({t.video for t in trials}),
        "photos": len({t.reference for t in trials} - {""}),
    }


def show_run(args: argparse.Namespace) -> dict[str, Any]:
    work = args.work.resolve()
    trials = make_trials(args.data.resolve(), work, args.photos, seed=0, workers=args.workers)
    write_trials(trials, work / "trials.csv")
    run = run_once(work, work / "run", args.workers)
    report = json.loads((work / "run" / "report.json").read_text(encoding="utf-8"))
    print((work / "run" / "report.md").read_text(encoding="utf-8"))
    if args.plot:
        drawn = plots(read_scores(work / "run" / "scores.csv"), report)["confidence"]
        args.plot.write_text(drawn[0][1] + "\n", encoding="utf-8")
    result = {**counts(trials), "run": run, "report": report}
    (work / "cost.json").write_text(json.dumps({**counts(trials), "run": run}) + "\n", encoding="utf-8")
    return result


def show_killed(args: argparse.Namespace) -> dict[str, Any]:
    work = args.work.resolve()
    cost = json.loads((work / "cost.json").read_text(encoding="utf-8"))
    killed = run_killed(
        work, work / "killed", work / "run", cost["run"]["workers"], args.kills, cost["trials"]
    )
    return {"trials": cost["trials"], **killed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run")
    run.add_argument("data", type=Path)
    run.add_argument("work", type=Path)
    run.add_argument("--workers", type=int, default=cores.usable())
    run.add_argument("--photos", type=int, default=375, help="photos of other people that each clip meets")
    run.add_argument("--plot", type=Path)
    run.set_defaults(show=show_run)
    kill = commands.add_parser("kill")
    kill.add_argument("work", type=Path)
    kill.add_argument("--kills", type=int, default=5)
    kill.set_defaults(show=show_killed)
    for command_of in (run, kill):
        command_of.add_argument("--json", type=Path)
    args = parser.parse_args()
    result = args.show(args)
    print(json.dumps({name: part for name, part in result.items() if name != "report"}, indent=2), file=sys.stderr)
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

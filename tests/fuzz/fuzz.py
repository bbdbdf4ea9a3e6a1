"""Feed damaged files to everything that reads files of others.

    python tests/fuzz/fuzz.py --files 1000                      # every target
    python tests/fuzz/fuzz.py --files 5000 --target recording

Files are read in another process, so a reader that crashes is a finding and not the end. Printed for each target:
files, errors of one sentence, findings with the number that makes the file again, the slowest file, and how much memory
the process grew by over the second half. Exits with 1 where there is a finding.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

from mutations import mutated  # noqa: E402
from targets import TARGETS, Target  # noqa: E402

from idverify.errors import IdverifyError  # noqa: E402
from idverify.evaluation.executors import LocalExecutor, WorkerDeath  # noqa: E402

# A damaged file may not hold anybody up for longer than this, in seconds; a reader's own budget of time is longer.
PATIENCE_S = 20.0
# Characters of an error's sentence.
LONGEST = 600


@dataclass(frozen=True)
class Result:
    """What came of one damaged file."""

    end: str
    finding: str
    seconds: float
    memory_mb: float


@lru_cache(maxsize=1)
def _seeds(name: str) -> tuple[Target, list[bytes]]:
    return TARGETS[name], TARGETS[name].seeds()


def feed(loaded: tuple[Target, list[bytes]], number: int) -> Result:
    """Read the damaged file of a number."""
    target, seeds = loaded
    data = mutated(seeds, number)
    started, end, finding = time.monotonic(), "read", ""
    try:
        target.read(data)
    except IdverifyError as error:
        end = type(error).__name__
        if "\n" in str(error) or len(str(error)) > LONGEST:
            finding = f"an error of {len(str(error))} characters or several lines: {str(error)[:80]!r}"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        end, finding = "finding", f"{type(error).__name__}: {str(error)[:200]}"
    seconds = time.monotonic() - started
    if seconds > PATIENCE_S:
        finding = f"took {seconds:.0f} s"
    return Result(end, finding, seconds, _memory_mb())


def _memory_mb() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * 4096 / 2**20


def run(name: str, files: int, *, workers: int = 1, first: int = 0) -> tuple[str, list[str]]:
    """Feed a target; return one line of figures and the findings."""
    results: dict[int, Result] = {}
    findings = []
    for number, result in LocalExecutor(workers).map(feed, range(first, first + files), setup=partial(_seeds, name)):
        if isinstance(result, WorkerDeath):
            findings.append(f"{name} {first + number}: {result.detail}")
            continue
        results[number] = result
        if result.finding:
            findings.append(f"{name} {first + number}: {result.finding}")
    ends = Counter(result.end for result in results.values())
    slowest = max((result.seconds for result in results.values()), default=0.0)
    half = [results[n].memory_mb for n in sorted(results) if n >= files // 2]
    growth = half[-1] - half[0] if len(half) > 1 and workers == 1 else float("nan")
    told = ", ".join(f"{end} {count}" for end, count in ends.most_common())
    line = f"{name}: {files} files; {told}; {len(findings)} findings; slowest {slowest:.2f} s; memory {growth:+.1f} MB"
    return line, findings


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--target", choices=sorted(TARGETS), action="append")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    found = 0
    for name in arguments.target or TARGETS:
        line, findings = run(name, arguments.files, workers=arguments.workers, first=arguments.first)
        print(line, *findings, sep="\n  ", flush=True)
        found += len(findings)
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())

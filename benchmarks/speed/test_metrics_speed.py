"""Metrics beside the naive way, with equal results.

Run: ``pytest benchmarks/speed/test_metrics_speed.py --benchmark-only --benchmark-group-by=group``. The hundred million
comparisons: ``python benchmarks/speed/test_metrics_speed.py --json benchmarks/results/metrics.json``, each way in a
process of its own, with processor time and peak memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from idverify import metrics

TARGET = 1e-4
CHUNK = 1_000_000


def some_scores(n: int, mean: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.1, n).astype(np.float32)


def chunks(n: int) -> Iterator[np.ndarray]:
    for start in range(0, n, CHUNK):
        yield some_scores(min(CHUNK, n - start), seed=start)


# -- DET: one sort against one pass per threshold ---------------------------------------------------------------------


def det_by_loop(mated: np.ndarray, non_mated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    thresholds = np.append(np.union1d(mated, non_mated), np.inf)
    fmr = [sum(1 for s in non_mated if s >= t) / len(non_mated) for t in thresholds]
    fnmr = [sum(1 for s in mated if s < t) / len(mated) for t in thresholds]
    return np.array(fmr), np.array(fnmr)


@pytest.mark.parametrize("way", ["vectorised", "loop"])
@pytest.mark.benchmark(group="DET, 200 + 200 scores")
def test_det(benchmark, way):
    mated, non_mated = (some_scores(200, m).astype(np.float64) for m in (0.3, 0.0))
    curve = metrics.det_curve(mated, non_mated)
    run = metrics.det_curve if way == "vectorised" else det_by_loop
    result = benchmark(run, mated, non_mated)
    fmr = result.fmr if way == "vectorised" else result[0]
    np.testing.assert_array_equal(fmr, curve.fmr)


# -- PAV: merging passes against one stack ----------------------------------------------------------------------------


def pav_by_loop(scores: np.ndarray, labels: np.ndarray) -> list[float]:
    blocks: list[list[float]] = []
    for label in labels[np.argsort(scores)]:
        blocks.append([float(label), 1.0])
        while len(blocks) > 1 and blocks[-1][0] * blocks[-2][1] <= blocks[-2][0] * blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1] = [blocks[-1][0] + total, blocks[-1][1] + count]
    return [total / count for total, count in blocks]


@pytest.mark.parametrize("way", ["vectorised", "loop"])
@pytest.mark.benchmark(group="PAV, 200,000 scores")
def test_pav(benchmark, way):
    scores = np.concatenate([some_scores(100_000, m, s).astype(np.float64) for s, m in enumerate((0.3, 0.0))])
    labels = np.arange(scores.size) < 100_000
    run = metrics.pav if way == "vectorised" else pav_by_loop
    result = benchmark.pedantic(run, (scores, labels), rounds=3)
    probability = result.probability if way == "vectorised" else result
    np.testing.assert_array_equal(probability, metrics.pav(scores, labels).probability)


# -- bootstrap: matrix products against drawing trials anew -----------------------------------------------------------


def bootstrap_by_loop(errors: np.ndarray, subjects: np.ndarray, replicates: int = 1000) -> np.ndarray:
    rng = np.random.default_rng(0)
    people = np.unique(subjects)
    trials = [np.flatnonzero(subjects == p) for p in people]
    drawn = (rng.integers(people.size, size=people.size) for _ in range(replicates))
    return np.quantile([errors[np.concatenate([trials[p] for p in d])].mean() for d in drawn], (0.025, 0.975))


@pytest.mark.parametrize("way", ["vectorised", "loop"])
@pytest.mark.benchmark(group="bootstrap by subject, 300 people, 3,000 trials")
def test_bootstrap(benchmark, way):
    subjects = np.repeat(np.arange(300), 10)
    errors = np.random.default_rng(4).uniform(size=3000) < 0.1
    expected = metrics.bootstrap_by_subject(errors, subjects)
    if way == "vectorised":
        assert benchmark(metrics.bootstrap_by_subject, errors, subjects) == expected
    else:
        found = benchmark.pedantic(bootstrap_by_loop, (errors, subjects), rounds=1)
        assert found == pytest.approx((expected.low, expected.high), abs=0.005)


# -- threshold at FMR: stream against keeping and sorting everything --------------------------------------------------


def by_stream(n: int) -> float:
    stream = metrics.ScoreStream(-1.0, 1.0)
    for chunk in chunks(n):
        stream.add(chunk)
    return stream.threshold_at_rate(TARGET)


def by_sort(n: int) -> float:
    scores = np.sort(np.concatenate([c.astype(np.float64) for c in chunks(n)]))
    return float(np.nextafter(scores[n - 1 - int(TARGET * n)], np.inf))


def by_making_scores_only(n: int) -> float:
    return float(max(chunk[0] for chunk in chunks(n)))


@pytest.mark.parametrize("way", ["stream", "sort", "making the scores"])
@pytest.mark.benchmark(group="threshold at FMR, 4,000,000 scores")
def test_threshold(benchmark, way):
    run = {"stream": by_stream, "sort": by_sort, "making the scores": by_making_scores_only}[way]
    found = benchmark.pedantic(run, (4_000_000,), rounds=2)
    if way != "making the scores":
        assert found == by_stream(4_000_000)


WAYS = {"making the scores": by_making_scores_only, "stream": by_stream, "sort": by_sort}


def alone(way: str, n: int) -> dict[str, float]:
    """One way in a process of its own: processor time, and peak memory beyond that of Python and NumPy (Linux)."""
    done = subprocess.run([sys.executable, __file__, way, str(n)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def measure(way: str, n: int) -> dict[str, float]:
    before, start = peak_mb(), time.process_time()
    found = WAYS[way](n)
    return {"cpu_s": time.process_time() - start, "peak_mb": peak_mb() - before, "result": found}


def peak_mb() -> float:
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] in WAYS:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", type=int, default=100_000_000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    ways = {way: alone(way, args.scores) for way in WAYS}
    if ways["stream"]["result"] != ways["sort"]["result"]:
        raise SystemExit("the stream and the sort do not agree")
    made = ways["making the scores"]["cpu_s"]
    result = {
        "scores": args.scores,
        "target_fmr": TARGET,
        "ways": ways,
        "sort_over_stream_time": (ways["sort"]["cpu_s"] - made) / (ways["stream"]["cpu_s"] - made),
        "sort_over_stream_memory": ways["sort"]["peak_mb"] / ways["stream"]["peak_mb"],
    }
    print(json.dumps(result, indent=2))
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

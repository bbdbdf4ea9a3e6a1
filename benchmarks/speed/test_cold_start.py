"""Cold start: what a process pays before its first verification.

Bars: ``import idverify`` under 0.3 s; a cold check adds under 1 s to a warm one. Each round is a fresh process.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def _start(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, timeout=120)


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("python alone", "pass"),
        ("import idverify", "import idverify"),
        ("idverify --help", "from idverify.cli import main; main(['--help'])"),
        ("import idverify.verification.verifier", "import idverify.verification.verifier"),
        ("verifier with models loaded", "from idverify.verification.verifier import Verifier; Verifier().load()"),
    ],
)
def test_cold_start(benchmark: BenchmarkFixture, what: str, code: str) -> None:
    benchmark.group = "cold start"
    benchmark.name = what
    benchmark.pedantic(_start, args=(code,), rounds=5, warmup_rounds=1)


def test_cold_check_beside_a_warm_one(benchmark: BenchmarkFixture) -> None:
    from idverify.verification.verifier import Verifier

    clips, photos = sorted(SAMPLES.glob("*.mp4")), sorted(SAMPLES.glob("*.jpg"))
    if not clips or not photos:
        pytest.skip("no samples in this checkout")
    verifier = Verifier()
    verifier.check(clips[0], photos[0])
    start = time.perf_counter()
    verifier.check(clips[0], photos[0])
    warm_s = time.perf_counter() - start
    code = f"from idverify.cli import main; main(['check', {str(clips[0])!r}, {str(photos[0])!r}, '--quiet'])"
    benchmark.group = "cold start"
    benchmark.pedantic(_start, args=(code,), rounds=3, warmup_rounds=1)
    benchmark.extra_info["warm_s"] = warm_s
    benchmark.extra_info["cold_adds_s"] = benchmark.stats.stats.median - warm_s

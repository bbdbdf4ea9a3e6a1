"""Two nodes of Ray on this machine, one of which is killed in mid-run: every row is there, once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs ray")

from idverify.evaluation.executors import executor

START_S = 120


@dataclass
class Cluster:
    address: str
    second: set[int]
    environment: dict[str, str]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _raylets() -> set[int]:
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes().split(b"\0")[0]
            except OSError:
                continue
            if command.endswith(b"/raylet"):
                found.add(int(folder.name))
    return found


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    if not Path("/proc").is_dir():
        pytest.skip("finds its nodes in /proc")
    # Ray's sockets have long names; a short folder keeps them within what the system allows.
    scratch = tempfile.mkdtemp(prefix="r", dir="/tmp")
    tests = Path(__file__).resolve().parents[2]
    environment = {
        **os.environ,
        "RAY_USAGE_STATS_ENABLED": "0",
        # A cluster of one test on one machine: no token is shared.
        "RAY_AUTH_MODE": "disabled",
        # A dead node is noticed within seconds.
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_failure_threshold": "3",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(tests), os.environ.get("PYTHONPATH", "")]),
    }
    port = _free_port()
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    node = ["--num-cpus=1", "--disable-usage-stats", "--object-store-memory=100000000"]
    # Every node has an address of its own, so that the driver's is known: it must not be the one that dies.
    at = [f"--node-ip-address={ip}" for ip in ("127.0.0.1", "127.0.0.2")]
    head = ["start", "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={scratch}", *node, at[0]]
    before = _raylets()
    try:
        subprocess.run([*ray, *head], env=environment, check=True, capture_output=True, timeout=START_S)
        first = _raylets() - before
        join = ["start", f"--address=127.0.0.1:{port}", *node, at[1]]
        subprocess.run([*ray, *join], env=environment, check=True, capture_output=True, timeout=START_S)
        yield Cluster(f"127.0.0.1:{port}", _raylets() - before - first, environment)
    finally:
        # What this test started and nothing else: another cluster on this machine is not its business.
        for pid in _raylets() - before:
            os.kill(pid, signal.SIGKILL)
        subprocess.run(["pkill", "-9", "-f", scratch], check=False)
        shutil.rmtree(scratch, ignore_errors=True)


def square_slowly(_: None, job: int) -> int:
    import time

    time.sleep(0.05)
    return job * job


def nothing() -> None:
    return None


def drive(address: str, victim: int) -> None:
    """Run 120 jobs, kill a node after 30, and print what was answered."""
    answers = {}
    with executor("ray", workers=2, address=address) as engine:
        for number, answer in engine.map(square_slowly, range(120), setup=nothing):
            assert number not in answers
            answers[number] = answer
            if len(answers) == 30:
                os.kill(victim, signal.SIGKILL)
    print(json.dumps([answers[number] for number in sorted(answers)], default=repr))


@pytest.mark.cluster
def test_a_node_that_is_killed_costs_no_row(cluster):
    [victim] = cluster.second
    # In a process of its own: Ray settles once a process how it proves itself to clusters.
    program = f"import test_ray_cluster; test_ray_cluster.drive({cluster.address!r}, {victim})"
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, env=cluster.environment, capture_output=True, text=True, timeout=START_S, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == [number * number for number in range(120)]

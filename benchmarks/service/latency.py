"""How long people wait for the service: from its start to ready, and from a recording's last piece to the decision.

    python benchmarks/service/latency.py [--rounds 5] [--video samples/replay_phone.mp4]

Starts ``idverify serve`` with a new folder on a free port of the loopback interface, sends the same recording in each
round as a plain file in pieces, and runs ``idverify check`` on it right before, so that a busy machine slows both.
Prints medians over the rounds and their range; the ratio is taken within each round.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
PORT = 18080
BASE = f"http://127.0.0.1:{PORT}"
REFERENCE = ROOT / "samples" / "reference.jpg"
PIECE = 50_000


def until(condition: Callable[[], Any]) -> float:
    """Seconds until a condition holds, looked at every 20 ms."""
    began = time.perf_counter()
    while not condition():
        time.sleep(0.02)
    return time.perf_counter() - began


def ok(path: str) -> bool:
    try:
        return httpx.get(BASE + path, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def service(folder: Path, role: str) -> Iterator[subprocess.Popen[str]]:
    """``idverify serve`` from an existing folder."""
    command = [sys.executable, "-m", "idverify.cli", "serve", "--data", str(folder), "--port", str(PORT)]
    process = subprocess.Popen([*command, "--role", role], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def first_key(folder: Path) -> str:
    """Start once, so that tables and keys are made, and take the key it prints."""
    with service(folder, "web") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.match(r"  key +(\S+)", line):
                return found.group(1)
    raise SystemExit("the service printed no key")


def one_decision(key: str, video: bytes) -> float:
    """Seconds from the last piece's arrival to the decision being there to be asked for."""
    api = httpx.Client(base_url=BASE, headers={"Authorization": f"Bearer {key}"}, timeout=60)
    photo = base64.b64encode(REFERENCE.read_bytes()).decode()
    body = {"reference_photo": photo, "policy": "ial2", "options": {"file": True}}
    made = api.post("/v1/attempts", json=body).json()
    person = httpx.Client(base_url=BASE, headers={"Origin": BASE}, timeout=60)
    person.post("/r/" + made["link"].rsplit("/", 1)[1] + "/open", json={})
    person.post("/capture/consent", json={"version": "benchmark"})
    began = person.post("/capture/recordings", json={"source": "file"}).json()
    path = f"/capture/recordings/{began['recording']}"
    parts = [video[i : i + PIECE] for i in range(0, len(video), PIECE)]
    for n, part in enumerate(parts):
        headers = {"X-Chunk-SHA256": hashlib.sha256(part).hexdigest()}
        person.put(f"{path}/chunks/{n}", content=part, headers=headers)
    start = time.perf_counter()
    person.post(f"{path}/finish", json={"chunks": len(parts), "sha256": hashlib.sha256(video).hexdigest()})
    until(lambda: api.get(f"/v1/attempts/{made['id']}").json()["decision"])
    return time.perf_counter() - start


def one_check(video: Path) -> float:
    """Seconds of ``idverify check``."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "idverify.cli", "check", str(video), str(REFERENCE), "--quiet"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    return time.perf_counter() - start


def show(name: str, values: list[float], unit: str = "s") -> None:
    low, high = min(values), max(values)
    print(f"{name:<44} median {statistics.median(values):6.2f} {unit}  ({low:.2f} to {high:.2f}, n = {len(values)})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--video", type=Path, default=ROOT / "samples" / "replay_phone.mp4")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    python_s: list[float] = []
    web_s: list[float] = []
    models_s: list[float] = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            key = first_key(folder)
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", "import idverify.service.serve"], check=True)
            python_s.append(time.perf_counter() - start)
            with service(folder, "web"):
                web_s.append(until(lambda: ok("/readyz")))
            with service(folder, "all"):
                models_s.append(until(lambda: ok("/readyz")))
    show("of it, Python and its imports", python_s)
    show("start to ready, without models", web_s)
    show("start to ready, with models", models_s)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        key = first_key(folder)
        video = options.video.read_bytes()
        with service(folder, "all"):
            until(lambda: ok("/readyz"))
            one_decision(key, video)
            pairs = [(one_check(options.video), one_decision(key, video)) for _ in range(options.rounds)]
    show("idverify check on the same file", [check for check, _ in pairs])
    show("from the last piece to the decision", [decided for _, decided in pairs])
    show("ratio, round by round", [decided / check for check, decided in pairs], "x")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()

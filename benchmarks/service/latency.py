"""How long people wait for the service: from its start to ready, and from a recording's last piece to the decision.

    python benchmarks/service/latency.py [--rounds 5] [--video samples/replay_phone.mp4] [--json FILE]

Starts ``idverify serve`` with a new folder on a free port of the loopback interface, sends the same recording in each
round as a plain file in pieces, and runs ``idverify check`` on it right before, so that a busy machine slows both.
Prints medians over the rounds and their range; the ratio is taken within each round. Processor time is what a machine
that does other things as well tells truly; the wall's clock counts on one that is idle.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import resource
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
    command = [sys.executable, "-m", "idverify", "serve", "--data", str(folder), "--port", str(PORT)]
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
    command = [sys.executable, "-m", "idverify", "check", str(video), str(REFERENCE), "--quiet"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    return time.perf_counter() - start


def start_to_ready(folder: Path, role: str) -> tuple[float, float]:
    """Seconds until ready by the wall's clock, and of processor time of all its processes until they had ended."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with service(folder, role):
        wall_s = until(lambda: ok("/readyz"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def row(what: str, values: list[float], unit: str = "s", bar: float | None = None) -> dict[str, Any]:
    found = {
        "what": what, "unit": unit, "median": statistics.median(values), "low": min(values), "high": max(values),
        "n": len(values), "bar": bar,
    }  # fmt: skip
    spread = f"({found['low']:.2f} to {found['high']:.2f}, n = {len(values)})"
    print(f"{what:<52} {found['median']:6.2f} {unit}  {spread}" + ("" if bar is None else f"  bar {bar:g}"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--video", type=Path, default=ROOT / "samples" / "replay_phone.mp4")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    load = os.getloadavg()[0]
    web: list[tuple[float, float]] = []
    whole: list[tuple[float, float]] = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as name:
            first_key(Path(name))
            web.append(start_to_ready(Path(name), "web"))
            whole.append(start_to_ready(Path(name), "all"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        key = first_key(folder)
        video = options.video.read_bytes()
        with service(folder, "all"):
            until(lambda: ok("/readyz"))
            one_decision(key, video)
            pairs = [(one_check(options.video), one_decision(key, video)) for _ in range(options.rounds)]
    rows = [
        row("start to ready, without models", [wall for wall, _ in web], bar=2.0),
        row("of it, processor time", [cpu for _, cpu in web]),
        row("start to ready, with models", [wall for wall, _ in whole], bar=3.0),
        row("of it, processor time", [cpu for _, cpu in whole]),
        row("`idverify check` on the same file", [check for check, _ in pairs]),
        row("from the last piece to the decision", [decided for _, decided in pairs]),
        row("that over `idverify check`, round by round", [d / c for c, d in pairs], "times", bar=1.3),
    ]
    print(f"load average {load:.1f} before, {os.getloadavg()[0]:.1f} after, on {os.cpu_count()} cores")
    if options.json:
        found = {
            "video": options.video.name,
            "cores": os.cpu_count(),
            "load_before": load,
            "niceness": os.getpriority(os.PRIO_PROCESS, 0),
            "rows": rows,
        }
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

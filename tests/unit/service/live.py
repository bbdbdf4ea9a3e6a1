"""A service as it is run: a process of its own, reached over the loopback interface.

Without TLS, and so without the authorities' certificates: to load them takes a client longer than twenty requests.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

import idverify
from idverify.service.api_keys import NewKey, has_keys, make_key
from idverify.service.core import open_core
from idverify.service.settings import Settings

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
VIDEO = (SAMPLES / "photo_panned.mp4").read_bytes()
PHOTO = (SAMPLES / "reference.jpg").read_bytes()
# Machines that run tests are slow, shared, or both.
PATIENCE_S = 120.0


def wait_for(condition: Callable[[], Any], what: str, *, within_s: float = PATIENCE_S) -> Any:
    until = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < until, f"waited {within_s:g} s for {what}"
        time.sleep(0.05)
    return found


def free_port() -> int:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return int(server.server_address[1])


@dataclass
class Service:
    """``idverify serve`` with a folder that outlives it."""

    data: Path
    database: str = ""
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None
    key: NewKey | None = None

    def start(self, *, ready: bool = True) -> Service:
        if self.key is None:
            core = open_core(Settings(data=self.data, database=self.database))
            assert not has_keys(core)
            self.key = make_key(core, "tests")
            core.database.close()
        self.launch()
        wait_for(lambda: self.answers("/healthz") or self.gone(), "the service to answer")
        if ready:
            wait_for(lambda: self.answers("/readyz"), "the service to be ready")
        return self

    def launch(self) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(idverify.__file__).parents[1]),
            "OMP_NUM_THREADS": "1",
            "IDVERIFY_DATABASE": self.database,
            **self.environment,
        }
        command = [sys.executable, "-m", "idverify", "serve", "--data", str(self.data), "--port", str(self.port)]
        self.log = open(self.data / "log", "a")  # noqa: SIM115 - closed with the process
        self.process = subprocess.Popen([*command, *self.options], stdout=self.log, stderr=self.log, env=environment)

    def gone(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.data / "log").read_text()
        return False

    def answers(self, path: str) -> bool:
        try:
            return httpx.get(self.base + path, timeout=5, verify=False).status_code == 200
        except httpx.HTTPError:
            return False

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """As the system would: at once, without a word."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.log.close()

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(timeout=30)
        self.log.close()
        return code

    def api(self) -> httpx.Client:
        assert self.key is not None
        headers = {"Authorization": f"Bearer {self.key.secret}"}
        return httpx.Client(base_url=self.base, headers=headers, timeout=30, verify=False)

    def ask(self, **body: Any) -> dict[str, Any]:
        photo = base64.b64encode(PHOTO).decode()
        with self.api() as api:
            answer = insist(lambda: api.post("/v1/attempts", json={"reference_photo": photo, **body}))
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def ask_in_case(self, subject: str, *, policy: str, **body: Any) -> dict[str, Any]:
        """An attempt in a case of its own."""
        photo = base64.b64encode(PHOTO).decode()
        with self.api() as api:
            case = insist(lambda: api.post("/v1/cases", json={"subject": subject, "policy": policy})).json()["id"]
            path = f"/v1/cases/{case}/attempts"
            answer = insist(lambda: api.post(path, json={"reference_photo": photo, **body}))
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def look(self, attempt: str) -> dict[str, Any]:
        with self.api() as api:
            answer = insist(lambda: api.get(f"/v1/attempts/{attempt}"))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def insist(request: Callable[[], httpx.Response]) -> httpx.Response:
    """As a browser does that has lost its connection: again, until there is an answer."""

    def tried() -> httpx.Response | None:
        try:
            answer = request()
        except httpx.TransportError:
            return None
        return None if answer.status_code in (429, 503) else answer

    answer: httpx.Response = wait_for(tried, "an answer")
    return answer


class Person:
    """A browser that records and follows, as the page's script does."""

    def __init__(self, service: Service, made: dict[str, Any]) -> None:
        self.service, self.attempt = service, made["id"]
        self.http = httpx.Client(base_url=service.base, headers={"Origin": service.base}, timeout=30, verify=False)
        token = made["link"].rsplit("/", 1)[1]
        answer = insist(lambda: self.http.post(f"/r/{token}/open", json={}))
        assert answer.status_code == 200, answer.text
        assert insist(lambda: self.http.post("/capture/consent", json={"version": "v"})).status_code == 204

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = insist(lambda: self.http.get("/capture/state")).json()
        return found

    def send_file(self, video: bytes = VIDEO, *, piece: int = 20_000) -> str:
        """A file in pieces; again from the start where the service asks for it. Returns the problem, if any."""
        began = insist(lambda: self.http.post("/capture/recordings", json={"source": "file"}))
        if began.status_code != 200:
            return str(began.json()["code"])
        path = f"/capture/recordings/{began.json()['recording']}"
        parts = [video[i : i + piece] for i in range(0, len(video), piece)]
        for n, part in enumerate(parts):
            headers = {"X-Chunk-SHA256": hashlib.sha256(part).hexdigest()}
            address = f"{path}/chunks/{n}"
            put = insist(lambda a=address, p=part, h=headers: self.http.put(a, content=p, headers=h))
            if put.status_code != 200:
                return str(put.json()["code"])
        whole = {"chunks": len(parts), "sha256": hashlib.sha256(video).hexdigest()}
        done = insist(lambda: self.http.post(path + "/finish", json=whole))
        return "" if done.status_code == 202 else str(done.json()["code"])


class Receiver:
    """Takes webhooks; the first few it refuses, as told."""

    def __init__(self, refusals: tuple[int, ...] = ()) -> None:
        self.taken: queue.Queue[tuple[bytes, dict[str, str]]] = queue.Queue()
        self.seen: list[tuple[bytes, dict[str, str]]] = []
        left = list(refusals)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                entry = (body, {name.lower(): value for name, value in self.headers.items()})
                outer.seen.append(entry)
                status = left.pop(0) if left else 204
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()
                if status == 204:
                    outer.taken.put(entry)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def next(self) -> tuple[bytes, dict[str, str]]:
        return self.taken.get(timeout=PATIENCE_S)

    def states(self) -> list[str]:
        return [json.loads(body)["data"]["state"] for body, _ in self.seen]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

"""A service whose judge is the test: not what a recording shows is the point, but what comes of it for the person."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from capture_page import SAMPLES

from idverify.service import audit, cases, jobs
from idverify.service.api_keys import make_key
from idverify.service.case_states import CaseState
from idverify.service.core import open_core
from idverify.service.settings import Settings

START_S, WAIT_S = 60.0, 120.0


class CaseSite:
    """A web process that asks briskly, the calling service's side of it, and a judge that says what it is told."""

    def __init__(self, data: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.core = open_core(Settings(data=data, port=port))
        self._key = make_key(self.core, "tests")
        self._outcomes: list[dict[str, Any]] = []
        self._over = threading.Event()
        self._log = (data / "log").open("w")
        command = [sys.executable, str(Path(__file__).with_name("brisk_serve.py")), str(data), str(port)]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        self._judge = threading.Thread(target=self._judging, daemon=True)
        self._judge.start()
        self.wait(self._answers, "the service to answer", within_s=START_S)
        self.reference = self.ask("POST", "/v1/references", content=(SAMPLES / "reference.jpg").read_bytes())["id"]

    def close(self) -> None:
        """End it."""
        self._over.set()
        self._process.terminate()
        self._process.wait(timeout=20)
        self._judge.join(timeout=20)
        self._log.close()
        self.core.database.close()

    def wait(self, condition: Callable[[], Any], what: str, *, within_s: float = WAIT_S) -> Any:
        """Wait until something is so."""
        until = time.monotonic() + within_s
        while not (found := condition()):
            assert time.monotonic() < until, f"waited {within_s:g} s for {what}"
            time.sleep(0.1)
        return found

    def ask(self, method: str, path: str, body: object = None, *, content: bytes | None = None) -> dict[str, Any]:
        """One request of the calling service."""
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", f"Bearer {self._key.secret}")
        data = content if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data, timeout=60) as answer:
            return json.load(answer)

    def case(self, **body: object) -> dict[str, Any]:
        """A new case, with the ``link`` to its page."""
        wanted = {"subject": f"account-{time.monotonic_ns()}", "reference": self.reference, "service": "A bank", **body}
        made = self.ask("POST", "/v1/cases", wanted)
        return {**made, **self.ask("POST", f"/v1/cases/{made['id']}/link")}

    def state(self, case: dict[str, Any]) -> str:
        """What a case is now."""
        return self.ask("GET", f"/v1/cases/{case['id']}")["state"]

    def says(self, outcome: str, *reasons: str) -> None:
        """What the judge will say of the next recording."""
        self._outcomes.append({"outcome": outcome, "reasons": list(reasons)})

    @contextmanager
    def held(self, case: dict[str, Any]) -> Any:
        """The case's row, as the desk changes it."""
        with self.core.database.writing() as session:
            audit.hold(session)
            yield session, cases.locked_case(session, case["id"])

    def become(self, case: dict[str, Any], *states: str) -> None:
        """What the desk does, shortened."""
        for state in states:
            with self.held(case) as (session, row):
                cases.become(self.core, session, row, CaseState(state), actor="acc_TEST")

    def _answers(self) -> bool:
        assert self._process.poll() is None, Path(self._log.name).read_text()
        try:
            urllib.request.urlopen(self.url + "/healthz", timeout=5).close()
        except OSError:
            return False
        return True

    def _judging(self) -> None:
        while not self._over.wait(0.2):
            job = jobs.claim(self.core, "stub") if self._outcomes else None
            if job is not None:
                jobs.settle(self.core, job, self._outcomes.pop(0), {"source": "camera"})

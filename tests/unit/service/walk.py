"""One attempt's way, step by step, for tests: what a browser would do."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from idverify.service import attempts, capture, jobs, series
from idverify.service.api_keys import Caller
from idverify.service.attempts import Asked
from idverify.service.core import Core, open_core
from idverify.service.problems import Problem
from idverify.service.settings import Settings

PHOTO = b"a photo"


@cache
def _tables() -> bytes:
    """A file of SQLite whose tables are made: to copy it takes a hundredth of the time."""
    with tempfile.TemporaryDirectory() as folder:
        open_core(Settings(data=Path(folder))).database.close()
        return (Path(folder) / "idverify.sqlite").read_bytes()


def open_new(settings: Settings, **options: Any) -> Core:
    """A service that was not there before, as ``open_core`` opens it."""
    if not settings.database:
        settings.data.mkdir(parents=True, exist_ok=True)
        (settings.data / "idverify.sqlite").write_bytes(_tables())
    return open_core(settings, **options)


def asked(**changes: Any) -> Asked:
    return Asked(**{"policy": "recovery", "locale": "en", "photo": PHOTO, **changes})


@dataclass
class Walk:
    """An attempt and how far it came."""

    core: Core
    caller: Caller
    attempt: str = ""
    token: str = ""
    session: str = ""
    recording: str = ""

    def ask(self, **changes: Any) -> Walk:
        made = attempts.create(self.core, self.caller, asked(**changes))
        self.attempt, self.token = made.view["id"], made.link.rsplit("/", 1)[1]
        return self

    def open(self) -> Walk:
        self.session = capture.open_link(self.core, self.token).session
        capture.consent(self.core, self.attempt, "v1")
        return self

    def begin(self, **options: Any) -> Walk:
        self.recording = capture.begin_recording(self.core, self.attempt, signals={}, **options).recording_id
        return self

    def put(self, n: int, content: bytes) -> tuple[int, bool]:
        return capture.put_chunk(self.core, self.attempt, self.recording, n, content, sha256(content))

    def follow(self) -> list[dict[str, Any]]:
        """Ask for every step until none is left."""
        steps: list[dict[str, Any]] = []
        clock: Any = self.core.clock
        while True:
            found = capture.next_step(self.core, self.attempt, self.recording, after=len(steps) - 1)
            if found.step is not None:
                steps.append(found.step)
            elif found.done:
                return steps
            else:
                clock.pass_s(found.wait_s or 0.1)

    def finish(self, *pieces: bytes, sha: str | None = None) -> Walk:
        capture.finish(
            self.core,
            self.attempt,
            self.recording,
            n_chunks=len(pieces),
            sha256=sha or sha256(b"".join(pieces)),
            signals={},
        )
        return self

    def record(self, *pieces: bytes) -> Walk:
        """All of it: begin, first piece, steps, the others, finish."""
        self.begin()
        self.put(0, pieces[0])
        self.follow()
        for n, piece in enumerate(pieces[1:], 1):
            self.put(n, piece)
        return self.finish(*pieces)

    def judged(self, outcome: str, *, measured: Any = None, **decision: Any) -> Walk:
        job = jobs.claim(self.core, "judge")
        assert job is not None
        assert jobs.settle(self.core, job, {"outcome": outcome, "reasons": [], **decision}, {"source": "camera"})
        series.keep(self.core, job.attempt_id, job.recording_id, measured)
        return self

    @property
    def view(self) -> dict[str, Any]:
        return attempts.get(self.core, self.caller, self.attempt)

    @property
    def state(self) -> str:
        return str(self.view["state"])


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def at_once(*acts: Callable[[], Any], within_s: float = 60.0) -> list[Any]:
    """Do all of it at the same time; what each returned, or the code of why not."""
    barrier, found = threading.Barrier(len(acts)), [None] * len(acts)

    def run(n: int, act: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            found[n] = act()
        except Problem as problem:
            found[n] = problem.code

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=within_s)
    assert not any(thread.is_alive() for thread in threads)
    return found

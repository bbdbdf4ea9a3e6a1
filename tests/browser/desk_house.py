"""A service with a desk whose judge is the test: what a recording shows is not the point here, what people do with it
is. Its recordings are real films of a generated sample, its decisions are written by hand and called simulated."""

from __future__ import annotations

import hashlib
import io
import json
import math
import subprocess
import sys
import time
import urllib.request
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pyotp
from capture_page import SAMPLES

from idverify.service import audit, capture, case_policy, cases, jobs, series
from idverify.service.api_keys import Caller, make_key
from idverify.service.attempts import Asked
from idverify.service.case_routes import CaseRoute
from idverify.service.cases import AskedCase
from idverify.service.core import open_core
from idverify.service.desk import accounts
from idverify.service.desk.accounts import NewAccount
from idverify.service.desk.roles import Role
from idverify.service.settings import Settings
from idverify.service.tables import Case

START_S = 60.0
_STEPS = (("turn_left", 1.0, 3.0), ("blink_twice", 3.5, 5.5), ("look_up", 6.0, 8.0))


class Clock:
    """The machine's of a while ago, which is set forward where somebody would have to wait.

    Never ahead, for what happens later has to be later; and never so far behind that what is opened has expired.
    """

    def __init__(self) -> None:
        self.ahead_s = -1200.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s

    def pass_s(self, seconds: float) -> None:
        self.ahead_s += seconds


class DeskHouse:
    """``idverify serve --role web``, people who work there, and cases that wait for them."""

    def __init__(self, data: Path, port: int) -> None:
        self.url, self.clock = f"http://127.0.0.1:{port}", Clock()
        shipped = Path(case_policy.__file__).with_name("case_policy.toml")
        policy = data / "policy.toml"
        policy.write_text(shipped.read_text().replace("[30, 60, 300, 900]", "[0.1]"))
        self.core = open_core(
            Settings(data=data, port=port, cases=case_policy.load_case_policy(policy)), clock=self.clock
        )
        key = make_key(self.core, "tests")
        self.caller, self._secret = Caller(id=key.id, name=key.name), key.secret
        self._log = (data / "log").open("w")
        command = [sys.executable, "-m", "idverify", "serve", "--data", str(data), "--port", str(port)]
        options = ["--role", "web", "--case-policy", str(policy)]
        self._process = subprocess.Popen([*command, *options], stdout=self._log, stderr=self._log)
        until = time.monotonic() + START_S
        while not self._answers():
            assert time.monotonic() < until
            time.sleep(0.1)
        self._people = 0

    def _answers(self) -> bool:
        assert self._process.poll() is None, Path(self._log.name).read_text()
        try:
            urllib.request.urlopen(self.url + "/healthz", timeout=5).close()
        except OSError:
            return False
        return True

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        self._log.close()
        self.core.database.close()

    # -- people

    def somebody(self, role: Role, name: str = "") -> NewAccount:
        self._people += 1
        return accounts.add(self.core, name or f"{role.value}.{self._people}", role)

    def sign_in(self, page: Any, role: Role, name: str = "") -> NewAccount:
        """Somebody new, signed in on a page."""
        made = self.somebody(role, name)
        assert made.totp_uri is not None
        page.goto(f"{self.url}/desk/sign-in")
        page.fill("#name", made.name)
        page.fill("#password", made.password or "")
        page.fill("#code", pyotp.parse_uri(made.totp_uri).now())  # type: ignore[union-attr]
        page.click("button.primary")
        page.wait_for_selector(".desk-nav")
        return made

    # -- cases

    def ask(self, method: str, path: str) -> dict[str, Any]:
        """One request of the calling service."""
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", f"Bearer {self._secret}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def case(self, subject: str, *, route: CaseRoute = CaseRoute.STANDARD, locale: str = "en") -> str:
        asked = AskedCase(subject=subject, route=route, policy="recovery", locale=locale)
        return str(cases.open_case(self.core, self.caller, asked)[0]["id"])

    def state(self, case: str) -> str:
        return str(cases.get(self.core, self.caller, case)["state"])

    def attempt(self, case: str, outcome: str, film: bytes) -> None:
        """One recording, and what the judge says of it."""
        photo = (SAMPLES / "reference.jpg").read_bytes()
        asked = Asked(policy="recovery", locale="en", photo=photo)
        made = cases.new_attempt(self.core, self.caller, case, asked)
        attempt = made.view["id"]
        capture.open_link(self.core, made.link.rsplit("/", 1)[1])
        capture.consent(self.core, attempt, "v")
        signals = {"camera": {"label": "Front camera (simulated)"}}
        recording = capture.begin_recording(self.core, attempt, signals=signals).recording_id
        size = 20_000
        pieces = [film[n : n + size] for n in range(0, len(film), size)]
        for n, piece in enumerate(pieces):
            capture.put_chunk(self.core, attempt, recording, n, piece, hashlib.sha256(piece).hexdigest())
        steps = 0
        while not (found := capture.next_step(self.core, attempt, recording, after=steps - 1)).done:
            steps += found.step is not None
            self.clock.pass_s(0.0 if found.step is not None else found.wait_s or 0.1)
        whole = hashlib.sha256(film).hexdigest()
        capture.finish(self.core, attempt, recording, n_chunks=len(pieces), sha256=whole, signals=signals)
        job = jobs.claim(self.core, "stub")
        assert job is not None
        latencies = {"source": "camera", "latencies_s": [0.8, 1.1, 0.9]}
        assert jobs.settle(self.core, job, simulated_decision(outcome), latencies)
        series.keep(self.core, job.attempt_id, job.recording_id, simulated_series())
        self.clock.pass_s(0.2)

    def rejected(self, subject: str, film: bytes, *, times: int = 5, **more: Any) -> str:
        """A case that the machine rejected; with five times a person has it."""
        case = self.case(subject, **more)
        for _ in range(times):
            self.attempt(case, "reject", film)
        return case

    def due(self, case: str, in_s: float) -> None:
        """Let a case be due at another time."""
        with self.core.database.writing() as session:
            audit.hold(session)
            session.get_one(Case, case).due_s = time.time() + in_s

    def many(self, count: int, film: bytes) -> None:
        """Cases as rows, after one that was made in full."""
        first = self.rejected("account-0", film)
        with self.core.database.writing() as session:
            row = session.get_one(Case, first)
            columns = {column.name: getattr(row, column.name) for column in Case.__table__.columns}
            for n in range(1, count):
                due_s = time.time() + 600 * (n - count / 20)
                session.add(Case(**{**columns, "id": f"cas_MANY{n:06d}", "subject": f"account-{n}", "due_s": due_s}))


def simulated_decision(outcome: str) -> dict[str, Any]:
    """What a judge writes, by hand: every part that the desk shows."""
    good = outcome == "accept"
    similarity = 0.62 if good else 0.31
    steps = [
        {
            "action": action,
            "start_s": start,
            "end_s": end,
            "status": "passed" if good else "failed",
            "seen": {"action": action, "time_s": start + 0.5} if good else None,
            "reason": None,
            "depth_share": None,
        }
        for action, start, end in _STEPS
    ]
    mechanisms = [
        {"name": "liveliness", "status": "assessed", "native": 0.3, "unit": "", "llr": 1.0, "detail": "two blinks"},
        {"name": "recapture", "status": "assessed", "native": 0.8, "unit": "", "llr": 0.4, "detail": "no raster"},
    ]
    quality = {"Sharpness": 71.0, "UnderExposurePrevention": 88.0, "HeadPoseFrontal": 64.0}
    return {
        "outcome": outcome,
        "reasons": ["match", "live"] if good else ["no_match"],
        "confidence": 0.97 if good else 0.02,
        "match": {
            "similarity": similarity, "llr": 4.0 if good else -2.0, "threshold": 0.47,
            "fmr_at_score": 1e-4 if good else 0.02, "stated_for": "strangers of the least favoured group",
        },
        "challenge": {"steps": steps},
        "liveness": {"llr": 1.4, "mechanisms": mechanisms},
        "injection_signals": [],
        "quality": quality,
        "reference": {"faces": 1, "quality": quality},
        "bystanders": 0,
        "models": [],
        "policy": {"name": "recovery", "sha256": "0" * 64},
    }  # fmt: skip


def simulated_series() -> dict[str, Any]:
    """What its mechanisms measured over time, by hand: a face that talks and blinks twice, and a network."""
    times_s = [n / 15 for n in range(90)]
    moving = [1 + 0.3 * math.sin(7 * time_s) + 3 * (n in (20, 21, 66)) for n, time_s in enumerate(times_s)]
    return {
        "liveliness": {"times_s": times_s, "values": moving},
        "recapture": {"times_s": [0.5, 2.0, 3.5, 5.0], "values": [-12.1, -14.0, -11.7, -13.2]},
    }


def make_film(clip: Path = SAMPLES / "replay_phone.mp4") -> bytes:
    """Two seconds of a sample as a browser records them: WebM, VP8."""
    target = io.BytesIO()
    with av.open(str(clip)) as source, av.open(target, "w", format="webm") as made:
        stream = made.add_stream("libvpx", rate=15, options={"deadline": "realtime", "cpu-used": "8"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number, frame in enumerate(source.decode(video=0)):
            if number >= 30:
                break
            taken = frame.reformat(320, 240, "yuv420p")
            taken.pts, taken.time_base = number, Fraction(1, 15)
            made.mux(stream.encode(taken))
        made.mux(stream.encode(None))
    return target.getvalue()

"""Judges: each takes one recording at a time from the queue and hands it to a process of its own behind walls.

Goal: a codec that crashes, hangs or eats memory costs one attempt a clear technical failure, and nothing else. The
process that decodes knows no keys and no database; this side knows no pictures.

Public items: :class:`Judge`.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

from idverify.errors import CalibrationError, MediaCrashedError, ModelError, PolicyError
from idverify.service import jobs, series
from idverify.service.blobs import NoSuchBlobError, StorageUnavailableError
from idverify.service.core import Core
from idverify.service.database import DatabaseUnavailableError
from idverify.service.inmate import Inmate
from idverify.service.jobs import Case, Job
from idverify.service.keys import EvidenceUnreadableError, new_id
from idverify.service.problems import Problem
from idverify.text import foreign

__all__ = ["Judge"]

log = logging.getLogger("idverify.service.judge")

# How often a judge looks for work, and how long it waits after it could not start or reach something, in seconds.
LOOK_S = 0.2
PAUSE_S = 2.0
# What makes every recording wait: what the process needs cannot be used.
_UNFIT = (ModelError, CalibrationError, PolicyError)
# What a judge's process says -> what the person is told: all of it technical, none of it against anybody.
_FAILURES = {"media": "recording_unreadable", "late": "recording_late"}


class Judge(threading.Thread):
    """One judge: a thread that looks for work, and its process."""

    def __init__(
        self, core: Core, *, inmate: Inmate | None = None, on_settled: Callable[[str, str], None] | None = None
    ) -> None:
        super().__init__(name="judge", daemon=True)
        self._core = core
        self._owner = new_id("judge")
        self._told = threading.Event()
        # One that was begun earlier, to load its models meanwhile.
        self._inmate = inmate or Inmate(memory_bytes=core.settings.limits.judge_bytes)
        self._on_settled = on_settled
        self.ready = threading.Event()
        #: Why the judge cannot work; empty while it can.
        self.trouble = ""

    @property
    def inmate(self) -> Inmate:
        """Its process."""
        return self._inmate

    def run(self) -> None:
        """Look for work until told to stop."""
        while not self._told.is_set():
            try:
                self._have_inmate()
                self.trouble = ""
                self.ready.set()
                job = jobs.claim(self._core, self._owner)
            except (*_UNFIT, MediaCrashedError, DatabaseUnavailableError) as error:
                self._report(error)
                self._told.wait(PAUSE_S)
                continue
            if job is None:
                self._told.wait(LOOK_S)
                continue
            try:
                self._do(job)
            except (DatabaseUnavailableError, StorageUnavailableError) as error:
                # The lease runs out, and somebody tries again.
                self._report(error)
                self._told.wait(PAUSE_S)
            except Exception as error:  # noqa: BLE001 - whatever a recording made its process say, it ends no judge
                log.error("attempt %s: the answer cannot be used (%s)", job.attempt_id, type(error).__name__)
                with contextlib.suppress(DatabaseUnavailableError):
                    self._settled(job, "failed", jobs.fail(self._core, job, "judge_failed"))
        self._inmate.end()

    def stop(self) -> None:
        """Ask it to end after what it is doing; its process ends at once."""
        self._told.set()
        self._inmate.end()

    def _have_inmate(self) -> None:
        if self._inmate.alive and self.ready.is_set():
            return
        self.ready.clear()
        self._inmate.start()
        if self._inmate.missing_walls:
            log.warning("judges run without: %s", ", ".join(self._inmate.missing_walls))

    def _do(self, job: Job) -> None:
        try:
            case = jobs.load(self._core, job)
        except (Problem, NoSuchBlobError, EvidenceUnreadableError) as error:
            log.warning("attempt %s cannot be judged: %s", job.attempt_id, error)
            self._settled(job, "failed", jobs.fail(self._core, job, "recording_incomplete"))
            return
        with _Lease(self._core, job):
            try:
                answer = self._ask(case)
            except _UNFIT as error:
                self._tell_the_operator(str(error))
                jobs.give_back_untried(self._core, job)
                self._told.wait(PAUSE_S)
                return
            except MediaCrashedError as error:
                if self._told.is_set() or (error.killed and job.tries < jobs.MAX_TRIES):
                    jobs.put_back(self._core, job)
                    return
                log.warning("attempt %s: %s", job.attempt_id, error)
                self._settled(job, "failed", jobs.fail(self._core, job, "judge_failed"))
                return
        decision, capture = answer.get("decision"), answer.get("capture")
        if isinstance(decision, dict) and decision.get("outcome") in jobs.STATES and isinstance(capture, dict):
            done = jobs.settle(self._core, job, decision, capture)
            self._settled(job, decision["outcome"], done)
            if done:
                series.keep(self._core, job.attempt_id, job.recording_id, answer.get("series"))
        elif answer.get("error") == "setup":
            # The next process says as it begins whether it lacks anything, and then nothing is claimed. One that lacks
            # nothing then and says so of this recording again: others would wait behind it for ever, so this is a try.
            self._tell_the_operator(str(answer.get("detail", "")))
            self._inmate.end()
            jobs.put_back(self._core, job)
            self._told.wait(PAUSE_S)
        else:
            code = _FAILURES.get(str(answer.get("error")), "judge_failed")
            log.warning("attempt %s: %s, %s", job.attempt_id, code, foreign(answer.get("detail", "")))
            self._settled(job, "failed", jobs.fail(self._core, job, code))

    def _tell_the_operator(self, why: str) -> None:
        """Say what keeps recordings waiting until the models or the policy have been mended."""
        self.trouble = why
        log.error("recordings cannot be judged: %s", foreign(why))

    def _ask(self, case: Case) -> dict[str, Any]:
        limits = self._core.settings.limits
        return self._inmate.answer(
            "judge",
            case.video,
            case.photo,
            within_s=limits.judge_s,
            policy=case.policy,
            challenge=case.challenge,
            chunks=[list(chunk) for chunk in case.chunks],
            revealed_s=list(case.revealed_s),
            began_s=case.began_s,
            arrival_s=limits.arrival_s,
            camera=str(case.signals.get("camera", {}).get("label", "")),
        )

    def _settled(self, job: Job, outcome: str, heard: bool) -> None:
        if heard and self._on_settled is not None:
            self._on_settled(job.attempt_id, outcome)

    def _report(self, error: Exception) -> None:
        if str(error) != self.trouble:
            log.warning("a judge waits: %s", error)
        self.trouble = str(error)


class _Lease:
    """Renews a lease beside the work."""

    def __init__(self, core: Core, job: Job) -> None:
        self._core, self._job = core, job
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *raised: object) -> None:
        self._done.set()
        self._thread.join()

    def _renew(self) -> None:
        while not self._done.wait(self._core.settings.limits.lease_s / 3):
            try:
                if not jobs.renew(self._core, self._job):
                    return
            except DatabaseUnavailableError:
                continue

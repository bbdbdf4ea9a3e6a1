"""Worker processes that judge trials and answer one by one.

Each worker talks to the run through a pipe of its own. When the run dies, the pipe breaks and its workers end; when a
worker dies, the run sees the pipe end, gives what is left of its job to a new worker once, and after a second death
keeps the rest of that job as failed rows. Only errors of media are rows; an error of models, policy or parameters
ends the run.

Public items: :class:`Job`, :class:`Answer`, :func:`answers`.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from idverify.errors import IdverifyError, MediaError
from idverify.evaluation.analyst import Analyst, Judge
from idverify.evaluation.results import FAILED, TrialResult, failed, from_decision

__all__ = ["Answer", "Job", "answers"]

# A job whose worker died is tried once more: the machine may have been short of memory.
ATTEMPTS = 2
# Seconds that a worker is given to end by itself.
PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One video and the trials that it takes part in.

    Parameters
    ----------
    video
        Looked at once.
    trials
        Number of the trial, and its reference or None.
    attempts
        Workers that died of it.
    """

    video: Path
    trials: tuple[tuple[int, Path | None], ...]
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A finished trial."""

    trial: int
    result: TrialResult


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    job: Job | None = None


def answers(jobs: Sequence[Job], hire: Callable[[], Analyst], *, workers: int) -> Iterator[Answer]:
    """Judge all jobs in `workers` processes; answers come as they are ready, in no order.

    Parameters
    ----------
    jobs
    hire
        Makes the analyst of a worker; must be picklable.
    workers
        Processes at once, at least 1.

    Raises
    ------
    IdverifyError
        The models, the policy or the parameters cannot be used.
    """
    waiting = deque(jobs)
    crew: list[_Worker] = []
    try:
        while waiting or any(worker.job for worker in crew):
            while len(crew) < min(workers, len(waiting) + sum(1 for w in crew if w.job)):
                crew.append(_start(hire))
            for worker in crew:
                if worker.job is None and waiting:
                    _give(worker, waiting.popleft())
            for pipe in wait([worker.pipe for worker in crew]):
                worker = next(w for w in crew if w.pipe is pipe)
                yield from _hear(worker, crew, waiting)
    finally:
        _dismiss(crew)


def _start(hire: Callable[[], Analyst]) -> _Worker:
    # Spawned, not forked: the run's threads and open files stay its own.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, hire), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _give(worker: _Worker, job: Job) -> None:
    worker.job = job
    with suppress(OSError):  # it died idle; the end of its pipe says so next
        worker.pipe.send(job)


def _hear(worker: _Worker, crew: list[_Worker], waiting: deque[Job]) -> Iterator[Answer]:
    """Take one message of a worker."""
    try:
        message = worker.pipe.recv()
    except (EOFError, OSError):
        crew.remove(worker)
        worker.process.join()
        if worker.job is not None:
            yield from _after_death(worker.job, worker.process.exitcode, waiting)
        return
    if isinstance(message, Answer) and worker.job is not None:
        left = tuple(t for t in worker.job.trials if t[0] != message.trial)
        worker.job = replace(worker.job, trials=left) if left else None
        yield message
    elif isinstance(message, IdverifyError):
        raise message


def _after_death(job: Job, exit_code: int | None, waiting: deque[Job]) -> Iterator[Answer]:
    if job.attempts + 1 < ATTEMPTS:
        waiting.appendleft(replace(job, attempts=job.attempts + 1))
        return
    row = TrialResult(outcome=FAILED, error=f"the process that looked at it ended with exit code {exit_code}")
    yield from (Answer(trial=number, result=row) for number, _ in job.trials)


def _dismiss(crew: list[_Worker]) -> None:
    for worker in crew:
        worker.pipe.close()
    for worker in crew:
        if worker.job is not None:
            worker.process.terminate()
        worker.process.join(PATIENCE_S)
        if worker.process.is_alive():
            worker.process.kill()


# -- in the worker
# ----------------------------------------------------------------------------------------------------


def _work(pipe: Connection, hire: Callable[[], Analyst]) -> None:
    """Judge until the pipe ends."""
    # The keyboard's interrupt reaches the whole group; the run alone decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        try:
            analyst = hire()
            _use_one_core()
            while True:
                _judge_job(pipe, pipe.recv(), analyst)
        except IdverifyError as error:
            pipe.send(_portable(error))
    except (EOFError, OSError):
        return  # the run is over


def _use_one_core() -> None:
    """One process a core leaves no core for OpenCV's threads."""
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)


def _judge_job(pipe: Connection, job: Job, analyst: Analyst) -> None:
    try:
        judge: Judge | MediaError = analyst.look(job.video)
    except MediaError as error:
        judge = error
    for number, reference in job.trials:
        pipe.send(Answer(trial=number, result=_judge_trial(judge, reference)))


def _judge_trial(judge: Judge | MediaError, reference: Path | None) -> TrialResult:
    if isinstance(judge, MediaError):
        return failed(judge)
    try:
        return from_decision(judge(reference))
    except MediaError as error:
        return failed(error)


def _portable(error: IdverifyError) -> IdverifyError:
    """The same error with its sentence only: what else it carries may not pass a pipe."""
    plain: Any = type(error)
    return plain(str(error))  # type: ignore[no-any-return]

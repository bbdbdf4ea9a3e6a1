"""Worker processes that judge trials and answer one by one.

Every photo is enrolled once and every video is watched once, whichever worker does it: enrolled photos come back to
the run, which keeps them in memory and sends them along with the videos that meet them. The photos of a video come
right before it, so that trials are finished from the start, and a worker never waits while there is anything to do.
Each worker keeps to one core.

Each worker talks to the run through a pipe of its own. When the run dies, the pipe breaks and its workers end; when a
worker dies, the run sees the pipe end, gives what is left of its job to a new worker once, and after a second death
keeps the rest of that job as failed rows. Only errors of media are rows; an error of models, policy or parameters
ends the run.

Public items: :class:`Job`, :class:`Answer`, :class:`Enrolled`, :func:`answers`.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from idverify.errors import IdverifyError, MediaError
from idverify.evaluation.results import FAILED, TrialResult, failed, from_decision
from idverify.evaluation.system import Judge, SystemUnderTest
from idverify.models import cores

__all__ = ["Answer", "Enrolled", "Job", "answers"]

# A job whose worker died is tried once more: the machine may have been short of memory.
ATTEMPTS = 2
# Seconds that a worker is given to end by itself.
PATIENCE_S = 2.0
# Photos enrolled in one go: some tenths of a second, so that no worker waits long for the last of them.
PHOTOS_AT_ONCE = 8


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

    @property
    def photos(self) -> frozenset[Path]:
        """The references that it meets."""
        return frozenset(photo for _, photo in self.trials if photo is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A finished trial."""

    trial: int
    result: TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A photo that was looked at: pickled, so that the run passes it on unread; or why it cannot be used."""

    photo: Path
    reference: bytes | TrialResult = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Photos:
    """Photos to enrol."""

    photos: tuple[Path, ...]
    attempts: int = 0


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    job: Job | _Photos | None = None
    # Numbers of trials, or photos, that it has answered of its job.
    done: set[int | Path] = field(default_factory=set)


def answers(
    jobs: Sequence[Job], make_system: Callable[[], SystemUnderTest], *, workers: int
) -> Iterator[Answer | Enrolled]:
    """Judge all jobs in `workers` processes; answers come as they are ready, in no order.

    Parameters
    ----------
    jobs
    make_system
        Makes the system of a worker; must be picklable.
    workers
        Processes at once, at least 1.

    Raises
    ------
    IdverifyError
        The models, the policy or the parameters cannot be used.
    """
    run = _Run(jobs, make_system, workers)
    try:
        while run.goes_on():
            run.assign()
            for pipe in wait([worker.pipe for worker in run.pool]):
                yield from run.hear(next(worker for worker in run.pool if worker.pipe is pipe))
    finally:
        _dismiss(run.pool)


class _Run:
    """Who does what; and the photos that were enrolled, for as long as a trial needs them."""

    def __init__(self, jobs: Sequence[Job], make_system: Callable[[], SystemUnderTest], workers: int) -> None:
        self.pool: list[_Worker] = []
        self._make_system, self._workers = make_system, workers
        self._waiting = deque(_photos_before_videos(jobs))
        self._enrolled: dict[Path, bytes | TrialResult] = {}
        self._uses = Counter(photo for job in jobs for _, photo in job.trials)

    def goes_on(self) -> bool:
        return bool(self._waiting) or any(worker.job for worker in self.pool)

    def assign(self) -> None:
        """Give every idle worker what can be done now."""
        busy = sum(1 for worker in self.pool if worker.job)
        while len(self.pool) < min(self._workers, len(self._waiting) + busy):
            self.pool.append(_start(self._make_system))
        for worker in self.pool:
            job = next(filter(self._is_ready, self._waiting), None) if worker.job is None else None
            if job is not None:
                self._waiting.remove(job)
                self._give(worker, job)

    def _is_ready(self, job: Job | _Photos) -> bool:
        return isinstance(job, _Photos) or self._enrolled.keys() >= job.photos

    def _give(self, worker: _Worker, job: Job | _Photos) -> None:
        worker.job, worker.done = job, set()
        references = {photo: self._enrolled[photo] for photo in job.photos} if isinstance(job, Job) else {}
        with suppress(OSError):  # it died idle; the end of its pipe says so next
            worker.pipe.send((job, references))

    def hear(self, worker: _Worker) -> Iterator[Answer | Enrolled]:
        """Take one message of a worker."""
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            self.pool.remove(worker)
            worker.process.join()
            yield from self._after_death(worker)
            return
        if isinstance(message, IdverifyError):
            raise message
        if isinstance(message, Enrolled):
            worker.done.add(message.photo)
            self._enrolled[message.photo] = message.reference
            yield message
        elif isinstance(message, Answer):
            worker.done.add(message.trial)
            yield message
        else:
            self._finish(worker)

    def _finish(self, worker: _Worker) -> None:
        if isinstance(worker.job, Job):
            self._release(worker.job.trials)
        worker.job = None

    def _release(self, trials: Iterable[tuple[int, Path | None]]) -> None:
        """Forget the photos that no other trial needs."""
        for _, photo in trials:
            self._uses[photo] -= 1
            if photo is not None and not self._uses[photo]:
                del self._enrolled[photo]

    def _after_death(self, worker: _Worker) -> Iterator[Answer | Enrolled]:
        job, row = worker.job, _death(worker.process.exitcode)
        last = job is not None and job.attempts + 1 >= ATTEMPTS
        if isinstance(job, _Photos):
            left = [photo for photo in job.photos if photo not in worker.done]
            if last:
                self._enrolled.update(dict.fromkeys(left, row))
                yield from (Enrolled(photo=photo, reference=row) for photo in left)
            else:  # one at a time, so that a second death costs no other photo
                again = [_Photos(photos=(photo,), attempts=job.attempts + 1) for photo in left]
                self._waiting.extendleft(reversed(again))
        elif job is not None:
            undone = tuple(trial for trial in job.trials if trial[0] not in worker.done)
            if undone and not last:
                self._release(trial for trial in job.trials if trial[0] in worker.done)
                self._waiting.appendleft(replace(job, trials=undone, attempts=job.attempts + 1))
            else:
                self._release(job.trials)
                yield from (Answer(trial=number, result=row) for number, _ in undone)


def _death(exit_code: int | None) -> TrialResult:
    return TrialResult(outcome=FAILED, error=f"the process that looked at it ended with exit code {exit_code}")


def _photos_before_videos(jobs: Sequence[Job]) -> Iterator[Job | _Photos]:
    """Every job, and before it the photos that it is the first to meet."""
    seen: set[Path] = set()
    for job in jobs:
        new = [photo for photo in dict.fromkeys(photo for _, photo in job.trials) if photo and photo not in seen]
        seen.update(new)
        for start in range(0, len(new), PHOTOS_AT_ONCE):
            yield _Photos(photos=tuple(new[start : start + PHOTOS_AT_ONCE]))
        yield job


def _start(make_system: Callable[[], SystemUnderTest]) -> _Worker:
    # Spawned, not forked: the run's threads and open files stay its own.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, make_system), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _dismiss(pool: list[_Worker]) -> None:
    for worker in pool:
        worker.pipe.close()
    for worker in pool:
        if worker.job is not None:
            worker.process.terminate()
        worker.process.join(PATIENCE_S)
        if worker.process.is_alive():
            worker.process.kill()


# -- in the worker ---------------------------------------------------------------------------------------------------


def _work(pipe: Connection, make_system: Callable[[], SystemUnderTest]) -> None:
    """Answer until the pipe ends; after the last answer of a job comes None."""
    # The keyboard's interrupt reaches the whole group; the run alone decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # One process a core leaves no core for the threads of native libraries.
    cores.keep_to(1)
    try:
        try:
            system = make_system()
            while True:
                job, references = pipe.recv()
                for answer in _answers_to(job, references, system):
                    pipe.send(answer)
                pipe.send(None)
        except IdverifyError as error:
            pipe.send(_portable(error))
    except (EOFError, OSError):
        return  # the run is over


def _answers_to(
    job: Job | _Photos, references: Mapping[Path, bytes | TrialResult], system: SystemUnderTest
) -> Iterator[Answer | Enrolled]:
    if isinstance(job, _Photos):
        yield from (Enrolled(photo=photo, reference=_enrolled(photo, system)) for photo in job.photos)
        return
    try:
        judge: Judge | MediaError = system.observe(job.video)
    except MediaError as error:
        judge = error
    for number, photo in job.trials:
        yield Answer(trial=number, result=_judged(judge, None if photo is None else references[photo]))


def _enrolled(photo: Path, system: SystemUnderTest) -> bytes | TrialResult:
    try:
        return pickle.dumps(system.enrol(photo))
    except MediaError as error:
        return failed(error)


def _judged(judge: Judge | MediaError, reference: bytes | TrialResult | None) -> TrialResult:
    if isinstance(judge, MediaError):
        return failed(judge)
    if isinstance(reference, TrialResult):
        return reference
    try:
        return from_decision(judge(None if reference is None else pickle.loads(reference)))
    except MediaError as error:
        return failed(error)


def _portable(error: IdverifyError) -> IdverifyError:
    """The same error with its sentence only: what else it carries may not pass a pipe."""
    plain: Any = type(error)
    return plain(str(error))  # type: ignore[no-any-return]

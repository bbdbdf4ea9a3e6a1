"""Map a task over jobs in other processes, each of which loads its models once.

The engine only maps: concurrent.futures on one machine, Ray or Dask on one or many. What has been done is kept by
whoever asks (a journal, parts of a result), so a run that is killed anywhere is simply started again.

A job whose worker died is tried once more, alone, so that no other job is blamed for it; if its worker dies again, its
answer is a :class:`WorkerDeath`. An error of models, policy or parameters ends the run; errors of media are the
task's own business.

Public items: :class:`Executor`, :class:`WorkerDeath`, :class:`LocalExecutor`, :func:`executor`, :data:`ENGINES`.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

from idverify.errors import IdverifyError, ParameterError
from idverify.isolation.keyboard import unheard
from idverify.models import cores

__all__ = ["ENGINES", "Executor", "LocalExecutor", "Pool", "WorkerDeath", "executor", "map_over", "perform"]

S = TypeVar("S")
J = TypeVar("J")
R = TypeVar("R")

ENGINES = ("local", "ray", "dask")
# Jobs that wait at a worker beside the one it is at, so that it never waits for the next one.
AHEAD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDeath:
    """The answer of a job that killed its worker twice."""

    detail: str = "the process that looked at it died"


class Executor(Protocol):
    """Something that runs a task on jobs elsewhere."""

    def map(
        self, task: Callable[[S, J], R], jobs: Iterable[J], *, setup: Callable[[], S]
    ) -> Iterator[tuple[int, R | WorkerDeath]]:
        """Run `task` on every job; give the number of each job with its answer as they come, in no order.

        Parameters
        ----------
        task
            Takes what `setup` made and a job. It and the jobs are picklable.
        jobs
            Taken as they are needed: a long stream of them stays a stream.
        setup
            Makes what a worker needs for all its jobs; called once in each.

        Raises
        ------
        IdverifyError
            `setup` or `task` raised it.
        """


class Pool(Protocol):
    """What an engine gives: workers that take jobs and answer or die."""

    slots: int

    def submit(self, work: bytes, job: Any) -> Any:
        """Hand a job over; give a handle."""

    def first_of(self, handles: Sequence[Any]) -> Iterable[Any]:
        """Wait until some of the handles have an answer, and give those."""

    def answer(self, handle: Any) -> Any:
        """The answer of a finished handle.

        Raises
        ------
        WorkerDiedError
        """


class WorkerDiedError(Exception):
    """The worker of a job is gone, and with it the answer."""


def map_over(
    pool: Pool, task: Callable[[S, J], R], jobs: Iterable[J], setup: Callable[[], S]
) -> Iterator[tuple[int, R | WorkerDeath]]:
    """Keep the workers of a pool busy; the part that all engines share."""
    work = pickle.dumps((setup, task))
    coming = enumerate(jobs)
    flying: dict[Any, tuple[int, J]] = {}
    suspects: deque[tuple[int, J]] = deque()
    alone = False
    while True:
        if suspects and not flying:
            number, job = suspects.popleft()
            flying[pool.submit(work, job)] = (number, job)
            alone = True
        elif not suspects:
            alone = False
            while len(flying) < pool.slots and (item := next(coming, None)) is not None:
                flying[pool.submit(work, item[1])] = item
        if not flying:
            return
        for handle in pool.first_of(list(flying)):
            number, job = flying.pop(handle)
            try:
                answer = pool.answer(handle)
            except WorkerDiedError:
                if alone:
                    yield number, WorkerDeath()
                else:
                    suspects.append((number, job))
                continue
            if isinstance(answer, IdverifyError):
                raise answer
            yield number, answer


# -- in the worker ---------------------------------------------------------------------------------------------------

_loaded: dict[bytes, Any] = {}


def perform(work: bytes, job: Any) -> Any:
    """Do one job with what this process loaded before, or loads now; an error of idverify is an answer."""
    setup, task = pickle.loads(work)
    try:
        if work not in _loaded:
            # One process a core leaves no core for the threads of native libraries.
            cores.keep_to(1)
            _loaded.clear()
            _loaded[work] = setup()
        return task(_loaded[work], job)
    except IdverifyError as error:
        # The same error with its sentence only: what else it carries may not pass between processes.
        plain: Any = type(error)
        return plain(str(error))


def _begin(lifeline: Connection) -> None:
    """Prepare a process of this machine's own pool."""
    # Where no mask keeps the keyboard's interrupt away: the run alone decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _end_with(lifeline: Connection) -> None:
    """A run that is killed or interrupted leaves no process behind: the line closes, and nothing is ever said on it."""
    with suppress(EOFError, OSError):
        lifeline.recv_bytes()
    os._exit(0)


# -- this machine ----------------------------------------------------------------------------------------------------


class LocalExecutor:
    """Processes of this machine, by :mod:`concurrent.futures`.

    Parameters
    ----------
    workers
        Processes at once; by default the cores of this process.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or cores.usable()

    def map(
        self, task: Callable[[S, J], R], jobs: Iterable[J], *, setup: Callable[[], S]
    ) -> Iterator[tuple[int, R | WorkerDeath]]:
        """See :meth:`Executor.map`."""
        with _LocalPool(self.workers) as pool:
            yield from map_over(pool, task, jobs, setup)


class _LocalPool(AbstractContextManager["_LocalPool"]):
    def __init__(self, workers: int) -> None:
        self.slots = workers * AHEAD
        self._workers = workers
        self._workers_end, self._own_end = multiprocessing.Pipe(duplex=False)
        self._pool = self._new()

    def _new(self) -> ProcessPoolExecutor:
        # Spawned, not forked: the run's threads and open files stay its own.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._workers, mp_context=context, initializer=_begin, initargs=(self._workers_end,))

    def submit(self, work: bytes, job: Any) -> Future[Any]:
        # Whoever is submitted to may begin a worker.
        with unheard():
            try:
                return self._pool.submit(perform, work, job)
            except BrokenExecutor:  # a worker died; the handles of its pool say so themselves
                self._pool = self._new()
                return self._pool.submit(perform, work, job)

    def first_of(self, handles: Sequence[Future[Any]]) -> Iterable[Future[Any]]:
        return wait(handles, return_when=FIRST_COMPLETED).done

    def answer(self, handle: Future[Any]) -> Any:
        try:
            return handle.result()
        except BrokenExecutor as error:
            raise WorkerDiedError from error

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            # What the workers are at is of no use any more; it may take minutes.
            self._own_end.close()
        self._pool.shutdown(cancel_futures=True)
        self._own_end.close()
        self._workers_end.close()


@contextmanager
def executor(engine: str = "local", *, workers: int | None = None, address: str | None = None) -> Iterator[Executor]:
    """Open an engine by its name, and close it again.

    Parameters
    ----------
    engine
        One of :data:`ENGINES`.
    workers
        Workers at once; by default what the engine finds.
    address
        Of a running Ray or Dask cluster; without it, one is started on this machine.

    Raises
    ------
    ParameterError
        There is no such engine, it is not installed, or it takes no address.
    """
    if engine == "local":
        if address is not None:
            raise ParameterError("the engine 'local' is this machine: --address goes with ray or dask")
        yield LocalExecutor(workers)
        return
    if engine not in ENGINES:
        raise ParameterError(f"there is no engine {engine!r}; there are {', '.join(ENGINES)}")
    try:
        module = import_module(f"idverify.evaluation.{engine}_executor")
    except ImportError as error:
        needed = {"ray": "ray", "dask": "distributed"}[engine]
        raise ParameterError(f"the engine {engine!r} is not installed: pip install {needed}") from error
    with module.open_engine(workers, address) as opened:
        yield opened

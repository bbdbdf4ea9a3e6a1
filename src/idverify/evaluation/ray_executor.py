"""Workers as actors of Ray: on this machine, or on a cluster by its address.

An actor that dies is replaced by a new one, on another node where its own is gone. Importing this module needs the
package ``ray`` and turns its usage reports off.

Public items: :func:`open_engine`, :class:`RayExecutor`.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

# Before the import: Ray decides then. Nothing of a verification is reported to anybody.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# Ray replaces the environment of workers started under uv, which has no network to do it with.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")

import ray
from ray.exceptions import RayActorError, RayTaskError, WorkerCrashedError

from idverify.errors import ParameterError
from idverify.evaluation.executors import AHEAD, WorkerDeath, WorkerDiedError, map_over, perform

__all__ = ["RayExecutor", "open_engine"]

S = TypeVar("S")
J = TypeVar("J")
R = TypeVar("R")

# The first jobs are shared among the actors that found a place by then.
FIRST_PLACES_S = 20.0
# Between two tries to place an actor: until a cluster has noticed that a node is gone, it goes on putting actors there.
AGAIN_S = 0.5
# One that lets nothing run for this many tries in a row will not do so.
TRIES = 60


class _Worker:
    def started(self) -> None:
        """Answered once it runs somewhere."""

    def perform(self, work: bytes, job: Any) -> Any:
        return perform(work, job)


# Not restarted by Ray: a job sent to an actor between two lives is lost, one sent to a new actor waits for it.
_Actor: Any = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Worker)


class RayExecutor:
    """Actors of the cluster that this process is connected to, one a core.

    Parameters
    ----------
    workers
        Actors at once; by default the cluster's cores.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))

    def map(
        self, task: Callable[[S, J], R], jobs: Iterable[J], *, setup: Callable[[], S]
    ) -> Iterator[tuple[int, R | WorkerDeath]]:
        """See :meth:`~idverify.evaluation.executors.Executor.map`."""
        pool = _ActorPool(self.workers)
        try:
            yield from map_over(pool, task, jobs, setup)
        finally:
            pool.close()


class _ActorPool:
    """Actors that run, and those that wait for a place: a job goes to the former only.

    Where a node is gone and the others are full, the actor that takes the place of a dead one may wait for ever.
    """

    def __init__(self, workers: int) -> None:
        self.slots = workers * AHEAD
        self._running: list[Any] = []
        self._waiting: dict[Any, Any] = {}
        self._at: dict[Any, Any] = {}
        self._in_vain = 0
        for _ in range(workers):
            self._start()
        self._take_in(FIRST_PLACES_S, wanted=workers)

    def submit(self, work: bytes, job: Any) -> Any:
        self._take_in(0)
        while not self._running:
            self._take_in(None)
        load = Counter(self._at.values())
        actor = min(self._running, key=lambda candidate: load[candidate])
        handle = actor.perform.remote(work, job)
        self._at[handle] = actor
        return handle

    def _start(self) -> None:
        actor = _Actor.remote()
        self._waiting[actor.started.remote()] = actor

    def _take_in(self, patience_s: float | None, *, wanted: int = 1) -> None:
        """Let actors that found a place take jobs; wait for as many as are wanted."""
        if not self._waiting:
            return
        found, _ = ray.wait(list(self._waiting), num_returns=min(wanted, len(self._waiting)), timeout=patience_s)
        for handle in found:
            actor = self._waiting.pop(handle)
            try:
                ray.get(handle)
            except (RayActorError, WorkerCrashedError) as error:  # its place was on a node that is gone
                self._in_vain += 1
                if self._in_vain == TRIES:
                    raise ParameterError(f"no worker starts on the Ray cluster: {type(error).__name__}") from error
                time.sleep(AGAIN_S)
                self._start()
            else:
                self._in_vain = 0
                self._running.append(actor)

    def first_of(self, handles: Sequence[Any]) -> Iterable[Any]:
        done: list[Any] = ray.wait(list(handles), num_returns=1)[0]
        return done

    def answer(self, handle: Any) -> Any:
        actor = self._at.pop(handle)
        try:
            return ray.get(handle)
        except (RayActorError, WorkerCrashedError) as error:
            self._replace(actor)
            raise WorkerDiedError from error
        except RayTaskError as error:
            raise error.as_instanceof_cause() from None

    def _replace(self, dead: Any) -> None:
        """Start another in a dead actor's place, and let those without a job show that they did not go with it."""
        if dead in self._running:
            self._running.remove(dead)
            self._start()
        busy = set(self._at.values())
        for actor in [each for each in self._running if each not in busy]:
            self._running.remove(actor)
            self._waiting[actor.started.remote()] = actor

    def close(self) -> None:
        for actor in (*self._running, *self._waiting.values()):
            ray.kill(actor)


def _own_node(address: str) -> dict[str, str]:
    """Of several nodes on this machine, the driver belongs to the one at the address."""
    host = address.rpartition(":")[0]
    return {"_node_ip_address": host} if host.startswith("127.") else {}


@contextmanager
def open_engine(workers: int | None, address: str | None) -> Iterator[RayExecutor]:
    """Connect to a cluster, or start one on this machine; leave it again.

    Raises
    ------
    ParameterError
        Nothing answers at the address.
    """
    try:
        if address is None:
            ray.init(
                num_cpus=workers,
                include_dashboard=False,
                log_to_driver=False,
                configure_logging=False,
                # A cluster of one machine talks to nobody else.
                _node_ip_address="127.0.0.1",
            )
        else:
            ray.init(address=address, log_to_driver=False, configure_logging=False, **_own_node(address))
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = address or "this machine"
        raise ParameterError(f"no Ray cluster could be reached at {where}: {type(error).__name__}") from error
    try:
        yield RayExecutor(workers)
    finally:
        ray.shutdown()

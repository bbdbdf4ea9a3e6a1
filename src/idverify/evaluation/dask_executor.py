"""Workers of Dask: processes of this machine, or of a cluster by its scheduler's address.

Importing this module needs the package ``distributed``.

Public items: :func:`open_engine`, :class:`DaskExecutor`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import dask
from distributed import Client, LocalCluster, wait
from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker

from idverify.errors import ParameterError
from idverify.evaluation.executors import AHEAD, WorkerDeath, WorkerDiedError, map_over, perform
from idverify.models import cores

__all__ = ["DaskExecutor", "open_engine"]

S = TypeVar("S")
J = TypeVar("J")
R = TypeVar("R")

# Seconds in which a scheduler answers.
_CONNECT_S = 10.0
_SETTINGS = {
    # Whether a job is tried again is decided by the run, not by the scheduler.
    "distributed.scheduler.allowed-failures": 0,
    # Jobs hold media that are read once; none is worth moving to another worker.
    "distributed.scheduler.work-stealing": False,
    "distributed.admin.large-graph-warning-threshold": "1GB",
    # Dask's own setting gives memory back after every picture and takes it again for the next.
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    # Nobody looks at what a worker spends its time on, a hundred times a second.
    "distributed.worker.profile.enabled": False,
}


class DaskExecutor:
    """Workers of a cluster.

    Parameters
    ----------
    client
        Connected to the cluster.
    workers
        Jobs at once; by default the cluster's threads.
    """

    def __init__(self, client: Client, workers: int | None = None) -> None:
        self._client = client
        self.workers = workers or max(1, sum(client.nthreads().values()))

    def map(
        self, task: Callable[[S, J], R], jobs: Iterable[J], *, setup: Callable[[], S]
    ) -> Iterator[tuple[int, R | WorkerDeath]]:
        """See :meth:`~idverify.evaluation.executors.Executor.map`."""
        yield from map_over(_FuturePool(self._client, self.workers), task, jobs, setup)


class _FuturePool:
    def __init__(self, client: Client, workers: int) -> None:
        self.slots = workers * AHEAD
        self._client = client

    def submit(self, work: bytes, job: Any) -> Any:
        return self._client.submit(perform, work, job, pure=False, retries=0)

    def first_of(self, handles: Sequence[Any]) -> Iterable[Any]:
        return list(wait(list(handles), return_when="FIRST_COMPLETED").done)

    def answer(self, handle: Any) -> Any:
        try:
            return handle.result()
        except (KilledWorker, FutureCancelledError) as error:
            raise WorkerDiedError from error
        finally:
            handle.release()


@contextmanager
def open_engine(workers: int | None, address: str | None) -> Iterator[DaskExecutor]:
    """Connect to a cluster, or start one on this machine; leave it again.

    Raises
    ------
    ParameterError
        Nothing answers at the address.
    """
    with dask.config.set(_SETTINGS):
        if address is None:
            count = workers or cores.usable()
            with (
                LocalCluster(
                    n_workers=count, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, memory_limit=0
                ) as cluster,
                Client(cluster) as client,
            ):
                yield DaskExecutor(client, workers)
            return
        try:
            client = Client(address, timeout=_CONNECT_S)
        except (OSError, TimeoutError) as error:
            raise ParameterError(f"no Dask scheduler answers at {address}") from error
        with client:
            yield DaskExecutor(client, workers)

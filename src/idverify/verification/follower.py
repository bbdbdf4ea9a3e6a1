"""Work beside the decoder or the networks: in order, in one thread of its own, bounded.

Decoders, OpenCV and the models leave Python's lock, so on two cores faces are followed in the next picture while the
liveness observers still look at this one. What is found is the same: everything happens once, in order.

Public items: :class:`Follower`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

from idverify.models import cores

__all__ = ["Follower"]

T = TypeVar("T")

# Pictures that wait hold decoder memory.
MAX_BEHIND = 3


class Follower:
    """A context in which work is done in the order it was given, and all of it by its end.

    An error of the work is raised where more is given, or at the end.
    """

    def __init__(self) -> None:
        # On one core a second thread only gets in the way.
        self._pool = ThreadPoolExecutor(1, "idverify-follower") if cores.usable() > 1 else None
        self._given: deque[Future[None]] = deque()

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pool is None:
            return
        try:
            while kind is None and self._given:
                self._given.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def give(self, work: Callable[[], None]) -> None:
        """Have something done after all that was given before; waits while too much is waiting."""
        if self._pool is None:
            work()
            return
        while len(self._given) >= MAX_BEHIND:
            self._given.popleft().result()
        self._given.append(self._pool.submit(work))

    def ask(self, work: Callable[[], T]) -> Callable[[], T]:
        """Have something found meanwhile; what is returned waits for it, inside the context.

        On one core it is found when it is waited for, and an error of it is raised there.
        """
        return work if self._pool is None else self._pool.submit(work).result

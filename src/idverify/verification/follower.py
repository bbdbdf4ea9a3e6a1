"""Work beside the decoder or the networks: in order, in one thread of its own, bounded.

Decoders, OpenCV and the models leave Python's lock, so on two cores faces are followed in the next picture while the
liveness observers still look at this one. What is found is the same: everything happens once, in order.

A thread serves one context after the other, since OpenCV keeps some 900 bytes for good of each thread that it ran in.

Public items: :class:`Follower`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, TypeVar

from idverify.models import cores

__all__ = ["Follower"]

T = TypeVar("T")

# Pictures that wait hold decoder memory.
MAX_BEHIND = 3

# Threads that wait for their next context.
_idle: list[ThreadPoolExecutor] = []
if hasattr(os, "register_at_fork"):  # where processes can be forked: such a one has none of them
    os.register_at_fork(after_in_child=_idle.clear)


class Follower:
    """A context in which work is done in the order it was given, and all of it by its end.

    An error of the work is raised where more is given, or at the end.
    """

    def __init__(self) -> None:
        # On one core a second thread only gets in the way.
        self._pool = _thread() if cores.usable() > 1 else None
        self._given: deque[Future[None]] = deque()
        self._asked: list[Future[Any]] = []

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pool is None:
            return
        try:
            while kind is None and self._given:
                self._given.popleft().result()
        finally:
            rest = [*self._given, *self._asked]
            for work in rest:
                work.cancel()
            wait(rest)
            _idle.append(self._pool)

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
        if self._pool is None:
            return work
        asked = self._pool.submit(work)
        self._asked.append(asked)
        return asked.result


def _thread() -> ThreadPoolExecutor:
    """One that has nothing to do."""
    try:
        return _idle.pop()
    except IndexError:
        return ThreadPoolExecutor(1, "idverify-follower")

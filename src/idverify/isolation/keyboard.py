"""The keyboard's interrupt reaches a whole group of processes; the one that was started by hand decides for all.

Public items: :func:`unheard`.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["unheard"]


@contextmanager
def unheard() -> Iterator[None]:
    """Begin processes in here: none of them hears the interrupt, not even before its first line of Python runs.

    This process hears one that came meanwhile when it leaves.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # A mask is inherited, and unlike a handler no program's start takes it away.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

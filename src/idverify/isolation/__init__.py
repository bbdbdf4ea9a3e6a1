"""Isolation: a process of its own for what touches strangers' bytes.

In: work for a child process. Out: its answer, or one error where it crashed, hung or took too much memory. The child
closes walls around itself: no network, no new programs, no files, bounded memory, as far as the system has them.
Nothing here knows what is decoded. Read :mod:`~idverify.isolation.process` first, then ``walls`` and ``channel``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from idverify._lazy import lazy_names

if TYPE_CHECKING:
    from idverify.isolation.process import ChildProcess
    from idverify.isolation.walls import Walls, available

__all__ = ["ChildProcess", "Walls", "available"]

__getattr__, __dir__ = lazy_names(__name__, {"ChildProcess": "process", "Walls": "walls", "available": "walls"})

"""How many cores the native libraries of this process use: all that it may, or fewer where processes share a machine.

Public items: :func:`usable`, :func:`keep_to`.
"""

from __future__ import annotations

import os

__all__ = ["keep_to", "usable"]

_kept_to: int | None = None


def usable() -> int:
    """Cores this process may use, which in a container are fewer than the machine has."""
    if _kept_to is not None:
        return _kept_to
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def keep_to(cores: int) -> None:
    """Let decoders, OpenCV and sessions that are made from now on use this many threads."""
    import cv2

    global _kept_to
    _kept_to = cores
    cv2.setNumThreads(cores)

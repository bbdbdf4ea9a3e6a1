"""Small questions about pictures, answered while somebody waits: is this photo usable, what can the person do better.

Goal: the web process decodes nothing. It asks a process like the judges', behind the same walls, begun at the first
question; where it does not answer in time, there is no hint, and a photo is taken as it is and judged later.

Public items: :class:`Examiner`.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Any

from idverify.service.cell import Inmate, InmateError
from idverify.service.core import Core
from idverify.service.problems import Problem

__all__ = ["Examiner"]

log = logging.getLogger("idverify.service.examiner")

_PHOTO_S, _HINT_S = 20.0, 3.0
# Hints are for one moment: who finds this many waiting goes without.
_MAX_WAITING_HINTS = 4


class Examiner:
    """One process for all small questions of a web process."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._lock = threading.Lock()
        self._inmate: Inmate | None = None
        self._hints = threading.BoundedSemaphore(_MAX_WAITING_HINTS)

    def start(self) -> None:
        """Begin to load, so that the first question need not wait."""
        with contextlib.suppress(InmateError):
            self._ready()

    def require_usable(self, photo: bytes) -> None:
        """Refuse a photo that no recording could be compared with.

        Raises
        ------
        Problem
            ``not_a_photo``, ``reference_unusable``.
        """
        try:
            answer = self._ask({"what": "photo"}, photo, within_s=_PHOTO_S)
        except InmateError as error:
            log.warning("a photo was not looked at: %s", error)
            return
        if answer.get("error") in ("media", "memory"):
            raise Problem("not_a_photo")
        if answer.get("usable") is False:
            raise Problem("reference_unusable", f"{answer['reason']}: {answer['detail']}"[:250])

    def hint(self, picture: bytes) -> str | None:
        """One word about a small grey picture; None where nobody had the time.

        Raises
        ------
        Problem
            ``not_a_photo``.
        """
        if not self._hints.acquire(blocking=False):
            return None
        try:
            answer = self._ask({"what": "hint"}, picture, within_s=_HINT_S)
        except InmateError:
            return None
        finally:
            self._hints.release()
        if answer.get("error") in ("media", "memory"):
            raise Problem("not_a_photo")
        return answer.get("hint")

    def end(self) -> None:
        """End the process."""
        with self._lock:
            if self._inmate is not None:
                self._inmate.end()
                self._inmate = None

    def _ask(self, head: dict[str, Any], part: bytes, *, within_s: float) -> dict[str, Any]:
        return self._ready().ask(head, part, within_s=within_s)

    def _ready(self) -> Inmate:
        with self._lock:
            if self._inmate is None or not self._inmate.alive:
                self._inmate = None
                inmate = Inmate(memory_bytes=self._core.settings.limits.judge_bytes)
                inmate.wait_ready()
                self._inmate = inmate
            return self._inmate

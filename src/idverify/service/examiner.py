"""Small questions about pictures, answered while somebody waits: is this photo usable, what does it show, what can the
person do better.

Goal: the web process decodes nothing. It asks a process like the judges', behind the same walls, begun at the first
question; where it does not answer in time, or too many wait for it, there is no hint, and a photo is taken as it is
and judged later.

Public items: :class:`Examiner`.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from base64 import b64decode

from idverify.errors import IdverifyError
from idverify.service.core import Core
from idverify.service.inmate import Inmate
from idverify.service.problems import Problem

__all__ = ["Examiner"]

log = logging.getLogger("idverify.service.examiner")

_PHOTO_S, _HINT_S = 20.0, 3.0
# What a JPEG begins with: nothing else is passed on as one.
_JPEG = b"\xff\xd8\xff"
# Who finds this many waiting goes without: hints are for one moment, and whoever waits keeps one of the threads with
# which a web process answers everybody.
_MAX_WAITING_HINTS, _MAX_WAITING_PHOTOS = 4, 8


class Examiner:
    """One process for all small questions of a web process."""

    def __init__(self, core: Core) -> None:
        self._inmate = Inmate(memory_bytes=core.settings.limits.judge_bytes)
        self._hints = threading.BoundedSemaphore(_MAX_WAITING_HINTS)
        self._photos = threading.BoundedSemaphore(_MAX_WAITING_PHOTOS)

    def start(self) -> None:
        """Begin to load, so that the first question need not wait."""
        with contextlib.suppress(IdverifyError):
            self._inmate.start()

    def require_usable(self, photo: bytes) -> None:
        """Refuse a photo that no recording could be compared with.

        Raises
        ------
        Problem
            ``not_a_photo``, ``reference_unusable``.
        """
        if not self._photos.acquire(blocking=False):
            log.warning("a photo was not looked at: %d others wait", _MAX_WAITING_PHOTOS)
            return
        try:
            answer = self._inmate.answer("photo", photo, within_s=_PHOTO_S)
        except IdverifyError as error:
            log.warning("a photo was not looked at: %s", error)
            return
        finally:
            self._photos.release()
        if answer.get("error") in ("media", "memory"):
            raise Problem("not_a_photo")
        if answer.get("usable") is False:
            raise Problem("reference_unusable", f"{answer.get('reason')}: {answer.get('detail')}"[:250])

    def as_jpeg(self, photo: bytes) -> bytes | None:
        """A photo of a kind that browsers do not show, as one that they do; None where it cannot be had."""
        try:
            answer = self._inmate.answer("jpeg", photo, within_s=_PHOTO_S)
            made = b64decode(str(answer.get("jpeg", "")))
        except (IdverifyError, ValueError) as error:
            log.warning("a photo is not shown: %s", error)
            return None
        return made if made.startswith(_JPEG) else None

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
            answer = self._inmate.answer("hint", picture, within_s=_HINT_S)
        except IdverifyError:
            return None
        finally:
            self._hints.release()
        if answer.get("error") in ("media", "memory"):
            raise Problem("not_a_photo")
        word = answer.get("hint")
        return word if isinstance(word, str) else None

    def end(self) -> None:
        """End the process."""
        self._inmate.end()

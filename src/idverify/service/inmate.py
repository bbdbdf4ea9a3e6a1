"""A judge's process, seen from outside.

Goal: what a child behind walls (:mod:`idverify.isolation`) says to the service is plain JSON and nothing else. Imports
next to nothing, so that it loads its models while the rest of the service is still being imported.

Public items: :class:`Inmate`.
"""

from __future__ import annotations

import json
import math
from typing import Any

from idverify.errors import MediaCrashedError
from idverify.isolation.process import ChildProcess
from idverify.text import visible

__all__ = ["Inmate"]

# For a question that names no time of its own.
_TIME_LIMIT_S = 60.0
# A decision's JSON has some hundred thousand characters.
_MAX_ANSWER_CHARACTERS = 8 << 20


class Inmate(ChildProcess):
    """One process; one question at a time.

    Parameters
    ----------
    memory_bytes
        As for :class:`~idverify.isolation.ChildProcess`.
    """

    def __init__(self, *, memory_bytes: int) -> None:
        super().__init__("idverify.service.behind_walls", None, memory_bytes=memory_bytes, time_limit_s=_TIME_LIMIT_S)

    def answer(self, what: str, *parts: bytes, within_s: float, **case: Any) -> dict[str, Any]:
        """Put one question of :mod:`idverify.service.behind_walls`.

        Parameters
        ----------
        what
            ``judge``, ``photo``, ``jpeg`` or ``hint``.
        parts
            What the question is about, as it came.
        within_s
            Seconds, after which the process is ended.
        case
            What else it has to know; JSON types.

        Raises
        ------
        MediaCrashedError
            It ended, was ended, or did not answer in JSON.
        """
        text = self.ask(what, case, *parts, within_s=within_s)
        try:
            if not isinstance(text, str) or len(text) > _MAX_ANSWER_CHARACTERS:
                raise ValueError("no text, or too long")
            found = visible(json.loads(text, parse_float=_finite, parse_constant=_finite))
        except (ValueError, RecursionError) as error:
            raise MediaCrashedError("the judge's process answered with something that is no answer") from error
        if not isinstance(found, dict):
            raise MediaCrashedError("the judge's process answered with something that is no answer")
        return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number of JSON")
    return number

"""What a challenge file asks for, as an attacker reads it: no key, no seal, just the steps and their times.

Public items: :class:`Asked`, :class:`Request`, :func:`read_request`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from idverify.errors import ParameterError

__all__ = ["Asked", "Request", "read_request"]

F64 = NDArray[np.float64]

_COLOURS = {
    "red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "cyan": (0, 1, 1), "magenta": (1, 0, 1),
    "yellow": (1, 1, 0),
}  # fmt: skip
# A recording goes on a little after the last step.
_AFTER_S = 0.8


class Asked(NamedTuple):
    """One step of a challenge: what, and its window in seconds from the first picture."""

    what: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that is asked for.

    Parameters
    ----------
    steps, light : sequence of Asked
        Movements, and colours of the screen.
    """

    steps: Sequence[Asked]
    light: Sequence[Asked]

    @property
    def duration_s(self) -> float:
        """How long the answer takes."""
        return max(step.end_s for step in (*self.steps, *self.light)) + _AFTER_S

    def colour_at(self, time_s: float) -> F64:
        """What the screen shows, 0 or 1 in red, green and blue [shape=(3,)]; black outside its windows."""
        shown = [_COLOURS.get(part.what, (0, 0, 0)) for part in self.light if part.start_s <= time_s < part.end_s]
        return np.array(shown[0] if shown else (0, 0, 0), np.float64)


def read_request(path: Path) -> Request:
    """Read a challenge file.

    Raises
    ------
    ParameterError
        It cannot be read, or asks for nothing.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        request = Request(steps=_parts(fields, "steps", "action"), light=_parts(fields, "light", "colour"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParameterError(f"{path} is no challenge file") from error
    if not (request.steps or request.light):
        raise ParameterError(f"the challenge {path} asks for nothing")
    return request


def _parts(fields: Mapping[str, Any], name: str, what: str) -> tuple[Asked, ...]:
    return tuple(
        Asked(str(part[what]), float(part["start_ms"]) / 1000, float(part["end_ms"]) / 1000)
        for part in fields.get(name, ())
    )

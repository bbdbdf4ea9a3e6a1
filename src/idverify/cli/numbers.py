"""Numbers on the command line: within bounds, and numbers.

Goal: what is not a number (NaN) compares with nothing, so click's own range lets it pass. It ends here, as wrong usage.

Public items: :class:`FiniteRange`.
"""

from __future__ import annotations

import math
from typing import Any

import click

__all__ = ["FiniteRange"]


class FiniteRange(click.FloatRange):
    """A finite number within bounds; without any, every finite number."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a number, or fail as wrong usage."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{number} is not a finite number.", param, ctx)
        return number

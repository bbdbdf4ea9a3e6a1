"""Gates: figures that must hold, in a TOML file, so that a build fails when they do not.

::

    [[gate]]
    figure = "check_over_decode"
    at_most = 2.0

    [[gate]]
    figure = "accuracy.fnmr_at_policy"
    at_most = 0.015

A figure that was not measured breaks its gate: nothing missing passes. A rate breaks its gate only when its whole 95 %
interval lies beyond the bound, and times are bounded as ratios of best times, so that noise trips no gate.

Public items: :class:`Figure`, :class:`Gate`, :class:`Breach`, :func:`read_gates`, :func:`breaches`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idverify.errors import ParameterError
from idverify.text import foreign

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Breach", "Figure", "Gate", "breaches", "read_gates"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured value, and what it may be for the same truth.

    Parameters
    ----------
    value
        The figure itself.
    low, high
        Its 95 % interval; equal to `value` where it has none.
    text
        As people read it.
    """

    value: float
    low: float
    high: float
    text: str

    @classmethod
    def exactly(cls, value: float, unit: str = "") -> Figure:
        """A figure without an interval."""
        return cls(value=value, low=value, high=value, text=f"{value:.4g}{' ' + unit if unit else ''}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A bound on a figure; either side may be open."""

    figure: str
    at_most: float | None = None
    at_least: float | None = None

    def __str__(self) -> str:
        bounds = [f"{word} {bound:g}" for word, bound in self._bounds() if bound is not None]
        return f"{self.figure} {' and '.join(bounds)}"

    def _bounds(self) -> tuple[tuple[str, float | None], ...]:
        return ("at most", self.at_most), ("at least", self.at_least)

    def holds_for(self, figure: Figure | None) -> bool:
        """Whether the figure may keep the bound; a missing one does not."""
        if figure is None:
            return False
        return (self.at_most is None or figure.low <= self.at_most) and (
            self.at_least is None or figure.high >= self.at_least
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A gate that is broken, and by what."""

    gate: Gate
    figure: Figure | None

    def __str__(self) -> str:
        return f"{self.gate}: {'not measured' if self.figure is None else 'got ' + self.figure.text}"


def read_gates(path: str | Path) -> tuple[Gate, ...]:
    """Read a gate file.

    Raises
    ------
    ParameterError
        The file cannot be read, holds no gate, or a gate is not as described above.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ParameterError(f"{foreign(path)}: expected a gate file in TOML, got: {foreign(error)}") from error
    rows = table.get("gate")
    if set(table) != {"gate"} or not isinstance(rows, list) or not rows:
        raise ParameterError(f"{path}: expected [[gate]] tables and nothing else")
    return tuple(_gate(path, number, row) for number, row in enumerate(rows, start=1))


def _gate(path: Path, number: int, row: Mapping[str, Any]) -> Gate:
    bounds = {name: row[name] for name in ("at_most", "at_least") if name in row}
    known = set(row) == {"figure", *bounds} and bounds
    if not known or not isinstance(row["figure"], str) or not all(_is_number(bound) for bound in bounds.values()):
        raise ParameterError(
            f"{path} gate {number}: expected figure and at_most or at_least (numbers), got {dict(row)}"
        )
    return Gate(figure=row["figure"], **bounds)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def breaches(gates: Sequence[Gate], figures: Mapping[str, Figure]) -> tuple[Breach, ...]:
    """The gates that do not hold, in the file's order."""
    return tuple(
        Breach(gate=gate, figure=figures.get(gate.figure))
        for gate in gates
        if not gate.holds_for(figures.get(gate.figure))
    )

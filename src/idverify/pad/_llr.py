"""What a native value is worth: the calibration cards of the liveness mechanisms, native value in, bounded LLR out.

Goal: one kind of map for all mechanisms. A map is monotone and piecewise linear between knots, in the native value or
in its logarithm, and constant beyond them: nothing claims more than the numbers of attack and bona fide sources support
(no error in n bounds a rate by 3/n). Cards are written by ``models/training/fit_pad_*.py`` and described in
``models/cards/pad_calibration.md``, that of skin change by ``models/training/skin_change/train.py``. A table gives
either the knots (``native``, ``llr``) or a logistic map ``llr = intercept + slope * ln(native + offset)`` between
``floor`` and ``ceiling``, which is two knots in the logarithm.

Conventions: the LLR is natural-log, bona fide over attack.

Sources: Brümmer & du Preez 2006, doi:10.1016/j.csl.2005.08.001; rule of three: ISO/IEC 19795-1:2021.

Public items: :class:`LLRScale`, :func:`load_scale`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from idverify.errors import CalibrationError
from idverify.models.manifest import data_dir

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["LLRScale", "load_scale"]

# No mechanism stands in two of them.
_CARDS = (
    "pad_motion.toml",
    "pad_mouth.toml",
    "pad_eyes.toml",
    "pad_texture.toml",
    "pad_image.toml",
    "pad_skin.toml",
    "pad_reuse.toml",
    "pad_identity.toml",
    "pad_compression.toml",
    "pad_repeats.toml",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LLRScale:
    """A monotone map from a native value to a natural-log likelihood ratio, constant beyond its knots.

    Parameters
    ----------
    native, llr
        Knots; `native` rises, `llr` rises or falls throughout.
    log_offset
        The map is linear in ``ln(native + log_offset)`` between knots, for values of zero and more; None: in `native`.
    decisive_at
        Native value from which the finding proves an attack; None: never.
    marks
        Other numbers by which the mechanism decides, by name.

    Raises
    ------
    CalibrationError
        Fewer than two knots, or a map that is not monotone.
    """

    native: tuple[float, ...]
    llr: tuple[float, ...]
    log_offset: float | None = None
    decisive_at: float | None = None
    marks: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        steps = np.diff(self.llr)
        # Asked this way, NaN is refused.
        if len(self.native) != len(self.llr) or len(self.native) < 2 or not (np.diff(self.native) > 0).all():
            raise CalibrationError(f"expected two or more rising knots, got {self.native} -> {self.llr}")
        if not ((steps >= 0).all() or (steps <= 0).all()):
            raise CalibrationError(f"expected a monotone map, got {self.llr}")
        if self.log_offset is not None and not self.native[0] + self.log_offset > 0:
            raise CalibrationError(f"expected knots above -log_offset, got {self.native[0]} and {self.log_offset}")

    @classmethod
    def logistic(
        cls,
        *,
        intercept: float,
        slope: float,
        offset: float,
        floor: float,
        ceiling: float,
        marks: Mapping[str, tuple[float, ...]] | None = None,
    ) -> LLRScale:
        """The map ``intercept + slope * ln(native + offset)``, held between `floor` and `ceiling`.

        Raises
        ------
        CalibrationError
            Bounds on the same side of zero, or an offset or slope that is not positive.
        """
        if not (floor <= 0.0 <= ceiling and floor < ceiling and offset > 0.0 and slope > 0.0):
            raise CalibrationError(
                f"expected floor <= 0 <= ceiling, floor < ceiling, offset > 0 and slope > 0, "
                f"got {floor}, {ceiling}, {offset}, {slope}"
            )
        native = tuple(math.exp((llr - intercept) / slope) - offset for llr in (floor, ceiling))
        return cls(native=native, llr=(floor, ceiling), log_offset=offset, marks=marks or {})

    @property
    def floor(self) -> float:
        """The strongest that the map ever speaks against bona fide."""
        return min(self.llr)

    @property
    def ceiling(self) -> float:
        """The strongest that the map ever speaks for bona fide."""
        return max(self.llr)

    def __call__(self, native: float) -> float:
        """The LLR of one native value."""
        if self.log_offset is None:
            return float(np.interp(native, self.native, self.llr))
        knots = np.log(np.add(self.native, self.log_offset))
        return float(np.interp(math.log(max(native, 0.0) + self.log_offset), knots, self.llr))

    def proves(self, native: float) -> bool:
        """Whether the native value reaches the decisive mark."""
        return self.decisive_at is not None and native >= self.decisive_at


@lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for name in _CARDS:
        path = data_dir() / "calibration" / name
        try:
            tables |= tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise CalibrationError(f"no usable calibration card {name}: {error}; install the package anew") from error
    return tables


@lru_cache(maxsize=32)
def load_scale(mechanism: str) -> LLRScale:
    """The map of one mechanism.

    Raises
    ------
    CalibrationError
        A card is missing or damaged, or none has such a table.
    """
    try:
        return _from_table(_tables()[mechanism])
    except (KeyError, TypeError, ValueError) as error:
        raise CalibrationError(f"no usable table [{mechanism}] in {' or '.join(_CARDS)}: {error}") from error


def _from_table(table: Mapping[str, Any]) -> LLRScale:
    marks = {k: tuple(map(float, v)) for k, v in table.get("marks", {}).items()}
    if "intercept" in table:
        numbers = {k: float(table[k]) for k in ("intercept", "slope", "offset", "floor", "ceiling")}
        return LLRScale.logistic(**numbers, marks=marks)
    return LLRScale(
        native=tuple(map(float, table["native"])),
        llr=tuple(map(float, table["llr"])),
        decisive_at=float(table["decisive_at"]) if "decisive_at" in table else None,
        marks=marks,
    )

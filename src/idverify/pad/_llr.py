"""The calibration card of the motion mechanisms: native value in, bounded log-likelihood ratio out.

``calibration/pad_motion.toml`` is written by ``models/training/fit_pad_motion.py``. Each table is one logistic
map on the logarithm of the native value, ``llr = intercept + slope * ln(native + offset)``, held between a
floor and a ceiling that the numbers of attack and bona fide sources support (no error in n bounds the rate by
3/n), and any marks the mechanism decides by.

Sources: Brümmer & du Preez 2006, doi:10.1016/j.csl.2005.08.001; rule of three: ISO/IEC 19795-1:2021.

Public items: :class:`LogisticScale`, :func:`load_scale`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from idverify.errors import CalibrationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["LogisticScale", "load_scale"]

_CARD = Path("calibration") / "pad_motion.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogisticScale:
    """A bounded monotone map from a native value to a natural-log likelihood ratio.

    Parameters
    ----------
    intercept, slope, offset
        ``llr = intercept + slope * ln(native + offset)``.
    floor, ceiling
        Bounds of the LLR.
    marks
        Numbers by which the mechanism decides, by name.
    """

    intercept: float
    slope: float
    offset: float
    floor: float
    ceiling: float
    marks: Mapping[str, tuple[float, ...]]

    def __post_init__(self) -> None:
        if not (self.floor <= 0.0 <= self.ceiling and self.offset > 0.0):
            raise CalibrationError(
                f"expected floor <= 0 <= ceiling and offset > 0, got {self.floor}, {self.ceiling}, {self.offset}"
            )

    def __call__(self, native: float) -> float:
        """The LLR of one native value, which is not negative."""
        llr = self.intercept + self.slope * math.log(max(native, 0.0) + self.offset)
        return min(max(llr, self.floor), self.ceiling)


@lru_cache(maxsize=1)
def _card() -> dict[str, Any]:
    package = Path(__file__).resolve().parents[1]
    # Inside an installed package the cards lie in _data; in a source tree beside src.
    for root in (package / "_data", package.parents[1] / "models"):
        if (root / _CARD).is_file():
            try:
                return tomllib.loads((root / _CARD).read_text(encoding="utf-8"))
            except tomllib.TOMLDecodeError as error:
                raise CalibrationError(f"damaged calibration card {_CARD.as_posix()}: {error}") from error
    raise CalibrationError(f"the calibration card {_CARD.as_posix()} is missing from the installation")


@lru_cache(maxsize=16)
def load_scale(mechanism: str) -> LogisticScale:
    """The map of one mechanism.

    Raises
    ------
    CalibrationError
        The card is missing, damaged, or has no such table.
    """
    card = _card()
    try:
        table = card[mechanism]
        numbers = {k: float(table[k]) for k in ("intercept", "slope", "offset", "floor", "ceiling")}
        marks = {k: tuple(map(float, v)) for k, v in table.get("marks", {}).items()}
    except (KeyError, TypeError, ValueError) as error:
        raise CalibrationError(f"no usable table [{mechanism}] in {_CARD.as_posix()}: {error}") from error
    return LogisticScale(**numbers, marks=marks)

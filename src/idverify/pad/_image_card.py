"""The calibration card of the image and signal mechanisms: native value in, bounded log-likelihood ratio out.

The card ``calibration/pad_image.toml`` is written by ``models/training/fit_pad_image.py``. Each table holds the
knots of one monotone map, its counts, and optionally the native value at which a finding proves an attack by
itself.

Public items: :class:`LLRScale`, :func:`load_scale`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from idverify.errors import CalibrationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["LLRScale", "load_scale"]

_CARD = Path("calibration") / "pad_image.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class LLRScale:
    """A monotone map from a native value to a natural-log likelihood ratio, constant beyond its knots.

    Parameters
    ----------
    native, llr
        Knots; `native` rises, `llr` rises or falls throughout.
    decisive_at
        Native value from which the finding proves an attack; ``None``: never.
    """

    native: tuple[float, ...]
    llr: tuple[float, ...]
    decisive_at: float | None = None

    def __post_init__(self) -> None:
        steps = np.diff(self.llr)
        if len(self.native) != len(self.llr) or len(self.native) < 2 or (np.diff(self.native) <= 0).any():
            raise CalibrationError(f"expected two or more rising knots, got {self.native} -> {self.llr}")
        if (steps > 0).any() and (steps < 0).any():
            raise CalibrationError(f"expected a monotone map, got {self.llr}")

    def __call__(self, native: float) -> float:
        """The LLR of one native value."""
        return float(np.interp(native, self.native, self.llr))

    def proves(self, native: float) -> bool:
        """Whether the native value reaches the decisive mark."""
        return self.decisive_at is not None and native >= self.decisive_at


@lru_cache(maxsize=1)
def _card() -> dict[str, Any]:
    package = Path(__file__).resolve().parents[1]
    # Inside an installed package the cards lie in _data; in a source tree beside src.
    for root in (package / "_data", package.parents[1] / "models"):
        if (root / _CARD).is_file():
            return tomllib.loads((root / _CARD).read_text(encoding="utf-8"))
    raise CalibrationError(f"the calibration card {_CARD.as_posix()} is missing from the installation")


@lru_cache(maxsize=16)
def load_scale(mechanism: str) -> LLRScale:
    """The map of one mechanism.

    Raises
    ------
    CalibrationError
        The card is missing, damaged, or has no such table.
    """
    try:
        table = _card()[mechanism]
        return LLRScale(
            native=tuple(map(float, table["native"])),
            llr=tuple(map(float, table["llr"])),
            decisive_at=float(table["decisive_at"]) if "decisive_at" in table else None,
        )
    except (KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise CalibrationError(f"no usable table [{mechanism}] in {_CARD.as_posix()}: {error}") from error

"""The scores file: every trial with its result, one line each, in the order of the trials.

Scores come first, metrics second: reports and calibration read this file and nothing else. Columns are those of a
trials file, then those of the result, then ``native_NAME`` and ``llr_NAME`` of each mechanism. Empty means not
assessed.

Public items: :func:`write_scores`, :func:`read_scores`, :class:`ScoreTable`.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idverify.errors import ParameterError
from idverify.evaluation.results import FAILED, TrialResult
from idverify.protocols import Presentation, Split, Trial

__all__ = ["ScoreTable", "read_scores", "write_atomically", "write_scores"]

_NUMBERS = ("similarity", "match_llr", "fmr_at_score", "liveness_llr", "confidence")
_TEXTS = ("outcome", "reasons", "error", "matched")
_TRIAL_COLUMNS = (
    "video",
    "reference",
    "mated",
    "presentation",
    "pai_species",
    "subject",
    "group",
    "device",
    "split",
    "reference_subject",
)
_OUTCOMES = ("accept", "reject", "inconclusive", FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTable:
    """A scores file as columns.

    Parameters
    ----------
    texts
        Column -> str array [shape=(n,)].
    numbers
        Column -> float64 array [shape=(n,)], NaN where not assessed. Holds also ``native_NAME`` and ``llr_NAME``.
    """

    texts: Mapping[str, NDArray[np.str_]] = field(repr=False)
    numbers: Mapping[str, NDArray[np.float64]] = field(repr=False)

    def __len__(self) -> int:
        return int(self.texts["video"].size)

    def where(self, mask: NDArray[np.bool_]) -> ScoreTable:
        """The rows of a mask."""
        return ScoreTable(
            texts={name: column[mask] for name, column in self.texts.items()},
            numbers={name: column[mask] for name, column in self.numbers.items()},
        )

    def split(self, split: Split) -> ScoreTable:
        """The rows of a split."""
        return self.where(self.texts["split"] == split.value)

    @property
    def bona_fide(self) -> NDArray[np.bool_]:
        """Rows whose presentation is bona fide."""
        return np.asarray(self.texts["presentation"] == Presentation.BONA_FIDE.value, np.bool_)

    @property
    def mated(self) -> NDArray[np.bool_]:
        """Rows that say ``mated = true``."""
        return np.asarray(self.texts["mated"] == "true", np.bool_)

    @property
    def non_mated(self) -> NDArray[np.bool_]:
        """Rows that say ``mated = false``."""
        return np.asarray(self.texts["mated"] == "false", np.bool_)

    def outcome(self, name: str) -> NDArray[np.bool_]:
        """Rows that ended so."""
        return np.asarray(self.texts["outcome"] == name, np.bool_)

    def mechanisms(self) -> tuple[str, ...]:
        """Names of the mechanisms, in the file's order."""
        return tuple(name[len("llr_") :] for name in self.numbers if name.startswith("llr_"))


def write_scores(path: Path, trials: Sequence[Trial], results: Mapping[int, TrialResult]) -> None:
    """Write all trials with their results; the old file is replaced only by a whole new one."""
    names = sorted({name for result in results.values() for name in result.mechanisms})
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(
        [*_TRIAL_COLUMNS, *_TEXTS, *_NUMBERS, *(f"{kind}_{name}" for name in names for kind in ("native", "llr"))]
    )
    for number, trial in enumerate(trials):
        writer.writerow(_line(trial, results[number], names))
    write_atomically(path, buffer.getvalue())


def _line(trial: Trial, result: TrialResult, names: Sequence[str]) -> list[str]:
    values: list[str | float | bool | None] = []
    for column in _TRIAL_COLUMNS:
        value = getattr(trial, column)
        values.append(value.value if isinstance(value, (Presentation, Split)) else value)
    values += [result.outcome, ";".join(result.reasons), result.error, result.matched]
    values += [getattr(result, column) for column in _NUMBERS]
    for name in names:
        values += result.mechanisms.get(name, (None, None))
    return [_cell(value) for value in values]


def _cell(value: str | float | bool | None) -> str:
    """Shortest text that reads back as the same value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(float(value))


def write_atomically(path: Path, content: str) -> None:
    """Write a text file so that at any moment there is the old one or the new one, never half of it."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def read_scores(path: str | Path) -> ScoreTable:
    """Read and check a scores file.

    Raises
    ------
    ParameterError
        The file cannot be read, a column is missing, or a value is not a number. The message names line and column.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except OSError as error:
        raise ParameterError(f"{path}: expected a scores file, got: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ParameterError(f"{path}: expected CSV in UTF-8, got: {error}") from error
    missing = [c for c in ("mated", "presentation", "subject", "split", "similarity") if c not in header]
    if missing:
        raise ParameterError(f"{path.name} line 1: missing column {', '.join(map(repr, missing))}")
    ragged = next((n for n, row in enumerate(rows, start=2) if len(row) != len(header)), None)
    if ragged is not None:
        raise ParameterError(f"{path.name} line {ragged}: expected {len(header)} values, got {len(rows[ragged - 2])}")
    if not rows:
        raise ParameterError(f"{path.name}: expected at least one trial below the header, got none")
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    return _table(path.name, columns)


def _table(name: str, columns: Mapping[str, Sequence[str]]) -> ScoreTable:
    n = len(columns["mated"])
    texts = {c: np.array(columns.get(c, [""] * n), dtype=np.str_) for c in (*_TRIAL_COLUMNS, *_TEXTS)}
    for column, allowed in (
        ("mated", ("true", "false", "")),
        ("presentation", [p.value for p in Presentation]),
        ("split", [s.value for s in Split]),
        ("outcome", (*_OUTCOMES, "")),
    ):
        wrong = np.flatnonzero(~np.isin(texts[column], allowed))
        if wrong.size:
            found = str(texts[column][wrong[0]])
            raise ParameterError(
                f"{name} line {wrong[0] + 2}, column {column}: expected one of {', '.join(allowed)}, got {found!r}"
            )
    extra = [c for c in columns if c.startswith(("native_", "llr_"))]
    numbers = {c: _numbers(name, c, columns.get(c, [""] * n)) for c in (*_NUMBERS, *extra)}
    return ScoreTable(texts=texts, numbers=numbers)


def _numbers(name: str, column: str, cells: Sequence[str]) -> NDArray[np.float64]:
    values = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        if cell:
            try:
                values[row] = float(cell)
            except ValueError:
                raise ParameterError(
                    f"{name} line {row + 2}, column {column}: expected a number or nothing, got {cell!r}"
                ) from None
    return values

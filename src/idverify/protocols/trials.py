"""A trial: one presentation, the reference it claims to match (if any), and the truth about both.

A trials file is CSV in UTF-8 with a header line. Paths in it are absolute, or relative to the file's own folder.

=====================  ===============================================================================================
column                 content
=====================  ===============================================================================================
``video``              the presentation: a video, or a photo in sets that have only photos
``reference``          the reference photo; empty for a trial of liveness alone
``mated``              ``true`` or ``false``: does `reference` show the person that `video` shows (an attack counts as
                       the person it shows); empty exactly where `reference` is
``presentation``       ``bona_fide`` or ``attack``
``pai_species``        kind of attack instrument, for example ``print``; empty exactly for bona fide
``subject``            who is shown; intervals are drawn by subject
``group``              group of people, for differentials; may be empty
``device``             camera; may be empty
``split``              ``dev`` sets thresholds, ``eval`` measures errors, ``train`` does neither
``reference_subject``  who `reference` shows; this column may be missing
=====================  ===============================================================================================

Public items: :class:`Trial`, :class:`Presentation`, :class:`Split`, :func:`read_trials`, :func:`write_trials`.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from enum import Enum
from pathlib import Path
from typing import TextIO

from idverify.errors import ParameterError

__all__ = ["Presentation", "Split", "Trial", "read_trials", "write_trials"]


class Presentation(str, Enum):
    """Class of a presentation (ISO/IEC 30107-1)."""

    BONA_FIDE = "bona_fide"
    ATTACK = "attack"


class Split(str, Enum):
    """What a trial is for."""

    TRAIN = "train"
    DEV = "dev"
    EVAL = "eval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One row of a trials file; the columns are described in :mod:`idverify.protocols.trials`.

    Raises
    ------
    ParameterError
        Values that contradict each other; the message begins with the column's name.
    """

    video: str
    reference: str = ""
    mated: bool | None = None
    presentation: Presentation
    pai_species: str = ""
    subject: str
    group: str = ""
    device: str = ""
    split: Split
    reference_subject: str = ""

    def __post_init__(self) -> None:
        if not self.video:
            raise ParameterError("column video: expected a path, got nothing")
        if not self.subject:
            raise ParameterError("column subject: expected a name, got nothing")
        if self.mated is None and self.reference:
            raise ParameterError("column mated: expected true or false for a trial with a reference, got nothing")
        if self.mated is not None and not self.reference:
            raise ParameterError("column reference: expected a path for a trial that says mated, got nothing")
        if (self.presentation is Presentation.ATTACK) != bool(self.pai_species):
            expected = "a name for an attack" if not self.pai_species else "nothing for a bona fide presentation"
            raise ParameterError(f"column pai_species: expected {expected}, got {self.pai_species!r}")
        if self.mated and self.reference_subject not in ("", self.subject):
            raise ParameterError(
                f"column reference_subject: expected {self.subject!r} in a mated trial, got {self.reference_subject!r}"
            )


COLUMNS = tuple(field.name for field in fields(Trial))
OPTIONAL = ("reference_subject",)
_TRUTH = {"true": True, "false": False, "1": True, "0": False, "": None}


def read_trials(path: str | Path) -> tuple[Trial, ...]:
    """Read and check a trials file.

    Parameters
    ----------
    path
        A CSV file in UTF-8, with or without a byte order mark.

    Returns
    -------
    tuple of Trial
        In the file's order, with paths as they stand there.

    Raises
    ------
    ParameterError
        The file cannot be read, a column is missing or unknown, a value is not one of those allowed, or a pair of
        video and reference stands there twice. The message names file, line and column.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return tuple(_parse(path.name, file))
    except OSError as error:
        raise ParameterError(f"{path}: expected a trials file, got: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ParameterError(f"{path}: expected CSV in UTF-8, got: {error}") from error


def _parse(name: str, file: TextIO) -> Iterator[Trial]:
    reader = csv.DictReader(file, restkey="")
    _check_header(name, list(reader.fieldnames or ()))
    seen: dict[tuple[str, str], int] = {}
    for row in reader:
        at = f"{name} line {reader.line_num}"
        if "" in row or None in row.values():
            raise ParameterError(f"{at}: expected {len(reader.fieldnames or ())} values, got more or fewer")
        try:
            trial = _trial(row)
        except ParameterError as error:
            raise ParameterError(f"{at}, {error}") from None
        first = seen.setdefault((trial.video, trial.reference), reader.line_num)
        if first != reader.line_num:
            raise ParameterError(f"{at}, column video: the same video and reference stand in line {first}")
        yield trial
    if not seen:
        raise ParameterError(f"{name}: expected at least one trial below the header, got none")


def _check_header(name: str, header: list[str]) -> None:
    missing = [c for c in COLUMNS if c not in header and c not in OPTIONAL]
    unknown = [c for c in header if c not in COLUMNS]
    doubled = sorted({c for c in header if header.count(c) > 1})
    for problem, columns in (("missing", missing), ("unknown", unknown), ("repeated", doubled)):
        if columns:
            raise ParameterError(f"{name} line 1: {problem} column {', '.join(map(repr, columns))}")


def _trial(row: dict[str, str]) -> Trial:
    values = {column: value.strip() for column, value in row.items()}
    mated = values["mated"].lower()
    if mated not in _TRUTH:
        raise ParameterError(f"column mated: expected true, false or nothing, got {values['mated']!r}")
    for column, allowed in (("presentation", Presentation), ("split", Split)):
        names = [member.value for member in allowed]
        if values[column] not in names:
            raise ParameterError(f"column {column}: expected one of {', '.join(names)}, got {values[column]!r}")
    return Trial(
        video=values["video"],
        reference=values["reference"],
        mated=_TRUTH[mated],
        presentation=Presentation(values["presentation"]),
        pai_species=values["pai_species"],
        subject=values["subject"],
        group=values["group"],
        device=values["device"],
        split=Split(values["split"]),
        reference_subject=values.get("reference_subject", ""),
    )


def write_trials(trials: Iterable[Trial], path: str | Path) -> None:
    """Write a trials file; an old one is replaced only when the new one is complete.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    path = Path(path)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(_row(trial) for trial in trials)
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def _row(trial: Trial) -> dict[str, str]:
    row = asdict(trial)
    row["mated"] = "" if trial.mated is None else str(trial.mated).lower()
    return row | {"presentation": trial.presentation.value, "split": trial.split.value}

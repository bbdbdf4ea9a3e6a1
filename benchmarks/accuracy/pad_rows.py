"""The rows of the liveness benchmark, one per clip and mechanism, failures included; and trials read back from them.

A row names its clip and either a mechanism (``kind`` is ``mechanism``), a signal of the file (``injection``), what the
mechanism that needs a reference says when that is the very photo the attack was made from (``source_photo``) or another
photo of the person (``with_reference``), the similarity with that one (``comparison``), a peer's score (``peer``), or
how the clip ended (``decision``: `bona_fide_llr` is the fused one, `reason`, `obstacles` and
`handicaps` hold codes separated by blanks).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from idverify.pad.evidence import PADEvidence, Status
from idverify.reasons import Reason

__all__ = ["Clip", "Row", "Trial", "append", "read_rows", "row_of", "trials_of"]

FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """What is shown: ``material`` is one of bona_fide, captured, simulated, degraded, apart.

    `source` is the person or recording behind it, `half` the half (dev or eval) that all material of that source is in.
    """

    clip: str
    presentation: str
    material: str
    species: str
    source: str
    half: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Clip):
    """One line of the table; a field that does not apply is empty."""

    kind: str
    mechanism: str
    status: str = ""
    native: float | None = None
    bona_fide_llr: float | None = None
    decisive: bool = False
    reason: str = ""
    obstacles: str = ""
    handicaps: str = ""
    outcome: str = ""
    detail: str = ""


COLUMNS = tuple(f.name for f in fields(Row))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One clip with all its evidence; `failure` says why there is none.

    `compared` says whether there was another photo of the person; `similarity` is that with it, and `with_reference`
    what the mechanism says that looks for that photo in the recording.
    """

    clip: Clip
    mechanisms: tuple[PADEvidence, ...] = ()
    injection: tuple[PADEvidence, ...] = ()
    source_photo: PADEvidence | None = None
    with_reference: PADEvidence | None = None
    compared: bool = False
    similarity: float | None = None
    obstacles: tuple[Reason, ...] = ()
    handicaps: tuple[Reason, ...] = ()
    outcome: str = ""
    failure: str = ""
    peers: dict[str, float] = field(default_factory=dict)


def row_of(clip: Clip, kind: str, evidence: PADEvidence) -> Row:
    return Row(
        **asdict(clip),
        kind=kind,
        mechanism=evidence.name,
        status=evidence.status.value,
        native=evidence.native,
        bona_fide_llr=evidence.bona_fide_llr,
        decisive=evidence.decisive,
        reason=evidence.reason.value if evidence.reason else "",
        detail=evidence.detail,
    )


def append(path: Path, rows: Iterable[Row]) -> None:
    """Add rows; the column names come first in a new file."""
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(COLUMNS)
        writer.writerows([_cell(getattr(row, name)) for name in COLUMNS] for row in rows)


def _cell(value: object) -> object:
    return "" if value is None else int(value) if isinstance(value, bool) else value


def read_rows(path: Path) -> list[Row]:
    """Rows of a file; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [_row(line) for line in csv.DictReader(file)]


def _row(line: dict[str, str]) -> Row:
    numbers = {name: float(line[name]) if line[name] else None for name in ("native", "bona_fide_llr")}
    return Row(**{**line, **numbers, "decisive": line["decisive"] == "1"})


def trials_of(rows: Sequence[Row]) -> list[Trial]:
    """Rows gathered by clip, in the order of their first appearance. A clip that did not end is left out."""
    by_clip: dict[str, list[Row]] = {}
    for row in rows:
        by_clip.setdefault(row.clip, []).append(row)
    return [_trial(own) for own in by_clip.values() if any(row.kind == "decision" for row in own)]


def _trial(rows: Sequence[Row]) -> Trial:
    end = next(row for row in rows if row.kind == "decision")
    of = lambda kind: tuple(_evidence(row) for row in rows if row.kind == kind)  # noqa: E731
    return Trial(
        clip=Clip(**{f.name: getattr(end, f.name) for f in fields(Clip)}),
        mechanisms=of("mechanism"),
        injection=of("injection"),
        source_photo=next(iter(of("source_photo")), None),
        with_reference=next(iter(of("with_reference")), None),
        compared=any(row.kind == "comparison" for row in rows),
        similarity=next((row.native for row in rows if row.kind == "comparison"), None),
        obstacles=tuple(map(Reason, end.obstacles.split())),
        handicaps=tuple(map(Reason, end.handicaps.split())),
        outcome=end.outcome,
        failure=end.detail if end.status == FAILURE else "",
        peers={row.mechanism: row.native for row in rows if row.kind == "peer" and row.native is not None},
    )


def _evidence(row: Row) -> PADEvidence:
    return PADEvidence(
        name=row.mechanism,
        status=Status(row.status),
        unit="",
        detail=row.detail,
        native=row.native,
        bona_fide_llr=row.bona_fide_llr,
        decisive=row.decisive,
        reason=Reason(row.reason) if row.reason else None,
    )

"""The manifest of a batch: which recording is to be compared with which photo, one decision a row.

CSV or Parquet with the columns ``video`` and ``reference``; ``id`` (by default the number of the row, from 0) and
``policy`` (by default that of the batch) may be there. Other columns are carried into the results as they are.

Public items: :class:`Manifest`, :class:`Row`, :func:`read_manifest`.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from idverify.errors import MediaNotFoundError, ParameterError
from idverify.evaluation.storage import ADDRESS_BEGINS, read_media
from idverify.text import foreign

__all__ = ["Manifest", "Row", "read_manifest"]

REQUIRED = ("video", "reference")
OWN = ("id", *REQUIRED, "policy")
# Names of what the results add; a manifest may not use them for something else.
RESERVED = ("outcome", "confidence", "reasons", "similarity", "fmr_at_score", "liveness_llr", "error", "decision")
# A manifest of ten million rows has about a gigabyte.
_MAX_BYTES = 8_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One decision to make."""

    number: int
    id: str
    video: str
    reference: str
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All rows, held as columns.

    Parameters
    ----------
    table
        A ``pyarrow.Table``; the columns that have a meaning here are text, without nulls.
    base
        Folder that relative paths start from; text where it is one of an object store.
    sha256
        Of the file.
    """

    table: Any = field(repr=False)
    base: Path | str
    sha256: str

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def extra(self) -> tuple[str, ...]:
        """Columns that are carried along."""
        return tuple(name for name in self.table.column_names if name not in OWN)

    @property
    def policies(self) -> frozenset[str]:
        """Policies that rows name."""
        named = self.table.column("policy").unique().to_pylist() if "policy" in self.table.column_names else ()
        return frozenset(name for name in named if name)

    def names_addresses(self, stop: int) -> bool:
        """Whether one of the first rows, up to `stop`, has its recording or its photo in an object store."""
        from pyarrow import compute

        columns = (self.columns(0, stop)[name] for name in REQUIRED)
        return any(compute.any(compute.match_substring_regex(each, ADDRESS_BEGINS)).as_py() for each in columns)

    def rows(self, start: int, stop: int, *, policy: str) -> Iterator[Row]:
        """Rows of a stretch; `policy` is that of rows that name none."""
        columns = {name: values.to_pylist() for name, values in self.columns(start, stop).items() if name in OWN}
        for at in range(min(stop, len(self)) - start):
            texts: Mapping[str, str] = {name: values[at] for name, values in columns.items()}
            yield Row(
                number=start + at,
                id=texts.get("id") or str(start + at),
                video=texts["video"],
                reference=texts["reference"],
                policy=texts.get("policy") or policy,
            )

    def columns(self, start: int, stop: int) -> dict[str, Any]:
        """A stretch, column by column, as a ``pyarrow.ChunkedArray`` each."""
        part = self.table.slice(start, stop - start)
        return {name: part.column(name) for name in part.column_names}


def read_manifest(where: str) -> Manifest:
    """Read a manifest from a path or an address.

    Raises
    ------
    ParameterError
        It cannot be read, lacks a column or any row, uses a name of the results, or names a row twice.
    """
    try:
        import pyarrow as pa
        from pyarrow import csv, parquet
    except ImportError as error:
        raise ParameterError("a batch needs the package pyarrow: pip install pyarrow") from error
    try:
        data = read_media(where, max_bytes=_MAX_BYTES)
    except MediaNotFoundError as error:
        raise ParameterError(str(error)) from error
    source = io.BytesIO(data)
    try:
        if data[:4] == b"PAR1":
            table = parquet.ParquetFile(source).read()
        else:
            layout = csv.ParseOptions(newlines_in_values=True)
            with csv.open_csv(io.BytesIO(data), parse_options=layout) as opened:
                as_text = csv.ConvertOptions(column_types=dict.fromkeys(opened.schema.names, pa.string()))
            table = csv.read_csv(source, parse_options=layout, convert_options=as_text)
        # Damage deep inside shows only when the values are looked at.
        table.validate(full=True)
        _require_names(table, where)
        table = _own_as_text(table, where)
        _require_rows(table, where)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{foreign(where)} is neither CSV in UTF-8 nor Parquet: {foreign(error)}") from error
    local = "://" not in where
    base = Path(where).resolve().parent if local else where.rpartition("/")[0]
    return Manifest(table=table, base=base, sha256=hashlib.sha256(data).hexdigest())


def _require_names(table: Any, where: str) -> None:
    names = table.column_names
    missing = [name for name in REQUIRED if name not in names]
    taken = [name for name in names if name in RESERVED or names.count(name) > 1]
    if missing or taken:
        fault = f"lacks the columns {', '.join(missing)}" if missing else f"has columns that may not be: {taken}"
        raise ParameterError(f"{foreign(where)} {foreign(fault)}")


def _own_as_text(table: Any, where: str) -> Any:
    """Turn the columns that have a meaning here into text, once, so that all who read them read the same."""
    import pyarrow as pa
    from pyarrow import compute

    for at, name in enumerate(table.column_names):
        column = table.column(at)
        if pa.types.is_dictionary(column.type):
            # A part of the results would hold the words of all.
            column = column.cast(column.type.value_type)
        if name in OWN:
            try:
                column = compute.fill_null(column.cast(pa.string()), "")
            except pa.ArrowException as error:
                fault = f"has a column {name} of the type {column.type}: expected text"
                raise ParameterError(f"{foreign(where)} {foreign(fault)}") from error
        table = table.set_column(at, name, column)
    return table


def _require_rows(table: Any, where: str) -> None:
    from pyarrow import compute

    if not table.num_rows:
        raise ParameterError(f"{foreign(where)} names no recording")
    empty = [name for name in REQUIRED if compute.any(compute.equal(table.column(name), "")).as_py()]
    if empty:
        raise ParameterError(f"{foreign(where)} has rows without {', '.join(empty)}")
    if "id" in table.column_names and len(_ids(table).unique()) < table.num_rows:
        raise ParameterError(f"{foreign(where)} names an id twice")


def _ids(table: Any) -> Any:
    """Ids as the rows have them: one without gets its number, which may be another's id."""
    import pyarrow as pa
    from pyarrow import compute

    given = table.column("id")
    numbers = pa.array(range(table.num_rows)).cast(pa.string())
    return compute.if_else(compute.equal(given, ""), numbers, given)

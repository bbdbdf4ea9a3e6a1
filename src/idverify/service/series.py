"""What was measured over time in a recording: kept encrypted beside it, goes when it goes, read by the desk for plots.

Conventions: a process that has seen a stranger's file says this: nothing but numbers, and no more than a plot can show,
is kept of what it says. That nothing was kept costs a plot, never a decision.

Public items: :class:`Series`, :func:`keep`, :func:`series_of`.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idverify.service.attempts import data_key
from idverify.service.blobs import NoSuchBlobError, StorageUnavailableError
from idverify.service.core import Core
from idverify.service.keys import DataKey, EvidenceUnreadableError
from idverify.service.problems import Problem
from idverify.service.tables import Attempt

__all__ = ["Series", "keep", "series_of"]

log = logging.getLogger("idverify.service.series")

# More mechanisms, points and letters of a unit than there are.
_MAX_SERIES, _MAX_POINTS, _MAX_UNIT = 64, 400, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One signal over time.

    Parameters
    ----------
    unit
        In words.
    times_s, values
        Of one length; None where nothing was measured.
    """

    unit: str
    times_s: tuple[float | None, ...]
    values: tuple[float | None, ...]


def keep(core: Core, attempt_id: str, recording_id: str, found: Any) -> None:
    """Keep what a judge's process measured in a recording; what is no series is left out."""
    rows = {name: row for name, row in found.items() if _is_series(row)} if isinstance(found, Mapping) else {}
    plain = json.dumps(dict(list(rows.items())[:_MAX_SERIES]), allow_nan=False).encode()
    try:
        with core.database.reading() as session:
            key = data_key(core, session.get_one(Attempt, attempt_id))
        core.vault.put(key, _name(attempt_id, recording_id), plain)
    except (Problem, StorageUnavailableError) as error:
        log.warning("attempt %s: what was measured over time is not kept: %s", attempt_id, error)


def series_of(core: Core, key: DataKey, attempt_id: str, recording_id: str) -> dict[str, Series]:
    """Mechanism -> what it measured over time; empty where nothing was kept or it cannot be read now."""
    try:
        rows = json.loads(core.vault.get(key, _name(attempt_id, recording_id)))
    except (NoSuchBlobError, StorageUnavailableError, EvidenceUnreadableError):
        return {}
    return {
        name: Series(unit=row["unit"], times_s=tuple(row["times_s"]), values=tuple(row["values"]))
        for name, row in rows.items()
    }


def _name(attempt_id: str, recording_id: str) -> str:
    return f"attempts/{attempt_id}/{recording_id}/series"


def _is_series(row: Any) -> bool:
    if not isinstance(row, Mapping) or set(row) != {"unit", "times_s", "values"}:
        return False
    unit, times_s, values = row["unit"], row["times_s"], row["values"]
    return (
        isinstance(unit, str)
        and len(unit) <= _MAX_UNIT
        and all(isinstance(each, list) and len(each) <= _MAX_POINTS for each in (times_s, values))
        and len(times_s) == len(values)
        and all(each is None or _is_number(each) for each in (*times_s, *values))
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)

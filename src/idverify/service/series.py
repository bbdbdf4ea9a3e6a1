"""What was measured over time in a recording: kept encrypted beside it, goes when it goes, read by the desk for plots.

Conventions: a process that has seen a stranger's file says this: nothing but numbers, and no more than a plot can show,
is kept of what it says. That nothing was kept costs a plot, never a decision.

Public items: :class:`Series`, :func:`keep`, :func:`series_of`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idverify.service.attempts import data_key
from idverify.service.blobs import NoSuchBlobError, StorageUnavailableError
from idverify.service.core import Core
from idverify.service.database import DatabaseUnavailableError
from idverify.service.keys import EvidenceUnreadableError
from idverify.service.problems import Problem
from idverify.service.tables import Attempt

__all__ = ["Series", "keep", "series_of"]

log = logging.getLogger("idverify.service.series")

# More mechanisms, points and letters of a name than there are, and numbers that a plot can place.
_MAX_SERIES, _MAX_POINTS, _MAX_NAME, _MAX_NUMBER = 64, 400, 64, 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One signal over time.

    Parameters
    ----------
    times_s, values
        Of one length; None where nothing was measured.
    """

    times_s: tuple[float | None, ...]
    values: tuple[float | None, ...]


def keep(core: Core, attempt_id: str, recording_id: str, found: Any) -> None:
    """Keep what a judge's process measured in a recording that it decided on; what is no series is left out."""
    rows = found.items() if isinstance(found, Mapping) else ()
    good = [(name, row) for name, row in rows if len(name) <= _MAX_NAME and _is_series(row)]
    plain = json.dumps(dict(good[:_MAX_SERIES])).encode()
    try:
        with core.database.reading() as session:
            key = data_key(core, session.get_one(Attempt, attempt_id))
        core.vault.put(key, _name(attempt_id, recording_id), plain)
        with core.database.reading() as session:
            if session.get_one(Attempt, attempt_id).wrapped_key is None:
                # Deleted meanwhile: nobody can read it, and nobody would delete it.
                core.vault.blobs.delete_all(f"attempts/{attempt_id}")
    except (Problem, DatabaseUnavailableError, EvidenceUnreadableError, StorageUnavailableError) as error:
        log.warning("attempt %s: what was measured over time is not kept: %s", attempt_id, error)


def series_of(core: Core, attempt_id: str, recording_id: str, wrapped_key: bytes) -> dict[str, Series]:
    """Mechanism -> what it measured over time in a recording; empty where nothing was kept.

    Raises
    ------
    StorageUnavailableError
    """
    try:
        key = core.vault.master.unwrap(wrapped_key, attempt_id)
        rows = json.loads(core.vault.get(key, _name(attempt_id, recording_id)))
    except (NoSuchBlobError, EvidenceUnreadableError):
        return {}
    return {name: Series(times_s=tuple(row["times_s"]), values=tuple(row["values"])) for name, row in rows.items()}


def _name(attempt_id: str, recording_id: str) -> str:
    return f"attempts/{attempt_id}/{recording_id}/series"


def _is_series(row: Any) -> bool:
    if not isinstance(row, Mapping) or set(row) != {"times_s", "values"}:
        return False
    times_s, values = row["times_s"], row["values"]
    return (
        all(isinstance(each, list) and len(each) <= _MAX_POINTS for each in (times_s, values))
        and len(times_s) == len(values)
        and all(each is None or _is_number(each) for each in (*times_s, *values))
    )


def _is_number(value: Any) -> bool:
    """No boolean, no NaN, no integer that no float holds."""
    return type(value) in (int, float) and abs(value) < _MAX_NUMBER

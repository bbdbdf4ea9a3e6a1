"""What the person is told: kind words and a next step, never a score.

Public items: :func:`outcome_of`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idverify.service.states import State
from idverify.service.tables import Attempt

__all__ = ["outcome_of"]

# What a rejection does not explain to the person: it would teach whoever tries.
_SILENT = frozenset({State.ACCEPTED.value, State.REJECTED.value})


def outcome_of(
    row: Attempt, words: Mapping[str, Any], *, left: int, case: bool = False, ways: bool = False
) -> dict[str, Any] | None:
    """Title, message and next steps in the person's language; None while nothing is to be said.

    Parameters
    ----------
    row
        The attempt.
    words
        The page's words in its language.
    left
        How many recordings are left.
    case
        Whether this browser has the attempt's case open, where everything else is said and asked.
    ways
        Whether another way can be taken there.
    """
    help_from = "ways" if case and ways else "case" if case else "contact"
    after = ["record_again", "other_device", *([help_from] if case else [])] if left else [help_from]
    if row.state == State.REQUIRES_INPUT.value and row.failure is not None:
        said = _entry(words, "problem", row.failure) or _entry(words, "problem", "recording_incomplete")
        return _outcome(words, said, after)
    if row.state not in {s.value for s in (State.ACCEPTED, State.REJECTED, State.INCONCLUSIVE)}:
        return None
    said = _entry(words, "outcome", row.state)
    if row.state in _SILENT:
        return _outcome(words, said, ["case" if case else "wait"] if row.state == State.ACCEPTED.value else [help_from])
    # Only what the words name is told: a reason that they leave out would teach whoever tries.
    codes = [code for code in (row.decision or {}).get("reasons", ()) if code in words.get("reason", {})]
    return {**_outcome(words, said, after), "advice": codes}


def _outcome(words: Mapping[str, Any], said: Mapping[str, str], ways: list[str]) -> dict[str, Any]:
    labels = {"ways": words.get("case", {}).get("ways", "ways"), **words.get("next", {})}
    return {
        "title": said.get("title", ""),
        "message": said.get("message", ""),
        "advice": [],
        "next": [{"action": way, "text": labels.get(way, way)} for way in ways],
    }


def _entry(words: Mapping[str, Any], table: str, code: str) -> dict[str, str]:
    found = words.get(table, {}).get(code, {})
    return dict(found) if isinstance(found, Mapping) else {"message": str(found)}

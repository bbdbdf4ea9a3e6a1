"""Challenges as JSON files.

Goal: what is read back is exactly what was sealed. The reader knows every field and its type; an
unknown, missing, repeated or misshapen one is refused, so nothing outside the seal can slip in.

Public items: :func:`to_json`, :func:`from_json`, :func:`load`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from idverify.challenge.actions import Action, Colour
from idverify.challenge.issuing import FORMAT, Challenge, LightStep, Step
from idverify.errors import ChallengeError
from idverify.text import foreign

__all__ = ["from_json", "load", "to_json"]

# Far above any challenge that is issued (under 2 kB); keeps hostile files from costing memory.
MAX_FILE_BYTES = 65_536
_MAX_PARTS = 32
_FIELDS = {
    "format", "kind", "nonce", "issued_at_ms", "expires_at_ms", "subject", "actions", "steps", "light", "seeded",
    "hmac_sha256",
}  # fmt: skip


def to_json(challenge: Challenge) -> str:
    """Return the challenge as an indented JSON text, seal included."""
    return json.dumps({**challenge.payload(), "hmac_sha256": challenge.hmac_sha256}, indent=2) + "\n"


def load(path: str | Path) -> Challenge:
    """Read a challenge file.

    Raises
    ------
    ChallengeError
        The file cannot be read or is not a challenge. (Its seal is judged later.)
    """
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        # A name with a null character is a ValueError.
        why = error.strerror if isinstance(error, OSError) else error
        raise ChallengeError(f"cannot read the challenge {foreign(path)}: {why}") from error
    return from_json(text)


def from_json(text: str | bytes) -> Challenge:
    """Read a challenge from JSON text.

    Raises
    ------
    ChallengeError
        The text is not a challenge. (Its seal is judged later.)
    """
    if len(text) > MAX_FILE_BYTES:
        raise ChallengeError(f"a challenge has at most {MAX_FILE_BYTES} bytes")
    try:
        fields = json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise ChallengeError(f"the challenge is not valid JSON: {foreign(error)}") from error
    _expect(isinstance(fields, dict) and fields.get("format") == FORMAT, f"format is not {FORMAT!r}")
    _expect(set(fields) == _FIELDS, f"fields differ by {foreign(sorted(set(fields) ^ _FIELDS))}")
    _expect(isinstance(fields["seeded"], bool), "seeded is not true or false")
    challenge = Challenge(
        nonce=_hex(fields["nonce"], 32, "nonce"),
        issued_at_s=_seconds(fields["issued_at_ms"], "issued_at_ms"),
        expires_at_s=_seconds(fields["expires_at_ms"], "expires_at_ms"),
        subject=_hex(fields["subject"], 64, "subject") if fields["subject"] else _empty(fields["subject"]),
        actions=tuple(_member(Action, name) for name in _list(fields["actions"], "actions")),
        steps=tuple(
            Step(action=_member(Action, part["action"]), start_s=start, end_s=end)
            for part, start, end in _parts(fields["steps"], "action")
        ),
        light=tuple(
            LightStep(colour=_member(Colour, part["colour"]), start_s=start, end_s=end)
            for part, start, end in _parts(fields["light"], "colour")
        ),
        seeded=fields["seeded"],
        hmac_sha256=_hex(fields["hmac_sha256"], 64, "hmac_sha256"),
    )
    _expect(bool(challenge.steps or challenge.light), "it asks for nothing")
    _expect(challenge.kind == fields["kind"], "kind does not fit the steps")
    return challenge


def _parts(value: Any, symbol: str) -> list[tuple[dict[str, Any], float, float]]:
    """Check one list of windows: right fields, in order, none overlapping."""
    parts, previous_end = [], 0.0
    for part in _list(value, "steps"):
        _expect(isinstance(part, dict) and set(part) == {symbol, "start_ms", "end_ms"}, "a step has other fields")
        start, end = _seconds(part["start_ms"], "start_ms"), _seconds(part["end_ms"], "end_ms")
        _expect(previous_end <= start < end, "the windows are not in order")
        parts.append((part, start, end))
        previous_end = end
    return parts


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    _expect(len(fields) == len(pairs), "a field is given twice")
    return fields


def _list(value: Any, name: str) -> list[Any]:
    _expect(isinstance(value, list) and len(value) <= _MAX_PARTS, f"{name} is not a short list")
    return list(value)


def _member(kind: Any, name: Any) -> Any:
    known = isinstance(name, str) and name in kind._value2member_map_
    _expect(known, f"unknown {kind.__name__.lower()} {foreign(name)!r}")
    return kind._value2member_map_[name]


def _seconds(value: Any, name: str) -> float:
    # 2**53: integers above are not exact in JSON readers; far beyond any date.
    _expect(type(value) is int and 0 <= value < 2**53, f"{name} is not a whole number of milliseconds")
    return float(value) / 1000


def _empty(value: Any) -> str:
    _expect(value == "", "subject is not a text")
    return ""


def _hex(value: Any, length: int, name: str) -> str:
    _expect(
        isinstance(value, str) and re.fullmatch(rf"[0-9a-f]{{{length}}}", value) is not None,
        f"{name} is not {length} hexadecimal digits",
    )
    return str(value)


def _expect(condition: bool, problem: str) -> None:
    if not condition:
        raise ChallengeError(f"this is not a challenge: {problem}")

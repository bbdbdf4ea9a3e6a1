"""The case policy: how many judged rejections, how long to wait after each, by when every step is due, and how long
what is kept; data.

Public items: :class:`CasePolicy`, :func:`load_case_policy`.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idverify.errors import PolicyError
from idverify.service.case_states import NEXT_STEPS
from idverify.text import foreign
from idverify.verification.shipped import policy_names

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["CasePolicy", "load_case_policy"]

_SHIPPED = Path(__file__).with_name("case_policy.toml")
_ATTEMPTS = {"judged_rejections", "window_s", "delays_s", "address_rejections"}
_RETENTION = {"papers", "link", "visit", "not_me", "continuation"}
_DEFAULT = "default"
# NIST SP 800-63B-4, 3.2.3: at most 100 failures in a row with attack detection, whatever the delays.
_MOST_REJECTIONS = 100
_MOST_FROM_AN_ADDRESS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePolicy:
    """What governs a case.

    Parameters
    ----------
    judged_rejections
        So many within the window, and the case goes to a person.
    window_s
        How long a rejection counts.
    delays_s
        How long the next attempt waits after the first, second, ... rejection within the window; the last one stays.
    address_rejections
        So many from one network address within the window, and the next recording from there waits.
    deadlines_s
        Name of a deadline -> seconds from the change of state on.
    evidence_s
        Policy of an attempt -> how long its media are kept once it is decided; ``default`` for the others.
    retention_s
        Name of what is kept, or can be opened -> for how long.
    sha256
        Of the file, for the record.
    """

    judged_rejections: int
    window_s: float
    delays_s: tuple[float, ...]
    address_rejections: int
    deadlines_s: Mapping[str, float]
    evidence_s: Mapping[str, float]
    retention_s: Mapping[str, float]
    sha256: str

    def delay_s(self, rejections: int) -> float:
        """How long to wait after so many judged rejections within the window."""
        return self.delays_s[min(rejections, len(self.delays_s)) - 1] if rejections else 0.0

    def evidence_of_s(self, policy: str) -> float:
        """How long the media of an attempt under a policy are kept once it is decided."""
        return self.evidence_s.get(policy, self.evidence_s[_DEFAULT])


def load_case_policy(path: Path | None = None) -> CasePolicy:
    """Read a case policy.

    Parameters
    ----------
    path
        A TOML file; the package's own by default.

    Raises
    ------
    PolicyError
        It cannot be read, says too little or too much, or delays that shrink.
    """
    source = path or _SHIPPED
    try:
        content = source.read_bytes()
        given = tomllib.loads(content.decode())
    except (OSError, ValueError) as error:
        raise PolicyError(f"the case policy {foreign(str(source))} cannot be read: {foreign(str(error))}") from None
    _same_names("the case policy", given, {"attempts", "deadlines_s", "evidence_s", "retention_s"})
    attempts, deadlines = _table(given, "attempts"), _table(given, "deadlines_s")
    _same_names("attempts", attempts, _ATTEMPTS)
    _same_names("deadlines_s", deadlines, {step.deadline for step in NEXT_STEPS.values()})
    evidence, retention = _table(given, "evidence_s"), _table(given, "retention_s")
    _same_names("evidence_s", evidence, {_DEFAULT} | (evidence.keys() & set(policy_names())))
    _same_names("retention_s", retention, _RETENTION)
    delays = attempts["delays_s"]
    if not isinstance(delays, list) or not delays or [_seconds("delays_s", d) for d in delays] != sorted(delays):
        raise PolicyError("delays_s is a list of seconds that do not shrink")
    return CasePolicy(
        judged_rejections=_count("judged_rejections", attempts, _MOST_REJECTIONS),
        window_s=_seconds("window_s", attempts["window_s"]),
        delays_s=tuple(_seconds("delays_s", delay) for delay in delays),
        address_rejections=_count("address_rejections", attempts, _MOST_FROM_AN_ADDRESS),
        deadlines_s={name: _seconds(name, value) for name, value in deadlines.items()},
        evidence_s={name: _seconds(name, value) for name, value in evidence.items()},
        retention_s={name: _seconds(name, value) for name, value in retention.items()},
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _table(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = given[name]
    if not isinstance(found, dict):
        raise PolicyError(f"{name} is a table")
    return found


def _same_names(where: str, given: Mapping[str, Any], expected: set[str]) -> None:
    missing, unknown = sorted(expected - given.keys()), sorted(given.keys() - expected)
    if missing:
        raise PolicyError(f"{where} does not say {missing[0]}")
    if unknown:
        raise PolicyError(f"{where} says {foreign(unknown[0])!r}, which is not known")


def _count(name: str, given: Mapping[str, Any], most: int) -> int:
    value = given[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise PolicyError(f"{name} is a whole number from 1 to {most}")
    return value


def _seconds(name: str, value: Any) -> float:
    # Ten years: more is a slip of the pen, and not a number is none.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 3.2e8:
        raise PolicyError(f"{name} is a positive number of seconds")
    return float(value)

"""Policies are data: TOML files in ``models/policies`` or the caller's own.

A policy names the target false match rate, the liveness mechanisms that must have been assessed, the thresholds on the
fused liveness LLR, the prior, and the limits on the recording. An empty policy is invalid, and one without liveness
must say ``unsafe`` in its name.

Public items: :class:`DecisionPolicy`, :func:`load_policy`, :func:`policy_names`.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idverify.errors import ParameterError, PolicyError
from idverify.media.source import MediaLimits
from idverify.models.manifest import data_dir
from idverify.pad.panel import MECHANISMS
from idverify.verification.fusion import Prior

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["DecisionPolicy", "load_policy", "policy_names"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionPolicy:
    """What it takes to accept.

    Parameters
    ----------
    name, title
        The title is one sentence for the report.
    target_fmr
        The rate of strangers that may match; the threshold comes from the calibration card.
    required_mechanisms
        Liveness mechanisms without whose judgement nothing is accepted.
    accept_liveness_llr
        Fused bona fide LLR (natural log) from which on the presentation counts as bona fide.
    reject_liveness_llr
        Fused bona fide LLR below which it counts as an attack; between the two it is inconclusive.
    require_challenge
        Nothing is accepted without an answered challenge.
    prior
        What is expected before anything was seen.
    min_duration_s, min_compared_frames, min_frame_rate_hz
        Less than this is not enough to judge.
    limits
        What is decoded at most.
    sha256
        Of the policy file, for the result.
    """

    name: str
    title: str
    target_fmr: float
    required_mechanisms: tuple[str, ...]
    accept_liveness_llr: float
    reject_liveness_llr: float
    require_challenge: bool
    prior: Prior
    min_duration_s: float
    min_compared_frames: int
    min_frame_rate_hz: float
    limits: MediaLimits
    sha256: str

    def __post_init__(self) -> None:
        if not 0 < self.target_fmr < 1:
            raise PolicyError(f"target_fmr is a rate between 0 and 1, got {self.target_fmr}")
        if not self.required_mechanisms and not self.unsafe:
            raise PolicyError(
                f"policy {self.name!r} requires no liveness mechanism; only a policy with 'unsafe' in its name may"
            )
        if self.unsafe and self.required_mechanisms:
            raise PolicyError(
                f"policy {self.name!r} requires liveness mechanisms, but one with 'unsafe' in its name never asks them"
            )
        unknown = [name for name in self.required_mechanisms if name not in MECHANISMS]
        if unknown:
            raise PolicyError(
                f"policy {self.name!r} requires {', '.join(map(repr, unknown))}, and there is no such liveness "
                f"mechanism; there are {', '.join(MECHANISMS)}"
            )
        # Asked this way, NaN is refused.
        if not self.accept_liveness_llr >= self.reject_liveness_llr:
            raise PolicyError("accept_liveness_llr must not be below reject_liveness_llr")

    @property
    def unsafe(self) -> bool:
        """Whether the policy decides on the comparison alone."""
        return self.name.startswith("unsafe")


def _policies_dir() -> Path:
    return data_dir() / "policies"


def policy_names() -> tuple[str, ...]:
    """Names of the policies in the package."""
    return tuple(sorted(path.stem for path in _policies_dir().glob("*.toml")))


def load_policy(source: DecisionPolicy | str | Path) -> DecisionPolicy:
    """A policy by name, or from a TOML file.

    Raises
    ------
    PolicyError
        Unknown name, unreadable file, missing, extra or contradictory entries.
    """
    if isinstance(source, DecisionPolicy):
        return source
    path = _policies_dir() / f"{source}.toml" if str(source) in policy_names() else Path(source)
    try:
        raw = path.read_bytes()
        table = tomllib.loads(raw.decode("utf-8"))
    except (FileNotFoundError, IsADirectoryError):
        names = ", ".join(policy_names())
        raise PolicyError(f"no policy named {str(source)!r} and no such file; the policies are: {names}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(f"policy {str(source)!r} cannot be read: {error}") from None
    return _from_table(table, hashlib.sha256(raw).hexdigest(), str(source))


# What TOML must give for each entry: a text for a list or a number would only be noticed in the middle of a check.
_TYPES: dict[type | tuple[type, ...], tuple[str, ...]] = {
    str: ("name", "title"),
    bool: ("require_challenge",),
    list: ("required_mechanisms",),
    (int, float): (
        "target_fmr",
        "accept_liveness_llr",
        "reject_liveness_llr",
        "min_duration_s",
        "min_compared_frames",
        "min_frame_rate_hz",
    ),
}


def _from_table(table: dict[str, Any], sha256: str, source: str) -> DecisionPolicy:
    try:
        values = dict(table)
        for kind, names in _TYPES.items():
            for name in names:
                if not isinstance(values[name], kind):
                    raise TypeError(f"{name} = {values[name]!r}")
        values["prior"] = Prior(**values["prior"])
        values["limits"] = MediaLimits(**values.get("limits", {}))
        values["required_mechanisms"] = tuple(values["required_mechanisms"])
        return DecisionPolicy(**values, sha256=sha256)
    except (KeyError, TypeError, ParameterError) as error:
        raise PolicyError(f"policy {source!r} has an entry that is missing, not known or wrong: {error}") from None

"""Policies are data: TOML files in ``models/policies`` or the caller's own.

A policy names the target false match rate, the liveness mechanisms that must have been assessed, the thresholds on the
fused liveness LLR, the prior, and the limits on the recording. An empty policy is invalid, one that asks less of
liveness than a floor must have a name that begins with ``unsafe``, and a name that the package ships means at least
what the package means.

Public items: :class:`DecisionPolicy`, :func:`load_policy`, :func:`policy_names`.
"""

from __future__ import annotations

import hashlib
import math
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from idverify.challenge.admission import DEFAULT_SLACK_S
from idverify.comparison.calibration import REFERENCE_KINDS
from idverify.errors import ParameterError, PolicyError
from idverify.media.source import MediaLimits
from idverify.pad.panel import MECHANISMS
from idverify.text import foreign
from idverify.verification.binding import CaptureBinding
from idverify.verification.fusion import AttackClass, Prior
from idverify.verification.shipped import policies_dir, policy_names

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["DecisionPolicy", "load_policy", "policy_names"]

# Less than this is a policy that anybody with a photo passes now and then: the mechanism that finds a photo, and
# thresholds somewhat below those of `convenience`. What they cost was not measured.
FLOOR_MECHANISMS = frozenset({"stillness"})
FLOOR_CLASSES = {AttackClass.STILL.value: 1.5}
FLOOR_ACCEPT_LLR = -1.0
FLOOR_REJECT_LLR = -2.0
# More than this is no limit on the time to answer.
MAX_SLACK_S = 3600.0
MAX_LATENCY_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionPolicy:
    """What it takes to accept.

    Parameters
    ----------
    name, title
        The title is one sentence for the report.
    target_fmr
        The rate of strangers that may match; the threshold comes from the calibration card.
    target_fmr_with_liveness
        The rate where liveness is judged, since a face laid over somebody else's resembles the person less than that
        person does. At most `target_fmr`, which stands where this is None. Of the card's thresholds, the one that
        is as strict or the next stricter; where there is none, the strictest, and the decision warns.
    required_mechanisms
        Liveness mechanisms without whose judgement nothing is accepted.
    attack_classes
        Ways to attack (:class:`~idverify.verification.fusion.AttackClass`) that must have been tested, and the bona
        fide LLR (natural log) that the evidence must reach against each.
    accept_liveness_llr
        Fused bona fide LLR (natural log) from which on the presentation counts as bona fide.
    reject_liveness_llr
        Fused bona fide LLR below which it counts as an attack; between the two it is inconclusive.
    require_challenge
        Nothing is accepted without an answered challenge.
    prior
        What is expected before anything was seen.
    challenge_slack_s
        Seconds beyond a recording's own length that starting it and sending it may take after its challenge was issued.
    challenge_latency_s
        Seconds by which a network may delay the answer to a step that a server reveals in time.
    reference_kind
        What the reference is: ``portrait``, ``selfie`` or ``document``. Each has thresholds of its own on the
        calibration card; a kind that was not measured is refused before anything is judged.
    service_capture
        How a recording has to be bound to be accepted, where a service that led its capture decides.
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
    attack_classes: Mapping[str, float]
    accept_liveness_llr: float
    reject_liveness_llr: float
    require_challenge: bool
    prior: Prior
    min_duration_s: float
    min_compared_frames: int
    min_frame_rate_hz: float
    limits: MediaLimits
    sha256: str
    challenge_slack_s: float = DEFAULT_SLACK_S
    challenge_latency_s: float = 2.0
    service_capture: CaptureBinding = CaptureBinding.FILE
    reference_kind: str = REFERENCE_KINDS[0]
    target_fmr_with_liveness: float | None = None

    def __post_init__(self) -> None:
        for name in _NUMBERS:
            if not math.isfinite(getattr(self, name)):
                raise PolicyError(f"{name} is a finite number, got {getattr(self, name)}")
        for name in ("min_duration_s", "min_compared_frames", "min_frame_rate_hz"):
            if getattr(self, name) < 0:
                raise PolicyError(f"{name} must not be negative, got {getattr(self, name)}")
        for name, most in (("challenge_slack_s", MAX_SLACK_S), ("challenge_latency_s", MAX_LATENCY_S)):
            if not 0 <= getattr(self, name) <= most:
                raise PolicyError(f"{name} is from 0 to {most:g} seconds, got {getattr(self, name)}")
        if not 0 < self.target_fmr < 1:
            raise PolicyError(f"target_fmr is a rate between 0 and 1, got {self.target_fmr}")
        if self.target_fmr_with_liveness is not None and not 0 < self.target_fmr_with_liveness <= self.target_fmr:
            raise PolicyError(
                f"target_fmr_with_liveness is a rate above 0 and at most target_fmr ({self.target_fmr:g}), "
                f"got {self.target_fmr_with_liveness}"
            )
        if self.reference_kind not in REFERENCE_KINDS:
            raise PolicyError(
                f"reference_kind is one of {', '.join(REFERENCE_KINDS)}, got {foreign(self.reference_kind)!r}"
            )
        unknown = [name for name in self.required_mechanisms if name not in MECHANISMS]
        if unknown:
            raise PolicyError(
                f"policy {foreign(self.name)!r} requires {', '.join(repr(foreign(name)) for name in unknown)}, and "
                f"there is no such liveness mechanism; there are {', '.join(MECHANISMS)}"
            )
        classes = [attack_class.value for attack_class in AttackClass]
        for name, mark in self.attack_classes.items():
            if name not in classes:
                raise PolicyError(
                    f"policy {foreign(self.name)!r} names the way to attack {foreign(name)!r}, and there is no such; "
                    f"there are {', '.join(classes)}"
                )
            if isinstance(mark, bool) or not isinstance(mark, int | float) or not math.isfinite(mark):
                raise PolicyError(f"attack_classes.{name} is a finite number, got {foreign(mark)}")
        if self.accept_liveness_llr < self.reject_liveness_llr:
            raise PolicyError("accept_liveness_llr must not be below reject_liveness_llr")
        if not self.unsafe and (lacking := self._below_the_floor()):
            raise PolicyError(
                f"policy {foreign(self.name)!r} {lacking}; only a policy whose name begins with 'unsafe' may"
            )

    @property
    def unsafe(self) -> bool:
        """Whether the policy gave up a protection; such a policy says so at the start of its name."""
        return self.name.startswith("unsafe")

    @property
    def compares_only(self) -> bool:
        """Whether the policy decides on the comparison alone; only an unsafe one may."""
        return not self.required_mechanisms

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it although its mapping, which nobody can change, is none that pickle knows."""
        values = {part.name: getattr(self, part.name) for part in fields(self)}
        return _policy_of, ({**values, "attack_classes": dict(self.attack_classes)},)

    def _below_the_floor(self) -> str | None:
        """What the policy asks less of liveness than any policy has to."""
        if not self.required_mechanisms:
            return "requires no liveness mechanism"
        if missing := FLOOR_MECHANISMS - set(self.required_mechanisms):
            return f"does not require {', '.join(sorted(missing))}"
        for name, least in FLOOR_CLASSES.items():
            if self.attack_classes.get(name, -math.inf) < least:
                return f"asks of attack_classes.{name} less than {least:g}"
        if self.accept_liveness_llr < FLOOR_ACCEPT_LLR:
            return f"accepts from a liveness LLR of {self.accept_liveness_llr:g} on, below {FLOOR_ACCEPT_LLR:g}"
        if self.reject_liveness_llr < FLOOR_REJECT_LLR:
            return f"rejects below a liveness LLR of {self.reject_liveness_llr:g} only, below {FLOOR_REJECT_LLR:g}"
        return None

    def weaker_than(self, other: DecisionPolicy) -> tuple[str, ...]:
        """Names of the entries in which this policy asks for less than the other."""
        found = [name for name in _MORE_IS_STRICTER if getattr(self, name) < getattr(other, name)]
        found += [name for name in _LESS_IS_STRICTER if getattr(self, name) > getattr(other, name)]
        if (self.target_fmr_with_liveness or self.target_fmr) > (other.target_fmr_with_liveness or other.target_fmr):
            found.append("target_fmr_with_liveness")
        if not set(self.required_mechanisms) >= set(other.required_mechanisms):
            found.append("required_mechanisms")
        if not self.service_capture.suffices(other.service_capture):
            found.append("service_capture")
        # Portraits have the lowest thresholds: a policy that names another kind is relied on to mean it.
        if self.reference_kind != other.reference_kind != REFERENCE_KINDS[0]:
            found.append("reference_kind")
        if any(self.attack_classes.get(name, -math.inf) < mark for name, mark in other.attack_classes.items()):
            found.append("attack_classes")
        if self.prior.genuine > other.prior.genuine:
            found.append("prior")
        if any(getattr(self.limits, name) < getattr(other.limits, name) for name in ("max_duration_s", "max_frames")):
            found.append("limits")
        return tuple(found)


_MORE_IS_STRICTER = (
    "accept_liveness_llr",
    "reject_liveness_llr",
    "require_challenge",
    "min_duration_s",
    "min_compared_frames",
    "min_frame_rate_hz",
)
_LESS_IS_STRICTER = ("target_fmr", "challenge_slack_s", "challenge_latency_s")
_NUMBERS = (*(name for name in _MORE_IS_STRICTER if name != "require_challenge"), *_LESS_IS_STRICTER)


def _policy_of(values: dict[str, Any]) -> DecisionPolicy:
    return DecisionPolicy(**{**values, "attack_classes": MappingProxyType(values["attack_classes"])})


def load_policy(source: DecisionPolicy | str | Path) -> DecisionPolicy:
    """A policy by name, or from a TOML file.

    Raises
    ------
    PolicyError
        Unknown name, unreadable file, missing, extra or contradictory entries, or a shipped policy's name with less
        than what that one asks for.
    """
    if isinstance(source, DecisionPolicy):
        return _true_to_its_name(source)
    if str(source) in policy_names():
        return _shipped(str(source))
    return _true_to_its_name(_read(Path(source), str(source)))


def _true_to_its_name(policy: DecisionPolicy) -> DecisionPolicy:
    """Whoever reads a shipped policy's name in a decision relies on what the package means by it."""
    # Names that look alike are one name.
    plain = unicodedata.normalize("NFKC", policy.name).strip().casefold()
    if plain in policy_names() and (weaker := policy.weaker_than(_shipped(plain))):
        raise PolicyError(
            f"a policy that calls itself {foreign(policy.name)!r} asks for less than the shipped one "
            f"({', '.join(weaker)}); give it a name of its own"
        )
    return policy


@cache
def _shipped(name: str) -> DecisionPolicy:
    return _read(policies_dir() / f"{name}.toml", name)


def _read(path: Path, source: str) -> DecisionPolicy:
    try:
        raw = path.read_bytes()
        table = tomllib.loads(raw.decode("utf-8"))
    except (FileNotFoundError, IsADirectoryError):
        names = ", ".join(policy_names())
        raise PolicyError(f"no policy named {foreign(source)!r} and no such file; the policies are: {names}") from None
    except (OSError, ValueError) as error:
        raise PolicyError(f"policy {foreign(source)!r} cannot be read: {foreign(error)}") from None
    return _from_table(table, hashlib.sha256(raw).hexdigest(), source)


# What TOML must give for each entry: a text for a list or a number would only be noticed in the middle of a check.
_TYPES: dict[type | tuple[type, ...], tuple[str, ...]] = {
    str: ("name", "title", "service_capture", "reference_kind"),
    bool: ("require_challenge",),
    list: ("required_mechanisms",),
    dict: ("attack_classes",),
    (int, float): (
        "target_fmr",
        "accept_liveness_llr",
        "reject_liveness_llr",
        "min_duration_s",
        "min_compared_frames",
        "min_frame_rate_hz",
        "challenge_slack_s",
        "challenge_latency_s",
        "target_fmr_with_liveness",
    ),
}
# These two are tables with entries of their own.
_ENTRIES = frozenset({"prior", "limits"}.union(*_TYPES.values()))
_OPTIONAL = frozenset(
    {
        "challenge_slack_s",
        "challenge_latency_s",
        "service_capture",
        "reference_kind",
        "target_fmr_with_liveness",
        "limits",
    }
)


def _from_table(table: dict[str, Any], sha256: str, source: str) -> DecisionPolicy:
    if unknown := sorted(table.keys() - _ENTRIES):
        raise PolicyError(f"policy {foreign(source)!r} has an entry that no policy has: {foreign(unknown[0])}")
    if lacking := sorted(_ENTRIES - _OPTIONAL - table.keys()):
        raise PolicyError(f"policy {foreign(source)!r} lacks the entry {lacking[0]}")
    try:
        values = dict(table)
        for kind, names in _TYPES.items():
            for name in names:
                if name not in values and name in _OPTIONAL:
                    continue
                if not isinstance(values[name], kind) or (isinstance(values[name], bool) and kind is not bool):
                    raise TypeError(f"{name} = {values[name]!r}")
        values["prior"] = Prior(**values["prior"])
        values["limits"] = MediaLimits(**values.get("limits", {}))
        values["required_mechanisms"] = tuple(values["required_mechanisms"])
        if (capture := values.get("service_capture", "file")) not in {binding.value for binding in CaptureBinding}:
            raise TypeError(f"service_capture = {capture!r}")
        values["service_capture"] = CaptureBinding(capture)
        values["attack_classes"] = MappingProxyType(dict(values["attack_classes"]))
        return DecisionPolicy(**values, sha256=sha256)
    except (KeyError, TypeError, OverflowError, ParameterError) as error:
        raise PolicyError(
            f"policy {foreign(source)!r} has a value that is missing, not known or wrong: {foreign(error)}"
        ) from None

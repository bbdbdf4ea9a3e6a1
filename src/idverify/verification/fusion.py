"""From the evidence of two independent witnesses to one probability. The assumptions are written here and nowhere else.

**Liveness.** There are several ways to attack (:class:`AttackClass`), and each mechanism can see some of them
(:data:`SPEAKS_ABOUT`): a screen that plays a live person moves, blinks and has depth, so that only the look of the
screen tells it from that person; a swapped face has them, too. What a mechanism says counts only for the classes that
it can see. Within a class, mechanisms that look at the same thing (:data:`FAMILIES`) repeat each other: the LLRs of
one sign are shrunk as if they were equally correlated with :data:`CORRELATION`: the sum of the n strongest is divided
by ``1 + CORRELATION * (n - 1)``, for the n at which that is most, so that a weak voice never takes from the strong
ones that it agrees with. What speaks for and what speaks against add, and families add; one that says less than it
seems has a floor (:data:`FLOORS`). An attacker picks one class, nobody knows which, so the attack hypothesis is their
mixture in equal parts:

    LLR = -ln(mean over classes of exp(-LLR of the class))

It is never far above the class that is least ruled out, and a class that no assessed mechanism sees keeps its share:
what a recording cannot show bounds what it proves. A *decisive* finding replaces everything that speaks for bona
fide: soft support cannot outvote it, and it never softens what else speaks against.

**Confidence.** Three ways lead to a video: the right person, live (``genuine``); another person, live (``impostor``);
an artefact that shows the right person (``attack``). Given the policy's prior of the three and with match and
liveness independent,

    confidence = P(genuine | evidence) = g Lm Ll / (g Lm Ll + i Ll + a Lm)

with ``Lm`` and ``Ll`` the likelihood ratios of match and liveness.

Source: Brümmer & du Preez 2006, doi:10.1016/j.csl.2005.08.001, for LLR and prior.

Public items: :class:`AttackClass`, :class:`ClassVerdict`, :class:`ClassEvidence`, :class:`Prior`,
:func:`class_evidence`, :func:`hidden_by_light`, :func:`fuse_liveness`, :func:`confidence`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from idverify.errors import PolicyError
from idverify.pad.evidence import PADEvidence
from idverify.reasons import Reason

__all__ = [
    "CORRELATION",
    "FAMILIES",
    "RULED_OUT_LLR",
    "SPEAKS_ABOUT",
    "AttackClass",
    "ClassEvidence",
    "ClassVerdict",
    "Prior",
    "class_evidence",
    "confidence",
    "fuse_liveness",
    "hidden_by_light",
]


class AttackClass(str, Enum):
    """The ways to attack with an artefact of the right person."""

    STILL = "still"
    """One picture that is held, bent, moved or cut out; a mask; a file that stands still."""
    ANIMATED = "animated"
    """One picture that is warped until it blinks, speaks and turns."""
    REPLAYED = "replayed"
    """A recording of the person, shown to the camera on a screen."""
    SWAPPED = "swapped"
    """The face laid over that of somebody else who is live."""
    RENDERED = "rendered"
    """A face that a learned generator draws, picture by picture."""


_STILL, _ANIMATED, _REPLAYED, _SWAPPED, _RENDERED = AttackClass
_ALL = frozenset(AttackClass)

# Which classes each mechanism can see; one that is not listed speaks about all.
SPEAKS_ABOUT: Mapping[str, frozenset[AttackClass]] = {
    # Pictures of pictures: paper and screens.
    "recapture": frozenset({_STILL, _REPLAYED}),
    "screen_rhythm": frozenset({_REPLAYED}),
    # What moves like a person, blinks and has depth is not one rigid picture. Whatever is drawn or replayed does, too.
    "stillness": frozenset({_STILL}),
    "depth": frozenset({_STILL}),
    "liveliness": frozenset({_STILL}),
    "mouth_stillness": frozenset({_STILL}),
    "context_motion": frozenset({_STILL}),
    "pulse": frozenset({_STILL}),
    # Texture that comes from one picture, in the whole face or in part of it.
    "skin_change": frozenset({_ANIMATED, _SWAPPED}),
    "eye_stillness": frozenset({_STILL, _ANIMATED, _SWAPPED}),
    "texture_constancy": frozenset({_STILL, _ANIMATED, _SWAPPED}),
}
# What each mechanism looks at; one that is not listed is a family of its own.
FAMILIES: Mapping[str, str] = {
    "stillness": "motion",
    "depth": "motion",
    "liveliness": "motion",
    "context_motion": "motion",
    # Somebody calm and silent shows little of any.
    "mouth_stillness": "calm",
    "eye_stillness": "calm",
    "texture_constancy": "calm",
    "skin_change": "calm",
    "recapture": "appearance",
    "screen_rhythm": "appearance",
}
# Only ever speak against: without another mechanism a class is not tested by them.
_OBJECTORS = frozenset(
    {"mouth_stillness", "eye_stillness", "texture_constancy", "screen_rhythm", "identity_continuity", "reference_reuse"}
)
# What a family may say against at most: somebody calm and silent in even light shows few signs of life, and is no
# attacker for that. Cues of that family alone make an outcome uncertain, never a rejection.
FLOORS: Mapping[str, float] = {"calm": -1.5}
# Taken as equal inside a family: two cues from the same tracks count for 1.33 of one, four for 1.6.
CORRELATION = 0.5


class ClassVerdict(str, Enum):
    """What the evidence says about one way to attack."""

    RULED_OUT = "ruled_out"
    """At least :data:`RULED_OUT_LLR`, and what the policy asks."""
    NO_SIGN = "no_sign"
    """As much as the policy asks, and no more."""
    DOUBTFUL = "doubtful"
    """Less than the policy asks."""
    NOT_TESTED = "not_tested"
    """No mechanism that could rule it out was assessed: nothing is known."""


# Three to one.
RULED_OUT_LLR = float(np.log(3.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassEvidence:
    """What the evidence says about one way to attack.

    Parameters
    ----------
    attack_class
    verdict
    llr
        Natural log, bona fide over this class; None where no mechanism that sees the class was assessed.
    mechanisms
        Names of those that were, in the order of the evidence.
    """

    attack_class: AttackClass
    verdict: ClassVerdict
    llr: float | None
    mechanisms: tuple[str, ...]

    @property
    def tested(self) -> bool:
        """Whether a mechanism that could rule it out was assessed."""
        return self.verdict is not ClassVerdict.NOT_TESTED

    @property
    def passed(self) -> bool:
        """Whether the evidence reaches what the policy asks."""
        return self.verdict in (ClassVerdict.RULED_OUT, ClassVerdict.NO_SIGN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What the policy expects before it has seen anything; the three add up to 1."""

    genuine: float
    impostor: float
    attack: float

    def __post_init__(self) -> None:
        parts = (self.genuine, self.impostor, self.attack)
        if not all(0 < p < 1 for p in parts) or abs(sum(parts) - 1) > 1e-9:
            raise PolicyError(f"a prior is three numbers between 0 and 1 that add up to 1, got {parts}")


def class_evidence(evidence: Sequence[PADEvidence], marks: Mapping[str, float]) -> tuple[ClassEvidence, ...]:
    """What the assessed mechanisms say about each way to attack, in the order of :class:`AttackClass`.

    Parameters
    ----------
    evidence
    marks
        Name of a class to the natural-log LLR that the policy asks of it; 0 where it asks nothing.
    """
    return tuple(_about(attack_class, evidence, marks.get(attack_class.value, 0.0)) for attack_class in AttackClass)


def _about(attack_class: AttackClass, evidence: Sequence[PADEvidence], mark: float) -> ClassEvidence:
    heard = [
        (e, e.bona_fide_llr)
        for e in evidence
        if e.bona_fide_llr is not None and attack_class in SPEAKS_ABOUT.get(e.name, _ALL)
    ]
    llr = _sum_of_families([(FAMILIES.get(e.name, e.name), llr) for e, llr in heard]) if heard else None
    verdict = ClassVerdict.DOUBTFUL
    if llr is None or all(e.name in _OBJECTORS for e, _ in heard):
        verdict = ClassVerdict.NOT_TESTED
    # Asked this way, NaN passes nowhere.
    elif llr >= mark and not any(e.decisive and own < 0 for e, own in heard):
        verdict = ClassVerdict.RULED_OUT if llr >= RULED_OUT_LLR else ClassVerdict.NO_SIGN
    return ClassEvidence(
        attack_class=attack_class, verdict=verdict, llr=llr, mechanisms=tuple(e.name for e, _ in heard)
    )


def hidden_by_light(evidence: Sequence[PADEvidence], classes: Sequence[ClassEvidence]) -> tuple[Reason, ...]:
    """What kept the mechanisms silent that alone would have tested a class, where that was light.

    A recording may be too slow or too small for them, and a policy may do without. But whoever films makes the light:
    it must not take away what would have spoken against an attack.
    """
    untested = {c.attack_class for c in classes if not c.tested}
    return tuple(
        e.reason
        for e in evidence
        if e.reason and e.hidden_by_light and e.name not in _OBJECTORS
        if untested & SPEAKS_ABOUT.get(e.name, _ALL)
    )


def fuse_liveness(evidence: Sequence[PADEvidence]) -> float | None:
    """One bona fide LLR (natural log) from all assessed mechanisms; None when none was assessed."""
    classes = class_evidence(evidence, {})
    if all(c.llr is None for c in classes):
        return None
    # Of a class that nobody sees nothing is known: it keeps its share.
    llrs = np.array([c.llr or 0.0 for c in classes])
    mixture = float(np.log(len(llrs)) - np.logaddexp.reduce(-llrs))
    proven = [e.bona_fide_llr for e in evidence if e.decisive and e.bona_fide_llr is not None and e.bona_fide_llr < 0]
    if not proven:
        return mixture
    against = [(FAMILIES.get(e.name, e.name), e.bona_fide_llr) for e in evidence if e.bona_fide_llr is not None]
    return min(mixture, *proven, _sum_of_families([(family, llr) for family, llr in against if llr < 0]))


def _sum_of_families(llrs: Sequence[tuple[str, float]]) -> float:
    families: dict[str, list[float]] = {}
    for family, llr in llrs:
        families.setdefault(family, []).append(llr)
    total = 0.0
    for family, own in families.items():
        against = -_strongest([-llr for llr in own if llr < 0])
        total += _strongest([llr for llr in own if llr > 0]) + max(against, FLOORS.get(family, -np.inf))
    return float(total)


def _strongest(voices: Sequence[float]) -> float:
    """What voices of one sign (as positive numbers) come to, each repeating the others in part."""
    ranked = np.sort(voices)[::-1]
    return float(np.max(ranked.cumsum() / (1 + CORRELATION * np.arange(len(ranked))), initial=0.0))


def confidence(*, match_llr: float | None, liveness_llr: float | None, prior: Prior) -> float:
    """Probability that the presentation is bona fide and mated.

    A half that was not asked for (None) leaves its hypothesis out: without a reference nobody can be an impostor, and a
    comparison alone knows no attacks. Never call it with None for a half that was asked for and not assessed.
    """
    if match_llr is None and liveness_llr is None:
        raise ValueError("confidence needs at least one half of the evidence")
    m, live = match_llr or 0.0, liveness_llr or 0.0
    genuine = np.log(prior.genuine) + m + live
    others = []
    if match_llr is not None:
        others.append(np.log(prior.impostor) + live)
    if liveness_llr is not None:
        others.append(np.log(prior.attack) + m)
    return float(np.exp(genuine - np.logaddexp.reduce([genuine, *others])))

"""From the evidence of two independent witnesses to one probability. The assumptions are written here and nowhere else.

**Liveness.** Mechanisms that look at the same thing repeat each other. Within a family (see :data:`FAMILIES`) the LLRs
of one sign are shrunk as if they were equally correlated with :data:`CORRELATION`: the sum of the n strongest is
divided by ``1 + CORRELATION * (n - 1)``, for the n at which that is most, so that a weak voice never takes from the
strong ones that it agrees with. What speaks for and what speaks against add, and families add. A *decisive* finding
replaces everything that speaks for bona fide: soft support cannot outvote it, and it never softens what else speaks
against.

**Confidence.** Three ways lead to a video: the right person, live (``genuine``); another person, live (``impostor``);
an artefact that shows the right person (``attack``). Given the policy's prior of the three and with match and liveness
independent,

    confidence = P(genuine | evidence) = g Lm Ll / (g Lm Ll + i Ll + a Lm)

with ``Lm`` and ``Ll`` the likelihood ratios of match and liveness.

Source: Brümmer & du Preez 2006, doi:10.1016/j.csl.2005.08.001, for LLR and prior.

Public items: :class:`Prior`, :func:`fuse_liveness`, :func:`confidence`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from idverify.errors import PolicyError
from idverify.pad.evidence import PADEvidence

__all__ = ["CORRELATION", "FAMILIES", "Prior", "confidence", "fuse_liveness"]

# What each mechanism looks at; one that is not listed is a family of its own.
FAMILIES = {
    "stillness": "motion",
    "depth": "motion",
    "liveliness": "motion",
    "context_motion": "motion",
    # Somebody calm and silent shows little of either.
    "mouth_stillness": "calm",
    "eye_stillness": "calm",
    "texture_constancy": "calm",
    "recapture": "appearance",
    "screen_rhythm": "appearance",
}
# Taken as equal inside a family: two cues from the same tracks count for 1.33 of one, four for 1.6.
CORRELATION = 0.5


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


def fuse_liveness(evidence: Sequence[PADEvidence]) -> float | None:
    """One bona fide LLR (natural log) from all assessed mechanisms; None when none was assessed."""
    llrs = [(FAMILIES.get(e.name, e.name), e.bona_fide_llr) for e in evidence if e.bona_fide_llr is not None]
    if not llrs:
        return None
    proven = [e.bona_fide_llr for e in evidence if e.decisive and e.bona_fide_llr is not None and e.bona_fide_llr < 0]
    if proven:
        return min(*proven, _sum_of_families([(family, llr) for family, llr in llrs if llr < 0]))
    return _sum_of_families(llrs)


def _sum_of_families(llrs: Sequence[tuple[str, float]]) -> float:
    families: dict[str, list[float]] = {}
    for family, llr in llrs:
        families.setdefault(family, []).append(llr)
    sides = [[sign * llr for llr in own if sign * llr > 0] for own in families.values() for sign in (1, -1)]
    return float(sum(sign * _strongest(side) for sign, side in zip((1, -1) * len(families), sides, strict=True)))


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

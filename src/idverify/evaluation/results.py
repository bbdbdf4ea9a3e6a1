"""What came of a trial: one flat row, as it goes to the journal and to the scores file.

Failures are rows too: ``outcome`` is ``failed`` and ``error`` says why. Nothing is timed here; two runs of the same
trials give the same rows.

Public items: :class:`TrialResult`, :func:`from_decision`, :func:`failed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from idverify.verification.decision import Decision

__all__ = ["FAILED", "TrialResult", "failed", "from_decision"]

# Beside the three outcomes of a decision: no decision, because the media could not be read.
FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """One trial's outcome and scores.

    Parameters
    ----------
    outcome
        ``accept``, ``reject``, ``inconclusive`` or ``failed``.
    reasons
        Codes, most important first.
    error
        Class and sentence of the error of a failed trial.
    similarity, match_llr, fmr_at_score
        Comparison; None where there was none.
    matched
        Whether the similarity reached the policy's threshold.
    liveness_llr
        Fused bona fide LLR; None where nothing was assessed.
    confidence
        As in the decision.
    mechanisms
        Name -> ``(native value, bona fide LLR)`` of every liveness mechanism and injection signal.
    """

    outcome: str
    reasons: tuple[str, ...] = ()
    error: str = ""
    similarity: float | None = None
    match_llr: float | None = None
    fmr_at_score: float | None = None
    matched: bool | None = None
    liveness_llr: float | None = None
    confidence: float | None = None
    mechanisms: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values for one line of the journal."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> TrialResult:
        """The inverse of :meth:`to_json`, after a round trip through JSON."""
        mechanisms = {name: (native, llr) for name, (native, llr) in row["mechanisms"].items()}
        return cls(**{**row, "reasons": tuple(row["reasons"]), "mechanisms": mechanisms})


def from_decision(decision: Decision) -> TrialResult:
    """Keep of a decision what error rates need; no picture, no template, no time."""
    match, liveness = decision.match, decision.liveness
    evidence = (*(liveness.mechanisms if liveness else ()), *decision.injection_signals)
    return TrialResult(
        outcome=decision.outcome.value,
        reasons=tuple(reason.value for reason in decision.reasons),
        similarity=match.similarity if match else None,
        match_llr=match.llr if match else None,
        fmr_at_score=match.fmr_at_score if match else None,
        matched=match.matched if match else None,
        liveness_llr=liveness.llr if liveness else None,
        confidence=decision.confidence,
        mechanisms={e.name: (e.native, e.bona_fide_llr) for e in evidence},
    )


def failed(error: Exception) -> TrialResult:
    """The row of a trial whose media could not be read."""
    return TrialResult(outcome=FAILED, error=f"{type(error).__name__}: {error}")

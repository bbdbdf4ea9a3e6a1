"""The decision and all of its evidence.

Three outcomes, never two: a :class:`Decision` cannot be used as a boolean. Ask ``.accepted`` and
``.raise_unless_accepted()``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idverify.challenge.verification import ChallengeOutcome, ChallengeResult
from idverify.errors import NotAcceptedError
from idverify.pad.evidence import PADEvidence, Status
from idverify.reasons import Reason
from idverify.verification.binding import CaptureBinding, CaptureEvidence, binding_of, doubts_about
from idverify.verification.fusion import ClassEvidence, confidence, hidden_by_light
from idverify.verification.policy import DecisionPolicy

if TYPE_CHECKING:
    from idverify.comparison.calibration import CalibrationCard

__all__ = [
    "CalibrationStamp",
    "Decision",
    "FaceImage",
    "Findings",
    "FrameCounts",
    "LivenessEvidence",
    "MatchEvidence",
    "ModelStamp",
    "Outcome",
    "PolicyStamp",
    "ReferenceEvidence",
    "Task",
    "decide",
    "match_evidence",
]


class Outcome(str, Enum):
    """What the caller is told."""

    ACCEPT = "accept"
    REJECT = "reject"
    INCONCLUSIVE = "inconclusive"


class Task(str, Enum):
    """What was asked: the whole check, or one half of it."""

    CHECK = "check"
    LIVENESS = "liveness"
    MATCH = "match"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchEvidence:
    """Comparison of probe and reference; probabilities and rates in [0, 1], LLR in natural log.

    ``fmr_at_score`` is the rate of strangers who would score at least as much among those whom ``stated_for`` names,
    the least favoured that were measured; ``average_fmr_at_score`` is that of strangers at large. ``fmr_at_threshold``
    is the least favoured's rate at the policy's threshold, which may be more than its target.
    """

    similarity: float
    llr: float
    probability: float
    fmr_at_score: float
    average_fmr_at_score: float
    fmr_at_threshold: float
    stated_for: str
    reference_kind: str
    threshold: float
    target_fmr: float
    matched: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LivenessEvidence:
    """The mechanisms and their fusion; ``llr`` and ``probability`` are None when not assessed.

    ``classes`` says for each way to attack what the mechanisms that see it make of it.
    """

    llr: float | None
    probability: float | None
    mechanisms: tuple[PADEvidence, ...]
    classes: tuple[ClassEvidence, ...] = ()


def match_evidence(
    similarity: float, card: CalibrationCard, policy: DecisionPolicy, liveness: LivenessEvidence | None = None
) -> MatchEvidence:
    """What a similarity means by a card, under a policy.

    A face laid over somebody else's keeps much of that one, and so seldom resembles the person as much as the person
    does. Where `liveness` was asked for, such a face is to be expected, and the policy may ask for a firmer match. What
    the mechanisms say does not make up for it: whoever passes the one that looks for such faces would pass twice.

    Raises
    ------
    CalibrationError
        The card has no threshold for the policy's target and kind of reference.
    """
    target_fmr, threshold = _needed(card, policy, liveness)
    llr = float(card.llr_at(similarity))
    return MatchEvidence(
        similarity=similarity,
        llr=llr,
        probability=confidence(match_llr=llr, liveness_llr=None, prior=policy.prior),
        fmr_at_score=float(card.fmr_at(similarity)),
        average_fmr_at_score=float(card.average_fmr_at(similarity)),
        fmr_at_threshold=float(card.fmr_at(threshold)),
        stated_for=card.stated_for,
        reference_kind=policy.reference_kind,
        threshold=threshold,
        target_fmr=target_fmr,
        matched=similarity >= threshold,
    )


def _needed(card: CalibrationCard, policy: DecisionPolicy, liveness: LivenessEvidence | None) -> tuple[float, float]:
    """Target and threshold."""
    target, kind = policy.target_fmr, policy.reference_kind
    threshold = card.threshold(target, kind)
    if policy.target_fmr_with_liveness is None or liveness is None:
        return target, threshold
    firmer = card.as_strict_as(policy.target_fmr_with_liveness, kind)
    return firmer, card.threshold(firmer, kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCounts:
    """How much of the recording was used.

    Parameters
    ----------
    decoded, analysed, compared
    times_s
        Of the compared frames.
    seed
        By which these were drawn, to make the same decision again; None where there was no recording.
    """

    decoded: int
    analysed: int
    compared: int
    times_s: tuple[float, ...]
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceEvidence:
    """The reference photo: number of faces and quality components, 0..100."""

    faces: int
    quality: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStamp:
    """Which policy decided."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStamp:
    """Which model took part."""

    name: str
    version: str
    sha256: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationStamp:
    """Which calibration card gave similarities their meaning: the data and date of its fit, and its hash."""

    data: str
    date: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceImage:
    """A picture for the report; made only when a report was asked for.

    Parameters
    ----------
    title
        For example ``"1.20 s"`` or ``"reference"``.
    image_rgb : uint8 [shape=(h, w, 3)]
    points_px : float32 [shape=(468, 2)]
        Landmarks in pixels of `image_rgb`.
    """

    title: str
    image_rgb: NDArray[np.uint8] = field(repr=False)
    points_px: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decision:
    """An outcome with the whole evidence for it; two are equal only if they are the same one.

    ``confidence`` is the probability that the presentation is bona fide and mated (see
    :mod:`~idverify.verification.fusion`); None when evidence for it is missing. ``challenge`` is None when there was
    none, ``calibration`` when nothing was to be compared. ``capture`` says how the recording was bound to this attempt.
    """

    task: Task
    outcome: Outcome
    confidence: float | None
    reasons: tuple[Reason, ...]
    warnings: tuple[str, ...]
    match: MatchEvidence | None
    liveness: LivenessEvidence | None
    quality: Mapping[str, float]
    injection_signals: tuple[PADEvidence, ...]
    frames: FrameCounts
    bystanders: int
    reference: ReferenceEvidence | None
    policy: PolicyStamp
    models: tuple[ModelStamp, ...]
    calibration: CalibrationStamp | None
    timing_ms: Mapping[str, float]
    idverify_version: str
    challenge: ChallengeResult | None = None
    capture: CaptureBinding = CaptureBinding.FILE
    face_images: tuple[FaceImage, ...] = field(default=(), repr=False)

    @property
    def accepted(self) -> bool:
        """True only for the outcome *accept*."""
        return self.outcome is Outcome.ACCEPT

    @property
    def guidance(self) -> tuple[str, ...]:
        """What the person can do next, most useful first."""
        return tuple(r.guidance for r in self.reasons if r.guidance)

    def raise_unless_accepted(self) -> None:
        """Raise :class:`~idverify.errors.NotAcceptedError` unless the outcome is *accept*."""
        if not self.accepted:
            codes = ", ".join(r.value for r in self.reasons)
            raise NotAcceptedError(f"{self.outcome.value}: {codes}")

    def __bool__(self) -> bool:
        raise TypeError("a decision has three outcomes; use .accepted or .raise_unless_accepted()")


# -- the rule ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that the rule looks at.

    Parameters
    ----------
    task
        Which halves were asked for.
    match
        None when it was not asked for or could not be made; then `obstacles` say why.
    liveness
        None when it was not asked for.
    obstacles
        What kept something required from being assessed, most useful advice first.
    handicaps
        What made the recording hard to judge, without keeping it from being judged; named where it stays uncertain.
    warranted
        Reasons that reject whatever else was found: a proven attack.
    challenge
        What became of the challenge; None when there was none.
    capture
        What a service that led the capture knows of it; None where nobody led it, and then the policy's demand on
        services does not apply.
    """

    task: Task
    match: MatchEvidence | None
    liveness: LivenessEvidence | None
    obstacles: tuple[Reason, ...]
    handicaps: tuple[Reason, ...] = ()
    warranted: tuple[Reason, ...] = ()
    challenge: ChallengeResult | None = None
    capture: CaptureEvidence | None = None


def decide(findings: Findings, policy: DecisionPolicy) -> tuple[Outcome, tuple[Reason, ...]]:
    """Apply a policy to the findings: *accept* needs everything, *reject* needs evidence, the rest is inconclusive."""
    against = list(findings.warranted)
    lacking = list(findings.obstacles)
    support: list[Reason] = []
    if findings.task is not Task.MATCH and not policy.compares_only:
        _judge_liveness(findings.liveness, policy, bool(findings.handicaps), against, lacking, support)
    if findings.task is not Task.LIVENESS:
        _judge_match(findings.match, bool(lacking), against, lacking, support)
    if findings.task is not Task.MATCH:
        _judge_challenge(findings.challenge, policy, against, lacking, support)
        _judge_capture(findings, policy, lacking)
    if against:
        return Outcome.REJECT, _ordered(against)
    if lacking or not support:
        return Outcome.INCONCLUSIVE, _explained(lacking or [Reason.LIVENESS_UNCERTAIN], findings)
    return Outcome.ACCEPT, _ordered(support)


def _judge_liveness(
    liveness: LivenessEvidence | None,
    policy: DecisionPolicy,
    handicapped: bool,
    against: list[Reason],
    lacking: list[Reason],
    support: list[Reason],
) -> None:
    if liveness is None or liveness.llr is None:
        lacking.append(Reason.LIVENESS_UNCERTAIN)
        return
    mechanisms = {e.name: e for e in liveness.mechanisms}
    lacking += hidden_by_light(liveness.mechanisms, liveness.classes)
    hindered = bool(lacking)
    against += [e.reason or Reason.PRESENTATION_ATTACK for e in liveness.mechanisms if _proves_attack(e)]
    for name in policy.required_mechanisms:
        evidence = mechanisms.get(name)
        if evidence is None or evidence.status is not Status.ASSESSED:
            lacking.append((evidence and evidence.reason) or Reason.LIVENESS_UNCERTAIN)
    if against:
        return
    # Asked in this order, NaN is neither evidence for nor against. Where the recording cannot be judged, or only with
    # difficulty, nothing but proof speaks against it.
    passed = {c.attack_class.value for c in liveness.classes if c.passed}
    if liveness.llr >= policy.accept_liveness_llr and passed >= set(policy.attack_classes):
        support.append(Reason.LIVE)
    elif liveness.llr < policy.reject_liveness_llr and not (hindered or handicapped):
        against.append(_strongest_objection(liveness.mechanisms))
    else:
        lacking.append(Reason.LIVENESS_UNCERTAIN)


def _proves_attack(evidence: PADEvidence) -> bool:
    return evidence.decisive and evidence.bona_fide_llr is not None and evidence.bona_fide_llr < 0


def _strongest_objection(mechanisms: tuple[PADEvidence, ...]) -> Reason:
    llrs = [(e.bona_fide_llr, e.reason) for e in mechanisms if e.bona_fide_llr is not None]
    reason = min(llrs, key=lambda pair: pair[0], default=(0.0, None))[1]
    return reason or Reason.PRESENTATION_ATTACK


def _judge_match(
    match: MatchEvidence | None, hindered: bool, against: list[Reason], lacking: list[Reason], support: list[Reason]
) -> None:
    if match is None:
        if not lacking:
            lacking.append(Reason.MATCH_UNCERTAIN)
    elif match.matched:
        support.append(Reason.MATCH)
    elif match.llr < 0 and not hindered:
        against.append(Reason.NO_MATCH)
    else:
        lacking.append(Reason.MATCH_UNCERTAIN)


def _judge_challenge(
    challenge: ChallengeResult | None,
    policy: DecisionPolicy,
    against: list[Reason],
    lacking: list[Reason],
    support: list[Reason],
) -> None:
    """A challenge that was given decides, whether or not the policy requires one. It never accepts by itself."""
    if challenge is None:
        if policy.require_challenge:
            lacking.insert(0, Reason.CHALLENGE_MISSING)
    elif challenge.outcome in (ChallengeOutcome.REFUSED, ChallengeOutcome.NOT_FOLLOWED):
        against += challenge.reasons
    elif challenge.outcome is not ChallengeOutcome.FOLLOWED:
        lacking += challenge.reasons
    elif support:
        support += challenge.reasons


def _judge_capture(findings: Findings, policy: DecisionPolicy, lacking: list[Reason]) -> None:
    """What a service leads it can bind; a policy may require that it did."""
    if findings.capture is None:
        return
    lacking += doubts_about(findings.capture)
    challenge = findings.challenge
    # A challenge that was judged otherwise has reasons of its own.
    judged = challenge is not None and not challenge.followed
    if not judged and not binding_of(challenge).suffices(policy.service_capture):
        lacking.append(Reason.CAPTURE_NOT_BOUND)


def _explained(lacking: list[Reason], findings: Findings) -> tuple[Reason, ...]:
    """What could not be judged comes after what made it so: first obstacles, then handicaps."""
    challenge = [r for r in lacking if r is Reason.CHALLENGE_MISSING]
    uncertain = set(lacking) - set(findings.obstacles) - set(challenge)
    return _ordered([*challenge, *findings.obstacles, *(findings.handicaps if uncertain else ()), *lacking])


def _ordered(reasons: list[Reason]) -> tuple[Reason, ...]:
    return tuple(dict.fromkeys(reasons))

"""Judge an answer to a challenge: seal, time, nonce, then every step.

Goal: one pure function of time series between two ends (:func:`admit`, which may write to a nonce
store, and :func:`judge`, which touches nothing).

Conventions: the outcome starts as *not assessed* and only evidence moves it. One missed step outweighs
any number that could not be judged.

Public items: :class:`ChallengeOutcome`, :class:`ChallengeResult`, :func:`admit`, :func:`judge`, :func:`verify`,
:func:`refused`, :func:`unseen`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from idverify.challenge.answer import AnswerSeries
from idverify.challenge.issuing import Challenge
from idverify.challenge.nonces import NonceStore
from idverify.challenge.verify_light import LightResult, judge_light
from idverify.challenge.verify_motion import StepResult, StepStatus, judge_motion
from idverify.reasons import Reason

__all__ = ["ChallengeOutcome", "ChallengeResult", "admit", "judge", "refused", "unseen", "verify"]


class ChallengeOutcome(str, Enum):
    """What the answer shows.

    ``refused`` says nothing of the video: the challenge itself does not count.
    """

    FOLLOWED = "followed"
    NOT_FOLLOWED = "not_followed"
    NOT_ASSESSED = "not_assessed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeResult:
    """The whole evidence about one answer.

    Parameters
    ----------
    outcome
        See :class:`ChallengeOutcome`; only ``followed`` is good news.
    reasons
        Codes, the most telling first; never empty.
    steps
        One result per movement; empty where the challenge was refused.
    light
        The result of the colours; None where there were none.
    guess_probability
        The chance that a recording made beforehand passes, at most.
    nonce
        Which challenge it was.
    mirrored
        Whether the video was declared as mirrored.
    seeded
        The challenge was predictable (for tests only).
    """

    outcome: ChallengeOutcome
    reasons: tuple[Reason, ...]
    steps: tuple[StepResult, ...] = ()
    light: LightResult | None = None
    guess_probability: float
    nonce: str
    mirrored: bool
    seeded: bool

    @property
    def followed(self) -> bool:
        """Whether every part was seen as asked for."""
        return self.outcome is ChallengeOutcome.FOLLOWED

    def __bool__(self) -> bool:
        raise TypeError("a challenge result is not just yes or no; use .followed or .outcome")


def admit(
    challenge: Challenge, *, key: bytes | str | None = None, now_s: float, nonce_store: NonceStore | None = None
) -> Reason | None:
    """Say why the challenge does not count, or None where it does. Uses up its nonce.

    Call it before any picture is decoded: it costs microseconds.

    Parameters
    ----------
    challenge
        As read from its file.
    key
        The server's secret; by default from ``IDVERIFY_CHALLENGE_KEY``.
    now_s
        The clock, in seconds since 1970 (UTC).
    nonce_store
        Where used nonces are kept; without one, reuse is not noticed.

    Raises
    ------
    ChallengeError
        There is no secret, or the nonce store cannot be used.
    """
    # The order matters: a forged or expired challenge must not use up anybody's nonce.
    if not challenge.is_signed_by(key):
        return Reason.CHALLENGE_SIGNATURE_INVALID
    if not challenge.issued_at_s <= now_s < challenge.expires_at_s:
        return Reason.CHALLENGE_EXPIRED
    if nonce_store is None:
        return None
    fresh = nonce_store.claim(challenge.nonce, expires_at_s=challenge.expires_at_s, now_s=now_s)
    return None if fresh else Reason.CHALLENGE_REUSED


def judge(challenge: Challenge, series: AnswerSeries, *, mirrored: bool) -> ChallengeResult:
    """Judge an answer to a challenge that was admitted.

    Parameters
    ----------
    challenge
        What was asked for.
    series
        What the video shows.
    mirrored
        Whether the picture is mirrored, as many front cameras record it. Decided by the service for
        its own app, never by the person: who may choose may try twice.
    """
    series, foreign = (series.mirrored() if mirrored else series).of_one_subject()
    steps = judge_motion(challenge.steps, series, foreign)
    light = judge_light(challenge.light, series)
    parts = [(part.status, part.reason) for part in (*steps, *((light,) if light else ()))]
    unclear = tuple(dict.fromkeys(reason for _, reason in parts if reason is not None))
    if any(status in (StepStatus.MISSED, StepStatus.WRONG_ORDER) for status, _ in parts):
        outcome, reasons = ChallengeOutcome.NOT_FOLLOWED, (Reason.CHALLENGE_NOT_FOLLOWED, *unclear)
    elif parts and all(status is StepStatus.DONE for status, _ in parts):
        outcome, reasons = ChallengeOutcome.FOLLOWED, (Reason.CHALLENGE_FOLLOWED,)
    else:
        outcome, reasons = ChallengeOutcome.NOT_ASSESSED, unclear
    return _result(challenge, outcome, reasons, mirrored, steps, light)


def verify(
    challenge: Challenge,
    series: AnswerSeries,
    *,
    key: bytes | str | None = None,
    now_s: float,
    mirrored: bool,
    nonce_store: NonceStore | None = None,
) -> ChallengeResult:
    """Admit a challenge and judge its answer; see :func:`admit` and :func:`judge`.

    Raises
    ------
    ChallengeError
        There is no secret, or the nonce store cannot be used.
    """
    refusal = admit(challenge, key=key, now_s=now_s, nonce_store=nonce_store)
    if refusal is not None:
        return refused(challenge, refusal, mirrored=mirrored)
    return judge(challenge, series, mirrored=mirrored)


def refused(challenge: Challenge, reason: Reason, *, mirrored: bool) -> ChallengeResult:
    """Return the result for a challenge that :func:`admit` did not let through."""
    return _result(challenge, ChallengeOutcome.REFUSED, (reason,), mirrored, (), None)


def unseen(challenge: Challenge, reason: Reason, *, mirrored: bool) -> ChallengeResult:
    """Return the result for a video that shows nobody who could have answered."""
    return _result(challenge, ChallengeOutcome.NOT_ASSESSED, (reason,), mirrored, (), None)


def _result(
    challenge: Challenge,
    outcome: ChallengeOutcome,
    reasons: tuple[Reason, ...],
    mirrored: bool,
    steps: tuple[StepResult, ...],
    light: LightResult | None,
) -> ChallengeResult:
    return ChallengeResult(
        outcome=outcome,
        reasons=reasons,
        steps=steps,
        light=light,
        guess_probability=challenge.guess_probability,
        nonce=challenge.nonce,
        mirrored=mirrored,
        seeded=challenge.seeded,
    )

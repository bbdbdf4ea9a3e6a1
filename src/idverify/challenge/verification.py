"""Judge an answer to a challenge: seal, subject, time, nonce, then every step.

Goal: one pure function of time series between two ends (:func:`admit`, which may write to a nonce
store, and :func:`judge`, which touches nothing).

Conventions: the outcome starts as *not assessed* and only evidence moves it. One missed step outweighs
any number that could not be judged.

Public items: :class:`ChallengeOutcome`, :class:`ChallengeResult`, :func:`judge`, :func:`verify`,
:func:`refused`, :func:`unseen`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from idverify.challenge.admission import DEFAULT_SLACK_S, UNCHECKED, Admission, admit, out_of_time
from idverify.challenge.answer import AnswerSeries
from idverify.challenge.issuing import Challenge
from idverify.challenge.nonces import NonceStore
from idverify.challenge.proof import StepStatus
from idverify.challenge.verify_light import LightResult, judge_light
from idverify.challenge.verify_motion import StepResult, judge_motion
from idverify.reasons import Reason

__all__ = ["Binding", "ChallengeOutcome", "ChallengeResult", "judge", "refused", "unseen", "verify"]

# How the steps reached the person: all at once in a sealed file, or one by one from a server that kept the time.
Binding = Literal["challenge", "session"]


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
        The chance that a recording made beforehand passes, at most: of one challenge, times those that the subject was
        issued within a day, since any of them could have been waited for.
    binding
        How the steps reached the person.
    admission
        What was looked at before the answer.
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
    binding: Binding = "challenge"
    admission: Admission = UNCHECKED
    nonce: str
    mirrored: bool
    seeded: bool

    @property
    def followed(self) -> bool:
        """Whether every part was seen as asked for."""
        return self.outcome is ChallengeOutcome.FOLLOWED

    def __bool__(self) -> bool:
        raise TypeError("a challenge result is not just yes or no; use .followed or .outcome")


def judge(
    challenge: Challenge,
    series: AnswerSeries,
    *,
    mirrored: bool,
    admission: Admission = UNCHECKED,
    binding: Binding = "challenge",
    latency_s: float = 0.0,
    recording_s: float | None = None,
) -> ChallengeResult:
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
    admission
        What was looked at before; it goes into the result.
    binding
        How the steps reached the person; it goes into the result.
    latency_s
        How late the network may make the colours on top of what screens and cameras take.
    recording_s
        Length of the recording; by default that of the answer.
    """
    series, foreign = (series.mirrored() if mirrored else series).of_one_subject()
    steps = judge_motion(challenge.steps, series, foreign, recording_s)
    light = judge_light(challenge.light, series, latency_s=latency_s)
    parts = [(part.status, part.reason) for part in (*steps, *((light,) if light else ()))]
    unclear = tuple(dict.fromkeys(reason for _, reason in parts if reason is not None))
    if any(status in (StepStatus.MISSED, StepStatus.WRONG_ORDER, StepStatus.FLAT) for status, _ in parts):
        outcome, reasons = ChallengeOutcome.NOT_FOLLOWED, (Reason.CHALLENGE_NOT_FOLLOWED, *unclear)
    elif parts and all(status is StepStatus.DONE for status, _ in parts):
        outcome, reasons = ChallengeOutcome.FOLLOWED, (Reason.CHALLENGE_FOLLOWED,)
    else:
        outcome, reasons = ChallengeOutcome.NOT_ASSESSED, unclear
    return _result(challenge, outcome, reasons, mirrored, admission, binding, steps, light)


def verify(
    challenge: Challenge,
    series: AnswerSeries,
    *,
    key: bytes | str | None = None,
    now_s: float,
    mirrored: bool,
    subject: str | None = None,
    received_at_s: float | None = None,
    recording_s: float | None = None,
    slack_s: float = DEFAULT_SLACK_S,
    allow_seeded: bool = False,
    nonce_store: NonceStore | None = None,
) -> ChallengeResult:
    """Admit a challenge and judge its answer; see :func:`idverify.challenge.admit` and :func:`judge`.

    Parameters
    ----------
    recording_s
        Length of the recording; by default that of the answer.
    slack_s
        Time beyond the recording's own length that starting it and sending it may take.

    Raises
    ------
    ChallengeError
        There is no secret, or the nonce store cannot be used.
    ParameterError
        A time is none.
    """
    admission = admit(
        challenge, key=key, now_s=now_s, nonce_store=nonce_store, subject=subject, received_at_s=received_at_s,
        allow_seeded=allow_seeded,
    )  # fmt: skip
    length_s = recording_s if recording_s is not None else float(series.times_s[-1]) if len(series) else 0.0
    refusal = admission.refusal or out_of_time(challenge, admission, recording_s=length_s, slack_s=slack_s)
    if refusal is not None:
        return refused(challenge, refusal, mirrored=mirrored, admission=admission)
    return judge(challenge, series, mirrored=mirrored, admission=admission, recording_s=recording_s)


def refused(
    challenge: Challenge,
    reason: Reason,
    *,
    mirrored: bool,
    admission: Admission = UNCHECKED,
    binding: Binding = "challenge",
) -> ChallengeResult:
    """Return the result for a challenge that does not count, whatever the video shows."""
    return _result(challenge, ChallengeOutcome.REFUSED, (reason,), mirrored, admission, binding, (), None)


def unseen(
    challenge: Challenge,
    reason: Reason,
    *,
    mirrored: bool,
    admission: Admission = UNCHECKED,
    binding: Binding = "challenge",
) -> ChallengeResult:
    """Return the result for a video that shows nobody who could have answered."""
    return _result(challenge, ChallengeOutcome.NOT_ASSESSED, (reason,), mirrored, admission, binding, (), None)


def _result(
    challenge: Challenge,
    outcome: ChallengeOutcome,
    reasons: tuple[Reason, ...],
    mirrored: bool,
    admission: Admission,
    binding: Binding,
    steps: tuple[StepResult, ...],
    light: LightResult | None,
) -> ChallengeResult:
    return ChallengeResult(
        outcome=outcome,
        reasons=reasons,
        steps=steps,
        light=light,
        guess_probability=min(1.0, challenge.guess_probability * max(1, admission.issued)),
        binding=binding,
        admission=admission,
        nonce=challenge.nonce,
        mirrored=mirrored,
        seeded=challenge.seeded,
    )

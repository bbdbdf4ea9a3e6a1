"""Whether a challenge counts for a recording: its seal, its subject, its time, its nonce.

Goal: what can be said without a picture is said first, and the rules of time and of counting stand in one place.

The rules of time, for a challenge issued at ``t`` whose recording of length ``d`` arrived at ``a``::

    a < t + d                impossible: the answer was begun before its question was asked
    a >= t + d + slack       expired: time to start and to send is limited by the policy
    a >= its own expiry      expired

``d`` is at least what the challenge itself lasts, which is judged before the recording is opened; the recording's own
length is judged once it is known. Where nobody states when the recording arrived, the time of verification stands for
it: it is later, so a recording may be taken for expired, and an impossible one may be missed. Then the result says so.

The order of the rules: a challenge that was forged, belongs to another subject, is predictable or expired uses up
nobody's nonce; anything else uses it up, whatever comes out.

Public items: :class:`Admission`, :func:`admit`, :func:`out_of_time`, :data:`DEFAULT_SLACK_S`, :data:`UNCHECKED`.
"""

from __future__ import annotations

from dataclasses import dataclass

from idverify.challenge.issuing import Challenge, finite_time
from idverify.challenge.nonces import NonceStore, UnsafeNoNonceStore
from idverify.errors import ParameterError
from idverify.reasons import Reason

__all__ = ["DEFAULT_SLACK_S", "UNCHECKED", "Admission", "admit", "out_of_time"]

# Reading the first words, starting the camera and sending some megabytes through a slow line; what it costs on
# simulated lines is printed by benchmarks/accuracy/challenge_guessing.py.
DEFAULT_SLACK_S = 120.0
# How far the clocks of the machine that stamped the arrival and of the one that verifies may be apart.
_CLOCK_SKEW_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What was looked at before the answer.

    Parameters
    ----------
    refusal
        Why the challenge does not count; None where it does.
    received_at_s
        When the recording arrived, or was verified where that was not stated; seconds since 1970. None where no time
        was looked at.
    arrival_stated
        Whether somebody stated when the recording arrived.
    subject_checked, nonce_checked
        Whether the subject was compared, and whether a record of used challenges was asked.
    issued
        How many challenges the subject was issued within a day, this one included; 0 where that is not known.
    """

    refusal: Reason | None = None
    received_at_s: float | None = None
    arrival_stated: bool = False
    subject_checked: bool = False
    nonce_checked: bool = False
    issued: int = 0


UNCHECKED = Admission()


def admit(
    challenge: Challenge,
    *,
    key: bytes | str | None = None,
    now_s: float,
    nonce_store: NonceStore | None = None,
    subject: str | None = None,
    received_at_s: float | None = None,
    allow_seeded: bool = False,
) -> Admission:
    """Say whether the challenge counts. Uses up its nonce.

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
        Where issued challenges are kept; without one, reuse is not noticed and issues are not counted.
    subject
        Whose attempt this is, as the challenge was issued for; None does not ask.
    received_at_s
        When the recording arrived, by the service's own clock; None where that is not known.
    allow_seeded
        Let a predictable challenge count: for drills and tests.

    Raises
    ------
    ChallengeError
        There is no secret, or the nonce store cannot be used.
    ParameterError
        A time is none, or the arrival lies ahead of the clock.
    """
    now_s = finite_time(now_s, "now_s")
    stated = received_at_s is not None
    arrival_s = now_s if received_at_s is None else finite_time(received_at_s, "received_at_s")
    if arrival_s > now_s + _CLOCK_SKEW_S:
        raise ParameterError(f"received_at_s lies {arrival_s - now_s:.0f} s ahead of the clock")
    # A subject that is named has to fit; a challenge for somebody is for nobody else.
    refusal, issued = _flaw(challenge, key, subject, arrival_s, allow_seeded), 0
    recorded = nonce_store is not None and not isinstance(nonce_store, UnsafeNoNonceStore)
    if refusal is None and nonce_store is not None:
        claim = nonce_store.claim(challenge.nonce, now_s=now_s)
        refusal, issued = claim.refusal, claim.issued
    # Judged after the nonce is used up: an answer from before its question is an attempt.
    if refusal is None and arrival_s < challenge.issued_at_s + challenge.duration_s:
        refusal = Reason.CHALLENGE_IMPOSSIBLE_TIME
    return Admission(
        refusal=refusal,
        received_at_s=arrival_s,
        arrival_stated=stated,
        subject_checked=subject is not None,
        nonce_checked=recorded,
        issued=issued,
    )


def _flaw(
    challenge: Challenge, key: bytes | str | None, subject: str | None, arrival_s: float, allow_seeded: bool
) -> Reason | None:
    """What keeps a challenge from counting and from using up a nonce."""
    if not challenge.is_signed_by(key):
        return Reason.CHALLENGE_SIGNATURE_INVALID
    if challenge.seeded and not allow_seeded:
        return Reason.CHALLENGE_PREDICTABLE
    if subject is not None and not challenge.is_for(subject, key):
        return Reason.CHALLENGE_OF_ANOTHER
    return Reason.CHALLENGE_EXPIRED if arrival_s >= challenge.expires_at_s else None


def out_of_time(
    challenge: Challenge, admission: Admission, *, recording_s: float, slack_s: float = DEFAULT_SLACK_S
) -> Reason | None:
    """Say why a recording of this length does not fit its challenge's time, or None where it does.

    Parameters
    ----------
    challenge
    admission
        With the time of arrival; without one nothing is said.
    recording_s
        From the first picture to the last, as decoded.
    slack_s
        Time beyond the recording's own length that starting it and sending it may take.

    Examples
    --------
    >>> from idverify.challenge import issue
    >>> asked = issue(key=b"0123456789abcdef", now_s=1000.0)
    >>> out_of_time(asked, Admission(received_at_s=1018.0), recording_s=20.0)
    Reason.CHALLENGE_IMPOSSIBLE_TIME
    >>> out_of_time(asked, Admission(received_at_s=1030.0), recording_s=20.0) is None
    True
    """
    if admission.received_at_s is None:
        return None
    length_s = max(recording_s, challenge.duration_s)
    earliest_s = challenge.issued_at_s + length_s
    if admission.received_at_s < earliest_s:
        return Reason.CHALLENGE_IMPOSSIBLE_TIME
    return Reason.CHALLENGE_EXPIRED if admission.received_at_s >= earliest_s + slack_s else None

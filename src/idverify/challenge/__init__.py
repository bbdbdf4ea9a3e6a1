"""Challenge: a request for movements or colours out to a person; whether a recording answers it comes back.

In: what may be asked, then the recording's :class:`AnswerSeries`. Out: a sealed :class:`Challenge`, then a
:class:`ChallengeResult`. It stops replays and videos made beforehand; it does not stop a face swap that runs live.
In order: :func:`issue`, :func:`admit` (seal, subject, arrival, nonce), :func:`judge`; :func:`verify` is all of it. A
server that reveals the steps one by one hands in :class:`TimedSteps`. Read :mod:`~idverify.challenge.issuing` first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from idverify._lazy import lazy_names

if TYPE_CHECKING:
    from idverify.challenge.actions import Action, Colour, actions_named
    from idverify.challenge.admission import DEFAULT_SLACK_S, Admission, admit, out_of_time
    from idverify.challenge.answer import AnswerSeries
    from idverify.challenge.files import from_json, load, to_json
    from idverify.challenge.issuing import KINDS, Challenge, Kind, LightStep, Step, guess_probability, issue
    from idverify.challenge.movements import Movement
    from idverify.challenge.nonces import Claim, MemoryNonceStore, NonceStore, SqliteNonceStore, UnsafeNoNonceStore
    from idverify.challenge.proof import StepStatus
    from idverify.challenge.signing import KEY_VARIABLE
    from idverify.challenge.simulation import Behaviour, simulate_answer
    from idverify.challenge.timed import TimedSteps, judge_timed
    from idverify.challenge.verification import (
        Binding,
        ChallengeOutcome,
        ChallengeResult,
        judge,
        refused,
        unseen,
        verify,
    )
    from idverify.challenge.verify_light import LightResult
    from idverify.challenge.verify_motion import StepResult
    from idverify.challenge.words import LANGUAGES, phrase

__all__ = [
    "DEFAULT_SLACK_S",
    "KEY_VARIABLE",
    "KINDS",
    "LANGUAGES",
    "Action",
    "Admission",
    "AnswerSeries",
    "Behaviour",
    "Binding",
    "Challenge",
    "ChallengeOutcome",
    "ChallengeResult",
    "Claim",
    "Colour",
    "Kind",
    "LightResult",
    "LightStep",
    "MemoryNonceStore",
    "Movement",
    "NonceStore",
    "SqliteNonceStore",
    "Step",
    "StepResult",
    "StepStatus",
    "TimedSteps",
    "UnsafeNoNonceStore",
    "actions_named",
    "admit",
    "from_json",
    "guess_probability",
    "issue",
    "judge",
    "judge_timed",
    "load",
    "out_of_time",
    "phrase",
    "refused",
    "simulate_answer",
    "to_json",
    "unseen",
    "verify",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Action": "actions",
        "Admission": "admission",
        "AnswerSeries": "answer",
        "Behaviour": "simulation",
        "Binding": "verification",
        "Challenge": "issuing",
        "ChallengeOutcome": "verification",
        "ChallengeResult": "verification",
        "Claim": "nonces",
        "Colour": "actions",
        "DEFAULT_SLACK_S": "admission",
        "KEY_VARIABLE": "signing",
        "KINDS": "issuing",
        "Kind": "issuing",
        "LANGUAGES": "words",
        "LightResult": "verify_light",
        "LightStep": "issuing",
        "MemoryNonceStore": "nonces",
        "Movement": "movements",
        "NonceStore": "nonces",
        "SqliteNonceStore": "nonces",
        "Step": "issuing",
        "StepResult": "verify_motion",
        "StepStatus": "proof",
        "TimedSteps": "timed",
        "UnsafeNoNonceStore": "nonces",
        "actions_named": "actions",
        "admit": "admission",
        "from_json": "files",
        "guess_probability": "issuing",
        "issue": "issuing",
        "judge": "verification",
        "judge_timed": "timed",
        "load": "files",
        "out_of_time": "admission",
        "phrase": "words",
        "refused": "verification",
        "simulate_answer": "simulation",
        "to_json": "files",
        "unseen": "verification",
        "verify": "verification",
    },
)

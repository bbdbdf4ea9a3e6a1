"""What an attempt can be, and what can become of it: one table.

Public items: :class:`State`, :data:`TRANSITIONS`, :func:`may_become`, :func:`require`, :class:`TransitionError`.
"""

from __future__ import annotations

from enum import Enum

from idverify.errors import IdverifyError

__all__ = ["DECIDED", "ENDED", "TRANSITIONS", "State", "TransitionError", "may_become", "require"]


class State(str, Enum):
    """Where an attempt stands. The value is the stable name in the API and the database."""

    REQUIRES_INPUT = "requires_input"
    RECORDING = "recording"
    PROCESSING = "processing"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    INCONCLUSIVE = "inconclusive"
    EXPIRED = "expired"
    CANCELED = "canceled"
    REDACTED = "redacted"


#: From each state, every state that may follow. What is not here cannot happen.
TRANSITIONS: dict[State, frozenset[State]] = {
    # The person begins to record, or never does.
    State.REQUIRES_INPUT: frozenset({State.RECORDING, State.EXPIRED, State.CANCELED, State.REDACTED}),
    # The recording arrived whole; or it did not, and one more is asked for.
    State.RECORDING: frozenset({State.PROCESSING, State.REQUIRES_INPUT, State.EXPIRED, State.CANCELED, State.REDACTED}),
    # Decided; or a technical failure: one more recording is asked for, or none is left in time.
    State.PROCESSING: frozenset(
        {
            State.ACCEPTED,
            State.REJECTED,
            State.INCONCLUSIVE,
            State.REQUIRES_INPUT,
            State.EXPIRED,
            State.CANCELED,
            State.REDACTED,
        }
    ),
    State.ACCEPTED: frozenset({State.REDACTED}),
    State.REJECTED: frozenset({State.REDACTED}),
    # It could not be told, and the person may show it once more, unless another attempt takes its place.
    State.INCONCLUSIVE: frozenset({State.RECORDING, State.CANCELED, State.REDACTED}),
    State.EXPIRED: frozenset({State.REDACTED}),
    State.CANCELED: frozenset({State.REDACTED}),
    State.REDACTED: frozenset(),
}

#: States that carry a decision.
DECIDED = frozenset({State.ACCEPTED, State.REJECTED, State.INCONCLUSIVE})
#: States in which nothing more is expected of the person, by whatever end.
ENDED = frozenset({State.ACCEPTED, State.REJECTED, State.EXPIRED, State.CANCELED, State.REDACTED})


class TransitionError(IdverifyError):
    """An attempt cannot become what was asked for."""


def may_become(now: State, then: State) -> bool:
    """Whether the table allows the step."""
    return then in TRANSITIONS[now]


def require(now: State, then: State) -> None:
    """Refuse what the table does not allow.

    Raises
    ------
    TransitionError
    """
    if not may_become(now, then):
        raise TransitionError(f"an attempt that is {now.value} cannot become {then.value}")

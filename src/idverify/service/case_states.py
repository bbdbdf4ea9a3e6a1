"""What a case can be, what can become of it, and who has to do what next: one table.

A case never ends in a dead end: every state but the two last ones names the next step, who takes it, and by which of
the policy's deadlines.

Public items: :class:`CaseState`, :class:`Who`, :class:`Next`, :data:`CASE_TRANSITIONS`, :data:`NEXT_STEPS`,
:data:`CLOSED`, :func:`require_case`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from idverify.service.states import TransitionError

__all__ = ["CASE_TRANSITIONS", "CLOSED", "NEXT_STEPS", "CaseState", "Next", "Who", "require_case"]


class CaseState(str, Enum):
    """Where one person's way back to one account stands. The value is the stable name in the API and the database."""

    OPEN = "open"
    DELAYED = "delayed"
    VOUCHING = "vouching"
    ATTENDED = "attended"
    REVIEW = "review"
    SECOND_REVIEW = "second_review"
    QUESTION = "question"
    REFUSED = "refused"
    APPEAL = "appeal"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    FROZEN = "frozen"
    RECOVERED = "recovered"
    WITHDRAWN = "withdrawn"


class Who(str, Enum):
    """Who takes the next step."""

    PERSON = "person"
    VOUCHER = "voucher"
    REVIEWER = "reviewer"
    SENIOR = "senior"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """The next step of a state.

    Parameters
    ----------
    step
        Code of what is to be done; the page and the queue have words for it.
    who
        Who does it.
    deadline
        Name of a deadline of the case policy.
    """

    step: str
    who: Who
    deadline: str


#: From each state, every state that may follow. What is not here cannot happen.
CASE_TRANSITIONS: dict[CaseState, frozenset[CaseState]] = {
    # The person may try; an attempt that is accepted recovers, too many judged rejections go to a person.
    CaseState.OPEN: frozenset(
        {
            CaseState.DELAYED,
            CaseState.VOUCHING,
            CaseState.ATTENDED,
            CaseState.REVIEW,
            CaseState.ACCEPTED,
            CaseState.FROZEN,
            CaseState.WITHDRAWN,
        }
    ),
    # After a judged rejection the next attempt waits a little. What is accepted meanwhile contradicts it: to a person.
    # Another way may be chosen at once.
    CaseState.DELAYED: frozenset(
        {
            CaseState.OPEN,
            CaseState.VOUCHING,
            CaseState.ATTENDED,
            CaseState.REVIEW,
            CaseState.FROZEN,
            CaseState.WITHDRAWN,
        }
    ),
    # An adult vouches for a minor by an attempt of their own; then a person decides, never a score.
    CaseState.VOUCHING: frozenset({CaseState.REVIEW, CaseState.FROZEN, CaseState.WITHDRAWN}),
    # A reviewer and the person at the same time.
    CaseState.ATTENDED: frozenset({CaseState.REVIEW, CaseState.FROZEN, CaseState.WITHDRAWN}),
    CaseState.REVIEW: frozenset(
        {
            CaseState.ACCEPTED,
            CaseState.SECOND_REVIEW,
            CaseState.REFUSED,
            CaseState.QUESTION,
            CaseState.OPEN,
            CaseState.ATTENDED,
            CaseState.FROZEN,
            CaseState.WITHDRAWN,
        }
    ),
    # One reviewer would accept what the machine rejected: a senior, and somebody else, has to agree.
    CaseState.SECOND_REVIEW: frozenset(
        {
            CaseState.ACCEPTED,
            CaseState.REFUSED,
            CaseState.REVIEW,
            CaseState.CONFIRMED,
            CaseState.FROZEN,
            CaseState.WITHDRAWN,
        }
    ),
    # The reviewer asked something; the answer brings the case back to where it was asked.
    CaseState.QUESTION: frozenset({CaseState.REVIEW, CaseState.APPEAL, CaseState.FROZEN, CaseState.WITHDRAWN}),
    # Refused by a person, with reasons; the appeal is one click.
    CaseState.REFUSED: frozenset({CaseState.APPEAL, CaseState.FROZEN, CaseState.WITHDRAWN}),
    # A senior who would accept needs a second one, too, where the machine had rejected.
    CaseState.APPEAL: frozenset(
        {
            CaseState.ACCEPTED,
            CaseState.SECOND_REVIEW,
            CaseState.CONFIRMED,
            CaseState.QUESTION,
            CaseState.FROZEN,
            CaseState.WITHDRAWN,
        }
    ),
    # The refusal was confirmed by a senior: other proofs in person are what is left, and the person is told where.
    CaseState.CONFIRMED: frozenset({CaseState.REVIEW, CaseState.FROZEN, CaseState.WITHDRAWN}),
    # The service gives the account back and says so; until then the person may still say that it was not them.
    CaseState.ACCEPTED: frozenset({CaseState.RECOVERED, CaseState.FROZEN, CaseState.WITHDRAWN}),
    # Somebody said "that was not me": nothing goes on until a senior has looked.
    CaseState.FROZEN: frozenset({CaseState.REVIEW, CaseState.REFUSED, CaseState.WITHDRAWN}),
    # Even a recovered case is frozen by the rightful owner's word.
    CaseState.RECOVERED: frozenset({CaseState.FROZEN}),
    # So is one that somebody else has withdrawn.
    CaseState.WITHDRAWN: frozenset({CaseState.FROZEN}),
}

#: The next step of every state in which a case is not at its end.
NEXT_STEPS: dict[CaseState, Next] = {
    CaseState.OPEN: Next(step="record", who=Who.PERSON, deadline="attempt"),
    CaseState.DELAYED: Next(step="wait", who=Who.PERSON, deadline="attempt"),
    CaseState.VOUCHING: Next(step="vouch", who=Who.VOUCHER, deadline="vouch"),
    CaseState.ATTENDED: Next(step="meet", who=Who.REVIEWER, deadline="attended"),
    CaseState.REVIEW: Next(step="review", who=Who.REVIEWER, deadline="review"),
    CaseState.SECOND_REVIEW: Next(step="second_review", who=Who.SENIOR, deadline="review"),
    CaseState.QUESTION: Next(step="answer", who=Who.PERSON, deadline="answer"),
    CaseState.REFUSED: Next(step="appeal", who=Who.PERSON, deadline="appeal"),
    CaseState.APPEAL: Next(step="appeal_review", who=Who.SENIOR, deadline="appeal_review"),
    CaseState.CONFIRMED: Next(step="other_proofs", who=Who.PERSON, deadline="other_proofs"),
    CaseState.ACCEPTED: Next(step="give_back", who=Who.SERVICE, deadline="give_back"),
    CaseState.FROZEN: Next(step="investigate", who=Who.SENIOR, deadline="investigate"),
}

#: States in which nothing more has to happen.
CLOSED = frozenset({CaseState.RECOVERED, CaseState.WITHDRAWN})


def require_case(now: CaseState, then: CaseState) -> None:
    """Refuse what the table does not allow.

    Raises
    ------
    TransitionError
    """
    if then not in CASE_TRANSITIONS[now]:
        raise TransitionError(f"a case that is {now.value} cannot become {then.value}")

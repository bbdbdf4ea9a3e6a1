"""What an attempt can become: every pair of states, written out."""

from __future__ import annotations

from itertools import product

import pytest

from idverify.service.states import DECIDED, ENDED, TRANSITIONS, State, TransitionError, may_become, require

# Row: from; column: to, in the order of the enumeration. x: may happen.
TABLE = """
                 req rec pro acc rej inc exp can red
requires_input    .   x   .   .   .   .   x   x   x
recording         x   .   x   .   .   .   x   x   x
processing        x   .   .   x   x   x   x   x   x
accepted          .   .   .   .   .   .   .   .   x
rejected          .   .   .   .   .   .   .   .   x
inconclusive      .   x   .   .   .   .   .   x   x
expired           .   .   .   .   .   .   .   .   x
canceled          .   .   .   .   .   .   .   .   x
redacted          .   .   .   .   .   .   .   .   .
"""
ROWS = {line.split()[0]: line.split()[1:] for line in TABLE.strip().splitlines()[1:]}
PAIRS = [
    pytest.param(now, then, ROWS[now.value][list(State).index(then)] == "x", id=f"{now.value}-{then.value}")
    for now, then in product(State, State)
]


@pytest.mark.parametrize(("now", "then", "allowed"), PAIRS)
def test_every_pair(now, then, allowed):
    assert may_become(now, then) is allowed
    if allowed:
        require(now, then)
    else:
        with pytest.raises(TransitionError, match=f"{now.value} cannot become {then.value}"):
            require(now, then)


def test_all_pairs_were_asked_and_every_state_is_in_the_table():
    assert len(PAIRS) == len(State) ** 2 == 81
    assert set(TRANSITIONS) == set(State)


def test_from_every_state_evidence_can_be_deleted_and_nothing_leads_back_from_there():
    assert all(may_become(state, State.REDACTED) for state in State if state is not State.REDACTED)
    assert not TRANSITIONS[State.REDACTED]


def test_a_decision_comes_from_judging_and_from_nothing_else():
    for state in DECIDED:
        assert [now for now in State if may_become(now, state)] == [State.PROCESSING]


def test_what_has_ended_never_accepts_again():
    for state in ENDED:
        assert TRANSITIONS[state] <= {State.REDACTED}

"""What a case can become, every pair of states written out; and what its policy may say."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from idverify.errors import PolicyError
from idverify.service import case_policy
from idverify.service.case_policy import load_case_policy
from idverify.service.case_routes import BY_PERSON, CaseRoute, options_on, start_of
from idverify.service.case_states import CASE_TRANSITIONS, CLOSED, NEXT_STEPS, CaseState, Who, require_case
from idverify.service.states import TransitionError

# Row: from; column: to, in the order of the enumeration. x: may happen.
TABLE = """
               ope del vou att rev sec que ref app con acc fro rec wit
open            .   x   x   x   x   .   .   .   .   .   x   x   .   x
delayed         x   .   x   x   x   .   .   .   .   .   .   x   .   x
vouching        .   .   .   .   x   .   .   .   .   .   .   x   .   x
attended        .   .   .   .   x   .   .   .   .   .   .   x   .   x
review          x   .   .   x   .   x   x   x   .   .   x   x   .   x
second_review   .   .   .   .   x   .   .   x   .   x   x   x   .   x
question        .   .   .   .   x   .   .   .   x   .   .   x   .   x
refused         .   .   .   .   .   .   .   .   x   .   .   x   .   x
appeal          .   .   .   .   .   x   x   .   .   x   x   x   .   x
confirmed       .   .   .   .   x   .   .   .   .   .   .   x   .   x
accepted        .   .   .   .   .   .   .   .   .   .   .   x   x   x
frozen          .   .   .   .   x   .   .   x   .   .   .   .   .   x
recovered       .   .   .   .   .   .   .   .   .   .   .   x   .   .
withdrawn       .   .   .   .   .   .   .   .   .   .   .   x   .   .
"""
ROWS = {line.split()[0]: line.split()[1:] for line in TABLE.strip().splitlines()[1:]}
PAIRS = [
    pytest.param(now, then, ROWS[now.value][list(CaseState).index(then)] == "x", id=f"{now.value}-{then.value}")
    for now, then in product(CaseState, CaseState)
]
SHIPPED = Path(case_policy.__file__).with_name("case_policy.toml").read_text()


@pytest.mark.parametrize(("now", "then", "allowed"), PAIRS)
def test_every_pair(now, then, allowed):
    assert (then in CASE_TRANSITIONS[now]) is allowed
    if allowed:
        require_case(now, then)
    else:
        with pytest.raises(TransitionError, match=f"{now.value} cannot become {then.value}"):
            require_case(now, then)


def test_all_pairs_were_asked():
    assert len(PAIRS) == len(CaseState) ** 2 == 196
    assert set(CASE_TRANSITIONS) == set(CaseState)


def test_no_state_is_a_dead_end():
    """Whatever is not at its end names the next step, who takes it and by when, and can become something else."""
    deadlines = load_case_policy().deadlines_s
    assert set(NEXT_STEPS) == set(CaseState) - CLOSED
    for state, step in NEXT_STEPS.items():
        assert step.step
        assert isinstance(step.who, Who)
        assert deadlines[step.deadline] > 0
        assert CASE_TRANSITIONS[state]


def test_from_everywhere_a_way_leads_to_recovery_or_withdrawal_and_the_owner_can_always_stop_it():
    for state in set(CaseState) - CLOSED:
        assert CaseState.WITHDRAWN in CASE_TRANSITIONS[state]
    for state in set(CaseState) - {CaseState.WITHDRAWN, CaseState.FROZEN}:
        assert CaseState.FROZEN in CASE_TRANSITIONS[state]


def test_only_what_was_accepted_is_recovered_and_what_is_frozen_is_never_accepted_at_once():
    assert [s for s in CaseState if CaseState.RECOVERED in CASE_TRANSITIONS[s]] == [CaseState.ACCEPTED]
    assert CaseState.ACCEPTED not in CASE_TRANSITIONS[CaseState.FROZEN]


@pytest.mark.parametrize("route", list(CaseRoute))
def test_a_route_begins_with_attempts_or_with_a_person(route):
    state = start_of(route)
    by_person = route in (CaseRoute.MINOR, CaseRoute.NO_FACE, CaseRoute.ATTENDED)
    assert (state is CaseState.OPEN) is not by_person
    assert (NEXT_STEPS[state].who is Who.PERSON) is not by_person
    assert (route in BY_PERSON) is by_person


def test_routes_change_what_is_asked_for_and_nothing_else():
    given = {"avoid": ["blink"], "light": True, "file": False, "service": "S"}
    assert options_on(CaseRoute.STANDARD, given) == given
    assert options_on(CaseRoute.PHOTOSENSITIVE, given) == {**given, "light": False}
    assert options_on(CaseRoute.NO_GESTURE, {**given, "light": False}) == {**given, "gestures": False}


# -- the policy ----------------------------------------------------------------------------------


def test_the_shipped_policy_is_five_in_six_hours_with_growing_delays():
    policy = load_case_policy()
    assert (policy.judged_rejections, policy.window_s) == (5, 6 * 3600)
    delays = [policy.delay_s(n) for n in range(6)]
    assert delays[0] == 0
    assert delays[1] >= 30
    assert delays == sorted(delays)
    assert len(policy.sha256) == 64


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("judged_rejections = 5", "judged_rejections = 0", "judged_rejections"),
        ("judged_rejections = 5", "judged_rejections = true", "judged_rejections"),
        ("judged_rejections = 5", "judged_rejections = 101", "judged_rejections"),
        ("judged_rejections = 5", "", "does not say judged_rejections"),
        ("window_s = 21600", "window_s = nan", "window_s"),
        ("window_s = 21600", "window_s = inf", "window_s"),
        ("window_s = 21600", "window_s = -1", "window_s"),
        ("[30, 60, 300, 900]", "[30, 20]", "do not shrink"),
        ("[30, 60, 300, 900]", "[]", "do not shrink"),
        ("[30, 60, 300, 900]", '["30"]', "delays_s"),
        ("[30, 60, 300, 900]", "30", "do not shrink"),
        ("review = 259200\n", "", "does not say review"),
        ("review = 259200", "review = 259200\nlunch = 1", "'lunch', which is not known"),
        ("[deadlines_s]", "[deadlines_s", "cannot be read"),
        ("[attempts]", "[trials]", "does not say attempts"),
    ],
)
def test_a_policy_that_says_too_little_or_nonsense_is_refused(tmp_path, old, new, why):
    assert old in SHIPPED
    path = tmp_path / "policy.toml"
    path.write_text(SHIPPED.replace(old, new))
    with pytest.raises(PolicyError, match=why):
        load_case_policy(path)


def test_a_policy_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(PolicyError, match="cannot be read"):
        load_case_policy(tmp_path / "none.toml")

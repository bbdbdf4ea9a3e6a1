"""Cases on both databases: what counts, what waits, who is next, and what happens at once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import select
from walk import PHOTO, Walk, at_once

from idverify.service import api_keys, attempts, audit, capture, cases, housekeeping, jobs
from idverify.service.api_keys import Caller
from idverify.service.attempts import Asked
from idverify.service.case_routes import CaseRoute
from idverify.service.cases import AskedCase
from idverify.service.core import open_core
from idverify.service.metrics import Metrics
from idverify.service.problems import Problem
from idverify.service.tables import Attempt, AuditEntry, Case, OutboxEvent

MOST = 5
WINDOW_S = 6 * 3600.0


class Desk:
    """A case and the attempts in it."""

    def __init__(self, core, caller, **changes):
        self.core, self.caller = core, caller
        wanted = {"subject": "s-1", "route": CaseRoute.STANDARD, "policy": "recovery", "locale": "en", **changes}
        self.id = cases.open_case(core, caller, AskedCase(**wanted))[0]["id"]

    def attempt(self, **changes):
        made = cases.new_attempt(self.core, self.caller, self.id, asked(**changes))
        return Walk(self.core, self.caller, made.view["id"], made.link.rsplit("/", 1)[1])

    def try_once(self, outcome):
        return self.attempt().open().record(b"a").judged(outcome)

    def wait(self):
        """Until the next attempt may be made."""
        until_s = self.view["wait_until_s"]
        if until_s is not None:
            self.core.clock.pass_s(until_s - self.core.clock())

    @property
    def view(self):
        return cases.get(self.core, self.caller, self.id)

    @property
    def state(self):
        return self.view["state"]


def asked(**changes):
    return Asked(**{"policy": "recovery", "locale": "en", "photo": PHOTO, **changes})


@pytest.fixture
def desk(core, caller):
    return Desk(core, caller)


def problem_of(act):
    with pytest.raises(Problem) as refused:
        act()
    return refused.value


def code_of(act):
    return problem_of(act).code


def kinds(core):
    with core.database.reading() as session:
        return [json.loads(entry.content)["kind"] for entry in session.scalars(select(AuditEntry))]


def chain_holds(core):
    found = audit.verify_stored(core)
    assert found.broken is None, found
    return found.holds


# -- a way through --------------------------------------------------------------------------------


def test_a_new_case_says_what_is_next_who_does_it_and_by_when(desk, core, clock):
    view = desk.view
    due_s = clock() + core.settings.cases.deadlines_s["attempt"]
    assert view["next"] == {"step": "record", "who": "person", "due_s": due_s}
    assert (view["state"], view["rejections_left"], view["attempts"], view["overdue"]) == ("open", MOST, [], False)
    assert view["case_policy_sha256"] == core.settings.cases.sha256


def test_accepted_at_the_first_attempt_and_recovered(desk, core):
    walk = desk.try_once("accept")
    assert (desk.state, desk.view["next"]["who"]) == ("accepted", "service")
    assert walk.view["case"] == desk.id
    assert code_of(desk.attempt) == "case_wrong_state"
    assert cases.recovered(core, desk.caller, desk.id)["next"] is None
    assert cases.recovered(core, desk.caller, desk.id)["state"] == "recovered"
    tried = ["attempt.created", "case.visited", "attempt.accepted"]
    assert kinds(core) == ["case.opened", *tried, "case.accepted", "case.recovered"]
    assert chain_holds(core) == 6


def test_what_was_not_accepted_is_not_recovered(desk, core):
    assert code_of(lambda: cases.recovered(core, desk.caller, desk.id)) == "case_wrong_state"
    desk.try_once("reject")
    assert code_of(lambda: cases.recovered(core, desk.caller, desk.id)) == "case_wrong_state"
    assert desk.state == "delayed"


def test_after_a_rejection_the_next_attempt_waits_longer_each_time_and_the_fifth_goes_to_a_person(desk, core, clock):
    delays = []
    for n in range(1, MOST):
        desk.try_once("reject")
        assert (desk.state, desk.view["rejections"]) == ("delayed", n)
        refused = problem_of(desk.attempt)
        assert refused.code == "attempt_delayed"
        delays.append(refused.retry_after_s)
        clock.pass_s(refused.retry_after_s - 1)
        assert code_of(desk.attempt) == "attempt_delayed"
        clock.pass_s(1)
    assert delays == [core.settings.cases.delay_s(n) for n in range(1, MOST)] == sorted(delays)
    desk.try_once("reject")
    assert (desk.state, desk.view["next"]["who"], desk.view["rejections_left"]) == ("review", "reviewer", 0)
    clock.pass_s(WINDOW_S + 1)
    assert code_of(desk.attempt) == "case_with_person"
    chain_holds(core)


def test_inconclusive_and_technical_failures_do_not_count(desk, core):
    for _ in range(2 * MOST):
        desk.try_once("inconclusive")
        assert (desk.state, desk.view["rejections"]) == ("open", 0)
    walk = desk.attempt().open()
    for _ in range(2 * MOST):
        walk.record(b"a")
        assert jobs.fail(core, jobs.claim(core, "j"), "recording_unreadable")
    assert (desk.state, desk.view["rejections"]) == ("open", 0)
    # Each inconclusive attempt ended when the next one began.
    assert {row["state"] for row in desk.view["attempts"]} == {"canceled", "requires_input"}


def test_rejections_are_forgotten_when_the_window_is_over(desk, clock):
    for _ in range(MOST - 1):
        desk.try_once("reject")
        desk.wait()
    clock.pass_s(WINDOW_S)
    desk.try_once("reject")
    assert (desk.state, desk.view["rejections"]) == ("delayed", 1)


def test_deleting_the_evidence_buys_no_attempt(desk, core):
    for _ in range(MOST - 1):
        attempts.delete_evidence(core, desk.caller, desk.try_once("reject").attempt)
        desk.wait()
    desk.try_once("reject")
    assert desk.state == "review"
    assert kinds(core).count("evidence.deleted") == MOST - 1


def test_rejections_count_per_subject_over_all_its_cases_and_not_for_others(core, caller):
    first, second = Desk(core, caller), Desk(core, caller)
    stranger = Caller(id=api_keys.make_key(core, "stranger").id, name="")
    for _ in range(MOST - 1):
        first.try_once("reject")
        # The other case is not a way round the delay.
        assert code_of(second.attempt) == "attempt_delayed"
        first.wait()
    second.try_once("reject")
    assert second.state == "review"
    assert code_of(first.attempt) == "case_with_person"
    assert first.state == "review"
    Desk(core, caller, subject="s-2").attempt()
    Desk(core, stranger).attempt()
    chain_holds(core)


def test_rejected_attempts_outside_of_a_case_count_for_the_subject(core, caller):
    for _ in range(MOST):
        Walk(core, caller).ask(subject="s-1").open().record(b"a").judged("reject")
    desk = Desk(core, caller)
    assert code_of(desk.attempt) == "case_with_person"
    assert desk.state == "review"


def test_counts_and_delays_survive_a_restart(desk, core, clock):
    desk.try_once("reject")
    again = open_core(core.settings, clock=clock)
    try:
        assert code_of(lambda: cases.new_attempt(again, desk.caller, desk.id, asked())) == "attempt_delayed"
        assert cases.get(again, desk.caller, desk.id)["rejections"] == 1
        assert audit.verify_stored(again).broken is None
    finally:
        again.database.close()


def test_a_delay_ends_by_itself_and_the_service_is_told(core, caller):
    desk = Desk(core, caller, callback="https://example.org/hook")
    desk.try_once("reject")
    housekeeping.tidy(core)
    assert desk.state == "delayed"
    desk.wait()
    housekeeping.tidy(core)
    assert (desk.state, desk.view["wait_until_s"]) == ("open", None)
    with core.database.reading() as session:
        told = [
            json.loads(event.body) for event in session.scalars(select(OutboxEvent).order_by(OutboxEvent.created_s))
        ]
    of_case = [body for body in told if body["type"].startswith("case.")]
    assert sorted(body["type"] for body in of_case) == ["case.delayed", "case.open"]
    fields = {"id", "state", "subject", "notice"}
    assert all(set(body["data"]) == fields and body["data"]["id"] == desk.id for body in of_case)


def test_one_attempt_at_a_time_for_a_person(core, caller, clock):
    first, second = Desk(core, caller), Desk(core, caller)
    walk = first.attempt()
    assert code_of(first.attempt) == "attempt_open"
    assert code_of(second.attempt) == "attempt_open"
    attempts.cancel(core, caller, walk.attempt)
    walk = second.attempt(link_s=60.0)
    clock.pass_s(61)
    # Nobody has to wait for the housekeeper.
    first.attempt()
    assert code_of(second.attempt) == "attempt_open"


def test_a_case_says_what_its_attempts_are(core, caller):
    desk = Desk(core, caller, policy="ial2", locale="fr", callback="https://example.org/hook")
    view = desk.attempt(policy="convenience", locale="de", subject="other", callback=None).view
    assert (view["policy"], view["locale"], view["subject"], view["case"]) == ("ial2", "fr", "s-1", desk.id)


def test_the_same_request_is_answered_the_same(core, caller):
    wanted = AskedCase(subject="s", route=CaseRoute.STANDARD, policy="recovery", locale="en")
    first, again = (cases.open_case(core, caller, wanted, idempotency_key="k") for _ in range(2))
    assert (first[1], again[1], first[0]) == (False, True, again[0])
    other = replace(wanted, subject="x")
    assert code_of(lambda: cases.open_case(core, caller, other, idempotency_key="k")) == "idempotency_conflict"
    a, b = (cases.new_attempt(core, caller, first[0]["id"], asked(), idempotency_key="a") for _ in range(2))
    assert (a.again, b.again, a.link) == (False, True, b.link)
    # The same words within another case are another request.
    elsewhere = cases.open_case(core, caller, other)[0]["id"]
    refused = code_of(lambda: cases.new_attempt(core, caller, elsewhere, asked(), idempotency_key="a"))
    assert refused == "idempotency_conflict"


def test_somebody_elses_case_looks_like_none(desk, core):
    stranger = Caller(id=api_keys.make_key(core, "stranger").id, name="")
    for act in (cases.get, cases.withdraw, cases.recovered, cases.not_me):
        assert code_of(lambda act=act: act(core, stranger, desk.id)) == "not_found"
        assert code_of(lambda act=act: act(core, desk.caller, "cas_none")) == "not_found"
    assert code_of(lambda: cases.new_attempt(core, stranger, desk.id, asked())) == "not_found"


# -- other ways ------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", [CaseRoute.MINOR, CaseRoute.NO_FACE, CaseRoute.ATTENDED])
def test_what_no_score_may_decide_is_with_a_person_at_once(core, caller, route):
    desk = Desk(core, caller, route=route)
    by_adult = route is CaseRoute.MINOR
    assert desk.view["next"]["who"] == ("voucher" if by_adult else "reviewer")
    assert code_of(desk.attempt) == ("case_wrong_state" if by_adult else "case_with_person")


def test_without_gestures_colours_are_asked_for_and_without_them_nothing_is_begun(core, caller):
    desk = Desk(core, caller, route=CaseRoute.NO_GESTURE)
    walk = desk.attempt().open()
    assert walk.view["policy"] == "recovery"
    assert code_of(lambda: walk.begin(light=False)) == "too_few_movements"
    walk.begin().put(0, b"x")
    steps = walk.follow()
    assert [step["kind"] for step in steps] == ["colour"]


def test_photosensitive_is_never_shown_colours(core, caller):
    walk = Desk(core, caller, route=CaseRoute.PHOTOSENSITIVE).attempt(options={"light": True}).open()
    walk.begin(light=True).put(0, b"x")
    assert {step["kind"] for step in walk.follow()} == {"move"}


# -- stopping --------------------------------------------------------------------------------------


@pytest.mark.parametrize("far", ["asked", "opened", "processing", "inconclusive"])
def test_not_me_stops_everything_and_keeps_the_evidence_for_who_looks(desk, core, clock, far):
    walk = desk.attempt()
    if far != "asked":
        walk.open()
    job = None
    if far in ("processing", "inconclusive"):
        walk.record(b"a")
        job = jobs.claim(core, "j")
    if far == "inconclusive":
        jobs.settle(core, job, {"outcome": "inconclusive", "reasons": []}, {})
    assert cases.not_me(core, desk.caller, desk.id)["next"]["who"] == "senior"
    assert (walk.state, walk.view["evidence"]) == ("canceled", "kept")
    if far == "processing":
        # A judge that is not done yet is not heard.
        assert not jobs.settle(core, job, {"outcome": "accept", "reasons": []}, {})
    assert code_of(walk.begin) in ("wrong_state", "consent_missing")
    assert code_of(desk.attempt) == "case_with_person"
    assert desk.state == "frozen"
    clock.pass_s(core.settings.cases.deadlines_s["investigate"] + 1)
    housekeeping.tidy(core)
    assert walk.view["evidence"] == "deleted"
    assert chain_holds(core)


def test_even_a_recovered_case_is_frozen_by_its_owners_word(desk, core):
    desk.try_once("accept")
    cases.recovered(core, desk.caller, desk.id)
    assert cases.not_me(core, desk.caller, desk.id)["state"] == "frozen"
    assert code_of(lambda: cases.recovered(core, desk.caller, desk.id)) == "case_wrong_state"


def test_who_withdraws_is_left_alone_and_the_evidence_goes(desk, core):
    walk = desk.attempt().open()
    assert cases.withdraw(core, desk.caller, desk.id)["next"] is None
    housekeeping.tidy(core)
    assert (walk.state, walk.view["evidence"]) == ("canceled", "deleted")
    # Perhaps somebody else withdrew it: the owner can still say so.
    assert code_of(desk.attempt) == "case_wrong_state"
    assert cases.not_me(core, desk.caller, desk.id)["state"] == "frozen"


def test_evidence_stays_until_a_person_is_due(desk, core, clock):
    walks = []
    for _ in range(MOST):
        walks.append(desk.try_once("reject"))
        desk.wait()
    clock.pass_s(core.settings.cases.evidence_of_s("recovery") + 1)
    housekeeping.tidy(core)
    assert {walk.view["evidence"] for walk in walks} == {"kept"}


def test_overdue_cases_are_counted(desk, core, clock):
    def lines():
        return Metrics().text(core).decode().splitlines()

    cases.not_me(core, desk.caller, desk.id)
    assert 'idverify_cases{state="frozen"} 1.0' in lines()
    assert 'idverify_cases_overdue{state="frozen"} 0.0' in lines()
    clock.pass_s(core.settings.cases.deadlines_s["investigate"] + 1)
    assert 'idverify_cases_overdue{state="frozen"} 1.0' in lines()
    assert desk.view["overdue"]


# -- at once ---------------------------------------------------------------------------------------


def rejected_at_once(core, desk, *also):
    """Attempts of one person that are all being judged, in spite of the rule that there is one; rejected together."""
    walks = [Walk(core, desk.caller).ask(subject="s-1").open().record(b"a") for _ in range(1 + len(also))]
    with core.database.writing() as session:
        for walk, case in zip(walks, (desk, *also), strict=True):
            session.get_one(Attempt, walk.attempt).case_id = case.id
    found = [jobs.claim(core, f"j{n}") for n in range(len(walks))]
    verdict = {"outcome": "reject", "reasons": []}
    assert at_once(*(lambda job=job: jobs.settle(core, job, verdict, {}) for job in found)) == [True] * len(walks)


def test_of_two_rejections_at_once_one_is_the_last(desk, core):
    for _ in range(MOST - 2):
        desk.try_once("reject")
        desk.wait()
    rejected_at_once(core, desk, desk)
    assert (desk.state, desk.view["rejections"]) == ("review", MOST)
    assert kinds(core).count("case.review") == 1
    chain_holds(core)


def test_of_two_cases_of_one_person_the_last_rejection_sends_one_to_a_person_and_the_other_follows(core, caller):
    first, second = Desk(core, caller), Desk(core, caller)
    for _ in range(MOST - 2):
        first.try_once("reject")
        first.wait()
    rejected_at_once(core, first, second)
    assert sorted([first.state, second.state]) in (["delayed", "review"], ["review", "review"])
    first.wait()
    second.wait()
    housekeeping.tidy(core)
    assert (first.state, second.state) == ("review", "review")


def test_of_many_requests_at_once_one_attempt_is_made(desk, core):
    made = at_once(*[lambda: cases.new_attempt(core, desk.caller, desk.id, asked())] * 6)
    assert sum(not isinstance(found, str) for found in made) == 1
    assert {found for found in made if isinstance(found, str)} == {"attempt_open"}
    assert len(desk.view["attempts"]) == 1
    chain_holds(core)


def test_accepting_and_not_me_at_once_never_end_in_an_accepted_case(core, caller):
    for n in range(4):
        desk = Desk(core, caller, subject=f"s-{n}")
        desk.attempt().open().record(b"a")
        job = jobs.claim(core, "j")
        verdict = {"outcome": "accept", "reasons": []}
        at_once(
            lambda job=job, verdict=verdict: jobs.settle(core, job, verdict, {}),
            lambda desk=desk: cases.not_me(core, desk.caller, desk.id),
        )
        assert desk.state == "frozen"
    chain_holds(core)


def test_accepted_and_rejected_at_once_is_for_a_person(desk, core):
    desk.try_once("reject")
    walk = Walk(core, desk.caller).ask(subject="s-1").open().record(b"a")
    with core.database.writing() as session:
        session.get_one(Attempt, walk.attempt).case_id = desk.id
    walk.judged("accept")
    assert desk.state == "review"


def test_an_acceptance_after_the_limit_was_reached_elsewhere_is_for_a_person(desk, core, caller):
    walk = desk.attempt().open()
    for _ in range(MOST):
        Walk(core, caller).ask(subject="s-1").open().record(b"a").judged("reject")
    walk.record(b"a").judged("accept")
    assert desk.state == "review"


def test_nothing_of_a_transaction_that_failed_is_in_the_chain(desk, core, monkeypatch):
    walk = desk.attempt().open().record(b"a")
    before = chain_holds(core)

    def broken(*arguments, **options):
        raise RuntimeError("the machine went down")

    job = jobs.claim(core, "j")
    monkeypatch.setattr(cases, "become", broken)
    with pytest.raises(RuntimeError):
        jobs.settle(core, job, {"outcome": "accept", "reasons": []}, {})
    monkeypatch.undo()
    assert (walk.state, desk.state, chain_holds(core)) == ("processing", "open", before)
    assert jobs.settle(core, job, {"outcome": "accept", "reasons": []}, {})
    assert (desk.state, chain_holds(core)) == ("accepted", before + 2)


def test_the_chain_holds_no_secret_and_no_picture(desk, core):
    walk = desk.try_once("reject")
    with core.database.reading() as session:
        text = "\n".join(entry.content for entry in session.scalars(select(AuditEntry)))
        assert session.get_one(Case, desk.id).subject in text
    for secret in (walk.token, walk.session, PHOTO.decode()):
        assert secret not in text
    assert capture.state_of(core, walk.attempt)[0].state == "rejected"

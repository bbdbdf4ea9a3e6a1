"""Leases: judged once, by one judge, whoever dies."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import select
from walk import Walk

from idverify.service import jobs
from idverify.service.core import open_core
from idverify.service.settings import Limits, Settings
from idverify.service.states import State
from idverify.service.tables import Attempt, OutboxEvent, Recording

DECISION = {"outcome": "accept", "reasons": []}


@pytest.fixture
def walk(core, caller):
    return Walk(core, caller).ask(callback="https://example.org/hook").open().record(b"one", b"two")


def test_the_longest_waiting_comes_first_and_each_goes_to_one(core, walk, clock):
    clock.pass_s(1)
    later = Walk(core, walk.caller).ask().open().record(b"x")
    assert jobs.waiting(core) == 2
    assert jobs.claim(core, "a").attempt_id == walk.attempt
    assert jobs.claim(core, "b").attempt_id == later.attempt
    assert jobs.claim(core, "c") is None
    assert jobs.waiting(core) == 0


def test_a_judge_gets_what_arrived_in_order(core, walk):
    case = jobs.load(core, jobs.claim(core, "a"))
    assert case.video == b"onetwo"
    assert [n for n, _ in case.chunks] == [3, 3]
    assert len(case.revealed_s) >= 3
    assert case.photo == b"a photo"
    assert "onetwo" not in repr(case)


def test_a_dead_judges_work_goes_to_another_and_the_dead_one_is_not_heard(core, walk, clock):
    dead = jobs.claim(core, "dead")
    clock.pass_s(core.settings.limits.lease_s + 0.1)
    living = jobs.claim(core, "living")
    assert living.attempt_id == dead.attempt_id
    assert not jobs.renew(core, dead)
    assert not jobs.settle(core, dead, DECISION, {})
    assert not jobs.fail(core, dead, "judge_failed")
    assert walk.state == "processing"
    assert jobs.settle(core, living, DECISION, {})
    assert walk.state == "accepted"


def test_a_renewed_lease_holds(core, walk, clock):
    job = jobs.claim(core, "a")
    for _ in range(5):
        clock.pass_s(core.settings.limits.lease_s - 1)
        assert jobs.renew(core, job)
        assert jobs.claim(core, "b") is None


def test_what_takes_every_judge_down_is_a_technical_failure(core, walk, clock):
    for _ in range(jobs.MAX_TRIES):
        assert jobs.claim(core, "a") is not None
        clock.pass_s(core.settings.limits.lease_s + 0.1)
    assert jobs.claim(core, "a") is None
    assert (walk.state, walk.view["failure"], walk.view["recordings_judged"]) == ("requires_input", "judge_failed", 0)
    walk.record(b"again")
    assert jobs.claim(core, "a") is not None


def test_a_failure_asks_for_one_more_and_gives_time_for_it(core, walk, clock):
    clock.pass_s(core.settings.limits.session_s - 1)
    assert jobs.fail(core, jobs.claim(core, "a"), "recording_unreadable")
    assert walk.view["failure"] == "recording_unreadable"
    assert walk.view["expires_s"] >= clock() + 60
    walk.record(b"again")
    assert walk.state == "processing"


def test_put_back_is_taken_at_once(core, walk):
    jobs.put_back(core, jobs.claim(core, "a"))
    assert jobs.claim(core, "b").tries == 2
    jobs.give_back_untried(core, jobs.Job(attempt_id=walk.attempt, recording_id=walk.recording, owner="b", tries=2))
    assert jobs.claim(core, "c").tries == 2


def test_every_change_is_told_in_the_same_transaction(core, walk):
    jobs.settle(core, jobs.claim(core, "a"), DECISION, {})
    with core.database.reading() as session:
        told = [event.body for event in session.scalars(select(OutboxEvent).order_by(OutboxEvent.created_s))]
    assert len(told) == 3
    for state, body in zip(("recording", "processing", "accepted"), sorted(told, key=len), strict=False):
        assert any(f'"attempt.{state}"' in text for text in told), body
    assert not any("score" in text or "similarity" in text for text in told)


N_JOBS, N_JUDGES = 2_000, 4


def _judge(settings: Settings, name: str, queue) -> None:
    core = open_core(settings)
    claimed = []
    while (job := jobs.claim(core, name)) is not None:
        claimed.append(job.attempt_id)
    queue.put(claimed)


def test_four_judges_claim_two_thousand_and_none_twice(core, caller):
    now = time.time()
    with core.database.writing() as session:
        for i in range(N_JOBS):
            row = {"api_key_id": caller.id, "policy": "recovery", "locale": "en", "options": {}, "created_s": now}
            row |= {"state": State.PROCESSING.value, "expires_s": now + 3600, "queued_s": now + i / 1000}
            row |= {"judged": 0, "begun": 1, "tries": 0, "recording_id": f"rec_{i}"}
            session.add(Attempt(id=f"att_{i}", **row))
        session.flush()
        for i in range(N_JOBS):
            session.add(Recording(id=f"rec_{i}", attempt_id=f"att_{i}", created_s=now, signals={}))
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    # Nobody renews here, and a slow machine must not take a lease for a dead judge's.
    settings = replace(core.settings, limits=Limits(lease_s=3600.0))
    judges = [context.Process(target=_judge, args=(settings, f"judge {n}", queue)) for n in range(N_JUDGES)]
    for judge in judges:
        judge.start()
    claimed = Counter(attempt for _ in judges for attempt in queue.get(timeout=300))
    for judge in judges:
        judge.join(timeout=60)
    assert len(claimed) == N_JOBS
    assert set(claimed.values()) == {1}

"""What came of attempts: counted by day, equal to what the attempts themselves say, over all processes."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from alembic.config import Config
from desk_site import Site
from sqlalchemy import select
from walk import Walk

from idverify.reasons import Reason
from idverify.service import attempts, jobs, migrations
from idverify.service.desk import words
from idverify.service.desk.figures import WINDOW_S
from idverify.service.desk.roles import Role
from idverify.service.metrics import Metrics
from idverify.service.tables import Attempt, AttemptCount
from idverify.service.tally import tally

DAY_S = 24 * 3600
CODES = [Reason.NO_MATCH.value, Reason.FACE_TOO_FAR.value, Reason.TOO_DARK.value]


def settled(core, outcome, *codes):
    job = jobs.claim(core, "judge")
    assert job is not None
    assert jobs.settle(core, job, {"outcome": outcome, "reasons": list(codes)}, {})


def seen(core, window_s=WINDOW_S):
    with core.database.reading() as session:
        return tally(session, core.clock(), window_s)


def lines(core):
    return Metrics().text(core).decode().splitlines()


@pytest.fixture
def judge_anew(core, caller):
    """A new attempt of the caller, judged once with each of the given decisions."""

    def judge(*decisions):
        walk = Walk(core, caller).ask().open()
        for outcome, *codes in decisions:
            walk.record(b"one", b"two")
            settled(core, outcome, *codes)
        return walk

    return judge


def test_the_counts_are_what_the_attempts_say(core, judge_anew, clock):
    """Any order of outcomes, reasons, days, second recordings and deletions."""
    chance, walks = random.Random(20), []
    for _ in range(25):
        clock.pass_s(chance.choice([0, 3600, DAY_S]))
        first = [("inconclusive", *chance.sample(CODES, chance.randint(0, 2)))] * chance.randint(0, 1)
        last = (chance.choice(["accept", "reject", "inconclusive"]), *chance.choices(CODES, k=chance.randint(0, 2)))
        walks.append(judge_anew(*first, last))
        if not chance.randrange(4):
            attempts.delete_evidence(core, walks[-1].caller, walks[-1].attempt)
    for days in (1, 5, 400):
        since = clock() // DAY_S - days + 1
        with core.database.reading() as session:
            rows = [row for row in session.scalars(select(Attempt)) if row.decided_s // DAY_S >= since]
        found = seen(core, days * DAY_S)
        outcomes = Counter(row.decision["outcome"] for row in rows)
        assert {name: n for name, n in found.outcomes.items() if n} == outcomes
        assert found.reasons == Counter(
            (row.decision["outcome"], code) for row in rows for code in set(row.decision["reasons"])
        )
    assert len(rows) == 25


def test_an_attempt_counts_once_under_its_newest_decision(core, judge_anew, clock):
    walk = judge_anew(("inconclusive", "too_dark"))
    assert (seen(core).outcomes, seen(core).reasons) == ({"inconclusive": 1}, {("inconclusive", "too_dark"): 1})
    walk.record(b"three", b"four")
    clock.pass_s(DAY_S)
    settled(core, "reject", "no_match")
    assert seen(core).outcomes == {"inconclusive": 0, "reject": 1}
    assert seen(core).reasons == {("reject", "no_match"): 1}


def test_every_process_tells_the_same_and_only_of_the_last_month(core, judge_anew, clock):
    judge_anew(("reject", "no_match", "face_too_far"))
    judge_anew(("reject", "no_match"))
    judge_anew(("accept",))
    for told in (lines(core), lines(core)):
        assert 'idverify_attempts_decided{outcome="reject"} 2.0' in told
        assert 'idverify_attempts_decided{outcome="inconclusive"} 0.0' in told
        assert 'idverify_attempts_decided_for{outcome="reject",reason="no_match"} 2.0' in told
        assert 'idverify_attempts_decided_for{outcome="reject",reason="face_too_far"} 1.0' in told
    metrics = Metrics()
    metrics.text(core)
    clock.pass_s(WINDOW_S)
    old = metrics.text(core).decode()
    assert 'idverify_attempts_decided{outcome="reject"} 0.0' in old
    assert "idverify_attempts_decided_for{" not in old


def test_labels_stay_a_fixed_set(core, judge_anew):
    judge_anew(("reject", "of_another_version_1", "of_another_version_2"))
    assert 'idverify_attempts_decided_for{outcome="reject",reason="other"} 2.0' in lines(core)
    assert not any("of_another_version" in line for line in lines(core))


def test_technical_failures_are_told_apart(core, caller, clock):
    walk = Walk(core, caller).ask().open().record(b"one", b"two")
    assert jobs.fail(core, jobs.claim(core, "judge"), "recording_late")
    assert seen(core).failures == {"recording_late": 1}
    assert seen(core).outcomes == {}
    assert 'idverify_attempts_failed{reason="recording_late"} 1.0' in lines(core)
    walk.record(b"one", b"two").judged("accept")
    assert seen(core).failures == {}
    assert seen(core).outcomes == {"accept": 1}


def test_an_adult_who_vouches_is_none_of_them(core, caller):
    walk = Walk(core, caller).ask().open().record(b"one", b"two")
    with core.database.writing() as session:
        session.get_one(Attempt, walk.attempt).role = "voucher"
    settled(core, "reject", "no_match")
    assert (seen(core).outcomes, seen(core).reasons) == ({}, {})


def test_decisions_at_once_lose_no_count(core, caller):
    n = 8
    for _ in range(n):
        Walk(core, caller).ask().open().record(b"one", b"two")
    with ThreadPoolExecutor(n) as pool:
        list(pool.map(lambda _: settled(core, "reject", "no_match"), range(n)))
    assert seen(core).outcomes == {"reject": n}
    assert seen(core).reasons == {("reject", "no_match"): n}


def test_what_was_decided_before_is_counted_by_the_step(core, judge_anew):
    judge_anew(("inconclusive", "too_dark"), ("reject", "no_match", "too_dark"))
    judge_anew(("accept",))
    Walk(core, judge_anew().caller).ask()
    before = seen(core)
    config = Config()
    config.set_main_option("script_location", str(next(iter(migrations.__path__))))
    with core.database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")
        command.upgrade(config, "head")
    after = seen(core)
    assert after.outcomes == {name: n for name, n in before.outcomes.items() if n} == {"accept": 1, "reject": 1}
    assert after.reasons == before.reasons


def test_a_look_reads_counts_and_no_attempt(core, judge_anew):
    """However many attempts there are: of each day, a row for each outcome and reason; of attempts, an index."""
    for _ in range(6):
        judge_anew(("reject", "no_match"))
    with core.database.reading() as session:
        assert len(list(session.scalars(select(AttemptCount)))) == 2
    if core.database.engine.dialect.name == "sqlite":
        with core.database.engine.connect() as connection:
            plan = connection.exec_driver_sql(
                "EXPLAIN QUERY PLAN SELECT failure, count(*) FROM attempts WHERE failure IS NOT NULL "
                "AND created_s > 1 GROUP BY failure"
            ).all()
        assert all("COVERING INDEX ix_attempts_failures" in str(row) for row in plan)


def test_the_dashboard_shows_the_same(core):
    site = Site(core)
    site.attempt(site.case(), "inconclusive")
    Walk(core, site.caller).ask().open().record(b"one", b"two")
    settled(core, "reject", "no_match")
    Walk(core, site.caller).ask().open().record(b"one", b"two")
    assert jobs.fail(core, jobs.claim(core, "judge"), "judge_failed")
    text = site.browser(Role.AUDITOR).text("/desk/dashboard")
    assert "Accepted 0 Rejected 1 Could not be told 1" in text
    assert f"{Reason.NO_MATCH.sentence} Rejected 1 100.0 %" in text
    assert "The judge failed 1" in text


def test_every_outcome_has_words():
    assert set(words.OUTCOMES) == set(jobs.STATES)

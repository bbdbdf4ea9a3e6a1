"""What was measured over time: numbers only, kept and deleted with the recording, shown as plots at the desk."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from desk_site import Site

from idverify.service import attempts, series
from idverify.service.attempts import data_key
from idverify.service.blobs import StorageUnavailableError
from idverify.service.desk.roles import Role
from idverify.service.series import Series, series_of
from idverify.service.tables import Attempt

EYES = {"times_s": [0.0, 0.1, 0.2], "values": [1.0, None, 3]}
NETWORK = {"times_s": [0.0, 1.0], "values": [-2.0, -3.0]}
MECHANISMS = [
    {"name": "liveliness", "status": "assessed", "detail": "two blinks", "unit": "change (higher: livelier)"},
    {"name": "recapture", "status": "assessed", "detail": "all is well", "unit": "logit (higher: a picture)"},
]


@pytest.fixture
def core(core):
    """Two rejections are enough to bring a case to a person."""
    policy = replace(core.settings.cases, judged_rejections=2)
    return replace(core, settings=replace(core.settings, cases=policy))


@pytest.fixture
def site(core):
    made = Site(core)
    made.judged = {"measured": {"liveliness": EYES, "recapture": NETWORK}, "liveness": {"mechanisms": MECHANISMS}}
    return made


@pytest.fixture
def reviewer(site):
    return site.browser(Role.REVIEWER)


def row_of(core, attempt_id):
    with core.database.reading() as session:
        return session.get_one(Attempt, attempt_id)


def kept(core, attempt_id):
    row = row_of(core, attempt_id)
    return series_of(core, row.id, row.decided_recording_id, row.wrapped_key)


def test_numbers_come_back_as_they_were(site, core):
    walk = site.attempt(site.case(), "inconclusive")
    assert kept(core, walk.attempt) == {
        name: Series(times_s=tuple(row["times_s"]), values=tuple(row["values"]))
        for name, row in (("liveliness", EYES), ("recapture", NETWORK))
    }


@pytest.mark.parametrize(
    "row",
    [
        None,
        {**EYES, "unit": "the machine says no"},
        {**EYES, "values": [1.0]},
        {**EYES, "values": [1.0, "<svg onload=alert(1)>", 2.0]},
        {**EYES, "values": [1.0, math.inf, 2.0]},
        {**EYES, "values": [1.0, 10**400, 2.0]},
        {**EYES, "values": [1.0, 1.7e308, 2.0]},
        {**EYES, "values": [True, 1.0, 2.0]},
        {"times_s": [0.0] * 5000, "values": [0.0] * 5000},
    ],
)
def test_what_is_no_series_is_left_out_and_the_decision_stands(site, core, row):
    site.judged["measured"] = {"liveliness": row, "x" * 1000: EYES, "recapture": NETWORK}
    walk = site.attempt(site.case(), "accept")
    assert walk.state == "accepted"
    assert set(kept(core, walk.attempt)) == {"recapture"}


@pytest.mark.parametrize("measured", [None, [], "text", {}])
def test_where_nothing_was_measured_there_is_nothing(site, core, measured):
    site.judged["measured"] = measured
    assert kept(core, site.attempt(site.case(), "accept").attempt) == {}


def fail(*_):
    raise StorageUnavailableError("no space is left")


def test_a_store_that_is_gone_costs_plots_and_no_decision(site, core, monkeypatch):
    put = type(core.vault.blobs).put
    monkeypatch.setattr(
        type(core.vault.blobs),
        "put",
        lambda blobs, name, content: fail() if name.endswith("/series") else put(blobs, name, content),
    )
    walk = site.attempt(site.case(), "accept")
    assert walk.state == "accepted"
    assert kept(core, walk.attempt) == {}


def test_it_is_encrypted_and_deleted_with_the_recording(site, core):
    walk = site.attempt(site.case(), "reject")
    row = row_of(core, walk.attempt)
    key, name = data_key(core, row), f"attempts/{row.id}/{row.decided_recording_id}/series"
    assert b"values" not in core.vault.blobs.get(name)
    assert b"values" in core.vault.get(key, name)
    attempts.delete_evidence(core, site.caller, walk.attempt)
    assert series_of(core, row.id, row.decided_recording_id, row.wrapped_key) == {}


def test_what_is_deleted_while_it_is_kept_leaves_nothing_behind(site, core, monkeypatch):
    walk = site.attempt(site.case(), "reject")
    row, put = row_of(core, walk.attempt), core.vault.blobs.put

    def deleted_before(name, content):
        attempts.delete_evidence(core, site.caller, walk.attempt)
        put(name, content)

    monkeypatch.setattr(core.vault.blobs, "put", deleted_before)
    series.keep(core, walk.attempt, row.decided_recording_id, {"liveliness": EYES})
    assert series_of(core, row.id, row.decided_recording_id, row.wrapped_key) == {}


def test_a_reviewer_sees_what_moves_before_their_own_view_and_all_of_it_after(site, reviewer):
    case = site.rejected()
    path = f"/desk/cases/{case}"
    reviewer.take(case)
    before = reviewer.get(path).text
    assert 'aria-label="Liveliness over time"' in before
    assert "recapture" not in before.lower()
    assert "livelier" not in before
    reviewer.see(case)
    after = reviewer.get(path).text
    assert 'aria-label="Recapture over time"' in after
    assert "higher: a picture" in after


def test_a_series_without_a_number_is_no_plot(site, reviewer):
    site.judged["measured"] = {"liveliness": {**EYES, "values": [None, None, None]}}
    case = site.rejected()
    reviewer.take(case)
    assert "Liveliness" not in reviewer.text(f"/desk/cases/{case}")


def test_a_store_that_does_not_answer_is_asked_once_for_a_page(site, core, reviewer, monkeypatch):
    case, asked = site.rejected(), []
    reviewer.take(case)
    monkeypatch.setattr(type(core.vault.blobs), "get", lambda _, name: asked.append(name) or fail())
    page = reviewer.get(f"/desk/cases/{case}")
    assert page.status_code == 200
    assert "over time" not in page.text
    assert len(asked) == 1


@pytest.mark.parametrize(
    "decision",
    [
        {"quality": {"a": "b"}},
        {"quality": [1]},
        {"challenge": {"steps": [{}]}},
        {"bystanders": {"a": 1}, "match": {"similarity": 10**400, "threshold": 1}},
        {"liveness": {"mechanisms": 5}},
    ],
)
def test_a_decision_that_was_made_up_costs_its_words_and_not_the_case(site, reviewer, decision):
    site.judged = decision
    case = site.rejected()
    reviewer.see(case, "other_person")
    assert reviewer.get(f"/desk/cases/{case}").status_code == 200
    assert reviewer.decide(case, "reject/other_person").status_code == 303

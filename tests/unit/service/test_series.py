"""What was measured over time: numbers only, kept and deleted with the recording, shown as plots at the desk."""

from __future__ import annotations

import math

import pytest
from desk_site import Site

from idverify.service import attempts
from idverify.service.attempts import data_key
from idverify.service.blobs import StorageUnavailableError
from idverify.service.desk.roles import Role
from idverify.service.series import Series, series_of
from idverify.service.tables import Attempt

EYES = {"unit": "change of the eyes (higher: livelier)", "times_s": [0.0, 0.1, 0.2], "values": [1.0, None, 3]}
NETWORK = {"unit": "logit (higher: a picture of a picture)", "times_s": [0.0, 1.0], "values": [-2.0, -3.0]}
MECHANISMS = [
    {"name": name, "status": "assessed", "detail": detail}
    for name, detail in (("liveliness", "two blinks"), ("recapture", "all is well"))
]


@pytest.fixture
def site(core):
    made = Site(core)
    made.judged = {"measured": {"liveliness": EYES, "recapture": NETWORK}, "liveness": {"mechanisms": MECHANISMS}}
    return made


def kept(core, attempt_id):
    with core.database.reading() as session:
        row = session.get_one(Attempt, attempt_id)
        return series_of(core, data_key(core, row), row.id, row.decided_recording_id)


def test_numbers_come_back_as_they_were(site, core):
    walk = site.attempt(site.case(), "inconclusive")
    assert kept(core, walk.attempt) == {
        name: Series(unit=row["unit"], times_s=tuple(row["times_s"]), values=tuple(row["values"]))
        for name, row in (("liveliness", EYES), ("recapture", NETWORK))
    }


@pytest.mark.parametrize(
    "row",
    [
        None,
        {**EYES, "more": 1},
        {**EYES, "values": [1.0]},
        {**EYES, "values": [1.0, "<svg onload=alert(1)>", 2.0]},
        {**EYES, "values": [1.0, math.inf, 2.0]},
        {**EYES, "unit": 3},
        {**EYES, "unit": "x" * 10_000},
        {**EYES, "times_s": [0.0] * 5000, "values": [0.0] * 5000},
    ],
)
def test_what_is_no_series_is_left_out_and_the_decision_stands(site, core, row):
    site.judged["measured"] = {"liveliness": row, "recapture": NETWORK}
    walk = site.attempt(site.case(), "accept")
    assert walk.state == "accepted"
    assert set(kept(core, walk.attempt)) == {"recapture"}


@pytest.mark.parametrize("measured", [None, [], "text", {}])
def test_where_nothing_was_measured_there_is_nothing(site, core, measured):
    site.judged["measured"] = measured
    assert kept(core, site.attempt(site.case(), "accept").attempt) == {}


def test_a_store_that_is_gone_costs_plots_and_no_decision(site, core, monkeypatch):
    put = type(core.vault.blobs).put

    def refuse(blobs, name, content):
        if name.endswith("/series"):
            raise StorageUnavailableError("no space is left")
        put(blobs, name, content)

    monkeypatch.setattr(type(core.vault.blobs), "put", refuse)
    walk = site.attempt(site.case(), "accept")
    assert walk.state == "accepted"
    assert kept(core, walk.attempt) == {}


def test_it_is_encrypted_and_deleted_with_the_recording(site, core):
    walk = site.attempt(site.case(), "reject")
    with core.database.reading() as session:
        row = session.get_one(Attempt, walk.attempt)
        key, name = data_key(core, row), f"attempts/{row.id}/{row.decided_recording_id}/series"
    assert b"livelier" not in core.vault.blobs.get(name)
    assert b"livelier" in core.vault.get(key, name)
    attempts.delete_evidence(core, site.caller, walk.attempt)
    assert series_of(core, key, walk.attempt, name.split("/")[2]) == {}


def test_a_reviewer_sees_what_moves_before_their_own_view_and_all_of_it_after(site):
    case = site.rejected()
    path = f"/desk/cases/{case}"
    reviewer = site.browser(Role.REVIEWER)
    reviewer.take(case)
    before = reviewer.get(path).text
    assert 'aria-label="Liveliness over time"' in before
    assert "recapture" not in before.lower()
    assert "livelier" not in before
    reviewer.see(case)
    after = reviewer.get(path).text
    assert 'aria-label="Recapture over time"' in after
    assert "higher: livelier" in after


def test_a_series_without_a_number_is_no_plot(site):
    site.judged["measured"] = {"liveliness": {**EYES, "values": [None, None, None]}}
    case = site.rejected()
    reviewer = site.browser(Role.REVIEWER)
    reviewer.take(case)
    assert "Liveliness" not in reviewer.text(f"/desk/cases/{case}")

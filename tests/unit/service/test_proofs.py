"""Where no face decides: a checklist of other proofs, for whoever has the case, and on the record."""

from __future__ import annotations

import json

import pytest
from desk_site import Site
from sqlalchemy import select

from idverify.service import proofs
from idverify.service.case_routes import CaseRoute
from idverify.service.desk import words
from idverify.service.desk.roles import Role
from idverify.service.tables import AuditEntry, Case


@pytest.fixture
def database_url():
    return ""


@pytest.fixture
def site(core):
    return Site(core)


def entries(core):
    with core.database.reading() as session:
        told = [json.loads(entry.content) for entry in session.scalars(select(AuditEntry))]
    return [entry for entry in told if entry["kind"] == "proofs.checked"]


def test_a_reviewer_ticks_what_was_there_and_the_record_has_it(site, core):
    case, reviewer = site.case(route=CaseRoute.NO_FACE), site.browser(Role.REVIEWER)
    path = f"/desk/cases/{case}/proofs"
    # Only whoever has the case.
    assert reviewer.post(path, proof_document="1").status_code == 409
    reviewer.take(case)
    page = reviewer.text(f"/desk/cases/{case}")
    assert all(text in page for text in words.PROOFS.values())
    assert reviewer.post(path, proof_called_back="1", proof_document="1").status_code == 303
    assert [entry["facts"]["proofs"] for entry in entries(core)] == [["document", "called_back"]]
    assert reviewer.get(f"/desk/cases/{case}").text.count(" checked>") == 2
    # What was taken back is on the record as well.
    assert reviewer.post(path, proof_document="1").status_code == 303
    with core.database.reading() as session:
        assert proofs.checked(session, session.get_one(Case, case)) == ("document",)
    assert len(entries(core)) == 2


def test_a_proof_that_is_not_known_is_refused(site, core):
    case, reviewer = site.case(route=CaseRoute.NO_FACE), site.browser(Role.REVIEWER)
    reviewer.take(case)
    assert reviewer.post(f"/desk/cases/{case}/proofs", proof_horoscope="1").status_code == 400
    assert not entries(core)


def test_where_a_face_decides_there_is_no_list(site, core):
    case, reviewer = site.rejected(), site.browser(Role.REVIEWER)
    reviewer.take(case)
    assert words.PROOFS["called_back"] not in reviewer.text(f"/desk/cases/{case}")

"""The desk on both databases: two people at once, and a thousand cases."""

from __future__ import annotations

import re
import statistics
import time
from dataclasses import replace
from functools import partial

import pytest
import walk
from desk_site import FOR_PERSON, INTERNAL, Browser, Site
from sqlalchemy import select

from idverify.service import audit, cases, reviews
from idverify.service.case_routes import CaseRoute
from idverify.service.desk import accounts
from idverify.service.desk.queue import PAGE
from idverify.service.desk.roles import Member, Role
from idverify.service.reviews import Texts
from idverify.service.tables import Case, Review

# Of the bar for a page, seconds of this process's own work: what other programs do at the time is not counted.
PAGE_S = 0.2
# Passwords are hashed slowly on purpose.
at_once = partial(walk.at_once, within_s=120)


@pytest.fixture
def site(core):
    return Site(core)


def member(site, role):
    made = site.account(role)
    return Member(id=made.id, name=made.name, role=role)


def within(core, case, act):
    with core.database.writing() as session:
        audit.hold(session)
        return act(session, cases.locked_case(session, case))


def test_of_many_who_take_a_case_at_once_one_has_it(site, core):
    case = site.case(route=CaseRoute.NO_FACE)
    people = [member(site, Role.REVIEWER) for _ in range(4)]
    takes = [
        lambda who=who: within(core, case, lambda session, row: reviews.claim(core, session, row, who))
        for who in people
    ]
    found = at_once(*takes)
    assert sorted(str(each) for each in found) == ["None", *["case_claimed"] * 3]
    with core.database.reading() as session:
        assert session.get_one(Case, case).lease_account == people[found.index(None)].id
    assert audit.verify_stored(core).broken is None


def test_a_decision_that_is_sent_twice_at_once_is_one(site, core):
    case, who = site.case(route=CaseRoute.NO_FACE), member(site, Role.REVIEWER)
    texts = Texts(for_person=FOR_PERSON, internal=INTERNAL)
    within(core, case, lambda session, row: reviews.claim(core, session, row, who))
    within(core, case, lambda session, row: reviews.note_own_view(core, session, row, who, "cannot_tell"))

    def decide(verdict, code):
        return within(
            core, case, lambda session, row: reviews.decide(core, session, row, who, verdict, code, texts).value
        )

    found = at_once(lambda: decide("accept", "met"), lambda: decide("reject", "proofs_missing"))
    assert sorted(found) in (["accepted", "case_wrong_state"], ["case_wrong_state", "refused"])
    with core.database.reading() as session:
        assert len(session.scalars(select(Review).where(Review.decided_s.is_not(None))).all()) == 1
    assert audit.verify_stored(core).broken is None


def test_deciding_and_not_me_at_once_never_end_in_an_accepted_case(site, core):
    for n in range(3):
        case, who = site.case(f"s-{n}", route=CaseRoute.NO_FACE), member(site, Role.REVIEWER)
        texts = Texts(for_person=FOR_PERSON, internal=INTERNAL)
        within(core, case, lambda session, row, who=who: reviews.claim(core, session, row, who))
        within(core, case, lambda session, row, who=who: reviews.note_own_view(core, session, row, who, "cannot_tell"))
        at_once(
            lambda case=case, who=who, texts=texts: within(
                core,
                case,
                lambda session, row: reviews.decide(core, session, row, who, "accept", "met", texts),
            ),
            lambda case=case: cases.not_me(core, site.caller, case),
        )
        assert site.state(case) == "frozen"


def test_one_code_at_once_in_two_browsers_opens_one(site, core):
    account = site.account(Role.REVIEWER)
    code = site.code(account)
    found = at_once(*[lambda: accounts.sign_in(core, account.name, account.password, code).id] * 3)
    assert sorted(found) == sorted([account.id, "sign_in_refused", "sign_in_refused"])


def test_a_thousand_cases_stay_usable(site, core, clock, capsys):
    """Every page of the queue, a case of it and the figures, in this process's own time, on 2 cores or one."""
    first = site.case("s-0", route=CaseRoute.NO_FACE)
    with core.database.writing() as session:
        row = session.get_one(Case, first)
        columns = {column.name: getattr(row, column.name) for column in Case.__table__.columns}
        for n in range(1, 1000):
            due_s = clock() + 60 * (n % 300 - 30)
            session.add(Case(**{**columns, "id": f"cas_MANY{n:06d}", "subject": f"s-{n}", "due_s": due_s}))
    site = Site(replace(core, settings=replace(core.settings, rate_per_address=10_000)))
    browser = Browser(site, site.account(Role.SENIOR))
    assert browser.sign_in().status_code == 303

    def took(path):
        began = time.process_time()
        page = browser.get(path)
        assert page.status_code == 200
        return time.process_time() - began, page.text

    path, seen, times = "/desk", [], []
    while path:
        spent, page = took(path)
        times.append(spent)
        seen += re.findall(r'href="/desk/cases/(\w+)" class="case-row"', page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = following and following.group(1).replace("&amp;", "&")
    assert len(seen) == len(set(seen)) == 1000
    assert len(times) == 1000 / PAGE
    browser.take(first)
    others = {
        name: statistics.median(took(name)[0] for _ in range(3)) for name in (f"/desk/cases/{first}", "/desk/dashboard")
    }
    with capsys.disabled():
        shown = ", ".join(f"{name.split('/')[2]} {1000 * spent:.0f} ms" for name, spent in others.items())
        print(
            f"\n1,000 cases, {core.database.engine.dialect.name}: queue {1000 * statistics.median(times):.0f} ms "
            f"(median of {len(times)} pages), at most {1000 * max(times):.0f} ms; {shown}"
        )
    assert statistics.median(times) < PAGE_S
    # The last page costs what the first one does.
    assert statistics.median(times[-10:]) < 3 * statistics.median(times[:10])
    assert all(spent < PAGE_S for spent in others.values())

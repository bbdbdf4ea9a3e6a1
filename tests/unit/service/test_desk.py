"""The desk over HTTP: who gets in, who sees what, and what becomes of a case; every refusal, too."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from itertools import product

import argon2
import pytest
from desk_site import BASE, FILM, FOR_PERSON, INTERNAL, ORIGIN, PHOTO, UNSHOWN, Browser, Site, words_of
from sqlalchemy import select
from walk import Walk

from idverify.errors import ParameterError
from idverify.service import appeals, audit, cases, continuation, questions, reviews, vouching
from idverify.service.case_routes import CaseRoute
from idverify.service.case_states import CaseState
from idverify.service.desk import accounts, figures, routes
from idverify.service.desk.figures import Against
from idverify.service.desk.pages import COOKIE
from idverify.service.desk.queue import PAGE
from idverify.service.desk.roles import MAY, Act, Member, Role, require_act
from idverify.service.problems import Problem
from idverify.service.tables import Account, Attempt, AuditEntry, Case, DeskSession, Review

MOST = 2


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    """Refusals wait for nothing here; that they wait is one test's matter."""
    monkeypatch.setattr(routes, "_REFUSED_AFTER_S", 0.0)


@pytest.fixture
def database_url():
    """SQLite; what depends on the database is in test_reviews."""
    return ""


@pytest.fixture
def core(core):
    """Two rejections are enough to bring a case here."""
    policy = replace(core.settings.cases, judged_rejections=MOST)
    return replace(core, settings=replace(core.settings, cases=policy))


@pytest.fixture
def site(core):
    return Site(core)


@pytest.fixture
def reviewer(site):
    return site.browser(Role.REVIEWER)


@pytest.fixture
def senior(site):
    return site.browser(Role.SENIOR)


def entries(core, kind=None):
    with core.database.reading() as session:
        found = [json.loads(entry.content) for entry in session.scalars(select(AuditEntry))]
    return [entry for entry in found if kind in (None, entry["kind"])]


# -- the table of roles ----------------------------------------------------------------------------

# Row: role; column: act, in the order of the enumerations. x: may.
TABLE = """
            see_queue review second_review decide_appeal investigate read_record see_figures keep_accounts
reviewer    x         x      .             .             .           .           x           .
senior      x         x      x             x             x           .           x           .
auditor     .         .      .             .             .           x           x           .
admin       .         .      .             .             .           .           .           x
"""
ROWS = {line.split()[0]: line.split()[1:] for line in TABLE.strip().splitlines()[1:]}


@pytest.mark.parametrize(("role", "act"), list(product(Role, Act)))
def test_every_role_and_act(role, act):
    allowed = ROWS[role.value][list(Act).index(act)] == "x"
    member = Member(id="a", name="n", role=role)
    assert (act in MAY[role]) is member.may(act) is allowed
    if allowed:
        require_act(member, act)
    else:
        with pytest.raises(Problem) as refused:
            require_act(member, act)
        assert refused.value.code == "not_allowed"


def test_the_table_is_whole():
    assert TABLE.split()[: len(Act)] == [act.value for act in Act]
    assert set(MAY) == set(Role)
    assert set(reviews.ACTS) == set(reviews.VERDICTS)


@pytest.mark.parametrize("role", list(Role))
def test_every_page_is_open_to_those_who_may_and_to_nobody_else(site, role):
    case = site.rejected()
    pages = {
        f"/desk/cases/{case}": Act.SEE_QUEUE,
        f"/desk/cases/{case}/photos/x": Act.SEE_QUEUE,
        f"/desk/cases/{case}/recordings/x": Act.SEE_QUEUE,
        "/desk/record": Act.READ_RECORD,
        f"/desk/record/{case}": Act.READ_RECORD,
        "/desk/accounts": Act.KEEP_ACCOUNTS,
        "/desk/dashboard": Act.SEE_FIGURES,
        f"/desk/cases/{case}/papers/x": Act.SEE_QUEUE,
    }
    browser = site.browser(role)
    for path, act in pages.items():
        answer = browser.get(path)
        assert (answer.status_code == 403) is (act not in MAY[role]), path
    for end in ("claim", "let-go", "view", "decide", "hand-on", "question", "code"):
        answer = browser.post(f"/desk/cases/{case}/{end}")
        assert (answer.status_code == 403) is (Act.SEE_QUEUE not in MAY[role]), end
    for path, act in (
        ("/desk/record/check", Act.READ_RECORD),
        ("/desk/accounts/x/disable", Act.KEEP_ACCOUNTS),
        ("/desk/accounts/x/enable", Act.KEEP_ACCOUNTS),
    ):
        assert (browser.post(path).status_code == 403) is (act not in MAY[role]), path
    assert browser.get("/desk", follow_redirects=True).status_code == 200


# -- signing in ------------------------------------------------------------------------------------


def test_every_guess_at_a_stored_password_costs_time_and_memory(core, monkeypatch):
    monkeypatch.undo()
    accounts.add(core, "ann", Role.REVIEWER)
    with core.database.reading() as session:
        cost = argon2.extract_parameters(session.scalars(select(Account)).one().password)
    assert cost.type is argon2.Type.ID
    # The least that OWASP's Password Storage Cheat Sheet names: 19 MiB, two passes.
    assert cost.memory_cost >= 19 * 1024
    assert cost.time_cost >= 2


def test_signed_in_and_out(site):
    browser = Browser(site, site.account(Role.REVIEWER, "ann"))
    assert browser.get("/desk").headers["location"] == "/desk/sign-in"
    answer = browser.sign_in()
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/desk" in cookie
    page = browser.get("/desk")
    assert page.status_code == 200
    assert "ann" in page.text
    assert [entry["facts"]["how"] for entry in entries(site.core, "desk.signed_in")] == ["password"]
    secret = browser.http.cookies[COOKIE]
    assert browser.post("/desk/sign-out").status_code == 303
    browser.http.cookies.set(COOKIE, secret, domain="testserver.local", path="/desk")
    assert browser.get("/desk").headers["location"] == "/desk/sign-in"


def test_the_cookie_is_for_https_only_where_the_service_is(tmp_path, core):
    site = Site(replace(core, settings=replace(core.settings, public_url="https://desk.example")))
    browser = Browser(site, site.account(Role.REVIEWER))
    form = {"name": browser.account.name, "password": browser.account.password, "code": site.code(browser.account)}
    answer = browser.http.post("/desk/sign-in", data=form, headers={"Origin": "https://desk.example"})
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("wrong", ["name", "password", "code", "role"])
def test_whatever_is_wrong_the_answer_is_the_same(site, wrong):
    browser = Browser(site, site.account(Role.REVIEWER))
    right = browser.account
    changes = {
        "name": {"name": "nobody"},
        "password": {"password": "WRONG"},
        "code": {"code": "000000" if site.code(right) != "000000" else "111111"},
        "role": {"name": ""},
    }[wrong]
    answer = browser.sign_in(**changes)
    assert answer.status_code == 401
    assert "Name, password or code is not right" in answer.text
    assert COOKIE not in browser.http.cookies
    # What was typed as a password is nowhere on the page.
    assert right.password not in answer.text


def test_a_refusal_takes_its_time_whatever_is_wrong(site, monkeypatch):
    monkeypatch.setattr(routes, "_REFUSED_AFTER_S", 0.6)
    browser = Browser(site, site.account(Role.REVIEWER))
    for changes in ({"name": "nobody"}, {"password": "WRONG"}):
        began = time.monotonic()
        assert browser.sign_in(**changes).status_code == 401
        assert time.monotonic() - began >= 0.6


def test_a_code_is_good_once_and_an_older_one_never(site, clock):
    browser = Browser(site, site.account(Role.REVIEWER))
    code = site.code(browser.account)
    before = site.code(browser.account, later_s=-30)
    assert browser.sign_in().status_code == 303
    assert Browser(site, browser.account).sign_in(code=code).status_code == 401
    assert Browser(site, browser.account).sign_in(code=before).status_code == 401
    clock.pass_s(30)
    assert Browser(site, browser.account).sign_in().status_code == 303


def test_a_code_of_half_a_minute_ago_is_taken_and_older_ones_are_not(site, clock):
    browser = Browser(site, site.account(Role.REVIEWER))
    assert browser.sign_in(code=site.code(browser.account, later_s=-90)).status_code == 401
    assert browser.sign_in(code=site.code(browser.account, later_s=90)).status_code == 401
    assert browser.sign_in(code=site.code(browser.account, later_s=-30)).status_code == 303


def test_guessing_ends(site):
    """Per name within a minute, per address within a minute, and for good after a hundred in a row."""
    account = site.account(Role.REVIEWER)
    codes = [Browser(site, account).sign_in(password="x").status_code for _ in range(7)]
    assert codes == [401] * 5 + [429] * 2
    assert Browser(site, account).sign_in().status_code == 429
    with site.core.database.writing() as session:
        session.get_one(Account, account.id).failures = 100
    with pytest.raises(Problem, match="not right"):
        accounts.sign_in(site.core, account.name, account.password, site.code(account))
    again = accounts.reset(site.core, account.name)
    assert accounts.sign_in(site.core, account.name, again.password, site.code(again)).id == account.id


def test_a_session_ends_when_nobody_is_there_and_after_a_day_of_work(site, reviewer, clock):
    clock.pass_s(1790)
    assert reviewer.get("/desk").status_code == 200
    clock.pass_s(1790)
    assert reviewer.get("/desk").status_code == 200
    clock.pass_s(1801)
    assert reviewer.get("/desk").status_code == 303
    reviewer.sign_in()
    for _ in range(12 * 3600 // 1700 + 1):
        clock.pass_s(1700)
        last = reviewer.get("/desk").status_code
    assert last == 303


def test_no_session_is_fixed_beforehand(site):
    """A secret that somebody put into the browser is never the session, and the one before ends."""
    browser = Browser(site, site.account(Role.REVIEWER))
    browser.http.cookies.set(COOKIE, "PLANTED", domain="testserver.local", path="/desk")
    browser.sign_in()
    stranger = site.browser()
    stranger.http.cookies.set(COOKIE, "PLANTED", domain="testserver.local", path="/desk")
    assert stranger.get("/desk").status_code == 303
    with site.core.database.reading() as session:
        first = session.scalars(select(DeskSession.token_sha256)).all()
    site.core.clock.pass_s(30)
    browser.sign_in()
    with site.core.database.reading() as session:
        assert session.get(DeskSession, first[0]) is None


@pytest.mark.parametrize("secret", ["", "x", "A" * 26, "\u00e9", "A" * 5000])
def test_a_forged_session_opens_nothing(site, secret):
    case = site.rejected()
    browser = site.browser()
    headers = {"Cookie": f"{COOKIE}={secret}".encode("utf-8", "replace")}
    for path in ("/desk", f"/desk/cases/{case}"):
        assert browser.get(path, headers=headers).headers["location"] == "/desk/sign-in"
    answer = browser.http.post(f"/desk/cases/{case}/claim", data={}, headers={**ORIGIN, **headers})
    assert answer.status_code == 401


def test_who_is_taken_out_of_use_is_out_at_once(site, reviewer):
    case = site.case(route=CaseRoute.NO_FACE)
    reviewer.take(case)
    accounts.set_disabled(site.core, reviewer.account.id, True, actor=audit.OPERATOR)
    assert reviewer.get("/desk").status_code == 303
    assert site.browser(Role.REVIEWER).take(case).status_code == 303
    site.core.clock.pass_s(30)
    assert reviewer.sign_in().status_code == 401
    accounts.set_disabled(site.core, reviewer.account.id, False, actor=audit.OPERATOR)
    site.core.clock.pass_s(30)
    assert reviewer.sign_in().status_code == 303


@pytest.mark.parametrize("name", ["", "A", "a b", "x" * 64, "a\n", "ä"])
def test_a_name_that_cannot_be_used(core, name):
    with pytest.raises(ParameterError, match="a name has"):
        accounts.add(core, name, Role.REVIEWER)


def test_a_name_is_somebodys(core):
    accounts.add(core, "ann", Role.REVIEWER)
    with pytest.raises(ParameterError, match="already"):
        accounts.add(core, "ann", Role.ADMIN)
    with pytest.raises(ParameterError, match="no local account"):
        accounts.reset(core, "bob")


def test_no_secret_of_an_account_is_kept_or_told(site, reviewer):
    made = reviewer.account
    assert made.password not in repr(made)
    assert "secret=" not in repr(made)
    seed = re.search(r"secret=(\w+)", made.totp_uri).group(1)
    database = (site.core.settings.data / "idverify.sqlite").read_bytes()
    wal = (site.core.settings.data / "idverify.sqlite-wal").read_bytes()
    for secret in (made.password, made.password.replace("-", ""), seed, reviewer.http.cookies[COOKIE]):
        assert secret.encode() not in database + wal


# -- forms of other sites ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"{BASE}.evil.example"},
        {**ORIGIN, "Sec-Fetch-Site": "cross-site"},
        {**ORIGIN, "Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_of_another_site_is_refused(site, reviewer, headers):
    case = site.rejected()
    answer = reviewer.post(f"/desk/cases/{case}/claim", headers=headers)
    assert answer.status_code == 403
    assert "another site" in answer.text
    assert "case.claimed" not in [entry["kind"] for entry in entries(site.core)]
    form = {"name": reviewer.account.name, "password": "x", "code": "1"}
    assert site.browser().http.post("/desk/sign-in", data=form, headers=headers).status_code == 403


def test_a_form_without_this_sessions_token_is_refused(site, reviewer, senior):
    case = site.rejected()
    for token in ("", "0" * 64, senior.token(), "\u00e9"):
        assert reviewer.post(f"/desk/cases/{case}/claim", form_token=token).status_code == 403
    assert reviewer.post("/desk/sign-out", form_token="").status_code == 403
    assert reviewer.take(case).status_code == 303


@pytest.mark.parametrize("content", [b"\xff=1", b"&".join(b"a=1" for _ in range(30)), b"x=" + b"y" * 70_000])
def test_a_form_that_cannot_be_read_is_refused(site, reviewer, content):
    headers = {**ORIGIN, "Content-Type": "application/x-www-form-urlencoded"}
    assert reviewer.http.post("/desk/sign-out", content=content, headers=headers).status_code in (400, 413)


# -- the queue ---------------------------------------------------------------------------------------


def test_overdue_first_then_by_deadline_and_every_case_once(site, core, reviewer, clock):
    names = [site.case(f"s-{n}", route=CaseRoute.NO_FACE) for n in range(2 * PAGE + 3)]
    with core.database.writing() as session:
        for n, name in enumerate(names):
            # Some deadlines are equal, the first few are over.
            session.get_one(Case, name).due_s = clock() - 100 + 60 * (n // 3)
    seen, path, pages = [], "/desk", 0
    while path:
        page = reviewer.get(path).text
        seen += re.findall(r'href="/desk/cases/(\w+)" class="case-row"( data-overdue)?', page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path, pages = following and following.group(1).replace("&amp;", "&"), pages + 1
    assert pages == 3
    assert sorted(name for name, _ in seen) == sorted(names)
    with core.database.reading() as session:
        due = {name: session.get_one(Case, name).due_s for name in names}
    assert [(due[name], name) for name, _ in seen] == sorted((due[name], name) for name in names)
    late = [bool(mark) for _, mark in seen]
    assert late == sorted(late, reverse=True)
    assert 0 < sum(late) == sum(moment < clock() for moment in due.values()) < len(names)


@pytest.mark.parametrize("after", ["", "x", "1", "nan~a", "inf~a", "~", "1e999~a", "1~\x00", "1~" + "a" * 300])
def test_a_page_that_is_none_is_refused(site, reviewer, after):
    assert reviewer.get("/desk", params={"after": after}).status_code == 400


def test_who_sees_which_cases(site, core, reviewer, senior):
    review, meeting = site.case("a", route=CaseRoute.NO_FACE), site.case("b", route=CaseRoute.ATTENDED)
    frozen, open_ = site.case("c"), site.case("d")
    cases.not_me(core, site.caller, frozen)
    for browser, expected in ((reviewer, {review, meeting}), (senior, {review, meeting, frozen})):
        shown = set(re.findall(r'href="/desk/cases/(\w+)" class', browser.get("/desk").text))
        assert shown == expected
    assert reviewer.take(frozen).status_code == 403
    assert reviewer.take(open_).status_code == 409
    assert reviewer.take("cas_none").status_code == 404
    assert senior.take(frozen).status_code == 303


def test_the_queue_says_nothing_of_the_machine(site, reviewer):
    case = site.rejected()
    for text in (reviewer.text("/desk"), reviewer.text(f"/desk/cases/{case}")):
        assert not re.search(r"reject|machine|inconclusive", text, re.IGNORECASE)


# -- having a case -----------------------------------------------------------------------------------


def test_a_case_is_one_persons_until_their_time_is_up(site, core, reviewer, clock):
    case, other = site.rejected(), site.browser(Role.REVIEWER)
    assert reviewer.take(case).status_code == 303
    assert "Yours until" in reviewer.text(f"/desk/cases/{case}")
    assert f"{reviewer.account.name} has this case" in other.text(f"/desk/cases/{case}")
    assert other.take(case).status_code == 409
    for end, form in (
        ("let-go", {}),
        ("view", {"view": "same_person"}),
        ("decide", {"decision": "accept/same_person"}),
        ("hand-on", {"code": "no_time", "note": INTERNAL}),
    ):
        assert other.post(f"/desk/cases/{case}/{end}", **form).status_code == 409, end
    clock.pass_s(core.settings.limits.claim_s - 1)
    assert reviewer.take(case).status_code == 303
    clock.pass_s(core.settings.limits.claim_s - 1)
    other.sign_in()
    assert other.take(case).status_code == 409
    clock.pass_s(2)
    # Signed in or not: the time with the case is over.
    assert reviewer.sign_in().status_code == 303
    assert reviewer.post(f"/desk/cases/{case}/let-go").status_code == 409
    assert other.take(case).status_code == 303
    assert [entry["actor"] for entry in entries(core, "case.claimed")] == [reviewer.account.id, other.account.id]


def test_without_the_case_nothing_of_the_evidence_is_shown(site, reviewer):
    case = site.rejected()
    other = site.browser(Role.SENIOR)
    reviewer.take(case)
    page = reviewer.get(f"/desk/cases/{case}").text
    pieces = re.findall(rf'src="(/desk/cases/{case}/[^"]+)"', page)
    assert len(pieces) == 2 * MOST
    assert f"/desk/cases/{case}/" not in re.sub(r'action="[^"]+"', "", other.get(f"/desk/cases/{case}").text)
    for path in pieces:
        assert other.get(path).status_code == 409
        assert site.browser().get(path).status_code == 303
        assert reviewer.get(path).status_code == 200
    reviewer.post(f"/desk/cases/{case}/let-go")
    assert reviewer.get(pieces[0]).status_code == 409


def test_another_cases_evidence_is_not_reached_through_ones_own(site):
    mine, theirs = site.rejected("a"), site.rejected("b")
    reviewer = site.browser(Role.REVIEWER)
    for case in (mine, theirs):
        reviewer.take(case)
    foreign = [
        path.replace(theirs, mine)
        for path in re.findall(rf'src="(/desk/cases/{theirs}/[^"]+)"', reviewer.get(f"/desk/cases/{theirs}").text)
    ]
    assert len(foreign) == 2 * MOST
    for path in foreign:
        assert reviewer.get(path).status_code == 404


def film_of(browser, case):
    return re.search(r'src="([^"]+/recordings/[^"]+)"', browser.get(f"/desk/cases/{case}").text).group(1)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-", 0, 1027),
        ("bytes=0-99", 0, 99),
        ("bytes=90-110", 90, 110),
        ("bytes=100-100", 100, 100),
        ("bytes=-5", 1023, 1027),
        ("bytes=1000-5000", 1000, 1027),
        ("bytes=-5000", 0, 1027),
        ("items=0-5", 0, 1027),
        ("bytes=x", 0, 1027),
        ("bytes=0-5,7-9", 0, 1027),
        ("bytes=-", 0, 1027),
    ],
)
def test_any_part_of_a_recording_is_what_was_recorded(site, reviewer, asked, first, last):
    case = site.rejected()
    reviewer.take(case)
    answer = reviewer.get(film_of(reviewer, case), headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(FILM)}"
    assert answer.content == FILM[first : last + 1]
    assert answer.headers["content-type"] == "video/webm"


def test_a_part_that_is_not_there(site, reviewer):
    case = site.rejected()
    reviewer.take(case)
    film = film_of(reviewer, case)
    for asked in ("bytes=1028-", "bytes=9-2", "bytes=" + "9" * 4000 + "-"):
        assert reviewer.get(film, headers={"Range": asked}).status_code == 416
    whole = reviewer.get(film)
    assert (whole.status_code, whole.content) == (200, FILM)
    assert "sandbox" in whole.headers["content-security-policy"]


def test_every_look_is_an_entry_before_the_first_byte_and_many_ranges_are_one_look(site, core, reviewer, clock):
    case = site.rejected()
    reviewer.take(case)
    film = film_of(reviewer, case)
    for n in range(5):
        reviewer.get(film, headers={"Range": f"bytes={n}-"})
    reviewer.get(film.replace("/recordings/", "/recordings/x"))
    looks = entries(core, "evidence.viewed")
    piece = film.rpartition("/")[2]
    assert [entry["facts"]["piece"] for entry in looks] == ["case", f"recording/{piece}"]
    assert {entry["actor"] for entry in looks} == {reviewer.account.id}
    clock.pass_s(601)
    reviewer.get(film)
    assert len(entries(core, "evidence.viewed")) == 3
    assert audit.verify_stored(core).broken is None


def test_what_is_neither_a_film_nor_a_picture_is_not_shown(site, reviewer):
    case = site.case()
    page = b"<!doctype html><script>alert(1)</script>"
    for _ in range(MOST):
        site.attempt(case, "reject", film=page * 9)
        site.core.clock.pass_s(901)
    reviewer.sign_in()
    reviewer.take(case)
    assert reviewer.get(film_of(reviewer, case)).status_code == 404


# -- own view first ----------------------------------------------------------------------------------


def test_the_machines_verdict_comes_after_ones_own_view_and_the_recording_before_it(site, core, reviewer):
    case = site.rejected()
    path = f"/desk/cases/{case}"
    reviewer.take(case)
    before = reviewer.text(path)
    assert "Rejected" not in before
    assert "The machine rejected" not in before
    assert "Decide" not in before.replace("Decided", "")
    # Deciding without a view, and a view without a look.
    assert reviewer.decide(case, "reject/other_person").status_code == 409
    blind = reviewer.post(f"{path}/view", view="same_person")
    assert blind.status_code == 409
    assert "Play the newest recording first" in blind.text
    reviewer.play(case)
    assert reviewer.post(f"{path}/view", view="nonsense").status_code == 400
    assert reviewer.post(f"{path}/view", view="same_person").status_code == 303
    after = reviewer.text(path)
    assert "The machine rejected" in after
    # It cannot be changed when the machine's is known.
    reviewer.post(f"{path}/view", view="other_person")
    with core.database.reading() as session:
        assert [row.view for row in session.scalars(select(Review))] == ["same_person"]
    assert "The machine rejected" not in site.browser(Role.REVIEWER).text(path)


def test_handing_on_does_not_buy_another_first_view(site, core, reviewer):
    case = site.rejected()
    reviewer.see(case, "same_person")
    assert reviewer.post(f"/desk/cases/{case}/hand-on", code="no_time", note=INTERNAL).status_code == 303
    reviewer.take(case)
    reviewer.post(f"/desk/cases/{case}/view", view="not_live")
    reviewer.decide(case, "reject/not_live")
    with core.database.reading() as session:
        assert {row.view for row in session.scalars(select(Review))} == {"same_person"}


# -- deciding ----------------------------------------------------------------------------------------


def test_refused_with_two_texts_and_only_one_of_them_is_for_the_person(site, core, reviewer):
    case = site.rejected()
    reviewer.see(case, "other_person")
    answer = reviewer.decide(case, "reject/other_person")
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk")
    assert site.state(case) == "refused"
    with core.database.reading() as session:
        told = reviews.message_for_person(core, session, session.get_one(Case, case))
    assert (told.verdict, told.code, told.text) == ("reject", "other_person", FOR_PERSON)
    facts = entries(core, "case.refused")[0]["facts"]
    assert (facts["view"], facts["machine"], facts["code"], facts["evidence"]) == (
        "other_person",
        "rejected",
        "other_person",
        "kept",
    )
    everything = (
        json.dumps(entries(core))
        + site.browser().http.get(f"/v1/cases/{case}", headers=site.auth).text
        + (core.settings.data / "idverify.sqlite-wal").read_bytes().decode("latin-1")
    )
    assert FOR_PERSON not in everything
    assert INTERNAL not in everything
    assert audit.verify_stored(core).broken is None


def test_what_is_not_whole_is_not_decided_and_what_was_typed_is_kept(site, reviewer):
    case = site.rejected()
    reviewer.see(case)
    for changes in (
        {"decision": ""},
        {"decision": "accept"},
        {"decision": "accept/other_person"},
        {"decision": "release/by_mistake"},
        {"decision": "propose/same_person"},
        {"decision": "reject/other_person", "for_person": ""},
        {"decision": "reject/other_person", "internal": " \n "},
        {"decision": "reject/other_person", "internal": FOR_PERSON},
        {"decision": "reject/other_person", "internal": "x" * 2001},
    ):
        answer = reviewer.decide(case, **changes)
        assert answer.status_code == 400, changes
        assert changes.get("for_person", FOR_PERSON) in answer.text
    assert site.state(case) == "review"


def test_accepting_what_the_machine_did_not_reject_takes_one_person(site, reviewer):
    case = site.case(route=CaseRoute.NO_FACE)
    reviewer.see(case, "cannot_tell")
    for ticked in ({}, {"proof_document": "1"}):
        reviewer.post(f"/desk/cases/{case}/proofs", **ticked)
        assert reviewer.decide(case, "accept/other_proofs").status_code == 400
    reviewer.post(f"/desk/cases/{case}/proofs", proof_document="1", proof_called_back="1")
    reviewer.decide(case, "accept/other_proofs")
    assert site.state(case) == "accepted"
    assert entries(site.core, "case.accepted")[0]["facts"]["proofs"] == ["document", "called_back"]


def test_overruling_the_machine_takes_two_people_the_second_a_senior(site, core, reviewer, senior):
    case = site.rejected()
    senior.see(case)
    assert "a senior who is not you has to agree" in senior.text(f"/desk/cases/{case}")
    senior.decide(case, "accept/same_person")
    assert site.state(case) == "second_review"
    with core.database.reading() as session:
        assert reviews.message_for_person(core, session, session.get_one(Case, case)) is None
    # Neither the same one nor somebody who is no senior, also not in a browser of an hour ago.
    assert senior.take(case).status_code == 409
    assert senior.decide(case, "accept/same_person").status_code == 409
    assert reviewer.take(case).status_code == 403
    second = site.browser(Role.SENIOR)
    second.take(case)
    # Their own view first, and not even the first one's before it.
    assert INTERNAL not in second.text(f"/desk/cases/{case}")
    second.see(case)
    assert INTERNAL in second.text(f"/desk/cases/{case}")
    second.decide(case, "accept/same_person", for_person="Welcome back to your account.")
    assert site.state(case) == "accepted"
    facts = entries(core, "case.accepted")[0]["facts"]
    assert facts["overrules"] is True
    with core.database.reading() as session:
        assert reviews.message_for_person(core, session, session.get_one(Case, case)).text.startswith("Welcome back")


def test_the_second_person_may_refuse(site, reviewer, senior):
    case = site.rejected()
    reviewer.see(case)
    reviewer.decide(case, "accept/same_person")
    senior.see(case, "other_person")
    senior.decide(case, "reject/other_person")
    assert site.state(case) == "refused"


def appealed(site, case):
    with site.core.database.writing() as session:
        audit.hold(session)
        cases.become(site.core, session, cases.locked_case(session, case), CaseState.APPEAL, actor="person")


def test_an_appeal_is_for_a_senior_who_did_not_refuse(site, core, reviewer, senior):
    case = site.rejected()
    senior.see(case, "other_person")
    senior.decide(case, "reject/other_person")
    appealed(site, case)
    assert reviewer.take(case).status_code == 403
    assert senior.take(case).status_code == 409
    other = site.browser(Role.SENIOR)
    other.see(case, "other_person")
    other.decide(case, "reject/other_person")
    assert site.state(case) == "confirmed"


def test_an_appeal_that_would_be_accepted_takes_two_as_well(site, reviewer, senior):
    case = site.rejected()
    reviewer.see(case, "other_person")
    reviewer.decide(case, "reject/other_person")
    appealed(site, case)
    senior.see(case)
    senior.decide(case, "accept/same_person")
    assert site.state(case) == "second_review"
    assert senior.take(case).status_code == 409
    second = site.browser(Role.SENIOR)
    second.see(case)
    second.decide(case, "reject/other_person")
    assert site.state(case) == "confirmed"


def test_another_recording_is_asked_for_and_the_person_can_make_one(site, reviewer):
    case = site.rejected()
    reviewer.see(case, "cannot_tell")
    reviewer.decide(case, "ask_recording/too_dark")
    assert (site.state(case), site.view(case)["rejections_left"]) == ("open", MOST)
    site.attempt(case, "accept")
    assert site.state(case) == "accepted"


@pytest.mark.parametrize("route", [CaseRoute.NO_FACE, CaseRoute.ATTENDED])
def test_where_a_person_decides_they_do_so_about_the_recording_that_they_asked_for(site, reviewer, route):
    case = site.case(route=route)
    reviewer.see(case, "cannot_tell")
    if route is CaseRoute.ATTENDED:
        assert reviewer.decide(case, "ask_recording/too_dark").status_code == 409
        reviewer.decide(case, "met/absent")
        reviewer.see(case, "cannot_tell")
    reviewer.decide(case, "ask_recording/too_dark")
    assert site.state(case) == "open"
    site.attempt(case, "accept")
    assert site.state(case) == "review"


def test_what_is_frozen_goes_on_or_is_refused_and_is_never_accepted_at_once(site, core, senior):
    case = site.case()
    cases.not_me(core, site.caller, case)
    senior.see(case, "cannot_tell")
    assert senior.decide(case, "accept/same_person").status_code == 400
    senior.decide(case, "release/owner_confirmed")
    assert site.state(case) == "review"


def test_after_the_meeting_the_case_is_reviewed(site, reviewer):
    case = site.case(route=CaseRoute.ATTENDED)
    reviewer.see(case, "same_person")
    reviewer.decide(case, "met/present")
    assert site.state(case) == "review"


def test_handed_on_to_a_senior_with_a_note_for_whoever_takes_it(site, core, reviewer, senior):
    case = site.rejected()
    reviewer.take(case)
    assert reviewer.post(f"/desk/cases/{case}/hand-on", code="needs_senior", note="short").status_code == 400
    reviewer.post(f"/desk/cases/{case}/hand-on", code="needs_senior", note=INTERNAL)
    assert reviewer.take(case).status_code == 403
    assert case not in reviewer.get("/desk").text
    assert "for a senior" in senior.text("/desk")
    senior.take(case)
    # What a colleague wrote may tell what the machine said.
    assert "A senior has to decide" in senior.text(f"/desk/cases/{case}")
    assert INTERNAL not in senior.text(f"/desk/cases/{case}")
    senior.see(case)
    assert INTERNAL in senior.text(f"/desk/cases/{case}")
    senior.decide(case, "reject/proofs_missing")
    # What was handed on once is anybody's again when it comes back.
    with core.database.reading() as session:
        assert session.get_one(Case, case).needs_senior is False


def test_evidence_that_is_gone_is_said_plainly_and_can_be_decided_without(site, core, reviewer):
    from idverify.service import attempts

    case = site.rejected()
    for row in site.view(case)["attempts"]:
        attempts.delete_evidence(core, site.caller, row["id"])
    reviewer.take(case)
    text = reviewer.text(f"/desk/cases/{case}")
    assert "were deleted when their time was up" in text
    assert "/recordings/" not in reviewer.get(f"/desk/cases/{case}").text
    reviewer.see(case, "cannot_tell")
    reviewer.decide(case, "reject/proofs_missing")
    assert site.state(case) == "refused"
    assert entries(core, "case.refused")[0]["facts"]["evidence"] == "deleted"


# -- what people write -------------------------------------------------------------------------------

NASTY = "</textarea><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }} \u202e"


def test_no_text_becomes_markup_anywhere(site, reviewer, senior):
    case = site.rejected(subject=NASTY)
    reviewer.see(case)
    bad = reviewer.decide(case, "accept/same_person", for_person=NASTY, internal="short")
    reviewer.decide(case, "accept/same_person", for_person=NASTY + "p", internal=NASTY)
    senior.see(case)
    pages = [bad.text, senior.get("/desk").text, senior.get(f"/desk/cases/{case}").text]
    assert all("<script" not in page and "<img src=x" not in page and "onerror" in page for page in pages)
    name = site.browser().http.post("/desk/sign-in", data={"name": '"><script>', "password": "x"}, headers=ORIGIN)
    assert "<script" not in name.text


def test_no_page_has_a_script_or_a_style_of_its_own(site, reviewer):
    case = site.rejected()
    pages = [site.browser().get("/desk/sign-in"), reviewer.get("/desk"), reviewer.get("/desk/cases/cas_none")]
    reviewer.see(case)
    pages.append(reviewer.get(f"/desk/cases/{case}"))
    for page in pages:
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", page.text)
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert "unsafe" not in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"


def test_photo_and_film_are_what_was_sent(site, reviewer):
    case = site.rejected()
    reviewer.take(case)
    page = reviewer.get(f"/desk/cases/{case}").text
    photo = reviewer.get(re.search(r'src="([^"]+/photos/[^"]+)"', page).group(1))
    assert (photo.content, photo.headers["content-type"]) == (PHOTO, "image/jpeg")


def test_a_photo_that_no_browser_shows_is_made_one_that_they_do_or_said_to_be_none(site, reviewer):
    for subject, sent, shown in (("s-1", UNSHOWN, True), ("s-2", b"II*\x00 damaged", False)):
        case = site.rejected(subject, photo=sent)
        reviewer.take(case)
        page = reviewer.get(f"/desk/cases/{case}").text
        photo = reviewer.get(re.search(r'src="([^"]+/photos/[^"]+)"', page).group(1))
        assert photo.status_code == (200 if shown else 404)
        assert (photo.content == b"\xff\xd8\xff made of " + sent) == shown
        if shown:
            assert photo.headers["content-type"] == "image/jpeg"
            assert "sandbox" in photo.headers["content-security-policy"]


# -- auditors and admins -----------------------------------------------------------------------------


def test_an_auditor_reads_the_chain_and_a_cases_record_and_that_is_recorded(site, core, reviewer):
    case = site.rejected()
    reviewer.see(case)
    auditor = site.browser(Role.AUDITOR)
    text = auditor.text("/desk/record")
    assert "evidence.viewed" in text
    assert reviewer.account.name in text
    page = auditor.get(f"/desk/record/{case}")
    assert page.status_code == 200
    assert case in page.text
    assert [entry["actor"] for entry in entries(core, "case.exported")] == [auditor.account.id]
    assert "entries hold" in words_of(auditor.post("/desk/record/check").text)
    found = auditor.get(f"/desk/record?case={case}")
    assert found.headers["location"] == f"/desk/record/{case}"
    for path in ("/desk/record?case=//evil.example", "/desk/record/cas_none", "/desk/record?case=cas_none"):
        assert auditor.get(path, follow_redirects=True).status_code == 404
    for before in ("x", "-1", "9" * 30):
        assert auditor.get("/desk/record", params={"before": before}).status_code == 400


def test_a_chain_that_was_altered_is_told_to_the_auditor(site, core):
    site.rejected()
    with core.database.writing() as session:
        rows = session.scalars(select(AuditEntry).order_by(AuditEntry.number))
        row = next(row for row in rows if "machine" in row.content)
        row.content, number = row.content.replace("machine", "nobody"), row.number
    assert f"Entry {number} does not hold" in words_of(site.browser(Role.AUDITOR).post("/desk/record/check").text)


def test_the_record_is_read_page_by_page(site, core):
    for n in range(60):
        site.case(f"s-{n}")
    auditor, path, seen = site.browser(Role.AUDITOR), "/desk/record", []
    while path:
        page = auditor.get(path).text
        seen += [int(n) for n in re.findall(r'number-cell">(\d+)<', page)]
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = following and following.group(1)
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == len(seen) == len(entries(core))


def test_an_admin_takes_accounts_out_of_use_but_not_their_own_and_it_is_recorded(site, core, reviewer):
    admin = site.browser(Role.ADMIN)
    assert reviewer.account.name in admin.text("/desk/accounts")
    assert admin.post(f"/desk/accounts/{reviewer.account.id}/disable").status_code == 303
    assert reviewer.get("/desk").status_code == 303
    assert admin.post(f"/desk/accounts/{admin.account.id}/disable").status_code == 403
    assert admin.post("/desk/accounts/acc_none/disable").status_code == 404
    assert admin.post(f"/desk/accounts/{reviewer.account.id}/enable").status_code == 303
    told = [(entry["kind"], entry["actor"]) for entry in entries(core) if entry["actor"] == admin.account.id]
    assert [kind for kind, _ in told] == ["desk.signed_in", "account.disabled", "account.enabled"]


# -- the person and the desk -------------------------------------------------------------------------


def held(core, case, act):
    with core.database.writing() as session:
        audit.hold(session)
        return act(session, cases.locked_case(session, case))


def test_a_question_is_asked_and_its_answer_brings_the_case_back(site, core, reviewer, clock):
    case = site.rejected()
    reviewer.see(case, "cannot_tell")
    path, asked = f"/desk/cases/{case}/question", "Have you changed your phone?"
    assert reviewer.post(path, code="proofs", question="?", why=INTERNAL).status_code == 400
    assert reviewer.post(path, code="nonsense", question=asked, why=INTERNAL).status_code == 400
    assert reviewer.post(path, code="proofs", question=asked, why=INTERNAL).status_code == 303
    assert site.state(case) == "question"
    assert reviewer.take(case).status_code == 409
    with core.database.reading() as session:
        assert reviews.message_for_person(core, session, session.get_one(Case, case)) is None
    clock.pass_s(60)
    held(core, case, lambda session, row: questions.answer(core, session, row, f"Yes, a new one. {NASTY}"))
    reviewer.take(case)
    page = reviewer.get(f"/desk/cases/{case}")
    assert asked in words_of(page.text)
    assert "Yes, a new one." in words_of(page.text)
    assert "<script" not in page.text
    # Its coming back is another look.
    assert "Your own view" in page.text


def test_what_the_person_sent_is_shown_to_whoever_has_the_case_and_never_run(site, core, reviewer, senior):
    case = site.rejected()
    reviewer.see(case, "other_person")
    reviewer.decide(case, "reject/other_person")
    pdf, picture = b"%PDF-1.7 <script>", b"\x89PNG\r\n\x1a\n..."
    sent = [pdf, picture, UNSHOWN]
    held(core, case, lambda session, row: appeals.appeal(core, session, row, f"It is me! {NASTY}", sent))
    senior.take(case)
    page = senior.get(f"/desk/cases/{case}").text
    assert "It is me!" in words_of(page)
    assert "<script" not in page
    paths = re.findall(rf'href="(/desk/cases/{case}/papers/[^"]+)"', page)
    answers = [senior.get(path) for path in paths]
    assert {answer.content for answer in answers} == {pdf, picture, b"\xff\xd8\xff made of " + UNSHOWN}
    for answer in answers:
        assert "sandbox" in answer.headers["content-security-policy"]
        shown = answer.headers["content-disposition"].partition(";")[0]
        assert shown == ("attachment" if answer.content == pdf else "inline")
    assert [entry["facts"]["piece"].partition("/")[0] for entry in entries(core, "evidence.viewed")].count("paper") == 3
    other = site.case("s-2", route=CaseRoute.NO_FACE)
    senior.take(other)
    for path in paths:
        assert reviewer.get(path).status_code in (403, 409)
        assert senior.get(path.replace(case, other)).status_code == 404


def test_a_code_for_a_meeting_is_shown_once_to_whoever_has_the_case(site, core, reviewer):
    case = site.case(route=CaseRoute.ATTENDED)
    assert reviewer.post(f"/desk/cases/{case}/code").status_code == 409
    reviewer.take(case)
    page = reviewer.post(f"/desk/cases/{case}/code").text
    code = re.search(r'class="code">([^<]+)<', page).group(1)
    assert code not in reviewer.get(f"/desk/cases/{case}").text
    assert code not in json.dumps(entries(core))
    continuation.redeem(core, code)
    assert site.state(case) == "review"
    assert reviewer.post(f"/desk/cases/{case}/code").status_code == 409


def test_an_adult_who_vouches_stands_beside_the_child(site, core, reviewer):
    case = site.case(route=CaseRoute.MINOR)
    made = vouching.begin(core, case, words="I am her mother.", photo=PHOTO)
    walk = Walk(core, site.caller, made.view["id"], made.link.rsplit("/", 1)[1])
    walk.open().record(FILM[:100], FILM[100:]).judged("accept")
    assert site.state(case) == "review"
    reviewer.take(case)
    text = reviewer.text(f"/desk/cases/{case}")
    assert "The adult who vouches" in text
    assert "it proves no name" in text
    assert "I am her mother." in text
    reviewer.see(case, "same_person")
    reviewer.decide(case, "accept/vouched")
    assert site.state(case) == "accepted"


def test_a_child_whose_adult_was_rejected_takes_two_people(site, core, reviewer):
    case = site.case(route=CaseRoute.MINOR)
    made = vouching.begin(core, case, photo=PHOTO)
    walk = Walk(core, site.caller, made.view["id"], made.link.rsplit("/", 1)[1])
    walk.open().record(FILM[:100], FILM[100:]).judged("reject")
    reviewer.see(case, "same_person")
    reviewer.decide(case, "accept/vouched")
    assert site.state(case) == "second_review"


# -- figures -----------------------------------------------------------------------------------------


def test_how_often_people_overrule_the_machine_and_how_long_it_takes(site, core, senior, clock):
    reasons = {"s-0": ["no_match"], "s-1": ["no_match", "face_too_far"], "s-2": ["face_too_far"]}
    for subject, codes in reasons.items():
        case = site.rejected(subject, group="younger" if subject != "s-2" else None)
        with core.database.writing() as session:
            for row in session.scalars(select(Attempt).where(Attempt.case_id == case)):
                row.decision = {**row.decision, "reasons": codes}
        clock.pass_s(100)
        senior.sign_in()
        senior.see(case)
        clock.pass_s(40)
        if subject == "s-0":
            senior.decide(case, "reject/other_person")
            continue
        senior.decide(case, "accept/same_person")
        clock.pass_s(10)
        second = site.browser(Role.SENIOR)
        second.see(case)
        clock.pass_s(20)
        second.decide(case, "accept/same_person")
    with core.database.reading() as session:
        found = figures.figures(core, session)
    assert found.decisions == {"accept": 2, "propose": 2, "reject": 1}
    assert found.machine == {"rejected": Against(reviews=3, overruled=2)}
    assert found.reasons == {
        "face_too_far": Against(reviews=2, overruled=2),
        "no_match": Against(reviews=2, overruled=1),
    }
    # Two people of a group are too few to be told apart.
    assert found.groups == {"(others)": Against(reviews=2, overruled=1)}
    assert (found.took.count, found.took.median_s, found.took.p90_s, found.took.sum_s) == (5, 40, 40, 160)
    assert found.waited.count == 5
    assert found.waited.p90_s >= 100
    lines = site.web.metrics.text(core).decode().splitlines()
    assert 'idverify_reviews_of_rejections{overruled="yes",reason="face_too_far"} 2.0' in lines
    assert 'idverify_reviews{verdict="propose"} 2.0' in lines
    assert 'idverify_review_seconds{part="deciding",quantile="0.5"} 40.0' in lines
    text = site.browser(Role.AUDITOR).text("/desk/dashboard")
    assert "The face is too small in the picture. 2 2 100.0 %" in text
    clock.pass_s(figures.WINDOW_S)
    assert "idverify_reviews{" not in site.web.metrics.text(core).decode()
    assert "Nothing yet." in site.browser(Role.AUDITOR).text("/desk/dashboard")


def test_without_groups_no_group_is_told(site, reviewer):
    case = site.rejected()
    reviewer.see(case)
    reviewer.decide(case, "reject/other_person")
    assert "by group" not in reviewer.text("/desk/dashboard")
    assert "idverify_reviews_of_groups{" not in site.web.metrics.text(site.core).decode()

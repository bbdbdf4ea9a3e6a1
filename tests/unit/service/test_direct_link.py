"""Whoever comes by the link of an attempt of a case has the case with it, hence every other way and a person to ask."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from sqlalchemy import select
from test_case_page import FORM, Visitor
from test_http import ORIGIN, Site, open_case, put, reject, try_in

from idverify.challenge import LANGUAGES
from idverify.service import audit, cases, jobs
from idverify.service.case_routes import BY_PERSON, CaseRoute
from idverify.service.pages import Pages
from idverify.service.tables import Attempt, AuditEntry
from idverify.service.web import CASE_COOKIE

ROUTES = [route.value for route in CaseRoute]
OFFERED = 'data-do="ways"'


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.core.database.close()


@pytest.fixture
def direct(site):
    """A case without a photo of the service's, its attempt, and a browser that opened the attempt's link."""
    case = open_case(site)
    made = try_in(site, case).json()
    browser = site.browser()
    return SimpleNamespace(
        case=case, made=made, path=Site.path(made), browser=browser, opened=browser.post(**opening(Site.path(made)))
    )


def opening(path, headers=ORIGIN):
    return {"url": f"{path}/open", "json": {}, "headers": headers}


def seen(site, case):
    return site.api.get(f"/v1/cases/{case['id']}", headers=site.auth).json()


def choose(browser, route):
    return browser.post("/case/route", data={"route": route}, headers=FORM)


def record(browser):
    """A recording without a camera, as far as a judge."""
    assert browser.post("/capture/consent", json={"version": "v"}, headers=ORIGIN).status_code == 204
    began = browser.post("/capture/recordings", json={"source": "camera"}, headers=ORIGIN)
    assert began.status_code == 200, began.text
    return f"/capture/recordings/{began.json()['recording']}"


def inconclusive(site, made):
    with site.core.database.writing() as session:
        row = session.get_one(Attempt, made["id"])
        row.state, row.recording_id, row.lease_owner = "processing", "rec", "j"
    job = jobs.Job(attempt_id=made["id"], recording_id="rec", owner="j", tries=1)
    assert jobs.settle(site.core, job, {"outcome": "inconclusive", "reasons": ["too_dark"]}, {})


# -- the way in ------------------------------------------------------------------------------------


def test_the_link_gives_the_case_once_to_one_browser_and_no_script(site, direct):
    assert direct.opened.status_code == 200
    [cookie] = [line for line in direct.opened.headers.get_list("set-cookie") if line.startswith(CASE_COOKIE)]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert direct.browser.cookies[CASE_COOKIE] not in direct.opened.text
    assert direct.browser.get("/case").status_code == 200
    again = site.browser()
    assert again.post(**opening(direct.path)).status_code == 410
    assert CASE_COOKIE not in again.cookies
    assert again.get("/case").status_code == 401


def test_looking_at_the_link_gives_nothing(site):
    made = try_in(site, open_case(site)).json()
    for _ in range(2):
        browser = site.browser()
        page = browser.get(Site.path(made))
        assert (page.status_code, OFFERED in page.text, dict(browser.cookies)) == (200, True, {})


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {**ORIGIN, "Sec-Fetch-Site": "cross-site"}],
)
def test_another_site_cannot_open_it(site, headers):
    made = try_in(site, open_case(site)).json()
    browser = site.browser()
    assert browser.post(**opening(Site.path(made), headers)).status_code == 403
    assert dict(browser.cookies) == {}


def test_the_cookie_goes_over_https_only_where_there_is_https(tmp_path):
    site = Site(tmp_path, public_url="https://verify.example")
    made = try_in(site, open_case(site)).json()
    path = made["link"].removeprefix("https://verify.example")
    opened = site.browser().post(**opening(path, {"Origin": "https://verify.example"}))
    assert [("Secure" in line) for line in opened.headers.get_list("set-cookie")] == [True, True]
    site.core.database.close()


def test_it_is_in_the_record_and_only_once_for_a_browser(site, direct):
    elsewhere = direct.browser.post("/capture/continue", json={}, headers=ORIGIN).json()
    direct.browser.post(**opening("/r/" + elsewhere["code"]))
    assert direct.browser.get("/case").status_code == 200
    with site.core.database.reading() as session:
        told = [json.loads(row.content) for row in session.scalars(select(AuditEntry))]
    [visited] = [entry for entry in told if entry["kind"] == "case.visited"]
    assert (visited["actor"], visited["facts"]) == (audit.PERSON, {"by": "attempt"})
    assert visited["case"] == direct.case["id"]
    assert audit.verify_stored(site.core).broken is None


def test_an_attempt_without_a_case_gives_none(site):
    _, browser = site.opened()
    assert CASE_COOKIE not in browser.cookies
    assert browser.get("/capture/state").json()["case"] is False
    assert OFFERED not in site.browser().get(Site.path(site.ask())).text


def test_an_adult_who_vouches_records_and_sees_no_case(site):
    visitor = Visitor(site, route="minor")
    visitor.change(lambda core, session, case: setattr(case, "voucher_reference_id", case.reference_id))
    path = visitor.post("vouch", how="record", words="").headers["location"]
    adult = site.browser()
    assert OFFERED not in adult.get(path).text
    assert adult.post(**opening(path)).json()["attempt"]["case"] is False
    assert CASE_COOKIE not in adult.cookies
    assert adult.get("/case").status_code == 401


def test_that_was_not_me_shuts_it_out_and_no_link_of_before_leads_in(site, direct):
    elsewhere = direct.browser.post("/capture/continue", json={}, headers=ORIGIN).json()
    assert site.api.post(f"/v1/cases/{direct.case['id']}/not-me", headers=site.auth).json()["state"] == "frozen"
    assert direct.browser.get("/case").status_code == 401
    assert direct.browser.get("/capture/state").json()["ways"] is False
    other = site.browser()
    assert other.post(**opening("/r/" + elsewhere["code"])).status_code == 410
    assert dict(other.cookies) == {}


# -- what it offers --------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", LANGUAGES)
def test_every_way_is_offered_in_plain_words_before_the_first_recording(site, locale):
    made = try_in(site, open_case(site, locale=locale)).json()
    browser = site.browser()
    words = Pages().words[locale]["case"]
    first = browser.get(Site.path(made), params={"locale": locale}).text
    # Before anything is agreed to, after no was said, and before the camera.
    assert first.count(OFFERED) == 3
    assert browser.post(**opening(Site.path(made))).json()["attempt"]["ways"] is True
    page = browser.get("/case", params={"locale": locale}).text
    for route in ROUTES:
        assert words["route"][route]["title"].replace("'", "&#39;") in (first if route != "standard" else page)
        assert words["route"][route]["message"].replace("'", "&#39;") in page
    # As long as the browser has the case, and no longer.
    assert OFFERED in browser.get(Site.path(made)).text
    del browser.cookies[CASE_COOKIE]
    assert OFFERED not in browser.get(Site.path(made)).text


def test_after_a_recording_that_was_not_accepted_the_ways_are_offered_and_nobody_is_sent_away(site, direct):
    inconclusive(site, direct.made)
    told = direct.browser.get("/capture/state").json()
    ways = [each["action"] for each in told["outcome"]["next"]]
    assert ways == ["record_again", "other_device", "ways"]
    assert told["outcome"]["next"][-1]["text"] == Pages().words["en"]["case"]["ways"]
    reject(site, direct.made)
    told = direct.browser.get("/capture/state").json()
    assert (told["state"], told["ways"]) == ("rejected", True)
    assert [each["action"] for each in told["outcome"]["next"]] == ["ways"]
    page = direct.browser.get("/case").text
    assert all(f'value="{route}"' in page for route in ROUTES if route != "standard")


def test_after_a_technical_failure_too(site, direct):
    path = record(direct.browser)
    put(direct.browser, path, 0, b"film")
    answer = direct.browser.post(path + "/finish", json={"chunks": 1, "sha256": "0" * 64}, headers=ORIGIN)
    assert answer.json()["code"] == "recording_incomplete"
    told = direct.browser.get("/capture/state").json()["outcome"]
    assert [each["action"] for each in told["next"]] == ["record_again", "other_device", "ways"]
    # It goes on from the page of the case, with the same attempt: what was begun is not dropped.
    on = direct.browser.post("/case/record", headers=FORM).headers["location"]
    assert direct.browser.post(**opening(on)).status_code == 200
    assert [each["id"] for each in seen(site, direct.case)["attempts"]] == [direct.made["id"]]
    assert choose(direct.browser, "no_gesture").status_code == 409


@pytest.mark.parametrize("route", sorted(route.value for route in BY_PERSON))
def test_where_a_person_has_it_no_way_is_promised(site, direct, route):
    assert choose(direct.browser, route).status_code == 303
    assert direct.browser.get("/capture/state").json()["ways"] is False
    assert OFFERED not in direct.browser.get(direct.path).text
    assert seen(site, direct.case)["attempts"][0]["state"] == "canceled"


def test_accepted_leads_to_the_case_and_to_no_other_way(site, direct):
    with site.core.database.writing() as session:
        row = session.get_one(Attempt, direct.made["id"])
        row.state, row.recording_id, row.lease_owner = "processing", "rec", "j"
    job = jobs.Job(attempt_id=direct.made["id"], recording_id="rec", owner="j", tries=1)
    assert jobs.settle(site.core, job, {"outcome": "accept", "reasons": []}, {})
    told = direct.browser.get("/capture/state").json()
    assert (told["ways"], [each["action"] for each in told["outcome"]["next"]]) == (False, ["case"])


# -- another way with the service's photo -----------------------------------------------------------


@pytest.mark.parametrize("judged", [False, True])
@pytest.mark.parametrize(("route", "light", "gestures"), [("no_gesture", True, False), ("photosensitive", False, True)])
def test_another_way_goes_on_with_the_attempt_of_the_service(site, direct, judged, route, light, gestures):
    """Only the service has the photo: nobody has to wait for another link."""
    if judged:
        inconclusive(site, direct.made)
    assert choose(direct.browser, route).status_code == 303
    page = direct.browser.get("/case").text
    assert 'action="/case/record' in page
    path = direct.browser.post("/case/record", headers=FORM).headers["location"]
    again = direct.browser.post(**opening(path)).json()["attempt"]
    assert again["options"]["light"] is light
    with site.core.database.reading() as session:
        [row] = session.scalars(select(Attempt))
        assert row.options.get("gestures", True) is gestures
        assert row.policy == "recovery"
    record(direct.browser)
    # And back, before anything of it was begun.
    assert choose(direct.browser, "standard").status_code == 409


def test_a_way_and_back_leaves_movements_and_no_colours(site):
    case = open_case(site)
    made = try_in(site, case, options={"light": True, "avoid": ["blink"]}).json()
    browser = site.browser()
    browser.post(**opening(Site.path(made)))
    for route in ("no_gesture", "standard"):
        assert choose(browser, route).status_code == 303
    with site.core.database.reading() as session:
        options = session.get_one(Attempt, made["id"]).options
    assert (options["light"], options.get("gestures", True), options["avoid"]) == (False, True, ["blink"])


def test_after_a_rejection_nothing_goes_on_without_the_service(site, direct):
    reject(site, direct.made)
    with site.core.database.writing() as session:
        audit.hold(session)
        case = cases.locked_case(session, direct.case["id"])
        case.wait_until_s = 0.0
    assert Pages().words["en"]["case"]["record_link"] in direct.browser.get("/case").text
    assert direct.browser.post("/case/record", headers=FORM).status_code == 409

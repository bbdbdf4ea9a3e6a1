"""The person's page of a case over HTTP: who gets in, what each state shows, what is refused, what deletion leaves."""

from __future__ import annotations

import html
import re
import tempfile
from dataclasses import replace

import pytest
from sqlalchemy import select
from test_http import ORIGIN, PHOTO, Site, open_case, refused, reject, try_in
from test_persons_side import JPEG, PDF, REACHED

from idverify.challenge import LANGUAGES
from idverify.service import audit, cases, continuation, housekeeping, networks, questions
from idverify.service.api_keys import make_key
from idverify.service.app import HEADERS
from idverify.service.case_policy import load_case_policy
from idverify.service.case_states import CLOSED, NEXT_STEPS, CaseState
from idverify.service.notices import moment
from idverify.service.tables import Attempt, Case, CasePaper
from idverify.service.throttle import WRONG_PER_MINUTE

FORM = {**ORIGIN, "Content-Type": "application/x-www-form-urlencoded"}
TOKEN = re.compile(r"/([cn])/([0-9A-Z]{26})")


class Visitor:
    """A case, and a person's browser that has it open."""

    def __init__(self, site, state=CaseState.OPEN, **body):
        self.site = site
        reference = site.api.post("/v1/references", content=PHOTO, headers=site.auth).json()["id"]
        self.case = open_case(site, **{"reference": reference, "service": "A bank", **body})
        self.id = self.case["id"]
        self.link = site.api.post(f"/v1/cases/{self.id}/link", headers=site.auth).json()["link"]
        self.path = self.link.removeprefix("http://127.0.0.1:8080")
        self.browser = site.browser()
        self.opened = self.browser.post(self.path, headers=ORIGIN)
        for then in REACHED[state]:
            self.change(
                lambda core, session, case, then=then: cases.become(core, session, case, CaseState(then), actor="r")
            )

    def change(self, act):
        with self.site.core.database.writing() as session:
            audit.hold(session)
            return act(self.site.core, session, cases.locked_case(session, self.id))

    def look(self, **query):
        return self.browser.get("/case", params=query)

    def post(self, action, browser=None, **fields):
        return (browser or self.browser).post(f"/case/{action}", data=fields, headers=ORIGIN)

    @property
    def state(self):
        return self.site.api.get(f"/v1/cases/{self.id}", headers=self.site.auth).json()["state"]

    @property
    def notices(self):
        answer = self.site.api.get(f"/v1/cases/{self.id}/notices", headers=self.site.auth)
        assert answer.status_code == 200, answer.text
        return answer.json()["notices"]


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.core.database.close()


# -- who gets in -----------------------------------------------------------------------------------


def test_a_link_is_looked_at_as_often_as_wanted_and_opened_once(site):
    visitor = Visitor(site)
    assert (visitor.opened.status_code, visitor.opened.headers["location"]) == (303, "/case")
    cookie = visitor.opened.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    fresh = site.api.post(f"/v1/cases/{visitor.id}/link", headers=site.auth).json()["link"]
    path = fresh.removeprefix("http://127.0.0.1:8080")
    for _ in range(3):
        page = site.browser().get(path)
        assert page.status_code == 200
        assert page.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
        assert "set-cookie" not in page.headers
    other = site.browser()
    assert other.post(path, headers=ORIGIN).status_code == 303
    assert site.browser().post(path, headers=ORIGIN).status_code == 410
    assert site.browser().get(path).status_code == 410
    # Whoever has it open is led there, and nobody else.
    again = other.get(path)
    assert (again.status_code, again.headers["location"]) == (303, "/case")


def test_a_link_of_another_case_leads_to_no_case_of_mine(site):
    mine, theirs = Visitor(site), Visitor(site, subject="s-2")
    assert mine.browser.get(theirs.path).status_code == 410


def test_without_a_visit_there_is_no_case_and_nothing_to_do(site):
    visitor = Visitor(site)
    for cookie in ("", "x", "0" * 26):
        stranger = site.browser()
        if cookie:
            stranger.cookies.set("idverify_case", cookie)
        assert stranger.get("/case").status_code == 401
        for action in ("route", "record", "ask", "answer", "vouch", "withdraw"):
            assert visitor.post(action, stranger).status_code == 401
    assert visitor.state == "open"


@pytest.mark.parametrize("action", ["route", "record", "ask", "answer", "vouch", "withdraw"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {**ORIGIN, "Sec-Fetch-Site": "cross-site"}],
)
def test_a_form_of_another_site_changes_nothing(site, action, headers):
    visitor = Visitor(site)
    answer = visitor.browser.post(f"/case/{action}", data={"route": "no_face"}, headers=headers)
    assert refused(answer, "origin_refused")
    assert visitor.state == "open"


@pytest.mark.parametrize("path", ["/c/", "/n/"])
def test_a_link_is_not_opened_from_another_site(site, path):
    visitor = Visitor(site)
    found = dict(TOKEN.findall(visitor.notices[0]["email"]["body"]))
    address = f"{path}{found[path.strip('/')]}"
    assert refused(site.browser().post(address, headers={"Origin": "https://evil.example"}), "origin_refused")
    assert visitor.state == "open"
    assert site.browser().get(address).status_code == 200


def test_links_and_codes_cannot_be_guessed_for_long(site):
    browser = site.browser()
    codes = [
        browser.post("/code", data={"code": f"{n:013d}"}, headers=ORIGIN).status_code
        for n in range(WRONG_PER_MINUTE + 2)
    ]
    assert codes[0] == 404
    assert codes[-1] == 429
    for path in ("/c/", "/n/"):
        assert browser.get(path + "Z" * 26).status_code == 429


def test_a_visit_ends(site):
    visitor = Visitor(site)
    now = site.core.clock()
    later = now + site.core.settings.cases.retention_s["visit"] + 1
    object.__setattr__(site.core, "clock", lambda: later)
    assert visitor.look().status_code == 401
    housekeeping.tidy(site.core)


# -- what is shown ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(CaseState))
def test_every_state_names_the_next_step_and_by_when_in_every_language(site, state):
    visitor = Visitor(site, state)
    if state is CaseState.DELAYED:
        visitor.change(lambda core, session, case: setattr(case, "wait_until_s", core.clock() + 60))
    due_s = (site.api.get(f"/v1/cases/{visitor.id}", headers=site.auth).json()["next"] or {}).get("due_s")
    for locale in LANGUAGES:
        page = visitor.look(locale=locale)
        assert page.status_code == 200
        text, words = html.unescape(page.text), site.web.pages.words[locale]["case"]
        assert words["state"][state.value]["title"] in text
        if state not in CLOSED:
            assert words["step"][NEXT_STEPS[state].step] in text
            assert moment(due_s) in text


def test_all_ways_are_offered_before_the_first_attempt_and_after_a_failed_one(site):
    visitor = Visitor(site)
    words = site.web.pages.words["en"]["case"]["route"]
    assert all(said["title"] in visitor.look().text for said in words.values())
    made = try_in(site, visitor.case).json()
    reject(site, made)
    page = visitor.look().text
    assert visitor.state == "delayed"
    assert all(said["title"] in page for said in words.values())
    assert site.web.pages.words["en"]["case"]["why"]["unclear"] in page
    for score in ("llr", "similarity", "0."):
        assert score not in re.sub(r"<script.*?</script>|<svg.*?</svg>", "", page, flags=re.S)


@pytest.mark.parametrize(
    ("code", "why"),
    [("no_match", "match"), ("presentation_attack", "presence"), ("challenge_not_followed", "challenge")],
)
def test_a_rejection_is_explained_by_what_was_not_confirmed_and_never_by_what_gave_it_away(site, code, why):
    visitor = Visitor(site)
    made = try_in(site, visitor.case).json()
    reject(site, made)
    with site.core.database.writing() as session:
        session.get_one(Attempt, made["id"]).decision = {"outcome": "reject", "reasons": [code]}
    page = visitor.look().text
    words = site.web.pages.words["en"]["case"]["why"]
    assert [name for name, text in words.items() if text in page] == [why]


def test_what_people_wrote_stays_text(site):
    visitor = Visitor(site, CaseState.REVIEW, service="<b>bank</b>")
    visitor.change(
        lambda core, session, case: questions.ask(core, session, case, "r", "<script>alert(1)</script> why?")
    )
    page = visitor.look().text
    assert "<script>alert" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;alert(1)" in page


# -- what can be done ------------------------------------------------------------------------------


def test_a_recording_is_begun_from_the_page_and_its_link_opens(site):
    visitor = Visitor(site)
    answer = visitor.post("record")
    assert answer.status_code == 303
    assert visitor.browser.get(answer.headers["location"]).status_code == 200
    token = answer.headers["location"]
    opened = visitor.browser.post(token + "/open", json={}, headers=ORIGIN).json()["attempt"]
    assert opened["case"] is True
    # Another browser that opens it has the case, too, and nobody else.
    again = visitor.post("record").headers["location"]
    assert site.browser().get(again).status_code == 200
    other = site.browser()
    assert other.post(again + "/open", json={}, headers=ORIGIN).json()["attempt"]["case"] is True
    assert other.get("/case").status_code == 200
    assert site.browser().post(again + "/open", json={}, headers=ORIGIN).status_code == 410


def test_another_way_is_taken(site):
    visitor = Visitor(site)
    assert visitor.post("route", route="attended").headers["location"] == "/case"
    assert visitor.state == "attended"
    assert visitor.post("route", route="standard").status_code == 409
    assert visitor.post("route", route="easy").status_code == 400


def test_a_person_is_asked_for_with_words_and_documents(site):
    visitor = Visitor(site, CaseState.REFUSED)
    files = [("documents", ("a.pdf", PDF)), ("documents", ("b.jpg", JPEG)), ("documents", ("", b""))]
    answer = visitor.browser.post("/case/ask?locale=fr", data={"words": "It is me."}, files=files, headers=ORIGIN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/case?locale=fr")
    assert visitor.state == "appeal"
    page = visitor.look().text
    # That it is there is said; what it says is shown to nobody who only has the page.
    assert "It is me." not in page
    assert site.web.pages.words["en"]["case"]["sent_text"] + "," in page
    assert page.count(site.web.pages.words["en"]["case"]["sent_document"] + ",") == 2


@pytest.mark.parametrize(
    ("files", "words", "code"),
    [
        ([("documents", ("a.exe", b"MZ"))], "", "document_type"),
        ([("documents", ("a.pdf", PDF))] * 6, "", "other"),
        ([], "x" * 4001, "invalid_request"),
    ],
)
def test_what_cannot_be_taken_is_said_in_words_and_nothing_changes(site, files, words, code):
    visitor = Visitor(site, CaseState.REFUSED)
    answer = visitor.browser.post("/case/ask", data={"words": words}, files=files or None, headers=ORIGIN)
    assert answer.status_code in (400, 422)
    said = site.web.pages.words["en"]["case"]["problem"]
    assert said.get(code, "").replace("{n}", "4000") in answer.text or said["invalid_request"][:20] in answer.text
    assert visitor.state == "refused"


def test_a_body_larger_than_all_documents_is_not_read(site):
    visitor = Visitor(site, CaseState.REFUSED)
    headers = {**ORIGIN, "Content-Length": str(1 << 30), "Content-Type": "multipart/form-data; boundary=x"}
    answer = visitor.browser.post("/case/ask", content=b"", headers=headers)
    assert answer.status_code == 413


def test_documents_are_never_written_in_the_open_while_they_arrive(site, monkeypatch):
    """A large one, too: whatever goes through a file of the system's would stay there unencrypted."""

    def refuse(*arguments, **options):
        raise AssertionError("a file in the open")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", refuse)
    visitor = Visitor(site, CaseState.REFUSED)
    files = [("documents", ("a.pdf", PDF + bytes(9 << 20)))]
    assert visitor.browser.post("/case/ask", files=files, headers=ORIGIN).status_code == 303


def test_a_question_is_answered(site):
    visitor = Visitor(site, CaseState.REVIEW)
    visitor.change(lambda core, session, case: questions.ask(core, session, case, "r", "Which year?"))
    assert "Which year?" in visitor.look().text
    assert visitor.post("answer", words="2009").status_code == 303
    assert visitor.state == "review"


def test_an_adult_vouches_from_the_page(site):
    visitor = Visitor(site, route="minor")
    assert visitor.post("vouch", how="record", words="mother").status_code == 422
    bad = visitor.browser.post("/case/vouch", data={"how": "record"}, files={"photo": b"bad"}, headers=ORIGIN)
    assert bad.status_code == 422
    good = visitor.browser.post("/case/vouch", data={"how": "record"}, files={"photo": b"good"}, headers=ORIGIN)
    assert good.headers["location"].startswith("/r/")
    assert visitor.post("vouch", how="without", words="no camera").status_code == 303
    assert visitor.state == "review"


def test_a_code_of_a_reviewer_opens_the_case_in_any_browser(site):
    visitor = Visitor(site, route="attended")
    code = visitor.change(lambda core, session, case: continuation.issue(core, session, case, "r"))
    kiosk = site.browser()
    assert kiosk.get("/code").status_code == 200
    assert kiosk.post("/code", data={"code": code.lower()}, headers=ORIGIN).headers["location"] == "/case"
    assert kiosk.get("/case").status_code == 200
    assert visitor.state == "review"
    assert site.browser().post("/code", data={"code": code}, headers=ORIGIN).status_code == 410
    assert site.browser().post("/code", data={"code": code}).status_code == 403


def test_a_case_is_ended_by_the_person_but_not_one_on_hold(site):
    visitor = Visitor(site)
    assert visitor.post("withdraw").status_code == 303
    assert visitor.state == "withdrawn"
    frozen = Visitor(site, CaseState.FROZEN, subject="s-2")
    assert frozen.post("withdraw").status_code == 409
    assert frozen.state == "frozen"


# -- notices and "that was not me" -----------------------------------------------------------------


@pytest.mark.parametrize("locale", LANGUAGES)
def test_every_change_has_a_notice_that_says_what_when_and_how_to_stop_it(site, locale):
    visitor = Visitor(site, CaseState.CONFIRMED, locale=locale)
    told = visitor.notices
    assert [notice["state"] for notice in told] == ["open", *REACHED[CaseState.CONFIRMED]]
    words = site.web.pages.words[locale]
    for notice in told:
        body = notice["email"]["body"]
        assert notice["locale"] == locale
        assert words["case"]["state"][notice["state"]]["title"] in notice["email"]["subject"]
        assert moment(notice["created_s"]) in body
        kinds = [kind for kind, _ in TOKEN.findall(body)]
        assert kinds == ["c", "n"]
        assert words["notice"]["not_me"] in body
        assert "{" not in body + notice["message"] + notice["email"]["subject"]
        assert "<" not in body
        assert len({line for line in body.splitlines() if "A bank" in line}) >= 1


def test_a_services_name_cannot_forge_lines_or_places_in_a_notice(site):
    visitor = Visitor(site, service="Bank\r\nBcc: x@y\u202e {title} {service}")
    notice = visitor.notices[0]
    assert "\n" not in notice["email"]["subject"]
    assert "\\r\\nBcc" in notice["email"]["subject"]
    assert "{title} {service}" in notice["email"]["subject"]
    assert "\u202e" not in notice["email"]["body"]


def test_a_notice_of_a_service_without_a_name_begins_with_what_happened(site):
    notice = Visitor(site, service=None).notices[0]
    assert notice["email"]["subject"] == site.web.pages.words["en"]["case"]["state"]["open"]["title"]


def test_the_link_of_a_notice_freezes_only_by_its_button_and_as_often_as_wanted(site):
    visitor = Visitor(site)
    tokens = dict(TOKEN.findall(visitor.notices[0]["email"]["body"]))
    scanner = site.browser()
    for method in ("GET", "HEAD"):
        scanner.request(method, f"/n/{tokens['n']}")
        scanner.request(method, f"/c/{tokens['c']}")
    assert visitor.state == "open"
    owner = site.browser()
    assert owner.post(f"/n/{tokens['n']}", headers=ORIGIN).status_code == 200
    assert visitor.state == "frozen"
    # Whoever had the case open has it no more, and the links of before are closed.
    assert visitor.look().status_code == 401
    assert owner.get(f"/c/{tokens['c']}").status_code == 404
    assert owner.post(f"/n/{tokens['n']}", headers=ORIGIN).status_code == 200
    assert "set-cookie" not in owner.get(f"/n/{tokens['n']}").headers
    # The owner has a way in by the notice of it.
    fresh = dict(TOKEN.findall(visitor.notices[-1]["email"]["body"]))
    assert owner.post(f"/c/{fresh['c']}", headers=ORIGIN).status_code == 303
    figures = site.api.get("/metrics", headers=site.auth).text
    assert "idverify_cases_disputed 1.0" in figures
    with site.core.database.reading() as session:
        kinds = [entry.content for entry in audit.entries(session) if entry.case and '"not_me"' in entry.content]
    assert len(kinds) == 1


def test_of_links_and_visits_only_hashes_are_kept(site):
    visitor = Visitor(site)
    tokens = [token for _, token in TOKEN.findall(visitor.notices[0]["email"]["body"])]
    tokens += [visitor.path.rsplit("/", 1)[1], visitor.browser.cookies["idverify_case"]]
    stored = b"".join(file.read_bytes() for file in site.settings.data.rglob("*") if file.is_file())
    assert len(tokens) == 4
    assert not [token for token in tokens if token.encode() in stored]


# -- networks --------------------------------------------------------------------------------------


def test_too_many_rejections_from_one_network_wait_whatever_the_account(tmp_path):
    policy = replace(load_case_policy(), address_rejections=2)
    site = Site(tmp_path, cases=policy)
    for n in range(2):
        made, browser, _ = site.recording(subject=f"account-{n}")
        reject(site, made)
    made, browser = site.opened(subject="account-3")
    browser.post("/capture/consent", json={"version": "v"}, headers=ORIGIN)
    waits = browser.post("/capture/recordings", json={}, headers=ORIGIN)
    assert refused(waits, "address_delayed")
    assert 0 < int(waits.headers["retry-after"]) <= policy.window_s
    later = site.core.clock() + policy.window_s + 1
    with site.core.database.reading() as session:
        assert "testclient" not in str([vars(row) for row in session.scalars(select(Attempt))])
    object.__setattr__(site.core, "clock", lambda: later)
    housekeeping.tidy(site.core)
    with site.core.database.reading() as session:
        marks = [row.address_tag for row in session.scalars(select(Attempt))]
    assert marks == [None, None, None]
    site.core.database.close()


def test_recordings_under_way_count_as_what_they_may_become(tmp_path):
    site = Site(tmp_path, cases=replace(load_case_policy(), address_rejections=2))
    for n in range(2):
        site.recording(subject=f"account-{n}")
    _, browser = site.opened(subject="account-3")
    browser.post("/capture/consent", json={"version": "v"}, headers=ORIGIN)
    assert refused(browser.post("/capture/recordings", json={}, headers=ORIGIN), "address_delayed")
    site.core.database.close()


def test_a_network_is_known_again_and_its_address_is_not_to_be_found_out(site, tmp_path):
    tag = networks.tag_of(site.core, "2001:db8:1:2::5")
    assert tag == networks.tag_of(site.core, "2001:db8:1:2:ffff::9%eth0")
    assert tag != networks.tag_of(site.core, "2001:db8:1:3::5")
    assert networks.tag_of(site.core, "::ffff:192.0.2.1") == networks.tag_of(site.core, "192.0.2.1")
    assert networks.tag_of(site.core, "192.0.2.1") != networks.tag_of(site.core, "192.0.2.2")
    other = Site(tmp_path / "other")
    assert networks.tag_of(other.core, "192.0.2.1") != networks.tag_of(site.core, "192.0.2.1")
    other.core.database.close()


# -- what is kept ----------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", LANGUAGES)
def test_what_is_kept_is_public_and_says_what_the_policy_says(tmp_path, locale):
    policy = load_case_policy()
    changed = {**policy.retention_s, "papers": 77 * 86400.0}
    site = Site(
        tmp_path, cases=replace(policy, retention_s=changed, evidence_s={"default": 5 * 3600.0, "strict": 86400.0 * 3})
    )
    page = site.browser().get("/retention", params={"locale": locale})
    said = site.web.pages.words[locale]["retention"]
    assert page.status_code == 200
    for row in (said["hours"].replace("{n}", "5"), said["days"].replace("{n}", "77"), said["days"].replace("{n}", "3")):
        assert f"<td>{row}</td>" in page.text
    assert "strict" in page.text
    site.core.database.close()


def test_after_deletion_nothing_of_it_is_on_the_disk_nor_could_be_read(site):
    """The database's file and its log, the blobs, and all else in the folder: no plain text, no sealed key."""
    visitor = Visitor(site, CaseState.REFUSED)
    secret = "a sentence that only this person writes"
    photo = JPEG + b"pixels that only this person has" * 50
    files = [("documents", ("x.jpg", photo))]
    visitor.browser.post("/case/ask", data={"words": secret}, files=files, headers=ORIGIN)
    made, _, _ = site.recording(subject="s-9")
    with site.core.database.writing() as session:
        session.get_one(Attempt, made["id"]).case_id = visitor.id
    with site.core.database.reading() as session:
        keys = [session.get_one(Case, visitor.id).wrapped_key, session.get_one(Attempt, made["id"]).wrapped_key]
        keys += [row.sealed for row in session.scalars(select(CasePaper)) if row.sealed]

    def stored():
        return b"".join(file.read_bytes() for file in sorted(site.settings.data.rglob("*")) if file.is_file())

    assert len(keys) == 3
    assert all(key in stored() for key in keys), "the test would see nothing"
    assert site.api.delete(f"/v1/cases/{visitor.id}/evidence", headers=site.auth).status_code == 200
    left = stored()
    for found in (*keys, secret.encode(), photo[:64], b"x.jpg"):
        assert found not in left
    blobs = [path for path in (site.settings.data / "blobs").rglob("*") if path.is_file()]
    assert not [path for path in blobs if visitor.id in str(path) or made["id"] in str(path)]
    assert visitor.look().status_code == 200
    assert secret not in visitor.look().text
    assert audit.verify_stored(site.core).broken is None


def test_evidence_of_somebody_elses_case_is_not_deleted_linked_or_told(site):
    visitor = Visitor(site)
    stranger = {"Authorization": f"Bearer {make_key(site.core, 'stranger').secret}"}
    for method, end in (("POST", "link"), ("GET", "notices"), ("DELETE", "evidence")):
        answer = site.api.request(method, f"/v1/cases/{visitor.id}/{end}", headers=stranger)
        assert refused(answer, "not_found")

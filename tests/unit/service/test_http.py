"""Over HTTP, without a network, on both databases: who gets in, what is refused and how, and what never leaves."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from walk import open_new

from idverify.service import attempts, capture, jobs, routes_demo, throttle
from idverify.service.api_keys import make_key
from idverify.service.app import HEADERS, make_app
from idverify.service.database import DatabaseUnavailableError
from idverify.service.metrics import Metrics
from idverify.service.pages import Pages
from idverify.service.problems import STATUS, Problem
from idverify.service.settings import Limits, Settings
from idverify.service.tables import Attempt
from idverify.service.throttle import WRONG_PER_MINUTE, Throttle
from idverify.service.web import COOKIE, Web

BASE = "http://testserver"
ORIGIN = {"Origin": BASE}
PHOTO = b"a photo"


CASE_CALLS = (("GET", ""), *(("POST", end) for end in ("/attempts", "/withdraw", "/recovered", "/not-me")))


class FakeExaminer:
    """Knows one bad photo; the real one is asked in test_judge."""

    def require_usable(self, photo):
        if photo == b"bad":
            raise Problem("reference_unusable", "no face")

    def hint(self, picture):
        return "ok"


class Site:
    """One web process with an API key and a person's browser."""

    def __init__(self, tmp_path, **settings):
        self.settings = Settings(data=tmp_path / "data", **settings)
        self.core = open_new(self.settings)
        self.key = make_key(self.core, "tests")
        self.web = Web(
            core=self.core,
            throttle=Throttle(self.settings),
            pages=Pages(),
            examiner=FakeExaminer(),
            metrics=Metrics(),
            judges_trouble=lambda: "",
            demo=self.key.id,
        )
        self.auth = {"Authorization": f"Bearer {self.key.secret}"}
        self.api = self.browser()

    def browser(self):
        return TestClient(make_app(self.web), base_url=BASE, follow_redirects=False, raise_server_exceptions=True)

    def ask(self, **body):
        photo = base64.b64encode(PHOTO).decode()
        made = self.api.post("/v1/attempts", json={"reference_photo": photo, **body}, headers=self.auth)
        assert made.status_code == 201, made.text
        return made.json()

    def opened(self, **body):
        made = self.ask(**body)
        browser = self.browser()
        assert browser.post(self.path(made) + "/open", json={}, headers=ORIGIN).status_code == 200
        return made, browser

    def recording(self, **body):
        made, browser = self.opened(**body)
        assert browser.post("/capture/consent", json={"version": "v"}, headers=ORIGIN).status_code == 204
        began = browser.post("/capture/recordings", json={"mime_type": "video/webm"}, headers=ORIGIN)
        assert began.status_code == 200, began.text
        return made, browser, f"/capture/recordings/{began.json()['recording']}"

    @staticmethod
    def path(made):
        return made["link"].removeprefix("http://127.0.0.1:8080")


@pytest.fixture
def make_site(tmp_path, database_url):
    """Builds sites, each with a folder of its own, on one database."""
    made = []

    def make(**settings):
        made.append(Site(tmp_path / str(len(made)), database=database_url, **settings))
        return made[-1]

    yield make
    for each in made:
        each.core.database.close()


@pytest.fixture
def site(make_site):
    return make_site()


def refused(answer, code):
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert set(document) == {"type", "title", "status", "detail", "code"}
    assert (document["code"], answer.status_code) == (code, STATUS[code][0]), document
    assert document["status"] == answer.status_code
    return True


def put(browser, path, n, content, sha=None):
    headers = {**ORIGIN, "X-Chunk-SHA256": sha or hashlib.sha256(content).hexdigest()}
    return browser.put(f"{path}/chunks/{n}", content=content, headers=headers)


# -- cases ----------------------------------------------------------------------------------------


def open_case(site, **body):
    made = site.api.post("/v1/cases", json={"subject": "s-1", **body}, headers=site.auth)
    assert made.status_code == 201, made.text
    return made.json()


def try_in(site, case, **body):
    body = {"reference_photo": base64.b64encode(PHOTO).decode(), **body}
    return site.api.post(f"/v1/cases/{case['id']}/attempts", json=body, headers=site.auth)


def reject(site, made):
    """As a judge would, without a recording."""
    with site.core.database.writing() as session:
        row = session.get_one(Attempt, made["id"])
        row.state, row.recording_id, row.lease_owner = "processing", "rec", "j"
    job = jobs.Job(attempt_id=made["id"], recording_id="rec", owner="j", tries=1)
    assert jobs.settle(site.core, job, {"outcome": "reject", "reasons": []}, {})


def test_a_case_over_http(site):
    case = open_case(site, route="photosensitive", locale="fr-CA")
    assert (case["state"], case["route"], case["locale"], case["next"]["who"]) == (
        "open",
        "photosensitive",
        "fr",
        "person",
    )
    made = try_in(site, case, options={"light": True})
    assert made.status_code == 201, made.text
    assert (made.json()["case"], made.json()["subject"], made.json()["options"]["light"]) == (case["id"], "s-1", False)
    assert site.browser().get(site.path(made.json())).status_code == 200
    assert refused(try_in(site, case), "attempt_open")
    reject(site, made.json())
    waits = try_in(site, case)
    assert refused(waits, "attempt_delayed")
    assert 0 < int(waits.headers["retry-after"]) <= 30
    assert refused(site.api.post(f"/v1/cases/{case['id']}/recovered", headers=site.auth), "case_wrong_state")
    assert site.api.post(f"/v1/cases/{case['id']}/not-me", headers=site.auth).json()["state"] == "frozen"
    assert refused(try_in(site, case), "case_with_person")
    assert site.api.post(f"/v1/cases/{case['id']}/withdraw", headers=site.auth).json()["next"] is None
    seen = site.api.get(f"/v1/cases/{case['id']}", headers=site.auth).json()
    assert (seen["state"], [row["state"] for row in seen["attempts"]]) == ("withdrawn", ["rejected"])


def test_a_case_is_opened_once_however_often_it_is_asked_for(site):
    headers = {**site.auth, "Idempotency-Key": "k"}
    first, again = (site.api.post("/v1/cases", json={"subject": "s"}, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code, first.json()) == (201, 200, again.json())
    assert refused(site.api.post("/v1/cases", json={"subject": "t"}, headers=headers), "idempotency_conflict")
    for key in ("", "x" * 256):
        bad = {**site.auth, "Idempotency-Key": key}
        assert refused(site.api.post("/v1/cases", json={"subject": "s"}, headers=bad), "invalid_request")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"subject": ""},
        {"subject": None},
        {"subject": 1},
        {"subject": "x" * 256},
        {"subject": "s", "route": "easy"},
        {"subject": "s", "route": 1},
        {"subject": "s", "policy": "none"},
        {"subject": "s", "locale": "xx"},
        {"subject": "s", "callback": "http://example.org"},
        {"subject": "s", "state": "accepted"},
    ],
)
def test_a_case_that_is_not_understood_is_refused(site, body):
    assert refused(site.api.post("/v1/cases", json=body, headers=site.auth), "invalid_request")


@pytest.mark.parametrize("name", ["policy", "locale", "subject", "callback"])
def test_what_the_case_says_no_attempt_says_otherwise(site, name):
    assert refused(try_in(site, open_case(site), **{name: "recovery"}), "invalid_request")


def test_somebody_elses_case_looks_like_none(site):
    case = open_case(site)
    stranger = {"Authorization": f"Bearer {make_key(site.core, 'stranger').secret}"}
    for method, end in CASE_CALLS:
        body = {"reference_photo": base64.b64encode(PHOTO).decode()} if end == "/attempts" else None
        answer = site.api.request(method, f"/v1/cases/{case['id']}{end}", json=body, headers=stranger)
        assert refused(answer, "not_found")


# -- the calling service -------------------------------------------------------------------------


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer nobody", "Basic abc", "Bearer idv_X"])
def test_without_a_key_nothing_is_said(site, authorization):
    headers = {} if authorization is None else {"Authorization": authorization}
    made = site.ask()
    for method, path in (
        ("POST", "/v1/attempts"),
        ("GET", f"/v1/attempts/{made['id']}"),
        ("POST", f"/v1/attempts/{made['id']}/cancel"),
        ("DELETE", f"/v1/attempts/{made['id']}/evidence"),
        ("POST", "/v1/cases"),
        *((method, f"/v1/cases/cas_x{end}") for method, end in CASE_CALLS),
        ("POST", "/v1/references"),
        ("DELETE", "/v1/references/ref_X"),
        ("GET", "/metrics"),
    ):
        answer = site.api.request(method, path, headers=headers)
        assert refused(answer, "key_missing")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_guessing_keys_ends_soon(site):
    for _ in range(WRONG_PER_MINUTE):
        assert refused(site.api.get("/v1/attempts/x", headers={"Authorization": "Bearer idv_GUESS"}), "key_missing")
    answer = site.api.get("/v1/attempts/x", headers=site.auth)
    assert refused(answer, "too_many_requests")
    assert int(answer.headers["retry-after"]) > 0


def test_a_key_has_a_rate(make_site):
    site = make_site(rate_per_key=5)
    answers = [site.api.get("/v1/attempts/x", headers=site.auth).json()["code"] for _ in range(7)]
    assert answers == ["not_found"] * 5 + ["too_many_requests"] * 2


GOOD = {"reference_photo": base64.b64encode(PHOTO).decode()}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "invalid_request"),
        ({}, "invalid_request"),
        ({**GOOD, "reference": "ref_X"}, "invalid_request"),
        ({"reference": "ref_X"}, "not_found"),
        ({**GOOD, "policy": "../../etc/passwd"}, "invalid_request"),
        ({**GOOD, "policy": 5}, "invalid_request"),
        ({**GOOD, "locale": "xx"}, "invalid_request"),
        ({**GOOD, "subject": "x" * 256}, "invalid_request"),
        ({**GOOD, "subject": "a\0b"}, "invalid_request"),
        ({**GOOD, "unknown": 1}, "invalid_request"),
        ({**GOOD, "options": {"fast": True}}, "invalid_request"),
        ({**GOOD, "options": {"light": 1}}, "invalid_request"),
        ({**GOOD, "options": {"avoid": ["dance"]}}, "invalid_request"),
        ({**GOOD, "options": {"avoid": ["turn", "look", "mouth", "blink"]}}, "too_few_movements"),
        ({**GOOD, "expires_in_s": 1}, "invalid_request"),
        ({**GOOD, "expires_in_s": True}, "invalid_request"),
        ({**GOOD, "callback": "http://example.org/"}, "invalid_request"),
        ({**GOOD, "callback": "file:///etc/passwd"}, "invalid_request"),
        ({**GOOD, "callback": "https://user:pass@example.org/"}, "invalid_request"),
        ({**GOOD, "callback": "ht!tp://"}, "invalid_request"),
        ({**GOOD, "callback": "https://["}, "invalid_request"),
        ({**GOOD, "callback": "https://us example/hook"}, "invalid_request"),
        ({**GOOD, "callback": "https://us..example/hook"}, "invalid_request"),
        ({**GOOD, "callback": "https://us.example:99999/hook"}, "invalid_request"),
        ({"reference_photo": "not base64!"}, "invalid_request"),
        ({"reference_photo": base64.b64encode(b"bad").decode()}, "reference_unusable"),
    ],
)
def test_what_is_asked_wrongly_is_refused_in_one_sentence(site, body, code):
    assert refused(site.api.post("/v1/attempts", json=body, headers=site.auth), code)


@pytest.mark.parametrize("content", [b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000, b'{"subject": "\\ud800"}', b'"x"'])
def test_what_is_no_json_object_is_refused(site, content):
    assert refused(site.api.post("/v1/attempts", content=content, headers=site.auth), "invalid_request")


def test_too_much_is_not_read(make_site):
    site = make_site(limits=Limits(photo_bytes=1000, json_bytes=3000, chunk_bytes=1000))
    assert refused(site.api.post("/v1/references", content=b"x" * 1001, headers=site.auth), "too_large")

    def unstated():
        yield from [b"x" * 500] * 3

    assert refused(site.api.post("/v1/references", content=unstated(), headers=site.auth), "too_large")
    assert refused(site.api.post("/v1/attempts", content=b"x" * 3001, headers=site.auth), "too_large")
    _, browser, path = site.recording()
    assert refused(put(browser, path, 0, b"x" * 1001), "too_large")


def test_idempotency_over_http(site):
    headers = {**site.auth, "Idempotency-Key": "one"}
    first = site.api.post("/v1/attempts", json=GOOD, headers=headers)
    again = site.api.post("/v1/attempts", json=GOOD, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = site.api.post("/v1/attempts", json={**GOOD, "subject": "s"}, headers=headers)
    assert refused(other, "idempotency_conflict")
    odd = site.api.post("/v1/attempts", json=GOOD, headers={**site.auth, "Idempotency-Key": "x" * 256})
    assert refused(odd, "invalid_request")


def test_unknown_places_and_methods_are_problems_too(site):
    assert refused(site.api.get("/nowhere"), "not_found")
    answer = site.api.put("/v1/attempts")
    assert refused(answer, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


# -- the person ----------------------------------------------------------------------------------


def test_the_description_is_a_page_too(site):
    answer = site.api.get("/docs")
    assert answer.status_code == 200, answer.text
    described = site.api.get("/openapi.json").json()
    for path in described["paths"]:
        assert path in answer.text
    # What a caller has to send is said, and nothing that only people's pages answer.
    for name in ("NewAttempt", "NewCase", "NewCaseAttempt"):
        assert f'href="#{name}"' in answer.text
        assert f'id="{name}"' in answer.text
        for field in described["components"]["schemas"][name]["properties"]:
            assert f"<code>{field}</code>" in answer.text
    operations = answer.text[: answer.text.index('id="NewAttempt"')]
    assert "idempotency_conflict" in operations
    for code in ("sign_in_refused", "look_first", "chunk_conflict", "session_missing"):
        assert code not in operations


def test_every_answer_carries_the_headers(site):
    made = site.ask()
    for path in ("/nowhere", "/healthz", "/docs", "/openapi.json", Site.path(made), "/capture/state"):
        headers = site.api.get(path).headers
        for name, value in HEADERS.items():
            assert headers[name] == value, (path, name)
    csp = HEADERS["Content-Security-Policy"]
    assert csp.startswith("default-src 'none'")
    assert "unsafe" not in csp


def test_the_page_names_nothing_from_elsewhere_and_everything_it_names_is_there(site):
    browser = site.browser()
    html = browser.get(Site.path(site.ask())).text
    named = re.findall(r'(?:src|href)="([^"#][^"]*)"', html)
    assert any(name.endswith(".js") for name in named)
    for name in named:
        assert name.startswith(("/", "?")), name
        if name.startswith("/static/"):
            answer = browser.get(name)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
    assert "<style" not in html
    assert " style=" not in html
    assert not re.search(r"<script(?![^>]*(?:src=|application/json))", html)


@pytest.mark.parametrize("path", ["/static/x", "/static/../api.html", "/static/0123456789abcdef/style.css"])
def test_static_files_are_those_of_this_version(site, path):
    assert refused(site.api.get(path), "not_found")


def test_a_link_opens_once_and_a_reload_locks_nobody_out(site):
    made = site.ask()
    path = Site.path(made)
    browser = site.browser()
    for _ in range(3):
        assert browser.get(path).status_code == 200
    opened = browser.post(path + "/open", json={"locale": "pt-BR"}, headers=ORIGIN)
    cookie = opened.headers["set-cookie"]
    assert all(part in cookie for part in (COOKIE, "HttpOnly", "SameSite=strict"))
    assert browser.get(path).status_code == 200
    assert browser.get("/capture/state").json()["state"] == "requires_input"
    other = site.browser()
    assert other.get(path).status_code == 410
    assert refused(other.post(path + "/open", json={}, headers=ORIGIN), "link_used")
    assert refused(other.get("/capture/state"), "session_missing")
    assert site.api.get(f"/v1/attempts/{made['id']}", headers=site.auth).json()["locale"] == "pt"


def test_the_cookie_is_secure_where_the_service_is(make_site):
    site = make_site(public_url="https://verify.example/")
    made = site.ask()
    assert made["link"].startswith("https://verify.example/r/")
    path = made["link"].removeprefix("https://verify.example")
    browser = site.browser()
    assert refused(browser.post(path + "/open", json={}, headers=ORIGIN), "origin_refused")
    answer = browser.post(path + "/open", json={}, headers={"Origin": "https://verify.example"})
    assert "Secure" in answer.headers["set-cookie"]
    assert "strict-transport-security" in answer.headers


def test_callers_of_a_published_service_do_not_reach_its_own_machine(site, make_site):
    published = make_site(public_url="https://verify.example/")
    own = ("127.0.0.1", "localhost", "hook.localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.1.1", "0.0.0.0")
    for callback in ("http://127.0.0.1:9/hook", *(f"https://{host}:9/hook" for host in own)):
        wanted = {**GOOD, "callback": callback}
        assert refused(published.api.post("/v1/attempts", json=wanted, headers=published.auth), "invalid_request")
    wanted = {**GOOD, "callback": "http://127.0.0.1:9/hook"}
    assert site.api.post("/v1/attempts", json=wanted, headers=site.auth).status_code == 201


def test_links_that_are_none_are_said_kindly_and_guessing_ends(site):
    browser = site.browser()
    for _ in range(WRONG_PER_MINUTE):
        answer = browser.get("/r/NOTALINK")
        assert (answer.status_code, answer.headers["content-type"][:9]) == (404, "text/html")
    assert browser.get("/r/NOTALINK").status_code == 429
    assert refused(browser.post("/r/NOTALINK/open", json={}, headers=ORIGIN), "too_many_requests")


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("address", ["/", "/r", "/r/", "/R/ABC", "/favicon.ico", "/desk/nowhere", "/case/route", "/n"])
def test_whoever_goes_to_a_wrong_address_reads_a_page_and_a_program_reads_a_problem(site, address):
    read = site.browser().get(address, headers=BROWSER)
    assert read.status_code in (404, 405)
    assert read.headers["content-type"].startswith("text/html")
    assert "<h1>" in read.text
    assert "urn:idverify" not in read.text
    assert refused(site.browser().get(address), {404: "not_found", 405: "method_not_allowed"}[read.status_code])


@pytest.mark.parametrize(("fault", "status"), [(DatabaseUnavailableError("gone"), 503), (KeyError("a fault"), 500)])
def test_trouble_of_ours_is_not_laid_to_the_person_whose_link_it_meets(site, monkeypatch, fault, status):
    def broken(*_):
        raise fault

    path = site.path(site.ask())
    monkeypatch.setattr(capture, "look_up", broken)
    read = site.browser().get(path, headers=BROWSER)
    assert (read.status_code, read.headers["content-type"][:9]) == (status, "text/html")
    words = site.web.pages.words["en"]["problem"]
    assert words["not_ready" if status == 503 else "other"]["title"] in read.text
    assert words["too_many_requests"]["title"] not in read.text
    assert ("retry-after" in read.headers) == (status == 503)


def test_programs_get_problems_whatever_they_accept(site):
    answer = site.api.get("/v1/attempts/none", headers={**site.auth, **BROWSER})
    assert refused(answer, "not_found")
    assert refused(site.api.get("/v1/nowhere", headers=BROWSER), "not_found")


FOREIGN = [
    {},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://testserver.evil.example"},
    {"Origin": "https://testserver"},
    {"Origin": BASE, "Sec-Fetch-Site": "cross-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_other_sites_change_nothing(site, headers):
    made, browser, path = site.recording()
    other = site.ask()
    tried = [
        browser.post(Site.path(other) + "/open", json={}, headers=headers),
        browser.post("/capture/consent", json={"version": "x"}, headers=headers),
        browser.post("/capture/recordings", json={}, headers=headers),
        browser.put(path + "/chunks/0", content=b"x", headers=headers),
        browser.post(path + "/finish", json={"chunks": 1, "sha256": "x"}, headers=headers),
        browser.post("/capture/hint", content=b"x", headers=headers),
        browser.post("/capture/probe", content=b"x", headers=headers),
        browser.post("/capture/continue", headers=headers),
    ]
    assert all(refused(answer, "origin_refused") for answer in tried)
    assert site.api.get(f"/v1/attempts/{made['id']}", headers=site.auth).json()["state"] == "recording"


def test_a_forged_cookie_opens_nothing(site):
    site.recording()
    browser = site.browser()
    for value in ("x", "A" * 26, ""):
        browser.cookies.set(COOKIE, value)
        assert refused(browser.get("/capture/state"), "session_missing")


def test_somebody_elses_recording_is_not_found(site):
    _, _, theirs = site.recording()
    _, mine, _ = site.recording()
    assert refused(put(mine, theirs, 0, b"x"), "not_found")
    assert refused(mine.get(theirs + "/step"), "not_found")


def test_a_recording_over_http_to_its_end(site):
    made, browser, path = site.recording(policy="ial2", options={"service": "The Bank"})
    state = browser.get("/capture/state").json()
    assert (state["state"], state["consent"], state["options"]["service"]) == ("recording", True, "The Bank")
    parts = [b"one", b"two"]
    assert put(browser, path, 0, parts[0]).json() == {"received": 1, "step": None, "done": False}
    assert browser.get("/capture/state").json()["recording"]["received"] == [0]
    step = browser.get(path + "/step?after=-1").json()
    assert (step["done"], step["step"]["index"]) == (False, 0)
    assert refused(browser.get(path + "/step?after=x"), "invalid_request")
    assert put(browser, path, 1, parts[1]).json()["received"] == 2
    assert refused(put(browser, path, 1, b"other"), "chunk_conflict")
    assert refused(put(browser, path, 2, b"x", sha="0" * 64), "recording_incomplete")
    whole = {"chunks": 3, "sha256": hashlib.sha256(b"onetwo").hexdigest()}
    assert refused(browser.post(path + "/finish", json=whole, headers=ORIGIN), "recording_incomplete")
    # All pieces are there, but not all was asked: record again.
    whole["chunks"] = 2
    assert refused(browser.post(path + "/finish", json=whole, headers=ORIGIN), "recording_incomplete")
    state = browser.get("/capture/state").json()
    assert (state["state"], state["recordings_left"]) == ("requires_input", 3)
    assert state["outcome"]["title"]
    assert {way["action"] for way in state["outcome"]["next"]} == {"record_again", "other_device"}
    assert site.api.get(f"/v1/attempts/{made['id']}", headers=site.auth).json()["failure"] == "recording_incomplete"


def decide(site, made, outcome, reasons):
    """As if judged: a plain file, settled by hand."""
    job = jobs.claim(site.core, "j")
    assert job.attempt_id == made["id"]
    document = {"outcome": outcome, "reasons": reasons, "match": {"similarity": 0.1234567}, "confidence": 0.7654321}
    assert jobs.settle(site.core, job, document, {"source": "file"})


def send_file(site, **body):
    made, browser = site.opened(options={"file": True}, **body)
    browser.post("/capture/consent", json={"version": "v"}, headers=ORIGIN)
    began = browser.post("/capture/recordings", json={"source": "file"}, headers=ORIGIN).json()
    path = f"/capture/recordings/{began['recording']}"
    put(browser, path, 0, b"film")
    whole = {"chunks": 1, "sha256": hashlib.sha256(b"film").hexdigest(), "frame_times": {"n": 3}}
    assert browser.post(path + "/finish", json=whole, headers=ORIGIN).status_code == 202
    return made, browser


@pytest.mark.parametrize("outcome", ["accept", "reject", "inconclusive"])
@pytest.mark.parametrize("locale", ["en", "ar"])
def test_the_person_is_told_kindly_and_never_a_score(site, outcome, locale):
    made, browser = send_file(site, locale=locale)
    assert browser.get("/capture/state").json()["state"] == "processing"
    decide(site, made, outcome, ["too_dark", "no_match", "presentation_attack"])
    text = browser.get("/capture/state").text
    told = json.loads(text)
    assert told["outcome"]["title"]
    assert told["outcome"]["message"]
    for score in ("0.1234567", "0.7654321", "similarity", "no_match", "presentation_attack"):
        assert score not in text
    assert told["outcome"]["advice"] == (["too_dark"] if outcome == "inconclusive" else [])
    full = site.api.get(f"/v1/attempts/{made['id']}", headers=site.auth).json()
    assert full["decision"]["match"]["similarity"] == 0.1234567


def test_hints_need_consent_and_are_small(site):
    _, browser = site.opened()
    assert refused(browser.post("/capture/hint", content=b"x", headers=ORIGIN), "consent_missing")
    browser.post("/capture/consent", json={"version": "v"}, headers=ORIGIN)
    assert browser.post("/capture/hint", content=b"x", headers=ORIGIN).json() == {"hint": "ok"}
    assert refused(browser.post("/capture/hint", content=b"x" * 8193, headers=ORIGIN), "too_large")
    assert browser.post("/capture/probe", content=b"x" * 65536, headers=ORIGIN).status_code == 204


def test_going_on_elsewhere_gives_a_link_a_code_and_a_picture(site):
    _, browser = site.opened()
    way = browser.post("/capture/continue", headers=ORIGIN).json()
    assert way["svg"].startswith("<svg")
    assert re.fullmatch(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{5}", way["code"])
    phone = site.browser()
    assert phone.get(f"/r/{way['code'].lower()}").status_code == 200
    assert phone.post(f"/r/{way['code']}/open", json={}, headers=ORIGIN).status_code == 200
    assert refused(browser.get("/capture/state"), "session_moved")
    assert phone.get("/capture/state").status_code == 200


def test_a_session_has_a_rate(make_site, monkeypatch):
    assert throttle.PER_SESSION > 60 * 4, "a recording asks several times a second"
    monkeypatch.setattr(throttle, "PER_SESSION", 5)
    _, browser = make_site().opened()
    codes = [browser.get("/capture/state").status_code for _ in range(7)]
    assert codes == [200] * 5 + [429] * 2


def test_a_web_process_loads_nothing_that_decodes():
    """So it is ready soon, and no picture can be read in it by mistake."""
    heavy = ("numpy", "av", "cv2", "onnxruntime", "PIL")
    ask = f"import sys, idverify.service.serve; print([name for name in {heavy} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(Path(capture.__file__).parents[2])}
    found = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


# -- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"), [(DatabaseUnavailableError("secret place"), "not_ready"), (RuntimeError("secret"), "internal")]
)
def test_a_fault_of_ours_is_an_answer_without_details(site, monkeypatch, caplog, error, code):
    def fail(*arguments, **more):
        raise error

    monkeypatch.setattr(attempts, "get", fail)
    answer = site.api.get("/v1/attempts/x", headers=site.auth)
    assert refused(answer, code)
    assert "secret" not in answer.text
    assert answer.headers["content-security-policy"]
    if code == "internal":
        assert "secret" not in caplog.text
        assert "RuntimeError" in caplog.text


def test_logs_hold_no_secret_and_nothing_of_the_person(site, caplog):
    caplog.set_level(logging.DEBUG, "idverify")
    made, browser = send_file(site, subject="subject-7731")
    decide(site, made, "reject", ["no_match"])
    browser.get("/r/" + "Z" * 26)
    for secret in (Site.path(made)[3:], site.key.secret, browser.cookies[COOKIE], "subject-7731"):
        assert secret not in caplog.text


def test_figures_hold_no_address_and_count_by_pattern(site):
    made, _ = send_file(site)
    text = site.api.get("/metrics", headers=site.auth).text
    assert 'idverify_attempts{state="processing"} 1.0' in text
    assert "idverify_queue 1.0" in text
    assert 'route="/r/{token}/open"' in text
    assert Site.path(made)[3:] not in text
    assert made["id"] not in text


def test_ready_says_what_is_not(site, monkeypatch):
    assert site.api.get("/healthz").json() == {"alive": True}
    assert site.api.get("/readyz").json() == {"ready": True, "trouble": []}

    def gone():
        raise DatabaseUnavailableError("gone")

    monkeypatch.setattr(site.core.database, "ping", gone)
    answer = site.api.get("/readyz")
    assert (answer.status_code, answer.json()["trouble"]) == (503, ["database"])


# -- the demo ------------------------------------------------------------------------------------


def test_the_demo_takes_a_photo_and_leads_to_the_page(site):
    path = f"/demo/{routes_demo.demo_token(site.core)}"
    assert site.api.get(path).status_code == 200
    answer = site.api.post(path, files={"photo": ("me.jpg", PHOTO)}, headers=ORIGIN)
    assert answer.status_code == 303
    assert capture.look_up(site.core, answer.headers["location"].rsplit("/", 1)[1]).state == "requires_input"


@pytest.mark.parametrize(
    ("photo", "headers", "status"),
    [(b"", ORIGIN, 422), (b"bad", ORIGIN, 422), (PHOTO, {"Origin": "https://evil.example"}, 403)],
)
def test_the_demo_says_what_is_wrong(site, photo, headers, status):
    path = f"/demo/{routes_demo.demo_token(site.core)}"
    answer = site.api.post(path, files={"photo": ("me.jpg", photo)}, headers=headers)
    assert (answer.status_code, answer.headers["content-type"][:9]) == (status, "text/html")


def test_the_demo_is_where_only_its_address_leads(site):
    assert refused(site.api.get("/demo/GUESS"), "not_found")
    assert refused(site.api.post("/demo/GUESS", files={"photo": ("me.jpg", PHOTO)}, headers=ORIGIN), "not_found")

"""Signing in by OpenID Connect, against a small provider on this machine: the honest way, and every lie about it."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from desk_site import Site
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from idverify.errors import ParameterError
from idverify.service.desk import accounts
from idverify.service.desk.pages import COOKIE
from idverify.service.desk.roles import Role
from idverify.service.settings import OpenID

CLIENT, SECRET = "desk", "a client's secret"
BACK = "/desk/oidc/return"


class Provider:
    """Answers as a provider does; what it says of somebody is changed by tests."""

    def __init__(self):
        self.key = ECKey.generate_key("P-256", parameters={"kid": "k"}, private=True)
        self.changes, self.signed_by, self.header = {}, self.key, {"alg": "ES256", "kid": "k"}
        self.document_changes, self.status = {}, 200
        self.challenge = self.nonce = ""
        self.code, self.redeemed = "the-code", []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                found = {
                    "/.well-known/openid-configuration": outer.document,
                    "/keys": {"keys": [outer.key.as_dict(private=False)]},
                }.get(self.path)
                self.answer(outer.status if found else 404, found or {})

            def do_POST(self):
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                self.answer(*outer.token({name: values[0] for name, values in form.items()}, self.headers))

            def answer(self, status, document):
                content = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def document(self):
        ends = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
        found = {"issuer": self.issuer, **{name: self.issuer + path for name, path in ends.items()}}
        return {**found, **self.document_changes}

    def asked(self, url):
        """What somebody was sent with; the provider remembers it as a real one does."""
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{self.issuer}/authorize"
        found = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.challenge, self.nonce = found["code_challenge"], found["nonce"]
        return found

    def token(self, form, headers):
        user = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        proved = base64.urlsafe_b64encode(digest).decode().rstrip("=") == self.challenge
        if headers["authorization"] != f"Basic {user}" or form["code"] != self.code or not proved:
            return 400, {"error": "invalid_grant"}
        if form["code"] in self.redeemed:
            return 400, {"error": "invalid_grant"}
        self.redeemed.append(form["code"])
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "sub": "u-1", "exp": now + 300, "iat": now, "nonce": self.nonce}
        claims = {name: value for name, value in {**claims, **self.changes}.items() if value is not None}
        return 200, {"access_token": "t", "token_type": "Bearer", "id_token": self.signed(claims)}

    def signed(self, claims):
        if self.header["alg"] == "none":
            parts = (json.dumps(part).encode() for part in (self.header, claims))
            return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."
        return jwt.encode(self.header, claims, self.signed_by, algorithms=[self.header["alg"]])

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def database_url():
    return ""


@pytest.fixture
def provider():
    made = Provider()
    yield made
    made.close()


@pytest.fixture
def site(core, provider):
    oidc = OpenID(issuer=provider.issuer, client_id=CLIENT, client_secret=SECRET)
    return Site(replace(core, clock=time.time, settings=replace(core.settings, oidc=oidc)))


@pytest.fixture
def account(site):
    return accounts.add(site.core, "ann", Role.REVIEWER, oidc_subject="u-1")


def sent(site, provider):
    browser = site.browser()
    answer = browser.get("/desk/oidc")
    assert answer.status_code == 303
    return browser, provider.asked(answer.headers["location"])


def back(browser, asked, **changes):
    return browser.get(BACK, params={"state": asked["state"], "code": "the-code", **changes})


def test_sent_and_come_back(site, provider, account):
    assert account.password is None
    assert "/desk/oidc" in site.browser().get("/desk/sign-in").text
    browser, asked = sent(site, provider)
    assert asked["redirect_uri"] == site.core.settings.base_url + BACK
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    answer = back(browser, asked)
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk")
    assert "ann" in browser.get("/desk").text


def test_whoever_has_no_account_is_told_what_to_ask_for(site, provider):
    browser, asked = sent(site, provider)
    answer = back(browser, asked)
    assert answer.status_code == 403
    assert "u-1" in answer.text
    assert COOKIE not in browser.http.cookies


def test_an_account_out_of_use_stays_out(site, provider, account):
    accounts.set_disabled(site.core, account.id, True, actor="operator")
    browser, asked = sent(site, provider)
    assert back(browser, asked).status_code == 403


LIES = {
    "another issuer": {"iss": "https://evil.example"},
    "for another client": {"aud": "other"},
    "for several, and not handed to us": {"aud": [CLIENT, "other"], "azp": "other"},
    "another sign-in": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "over": {"exp": 1},
    "of tomorrow": {"iat": int(time.time()) + 90_000, "nbf": int(time.time()) + 90_000},
    "nobody": {"sub": None},
    "no name": {"sub": ""},
    "a number": {"sub": 7},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_does_not_hold_opens_nothing(site, provider, account, lie):
    provider.changes = LIES[lie]
    browser, asked = sent(site, provider)
    assert back(browser, asked).status_code == 502
    assert COOKIE not in browser.http.cookies


@pytest.mark.parametrize("how", ["another key", "no signature", "the client's secret"])
def test_a_token_that_the_provider_did_not_sign_opens_nothing(site, provider, account, how):
    if how == "another key":
        provider.signed_by = ECKey.generate_key("P-256", private=True)
    elif how == "no signature":
        provider.header = {"alg": "none"}
    else:
        provider.header, provider.signed_by = {"alg": "HS256"}, OctKey.import_key(SECRET.ljust(32, "x"))
    browser, asked = sent(site, provider)
    assert back(browser, asked).status_code == 502


def test_only_the_browser_that_was_sent_comes_back_and_only_once(site, provider, account):
    browser, asked = sent(site, provider)
    # Somebody else's browser with the same address: signing a victim in as somebody else.
    assert back(site.browser(), asked).status_code == 401
    other, _ = sent(site, provider)
    assert back(other, asked).status_code == 401
    for state in ("", "x", "\u00e9"):
        one, question = sent(site, provider)
        assert back(one, question, state=state).status_code == 401
    browser, asked = sent(site, provider)
    assert back(browser, asked).status_code == 303
    assert back(browser, asked).status_code == 401


@pytest.mark.parametrize("cookie", ["", "x", "A" * 200, "\u00e9"])
def test_a_forged_cookie_of_the_way_back_opens_nothing(site, provider, account, cookie):
    _, asked = sent(site, provider)
    headers = {"Cookie": f"idverify_desk_away={cookie}".encode()}
    stranger = site.browser()
    found = stranger.get(BACK, params={"state": asked["state"], "code": "the-code"}, headers=headers)
    assert found.status_code == 401


def test_a_provider_in_trouble_is_said_in_words(site, provider, account):
    browser, asked = sent(site, provider)
    provider.status = 500
    assert back(browser, asked).status_code == 502
    assert "did not answer as it should" in site.browser().get("/desk/oidc").text
    provider.status, provider.document_changes = 200, {"issuer": "https://evil.example"}
    assert site.browser().get("/desk/oidc").status_code == 502
    provider.document_changes = {"token_endpoint": "ftp://x/"}
    assert site.browser().get("/desk/oidc").status_code == 502
    provider.close()
    assert site.browser().get("/desk/oidc").status_code == 502


def test_without_a_provider_there_is_no_such_page(core):
    site = Site(core)
    assert site.browser().get("/desk/oidc").status_code == 404
    assert site.browser().get(BACK).status_code == 404
    assert "/desk/oidc" not in site.browser().get("/desk/sign-in").text


def test_a_subject_is_one_accounts(core):
    accounts.add(core, "ann", Role.REVIEWER, oidc_subject="u-1")
    with pytest.raises(ParameterError, match="already"):
        accounts.add(core, "bob", Role.REVIEWER, oidc_subject="u-1")
    with pytest.raises(ParameterError, match="1 to 255"):
        accounts.add(core, "cid", Role.REVIEWER, oidc_subject="")

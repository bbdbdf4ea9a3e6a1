"""A desk over HTTP, without a network: accounts, browsers that are signed in, and cases that wait."""

from __future__ import annotations

import html
import re
from typing import Any

import pyotp
from starlette.testclient import TestClient
from walk import Walk

from idverify.service import api_keys, attempts, cases
from idverify.service.api_keys import Caller
from idverify.service.app import make_app
from idverify.service.case_routes import CaseRoute
from idverify.service.cases import AskedCase
from idverify.service.core import Core
from idverify.service.desk import accounts
from idverify.service.desk.accounts import NewAccount
from idverify.service.desk.roles import Role
from idverify.service.metrics import Metrics
from idverify.service.pages import Pages
from idverify.service.throttle import Throttle
from idverify.service.web import Web

BASE = "http://testserver"
ORIGIN = {"Origin": BASE}
FILM = b"\x1aE\xdf\xa3" + bytes(range(256)) * 4
PHOTO = b"\xff\xd8\xff a photo"
# What begins like this can be read, but no browser shows it.
UNSHOWN = b"\x00\x00\x00\x18ftypheic"
FOR_PERSON, INTERNAL = "We will look at it together.", "The ears differ, see second 3."


class Nobody:
    """Examines nothing."""

    def require_usable(self, photo: bytes) -> None:
        pass

    def as_jpeg(self, photo: bytes) -> bytes | None:
        return b"\xff\xd8\xff made of " + photo if photo.startswith(UNSHOWN) else None


class Browser:
    """One person's browser at the desk."""

    def __init__(self, site: Site, account: NewAccount | None = None) -> None:
        self.site, self.account = site, account
        self.http = TestClient(make_app(site.web), base_url=BASE, follow_redirects=False)

    def sign_in(self, **changes: str) -> Any:
        account = self.account
        assert account is not None
        form = {"name": account.name, "password": account.password or "", "code": self.site.code(account), **changes}
        return self.http.post("/desk/sign-in", data=form, headers=ORIGIN)

    def token(self, path: str = "/desk") -> str:
        page = self.http.get(path, follow_redirects=True).text
        found = re.search(r'name="form_token" value="([0-9a-f]{64})"', page)
        return found.group(1) if found else ""

    def get(self, path: str, **options: Any) -> Any:
        return self.http.get(path, **options)

    def post(self, path: str, *, headers: dict[str, str] | None = None, **form: str) -> Any:
        form.setdefault("form_token", self.token())
        return self.http.post(path, data=form, headers=ORIGIN if headers is None else headers)

    def text(self, path: str) -> str:
        """What a person reads on a page."""
        return words_of(self.http.get(path).text)

    # -- a reviewer's work

    def take(self, case: str) -> Any:
        return self.post(f"/desk/cases/{case}/claim")

    def play(self, case: str) -> None:
        """Everything there is to look at."""
        page = self.http.get(f"/desk/cases/{case}").text
        for path in re.findall(rf'src="(/desk/cases/{case}/[^"]+)"', page):
            assert self.http.get(path).status_code == 200, path

    def see(self, case: str, view: str = "same_person") -> Any:
        self.take(case)
        self.play(case)
        return self.post(f"/desk/cases/{case}/view", view=view)

    def decide(self, case: str, decision: str, **changes: str) -> Any:
        form = {"for_person": FOR_PERSON, "internal": INTERNAL, **changes}
        return self.post(f"/desk/cases/{case}/decide", decision=decision, **form)


class Site:
    """A web process with a desk, and a service that opens cases."""

    def __init__(self, core: Core) -> None:
        self.core = core
        key = api_keys.make_key(core, "tests")
        self.caller = Caller(id=key.id, name=key.name)
        self.auth = {"Authorization": f"Bearer {key.secret}"}
        self.web = Web(
            core=core,
            throttle=Throttle(core.settings),
            pages=Pages(),
            examiner=Nobody(),  # type: ignore[arg-type]
            metrics=Metrics(),
            judges_trouble=lambda: "",
        )
        #: What the judge adds to each outcome.
        self.judged: dict[str, Any] = {}
        self._people = 0

    def code(self, account: NewAccount, *, later_s: float = 0.0) -> str:
        assert account.totp_uri is not None
        totp = pyotp.parse_uri(account.totp_uri)
        assert isinstance(totp, pyotp.TOTP)
        return totp.at(int(self.core.clock() + later_s))

    def account(self, role: Role, name: str = "") -> NewAccount:
        self._people += 1
        return accounts.add(self.core, name or f"{role.value}{self._people}", role)

    def browser(self, role: Role | None = None) -> Browser:
        """A new browser; with a role, of somebody new who is signed in."""
        if role is None:
            return Browser(self)
        made = Browser(self, self.account(role))
        assert made.sign_in().status_code == 303
        return made

    # -- cases

    def case(self, subject: str = "s-1", *, route: CaseRoute = CaseRoute.STANDARD, **more: Any) -> str:
        wanted = {"policy": "recovery", "locale": "en", **more}
        return str(cases.open_case(self.core, self.caller, AskedCase(subject=subject, route=route, **wanted))[0]["id"])

    def attempt(self, case: str, outcome: str, film: bytes = FILM, photo: bytes = PHOTO) -> Walk:
        asked = attempts.Asked(policy="recovery", locale="en", photo=photo)
        made = cases.new_attempt(self.core, self.caller, case, asked)
        walk = Walk(self.core, self.caller, made.view["id"], made.link.rsplit("/", 1)[1])
        return walk.open().record(film[:100], film[100:]).judged(outcome, **self.judged)

    def rejected(self, subject: str = "s-1", *, photo: bytes = PHOTO, **more: Any) -> str:
        """A case whose attempts were all rejected; a person has it."""
        case = self.case(subject, **more)
        clock: Any = self.core.clock
        for _ in range(self.core.settings.cases.judged_rejections):
            self.attempt(case, "reject", photo=photo)
            wait_s = (self.view(case)["wait_until_s"] or 0.0) - clock()
            clock.pass_s(max(0.0, wait_s))
        assert self.state(case) == "review"
        return case

    def view(self, case: str) -> dict[str, Any]:
        return cases.get(self.core, self.caller, case)

    def state(self, case: str) -> str:
        return str(self.view(case)["state"])


def words_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())

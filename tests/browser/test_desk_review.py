"""What people do at the desk, in a real Chromium, and how its pages are to use.

The judge is the test's own: it rejects or accepts as the story wants, whatever the film shows, and its decisions are
written by hand. What a recording proves is tested in test_outcomes; here it is what people make of it.
"""

from __future__ import annotations

import json

import pytest
from capture_page import new_page
from desk_house import DeskHouse, make_film
from sqlalchemy import select
from test_accessible import broken_rules

from idverify.service import audit
from idverify.service.case_routes import CaseRoute
from idverify.service.desk.roles import Role
from idverify.service.tables import AuditEntry

FOR_PERSON = "Thank you for your patience. We have looked at your recordings."
INTERNAL = "The ears and the left eyebrow are compared at second one."
SIZES = ((360, 640), (1280, 800))


@pytest.fixture(scope="session")
def film() -> bytes:
    return make_film()


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    from conftest import _free_port

    made = DeskHouse(tmp_path_factory.mktemp("desk"), _free_port())
    yield made
    made.close()


@pytest.fixture
def desk(browser, house):
    """A page of somebody new, signed in."""
    launched = browser()

    def open_as(role: Role):
        page = new_page(launched, viewport={"width": 1280, "height": 800})
        house.sign_in(page, role)
        return page

    return open_as


def take(page, house, case: str) -> None:
    page.goto(f"{house.url}/desk/cases/{case}")
    page.click("text=Take this case")
    page.wait_for_selector("text=Yours until")


def see(page, view: str) -> None:
    """Play the newest recording to its end, then note a view."""
    film = page.locator("video").first
    # The page's policy lets no text become a script, and so no condition be waited for in that way.
    film.evaluate("film => new Promise((done) => { film.onended = () => done(); film.muted = true; film.play(); })")
    assert film.evaluate("film => film.videoWidth") == 320
    page.check(f"input[name=view][value={view}]")
    page.click("text=Note my view")
    page.wait_for_selector("text=Your view, and the machine’s")


def decide(page, decision: str) -> None:
    page.select_option("#decision", decision)
    page.fill("#for_person", FOR_PERSON)
    page.fill("#internal", INTERNAL)
    page.click("button:text-is('Decide')")
    page.wait_for_selector("h1:text-is('Queue')")


def kinds(house, case: str) -> list[str]:
    with house.core.database.reading() as session:
        found = [json.loads(row.content) for row in session.scalars(select(AuditEntry).order_by(AuditEntry.number))]
    return [entry["kind"] for entry in found if entry["case"] == case]


def test_two_reviewers_override_the_machine(house, desk, film) -> None:
    case = house.rejected("overridden", film)
    assert house.state(case) == "review"
    first = desk(Role.REVIEWER)
    take(first, house, case)
    assert "The machine" not in first.inner_text("main")
    see(first, "same_person")
    assert "The machine rejected" in first.inner_text("main")
    assert "a senior who is not you" in first.inner_text("main")
    decide(first, "accept/same_person")
    assert house.state(case) == "second_review"
    second = desk(Role.SENIOR)
    take(second, house, case)
    assert INTERNAL not in second.inner_text("main")
    see(second, "same_person")
    assert INTERNAL in second.inner_text("main")
    decide(second, "accept/same_person")
    assert house.state(case) == "accepted"
    told = kinds(house, case)
    order = ["case.claimed", "evidence.viewed", "review.viewed", "case.second_review", "case.accepted"]
    assert [kind for kind in order if kind in told] == order
    assert told.index("case.second_review") < told.index("case.accepted")
    assert audit.verify_stored(house.core).broken is None


def test_boxes_to_tick_keep_their_size_and_distance_beside_long_words(house, desk, film) -> None:
    page = desk(Role.REVIEWER)
    take(page, house, house.rejected("narrow", film))
    page.set_viewport_size({"width": 360, "height": 640})
    rows = [row.bounding_box() for row in page.locator(".tick").all()]
    words = [row.bounding_box() for row in page.locator(".tick span").all()]
    boxes = [box.bounding_box() for box in page.locator(".tick input").all()]
    assert len(boxes) >= 4
    # WCAG 2.2, 2.5.8: 24 px, or as much apart.
    assert min(min(box["width"], box["height"]) for box in boxes) >= 22
    assert all(row["height"] >= text["height"] + 6 for row, text in zip(rows, words, strict=True))


def test_an_impostor_is_rejected_five_times_refused_by_a_person_appeals_and_is_confirmed(
    house, desk, browser, film
) -> None:
    case = house.rejected("impostor", film, times=4)
    assert house.state(case) in ("open", "delayed")
    house.attempt(case, "reject", film)
    assert house.state(case) == "review"
    reviewer = desk(Role.REVIEWER)
    take(reviewer, house, case)
    see(reviewer, "other_person")
    decide(reviewer, "reject/other_person")
    assert house.state(case) == "refused"
    person = new_page(browser())
    person.goto(house.ask("POST", f"/v1/cases/{case}/link")["link"])
    person.click("main button")
    person.wait_for_url("**/case*")
    assert FOR_PERSON in person.inner_text("main")
    assert INTERNAL not in person.content()
    person.fill("#words", "It is me! <b>Look</b> again.")
    person.click("form[action*='/case/ask'] button")
    person.wait_for_url("**/case*")
    assert house.state(case) == "appeal"
    # Not even seen by whoever may not decide it.
    reviewer.goto(f"{house.url}/desk")
    assert case not in reviewer.content()
    senior = desk(Role.SENIOR)
    take(senior, house, case)
    assert "It is me! <b>Look</b> again." in senior.inner_text("main")
    see(senior, "other_person")
    decide(senior, "reject/other_person")
    assert house.state(case) == "confirmed"
    assert audit.verify_stored(house.core).broken is None


def test_the_keyboard_alone_leads_through_a_review(house, desk) -> None:
    case = house.case("keys", route=CaseRoute.NO_FACE)
    page = desk(Role.REVIEWER)

    def press_to(what: str, key: str = "Enter") -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("(what) => document.activeElement.matches(what)", what):
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", what
                if key:
                    page.keyboard.press(key)
                return
        raise AssertionError(f"the keyboard does not reach {what}")

    press_to(f'a[href="/desk/cases/{case}"]')
    page.wait_for_selector("text=Take this case")
    press_to("form[action$='/claim'] button")
    page.wait_for_selector("text=Yours until")
    press_to("input[name=proof_document]", "Space")
    press_to("input[name=proof_history]", "Space")
    with page.expect_navigation():
        press_to("form[action$='/proofs'] button")
    press_to("input[name=view]", "")
    page.keyboard.press("ArrowDown")
    press_to("form[action$='/view'] button")
    page.wait_for_selector("#decision")
    press_to("#decision", "")
    page.keyboard.type("Accept: other proofs")
    press_to("#for_person", "")
    page.keyboard.type(FOR_PERSON)
    press_to("#internal", "")
    page.keyboard.type(INTERNAL)
    press_to("form[action$='/decide'] button")
    page.wait_for_selector("h1:text-is('Queue')")
    assert house.state(case) == "accepted"


def test_a_film_is_asked_for_only_when_it_is_played_and_that_is_recorded(house, desk, film) -> None:
    case = house.rejected("played", film)
    page = desk(Role.REVIEWER)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    take(page, house, case)
    page.wait_for_load_state("networkidle")
    assert not [url for url in asked if "/recordings/" in url]
    see(page, "cannot_tell")
    assert [url for url in asked if "/recordings/" in url]
    assert kinds(house, case).count("evidence.viewed") >= 2


def check(page, where: str) -> None:
    """No rule of axe is broken, nothing sticks out to the side, and what is tapped has room."""
    broken = broken_rules(page)
    assert not broken, f"{where}: {broken}"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where
    small = page.eval_on_selector_all(
        "button, select, summary, .button, .tick, .desk-nav a, .tabs a, .case-row",
        "all => all.filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 44)"
        ".map((e) => e.outerHTML)",
    )
    assert not small, where


@pytest.fixture(scope="module")
def shown(house, film):
    """Cases for every kind of page."""
    house.many(40, film)
    rejected = house.rejected("looked at", film)
    house.due(rejected, -9000)
    meeting = house.case("meeting", route=CaseRoute.ATTENDED, locale="ar")
    return rejected, meeting


@pytest.mark.parametrize(("size", "scheme"), list(zip(SIZES, ["light", "dark"], strict=True)), ids=["phone", "desk"])
def test_axe_finds_nothing_on_any_page_of_the_desk(browser, house, shown, size, scheme) -> None:
    rejected, meeting = shown
    options = {"viewport": {"width": size[0], "height": size[1]}, "color_scheme": scheme}
    launched = browser()
    page = new_page(launched, **options)
    page.goto(f"{house.url}/desk/sign-in")
    check(page, "sign-in")
    page.fill("#name", "nobody")
    page.fill("#password", "x")
    page.fill("#code", "000000")
    page.click("button.primary")
    page.wait_for_selector("#refused")
    check(page, "sign-in refused")
    house.sign_in(page, Role.SENIOR)
    check(page, "queue")
    page.click("text=Next page")
    page.wait_for_load_state()
    check(page, "second page")
    page.goto(f"{house.url}/desk?show=mine")
    check(page, "nothing of mine")
    page.goto(f"{house.url}/desk/cases/{rejected}")
    check(page, "a case")
    page.click("text=Take this case")
    page.wait_for_selector("text=Yours until")
    for fold in page.locator("summary").all():
        if not fold.evaluate("each => each.parentElement.open"):
            fold.click()
    check(page, "evidence")
    page.check("input[value=same_person]")
    page.click("text=Note my view")
    page.wait_for_selector("#refused")
    check(page, "view before looking")
    see(page, "same_person")
    check(page, "decision")
    page.click("details:last-of-type summary")
    page.select_option("#decision", "reject/other_person")
    page.fill("#for_person", "short")
    page.fill("#internal", INTERNAL)
    page.click("button:text-is('Decide')")
    page.wait_for_selector("#refused")
    assert page.input_value("#internal") == INTERNAL
    check(page, "decision refused")
    page.click("text=Give it back")
    page.goto(f"{house.url}/desk/cases/{meeting}")
    page.click("text=Take this case")
    page.click("text=Make a code")
    page.wait_for_selector(".code")
    check(page, "meeting")
    page.click("text=Give it back")
    page.goto(f"{house.url}/desk/dashboard")
    check(page, "figures")
    page.goto(f"{house.url}/desk/cases/cas_NONE")
    check(page, "refused")
    for role, paths in ((Role.AUDITOR, ["/desk/record", f"/desk/record/{rejected}"]), (Role.ADMIN, ["/desk/accounts"])):
        other = new_page(launched, **options)
        house.sign_in(other, role)
        for path in paths:
            other.goto(house.url + path)
            if path.startswith("/desk/record/"):
                # Its own policy lets no script in, that of axe neither; the file is the same everywhere.
                assert "script-src" not in other.evaluate("document.body.innerText")
                assert rejected in other.inner_text("h1")
            else:
                check(other, path)

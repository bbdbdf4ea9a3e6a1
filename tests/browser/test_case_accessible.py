"""WCAG 2.2 AA by axe on every page of a person's case, in every state, size and scheme; keyboard, right to left.

Cases are put into their states by the functions that the desk's pages call.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from capture_page import CAMERA, new_page, screen, tap
from test_accessible import LOOKS, MAX_BYTES, SIZES, _transferred, check
from test_case_stories import direct, film, open_case

pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")

from idverify.challenge import LANGUAGES
from idverify.service import questions

# Where pictures of all pages are put, to be looked at; none where it is not set.
PICTURES = os.environ.get("IDVERIFY_PICTURES")
STATES = {
    "open": (),
    "delayed": ("delayed",),
    "vouching": ("vouching",),
    "attended": ("attended",),
    "review": ("review",),
    "second_review": ("review", "second_review"),
    "question": ("review",),
    "refused": ("review", "refused"),
    "appeal": ("review", "refused", "appeal"),
    "confirmed": ("review", "refused", "appeal", "confirmed"),
    "accepted": ("review", "accepted"),
    "frozen": ("frozen",),
    "recovered": ("review", "accepted", "recovered"),
    "withdrawn": ("withdrawn",),
}


def picture(page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def lead(site, case: dict, state: str) -> None:
    """Bring a case into a state, as the desk would."""
    site.become(case, *STATES[state])
    with site.held(case) as (session, row):
        if state == "delayed":
            row.wait_until_s = site.core.clock() + 300
        if state == "question":
            questions.ask(site.core, session, row, "acc_TEST", "In which year did you open the account?")


def unfold(page) -> None:
    page.eval_on_selector_all(".fold:not([open])", "all => all.forEach((fold) => (fold.open = true))")


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_axe_finds_nothing_on_any_page_of_a_case(browser, case_site, size: str, scheme: str) -> None:
    width, height = SIZES[size]
    page = new_page(browser(CAMERA), viewport={"width": width, "height": height}, color_scheme=scheme)
    for state in STATES:
        case = case_site.case()
        page.goto(case["link"])
        if state == "open":
            check(page, "link")
            picture(page, f"{size}-{scheme}-link")
        page.click("main button")
        page.wait_for_url("**/case*")
        lead(case_site, case, state)
        page.reload()
        check(page, state)
        unfold(page)
        check(page, f"{state}, unfolded")
        picture(page, f"{size}-{scheme}-{state}")
        if state == "refused":
            page.set_input_files("#documents", [{"name": "a.exe", "mimeType": "application/pdf", "buffer": b"MZ"}])
            page.click("#ask button")
            page.wait_for_selector("[role=alert]")
            check(page, "a problem")
            picture(page, f"{size}-{scheme}-problem")
    told = case_site.ask("GET", f"/v1/cases/{case['id']}/notices")["notices"][0]["email"]["body"]
    for name, address in (
        ("code", f"{case_site.url}/code"),
        ("retention", f"{case_site.url}/retention"),
        ("not_me", re.search(r"http\S+/n/\S+", told)[0]),
        ("unknown", f"{case_site.url}/c/{'Z' * 26}"),
    ):
        page.goto(address)
        check(page, name)
        picture(page, f"{size}-{scheme}-{name}")
    page.goto(re.search(r"http\S+/n/\S+", told)[0])
    page.click("main button")
    page.wait_for_selector("[role=status]")
    check(page, "not_me, done")
    picture(page, f"{size}-{scheme}-not_me_done")


@pytest.mark.parametrize("outcome", ["accept", "reject", "inconclusive"])
def test_axe_finds_nothing_on_the_outcome_of_a_recording(browser, case_site, outcome: str) -> None:
    page = new_page(browser(CAMERA))
    open_case(page, case_site)
    case_site.says(outcome, *(["too_dark"] if outcome == "inconclusive" else []))
    page.click("form[action^='/case/record'] button")
    page.wait_for_url("**/r/*")
    tap(page, "agree")
    film(page)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            check(page, f"{outcome}, {size}, {scheme}")
            picture(page, f"{size}-{scheme}-outcome-{outcome}")
    screen(page, "outcome")


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_axe_finds_nothing_where_the_link_of_an_attempt_offers_other_ways(browser, case_site, size, scheme) -> None:
    width, height = SIZES[size]
    page = new_page(browser(CAMERA), viewport={"width": width, "height": height}, color_scheme=scheme)
    _, made = direct(case_site)
    page.goto(made["link"])
    check(page, "consent, ways")
    unfold(page)
    check(page, "consent, ways unfolded")
    picture(page, f"{size}-{scheme}-direct-consent")
    tap(page, "refuse")
    check(page, "refused, ways")
    picture(page, f"{size}-{scheme}-direct-refused")
    tap(page, "consent")
    tap(page, "agree")
    screen(page, "prepare")
    check(page, "prepare, ways")
    picture(page, f"{size}-{scheme}-direct-prepare")


@pytest.mark.parametrize("locale", LANGUAGES)
def test_the_page_with_other_ways_is_light_and_fits_a_small_phone(browser, case_site, locale: str) -> None:
    page = new_page(browser(CAMERA))
    sizes: dict[str, int] = {}
    page.on("requestfinished", lambda request: sizes.update({request.url: sum(_transferred(request))}))
    _, made = direct(case_site, locale=locale)
    page.goto(made["link"], wait_until="networkidle")
    unfold(page)
    check(page, f"consent, ways, {locale}")
    tap(page, "agree")
    screen(page, "prepare")
    check(page, f"prepare, ways, {locale}")
    total = sum(sizes.values())
    print(f"{locale}: {total} bytes in {len(sizes)} requests before the camera starts")
    assert len(sizes) >= 8
    assert total <= MAX_BYTES


@pytest.mark.parametrize("locale", LANGUAGES)
def test_every_language_fits_a_small_phone(browser, case_site, locale: str) -> None:
    page = new_page(browser(CAMERA))
    for state in ("open", "refused", "vouching"):
        case = case_site.case(locale=locale)
        page.goto(case["link"])
        assert page.get_attribute("html", "lang") == locale
        page.click("main button")
        page.wait_for_url("**/case*")
        lead(case_site, case, state)
        page.reload()
        unfold(page)
        check(page, f"{locale}, {state}")
        picture(page, f"{locale}-{state}")
    page.goto(f"{case_site.url}/retention?locale={locale}")
    check(page, f"{locale}, retention")
    picture(page, f"{locale}-retention")


def test_arabic_reads_from_right_to_left(browser, case_site) -> None:
    page = new_page(browser(CAMERA))
    open_case(page, case_site, locale="ar")
    heading = page.locator(".next h2").bounding_box()
    box = page.locator(".next").bounding_box()
    # The heading's text begins at the right edge of its box.
    assert page.locator(".next h2").evaluate("e => getComputedStyle(e).direction") == "rtl"
    assert heading["x"] + heading["width"] > box["x"] + box["width"] / 2
    assert page.locator("time").first.evaluate("e => e.textContent.length > 4")


def test_the_keyboard_alone_asks_for_a_person(browser, case_site) -> None:
    page = new_page(browser(CAMERA))
    case = open_case(page, case_site)
    assert case_site.state(case) == "open"
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('#ask button')"):
            break
    # What has the focus is seen.
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_load_state()
    case_site.wait(lambda: case_site.state(case) == "review", "the case to be with a person", within_s=20)


def test_without_a_script_everything_can_be_done_but_recording(browser, case_site) -> None:
    page = new_page(browser(CAMERA), java_script_enabled=False)
    case = open_case(page, case_site)
    page.click("#ask button")
    page.wait_for_selector("h1")
    assert case_site.state(case) == "review"
    assert "UTC" in page.text_content("time >> nth=0")

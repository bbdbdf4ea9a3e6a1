"""WCAG 2.2 AA by axe on every screen; keyboard, screen reader, calm motion, right to left, and the page's weight.

IDVERIFY_SCREENSHOTS=DIR keeps a picture of everything that axe looked at.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from capture_page import CAMERA, agree_and_film, new_page, screen, tap, words

from idverify.challenge import LANGUAGES

axe = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed")

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Listing every element that breaks nothing takes as long as finding those that do.
RULES = {"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]}
SIZES = {"phone": (360, 640), "tablet": (768, 1024), "desk": (1280, 800)}
# Each size, and each colour scheme: what fits does not depend on colours, nor contrast on the size.
LOOKS = [("phone", "light"), ("tablet", "dark"), ("desk", "light")]
# Before the camera starts.
MAX_BYTES = 60_000


def broken_rules(page) -> str:
    """What axe finds, in words; empty where it finds nothing. Its half a megabyte is put into a document once."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe.AXE_SCRIPT)
    found = page.evaluate("async (rules) => (await axe.run(rules)).violations", RULES)
    return "; ".join(f"{each['id']}: {[node['html'][:160] for node in each['nodes']][:4]}" for each in found)


def check(page, where: str) -> None:
    """No rule of axe is broken, nothing sticks out to the side, and taps have room (2.5.8 asks 24, we 44)."""
    broken = broken_rules(page)
    assert not broken, f"{where}: {broken}"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where
    small = page.eval_on_selector_all(
        "button, select, summary, .button, .tick, .languages a",
        "all => all.filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 44)"
        ".map((e) => e.outerHTML)",
    )
    assert not small, where
    if folder := os.environ.get("IDVERIFY_SCREENSHOTS"):
        size, scheme = page.viewport_size, page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        name = f"{where.replace(' ', '-')}-{size['width']}x{size['height']}-{'dark' if scheme else 'light'}"
        page.screenshot(path=Path(folder) / f"{page.get_attribute('html', 'lang')}-{name}.png", full_page=True)


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_axe_finds_nothing_on_any_screen(browser, service, size: str, scheme: str) -> None:
    width, height = SIZES[size]
    page = new_page(browser(CAMERA), viewport={"width": width, "height": height}, color_scheme=scheme)
    # axe is put into the page as a script of the test; the policy of the page would refuse it, and is tested elsewhere.
    page.goto(service.attempt(options={"light": True, "file": True, "service": "A bank"})["link"])
    check(page, "consent")
    page.click("#languages summary")
    check(page, "languages")
    page.click("#languages summary")
    tap(page, "refuse")
    check(page, "refused")
    tap(page, "consent")
    tap(page, "agree")
    screen(page, "prepare")
    page.click(".fold summary")
    check(page, "prepare")
    tap(page, "other_device")
    screen(page, "handover")
    check(page, "handover")
    tap(page, "prepare")
    tap(page, "camera")
    screen(page, "colours")
    check(page, "colours")
    tap(page, "without_colours")
    page.wait_for_selector("[data-mode=camera]", timeout=20_000)
    check(page, "camera")
    tap(page, "record")
    page.wait_for_selector("#count:not(:empty)", timeout=30_000)
    check(page, "recording")
    tap(page, "stop")
    screen(page, "problem")
    check(page, "problem")
    for name in ("sending", "checking", "file"):
        page.eval_on_selector_all(
            "[data-screen]", "(all, name) => all.forEach((each) => (each.hidden = each.dataset.screen !== name))", name
        )
        check(page, name)
    for name, address in (("link", f"{service.url}/r/{'Z' * 26}"), ("first try", service.demo)):
        page.goto(address)
        check(page, name)


def test_axe_would_find_a_fault(page, service) -> None:
    page.goto(service.attempt()["link"])
    page.locator("[data-do=agree]").evaluate("e => { e.style.color = '#ddd'; e.style.backgroundColor = '#fff'; }")
    with pytest.raises(AssertionError, match="color-contrast"):
        check(page, "a fault")


def answer_state(page, document: dict, *, status: int = 200) -> None:
    """What the page gets when it asks where its attempt is."""
    # The latest one answers; without any, for a moment, the service itself would.
    page.route("**/capture/state", lambda route: route.fulfill(status=status, json=document))


def told(page, locale: str, *, failure: str | None = None, reasons: tuple[str, ...] = (), left: int = 2, state: str):
    """Let the page hear that its attempt is in a state, in the server's own words."""
    from idverify.service.outcome import outcome_of
    from idverify.service.pages import Pages
    from idverify.service.tables import Attempt

    row = Attempt(state=state, failure=failure, decision={"reasons": list(reasons)})
    said = {
        "state": state, "consent": True, "expires_s": 900, "options": {"file": True}, "recordings_left": left,
        "recording": None, "outcome": outcome_of(row, Pages().words[locale], left=left),
    }  # fmt: skip
    answer_state(page, said)


ENDS = {
    "accepted": {"state": "accepted"},
    "rejected": {"state": "rejected", "left": 0},
    "inconclusive": {"state": "inconclusive", "reasons": ("too_dark", "face_too_far", "person_changed", "blurry")},
    "inconclusive, the last": {"state": "inconclusive", "reasons": ("challenge_not_followed",), "left": 0},
    "canceled": {"state": "canceled", "left": 0},
    "redacted": {"state": "redacted", "left": 0},
}


@pytest.mark.parametrize(
    ("size", "scheme", "locale"),
    [*((size, scheme, "en") for size, scheme in LOOKS), ("phone", "light", "ar")],
)
def test_axe_finds_nothing_on_any_outcome(browser, service, size: str, scheme: str, locale: str) -> None:
    width, height = SIZES[size]
    page = new_page(browser(CAMERA), viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(service.attempt(locale=locale)["link"])
    tap(page, "agree")
    screen(page, "prepare")
    for name, end in ENDS.items():
        told(page, locale, **end)
        page.reload()
        screen(page, "outcome")
        assert page.text_content("#outcome-title") == words(page, f"outcome.{end['state']}.title")
        assert page.locator("#outcome-advice").is_visible() == bool(end.get("reasons"))
        check(page, f"outcome {name}")
    # A technical failure: what was being judged is to be recorded again.
    told(page, locale, state="processing")
    page.reload()
    screen(page, "checking")
    check(page, "checking")
    told(page, locale, state="requires_input", failure="recording_late")
    screen(page, "outcome")
    assert page.text_content("#outcome-title") == words(page, "problem.recording_late.title")
    check(page, "outcome failure")


@pytest.mark.parametrize("locale", ["en", "ar"])
def test_axe_finds_nothing_on_any_problem(browser, service, locale: str) -> None:
    page = new_page(browser(CAMERA))
    page.goto(service.attempt(locale=locale)["link"])
    tap(page, "agree")
    screen(page, "prepare")
    codes = json.loads(page.text_content("#page-words"))["problem"]
    assert len(codes) > 20
    for code in codes:
        answer_state(page, {"code": code}, status=400)
        page.reload()
        screen(page, "problem")
        assert page.text_content("#problem-title") == words(page, f"problem.{code}.title")
        check(page, f"problem {code}")


@pytest.mark.parametrize("locale", LANGUAGES)
def test_every_language_fits_a_small_phone_and_is_light_before_the_camera_starts(page, service, locale: str) -> None:
    sizes: dict[str, int] = {}
    page.on("requestfinished", lambda request: sizes.update({request.url: sum(_transferred(request))}))
    page.goto(service.attempt(locale=locale)["link"], wait_until="networkidle")
    assert page.get_attribute("html", "lang") == locale
    check(page, "consent")
    tap(page, "agree")
    screen(page, "prepare")
    check(page, "prepare")
    total = sum(sizes.values())
    print(f"{locale}: {total} bytes in {len(sizes)} requests before the camera starts")
    assert len(sizes) >= 8
    assert total <= MAX_BYTES
    tap(page, "camera")
    page.wait_for_selector("[data-mode=camera]", timeout=20_000)
    check(page, "camera")


def test_arabic_reads_from_right_to_left(browser, service) -> None:
    page = new_page(browser(CAMERA))
    page.goto(service.attempt(locale="ar")["link"])
    lead, icon = (page.locator(what).first.bounding_box() for what in (".points span", ".points .icon"))
    assert icon["x"] > lead["x"]
    agree_and_film(page, page.url)
    assert page.locator("#record").evaluate("e => getComputedStyle(e).direction") == "rtl"
    # In the mirror that the picture is, the person's own left stays on the left in every language.
    assert page.locator("#video").evaluate("e => getComputedStyle(e).transform") == "matrix(-1, 0, 0, 1, 0, 0)"


def test_the_language_is_changed_without_using_the_link_up(page, service) -> None:
    page.goto(service.attempt()["link"])
    page.click("#languages summary")
    page.click("#languages a[lang=fr]")
    assert page.get_attribute("html", "lang") == "fr"
    tap(page, "agree")
    screen(page, "prepare")
    assert page.text_content("[data-screen=prepare] h1") == "Préparez-vous"


def test_the_keyboard_alone_leads_to_a_recording_and_out_of_it(page, service) -> None:
    page.goto(service.attempt()["link"])

    def press_to(what: str) -> None:
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.dataset.do") == what:
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", what
                page.keyboard.press("Enter")
                return
        raise AssertionError(f"the keyboard does not reach {what}")

    press_to("agree")
    screen(page, "prepare")
    assert page.evaluate("document.activeElement.tagName") == "H1"
    press_to("camera")
    page.wait_for_selector("[data-mode=camera]", timeout=20_000)
    press_to("record")
    page.wait_for_selector("[data-mode=recording]", timeout=20_000)
    press_to("stop")
    screen(page, "problem")
    assert page.evaluate("document.activeElement.id") == "problem-title"


def test_each_request_is_spoken_shown_and_drawn(page, service) -> None:
    agree_and_film(page, service.attempt()["link"])
    assert page.get_attribute("#hint", "role") == "status"
    tap(page, "record")
    page.wait_for_selector("#count:not(:empty)", timeout=30_000)
    spoken = page.text_content("#words")
    assert spoken
    assert spoken != words(page, "recording.ready")
    # An alert is spoken at once, as a whole; the drawing is silent.
    assert page.get_attribute("#words", "role") == "alert"
    assert page.get_attribute("#figure", "aria-hidden") == "true"
    action = page.get_attribute("#figure", "data-action")
    moved = page.evaluate(
        "(action) => [...document.querySelectorAll('#figure *')].some("
        "(part) => getComputedStyle(part).animationName !== 'none' || part.matches(`[data-for~=${action}]`))",
        action,
    )
    assert action
    assert moved, f"no drawing for {action}"


def test_every_movement_that_can_be_asked_for_has_a_drawing() -> None:
    from pathlib import Path

    from idverify.challenge import Action

    css = (Path(__file__).parents[2] / "src/idverify/service/pages/static/style.css").read_text("utf-8")
    assert len(Action) >= 9
    for action in Action:
        assert f'[data-action="{action.value}"]' in css, action.value


def test_colours_come_only_where_asked_for_with_a_warning_and_never_for_who_wants_calm(browser, service) -> None:
    launched = browser(CAMERA)
    asked = []

    def filming(calm: bool, **options: object):
        page = new_page(launched, reduced_motion="reduce" if calm else "no-preference")
        page.on(
            "request",
            lambda request: asked.append(request.post_data_json["light"])
            if request.url.endswith("/capture/recordings")
            else None,
        )
        page.goto(service.attempt(options=options)["link"])
        tap(page, "agree")
        screen(page, "prepare")
        tap(page, "camera")
        return page

    def recorded(page) -> bool:
        page.wait_for_selector("[data-mode=camera]", timeout=20_000)
        tap(page, "record")
        page.wait_for_selector("[data-mode=recording]", timeout=20_000)
        page.context.close()
        return asked.pop()

    assert recorded(filming(False)) is False
    assert recorded(filming(True, light=True)) is False
    warned = filming(False, light=True)
    screen(warned, "colours")
    tap(warned, "without_colours")
    assert recorded(warned) is False
    warned = filming(False, light=True)
    screen(warned, "colours")
    tap(warned, "with_colours")
    assert recorded(warned) is True


def test_who_wants_calm_sees_no_motion(browser, service) -> None:
    page = new_page(browser(CAMERA), reduced_motion="reduce")
    agree_and_film(page, service.attempt()["link"])
    tap(page, "record")
    page.wait_for_selector("#count:not(:empty)", timeout=30_000)
    assert page.evaluate("document.getAnimations().length") == 0
    # The drawing still says what to do.
    assert page.locator("#figure .f-whole").evaluate(
        "whole => [whole, ...whole.querySelectorAll('*')].some((part) => getComputedStyle(part).transform !== 'none')"
        " || getComputedStyle(document.querySelector('#figure .f-smile')).visibility === 'visible'"
        " || getComputedStyle(document.querySelector('#figure .f-open')).visibility === 'visible'"
    )


def test_the_policy_of_the_page_lets_nothing_in_from_elsewhere(page, service) -> None:
    answer = page.goto(service.attempt()["link"])
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img id=x src=\"https://example.org/x.png\">')")
    assert not page.evaluate("document.getElementById('x').complete && document.getElementById('x').naturalWidth > 0")


def _transferred(request) -> tuple[int, int]:
    found = request.sizes()
    return found["responseBodySize"], found["responseHeadersSize"]

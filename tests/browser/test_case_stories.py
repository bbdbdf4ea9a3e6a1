"""A person's way through a case in a real Chromium, from the link to the account given back.

The judge is the test's own: it says accept, reject or inconclusive as the story wants, whatever the fake camera shows.
What a recording proves is tested in test_outcomes; here it is what comes of it for the person. What reviewers do is
done by the functions that their pages call.
"""

from __future__ import annotations

import re

import pytest
from capture_page import CAMERA, SAMPLES, new_page, screen, start_camera, tap

pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")

from idverify.service import continuation, questions
from idverify.service.pages import Pages

RECORD_S = 60.0


def open_case(page, site, **body: object) -> dict:
    """From the link to the page of the case."""
    case = site.case(**body)
    page.goto(case["link"])
    page.click("main button")
    page.wait_for_url("**/case*")
    return case


def direct(site, **body: object) -> tuple[dict, dict]:
    """A case to which the service gave no photo, and the attempt whose link it sends instead."""
    case = site.case(reference=None, **body)
    made = site.ask("POST", f"/v1/cases/{case['id']}/attempts", {"reference": site.reference})
    return case, made


def words(path: str, locale: str = "en") -> str:
    found = Pages().words[locale]
    for key in path.split("."):
        found = found[key]
    return found


def record(page) -> None:
    """From a page that offers it to a recording that was sent whole; the outcome is shown."""
    page.wait_for_url("**/r/*")
    if page.locator("[data-screen=consent]").is_visible():
        tap(page, "agree")
    film(page)


def film(page, *, before=None) -> None:
    screen(page, "prepare")
    if before is not None:
        before()
    start_camera(page)
    tap(page, "record")
    screen(page, "outcome", timeout_s=2 * RECORD_S)


def test_recovered_at_the_first_attempt(browser, case_site) -> None:
    page = new_page(browser(CAMERA))
    case = open_case(page, case_site)
    assert page.text_content("h1") == words("case.state.open.title")
    case_site.says("accept")
    page.click("form[action^='/case/record'] button")
    record(page)
    assert page.text_content("#outcome-title") == words("outcome.accepted.title")
    tap(page, "case")
    page.wait_for_url("**/case")
    assert page.text_content("h1") == words("case.state.accepted.title")
    assert case_site.ask("POST", f"/v1/cases/{case['id']}/recovered")["state"] == "recovered"
    page.reload()
    assert page.text_content("h1") == words("case.state.recovered.title")


def test_turned_away_by_a_bad_camera_and_then_recovered(browser, case_site) -> None:
    page = new_page(browser(CAMERA))
    # First the camera does not answer at all, then it is too dark, then it is well.
    page.add_init_script(
        "const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices); let first = true;"
        "navigator.mediaDevices.getUserMedia = (wanted) => first ? ((first = false),"
        " Promise.reject(new DOMException('', 'NotReadableError'))) : ask(wanted);"
    )
    case = open_case(page, case_site)
    page.click("form[action^='/case/record'] button")
    page.wait_for_url("**/r/*")
    tap(page, "agree")
    screen(page, "prepare")
    tap(page, "camera")
    screen(page, "problem")
    assert page.text_content("#problem-title") == words("problem.camera_busy.title")
    case_site.says("inconclusive", "too_dark")
    tap(page, "retry")
    if page.locator("[data-screen=prepare]").is_visible():
        tap(page, "camera")
    page.wait_for_selector("[data-mode=camera]", timeout=20_000)
    tap(page, "record")
    screen(page, "outcome", timeout_s=2 * RECORD_S)
    assert words("reason.too_dark") in page.text_content("#outcome-advice")
    # Nothing of it counts against the person.
    assert case_site.ask("GET", f"/v1/cases/{case['id']}")["rejections"] == 0
    case_site.says("accept")
    tap(page, "record_again")
    film(page)
    tap(page, "case")
    page.wait_for_url("**/case")
    assert case_site.state(case) == "accepted"


def test_a_minor_with_an_adult_who_vouches(browser, case_site) -> None:
    page = new_page(browser(CAMERA))
    case = open_case(page, case_site)
    page.click("#ways > summary")
    page.click("button[value=minor]")
    page.wait_for_selector("form[action^='/case/vouch']")
    assert case_site.state(case) == "vouching"
    page.fill("#vouch-words", "I am her mother.")
    page.click("button[value=record]")
    # The service has no photo of the adult: it is asked for, and nothing was lost but what a form loses.
    page.wait_for_selector("[role=alert]")
    page.fill("#vouch-words", "I am her mother.")
    page.set_input_files("#photo", SAMPLES / "reference.jpg")
    case_site.says("accept")
    page.click("button[value=record]")
    record(page)
    tap(page, "case")
    page.wait_for_url("**/case")
    # Accepted as an adult: a person decides about the child.
    assert case_site.state(case) == "review"
    assert page.text_content("h1") == words("case.state.review.title")
    attempts = case_site.ask("GET", f"/v1/cases/{case['id']}")["attempts"]
    assert [(each["role"], each["state"]) for each in attempts] == [("voucher", "accepted")]
    case_site.become(case, "accepted")
    page.reload()
    assert page.text_content("h1") == words("case.state.accepted.title")


def test_somebody_who_cannot_blink(browser, case_site) -> None:
    page = new_page(browser(CAMERA))
    case = open_case(page, case_site)
    asked = []
    page.on("response", lambda answer: asked.append(answer.url) if "/step" in answer.url else None)
    said = []
    page.click("form[action^='/case/record'] button")
    page.wait_for_url("**/r/*")
    tap(page, "agree")
    case_site.says("accept")

    def without_blinking() -> None:
        page.click("[data-screen=prepare] .fold summary")
        page.check("input[value=blink]")
        page.on(
            "request",
            lambda request: (
                said.append(request.post_data_json)
                if "/recordings" in request.url and request.method == "POST" and request.url.endswith("/recordings")
                else None
            ),
        )

    film(page, before=without_blinking)
    assert said[0]["avoid"] == ["blink"]
    assert asked
    tap(page, "case")
    page.wait_for_url("**/case")
    assert case_site.state(case) == "accepted"


def test_somebody_who_can_make_no_movement_takes_colours_and_nobody_sees_them_who_must_not(browser, case_site) -> None:
    page = new_page(browser(CAMERA))
    case = open_case(page, case_site)
    page.click("#ways > summary")
    page.click("button[value=no_gesture]")
    page.click("form[action^='/case/record'] button")
    page.wait_for_url("**/r/*")
    tap(page, "agree")
    screen(page, "prepare")
    tap(page, "camera")
    # Warned before any colour.
    screen(page, "colours")
    tap(page, "without_colours")
    page.wait_for_selector("[data-mode=camera]", timeout=20_000)
    tap(page, "record")
    screen(page, "problem")
    assert page.text_content("#problem-title") == words("problem.too_few_movements.title")
    tap(page, "ways")
    page.wait_for_url("**/case?locale=*")
    page.click("button[value=no_face]")
    page.wait_for_selector(f"h1:text-is({words('case.state.review.title')!r})")
    assert case_site.state(case) == "review"


def test_rejected_turned_down_by_a_person_and_appealed_with_a_document(browser, case_site, tmp_path) -> None:
    page = new_page(browser(CAMERA))
    case = open_case(page, case_site, locale="fr")
    case_site.says("reject", "no_match")
    page.click("form[action^='/case/record'] button")
    record(page)
    tap(page, "ways")
    page.wait_for_url("**/case?locale=*")
    assert words("case.why.match", "fr") in page.text_content("main")
    # One click leads to a person.
    page.click("#ask button")
    page.wait_for_selector(f"h1:text-is({words('case.state.review.title', 'fr')!r})")
    case_site.become(case, "refused")
    page.reload()
    letter = tmp_path / "letter.pdf"
    letter.write_bytes(b"%PDF-1.7 a letter")
    page.fill("#words", "C'est bien moi.")
    page.set_input_files("#documents", letter)
    page.click("#ask button")
    page.wait_for_selector("h1")
    assert case_site.state(case) == "appeal"
    with case_site.held(case) as (session, row):
        questions.ask(case_site.core, session, row, "acc_TEST", "En quelle année ?")
    page.reload()
    page.fill("#answer", "2009")
    page.click("form[action^='/case/answer'] button")
    page.wait_for_selector(f"h1:text-is({words('case.state.appeal.title', 'fr')!r})")
    case_site.become(case, "confirmed")
    page.reload()
    assert page.text_content("h1") == words("case.state.confirmed.title", "fr")
    # Still no dead end.
    assert page.locator("#ask").count() == 1


def test_together_with_a_person_by_a_code(browser, case_site) -> None:
    page = new_page(browser(CAMERA))
    case = open_case(page, case_site, route="attended")
    with case_site.held(case) as (session, row):
        code = continuation.issue(case_site.core, session, row, "acc_TEST")
    page.fill("#code", "WRON-GWRO-NGWRO")
    page.click("form[action^='/code'] button")
    page.wait_for_selector("[role=alert]")
    page.fill("#code", code)
    page.click("form[action^='/code'] button")
    page.wait_for_url("**/case*")
    assert case_site.state(case) == "review"


def test_that_was_not_me(browser, case_site) -> None:
    impostor, owner = new_page(browser(CAMERA)), new_page(browser(CAMERA))
    case = open_case(impostor, case_site)
    impostor.click("form[action^='/case/record'] button")
    impostor.wait_for_url("**/r/*")
    tap(impostor, "agree")
    screen(impostor, "prepare")
    told = case_site.ask("GET", f"/v1/cases/{case['id']}/notices")["notices"][0]["email"]["body"]
    stop = re.search(r"http\S+/n/\S+", told)[0]
    owner.goto(stop)
    # A scanner of links that opens it does nothing.
    assert case_site.state(case) == "open"
    owner.click("main button")
    owner.wait_for_selector(f"h1:text-is({words('not_me.done_title')!r})")
    assert case_site.state(case) == "frozen"
    assert owner.locator("time").count() == 1
    # The impostor's camera leads nowhere, and the case is closed to them.
    tap(impostor, "camera")
    impostor.wait_for_selector("[data-mode=camera]", timeout=20_000)
    tap(impostor, "record")
    screen(impostor, "problem")
    tap(impostor, "retry")
    screen(impostor, "outcome")
    assert impostor.text_content("#outcome-title") == words("outcome.canceled.title")
    impostor.goto(f"{case_site.url}/case")
    assert impostor.text_content("h1") == words("problem.session_missing.title")
    last = case_site.ask("GET", f"/v1/cases/{case['id']}/notices")["notices"][-1]
    assert last["state"] == "frozen"
    owner.goto(re.search(r"http\S+/c/\S+", last["email"]["body"])[0])
    owner.click("main button")
    owner.wait_for_url("**/case*")
    assert owner.text_content("h1") == words("case.state.frozen.title")


@pytest.mark.parametrize("locale", ["en", "ar"])
def test_by_the_link_of_an_attempt_another_way_is_taken_before_agreeing(browser, case_site, locale) -> None:
    page = new_page(browser(CAMERA))
    case, made = direct(case_site, locale=locale)
    page.goto(made["link"])
    assert page.get_attribute("html", "dir") == ("rtl" if locale == "ar" else "ltr")
    page.click("[data-screen=consent] .fold > summary")
    for way in ("no_gesture", "photosensitive", "minor", "no_face", "attended"):
        assert page.get_by_text(words(f"case.route.{way}.title", locale), exact=True).is_visible()
    tap(page, "ways")
    page.wait_for_url("**/case?locale=*")
    # They are unfolded, in this language, and no script could read whose case it is.
    assert page.locator("#all-ways").is_visible()
    assert page.text_content("h1") == words("case.state.open.title", locale)
    assert "idverify" not in page.evaluate("document.cookie")
    page.click("button[value=photosensitive]")
    # The service's photo is needed, hence its attempt goes on: nobody waits for another link.
    page.click("form[action^='/case/record'] button")
    case_site.says("accept")
    record(page)
    assert page.text_content("#outcome-title") == words("outcome.accepted.title", locale)
    found = case_site.ask("GET", f"/v1/cases/{case['id']}")
    assert (found["state"], found["route"]) == ("accepted", "photosensitive")
    assert [each["id"] for each in found["attempts"]] == [made["id"]]


def test_by_the_link_of_an_attempt_a_failed_recording_leads_to_the_other_ways(browser, case_site) -> None:
    page = new_page(browser(CAMERA))
    case, made = direct(case_site)
    page.add_init_script(
        "const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices); let first = true;"
        "navigator.mediaDevices.getUserMedia = (wanted) => first ? ((first = false),"
        " Promise.reject(new DOMException('', 'NotAllowedError'))) : ask(wanted);"
    )
    page.goto(made["link"])
    tap(page, "agree")
    screen(page, "prepare")
    assert page.locator("[data-screen=prepare] [data-do=ways]").is_visible()
    tap(page, "camera")
    screen(page, "problem")
    assert page.text_content("#problem-actions [data-do=ways]") == words("case.ways")
    assert not page.locator("#problem-actions .contact").count()
    case_site.says("reject", "no_match")
    tap(page, "retry")
    page.wait_for_selector("[data-mode=camera]", timeout=20_000)
    tap(page, "record")
    screen(page, "outcome", timeout_s=2 * RECORD_S)
    assert page.text_content("#outcome-title") == words("outcome.rejected.title")
    assert page.text_content("#outcome-actions") == words("case.ways")
    tap(page, "ways")
    page.wait_for_url("**/case?locale=*")
    assert page.locator("#all-ways").is_visible()
    page.click("button[value=attended]")
    page.wait_for_selector("form[action^='/code']")
    assert case_site.state(case) == "attended"


def test_that_was_not_me_shuts_out_whoever_came_by_the_link_of_an_attempt(browser, case_site) -> None:
    page = new_page(browser(CAMERA))
    case, made = direct(case_site)
    page.goto(made["link"])
    tap(page, "agree")
    screen(page, "prepare")
    case_site.ask("POST", f"/v1/cases/{case['id']}/not-me")
    tap(page, "ways")
    page.wait_for_url("**/case?locale=*")
    assert page.title() != words("case.state.open.title")
    assert not page.locator("#all-ways").count()

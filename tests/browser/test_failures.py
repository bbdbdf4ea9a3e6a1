"""Everything that goes wrong has its own words and a way on."""

from __future__ import annotations

import json

import pytest
from capture_page import CAMERA, agree_and_film, new_page, screen, tap, words


def problem(page) -> str:
    """The code whose words are shown."""
    screen(page, "problem")
    table = json.loads(page.text_content("#page-words"))["problem"]
    title = page.text_content("#problem-title")
    [code] = [code for code, entry in table.items() if entry["title"] == title]
    assert page.text_content("#problem-message") == table[code]["message"]
    assert page.evaluate("document.activeElement.id") == "problem-title"
    return code


def ways_on(page) -> list[str]:
    return page.eval_on_selector_all("#problem-actions [data-do]", "all => all.map((each) => each.dataset.do)")


def to_prepare(page, link: str) -> None:
    page.goto(link)
    tap(page, "agree")
    screen(page, "prepare")


def refusing(name: str) -> str:
    return f"navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', '{name}'))"


def test_a_refused_camera_can_be_allowed_and_tried_again(browser, service) -> None:
    launched = browser(CAMERA, "--use-fake-ui-for-media-stream=deny")
    page = new_page(launched)
    to_prepare(page, service.attempt()["link"])
    tap(page, "camera")
    assert problem(page) == "camera_refused"
    assert ways_on(page) == ["retry", "other_device"]
    page.evaluate("navigator.mediaDevices.getUserMedia = async () => document.createElement('canvas').captureStream()")
    tap(page, "retry")
    screen(page, "stage")


def test_no_camera(browser, service) -> None:
    page = new_page(browser())
    to_prepare(page, service.attempt(options={"file": True})["link"])
    tap(page, "camera")
    assert problem(page) == "camera_missing"
    assert ways_on(page) == ["other_device", "retry", "file"]


@pytest.mark.parametrize(
    ("name", "code"),
    [("NotReadableError", "camera_busy"), ("AbortError", "camera_busy"), ("OverconstrainedError", "camera_unsuited")],
)
def test_a_camera_that_cannot_be_used(page, service, name: str, code: str) -> None:
    page.add_init_script(refusing(name))
    to_prepare(page, service.attempt()["link"])
    tap(page, "camera")
    assert problem(page) == code


def test_a_browser_that_cannot_record_is_named_before_the_link_is_used_up(page, service) -> None:
    page.add_init_script("delete window.MediaRecorder")
    made = service.attempt()
    page.goto(made["link"])
    assert problem(page) == "browser_old"
    assert "copy_link" in ways_on(page)
    assert page.request.get(made["link"]).status == 200


def test_a_page_inside_another_app_is_told_to_leave_it(browser, service) -> None:
    agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Instagram 300.0"
    page = new_page(browser(CAMERA), user_agent=agent)
    page.add_init_script("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    page.goto(service.attempt()["link"])
    assert problem(page) == "browser_in_app"
    assert ways_on(page)[0] == "copy_link"


def test_a_page_in_the_background_asks_for_one_more_recording(page, service) -> None:
    agree_and_film(page, service.attempt()["link"])
    tap(page, "record")
    page.wait_for_selector("[data-mode=recording]")
    page.evaluate(
        "Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    assert problem(page) == "background"
    page.evaluate("Object.defineProperty(document, 'hidden', { value: false })")
    tap(page, "record_again")
    screen(page, "prepare")


def test_a_camera_that_goes_away(page, service) -> None:
    agree_and_film(page, service.attempt()["link"])
    page.evaluate("document.getElementById('video').srcObject.getVideoTracks()[0].dispatchEvent(new Event('ended'))")
    assert problem(page) == "camera_stopped"


def test_stopping_is_always_possible(page, service) -> None:
    agree_and_film(page, service.attempt()["link"])
    tap(page, "record")
    tap(page, "stop")
    assert problem(page) == "stopped"
    assert not page.evaluate("Boolean(document.getElementById('video').srcObject)")


def test_no_connection_at_the_first_tap_loses_nothing(page, service) -> None:
    page.goto(service.attempt()["link"])
    page.context.set_offline(True)
    tap(page, "agree")
    assert problem(page) == "offline"
    page.context.set_offline(False)
    tap(page, "retry")
    screen(page, "prepare")


def test_a_connection_that_stays_away_ends_the_recording_kindly(page, service) -> None:
    agree_and_film(page, service.attempt()["link"])
    tap(page, "record")
    page.wait_for_selector("#count:not(:empty)", timeout=20_000)
    page.context.set_offline(True)
    page.wait_for_selector("#line-note:not(:empty)")
    assert page.text_content("#line-note") == words(page, "recording.offline")
    screen(page, "problem", timeout_s=30)
    assert problem(page) in ("no_steps", "recording_late")
    page.context.set_offline(False)
    tap(page, "record_again")
    screen(page, "prepare")


def test_a_link_is_used_once(page, browser, service) -> None:
    link = service.attempt()["link"]
    to_prepare(page, link)
    other = new_page(browser(CAMERA))
    answer = other.goto(link)
    assert answer.status == 410
    assert "opened before" in other.text_content("h1")
    # Whoever opened it can load it again.
    page.reload()
    screen(page, "prepare")


def test_two_browsers_at_once_cannot_both_open_a_link(page, browser, service) -> None:
    link = service.attempt()["link"]
    other = new_page(browser(CAMERA))
    other.goto(link)
    to_prepare(page, link)
    tap(other, "agree")
    assert problem(other) == "link_used"


def test_looking_at_a_link_uses_nothing_up(page, service) -> None:
    link = service.attempt()["link"]
    for _ in range(3):
        assert page.request.get(link).status == 200
    to_prepare(page, link)


def test_an_unknown_link(page, service) -> None:
    answer = page.goto(f"{service.url}/r/{'Z' * 26}")
    assert answer.status == 404
    assert "not known" in page.text_content("h1")


def test_a_link_that_has_run_out(page, service) -> None:
    link = service.attempt()["link"]
    page.clock.install()
    page.goto(link)
    tap(page, "agree")
    screen(page, "prepare")
    page.clock.fast_forward("29:00")
    page.wait_for_selector("#time-left:not([hidden])")
    page.clock.fast_forward("02:00")
    assert problem(page) == "link_expired"


def test_an_attempt_that_was_called_off(page, service) -> None:
    made = service.attempt()
    to_prepare(page, made["link"])
    service.ask("POST", f"/v1/attempts/{made['id']}/cancel")
    page.reload()
    page.wait_for_selector("h1:visible")
    assert "called off" in page.text_content("h1 >> visible=true")


def test_deleted_cookies(page, service) -> None:
    to_prepare(page, service.attempt()["link"])
    page.context.clear_cookies()
    tap(page, "other_device")
    assert problem(page) == "session_missing"


def test_refusing_records_nothing_and_uses_nothing_up(page, service) -> None:
    made = service.attempt()
    page.goto(made["link"])
    tap(page, "refuse")
    screen(page, "refused")
    assert service.ask("GET", f"/v1/attempts/{made['id']}")["state"] == "requires_input"
    tap(page, "consent")
    tap(page, "agree")
    screen(page, "prepare")


def test_a_file_that_is_no_video(page, service, tmp_path) -> None:
    page.add_init_script(refusing("NotReadableError"))
    to_prepare(page, service.attempt(options={"file": True})["link"])
    tap(page, "camera")
    tap(page, "file")
    (tmp_path / "empty.mp4").write_bytes(b"")
    page.set_input_files("#file", tmp_path / "empty.mp4")
    assert problem(page) == "file_unfit"

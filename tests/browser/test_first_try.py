"""The newcomer's way: a photo of oneself, then the capture page."""

from __future__ import annotations

import pytest
from capture_page import SAMPLES, screen, tap
from PIL import Image


def test_a_photo_leads_to_the_capture_page(page, service) -> None:
    page.goto(service.demo)
    page.set_input_files("#photo", SAMPLES / "reference.jpg")
    page.click("button.primary")
    page.wait_for_url("**/r/*")
    tap(page, "agree")
    screen(page, "prepare")


@pytest.mark.parametrize("content", [b"no photo at all", b""], ids=["no photo", "empty"])
def test_what_is_no_photo_is_said_so_and_can_be_chosen_again(page, service, tmp_path, content: bytes) -> None:
    (tmp_path / "photo.jpg").write_bytes(content)
    page.goto(service.demo)
    page.set_input_files("#photo", tmp_path / "photo.jpg")
    page.click("button.primary")
    page.wait_for_selector("[role=alert]")
    assert "not a photo" in page.text_content("[role=alert]")
    page.set_input_files("#photo", SAMPLES / "reference.jpg")
    page.click("button.primary")
    page.wait_for_url("**/r/*")


def test_a_photo_without_a_face_is_refused_kindly(page, service, tmp_path) -> None:
    Image.new("RGB", (640, 480), (90, 120, 150)).save(tmp_path / "sky.jpg")
    page.goto(service.demo)
    page.set_input_files("#photo", tmp_path / "sky.jpg")
    page.click("button.primary")
    page.wait_for_selector("[role=alert]")
    assert "face" in page.text_content("[role=alert]")

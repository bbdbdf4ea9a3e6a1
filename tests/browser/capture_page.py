"""How a test uses the capture page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from footage import Footage

from idverify.challenge import Action

SAMPLES = Path(__file__).parents[2] / "samples"

# --no-sandbox: as root, in a container. The fake camera answers for the person and for the device.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-ui-for-media-stream",
]  # fmt: skip
CAMERA = "--use-fake-device-for-media-stream"


def new_page(launched, **context: object):
    """A page whose script errors fail the test."""
    context = {"viewport": {"width": 360, "height": 640}, **context}
    made = launched.new_context(**context).new_page()
    made.on("pageerror", lambda error: pytest.fail(f"script error: {error}"))
    return made


def screen(page, name: str, *, timeout_s: float = 20.0) -> None:
    """Wait until a screen is shown."""
    page.wait_for_selector(f"[data-screen={name}]:not([hidden])", timeout=1_000 * timeout_s)


def wait_until_sent(page, *, timeout_s: float) -> None:
    """Wait until everything has been sent; who judges quickly leaves no time to see that it is being checked."""
    shown = [f"[data-screen={name}]:not([hidden])" for name in ("checking", "outcome")]
    page.wait_for_selector(", ".join(shown), timeout=1_000 * timeout_s)


def tap(page, what: str) -> None:
    """Tap the visible button that does something."""
    page.click(f"[data-do={what}] >> visible=true")


def agree_and_film(page, link: str) -> None:
    """From the link to the camera's picture."""
    page.goto(link)
    tap(page, "agree")
    start_camera(page)


def start_camera(page) -> None:
    """From what is to be prepared to the camera's picture."""
    screen(page, "prepare")
    tap(page, "camera")
    page.wait_for_selector("[data-mode=camera]", timeout=20_000)


def words(page, path: str) -> str:
    """The page's words by dotted name."""
    found = json.loads(page.text_content("#page-words"))
    for key in path.split("."):
        found = found[key]
    return found


def cannot(footage: Footage) -> dict:
    """Options that leave out what the footage does not show, as for a person who cannot do it."""
    return {"avoid": sorted(action.value for action in Action if action.value not in footage.movements)}


def scripted(browser, footage: Footage, **script: object):
    """A page whose camera is the footage."""
    page = new_page(browser(CAMERA))
    film = b"".join(footage.pictures)
    page.route("**/scripted/footage", lambda route: route.fulfill(body=film, content_type="application/octet-stream"))
    source = (Path(__file__).parent / "scripted_camera.js").read_text("utf-8")
    page.add_init_script(footage.script(source, **script))
    return page

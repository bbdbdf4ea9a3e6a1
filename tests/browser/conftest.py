"""A real Chromium before a real service: both are started here, and both listen to this machine only.

Skipped, with the reason, where Chromium, Playwright or the service's packages are absent.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from capture_page import CAMERA, FLAGS, SAMPLES, new_page
from footage import Footage, cut

CHROMIUM = os.environ.get("IDVERIFY_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")

START_S, DECIDE_S = 60.0, 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service: its address, a key to ask it with, and the page for a first try."""

    url: str
    key: str
    demo: str

    def ask(self, method: str, path: str, body: object = None) -> dict:
        """One request of the calling service."""
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", f"Bearer {self.key}")
        data = None
        if body is not None:
            request.add_header("Content-Type", "application/json")
            data = json.dumps(body).encode()
        with urllib.request.urlopen(request, data, timeout=60) as answer:
            return json.load(answer)

    def attempt(self, photo: Path | bytes = SAMPLES / "reference.jpg", **more: object) -> dict:
        """A new attempt: its ``id`` and its ``link``."""
        content = photo if isinstance(photo, bytes) else photo.read_bytes()
        return self.ask("POST", "/v1/attempts", {"reference_photo": base64.b64encode(content).decode(), **more})

    def decided(self, attempt_id: str) -> dict:
        """The attempt, once its state is final."""
        until = time.monotonic() + DECIDE_S
        while time.monotonic() < until:
            found = self.ask("GET", f"/v1/attempts/{attempt_id}")
            if found["state"] not in ("requires_input", "recording", "processing"):
                return found
            time.sleep(0.3)
        raise AssertionError(f"not decided: {found}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    pytest.importorskip("idverify.service.serve", reason="the extra serve is not installed", exc_type=ImportError)
    port, log = _free_port(), tmp_path_factory.mktemp("log") / "service.log"
    command = [sys.executable, "-m", "idverify", "serve", "--data", str(tmp_path_factory.mktemp("data"))]
    with log.open("w") as out:
        process = subprocess.Popen([*command, "--port", str(port)], stdout=out, stderr=subprocess.STDOUT)
    try:
        said = _greeting(log, process)
        yield Service(url=f"http://127.0.0.1:{port}", key=said["key"], demo=said["demo"])
    finally:
        process.terminate()
        process.wait(timeout=20)


def _greeting(log: Path, process: subprocess.Popen) -> dict[str, str]:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        found = re.search(r"^\s*key\s+(?P<key>\S+).*(?P<demo>http\S+/demo/\S+)", log.read_text(), re.M | re.S)
        if found:
            return found.groupdict()
        time.sleep(0.1)
    raise AssertionError(f"the service did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def playwright() -> Iterator[object]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def chromiums(playwright) -> Iterator[dict[tuple[str, ...], object]]:
    """Every Chromium that runs, by its flags."""
    started: dict[tuple[str, ...], object] = {}
    yield started
    for each in started.values():
        each.close()


@pytest.fixture
def browser(playwright, chromiums) -> Iterator[Callable]:
    """A Chromium with flags, started once; what a test opens in it is its own, and ends with it."""

    def running(*flags: str):
        if flags not in chromiums or not chromiums[flags].is_connected():
            chromiums[flags] = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        return chromiums[flags]

    yield running
    for each in chromiums.values():
        for context in each.contexts:
            context.close()


@pytest.fixture
def page(browser) -> object:
    """A page of a small phone with a camera that shows Chromium's own test picture."""
    return new_page(browser(CAMERA))


@pytest.fixture(scope="session")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], str]:
    """Turn a clip into a fake camera: the flag that plays it, over and over, as Motion JPEG of 640 by 480."""
    import av

    folder = tmp_path_factory.mktemp("camera")

    def convert(clip: Path) -> str:
        made = folder / f"{clip.stem}.mjpeg"
        if not made.exists():
            with av.open(str(clip)) as source, av.open(str(made), "w", format="mjpeg") as target:
                stream = target.add_stream("mjpeg", rate=30)
                stream.width, stream.height, stream.pix_fmt = 640, 480, "yuvj420p"
                stream.codec_context.qmin = stream.codec_context.qmax = 3
                for number, frame in enumerate(source.decode(video=0)):
                    cropped = _cropped(frame.to_image())
                    taken = av.VideoFrame.from_image(cropped)
                    taken.pts = number
                    target.mux(stream.encode(taken))
                target.mux(stream.encode(None))
        return f"--use-file-for-fake-video-capture={made}"

    return convert


@pytest.fixture(scope="session")
def footage(shared_data: Path) -> Footage:
    """A person who turns, raises and lowers the head."""
    found = cut(shared_data / "selfies/videos/td_d5131267_phone.MOV")
    assert found.movements == {"turn_left", "turn_right", "look_up", "look_down"}
    return found


@pytest.fixture
def photo(shared_data: Path) -> Path:
    """Another picture of the same person."""
    return shared_data / "selfies/references/td_d5131267_selfie.jpg"


def _cropped(image, width: int = 640, height: int = 480):
    scale = max(width / image.width, height / image.height)
    large = image.resize((round(image.width * scale), round(image.height * scale)))
    left, top = (large.width - width) // 2, (large.height - height) // 2
    return large.crop((left, top, left + width, top + height))


@pytest.fixture(scope="session")
def case_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A service whose judge is the test."""
    pytest.importorskip("idverify.service.serve", reason="the extra serve is not installed", exc_type=ImportError)
    from case_site import CaseSite

    made = CaseSite(tmp_path_factory.mktemp("cases"), _free_port())
    yield made
    made.close()

"""How soon the answer to a request is here over a slow connection: 400 kbit/s and 400 ms, emulated by Chromium.

``pytest -s tests/browser/test_slow_connection.py`` prints the figures. The server measures by its own clock: from the
moment when a request's time is up to the arrival of the piece that holds it; a request's time begins when it is sent.
"""

from __future__ import annotations

import statistics
import time

import pytest
from capture_page import CAMERA, agree_and_film, new_page, tap

KBIT_S, LATENCY_MS = 400, 400
RECORD_S = 120.0


@pytest.mark.parametrize("picture", ["the browser's test picture", "a real person"])
def test_answers_arrive_in_time_over_a_slow_connection(browser, service, filmed, request, picture: str) -> None:
    flags = [CAMERA]
    if picture == "a real person":
        flags.append(filmed(request.getfixturevalue("shared_data") / "selfies/videos/td_d5131267_phone.MOV"))
    page = new_page(browser(*flags))
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": LATENCY_MS,
            "downloadThroughput": KBIT_S * 1000 / 8,
            "uploadThroughput": KBIT_S * 1000 / 8,
        },
    )
    began = time.monotonic()
    made = service.attempt(policy="recovery")
    agree_and_film(page, made["link"])
    ready_s = time.monotonic() - began
    sent: list[int] = []
    page.on(
        "request",
        lambda sent_now: sent.append(len(sent_now.post_data_buffer or b"")) if "/chunks/" in sent_now.url else None,
    )
    tap(page, "record")
    page.wait_for_selector("[data-screen=checking]:not([hidden])", timeout=1_000 * RECORD_S)
    latencies = service.decided(made["id"])["capture"]["latencies_s"]
    print(
        f"{picture}, {KBIT_S} kbit/s, {LATENCY_MS} ms: link to camera {ready_s:.1f} s; {len(sent)} pieces, "
        f"{sum(sent) / 1000:.0f} kB; "
        f"from the end of a request's time to the arrival of its answer: median {statistics.median(latencies):.2f} s, "
        f"longest {max(latencies):.2f} s of {len(latencies)}"
    )
    # The bit rate leaves room, or each piece would come later than the one before.
    assert max(latencies) < 5.0
    assert 8 * max(sent[1:-1]) / 1000 < KBIT_S

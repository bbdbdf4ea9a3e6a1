"""Live hints: what the page sees by itself, and the small grey picture that it asks the server about."""

from __future__ import annotations

import io

import pytest
from capture_page import CAMERA, SAMPLES, agree_and_film, new_page, words
from PIL import Image

WIDTH, HEIGHT = 64, 48
MAX_PICTURE_BYTES = 8192

# A function of (x, y) for the picture before and one for the picture now; the oval is in the middle.
TEXTURE = "40 * ((x + y) % 2)"
SCENES = {
    "ok": (f"100 + {TEXTURE}", f"100 + {TEXTURE}"),
    "too_dark": (f"5 + {TEXTURE} / 2", f"5 + {TEXTURE} / 2"),
    "too_bright": ("255 - 10 * (x % 2)", "255 - 10 * (x % 2)"),
    "backlit": ("inside ? 50 + 10 * (x % 2) : 220", "inside ? 50 + 10 * (x % 2) : 220"),
    "moving": (f"100 + {TEXTURE}", f"140 + {TEXTURE}"),
    "blurred": ("100 + y", "100 + y"),
}
JUDGE = """async ([module, before, now]) => {
  const { judge } = await import(module);
  const picture = (law) => Uint8Array.from({ length: 64 * 48 }, (_, i) => {
    const [x, y] = [i % 64, Math.floor(i / 64)];
    const inside = ((x - 31.5) / 12) ** 2 + ((y - 23) / 19) ** 2 <= 1.1;
    return law(x, y, inside);
  });
  const scenes = {LAWS};
  return judge(picture(scenes[now]), picture(scenes[before])) ?? "ok";
}"""


@pytest.mark.parametrize("hint", SCENES)
def test_what_the_page_sees_by_itself(page, service, hint: str) -> None:
    page.goto(service.attempt()["link"])
    script = page.locator("script[type=module]").evaluate("element => element.src")
    laws = ", ".join(f'"{when}": (x, y, inside) => {law}' for when, law in zip("ab", SCENES[hint], strict=True))
    module = script.replace("capture.js", "hints.js")
    assert page.evaluate(JUDGE.replace("LAWS", laws), [module, "a", "b"]) == hint


def test_the_picture_for_the_server_is_small_and_grey_and_leaves_only_after_consent(browser, service, filmed) -> None:
    page = new_page(browser(CAMERA, filmed(SAMPLES / "photo_panned.mp4")))
    sent, agreed = [], []
    page.on("request", lambda each: agreed.append(len(sent)) if each.url.endswith("/consent") else None)
    page.on("response", lambda each: sent.append(each) if each.url.endswith("/capture/hint") else None)
    agree_and_film(page, service.attempt()["link"])
    page.wait_for_selector("#viewfinder[data-hint]", timeout=20_000)
    while len(sent) < 2:
        page.wait_for_timeout(200)
    assert agreed == [0]
    for answer in sent:
        assert answer.status == 200
        content = answer.request.post_data_buffer
        assert len(content) <= MAX_PICTURE_BYTES
        with Image.open(io.BytesIO(content)) as picture:
            assert picture.size == (160, 120)
            red, green, blue = picture.convert("RGB").resize((8, 6)).split()
            assert max(abs(a - b) for a, b in zip(red.tobytes(), blue.tobytes(), strict=True)) <= 4
            assert max(abs(a - b) for a, b in zip(red.tobytes(), green.tobytes(), strict=True)) <= 4
    hint = page.get_attribute("#viewfinder", "data-hint")
    assert page.text_content("#hint") == words(page, f"hint.{hint}")

"""The page is self-contained, escaped, and written in one step."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import builders
import numpy as np
import pytest

from idverify.report import plots
from idverify.report.html import to_html, write_html

DECISIONS = [builders.decision, builders.still_photo, builders.too_dark, builders.unsafe_match]
VOID = {"meta", "br", "img", "link", "input", "hr"}


class _Page(HTMLParser):
    """Collects elements, and fails on one that is not closed where it was opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("make", DECISIONS)
def test_the_page_needs_nothing_from_outside_and_runs_nothing(make: object) -> None:
    text = to_html(builders.with_face_images(make()))  # type: ignore[operator]
    page = _Page(text)
    names = {name for name, _ in page.elements}
    assert names.isdisjoint({"script", "iframe", "link", "object", "embed", "form", "img"})
    addresses = [a[k] for _, a in page.elements for k in ("href", "src") if a.get(k)]
    assert len(addresses) == 2
    assert all(str(address).startswith("data:image/jpeg;base64,") for address in addresses)
    handlers = [key for _, a in page.elements for key in a if key.startswith("on") or key == "style"]
    assert handlers == []
    assert "url(" not in text
    assert "@import" not in text


def test_the_content_security_policy_names_the_style_that_is_there() -> None:
    text = to_html(builders.decision())
    style = re.search(r"<style>(.*)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    assert f"content=\"default-src 'none'; style-src 'sha256-{digest}'; img-src data:\"" in text


def test_text_from_outside_is_escaped() -> None:
    hostile = "<script>alert(1)</script>\"'&"
    signal = builders.stillness(detail=hostile, unit=hostile, name=hostile)
    decision = builders.decision(
        warnings=(hostile,), injection_signals=(signal,), quality={hostile: 5.0}, timing_ms={hostile: 1.0}
    )
    text = to_html(decision)
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 6
    _Page(text)


def test_an_unsafe_policy_is_marked_before_anything_else_is_explained() -> None:
    text = to_html(builders.unsafe_match())
    assert text.index("UNSAFE POLICY") < text.index("What decided it")
    assert text.index("NO LIVENESS WAS CHECKED") < text.index("What decided it")
    assert "UNSAFE" not in to_html(builders.decision())


@pytest.mark.parametrize("make", DECISIONS)
def test_the_page_says_what_is_not_decided(make: object) -> None:
    assert "What this does not decide" in to_html(make())  # type: ignore[operator]


def test_the_same_decision_gives_the_same_page() -> None:
    shown = builders.with_face_images(builders.decision())
    assert to_html(shown) == to_html(shown)


def test_writing_replaces_the_old_page_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    write_html(builders.decision(), path)
    assert path.read_text("utf-8") == to_html(builders.decision())
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_keeps_the_old_page_and_leaves_no_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr("idverify.report.html.to_html", lambda decision: (_ for _ in ()).throw(MemoryError))
    with pytest.raises(MemoryError):
        write_html(builders.decision(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def _points(svg: str) -> np.ndarray:
    path = ElementTree.fromstring(svg).find("path[@class='line']")
    assert path is not None
    return np.array(re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path.attrib["d"]), float)


def test_a_line_goes_up_where_the_signal_does_and_time_runs_to_the_right() -> None:
    points = _points(plots.line([0, 1, 2.5], [0.0, 1.0, 5.0], "t"))
    assert (np.diff(points[:, 0]) > 0).all()
    assert (np.diff(points[:, 1]) < 0).all()
    # Uneven times stay uneven.
    assert np.diff(points[:, 0])[1] == pytest.approx(1.5 * np.diff(points[:, 0])[0], rel=0.01)


def test_a_gap_lifts_the_pen() -> None:
    svg = plots.line([0, 1, 2, 3, 4], [1, 2, np.nan, 2, 1], "t")
    path = ElementTree.fromstring(svg).find("path[@class='line']")
    assert path is not None
    assert path.attrib["d"].count("M") == 2


def test_a_spike_of_one_frame_in_a_long_signal_is_still_drawn() -> None:
    values = np.zeros(9000)
    values[4321] = 1.0
    points = _points(plots.line(np.arange(9000) / 30, values, "t"))
    assert len(points) <= 360
    assert points[:, 1].min() < points[:, 1].max() - 50


def test_a_signal_with_nothing_measured_draws_nothing() -> None:
    assert plots.line([], [], "t") == ""
    assert plots.line([0, 1], [np.nan, np.nan], "t") == ""


@pytest.mark.parametrize(("value", "width"), [(0, "0.0"), (250, "100.0"), (-4, "0.0"), (float("nan"), "0.0")])
def test_a_bar_stays_inside_its_track(value: float, width: str) -> None:
    assert f'class="fill" width="{width}"' in plots.bar(value, "t")


def test_a_picture_carries_its_landmarks_and_small_bytes() -> None:
    image = np.zeros((2000, 3000, 3), np.uint8)
    svg = plots.picture(image, np.tile(np.float32([[10.4, 20.6]]), (468, 1)), "t")
    assert svg.count("M10 21h0") == 468
    assert 'viewBox="0 0 3000 2000"' in svg
    assert len(svg) < 20_000

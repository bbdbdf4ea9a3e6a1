"""The page that ``--report`` writes, as a browser shows it."""

from __future__ import annotations

import builders
import pytest
from capture_page import new_page

from idverify.report.html import to_html


@pytest.mark.parametrize("width_px", [320, 360, 1280])
def test_a_report_needs_no_scrolling_to_the_side(browser, tmp_path, width_px) -> None:
    page = new_page(browser(), viewport={"width": width_px, "height": 740})
    written = tmp_path / "report.html"
    for decision in (builders.decision, builders.still_photo, builders.too_dark):
        written.write_text(to_html(decision()), "utf-8")
        page.goto(written.as_uri())
        # WCAG 2.2, 1.4.10: down to 320 px.
        assert page.evaluate("document.documentElement.scrollWidth") <= width_px

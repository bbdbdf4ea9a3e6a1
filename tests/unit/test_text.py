"""Text of others can be read and does nothing."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idverify.text import MAX_CHARACTERS, foreign, without_controls

HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# Surrogates included, as in names of files that are no text.
anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=300)


@given(anything)
def test_nothing_hidden_comes_through_and_the_length_is_bounded(text: str) -> None:
    shown = foreign(text)
    assert len(shown) <= MAX_CHARACTERS
    assert not {unicodedata.category(c) for c in shown} & HIDDEN
    assert not {unicodedata.category(c) for c in without_controls(text)} & HIDDEN


@given(st.text(st.characters(exclude_categories=sorted(HIDDEN)), max_size=MAX_CHARACTERS))
def test_what_can_be_read_stays_in_any_script(text: str) -> None:
    assert foreign(text) == text


@given(anything)
def test_shown_twice_is_shown_once(text: str) -> None:
    assert foreign(foreign(text)) == foreign(text)


@pytest.mark.parametrize(
    ("lie", "shown"),
    [
        ("\x1b[2J\x1b[1;1HACCEPT", "\\x1b[2J\\x1b[1;1HACCEPT"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202etpecca", "\\u202etpecca"),
        ("a\u2066b\u2069", "a\\u2066b\\u2069"),
        ("ok\r\nACCEPT", "ok\\r\\nACCEPT"),
        ("line\u2028two", "line\\u2028two"),
        ("\udc9b31m", "\\udc9b31m"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("x" * 1000, "x" * 199 + "…"),
    ],
)
def test_each_lie_is_visible(lie: str, shown: str) -> None:
    assert foreign(lie) == shown


def test_a_line_break_stays_only_where_it_is_asked_for() -> None:
    assert without_controls("a\nb\x1b", keep="\n") == "a\nb\\x1b"


def test_an_error_of_the_system_does_not_say_the_name_again() -> None:
    assert foreign(OSError(36, "File name too long", "n" * 5000)) == "File name too long"
    assert foreign(OSError("image file is truncated")) == "image file is truncated"

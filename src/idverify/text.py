"""The one way in for text that others wrote: file names, tags of containers, entries of files.

Goal: what a file or a caller says can be read and cannot do anything: no escape sequence reaches a terminal, no
bidirectional override reorders a line, no line break forges a line of a log, no length floods a screen.

Conventions: a character of the Unicode categories Cc (controls), Cf (format: bidirectional marks, joiners, tags), Cs
(surrogates, with which Python marks bytes that are no text), Zl or Zp (line and paragraph separators) is shown as the
escape that Python writes for it. Everything else stays as it is, in any script.

Public items: :func:`foreign`, :func:`without_controls`, :func:`markup`, :func:`visible`, :data:`MAX_CHARACTERS`.

References
----------
Unicode Technical Report 36, "Unicode Security Considerations"; Boucher and Anderson, "Trojan Source" (2021),
arXiv:2111.00169; ECMA-48 for the C1 controls that terminals obey.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

__all__ = ["MAX_CHARACTERS", "foreign", "markup", "visible", "without_controls"]

# Long enough for any honest file name or tag; a screen's line or two.
MAX_CHARACTERS = 200
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_ELLIPSIS = "…"
# Everything printable in ASCII: the usual text needs no look at single characters.
_PLAIN = re.compile(r"[ -~]*")


def foreign(value: object, *, limit: int = MAX_CHARACTERS) -> str:
    r"""Return a text of others as it may be shown: escapes visible, length bounded.

    Parameters
    ----------
    value
        A text, or what becomes one by ``str``, such as a path. An error of the system is shown without its number and
        the name of the file: the sentence around it says that name already.
    limit
        Characters at most, the ellipsis included.

    Examples
    --------
    >>> foreign("a\x1b[2Jb")
    'a\\x1b[2Jb'
    >>> foreign("name\u202egpj.exe")
    'name\\u202egpj.exe'
    """
    text = value.strerror if isinstance(value, OSError) and value.strerror else str(value)
    # An escape is longer than its character, so no more than `limit` characters can be needed.
    shown = without_controls(text[: limit + 1])
    if len(text) <= limit and len(shown) <= limit:
        return shown
    return shown[: limit - 1] + _ELLIPSIS


def without_controls(text: str, *, keep: str = "") -> str:
    r"""Return the text with every hidden character as a visible escape, however long.

    Parameters
    ----------
    text
        Words of this package that may hold others' words.
    keep
        Hidden characters that stay, such as a line break in a text of several lines.

    Examples
    --------
    >>> without_controls("one\ntwo\x9b", keep="\n")
    'one\ntwo\\x9b'
    """
    if _PLAIN.fullmatch(text):
        return text
    return "".join(c if c in keep else _visible(c) for c in text)


def markup(text: str) -> str:
    """Return the text for a page: hidden characters as visible escapes, and nothing that HTML reads as its own."""
    return html.escape(without_controls(text))


def visible(document: Any) -> Any:
    """Return a document of plain JSON types with every text as it may be shown; whoever reads it may print it."""
    if isinstance(document, str):
        return without_controls(document)
    if isinstance(document, Mapping):
        return {visible(key): visible(value) for key, value in document.items()}
    return [visible(item) for item in document] if isinstance(document, (list, tuple)) else document


@lru_cache(maxsize=4096)
def _visible(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape").decode("ascii")

"""The record of a case, or the whole audit chain, as a file: written, and read again.

A page for people holds the same JSON that a program reads, so that what is shown and what is proved are one file.

Public items: :func:`as_page`, :func:`as_json`, :func:`read`, :func:`shows`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from idverify.errors import ParameterError
from idverify.service.audit import FORMAT

__all__ = ["as_json", "as_page", "read", "shows"]

_TIMES = frozenset({"due_s", "wait_until_s"})
_EMBEDDED = re.compile(r'<script type="application/json" id="record">(.*?)</script>', re.DOTALL)


def as_page(record: Mapping[str, Any]) -> str:
    """One self-contained page of a case.

    Parameters
    ----------
    record
        As :func:`idverify.service.audit.export_case` gives it.
    """
    told = [
        {"number": entry["number"], **json.loads(entry["content"])}
        for entry in record["entries"]
        if entry["content"] is not None
    ]
    # Within a script element nothing is markup but what could end it.
    machine = Markup(as_json(record).replace("<", "\\u003c"))
    source = resources.files("idverify.service").joinpath("case_record.html").read_text("utf-8")
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(source)
    return template.render(record=record, told=told, machine=machine, moment=_moment, times=_TIMES)


def as_json(record: Mapping[str, Any]) -> str:
    """The same for a program."""
    return json.dumps(record, ensure_ascii=True, separators=(",", ":"), sort_keys=True) + "\n"


def read(text: str) -> dict[str, Any]:
    """What :func:`as_page` or :func:`as_json` wrote.

    Raises
    ------
    ParameterError
        It is neither.
    """
    embedded = _EMBEDDED.search(text)
    try:
        record = json.loads(embedded.group(1) if embedded else text)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or record.get("format") != FORMAT or not isinstance(record.get("entries"), list):
        raise ParameterError(f"the file is no record of an audit chain ({FORMAT})")
    case, key = record.get("case"), record.get("public_key")
    if not (case is None or isinstance(case, str)) or not isinstance(key, str):
        raise ParameterError(f"the file is no record of an audit chain ({FORMAT})")
    return record


def shows(text: str, record: Mapping[str, Any]) -> bool:
    """Whether what a person reads in a file is what its verified record says."""
    return _EMBEDDED.search(text) is None or text == as_page(record)


def _moment(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")

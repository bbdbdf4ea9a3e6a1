"""Projections of a decision: words, JSON and one self-contained HTML page.

The decision is the whole evidence; nothing here adds to it or judges it again. The page lives in
:mod:`idverify.report.html` and is imported only where one is written.

Public items: :func:`to_json`, :func:`load_schema`.
"""

from idverify.report.json import load_schema, to_json

__all__ = ["load_schema", "to_json"]

"""Report: a decision in; words, JSON or one self-contained HTML page out.

In: a :class:`~idverify.verification.decision.Decision`, which is the whole evidence. Out: projections of it; nothing
is added and nothing judged again.
Read :mod:`~idverify.report.words` first, then ``json`` and ``html``, which is imported only where a page is written.
"""

from idverify.report.json import load_schema, to_json

__all__ = ["load_schema", "to_json"]

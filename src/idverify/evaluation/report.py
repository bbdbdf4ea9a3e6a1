"""From scores to ``report.json``, ``report.md`` and ``report.html``.

The page is one file: style and plots are inside, nothing is loaded from elsewhere. All three are made from the scores
file and ``run.json`` alone, with the same bytes each time.

Public items: :func:`write_report`, :func:`to_markdown`, :func:`to_html`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from idverify.errors import ParameterError
from idverify.evaluation.document import Section, Table, sections
from idverify.evaluation.plots import plots
from idverify.evaluation.scores import read_scores, write_atomically
from idverify.evaluation.summary import summarise
from idverify.text import foreign, markup, without_controls

__all__ = ["read_run", "to_html", "to_markdown", "write_report"]

TITLE = "Evaluation of remote identity verification"
_STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; font-size: 14px }
th, td { border-bottom: 1px solid #8886; padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top }
figure { display: inline-block; margin: .5rem 1rem .5rem 0; background: #fff; color: #000; padding: .5rem }
figcaption { font-size: 13px }
svg { max-width: 100%; height: auto }
"""


def write_report(out: Path) -> Path:
    """Write the three reports of a run's folder.

    Returns
    -------
    Path
        ``report.json``.

    Raises
    ------
    ParameterError
        ``scores.csv`` or ``run.json`` is missing or damaged.
    """
    table = read_scores(out / "scores.csv")
    figures = summarise(table, read_run(out / "run.json"))
    document = sections(figures)
    write_atomically(out / "report.md", to_markdown(document))
    write_atomically(out / "report.html", to_html(document, plots(table, figures)))
    path = out / "report.json"
    write_atomically(path, json.dumps(figures, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def read_run(path: Path) -> dict[str, Any]:
    """What made the scores: version, policy and models.

    Raises
    ------
    ParameterError
        The file is missing or damaged.
    """
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ParameterError(f"{foreign(path)}: expected what made the scores, as JSON; got: {error}") from error
    if not isinstance(run, dict):
        raise ParameterError(f"{foreign(path)}: expected a JSON object, got {type(run).__name__}")
    return run


def to_markdown(document: Sequence[Section]) -> str:
    """The report as Markdown."""
    parts = [f"# {TITLE}"]
    for section in document:
        parts += [f"## {section.title}", section.text]
        parts += [_markdown_table(table) for table in section.tables]
    return "\n\n".join(parts) + "\n"


def _markdown_table(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(without_controls(cell).replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(table.header), line(["---"] * len(table.header)), *map(line, table.rows)])


def to_html(document: Sequence[Section], drawn: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """The report as one page.

    Parameters
    ----------
    document
    drawn
        Section key -> ``(caption, SVG)``.
    """
    body = [f"<h1>{TITLE}</h1>"]
    if not drawn:
        body.append(
            "<p>No plots: they need eval trials of both classes, and <code>pip install matplotlib</code>.</p>"
        )
    for section in document:
        body += [f"<section><h2>{markup(section.title)}</h2>", f"<p>{markup(section.text)}</p>"]
        body += [_html_table(table) for table in section.tables]
        body += [_figure(caption, svg) for caption, svg in drawn.get(section.key, ())]
        body.append("</section>")
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{TITLE}</title><style>{_STYLE}</style>"
    )
    return "\n".join(['<!doctype html><html lang="en"><head>', head, "</head><body>", *body, "</body></html>"]) + "\n"


def _html_table(table: Table) -> str:
    head = "".join(f"<th>{markup(cell)}</th>" for cell in table.header)
    rows = ("<tr>" + "".join(f"<td>{markup(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _figure(caption: str, svg: str) -> str:
    return f"<figure>{svg}<figcaption>{markup(caption)}</figcaption></figure>"

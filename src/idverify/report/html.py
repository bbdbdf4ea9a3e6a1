"""Decision -> one self-contained HTML page.

Goal: a page that can be kept as evidence: no script, no external resource, and a content security policy that
forbids both. Every text is escaped; pictures are ``data:`` addresses; plots are inline SVG; dark and light both work.

Public items: :func:`to_html`, :func:`write_html`.
"""

from __future__ import annotations

import base64
import hashlib
import math
import os
import tempfile
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path

from idverify.pad.evidence import PADEvidence
from idverify.report import plots
from idverify.report.words import (
    NOT_DECIDED,
    class_words,
    findings,
    headline,
    mechanism_finding,
    name_words,
    needed_words,
    probability_words,
    reached_words,
    tone_of,
    warnings,
)
from idverify.text import markup
from idverify.verification.decision import Decision

__all__ = ["to_html", "write_html"]


def to_html(decision: Decision) -> str:
    """Project a decision onto one self-contained page.

    Parameters
    ----------
    decision : Decision
        Pictures are shown where it has face_images.

    Returns
    -------
    str
        The same decision gives the same page, byte for byte.
    """
    sections = (
        _header(decision),
        _warnings(decision),
        _findings(decision),
        _gallery(decision),
        _quality(decision),
        _classes(decision),
        _evidence("Liveness, mechanism by mechanism", decision.liveness.mechanisms if decision.liveness else ()),
        _evidence("Signs of tampering", decision.injection_signals),
        _thresholds(decision),
        _provenance(decision),
        _list("What this does not decide", NOT_DECIDED),
    )
    css = resources.files("idverify.report").joinpath("page.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>idverify: {markup(decision.outcome.value)}</title>\n<style>{css}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(filter(None, sections))
        + f"\n<footer><p>idverify {markup(decision.idverify_version)}. This page may show a person's face: "
        "keep it, and delete it, as biometric data.</p></footer>\n</main>\n</body>\n</html>\n"
    )


def write_html(decision: Decision, path: Path) -> None:
    """Write the page in one step: a reader sees the old file or the new one, never a half.

    Parameters
    ----------
    decision : Decision
    path : Path
        An existing file is replaced. Only its owner may read the new one: it shows a face.

    Raises
    ------
    OSError
        The folder cannot be written to.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(to_html(decision))
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _header(decision: Decision) -> str:
    said = "".join(f"<p>{markup(reason.sentence)}</p>" for reason in decision.reasons)
    _, _, confidence = headline(decision).partition("  ")
    advice = _items(decision.guidance)
    todo = f"<h2>What to do next</h2>{advice}" if decision.guidance else ""
    return (
        f'<header class="{tone_of(decision.outcome).value}"><h1>{decision.outcome.value.upper()}</h1>'
        f"<p>{markup(confidence.strip('()'))}</p>{said}{todo}</header>"
    )


def _warnings(decision: Decision) -> str:
    return "".join(f'<section class="warning" role="alert">{markup(text)}</section>' for text in warnings(decision))


def _findings(decision: Decision) -> str:
    rows = "".join(
        f'<tr class="{row.tone.value}"><th scope="row">{markup(row.label)}</th>'
        f'<td class="tone">{markup(row.text)}</td></tr>'
        for row in findings(decision)
    )
    match = decision.match
    scale = "" if match is None else plots.scale(match.similarity, match.threshold, "Similarity and what was needed")
    return f"<section><h2>What decided it</h2><table>{rows}</table>{scale}</section>"


def _gallery(decision: Decision) -> str:
    if not decision.face_images:
        return ""
    figures = "".join(
        f"<figure>{plots.picture(item.image_rgb, item.points_px, f'Face at {item.title}')}"
        f"<figcaption>{markup(item.title)}</figcaption></figure>"
        for item in decision.face_images
    )
    return f'<section><h2>Pictures used, with the landmarks found</h2><div class="gallery">{figures}</div></section>'


def _quality(decision: Decision) -> str:
    tables = [_bars("Video", decision.quality)]
    if decision.reference is not None:
        tables.append(_bars("Reference photo", decision.reference.quality))
    if not any(tables):
        return ""
    return (
        '<section><h2>Quality</h2><p class="soft">Component names of ISO/IEC 29794-5; 100 is best.</p>'
        f'<div class="columns">{"".join(tables)}</div></section>'
    )


def _bars(title: str, quality: Mapping[str, float]) -> str:
    if not quality:
        return ""
    rows = "".join(_bar_row(name_words(name), value) for name, value in quality.items())
    return f"<div><h3>{title}</h3><table>{rows}</table></div>"


def _bar_row(name: str, value: float) -> str:
    number = f"{value:.0f}" if math.isfinite(value) else "none"
    bar = plots.bar(value, f"{name}: {number} of 100")
    return f'<tr><td>{markup(name)}</td><td>{bar}</td><td class="number">{number}</td></tr>'


def _evidence(title: str, rows: Iterable[PADEvidence]) -> str:
    articles = "".join(_article(row) for row in rows)
    return f"<section><h2>{title}</h2>{articles}</section>" if articles else ""


def _article(evidence: PADEvidence) -> str:
    finding = mechanism_finding(evidence)
    native = "" if evidence.native is None else f"{evidence.native:.4g} "
    llr = "" if evidence.bona_fide_llr is None else f"; log-likelihood ratio {evidence.bona_fide_llr:+.2f}"
    return (
        f'<article class="{finding.tone.value}"><h3>{markup(finding.label)}</h3>'
        f'<p class="tone">{markup(finding.text)}</p>'
        f'<p class="soft">{markup(native + evidence.unit + llr)}</p>'
        f"{plots.line(evidence.times_s, evidence.values, f'{finding.label} over time')}</article>"
    )


def _classes(decision: Decision) -> str:
    if decision.liveness is None or not decision.liveness.classes:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("way to attack", "tested", "verdict", "looked at by"))
    rows = "".join(
        f'<tr><th scope="row">{markup(class_words(c.attack_class))}</th>'
        f"<td>{'tested' if c.tested else 'not tested'}</td><td>{name_words(c.verdict.value)}</td>"
        f"<td>{markup(', '.join(map(name_words, c.mechanisms)))}</td></tr>"
        for c in decision.liveness.classes
    )
    note = "What was not tested or not ruled out may still be true: an acceptance says nothing about it."
    return f'<section><h2>Ways to attack</h2><table><tr>{head}</tr>{rows}</table><p class="soft">{note}</p></section>'


def _thresholds(decision: Decision) -> str:
    rows = [("policy", decision.policy.name)]
    match = decision.match
    if match is not None:
        rows += [
            ("similarity needed", f"{match.threshold:.4f}: {needed_words(match)}"),
            ("similarity found", f"{match.similarity:.4f}: {reached_words(match)}"),
            ("match alone", f"{probability_words(match.probability)} probable; LLR {match.llr:+.2f}"),
        ]
    rows.append(
        (
            "log-likelihood ratio (LLR)",
            "0 says nothing; +2.3 means ten times likelier from the person, live; -2.3 ten times less likely",
        )
    )
    return f"<section><h2>Thresholds and what they mean</h2>{_table(rows)}</section>"


def _provenance(decision: Decision) -> str:
    models = [(model.name, f"{model.version}, {model.licence}, sha256 {model.sha256}") for model in decision.models]
    timing = [(name_words(name), f"{value:.0f} ms") for name, value in decision.timing_ms.items()]
    rows = [("policy " + decision.policy.name, f"sha256 {decision.policy.sha256}"), *models]
    card = decision.calibration
    if card is not None:
        rows.append(("calibration card", f"{card.data}, {card.date}, sha256 {card.sha256}"))
    return f"<section><h2>Models, policy and calibration</h2>{_table(rows, code=True)}</section>" + (
        f"<section><h2>Time taken</h2>{_table(timing)}</section>" if timing else ""
    )


def _table(rows: Iterable[tuple[str, str]], *, code: bool = False) -> str:
    before, after = ("<code>", "</code>") if code else ("", "")
    cells = "".join(
        f'<tr><th scope="row">{markup(name)}</th><td>{before}{markup(text)}{after}</td></tr>' for name, text in rows
    )
    return f"<table>{cells}</table>"


def _list(title: str, lines: Iterable[str]) -> str:
    return f"<section><h2>{title}</h2>{_items(lines)}</section>"


def _items(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{markup(line)}</li>' for line in lines)}</ul>"

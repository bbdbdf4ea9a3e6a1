"""What a person sees on a terminal: a small table on standard output.

Conventions: colour and bars only on a terminal; plain text when piped; ``NO_COLOR`` is honoured; every table folds to
the width there is. The words are :mod:`idverify.report.words`'s and the reasons' own.

Public items: :func:`show_decision`, :func:`show_inspection`, :func:`show`, :func:`console`, :func:`words`,
:func:`grid`, :func:`sparkline`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import ArrayLike
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from idverify.report.words import Tone, findings, headline, mechanism_finding, name_words, tone_of
from idverify.text import foreign, without_controls

if TYPE_CHECKING:
    from idverify.faces.tracking import FaceTrack
    from idverify.verification.decision import Decision
    from idverify.verification.verifier import Inspection

__all__ = ["console", "grid", "show", "show_decision", "show_inspection", "sparkline", "words"]

_STYLE = {Tone.FOR: "green", Tone.AGAINST: "red", Tone.NEUTRAL: ""}
_OUTCOME_STYLE = {Tone.FOR: "bold green", Tone.AGAINST: "bold red", Tone.NEUTRAL: "bold yellow"}
_BLOCKS = "▁▂▃▄▅▆▇█"
_SPARK_CELLS = 24


def console(*, stderr: bool = False) -> Console:
    """Open the terminal as it is now; nothing in the text is taken as markup or a path to highlight."""
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def show_decision(decision: Decision) -> None:
    """Print the outcome, why, what decided it, and what to do next; page and JSON hold all that was measured."""
    parts: list[Any] = [words(headline(decision), style=_OUTCOME_STYLE[tone_of(decision.outcome)])]
    parts += [words(reason.sentence) for reason in decision.reasons]
    found = findings(decision, brief=True)
    rows = [(words(row.label, style="bold"), words(row.text, style=_STYLE[row.tone])) for row in found]
    rows.append((Text("policy", style="bold"), words(decision.policy.name)))
    parts += [Text(), grid(rows)]
    if decision.guidance:
        parts += [Text(), Text("What to do next", style="bold")]
        parts += [Padding(words(line), (0, 0, 0, 2)) for line in decision.guidance]
    show(parts)


def show_inspection(inspection: Inspection) -> None:
    """Print the recording's facts, the tracks, and quality and signals over time; no verdict."""
    facts = [(words(name_words(key)), words(_fact(value))) for key, value in inspection.recording.items()]
    tracks = [
        (Text(f"{track.track_id}{' (subject)' if track.track_id == inspection.subject_id else ''}"), _track(track))
        for track in inspection.tracks
    ]
    quality = [
        (words(name_words(name)), words(_spread(values))) for name, (_, values) in inspection.quality.items()
    ]
    signals = [
        (words(row.label), words(_with_spread(row.text, evidence.values)))
        for row, evidence in ((mechanism_finding(evidence), evidence) for evidence in inspection.signals)
    ]
    parts: list[Any] = []
    titles = ("Recording", "Faces followed", "Quality over time, 0 to 100", "Signals; they give no verdict here")
    for title, rows in zip(titles, (facts, tracks, quality, signals), strict=True):
        parts += [Text(title, style="bold"), Padding(grid(rows or [(Text("none"), Text())]), (0, 0, 1, 2))]
    show(parts)


def show(parts: Sequence[Any]) -> None:
    """Print rich renderables on standard output, without the blanks that tables are padded with."""
    out = console()
    with out.capture() as capture:
        out.print(Group(*parts))
    click.echo("\n".join(text.rstrip() for text in capture.get().splitlines()), color=out.is_terminal)


def grid(rows: Sequence[tuple[Text, ...]]) -> Table:
    """Lay rows out in columns without borders; the last column folds."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for index in range(len(rows[0])):
        table.add_column(overflow="fold", no_wrap=False, ratio=None if index == 0 else 1)
    for row in rows:
        table.add_row(*row)
    return table


def sparkline(values: ArrayLike) -> str:
    """Draw a series as a row of blocks; a gap is a space.

    Parameters
    ----------
    values : array_like [shape=(n,)]
        NaN where not measured.

    Examples
    --------
    >>> sparkline([0.0, 1.0, float("nan"), 7.0])
    '▁▂ █'
    """
    series = np.asarray(values, dtype=np.float64)
    if series.size > _SPARK_CELLS:
        picks = np.linspace(0, series.size - 1, _SPARK_CELLS).round().astype(int)
        series = series[picks]
    known = series[np.isfinite(series)]
    if known.size == 0:
        return ""
    low, span = known.min(), max(np.ptp(known), 1e-12)
    return "".join(_BLOCKS[int((v - low) / span * 7)] if np.isfinite(v) else " " for v in series)


def words(text: str, style: str = "") -> Text:
    """Words as a terminal may have them: what a file says does nothing to it."""
    return Text(without_controls(text), style=style)


def _track(track: FaceTrack) -> Text:
    if len(track) == 0:
        return Text("empty")
    widths = track.bboxes_xyxy_px[:, 2] - track.bboxes_xyxy_px[:, 0]
    yaw = track.yaw_pitch_roll_deg[:, 0]
    return Text(
        f"{len(track)} frames from {track.times_s[0]:.1f} to {track.times_s[-1]:.1f} s, "
        f"face {np.median(widths):.0f} px wide, yaw {np.nanmin(yaw):.0f} to {np.nanmax(yaw):.0f} degrees"
    )


def _fact(value: object) -> str:
    if value is None:
        return "not stated"
    if isinstance(value, Mapping):
        return ", ".join(f"{foreign(key)}: {foreign(item)}" for key, item in value.items()) or "none"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(foreign, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else foreign(value)


def _with_spread(found: str, values: ArrayLike) -> str:
    spread = _spread(values)
    return f"{found.rstrip('.')}; {spread}" if spread else found


def _spread(values: ArrayLike) -> str:
    series = np.asarray(values, dtype=np.float64)
    known = series[np.isfinite(series)]
    if known.size == 0:
        return ""
    text = f"median {np.median(known):.3g}, from {known.min():.3g} to {known.max():.3g}"
    encoding = (sys.stdout.encoding or "").lower()
    return f"{sparkline(series)}  {text}" if encoding.startswith("utf") and sys.stdout.isatty() else text

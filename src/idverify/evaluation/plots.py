"""Plots of a run as SVG text, with the same bytes each time.

matplotlib comes with the extra ``report``; without it there are no plots and the page says so.

Public items: :func:`plots`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify import metrics
from idverify.evaluation.scores import ScoreTable
from idverify.evaluation.summary import videos_once
from idverify.protocols import Split

__all__ = ["plots"]

Scores = NDArray[np.float64]
Axes = Any
# Long staircases are thinned to this many corners; the eye sees no more.
MAX_CORNERS = 2000


def plots(table: ScoreTable, figures: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Section key -> ``(caption, SVG)``; empty where matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError:
        return {}
    part = table.split(Split.EVAL)
    compared = part.where(part.bona_fide & ~np.isnan(part.numbers["similarity"]))
    same, others = (compared.numbers["similarity"][rows] for rows in (compared.mated, compared.non_mated))
    once = videos_once(part)
    classes = _liveness_classes(once)
    keys = ("comparison", "liveness", "confidence", "groups")
    drawn: dict[str, list[tuple[str, Callable[[Axes], None]]]] = {key: [] for key in keys}
    if same.size and others.size:
        drawn["comparison"] = [
            ("DET of the comparison", lambda ax: _det(ax, same, others, "FMR", "FNMR")),
            ("ROC of the comparison", lambda ax: _roc(ax, same, others, "FMR", "1 - FNMR")),
            ("Similarity", lambda ax: _histograms(ax, {"mated": same, "non-mated": others}, "similarity")),
        ]
    if len(classes) > 1 and "bona fide" in classes:
        attacks = np.concatenate([scores for name, scores in classes.items() if name != "bona fide"])
        live = classes["bona fide"]
        drawn["liveness"] = [
            ("DET of liveness, all species together", lambda ax: _det(ax, live, attacks, "APCER", "BPCER")),
            ("ROC of liveness", lambda ax: _roc(ax, live, attacks, "APCER", "1 - BPCER")),
            ("Liveness LLR per species", lambda ax: _histograms(ax, classes, "bona fide LLR")),
        ]
    if figures["confidence"]["trials"]:
        rows = figures["confidence"]["reliability"]
        drawn["confidence"] = [("Reliability of the confidence", lambda ax: _reliability(ax, rows))]
    if between := figures["between_groups"]:
        inside = [row for row in between["fmr"] if row["groups"][0] == row["groups"][1]]
        drawn["groups"] = [
            ("FNMR by group, with 95 % intervals", lambda ax: _rates(ax, between["fnmr"], "FNMR")),
            ("FMR within a group, with 95 % intervals", lambda ax: _rates(ax, inside, "FMR")),
        ]
    style = {"svg.hashsalt": "idverify", "svg.fonttype": "none", "font.size": 9}
    with matplotlib.rc_context(style):
        return {key: [(caption, _svg(draw)) for caption, draw in items] for key, items in drawn.items() if items}


def _liveness_classes(table: ScoreTable) -> dict[str, Scores]:
    llr = table.numbers["liveness_llr"]
    answered = ~np.isnan(llr)
    classes = {"bona fide": llr[table.bona_fide & answered]}
    for name in np.unique(table.texts["pai_species"][~table.bona_fide]):
        classes[str(name)] = llr[(table.texts["pai_species"] == name) & answered]
    return {name: scores for name, scores in classes.items() if scores.size}


def _svg(draw: Callable[[Axes], None]) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    axes.grid(visible=True, linewidth=0.3)
    buffer = io.StringIO()
    # No date in the metadata: the same figures must give the same bytes.
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    return svg[svg.index("<svg") :].strip()


def _corners(positive: Scores, negative: Scores) -> tuple[Scores, Scores]:
    curve = metrics.det_curve(positive, negative)
    keep = np.unique(np.linspace(0, curve.fmr.size - 1, min(curve.fmr.size, MAX_CORNERS)).astype(np.intp))
    return curve.fmr[keep], curve.fnmr[keep]


def _det(ax: Axes, positive: Scores, negative: Scores, x: str, y: str) -> None:
    false_positive, false_negative = _corners(positive, negative)
    ax.step(false_positive, false_negative, where="post")
    ax.set(xscale="log", yscale="log", xlabel=x, ylabel=y, xlim=(0.5 / negative.size, 1), ylim=(0.5 / positive.size, 1))


def _roc(ax: Axes, positive: Scores, negative: Scores, x: str, y: str) -> None:
    false_positive, false_negative = _corners(positive, negative)
    ax.step(false_positive, 1 - false_negative, where="post")
    ax.set(xscale="log", xlabel=x, ylabel=y, xlim=(0.5 / negative.size, 1), ylim=(0, 1.02))


def _histograms(ax: Axes, classes: Mapping[str, Scores], label: str) -> None:
    everything = np.concatenate(list(classes.values()))
    edges = np.histogram_bin_edges(everything[np.isfinite(everything)], bins=40)
    for name, scores in classes.items():
        counts, _ = np.histogram(scores, bins=edges)
        ax.stairs(counts / scores.size, edges, label=f"{name} ({scores.size})")
    ax.set(xlabel=label, ylabel="share")
    ax.legend(fontsize=7)


def _rates(ax: Axes, rows: list[dict[str, Any]], label: str) -> None:
    """Rates with their intervals, by person where there is one; a rate of zero has its interval alone."""
    counted = [row for row in rows if row["trials"]]
    for place, row in enumerate(counted):
        interval = row.get("by_subject", row)
        ax.plot([max(interval["low"], 1e-7), max(interval["high"], 1e-7)], [place, place], linewidth=1.5)
        if row["errors"]:
            ax.plot([row["rate"]], [place], marker="o", markersize=4, color="black")
    ax.set(xscale="log", xlabel=label, yticks=range(len(counted)))
    ax.set_yticklabels([f"{row['groups'][0]} ({row['trials']})" for row in counted], fontsize=7)


def _reliability(ax: Axes, rows: list[dict[str, float]]) -> None:
    ax.plot([0, 1], [0, 1], linewidth=0.7, linestyle="--", color="grey")
    ax.scatter([r["predicted"] for r in rows], [r["observed"] for r in rows], s=14)
    for row in rows:
        ax.annotate(f"{row['trials']:.0f}", (row["predicted"], row["observed"]), fontsize=6)
    ax.set(xlabel="mean confidence", ylabel="share of the right person, live", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))

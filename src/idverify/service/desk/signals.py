"""What was measured about a recording, in words and plots, in two parts: what a reviewer may know before they say what
they see, and what the machine made of it.

Conventions: the first part holds no score, no threshold and no outcome; over time it shows what moves and changes, not
what a network thinks of it. Plots are those of the reports.

Public items: :class:`Signal`, :class:`Verdict`, :func:`neutral`, :func:`verdict`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from idverify.service.desk.evidence import RecordedAttempt

__all__ = ["Signal", "Verdict", "neutral", "verdict"]

# Measured with a ruler, so to say: eyes, mouth, the face and what is behind it. In words of our own, since a judge's
# process says nothing before a reviewer's own view; what a high or a low value speaks for is part of the verdict.
_NEUTRAL = {
    "liveliness": "change of eyes or mouth / typical change",
    "mouth_stillness": "change of the mouth / typical change of the face",
    "stillness": "change of the most changed parts of the face / typical change",
    "context_motion": "share of the background's motion that the face takes part in",
    "depth": "rotation that the parallax shows / rotation of the face's mesh",
    "cuts": "change from picture to picture, in levels",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One thing that was measured.

    Parameters
    ----------
    plot
        An ``<svg>`` element; empty where there is nothing to draw.
    """

    label: str
    text: str
    plot: Markup = field(default_factory=Markup)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the machine said of one attempt."""

    outcome: str
    reasons: tuple[str, ...]
    signals: tuple[Signal, ...]


def neutral(attempt: RecordedAttempt) -> list[Signal]:
    """What says nothing of the outcome: how it was recorded, what was asked for, how good the pictures are."""
    decision = attempt.decision or {}
    found = [*_camera(attempt), *_steps(decision), *_arrival(attempt.capture or {})]
    bystanders = decision.get("bystanders")
    if bystanders:
        found.append(Signal(label="Other faces", text=f"{bystanders} besides the person"))
    for label, quality in (
        ("Pictures", decision.get("quality")),
        ("Reference photo", (decision.get("reference") or {}).get("quality")),
    ):
        found += _quality(label, quality or {})
    for name, text in _NEUTRAL.items():
        plot = _over_time(attempt, name)
        if plot:
            found.append(Signal(label=_words(name).capitalize(), text=text, plot=plot))
    return found


def verdict(attempt: RecordedAttempt) -> Verdict | None:
    """What the machine said; None where it judged nothing."""
    decision = attempt.decision
    if decision is None:
        return None
    reasons = tuple(_sentence(str(code)) for code in decision.get("reasons", ()))
    signals = [*_match(decision.get("match")), *_answers(decision), *_mechanisms(attempt, decision)]
    return Verdict(outcome=str(decision.get("outcome", "")), reasons=reasons, signals=tuple(signals))


def _camera(attempt: RecordedAttempt) -> Iterator[Signal]:
    source = (attempt.capture or {}).get("source")
    if source == "file":
        yield Signal(label="Origin", text="A file made before: nothing binds it to this attempt.")
    elif source == "camera":
        yield Signal(label="Origin", text="Recorded for this attempt, step by step, by the service's own clock.")
    camera = attempt.signals.get("camera")
    label = camera.get("label") if isinstance(camera, Mapping) else None
    if isinstance(label, str) and label:
        yield Signal(label="Camera", text=f"The browser calls it: {label[:120]}")


def _steps(decision: Mapping[str, Any]) -> Iterator[Signal]:
    steps = (decision.get("challenge") or {}).get("steps") or ()
    for step in steps:
        what = _words(str(step["action"]))
        yield Signal(label="Asked for", text=f"{what}, from {step['start_s']:.1f} s to {step['end_s']:.1f} s")


def _arrival(capture: Mapping[str, Any]) -> Iterator[Signal]:
    from idverify.report import plots

    late = capture.get("latencies_s") or []
    if late:
        text = f"{min(late):.1f} s to {max(late):.1f} s after each step's answer was due"
        title = "Seconds after the answer was due, step by step"
        drawn = plots.line(range(1, len(late) + 1), late, title) if len(late) > 1 else ""
        yield Signal(label="Arrived", text=text, plot=Markup(drawn.replace(" s</text>", "</text>")))


def _quality(label: str, quality: Mapping[str, float | None]) -> Iterator[Signal]:
    from idverify.report import plots

    for name, value in quality.items():
        if value is not None:
            what = f"{label}: {_words(name)}"
            drawn = plots.bar(value, f"{what}, {value:.0f} of 100")
            yield Signal(label=what, text=f"{value:.0f} of 100", plot=Markup(drawn))


def _match(match: Mapping[str, Any] | None) -> Iterator[Signal]:
    from idverify.report import plots
    from idverify.report.words import rate_words

    if match is None:
        return
    text = (
        f"similarity {match['similarity']:.3f}, needed {match['threshold']:.3f}; "
        f"{rate_words(match['fmr_at_score'])} {match['stated_for']} would score at least this"
    )
    drawn = plots.scale(match["similarity"], match["threshold"], text)
    yield Signal(label="Match with the photo", text=text, plot=Markup(drawn))


def _answers(decision: Mapping[str, Any]) -> Iterator[Signal]:
    for step in (decision.get("challenge") or {}).get("steps") or ():
        seen = step.get("seen")
        what = "nothing" if seen is None else f"{_words(seen['action'])} at {seen['time_s']:.1f} s"
        text = f"{_words(step['status'])}; seen: {what}"
        yield Signal(label=f"Answer to: {_words(step['action'])}", text=text)


def _mechanisms(attempt: RecordedAttempt, decision: Mapping[str, Any]) -> Iterator[Signal]:
    liveness = decision.get("liveness") or {}
    for row in [*liveness.get("mechanisms", ()), *decision.get("injection_signals", ())]:
        text = str(row["detail"] or _words(row["status"]))
        plot = _over_time(attempt, row["name"])
        if plot:
            text += f". Over time: {_NEUTRAL.get(row['name']) or row['unit']}"
        yield Signal(label=_words(row["name"]).capitalize(), text=text, plot=plot)


def _over_time(attempt: RecordedAttempt, name: str) -> Markup:
    from idverify.report import plots

    found = attempt.series.get(name)
    if found is None or len(found.times_s) < 2:
        return Markup()
    times_s, values = ([math.nan if each is None else each for each in row] for row in (found.times_s, found.values))
    return Markup(plots.line(times_s, values, f"{_words(name).capitalize()} over time"))


def _sentence(code: str) -> str:
    from idverify.reasons import Reason

    known = {reason.value: reason.sentence for reason in Reason}
    return known.get(code) or _words(code)


def _words(name: str) -> str:
    from idverify.report.words import name_words

    return name_words(name)

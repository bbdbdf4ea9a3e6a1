"""Which movement a person made when.

Goal: find excursions of head pose, lids, mouth and scale from the person's own resting state, whatever
was asked; then see, window by window, which one dominates. Because the finding does not know the
challenge, a given video shows at most one movement per window, so at most one sequence per schedule:
that bounds the chance of any recording (see :mod:`idverify.challenge.issuing`).

Conventions: every signal is divided by the excursion that is asked for (:data:`NOMINAL`), so a
strength of 1 is a full movement. Frame times are uneven; signals are put on a fine even grid that
starts at the first frame, so a later answer gives the same movements later. Linear interpolation
spans frames that were not measured, and never makes a new extreme. A movement belongs to the window in
which it begins; its way back may reach into the next one.

Public items: :class:`Movement`, :func:`movements`, :func:`winners`, :func:`resting_level`, :data:`NOMINAL`,
:data:`CHANNEL`.

References
----------
Resting level as the shortest half: Rousseeuw and Leroy, 1988, doi:10.1111/j.1467-9574.1988.tb01224.x.
Lid distance over eye width: Soukupova and Cech, "Real-time eye blink detection using facial landmarks",
CVWW 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from idverify.challenge.actions import Action
from idverify.challenge.answer import AnswerSeries

__all__ = ["CHANNEL", "NOMINAL", "Movement", "movements", "resting_level", "winners"]

Floats = NDArray[np.float64]

# The excursion that the words ask for: what a seated person does without strain before a phone, a third to half of the
# neck's range. A definition; the floor below and the benchmark's 60 to 140 % refer to it.
NOMINAL = {
    "yaw_deg": 40.0,
    "pitch_deg": 20.0,
    "mouth_opening": 0.45,
    "mouth_width": 0.18,  # relative growth
    "face_scale": float(np.log(1.5)),  # from 45 cm to 30 cm, or back to 68 cm
    "eye_opening": 0.8,  # relative closure: from 0.33 to 0.07, as eye contours show full blinks
}

# A movement starts at 40 % of the nominal excursion and ends at 20 %: below the smallest honest one
# (60 %), above natural sway. Measured by benchmarks/accuracy/challenge_guessing.py.
ENTER, LEAVE = 0.4, 0.2
# Grid step: a third of the closed phase of the shortest blink (about 0.1 s), rounded down.
GRID_S = 0.02
# Median over 0.2 s: shorter spikes of pose, mouth and scale are landmark errors, not movements.
MEDIAN_S = 0.2
# Deliberate blinks stay under half a second; up to 0.2 s is added by the frame distance at 10 fps.
MAX_BLINK_S = 0.8
# Two blinks further apart than this are two answers, not "twice".
MAX_BLINK_PAIR_S = 2.0

_SIGNED = {
    "yaw_deg": (Action.TURN_LEFT, Action.TURN_RIGHT),
    "pitch_deg": (Action.LOOK_UP, Action.LOOK_DOWN),
    "mouth_opening": (Action.OPEN_MOUTH, None),
    "mouth_width": (Action.SMILE, None),
    "face_scale": (Action.COME_CLOSER, Action.MOVE_BACK),
}
CHANNEL = {
    action: channel for channel, pair in _SIGNED.items() for action in pair if action is not None
} | {Action.BLINK_TWICE: "eye_opening"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One movement that was seen.

    Parameters
    ----------
    action
        Which one.
    begin_s, onset_s
        Where it begins and where it is recognised; they differ for two blinks only.
    peak_s
        Where it is largest.
    strength
        Its size, 1 for the nominal excursion. Two blinks have 0: blinks come with other movements of
        their own accord, so they count only where nothing else happens.
    """

    action: Action
    begin_s: float
    onset_s: float
    peak_s: float
    strength: float


def movements(series: AnswerSeries) -> tuple[Movement, ...]:
    """Find every movement, in order of recognition, knowing nothing of any challenge.

    Parameters
    ----------
    series
        The answer, of one person, unmirrored.
    """
    if len(series) < 2:
        return ()
    grid = np.arange(series.times_s[0], series.times_s[-1] + GRID_S / 2, GRID_S)
    found = []
    for channel, actions in _SIGNED.items():
        deviation = _deviation(channel, series, grid)
        for action, side in zip(actions, (deviation, -deviation), strict=True):
            if action is not None:
                found += [_movement(action, grid, side, run) for run in _runs(side)]
    found += _double_blinks(series, grid)
    return tuple(sorted(found, key=lambda movement: movement.onset_s))


def winners(seen: Sequence[Movement], windows_s: Floats) -> NDArray[np.intp]:
    """Return which movement dominates each window.

    Parameters
    ----------
    seen
        The movements of one video.
    windows_s : (..., 2) float
        Start and end of each window in seconds; any number of schedules at once.

    Returns
    -------
    (...) int
        Index into ``seen``, -1 where no movement begins inside the window.
    """
    shape = windows_s.shape[:-1]
    if not seen:
        return np.full(shape, -1, np.intp)
    begin, onset, strength = np.array([(m.begin_s, m.onset_s, m.strength) for m in seen]).T
    inside = (begin >= windows_s[..., :1]) & (onset < windows_s[..., 1:])
    ranked = np.where(inside, strength, -np.inf)
    return np.where(inside.any(axis=-1), ranked.argmax(axis=-1), -1)


def _deviation(channel: str, series: AnswerSeries, grid: Floats) -> Floats:
    """Return one signal's excursion from rest on the grid, in nominal excursions."""
    values = getattr(series, channel)
    if channel == "face_scale":
        values = np.log(np.where(values > 0, values, np.nan))
    even = _on_grid(series.times_s, values, grid)
    size = round(MEDIAN_S / GRID_S) | 1
    smooth = np.median(sliding_window_view(np.pad(even, size // 2, mode="edge"), size), axis=-1)
    rest = resting_level(smooth)
    relative = smooth / max(rest, 1e-6) - 1 if channel == "mouth_width" else smooth - rest
    return relative / NOMINAL[channel]


def _double_blinks(series: AnswerSeries, grid: Floats) -> list[Movement]:
    """Return each pair of consecutive short closures of the lids as one movement."""
    finite = np.isfinite(series.eye_opening)
    total, count = np.where(finite, series.eye_opening, 0.0).sum(axis=1), finite.sum(axis=1)
    lids = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    even = _on_grid(series.times_s, lids, grid)
    closure = (1 - even / max(resting_level(even), 1e-6)) / NOMINAL["eye_opening"]
    blinks = [_movement(Action.BLINK_TWICE, grid, closure, run) for run in _runs(closure) if _is_blink(run)]
    return [
        Movement(action=Action.BLINK_TWICE, begin_s=a.onset_s, onset_s=b.onset_s, peak_s=b.peak_s, strength=0.0)
        for a, b in pairwise(blinks)
        if b.onset_s - a.onset_s <= MAX_BLINK_PAIR_S
    ]


def _is_blink(run: tuple[int, int]) -> bool:
    return (run[1] - run[0]) * GRID_S <= MAX_BLINK_S


def _on_grid(times: Floats, values: Floats, grid: Floats) -> Floats:
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(grid.size)
    return np.interp(grid, times[finite], values[finite])


def resting_level(values: Floats) -> float:
    """Return the middle of the shortest interval that holds half of the values."""
    ordered = np.sort(values)
    half = ordered.size // 2
    widths = ordered[half:] - ordered[: ordered.size - half]
    start = int(widths.argmin())
    return float((ordered[start] + ordered[start + half]) / 2)


def _runs(deviation: Floats) -> list[tuple[int, int]]:
    """Return [first, end) of every stretch above ``LEAVE`` that reaches ``ENTER``."""
    above = np.concatenate(([False], deviation > LEAVE, [False]))
    first, end = np.flatnonzero(above[1:] != above[:-1]).reshape(-1, 2).T
    return [(int(a), int(b)) for a, b in zip(first, end, strict=True) if deviation[a:b].max() >= ENTER]


def _movement(action: Action, grid: Floats, deviation: Floats, run: tuple[int, int]) -> Movement:
    part = deviation[run[0] : run[1]]
    onset = float(grid[run[0] + int((part >= ENTER).argmax())])
    peak = int(part.argmax())
    return Movement(
        action=action, begin_s=onset, onset_s=onset, peak_s=float(grid[run[0] + peak]), strength=float(part[peak])
    )

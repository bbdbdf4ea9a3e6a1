"""Whether the skin answers the colours that the screen showed, in their order.

Goal: find which sequence of colours, of all that could have been shown at these times, explains the
skin's colour over time best; the challenge's own has to win. A given video fits one sequence best, so
the chance of a recording is at most one over their number.

Model: in linear light a skin patch shows ``albedo * (room + screen)`` in each channel, so the logarithm
of a channel moves by about ``screen / room``. Differences of logarithms (red - green, blue - green)
cancel exposure and brightness; a linear trend in time, projected out of signal and templates alike,
takes the camera's slow white balance with it. The room's own colour, which sets how strongly each
channel answers, is searched over black-body temperatures; the lag of the screen and camera over
half a second.

Shape: the screen's light falls on a face as on any solid, by Lambert's cosine: most on what faces the screen. So what
the parts of a face answer follows their normals. A screen above or beside adds a slope across the face, and so does a
photo that is held at a tilt; a common colour that software lays over a face, or a sheet, adds nothing else. What is
asked for is the part of the response that follows the normals and is no such slope.

Conventions: colours as sRGB values 0 to 255; ``response`` is the screen's light over the room's, 0.1
for a screen that adds a tenth.

Public items: :class:`LightResult`, :func:`judge_light`.

References
----------
sRGB transfer function: IEC 61966-2-1. Colour-light challenges: Tang et al., "Face Flashing", NDSS 2018,
doi:10.14722/ndss.2018.23176.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from idverify.challenge.actions import Colour
from idverify.challenge.answer import AnswerSeries
from idverify.challenge.issuing import LightStep
from idverify.challenge.proof import StepStatus
from idverify.reasons import Reason

__all__ = ["LightResult", "judge_light"]

Floats = NDArray[np.float64]

# Screens take up to a frame or two, cameras and their encoders some tenths of a second.
MAX_LAG_S, LAG_STEP_S = 0.5, 0.05
# Room light from candle-like lamps to shade.
ROOM_KELVIN = (2500.0, 3200.0, 4200.0, 6500.0, 9000.0)
# Wavelengths of the sRGB primaries' peaks, in metres.
_PEAKS_M = np.array([611e-9, 549e-9, 464e-9])
# A screen of 40 lx against more than 4,000 lx (a sunlit window): too weak to be told from noise.
MIN_RESPONSE = 0.01
# At least this part of the colour's variation has to follow some sequence.
MIN_EXPLAINED = 0.5
# Inverse square: a wall 1.22 times as far from the screen as the face gets 1/1.5 of its light.
MIN_OVER_BACKGROUND = 1.5
# Share of the mean response that is lost from skin that faces the camera to skin at a right angle to it: Lambert's
# cosine alone takes all of it, a room that is lit from the front gives back up to three quarters.
MIN_RELIEF = 0.2
# Standard errors by which it has to lie above nothing, or below the mark to be called flat.
CLEAR_ERRORS = 2.0
# Parts that all face one way, or lie in one line, tell nothing.
MOST_CONDITION = 1e6
# Frames that share their errors, as encoders predict one from the other.
CORRELATED_FRAMES = 3
# Frames per colour below which a colour's mean is no measurement.
MIN_FRAMES_PER_COLOUR = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LightResult:
    """The light part of the answer.

    Parameters
    ----------
    status
        ``done``: the skin follows the colours shown. ``wrong_order``: it follows other colours.
        ``missed``: it follows no more than the background does. ``flat``: the parts of the face answer as
        those of a sheet do. ``not_assessable``: no response can be told, as in strong room light.
    explained
        The part of the skin colour's variation that the shown sequence explains, 0 to 1; NaN where
        nothing was measured.
    explained_by_others
        The same for the best of all other sequences.
    response, background_response
        Screen light over room light on the face and behind it.
    lag_s
        Delay of the response in seconds.
    relief, relief_error
        How much of the mean response is lost from skin that faces the camera to skin at a right angle to it, beyond a
        slope across the face, and its standard error: 0 for a sheet, about 1 for a head.
    reason
        Why it could not be judged; None where it was.
    """

    status: StepStatus
    explained: float = float("nan")
    explained_by_others: float = float("nan")
    response: float = float("nan")
    background_response: float = float("nan")
    lag_s: float = float("nan")
    relief: float = float("nan")
    relief_error: float = float("nan")
    reason: Reason | None = None


def judge_light(
    light: Sequence[LightStep], series: AnswerSeries, *, latency_s: float = 0.0
) -> LightResult | None:
    """Judge the colours of a challenge; None where it has none.

    Parameters
    ----------
    light
        What the screen showed.
    series
        The answer, of one person.
    latency_s
        How late a network may have shown the colours, on top of what screens and cameras take.
    """
    if not light:
        return None
    assert series.skin_rgb is not None
    assert series.background_rgb is not None
    lags = np.arange(0.0, MAX_LAG_S + latency_s + LAG_STEP_S / 2, LAG_STEP_S)
    start, end = light[0].start_s, light[-1].end_s
    inside = (series.times_s >= start) & (series.times_s < end + lags[-1])
    inside &= np.isfinite(series.skin_rgb).all(axis=1)
    times, skin = series.times_s[inside], series.skin_rgb[inside]
    if not _enough_frames(light, times):
        return LightResult(status=StepStatus.NOT_ASSESSABLE, reason=Reason.NO_FACE)
    shown = tuple(part.colour for part in light)
    asked, others = _fit(light, times, _log_chroma(skin), shown, lags)
    behind = series.background_rgb[inside]
    known = np.isfinite(behind).all(axis=1)
    background = float("nan")
    if _enough_frames(light, times[known]):
        template = _template(light, times[known], asked.lag_s, asked.kelvin, shown)
        background = _slope(template, _without_trend(times[known], _log_chroma(behind[known])))
    status, reason = _verdict(asked, others, background)
    relief = error = float("nan")
    if status is StepStatus.DONE:
        relief, error = _relief(light, times, _parts(series, inside), asked, shown)
        if relief + CLEAR_ERRORS * error < MIN_RELIEF:
            status, reason = StepStatus.FLAT, Reason.PRESENTATION_ATTACK
        # Asked this way, NaN is no evidence.
        elif not relief >= max(MIN_RELIEF, CLEAR_ERRORS * error):
            status, reason = StepStatus.NOT_ASSESSABLE, Reason.TOO_BRIGHT
    return LightResult(
        status=status, explained=asked.explained, explained_by_others=others.explained, response=asked.response,
        background_response=background, lag_s=asked.lag_s, relief=relief, relief_error=error, reason=reason,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    explained: float
    response: float
    lag_s: float
    kelvin: float


def _verdict(asked: _Fit, others: _Fit, background: float) -> tuple[StepStatus, Reason | None]:
    best = asked if asked.explained > others.explained else others
    if best.response < MIN_RESPONSE:
        return StepStatus.NOT_ASSESSABLE, Reason.TOO_BRIGHT
    if best.explained < MIN_EXPLAINED:
        return StepStatus.NOT_ASSESSABLE, Reason.TOO_MUCH_MOVEMENT
    if best is others:
        return StepStatus.WRONG_ORDER, None
    if np.isnan(background):
        return StepStatus.NOT_ASSESSABLE, Reason.FACE_TOO_CLOSE
    follows_more = asked.response > MIN_OVER_BACKGROUND * background
    return (StepStatus.DONE if follows_more else StepStatus.MISSED), None


class _Parts(NamedTuple):
    """Colour of each part of the face over time, (n, k, 3), and its usual place (k, 2) and facing (k,)."""

    rgb: Floats
    place: Floats
    facing: Floats


def _parts(series: AnswerSeries, inside: NDArray[np.bool_]) -> _Parts:
    assert series.skin_parts_rgb is not None
    assert series.skin_parts_place is not None
    assert series.skin_parts_facing is not None
    n = int(inside.sum())
    return _Parts(
        series.skin_parts_rgb[inside].reshape(n, -1, 3),
        np.median(series.skin_parts_place[inside].reshape(n, -1, 2), axis=0),
        np.median(series.skin_parts_facing[inside].reshape(n, -1), axis=0),
    )


def _relief(
    light: Sequence[LightStep], times: Floats, parts: _Parts, asked: _Fit, shown: tuple[Colour, ...]
) -> tuple[float, float]:
    """Return how far the parts' responses follow their normals, and its error; NaN where too few were seen."""
    rows, responses, errors = [], [], []
    for part, place, facing in zip(np.moveaxis(parts.rgb, 1, 0), parts.place, parts.facing, strict=True):
        known = np.isfinite(part).all(axis=1)
        if not (_enough_frames(light, times[known]) and np.isfinite([*place, facing]).all()):
            continue
        template = _template(light, times[known], asked.lag_s, asked.kelvin, shown)
        signal = _without_trend(times[known], _log_chroma(part[known]))
        slope = _slope(template, signal)
        # Pictures that follow each other share their errors.
        freedom = max(signal.size / CORRELATED_FRAMES - 4, 1.0)
        scatter = float(((signal - slope * template) ** 2).sum()) / freedom
        rows.append((1.0, *place, facing))
        responses.append(slope)
        errors.append(scatter / max(float((template**2).sum()) / CORRELATED_FRAMES, 1e-12))
    # A level, a slope each way, and the normals: one part more than that.
    if len(responses) <= 4 or np.mean(responses) <= 0:
        return float("nan"), float("nan")
    design, weights = np.array(rows), 1.0 / np.maximum(errors, 1e-9)
    normal = (design * weights[:, None]).T @ design
    if np.linalg.cond(normal) > MOST_CONDITION:
        return float("nan"), float("nan")
    fit = np.linalg.solve(normal, design.T @ (weights * responses))
    mean = float(np.mean(responses))
    return float(fit[3]) / mean, float(np.sqrt(np.linalg.inv(normal)[3, 3])) / mean


def _enough_frames(light: Sequence[LightStep], times: Floats) -> bool:
    counts = [int(((times >= part.start_s) & (times < part.end_s)).sum()) for part in light]
    return min(counts) >= MIN_FRAMES_PER_COLOUR


def _fit(
    light: Sequence[LightStep], times: Floats, chroma: Floats, shown: tuple[Colour, ...], lags: Floats
) -> tuple[_Fit, _Fit]:
    """Return the best fit of the shown sequence, and the best of all others.

    Every quantity is a small matrix product: with the frames' means per window in hand, a sequence's
    correlation needs no frame again.
    """
    signal = _without_trend(times, chroma)
    energy = float((signal**2).sum())
    sequences = _all_sequences(len(light))  # (M, k)
    own = int(np.flatnonzero((sequences == [_COLOURS.index(colour) for colour in shown]).all(axis=1))[0])
    best: list[_Fit] = [_Fit(explained=0.0, response=0.0, lag_s=0.0, kelvin=ROOM_KELVIN[0])] * 2
    order = np.arange(len(light))
    for lag, kelvin in product(lags, ROOM_KELVIN):
        windows = _without_trend(times, _windows(light, times, lag))  # (n, k)
        effect = _colour_chroma(kelvin)  # (6, 2)
        inner = (effect @ (windows.T @ signal).T)[sequences, order].sum(axis=1)  # (M,)
        overlap, likeness = windows.T @ windows, effect @ effect.T
        norm = likeness.ravel()[_pairs(len(light))] @ overlap.ravel()  # (M,)
        slope = inner / np.maximum(norm, 1e-12)
        explained = np.where(slope > 0, slope * inner, 0.0) / max(energy, 1e-12)
        rest = explained.copy()
        rest[own] = -1.0
        for place, index in enumerate((own, int(rest.argmax()))):
            if explained[index] > best[place].explained:
                best[place] = _Fit(
                    explained=float(explained[index]), response=float(slope[index]), lag_s=float(lag), kelvin=kelvin
                )
    return best[0], best[1]


_COLOURS = tuple(Colour)


@lru_cache(maxsize=4)
def _all_sequences(length: int) -> NDArray[np.intp]:
    """Return every sequence of colours in which none follows itself, (M, length) indices."""
    grid = np.array(list(product(range(len(_COLOURS)), repeat=length)), np.intp)
    return np.asarray(grid[(np.diff(grid, axis=1) != 0).all(axis=1)])


@lru_cache(maxsize=4)
def _pairs(length: int) -> NDArray[np.intp]:
    """Return for every sequence and every two of its places the index of that pair of colours, (M, length^2)."""
    sequences = _all_sequences(length)
    pairs = sequences[:, :, None] * len(_COLOURS) + sequences[:, None, :]
    return np.asarray(pairs.reshape(len(sequences), -1))


def _template(
    light: Sequence[LightStep], times: Floats, lag_s: float, kelvin: float, shown: tuple[Colour, ...]
) -> Floats:
    colours = _colour_chroma(kelvin)[[_COLOURS.index(colour) for colour in shown]]
    return _without_trend(times, _windows(light, times, lag_s) @ colours)


def _slope(template: Floats, signal: Floats) -> float:
    return float((template * signal).sum() / max(float((template**2).sum()), 1e-12))


def _windows(light: Sequence[LightStep], times: Floats, lag_s: float) -> Floats:
    """Return which colour is on the face at each time, (n, k) of 0 and 1."""
    starts = np.array([part.start_s for part in light]) + lag_s
    ends = np.array([part.end_s for part in light]) + lag_s
    return ((times[:, None] >= starts) & (times[:, None] < ends)).astype(np.float64)


@lru_cache(maxsize=16)
def _colour_chroma(kelvin: float) -> Floats:
    """Return each screen colour's effect on (log red - log green, log blue - log green), (6, 2)."""
    # Planck's law relative to green; second radiation constant h c / k = 1.438777e-2 m K (CODATA 2018).
    exponent = 1.438777e-2 / (_PEAKS_M * kelvin)
    room = 1 / (_PEAKS_M**5 * np.expm1(exponent))
    effect = np.array([colour.rgb for colour in _COLOURS]) / (room / room.max())
    return np.stack([effect[:, 0] - effect[:, 1], effect[:, 2] - effect[:, 1]], axis=1)


def _log_chroma(rgb: Floats) -> Floats:
    """Return (log red - log green, log blue - log green) of linear light, (n, 2)."""
    encoded = np.clip(rgb / 255, 1e-3, 1.0)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    logs = np.log(linear)
    return np.stack([logs[:, 0] - logs[:, 1], logs[:, 2] - logs[:, 1]], axis=1)


def _without_trend(times: Floats, values: Floats) -> Floats:
    """Project a constant and a linear trend out of each column."""
    basis, _ = np.linalg.qr(np.stack([np.ones_like(times), times - times.mean()], axis=1))
    return np.asarray(values - basis @ (basis.T @ values))

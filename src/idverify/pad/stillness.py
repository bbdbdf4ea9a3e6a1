"""Stillness: is all motion of the face that of a flat, rigid picture?

On a photograph, fixed or moved in any way before the camera, the best planar transform explains every part of
the face equally well; what is left over is noise, and noise falls on all parts alike. On a person the eyelids,
the gaze and the mouth change, and a turning head is not flat: a few parts of the face differ from the key
picture many times as much as the typical part.

The native value is that contrast: the mean change of the :data:`TOP_CELLS` most changed cells over the typical
(median) change plus a fixed allowance for what compression does to textured cells, taken at the
:data:`TIME_QUANTILE` of the time, so that one blink in five seconds counts. It speaks for
bona fide as far as the rest of the time bears it out: no more than :data:`MOST_OVER_TYPICAL` times what the middle one
of all seconds reaches. It grows with non-rigid motion, is
free of scale and of camera noise, and is one for a perfect photograph with equal noise everywhere.

Sources: Kollreider, Fronthaler & Bigun 2009, doi:10.1016/j.imavis.2007.05.004 (motion of a plane against that
of a face).

Public items: :data:`NAME`, :func:`contrast`, :func:`native_value`, :func:`cannot_judge`, :func:`assess`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from idverify.pad._llr import load_scale
from idverify.pad.evidence import ANALYSIS_RATE_HZ, PADEvidence, Status, rate_hz, why_few
from idverify.pad.motion import MotionSignals
from idverify.reasons import NotAssessed, Reason

__all__ = ["NAME", "assess", "cannot_judge", "contrast", "native_value"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

NAME = "stillness"
UNIT = "change of the most changed parts of the face / typical change (higher: more non-rigid)"
TOP_CELLS = 3
TIME_QUANTILE = 0.95
# What one stretch counts for over the middle one of all stretches of this length: no bona fide clip loses support by
# it; one painted blink in a picture that is otherwise still does.
MOST_OVER_TYPICAL, STRETCH_S, STRETCH_QUANTILE, MIN_IN_STRETCH = 2.0, 1.0, 0.9, 4
# Patch pixels by which compression alone moves textured cells; near the upper quartile over simulated stills.
ALLOWANCE_PX = 0.15
# Fewer cells than half of the face say nothing about the typical one.
MIN_CELLS = 16
MIN_FRAMES = 20
MIN_SPAN_S = 2.0
# With fewer pictures a second than this, a blink of a quarter of a second falls between two of them or shows in one,
# which counts as a broken picture: that none was seen proves nothing.
PROOF_RATE_HZ = 8.0
# Outer eye corners closer than this (working-size pixels) leave an eyelid less than two pixels.
MIN_EYE_DISTANCE_PX = 24.0
# A blink comes every 3 to 6 s (Bentivoglio et al. 1997, doi:10.1002/mds.870120629): a person may hold still for
# longer, but not for all such stretches of a recording.
WINDOW_S = 5.0
# Typical change (patch pixels) above which a blink, of 1.5 to 3, no longer stands out.
BLIND_PX = 0.8


def contrast(change_px: F32) -> F64:
    """Change of the most changed cells over the typical one, frame by frame.

    Each cell is first smoothed by a running median over three frames, so that a single broken frame does not count.

    Parameters
    ----------
    change_px : float32 [shape=(n, cells)]
        NaN where a cell was not judged.

    Returns
    -------
    float64 [shape=(n,)]
        NaN where fewer than :data:`MIN_CELLS` cells were judged.
    """
    smooth = _median_of_three(np.asarray(change_px, np.float64))
    judged = np.isfinite(smooth).sum(axis=1)
    ranked = np.sort(np.where(np.isfinite(smooth), smooth, -np.inf), axis=1)
    top = ranked[:, -TOP_CELLS:].mean(axis=1)
    out = np.full(len(smooth), np.nan)
    enough = judged >= MIN_CELLS
    out[enough] = top[enough] / (_middle(smooth[enough]) + ALLOWANCE_PX)
    return out


def native_value(signals: MotionSignals) -> float:
    """The contrast at :data:`TIME_QUANTILE` of the time, of the liveliest :data:`WINDOW_S` of the recording."""
    return _liveliest(signals.times_s, contrast(signals.change_px))


def _liveliest(times_s: F64, series: F64) -> float:
    seen = np.isfinite(series)
    times, values = times_s[seen], series[seen]
    windows = max(1, round((times[-1] - times[0]) / WINDOW_S))
    slot = np.minimum(((times - times[0]) / (times[-1] - times[0] + 1e-9) * windows).astype(int), windows - 1)
    parts = [values[slot == k] for k in range(windows)]
    full = [part for part in parts if 2 * len(part) >= MIN_FRAMES] or [values]
    return float(max(np.quantile(part, TIME_QUANTILE) for part in full))


def _typical(times_s: F64, series: F64) -> float:
    """The contrast that the middle one of all seconds reaches; infinite where none holds frames enough."""
    seen = np.isfinite(series)
    times, values = times_s[seen], series[seen]
    second = ((times - times[0]) / STRETCH_S).astype(int)
    each = [values[second == k] for k in range(second[-1] + 1)]
    reached = [np.quantile(part, STRETCH_QUANTILE) for part in each if len(part) >= MIN_IN_STRETCH]
    return float(np.median(reached)) if reached else np.inf


def assess(signals: MotionSignals) -> PADEvidence:
    """Whether the face moves like a flat, rigid picture."""
    why = cannot_judge(signals)
    if why is not None:
        return PADEvidence.not_assessed(NAME, UNIT, why)
    series = contrast(signals.change_px)
    seen = np.isfinite(series)
    native = _liveliest(signals.times_s, series)
    span = _span_s(signals.times_s)
    scale = load_scale(NAME)
    spans, below = scale.marks["still_span_s"], scale.marks["still_below"]
    seen_blinks = rate_hz(signals.times_s) >= PROOF_RATE_HZ
    proven = seen_blinks and span > spans[0] and native < float(np.interp(span, spans, below))
    detail = f"the most changed parts of the face differ {native:.1f} times as much as the typical one in {span:.1f} s"
    if native < below[-1] and float(np.nanmedian(signals.change_px)) > BLIND_PX:
        why = NotAssessed(reason=Reason.LIVENESS_UNCERTAIN, detail=f"{detail}, but noise would hide a blink")
    elif native < below[-1] and not seen_blinks:
        detail = f"{detail}, too few pictures a second to see every blink"
        why = NotAssessed(reason=Reason.LOW_FRAME_RATE, detail=detail)
    elif native < below[-1] and not proven:
        detail = f"{detail}, too short to exclude a person who holds still"
        why = NotAssessed(reason=Reason.TOO_LITTLE_MOVEMENT, detail=detail)
    if why is not None:
        return PADEvidence.not_assessed(NAME, UNIT, why)
    # No bona fide clip fell below the mark, which is what the floor says by the rule of three.
    llr = scale(native)
    if llr > 0:
        llr = max(0.0, scale(min(native, MOST_OVER_TYPICAL * _typical(signals.times_s, series))))
    return PADEvidence(
        name=NAME,
        status=Status.ASSESSED,
        unit=UNIT,
        native=native,
        bona_fide_llr=scale.floor if proven else llr,
        detail=detail,
        reason=Reason.STATIC_PRESENTATION if proven else None,
        decisive=proven,
        times_s=signals.times_s[seen],
        values=series[seen],
    )


def cannot_judge(signals: MotionSignals) -> NotAssessed | None:
    """Why stillness cannot be judged at all, or None."""
    n, span = len(signals), _span_s(signals.times_s)
    if n < MIN_FRAMES or span < MIN_SPAN_S:
        reason = why_few(signals.times_s, max(MIN_FRAMES, round(MIN_SPAN_S * ANALYSIS_RATE_HZ)), Reason.LOW_FRAME_RATE)
        return NotAssessed(reason=reason, detail=f"face followed in {n} frames over {span:.1f} s")
    eyes = float(np.median(signals.eye_distance_px))
    if eyes < MIN_EYE_DISTANCE_PX:
        return NotAssessed(reason=Reason.FACE_TOO_FAR, detail=f"eye corners {eyes:.0f} px apart at working size")
    tracked = np.count_nonzero(np.isfinite(signals.agreement))
    if tracked < MIN_FRAMES:
        return NotAssessed(reason=Reason.TOO_MUCH_MOVEMENT, detail=f"face tracked in {tracked} of {n} frames")
    judged = np.count_nonzero(np.isfinite(signals.change_px).sum(axis=1) >= MIN_CELLS)
    if judged < MIN_FRAMES:
        return NotAssessed(reason=Reason.FACE_CROPPED, detail=f"enough of the face in {judged} of {n} frames")
    return None


def _span_s(times_s: F64) -> float:
    return float(times_s[-1] - times_s[0]) if len(times_s) else 0.0


def _middle(cells: F64) -> F64:
    """Median over the judged cells of each row; every row has some."""
    return np.asarray(np.nanmedian(cells, axis=1))


def _median_of_three(x: F64) -> F64:
    """Running median over three rows that ignores NaN; the ends see two."""
    edge = np.full((1, x.shape[1]), np.nan)
    padded = np.concatenate([edge, x, edge])
    # NaN sorts last, so the n that were judged come first. NumPy's own median would warn of rows of none, and its
    # warnings can be silenced for the whole process only.
    ranked = np.sort(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)
    n = np.isfinite(ranked).sum(axis=0)
    low = np.take_along_axis(ranked, np.maximum(n - 1, 0)[None] // 2, axis=0)[0]
    return np.asarray((low + np.take_along_axis(ranked, n[None] // 2 % 3, axis=0)[0]) / 2)

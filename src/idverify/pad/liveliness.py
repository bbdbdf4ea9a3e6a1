"""Liveliness: blinks and a moving mouth, with their durations. Their absence is no evidence of attack.

Read off the registered pictures, not off the mesh, which damps blinks and invents mouths: a blink is a change
of both eye regions at once, for as long as blinks last, while the typical part of the face stays what it was;
the mouth is active while the lower face changes so. Photographs that are cut out and animated blink too: this
mechanism does not speak against them.

The native value is the stronger of the two: the contrast (change of the region over the typical change) that
the best blink reaches, or that the mouth exceeds during a tenth of the time.

Sources: Stern, Walrath & Goldstein 1984, doi:10.1111/j.1469-8986.1984.tb02312.x (blinks last 0.1 to 0.4 s); Pan
et al. 2007, doi:10.1109/ICCV.2007.4409068 (blinks against photographs).

Public items: :data:`NAME`, :class:`Activity`, :func:`activity`, :func:`assess`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idverify.pad._llr import load_scale
from idverify.pad._registration import CELL_CORNERS
from idverify.pad.evidence import PADEvidence, Status, why_few
from idverify.pad.motion import MotionSignals
from idverify.pad.stillness import ALLOWANCE_PX, MIN_CELLS, MIN_FRAMES
from idverify.reasons import NotAssessed, Reason

__all__ = ["NAME", "Activity", "activity", "assess"]

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

NAME = "liveliness"
UNIT = "change of eyes or mouth / typical change (higher: livelier)"
# A region changes when it differs this many times as much as the typical part of the face; see the calibration card.
ACTIVE_CONTRAST = 2.5
# Seconds that a blink lasts, from the first to the last closed picture; a slow one may be twice as long as usual.
BLINK_S = (0.04, 0.6)
MOUTH_SHARE = 0.1
# Further from the key's pose than this, nose and chin change because the head turns, not because the mouth moves.
MAX_TURN_DEG = 6.0

_CENTRES = CELL_CORNERS.mean(axis=1)
# Regions of the patch: the eye line lies at 46, the mouth at 101; the nose bridge between the eyes at 64.
RIGHT_EYE: Bools = (_CENTRES[:, 1] < 64) & (_CENTRES[:, 0] < 56)
LEFT_EYE: Bools = (_CENTRES[:, 1] < 64) & (_CENTRES[:, 0] > 72)
MOUTH: Bools = _CENTRES[:, 1] > 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What eyes and mouth did.

    Parameters
    ----------
    eyes, mouth : float64 [shape=(n,)]
        Contrast of the less changed eye, and of the mouth; NaN where the face was not judged.
    blink_times_s, blink_lengths_s : float64 [shape=(k,)]
    """

    eyes: F64
    mouth: F64
    blink_times_s: F64
    blink_lengths_s: F64


def activity(signals: MotionSignals) -> Activity:
    """Blinks and mouth activity of one face."""
    change = np.asarray(signals.change_px, np.float64)
    facing = np.hypot(*signals.pose_change_deg[:, :2].T) <= MAX_TURN_DEG
    judged = (np.isfinite(change).sum(axis=1) >= MIN_CELLS) & facing
    out = {name: np.full(len(change), np.nan) for name in ("eyes", "mouth")}
    rows = change[judged]
    if len(rows):
        scale = np.nanmedian(rows, axis=1) + ALLOWANCE_PX
        eyes = np.minimum(_strongest(rows[:, RIGHT_EYE]), _strongest(rows[:, LEFT_EYE]))
        out["eyes"][judged] = eyes / scale
        out["mouth"][judged] = _strongest(rows[:, MOUTH]) / scale
    starts, lengths = _pulses(signals.times_s, out["eyes"] > ACTIVE_CONTRAST)
    return Activity(**out, blink_times_s=starts, blink_lengths_s=lengths)


def _strongest(cells: F64) -> F64:
    """Mean of the two most changed cells of a region; those not judged count as unchanged."""
    return np.asarray(np.sort(np.nan_to_num(cells), axis=1)[:, -2:].mean(axis=1))


def _pulses(times_s: F64, active: Bools) -> tuple[F64, F64]:
    """Start and length of each run of active frames that begins and ends, and lasts as long as a blink."""
    edges = np.diff(active.astype(np.int8))
    begins, ends = np.flatnonzero(edges == 1) + 1, np.flatnonzero(edges == -1)
    if len(begins) and len(ends):
        ends = ends[ends >= begins[0]]
        begins = begins[: len(ends)]
    else:
        begins = ends = np.empty(0, np.int64)
    lengths = (times_s[ends + 1] - times_s[begins]) if len(ends) else np.empty(0)
    blinks = (lengths >= BLINK_S[0]) & (lengths <= BLINK_S[1])
    return times_s[begins[blinks]], lengths[blinks]


def assess(signals: MotionSignals) -> PADEvidence:
    """Whether eyes and mouth live; never evidence of an attack."""
    seen = activity(signals)
    judged = np.isfinite(seen.eyes)
    if judged.sum() < MIN_FRAMES:
        detail = f"face judged, and not turning, in {judged.sum()} frames"
        reason = why_few(signals.times_s, MIN_FRAMES, Reason.TOO_MUCH_MOVEMENT)
        return PADEvidence.not_assessed(NAME, UNIT, NotAssessed(reason=reason, detail=detail))
    blink = _best_blink(signals.times_s, seen)
    mouth = float(np.quantile(seen.mouth[judged], 1 - MOUTH_SHARE))
    native = max(blink, mouth)
    share = float(np.mean(seen.mouth[judged] > ACTIVE_CONTRAST))
    lengths = ", ".join(f"{length:.2f} s" for length in seen.blink_lengths_s[:4]) or "none"
    return PADEvidence(
        name=NAME,
        status=Status.ASSESSED,
        unit=UNIT,
        native=native,
        bona_fide_llr=max(0.0, load_scale(NAME)(native)),
        detail=f"{len(seen.blink_lengths_s)} blinks ({lengths}); the mouth moves {100 * share:.0f} % of the time",
        times_s=signals.times_s[judged],
        values=np.maximum(seen.eyes, seen.mouth)[judged],
    )


def _best_blink(times_s: F64, seen: Activity) -> float:
    """Greatest contrast of the eyes during a blink, 0 without any."""
    peaks = [
        np.nanmax(seen.eyes[(times_s >= start) & (times_s < start + length)])
        for start, length in zip(seen.blink_times_s, seen.blink_lengths_s, strict=True)
    ]
    return float(max(peaks, default=0.0))

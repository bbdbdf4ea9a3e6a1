"""Whether what moved was a solid head: parallax of a turn, perspective of an approach, a background that stays.

Goal: a photograph that is turned, tilted or zoomed moves as its pose says and shows nothing of a head's depth. A turn
shifts the nose against the cheeks; that is measured on points that were tracked in the pictures
(:mod:`idverify.pad.motion`), never on the mesh, which turns a solid face on any picture. Coming closer makes the middle
of the face grow more than its outline (:mod:`idverify.challenge.perspective`), and leaves what is behind as large as
it was, or nearly so; whatever enlarges a whole picture enlarges both.

Model: points at depth ``d`` behind the plane of the eyes leave the best planar transform by ``d`` times the sine of the
turn (:mod:`idverify.pad.depth`). The perspective's strength is the distance ``e`` of the outer eye corners over that to
the camera, ``Z``: a face that grows by ``s`` gains ``s e / Z``. ``Z`` is not known; it is taken as :data:`DISTANCE`, so
that a head at arm's length shows a share of about one, one at twice that half, and a flat picture none.

Public items: :func:`turn_shown_deg`, :func:`approach_shown`, :func:`background_shown`, :class:`Shown`,
:class:`Background`, :func:`shown`.

References
----------
Irani and Anandan, "Parallax geometry of pairs of points for 3D scene analysis", ECCV 1996.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idverify.pad.depth import parallax_rotation_deg
from idverify.pad.motion import MotionSignals

__all__ = ["NOTHING_SHOWN", "Background", "Shown", "approach_shown", "background_shown", "shown", "turn_shown_deg"]

Floats = NDArray[np.float64]

# Outer eye corners are 9 cm apart (Farkas, Anthropometry of the head and face, 1994: 8.7 to 9.1), a phone is held at
# 45 cm: five times that.
DISTANCE = 5.0
# What the mesh's own errors change in a flat picture's perspective while it grows, over that at arm's length: standard
# deviation in clips that were zoomed into (benchmarks/accuracy/challenge_answers.py).
MESH_ERROR = 0.055
MIN_APPROACH_FRAMES = 8
# A face that speaks or nods seems to grow and shrink by a tenth, and its perspective with it.
MIN_GROWN = 0.2
# Frames within this time share the mesh's errors; over twice this time a growth is more than its trembling.
TOGETHER_S, TREND_S = 0.3, 0.15
# Pictures closer together than this in time share their tracks' errors.
CORRELATION_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How much of a movement is that of a solid head.

    Parameters
    ----------
    share
        1 for a head, 0 for a flat picture; NaN where too little moved.
    error
        Its standard error.
    """

    share: float
    error: float


NOTHING_SHOWN = Shown(share=float("nan"), error=float("nan"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """How far the background grows and shrinks with a face.

    Parameters
    ----------
    share
        1 where the whole picture is enlarged, 0 where it stays; NaN where too little was seen.
    error
        Its standard error.
    seen
        Part of the face's growth during which the background was seen.
    """

    share: float
    error: float
    seen: float


_NO_BACKGROUND = Background(share=float("nan"), error=float("nan"), seen=0.0)


def turn_shown_deg(signals: MotionSignals) -> Floats:
    """Yaw and pitch since the key that the parallax confirms, (n, 2); NaN where too few points were tracked."""
    return parallax_rotation_deg(signals.key_points, signals.off_plane, signals.key_depth)


def approach_shown(times_s: Floats, grown: Floats, strength: Floats) -> Shown:
    """Pool how the perspective of a face grows with its size over a stretch of time.

    Parameters
    ----------
    times_s : (n,) float
    grown, strength : (n,) float
        Size of the face over its usual size, less one, and its perspective; NaN where not measured.
    """
    usable: NDArray[np.bool_] = np.asarray(np.isfinite(grown) & np.isfinite(strength))
    if usable.sum() < MIN_APPROACH_FRAMES or (span := float(np.ptp(grown[usable]))) < MIN_GROWN:
        return NOTHING_SHOWN
    x, y = grown[usable] - grown[usable].mean(), DISTANCE * strength[usable]
    power = float((x**2).sum())
    share = float((x * y).sum()) / power
    scatter = _together(times_s[usable], (y - y.mean() - share * x) * x)
    return Shown(share=share, error=float(np.hypot(scatter / power, MESH_ERROR / span)))


def background_shown(times_s: Floats, grown: Floats, background_step: Floats) -> Background:
    """How far the background takes part as a face grows and shrinks.

    Parameters
    ----------
    times_s : (n,) float
    grown : (n,) float
        Size of the face over its usual size, less one; NaN where not measured.
    background_step : (n,) float
        Logarithm of the background's growth since the frame before; NaN where it has no texture.
    """
    known: NDArray[np.bool_] = np.asarray(np.isfinite(grown))
    if known.sum() < MIN_APPROACH_FRAMES:
        return _NO_BACKGROUND
    size = np.interp(times_s, times_s[known], np.log1p(grown[known]))
    step = np.diff(size, prepend=np.nan)
    # The growth over some frames weighs each one's, so that the trembling of the mesh does not dilute the share.
    trend = np.interp(times_s + TREND_S, times_s, size) - np.interp(times_s - TREND_S, times_s, size)
    usable: NDArray[np.bool_] = np.asarray(np.isfinite(background_step) & np.isfinite(step))
    moved, whole = float((trend * step)[usable].sum()), float((trend * step)[1:].sum())
    # A share of noise over noise is none.
    if usable.sum() < MIN_APPROACH_FRAMES or np.ptp(size) < MIN_GROWN or min(moved, whole) <= 0:
        return _NO_BACKGROUND
    share = float((trend * np.where(usable, background_step, 0.0)).sum()) / moved
    rest = trend[usable] * (background_step[usable] - share * step[usable])
    return Background(share=share, error=_together(times_s[usable], rest) / moved, seen=moved / whole)


def _together(times_s: Floats, errors: Floats) -> float:
    """Size of a sum of errors, those close in time being one and the same."""
    group = ((times_s - times_s[0]) / TOGETHER_S).astype(int)
    return float(np.linalg.norm(np.bincount(group, errors)))


def shown(times_s: Floats, moved: Floats, confirmed: Floats, *, least: float) -> Shown:
    """Pool a movement and its confirmation over a stretch of time.

    Parameters
    ----------
    times_s : (n,) float
    moved, confirmed : (n, k) float
        NaN where not measured.
    least
        Movements of less than this say nothing.
    """
    usable: NDArray[np.bool_] = np.asarray(np.isfinite(moved).all(axis=1) & np.isfinite(confirmed).all(axis=1))
    usable &= np.linalg.norm(np.where(usable[:, None], moved, 0.0), axis=1) >= least
    if usable.sum() < 3:
        return NOTHING_SHOWN
    times, x, y = times_s[usable], moved[usable], confirmed[usable]
    power = float((x**2).sum())
    share = float((x * y).sum()) / power
    scatter = ((y - share * x) * x).sum(axis=1)
    period = float(np.median(np.diff(times)))
    together = max(1.0, CORRELATION_S / max(period, 1e-3))
    return Shown(share=share, error=float(np.sqrt(together * (scatter**2).sum())) / power)

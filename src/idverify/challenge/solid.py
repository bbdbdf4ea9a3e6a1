"""Whether what moved was a solid head: parallax of a turn, perspective of an approach.

Goal: a photograph that is turned, tilted or zoomed moves as its pose says and shows nothing of a head's depth. A turn
shifts the nose against the cheeks; coming closer makes the middle of the face grow more than its outline. Both are
measured on points that were tracked in the pictures (:mod:`idverify.pad.motion`), never on the mesh, which invents a
solid face on any picture; the mesh only says where a head's depth would be.

Model: points at depth ``d`` behind the plane of the eyes, ``x`` from the middle of the face, leave the best planar
transform by ``d`` times the sine of the turn (:mod:`idverify.pad.depth`), and by ``d x (1 - s) / Z`` where the face
grew by ``s`` at a distance ``Z``. ``Z`` is not known; it is taken as :data:`DISTANCE`, so that a head at arm's length
shows a share of about one, one at half of that two, and a flat picture none.

Conventions: as in :mod:`idverify.pad._registration`: lengths in patch pixels, 68 of them between the outer eye corners.

Public items: :func:`turn_shown_deg`, :func:`approach_shown`, :class:`Shown`, :func:`shown`.

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

__all__ = ["Shown", "approach_shown", "shown", "turn_shown_deg"]

Floats = NDArray[np.float64]

# Outer eye corners are 9 cm apart (Farkas, Anthropometry of the head and face, 1994: 8.7 to 9.1), a phone is held at
# 45 cm: five times that.
DISTANCE = 5 * 68.0
# Centre of the patch, and the unit in which the parameters of the fit are of one size.
CENTRE, UNIT_PX = np.array([64.0, 76.0]), 64.0
MIN_TRACKS = 16
REWEIGHTINGS = 3
# A head that turns meanwhile leaves the plane by more than an approach does.
MAX_TURN_DEG = 10.0
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


def turn_shown_deg(signals: MotionSignals) -> Floats:
    """Yaw and pitch since the key that the parallax confirms, (n, 2); NaN where too few points were tracked."""
    return parallax_rotation_deg(signals.key_points, signals.off_plane, signals.key_depth)


def approach_shown(signals: MotionSignals) -> tuple[Floats, Floats]:
    """Growth since the key, and as much of it as the perspective confirms.

    Returns
    -------
    approached, shown : (n,) float
        NaN where too few points were tracked, or the head turned as well.
    """
    grown = _growth(signals)
    xy = (np.asarray(signals.key_points, np.float64) - CENTRE) / UNIT_PX
    x, y, depth = xy[..., 0], xy[..., 1], np.asarray(signals.key_depth, np.float64)
    one, nil = np.ones_like(x), np.zeros_like(x)
    # Small changes of a homography (8), parallax along x and y (2), perspective (1).
    closer = -depth * UNIT_PX / DISTANCE
    along_x = np.stack([x, y, one, nil, nil, nil, x * x, x * y, depth, nil, closer * x], axis=-1)
    along_y = np.stack([nil, nil, nil, x, y, one, x * y, y * y, nil, depth, closer * y], axis=-1)
    design = np.stack([along_x, along_y], axis=2).reshape(len(x), -1, 11)
    seen: NDArray[np.bool_] = np.asarray(np.isfinite(signals.off_plane).all(axis=2))
    target = np.where(seen[..., None], signals.off_plane, 0.0).astype(np.float64).reshape(len(x), -1, 1)
    weights, fit = seen.astype(np.float64), np.zeros((len(x), 11, 1))
    for _ in range(REWEIGHTINGS if len(x) else 0):
        weighted = (design * np.repeat(weights, 2, axis=1)[..., None]).swapaxes(1, 2)
        fit = np.linalg.solve(weighted @ design + 1e-6 * np.eye(11), weighted @ target)
        error = (target - design @ fit).reshape(*seen.shape, 2)
        weights = seen / (1.0 + (error**2).sum(axis=2))
    turned = np.abs(signals.pose_change_deg[:, :2]).max(axis=1, initial=0.0)
    usable = (seen.sum(axis=1) >= MIN_TRACKS) & np.isfinite(grown) & (turned < MAX_TURN_DEG)
    return np.where(usable, grown, np.nan), np.where(usable, fit[:, 10, 0], np.nan)


def _growth(signals: MotionSignals) -> Floats:
    """Size of the face over its size in the key, less one; NaN before the first key."""
    keys = np.flatnonzero(signals.is_key)
    # A key is measured against the one before it.
    latest = np.searchsorted(keys, np.arange(len(signals)), side="left") - 1
    sizes = signals.eye_distance_px
    known = latest >= 0
    before = sizes[keys[np.maximum(latest, 0)]] if keys.size else sizes
    return np.asarray(np.where(known, sizes / before - 1.0, np.nan))


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
        return Shown(share=float("nan"), error=float("nan"))
    times, x, y = times_s[usable], moved[usable], confirmed[usable]
    power = float((x**2).sum())
    share = float((x * y).sum()) / power
    scatter = ((y - share * x) * x).sum(axis=1)
    period = float(np.median(np.diff(times)))
    together = max(1.0, CORRELATION_S / max(period, 1e-3))
    return Shown(share=share, error=float(np.sqrt(together * (scatter**2).sum())) / power)

"""Depth: does the head turn in space, or does a picture only say so?

When a head turns, points nearer to the camera (nose) move against points further away (cheeks, temples); no
planar transform explains that. The mesh reports a head rotation for people and for photographs alike, and it
also knows the usual depth of each point of a face. Tracked points leave the best planar transform in proportion
to that depth if, and only if, the face is solid: plane plus parallax. The rotation that the parallax needs,
over the rotation that the mesh reports, is the native value: about one for a head, about zero for a picture
that is turned, tilted or shows a turned face.

Conventions: rotations in degrees since the key picture, at most :data:`idverify.pad.motion.KEY_LIFE_S` ago; yaw
and pitch only, since roll is a planar transform.

Sources: Irani & Anandan 1996, "Parallax geometry of pairs of points for 3D scene analysis"; Tomasi & Kanade
1992, doi:10.1007/BF00129684 (rank of the track matrix of a rigid body).

Public items: :data:`NAME`, :func:`parallax_rotation_deg`, :func:`assess`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.pad._llr import load_scale
from idverify.pad.evidence import PADEvidence, Status
from idverify.pad.motion import MotionSignals
from idverify.reasons import NotAssessed, Reason

__all__ = ["NAME", "assess", "parallax_rotation_deg"]

F64 = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

NAME = "depth"
UNIT = "rotation that the parallax confirms / rotation of the mesh (1: a solid head, 0: a flat picture)"
# Below this rotation between two pictures the parallax of a nose is under a pixel of the patch.
MIN_ROTATION_DEG = 4.0
# So many frames with that rotation, so that no single bad fit decides.
MIN_FRAMES = 6
MIN_TRACKS = 16
# Centre and unit of patch coordinates in which the parameters of the fit are of one size.
CENTRE, UNIT_PX = np.array([64.0, 76.0]), 64.0
REWEIGHTINGS = 3


def parallax_rotation_deg(key_points: Floats, off_plane: Floats, depth: Floats) -> F64:
    """Yaw and pitch since the key that the tracks need, frame by frame.

    Parameters
    ----------
    key_points : float [shape=(n, c, 2)]
        Tracked points in the key patch.
    off_plane : float [shape=(n, c, 2)]
        How far they lie from the best planar transform now; NaN where lost.
    depth : float [shape=(n, c)]
        Depth of each point in the key, patch pixels, growing away from the camera.

    Returns
    -------
    float64 [shape=(n, 2)]
        Degrees; NaN where fewer than :data:`MIN_TRACKS` points were tracked.
    """
    rows = 2 * off_plane.shape[1]
    seen: NDArray[np.bool_] = np.isfinite(off_plane[..., 0]) & np.isfinite(off_plane[..., 1])
    design = _design((np.asarray(key_points, np.float64) - CENTRE) / UNIT_PX, np.asarray(depth, np.float64))
    target = np.where(seen[..., None], off_plane, 0.0).astype(np.float64).reshape(-1, rows, 1)
    weights = seen.astype(np.float64)
    fit: F64 = np.zeros((len(design), 10, 1))
    for _ in range(REWEIGHTINGS):
        weighted = (design * np.repeat(weights, 2, axis=1)[..., None]).swapaxes(1, 2)
        fit = np.linalg.solve(weighted @ design + 1e-6 * np.eye(10), weighted @ target).astype(np.float64)
        error = (target - design @ fit).reshape(*seen.shape, 2)
        weights = np.asarray(seen / (1.0 + (error**2).sum(axis=2)), np.float64)
    sines = np.clip(fit[:, -2:, 0] * np.array([-1.0, 1.0]), -1.0, 1.0)
    few = np.count_nonzero(seen, axis=1) < MIN_TRACKS
    degrees: F64 = np.where(np.asarray(few)[:, None], np.nan, np.degrees(np.arcsin(sines)))
    return degrees


def _design(xy: F64, depth: F64) -> F64:
    """Small changes of a homography (8), then parallax along x and y (2) [shape=(n, 2 c, 10)]."""
    x, y = xy[..., 0], xy[..., 1]
    one, nil = np.ones_like(x), np.zeros_like(x)
    along_x = np.stack([x, y, one, nil, nil, nil, x * x, x * y, depth, nil], axis=-1)
    along_y = np.stack([nil, nil, nil, x, y, one, x * y, y * y, nil, depth], axis=-1)
    return np.stack([along_x, along_y], axis=2).reshape(len(xy), 2 * xy.shape[1], 10)


def assess(signals: MotionSignals) -> PADEvidence:
    """Whether the rotation that the mesh reports shows in the parallax."""
    reported = signals.pose_change_deg[:, :2]
    found = parallax_rotation_deg(signals.key_points, signals.off_plane, signals.key_depth)
    amount = np.hypot(*reported.T)
    usable = np.isfinite(found).all(axis=1) & (amount >= MIN_ROTATION_DEG)
    most = float(amount[np.isfinite(found).all(axis=1)].max(initial=0.0))
    if usable.sum() < MIN_FRAMES:
        detail = f"the head turned by at most {most:.0f} degrees within a second; {MIN_ROTATION_DEG:.0f} are needed"
        return PADEvidence.not_assessed(NAME, UNIT, NotAssessed(reason=Reason.TOO_LITTLE_MOVEMENT, detail=detail))
    native = float((found * reported)[usable].sum() / (reported[usable] ** 2).sum())
    return PADEvidence(
        name=NAME,
        status=Status.ASSESSED,
        unit=UNIT,
        native=native,
        bona_fide_llr=load_scale(NAME)(native),
        detail=f"turned by up to {most:.0f} degrees, it shows {100 * native:.0f} % of the parallax of a solid head",
        times_s=signals.times_s[usable],
        values=np.hypot(*found[usable].T),
    )

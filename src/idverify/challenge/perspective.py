"""Whether a face that grows comes closer: how strong its perspective is, picture by picture.

Goal: from near, the nose is large against the cheeks, and the forehead falls away; from afar less so. A flat picture
that is enlarged keeps the proportions that it has, so its perspective stays what it was when it was taken. Landmarks
show this where tracked corners do not: they are many, they do not drift, and the whole span from far to near is
compared at once.

Model: the person's own shape, from the mesh over the whole recording, is laid on each picture's points by a turn, a
size, a shift, and the strength of the perspective, the distance of the outer eye corners over that to the camera: a
pinhole. Mouth and jaw move of their own accord and are left out. Depth is the mesh's own guess, so the strength's scale
is rough; its change counts.

Public items: :class:`Perspective`, :func:`perspective`, :data:`MAX_AWAY_DEG`.

References
----------
Baker and Matthews, "Lucas-Kanade 20 years on", IJCV 56 (2004) (Gauss-Newton steps). Burgos-Artizzu et al., "Distance
estimation of an unknown person from a portrait", ECCV 2014, doi:10.1007/978-3-319-10590-1_21 (landmarks show it).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_AWAY_DEG", "Perspective", "perspective"]

Floats = NDArray[np.float64]

# The outer eye corners in the mesh, the person's right first; everything in this unit.
_RIGHT, _LEFT = 33, 263
# The tip of the nose: what lies lower moves with mouth and jaw.
_NOSE_TIP = 4
# So many pictures make the shape, and every so manieth point above the mouth the fit: more change nothing.
_SHAPE_PICTURES, _SHAPE_ROUNDS, _EVERY, _LEAST_POINTS = 60, 3, 3, 20
# A mesh's errors grow with the turn away from where the shape was learnt.
MAX_AWAY_DEG = 12.0
# 45 cm: where most phones are held. From there on Gauss-Newton needs few steps.
_START, _STEPS = 0.2, 5
# Points further from the model than this share of the eye corners' distance count less and less.
_TOLERANCE = 0.02


class Perspective(NamedTuple):
    """How near a face is, by its size and by its perspective.

    Parameters
    ----------
    size : (n,) float
        Outer eye corners apart, pixels, as a face in front would show them; NaN where the head is turned away.
    strength : (n,) float
        The same distance over that to the camera, but for an offset of the person's: 0.2 at 45 cm.
    """

    size: Floats
    strength: Floats


def perspective(points_px: NDArray[np.floating[Any]], yaw_pitch_roll_deg: Floats) -> Perspective:
    """Measure size and perspective of one person's face in every picture.

    Parameters
    ----------
    points_px : (n, 468, 3) float
        Meshes in pixels of the picture.
    yaw_pitch_roll_deg : (n, 3) float
        Their poses; NaN where there is none.
    """
    size, strength = np.full(len(points_px), np.nan), np.full(len(points_px), np.nan)
    pose = yaw_pitch_roll_deg[:, :2]
    known = np.flatnonzero(np.isfinite(pose).all(axis=1) & np.isfinite(points_px[..., 0]).all(axis=1))
    usual = np.median(pose[known], axis=0) if known.size else np.zeros(2)
    near = known[np.abs(pose[known] - usual).max(axis=1) <= MAX_AWAY_DEG]
    if near.size:
        shape = _shape(points_px[near[:: max(1, near.size // _SHAPE_PICTURES)]].astype(np.float64))
        chosen = np.flatnonzero(_above_nose_tip(shape))[::_EVERY]
        # Points that all lie in one place have no shape.
        if chosen.size >= _LEAST_POINTS:
            size[near], strength[near] = _fit(shape, points_px[near].astype(np.float64), chosen)
    return Perspective(size, strength)


def _above_nose_tip(shape: Floats) -> NDArray[np.bool_]:
    """Which points lie above the tip of the nose, however the head is tilted."""
    across = shape[_LEFT, :2] - shape[_RIGHT, :2]
    down = shape[_NOSE_TIP, :2] - (shape[_LEFT, :2] + shape[_RIGHT, :2]) / 2
    down = down - across * (across @ down) / max(float(across @ across), 1e-9)
    return np.asarray((shape[:, :2] - shape[_NOSE_TIP, :2]) @ down < 0)


def _shape(meshes: Floats) -> Floats:
    """The person's shape, in eye distances: the median of meshes laid over each other [shape=(468, 3)]."""
    centred = meshes - meshes.mean(axis=1, keepdims=True)
    shape = centred[len(centred) // 2]
    for _ in range(_SHAPE_ROUNDS):
        turns, sizes = _laid_over(shape, centred)
        shape = np.median(np.einsum("nki,nij->nkj", centred, turns) / sizes[:, None, None], axis=0)
        shape = shape - shape.mean(axis=0)
    return np.asarray(shape / max(float(np.linalg.norm(shape[_RIGHT] - shape[_LEFT])), 1e-6))


def _laid_over(shape: Floats, centred: Floats) -> tuple[Floats, Floats]:
    """Turn and size that bring the shape onto each mesh (Umeyama 1991, doi:10.1109/34.88573)."""
    u, singular, vt = np.linalg.svd(np.einsum("nki,kj->nij", centred, shape))
    sign = np.ones((len(centred), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    return (u * sign[:, None]) @ vt, np.maximum((singular * sign).sum(axis=1) / max((shape**2).sum(), 1e-9), 1e-6)


def _fit(shape: Floats, meshes: Floats, chosen: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Size and strength of the perspective, by Gauss-Newton on all pictures at once."""
    turns, size = _laid_over(shape, meshes - meshes.mean(axis=1, keepdims=True))
    seen, shape = meshes[:, chosen, :2], shape[chosen]
    strength, shift = np.full(len(meshes), _START), seen.mean(axis=1)
    weights = np.ones(seen.shape[:2])
    for _ in range(_STEPS):
        x, y, z = np.moveaxis(np.einsum("nij,kj->nki", turns, shape), 2, 0)
        lens = 1.0 / (1.0 + strength[:, None] * z)
        flat = lens[..., None] * np.stack([x, y], axis=-1)
        error = (seen - shift[:, None]) / size[:, None, None] - flat
        weights = 1.0 / (1.0 + (error**2).sum(axis=2) / _TOLERANCE**2)
        slopes = _slopes(x, y, z, lens, strength[:, None])
        weighted = weights[..., None, None] * slopes
        normal = np.einsum("nkca,nkcb->nab", weighted, slopes) + 1e-9 * np.eye(slopes.shape[-1])
        step = np.linalg.solve(normal, np.einsum("nkca,nkc->na", weighted, error)[..., None])[..., 0]
        turns = _rotations(step[:, :3]) @ turns
        shift = shift + step[:, 5:] * size[:, None]
        size, strength = size * np.exp(np.clip(step[:, 3], -1, 1)), np.clip(strength + step[:, 4], -0.6, 1.0)
    return size, strength


def _slopes(x: Floats, y: Floats, z: Floats, lens: Floats, strength: Floats) -> Floats:
    """How each point moves, in eye distances: three turns, size, perspective, two shifts [shape=(n, k, 2, 7)]."""
    nil, one = np.zeros_like(x), np.ones_like(x)
    nearer = strength * lens**2

    def moved(dx: Floats, dy: Floats, dz: Floats) -> Floats:
        return np.stack([lens * dx - nearer * x * dz, lens * dy - nearer * y * dz], axis=-1)

    return np.stack(
        [
            moved(nil, -z, y), moved(z, nil, -x), moved(-y, x, nil), moved(x, y, nil),
            np.stack([-(lens**2) * x * z, -(lens**2) * y * z], axis=-1),
            np.stack([one, nil], axis=-1), np.stack([nil, one], axis=-1),
        ],
        axis=-1,
    )  # fmt: skip


def _rotations(vectors: Floats) -> Floats:
    """Rotation matrices (Rodrigues) [shape=(n, 3, 3)]."""
    angle = np.linalg.norm(vectors, axis=1)[:, None, None] + 1e-12
    x, y, z = vectors.T
    nil = np.zeros_like(x)
    cross = np.stack([nil, -z, y, z, nil, -x, -y, x, nil], axis=1).reshape(-1, 3, 3)
    return np.asarray(np.eye(3) + np.sin(angle) / angle * cross + (1 - np.cos(angle)) / angle**2 * cross @ cross)

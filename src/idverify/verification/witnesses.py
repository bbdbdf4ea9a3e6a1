"""Does every analysed frame show the subject? The faces beside the compared ones that could tell otherwise.

All pictures of the track are compared as pictures, which costs next to nothing. Those that differ most from their
neighbours in time, those that differ most from all that was looked at, and some drawn at random are looked at by the
fastest network; what is not plainly the subject to it is looked at by all networks and joins the compared faces in the
judgement of :mod:`idverify.pad.identity_continuity`.

A face turned too far to be compared is judged by its continuity alone. And no picture may belong neither to the one
before nor to the one after it, whatever the networks say.

Public items: :func:`likenesses`, :func:`is_facing`, :func:`has_neighbours`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from idverify.comparison.features import FusedExtractor, glanced
from idverify.faces import quality
from idverify.faces.alignment import similarity_matrices
from idverify.faces.tracking import FaceTrack
from idverify.pad.identity_continuity import Likenesses, glance_mark, oddness, unit_pictures

__all__ = ["has_neighbours", "is_facing", "likenesses"]

F64 = NDArray[np.float64]
Indices = NDArray[np.intp]

# Faces glanced at: the oddest in time, those least like all others looked at, and any.
N_ODD, N_UNLIKE, N_RANDOM = 4, 4, 2
# Of these, at most so many are looked at again.
MAX_SECOND_LOOKS = 3
# Pictures as far apart as this are neighbours of the one between them: a head does not turn away and back in it.
NEIGHBOURS_S = 0.21
# Turned further than this, in yaw and pitch, the networks no longer know a person for sure: seen from below at 40
# degrees, a genuine face is as unlike itself as a stranger.
FACING_DEG = (45.0, 35.0)


def likenesses(
    track: FaceTrack,
    chips_rgb: NDArray[np.uint8],
    compared: Indices,
    vectors: F64,
    extractor: FusedExtractor,
    rng: np.random.Generator,
) -> Likenesses:
    """How alike the compared faces and those are that look least like them.

    Parameters
    ----------
    track
    chips_rgb : uint8 [shape=(n, 96, 96, 3)]
        The face in every frame of the track, aligned with :data:`quality.CHIP`.
    compared : intp [shape=(k,)]
        Rows of the track that are compared, rising.
    vectors : float64 [shape=(k, d)]
        Their fused features.
    extractor
    rng
        Draws the random ones.
    """
    pictures = unit_pictures(chips_rgb)
    odd, facing = oddness(pictures), is_facing(track.yaw_pitch_roll_deg)
    chosen = _choose(pictures, odd, facing, compared, rng)
    points = _in_chips(track.points_px)
    again = _second_looks(chips_rgb, points, chosen, vectors, extractor)
    more = extractor.extract([chips_rgb[k] for k in again], points[again]) if len(again) else vectors[:0]
    rows = np.concatenate([compared, again])
    order = np.argsort(rows)
    faces = np.concatenate([vectors, more])[order]
    between = np.where(has_neighbours(track.times_s), oddness(pictures, spacings=(1,)), -1.0)
    oddest = int(np.argmax(between))
    return Likenesses(
        times_s=track.times_s[rows[order]],
        similarity=faces @ faces.T,
        oddest=max(0.0, float(between[oddest])),
        oddest_s=float(track.times_s[oddest]),
    )


def is_facing(yaw_pitch_roll_deg: F64) -> NDArray[np.bool_]:
    """Which of n faces [shape=(n, 3)] look so near to the camera that the networks know them."""
    return np.asarray((np.abs(yaw_pitch_roll_deg[:, :2]) <= FACING_DEG).all(axis=1))


def has_neighbours(times_s: F64) -> NDArray[np.bool_]:
    """Whether the picture before and the one after are so near that a head cannot turn away and back between them."""
    gap = np.concatenate([[np.inf], np.diff(times_s), [np.inf]])
    return np.asarray(gap[:-1] + gap[1:] <= NEIGHBOURS_S)


def _choose(pictures: F64, odd: F64, facing: NDArray[np.bool_], compared: Indices, rng: np.random.Generator) -> Indices:
    """Rows of the track that are glanced at, besides those compared."""
    left = facing.copy()
    left[compared] = False
    chosen: list[int] = []
    standing_out = np.where(left, odd, -np.inf)
    while len(chosen) < N_ODD and np.isfinite(standing_out).any():
        k = int(np.argmax(standing_out))
        chosen.append(k)
        # The next ones are as odd when a run of pictures is.
        standing_out[max(0, k - 1) : k + 2] = -np.inf
    left[chosen] = False
    apart = 1.0 - pictures @ pictures[[*compared, *chosen]].T
    nearest = apart.min(axis=1)
    for _ in range(min(N_UNLIKE, int(left.sum()))):
        k = int(np.argmax(np.where(left, nearest, -np.inf)))
        chosen.append(k)
        left[k] = False
        nearest = np.minimum(nearest, 1.0 - pictures @ pictures[k])
    rest = np.flatnonzero(left)
    drawn = rng.choice(rest, min(N_RANDOM, len(rest)), replace=False)
    return np.concatenate([np.array(chosen, np.intp), drawn])


def _in_chips(points_px: NDArray[np.float32]) -> NDArray[np.float32]:
    """Meshes of n faces in pixels of their chips."""
    matrices = similarity_matrices(quality.CHIP.source(points_px), quality.CHIP.target_px)
    flat = points_px[..., :2] @ matrices[:, :, :2].transpose(0, 2, 1) + matrices[:, None, :, 2]
    return np.concatenate([flat, points_px[..., 2:]], axis=-1).astype(np.float32)


def _second_looks(
    chips_rgb: NDArray[np.uint8],
    points_px: NDArray[np.float32],
    chosen: Indices,
    vectors: F64,
    extractor: FusedExtractor,
) -> Indices:
    """Of the chosen faces, those that are not plainly the subject to the fastest network, the least alike first."""
    if not len(chosen):
        return chosen
    seen = extractor.glance([chips_rgb[k] for k in chosen], points_px[chosen])
    alike = (seen @ glanced(vectors, seen.shape[1]).T).mean(axis=1)
    order = np.argsort(alike)[:MAX_SECOND_LOOKS]
    return np.asarray(chosen[order[alike[order] < glance_mark()]])

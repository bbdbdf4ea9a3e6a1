"""Aligned faces: mesh points in, the square picture that an extractor expects out.

Each extractor names its own canonical points; a least-squares similarity (rotation, one scale, shift) takes the face
there. Matrices for many faces are found in one go.

Sources: Umeyama 1991, doi:10.1109/34.88573 (the closed form in the plane is a complex division); the SFace points are
those of ArcFace's 112 x 112 crop (Deng et al. 2019, arXiv:1801.07698); the dlib points are its five-point mean face
with 25 % padding.

Public items: :class:`AlignedFace`, :class:`CanonicalPoints`, :data:`SFACE`, :data:`DLIB`,
:func:`similarity_matrices`, :func:`align`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.faces.landmarks import LEFT_EYE, MOUTH_CORNERS, NOSE_TIP, RIGHT_EYE

__all__ = ["DLIB", "SFACE", "CanonicalPoints", "align", "similarity_matrices"]

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalPoints:
    """Where an extractor wants which mesh points.

    Parameters
    ----------
    size_px
        Side of the square crop.
    groups
        Mesh indices; the mean of each group is one point.
    target_px : float64 [shape=(k, 2)]
        Where the k points go.
    """

    size_px: int
    groups: tuple[tuple[int, ...], ...]
    target_px: F64 = field(repr=False)

    def source(self, points_px: NDArray[np.float32]) -> F64:
        """The k points of faces with mesh `points_px` [shape=(n, 468, 3)] -> [shape=(n, k, 2)]."""
        rows, starts, sizes = _gathered(self.groups)
        return np.asarray(np.add.reduceat(points_px[:, rows, :2].astype(np.float64), starts, axis=1) / sizes)


@lru_cache(maxsize=16)
def _gathered(groups: tuple[tuple[int, ...], ...]) -> tuple[NDArray[np.intp], NDArray[np.intp], F64]:
    """Rows of the mesh, group after group; where each group begins; sizes of the groups [shape=(k, 1)]."""
    sizes = np.array([len(group) for group in groups], np.intp)
    rows = np.array([row for group in groups for row in group], np.intp)
    return rows, np.cumsum(sizes) - sizes, sizes[:, None].astype(np.float64)


# Deng et al. 2019, the 112 x 112 crop: eye centres, nose tip, mouth corners.
SFACE = CanonicalPoints(
    size_px=112,
    groups=(RIGHT_EYE[:2], LEFT_EYE[:2], (NOSE_TIP,), (MOUTH_CORNERS[0],), (MOUTH_CORNERS[1],)),
    target_px=np.array(
        [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
    ),
)

# dlib, image_transforms/interpolation.h, get_face_chip_details: mean of the outer and inner eye corners and the base
# of the nose, in a unit square that 25 % padding surrounds.
_DLIB_UNIT = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
DLIB = CanonicalPoints(
    size_px=150,
    groups=((LEFT_EYE[0],), (LEFT_EYE[1],), (RIGHT_EYE[0],), (RIGHT_EYE[1],), (2,)),
    target_px=(_DLIB_UNIT + 0.25) / 1.5 * 150,
)


def similarity_matrices(source: F64, target: F64) -> F64:
    """Least-squares similarities that take each row's points to the target.

    Parameters
    ----------
    source : float64 [shape=(n, k, 2)]
    target : float64 [shape=(k, 2)]

    Returns
    -------
    float64 [shape=(n, 2, 3)]
    """
    s = source[..., 0] + 1j * source[..., 1]
    t = target[:, 0] + 1j * target[:, 1]
    s_mean, t_mean = s.mean(axis=1, keepdims=True), t.mean()
    s0, t0 = s - s_mean, t - t_mean
    spread = (np.abs(s0) ** 2).sum(axis=1)
    gain = (np.conj(s0) * t0).sum(axis=1) / np.where(spread > 0, spread, 1.0)
    shift = t_mean - gain * s_mean[:, 0]
    rows = [gain.real, -gain.imag, shift.real, gain.imag, gain.real, shift.imag]
    return np.stack(rows, axis=-1).reshape(-1, 2, 3)


def align(
    images_rgb: list[NDArray[np.uint8]], points_px: NDArray[np.float32], canonical: CanonicalPoints
) -> NDArray[np.uint8]:
    """Crops of n faces as an extractor wants them.

    Parameters
    ----------
    images_rgb : n pictures, uint8 [shape=(h, w, 3)]
    points_px : float32 [shape=(n, 468, 3)]
        Mesh of the face in each picture's own pixels.
    canonical
        The extractor's points.

    Returns
    -------
    uint8 [shape=(n, size, size, 3)]
    """
    size = canonical.size_px
    out = np.empty((len(images_rgb), size, size, 3), np.uint8)
    if not images_rgb:
        return out
    matrices = similarity_matrices(canonical.source(points_px), canonical.target_px)
    for chip, image, matrix in zip(out, images_rgb, matrices, strict=True):
        shrink = np.hypot(matrix[0, 0], matrix[1, 0])
        if shrink < 0.5:
            # Bilinear sampling skips pixels beyond a factor of two, so area-average down to about the final size first.
            factor = 2 * shrink
            image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            matrix = matrix.copy()
            matrix[:, :2] /= factor
        cv2.warpAffine(image, matrix, (size, size), dst=chip, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return out

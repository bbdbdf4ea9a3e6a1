"""Two ways to draw a photo on a moved cage: flat triangles with hidden surfaces removed, or one smooth field.

Goal: a detector must not learn one renderer. Both answer the same question, where in the photo every pixel of the
result is read, and leave different traces: creases and true occlusion here, stretch without occlusion there.

Conventions: `points` and `seen` are the cage's points in the photo and in the result, float64 [shape=(k, 3)].

Public items: :class:`Warp`, :class:`TriangleWarp`, :class:`SmoothWarp`.
"""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.simulation.landmark_sets import SPREAD
from idverify.simulation.splines import lattice, thin_plate

__all__ = ["SmoothWarp", "TriangleWarp", "Warp"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]


class Warp(Protocol):
    """From seen points to where to read."""

    def reading(self, seen: F64) -> F32:
        """Where in the photo each pixel of the result is read [shape=(h, w, 2)]."""


class TriangleWarp:
    """Triangles between the points, the far ones drawn first.

    Parameters
    ----------
    points : float64 [shape=(k, 3)]
    size_wh : tuple of int
        Of photo and result.
    coarse : int
        The field is drawn at one `coarse`-th of the size and interpolated.
    """

    def __init__(self, points: F64, size_wh: tuple[int, int], *, coarse: int = 2) -> None:
        self._points, self._size_wh, self._coarse = points[:, :2], size_wh, coarse
        self._triangles = delaunay(points[:, :2])
        corners = self._points[self._triangles]
        self._area = _area(corners)

    def reading(self, seen: F64) -> F32:
        """Where in the photo each pixel of the result is read [shape=(h, w, 2)]."""
        size = tuple(-(-side // self._coarse) for side in self._size_wh)
        field, _ = self._drawn((seen[:, :2] + 0.5) / self._coarse - 0.5, seen[:, 2], size)
        return np.asarray(cv2.resize(field, self._size_wh, interpolation=cv2.INTER_LINEAR))

    def reading_over(self, seen: F64, under: F32) -> F32:
        """The same at full size, and another field where no triangle is [shape=(h, w, 2)]."""
        field, drawn = self._drawn(seen[:, :2], seen[:, 2], under.shape[1::-1])
        return np.where(drawn[..., None], field, under)

    def _drawn(self, to: F64, depth: F64, size_wh: tuple[int, ...]) -> tuple[F32, NDArray[np.bool_]]:
        width, height = size_wh
        corners = to[self._triangles]
        # A triangle that shows its back is hidden by the head itself.
        front = np.flatnonzero(_area(corners) * np.sign(self._area) > 1e-3)
        far = depth[self._triangles].mean(axis=1)
        order = front[np.argsort(-far[front], kind="stable")]
        label = np.full((height, width), -1, np.int32)
        fixed = np.rint(corners * 16).astype(np.int32)
        for index in order.tolist():
            cv2.fillConvexPoly(label, fixed[index], index, cv2.LINE_8, 4)
        affine = self._affine(corners)
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        coefficients = affine[label]
        field = coefficients[..., 0] * x[..., None] + coefficients[..., 1] * y[..., None] + coefficients[..., 2]
        return field, label >= 0

    def _affine(self, corners: F64) -> F32:
        """For each triangle, the photo's x and y as a x + b y + c [shape=(n, 2, 3)]."""
        system = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=2)
        flat = np.abs(np.linalg.det(system)) < 1e-6
        system[flat] = np.eye(3)
        return np.asarray(np.linalg.solve(system, self._points[self._triangles]).transpose(0, 2, 1), np.float32)


class SmoothWarp:
    """A thin-plate spline through some of the points: no crease, nothing hidden.

    The spline moves the photo forwards, so that its matrix stays the same for all pictures; where to read is found by
    going back along it step by step.

    Parameters
    ----------
    points : float64 [shape=(k, 3)]
    size_wh : tuple of int
    stiffness : float
        How much the spline may miss the points.
    """

    # Fields are this much coarser than the picture, and gone back along this often.
    _COARSE, _STEPS = 4, 6

    def __init__(self, points: F64, size_wh: tuple[int, int], *, stiffness: float = 2e-5) -> None:
        lips = [61, 291, 0, 17, 13, 14, 78, 308, 37, 267, 84, 314, 82, 312, 87, 317]
        inner = sorted({*SPREAD, *lips})
        self._some = np.concatenate([inner, np.arange(468, len(points), 2)])
        self._size_wh = size_wh
        at = points[self._some, :2]
        self._homogeneous = np.column_stack([at, np.ones(len(at))])
        self._fit = np.linalg.pinv(self._homogeneous)
        (self._columns, self._rows), nodes = lattice(size_wh, 16.0)
        self._spline = thin_plate(at, nodes, stiffness=stiffness)

    def reading(self, seen: F64) -> F32:
        """Where in the photo each pixel of the result is read [shape=(h, w, 2)]."""
        to = seen[self._some, :2]
        affine = self._fit @ to
        residual = (self._spline @ (to - self._homogeneous @ affine)).reshape(self._rows, self._columns, 2)
        field = np.asarray(residual, np.float32)
        width, height = (-(-side // self._COARSE) for side in self._size_wh)
        x = (np.arange(width) + 0.5) * self._size_wh[0] / width - 0.5
        y = (np.arange(height) + 0.5) * self._size_wh[1] / height - 0.5
        pixels = np.stack(np.meshgrid(x, y), axis=-1) - affine[2]
        back = np.linalg.inv(affine[:2])
        read = pixels @ back
        cell = np.array([self._size_wh[0] / self._columns, self._size_wh[1] / self._rows])
        for _ in range(self._STEPS):
            at = ((read + 0.5) / cell - 0.5).astype(np.float32)
            moved = cv2.remap(field, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            read = 0.5 * read + 0.5 * (pixels - moved) @ back
        return np.asarray(cv2.resize(read.astype(np.float32), self._size_wh, interpolation=cv2.INTER_CUBIC))


def delaunay(points: F64) -> I32:
    """Triangles between points of a plane, as indices [shape=(n, 3)]."""
    low, high = points.min(axis=0) - 2, points.max(axis=0) + 2
    division = cv2.Subdiv2D((int(low[0]) - 1, int(low[1]) - 1, int(high[0] - low[0]) + 4, int(high[1] - low[1]) + 4))
    single = points.astype(np.float32)
    owner: dict[int, int] = {}
    for index, point in enumerate(single.tolist()):
        owner.setdefault(division.insert(point), index)
    corner_of = {tuple(single[index].tolist()): index for index in owner.values()}
    corners = np.asarray(division.getTriangleList(), np.float32).reshape(-1, 3, 2)
    named = [[corner_of.get(tuple(corner), -1) for corner in triangle] for triangle in corners.tolist()]
    return np.array([row for row in named if min(row) >= 0], np.int32)


def _area(corners: F64) -> F64:
    """Twice the signed area of triangles [shape=(n, 3, 2)]."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])

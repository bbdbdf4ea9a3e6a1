"""Thin-plate splines: the smoothest field through values at scattered points.

Conventions: points are float64 [shape=(k, 2)] in pixels; a field has any number of columns.

Public items: :func:`thin_plate`, :func:`on_lattice`.

Sources: Bookstein 1989, "Principal warps: thin-plate splines and the decomposition of deformations",
doi:10.1109/34.24792.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["on_lattice", "thin_plate"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


def thin_plate(points: F64, values: F64, at: F64, *, stiffness: float = 0.0) -> F64:
    """The spline through scattered values, elsewhere.

    Parameters
    ----------
    points : float64 [shape=(k, 2)]
    values : float64 [shape=(k, c)]
    at : float64 [shape=(n, 2)]
        Where it is wanted.
    stiffness : float
        0 goes through every value; more smooths (in units of the spline's own kernel at the points' spread).

    Returns
    -------
    float64 [shape=(n, c)]
    """
    spread = float(np.ptp(points, axis=0).max()) or 1.0
    origin = points.mean(axis=0)
    p, q = (points - origin) / spread, (at - origin) / spread
    k = len(p)
    system = np.zeros((k + 3, k + 3))
    system[:k, :k] = _kernel(p, p) + stiffness * np.eye(k)
    system[:k, k], system[:k, k + 1 :] = 1.0, p
    system[k:, :k] = system[:k, k:].T
    # Points that coincide leave the system singular; a trace of stiffness tells them apart.
    system[:k, :k] += 1e-9 * np.eye(k)
    right = np.zeros((k + 3, values.shape[1]))
    right[:k] = values
    weights = np.linalg.solve(system, right)
    return np.asarray(_kernel(q, p) @ weights[:k] + weights[k] + q @ weights[k + 1 :])


def on_lattice(
    points: F64, values: F64, size_wh: tuple[int, int], *, cell_px: float = 16.0, stiffness: float = 0.0
) -> F32:
    """The spline at every pixel of a picture, computed on a lattice and interpolated [shape=(h, w, c)]."""
    width, height = size_wh
    columns, rows = (max(round(side / cell_px), 2) for side in size_wh)
    # Centres of the lattice's cells, as cv2.resize understands them.
    x = (np.arange(columns) + 0.5) * width / columns - 0.5
    y = (np.arange(rows) + 0.5) * height / rows - 0.5
    nodes = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    field = thin_plate(points, values, nodes, stiffness=stiffness).reshape(rows, columns, -1).astype(np.float32)
    full = cv2.resize(field, size_wh, interpolation=cv2.INTER_CUBIC)
    return np.asarray(full.reshape(height, width, -1))


def _kernel(a: F64, b: F64) -> F64:
    square = ((a[:, None] - b) ** 2).sum(axis=-1)
    return np.asarray(0.5 * square * np.log(np.maximum(square, 1e-18)))

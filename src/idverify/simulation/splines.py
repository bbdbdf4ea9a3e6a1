"""Thin-plate splines: the smoothest field through values at scattered points.

Conventions: points are float64 [shape=(k, 2)] in pixels; a field has any number of columns.

Public items: :func:`thin_plate`, :func:`lattice`, :func:`on_lattice`.

Sources: Bookstein 1989, "Principal warps: thin-plate splines and the decomposition of deformations",
doi:10.1109/34.24792.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["lattice", "on_lattice", "thin_plate"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


def thin_plate(points: F64, at: F64, *, stiffness: float = 0.0) -> F64:
    """The spline through values at points, elsewhere: as a matrix, since it is linear in the values.

    Parameters
    ----------
    points : float64 [shape=(k, 2)]
    at : float64 [shape=(n, 2)]
        Where it is wanted.
    stiffness : float
        0 goes through every value; more smooths (in units of the spline's own kernel at the points' spread).

    Returns
    -------
    float64 [shape=(n, k)]
        Times the values at the points it gives the field.
    """
    spread = float(np.ptp(points, axis=0).max()) or 1.0
    origin = points.mean(axis=0)
    p, q = (points - origin) / spread, (at - origin) / spread
    k = len(p)
    system = np.zeros((k + 3, k + 3))
    # Points that coincide leave the system singular; a trace of stiffness tells them apart.
    system[:k, :k] = _kernel(p, p) + max(stiffness, 1e-9) * np.eye(k)
    system[:k, k], system[:k, k + 1 :] = 1.0, p
    system[k:, :k] = system[:k, k:].T
    terms = np.hstack([_kernel(q, p), np.ones((len(q), 1)), q])
    return np.asarray(np.linalg.solve(system, terms.T)[:k].T)


def lattice(size_wh: tuple[int, int], cell_px: float) -> tuple[tuple[int, int], F64]:
    """Columns and rows of a lattice over a picture, and its nodes: the centres of cells, as cv2.resize has them."""
    columns, rows = (max(round(side / cell_px), 2) for side in size_wh)
    x = (np.arange(columns) + 0.5) * size_wh[0] / columns - 0.5
    y = (np.arange(rows) + 0.5) * size_wh[1] / rows - 0.5
    return (columns, rows), np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def on_lattice(
    points: F64, values: F64, size_wh: tuple[int, int], *, cell_px: float = 16.0, stiffness: float = 0.0
) -> F32:
    """The spline at every pixel of a picture, computed on a lattice and interpolated [shape=(h, w, c)]."""
    (columns, rows), nodes = lattice(size_wh, cell_px)
    field = (thin_plate(points, nodes, stiffness=stiffness) @ values).reshape(rows, columns, -1).astype(np.float32)
    full = cv2.resize(field, size_wh, interpolation=cv2.INTER_CUBIC)
    return np.asarray(full.reshape(*size_wh[::-1], -1))


def _kernel(a: F64, b: F64) -> F64:
    square = ((a[:, None] - b) ** 2).sum(axis=-1)
    return np.asarray(0.5 * square * np.log(np.maximum(square, 1e-18)))

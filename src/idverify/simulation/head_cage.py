"""A head and its surroundings as points in space that can be turned: what a photo is hung on to be moved.

Goal: from the mesh of one photo a *cage* that covers the whole picture: the face's 468 points with their depth, rings
over hair, ears and neck that continue it, and points of the body that stay. A :class:`Moment` says how head and face
are held; :meth:`Cage.posed` gives where every point is then seen by a pinhole camera.

Conventions: x to the right, y down, z away from the camera, pixels of the photo's canvas. Yaw > 0 turns to the
person's left, pitch > 0 looks up, roll > 0 tilts to their left shoulder, as in :mod:`idverify.faces.landmarks`.

Public items: :class:`Moment`, :class:`Cage`, :func:`rotation`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idverify.simulation.landmark_sets import BROWS, LOWER_LIP, OVAL, UPPER_LIP

__all__ = ["CHIN", "Cage", "Moment", "rotation"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

N_FACE = 468
CHIN = 152
_MOUTH_CORNERS = (61, 291)
# Rings about the oval: their size over the oval's.
_RINGS = (1.1, 1.25, 1.45, 1.7)


def rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> F64:
    """The head's rotation matrix [shape=(3, 3)]: first pitch, then yaw, then roll."""
    (cy, cp, cr), (sy, sp, sr) = (f(np.radians([yaw_deg, pitch_deg, roll_deg])) for f in (np.cos, np.sin))
    turn = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(tilt @ turn @ nod)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """How a head is held and what its face does; all zero is the photo as it is.

    Parameters
    ----------
    turn : float64 [shape=(3, 3)]
        Rotation of the head against the photo.
    shift_xy : tuple of float
        Of the head, in face widths.
    nearer : float
        Distance in the photo over distance now: above 1 is closer to the camera.
    body_xy : tuple of float
        Shift of the shoulders, in face widths.
    closed : tuple of float
        How far the right and the left eye are shut, 0 to 1.
    gaze_xy : tuple of float
        Shift of the irises, in eye widths.
    jaw : float
        How far the mouth is open, 0 to 1.
    smile : float
        Wider mouth with raised corners; below zero pursed lips.
    brows : float
        Raised, 0 to 1.
    offsets : float64 [shape=(468, 3)] or None
        Movement of each point of the face beyond that, in face widths: a driver's own.
    """

    turn: F64
    shift_xy: tuple[float, float] = (0.0, 0.0)
    nearer: float = 1.0
    body_xy: tuple[float, float] = (0.0, 0.0)
    closed: tuple[float, float] = (0.0, 0.0)
    gaze_xy: tuple[float, float] = (0.0, 0.0)
    jaw: float = 0.0
    smile: float = 0.0
    brows: float = 0.0
    offsets: F64 | None = None


class Cage:
    """Points over the whole canvas of a photo.

    Parameters
    ----------
    mesh : float32 [shape=(468, 3)]
        The face in canvas pixels.
    size_wh : tuple of int
        Of the canvas.
    depth : float
        Share of the true depth: 0 is a flat card.
    distance : float
        From the camera in the photo, in face widths.
    sheet : bool
        Whether the surroundings fade from the head's movement to none in one sheet, as without a matte they must.
    """

    def __init__(self, mesh: F32, size_wh: tuple[int, int], *, depth: float, distance: float, sheet: bool) -> None:
        face = mesh.astype(np.float64)
        oval = face[OVAL]
        self.face_px = float(np.linalg.norm(oval[9, :2] - oval[27, :2]))
        face[:, 2] = (face[:, 2] - oval[:, 2].mean()) * depth
        oval = face[OVAL]
        # The axis of the neck lies behind the ears.
        self._pivot = np.append(oval[:, :2].mean(axis=0), 0.12 * self.face_px * depth)
        self._distance = distance * self.face_px
        rings, ring_holds = self._rings(oval, depth, sheet)
        edge = self._edge(size_wh)
        self.points = np.vstack([face, rings, edge])
        self._holds = np.concatenate([np.ones(N_FACE), ring_holds, np.zeros(len(edge))])
        self._expressions = _Expressions(face, self.face_px)

    def _rings(self, oval: F64, depth: float, sheet: bool) -> tuple[F64, F64]:
        """Points around the face and how much of the head's movement each takes."""
        middle, chin, top = oval[:, :2].mean(axis=0), oval[18, :2], oval[0, :2]
        height = float(np.linalg.norm(chin - top))
        down = (chin - top) / height
        rings, holds = [], []
        for index, size in enumerate(_RINGS):
            spread = (oval[:, :2] - middle) * size
            # Hair reaches higher than the rings of an oval would.
            above = np.clip(-(spread @ down) / (0.5 * height), 0, None)
            at = middle + spread - (0.22 * (size - 1) / 0.7 * height * np.minimum(above, 1))[:, None] * down
            behind = self.face_px * depth * 0.35 * np.sqrt((size - 1) / 0.7)
            rings.append(np.column_stack([at, oval[:, 2] + behind]))
            below = (at - chin) @ down / height
            neck = np.clip(1 - np.clip(below, 0, None) / 0.55, 0, 1)
            fade = (1.0, 0.85, 0.55, 0.2)[index] if sheet else (1.0, 1.0, 1.0, 0.95)[index]
            holds.append(fade * neck * neck * (3 - 2 * neck))
        return np.vstack(rings), np.concatenate(holds)

    def _edge(self, size_wh: tuple[int, int]) -> F64:
        """Points around and beyond the canvas: the body, and where nothing is."""
        width, height = size_wh
        x, y = np.linspace(-0.35, 1.35, 9) * width, np.linspace(-0.35, 1.35, 9) * height
        sides = [np.column_stack([x, np.full(9, level)]) for level in (y[0], y[-1])]
        sides += [np.column_stack([np.full(7, level), y[1:-1]]) for level in (x[0], x[-1])]
        return np.column_stack([np.vstack(sides), np.full(32, 0.3 * self.face_px)])

    def posed(self, moment: Moment) -> F64:
        """Where every point is seen, and its depth [shape=(k, 3)]."""
        away = self._distance
        points = self.points.copy()
        moved = self._expressions.moved(moment) * self.face_px
        points[:N_FACE] += moved
        # What lies around the face gives way to the jaw, less and less.
        for index, gives in enumerate((0.8, 0.5, 0.2)):
            ring = slice(N_FACE + index * len(OVAL), N_FACE + (index + 1) * len(OVAL))
            points[ring] += gives * moved[OVAL]
        about = points - self._pivot
        # Out of the photo's perspective into space, turned, and back through the lens.
        space = about.copy()
        space[:, :2] *= (1 + about[:, 2:] / away).clip(0.3)
        turned = space @ moment.turn.T
        lens = 1 / (1 / moment.nearer + turned[:, 2:] / away).clip(0.2)
        head = turned * lens + self._pivot
        head[:, :2] += np.array(moment.shift_xy) * self.face_px
        head[:, 2] = turned[:, 2]
        still = points.copy()
        still[:, :2] = (points[:, :2] - self._pivot[:2]) * moment.nearer**0.9 + self._pivot[:2]
        still[:, :2] += np.array(moment.body_xy) * self.face_px
        holds = self._holds[:, None]
        return np.asarray(holds * head + (1 - holds) * still)


class _Expressions:
    """Directions in which the points of a face move."""

    def __init__(self, face: F64, face_px: float) -> None:
        unit = face / face_px
        corners = unit[list(_MOUTH_CORNERS), :2]
        width = float(np.linalg.norm(corners[1] - corners[0]))
        across = (corners[1] - corners[0]) / width
        down = np.array([-across[1], across[0]])
        middle = corners.mean(axis=0)
        s, t = (unit[:, :2] - middle) @ across, (unit[:, :2] - middle) @ down
        parting = np.interp(
            s, (unit[list(UPPER_LIP), :2] - middle) @ across, (unit[list(UPPER_LIP), :2] - middle) @ down
        )
        lower = np.clip((t - parting) / 0.01, 0, 1)
        lower[list(UPPER_LIP)] = 0.0
        lower[list(LOWER_LIP[1:-1])] = 1.0
        # The corners of the mouth hold the lips together; the chin takes the whole of the jaw.
        half = width * (0.52 + 0.9 * np.clip(t / 0.35, 0, 1))
        reach = np.clip(1 - (s / half) ** 2, 0, 1)
        self._jaw = np.zeros((N_FACE, 3))
        self._jaw[:, :2] = (lower * reach)[:, None] * down * 0.16
        self._jaw[:, 2] = lower * reach * 0.05
        # Upper lip lifts a little.
        near = np.exp(-((s / (0.5 * width)) ** 2) - ((t + 0.03) / 0.05) ** 2) * (1 - lower)
        self._jaw[:, :2] -= near[:, None] * down * 0.02
        smile = np.zeros((N_FACE, 3))
        for corner, sign in zip(corners, (-1, 1), strict=True):
            weight = np.exp(-(((unit[:, :2] - corner) ** 2).sum(axis=1)) / (2 * (0.4 * width) ** 2))
            smile[:, :2] += weight[:, None] * (sign * across * 0.06 - down * 0.035)
        self._smile = smile
        self._brows = np.zeros((N_FACE, 3))
        for side in BROWS:
            centre = unit[list(side), :2].mean(axis=0)
            off = unit[:, :2] - centre
            weight = np.exp(-((off @ across / 0.16) ** 2) - ((off @ down + 0.02) / 0.09) ** 2)
            self._brows[:, :2] -= weight[:, None] * down * 0.05

    def moved(self, moment: Moment) -> F64:
        """Movement of every point in face widths [shape=(468, 3)]."""
        moved = moment.jaw * self._jaw + moment.smile * self._smile + moment.brows * self._brows
        return moved if moment.offsets is None else moved + moment.offsets

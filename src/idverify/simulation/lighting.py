"""Light on a face that a photo does not have: shading by its shape as head and lamp move, and the pulse in the skin.

Goal: what a relit photo can fake. Shading follows the depth of the mesh, and the photo's own folds through its
brightness (dark is low), so that texture changes as the head turns; a faint sheen wanders; the skin's colour beats;
and shade comes and goes by itself, so that one picture seems to change as flesh does.

Conventions: fields are in the photo's canvas; light directions are unit vectors towards the light, z < 0 is in front.

Public items: :class:`Shading`, :class:`Pulse`, :class:`Drift`, :func:`movement`.

Sources: Verkruysse et al. 2008, doi:10.1364/OE.16.021434 (the pulse is strongest in green); shape from shading as in
Horn 1970, "Shape from Shading", simplified to brightness as height.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.faces.landmarks import CHIN, FOREHEAD, INNER_LIPS, LEFT_CHEEK, RIGHT_CHEEK, RIGHT_EYE
from idverify.simulation.faces import face_outline
from idverify.simulation.landmark_sets import SPREAD
from idverify.simulation.splines import on_lattice

__all__ = ["Drift", "Pulse", "Shading", "movement"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# Shade that drifts: widths of its spots over that of the face, how many fields of each, and what they are reckoned in.
_SPOTS, _FIELDS_EACH, _DRIFT_PX = (0.012, 0.022, 0.03), 3, 150
# Periods in seconds of the slow and of the fast part.
_SLOW_S, _FAST_S = (0.6, 2.5), (0.15, 0.4)
# Where size and pace are free: widths of fine, middle and coarse spots, and how much wider what is taken off again is.
_FREE_WIDTHS, _FREE_BAND = ((0.002, 0.01), (0.012, 0.028), (0.028, 0.065)), (1.6, 3.0)
# How often each of them, and the photo's own contrast, is loud; and how much of them may be new in every picture.
_LOUD, _EVERY = np.array([0.85, 0.3, 0.85, 0.4]), np.array([1.5, 0.2, 0.2, 0.2])
# Before the tip of the nose; middle of the inner lips; lids over the middle of one eye.
_NOSE, _LIPS, _LIDS = 4, INNER_LIPS[1], RIGHT_EYE[2][1]
# How far each of :func:`movement` goes as a rule.
_USUAL = np.array([0.1, 0.06, 0.04, 0.02])


class Shading:
    """Light by the shape of the face.

    Parameters
    ----------
    image : float32 [shape=(h, w, 3)]
    cage : float64 [shape=(k, 3)]
        The head in the photo.
    mesh : float32 [shape=(468, 3)]
    relief : float
        How much the photo's own brightness counts as height.
    """

    def __init__(self, image: F32, cage: F64, mesh: F32, *, relief: float) -> None:
        outline = face_outline(mesh, hair=0.12, grow=1.12)
        self.box = _box_around(outline, image.shape)
        size, low = _size_wh(self.box), np.array([self.box[1].start, self.box[0].start])
        some = [*SPREAD, *range(468, 468 + 72, 2)]
        depth = on_lattice(cage[some, :2] - low, cage[some, 2:], size, cell_px=8, stiffness=1e-5)[..., 0]
        face_px = float(np.ptp(outline[:, 0]))
        part = image[self.box]
        if relief > 0:
            grey = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY)
            fold = cv2.GaussianBlur(grey, (0, 0), max(0.006 * face_px, 0.7))
            fold = fold - cv2.GaussianBlur(grey, (0, 0), 0.05 * face_px)
            # Brows and nostrils are dark and not deep.
            depth = depth - np.clip(fold, -12, 12) * np.float32(relief * 0.002 * face_px)
        down, across = np.gradient(cv2.GaussianBlur(depth, (0, 0), 1.0))
        normal = np.dstack([across, down, -np.ones_like(depth)])
        self._normal = np.asarray(normal / np.linalg.norm(normal, axis=2, keepdims=True), np.float32)
        mask = np.zeros(size[::-1], np.uint8)
        cv2.fillPoly(mask, [np.rint((outline - low) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        self.mask = cv2.GaussianBlur(mask, (0, 0), 0.06 * face_px).astype(np.float32) / 255

    def lambert(self, light: F64) -> F32:
        """Cosine of the incident light in the head's own frame [shape=(h, w)], negative where it is shaded."""
        return np.asarray(cv2.transform(self._normal, light.astype(np.float32)[None]))

    def gain(self, light: F64, rest: F64, strength: float, sheen: float) -> F32:
        """Factor of the face's light against the photo [shape=(h, w)], in :attr:`box`.

        Parameters
        ----------
        light, rest : float64 [shape=(3,)]
            Direction of the light now and in the photo, both in the head's frame.
        strength : float
            Share of the light that has a direction.
        sheen : float
            Strength of the mirrored part.
        """
        change = strength * (np.maximum(self.lambert(light), -0.1) - np.maximum(self.lambert(rest), -0.1))
        if sheen > 0:
            halves = [direction + np.array([0.0, 0.0, -1.0]) for direction in (light, rest)]
            now, then = (np.maximum(self.lambert(h / np.linalg.norm(h)), 0) ** 24 for h in halves)
            change = change + sheen * (now - then)
        return np.asarray(1 + self.mask * np.clip(change, -0.6, 0.8), np.float32)


class Pulse:
    """The beat of the blood in the skin.

    Parameters
    ----------
    shading : Shading
        For the place of the face.
    strength : float
        Amplitude in green over the brightness, in percent.
    rng : numpy.random.Generator
    """

    def __init__(self, shading: Shading, strength: float, rng: np.random.Generator) -> None:
        self._hz, self._breath_hz = rng.uniform([0.85, 0.2], [1.6, 0.35])
        self._phase = rng.uniform(0, 2 * np.pi, 2)
        shape = shading.mask.shape
        coarse = rng.uniform(0.4, 1.2, (4, 4)).astype(np.float32)
        patchy = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
        self._field = (shading.mask * patchy)[..., None] * np.array([0.4, 1.0, 0.6], np.float32) * strength / 100

    def gain(self, time_s: float) -> F32:
        """Factor of the face's colour [shape=(h, w, 3)]."""
        sway = 0.3 * np.sin(2 * np.pi * self._breath_hz * time_s + self._phase[1])
        beat = 2 * np.pi * self._hz * time_s + self._phase[0] + sway
        wave = np.sin(beat) + 0.35 * np.sin(2 * beat + 0.6)
        return np.asarray(1 + self._field * np.float32(wave))


class Drift:
    """Shade that comes and goes on the skin: spots, and the photo's own contrast.

    By itself and slowly, in spots of a few sizes; or, where it is `free`, in spots of any size, each of them slow,
    fast, new in every picture or following how the face moves, as it is drawn. So does who knows what is looked at.

    Parameters
    ----------
    image : uint8 or float32 [shape=(h, w, 3)]
    mesh : float32 [shape=(468, 3)]
    strength : float
        Spread of the shade over the brightness, in percent.
    rng : numpy.random.Generator
    free : bool
        Whether sizes and paces are drawn.
    """

    def __init__(
        self,
        image: NDArray[np.uint8] | F32,
        mesh: F32,
        strength: float,
        rng: np.random.Generator,
        *,
        free: bool = False,
    ) -> None:
        outline = face_outline(mesh)
        self.box = _box_around(outline, image.shape)
        face_px = float(np.ptp(outline[:, 0]))
        shrink = min(1.0, _DRIFT_PX / face_px)
        face_px *= shrink
        columns, rows = (max(8, round(side * shrink)) for side in _size_wh(self.box))

        def smooth(field: F32, width: float) -> F32:
            return np.asarray(cv2.GaussianBlur(field, (0, 0), max(width * face_px, 0.6)))

        def noise() -> F32:
            return rng.standard_normal((rows, columns), np.float32)

        def spots(width: float, wider: float) -> F32:
            field = smooth(noise(), width)
            return field - smooth(field, wider)

        wide = float(rng.uniform(0.045, 0.065))
        if free:
            widths = [rng.uniform(*band) for band in _FREE_WIDTHS for _ in range(_FIELDS_EACH)]
            fields = [spots(float(width), float(width * rng.uniform(*_FREE_BAND))) for width in widths]
        else:
            fields = [spots(width, wide) for width in _SPOTS for _ in range(_FIELDS_EACH)]
        small = cv2.resize(np.ascontiguousarray(image[self.box]), (columns, rows), interpolation=cv2.INTER_AREA)
        own = np.log(small.astype(np.float32).mean(axis=2) + 10)
        own -= smooth(own, wide)
        fields += [own * smooth(noise(), 0.12) for _ in range(3)]
        mask = np.zeros((rows, columns), np.float32)
        ring = (outline - (self.box[1].start, self.box[0].start)) * shrink
        cv2.fillPoly(mask, [np.rint(ring * 16).astype(np.int32)], 1.0, cv2.LINE_8, 4)
        # More of it in some parts than in others.
        parts = rng.uniform(0.4, 1.8, (5, 4)).astype(np.float32)
        where = smooth(mask, 0.04) * cv2.resize(parts, (columns, rows), interpolation=cv2.INTER_CUBIC)
        where *= strength / 100 / np.sqrt(len(fields))
        self._fields = np.stack([where * field / max(float(field.std()), 1e-4) for field in fields]).astype(np.float32)
        periods = [rng.uniform(*_SLOW_S, (len(fields), 3)), rng.uniform(*_FAST_S, (len(fields), 2))]
        self._periods_s = np.concatenate(periods, axis=1)
        self._phase = rng.uniform(0, 2 * np.pi, self._periods_s.shape)
        self._share = np.repeat([1.0, float(rng.uniform(0.2, 0.8))], (3, 2)) * np.sqrt(2 / 3)
        self._paces = _Paces(len(fields), rng) if free else None

    def gain(self, time_s: float, moved: F64 | None = None) -> F32:
        """Factor of the face's brightness [shape=(h, w)], in :attr:`box`, where the face has moved as said."""
        waves = np.sin(2 * np.pi * time_s / self._periods_s + self._phase)
        course = waves @ self._share if self._paces is None else self._paces.of(waves, moved)
        field = np.exp(np.tensordot(course.astype(np.float32), self._fields, axes=1))
        return np.asarray(cv2.resize(field, _size_wh(self.box), interpolation=cv2.INTER_LINEAR))


class _Paces:
    """How strongly the spots of each size come and go slowly, fast, in every picture, and with the face."""

    def __init__(self, n: int, rng: np.random.Generator) -> None:
        # A row for fine, middle and coarse spots, and one for the photo's own contrast; some of them are hardly there.
        loud = rng.uniform(0.3, 1.0, 4) * np.where(rng.random(4) < _LOUD, 1.0, 0.05)
        follows = rng.uniform(0, np.pi / 2) * (rng.random() < 0.5)
        shares = np.stack([np.full(4, np.cos(follows)), rng.uniform(0, 0.3, 4), _EVERY * rng.random(4),
                           np.full(4, np.sin(follows))], axis=1)  # fmt: skip
        rows = np.minimum(np.arange(n) // _FIELDS_EACH, 3)
        strengths = (loud / np.linalg.norm(shares, axis=1))[rows]
        self._shares = strengths[:, None] * shares[rows] * np.sqrt(n / np.square(loud[rows]).sum())
        self._pull = rng.normal(0, 1.0, (n, len(_USUAL))) * (rng.random((n, len(_USUAL))) < 0.6)
        self._offset = rng.normal(0, 0.7, n)
        self._rng = np.random.default_rng(rng.integers(1 << 32))

    def of(self, waves: F64, moved: F64 | None) -> F64:
        """Course of each field: three slow and two fast waves of each [shape=(n, 5)], and what has moved."""
        n = len(waves)
        slow, fast = waves[:, :3].sum(axis=1) * np.sqrt(2 / 3), waves[:, 3:].sum(axis=1)
        follows = np.tanh(self._pull @ (np.zeros(len(_USUAL)) if moved is None else moved) + self._offset)
        every = self._rng.standard_normal(n)
        return np.asarray((self._shares * np.stack([slow, fast, every, follows], axis=1)).sum(axis=1))


def movement(points: F64) -> F64:
    """How a face is turned, nods, opens mouth and eye, each over what is usual [shape=(4,)].

    Parameters
    ----------
    points : float [shape=(468 or more, 2 or more)]
    """
    x, y = points[:, 0], points[:, 1]
    width, height = x[LEFT_CHEEK] - x[RIGHT_CHEEK], y[CHIN] - y[FOREHEAD]
    found = (
        (2 * x[_NOSE] - x[RIGHT_CHEEK] - x[LEFT_CHEEK]) / width,
        (2 * y[_NOSE] - y[FOREHEAD] - y[CHIN]) / height,
        (y[_LIPS[1]] - y[_LIPS[0]]) / height,
        (y[_LIDS[1]] - y[_LIDS[0]]) / height,
    )
    return np.asarray(np.clip(found, -1, 1) / _USUAL)


def _box_around(outline: F64, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of a picture that hold a face."""
    height, width = shape[:2]
    low = np.clip(np.floor(outline.min(axis=0)).astype(int), 0, [width - 2, height - 2])
    high = np.clip(np.ceil(outline.max(axis=0)).astype(int), low + 2, [width, height])
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _size_wh(box: tuple[slice, slice]) -> tuple[int, int]:
    rows, columns = box
    return columns.stop - columns.start, rows.stop - rows.start

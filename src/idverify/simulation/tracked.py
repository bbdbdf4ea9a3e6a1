"""A victim's photo set into an attacker's own live video: swapped in, or blended half and half.

Goal: life is genuine and so is everything around the face; only the face's looks are another's. The photo follows the
attacker's mesh, its colours and light follow theirs picture by picture, and eyes and mouth stay the attacker's.

Public items: :func:`face_swap_tracked`, :func:`face_blend`, :class:`Setting`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.simulation.blenders import BLENDERS, ColourMatch, with_shading_of
from idverify.simulation.drivers import similarities
from idverify.simulation.faces import face_outline, require_face, smooth_warp
from idverify.simulation.following import Followed, followed
from idverify.simulation.landmark_sets import EYE_RINGS, LOWER_LIP, SPREAD, STIFF, UPPER_LIP
from idverify.simulation.lighting import Drift, movement
from idverify.simulation.source import Encoding, Setup, Shot, Take
from idverify.simulation.warps import TriangleWarp

__all__ = ["Setting", "face_blend", "face_swap_tracked"]

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# The outer edge of the lips, as far as a mouth's own opening must stay free.
_LIPS = (61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91)


def face_swap_tracked(
    setup: Setup,
    rng: np.random.Generator,
    *,
    blender: float | None = None,
    smooth: float | None = None,
    own_eyes: float | None = None,
    own_mouth: float | None = None,
    own_blinks: float | None = None,
    relight: float | None = None,
    shape: float | None = None,
    grow: float | None = None,
    memory: float | None = None,
    grain: float | None = None,
    drift: float = 0.0,
    free: float = 0.0,
    start: float = 0.0,
) -> Take:
    """The face of `other`'s photo set into the person of the clip, picture by picture.

    Parameters
    ----------
    blender : float
        0: gradients (Poisson); 1: bands of frequency; 2: a soft edge.
    smooth : float
        0: the photo follows in triangles; 1: in one smooth field.
    own_eyes, own_mouth : float in [0, 1]
        How much of the person's own eyes and mouth stays.
    own_blinks : float in [0, 1]
        How much of the person's own eyes comes through while they are shut.
    relight : float in [0, 1]
        How much of the person's light falls on the photo.
    shape : float in [0, 1]
        How much of the photo's proportions is taken over.
    grow : float
        Size of the region over the face.
    memory : float in [0, 1)
        How slowly the match of colours follows.
    grain : float
        Noise put over the photo's smoothness, 8-bit codes; 0 is none.
    drift : float
        How much the shade of the photo's skin comes and goes by itself, percent of the brightness; 0 is none.
    free : float
        0: such shade is slow and in spots; above: of any size and pace, and in part as the face moves.
    start : float
        Seconds of the clip that are left out.
    """
    setting = _setting(
        setup, rng, alpha=1.0, blender=blender, smooth=smooth, eyes=_given(own_eyes, rng.choice([0.0, 0.0, 1.0])),
        mouth=_given(own_mouth, rng.choice([0.0, 0.5, 1.0])), blinks=own_blinks,
        relight=relight, shape=_given(shape, rng.uniform(0, 0.8)), grow=_given(grow, rng.uniform(0.88, 1.02)),
        memory=memory, grain=grain, drift=drift, free=free,
    )  # fmt: skip
    return _taken(setup, setting, start)


def face_blend(
    setup: Setup,
    rng: np.random.Generator,
    *,
    alpha: float | None = None,
    blender: float | None = None,
    smooth: float | None = None,
    own_eyes: float | None = None,
    own_mouth: float | None = None,
    own_blinks: float | None = None,
    relight: float | None = None,
    shape: float | None = None,
    grow: float | None = None,
    memory: float | None = None,
    grain: float | None = None,
    drift: float = 0.0,
    free: float = 0.0,
    start: float = 0.0,
) -> Take:
    """Two people in one face: the person of the clip, and the photo of `other` over them.

    Parameters
    ----------
    alpha : float in [0, 1]
        Share of the photo; drawn from 0.3 to 0.8.
    blender, smooth, own_eyes, own_mouth, own_blinks, relight, shape, grow, memory, grain, drift, free, start : float
        As for `face_swap_tracked`.
    """
    share = _given(alpha, rng.uniform(0.3, 0.8))
    setting = _setting(
        setup, rng, alpha=share, blender=_given(blender, rng.choice([1, 2])), smooth=smooth,
        eyes=_given(own_eyes, rng.choice([0.0, 0.0, 0.6])), mouth=_given(own_mouth, rng.choice([0.0, 0.6, 1.0])),
        blinks=own_blinks, relight=relight, shape=_given(shape, rng.uniform(0.3, 1.0) * share),
        grow=_given(grow, rng.uniform(0.95, 1.05)), memory=memory, grain=grain, drift=drift, free=free,
    )  # fmt: skip
    return _taken(setup, setting, start)


def _given(value: float | None, drawn: float) -> float:
    return float(drawn) if value is None else value


def _taken(setup: Setup, setting: Setting, start_s: float) -> Take:
    lids = _Lids(setup) if setting.blinks > 0 else None
    shots = (setting.applied(one, lids) for one in followed(setup, start_s=start_s))
    return Take(shots=shots, encoding=Encoding(nominal_rate_hz=setup.rate_hz))


def _setting(
    setup: Setup, rng: np.random.Generator, *, alpha: float, blender: float | None, smooth: float | None, eyes: float,
    mouth: float, blinks: float | None, relight: float | None, shape: float, grow: float, memory: float | None,
    grain: float | None, drift: float, free: float,
) -> Setting:  # fmt: skip
    photo = setup.second().still()
    mesh = require_face(setup.locate, photo, "the other person's picture")
    way = int(_given(blender, int(rng.integers(3))))
    return Setting(
        photo=photo,
        mesh=mesh,
        alpha=alpha,
        blender=tuple(BLENDERS)[min(max(way, 0), len(BLENDERS) - 1)],
        smooth=_given(smooth, int(rng.integers(2))) > 0,
        eyes=eyes,
        mouth=mouth,
        blinks=_given(blinks, rng.choice([0.0, 1.0, 1.0, 1.0])),
        relight=_given(relight, rng.uniform(0.2, 0.9)),
        shape=shape,
        grow=grow,
        colours=ColourMatch(_given(memory, rng.uniform(0.3, 0.9))),
        grain=_given(grain, rng.uniform(0.5, 3.0)),
        rng=np.random.default_rng(rng.integers(2**63)),
        drift=drift,
        free=free,
    )


@dataclass(slots=True, kw_only=True)
class Setting:
    """A photo ready to be set into faces; the parameters are those of :func:`face_swap_tracked`.

    Parameters
    ----------
    photo : uint8 [shape=(h, w, 3)]
    mesh : float32 [shape=(468, 3)]
    alpha : float
        Share of the photo's looks.
    colours : ColourMatch
    rng : numpy.random.Generator
        For the grain and the shade that drifts.
    """

    photo: U8
    mesh: F32
    alpha: float
    blender: str
    smooth: bool
    eyes: float
    mouth: float
    blinks: float
    relight: float
    shape: float
    grow: float
    colours: ColourMatch
    grain: float
    rng: np.random.Generator
    drift: float = 0.0
    free: float = 0.0
    _triangles: TriangleWarp | None = field(default=None, init=False)
    _noise: NDArray[np.int16] | None = field(default=None, init=False)
    _shade: Drift | None = field(default=None, init=False)

    def applied(self, one: Followed, lids: _Lids | None = None) -> Shot:
        """The picture with the photo set in; as it is where no face is found."""
        if one.mesh is None:
            return one.shot
        image = one.shot.image_rgb
        shut = (0.0, 0.0) if lids is None else lids.closed(image, one.mesh)
        return Shot(one.shot.time_s, self.set_into(image, one.mesh, shut, one.shot.time_s))

    def set_into(self, image: U8, mesh: F32, shut: tuple[float, float] = (0.0, 0.0), time_s: float = 0.0) -> U8:
        """The photo's face in the place of `mesh`, whose eyes are shut by so much [shape=(h, w, 3)]."""
        outline = face_outline(mesh, grow=self.grow)
        face_px = float(np.ptp(outline[:, 0]))
        pad = 0.14 * face_px + 6
        left, top = np.maximum(outline.min(axis=0) - pad, 0).astype(int).tolist()
        right, bottom = np.minimum(outline.max(axis=0) + pad, image.shape[1::-1]).astype(int).tolist()
        if right - left < 24 or bottom - top < 24:
            return image
        here = mesh.astype(np.float64).copy()
        here[:, :2] -= (left, top)
        target = np.ascontiguousarray(image[top:bottom, left:right])
        size = (right - left, bottom - top)
        shaped = here + self._proportions(here)
        own = target
        if self.shape > 0.02:
            own = cv2.remap(target, _field(shaped, here, size), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        mask = np.zeros(size[::-1], np.uint8)
        ring = face_outline(shaped.astype(np.float32), grow=self.grow)
        cv2.fillPoly(mask, [np.rint(ring * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        mask[[0, 1, -2, -1]] = 0
        mask[:, [0, 1, -2, -1]] = 0
        reading = self._reading(shaped, size)
        face = cv2.remap(self._photo_at(time_s, here), reading, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        face = with_shading_of(self.colours(face, own, mask), own, mask, self.relight)
        kept = self._kept(shaped, size, face_px, shut)
        mixed = _mixed(own, self._grained(face), np.float32(self.alpha) * (1 - kept))
        blended = BLENDERS[self.blender](mixed, own, mask)
        if kept.any() and self.blender == "poisson":
            # Gradients drag the colours of the seam inwards; what stays must stay as it was.
            blended = _mixed(blended, own, kept)
        out = image.copy()
        out[top:bottom, left:right] = blended
        return out

    def _photo_at(self, time_s: float, here: F64) -> U8:
        if self.drift <= 0:
            return self.photo
        if self._shade is None:
            self._shade = Drift(self.photo, self.mesh, self.drift, self.rng, free=self.free > 0)
        photo, box = self.photo.copy(), self._shade.box
        gain = cv2.merge([self._shade.gain(time_s, movement(here))] * 3)
        photo[box] = cv2.multiply(photo[box], gain, dtype=cv2.CV_8U)
        return photo

    def _proportions(self, here: F64) -> F64:
        """How far the photo's proportions lie from the person's, where no expression is [shape=(468, 3)]."""
        theirs = self.mesh.astype(np.float64)
        turns, scales, shifts = similarities(theirs[STIFF], here[None, STIFF])
        apart = scales[0] * theirs @ turns[0].T + shifts[0] - here
        free = np.ones(len(here))
        for ring in (*EYE_RINGS, (*UPPER_LIP, *LOWER_LIP, *_LIPS)):
            middle = here[list(ring), :2].mean(axis=0)
            width = float(np.ptp(here[list(ring), 0]))
            free *= 1 - np.exp(-(((here[:, :2] - middle) / (0.75 * width)) ** 2).sum(axis=1))
        return np.asarray(self.shape * free[:, None] * apart)

    def _reading(self, shaped: F64, size: tuple[int, int]) -> F32:
        theirs = self.mesh.astype(np.float64)
        if self.smooth:
            return smooth_warp(shaped[SPREAD, :2], theirs[SPREAD, :2], (0, 0, *size))
        if self._triangles is None:
            self._triangles = TriangleWarp(theirs, size, coarse=1)
        # Outside the mesh nothing is drawn; the smooth field lies under it.
        return self._triangles.reading_over(shaped, smooth_warp(shaped[SPREAD, :2], theirs[SPREAD, :2], (0, 0, *size)))

    def _kept(self, here: F64, size: tuple[int, int], face_px: float, shut: tuple[float, float]) -> F32:
        """How much of the person's own stays: eyes and mouth [shape=(h, w)]."""
        kept = np.zeros(size[::-1], np.float32)
        eyes = [max(self.eyes, self.blinks * closed) for closed in shut]
        rings = [(EYE_RINGS[0], eyes[0], 1.35), (EYE_RINGS[1], eyes[1], 1.35), (_LIPS, self.mouth, 1.1)]
        for ring, strength, grow in rings:
            if strength <= 0:
                continue
            points = here[list(ring), :2]
            hull = cv2.convexHull(((points - points.mean(axis=0)) * grow + points.mean(axis=0)).astype(np.float32))
            layer = np.zeros(size[::-1], np.float32)
            cv2.fillConvexPoly(layer, np.rint(hull * 16).astype(np.int32), float(strength), cv2.LINE_AA, 4)
            kept = cv2.max(kept, layer)
        return np.asarray(cv2.GaussianBlur(kept, (0, 0), 0.025 * face_px))

    def _grained(self, face: U8) -> U8:
        if self.grain <= 0:
            return face
        height, width = face.shape[:2]
        if self._noise is None or self._noise.shape[0] < height + 32 or self._noise.shape[1] < width + 32:
            noise = self.rng.standard_normal((height + 96, width + 96), np.float32)
            noise = cv2.GaussianBlur(noise, (0, 0), 0.6) * np.float32(2.0 * self.grain)
            self._noise = np.rint(cv2.merge([noise] * 3)).astype(np.int16)
        y, x = self.rng.integers(0, 32, 2)
        return np.asarray(cv2.add(face, self._noise[y : y + height, x : x + width], dtype=cv2.CV_8U))


class _Lids:
    """How far a person's eyes are shut, against how far they were ever open."""

    def __init__(self, setup: Setup) -> None:
        self._eyes = setup.eyes
        self._open = np.full(2, 0.22)

    def closed(self, image: U8, mesh: F32) -> tuple[float, float]:
        """Of the right and the left eye, 0 to 1."""
        opening = self._eyes(image, mesh)
        self._open = np.maximum(self._open, opening)
        # Half way down a lid covers the pupil.
        right, left = np.clip((0.75 * self._open - opening) / (0.35 * self._open), 0, 1)
        return float(right), float(left)


def _mixed(first: U8, second: U8, weight: F32) -> U8:
    """The second over the first, by a weight for each pixel [shape=(h, w)]."""
    return np.asarray(cv2.blendLinear(first, second, 1 - weight, weight))


def _field(to_points: F64, from_points: F64, size: tuple[int, int]) -> F32:
    """Where to read so that one mesh becomes another, fading towards the edge [shape=(h, w, 2)]."""
    width, height = size
    x, y = np.linspace(0, width - 1, 6), np.linspace(0, height - 1, 6)
    edge = np.vstack([np.stack(np.meshgrid(x, y[[0, -1]]), -1).reshape(-1, 2),
                      np.stack(np.meshgrid(x[[0, -1]], y[1:-1]), -1).reshape(-1, 2)])  # fmt: skip
    return smooth_warp(
        np.vstack([to_points[SPREAD, :2], edge]), np.vstack([from_points[SPREAD, :2], edge]), (0, 0, *size)
    )

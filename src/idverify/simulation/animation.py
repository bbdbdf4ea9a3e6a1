"""A photo brought to life: a mesh warp that blinks, opens the mouth and turns the head a little.

Goal: what one-photo animation apps make: non-rigid motion where a liveness check looks for it, from one picture.

Conventions: a part of the face has its own frame: the origin between its corners, s along the corners, t down the
face, both in pixels. A warp says for every pixel of the result where to read in the photo.

Public items: :func:`photo_animated`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.simulation.draws import drawn
from idverify.simulation.faces import portrait, require_face
from idverify.simulation.landmark_sets import BROWS, LOWER_LIDS, LOWER_LIP, UPPER_LIDS, UPPER_LIP
from idverify.simulation.optics import SensorNoise
from idverify.simulation.scene import Pose, Sway
from idverify.simulation.source import Encoding, Setup, Shot, Take

__all__ = ["photo_animated"]

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
T = TypeVar("T", bound=np.generic)

_DEFAULT_WH = (720, 960)
_CHIN = 152
# A blink takes about 0.1 s to close and 0.2 s to open (Kwon et al. 2013, doi:10.1098/rsif.2013.0227).
_CLOSING_S, _OPENING_S = 0.1, 0.2


def photo_animated(
    setup: Setup,
    rng: np.random.Generator,
    *,
    blinks_hz: float = 0.4,
    speech: float | None = None,
    turn: float | None = None,
    grain: float | None = None,
) -> Take:
    """A photo that blinks, speaks and nods by warping.

    Parameters
    ----------
    blinks_hz : float
        Blinks per second; there is at least one.
    speech : float in [0, 1]
        How far the mouth opens; 0 keeps it shut.
    turn : float
        Head movement: 0 none, 1 calm.
    grain : float
        Standard deviation of noise added to pretend a sensor, 8-bit codes; 0 is none.
    """
    photo = setup.source.still()
    size_wh = setup.canvas_wh(_DEFAULT_WH)
    found = require_face(setup.locate, photo, "the photo")
    left, top, right, bottom = portrait(photo.shape[1::-1], found, size_wh[0] / size_wh[1], 0.42)
    image = cv2.resize(photo[top:bottom, left:right], size_wh, interpolation=cv2.INTER_CUBIC)
    scale = np.array([size_wh[0] / (right - left), size_wh[1] / (bottom - top)])
    puppet = _Puppet(image, (found[:, :2].astype(np.float64) - (left, top)) * scale)
    script = _Script(setup.duration_s, blinks_hz, drawn(speech, rng, 0.3, 0.9), rng)
    head = Sway(Pose(), drawn(turn, rng, 0.8, 1.6), rng, fast_hz=0.8)
    sigma = drawn(grain, rng, 0.0, 2.5)
    noise = SensorNoise(size_wh, sigma=sigma, rng=rng)

    def shot(time_s: float) -> Shot:
        pose = head.at(time_s)
        posed = puppet.posed(pose.yaw, pose.pitch, script.closed(time_s), script.mouth(time_s))
        return Shot(time_s, noise.apply(posed))

    shots = (shot(time_s) for time_s in setup.camera_times())
    return Take(shots=shots, encoding=Encoding(nominal_rate_hz=setup.rate_hz))


class _Script:
    """When the eyes close and the mouth opens."""

    def __init__(self, duration_s: float, blinks_hz: float, speech: float, rng: np.random.Generator) -> None:
        gaps = rng.uniform(0.6, 1.4, 64) / max(blinks_hz, 1e-3)
        times = np.cumsum(gaps) - gaps[0] * rng.uniform(0.2, 0.7)
        times[0] = min(times[0], 0.5 * duration_s)
        self._blinks_s = times
        self._speech = speech
        self._hz, self._phase = rng.uniform([2.2, 3.4, 0.3], [3.2, 4.6, 0.5]), rng.uniform(0, 2 * np.pi, 3)

    def closed(self, time_s: float) -> float:
        """How far the eyes are closed, 0 to 1."""
        since = time_s - self._blinks_s
        shut = np.minimum(since / _CLOSING_S, 1 - (since - _CLOSING_S) / _OPENING_S)
        x = float(np.clip(shut.max(), 0, 1))
        return x * x * (3 - 2 * x)

    def mouth(self, time_s: float) -> float:
        """How far the mouth is open, 0 to 1: syllables inside phrases."""
        a, b, phrase = np.sin(2 * np.pi * self._hz * time_s + self._phase)
        return self._speech * float(np.clip(0.35 + 0.4 * a + 0.3 * b, 0, 1) * np.clip(0.5 + 2 * phrase, 0, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """A part's own axes."""

    origin: F64
    along: F64
    down: F64
    width: float

    @classmethod
    def between(cls, corner_a: F64, corner_b: F64) -> _Frame:
        span = corner_b - corner_a
        width = float(np.linalg.norm(span))
        along = span / max(width, 1e-6)
        return cls(origin=(corner_a + corner_b) / 2, along=along, down=np.array([-along[1], along[0]]), width=width)

    def local(self, points: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Coordinates s and t of points [shape=(..., 2)]."""
        offset = points - self.origin
        return offset @ self.along, offset @ self.down


class _Eye:
    """An eye whose upper lid can be drawn down over it: the skin above stretches, the eye below is squeezed."""

    def __init__(self, points: F64, side: int) -> None:
        upper, lower = points[list(UPPER_LIDS[side])], points[list(LOWER_LIDS[side])]
        self._frame = _Frame.between(upper[0], upper[-1])
        self._upper, self._lower = self._frame.local(upper), self._frame.local(lower)
        brow = self._frame.local(points[list(BROWS[side])])[1]
        self._brow = float(brow.mean())
        reach = self._frame.width * 0.9
        low, high = upper[:, :].min(axis=0) - reach, lower.max(axis=0) + reach * 0.5
        self.box = (*np.floor(low).astype(int).tolist(), *np.ceil(high).astype(int).tolist())

    def warp(self, reading: F32, closed: float) -> None:
        """Change where to read, in place [shape=(h, w, 2)]."""
        s, t = self._frame.local(reading)
        lid = np.interp(s, *self._upper)
        floor = np.maximum(np.interp(s, *self._lower), lid)
        half = self._frame.width / 2
        lowered = lid + 1.04 * closed * (floor - lid) * np.clip((half - np.abs(s)) / (0.06 * half), 0, 1)
        top = np.minimum(self._brow, lid - 2.0)
        stretched = top + (t - top) * (lid - top) / (lowered - top)
        squeezed = lid + (t - lowered) * (floor - lid) / np.maximum(floor - lowered, 1e-3)
        from_t = np.where((t > top) & (t <= lowered), stretched, np.where((t > lowered) & (t < floor), squeezed, t))
        reading += ((from_t - t)[..., None] * self._frame.down).astype(np.float32)


class _Mouth:
    """A mouth that opens by moving the lower lip and the jaw down; the gap is dark, with a row of teeth."""

    def __init__(self, points: F64) -> None:
        upper, lower = points[list(UPPER_LIP)], points[list(LOWER_LIP)]
        self._frame = frame = _Frame.between(upper[0], upper[-1])
        (s, above), (_, below) = frame.local(upper), frame.local(lower)
        # An open mouth parts below its teeth, and shows no second row of them.
        self._parting, self._was_open = (s, below), float((below - above).max()) > 0.06 * frame.width
        self._chin = float(frame.local(points[_CHIN])[1])
        reach = max(1.6 * self._chin, frame.width)
        centre = frame.origin + frame.down * self._chin * 0.6
        self.box = (*np.floor(centre - reach).astype(int).tolist(), *np.ceil(centre + reach).astype(int).tolist())

    def warp(self, reading: F32, opening: float) -> tuple[F32, F32]:
        """Change where to read, in place; gives the masks of the gap and of the teeth in it."""
        drop = 0.24 * opening * self._frame.width
        s, t = self._frame.local(reading)
        parting = np.interp(s, *self._parting)
        depth = np.clip((t - parting) / max(self._chin - float(np.mean(self._parting[1])), 1.0), 0, 1.7)
        half = self._frame.width * (0.5 + 0.55 * np.clip(depth, 0, 1))
        amount = drop * np.clip(1 - (s / half) ** 2, 0, 1) * np.clip((1.7 - depth) / 0.7, 0, 1)
        gap = (t > parting) & (t <= parting + amount)
        from_t = np.where(gap, parting, np.where(t > parting, np.maximum(t - amount, parting), t))
        reading += ((from_t - t)[..., None] * self._frame.down).astype(np.float32)
        row = 0.1 * self._frame.width * min(opening, 0.6) * (not self._was_open)
        teeth = gap & (t < parting + row) & (np.abs(s) < 0.33 * self._frame.width)
        return gap.astype(np.float32), teeth.astype(np.float32)


class _Puppet:
    """The photo and its moving parts.

    Parameters
    ----------
    image : uint8 [shape=(h, w, 3)]
    points : float64 [shape=(468, 2)]
    """

    def __init__(self, image: U8, points: F64) -> None:
        self._image = image
        height, width = image.shape[:2]
        self._identity = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
        low, high = points.min(axis=0), points.max(axis=0)
        middle, size = (low + high) / 2, high - low
        offset = (self._identity - middle) / size
        self._face_px = float(size[0])
        # The head as a ball in front of a flat background, its edge smooth enough not to tear.
        self._depth = np.exp(-2.2 * (offset**2).sum(axis=-1) ** 1.5).astype(np.float32)
        self._eyes = (_Eye(points, 0), _Eye(points, 1))
        self._mouth = _Mouth(points)

    def posed(self, yaw_deg: float, pitch_deg: float, closed: float, opening: float) -> U8:
        """The picture with the head turned, the eyes closed and the mouth open by so much."""
        move = np.sin(np.radians([yaw_deg, -pitch_deg])) * 0.55 * self._face_px
        reading = self._identity - self._depth[..., None] * move.astype(np.float32)
        if closed > 0:
            for eye in self._eyes:
                eye.warp(self._part(reading, eye.box, 8), closed)
        masks = None
        if opening > 0.02:
            masks = self._mouth.warp(self._part(reading, self._mouth.box, 8), opening)
        image = cv2.remap(self._image, reading, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        if masks is not None:
            self._fill(self._part(image, self._mouth.box, 8), *masks)
        return np.asarray(image)

    @staticmethod
    def _part(array: NDArray[T], box: tuple[int, int, int, int], pad: int) -> NDArray[T]:
        """A view of the array inside a box."""
        left, top, right, bottom = box
        return array[max(top - pad, 0) : max(bottom + pad, 0), max(left - pad, 0) : max(right + pad, 0)]

    @staticmethod
    def _fill(patch: U8, gap: F32, teeth: F32) -> None:
        """Darken the gap and lay the teeth into it, in place."""
        soft = cv2.GaussianBlur(gap, (0, 0), 1.2)[..., None]
        inside = np.array([52.0, 20.0, 22.0]) + cv2.GaussianBlur(teeth, (0, 0), 1.5)[..., None] * np.array(
            [130.0, 140.0, 128.0]
        )
        patch[:] = np.rint(patch * (1 - soft) + inside * soft)

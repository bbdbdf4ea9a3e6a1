"""The scene around an instrument: hand-held movement, perspective, the room behind, and the camera that films it.

Goal: one way to film every flat instrument. The instrument is a picture with transparency (its *canvas*: sheet or
screen, edge, fingers); a moving plane carries it; the camera adds what all cameras add.

Conventions: canvases are RGBA uint8, premultiplied; angles are degrees; positions and movements are shares of the
camera picture's width.

Public items: :class:`Pose`, :class:`Sway`, :func:`plane_homography`, :func:`room`, :func:`desk`, :class:`Instrument`,
:class:`Camera`, :class:`Surface`, :data:`Effect`, :func:`backdrop_wh`, :func:`film`.

Sources: Elble & Koller 1990, "Tremor" (hands: slow sway below 2 Hz, physiological tremor of 8 to 12 Hz); Hartley &
Zisserman 2004, "Multiple View Geometry", section 8.1.1 (a plane seen by a pinhole camera).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.simulation.optics import SensorNoise, defocus, smear, to_coded
from idverify.simulation.source import Shot

__all__ = [
    "Camera",
    "Effect",
    "Instrument",
    "Pose",
    "Surface",
    "Sway",
    "backdrop_wh",
    "desk",
    "film",
    "plane_homography",
    "room",
]

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]

# Focal length over picture width of a phone's front camera held upright: about 55 degrees across.
_FOCAL_PER_WIDTH = 1.0
# How much larger the backdrop is than the picture, for the camera's own shake.
_MARGIN = 0.06


class Pose(NamedTuple):
    """Where the instrument's plane is: shifts and scale as shares of the picture's width, angles in degrees."""

    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0


# Standard deviation of hand-held movement per unit of `amount`, in the order of Pose.
_SPREAD = np.array([0.010, 0.010, 0.012, 1.6, 1.4, 0.9])


class Sway:
    """Smooth random movement around a resting pose, a function of time alone.

    Parameters
    ----------
    rest : Pose
        The mean.
    amount : float
        0 is a tripod, 1 a calm hand, 3 a hand that shakes on purpose.
    rng : numpy.random.Generator
    fast_hz : float
        Highest frequency of the wilful movement.
    """

    _WAVES = 6

    def __init__(self, rest: Pose, amount: float, rng: np.random.Generator, *, fast_hz: float = 1.5) -> None:
        self._rest = np.array(rest)
        slow_hz = np.geomspace(0.15, fast_hz, self._WAVES) * rng.uniform(0.8, 1.25, (6, self._WAVES))
        slow = rng.normal(size=(6, self._WAVES)) / np.sqrt(slow_hz)
        slow /= np.maximum(np.linalg.norm(slow, axis=1, keepdims=True), 1e-9) / np.sqrt(2)
        tremor_hz = rng.uniform(8.0, 12.0, (6, 2))
        self._hz = np.hstack([slow_hz, tremor_hz])
        self._size = np.hstack([slow, np.full((6, 2), 0.03)]) * (amount * _SPREAD)[:, None]
        self._phase = rng.uniform(0, 2 * np.pi, self._hz.shape)

    def at(self, time_s: float) -> Pose:
        """The pose at a time."""
        moved = (self._size * np.sin(2 * np.pi * self._hz * time_s + self._phase)).sum(axis=1)
        return Pose(*(self._rest + moved).tolist())


def plane_homography(canvas_wh: tuple[int, int], size_wh: tuple[int, int], pose: Pose, fill: float) -> F64:
    """From canvas pixels to camera pixels.

    Parameters
    ----------
    canvas_wh, size_wh : tuple of int
    pose : Pose
    fill : float
        Width of the canvas over the width of the picture, at rest and seen straight on.

    Returns
    -------
    float64 [shape=(3, 3)]
    """
    (cw, ch), (w, h) = canvas_wh, size_wh
    focal = _FOCAL_PER_WIDTH * w
    yaw, pitch, roll = np.radians(pose[3:])
    turn, _ = cv2.Rodrigues(np.array([0.0, 0.0, roll]))
    turn = turn @ cv2.Rodrigues(np.array([0.0, yaw, 0.0]))[0] @ cv2.Rodrigues(np.array([pitch, 0.0, 0.0]))[0]
    # The canvas measures 1 across; at distance focal / (fill * w) it fills its share.
    distance = focal / (fill * pose.scale * w)
    shift = np.array([pose.x, pose.y]) * w * distance / focal
    centred = np.array([[1 / cw, 0, -0.5], [0, 1 / cw, -0.5 * ch / cw], [0, 0, 1]])
    plane = np.column_stack([turn[:, 0], turn[:, 1], [shift[0], shift[1], distance]])
    lens = np.array([[focal, 0, w / 2], [0, focal, h / 2], [0, 0, 1]])
    full = lens @ plane @ centred
    return np.asarray(full / full[2, 2])


def room(size_wh: tuple[int, int], rng: np.random.Generator) -> U8:
    """An indoor wall with furniture, out of focus [shape=(h, w, 3)]."""
    width, height = size_wh
    hue = rng.uniform(0.18, 0.6) * rng.uniform([0.92, 0.9, 0.78], [1.08, 1.0, 1.0])
    light = np.empty((height, width, 3), np.float32)
    fall = np.linspace(rng.uniform(0.7, 1.2), rng.uniform(0.5, 0.9), width, dtype=np.float32)[None, :, None]
    light[:] = hue * fall * np.linspace(1.1, 0.7, height, dtype=np.float32)[:, None, None]
    for _ in range(int(rng.integers(5, 9))):
        tint = rng.uniform(0.03, 0.6) * rng.uniform([0.75, 0.7, 0.6], [1.0, 1.0, 1.0])
        x, y = rng.uniform(-0.2, 0.9) * width, rng.uniform(0.1, 0.9) * height
        w, h = rng.uniform(0.1, 0.45) * width, rng.uniform(0.05, 0.35) * height
        cv2.rectangle(light, (int(x), int(y)), (int(x + w), int(y + h)), tint.tolist(), -1)
        cv2.rectangle(light, (int(x), int(y)), (int(x + w), int(y + h)), (0.7 * tint).tolist(), max(1, width // 120))
    if rng.random() < 0.6:  # a window or a lamp
        x, y = int(rng.uniform(0.0, 0.8) * width), int(rng.uniform(0, 0.25) * height)
        cv2.rectangle(light, (x, y), (x + width // 4, y + height // 4), (1.1, 1.15, 1.2), -1)
        cv2.line(light, (x + width // 8, y), (x + width // 8, y + height // 4), (0.3, 0.3, 0.3), max(2, width // 90))
    light = cv2.GaussianBlur(light, (0, 0), width * rng.uniform(0.012, 0.022))
    return to_coded(light)


def desk(size_wh: tuple[int, int], rng: np.random.Generator) -> U8:
    """A wooden desk top seen from above, with grain [shape=(h, w, 3)]."""
    width, height = size_wh
    coarse = rng.standard_normal((max(height // 3, 2), max(width // 60, 2))).astype(np.float32)
    grain = cv2.resize(cv2.GaussianBlur(coarse, (0, 0), 1.0), (width, height), interpolation=cv2.INTER_CUBIC)
    rows = np.linspace(0, rng.uniform(25, 60), height, dtype=np.float32)[:, None]
    rings = 0.5 + 0.5 * np.sin(rows + 2.5 * grain / max(float(grain.std()), 1e-6) * 0.6)
    tone = np.array(((0.42, 0.24, 0.12), (0.22, 0.12, 0.06), (0.55, 0.42, 0.27))[int(rng.integers(3))], np.float32)
    light = tone * (0.72 + 0.28 * rings + 0.05 * grain)[..., None]
    fall = np.linspace(1.15, 0.7, width, dtype=np.float32)[None, :, None]
    return defocus(to_coded(light * fall), width * 0.003)


class Surface(NamedTuple):
    """The instrument as the camera sees it, before the backdrop is added.

    Parameters
    ----------
    image_rgb : uint8 [shape=(h, w, 3)]
        Premultiplied.
    cover : uint8 [shape=(h, w, 3)]
        255 where the instrument is.
    time_s : float
    to_camera : float64 [shape=(3, 3)]
        Homography from canvas pixels to camera pixels.
    """

    image_rgb: U8
    cover: U8
    time_s: float
    to_camera: F64


Effect = Callable[[Surface], U8]
"""From a surface to its picture, changed; nothing may be added where there is no cover."""


@dataclass(slots=True, kw_only=True)
class Instrument:
    """What is held before the camera.

    Parameters
    ----------
    canvas_rgba : uint8 [shape=(h, w, 4)]
        Premultiplied; changed by `refresh`.
    body_wh : tuple of int
        Size of the thing itself within the canvas; the rest is room for fingers.
    refresh : callable or None
        Called before each picture with its time: a display's new content. Returns False when it has ended.
    bend : callable or None
        From the canvas and the time to the canvas as it is bent.
    """

    canvas_rgba: U8
    body_wh: tuple[int, int]
    refresh: Callable[[float], bool] | None = None
    bend: Callable[[U8, float], U8] | None = None


@dataclass(slots=True, kw_only=True)
class Camera:
    """Who films: picture size, movement, blur and noise.

    Parameters
    ----------
    size_wh : tuple of int
    backdrop : uint8 [shape=(h', w', 3)]
        The scene behind, at least `size_wh`.
    noise : SensorNoise
    blur_px : float
        Standard deviation of the lens blur.
    shake : Sway or None
        Of the camera itself: moves the backdrop.
    exposure_s : float
        For motion blur.
    effects : tuple of callables
        What the instrument's surface does, before blur and noise: glare, bands, pixel grid.
    """

    size_wh: tuple[int, int]
    backdrop: U8
    noise: SensorNoise
    blur_px: float = 0.6
    shake: Sway | None = None
    exposure_s: float = 1 / 60
    effects: tuple[Effect, ...] = ()


def backdrop_wh(size_wh: tuple[int, int]) -> tuple[int, int]:
    """Size of a backdrop that leaves room for the camera's shake."""
    return round(size_wh[0] * (1 + 2 * _MARGIN)), round(size_wh[1] * (1 + 2 * _MARGIN))


def film(instrument: Instrument, camera: Camera, motion: Sway, fill: float, times_s: Iterable[float]) -> Iterator[Shot]:
    """Film a moving instrument.

    Parameters
    ----------
    instrument, camera
    motion : Sway
        Of the instrument before the camera.
    fill : float
        Width of the instrument's body over the picture's width, at rest.
    times_s : iterable of float
    """
    for time_s in times_s:
        if instrument.refresh is not None and not instrument.refresh(time_s):
            return
        canvas = instrument.canvas_rgba
        if instrument.bend is not None:
            canvas = instrument.bend(canvas, time_s)
        canvas_wh = canvas.shape[1::-1]
        share = fill * canvas_wh[0] / instrument.body_wh[0]
        to_camera = plane_homography(canvas_wh, camera.size_wh, motion.at(time_s), share)
        later = plane_homography(canvas_wh, camera.size_wh, motion.at(time_s + camera.exposure_s), share)
        image = _seen(canvas, camera, time_s, to_camera, _shaken(camera, time_s))
        travel = _apply(later, np.array(canvas_wh) / 2) - _apply(to_camera, np.array(canvas_wh) / 2)
        image = smear(defocus(image, camera.blur_px), travel)
        yield Shot(time_s, camera.noise.apply(image))


def _shaken(camera: Camera, time_s: float) -> U8:
    """The backdrop as the moving camera frames it; it is out of focus, so whole pixels and no turn will do."""
    (width, height), behind = camera.size_wh, camera.backdrop
    room_xy = (np.array(behind.shape[1::-1]) - camera.size_wh) / 2
    pose = Pose() if camera.shake is None else camera.shake.at(time_s)
    x, y = np.clip(np.rint(room_xy + np.array([pose.x, pose.y]) * width), 0, 2 * room_xy // 1).astype(int)
    return behind[y : y + height, x : x + width]


def _seen(canvas: U8, camera: Camera, time_s: float, to_camera: F64, behind: U8) -> U8:
    """The canvas with its surface's effects, over the backdrop."""
    front = cv2.warpPerspective(canvas, to_camera, camera.size_wh, flags=cv2.INTER_LINEAR)
    cover = cv2.cvtColor(cv2.extractChannel(front, 3), cv2.COLOR_GRAY2RGB)
    image = cv2.cvtColor(front, cv2.COLOR_RGBA2RGB)
    for effect in camera.effects:
        image = effect(Surface(image, cover, time_s, to_camera))
    return np.asarray(cv2.add(cv2.multiply(behind, cv2.bitwise_not(cover), scale=1 / 255), image))


def _apply(homography: F64, point: F64) -> F64:
    x, y, w = homography @ np.append(point, 1.0)
    return np.array([x / w, y / w])

"""Bona fide clips made hard: dark, backlit, blurred, low bit rate, small, tilted, few pictures, stalls, covered faces.

Goal: what honest people send. Each takes any take, so that an attack can be made hard as well.

Conventions: a degradation is a function from a take to a take; its strength is between 0 (mild) and 1 (severe).

Public items: :data:`DEGRADATIONS`, :func:`degraded`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.errors import ParameterError
from idverify.simulation.draws import drawn
from idverify.simulation.faces import Locate, face_outline
from idverify.simulation.optics import SensorNoise, to_coded, to_linear
from idverify.simulation.source import Shot, Take

__all__ = ["DEGRADATIONS", "degraded"]

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

# Nose bridge, then over the right cheek and the jaw to the left cheek: the outline of a surgical mask.
_COVERED = [6, 188, 117, 123, 147, 213, 172, 136, 149, 148, 152, 377, 378, 365, 397, 433, 376, 352, 346, 412]


def degraded(take: Take, kind: str, *, rng: np.random.Generator, locate: Locate, strength: float | None = None) -> Take:
    """Make a take hard to judge.

    Parameters
    ----------
    take : Take
    kind : str
        A key of :data:`DEGRADATIONS`.
    rng : numpy.random.Generator
    locate : callable
        Finds the face mesh; used by ``backlit`` and ``occlusion``.
    strength : float in [0, 1]
        Drawn at random if left out.

    Raises
    ------
    ParameterError
        Unknown kind, or a strength outside [0, 1].
    """
    if kind not in DEGRADATIONS:
        raise ParameterError(f"no degradation named {kind!r}; there are {', '.join(DEGRADATIONS)}")
    if strength is not None and not 0 <= strength <= 1:
        raise ParameterError(f"strength must lie in [0, 1], got {strength!r}")
    return DEGRADATIONS[kind](take, rng, locate, drawn(strength, rng, 0.2, 1.0))


def _dark(take: Take, rng: np.random.Generator, locate: Locate, strength: float) -> Take:
    """An under-exposed room: little light, much noise."""
    light = 0.10 * (0.12**strength)
    table = to_coded(light * to_linear(np.arange(256, dtype=np.uint8)))
    sigma = 2.5 + 4.0 * strength
    return _each(take, lambda image: cv2.LUT(image, table), _Noise(sigma, rng))


def _backlit(take: Take, rng: np.random.Generator, locate: Locate, strength: float) -> Take:
    """A window behind: the person is dark, the rest over-exposed and glowing."""
    shadow, glow = 0.22 - 0.16 * strength, 3.0 + 4.0 * strength
    codes = to_linear(np.arange(256, dtype=np.uint8))
    dark, bright = to_coded(shadow * codes), to_coded(0.12 * glow * 0.3 + glow * codes)

    def change(image: U8) -> U8:
        person = _person_mask(image, locate)
        lit = cv2.LUT(image, bright).astype(np.float32)
        bloom = cv2.GaussianBlur(lit * (1 - person), (0, 0), image.shape[1] * 0.05) * 0.10
        mixed = lit * (1 - person) + cv2.LUT(image, dark) * person + bloom * person
        return np.asarray(np.clip(mixed, 0, 255), np.uint8)

    return _each(take, change, _Noise(1.5 + 2 * strength, rng))


def _person_mask(image: U8, locate: Locate) -> F32:
    """Head and shoulders, soft at the edge [shape=(h, w, 1)]; an average selfie's where no face is found."""
    height, width = image.shape[:2]
    mesh = locate(image)
    mask = np.zeros((height, width), np.uint8)
    if mesh is not None:
        head = face_outline(mesh, hair=0.32, grow=1.14)
    else:
        turn = np.linspace(0, 2 * np.pi, 60)
        head = np.stack([0.5 + 0.2 * np.cos(turn), 0.42 + 0.24 * np.sin(turn)], axis=1) * (width, height)
    low, high = head.min(axis=0), head.max(axis=0)
    (middle_x, _), (w, h) = (low + high) / 2, high - low
    neck_y = high[1] - 0.08 * h
    sides = [(-0.32, 0), (-0.42, 0.14), (-1.15, 0.34), (-1.45, 3), (1.45, 3), (1.15, 0.34), (0.42, 0.14), (0.32, 0)]
    shoulders = np.array([(middle_x + x * w, neck_y + y * h) for x, y in sides])
    for shape in (head, shoulders):
        cv2.fillPoly(mask, [np.rint(shape).astype(np.int32)], 255, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(w * 0.04, 1.0)).astype(np.float32)[..., None] / 255)


def _blur(take: Take, rng: np.random.Generator, locate: Locate, strength: float) -> Take:
    """A lens out of focus: a disc, a share of the picture's width across."""

    def change(image: U8) -> U8:
        radius = (0.004 + 0.010 * strength) * image.shape[1]
        side = int(np.ceil(radius)) * 2 + 1
        y, x = np.mgrid[:side, :side] - side // 2
        disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
        return np.asarray(cv2.filter2D(image, -1, disc / disc.sum(), borderType=cv2.BORDER_REPLICATE))

    return _each(take, change, _Noise(1.0, rng))


def _low_bitrate(take: Take, rng: np.random.Generator, locate: Locate, strength: float) -> Take:
    """A messaging app's copy: few bits."""
    first = next(take.shots, None)
    if first is None:
        return take
    height, width = first.image_rgb.shape[:2]
    bits_per_pixel = 0.03 * (0.3**strength)
    rate = max(8_000, round(bits_per_pixel * width * height * take.encoding.nominal_rate_hz))
    return Take(shots=_again(first, take.shots), encoding=replace(take.encoding, bit_rate_bps=rate))


def _small_face(take: Take, rng: np.random.Generator, locate: Locate, strength: float) -> Take:
    """Far from a poor camera: the picture is made so small that the face is 64 down to 24 pixels wide."""
    wanted_px = 64 - 40 * strength
    size: tuple[int, int] | None = None

    def change(image: U8) -> U8:
        nonlocal size
        if size is None:
            size = _shrunk_wh(image, locate(image), wanted_px)
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))

    return _each(take, change, _Noise(1.0, rng))


def _shrunk_wh(image: U8, mesh: F32 | None, wanted_px: float) -> tuple[int, int]:
    """Even size at which the face is as wide as wanted; without a face, it is taken as a third of the picture."""
    height, width = image.shape[:2]
    face_px = width / 3 if mesh is None else float(np.ptp(mesh[:, 0]))
    scale = min(1.0, max(wanted_px / max(face_px, 1.0), 32 / min(width, height)))
    return round(width * scale / 2) * 2, round(height * scale / 2) * 2


def _tilt(take: Take, rng: np.random.Generator, locate: Locate, strength: float) -> Take:
    """The phone is held askew."""
    angle_deg = float(rng.choice([-1, 1])) * (15 + 30 * strength)

    def change(image: U8) -> U8:
        size_wh = image.shape[1::-1]
        turn = cv2.getRotationMatrix2D((size_wh[0] / 2, size_wh[1] / 2), angle_deg, 1.12)
        return np.asarray(cv2.warpAffine(image, turn, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))

    return _each(take, change, None)


def _low_frame_rate(take: Take, rng: np.random.Generator, locate: Locate, strength: float) -> Take:
    """A slow camera: 8 down to 3 pictures a second."""
    rate_hz = 8 - 5 * strength

    def kept() -> Iterator[Shot]:
        due_s = 0.0
        for shot in take.shots:
            if shot.time_s >= due_s - 1e-6:
                due_s = max(due_s + 1 / rate_hz, shot.time_s)
                yield shot

    return Take(shots=kept(), encoding=replace(take.encoding, nominal_rate_hz=rate_hz))


def _stall(take: Take, rng: np.random.Generator, locate: Locate, strength: float) -> Take:
    """A line that hangs: the picture stands still for half a second to two, and time goes on."""
    begin = float(rng.uniform(0.5, 1.2))
    end = begin + 0.5 + 1.5 * strength

    def kept() -> Iterator[Shot]:
        frozen: U8 | None = None
        for shot in take.shots:
            inside = begin <= shot.time_s < end
            frozen = (shot.image_rgb if frozen is None else frozen) if inside else None
            yield Shot(shot.time_s, shot.image_rgb if frozen is None else frozen)

    return Take(shots=kept(), encoding=take.encoding)


def _occlusion(take: Take, rng: np.random.Generator, locate: Locate, strength: float) -> Take:
    """A surgical mask over nose and mouth, and from a strength of one half on dark glasses too."""
    tint = np.array([(176, 208, 222), (235, 235, 232), (40, 42, 46)][int(rng.integers(3))], np.float64)
    noise = _Noise(1.5, rng)

    def change(image: U8) -> U8:
        mesh = locate(image)
        if mesh is None:
            return image
        image = image.copy()
        _cover(image, mesh, tint)
        if strength >= 0.5:
            _shades(image, mesh)
        return image

    return _each(take, change, noise)


def _cover(image: U8, mesh: F32, tint: NDArray[np.float64]) -> None:
    """Draw a surgical mask with its folds, in place."""
    outline = mesh[_COVERED, :2].astype(np.float64)
    middle = outline.mean(axis=0)
    outline = middle + (outline - middle) * 1.06
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    down = mesh[152, :2] - mesh[6, :2]
    length = float(np.linalg.norm(down))
    y, x = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
    t = ((x - mesh[6, 0]) * down[0] + (y - mesh[6, 1]) * down[1]) / length**2
    across = ((x - mesh[6, 0]) * -down[1] + (y - mesh[6, 1]) * down[0]) / length**2
    folds = 1 - 0.10 * np.exp(-(((((t * 5) % 1.0) - 0.5) / 0.07) ** 2)) - 0.35 * across**2
    level = np.clip(image[mask > 0].mean() / 115.0, 0.35, 1.1) if (mask > 0).any() else 1.0
    cloth = np.clip(tint * (folds * level)[..., None], 0, 255)
    weight = cv2.GaussianBlur(mask, (0, 0), 1.0).astype(np.float32)[..., None] / 255
    image[:] = np.rint(image * (1 - weight) + cloth * weight)


def _shades(image: U8, mesh: F32) -> None:
    """Draw dark glasses, in place."""
    span = mesh[263, :2] - mesh[33, :2]
    unit = float(np.linalg.norm(span))
    turn_deg = float(np.degrees(np.arctan2(span[1], span[0])))
    lens = np.zeros(image.shape[:2], np.uint8)
    for a, b in ((33, 133), (362, 263)):
        centre = (mesh[a, :2] + mesh[b, :2]) / 2 + 0.04 * np.array([-span[1], span[0]])
        axes = (round(unit * 0.27 * 16), round(unit * 0.2 * 16))
        cv2.ellipse(lens, np.rint(centre * 16).astype(int).tolist(), axes, turn_deg, 0, 360, 255, -1, cv2.LINE_AA, 4)
    right, left = (np.rint(mesh[i, :2] * 16).astype(int).tolist() for i in (127, 356))
    cv2.line(lens, right, left, 255, max(1, round(unit * 0.035)), cv2.LINE_AA, 4)
    weight = lens.astype(np.float32)[..., None] / 255 * 0.96
    image[:] = np.rint(image * (1 - weight) + np.array([16.0, 15, 18]) * weight)


class _Noise:
    """Sensor noise whose size is that of the first picture."""

    def __init__(self, sigma: float, rng: np.random.Generator) -> None:
        self._sigma, self._rng = sigma, rng
        self._made: SensorNoise | None = None

    def apply(self, image: U8) -> U8:
        if self._made is None:
            self._made = SensorNoise(image.shape[1::-1], sigma=self._sigma, rng=self._rng)
        return self._made.apply(image)


def _each(take: Take, change: Callable[[U8], U8], noise: _Noise | None) -> Take:
    def one(shot: Shot) -> Shot:
        image = change(shot.image_rgb)
        return Shot(shot.time_s, image if noise is None else noise.apply(image))

    return take.map(one)


def _again(first: Shot, rest: Iterator[Shot]) -> Iterator[Shot]:
    yield first
    yield from rest


DEGRADATIONS: Mapping[str, Callable[[Take, np.random.Generator, Locate, float], Take]] = MappingProxyType(
    {
        "dark": _dark,
        "backlit": _backlit,
        "blur": _blur,
        "low_bitrate": _low_bitrate,
        "small_face": _small_face,
        "tilt": _tilt,
        "low_frame_rate": _low_frame_rate,
        "stall": _stall,
        "occlusion": _occlusion,
    }
)
"""What can be done to a take, by name."""

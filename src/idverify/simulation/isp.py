"""From a rendered scene to a camera's pixels: lens, resizing, sensor, sharpening, exposure and colours that wander.

Goal: pictures that were never taken look taken. Everything after the warp, so that grain and sharpness are the
camera's and not the photo's.

Public items: :class:`Look`, :class:`Isp`, :func:`drawn_look`.

Sources: Foi et al. 2008, doi:10.1109/TIP.2008.2001399 (noise of a sensor: a part that grows with light, a part that
does not).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.simulation.draws import drawn

__all__ = ["Isp", "Look", "drawn_look"]

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_MARGIN = 64
_BANKS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a camera draws.

    Parameters
    ----------
    grain : float
        Standard deviation of the noise at middle grey, 8-bit codes.
    shot : float in [0, 1]
        Share of the noise that grows with light.
    coarse_px : float
        How far neighbouring pixels' noise is alike.
    colour : float
        Noise of colours over noise of brightness.
    blur_px : float
        Of the lens.
    sharpen : float
        Of edges, after the noise.
    shrink : float
        Size of the sensor over size of the file; 1 is no resizing.
    wander : float
        How much exposure and white balance drift.
    memory : float in [0, 1)
        Share of the last picture in this one: noise reduction over time.
    jpeg : int
        Quality of a JPEG between camera and encoder; 0 is none.
    """

    grain: float
    shot: float = 0.5
    coarse_px: float = 0.5
    colour: float = 0.6
    blur_px: float = 0.5
    sharpen: float = 0.3
    shrink: float = 1.0
    wander: float = 0.5
    memory: float = 0.0
    jpeg: int = 0


def drawn_look(
    rng: np.random.Generator, *, grain: float | None, sharpen: float | None, shrink: float | None, wander: float | None
) -> Look:
    """A camera drawn at random; what is given stays."""
    sigma = drawn(grain, rng, 0.8, 4.0)
    edges = drawn(sharpen, rng, 0.0, 0.9)
    sizes = [1.0, 1.0, rng.uniform(0.55, 0.95), rng.uniform(1.1, 1.5)]
    size = shrink if shrink is not None else float(rng.choice(sizes))
    drift = drawn(wander, rng, 0.1, 1.0)
    return Look(
        grain=sigma,
        shot=float(rng.uniform(0.2, 0.9)),
        coarse_px=float(rng.uniform(0.25, 1.0)),
        colour=float(rng.uniform(0.2, 1.0)),
        blur_px=float(rng.uniform(0.25, 0.8)),
        sharpen=edges,
        shrink=size,
        wander=drift,
        memory=float(rng.choice([0.0, 0.0, rng.uniform(0.1, 0.35)])),
        jpeg=int(rng.choice([0, 0, int(rng.integers(70, 95))])),
    )


class Isp:
    """A camera that takes one picture after the other.

    Parameters
    ----------
    size_wh : tuple of int
        Of the pictures given and made.
    look : Look
    rng : numpy.random.Generator
    """

    def __init__(self, size_wh: tuple[int, int], look: Look, rng: np.random.Generator) -> None:
        self._size_wh, self._look = size_wh, look
        self._rng = np.random.default_rng(rng.integers(2**63))
        self._inner_wh = tuple(max(round(side * look.shrink / 2) * 2, 16) for side in size_wh)
        self._banks = [self._bank() for _ in range(_BANKS)] if look.grain > 0 else []
        self._hz, self._phase = self._rng.uniform(0.08, 0.5, (4, 2)), self._rng.uniform(0, 2 * np.pi, (4, 2))
        self._strength = np.sqrt(1 - look.shot + look.shot / 128 * np.arange(256)).astype(np.float32)
        self._last: F32 | None = None

    def _bank(self) -> F32:
        width, height = (side + _MARGIN for side in self._inner_wh)
        luma = self._rng.standard_normal((height, width), np.float32)
        luma = _unit(cv2.GaussianBlur(luma, (0, 0), max(self._look.coarse_px, 0.05)))
        chroma = self._rng.standard_normal((height, width, 3), np.float32)
        chroma = _unit(cv2.GaussianBlur(chroma, (0, 0), 2 * max(self._look.coarse_px, 0.2)))
        return np.asarray((luma[..., None] + self._look.colour * chroma) * np.float32(self._look.grain))

    def take(self, scene: F32, time_s: float) -> U8:
        """One picture of a scene [shape=(h, w, 3)], 0 to 255."""
        look = self._look
        image = cv2.GaussianBlur(scene, (0, 0), look.blur_px) if look.blur_px > 0.2 else scene
        image = cv2.multiply(image, self._drift(time_s))
        if self._inner_wh != self._size_wh:
            image = cv2.resize(image, self._inner_wh, interpolation=cv2.INTER_AREA)
        if self._banks:
            image = cv2.add(image, self._noise(image))
        if look.memory > 0:
            image = image if self._last is None else cv2.addWeighted(self._last, look.memory, image, 1 - look.memory, 0)
            self._last = image
        if look.sharpen > 0:
            image = cv2.addWeighted(image, 1 + look.sharpen, cv2.GaussianBlur(image, (0, 0), 1.2), -look.sharpen, 0)
        if self._inner_wh != self._size_wh:
            image = cv2.resize(image, self._size_wh, interpolation=cv2.INTER_CUBIC)
        coded = cv2.convertScaleAbs(cv2.max(image, 0.0))
        if look.jpeg:
            options = [cv2.IMWRITE_JPEG_QUALITY, look.jpeg]
            packed = cv2.imencode(".jpg", cv2.cvtColor(coded, cv2.COLOR_RGB2BGR), options)[1]
            coded = cv2.imdecode(packed, cv2.IMREAD_COLOR_RGB)
        return np.asarray(coded)

    def _noise(self, image: F32) -> F32:
        bank = self._banks[int(self._rng.integers(_BANKS))]
        x, y = self._rng.integers(0, _MARGIN, 2)
        grain = bank[y : y + image.shape[0], x : x + image.shape[1]]
        if self._look.shot <= 0:
            return grain
        grey = cv2.cvtColor(cv2.convertScaleAbs(cv2.max(image, 0.0)), cv2.COLOR_RGB2GRAY)
        return np.asarray(cv2.multiply(grain, cv2.merge([cv2.LUT(grey, self._strength)] * 3)))

    def _drift(self, time_s: float) -> tuple[float, ...]:
        waves = np.sin(2 * np.pi * self._hz * time_s + self._phase).mean(axis=1)
        exposure = 1 + 0.02 * self._look.wander * waves[0]
        return (*(exposure * (1 + 0.006 * self._look.wander * waves[1:])).tolist(), 1.0)


def _unit(noise: F32) -> F32:
    return np.asarray(noise / max(float(noise.std()), 1e-6))

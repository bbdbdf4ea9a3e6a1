"""The optics that attack instruments share: tone, gamut, halftone, sub-pixel grid, glare, banding, blur, noise.

Goal: each effect has one physical cause and one function. What is done once per clip works in linear light; what is
done once per picture works on 8-bit gamma-coded pictures with OpenCV, where a square-root-like code makes shot noise
the same everywhere (Anscombe's transform) and adding light is close to the "screen" rule.

Conventions: pictures are RGB uint8 [shape=(h, w, 3)]; lengths are pixels of the picture given; angles are degrees.

Public items: :func:`to_linear`, :func:`to_coded`, :func:`reproduce`, :func:`tone_table`, :func:`halftone`,
:func:`pixel_grid`, :func:`add_light`, :func:`window_glare`, :func:`lamp_glare`, :class:`RollingBands`,
:class:`SensorNoise`, :func:`defocus`, :func:`smear`.

Sources: IEC 61966-2-1 (sRGB); Anscombe 1948, doi:10.1093/biomet/35.3-4.246; He et al. 2024, "Joint Physical-Digital
Facial Attack Detection Via Simulating Spoofing Clues", arXiv:2404.08450.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "RollingBands",
    "SensorNoise",
    "add_light",
    "defocus",
    "halftone",
    "lamp_glare",
    "pixel_grid",
    "reproduce",
    "smear",
    "to_coded",
    "to_linear",
    "tone_table",
    "window_glare",
]

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# Screen angles of cyan, magenta and yellow in four-colour printing, degrees (ISO 12647-1, section 4.2.2.4).
_SCREEN_ANGLES_DEG = (15.0, 75.0, 0.0)
# ITU-R BT.709: luminance of linear RGB.
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


def to_linear(image: U8) -> F32:
    """Linear light in [0, 1] of a gamma-coded picture (sRGB)."""
    code = np.arange(256) / 255.0
    table = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return table[image]


def to_coded(light: NDArray[np.floating]) -> U8:
    """Gamma-coded picture (sRGB) of linear light; what is outside [0, 1] is clipped."""
    x = np.clip(light, 0.0, 1.0)
    coded = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.power(np.maximum(x, 1e-6), 1 / 2.4) - 0.055)
    return np.asarray(np.rint(coded * 255.0), np.uint8)


def reproduce(
    image: U8,
    *,
    black: float,
    white: float,
    saturation: float,
    cast_rgb: tuple[float, float, float],
    gamma: float = 1.0,
) -> U8:
    """A picture as a print or a display gives it back: narrower contrast and gamut, a colour cast.

    Parameters
    ----------
    black, white : float in [0, 1]
        Linear light of the darkest and the lightest tone that can be made.
    saturation : float
        1 keeps the gamut.
    cast_rgb : 3 floats
        Factor of each primary in linear light.
    gamma : float
        Above 1: mid-tones come out darker.
    """
    light = np.power(to_linear(image), np.float32(gamma))
    grey = (light @ _LUMINANCE)[..., None]
    light = grey + np.float32(saturation) * (light - grey)
    return to_coded((black + (white - black) * np.clip(light, 0, 1)) * np.asarray(cast_rgb, np.float32))


def tone_table(*, black: float, gain: float, gamma: float, contrast: float) -> U8:
    """What a camera makes of the 256 codes of a display that it films, for :func:`cv2.LUT` [shape=(256,)].

    Parameters
    ----------
    black : float
        Linear light that the display gives off or reflects when it shows black.
    gain : float
        Exposure; above 1 the whites clip, as on displays filmed in a dim room.
    gamma : float
        Mismatch between the display's and the picture's tone curve.
    contrast : float in [0, 1]
        Strength of the camera's own S-shaped tone curve.
    """
    light = black + (1 - black) * to_linear(np.arange(256, dtype=np.uint8)) ** gamma
    coded = to_coded(gain * light) / 255.0
    s_curve = coded * coded * (3 - 2 * coded)
    return np.asarray(np.rint(255 * ((1 - contrast) * coded + contrast * s_curve)), np.uint8)


def halftone(image: U8, *, pitch_px: float, strength: float, rng: np.random.Generator) -> U8:
    """Amplitude-modulated dots of cyan, magenta and yellow ink at their own angles.

    Parameters
    ----------
    pitch_px : float
        Distance of the dots.
    strength : float in [0, 1]
        1 is full dots without ink spread.
    rng : numpy.random.Generator
        Phases of the three screens.
    """
    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    dots = np.empty((height, width, 3), np.float32)
    for ink, angle_deg in enumerate(_SCREEN_ANGLES_DEG):
        angle = np.radians(angle_deg)
        u = (x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / pitch_px) + rng.uniform(0, 2 * np.pi)
        v = (y * np.cos(angle) - x * np.sin(angle)) * (2 * np.pi / pitch_px) + rng.uniform(0, 2 * np.pi)
        dots[..., ink] = (np.cos(u) + np.cos(v)) * 0.5
    light = to_linear(image)
    # Half-covered paper shows its screen most, bare and full paper not at all.
    return to_coded(light + strength * dots * light * (1 - light) * 1.6)


def pixel_grid(size_wh: tuple[int, int], camera_to_panel: F64, *, depth: float, blur_px: float) -> U8:
    """The sub-pixel grid of a panel, sampled by the camera's pixels: moiré comes out by itself.

    The red, green and blue stripes of a panel pixel are a third of a period apart, so that a pattern that the camera
    cannot resolve folds back into broad coloured waves. Only the first harmonic reaches the sensor through the lens.

    Parameters
    ----------
    size_wh : tuple of int
        Of the camera's picture.
    camera_to_panel : float64 [shape=(3, 3)]
        Homography to panel pixels.
    depth : float in [0, 1]
        Modulation of the stripes before lens and pixel aperture.
    blur_px : float
        Standard deviation of the lens blur.

    Returns
    -------
    uint8 [shape=(h, w, 3)]
        Factor of the light, 255 is 1.
    """
    width, height = size_wh
    h = camera_to_panel / camera_to_panel[2, 2]
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    below = np.add.outer(np.float32(h[2, 1]) * y + 1, np.float32(h[2, 0]) * x).astype(np.float32)
    planes = []
    for row in h[:2]:
        above = np.add.outer(np.float32(row[1]) * y + np.float32(row[2]), np.float32(row[0]) * x).astype(np.float32)
        # The low byte of the phase in 1/256 turns is the phase within the period.
        phase = cv2.divide(above, below, scale=256.0).astype(np.int32).astype(np.uint8)
        frequency = float(np.hypot(row[0], row[1]))
        planes.append((phase, depth * _transfer(frequency, blur_px)))
    (across, depth_x), (down, depth_y) = planes
    thirds = np.arange(3) * (256 / 3)
    angle = (np.arange(256)[:, None] + thirds) * (2 * np.pi / 256)
    columns = np.asarray(np.rint(255 * (1 - depth_x * (0.5 + 0.5 * np.cos(angle)))), np.uint8)
    rows = np.asarray(np.rint(255 * (1 - 0.6 * depth_y * (0.5 + 0.5 * np.cos(angle[:, 0])))), np.uint8)
    grid = cv2.LUT(cv2.merge([across] * 3), columns[None])
    return np.asarray(cv2.multiply(grid, cv2.merge([cv2.LUT(down, rows)] * 3), scale=1 / 255))


def _transfer(frequency: float, blur_px: float) -> float:
    """Contrast that is left at a frequency (cycles per pixel) after the lens and the aperture of a Bayer pixel."""
    lens = float(np.exp(-2 * (np.pi * frequency * blur_px) ** 2))
    # The light-collecting part of a photosite is about 0.6 of the pixel pitch wide.
    return lens * abs(float(np.sinc(0.6 * frequency)))


def add_light(image: U8, light: U8) -> U8:
    """Light added to a gamma-coded picture by the "screen" rule, which never overflows."""
    return np.asarray(cv2.bitwise_not(cv2.multiply(cv2.bitwise_not(image), cv2.bitwise_not(light), scale=1 / 255)))


def window_glare(size_wh: tuple[int, int], rng: np.random.Generator, *, strength: float) -> U8:
    """The reflection of a window with its bars, or of its blinds, in a glossy surface [shape=(h, w, 3)]."""
    width, height = size_wh
    glare = np.zeros((height, width), np.float32)
    w, h = width * rng.uniform(0.22, 0.4), height * rng.uniform(0.14, 0.26)
    x0, y0 = width * rng.uniform(0.25, 0.6), height * rng.uniform(0.3, 0.55)
    lean = rng.uniform(-0.25, 0.25)
    corners = np.array([[x0, y0], [x0 + w, y0 + lean * h], [x0 + w, y0 + h * (1 + lean)], [x0, y0 + h]])
    cv2.fillConvexPoly(glare, np.rint(corners).astype(np.int32), 1.0, cv2.LINE_AA)
    bars = 8 if rng.random() < 0.5 else 2
    for part in np.arange(1, bars) / bars:
        a, b = corners[0] + part * (corners[3] - corners[0]), corners[1] + part * (corners[2] - corners[1])
        _stroke(glare, a, b, 0.08, h / bars * 0.35 if bars > 2 else h * 0.04)
    a, b = (corners[0] + corners[1]) / 2, (corners[2] + corners[3]) / 2
    _stroke(glare, a, b, 0.08, w * 0.04)
    glare = cv2.GaussianBlur(glare, (0, 0), width * 0.004 + 0.8)
    glare += 0.25 * cv2.GaussianBlur(glare, (0, 0), width * 0.05)
    return to_coded(glare[..., None] * np.array([0.92, 0.97, 1.0], np.float32) * strength)


def _stroke(image: F32, a: F64, b: F64, value: float, thickness: float) -> None:
    """Draw a smooth line in place, to a sixteenth of a pixel."""
    start, end = (np.rint(point * 16).astype(int).tolist() for point in (a, b))
    cv2.line(image, start, end, value, max(1, round(thickness)), cv2.LINE_AA, 4)


def lamp_glare(size_wh: tuple[int, int], rng: np.random.Generator, *, strength: float) -> U8:
    """Reflections of one to three ceiling lamps: short bright strokes with a halo [shape=(h, w, 3)]."""
    width, height = size_wh
    glare = np.zeros((height, width), np.float32)
    angle = rng.uniform(-0.6, 0.6)
    start = np.array([width * rng.uniform(0.3, 0.7), height * rng.uniform(0.25, 0.5)])
    stroke = width * rng.uniform(0.03, 0.08) * np.array([np.cos(angle), np.sin(angle)])
    step = width * rng.uniform(0.06, 0.12) * np.array([-np.sin(angle) + 0.6, np.cos(angle) * 0.4])
    for lamp in range(int(rng.integers(1, 4))):
        a, b = start + lamp * step - stroke / 2, start + lamp * step + stroke / 2
        _stroke(glare, a, b, 1.0, max(2.0, width * 0.009))
    glare = cv2.GaussianBlur(glare, (0, 0), width * 0.002 + 0.6) * 1.4 + cv2.GaussianBlur(glare, (0, 0), width * 0.04)
    return to_coded(glare[..., None] * np.array([1.0, 0.97, 0.9], np.float32) * strength)


class RollingBands:
    """Bands across the picture from a flickering light that a rolling shutter reads row by row.

    Parameters
    ----------
    size_wh : tuple of int
        Of the camera's picture.
    flicker_hz : float
        Of the display or the lamp.
    depth : float in [0, 1]
        How much darker the darkest row is.
    readout_s : float
        From the first to the last row.
    """

    def __init__(self, size_wh: tuple[int, int], *, flicker_hz: float, depth: float, readout_s: float) -> None:
        width, self._height = size_wh
        self._flicker_hz = flicker_hz
        self._rows_per_period = self._height / (flicker_hz * readout_s)
        rows = np.arange(self._height + int(np.ceil(self._rows_per_period)))
        wave = 1 - depth * (0.5 + 0.5 * np.cos(2 * np.pi * rows / self._rows_per_period)) ** 2
        table = np.rint(255 * wave).astype(np.uint8)
        self._map = np.ascontiguousarray(np.broadcast_to(table[:, None, None], (len(table), width, 3)))

    def at(self, time_s: float) -> U8:
        """Factor of the light at a time [shape=(h, w, 3)], 255 is 1."""
        offset = int((time_s * self._flicker_hz % 1.0) * self._rows_per_period)
        return self._map[offset : offset + self._height]


class SensorNoise:
    """Shot and read noise of a camera: grain, a little correlated by demosaicing, stronger in chroma.

    Parameters
    ----------
    size_wh : tuple of int
    sigma : float
        Standard deviation in 8-bit codes.
    rng : numpy.random.Generator
    """

    _MARGIN = 64

    def __init__(self, size_wh: tuple[int, int], *, sigma: float, rng: np.random.Generator) -> None:
        self._rng = np.random.default_rng(rng.integers(2**63))
        shape = (size_wh[1] + self._MARGIN, size_wh[0] + self._MARGIN)
        luma = self._rng.standard_normal(shape, np.float32)
        chroma = cv2.GaussianBlur(self._rng.standard_normal((*shape, 3), np.float32), (0, 0), 0.9)
        mixed = cv2.GaussianBlur(luma, (0, 0), 0.45)[..., None] * 1.2 + chroma
        self._bank: NDArray[np.int16] = np.rint(mixed * (sigma / max(float(mixed.std()), 1e-6))).astype(np.int16)

    def grain(self, size_wh: tuple[int, int]) -> NDArray[np.int16]:
        """The next moment's noise for a picture up to the given size [shape=(h, w, 3)]."""
        x, y = self._rng.integers(0, self._MARGIN, 2)
        return np.asarray(self._bank[y : y + size_wh[1], x : x + size_wh[0]])

    def apply(self, image: U8) -> U8:
        """The picture with the next moment's noise."""
        return np.asarray(cv2.add(image, self.grain(image.shape[1::-1]), dtype=cv2.CV_8U))


def defocus(image: U8, sigma_px: float) -> U8:
    """Blur of a lens out of focus; below a fifth of a pixel, none."""
    return image if sigma_px < 0.2 else np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px))


def smear(image: U8, shift_xy_px: F64) -> U8:
    """Blur along a straight movement during the exposure; below one pixel, none."""
    length = float(np.hypot(*shift_xy_px))
    if length < 1.0:
        return image
    side = int(np.ceil(length)) // 2 * 2 + 3
    kernel = np.zeros((side, side), np.float32)
    middle = np.full(2, side // 2)
    half = shift_xy_px / 2
    _stroke(kernel, middle - half, middle + half, 1.0, 1)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE))

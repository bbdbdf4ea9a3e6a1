"""Hands that hold an instrument: shaded fingers over its edge.

Goal: believable at a glance, at the size and sharpness of a hand at the edge of a selfie. A finger is a tapered
capsule, lit from above, with a nail, two creases and a shadow on what it holds.

Public items: :func:`draw_grip`, :data:`SKIN_TONES`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["SKIN_TONES", "draw_grip"]

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]

# A finger is drawn this wide, and this many widths long: enough to leave the picture.
_FINGER_PX, _LENGTH = 44, 12.0

# sRGB skin tones from light to dark, between the ends of the Monk Skin Tone scale.
SKIN_TONES = ((232, 190, 165), (205, 155, 125), (170, 118, 90), (125, 82, 60), (86, 56, 42))


def draw_grip(
    canvas_rgba: U8,
    edge_xy_px: tuple[float, float],
    inward_deg: float,
    finger_px: float,
    tone_rgb: tuple[int, int, int],
    rng: np.random.Generator,
    *,
    fingers: int = 3,
    reach: float = 1.3,
) -> None:
    """Draw fingertips that come over an edge from outside, in place.

    Parameters
    ----------
    canvas_rgba : uint8 [shape=(h, w, 4)]
        Premultiplied.
    edge_xy_px : tuple of float
        Where the middle finger crosses the edge.
    inward_deg : float
        Direction of the fingers, clockwise from the x axis.
    finger_px : float
        Width of a finger.
    tone_rgb : tuple of int
        Skin, sRGB.
    fingers : int
        1 for a thumb.
    reach : float
        How far the tips lie inside the edge, in finger widths.
    """
    inward = np.array([np.cos(np.radians(inward_deg)), np.sin(np.radians(inward_deg))])
    along = np.array([-inward[1], inward[0]])
    for index in range(fingers):
        offset = (index - (fingers - 1) / 2) * 1.02 * finger_px
        bow = 1 - 0.35 * abs(index - (fingers - 1) / 2) ** 1.5 / max(fingers, 1)
        tip = np.asarray(edge_xy_px) + along * offset + inward * finger_px * reach * bow * rng.uniform(0.85, 1.1)
        lean = rng.uniform(-0.12, 0.12) + 0.05 * (index - 1)
        back = -inward + along * lean
        _finger(canvas_rgba, tip, back / np.linalg.norm(back), finger_px * rng.uniform(0.92, 1.02), tone_rgb, rng)


def _finger(
    canvas: U8, tip: F64, back: F64, width: float, tone: tuple[int, int, int], rng: np.random.Generator
) -> None:
    """One capsule from `tip` along `back`, long enough to leave the picture with its hand."""
    # Drawn lying along the x axis at half the size, then turned into place: a finger is smooth.
    cell = width / _FINGER_PX
    picture, shadow = _lying_finger(back, tone, rng)
    low = np.array([-1.0, -1.2]) * width
    turn = np.column_stack([back, [-back[1], back[0]]])
    to_canvas = np.column_stack([turn * cell, tip + turn @ low])
    size_wh = canvas.shape[1::-1]
    placed = cv2.warpAffine(picture, to_canvas, size_wh, flags=cv2.INTER_LINEAR)
    shade = cv2.warpAffine(shadow, to_canvas, size_wh, flags=cv2.INTER_LINEAR, borderValue=255)
    darker = cv2.merge([shade, shade, shade, np.full_like(shade, 255)])
    below = cv2.multiply(canvas, darker, scale=1 / 255)
    clear = cv2.merge([cv2.bitwise_not(cv2.extractChannel(placed, 3))] * 4)
    canvas[:] = cv2.add(cv2.multiply(below, clear, scale=1 / 255), placed)


def _lying_finger(back: F64, tone: tuple[int, int, int], rng: np.random.Generator) -> tuple[U8, U8]:
    """A finger whose tip is one width from the left, premultiplied, and the factor of its shadow on what lies below."""
    width = float(_FINGER_PX)
    d, s = np.mgrid[-1.2 * width : 1.2 * width, -width : _LENGTH * width]
    radius = width / 2 * (0.86 + 0.14 * np.clip(s / (1.2 * width), 0, 1) + 0.14 * np.clip(s / width - 1.8, 0, 6))
    outside = np.hypot(np.minimum(s - radius * 0.9, 0), d) / radius
    alpha = np.clip((1 - outside) * radius / 1.3, 0, 1)
    height = np.sqrt(np.clip(1 - outside**2, 0, 1))
    # Lambert's law for a cylinder under a lamp above; the far side keeps a third of the light.
    tilt = d * back[0] / radius + np.minimum(s / radius - 0.9, 0) * back[1]
    shade = np.clip(0.42 + 0.5 * height - 0.28 * tilt, 0.2, 1.15)
    for joint in (1.35, 3.1):
        shade *= 1 - 0.10 * np.exp(-(((s / width - joint) / 0.09) ** 2)) * np.clip(2 * height - 0.6, 0, 1)
    grain = cv2.GaussianBlur(rng.standard_normal(s.shape).astype(np.float32), (0, 0), 0.8)
    colour = (shade * (1 + 0.018 * grain / max(float(grain.std()), 1e-6)))[..., None] * np.array(tone, float)
    colour[..., 0] += 14 * np.exp(-((s / width - 0.2) ** 2) / 0.3)  # fingertips are redder
    nail, gleam = _nail(s, d, width)
    nail_colour = np.array([1.06, 0.98, 0.97]) * np.mean(tone) * 0.9 + 22
    colour += nail[..., None] * (nail_colour - colour) * 0.55 + 70 * gleam[..., None]
    premultiplied = np.dstack([np.clip(colour, 0, 255) * alpha[..., None], 255 * alpha])
    shadow = 1 - 0.45 * np.clip(1.35 - outside, 0, 0.35) / 0.35
    return np.rint(premultiplied).astype(np.uint8), np.rint(255 * shadow).astype(np.uint8)


def _nail(s: F64, d: F64, width: float) -> tuple[F64, F64]:
    """Masks of the nail and of the gleam on it."""
    r = np.hypot((s / width - 0.36) / 0.36, d / width / 0.29)
    nail = np.clip((1 - r) * 8, 0, 1)
    gleam = np.exp(-(((s / width - 0.3) / 0.16) ** 2) - (((d / width + 0.1) / 0.06) ** 2)) * nail
    return nail, gleam

"""A paper mask with eye holes, worn by a live person.

Goal: the face is paper and rigid, the eyes behind it blink: blink detection alone is fooled.

Public items: :func:`mask_eyeholes`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.simulation.draws import drawn
from idverify.simulation.faces import face_outline, require_face, smooth_warp
from idverify.simulation.landmark_sets import EYE_RINGS, STIFF
from idverify.simulation.optics import SensorNoise
from idverify.simulation.prints import printed, with_alpha
from idverify.simulation.source import Encoding, Setup, Shot, Take

__all__ = ["mask_eyeholes"]

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# Width of the mask's picture in pixels; more than any face in a selfie has.
_MASK_PX = 640


def mask_eyeholes(setup: Setup, rng: np.random.Generator, *, hole: float = 1.25, noise: float | None = None) -> Take:
    """The person in the clip wears a printed face with holes for the eyes.

    `other` is whose face is printed; without it, the wearer's own.

    Parameters
    ----------
    hole : float
        Width of an eye hole over the width of the eye.
    noise : float
        Standard deviation of the camera noise over the paper, 8-bit codes.
    """
    shots = setup.clip()
    photo = (setup.other or setup.source).still()
    mesh = require_face(setup.locate, photo, "the photo to print")
    mask, mesh = _paper(photo, mesh, hole, rng)
    sigma = drawn(noise, rng, 1.5, 3.0)
    wearer = _Wearer(setup, mask, mesh, SensorNoise(setup.source.size_wh, sigma=sigma, rng=rng))
    return Take(shots=(wearer.dress(shot) for shot in shots), encoding=Encoding(nominal_rate_hz=setup.rate_hz))


def _paper(photo: U8, mesh: F32, hole: float, rng: np.random.Generator) -> tuple[U8, F32]:
    """The mask on a transparent canvas, premultiplied, and the mesh in its pixels."""
    outline = face_outline(mesh, hair=0.16, grow=1.1)
    low, high = outline.min(axis=0) - 4, outline.max(axis=0) + 4
    scale = _MASK_PX / float(high[0] - low[0])
    wh = tuple(np.ceil((high - low) * scale).astype(int).tolist())
    to_mask = np.array([[scale, 0, -scale * low[0]], [0, scale, -scale * low[1]]])
    paper = printed(cv2.warpAffine(photo, to_mask, wh, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), rng)
    mesh = mesh.copy()
    mesh[:, :2] = (mesh[:, :2] - low) * scale
    shape = np.zeros(wh[::-1], np.uint8)
    cv2.fillPoly(shape, [np.rint((outline - low) * scale * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    for ring in EYE_RINGS:
        points = mesh[list(ring), :2]
        width = float(np.ptp(points[:, 0]))
        axes = (round(width * hole * 8), round(width * hole * 0.62 * 8))
        centre = np.rint(points.mean(axis=0) * 16).astype(int).tolist()
        cv2.ellipse(shape, centre, axes, float(rng.uniform(-5, 5)), 0, 360, 0, -1, cv2.LINE_AA, 4)
    rim = cv2.erode(shape, np.ones((7, 7), np.uint8))
    paper = np.where((rim > 127)[..., None], paper, np.uint8(225))
    return with_alpha(paper, shape), mesh


class _Wearer:
    """Puts the mask on every picture of the clip, following the stiff part of the face."""

    def __init__(self, setup: Setup, mask: U8, mesh: F32, noise: SensorNoise) -> None:
        self._locate, self._mask, self._noise = setup.locate, mask, noise
        self._from = mesh[STIFF, :2].astype(np.float64)
        self._points: F64 | None = None

    def dress(self, shot: Shot) -> Shot:
        """The shot with the mask on; where no face is found the mask stays where it was."""
        mesh = self._locate(shot.image_rgb)
        if mesh is not None:
            points = mesh[STIFF, :2].astype(np.float64)
            # Half of the tracker's jitter goes; paper does not tremble.
            self._points = points if self._points is None else 0.5 * (self._points + points)
        if self._points is None:
            return shot
        low, high = self._points.min(axis=0), self._points.max(axis=0)
        reach = 0.6 * (high - low)
        width, height = shot.image_rgb.shape[1::-1]
        left, top = np.maximum(low - reach, 0).astype(int).tolist()
        right, bottom = np.minimum(high + reach * (1, 1.6), (width, height)).astype(int).tolist()
        if right - left < 8 or bottom - top < 8:
            return shot
        image = shot.image_rgb.copy()
        image[top:bottom, left:right] = self._worn(image[top:bottom, left:right], (left, top, right, bottom))
        return Shot(shot.time_s, image)

    def _worn(self, skin: U8, box: tuple[int, int, int, int]) -> U8:
        assert self._points is not None
        reading = smooth_warp(self._points, self._from, box)
        step = max(float(np.abs(np.diff(reading[..., 0], axis=1)).mean()), 1e-3)
        # The mask's picture has more pixels than the face: blur it first, or it would alias.
        mask = cv2.GaussianBlur(self._mask, (0, 0), max(0.45 * step, 0.3))
        paper = cv2.remap(
            mask, reading, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0, 0, 0, 0)
        )
        alpha = paper[..., 3]
        away = max((box[2] - box[0]) * 0.012, 0.8)
        shadow = cv2.GaussianBlur(np.roll(alpha, round(away), axis=0), (0, 0), away)
        below = cv2.multiply(skin, cv2.merge([cv2.bitwise_not(shadow // 2)] * 3), scale=1 / 255)
        # The room's light falls on paper and skin alike.
        level = float(
            np.clip((skin.mean() + 30) / (self._mask[..., :3][self._mask[..., 3] > 0].mean() + 30), 0.45, 1.25)
        )
        grain = self._noise.grain(alpha.shape[::-1])
        lit = cv2.convertScaleAbs(paper[..., :3], alpha=level)
        lit = cv2.add(lit, grain * (alpha[..., None] > 0), dtype=cv2.CV_8U)
        return np.asarray(cv2.add(cv2.multiply(below, cv2.merge([cv2.bitwise_not(alpha)] * 3), scale=1 / 255), lit))

"""Two painters of eyelids, and eyes that look about: what a photo's eyes lack to seem alive.

Goal: a lid that slides over an eye which stays where it is, in the person's own skin. One painter stretches the skin
between brow and eye; the other fills the eye's opening with skin, gives it texture of the cheek and slides it down.

Conventions: all work is in the photo's own pixels, inside a box around one eye, before the photo is warped. `s` runs
along the corners of the eye, `t` down the face; closing is 0 (as in the photo) to 1 (shut).

Public items: :class:`Eye`, :data:`LID_PAINTERS`.

Sources: Kwon et al. 2013, doi:10.1098/rsif.2013.0227 (upper lid travels most of the way, the lower lid little).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.simulation.landmark_sets import BROWS, LOWER_LIDS, UPPER_LIDS

__all__ = ["LID_PAINTERS", "Eye"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


# A mesh sees lids a little closer than they are: a shut one ends this much of the opening below it.
_BEYOND = 0.06


class Eye:
    """One eye of a photo.

    Parameters
    ----------
    image : float32 [shape=(h, w, 3)]
        The photo, 0 to 255.
    points : float64 [shape=(468, 2)]
    side : int
        0 the right eye, 1 the left one.
    painter : str
        A key of :data:`LID_PAINTERS`.
    rng : numpy.random.Generator
        Draws lashes and the lid's texture.
    """

    def __init__(self, image: F32, points: F64, side: int, painter: str, rng: np.random.Generator) -> None:
        upper, lower = points[list(UPPER_LIDS[side])], points[list(LOWER_LIDS[side])]
        span = upper[-1] - upper[0]
        self.width_px = max(float(np.linalg.norm(span)), 2.0)
        along = span / self.width_px
        down = np.array([-along[1], along[0]])
        origin = (upper[0] + upper[-1]) / 2
        reach = self.width_px * 0.75
        height, width = image.shape[:2]
        brow = (points[list(BROWS[side])] - origin) @ down
        above_px = min(reach, 0.2 * self.width_px - float(brow.min()))
        low = np.floor(origin - np.array([reach, above_px])).astype(int)
        high = np.ceil(origin + np.array([reach, 0.6 * self.width_px])).astype(int)
        left, top = np.clip(low, 0, [width - 2, height - 2]).tolist()
        right, bottom = np.clip(high, [left + 2, top + 2], [width, height]).tolist()
        self.box = (slice(top, bottom), slice(left, right))
        self.patch = np.ascontiguousarray(image[self.box])
        self.x, self.y = np.meshgrid(
            np.arange(right - left, dtype=np.float32), np.arange(bottom - top, dtype=np.float32)
        )
        offset = np.stack([self.x + left, self.y + top], axis=-1) - origin
        self.s, self.t = (offset @ axis for axis in (along, down))
        self.down = down.astype(np.float32)
        order = slice(None) if along @ (upper[-1] - upper[0]) > 0 else slice(None, None, -1)
        lids = [((lid - origin) @ along, (lid - origin) @ down) for lid in (upper, lower)]
        self.above, self.below = (np.interp(self.s, a[order], b[order]) for a, b in lids)
        self.opening_px = float((self.below - self.above).max())
        self.brow_t = float(brow.mean())
        # Beyond the corners nothing closes.
        self.inside = np.clip(1.08 - np.abs(self.s) / (0.5 * self.width_px), 0, 0.12) / 0.12
        self.lash_px = float(rng.uniform(0.02, 0.05)) * self.width_px
        self.lash = float(rng.uniform(0.2, 0.6))
        self._paint = LID_PAINTERS[painter](self, rng)

    def at(self, closed: float, gaze_xy: tuple[float, float]) -> F32:
        """The eye's box with the lid lowered and the iris moved [shape=(h, w, 3)]."""
        patch = self.patch
        if abs(gaze_xy[0]) + abs(gaze_xy[1]) > 1e-3:
            patch = self._looking(patch, gaze_xy)
        if closed < 0.02:
            return patch
        edge = self.above + (self.below + _BEYOND * self.opening_px - self.above) * closed * self.inside
        lid = self._paint(closed, edge)
        soft = max(0.02 * self.width_px, 0.6)
        cover = np.clip((edge - self.t) / soft + 0.5, 0, 1) * np.clip((self.t - self.brow_t * 0.8) / (2 * soft), 0, 1)
        cover = (cover * self.inside).astype(np.float32)[..., None]
        lashes = np.exp(-(((self.t - edge) / self.lash_px) ** 2)) * self.lash * self.inside * min(1.0, 3 * closed)
        return np.asarray((patch * (1 - cover) + lid * cover) * (1 - lashes.astype(np.float32))[..., None])

    def _looking(self, patch: F32, gaze_xy: tuple[float, float]) -> F32:
        middle = (self.above + self.below) / 2
        half = np.maximum((self.below - self.above) / 2, 0.5)
        weight = np.clip(1 - (self.s / (0.5 * self.width_px)) ** 2, 0, 1)
        weight = weight * np.clip(1.3 - ((self.t - middle) / half) ** 2, 0, 1)
        x = self.x - np.float32(gaze_xy[0] * self.width_px) * weight.astype(np.float32)
        y = self.y - np.float32(gaze_xy[1] * self.width_px) * weight.astype(np.float32)
        return np.asarray(cv2.remap(patch, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


class _Stretched:
    """The skin between brow and lashes, drawn down like a blind."""

    def __init__(self, eye: Eye, rng: np.random.Generator) -> None:
        self._eye = eye
        self._from = float(rng.uniform(0.45, 0.8))
        self._shade = float(rng.uniform(0.9, 1.02))

    def __call__(self, closed: float, edge: F64) -> F32:
        eye = self._eye
        top = eye.above + (eye.brow_t - eye.above) * self._from
        share = np.clip((eye.t - top) / np.maximum(edge - top, 1e-3), 0, 1)
        # The last bit above the eye is lashes; the skin ends before them.
        read = top + share * (eye.above - 0.06 * eye.width_px - top)
        move = (np.where(eye.t < top, eye.t, read) - eye.t).astype(np.float32)
        lid = cv2.remap(
            eye.patch, eye.x + move * eye.down[0], eye.y + move * eye.down[1], cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        return np.asarray(lid * np.float32(1 - (1 - self._shade) * closed))


class _Slid:
    """A lid made beforehand: skin filled in over the eye, texture of the skin beside it, a fold that fades."""

    def __init__(self, eye: Eye, rng: np.random.Generator) -> None:
        self._eye = eye
        pad = 0.16 * eye.width_px
        hole = (eye.t > eye.above - pad) & (eye.t < eye.below + pad) & (np.abs(eye.s) < 0.56 * eye.width_px)
        lower = (eye.t > eye.below + pad) & (np.abs(eye.s) < 0.6 * eye.width_px)
        upper = (eye.t < eye.above - pad) & (eye.t > 0.6 * eye.brow_t) & (np.abs(eye.s) < 0.5 * eye.width_px)
        coded = np.clip(eye.patch, 0, 255).astype(np.uint8)
        skin = cv2.inpaint(coded, hole.astype(np.uint8), max(3.0, 0.1 * eye.width_px), cv2.INPAINT_TELEA)
        smooth = cv2.GaussianBlur(skin.astype(np.float32), (0, 0), max(0.05 * eye.width_px, 0.8))
        fine = eye.patch - cv2.GaussianBlur(eye.patch, (0, 0), max(0.06 * eye.width_px, 1.0))
        sample = fine[lower] if lower.sum() > 30 else fine[upper] if upper.any() else fine.reshape(-1, 3)
        sigma = np.minimum(sample.std(axis=0), 6.0)
        grain = cv2.GaussianBlur(rng.standard_normal(eye.patch.shape[:2]).astype(np.float32), (0, 0), 1.1)
        grain /= max(float(grain.std()), 1e-6)
        self._lid = smooth + grain[..., None] * sigma.astype(np.float32) * np.float32(rng.uniform(0.7, 1.3))
        # The eyeball under the lid: brighter in the middle, darker towards the corners.
        bulge = float(rng.uniform(0.02, 0.08)) * (1 - 2.2 * (eye.s / (0.5 * eye.width_px)) ** 2)
        self._lid *= (1 + bulge).astype(np.float32)[..., None]
        self._fold = float(rng.uniform(0.05, 0.2))

    def __call__(self, closed: float, edge: F64) -> F32:
        eye = self._eye
        back = (eye.below + _BEYOND * eye.opening_px - edge).astype(np.float32)
        lid = cv2.remap(
            self._lid, eye.x + back * eye.down[0], eye.y + back * eye.down[1], cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        # Above the eye's rim the skin stays and folds over the lid.
        still = np.clip((eye.above - 0.1 * eye.width_px - eye.t) / (0.08 * eye.width_px), 0, 1)
        lid = lid + (eye.patch - lid) * still.astype(np.float32)[..., None]
        fold = np.exp(-(((eye.t - eye.above + 0.1 * eye.width_px) / (0.04 * eye.width_px)) ** 2))
        return np.asarray(lid * (1 - self._fold * (1 - 0.5 * closed) * fold).astype(np.float32)[..., None])


LID_PAINTERS: Mapping[str, Callable[[Eye, np.random.Generator], Callable[[float, F64], F32]]] = MappingProxyType(
    {"stretched": _Stretched, "slid": _Slid}
)
"""Makers of lids by name: from an eye to a function of closing and lid edge."""

"""What is seen inside an open mouth: teeth that stand still against the skull, a tongue, darkness.

Conventions: the interior is a picture of its own, held by the corners of the mouth and the upper jaw; the lips are its
window.

Public items: :class:`MouthInterior`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.simulation.landmark_sets import LOWER_LIP, UPPER_LIP

__all__ = ["MouthInterior"]

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_WH = (160, 120)


class MouthInterior:
    """The inside of one mouth.

    Parameters
    ----------
    photo : float32 [shape=(h, w, 3)]
    points : float64 [shape=(468, 2)]
    rng : numpy.random.Generator
    teeth : float in [0, 1]
        How much of the upper teeth shows.
    """

    def __init__(self, photo: F32, points: F64, rng: np.random.Generator, *, teeth: float) -> None:
        width, height = _WH
        upper, lower = points[list(UPPER_LIP)], points[list(LOWER_LIP)]
        mouth_px = max(float(np.linalg.norm(upper[-1] - upper[0])), 1.0)
        lip = photo[tuple(np.clip(points[17].astype(int)[::-1], 0, np.array(photo.shape[:2]) - 1))]
        # The dark of a mouth is the lip's own colour, with little light on it.
        dark = np.clip(lip * rng.uniform([0.12, 0.07, 0.07], [0.3, 0.2, 0.2]), 8, 90)
        y, x = np.mgrid[0 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
        inside = np.empty((height, width, 3), np.float32)
        inside[:] = dark * (1 - 0.5 * np.exp(-((x / 0.8) ** 2) - ((y - 0.5) / 0.4) ** 2))[..., None]
        tongue = np.clip(1.2 - (x / 0.75) ** 2 - ((y - 1.0) / float(rng.uniform(0.4, 0.6))) ** 2, 0, 1)[..., None]
        inside += tongue * (np.clip(lip * rng.uniform(0.55, 0.85), 20, 200) - inside) * 0.8
        if teeth > 0:
            inside += self._teeth(x, y, rng, teeth) * (lip.mean() / 160.0 * 205.0 - inside)
        self._interior = cv2.GaussianBlur(inside, (0, 0), float(rng.uniform(1.0, 2.2)))
        self._was_open = float((lower - upper)[:, 1].max()) > 0.08 * mouth_px
        if self._was_open:
            self._lay_in(photo, upper, lower)

    def _lay_in(self, photo: F32, upper: F64, lower: F64) -> None:
        """What the photo shows between parted lips is better than paint: it hangs from the upper jaw."""
        own = cv2.warpAffine(photo, self._placed(upper)[:2], _WH, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        ring = np.vstack([upper, lower[::-1][1:-1]]) @ np.linalg.inv(self._placed(upper))[:2, :2].T
        ring += np.linalg.inv(self._placed(upper))[:2, 2]
        window = np.zeros(_WH[::-1], np.uint8)
        cv2.fillPoly(window, [np.rint(ring * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        # Above the lower lip; its rim would betray the seam.
        window[: int(ring[:11, 1].min()) + 2] |= 255
        cover = cv2.GaussianBlur(cv2.erode(window, np.ones((9, 1), np.uint8)), (0, 0), 2.5)
        self._interior += (cover.astype(np.float32) / 255)[..., None] * (own - self._interior)

    @staticmethod
    def _placed(upper: F64) -> F64:
        """From the interior's pixels to the picture's, by the upper lip [shape=(3, 3)]."""
        mouth = upper[-1] - upper[0]
        width = max(float(np.linalg.norm(mouth)), 1e-6)
        down = np.array([-mouth[1], mouth[0]]) / width
        # The teeth hang from the middle of the upper lip; the interior is as deep as a mouth can open.
        corner = upper[0] + ((upper[5] - upper[0]) @ down - 0.06 * width) * down
        columns = [mouth / (_WH[0] - 1), down * 0.62 * width / (_WH[1] - 1), corner]
        return np.vstack([np.column_stack(columns), [0, 0, 1]])

    @staticmethod
    def _teeth(x: F32, y: F32, rng: np.random.Generator, share: float) -> F32:
        """Cover of the upper row: front teeth the largest, dark gaps between, an uneven lower edge."""
        widths = np.array([0.15, 0.12, 0.12, 0.1, 0.1]) * rng.uniform(0.9, 1.1, 5)
        edges = np.concatenate([[0], np.cumsum(widths)])
        lengths = np.array([0.34, 0.3, 0.31, 0.26, 0.22]) * rng.uniform(0.9, 1.1, 5) * share
        index = np.clip(np.searchsorted(edges, np.abs(x)) - 1, 0, 4)
        gap = np.abs(np.abs(x)[..., None] - edges).min(axis=-1)
        row = np.clip((lengths[index] - y) / 0.04, 0, 1) * np.clip(gap / 0.015, 0.75, 1)
        light = np.clip(1.05 - 0.75 * np.abs(x) ** 1.5, 0, 1)
        return np.asarray((row * light * (np.abs(x) < edges[-1]))[..., None], np.float32)

    def fill(self, image: F32, seen: F64) -> None:
        """Lay the interior between the lips, in place.

        Parameters
        ----------
        image : float32 [shape=(h, w, 3)]
        seen : float64 [shape=(k, 3)]
            The cage as it is seen.
        """
        upper, lower = seen[list(UPPER_LIP), :2], seen[list(LOWER_LIP), :2]
        mouth = upper[-1] - upper[0]
        width = float(np.linalg.norm(mouth))
        if width < 4:
            return
        down = np.array([-mouth[1], mouth[0]]) / width
        gap = float(((lower - upper) @ down).max())
        if gap < 0.035 * width:
            return
        ring = np.vstack([upper, lower[::-1][1:-1]])
        low, high = np.floor(ring.min(axis=0)).astype(int) - 3, np.ceil(ring.max(axis=0)).astype(int) + 4
        left, top = np.maximum(low, 0).tolist()
        right, bottom = np.minimum(high, image.shape[1::-1]).tolist()
        if right - left < 3 or bottom - top < 3:
            return
        window = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillPoly(window, [np.rint((ring - (left, top)) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        soft = max(0.012 * width, 0.5)
        cover = cv2.GaussianBlur(window, (0, 0), soft).astype(np.float32)[..., None] / 255
        placing = self._placed(upper)[:2].copy()
        placing[:, 2] -= (left, top)
        placed = cv2.warpAffine(
            self._interior, placing, (right - left, bottom - top), flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        # Light falls in from the front: deeper gaps are lit, narrow ones are dark.
        if not self._was_open:
            placed *= np.float32(np.clip(0.45 + gap / width * 1.6, 0.45, 1.0))
        part = image[top:bottom, left:right]
        part += cover * (placed - part)

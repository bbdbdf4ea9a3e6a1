"""A stage for the tests of following and choosing: people are coloured boxes, and everything is read off the picture.

A person is a rectangle whose red channel is the person's own level, with detail in the other channels. The detector
looks for those levels, the mesh is a rigid head fitted to the rectangle under the middle of a region, and the
extractors tell people apart by the level in the middle of the crop. Nothing is passed beside the picture, so a crop of
the wrong place or a followed wrong face shows in the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.comparison.features import FusedExtractor
from idverify.faces.alignment import DLIB, SFACE, CanonicalPoints
from idverify.faces.detection import DetectedFace
from idverify.faces.landmarks import (
    CHIN,
    FOREHEAD,
    INNER_LIPS,
    LEFT_CHEEK,
    LEFT_EYE,
    MOUTH_CORNERS,
    N_POINTS,
    NOSE_TIP,
    RIGHT_CHEEK,
    RIGHT_EYE,
    FaceMesh,
)

# Person -> red level. The background has none of them.
LEVELS = {"ann": 100, "bob": 140, "cem": 180, "dee": 220}
SIZE_WH = (640, 480)
# Height over width of the head of `head_points`.
TALL = 1.3


# -- a rigid head ----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=16)
def _head(eye: float, mouth: float) -> NDArray[np.float64]:
    """Mesh of a head that looks straight ahead, one unit wide, origin in its middle [shape=(468, 3)]."""
    index = np.arange(N_POINTS)
    radius, turn = np.sqrt((index + 0.5) / N_POINTS) * 0.98, index * np.pi * (3 - np.sqrt(5))
    points = np.stack([0.5 * radius * np.cos(turn), TALL / 2 * radius * np.sin(turn), 0.3 * radius**2], axis=1)
    # From forehead to chin a head leans back by 6 degrees (landmarks.PITCH_AT_REST_DEG).
    lean = TALL / 2 * np.tan(np.radians(6.0))
    placed = {
        RIGHT_CHEEK: (-0.5, 0.0, 0.3),
        LEFT_CHEEK: (0.5, 0.0, 0.3),
        FOREHEAD: (0.0, -TALL / 2, 0.1 - lean),
        CHIN: (0.0, TALL / 2, 0.1 + lean),
        NOSE_TIP: (0.0, 0.08, -0.25),
        2: (0.0, 0.14, -0.18),
        MOUTH_CORNERS[0]: (-0.18, 0.3, 0.0),
        MOUTH_CORNERS[1]: (0.18, 0.3, 0.0),
    }
    for side, (outer, inner, lids) in ((-1, RIGHT_EYE), (1, LEFT_EYE)):
        placed |= {outer: (side * 0.32, -0.15, 0.0), inner: (side * 0.12, -0.15, 0.0)}
        for k, (upper, lower) in enumerate(lids):
            x = side * (0.27 - 0.05 * k)
            placed |= {upper: (x, -0.15 - 0.1 * eye, 0.0), lower: (x, -0.15 + 0.1 * eye, 0.0)}
    for k, (upper, lower) in enumerate(INNER_LIPS):
        placed |= {upper: (0.06 * (k - 1), 0.3 - 0.18 * mouth, 0.0), lower: (0.06 * (k - 1), 0.3 + 0.18 * mouth, 0.0)}
    points[list(placed)] = list(placed.values())
    points.flags.writeable = False
    return points


def rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> NDArray[np.float64]:
    """How a head turns: yaw to the person's left (right in the picture), pitch up, roll to the left shoulder.

    z grows away from the camera, so the nose of a head turned to its left moves to larger x, of one that looks up to
    smaller y, and the left cheek of one that tilts to its left shoulder to larger y.
    """
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    about_y = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def head_points(
    centre_xy: tuple[float, float] = (100.0, 100.0),
    width_px: float = 100.0,
    *,
    yaw_deg: float = 0.0,
    pitch_deg: float = 0.0,
    roll_deg: float = 0.0,
    eye: float = 0.3,
    mouth: float = 0.0,
) -> NDArray[np.float32]:
    """Mesh of the head in a picture [shape=(468, 3)]; `eye` and `mouth` are openings over widths."""
    points = _head(eye, mouth) @ rotation(yaw_deg, pitch_deg, roll_deg).T * width_px
    points[:, :2] += centre_xy
    return points.astype(np.float32)


# -- pictures --------------------------------------------------------------------------------------------------------

# Person -> centre of the face in x and y, and its width, in pixels.
Cast = Mapping[str, tuple[float, float, float]]


@lru_cache(maxsize=8)
def _skin(seed: int) -> NDArray[np.uint8]:
    """Detail in green and blue, the same in both halves of a face."""
    noise = np.random.default_rng(seed).integers(0, 200, (40, 16), np.uint8)
    return np.hstack([noise, noise[:, ::-1]])


def draw(cast: Cast, size_wh: tuple[int, int] = SIZE_WH, background: int = 90) -> NDArray[np.uint8]:
    """A picture of people, later ones in front [shape=(h, w, 3)]."""
    image = np.full((size_wh[1], size_wh[0], 3), background, np.uint8)
    image[..., 0] = 0
    for person, (x, y, width) in cast.items():
        left, right = max(0, round(x - width / 2)), min(size_wh[0], round(x + width / 2))
        top, bottom = max(0, round(y - TALL * width / 2)), min(size_wh[1], round(y + TALL * width / 2))
        if left >= right or top >= bottom:
            continue
        detail = cv2.resize(_skin(LEVELS[person]), (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
        image[top:bottom, left:right] = detail[..., None]
        image[top:bottom, left:right, 0] = LEVELS[person]
    return image


@dataclass(frozen=True, slots=True)
class StageFrame:
    """A decoded picture, as :class:`idverify.media.recording.Frame` shows it; resized without mixing levels."""

    index: int
    time_s: float
    picture: NDArray[np.uint8] = field(repr=False)

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.picture.shape[1], self.picture.shape[0]

    def image_rgb(self, size_wh: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        return cv2.resize(self.picture, size_wh or self.size_wh, interpolation=cv2.INTER_NEAREST)

    def luma(self, size_wh: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        return cv2.cvtColor(self.image_rgb(size_wh), cv2.COLOR_RGB2GRAY)

    def crop_rgb(self, box: tuple[int, int, int, int], size_wh: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        left, top, right, bottom = box
        rows = np.clip(np.arange(top, bottom), 0, self.size_wh[1] - 1)
        columns = np.clip(np.arange(left, right), 0, self.size_wh[0] - 1)
        crop = self.picture[rows[:, None], columns]
        return crop if size_wh is None else cv2.resize(crop, size_wh, interpolation=cv2.INTER_NEAREST)


class Play:
    """A recording of `seconds` at `rate_hz`; `cast_at` says who is where at a time."""

    def __init__(
        self, cast_at: Callable[[float], Cast], *, seconds: float, rate_hz: float = 15.0, background: int = 90
    ) -> None:
        self.cast_at, self.rate_hz, self.background = cast_at, rate_hz, background
        self.n_frames = round(seconds * rate_hz)
        self.duration_s: float | None = seconds
        self.size_wh = SIZE_WH
        self._drawn: dict[tuple[Any, ...], NDArray[np.uint8]] = {}

    def __iter__(self) -> Iterator[StageFrame]:
        for index in range(self.n_frames):
            cast = dict(self.cast_at(index / self.rate_hz))
            key = tuple(cast.items())
            if key not in self._drawn:
                self._drawn = {key: draw(cast, self.size_wh, self.background)}
            yield StageFrame(index, index / self.rate_hz, self._drawn[key])


# -- the fakes that look at the pictures -----------------------------------------------------------------------------


def _boxes(image_rgb: NDArray[np.uint8]) -> dict[str, tuple[float, float, float, float]]:
    red = np.ascontiguousarray(image_rgb[..., 0])
    present = np.bincount(red[::4, ::4].ravel(), minlength=256)
    boxes = {}
    for person, level in LEVELS.items():
        if present[level] > 4:
            mask = red == level
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            boxes[person] = (float(columns[0]), float(rows[0]), columns[-1] + 1.0, rows[-1] + 1.0)
    return boxes


class StageDetector:
    """Finds the people's boxes; counts how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def detect(self, image_rgb: NDArray[np.uint8]) -> tuple[DetectedFace, ...]:
        self.calls += 1
        return tuple(
            DetectedFace(
                bbox_xyxy_px=np.array([x0, y0, x1, y1]),
                keypoints_px=np.array([x0, y0])
                + np.array([[0.28, 0.39], [0.72, 0.39], [0.5, 0.56], [0.5, 0.73]]) * [x1 - x0, y1 - y0],
                detection_score=0.9,
            )
            for x0, y0, x1, y1 in _boxes(image_rgb).values()
        )


class StageMesh(FaceMesh):
    """Fits the head to the person under the middle of each region; presence 0 where there is none."""

    def __init__(self) -> None:
        """Without a model."""

    def fit(self, image_rgb: NDArray[np.uint8], regions: Any) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        boxes, height, width = _boxes(image_rgb), *image_rgb.shape[:2]
        points, presence = np.zeros((len(regions), N_POINTS, 3), np.float32), np.zeros(len(regions))
        for k, region in enumerate(regions):
            x, y = (round(v) for v in region.centre_xy_px)
            level = image_rgb[y, x, 0] if 0 <= x < width and 0 <= y < height else 0
            for person, (x0, y0, x1, y1) in boxes.items():
                if LEVELS[person] == level:
                    points[k] = head_points(((x0 + x1) / 2, (y0 + y1) / 2), x1 - x0)
                    presence[k] = 0.99
        return points, presence


class StageNetwork:
    """Unit vectors that depend on the person in the middle of the crop only."""

    name = "stage"

    def __init__(self, canonical: CanonicalPoints) -> None:
        self.canonical = canonical

    def extract(self, chips_rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        middle = self.canonical.size_px // 2
        found = np.abs(chips_rgb[:, middle, middle, :1].astype(int) - list(LEVELS.values())).argmin(axis=1)
        return np.eye(128, dtype=np.float32)[found]


def extractor() -> FusedExtractor:
    """Two such networks fused as the real ones are."""
    return FusedExtractor(StageNetwork(SFACE), StageNetwork(DLIB))

"""A still photograph turned into a video, in the ways that cost nothing: no simulator, only warps and an encoder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import media_factory
import numpy as np
from numpy.typing import NDArray

SIZE_WH = (360, 480)
RATE_HZ = 25

# Name -> where the picture's corners go at a time, as shift (share of the width), zoom, turn (radians) and tilt.
Motion = Callable[[float], tuple[float, float, float, float, float, float]]


def _shake(t: float) -> tuple[float, float, float, float, float, float]:
    rng = np.random.default_rng(int(t * RATE_HZ))
    x, y, turn = rng.normal(0, [0.02, 0.02, 0.02])
    return x, y, 1.12, turn, 0.0, 0.0


MOTIONS: dict[str, Motion] = {
    "fixed": lambda t: (0.0, 0.0, 1.0, 0.0, 0.0, 0.0),
    "panned": lambda t: (0.08 * np.sin(1.3 * t), 0.05 * np.sin(0.9 * t), 1.25, 0.0, 0.0, 0.0),
    "zoomed": lambda t: (0.0, 0.0, 1.05 + 0.12 * t, 0.0, 0.0, 0.0),
    "shaken": _shake,
    "tilted": lambda t: (0.0, 0.0, 1.2, 0.05 * np.sin(t), 4e-4 * np.sin(1.7 * t), 3e-4 * np.cos(1.1 * t)),
}


def frames(
    photo_rgb: NDArray[np.uint8], motion: str, seconds: float, *, noise: float = 0.0, size_wh: tuple[int, int] = SIZE_WH
) -> list[NDArray[np.uint8]]:
    """Views of the photograph as it moves before a camera with `noise` levels of noise."""
    rng = np.random.default_rng(0)
    grain = rng.normal(0, noise, (2 * size_wh[1], 2 * size_wh[0], 3)).astype(np.float32) if noise else None
    width, height = size_wh
    fill = max(width / photo_rgb.shape[1], height / photo_rgb.shape[0])
    to_middle = np.array(
        [[fill, 0, -fill * photo_rgb.shape[1] / 2], [0, fill, -fill * photo_rgb.shape[0] / 2], [0, 0, 1]]
    )
    shown = []
    for index in range(round(seconds * RATE_HZ)):
        x, y, zoom, turn, tilt_x, tilt_y = MOTIONS[motion](index / RATE_HZ)
        cos, sin = zoom * np.cos(turn), zoom * np.sin(turn)
        view = np.array(
            [[cos, -sin, x * width], [sin, cos, y * width], [tilt_x, tilt_y, 1.0]],
        )
        back = np.array([[1, 0, width / 2], [0, 1, height / 2], [0, 0, 1.0]])
        picture = cv2.warpPerspective(
            photo_rgb, back @ view @ to_middle, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        if grain is not None:
            # Another part of one large sheet of noise for each picture.
            y, x = rng.integers(0, (height, width))
            picture = np.clip(picture + grain[y : y + height, x : x + width], 0, 255).astype(np.uint8)
        shown.append(picture)
    return shown


def write(path: Path, photo_rgb: NDArray[np.uint8], motion: str, seconds: float = 3.2, **more: object) -> Path:
    """Write such a video."""
    video = media_factory.encode(
        frames(photo_rgb, motion, seconds, **more), rate=RATE_HZ, options={"crf": "18", "preset": "veryfast"}
    )  # type: ignore[arg-type]
    path.write_bytes(video)
    return path

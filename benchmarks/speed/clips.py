"""Clips for the benchmarks: a hand-held camera before a scene with a face that speaks, at a phone's bit rate.

Made from scikit-image's astronaut (NASA, public domain), so that no third-party data are needed. It is no recording of
a person: outcomes say nothing, the work that a check has to do is that of a selfie.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.data import astronaut

RATE_HZ = 30
# What phones write for 1080p at 30 Hz, per pixel and picture; other sizes in proportion.
BITS_PER_SECOND_1080P = 12_000_000
# Middle of the mouth, of the eyes, and their reach in the astronaut's 512 x 512 picture.
_MOUTH_XY, _EYES_XY, _REACH = (224.0, 160.0), (224.0, 115.0), 26.0
# Levels of a small sensor's noise in good light.
_NOISE = 3.0


def portrait() -> NDArray[np.uint8]:
    """The reference: head and shoulders."""
    return np.ascontiguousarray(astronaut()[:400, 40:340])


def _speaking(scene: NDArray[np.uint8], time_s: float) -> NDArray[np.uint8]:
    """The scene with the mouth moved up and down, and with lids that come down every two seconds."""
    y, x = np.mgrid[0 : scene.shape[0], 0 : scene.shape[1]].astype(np.float32)

    def near(at: tuple[float, float]) -> NDArray[np.float32]:
        return np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * _REACH**2)).astype(np.float32)

    blink = 6.0 if time_s % 2.0 < 0.2 else 0.0
    lift = 5 * np.sin(11 * time_s) * near(_MOUTH_XY) - blink * near(_EYES_XY)
    return np.asarray(cv2.remap(scene, x, y - lift.astype(np.float32), cv2.INTER_LINEAR), np.uint8)


def pictures(size_wh: tuple[int, int], seconds: float) -> Iterator[NDArray[np.uint8]]:
    """What the camera sees."""
    rng = np.random.default_rng(0)
    scene = astronaut()
    width, height = size_wh
    grain = rng.normal(0, _NOISE, (2 * height, 2 * width)).astype(np.int16).repeat(3).reshape(2 * height, 2 * width, 3)
    zoom = 1.15 * max(width, height) / scene.shape[0]
    for index in range(round(seconds * RATE_HZ)):
        t = index / RATE_HZ
        turn, step = 0.03 * np.sin(0.9 * t), zoom * (1 + 0.03 * np.sin(0.5 * t))
        cos, sin = step * np.cos(turn), step * np.sin(turn)
        centre = np.array([width / 2, height / 2]) + 0.03 * width * np.array([np.sin(1.3 * t), np.cos(1.7 * t)])
        shift = centre - np.array([[cos, -sin], [sin, cos]]) @ [_MOUTH_XY[0], 200.0]
        view = np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]]])
        seen = cv2.warpAffine(_speaking(scene, t), view, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        top, left = rng.integers(0, (height, width))
        yield cv2.add(seen, grain[top : top + height, left : left + width], dtype=cv2.CV_8U)


def make(path: Path, size_wh: tuple[int, int], seconds: float) -> Path:
    """Write a clip, unless it is there."""
    if path.is_file():
        return path
    bit_rate = BITS_PER_SECOND_1080P * size_wh[0] * size_wh[1] // (1920 * 1080)
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as output:
        options = {"preset": "veryfast", "maxrate": str(bit_rate), "bufsize": str(bit_rate), "bf": "0"}
        stream: Any = output.add_stream("libx264", rate=RATE_HZ, options=options)
        stream.width, stream.height = size_wh
        stream.pix_fmt, stream.bit_rate = "yuv420p", bit_rate
        # One slice a picture, as phones write: by slices, the encoder would cut it for the cores of this machine.
        stream.thread_type = "FRAME"
        for image in pictures(size_wh, seconds):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode(None))
    return part.replace(path)


def write_portrait(path: Path) -> Path:
    """Write the reference photo."""
    cv2.imwrite(str(path), portrait()[..., ::-1])
    return path

"""Speed of reading recordings, each beside the plain way that gives the same numbers.

Run: ``pytest benchmarks/speed/test_media_speed.py --benchmark-only --benchmark-group-by=group``. Within a group the
ratio is the figure; absolute times depend on the machine. The clip is made here: 1080p at a phone's bit rate.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from idverify.media import open_recording
from idverify.media.frame import Frame, Orientation

SIZE_WH, SMALL_WH = (1920, 1080), (640, 360)
N_FRAMES, RATE = 45, 30
# What phones write for 1080p at 30 Hz.
BITS_PER_SECOND = 17_000_000


def scene(index: int) -> NDArray[np.uint8]:
    """A smooth moving picture with the noise of a camera."""
    y, x = np.mgrid[: SIZE_WH[1], : SIZE_WH[0]].astype(np.float32)
    waves = [np.sin(x / 90 + y / 50 + index / 9), np.cos(x / 70 - index / 7), np.sin(y / 60 + index / 11)]
    return (128 + 80 * np.stack(waves, axis=-1)).astype(np.uint8)


@pytest.fixture(scope="module")
def picture() -> av.VideoFrame:
    picture = av.VideoFrame.from_ndarray(scene(0), format="rgb24").reformat(
        format="yuv420p", dst_colorspace=1, dst_color_range=1
    )
    picture.colorspace, picture.color_range = 1, 1
    return picture


@pytest.fixture(scope="module")
def frame(picture: av.VideoFrame) -> Frame:
    return Frame(picture, index=0, time_s=0.0, orientation=Orientation())


@pytest.fixture(scope="module")
def clip() -> bytes:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 12, (SIZE_WH[1], SIZE_WH[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        options = {"preset": "ultrafast", "b": str(BITS_PER_SECOND), "bf": "0"}
        stream: Any = output.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height = SIZE_WH
        for index in range(N_FRAMES):
            image = np.roll(noise, index * 131, axis=1) + scene(index)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def plain_rgb(picture: av.VideoFrame) -> NDArray[np.uint8]:
    return cv2.resize(picture.to_ndarray(format="rgb24"), SMALL_WH, interpolation=cv2.INTER_AREA)


def plain_luma(picture: av.VideoFrame) -> NDArray[np.uint8]:
    return cv2.resize(picture.to_ndarray(format="gray"), SMALL_WH, interpolation=cv2.INTER_AREA)


def exact_rgb(picture: av.VideoFrame) -> NDArray[np.float64]:
    """BT.709, limited range, in double precision, averaged over areas: what both ways aim at."""
    planes = [np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size) for plane in picture.planes]
    y, cb, cr = (
        cv2.resize(plane[: p.height, : p.width].astype(np.float64), SMALL_WH, interpolation=cv2.INTER_AREA)
        for plane, p in zip(planes, picture.planes, strict=True)
    )
    y, cb, cr = (y - 16) * 255 / 219, (cb - 128) * 255 / 224, (cr - 128) * 255 / 224
    rgb = np.stack([y + 1.5748 * cr, y - 0.187324 * cb - 0.468124 * cr, y + 1.8556 * cb], axis=-1)
    return rgb.clip(0, 255)


@pytest.mark.benchmark(group="1080p to 640x360 RGB")
@pytest.mark.parametrize("way", ["planes first", "plain"])
def test_rgb(benchmark: Any, frame: Frame, picture: av.VideoFrame, way: str) -> None:
    run: Callable[[], NDArray[np.uint8]] = (
        (lambda: frame.image_rgb(SMALL_WH)) if way == "planes first" else (lambda: plain_rgb(picture))
    )
    error = np.abs(benchmark(run) - exact_rgb(picture))
    # The plain way rounds in steps of FFmpeg's own.
    assert error.mean() < (1.0 if way == "planes first" else 3.0)
    assert error.max() < (3.0 if way == "planes first" else 8.0)


@pytest.mark.benchmark(group="1080p to 640x360 luma")
@pytest.mark.parametrize("way", ["planes first", "plain"])
def test_luma(benchmark: Any, frame: Frame, picture: av.VideoFrame, way: str) -> None:
    run = (lambda: frame.luma(SMALL_WH)) if way == "planes first" else (lambda: plain_luma(picture))
    assert benchmark(run).shape == SMALL_WH[::-1]


@pytest.mark.benchmark(group="1080p face crop of 600x600 to 112x112")
@pytest.mark.parametrize("way", ["planes first", "plain"])
def test_crop(benchmark: Any, frame: Frame, picture: av.VideoFrame, way: str) -> None:
    def plain() -> NDArray[np.uint8]:
        crop = picture.to_ndarray(format="rgb24")[200:800, 600:1200]
        return cv2.resize(crop, (112, 112), interpolation=cv2.INTER_AREA)

    run = (lambda: frame.crop_rgb((600, 200, 1200, 800), (112, 112))) if way == "planes first" else plain
    assert np.abs(benchmark(run).astype(int) - plain()).max() <= 8


@pytest.mark.benchmark(group="45 pictures of 1080p")
@pytest.mark.parametrize("way", ["frames only", "frames with RGB", "decoding alone", "plain RGB"])
def test_whole_clip(benchmark: Any, clip: bytes, way: str) -> None:
    def frames(with_rgb: bool) -> int:
        with open_recording(clip) as recording:
            return sum(1 + 0 * (frame.image_rgb(SMALL_WH).size if with_rgb else 0) for frame in recording)

    def decoding(with_rgb: bool) -> int:
        with av.open(io.BytesIO(clip)) as container:
            container.streams.video[0].thread_type = "AUTO"
            return sum(1 + 0 * (plain_rgb(p).size if with_rgb else 0) for p in container.decode(video=0))

    run = {
        "frames only": lambda: frames(False),
        "frames with RGB": lambda: frames(True),
        "decoding alone": lambda: decoding(False),
        "plain RGB": lambda: decoding(True),
    }[way]
    assert benchmark.pedantic(run, rounds=4, warmup_rounds=1) == N_FRAMES

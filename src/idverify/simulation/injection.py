"""Files altered after the camera, or fed into the app in its place: loop, cut, bit-rate steps, virtual camera.

Conventions: these species keep the clip's own picture times and size unless they say otherwise.

Public items: :func:`loop`, :func:`cut_two_people`, :func:`bitrate_ladder`, :func:`virtual_camera`, :func:`unaltered`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.simulation.draws import drawn
from idverify.simulation.faces import portrait
from idverify.simulation.source import Encoding, Setup, Shot, Take, held
from idverify.simulation.writer import through_codec

__all__ = ["bitrate_ladder", "cut_two_people", "loop", "unaltered", "virtual_camera"]

U8 = NDArray[np.uint8]

# Below this an encoder gives up and sends grey.
_LOWEST_BPS = 24_000
# What the virtual camera of a well-known open-source studio calls itself.
_VIRTUAL_CAMERA = "OBS Virtual Camera"


def loop(setup: Setup, rng: np.random.Generator, *, period: float | None = None) -> Take:
    """The first part of the clip, over and over.

    Parameters
    ----------
    period : float
        Seconds until it starts again.
    """
    length = period if period is not None else float(rng.uniform(0.22, 0.4)) * setup.duration_s

    def shots() -> Iterator[Shot]:
        offset, last, gap = 0.0, -1.0, 1 / setup.rate_hz
        while True:
            begun = False
            for shot in setup.clip():
                time_s = offset + shot.time_s
                if time_s >= setup.duration_s:
                    return
                if shot.time_s >= length:
                    break
                gap = time_s - last if begun else gap
                last, begun = time_s, True
                yield Shot(time_s, shot.image_rgb)
            if not begun:
                return
            offset = last + gap

    setup.clip()
    return _altered(setup, shots())


def cut_two_people(setup: Setup, rng: np.random.Generator, *, at: float | None = None) -> Take:
    """The clip, and from one picture to the next `other`'s.

    Parameters
    ----------
    at : float
        Seconds before the cut.
    """
    when = at if at is not None else float(rng.uniform(0.35, 0.6)) * setup.duration_s
    second = setup.second()
    size_wh = setup.source.size_wh

    def shots() -> Iterator[Shot]:
        first_times = []
        for shot in setup.clip():
            if shot.time_s >= when:
                break
            first_times.append(shot.time_s)
            yield shot
        start = (first_times[-1] if first_times else 0.0) + 1 / setup.rate_hz
        count = round((setup.duration_s - start) * setup.rate_hz)
        box: tuple[int, int, int, int] | None = None
        for time_s, _, shot in held(second.shots(), (index / setup.rate_hz for index in range(count))):
            if box is None:
                found = setup.locate(shot.image_rgb)
                box = portrait(shot.image_rgb.shape[1::-1], found, size_wh[0] / size_wh[1], 0.4)
            left, top, right, bottom = box
            yield Shot(start + time_s, cv2.resize(shot.image_rgb[top:bottom, left:right], size_wh))

    setup.clip()
    return _altered(setup, shots())


def bitrate_ladder(setup: Setup, rng: np.random.Generator, *, steps: int = 4) -> Take:
    """The clip through ever narrower channels, step by step, and re-encoded well: a patchwork of two compressions.

    Parameters
    ----------
    steps : int
        Number of parts; each has under half of the bit rate of the one before.
    """
    width, height = setup.source.size_wh
    # 0.12 bits per pixel is good H.264; the last of four steps has 0.008.
    top_bps = 0.12 * width * height * setup.rate_hz
    part_s = setup.duration_s / max(steps, 1)
    fall = float(rng.uniform(0.36, 0.45))

    def shots() -> Iterator[Shot]:
        for step, part in groupby(_even(setup.clip()), key=lambda shot: int(shot.time_s / part_s)):
            bps = max(_LOWEST_BPS, round(top_bps * fall**step))
            rate = Encoding(bit_rate_bps=bps, nominal_rate_hz=setup.rate_hz)
            yield from through_codec(part, rate)

    return _altered(setup, shots())


def virtual_camera(setup: Setup, rng: np.random.Generator, *, first_crf: float | None = None) -> Take:
    """A file played into a virtual camera: scaled into 1280 x 720 with black bars, at a fixed rate, encoded twice.

    Parameters
    ----------
    first_crf : float
        Compression of the file that is played (x264's constant rate factor).
    """
    size_wh = setup.canvas_wh((1280, 720))
    crf = drawn(first_crf, rng, 26, 31)
    played = through_codec(_even(setup.clip()), Encoding(crf=crf))
    times = setup.camera_times()
    shots = (Shot(time_s, _boxed(shot.image_rgb, size_wh)) for time_s, _, shot in held(played, times))
    encoding = Encoding(
        nominal_rate_hz=setup.rate_hz,
        metadata={"title": _VIRTUAL_CAMERA},
        stream_metadata={"handler_name": _VIRTUAL_CAMERA},
    )
    return Take(shots=shots, encoding=encoding)


def unaltered(setup: Setup) -> Take:
    """The clip as it is, encoded again."""
    return _altered(setup, setup.clip())


def _altered(setup: Setup, shots: Iterator[Shot]) -> Take:
    return Take(shots=_even(shots), encoding=Encoding(nominal_rate_hz=setup.rate_hz))


def _even(shots: Iterator[Shot]) -> Iterator[Shot]:
    """Every picture cut to the size of the first, made even: encoders need both."""
    size: tuple[int, int] | None = None
    for shot in shots:
        height, width = shot.image_rgb.shape[:2]
        size = size or (width // 2 * 2, height // 2 * 2)
        fits = (width - width % 2, height - height % 2) == size
        image = shot.image_rgb[: size[1], : size[0]] if fits else cv2.resize(shot.image_rgb, size)
        yield Shot(shot.time_s, image)


def _boxed(image: U8, size_wh: tuple[int, int]) -> U8:
    """The whole picture inside `size_wh`, black around it."""
    height, width = image.shape[:2]
    scale = min(size_wh[0] / width, size_wh[1] / height)
    inner = cv2.resize(image, (max(1, round(width * scale)), max(1, round(height * scale))))
    out = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    top, left = (size_wh[1] - inner.shape[0]) // 2, (size_wh[0] - inner.shape[1]) // 2
    out[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return out

"""A person's own live clip, cropped to a camera's picture, with the face followed steadily from picture to picture.

Public items: :class:`Followed`, :func:`followed`, :func:`framed`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.errors import ParameterError
from idverify.simulation.faces import portrait
from idverify.simulation.source import Setup, Shot

__all__ = ["Followed", "followed", "framed"]

F32 = NDArray[np.float32]

# Width of the face over a picture that is cropped to the camera's shape.
_SHARE = 0.4


class Followed(NamedTuple):
    """A picture and where its face is; None where it is lost."""

    shot: Shot
    mesh: F32 | None


def followed(setup: Setup, *, start_s: float = 0.0) -> Iterator[Followed]:
    """The clip from `start_s` on, in the size and at most at the rate that the setup asks for, times from zero.

    Raises
    ------
    ParameterError
        The source is a photo, or the clip is over before `start_s`.
    """
    window: list[Followed] = []
    count = 0
    for shot in framed(setup, start_s):
        window.append(Followed(shot, setup.locate(shot.image_rgb)))
        if len(window) == 2 and count == 0:
            yield _steadied([window[0], *window])
            count += 1
        if len(window) == 3:
            yield _steadied(window)
            count += 1
            window.pop(0)
    if not window:
        raise ParameterError(f"the clip is shorter than {start_s:g} s")
    yield _steadied([window[0], window[-1], window[-1]])


def _steadied(three: list[Followed]) -> Followed:
    """The middle one, half of the tracker's jitter taken away."""
    before, now, after = (one.mesh for one in three)
    if now is None or before is None or after is None:
        return three[1]
    return Followed(three[1].shot, (0.25 * before + 0.5 * now + 0.25 * after).astype(np.float32))


def framed(setup: Setup, start_s: float) -> Iterator[Shot]:
    """The pictures that :func:`followed` looks for faces in."""
    box: tuple[int, int, int, int] | None = None
    if setup.source.is_photo:
        raise ParameterError("this species needs a video, and a photo was given")
    first_s: float | None = None
    due_s = 0.0
    for shot in setup.source.shots_until(start_s + setup.duration_s):
        if shot.time_s < start_s:
            continue
        first_s = shot.time_s if first_s is None else first_s
        # A camera that is slower than the clip leaves pictures out.
        if shot.time_s - first_s < due_s - 0.4 / setup.rate_hz:
            continue
        due_s = max(due_s + 1 / setup.rate_hz, shot.time_s - first_s)
        image = shot.image_rgb
        size_wh = setup.size_wh or tuple(side // 2 * 2 for side in image.shape[1::-1])
        if box is None:
            box = portrait(image.shape[1::-1], setup.locate(image), size_wh[0] / size_wh[1], _SHARE)
        left, top, right, bottom = box
        crop = image[top:bottom, left:right] if setup.size_wh else image[: size_wh[1], : size_wh[0]]
        shrinks = crop.shape[1] > 1.25 * size_wh[0]
        way = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        if crop.shape[1::-1] != size_wh:
            crop = cv2.resize(crop, size_wh, interpolation=way)
        yield Shot(shot.time_s - first_s, crop)

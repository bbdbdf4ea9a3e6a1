"""A photo turned into a video file: fixed, panned, zoomed, shaken. All motion is one picture's.

Public items: :func:`photo_fixed`, :func:`photo_panned`, :func:`photo_zoomed`, :func:`photo_shaken`.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.simulation.draws import drawn
from idverify.simulation.faces import portrait
from idverify.simulation.optics import SensorNoise
from idverify.simulation.scene import Pose, Sway
from idverify.simulation.source import Encoding, Setup, Shot, Take

__all__ = ["photo_fixed", "photo_panned", "photo_shaken", "photo_zoomed"]

U8 = NDArray[np.uint8]

_DEFAULT_WH = (720, 960)
# How much of the picture a moving view shows, so that it has somewhere to go.
_VIEW = 0.82


def photo_fixed(setup: Setup, rng: np.random.Generator, *, grain: float | None = None) -> Take:
    """A photo as a video: nothing moves.

    Parameters
    ----------
    grain : float
        Standard deviation of noise added to pretend a sensor, 8-bit codes; 0 is none.
    """
    return _moved(setup, rng, lambda time_s: Pose(), 1.0, grain)


def photo_panned(
    setup: Setup, rng: np.random.Generator, *, speed: float | None = None, grain: float | None = None
) -> Take:
    """A view that glides over a photo to and fro.

    Parameters
    ----------
    speed : float
        Turns to and fro per second.
    grain : float
        Standard deviation of noise added to pretend a sensor, 8-bit codes; 0 is none.
    """
    hz = drawn(speed, rng, 0.12, 0.3)
    angle, reach = rng.uniform(-0.4, 0.4), (1 - _VIEW) / 2 * 0.9

    def pose(time_s: float) -> Pose:
        along = reach * np.sin(2 * np.pi * hz * time_s)
        return Pose(x=float(along * np.cos(angle)), y=float(along * np.sin(angle)))

    return _moved(setup, rng, pose, _VIEW, grain)


def photo_zoomed(
    setup: Setup, rng: np.random.Generator, *, factor: float | None = None, grain: float | None = None
) -> Take:
    """A view that closes in on a photo, as when a phone comes closer.

    Parameters
    ----------
    factor : float
        Size of the face at the end over that at the beginning.
    grain : float
        Standard deviation of noise added to pretend a sensor, 8-bit codes; 0 is none.
    """
    growth = drawn(factor, rng, 1.25, 1.7)
    return _moved(setup, rng, lambda time_s: Pose(scale=growth ** (time_s / setup.duration_s)), 1.0, grain)


def photo_shaken(setup: Setup, rng: np.random.Generator, *, sway: float = 2.0, grain: float | None = None) -> Take:
    """A view that trembles over a photo like a hand-held camera.

    Parameters
    ----------
    sway : float
        Movement: 0 none, 1 a calm hand.
    grain : float
        Standard deviation of noise added to pretend a sensor, 8-bit codes; 0 is none.
    """
    return _moved(setup, rng, Sway(Pose(), sway, rng, fast_hz=2.5).at, _VIEW, grain)


def _moved(
    setup: Setup, rng: np.random.Generator, pose_at: Callable[[float], Pose], view: float, grain: float | None
) -> Take:
    """A view of the photo, `view` of its width wide, along a path."""
    photo = setup.source.still()
    size_wh = setup.canvas_wh(_DEFAULT_WH)
    left, top, right, bottom = portrait(photo.shape[1::-1], setup.locate(photo), size_wh[0] / size_wh[1], 0.45 * view)
    crop = photo[top:bottom, left:right]
    sigma = grain if grain is not None else float(rng.choice([0.0, rng.uniform(1.0, 3.0)]))
    noise = SensorNoise(size_wh, sigma=sigma, rng=rng) if sigma > 0 else None
    base = size_wh[0] / (crop.shape[1] * view)

    def shot(time_s: float) -> Shot:
        pose = pose_at(time_s)
        turn, scale = np.radians(pose.roll), base * pose.scale
        linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        middle = np.array(size_wh) / 2 + np.array([pose.x, pose.y]) * size_wh[0]
        shift = middle - linear @ (np.array(crop.shape[1::-1]) / 2)
        image = cv2.warpAffine(
            crop, np.column_stack([linear, shift]), size_wh, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        return Shot(time_s, image if noise is None else noise.apply(image))

    shots = (shot(time_s) for time_s in setup.camera_times())
    return Take(shots=shots, encoding=Encoding(nominal_rate_hz=setup.rate_hz))

"""Another's face flashed into single pictures of a genuine live clip.

Goal: life is in all pictures but a few, likeness in those few: what gets through where the two are looked at in
different pictures.

Public items: :func:`face_flash`.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.faces.landmarks import eye_opening, head_pose_deg
from idverify.simulation.blenders import BLENDERS, ColourMatch
from idverify.simulation.drivers import similarities
from idverify.simulation.faces import require_face
from idverify.simulation.following import Followed, followed
from idverify.simulation.landmark_sets import STIFF
from idverify.simulation.source import Encoding, Setup, Shot, Take
from idverify.simulation.tracked import Setting

__all__ = ["face_flash"]

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


def face_flash(
    setup: Setup,
    rng: np.random.Generator,
    *,
    count: float | None = None,
    length: float | None = None,
    fade: float | None = None,
    merit: float | None = None,
    whole: float | None = None,
    soften: float | None = None,
    start: float = 0.0,
) -> Take:
    """The face of `other` in single pictures of the person in the clip.

    Parameters
    ----------
    count : float
        Number of flashes, at least 1; they lie in as many equal parts of the clip.
    length : float
        Pictures that a flash lasts.
    fade : float
        Pictures over which it comes and goes; 0 is a hard cut.
    merit : float
        0: the place in its part is drawn; 1: where a sharp, frontal, open-eyed face would be taken for comparison.
    whole : float
        0: the face alone is exchanged; 1: the whole picture is.
    soften : float
        Blur of the other pictures, in pixels, so that the flashed ones are the better ones.
    start : float
        Seconds of the clip that are left out.
    """
    photo = setup.second().still()
    mesh = require_face(setup.locate, photo, "the other person's picture")
    flashes = int(_given(count, rng.choice([1, 1, 2, 3, 4, 6, 8])))
    frames = int(_given(length, rng.choice([1, 1, 2])))
    ramp = int(_given(fade, rng.choice([0, 0, 0, int(rng.integers(1, 5))])))
    blur = _given(soften, float(rng.choice([0.0, 0.0, rng.uniform(0.4, 1.0)])))
    setting = Setting(
        photo=photo, mesh=mesh, alpha=1.0, blender=tuple(BLENDERS)[int(rng.integers(len(BLENDERS)))],
        smooth=bool(rng.integers(2)), eyes=0.0, mouth=0.0, blinks=0.0, relight=float(rng.uniform(0, 1)),
        shape=float(rng.uniform(0, 0.6)), grow=float(rng.uniform(0.95, 1.05)), colours=ColourMatch(0.0),
        grain=float(rng.uniform(0, 2)), rng=np.random.default_rng(rng.integers(2**63)),
    )  # fmt: skip
    exchanged = _given(whole, rng.choice([0, 1])) > 0
    by_merit = _given(merit, rng.choice([0, 1])) > 0
    weights = _weights(_worth(followed(setup, start_s=start), by_merit, rng), max(flashes, 1), max(frames, 1), ramp)

    def shots() -> Iterator[Shot]:
        for one, weight in zip(followed(setup, start_s=start), weights.tolist(), strict=False):
            image = one.shot.image_rgb
            plain = cv2.GaussianBlur(image, (0, 0), blur) if blur > 0.2 else image
            if weight <= 0 or one.mesh is None:
                yield Shot(one.shot.time_s, plain)
                continue
            other = _aligned(photo, mesh, image, one.mesh) if exchanged else setting.set_into(image, one.mesh)
            yield Shot(one.shot.time_s, other if weight >= 1 else cv2.addWeighted(other, weight, plain, 1 - weight, 0))

    return Take(shots=shots(), encoding=Encoding(nominal_rate_hz=setup.rate_hz))


def _given(value: float | None, drawn: float) -> float:
    return float(drawn) if value is None else value


def _worth(pictures: Iterator[Followed], by_merit: bool, rng: np.random.Generator) -> F64:
    """How good each picture is to be compared; drawn at random where that is not asked for."""
    worth = []
    for one in pictures:
        if one.mesh is None:
            worth.append(-1.0)
        elif not by_merit:
            worth.append(float(rng.random()))
        else:
            yaw, pitch, _ = np.radians(head_pose_deg(one.mesh))
            low, high = one.mesh[:, :2].min(axis=0), one.mesh[:, :2].max(axis=0)
            left, top, right, bottom = np.maximum([*low, *high], 0).astype(int).tolist()
            grey = cv2.cvtColor(one.shot.image_rgb[top : bottom + 1, left : right + 1], cv2.COLOR_RGB2GRAY)
            small = cv2.resize(grey, (48, 48), interpolation=cv2.INTER_AREA)
            detail = float(cv2.Laplacian(small, cv2.CV_32F).std()) / (float(small.std()) + 4)
            eyes = float(np.clip(eye_opening(one.mesh).max() / 0.25, 0.3, 1))
            worth.append(float(np.cos(yaw) * np.cos(pitch)) ** 2 * detail * eyes)
    return np.array(worth)


def _weights(worth: F64, count: int, length: int, fade: int) -> F64:
    """How much of the other each picture shows: one flash in each of `count` equal parts."""
    at = np.arange(len(worth))
    weights = np.zeros(len(worth))
    for part in np.array_split(at, min(count, max(len(worth) // (length + 2), 1))):
        best = int(part[np.argmax(worth[part])])
        away = np.maximum(best - at, at - (best + length - 1)).clip(0)
        weights = np.maximum(weights, 1 - away / (fade + 1))
    return np.where(worth < 0, 0.0, weights.clip(0, 1))


def _aligned(photo: U8, mesh: F32, image: U8, there: F32) -> U8:
    """The whole photo, its face over the face in the picture."""
    turns, scales, _ = similarities(mesh[STIFF].astype(np.float64), there[None, STIFF].astype(np.float64))
    angle = float(np.arctan2(turns[0][1, 0], turns[0][0, 0]))
    step = float(scales[0])
    linear = step * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = there[STIFF, :2].mean(axis=0) - linear @ mesh[STIFF, :2].mean(axis=0)
    way = cv2.INTER_AREA if step < 0.6 else cv2.INTER_CUBIC
    return np.asarray(
        cv2.warpAffine(
            photo, np.column_stack([linear, shift]), image.shape[1::-1], flags=way, borderMode=cv2.BORDER_REFLECT_101
        )
    )

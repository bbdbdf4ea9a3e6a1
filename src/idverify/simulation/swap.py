"""A crude face swap: another person's photo pasted into the face of a clip.

Public items: :func:`face_swap_crude`, :func:`pasted`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.simulation.draws import drawn
from idverify.simulation.faces import face_outline, require_face, smooth_warp
from idverify.simulation.landmark_sets import SPREAD
from idverify.simulation.source import Encoding, Setup, Shot, Take

__all__ = ["face_swap_crude", "pasted"]

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]


def face_swap_crude(
    setup: Setup, rng: np.random.Generator, *, feather: float | None = None, grow: float = 0.94
) -> Take:
    """The face of `other` warped onto the face in the clip, recoloured and feathered, picture by picture.

    Parameters
    ----------
    feather : float
        Width of the soft edge over the width of the face.
    grow : float
        Size of the pasted region over that of the face.
    """
    shots = setup.clip()
    photo = setup.second().still()
    mesh = require_face(setup.locate, photo, "the other person's picture")
    soft = drawn(feather, rng, 0.03, 0.09)

    def swap(shot: Shot) -> Shot:
        found = setup.locate(shot.image_rgb)
        return shot if found is None else Shot(shot.time_s, pasted(shot.image_rgb, found, photo, mesh, soft, grow))

    return Take(shots=(swap(shot) for shot in shots), encoding=Encoding(nominal_rate_hz=setup.rate_hz))


def pasted(target: U8, to_mesh: F32, photo: U8, from_mesh: F32, feather: float, grow: float) -> U8:
    """One picture with the face of another in the place of its own.

    Parameters
    ----------
    target, photo : uint8 [shape=(h, w, 3)]
        RGB; where the face goes, and where it comes from.
    to_mesh, from_mesh : float32 [shape=(468, 3)]
        The faces there, in pixels.
    feather, grow
        As for :func:`face_swap_crude`.

    Returns
    -------
    uint8 [shape=(h, w, 3)]
        As `target`; `target` itself where the face is smaller than 8 pixels.
    """
    outline = face_outline(to_mesh, grow=grow)
    pad = feather * float(np.ptp(outline[:, 0])) * 2 + 2
    left, top = np.maximum(outline.min(axis=0) - pad, 0).astype(int).tolist()
    right, bottom = np.minimum(outline.max(axis=0) + pad, target.shape[1::-1]).astype(int).tolist()
    if right - left < 8 or bottom - top < 8:
        return target
    reading = smooth_warp(
        to_mesh[SPREAD, :2].astype(np.float64), from_mesh[SPREAD, :2].astype(np.float64), (left, top, right, bottom)
    )
    face = cv2.remap(photo, reading, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillPoly(mask, [np.rint((outline - (left, top)) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    patch = target[top:bottom, left:right]
    # Reinhard's colour transfer: the mean and spread of each channel become those of the skin there.
    (mean, std), (want_mean, want_std) = (cv2.meanStdDev(image, mask=mask) for image in (face, patch))
    gain = np.clip(want_std / np.maximum(std, 1.0), 0.6, 1.5).ravel()
    codes = (np.arange(256)[:, None] - mean.ravel()) * gain + want_mean.ravel()
    face = cv2.LUT(face, np.clip(np.rint(codes), 0, 255).astype(np.uint8)[None])
    edge = cv2.GaussianBlur(mask, (0, 0), max(pad / 4, 0.6))
    weight = (edge.astype(np.float32) / 255.0)[..., None]
    out = target.copy()
    out[top:bottom, left:right] = np.rint(patch * (1 - weight) + face * weight)
    return out

"""A photo taken apart: canvas around the face, the person cut out, the background filled in behind.

Public items: :class:`Layers`, :func:`taken_apart`.

Sources: Rother et al. 2004, "GrabCut", doi:10.1145/1015706.1015720.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.simulation.faces import face_outline, portrait
from idverify.simulation.head_cage import CHIN

__all__ = ["Layers", "taken_apart"]

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

# Cutting out and filling in is done at this height: outlines are soft anyway, and it takes a tenth of the time.
_COARSE_PX = 240


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layers:
    """What a photo is made of.

    Parameters
    ----------
    image : float32 [shape=(h, w, 3)]
        The photo on its canvas, 0 to 255.
    mesh : float32 [shape=(468, 3)]
        In canvas pixels.
    matte : float32 [shape=(h, w)] or None
        1 where the person is; None leaves the photo in one sheet.
    background : float32 [shape=(h, w, 3)] or None
        The scene with the person taken away.
    """

    image: F32
    mesh: F32
    matte: F32 | None
    background: F32 | None


def taken_apart(
    photo: U8, mesh: F32, size_wh: tuple[int, int], rng: np.random.Generator, *, share: float, detail: float, cut: bool
) -> Layers:
    """Lay a photo on a canvas and take it apart.

    Parameters
    ----------
    photo : uint8 [shape=(h, w, 3)]
    mesh : float32 [shape=(468, 3)]
        In photo pixels.
    size_wh : tuple of int
        Of the canvas.
    rng : numpy.random.Generator
    share : float
        Width of the face over the canvas, where the photo is large enough.
    detail : float
        Sharpness and skin texture added to an enlarged photo: 0 none, 1 much.
    cut : bool
        Whether the person is cut out.
    """
    left, top, right, bottom = portrait(photo.shape[1::-1], mesh, size_wh[0] / size_wh[1], share)
    crop = photo[top:bottom, left:right]
    gain = np.array([size_wh[0] / (right - left), size_wh[1] / (bottom - top)])
    shrinks = gain[0] < 0.8
    image = cv2.resize(crop, size_wh, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC).astype(np.float32)
    placed = mesh.astype(np.float32).copy()
    placed[:, :2] = (mesh[:, :2] - (left, top)) * gain
    placed[:, 2] *= gain[0]
    if detail > 0 and not shrinks:
        image = _sharper(image, float(gain[0]), detail, rng)
    if not cut:
        return Layers(image=image, mesh=placed, matte=None, background=None)
    matte = _matte(image, placed)
    return Layers(image=image, mesh=placed, matte=matte, background=_filled(image, matte))


def _sharper(image: F32, gain: float, detail: float, rng: np.random.Generator) -> F32:
    """Edges of an enlarged photo steepened, and pores drawn where there is skin-like middle brightness."""
    soft = cv2.GaussianBlur(image, (0, 0), max(0.6 * gain, 0.8))
    image = image + detail * 0.9 * (image - soft)
    pores = rng.standard_normal(image.shape[:2]).astype(np.float32)
    pores = cv2.GaussianBlur(pores, (0, 0), 0.9) - cv2.GaussianBlur(pores, (0, 0), 2.2)
    pores /= max(float(pores.std()), 1e-6)
    light = image.mean(axis=2) / 255
    drawn = detail * 3.0 * pores * np.clip(4 * light * (1 - light), 0, 1)
    return np.asarray(np.clip(image + drawn[..., None], 0, 255))


def _matte(image: F32, mesh: F32) -> F32:
    """Where the person is, by colour, from a guess that is a head on shoulders."""
    height, width = image.shape[:2]
    scale = _COARSE_PX / height
    small = cv2.resize(image, (round(width * scale), _COARSE_PX), interpolation=cv2.INTER_AREA)
    coarse = np.clip(small, 0, 255).astype(np.uint8)
    near = mesh * np.float32(scale)
    guess = np.full(coarse.shape[:2], cv2.GC_PR_BGD, np.uint8)
    face_px = float(np.ptp(face_outline(near)[:, 0]))
    chin = near[CHIN, :2]
    far = face_outline(near, hair=0.75, grow=2.0)
    everything = np.zeros_like(guess)
    foot = coarse.shape[0]
    body = _trunk(chin, face_px, foot, neck=(0.8, 0.0), shoulders=1.9)
    for shape in (far, body):
        cv2.fillPoly(everything, [np.rint(shape).astype(np.int32)], 1)
    guess[everything == 0] = cv2.GC_BGD
    trunk = _trunk(chin, face_px, foot, neck=(0.3, -0.1), shoulders=0.9)
    head, face = face_outline(near, hair=0.3, grow=1.25), face_outline(near, hair=0.08, grow=1.0)
    for shape, mark in ((head, cv2.GC_PR_FGD), (trunk, cv2.GC_PR_FGD), (face, cv2.GC_FGD)):
        cv2.fillPoly(guess, [np.rint(shape).astype(np.int32)], mark)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(coarse, guess, None, *models, 3, cv2.GC_INIT_WITH_MASK)
    person = np.isin(guess, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    person = cv2.morphologyEx(person, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    person = cv2.morphologyEx(person, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    count, labels = cv2.connectedComponents(person)
    if count > 1:
        middle = np.clip(near[4, :2].astype(int), 0, np.array(person.shape[::-1]) - 1)
        person = (labels == labels[middle[1], middle[0]]).astype(np.uint8)
    full = cv2.resize(person.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(cv2.GaussianBlur(full, (0, 0), 0.004 * height) * 1.4 - 0.2, 0, 1))


def _trunk(chin: F32, face_px: float, foot: int, *, neck: tuple[float, float], shoulders: float) -> F32:
    """A body below a chin: a neck that widens to shoulders, down to the picture's foot [shape=(6, 2)]."""
    x, y = chin.tolist()
    low = y + 0.9 * face_px
    right = [(x + neck[0] * face_px, y + neck[1] * face_px), (x + shoulders * face_px, low),
             (x + shoulders * face_px, foot)]  # fmt: skip
    return np.array([*right, *((2 * x - a, b) for a, b in reversed(right))], np.float32)


def _filled(image: F32, matte: F32) -> F32:
    """The background, the place of the person filled from around it."""
    height, width = image.shape[:2]
    scale = _COARSE_PX / 2 / height
    size = (round(width * scale), round(height * scale))
    coarse = np.clip(cv2.resize(image, size, interpolation=cv2.INTER_AREA), 0, 255).astype(np.uint8)
    hole = cv2.dilate((cv2.resize(matte, size) > 0.02).astype(np.uint8), np.ones((5, 5), np.uint8))
    if hole.all():
        hole[0] = 0
    filled = cv2.inpaint(coarse, hole, 4.0, cv2.INPAINT_TELEA)
    behind = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    # Only a rim is ever uncovered; away from it the photo itself stays.
    reach = cv2.GaussianBlur(cv2.dilate(matte, np.ones((9, 9), np.uint8)), (0, 0), 3.0)
    cover = np.clip(reach * 3, 0, 1)[..., None]
    return np.asarray(image * (1 - cover) + behind * cover)

"""Face geometry for the simulator: where a face is, a portrait around it, and smooth warps between two meshes.

Conventions: a mesh is float32 [shape=(468, 3)] in the order of :mod:`idverify.faces.landmarks`, x and y in pixels.

Public items: :data:`Locate`, :data:`Eyes`, :func:`default_locate`, :func:`default_eyes`, :func:`require_face`,
:func:`portrait`, :func:`face_outline`, :func:`smooth_warp`.

Sources: Schaefer et al. 2006, "Image Deformation Using Moving Least Squares", doi:10.1145/1141911.1141920 (the affine
part plus a residual that fades with distance).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.errors import ParameterError
from idverify.simulation.landmark_sets import OVAL

__all__ = [
    "Eyes",
    "Locate",
    "default_eyes",
    "default_locate",
    "face_outline",
    "portrait",
    "require_face",
    "smooth_warp",
]

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

Locate = Callable[[U8], "F32 | None"]
"""A picture in, the mesh of its largest face out, or None."""

Eyes = Callable[[U8, F32], F64]
"""A picture and a mesh in, lid distance over eye width of the right and left eye out [shape=(2,)]."""


def default_locate() -> Locate:
    """The detector and mesh of the installed models, loaded at the first picture.

    Raises
    ------
    ModelMissingError
        At the first picture, when the models are not on this machine.
    """
    loaded: list[Locate] = []

    def locate(image_rgb: U8) -> F32 | None:
        if not loaded:
            loaded.append(_load())
        return loaded[0](image_rgb)

    return locate


def _load() -> Locate:
    from idverify.faces.detection import YuNet
    from idverify.faces.landmarks import FaceMesh
    from idverify.models.session import Session

    detector, mesh = YuNet(Session("yunet", threads=1)), FaceMesh(Session("face_mesh", threads=1))

    def locate(image_rgb: U8) -> F32 | None:
        faces = detector.detect(image_rgb)
        if not faces:
            return None
        largest = max(faces, key=lambda face: face.width_px)
        points, presence = mesh.fit_detected(image_rgb, [largest])
        return points[0] if presence[0] > 0.5 else None

    return locate


def default_eyes() -> Eyes:
    """The close look at eyes of the installed models, loaded at the first picture.

    Raises
    ------
    ModelMissingError
        At the first picture, when the models are not on this machine.
    """
    loaded: list[Any] = []

    def eyes(image_rgb: U8, mesh: F32) -> F64:
        if not loaded:
            from idverify.faces.landmarks import EyeModel
            from idverify.models.session import Session

            loaded.append(EyeModel(Session("iris", threads=1)))
        return np.asarray(loaded[0].opening(image_rgb, mesh[None])[0])

    return eyes


def require_face(locate: Locate, image_rgb: U8, what: str) -> F32:
    """The mesh of the face that must be there.

    Raises
    ------
    ParameterError
        No face is found.
    """
    mesh = locate(image_rgb)
    if mesh is None:
        raise ParameterError(f"this species needs a face, and none is found in {what}")
    return mesh


def portrait(
    size_wh: tuple[int, int], mesh: F32 | None, aspect: float, face_share: float = 0.5
) -> tuple[int, int, int, int]:
    """The largest sensible crop of the given aspect around the face.

    Parameters
    ----------
    size_wh : tuple of int
        Of the picture.
    mesh : float32 [shape=(468, 3)] or None
        None crops around the middle.
    aspect : float
        Width over height of the crop.
    face_share : float in (0, 1)
        Share of the crop's width that the face fills, where the picture is large enough.

    Returns
    -------
    left, top, right, bottom
        Inside the picture.
    """
    width, height = size_wh
    crop_w = min(width, height * aspect)
    centre = np.array([width, height]) / 2
    if mesh is not None:
        low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
        face_w = float(high[0] - low[0])
        crop_w = min(crop_w, max(face_w / face_share, 1.5 * float(high[1] - low[1]) * aspect))
        centre = (low + high) / 2 + [0, 0.1 * face_w]
    half = np.array([crop_w, crop_w / aspect]) / 2
    centre = np.clip(centre, half, np.array([width, height]) - half)
    left, top = np.floor(centre - half + 1e-6).astype(int)
    right, bottom = np.maximum(np.ceil(centre + half - 1e-6).astype(int), [left + 2, top + 2])
    return int(left), int(top), int(min(right, width)), int(min(bottom, height))


def face_outline(mesh: F32, *, hair: float = 0.0, grow: float = 1.0, n: int = 120) -> F64:
    """A smooth closed curve around the face, or the head.

    Parameters
    ----------
    mesh : float32 [shape=(468, 3)]
    hair : float
        How much higher than the forehead the curve reaches, in face heights.
    grow : float
        Scale about the face's middle.
    n : int
        Points of the curve.

    Returns
    -------
    float64 [shape=(n, 2)]
    """
    oval = mesh[OVAL, :2].astype(np.float64)
    up = oval[0] - oval[len(OVAL) // 2]
    height = float(np.linalg.norm(up))
    up /= height
    middle = oval.mean(axis=0)
    above = np.clip((oval - middle) @ up / (height / 2), 0, 1)
    oval = middle + (oval - middle) * grow + hair * height * (above**0.7)[:, None] * up
    # A closed curve through few Fourier terms is smooth; twelve keep the chin.
    spectrum = np.fft.fft(oval[:, 0] + 1j * oval[:, 1])
    spectrum[7:-6] = 0
    padded = np.zeros(n, complex)
    padded[:7], padded[-6:] = spectrum[:7], spectrum[-6:]
    curve = np.fft.ifft(padded) * n / len(oval)
    return np.stack([curve.real, curve.imag], axis=1)


def smooth_warp(to_points: F64, from_points: F64, box: tuple[int, int, int, int], cells: int = 20) -> F32:
    """For every pixel of a box, where to read: the affine fit of the points plus a smooth residual.

    Parameters
    ----------
    to_points, from_points : float64 [shape=(k, 2)]
        The same places in the picture made and in the picture read.
    box : tuple of int
        Left, top, right, bottom in the picture made.
    cells : int
        The residual is computed on this many cells a side and interpolated.

    Returns
    -------
    float32 [shape=(bottom - top, right - left, 2)]
        x and y in the picture read.
    """
    left, top, right, bottom = box
    ones = np.ones((len(to_points), 1))
    affine, *_ = np.linalg.lstsq(np.hstack([to_points, ones]), from_points, rcond=None)
    residual = from_points - np.hstack([to_points, ones]) @ affine
    xs, ys = (np.linspace(low, high - 1, cells) for low, high in ((left, right), (top, bottom)))
    grid = np.stack(np.meshgrid(xs, ys), axis=-1)
    scale = ((right - left) / 12.0) ** 2
    weight = 1.0 / (((grid[:, :, None] - to_points) ** 2).sum(axis=-1) + 0.02 * scale) ** 1.5
    # The last term is a point of no residual at the usual distance: it lets the residual fade outside the face.
    field = (weight @ residual) / (weight.sum(axis=-1) + scale**-1.5 * 0.3)[..., None]
    field = field + grid @ affine[:2] + affine[2]
    # Bilinear between the nodes as two matrix products: cv2.remap would round to 1/32 of a cell.
    down, across = (_tent(n, cells) for n in (bottom - top, right - left))
    return np.asarray(np.einsum("ri,ijc->rjc", down, field).transpose(0, 2, 1) @ across.T, np.float32).transpose(
        0, 2, 1
    )


def _tent(n: int, cells: int) -> F64:
    """Weights of linear interpolation from nodes on the first and last of n pixels [shape=(n, cells)]."""
    at = np.linspace(0, cells - 1, n)
    return np.asarray(np.clip(1 - np.abs(at[:, None] - np.arange(cells)), 0, None))

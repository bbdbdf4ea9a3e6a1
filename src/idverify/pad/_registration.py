"""Lay one picture of a face over another by the best planar transform, and say cell by cell what that leaves over.

The face is cut out in a canonical patch, in which the outer eye corners lie :data:`EYE_DISTANCE` apart. A key
patch is followed by pyramidal Lucas-Kanade tracks; the homography that explains most of them is then refined on
the pixels, each cell weighted by how well it fits. Shading is taken out twice: a local mean before, offset and
slope of each cell after. Gain and blur of the whole face are fitted. What remains in a cell, over the gradient
in it, is how far (in patch pixels) its content would have to move to look so different: a closing eyelid or
teeth between lips give about a pixel, noise a tenth.

Conventions: lengths in patch pixels; picture positions in working-size pixels; cells are the rows of
:data:`CELLS`.

Sources: Lucas & Kanade 1981; Bouguet 2000, "Pyramidal implementation of the Lucas Kanade feature tracker"; Shi
& Tomasi 1994, doi:10.1109/CVPR.1994.323794; Hager & Belhumeur 1998, doi:10.1109/34.722606; Baker & Matthews
2004, doi:10.1023/B:VISI.0000011205.11775.fd (inverse compositional alignment).

Public items: :class:`KeyPatch`, :class:`Registration`, :func:`patch_transform`, :func:`cut_patch`,
:func:`register`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.pad._clipping import CLIPPED, strongest

__all__ = ["EYE_DISTANCE", "N_CELLS", "KeyPatch", "Registration", "cut_patch", "patch_transform", "register"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
Bools = NDArray[np.bool_]

PATCH_WH = (128, 144)
EYE_DISTANCE = 68.0
# Outer eye corners and mouth corners in the mesh (canonical_face_model of MediaPipe), the person's right first.
ANCHORS = (33, 263, 61, 291)
# Where they lie in the patch (x + iy): proportions of the canonical face model seen from the front.
ANCHOR_XY = np.array([30 + 46j, 98 + 46j, 45.5 + 101j, 82.5 + 101j])
CELL = 16
# The cells lie in this window of the patch (left, top, width, height); the rim outside feeds the tracker only.
WINDOW = (16, 16, 96, 112)
# Cells centred in this ellipse (centre, half axes) show skin, eyes, nose or mouth of every face, never background.
ELLIPSE = (64.0, 76.0, 46.0, 58.0)
# A side of the box whose mean counts as shading: wider than an eye, narrower than a cheek.
SHADING_PX = 31
# Grey-level noise against which the gradient of a cell is weighed; a cell without texture shows no shift.
NOISE_GREY = 4.5
# Above this grey level a pixel may be saturated; a cell with more than SATURATED_SHARE of such pixels tells nothing.
# Nor does one in which that share more, or less, of the pixels than in the key have a colour that clips.
SATURATED_GREY, SATURATED_SHARE = 250, 0.08
TRACK_TOLERANCE_PX = 1.0
AFFINE_STEPS = 2
REFINEMENTS = 3
_LK_WINDOW = (13, 13)
_LK_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)


def _layout() -> tuple[NDArray[np.int64], F32]:
    """Indices of the cells in the window's grid, and their corner points with a margin of 2 [shape=(n, 4, 2)]."""
    left, top, width, height = WINDOW
    rows, cols = np.mgrid[0 : height // CELL, 0 : width // CELL]
    x0, y0 = left + cols * CELL, top + rows * CELL
    cx, cy, a, b = ELLIPSE
    inside = ((x0 + CELL / 2 - cx) / a) ** 2 + ((y0 + CELL / 2 - cy) / b) ** 2 <= 1.0
    cells = np.flatnonzero(inside)
    origin = np.stack([x0, y0], -1).reshape(-1, 2)[cells]
    margin = np.array([[-2, -2], [CELL + 1, -2], [-2, CELL + 1], [CELL + 1, CELL + 1]])
    return cells, (origin[:, None] + margin).astype(np.float32)


CELLS, CELL_CORNERS = _layout()
N_CELLS = len(CELLS)


def _pixel_order() -> NDArray[np.int64]:
    """For each cell, its pixels in the flattened window [shape=(N_CELLS, CELL * CELL)]."""
    _, _, w, h = WINDOW
    index = np.arange(w * h).reshape(h // CELL, CELL, w // CELL, CELL)
    return index.swapaxes(1, 2).reshape(-1, CELL * CELL)[CELLS]


PIXELS = _pixel_order()


def _tiles(window: NDArray[np.generic]) -> F32:
    """The cells of a window as rows [shape=(N_CELLS, CELL * CELL)]."""
    return np.take(window, PIXELS).astype(np.float32)


def _window(image: NDArray[np.generic]) -> NDArray[np.generic]:
    left, top, w, h = WINDOW
    return image[top : top + h, left : left + w]


def _ramps() -> F32:
    y, x = np.mgrid[0:CELL, 0:CELL].astype(np.float32) - (CELL - 1) / 2
    ramps = np.stack([np.ones_like(x), x, y]).reshape(3, -1)
    return np.asarray(ramps / np.linalg.norm(ramps, axis=1, keepdims=True), np.float32)


def _coordinates() -> tuple[F32, F32]:
    left, top, w, h = WINDOW
    y, x = np.mgrid[top : top + h, left : left + w].astype(np.float32)
    return _tiles((x - ELLIPSE[0]) / UNIT), _tiles((y - ELLIPSE[1]) / UNIT)


# Unit of the coordinates in which the homography's eight parameters are of one size.
UNIT = 64.0
TO_UNIT = np.array([[1 / UNIT, 0, -ELLIPSE[0] / UNIT], [0, 1 / UNIT, -ELLIPSE[1] / UNIT], [0, 0, 1]])
FROM_UNIT = np.linalg.inv(TO_UNIT)
FROM_WINDOW = np.array([[1.0, 0, WINDOW[0]], [0, 1, WINDOW[1]], [0, 0, 1]])
RAMPS = _ramps()
UNIT_X, UNIT_Y = _coordinates()


def _off_ramps(tiles: F32) -> F32:
    return np.subtract(tiles, (tiles @ RAMPS.T) @ RAMPS, dtype=np.float32)


def patch_transform(points_px: F32, scale: float) -> F64:
    """Similarity from the working-size picture to the patch, by least squares on the eye and mouth corners.

    Parameters
    ----------
    points_px : float32 [shape=(468, 3)]
        Mesh in full-picture pixels.
    scale : float
        Full-picture pixels per working-size pixel.

    Returns
    -------
    float64 [shape=(2, 3)]
    """
    xy = points_px[list(ANCHORS), :2].astype(np.float64) / scale
    z = xy[:, 0] + 1j * xy[:, 1]
    spread, target = z - z.mean(), ANCHOR_XY - ANCHOR_XY.mean()
    turn = (spread.conj() @ target) / max((spread.conj() @ spread).real, 1e-9)
    shift = ANCHOR_XY.mean() - turn * z.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A face cut out of one picture: shading removed [shape=(144, 128)], and which cells can be judged.

    ``clipped`` is the share of each cell's pixels of which a colour may be clipped.
    """

    patch: U8
    usable: Bools
    clipped: F32
    to_patch: F64
    picture_wh: tuple[int, int]


def cut_patch(luma: U8, image_rgb: U8, to_patch: F64) -> Cut:
    """Cut out the face of a picture, given as luma and in its colours; its local mean is replaced by mid-grey."""
    raw = cv2.warpAffine(luma, to_patch, PATCH_WH, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    raw = cv2.GaussianBlur(raw, (3, 3), 0)
    saturated = _shares_above(_window(raw), SATURATED_GREY)
    to_window = to_patch - np.array([[0.0, 0, WINDOW[0]], [0, 0, WINDOW[1]]])
    colours = cv2.warpAffine(
        image_rgb, to_window, WINDOW[2:], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    clipped = _shares_above(strongest(np.asarray(colours, np.uint8)), CLIPPED - 1)
    patch = cv2.addWeighted(raw, 1, cv2.blur(raw, (SHADING_PX, SHADING_PX)), -1, 128)
    size = (luma.shape[1], luma.shape[0])
    usable = (saturated <= SATURATED_SHARE) & _in_picture(CELL_CORNERS, to_patch, size)
    return Cut(patch=patch, usable=usable, clipped=clipped, to_patch=to_patch, picture_wh=size)


def _shares_above(window: NDArray[np.generic], level: int) -> F32:
    """Share of each cell's pixels above a grey level [shape=(N_CELLS,)]."""
    above = cv2.threshold(window, level, 255, cv2.THRESH_BINARY)[1]
    share = cv2.resize(above, (WINDOW[2] // CELL, WINDOW[3] // CELL), interpolation=cv2.INTER_AREA)
    return np.asarray(share.ravel()[CELLS] / np.float32(255), np.float32)


def _in_picture(corners: F32, to_patch: F64, picture_wh: tuple[int, int]) -> Bools:
    back = cv2.invertAffineTransform(to_patch)
    xy = corners @ back[:, :2].T + back[:, 2]
    return np.asarray(((xy > 2) & (xy < np.array(picture_wh) - 3)).all(axis=(1, 2)))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPatch:
    """A cut with everything that later cuts are compared by."""

    cut: Cut
    points: F32
    values: F32
    blur: F32
    normal: F32
    gradient_energy: F32
    jacobian: F32
    hessian: F32

    @classmethod
    def of(cls, cut: Cut) -> KeyPatch:
        """Choose one trackable point per cell and prepare the alignment."""
        grey = cut.patch.astype(np.float32)
        gx = _tiles(_window(cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.125)))
        gy = _tiles(_window(cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.125)))
        values = _off_ramps(_tiles(_window(grey)))
        blur = _off_ramps(_tiles(_window(cv2.Laplacian(grey, cv2.CV_32F))))
        along = UNIT * (gx * UNIT_X + gy * UNIT_Y)
        steps = (UNIT * gx * UNIT_X, UNIT * gx * UNIT_Y, UNIT * gx, UNIT * gy * UNIT_X, UNIT * gy * UNIT_Y, UNIT * gy)
        jacobian = np.stack([*steps, -UNIT_X * along, -UNIT_Y * along], axis=1)
        return cls(
            cut=cut,
            points=_corners(cut.patch),
            values=values,
            blur=blur,
            normal=np.array(
                [[_energy(values, values), _energy(values, blur)], [_energy(values, blur), _energy(blur, blur)]]
            ),
            gradient_energy=(gx**2 + gy**2).sum(1) + np.float32(CELL * CELL * NOISE_GREY**2),
            jacobian=np.ascontiguousarray(jacobian.swapaxes(0, 1).reshape(8, -1)),
            hessian=(jacobian @ jacobian.swapaxes(1, 2)).reshape(N_CELLS, 64),
        )


def _corners(patch: U8) -> F32:
    """The most corner-like point of each cell [shape=(N_CELLS, 2)]."""
    best = _tiles(_window(cv2.cornerMinEigenVal(patch, 5))).argmax(axis=1)
    left, top, width, _ = WINDOW
    across = width // CELL
    x = left + (CELLS % across) * CELL + best % CELL
    y = top + (CELLS // across) * CELL + best // CELL
    return np.stack([x, y], axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """How a cut lies over a key.

    Parameters
    ----------
    homography : float64 [shape=(3, 3)]
        Key patch to this cut's patch.
    points : float32 [shape=(N_CELLS, 2)]
        The key's points as tracked into this patch; NaN where lost.
    off_plane : float32 [shape=(N_CELLS, 2)]
        The tracked points minus where the homography takes them.
    change_px : float32 [shape=(N_CELLS,)]
        What the homography leaves over in each cell, as a shift; NaN where a cell cannot be judged.
    agreement : float in [0, 1]
        Share of the points that follow the homography.
    """

    homography: F64
    points: F32
    off_plane: F32
    change_px: F32
    agreement: float


def register(key: KeyPatch, cut: Cut, guess: F32) -> Registration | None:
    """Lay `cut` over `key`, or None when the tracks are lost; `guess` is where the points were last."""
    points, found, _ = cv2.calcOpticalFlowPyrLK(
        key.cut.patch,
        cut.patch,
        key.points,
        guess.copy(),
        winSize=_LK_WINDOW,
        maxLevel=2,
        criteria=_LK_STOP,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    kept = found.ravel() > 0
    if kept.sum() < 8:
        return None
    refined = _refine(key, cut.patch, _affine(key.points[kept], points[kept]))
    if refined is None:
        return None
    homography, left_over = refined
    seen = cv2.perspectiveTransform(CELL_CORNERS.reshape(1, -1, 2), homography)[0].reshape(-1, 4, 2)
    in_one_light = np.abs(cut.clipped - key.cut.clipped) <= SATURATED_SHARE
    usable = key.cut.usable & cut.usable & in_one_light & _in_picture(seen, cut.to_patch, cut.picture_wh)
    points[~kept] = np.nan
    change = np.sqrt(_energy(left_over, left_over) / key.gradient_energy)
    on_plane = cv2.perspectiveTransform(key.points[None], homography)[0]
    return Registration(
        homography=homography,
        points=points,
        off_plane=points - on_plane,
        change_px=np.where(usable, change, np.nan).astype(np.float32),
        agreement=float(np.mean(np.hypot(*(points - on_plane).T) < TRACK_TOLERANCE_PX)),
    )


def _affine(source: F32, target: F32) -> F64:
    """The affine map that most points follow: least squares, reweighted as for Cauchy errors [shape=(3, 3)]."""
    design = np.column_stack([source, np.ones(len(source))]).astype(np.float64)
    shift = target - source
    weights = 1.0 / (1.0 + ((shift - np.sort(shift, axis=0)[len(shift) // 2]) ** 2).sum(1))
    for _ in range(AFFINE_STEPS):
        weighted = design * weights[:, None]
        fit = np.linalg.solve(weighted.T @ design + 1e-6 * np.eye(3), weighted.T @ target)
        weights = 1.0 / (1.0 + ((design @ fit - target) ** 2).sum(1) / TRACK_TOLERANCE_PX**2)
    return np.vstack([fit.T, [0.0, 0.0, 1.0]])


def _refine(key: KeyPatch, patch: U8, homography: F64) -> tuple[F64, F32] | None:
    """Align on the pixels, robust per cell; the homography and what it leaves over in each cell."""
    weights = np.ones(N_CELLS, np.float32)
    for _ in range(REFINEMENTS):
        left_over, gain = _left_over(key, patch, homography, weights)
        error = _energy(left_over, left_over) / key.gradient_energy
        weights = 1.0 / (1.0 + error / (np.sort(error)[N_CELLS // 2] + np.float32(1e-3)))
        hessian = (weights @ key.hessian).reshape(8, 8) * gain
        slope = key.jacobian @ (left_over * weights[:, None]).ravel()
        hessian.flat[::9] *= 1.001
        hessian.flat[::9] += 1e-3
        try:
            a, b, c, d, e, f, g, h = np.linalg.solve(hessian, slope)
            step = np.array([[1 + a, b, c], [d, 1 + e, f], [g, h, 1.0]])
            homography = homography @ FROM_UNIT @ np.linalg.inv(step) @ TO_UNIT
        except np.linalg.LinAlgError:
            return None
        homography = homography / homography[2, 2]
    if not np.isfinite(homography).all():
        return None
    return homography, _left_over(key, patch, homography, weights)[0]


def _left_over(key: KeyPatch, patch: U8, homography: F64, weights: F32) -> tuple[F32, float]:
    """The patch laid back over the key minus the key at the best gain and blur, and that gain."""
    laid = cv2.warpPerspective(
        patch,
        homography @ FROM_WINDOW,
        WINDOW[2:],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    tiles = _off_ramps(_tiles(laid))
    (vv, vb), (_, bb) = key.normal @ weights
    vt, bt = weights @ _energy(key.values, tiles), weights @ _energy(key.blur, tiles)
    det = vv * bb - vb * vb + 1e-3
    gain, blur = (bb * vt - vb * bt) / det, (vv * bt - vb * vt) / det
    return tiles - np.float32(gain) * key.values - np.float32(blur) * key.blur, float(gain)


def _energy(a: F32, b: F32) -> F32:
    """Inner product cell by cell [shape=(N_CELLS,)]."""
    return np.asarray(np.einsum("cp,cp->c", a, b), np.float32)

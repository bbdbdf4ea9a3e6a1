"""Skin change: does this face change as flesh in light does, or as one picture that is warped, relit and laid over?

A head that turns and speaks shows new shadows beside the nose, folds, glints, blood and lids; a picture that is
animated or laid over somebody else's face brings one texture, whatever moves it. The face is cut out along its mesh
(:mod:`idverify.pad._strips`), so that a place of the face stays in one place of the picture. In blocks of
:data:`BLOCK_PX` each strip is explained by the middle one of the window: shifted, brightened, blurred by what fits
best in the block; what is left over is a change of texture. Its slow part (means over :data:`SLOT_S`) is told from
its fast part, which noise and coding make, in three bands of size, and set against the texture that is there and the
movement that was seen. The eyes are also compared as whole small pictures, whether they change together; and the irises
are followed against their lids: eyes that look at a screen turn back as the head turns, both together, and those of a
warped picture are dragged along. About these numbers a forest of trees and a weighted sum
(``models/training/skin_change``) say which it looks like.

The native value is the mean over all windows, so that one lively moment does not decide. Pictures of a window in which
light takes more of the face, or less, than in most are left out. Grain, light over the whole face and coding were
varied in training on both sides, so that none of them is an answer.

Conventions: blocks run row by row; a window is :data:`WINDOW_S` long; the native value grows with the evidence of a
warped or pasted picture; the LLR is natural-log, bona fide over attack.

Sources: block-wise linear alignment: Hager & Belhumeur 1998, doi:10.1109/34.722606; extremely randomised trees:
Geurts et al. 2006, doi:10.1007/s10994-006-6226-1; eyes that turn against the head: Angelaki & Cullen 2008,
doi:10.1146/annurev.neuro.31.060407.125555; the measures are this project's own.

Public items: :data:`NAME`, :class:`SkinStrips`, :class:`StripSignals`, :func:`describe`, :func:`assess`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.faces.tracking import FaceObservation
from idverify.models.session import Session
from idverify.pad._clipping import alike, lost_share, what_hid
from idverify.pad._llr import load_scale
from idverify.pad._strips import SIDE_PX, FaceStrips, colour_strip, luma_of
from idverify.pad.evidence import AnalysedFrame, PADEvidence, Status
from idverify.reasons import NotAssessed, Reason

__all__ = ["NAME", "N_FEATURES", "SkinStrips", "StripSignals", "assess", "describe"]

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

NAME = "skin_change"
UNIT = "logit (higher: more like one picture that is warped or laid over)"
WINDOW_S, SLOT_S = 2.7, 1 / 3
BLOCK_PX = 12
GRID = SIDE_PX // BLOCK_PX
# Fewer frames a second leave less than two in a slot; fewer frames in a window, or fewer pixels of face, no texture.
MIN_RATE_HZ, MIN_FRAMES, MIN_FACE_PX = 4.5, 10, 50.0
# Numbers kept of a frame: its time and :func:`placement`.
_ROW = 7
# Frames closer than this are skipped: what is typical shows at seven a second, as a slow webcam gives them. A window
# that holds more frames ends early.
_LEAST_STEP_S, _MOST_FRAMES = 0.12, 24
# Strips kept for whoever looks for a photo in the recording; when full, every other one is dropped.
_MOST_KEPT = 48
# Added to luma before the logarithm, so that the noise of a dark pixel is no change of light.
_LUMA_FLOOR = 10.0
# Wider than this is shading; bands of the rest.
_SHADING_PX, _BANDS_PX = 5.0, (0.9, 2.0)
# Rows and columns of a strip that show the face and nothing beside it, however it is turned.
_WITHIN = (slice(14, 88), slice(20, 76))
# Least texture that a block's fit may lean on: logarithm of luma, its slope, its second derivative, and an offset.
_RIDGE = np.array([0.02**2, 0.01**2, 0.01**2, 0.02**2, 1e-3]) * BLOCK_PX**2
_TINY = 1e-6
# Blocks (row, column) of parts of the face.
REGIONS = {
    "forehead": ((1, 2), (1, 3), (1, 4), (1, 5), (1, 6)),
    "eyes": ((2, 1), (2, 2), (2, 5), (2, 6), (3, 1), (3, 2), (3, 5), (3, 6)),
    "nose": ((3, 3), (3, 4), (4, 3), (4, 4)),
    "cheeks": ((4, 1), (4, 2), (4, 5), (4, 6), (5, 1), (5, 6)),
    "mouth": ((5, 3), (5, 4), (6, 3), (6, 4), (5, 2), (5, 5)),
    "rim": ((0, 0), (0, 7), (1, 0), (1, 7), (2, 0), (2, 7), (3, 0), (3, 7)),
}
# Top, bottom, left, right of the eyes; of each, the iris between the lids; and the lids with the brow.
_EYES = ((30, 42, 22, 44), (30, 42, 52, 74))
_EYE_SHIFT_PX = 2
_IRISES = ((32, 41, 27, 39), (32, 41, 57, 69))
_FRAMES = ((23, 48, 18, 48), (23, 48, 48, 78))
# Least texture that a shift may lean on, grey levels: slopes and contrast, each over a whole part; an offset. Turns
# smaller than a degree or so say nothing about what follows them.
_SHIFT_RIDGE, _TURN_RIDGE = np.diag([50.0, 50.0, 50.0, 1.0]), 20.0
N_FEATURES = 22 * len(REGIONS) + 1 + 7 + 10


@dataclass(frozen=True, slots=True, kw_only=True)
class StripSignals:
    """What the windows of one face look like.

    Parameters
    ----------
    times_s : float64 [shape=(n,)]
        Middle of each window.
    features : float32 [shape=(n, 150)]
    frames : int
        Seen in all.
    face_px : float
        Width of the median face at working size; 0 where none was seen.
    rate_hz : float
        Frames a second, by the median step; 0 where there are fewer than two.
    hidden_by
        What to say where light hid too many; None where it did not.
    """

    times_s: F64
    features: F32
    frames: int
    face_px: float
    rate_hz: float
    hidden_by: Reason | None = None


class SkinStrips:
    """Collects :class:`StripSignals` (a :class:`~idverify.pad.evidence.TrackObserver`).

    It keeps two windows of strips, and the luma of some of all.
    """

    def __init__(self) -> None:
        self._strips = np.empty((_MOST_FRAMES, SIDE_PX, SIDE_PX), np.uint8)
        # Of the current window: time, yaw, pitch, roll, x and y of the face's middle, distance of the eyes.
        self._rows: list[tuple[float, ...]] = []
        # Strips and rows of the window before.
        self._before: tuple[U8, list[tuple[float, ...]]] = (self._strips[:0], [])
        # Of all frames; and how many of the windows before are in one light.
        self._lost: list[float] = []
        self._in_light = 0
        self._features: list[tuple[float, F32]] = []
        self._widths: list[float] = []
        self._steps: list[float] = []
        self._last_s: float | None = None
        self._kept: list[tuple[U8, F64]] = []
        self._every = 1

    def observe(self, view: AnalysedFrame, face: FaceObservation) -> None:
        """See one analysed frame in which the face was followed."""
        if self._last_s is not None and face.time_s - self._last_s < _LEAST_STEP_S:
            return
        if self._rows and (len(self._rows) == _MOST_FRAMES or face.time_s - self._rows[0][0] >= WINDOW_S):
            self._close()
        if self._last_s is not None:
            self._steps.append(face.time_s - self._last_s)
        self._last_s = face.time_s
        points = face.points_px / np.float32(view.scale)
        strip = colour_strip(view.image_rgb, points)
        self._strips[len(self._rows)] = luma_of(strip)
        self._lost.append(lost_share(strip[_WITHIN]))
        self._rows.append((face.time_s, *placement(points, face.yaw_pitch_roll_deg)))
        if len(self._widths) % self._every == 0:
            if len(self._kept) == _MOST_KEPT:
                self._kept, self._every = self._kept[::2], 2 * self._every
            luma = self._strips[len(self._rows) - 1].copy()
            self._kept.append((luma, np.asarray(face.yaw_pitch_roll_deg[:2], np.float64)))
        self._widths.append(float(np.ptp(points[:, 0])))

    def kept(self) -> FaceStrips:
        """Some of all strips, evenly spread over the recording."""
        return FaceStrips(
            luma=np.array([luma for luma, _ in self._kept], np.uint8).reshape(-1, SIDE_PX, SIDE_PX),
            yaw_pitch_deg=np.array([turn for _, turn in self._kept], np.float64).reshape(-1, 2),
        )

    def _close(self) -> None:
        strips, rows = self._in_one_light()
        self._in_light += len(rows)
        if len(rows) >= MIN_FRAMES:
            self._features.append((float(rows[:, 0].mean()), describe(strips, rows)))
        self._before = self._strips[: len(self._rows)].copy(), self._rows
        self._rows = []

    def _in_one_light(self) -> tuple[U8, F64]:
        """Strips and rows of the current window, without those in another light than most."""
        return self._alike(self._strips[: len(self._rows)], self._rows)

    def _alike(self, strips: U8, rows: list[tuple[float, ...]]) -> tuple[U8, F64]:
        """Without those in another light than most; they are the last that were seen."""
        kept = alike(np.array(self._lost[len(self._lost) - len(rows) :]))
        return strips[kept], np.array(rows).reshape(-1, _ROW)[kept]

    def _reaching_back(self) -> tuple[U8, F64]:
        """The same of a window that ends with the current one, and is as long as any."""
        strips = np.concatenate([self._before[0], self._strips[: len(self._rows)]])[-_MOST_FRAMES:]
        rows = [*self._before[1], *self._rows][-_MOST_FRAMES:]
        first = next(i for i, row in enumerate(rows) if rows[-1][0] - row[0] <= WINDOW_S)
        return self._alike(strips[first:], rows[first:])

    def signals(self) -> StripSignals:
        """Everything collected so far.

        A last stretch that is shorter than two thirds of a window reaches back into the one before: what is shown at
        the end is looked at as well. Less than a slot is left out.
        """
        parts = list(self._features)
        strips, rows = self._in_one_light()
        hidden = len(self._lost) - self._in_light - len(rows)
        last_s = self._rows[-1][0] - self._rows[0][0] if self._rows else 0.0
        if parts and last_s < WINDOW_S * 2 / 3:
            strips, rows = self._reaching_back() if last_s >= SLOT_S else (strips[:0], rows[:0])
        if len(rows) >= MIN_FRAMES:
            parts.append((float(rows[:, 0].mean()), describe(strips, rows)))
        step = float(np.median(self._steps)) if self._steps else 0.0
        return StripSignals(
            times_s=np.array([t for t, _ in parts], np.float64),
            features=np.array([f for _, f in parts], np.float32).reshape(-1, N_FEATURES),
            frames=len(self._widths),
            face_px=float(np.median(self._widths)) if self._widths else 0.0,
            rate_hz=1.0 / step if step > 0 else 0.0,
            hidden_by=what_hid(np.array(self._lost), hidden),
        )


def placement(points_px: F32, yaw_pitch_roll_deg: F64) -> tuple[float, ...]:
    """Yaw, pitch, roll, middle of the face and distance of the outer eye corners."""
    middle = points_px[:, :2].mean(axis=0)
    return (
        *map(float, yaw_pitch_roll_deg),
        *map(float, middle),
        float(np.hypot(*(points_px[263] - points_px[33])[:2])),
    )


def describe(strips: U8, rows: F64) -> F32:
    """The numbers of one window that the model looks at.

    Parameters
    ----------
    strips : uint8 [shape=(n, 96, 96)]
    rows : float64 [shape=(n, 7)]
        Time in seconds, and :func:`placement`.

    Returns
    -------
    float32 [shape=(150,)]
        Logarithms, correlations and two slopes.
    """
    step = float(np.median(np.diff(rows[:, 0])))
    maps = np.log(_block_maps(strips, step) + _TINY)
    at = {name: tuple(np.array(blocks).T) for name, blocks in REGIONS.items()}
    by_region = [maps[:, y, x].mean(axis=1).astype(np.float64) for y, x in at.values()]
    found = (*by_region, [_together(strips)], _movement(rows, step), _gaze(strips, rows))
    return np.concatenate(found).astype(np.float32)


def _movement(rows: F64, step_s: float) -> F64:
    """How much the head turned and moved, and how large it is."""
    pose, middle, eyes = rows[:, 1:4], rows[:, 4:6], rows[:, 6]
    size = eyes.mean()
    speed = np.linalg.norm(np.diff(middle, axis=0), axis=1).mean() / size / step_s
    return np.log(
        [
            *(pose.std(axis=0) + 0.05),
            np.abs(np.diff(pose, axis=0)).mean() / step_s + 0.1,
            speed + 1e-3,
            eyes.std() / size + 1e-3,
            size,
        ]
    )


def _together(luma: U8) -> float:
    """Whether both eyes change together: correlation of how much they differ from their middle pictures."""
    return _correlation(*(_change(luma[:, top:bottom, left:right]) for top, bottom, left, right in _EYES))


def _change(pictures: U8) -> F64:
    """What the correlation of each picture with the middle one lacks to one, at the best shift [shape=(n,)]."""
    d = _EYE_SHIFT_PX
    rest = np.ascontiguousarray(_middle(pictures).astype(np.uint8)[d:-d, d:-d])
    best = [float(cv2.matchTemplate(np.ascontiguousarray(p), rest, cv2.TM_CCOEFF_NORMED).max()) for p in pictures]
    return np.clip(1.0 - np.nan_to_num(np.array(best, np.float64)), 0.0, 2.0)


def _gaze(luma: U8, rows: F64) -> F64:
    """How far the irises move between their lids, whether together, and whether against the turns of the head."""
    right, left = (
        _shifts(luma, iris) - _shifts(luma, frame) for iris, frame in zip(_IRISES, _FRAMES, strict=True)
    )
    both, turns = (right + left) / 2, rows[:, 1:3] - np.median(rows[:, 1:3], axis=0)
    reach = np.quantile(np.abs(both - np.median(both, axis=0)), (0.5, 0.9), axis=0)
    together = [_correlation(right[:, k], left[:, k]) for k in range(2)]
    turning = [_correlation(both[:, k], turns[:, k]) for k in range(2)]
    slopes = (both * turns).sum(axis=0) / ((turns**2).sum(axis=0) + _TURN_RIDGE)
    return np.concatenate([np.log(reach + 0.01).T.ravel(), together, turning, slopes])


def _shifts(luma: U8, part: tuple[int, int, int, int]) -> F64:
    """How far a part would have to go back to where it is in the middle picture, across and down [shape=(n, 2)]."""
    top, bottom, left, right = part
    pictures = luma[:, top:bottom, left:right].astype(np.float32)
    rest = _middle(pictures)
    across, down = _slopes(rest)
    columns = (across, down, rest - rest.mean(), np.ones_like(rest))
    design = np.stack([c.ravel() for c in columns], axis=1).astype(np.float64)
    change = (pictures - rest).reshape(len(pictures), -1)
    solver = np.linalg.solve(design.T @ design + _SHIFT_RIDGE, design.T)[:2]
    return np.asarray(change @ solver.T)


def _correlation(a: F64, b: F64) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if min(a.std(), b.std()) > _TINY else 0.0


def _block_maps(strips: U8, step_s: float) -> F32:
    """Energies block by block [shape=(22, 8, 8)]."""
    luma = np.log(strips.astype(np.float32) + np.float32(_LUMA_FLOOR))
    detail = luma - _smoothed(luma, _SHADING_PX)
    key = _middle(detail)
    left_over, fit, slopes = _explained(detail, key)
    per_slot = max(1, round(SLOT_S / step_s))
    if len(strips) < 3 * per_slot:
        per_slot = max(1, len(strips) // 3)
    slots = _Slots(per_slot, len(strips) // per_slot)
    found: list[F32] = [*_bands_over_time(left_over, slots), *_bands_of(key)]
    found += [v for k in range(4) for v in slots.variances(fit[..., k])]
    shade = _block_means(luma)
    found.append(slots.slow(_without_common(shade)))
    found.append(slots.slow(_beyond_smooth(shade)))
    found += _layers(fit, slopes, slots)
    found.append(np.exp(shade.mean(axis=0)) / 255)
    return np.stack(found).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Slots:
    """Means over a few neighbouring frames, and what varies inside them."""

    size: int
    count: int

    def split(self, values: F32) -> tuple[F32, F32]:
        """Means [shape=(slots, ...)] and deviations from them [shape=(slots, frames, ...)]."""
        parts = values[: self.size * self.count].reshape(self.count, self.size, *values.shape[1:])
        means = parts.mean(axis=1)
        return means, parts - means[:, None]

    def slow(self, values: F32) -> F32:
        """Variance of the means."""
        return np.asarray(self.split(values)[0].var(axis=0), np.float32)

    def variances(self, values: F32) -> tuple[F32, F32]:
        """Variance of the means, and inside the slots."""
        means, inside = self.split(values)
        return means.var(axis=0), (inside**2).mean(axis=(0, 1))


def _middle(pictures: NDArray[Any]) -> F32:
    """The median of n pictures [shape=(h, w)]; sorted in one go, in half the time of NumPy's own."""
    ranked, n = np.sort(pictures, axis=0), len(pictures)
    both = ranked[(n - 1) // 2].astype(np.float32) + ranked[n // 2].astype(np.float32)
    return np.asarray(both / 2, np.float32)


def _smoothed(pictures: F32, sigma_px: float) -> F32:
    """Each picture smoothed [shape=(n, h, w)]."""
    out = np.empty_like(pictures)
    for picture, smooth in zip(pictures, out, strict=True):
        cv2.GaussianBlur(picture, (0, 0), sigma_px, dst=smooth)
    return out


def _tiles(pictures: F32) -> F32:
    """Blocks as rows [shape=(..., 64, 144)]."""
    lead = pictures.shape[:-2]
    parts = pictures.reshape(*lead, GRID, BLOCK_PX, GRID, BLOCK_PX)
    return np.moveaxis(parts, -2, -3).reshape(*lead, GRID**2, BLOCK_PX**2)


def _untiled(tiles: F32) -> F32:
    lead = tiles.shape[:-2]
    parts = np.moveaxis(tiles.reshape(*lead, GRID, GRID, BLOCK_PX, BLOCK_PX), -3, -2)
    return np.ascontiguousarray(parts.reshape(*lead, SIDE_PX, SIDE_PX))


def _block_means(pictures: F32) -> F32:
    """[shape=(..., 96, 96)] to [shape=(..., 8, 8)]."""
    return np.asarray(
        pictures.reshape(*pictures.shape[:-2], GRID, BLOCK_PX, GRID, BLOCK_PX).mean(axis=(-1, -3)), np.float32
    )


def _slopes(picture: F32) -> tuple[F32, F32]:
    return cv2.Sobel(picture, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(picture, cv2.CV_32F, 0, 1, scale=0.125)


def _explained(detail: F32, key: F32) -> tuple[F32, F32, F32]:
    """What is left of each picture beside the key, the fit of each block, and the energy of the key's slopes.

    The fit's columns are contrast, shift across, shift down, blur, offset [shape=(n, 8, 8, 5)].
    """
    across, down = _slopes(key)
    columns = (key, across, down, cv2.Laplacian(key, cv2.CV_32F), np.ones_like(key))
    design = np.stack([_tiles(c) for c in columns], axis=-1).astype(np.float64)
    normal = np.einsum("bpi,bpj->bij", design, design) + np.diag(_RIDGE)
    change = _tiles(detail) - _tiles(key)
    solver = np.linalg.solve(normal, design.transpose(0, 2, 1)).astype(np.float32)
    # Batched over blocks, a matrix product each.
    by_block = np.ascontiguousarray(change.transpose(1, 2, 0))
    fit = solver @ by_block
    left_over = by_block - design.astype(np.float32) @ fit
    slopes = _block_means(across**2) + _block_means(down**2)
    return _untiled(left_over.transpose(2, 0, 1)), fit.transpose(2, 0, 1).reshape(-1, GRID, GRID, 5), slopes


def _energy(pictures: F32) -> F32:
    return _block_means(pictures**2)


def _split_in_bands(pictures: F32) -> tuple[F32, F32, F32]:
    fine, middle = (_smoothed(pictures, sigma) for sigma in _BANDS_PX)
    return pictures - fine, fine - middle, middle


def _bands_over_time(left_over: F32, slots: _Slots) -> list[F32]:
    """Slow change in three bands, less what fast change makes of the means; fast change in the same bands."""
    means, inside = slots.split(left_over)
    fast = [
        _energy(b).mean(axis=0) for b in _split_in_bands(np.ascontiguousarray(inside.reshape(-1, SIDE_PX, SIDE_PX)))
    ]
    freedom = max(slots.size - 1, 1)
    centred = np.ascontiguousarray(means - means.mean(axis=0))
    slow = [_energy(b).sum(axis=0) / max(slots.count - 1, 1) for b in _split_in_bands(centred)]
    noise = [f / freedom if slots.size > 1 else np.zeros_like(f) for f in fast]
    return [
        *(np.maximum(s - n, 1e-7) for s, n in zip(slow, noise, strict=True)),
        *(f * slots.size / freedom for f in fast),
    ]


def _bands_of(key: F32) -> list[F32]:
    return [_energy(band)[0] for band in _split_in_bands(key[None])]


def _without_common(values: F32) -> F32:
    """Blocks less the median block of their picture."""
    return values - np.median(values, axis=(1, 2), keepdims=True)


_ROWS, _COLUMNS = (index - (GRID - 1) / 2 for index in np.mgrid[0:GRID, 0:GRID])
# Blocks inside the oval of the face.
_INNER = ((_COLUMNS / 3.2) ** 2 + ((_ROWS - 0.1) / 3.6) ** 2 < 1).ravel().astype(np.float64)
_SMOOTH = np.stack(
    [v.ravel() for v in (np.ones((GRID, GRID)), _ROWS, _COLUMNS, _ROWS * _COLUMNS, _ROWS**2, _COLUMNS**2)], 1
)


def _beyond_smooth(shade: F32) -> F32:
    """Shade of the blocks less a smooth field of light over the face."""
    common = _without_common(shade)
    own = (common - np.median(common, axis=0)).reshape(len(shade), -1).astype(np.float64)
    fit = _SMOOTH @ np.linalg.pinv(_SMOOTH * _INNER[:, None]) * _INNER
    return np.asarray(own - own @ fit.T, np.float32).reshape(-1, GRID, GRID)


def _layers(fit: F32, slopes: F32, slots: _Slots) -> list[F32]:
    """Shifts of the blocks beyond what moves the whole face: of two layers, each moves in its own way."""
    texture = np.sqrt(np.maximum(slopes, 1e-9)).ravel()
    inner = _INNER > 0
    weight = texture / (texture + np.median(texture[inner])) * _INNER
    affine = np.stack([np.ones(GRID**2), _COLUMNS.ravel(), _ROWS.ravel()], 1)
    common = affine @ np.linalg.pinv(affine * weight[:, None]) * weight
    found = []
    for k in (1, 2):
        shift = fit[..., k].reshape(len(fit), -1)
        own = np.asarray(shift - shift @ common.T, np.float32).reshape(-1, GRID, GRID)
        found.append(slots.variances(own))
    (slow_across, fast_across), (slow_down, fast_down) = found
    return [slow_across + slow_down, fast_across + fast_down]


def assess(signals: StripSignals, session: Session) -> PADEvidence:
    """Whether the face changes as flesh does.

    Parameters
    ----------
    signals
    session
        Of the model ``skin_change``.
    """
    problem = _problem(signals)
    if problem is not None:
        return PADEvidence.not_assessed(NAME, UNIT, problem)
    logits = session.run(signals.features)[0].ravel().astype(np.float64)
    native = float(logits.mean())
    return PADEvidence(
        name=NAME,
        status=Status.ASSESSED,
        unit=UNIT,
        native=native,
        bona_fide_llr=load_scale(NAME)(native),
        detail=f"logit {native:+.1f} that texture, light and lids come from one picture; windows: {len(logits)}",
        times_s=signals.times_s,
        values=logits,
    )


def _problem(signals: StripSignals) -> NotAssessed | None:
    """Why the windows cannot be judged."""
    if signals.frames and signals.face_px < MIN_FACE_PX:
        detail = f"the face is {signals.face_px:.0f} pixels wide, {MIN_FACE_PX:.0f} are needed"
        return NotAssessed(reason=Reason.LOW_RESOLUTION, detail=detail)
    if signals.frames > 1 and signals.rate_hz < MIN_RATE_HZ:
        detail = f"{signals.rate_hz:.1f} pictures a second, {MIN_RATE_HZ:g} are needed"
        return NotAssessed(reason=Reason.LOW_FRAME_RATE, detail=detail)
    if not len(signals.features):
        reason = signals.hidden_by or Reason.VIDEO_TOO_SHORT
        return NotAssessed(reason=reason, detail=f"the face is followed in {signals.frames} frames")
    return None

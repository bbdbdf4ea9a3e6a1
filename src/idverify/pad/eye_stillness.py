"""Eye stillness: are the eyes one picture, whatever the face around them does?

Living eyes blink, look elsewhere, narrow and widen. A face made of one photo, pasted picture by picture into somebody
else's video, printed or shown, has one picture of each eye, however it is turned and stretched: cut out between the
corners of the eye, the same picture comes out again and again.

Each eye is cut out between its corners. The eye at rest is the median of what was cut in :data:`WINDOW_S`, one for
each third of the frames by yaw, since an eye looks narrower from the side; a frame's change is what its correlation
with the rest nearest in yaw lacks to one, at the best shift (the mesh trembles). The native value is the change of
the steadier eye that lasts for :data:`BLINK_S`, a blink, in the liveliest window, but no more than
:data:`MOST_OVER_TYPICAL` times the change that it reaches for a quarter of the time: living eyes are never quite one
picture between two blinks, and one painted blink makes no eye of a picture. Somebody who stares without a blink looks
like a picture here, so that it is never proof; and a film of living eyes is full of life: it does not speak for bona
fide. Frames in which light takes more of the eyes, or less, than in most are left out.

Sources: blinks missing from manipulated video: Li et al. 2018, arXiv:1806.02877; lengths of blinks: Caffier et al.
2003, doi:10.1007/s00421-003-0807-5; the measure is this project's own.

Public items: :data:`NAME`, :class:`EyePictures`, :class:`EyeSignals`, :func:`eyes_at_rest`, :func:`eye_change`,
:func:`native_value`, :func:`assess`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.faces.tracking import FaceObservation
from idverify.pad._clipping import alike, lost_share, what_hid
from idverify.pad._llr import load_scale
from idverify.pad.evidence import AnalysedFrame, PADEvidence, Status, why_few
from idverify.reasons import NotAssessed, Reason

__all__ = ["NAME", "EyePictures", "EyeSignals", "assess", "eye_change", "eyes_at_rest", "native_value"]

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]

NAME = "eye_stillness"
UNIT = "% by which the picture of the steadier eye changes (lower: more like one picture)"
WINDOW_S, BLINK_S = 5.0, 0.2
# A blink counts for so many times what the eye does for a quarter of the time, in the middle window. No bona fide clip
# is judged otherwise for it: nine in ten change by 1.2 % and more for a quarter of the time.
MOST_OVER_TYPICAL, TYPICAL_QUANTILE = 4.0, 0.75
# Corners of the right and the left eye in the mesh (MediaPipe's order), and where they lie in the picture of an eye.
CORNERS = ((33, 133), (362, 263))
PICTURE_WH, LEFT_XY, WIDTH_PX = (48, 24), (8.0, 12.0), 32.0
# The best shift is looked for within these many pixels of the eye's picture, across and down.
SHIFT_XY_PX = (4, 3)
# Of the little that an eye's picture shows, a glint takes a larger share.
LIGHT_APART = 0.15
# Frames in a window, and pixels of the picture at working size from outer corner to outer corner, to judge at all.
MIN_FRAMES, MIN_EYES_PX = 30, 30.0
# Analysed frames come at about 15 per second; a window that holds more ends early.
_MOST_FRAMES = 100
# Eyes at rest per window. Of a head turned further than this, the mesh places the far eye by guess.
SIDES, MAX_YAW_DEG = 3, 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EyeSignals:
    """How the eyes of one face change.

    Parameters
    ----------
    times_s : float64 [shape=(n,)]
    change : float64 [shape=(n, 2)]
        From the eye at rest, of the right and the left eye: 0 the same picture, 1 and more nothing in common.
    window : int64 [shape=(n,)]
        Which stretch of :data:`WINDOW_S` the frame is in.
    eyes_px : float64 [shape=(n,)]
        From outer corner to outer corner at working size.
    followed_s : float64 [shape=(m,)]
        Times of all frames in which the face was followed, those in which it is turned away among them.
    hidden_by
        What to say where light hid too many; None where it did not.
    """

    times_s: F64
    change: F64
    window: NDArray[np.int64]
    eyes_px: F64
    followed_s: F64
    hidden_by: Reason | None = None

    def __len__(self) -> int:
        return len(self.times_s)


class EyePictures:
    """Collects :class:`EyeSignals` (a :class:`~idverify.pad.evidence.TrackObserver`); keeps one window of pictures."""

    def __init__(self) -> None:
        self._done: list[tuple[F64, F64]] = []
        # Of the current window: time, distance of the eyes, yaw; pictures. Of the last: the eyes at rest.
        self._frames: list[tuple[float, float, float]] = []
        self._pictures = np.empty((_MOST_FRAMES, 2, *PICTURE_WH[::-1]), np.uint8)
        self._rest: tuple[F64, U8] | None = None
        self._followed: list[float] = []
        # What light takes of the eyes, in all frames.
        self._lost: list[float] = []

    def observe(self, view: AnalysedFrame, face: FaceObservation) -> None:
        """See one analysed frame in which the face was followed."""
        self._followed.append(face.time_s)
        yaw = float(face.yaw_pitch_roll_deg[0])
        if abs(yaw) > MAX_YAW_DEG:
            return
        full = len(self._frames) == _MOST_FRAMES
        if full or (self._frames and face.time_s - self._frames[0][0] >= WINDOW_S):
            self._rest = self._at_rest()
            self._done.append(self._compared(self._rest))
            self._frames = []
        corners = face.points_px[np.ravel(CORNERS), :2].astype(np.float64).reshape(2, 2, 2) / view.scale
        for eye, pair in enumerate(corners):
            self._pictures[len(self._frames), eye] = _cut(view.luma, *pair)
        self._lost.append(float(np.mean([lost_share(_cut(view.image_rgb, *pair)) for pair in corners])))
        self._frames.append((face.time_s, float(np.hypot(*(corners[1, 1] - corners[0, 0]))), yaw))

    def _in_one_light(self) -> tuple[U8, F64]:
        """Pictures and frames of the window, without those in another light than most."""
        frames = np.array(self._frames)
        kept = alike(np.array(self._lost[len(self._lost) - len(frames) :]), LIGHT_APART)
        return self._pictures[: len(frames)][kept], frames[kept]

    def _at_rest(self) -> tuple[F64, U8]:
        pictures, frames = self._in_one_light()
        return eyes_at_rest(pictures, frames[:, 2])

    def _compared(self, rest: tuple[F64, U8]) -> tuple[F64, F64]:
        pictures, frames = self._in_one_light()
        return frames, eye_change(pictures, frames[:, 2], *rest)

    def signals(self) -> EyeSignals:
        """Everything collected so far."""
        parts, window = list(self._done), list(range(len(self._done)))
        if self._frames:
            # A last stretch that is too short to be a window counts with the one before.
            alone = self._rest is None or len(self._frames) >= MIN_FRAMES
            rest = self._at_rest() if self._rest is None or alone else self._rest
            parts.append(self._compared(rest))
            window.append(len(self._done) - (not alone))
        frames = np.concatenate([np.empty((0, 3)), *(frames for frames, _ in parts)])
        return EyeSignals(
            times_s=frames[:, 0],
            change=np.concatenate([np.empty((0, 2)), *(change for _, change in parts)]),
            window=np.repeat(np.array(window, np.int64), [len(frames) for frames, _ in parts]),
            eyes_px=frames[:, 1],
            followed_s=np.array(self._followed, np.float64),
            hidden_by=what_hid(np.array(self._lost), len(self._lost) - len(frames)),
        )


def _cut(image: U8, right: F64, left: F64) -> U8:
    """The picture of an eye whose corners lie at two points of the picture."""
    across = left - right
    # Turn and scale as one complex factor; corners that fall together give a factor of no size and a flat picture.
    factor = WIDTH_PX / max(float(across @ across), 1.0) * across
    turn = np.array([[factor[0], factor[1]], [-factor[1], factor[0]]])
    to_picture = np.column_stack([turn, LEFT_XY - turn @ right])
    cut = cv2.warpAffine(image, to_picture, PICTURE_WH, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)


def eyes_at_rest(pictures: U8, yaw_deg: F64) -> tuple[F64, U8]:
    """The median of each third of the pictures by yaw.

    Parameters
    ----------
    pictures : uint8 [shape=(n, 2, 24, 48)]
    yaw_deg : float64 [shape=(n,)]

    Returns
    -------
    yaw_deg : float64 [shape=(3,)]
        The middle of each third.
    rest : uint8 [shape=(3, 2, 18, 40)]
        Less the margin of the shifts.
    """
    (width, height), (across, down) = PICTURE_WH, SHIFT_XY_PX
    order = np.argsort(yaw_deg, kind="stable")
    sides = [side if len(side) else order for side in np.array_split(order, SIDES)]
    rest = np.stack([np.median(pictures[side], axis=0) for side in sides]).astype(np.uint8)
    middle = np.array([np.median(yaw_deg[side]) for side in sides])
    return middle, np.ascontiguousarray(rest[..., down : height - down, across : width - across])


def eye_change(pictures: U8, yaw_deg: F64, rest_yaw_deg: F64, rest: U8) -> F64:
    """What the correlation of each picture with the eye at rest nearest in yaw lacks to one, at the best shift.

    Parameters
    ----------
    pictures : uint8 [shape=(n, 2, 24, 48)]
    yaw_deg : float64 [shape=(n,)]
    rest_yaw_deg, rest
        As :func:`eyes_at_rest` gives them.

    Returns
    -------
    float64 [shape=(n, 2)]
    """
    width, height = PICTURE_WH
    change = np.empty((len(pictures), 2))
    nearest = np.abs(yaw_deg[:, None] - rest_yaw_deg).argmin(axis=1)
    for side in np.unique(nearest):
        own = np.flatnonzero(nearest == side)
        rows = np.arange(len(own))[:, None] * height + np.arange(2 * SHIFT_XY_PX[1] + 1)
        for eye in range(2):
            # One tall picture of all frames, compared in one go; rows that straddle two frames are left out.
            tall = np.ascontiguousarray(pictures[own, eye]).reshape(-1, width)
            score = cv2.matchTemplate(tall, rest[side, eye], cv2.TM_CCOEFF_NORMED)
            change[own, eye] = 1.0 - score[rows].reshape(len(own), -1).max(axis=1)
    return np.clip(change, 0.0, 2.0)


def native_value(signals: EyeSignals) -> float | None:
    """Per cent by which the steadier eye changes for as long as a blink, as far as the rest of the time bears it out.

    None where no window has frames enough.
    """
    liveliest, typical = [], []
    for k in range(int(signals.window.max(initial=-1)) + 1):
        own = signals.window == k
        if own.sum() < MIN_FRAMES:
            continue
        lasting = max(1, round(BLINK_S / float(np.median(np.diff(signals.times_s[own])))))
        steadier = np.sort(signals.change[own].min(axis=1))
        liveliest.append(float(steadier[-min(lasting, len(steadier))]))
        typical.append(float(np.quantile(steadier, TYPICAL_QUANTILE)))
    if not liveliest:
        return None
    return 100.0 * min(max(liveliest), MOST_OVER_TYPICAL * float(np.median(typical)))


def assess(signals: EyeSignals) -> PADEvidence:
    """Whether the eyes stay one picture."""
    size = float(np.median(signals.eyes_px)) if len(signals) else 0.0
    if len(signals) and size < MIN_EYES_PX:
        small = NotAssessed(reason=Reason.LOW_RESOLUTION, detail=f"the eyes are {size:.0f} pixels apart")
        return PADEvidence.not_assessed(NAME, UNIT, small)
    native = native_value(signals)
    if native is None:
        detail = f"the eyes are seen from the front in {len(signals)} of {len(signals.followed_s)} frames"
        turned_away = 2 * len(signals) <= len(signals.followed_s)
        otherwise = Reason.MISALIGNED_FACE if turned_away else Reason.LOW_FRAME_RATE
        reason = why_few(signals.followed_s, MIN_FRAMES, otherwise)
        return PADEvidence.not_assessed(NAME, UNIT, NotAssessed(reason=signals.hidden_by or reason, detail=detail))
    return PADEvidence(
        name=NAME,
        status=Status.ASSESSED,
        unit=UNIT,
        native=native,
        bona_fide_llr=min(0.0, load_scale(NAME)(native)),
        detail=f"the steadier eye changes by {native:.1f} % for as long as a blink; a picture of an eye stays the same",
        times_s=signals.times_s,
        values=100.0 * signals.change.min(axis=1),
    )

"""Which decoded pictures are analysed: a steady number a second, whatever jumps, and nothing blank or held.

A picture that shows nothing (encoders begin with black) and one that a stalled line holds say nothing about anybody;
they are passed over, so that a stall is a gap for every mechanism. A picture in which the followed face changes more
from one decoded picture to the next than it just did is analysed at once, whether or not its turn has come: what is
flashed into single pictures between two analysed ones would be seen by nobody.

Public items: :class:`FrameSampler`.
"""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.pad.evidence import ANALYSIS_RATE_HZ

__all__ = ["FrameSampler"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

# A thumbnail with less contrast (levels) than this shows nothing.
BLANK_CONTRAST = 4.0
# A picture is held where no cell of its thumbnail differs by more levels, and on average by no more levels squared:
# what encoding the same picture again leaves.
HELD_LEVELS, HELD_SQUARE = 2, 0.02
# A face is looked at in its thumbnail at this size.
PATCH = 16
# It jumps where its change, half the squared distance of unit patches, exceeds this and this many times what it was
# lately. In the bona fide clips one picture in twenty does, and 49 of 50 single pictures with another face.
JUMP, JUMP_TIMES_LATELY, LATELY = 0.03, 2.0, 12
# Added to a patch's norm, so that the noise of a face without contrast is no change: two levels a cell.
_PATCH_FLOOR = 2.0 * PATCH


class FrameSampler:
    """Decides about one decoded picture after the other, in time order."""

    def __init__(self) -> None:
        self._due_s = -np.inf
        self._before: U8 | None = None
        self._analysed: U8 | None = None
        self._lately: deque[float] = deque(maxlen=LATELY)

    def wants(self, time_s: float, thumbnail: U8 | None, face_xyxy: F64 | None) -> bool:
        """Whether the picture is to be analysed; it then counts as analysed.

        Parameters
        ----------
        time_s
        thumbnail : uint8 [shape=(rows, columns)], optional
            Of the whole picture; without it only time decides.
        face_xyxy : float64 [shape=(4,)], optional
            The largest face, as it was when it was last followed, in thumbnail pixels.
        """
        # A millisecond of slack, since containers round times.
        due, jumps = time_s >= self._due_s - 1e-3, False
        if thumbnail is not None:
            before, self._before = self._before, thumbnail
            if cv2.meanStdDev(thumbnail)[1][0, 0] < BLANK_CONTRAST:
                return False
            if not due and before is not None and face_xyxy is not None:
                jumps = self._jumps(before, thumbnail, face_xyxy)
            if not (due or jumps) or (self._analysed is not None and _is_held(self._analysed, thumbnail)):
                return False
            self._analysed = thumbnail
        if due:
            period = 1.0 / ANALYSIS_RATE_HZ
            self._due_s = max(self._due_s + period, time_s + period / 2)
        return due or jumps

    def _jumps(self, before: U8, now: U8, face_xyxy: F64) -> bool:
        change = 0.5 * float(np.square(_patch(now, face_xyxy) - _patch(before, face_xyxy)).sum())
        if change == 0.0:
            return False
        usual = float(np.median(self._lately)) if self._lately else change
        self._lately.append(change)
        return change > JUMP and change > JUMP_TIMES_LATELY * usual


def _is_held(before: U8, now: U8) -> bool:
    if cv2.norm(before, now, cv2.NORM_INF) > HELD_LEVELS:
        return False
    return bool(cv2.norm(before, now, cv2.NORM_L2SQR) <= HELD_SQUARE * now.size)


def _patch(thumbnail: U8, face_xyxy: F64) -> F32:
    """The face, of unit length and no mean [shape=(PATCH, PATCH)]."""
    (x0, y0), step = face_xyxy[:2], (face_xyxy[2:] - face_xyxy[:2]) / PATCH
    from_patch = np.array([[step[0], 0, x0 + (step[0] - 1) / 2], [0, step[1], y0 + (step[1] - 1) / 2]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    patch = cv2.warpAffine(thumbnail, from_patch, (PATCH, PATCH), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    centred = patch.astype(np.float32) - np.float32(patch.mean())
    return np.asarray(centred / (np.linalg.norm(centred) + np.float32(_PATCH_FLOOR)))

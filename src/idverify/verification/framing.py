"""How the pictures of a recording are to be looked at: its first pictures in, the recording in the right framing out.

Goal: bars around the picture are left out, and a recording that was saved lying or upside down is set upright, both
decided once and for the whole recording. One whose first picture shows an upright face up to its edges costs two runs
of the detector and goes on as it is.

Public items: :func:`settle`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from idverify.faces.detection import FaceDetector
from idverify.faces.landmarks import FaceMesh
from idverify.faces.uprightness import find_turn, shows_upright_face, turn_scores
from idverify.media.bars import between_bars, may_have_bars
from idverify.media.frame import Box
from idverify.media.recording import Framing, Recording

__all__ = ["settle"]

# Looks at a recording of doubtful framing, and seconds between them: encoders begin with a black second.
_MAX_LOOKS, _LOOK_PERIOD_S = 12, 0.25
# Looks at bars, at least: what is filmed moves, bars do not.
_MIN_BAR_LOOKS = 6
# Summed over looks, the picture as it is leads by this much: no more needs to be asked.
_CLEAR_LEAD = 0.3


def settle(recording: Recording, detector: FaceDetector, mesh: FaceMesh, size_wh: tuple[int, int]) -> None:
    """Give a recording, none of which was read yet, the framing that its first pictures ask for.

    Parameters
    ----------
    recording
    detector, mesh
        Find faces and say how sure they are.
    size_wh
        At which pictures are looked at, about 640 pixels on their longer side.

    Raises
    ------
    MediaError
        Going back to the first picture fails.
    """
    first = recording.first_frame()
    image, luma = first.image_rgb(size_wh), first.luma(size_wh)
    doubtful = not shows_upright_face(image, detector, mesh)
    barred = may_have_bars(luma)
    if not (doubtful or barred):
        return
    scores, lumas, due_s = [], [luma], 0.0
    for frame in recording:
        if frame.time_s < due_s:
            continue
        due_s = frame.time_s + _LOOK_PERIOD_S
        if doubtful:
            scores.append(turn_scores(frame.image_rgb(size_wh), detector, mesh))
            doubtful = not _is_clear(np.array(scores))
        if barred and frame.size_wh == first.size_wh:
            lumas.append(frame.luma(size_wh))
            barred = len(lumas) <= _MIN_BAR_LOOKS or _is_blank(lumas[-1])
        if not (doubtful or barred) or max(len(scores), len(lumas)) > _MAX_LOOKS:
            break
    turn_deg = find_turn(np.array(scores)) if scores else 0
    recording.begin_again(Framing(turn_deg=turn_deg, window_xyxy_px=_window(lumas, first.size_wh)))


def _is_clear(scores: NDArray[np.float64]) -> bool:
    """Whether the picture as it is has the surest faces by far."""
    total = scores.sum(axis=0)
    return bool(total[0] - total[1:].max() >= _CLEAR_LEAD)


def _is_blank(luma: NDArray[np.uint8]) -> bool:
    return bool(np.ptp(luma) < 16)


def _window(lumas: list[NDArray[np.uint8]], size_wh: tuple[int, int]) -> Box | None:
    """The box between the bars in full-size pixels, rounded inwards to whole samples of colour."""
    box = between_bars(lumas)
    if box is None:
        return None
    height, width = lumas[0].shape
    x, y = size_wh[0] / width, size_wh[1] / height
    left, top = (2 * int(np.ceil(side / 2)) for side in (box[0] * x, box[1] * y))
    right, bottom = (2 * int(side // 2) for side in (box[2] * x, box[3] * y))
    # A side without a bar keeps its last line, odd sizes included.
    right, bottom = (size_wh[0] if box[2] == width else right), (size_wh[1] if box[3] == height else bottom)
    return (left, top, right, bottom)

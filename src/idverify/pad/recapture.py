"""Recapture: a small network that sees screens, paper, cut edges and moiré around and on the face.

Five views of the face, from a tight one to one wide enough for bezels, hands and borders of paper, are cut from the
full picture in 3 to 15 frames spread over the recording (from 1.5 s on 8 at least) and judged each by itself; a trimmed
mean of the frames' logits is the native value, so that a few odd frames decide nothing. The network is trained in this
project (``models/training/recapture``, model card ``models/cards/recapture.md``). Its calibration comes from sources
that the network had not seen and names the network's SHA-256: a card of another network is refused. Frames in which
light has blown the face out are left out: to the network they are glass or paper.

Conventions: views are RGB as the camera gave them, side by side in one strip of 96 x 448 pixels; the native value grows
with the evidence of a recapture; the LLR is natural-log, bona fide over attack. A face too small, dark or blurred is
not judged, nor one around which something is drawn that hides bezels, hands and borders.

Sources: He et al. 2024, "Joint Physical-Digital Facial Attack Detection Via Simulating Spoofing Clues",
arXiv:2404.08450; views of several widths, and what the half for the wider ones was trained further from:
minivision-ai/Silent-Face-Anti-Spoofing (2020, Apache-2.0).

Public items: :class:`Recapture`, :func:`face_boxes`, :func:`scene_box`, :func:`setting_boxes`, :func:`strip`,
:func:`frame_logits`, :func:`pooled`, :func:`assess`, :func:`load_card`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.errors import CalibrationError
from idverify.faces.tracking import FaceObservation
from idverify.media.colour import resize
from idverify.models.manifest import data_dir, spec
from idverify.models.session import Session
from idverify.pad._llr import LLRScale
from idverify.pad.evidence import AnalysedFrame, PADEvidence, Status
from idverify.reasons import NotAssessed, Reason

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "Recapture",
    "assess",
    "face_boxes",
    "frame_logits",
    "load_card",
    "pooled",
    "scene_box",
    "setting_boxes",
    "strip",
]

NAME = "recapture"
UNIT = "logit (higher: more like a picture of a picture)"

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]

# What the network was trained on (models/training/recapture): sides of the two views of the face over those of the face
# mesh's box, as they lie; side of the view of the scene over the longer one of the mesh's box, as much of it as the
# picture has; sides of the two of the face's setting over those of the head's box, moved inside the picture.
SIDE_PX = 96
TIGHT, WIDE = 1.2, 2.4
SCENE = 4.6
SETTING_PX = 80
SETTINGS = (2.7, 4.0)
STRIP_PX = 3 * SIDE_PX + len(SETTINGS) * SETTING_PX
# The head reaches above the mesh by this share of the mesh's height.
FOREHEAD = 0.12
# Frames kept at most; when they are thinned out, eight stay.
_MAX_FRAMES = 15
_FIRST_EVERY_S = 0.2
# Share of the logits left out at each end.
_TRIMMED = 0.25
_MIN_FRAMES = 3
# Below these, on the median frame, the network's own training pictures are no longer told apart by eye: shorter side of
# the face's box in native pixels, median luma of the face, and share of its contrast that is finer than 3 pixels.
_MIN_FACE_PX, _MIN_LUMA, _MIN_DETAIL = 40.0, 22.0, 0.03
# Blown out is a frame of which this share of the face has this luma. Of the clips at hand, none is bona fide in which
# it is more than 0.23.
_BLOWN_SHARE, _BLOWN_LUMA = 0.4, 250
# Something is drawn around the face where this share of the sides of the view of the scene, and of its lower side, is
# of one colour to so many levels, so many lines deep: before a plain wall, shoulders reach the lower side. The clips
# at hand have 0.60 at most.
_DRAWN_SHARE, _DRAWN_LINES, _DRAWN_LEVELS = 0.7, 3, 4
_CARD = Path("calibration") / "pad_recapture.toml"


class Recapture:
    """Keeps the views of the face in a few frames spread over the track (a :class:`TrackObserver`)."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, float, U8]] = []
        self._every_s = _FIRST_EVERY_S
        self._next_s = -np.inf

    def observe(self, view: AnalysedFrame, face: FaceObservation) -> None:
        """See one analysed frame in which the face was followed."""
        if face.time_s < self._next_s:
            return
        box = face.bbox_xyxy_px
        # The face at the camera's own resolution; for what surrounds it the picture at working size is enough.
        views = [view.frame.crop_rgb(b, (SIDE_PX, SIDE_PX)) for b in face_boxes(box)]
        at_work, size_wh = box / view.scale, view.image_rgb.shape[1::-1]
        left, top, right, bottom = scene_box(at_work, size_wh)
        views.append(np.asarray(resize(view.image_rgb[top:bottom, left:right], (SIDE_PX, SIDE_PX)), np.uint8))
        narrow, wide = setting_boxes(at_work, size_wh)
        views.append(_setting(view.image_rgb, narrow))
        # To a face that fills the picture all of it is the setting.
        views.append(views[-1] if (narrow == wide).all() else _setting(view.image_rgb, wide))
        self._kept.append((face.time_s, float((box[2:] - box[:2]).min()), strip(views)))
        if len(self._kept) > _MAX_FRAMES:
            # Every other one goes and the pace halves: memory stays flat, the spread stays even.
            self._kept, self._every_s = self._kept[::2], 2 * self._every_s
        self._next_s = self._kept[-1][0] + self._every_s

    def signals(self) -> tuple[F64, F64, U8]:
        """Times [shape=(n,)], native face sizes in pixels [shape=(n,)], views uint8 [shape=(n, 96, 448, 3)]."""
        views = np.array([kept[2] for kept in self._kept], np.uint8)
        numbers = np.array([kept[:2] for kept in self._kept], np.float64).reshape(-1, 2)
        return numbers[:, 0], numbers[:, 1], views.reshape(-1, SIDE_PX, STRIP_PX, 3)


def _setting(image_rgb: U8, box: NDArray[np.intp]) -> U8:
    left, top, right, bottom = box
    return np.asarray(resize(image_rgb[top:bottom, left:right], (SETTING_PX, SETTING_PX)), np.uint8)


def face_boxes(bbox_xyxy_px: F64) -> F64:
    """Boxes of the two views of the face; they may reach outside the picture.

    Parameters
    ----------
    bbox_xyxy_px : float64 [shape=(4,)]
        Of the face mesh.

    Returns
    -------
    float64 [shape=(2, 4)]
        The tight one keeps the face's proportions, the wide one is square.
    """
    low, high = np.asarray(bbox_xyxy_px[:2], np.float64), np.asarray(bbox_xyxy_px[2:], np.float64)
    middle, size = (low + high) / 2, high - low
    halves = np.stack([TIGHT * size / 2, np.full(2, WIDE * size.max() / 2)])
    return np.concatenate([middle - halves, middle + halves], axis=1)


def scene_box(bbox_xyxy_px: F64, size_wh: tuple[int, ...]) -> NDArray[np.intp]:
    """Box of the view of the scene, which is stretched to a square: straight edges stay straight.

    Parameters
    ----------
    bbox_xyxy_px : float64 [shape=(4,)]
        Of the face mesh.
    size_wh
        Of the picture.

    Returns
    -------
    intp [shape=(4,)]
        Whole pixels, right and bottom not included, inside the picture.
    """
    low, high = np.asarray(bbox_xyxy_px[:2], np.float64), np.asarray(bbox_xyxy_px[2:], np.float64)
    middle, reach, size = (low + high) / 2, SCENE / 2 * (high - low).max(), np.array(size_wh)
    first = np.clip(np.floor(middle - reach), 0, size - 1)
    return np.concatenate([first, np.clip(np.ceil(middle + reach), first + 1, size)]).astype(np.intp)


def setting_boxes(bbox_xyxy_px: F64, size_wh: tuple[int, ...]) -> NDArray[np.intp]:
    """Boxes of the two views of what the face is in: as large as the picture allows, moved inside it.

    Parameters
    ----------
    bbox_xyxy_px : float64 [shape=(4,)]
        Of the face mesh.
    size_wh
        Of the picture.

    Returns
    -------
    intp [shape=(2, 4)]
        Whole pixels, right and bottom not included.
    """
    low, high = np.asarray(bbox_xyxy_px[:2], np.float64), np.asarray(bbox_xyxy_px[2:], np.float64)
    low = np.maximum(low - [0, FOREHEAD * (high - low)[1]], 0)
    size, middle, last = np.maximum(high - low, 1), (low + high) / 2, np.array(size_wh) - 1.0
    scales = np.minimum(SETTINGS, (last / size).min())[:, None]
    lows = np.clip(middle - scales * size / 2, 0, np.maximum(last - scales * size, 0))
    return np.concatenate([np.floor(lows), np.floor(lows + scales * size) + 1], axis=1).astype(np.intp)


def strip(views: Sequence[U8]) -> U8:
    """The views of one frame side by side, the smaller ones over black: the picture that the model takes.

    Parameters
    ----------
    views
        RGB: uint8 [shape=(96, 96, 3)] three times, uint8 [shape=(80, 80, 3)] twice.

    Returns
    -------
    uint8 [shape=(96, 448, 3)]
    """
    result, left = np.zeros((SIDE_PX, STRIP_PX, 3), np.uint8), 0
    for view in views:
        height, width = view.shape[:2]
        result[:height, left : left + width] = view
        left += width
    return result


def frame_logits(views: U8, session: Session) -> F64:
    """The network's evidence of a recapture, frame by frame.

    Parameters
    ----------
    views : uint8 [shape=(n, 96, 448, 3)]
    session
        Of the model ``recapture``.

    Returns
    -------
    float64 [shape=(n, 5)]
        Logit per view.
    """
    # One at a time: a batch is no faster, since it leaves the caches, and its intermediate pictures cost memory.
    logits = np.concatenate([session.run(views[k : k + 1])[0] for k in range(len(views))])
    # It speaks for bona fide.
    return -logits.astype(np.float64)


def pooled(values: F64) -> float:
    """Mean of the middle half of the values [shape=(n,)]."""
    cut = int(_TRIMMED * len(values))
    return float(np.sort(values)[cut : len(values) - cut].mean())


def assess(times_s: F64, faces_px: F64, views: U8, session: Session) -> PADEvidence:
    """Whether the camera filmed a picture of a face.

    Parameters
    ----------
    times_s, faces_px : float64 [shape=(n,)]
    views : uint8 [shape=(n, 96, 448, 3)]
        As :meth:`Recapture.signals` gives them.
    session
        Of the model ``recapture``.

    Raises
    ------
    CalibrationError
        The card is missing, damaged or of another network.
    """
    seen = np.array([not _is_blown_out(tight) for tight in views[:, :, :SIDE_PX]], bool)
    problem = _problem(faces_px, views, seen)
    if problem is not None:
        return PADEvidence.not_assessed(NAME, UNIT, problem)
    times_s, views = times_s[seen], views[seen]
    weights, scale = load_card(session.spec.sha256)
    per_view = frame_logits(views, session) * weights
    values = per_view.sum(axis=1)
    native = pooled(values)
    proven = scale.proves(native)
    return PADEvidence(
        name=NAME,
        status=Status.ASSESSED,
        unit=UNIT,
        native=native,
        bona_fide_llr=scale(native),
        detail=f"recapture logit {native:+.1f} over {len(values)} frames: "
        f"face {pooled(per_view[:, :2].sum(axis=1)):+.1f}, scene {pooled(per_view[:, 2]):+.1f}, "
        f"setting {pooled(per_view[:, 3:].sum(axis=1)):+.1f}",
        reason=Reason.PRESENTATION_ATTACK if proven else None,
        decisive=proven,
        times_s=times_s,
        values=values,
    )


def _problem(faces_px: F64, views: U8, seen: NDArray[np.bool_]) -> NotAssessed | None:
    """Why the views, or those in which something of the face is seen, cannot be judged."""
    if len(views) < _MIN_FRAMES:
        return NotAssessed(
            reason=Reason.VIDEO_TOO_SHORT, detail=f"the face is seen in {len(views)} frames spread over time"
        )
    if seen.sum() < _MIN_FRAMES:
        return NotAssessed(reason=Reason.TOO_BRIGHT, detail=f"the face is blown out in {(~seen).sum()} frames")
    faces_px, views = faces_px[seen], views[seen]
    size = float(np.median(faces_px))
    if size < _MIN_FACE_PX:
        return NotAssessed(
            reason=Reason.LOW_RESOLUTION, detail=f"the face is {size:.0f} pixels wide, {_MIN_FACE_PX:.0f} are needed"
        )
    luma, detail = np.median([_light_and_detail(tight) for tight in views[:, :, :SIDE_PX]], axis=0)
    if luma < _MIN_LUMA:
        return NotAssessed(reason=Reason.TOO_DARK, detail=f"median luma of the face {luma:.0f} of 255")
    if detail < _MIN_DETAIL:
        return NotAssessed(reason=Reason.BLURRY, detail=f"fine detail is {100 * detail:.1f} % of the face's contrast")
    drawn = float(np.median([_drawn_share(scene) for scene in views[:, :, 2 * SIDE_PX : 3 * SIDE_PX]]))
    if drawn >= _DRAWN_SHARE:
        drawn_to = f"{100 * drawn:.0f} % of the sides of what is around the face are of one colour"
        return NotAssessed(reason=Reason.SURROUNDINGS_HIDDEN, detail=drawn_to)
    return None


def _drawn_share(scene: U8) -> float:
    """Share of the view's sides that is of their one colour; of the lower side, if that is less."""
    k = _DRAWN_LINES
    sides = np.stack([scene[:k], scene[-k:], scene[:, :k].swapaxes(0, 1), scene[:, -k:].swapaxes(0, 1)])
    same = np.abs(sides - np.median(sides, axis=(0, 1, 2))) <= _DRAWN_LEVELS
    shares = same.all(axis=3).mean(axis=(1, 2))
    return float(min(shares[1], shares.mean()))


def _luma_of_middle(tight: U8) -> U8:
    return np.asarray(cv2.cvtColor(tight, cv2.COLOR_RGB2GRAY)[16:80, 16:80])


def _is_blown_out(tight: U8) -> bool:
    return bool((_luma_of_middle(tight) >= _BLOWN_LUMA).mean() > _BLOWN_SHARE)


def _light_and_detail(tight: U8) -> tuple[float, float]:
    """Median luma of the middle of the view, and fine contrast over all contrast."""
    luma = _luma_of_middle(tight).astype(np.float32)
    fine = luma - cv2.GaussianBlur(luma, (0, 0), 1.5)
    return float(np.median(luma)), float(fine.std() / (luma.std() + 2.0))


@lru_cache(maxsize=4)
def load_card(model_sha256: str) -> tuple[F64, LLRScale]:
    """The calibration of one network: weights of the views float64 [shape=(5,)], and what their sum is worth.

    Parameters
    ----------
    model_sha256
        Of the network in use.

    Raises
    ------
    CalibrationError
        The card is missing, damaged or of another network.
    """
    path = data_dir() / _CARD
    try:
        card: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        fitted_on = str(card["model_sha256"])
        weights, native, llr = (tuple(map(float, card[key])) for key in ("weights", "native", "llr"))
        decisive_at = float(card["decisive_at"]) if "decisive_at" in card else None
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise CalibrationError(f"no usable card {_CARD.as_posix()}: {error}") from error
    if fitted_on != model_sha256:
        raise CalibrationError(
            f"{_CARD.as_posix()} was fitted on the network {fitted_on[:12]}..., the one in use is "
            f"{model_sha256[:12]}... ({spec(NAME).version})"
        )
    return np.array(weights), LLRScale(native=native, llr=llr, decisive_at=decisive_at)

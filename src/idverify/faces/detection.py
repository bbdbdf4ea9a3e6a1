"""Faces in one picture: RGB in, :class:`DetectedFace` out.

Two detectors behind one protocol: YuNet (the default: small, dark and turned faces) and BlazeFace (the short range
one for selfies, the full range one for the room). ``benchmarks/accuracy/detectors.py`` compares them.

Sources: Wu et al. 2023, "YuNet: A Tiny Millisecond-level Face Detector", doi:10.1007/s11633-023-1423-y; Bazarevsky et
al. 2019, "BlazeFace", arXiv:1907.05047.

Public items: :class:`DetectedFace`, :class:`FaceDetector`, :class:`YuNet`, :class:`BlazeFace`,
:func:`suppress_overlaps`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.models.session import Session

__all__ = ["BlazeFace", "DetectedFace", "FaceDetector", "YuNet", "overlap_matrix", "suppress_overlaps"]

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

# Boxes of one face overlap more than this, boxes of two people less (both papers use 0.3).
OVERLAP_LIMIT = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedFace:
    """One face found in one picture.

    Parameters
    ----------
    bbox_xyxy_px : float64 [shape=(4,)]
        Left, top, right, bottom in upright pixels of the picture given.
    keypoints_px : float64 [shape=(4, 2)]
        Right eye, left eye, nose tip, mouth centre; right and left are the person's own.
    detection_score : float in [0, 1]
    """

    bbox_xyxy_px: F64
    keypoints_px: F64
    detection_score: float

    @property
    def width_px(self) -> float:
        """Width of the box."""
        return float(self.bbox_xyxy_px[2] - self.bbox_xyxy_px[0])


class FaceDetector(Protocol):
    """Finds every face in a picture."""

    def detect(self, image_rgb: NDArray[np.uint8]) -> tuple[DetectedFace, ...]:
        """Find faces, best score first.

        Parameters
        ----------
        image_rgb : uint8 [shape=(h, w, 3)]
        """


class YuNet:
    """YuNet on the picture scaled so that its longer side has at most `input_side_px` pixels.

    Parameters
    ----------
    session
        The ``yunet`` model.
    input_side_px
        Longer side of the picture as the model sees it; smaller is faster, larger finds smaller faces.
    min_score
        Detections below this are dropped.
    """

    # The model pyramid: cells of 8, 16 and 32 input pixels (Wu et al. 2023, section 3).
    STRIDES = (8, 16, 32)

    def __init__(self, session: Session, *, input_side_px: int = 320, min_score: float = 0.6) -> None:
        self._session = session
        self._side = input_side_px
        self._min_score = min_score

    def detect(self, image_rgb: NDArray[np.uint8]) -> tuple[DetectedFace, ...]:
        """Find faces, best score first; see :class:`FaceDetector`."""
        tensor, scale = self._prepare(image_rgb)
        outputs = self._session.run(tensor)
        found = [
            self._decode(outputs, level, stride, tensor.shape[2] // stride) for level, stride in enumerate(self.STRIDES)
        ]
        boxes, points, scores = (np.concatenate(part) for part in zip(*found, strict=True))
        # The model's order: right eye, left eye, nose tip, right and left mouth corner.
        points = np.concatenate([points[:, :3], points[:, 3:].mean(axis=1, keepdims=True)], axis=1)
        return _as_faces(boxes * scale, points * scale, scores)

    def _prepare(self, image_rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
        height, width = image_rgb.shape[:2]
        scale = max(height, width) / self._side
        small = cv2.resize(
            image_rgb, (max(1, round(width / scale)), max(1, round(height / scale))), interpolation=cv2.INTER_AREA
        )
        stride = self.STRIDES[-1]
        bottom, right = -small.shape[0] % stride, -small.shape[1] % stride
        padded = cv2.copyMakeBorder(small, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        return padded[None], scale

    def _decode(self, outputs: tuple[F32, ...], level: int, stride: int, columns: int) -> tuple[F64, F64, F64]:
        cls, objectness, box, key = (outputs[level + 3 * kind][0] for kind in range(4))
        score = np.sqrt(np.clip(cls[:, 0], 0, 1) * np.clip(objectness[:, 0], 0, 1))
        kept = np.flatnonzero(score >= self._min_score)
        cell = np.stack([kept % columns, kept // columns], axis=1).astype(np.float64)
        centre = (cell + box[kept, :2]) * stride
        half = np.exp(box[kept, 2:]) * (stride / 2)
        points = (key[kept].reshape(-1, 5, 2) + cell[:, None]) * stride
        return np.hstack([centre - half, centre + half]), points, score[kept].astype(np.float64)


class BlazeFace:
    """BlazeFace on the letterboxed picture.

    Parameters
    ----------
    session
        The ``blazeface_short`` or ``blazeface_full`` model.
    input_side_px
        128 for the short range model, 192 for the full range one.
    min_score
        Detections below this are dropped.
    """

    # Input side -> (cells per side, anchors per cell) of each level, as in the models' graph definitions.
    GRIDS: ClassVar = {128: ((16, 2), (8, 6)), 192: ((48, 1),)}

    def __init__(self, session: Session, *, input_side_px: int, min_score: float = 0.5) -> None:
        self._session = session
        self._side = input_side_px
        self._min_score = min_score
        self._anchors = np.concatenate(
            [np.repeat(_cell_centres(cells), per_cell, axis=0) for cells, per_cell in self.GRIDS[input_side_px]]
        )

    def detect(self, image_rgb: NDArray[np.uint8]) -> tuple[DetectedFace, ...]:
        """Find faces, best score first; see :class:`FaceDetector`."""
        height, width = image_rgb.shape[:2]
        scale = max(height, width) / self._side
        offset = np.array([self._side - width / scale, self._side - height / scale]) / 2
        matrix = np.array([[1 / scale, 0, offset[0]], [0, 1 / scale, offset[1]]])
        box = cv2.warpAffine(image_rgb, matrix, (self._side, self._side), flags=cv2.INTER_AREA)
        regressed, logits = self._session.run(box[None])
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits[0, :, 0].astype(np.float64), -80, 80)))
        kept = scores >= self._min_score
        raw = regressed[0, kept].astype(np.float64).reshape(-1, 8, 2)
        centre = self._anchors[kept][:, None] * self._side
        points = (raw[:, 2:] + centre - offset) * scale
        middle = raw[:, 0] + centre[:, 0] - offset
        half = raw[:, 1] / 2
        boxes = np.hstack([middle - half, middle + half]) * scale
        return _as_faces(boxes, points[:, :4], scores[kept])


def _cell_centres(cells: int) -> F64:
    """Centres of a square grid in units of its side [shape=(cells * cells, 2)], row by row."""
    row, column = np.divmod(np.arange(cells * cells), cells)
    return (np.stack([column, row], axis=1) + 0.5) / cells


def suppress_overlaps(boxes_xyxy: F64, scores: F64, limit: float = OVERLAP_LIMIT) -> NDArray[np.intp]:
    """Indices of the boxes kept, best score first, so that no two overlap by more than `limit` (IoU).

    Parameters
    ----------
    boxes_xyxy : float64 [shape=(n, 4)]
    scores : float64 [shape=(n,)]
    limit : float in [0, 1]
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    overlap = overlap_matrix(boxes_xyxy, boxes_xyxy)
    for i in order:
        if not kept or overlap[i, kept].max() <= limit:
            kept.append(int(i))
    return np.asarray(kept, dtype=np.intp)


def overlap_matrix(a_xyxy: F64, b_xyxy: F64) -> F64:
    """Intersection over union of every box of `a` with every box of `b` [shape=(n, m)]."""
    low = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    high = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    area_a, area_b = (np.prod(np.clip(x[:, 2:] - x[:, :2], 0, None), axis=1) for x in (a_xyxy, b_xyxy))
    union = area_a[:, None] + area_b[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def _as_faces(boxes: F64, points: F64, scores: F64) -> tuple[DetectedFace, ...]:
    kept = suppress_overlaps(boxes, scores)
    return tuple(
        DetectedFace(bbox_xyxy_px=boxes[i], keypoints_px=points[i], detection_score=float(scores[i])) for i in kept
    )

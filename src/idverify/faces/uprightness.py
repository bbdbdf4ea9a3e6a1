"""Which way up a picture is: its faces say so.

Goal: recorders that save upside down, and photos that lost their orientation tag. Detector and mesh were trained on
upright faces: in a face that lies or stands on its head they see another one, mouth for eyes, and are nearly as sure of
it. So a picture is asked in all four turns, and the one with the surest face is upright. A face that is found surely,
and level, needs no such question.

Conventions: a turn is clockwise, in degrees; turning the picture by it sets the faces upright.

Public items: :func:`find_turn`, :func:`is_surely_upright`, :func:`turn_scores`, :func:`turned`,
:func:`levelled`, :data:`TURNS_DEG`.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.faces.detection import DetectedFace, FaceDetector
from idverify.faces.landmarks import FaceMesh, head_pose_deg, region_of_detection, region_of_points

__all__ = ["TURNS_DEG", "find_turn", "is_surely_upright", "levelled", "turn_scores", "turned"]

F64 = NDArray[np.float64]

TURNS_DEG = (0, 90, 180, 270)
# A face found with this score, presence and roll stands upright: of 1,068 faces found with wrong landmarks in turned
# photos none did, of 176 upright ones all (``benchmarks/accuracy/turned_pictures.py``).
_SURE_SCORE, _SURE_PRESENCE, _SURE_ROLL_DEG = 0.88, 0.98, 15.0
# By how much the surest face of another turn must be surer than that of the picture as it is.
_LEAD = 0.05
# Less sure than this, a face in a turned picture is none.
_MIN_SCORE = 0.5


def turned(image: NDArray[np.uint8], turn_deg: int) -> NDArray[np.uint8]:
    """Turn a picture clockwise by a multiple of 90 degrees."""
    return np.ascontiguousarray(np.rot90(image, -(turn_deg // 90)))


def is_surely_upright(image_rgb: NDArray[np.uint8], faces: Sequence[DetectedFace], mesh: FaceMesh) -> bool:
    """Whether the first of the faces found in a picture leaves no doubt about which way up it is."""
    if not faces or faces[0].detection_score < _SURE_SCORE:
        return False
    presence, roll_deg = _presence_and_roll(image_rgb, faces[0], mesh)
    return presence >= _SURE_PRESENCE and abs(roll_deg) <= _SURE_ROLL_DEG


def _presence_and_roll(image_rgb: NDArray[np.uint8], face: DetectedFace, mesh: FaceMesh) -> tuple[float, float]:
    """The lesser presence of two fits, the second centred by the first, and the roll that it sees."""
    points, first = mesh.fit(image_rgb, [region_of_detection(face)])
    points, second = mesh.fit(image_rgb, [region_of_points(points[0])])
    return float(min(first[0], second[0])), float(head_pose_deg(points[0])[2])


def turn_scores(image_rgb: NDArray[np.uint8], detector: FaceDetector, mesh: FaceMesh) -> F64:
    """How sure a face is in each turn of a picture: detection score times presence, 0 without one [shape=(4,)]."""
    scores = np.zeros(len(TURNS_DEG))
    for k, turn_deg in enumerate(TURNS_DEG):
        image = turned(image_rgb, turn_deg)
        faces = detector.detect(image)
        if faces:
            scores[k] = faces[0].detection_score * _presence_and_roll(image, faces[0], mesh)[0]
    return scores


def find_turn(scores: F64) -> int:
    """The turn that sets faces upright, from the scores of some looks [shape=(n, 4)]; 0 where none is clear."""
    told = scores[scores.max(axis=1) > 0]
    if not len(told):
        return 0
    mean = told.mean(axis=0)
    best = int(np.argmax(mean))
    return TURNS_DEG[best] if mean[best] >= max(_MIN_SCORE, mean[0] + _LEAD) else 0


def levelled(image_rgb: NDArray[np.uint8], roll_deg: float) -> NDArray[np.uint8]:
    """Turn a picture so that a face of this roll stands level; it grows by what the turn takes."""
    height, width = image_rgb.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), roll_deg, 1.0)
    size = np.abs(matrix[:, :2]) @ np.array([width, height])
    wide, high = (int(np.ceil(side)) for side in size)
    matrix[:, 2] += np.array([wide - width, high - height]) / 2
    level = cv2.warpAffine(image_rgb, matrix, (wide, high), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(level, np.uint8)

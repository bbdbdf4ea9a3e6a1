"""Which way up a picture is: its faces say so.

Goal: recorders that save upside down, and photos that lost their orientation tag. Detector and mesh were trained on
upright faces: in a face that lies or stands on its head they see another one, mouth for eyes, and are nearly as sure of
it. So a picture is asked in several turns, and the one with the surest face is upright: recordings in four, photos, in
which a head may lie at any angle, in eight. A face that is found surely, level, and surer than on its head, needs no
such question.

Conventions: a turn is clockwise, in degrees; turning the picture by it sets the faces upright.

Public items: :func:`is_surely_upright`, :func:`shows_upright_face`, :func:`turn_scores`, :func:`find_turn`,
:func:`sure_turn`, :func:`turned`, :data:`QUARTERS_DEG`, :data:`EIGHTHS_DEG`.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.faces.detection import DetectedFace, FaceDetector
from idverify.faces.landmarks import FaceMesh, head_pose_deg, region_of_detection, region_of_points

__all__ = [
    "EIGHTHS_DEG",
    "QUARTERS_DEG",
    "find_turn",
    "is_surely_upright",
    "shows_upright_face",
    "sure_turn",
    "turn_scores",
    "turned",
]

F64 = NDArray[np.float64]

QUARTERS_DEG = (0, 90, 180, 270)
EIGHTHS_DEG = (0, 45, 90, 135, 180, 225, 270, 315)
# A face found with this score, presence and roll stands upright; ``benchmarks/accuracy/turned_pictures.py`` counts the
# faces found in turned photos with wrong landmarks that would pass for one.
_SURE_SCORE, _SURE_PRESENCE, _SURE_ROLL_DEG = 0.9, 0.98, 12.0
# By how much the surest face of another turn must be surer than that of the picture as it is; less between eighths,
# where the head may lie half-way between two turns.
_LEAD, _LEAD_OF_EIGHTHS = 0.05, 0.02
# So many pictures of one recording that all say the same need less of a lead each.
_MANY, _LEAD_OF_MANY = 6, 0.02
# Less sure than this, a face in a turned picture is none.
_MIN_SCORE = 0.5


def turned(image: NDArray[np.uint8], turn_deg: float) -> NDArray[np.uint8]:
    """Turn a picture clockwise; by other than quarters it grows by what the turn takes, its edges repeated."""
    if turn_deg % 90 == 0:
        return np.ascontiguousarray(np.rot90(image, -int(turn_deg // 90)))
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -turn_deg, 1.0)
    wide, high = (int(np.ceil(side)) for side in np.abs(matrix[:, :2]) @ np.array([width, height]))
    matrix[:, 2] += np.array([wide - width, high - height]) / 2
    level = cv2.warpAffine(image, matrix, (wide, high), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(level, np.uint8)


def is_surely_upright(
    face: DetectedFace,
    presence: float,
    roll_deg: float,
    image_rgb: NDArray[np.uint8],
    detector: FaceDetector,
    mesh: FaceMesh,
) -> bool:
    """Whether a face that was found in a picture and fitted leaves no doubt about which way up the picture is.

    It is surely found, level, and no face is surer on its head: a beard on its head is much like hair, and may be as
    sure as upright faces are.
    """
    if face.detection_score < _SURE_SCORE or presence < _SURE_PRESENCE or abs(roll_deg) > _SURE_ROLL_DEG:
        return False
    return face.detection_score * presence > float(turn_scores(image_rgb, detector, mesh, (180,))[0])


def shows_upright_face(image_rgb: NDArray[np.uint8], detector: FaceDetector, mesh: FaceMesh) -> bool:
    """Whether the surest face of a picture is surely upright."""
    faces = detector.detect(image_rgb)
    if not faces:
        return False
    presence, roll_deg = _presence_and_roll(image_rgb, faces[0], mesh)
    return is_surely_upright(faces[0], presence, roll_deg, image_rgb, detector, mesh)


def sure_turn(image_rgb: NDArray[np.uint8], detector: FaceDetector, mesh: FaceMesh) -> int:
    """The quarter turn after which the surest face of a picture is surely upright; 0 where it is so, or in none."""
    looks = (turn for turn in QUARTERS_DEG if shows_upright_face(turned(image_rgb, turn), detector, mesh))
    return next(looks, 0)


def _presence_and_roll(image_rgb: NDArray[np.uint8], face: DetectedFace, mesh: FaceMesh) -> tuple[float, float]:
    """Presence of a fit that another one centred, and the roll that it sees."""
    points, _ = mesh.fit(image_rgb, [region_of_detection(face)])
    points, presence = mesh.fit(image_rgb, [region_of_points(points[0])])
    return float(presence[0]), float(head_pose_deg(points[0])[2])


def turn_scores(
    image_rgb: NDArray[np.uint8], detector: FaceDetector, mesh: FaceMesh, turns_deg: Sequence[int] = QUARTERS_DEG
) -> F64:
    """How sure a face is in each turn of a picture: detection score times presence, 0 without one [shape=(n,)]."""
    scores = np.zeros(len(turns_deg))
    for k, turn_deg in enumerate(turns_deg):
        image = turned(image_rgb, turn_deg)
        faces = detector.detect(image)
        if faces:
            scores[k] = faces[0].detection_score * _presence_and_roll(image, faces[0], mesh)[0]
    return scores


def find_turn(scores: F64, turns_deg: Sequence[int] = QUARTERS_DEG) -> int:
    """The turn that sets faces upright, from the scores of some looks; 0 where none is clear.

    Parameters
    ----------
    scores : float64 [shape=(looks, turns)]
    turns_deg
        As they were asked, 0 first.
    """
    told = scores[scores.max(axis=1) > 0]
    if not len(told):
        return 0
    mean = told.mean(axis=0)
    best = int(np.argmax(mean))
    lead = _LEAD if len(turns_deg) == len(QUARTERS_DEG) else _LEAD_OF_EIGHTHS
    if len(told) >= _MANY and bool((told[:, best] > told[:, 0]).all()):
        lead = min(lead, _LEAD_OF_MANY)
    return turns_deg[best] if mean[best] >= max(_MIN_SCORE, mean[0] + lead) else 0

"""Faces: pictures in, followed faces with landmarks, upright crops and quality out.

In: RGB arrays. Out: :class:`DetectedFace`, :class:`FaceTrack` with 468 points a face, aligned crops, quality 0..100.
Who a face belongs to, and whether it lives, is asked elsewhere. Models run in the sessions that they are given.
Read :mod:`~idverify.faces.tracking` first; it names the steps in their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from idverify._lazy import lazy_names

if TYPE_CHECKING:
    from idverify.faces.alignment import align
    from idverify.faces.detection import DetectedFace, FaceDetector, YuNet
    from idverify.faces.landmarks import EyeModel, FaceMesh
    from idverify.faces.tracking import FaceObservation, FaceTrack, Tracker

__all__ = [
    "DetectedFace",
    "EyeModel",
    "FaceDetector",
    "FaceMesh",
    "FaceObservation",
    "FaceTrack",
    "Tracker",
    "YuNet",
    "align",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "DetectedFace": "detection",
        "EyeModel": "landmarks",
        "FaceDetector": "detection",
        "FaceMesh": "landmarks",
        "FaceObservation": "tracking",
        "FaceTrack": "tracking",
        "Tracker": "tracking",
        "YuNet": "detection",
        "align": "alignment",
    },
)

"""Third-party model files into ONNX files, once, at ``idverify models pull``.

Goal: run time has one inference engine and one kind of file. Every conversion is a pure function from the bytes of
the original file to the bytes of the ONNX file, and gives the same bytes on every machine, so that their SHA-256
can stand in the manifest.

Public items: :data:`CONVERSIONS`, the conversions by the name that the manifest uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from idverify.conversion import dlib_resnet, mediapipe, sface, yunet

__all__ = ["CONVERSIONS"]

CONVERSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "blazeface": mediapipe.convert_blazeface,
    "face_mesh": mediapipe.convert_face_mesh,
    "iris": mediapipe.convert_iris,
    "yunet": yunet.convert,
    "sface": sface.convert,
    "dlib_resnet": dlib_resnet.convert,
}

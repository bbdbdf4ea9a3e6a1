"""Conversion: the bytes of a third party's model file in, the bytes of an ONNX file out.

In: the original file, once, at ``idverify models pull``. Out: the same bytes on every machine, so that their SHA-256
stands in the manifest, and run time has one engine and one kind of file. Pure functions, without framework or network.
Read :mod:`~idverify.conversion.onnx_file` first, then one of the converters; :data:`CONVERSIONS` names them.
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
    "sface_eight_bit": sface.convert_eight_bit,
    "dlib_resnet": dlib_resnet.convert,
}

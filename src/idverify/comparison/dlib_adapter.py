"""The `face_recognition` package (dlib) behind the extractor protocol, for those who have it installed (extra
``dlib``).

It runs the same network as :class:`~idverify.comparison.features.DlibExtractor`, which needs neither dlib nor a
compiler and is many times faster; this adapter is for comparing the two.

Public items: :class:`FaceRecognitionExtractor`.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from idverify.errors import ModelError
from idverify.faces.alignment import DLIB

__all__ = ["FaceRecognitionExtractor"]


class FaceEncoder(Protocol):
    """What dlib calls ``face_recognition_model_v1``."""

    def compute_face_descriptor(self, chip: NDArray[np.uint8]) -> Any:
        """The 128 numbers of a 150 x 150 RGB chip."""


class FaceRecognitionExtractor:
    """Feature vectors by dlib itself.

    Parameters
    ----------
    encoder
        A dlib face recognition model; the one that `face_recognition` loads by default.

    Raises
    ------
    ModelError
        `face_recognition` is not installed or cannot load its models.
    """

    name = "face_recognition"
    canonical = DLIB

    def __init__(self, encoder: FaceEncoder | None = None) -> None:
        self._encoder = encoder if encoder is not None else _installed_encoder()

    def extract(self, chips_rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit feature vectors; see :class:`~idverify.comparison.features.Extractor`."""
        if not len(chips_rgb):
            return np.empty((0, 128), np.float32)
        rows = [np.asarray(self._encoder.compute_face_descriptor(np.ascontiguousarray(chip))) for chip in chips_rgb]
        vectors = np.stack(rows)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _installed_encoder() -> FaceEncoder:
    try:
        from face_recognition.api import face_encoder
    # The package calls quit() where its model package cannot be imported.
    except (ImportError, SystemExit) as error:
        raise ModelError(
            "the face_recognition package is not usable here; pip install face-recognition 'setuptools<81'"
        ) from error
    encoder: FaceEncoder = face_encoder
    return encoder

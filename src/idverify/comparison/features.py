"""Aligned faces in, :class:`Template` out.

Two extractors that fail on different faces are fused: SFace (mean of the crop and its mirror image; of many faces of
one person every other one in the mirror, by its twin with eight-bit layers; less what all faces, and all of a group or
a camera, share: :mod:`idverify.comparison.balance`) and, with a small weight, the dlib ResNet. Each gives vectors of
about unit length, so that the scalar product of two is about a cosine; a template holds both, scaled so that its own
scalar product is the weighted mean of the two.

Sources: Zhong et al. 2021, "SFace: Sigmoid-Constrained Hypersphere Loss", doi:10.1109/TIP.2020.3048632; D. King, dlib
``dnn_face_recognition_ex``.

Public items: :class:`Template`, :class:`Extractor`, :class:`SFaceExtractor`, :class:`DlibExtractor`,
:class:`FusedExtractor`, :func:`sface_features`, :func:`glanced`, :func:`pool`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from idverify.comparison.balance import Balance
from idverify.faces.alignment import DLIB, SFACE, CanonicalPoints, align
from idverify.models.session import Session

__all__ = [
    "DlibExtractor",
    "Extractor",
    "FusedExtractor",
    "SFaceExtractor",
    "Template",
    "glanced",
    "pool",
    "sface_features",
]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# Weight of each cosine in the fused similarity. dlib's lie within a few hundredths of each other and rise with group
# and age: so much of it helps to tell strangers of different groups apart, more makes those of one group alike
# (benchmarks/accuracy/comparison_tries.py prints the neighbours).
SFACE_WEIGHT, DLIB_WEIGHT = 0.75, 0.25

# From this many faces of one person on, a mirror image of each brings nothing that the others do not, and what whole
# numbers of eight bits lose of each is lost in their mean.
POOLED_FROM = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Biometric features of one person, from one photo or pooled over frames.

    Parameters
    ----------
    vector : float64 [shape=(d,)], read-only
        Compare two by their scalar product.
    n_faces
        How many faces it was pooled from.
    """

    vector: F64 = field(repr=False)
    n_faces: int

    def __post_init__(self) -> None:
        self.vector.flags.writeable = False


class Extractor(Protocol):
    """Turns aligned crops of one network into vectors of about unit length."""

    name: str
    canonical: CanonicalPoints

    def extract(self, chips_rgb: NDArray[np.uint8]) -> F32:
        """Feature vectors.

        Parameters
        ----------
        chips_rgb : uint8 [shape=(n, size, size, 3)]
            Aligned with ``canonical``.

        Returns
        -------
        float32 [shape=(n, d)]
        """


def _unit(vectors: NDArray[np.floating]) -> F32:
    norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norm, 1e-12), dtype=np.float32)


class SFaceExtractor:
    """SFace, 112 x 112 RGB; crop and mirrored crop averaged, what faces share taken off.

    Many faces at once are taken to be one person's, to be pooled: then every other one is looked at in the mirror, and
    all of them with the quick model.

    Parameters
    ----------
    session
        The ``sface`` model.
    balance
        Of the averaged vectors.
    quick
        About the same in half the time: ``sface_eight_bit``.
    """

    name = "sface"
    canonical = SFACE

    def __init__(self, session: Session, balance: Balance, *, quick: Session) -> None:
        self.session = session
        self._balance = balance
        self.quick = quick

    def extract(self, chips_rgb: NDArray[np.uint8]) -> F32:
        """See :class:`Extractor`."""
        if len(chips_rgb) >= POOLED_FROM:
            return self._balance.apply(_half_mirrored(self.quick, chips_rgb))
        return self._balance.apply(sface_features(self.session, chips_rgb))


def sface_features(session: Session, chips_rgb: NDArray[np.uint8]) -> F32:
    """Averaged vectors of faces and their mirror images, with the length that the network gave them.

    Parameters
    ----------
    session
        The ``sface`` model.
    chips_rgb : uint8 [shape=(n, 112, 112, 3)]

    Returns
    -------
    float32 [shape=(n, 128)]
    """
    if not len(chips_rgb):
        return np.empty((0, 128), np.float32)
    both = session.run(np.concatenate([chips_rgb, chips_rgb[:, :, ::-1]]))[0]
    straight, turned = np.split(_unit(both), 2)
    lengths = np.linalg.norm(both, axis=1).reshape(2, -1, 1)
    return np.asarray(_unit(straight + turned) * np.sqrt(lengths[0] * lengths[1]), np.float32)


def _half_mirrored(session: Session, chips_rgb: NDArray[np.uint8]) -> F32:
    """Vectors of faces of one person whose mean is wanted: every other one in the mirror, at half the price.

    Parameters
    ----------
    session
        The ``sface`` model, or the quick one.
    chips_rgb : uint8 [shape=(n, 112, 112, 3)], n > 0

    Returns
    -------
    float32 [shape=(n, 128)]
    """
    turn = (np.arange(len(chips_rgb)) % 2 == 1)[:, None, None, None]
    return session.run(np.where(turn, chips_rgb[:, :, ::-1], chips_rgb))[0]


class DlibExtractor:
    """The dlib ResNet, 150 x 150 RGB.

    dlib itself compares raw vectors by distance; their lengths hardly differ, and the cosine is what fuses with SFace.
    """

    name = "dlib_resnet"
    canonical = DLIB

    def __init__(self, session: Session) -> None:
        self._session = session

    def extract(self, chips_rgb: NDArray[np.uint8]) -> F32:
        """See :class:`Extractor`."""
        if not len(chips_rgb):
            return np.empty((0, 128), np.float32)
        return _unit(self._session.run(chips_rgb)[0])


class FusedExtractor:
    """Both networks as one."""

    def __init__(self, sface: Extractor, dlib: Extractor) -> None:
        self.parts = ((sface, SFACE_WEIGHT), (dlib, DLIB_WEIGHT))

    def extract(self, images_rgb: list[NDArray[np.uint8]], points_px: NDArray[np.float32]) -> F64:
        """Fused vectors of n faces, each of about unit length.

        Parameters
        ----------
        images_rgb : n pictures, uint8 [shape=(h, w, 3)]
        points_px : float32 [shape=(n, 468, 3)]
            Mesh of the face in each picture's own pixels.

        Returns
        -------
        float64 [shape=(n, d)]
        """
        parts = [
            np.sqrt(weight) * extractor.extract(align(images_rgb, points_px, extractor.canonical)).astype(np.float64)
            for extractor, weight in self.parts
        ]
        return np.concatenate(parts, axis=1)

    def glance(self, images_rgb: list[NDArray[np.uint8]], points_px: NDArray[np.float32]) -> F64:
        """Unit vectors of n faces by the fastest network alone: enough to see who needs a second look.

        Parameters
        ----------
        images_rgb, points_px
            As in :meth:`extract`.

        Returns
        -------
        float64 [shape=(n, d)]
        """
        fastest, _ = self.parts[-1]
        return fastest.extract(align(images_rgb, points_px, fastest.canonical)).astype(np.float64)


def glanced(vectors: F64, n_components: int) -> F64:
    """What :meth:`FusedExtractor.glance` gives, cut out of fused vectors [shape=(n, n_components)]."""
    part = vectors[:, -n_components:]
    return np.asarray(part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12))


def pool(vectors: F64, weights: F64) -> Template:
    """One template from n faces of one person: the weighted mean of their vectors.

    It is not brought back to unit length: so its similarity to a reference is the mean of the faces' own
    similarities, and what was calibrated on single photos holds for it. (Brought back to unit length, strangers would
    score higher the more faces are pooled.)

    Parameters
    ----------
    vectors : float64 [shape=(n, d)]
        From :class:`FusedExtractor`.
    weights : float64 > 0 [shape=(n,)]
    """
    return Template(vector=np.asarray(weights @ vectors / weights.sum()), n_faces=len(vectors))

"""Photos and pairs of the benchmarks of comparison: LFW, UTKFace by group and padding, stage photos of one look.

Features are those of both networks, 128 each, SFace's with the length that it gives them: what is balanced and with
what weight is for who compares them. The subject of a photo is the face nearest to its centre.
"""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.comparison.balance import Balance
from idverify.comparison.features import SFACE_WEIGHT, DlibExtractor, SFaceExtractor, sface_features
from idverify.faces.alignment import align
from idverify.faces.tracking import FaceObservation
from idverify.metrics import wilson
from idverify.verification.enrolment import FaceModels, fit_face, search_faces
from idverify.verification.model_set import ModelSet

F64 = NDArray[np.float64]
HERE = Path(__file__).parent
TARGETS = (1e-3, 1e-4, 1e-5, 1e-6)
GROUPS = tuple(f"{group} {sex}" for group in ("White", "Black", "Asian", "Indian") for sex in ("men", "women"))
ADULT = (18, 70)
PADDINGS = {"edge": "repeated edge", "black": "black"}
# Photos of one photo differ by their coding and crop alone.
SAME_PHOTO = 0.9

# One person under two names, or one photo under two names (both photos looked at); their comparisons are of neither
# class.
SAME_PERSON = (
    ("Bart_Hendricks", "Ricky_Ray"),
    ("Cristina_Fernandez", "Cristina_Kirchner"),
    ("Felipe_De_Borbon", "Prince_Felipe"),
    ("Jason_Kapono", "Ray_Young"),
    ("John_Gruden", "Jon_Gruden"),
    ("Joseph_Blatter", "Sepp_Blatter"),
    ("Mireya_Elisa_Moscoso_Rodriguez", "Mireya_Moscoso"),
    ("Shinya_Taniguchi", "Takahiro_Mori"),
    ("Talisa_Bratt", "Talisa_Soto"),
)


def is_test(person: str) -> bool:
    return int(hashlib.sha256(f"fit or test: {person}".encode()).hexdigest(), 16) % 2 == 1


# -- features ----------------------------------------------------------------------------------------------------------


def subject_of(photo: NDArray[np.uint8], models: FaceModels) -> FaceObservation | None:
    """The face nearest to a photo's centre; None where it is not usable."""
    centre = np.array(photo.shape[1::-1]) / 2
    found = sorted(
        search_faces(photo, models.detectors),
        key=lambda f: float(np.linalg.norm(f.bbox_xyxy_px.reshape(2, 2).mean(axis=0) - centre)),
    )
    return fit_face(photo, found[0], models.mesh) if found else None


class Features:
    """Both networks' vectors of a photo's subject, nothing taken off; SFace's by its quick model where asked."""

    def __init__(self, *, quick: bool = False) -> None:
        cv2.setNumThreads(1)
        self._models = ModelSet().face_models
        (sface, _), (dlib, _) = self._models.extractor.parts
        assert isinstance(sface, SFaceExtractor)
        assert isinstance(dlib, DlibExtractor)
        self._sface, self._dlib = sface, dlib
        self._session = sface.quick if quick else sface.session

    def of(self, photo: NDArray[np.uint8]) -> tuple[FaceObservation, NDArray[np.float32]] | None:
        """The face and its vector [shape=(256,)]; None where no face is usable."""
        if (face := subject_of(photo, self._models)) is None:
            return None
        ours, dlibs = (align([photo], face.points_px[None], each.canonical) for each in (self._sface, self._dlib))
        return face, np.concatenate([sface_features(self._session, ours)[0], self._dlib.extract(dlibs)[0]])


# -- sets --------------------------------------------------------------------------------------------------------------


class Comparisons:
    """All pairs of photos, as flat arrays over the upper triangle."""

    def __init__(self, names: NDArray[Any]) -> None:
        people = np.array([n.split("/")[0] for n in names])
        alias = {b: a for a, b in SAME_PERSON}
        _, self.person = np.unique(people, return_inverse=True)
        self.name = np.array([alias.get(p, p) for p in people])
        _, self.really = np.unique(self.name, return_inverse=True)
        self.test = np.array([is_test(p) for p in people])
        self.i, self.j = np.triu_indices(len(names), 1)
        self.mated = self.person[self.i] == self.person[self.j]
        self.non_mated = self.really[self.i] != self.really[self.j]

    def counts(self, half: NDArray[np.bool_]) -> dict[str, int]:
        return {"people": len(np.unique(self.person[half])), "photos": int(half.sum())}


class Portraits:
    """UTKFace in one padding: adults of the eight groups, and all their pairs."""

    def __init__(self, names: NDArray[Any], vectors: F64, padding: str) -> None:
        own = np.char.startswith(names, f"utkface-{padding}/")
        files = np.array([n.partition("/")[2] for n in names[own]])
        fields = np.array([f.split("_")[:3] for f in files]).astype(int)
        age, sex, group = fields.T
        self.adult = (age >= ADULT[0]) & (age <= ADULT[1])
        self.age = age
        self.group = np.where(group < 4, 2 * group + sex, -1)
        self.files, self.vectors = files, vectors[own].astype(np.float64)
        self.test = np.array([is_test(f) for f in files])
        self.name, self._undecided = _same_person(files)
        _, self.person = np.unique(self.name, return_inverse=True)

    def pairs(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
        """Pairs of different photos as positions in `rows`, and which of them are known to be of two people."""
        i, j = np.triu_indices(len(rows), 1)
        raw = unit(self.vectors[rows, :128])
        photo = (raw @ raw.T)[i, j] < SAME_PHOTO
        i, j = i[photo], j[photo]
        two = self.person[rows][i] != self.person[rows][j]
        if self._undecided:
            keys = {frozenset(p) for p in self._undecided}
            suspects = np.isin(self.files[rows], [f for p in self._undecided for f in p])
            for k in np.flatnonzero(suspects[i] & suspects[j]):
                two[k] &= frozenset((self.files[rows[i[k]]], self.files[rows[j[k]]])) not in keys
        return i, j, two

    def counts(self, rows: NDArray[np.intp]) -> dict[str, int]:
        return {"people": len(np.unique(self.person[rows])), "photos": len(rows)}


def _same_person(files: NDArray[Any]) -> tuple[NDArray[Any], list[tuple[str, str]]]:
    """A name for the person of each photo as far as known, and pairs of which it is not known."""
    with (HERE / "utkface_same_person.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    people: dict[str, str] = {row["photo"]: row["person"] for row in rows if row["person"].startswith("p")}
    unsure: dict[str, list[str]] = {}
    for row in rows:
        if row["person"].startswith("u"):
            unsure.setdefault(row["person"], []).append(row["photo"])
    return np.array([people.get(f, f) for f in files]), [(a, b) for a, b in unsure.values()]


class Stage:
    """Stage photos of people of one look."""

    def __init__(self, names: NDArray[Any], vectors: F64) -> None:
        own = np.char.startswith(names, "stage/")
        people = np.array([n.split("/")[1] for n in names[own]])
        self.vectors = vectors[own].astype(np.float64)
        _, self.person = np.unique(people, return_inverse=True)
        self.test = np.array([is_test(p) for p in people])

    def scores(self, scores: Any, rows: NDArray[np.bool_]) -> tuple[Any, Any, NDArray[np.intp], NDArray[np.intp]]:
        """Mated and non-mated of the similarities of all with all, in some rows, and whose the non-mated are."""
        own = np.flatnonzero(rows)
        i, j = (own[k] for k in np.triu_indices(len(own), 1))
        s, mated = scores[i, j], self.person[i] == self.person[j]
        return s[mated], s[~mated], i[~mated], j[~mated]

    def counts(self, rows: NDArray[np.bool_]) -> dict[str, int]:
        return {"people": len(np.unique(self.person[rows])), "photos": int(rows.sum())}


def read_sets(lfw: Path, strangers: Path) -> tuple[Comparisons, F64, dict[str, Portraits], Stage]:
    """LFW's pairs and vectors, UTKFace by padding, the stage photos."""
    data, other = np.load(lfw), np.load(strangers)
    names, vectors = other["names"], other["vectors"]
    portraits = {padding: Portraits(names, vectors, padding) for padding in PADDINGS}
    return Comparisons(data["names"]), data["vectors"].astype(np.float64), portraits, Stage(names, vectors)


# -- what is done with them --------------------------------------------------------------------------------------------


def balanced(vectors: F64, balance: Balance, sface_weight: float = SFACE_WEIGHT) -> F64:
    """Templates of raw vectors: SFace balanced, and dlib, with their weights."""
    sface, dlib = balance.apply(vectors[:, :128].astype(np.float64)), unit(vectors[:, 128:].astype(np.float64))
    return np.hstack([np.sqrt(sface_weight) * sface, np.sqrt(1 - sface_weight) * dlib])


def unit(x: F64) -> F64:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def typical_length(vectors: F64) -> float:
    """Geometric mean of the lengths of vectors."""
    return float(np.exp(np.log(np.linalg.norm(vectors, axis=1)).mean()))


def person_mean(vectors: F64, person: NDArray[np.int64]) -> F64:
    """Mean over people of each person's mean, so that the much photographed do not count for more."""
    sums = np.zeros((person.max() + 1, vectors.shape[1]))
    np.add.at(sums, person, vectors)
    n = np.bincount(person)
    return (sums[n > 0] / n[n > 0, None]).mean(axis=0)


def rate(events: NDArray[np.bool_]) -> dict[str, Any]:
    interval = wilson(int(events.sum()), len(events))
    return {
        "value": float(events.mean()),
        "events": int(events.sum()),
        "of": len(events),
        "ci95": [interval.low, interval.high],
    }

"""A photo in, one enrolled face out: detection, landmarks, quality and template of the reference.

Exactly one usable face: none, two of similar size, or a face that quality forbids is a reason, not an exception. A
photo that lies or stands on its head is turned upright, and that is noted.

Public items: :class:`EnrolledFace`, :class:`FaceModels`, :func:`enrol`, :func:`face_quality`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.comparison.features import FusedExtractor, Template, pool
from idverify.faces import quality
from idverify.faces.alignment import align
from idverify.faces.detection import DetectedFace, YuNet
from idverify.faces.landmarks import EyeModel, FaceMesh, inter_eye_distance
from idverify.faces.occlusion import OcclusionModel
from idverify.faces.tracking import MIN_PRESENCE, FaceObservation, observations
from idverify.faces.uprightness import EIGHTHS_DEG, find_turn, is_surely_upright, turn_scores, turned
from idverify.pad.reference_reuse import ReferenceFace
from idverify.reasons import Assessed, NotAssessed, Reason

__all__ = ["EnrolledFace", "FaceModels", "enrol", "face_quality", "fit_face", "search_faces"]

# A second face this large beside the first could be meant as well (ratio of widths).
RIVAL_SIZE = 0.6
# Photos are shrunk to this longer side: a face in a group photo still has enough pixels, and time is bounded.
PHOTO_SIDE_PX = 1600
# Longer side in which the detector looks, from fast to thorough.
SEARCH_SIDES_PX = (320, 640, 1280)
# A photo in which the head tilts by more than this is levelled: up to here landmarks are as true as in upright faces
# (``benchmarks/accuracy/turned_pictures.py``). One whose head still tilts by more than the second is not used.
LEVEL_FROM_DEG, MAX_ROLL_DEG = 25.0, 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceModels:
    """The models that turn pictures into templates."""

    detectors: tuple[YuNet, ...]
    mesh: FaceMesh
    extractor: FusedExtractor
    eyes: EyeModel | None = None
    occlusion: OcclusionModel | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EnrolledFace:
    """The one face of a photo.

    Parameters
    ----------
    template
    quality
        Component -> 0..100.
    n_faces
        Faces found in the photo.
    image_rgb : uint8 [shape=(h, w, 3)]
        The photo as used.
    face
        In pixels of `image_rgb`.
    looks
        As :mod:`idverify.pad.reference_reuse` looks for it in a video.
    notes
        What was met in reading the photo and made of it, one sentence each.
    surely_set_upright
        Whether the photo stayed as it came, or was turned and now shows a face that surely stands upright. Else there
        may be another face in it than was seen, and what does not resemble it is no stranger for that.
    seems_covered
        Whether something seems to lie before eyes or cheeks. It is compared all the same, but what does not resemble it
        is no stranger for that, either.
    """

    template: Template
    quality: Mapping[str, float]
    n_faces: int
    image_rgb: NDArray[np.uint8] = field(repr=False)
    face: FaceObservation = field(repr=False)
    looks: ReferenceFace = field(repr=False)
    notes: tuple[str, ...] = ()
    surely_set_upright: bool = True
    seems_covered: bool = False


# The one face of a photo, or why there is none.
Enrolment = Assessed[EnrolledFace] | NotAssessed


def face_quality(
    images_rgb: Sequence[NDArray[np.uint8]],
    chips_rgb: NDArray[np.uint8],
    faces: Sequence[FaceObservation],
    picture_size_wh: tuple[int, int],
    occlusion: OcclusionModel | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Quality components of n faces, name -> float64 0..100 [shape=(n,)].

    Parameters
    ----------
    images_rgb
        n pictures or crops.
    chips_rgb : uint8 [shape=(n, 96, 96, 3)]
        Their faces, aligned with :data:`idverify.faces.quality.CHIP`.
    faces
        The same faces in full-picture pixels.
    picture_size_wh
        Full picture size.
    occlusion
        Says whether nose and mouth are covered; without it that is not among the components.
    """
    points = np.stack([f.points_px for f in faces])
    measures = quality.measure(
        chips_rgb,
        points,
        picture_size_wh=picture_size_wh,
        inter_eye_px=inter_eye_distance(points),
        pose_deg=np.stack([f.yaw_pitch_roll_deg for f in faces]),
        eyes=np.stack([f.eye_opening for f in faces]),
        surround=np.array([_surround_luma(image) for image in images_rgb]),
    )
    values = quality.components(measures)
    return values if occlusion is None else values | quality.visibility(occlusion.covered(chips_rgb))


def _surround_luma(image_rgb: NDArray[np.uint8]) -> float:
    """Median brightness of the outer eighth of a crop: what is around the face."""
    small = cv2.cvtColor(cv2.resize(image_rgb, (32, 32), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    ring = np.concatenate([small[:4].ravel(), small[:, :4].ravel(), small[:, -4:].ravel()])
    return float(np.median(ring))


def enrol(photo_rgb: NDArray[np.uint8], models: FaceModels, *, notes: tuple[str, ...] = ()) -> Enrolment:
    """Enrol the one face of a photo.

    Parameters
    ----------
    photo_rgb : uint8 [shape=(h, w, 3)]
    models
    notes
        What was met in reading the photo.
    """
    shrink = PHOTO_SIDE_PX / max(photo_rgb.shape[:2])
    if shrink < 1:
        height, width = (max(1, round(side * shrink)) for side in photo_rgb.shape[:2])
        photo_rgb = cv2.resize(photo_rgb, (width, height), interpolation=cv2.INTER_AREA)
    found = _find(photo_rgb, models)
    if isinstance(found, _Found) and not found.surely_upright:
        found = _set_upright(photo_rgb, found, models)
    elif isinstance(found, NotAssessed) and found.reason is Reason.REFERENCE_UNUSABLE:
        turned_photo = _set_upright(photo_rgb, None, models)
        found = turned_photo if isinstance(turned_photo, _Found) else found
    if isinstance(found, NotAssessed):
        return replace(found, notes=notes)
    return _enrolled(found, models, (*notes, *found.notes))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The one face of a photo that was found and fitted, in pixels of that photo."""

    photo_rgb: NDArray[np.uint8]
    face: FaceObservation
    n_faces: int
    surely_upright: bool
    turned: bool = False
    notes: tuple[str, ...] = ()

    @property
    def roll_deg(self) -> float:
        """How far the head tilts."""
        return float(self.face.yaw_pitch_roll_deg[2])


def _find(photo_rgb: NDArray[np.uint8], models: FaceModels) -> _Found | NotAssessed:
    faces = search_faces(photo_rgb, models.detectors)
    if not faces:
        return NotAssessed(reason=Reason.REFERENCE_UNUSABLE, detail="no face was found")
    by_size = sorted(faces, key=lambda f: -f.width_px)
    rivals = [f for f in by_size[1:] if f.width_px >= RIVAL_SIZE * by_size[0].width_px]
    if rivals:
        return NotAssessed(
            reason=Reason.REFERENCE_MULTIPLE_FACES, detail=f"{1 + len(rivals)} faces of similar size were found"
        )
    face = fit_face(photo_rgb, by_size[0], models.mesh, models.eyes)
    if face is None:
        return NotAssessed(reason=Reason.REFERENCE_UNUSABLE, detail="no face landmarks could be fitted")
    roll_deg = float(face.yaw_pitch_roll_deg[2])
    sure = is_surely_upright(by_size[0], face.presence, roll_deg, photo_rgb, models.detectors[0], models.mesh)
    return _Found(photo_rgb=photo_rgb, face=face, n_faces=len(faces), surely_upright=sure)


def _set_upright(photo_rgb: NDArray[np.uint8], found: _Found | None, models: FaceModels) -> _Found | NotAssessed:
    """Turn a photo whose face may not stand upright; `found` is the face of the photo as it is."""
    turns = (_turn_of(photo_rgb, detector, models) for detector in models.detectors)
    turn_deg = next((turn for turn in turns if turn is not None), 0)
    if turn_deg:
        again = _find(turned(photo_rgb, turn_deg), models)
        if isinstance(again, NotAssessed):
            return again
        found = again
    if found is None:
        return NotAssessed(reason=Reason.REFERENCE_UNUSABLE, detail="no face was found")
    by_deg = float(turn_deg)
    if abs(found.roll_deg) > LEVEL_FROM_DEG:
        level = _find(turned(found.photo_rgb, -found.roll_deg), models)
        # A worse fit is no reason to give up the face that was found.
        if isinstance(level, _Found) and abs(level.roll_deg) < abs(found.roll_deg):
            by_deg, found = by_deg - found.roll_deg, level
    if abs(found.roll_deg) > MAX_ROLL_DEG:
        detail = f"the head is tilted by {abs(found.roll_deg):.0f} degrees"
        return NotAssessed(reason=Reason.REFERENCE_ROTATED, detail=detail)
    by_deg = (by_deg + 180) % 360 - 180
    if not round(by_deg):
        return found
    note = f"the photo was turned by {abs(by_deg):.0f} degrees to set its face upright"
    return replace(found, turned=True, notes=(note,))


def _turn_of(photo_rgb: NDArray[np.uint8], detector: YuNet, models: FaceModels) -> int | None:
    """The turn that sets the face upright; None where the detector finds none in any turn."""
    scores = turn_scores(photo_rgb, detector, models.mesh, EIGHTHS_DEG)
    return find_turn(scores[None], EIGHTHS_DEG) if scores.max() > 0 else None


# Closed eyes and shadows make a comparison harder, not meaningless: its score says how much. Sunglasses or the shade of
# a cap between the brows look like a cover below them (two LFW photos in a thousand).
_TOLERATED = frozenset(
    {
        *(Reason.EYES_CLOSED, Reason.UNEVEN_LIGHT, Reason.BACKLIT, Reason.EYES_NOT_VISIBLE),
        *(Reason.FACE_COVERED, Reason.FACE_TOO_FAR, Reason.FACE_TOO_CLOSE),
    }
)


def _enrolled(found: _Found, models: FaceModels, notes: tuple[str, ...]) -> Enrolment:
    photo_rgb, face = found.photo_rgb, found.face
    size = (photo_rgb.shape[1], photo_rgb.shape[0])
    chips = align([photo_rgb], face.points_px[None], quality.CHIP)
    components = face_quality([photo_rgb], chips, [face], size, models.occlusion)
    values = {name: float(v[0]) for name, v in components.items()}
    asked = quality.retry_reasons(values)
    failed = [r for r in asked if r not in _TOLERATED]
    if failed:
        covered = failed[0] is Reason.MOUTH_COVERED
        return NotAssessed(
            reason=Reason.REFERENCE_COVERED if covered else Reason.REFERENCE_UNUSABLE,
            detail=f"quality: {', '.join(r.value for r in failed)}",
            causes=tuple(failed),
            notes=notes,
        )
    vectors = models.extractor.extract([photo_rgb], face.points_px[None])
    template = pool(vectors, np.ones(1))
    return Assessed(
        value=EnrolledFace(
            template=template,
            quality=values,
            n_faces=found.n_faces,
            image_rgb=photo_rgb,
            face=face,
            looks=ReferenceFace.of(photo_rgb, face.points_px),
            notes=notes,
            surely_set_upright=found.surely_upright or not found.turned,
            seems_covered=not {Reason.FACE_COVERED, Reason.EYES_NOT_VISIBLE}.isdisjoint(asked),
        )
    )


def search_faces(photo_rgb: NDArray[np.uint8], detectors: Sequence[YuNet]) -> tuple[DetectedFace, ...]:
    """Faces found by the first detector that finds any, from fast to thorough."""
    for detector in detectors:
        faces = detector.detect(photo_rgb)
        if faces:
            return faces
    return ()


def fit_face(
    photo_rgb: NDArray[np.uint8], found: DetectedFace, mesh: FaceMesh, eyes: EyeModel | None = None
) -> FaceObservation | None:
    """Landmarks of a face that was found; None where there are none."""
    points, presence = mesh.fit_detected(photo_rgb, [found])
    if presence[0] < MIN_PRESENCE:
        return None
    opening = eyes.opening(photo_rgb, points) if eyes else None
    return observations(points, presence, frame_index=0, time_s=0.0, eyes=opening)[0]

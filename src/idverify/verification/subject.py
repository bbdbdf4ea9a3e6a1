"""Who is being verified: tracks in, one :class:`Subject` out, with the faces to compare.

The subject is the person whose face is largest and stays longest. Tracks of one person (the face left the picture and
came back) are joined by their templates. A second face close in size at the same time makes it unclear who is meant;
another person before or after means that the person changed. Bystanders are reported and never compared. Of the good
faces it is drawn which are compared, so that nobody can show another face in just those frames.

Public items: :class:`Subject`, :func:`choose_subject`, :func:`longest_track`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from idverify.comparison.features import FusedExtractor, Template, pool
from idverify.faces import quality
from idverify.faces.alignment import align
from idverify.faces.tracking import FaceTrack, joined
from idverify.pad.identity_continuity import Likenesses, shows_same_person
from idverify.reasons import NotAssessed, Reason
from idverify.verification.acquisition import Candidate, Capture
from idverify.verification.enrolment import RIVAL_SIZE, FaceModels, face_quality
from idverify.verification.witnesses import is_facing, likenesses

__all__ = ["Subject", "choose_subject", "longest_track"]

F64 = NDArray[np.float64]

# Faces compared at most; more bring less than 1 % of the similarity of the last one.
MAX_COMPARED = 6
# A face counts as present from this many analysed frames on; fewer are false alarms.
MIN_OBSERVATIONS = 4
# A face of half the typical quality or less is still drawn with this share of the others' chance: who shows the best
# faces must not decide which are compared.
LEAST_CHANCE = 0.5
# Faces whose eyes are looked at closely; with people blinking for a tenth of the time, four see open eyes.
EYE_LOOKS = 4
# A face that moves by its own height in a second is blurred by any phone's exposure in a room (1/30 s is 3 % of a
# face).
FAST_FACES_PER_S = 1.0
# Another face may share or take this part of the subject's frames without being meant.
RIVAL_SHARE = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The person being verified.

    Parameters
    ----------
    track
        The longest track of the person; liveness is judged on it.
    compared
        The faces that are compared, in time order, all of them in `track`.
    vectors : float64 [shape=(n, d)]
        Their features.
    template
        Pooled, weighted by quality.
    quality
        Component -> median over the compared faces, 0..100.
    likenesses
        How alike the compared faces are, and those that look least like them: whether one person is there throughout.
    coverage
        Share of the analysed frames in which the subject was followed.
    bystanders
        Other faces that were followed.
    problems
        What keeps the subject from being judged, as values.
    handicaps
        What made the faces of the track hard to judge, most useful advice first.
    scarcity
        Why most of the faces that are not good enough to compare are not; None where all are.
    """

    track: FaceTrack
    compared: tuple[Candidate, ...]
    vectors: F64 = field(repr=False)
    template: Template
    quality: dict[str, float]
    likenesses: Likenesses = field(repr=False)
    coverage: float
    bystanders: int
    problems: tuple[NotAssessed, ...]
    handicaps: tuple[Reason, ...] = ()
    scarcity: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """Faces of one track worth comparing, with what they scored.

    `typical` is the median over all its faces, `scarcity` what keeps most of the others from being compared.
    """

    faces: tuple[Candidate, ...]
    vectors: F64
    weights: F64
    quality: dict[str, F64]
    typical: dict[str, float]
    scarcity: Reason | None


def longest_track(capture: Capture) -> FaceTrack | None:
    """The track of the face that is largest and stays longest, which is the subject's; None where there is no face."""
    return max(_lasting(capture), key=lambda t: float(_heights(t).sum()), default=None)


def _lasting(capture: Capture) -> list[FaceTrack]:
    return [t for t in capture.tracks.values() if len(t) >= MIN_OBSERVATIONS]


def choose_subject(capture: Capture, models: FaceModels) -> Subject | NotAssessed:
    """Find the subject of a recording.

    Returns
    -------
    The subject, or why there is none to judge.
    """
    track = longest_track(capture)
    if track is None:
        return NotAssessed(reason=Reason.NO_FACE, detail=f"no face in {capture.n_analysed} analysed frames")
    tracks = _lasting(capture)
    extractor = models.extractor
    rng = np.random.default_rng([capture.seed, 1])
    chosen = _faces(capture, track, models, MAX_COMPARED, rng)
    if isinstance(chosen, NotAssessed):
        return chosen
    template = pool(chosen.vectors, chosen.weights)
    size = float(np.median(_heights(track)))
    rivals = [t for t in tracks if t is not track and np.median(_heights(t)) >= RIVAL_SIZE * size]
    again, hidden, others = [], [], []
    for rival in rivals:
        same = _is_same_person(capture, rival, template, models, rng)
        if same is True:
            again.append(rival)
        # A face that cannot be compared, before or after, is nobody else's for that. Beside the subject's it is.
        elif isinstance(same, NotAssessed) and not _together(track, [rival]):
            hidden.append((rival, same))
        else:
            others.append(rival)
    hiding = _hiding_problems(track, hidden)
    own = len(track) + sum(map(len, again)) + (sum(len(rival) for rival, _ in hidden) if hiding else 0)
    problems = [*_rival_problems(track, others), *hiding, *_eye_problems(chosen.faces, models)]
    return Subject(
        track=track,
        compared=chosen.faces,
        vectors=chosen.vectors,
        template=template,
        quality={name: float(np.median(v)) for name, v in chosen.quality.items()},
        likenesses=_likenesses(capture, track, chosen, extractor, rng),
        coverage=own / max(capture.n_analysed, 1),
        bystanders=len([t for t in tracks if t is not track and (t in others or t not in rivals)]),
        problems=tuple(problems),
        handicaps=quality.handicaps(chosen.typical),
        scarcity=chosen.scarcity,
    )


def _likenesses(
    capture: Capture, track: FaceTrack, chosen: _Chosen, extractor: FusedExtractor, rng: np.random.Generator
) -> Likenesses:
    """How alike the faces are that were shown in the subject's place, one after the other, in however few pictures."""
    size, line = float(np.median(_heights(track))), [track]
    taken = track.frame_indices
    for other in capture.tracks.values():
        alone = not np.isin(other.frame_indices, taken).any()
        if other is not track and alone and np.median(_heights(other)) >= RIVAL_SIZE * size:
            line.append(other)
            taken = np.concatenate([taken, other.frame_indices])
    faces = joined(line)
    chips = np.concatenate([capture.chips[t.track_id] for t in line])[np.argsort(taken, kind="stable")]
    compared = np.searchsorted(faces.frame_indices, [c.face.frame_index for c in chosen.faces])
    return likenesses(faces, chips, compared, chosen.vectors, extractor, rng)


def _heights(track: FaceTrack) -> F64:
    return track.bboxes_xyxy_px[:, 3] - track.bboxes_xyxy_px[:, 1]


def _speed(track: FaceTrack) -> float:
    """Median speed of the face in the picture, in face heights per second."""
    centres = track.bboxes_xyxy_px.reshape(-1, 2, 2).mean(axis=1)
    path = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    return float(np.median(path / np.maximum(np.diff(track.times_s), 1e-3)) / np.median(_heights(track)))


def _faces(
    capture: Capture, track: FaceTrack, models: FaceModels, wanted: int, rng: np.random.Generator
) -> _Chosen | NotAssessed:
    """Faces of a track that clear every quality floor, drawn over its time."""
    faces = capture.candidates[track.track_id]
    if not faces:
        return NotAssessed(reason=Reason.NO_FACE, detail="no face could be cropped")
    points, images = np.stack([c.points_px for c in faces]), [c.image_rgb for c in faces]
    chips = align(images, points, quality.CHIP)
    values = face_quality(images, chips, [c.face for c in faces], faces[0].picture_wh, models.occlusion)
    rows = [{name: float(v[k]) for name, v in values.items()} for k in range(len(faces))]
    failures = [quality.retry_reasons(row) for row in rows]
    usable = np.array([not failed for failed in failures])
    scarcity = _commonest([failed[0] for failed in failures if failed], track)
    if scarcity is not None and not usable.any():
        return NotAssessed(reason=scarcity, detail=f"none of {len(faces)} faces was good enough to compare")
    weights = quality.unified_score(values)
    facing = usable & is_facing(np.stack([c.face.yaw_pitch_roll_deg for c in faces]))
    kept = _drawn(np.flatnonzero(facing if facing.sum() >= wanted else usable), weights, wanted, rng)
    return _Chosen(
        faces=tuple(faces[k] for k in kept),
        vectors=models.extractor.extract([images[k] for k in kept], points[kept]),
        weights=weights[kept],
        quality={name: v[kept] for name, v in values.items()},
        typical={name: float(np.median(v)) for name, v in values.items()},
        scarcity=scarcity,
    )


def _commonest(reasons: list[Reason], track: FaceTrack) -> Reason | None:
    commonest = max(dict.fromkeys(reasons), key=reasons.count, default=None)
    fast = commonest is Reason.BLURRY and _speed(track) > FAST_FACES_PER_S
    return Reason.TOO_MUCH_MOVEMENT if fast else commonest


def _drawn(usable: NDArray[np.intp], weights: F64, wanted: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """One of each of `wanted` equal groups of the usable faces in time order, the better ones rather."""
    chance = np.clip(weights / np.median(weights[usable]), LEAST_CHANCE, 1.0)
    groups = np.array_split(usable, min(wanted, len(usable)))
    return np.array([rng.choice(group, p=chance[group] / chance[group].sum()) for group in groups])


def _is_same_person(
    capture: Capture, track: FaceTrack, template: Template, models: FaceModels, rng: np.random.Generator
) -> bool | NotAssessed:
    """Whether another track shows the subject again, or why it cannot be told."""
    chosen = _faces(capture, track, models, 3, rng)
    if isinstance(chosen, NotAssessed):
        return chosen
    return shows_same_person(float(pool(chosen.vectors, chosen.weights).vector @ template.vector))


def _rival_problems(track: FaceTrack, others: list[FaceTrack]) -> list[NotAssessed]:
    if not others:
        return []
    together, apart = _together(track, others), _apart(track, others)
    found = []
    if together >= RIVAL_SHARE:
        detail = f"another face of similar size is in {together:.0%} of the subject's frames"
        found.append(NotAssessed(reason=Reason.MULTIPLE_FACES, detail=detail))
    if apart >= RIVAL_SHARE:
        detail = f"another person is shown for {apart:.0%} of the subject's time, before or after"
        found.append(NotAssessed(reason=Reason.PERSON_CHANGED, detail=detail))
    return found


def _together(track: FaceTrack, others: list[FaceTrack]) -> float:
    """Share of the subject's frames that others share."""
    return float(np.isin(track.frame_indices, np.concatenate([t.frame_indices for t in others])).mean())


def _apart(track: FaceTrack, others: list[FaceTrack]) -> float:
    """Frames of others without the subject, over the subject's."""
    theirs = np.concatenate([t.frame_indices for t in others])
    return np.setdiff1d(theirs, track.frame_indices).size / len(track)


def _hiding_problems(track: FaceTrack, hidden: list[tuple[FaceTrack, NotAssessed]]) -> list[NotAssessed]:
    """What kept a face from being compared that was shown in the subject's place."""
    share = _apart(track, [t for t, _ in hidden]) if hidden else 0.0
    if share < RIVAL_SHARE:
        return []
    longest = max(hidden, key=lambda one: len(one[0]))[1]
    detail = f"who is shown for {share:.0%} of the subject's time, before or after, cannot be told: {longest.detail}"
    return [NotAssessed(reason=longest.reason, detail=detail)]


def _eye_problems(faces: tuple[Candidate, ...], models: FaceModels) -> list[NotAssessed]:
    """A face whose eyes are never open may not know what it is used for."""
    if models.eyes is None:
        return []
    looks = faces[:: max(1, len(faces) // EYE_LOOKS)]
    # The first open eye ends the search.
    opening = (float(models.eyes.opening(c.image_rgb, c.points_px[None]).max()) for c in looks)
    if any(width >= quality.EYES_CLOSED_BELOW for width in opening):
        return []
    return [NotAssessed(reason=Reason.EYES_CLOSED, detail=f"both eyes are closed in all of {len(looks)} faces")]


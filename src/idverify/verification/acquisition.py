"""One pass over a recording: frames in, tracks with their signals and the faces worth comparing out.

Every decoded frame is seen once. About :data:`~idverify.pad.evidence.ANALYSIS_RATE_HZ` of them a second are
analysed: faces are followed, the liveness observers of each track look, a small aligned picture of each face is kept,
and of each time slot one face as a crop to be compared. Which one is drawn by a seed that nobody knows beforehand: who
could compute it would show the face to be compared in just those frames. Nothing else is kept.

Sources: Efraimidis & Spirakis 2006, doi:10.1016/j.ipl.2005.11.003: of items that come one after the other, the one with
the largest ``u ** (1 / weight)`` is a draw by weight, and so is the larger of two such winners.

Public items: :class:`Candidate`, :class:`Capture`, :func:`acquire`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.faces import quality
from idverify.faces.alignment import similarity_matrices
from idverify.faces.tracking import FaceObservation, FaceTrack, Tracker, as_track
from idverify.media.frame import Frame
from idverify.media.recording import Recording
from idverify.pad.evidence import AnalysedFrame, TrackObserver
from idverify.pad.fingerprints import FrameFingerprints
from idverify.verification.follower import Follower
from idverify.verification.sampling import FrameSampler

__all__ = ["Candidate", "Capture", "acquire", "working_size"]

# Longer side of the picture in which faces are followed.
WORKING_SIDE_PX = 640
# Crops kept for comparison: the face with its surroundings, this many pixels at most, this many times the face.
CROP_SIDE_PX = 288
CROP_SCALE = 1.7
# Slots per track: when they are full, neighbours merge and slots double in length.
MAX_SLOTS = 24
FIRST_SLOT_S = 0.25
# A face much poorer than the others so far is still drawn with this share of their chance: who shows the best faces
# must not decide which are compared.
LEAST_CHANCE = 0.25
# Seconds between two looks for a face that was lost in pictures that may have turned.
LOOK_PERIOD_S = 0.25

ObserverFactory = Callable[[], TrackObserver]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A face worth comparing.

    Parameters
    ----------
    face
        Where and how it was in the full picture.
    image_rgb : uint8 [shape=(side, side, 3)]
        The face with its surroundings.
    points_px : float32 [shape=(468, 3)]
        Mesh in pixels of `image_rgb`.
    picture_wh
        Size of the full picture: one throughout a track, but not throughout a recording.
    """

    face: FaceObservation
    image_rgb: NDArray[np.uint8] = field(repr=False)
    points_px: NDArray[np.float32] = field(repr=False)
    picture_wh: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What one pass over a recording gave.

    Parameters
    ----------
    size_wh
        Upright size of the first full picture.
    tracks
        Faces followed, by id.
    candidates
        Track id -> faces worth comparing, in time order.
    chips : uint8 [shape=(n, 96, 96, 3)]
        Track id -> the face in every analysed frame of the track, aligned with :data:`idverify.faces.quality.CHIP`.
    seed
        By which the faces are drawn.
    observers
        Track id -> mechanism -> its observer, full of signals.
    n_decoded, n_analysed
        Frames.
    decoded_span_s
        Time of the last decoded frame.
    cuts_s
        Times at which the scene changed at once.
    faces_seen
        Number of faces at each run of the detector.
    """

    size_wh: tuple[int, int]
    tracks: Mapping[int, FaceTrack]
    candidates: Mapping[int, tuple[Candidate, ...]]
    chips: Mapping[int, NDArray[np.uint8]] = field(repr=False)
    seed: int
    observers: Mapping[int, Mapping[str, TrackObserver]]
    n_decoded: int
    n_analysed: int
    decoded_span_s: float
    cuts_s: tuple[float, ...]
    faces_seen: tuple[int, ...]


class _Slots:
    """Draws one face of each time slot; a bounded number of slots whatever the duration."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._length_s = FIRST_SLOT_S
        self._drawn: dict[int, tuple[float, Candidate]] = {}
        self._merits: list[float] = []

    def offer(self, view: AnalysedFrame, face: FaceObservation) -> None:
        slot, luck = int(face.time_s / self._length_s), float(self._rng.random())
        best = self._drawn[slot][0] if slot in self._drawn else -1.0
        # No merit makes more of it.
        if luck <= best:
            return
        merit = _merit(view, face)
        self._merits.append(merit)
        chance = float(np.clip(merit / (np.median(self._merits) + 1e-9), LEAST_CHANCE, 1.0))
        key = luck ** (1.0 / chance)
        if key <= best:
            return
        self._drawn[slot] = key, _crop(view.frame, face)
        if len(self._drawn) > MAX_SLOTS:
            self._length_s *= 2
            merged: dict[int, tuple[float, Candidate]] = {}
            for old, drawn in self._drawn.items():
                kept = merged.get(old // 2)
                if kept is None or kept[0] < drawn[0]:
                    merged[old // 2] = drawn
            self._drawn = merged

    def candidates(self) -> tuple[Candidate, ...]:
        return tuple(self._drawn[slot][1] for slot in sorted(self._drawn))


def _merit(view: AnalysedFrame, face: FaceObservation) -> float:
    """Frontal, open-eyed and sharp, each as a factor; only how it compares with the others matters."""
    left, top, right, bottom = (face.bbox_xyxy_px / view.scale).round().astype(int)
    patch = view.luma[max(top, 0) : bottom, max(left, 0) : right]
    if patch.size < 64:
        return 0.0
    small = cv2.resize(patch, (48, 48), interpolation=cv2.INTER_AREA)
    detail = float(cv2.Laplacian(small, cv2.CV_32F).std()) / (float(small.std()) + 4.0)
    frontal = float(np.prod(np.cos(np.radians(np.clip(face.yaw_pitch_roll_deg[:2], -90, 90))) ** 2))
    eyes = float(np.clip(face.eye_opening.max() / 0.25, 0.3, 1.0))
    return frontal * eyes * detail


def _crop(frame: Frame, face: FaceObservation) -> Candidate:
    low, high = face.bbox_xyxy_px[:2], face.bbox_xyxy_px[2:]
    centre, half = (low + high) / 2, CROP_SCALE * (high - low).max() / 2
    box = np.concatenate([centre - half, centre + half]).round()
    side = int(min(CROP_SIDE_PX, box[2] - box[0]))
    image = frame.crop_rgb((int(box[0]), int(box[1]), int(box[2]), int(box[3])), (side, side))
    points = face.points_px.copy()
    gain = np.float32(side / (box[2] - box[0]))
    points[:, :2] -= box[:2].astype(np.float32)
    return Candidate(face=face, image_rgb=image, points_px=points * gain, picture_wh=frame.size_wh)


def _chip(view: AnalysedFrame, face: FaceObservation) -> NDArray[np.uint8]:
    """The face as :data:`quality.CHIP` has it, from the picture at working size."""
    points = face.points_px / np.float32(view.scale)
    matrix = similarity_matrices(quality.CHIP.source(points[None]), quality.CHIP.target_px)[0]
    size, side = np.array([view.image_rgb.shape[1], view.image_rgb.shape[0]]), quality.CHIP.size_px
    corners = np.array([[0.0, side, side, 0.0], [0.0, 0.0, side, side]])
    there = np.linalg.solve(matrix[:, :2], corners - matrix[:, 2:])
    left, top = np.clip(np.floor(there.min(axis=1)) - 1, 0, size - 2).astype(int)
    right, bottom = np.clip(np.ceil(there.max(axis=1)) + 1, (left + 2, top + 2), size).astype(int)
    image = view.image_rgb[top:bottom, left:right]
    matrix[:, 2] += matrix[:, :2] @ (left, top)
    while np.hypot(*matrix[:, 0]) < 0.5 and min(image.shape[:2]) >= 4:
        # Bilinear sampling skips pixels beyond a factor of two. To halve is quick; the last odd line is left out.
        height, width = image.shape[0] // 2, image.shape[1] // 2
        image = cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
        matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5)
        matrix[:, :2] *= 2
    chip = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(chip, np.uint8)


def working_size(size_wh: tuple[int, int]) -> tuple[tuple[int, int], float]:
    """The size at which faces are followed, and full-picture pixels per pixel of it."""
    scale = max(1.0, max(size_wh) / WORKING_SIDE_PX)
    return (max(1, round(size_wh[0] / scale)), max(1, round(size_wh[1] / scale))), scale


class _Pass:
    """The state of one pass."""

    def __init__(self, tracker: Tracker, factories: Mapping[str, ObserverFactory], seed: int) -> None:
        self.tracker = tracker
        self.factories = factories
        self.rng = np.random.default_rng(seed)
        self.seen: dict[int, list[FaceObservation]] = {}
        self.chips: dict[int, list[NDArray[np.uint8]]] = {}
        self.slots: dict[int, _Slots] = {}
        self.observers: dict[int, dict[str, TrackObserver]] = {}
        self.largest_xyxy: NDArray[np.float64] | None = None
        self._followed: set[int] | None = None
        self._next_look_s = -np.inf

    def analyse(self, frame: Frame, recording: Recording, follower: Follower) -> Frame:
        """Follow the faces into the frame; what else is to be seen of them is seen a little later.

        Returns
        -------
        The frame, or the same in the turn that it was seen in.
        """
        view, followed = self._follow(frame)
        if self._lost_sight({track_id for track_id, _ in followed}, frame.time_s):
            turn_deg = self.tracker.turn_of(view.image_rgb)
            if turn_deg:
                self.tracker.start_over()
                view, followed = self._follow(recording.turn(frame, turn_deg))
                self._followed = {track_id for track_id, _ in followed}
        frame = view.frame
        boxes = [face.bbox_xyxy_px / (*frame.size_wh, *frame.size_wh) for _, face in followed]
        self.largest_xyxy = max(boxes, key=lambda box: box[3] - box[1]) if boxes else None
        if followed:
            follower.give(partial(self._look, view, followed))
        return frame

    def _follow(self, frame: Frame) -> tuple[AnalysedFrame, list[tuple[int, FaceObservation]]]:
        size, scale = working_size(frame.size_wh)
        view = AnalysedFrame(frame=frame, image_rgb=frame.image_rgb(size), luma=frame.luma(size), scale=scale)
        return view, self.tracker.step(
            view.image_rgb, view.luma, scale=scale, frame_index=frame.index, time_s=frame.time_s
        )

    def _lost_sight(self, followed: set[int], time_s: float) -> bool:
        """Whether nobody is followed who was before: said when it happens, and once in a while until somebody is."""
        before = self._followed
        if before is None and not followed:
            return False
        self._followed = followed
        if before is None or before & followed or not (before or followed or time_s >= self._next_look_s):
            return False
        self._next_look_s = time_s + LOOK_PERIOD_S
        return True

    def _look(self, view: AnalysedFrame, followed: list[tuple[int, FaceObservation]]) -> None:
        for track_id, face in followed:
            if track_id not in self.seen:
                self.seen[track_id] = []
                self.chips[track_id] = []
                self.slots[track_id] = _Slots(self.rng)
                self.observers[track_id] = {name: make() for name, make in self.factories.items()}
            self.seen[track_id].append(face)
            self.chips[track_id].append(_chip(view, face))
            self.slots[track_id].offer(view, face)
            for observer in self.observers[track_id].values():
                observer.observe(view, face)


def acquire(
    recording: Recording,
    tracker: Tracker,
    *,
    factories: Mapping[str, ObserverFactory],
    seed: int = 0,
    fingerprints: FrameFingerprints | None = None,
    progress: Callable[[float], None] | None = None,
) -> Capture:
    """Run through a recording once.

    Parameters
    ----------
    recording
        Open; it is read to its end or to the limits it was opened with.
    tracker
        A fresh one.
    factories
        Liveness mechanism -> maker of its observer, one per track.
    seed
        Draws the faces to be compared. A verification takes one that nobody knows beforehand.
    fingerprints
        See every decoded frame; without them only time decides which frames are analysed.
    progress
        Called with the share done, 0..1, where the duration is known.
    """
    run, sampler = _Pass(tracker, factories, seed), FrameSampler()
    n_decoded = n_analysed = 0
    last_s, size_wh = 0.0, recording.size_wh
    with Follower() as follower:
        for frame in recording:
            # Of fast recordings not every picture is given.
            n_decoded = frame.index + 1
            last_s = max(last_s, frame.time_s)
            thumbnail, face_xyxy = None, None
            if fingerprints is not None:
                fingerprints.observe_frame(frame)
                thumbnail = fingerprints.latest
            if thumbnail is not None and run.largest_xyxy is not None:
                rows, columns = thumbnail.shape
                face_xyxy = run.largest_xyxy * (columns, rows, columns, rows)
            if sampler.wants(frame.time_s, thumbnail, face_xyxy):
                n_analysed += 1
                seen = run.analyse(frame, recording, follower)
                if seen is not frame and fingerprints is not None:
                    fingerprints.see_turned(seen)
            if progress is not None and recording.duration_s:
                progress(min(1.0, frame.time_s / recording.duration_s))
    return Capture(
        size_wh=size_wh,
        tracks={track_id: as_track(track_id, seen) for track_id, seen in run.seen.items()},
        candidates={track_id: slots.candidates() for track_id, slots in run.slots.items()},
        chips={track_id: np.stack(chips) for track_id, chips in run.chips.items()},
        seed=seed,
        observers=run.observers,
        n_decoded=n_decoded,
        n_analysed=n_analysed,
        decoded_span_s=last_s,
        cuts_s=tuple(tracker.cuts_s),
        faces_seen=tuple(tracker.faces_seen),
    )

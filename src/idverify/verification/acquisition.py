"""One pass over a recording: frames in, tracks with their signals and the faces worth comparing out.

Every decoded frame is seen once. About :data:`ANALYSIS_RATE_HZ` of them a second are analysed: faces are followed,
the liveness observers of each track look, and the best face of each time slot is kept as a small crop. Nothing else
is kept, so memory does not grow with the recording.

Public items: :class:`Candidate`, :class:`Capture`, :func:`acquire`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.faces.tracking import FaceObservation, FaceTrack, Tracker, as_track
from idverify.media.frame import Frame
from idverify.media.recording import Recording
from idverify.pad.evidence import AnalysedFrame, TrackObserver

__all__ = ["ANALYSIS_RATE_HZ", "Candidate", "Capture", "FrameObserver", "acquire", "working_size"]

# Blinks last 0.1 to 0.4 s (Stern et al. 1984, doi:10.1177/001872088402600103), so 15 looks a second see one twice.
ANALYSIS_RATE_HZ = 15.0
# Longer side of the picture in which faces are followed.
WORKING_SIDE_PX = 640
# Crops kept for comparison: the face with its surroundings, this many pixels at most, this many times the face.
CROP_SIDE_PX = 288
CROP_SCALE = 1.7
# Slots per track: when they are full, neighbours merge and slots double in length.
MAX_SLOTS = 24
FIRST_SLOT_S = 0.25
# Seconds between two faces that are considered; neighbours hardly differ.
OFFER_PERIOD_S = 0.1


class FrameObserver(Protocol):
    """Sees every decoded frame, analysed or not."""

    def observe_frame(self, frame: Frame) -> None:
        """See one decoded frame."""


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
    merit
        Quick quality by which the best face of a slot was chosen.
    """

    face: FaceObservation
    image_rgb: NDArray[np.uint8] = field(repr=False)
    points_px: NDArray[np.float32] = field(repr=False)
    merit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What one pass over a recording gave.

    Parameters
    ----------
    size_wh
        Upright size of the full picture.
    tracks
        Faces followed, by id.
    candidates
        Track id -> faces worth comparing, in time order.
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
    observers: Mapping[int, Mapping[str, TrackObserver]]
    n_decoded: int
    n_analysed: int
    decoded_span_s: float
    cuts_s: tuple[float, ...]
    faces_seen: tuple[int, ...]


class _Slots:
    """Keeps the best face of each time slot; a bounded number of slots whatever the duration."""

    def __init__(self) -> None:
        self._length_s = FIRST_SLOT_S
        self._best: dict[int, Candidate] = {}
        self._due_s = -np.inf

    def offer(self, view: AnalysedFrame, face: FaceObservation) -> None:
        if face.time_s < self._due_s:
            return
        self._due_s = face.time_s + OFFER_PERIOD_S
        slot = int(face.time_s / self._length_s)
        merit = _merit(view, face)
        if slot in self._best and self._best[slot].merit >= merit:
            return
        self._best[slot] = _crop(view.frame, face, merit)
        if len(self._best) > MAX_SLOTS:
            self._length_s *= 2
            merged: dict[int, Candidate] = {}
            for old, candidate in self._best.items():
                kept = merged.get(old // 2)
                if kept is None or kept.merit < candidate.merit:
                    merged[old // 2] = candidate
            self._best = merged

    def candidates(self) -> tuple[Candidate, ...]:
        return tuple(self._best[slot] for slot in sorted(self._best))


def _merit(view: AnalysedFrame, face: FaceObservation) -> float:
    """Frontal, open-eyed and sharp, each as a factor; only the order within a slot matters."""
    left, top, right, bottom = (face.bbox_xyxy_px / view.scale).round().astype(int)
    patch = view.luma[max(top, 0) : bottom, max(left, 0) : right]
    if patch.size < 64:
        return 0.0
    small = cv2.resize(patch, (48, 48), interpolation=cv2.INTER_AREA)
    detail = float(cv2.Laplacian(small, cv2.CV_32F).std()) / (float(small.std()) + 4.0)
    frontal = float(np.prod(np.cos(np.radians(np.clip(face.yaw_pitch_roll_deg[:2], -90, 90))) ** 2))
    eyes = float(np.clip(face.eye_opening.max() / 0.25, 0.3, 1.0))
    return frontal * eyes * detail


def _crop(frame: Frame, face: FaceObservation, merit: float) -> Candidate:
    low, high = face.bbox_xyxy_px[:2], face.bbox_xyxy_px[2:]
    centre, half = (low + high) / 2, CROP_SCALE * (high - low).max() / 2
    box = np.concatenate([centre - half, centre + half]).round()
    side = int(min(CROP_SIDE_PX, box[2] - box[0]))
    image = frame.crop_rgb((int(box[0]), int(box[1]), int(box[2]), int(box[3])), (side, side))
    points = face.points_px.copy()
    gain = np.float32(side / (box[2] - box[0]))
    points[:, :2] -= box[:2].astype(np.float32)
    return Candidate(face=face, image_rgb=image, points_px=points * gain, merit=merit)


def working_size(size_wh: tuple[int, int]) -> tuple[tuple[int, int], float]:
    """The size at which faces are followed, and full-picture pixels per pixel of it."""
    scale = max(1.0, max(size_wh) / WORKING_SIDE_PX)
    return (max(1, round(size_wh[0] / scale)), max(1, round(size_wh[1] / scale))), scale


class _Pass:
    """The state of one pass."""

    def __init__(self, tracker: Tracker, factories: Mapping[str, ObserverFactory]) -> None:
        self.tracker = tracker
        self.factories = factories
        self.seen: dict[int, list[FaceObservation]] = {}
        self.slots: dict[int, _Slots] = {}
        self.observers: dict[int, dict[str, TrackObserver]] = {}

    def analyse(self, frame: Frame) -> None:
        size, scale = working_size(frame.size_wh)
        view = AnalysedFrame(frame=frame, image_rgb=frame.image_rgb(size), luma=frame.luma(size), scale=scale)
        followed = self.tracker.step(
            view.image_rgb, view.luma, scale=scale, frame_index=frame.index, time_s=frame.time_s
        )
        for track_id, face in followed:
            if track_id not in self.seen:
                self.seen[track_id] = []
                self.slots[track_id] = _Slots()
                self.observers[track_id] = {name: make() for name, make in self.factories.items()}
            self.seen[track_id].append(face)
            self.slots[track_id].offer(view, face)
            for observer in self.observers[track_id].values():
                observer.observe(view, face)


def acquire(
    recording: Recording,
    tracker: Tracker,
    *,
    factories: Mapping[str, ObserverFactory],
    frame_observers: tuple[FrameObserver, ...] = (),
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
    frame_observers
        See every decoded frame.
    progress
        Called with the share done, 0..1, where the duration is known.
    """
    run = _Pass(tracker, factories)
    period, due_s = 1.0 / ANALYSIS_RATE_HZ, -np.inf
    n_decoded = n_analysed = 0
    last_s, size_wh = 0.0, recording.size_wh
    for frame in recording:
        n_decoded += 1
        last_s = max(last_s, frame.time_s)
        for observer in frame_observers:
            observer.observe_frame(frame)
        # A millisecond of slack, since containers round times.
        if frame.time_s >= due_s - 1e-3:
            due_s = max(due_s + period, frame.time_s + period / 2)
            n_analysed += 1
            run.analyse(frame)
        if progress is not None and recording.duration_s:
            progress(min(1.0, frame.time_s / recording.duration_s))
    return Capture(
        size_wh=size_wh,
        tracks={track_id: as_track(track_id, seen) for track_id, seen in run.seen.items()},
        candidates={track_id: slots.candidates() for track_id, slots in run.slots.items()},
        observers=run.observers,
        n_decoded=n_decoded,
        n_analysed=n_analysed,
        decoded_span_s=last_s,
        cuts_s=tuple(tracker.cuts_s),
        faces_seen=tuple(tracker.faces_seen),
    )

"""Following faces: who is who from frame to frame, when people meet, leave, return, or the scene is cut."""

from __future__ import annotations

import numpy as np
import pytest
import stage

from idverify.faces.tracking import (
    DETECTION_PERIOD_S,
    MAX_MISSES,
    MAX_TRACKS,
    FaceObservation,
    Tracker,
    as_track,
    observations,
)

LEFT, RIGHT = (160.0, 240.0, 110.0), (470.0, 240.0, 110.0)


class Followed:
    """A play run through a tracker: track id -> observations, in order."""

    def __init__(self, play: stage.Play, scale: float = 1.0) -> None:
        self.detector = stage.StageDetector()
        self.tracker = Tracker(self.detector, stage.StageMesh())
        self.tracks: dict[int, list[FaceObservation]] = {}
        for frame in play:
            seen = self.tracker.step(
                frame.image_rgb(), frame.luma(), scale=scale, frame_index=frame.index, time_s=frame.time_s
            )
            for track_id, one in seen:
                self.tracks.setdefault(track_id, []).append(one)

    def person_of(self, track_id: int, play: stage.Play) -> set[str]:
        """Who stood where the track went."""
        people = set()
        for one in self.tracks[track_id]:
            x, y = (one.bbox_xyxy_px[:2] + one.bbox_xyxy_px[2:]) / 2
            cast = play.cast_at(one.time_s)
            people.add(min(cast, key=lambda name: np.hypot(cast[name][0] - x, cast[name][1] - y)))
        return people


def test_one_person_is_one_track_in_every_frame():
    play = stage.Play(lambda t: {"ann": (200 + 60 * t, 240, 110)}, seconds=3)
    run = Followed(play)
    assert list(run.tracks) == [0]
    assert [one.frame_index for one in run.tracks[0]] == list(range(play.n_frames))
    middles = [float(one.bbox_xyxy_px[[0, 2]].mean()) for one in run.tracks[0]]
    np.testing.assert_allclose(middles, [200 + 60 * one.time_s for one in run.tracks[0]], atol=2)


def test_two_people_are_two_tracks_that_do_not_mix():
    play = stage.Play(lambda t: {"ann": (160 + 20 * t, 200, 110), "bob": (470 - 20 * t, 280, 90)}, seconds=3)
    run = Followed(play)
    assert sorted(map(len, run.tracks.values())) == [play.n_frames] * 2
    assert sorted(run.person_of(k, play) for k in run.tracks) in ([{"ann"}, {"bob"}], [{"bob"}, {"ann"}])


def test_a_person_who_comes_later_is_found_within_the_detection_period():
    play = stage.Play(lambda t: {"ann": LEFT} | ({"bob": RIGHT} if t >= 1.0 else {}), seconds=2.5)
    run = Followed(play)
    first_s = run.tracks[1][0].time_s
    assert 1.0 <= first_s <= 1.0 + DETECTION_PERIOD_S + 0.1


def test_a_person_who_leaves_ends_and_who_returns_begins_anew():
    """The tracker does not guess that it is the same person; the templates decide that later."""
    play = stage.Play(lambda t: {"ann": LEFT} if t < 1 or t >= 2 else {}, seconds=3)
    run = Followed(play)
    assert len(run.tracks) == 2
    assert run.tracks[0][-1].time_s < 1.0
    assert run.tracks[1][0].time_s >= 2.0


def test_a_face_outside_the_picture_is_not_kept_alive():
    play = stage.Play(lambda t: {"ann": (200 + 400 * t, 240, 110)}, seconds=3)
    run = Followed(play)
    assert all(one.time_s < 1.4 for one in run.tracks[0])


def test_the_detector_rests_while_faces_are_followed():
    play = stage.Play(lambda t: {"ann": LEFT}, seconds=4)
    run = Followed(play)
    assert run.detector.calls <= 4 / DETECTION_PERIOD_S + 1
    assert run.tracker.faces_seen == [1] * run.detector.calls
    empty = Followed(stage.Play(lambda t: {}, seconds=1))
    assert empty.detector.calls == 15
    assert empty.tracks == {}


def test_a_cut_ends_every_track_and_is_reported():
    """Another scene: nobody is carried over a cut, not even a face in the same place."""

    def cast(t):
        return {"ann": (320, 240, 260)} if t < 1 else {"bob": (320, 240, 260)}

    class Cut(stage.Play):
        def __iter__(self):
            for frame in super().__iter__():
                lit = frame.picture if frame.time_s < 1 else np.where(frame.picture == 90, 240, frame.picture)
                yield stage.StageFrame(frame.index, frame.time_s, lit.astype(np.uint8))

    play = Cut(cast, seconds=2)
    run = Followed(play)
    assert run.tracker.cuts_s == [1.0]
    assert [run.person_of(k, play) for k in sorted(run.tracks)] == [{"ann"}, {"bob"}]
    assert run.tracks[1][0].time_s == 1.0


def test_nobody_is_carried_over_into_a_picture_of_another_size():
    """Browsers change the sides of what they record when a phone is turned."""
    play = list(stage.Play(lambda t: {"ann": (320, 240, 160)}, seconds=2))
    narrow = [stage.StageFrame(f.index, f.time_s, np.ascontiguousarray(f.picture[:, 140:500])) for f in play]
    run = Followed(play[:15] + narrow[15:])
    assert [(track[0].frame_index, len(track)) for track in run.tracks.values()] == [(0, 15), (15, 15)]
    np.testing.assert_allclose(run.tracks[1][-1].bbox_xyxy_px[[0, 2]].mean(), 180, atol=2)


def test_moving_about_is_no_cut():
    run = Followed(stage.Play(lambda t: {"ann": (320 + 150 * np.sin(5 * t), 240, 150)}, seconds=3))
    assert run.tracker.cuts_s == []


def test_no_more_faces_are_followed_than_the_limit_and_the_largest_are():
    crowd = {"ann": (90, 240, 60), "bob": (240, 240, 110), "cem": (400, 240, 100), "dee": (550, 240, 90)}
    run = Followed(stage.Play(lambda t: crowd, seconds=1))
    assert len(run.tracks) == MAX_TRACKS
    widths = sorted(float(np.ptp(seen[0].bbox_xyxy_px[[0, 2]])) for seen in run.tracks.values())
    assert min(widths) > 80
    assert run.tracker.faces_seen[0] == 4


class ImaginingMesh(stage.StageMesh):
    """Sees a face wherever it is told to look."""

    def fit(self, image_rgb, regions):
        points, presence = super().fit(image_rgb, regions)
        for k, region in enumerate(regions):
            if presence[k] == 0:
                points[k] = stage.head_points(region.centre_xy_px, region.side_px / 2)
                presence[k] = 0.9
        return points, presence


def test_landmarks_without_a_face_are_dropped_by_the_detector():
    """The person leaves, the mesh clings to the wall: the detector misses the face and the track ends."""
    play = stage.Play(lambda t: {"ann": LEFT} if t < 1 else {}, seconds=6)
    tracker = Tracker(stage.StageDetector(), ImaginingMesh())
    last_s = 0.0
    for frame in play:
        if tracker.step(frame.image_rgb(), frame.luma(), scale=1, frame_index=frame.index, time_s=frame.time_s):
            last_s = frame.time_s
    assert last_s <= 1 + (MAX_MISSES + 1) * DETECTION_PERIOD_S


def test_two_tracks_that_land_on_one_face_become_one():
    """People cross: one is hidden, its landmarks slide onto the other; only one track stays."""

    def cast(t):
        return {"ann": (160 + 160 * min(t, 1), 240, 110), "bob": (480 - 160 * min(t, 1), 240, 112)}

    run = Followed(stage.Play(cast, seconds=3))
    last = max(one.frame_index for seen in run.tracks.values() for one in seen)
    assert sum(any(one.frame_index == last for one in seen) for seen in run.tracks.values()) == 1


@pytest.mark.parametrize("scale", [0.5, 2.0, 3.5])
def test_observations_are_in_full_picture_pixels(scale):
    play = stage.Play(lambda t: {"ann": LEFT}, seconds=0.2)
    small, full = Followed(play), Followed(play, scale=scale)
    one, other = small.tracks[0][0], full.tracks[0][0]
    np.testing.assert_allclose(other.bbox_xyxy_px, one.bbox_xyxy_px * scale, rtol=1e-5)
    np.testing.assert_allclose(other.points_px, one.points_px * scale, rtol=1e-5)
    np.testing.assert_allclose(other.yaw_pitch_roll_deg, one.yaw_pitch_roll_deg, atol=1e-3)


# -- observations and tracks -------------------------------------------------------------------------------------------


def test_observations_read_each_mesh():
    points = np.stack([stage.head_points(yaw_deg=20, eye=0.1), stage.head_points(mouth=0.5)])
    one, other = observations(points, np.array([0.7, 0.9]), frame_index=3, time_s=0.2)
    assert one.yaw_pitch_roll_deg[0] == pytest.approx(20, abs=0.1)
    assert one.eye_opening == pytest.approx([0.1, 0.1], abs=5e-3)
    assert other.mouth_opening == pytest.approx(0.5, abs=1e-3)
    assert (other.presence, other.frame_index, other.time_s) == (0.9, 3, 0.2)
    assert observations(points[:0], np.empty(0), frame_index=0, time_s=0.0) == []


def test_a_track_stacks_its_observations_and_prints_no_landmarks():
    seen = [
        observations(stage.head_points(yaw_deg=k)[None], np.ones(1), frame_index=2 * k, time_s=0.1 * k)[0]
        for k in range(5)
    ]
    track = as_track(7, seen)
    assert len(track) == 5
    assert repr(track) == "FaceTrack(track_id=7, frames=5)"
    np.testing.assert_array_equal(track.frame_indices, [0, 2, 4, 6, 8])
    assert track.points_px.shape == (5, 468, 3)
    np.testing.assert_allclose(track.yaw_pitch_roll_deg[:, 0], range(5), atol=1e-2)

"""One pass over a recording: what is looked at, what is kept, and that it stays bounded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import stage

from idverify.faces.tracking import Tracker
from idverify.pad.evidence import ANALYSIS_RATE_HZ
from idverify.verification.acquisition import CROP_SIDE_PX, MAX_SLOTS, acquire

ANN = (300.0, 240.0, 120.0)


class Notes:
    """An observer that notes times."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def observe(self, view, face) -> None:
        assert view.frame.time_s == face.time_s
        self.times.append(face.time_s)


def run(play: stage.Play, **more):
    tracker = Tracker(stage.StageDetector(), stage.StageMesh())
    return acquire(play, tracker, **({"factories": {"notes": Notes}} | more))


@pytest.mark.parametrize(("rate_hz", "expected"), [(8.0, 8.0), (15.0, 15.0), (25.0, 15.0), (30.0, 15.0), (60.0, 15.0)])
def test_as_many_frames_a_second_are_analysed_whatever_the_rate(rate_hz, expected):
    capture = run(stage.Play(lambda t: {"ann": ANN}, seconds=2, rate_hz=rate_hz))
    assert capture.n_decoded == 2 * rate_hz
    assert capture.n_analysed == pytest.approx(2 * expected, abs=1 + 0.1 * expected)
    assert expected <= ANALYSIS_RATE_HZ


def test_track_observers_see_their_track():
    play = stage.Play(lambda t: {"ann": ANN} | ({"bob": (500, 240, 100)} if t > 1 else {}), seconds=2, rate_hz=30)
    capture = run(play)
    for track_id, track in capture.tracks.items():
        assert capture.observers[track_id]["notes"].times == track.times_s.tolist()
    ann, bob = (capture.observers[k]["notes"].times for k in sorted(capture.observers))
    assert ann[0] == 0.0
    assert bob[0] > 1.0


def test_the_facts_of_the_pass():
    capture = run(stage.Play(lambda t: {"ann": ANN}, seconds=2, rate_hz=10))
    assert capture.size_wh == stage.SIZE_WH
    assert capture.decoded_span_s == pytest.approx(1.9)
    assert capture.cuts_s == ()
    assert set(capture.faces_seen) == {1}


def test_progress_rises_to_the_end_and_is_silent_without_a_duration():
    shares: list[float] = []
    play = stage.Play(lambda t: {"ann": ANN}, seconds=1)
    run(play, progress=shares.append)
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1
    assert shares[-1] > 0.9
    play.duration_s = None
    shares.clear()
    run(play, progress=shares.append)
    assert shares == []


def test_nobody_in_the_picture_gives_no_track():
    capture = run(stage.Play(lambda t: {}, seconds=1))
    assert (dict(capture.tracks), dict(capture.candidates)) == ({}, {})
    assert capture.n_analysed == 15


# -- candidates --------------------------------------------------------------------------------------------------------


def test_candidates_are_crops_of_their_own_face_in_time_order():
    play = stage.Play(lambda t: {"ann": (150 + 40 * t, 240, 120), "bob": (480, 200 + 30 * t, 100)}, seconds=2)
    capture = run(play)
    assert len(capture.candidates) == 2
    for track_id, candidates in capture.candidates.items():
        times = [c.face.time_s for c in candidates]
        assert times == sorted(times)
        assert set(times) <= set(capture.tracks[track_id].times_s.tolist())
        levels = set()
        for c in candidates:
            side = c.image_rgb.shape[0]
            assert c.image_rgb.shape == (side, side, 3)
            x, y = c.points_px[:, :2].mean(axis=0).round().astype(int)
            levels.add(int(c.image_rgb[y, x, 0]))
            assert 0 < c.points_px[:, 0].min() < c.points_px[:, 0].max() < side
        assert len(levels) == 1


def test_crops_are_small_however_large_the_face():
    class Large(stage.Play):
        def __init__(self):
            super().__init__(lambda t: {"ann": (960, 540, 600)}, seconds=0.5)
            self.size_wh = (1920, 1080)

    (candidates,) = run(Large()).candidates.values()
    for c in candidates:
        assert c.image_rgb.shape == (CROP_SIDE_PX, CROP_SIDE_PX, 3)
        assert np.ptp(c.points_px[:, 1]) < CROP_SIDE_PX


def test_the_crop_of_a_face_at_the_edge_repeats_the_edge():
    capture = run(stage.Play(lambda t: {"ann": (70, 90, 120)}, seconds=0.5))
    (candidates,) = capture.candidates.values()
    assert candidates
    assert (candidates[0].image_rgb[0, 0] == candidates[0].image_rgb[1, 0]).all()


@pytest.mark.parametrize(("seconds", "rate_hz"), [(3, 15), (15, 15), (150, 2), (7200, 0.04)])
def test_no_more_crops_are_kept_for_a_longer_recording(seconds, rate_hz):
    capture = run(stage.Play(lambda t: {"ann": ANN}, seconds=seconds, rate_hz=rate_hz))
    (candidates,) = capture.candidates.values()
    assert 4 <= len(candidates) <= MAX_SLOTS
    times = np.array([c.face.time_s for c in candidates])
    assert times[-1] - times[0] >= 0.75 * capture.decoded_span_s


class Filmed(stage.Play):
    """A recording whose pictures are drawn once, each its own, for who looks at it many times."""

    def __init__(self, *args, **more) -> None:
        super().__init__(*args, **more)
        self.film = [replace(frame, picture=frame.picture.copy()) for frame in super().__iter__()]

    def __iter__(self):
        return iter(self.film)


def moments(seed: int, play: stage.Play) -> list[float]:
    """When the candidates of the one track are shown."""
    (candidates,) = run(play, seed=seed).candidates.values()
    return [c.face.time_s for c in candidates]


def test_one_seed_draws_the_same_faces_and_another_draws_others():
    play = Filmed(lambda t: {"ann": ANN}, seconds=4)
    assert moments(1, play) == moments(1, play)
    assert len({tuple(moments(seed, play)) for seed in range(20)}) == 20


def test_every_analysed_face_can_be_drawn():
    play = Filmed(lambda t: {"ann": ANN}, seconds=1)
    drawn = {time_s for seed in range(60) for time_s in moments(seed, play)}
    assert len(drawn) == 15


def test_no_face_is_drawn_for_sure_however_good_it_is():
    """One sharp moment among blurred ones: drawn by many seeds and by far not by all."""

    play = Filmed(lambda t: {"ann": ANN}, seconds=2, rate_hz=15)
    for frame in play.film:
        if not 1.0 <= frame.time_s < 1.05:
            # Detail goes, levels stay.
            frame.picture[..., 1:] = frame.picture[..., 1:] // 16 + 90
    share = np.mean([any(1.0 <= t < 1.05 for t in moments(seed, play)) for seed in range(60)])
    assert 0.1 < share < 0.7


def test_a_chip_of_every_analysed_face_is_kept():
    play = stage.Play(lambda t: {"ann": (150 + 40 * t, 240, 120), "bob": (480, 200 + 30 * t, 100)}, seconds=2)
    capture = run(play)
    for track_id, track in capture.tracks.items():
        chips = capture.chips[track_id]
        assert chips.shape == (len(track), 96, 96, 3)
        # The middle of each chip has its person's level, whoever moves where.
        assert len(np.unique(chips[:, 44:52, 44:52, 0])) == 1


def test_a_candidate_prints_no_pixels():
    (candidates,) = run(stage.Play(lambda t: {"ann": ANN}, seconds=0.5)).candidates.values()
    assert "image_rgb" not in repr(candidates[0])

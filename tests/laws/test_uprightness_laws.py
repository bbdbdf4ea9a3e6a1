"""Turns: of pictures, and of what is known of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from idverify.faces import uprightness
from idverify.faces.detection import DetectedFace
from idverify.faces.uprightness import EIGHTHS_DEG, QUARTERS_DEG, find_turn, shows_upright_face, turned

SCORES = hnp.arrays(np.float64, st.tuples(st.integers(1, 6), st.just(4)), elements=st.floats(0, 1))


@given(scores=SCORES, by=st.integers(0, 3))
def test_turning_the_pictures_turns_the_answer_or_makes_it_none(scores, by):
    """What is found in a picture turned by a quarter is found a quarter earlier; near ties keep a picture as it is."""
    mean = np.sort(scores[scores.max(axis=1) > 0].mean(axis=0)) if scores.any() else np.zeros(4)
    assume(mean[-1] > mean[-2])  # of two turns that are alike, either may be named
    found, of_turned = find_turn(scores), find_turn(np.roll(scores, -by, axis=1))
    assert of_turned in {0, (found - 90 * by) % 360} or found == 0


@given(scores=SCORES)
def test_a_surer_face_as_it_is_never_turns_a_picture(scores):
    scores[:, 0] = 1.0
    assert find_turn(scores) == 0


@given(scores=SCORES, looks=st.integers(1, 4))
def test_looks_without_any_face_say_nothing(scores, looks):
    assert find_turn(np.vstack([scores, np.zeros((looks, 4))])) == find_turn(scores)


@pytest.mark.parametrize("k", range(4))
def test_the_only_turn_with_a_face_is_found(k):
    assert find_turn(np.eye(4)[k : k + 1] * 0.9) == QUARTERS_DEG[k]


@pytest.mark.parametrize("k", range(8))
def test_eighths_are_found_by_a_smaller_lead(k):
    scores = np.full((1, 8), 0.88)
    scores[0, k] = 0.91
    assert find_turn(scores, EIGHTHS_DEG) == EIGHTHS_DEG[k]


@pytest.mark.parametrize(("looks", "turn_deg"), [(5, 0), (6, 180)])
def test_many_looks_that_agree_need_less_of_a_lead(looks, turn_deg):
    """A face on its head is found nearly as surely as an upright one, in picture after picture."""
    assert find_turn(np.tile([0.87, 0.0, 0.91, 0.0], (looks, 1))) == turn_deg


def test_many_looks_that_do_not_agree_leave_a_picture_as_it_is():
    scores = np.tile([0.87, 0.0, 0.92, 0.0], (8, 1))
    scores[3, 0] = 0.93
    assert find_turn(scores) == 0


@given(turns=st.lists(st.sampled_from(QUARTERS_DEG), max_size=5))
def test_quarters_add_up_without_loss(turns):
    image = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    out = image
    for turn in turns:
        out = turned(out, turn)
    assert np.array_equal(out, turned(image, sum(turns) % 360))


@pytest.mark.parametrize("angle", [45, 135, 30.5, -17.0])
def test_other_turns_lose_nothing_of_the_picture_and_go_clockwise(angle):
    image = np.zeros((60, 100, 3), np.uint8)
    image[26:34, 80:95] = 255  # to the right of the middle
    out = turned(image, angle)
    assert float(out.sum()) == pytest.approx(float(image.sum()), rel=0.05)
    y, x = np.argwhere(out[..., 0] > 127).mean(axis=0) - (np.array(out.shape[:2]) - 1) / 2
    assert np.degrees(np.arctan2(y, x)) == pytest.approx(angle, abs=2)


class SureOfHeads:
    """A detector that is sure of a face whether the picture's lighter half is above or, a little less, below."""

    def detect(self, image_rgb):
        upright = image_rgb[: len(image_rgb) // 2].mean() > image_rgb.mean()
        face = DetectedFace(
            bbox_xyxy_px=np.array([8.0, 8.0, 56.0, 56.0]),
            keypoints_px=np.zeros((4, 2)),
            detection_score=0.95 if upright else 0.92,
        )
        return (face,)


@pytest.mark.parametrize("turn_deg", [0, 180])
def test_a_face_that_is_surer_the_other_way_up_is_not_surely_upright(turn_deg, monkeypatch):
    monkeypatch.setattr(uprightness, "_presence_and_roll", lambda *_: (0.998, 0.0))
    image = np.full((64, 64, 3), 60, np.uint8)
    image[:32] = 200
    assert shows_upright_face(turned(image, turn_deg), SureOfHeads(), None) is (turn_deg == 0)

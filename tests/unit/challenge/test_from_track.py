"""From a followed face to the series of an answer."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from idverify.challenge.from_track import PARTS, LightObserver, series_from_track, skin_and_background
from idverify.faces.tracking import FaceTrack

SKIN, WALL, SHIRT = (200, 150, 120), (40, 60, 80), (0, 255, 0)
BOX = np.array([80.0, 40.0, 160.0, 140.0])


def picture() -> np.ndarray:
    image = np.empty((200, 240, 3), np.uint8)
    image[:] = WALL
    image[140:] = SHIRT
    image[40:140, 80:160] = SKIN
    return image


def track(n: int = 4) -> FaceTrack:
    points = np.random.default_rng(1).normal(100, 30, (n, 468, 3)).astype(np.float32)
    return FaceTrack(
        track_id=0, frame_indices=np.arange(0, 2 * n, 2), times_s=np.arange(n) / 15,
        bboxes_xyxy_px=np.tile(BOX * 2, (n, 1)), points_px=points,
        yaw_pitch_roll_deg=np.arange(3.0 * n).reshape(n, 3), eye_opening=np.full((n, 2), 0.3),
        mouth_opening=np.zeros(n), presence=np.ones(n),
    )  # fmt: skip


def test_skin_and_wall_are_told_apart_and_the_shirt_is_left_out() -> None:
    np.testing.assert_allclose(skin_and_background(picture(), BOX), [SKIN, WALL])


def test_a_face_that_fills_the_picture_has_no_background() -> None:
    skin, wall = skin_and_background(picture(), np.array([-20.0, -20.0, 260.0, 220.0]))
    assert np.isfinite(skin).all()
    assert np.isnan(wall).all()


def test_a_face_outside_the_picture_has_no_skin() -> None:
    assert np.isnan(skin_and_background(picture(), np.array([400.0, 0.0, 500.0, 100.0]))[0]).all()


def test_parts_of_a_ball_face_the_camera_less_the_further_out_they_lie() -> None:
    rng = np.random.default_rng(3)
    flat = rng.uniform(-1, 1, (468, 2)) * (90.0, 110.0)
    flat[list(PARTS)] = [[0, -70], [0, 0], [-40, 10], [40, 10], [-85, 0], [85, 0]]
    points = np.column_stack([flat, 0.5 * (flat**2).sum(axis=1) / 100.0])
    followed = replace(track(), points_px=np.tile(points.astype(np.float32), (4, 1, 1)))
    series = series_from_track(followed, picture_width_px=480, light=LightObserver())
    assert series.skin_parts_facing is not None
    facing = series.skin_parts_facing[0]
    assert facing[1] > 0.95 > facing[2] > facing[4] > 0.4
    assert facing[2:4] == pytest.approx(facing[[2, 2]], abs=0.1)
    assert series.skin_parts_place is not None
    np.testing.assert_allclose(series.skin_parts_place[0, [8, 10]], [-85 / 180, 85 / 180], atol=0.05)
    assert series_from_track(followed, picture_width_px=480).skin_parts_facing is not None


def test_a_track_becomes_a_series_and_colours_join_by_frame() -> None:
    followed, light = track(), LightObserver()
    for index in followed.frame_indices[:-1]:
        view: Any = SimpleNamespace(image_rgb=picture(), scale=2.0)
        # The parts lie on skin, but for the last one, which lies outside the picture.
        points = np.tile((BOX[:2] + BOX[2:]) / 2 * 2, (468, 1))
        points[PARTS[-1]] = -500.0
        light.observe(view, cast(Any, SimpleNamespace(frame_index=int(index), bbox_xyxy_px=BOX * 2, points_px=points)))
    series = series_from_track(followed, picture_width_px=480, light=light)
    np.testing.assert_array_equal(series.yaw_deg, [0, 3, 6, 9])
    np.testing.assert_array_equal(series.pitch_deg, [1, 4, 7, 10])
    assert series.skin_rgb is not None
    np.testing.assert_allclose(series.skin_rgb[:-1], [SKIN] * 3)
    assert np.isnan(series.skin_rgb[-1]).all(), "not collected is not measured"
    assert series.skin_parts_rgb is not None
    np.testing.assert_allclose(series.skin_parts_rgb[:-1, :-3], np.tile(SKIN, (3, 5)))
    assert np.isnan(series.skin_parts_rgb[:, -3:]).all()
    wide = series_from_track(followed, picture_width_px=960)
    np.testing.assert_allclose(wide.face_scale * 2, series.face_scale)
    lids = series_from_track(followed, picture_width_px=480, eye_opening=np.full((4, 2), 0.1))
    np.testing.assert_array_equal(lids.eye_opening, np.full((4, 2), 0.1))

"""What is read off the mesh: signs of the pose, and measures that do not depend on where and how large the face is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import stage
from hypothesis import given
from hypothesis import strategies as st

from idverify.faces.landmarks import (
    LEFT_EYE,
    MOUTH_CORNERS,
    NOSE_TIP,
    RIGHT_EYE,
    EyeModel,
    FaceMesh,
    FaceRegion,
    eye_opening,
    five_points,
    head_pose_deg,
    inter_eye_distance,
    mouth_opening,
    mouth_width,
    region_of_points,
)

angles = st.floats(-40, 40)


# -- pose --------------------------------------------------------------------------------------------------------------


def test_a_head_that_looks_straight_ahead_has_no_pose():
    np.testing.assert_allclose(head_pose_deg(stage.head_points()), 0, atol=1e-4)


@given(angle=angles)
def test_each_axis_alone_is_recovered(angle):
    for axis, name in enumerate(("yaw_deg", "pitch_deg", "roll_deg")):
        expected = np.zeros(3)
        expected[axis] = angle
        np.testing.assert_allclose(head_pose_deg(stage.head_points(**{name: angle})), expected, atol=1e-3)


def test_signs_are_those_of_the_person():
    """Where the nose goes and which eye sinks, in an unmirrored picture: the person's left is on the right."""
    straight = stage.head_points()
    for name, axis, direction in (("yaw_deg", 0, 1), ("pitch_deg", 1, -1)):
        turned = stage.head_points(**{name: 20.0})
        assert np.sign(turned[NOSE_TIP, axis] - straight[NOSE_TIP, axis]) == direction
    tilted = stage.head_points(roll_deg=20.0)
    assert tilted[LEFT_EYE[0], 1] > tilted[RIGHT_EYE[0], 1]


@given(yaw=angles, roll=angles)
def test_yaw_and_roll_do_not_mix(yaw, roll):
    pose = head_pose_deg(stage.head_points(yaw_deg=yaw, roll_deg=roll))
    np.testing.assert_allclose(pose[[0, 2]], [yaw, roll], atol=1e-2)


@given(yaw=angles, pitch=angles, roll=angles)
def test_a_mirrored_picture_turns_and_tilts_the_other_way(yaw, pitch, roll):
    """Mirroring swaps left and right points, so a symmetric head comes out with yaw and roll reversed."""
    pose = head_pose_deg(stage.head_points(yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll))
    mirrored = head_pose_deg(stage.head_points(yaw_deg=-yaw, pitch_deg=pitch, roll_deg=-roll))
    np.testing.assert_allclose(mirrored, pose * [-1, 1, -1], atol=1e-2)


@given(scale=st.floats(0.1, 10), x=st.floats(-500, 500), y=st.floats(-500, 500))
def test_pose_and_openings_are_free_of_scale_and_place(scale, x, y):
    def measures(points):
        return np.concatenate([head_pose_deg(points), eye_opening(points), [mouth_opening(points)]])

    near = stage.head_points((0, 0), 100, yaw_deg=13, pitch_deg=-7, roll_deg=5, eye=0.25, mouth=0.4)
    far = stage.head_points((x, y), 100 * scale, yaw_deg=13, pitch_deg=-7, roll_deg=5, eye=0.25, mouth=0.4)
    np.testing.assert_allclose(measures(far), measures(near), rtol=2e-2, atol=2e-2)


def test_measures_of_many_are_those_of_each():
    heads = np.stack(
        [stage.head_points(width_px=50 + k, yaw_deg=3.0 * k, eye=0.1 * k, mouth=0.2 * k) for k in range(6)]
    )
    for measure in (head_pose_deg, eye_opening, mouth_opening, mouth_width, inter_eye_distance, five_points):
        together = measure(heads.reshape(2, 3, 468, 3))
        one_by_one = np.stack([measure(head) for head in heads])
        np.testing.assert_allclose(together.reshape(one_by_one.shape), one_by_one, rtol=1e-9)


# -- openings and distances --------------------------------------------------------------------------------------------


@given(eye=st.floats(0, 0.5), mouth=st.floats(0, 1), roll=st.floats(-180, 180))
def test_openings_come_out_as_they_were_made(eye, mouth, roll):
    points = stage.head_points((300, 300), 400, eye=eye, mouth=mouth, roll_deg=roll)
    np.testing.assert_allclose(eye_opening(points), [eye, eye], atol=1e-3)
    np.testing.assert_allclose(mouth_opening(points), mouth, atol=1e-3)


def test_eyes_come_right_then_left():
    points = stage.head_points(width_px=400, eye=0.3)
    for upper, lower in RIGHT_EYE[2]:
        points[upper] = points[lower]
    right, left = eye_opening(points)
    assert right < 0.01
    assert left == pytest.approx(0.3, abs=1e-3)


@given(yaw=angles)
def test_turning_the_head_does_not_shorten_the_eye_distance(yaw):
    assert inter_eye_distance(stage.head_points(yaw_deg=yaw)) == pytest.approx(
        float(inter_eye_distance(stage.head_points())), rel=1e-4
    )


def test_five_points_are_eyes_nose_and_mouth_corners():
    points = stage.head_points()
    right, left, nose, *mouth = five_points(points)
    assert right[0] < nose[0] < left[0]
    np.testing.assert_array_equal(nose, points[NOSE_TIP, :2])
    np.testing.assert_array_equal(mouth, points[list(MOUTH_CORNERS), :2])


# -- regions -----------------------------------------------------------------------------------------------------------


@given(x=st.floats(0, 500), y=st.floats(0, 500), side=st.floats(10, 900), angle=st.floats(-3, 3))
def test_a_region_maps_its_middle_and_its_edges(x, y, side, angle):
    matrix = FaceRegion(centre_xy_px=(x, y), side_px=side, angle_rad=angle).to_picture(192)
    np.testing.assert_allclose(matrix[:, :2] @ [95.5, 95.5] + matrix[:, 2], [x, y], atol=1e-9 * 1000)
    along = matrix[:, :2] @ [192, 0]
    np.testing.assert_allclose(along, side * np.array([np.cos(angle), np.sin(angle)]), atol=1e-9 * 1000)


@given(roll=st.floats(-80, 80))
def test_the_region_turns_with_the_head_and_keeps_its_size(roll):
    level, turned = (region_of_points(stage.head_points((200, 200), 100, roll_deg=r)) for r in (0.0, roll))
    assert np.degrees(turned.angle_rad) == pytest.approx(roll, abs=0.1)
    assert turned.side_px == pytest.approx(level.side_px, rel=1e-3)
    assert turned.centre_xy_px == pytest.approx((200, 200), abs=0.5)


class EchoMesh:
    """A model that finds the same points in every tile, whatever it shows."""

    LOCAL = np.random.default_rng(0).uniform(0, 191, (468, 3)).astype(np.float32)

    def run(self, tiles):
        assert tiles.dtype == np.uint8
        assert tiles.shape[1:] == (192, 192, 3)
        return np.tile(self.LOCAL.reshape(1, 1, 1, 1404), (len(tiles), 1, 1, 1)), np.zeros((len(tiles), 1, 1, 1))


def test_points_come_back_from_the_tile_to_the_picture():
    image = np.zeros((300, 400, 3), np.uint8)
    regions = [
        FaceRegion(centre_xy_px=(120.0, 90.0), side_px=96.0, angle_rad=0.3),
        FaceRegion(centre_xy_px=(300.0, 200.0), side_px=240.0, angle_rad=-1.0),
    ]
    points, presence = FaceMesh(EchoMesh()).fit(image, regions)
    np.testing.assert_allclose(presence, 0.5)
    for region, found in zip(regions, points, strict=True):
        matrix = region.to_picture(192)
        np.testing.assert_allclose(found[:, :2], EchoMesh.LOCAL[:, :2] @ matrix[:, :2].T + matrix[:, 2], atol=1e-3)
        np.testing.assert_allclose(found[:, 2], EchoMesh.LOCAL[:, 2] * region.side_px / 192, rtol=1e-5)
    assert FaceMesh(EchoMesh()).fit(image, [])[0].shape == (0, 468, 3)


# -- eyes from a close look --------------------------------------------------------------------------------------------


class LidsByBrightness:
    """A model that sees eyes as open as the tile's middle is bright, and keeps the tiles."""

    def run(self, tiles):
        self.tiles = tiles
        contour = np.zeros((len(tiles), 71, 3), np.float32)
        contour[:, 8, 0] = 40.0
        contour[:, 11:14, 1] = tiles[:, 28:36, 28:36].mean(axis=(1, 2, 3))[:, None] / 10
        return (contour.reshape(len(tiles), -1),)


def test_the_close_look_sees_the_right_eye_first_and_the_outer_corner_on_the_left():
    points = stage.head_points((200, 200), 200, roll_deg=10)
    image = np.full((400, 400, 3), 60, np.uint8)
    for (outer, inner, _), middle, corner in ((RIGHT_EYE, 40, 200), (LEFT_EYE, 120, 200)):
        ends = points[[outer, inner], :2]
        cv2.circle(image, tuple(int(v) for v in ends.mean(axis=0).round()), 12, (middle,) * 3, -1)
        cv2.circle(image, tuple(int(v) for v in ends[0].round()), 4, (corner,) * 3, -1)
    session = LidsByBrightness()
    opening = EyeModel(session).opening(image, points[None])
    np.testing.assert_allclose(opening, [[0.1, 0.3]], atol=0.03)
    assert session.tiles.shape == (2, 64, 64, 3)
    for tile in session.tiles[..., 0].astype(int):
        corner_x = 31.5 - 64 / EyeModel.EYE_SCALE / 2
        assert tile[28:36, round(corner_x) - 3 : round(corner_x) + 3].max() > 150
        assert tile[28:36, 64 - round(corner_x) - 3 : 64 - round(corner_x) + 3].max() < 150
    assert EyeModel(session).opening(image, points[:0][None][:0]).shape == (0, 2)

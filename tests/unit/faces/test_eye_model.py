"""The close look at eyes: where it looks, what it makes of contours, and when it leaves an eye to the mesh."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from idverify.faces.landmarks import LEFT_EYE, MIN_EYE_FACING, RIGHT_EYE, EyeModel, eye_opening

SIDE = EyeModel.INPUT_SIDE
# Outer and inner corner of either eye, in a picture of 200 x 120 pixels.
CORNERS = {RIGHT_EYE[0]: (50, 60), RIGHT_EYE[1]: (80, 60), LEFT_EYE[0]: (150, 60), LEFT_EYE[1]: (120, 60)}


class FakeSession:
    """Answers with a contour of a given opening for each tile, and keeps the tiles."""

    def __init__(self, *openings: float) -> None:
        self.openings = openings
        self.tiles: NDArray[np.uint8] = np.empty((0, SIDE, SIDE, 3), np.uint8)

    def run(self, tiles: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        self.tiles = tiles
        contour = np.zeros((len(tiles), 71, 3), np.float32)
        contour[:, 8, 0] = 20.0
        for index, opening in enumerate(np.resize(self.openings, len(tiles))):
            contour[index, [3, 4, 5], 1] = 20.0 * opening
        return contour.reshape(len(tiles), 213), np.zeros((len(tiles), 15), np.float32)


def model(*openings: float) -> tuple[EyeModel, FakeSession]:
    session: Any = FakeSession(*openings)
    return EyeModel(session), session


def face(turn_deg: float = 0.0, slant_z: float = 0.0) -> NDArray[np.float32]:
    """A mesh of which only the eyes matter, turned in the picture and sloping away from the camera."""
    points, half_gap = np.zeros((468, 3), np.float32), np.array([0, 4, 0])
    for outer, inner, lids in (RIGHT_EYE, LEFT_EYE):
        points[[outer, inner], :2] = CORNERS[outer], CORNERS[inner]
        middle = (points[outer] + points[inner]) / 2
        for upper, lower in lids:
            points[upper], points[lower] = middle - half_gap, middle + half_gap
    points[:, 2] = slant_z * points[:, 0]
    angle = np.radians(turn_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points[:, :2] = (points[:, :2] - [100, 60]) @ turn.T + [100, 60]
    return points


def marked(points: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A dark picture with a red spot on each outer corner and a blue one on each inner corner."""
    image = np.zeros((120, 200, 3), np.uint8)
    for (outer, inner, _) in (RIGHT_EYE, LEFT_EYE):
        for index, channel in ((outer, 0), (inner, 2)):
            x, y = points[index, :2].round().astype(int)
            image[y - 1 : y + 2, x - 1 : x + 2, channel] = 255
    return image


def centre_of(tile: NDArray[np.uint8], channel: int) -> NDArray[np.float64]:
    """x, y of the spot of one colour."""
    weight = tile[..., channel].astype(float)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    return np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()


@pytest.mark.parametrize("turn_deg", [0.0, 25.0, -40.0, 180.0])
def test_both_eyes_stand_level_with_the_outer_corner_on_the_left(turn_deg: float) -> None:
    points = face(turn_deg)
    eyes, session = model(0.3)
    eyes.opening(marked(points), points[None])
    half = SIDE / EyeModel.EYE_SCALE / 2
    for tile in session.tiles:
        np.testing.assert_allclose(centre_of(tile, 0), [(SIDE - 1) / 2 - half, (SIDE - 1) / 2], atol=1.0)
        np.testing.assert_allclose(centre_of(tile, 2), [(SIDE - 1) / 2 + half, (SIDE - 1) / 2], atol=1.0)


def test_a_face_and_its_mirror_image_show_the_model_the_same_eyes() -> None:
    points = face(12.0)
    image = marked(points)
    image[:50] += np.random.default_rng(5).integers(0, 90, (50, 200, 3), np.uint8)
    mirrored = points.copy()
    swap = [RIGHT_EYE[0], RIGHT_EYE[1], LEFT_EYE[0], LEFT_EYE[1]]
    mirrored[swap] = points[[LEFT_EYE[0], LEFT_EYE[1], RIGHT_EYE[0], RIGHT_EYE[1]]]
    mirrored[:, 0] = 199 - mirrored[:, 0]
    eyes, session = model(0.3)
    eyes.opening(image, points[None])
    straight = session.tiles
    eyes.opening(np.ascontiguousarray(image[:, ::-1]), mirrored[None])
    np.testing.assert_allclose(session.tiles[::-1].astype(int), straight, atol=2)


def test_each_eye_of_each_face_has_its_own_opening_in_one_run() -> None:
    points = np.stack([face(), face(5.0), face(-5.0)])
    wanted = [[0.31, 0.07], [0.05, 0.36], [0.2, 0.21]]
    eyes, session = model(*np.ravel(wanted))
    np.testing.assert_allclose(eyes.opening(marked(points[0]), points), wanted, rtol=1e-5)
    assert session.tiles.shape == (6, SIDE, SIDE, 3)


@pytest.mark.parametrize("slant_z", [0.0, 1.0, 1.5, 4.0])
def test_an_eye_that_is_turned_away_is_left_to_the_mesh(slant_z: float) -> None:
    points = face(slant_z=slant_z)[None]
    eyes, _ = model(0.05)
    found = eyes.opening(marked(points[0]), points)
    facing = 1 / np.hypot(1, slant_z)
    expected = np.full((1, 2), 0.05) if facing >= MIN_EYE_FACING else eye_opening(points)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert (facing < MIN_EYE_FACING) == (slant_z > 1.3)


def test_no_face_is_no_run() -> None:
    eyes, session = model(0.3)
    assert eyes.opening(np.zeros((10, 10, 3), np.uint8), np.empty((0, 468, 3), np.float32)).shape == (0, 2)
    assert not len(session.tiles)


def test_eyes_beyond_the_border_of_the_picture_are_no_error() -> None:
    eyes, session = model(0.3)
    away = face() + np.float32(500)
    assert np.isfinite(eyes.opening(marked(face()), away[None])).all()
    assert session.tiles.shape == (2, SIDE, SIDE, 3)

"""Alignment: a known similarity is recovered, a batch is its faces one by one, the place in the picture forgotten."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import stage
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.faces.alignment import DLIB, SFACE, align, similarity_matrices
from idverify.faces.quality import CHIP

CANONICAL = pytest.mark.parametrize("canonical", [SFACE, DLIB, CHIP], ids=["sface", "dlib", "quality"])
POINTS = np.random.default_rng(7).uniform(-1, 1, (5, 2))


def similarity(angle_deg: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    cos, sin = scale * np.cos(np.radians(angle_deg)), scale * np.sin(np.radians(angle_deg))
    return np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


@given(
    angle=st.floats(-180, 180),
    scale=st.floats(0.05, 20),
    x=st.floats(-1000, 1000),
    y=st.floats(-1000, 1000),
)
def test_a_known_similarity_is_recovered(angle, scale, x, y):
    matrix = similarity(angle, scale, (x, y))
    found = similarity_matrices(POINTS[None], apply(matrix, POINTS))[0]
    np.testing.assert_allclose(found, matrix, atol=1e-9 * max(scale, abs(x), abs(y), 1))


@given(seed=st.integers(0, 2**32 - 1), angle=st.floats(-180, 180), scale=st.floats(0.1, 10))
def test_the_fit_does_not_depend_on_where_the_face_is(seed, angle, scale):
    """Points moved by a similarity land in the same place on the target, however badly they fit it."""
    rng = np.random.default_rng(seed)
    source, target = rng.uniform(0, 100, (2, 5, 2))
    moved = apply(similarity(angle, scale, (30, -70)), source)
    before, after = similarity_matrices(np.stack([source, moved]), target)
    np.testing.assert_allclose(apply(after, moved), apply(before, source), atol=1e-6)


def test_it_is_the_least_squares_one():
    rng = np.random.default_rng(3)
    source, target = rng.uniform(0, 100, (2, 5, 2))
    best = similarity_matrices(source[None], target)[0]
    error = np.square(apply(best, source) - target).sum()
    for step in rng.normal(0, 1e-3, (50, 4)):
        a, b = best[0, 0] + step[0], best[1, 0] + step[1]
        near = np.array([[a, -b, best[0, 2] + step[2]], [b, a, best[1, 2] + step[3]]])
        assert np.square(apply(near, source) - target).sum() >= error


def test_it_never_mirrors():
    """A mirrored face is turned and scaled to fit as well as it can, not flipped."""
    found = similarity_matrices((POINTS * [-1, 1])[None], POINTS)[0]
    assert np.linalg.det(found[:, :2]) >= 0


def test_points_all_in_one_place_do_not_divide_by_zero():
    assert np.isfinite(similarity_matrices(np.full((1, 5, 2), 4.0), POINTS)).all()


def smooth_picture(side: int = 400) -> np.ndarray:
    y, x = np.mgrid[0:side, 0:side] / side
    waves = [np.sin(9 * x + 4 * y), np.cos(11 * y - 3 * x), np.sin(7 * x * y + 2)]
    return (128 + 90 * np.stack(waves, axis=-1)).astype(np.uint8)


@CANONICAL
def test_a_batch_is_its_faces_one_by_one(canonical):
    images = [smooth_picture(), smooth_picture(300), smooth_picture(500)]
    points = np.stack([stage.head_points((150 + 20 * k, 140), 90 + 30 * k, roll_deg=12 * k) for k in range(3)])
    batch = align(images, points, canonical)
    assert batch.shape == (3, canonical.size_px, canonical.size_px, 3)
    for k in range(3):
        np.testing.assert_array_equal(batch[k], align(images[k : k + 1], points[k : k + 1], canonical)[0])
    assert align([], points[:0], canonical).shape == (0, canonical.size_px, canonical.size_px, 3)


@CANONICAL
@settings(deadline=None, max_examples=8)
@given(angle=st.floats(-60, 60), scale=st.floats(0.6, 2.0))
def test_turning_and_scaling_the_picture_leaves_the_crop(canonical, angle, scale):
    image, points = smooth_picture(), stage.head_points((200, 200), 130)
    side = 900
    move = similarity(angle, scale, (0, 0))
    move[:, 2] = side / 2 - move[:, :2] @ [200, 200]
    turned = cv2.warpAffine(image, move, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    moved = points.copy()
    moved[:, :2] = apply(move, points[:, :2].astype(np.float64))
    before = align([image], points[None], canonical)[0].astype(int)
    after = align([turned], moved[None], canonical)[0].astype(int)
    assert np.abs(after - before).mean() < 1.5
    assert np.percentile(np.abs(after - before), 99) < 8


def test_a_large_face_is_averaged_not_skipped_over():
    """A face shrunk eight times keeps its mean brightness; sampling single pixels of a fine grid would not."""
    image = np.zeros((1600, 1600, 3), np.uint8)
    image[::2, ::2] = 200
    chip = align([image], stage.head_points((800, 800), 900)[None], CHIP)[0]
    assert abs(chip.mean() - 50) < 2
    assert chip.std() < 5


def test_the_target_is_hit():
    """A bright dot on each eye is found where the extractor wants the eyes."""
    points = stage.head_points((200, 200), 200)
    image = np.zeros((400, 400, 3), np.uint8)
    source = SFACE.source(points[None])[0]
    for x, y in source[:2]:
        cv2.circle(image, (round(x), round(y)), 5, (255, 255, 255), -1)
    chip = align([image], points[None], SFACE)[0][..., 0]
    matrix = similarity_matrices(source[None], SFACE.target_px)[0]
    for x, y in apply(matrix, source[:2]):
        assert chip[round(y), round(x)] > 150

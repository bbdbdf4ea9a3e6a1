"""Laws of the perspective of a face: distance changes it, enlarging a picture does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from idverify.challenge.perspective import perspective
from idverify.challenge.solid import DISTANCE, approach_shown, background_shown
from idverify.simulation.head_cage import rotation

Floats = NDArray[np.float64]
seeds = st.integers(0, 2**31)
quick = settings(max_examples=20, deadline=None)
N = 40


def head(seed: int) -> Floats:
    """Points of a face, rounder than deep, with the outer eye corners a unit apart [shape=(468, 3)]."""
    rng = np.random.default_rng(seed)
    points = rng.uniform([-0.8, -0.9, 0.0], [0.8, 0.9, 0.0], (468, 3))
    points[:, 2] = 0.6 * (points[:, 0] ** 2 + 0.6 * points[:, 1] ** 2) - 0.25 * np.exp(-8 * (points[:, :2] ** 2).sum(1))
    points[33], points[263], points[4] = (-0.5, -0.2, 0.1), (0.5, -0.2, 0.1), (0.0, 0.2, -0.3)
    return points


def seen(points: Floats, distances: Floats, turns: Floats, focal_px: float = 600.0) -> Floats:
    """Meshes of a head at each distance, with the depth that a mesh gives: of a face far away [shape=(n, 468, 3)]."""
    turned = np.einsum("nij,kj->nki", turns, points)
    size = focal_px / distances[:, None, None]
    flat = size * turned[..., :2] / (1 + turned[..., 2:] / distances[:, None, None])
    return np.asarray(np.concatenate([flat + 200.0, size * turned[..., 2:]], axis=2), np.float32)


def poses(rng: np.random.Generator) -> tuple[Floats, Floats]:
    degrees = rng.uniform(-4, 4, (N, 3))
    return np.stack([rotation(*one) for one in degrees]), degrees


@quick
@given(seeds, st.floats(3.5, 8.0))
def test_a_head_that_comes_closer_shows_how_near_it_is(seed: int, far: float) -> None:
    rng = np.random.default_rng(seed)
    distances = np.linspace(far, far / 1.6, N)
    turns, degrees = poses(rng)
    found = perspective(seen(head(seed), distances, turns), degrees)
    grown = found.size / np.median(found.size) - 1.0
    usual = np.median(distances)
    solid = approach_shown(np.arange(N) / 15, grown, found.strength)
    assert solid.share == pytest.approx(DISTANCE / usual, rel=0.35)
    assert solid.share > 2 * solid.error


@quick
@given(seeds, st.floats(1.4, 3.0))
def test_an_enlarged_picture_keeps_its_perspective(seed: int, zoom: float) -> None:
    rng = np.random.default_rng(seed)
    turns, degrees = poses(rng)
    meshes = seen(head(seed), np.full(N, 5.0), turns)
    sizes = np.linspace(1.0, zoom, N)
    found = perspective(meshes * sizes[:, None, None].astype(np.float32), degrees)
    plain = perspective(meshes, degrees)
    np.testing.assert_allclose(found.strength, plain.strength, atol=2e-3)
    np.testing.assert_allclose(found.size, plain.size * sizes, rtol=2e-3)
    solid = approach_shown(np.arange(N) / 15, found.size / np.median(found.size) - 1.0, found.strength)
    assert abs(solid.share) < 0.3


@quick
@given(seeds)
def test_where_and_how_tilted_the_face_is_in_the_picture_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    turns, degrees = poses(rng)
    meshes = seen(head(seed), np.linspace(6.0, 4.0, N), turns)
    tilt = rotation(0.0, 0.0, float(rng.uniform(-30, 30))).astype(np.float32)
    other = meshes @ tilt.T + np.array([*rng.uniform(-80, 80, 2), 0.0], np.float32)
    for one, same in zip(perspective(meshes, degrees), perspective(other, degrees), strict=True):
        np.testing.assert_allclose(one, same, rtol=2e-2, atol=1e-2)


def test_a_head_that_is_turned_away_and_points_that_are_none_are_not_measured() -> None:
    turns, degrees = poses(np.random.default_rng(1))
    meshes = seen(head(1), np.full(N, 5.0), turns)
    degrees[:5, 0], degrees[5:8] = 40.0, np.nan
    found = perspective(meshes, degrees)
    assert np.isnan(found.size[:8]).all()
    assert np.isfinite(found.strength[8:]).all()
    assert np.isnan(perspective(meshes, np.full((N, 3), np.nan)).size).all()
    assert perspective(meshes[:0], degrees[:0]).size.shape == (0,)
    assert np.isnan(perspective(np.zeros((N, 468, 3)), np.zeros((N, 3))).strength).all(), "all points in one place"


@quick
@given(seeds, st.floats(0.0, 1.2))
def test_the_share_of_the_background_is_found_under_noise(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    times = np.arange(90) / 15
    size = 0.4 * np.exp(-(((times - 3.0) / 0.9) ** 2))
    step = share * np.diff(size, prepend=size[0]) + rng.normal(0, 0.002, times.size)
    step[7::15] = np.nan
    found = background_shown(times, np.expm1(size + rng.normal(0, 0.004, times.size)), step)
    assert found.share == pytest.approx(share, abs=0.12)
    assert found.seen > 0.75
    assert np.isnan(background_shown(times, np.expm1(size), np.full(times.size, np.nan)).share)

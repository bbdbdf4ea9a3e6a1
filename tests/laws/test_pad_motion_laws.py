"""Laws of the motion mechanisms: invariances, monotonicity, and what a plane can never look like."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from motion_scenes import ANCHOR_XY, SIDE, Film, blinking, face, photograph

from idverify.pad import context_motion, depth, stillness
from idverify.pad._llr import load_scale
from idverify.pad._registration import CELL_CORNERS, KeyPatch, cut_patch, patch_transform, register
from idverify.reasons import Reason

FLOATS = st.floats(-1, 1, allow_nan=False)


def coloured(grey):
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)


def patch_picture(seed=3):
    rng = np.random.default_rng(seed)
    layers = [cv2.GaussianBlur(rng.standard_normal((200, 200)).astype(np.float32), (0, 0), s) for s in (2, 5)]
    return np.clip(128 + 25 * sum(x / x.std() for x in layers), 20, 235).astype(np.uint8)


@settings(max_examples=25, deadline=None)
@given(st.lists(FLOATS, min_size=8, max_size=8))
def test_a_plane_is_registered_whatever_its_motion(p):
    picture = patch_picture()
    size = np.array([[0.05, 0.05, 4.0], [0.05, 0.05, 4.0], [1e-4, 1e-4, 0.0]])
    warp = np.eye(3) + size * np.append(p, 0.0).reshape(3, 3)
    corners = CELL_CORNERS.reshape(1, -1, 2)
    # Where all of it adds up, the far corner goes further than the search reaches.
    assume(np.linalg.norm(cv2.perspectiveTransform(corners, warp) - corners, axis=-1).max() < 12)
    to_centre = np.array([[1.0, 0, -30], [0, 1, -25], [0, 0, 1]])
    key = KeyPatch.of(cut_patch(picture, coloured(picture), to_centre[:2]))
    whole = np.linalg.inv(to_centre) @ warp @ to_centre
    moved = cv2.warpPerspective(picture, whole, (200, 200), borderMode=cv2.BORDER_REFLECT)
    fit = register(key, cut_patch(moved, coloured(moved), to_centre[:2]), key.points)
    assert fit is not None
    expected = cv2.perspectiveTransform(CELL_CORNERS.reshape(1, -1, 2), warp)
    assert np.abs(cv2.perspectiveTransform(CELL_CORNERS.reshape(1, -1, 2), fit.homography) - expected).max() < 0.5
    assert np.nanmedian(fit.change_px) < 0.15


@settings(max_examples=4, deadline=None)
@given(sway=st.floats(0, 1.2), tilt=st.floats(0, 0.35), noise=st.floats(0, 4), seed=st.integers(0, 99))
def test_no_planar_motion_makes_a_photograph_live(sway, tilt, noise, seed):
    evidence = stillness.assess(photograph(5.4, sway=sway, tilt=tilt, noise=noise, seed=seed).signals())
    assert evidence.reason in (Reason.STATIC_PRESENTATION, Reason.TOO_LITTLE_MOVEMENT, Reason.LIVENESS_UNCERTAIN)


def test_stronger_blinks_are_never_more_still():
    film = photograph(5.4, noise=2)
    natives = [stillness.native_value(blinking(film, strength=s).signals()) for s in (0.0, 0.3, 0.6, 1.0)]
    assert natives == sorted(natives)


@pytest.mark.parametrize("gain", [0.6, 1.15])
def test_contrast_does_not_depend_on_exposure(gain):
    film = blinking(photograph(3, noise=2))
    dimmed = Film([cv2.convertScaleAbs(p, alpha=gain) for p in film.pictures], film.anchors, film.yaw_deg)
    assert stillness.native_value(dimmed.signals()) == pytest.approx(stillness.native_value(film.signals()), rel=0.35)


def test_full_picture_scale_does_not_matter():
    film = photograph(3, sway=1.0, noise=2)
    one, three = film.signals(scale=1.0), film.signals(scale=3.0)
    np.testing.assert_allclose(one.change_px, three.change_px, atol=5e-3)
    np.testing.assert_allclose(one.eye_distance_px, three.eye_distance_px, rtol=1e-4)


def test_mirrored_film_is_as_still():
    film = blinking(photograph(3, sway=1.0, noise=2))
    order = [1, 0, 3, 2]
    mirrored = Film(
        [np.ascontiguousarray(p[:, ::-1]) for p in film.pictures],
        [(a * [-1, 1] + [SIDE - 1, 0])[order] for a in film.anchors],
        film.yaw_deg,
    )
    assert stillness.native_value(mirrored.signals()) == pytest.approx(stillness.native_value(film.signals()), rel=0.3)


def test_order_of_cells_does_not_matter():
    change = photograph(3, noise=3).signals().change_px
    shuffled = change[:, np.random.default_rng(0).permutation(change.shape[1])]
    np.testing.assert_allclose(stillness.contrast(shuffled), stillness.contrast(change))


@settings(max_examples=30, deadline=None)
@given(yaw=st.floats(-20, 20), pitch=st.floats(-20, 20), plane=st.lists(FLOATS, min_size=8, max_size=8))
def test_parallax_finds_the_rotation_under_any_plane(yaw, pitch, plane):
    rng = np.random.default_rng(5)
    points = rng.uniform([20, 20], [108, 132], (1, 34, 2))
    bump = -30 * np.exp(-(((points - [64, 80]) / [20, 30]) ** 2).sum(axis=2))
    x, y = ((points - depth.CENTRE) / depth.UNIT_PX)[0].T
    a = np.array(plane)
    bend = a[6] * x + a[7] * y
    small = np.stack([a[0] * x + a[1] * y + a[2] + bend * x, a[3] * x + a[4] * y + a[5] + bend * y], axis=1)
    sines = np.sin(np.radians([yaw, pitch])) * [-1, 1]
    found = depth.parallax_rotation_deg(points, small[None] + bump[..., None] * sines, bump)
    np.testing.assert_allclose(found, [[yaw, pitch]], atol=0.05)


@settings(max_examples=30, deadline=None)
@given(turn=st.floats(-0.2, 0.2), zoom=st.floats(0.8, 1.2), x=st.floats(-20, 20), y=st.floats(-20, 20))
def test_one_similarity_leaves_no_difference(turn, zoom, x, y):
    face = np.random.default_rng(1).uniform(0, 300, (1, 4, 2))
    motion = np.array([[[zoom * np.cos(turn), -zoom * np.sin(turn), x], [zoom * np.sin(turn), zoom * np.cos(turn), y]]])
    moved = np.einsum("nij,npj->npi", motion[:, :, :2], face) + motion[:, None, :, 2]
    step2, difference2 = context_motion.shared_motion(face, moved, motion)
    assert difference2[0] == pytest.approx(0.0, abs=1e-9 * max(1.0, step2[0]))


@settings(max_examples=20, deadline=None)
@given(angle=st.floats(-3, 3), size=st.floats(0.3, 3), x=st.floats(-50, 400), y=st.floats(-50, 400))
def test_patch_transform_undoes_any_similarity(angle, size, x, y):
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    placed = ANCHOR_XY @ turn.T + [x, y]
    to_patch = patch_transform(face(placed, 0.0, 0).points_px, 1.0)
    straight = patch_transform(face(ANCHOR_XY, 0.0, 0).points_px, 1.0)
    expected = ANCHOR_XY @ straight[:, :2].T + straight[:, 2]
    np.testing.assert_allclose(placed @ to_patch[:, :2].T + to_patch[:, 2], expected, atol=0.05)


@pytest.mark.parametrize("name", ["stillness", "depth", "liveliness", "context_motion"])
def test_maps_are_monotone_and_bounded(name):
    scale = load_scale(name)
    llrs = [scale(v) for v in np.linspace(0, 20, 200)]
    assert llrs == sorted(llrs)
    assert scale.floor <= min(llrs) <= max(llrs) <= scale.ceiling

"""Eye stillness: one picture of an eye is told from a living one, however it is moved, lit and compressed."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motion_scenes import RATE_HZ, Film, blinking, face, look, looking, photograph

from idverify.pad import eye_stillness
from idverify.pad.evidence import Status
from idverify.pad.eye_stillness import EyePictures, eye_change, eyes_at_rest, native_value
from idverify.reasons import Reason

# Anchors of a face of ordinary size.
EYES_XY = np.array([[130.0, 150.0], [230.0, 150.0], [150.0, 240.0], [210.0, 240.0]])


def observed(film: Film) -> EyePictures:
    """What the observer keeps of a film whose eyes lie inwards of the anchors."""
    observer = EyePictures()
    for i, (picture, anchors) in enumerate(zip(film.pictures, film.anchors, strict=True)):
        observation = face(anchors, i / RATE_HZ, i, film.yaw_deg[i])
        for corner, share in ((133, 0.38), (362, 0.62)):
            observation.points_px[corner, :2] = anchors[0] + share * (anchors[1] - anchors[0])
        observer.observe(look(picture), observation)
    return observer


PICTURES = {
    "held still": photograph(5.4, noise=2),
    "swaying": photograph(5.4, sway=1.0, noise=2),
    "tilted": photograph(5.4, tilt=0.3, noise=2),
    "under a changing light": photograph(5.4, sway=0.5, noise=2, gain=0.15),
}


@pytest.mark.parametrize("way", PICTURES)
def test_one_picture_of_eyes_is_objected_to(way):
    evidence = eye_stillness.assess(observed(PICTURES[way]).signals())
    assert evidence.native < 2.0
    assert evidence.bona_fide_llr < -0.3
    assert not evidence.decisive


@pytest.mark.parametrize("way", PICTURES)
def test_the_same_eyes_that_look_about_and_blink_are_not(way):
    evidence = eye_stillness.assess(observed(blinking(looking(PICTURES[way]))).signals())
    assert evidence.native > 10.0
    assert evidence.bona_fide_llr == 0.0


@pytest.mark.parametrize("way", PICTURES)
def test_one_painted_blink_makes_no_eye_of_a_picture(way):
    """Three pictures of closed lids in a film that is otherwise one picture."""
    still, shut = PICTURES[way], blinking(PICTURES[way], every_s=2.0)
    once = Film([*still.pictures[:30], *shut.pictures[30:33], *still.pictures[33:]], still.anchors, still.yaw_deg)
    evidence = eye_stillness.assess(observed(once).signals())
    assert eye_stillness.assess(observed(looking(once)).signals()).bona_fide_llr == 0.0
    assert evidence.bona_fide_llr < -0.3
    assert not evidence.decisive


def test_the_more_a_lid_covers_the_higher():
    films = [blinking(looking(PICTURES["held still"]), strength=s) for s in (0.0, 0.2, 0.5, 1.0)]
    natives = [native_value(observed(film).signals()) for film in films]
    assert natives == sorted(natives)


def test_one_eye_that_moves_is_not_enough():
    """Hair, a hand or a reflection may pass before one eye of a picture."""
    signals = observed(blinking(looking(PICTURES["held still"]))).signals()
    change = signals.change.copy()
    change[:, 0] = 0.01
    one = replace(signals, change=change)
    assert native_value(one) < 2.0


def test_one_blink_in_five_seconds_is_enough_and_a_single_odd_frame_is_not():
    film = looking(PICTURES["held still"])
    for at_s in (3.1, 5.1):  # the second in the short rest of the last window
        assert native_value(observed(blinking(film, every_s=at_s)).signals()) > 10.0
    still = PICTURES["held still"]
    odd = Film([*still.pictures], still.anchors, still.yaw_deg)
    odd.pictures[20] = np.roll(still.pictures[20], 90, axis=0)
    assert native_value(observed(odd).signals()) < 2.0


@settings(max_examples=20, deadline=None)
@given(st.floats(0.5, 1.6), st.floats(-30, 30), st.integers(0, 1000))
def test_light_and_contrast_change_nothing(gain, lift, seed):
    rng = np.random.default_rng(seed)
    base = cv2.GaussianBlur(rng.normal(0, 120, (24, 48)), (0, 0), 2.0) + 110
    pictures = np.stack([np.stack([base, base[:, ::-1]])] * 12)
    lit = pictures.copy()
    lit[5] = lit[5] * gain + lift
    lit = np.clip(lit, 0, 255)
    kept = np.clip(pictures, 0, 255).astype(np.uint8)
    if lit[5].min() > 5 and lit[5].max() < 250:
        yaw = np.linspace(-5, 5, 12)
        rest = eyes_at_rest(kept, yaw)
        assert eye_change(lit.astype(np.uint8), yaw, *rest)[5].max() < eye_change(kept, yaw, *rest)[5].max() + 0.02


def test_change_is_that_of_a_plain_loop():
    rng = np.random.default_rng(3)
    pictures = cv2.GaussianBlur(rng.normal(0, 200, (40, 24, 48)).transpose(1, 2, 0), (0, 0), 1.5).transpose(2, 0, 1)
    pictures = np.clip(pictures + 120, 0, 255).astype(np.uint8).reshape(20, 2, 24, 48)
    yaw = rng.uniform(-10, 10, 20)
    expected, (middle, at_rest) = np.empty((20, 2)), eyes_at_rest(pictures, yaw)
    assert at_rest.shape == (3, 2, 18, 40)
    assert (np.diff(middle) > 0).all()
    for eye in range(2):
        for k in range(20):
            rest = at_rest[np.abs(middle - yaw[k]).argmin(), eye].astype(float)
            windows = np.lib.stride_tricks.sliding_window_view(pictures[k, eye].astype(float), rest.shape)
            shifted = windows.reshape(-1, rest.size)
            expected[k, eye] = 1 - max(np.corrcoef(w, rest.ravel())[0, 1] for w in shifted)
    np.testing.assert_allclose(eye_change(pictures, yaw, middle, at_rest), expected, atol=1e-4)


def test_a_picture_that_looks_narrower_from_each_side_is_still_one_picture():
    rng = np.random.default_rng(6)
    eye = np.clip(cv2.GaussianBlur(rng.normal(0, 250, (24, 48)), (0, 0), 2.0) + 120, 0, 255)
    yaw = np.repeat([-15.0, 0.0, 15.0], 10)
    seen = []
    for stretch in (1.25, 1.0, 0.8):
        map_ = np.array([[1.0, 0, 0], [0, stretch, 12 * (1 - stretch)]])
        seen.append(cv2.warpAffine(eye, map_, (48, 24), borderMode=cv2.BORDER_REPLICATE))
    pictures = np.repeat(np.stack([np.stack([s, s]) for s in seen]).astype(np.uint8), 10, axis=0)
    assert eye_change(pictures, yaw, *eyes_at_rest(pictures, yaw)).max() < 1e-3
    assert eye_change(pictures, 0 * yaw, *eyes_at_rest(pictures, 0 * yaw)).max() > 0.05


def test_memory_holds_one_window_of_pictures():
    film = PICTURES["held still"]
    long = Film(film.pictures * 6, film.anchors * 6, film.yaw_deg * 6)
    observer = observed(long)
    assert observer._pictures.nbytes < 1_000_000
    assert len(observer._frames) <= eye_stillness.WINDOW_S * RATE_HZ
    signals = observer.signals()
    assert len(signals) == len(long.pictures)
    assert np.bincount(signals.window).min() >= eye_stillness.MIN_FRAMES
    assert len(observer.signals()) == len(signals)


@pytest.mark.parametrize(("seconds", "shrunk"), [(1.0, 1.0), (5.4, 0.2)], ids=["short", "small"])
def test_too_little_to_see_is_not_judged(seconds, shrunk):
    film = photograph(seconds, noise=2)
    small = [cv2.resize(p, None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA) for p in film.pictures]
    evidence = eye_stillness.assess(observed(Film(small, [a * shrunk for a in film.anchors], film.yaw_deg)).signals())
    assert evidence.status is Status.NOT_ASSESSED
    assert evidence.reason is not None


@settings(deadline=None, max_examples=10)
@given(seconds=st.floats(2.2, 7.0), share=st.floats(0, 0.35), side=st.sampled_from([-1, 1]))
def test_who_looks_away_is_told_that_and_not_that_the_recording_is_short(seconds, share, side):
    observer = EyePictures()
    n = round(seconds * RATE_HZ)
    for i in range(n):
        yaw = 0.0 if i < min(share * n, eye_stillness.MIN_FRAMES - 1) else 35.0 * side
        observer.observe(look(np.full((360, 360), 90, np.uint8)), face(EYES_XY, i / RATE_HZ, i, yaw))
    assert eye_stillness.assess(observer.signals()).reason is Reason.MISALIGNED_FACE


def test_a_line_that_hangs_is_not_taken_for_looking_away():
    observer = EyePictures()
    for i in (*range(15), *range(90, 104)):
        observer.observe(look(np.full((360, 360), 90, np.uint8)), face(EYES_XY, i / RATE_HZ, i))
    assert eye_stillness.assess(observer.signals()).reason is Reason.LOW_FRAME_RATE


def test_eyes_without_width_or_contrast_are_no_error():
    observer = EyePictures()
    for i in range(40):
        observation = face(np.full((4, 2), 100.0), i / RATE_HZ, i)
        observer.observe(look(np.full((360, 360), 90, np.uint8)), observation)
    assert np.isfinite(observer.signals().change).all()
    assert eye_stillness.assess(observer.signals()).status is Status.NOT_ASSESSED

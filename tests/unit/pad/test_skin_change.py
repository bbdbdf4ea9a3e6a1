"""Skin change: strips follow the face, the numbers see texture only, and what cannot be judged says why."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from idverify.models.session import Session
from idverify.pad._strips import SIDE_PX, _layout, cut_strip
from idverify.pad.evidence import Status
from idverify.pad.skin_change import MIN_FRAMES, N_FEATURES, SkinStrips, StripSignals, assess, describe
from idverify.reasons import Reason

RNG = np.random.default_rng(7)
STEP_S = 1 / 7.5


def flat_mesh(side_px: float = 200.0, at: float = 100.0) -> np.ndarray:
    """A mesh that lies where the layout has the face, scaled to a picture."""
    points, weights, _ = _layout()
    nodes = int(np.sqrt(len(points)))
    place = np.stack(np.meshgrid(np.arange(nodes), np.arange(nodes)), -1).reshape(-1, 2) / (nodes - 1)
    # The points of the mesh that the nodes are mixtures of, by least squares.
    design = np.zeros((len(points), 540))
    np.put_along_axis(design, points, weights, axis=1)
    xy = np.linalg.lstsq(design, place, rcond=None)[0][:468]
    return np.column_stack([xy * side_px + at, np.zeros(468)]).astype(np.float32)


def picture(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, (400, 400, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 6.0)
    return np.clip(128 + 40 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def rows(n: int = 20) -> np.ndarray:
    t = np.arange(n) * STEP_S
    return np.column_stack([t, np.sin(t), np.cos(t), 0 * t, 100 + t, 100 + 0 * t, 60 + 0 * t])


def strips(n: int = 20, noise: float = 1.0, seed: int = 0) -> np.ndarray:
    one = cut_strip(picture(seed), flat_mesh())
    grain = np.random.default_rng(seed + 1).normal(0, noise, (n, SIDE_PX, SIDE_PX))
    return np.clip(one + grain, 0, 255).astype(np.uint8)


def test_a_strip_stays_where_the_face_is():
    """Moved by whole pixels, the same face gives the same strip."""
    image, mesh = picture(), flat_mesh(at=60.0)
    moved = np.roll(image, (21, 13), axis=(0, 1))
    shift = np.array([13, 21, 0], np.float32)
    difference = cut_strip(image, mesh).astype(int) - cut_strip(moved, mesh + shift)
    assert np.abs(difference[10:-10, 10:-10]).mean() < 1.0


def test_a_face_at_the_border_of_the_picture_is_cut_all_the_same():
    assert cut_strip(picture(), flat_mesh() - 150).shape == (SIDE_PX, SIDE_PX)


def test_the_numbers_are_finite_even_for_a_flat_picture():
    flat = np.full((MIN_FRAMES, SIDE_PX, SIDE_PX), 90, np.uint8)
    found = describe(flat, rows(MIN_FRAMES))
    assert found.shape == (N_FEATURES,)
    assert np.isfinite(found).all()


def test_slow_change_of_texture_grows_with_what_is_painted_in_and_not_with_noise():
    """The slow bands of the forehead are the first three numbers."""
    still, noisy = strips(noise=1.0), strips(noise=3.0)
    folded = still.copy()
    fold = cv2.GaussianBlur(np.random.default_rng(3).normal(0, 1, (SIDE_PX, SIDE_PX)).astype(np.float32), (0, 0), 1.5)
    folded[10:] = np.clip(folded[10:] + 25 * fold / fold.std() * 0.5, 0, 255).astype(np.uint8)
    slow = [describe(s, rows())[1] for s in (still, noisy, folded)]
    assert slow[2] > slow[0] + 2
    assert slow[1] < slow[0] + 2


def test_brightness_of_the_whole_face_changes_little():
    dark = (strips().astype(np.float32) * 0.8).astype(np.uint8)
    # The last number of each region is its brightness itself.
    change = np.abs(describe(strips(), rows()) - describe(dark, rows()))[:132].reshape(6, 22)[:, :6]
    assert np.median(change) < 0.6


@pytest.mark.parametrize("way", [-1.0, 0.0, 1.0])
def test_irises_are_followed_against_the_lids_and_the_turns_of_the_head(way):
    """Of the last ten numbers: whether both irises go together across, and whether they go back with the turns."""
    n = 20
    turns = np.sin(np.linspace(0, 9, n)) * 6
    pictures, at = strips(n, noise=0.5), rows(n)
    at[:, 1], at[:, 2] = turns, 0.0
    for k, picture in enumerate(pictures):
        # Half a pixel of the strip for the greatest turn: the picture between the lids is drawn aside.
        for left in (25, 55):
            part = picture[31:42, left : left + 17].astype(np.float32)
            shift = np.float32([[1, 0, way * turns[k] / 12], [0, 1, 0]])
            moved = cv2.warpAffine(part, shift, part.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
            picture[31:42, left : left + 17] = np.clip(np.rint(moved), 0, 255)
    gaze = describe(pictures, at)[-10:]
    assert np.sign(np.round(gaze[6])) == -np.sign(way)
    assert (gaze[4] > 0.8) == (way != 0.0)


def test_strips_are_kept_evenly_and_never_more_than_a_few():
    observer, mesh, image = SkinStrips(), flat_mesh(), picture()
    view = SimpleNamespace(image_rgb=image, scale=1.0)
    for k in range(400):
        turn = np.array([k / 10, 0.0, 0.0])
        observer.observe(view, SimpleNamespace(time_s=k * 0.2, points_px=mesh, yaw_pitch_roll_deg=turn))
    kept = observer.kept()
    assert 24 <= len(kept.luma) <= 48
    assert len(np.unique(np.diff(kept.yaw_pitch_deg[:, 0]).round(6))) == 1


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"face_px": 20.0}, Reason.LOW_RESOLUTION),
        ({"rate_hz": 3.0}, Reason.LOW_FRAME_RATE),
        ({"features": np.empty((0, N_FEATURES), np.float32)}, Reason.VIDEO_TOO_SHORT),
    ],
)
def test_what_cannot_be_judged_says_why(more, reason):
    good = {
        "times_s": np.array([1.0]),
        "features": np.zeros((1, N_FEATURES), np.float32),
        "frames": 40,
        "face_px": 120.0,
        "rate_hz": 7.5,
    }
    evidence = assess(StripSignals(**(good | more)), Session("skin_change", threads=1))
    assert evidence.status is Status.NOT_ASSESSED
    assert evidence.reason is reason


def test_windows_are_closed_as_they_fill_and_memory_stays_flat():
    observer, mesh, image = SkinStrips(), flat_mesh(), picture()
    view = SimpleNamespace(image_rgb=image, scale=1.0)
    for k in range(150):
        face = SimpleNamespace(time_s=k / 15, points_px=mesh, yaw_pitch_roll_deg=np.zeros(3))
        observer.observe(view, face)
    signals = observer.signals()
    assert len(signals.features) == 4
    assert signals.rate_hz == pytest.approx(7.5, rel=0.05)
    assert (np.diff(signals.times_s) > 1.5).all()


@pytest.mark.parametrize(("seconds", "windows"), [(2.6, 1), (2.9, 1), (3.6, 2), (4.4, 2), (5.2, 2)])
def test_the_end_is_looked_at_however_the_windows_fall(seconds, windows):
    """A face that does not change at all but in its last second, from when a slot of a new window is full."""
    observers, mesh, image = (SkinStrips(), SkinStrips()), flat_mesh(), picture()
    for time_s in np.arange(0, seconds, STEP_S):
        face = SimpleNamespace(time_s=time_s, points_px=mesh, yaw_pitch_roll_deg=np.zeros(3))
        late = time_s > seconds - 0.8
        for observer, changes in zip(observers, (False, late), strict=True):
            shown = np.clip(image + RNG.normal(0, 20, image.shape), 0, 255).astype(np.uint8) if changes else image
            observer.observe(SimpleNamespace(image_rgb=shown, scale=1.0), face)
    still, changed = (observer.signals() for observer in observers)
    assert len(still.features) == len(changed.features) == windows
    if seconds != 2.9:
        assert changed.times_s[-1] == pytest.approx(seconds - min(seconds, 2.7) / 2, abs=0.25)
        assert np.abs(still.features[-1] - changed.features[-1]).max() > 0.1


def test_the_trees_answer_with_a_bounded_logit():
    session = Session("skin_change", threads=1)
    for scale in (1.0, 1e6):
        values = session.run((RNG.normal(0, scale, (8, N_FEATURES))).astype(np.float32))[0]
        assert np.isfinite(values).all()
        assert np.abs(values).max() < 7


def test_a_window_is_described_without_the_pictures_that_light_took():
    """Whatever swells over the face in four of twenty pictures, the numbers are those of the other sixteen."""
    mesh, image = flat_mesh(), np.clip(picture() * 0.8, 0, 255).astype(np.uint8)
    blown = np.clip(image * 2.5, 0, 255).astype(np.uint8)
    whole, without = SkinStrips(), SkinStrips()
    for k in range(20):
        lit, taken = 0.97 + 0.03 * np.sin(k), 8 <= k < 12
        shown = blown if taken else np.clip(image * lit, 0, 255).astype(np.uint8)
        face = SimpleNamespace(time_s=k * STEP_S, points_px=mesh, yaw_pitch_roll_deg=np.array([np.sin(k), 0.0, 0.0]))
        for observer in (whole, without)[: 1 if taken else 2]:
            observer.observe(SimpleNamespace(image_rgb=shown, scale=1.0), face)
    np.testing.assert_allclose(whole.signals().features, without.signals().features)

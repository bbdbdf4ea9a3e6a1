"""Texture constancy: the light on a solid head wanders; a picture keeps it, whatever exposure, noise and warp do."""

from __future__ import annotations

import cv2
import motion_scenes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.pad.texture_constancy import SKIN, ShadeSignals, SkinShade, assess, native_value, wander_percent
from idverify.reasons import Reason

RATE_HZ = 15.0
seeds = st.integers(0, 2**31 - 1)


def signals(
    n: int = 75, *, wander: float = 0.0, noise: float = 0.01, exposure: float = 0.0, luma: float = 120.0, seed: int = 0
) -> ShadeSignals:
    """Shade of a face; `wander`, `noise` and `exposure` as shares of the brightness."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / RATE_HZ
    own = np.log(luma) + rng.normal(0, 0.2, len(SKIN))
    # The light of each point sways at its own slow rate and phase.
    rate, phase = rng.uniform(0.3, 0.7, len(SKIN)), rng.uniform(0, 2 * np.pi, len(SKIN))
    sway = np.sqrt(2) * wander * np.sin(2 * np.pi * rate * t[:, None] + phase)
    common = exposure * np.sin(2 * np.pi * 0.4 * t)[:, None]
    shade = own + sway + common + rng.normal(0, noise, (n, len(SKIN)))
    return ShadeSignals(times_s=t, shade=shade.astype(np.float32), slope=np.full(len(SKIN), 0.005, np.float32))


@settings(deadline=None, max_examples=25)
@given(seed=seeds, noise=st.floats(0, 0.03), exposure=st.floats(0, 0.3))
def test_a_picture_does_not_wander_whatever_noise_and_exposure_do(seed, noise, exposure):
    assert native_value(signals(noise=noise, exposure=exposure, seed=seed)) < 0.2 + 20 * noise


@settings(deadline=None, max_examples=25)
@given(seed=seeds, first=st.floats(0.6, 1.6), last=st.floats(0.6, 1.6), sway=st.floats(0, 0.3))
def test_light_that_drifts_on_a_picture_makes_no_wander_even_where_tones_clip(seed, first, last, sway):
    """What software does to a picture that it animates: levels of the picture times a gain, in 8 bits."""
    rng, t = np.random.default_rng(seed), np.arange(75) / RATE_HZ
    gain = np.linspace(first, last, len(t)) * (1 + sway * np.sin(2 * np.pi * 0.5 * t))
    levels = np.clip(rng.uniform(70, 190, len(SKIN)) * gain[:, None] + rng.normal(0, 0.5, (75, len(SKIN))), 0, 255)
    shade = np.log(np.round(levels) + 12).astype(np.float32)
    found = native_value(ShadeSignals(times_s=t, shade=shade, slope=np.zeros(len(SKIN), np.float32)))
    # Where hardly any tone stays in range, nothing is said.
    assert found is None or found < 0.3


@settings(deadline=None, max_examples=25)
@given(seed=seeds, wander=st.floats(0.01, 0.1), exposure=st.floats(0, 0.3))
def test_the_wander_comes_out_in_per_cent(seed, wander, exposure):
    found = native_value(signals(wander=wander, exposure=exposure, noise=0.003, seed=seed))
    assert found == pytest.approx(100 * wander, rel=0.35)


@given(seed=seeds, wanders=st.lists(st.floats(0.005, 0.1), min_size=2, max_size=2).map(sorted))
@settings(deadline=None, max_examples=25)
def test_more_wander_is_never_less(seed, wanders):
    less, more = (native_value(signals(wander=w, noise=0.004, seed=seed)) for w in wanders)
    assert less <= more + 0.05


def test_a_tremor_of_the_mesh_on_a_picture_is_no_wander():
    """Every point reads its own slope at a place that is off by as much as the mesh trembles, slowly."""
    still = signals(noise=0.002)
    rng = np.random.default_rng(5)
    slope = rng.uniform(0.02, 0.08, len(SKIN)).astype(np.float32)
    off = 0.12 * np.sin(2 * np.pi * 0.5 * still.times_s)[:, None] * rng.choice([-1, 1], len(SKIN))
    trembling = ShadeSignals(times_s=still.times_s, shade=still.shade + (off * slope).astype(np.float32), slope=slope)
    assert native_value(trembling) < 0.3
    assert wander_percent(trembling.times_s, trembling.shade, np.zeros_like(slope)) > 0.3


def test_it_only_speaks_against():
    lively, picture = assess(signals(wander=0.05)), assess(signals())
    assert lively.bona_fide_llr == 0.0
    assert picture.bona_fide_llr < -1.0
    assert not picture.decisive


@pytest.mark.parametrize(
    ("what", "reason"),
    [({"n": 20}, Reason.VIDEO_TOO_SHORT), ({"luma": 6.0}, Reason.TOO_DARK), ({"luma": 400.0}, Reason.TOO_BRIGHT)],
)
def test_what_cannot_be_read_is_not_assessed(what, reason):
    evidence = assess(signals(**what))
    assert evidence.bona_fide_llr is None
    assert evidence.reason is reason


def test_few_pictures_a_second_are_no_short_recording():
    slow = signals(150)
    kept = np.arange(len(slow)) % 3 == 0
    slow = ShadeSignals(times_s=slow.times_s[kept], shade=slow.shade[kept], slope=slow.slope)
    assert assess(slow).reason is Reason.LOW_FRAME_RATE


def test_uneven_times_and_gaps_are_slots_of_time():
    whole = signals(wander=0.03, noise=0.003)
    kept = np.random.default_rng(1).random(len(whole)) > 0.25
    thinned = ShadeSignals(times_s=whole.times_s[kept], shade=whole.shade[kept], slope=whole.slope)
    assert native_value(thinned) == pytest.approx(native_value(whole), rel=0.2)


def observed(light) -> ShadeSignals:
    """Pictures of one textured face under a light that is given at each time, through the observer."""
    observer, texture = SkinShade(), motion_scenes.texture(3).astype(np.float32)
    y, x = np.mgrid[: texture.shape[0], : texture.shape[1]] / texture.shape[0] - 0.5
    for i in range(75):
        time_s = i / RATE_HZ
        picture = np.clip(texture * light(time_s, x, y), 0, 255).astype(np.uint8)
        seen = motion_scenes.face(motion_scenes.ANCHOR_XY, time_s, i)
        observer.observe(motion_scenes.look(cv2.GaussianBlur(picture, (0, 0), 1.0)), seen)
    return observer.signals()


def test_pictures_under_a_steady_and_under_a_moving_light():
    steady = native_value(observed(lambda t, x, y: 1.0 + 0.2 * np.sin(2 * t)))
    moving = native_value(observed(lambda t, x, y: 1.0 + 0.25 * x * np.sin(2 * t) + 0.2 * y * np.cos(3 * t)))
    assert steady < 0.3
    assert moving > 1.0

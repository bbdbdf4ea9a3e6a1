"""Light that swells until colours clip, or fails, brings no life into a picture, and takes none from a face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motion_scenes import RATE_HZ, Film, blinking, face, looking, photograph

from idverify.pad import eye_stillness, liveliness, stillness, texture_constancy
from idverify.pad._clipping import alike, lost_share, strongest, what_hid
from idverify.pad.evidence import AnalysedFrame
from idverify.pad.eye_stillness import EyePictures
from idverify.pad.motion import MotionObserver
from idverify.pad.texture_constancy import SkinShade
from idverify.reasons import Reason

SKIN_RGB = np.array([1.4, 1.0, 0.8])


def swelling(peak: float, at_s: float = 2.5, half_width_s: float = 1.0):
    """Light over time: one, but for a smooth swell."""

    def light(t: float) -> float:
        x = (t - at_s) / half_width_s
        return float(peak ** (0.5 + 0.5 * np.cos(np.pi * x))) if abs(x) < 1 else 1.0

    return light


def shown(film: Film, light, *observers):
    """The observers after a film in the colours of skin, under a light."""
    for i, (grey, anchors) in enumerate(zip(film.pictures, film.anchors, strict=True)):
        t = i / RATE_HZ
        colours = np.clip(grey[..., None] * SKIN_RGB * light(t), 0, 255).astype(np.uint8)
        luma = cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)
        view = AnalysedFrame(frame=None, image_rgb=colours, luma=luma, scale=1.0)  # type: ignore[arg-type]
        seen = face(anchors, t, i, film.yaw_deg[i])
        for corner, share in ((133, 0.38), (362, 0.62)):
            seen.points_px[corner, :2] = anchors[0] + share * (anchors[1] - anchors[0])
        for observer in observers:
            observer.observe(view, seen)
    return observers


@pytest.mark.parametrize("peak", [1.2, 1.5, 2.0, 3.0, 0.08])
def test_a_photograph_stays_one_while_light_swells_or_fails(peak):
    motion, eyes, shade = shown(
        photograph(5.4, sway=0.5, noise=1), swelling(peak), MotionObserver(), EyePictures(), SkinShade()
    )
    still = stillness.assess(motion.signals())
    assert still.bona_fide_llr is None or still.bona_fide_llr <= 0
    lively = liveliness.assess(motion.signals())
    assert lively.bona_fide_llr is None or lively.bona_fide_llr < 0.5
    assert eye_stillness.assess(eyes.signals()).bona_fide_llr < -0.3
    constant = texture_constancy.native_value(shade.signals())
    assert constant is None or constant < 0.4


@pytest.mark.parametrize("peak", [1.5, 3.0, 0.08])
def test_eyes_that_live_are_seen_to_live_all_the_same(peak):
    film = blinking(looking(photograph(5.4, sway=0.5, noise=1)))
    motion, eyes = shown(film, swelling(peak), MotionObserver(), EyePictures())
    assert eye_stillness.assess(eyes.signals()).bona_fide_llr == 0.0
    assert stillness.assess(motion.signals()).reason is not Reason.STATIC_PRESENTATION


@given(levels=st.lists(st.integers(0, 255), min_size=3, max_size=3), gain=st.floats(1.0, 4.0))
def test_more_light_never_loses_less(levels, gain):
    ramp = np.linspace(0.4, 1.0, 64)[:, None, None] * np.array(levels)
    dim, bright = (np.clip(ramp * g, 0, 255).astype(np.uint8) for g in (1.0, gain))
    assert (strongest(bright) >= strongest(dim)).all()
    if strongest(dim).max() > 80:
        assert lost_share(bright) >= lost_share(dim)


@settings(max_examples=50)
@given(shares=st.lists(st.floats(0, 1), max_size=40))
def test_most_pictures_are_alike_where_the_typical_one_is(shares):
    kept = alike(np.array(shares))
    assert len(kept) == len(shares)
    even = alike(np.full(len(shares), 0.3))
    assert even.all()


def test_what_is_black_is_lost():
    assert lost_share(np.full((8, 8, 3), 10, np.uint8)) == 1.0
    assert lost_share(np.full((8, 8, 3), (90, 60, 40), np.uint8)) == 0.0


def test_what_light_hid_is_said():
    assert what_hid(np.r_[np.zeros(20), 0.7], 1) is None
    assert what_hid(np.r_[np.zeros(10), np.full(10, 0.7)], 10) is Reason.TOO_BRIGHT
    assert what_hid(np.r_[np.zeros(10), np.ones(10)], 10) is Reason.TOO_DARK


def test_waves_of_light_do_not_silence_what_a_picture_shows():
    """Hardly any third of a second is in one light, and yet the skin of the picture stays what it is."""
    (shade,) = shown(photograph(5.4, sway=0.5, noise=1), lambda t: 1.7 ** np.sin(2 * np.pi * t), SkinShade())
    assert texture_constancy.native_value(shade.signals()) < 1.0

"""Motion mechanisms: attacks named by the lie they tell, people, and what is too little to judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from motion_scenes import Film, blinking, head, looking, photograph

from idverify.errors import CalibrationError
from idverify.pad import context_motion, depth, liveliness, stillness
from idverify.pad._llr import LLRScale, load_scale
from idverify.pad._registration import N_CELLS
from idverify.pad.evidence import Status
from idverify.pad.motion import MotionObserver
from idverify.reasons import Reason

STILLS = {
    "fixed_photo_says_it_is_a_person": photograph(),
    "noisy_photo_says_noise_is_life": photograph(noise=4),
    "moved_photo_says_motion_is_life": photograph(sway=1.0, noise=2),
    "tilted_photo_says_perspective_is_depth": photograph(tilt=0.4, noise=2),
    "flickering_photo_says_light_is_life": photograph(sway=0.5, noise=2, gain=0.15),
}


@pytest.mark.parametrize("lie", STILLS)
def test_still_photograph_is_found(lie):
    evidence = stillness.assess(STILLS[lie].signals())
    assert evidence.status is Status.ASSESSED
    assert evidence.reason is Reason.STATIC_PRESENTATION
    assert evidence.decisive
    assert evidence.bona_fide_llr == load_scale("stillness").floor


PEOPLE = {
    "looks_about_and_blinks": blinking(looking(photograph(noise=3))),
    "turns": head(),
    "turns_and_blinks": blinking(head()),
}


@pytest.mark.parametrize("film", PEOPLE.values(), ids=PEOPLE)
def test_person_is_not_still(film):
    evidence = stillness.assess(film.signals())
    assert evidence.status is Status.ASSESSED
    assert evidence.reason is None
    assert not evidence.decisive
    assert evidence.bona_fide_llr > 0.5


def test_a_blink_that_nothing_bears_out_is_no_support_and_keeps_a_picture_from_being_proven():
    evidence = stillness.assess(blinking(photograph(noise=3)).signals())
    assert evidence.status is Status.ASSESSED
    assert evidence.bona_fide_llr == 0.0
    assert not evidence.decisive


def test_short_still_is_called_too_little_not_live():
    evidence = stillness.assess(photograph(2.7, sway=1.0, noise=4).signals())
    assert evidence.status is Status.NOT_ASSESSED
    assert evidence.reason is Reason.TOO_LITTLE_MOVEMENT


def test_noise_that_hides_a_blink_is_not_called_still():
    signals = photograph(6, noise=3).signals()
    loud = replace(signals, change_px=signals.change_px * 20)
    evidence = stillness.assess(loud)
    assert evidence.status is Status.NOT_ASSESSED
    assert evidence.reason is Reason.LIVENESS_UNCERTAIN


def test_one_blink_in_five_seconds_counts():
    still = photograph(5.2, noise=3)
    shut = blinking(still, every_s=2.1, length_s=0.3).pictures
    once = Film([*still.pictures[:30], *shut[30:38], *still.pictures[38:]], still.anchors, still.yaw_deg)
    assert stillness.native_value(once.signals()) > 2 * stillness.native_value(still.signals())


def test_small_face_is_sent_closer():
    film = photograph(3)
    small = Film([p[::5, ::5].copy() for p in film.pictures], [a / 5 for a in film.anchors], film.yaw_deg)
    assert stillness.assess(small.signals()).reason is Reason.FACE_TOO_FAR


def test_head_shows_the_parallax_of_its_rotation():
    evidence = depth.assess(head(yaw_deg=12).signals())
    assert evidence.native == pytest.approx(1.0, abs=0.15)
    assert evidence.bona_fide_llr > 0.5


def test_tilted_photo_shows_no_parallax():
    evidence = depth.assess(photograph(tilt=0.4, noise=2).signals())
    assert evidence.native == pytest.approx(0.0, abs=0.1)
    assert evidence.bona_fide_llr < -0.5


def test_full_support_takes_the_parallax_of_a_head():
    """A quarter of it, as a bent card or a shallow warp shows, is worth next to nothing."""
    scale = load_scale("depth")
    assert scale(0.24) < 0.2 * scale.ceiling
    assert scale(0.0) < -1.0
    assert scale(0.6) == scale.ceiling


def test_depth_says_how_much_rotation_was_missing():
    evidence = depth.assess(head(yaw_deg=0.5).signals())
    assert evidence.reason is Reason.TOO_LITTLE_MOVEMENT
    assert "degrees" in evidence.detail


def test_blinks_are_counted_with_their_lengths():
    seen = liveliness.activity(blinking(photograph(7.5, noise=2), every_s=2.0, length_s=0.27).signals())
    assert len(seen.blink_lengths_s) == 3
    assert seen.blink_lengths_s == pytest.approx(np.full(3, 0.27), abs=0.14)
    assert seen.blink_times_s == pytest.approx([2.0, 4.0, 6.0], abs=0.1)


def test_no_blink_is_no_evidence_of_attack():
    assert liveliness.assess(photograph(noise=3).signals()).bona_fide_llr == 0.0


def test_picture_that_carries_its_background_is_one_motion():
    evidence = context_motion.assess(photograph(sway=1.0, noise=1).signals())
    assert evidence.native > 0.9
    assert evidence.bona_fide_llr < 0.0


def test_a_face_that_moves_by_itself_has_no_share_below_nothing(monkeypatch):
    signals = photograph(sway=1.0, noise=1).signals()
    moved = np.full(len(signals), 900.0)
    monkeypatch.setattr(context_motion, "shared_motion", lambda *_: (moved, 2 * moved))
    evidence = context_motion.assess(signals)
    assert evidence.native == -1.0
    assert "by itself" in evidence.detail
    assert "%" not in evidence.detail


def test_still_background_says_nothing():
    film = photograph(sway=1.0)
    first = film.pictures[0]
    held = [_paste_face(first, p, a) for p, a in zip(film.pictures, film.anchors, strict=True)]
    evidence = context_motion.assess(Film(held, film.anchors, film.yaw_deg).signals())
    assert evidence.status is Status.NOT_APPLICABLE


def _paste_face(scene, picture, anchors):
    low, high = (anchors.min(axis=0) - 40).astype(int), (anchors.max(axis=0) + 40).astype(int)
    out = scene.copy()
    out[low[1] : high[1], low[0] : high[0]] = picture[low[1] : high[1], low[0] : high[0]]
    return out


def test_signals_of_nothing_are_empty_rows():
    signals = MotionObserver().signals()
    assert len(signals) == 0
    assert signals.change_px.shape == (0, N_CELLS)
    assert repr(signals) == "MotionSignals(frames=0, keys=0)"


def test_between_keeps_whole_rows():
    signals = photograph(2).signals()
    part = signals.between(0.5, 1.0)
    assert len(part) == np.count_nonzero((signals.times_s >= 0.5) & (signals.times_s < 1.0)) > 0
    assert {len(getattr(part, n)) for n in part.__slots__} == {len(part)}


def test_scale_refuses_bounds_on_one_side():
    with pytest.raises(CalibrationError, match="floor"):
        LLRScale.logistic(intercept=0, slope=1, offset=1, floor=0.5, ceiling=1)
    with pytest.raises(CalibrationError, match="no usable table"):
        load_scale("astrology")


@pytest.mark.parametrize("columns", [slice(60, None), slice(None, 300)])
def test_pictures_of_another_shape_show_another_part_of_the_background(columns):
    film = photograph(3, sway=1.0, noise=1)
    half = len(film.pictures) // 2
    film.pictures[half:] = [np.ascontiguousarray(picture[:, columns]) for picture in film.pictures[half:]]
    film.anchors[half:] = [anchors - [columns.start or 0, 0] for anchors in film.anchors[half:]]
    known = np.isfinite(film.signals().background).all(axis=(1, 2))
    assert not known[half]
    assert known[1:half].mean() > 0.9
    assert known[half + 1 :].mean() > 0.9

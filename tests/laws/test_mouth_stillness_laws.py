"""Mouth stillness: a rigid face with living eyes is told from one that speaks, however it is moved and lit."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from motion_scenes import RATE_HZ, Film, blinking, photograph, texture

from idverify.pad import mouth_stillness
from idverify.pad.evidence import Status
from idverify.pad.mouth_stillness import native_value


def speaking(film: Film, *, strength: float = 1.0) -> Film:
    """The same film with lips that open twice a second: other texture, faded in by `strength`."""
    teeth, pictures = texture(77), []
    for i, picture in enumerate(film.pictures):
        open_ = max(0.0, np.sin(2 * np.pi * 2.0 * i / RATE_HZ)) * strength
        x, y = film.anchors[i][2:].mean(axis=0)
        mask = np.zeros(picture.shape, np.float32)
        cv2.ellipse(mask, (round(x), round(y + 4)), (26, 14), 0, 0, 360, open_, -1)
        pictures.append((picture * (1 - mask) + teeth * mask).astype(np.uint8))
    return Film(pictures, film.anchors, film.yaw_deg)


MASKS = {
    "held still": blinking(photograph(5.4, noise=2)),
    "swaying": blinking(photograph(5.4, sway=1.0, noise=2)),
    "under a changing light": blinking(photograph(5.4, sway=0.5, noise=2, gain=0.15)),
}


@pytest.mark.parametrize("way", MASKS)
def test_a_mask_with_living_eyes_is_objected_to(way):
    evidence = mouth_stillness.assess(MASKS[way].signals())
    assert evidence.native < 1.5
    assert evidence.bona_fide_llr < -0.3
    assert not evidence.decisive


@pytest.mark.parametrize("way", MASKS)
def test_the_same_face_that_speaks_is_not(way):
    evidence = mouth_stillness.assess(speaking(MASKS[way]).signals())
    assert evidence.native > 2.5
    assert evidence.bona_fide_llr == 0.0


def test_the_wider_the_mouth_the_higher():
    natives = [native_value(speaking(MASKS["held still"], strength=s).signals()) for s in (0.0, 0.3, 0.6, 1.0)]
    assert natives == sorted(natives)


def test_one_short_burst_is_not_enough_and_half_of_the_time_is():
    still, lively = MASKS["held still"], speaking(MASKS["held still"])
    n = len(still.pictures)
    for spoken_s, enough in ((0.8, False), (3.6, True)):
        spoken = slice(10, 10 + round(spoken_s * RATE_HZ))
        pictures = [*still.pictures[: spoken.start], *lively.pictures[spoken], *still.pictures[spoken.stop : n]]
        evidence = mouth_stillness.assess(Film(pictures, still.anchors, still.yaw_deg).signals())
        assert (evidence.bona_fide_llr == 0.0) == enough


def test_noise_that_hides_lips_is_no_evidence():
    evidence = mouth_stillness.assess(blinking(photograph(5.4, noise=60)).signals())
    assert evidence.status is Status.NOT_ASSESSED

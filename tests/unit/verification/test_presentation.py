"""A look at recordings in which something is wrong: what is named, and what is not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from idverify.reasons import NotAssessed, Reason
from idverify.verification import presentation
from idverify.verification.policy import load_policy

IAL2 = load_policy("ial2")


def recording(bits_per_pixel: float = 0.1, rate_hz: float = 30.0, span_s: float = 5.0, n_tracks: int = 1):
    """A recording and its capture, as far as they are looked at."""
    n, size = round(rate_hz * span_s), (640, 480)
    bits = bits_per_pixel * size[0] * size[1]
    capture = SimpleNamespace(n_decoded=n, decoded_span_s=span_s, size_wh=size)
    problems = SimpleNamespace(backwards=0)
    film = SimpleNamespace(bits_per_picture=bits, time_problems=problems, truncated=False, n_picture_tracks=n_tracks)
    return film, capture


@pytest.mark.parametrize(
    ("what", "problems", "handicaps"),
    [
        ({}, [], []),
        ({"bits_per_pixel": 0.015}, [], [Reason.HEAVILY_COMPRESSED]),
        ({"bits_per_pixel": 0.002}, [Reason.HEAVILY_COMPRESSED], [Reason.HEAVILY_COMPRESSED]),
        ({"rate_hz": 15.0}, [], []),
        ({"rate_hz": 10.0}, [], [Reason.LOW_FRAME_RATE]),
        ({"rate_hz": 5.0}, [], [Reason.LOW_FRAME_RATE]),
        ({"rate_hz": 3.0}, [Reason.LOW_FRAME_RATE], [Reason.LOW_FRAME_RATE]),
        ({"span_s": 1.0}, [Reason.VIDEO_TOO_SHORT], []),
        ({"n_tracks": 2}, [Reason.SEVERAL_PICTURE_TRACKS], []),
    ],
)
def test_what_keeps_a_recording_from_being_judged_and_what_only_makes_it_hard(what, problems, handicaps):
    film, capture = recording(**what)
    assert presentation._recording_problems(film, capture, IAL2) == problems
    assert presentation._recording_handicaps(film, capture) == handicaps


def test_nobody_in_the_dark_is_told_to_make_light():
    nobody = NotAssessed(reason=Reason.NO_FACE)
    assert presentation._subject_problems(nobody, IAL2, dark=True) == [Reason.TOO_DARK]
    assert presentation._subject_problems(nobody, IAL2, dark=False) == [Reason.NO_FACE]
    assert presentation._subject_problems(NotAssessed(reason=Reason.BLURRY), IAL2, dark=True) == [Reason.BLURRY]

"""A look at recordings in which something is wrong: what is named, and what is not."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from idverify.pad.identity_continuity import Likenesses
from idverify.reasons import NotAssessed, Reason
from idverify.verification import presentation
from idverify.verification.policy import load_policy
from idverify.verification.subject import Subject

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


def test_of_the_signs_of_the_file_only_a_stall_makes_a_recording_hard_to_judge():
    kinds = (None, Reason.TAMPERED_RECORDING, Reason.RECORDING_STALLED, Reason.QUALITY_FELL)
    signs = tuple(SimpleNamespace(reason=reason) for reason in kinds)
    assert presentation._stalls(signs) == [Reason.RECORDING_STALLED]
    assert presentation._doubts_about_the_file(signs) == [Reason.QUALITY_FELL]


@pytest.mark.parametrize(
    ("span_s", "followed", "seen", "analysed", "scarcity"),
    [
        (2.9, 20, 20, 44, Reason.VIDEO_TOO_SHORT),
        (3.0, 20, 20, 45, Reason.FACE_LOST),
        (6.0, 20, 20, 20, Reason.LOW_FRAME_RATE),
        (60.0, 0, 0, 900, Reason.FACE_LOST),
        (6.0, 40, 90, 90, Reason.LIVENESS_UNCERTAIN),
    ],
    ids=["it ends", "the face leaves", "it hangs", "hardly there", "light jumps"],
)
def test_little_of_a_face_is_the_recordings_the_persons_or_the_lines_doing(span_s, followed, seen, analysed, scarcity):
    capture = SimpleNamespace(decoded_span_s=span_s, n_analysed=analysed)
    assert presentation._scarcity(capture, subject_of(followed, coverage=seen / analysed)) is scarcity


def test_where_nobody_asks_for_liveness_a_jump_of_light_leaves_the_match_uncertain():
    capture = SimpleNamespace(decoded_span_s=6.0, n_analysed=90)
    assert presentation._scarcity(capture, subject_of(40), Reason.MATCH_UNCERTAIN) is Reason.MATCH_UNCERTAIN


@pytest.mark.parametrize(
    ("coverage", "compared", "scarcity", "found"),
    [
        (1.0, 6, None, []),
        (0.6, 6, None, [Reason.FACE_LOST]),
        (1.0, 2, None, [Reason.VIDEO_TOO_SHORT]),
        (1.0, 2, Reason.BLURRY, [Reason.BLURRY]),
    ],
)
def test_a_face_that_is_seen_for_a_part_is_not_called_missing(coverage, compared, scarcity, found):
    subject = subject_of(40, coverage=coverage, compared=compared, scarcity=scarcity)
    assert presentation._subject_problems(subject, IAL2, dark=False, scarcity=Reason.VIDEO_TOO_SHORT) == found


def subject_of(followed, *, coverage=1.0, compared=6, scarcity=None):
    """A subject that is one person throughout."""
    vectors = np.tile(np.eye(1, 8), (6, 1))
    alike = Likenesses(times_s=np.arange(6.0), similarity=vectors @ vectors.T)
    return Subject(
        track=range(followed), compared=(None,) * compared, vectors=vectors, template=None, quality={},
        likenesses=alike, coverage=coverage, bystanders=0, problems=(), scarcity=scarcity,
    )  # fmt: skip


def test_nobody_in_the_dark_is_told_to_make_light():
    nobody = NotAssessed(reason=Reason.NO_FACE)
    assert presentation._subject_problems(nobody, IAL2, dark=True, scarcity=Reason.LOW_FRAME_RATE) == [Reason.TOO_DARK]
    assert presentation._subject_problems(nobody, IAL2, dark=False, scarcity=Reason.LOW_FRAME_RATE) == [Reason.NO_FACE]
    blurry = NotAssessed(reason=Reason.BLURRY)
    assert presentation._subject_problems(blurry, IAL2, dark=True, scarcity=Reason.LOW_FRAME_RATE) == [Reason.BLURRY]

"""Who is verified: the person who is largest and stays, never a mixture, and doubt is said."""

from __future__ import annotations

import numpy as np
import pytest
import stage
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.comparison.features import pool
from idverify.faces.tracking import Tracker
from idverify.pad import identity_continuity
from idverify.pad.identity_continuity import weakest_link
from idverify.reasons import NotAssessed, Reason
from idverify.verification.acquisition import acquire
from idverify.verification.enrolment import FaceModels
from idverify.verification.subject import MAX_COMPARED, Subject, choose_subject

MIDDLE = (320.0, 240.0, 150.0)
BESIDE = (530.0, 240.0, 140.0)
SMALL = (570.0, 200.0, 60.0)


def models(eyes=None) -> FaceModels:
    return FaceModels(
        detectors=(stage.StageDetector(),), mesh=stage.StageMesh(), extractor=stage.extractor(), eyes=eyes
    )


def choose(cast_at, seconds=3.0, eyes=None, **more) -> Subject | NotAssessed:
    tracker = Tracker(stage.StageDetector(), stage.StageMesh())
    capture = acquire(stage.Play(cast_at, seconds=seconds, **more), tracker, factories={})
    return choose_subject(capture, models(eyes))


def template_of(person: str):
    picture = stage.draw({person: MIDDLE})
    return pool(stage.extractor().extract([picture], stage.head_points(MIDDLE[:2], MIDDLE[2])[None]), np.ones(1))


def likeness(subject: Subject, person: str) -> float:
    return float(subject.template.vector @ template_of(person).vector)


def reasons(subject: Subject) -> list[Reason]:
    return [problem.reason for problem in subject.problems]


def test_one_person_is_the_subject_without_a_problem():
    subject = choose(lambda t: {"ann": MIDDLE})
    assert reasons(subject) == []
    assert likeness(subject, "ann") == pytest.approx(1.0)
    assert subject.coverage == pytest.approx(1.0)
    assert weakest_link(subject.likenesses)[0] == pytest.approx(1.0)
    assert subject.bystanders == 0
    assert min(subject.quality.values()) > 30


def test_the_compared_faces_lie_in_the_track_and_are_spread_over_it():
    subject = choose(lambda t: {"ann": MIDDLE}, seconds=6)
    times = np.array([c.face.time_s for c in subject.compared])
    assert 4 <= len(times) <= MAX_COMPARED
    assert np.isin([c.face.frame_index for c in subject.compared], subject.track.frame_indices).all()
    assert (np.diff(times) > 0).all()
    assert times[-1] - times[0] > 3
    assert subject.template.n_faces == len(times) == len(subject.vectors)


def test_nobody_is_no_face():
    assert choose(lambda t: {}).reason is Reason.NO_FACE


def test_a_false_alarm_of_three_frames_is_no_face():
    found = choose(lambda t: {"ann": MIDDLE} if 1.0 <= t < 1.2 else {})
    assert found.reason is Reason.NO_FACE


def test_a_small_bystander_is_reported_and_never_compared():
    subject = choose(lambda t: {"ann": MIDDLE, "bob": SMALL})
    assert reasons(subject) == []
    assert subject.bystanders == 1
    assert likeness(subject, "ann") == pytest.approx(1.0)
    assert likeness(subject, "bob") == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("first", ["ann", "bob"])
def test_two_people_of_a_size_could_both_be_meant(first):
    """Whoever is drawn or found first."""
    other = {"ann": "bob", "bob": "ann"}[first]
    subject = choose(lambda t: {first: MIDDLE, other: BESIDE})
    assert reasons(subject) == [Reason.MULTIPLE_FACES]
    assert subject.bystanders == 1
    assert likeness(subject, first) == pytest.approx(1.0)


def test_a_second_person_for_a_short_while_is_a_bystander():
    subject = choose(lambda t: {"ann": MIDDLE} | ({"bob": BESIDE} if 1 <= t < 1.4 else {}), seconds=6)
    assert reasons(subject) == []
    assert subject.bystanders == 1


def test_a_person_who_leaves_and_returns_is_one_person():
    subject = choose(lambda t: {"ann": MIDDLE} if not 1.2 <= t < 1.8 else {}, seconds=4)
    assert reasons(subject) == []
    assert subject.bystanders == 0
    assert subject.coverage == pytest.approx(1 - 0.6 / 4, abs=0.05)


def test_another_person_in_the_place_of_the_first_is_a_change():
    """One leaves, another comes: two tracks, two people."""
    subject = choose(lambda t: {"ann": MIDDLE} if t < 2 else ({"bob": MIDDLE} if t > 2.5 else {}), seconds=4.5)
    assert Reason.PERSON_CHANGED in reasons(subject)


@pytest.mark.parametrize("at_s", [1.0, 2.0, 3.0])
def test_a_face_swapped_in_the_middle_of_a_track_is_a_change(at_s):
    """No cut, no gap: the same place, another face from one frame to the next."""
    subject = choose(lambda t: {"ann" if t < at_s else "bob": MIDDLE}, seconds=4)
    assert identity_continuity.assess(subject.likenesses).reason is Reason.PERSON_CHANGED


def test_two_people_taking_turns_are_a_change():
    subject = choose(lambda t: {"ann" if int(t) % 2 == 0 else "bob": MIDDLE}, seconds=6)
    assert identity_continuity.assess(subject.likenesses).reason is Reason.PERSON_CHANGED


@pytest.mark.parametrize("begin_s", [1.6, 2.05, 3.3, 4.1])
def test_a_swap_shorter_than_a_compared_face_stands_for_is_a_change(begin_s):
    subject = choose(lambda t: {"bob" if begin_s <= t < begin_s + 0.5 else "ann": MIDDLE}, seconds=6)
    assert identity_continuity.assess(subject.likenesses).reason is Reason.PERSON_CHANGED
    assert likeness(subject, "ann") > likeness(subject, "bob")


@settings(max_examples=15, deadline=None)
@given(
    at=st.integers(0, 59), k=st.integers(1, 30), rate_hz=st.sampled_from([7.5, 15.0, 30.0]), seed=st.integers(0, 2**53)
)
def test_any_pictures_of_another_face_in_the_subjects_place_are_a_change(at, k, rate_hz, seed):
    """From a single analysed picture on, wherever it is and whatever is drawn."""
    n = 60
    period = 1 if rate_hz <= 15 else 2
    shown = range(min(at, n - k) // period * period, min(at, n - k) // period * period + max(k, period))
    play = stage.Play(
        lambda t: {"bob" if round(t * rate_hz) in shown else "ann": MIDDLE}, seconds=n / rate_hz, rate_hz=rate_hz
    )
    tracker = Tracker(stage.StageDetector(), stage.StageMesh())
    subject = choose_subject(acquire(play, tracker, factories={}, seed=seed), models())
    assert isinstance(subject, Subject)
    assert identity_continuity.assess(subject.likenesses).reason is Reason.PERSON_CHANGED


def test_a_face_that_light_hides_for_a_while_is_nobody_elses():
    """Gone for a moment, back without any detail, gone and back: who that was cannot be told, and is not said."""

    class Hidden(stage.Play):
        def __iter__(self):
            for frame in super().__iter__():
                picture = frame.picture.copy()
                if 2 <= frame.time_s < 3.3:
                    picture[..., 1:] = 120
                yield stage.StageFrame(frame.index, frame.time_s, picture)

    def cast(t):
        return {} if 1.8 <= t < 2.0 or 3.3 <= t < 3.5 else {"ann": MIDDLE}

    tracker = Tracker(stage.StageDetector(), stage.StageMesh())
    found = choose_subject(acquire(Hidden(cast, seconds=6), tracker, factories={}), models())
    assert isinstance(found, Subject)
    assert Reason.PERSON_CHANGED not in reasons(found)
    assert set(reasons(found)) <= {Reason.BLURRY, Reason.EYES_NOT_VISIBLE}
    assert reasons(found)
    assert found.coverage > 0.75


def test_what_keeps_faces_from_being_compared_is_named():
    assert choose(lambda t: {"ann": MIDDLE}).scarcity is None

    class Flat(stage.Play):
        def __iter__(self):
            for frame in super().__iter__():
                picture = frame.picture.copy()
                if frame.index % 4:
                    picture[..., 1:] = 120
                yield stage.StageFrame(frame.index, frame.time_s, picture)

    tracker = Tracker(stage.StageDetector(), stage.StageMesh())
    found = choose_subject(acquire(Flat(lambda t: {"ann": MIDDLE}, seconds=4), tracker, factories={}), models())
    assert isinstance(found, Subject)
    assert found.scarcity in (Reason.BLURRY, Reason.EYES_NOT_VISIBLE)


def test_the_subject_is_chosen_by_size_and_time_not_by_likeness():
    """The choice sees no reference: a large stranger before the small right person is the subject."""
    subject = choose(lambda t: {"ann": (200, 240, 75), "bob": (450, 240, 180)})
    assert likeness(subject, "bob") == pytest.approx(1.0)


def test_faces_too_poor_to_compare_are_a_reason_not_a_guess():
    """A grey wall of a face: no detail at all."""

    class Flat(stage.Play):
        def __iter__(self):
            for frame in super().__iter__():
                picture = frame.picture.copy()
                picture[..., 1:] = 120
                yield stage.StageFrame(frame.index, frame.time_s, picture)

    tracker = Tracker(stage.StageDetector(), stage.StageMesh())
    found = choose_subject(acquire(Flat(lambda t: {"ann": MIDDLE}, seconds=2), tracker, factories={}), models())
    assert isinstance(found, NotAssessed)
    assert found.reason in (Reason.BLURRY, Reason.EYES_NOT_VISIBLE)
    assert "faces" in found.detail


def test_a_face_far_away_is_told_to_come_closer():
    assert choose(lambda t: {"ann": (320, 240, 24)}).reason is Reason.FACE_TOO_FAR


class Eyes:
    def __init__(self, *openings: float) -> None:
        self.openings = list(openings)

    def opening(self, image_rgb, points_px):
        return np.full((len(points_px), 2), self.openings.pop(0) if len(self.openings) > 1 else self.openings[0])


def test_eyes_that_are_never_open_are_a_problem_and_a_blink_is_not():
    assert reasons(choose(lambda t: {"ann": MIDDLE}, eyes=Eyes(0.05))) == [Reason.EYES_CLOSED]
    assert reasons(choose(lambda t: {"ann": MIDDLE}, eyes=Eyes(0.05, 0.3, 0.05))) == []


def test_a_subject_shows_no_features_and_no_pixels():
    shown = repr(choose(lambda t: {"ann": MIDDLE}))
    assert "vectors" not in shown
    assert "image_rgb" not in shown
    assert "points_px" not in shown
    assert "Template(n_faces=" in shown


def test_what_made_the_faces_hard_to_judge_is_named_beside_the_subject():
    assert choose(lambda t: {"ann": MIDDLE}).handicaps == ()
    assert choose(lambda t: {"ann": (320.0, 240.0, 70.0)}).handicaps == (Reason.FACE_TOO_FAR, Reason.LOW_RESOLUTION)

"""Identity continuity: one person is one person, and another is found in however few or many pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from idverify.pad.identity_continuity import Likenesses, assess, oddness, unit_pictures, weakest_link
from idverify.reasons import Reason

# Similarity of two pictures of one person and of two people.
SAME, OTHER = 0.92, 0.42
people = st.text("ab", min_size=2, max_size=12)


def faces(people: str, **more: float) -> Likenesses:
    """One letter a face, one a second."""
    who = np.array(list(people))
    similarity = np.where(who[:, None] == who, SAME, OTHER)
    np.fill_diagonal(similarity, 1.0)
    return Likenesses(times_s=np.arange(len(who), dtype=float), similarity=similarity, **more)


@given(n=st.integers(2, 12))
def test_one_person_is_one_person(n):
    assert weakest_link(faces("a" * n))[0] == pytest.approx(SAME)
    assert assess(faces("a" * n)).reason is None
    assert assess(faces("a" * n)).bona_fide_llr == 0.0


@given(who=people)
def test_two_people_are_two_in_any_order_and_number(who):
    assume(len(set(who)) == 2)
    evidence = assess(faces(who))
    assert evidence.native == pytest.approx(OTHER)
    assert evidence.reason is Reason.PERSON_CHANGED
    assert evidence.bona_fide_llr < 0
    assert not evidence.decisive


@given(n=st.integers(3, 12), at=st.integers(0, 11))
def test_one_face_of_another_is_found_and_timed_wherever_it_is(n, at):
    at %= n
    assert weakest_link(faces("a" * at + "b" + "a" * (n - at - 1))) == (pytest.approx(OTHER), float(at))


@given(who=people)
def test_the_same_film_backwards_is_as_continuous(who):
    assert weakest_link(faces(who))[0] == pytest.approx(weakest_link(faces(who[::-1]))[0])


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 9))
def test_the_weakest_link_is_that_of_the_best_way_from_face_to_face(seed, n):
    """No way between two faces has a better weakest step than the tree: by exhaustion of thresholds."""
    similarity = np.random.default_rng(seed).uniform(0, 1, (n, n))
    similarity = np.maximum(similarity, similarity.T)
    found = weakest_link(Likenesses(times_s=np.arange(n, dtype=float), similarity=similarity))[0]
    linked = [t for t in np.unique(similarity[~np.eye(n, dtype=bool)]) if _connected(similarity >= t)]
    assert found == pytest.approx(max(linked))


def _connected(near):
    reached = near | np.eye(len(near), dtype=bool)
    for _ in range(len(near)):
        reached = (reached.astype(int) @ reached.astype(int)) > 0
    return reached.all()


def test_a_turn_through_faces_that_are_alike_step_by_step_is_one_person():
    """The ends of a turn are as unlike as two people; each step is not."""
    angle = np.linspace(0, np.pi / 2, 9)
    vectors = np.column_stack([np.cos(angle), np.sin(angle)])
    turn = Likenesses(times_s=np.arange(9.0), similarity=vectors @ vectors.T)
    assert turn.similarity.min() < 0.1
    assert assess(turn).reason is None


def test_a_picture_that_cannot_be_compared_and_jumps_in_and_out_is_a_change():
    assert assess(faces("aaaa", oddest=0.5, oddest_s=1.25)).reason is Reason.PERSON_CHANGED
    assert "1.25 s" in assess(faces("aaaa", oddest=0.5, oddest_s=1.25)).detail
    assert assess(faces("aaaa", oddest=0.01)).reason is None


@pytest.mark.parametrize("n", range(2))
def test_few_faces_say_nothing(n):
    assert assess(faces("a" * n)).bona_fide_llr is None


def _film(n, seed=0):
    """Smoothly changing pictures [shape=(n, 96, 96, 3)]."""
    y, x = np.mgrid[:96, :96]
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    frames = [128 + 60 * np.sin(x / 9 + phase[0] + 0.05 * t) * np.cos(y / 11 + phase[1]) for t in range(n)]
    return np.repeat(np.stack(frames)[..., None], 3, axis=-1).round().astype(np.uint8)


@given(n=st.integers(20, 40), at=st.integers(0, 39), k=st.integers(1, 4))
def test_pictures_that_were_put_in_are_odd(n, at, k):
    at = at % (n - k + 1)
    chips = _film(n)
    chips[at : at + k] = _film(k, seed=5)
    odd = oddness(unit_pictures(chips))
    assert odd[at : at + k].max() > 0.2
    assert oddness(unit_pictures(_film(n))).max() < 0.1


@given(gain=st.floats(0.5, 1.0), offset=st.integers(0, 60))
def test_light_is_not_odd(gain, offset):
    """A flash of light changes all of a picture and nothing of the face."""
    chips = _film(20).astype(float)
    chips[9] = chips[9] * gain + offset
    lit, plain = (oddness(unit_pictures(x.round().astype(np.uint8))) for x in (np.clip(chips, 0, 255), _film(20)))
    np.testing.assert_allclose(lit, plain, atol=0.02)

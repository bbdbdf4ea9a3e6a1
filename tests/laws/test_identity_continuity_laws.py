"""Identity continuity: one person is one person in any order of trust, and a change is found wherever it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idverify.pad.identity_continuity import Likenesses, assess, least_likeness
from idverify.reasons import Reason

# Similarity of two pictures of one person and of two people.
SAME, OTHER = 0.92, 0.42
weights = st.lists(st.floats(0.2, 1.0), min_size=8, max_size=8).map(np.array)


def faces(people: str, trust: np.ndarray | None = None) -> Likenesses:
    """One letter a face, one a second."""
    who = np.array(list(people))
    similarity = np.where(who[:, None] == who, SAME, OTHER)
    np.fill_diagonal(similarity, 1.0)
    trust = np.ones(len(who)) if trust is None else trust[: len(who)]
    return Likenesses(times_s=np.arange(len(who), dtype=float), similarity=similarity, weights=trust)


@given(n=st.integers(4, 8), trust=weights)
def test_one_person_is_one_person(n, trust):
    assert least_likeness(faces("a" * n, trust))[0] == pytest.approx(SAME)
    assert assess(faces("a" * n, trust)).reason is None
    assert assess(faces("a" * n, trust)).bona_fide_llr == 0.0


@given(n=st.integers(4, 8), at=st.integers(0, 7), trust=weights)
def test_one_face_of_another_is_found_wherever_it_is(n, at, trust):
    at %= n
    found = faces("a" * at + "b" + "a" * (n - at - 1), trust)
    evidence = assess(found)
    assert least_likeness(found) == (pytest.approx(OTHER), float(at))
    assert evidence.reason is Reason.PERSON_CHANGED
    assert evidence.bona_fide_llr < 0
    assert not evidence.decisive


@given(before=st.integers(2, 5), after=st.integers(2, 3), trust=weights)
def test_a_change_for_good_is_found_and_timed(before, after, trust):
    native, time_s = least_likeness(faces("a" * before + "b" * after, trust))
    assert native == pytest.approx(OTHER)
    assert time_s == before


@given(people=st.text("ab", min_size=4, max_size=8))
def test_the_same_film_backwards_is_as_continuous(people):
    assert least_likeness(faces(people))[0] == pytest.approx(least_likeness(faces(people[::-1]))[0])


@pytest.mark.parametrize("n", range(4))
def test_few_faces_say_nothing(n):
    assert assess(faces("a" * n)).reason is Reason.VIDEO_TOO_SHORT

"""LFW's own pairs: thresholds from other people, and as many mated as non-mated pairs count."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks" / "accuracy"))

from comparison_sets import Comparisons
from lfw import _threshold, official

some_scores = st.lists(st.integers(-8, 8).map(float), min_size=1, max_size=30).map(np.array)


@given(mated=some_scores, strangers=some_scores)
def test_the_threshold_tells_as_much_right_as_any(mated, strangers):
    def right(threshold):
        return np.mean(mated >= threshold) + np.mean(strangers < threshold)

    found = right(_threshold(mated, strangers))
    assert found == pytest.approx(max(right(t) for t in np.arange(-9, 10, 0.5)))


def test_the_threshold_keeps_away_from_both():
    assert _threshold(np.array([0.5, 0.9]), np.array([0.1, 0.3])) == pytest.approx(0.4)


PEOPLE = [f"Person_{k}" for k in range(12)]


@pytest.fixture
def photos():
    return np.array([f"{name}/{name}_{k:04d}.jpg" for name in PEOPLE for k in (1, 2)])


def listed(path: Path) -> Path:
    """Two folds of six people; of each, three mated pairs and three non-mated ones."""
    lines = ["2\t3"]
    for people in (PEOPLE[:6], PEOPLE[6:]):
        lines += [f"{name}\t1\t2" for name in people[:3]]
        lines += [f"{one}\t1\t{other}\t2" for one, other in zip(people[:3], people[3:], strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_threshold_of_a_fold_comes_from_the_people_of_the_others(photos, tmp_path):
    pairs = Comparisons(photos)
    # Scores of the second fold's people are higher, mated and not: the first fold's threshold is wrong for it.
    level = np.where(np.arange(len(photos)) < 12, 0.0, 10.0)[pairs.i]
    told = official(level + pairs.mated, pairs, photos, listed(tmp_path / "pairs.txt"))
    assert told["listed"] == 12
    assert (told["mated"]["events"], told["mated"]["of"]) == (3, 6)
    assert (told["non_mated"]["events"], told["non_mated"]["of"]) == (3, 6)


def test_kinds_of_pairs_weigh_alike_however_many_are_at_hand(photos, tmp_path):
    at_hand = photos[[k for k in range(24) if k // 2 not in (3, 4, 10)]]
    pairs = Comparisons(at_hand)
    told = official(pairs.mated.astype(float), pairs, at_hand, listed(tmp_path / "pairs.txt"))
    assert (told["mated"]["of"], told["non_mated"]["of"]) == (6, 3)
    assert told["accuracy"]["value"] == 1.0
    scores = np.where(pairs.non_mated, 2.0, pairs.mated)
    told = official(scores, pairs, at_hand, listed(tmp_path / "pairs.txt"))
    assert told["accuracy"]["value"] == pytest.approx((told["mated"]["value"] + told["non_mated"]["value"]) / 2)
    low, high = told["accuracy"]["ci95"]
    assert low < told["accuracy"]["value"] < high


def test_a_list_that_is_none_is_refused(photos, tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text("1\t1\nPerson_1\n", encoding="utf-8")
    pairs = Comparisons(photos)
    with pytest.raises(SystemExit, match="is no pair"):
        official(pairs.mated.astype(float), pairs, photos, path)

"""Nobody whom a comparison was fitted on is judged by it."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks" / "accuracy"))

from comparison_sets import Comparisons, Portraits, Stage
from left_out import FOLDS, blocks, folds_of, judge_left_out, part_without

N = 60


@pytest.fixture(scope="module")
def sets():
    """Sixty photos a set; the first number of a vector is the photo's, the second the set's."""

    def numbered(which):
        return np.column_stack([np.arange(N), np.full(N, which), np.ones((N, 126))]).astype(float)

    lfw = Comparisons(np.array([f"Person_{k // 3}/photo_{k}.jpg" for k in range(N)]))
    files = [f"{20 + k}_{k % 2}_{k % 4}_{k}.jpg" for k in range(N)]
    portraits = {
        padding: Portraits(np.array([f"utkface-{padding}/{f}" for f in files]), numbered(which), padding)
        for which, padding in ((1, "edge"), (2, "black"))
    }
    stage = Stage(np.array([f"stage/p{k % 8}/{k}.jpg" for k in range(N)]), numbered(3))
    return lfw, numbered(0), portraits, stage


def test_a_pair_is_compared_by_what_was_fitted_on_neither_person(sets):
    def fit(part):
        free = (part.lfw, part.portraits["edge"], part.portraits["black"], part.stage)

        def compare(vectors):
            for row, which in vectors[:, :2].astype(int):
                assert not free[which][row]
            return vectors

        return compare

    judged = judge_left_out(sets, fit)
    products = np.multiply.outer(np.arange(N), np.arange(N)) + 126
    for which, scores in enumerate((judged.portraits["edge"], judged.portraits["black"], judged.stage), start=1):
        assert (scores == products + which**2).all()
    assert (judged.lfw == products[sets[0].i, sets[0].j]).all()


def test_photos_of_one_person_and_both_paddings_are_in_one_fold(sets):
    folds = folds_of(sets)
    lfw, _, _, stage = sets
    for person in np.unique(lfw.person):
        assert len(set(folds["lfw"][lfw.person == person])) == 1
    assert (folds["edge"] == folds["black"]).all()
    assert len(set(folds["stage"])) == len(np.unique(stage.person)) == FOLDS
    assert {int(f) for f in folds["lfw"]} <= set(range(FOLDS))


def test_every_part_leaves_others_to_fit_on_and_all_of_them_are_used(sets):
    assert len(list(blocks())) == FOLDS * (FOLDS + 1) // 2
    everybody = part_without(sets)
    assert everybody.lfw.all()
    assert everybody.stage.all()
    used = np.zeros(N, bool)
    for a, b in blocks():
        part = part_without(sets, a, b)
        assert part.lfw.any()
        used |= part.lfw
    assert used.all()

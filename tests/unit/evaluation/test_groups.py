"""Errors by group: counted where they belong, worst over best, small counts said, a stranger to the card noticed."""

from __future__ import annotations

import numpy as np
import pytest

from idverify.evaluation.groups import LARGEST_SHIFT, UNNAMED, group_figures, groups_of_pairs, unlike_the_card
from idverify.evaluation.scores import ScoreTable

PEOPLE = {"ann": "north", "bob": "north", "cat": "south", "dan": "south", "eve": "", "fay": "north", "gus": "south"}


def table(rows: list[tuple[str, str, bool]]) -> ScoreTable:
    """Bona fide comparisons: subject, whom the reference shows, and whether it matched."""
    subject, other, matched = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    texts = {
        "subject": subject,
        "reference_subject": other,
        "group": np.array([PEOPLE[name] for name in subject]),
        "mated": np.where(subject == other, "true", "false"),
        "matched": np.where(matched, "true", "false"),
        "presentation": np.full(n, "bona_fide"),
        "video": np.array([f"{s}.mp4" for s in subject]),
        "reference": np.array([f"{o}.jpg" for o in other]),
    }
    return ScoreTable(texts=texts, numbers={"similarity": np.zeros(n)})


def everybody(false_matches: set[tuple[str, str]], misses: set[str]) -> ScoreTable:
    return table(
        [(a, b, (a not in misses) if a == b else (a, b) in false_matches) for a in PEOPLE for b in PEOPLE]
    )


def test_a_reference_has_the_group_of_whom_it_shows():
    own, theirs = groups_of_pairs(table([("ann", "cat", False), ("cat", "cat", True), ("eve", "ann", False)]))
    assert own.tolist() == ["north", "south", UNNAMED]
    assert theirs.tolist() == ["south", "south", "north"]


def test_each_error_is_counted_in_its_own_cell():
    figures = group_figures(everybody({("ann", "bob"), ("cat", "ann"), ("eve", "ann")}, {"dan"}), 1e-4)
    fmr = {tuple(row["groups"]): (row["errors"], row["trials"]) for row in figures["fmr"]}
    # Three people a group: six ordered pairs within, eighteen across; nobody's group is in no cell.
    assert fmr == {("north", "north"): (1, 6), ("north", "south"): (1, 18), ("south", "south"): (0, 6)}
    fnmr = {row["groups"][0]: (row["errors"], row["trials"]) for row in figures["fnmr"]}
    assert fnmr == {"north": (0, 3), "south": (1, 3)}


def test_worst_over_best_is_a_bound_where_the_best_has_no_error():
    figures = group_figures(everybody({("ann", "bob")}, {"dan"}), 1e-4)
    ratio = figures["fmr_worst_over_best"]
    assert (ratio["worst"], ratio["best"], ratio["at_least"]) == ("north", "south", True)
    assert ratio["ratio"] == pytest.approx((1 / 6) / 0.5)


def test_small_counts_are_said():
    warnings = group_figures(everybody(set(), set()), 1e-4)["warnings"]
    assert "FNMR of north: 3 people are too few for an interval by person." in warnings
    assert "FMR of south: 6 comparisons cannot show 0.0001 (rule of three: 30000)." in warnings


def test_one_group_is_no_comparison_of_groups():
    assert group_figures(table([("ann", "bob", False), ("ann", "ann", True)]), 1e-4) == {}


@pytest.mark.parametrize(
    ("shift", "words"), [(0.0, None), (2 * LARGEST_SHIFT, "more of them match"), (-2 * LARGEST_SHIFT, "stricter here")]
)
def test_strangers_unlike_the_cards_are_noticed_with_the_numbers(shift, words):
    scores = np.random.default_rng(0).normal(0.15 + shift, 0.05, 5000)
    found = unlike_the_card(scores, {"everybody": 0.15, "another": 0.15})
    if words is None:
        assert found["sentence"] is None
    else:
        assert words in found["sentence"]
        assert f"{scores.mean():.3f}" in found["sentence"]
        assert "0.150" in found["sentence"]
        assert "idverify calibrate" in found["sentence"]


def test_too_few_scores_or_no_card_say_nothing():
    assert unlike_the_card(np.full(10, 0.9), {"everybody": 0.1}) == {}
    assert unlike_the_card(np.full(500, 0.9), {}) == {}

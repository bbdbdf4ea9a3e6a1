"""Calibration: monotone, bounded by the counts, thresholds that hold their rate, and cards that refuse misuse."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.comparison.calibration import KindThresholds, fit_card, load_card, threshold_at_fmr, write_card
from idverify.comparison.strangers import (
    LEAST_COMPARISONS,
    GroupScores,
    least_favoured_tail,
    shared_excess,
    upper_tail,
)
from idverify.errors import CalibrationError
from idverify.models.manifest import data_dir

MODELS = {"sface": "a" * 64, "dlib_resnet": "b" * 64}
TARGETS = (1e-2, 1e-3)
QUERY = np.linspace(-1.2, 1.2, 401)


def scores(seed: int, n: int = 4000, decimals: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mated, non_mated = rng.normal(0.6, 0.12, n // 4), rng.normal(0.1, 0.12, n)
    return tuple(np.clip(x if decimals is None else np.round(x, decimals), -1, 1) for x in (mated, non_mated))


def card(mated: np.ndarray, non_mated: np.ndarray, targets=TARGETS):
    about = {"data": 'made up, with "quotes" and ümlauts', "date": "2020-01-01"}
    return fit_card(mated, non_mated, models=MODELS, people=7, photos=9, targets=targets, about=about)


def kinds(thresholds: dict[float, float]):
    return {"portrait": KindThresholds(thresholds=thresholds, mated=1, missed=0)}


seeds = st.integers(0, 2**32 - 1)
roundings = st.sampled_from([None, 3, 2, 1])


@settings(deadline=None, max_examples=25)
@given(seed=seeds, decimals=roundings)
def test_more_similar_never_means_less_likely_mated(seed, decimals):
    fitted = card(*scores(seed, decimals=decimals))
    assert (np.diff(fitted.llr_at(QUERY)) >= 0).all()
    assert (np.diff(fitted.fmr_at(QUERY)) <= 0).all()


@settings(deadline=None, max_examples=25)
@given(seed=seeds, decimals=roundings)
def test_the_llr_claims_no_more_than_the_counts_support(seed, decimals):
    mated, non_mated = scores(seed, decimals=decimals)
    llr = card(mated, non_mated).llr_at(QUERY)
    assert llr.max() <= np.log(len(non_mated) / 3) + 1e-9
    assert llr.min() >= -np.log(len(mated) / 3) - 1e-9


@settings(deadline=None, max_examples=25)
@given(seed=seeds, decimals=roundings)
def test_thresholds_hold_their_rate_and_are_the_least_that_do(seed, decimals):
    mated, non_mated = scores(seed, decimals=decimals)
    fitted = card(mated, non_mated)
    for target in TARGETS:
        at = fitted.threshold(target)
        assert (non_mated >= at).mean() <= target
        just_below = np.nextafter(np.nextafter(at, -np.inf), -np.inf)
        assert (non_mated >= just_below).mean() > target
    assert fitted.threshold(1e-3) >= fitted.threshold(1e-2)


@settings(deadline=None, max_examples=25)
@given(seed=seeds, decimals=roundings)
def test_the_rate_at_a_knot_counts_its_ties_and_stays_above_three_in_n(seed, decimals):
    mated, non_mated = scores(seed, decimals=decimals)
    fitted = card(mated, non_mated)
    counted = fitted.tail_similarity[:-1]
    observed = (non_mated[None, :] >= counted[:, None]).mean(axis=1)
    np.testing.assert_allclose(fitted.fmr_at(counted), np.maximum(observed, 3 / len(non_mated)))
    assert float(fitted.fmr_at(1.0)) >= 3 / len(non_mated)
    assert float(fitted.fmr_at(-1.0)) == pytest.approx(1.0)


def test_the_rate_at_a_score_is_that_of_the_strangers_who_reach_it():
    mated, non_mated = scores(11, n=200_000)
    fitted = card(mated, non_mated)
    at = np.linspace(0.1, 0.5, 50)
    observed = (non_mated[None, :] >= at[:, None]).mean(axis=1)
    np.testing.assert_allclose(fitted.fmr_at(at), observed, rtol=0.1)


def test_llrs_of_two_normal_classes_are_their_log_ratio():
    mated, non_mated = scores(5, n=400_000)
    at = np.linspace(0.25, 0.45, 9)
    expected = ((at - 0.1) ** 2 - (at - 0.6) ** 2) / (2 * 0.12**2)
    np.testing.assert_allclose(card(mated, non_mated).llr_at(at), expected, atol=0.5)


def test_equal_scores_of_all_strangers_do_not_match():
    """A threshold lies above ties, not on them: with every stranger at 0.5 nobody at 0.5 may match."""
    assert threshold_at_fmr(np.full(4000, 0.5), 1e-3) > 0.5


# -- groups ------------------------------------------------------------------------------------------------------------


def group(name: str, mean: float, n: int, seed: int = 0, alike: bool = True) -> GroupScores:
    own = np.random.default_rng(seed).normal(mean, 0.12, n)
    return GroupScores(name=name, non_mated=own, people=n, photos=n, alike=alike)


def grouped(seed: int, *groups: GroupScores, excess: float = 1.0):
    mated, non_mated = scores(seed)
    stated = {"about": {}, "excess": excess, "stated_for": "them"}
    return fit_card(mated, non_mated, models=MODELS, people=7, photos=9, targets=TARGETS, groups=groups, **stated)


@settings(deadline=None, max_examples=25)
@given(seed=seeds, shift=st.floats(0.0, 0.3))
def test_a_group_of_look_alikes_only_ever_raises_thresholds_and_rates(seed, shift):
    plain, with_group = card(*scores(seed)), grouped(seed, group("look-alikes", 0.1 + shift, 5000, seed))
    for target in TARGETS:
        assert with_group.threshold(target) >= plain.threshold(target)
    assert (with_group.fmr_at(QUERY) >= with_group.average_fmr_at(QUERY)).all()
    assert (np.diff(with_group.fmr_at(QUERY)) <= 1e-12).all()


@settings(deadline=None, max_examples=25)
@given(seed=seeds, n=st.sampled_from([400, 3500]), excess=st.sampled_from([1.0, 10.0]))
def test_a_group_keeps_its_multiple_of_the_target_where_its_counts_can_show_it(seed, n, excess):
    own = group("look-alikes", 0.3, n, seed)
    fitted = grouped(seed, own, excess=excess)
    for target in TARGETS:
        if n >= 3 / (excess * target):
            assert (own.non_mated >= fitted.threshold(target)).mean() <= excess * target
        if n >= LEAST_COMPARISONS:
            assert float(fitted.fmr_at(fitted.threshold(target))) <= excess * target * 1.01


@settings(deadline=None, max_examples=25)
@given(seed=seeds)
def test_a_source_of_strangers_of_all_kinds_keeps_the_target_itself(seed):
    source = group("another camera", 0.3, 5000, seed, alike=False)
    fitted = grouped(seed, source, excess=10.0)
    for target in TARGETS:
        assert (source.non_mated >= fitted.threshold(target)).mean() <= target


@settings(deadline=None, max_examples=25)
@given(
    seed=seeds,
    sizes=st.lists(st.sampled_from([2, 25, 400, 1200, 3500]), min_size=1, max_size=3),
    mean=st.floats(0.0, 0.6),
    alike=st.booleans(),
)
def test_whatever_groups_there_are_the_card_can_be_read_again(tmp_path_factory, seed, sizes, mean, alike):
    """A stricter target never needs less because a group that needs more cannot show it."""
    groups = [group(f"group {k}", mean, n, seed + k, alike) for k, n in enumerate(sizes)]
    path = tmp_path_factory.mktemp("card") / "card.toml"
    write_card(grouped(seed, *groups), path)
    again = load_card(path)
    assert again.threshold(min(TARGETS)) >= again.threshold(max(TARGETS))


@pytest.mark.parametrize("n", [6, 30, 31])
def test_a_card_of_few_comparisons_can_be_read_again(tmp_path, n):
    mated, non_mated = scores(0)
    fitted = card(mated, non_mated[:n], targets=[0.5])
    write_card(fitted, tmp_path / "card.toml")
    assert load_card(tmp_path / "card.toml").fmr_at(1.0) >= 3 / n - 1e-9 or n > 30


def test_groups_of_a_few_comparisons_do_not_say_what_a_score_means():
    plain, few = card(*scores(0)), grouped(0, group("few", 0.7, LEAST_COMPARISONS - 1))
    assert few.llr_at(QUERY) == pytest.approx(plain.llr_at(QUERY))
    assert few.fmr_at(QUERY) == pytest.approx(plain.fmr_at(QUERY))
    assert few.stated_for == plain.stated_for
    assert few.groups[1].name == "few"


def test_scores_that_no_card_can_be_read_from_are_refused():
    mated, non_mated = scores(0)
    same = np.full(4000, 0.1)
    for pair in ((non_mated, mated), (same, same), (mated, same)):
        with pytest.raises(CalibrationError, match="no card can be fitted to these scores"):
            card(*pair, targets=[1e-2])
    with pytest.raises(CalibrationError, match="all of a group, score the same"):
        grouped(0, dataclasses.replace(group("one pair again and again", 0.1, 2000), non_mated=same[:2000]))


def test_the_card_says_for_whom_its_rate_holds_and_what_each_group_had():
    own = group("look-alikes", 0.3, 5000)
    fitted = grouped(0, own)
    assert (fitted.stated_for, card(*scores(0)).stated_for) == ("them", "strangers at large, of any sex and group")
    everybody, found = fitted.groups
    assert (everybody.name, everybody.mated, everybody.non_mated) == ("everybody", 1000, 4000)
    assert (found.name, found.non_mated, found.mated) == ("look-alikes", 5000, 0)
    for target in TARGETS:
        assert found.errors[target] == (int((own.non_mated >= fitted.threshold(target)).sum()), 0)


@settings(deadline=None, max_examples=25)
@given(seed=seeds)
def test_a_group_that_is_not_held_is_listed_and_counts_in_rates_but_moves_no_threshold(seed):
    known, extreme = group("known", 0.1, 5000, seed), group("stage", 0.5, 5000, seed + 1)
    without, held = grouped(seed, known), grouped(seed, known, extreme)
    stated = grouped(seed, known, dataclasses.replace(extreme, held=False))
    for target in TARGETS:
        assert stated.threshold(target) == pytest.approx(without.threshold(target), abs=0.05)
        assert held.threshold(target) > stated.threshold(target) + 0.2
    assert stated.groups[2].errors[TARGETS[0]][0] > 0
    assert (stated.fmr_at(QUERY) == held.fmr_at(QUERY)).all()


@settings(deadline=None, max_examples=25)
@given(seed=seeds, n=st.integers(LEAST_COMPARISONS, 1500))
def test_one_freak_pair_in_a_small_group_does_not_say_how_its_tail_falls(seed, n):
    few, many = group("few", 0.1, n, seed), group("many", 0.1, 50_000, seed + 1)
    freak = dataclasses.replace(few, non_mated=np.append(few.non_mated, 0.9))
    plain, with_freak = grouped(seed, few, many), grouped(seed, freak, many)
    assert with_freak.threshold(1e-3) == pytest.approx(plain.threshold(1e-3), abs=0.035)


@settings(deadline=None, max_examples=25)
@given(seed=seeds, shift=st.floats(0.05, 0.4))
def test_a_small_group_that_lies_higher_needs_as_much_more_whatever_its_highest_pairs(seed, shift):
    low = group("few", 0.1, 1200, seed)
    high = dataclasses.replace(low, non_mated=low.non_mated + shift)
    assert shared_excess([low]) == pytest.approx(shared_excess([high]))
    assert shared_excess([group("too few", 0.1, 50)]) is None
    (at, rates), (moved, same) = (upper_tail(x.non_mated, 0.03) for x in (low, high))
    assert moved == pytest.approx(at + shift)
    assert same == pytest.approx(rates)


def test_the_llr_of_a_score_is_that_among_the_look_alikes():
    assert grouped(0, group("look-alikes", 0.4, 5000)).llr_at(0.45) < card(*scores(0)).llr_at(0.45)


@settings(deadline=None, max_examples=25)
@given(seed=seeds, n=st.integers(LEAST_COMPARISONS, 5000))
def test_a_tail_goes_on_beyond_its_highest_score_and_never_turns(seed, n):
    own = group("x", 0.1, n, seed).non_mated
    similarity, log10_fmr = upper_tail(own)
    assert (np.diff(similarity) > 0).all()
    assert (np.diff(log10_fmr) < 0).all()
    assert similarity[-1] > own.max()


def test_the_least_favoured_tail_lies_above_each():
    groups = [group("a", 0.1, 5000, 1), group("b", 0.3, 2000, 2), group("few", 0.9, 50, 3)]
    shared = shared_excess(groups)
    at, rates = least_favoured_tail(groups, shared)
    for own in groups[:2]:
        similarity, log10_fmr = upper_tail(own.non_mated, shared)
        assert (rates >= np.interp(at, similarity, log10_fmr) - 1e-9).all()
    assert np.interp(0.9, at, rates) < -3  # the few are no tail


def test_a_kind_of_reference_that_was_not_measured_is_refused():
    with pytest.raises(CalibrationError, match="a reference that is a document; it has them for: portrait"):
        card(*scores(1)).threshold(1e-2, "document")


# -- the file ----------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=15)
@given(seed=seeds, decimals=roundings)
def test_a_card_comes_back_as_it_was_written(tmp_path_factory, seed, decimals):
    mated, non_mated = scores(seed, decimals=decimals)
    written = card(mated, non_mated, targets=(1e-2, 1e-3, 1 / 700))
    path = tmp_path_factory.mktemp("card") / "deep" / "card.toml"
    write_card(written, path)
    read = load_card(path)
    for name in ("llr_similarity", "llr", "tail_similarity", "tail_log10_fmr", "average_similarity"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    assert read.thresholds == written.thresholds
    assert (read.models, read.counts, read.about) == (written.models, written.counts, written.about)
    assert (non_mated >= read.threshold(1 / 700)).mean() <= 1 / 700


def test_a_card_prints_no_scores():
    assert "array" not in repr(card(*scores(1)))


# -- refused -----------------------------------------------------------------------------------------------------------


def test_other_models_are_refused():
    fitted = card(*scores(1))
    fitted.require_models(MODELS | {"another": "c" * 64})
    for used in (MODELS | {"sface": "c" * 64}, {"sface": MODELS["sface"]}, {}):
        with pytest.raises(CalibrationError, match="fitted on"):
            fitted.require_models(used)


def test_a_target_that_was_not_fitted_is_refused():
    with pytest.raises(CalibrationError, match=r"0\.0001.*0\.01, 0\.001"):
        card(*scores(1)).threshold(1e-4)


def test_too_few_comparisons_for_a_target_are_refused():
    mated, non_mated = scores(1, n=2000)
    with pytest.raises(CalibrationError, match="at least 3000"):
        threshold_at_fmr(non_mated, 1e-3)
    with pytest.raises(CalibrationError, match="at least 3000"):
        card(mated, non_mated)


@pytest.mark.parametrize(("n_mated", "n_non_mated"), [(0, 4000), (10, 0)])
def test_a_missing_class_is_refused(n_mated, n_non_mated):
    with pytest.raises(CalibrationError, match="both classes"):
        card(np.full(n_mated, 0.6), np.full(n_non_mated, 0.1))


def test_a_missing_card_is_refused(tmp_path):
    with pytest.raises(CalibrationError, match="no calibration card"):
        load_card(tmp_path / "card.toml")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "\x00\x01 not a card",
        lambda text: text.replace("format = 2", "format = 1"),
        lambda text: text.replace('kind = "comparison"', 'kind = "pad"'),
        lambda text: text.replace("[counts]", "[other]"),
        lambda text: text.replace("[average_tail]", "[tail]"),
        lambda text: text.replace("\nllr = [", '\nllr = ["low", '),
    ],
    ids=["cut off", "empty", "not text", "format", "kind", "no counts", "no tail", "text for numbers"],
)
def test_a_damaged_card_is_refused(tmp_path, damage):
    path = tmp_path / "card.toml"
    write_card(card(*scores(1)), path)
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(CalibrationError, match="damaged"):
        load_card(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: {"llr": c.llr[::-1]},
        lambda c: {"llr_similarity": c.llr_similarity[::-1]},
        lambda c: {"tail_log10_fmr": c.tail_log10_fmr[::-1]},
        lambda c: {"tail_similarity": np.zeros_like(c.tail_similarity)},
        lambda c: {"llr": np.where(np.arange(len(c.llr)) == 2, np.nan, c.llr)},
        lambda c: {"llr": c.llr[:1], "llr_similarity": c.llr_similarity[:1]},
        lambda c: {"llr": c.llr[:-1]},
        lambda c: {"tail_similarity": c.tail_similarity[1:]},
        lambda c: {"average_log10_fmr": c.average_log10_fmr[::-1]},
        lambda c: {"kinds": kinds({1e-2: c.thresholds[1e-3], 1e-3: c.thresholds[1e-2]})},
        lambda c: {"kinds": kinds({1e-3: float("nan")})},
        lambda c: {"kinds": kinds({})},
        lambda c: {"kinds": {}},
        lambda c: {"kinds": {"passport": c.kinds["portrait"]}},
        lambda c: {"counts": {**c.counts, "non_mated": 0}},
    ],
    ids=[
        "falling LLR",
        "falling similarity",
        "rising rate",
        "one similarity",
        "NaN",
        "one knot",
        "an LLR short",
        "a rate too many",
        "rising average rate",
        "thresholds swapped",
        "NaN threshold",
        "no threshold",
        "no kind of reference",
        "an unknown kind",
        "no comparisons",
    ],
)
def test_a_map_that_makes_no_sense_is_refused(tmp_path, change):
    fitted = card(*scores(1))
    path = tmp_path / "card.toml"
    write_card(dataclasses.replace(fitted, **change(fitted)), path)
    with pytest.raises(CalibrationError, match="damaged"):
        load_card(path)


def test_the_card_in_the_package_loads_and_its_thresholds_agree_with_its_tail():
    shipped = load_card(data_dir() / "calibration" / "comparison.toml")
    targets = sorted(shipped.thresholds)
    assert len(targets) >= 4
    for target in targets:
        at = shipped.threshold(target)
        assert float(shipped.average_fmr_at(at)) <= max(target, 3 / shipped.counts["non_mated"])
        for own in shipped.groups:
            allowed = 10 * target if own.alike else target
            if own.non_mated >= 3 / allowed and not own.name.startswith("stage photos"):
                assert own.errors[target][0] / own.non_mated <= allowed, own.name
        assert float(shipped.fmr_at(shipped.threshold(target, "selfie"))) <= max(
            target * 1.01, 3 / shipped.counts["non_mated"]
        )
    values = [shipped.threshold(t) for t in targets]
    assert values == sorted(values, reverse=True)

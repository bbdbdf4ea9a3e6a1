"""Metrics against independent implementations (scikit-learn, SciPy), published tables, and their stated errors."""

from __future__ import annotations

import numpy as np
import pytest

from idverify import metrics
from idverify.errors import ParameterError
from idverify.metrics import literature

sklearn_metrics = pytest.importorskip("sklearn.metrics")
sklearn_isotonic = pytest.importorskip("sklearn.isotonic")
sklearn_calibration = pytest.importorskip("sklearn.calibration")
scipy_stats = pytest.importorskip("scipy.stats")

DECIMALS = pytest.mark.parametrize("decimals", [1, 2, 12], ids=["many ties", "some ties", "no ties"])


def scores(decimals: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.round(rng.normal(1.0, 1.0, 700), decimals), np.round(rng.normal(-1.0, 1.0, 900), decimals)


def labelled(decimals: int) -> tuple[np.ndarray, np.ndarray]:
    mated, non_mated = scores(decimals)
    return np.concatenate((mated, non_mated)), np.repeat([1, 0], [mated.size, non_mated.size])


# -- against scikit-learn ---------------------------------------------------------------------------------------------


@DECIMALS
def test_det_curve_is_that_of_scikit_learn(decimals):
    values, labels = labelled(decimals)
    false_positive, false_negative, threshold = sklearn_metrics.det_curve(labels, values)
    curve = metrics.det_curve(*scores(decimals))
    at = np.searchsorted(curve.threshold, threshold)
    np.testing.assert_array_equal(curve.threshold[at], threshold)
    np.testing.assert_allclose(curve.fmr[at], false_positive, rtol=0, atol=1e-15)
    np.testing.assert_allclose(curve.fnmr[at], false_negative, rtol=0, atol=1e-15)


@DECIMALS
def test_area_under_the_det_staircase_is_one_minus_auc(decimals):
    values, labels = labelled(decimals)
    curve = metrics.det_curve(*scores(decimals))
    # Ties count half on both sides: the trapezoid over the staircase's corners.
    area = np.sum((curve.fnmr[1:] + curve.fnmr[:-1]) / 2.0 * -np.diff(curve.fmr))
    assert area == pytest.approx(1.0 - sklearn_metrics.roc_auc_score(labels, values), abs=1e-12)


@DECIMALS
def test_pav_is_the_isotonic_regression_of_scikit_learn(decimals):
    values, labels = labelled(decimals)
    expected = sklearn_isotonic.IsotonicRegression(y_min=0, y_max=1).fit_transform(values, labels)
    np.testing.assert_allclose(metrics.pav(values, labels).probability_of(values), expected, atol=1e-12)


def test_pav_of_an_adverse_order_is_that_of_scikit_learn():
    # Rising shares with one heavy violator at the end: every merge uncovers the next, so the passes give up.
    positives, negatives = np.arange(1, 400), np.arange(400, 1, -1)
    positives, negatives = np.append(positives, 0), np.append(negatives, 60)
    at = np.arange(positives.size, dtype=float)
    totals = positives + negatives
    expected = sklearn_isotonic.isotonic_regression(positives / totals, sample_weight=totals)
    fit = metrics.pav_counts(at, positives, negatives)
    np.testing.assert_allclose(fit.probability_of(at), expected, atol=1e-12)


def test_brier_and_reliability_are_those_of_scikit_learn():
    rng = np.random.default_rng(3)
    probability = rng.uniform(size=2000)
    labels = rng.uniform(size=2000) < probability**2
    assert metrics.brier(probability, labels) == pytest.approx(sklearn_metrics.brier_score_loss(labels, probability))
    weights = np.linspace(0.1, 2.0, len(labels))
    independent = sklearn_metrics.brier_score_loss(labels, probability, sample_weight=weights)
    assert metrics.brier(probability, labels, weights=weights) == pytest.approx(independent)
    observed, predicted = sklearn_calibration.calibration_curve(labels, probability, n_bins=10)
    table = metrics.reliability(probability, labels, bins=10)
    np.testing.assert_allclose(table.observed, observed)
    np.testing.assert_allclose(table.predicted, predicted)
    assert table.count.sum() == 2000


def test_cllr_is_the_log_loss_of_scikit_learn_at_even_prior():
    mated, non_mated = scores(12)
    probability = metrics.probability_from_llr(np.concatenate((mated, non_mated)), 0.5)
    weights = np.repeat([1 / mated.size, 1 / non_mated.size], [mated.size, non_mated.size])
    loss = sklearn_metrics.log_loss(labelled(12)[1], probability, sample_weight=weights)
    assert metrics.cllr(mated, non_mated) == pytest.approx(loss / np.log(2), rel=1e-9)


# -- against SciPy and published tables -------------------------------------------------------------------------------

# R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17, 1998,
# doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, table I.
NEWCOMBE = [
    (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
    (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
    (0, 20, (0.0, 0.1611), (0.0, 0.1684)),
    (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
]


@pytest.mark.parametrize(("errors", "trials", "wilson", "exact"), NEWCOMBE)
def test_intervals_are_those_of_newcombe(errors, trials, wilson, exact):
    for interval, expected in ((metrics.wilson, wilson), (metrics.clopper_pearson, exact)):
        found = interval(errors, trials)
        assert (found.low, found.high) == pytest.approx(expected, abs=5.1e-5)


@pytest.mark.parametrize(("errors", "trials"), [(0, 1), (1, 1), (1, 2), (3, 7), (40, 90), (5, 10**6), (10**4, 10**8)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_intervals_are_those_of_scipy(errors, trials, confidence):
    test = scipy_stats.binomtest(errors, trials)
    for method, ours in (("wilson", metrics.wilson), ("exact", metrics.clopper_pearson)):
        theirs = test.proportion_ci(confidence, method=method)
        found = ours(errors, trials, confidence)
        assert found.low == pytest.approx(theirs.low, rel=1e-7, abs=1e-15)
        assert found.high == pytest.approx(theirs.high, rel=1e-7, abs=1e-15)


def test_rule_of_three_is_the_exact_bound_to_a_percent():
    for trials in (100, 30_000, 10**6):
        exact = 1.0 - 0.05 ** (1.0 / trials)
        assert metrics.rule_of_three(trials) == pytest.approx(exact, rel=0.02)
        assert metrics.rule_of_three(trials) >= exact
    assert [metrics.trials_for_target(t) for t in (1e-3, 1e-4, 1e-5, 1e-6)] == [3000, 30_000, 300_000, 3_000_000]


def test_bootstrap_of_one_trial_a_subject_is_close_to_scipy():
    rng = np.random.default_rng(5)
    errors = rng.uniform(size=400) < 0.1
    theirs = scipy_stats.bootstrap((errors.astype(float),), np.mean, method="percentile", rng=1).confidence_interval
    ours = metrics.bootstrap_by_subject(errors, range(400), replicates=2000)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.006)


# -- values worked out by hand ----------------------------------------------------------------------------------------


def test_transaction_rates():
    assert metrics.far(0.01, 0.2) == pytest.approx(0.008)
    assert metrics.frr(0.05, 0.2) == pytest.approx(0.24)
    assert metrics.gfar(0.01, 0.2, 0.5) == pytest.approx(0.004)
    assert metrics.gfrr(0.05, 0.2, 0.5) == pytest.approx(0.62)
    assert metrics.fta(3, 60).value == metrics.fte(3, 60).value == 0.05


def test_riapar_of_the_two_extreme_systems():
    assert metrics.riapar(iapar=0.0, fnmr=0.0) == 0.0  # accepts its people and no attack
    assert metrics.riapar(iapar=1.0, fnmr=0.0) == 1.0  # accepts everything


def test_worst_species_is_the_headline_not_the_mean():
    rates = metrics.apcer([0.0] * 9 + [1.0], ["print"] * 9 + ["mask"], 0.5)
    assert metrics.worst(rates) == ("mask", metrics.Proportion(errors=1, trials=1))


def test_eer_of_a_line_between_two_steps():
    # FMR steps 2/3 -> 1/3 where FNMR is 1/2: the line meets FMR = FNMR = 1/2.
    assert literature.eer([2.0, 5.0], [1.0, 2.5, 4.0]) == pytest.approx(0.5)
    assert literature.eer([3.0, 4.0], [1.0, 2.0]) == 0.0
    assert literature.acer(0.2, 0.1) == literature.hter(0.1, 0.2) == pytest.approx(0.15)


def test_a_proportion_prints_zero_errors_as_a_bound():
    assert str(metrics.Proportion(errors=0, trials=30_000)) == "< 0.0100 % (0 of 30000)"
    assert str(metrics.Proportion(errors=1, trials=3)) == "33.33 % (1 of 3)"
    assert str(metrics.Proportion(errors=0, trials=0)) == "not measured (0 trials)"
    assert metrics.Proportion(errors=0, trials=0).value is None


def test_an_operating_point_says_when_it_is_beyond_the_data():
    mated, few = [1.0, 2.0], np.linspace(-1, 0, 2999)
    assert not metrics.fnmr_at_fmr(mated, few, 1e-3).supported
    assert metrics.fnmr_at_fmr(mated, np.linspace(-1, 0, 3000), 1e-3).supported


def test_the_25_percent_rule_draws_a_verdict_only_from_enough_trials():
    def verdicts(scale: int) -> dict[str, metrics.Verdict]:
        rates = {
            "a": metrics.Proportion(errors=1 * scale, trials=100 * scale),
            "b": metrics.Proportion(errors=5 * scale, trials=100 * scale),
        }
        return {d.group: d.verdict for d in metrics.differentials(rates)}

    assert verdicts(1) == {"a": metrics.Verdict.UNDECIDED, "b": metrics.Verdict.UNDECIDED}
    assert verdicts(100) == {"a": metrics.Verdict.WITHIN, "b": metrics.Verdict.WORSE}
    none = metrics.differentials({"a": metrics.Proportion(errors=0, trials=0)})
    assert none[0].verdict is metrics.Verdict.UNDECIDED
    assert none[0].ratio is None


def test_a_bootstrap_without_errors_falls_back_on_the_people_counted():
    # 1,000 trials of 10 people are 10 independent trials, not 1,000.
    ids = np.repeat(np.arange(10), 100)
    assert metrics.bootstrap_by_subject(np.zeros(1000, bool), ids) == metrics.clopper_pearson(0, 10)


def test_streams_print_and_refuse_what_they_cannot_answer():
    stream = metrics.ScoreStream(-1.0, 1.0, tail=10)
    with pytest.raises(ParameterError, match="at least one score"):
        stream.threshold_at_rate(0.1)
    stream.add(np.linspace(-1, 1, 1000))
    assert "scores=1000" in repr(stream)
    with pytest.raises(ParameterError, match="needs a tail of 101 scores, this stream keeps 10"):
        stream.threshold_at_rate(0.1)
    with pytest.raises(ParameterError, match="streams differ"):
        stream.merge(metrics.ScoreStream(-1.0, 1.0, tail=11))
    with pytest.raises(ParameterError, match="NaN"):
        stream.add([0.0, np.nan])
    assert len(stream) == 1000
    assert stream.histogram()[1].sum() == 1000


# -- what is refused --------------------------------------------------------------------------------------------------

REFUSED = {
    "no scores": lambda: metrics.fmr([], 0.0),
    "NaN score": lambda: metrics.fnmr([np.nan], 0.0),
    "NaN threshold": lambda: metrics.fmr([1.0], np.nan),
    "matrix of scores": lambda: metrics.fmr([[1.0]], 0.0),
    "target over one": lambda: metrics.threshold_at_fmr([1.0], 1.5),
    "infinite non-mated": lambda: metrics.threshold_at_fmr([np.inf, 0.0], 0.1),
    "infinite attack": lambda: metrics.threshold_at_apcer([np.inf], ["print"], 0.0),
    "nothing but non-responses": lambda: metrics.threshold_at_apcer([np.nan], ["print"], 0.1),
    "too few species": lambda: metrics.apcer([1.0, 2.0], ["print"], 0.0),
    "no species": lambda: metrics.worst({}),
    "probability over one": lambda: metrics.brier([1.2], [1]),
    "label of two": lambda: metrics.ece([0.5], [2]),
    "weights of nothing": lambda: metrics.brier([0.5], [1], weights=[0.0]),
    "a negative weight": lambda: metrics.ece([0.5, 0.5], [1, 0], weights=[1.0, -1.0]),
    "too few weights": lambda: metrics.reliability([0.5, 0.5], [1, 0], weights=[1.0]),
    "no bins": lambda: metrics.reliability([0.5], [1], bins=0),
    "prior of one": lambda: metrics.probability_from_llr([0.0], 1.0),
    "more errors than trials": lambda: metrics.Proportion(errors=2, trials=1),
    "interval of nothing": lambda: metrics.wilson(0, 0),
    "confidence of one": lambda: metrics.clopper_pearson(1, 2, 1.0),
    "target of zero": lambda: metrics.trials_for_target(0.0),
    "rate over one": lambda: metrics.far(1.1, 0.0),
    "RIAPAR of a percentage": lambda: metrics.riapar(7.0, 0.0),
    "ACER of percentages": lambda: literature.acer(5.0, 5.0),
    "one subject": lambda: metrics.bootstrap_by_subject([1, 0], ["a", "a"]),
    "a person against themselves": lambda: metrics.bootstrap_two_way([1, 0], ["a", "b"], ["a", "c"]),
    "two people": lambda: metrics.bootstrap_two_way([1, 0], ["a", "b"], ["b", "a"]),
    "pairs of unequal length": lambda: metrics.bootstrap_two_way([1], ["a"], ["b", "c"]),
    "too few replicates": lambda: metrics.bootstrap_by_subject([1, 0], ["a", "b"], replicates=5),
    "no groups": lambda: metrics.differentials({}),
    "negative limit": lambda: metrics.differentials({"a": metrics.Proportion(errors=0, trials=1)}, limit=-0.1),
    "unordered scores": lambda: metrics.pav_counts([1.0, 1.0], [1, 0], [0, 1]),
    "half a trial": lambda: metrics.pav_counts([1.0], [0.5], [1]),
    "no trials": lambda: metrics.pav_counts([1.0], [0], [0]),
    "empty range": lambda: metrics.ScoreStream(1.0, 1.0),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED.keys())
def test_arguments_outside_their_domain_are_refused(call):
    with pytest.raises(ParameterError):
        call()


def test_public_names():
    assert sorted(metrics.__all__) == metrics.__all__
    assert all(hasattr(metrics, name) for name in metrics.__all__)
    # The figures that the standards advise against are reached by their label only.
    assert not {"eer", "acer", "hter"} & set(dir(metrics))

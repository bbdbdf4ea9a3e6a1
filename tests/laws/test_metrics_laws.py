"""Laws that the metrics obey for any scores: monotone, invariant, symmetric, exact in the tails."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify import metrics
from idverify.metrics import literature

# Few distinct values, so that ties are the rule; and any finite float.
TIED = st.integers(-5, 5).map(lambda k: k / 4)
FINITE = st.floats(-1e6, 1e6)
SCORES = st.one_of(st.lists(TIED, min_size=1, max_size=40), st.lists(FINITE, min_size=1, max_size=40))
TARGET = st.one_of(st.floats(0.0, 1.0), st.sampled_from([0.0, 0.01, 0.1, 0.25, 0.29, 0.5, 1.0]))
law = settings(max_examples=60, deadline=None)


@law
@given(SCORES, SCORES, st.lists(FINITE, min_size=2, max_size=10))
def test_fmr_falls_and_fnmr_rises_with_the_threshold(mated, non_mated, thresholds):
    at = np.sort(thresholds)
    assert (np.diff(metrics.fmr(non_mated, at)) <= 0).all()
    assert (np.diff(metrics.fnmr(mated, at)) >= 0).all()


@law
@given(SCORES, TIED)
def test_matches_and_non_matches_are_everything(scores, threshold):
    total = metrics.fmr(scores, threshold) + metrics.fnmr(scores, threshold)
    assert total == pytest.approx(1.0, abs=1e-15)


@law
@given(SCORES, st.lists(TIED, min_size=2, max_size=5))
def test_many_thresholds_at_once_are_each_alone(scores, thresholds):
    together = metrics.fmr(scores, thresholds)
    assert together.tolist() == [float(metrics.fmr(scores, t)) for t in thresholds]


@law
@given(SCORES, SCORES)
def test_the_two_classes_are_mirror_images(mated, non_mated):
    """Swap the classes and turn the scores round: FMR and FNMR change places."""
    curve = metrics.det_curve(mated, non_mated)
    mirrored = metrics.det_curve(np.negative(non_mated), np.negative(mated))
    np.testing.assert_allclose(np.sort(curve.fmr), np.sort(mirrored.fnmr))
    assert literature.eer(mated, non_mated) == pytest.approx(
        literature.eer(np.negative(non_mated), np.negative(mated)), abs=1e-12
    )


@law
@given(SCORES, TARGET)
def test_the_threshold_at_fmr_is_the_smallest_that_keeps_the_target(non_mated, target):
    threshold = metrics.threshold_at_fmr(non_mated, target)
    assert metrics.fmr(non_mated, threshold) <= target
    if threshold > -np.inf:
        assert metrics.fmr(non_mated, np.nextafter(threshold, -np.inf)) > target


@law
@given(SCORES, SCORES, st.lists(TARGET, min_size=2, max_size=5))
def test_a_stricter_target_never_lowers_threshold_or_fnmr(mated, non_mated, targets):
    points = [metrics.fnmr_at_fmr(mated, non_mated, t) for t in sorted(targets)]
    assert all(a.threshold >= b.threshold and a.fnmr.errors >= b.fnmr.errors for a, b in pairwise(points))


@law
@given(st.lists(TIED, min_size=1, max_size=40), st.lists(TIED, min_size=1, max_size=40))
def test_errors_do_not_depend_on_the_scale_of_scores(mated, non_mated):
    """Any increasing map of the scores leaves DET, minCllr and the PAV blocks as they are."""
    same, others = np.exp(mated), np.exp(non_mated)
    a, b = metrics.det_curve(mated, non_mated), metrics.det_curve(same, others)
    np.testing.assert_array_equal(a.fmr, b.fmr)
    np.testing.assert_array_equal(a.fnmr, b.fnmr)
    assert metrics.min_cllr(mated, non_mated) == metrics.min_cllr(same, others)


@law
@given(SCORES, SCORES, st.randoms(use_true_random=False))
def test_order_of_trials_does_not_matter(mated, non_mated, random):
    shuffled = sorted(non_mated, key=lambda _: random.random())
    assert metrics.fnmr_at_fmr(mated, non_mated, 0.1) == metrics.fnmr_at_fmr(mated, shuffled, 0.1)
    assert metrics.min_cllr(mated, non_mated) == metrics.min_cllr(mated, shuffled)


# -- liveness ---------------------------------------------------------------------------------------------------------

SPECIES = st.sampled_from(["print", "replay", "mask"])
ATTACKS = st.lists(st.tuples(st.one_of(TIED, st.just(np.nan)), SPECIES), min_size=1, max_size=40).filter(
    lambda rows: any(score == score for score, _ in rows)
)


@law
@given(ATTACKS, TARGET)
def test_no_species_exceeds_the_target_apcer_and_a_lower_threshold_breaks_it(rows, target):
    scores, species = zip(*rows, strict=True)
    threshold = metrics.threshold_at_apcer(scores, species, target)

    def highest(at: float) -> float:
        return max(rate.value or 0.0 for rate in metrics.apcer(scores, species, at).values())

    assert highest(threshold) <= target
    if threshold > -np.inf:
        assert highest(np.nextafter(threshold, -np.inf)) > target


@law
@given(ATTACKS, TIED)
def test_the_headline_is_no_better_than_any_species(rows, threshold):
    scores, species = zip(*rows, strict=True)
    rates = metrics.apcer(scores, species, threshold)
    assert all((rate.value or 0.0) <= metrics.worst(rates)[1].value for rate in rates.values())


@law
@given(ATTACKS, TIED, SPECIES)
def test_abstaining_never_improves_apcer(rows, threshold, name):
    """One more abstention moves a trial from APCER's denominator to APNRR; detected attacks then weigh less."""
    scores, species = (list(column) for column in zip(*rows, strict=True))
    before = metrics.apcer(scores, species, threshold)
    detected = [i for i, s in enumerate(scores) if s < threshold and species[i] == name]
    if detected:
        scores[detected[0]] = np.nan
        after = metrics.apcer(scores, species, threshold)
        assert after[name].value is None or after[name].value >= before[name].value
        nothing = metrics.apnrr([0.0] * len(species), species)[name]
        assert metrics.apnrr(scores, species)[name].errors > nothing.errors


# -- calibration ------------------------------------------------------------------------------------------------------


@law
@given(SCORES, SCORES)
def test_pav_rises_keeps_counts_and_is_its_own_fit(mated, non_mated):
    scores = np.array(mated + non_mated)
    labels = np.arange(scores.size) < len(mated)
    fit = metrics.pav(scores, labels)
    assert (np.diff(fit.probability) > 0).all()
    assert (fit.positives.sum(), fit.negatives.sum()) == (len(mated), len(non_mated))
    again = metrics.pav(fit.probability_of(scores), labels)
    assert again.positives.tolist() == fit.positives.tolist()
    assert again.negatives.tolist() == fit.negatives.tolist()


@law
@given(SCORES, SCORES)
def test_pav_is_calibrated_on_its_own_trials(mated, non_mated):
    scores = np.array(mated + non_mated)
    labels = np.arange(scores.size) < len(mated)
    for value in (fitted := metrics.pav(scores, labels).probability_of(scores)):
        assert labels[fitted == value].mean() == pytest.approx(value, abs=1e-12)


@law
@given(SCORES, SCORES)
def test_min_cllr_is_a_lower_bound_between_zero_and_one(mated, non_mated):
    least = metrics.min_cllr(mated, non_mated)
    assert 0.0 <= least <= 1.0 + 1e-12
    assert least <= metrics.cllr(mated, non_mated) + 1e-9


@law
@given(SCORES, SCORES)
def test_cllr_does_not_care_which_class_is_called_positive(mated, non_mated):
    turned = metrics.cllr(np.negative(non_mated), np.negative(mated))
    assert metrics.cllr(mated, non_mated) == pytest.approx(turned, rel=1e-12)


def test_cllr_anchors():
    assert metrics.cllr([0.0], [0.0]) == 1.0  # saying nothing costs one bit
    assert metrics.cllr([np.inf], [-np.inf]) == 0.0
    assert metrics.cllr([-np.inf], [0.0]) == np.inf  # certain and wrong


def test_an_ideal_llr_is_calibrated():
    """Gaussian classes a distance d apart have the exact LLR d * x: Cllr must be near its floor, ECE near zero."""
    rng = np.random.default_rng(1)
    distance = 4.0
    mated, non_mated = (distance * rng.normal(sign * distance / 2, 1, 100_000) for sign in (1, -1))
    assert metrics.cllr(mated, non_mated) - metrics.min_cllr(mated, non_mated) < 0.002
    probability = metrics.probability_from_llr(np.concatenate((mated, non_mated)), 0.5)
    assert metrics.ece(probability, np.repeat([1, 0], 100_000)) < 0.002


def test_a_weight_of_k_is_the_trial_k_times():
    rng = np.random.default_rng(3)
    p, y, k = rng.random(200), rng.random(200) < 0.4, rng.integers(0, 4, 200)
    often = np.repeat(p, k), np.repeat(y, k)
    for measure in (metrics.brier, metrics.ece):
        assert measure(p, y, weights=k * 0.5) == pytest.approx(measure(*often), abs=1e-12)
        assert measure(p, y, weights=np.full(200, 7.0)) == pytest.approx(measure(p, y), abs=1e-12)
    weighted, plain = metrics.reliability(p, y, weights=k), metrics.reliability(*often)
    assert weighted.predicted == pytest.approx(plain.predicted, abs=1e-12)
    assert weighted.observed == pytest.approx(plain.observed, abs=1e-12)
    assert weighted.weight == pytest.approx(plain.count / plain.count.sum(), abs=1e-12)
    assert weighted.count.sum() == 200


@law
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=50), st.data())
def test_ece_and_brier_do_not_care_which_class_is_called_positive(probabilities, data):
    labels = data.draw(st.lists(st.booleans(), min_size=len(probabilities), max_size=len(probabilities)))
    other = 1.0 - np.array(probabilities), ~np.array(labels)
    assert metrics.brier(probabilities, labels) == pytest.approx(metrics.brier(*other), abs=1e-12)
    assert 0.0 <= metrics.ece(probabilities, labels) <= 1.0


# -- intervals --------------------------------------------------------------------------------------------------------

COUNTS = st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@law
@given(COUNTS)
def test_intervals_hold_the_rate_and_mirror(counts):
    errors, trials = counts
    for method in (metrics.wilson, metrics.clopper_pearson):
        here, there = method(errors, trials), method(trials - errors, trials)
        assert here.low <= errors / trials <= here.high
        assert (here.low, here.high) == pytest.approx((1 - there.high, 1 - there.low), abs=1e-12)


@law
@given(COUNTS)
def test_more_confidence_is_wider_and_more_trials_narrower(counts):
    errors, trials = counts
    for method in (metrics.wilson, metrics.clopper_pearson):
        narrow, wide, more = method(errors, trials, 0.8), method(errors, trials, 0.99), method(4 * errors, 4 * trials)
        assert wide.low <= narrow.low <= narrow.high <= wide.high
        assert more.high - more.low < method(errors, trials).high - method(errors, trials).low


def test_clopper_pearson_covers_what_it_says():
    """For every true rate, the binomial probability of the counts whose interval holds it is at least 95 %."""
    trials = 30
    intervals = [metrics.clopper_pearson(k, trials) for k in range(trials + 1)]
    for rate in np.linspace(0.01, 0.99, 99):
        covered = sum(
            math.comb(trials, k) * rate**k * (1 - rate) ** (trials - k)
            for k in range(trials + 1)
            if intervals[k].low <= rate <= intervals[k].high
        )
        assert covered >= 0.95


def test_bootstrap_by_subject_is_wider_when_errors_come_in_people():
    """The same 10 % errors: spread over trials, or all of one tenth of the people."""
    ids = np.repeat(np.arange(50), 20)
    spread = np.tile(np.arange(20) < 2, 50)
    clustered = ids < 5
    assert spread.mean() == clustered.mean()
    narrow, wide = (metrics.bootstrap_by_subject(errors, ids) for errors in (spread, clustered))
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low + 1e-9)


def test_two_way_bootstrap_is_wider_when_one_person_matches_everybody():
    people = 40
    first, second = np.triu_indices(people, 1)
    rng = np.random.default_rng(2)
    wolf = (first == 0) & (second <= 20)
    spread = rng.permutation(wolf)
    narrow, wide = (metrics.bootstrap_two_way(errors, first, second) for errors in (spread, wolf))
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
    flipped = metrics.bootstrap_two_way(wolf, second, first)
    assert flipped == metrics.bootstrap_two_way(wolf, second, first)  # equal seed, equal result
    assert flipped.high == pytest.approx(wide.high, rel=0.5)


# -- streams ----------------------------------------------------------------------------------------------------------


@law
@given(st.lists(SCORES, min_size=1, max_size=6), TIED, st.integers(1, 12), st.integers(1, 9))
def test_a_stream_brackets_every_count_and_is_exact_in_its_tails(chunks, threshold, tail, bins):
    scores = np.concatenate([np.array(c) for c in chunks])
    stream = metrics.ScoreStream(-1.0, 1.0, bins=bins, tail=tail)
    for chunk in chunks:
        stream.add(chunk)
    true = int((scores >= threshold).sum())
    low, high = stream.count_at_least(threshold)
    assert low <= true <= high
    ordered = np.sort(scores)
    if scores.size <= tail or threshold > ordered[-tail] or threshold <= ordered[min(tail, scores.size) - 1]:
        assert low == high == true


@law
@given(st.lists(SCORES, min_size=2, max_size=6), st.integers(1, 12), TIED, st.randoms(use_true_random=False))
def test_a_stream_does_not_depend_on_chunks_order_or_workers(chunks, tail, threshold, random):
    whole = metrics.ScoreStream(-1.0, 1.0, bins=16, tail=tail)
    whole.add(np.concatenate([np.array(c) for c in chunks]))
    workers = [metrics.ScoreStream(-1.0, 1.0, bins=16, tail=tail) for _ in range(2)]
    for chunk in sorted(chunks, key=lambda _: random.random()):
        random.choice(workers).add(chunk)
    workers[0].merge(workers[1])
    assert len(whole) == len(workers[0])
    assert whole.count_at_least(threshold) == workers[0].count_at_least(threshold)
    np.testing.assert_array_equal(whole.histogram()[1], workers[0].histogram()[1])


@law
@given(SCORES, SCORES, TARGET)
def test_a_stream_whose_tail_holds_everything_is_the_exact_answer(mated, non_mated, target):
    streams = [metrics.ScoreStream(-1.0, 1.0, bins=8, tail=40) for _ in range(2)]
    for stream, scores in zip(streams, (mated, non_mated), strict=True):
        stream.add(scores)
    assert metrics.stream_fnmr_at_fmr(*streams, target) == metrics.fnmr_at_fmr(mated, non_mated, target)


def test_the_threshold_of_a_long_stream_is_that_of_all_scores_at_once():
    rng = np.random.default_rng(7)
    scores = np.round(rng.normal(0.0, 0.1, 400_000), 5).astype(np.float32)  # ties, and the dtype of similarities
    stream = metrics.ScoreStream(-1.0, 1.0, bins=1024, tail=2_000)
    for chunk in np.array_split(scores, 13):
        stream.add(chunk)
    for target in (1e-3, 1e-4, 1e-5, 0.0):
        assert stream.threshold_at_rate(target) == metrics.threshold_at_fmr(scores, target)

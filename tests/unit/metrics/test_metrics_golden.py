"""Metrics against golden files made by plain loops over exact fractions (``tests/golden/metrics/make_golden.py``)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from idverify import metrics

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "metrics"
FILES = sorted(GOLDEN.glob("*.json"))
assert len(FILES) > 0, f"no golden files in {GOLDEN}"
KINDS = ("comparison", "pad", "calibration")
# Sums of logarithms are ordered differently there; everything else is compared exactly.
RTOL = 1e-12


def cases(kind: str) -> list:
    found = [pytest.param(c, id=f.stem) for f in FILES for c in [json.loads(f.read_text())] if c["kind"] == kind]
    assert found, f"no golden file of kind {kind}"
    return found


def counts(rate: metrics.Proportion) -> list[int]:
    return [rate.errors, rate.trials]


def all_counts(rates: dict[str, metrics.Proportion]) -> dict[str, list[int]]:
    return {name: counts(rate) for name, rate in rates.items()}


def with_nan(scores: list) -> np.ndarray:
    return np.array([np.nan if s is None else s for s in scores])


def test_every_golden_file_is_of_a_known_kind():
    assert {json.loads(f.read_text())["kind"] for f in FILES} == set(KINDS)


@pytest.mark.parametrize("case", cases("comparison"))
def test_comparison_rates(case):
    for row in case["rates"]:
        assert metrics.fmr(case["non_mated"], row["threshold"]) == row["fmr"][0] / row["fmr"][1]
        assert metrics.fnmr(case["mated"], row["threshold"]) == row["fnmr"][0] / row["fnmr"][1]
    for row in case["at_fmr"]:
        point = metrics.fnmr_at_fmr(case["mated"], case["non_mated"], row["target"])
        assert (point.threshold, counts(point.fmr), counts(point.fnmr)) == (row["threshold"], row["fmr"], row["fnmr"])


@pytest.mark.parametrize("case", cases("comparison"))
def test_isotonic_fit_and_cllr(case):
    scores = np.array(case["mated"] + case["non_mated"])
    labels = np.arange(scores.size) < len(case["mated"])
    fit = metrics.pav(scores, labels)
    assert fit.positives.tolist() == [p for p, _, _ in case["isotonic"]]
    assert fit.negatives.tolist() == [n for _, n, _ in case["isotonic"]]
    assert metrics.min_cllr(case["mated"], case["non_mated"]) == pytest.approx(case["min_cllr"], rel=RTOL)
    llrs = [np.round(8 * (np.array(case[side]) - 0.4), 6) for side in ("mated", "non_mated")]
    assert metrics.cllr(*llrs) == pytest.approx(case["cllr"], rel=RTOL)


@pytest.mark.parametrize("case", cases("pad"))
def test_pad_rates(case):
    attacks, bona_fide, species = with_nan(case["attacks"]), with_nan(case["bona_fide"]), case["species"]
    assert all_counts(metrics.apcer(attacks, species, case["threshold"])) == case["apcer"]
    assert all_counts(metrics.apnrr(attacks, species)) == case["apnrr"]
    assert all_counts(metrics.iapar(case["accepted"], species)) == case["iapar"]
    assert counts(metrics.bpcer(bona_fide, case["threshold"])) == case["bpcer"]
    assert counts(metrics.bpnrr(bona_fide)) == case["bpnrr"]
    for row in case["bpcer_at_apcer"]:
        point = metrics.bpcer_at_apcer(bona_fide, attacks, species, row["target"])
        assert (point.threshold, counts(point.bpcer)) == (row["threshold"], row["bpcer"])


@pytest.mark.parametrize("case", cases("calibration"))
def test_calibration(case):
    assert metrics.brier(case["probabilities"], case["labels"]) == pytest.approx(case["brier"], rel=RTOL)
    assert metrics.ece(case["probabilities"], case["labels"]) == pytest.approx(case["ece"], rel=RTOL)

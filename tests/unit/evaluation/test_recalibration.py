"""A service's own card: fitted on dev, judged on eval, refused where the trials cannot show the target."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from idverify.cli.calibrate import calibrate_command
from idverify.comparison.calibration import load_card
from idverify.errors import CalibrationError
from idverify.evaluation.recalibration import recalibrate
from idverify.evaluation.results import TrialResult
from idverify.evaluation.scores import write_scores
from idverify.protocols import Presentation, Split, Trial

MODELS = {"sface": "2" * 64, "dlib_resnet": "3" * 64}


def make_run(folder: Path, people: int, repeats: int = 1, seed: int = 0) -> Path:
    """All pairs of `people` in each split, each `repeats` times with other videos; Gaussian similarities."""
    rng = np.random.default_rng(seed)
    trials, results = [], {}
    for split in (Split.DEV, Split.EVAL):
        for a in range(people):
            for b in range(a, people):
                for k in range(repeats):
                    results[len(trials)] = TrialResult(
                        outcome="accept", similarity=float(rng.normal(0.7 if a == b else 0.1, 0.1))
                    )
                    trials.append(
                        Trial(
                            video=f"{split.value}{a}_{k}.mp4",
                            reference=f"{split.value}{b}.jpg",
                            mated=a == b,
                            presentation=Presentation.BONA_FIDE,
                            subject=f"{split.value}{a}",
                            reference_subject=f"{split.value}{b}",
                            split=split,
                        )
                    )
    attack = replace(trials[0], presentation=Presentation.ATTACK, pai_species="print", video="attack.mp4")
    results[len(trials)] = TrialResult(outcome="accept", similarity=0.99)
    write_scores(folder / "scores.csv", [*trials, attack], results)
    (folder / "run.json").write_text(json.dumps({"comparison": {"models": MODELS}}))
    return folder / "scores.csv"


def test_a_card_is_fitted_on_dev_and_judged_on_eval(tmp_path):
    result = recalibrate(make_run(tmp_path, 30), [1e-2], today=date(2026, 1, 2))
    assert result.card.counts == {"people": 30, "photos": 60, "mated": 30, "non_mated": 435}
    assert result.card.models == MODELS
    assert result.card.about["date"] == "2026-01-02"
    fmr, fnmr = result.held_back.errors[1e-2]
    assert (fmr.trials, fnmr.trials) == (435, 30)
    # Gaussians six deviations apart: next to nothing is lost, on trials that were not fitted.
    assert fmr.value < 0.03
    assert result.held_back.min_cllr <= result.held_back.cllr < 0.2
    assert result.held_back.ece < 0.03


def test_the_threshold_depends_on_dev_only(tmp_path):
    (tmp_path / "other").mkdir()
    scores = make_run(tmp_path, 30)
    lines = scores.read_text().splitlines()
    kept = [line for line in lines if ",eval," not in line]
    (tmp_path / "other" / "scores.csv").write_text("\n".join(kept) + "\n")
    (tmp_path / "other" / "run.json").write_text(json.dumps({"comparison": {"models": MODELS}}))
    whole, dev_only = recalibrate(scores, [1e-2]), recalibrate(tmp_path / "other" / "scores.csv", [1e-2])
    assert whole.card.thresholds == dev_only.card.thresholds
    assert dev_only.held_back is None


def test_too_few_pairs_are_refused_with_the_number_it_takes(tmp_path):
    with pytest.raises(CalibrationError, match=r"FMR 0\.0001 needs .* at least 30000 different pairs .* got 435 pairs"):
        recalibrate(make_run(tmp_path, 30), [1e-2, 1e-4])


def test_repeating_the_same_people_is_no_evidence(tmp_path):
    """45 pairs, 90 comparisons each: 4,050 comparisons cannot show what takes 3,000 pairs."""
    with pytest.raises(CalibrationError, match="got 45 pairs in 4050 comparisons"):
        recalibrate(make_run(tmp_path, 10, repeats=90), [1e-3])


def test_scores_of_unknown_models_are_refused(tmp_path):
    scores = make_run(tmp_path, 30)
    (tmp_path / "run.json").write_text(json.dumps({"models": MODELS}))
    with pytest.raises(CalibrationError, match="does not name the models"):
        recalibrate(scores, [1e-2])


def test_the_command_writes_a_card_that_loads(tmp_path):
    scores = make_run(tmp_path, 30)
    arguments = [str(scores), "--target-fmr", "1e-2", "--target-fmr", "0.05", "-o", str(tmp_path / "card.toml")]
    done = CliRunner().invoke(calibrate_command, arguments)
    assert done.exit_code == 0, done.output
    assert "FMR 0.01: similarity >= " in done.output
    assert "on eval: Cllr" in done.output
    card = load_card(tmp_path / "card.toml")
    assert list(card.thresholds) == [0.05, 0.01]
    card.require_models(MODELS)
    with pytest.raises(CalibrationError, match="the calibration card was fitted on sface"):
        card.require_models({**MODELS, "sface": "9" * 64})
    assert CliRunner().invoke(calibrate_command, [*arguments, "--target-fmr", "1.0"]).exit_code == 2


def test_scores_that_tell_nobody_apart_are_refused_with_a_sentence(tmp_path):
    scores = make_run(tmp_path, 30)
    lines = list(csv.DictReader(scores.open(newline="")))
    for line in lines:
        line["similarity"] = "0.5"
    with scores.open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows(lines)
    with pytest.raises(CalibrationError, match="no card can be fitted to these scores"):
        recalibrate(scores, [1e-2])


def test_groups_and_cameras_of_the_trials_raise_the_threshold_to_what_the_least_favoured_needs(tmp_path):
    """Half of the people are of a group whose strangers are alike: the card keeps the target among them."""
    plain = recalibrate(make_run(tmp_path, 40), [1e-2])
    rng = np.random.default_rng(1)
    trials, results = [], {}
    for a in range(60):
        for b in range(a, 60):
            alike = a % 2 == b % 2 == 0
            mean = 0.7 if a == b else 0.35 if alike else 0.1
            results[len(trials)] = TrialResult(outcome="accept", similarity=float(rng.normal(mean, 0.1)))
            trials.append(
                Trial(
                    video=f"{a}.mp4",
                    reference=f"{b}.jpg",
                    mated=a == b,
                    presentation=Presentation.BONA_FIDE,
                    subject=f"p{a}",
                    reference_subject=f"p{b}",
                    group="twins" if a % 2 == 0 else "others",
                    split=Split.DEV,
                )
            )
    write_scores(tmp_path / "scores.csv", trials, results)
    grouped = recalibrate(tmp_path / "scores.csv", [1e-2], kind="selfie").card
    twins = next(group for group in grouped.groups if group.name == "twins")
    assert twins.non_mated == 435
    assert twins.errors[1e-2][0] <= 1e-2 * twins.non_mated
    assert grouped.threshold(1e-2, "selfie") > plain.card.threshold(1e-2) + 0.1
    # Too few in each group for a rate at a score.
    assert grouped.stated_for == plain.card.stated_for
    with pytest.raises(CalibrationError, match="a portrait; it has them for: selfie"):
        grouped.threshold(1e-2)

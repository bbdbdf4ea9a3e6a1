"""A service's own card, from its scores to its decisions: used where it fits, refused where it is of other models."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pytest

from idverify.cli import main
from idverify.comparison.calibration import load_card, write_card
from idverify.errors import CalibrationError
from idverify.evaluation.results import TrialResult
from idverify.evaluation.scores import write_scores
from idverify.models.manifest import data_dir
from idverify.protocols import Presentation, Split, Trial, write_trials
from idverify.verification.verifier import Verifier

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
REFERENCE, CLIP = SAMPLES / "reference.jpg", SAMPLES / "photo_panned.mp4"
# All pairs of 80 people are 3,160: enough for FMR 1e-3 by the rule of three.
PEOPLE = 80


@pytest.fixture(scope="module")
def own_card(verifier, tmp_path_factory) -> Path:
    """Scores as `idverify evaluate` leaves them, and the card that `idverify calibrate` makes of them."""
    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    pairs = list(combinations_with_replacement(range(PEOPLE), 2))
    trials = [
        Trial(
            video=f"{a}.mp4",
            reference=f"{b}.jpg",
            mated=a == b,
            presentation=Presentation.BONA_FIDE,
            subject=str(a),
            reference_subject=str(b),
            split=Split.DEV,
        )
        for a, b in pairs
    ]
    similarity = rng.normal([0.8 if t.mated else 0.1 for t in trials], 0.05)
    rows = {n: TrialResult(outcome="accept", similarity=float(s)) for n, s in enumerate(similarity)}
    write_scores(folder / "scores.csv", trials, rows)
    (folder / "run.json").write_text(json.dumps({"comparison": {"models": dict(verifier.card.models)}}))
    card = folder / "card.toml"
    assert main(["calibrate", str(folder / "scores.csv"), "--target-fmr", "1e-3", "-o", str(card)]) == 0
    return card


def match(card: Path, capsys) -> tuple[int, dict]:
    capsys.readouterr()
    policy = ["--policy", "convenience", "--json", "--quiet"]
    code = main(["match", str(REFERENCE), str(REFERENCE), *policy, "--card", str(card)])
    return code, json.loads(capsys.readouterr().out)


def test_a_card_of_ones_own_sets_the_threshold(own_card, capsys):
    code, decision = match(own_card, capsys)
    assert code == 0
    assert decision["match"]["threshold"] == load_card(own_card).threshold(1e-3)
    assert decision["match"]["threshold"] != Verifier().card.threshold(1e-3)
    assert decision["calibration"]["sha256"] == hashlib.sha256(own_card.read_bytes()).hexdigest()
    assert decision["calibration"]["data"].startswith("scores.csv, sha256 ")


def test_the_card_of_the_package_is_named_by_the_hash_of_its_file(verifier):
    shipped = data_dir() / "calibration" / "comparison.toml"
    stamp = verifier.compare(REFERENCE, REFERENCE).calibration
    assert stamp.sha256 == hashlib.sha256(shipped.read_bytes()).hexdigest()
    assert (stamp.data, stamp.date) == (verifier.card.about["data"], verifier.card.about["date"])


@pytest.fixture(params=["another model", "a model unnamed"])
def foreign_card(own_card, tmp_path, request) -> Path:
    card = load_card(own_card)
    models = {**card.models, "sface": "0" * 64}
    if request.param == "a model unnamed":
        models = {name: sha for name, sha in card.models.items() if name != "dlib_resnet"}
    write_card(replace(card, models=models), tmp_path / "card.toml")
    return tmp_path / "card.toml"


@pytest.mark.parametrize("command", ["check", "match"])
def test_a_card_of_other_models_is_refused_by_commands(foreign_card, capsys, command):
    code = main([command, str(CLIP), str(REFERENCE), "--json", "--quiet", "--card", str(foreign_card)])
    answer = json.loads(capsys.readouterr().out)
    assert code == 4
    assert "outcome" not in answer
    assert answer["error"]["code"] == "calibration"


def test_a_card_of_other_models_is_refused_by_evaluations(foreign_card, tmp_path):
    trial = Trial(video=str(REFERENCE), presentation=Presentation.BONA_FIDE, subject="a", split=Split.EVAL)
    write_trials([trial], tmp_path / "t.csv")
    out = tmp_path / "run"
    assert main(["evaluate", str(tmp_path / "t.csv"), "--out", str(out), "--card", str(foreign_card)]) == 4
    assert not (out / "scores.csv").exists()


@pytest.mark.parametrize("given", [str, load_card])
@pytest.mark.parametrize(
    "question",
    [
        lambda v: v.check(CLIP, REFERENCE),
        lambda v: v.assess_liveness(CLIP),
        lambda v: v.compare(REFERENCE, REFERENCE),
        lambda v: v.observe(CLIP),
        lambda v: v.enrol(REFERENCE),
        lambda v: v.inspect(CLIP),
        lambda v: v.load(),
    ],
)
def test_a_card_of_other_models_is_refused_whatever_is_asked(verifier, foreign_card, given, question):
    asked = Verifier(policy="convenience", card=given(foreign_card))
    # To load the same models again for each question takes most of the time, and shows nothing.
    vars(asked._models)["_sessions"] = verifier._models._sessions
    with pytest.raises(CalibrationError, match="fitted"):
        question(asked)


def test_a_card_without_the_policys_target_is_refused_before_anything_is_judged(own_card):
    with pytest.raises(CalibrationError, match=r"no threshold for FMR 0\.0001; it has: 0\.001"):
        Verifier(policy="ial2", card=load_card(own_card)).load()


def test_a_card_that_is_not_there_is_an_error_not_a_verdict(verifier, tmp_path, capsys):
    code, answer = match(tmp_path / "absent.toml", capsys)
    assert (code, answer["error"]["code"]) == (4, "calibration")

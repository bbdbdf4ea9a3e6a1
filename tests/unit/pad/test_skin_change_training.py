"""What the training of ``skin_change`` gives each window, and that what it writes says the same as what it fitted."""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "models" / "training" / "skin_change"))

from idverify.pad.skin_change import N_FEATURES

train = pytest.importorskip("train")  # It needs scikit-learn and onnx.


def test_a_clip_weighs_as_much_as_another_however_many_passages_it_gave():
    kind = np.array(
        ["genuine"] * 3 + ["real-bona_fide"] + ["passage"] * 8 + ["genuine", "real-bona_fide"] + ["swap", "face_blend"]
    )
    source = np.array(["one"] * 12 + ["other"] * 2 + ["one"] * 2)
    weight = train.weights(kind, source)
    genuine = np.isin(kind, list(train.GENUINE))
    assert weight[genuine & (source == "one")].sum() == pytest.approx(weight[source == "other"].sum())
    assert weight[genuine].sum() == pytest.approx(weight[~genuine].sum())
    assert weight[kind == "passage"].sum() < weight[(kind == "genuine") & (source == "one")].sum()
    assert weight[kind == "swap"] < weight[kind == "face_blend"]


def test_many_takes_of_few_people_claim_no_more_than_those_people_bear(tmp_path):
    rng = np.random.default_rng(0)
    attacks = {kind: rng.normal(2, 1, 900) for own in train.CLASSES for kind in own}
    people = {kind: {f"driver {k}" for k in range(30)} for kind in attacks}
    people["real-bona_fide"] = {f"person {k}" for k in range(24)}
    train.write_card(tmp_path / "card.toml", rng.normal(-2, 1, 40), rng.normal(-2, 1, 600), attacks, people)
    (line,) = (row for row in (tmp_path / "card.toml").read_text().splitlines() if row.startswith("llr"))
    assert line == f"llr = [{np.log(10):.3f}, {-np.log(8):.3f}]"


def test_the_file_says_what_was_fitted():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, N_FEATURES)).astype(np.float32)
    model = train.Model(x, x[:, 3] + x[:, 4] > 0, np.ones(200), 0)
    session = onnxruntime.InferenceSession(train.as_onnx(model).SerializeToString())
    said = session.run(None, {"features": x})[0][:, 0]
    assert np.abs(said - model.logits(x)).max() < 1e-3

"""The balance: groups and cameras come to lie in one place, nothing else moves; its file is checked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idverify.comparison.balance import Balance, fit_balance, load_balance, write_balance
from idverify.errors import CalibrationError

seeds = st.integers(0, 2**32 - 1)
D = 16


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def world(seed: int, groups: int = 4, people: int = 40, shift: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of strangers, each group moved to a side of its own [shape=(groups, people, D)]; its means."""
    rng = np.random.default_rng(seed)
    sides = shift * unit(rng.normal(size=(groups, 1, D)))
    faces = unit(rng.normal(size=(groups, people, D)) / np.sqrt(D) + sides)
    return faces, faces.mean(axis=1)


def within_group(faces: np.ndarray) -> float:
    """Mean similarity of two strangers of one group."""
    cosines = faces @ faces.transpose(0, 2, 1)
    n = faces.shape[1]
    return float((cosines.sum() - len(faces) * n) / (len(faces) * n * (n - 1)))


@given(seed=seeds)
def test_strangers_of_one_group_are_no_longer_alike(seed):
    faces, means = world(seed)
    balance = fit_balance(means, np.ones(len(means)), within=0.01, strength=30)
    balanced = np.stack([balance.apply(own) for own in faces])
    assert within_group(faces) > 0.3
    assert within_group(balanced) < 0.1 * within_group(faces)


@given(seed=seeds, strength=st.floats(0, 1000))
def test_gains_never_raise_and_fall_with_strength(seed, strength):
    _, means = world(seed)
    weak, strong = (fit_balance(means, np.ones(4), within=0.01, strength=s) for s in (strength, 2 * strength + 1))
    assert ((weak.gains > 0) & (weak.gains <= 1)).all()
    assert len(strong.gains) >= len(weak.gains)
    assert strong.gains.min() <= weak.gains.min(initial=1.0)


@given(seed=seeds)
def test_what_no_group_differs_in_is_only_centred(seed):
    _, means = world(seed)
    balance = fit_balance(means, np.ones(4), within=0.01, strength=30)
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, D))
    a, b = (v - v @ balance.directions.T @ balance.directions for v in (a, b))
    found = balance.apply(np.stack([a, b]) + balance.centre)
    assert found[0] @ found[1] == pytest.approx(float(unit(a) @ unit(b)), abs=1e-5)


@given(seed=seeds)
def test_one_group_alone_is_centred_and_nothing_more(seed):
    _, means = world(seed)
    balance = fit_balance(means[:1], np.ones(1), within=0.01, strength=30)
    assert len(balance.gains) == 0
    np.testing.assert_allclose(balance.centre, means[0])


@given(seed=seeds, factor=st.floats(0.1, 10))
def test_only_the_ratio_of_weights_matters(seed, factor):
    faces, means = world(seed)
    weights = np.random.default_rng(seed).uniform(0.1, 1, 4)
    one, other = (fit_balance(means, w, within=0.01, strength=3).apply(faces[0]) for w in (weights, factor * weights))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_every_face_goes_through_the_same_map_alone_as_in_company():
    faces, means = world(0)
    balance = fit_balance(means, np.ones(4), within=0.01, strength=30)
    together = balance.apply(faces[0])
    np.testing.assert_allclose(np.concatenate([balance.apply(f[None]) for f in faces[0]]), together, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    "parts",
    [
        {"gains": np.array([1.5])},
        {"gains": np.array([0.0])},
        {"gains": np.array([np.nan])},
        {"gains": np.array([0.5, 0.5])},
        {"centre": np.full(D, np.nan)},
        {"centre": np.zeros(D - 1)},
        {"directions": np.full((1, D), 0.9)},
    ],
)
def test_a_map_that_makes_no_sense_is_refused(parts):
    good = {"centre": np.zeros(D), "directions": np.eye(D)[:1], "gains": np.array([0.5])}
    with pytest.raises(ValueError, match=r"gain|centre|directions"):
        Balance(**(good | parts))


# -- the file ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr("idverify.comparison.balance.data_dir", lambda: tmp_path)
    faces, means = world(1)
    balance = fit_balance(means, np.ones(4), within=0.01, strength=30)
    path = tmp_path / "calibration" / "sface_balance.toml"
    write_balance(path, balance, model_sha256="a" * 64, counts={"a, b": 3}, about={"data": 'a "set"'})
    return path, balance, faces[0]


def test_the_map_comes_back_with_the_hash_of_its_file(file):
    path, balance, faces = file
    read, sha256 = load_balance("a" * 64)
    np.testing.assert_allclose(read.apply(faces), balance.apply(faces), atol=1e-4)
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert load_balance("a" * 64)[1] != sha256


def test_the_map_of_another_model_is_refused(file):
    with pytest.raises(CalibrationError, match="another model"):
        load_balance("b" * 64)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:100],
        lambda text: "",
        lambda text: text.replace("[", "['a', ", 1),
        lambda text: text.replace("format = 1", "format = 7"),
        lambda text: text.replace("gains = [", "gains = [2.0, "),
    ],
)
def test_a_damaged_map_is_refused(file, damage):
    path, _, _ = file
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(CalibrationError, match="cannot be read"):
        load_balance("a" * 64)


def test_a_missing_map_is_refused(file):
    file[0].unlink()
    with pytest.raises(CalibrationError, match="cannot be read"):
        load_balance("a" * 64)

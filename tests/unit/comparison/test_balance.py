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


def fitted(means: np.ndarray, weights: np.ndarray, strength: float = 30) -> Balance:
    return fit_balance(means, weights, length=1.0, within=0.01, strength=strength)


def within_group(faces: np.ndarray) -> float:
    """Mean similarity of two strangers of one group."""
    cosines = faces @ faces.transpose(0, 2, 1)
    n = faces.shape[1]
    return float((cosines.sum() - len(faces) * n) / (len(faces) * n * (n - 1)))


@given(seed=seeds)
def test_strangers_of_one_group_are_no_longer_alike(seed):
    faces, means = world(seed)
    balance = fitted(means, np.ones(len(means)))
    balanced = np.stack([balance.apply(own) for own in faces])
    assert within_group(faces) > 0.3
    assert within_group(balanced) < 0.1 * within_group(faces)


@given(seed=seeds, strength=st.floats(0, 1000))
def test_gains_never_raise_and_fall_with_strength(seed, strength):
    _, means = world(seed)
    weak, strong = (fitted(means, np.ones(4), strength=s) for s in (strength, 2 * strength + 1))
    assert ((weak.gains > 0) & (weak.gains <= 1)).all()
    assert len(strong.gains) >= len(weak.gains)
    assert strong.gains.min() <= weak.gains.min(initial=1.0)


def at_unit_length(away: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The face that lies in this direction from the centre."""
    away = unit(away)
    along = away @ centre
    return centre + away * (np.sqrt(along**2 + 1 - centre @ centre) - along)


@given(seed=seeds)
def test_what_no_group_differs_in_is_only_centred(seed):
    _, means = world(seed)
    balance = fitted(means, np.ones(4))
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, D))
    a, b = (v - v @ balance.directions.T @ balance.directions for v in (a, b))
    found = balance.apply(np.stack([at_unit_length(v, balance.centre) for v in (a, b)]))
    assert found[0] @ found[1] == pytest.approx(float(unit(a) @ unit(b)), abs=1e-5)


@given(seed=seeds)
def test_one_group_alone_is_centred_and_nothing_more(seed):
    _, means = world(seed)
    balance = fitted(means[:1], np.ones(1))
    assert len(balance.gains) == 0
    np.testing.assert_allclose(balance.centre, means[0])


@given(seed=seeds, factor=st.floats(0.1, 10))
def test_only_the_ratio_of_weights_matters(seed, factor):
    faces, means = world(seed)
    weights = np.random.default_rng(seed).uniform(0.1, 1, 4)
    one, other = (fitted(means, w, strength=3).apply(faces[0]) for w in (weights, factor * weights))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_every_face_goes_through_the_same_map_alone_as_in_company():
    faces, means = world(0)
    balance = fitted(means, np.ones(4))
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
        {"length": 0.0},
        {"length": np.nan},
    ],
)
def test_a_map_that_makes_no_sense_is_refused(parts):
    good = {"length": 1.0, "centre": np.zeros(D), "directions": np.eye(D)[:1], "gains": np.array([0.5])}
    with pytest.raises(ValueError, match=r"gain|centre|directions|length"):
        Balance(**(good | parts))


@given(seed=seeds, factor=st.floats(1e-3, 1e3))
def test_a_face_of_which_the_network_says_little_goes_through_longer_but_never_by_much(seed, factor):
    faces, means = world(seed)
    balance = fitted(means, np.ones(4))
    as_they_are, other = balance.apply(faces[0]), balance.apply(factor * faces[0])
    longer = np.linalg.norm(other, axis=1)
    np.testing.assert_allclose(np.linalg.norm(as_they_are, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(longer, np.exp(0.2 * np.clip(-np.log(factor), -0.25, 0.25)), atol=1e-4)


@given(seed=seeds, factor=st.floats(0.1, 0.99))
def test_the_centre_takes_less_of_what_the_network_says_little_of(seed, factor):
    faces, means = world(seed)
    balance = fitted(means[:1], np.ones(1))
    kept, fuller = ((unit(balance.apply(f * faces[1])) * faces[1]).sum(axis=1) for f in (factor, 1.0))
    assert (kept >= fuller - 1e-6).all()


def test_a_picture_made_as_poor_as_can_be_gains_no_more_than_a_poor_one():
    faces, means = world(0)
    balance = fitted(means, np.ones(4))
    for near, far in ((0.75, 1e-6), (1.3, 1e6)):
        np.testing.assert_allclose(balance.apply(near * faces[0]), balance.apply(far * faces[0]), atol=1e-5)


# -- the file ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr("idverify.comparison.balance.data_dir", lambda: tmp_path)
    faces, means = world(1)
    balance = fitted(means, np.ones(4))
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
        lambda text: text.replace("format = 2", "format = 7"),
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

"""Templates: pooled from faces, compared by their product; extractors behind fake networks."""

from __future__ import annotations

import numpy as np
import pytest
import stage
from hypothesis import given
from hypothesis import strategies as st

from idverify.comparison.balance import Balance, lengthened
from idverify.comparison.features import (
    DLIB_WEIGHT,
    POOLED_FROM,
    SFACE_WEIGHT,
    DlibExtractor,
    FusedExtractor,
    SFaceExtractor,
    Template,
    _half_mirrored,
    pool,
    sface_features,
)
from idverify.comparison.score import similarity, similarity_matrix
from idverify.faces.alignment import DLIB, SFACE

seeds = st.integers(0, 2**32 - 1)


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def faces(seed: int, n: int) -> np.ndarray:
    """Fused vectors as an extractor gives them: two unit parts, each with its weight [shape=(n, 256)]."""
    parts = np.random.default_rng(seed).normal(0.3, 1.0, (2, n, 128))
    parts /= np.linalg.norm(parts, axis=-1, keepdims=True)
    return np.hstack([SFACE_WEIGHT**0.5 * parts[0], DLIB_WEIGHT**0.5 * parts[1]])


def test_a_poor_picture_is_no_more_than_alike_to_itself():
    template = Template(vector=1.03 * faces(0, 1)[0], n_faces=1)
    assert similarity(template, template) == 1.0


# -- pooling -----------------------------------------------------------------------------------------------------------


@given(seed=seeds, weight=st.floats(0.01, 10))
def test_one_face_is_its_own_template(seed, weight):
    vectors = faces(seed, 1)
    template = pool(vectors, np.array([weight]))
    np.testing.assert_allclose(template.vector, vectors[0], atol=1e-12)
    assert template.n_faces == 1
    assert similarity(template, template) == pytest.approx(1.0)


@given(seed=seeds, n=st.integers(2, 12))
def test_the_order_of_faces_does_not_matter(seed, n):
    vectors, weights = faces(seed, n), np.random.default_rng(seed).uniform(0.1, 1, n)
    order = np.random.default_rng(seed).permutation(n)
    there, back = pool(vectors, weights), pool(vectors[order], weights[order])
    np.testing.assert_allclose(there.vector, back.vector, atol=1e-12)
    assert there.n_faces == n


@given(seed=seeds, n=st.integers(1, 8), factor=st.floats(0.01, 100))
def test_only_the_ratio_of_weights_matters(seed, n, factor):
    vectors, weights = faces(seed, n), np.random.default_rng(seed).uniform(0.1, 1, n)
    np.testing.assert_allclose(pool(vectors, weights).vector, pool(vectors, factor * weights).vector, atol=1e-12)


@given(seed=seeds, n=st.integers(1, 8))
def test_a_face_seen_twice_counts_twice(seed, n):
    vectors, weights = faces(seed, n), np.ones(n)
    twice = pool(np.vstack([vectors, vectors[:1]]), np.ones(n + 1))
    weights[0] = 2
    np.testing.assert_allclose(twice.vector, pool(vectors, weights).vector, atol=1e-12)


@given(seed=seeds, n=st.integers(1, 8))
def test_a_pooled_template_scores_what_its_faces_score_on_average(seed, n):
    """Never the best of them: pooling more faces gives strangers no more tries."""
    vectors, weights = faces(seed, n), np.random.default_rng(seed).uniform(0.1, 1, n)
    reference = pool(faces(seed + 1, 1), np.ones(1))
    own = vectors @ reference.vector
    pooled = similarity(pool(vectors, weights), reference)
    assert pooled == pytest.approx(float(weights @ own / weights.sum()))
    assert own.min() - 1e-9 <= pooled <= own.max() + 1e-9


def test_a_template_is_read_only_and_shows_nothing():
    template = pool(faces(0, 2), np.ones(2))
    with pytest.raises(ValueError, match="read-only"):
        template.vector[0] = 1.0
    assert repr(template) == "Template(n_faces=2)"


# -- comparison --------------------------------------------------------------------------------------------------------


@given(seed=seeds)
def test_similarity_is_symmetric_and_at_most_one(seed):
    one, other = (pool(v[None], np.ones(1)) for v in faces(seed, 2))
    assert similarity(one, other) == similarity(other, one)
    assert -1 - 1e-9 <= similarity(one, other) <= 1 + 1e-9


def test_the_matrix_holds_every_pair():
    probes, references = faces(1, 3), faces(2, 4)
    found = similarity_matrix(probes, references)
    assert found.shape == (3, 4)
    for i, probe in enumerate(probes):
        for j, reference in enumerate(references):
            one, other = (Template(vector=v.copy(), n_faces=1) for v in (probe, reference))
            assert found[i, j] == pytest.approx(similarity(one, other))


def test_the_fused_similarity_is_the_weighted_mean_of_the_cosines():
    a, b = faces(3, 2)
    sface, dlib = (a[:128] @ b[:128], a[128:] @ b[128:])
    cosines = sface / SFACE_WEIGHT, dlib / DLIB_WEIGHT
    assert pytest.approx(SFACE_WEIGHT + DLIB_WEIGHT) == 1.0
    assert similarity_matrix(a[None], b[None])[0, 0] == pytest.approx(
        SFACE_WEIGHT * cosines[0] + DLIB_WEIGHT * cosines[1]
    )


# -- extractors --------------------------------------------------------------------------------------------------------


class Network:
    """Answers with a fixed projection of the picture: not of unit length, and different for its mirror image."""

    def __init__(self, side: int) -> None:
        self.projection = np.random.default_rng(side).normal(0, 1, ((side + 7) // 8 * 3, 128))
        self.batches: list[int] = []

    def run(self, images):
        assert images.dtype == np.uint8
        self.batches.append(len(images))
        row = images[:, images.shape[1] // 3, ::8].reshape(len(images), -1)
        return ((row @ self.projection / 1e3).astype(np.float32),)


def chips(side: int, n: int = 3) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, side, side, 3), np.uint8)


# The fake network's vectors are far longer than 1, so that they are shortened as far as that goes.
SHORTENED = np.exp(-0.2 * 0.25)


def nothing_off() -> Balance:
    return Balance(length=1.0, centre=np.zeros(128), directions=np.empty((0, 128)), gains=np.empty(0))


def sface(network: Network | None = None, balance: Balance | None = None, quick: Network | None = None):
    return SFaceExtractor(network or Network(112), balance or nothing_off(), quick=quick or Network(112))


def test_sface_does_not_care_about_mirroring():
    extractor = sface()
    straight = extractor.extract(chips(112))
    np.testing.assert_allclose(np.linalg.norm(straight, axis=1), SHORTENED, atol=1e-6)
    np.testing.assert_allclose(extractor.extract(chips(112)[:, :, ::-1]), straight, atol=1e-5)


def test_sface_takes_off_what_all_people_share():
    network = Network(112)
    plain = sface_features(network, chips(112))
    parts = {"centre": np.full(128, 0.02), "directions": np.eye(128)[:1], "gains": np.array([0.25])}
    balance = Balance(length=float(np.linalg.norm(plain, axis=1).mean()), **parts)
    expected = lengthened(plain, balance.length) - 0.02
    expected[:, 0] *= 0.25
    found = sface(network, balance).extract(chips(112))
    np.testing.assert_allclose(unit(found), unit(expected), atol=1e-6)


def test_many_faces_are_seen_by_the_quick_network_every_other_one_in_the_mirror():
    network, quick = Network(112), Network(112)
    extractor = sface(network, quick=quick)
    few, many = chips(112, POOLED_FROM - 1), chips(112, POOLED_FROM)
    extractor.extract(few)
    assert (network.batches, quick.batches) == ([2 * len(few)], [])
    found = extractor.extract(many)
    assert (network.batches, quick.batches) == ([2 * len(few)], [POOLED_FROM])
    turned = many.copy()
    turned[1::2] = turned[1::2, :, ::-1]
    np.testing.assert_allclose(unit(found), unit(quick.run(turned)[0]), atol=1e-6)
    np.testing.assert_array_equal(_half_mirrored(quick, many), quick.run(turned)[0])


@pytest.mark.parametrize(
    ("make", "length"),
    [(sface, SHORTENED), (lambda: DlibExtractor(Network(150)), 1.0)],
)
def test_extractors_give_vectors_of_about_unit_length_one_by_one_as_together(make, length):
    extractor = make()
    shown = chips(extractor.canonical.size_px)
    together = extractor.extract(shown)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), length, atol=1e-6)
    np.testing.assert_allclose(np.concatenate([extractor.extract(c[None]) for c in shown]), together, atol=1e-5)
    assert extractor.extract(shown[:0]).shape == (0, 128)


def test_the_fused_extractor_aligns_for_each_network_and_keeps_their_weights():
    fused = FusedExtractor(sface(), DlibExtractor(Network(150)))
    assert [part.canonical for part, _ in fused.parts] == [SFACE, DLIB]
    picture = stage.draw({"ann": (200, 200, 150)})
    points = np.stack([stage.head_points((200, 200), 150), stage.head_points((210, 195), 140)])
    vectors = fused.extract([picture, picture], points)
    assert vectors.shape == (2, 256)
    np.testing.assert_allclose(np.square(vectors[:, :128]).sum(axis=1), SFACE_WEIGHT * SHORTENED**2, atol=1e-6)
    np.testing.assert_allclose(np.square(vectors[:, 128:]).sum(axis=1), DLIB_WEIGHT, atol=1e-6)


def test_the_stage_tells_its_people_apart():
    """The fake extractor that other tests lean on."""
    picture = stage.draw({"ann": (150, 200, 120), "bob": (420, 200, 120)})
    points = np.stack([stage.head_points((150, 200), 120), stage.head_points((420, 200), 120)])
    vectors = stage.extractor().extract([picture, picture], points)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(2), atol=1e-6)

"""The inference session: contract, threads, integrity."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import original_models
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify import models
from idverify.conversion.builder import GraphBuilder
from idverify.errors import ModelError, ModelIntegrityError, ModelMissingError, ParameterError
from idverify.models.session import Session

SIDE = 16


def small_network() -> bytes:
    """A convolution, a PReLU and a mean over the picture."""
    rng = np.random.default_rng(5)
    graph = GraphBuilder("small")
    data = graph.image_input((SIDE, SIDE))
    weight = rng.normal(size=(8, 3, 3, 3)).astype(np.float32)
    data = graph.conv(data, weight, rng.normal(size=8).astype(np.float32), stride=2, pads=(0, 0, 1, 1))
    data = graph.prelu(data, np.linspace(-0.5, 1.0, 8, dtype=np.float32))
    graph.op("Flatten", graph.op("GlobalAveragePool", data), output="mean")
    graph.output("mean", ("n", 8))
    return graph.build()


def row_of(data: bytes) -> models.ModelSpec:
    contract = dataclasses.replace(models.specs()[0].input, shape=(None, SIDE, SIDE, 3))
    return dataclasses.replace(
        models.specs()[0],
        name="small",
        file="small.onnx",
        sha256=hashlib.sha256(data).hexdigest(),
        input=contract,
        outputs=("mean",),
    )


@pytest.fixture
def row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> models.ModelSpec:
    monkeypatch.setenv("IDVERIFY_MODELS", str(tmp_path))
    data = small_network()
    (tmp_path / "small.onnx").write_bytes(data)
    return row_of(data)


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (12, SIDE, SIDE, 3)).astype(np.uint8)


def test_a_batch_is_its_items(row: models.ModelSpec, pictures: np.ndarray):
    session = Session(row)
    (together,) = session.run(pictures)
    singly = np.concatenate([session.run(picture[None])[0] for picture in pictures])
    assert together.shape == (12, 8)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, singly, rtol=1e-5, atol=1e-4)


def test_sixteen_threads_get_what_one_gets(row: models.ModelSpec, pictures: np.ndarray):
    session = Session(row, threads=2)
    expected = [session.run(picture[None])[0] for picture in pictures]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda i: session.run(pictures[i % 12][None])[0], range(120)))
    for i, result in enumerate(found):
        np.testing.assert_array_equal(result, expected[i % 12])


def test_strided_views_are_taken_as_they_look(row: models.ModelSpec, pictures: np.ndarray):
    session = Session(row)
    mirrored = pictures[:, :, ::-1]
    np.testing.assert_array_equal(session.run(mirrored)[0], session.run(mirrored.copy())[0])


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, SIDE, SIDE, 3), np.float32),
        np.zeros((1, 3, SIDE, SIDE), np.uint8),
        np.zeros((SIDE, SIDE, 3), np.uint8),
        np.zeros((1, SIDE, SIDE + 1, 3), np.uint8),
        np.zeros((0, SIDE, SIDE, 3), np.uint8),
    ],
    ids=["floats", "planes first", "no batch", "another size", "nothing"],
)
def test_what_the_contract_does_not_say_is_refused(row: models.ModelSpec, wrong: np.ndarray):
    with pytest.raises(ParameterError, match=r"takes uint8 \(n, 16, 16, 3\)"):
        Session(row).run(wrong)


def test_missing_and_altered_files_make_no_session(row: models.ModelSpec, tmp_path: Path):
    file = tmp_path / "small.onnx"
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    with pytest.raises(ModelIntegrityError):
        Session(row)
    file.unlink()
    with pytest.raises(ModelMissingError):
        Session(row)


def test_a_file_that_is_no_network_is_one_sentence(row: models.ModelSpec, tmp_path: Path):
    (tmp_path / "small.onnx").write_bytes(b"not a network")
    with pytest.raises(ModelError, match="cannot read the model small"):
        Session(row_of(b"not a network"))


def test_import_loads_no_engine():
    code = "import sys, idverify.models.session; sys.exit(bool({'onnxruntime', 'platformdirs'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_repr_shows_no_bytes(row: models.ModelSpec):
    assert repr(Session(row)) == f"Session('small', version={row.version!r})"


@settings(deadline=None, max_examples=40)
@given(slope=st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=4))
def test_prelu_is_a_prelu(slope: list[float]):
    import onnxruntime as ort

    graph = GraphBuilder("prelu")
    slopes = np.array(slope, dtype=np.float32)
    data = graph.op("Sub", graph.image_input((8, 8)), graph.scalar(127.5))
    weight = np.tile(np.array([1, -2, 1], np.float32), (slopes.size, 1))[:, :, None, None]
    data = graph.conv(data, weight, np.zeros(slopes.size, np.float32))
    graph.op("Identity", graph.prelu(data, slopes), output="out")
    graph.output("out", ("n", slopes.size, 8, 8))
    image = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3)).astype(np.uint8)
    (found,) = ort.InferenceSession(graph.build()).run(None, {"image_rgb": image})
    value = (image.astype(np.float64) - 127.5) @ np.array([1.0, -2.0, 1.0])
    expected = np.where(value > 0, value, value * slopes.astype(np.float64)[:, None, None])
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("name", [row.name for row in models.specs()])
def test_pulled_models_keep_their_contract(name: str):
    original_models.require(name)
    session = Session(name)
    shape = [size or 64 for size in session.spec.input.shape]
    image = np.random.default_rng(2).integers(0, 256, (2, *shape[1:])).astype(session.spec.input.dtype)
    both = session.run(image)
    assert len(both) == len(session.spec.outputs)
    for part, first in zip(both, session.run(image[:1]), strict=True):
        assert part.shape[0] == 2
        assert np.isfinite(part).all()
        np.testing.assert_allclose(part[:1], first, rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_is_told_so_and_does_not_hang(row: models.ModelSpec, pictures: np.ndarray):
    session = Session(row, threads=2)
    session.run(pictures)
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        # A fork that hangs is a failure here, not a wait without end.
        signal.alarm(60)
        try:
            session.run(pictures)
            said = "ran"
        except ModelError as error:
            said = str(error)
        os.write(theirs, said.encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        assert b"forked" in pipe.read()
    os.waitpid(child, 0)

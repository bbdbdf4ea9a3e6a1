"""Each model as converted, beside the way it would run otherwise, with equal results.

Run: ``IDVERIFY_MODEL_SOURCES=FOLDER_OF_PACKAGES pytest benchmarks/speed/test_models_speed.py --benchmark-only
--benchmark-group-by=group --benchmark-timer=time.process_time``. The timer counts the work of all threads, so that
other programs do not disturb the ratios.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from original_models import original, require

from idverify import models
from idverify.models.session import Session

NAMES = [row.name for row in models.specs()]
# A 16:9 picture as the detector sees it.
DETECTOR_WH = (320, 192)


def pictures(name: str, n: int) -> np.ndarray:
    row = models.spec(name)
    width, height = DETECTOR_WH
    shape = (n, row.input.shape[1] or height, row.input.shape[2] or width, 3)
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_one_picture(benchmark: BenchmarkFixture, name: str):
    require(name)
    benchmark.group = "one picture, one thread"
    session = Session(name, threads=1)
    assert len(benchmark(session.run, pictures(name, 1))) == len(session.spec.outputs)


@pytest.mark.parametrize("name", NAMES)
def test_creation(benchmark: BenchmarkFixture, name: str):
    require(name)
    benchmark.group = "hash, read and prepare a session"
    session = benchmark.pedantic(Session, args=(name,), rounds=3, iterations=1)
    assert session.spec.name == name


# -- dlib's ResNet: ONNX Runtime against dlib --------------------------------------------------------------------------


def test_dlib_resnet_here(benchmark: BenchmarkFixture):
    require("dlib_resnet")
    benchmark.group = "dlib ResNet, one face"
    benchmark(Session("dlib_resnet", threads=1).run, pictures("dlib_resnet", 1))


def test_dlib_resnet_in_dlib(benchmark: BenchmarkFixture, tmp_path: Path):
    dlib = pytest.importorskip("dlib")
    require("dlib_resnet")
    weights = tmp_path / "dlib.dat"
    weights.write_bytes(original("dlib_resnet"))
    network = dlib.face_recognition_model_v1(str(weights))
    chip = pictures("dlib_resnet", 1)[0]
    benchmark.group = "dlib ResNet, one face"
    descriptor = benchmark(network.compute_face_descriptor, chip)
    (found,) = Session("dlib_resnet").run(chip[None])
    np.testing.assert_allclose(found[0], list(descriptor), atol=1e-3)


# -- SFace: converted against the model zoo's file --------------------------------------------------------------------


def test_sface_converted(benchmark: BenchmarkFixture):
    require("sface")
    benchmark.group = "SFace, one face"
    benchmark(Session("sface", threads=1).run, pictures("sface", 1))


def test_sface_eight_bit(benchmark: BenchmarkFixture):
    require("sface_eight_bit")
    benchmark.group = "SFace, one face"
    benchmark(Session("sface_eight_bit", threads=1).run, pictures("sface_eight_bit", 1))


def test_sface_as_published(benchmark: BenchmarkFixture):
    import onnxruntime as ort

    require("sface")
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = ort.InferenceSession(original("sface"), options)
    # The published file declares its weights as inputs too; what is passed for them is not used.
    feed = {value.name: np.zeros(value.shape, np.float32) for value in session.get_inputs()}
    face = pictures("sface", 1)
    feed["data"] = np.ascontiguousarray(face.transpose(0, 3, 1, 2), dtype=np.float32)
    benchmark.group = "SFace, one face"
    (expected,) = benchmark(session.run, None, feed)
    (found,) = Session("sface").run(face)
    np.testing.assert_allclose(found, expected, atol=1e-4)

"""Converted models give the numbers of the originals, and the same bytes on every machine."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from original_models import lfw_photos, original

from idverify import models
from idverify.conversion import CONVERSIONS
from idverify.conversion.onnx_file import read_onnx, write_onnx
from idverify.conversion.quantised import dequantise

CONVERTED = [row.name for row in models.specs() if row.conversion]
TFLITE = ["blazeface_short", "blazeface_full", "face_mesh", "iris"]


def convert(name: str) -> bytes:
    return CONVERSIONS[models.spec(name).conversion](original(name))


def faces(side: int, n: int = 6) -> np.ndarray:
    crops = [cv2.imread(str(path))[60:200, 55:195, ::-1] for path in lfw_photos(n)]
    return np.ascontiguousarray(np.stack([cv2.resize(crop, (side, side)) for crop in crops]))


def run(onnx: bytes, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    import onnxruntime as ort

    session = ort.InferenceSession(onnx)
    names = [output.name for output in session.get_outputs()]
    for unused in session.get_inputs():  # the model zoo's block-quantised files declare weights as inputs
        if unused.name not in inputs:
            inputs[unused.name] = np.zeros(unused.shape, np.float32)
    return dict(zip(names, session.run(None, inputs), strict=True))


@pytest.mark.parametrize("name", CONVERTED)
def test_conversion_gives_the_bytes_of_the_manifest(name: str):
    assert hashlib.sha256(convert(name)).hexdigest() == models.spec(name).sha256


@pytest.mark.parametrize("name", CONVERTED)
def test_reading_and_writing_changes_nothing(name: str):
    data = convert(name)
    assert write_onnx(read_onnx(data)) == data


@pytest.mark.parametrize("name", CONVERTED)
def test_the_onnx_library_finds_no_fault(name: str):
    onnx = pytest.importorskip("onnx")
    onnx.checker.check_model(onnx.load_from_string(convert(name)), full_check=True)


@pytest.mark.parametrize("name", ["sface", "sface_eight_bit", "yunet", "dlib_resnet"])
def test_damaged_sources_are_refused(name: str):
    whole = original(name)
    for damaged in (b"no model", whole[:100], whole[: len(whole) // 2], whole[len(whole) // 2 :]):
        with pytest.raises(ValueError, match=r"."):
            CONVERSIONS[models.spec(name).conversion](damaged)


@pytest.mark.parametrize("name", TFLITE)
def test_outputs_are_those_of_the_tflite_runtime(name: str, tmp_path: Path):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    row = models.spec(name)
    images = faces(row.input.shape[1])
    found = run(convert(name), {"image_rgb": images})
    interpreter = litert.Interpreter(model_content=original(name))
    interpreter.allocate_tensors()
    slot = interpreter.get_input_details()[0]["index"]
    for i, image in enumerate(images):
        prepared = (image.astype(np.float32) - np.float32(row.input.mean)) / np.float32(row.input.scale)
        interpreter.set_tensor(slot, prepared[None].astype(np.float32))
        interpreter.invoke()
        for details, output in zip(interpreter.get_output_details(), row.outputs, strict=True):
            expected = interpreter.get_tensor(details["index"])[0]
            np.testing.assert_allclose(found[output][i], expected, rtol=1e-4, atol=1e-3)


def test_sface_templates_are_the_originals():
    images = faces(112)
    found = run(convert("sface"), {"image_rgb": images})["template"]
    planes = images.transpose(0, 3, 1, 2).astype(np.float32)
    source = original("sface")
    expected = np.concatenate([run(source, {"data": plane[None]})["fc1"] for plane in planes])
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    assert ((found * expected).sum(axis=1) / lengths).min() > 0.9999
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_eight_bits_change_sface_little():
    images = faces(112, n=40)
    exact, found = (run(convert(name), {"image_rgb": images})["template"] for name in ("sface", "sface_eight_bit"))
    exact, found = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (exact, found))
    own = (exact * found).sum(axis=1)
    assert own.min() > 0.985
    assert own.mean() > 0.995
    others = ~np.eye(len(images), dtype=bool)
    assert np.abs((found @ found.T - exact @ exact.T)[others]).std() < 0.015


def test_yunet_outputs_are_the_originals():
    # ONNX Runtime refuses the original's per-tensor blocks; OpenCV reads it.
    net = cv2.dnn.readNetFromONNX(np.frombuffer(original("yunet"), np.uint8))
    images = faces(640, n=2)
    found = run(convert("yunet"), {"image_rgb": images})
    for i, image in enumerate(images):
        net.setInput(image[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32))
        expected = dict(zip(found, net.forward(list(found)), strict=True))
        for name, value in found.items():
            np.testing.assert_allclose(value[i], expected[name][0], rtol=1e-3, atol=1e-3)


def test_blocks_are_dequantised_as_the_runtime_does():
    import onnxruntime as ort

    onnx = pytest.importorskip("onnx")
    rng = np.random.default_rng(3)
    tensors = {
        "q": rng.integers(-128, 128, (4, 20)).astype(np.int8),
        "s": rng.uniform(0.01, 2, (4, 3)).astype(np.float32),
        "z": rng.integers(-5, 5, (4, 3)).astype(np.int8),
    }
    node = onnx.helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=1, block_size=8)
    add = onnx.helper.make_node("Add", ["w", "x"], ["y"])
    values = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [4, 20]) for n in ("x", "y")]
    constants = [onnx.numpy_helper.from_array(array, name) for name, array in tensors.items()]
    graph = onnx.helper.make_graph([node, add], "g", values[:1], values[1:], constants)
    opset = [onnx.helper.make_opsetid("", 21)]
    data = onnx.helper.make_model(graph, ir_version=8, opset_imports=opset).SerializeToString()
    zero = {"x": np.zeros((4, 20), np.float32)}
    (expected,) = ort.InferenceSession(data).run(None, zero)
    np.testing.assert_array_equal(dequantise(read_onnx(data)).constants["w"], expected)

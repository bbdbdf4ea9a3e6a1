"""Layers of whole numbers: near what float32 gives, the same whatever the processor, exact where they can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from idverify.conversion.eight_bit import EightBitGraph, Steps, _whole_weights

seeds = st.integers(0, 2**32 - 1)


def run(graph: EightBitGraph, image: np.ndarray) -> np.ndarray:
    import onnxruntime as ort

    return ort.InferenceSession(graph.build()).run(None, {"image_rgb": image})[0]


def begun(name: str) -> tuple[EightBitGraph, str, Steps]:
    """A graph whose input are whole numbers that mean -127..128."""
    graph, steps = EightBitGraph(name), Steps(1.0, 127)
    centred = graph.op("Sub", graph.image_input((8, 8)), graph.scalar(127.0))
    return graph, graph.quantise(centred, steps), steps


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)


def meaning(graph: EightBitGraph, data: str, steps: Steps) -> None:
    graph.dequantise(data, steps, output="out")
    graph.output("out", ("n", "c", "h", "w"))


@given(low=st.floats(-50, 50), width=st.floats(1e-3, 50))
def test_steps_reach_and_hold_zero(low: float, width: float):
    high = low + width
    steps = Steps.over(low, high)
    assert 0 <= steps.zero <= 255
    first, last = (steps.scale * (end - steps.zero) for end in (0, 255))
    assert first <= low + steps.scale
    assert last >= high - steps.scale


@given(seed=seeds, kernel=st.sampled_from([1, 3]), channels=st.integers(2, 9))
def test_neighbouring_weights_cannot_overflow_sixteen_bits(seed: int, kernel: int, channels: int):
    weight = np.random.default_rng(seed).standard_t(2, (5, channels, kernel, kernel))
    whole, scales = _whole_weights(weight)
    in_memory = np.abs(np.moveaxis(whole.astype(np.int32), 1, -1)).reshape(5, -1)
    in_memory = np.pad(in_memory, ((0, 0), (0, in_memory.shape[1] % 2)))
    assert 255 * (in_memory[:, ::2] + in_memory[:, 1::2]).max() < 2**15
    np.testing.assert_allclose(whole * scales[:, None, None, None], weight, atol=0.501 * scales.max())


@settings(deadline=None, max_examples=20)
@given(seed=seeds, dense=st.booleans())
def test_a_convolution_of_whole_numbers_is_near_that_of_float(seed: int, dense: bool):
    rng = np.random.default_rng(seed)
    graph, data, steps = begun("conv")
    weight = rng.normal(0, 0.1, (6, 3, 3, 3) if dense else (3, 1, 3, 3))
    bias = rng.normal(0, 5, len(weight))
    image = picture(seed)
    values = np.pad(image.astype(np.float64) - 127, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(values, (3, 3), axis=(1, 2))
    of = "nhwcij,ocij->nohw" if dense else "nhwcij,cij->nchw"
    expected = np.einsum(of, windows, weight if dense else weight[:, 0]) + bias[:, None, None]
    out_steps = Steps.over(float(expected.min()), float(expected.max()))
    group = 1 if dense else 3
    meaning(graph, graph.whole_conv(data, steps, out_steps, weight, bias, pads=(1, 1, 1, 1), group=group), out_steps)
    spread = np.abs(expected).max()
    np.testing.assert_allclose(run(graph, image), expected, atol=0.03 * spread)


@settings(deadline=None, max_examples=20)
@given(slope=st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3))
@example(slope=[1.0, 1.0, 1.0])
def test_a_prelu_of_whole_numbers_is_one(slope: list[float]):
    graph, data, steps = begun("prelu")
    meaning(graph, graph.whole_prelu(data, steps, np.array(slope, np.float64)), steps)
    value = picture(0).transpose(0, 3, 1, 2).astype(np.float64) - 127
    expected = np.where(value > 0, value, value * np.array(slope)[:, None, None])
    # What a number lacks comes in steps of up to 2 * 127 / 255 and is rounded; so is the sum.
    np.testing.assert_allclose(run(graph, picture(0)), expected, atol=1.01)


def test_a_matrix_of_whole_numbers_is_near_that_of_float():
    rng = np.random.default_rng(1)
    graph, data, steps = begun("matrix")
    weight, bias = rng.normal(0, 0.1, (5, 8 * 8 * 3)), rng.normal(0, 1, 5)
    graph.whole_matrix(data, steps, weight, bias, output="out")
    graph.output("out", ("n", 5))
    flat = picture(1).transpose(0, 3, 1, 2).reshape(2, -1).astype(np.float64) - 127
    expected = flat @ weight.T + bias
    assert run(graph, picture(1)) == pytest.approx(
        expected, abs=0.02 * np.abs(flat).max() * 0.1 * np.sqrt(weight.shape[1])
    )

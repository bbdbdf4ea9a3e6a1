"""MediaPipe's face models, from TFLite files to ONNX files.

Goal: the same network in the channel order ONNX Runtime is fast in. Half-precision weights become float32 once,
convolutions keep TFLite's "SAME" padding (the odd pixel at the bottom and right), outputs keep TFLite's shapes
with a free batch dimension. Only the operators that these models use are known; another one is an error.

Input ``image_rgb`` uint8 [n, h, w, 3]; the model's own range is made inside the graph.

Public items: :func:`convert_blazeface`, :func:`convert_face_mesh`, :func:`convert_iris`.

Sources: TensorFlow Lite schema and reference kernels; Bazarevsky et al. 2019, BlazeFace, arXiv:1907.05047;
Kartynnik et al. 2019, face mesh, arXiv:1907.06724; Ablavatski et al. 2020, iris, arXiv:2006.11341.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.conversion.builder import GraphBuilder
from idverify.conversion.tflite_file import Operator, TFLiteGraph, read_tflite

__all__ = ["convert_blazeface", "convert_face_mesh", "convert_iris"]

_F32 = NDArray[np.float32]


def convert_blazeface(source: bytes) -> bytes:
    """Convert a BlazeFace detector; outputs ``regressors`` [n, anchors, 16], ``logits`` [n, anchors, 1]."""
    return _convert(source, "blazeface", {16: "regressors", 1: "logits"}, centre=127.5, scale=127.5)


def convert_face_mesh(source: bytes) -> bytes:
    """Convert the 468-point mesh; outputs ``landmarks`` [n, 1, 1, 1404], ``presence_logit`` [n, 1, 1, 1]."""
    return _convert(source, "face_mesh", {1404: "landmarks", 1: "presence_logit"}, centre=0.0, scale=255.0)


def convert_iris(source: bytes) -> bytes:
    """Convert the iris model; outputs ``eye_contour`` [n, 213], ``iris`` [n, 15]."""
    return _convert(source, "iris", {213: "eye_contour", 15: "iris"}, centre=0.0, scale=255.0)


def _convert(source: bytes, name: str, outputs: dict[int, str], *, centre: float, scale: float) -> bytes:
    """Convert a TFLite file whose float input is ``(image - centre) / scale``; `outputs` by last dimension."""
    original = read_tflite(source)
    translation = _Translation(original, GraphBuilder(name), scale)
    _, height, width, _ = original.shapes[original.inputs[0]]
    data = translation.graph.image_input((width, height))
    if centre:
        data = translation.graph.op("Sub", data, translation.graph.scalar(centre))
    translation.names[original.inputs[0]] = data
    for operator in original.operators:
        translation.append(operator)
    for tensor in original.outputs:
        shape = original.shapes[tensor]
        translation.output(tensor, outputs[shape[-1]], ("n", *shape[1:]))
    return translation.graph.build()


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TFLite's padding before and after, so that ``ceil(size / stride)`` outputs come out."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class _Translation:
    """Appends TFLite operators to an ONNX graph; four-dimensional tensors become channel-first."""

    def __init__(self, original: TFLiteGraph, graph: GraphBuilder, input_scale: float) -> None:
        self.graph = graph
        self.names: dict[int, str] = {}
        self._original = original
        self._input_scale = np.float32(input_scale)
        self._rules: dict[str, Callable[[Operator], str]] = {
            "CONV_2D": self._conv,
            "DEPTHWISE_CONV_2D": self._conv,
            "MAX_POOL_2D": self._max_pool,
            "PRELU": self._prelu,
            "RELU": lambda op: self.graph.op("Relu", self._input(op)),
            "ADD": lambda op: self.graph.op("Add", self._input(op), self._input(op, 1)),
            "PAD": self._pad,
            "RESIZE_BILINEAR": self._resize,
            "RESHAPE": self._reshape,
            "CONCATENATION": self._concatenation,
        }

    def append(self, operator: Operator) -> None:
        """Append one operator."""
        if operator.name not in self._rules:
            raise ValueError(f"operator {operator.name} of the TFLite model is not known")
        if operator.options.get("FusedActivationFunction", 0):
            raise ValueError(f"{operator.name} with a fused activation is not known")
        self.names[operator.outputs[0]] = self._rules[operator.name](operator)

    def output(self, tensor: int, name: str, shape: tuple[int | str, ...]) -> None:
        """Declare a tensor, in TFLite's own layout, as an output."""
        data = self.names[tensor]
        if len(shape) == 4:
            self.graph.op("Transpose", data, perm=(0, 2, 3, 1), output=name)
        else:
            self.graph.op("Identity", data, output=name)
        self.graph.output(name, shape)

    def _input(self, operator: Operator, at: int = 0) -> str:
        return self.names[operator.inputs[at]]

    def _constant(self, operator: Operator, at: int) -> NDArray[Any]:
        return self._original.constants[operator.inputs[at]]

    def _padding(self, operator: Operator, kernel: tuple[int, int]) -> tuple[int, int, int, int]:
        if operator.options["Padding"] == 1:  # schema: SAME = 0, VALID = 1
            return (0, 0, 0, 0)
        _, height, width, _ = self._original.shapes[operator.inputs[0]]
        top, bottom = _same_padding(height, kernel[0], operator.options["StrideH"])
        left, right = _same_padding(width, kernel[1], operator.options["StrideW"])
        return (top, left, bottom, right)

    def _conv(self, operator: Operator) -> str:
        # (out, kh, kw, in) becomes (out, in, kh, kw); depthwise (1, kh, kw, channels) the same with one in.
        depthwise = operator.name == "DEPTHWISE_CONV_2D"
        order = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)
        weight: _F32 = np.ascontiguousarray(self._constant(operator, 1).transpose(order))
        if operator.inputs[0] == self._original.inputs[0]:
            weight = weight / self._input_scale
        return self.graph.conv(
            self._input(operator),
            weight,
            self._constant(operator, 2),
            stride=operator.options["StrideH"],
            pads=self._padding(operator, (weight.shape[2], weight.shape[3])),
            group=weight.shape[0] if depthwise else 1,
        )

    def _max_pool(self, operator: Operator) -> str:
        kernel = (operator.options["FilterHeight"], operator.options["FilterWidth"])
        strides = (operator.options["StrideH"], operator.options["StrideW"])
        pads = self._padding(operator, kernel)
        return self.graph.op("MaxPool", self._input(operator), kernel_shape=kernel, strides=strides, pads=pads)

    def _prelu(self, operator: Operator) -> str:
        return self.graph.prelu(self._input(operator), self._constant(operator, 1).reshape(-1))

    def _pad(self, operator: Operator) -> str:
        before, after = self._constant(operator, 1)[[0, 3, 1, 2]].T.tolist()
        return self.graph.op("Pad", self._input(operator), self.graph.shape(*before, *after))

    def _resize(self, operator: Operator) -> str:
        if operator.options["AlignCorners"] or not operator.options["HalfPixelCenters"]:
            raise ValueError("RESIZE_BILINEAR is known with half-pixel centres only")
        before, after = (self._original.shapes[names[0]] for names in (operator.inputs, operator.outputs))
        scales = np.array([1, 1, after[1] / before[1], after[2] / before[2]], dtype=np.float32)
        return self.graph.op(
            "Resize",
            self._input(operator),
            "",
            self.graph.constant(scales),
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )

    def _reshape(self, operator: Operator) -> str:
        data = self.graph.op("Transpose", self._input(operator), perm=(0, 2, 3, 1))
        # A zero keeps the batch dimension.
        return self.graph.op("Reshape", data, self.graph.shape(0, *self._original.shapes[operator.outputs[0]][1:]))

    def _concatenation(self, operator: Operator) -> str:
        if len(self._original.shapes[operator.outputs[0]]) == 4:
            raise ValueError("CONCATENATION is known for flat tensors only")
        data = [self.names[tensor] for tensor in operator.inputs]
        return self.graph.op("Concat", *data, axis=operator.options["Axis"])

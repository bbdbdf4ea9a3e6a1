"""Read a TFLite file into plain Python: operators, shapes, constants.

Goal: the converter sees names and arrays, not the FlatBuffers schema. Weights stored in half precision behind a
``DEQUANTIZE`` operator come out as float32 constants.

Public items: :class:`Operator`, :class:`TFLiteGraph`, :func:`read_tflite`.

Sources: TensorFlow Lite ``schema.fbs``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Operator", "TFLiteGraph", "read_tflite"]

# Fields of the option tables that the converter needs, by table name in the schema.
_OPTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "CONV_2D": ("Conv2DOptions", ("Padding", "StrideH", "StrideW", "FusedActivationFunction")),
    "DEPTHWISE_CONV_2D": (
        "DepthwiseConv2DOptions",
        ("Padding", "StrideH", "StrideW", "FusedActivationFunction"),
    ),
    "MAX_POOL_2D": (
        "Pool2DOptions",
        ("Padding", "StrideH", "StrideW", "FilterHeight", "FilterWidth", "FusedActivationFunction"),
    ),
    "ADD": ("AddOptions", ("FusedActivationFunction",)),
    "CONCATENATION": ("ConcatenationOptions", ("Axis", "FusedActivationFunction")),
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", ("AlignCorners", "HalfPixelCenters")),
}


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator: its name in the schema, tensor numbers, and options."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TFLiteGraph:
    """Operators in execution order; shapes of all tensors; values of the constant ones."""

    operators: tuple[Operator, ...]
    shapes: Mapping[int, tuple[int, ...]]
    constants: Mapping[int, NDArray[Any]]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def __repr__(self) -> str:
        return f"TFLiteGraph({len(self.operators)} operators, {len(self.constants)} constants)"


def read_tflite(data: bytes) -> TFLiteGraph:
    """Read the first graph of a TFLite file.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    TFLiteGraph
    """
    import tflite

    model = tflite.Model.GetRootAsModel(data, 0)
    graph = model.Subgraphs(0)
    dtypes = {tflite.TensorType.FLOAT32: "<f4", tflite.TensorType.FLOAT16: "<f2", tflite.TensorType.INT32: "<i4"}
    op_names = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}
    shapes: dict[int, tuple[int, ...]] = {}
    constants: dict[int, NDArray[Any]] = {}
    for number in range(graph.TensorsLength()):
        tensor = graph.Tensors(number)
        shapes[number] = tuple(int(size) for size in np.atleast_1d(tensor.ShapeAsNumpy()))
        buffer = model.Buffers(tensor.Buffer())
        if buffer.DataLength() > 0:
            array = np.frombuffer(buffer.DataAsNumpy(), dtype=dtypes[tensor.Type()])
            constants[number] = array.reshape(shapes[number])
    operators = []
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex())
        # Codes below 127 stand in the old field, as the schema says.
        name = op_names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs, outputs = (
            tuple(int(i) for i in part) for part in (operator.InputsAsNumpy(), operator.OutputsAsNumpy())
        )
        if name == "DEQUANTIZE" and inputs[0] in constants:
            constants[outputs[0]] = constants[inputs[0]].astype(np.float32)
        else:
            operators.append(Operator(name, inputs, outputs, _options(tflite, name, operator.BuiltinOptions())))
    ends = [tuple(int(i) for i in part) for part in (graph.InputsAsNumpy(), graph.OutputsAsNumpy())]
    return TFLiteGraph(tuple(operators), shapes, constants, *ends)


def _options(tflite: Any, name: str, table: Any) -> dict[str, int]:
    if name not in _OPTIONS:
        return {}
    class_name, fields = _OPTIONS[name]
    options = getattr(tflite, class_name)()
    options.Init(table.Bytes, table.Pos)
    return {field: int(getattr(options, field)()) for field in fields}

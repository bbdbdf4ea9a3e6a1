"""A graph written one operator at a time.

Goal: the converters name what they compute, not how an ONNX file is laid out. Every model made here takes
pictures as they lie in memory, uint8 ``(n, h, w, 3)`` RGB, and normalises them inside the graph, so that no
caller can get the channel order, the mean or the scale wrong.

Public items: :class:`GraphBuilder`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.conversion.onnx_file import Attribute, Graph, Node, Value, write_onnx

__all__ = ["GraphBuilder"]


class GraphBuilder:
    """Collects operators and constants in order.

    Parameters
    ----------
    name : str
        The graph's name in the file.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[Node] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self._inputs: list[Value] = []
        self._outputs: list[Value] = []

    def op(self, op_type: str, *inputs: str, output: str | None = None, **attributes: Attribute) -> str:
        """Append an operator and return the name of its output."""
        name = output if output is not None else f"t{len(self._nodes)}"
        self._nodes.append(Node(op_type, inputs, (name,), attributes))
        return name

    def constant(self, array: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        name = f"c{len(self._constants)}"
        self._constants[name] = array
        return name

    def shape(self, *sizes: int) -> str:
        """Add a constant vector of integers and return its name."""
        return self.constant(np.array(sizes, dtype=np.int64))

    def scalar(self, value: float) -> str:
        """Add a float32 constant and return its name."""
        return self.constant(np.array(value, dtype=np.float32))

    def image_input(self, size_wh: tuple[int, int] | None) -> str:
        """Declare the input ``image_rgb``, uint8 [n, h, w, 3]; return it as float32 [n, 3, h, w], 0..255.

        Without `size_wh` height and width are free.
        """
        width, height = size_wh if size_wh is not None else ("w", "h")
        self._inputs.append(Value("image_rgb", "u1", ("n", height, width, 3)))
        planes = self.op("Transpose", "image_rgb", perm=(0, 3, 1, 2))
        # 1 is FLOAT in TensorProto.DataType.
        return self.op("Cast", planes, to=1)

    def conv(
        self,
        data: str,
        weight: NDArray[np.float32],
        bias: NDArray[np.float32],
        *,
        stride: int = 1,
        pads: tuple[int, int, int, int] = (0, 0, 0, 0),
        group: int = 1,
    ) -> str:
        """Append a convolution; `weight` is (out, in / group, kh, kw), `pads` top, left, bottom, right."""
        return self.op(
            "Conv",
            data,
            self.constant(weight),
            self.constant(bias),
            kernel_shape=tuple(int(size) for size in weight.shape[2:]),
            strides=(stride, stride),
            pads=pads,
            group=group,
        )

    def channelwise(self, data: str, scale: NDArray[np.float32], offset: NDArray[np.float32]) -> str:
        """Append ``data * scale + offset`` per channel, as a 1x1 depthwise convolution."""
        return self.conv(data, scale.reshape(-1, 1, 1, 1), offset, group=scale.size)

    def prelu(self, data: str, slope: NDArray[np.float32]) -> str:
        """Append a PReLU with one slope per channel, as ``slope * x + (1 - slope) * relu(x)``.

        ONNX Runtime leaves its blocked layout for the PRelu operator and computes it on one thread; the sum is
        two 1x1 depthwise convolutions that stay inside, fused with Relu and Add, and takes about 0.6 of the time.
        """
        zero = np.zeros(slope.size, dtype=np.float32)
        rest = np.float32(1) - slope
        if slope.max() <= 1:
            positive = self.op("Relu", self.channelwise(data, rest, zero))
        else:
            positive = self.channelwise(self.op("Relu", data), rest, zero)
        return self.op("Add", self.channelwise(data, slope, zero), positive)

    def output(self, name: str, shape: tuple[int | str, ...]) -> None:
        """Declare a float32 output of the graph."""
        self._outputs.append(Value(name, "f4", shape))

    def build(self) -> bytes:
        """Serialise what was collected."""
        return write_onnx(
            Graph(self._name, tuple(self._nodes), self._constants, tuple(self._inputs), tuple(self._outputs))
        )

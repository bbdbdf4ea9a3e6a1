"""Layers that compute with whole numbers of eight bits, written into a graph.

Goal: half the time of float32 and a quarter of the file. Between two layers a tensor holds whole numbers 0..255 whose
meaning, :class:`Steps`, stands in the graph; weights are whole numbers with one scale per output channel. A convolution
is written as ONNX writes it, between ``DequantizeLinear`` and ``QuantizeLinear``: ONNX Runtime makes one operator of
the three, and a runtime that does not gives the same numbers more slowly.

Public items: :class:`Steps`, :class:`EightBitGraph`.

Sources: Jacob et al. 2018, arXiv:1712.05877 (whole-number inference); ONNX operator specification.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idverify.conversion.builder import GraphBuilder

__all__ = ["EightBitGraph", "Steps"]

F64 = NDArray[np.float64]

_HIGHEST = 255
_HIGHEST_WEIGHT = 127


@dataclass(frozen=True, slots=True)
class Steps:
    """What the whole numbers 0..255 of a tensor mean: ``scale * (number - zero)``."""

    scale: float
    zero: int

    @classmethod
    def over(cls, low: float, high: float) -> Steps:
        """The finest that reach from `low` to `high` and hold 0, which is what lies beyond the border of a picture."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = (high - low) / _HIGHEST
        return cls(float(np.float32(scale)), round(-low / scale))


class EightBitGraph(GraphBuilder):
    """A graph whose layers may compute with whole numbers; names are of tensors of them unless said otherwise."""

    def quantise(self, data: str, steps: Steps) -> str:
        """Append the way from float32 to whole numbers."""
        return self.op("QuantizeLinear", data, *self._steps(steps))

    def dequantise(self, data: str, steps: Steps, *, output: str | None = None) -> str:
        """Append the way back to float32."""
        return self.op("DequantizeLinear", data, *self._steps(steps), output=output)

    def whole_conv(
        self,
        data: str,
        steps: Steps,
        out_steps: Steps,
        weight: F64,
        bias: F64,
        *,
        stride: int = 1,
        pads: tuple[int, int, int, int] = (0, 0, 0, 0),
        group: int = 1,
    ) -> str:
        """Append a convolution, dense or of one channel each; see :meth:`GraphBuilder.conv`."""
        weights, scales = _whole_weights(weight)
        # The sums are whole numbers, too: of this many to one.
        of_sums = steps.scale * scales.astype(np.float64)
        biases = np.round(bias / of_sums).astype(np.int32)
        parts = ((weights, scales), (biases, of_sums.astype(np.float32)))
        result = self.op(
            "Conv",
            self.dequantise(data, steps),
            *(
                self.op(
                    "DequantizeLinear",
                    self.constant(numbers),
                    self.constant(scale),
                    self.constant(np.zeros(scale.size, numbers.dtype)),
                    axis=0,
                )
                for numbers, scale in parts
            ),
            kernel_shape=tuple(int(size) for size in weight.shape[2:]),
            strides=(stride, stride),
            pads=pads,
            group=group,
        )
        return self.quantise(result, out_steps)

    def whole_prelu(self, data: str, steps: Steps, slope: F64) -> str:
        """Append a PReLU with one slope of at most 1 per channel, which leaves the steps as they are.

        A number and what it lacks: ``prelu(x, a) = x + (1 - a) * max(-x, 0)``. Steps that begin at zero cut off
        what lies below it.
        """
        lacks = 1 - slope
        # Where every slope is one, nothing is lacking, and any steps will do.
        beyond = Steps.over(0.0, max(float(lacks.max()), 1 / _HIGHEST) * steps.scale * max(steps.zero, 1))
        weight = -lacks.reshape(-1, 1, 1, 1)
        lacking = self.whole_conv(data, steps, beyond, weight, np.zeros(slope.size), group=slope.size)
        found = self.op("Add", self.dequantise(data, steps), self.dequantise(lacking, beyond))
        return self.quantise(found, steps)

    def whole_matrix(self, data: str, steps: Steps, weight: F64, bias: F64, *, output: str) -> str:
        """Append ``weight @ data + bias`` of flattened data as float32; `weight` is (out, in)."""
        weights, scales = _whole_weights(weight)
        columns = self.constant(np.ascontiguousarray(weights.T))
        zero = self.constant(np.array(steps.zero, np.uint8))
        sums = self.op("MatMulInteger", self.op("Flatten", data), columns, zero)
        of_sums = (steps.scale * scales.astype(np.float64)).astype(np.float32)
        scaled = self.op("Mul", self.op("Cast", sums, to=1), self.constant(of_sums))
        return self.op("Add", scaled, self.constant(bias.astype(np.float32)), output=output)

    def _steps(self, steps: Steps) -> tuple[str, str]:
        return self.scalar(steps.scale), self.constant(np.array(steps.zero, np.uint8))


def _whole_weights(weight: F64) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weights (out, in, ...) as whole numbers, and the scale of each output.

    Processors without an instruction for such sums add the products of two neighbours in 16 bits. So that no sum can
    be cut off there, and all processors give the same numbers, two neighbours have a weight of at most 127 together,
    or 128 when both are rounded up (255 * 128 < 2**15). A convolution of one channel each is computed otherwise and
    needs no such care.
    """
    largest = np.abs(weight).reshape(len(weight), -1)
    if weight.shape[1] > 1:
        # In memory the channels of one place are neighbours.
        largest = np.abs(np.moveaxis(weight, 1, -1)).reshape(len(weight), -1)
        largest = np.pad(largest, ((0, 0), (0, largest.shape[1] % 2))).reshape(len(weight), -1, 2).sum(axis=2)
    scales = np.maximum(largest.max(axis=1) / _HIGHEST_WEIGHT, np.finfo(np.float32).tiny).astype(np.float32)
    by_output = scales.astype(np.float64).reshape(-1, *[1] * (weight.ndim - 1))
    return np.clip(np.round(weight / by_output), -_HIGHEST_WEIGHT, _HIGHEST_WEIGHT).astype(np.int8), scales

"""SFace as plain ONNX files: the same function in float32, and about the same in half the time.

Goal: from the block-quantised file of the OpenCV model zoo to a chain of convolutions with fewer and faster operators.
Weights are dequantised, and batch normalisations folded into the convolutions and the last matrix.
:func:`convert` keeps float32; every PReLU is written with operators that ONNX Runtime keeps in its blocked layout (see
:meth:`GraphBuilder.prelu`). :func:`convert_eight_bit` does so in the first layers only, whose pictures are large and
have few channels, where whole numbers are no faster; all others compute with whole numbers of eight bits
(:mod:`~idverify.conversion.eight_bit`).

How far the numbers of a channel reach is read off the network, so that no picture is needed: a batch normalisation
leaves each channel with the mean and the deviation that its own parameters say. Channels are scaled against one another
where that is free, so that those to which the next layer gives much weight have the finer steps.

Input ``image_rgb`` uint8 [n, 112, 112, 3], aligned to the five ArcFace points; output ``template`` float32
[n, 128], not normalised. The original takes float32 R, G, B planes 0..255 (OpenCV's FaceRecognizerSF swaps
B and R and scales by one) and centres them itself.

Public items: :func:`convert`, :func:`convert_eight_bit`.

Sources: Zhong et al. 2021, SFace, doi:10.1109/TIP.2020.3048632; Nagel et al. 2019, arXiv:1906.04721 (quantisation
without data); OpenCV model zoo, ``face_recognition_sface_2021dec_int8bq.onnx``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.conversion.builder import GraphBuilder
from idverify.conversion.eight_bit import EightBitGraph, Steps
from idverify.conversion.onnx_file import Node, read_onnx
from idverify.conversion.quantised import dequantise

__all__ = ["convert", "convert_eight_bit"]

F64 = NDArray[np.float64]

_FACE_PX = 112
_TEMPLATE = 128
# The chain, as the file holds it.
_HEAD = ("Sub", "Mul")
_LAYER = ("Conv", "BatchNormalization", "PRelu")
_TAIL = ("BatchNormalization", "Flatten", "Gemm", "BatchNormalization")
_N_LAYERS = 27
# The first that computes with whole numbers: pictures are 56 pixels wide and less from here on.
_FIRST_WHOLE = 4
# Numbers of a channel reach this many deviations below its mean and above it. Wider steps blur all of them, a shorter
# reach cuts off the highest, which tell most.
_BELOW, _ABOVE = 6.0, 7.0
# Power of the next layer's weight by which a channel's steps become finer; and the least weight that counts, over the
# middle one.
_WEIGHT_POWER, _LEAST_WEIGHT = 0.3, 0.05

_Constants = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """A convolution and its PReLU, the batch normalisation between them folded into the former.

    Parameters
    ----------
    slope
        Of the PReLU per channel, between -1 and 1.
    mean, deviation
        Of what the PReLU takes, per channel.
    """

    weight: F64
    bias: F64
    slope: F64
    mean: F64
    deviation: F64
    stride: int
    pads: tuple[int, int, int, int]
    group: int

    def reach(self) -> tuple[F64, F64]:
        """The lowest and the highest that the PReLU takes, per channel."""
        return self.mean - _BELOW * self.deviation, self.mean + _ABOVE * self.deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class _Network:
    """The file, understood.

    Parameters
    ----------
    head, tail
        What comes before the layers, and after them; the flattening left out.
    carried
        What the last layer's channels have to be multiplied by.
    """

    head: tuple[Node, ...]
    layers: tuple[_Layer, ...]
    carried: F64
    tail: tuple[Node, Node, Node]
    constants: _Constants

    @classmethod
    def read(cls, source: bytes) -> _Network:
        original = dequantise(read_onnx(source))
        constants = original.constants
        nodes = [node for node in original.nodes if node.op_type not in ("Constant", "Dropout")]
        if tuple(node.op_type for node in nodes) != _HEAD + _LAYER * _N_LAYERS + _TAIL:
            raise ValueError("not the SFace network of December 2021")
        layers, carried = zip(*_layers(nodes[len(_HEAD) : -len(_TAIL)], constants), strict=True)
        norm, _, gemm, last = nodes[-len(_TAIL) :]
        head = tuple(nodes[: len(_HEAD)])
        return cls(head=head, layers=layers, carried=carried[-1], tail=(norm, gemm, last), constants=constants)

    def centred(self, graph: GraphBuilder) -> str:
        """Append the input and what brings it to about -1..1."""
        data = graph.image_input((_FACE_PX, _FACE_PX))
        for node in self.head:
            data = graph.op(node.op_type, data, graph.constant(self.constants[node.inputs[1]]))
        return data

    def matrix(self) -> tuple[F64, F64]:
        """The fully connected layer with the normalisation after it: (128, channels * places) and (128,)."""
        _, gemm, last = self.tail
        scale, offset = _normalisation(last, self.constants)
        weight, bias = (self.constants[name].astype(np.float64) for name in gemm.inputs[1:])
        return weight * scale[:, None], bias * scale + offset

    def full_matrix(self) -> tuple[F64, F64]:
        """The same with the normalisation before it as well: (128, channels, places) and (128,)."""
        scale, offset = _normalisation(self.tail[0], self.constants)
        weight, bias = self.matrix()
        weight = weight.reshape(_TEMPLATE, scale.size, -1)
        return weight * (scale * self.carried)[:, None], bias + (weight * offset[:, None]).sum(axis=(1, 2))


def _normalisation(node: Node, constants: _Constants) -> tuple[F64, F64]:
    """Scale and offset of a batch normalisation at inference."""
    gamma, beta, mean, variance = (constants[name].astype(np.float64) for name in node.inputs[1:])
    scale = gamma / np.sqrt(variance + node.number("epsilon"))
    return scale, beta - mean * scale


def _layers(nodes: Sequence[Node], constants: _Constants) -> Iterator[tuple[_Layer, F64]]:
    """Each layer, and what scales its channels afterwards.

    A slope above one is turned into one below: ``prelu(x, a) = -a * prelu(-x, 1 / a)``. The sign goes into
    the convolution, the factor is carried into the next.
    """
    carried = np.ones(3)
    for at in range(0, len(nodes), len(_LAYER)):
        conv, norm, prelu = nodes[at : at + len(_LAYER)]
        scale, offset = _normalisation(norm, constants)
        gamma, beta = (constants[name].astype(np.float64) for name in norm.inputs[1:3])
        slope = constants[prelu.inputs[1]].astype(np.float64).reshape(-1)
        steep = slope > 1
        sign = np.where(steep, -1.0, 1.0)
        weight = constants[conv.inputs[1]].astype(np.float64) * (scale * sign)[:, None, None, None]
        group = conv.integer("group")
        top, left, bottom, right = conv.integers("pads")
        layer = _Layer(
            weight=_times_inputs(weight, carried, group),
            bias=offset * sign,
            slope=np.where(steep, 1.0 / slope, slope),
            mean=beta * sign,
            deviation=np.abs(gamma),
            stride=conv.integers("strides")[0],
            pads=(top, left, bottom, right),
            group=group,
        )
        carried = np.where(steep, -slope, 1.0)
        yield layer, carried


def _times_inputs(weight: F64, factors: F64, group: int) -> F64:
    """Weights of a convolution whose inputs, dense or one channel each, have been divided by the factors."""
    return weight * (factors[:, None, None, None] if group > 1 else factors[None, :, None, None])


def _append_float(graph: GraphBuilder, data: str, layer: _Layer) -> str:
    data = graph.conv(
        data,
        layer.weight.astype(np.float32),
        layer.bias.astype(np.float32),
        stride=layer.stride,
        pads=layer.pads,
        group=layer.group,
    )
    return graph.prelu(data, layer.slope.astype(np.float32))


def _steps_after(layer: _Layer) -> Steps:
    """Of what the PReLU gives."""
    low, high = layer.reach()
    bent = low * layer.slope
    return Steps.over(float(bent.min()), float(max(high.max(), bent.max())))


def _append_whole(
    graph: EightBitGraph, data: str, steps: Steps, layer: _Layer, divided: F64, divide: F64
) -> tuple[str, Steps]:
    """Append a layer that takes channels divided by one vector, and gives its own divided by another."""
    weight = _times_inputs(layer.weight / divide[:, None, None, None], divided, layer.group)
    low, high = (limit / divide for limit in layer.reach())
    out_steps = Steps.over(float(low.min()), float(high.max()))
    data = graph.whole_conv(
        data,
        steps,
        out_steps,
        weight,
        layer.bias / divide,
        stride=layer.stride,
        pads=layer.pads,
        group=layer.group,
    )
    return graph.whole_prelu(data, out_steps, layer.slope), out_steps


def _finer(asked: F64) -> F64:
    """What to divide channels by, by the weight that is given to them.

    In steps of a sixteenth: powers and logarithms differ in their last bit from one processor to another, and the file
    is to be the same everywhere.
    """
    divide = np.maximum(asked, _LEAST_WEIGHT * np.median(asked)) ** -_WEIGHT_POWER
    fraction, exponent = np.frexp(divide / np.exp(np.log(divide).mean()))
    return np.asarray(np.ldexp(np.round(fraction * 16) / 16, exponent))


def convert(source: bytes) -> bytes:
    """Convert the model zoo's file.

    Parameters
    ----------
    source : bytes
        ``face_recognition_sface_2021dec_int8bq.onnx``.

    Returns
    -------
    bytes
        An ONNX model.

    Raises
    ------
    ValueError
        The file is not that network.
    """
    network = _Network.read(source)
    graph = GraphBuilder("sface_2021dec")
    data = network.centred(graph)
    for layer in network.layers:
        data = _append_float(graph, data, layer)
    scale, offset = _normalisation(network.tail[0], network.constants)
    data = graph.channelwise(data, (scale * network.carried).astype(np.float32), offset.astype(np.float32))
    names = [graph.constant(part.astype(np.float32)) for part in network.matrix()]
    graph.op("Gemm", graph.op("Flatten", data), *names, output="template", transB=1)
    graph.output("template", ("n", _TEMPLATE))
    return graph.build()


def convert_eight_bit(source: bytes) -> bytes:
    """Convert the model zoo's file into one that computes mostly with whole numbers; see :func:`convert`."""
    network = _Network.read(source)
    graph = EightBitGraph("sface_2021dec_eight_bit")
    data = network.centred(graph)
    for layer in network.layers[:_FIRST_WHOLE]:
        data = _append_float(graph, data, layer)
    steps = _steps_after(network.layers[_FIRST_WHOLE - 1])
    data = graph.quantise(data, steps)
    matrix, bias = network.full_matrix()
    divided = np.ones(network.layers[_FIRST_WHOLE - 1].slope.size)
    for layer, following in zip(
        network.layers[_FIRST_WHOLE:], (*network.layers[_FIRST_WHOLE + 1 :], None), strict=True
    ):
        if following is None:
            divide = _finer(np.abs(matrix).max(axis=(0, 2)))
        elif following.group == 1:
            divide = _finer(np.abs(following.weight).max(axis=(0, 2, 3)))
        else:
            # A convolution of one channel each has a scale for each: no channel is better off than another.
            divide = np.ones(layer.slope.size)
        data, steps = _append_whole(graph, data, steps, layer, divided, divide)
        divided = divide
    graph.whole_matrix(data, steps, (matrix * divided[:, None]).reshape(_TEMPLATE, -1), bias, output="template")
    graph.output("template", ("n", _TEMPLATE))
    return graph.build()

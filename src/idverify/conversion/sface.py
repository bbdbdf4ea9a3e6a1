"""SFace as a plain float32 ONNX file: same function, fewer and faster operators.

Goal: from the block-quantised file of the OpenCV model zoo to a chain of convolutions. Weights are
dequantised, batch normalisations folded into the convolutions and the last matrix, and every PReLU is written
with operators that ONNX Runtime keeps in its blocked layout (see :meth:`GraphBuilder.prelu`).

Input ``image_rgb`` uint8 [n, 112, 112, 3], aligned to the five ArcFace points; output ``template`` float32
[n, 128], not normalised. The original takes float32 R, G, B planes 0..255 (OpenCV's FaceRecognizerSF swaps
B and R and scales by one) and centres them itself.

Public items: :func:`convert`.

Sources: Zhong et al. 2021, SFace, doi:10.1109/TIP.2020.3048632; OpenCV model zoo,
``face_recognition_sface_2021dec_int8bq.onnx``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.conversion.builder import GraphBuilder
from idverify.conversion.onnx_file import Node, read_onnx
from idverify.conversion.quantised import dequantise

__all__ = ["convert"]

_FACE_PX = 112
_TEMPLATE = 128
# The chain, as the file holds it.
_HEAD = ("Sub", "Mul")
_LAYER = ("Conv", "BatchNormalization", "PRelu")
_TAIL = ("BatchNormalization", "Flatten", "Gemm", "BatchNormalization")
_N_LAYERS = 27

_Constants = Mapping[str, NDArray[Any]]


def _normalisation(node: Node, constants: _Constants) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scale and offset of a batch normalisation at inference."""
    gamma, beta, mean, variance = (constants[name].astype(np.float64) for name in node.inputs[1:])
    scale = gamma / np.sqrt(variance + node.number("epsilon"))
    return scale, beta - mean * scale


def _layer(
    graph: GraphBuilder, data: str, nodes: list[Node], constants: _Constants, carried: NDArray[np.float64]
) -> tuple[str, NDArray[np.float64]]:
    """Append convolution, normalisation and PReLU; take and return what scales the channels between layers.

    A slope above one is turned into one below: ``prelu(x, a) = -a * prelu(-x, 1 / a)``. The sign goes into
    this convolution, the factor is carried into the next.
    """
    conv, norm, prelu = nodes
    scale, offset = _normalisation(norm, constants)
    slope = constants[prelu.inputs[1]].astype(np.float64).reshape(-1)
    steep = slope > 1
    sign = np.where(steep, -1.0, 1.0)
    group = conv.integer("group")
    weight = constants[conv.inputs[1]].astype(np.float64) * (scale * sign)[:, None, None, None]
    weight = weight * (carried[:, None, None, None] if group > 1 else carried[None, :, None, None])
    top, left, bottom, right = conv.integers("pads")
    data = graph.conv(
        data,
        weight.astype(np.float32),
        (offset * sign).astype(np.float32),
        stride=conv.integers("strides")[0],
        pads=(top, left, bottom, right),
        group=group,
    )
    data = graph.prelu(data, np.where(steep, 1.0 / slope, slope).astype(np.float32))
    return data, np.where(steep, -slope, 1.0)


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
    original = dequantise(read_onnx(source))
    constants = original.constants
    nodes = [node for node in original.nodes if node.op_type not in ("Constant", "Dropout")]
    if tuple(node.op_type for node in nodes) != _HEAD + _LAYER * _N_LAYERS + _TAIL:
        raise ValueError("not the SFace network of December 2021")
    graph = GraphBuilder("sface_2021dec")
    data = graph.image_input((_FACE_PX, _FACE_PX))
    for node in nodes[: len(_HEAD)]:
        data = graph.op(node.op_type, data, graph.constant(constants[node.inputs[1]]))
    carried = np.ones(3)
    for at in range(len(_HEAD), len(nodes) - len(_TAIL), len(_LAYER)):
        data, carried = _layer(graph, data, nodes[at : at + len(_LAYER)], constants, carried)
    norm, _, gemm, last = nodes[-len(_TAIL) :]
    scale, offset = _normalisation(norm, constants)
    data = graph.channelwise(data, (scale * carried).astype(np.float32), offset.astype(np.float32))
    scale, offset = _normalisation(last, constants)
    weight = constants[gemm.inputs[1]].astype(np.float64) * scale[:, None]
    bias = constants[gemm.inputs[2]].astype(np.float64) * scale + offset
    names = [graph.constant(part.astype(np.float32)) for part in (weight, bias)]
    graph.op("Gemm", graph.op("Flatten", data), *names, output="template", transB=1)
    graph.output("template", ("n", _TEMPLATE))
    return graph.build()

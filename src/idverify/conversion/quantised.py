"""Block-quantised weights of an ONNX graph, back as plain float32.

Goal: the int8 files of the OpenCV model zoo carry ``DequantizeLinear`` (and ``Reshape``) in front of every
weight. Done once here, run time does not pay for it on every picture.

Public items: :func:`dequantise`.

Sources: ONNX operator specification, ``DequantizeLinear`` with ``block_size`` (operator set 21).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.conversion.onnx_file import Graph, Node

__all__ = ["dequantise"]


def _dequantised(node: Node, constants: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    quantised, scales, zeros = (constants[name] for name in node.inputs)
    axis, block = node.integer("axis"), node.integer("block_size")
    size = quantised.shape[axis]
    keep = tuple(slice(size) if d == axis else slice(None) for d in range(quantised.ndim))
    scale: NDArray[np.float32] = np.repeat(scales, block, axis)[keep]
    zero = np.repeat(zeros, block, axis)[keep].astype(np.int32)
    steps: NDArray[np.float32] = (quantised.astype(np.int32) - zero).astype(np.float32)
    return steps * scale


def dequantise(graph: Graph) -> Graph:
    """Compute every constant ``DequantizeLinear`` and ``Reshape`` of a graph.

    Parameters
    ----------
    graph : Graph
        As read from a file.

    Returns
    -------
    Graph
        The same function with fewer nodes; the weights are float32 constants.
    """
    constants = dict(graph.constants)
    nodes = []
    for node in graph.nodes:
        known = all(name in constants for name in node.inputs)
        if node.op_type == "DequantizeLinear" and known:
            constants[node.outputs[0]] = _dequantised(node, constants)
        elif node.op_type == "Reshape" and known:
            data, shape = (constants[name] for name in node.inputs)
            constants[node.outputs[0]] = data.reshape(tuple(int(size) for size in shape))
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.inputs}
    kept = {name: array for name, array in constants.items() if name in used}
    return Graph(graph.name, tuple(nodes), kept, graph.inputs, graph.outputs)

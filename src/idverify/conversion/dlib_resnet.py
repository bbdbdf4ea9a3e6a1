"""dlib's face recognition ResNet as an ONNX file, without dlib.

Goal: read ``dlib_face_recognition_resnet_model_v1.dat`` and write the same network as an ONNX graph.

The file is a stream of dlib's own serialisation. Tensors come first layer first; each follows its layer's tag
(``con_4``, ``affine_``, ``fc_2``) as: version 2, four dimensions as variable-length integers (one control byte
with the number of bytes, then the bytes, little-endian), raw little-endian float32. A convolution keeps its
weights, then its biases, in one tensor; an affine layer gamma, then beta. The architecture is fixed, so every
size is checked against it.

What differs from the picture most people have of a ResNet, and must be kept for equal numbers:

* a 3x3 convolution of stride 2 has no padding, one of stride 1 has padding 1;
* the skip of a down-sampling block is a 2x2 mean of stride 2, and the sum of two tensors of different shape has
  the larger size in every dimension, the smaller tensor being filled up with zeros at its far ends (channels, and
  from 8x8 on also rows and columns).

Input ``image_rgb`` uint8 [n, 150, 150, 3]; output ``descriptor`` float32 [n, 128].

Public items: :func:`convert`.

Sources: D. King, dlib, ``dnn_face_recognition_ex.cpp`` (architecture), ``dlib/serialize.h`` (number format); the
weights are in the public domain (CC0).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from idverify.conversion.builder import GraphBuilder

__all__ = ["convert"]

_Array = NDArray[np.float32]

_CHIP_PX = 150
# dlib's input_rgb_image: what is subtracted from R, G, B, and the divisor.
_MEAN_RGB = (122.782, 117.001, 104.298)
_SCALE = 256.0
# (filters, stride of the first convolution) of each residual block, input to output.
_BLOCKS = (
    *[(32, 1)] * 3,
    *[(64, 2)] + [(64, 1)] * 3,
    *[(128, 2)] + [(128, 1)] * 2,
    *[(256, 2)] + [(256, 1)] * 2,
    (256, 2),
)
_DESCRIPTOR = 128


class _Reader:
    """A cursor over the file that hands out the next tensor of a layer."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def _integer(self) -> int:
        size = self._data[self._at] & 0x0F
        value = int.from_bytes(self._data[self._at + 1 : self._at + 1 + size], "little")
        self._at += 1 + size
        return value

    def tensor(self, tag: bytes, size: int, n_before: int = 0) -> _Array:
        """Return the `size` numbers of the next layer tagged `tag`; `n_before` integers precede the tensor."""
        # A tag is a string: its length as an integer, then its bytes.
        mark = bytes((1, len(tag))) + tag
        found = self._data.find(mark, self._at)
        if found < 0:
            raise ValueError(f"no further layer {tag.decode()!r} in the dlib model")
        self._at = found + len(mark)
        integers = [self._integer() for _ in range(n_before + 5)]
        version, *dims = integers[n_before:]
        if version != 2 or math.prod(dims) != size or self._at + 4 * size > len(self._data):
            raise ValueError(f"layer {tag.decode()!r} holds {dims}, expected {size} numbers")
        array = np.frombuffer(self._data, dtype="<f4", count=size, offset=self._at).astype(np.float32)
        self._at += 4 * size
        return array


def _folded_conv(reader: _Reader, n_out: int, n_in: int, kernel: int) -> tuple[_Array, _Array]:
    """Read a convolution and its affine layer as one convolution."""
    n_weights = n_out * n_in * kernel * kernel
    numbers = reader.tensor(b"con_4", n_weights + n_out).astype(np.float64)
    gamma, beta = reader.tensor(b"affine_", 2 * n_out).astype(np.float64).reshape(2, n_out)
    weight = numbers[:n_weights].reshape(n_out, n_in, kernel, kernel) * gamma[:, None, None, None]
    return weight.astype(np.float32), (numbers[n_weights:] * gamma + beta).astype(np.float32)


def _after(size: int, stride: int) -> int:
    """Rows after a 3x3 convolution of a block: padded at stride 1, not padded at stride 2."""
    return size if stride == 1 else (size - 3) // 2 + 1


def _zero_fill(graph: GraphBuilder, data: str, channels: int, rows: int) -> str:
    """Add zero channels at the end, and zero rows and columns at the bottom and right."""
    if channels == 0 and rows == 0:
        return data
    return graph.op("Pad", data, graph.shape(0, 0, 0, 0, 0, channels, rows, rows))


def convert(source: bytes) -> bytes:
    """Convert dlib's model file.

    Parameters
    ----------
    source : bytes
        ``dlib_face_recognition_resnet_model_v1.dat``.

    Returns
    -------
    bytes
        An ONNX model.

    Raises
    ------
    ValueError
        A layer is missing or has another size.
    """
    reader = _Reader(source)
    graph = GraphBuilder("dlib_face_recognition_resnet_v1")
    mean = np.array(_MEAN_RGB, dtype=np.float32).reshape(1, 3, 1, 1)
    centred = graph.op("Sub", graph.image_input((_CHIP_PX, _CHIP_PX)), graph.constant(mean))
    weight, bias = _folded_conv(reader, 32, 3, 7)
    # The divisor is a power of two: moving it into the weights changes no digit.
    data = graph.op("Relu", graph.conv(centred, weight / np.float32(_SCALE), bias, stride=2))
    data = graph.op("MaxPool", data, kernel_shape=(3, 3), strides=(2, 2))
    size, channels = ((_CHIP_PX - 7) // 2 + 1 - 3) // 2 + 1, 32
    for filters, stride in _BLOCKS:
        data, size = _block(graph, reader, data, size, (channels, filters), stride)
        channels = filters
    pooled = graph.op("Flatten", graph.op("GlobalAveragePool", data))
    # A fully connected layer states its numbers of outputs and inputs first.
    matrix = reader.tensor(b"fc_2", channels * _DESCRIPTOR, n_before=2).reshape(channels, _DESCRIPTOR)
    graph.op("MatMul", pooled, graph.constant(matrix), output="descriptor")
    graph.output("descriptor", ("n", _DESCRIPTOR))
    return graph.build()


def _block(
    graph: GraphBuilder, reader: _Reader, data: str, size: int, channels: tuple[int, int], stride: int
) -> tuple[str, int]:
    """Append one residual block; return its output and the rows of it."""
    n_in, n_out = channels
    pad = 1 if stride == 1 else 0
    weight, bias = _folded_conv(reader, n_out, n_in, 3)
    inner = graph.op("Relu", graph.conv(data, weight, bias, stride=stride, pads=(pad,) * 4))
    weight, bias = _folded_conv(reader, n_out, n_out, 3)
    inner = graph.conv(inner, weight, bias, pads=(1, 1, 1, 1))
    skip, skip_size, inner_size = data, size, _after(size, stride)
    if stride == 2:
        skip = graph.op("AveragePool", data, kernel_shape=(2, 2), strides=(2, 2))
        skip_size = size // 2
    size = max(skip_size, inner_size)
    inner = _zero_fill(graph, inner, 0, size - inner_size)
    skip = _zero_fill(graph, skip, n_out - n_in, size - skip_size)
    return graph.op("Relu", graph.op("Add", inner, skip)), size

"""Read and write ONNX files, byte for byte the same everywhere.

Goal: a converted model has one sha256 on every machine. The usual library serialises in an order that
may change with its version, so the few protobuf messages that an inference graph needs are written here,
fields in ascending order, tensors as raw little-endian data.

Conventions: a tensor is a NumPy array; an attribute's Python type is its ONNX type (``int``, ``float``,
``str``, ``tuple`` of these, array); a dimension is an ``int``, or a ``str`` for a free one.

Public items: :class:`Node`, :class:`Value`, :class:`Graph`, :func:`write_onnx`, :func:`read_onnx`.

Sources: the message definitions of ONNX (``onnx.proto``), Protocol Buffers encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Attribute", "Graph", "Node", "Value", "read_onnx", "write_onnx"]

Attribute: TypeAlias = int | float | str | tuple[int, ...] | tuple[float, ...] | NDArray[Any]

# ONNX IR specification: 8 came with ONNX 1.10 and is read by every ONNX Runtime >= 1.10.
_IR_VERSION = 8
# Operator set 17 (ONNX 1.12): read by every ONNX Runtime >= 1.12.
_OPSET = 17
# TensorProto.DataType in onnx.proto.
_DTYPES: Mapping[int, str] = {1: "<f4", 2: "|u1", 3: "|i1", 6: "<i4", 7: "<i8", 11: "<f8"}
_DTYPE_CODES: Mapping[str, int] = {name: code for code, name in _DTYPES.items()}
# AttributeProto.AttributeType in onnx.proto.
_FLOAT, _INT, _STRING, _TENSOR, _FLOATS, _INTS = 1, 2, 3, 4, 6, 7


@dataclass(frozen=True, slots=True)
class Node:
    """One operator: names of what it reads and writes, and its attributes."""

    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def integer(self, name: str) -> int:
        """Return an attribute that must be an integer."""
        value = self.attributes.get(name)
        if not isinstance(value, int):
            raise ValueError(f"{self.op_type} has no integer attribute {name!r}")
        return value

    def number(self, name: str) -> float:
        """Return an attribute that must be a float."""
        value = self.attributes.get(name)
        if not isinstance(value, float):
            raise ValueError(f"{self.op_type} has no float attribute {name!r}")
        return value

    def integers(self, name: str) -> tuple[int, ...]:
        """Return an attribute that must be a list of integers."""
        value = self.attributes.get(name)
        if not isinstance(value, tuple):
            raise ValueError(f"{self.op_type} has no list attribute {name!r}")
        return tuple(int(item) for item in value)


@dataclass(frozen=True, slots=True)
class Value:
    """A graph input or output: name, element type and shape."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """Operators in execution order, constants by name, inputs and outputs."""

    name: str
    nodes: tuple[Node, ...]
    constants: Mapping[str, NDArray[Any]]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, {len(self.nodes)} nodes, {len(self.constants)} constants)"


# -- writing ---------------------------------------------------------------------------------------


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _int(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _bytes(number: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _float(number: int, value: float) -> bytes:
    return _varint(number << 3 | 5) + struct.pack("<f", value)


def _tensor(name: str, array: NDArray[Any]) -> bytes:
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    dims = b"".join(_int(1, size) for size in array.shape)
    return dims + _int(2, _DTYPE_CODES[little.dtype.str]) + _bytes(8, name) + _bytes(9, little.tobytes())


def _attribute(name: str, value: Attribute) -> bytes:
    head = _bytes(1, name)
    if isinstance(value, np.ndarray):
        return head + _bytes(5, _tensor("", value)) + _int(20, _TENSOR)
    if isinstance(value, str):
        return head + _bytes(4, value) + _int(20, _STRING)
    if isinstance(value, float):
        return head + _float(2, value) + _int(20, _FLOAT)
    if isinstance(value, int):
        return head + _int(3, value) + _int(20, _INT)
    if all(isinstance(item, int) for item in value):
        return head + b"".join(_int(8, int(item)) for item in value) + _int(20, _INTS)
    return head + b"".join(_float(7, item) for item in value) + _int(20, _FLOATS)


def _node(node: Node) -> bytes:
    return (
        b"".join(_bytes(1, name) for name in node.inputs)
        + b"".join(_bytes(2, name) for name in node.outputs)
        + _bytes(4, node.op_type)
        + b"".join(_bytes(5, _attribute(name, node.attributes[name])) for name in sorted(node.attributes))
    )


def _value(value: Value) -> bytes:
    dims = (_bytes(2, size) if isinstance(size, str) else _int(1, size) for size in value.shape)
    shape = b"".join(_bytes(1, dim) for dim in dims)
    code = _DTYPE_CODES[np.dtype(value.dtype).newbyteorder("<").str]
    return _bytes(1, value.name) + _bytes(2, _bytes(1, _int(1, code) + _bytes(2, shape)))


def write_onnx(graph: Graph) -> bytes:
    """Serialise a graph as an ONNX model of operator set 17.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    bytes
        Equal for equal graphs, on every machine.
    """
    body = (
        b"".join(_bytes(1, _node(node)) for node in graph.nodes)
        + _bytes(2, graph.name)
        + b"".join(_bytes(5, _tensor(name, array)) for name, array in graph.constants.items())
        + b"".join(_bytes(11, _value(value)) for value in graph.inputs)
        + b"".join(_bytes(12, _value(value)) for value in graph.outputs)
    )
    opset = _bytes(1, "") + _int(2, _OPSET)
    return _int(1, _IR_VERSION) + _bytes(2, "idverify") + _bytes(7, body) + _bytes(8, opset)


# -- reading ---------------------------------------------------------------------------------------


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """Yield (field number, value): an ``int``, or the bytes of a fixed or length-delimited field."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = _read_varint(data, at)
            yield key >> 3, value
            continue
        size, at = (8, at) if wire == 1 else (4, at) if wire == 5 else _read_varint(data, at)
        if wire not in (1, 2, 5) or at + size > len(data):
            raise ValueError("not a well-formed ONNX file")
        yield key >> 3, data[at : at + size]
        at += size


def _group(data: memoryview) -> dict[int, list[Any]]:
    grouped: dict[int, list[Any]] = {}
    for number, value in _fields(data):
        grouped.setdefault(number, []).append(value)
    return grouped


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _ints(values: list[Any]) -> tuple[int, ...]:
    """Decode a repeated integer field, packed or not."""
    found: list[int] = []
    for value in values:
        if isinstance(value, int):
            found.append(_signed(value))
            continue
        at = 0
        while at < len(value):
            item, at = _read_varint(value, at)
            found.append(_signed(item))
    return tuple(found)


def _text(grouped: dict[int, list[Any]], number: int) -> str:
    return bytes(grouped[number][0]).decode() if number in grouped else ""


def _read_tensor(data: memoryview) -> tuple[str, NDArray[Any]]:
    got = _group(data)
    dtype = np.dtype(_DTYPES[got[2][0]])
    shape = _ints(got.get(1, []))
    if 9 in got:
        array = np.frombuffer(got[9][0], dtype=dtype)
    elif 4 in got:
        array = np.frombuffer(b"".join(got[4]), dtype="<f4")
    else:
        array = np.array(_ints(got.get(5, got.get(7, []))), dtype=dtype)
    return _text(got, 8), array.reshape(shape)


def _read_attribute(data: memoryview) -> tuple[str, Attribute]:
    got = _group(data)
    kind = got[20][0]
    value: Attribute
    if kind == _FLOAT:
        value = float(struct.unpack("<f", got[2][0])[0])
    elif kind == _INT:
        value = _signed(got[3][0])
    elif kind == _STRING:
        value = _text(got, 4)
    elif kind == _TENSOR:
        value = _read_tensor(got[5][0])[1]
    elif kind == _INTS:
        value = _ints(got.get(8, []))
    else:
        value = tuple(float(item) for item in np.frombuffer(b"".join(got.get(7, [])), dtype="<f4"))
    return _text(got, 1), value


def _read_node(data: memoryview) -> Node:
    got = _group(data)
    names = [tuple(bytes(item).decode() for item in got.get(number, [])) for number in (1, 2)]
    attributes = dict(_read_attribute(item) for item in got.get(5, []))
    return Node(_text(got, 4), names[0], names[1], attributes)


def _read_value(data: memoryview) -> Value:
    got = _group(data)
    tensor = _group(_group(got[2][0])[1][0])
    dims = [_group(dim) for shape in tensor.get(2, []) for dim in _group(shape).get(1, [])]
    sizes = tuple(dim[1][0] if 1 in dim else _text(dim, 2) for dim in dims)
    return Value(_text(got, 1), _DTYPES[tensor[1][0]], sizes)


def read_onnx(data: bytes) -> Graph:
    """Read the graph of an ONNX model.

    Parameters
    ----------
    data : bytes
        An ONNX file whose tensors lie inside it.

    Returns
    -------
    Graph

    Raises
    ------
    ValueError
        The bytes are not a well-formed ONNX file.
    """
    try:
        got = _group(_group(memoryview(data))[7][0])
        constants = dict(_read_tensor(item) for item in got.get(5, []))
        inputs = tuple(_read_value(item) for item in got.get(11, []))
        return Graph(
            _text(got, 2),
            tuple(_read_node(item) for item in got.get(1, [])),
            constants,
            tuple(value for value in inputs if value.name not in constants),
            tuple(_read_value(item) for item in got.get(12, [])),
        )
    except (KeyError, IndexError, UnicodeDecodeError, struct.error) as error:
        raise ValueError("not a well-formed ONNX file") from error

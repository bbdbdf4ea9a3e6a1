"""Objects over a pipe to a process that may have been taken over, and back.

Conventions: the parent's messages are pickles, eight bytes of length before them. A child's are no pickles, since a
pickle can change what it names: a child in a stranger's hands could turn one word of the package into another for as
long as its parent lives. They are JSON: a list of nodes, each of which names earlier ones only, and the bytes of its
arrays behind it. What is made of them is the package's frozen value types, NumPy arrays and plain values, so that such
a child can lie about the recording and do nothing else to its parent.

Public items: :func:`send`, :func:`receive`, :func:`send_values`, :func:`receive_values`.
"""

from __future__ import annotations

import dataclasses
import json
import pickle
import re
import struct
from collections.abc import Callable
from enum import Enum
from importlib import import_module
from typing import Any, BinaryIO

__all__ = ["receive", "receive_values", "send", "send_values"]

_HEAD = struct.Struct("!Q")
_MAX_BYTES = 512 << 20
# What a child may say: an honest one has some ten thousand characters for each photo, and no number to look up by.
_MAX_TEXT_BYTES = 32 << 20
_MAX_NUMBERS_AS_KEYS = 4096
# What a value may come to once it is written out: what is shared counts as often as it is named.
_MAX_WRITTEN_BYTES = 256 << 20
_SCALARS = (type(None), bool, int, float, str)
# Numbers and texts of a size: nothing that holds a pointer.
_DTYPE = re.compile(r"[<>|][biufcSU][1-9][0-9]{0,5}")
_CONTAINERS: dict[str, Callable[[list[Any]], Any]] = {
    "list": list, "tuple": tuple, "set": set, "frozenset": frozenset
}  # fmt: skip


def send(pipe: BinaryIO, value: Any) -> None:
    """Write one object for a process that trusts this one.

    Raises
    ------
    OSError
        The other end is gone.
    """
    data = pickle.dumps(value, protocol=4)
    _write(pipe, _HEAD.pack(len(data)), data)


def receive(pipe: BinaryIO) -> Any:
    """Read one object of :func:`send`; of the parent only, since whoever wrote it has this process in hand.

    Raises
    ------
    EOFError
        The other end is gone.
    """
    return pickle.loads(_message(pipe))


def send_values(pipe: BinaryIO, value: Any) -> None:
    """Write one value for a process that does not trust this one.

    Raises
    ------
    OSError
        The other end is gone.
    TypeError
        It is, or holds, something that is no value.
    """
    writer = _Writer()
    root = writer.written(value)
    text = json.dumps([root, writer.nodes, [len(part) for part in writer.parts]]).encode()
    _write(pipe, _HEAD.pack(len(text)), text, *writer.parts)


def receive_values(pipe: BinaryIO) -> Any:
    """Read one value of :func:`send_values`; whatever comes, nothing but values is made of it.

    Raises
    ------
    EOFError
        The other end is gone, or sent something that is no value.
    """
    text = _message(pipe, at_most=_MAX_TEXT_BYTES)
    try:
        root, nodes, sizes = json.loads(text)
        if not all(type(size) is int and size >= 0 for size in sizes) or sum(sizes) > _MAX_WRITTEN_BYTES:
            raise ValueError("the parts are too long")
    except (ValueError, TypeError, RecursionError) as error:
        raise EOFError(f"the message is no value: {type(error).__name__}") from error
    reader = _Reader([_exactly(pipe, size) for size in sizes])
    try:
        for node in nodes:
            reader.add(*node)
        return reader.read(root)
    except Exception as error:
        raise EOFError(f"the message is no value: {type(error).__name__}") from error


class _Writer:
    """Writes values as nodes: a scalar stands for itself, a list of one number for the node of that number."""

    def __init__(self) -> None:
        self.nodes: list[list[Any]] = []
        self.parts: list[bytes] = []
        # What is shared is written once. The objects are kept, so that no other gets the address of one that is gone.
        self._known: dict[int, tuple[Any, list[int]]] = {}

    def written(self, value: Any) -> Any:
        if type(value) in _SCALARS:
            return value
        if id(value) not in self._known:
            self.nodes.append(self._node(value))
            self._known[id(value)] = value, [len(self.nodes) - 1]
        return self._known[id(value)][1]

    def _node(self, value: Any) -> list[Any]:
        # Imported where it is needed: whoever only begins a child need not wait for it.
        import numpy as np

        kind = type(value)
        if isinstance(value, Enum):
            return ["enum", kind.__module__, kind.__qualname__, self.written(value.value)]
        if isinstance(value, (np.ndarray, np.generic)):
            what = "array" if isinstance(value, np.ndarray) else "number"
            return [what, self._dtype(value), list(value.shape), self._part(value.tobytes())]
        if kind in (bytes, bytearray):
            return ["bytes", self._part(bytes(value))]
        if kind is dict:
            return ["dict", [[self.written(key), self.written(item)] for key, item in value.items()]]
        if kind.__name__ in _CONTAINERS and kind.__module__ == "builtins":
            return [kind.__name__, [self.written(item) for item in value]]
        if dataclasses.is_dataclass(kind):
            names = [part.name for part in dataclasses.fields(kind)]
            filled = {name: self.written(getattr(value, name)) for name in names}
            return ["data", kind.__module__, kind.__qualname__, filled]
        raise TypeError(f"{kind.__module__}.{kind.__qualname__} is no value")

    def _dtype(self, value: Any) -> str:
        if not _DTYPE.fullmatch(value.dtype.str):
            raise TypeError(f"an array of {value.dtype} is no value")
        return str(value.dtype.str)

    def _part(self, data: bytes) -> int:
        self.parts.append(data)
        return len(self.parts) - 1


class _Reader:
    """Makes values of nodes; a node can name only those before it, so nothing is endless.

    Nothing grows, either: a part makes one array, and a value that names others again and again is weighed as whoever
    writes it out will find it.
    """

    def __init__(self, parts: list[bytes]) -> None:
        self._made: list[Any] = []
        self._written_bytes: list[int] = []
        self._parts: dict[int, bytes] = dict(enumerate(parts))
        self._numbers_as_keys = 0
        # Of the node that is being made.
        self._weight = 0

    def add(self, kind: str, *content: Any) -> None:
        """Make the next node."""
        self._weight = 16
        self._made.append(self._make(kind, *content))
        self._written_bytes.append(self._weight)

    def read(self, written: Any) -> Any:
        """The value of a scalar, or of a node that was made."""
        if type(written) is list:
            (number,) = written
            found, weight = self._made[_index(number)], self._written_bytes[number]
        elif type(written) in _SCALARS:
            found, weight = written, len(written) if type(written) is str else 8
        else:
            raise ValueError("neither a scalar nor a node")
        self._weight += weight
        if self._weight > _MAX_WRITTEN_BYTES:
            raise ValueError("too much of it")
        return found

    def _make(self, kind: str, *content: Any) -> Any:
        if kind in _CONTAINERS:
            (items,) = content
            read = [self.read(item) for item in items]
            return _CONTAINERS[kind](read if kind in ("list", "tuple") else [self._key(item) for item in read])
        make: dict[str, Callable[..., Any]] = {
            "dict": lambda pairs: {self._key(self.read(key)): self.read(item) for key, item in pairs},
            "bytes": self._part,
            "array": self._array,
            "number": lambda *written: self._array(*written)[()],
            "enum": lambda module, name, value: _class(module, name, Enum)(self.read(value)),
            "data": self._data,
        }
        return make[kind](*content)

    def _array(self, dtype: str, shape: list[int], part: int) -> Any:
        import numpy as np

        if not _DTYPE.fullmatch(dtype):
            raise ValueError("no type of numbers or texts")
        return np.ndarray([_index(n) for n in shape], np.dtype(dtype), buffer=self._part(part)).copy()

    def _part(self, number: Any) -> bytes:
        part = self._parts.pop(_index(number))
        self._weight += len(part)
        return part

    def _key(self, value: Any) -> Any:
        """What may be looked up by: to hash anything else may need any depth of the stack.

        Numbers can be chosen so that all look the same to a dictionary, which then takes hours; texts cannot.
        """
        flat = value if type(value) is tuple else (value,)
        if not all(type(item) in _SCALARS or isinstance(item, Enum) for item in flat):
            raise ValueError("no key")
        self._numbers_as_keys += not all(isinstance(item, (str, Enum)) for item in flat)
        if self._numbers_as_keys > _MAX_NUMBERS_AS_KEYS:
            raise ValueError("too many numbers as keys")
        return value

    def _data(self, module: str, name: str, written: dict[str, Any]) -> Any:
        kind = _class(module, name, object)
        if not kind.__dataclass_params__.frozen or {part.name for part in dataclasses.fields(kind)} != set(written):
            raise ValueError("no value of this type")
        made = object.__new__(kind)
        for field, value in written.items():
            object.__setattr__(made, field, self.read(value))
        return made


def _index(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise ValueError("no index")
    return number


def _class(module: str, name: str, base: type) -> Any:
    """A class of the package by its name; to import a program would run it."""
    steps = module.split(".")
    if steps[0] != "idverify" or "__main__" in steps:
        raise ValueError("not of the package")
    found = getattr(import_module(module), name)
    if (
        not isinstance(found, type)
        or not issubclass(found, base)
        or (found.__module__, found.__qualname__) != (module, name)
    ):
        raise ValueError("no class of that name")
    return found


def _write(pipe: BinaryIO, *pieces: bytes) -> None:
    """Write all of each piece; a pipe without a buffer takes what it has room for."""
    for piece in pieces:
        left = memoryview(piece)
        while left:
            left = left[pipe.write(left) :]
    pipe.flush()


def _message(pipe: BinaryIO, *, at_most: int = _MAX_BYTES) -> bytes:
    (length,) = _HEAD.unpack(_exactly(pipe, _HEAD.size))
    if length > at_most:
        raise EOFError("the message is too long")
    return _exactly(pipe, length)


def _exactly(pipe: BinaryIO, count: int) -> bytes:
    pieces, left = [], count
    while left:
        piece = pipe.read(left)
        if not piece:
            raise EOFError("the other end is gone")
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)

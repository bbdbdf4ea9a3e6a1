"""Objects over a pipe to a process that may have been taken over, and back.

Conventions: eight bytes of length, then a pickle. What the child sends is read by an unpickler that makes nothing but
the package's own value types, NumPy arrays and plain values, so that a child in a stranger's hands can lie about the
recording and do nothing else to its parent.

Public items: :func:`send`, :func:`receive`.
"""

from __future__ import annotations

import dataclasses
import io
import pickle
import struct
from enum import Enum
from importlib import import_module
from typing import Any, BinaryIO

__all__ = ["receive", "send"]

_HEAD = struct.Struct("!Q")
_MAX_BYTES = 512 << 20
# What NumPy's arrays and numbers are made with, under the names of its versions 1 and 2.
_NUMPY = {
    (module, name)
    for core in ("numpy.core", "numpy._core")
    for module, name in (
        (f"{core}.multiarray", "_reconstruct"),
        (f"{core}.multiarray", "scalar"),
        (f"{core}.numeric", "_frombuffer"),
    )
} | {("numpy", "ndarray"), ("numpy", "dtype")}
_PLAIN = {("builtins", name) for name in ("frozenset", "set", "complex", "bytearray")}


class _Values(pickle.Unpickler):
    """Makes value types only."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _NUMPY or (module, name) in _PLAIN:
            return super().find_class(module, name)
        if module.split(".")[0] == "idverify" and "." not in name:
            found = getattr(import_module(module), name, None)
            if isinstance(found, type) and (dataclasses.is_dataclass(found) or issubclass(found, Enum)):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is no value")


def send(pipe: BinaryIO, value: Any) -> None:
    """Write one object.

    Raises
    ------
    OSError
        The other end is gone.
    """
    data = pickle.dumps(value, protocol=4)
    pipe.write(_HEAD.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def receive(pipe: BinaryIO, *, trusted: bool) -> Any:
    """Read one object.

    Parameters
    ----------
    trusted
        Whether the other end is the parent; of a child, values only.

    Raises
    ------
    EOFError
        The other end is gone, or sent something that is no value.
    """
    (length,) = _HEAD.unpack(_exactly(pipe, _HEAD.size))
    if length > _MAX_BYTES:
        raise EOFError("the message is too long")
    data = io.BytesIO(_exactly(pipe, length))
    if trusted:
        return pickle.load(data)
    try:
        return _Values(data).load()
    except Exception as error:
        raise EOFError(f"the message is no value: {type(error).__name__}") from error


def _exactly(pipe: BinaryIO, count: int) -> bytes:
    pieces, left = [], count
    while left:
        piece = pipe.read(left)
        if not piece:
            raise EOFError("the other end is gone")
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)

"""Messages between the service and a judge: a JSON head and raw parts over a pipe.

Conventions: four bytes of length, the head, then the parts whose lengths the head names. Either end reads a bounded
amount before it trusts anything; the head is data, never code.

Public items: :func:`send`, :func:`receive`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

__all__ = ["receive", "send"]

_MAX_HEAD_BYTES = 4 << 20
_MAX_PART_BYTES = 256 << 20


def send(pipe: BinaryIO, head: Mapping[str, Any], *parts: bytes) -> None:
    """Write one message.

    Raises
    ------
    OSError
        The other end is gone.
    """
    text = json.dumps({**head, "parts": [len(part) for part in parts]}, allow_nan=False).encode()
    pipe.write(struct.pack("!I", len(text)) + text)
    for part in parts:
        pipe.write(part)
    pipe.flush()


def receive(pipe: BinaryIO) -> tuple[dict[str, Any], list[bytes]]:
    """Read one message.

    Raises
    ------
    EOFError
        The other end is gone, or sent something that is no message.
    """
    (length,) = struct.unpack("!I", _exactly(pipe, 4))
    if length > _MAX_HEAD_BYTES:
        raise EOFError("the head is too long")
    try:
        head = json.loads(_exactly(pipe, length))
        sizes = [int(size) for size in head["parts"]]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise EOFError("the head is no message") from None
    if not isinstance(head, dict) or any(not 0 <= size <= _MAX_PART_BYTES for size in sizes):
        raise EOFError("the head is no message")
    return head, [_exactly(pipe, size) for size in sizes]


def _exactly(pipe: BinaryIO, count: int) -> bytes:
    pieces, left = [], count
    while left:
        piece = pipe.read(left)
        if not piece:
            raise EOFError("the other end is gone")
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)

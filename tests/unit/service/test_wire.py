"""Messages between the service and its judges' processes: what is none is refused, whatever it is."""

from __future__ import annotations

import io
import struct

import pytest

from idverify.service import wire


def test_a_message_comes_back_as_it_was():
    pipe = io.BytesIO()
    wire.send(pipe, {"what": "photo"}, b"one", b"")
    pipe.seek(0)
    assert wire.receive(pipe) == ({"what": "photo", "parts": [3, 0]}, [b"one", b""])


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{}", b"\xff", b"[" * 1_000_000, b'{"parts": [-1]}', b'{"parts": ["x"]}', b'{"parts": [1e999]}',
     b'{"parts": [' + b"9" * 5000 + b"]}", b'{"parts": [5]}'],
)  # fmt: skip
def test_what_is_no_message_is_the_end_of_the_other_side(text):
    with pytest.raises(EOFError):
        wire.receive(io.BytesIO(struct.pack("!I", len(text)) + text))

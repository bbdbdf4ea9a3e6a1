"""Bytes to read from, the same for a path, a data URI, bytes in memory or a binary file object.

Conventions: nothing but a local regular file, memory or the caller's own file object is ever opened, so
an address (``http://...``), a folder, a pipe or a device is refused here, before any decoder sees it. A
file object is read from its beginning, whatever its position, and stays the caller's to close; one that
cannot seek is read into memory up to the limit.

Public items: :class:`MediaLimits`, :class:`ByteSource`, :func:`open_source`.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from idverify.errors import (
    CorruptMediaError,
    MediaLimitError,
    MediaNotFoundError,
    ParameterError,
    UnsupportedMediaError,
)
from idverify.text import foreign

__all__ = ["ByteSource", "MediaLimits", "Source", "open_source"]

Source: TypeAlias = "str | Path | bytes | BinaryIO"

# RFC 3986, section 3.1: a scheme; two letters or more, so that C:\ stays a path.
# A Path keeps one slash of two.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
# RFC 2397: data, where an address is given.
_DATA_URI = re.compile(r"data:[^,]{0,200},?", re.IGNORECASE)
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
# Enough for every signature and for two packets of an MPEG transport stream.
_HEAD_BYTES = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLimits:
    """How much is read at most.

    Parameters
    ----------
    max_duration_s : float
        Seconds of a recording that are read; reading stops there and says so.
    max_frames : int
        Pictures of a recording that are read; reading stops there and says so.
    max_size_wh : tuple of int
        Widest and highest upright picture, in pixels.
    max_bytes : int
        Size of a file.
    decode_budget_s : float
        Wall-clock seconds spent on decoding one recording, not counting the caller's own work.
    max_photo_pixels : int
        Pixels of a photo.

    Raises
    ------
    ParameterError
        A limit is not positive.
    """

    max_duration_s: float = 30.0
    max_frames: int = 1200
    max_size_wh: tuple[int, int] = (4096, 4096)
    max_bytes: int = 200_000_000
    decode_budget_s: float = 60.0
    max_photo_pixels: int = 50_000_000

    def __post_init__(self) -> None:
        for name in ("max_duration_s", "max_frames", "max_bytes", "decode_budget_s", "max_photo_pixels"):
            if not 0 < getattr(self, name) < math.inf:
                raise ParameterError(f"{name} must be positive and finite, got {getattr(self, name)!r}")
        if len(self.max_size_wh) != 2 or not all(0 < side < math.inf for side in self.max_size_wh):
            raise ParameterError(f"max_size_wh must be two positive numbers, got {self.max_size_wh!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteSource:
    """Bytes that can be read and sought, with what is known before any decoder runs.

    Parameters
    ----------
    stream : BinaryIO
        At its beginning.
    n_bytes : int
        At least 1.
    label : str
        How messages call it.
    head : bytes
        The first bytes, to tell the format by its signature and never by its name.
    """

    stream: BinaryIO
    n_bytes: int
    label: str
    head: bytes


@contextmanager
def open_source(source: Source, limits: MediaLimits) -> Iterator[ByteSource]:
    """Open bytes to read from; a file opened here is closed on leaving.

    Raises
    ------
    MediaNotFoundError
        No such file, or it may not be read.
    UnsupportedMediaError
        A folder, a device, a pipe or an address; a data URI that holds no data.
    MediaLimitError
        More than ``limits.max_bytes`` bytes.
    CorruptMediaError
        No bytes at all.
    ParameterError
        Not a path, bytes or binary file object.
    """
    if isinstance(source, str) and _DATA_URI.match(source):
        yield _examined(io.BytesIO(_data_of(source, limits)), "the data URI given", limits)
    elif isinstance(source, (str, Path)):
        path = _regular_file(source, limits)
        with _opened(path) as stream:
            yield _examined(stream, foreign(path), limits)
    elif isinstance(source, (bytes, bytearray, memoryview)):
        yield _examined(io.BytesIO(source), "the data given", limits)
    elif hasattr(source, "read"):
        yield _examined(_seekable(source, limits), "the file object given", limits)
    else:
        raise ParameterError(f"expected a path, bytes or a binary file object, got {type(source).__name__}")


def _data_of(uri: str, limits: MediaLimits) -> bytes:
    """The bytes that a data URI holds; no part of it goes into a message."""
    about, comma, text = uri.partition(",")
    if not comma:
        raise UnsupportedMediaError("the data URI given holds no data: expected data:TYPE;base64,DATA")
    _refuse_more_than(2 * limits.max_bytes, len(text), "the data URI given")
    try:
        data = _ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), text.encode("ascii"))
        if not about.lower().endswith(";base64"):
            return data
        return base64.b64decode(re.sub(rb"\s+", b"", data), validate=True)  # mail breaks lines
    except (binascii.Error, ValueError):
        raise CorruptMediaError("the data in the data URI given are damaged") from None


def _regular_file(source: str | Path, limits: MediaLimits) -> Path:
    if _DATA_URI.match(str(source)):  # a Path has lost its double slashes, so the data with them
        raise UnsupportedMediaError("a data URI was given as a path: give it as text")
    if _ADDRESS.match(str(source)):
        raise UnsupportedMediaError(f"{foreign(source)} is an address: only local files are opened")
    path = Path(source)
    try:
        status = path.stat()
    except PermissionError as error:
        raise MediaNotFoundError(f"{foreign(path)} may not be read by this user") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise MediaNotFoundError(f"there is no file {foreign(path)!r}") from error
    if stat.S_ISDIR(status.st_mode):
        raise UnsupportedMediaError(f"{foreign(path)} is a folder, expected a file")
    # Opening a pipe would wait for ever, so this comes before.
    if not stat.S_ISREG(status.st_mode):
        raise UnsupportedMediaError(f"{foreign(path)} is a device or a pipe, expected a regular file")
    _refuse_more_than(limits.max_bytes, status.st_size, foreign(path))
    return path


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise MediaNotFoundError(f"{foreign(path)} cannot be opened: {error.strerror}") from error


def _seekable(source: BinaryIO, limits: MediaLimits) -> BinaryIO:
    if isinstance(cast(object, source), io.TextIOBase):
        raise ParameterError("expected a file object opened in binary mode, got one in text mode")
    if hasattr(source, "seek") and hasattr(source, "tell") and getattr(source, "seekable", lambda: True)():
        return source
    held = bytearray()
    while chunk := source.read(1 << 20):
        if not isinstance(chunk, bytes):
            raise ParameterError(f"expected a file object that reads bytes, got {type(chunk).__name__}")
        held += chunk
        _refuse_more_than(limits.max_bytes, len(held), "the file object given")
    return io.BytesIO(held)


def _examined(stream: BinaryIO, label: str, limits: MediaLimits) -> ByteSource:
    n_bytes = stream.seek(0, os.SEEK_END) or stream.tell()  # some file objects return None from seek
    _refuse_more_than(limits.max_bytes, n_bytes, label)
    if n_bytes == 0:
        raise CorruptMediaError(f"{label} is empty")
    stream.seek(0)
    head = stream.read(_HEAD_BYTES)
    if not isinstance(head, bytes):
        raise ParameterError(f"expected a file object that reads bytes, got {type(head).__name__}")
    stream.seek(0)
    return ByteSource(stream=stream, n_bytes=n_bytes, label=label, head=head)


def _refuse_more_than(limit: int, n_bytes: int, label: str) -> None:
    if n_bytes > limit:
        raise MediaLimitError(f"{label} is too large: {n_bytes} bytes or more, the limit is {limit}")

"""What the first bytes of a video say: which container it is, and how long the file should be.

Conventions: the container is told by its signature, never by the name of the file. Sizes are in bytes.

Public items: :func:`container_name`, :func:`is_video`, :func:`stated_n_bytes`.

References
----------
.. [1] ISO/IEC 14496-12, section 4.2 (boxes), annex K (brands); RFC 8794, section 4 (EBML variable-size integers);
   RFC 9559 (Matroska); ISO/IEC 13818-1 (MPEG-2 systems); ASF specification 1.20, section 3.2 (file properties);
   Multimedia Programming Interface 1.0, chapter 2 (RIFF).
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from idverify.errors import UnsupportedMediaError
from idverify.media.source import ByteSource

__all__ = ["container_name", "is_video", "stated_n_bytes"]

# ISO/IEC 14496-12 and the QuickTime file format: the boxes that stand at the top of a file.
_MP4_BOXES = (
    *(b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"free", b"skip", b"wide", b"pnot"),
    *(b"uuid", b"meta", b"udta"),
)
# ISO/IEC 23008-12, section 10, and the AVIF specification 1.1, section 6: brands of files that hold photos.
_PHOTO_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif")
_PHOTO_SIGNATURES = (
    *(b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\x00", b"MM\x00*", b"\xff\x4f\xff\x51"),
    b"\x00\x00\x00\x0cjP  ",
)
_EBML = b"\x1a\x45\xdf\xa3"
_MATROSKA_SEGMENT = b"\x18\x53\x80\x67"
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
# Signature at the beginning of the file, and FFmpeg's demuxer.
_SIGNATURES = (
    (_EBML, "matroska"),
    (_ASF_HEADER, "asf"),
    (b"\x00\x00\x01\xba", "mpeg"),
    (b"\x00\x00\x01\xb3", "mpegvideo"),
    (b"OggS", "ogg"),
    (b"FLV\x01", "flv"),
)
# ISO/IEC 13818-1, section 2.4.3.2: packets of 188 bytes, each of which begins with this one.
_TS_SYNC, _TS_PACKET_BYTES = 0x47, 188
_KINDS = "MP4, MOV, WebM, MKV, AVI, WMV, MPEG, MPEG-TS, Ogg or FLV"
# Boxes at the top of an MP4 that are looked at; fragmented files have two for each fragment.
_MAX_BOXES = 1000
_FRAGMENT = b"moof"
_CHUNK_BYTES = 1 << 20


def container_name(source: ByteSource) -> str:
    """FFmpeg's name of the container that the signature announces.

    Raises
    ------
    UnsupportedMediaError
        A photo, or no signature of a container that is read.
    """
    head = source.head
    if head[4:8] in _MP4_BOXES and head[8:12] not in _PHOTO_BRANDS:
        return "mov"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if len(head) > _TS_PACKET_BYTES and head[0] == head[_TS_PACKET_BYTES] == _TS_SYNC:
        return "mpegts"
    is_photo = head.startswith(_PHOTO_SIGNATURES) or head[8:12] == b"WEBP" or head[8:12] in _PHOTO_BRANDS
    what = "is a photo, not a video" if is_photo else "is not a video of a kind that is read"
    raise UnsupportedMediaError(f"{source.label} {what}: expected {_KINDS}")


def is_video(source: ByteSource) -> bool:
    """Whether the signature is that of a video that is read."""
    try:
        container_name(source)
    except UnsupportedMediaError:
        return False
    return True


def stated_n_bytes(source: ByteSource) -> int | None:
    """How long the container itself says that the file is; None where it does not.

    A file that is shorter was cut off on its way. The stream is left at its beginning.
    """
    readers = {"mov": _mp4_n_bytes, "matroska": _matroska_n_bytes, "avi": _riff_n_bytes, "asf": _asf_n_bytes}
    reader = readers.get(container_name(source))
    if reader is None:
        return None
    try:
        return reader(source.stream, source.n_bytes)
    except struct.error:  # the file ends inside a header that announces more
        return source.n_bytes + 1
    finally:
        source.stream.seek(0)


def _unpack(stream: BinaryIO, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, stream.read(struct.calcsize(layout)))


def _mp4_n_bytes(stream: BinaryIO, n_bytes: int) -> int:
    end = 0
    for _ in range(_MAX_BOXES):
        if end + 8 > n_bytes:
            break
        stream.seek(end)
        size, kind = struct.unpack(">I4s", stream.read(8))
        if kind not in _MP4_BOXES or size == 0:  # bytes of another kind; a box up to the end of the file
            # Where no box can be, as in a hole of zeros, reading ends: fragments behind it are missing.
            return n_bytes + 1 if not kind.isalnum() and _is_ahead(stream, _FRAGMENT) else end
        if size == 1:
            (size,) = _unpack(stream, ">Q")
        end += max(size, 8)
    return end


def _is_ahead(stream: BinaryIO, word: bytes) -> bool:
    """Whether a word comes later on; the stream is left anywhere."""
    before = b""
    while chunk := stream.read(_CHUNK_BYTES):
        if word in before + chunk:
            return True
        before = chunk[1 - len(word) :]
    return False


def _riff_n_bytes(stream: BinaryIO, n_bytes: int) -> int:
    _, size = _unpack(stream, "<II")
    return size + 8


def _asf_n_bytes(stream: BinaryIO, n_bytes: int) -> int | None:
    _, _, header_size, n_objects, _ = _unpack(stream, "<QQQIH")
    at = 30
    while n_objects and at < header_size:
        stream.seek(at)
        kind = stream.read(16)
        (size,) = _unpack(stream, "<Q")
        if kind == _ASF_FILE_PROPERTIES:
            stream.seek(16, 1)
            return _unpack(stream, "<Q")[0]
        at += max(size, 24)
        n_objects -= 1
    return None


def _matroska_n_bytes(stream: BinaryIO, n_bytes: int) -> int | None:
    stream.seek(len(_EBML))
    size = _ebml_size(stream)
    if size is None or stream.tell() + size > n_bytes:
        return None
    stream.seek(size, 1)
    if stream.read(len(_MATROSKA_SEGMENT)) != _MATROSKA_SEGMENT:
        return None
    size = _ebml_size(stream)
    return None if size is None else stream.tell() + size


def _ebml_size(stream: BinaryIO) -> int | None:
    """A variable-size integer; None for the value that means "not known"."""
    (first,) = _unpack(stream, "B")
    n_more = 8 - first.bit_length()
    if n_more > 7:
        return None
    value = int.from_bytes(bytes([first & (0x7F >> n_more)]) + stream.read(n_more), "big")
    return None if value == (1 << 7 * (n_more + 1)) - 1 else value

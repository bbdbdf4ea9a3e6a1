"""From the bytes of a file to decoded pictures, within bounds of time, size and trust.

Conventions: the container is told by its signature, never by its name, and only the listed demuxers and
decoders run. They read through this process's own file object and may open nothing else: no address, no
playlist, no other file. Damage costs the packets that it touches, not the recording.

Public items: :func:`open_container`, :func:`picture_stream`, :func:`check_size`, :class:`PictureDecoder`,
:class:`Budget`.

References
----------
.. [1] ISO/IEC 14496-12 (MP4), RFC 9559 (Matroska and WebM), ISO/IEC 13818-1 (MPEG-2 systems), the ASF
   specification 1.20 and OpenDML AVI 1.02: signatures.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from idverify._source import ByteSource, MediaLimits
from idverify.errors import CorruptMediaError, MediaLimitError, UnsupportedMediaError

__all__ = ["Budget", "PictureDecoder", "check_size", "open_container", "picture_stream"]

# ISO/IEC 14496-12 and the QuickTime file format: the boxes that a file may begin with.
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
# ISO/IEC 14496-12, annex K; ISO/IEC 23008-12, section 10: brands of files that hold photos.
_PHOTO_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif")
# Signature at the beginning of the file, FFmpeg's demuxer.
_SIGNATURES = (
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "asf"),
    (b"\x00\x00\x01\xba", "mpeg"),
    (b"\x00\x00\x01\xb3", "mpegvideo"),
    (b"OggS", "ogg"),
    (b"FLV\x01", "flv"),
)
# ISO/IEC 13818-1, section 2.4.3.2: packets of 188 bytes, each begins with this byte.
_TS_SYNC, _TS_PACKET_BYTES = 0x47, 188
_PHOTO_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
_KINDS = "MP4, MOV, WebM, MKV, AVI, WMV, MPEG, MPEG-TS, Ogg or FLV"

# FFmpeg's names of the codecs that phones, browsers and webcams write; every other decoder stays shut.
_CODECS = (
    *("h264", "hevc", "vp8", "vp9", "av1", "mjpeg", "mpeg1video", "mpeg2video", "mpeg4", "h263", "theora"),
    *("flv1", "vc1", "wmv1", "wmv2", "wmv3", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3"),
)
# Decoders that FFmpeg names unlike their codec.
_DECODERS_OF_OTHER_NAME = ("libdav1d", "libaom-av1", "msmpeg4")
# More threads bring little for one selfie, and each keeps pictures in memory.
_MAX_THREADS = 4
# One read of the file object; at PyAV's 32 kB the calls into Python are felt.
_READ_BYTES = 1 << 18


class Budget:
    """Wall-clock seconds spent on decoding; the clock runs only inside ``with``."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._spent_s = 0.0
        self._since_s = 0.0

    def __enter__(self) -> None:
        self._since_s = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._spent_s += time.monotonic() - self._since_s

    def check(self) -> None:
        """Raise `MediaLimitError` once the seconds are spent."""
        if self._spent_s + time.monotonic() - self._since_s > self._limit_s:
            raise MediaLimitError(f"decoding takes longer than the limit of {self._limit_s:g} s")


class _Reader:
    """What a demuxer reads from: the stream of the source, while the budget lasts."""

    def __init__(self, source: ByteSource, budget: Budget) -> None:
        self._stream = source.stream
        self._budget = budget
        self.seek = source.stream.seek
        self.tell = source.stream.tell

    def read(self, n_bytes: int) -> bytes:
        self._budget.check()
        return self._stream.read(n_bytes)


def open_container(source: ByteSource, budget: Budget, limits: MediaLimits) -> InputContainer:
    """Open the container that the signature announces.

    Raises
    ------
    UnsupportedMediaError
        No signature of a container that is read.
    CorruptMediaError
        The container does not keep what its signature promises.
    MediaLimitError
        The budget is spent.
    """
    name = _container_name(source)
    options = {
        "format_whitelist": name,
        "codec_whitelist": ",".join((*_CODECS, *_DECODERS_OF_OTHER_NAME)),
        # Nothing but the file object given; FFmpeg checks this for all that a container refers to.
        "protocol_whitelist": "none",
        "max_pixels": _max_pixels(limits),
    }
    try:
        return av.open(
            _Reader(source, budget),
            mode="r",
            format=name,
            options=options,
            metadata_errors="replace",
            buffer_size=_READ_BYTES,
            timeout=limits.decode_budget_s,
        )
    except (FFmpegError, OSError) as error:
        budget.check()
        raise CorruptMediaError(
            f"{source.label} is truncated or damaged: it begins like a video and cannot be opened"
        ) from error


def _container_name(source: ByteSource) -> str:
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


def picture_stream(container: InputContainer, label: str, limits: MediaLimits) -> VideoStream:
    """The first track of moving pictures, ready to decode.

    Raises
    ------
    UnsupportedMediaError
        There is none, or its codec is not read.
    MediaLimitError
        Its pictures are too large.
    """
    streams = [stream for stream in container.streams.video if not _is_cover(stream)]
    if not streams:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise UnsupportedMediaError(f"{label} holds no moving pictures, only: {kinds}")
    stream = streams[0]
    if stream.codec_context is None or stream.codec.canonical_name not in _CODECS:
        name = "unknown" if stream.codec_context is None else stream.codec.canonical_name
        raise UnsupportedMediaError(f"{label} is coded as {name}, which is not read")
    context = stream.codec_context
    check_size((context.width, context.height), label, limits)
    context.options = {"max_pixels": _max_pixels(limits)}
    context.thread_count = min(os.cpu_count() or 1, _MAX_THREADS)
    stream.thread_type = "AUTO"
    return stream


def _is_cover(stream: VideoStream) -> bool:
    """Whether this is a picture attached to a sound recording."""
    return bool(stream.disposition & Disposition.attached_pic)


def check_size(size_wh: tuple[int, int], label: str, limits: MediaLimits) -> None:
    """Raise `MediaLimitError` where a picture is too large in either orientation."""
    if max(size_wh) > max(limits.max_size_wh) or min(size_wh) > min(limits.max_size_wh):
        width, height = limits.max_size_wh
        raise MediaLimitError(
            f"{label} holds pictures of {size_wh[0]}x{size_wh[1]} pixels, the limit is {width}x{height}"
        )


def _max_pixels(limits: MediaLimits) -> str:
    # Coded pictures are padded to whole blocks of up to 64 pixels (AV1 superblocks are 128, not padded).
    return str((limits.max_size_wh[0] + 64) * (limits.max_size_wh[1] + 64))


class PictureDecoder:
    """The decoded pictures of one track, in order of presentation.

    Attributes
    ----------
    n_damaged : int
        Packets that could not be decoded so far.
    read_error : bool
        Whether the container ended in an error.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, budget: Budget) -> None:
        self._stream = stream
        self._budget = budget
        self._pictures = self._decode(container.demux(stream))
        self.n_damaged = 0
        self.read_error = False

    def next_picture(self) -> av.VideoFrame | None:
        """The next picture, or None at the end.

        Raises
        ------
        MediaLimitError
            The budget is spent.
        """
        with self._budget:
            return next(self._pictures, None)

    def close(self) -> None:
        """Let the demuxer go."""
        self._pictures.close()

    def _decode(self, packets: Iterator[av.Packet[VideoStream]]) -> Generator[av.VideoFrame, None, None]:
        for packet in self._demuxed(packets):
            self._budget.check()
            try:
                yield from self._stream.decode(packet)
            except EOFError:  # the decoder was flushed already
                return
            except FFmpegError:
                self.n_damaged += 1

    def _demuxed(self, packets: Iterator[av.Packet[VideoStream]]) -> Iterator[av.Packet[VideoStream] | None]:
        try:
            yield from packets
        except (FFmpegError, OSError):
            self._budget.check()
            self.read_error = True
            yield None  # flush: the decoder still holds pictures

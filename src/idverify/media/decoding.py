"""From the bytes of a file to decoded pictures, within bounds of time, size and trust.

Conventions: only the demuxer that the signature names and the listed decoders run. They read through this
process's own file object and may open nothing else: no address, no playlist, no other file. Damage costs
the packets that it touches, not the recording. FFmpeg's log is left as PyAV sets it, which is silent.

Public items: :func:`open_container`, :class:`Tracks`, :func:`look_at_tracks`, :func:`prepare`, :func:`check_size`,
:class:`PictureDecoder`, :class:`Budget`, :class:`Reader`.
"""

from __future__ import annotations

import errno
import time
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, cast

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from idverify.errors import CorruptMediaError, MediaLimitError, UnsupportedMediaError
from idverify.media.containers import container_name
from idverify.media.source import ByteSource, MediaLimits
from idverify.models import cores

__all__ = [
    "Budget",
    "PictureDecoder",
    "Reader",
    "Tracks",
    "check_size",
    "look_at_tracks",
    "moving_streams",
    "open_container",
    "prepare",
]

# FFmpeg's names of the codecs that phones, browsers, webcams and older cameras write; every other decoder stays shut.
_CODECS = (
    *("h264", "hevc", "vp8", "vp9", "av1", "mjpeg", "mpeg1video", "mpeg2video", "mpeg4", "h263", "theora"),
    *("flv1", "vc1", "wmv1", "wmv2", "wmv3", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3"),
)
# Some decoders are named unlike their codec.
_DECODERS = (*_CODECS, "libdav1d", "libaom-av1", "msmpeg4")
# Containers whose tracks are all announced in a header. FFmpeg decodes a picture or two on opening; the
# tracks known by then can be told the limit of pixels (and PyAV before 18 crashes on options for others). Any
# other container is first opened without decoders, to see what size its pictures have.
_WITH_HEADER = ("mov", "matroska", "avi", "asf")
# Metadata that is no UTF-8 is read with replacement characters: by PyAV before 19 when asked, later ones always do.
_METADATA: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
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

    @property
    def spent(self) -> bool:
        """Whether the seconds are spent."""
        return self._spent_s + time.monotonic() - self._since_s > self._limit_s

    def check(self) -> None:
        """Raise `MediaLimitError` once the seconds are spent."""
        if self.spent:
            raise MediaLimitError(f"decoding takes longer than the limit of {self._limit_s:g} s")


class Reader:
    """What a demuxer reads from: the stream of the source, while the budget lasts.

    It never raises, since an exception would have to pass through the demuxer: a spent budget and a stream
    that cannot be read look like the end of the file and are told apart afterwards.

    Attributes
    ----------
    failed : bool
        Whether the stream could not be read.
    """

    def __init__(self, source: ByteSource, budget: Budget) -> None:
        self._stream = source.stream
        self._budget = budget
        self.seek = source.stream.seek
        self.tell = source.stream.tell
        self.failed = False

    def read(self, n_bytes: int) -> bytes:
        """The next bytes, none at the end."""
        if self._budget.spent:
            return b""
        try:
            return self._stream.read(n_bytes)
        except OSError:
            self.failed = True
            return b""


def open_container(source: ByteSource, reader: Reader, budget: Budget, limits: MediaLimits) -> InputContainer:
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
    name = container_name(source)
    try:
        if name in _WITH_HEADER:
            return _open(reader, name, _DECODERS, limits, {"max_pixels": _max_pixels(limits)})
        unseen = _open(reader, name, ("none",), limits, {})
        if not all(_is_known_to_fit(stream, limits) for stream in unseen.streams.video):
            return unseen
        unseen.close()
        reader.seek(0)
        return _open(reader, name, _DECODERS, limits, {})
    except FFmpegError as error:
        budget.check()
        raise CorruptMediaError(
            f"{source.label} is truncated or damaged: it begins like a video and cannot be opened"
        ) from error


def _open(
    reader: Reader, name: str, decoders: tuple[str, ...], limits: MediaLimits, options: dict[str, str]
) -> InputContainer:
    container_options = {
        "format_whitelist": name,
        "codec_whitelist": ",".join(decoders),
        # Nothing but the file object given; FFmpeg checks this for all that a container refers to.
        "protocol_whitelist": "none",
    }
    container: InputContainer = av.open(
        reader,
        mode="r",
        format=name,
        options=options,
        container_options=container_options,
        **_METADATA,
        buffer_size=_READ_BYTES,
        timeout=limits.decode_budget_s,
    )
    return container


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracks:
    """Which track of a file is read, and which others hold moving pictures.

    Parameters
    ----------
    chosen : int
        Index of the track in the container.
    still : frozenset of int
        Indices of tracks that hold one picture, or none.
    """

    chosen: int
    still: frozenset[int] = frozenset()


def look_at_tracks(
    container: InputContainer, source: ByteSource, reader: Reader, budget: Budget, limits: MediaLimits
) -> Tracks:
    """Choose the track that a player shows: the one marked as default, else the one with the most pictures.

    A file with several tracks is read through once, to count their pictures; the reader is left where it was.

    Raises
    ------
    UnsupportedMediaError
        There is no track of moving pictures.
    """
    streams = moving_streams(container)
    if not streams:
        raise UnsupportedMediaError(f"{source.label} holds no moving pictures, only: {_kinds(container)}")
    if len(streams) == 1:
        return Tracks(chosen=streams[0].index)
    at = reader.tell()
    reader.seek(0)
    counts = _count_pictures(source, reader, budget, limits)
    reader.seek(at)
    moving = [stream for stream in streams if counts[stream.index] > 1] or streams
    marked = [stream for stream in moving if stream.disposition & Disposition.default]
    most = max(moving, key=lambda stream: counts[stream.index])
    return Tracks(
        chosen=marked[0].index if len(marked) == 1 else most.index,
        still=frozenset(stream.index for stream in streams if counts[stream.index] <= 1),
    )


def _kinds(container: InputContainer) -> str:
    """What a file holds, in words."""
    streams = container.streams
    kinds = {
        "attachment": streams.attachments,
        "audio": streams.audio,
        "data": streams.data,
        "subtitle": streams.subtitles,
        "video": streams.video,
    }
    # Not by their type: PyAV 15 ends the process where FFmpeg knows none.
    unknown = len(streams) - sum(map(len, kinds.values()))
    return ", ".join([kind for kind, tracks in kinds.items() if tracks] + ["unknown"] * bool(unknown)) or "nothing"


def _count_pictures(source: ByteSource, reader: Reader, budget: Budget, limits: MediaLimits) -> Counter[int]:
    """Packets of each picture track, by index, without decoding any."""
    counts: Counter[int] = Counter()
    try:
        with _open(reader, container_name(source), ("none",), limits, {}) as container:
            for packet in container.demux(video=tuple(range(len(container.streams.video)))):
                budget.check()
                counts[packet.stream.index] += packet.size > 0
    except FFmpegError:  # a damaged tail: what was counted before it stands
        budget.check()
    return counts


def prepare(stream: VideoStream, label: str, limits: MediaLimits) -> None:
    """Make a track ready to decode.

    Raises
    ------
    CorruptMediaError
        Nothing says how the pictures are coded.
    UnsupportedMediaError
        The codec is not read.
    MediaLimitError
        Its pictures are too large.
    """
    context = cast("VideoCodecContext | None", stream.codec_context)
    if context is None:
        raise CorruptMediaError(f"{label} does not say how its pictures are coded")
    if stream.codec.canonical_name not in _CODECS:
        raise UnsupportedMediaError(f"{label} is coded as {stream.codec.canonical_name}, which is not read")
    check_size((context.width, context.height), label, limits)
    context.options = {"max_pixels": _max_pixels(limits)}
    # One more than several cores, as FFmpeg itself would choose: a thread waits now and then.
    usable = cores.usable()
    context.thread_count = min(usable + 1, _MAX_THREADS) if usable > 1 else 1
    stream.thread_type = "AUTO"


# Pictures that go with a recording and are none: covers of sound recordings, and thumbnails.
_BESIDE = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image


def moving_streams(container: InputContainer) -> list[VideoStream]:
    """All tracks that may hold moving pictures."""
    return [stream for stream in container.streams.video if not stream.disposition & _BESIDE]


def check_size(size_wh: tuple[int, int], label: str, limits: MediaLimits) -> None:
    """Raise `MediaLimitError` where a picture is too large in either orientation."""
    if not _fits(size_wh, limits):
        width, height = limits.max_size_wh
        raise MediaLimitError(
            f"{label} holds pictures of {size_wh[0]}x{size_wh[1]} pixels, the limit is {width}x{height}"
        )


def _is_known_to_fit(stream: VideoStream, limits: MediaLimits) -> bool:
    context = cast("VideoCodecContext | None", stream.codec_context)
    return context is not None and context.width > 0 and _fits((context.width, context.height), limits)


def _fits(size_wh: tuple[int, int], limits: MediaLimits) -> bool:
    return max(size_wh) <= max(limits.max_size_wh) and min(size_wh) <= min(limits.max_size_wh)


def _max_pixels(limits: MediaLimits) -> str:
    # Coded pictures are padded to whole blocks of up to 64 pixels (AV1 superblocks are 128, not padded).
    return str((limits.max_size_wh[0] + 64) * (limits.max_size_wh[1] + 64))


class PictureDecoder:
    """The decoded pictures of one track, in order of presentation.

    Attributes
    ----------
    damaged : bool
        Whether packets could not be decoded, or pictures are partly made up, so far.
    read_error : bool
        Whether the container ended in an error.
    refused : bool
        Whether the decoder refused to begin with a picture, as it does with one over its limit of pixels.
    n_packets, n_bytes : int
        Coded pictures and their bytes so far.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, reader: Reader, budget: Budget) -> None:
        self._stream = stream
        self._reader = reader
        self._budget = budget
        self._pictures = self._decode(container.demux(stream))
        self.damaged = False
        self.read_error = False
        self.refused = False
        self.n_packets = 0
        self.n_bytes = 0

    def next_picture(self) -> av.VideoFrame | None:
        """The next picture, or None at the end.

        Raises
        ------
        MediaLimitError
            The budget is spent.
        """
        with self._budget:
            picture = next(self._pictures, None)
            self._budget.check()
        if picture is not None and picture.is_corrupt:
            self.damaged = True
        return picture

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
            except FFmpegError as error:
                self.damaged = True
                self.refused |= error.errno == errno.EINVAL

    def _demuxed(self, packets: Iterator[av.Packet[VideoStream]]) -> Iterator[av.Packet[VideoStream] | None]:
        try:
            for packet in packets:
                self.n_packets += packet.size > 0
                self.n_bytes += packet.size
                yield packet
        except FFmpegError:
            self.read_error = True
            yield None  # flush: the decoder still holds pictures
        self.read_error |= self._reader.failed

"""Writing a take: H.264 and other encodings in MP4, MOV, MKV or WebM, always labelled as simulated.

Goal: the same take gives the same bytes on one machine (one encoder thread, no dates, no random identifiers), each
picture keeps its own time, and a failed run leaves no file behind.

Public items: :func:`write_take`, :func:`through_codec`, :data:`LABEL`, :data:`CODECS`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from idverify.errors import ParameterError
from idverify.simulation.source import Encoding, Shot, Take

__all__ = ["CODECS", "LABEL", "through_codec", "write_take"]

U8 = NDArray[np.uint8]

LABEL = "SIMULATED"
"""The first word of every result's comment tag."""

CODECS: Mapping[str, str] = MappingProxyType(
    {"h264": "libx264", "mpeg4": "mpeg4", "vp8": "libvpx", "vp9": "libvpx-vp9", "mjpeg": "mjpeg"}
)
"""Encoders of FFmpeg by the names of their streams."""

_MUXERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
# The containers that hold VP8 and VP9, and MJPEG.
_HOLDS = {"vp8": {".webm", ".mkv"}, "mjpeg": {".mov", ".mkv"}, "mpeg4": {".mp4", ".mov", ".mkv"}}
# RFC 3551, section 5: the 90 kHz clock that video time is usually counted in.
_TIME_BASE = Fraction(1, 90_000)
# ISO/IEC 14496-2, 6.2.3: vop_time_increment_resolution has 16 bits.
_MPEG4_TIME_BASE = Fraction(1, 30_000)
# H.273, table 2 and 4: BT.709.
_BT709 = 1


def write_take(take: Take, output: Path, label: str) -> int:
    """Write every shot.

    Parameters
    ----------
    take : Take
        Read to its end.
    output : Path
        ``.mp4``, ``.mov``, ``.mkv`` or ``.webm``; an older file is replaced at the end.
    label : str
        What the comment says after :data:`LABEL`.

    Returns
    -------
    int
        Number of pictures written.

    Raises
    ------
    ParameterError
        Another kind of file, one that cannot hold the codec, no folder to write to, or no picture.
    """
    muxer = _MUXERS.get(output.suffix.lower())
    if muxer is None:
        raise ParameterError(f"the output's name must end in one of {', '.join(_MUXERS)}, got {output.name!r}")
    codec = take.encoding.codec
    if output.suffix.lower() == ".webm" and codec not in ("vp8", "vp9"):
        raise ParameterError(f"WebM holds VP8 and VP9, not {codec}")
    if output.suffix.lower() not in _HOLDS.get(codec, set(_MUXERS)):
        raise ParameterError(f"{codec} goes into {', '.join(sorted(_HOLDS[codec]))}, not into {output.suffix}")
    if not output.parent.is_dir():
        raise ParameterError(f"no such folder: {output.parent}")
    partial = output.with_name(f".{output.name}.part")
    try:
        with av.open(str(partial), "w", format=muxer, container_options={"fflags": "+bitexact"}) as container:
            container.metadata.update({**take.encoding.metadata, "comment": f"{LABEL} {label}"})
            count = _encode(container, take)
        os.replace(partial, output)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _encode(container: OutputContainer, take: Take) -> int:
    first = next(take.shots, None)
    if first is None:
        raise ParameterError("the source has no picture to work on")
    encoding = take.encoding
    rate = Fraction(encoding.nominal_rate_hz).limit_denominator(1001)
    stream = container.add_stream(CODECS[encoding.codec], rate=rate)
    assert isinstance(stream, VideoStream)
    _configure(stream.codec_context, first.image_rgb, encoding)
    stream.metadata.update(encoding.stream_metadata)
    container.mux(stream.encode(_picture(first, encoding)))
    count = 1
    for shot in take.shots:
        container.mux(stream.encode(_picture(shot, encoding)))
        count += 1
    container.mux(stream.encode())
    return count


def _configure(context: VideoCodecContext, image: U8, encoding: Encoding) -> None:
    # An odd last row or column is left out: 4:2:0 has one chroma sample for two of luma each way.
    context.height, context.width = (side // 2 * 2 for side in image.shape[:2])
    context.pix_fmt = "yuvj420p" if encoding.codec == "mjpeg" else "yuv420p"
    context.time_base = _time_base(encoding)
    context.thread_count = 1
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = ColorRange.MPEG
    context.options = {"threads": "1"}
    if encoding.codec == "h264":
        context.options |= {"preset": encoding.preset}
    elif encoding.codec in ("vp8", "vp9"):
        context.options |= {"deadline": "realtime", "cpu-used": "6"}
    if encoding.bit_rate_bps is None:
        _set_quality(context, encoding)
    else:
        context.bit_rate = encoding.bit_rate_bps
        # A buffer of one second holds the rate: without it the first picture takes what it likes.
        limit = str(encoding.bit_rate_bps)
        context.options |= {"maxrate": limit, "bufsize": limit}


def _set_quality(context: VideoCodecContext, encoding: Encoding) -> None:
    if encoding.codec == "h264":
        context.options |= {"crf": f"{encoding.crf:g}"}
        return
    # Six steps of x264's factor halve the rate; 21 is about 0.08 bits a pixel.
    pixels_hz = context.width * context.height * float(encoding.nominal_rate_hz)
    bits = 0.08 * 2.0 ** ((21 - encoding.crf) / 6) * {"vp9": 0.8, "mpeg4": 1.8, "mjpeg": 8.0}.get(encoding.codec, 1.0)
    context.bit_rate = round(bits * pixels_hz)


def _time_base(encoding: Encoding) -> Fraction:
    return _MPEG4_TIME_BASE if encoding.codec == "mpeg4" else _TIME_BASE


def _picture(shot: Shot, encoding: Encoding) -> av.VideoFrame:
    height, width = (side // 2 * 2 for side in shot.image_rgb.shape[:2])
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(shot.image_rgb[:height, :width]), format="rgb24")
    picture = picture.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
    picture.pts = round(shot.time_s / _time_base(encoding))
    picture.time_base = _time_base(encoding)
    return picture


def through_codec(shots: Iterator[Shot], encoding: Encoding) -> Iterator[Shot]:
    """The shots as they look after being encoded and decoded once; nothing touches a disk.

    Parameters
    ----------
    shots : iterator of Shot
    encoding : Encoding
    """
    encoder = av.CodecContext.create("libx264", "w")
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(encoder, VideoCodecContext)
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    started = False
    for shot in shots:
        if not started:
            _configure(encoder, shot.image_rgb, encoding)
            encoder.framerate = Fraction(encoding.nominal_rate_hz).limit_denominator(1001)
            encoder.options |= {"tune": "zerolatency"}
            started = True
        yield from _decoded(decoder, encoder.encode(_picture(shot, encoding)))
    if started:
        yield from _decoded(decoder, encoder.encode())
        yield from _decoded(decoder, [None])


def _decoded(decoder: VideoCodecContext, packets: Sequence[av.Packet[Any] | None]) -> Iterator[Shot]:
    for packet in packets:
        for picture in decoder.decode(packet):
            rgb = picture.reformat(format="rgb24", src_colorspace=Colorspace.ITU709, src_color_range=ColorRange.MPEG)
            assert picture.pts is not None  # every picture was given one
            yield Shot(float(picture.pts * _TIME_BASE), np.asarray(rgb.to_ndarray(), np.uint8))

"""Builders of small videos and of files that lie, all made with the encoders that PyAV brings."""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

SIZE_WH = (96, 64)
# Corner colours of `quadrants`, as (R, G, B): top left, top right, bottom left, bottom right.
CORNERS = ((200, 40, 40), (40, 180, 60), (50, 60, 200), (190, 190, 190))
# name: (container, encoder, pixel format, options). All at SIZE_WH.
KINDS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "h264_mp4": ("mp4", "libx264", "yuv420p", {"crf": "10"}),
    "h264_444_mkv": ("matroska", "libx264", "yuv444p", {"crf": "10"}),
    "h264_422_10_mp4": ("mp4", "libx264", "yuv422p10le", {"crf": "10"}),
    "hevc_mov": ("mov", "libx265", "yuv420p", {"crf": "10", "x265-params": "log-level=none"}),
    "hevc_10_mp4": ("mp4", "libx265", "yuv420p10le", {"crf": "10", "x265-params": "log-level=none"}),
    "vp8_webm": ("webm", "libvpx", "yuv420p", {"crf": "4", "b": "4M", "deadline": "realtime"}),
    "vp9_webm": ("webm", "libvpx-vp9", "yuv420p", {"crf": "10", "b": "4M", "deadline": "realtime", "cpu-used": "8"}),
    "av1_webm": ("webm", "libsvtav1", "yuv420p", {"crf": "15", "preset": "12"}),
    "mjpeg_avi": ("avi", "mjpeg", "yuvj420p", {"q": "2"}),
    "mjpeg_422_avi": ("avi", "mjpeg", "yuvj422p", {"q": "2"}),
    "mpeg4_avi": ("avi", "mpeg4", "yuv420p", {"b": "4M"}),
    "wmv2_wmv": ("asf", "wmv2", "yuv420p", {"b": "4M"}),
    "msmpeg4_avi": ("avi", "msmpeg4", "yuv420p", {"b": "4M"}),
    "mpeg1_mpg": ("mpeg", "mpeg1video", "yuv420p", {"b": "4M"}),
    "mpeg2_ts": ("mpegts", "mpeg2video", "yuv420p", {"b": "4M"}),
    "h264_flv": ("flv", "libx264", "yuv420p", {"crf": "10"}),
}


def quadrants(size_wh: tuple[int, int] = SIZE_WH, shift: int = 0) -> NDArray[np.uint8]:
    """Four plain quarters of different colours, with a grey square that moves with `shift`."""
    width, height = size_wh
    image = np.empty((height, width, 3), np.uint8)
    image[: height // 2, : width // 2], image[: height // 2, width // 2 :] = CORNERS[0], CORNERS[1]
    image[height // 2 :, : width // 2], image[height // 2 :, width // 2 :] = CORNERS[2], CORNERS[3]
    left = width // 2 - 8 + shift % 8
    image[height // 2 - 4 : height // 2 + 4, left : left + 8] = 90
    return image


def encode(
    images: Iterable[NDArray[np.uint8]],
    *,
    container: str = "mp4",
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    rate: int = 25,
    times_ms: Sequence[int] | None = None,
    display: tuple[float, bool] | None = None,
    colour: tuple[int, int] | None = None,
    pixel_aspect: Fraction | None = None,
    sound: bool = False,
    index_first: bool = False,
    fragmented: bool = False,
) -> bytes:
    """A video of RGB images.

    Parameters
    ----------
    times_ms
        Presentation times, else steps of 1 / `rate`.
    display
        Rotation in degrees and horizontal flip of the display matrix.
    colour
        MatrixCoefficients and range (1 limited, 2 full) that the images are converted by and tagged with.
    index_first
        Move the index of an MP4 to the front, as files made for streaming have it.
    fragmented
        Write an MP4 as one fragment for each group of pictures, as recorders do that may be cut off.
    """
    images = list(images)
    flags = ["faststart"] * index_first + ["frag_keyframe", "empty_moov", "default_base_moof"] * fragmented
    movflags = {"movflags": "+".join(flags)} if flags else {}
    # FFmpeg moves the index by reading back a file that has a name.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video"
        with av.open(str(path), "w", format=container, container_options=movflags) as output:
            _write(output, images, codec, pix_fmt, options, rate, times_ms, display, colour, pixel_aspect, sound)
        return path.read_bytes()


def _write(
    output: Any,
    images: list[NDArray[np.uint8]],
    codec: str,
    pix_fmt: str,
    options: dict[str, str] | None,
    rate: int,
    times_ms: Sequence[int] | None,
    display: tuple[float, bool] | None,
    colour: tuple[int, int] | None,
    pixel_aspect: Fraction | None,
    sound: bool,
) -> None:
    stream: Any = output.add_stream(codec, rate=rate, options=options or {})
    stream.height, stream.width = images[0].shape[:2]
    stream.pix_fmt = pix_fmt
    stream.codec_context.thread_count = 1
    if times_ms is not None:
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
    if display is not None:
        stream.set_display_rotation(display[0], hflip=display[1])
    if colour is not None:
        stream.codec_context.colorspace, stream.codec_context.color_range = colour
    if pixel_aspect is not None:
        stream.codec_context.sample_aspect_ratio = pixel_aspect
    if sound:
        _add_sound(output, len(images) / rate)
    for index, image in enumerate(images):
        picture = _picture(image, pix_fmt, colour)
        picture.pts = index if times_ms is None else times_ms[index]
        picture.time_base = Fraction(1, rate) if times_ms is None else Fraction(1, 1000)
        output.mux(stream.encode(picture))
    output.mux(stream.encode(None))


def _picture(image: NDArray[np.uint8], pix_fmt: str, colour: tuple[int, int] | None) -> av.VideoFrame:
    # SWS_CS_*: BT.709 is 1, BT.601 is 5, BT.2020 is 9.
    matrix, colour_range = colour or (6, 2 if pix_fmt.startswith("yuvj") else 1)
    picture = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
        format=pix_fmt, dst_colorspace={1: 1, 6: 5, 5: 5, 9: 9}[matrix], dst_color_range=colour_range
    )
    if colour is not None:
        picture.colorspace, picture.color_range = colour
    return picture


def _add_sound(output: Any, duration_s: float, codec: str = "aac") -> None:
    stream = output.add_stream(codec, rate=48000)
    n = stream.codec_context.frame_size or 1024
    for index in range(max(1, int(duration_s * 48000 / n))):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, n), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, index * n, Fraction(1, 48000)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def encode_kind(name: str, n_frames: int = 8) -> bytes:
    """A video of one of the `KINDS`."""
    container, codec, pix_fmt, options = KINDS[name]
    images = [quadrants(shift=index) for index in range(n_frames)]
    return encode(images, container=container, codec=codec, pix_fmt=pix_fmt, options=options)


def two_picture_tracks(container: str = "mp4", *, cover: bool = False) -> bytes:
    """A file with two moving pictures, or with one and an attached still picture."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        streams: list[Any] = [output.add_stream(codec, rate=10) for codec in ("mpeg4", "mjpeg" if cover else "mpeg4")]
        for stream in streams:
            stream.height, stream.width, stream.pix_fmt = *SIZE_WH[::-1], "yuv420p"
        if cover:
            streams[1].pix_fmt = "yuvj420p"
            streams[1].disposition = Disposition.attached_pic.value
        for index in range(5):
            for stream in streams if index == 0 or not cover else streams[:1]:
                picture = _picture(quadrants(shift=index), stream.pix_fmt, None)
                picture.pts, picture.time_base = index, Fraction(1, 10)
                output.mux(stream.encode(picture))
        for stream in streams:
            output.mux(stream.encode(None))
    return buffer.getvalue()


def sound_only(container: str = "mp4") -> bytes:
    """A file with a sound track and no picture."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        _add_sound(output, 0.5)
    return buffer.getvalue()


def retimed(video: bytes, times_ms: Sequence[int]) -> bytes:
    """The pictures of a video without B pictures in a Matroska file that tells other times for them."""
    buffer = io.BytesIO()
    with av.open(io.BytesIO(video)) as source, av.open(buffer, "w", format="matroska") as output:
        track = source.streams.video[0]
        stream = output.add_stream_from_template(track)
        packets = [packet for packet in source.demux(track) if packet.size]
        for index, (packet, time_ms) in enumerate(zip(packets, times_ms, strict=True)):
            packet.stream = stream
            packet.time_base = Fraction(1, 1000)
            # Muxers insist on rising decoding times; nothing checks the times of presentation.
            packet.dts, packet.pts = index - len(packets), time_ms
            output.mux(packet)
    return buffer.getvalue()


def with_sample_size(video: bytes, size_wh: tuple[int, int]) -> bytes:
    """An MP4 whose sample description claims pictures of another size than are coded."""
    at = video.index(b"avc1", video.index(b"stsd")) + 28
    return video[:at] + struct.pack(">HH", *size_wh) + video[at + 4 :]


def with_constant_time(video: bytes) -> bytes:
    """An MP4 whose table of sample durations holds zeros only."""
    at = video.index(b"stts") + 8
    (n_entries,) = struct.unpack(">I", video[at : at + 4])
    table = bytearray(video)
    for entry in range(n_entries):
        struct.pack_into(">I", table, at + 8 + 8 * entry, 0)
    return bytes(table)


def flipped_bytes(data: bytes, start: int, stop: int, seed: int = 0) -> bytes:
    """The same file with random bytes between `start` and `stop`."""
    noise = np.random.default_rng(seed).bytes(stop - start)
    return data[:start] + noise + data[stop:]


def tracks(*made: tuple[list[NDArray[np.uint8]], bool], container: str = "matroska") -> bytes:
    """A file with several picture tracks: the images of each, and whether it is marked as the default."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        streams = []
        for images, default in made:
            stream: Any = output.add_stream("libx264", rate=25, options={"crf": "10"})
            stream.height, stream.width = images[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            stream.disposition = av.stream.Disposition.default.value if default else 0
            streams.append((stream, images))
        for stream, images in streams:
            for index, image in enumerate(images):
                picture = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
                picture.pts, picture.time_base = index, Fraction(1, 25)
                output.mux(stream.encode(picture))
            output.mux(stream.encode(None))
    return buffer.getvalue()

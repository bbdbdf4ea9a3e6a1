"""Recordings: :func:`open_recording` gives a :class:`Recording`, a stream of :class:`Frame`.

Conventions: time is seconds after the recording's first picture, from the container's own timestamps and
never from an assumed rate; pictures are upright; memory stays flat however long the recording is. What
cannot be used at all raises on opening; what is merely cut off, damaged in places or over the limits
of time ends the iteration early or thins it, and is noted.

Public items: :func:`open_recording`, :class:`Recording`, :class:`Framing`, :class:`TimeProblems`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, BinaryIO, cast

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.stream import VideoStream

from idverify.errors import CorruptMediaError, MediaLimitError, ParameterError
from idverify.media.containers import stated_n_bytes
from idverify.media.decoding import (
    Budget,
    PictureDecoder,
    Reader,
    Tracks,
    check_size,
    look_at_tracks,
    moving_streams,
    open_container,
    prepare,
)
from idverify.media.frame import Box, Frame, Orientation
from idverify.media.source import ByteSource, MediaLimits, open_source

__all__ = ["Framing", "Recording", "TimeProblems", "open_recording"]

# Recommendation ITU-T H.273, table 3 (TransferCharacteristics): SMPTE ST 2084 (PQ) and ARIB STD-B67 (HLG).
_HDR_TRANSFERS = (16, 18)
_UNSTATED_MATRIX = 2
# FFmpeg's unit of the duration of a file.
_TICK = Fraction(1, av.time_base)
# Pictures nearer to the one before are decoded and passed over: 60 a second become 30, 120 and 240 become 40. Nothing
# that is looked for is faster, and the limit of pictures is reached no sooner than that of time.
_CLOSEST_S = 0.0245
# Seconds of the stated duration that may be missing at the end before a recording counts as cut off: phones
# stop sound and pictures up to some hundred milliseconds apart, and the longer one may be stated.
_MISSING_TAIL_S = 1.0
# Pixels more oblong than this are a mistake of the file: the most oblong ones in use are those of half-width HD (2:1).
_MAX_PIXEL_ASPECT = 4.0
# Relative difference of width over height up to which two sizes have one shape: sides are rounded to even numbers.
_SAME_SHAPE = 0.02
# FFmpeg's names of containers that keep one time for each picture, that of decoding. Where pictures are coded in
# another order than they are shown in, the times that it gives for showing them wander.
_DECODING_TIMES = ("avi", "asf")
# Ticks after which clocks of containers begin again at zero. FLV has 24 bits of milliseconds and 8 more that old muxers
# do not write (Adobe Flash Video File Format 10.1, E.4.1); whole turns of the longer clock are turns of the shorter.
_TICKS_OF_A_TURN = {"flv": 1 << 24}


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """What is made of the pictures beside what the container says of them.

    Parameters
    ----------
    turn_deg : int
        Clockwise turn that sets them upright: 0, 90, 180 or 270.
    window_xyxy_px : tuple of int or None
        The part that is looked at, in pixels of the picture before the turn; None is all of it.
    """

    turn_deg: int = 0
    window_xyxy_px: Box | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeProblems:
    """How many pictures have a timestamp that cannot be right.

    Parameters
    ----------
    missing : int
        No timestamp.
    repeated : int
        The time of the picture before.
    backwards : int
        Earlier than the picture before.
    """

    missing: int = 0
    repeated: int = 0
    backwards: int = 0

    def __bool__(self) -> bool:
        return self.missing + self.repeated + self.backwards > 0


def open_recording(source: str | Path | bytes | BinaryIO, *, limits: MediaLimits | None = None) -> Recording:
    """Open a video and decode its first picture, so that what cannot be used fails here.

    Parameters
    ----------
    source : path, bytes or binary file object
        MP4/MOV, WebM/MKV, AVI, WMV/ASF, MPEG, MPEG-TS, Ogg or FLV. A file object is read from its beginning
        and stays open.
    limits : MediaLimits, optional
        What is read at most.

    Returns
    -------
    Recording
        To be used as a context manager, or closed.

    Raises
    ------
    MediaNotFoundError
        No such file.
    UnsupportedMediaError
        Not a video, a codec that is not read, audio only, a folder or an address.
    CorruptMediaError
        No picture can be decoded, or there is neither a timestamp nor a stated rate.
    MediaLimitError
        Too many bytes, pictures that are too large, or decoding that takes too long.
    ParameterError
        Not a path, bytes or binary file object.
    """
    limits = limits or MediaLimits()
    with ExitStack() as stack:
        opened = stack.enter_context(open_source(source, limits))
        parts = _Parts(opened, limits)
        stack.callback(parts.close)
        recording = Recording(parts, limits)
        parts.resources = stack.pop_all()
    return recording


class _Parts:
    """What an open recording is made of; reading can begin again.

    Attributes
    ----------
    first : VideoFrame or None
        The first picture, until it is taken.
    resources : ExitStack
        What is to be closed in the end.
    """

    container: InputContainer
    stream: VideoStream
    decoder: PictureDecoder
    first: av.VideoFrame | None

    def __init__(self, source: ByteSource, limits: MediaLimits) -> None:
        self.source = source
        self.stated_n_bytes = stated_n_bytes(source)
        self.tracks: Tracks | None = None
        self.resources = ExitStack()
        self._limits = limits
        self._budget = Budget(limits.decode_budget_s)
        self._opened = ExitStack()
        self.begin()

    def begin(self) -> None:
        """Open the container, once more if it was open, and decode the first picture."""
        self._opened.close()
        self.source.stream.seek(0)
        with ExitStack() as stack:
            reader = Reader(self.source, self._budget)
            with self._budget:
                self.container = open_container(self.source, reader, self._budget, self._limits)
                stack.callback(self.container.close)
                if self.tracks is None:
                    self.tracks = look_at_tracks(self.container, self.source, reader, self._budget, self._limits)
                self.stream = cast(VideoStream, self.container.streams[self.tracks.chosen])
                prepare(self.stream, self.source.label, self._limits)
            self.decoder = PictureDecoder(self.container, self.stream, reader, self._budget)
            stack.callback(self.decoder.close)
            self.first = self._first_picture()
            self._opened = stack.pop_all()

    def _first_picture(self) -> av.VideoFrame:
        label, first = self.source.label, self.decoder.next_picture()
        if first is None and self.decoder.refused:
            width, height = self._limits.max_size_wh
            raise MediaLimitError(f"{label} holds no picture of {width}x{height} pixels or less")
        if first is None:
            raise CorruptMediaError(f"{label} holds no picture that can be decoded")
        check_size((first.width, first.height), label, self._limits)
        return first

    def close(self) -> None:
        """Give back decoder and container."""
        self._opened.close()


class Recording:
    """A video being read: a context manager, and one pass over its frames.

    Made by :func:`open_recording`. Not for use by several threads at once. Of more than 40 pictures a second only as
    many are given as lie 25 ms apart; a frame's index counts all. The iteration stops without an error
    at ``limits.max_duration_s`` and ``limits.max_frames``, and where the file is cut off; `notes`,
    `truncated` and `time_problems` say what was met so far and are complete once it has ended.

    Attributes
    ----------
    size_wh : tuple of int
        Upright size of the first picture in pixels; another size later on is noted, and scaled to it where the shape
        is the same.
    rotation_deg : int
        Clockwise turn that made the pictures upright: 0, 90, 180 or 270. Other angles are taken as the nearest
        of these, and the display matrix of the first picture holds for all.
    mirrored : bool
        The display matrix also mirrors left and right; done before the turn.
    pixel_aspect_ratio : float
        Width over height of a coded pixel. Pictures are not resampled for it; other than 1.0 is noted.
    duration_s : float or None
        As the container states it.
    nominal_rate_hz : float or None
        Average rate that the container states; nothing is computed from it.
    codec, container : str
        FFmpeg's names, such as ``"h264"`` and ``"mov"``.
    n_picture_tracks : int
        Tracks of moving pictures; one is read, and a player may show another one.
    framing : Framing
        What is made of the pictures beside what the container says of them.
    metadata : mapping of str to str
        Tags of the container, and of the picture track with the prefix ``"stream:"``.
    n_bytes : int
        Size of the file.
    truncated : bool
        The pictures end before the recording does: by the size of the file that its container states, by
        the stated duration, or because the rest could not be read.
    """

    def __init__(self, parts: _Parts, limits: MediaLimits) -> None:
        self._parts = parts
        self._limits = limits
        self._closed = False
        self._frames: Generator[Frame, None, None]
        self._begin(Framing())

    def _begin(self, framing: Framing) -> None:
        """What is known before the second picture."""
        parts, self._notes, self.framing = self._parts, dict[str, None](), framing
        container, stream, first = parts.container, parts.stream, cast(av.VideoFrame, parts.first)
        kind = container.format.name.split(",")[0]
        self._clock = _Clock(
            stream, parts.source.label, decoding_times=kind in _DECODING_TIMES, turn=_TICKS_OF_A_TURN.get(kind)
        )
        self._coded_wh = first.width, first.height
        stated = float(stream.sample_aspect_ratio or 1.0)
        self.pixel_aspect_ratio = stated
        self._pixel_aspect = stated if 1 / _MAX_PIXEL_ASPECT <= stated <= _MAX_PIXEL_ASPECT else 1.0
        orientation = _orientation_of(first)
        self.rotation_deg = orientation.rotation_deg
        self.mirrored = orientation.mirrored
        self._orientation = orientation
        self._window: Box | None = None
        if framing.window_xyxy_px is not None:
            whole = self._frame(first, 0, 0.0)
            left, top, right, bottom = framing.window_xyxy_px
            if not (0 <= left < right <= whole.size_wh[0] and 0 <= top < bottom <= whole.size_wh[1]):
                raise ParameterError(f"expected a window inside {whole.size_wh}, got {framing.window_xyxy_px}")
            self._window = whole.coded_box(framing.window_xyxy_px)
        self._orientation = orientation.turned(framing.turn_deg)
        shown = self._frame(first, 0, 0.0)
        shown.require_colours()
        check_size(shown.size_wh, parts.source.label, self._limits)
        self.n_bytes = parts.source.n_bytes
        self.size_wh = self._shown_wh = shown.size_wh
        self.duration_s = _seconds(stream.duration, stream.time_base) or _seconds(container.duration, _TICK)
        self.nominal_rate_hz = float(stream.average_rate) if stream.average_rate else None
        self.codec: str = stream.codec.canonical_name
        self.container: str = kind
        tags = {**container.metadata, **{f"stream:{key}": value for key, value in stream.metadata.items()}}
        self.metadata: Mapping[str, str] = MappingProxyType(tags)
        self.n_picture_tracks = 0
        self.truncated = False
        self._note_first_sight()
        self._frames = self._make_frames(self._clock.read(first))

    def _frame(self, picture: av.VideoFrame, index: int, time_s: float) -> Frame:
        window, size_wh = self._window, None
        if (picture.width, picture.height) != self._coded_wh:
            # Browsers code the same scene with fewer pixels while the line or the machine is slow: a picture that keeps
            # its shape is shown in the size of the first. Another shape shows another part of the scene.
            x, y = picture.width / self._coded_wh[0], picture.height / self._coded_wh[1]
            same_shape = abs(x / y - 1) <= _SAME_SHAPE
            size_wh = self._shown_wh if same_shape else None
            if window is not None:
                left, top, right, bottom = window
                window = (round(left * x), round(top * y), round(right * x), round(bottom * y)) if same_shape else None
        return Frame(
            picture,
            index=index,
            time_s=time_s,
            orientation=self._orientation,
            window=window,
            pixel_aspect=self._pixel_aspect,
            size_wh=size_wh,
        )

    def first_frame(self) -> Frame:
        """Show the first picture, which comes again when the recording is read.

        Raises
        ------
        ParameterError
            Reading has begun.
        """
        if self._parts.first is None:
            raise ParameterError("the first picture was read already")
        return self._frame(self._parts.first, 0, 0.0)

    def begin_again(self, framing: Framing) -> None:
        """Go back to the first picture, to see all of them in another framing.

        Raises
        ------
        MediaError
            As :func:`open_recording` does.
        ParameterError
            The window lies outside the picture.
        """
        self._frames.close()
        self._parts.begin()
        self._begin(framing)

    def turn(self, frame: Frame, turn_deg: int) -> Frame:
        """Show a frame and all that come after it with one more clockwise turn by 90, 180 or 270 degrees.

        For recordings whose pictures turn while they go on. Attributes of the recording stay those of its beginning.
        """
        self._orientation = self._orientation.turned(turn_deg)
        if turn_deg % 180:
            self._shown_wh = self._shown_wh[1], self._shown_wh[0]
        self._note("the pictures turn in the middle of the recording; they were turned back")
        return self._frame(frame._picture, frame.index, frame.time_s)

    def __repr__(self) -> str:
        return f"Recording({self.container}/{self.codec}, size_wh={self.size_wh}, duration_s={self.duration_s})"

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        if self._closed:
            raise ParameterError("the recording is closed")
        return next(self._frames)

    def close(self) -> None:
        """Give back the decoder, and the file if it was opened here. Frames already taken stay valid."""
        self._closed = True
        self._frames.close()
        self._parts.resources.close()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was met so far, one sentence each, none twice."""
        return tuple(self._notes)

    @property
    def bits_per_picture(self) -> float:
        """Mean size of the coded pictures of the track, so far."""
        decoder = self._parts.decoder
        return 8.0 * decoder.n_bytes / max(decoder.n_packets, 1)

    @property
    def bit_rate_bps(self) -> int | None:
        """Of the pictures read; before there are two of them, what the container states of the track or the file."""
        if self._clock.end_s > 0 and self._parts.decoder.n_packets > 1 and self._parts.first is None:
            return round(8.0 * self._parts.decoder.n_bytes / self._clock.end_s)
        return _bit_rate_bps(self._parts.container, self._parts.stream)

    @property
    def time_problems(self) -> TimeProblems:
        """Timestamps that cannot be right, so far."""
        return self._clock.problems

    def _make_frames(self, time_s: float) -> Generator[Frame, None, None]:
        # The parts do not keep the first picture alive any longer than the others.
        picture, self._parts.first = self._parts.first, None
        index = n_given = 0
        last_s = -np.inf
        while picture is not None and not self._over_limits(n_given, time_s):
            if not 0 < time_s - last_s < _CLOSEST_S:
                frame = self._frame(picture, index, time_s)
                if (picture.width, picture.height) != self._coded_wh:
                    check_size((picture.width, picture.height), self._parts.source.label, self._limits)
                    check_size(frame.size_wh, self._parts.source.label, self._limits)
                    self._note("the size of the pictures changes")
                yield frame
                n_given, last_s = n_given + 1, time_s
            picture = self._parts.decoder.next_picture()
            if picture is not None:
                time_s = self._clock.read(picture)
            index += 1
            self._note_decoding()
        if picture is None:
            self._note_end()

    def _over_limits(self, n_given: int, time_s: float) -> bool:
        if n_given >= self._limits.max_frames:
            self._note(f"reading stopped at the limit of {self._limits.max_frames} pictures")
        elif time_s > self._limits.max_duration_s:
            self._note(f"reading stopped at the limit of {self._limits.max_duration_s:g} s")
        else:
            return False
        return True

    def _note(self, sentence: str) -> None:
        self._notes[sentence] = None

    def _note_first_sight(self) -> None:
        self._count_tracks()
        if not np.isclose(self.pixel_aspect_ratio, 1.0):
            done = "they are stretched" if self._pixel_aspect != 1.0 else "that is not believed"
            self._note(f"pixels are not square: {self.pixel_aspect_ratio:.3f} times as wide as high; {done}")
        if self.framing.turn_deg:
            self._note(f"faces stand at {self.framing.turn_deg} degrees to the picture; it was turned upright")
        if self.framing.window_xyxy_px is not None:
            self._note("the picture has bars at its edges; what is between them was looked at")
        if int(self._parts.stream.codec_context.color_trc) in _HDR_TRANSFERS:
            self._note("the pictures have a high dynamic range and are shown without tone mapping")

    def _count_tracks(self) -> None:
        """Count again: in a transport stream a track may begin anywhere."""
        tracks = cast(Tracks, self._parts.tracks)
        moving = [s for s in moving_streams(self._parts.container) if s.index not in tracks.still]
        self.n_picture_tracks = len(moving)
        if self.n_picture_tracks > 1:
            self._note(f"the file has several picture tracks; track {tracks.chosen} is used")

    def _note_decoding(self) -> None:
        self._count_tracks()
        if self._parts.decoder.damaged:
            self._note("parts of the recording are damaged")
        if self._clock.problems.missing:
            self._note("pictures without a timestamp were timed by the rate that the container states")

    def _note_end(self) -> None:
        """Note whether the recording should have gone on."""
        stated_n_bytes = self._parts.stated_n_bytes or 0
        # Where times begin late, the stated duration may hold the empty time before the first picture, or not.
        end_s = self._clock.end_s + max(self._clock.starts_s, 0.0)
        ends_early = end_s < (self.duration_s or 0.0) - _MISSING_TAIL_S
        if self._parts.decoder.read_error or stated_n_bytes > self.n_bytes or ends_early:
            self.truncated = True
            self._note("the pictures end before the recording does")


class _Clock:
    """Seconds after the first picture, from timestamps; keeps count of those that cannot be right."""

    def __init__(
        self, stream: VideoStream, label: str, *, decoding_times: bool = False, turn: int | None = None
    ) -> None:
        self._label = label
        self._step_s = 1.0 / float(stream.average_rate) if stream.average_rate else None
        self._decoding_times = decoding_times
        self._turn = turn
        self._origin: int | None = None
        self._last_stamp: int | None = None
        self._last_s: float | None = None
        self._last_step_s: float | None = None
        self.problems = TimeProblems()
        self.starts_s = 0.0
        self.end_s = 0.0

    def read(self, picture: av.VideoFrame) -> float:
        stamp = picture.dts if picture.pts is None or self._decoding_times else picture.pts
        if self._decoding_times and stamp is None and self._last_s is not None and self._last_step_s:
            # The pictures that the decoder holds back at the end: every packet's time was given out by then.
            time_s = self._last_s + self._last_step_s
        elif stamp is None or picture.time_base is None:
            time_s = self._without_stamp()
        else:
            if self._origin is None:
                # Pictures without timestamps may have come before.
                self._origin = stamp - round(self._next_s() / picture.time_base)
                self.starts_s = float(self._origin * picture.time_base)
            stamp = self._last_stamp = self._unwound(stamp)
            time_s = float((stamp - self._origin) * picture.time_base)
            self._count_problems(time_s)
            self._last_step_s = None if self._last_s is None else time_s - self._last_s
        self._last_s = time_s
        lasts_s = _seconds(picture.duration, picture.time_base) or self._step_s or 0.0
        self.end_s = max(self.end_s, time_s + lasts_s)
        return time_s

    def _unwound(self, stamp: int) -> int:
        """The stamp in the turn of the clock that is nearest to the one before."""
        if self._turn is None or self._last_stamp is None:
            return stamp
        half = self._turn // 2
        return self._last_stamp + (stamp - self._last_stamp + half) % self._turn - half

    def _without_stamp(self) -> float:
        if self._step_s is None:
            raise CorruptMediaError(f"{self._label} has pictures without timestamps and states no frame rate")
        self.problems = replace(self.problems, missing=self.problems.missing + 1)
        return self._next_s()

    def _next_s(self) -> float:
        """When the next picture is due by the stated rate."""
        return 0.0 if self._last_s is None else self._last_s + (self._step_s or 0.0)

    def _count_problems(self, time_s: float) -> None:
        if self._last_s is not None and time_s == self._last_s:
            self.problems = replace(self.problems, repeated=self.problems.repeated + 1)
        elif self._last_s is not None and time_s < self._last_s:
            self.problems = replace(self.problems, backwards=self.problems.backwards + 1)


def _orientation_of(picture: av.VideoFrame) -> Orientation:
    # PyAV's side data and their picture refer to each other, so looking at them would keep the picture until
    # Python's next search for cycles; a scaled copy carries the same side data in next to no memory.
    # FFmpeg does not scale what a matrix that it does not know belongs to, although none is needed.
    matrix, picture.colorspace = picture.colorspace, _UNSTATED_MATRIX
    small = picture.reformat(width=16, height=16, interpolation="POINT")
    picture.colorspace = matrix
    # PyAV looks side data up by its type as well as by its name; its stubs know the name only.
    data = small.side_data.get(cast(str, SideDataType.DISPLAYMATRIX))
    if data is None:
        return Orientation()
    return Orientation.from_display_matrix(np.frombuffer(bytes(cast(Any, data)), dtype=np.int32).tolist())


def _bit_rate_bps(container: InputContainer, stream: VideoStream) -> int | None:
    # MPEG-1 states an absurd rate where it is variable; no track is larger than the whole file.
    rates = [rate for rate in (stream.bit_rate, container.bit_rate) if rate]
    return min(rates, default=None)


def _seconds(ticks: int | None, tick_s: Fraction | None) -> float | None:
    return None if not ticks or not tick_s else float(ticks * tick_s)

"""What a simulated attack is made from, and what it becomes: :class:`Source` in, :class:`Take` out.

Goal: every species is one function from a :class:`Setup` to a :class:`Take`, a stream of pictures that holds a few
of them at a time, so that memory stays flat however long the clip is.

Conventions: pictures are RGB uint8 [shape=(h, w, 3)], upright; sizes are (width, height); time is seconds.

Public items: :class:`Shot`, :class:`Source`, :class:`Played`, :class:`Setup`, :class:`Encoding`, :class:`Take`,
:func:`held`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.errors import ParameterError, UnsupportedMediaError
from idverify.media.photo import load_photo
from idverify.media.recording import open_recording
from idverify.simulation.asked import Request, read_request
from idverify.simulation.faces import Eyes, Locate, default_eyes

__all__ = ["Encoding", "Played", "Setup", "Shot", "Source", "Take", "held"]

U8 = NDArray[np.uint8]

# Pictures of a clip that are looked at for its sharpest one: about the first second and a half.
_STILL_CANDIDATES = 45


class Shot(NamedTuple):
    """One picture of a take and when it is shown."""

    time_s: float
    image_rgb: U8


class Source:
    """A bona fide clip or a photo.

    Parameters
    ----------
    origin : path, or uint8 [shape=(h, w, 3)]
        A file that :func:`~idverify.media.load_photo` or :func:`~idverify.media.open_recording` reads, or a picture.

    Raises
    ------
    MediaError
        Neither a photo nor a video.
    """

    def __init__(self, origin: str | Path | U8) -> None:
        self._path = None if isinstance(origin, np.ndarray) else Path(origin)
        clip_wh = None if self._path is None else _clip_size(self._path)
        self.photo = load_photo(origin) if clip_wh is None else None
        self.size_wh = clip_wh or self.still().shape[1::-1]

    def __repr__(self) -> str:
        return f"Source({'photo' if self.is_photo else 'clip'}, size_wh={self.size_wh})"

    @property
    def is_photo(self) -> bool:
        """Whether this is one picture only."""
        return self.photo is not None

    def shots(self) -> Iterator[Shot]:
        """The clip's pictures; of a photo, the one."""
        if self._path is None or self.photo is not None:
            assert self.photo is not None
            yield Shot(0.0, self.photo)
            return
        with open_recording(self._path) as recording:
            for frame in recording:
                yield Shot(frame.time_s, frame.image_rgb())

    def shots_until(self, end_s: float) -> Iterator[Shot]:
        """The pictures before a time."""
        return _until(self.shots(), end_s)

    def still(self) -> U8:
        """The photo, or the sharpest of the clip's first pictures."""
        best, best_sharpness = None, -1.0
        for index, shot in enumerate(self.shots()):
            grey = cv2.cvtColor(shot.image_rgb, cv2.COLOR_RGB2GRAY)
            sharpness = float(cv2.Laplacian(grey, cv2.CV_16S, ksize=3).var()) if not self.is_photo else 0.0
            if sharpness > best_sharpness:
                best, best_sharpness = shot.image_rgb, sharpness
            if index + 1 == _STILL_CANDIDATES:
                break
        assert best is not None  # a recording without a picture does not open
        return best


class Played(Source):
    """A take in the place of a clip; its pictures are made while they are read, once.

    Parameters
    ----------
    take : Take
    """

    def __init__(self, take: Take) -> None:
        first = next(take.shots, None)
        if first is None:
            raise ParameterError("the take has no picture to show")
        self.photo = None
        self.size_wh = first.image_rgb.shape[1::-1]
        self._reel = chain([first], take.shots)

    def shots(self) -> Iterator[Shot]:
        """The take's pictures."""
        return self._reel


def _clip_size(path: Path) -> tuple[int, int] | None:
    """The size of a video's first picture; None if this is not a video."""
    try:
        with open_recording(path) as recording:
            return recording.size_wh
    except UnsupportedMediaError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a species has at hand.

    Parameters
    ----------
    source : Source
        The bona fide clip or the photo.
    other : Source or None
        The second person, where a species needs one.
    locate : callable
        Finds the face mesh in a picture.
    size_wh : tuple of int or None
        Size of the result; a species has its own default.
    duration_s : float
        Longest result.
    rate_hz : float
        Pictures per second of the simulated camera. Species that only alter a clip keep the clip's own times.
    eyes : callable
        Looks closely at the eyes of a mesh.
    challenge : Path or None
        The file of a challenge that is to be answered.
    """

    source: Source
    locate: Locate
    other: Source | None = None
    size_wh: tuple[int, int] | None = None
    duration_s: float = 5.0
    rate_hz: float = 30.0
    eyes: Eyes = field(default_factory=default_eyes)
    challenge: Path | None = None

    def asked(self) -> Request:
        """What the challenge file asks for.

        Raises
        ------
        ParameterError
            None was given, or it cannot be read.
        """
        if self.challenge is None:
            raise ParameterError("this species answers a challenge: give `challenge`, its file")
        return read_request(self.challenge)

    def canvas_wh(self, default: tuple[int, int]) -> tuple[int, int]:
        """Size of the result, even as the encoder needs it."""
        width, height = self.size_wh or default
        return max(width // 2 * 2, 2), max(height // 2 * 2, 2)

    def clip(self) -> Iterator[Shot]:
        """The clip's shots up to the longest duration.

        Raises
        ------
        ParameterError
            The source is a photo.
        """
        if self.source.is_photo:
            raise ParameterError("this species needs a video, and a photo was given")
        return (shot for shot in _until(self.source.shots(), self.duration_s))

    def camera_times(self) -> Iterator[float]:
        """Times of the simulated camera's pictures."""
        return (index / self.rate_hz for index in range(round(self.duration_s * self.rate_hz)))

    def second(self) -> Source:
        """The second person.

        Raises
        ------
        ParameterError
            None was given.
        """
        if self.other is None:
            raise ParameterError("this species needs a second person: give `other`, a photo or a video")
        return self.other


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How a take is written.

    Parameters
    ----------
    codec : str
        A key of :data:`~idverify.simulation.writer.CODECS`.
    crf : float
        Quality as x264's constant rate factor counts it; smaller is better. Other encoders get their own like of it.
    preset : str
        Of x264.
    bit_rate_bps : int or None
        Overrides `crf`.
    nominal_rate_hz : float
        The rate the container states; the pictures keep their own times.
    metadata, stream_metadata : mapping
        Tags beside the one that says the file is simulated.
    """

    codec: str = "h264"
    crf: float = 21.0
    preset: str = "veryfast"
    bit_rate_bps: int | None = None
    nominal_rate_hz: float = 30.0
    metadata: Mapping[str, str] = field(default_factory=dict)
    stream_metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """A result on its way: shots that are made while they are read, once."""

    shots: Iterator[Shot]
    encoding: Encoding = field(default_factory=Encoding)

    def map(self, change: Callable[[Shot], Shot]) -> Take:
        """The same take with every shot changed."""
        return Take(shots=(change(shot) for shot in self.shots), encoding=self.encoding)


def _until(shots: Iterator[Shot], end_s: float) -> Iterator[Shot]:
    for shot in shots:
        if shot.time_s >= end_s:
            return
        yield shot


def held(shots: Iterator[Shot], times_s: Iterator[float]) -> Iterator[tuple[float, Shot, Shot]]:
    """What a display shows at each time: the shot before the last change, and the one since.

    Parameters
    ----------
    shots : iterator of Shot
        Times grow.
    times_s : iterator of float
        Times grow.

    Yields
    ------
    time_s, previous, current
        Ends with the shots, except that a single one stays for ever.
    """
    previous = current = following = next(shots, None)
    if current is None:
        return
    single = False
    following = next(shots, None)
    single = following is None
    for time_s in times_s:
        while following is not None and following.time_s <= time_s:
            previous, current = current, following
            following = next(shots, None)
        assert previous is not None
        if following is None and not single and time_s > current.time_s + 0.1:
            return
        yield time_s, previous, current

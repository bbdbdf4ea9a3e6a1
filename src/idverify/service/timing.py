"""The server's clock against the recording's: when it can have begun, and how soon each answer was here.

Goal: say what the stamps prove, without believing the browser. A piece cannot arrive before what it holds was
recorded, so the recording began at the latest at ``min(arrival - time of its last picture)`` over the pieces. Measured
from there, a step was revealed at the earliest possible moment of the recording; the answer has to come after it.

Conventions: seconds; the server's clock since 1970, the recording's from its first picture.

Public items: :class:`Timing`, :func:`chunk_ends_s`, :func:`measure`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["Timing", "chunk_ends_s", "measure"]

F64 = NDArray[np.float64]

# Clocks of containers and of cameras run unevenly by some hundredths of a second; a browser may begin to record while
# its request is on the way.
TOLERANCE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What the stamps of one recording say.

    Parameters
    ----------
    started_s
        The latest moment at which the recording can have begun; server's clock.
    latencies_s
        For each step, how long after its time was up the piece with its end had arrived.
    on_time
        Whether the recording began after it was asked for and each answer arrived in time.
    why
        What is against it, in words; empty where nothing is.
    """

    started_s: float
    latencies_s: tuple[float, ...]
    on_time: bool
    why: str


def chunk_ends_s(video: bytes, n_bytes: Sequence[int]) -> F64:
    """The time of the last picture that each piece completes, from the first picture of the recording.

    Parameters
    ----------
    video
        The whole recording.
    n_bytes
        Of its pieces, in order.

    Returns
    -------
    float64 [shape=(len(n_bytes),)]
        NaN for pieces that come before any picture is complete.

    Raises
    ------
    av.error.FFmpegError
        The container cannot be read.
    """
    positions, times = [], []
    with av.open(io.BytesIO(video), "r") as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            if packet.pts is None or packet.pos is None or packet.time_base is None or packet.size == 0:
                continue
            positions.append(packet.pos)
            times.append(float(packet.pts * packet.time_base))
    ends = np.full(len(n_bytes), np.nan)
    if not times:
        return ends
    order = np.argsort(positions, kind="stable")
    latest = np.maximum.accumulate(np.asarray(times)[order] - min(times))
    # Containers count a picture's place from somewhere in its head: it is there for sure where the next one begins.
    ready = np.append(np.asarray(positions)[order][1:], len(video))
    complete = np.searchsorted(ready, np.cumsum(n_bytes), side="right")
    seen = complete > 0
    ends[seen] = latest[complete[seen] - 1]
    return ends


def measure(
    ends_s: F64,
    arrived_s: Sequence[float],
    *,
    revealed_s: Sequence[float],
    lengths_s: Sequence[float],
    began_s: float,
    arrival_s: float,
) -> Timing:
    """Compare the two clocks.

    Parameters
    ----------
    ends_s
        As :func:`chunk_ends_s` gives them.
    arrived_s
        When each piece had arrived.
    revealed_s, lengths_s
        When each step was revealed, and how long it lasts.
    began_s
        When the browser asked to begin; no honest recording is older.
    arrival_s
        How long after a step's time was up the piece with its end may arrive.
    """
    arrived = np.asarray(arrived_s, np.float64)
    known = np.isfinite(ends_s)
    if not known.any():
        return Timing(started_s=float("nan"), latencies_s=(), on_time=False, why="no picture has a time")
    started = float(np.min(arrived[known] - ends_s[known]))
    latencies = []
    for reveal, length in zip(revealed_s, lengths_s, strict=True):
        up = reveal + length
        holds = known & (ends_s >= up - started)
        latencies.append(float(np.min(arrived[holds]) - up) if holds.any() else float("inf"))
    why = ""
    if started < began_s - TOLERANCE_S:
        why = "the recording is longer than the time since it was asked for"
    elif any(reveal <= started for reveal in revealed_s):
        why = "a step was revealed before the recording had begun"
    elif any(latency > arrival_s for latency in latencies):
        why = f"an answer arrived more than {arrival_s:g} s after its time"
    return Timing(started_s=started, latencies_s=tuple(latencies), on_time=not why, why=why)

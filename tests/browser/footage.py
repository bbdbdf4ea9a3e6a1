"""Real footage of one person, cut into the movements that it shows, with a way from each of them to any other.

A camera that answers has to show the movements in an order that nobody filmed. They are joined where the head is at
rest, over one picture of rest: from there to the first picture of a movement, and from its last one back, the pixels
are carried along the optical flow between the two pictures. Those few pictures are made; all others are as filmed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from idverify import Verifier
from idverify.challenge import Action
from idverify.challenge.from_track import series_from_track

U8 = NDArray[np.uint8]

SIZE_WH = 360, 480
# A movement begins and ends within this much of rest, and goes out by more than that; degrees.
REST_DEG, OUT_DEG = 9.0, 22.0
SIGNALS = {
    Action.TURN_LEFT: ("yaw_deg", 1), Action.TURN_RIGHT: ("yaw_deg", -1),
    Action.LOOK_UP: ("pitch_deg", 1), Action.LOOK_DOWN: ("pitch_deg", -1),
}  # fmt: skip
# Pictures of the way between rest and a movement; how far from a movement its join may lie, in pictures.
WAY, REACH = 9, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """The pictures as JPEG; which of them show each movement, from rest to rest, and which show rest.

    ``hub`` is the place in ``rest`` where every movement begins and ends.
    """

    pictures: tuple[bytes, ...] = field(repr=False)
    fps: float
    takes: dict[str, list[int]] = field(repr=False)
    rest: list[int] = field(repr=False)
    hub: int

    @property
    def movements(self) -> set[str]:
        """What it can answer."""
        return set(self.takes)

    def script(self, source: str, *, answer: dict[str, str] | None = None) -> str:
        """The camera's script; `answer` says which movement is shown in place of which."""
        settings = {
            "lengths": [len(picture) for picture in self.pictures], "fps": self.fps, "takes": self.takes,
            "rest": self.rest, "hub": self.hub, "size": SIZE_WH, "answer": answer or {},
        }  # fmt: skip
        return source.replace("__SCRIPT__", json.dumps(settings))


def cut(clip: Path) -> Footage:
    """Find the movements of a clip in which somebody turns, raises and lowers the head, beginning at rest."""
    pictures, at = _filmed(clip)
    series = series_from_track(Verifier().observe(clip).subject.track, picture_width_px=SIZE_WH[0])
    pose = {
        name: np.interp(at, series.times_s, getattr(series, name) - np.median(getattr(series, name)))
        for name in ("yaw_deg", "pitch_deg")
    }
    resting = np.hypot(pose["yaw_deg"], pose["pitch_deg"]) < REST_DEG
    small = [
        cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (90, 120)).astype(np.float32) for picture in pictures
    ]
    rest = list(range(int(next(iter(np.flatnonzero(~resting)), len(at)))))
    hub = rest[len(rest) // 2]

    def nearest(among: NDArray[np.intp]) -> int:
        return int(min(among, key=lambda i: float(np.abs(small[i] - small[hub]).mean())))

    takes = {}
    for action, (name, sign) in SIGNALS.items():
        peak = int(np.argmax(sign * pose[name]))
        before, after = np.flatnonzero(resting[:peak]), peak + np.flatnonzero(resting[peak:])
        if sign * pose[name][peak] > OUT_DEG and before.size and after.size:
            first = nearest(before[before >= before[-1] - REACH])
            last = nearest(after[after <= after[0] + REACH])
            ways = [*_way(pictures[hub], pictures[first]), *_way(pictures[last], pictures[hub])]
            made = range(len(pictures), len(pictures) + 2 * WAY)
            pictures += ways
            takes[action.value] = [*made[:WAY], *range(first, last + 1), *made[WAY:]]
    encoded = tuple(
        cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes() for picture in pictures
    )
    return Footage(pictures=encoded, fps=(len(at) - 1) / float(at[-1]), takes=takes, rest=rest, hub=rest.index(hub))


def _filmed(clip: Path) -> tuple[list[U8], NDArray[np.float64]]:
    """Pictures, upright and of the camera's size, and when they were taken, from 0 s."""
    pictures, times = [], []
    with av.open(str(clip)) as source:
        for frame in source.decode(video=0):
            upright = np.asarray(frame.to_image().rotate(frame.rotation, expand=True))
            pictures.append(cv2.resize(upright, SIZE_WH, interpolation=cv2.INTER_AREA))
            times.append(frame.time)
    return pictures, np.asarray(times) - times[0]


def _way(one: U8, other: U8) -> list[U8]:
    """Pictures between two, without them."""
    greys = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (one, other)]
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    there, back = flow.calc(*greys, None), flow.calc(*greys[::-1], None)
    return [_between(one, other, there, back, t * t * (3 - 2 * t)) for t in np.arange(1, WAY + 1) / (WAY + 1)]


def _between(one: U8, other: U8, there: NDArray[np.float32], back: NDArray[np.float32], part: float) -> U8:
    y, x = np.mgrid[: one.shape[0], : one.shape[1]].astype(np.float32)
    carried = [
        cv2.remap(
            picture,
            x - share * flow[..., 0],
            y - share * flow[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for picture, flow, share in ((one, there, np.float32(part)), (other, back, np.float32(1 - part)))
    ]
    return cv2.addWeighted(carried[0], 1 - part, carried[1], part, 0)

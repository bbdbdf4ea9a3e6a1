"""Real footage of one person, cut into the movements that it shows."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from idverify import Verifier
from idverify.challenge import Action
from idverify.challenge.from_track import series_from_track

# A movement begins and ends within this much of rest, and goes out by more than that; degrees.
REST_DEG, OUT_DEG = 9.0, 22.0
SIGNALS = {
    Action.TURN_LEFT: ("yaw_deg", 1), Action.TURN_RIGHT: ("yaw_deg", -1),
    Action.LOOK_UP: ("pitch_deg", 1), Action.LOOK_DOWN: ("pitch_deg", -1),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """The pictures, upright, as JPEG; the first and the last one of each movement and of rest."""

    pictures: tuple[bytes, ...] = field(repr=False)
    fps: float
    takes: dict[str, tuple[int, int]]

    @property
    def movements(self) -> set[str]:
        """What it can answer."""
        return set(self.takes) - {"rest"}

    def script(self, source: str, *, answer: dict[str, str] | None = None) -> str:
        """The camera's script; `answer` says which movement is shown in place of which."""
        settings = {
            "count": len(self.pictures), "fps": self.fps, "takes": self.takes, "answer": answer or {},
        }  # fmt: skip
        return source.replace("__SCRIPT__", json.dumps(settings))


def cut(clip: Path) -> Footage:
    """Find the movements of a clip in which somebody turns, raises and lowers the head."""
    series = series_from_track(Verifier().observe(clip).subject.track, picture_width_px=480)
    pictures, times = [], []
    with av.open(str(clip)) as source:
        for frame in source.decode(video=0):
            image = frame.to_image().rotate(frame.rotation, expand=True)
            encoded = io.BytesIO()
            image.save(encoded, "JPEG", quality=92)
            pictures.append(encoded.getvalue())
            times.append(frame.time)
    at = np.asarray(times) - times[0]
    pose = {
        name: np.interp(at, series.times_s, getattr(series, name) - np.median(getattr(series, name)))
        for name in ("yaw_deg", "pitch_deg")
    }
    resting = np.hypot(pose["yaw_deg"], pose["pitch_deg"]) < REST_DEG
    takes = {}
    for action, (name, sign) in SIGNALS.items():
        peak = int(np.argmax(sign * pose[name]))
        before, after = np.flatnonzero(resting[:peak]), np.flatnonzero(resting[peak:])
        if sign * pose[name][peak] > OUT_DEG and before.size and after.size:
            takes[action.value] = (int(before[-1]), peak + int(after[0]))
    takes["rest"] = (0, int(next(iter(np.flatnonzero(~resting)), len(at))) - 1)
    return Footage(pictures=tuple(pictures), fps=(len(at) - 1) / float(at[-1]), takes=takes)

"""What moves an animated face: a script, the answer to a challenge, or another person's recorded movements.

Goal: one question, how head and face are held at a time, and three ways to answer it.

Conventions: angles and signs as in :mod:`idverify.simulation.head_cage`; times in seconds from the first picture.

Public items: :class:`Driver`, :class:`Script`, :class:`Answer`, :class:`Reenactment`, :func:`recorded`,
:func:`similarities`.

Sources: Kwon et al. 2013, doi:10.1098/rsif.2013.0227 (blinks: about 0.1 s to close, 0.2 s to open); Umeyama 1991,
doi:10.1109/34.88573 (similarity between point sets); Bahill et al. 1975, doi:10.1016/0025-5564(75)90075-9 (saccades).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.simulation.asked import Asked
from idverify.simulation.faces import Eyes, Locate
from idverify.simulation.head_cage import Moment, rotation
from idverify.simulation.landmark_sets import LOWER_LIP, OVAL, STIFF, UPPER_LIP
from idverify.simulation.source import Shot

__all__ = ["Answer", "Driver", "Recorded", "Reenactment", "Script", "recorded", "similarities"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_CLOSING_S, _OPENING_S = 0.1, 0.2
# Lid distance over eye width of a shut eye, as eye contours show it.
_SHUT = 0.10


# Standard deviation of the lips' distance over the face's width: 0.018 and 0.028 in two clips of people who speak,
# 0.002 to 0.004 in three of people who are silent.
_SPEAKS = 0.012
# A driver's head is followed to about here.
_MOST_TURN_DEG = 24.0


class Driver(Protocol):
    """Says how a face is held."""

    def at(self, time_s: float) -> Moment:
        """The moment at a time."""


class _Waves:
    """A smooth random signal of unit size, a function of time alone."""

    def __init__(self, rng: np.random.Generator, low_hz: float, high_hz: float, columns: int, waves: int = 5) -> None:
        self._hz = np.geomspace(low_hz, high_hz, waves) * rng.uniform(0.8, 1.25, (columns, waves))
        size = rng.normal(size=(columns, waves)) / np.sqrt(self._hz)
        self._size = size / np.maximum(np.linalg.norm(size, axis=1, keepdims=True), 1e-9) * np.sqrt(2)
        self._phase = rng.uniform(0, 2 * np.pi, (columns, waves))

    def at(self, time_s: float) -> F64:
        return np.asarray((self._size * np.sin(2 * np.pi * self._hz * time_s + self._phase)).sum(axis=1))


class Script:
    """Movements drawn at random: sway, nods with speech, blinks, glances, syllables.

    Parameters
    ----------
    duration_s : float
    rng : numpy.random.Generator
    turn : float
        Size of head movements; 1 is calm.
    speech : float in [0, 1]
        How far the mouth opens; 0 keeps it shut.
    blinks_hz : float
        Blinks per second; 0 is none, else there is at least one.
    gaze : float
        Size of glances; 1 is usual.
    brows : float
        Size of movements of the brows and the corners of the mouth; 1 is usual.
    """

    def __init__(
        self, duration_s: float, rng: np.random.Generator, *, turn: float, speech: float, blinks_hz: float,
        gaze: float, brows: float,
    ) -> None:  # fmt: skip
        self._turn, self._speech, self._gaze, self._brows = turn, speech, gaze, brows
        self._head = _Waves(rng, 0.12, 1.2, 6)
        self._face = _Waves(rng, 0.2, 1.5, 3)
        self._syllables = _Waves(rng, 2.0, 5.5, 2, waves=4)
        self._phrase = _Waves(rng, 0.25, 0.7, 1, waves=2)
        gaps = rng.uniform(0.5, 1.5, 64) / max(blinks_hz, 1e-3)
        self._blinks_s = np.cumsum(gaps) - gaps[0] * rng.uniform(0.2, 0.8)
        self._blinks_s[0] = min(self._blinks_s[0], 0.6 * duration_s)
        self._deep = np.where(blinks_hz > 0, rng.uniform(0.85, 1.0, 64), 0.0)
        self._slow = rng.uniform(0.8, 1.4, 64)
        self._apart = rng.uniform(-0.02, 0.02)
        # The eyes jump and rest.
        self._jumps_s = np.cumsum(rng.exponential(0.7, 128))
        self._looks = rng.normal(size=(129, 2)) * (0.035, 0.015)

    def at(self, time_s: float) -> Moment:
        """The moment at a time."""
        yaw, pitch, roll, x, y, z = self._head.at(time_s)
        mouth = self._mouth(time_s)
        # People nod as they speak.
        pitch_deg = self._turn * (2.2 * pitch - 1.5 * mouth)
        brow, smile, _ = self._face.at(time_s) * self._brows
        gaze = self._looks[int(np.searchsorted(self._jumps_s, time_s))] * self._gaze
        return Moment(
            turn=rotation(self._turn * 3.2 * yaw, pitch_deg, self._turn * 1.4 * roll),
            shift_xy=(self._turn * 0.03 * x, self._turn * 0.018 * y),
            nearer=1 + self._turn * 0.014 * z,
            body_xy=(self._turn * 0.012 * x, self._turn * 0.006 * y),
            closed=(self._closed(time_s), self._closed(time_s + self._apart)),
            gaze_xy=(float(gaze[0]), float(gaze[1])),
            jaw=mouth,
            smile=0.25 * smile + 0.5 * self._speech * float(self._syllables.at(time_s)[1]) * min(1.0, 4 * mouth),
            brows=0.4 * max(0.0, brow),
        )

    def _closed(self, time_s: float) -> float:
        since = (time_s - self._blinks_s) / self._slow
        shut = np.minimum(since / _CLOSING_S, 1 - (since - _CLOSING_S - 0.03) / _OPENING_S).clip(0, 1)
        x = float((shut * self._deep).max())
        return x * x * (3 - 2 * x)

    def _mouth(self, time_s: float) -> float:
        a, _ = self._syllables.at(time_s)
        phrase = float(np.clip(0.6 + self._phrase.at(time_s)[0], 0, 1))
        return 0.6 * self._speech * float(np.clip(0.3 + 0.4 * a, 0, 1)) * phrase


# What each movement of a challenge does, in full: yaw, pitch in degrees; jaw; smile; logarithm of the distance.
_ANSWERS = {
    "turn_left": ("yaw", 44.0),
    "turn_right": ("yaw", -44.0),
    "look_up": ("pitch", 24.0),
    "look_down": ("pitch", -24.0),
    "open_mouth": ("jaw", 1.6),
    "smile": ("smile", 1.5),
    "come_closer": ("nearer", 0.47),
    "move_back": ("nearer", -0.47),
}


class Answer:
    """A script that does what a challenge asks for, as a person would who reads it off a screen.

    Parameters
    ----------
    steps : sequence of Asked
    idle : Driver
        What happens besides.
    rng : numpy.random.Generator
    reach : float
        Size of the movements; 1 is what is asked for.
    """

    def __init__(self, steps: Sequence[Asked], idle: Driver, rng: np.random.Generator, *, reach: float) -> None:
        self._idle = idle
        self._reach = reach
        self._steps = []
        for step in steps:
            length = step.end_s - step.start_s
            begin = step.start_s + float(rng.uniform(0.1, 0.22)) * length
            end = step.start_s + float(rng.uniform(0.72, 0.88)) * length
            self._steps.append((step.what, begin, end, float(rng.uniform(0.9, 1.15))))

    def at(self, time_s: float) -> Moment:
        """The moment at a time."""
        idle = self._idle.at(time_s)
        sums = {"yaw": 0.0, "pitch": 0.0, "jaw": 0.0, "smile": 0.0, "nearer": 0.0}
        shut = 0.0
        for what, begin, end, size in self._steps:
            if what == "blink_twice":
                shut = max(shut, *(_blink(time_s - begin - gap) for gap in (0.15, 0.75)))
            elif what in _ANSWERS and begin < time_s < end:
                channel, full = _ANSWERS[what]
                sums[channel] += full * size * self._reach * _held(time_s, begin, end)
        # Who follows an instruction keeps still otherwise: no speech over a movement.
        busy = any(begin - 0.2 < time_s < end + 0.2 for _, begin, end, _ in self._steps)
        return replace(
            idle,
            turn=rotation(sums["yaw"], sums["pitch"], 0.0) @ idle.turn,
            nearer=idle.nearer * float(np.exp(sums["nearer"])),
            closed=(shut, shut) if busy else idle.closed,
            jaw=sums["jaw"] + (0.0 if busy else idle.jaw),
            smile=sums["smile"] + (0.0 if busy else idle.smile),
        )


def _held(time_s: float, begin_s: float, end_s: float) -> float:
    """There, for a while, and back."""
    ramp = min(0.7, 0.35 * (end_s - begin_s))
    x = float(np.clip(min(time_s - begin_s, end_s - time_s) / ramp, 0, 1))
    return x * x * (3 - 2 * x)


def _blink(since_s: float) -> float:
    x = float(np.clip(min(since_s / 0.12, 1 - (since_s - 0.22) / 0.18), 0, 1))
    return x * x * (3 - 2 * x)


class Recorded(NamedTuple):
    """Another person's movements.

    Parameters
    ----------
    times_s : float64 [shape=(n,)]
    meshes : float64 [shape=(n, 468, 3)]
    openings : float64 [shape=(n, 2)]
        Lid distance over eye width, right and left.
    """

    times_s: F64
    meshes: F64
    openings: F64


def recorded(shots: Iterable[Shot], locate: Locate, eyes: Eyes) -> Recorded | None:
    """Follow a face through a clip; None where there are fewer than ten pictures of it."""
    times, meshes, openings = [], [], []
    for shot in shots:
        mesh = locate(shot.image_rgb)
        if mesh is not None:
            times.append(shot.time_s)
            meshes.append(mesh.astype(np.float64))
            openings.append(eyes(shot.image_rgb, mesh))
    if len(times) < 10:
        return None
    return Recorded(np.array(times) - times[0], np.stack(meshes), np.stack(openings))


class Reenactment:
    """A driver's head and face, point by point, in another's place.

    Parameters
    ----------
    driver : Recorded
    turn : float
        Size of head movements over the driver's.
    expression : float
        Size of movements of the face over the driver's.
    """

    def __init__(self, driver: Recorded, *, turn: float, expression: float) -> None:
        self._expression = expression
        meshes = _smoothed(driver.meshes)
        neutral = int(np.abs(meshes - np.median(meshes, axis=0)).mean(axis=(1, 2)).argmin())
        rest = meshes[neutral]
        turns, self._scales, shifts = similarities(rest[STIFF], meshes[:, STIFF])
        # A photo shows one side of a head: turned further than that it tears.
        axes = np.stack([cv2.Rodrigues(one)[0][:, 0] for one in turns])
        angle = np.maximum(np.linalg.norm(axes, axis=1, keepdims=True), 1e-9)
        most = np.radians(_MOST_TURN_DEG)
        self._axes = axes / angle * most * np.tanh(turn * angle / most)
        face_px = float(np.linalg.norm(rest[OVAL[9], :2] - rest[OVAL[27], :2]))
        pivot = rest[OVAL].mean(axis=0)
        back = np.einsum("nij,nkj->nki", turns.transpose(0, 2, 1), meshes - shifts[:, None])
        self._offsets = (back / self._scales[:, None, None] - rest) / face_px
        lips = np.linalg.norm(meshes[:, LOWER_LIP[5], :2] - meshes[:, UPPER_LIP[5], :2], axis=1)
        gap = lips / self._scales / face_px
        self.speaks = bool(gap.std() > _SPEAKS)
        """Whether the driver's mouth moves much."""
        # What rotation about the stiff points' middle does to the pivot is no shift of the head.
        moved = self._scales[:, None] * np.einsum("nij,j->ni", turns, pivot) + shifts - pivot
        self._shifts = moved[:, :2] / face_px
        open_eye = np.maximum(np.percentile(driver.openings, 75, axis=0), _SHUT + 0.05)
        shut = np.minimum(np.percentile(driver.openings, 2, axis=0), _SHUT + 0.02)
        self._closed = np.clip((0.85 * open_eye - driver.openings) / np.maximum(0.85 * open_eye - shut, 0.05), 0, 1)
        self._times = driver.times_s

    def at(self, time_s: float) -> Moment:
        """The moment at a time; the movements run backwards when they end."""
        end = float(self._times[-1])
        phase = time_s % (2 * end)
        at = phase if phase <= end else 2 * end - phase
        index = int(np.clip(np.searchsorted(self._times, at), 1, len(self._times) - 1))
        before, after = self._times[index - 1], self._times[index]
        share = float((at - before) / max(after - before, 1e-6))

        def mix(rows: F64) -> F64:
            return np.asarray(rows[index - 1] * (1 - share) + rows[index] * share)

        x, y = mix(self._shifts)
        right, left = mix(self._closed)
        return Moment(
            turn=cv2.Rodrigues(mix(self._axes))[0],
            shift_xy=(float(x), float(y)),
            nearer=float(mix(self._scales)),
            body_xy=(0.4 * float(x), 0.3 * float(y)),
            closed=(float(right), float(left)),
            offsets=self._expression * mix(self._offsets),
        )


def _smoothed(meshes: F64) -> F64:
    """Half of the tracker's jitter taken away [shape=(n, 468, 3)]."""
    padded = np.concatenate([meshes[:1], meshes, meshes[-1:]])
    return np.asarray(0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:])


def similarities(rest: F64, points: F64) -> tuple[F64, F64, F64]:
    """The turn, scale and shift that bring one set of points onto each of others.

    Parameters
    ----------
    rest : float64 [shape=(k, 3)]
    points : float64 [shape=(n, k, 3)]

    Returns
    -------
    turns : float64 [shape=(n, 3, 3)]
    scales : float64 [shape=(n,)]
    shifts : float64 [shape=(n, 3)]
    """
    a, b = rest - rest.mean(axis=0), points - points.mean(axis=1, keepdims=True)
    u, singular, vt = np.linalg.svd(np.einsum("nki,kj->nij", b, a))
    sign = np.ones((len(points), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    turns = (u * sign[:, None]) @ vt
    scales = (singular * sign).sum(axis=1) / (a**2).sum()
    shifts = points.mean(axis=1) - scales[:, None] * np.einsum("nij,j->ni", turns, rest.mean(axis=0))
    return turns, scales, shifts

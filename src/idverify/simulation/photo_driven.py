"""One photo brought to life as well as ordinary software can: by a script, another's movements, or a challenge.

Goal: the bar that liveness has to pass. A photo hung on a head in space, with lids, a mouth that has an inside, light
that follows the shape, a pulse, a hand that shakes, and a camera's grain over all. Every effect is a parameter that can
be switched off, and each is drawn from the seed, so that what is fitted on these takes does not fit one of them.

Public items: :func:`photo_driven`, :func:`answer_forged`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.errors import ParameterError
from idverify.simulation.drivers import Answer, Driver, Reenactment, Script, recorded
from idverify.simulation.faces import require_face
from idverify.simulation.head_cage import Cage, Moment
from idverify.simulation.isp import Isp, drawn_look
from idverify.simulation.layers import taken_apart
from idverify.simulation.lids import LID_PAINTERS, Eye
from idverify.simulation.lighting import Drift, Pulse, Shading, movement
from idverify.simulation.mouths import MouthInterior
from idverify.simulation.optics import smear
from idverify.simulation.scene import Pose, Sway
from idverify.simulation.source import Encoding, Setup, Shot, Take
from idverify.simulation.warps import SmoothWarp, TriangleWarp, Warp

__all__ = ["answer_forged", "photo_driven"]

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_DEFAULT_WH = (480, 640)
# The view is this much narrower than the canvas, so that a shaking hand uncovers no edge.
_OVERSCAN = 1.06
# Light of a screen over the room's at the face; about a quarter of it reaches the wall behind.
_BEHIND = 0.12


def photo_driven(
    setup: Setup,
    rng: np.random.Generator,
    *,
    turn: float | None = None,
    speech: float | None = None,
    blinks_hz: float | None = None,
    gaze: float | None = None,
    brows: float | None = None,
    depth: float | None = None,
    layers: float | None = None,
    smooth: float | None = None,
    lids: float | None = None,
    teeth: float | None = None,
    light: float | None = None,
    relief: float | None = None,
    sheen: float | None = None,
    pulse: float | None = None,
    shake: float | None = None,
    detail: float | None = None,
    grain: float | None = None,
    sharpen: float | None = None,
    shrink: float | None = None,
    wander: float | None = None,
    share: float | None = None,
    drift: float = 0.0,
    free: float = 0.0,
    start: float = 0.0,
) -> Take:
    """A photo driven in 3-D by a script, or by the movements of `other`'s clip.

    Parameters
    ----------
    turn : float
        Head movement: 0 none, 1 calm; of a driver's clip, 1 is as it was.
    speech : float in [0, 1]
        How far the mouth opens; 0 keeps it shut. Of a driver's clip, how much of its expression is taken.
    blinks_hz : float
        Blinks per second of the script; 0 is none.
    gaze : float
        Size of glances; 0 none, 1 usual.
    brows : float
        Movement of the brows and the corners of the mouth; 0 none, 1 usual.
    depth : float
        Depth of the face over its own: 0 is a flat card, 1 as the mesh says.
    layers : float
        0: one sheet; 1: the person is cut out before a background that is filled in.
    smooth : float
        0: triangles with hidden surfaces removed; 1: one smooth field.
    lids : float
        0: lids of stretched skin; 1: lids painted and slid down.
    teeth : float in [0, 1]
        How much of the upper teeth shows in the open mouth.
    light : float
        Share of the light that has a direction; 0 keeps the photo's shading.
    relief : float
        How much folds change their shade as the head turns.
    sheen : float
        Strength of a highlight that moves over the face.
    pulse : float
        Amplitude of the pulse in green, percent of the brightness.
    shake : float
        Movement of the camera: 0 a tripod, 1 a calm hand.
    detail : float
        Sharpness and pores added to a photo that is enlarged.
    grain : float
        Noise of the camera at middle grey, 8-bit codes; 0 is none.
    sharpen : float
        Sharpening in the camera.
    shrink : float
        Size of the camera's sensor over size of the picture; 1 is no resizing.
    wander : float
        Drift of exposure and white balance.
    share : float
        Width of the face over the picture.
    drift : float
        How much the skin's shade comes and goes by itself, percent of the brightness; 0 is none.
    free : float
        0: such shade is slow and in spots; above: of any size and pace, and in part as the face moves.
    start : float
        Seconds of the driver's clip that are left out.
    """
    drawn = _Drawn(rng)
    film = _Film(
        setup,
        rng,
        depth=drawn(depth, 0.8, 1.3),
        layers=drawn.choice(layers, 0, 1, 1),
        smooth=drawn.choice(smooth, 0, 1),
        lids=drawn.choice(lids, 0, 1),
        teeth=drawn(teeth, 0.3, 1.0),
        light=drawn(light, 0.1, 0.5),
        relief=drawn(relief, 0.0, 1.5),
        sheen=drawn(sheen, 0.0, 0.12),
        pulse=drawn(pulse, 0.2, 0.9),
        shake=drawn(shake, 0.2, 1.2),
        detail=drawn(detail, 0.2, 1.0),
        grain=grain,
        sharpen=sharpen,
        shrink=shrink,
        wander=wander,
        share=drawn(share, 0.34, 0.52),
        drift=drift,
        free=free,
    )
    head, mouth = drawn(turn, 0.9, 2.4), drawn(speech, 0.3, 0.9)
    hz, look, expression = drawn(blinks_hz, 0.3, 0.8), drawn(gaze, 0.3, 1.5), drawn(brows, 0.3, 1.2)
    script: Driver = Script(setup.duration_s, rng, turn=head, speech=mouth, blinks_hz=hz, gaze=look, brows=expression)
    if setup.other is not None and not setup.other.is_photo:
        shots = (shot for shot in setup.other.shots_until(start + setup.duration_s) if shot.time_s >= start)
        driver = recorded(shots, setup.locate, setup.eyes)
        if driver is None:
            raise ParameterError("the driver's clip shows no face that can be followed")
        own = Reenactment(driver, turn=1.0 if turn is None else turn, expression=1.0 if speech is None else speech)
        script = _Helped(own, script)
    return film.take(script)


def answer_forged(
    setup: Setup,
    rng: np.random.Generator,
    *,
    reach: float | None = None,
    screen: float | None = None,
    depth: float | None = None,
    layers: float | None = None,
    smooth: float | None = None,
    lids: float | None = None,
    teeth: float | None = None,
    light: float | None = None,
    relief: float | None = None,
    sheen: float | None = None,
    pulse: float | None = None,
    shake: float | None = None,
    detail: float | None = None,
    grain: float | None = None,
    sharpen: float | None = None,
    shrink: float | None = None,
    wander: float | None = None,
    share: float | None = None,
) -> Take:
    """A photo that answers a challenge: its movements at their times, and the screen's colours on the skin.

    Parameters
    ----------
    reach : float
        Size of the movements over what is asked for.
    screen : float
        Light of the screen over the room's, on the face; 0 is none.
    depth, layers, smooth, lids, teeth, share : float
        As for `photo_driven`.
    light, relief, sheen, pulse, shake, detail, grain, sharpen, shrink, wander : float
        As for `photo_driven`.
    """
    asked = setup.asked()
    drawn = _Drawn(rng)
    film = _Film(
        setup, rng, depth=drawn(depth, 0.9, 1.3), layers=drawn.choice(layers, 0, 1, 1, 1),
        smooth=drawn.choice(smooth, 0, 1), lids=drawn.choice(lids, 0, 1), teeth=drawn(teeth, 0.3, 1.0),
        light=drawn(light, 0.1, 0.5), relief=drawn(relief, 0.0, 1.5), sheen=drawn(sheen, 0.0, 0.12),
        pulse=drawn(pulse, 0.2, 0.9), shake=drawn(shake, 0.2, 1.0), detail=drawn(detail, 0.2, 1.0), grain=grain,
        sharpen=sharpen, shrink=shrink, wander=wander, share=drawn(share, 0.3, 0.42),
    )  # fmt: skip
    idle = Script(
        asked.duration_s, rng, turn=float(rng.uniform(0.4, 0.9)), speech=0.0, blinks_hz=float(rng.uniform(0.1, 0.3)),
        gaze=float(rng.uniform(0.2, 0.8)), brows=float(rng.uniform(0.2, 0.7)),
    )  # fmt: skip
    answer = Answer(asked.steps, idle, rng, reach=drawn(reach, 0.85, 1.15))
    strength, late = drawn(screen, 0.12, 0.35), float(rng.uniform(0.05, 0.3))

    def colour(time_s: float) -> F64:
        # The screen changes within a frame or two, exposure follows.
        mix = np.mean([asked.colour_at(time_s - late - lag) for lag in (0.0, 0.03, 0.06)], axis=0)
        return np.asarray(strength * mix)

    return film.take(answer, screen=colour if asked.light else None, duration_s=asked.duration_s)


class _Drawn:
    """Parameters: what is given, or drawn."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def __call__(self, given: float | None, low: float, high: float) -> float:
        # Drawn in any case, so that giving one parameter leaves the others as they were.
        value = float(self._rng.uniform(low, high))
        return value if given is None else given

    def choice(self, given: float | None, *options: float) -> float:
        value = float(self._rng.choice(options))
        return value if given is None else given


class _Helped:
    """A driver's movements, and from a script what a mesh does not hold (glances) or this driver did not do."""

    def __init__(self, driver: Reenactment, script: Driver) -> None:
        self._driver, self._script = driver, script

    def at(self, time_s: float) -> Moment:
        own, help_ = self._driver.at(time_s), self._script.at(time_s)
        right, left = (max(pair) for pair in zip(own.closed, help_.closed, strict=True))
        jaw = 0.0 if self._driver.speaks else help_.jaw
        return replace(own, gaze_xy=help_.gaze_xy, closed=(right, left), jaw=jaw)


class _Film:
    """The photo, ready to be driven and filmed."""

    def __init__(
        self, setup: Setup, rng: np.random.Generator, *, depth: float, layers: float, smooth: float, lids: float,
        teeth: float, light: float, relief: float, sheen: float, pulse: float, shake: float, detail: float,
        grain: float | None, sharpen: float | None, shrink: float | None, wander: float | None, share: float,
        drift: float = 0.0, free: float = 0.0,
    ) -> None:  # fmt: skip
        self._setup = setup
        self._size_wh = size_wh = setup.canvas_wh(_DEFAULT_WH)
        photo = setup.source.still()
        mesh = require_face(setup.locate, photo, "the photo")
        apart = taken_apart(photo, mesh, size_wh, rng, share=share, detail=detail, cut=layers > 0)
        self._image, self._matte, self._background = apart.image, apart.matte, apart.background
        points = apart.mesh[:, :2].astype(np.float64)
        self._cage = Cage(
            apart.mesh, size_wh, depth=depth, distance=float(rng.uniform(3.0, 6.0)), sheet=apart.matte is None
        )
        warp = SmoothWarp if smooth > 0 else TriangleWarp
        self._warp: Warp = warp(self._cage.points, size_wh)
        painter = tuple(LID_PAINTERS)[int(lids > 0)]
        self._eyes = [Eye(self._image, points, side, painter, rng) for side in (0, 1)]
        self._mouth = MouthInterior(self._image, points, rng, teeth=teeth)
        self._shading = Shading(self._image, self._cage.points, apart.mesh, relief=relief)
        self._light, self._sheen = light, sheen
        self._lamp = np.array([*rng.uniform([-0.8, -1.0], [0.8, -0.1]), -1.0])
        self._lamp_hz, self._lamp_phase = rng.uniform(0.05, 0.3, 2), rng.uniform(0, 2 * np.pi, 2)
        self._pulse = Pulse(self._shading, pulse, rng) if pulse > 0 else None
        self._shake = Sway(Pose(), shake, rng, fast_hz=2.0)
        self._parallax = float(rng.uniform(0.5, 0.9))
        self._exposure_s = float(rng.uniform(0.004, 0.025))
        look = drawn_look(rng, grain=grain, sharpen=sharpen, shrink=shrink, wander=wander)
        self._isp = Isp(size_wh, look, rng)
        # Drawn last, so that it leaves all else as it is without it.
        self._drift = Drift(self._image, apart.mesh, drift, rng, free=free > 0) if drift > 0 else None

    def take(
        self, driver: Driver, *, screen: Callable[[float], F64] | None = None, duration_s: float | None = None
    ) -> Take:
        """The take; it lasts as long as the setup says, or as long as an answer needs."""
        setup = self._setup if duration_s is None else replace(self._setup, duration_s=duration_s)
        shots = (Shot(time_s, self._shot(driver, time_s, screen)) for time_s in setup.camera_times())
        return Take(shots=shots, encoding=Encoding(nominal_rate_hz=setup.rate_hz))

    def _shot(self, driver: Driver, time_s: float, screen: Callable[[float], F64] | None) -> U8:
        moment = driver.at(time_s)
        photo = self._painted(moment)
        seen = self._cage.posed(moment)
        self._relit(photo, moment, time_s, seen)
        colour = None if screen is None else screen(time_s)
        if colour is not None:
            self._lit_by_screen(photo, moment, colour)
        view = self._view(time_s, 1.0)
        nose = seen[4, :2]
        seen[:, :2] = _through(view, seen[:, :2])
        reading = self._warp.reading(seen)
        scene = cv2.remap(photo, reading, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        self._mouth.fill(scene, seen)
        if self._matte is not None and self._background is not None:
            cover = cv2.remap(self._matte, reading, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)[..., None]
            behind = cv2.warpAffine(
                self._background, self._view(time_s, self._parallax), self._size_wh, flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REFLECT_101,
            )  # fmt: skip
            if colour is not None:
                behind = behind * (1 + _BEHIND * colour.astype(np.float32)) ** np.float32(1 / 2.2)
            scene = behind + cover * (scene - behind)
        later = _through(self._view(time_s + self._exposure_s, 1.0), nose[None])[0]
        return self._isp.take(np.asarray(smear(scene, later - _through(view, nose[None])[0])), time_s)

    def _painted(self, moment: Moment) -> F32:
        """The photo with lids lowered and eyes turned."""
        photo = self._image.copy()
        for eye, closed in zip(self._eyes, moment.closed, strict=True):
            photo[eye.box] = eye.at(closed, moment.gaze_xy)
        return photo

    def _relit(self, photo: F32, moment: Moment, time_s: float, seen: F64) -> None:
        """Shading, pulse and drifting shade, in place."""
        part = photo[self._shading.box]
        if self._light > 0 or self._sheen > 0:
            moved = self._lamp.copy()
            moved[:2] += 0.25 * np.sin(2 * np.pi * self._lamp_hz * time_s + self._lamp_phase)
            lamps = (moment.turn.T @ _unit(moved), _unit(self._lamp))
            part *= self._shading.gain(*lamps, self._light, self._sheen)[..., None]
        if self._pulse is not None:
            part *= self._pulse.gain(time_s)
        if self._drift is not None:
            photo[self._drift.box] *= self._drift.gain(time_s, movement(seen))[..., None]

    def _lit_by_screen(self, photo: F32, moment: Moment, colour: F64) -> None:
        """The screen's light on all that is near, most on what faces it, in place."""
        near = np.float32(0.45) * colour.astype(np.float32)
        facing = np.clip(self._shading.lambert(moment.turn.T @ np.array([0.0, 0.1, -1.0])), 0.1, 1)
        field = np.float32(0.3) + np.zeros(photo.shape[:2], np.float32)
        mask = self._shading.mask
        field[self._shading.box] += mask * (facing - np.float32(0.3))
        gain = 1 + field[..., None] * (colour.astype(np.float32) + near)
        # Light adds in linear light: the gain of codes is its root.
        photo *= gain ** np.float32(1 / 2.2)

    def _view(self, time_s: float, parallax: float) -> F64:
        """From the canvas to the picture as the hand frames it [shape=(2, 3)]."""
        pose = self._shake.at(time_s)
        width, height = self._size_wh
        turn = np.radians(pose.roll)
        scale = _OVERSCAN * pose.scale
        linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        middle = np.array([width, height]) / 2
        shift = middle + parallax * np.array([pose.x, pose.y]) * width - linear @ middle
        return np.column_stack([linear, shift])


def _through(view: F64, points: F64) -> F64:
    return np.asarray(points @ view[:, :2].T + view[:, 2])


def _unit(vector: F64) -> F64:
    return np.asarray(vector / np.linalg.norm(vector))

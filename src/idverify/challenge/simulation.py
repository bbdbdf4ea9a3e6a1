"""Made-up answers to a challenge, for drills, tests and benchmarks.

Goal: the time series that an honest person would give, with the unevenness of people, cameras and
landmarks: late starts, small and large movements, frames that come unevenly or not at all, sway, drift,
blinks of their own accord, movements that drag others along. Simulated, and no evidence about real people.

Conventions: as in :mod:`idverify.challenge.answer`; sizes refer to
:data:`idverify.challenge.movements.NOMINAL`.

Public items: :class:`Behaviour`, :func:`simulate_answer`, :func:`on_a_sheet`.

References
----------
Spontaneous blinks, 17 a minute at rest: Bentivoglio et al., Mov. Disord. 12 (1997),
doi:10.1002/mds.870120629.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from idverify.challenge.actions import TURNS, Action
from idverify.challenge.answer import AnswerSeries
from idverify.challenge.issuing import Challenge, LightStep
from idverify.challenge.movements import NOMINAL
from idverify.challenge.perspective import MAX_AWAY_DEG
from idverify.challenge.solid import DISTANCE

__all__ = ["Behaviour", "on_a_sheet", "simulate_answer"]

Floats = NDArray[np.float64]
Span = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How an answer is given; each span is drawn from uniformly.

    Parameters
    ----------
    delay_s
        From the prompt to the start of the movement.
    amplitude
        Size of each movement, 1 for nominal.
    turn, hold_s
        Size of a turn, 1 for nominal, and how long it is held.
    approach
        Size of a movement towards the camera or away from it, 1 for nominal.
    share
        How much of a head's parallax the tracks show.
    distance
        Of the camera, over an arm's length.
    behind
        How far the background takes part when the face comes closer.
    mouth_change, eye_change
        How much the pictures of mouth and eyes change as they move.
    rate_hz
        Frames per second, one value per recording.
    missing
        Part of the frames that are lost, one value per recording.
    noise
        Scale of the landmark noise, 1 for typical, 0 for none.
    ambient_lux, screen_lux
        Light on the face from the room and from a white screen; their ratio makes the colour response.
    """

    delay_s: Span = (0.2, 1.5)
    amplitude: Span = (0.6, 1.4)
    turn: Span = (0.8, 1.3)
    hold_s: Span = (0.8, 1.6)
    approach: Span = (0.8, 1.4)
    share: Span = (0.6, 1.2)
    distance: Span = (0.5, 1.5)
    behind: Span = (0.0, 0.5)
    mouth_change: Span = (3.0, 9.0)
    eye_change: Span = (0.2, 0.6)
    rate_hz: Span = (10.0, 60.0)
    missing: Span = (0.0, 0.15)
    noise: float = 1.0
    ambient_lux: Span = (100.0, 400.0)
    # A 500 cd/m2 phone of 0.01 m2 at 0.35 m: E = L A / d^2 = 41 lx; laptops give more.
    screen_lux: Span = (30.0, 80.0)


# Sway and landmark noise of the signals (standard deviations, per frame).
_NOISE = {"yaw_deg": 0.8, "pitch_deg": 1.0, "mouth_opening": 0.015, "mouth_width": 0.012, "face_scale": 0.01}
# How far a movement drags other signals along, in nominal excursions of those, either way.
_DRAG = {"yaw_deg": 0.15, "pitch_deg": 0.25, "mouth_opening": 0.1, "mouth_width": 0.15, "face_scale": 0.15}
_SIGN = {
    Action.TURN_LEFT: ("yaw_deg", 1), Action.TURN_RIGHT: ("yaw_deg", -1),
    Action.LOOK_UP: ("pitch_deg", 1), Action.LOOK_DOWN: ("pitch_deg", -1),
    Action.OPEN_MOUTH: ("mouth_opening", 1), Action.SMILE: ("mouth_width", 1),
    Action.COME_CLOSER: ("face_scale", 1), Action.MOVE_BACK: ("face_scale", -1),
}  # fmt: skip


def simulate_answer(challenge: Challenge, rng: np.random.Generator, behaviour: Behaviour | None = None) -> AnswerSeries:
    """Return a simulated honest answer.

    Parameters
    ----------
    challenge
        What to answer.
    rng
        Source of every random choice.
    behaviour
        How to answer it; by default with the full natural jitter.
    """
    how = behaviour or Behaviour()
    times = _frame_times(challenge.duration_s + rng.uniform(0.5, 2.0), rng, how)
    signals = {name: _sway(times, rng, how) * _NOISE[name] / NOMINAL[name] for name in _NOISE}
    closure = _spontaneous_blinks(times, rng) if how.noise else np.zeros_like(times)
    for step in challenge.steps:
        turn, nearer = step.action in TURNS, step.action in (Action.COME_CLOSER, Action.MOVE_BACK)
        reach = how.turn if turn else how.approach if nearer else how.amplitude
        start, size = step.start_s + rng.uniform(*how.delay_s), rng.uniform(*reach)
        if step.action is Action.BLINK_TWICE:
            closure = np.maximum(closure, min(size, 1.0) * _two_blinks(times, start, rng))
            continue
        name, sign = _SIGN[step.action]
        pulse = size * _pulse(times, start, rng, how.hold_s if turn else (0.3, 1.0))
        signals[name] = signals[name] + sign * pulse
        for other, drag in _DRAG.items():
            if other != name and how.noise:
                signals[other] = signals[other] + pulse * rng.uniform(-drag, drag)
    skin, background, parts = _colours(challenge.light, times, rng, how)
    return replace(
        _series(times, signals, closure, rng, how, skin, background),
        skin_parts_rgb=parts,
        skin_parts_place=np.tile(_PLACES.ravel(), (times.size, 1)),
        skin_parts_facing=np.tile(_NORMALS[:, 2], (times.size, 1)) + how.noise * rng.normal(0, 0.03, (times.size, 6)),
    )


def _series(
    times: Floats, signals: dict[str, Floats], closure: Floats, rng: np.random.Generator, how: Behaviour,
    skin: Floats, background: Floats,
) -> AnswerSeries:  # fmt: skip
    """Turn excursions in nominal units into what landmarks would show."""
    yaw = signals["yaw_deg"] * NOMINAL["yaw_deg"] + rng.uniform(-5, 5)
    pitch = signals["pitch_deg"] * NOMINAL["pitch_deg"]
    # The lids follow the gaze: looking down half closes them.
    lids = 0.3 * (1 - NOMINAL["eye_opening"] * closure) * (1 - 0.3 * np.clip(-pitch / 20, 0, 1))
    eyes = lids[:, None] + how.noise * rng.normal(0, 0.012, (times.size, 2))
    scale = rng.uniform(0.12, 0.3) * np.exp(signals["face_scale"] * NOMINAL["face_scale"])
    turned, turn_shown = _turn_shown(times, np.stack([yaw, pitch], axis=1), rng, how)
    grown, perspective, step = _approach_shown(times, scale, np.stack([yaw, pitch], axis=1), rng, how)
    return AnswerSeries(
        times_s=times,
        yaw_deg=yaw,
        pitch_deg=pitch + rng.uniform(-10, 10),
        roll_deg=_sway(times, rng, how),
        eye_opening=np.clip(eyes, 0.0, None),
        mouth_opening=np.clip(signals["mouth_opening"] * NOMINAL["mouth_opening"] + 0.02, 0.0, None),
        mouth_width=rng.uniform(0.7, 0.9) * (1 + signals["mouth_width"] * NOMINAL["mouth_width"]),
        # What landmarks leave of the shortening by a turned head.
        face_scale=scale * np.cos(np.radians(yaw)) ** (how.noise * rng.uniform(0.0, 0.5)),
        skin_rgb=skin,
        background_rgb=background,
        turned_deg=turned,
        turn_shown_deg=turn_shown,
        grown=grown,
        perspective=perspective,
        background_step=step,
        mouth_changed=_changed(
            np.maximum(signals["mouth_opening"], signals["mouth_width"]), how.mouth_change, 1.0, rng, how
        ),
        eyes_changed=_changed(closure, how.eye_change, 0.02, rng, how),
        likeness_llr=np.where(np.abs(yaw) < 18, np.nan, rng.uniform(4, 10) + how.noise * rng.normal(0, 1.5,
        times.size)),
    )


# How long a picture is kept that later ones are compared with (idverify.pad.motion), and the errors of one comparison,
# as 27 clips of people show them where they hardly move (benchmarks/accuracy/challenge_answers.py).
_KEY_S, _TURN_ERROR_DEG = 1.2, (0.4, 2.5)
# Errors of a perspective over that at arm's length: of each picture, and slow ones of the mesh, where nothing moves.
_PERSPECTIVE_ERROR, _MESH_ERROR = (0.03, 0.1), 0.03


def _since_key(times: Floats, values: Floats) -> Floats:
    """Return each value less the one at the last key before it."""
    keys = np.searchsorted(times, np.floor(np.maximum(times - 1e-9, 0.0) / _KEY_S) * _KEY_S)
    return np.asarray(values - values[np.minimum(keys, times.size - 1)])


def _turn_shown(times: Floats, pose: Floats, rng: np.random.Generator, how: Behaviour) -> tuple[Floats, Floats]:
    turned, error = _since_key(times, pose), rng.uniform(*_TURN_ERROR_DEG)
    return turned, rng.uniform(*how.share) * turned + how.noise * error * rng.normal(0, 1, turned.shape)


def _approach_shown(
    times: Floats, scale: Floats, pose: Floats, rng: np.random.Generator, how: Behaviour
) -> tuple[Floats, Floats, Floats]:
    """Return growth of the face, its perspective, and steps of what is behind."""
    grown = scale / np.median(scale) - 1.0
    slow = np.sin(2 * np.pi * (times * rng.uniform(0.1, 0.4) + rng.random()))
    error = _MESH_ERROR * slow + rng.uniform(*_PERSPECTIVE_ERROR) * rng.normal(0, 1, times.size)
    strength = (1.0 + grown) / rng.uniform(*how.distance) + how.noise * error
    away = np.abs(pose - np.median(pose, axis=0)).max(axis=1) > MAX_AWAY_DEG
    step = rng.uniform(*how.behind) * np.diff(np.log(scale), prepend=np.log(scale[0]))
    # Walls without texture, as often as not.
    seen = rng.random() < 0.5
    step = np.where(seen, step + how.noise * rng.normal(0, 0.002, times.size), np.nan)
    return np.where(away, np.nan, grown), np.where(away, np.nan, strength / DISTANCE), step


def _changed(excursion: Floats, span: Span, rest: float, rng: np.random.Generator, how: Behaviour) -> Floats:
    """Return how much a part of the face changes that makes a movement, and a little as well where it makes none."""
    own = np.clip(excursion, 0, 1) * rng.uniform(*span)
    return np.asarray(rest + own + how.noise * rest * np.abs(rng.normal(0, 0.3, len(excursion))))


def _frame_times(length_s: float, rng: np.random.Generator, how: Behaviour) -> Floats:
    """Return uneven frame times, some lost one by one and some in a burst."""
    rate = rng.uniform(*how.rate_hz)
    times = np.arange(0.0, length_s, 1 / rate)
    if how.noise:
        times = times + rng.uniform(-0.3, 0.3, times.size) / rate
    keep = rng.random(times.size) >= rng.uniform(*how.missing)
    burst = rng.uniform(0, length_s)
    keep &= (times < burst) | (times > burst + 0.2 * (how.missing[1] > 0))
    return np.asarray(times[keep] - times[0])


def _pulse(times: Floats, start: float, rng: np.random.Generator, hold_s: Span) -> Floats:
    """Return one movement out and back, 1 at its height."""
    out, hold, back = rng.uniform(0.25, 0.6), rng.uniform(*hold_s), rng.uniform(0.25, 0.6)
    height = np.minimum((times - start) / out, (start + out + hold + back - times) / back)
    ramp = np.clip(height, 0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp))


def _blink(times: Floats, start: float, length_s: float) -> Floats:
    return np.clip(1.5 - 3 * np.abs(times - start - length_s / 2) / length_s, 0, 1)


def _two_blinks(times: Floats, start: float, rng: np.random.Generator) -> Floats:
    second = start + rng.uniform(0.45, 0.8)
    return np.maximum(_blink(times, start, rng.uniform(0.25, 0.4)), _blink(times, second, rng.uniform(0.25, 0.4)))


def _spontaneous_blinks(times: Floats, rng: np.random.Generator) -> Floats:
    # Bentivoglio et al. 1997: 17 blinks a minute at rest.
    starts = rng.uniform(0, times[-1], rng.poisson(17 / 60 * times[-1]))
    return np.asarray(
        np.max([np.zeros_like(times), *(_blink(times, s, rng.uniform(0.12, 0.3)) for s in starts)], axis=0)
    )


def _sway(times: Floats, rng: np.random.Generator, how: Behaviour) -> Floats:
    """Return slow drift plus frame noise, about one standard deviation each."""
    drift = np.sin(2 * np.pi * (times * rng.uniform(0.03, 0.15) + rng.random()))
    return how.noise * (drift + rng.normal(0, 1, times.size))


def _colours(
    light: tuple[LightStep, ...], times: Floats, rng: np.random.Generator, how: Behaviour
) -> tuple[Floats, Floats, Floats]:
    """Return the mean colour of skin, background and parts of the face under room light and the screen."""
    lag = rng.uniform(0.03, 0.25)
    screen = np.zeros((times.size, 3))
    for part in light:
        screen[(times - lag >= part.start_s) & (times - lag < part.end_s)] = part.colour.rgb
    # Room light from warm to neutral (relative red, green, blue), slowly rebalanced by the camera.
    room = np.array([1.0, rng.uniform(0.7, 1.0), rng.uniform(0.4, 1.0)])
    ratio = rng.uniform(*how.screen_lux) / rng.uniform(*how.ambient_lux)
    drift = 1 + how.noise * 0.01 * np.outer(times / max(times[-1], 1.0), rng.normal(0, 1, 3))
    exposure = np.exp(how.noise * 0.05 * _sway(times, rng, Behaviour(noise=0.3)))[:, None]

    def seen(albedo: Floats, share: float, noise: float = 0.002) -> Floats:
        linear = 0.4 * albedo * (1 + share * ratio * screen / room) * drift * exposure
        return _encoded(linear * (1 + how.noise * rng.normal(0, noise, linear.shape)))

    # Inverse square: a wall at three times the face's distance gets a ninth of the screen's light.
    albedo = np.array([1.0, 0.7, 0.55])
    skin, background = seen(albedo, 1.0), seen(np.array([0.9, 0.9, 0.9]), rng.uniform(0.0, 0.15))
    # Smaller patches are noisier.
    parts = [seen(albedo, share, 0.006) for share in _shares(rng)]
    return skin, background, np.concatenate(parts, axis=1)


def _encoded(linear: Floats) -> Floats:
    """Return linear light as sRGB codes (IEC 61966-2-1)."""
    curve = 1.055 * np.maximum(linear, 0.0) ** (1 / 2.4) - 0.055
    return np.asarray(np.clip(255 * np.where(linear <= 0.0031308, 12.92 * linear, curve), 0, 255))


def _linear(codes: Floats) -> Floats:
    encoded = codes / 255
    return np.asarray(np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4))


def on_a_sheet(series: AnswerSeries, rng: np.random.Generator) -> AnswerSeries:
    """Return the same answer to colours as a photo gives it that is held at a tilt, one edge nearer to the screen.

    Parameters
    ----------
    series
        A simulated answer with colours.
    rng
        Source of the tilt and of the noise.
    """
    assert series.skin_rgb is not None
    assert series.skin_parts_place is not None
    seen = _linear(series.skin_rgb)
    room = np.median(seen, axis=0)
    # Inverse square: an edge that is a tenth of the distance nearer gets a fifth more of the screen's light.
    strength = 1.0 + series.skin_parts_place.reshape(len(series), -1, 2) @ rng.uniform(-0.6, 0.6, 2)
    lit = room * (1.0 + strength[..., None] * (seen / room - 1.0)[:, None])
    lit = lit * (1.0 + rng.normal(0, 0.004, lit.shape))
    return replace(series, skin_parts_rgb=_encoded(lit).reshape(len(series), -1))


# Which way the parts of a face look: forehead, nose, cheeks, sides; x to the picture's right, y down, z to the camera;
# and where they lie, in widths of the face.
_NORMALS = np.array(
    [[0.0, -0.35, 0.94], [0.0, 0.0, 1.0], [-0.45, 0.1, 0.89], [0.45, 0.1, 0.89], [-0.85, 0.0, 0.53], [0.85, 0.0, 0.53]]
)

_PLACES = np.array([[0.0, -0.45], [0.0, 0.05], [-0.25, 0.1], [0.25, 0.1], [-0.46, 0.0], [0.46, 0.0]])


def _shares(rng: np.random.Generator) -> Floats:
    """Screen's light over the room's, part by part over their mean: a screen in front, a room with one lamp in it."""
    screen = np.array([0.0, rng.uniform(-0.3, 0.3), 1.0])
    lamp = np.array([rng.uniform(-1, 1), rng.uniform(-1, 0.2), rng.uniform(-0.3, 1)])
    lit = np.clip(_NORMALS @ screen / np.linalg.norm(screen), 0.05, None)
    room = 1.0 + rng.uniform(0.0, 2.0) * np.clip(_NORMALS @ lamp / np.linalg.norm(lamp), 0.0, None)
    shares = lit / room
    return np.asarray(shares / shares.mean())

"""Displays: a phone, a monitor and a tablet that show a clip or a photo to the camera.

Goal: what a display does to a face: light of its own (more contrast than the room, lifted blacks, a bluish white,
clipped highlights), a body around it, fingers, reflections, a pixel grid that folds into moiré, a refresh that the
rolling shutter turns into bands, and pictures that change at the display's pace and not at the camera's.

Public items: :func:`replay_phone`, :func:`replay_monitor`, :func:`replay_tablet_glare`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.simulation.draws import drawn
from idverify.simulation.faces import portrait
from idverify.simulation.hands import SKIN_TONES, draw_grip
from idverify.simulation.optics import (
    RollingBands,
    SensorNoise,
    add_light,
    lamp_glare,
    pixel_grid,
    to_coded,
    to_linear,
    tone_table,
    window_glare,
)
from idverify.simulation.scene import Camera, Effect, Instrument, Pose, Surface, Sway, backdrop_wh, film, room
from idverify.simulation.source import Encoding, Setup, Shot, Take, held

__all__ = ["replay_monitor", "replay_phone", "replay_tablet_glare"]

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]

_DEFAULT_WH = (720, 1280)
# From the first to the last row: typical of phone sensors at 30 pictures a second.
_READOUT_S = 0.024


def replay_phone(
    setup: Setup,
    rng: np.random.Generator,
    *,
    fill: float | None = None,
    sway: float = 0.8,
    glare: float | None = None,
    flicker: float | None = None,
) -> Take:
    """A phone in a hand plays the clip, its bezel and the fingers in the picture.

    Parameters
    ----------
    fill : float
        Width of the phone over the picture's width.
    sway : float
        Movement: 0 none, 1 a calm hand.
    glare : float in [0, 1]
        Strength of the lamps' reflections.
    flicker : float in [0, 1]
        Depth of the bands of a dimmed (pulse-width modulated) screen.
    """
    width, bezel = 620, 14
    body_wh = (width, round(width * 2.12))
    bar = round(width * 0.2)
    window = (bezel, bezel + bar // 3, width - 2 * bezel, body_wh[1] - 2 * bezel - bar)
    canvas, origin = _body(body_wh, radius=round(width * 0.1), margin=0.75)
    _controls(canvas, (origin + bezel, origin + window[1] + window[3], window[2], bar - bar // 3), rng)
    tone = SKIN_TONES[int(rng.integers(len(SKIN_TONES)))]
    side = float(rng.choice([0, 1]))
    for right, fingers in ((side, 3), (1 - side, 1)):
        edge = (origin + right * width, origin + body_wh[1] * rng.uniform(0.5, 0.7))
        angle_deg = (180.0 if right else 0.0) + rng.uniform(-14, 14)
        draw_grip(canvas, edge, angle_deg, width * 0.155, tone, rng, fingers=fingers, reach=0.75)
    display = _Display(setup, rng, canvas, (origin + window[0], origin + window[1], *window[2:]), cover=canvas.copy())
    look = _Look(
        fill=drawn(fill, rng, 0.72, 0.95),
        glare=lamp_glare if rng.random() < 0.6 else window_glare,
        glare_strength=drawn(glare, rng, 0, 0.6),
        flicker_hz=float(rng.choice([240.0, 360.0, 60.0])),
        flicker=drawn(flicker, rng, 0, 0.12),
        tilt=(0.02, 0.03, 0, 7, 6, 4),
    )
    return _replayed(setup, rng, display, body_wh, look, sway)


def replay_monitor(
    setup: Setup,
    rng: np.random.Generator,
    *,
    fill: float | None = None,
    sway: float = 0.35,
    moire: float | None = None,
    flicker: float | None = None,
) -> Take:
    """A monitor plays the clip before a camera: moiré of its pixel grid, bands of its refresh.

    Parameters
    ----------
    fill : float
        Height of the monitor over the picture's height.
    sway : float
        Movement of the camera: 0 none, 1 a calm hand.
    moire : float in [0, 1]
        Depth of the sub-pixel stripes before the lens.
    flicker : float in [0, 1]
        Depth of the bands.
    """
    size_wh = setup.canvas_wh(_DEFAULT_WH)
    panel_h, bezel = 1200, 22
    # Only the part of the panel that a camera can see is drawn; the rest of a wide monitor lies outside the picture.
    panel_w = min(1920, round(panel_h * size_wh[0] / size_wh[1] * 1.45))
    body_wh = (panel_w + 2 * bezel, panel_h + 2 * bezel + 26)
    canvas, origin = _body(body_wh, radius=6, margin=0.12)
    desktop = float(rng.uniform(15, 70)) * rng.uniform([0.7, 0.85, 1.0], [1.0, 1.05, 1.5])
    canvas[origin + bezel : origin + bezel + panel_h, origin + bezel : origin + bezel + panel_w, :3] = desktop
    window_h = panel_h - 110
    aspect = min(setup.source.size_wh[0] / setup.source.size_wh[1], size_wh[0] / size_wh[1] * 1.25)
    window_w = min(round(window_h * aspect), panel_w - 20)
    left, top = origin + bezel + (panel_w - window_w) // 2, origin + bezel + 38
    canvas[top - 30 : top, left : left + window_w, :3] = 225
    for index, tint in enumerate(((200, 80, 70), (215, 170, 60), (95, 175, 85))):
        cv2.circle(canvas, (left + 18 + 24 * index, top - 15), 7, (*tint, 255), -1, cv2.LINE_AA)
    bar_y = origin + bezel + panel_h - 40
    canvas[bar_y : bar_y + 40, origin + bezel : origin + bezel + panel_w, :3] = (24, 26, 32)
    display = _Display(setup, rng, canvas, (left, top, window_w, window_h))
    share = drawn(fill, rng, 0.88, 1.12)
    depth = drawn(moire, rng, 0.3, 0.75)
    look = _Look(
        fill=share * body_wh[0] / body_wh[1] * size_wh[1] / size_wh[0],
        flicker_hz=float(rng.choice([59.94, 60.0, 75.0])),
        flicker=drawn(flicker, rng, 0.08, 0.28),
        grid=depth,
        tilt=(0.015, 0.01, 0, 5, 4, 1.5),
        blur_px=float(rng.uniform(0.22, 0.4)),
    )
    return _replayed(setup, rng, display, body_wh, look, sway)


def replay_tablet_glare(
    setup: Setup,
    rng: np.random.Generator,
    *,
    fill: float | None = None,
    sway: float = 0.7,
    glare: float | None = None,
) -> Take:
    """A glossy tablet plays the clip and mirrors a window.

    Parameters
    ----------
    fill : float
        Width of the tablet over the picture's width.
    sway : float
        Movement: 0 none, 1 a calm hand.
    glare : float in [0, 1]
        Strength of the reflection.
    """
    width, bezel = 720, 44
    body_wh = (width, round(width * 1.36))
    window = (bezel, bezel, width - 2 * bezel, body_wh[1] - 2 * bezel)
    canvas, origin = _body(body_wh, radius=round(width * 0.04), margin=0.5)
    tone = SKIN_TONES[int(rng.integers(len(SKIN_TONES)))]
    for right in (0, 1):
        edge = (origin + right * width, origin + body_wh[1] * rng.uniform(0.65, 0.85))
        draw_grip(canvas, edge, 180.0 * right + rng.uniform(-12, 12), 84.0, tone, rng, fingers=1, reach=1.1)
    display = _Display(setup, rng, canvas, (origin + window[0], origin + window[1], *window[2:]), cover=canvas.copy())
    look = _Look(
        fill=drawn(fill, rng, 0.92, 1.08),
        glare=window_glare,
        glare_strength=drawn(glare, rng, 0.25, 0.65),
        flicker_hz=60.0,
        flicker=float(rng.uniform(0, 0.05)),
        grid=0.4,
        tilt=(0.03, 0.04, 0, 8, 7, 4),
    )
    return _replayed(setup, rng, display, body_wh, look, sway)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """How a display is filmed."""

    fill: float
    flicker_hz: float
    flicker: float
    tilt: tuple[float, float, float, float, float, float]
    glare: Callable[..., U8] | None = None
    glare_strength: float = 0.0
    grid: float = 0.0
    blur_px: float | None = None


def _body(body_wh: tuple[int, int], *, radius: int, margin: float) -> tuple[U8, int]:
    """A dark glossy body with round corners on a transparent canvas, and where it begins."""
    width, height = body_wh
    origin = round(margin * width)
    alpha = np.zeros((height, width), np.uint8)
    cv2.rectangle(alpha, (radius, 0), (width - 1 - radius, height - 1), 255, -1)
    cv2.rectangle(alpha, (0, radius), (width - 1, height - 1 - radius), 255, -1)
    for x in (radius, width - 1 - radius):
        for y in (radius, height - 1 - radius):
            cv2.circle(alpha, (x, y), radius, 255, -1, cv2.LINE_AA)
    rim = cv2.subtract(alpha, cv2.erode(alpha, np.ones((5, 5), np.uint8), borderValue=0))
    body = np.full((height, width, 3), 14, np.uint8) + (rim // 4)[..., None]
    body = cv2.multiply(body, cv2.merge([alpha] * 3), scale=1 / 255)
    canvas = cv2.merge([*cv2.split(body), alpha])
    framed = cv2.copyMakeBorder(canvas, origin, origin, origin, origin, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    return np.asarray(framed), origin


def _controls(canvas: U8, box_xywh: tuple[int, int, int, int], rng: np.random.Generator) -> None:
    """A player's row of buttons under the picture."""
    x, y, w, h = box_xywh
    count = int(rng.integers(3, 6))
    for index in range(count):
        centre = (round(x + w * (index + 0.5) / count), round(y + h * 0.5))
        kind = int(rng.integers(3))
        if kind == 0:
            cv2.circle(canvas, centre, round(h * 0.16), (190, 190, 190, 255), 2, cv2.LINE_AA)
        elif kind == 1:
            side = round(h * 0.14)
            cv2.rectangle(canvas, (centre[0] - side, centre[1] - side), (centre[0] + side, centre[1] + side),
                          (190, 190, 190, 255), 2, cv2.LINE_AA)  # fmt: skip
        else:
            cv2.drawMarker(canvas, centre, (190, 190, 190, 255), cv2.MARKER_TRIANGLE_UP, round(h * 0.3), 2, cv2.LINE_AA)


def _panel_tone(rng: np.random.Generator) -> U8:
    """Tone curves of a filmed panel for red, green and blue [shape=(256, 1, 3)]: bluish, contrasty, black not black."""
    black, gamma, contrast = rng.uniform([0.004, 0.95, 0.0], [0.02, 1.2, 0.5])
    gain, blue = rng.uniform([1.0, 1.03], [1.3, 1.2])
    tables = (tone_table(black=black, gain=gain * tint, gamma=gamma, contrast=contrast) for tint in (1.0, 1.02, blue))
    return np.stack(list(tables), axis=-1)[:, None]


class _Display:
    """The panel: puts the source's current picture into the canvas, row by row as it is refreshed.

    Parameters
    ----------
    canvas : uint8 [shape=(h, w, 4)]
        Changed in place.
    window_xywh : tuple of int
        Where the picture goes.
    cover : uint8 [shape=(h, w, 4)] or None
        What lies over the picture: pixels that are not the body's black stay (fingers).
    """

    def __init__(
        self, setup: Setup, rng: np.random.Generator, canvas: U8, window_xywh: tuple[int, int, int, int],
        cover: U8 | None = None,
    ) -> None:  # fmt: skip
        self.canvas = canvas
        self._window = window_xywh
        self._locate = setup.locate
        self._tone = _panel_tone(rng)
        self._cover = self._covering(cover)
        self._shown: tuple[float, U8] | None = None
        self._box: tuple[int, int, int, int] | None = None
        self._reel = held(setup.source.shots(), setup.camera_times())
        self._tear = float(rng.uniform(0.2, 0.8))

    def _covering(self, cover: U8 | None) -> tuple[U8, U8] | None:
        """Fingers over the window: their mask, and their colours already masked."""
        if cover is None:
            return None
        x, y, w, h = self._window
        over = cover[y : y + h, x : x + w, :3]
        mask = np.where(over.max(axis=2) > 15, 255, 0).astype(np.uint8)
        if not mask.any():
            return None
        return cv2.merge([mask] * 3), cv2.bitwise_and(over, cv2.merge([mask] * 3))

    def refresh(self, time_s: float) -> bool:
        """Show what is due; False after the last picture."""
        due = next(self._reel, None)
        if due is None:
            return False
        _, previous, current = due
        if self._shown is not None and self._shown[0] == current.time_s:
            return True
        x, y, w, h = self._window
        image = self._rendered(current)
        shown = image
        if self._shown is not None and previous is not current:
            # The exposure straddles the refresh: the upper rows are new, the lower ones still old.
            ramp = np.clip((self._tear - np.linspace(0, 1, h)) * 8 + 0.5, 0, 1)[:, None, None]
            if 1e-3 < time_s - current.time_s < 1 / 60:
                shown = np.asarray(image * ramp + self._shown[1] * (1 - ramp), np.uint8)
        if self._cover is not None:
            mask, over = self._cover
            shown = cv2.add(cv2.bitwise_and(shown, cv2.bitwise_not(mask)), over)
        # Into the colour planes only, and much faster than a strided assignment.
        cv2.mixChannels([shown], [self.canvas[y : y + h, x : x + w]], [0, 0, 1, 1, 2, 2])
        self._shown = (current.time_s, image)
        return True

    def _rendered(self, shot: Shot) -> U8:
        image = shot.image_rgb
        if self._box is None:
            self._box = portrait(image.shape[1::-1], self._locate(image), self._window[2] / self._window[3], 0.45)
        left, top, right, bottom = self._box
        crop = image[top:bottom, left:right]
        shrinks = crop.shape[1] > 1.6 * self._window[2]
        scaled = cv2.resize(crop, self._window[2:], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return np.asarray(cv2.LUT(scaled, self._tone))


def _replayed(
    setup: Setup, rng: np.random.Generator, display: _Display, body_wh: tuple[int, int], look: _Look, sway: float
) -> Take:
    """Film the display: the camera exposes for the bright screen, so the room is dim."""
    size_wh = setup.canvas_wh(_DEFAULT_WH)
    scale = size_wh[0] / 720
    dim = float(rng.uniform(0.15, 0.7))
    behind = to_coded(to_linear(room(backdrop_wh(size_wh), rng)) * dim)
    effects: list[Effect] = []
    if look.grid > 0:
        effects.append(_Grid(size_wh, look.grid))
    if look.flicker > 0.01:
        effects.append(_Flicker(size_wh, look))
    if look.glare is not None and look.glare_strength > 0.05:
        effects.append(_Glare(size_wh, look, rng))
    camera = Camera(
        size_wh=size_wh,
        backdrop=behind,
        noise=SensorNoise(size_wh, sigma=float(rng.uniform(1.5, 3.5)), rng=rng),
        blur_px=look.blur_px if look.blur_px is not None else float(rng.uniform(0.4, 0.8)) * scale,
        shake=Sway(Pose(), 0.35, rng),
        exposure_s=1 / 60,
        effects=tuple(effects),
    )
    rest = Pose(*(rng.uniform(-1, 1, 6) * look.tilt).tolist())._replace(scale=1.0)
    instrument = Instrument(canvas_rgba=display.canvas, body_wh=body_wh, refresh=display.refresh)
    shots = film(instrument, camera, Sway(rest, sway, rng), look.fill, setup.camera_times())
    return Take(shots=shots, encoding=Encoding(nominal_rate_hz=setup.rate_hz))


class _Grid:
    """The pixel grid over the panel, its moiré moving with it."""

    def __init__(self, size_wh: tuple[int, int], depth: float) -> None:
        self._size_wh, self._depth = size_wh, depth

    def __call__(self, surface: Surface) -> U8:
        grid = pixel_grid(
            self._size_wh, np.linalg.inv(surface.to_camera).astype(np.float64), depth=self._depth, blur_px=0.2
        )
        return np.asarray(cv2.multiply(surface.image_rgb, grid, scale=1.12 / 255))


class _Flicker:
    """Bands of the display's refresh."""

    def __init__(self, size_wh: tuple[int, int], look: _Look) -> None:
        self._bands = RollingBands(size_wh, flicker_hz=look.flicker_hz, depth=look.flicker, readout_s=_READOUT_S)

    def __call__(self, surface: Surface) -> U8:
        return np.asarray(cv2.multiply(surface.image_rgb, self._bands.at(surface.time_s), scale=1 / 255))


class _Glare:
    """A reflection that moves over the glass as the display turns, as in a mirror."""

    def __init__(self, size_wh: tuple[int, int], look: _Look, rng: np.random.Generator) -> None:
        assert look.glare is not None
        self._size_wh = size_wh
        self._light = look.glare((round(size_wh[0] * 1.5), round(size_wh[1] * 1.5)), rng, strength=look.glare_strength)
        self._rest: F64 | None = None

    def __call__(self, surface: Surface) -> U8:
        width, height = self._size_wh
        tilt = surface.to_camera[2, :2] * surface.to_camera[0, 0] * width
        if self._rest is None:
            self._rest = tilt
        # The law of reflection doubles the tilt; what is mirrored is far away, so the plane's own shift does not count.
        room = np.array(self._size_wh) / 4
        # Rounded down, so that half a pixel never leads out of the reflection.
        x, y = (np.clip((tilt - self._rest) * 2 * width, -room, room) + room).astype(int)
        light = cv2.multiply(self._light[y : y + height, x : x + width], surface.cover, scale=1 / 255)
        return add_light(surface.image_rgb, light)

"""Paper: flat, bent, shaken and cut-out prints of a photo.

Goal: what a print does to a face: four-colour dots, ink and paper instead of light (narrow contrast and gamut), a
white border, sheen that moves with the angle, an edge against the room, and movement that is all one plane's.

Public items: :func:`print_flat`, :func:`print_bent`, :func:`print_shaken`, :func:`print_cutout`, :func:`printed`,
:func:`with_alpha`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.simulation.draws import drawn
from idverify.simulation.faces import face_outline, portrait, require_face
from idverify.simulation.hands import SKIN_TONES, draw_grip
from idverify.simulation.optics import SensorNoise, halftone, reproduce, to_coded
from idverify.simulation.scene import Camera, Effect, Instrument, Pose, Surface, Sway, backdrop_wh, desk, film, room
from idverify.simulation.source import Encoding, Setup, Take

__all__ = ["print_bent", "print_cutout", "print_flat", "print_shaken", "printed", "with_alpha"]

U8 = NDArray[np.uint8]

_DEFAULT_WH = (720, 1280)
# Room around the sheet for fingers, as a share of its width.
_MARGIN = 0.4


def print_flat(
    setup: Setup, rng: np.random.Generator, *, fill: float | None = None, sway: float = 1.0, gloss: float | None = None
) -> Take:
    """A printed photo held flat before the camera in a calm hand.

    Parameters
    ----------
    fill : float
        Width of the sheet over the picture's width.
    sway : float
        Movement: 0 none, 1 a calm hand.
    gloss : float in [0, 1]
        Sheen of the paper.
    """
    sheet, instrument = _held_sheet(setup, rng, gloss)
    return _filmed(setup, rng, instrument, fill=fill, sway=sway, effects=(_Sheen(sheet.shape, rng, gloss),))


def print_bent(
    setup: Setup, rng: np.random.Generator, *, fill: float | None = None, sway: float = 1.2, bend: float | None = None
) -> Take:
    """A printed photo bent around the vertical like a face, the curve changing a little as the hand works.

    Parameters
    ----------
    fill : float
        Width of the sheet over the picture's width.
    sway : float
        Movement: 0 none, 1 a calm hand.
    bend : float
        Angle from one edge of the sheet to the other, degrees; positive is bent away from the camera.
    """
    _, instrument = _held_sheet(setup, rng, None)
    angle_deg = drawn(bend, rng, 60, 110)
    instrument.bend = _Bend(angle_deg, instrument.body_wh[0], rng)
    return _filmed(setup, rng, instrument, fill=fill, sway=sway)


def print_shaken(
    setup: Setup, rng: np.random.Generator, *, fill: float | None = None, sway: float = 4.0, gloss: float | None = None
) -> Take:
    """A printed photo that is moved and tilted fast, to look alive.

    Parameters
    ----------
    fill : float
        Width of the sheet over the picture's width.
    sway : float
        Movement: 0 none, 1 a calm hand.
    gloss : float in [0, 1]
        Sheen of the paper.
    """
    sheet, instrument = _held_sheet(setup, rng, gloss)
    sheen = _Sheen(sheet.shape, rng, gloss)
    return _filmed(setup, rng, instrument, fill=fill, sway=sway, fast_hz=2.6, effects=(sheen,))


def print_cutout(setup: Setup, rng: np.random.Generator, *, fill: float | None = None, sway: float = 1.3) -> Take:
    """A printed head cut out along its outline and held before a real background.

    Parameters
    ----------
    fill : float
        Width of the head over the picture's width.
    sway : float
        Movement: 0 none, 1 a calm hand.
    """
    photo = setup.source.still()
    mesh = require_face(setup.locate, photo, "the photo")
    outline = face_outline(mesh, hair=0.34, grow=1.06)
    low, high = outline.min(axis=0), outline.max(axis=0)
    # The neck stays on: that is where the head is held.
    neck_w, neck_y = 0.52 * (high[0] - low[0]), high[1] + 0.16 * (high[1] - low[1])
    scale = 640 / float(high[0] - low[0])
    pad = 0.14 * (high[0] - low[0])
    origin = low - pad
    wh = tuple(np.ceil((np.array([high[0], neck_y]) + pad - origin) * scale).astype(int).tolist())
    to_sheet = np.array([[scale, 0, -scale * origin[0]], [0, scale, -scale * origin[1]]])
    paper = printed(cv2.warpAffine(photo, to_sheet, wh, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), rng)
    shape = np.zeros(wh[::-1], np.uint8)
    curve = (outline - origin) * scale
    cv2.fillPoly(shape, [np.rint(curve * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    middle_x = float(curve[:, 0].mean())
    half = neck_w * scale / 2
    foot = np.array(
        [[middle_x - half, curve[:, 1].max() - 0.16 * wh[1]], [middle_x + half, curve[:, 1].max() - 0.16 * wh[1]]]
    )
    foot = np.vstack([foot, [[middle_x + half * 1.1, wh[1]], [middle_x - half * 1.1, wh[1]]]])
    cv2.fillPoly(shape, [np.rint(foot * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    ink = cv2.erode(shape, np.ones((5, 5), np.uint8))
    sheet = np.where((ink > 127)[..., None], paper, np.uint8(228))
    canvas = with_alpha(sheet, shape)
    tone = SKIN_TONES[int(rng.integers(len(SKIN_TONES)))]
    hand = 420
    canvas = cv2.copyMakeBorder(canvas, hand // 3, hand, 0, 0, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    draw_grip(canvas, (middle_x, hand // 3 + wh[1] - 10.0), -90.0, 74.0, tone, rng, fingers=2, reach=1.1)
    instrument = Instrument(canvas_rgba=canvas, body_wh=(640, canvas.shape[0]))
    share = drawn(fill, rng, 0.68, 0.82)
    # Held so low that the hand is just in the picture.
    width, height = setup.canvas_wh(_DEFAULT_WH)
    foot = (hand // 3 + wh[1] - canvas.shape[0] / 2) / 640 * share
    low = 0.9 * height / width / 2 - foot
    return _filmed(setup, rng, instrument, fill=share, sway=sway, indoors=True, low=low)


def _held_sheet(setup: Setup, rng: np.random.Generator, gloss: float | None) -> tuple[U8, Instrument]:
    """The sheet with its border, and the same with fingers."""
    photo = setup.source.still()
    aspect = float(rng.choice([0.707, 0.75]))
    left, top, right, bottom = portrait(photo.shape[1::-1], setup.locate(photo), aspect)
    width = 760
    border = int(width * rng.choice([0.0, 0.025, 0.05]))
    inner = (width - 2 * border, round(width / aspect) - 2 * border)
    crop = cv2.resize(photo[top:bottom, left:right], inner, interpolation=cv2.INTER_CUBIC)
    paper = printed(crop, rng)
    sheet = cv2.copyMakeBorder(paper, border, border, border, border, cv2.BORDER_CONSTANT, value=(226, 224, 218))
    margin = round(_MARGIN * width)
    canvas = cv2.copyMakeBorder(
        with_alpha(sheet, np.full(sheet.shape[:2], 255, np.uint8)),
        margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0),
    )  # fmt: skip
    tone = SKIN_TONES[int(rng.integers(len(SKIN_TONES)))]
    height = sheet.shape[0]
    for x, lean_deg in ((0.2, 14.0), (0.8, -14.0)):
        at = (margin + width * (x + rng.uniform(-0.08, 0.08)), margin + height)
        draw_grip(canvas, at, -90 + lean_deg + rng.uniform(-10, 10), 84.0, tone, rng, fingers=1, reach=1.4)
    return sheet, Instrument(canvas_rgba=canvas, body_wh=(width, height))


def printed(photo: U8, rng: np.random.Generator) -> U8:
    """A photo in ink on paper: tones, dots, ink spread, fibres."""
    cast = (1.0, float(rng.uniform(0.93, 1.0)), float(rng.uniform(0.82, 0.97)))
    toned = reproduce(
        photo,
        black=float(rng.uniform(0.025, 0.05)),
        white=float(rng.uniform(0.62, 0.8)),
        saturation=float(rng.uniform(0.7, 0.92)),
        cast_rgb=cast,
        gamma=float(rng.uniform(0.95, 1.15)),
    )
    pitch, strength = float(rng.uniform(2.2, 3.4)), float(rng.uniform(0.25, 0.6))
    dotted = cv2.GaussianBlur(halftone(toned, pitch_px=pitch, strength=strength, rng=rng), (0, 0), 0.6)
    fibre = rng.standard_normal((*photo.shape[:2], 1)).astype(np.float32)
    fibre = cv2.GaussianBlur(fibre, (0, 0), 1.1)[..., None] * 4.0
    return np.asarray(np.clip(dotted + fibre, 0, 255), np.uint8)


def with_alpha(image: U8, alpha: U8) -> U8:
    """A picture with transparency, premultiplied [shape=(h, w, 4)]."""
    colour = cv2.multiply(image, cv2.merge([alpha] * 3), scale=1 / 255)
    return np.asarray(cv2.merge([*cv2.split(colour), alpha]))


class _Sheen:
    """A broad soft highlight of glossy paper that runs over the sheet as it turns, following the law of reflection."""

    def __init__(self, shape: tuple[int, ...], rng: np.random.Generator, gloss: float | None) -> None:
        strength = drawn(gloss, rng, 0.0, 0.5)
        n = 96
        y, x = np.mgrid[-1 : 1 : n * 1j, -1 : 1 : n * 1j]
        angle = rng.uniform(0, np.pi)
        across = x * np.cos(angle) + y * np.sin(angle) - rng.uniform(-0.3, 0.3)
        along = y * np.cos(angle) - x * np.sin(angle)
        lobe = np.exp(-((across / 0.22) ** 2) - (along / 0.7) ** 2)
        self._lobe = to_coded(0.35 * strength * lobe[..., None] * np.array([1.0, 0.98, 0.94]))
        self._strength = strength

    def __call__(self, surface: Surface) -> U8:
        image = surface.image_rgb
        if self._strength < 0.05:
            return image
        height, width = image.shape[:2]
        n = self._lobe.shape[0]
        # A mirror doubles the angle: the perspective terms of the homography are the plane's tilt.
        tilt = surface.to_camera[2, :2] * 4e3
        spread = np.array([[2.0 * width / n, 0, -width / 2], [0, 1.6 * height / n, -0.3 * height]])
        spread[:, 2] += tilt * (width * 0.5)
        light = cv2.warpAffine(self._lobe, spread, (width, height), flags=cv2.INTER_LINEAR)
        return np.asarray(cv2.add(image, cv2.multiply(light, surface.cover, scale=0.5 / 255)))


class _Bend:
    """A sheet bent to an arc: columns far from the middle turn away, get narrower, smaller and darker."""

    def __init__(self, angle_deg: float, body_px: int, rng: np.random.Generator) -> None:
        self._angle, self._body_px = np.radians(angle_deg), body_px
        self._hz, self._phase = rng.uniform(0.25, 0.6), rng.uniform(0, 2 * np.pi)
        self._light = rng.uniform(-0.5, 0.5)

    def __call__(self, canvas: U8, time_s: float) -> U8:
        height, width = canvas.shape[:2]
        angle = self._angle * (1 + 0.12 * np.sin(2 * np.pi * self._hz * time_s + self._phase))
        # The angle belongs to the sheet; the fingers beside it stay on the same arc, as far as one can see them.
        radius = self._body_px / angle
        reach = min(width / 2 / radius, 1.4)
        s = np.linspace(-reach, reach, 4 * width)
        # Seen from three sheet widths away: a column at depth z is smaller by distance / (distance + z).
        distance = 3.0 * self._body_px
        smaller = distance / (distance + radius * (1 - np.cos(s)))
        seen_x = radius * np.sin(s) * smaller + width / 2
        columns = np.arange(width)
        source_s = np.interp(columns, seen_x, s, left=9, right=9)
        scale = np.interp(columns, seen_x, smaller)
        map_x = np.where(np.abs(source_s) < 8, source_s * radius + width / 2, -9).astype(np.float32)
        rows = np.arange(height, dtype=np.float32)[:, None]
        map_y = ((rows - height / 2) / scale + height / 2).astype(np.float32)
        bent = cv2.remap(
            canvas, np.broadcast_to(map_x, map_y.shape).copy(), map_y, cv2.INTER_LINEAR, borderValue=(0, 0, 0, 0)
        )
        shade = np.clip(0.62 + 0.42 * np.cos(source_s - self._light), 0.3, 1.0)
        factor = np.rint(255 * shade).astype(np.uint8)
        full = np.full((height, width, 4), 255, np.uint8)
        full[..., :3] = factor[None, :, None]
        return np.asarray(cv2.multiply(bent, full, scale=1 / 255))


def _filmed(
    setup: Setup,
    rng: np.random.Generator,
    instrument: Instrument,
    *,
    fill: float | None,
    sway: float,
    fast_hz: float = 1.5,
    indoors: bool = False,
    low: float = 0.0,
    effects: tuple[Effect, ...] = (),
) -> Take:
    """Film the paper in a room or over a desk."""
    size_wh = setup.canvas_wh(_DEFAULT_WH)
    scene = room if indoors or rng.random() < 0.7 else desk
    camera = Camera(
        size_wh=size_wh,
        backdrop=scene(backdrop_wh(size_wh), rng),
        noise=SensorNoise(size_wh, sigma=float(rng.uniform(1.5, 4.0)), rng=rng),
        blur_px=float(rng.uniform(0.4, 1.0)) * size_wh[0] / 720,
        shake=Sway(Pose(), 0.4, rng),
        effects=effects,
    )
    rest = Pose(*(rng.uniform(-1, 1, 6) * (0.03, 0.05, 0, 7, 6, 4)).tolist())
    rest = rest._replace(scale=1.0, y=rest.y + low)
    motion = Sway(rest, sway, rng, fast_hz=fast_hz)
    share = drawn(fill, rng, 0.88, 1.08)
    shots = film(instrument, camera, motion, share, setup.camera_times())
    return Take(shots=shots, encoding=Encoding(nominal_rate_hz=setup.rate_hz))

"""Synthetic faces for the motion mechanisms: a textured plane, and the same with lids, a mouth and depth.

No person is shown: the "face" is smooth noise, and its "mesh" only places the patch.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from idverify.faces.tracking import FaceObservation
from idverify.pad.evidence import AnalysedFrame
from idverify.pad.motion import MotionObserver, MotionSignals

SIDE = 360
EYE_GAP_PX = 100.0
RATE_HZ = 15.0
# Outer eye corners and mouth corners of the mesh, and where they lie in the picture when nothing moves.
ANCHORS = (33, 263, 61, 291)
ANCHOR_XY = np.array([[130, 130], [230, 130], [153, 211], [207, 211]], np.float64)


def texture(seed: int = 0, side: int = SIDE) -> np.ndarray:
    """Smooth noise with detail at several scales, mid-grey on average."""
    rng = np.random.default_rng(seed)
    total = np.zeros((side, side), np.float32)
    for sigma in (2.0, 4.0, 9.0):
        layer = cv2.GaussianBlur(rng.standard_normal((side, side)).astype(np.float32), (0, 0), sigma)
        total += layer / layer.std()
    return np.clip(128 + 18 * total, 20, 235).astype(np.uint8)


@dataclass
class Film:
    """Pictures of one face and where its anchors are."""

    pictures: list[np.ndarray]
    anchors: list[np.ndarray]
    yaw_deg: list[float]

    def signals(self, scale: float = 1.0, times_s: np.ndarray | None = None) -> MotionSignals:
        """What the observer collects."""
        observer = MotionObserver()
        times = np.arange(len(self.pictures)) / RATE_HZ if times_s is None else times_s
        for i, picture in enumerate(self.pictures):
            observer.observe(look(picture, scale), face(self.anchors[i] * scale, float(times[i]), i, self.yaw_deg[i]))
        return observer.signals()


def look(picture: np.ndarray, scale: float = 1.0) -> AnalysedFrame:
    """A working-size picture as an observer sees it."""
    rgb = np.repeat(picture[..., None], 3, axis=2)
    return AnalysedFrame(frame=None, image_rgb=rgb, luma=picture, scale=scale)  # type: ignore[arg-type]


def face(anchors_xy: np.ndarray, time_s: float, index: int, yaw_deg: float = 0.0) -> FaceObservation:
    """An observation whose mesh is the anchors and, elsewhere, a grid of points with the depth of a nose."""
    a, b, c = anchors_xy[0], anchors_xy[1], anchors_xy[2:].mean(axis=0)
    side = np.linspace(-0.2, 1.2, 24)
    grid = np.stack(np.meshgrid(side, np.linspace(-0.5, 1.4, 20)), -1).reshape(-1, 2)[:468]
    grid = np.concatenate([grid, np.full((468 - len(grid), 2), 0.5)]) if len(grid) < 468 else grid
    down = c - (a + b) / 2
    xy = a + grid[:, :1] * (b - a) + grid[:, 1:] * down
    points = np.zeros((468, 3), np.float32)
    points[:, :2] = xy
    points[:, 2] = depth_of(grid[:, 0], grid[:, 1]) * np.linalg.norm(b - a)
    points[list(ANCHORS), :2] = anchors_xy
    points[list(ANCHORS), 2] = depth_of(np.array([0, 1, 0.23, 0.77]), np.array([0, 0, 1, 1.0])) * np.linalg.norm(b - a)
    low, high = xy.min(axis=0), xy.max(axis=0)
    return FaceObservation(
        frame_index=index,
        time_s=time_s,
        bbox_xyxy_px=np.concatenate([low, high]),
        points_px=points,
        yaw_pitch_roll_deg=np.array([yaw_deg, 0.0, 0.0]),
        eye_opening=np.array([0.3, 0.3]),
        mouth_opening=0.05,
        presence=1.0,
    )


def depth_of(across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Depth of a face-like bump, in eye distances; the nose is nearest (most negative)."""
    return -0.45 * np.exp(-(((across - 0.5) / 0.3) ** 2) - ((down - 0.55) / 0.6) ** 2)


def photograph(
    seconds: float = 6.0, *, sway: float = 0.0, tilt: float = 0.0, noise: float = 0.0, gain: float = 0.0, seed: int = 0
) -> Film:
    """A plane before the camera: shifted and zoomed by `sway`, tilted by `tilt`, with noise and brightness drift."""
    rng = np.random.default_rng(seed)
    photo = texture(seed)
    film = Film([], [], [])
    for i in range(round(seconds * RATE_HZ)):
        t = i / RATE_HZ
        swing = np.sin(2 * np.pi * np.array([0.31, 0.43, 0.23, 0.37, 0.29]) * t)
        homography = plane(sway * swing[:3], tilt * swing[3:])
        picture = cv2.warpPerspective(photo, homography, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT).astype(np.float32)
        picture = picture * (1 + gain * swing[3]) + noise * rng.standard_normal(picture.shape)
        film.pictures.append(np.clip(picture, 0, 255).astype(np.uint8))
        film.anchors.append(cv2.perspectiveTransform(ANCHOR_XY[None], homography)[0])
        film.yaw_deg.append(float(np.degrees(tilt * swing[3])))
    return film


def plane(sway: np.ndarray, tilt: np.ndarray) -> np.ndarray:
    """Homography of a plane: shift (share of 30 px), zoom (share of 20 %), tilt about two axes (radians)."""
    focal, half = 500.0, SIDE / 2
    camera = np.array([[focal, 0, half], [0, focal, half], [0, 0, 1.0]])
    turn = cv2.Rodrigues(np.array([tilt[1], tilt[0], 0.0]))[0]
    columns = np.column_stack([turn[:, 0], turn[:, 1], [0, 0, focal]])
    columns[:, 2] += [30 * sway[0], 30 * sway[1], -focal * 0.2 * sway[2]]
    shown = camera @ columns @ np.array([[1, 0, -half], [0, 1, -half], [0, 0, 1.0]])
    return np.asarray(shown / shown[2, 2])


def blinking(film: Film, *, every_s: float = 2.0, length_s: float = 0.25, strength: float = 1.0) -> Film:
    """The same film with both eyes closed now and then: other texture, faded in by `strength`."""
    lids = texture(99)
    pictures = []
    for i, picture in enumerate(film.pictures):
        t = i / RATE_HZ
        shut = t > 0.4 and (t % every_s) < length_s
        out = picture.astype(np.float32)
        for x, y in film.anchors[i][:2] if shut else ():
            inwards = np.sign(film.anchors[i][:2, 0].mean() - x) * 18
            mask = np.zeros_like(out)
            cv2.ellipse(mask, (round(x + inwards), round(y)), (20, 11), 0, 0, 360, strength, -1)
            out = out * (1 - mask) + lids * mask
        pictures.append(out.astype(np.uint8))
    return Film(pictures, film.anchors, film.yaw_deg)


def looking(film: Film, *, reach_px: float = 3.0, every_s: float = 0.7) -> Film:
    """The same film with eyes that look elsewhere every now and then: what lies between the lids is shifted."""
    rng, pictures = np.random.default_rng(5), []
    looks = rng.uniform(-reach_px, reach_px, (round(len(film.pictures) / RATE_HZ / every_s) + 2, 2))
    for i, picture in enumerate(film.pictures):
        shift = np.column_stack([np.eye(2), looks[int(i / RATE_HZ / every_s)]])
        moved = cv2.warpAffine(picture, shift, picture.shape[::-1], borderMode=cv2.BORDER_REFLECT)
        out = picture.astype(np.float32)
        for x, y in film.anchors[i][:2]:
            inwards = np.sign(film.anchors[i][:2, 0].mean() - x) * 18
            mask = np.zeros_like(out)
            cv2.ellipse(mask, (round(x + inwards), round(y)), (14, 8), 0, 0, 360, 1.0, -1)
            out = out * (1 - mask) + moved * mask
        pictures.append(out.astype(np.uint8))
    return Film(pictures, film.anchors, film.yaw_deg)


def head(seconds: float = 6.0, *, yaw_deg: float = 12.0, seed: int = 0) -> Film:
    """A bump that turns to and fro: texture on :func:`depth_of`, rotated about the vertical axis."""
    photo = texture(seed)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    depth = depth_of((x - 130) / EYE_GAP_PX, (y - 130) / 81.0).astype(np.float32) * EYE_GAP_PX
    film = Film([], [], [])
    for i in range(round(seconds * RATE_HZ)):
        yaw = np.radians(yaw_deg) * np.sin(2 * np.pi * 0.4 * i / RATE_HZ)
        film.pictures.append(_turned(photo, x, y, depth, float(yaw)))
        film.anchors.append(np.stack([_turn_x(ANCHOR_XY, float(yaw)), ANCHOR_XY[:, 1]], axis=1))
        film.yaw_deg.append(float(np.degrees(yaw)))
    return film


def _turn_x(xy: np.ndarray, yaw: float) -> np.ndarray:
    depth = depth_of((xy[:, 0] - 130) / EYE_GAP_PX, (xy[:, 1] - 130) / 81.0) * EYE_GAP_PX
    return np.asarray(SIDE / 2 + (xy[:, 0] - SIDE / 2) * np.cos(yaw) - depth * np.sin(yaw))


def _turned(photo: np.ndarray, x: np.ndarray, y: np.ndarray, depth: np.ndarray, yaw: float) -> np.ndarray:
    """Orthographic view of the bump turned by `yaw`, by fixed-point inversion of the forward map."""
    source = x.copy()
    for _ in range(8):
        d = cv2.remap(depth, source, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        source = (SIDE / 2 + (x - SIDE / 2 + d * np.sin(yaw)) / np.cos(yaw)).astype(np.float32)
    return np.asarray(cv2.remap(photo, source, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))

"""Coverings drawn on photos by the face mesh: masks, scarves, hands and things before nose and mouth, and what is none.

Conventions: `points` is the mesh in pixels of the picture, float64 [shape=(468, 2)]; the face's own frame has its origin between the eyes, one unit is
the distance between the eyes, u runs to the person's left and v down the face. A covering is a picture of itself and an alpha, drawn over the photo.
Everything here is simulated; no photo of a real mask is used.
"""

from __future__ import annotations

import cv2
import numpy as np

from idverify.simulation.landmark_sets import OVAL

# Outer lips and the lower half of the nose in the mesh.
LIPS = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146]
NOSE = [195, 248, 456, 420, 429, 279, 278, 327, 2, 98, 48, 49, 209, 198, 236, 3]
_JAW = OVAL[OVAL.index(454) : OVAL.index(234) + 1]
# Textures that only the test half may see.
HELD_OUT = ("checks", "dots")
TEXTURES = (
    "plain",
    "plain",
    "plain",
    "pleats",
    "pleats",
    "seam",
    "stripes",
    "noise",
    "blobs",
    "photo",
    "photo",
    "text",
)
# Usual colours of masks, RGB; the others are drawn at random.
_COLOURS = (
    (150, 190, 215),
    (120, 170, 200),
    (235, 235, 235),
    (245, 245, 240),
    (25, 25, 28),
    (45, 45, 50),
    (90, 95, 100),
    (230, 170, 185),
    (110, 170, 140),
)


def frame_of(points):
    """Affine map from the face's own frame to the picture [shape=(2, 3)]."""
    right, left = points[[33, 133]].mean(0), points[[263, 362]].mean(0)
    u = left - right
    v = np.array([-u[1], u[0]])
    return np.column_stack([u, v, (right + left) / 2])


def _colour(rng, points, image):
    kind = rng.random()
    if kind < 0.5:
        return np.clip(np.array(_COLOURS[rng.integers(len(_COLOURS))]) + rng.normal(0, 12, 3), 0, 255)
    if kind < 0.65:  # of skin: the hardest to see
        return skin(rng, points, image)
    return rng.uniform(10, 245, 3)


def skin(rng, points, image):
    """A colour like that of the cheeks."""
    x, y = points[50 if rng.random() < 0.5 else 280].round().astype(int)
    patch = image[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4].reshape(-1, 3)
    base = patch.mean(0) if len(patch) else np.array([180, 140, 120])
    return np.clip(base * rng.uniform(0.75, 1.25) + rng.normal(0, 8, 3), 0, 255)


def texture(rng, name, colour, other):
    """A cloth, float64 [shape=(160, 160, 3)], 0..255; 40 pixels are the distance between the eyes."""
    n = 160
    y, x = np.mgrid[:n, :n].astype(np.float64)
    cloth = np.tile(np.asarray(colour, np.float64), (n, n, 1))
    second = np.clip(np.asarray(colour) + rng.normal(0, 90, 3), 0, 255)
    if name == "pleats":
        at = rng.uniform(0, 40)
        period, depth = rng.uniform(9, 22), rng.uniform(8, 60)
        phase = ((y + rng.uniform(-0.1, 0.1) * x + at) % period) / period
        cloth += (phase[..., None] - 0.5) * depth - 25 * (phase[..., None] > 0.92) * rng.uniform(0, 1)
    elif name == "seam":
        cloth -= 40 * rng.uniform(0.2, 1) * np.exp(-(((x - n / 2) / rng.uniform(1, 3)) ** 2))[..., None]
        cloth += rng.uniform(-40, 40) * (np.abs(x - n / 2) / n)[..., None]
    elif name == "stripes":
        a = rng.uniform(0, np.pi)
        band = ((x * np.cos(a) + y * np.sin(a)) / rng.uniform(3, 14)) % 2 < 1
        cloth = np.where(band[..., None], cloth, second)
    elif name == "checks":
        period = rng.uniform(4, 14)
        cloth = np.where(((x // period + y // period) % 2 < 1)[..., None], cloth, second)
    elif name == "dots":
        period = rng.uniform(6, 16)
        inside = np.hypot(x % period - period / 2, y % period - period / 2) < period * rng.uniform(0.2, 0.4)
        cloth = np.where(inside[..., None], second, cloth)
    elif name == "noise":
        cloth += cv2.GaussianBlur(rng.normal(0, 1, (n, n)), (0, 0), rng.uniform(0.6, 4))[..., None] * rng.uniform(
            20, 120
        )
    elif name == "blobs":
        for _ in range(rng.integers(10, 50)):
            centre, axes = rng.integers(0, n, 2), rng.integers(2, 14, 2)
            cv2.ellipse(
                cloth,
                tuple(map(int, centre)),
                tuple(map(int, axes)),
                float(rng.uniform(0, 180)),
                0,
                360,
                tuple(map(float, rng.uniform(0, 255, 3))),
                -1,
            )
    elif name == "photo":
        h, w = other.shape[:2]
        side = int(rng.integers(30, max(31, min(h, w) // 2)))
        # A corner of another picture: clothes and rooms, hardly ever a face.
        top, left = (0 if rng.random() < 0.3 else h - side), (0 if rng.random() < 0.5 else w - side)
        cloth = cv2.resize(other[top : top + side, left : left + side], (n, n)).astype(np.float64)
    elif name == "text":
        cloth = np.clip(cloth, 0, 255).astype(np.uint8)
        cv2.putText(
            cloth,
            "".join(rng.choice(list("ABCDEFGHKLMNORSTUVWXYZ"), 4)),
            (int(rng.integers(15, 60)), int(rng.integers(85, 120))),
            int(rng.integers(0, 8)),
            float(rng.uniform(0.7, 1.6)),
            tuple(map(float, second)),
            int(rng.integers(1, 4)),
        )
    cloth = cloth + rng.normal(0, rng.uniform(0, 5), cloth.shape[:2])[..., None]
    return np.clip(cloth, 0, 255)


def _curve(points, rng, jitter):
    """A closed outline through points, rounded, each moved a little."""
    p = points + rng.normal(0, jitter, points.shape)
    for _ in range(2):  # Chaikin
        q = np.roll(p, -1, axis=0)
        p = np.stack([0.75 * p + 0.25 * q, 0.25 * p + 0.75 * q], axis=1).reshape(-1, 2)
    return p


def _filled(outline, size_wh):
    mask = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float64) / 255


def mask_outline(rng, points, top):
    """Outline of a mask in the picture; `top` is where its upper edge crosses the middle of the face."""
    frame = frame_of(points)
    centre = points[1]
    jaw = points[_JAW]
    grow = rng.uniform(0.97, 1.12)
    jaw = centre + (jaw - centre) * grow
    skip = int(rng.integers(0, 4))  # how far up the cheeks it reaches
    jaw = jaw[skip : len(jaw) - skip]
    jaw[len(jaw) // 2 - 3 : len(jaw) // 2 + 4] += frame[:, 1] * rng.uniform(0, 0.25)
    middle = {
        "bridge": points[6] * (k := rng.uniform(0, 1)) + points[5] * (1 - k),
        "lip": points[2] * (k := rng.uniform(0.2, 1)) + points[0] * (1 - k),
        "chin": points[17] * (k := rng.uniform(0, 0.5)) + points[199] * (1 - k),
    }[top]
    cheeks = [
        points[i] * (k := rng.uniform(0.2, 0.9)) + middle * (1 - k)
        for i in ((50, 280) if top == "bridge" else (205, 425))
    ]
    return _curve(np.vstack([jaw, cheeks[0], middle, cheeks[1]]), rng, 0.02 * np.linalg.norm(frame[:, 0]))


def _cloth_in(rng, name, colour, other, frame, size_wh):
    cloth = texture(rng, name, colour, other)
    n = cloth.shape[0]
    spin = rng.normal(0, 0.15) if name != "photo" else rng.uniform(-3, 3)
    zoom = rng.uniform(0.8, 1.3)
    turn = np.array([[np.cos(spin), -np.sin(spin)], [np.sin(spin), np.cos(spin)]]) * zoom / 40
    to_face = np.column_stack([turn, -turn @ np.full(2, n / 2) + [0, 0.9]])
    to_picture = frame[:, :2] @ to_face
    to_picture[:, 2] += frame[:, 2]
    return cv2.warpAffine(cloth, to_picture, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def lit(rng, cloth, image, frame, amount=None):
    """The cloth in the light of the photo, and rounded."""
    light = cv2.GaussianBlur(
        cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64), (0, 0), 0.5 * np.linalg.norm(frame[:, 0])
    )
    light = light / max(light.mean(), 1)
    h, w = light.shape
    y, x = np.mgrid[:h, :w]
    u = (np.linalg.inv(np.vstack([frame, [0, 0, 1]])) @ np.stack([x.ravel(), y.ravel(), np.ones(h * w)]))[0].reshape(
        h, w
    )
    shade = 1 - rng.uniform(0, 0.5) * np.clip((u + rng.normal(0, 0.2)) ** 2, 0, 1)
    return np.clip(cloth * (light ** (rng.uniform(0, 0.9) if amount is None else amount) * shade)[..., None], 0, 255)


def draw(rng, image, points, kind, textures=TEXTURES, other=None):
    """Draw one covering.

    Returns
    -------
    image : uint8 [shape=(h, w, 3)]
    alpha : float64 [shape=(h, w)]
    """
    h, w = image.shape[:2]
    size, frame = (w, h), frame_of(points)
    eye = np.linalg.norm(frame[:, 0])
    name = str(rng.choice(textures))
    colour = _colour(rng, points, image)
    alpha, extra = np.zeros((h, w)), None
    if kind in ("mask", "mask_low", "mask_chin"):
        top = {"mask": "bridge", "mask_low": "lip", "mask_chin": "chin"}[kind]
        alpha = _filled(mask_outline(rng, points, top), size)
        if rng.random() < 0.5:  # ear loops
            extra = np.zeros((h, w), np.uint8)
            for ear, edge in ((234, 132), (454, 361), (127, 93), (356, 323)):
                cv2.line(
                    extra,
                    *(tuple(np.round(points[i] * 16).astype(int).tolist()) for i in (ear, edge)),
                    255,
                    max(1, round(eye * 0.03)),
                    cv2.LINE_AA,
                    4,
                )
    elif kind == "scarf":
        outline = mask_outline(rng, points, str(rng.choice(["bridge", "bridge", "lip"])))
        below = frame[:, 2] + frame[:, 1] * 4
        out = frame[:, 0] * rng.uniform(0.9, 1.6)
        alpha = np.maximum(
            _filled(outline, size),
            _filled(np.array([points[361] + out * 0.3, points[132] - out * 0.3, below - out, below + out]), size),
        )
        name = str(rng.choice([t for t in textures if t not in ("text",)]))
    elif kind in ("hand", "hand_beside"):
        return _hand(rng, image, points, frame, eye, beside=kind == "hand_beside")
    elif kind in ("thing", "thing_beside"):
        target = points[[0, 17]].mean(0) + frame[:, :2] @ rng.normal(0, 0.12, 2) - frame[:, 1] * rng.uniform(0, 0.35)
        if kind == "thing_beside":
            target = frame[:, 2] + frame[:, :2] @ np.array(
                [rng.choice([-1, 1]) * rng.uniform(0.5, 1.3), rng.uniform(-1.2, 2.3)]
            )
        axes = eye * rng.uniform(0.3, 0.8, 2)
        angle = float(rng.uniform(0, 180))
        mask = np.zeros((h, w), np.uint8)
        if rng.random() < 0.5:
            cv2.ellipse(mask, (tuple(map(float, target)), tuple(map(float, 2 * axes)), angle), 255, -1, cv2.LINE_AA)
        else:
            box = cv2.boxPoints((tuple(map(float, target)), tuple(map(float, 2 * axes)), angle))
            cv2.fillConvexPoly(mask, np.round(box * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
        if rng.random() < 0.5:  # what holds it
            down = target + frame[:, 1] * 3 + frame[:, 0] * rng.normal(0, 1)
            cv2.line(
                mask,
                *(tuple(np.round(p * 16).astype(int).tolist()) for p in (target, down)),
                255,
                max(1, round(eye * rng.uniform(0.1, 0.5))),
                cv2.LINE_AA,
                4,
            )
        alpha = mask / 255
    elif kind == "above":  # a hat or band, or dark glasses
        if rng.random() < 0.5:
            brow = points[[70, 105, 107, 9, 336, 334, 300]] - frame[:, 1] * rng.uniform(-0.05, 0.25)
            alpha = _filled(
                np.vstack(
                    [
                        brow,
                        points[[251, 284, 332, 297, 338, 10, 109, 67, 103, 54, 21]]
                        - frame[:, 1] * rng.uniform(0.2, 0.8),
                    ]
                ),
                size,
            )
        else:
            mask = np.zeros((h, w), np.uint8)
            for corners in ((33, 133), (263, 362)):
                centre, width = points[list(corners)].mean(0) + frame[:, 1] * 0.08, eye * rng.uniform(0.3, 0.5)
                cv2.ellipse(
                    mask,
                    (tuple(map(float, centre)), (float(2 * width), float(2 * width * rng.uniform(0.6, 0.9))), 0.0),
                    255,
                    -1,
                    cv2.LINE_AA,
                )
            alpha = mask / 255 * rng.uniform(0.7, 1)
            name, colour = "plain", rng.uniform(0, 60, 3)
    elif kind == "beard":
        lower = _filled(_curve(np.vstack([points[_JAW[3:-3]], points[[205, 2, 425]]]), rng, 0.03 * eye), size)
        lips = cv2.GaussianBlur(_filled(points[LIPS], size), (0, 0), 1)
        hair = rng.random((h, w)) < rng.uniform(0.3, 0.95)
        alpha = (
            cv2.GaussianBlur(lower, (0, 0), 0.08 * eye)
            * (1 - lips)
            * cv2.GaussianBlur(hair.astype(np.float64), (0, 0), rng.uniform(0.4, 1.0))
            * rng.uniform(0.3, 1)
        )
        cloth = np.clip(
            np.tile(rng.uniform(10, 120) * np.array([1, 0.85, 0.75]), (h, w, 1)) + rng.normal(0, 12, (h, w, 1)), 0, 255
        )
        return np.round(image * (1 - alpha[..., None]) + cloth * alpha[..., None]).astype(np.uint8), alpha * 0
    elif kind == "shadow":
        at, soft = frame[:, 2] + frame[:, 1] * rng.uniform(0.3, 1.2), eye * rng.uniform(0.05, 0.8)
        y, x = np.mgrid[:h, :w]
        normal = frame[:, 1] / eye + frame[:, 0] / eye * rng.normal(0, 0.6)
        depth = 1 / (1 + np.exp(-np.clip(((x - at[0]) * normal[0] + (y - at[1]) * normal[1]) / soft, -30, 30)))
        return np.round(image * (1 - rng.uniform(0.3, 0.8) * depth)[..., None]).astype(np.uint8), alpha
    cloth = lit(rng, _cloth_in(rng, name, colour, image if other is None else other, frame, size), image, frame)
    if kind == "scarf":
        y, x = np.mgrid[:h, :w]
        folds = np.sin(
            (x * rng.uniform(-0.5, 0.5) + y) / eye * rng.uniform(4, 14) + 2 * np.sin(x / eye * rng.uniform(1, 4))
        )
        cloth = np.clip(cloth * (1 + 0.25 * rng.uniform(0.2, 1) * folds)[..., None], 0, 255)
    alpha = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.3, 1.2))
    edge = cv2.GaussianBlur(alpha, (0, 0), 0.05 * eye) * (1 - alpha)  # what it throws on the skin
    drawn = image * (1 - 0.5 * rng.uniform(0, 1) * edge[..., None])
    drawn = drawn * (1 - alpha[..., None]) + cloth * alpha[..., None]
    if extra is not None:
        drawn = np.where(extra[..., None] > 128, colour * 0.9, drawn)
    return np.round(drawn).astype(np.uint8), alpha


def _hand(rng, image, points, frame, eye, beside):
    h, w = image.shape[:2]
    colour = skin(rng, points, image)
    target = points[[0, 17]].mean(0) - frame[:, 1] * rng.uniform(-0.1, 0.35)
    if beside:
        target = frame[:, 2] + frame[:, :2] @ np.array(
            [rng.choice([-1, 1]) * rng.uniform(0.8, 1.3), rng.uniform(-0.8, 2.2)]
        )
    angle = rng.uniform(0, 2 * np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    drawn, alpha = image.astype(np.float64), np.zeros((h, w))
    y, x = np.mgrid[:h, :w]
    fingers, width = int(rng.integers(2, 6)), eye * rng.uniform(0.17, 0.28)
    parts = (
        [(target + along * eye * rng.uniform(0.6, 1.0), eye * rng.uniform(0.35, 0.6), 0.0)]
        if rng.random() < 0.7
        else []
    )
    parts += [
        (target + across * width * 1.9 * (k - (fingers - 1) / 2), width, eye * rng.uniform(0.35, 0.8))
        for k in range(fingers)
    ]
    for centre, radius, length in parts:
        lean = along + across * rng.normal(0, 0.08)
        dx, dy = x - centre[0], y - centre[1]
        t = np.clip(dx * lean[0] + dy * lean[1], -length, length * 2.5)
        away = np.hypot(dx - t * lean[0], dy - t * lean[1]) / radius
        part = np.clip((1 - away) * radius, 0, 1)
        shade = 1 - rng.uniform(0.1, 0.5) * np.clip(away, 0, 1) ** 3
        tone = np.clip(colour * rng.uniform(0.92, 1.08) * shade[..., None], 0, 255)
        rim = np.clip(1 - np.abs(away - 1.05) * 6, 0, 1) * 0.4
        drawn = drawn * (1 - rim[..., None] * (1 - part[..., None]))
        drawn = drawn * (1 - part[..., None]) + tone * part[..., None]
        alpha = np.maximum(alpha, part)
    return np.round(np.clip(drawn, 0, 255)).astype(np.uint8), alpha


def covered_share(alpha, points, group):
    """Share of a region of the mesh that a covering hides."""
    region = _filled(points[group], (alpha.shape[1], alpha.shape[0]))
    return float((region * alpha).sum() / max(region.sum(), 1e-9))


def photographed(rng, image):
    """The picture after another camera and file: scale, blur, tone, noise, JPEG."""
    if rng.random() < 0.4:
        shrink = rng.uniform(0.45, 1)
        small = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.5))
    x = image.astype(np.float64) / 255
    x = np.clip(x, 0, 1) ** rng.uniform(0.6, 1.6)
    x = x * rng.uniform(0.7, 1.15) * (1 + rng.normal(0, 0.06, 3)) + rng.normal(0, 0.02)
    if rng.random() < 0.08:
        x = np.repeat(x.mean(axis=2, keepdims=True), 3, axis=2)
    x = x + rng.normal(0, rng.uniform(0, 0.03), x.shape)
    image = np.round(np.clip(x, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.6:
        ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))])
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if ok else image
    return image

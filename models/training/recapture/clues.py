"""Physical clues of spoofing, put on a bona fide picture in milliseconds, and the camera that films both it and its untouched twin.

After He et al. 2024, "Joint Physical-Digital Facial Attack Detection Via Simulating Spoofing Clues", arXiv:2404.08450. Unlike the
simulator's species these need no scene: what surrounds the instrument is another bona fide picture, so that no made-up room tells
the classes apart. Every clue takes ``(image, mesh, rng, behind)``: uint8 [shape=(h, w, 3)], float32 [shape=(468, 3)] in pixels of the
image, a generator, and the other picture; it returns a picture of the same size with the face in the same place.
"""

from __future__ import annotations

import cv2
import numpy as np

from idverify.simulation.faces import face_outline
from idverify.simulation.hands import SKIN_TONES
from idverify.simulation.landmark_sets import EYE_RINGS
from idverify.simulation.optics import add_light, lamp_glare, pixel_grid, tone_table, window_glare
from idverify.simulation.prints import printed
from idverify.simulation.swap import pasted


def face_size(mesh):
    return float(np.ptp(mesh[:, :2], axis=0).max())


def jpeg(image, quality):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1], cv2.IMREAD_COLOR)


def blur(image, sigma):
    return image if sigma < 0.2 else cv2.GaussianBlur(image, (0, 0), sigma)


def motion(image, rng, length):
    kernel = np.zeros((15, 15), np.float32)
    end = 7 + np.array([np.cos(a := rng.uniform(0, np.pi)), np.sin(a)]) * length / 2
    cv2.line(kernel, tuple(np.rint(14 - end).astype(int).tolist()), tuple(np.rint(end).astype(int).tolist()), 1.0, 1, cv2.LINE_AA)
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def saturate(image, factor):
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(image, factor, grey, 1 - factor, 0)


def blend(front, back, alpha):
    """`front` where `alpha` (uint8) is 255."""
    a = cv2.merge([alpha] * 3)
    return cv2.add(cv2.multiply(front, a, scale=1 / 255), cv2.multiply(back, cv2.bitwise_not(a), scale=1 / 255))


# -- display ---------------------------------------------------------------------------------------


def screen(image, mesh, rng, behind):
    """A display: its tone, bloom, pixel grid, bands, reflections, body."""
    size_wh = image.shape[1::-1]
    shown = jpeg(blur(image, rng.uniform(0, 1.0)), rng.uniform(35, 90)) if rng.random() < 0.7 else image
    shown = cv2.LUT(shown, display_tone(rng))
    if rng.random() < 0.5:
        shown = saturate(shown, rng.uniform(0.5, 1.6))
    if rng.random() < 0.5:  # bloom and veil of a lens or a greasy glass
        light = cv2.LUT(shown, np.clip(np.arange(256) * 2.0 - 255, 0, 255).astype(np.uint8))
        shown = add_light(shown, cv2.convertScaleAbs(cv2.GaussianBlur(light, (0, 0), face_size(mesh) * rng.uniform(0.05, 0.25)), alpha=rng.uniform(0.2, 0.8)))
    if rng.random() < 0.45:
        shown = gridded(shown, rng)
    if rng.random() < 0.4:
        rows = np.arange(size_wh[1]) / rng.uniform(0.1, 0.7) / size_wh[1] * 2 * np.pi + rng.uniform(0, 6)
        wave = np.rint(255 * (1 - rng.uniform(0.05, 0.35) * (0.5 + 0.5 * np.cos(rows)) ** 2)).astype(np.uint8)
        shown = cv2.multiply(shown, np.ascontiguousarray(np.broadcast_to(wave[:, None, None], shown.shape)), scale=1 / 255)
    if rng.random() < 0.4:
        glare = (window_glare if rng.random() < 0.5 else lamp_glare)(size_wh, rng, strength=float(rng.uniform(0.1, 0.8)))
        shown = add_light(shown, np.roll(glare, rng.integers(-80, 80, 2).tolist(), (0, 1)))
    if rng.random() < 0.4:
        shown = add_light(shown, cv2.convertScaleAbs(behind, alpha=rng.uniform(0.05, 0.3)))
    if rng.random() < 0.35:
        shown = motion(shown, rng, rng.uniform(2, 10)) if rng.random() < 0.5 else blur(shown, rng.uniform(0.8, 2.5))
    return framed(shown, mesh, rng, behind, edge=rng.uniform(4, 40, 3) * rng.choice([1, 1, 5]), thickness=rng.uniform(0.02, 0.35), dim=rng.uniform(0.1, 0.9))


def display_tone(rng):
    """Red, green and blue curves of a filmed panel [shape=(256, 1, 3)], for :func:`cv2.LUT`."""
    black, gamma, contrast = rng.uniform([0.0, 0.8, 0.0], [0.06, 1.3, 0.9])
    gain = float(np.exp(rng.uniform(-0.3, 0.7)))
    tint = rng.uniform(0.85, 1.15, 3) * ([0.95, 1.0, 1.12] if rng.random() < 0.6 else [1.0, 1.0, 1.0])
    return np.stack([tone_table(black=black, gain=gain * t, gamma=gamma, contrast=contrast) for t in tint], axis=-1)[:, None]


def gridded(image, rng):
    """The lattice of sub-pixels, fine or folded into moiré."""
    frequency, angle = np.exp(rng.uniform(np.log(0.15), np.log(2.2))), rng.normal() * 0.15
    turn = frequency * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    to_panel = np.eye(3)
    to_panel[:2, :2], to_panel[:2, 2], to_panel[2, :2] = turn, rng.uniform(0, 2, 2), rng.normal(size=2) * 1e-4
    return cv2.multiply(image, pixel_grid(image.shape[1::-1], to_panel, depth=float(rng.uniform(0.1, 0.7)), blur_px=float(rng.uniform(0.1, 0.4))), scale=1.15 / 255)


def framed(shown, mesh, rng, behind, *, edge, thickness, dim):
    """The picture on a slightly tilted rectangle with a border, before what is behind it."""
    if rng.random() < 0.2:
        return shown
    size, (low, high) = face_size(mesh), (mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0))
    reach = np.exp(rng.uniform(np.log(0.12), np.log(1.6), 4)) * size
    x0, y0, x1, y1 = low[0] - reach[0], low[1] - reach[1] - 0.15 * size, high[0] + reach[2], high[1] + reach[3]
    quad = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) + rng.normal(size=(4, 2)) * 0.04 * size
    outward = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size * thickness * rng.uniform(0.3, 1.7, (4, 1))
    result = cv2.convertScaleAbs(blur(behind, rng.uniform(0, 5)), alpha=dim)
    layers = [(quad + outward, edge)]
    if rng.random() < 0.4:  # a desktop or a player around the picture, a white border of a print
        layers.append((quad + outward * rng.uniform(0.2, 0.9, (4, 1)), rng.uniform(0, 255, 3)))
    for corners, colour in layers:
        result = blend(np.full_like(shown, colour.astype(np.uint8)), result, filled(shown, corners))
    result = blend(shown, result, filled(shown, quad))
    return fingers(result, quad + outward, size, rng) if rng.random() < 0.5 else result


def filled(image, corners):
    area = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(area, np.rint(corners * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    return area


def fingers(image, quad, size, rng):
    """One or two fingertips over an edge of the instrument."""
    layer, alpha = image.copy(), np.zeros(image.shape[:2], np.uint8)
    tone = np.asarray(SKIN_TONES[int(rng.integers(len(SKIN_TONES)))], float) * rng.uniform(0.6, 1.1)
    for _ in range(int(rng.integers(1, 4))):
        side = int(rng.integers(1, 4))
        a, b = quad[side], quad[(side + 1) % 4]
        at, inward = a + rng.uniform(0.2, 0.8) * (b - a), quad.mean(axis=0)
        tip = at + (inward - at) / np.linalg.norm(inward - at) * size * rng.uniform(0.05, 0.2)
        root = at - (inward - at) / np.linalg.norm(inward - at) * size * 0.5
        cv2.line(alpha, tuple(np.rint(root).astype(int).tolist()), tuple(np.rint(tip).astype(int).tolist()), 255, max(2, round(size * rng.uniform(0.1, 0.2))), cv2.LINE_AA)
    distance = cv2.distanceTransform(alpha, cv2.DIST_L2, 3)
    shade = 0.65 + 0.35 * np.clip(distance / max(float(distance.max()), 1e-6), 0, 1)
    layer[:] = np.clip(tone * shade[..., None], 0, 255).astype(np.uint8)
    return blend(layer, image, blur(alpha, 0.8))


# -- paper -----------------------------------------------------------------------------------------


def inked(image, rng):
    """A face on paper: ink, sheen, the shade of a bent sheet."""
    paper = printed(image, rng) if rng.random() < 0.8 else saturate(cv2.convertScaleAbs(image, alpha=rng.uniform(0.6, 0.95), beta=rng.uniform(0, 30)), rng.uniform(0.5, 0.95))
    height, width = paper.shape[:2]
    if rng.random() < 0.6:
        angle, at = rng.uniform(0, np.pi), rng.uniform(0.25, 0.75, 2) * (width, height)
        y, x = np.mgrid[:height, :width].astype(np.float32)
        across = ((x - at[0]) * np.cos(angle) + (y - at[1]) * np.sin(angle)) / (width * rng.uniform(0.08, 0.5))
        if rng.random() < 0.5:
            paper = add_light(paper, cv2.merge([np.rint(255 * rng.uniform(0.1, 0.6) * np.exp(-(across**2))).astype(np.uint8)] * 3))
        else:
            shade = np.clip(1 + rng.uniform(0.1, 0.4) * np.tanh(across), 0.4, 1.3)
            paper = np.clip(paper * shade[..., None], 0, 255).astype(np.uint8)
    return paper


def bent(image, mesh, rng):
    """Columns narrower and darker away from the fold."""
    height, width = image.shape[:2]
    size, centre = face_size(mesh), mesh[:, 0].mean()
    radius = size * rng.uniform(0.6, 1.6)
    x = np.arange(width, dtype=np.float32) - centre
    inside = np.clip(x / radius, -0.98, 0.98)
    source = np.arcsin(inside) * radius + centre
    shrink = 1 + rng.uniform(0, 0.25) * (1 - np.sqrt(1 - inside**2))
    map_y = (np.arange(height, dtype=np.float32)[:, None] - height / 2) * shrink + height / 2
    map_x = np.ascontiguousarray(np.broadcast_to(source.astype(np.float32), (height, width)))
    sheet = cv2.remap(image, map_x, map_y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    shade = np.clip(0.6 + 0.42 * np.cos(np.arcsin(inside) - rng.uniform(-0.6, 0.6)), 0.3, 1)
    return np.clip(sheet * shade[None, :, None], 0, 255).astype(np.uint8)


def paper(image, mesh, rng, behind):
    """A sheet, flat or bent, held before something."""
    sheet = inked(image, rng)
    sheet = bent(sheet, mesh, rng) if rng.random() < 0.5 else sheet
    return framed(sheet, mesh, rng, behind, edge=rng.uniform(190, 240, 3), thickness=rng.uniform(0, 0.2), dim=rng.uniform(0.5, 1.1))


def stencil(image, outline):
    shape = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(shape, [np.rint(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return shape


def laid_on(sheet, shape, back, size, rng):
    """Cut paper over a picture: white core at the edge, a shadow behind."""
    rim = max(1, round(size * rng.uniform(0.005, 0.025)))
    ink = cv2.erode(shape, np.ones((2 * rim + 1,) * 2, np.uint8))
    cut = blend(sheet, np.full_like(sheet, int(rng.uniform(170, 240))), ink) if rng.random() < 0.7 else sheet
    shadow = cv2.GaussianBlur(np.roll(shape, round(size * rng.uniform(0, 0.04)), 0), (0, 0), size * rng.uniform(0.01, 0.05))
    below = cv2.multiply(back, cv2.merge([cv2.bitwise_not(cv2.convertScaleAbs(shadow, alpha=rng.uniform(0, 0.6)))] * 3), scale=1 / 255)
    return blend(cut, below, shape)


def cutout(image, mesh, rng, behind):
    """A printed head cut out along its outline, before another picture."""
    outline = face_outline(mesh, hair=rng.uniform(0.1, 0.4), grow=rng.uniform(0.98, 1.15))
    sheet = inked(image, rng)
    sheet = bent(sheet, mesh, rng) if rng.random() < 0.25 else sheet
    back = behind if rng.random() < 0.7 else image
    return laid_on(sheet, stencil(image, outline), blur(back, rng.uniform(0, 4)), face_size(mesh), rng)


def mask(image, mesh, rng, behind):
    """A printed face with holes for the eyes, worn: hair, neck and eyes are the person's own."""
    shape = stencil(image, face_outline(mesh, hair=rng.uniform(0.0, 0.2), grow=rng.uniform(0.95, 1.15)))
    size = face_size(mesh)
    for ring in EYE_RINGS:
        points = mesh[list(ring), :2]
        width = float(np.ptp(points[:, 0])) * rng.uniform(1.0, 1.5)
        middle = np.rint((points.mean(axis=0) + rng.normal(size=2) * 0.01 * size) * 16).astype(int).tolist()
        cv2.ellipse(shape, middle, (round(width * 8), round(width * rng.uniform(0.45, 0.7) * 8)), rng.uniform(-8, 8), 0, 360, 0, -1, cv2.LINE_AA, 4)
    move = np.float32([[1, 0, 0], [0, 1, 0]]) + rng.normal(size=(2, 3)) * np.array([0.01, 0.01, 0.02 * size])
    sheet = cv2.warpAffine(inked(image, rng), move, image.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return laid_on(sheet, shape, image, size, rng)


def animated(image, mesh, rng, behind):
    """A photo warped out of shape as animation does, now and then with painted lids."""
    height, width = image.shape[:2]
    size = face_size(mesh)
    coarse = rng.normal(size=(7, 7, 2)).astype(np.float32)
    warp = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * size * rng.uniform(0.01, 0.03)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    result = cv2.remap(image, x + warp[..., 0], y + warp[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < 0.5:
        for ring in EYE_RINGS:
            points = mesh[list(ring), :2]
            above = points.mean(axis=0) - [0, 0.09 * size]
            px, py = np.clip(np.rint(above).astype(int), 0, [width - 1, height - 1])
            tone = result[max(py - 2, 0) : py + 3, max(px - 2, 0) : px + 3].mean(axis=(0, 1))
            lid, alpha = np.broadcast_to(tone.astype(np.uint8), result.shape), np.zeros((height, width), np.uint8)
            cv2.fillPoly(alpha, [cv2.convexHull(np.rint(points * 16).astype(np.int32))], 255, cv2.LINE_AA, 4)
            result = blend(np.ascontiguousarray(lid), result, blur(alpha, 1.0))
    return blur(result, rng.uniform(0, 0.8))


def swapped(image, mesh, rng, behind):
    """The inner face replaced by a copy of itself in other colours, sharpness and place: the seams of a swap without its identity.

    After Shiohara & Yamasaki 2022, "Detecting Deepfakes with Self-Blended Images", doi:10.1109/CVPR52688.2022.01816.
    """
    size = face_size(mesh)
    gain, offset = np.exp(rng.normal(size=3) * 0.12), rng.normal(size=3) * 10
    other = cv2.LUT(image, np.clip(np.arange(256)[:, None] * gain + offset, 0, 255).astype(np.uint8)[:, None])
    if rng.random() < 0.6:
        small = rng.uniform(0.25, 0.8)
        other = cv2.resize(cv2.resize(other, None, fx=small, fy=small, interpolation=cv2.INTER_AREA), image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    other = jpeg(other, rng.uniform(30, 90)) if rng.random() < 0.4 else other
    middle, angle, zoom = mesh[:, :2].mean(axis=0), rng.normal() * 2.0, np.exp(rng.normal() * 0.03)
    move = cv2.getRotationMatrix2D(tuple(map(float, middle)), float(angle), float(zoom))
    move[:, 2] += rng.normal(size=2) * 0.015 * size
    other = cv2.warpAffine(other, move, image.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    outline = face_outline(mesh, grow=rng.uniform(0.75, 1.05))
    edge = blur(stencil(image, outline), size * rng.uniform(0.005, 0.04))
    return blend(other, image, cv2.convertScaleAbs(edge, alpha=rng.choice([1.0, 1.0, 0.75])))


def swap(image, mesh, rng, other, other_mesh):
    """Another person's face pasted in, as the simulator does it, from a picture of any sharpness; the mesh trembles."""
    if rng.random() < 0.5:
        small = rng.uniform(0.4, 1.0)
        soft = cv2.resize(other, None, fx=small, fy=small, interpolation=cv2.INTER_AREA)
        other = cv2.resize(soft, other.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        other = jpeg(other, rng.uniform(30, 90))
    mesh = mesh + np.float32(rng.normal(size=mesh.shape) * 0.004 * face_size(mesh))
    return pasted(image, mesh, other, other_mesh, feather=rng.uniform(0.02, 0.1), grow=rng.uniform(0.8, 1.02))


CLUES = {"screen": screen, "paper": paper, "cutout": cutout, "mask": mask, "animated": animated, "swapped": swapped}


# -- the camera ------------------------------------------------------------------------------------


class CameraDraw:
    """One camera's settings; the same for a bona fide picture and its attack twin, so that they tell nothing."""

    def __init__(self, rng):
        self.strong = rng.random() < 0.75
        self.face_px = float(np.exp(rng.uniform(np.log(40), np.log(130))))
        self.sigma, self.motion = rng.uniform(0, 1.0) * (rng.random() < 0.6), rng.uniform(2, 6) * (rng.random() < 0.12)
        self.sharpen = rng.uniform(0.2, 1.0) * (rng.random() < 0.25)
        gain, gamma, cast = np.exp(rng.uniform(-0.35, 0.3)), np.exp(rng.uniform(-0.35, 0.35)), rng.uniform(0.9, 1.1, 3)
        lift = rng.uniform(0, 0.06)
        code = (np.arange(256) / 255.0)[:, None] ** gamma * gain * cast * (1 - lift) + lift
        self.tone = np.rint(255 * np.clip(code, 0, 1)).astype(np.uint8)[:, None]
        self.saturation = rng.uniform(0.6, 1.4)
        self.noise = rng.uniform(0, 8) * (rng.random() < 0.5)
        self.qualities = rng.uniform(25, 95, int(rng.integers(1, 3)))
        self.seed = int(rng.integers(2**31))

    def __call__(self, image, mesh):
        """The picture filmed, and the mesh in it."""
        if not self.strong:
            return image, mesh
        rng = np.random.default_rng(self.seed)
        scale = min(1.0, self.face_px / face_size(mesh))
        if scale < 0.95:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            mesh = mesh * np.float32(scale)
        image = motion(image, rng, self.motion) if self.motion else blur(image, self.sigma)
        if self.sharpen:
            image = cv2.addWeighted(image, 1 + self.sharpen, cv2.GaussianBlur(image, (0, 0), 1.2), -self.sharpen, 0)
        image = saturate(cv2.LUT(image, self.tone), self.saturation)
        if self.noise > 0.5:
            grain = np.empty(image.shape, np.int16)
            cv2.setRNGSeed(self.seed)
            image = cv2.add(image, cv2.randn(grain, 0, self.noise), dtype=cv2.CV_8U)
        for quality in self.qualities:
            image = jpeg(image, quality)
        return image, mesh

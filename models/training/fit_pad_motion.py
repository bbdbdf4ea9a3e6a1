"""Fit the LLR maps of the motion mechanisms and write models/calibration/pad_motion.toml.

    python models/training/fit_pad_motion.py --data ../shared/data --cache DIR [--stills N]

Bona fide: the clips of ``videos/bona_fide``, cut into pieces. Attacks: still photographs turned into videos here with fixed seeds (LFW
photos and frames of the clips; fixed, panned, zoomed, shaken, hand-held, tilted, filmed by a moving phone; sensor noise, brightness
drift, a moving glare, lens blur, motion blur, H.264 from 150 kbit/s to 3 Mbit/s). The captured replays are only reported:
one shows a person who moves, which no motion mechanism can tell from a person.

Every LLR is held between what the numbers of sources support (rule of three) on the attack side and, on the bona fide side,
what MOVING_ATTACK_SHARE allows. Signals are cached in DIR; delete it after changing the observers.
"""

from __future__ import annotations

import argparse
import datetime
import pickle
from pathlib import Path

import av
import cv2
import numpy as np
from scipy.optimize import minimize

from idverify.verification.acquisition import acquire
from idverify.faces.detection import YuNet
from idverify.faces.landmarks import FaceMesh
from idverify.media import open_recording
from idverify.pad import context_motion, depth, liveliness, stillness
from idverify.pad.evidence import Status
from idverify.pad.motion import MotionObserver
from idverify.models.session import Session
from idverify.faces.tracking import Tracker

MOVES = ("fixed", "panned", "zoomed", "shaken", "handheld", "tilted", "phone")
SIZES_WH = ((640, 480), (480, 640), (640, 360), (720, 720))
PIECE_S = 5.0
# Spans for which the least native value of any bona fide window is looked up; shorter ones are never proof.
STILL_SPANS_S = (3.0, 4.0, 5.0)
# The mark lies this far below the least bona fide value, since 27 clips do not hold the stillest person.
STILL_MARGIN = 0.8
# Assumed: one attack in five (a replay, a mask, an animated photo) moves like a person. It bounds the LLR at ln(1 / 0.2).
MOVING_ATTACK_SHARE = 0.2
# Of the bona fide pieces, so many show less parallax than what counts as that of a head.
LEAST_HEAD_SHARE = 0.1
# Strength of the prior on the slope, so that separable data do not give an endless one.
RIDGE = 2e-3
OFFSETS = {"stillness": 0.2, "depth": 0.2, "liveliness": 0.2, "context_motion": 0.05}
MECHANISMS = {m.NAME: m for m in (stillness, depth, liveliness, context_motion)}


# -- still photographs as videos -----------------------------------------------------------------


def wander(rng, t, lowest_hz, highest_hz, n):
    """n smooth random paths within [-1, 1]."""
    rate, phase = rng.uniform(lowest_hz, highest_hz, (n, 4, 1)), rng.uniform(0, 2 * np.pi, (n, 4, 1))
    path = (rng.normal(size=(n, 4, 1)) * np.sin(2 * np.pi * rate * t + phase)).sum(axis=1)
    return path / np.abs(path).max(axis=1, keepdims=True)


def motion_of(move, t, rng):
    """Shift along x and y (share of the picture), roll, zoom, yaw, pitch (radians) over time [shape=(6, n)]."""
    path = np.zeros((6, len(t)))
    path[3] = 1.0
    if move == "panned":
        reach, angle = rng.uniform(0.05, 0.15), rng.uniform(0, 2 * np.pi)
        path[:2] = reach * np.outer([np.cos(angle), 0.6 * np.sin(angle)], np.sin(2 * np.pi * rng.uniform(0.08, 0.2) * t))
    elif move == "zoomed":
        path[3] += rng.uniform(0.1, 0.3) * np.sin(2 * np.pi * rng.uniform(0.05, 0.15) * t)
    elif move == "shaken":
        path[:3] = wander(rng, t, 1.5, 4.0, 3) * rng.uniform(0.01, 0.05)
    elif move in ("handheld", "tilted", "phone"):
        w, reach = wander(rng, t, 0.1, 1.2, 6), rng.uniform(0.01, 0.04)
        path = np.stack([reach * w[0], reach * w[1], 0.04 * w[2], 1 + 0.05 * w[3], 0.1 * w[4], 0.1 * w[5]])
        if move == "tilted":
            path[4:] = w[4:] * rng.uniform((0.25, 0.1), (0.5, 0.3))[:, None]
        path[:2] += wander(rng, t, 4.0, 9.0, 2) * rng.uniform(0, 0.0015)
    return path


def view(size_wh, shift_x, shift_y, roll, zoom, yaw, pitch):
    """Homography of a plane before a pinhole camera, pixels to pixels."""
    w, h = size_wh
    focal = 1.3 * max(size_wh)
    camera = np.array([[focal, 0, w / 2], [0, focal, h / 2], [0, 0, 1.0]])
    turn = cv2.Rodrigues(np.array([0, 0, roll]))[0] @ cv2.Rodrigues(np.array([0, yaw, 0.0]))[0]
    turn = turn @ cv2.Rodrigues(np.array([pitch, 0, 0.0]))[0]
    plane = np.column_stack([turn[:, 0] / focal, turn[:, 1] / focal, [shift_x * w / focal, shift_y * h / focal, 1 / zoom]])
    return camera @ plane @ np.array([[1, 0, -w / 2], [0, 1, -h / 2], [0, 0, 1.0]])


def centred(image, size_wh):
    return np.array([[1, 0, (size_wh[0] - image.shape[1]) / 2], [0, 1, (size_wh[1] - image.shape[0]) / 2], [0, 0, 1.0]])


def make_still(photo_rgb, scene_rgb, move, seed, path):
    """Write a video of a photograph that is `move`d before a scene."""
    rng = np.random.default_rng(seed)
    rate_hz = int(rng.choice([24, 30]))
    t = np.arange(int(rng.uniform(5.3, 6.5) * rate_hz)) / rate_hz
    size = w, h = SIZES_WH[rng.integers(len(SIZES_WH))]
    fills = rng.random() < 0.35
    fit = (max if fills else min)(w / photo_rgb.shape[1], h / photo_rgb.shape[0]) * (1.25 if fills else rng.uniform(0.75, 0.98))
    photo = cv2.resize(photo_rgb, None, fx=fit, fy=fit, interpolation=cv2.INTER_CUBIC if fit > 1 else cv2.INTER_AREA)
    grow = max(w / scene_rgb.shape[1], h / scene_rgb.shape[0]) * 1.2
    scene = cv2.GaussianBlur(cv2.resize(scene_rgb, None, fx=grow, fy=grow), (0, 0), float(rng.choice([0.8, 2, 5])))
    motion = motion_of(move, t, rng)
    sway = motion_of("handheld" if move == "phone" or rng.random() < 0.4 else "fixed", t, rng)
    sway = sway * 0.5 + np.array([0, 0, 0, 0.5, 0, 0])[:, None]
    exposures = 3 if move in ("shaken", "phone", "handheld") and rng.random() < 0.7 else 1
    exposure_s = rng.uniform(0.2, 0.6) / rate_hz
    noise, drift = float(rng.choice([0, 1, 2.5, 5])), float(rng.choice([0, 0.05, 0.2]))
    glare, blur = float(rng.choice([0, 0, 40])), float(rng.choice([0, 0, 1.0]))
    glare_path = 0.5 + 0.25 * wander(rng, t, 0.1, 0.6, 2)
    grain = rng.standard_normal((h + 64, w + 64, 3), dtype=np.float32)
    gx, gy = np.meshgrid(np.arange(0, w, 8), np.arange(0, h, 8))
    at = lambda p, s: np.array([np.interp(s, t, row) for row in p])  # noqa: E731

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate_hz)
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = w, h, "yuv420p", 1
        stream.bit_rate, stream.options = int(rng.choice([150e3, 400e3, 1e6, 3e6])), {"preset": "veryfast"}
        for i, now in enumerate(t):
            seen = np.zeros((h, w, 3), np.float32)
            for k in range(exposures):
                s = now + exposure_s * k / exposures
                behind = view(size, *at(sway, s))
                place = view(size, *at(motion, s))
                place = behind @ place if move == "phone" else place
                picture = cv2.warpPerspective(scene, behind @ centred(scene, size), size, borderMode=cv2.BORDER_REFLECT)
                picture = cv2.warpPerspective(
                    photo, place @ centred(photo, size), size, dst=picture, borderMode=cv2.BORDER_TRANSPARENT
                )
                cv2.accumulate(picture, seen)
            seen = cv2.multiply(seen, (1 + drift * np.sin(np.pi * now / 2)) / exposures)
            if blur:
                seen = cv2.GaussianBlur(seen, (0, 0), blur)
            if glare:
                away = ((gx - w * glare_path[0, i]) ** 2 + (gy - h * glare_path[1, i]) ** 2) / (0.12 * w) ** 2
                seen += cv2.resize(np.float32(glare) * np.exp(-away).astype(np.float32), size)[..., None]
            if noise:
                y, x = rng.integers(64, size=2)
                seen += cv2.multiply(grain[y : y + h, x : x + w], np.sqrt(0.3 + np.maximum(seen, 0) / 180), scale=noise)
            frame = av.VideoFrame.from_ndarray(np.clip(seen, 0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def read_rgb(path):
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def frame_of(clip, index):
    with av.open(str(clip)) as container:
        for i, frame in enumerate(container.decode(video=0)):
            picture = frame.to_ndarray(format="rgb24")
            if i == index:
                break
    k = min(1.0, 720 / max(picture.shape))
    return cv2.resize(picture, None, fx=k, fy=k, interpolation=cv2.INTER_AREA)


def make_stills(data, cache, n):
    """Two in three from LFW photos of different people, one in three from frames of the bona fide clips."""
    photos = sorted((data / "lfw").glob("*/*_0001.jpg"))
    order = np.random.default_rng(7).permutation(len(photos))
    clips = sorted((data / "videos" / "bona_fide").iterdir())
    for i in range(n):
        clip = clips[(i // 3) % len(clips)]
        path = cache / f"still_{i:03d}_{MOVES[i % len(MOVES)]}_{clip.stem if i % 3 == 2 else 'lfw'}.mp4"
        if not path.exists():
            photo = frame_of(clip, 20 + i) if i % 3 == 2 else read_rgb(photos[order[i]])[25:225, 25:225]
            unfinished = path.with_suffix(".part.mp4")
            make_still(photo, read_rgb(photos[order[-1 - i]]), MOVES[i % len(MOVES)], i, unfinished)
            unfinished.rename(path)
        yield path


# -- signals -------------------------------------------------------------------------------------


class Reader:
    """Runs the same acquisition as a verification and caches what an observer collects of the longest track."""

    def __init__(self, cache, name="motion", observer=MotionObserver):
        self.cache, self.name, self.observer, self.models = cache, name, observer, None

    def __call__(self, path):
        kept = self.cache / f"{self.name}_{path.stem}.pkl"
        if not kept.exists():
            self.models = self.models or (YuNet(Session("yunet")), FaceMesh(Session("face_mesh")))
            with open_recording(path) as recording:
                capture = acquire(recording, Tracker(*self.models), factories={self.name: self.observer})
            tracks = sorted(capture.tracks, key=lambda k: len(capture.tracks[k]))
            signals = capture.observers[tracks[-1]][self.name].signals() if tracks else None
            kept.write_bytes(pickle.dumps(signals))
        return pickle.loads(kept.read_bytes())


def pieces(signals, length_s=PIECE_S, step_s=None):
    """Windows of one length; the whole where it is shorter."""
    start, end = signals.times_s[0], signals.times_s[-1]
    step_s = step_s or length_s
    starts = np.arange(start, max(end - length_s, start) + 0.1, step_s)
    return [signals.between(s, s + length_s) for s in starts] if end - start > length_s else [signals]


# -- fitting -------------------------------------------------------------------------------------


def native_of(name, signals):
    evidence = MECHANISMS[name].assess(signals)
    if name == "stillness":  # also where the marks of the card, which are fitted below, would withhold the verdict
        return stillness.native_value(signals) if stillness.cannot_judge(signals) is None else None
    return evidence.native if evidence.status is Status.ASSESSED else None


def feature(name, native):
    """What the logistic map takes: falling values are turned round."""
    return np.log(np.maximum((1 - native) if name == "context_motion" else native, 0.0) + OFFSETS[name])


def fit_logistic(x, is_bona_fide, weights):
    """Intercept and slope >= 0 of the LLR, classes weighted alike (Brümmer & du Preez 2006)."""
    balance = np.where(is_bona_fide, weights / weights[is_bona_fide].sum(), weights / weights[~is_bona_fide].sum())
    sign = np.where(is_bona_fide, -1.0, 1.0)
    loss = lambda p: (balance * np.logaddexp(0, sign * (p[0] + p[1] * x))).sum() + RIDGE * p[1] ** 2  # noqa: E731
    return minimize(loss, [0.0, 1.0], bounds=[(None, None), (0, None)]).x


def fit(name, rows):
    """Table of one mechanism from (source, is_bona_fide, native) rows; each source weighs one."""
    sources = np.array([r[0] for r in rows])
    bona_fide = np.array([r[1] for r in rows])
    if name == "depth":
        return fit_depth(sources, bona_fide, np.array([r[2] for r in rows]))
    x = feature(name, np.array([r[2] for r in rows]))
    weights = np.array([1.0 / (sources == s).sum() for s in sources])
    n_bona, n_attack = len(set(sources[bona_fide])), len(set(sources[~bona_fide]))
    floor = 0.0 if name == "liveliness" else -max(0.0, np.log(n_bona / 3))
    ceiling = min(max(0.0, np.log(n_attack / 3)), np.log(1 / MOVING_ATTACK_SHARE))
    intercept, slope = fit_logistic(x, bona_fide, weights)
    wrong = [0, 0]
    for source in set(sources):
        out = sources == source
        a, b = fit_logistic(x[~out], bona_fide[~out], weights[~out])
        is_bona = bona_fide[out][0]
        wrong[int(is_bona)] += int(((a + b * x[out] < 0) == is_bona).any())
    return {
        "intercept": round(float(intercept), 4), "slope": round(float(slope), 4), "offset": OFFSETS[name],
        "floor": round(float(floor), 3), "ceiling": round(float(ceiling), 3),
        "bona_fide_sources": n_bona, "bona_fide_pieces": int(bona_fide.sum()),
        "attack_sources": n_attack, "attack_pieces": int((~bona_fide).sum()),
        "left_out_bona_fide_wrong": wrong[1], "left_out_attacks_wrong": wrong[0],
    }  # fmt: skip


def fit_depth(sources, bona_fide, native):
    """Full support from what nine heads in ten show, none at half of that, and as far against at no parallax at all.

    A line through two heaps that do not touch says nothing about what lies between them: half of a head's parallax is
    that of no head.
    """
    n_bona, n_attack = len(set(sources[bona_fide])), len(set(sources[~bona_fide]))
    head = float(np.quantile(native[bona_fide], LEAST_HEAD_SHARE))
    ceiling = min(max(0.0, np.log(n_attack / 3)), np.log(1 / MOVING_ATTACK_SHARE))
    wrong = [len({s for s in sources[bona_fide == own] if ((native < head / 2) == own)[sources == s].any()}) for own in (False, True)]
    return {
        "native": [0.0, round(head / 2, 3), round(head, 3)], "llr": [round(-float(np.log(n_bona / 3)), 3), 0.0, round(float(ceiling), 3)],
        "bona_fide_sources": n_bona, "bona_fide_pieces": int(bona_fide.sum()),
        "attack_sources": n_attack, "attack_pieces": int((~bona_fide).sum()),
        "bona_fide_wrong": wrong[1], "attacks_wrong": wrong[0],
    }  # fmt: skip


def still_marks(clips):
    """Least native value over all windows of a span and all bona fide clips, less the margin."""
    least = []
    for span in STILL_SPANS_S:
        windows = [p for s in clips.values() for p in pieces(s, span, 0.5) if p.times_s[-1] - p.times_s[0] > span - 0.3]
        natives = [v for p in windows if (v := native_of("stillness", p)) is not None]
        least.append(STILL_MARGIN * min(natives))
        print(f"span {span} s: least bona fide native {min(natives):.2f} of {len(natives)} windows")
    return [round(float(v), 3) for v in np.minimum.accumulate(least[::-1])[::-1]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--stills", type=int, default=28)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "calibration" / "pad_motion.toml")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    read = Reader(options.cache)
    videos = options.data / "videos"
    clips = {p.stem: read(p) for p in sorted((videos / "bona_fide").iterdir())}
    stills = {p.stem: s for p in make_stills(options.data, options.cache, options.stills) if (s := read(p)) is not None}
    tables = {}
    for name in MECHANISMS:
        parts = [(n, True, p) for n, s in clips.items() for p in pieces(s)]
        parts += [(n, False, p) for n, s in stills.items() for p in pieces(s)]
        rows = [(n, b, v) for n, b, p in parts if (v := native_of(name, p)) is not None]
        tables[name] = fit(name, rows)
        print(name, tables[name])
    tables["stillness"]["marks"] = {"still_span_s": list(STILL_SPANS_S), "still_below": still_marks(clips)}
    write(options.out, tables, len(clips), len(stills))


def write(path, tables, n_clips, n_stills):
    lines = [
        "# Written by models/training/fit_pad_motion.py; do not edit.",
        f'date = "{datetime.date.today().isoformat()}"',
        f'data = "{n_clips} bona fide clips in pieces of {PIECE_S:.0f} s; {n_stills} still photographs simulated as videos"',
        f"moving_attack_share = {MOVING_ATTACK_SHARE}",
    ]
    for name, table in tables.items():
        marks = table.pop("marks", None)
        lines += ["", f"[{name}]", *(f"{k} = {v}" for k, v in table.items())]
        if marks:
            lines += ["", f"[{name}.marks]", *(f"{k} = {v}" for k, v in marks.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Fit the LLR maps of the image and signal mechanisms and write models/calibration/pad_image.toml.

    python models/training/fit_pad_image.py --data ../shared/data [--cache DIR] [--photos N]

Bona fide: the clips of ``videos/bona_fide`` and, for reference reuse, LFW mated pairs. Attacks: re-shots of LFW photos and of frames of
the clips, colour noise without a pulse. All are simulated here
with fixed seeds; the captured replays are only reported. Every LLR is bounded by what the number of sources supports (rule of
three), and is zero or below for mechanisms that can only find an attack, zero or above for the pulse.
"""

from __future__ import annotations

import argparse
import datetime
import io
import itertools
import pickle
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from idverify.verification.acquisition import acquire
from idverify.faces.detection import YuNet
from idverify.faces.landmarks import FaceMesh, region_of_detection
from idverify.media import load_photo, open_recording
from idverify.pad import injection, pulse, reference_reuse, screen_rhythm
from idverify.pad.fingerprints import FrameFingerprints
from idverify.models.session import Session
from idverify.faces.tracking import Tracker

SIDE = reference_reuse.CROP_SIDE_PX
# One photo in this many is used by default; benchmarks/accuracy/reference_reuse.py uses them all.
PHOTO_STRIDE = 4


class EveryCrop:
    """Aligned crops about five times a second, with their times."""

    def __init__(self):
        self.times, self.crops, self._seen = [], [], 0

    def observe(self, view, face):
        if self._seen % 3 == 0:
            self.crops.append(reference_reuse.face_crop(view.luma, face.points_px / np.float32(view.scale)))
            self.times.append(face.time_s)
        self._seen += 1


class Models:
    def __init__(self):
        self.detector, self.mesh = YuNet(Session("yunet")), FaceMesh(Session("face_mesh"))

    def photo_crop(self, path, enlarged=1):
        """Aligned crop of the largest face of a photo, or None."""
        image = load_photo(path)
        faces = self.detector.detect(image)
        if not faces:
            return None
        face = max(faces, key=lambda f: f.width_px)
        points, presence = self.mesh.fit(image, [region_of_detection(face)])
        if presence[0] <= 0.5:
            return None
        return reference_reuse.face_crop(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), points[0], enlarged=enlarged)

    def clip_signals(self, path):
        """Everything the mechanisms collect from one clip."""
        fingerprints = FrameFingerprints()
        makers = {
            "skin": pulse.SkinColour, "reuse": reference_reuse.ReferenceReuse,
            "screen": screen_rhythm.ScreenRhythm, "crops": EveryCrop,
        }
        with open_recording(path) as recording:
            capture = acquire(recording, Tracker(self.detector, self.mesh), factories=makers, fingerprints=fingerprints)
            facts = injection.ContainerFacts.of(recording)
        subject = max(capture.tracks, key=lambda k: len(capture.tracks[k]))
        seen = capture.observers[subject]
        return {
            "skin": seen["skin"].signals(), "reuse": seen["reuse"].crops(), "screen": seen["screen"].signals(),
            "crops": (np.array(seen["crops"].times), np.stack(seen["crops"].crops)),
            "fingerprints": fingerprints, "facts": facts,
        }


def reshoot(photo, rng, level, animated, frames=10):
    """A photo filmed again: still or animated, level 0 (good camera) to 2 (dim, blurred, noisy, strongly compressed).

    One gain, gamma, blur, noise and viewpoint for the whole recording; jitter, noise and, if animated, a new smooth warp, mouth opening
    and now and then painted lids for every frame. One in five is mirrored. `photo` is a crop of 2 SIDE: a face of about 100 pixels
    between the ears.
    """
    side = 2 * SIDE
    y, x = np.mgrid[:side, :side].astype(np.float32)
    gamma = rng.uniform(*[(0.8, 1.25), (0.65, 1.5), (0.5, 2.0)][level])
    gain, offset, slope = rng.uniform(0.6, 0.9), rng.uniform(0, 0.1) * level, rng.normal() * 0.1
    blur, noise, quality = [0.4, 0.8, 1.3][level], [0.01, 0.02, 0.03][level], [75, 50, 30][level]
    view, amplitude = rng.uniform(-3, 3, (4, 2)) * (0.5 + level / 2), rng.uniform(1.5, 3.5)
    corners = np.float32([[0, 0], [side, 0], [side, side], [0, side]])
    mirrored = rng.random() < 0.2
    out = np.empty((frames, SIDE, SIDE), np.uint8)
    for frame in out:
        z = photo.astype(np.float32) / 255
        if animated:
            warp = cv2.GaussianBlur(rng.normal(size=(side, side, 2)).astype(np.float32), (0, 0), 12)
            warp *= amplitude / np.abs(warp).max()
            warp[..., 1] -= np.clip((y - 94) / 6, 0, 1) * rng.uniform(0, 5) * np.exp(-(((x - 64) / 22) ** 2))
            z = cv2.remap(z, x + warp[..., 0], y + warp[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
            if rng.random() < 0.15:
                for centre in (42, 86):
                    lid = np.exp(-((((x - centre) / 8) ** 2 + ((y - 48) / 3.5) ** 2) ** 2))
                    z = z * (1 - lid) + lid * z[40, centre]
        moved = (corners + view + rng.uniform(-1.2, 1.2, (4, 2))).astype(np.float32)
        z = cv2.warpPerspective(z, cv2.getPerspectiveTransform(corners, moved), (side, side), borderMode=cv2.BORDER_REFLECT)
        z = np.clip(cv2.GaussianBlur(z, (0, 0), blur), 1e-4, 1) ** gamma
        z = offset + z * gain + slope * (x - 64) / 64 + rng.normal(0, noise, z.shape)
        coded = cv2.imencode(".jpg", np.clip(255 * z, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        frame[:] = cv2.resize(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(out[:, :, ::-1]) if mirrored else out


def small(crop):
    """A crop of 2 SIDE at the size that is compared."""
    return cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def own_frames(times, crops, k=4, apart_s=1.0):
    """Lasting correlation of a clip with k of its own frames, each at least `apart_s` from the frames compared."""
    values = []
    for i in np.linspace(1, len(times) - 2, k).astype(int):
        far = np.flatnonzero(np.abs(times - times[i]) >= apart_s)
        if len(far) >= 4:
            chosen = far[np.unique(np.linspace(0, len(far) - 1, 10).astype(int))]
            values.append(reference_reuse.lasting_correlation(crops[chosen], crops[i]))
    return values


def logistic_knots(bona_fide, attack, low, high, cap_low, cap_high, knots=9):
    """Knots of log(P(bona fide)/P(attack)) by a two-parameter logistic fit with both classes weighted alike."""
    values = np.r_[bona_fide, attack]
    target = np.r_[np.ones(len(bona_fide)), np.zeros(len(attack))]
    weight = np.where(target == 1, 0.5 / len(bona_fide), 0.5 / len(attack))
    centre, spread = values.mean(), values.std()
    design = np.c_[np.ones(len(values)), (values - centre) / spread]
    beta = np.zeros(2)
    for _ in range(60):
        p = 1 / (1 + np.exp(-design @ beta))
        # A light ridge keeps separable classes finite.
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + 1e-4 * np.eye(2)
        beta += np.linalg.solve(hessian, design.T @ (weight * (target - p)) - 1e-4 * beta)
    native = np.linspace(low, high, knots)
    llr = np.clip(beta[0] + beta[1] * (native - centre) / spread, -cap_low, cap_high)
    return native, llr


def rule_of_three(n):
    """Largest |LLR| that n independent sources without an error support."""
    return float(np.log(max(n / 3, 1.0)))


def cached(cache, name, make):
    path = cache / f"{name}.pkl" if cache else None
    if path and path.is_file():
        return pickle.loads(path.read_bytes())
    value = make()
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(value))
    return value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--photos", type=int, default=PHOTO_STRIDE, help="use every n-th photo of LFW")
    parser.add_argument("-o", "--output", type=Path, default=Path("models/calibration/pad_image.toml"))
    args = parser.parse_args()
    cv2.setNumThreads(1)
    models = Models()
    clips = sorted((args.data / "videos" / "bona_fide").glob("*")) + sorted((args.data / "videos" / "attack").glob("*"))
    signals = {p.name: cached(args.cache, f"clip_{p.name}", lambda p=p: models.clip_signals(p)) for p in clips}
    bona_fide = [p.name for p in clips if p.parent.name == "bona_fide"]
    card = [
        fit_reuse(args, models, signals, bona_fide),
        fit_pulse(signals, bona_fide),
        fit_screen(signals, bona_fide),
        assumed(),
    ]
    head = (
        "# Native value -> natural-log likelihood ratio (bona fide over attack) of the image and signal mechanisms.\n"
        "# Written by models/training/fit_pad_image.py; do not edit.\n"
        f'format = 1\ndate = "{datetime.date.today().isoformat()}"\n'
    )
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(head + "".join(card), encoding="utf-8")


def table(name, native, llr, about, decisive_at=None, **counts):
    lines = [f"\n[{name}]", f'about = "{about}"']
    lines += [f"{key} = {value}" for key, value in counts.items()]
    lines += [f"native = [{', '.join(f'{v:.4g}' for v in native)}]", f"llr = [{', '.join(f'{v:.3f}' for v in llr)}]"]
    if decisive_at is not None:
        lines.append(f"decisive_at = {decisive_at:.3f}")
    return "\n".join(lines) + "\n"


def mark(name, doubtful):
    """From where a finding is a doubt."""
    return f"\n[{name}.marks]\ndoubtful_from = [{doubtful:.4g}]\n"


def fit_reuse(args, models, signals, bona_fide):
    paths = sorted((args.data / "lfw").glob("*/*.jpg"))[:: args.photos]
    folders = sorted({p.parent for p in sorted((args.data / "lfw").glob("*/*.jpg"))})
    rng = np.random.default_rng(1)

    def pairs():
        values = []
        for folder in folders[:: args.photos]:
            photos = sorted(folder.glob("*.jpg"))[:6]
            crops = [c for c in map(models.photo_crop, photos) if c is not None] if len(photos) > 1 else []
            values += [reference_reuse.lasting_correlation(a[None], b) for a, b in itertools.combinations(crops, 2)]
        return np.array(values)

    def attacks():
        photos = [c for c in (models.photo_crop(p, 2) for p in paths[::13]) if c is not None][:100]
        return {
            (kind, level): np.array([reference_reuse.lasting_correlation(reshoot(p, rng, level, kind == "animated"), small(p)) for p in photos])
            for kind in ("still", "animated") for level in range(3)
        }

    mated, reshot = cached(args.cache, "reuse_pairs", pairs), cached(args.cache, "reuse_attacks", attacks)
    own = {name: own_frames(*signals[name]["crops"]) for name in bona_fide}
    # The frame used as a photo and its neighbours stay in: the hardest case that is not a re-shot.
    within = {name: own_frames(*signals[name]["crops"], apart_s=0.0) for name in bona_fide}
    worst = max(max(v) for v in (*own.values(), *within.values()) if v)
    decisive = worst + 0.2 * (1 - worst)
    print("worst own frame within the same second", {n: round(max(v), 3) for n, v in within.items() if max(v) > 0.85})
    for name, values in sorted(own.items(), key=lambda item: -max(item[1], default=-1)):
        print(f"own frames  {name:28s}", np.round(values, 2))
    print(f"LFW mated n={len(mated)} quantiles 0.5 0.99 0.999 1:", np.quantile(mated, [0.5, 0.99, 0.999, 1]).round(3), "decisive", round(decisive, 3))
    for key, values in reshot.items():
        print("re-shot", key, "q05", np.quantile(values, 0.05).round(3), "detected", (values >= decisive).mean().round(3))
    # A photo of the same session is rare in use and hard here: it gets half the weight of the bona fide class.
    session = np.concatenate([v for v in own.values() if v])
    bona = np.r_[np.resize(session, len(mated)), mated]
    native, llr = logistic_knots(bona, np.concatenate(list(reshot.values())), 0.3, 1.0, rule_of_three(len(bona_fide)) * 2, 0.0, 15)
    return table(
        "reference_reuse", native, llr, "LFW mated pairs and clips against own frames 1 s apart; simulated re-shots",
        decisive, mated_pairs=len(mated), own_frame_trials=len(session), clips=len(own), reshots=sum(map(len, reshot.values())),
    )


def fit_pulse(signals, bona_fide):
    def strength(times, colours):
        estimate = pulse.estimate_pulse(times, colours) if len(times) > 1 else None
        return None if estimate is None else (pulse.strength_db(estimate), estimate)

    live, null = [], []
    for name, data in signals.items():
        times, colours = data["skin"]
        found = strength(times, colours)
        if found:
            print(f"pulse  {name:28s} strength {found[0]:6.1f} dB  {found[1]}")
            if name in bona_fide:
                live.append(found[0])
    # Forehead and cheeks of three different clips: all that skin does in a picture, but no common pulse.
    whole = [d["skin"] for d in signals.values() if np.isfinite(d["skin"][1][:, :-1]).all(axis=(1, 2)).sum() >= 75]
    for triple in itertools.permutations(range(len(whole)), 3):
        if sum(triple) % 11 == 0 and triple[0] % 3 == 0:
            n = min(len(whole[k][0]) for k in triple)
            mixed = np.stack([whole[k][1][:n, region] for region, k in enumerate(triple)] + [np.full((n, 3), np.nan)], axis=1)
            found = strength(whole[triple[0]][0][:n], mixed)
            if found:
                null.append(found[0])
    rng = np.random.default_rng(3)
    for _ in range(200):
        n = int(rng.integers(80, 300))
        times = np.arange(n) / 15 + rng.uniform(-0.02, 0.02, n)
        light = 1 + 0.02 * np.cumsum(rng.normal(size=(n, 1, 1)), axis=0) / np.sqrt(n)
        null.append(strength(times, np.array([150.0, 110, 90]) * light + rng.normal(0, rng.uniform(0.1, 0.6), (n, 4, 3)))[0])
    start = float(np.quantile(null, 0.95))
    print("pulse null q50 q95 max", np.quantile(null, [0.5, 0.95, 1]).round(1), "live", np.sort(live).round(1))
    # A filmed live person has a pulse too: even a perfect line is worth no more than this.
    cap = min(1.0, rule_of_three(len(live)))
    return table(
        "pulse", [start, start + 6.0], [0.0, cap], "0 up to the 95 % quantile of recordings without a common pulse, the cap 6 dB above",
        None, bona_fide=len(live), without_pulse=len(null),
    )


def fit_screen(signals, bona_fide):
    medians, beats = {}, {}
    for name, data in signals.items():
        peaks, times, rows = data["screen"]
        medians[name] = float(np.median(peaks[:, 1])) if len(peaks) else float("nan")
        beats[name] = screen_rhythm.beat(times, rows)[1]
        print(f"screen  {name:28s} moire {medians[name]:5.1f} dB  crops {len(peaks)}  beat", np.round(screen_rhythm.beat(times, rows), 2))
    genuine = np.array([medians[n] for n in bona_fide if np.isfinite(medians[n])])
    start = float(genuine.max())
    # No bona fide clip reaches the first knot; how often a display does is not known from two replays, so the weight stays low.
    return table(
        "screen_rhythm", [start, start + 6.0], [0.0, -min(1.5, rule_of_three(len(genuine)))], "0 up to the highest bona fide clip, the cap 6 dB above",
        None, bona_fide=len(genuine), captured_attacks=sum(n not in bona_fide for n in signals),
    ) + table(
        "screen_beat", [1.5 * max(beats[n] for n in bona_fide), 0.5], [0.0, -1.0], "0 up to half above the highest bona fide clip; mains light beats too, so the cap is assumed",
        None, bona_fide=len(bona_fide),
    )


def assumed():
    """Signals without data to fit: small, stated, never decisive."""
    why = "assumed: honest recordings show it now and then, so it weighs little"
    return "".join(
        table(name, native, llr, why)
        for name, native, llr in (
            ("cuts", [0, 1, 3], [0, -0.7, -1.5]),
            ("timestamps", [0, 1, 10], [0, -0.3, -1.0]),
            ("software", [0, 1, 2], [0, -0.3, -0.7]),
            ("picture_size", [0, 1, 3], [0, -0.7, -1.5]),
        )
    )


if __name__ == "__main__":
    main()

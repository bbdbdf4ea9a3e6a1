"""The recapture network against the two MiniFASNet nets, each with its own crops, on the same frames.

    python benchmarks/accuracy/recapture.py look PART --data ../shared/data --out PART.npz  # minutes each
    python benchmarks/accuracy/recapture.py score *.npz --set DIR --out scores.csv
    python benchmarks/accuracy/recapture.py report scores.csv --set DIR
    python benchmarks/accuracy/recapture.py look takes --takes run/takes --data ../shared/data --out takes.npz
    python benchmarks/accuracy/recapture.py score takes.npz --set DIR --out takes.csv

``--set`` is the folder of models/training/recapture: its ``views_K.pt`` and ``setting_K.pt`` were trained without
fold K. Every
clip is judged by the network that had seen no clip, crop or picture of its source; attacks simulated from it likewise;
LFW photos are of people of the test half, whom the network trained on everything has not seen either. ``look`` is what
does not depend on our networks; ``score`` writes a row per clip or take, failures included; ``report`` prints the
tables: clips and simulated species from ``scores.csv``, captured crops also from the ``scores_K.csv`` of the training.
The last two judge the takes of benchmarks/accuracy/pad.py in the same way, for its report alone.

MiniFASNet: mean of both nets over the frames, bona fide from 0.5 up; ours: pooled logit under the card's weights of the
views, attack above the point where the card's LLR is zero. Crops of captured faces are tight: wide view and scene are
missing, and what surrounds them is what little the crop holds. Needs PyTorch for MiniFASNet and the networks.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import sys
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch

from idverify.media import open_recording
from idverify.pad.recapture import FOREHEAD, pooled, strip
from idverify.simulation import DEGRADATIONS, SPECIES, render
from idverify.simulation.faces import default_locate

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models" / "training" / "recapture"))

import data as training  # noqa: E402
from export import load_halves, run_halves  # noqa: E402
from minifasnet import MiniFASNet  # noqa: E402
from pad_clips import source_of  # noqa: E402
from train import load_rows  # noqa: E402

# Face and setting: sums over their two views; these and the scene, pooled over the frames, grow with the evidence of a
# recapture.
ABOUT = ("name", "presentation", "species", "source", "fold", "frames")
PARTS = ("face", "scene", "setting")
COLUMNS = (*ABOUT, "face_px", *PARTS, "minifasnet")
# Between these lines of a model card stand the figures.
FIGURES = ("<!-- figures: begin -->", "<!-- figures: end -->")
LFW_FOLD = "all"
FRAMES = 8


class FoldNets:
    """The networks by fold."""

    def __init__(self, folder: Path, start: Path) -> None:
        self._folder, self._start, self._nets = folder, start, {}

    def has(self, fold) -> bool:
        """Whether the network without this fold was trained; sources of the others are left unscored."""
        return all((self._folder / f"{half}_{fold}.pt").is_file() for half in ("views", "setting"))

    def logits(self, fold, strips):
        """Evidence of a recapture float64 [shape=(n, 5)], by the network without the fold."""
        if fold not in self._nets:
            self._nets[fold] = load_halves(self._folder, fold, self._start)
        return -run_halves(*self._nets[fold], strips).astype(np.float64)


def reduced(image, box):
    """MiniFASNet's picture and box; very large pictures smaller, since its crops have 80 pixels."""
    scale = min(1.0, 300 / max(box[2] - box[0], box[3] - box[1]))
    low, high = np.array(box[:2]) * scale, np.array(box[2:]) * scale
    low = np.maximum(low - [0, FOREHEAD * (high - low)[1]], 0)
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    return image, np.concatenate([low, high])


# -- looking: what does not depend on our network ---------------------------------------------------


class Looker:
    """Views and MiniFASNet's answers of clips, photos and simulated takes."""

    def __init__(self, data: Path) -> None:
        self.peer, self.locate = MiniFASNet(data / "peers" / "minifasnet"), default_locate()

    def pictures(self, path, presentation, species, wide=True, source=None):
        """Frames spread over a clip, or one photo; of a tight crop only the tight view counts."""
        photo = path.suffix in (".jpg", ".png")
        found = training.pictures(path, 1) if photo else spread(path, self.locate)
        return self._looked(path.stem, presentation, species, source or training.source_of(path), found, wide)

    def take(self, species, path, origin, seed, other=None):
        """A simulated attack, five or six frames of it."""
        whole = SPECIES[species].needs_clip
        timing = {"duration_s": 1.0} if whole else {"duration_s": 4.0, "rate_hz": 1.5, "size_wh": (480, 854)}
        shots = render(species, origin, seed=seed, locate=self.locate, other=other, **timing).shots
        images = (compressed(shot.image_rgb) for at, shot in enumerate(shots) if not whole or at % 5 == 3)
        found = ((image, mesh) for image in images if (mesh := self.locate(image)) is not None)
        return self._looked(f"{path.stem}_{seed}", "attack", species, training.source_of(path), found, True)

    def _looked(self, name, presentation, species, source, found, wide):
        views, sizes, pictures = [], [], []
        for image, mesh in found:
            box = np.concatenate([mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)])
            views.append(strip([*training.views(image, mesh, wide), *training.settings_of(image, mesh)]))
            sizes.append((box[2:] - box[:2]).min())
            pictures.append(reduced(image, box))
        answer = float(np.mean(self.peer(pictures))) if pictures else float("nan")
        size = float(np.median(sizes)) if sizes else float("nan")
        about = (name, presentation, species, source, int(wide), len(views), size, answer)
        return about, np.array(views, np.uint8).reshape(-1, *strip([]).shape)


def compressed(image):
    """A camera compresses; the simulator's pictures here come before its encoder."""
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 88])[1], cv2.IMREAD_COLOR)


def spread(path, locate):
    """Frames of a clip at even times, in one pass, with their meshes."""
    with open_recording(path) as recording:
        every, due = (recording.duration_s or 6.0) / (FRAMES + 1), 0.0
        for frame in recording:
            if frame.time_s >= due and (mesh := locate(image := frame.image_rgb())) is not None:
                due = frame.time_s + every
                yield image, mesh


def captured(args, looker):
    """Clips and crops, nothing simulated."""
    for kind, species in (("attack", "captured_replay"), ("bona_fide", "clip")):
        for path in sorted((args.data / "videos" / kind).iterdir()):
            yield looker.pictures(path, kind, species)
    for name in ("gc535", "krz", "man"):
        for presentation in ("bona_fide", "attack"):
            for path in sorted((args.data / "crops" / name / presentation).iterdir()):
                yield looker.pictures(path, presentation, "crop", wide=False)


def from_clips(args, looker):
    """Three simulated takes, one mask and one swap of each clip; the face put in is of somebody of the test half."""
    n, others = len(training.SPECIES), test_photos(args.data)
    for k, path in enumerate(sorted((args.data / "videos" / "bona_fide").iterdir())):
        still = next(spread(path, looker.locate), (None,))[0]
        for j in range(3 if still is not None else 0):
            yield looker.take(training.SPECIES[(3 * k + j) % n], path, still, 5000 + 10 * k + j)
        yield looker.take("mask_eyeholes", path, path, 6000 + k)
        yield looker.take("face_swap_crude", path, path, 6500 + k, others[-1 - k])


def test_photos(data):
    """One photo of each person of the test half."""
    people = [p for p in sorted((data / "lfw").iterdir()) if p.is_dir() and not training.is_fit(p.name)]
    return [sorted(p.glob("*.jpg"))[0] for p in people]


def from_photos(args, looker):
    """Photos of people of the test half, and simulated takes of others of them."""
    photos = test_photos(args.data)
    for path in photos[: args.photos]:
        yield looker.pictures(path, "bona_fide", "photo")
    for k, path in enumerate(photos[-args.simulated :]):
        yield looker.take(training.SPECIES[k % len(training.SPECIES)], path, path, 7000 + k)


def takes(args, looker):
    """What benchmarks/accuracy/pad.py simulated, degraded clips included."""
    with (args.data / "videos.csv").open(newline="", encoding="utf-8") as file:
        known = {source_of(line["subject"]): training.source_of(Path(line["path"])) for line in csv.DictReader(file)}
    for path in sorted(args.takes.glob("*.mp4")):
        species, _, subject = path.stem.partition("-")
        presentation = "bona_fide" if species in DEGRADATIONS else "attack"
        yield looker.pictures(path, presentation, species, source=known.get(subject, "lfw"))


LOOKS = {"captured": captured, "from_clips": from_clips, "from_photos": from_photos, "takes": takes}


def look(args) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    training._set_data(str(args.data))
    about, views, looker = [], [], Looker(args.data)
    for row, seen in LOOKS[args.part](args, looker):
        about.append(row)
        views.append(seen)
        print(row, flush=True)
        if len(about) % 10 == 0:
            save(args.out, about, views)
    save(args.out, about, views)


def save(path, about, views):
    np.savez(path, about=np.array(about, dtype=object), views=np.concatenate(views))


# -- scores ----------------------------------------------------------------------------------------


def score(args) -> None:
    nets = FoldNets(args.set, args.start)
    with args.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for path in args.looked:
            with np.load(path, allow_pickle=True) as looked:
                about, views = looked["about"], looked["views"]
            ends = np.cumsum([row[5] for row in about])[:-1].astype(int)
            writer.writerows(scored(row, seen, nets) for row, seen in zip(about, np.split(views, ends), strict=True))


def scored(about, views, nets):
    """A row of the scores; without a face the values stay empty."""
    name, presentation, species, source, wide, frames, face_px, answer = about
    fold = training.fold_of(source) if source != "lfw" else LFW_FOLD
    row = [name, presentation, species, source, fold, frames]
    if not frames or not nets.has(fold):
        return row + [""] * (len(COLUMNS) - len(row))
    logits = nets.logits(fold, views)
    parts = (logits[:, : 2 if wide else 1].sum(axis=1), wide * logits[:, 2], logits[:, 3:].sum(axis=1))
    return [*row, f"{face_px:.0f}", *(f"{pooled(part):.4f}" for part in parts), f"{answer:.4f}"]


# -- report ----------------------------------------------------------------------------------------


def auc(attack, bona_fide):
    """Chance that an attack's value lies above a bona fide one's."""
    a, b = np.asarray(attack)[:, None], np.asarray(bona_fide)[None]
    return float(((a > b) + 0.5 * (a == b)).mean())


def bpcer_at(attack, bona_fide, apcer):
    """BPCER at the threshold that lets at most this share of the attacks through; values grow with attack."""
    threshold = np.quantile(attack, apcer, method="lower")
    return float((np.asarray(bona_fide) >= threshold).mean())


def rates(values, limit):
    values = np.asarray(values)
    return f"{(values < limit).sum():3d} of {len(values):3d}"


def table(title, groups, bona_fide):
    """Per species: attacks accepted, AUC, and BPCER at APCER 5 %, ours before MiniFASNet's."""
    print(f"\n{title}\n{'':22s}{'accepted':>12s}{'peer':>12s}{'AUC':>8s}{'peer':>8s}{'BPCER@5%':>10s}{'peer':>8s}")
    for name, rows in sorted(groups.items()):
        ours, peer = np.array(rows).T
        areas = [auc(v, b) for v, b in zip((ours, peer), bona_fide.T, strict=True)]
        errors = [100 * bpcer_at(v, b, 0.05) for v, b in zip((ours, peer), bona_fide.T, strict=True)]
        print(
            f"{name:22s}{rates(ours, 0):>12s}{rates(peer, -0.5):>12s}"
            f"{areas[0]:8.3f}{areas[1]:8.3f}{errors[0]:9.1f}%{errors[1]:7.1f}%"
        )


@lru_cache(maxsize=1)
def weights():
    """Of face, scene and setting, from the card, and an offset: above 0 the card's LLR speaks against bona fide."""
    card = tomllib.loads((ROOT / "models" / "calibration" / "pad_recapture.toml").read_text(encoding="utf-8"))
    zero = np.interp(0.0, card["llr"][::-1], card["native"][::-1])
    return np.array(card["weights"])[[0, 2, 3]], -zero


def weighed(*parts):
    of_parts, offset = weights()
    return float(of_parts @ parts + offset)


def pair(row):
    """Ours and MiniFASNet's value, both growing with attack."""
    return weighed(*(float(row[part]) for part in PARTS)), -float(row["minifasnet"])


def rejected(name, values):
    ours, peer = (values >= (0, -0.5)).sum(axis=0)
    print(f"{name} rejected: ours {ours} of {len(values)}, MiniFASNet {peer} of {len(values)}")


def report(args) -> None:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        print_report(args)
    print(text.getvalue())
    if args.into is not None:
        card = args.into.read_text(encoding="utf-8")
        head, _, rest = card.partition(FIGURES[0])
        tail = rest.partition(FIGURES[1])[2]
        args.into.write_text(f"{head}{FIGURES[0]}\n```\n{text.getvalue()}```\n{FIGURES[1]}{tail}", encoding="utf-8")


def print_report(args) -> None:
    with args.scores.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    failed = [row["name"] for row in rows if row["face"] == ""]
    rows = [row for row in rows if row["face"] != ""]
    print(f"{len(rows)} rows, {len(failed)} without a face or a network that had not seen their source")
    for row in sorted(rows, key=pair):
        if row["species"] in ("clip", "captured_replay"):
            about = f"{row['name']:28s}{row['presentation']:10s} face {row['face_px']:>4s} px"
            print(f"{about}  ours {pair(row)[0]:+6.2f}  MiniFASNet {row['minifasnet']}")
    bona_fide, photos = (np.array([pair(r) for r in rows if r["species"] == kind]) for kind in ("clip", "photo"))
    rejected("bona fide clips", bona_fide)
    rejected("photos of unseen people", photos)
    for what, of_lfw, against in (
        ("from clips, their source left out", False, bona_fide),
        ("from photos of unseen people", True, photos),
    ):
        groups: dict[str, list] = {}
        for row in rows:
            attack = row["presentation"] == "attack" and row["species"] != "crop"
            if attack and (row["source"] == "lfw") == of_lfw:
                groups.setdefault(row["species"], []).append(pair(row))
        table(what, groups, against)
    for source in sorted({row["source"] for row in rows if row["species"] == "crop"}):
        own = [row for row in rows if row["species"] == "crop" and row["source"] == source]
        bona_fide, attack = (
            np.array([pair(r) for r in own if r["presentation"] == kind]) for kind in ("bona_fide", "attack")
        )
        rejected(f"{source}, bona fide crops", bona_fide)
        table(f"captured crops of {source}, left out", {"captured crops": attack}, bona_fide)
    if args.set is not None:
        crops_report(args.set)


def crops_report(folder: Path) -> None:
    """Single pictures of the training set, each judged by the network without its fold."""
    rows = load_rows(folder)
    native = {}
    for fold in range(len(training.FOLDS)):
        paths = [folder / f"{half}_scores_{fold}.csv" for half in ("views", "setting")]
        if not all(path.is_file() for path in paths):
            continue
        halves = [list(csv.DictReader(path.open(encoding="utf-8"))) for path in paths]
        for views, setting in zip(*halves, strict=True):
            at = int(views["item"])
            tight, broad, scene = (-float(views[f"logit_{k}"]) for k in range(3))
            around = -float(setting["logit_0"]) - float(setting["logit_1"])
            native[at] = weighed(tight + broad, scene, around) if rows[at]["wide"] else weighed(tight, 0.0, around)
    print(f"\nsingle pictures, source left out: BPCER in % at an APCER of 10, 5 and 1 %\n{'':30s}{'n':>6s}{'AUC':>8s}")
    for source in sorted({row["source"] for at, row in enumerate(rows) if at in native}):
        own = [(at, row) for at, row in enumerate(rows) if row["source"] == source and at in native]
        bona_fide = [native[at] for at, row in own if row["label"] == 1]
        for species in sorted({row["species"] for _, row in own if row["label"] == 0}):
            attack = [native[at] for at, row in own if row["species"] == species and row["label"] == 0]
            ranks = "".join(f"{100 * bpcer_at(attack, bona_fide, level):9.1f}" for level in (0.1, 0.05, 0.01))
            print(f"{source:12s}{species:18s}{len(attack):6d}{auc(attack, bona_fide):8.3f}{ranks}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    zero = commands.add_parser("look")
    zero.add_argument("part", choices=LOOKS)
    zero.add_argument("--data", type=Path, required=True)
    zero.add_argument("--out", type=Path, required=True)
    zero.add_argument("--takes", type=Path, help="folder of takes, for the part of that name")
    zero.add_argument("--photos", type=int, default=160, help="photos of unseen people")
    zero.add_argument("--simulated", type=int, default=48, help="further photos that are simulated, one species each")
    zero.set_defaults(run=look)
    one = commands.add_parser("score")
    one.add_argument("looked", type=Path, nargs="+")
    one.add_argument("--set", type=Path, required=True)
    one.add_argument("--start", type=Path, required=True, help="folder of the two MiniFASNet files")
    one.add_argument("--out", type=Path, required=True)
    one.set_defaults(run=score)
    two = commands.add_parser("report")
    two.add_argument("scores", type=Path)
    two.add_argument("--set", type=Path)
    two.add_argument("--into", type=Path, help="a model card, whose figures are replaced")
    two.set_defaults(run=report)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()

"""Training pictures of the recapture network: bona fide twins, simulated and captured attacks, cut into five views.

    python models/training/recapture/data.py --data ../shared/data --out DIR [--processes 2] [--share 1.0]

Writes ``DIR/crops.npy`` (uint8 [shape=(n, 3, 96, 96, 3)]: tight and wide view and the scene, RGB), ``DIR/settings.npy`` (uint8 [shape=(n, 2, 80, 80, 3)]: the
two views of the surroundings, RGB), ``DIR/rows.csv`` (one row per item: label, source, fold, species, whether there is more than a tight crop,
MiniFASNet's probability of bona fide, twin). Fixed seeds per picture: the
same files whatever the number of processes.

Sources are grouped in four folds; a person or a source is in one only. LFW: people of the fit half (benchmarks/accuracy/lfw.py).
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import zlib
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from clues import CLUES, CameraDraw, swap
from idverify.media.colour import resize
from idverify.media import load_photo, open_recording
from idverify.pad.recapture import SCENE, SETTING_PX, SIDE_PX, face_boxes, scene_box, setting_boxes
from idverify.simulation import render
from idverify.simulation.faces import default_locate
from minifasnet import MiniFASNet

COLUMNS = ("label", "source", "fold", "species", "wide", "teacher", "twin")
# Longest side of the face in the pictures that clues are put on.
FACE_PX = 150
FRAMES_PER_CLIP = 20
# A fold is left out as a whole: captured attacks never without the bona fide material of the same man.
FOLDS = (("gc535", "grid", "talk"), ("krz", "lp"), ("man", "les", "tv"), ("lfw",))
SPECIES = ("print_flat", "print_bent", "print_shaken", "print_cutout", "replay_phone", "replay_monitor", "replay_tablet_glare", "photo_animated")


def is_fit(person):
    return int(hashlib.sha256(f"fit or test: {person}".encode()).hexdigest(), 16) % 2 == 0


def source_of(path):
    """The source a file belongs to; people who are in several places are one source."""
    for name in ("gc535", "krz", "man", "les", "lfw"):
        if name in path.parts or f"_{name}" in path.stem:
            return name
    return path.stem.partition("_")[0]


def fold_of(source):
    return next(k for k, names in enumerate(FOLDS) if source in names)


def views(image, mesh, wide=True):
    """Face and scene of a picture [shape=(3, 96, 96, 3)]; without more than a tight crop, that one thrice."""
    box = np.concatenate([mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)])
    tight, broad = (cut(image, b) for b in face_boxes(box))
    left, top, right, bottom = scene_box(box, image.shape[1::-1])
    scene = resize(np.ascontiguousarray(image[top:bottom, left:right]), (SIDE_PX, SIDE_PX))
    return np.stack([tight, broad, scene] if wide else [tight] * 3)


def settings_of(image, mesh):
    """Both views of the setting [shape=(2, 80, 80, 3)], as ``Recapture.observe`` cuts them."""
    box = np.concatenate([mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)])
    boxes = setting_boxes(box, image.shape[1::-1])
    parts = (np.ascontiguousarray(image[top:bottom, left:right]) for left, top, right, bottom in boxes)
    return np.stack([resize(part, (SETTING_PX, SETTING_PX)) for part in parts])


def cut(image, box):
    """As ``Frame.crop_rgb`` cuts: whole pixels, the edge repeated outside, the same scaling."""
    left, top, right, bottom = np.floor(np.asarray(box) + 0.5).astype(int)
    height, width = image.shape[:2]
    before, after = (max(-left, 0), max(-top, 0)), (max(right - width, 0), max(bottom - height, 0))
    inside = image[max(top, 0) : max(min(bottom, height), 1), max(left, 0) : max(min(right, width), 1)]
    full = cv2.copyMakeBorder(inside, before[1], after[1], before[0], after[0], cv2.BORDER_REPLICATE)
    return np.asarray(resize(np.ascontiguousarray(full), (SIDE_PX, SIDE_PX)))


def context(image, mesh):
    """The surroundings of a face at a handy size, and the mesh in it."""
    low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
    size, middle = (high - low).max(), (low + high) / 2
    left, top = np.maximum(np.floor(middle - SCENE / 2 * size), 0).astype(int)
    right, bottom = np.minimum(np.ceil(middle + SCENE / 2 * size), image.shape[1::-1]).astype(int)
    part, scale = image[top:bottom, left:right], min(1.0, FACE_PX / size)
    wh = tuple(np.maximum(np.rint(np.array(part.shape[1::-1]) * scale), 2).astype(int).tolist())
    mesh = (mesh - np.float32([left, top, 0])) * np.float32(scale)
    return np.asarray(resize(np.ascontiguousarray(part), wh)), mesh


# -- in a worker -----------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def tools(data):
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    locate = default_locate()
    others = [load_photo(p) for p in sorted(Path(data, "lfw").glob("*/*_0001.jpg"))[::23] if is_fit(p.parent.name)]
    faces = [(photo, mesh) for photo in others if (mesh := locate(photo)) is not None]
    return locate, MiniFASNet(Path(data) / "peers" / "minifasnet"), others, faces


def frames_of(path, count):
    """Pictures spread over a clip, with their meshes."""
    locate = tools(DATA)[0]
    with open_recording(path) as recording:
        total = sum(1 for _ in recording)
    wanted = set(np.unique(np.linspace(1, total - 2, count).astype(int)).tolist())
    with open_recording(path) as recording:
        for index, frame in enumerate(recording):
            if index in wanted and (mesh := locate(image := frame.image_rgb())) is not None:
                yield image, mesh


def pictures(path, count):
    if path.suffix in (".jpg", ".png"):
        image = load_photo(path)
        # Tight crops leave the detector no margin.
        border = 0 if "lfw" in path.parts else round(0.25 * min(image.shape[:2]))
        mesh = tools(DATA)[0](cv2.copyMakeBorder(image, *[border] * 4, cv2.BORDER_REPLICATE))
        if mesh is not None:
            yield image, mesh - np.float32([border, border, 0])
    else:
        yield from frames_of(path, count)


class Items:
    """Crops and rows of one job."""

    def __init__(self, path, source=None):
        self.source = source or source_of(path)
        self.crops, self.settings, self.rows = [], [], []

    def add(self, image, mesh, *, label, species, wide=True, twin=""):
        self.crops.append(views(image, mesh, wide))
        self.settings.append(settings_of(image, mesh))
        self.rows.append([label, self.source, fold_of(self.source), species, int(wide), float("nan"), twin])

    def done(self):
        settings = np.array(self.settings, np.uint8).reshape(-1, 2, SETTING_PX, SETTING_PX, 3)
        if len(settings):
            for row, p in zip(self.rows, tools(DATA)[1].answers(settings[..., ::-1]), strict=True):
                row[5] = round(float(p), 4)
        return np.array(self.crops, np.uint8).reshape(-1, 3, SIDE_PX, SIDE_PX, 3), settings, self.rows


def bona_fide_job(path, variants, wide):
    """Each picture several times, every time with an attack twin through the same camera."""
    rng = np.random.default_rng(zlib.crc32(str(path.name).encode()))
    items, behinds, faces = Items(path), *tools(DATA)[2:]
    kinds = (*CLUES, "swap") if wide else ("screen", "paper", "mask", "screen", "swapped", "swap")
    turn = int(rng.integers(len(kinds)))
    for image, mesh in pictures(path, FRAMES_PER_CLIP):
        small, points = context(image, mesh)
        for _ in range(variants):
            turn += 1
            kind, twin = kinds[turn % len(kinds)], f"{path.name}-{turn}"
            behind = behinds[int(rng.integers(len(behinds)))]
            behind = cv2.resize(np.roll(behind, rng.integers(-60, 60, 2).tolist(), (0, 1)), small.shape[1::-1])
            camera = CameraDraw(rng)
            items.add(*camera(small, points), label=1, species="", wide=wide, twin=twin)
            spoofed = swap(small, points, rng, *faces[int(rng.integers(len(faces)))]) if kind == "swap" else CLUES[kind](small, points, rng, behind)
            items.add(*camera(spoofed, points), label=0, species=f"clue_{kind}", wide=wide, twin=twin)
    return items.done()


def captured_job(path, variants, wide):
    """Captured attacks, as they are and through other cameras."""
    rng = np.random.default_rng(zlib.crc32(str(path.name).encode()))
    items = Items(path)
    for image, mesh in pictures(path, 30):
        small, points = context(image, mesh)
        items.add(small, points, label=0, species="captured", wide=wide)
        for _ in range(variants - 1):
            items.add(*CameraDraw(rng)(small, points), label=0, species="captured", wide=wide)
    return items.done()


def species_job(path, species, seed):
    """Two pictures of a simulated attack, plain and through another camera."""
    rng = np.random.default_rng(seed)
    items, locate = Items(path), tools(DATA)[0]
    size_wh = ((360, 640), (480, 640), (540, 960))[seed % 3]
    if species == "mask_eyeholes":
        shots = list(render(species, path, seed=seed, duration_s=0.8, locate=locate).shots)[3::18]
    else:
        origin = path if path.suffix == ".jpg" else next(iter(pictures(path, 3)), (None,))[0]
        if origin is None:
            return items.done()
        shots = render(species, origin, seed=seed, size_wh=size_wh, duration_s=2.0, rate_hz=1.0, locate=locate).shots
    for _, image in shots:
        mesh = locate(image)
        if mesh is not None:
            image, mesh = context(image, mesh)
            items.add(image, mesh, label=0, species=species)
            camera = CameraDraw(rng)
            camera.strong = True
            items.add(*camera(image, mesh), label=0, species=species)
    return items.done()


def run(job):
    kind, path, *rest = job
    return {"bona_fide": bona_fide_job, "captured": captured_job, "species": species_job}[kind](path, *rest)


# -- the list of jobs ------------------------------------------------------------------------------


def jobs(data, share):
    people = [p for p in sorted((data / "lfw").iterdir()) if p.is_dir() and is_fit(p.name)]
    photos = [sorted(p.glob("*.jpg"))[0] for p in people]
    clips = sorted((data / "videos" / "bona_fide").iterdir())
    for path in photos[: round(len(photos) * share)]:
        yield "bona_fide", path, len(CLUES), True
    for path in clips:
        yield "bona_fide", path, 8, True
    for name, variants in (("gc535", 1), ("krz", 3), ("man", 5)):
        for path in sorted((data / "crops" / name / "bona_fide").iterdir()):
            yield "bona_fide", path, variants, False
        for path in sorted((data / "crops" / name / "attack").iterdir()):
            yield "captured", path, variants, False
    for path in sorted((data / "videos" / "attack").iterdir()):
        yield "captured", path, 4, True
    for k, path in enumerate(photos[-round(640 * share) :]):
        yield "species", path, SPECIES[k % len(SPECIES)], k
    for k, path in enumerate(clips):
        for j in range(4):
            yield "species", path, SPECIES[(2 * j + k % 2) % len(SPECIES)], 1000 + 10 * k + j
        yield "species", path, "mask_eyeholes", 2000 + k


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--share", type=float, default=1.0, help="of the LFW people")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    os.environ["RECAPTURE_DATA"] = str(args.data)
    crops, settings, rows = [], [], []
    with ProcessPoolExecutor(args.processes, initializer=_set_data, initargs=(str(args.data),)) as pool:
        todo = list(jobs(args.data, args.share))
        for at, (part, around, described) in enumerate(pool.map(run, todo, chunksize=4)):
            crops.append(part)
            settings.append(around)
            rows += described
            if at % 200 == 0:
                print(f"{at} of {len(todo)} jobs, {len(rows)} items", flush=True)
    np.save(args.out / "crops.npy", np.concatenate(crops))
    np.save(args.out / "settings.npy", np.concatenate(settings))
    with (args.out / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    print(f"{len(rows)} items")


DATA = ""


def _set_data(data):
    global DATA
    DATA = data


if __name__ == "__main__":
    main()

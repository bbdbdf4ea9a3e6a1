"""Train one half of the recapture network on the pictures of data.py.

    python models/training/recapture/train.py views --set DIR [--leave-out FOLD]
    python models/training/recapture/train.py setting --set DIR --start MINIFASNET_DIR [--leave-out FOLD]

Writes ``DIR/views_all.pt``, or ``DIR/views_K.pt`` without fold K and ``DIR/views_scores_K.csv`` with the logits of that fold's items; likewise
``setting_...``. A batch holds bona fide pictures with their own attack twins through the same camera, and attacks without a twin, every
source at its share. Needs PyTorch; a quarter of an hour of one core for each.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from net import SettingNet, ViewNet

STEPS = {"views": 2000, "setting": 200}
PEAK_RATE = {"views": 4e-3, "setting": 2e-4}
FILE = {"views": "crops.npy", "setting": "settings.npy"}
# Twins (two pictures each) and single attacks of a batch.
BATCH = {"views": (20, 24), "setting": (16, 16)}
DECAY, SMOOTHING = 2e-2, 0.03
# What the half for the setting keeps of its training: its weights are this share of the trained and the rest of the start. Between the two
# it finds captured attacks of sources left out better than either (Wortsman et al. 2022, arXiv:2109.01903).
TRAINED_SHARE = 0.5
# The first part of the steps sees the views at half their area: coarse clues first, and twice as fast.
SMALL_SHARE, SMALL_PX = 0.4, 64
# Weights: each view by itself beside their sum; the teacher.
VIEW_LOSS, TEACHER_LOSS = 0.4, 0.3
# One picture shows a photo's animation hardly at all, and a swap's seams not always.
SPECIES_WEIGHT = {"clue_animated": 0.15, "photo_animated": 0.15, "clue_swapped": 0.5}
# Shares of the sources among twins and among single attacks (captured, simulated scenes); the rest goes evenly to the others.
TWIN_SHARES = {"lfw": 0.40, "gc535": 0.18, "krz": 0.07, "man": 0.06, "les": 0.05}
SINGLE_SHARES = {"gc535": 0.30, "krz": 0.10, "man": 0.10, "les": 0.06, "lfw": 0.24}


def load_rows(folder):
    with (folder / "rows.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for key, kind in (("label", int), ("fold", int), ("wide", int), ("teacher", float)):
            row[key] = kind(row[key])
    return rows


def chances(sources, shares):
    """Chance of each unit, so that each source gets its share."""
    names, counts = np.unique(sources, return_counts=True)
    given = np.array([shares.get(name, np.nan) for name in names])
    open_, rest = np.isnan(given), max(1 - np.nansum(given), 0.0)
    given[open_] = rest / max(open_.sum(), 1)
    each = dict(zip(names, given / counts, strict=True))
    chance = np.array([each[s] for s in sources])
    return chance / chance.sum()


def units(rows, leave_out):
    """Indices of twins [shape=(n, 2)] and of single attacks, with their sources."""
    pairs, singles = {}, []
    for at, row in enumerate(rows):
        if row["fold"] == leave_out:
            continue
        if row["twin"]:
            pairs.setdefault((row["source"], row["twin"]), []).append(at)
        else:
            singles.append(at)
    twins = np.array(list(pairs.values()))
    return twins, np.array(singles)


def augment(views, rng):
    """Mirror, zoom, shift and tint [shape=(views, side, side, 3)]."""
    views = views[:, :, ::-1] if rng.random() < 0.5 else views
    if rng.random() < 0.8:
        full = views.shape[1]
        side = int(rng.integers(round(0.86 * full), full + 1))
        x, y = rng.integers(0, full + 1 - side, 2)
        views = np.stack([cv2.resize(v[y : y + side, x : x + side], (full, full), interpolation=cv2.INTER_LINEAR) for v in views])
    if rng.random() < 0.5:
        views = np.clip(views * rng.uniform(0.88, 1.12, 3).astype(np.float32), 0, 255)
    if rng.random() < 0.05:
        views = np.repeat(views.mean(axis=-1, keepdims=True), 3, axis=-1)
    views = views.astype(np.uint8)
    if len(views) > 2:
        views[2] = reframed(views[2], rng)
    return views


def reframed(scene, rng):
    """The scene in a file of another shape, now and then with bars: neither tells anything about the class."""
    if rng.random() < 0.7:
        full = scene.shape[0]
        width, height = np.rint(full * rng.uniform(0.6, 1.0, 2)).astype(int)
        x, y = rng.integers(0, full + 1 - width), rng.integers(0, full + 1 - height)
        scene = cv2.resize(scene[y : y + height, x : x + width], (full, full), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.08:
        first, last = np.rint(len(scene) * rng.uniform([0, 0.75], [0.25, 1])).astype(int)
        bars = scene.swapaxes(0, 1) if rng.random() < 0.5 else scene
        bars[:first], bars[last:] = (int(rng.integers(0, 30)),) * 2
    return scene


def shrunk(x):
    """The views of a batch at the smaller size [shape=(n, 3, 64, 64, 3)]."""
    small = F.interpolate(x.flatten(0, 1).permute(0, 3, 1, 2).float(), size=(SMALL_PX,) * 2, mode="area")
    return small.permute(0, 2, 3, 1).unflatten(0, (-1, x.shape[1]))


def batches(crops, rows, leave_out, sizes, steps, seed):
    rng = np.random.default_rng(seed)
    twins, singles = units(rows, leave_out)
    source = np.array([row["source"] for row in rows])
    twin_chance, single_chance = chances(source[twins[:, 0]], TWIN_SHARES), chances(source[singles], SINGLE_SHARES)
    label, wide, teacher = (np.array([row[k] for row in rows], np.float32) for k in ("label", "wide", "teacher"))
    weight = np.array([SPECIES_WEIGHT.get(row["species"], 1.0) for row in rows], np.float32)
    # The bona fide twin of a picture that weighs little weighs as little, or it would speak for the class.
    light = dict(zip(twins[:, 1], weight[twins[:, 1]], strict=True))
    for a, b in twins:
        weight[a] = light[b]
    for _ in range(steps):
        at = np.concatenate([twins[rng.choice(len(twins), sizes[0], p=twin_chance)].ravel(), rng.choice(singles, sizes[1], p=single_chance)])
        x = torch.from_numpy(np.stack([augment(np.asarray(crops[i]), rng) for i in at]))
        # Both classes weigh the same.
        balance = np.where(label[at] == 1, 0.5 / max((label[at] == 1).mean(), 1e-6), 0.5 / (label[at] == 0).mean()).astype(np.float32)
        yield x, *(torch.from_numpy(v[at].astype(np.float32)) for v in (label, wide, teacher)), torch.from_numpy(balance * weight[at])


def loss_of_views(out, label, wide, teacher, weight):
    # Of a tight crop there is no wide view, and no scene.
    there = torch.stack([torch.ones_like(wide), wide, wide], 1)
    loss = loss_of_labels(there * out[:, :, 0], label, weight, there)
    # The teacher is listened to where it does not contradict what is known.
    heard = torch.isfinite(teacher) & ((label == 0) | (teacher > 0.5))
    soft = torch.nan_to_num(teacher, 0.5).clamp(0.01, 0.99)
    guess = F.binary_cross_entropy_with_logits(out[:, :, 1].sum(1), soft, reduction="none")
    return loss + TEACHER_LOSS * (heard * guess).mean()


def loss_of_setting(out, label, wide, teacher, weight):
    return loss_of_labels(out / 2, label, weight, torch.ones_like(out))


def loss_of_labels(logits, label, weight, there):
    """Of the views' sum, and of each view by itself where it is there [shape=(n, views) both]."""
    target = label * (1 - 2 * SMOOTHING) + SMOOTHING
    total = F.binary_cross_entropy_with_logits(logits.sum(1), target, reduction="none")
    each = F.binary_cross_entropy_with_logits(logits, target[:, None].expand_as(logits), reduction="none")
    return (weight * (total + VIEW_LOSS * (there * each).sum(1))).mean()


LOSS = {"views": loss_of_views, "setting": loss_of_setting}


@torch.no_grad()
def logits(net, crops, indices):
    """Float32 [shape=(n, views)] of either half."""
    net.eval()
    parts = [net(torch.from_numpy(np.ascontiguousarray(crops[indices[k : k + 64]]))) for k in range(0, len(indices), 64)]
    return np.concatenate([(part[:, :, 0] if part.ndim == 3 else part).float().numpy() for part in parts])


def train(net, half, crops, rows, leave_out, steps, seed=0):
    torch.manual_seed(seed)
    optimiser = torch.optim.AdamW(net.parameters(), lr=PEAK_RATE[half], weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE[half], total_steps=steps, pct_start=0.2)
    start, running = time.time(), 0.0
    for step, (x, *targets) in enumerate(batches(crops, rows, leave_out, BATCH[half], steps, seed)):
        net.train()
        with torch.autocast("cpu", torch.bfloat16):
            out = net(shrunk(x) if half == "views" and step < SMALL_SHARE * steps else x)
        loss = LOSS[half](out.float(), *targets)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        running = 0.97 * running + 0.03 * loss.item() if step else loss.item()
        if step % 50 == 0:
            print(f"step {step} of {steps}: loss {running:.3f}, {time.time() - start:.0f} s", flush=True)
    return net


def fresh(half, start):
    if half == "views":
        torch.manual_seed(0)
        return ViewNet().to(memory_format=torch.channels_last)
    return SettingNet(start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("half", choices=STEPS)
    parser.add_argument("--set", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="folder of the two MiniFASNet files, for the half that starts from them")
    parser.add_argument("--leave-out", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    if (args.start is None) == (args.half == "setting"):
        parser.error("--start goes with setting, and only with it")
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    cv2.setNumThreads(1)
    rows, crops = load_rows(args.set), np.load(args.set / FILE[args.half], mmap_mode="r")
    name = "all" if args.leave_out is None else str(args.leave_out)
    start = fresh(args.half, args.start)
    begun = {key: value.clone() for key, value in start.state_dict().items()}
    net = train(start, args.half, crops, rows, args.leave_out, args.steps or STEPS[args.half])
    if args.half == "setting":
        net.load_state_dict({key: torch.lerp(begun[key], value, TRAINED_SHARE) for key, value in net.state_dict().items()})
    torch.save(net.state_dict(), args.set / f"{args.half}_{name}.pt")
    if args.leave_out is None:
        return
    left = np.array([at for at, row in enumerate(rows) if row["fold"] == args.leave_out])
    with (args.set / f"{args.half}_scores_{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["item", *(f"logit_{k}" for k in range(crops.shape[1]))])
        writer.writerows([i, *np.round(z, 4)] for i, z in zip(left, logits(net, crops, left), strict=True))


if __name__ == "__main__":
    main()

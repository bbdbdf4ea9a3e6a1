"""Harmless changes to recordings: what recorders, muxers, editors and senders do without touching what is shown.

    python benchmarks/accuracy/harmless_changes.py run SHARED_DATA WORK_DIR [--hours H] [--match TEXT] [--clip TEXT]
    python benchmarks/accuracy/harmless_changes.py report WORK_DIR --json benchmarks/results/harmless_changes.json

Each clip is cut to its first seconds and coded once more, at most 960 pixels long: that is the *untouched* clip.
Every change is made from it. A clip with another photo of the person it shows, or pretends to show, is checked against
that photo, others are judged for liveness alone. Asked is how often genuine material is rejected, how much more often
it is inconclusive than untouched, and whether any attack is accepted; of attacks also, how many pass liveness alone.

``run`` takes the pairs of clip and change in an order drawn by chance, two genuine ones to one attack, simulated
attacks last, so that it may be stopped at any time and what it has done stands for the whole. It keeps one row a pair
in WORK_DIR and goes on where it was stopped. WORK_DIR holds coded faces: keep it outside the repository. Faces are
drawn by one seed throughout, so that clip and changed clip differ in nothing else. Of the digital manipulations none
takes part: no file is presented to a camera in them.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from idverify.media import open_recording
from idverify.metrics.intervals import wilson
from idverify.pad.evidence import Status
from idverify.verification.decision import Decision
from idverify.verification.policy import load_policy
from idverify.verification.verifier import Verifier

SECONDS, LONG_PX = 5.0, 960
# Of the order of the pairs, and of the faces drawn in a check.
SEED = 0
TICK = Fraction(1, 90000)

# -- a recording as pictures with times ------------------------------------------------------------------------------

Shots = Iterable[tuple[np.ndarray, float]]


def shots_of(video: bytes | Path) -> Iterator[tuple[np.ndarray, float]]:
    with open_recording(video) as recording:
        for frame in recording:
            if frame.time_s > SECONDS:
                return
            shrink = min(1.0, LONG_PX / max(frame.size_wh))
            size = tuple(2 * round(side * shrink / 2) for side in frame.size_wh)
            yield frame.image_rgb(size), frame.time_s


@dataclass(frozen=True, kw_only=True)
class Coding:
    container: str = "mp4"
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    options: dict[str, str] = field(default_factory=lambda: {"crf": "18", "preset": "ultrafast"})
    colour: tuple[int, int] = (6, 1)
    aspect: Fraction | None = None
    display_deg: int | None = None
    sound: bool = False
    thumbnail: bool = False
    file_options: dict[str, str] = field(default_factory=dict)


def encode(shots: Shots, how: Coding) -> bytes:
    buffer = io.BytesIO()
    shots = iter(shots)
    first = next(shots)
    with av.open(buffer, "w", format=how.container, options=how.file_options) as output:
        # Every track is made before the first packet is written.
        thumbnail: Any = output.add_stream("mjpeg", rate=1) if how.thumbnail else None
        if thumbnail is not None:
            thumbnail.width, thumbnail.height, thumbnail.pix_fmt = 160, 120, "yuvj420p"
        stream: Any = output.add_stream(how.codec, rate=30, options=how.options)
        stream.height, stream.width = first[0].shape[:2]
        stream.pix_fmt = how.pix_fmt
        stream.codec_context.time_base = stream.time_base = TICK if how.container != "avi" else Fraction(1, 30)
        stream.codec_context.colorspace, stream.codec_context.color_range = how.colour
        if how.aspect is not None:
            stream.codec_context.sample_aspect_ratio = how.aspect
        if how.display_deg is not None:
            stream.set_display_rotation(how.display_deg)
        if thumbnail is not None:
            _still_track(output, thumbnail, first[0])
        if how.sound:
            _sound(output)
        last = -1
        for image, time_s in _chained(first, shots):
            tick = round(time_s / stream.codec_context.time_base)
            if tick <= last:
                continue
            last = tick
            picture = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
                format=how.pix_fmt, dst_colorspace={1: 1, 6: 5}[how.colour[0]], dst_color_range=how.colour[1]
            )
            picture.pts, picture.time_base = tick, stream.codec_context.time_base
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def _chained(first: Any, rest: Any) -> Iterator[Any]:
    yield first
    yield from rest


def _still_track(output: Any, stream: Any, image: np.ndarray) -> None:
    picture = av.VideoFrame.from_ndarray(cv2.resize(image, (160, 120)), format="rgb24").reformat(format="yuvj420p")
    picture.pts, picture.time_base = 0, Fraction(1, 1)
    output.mux(stream.encode(picture))
    output.mux(stream.encode(None))


def _sound(output: Any) -> None:
    stream = output.add_stream("aac", rate=48000)
    rng = np.random.default_rng(0)
    for k in range(int(SECONDS * 48000 / 1024)):
        frame = av.AudioFrame.from_ndarray(
            rng.normal(0, 0.01, (1, 1024)).astype(np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = 48000, k * 1024, Fraction(1, 48000)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


# -- changes ---------------------------------------------------------------------------------------------------------


def each(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Shots], Shots]:
    return lambda shots: ((np.ascontiguousarray(change(image)), time_s) for image, time_s in shots)


def beside(image: np.ndarray, share: float) -> tuple[int, int]:
    """Pixels at either side, across and down, that make the frame `share` times as long beside the longer sides."""
    h, w = image.shape[:2]
    pad = round(max(h, w) * (share - 1) / 4) * 2
    return (pad, 0) if h >= w else (0, pad)


def barred(
    share: float, level: tuple[int, int, int], *, both: bool = False, writing: bool = False
) -> Callable[[np.ndarray], np.ndarray]:
    """Bars along the longer sides; the frame becomes `share` times as long; `both`: thin ones all around, too."""

    def change(image: np.ndarray) -> np.ndarray:
        h, w = image.shape[:2]
        x, y = beside(image, share)
        pad = max(x, y)
        if both:
            x, y = x + round(0.03 * w) * 2, y + round(0.03 * h) * 2
        out = cv2.copyMakeBorder(image, y, y, x, x, cv2.BORDER_CONSTANT, value=level)
        if writing:
            at = (4, y + h + pad // 2) if y else (4, h // 2)
            cv2.putText(
                out,
                "a line of text",
                at,
                cv2.FONT_HERSHEY_SIMPLEX,
                max(0.3, pad / 200),
                (230, 230, 230),
                1,
                cv2.LINE_AA,
            )
        return out

    return change


def filled(
    share: float, fill: Callable[[np.ndarray, tuple[int, int]], np.ndarray]
) -> Callable[[np.ndarray], np.ndarray]:
    """The frame becomes `share` times as long, across the longer side; `fill` makes what the picture is laid on."""

    def change(image: np.ndarray) -> np.ndarray:
        h, w = image.shape[:2]
        x, y = beside(image, share)
        out = fill(image, (w + 2 * x, h + 2 * y))
        out[y : y + h, x : x + w] = image
        return out

    return change


def blurred_copy(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture itself, enlarged, blurred and darkened, as editors fill a frame."""
    return np.asarray(cv2.GaussianBlur(cv2.resize(image, size), None, max(size) / 40) * 0.6).astype(np.uint8)


def gradient(_: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """From one colour to another, from the top to the bottom."""
    down = np.linspace(0, 1, size[1])[:, None]
    lines = (1 - down) * (230, 240, 250) + down * (40, 60, 160)
    return np.repeat(lines[:, None].astype(np.uint8), size[0], axis=1)


def squeezed(x: float, y: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(image: np.ndarray) -> np.ndarray:
        h, w = image.shape[:2]
        return cv2.resize(image, (2 * round(w * x / 2), 2 * round(h * y / 2)), interpolation=cv2.INTER_AREA)

    return change


def stalled(at_s: float, for_s: float) -> Callable[[Shots], Shots]:
    """The picture freezes while time and scene go on, as in a live stream that hangs."""

    def change(shots: Shots) -> Shots:
        held = None
        for image, time_s in shots:
            if at_s <= time_s < at_s + for_s:
                held = image if held is None else held
                yield held, time_s
            else:
                yield image, time_s

    return change


def gap(at_s: float, for_s: float) -> Callable[[Shots], Shots]:
    """No picture is written for a while."""
    return lambda shots: (shot for shot in shots if not at_s < shot[1] < at_s + for_s)


def late(by_s: float) -> Callable[[Shots], Shots]:
    return lambda shots: ((image, time_s + by_s) for image, time_s in shots)


def black_start(for_s: float) -> Callable[[Shots], Shots]:
    def change(shots: Shots) -> Shots:
        for image, time_s in shots:
            yield (np.zeros_like(image) if time_s < for_s else image), time_s

    return change


def from_the_middle(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Shots], Shots]:
    """Something happens at once and for good, half-way through."""

    def changed(shots: Shots) -> Shots:
        for image, time_s in shots:
            yield (np.ascontiguousarray(change(image)) if time_s >= SECONDS / 2 else image), time_s

    return changed


def lit(times: float) -> Callable[[np.ndarray], np.ndarray]:
    """Another exposure, or a lamp that is switched: so many times the light, by a display's exponent of 2.2."""
    return lambda image: np.clip(image * times ** (1 / 2.2), 0, 255).astype(np.uint8)


def at_rate(rate_hz: float) -> Callable[[Shots], Shots]:
    """Pictures repeated or dropped to a constant rate, as players and converters do."""

    def change(shots: Shots) -> Shots:
        n, before = 0, None
        for image, time_s in shots:
            while before is not None and n / rate_hz < time_s:
                yield before, n / rate_hz
                n += 1
            before = image

    return change


def unsteady(shots: Shots) -> Shots:
    rng = np.random.default_rng(0)
    last = -1.0
    for image, time_s in shots:
        if rng.random() < 0.1:
            continue
        last = max(last + 0.004, time_s + rng.uniform(-0.008, 0.008), 0.0)
        yield image, last


@dataclass(frozen=True, kw_only=True)
class Change:
    family: str
    shots: Callable[[Shots], Shots] = lambda shots: shots
    how: Coding = Coding()


_X264 = {"crf": "18", "preset": "ultrafast"}
_BF = {"crf": "18", "preset": "ultrafast", "bf": "3"}
_HEVC = {"crf": "20", "preset": "ultrafast", "x265-params": "log-level=none"}
CHANGES: dict[str, Change] = {
    "untouched": Change(family="untouched"),
    **{
        f"turned by {deg}": Change(family="turns", shots=each(lambda i, k=deg // 90: np.rot90(i, k)))
        for deg in (90, 180, 270)
    },
    "turned by 180, tagged": Change(family="turns", shots=each(lambda i: np.rot90(i, 2)), how=Coding(display_deg=180)),
    "mirrored": Change(family="turns", shots=each(lambda i: i[:, ::-1])),
    "black bars": Change(family="bars", shots=each(barred(1.78, (0, 0, 0)))),
    "white bars": Change(family="bars", shots=each(barred(1.5, (255, 255, 255)))),
    "coloured bars": Change(family="bars", shots=each(barred(1.3, (40, 60, 120)))),
    "bars all around": Change(family="bars", shots=each(barred(1.6, (0, 0, 0), both=True))),
    "bars with a line of text": Change(family="bars", shots=each(barred(1.6, (0, 0, 0), writing=True))),
    "bars of a blurred copy": Change(family="bars", shots=each(filled(1.78, blurred_copy))),
    "bars of a gradient": Change(family="bars", shots=each(filled(1.5, gradient))),
    "freeze of 1.2 s": Change(family="stalls", shots=stalled(2.0, 1.2)),
    "freeze of 2.5 s": Change(family="stalls", shots=stalled(1.5, 2.5)),
    "gap of 1 s": Change(family="stalls", shots=gap(2.0, 1.0)),
    "black first second": Change(family="stalls", shots=black_start(1.0)),
    "upside down from the middle": Change(family="turns", shots=from_the_middle(lambda i: np.rot90(i, 2))),
    "light halved in the middle": Change(family="light", shots=from_the_middle(lit(0.5))),
    "light doubled in the middle": Change(family="light", shots=from_the_middle(lit(2.0))),
    "begins at 60 s, MP4": Change(family="offsets", shots=late(60.0), how=Coding(file_options={"use_editlist": "1"})),
    "begins at 60 s, Matroska": Change(family="offsets", shots=late(60.0), how=Coding(container="matroska")),
    "a thumbnail track before": Change(family="tracks", how=Coding(thumbnail=True, container="mov")),
    "a sound track": Change(family="tracks", how=Coding(sound=True)),
    "60 pictures a second": Change(family="rates", shots=at_rate(60.0)),
    "120 pictures a second": Change(family="rates", shots=at_rate(120.0)),
    "24 pictures a second": Change(family="rates", shots=at_rate(24.0)),
    "unsteady rate": Change(family="rates", shots=unsteady),
    "4:2:2, 10 bits": Change(family="pixel formats", how=Coding(pix_fmt="yuv422p10le")),
    "HEVC, 10 bits": Change(family="pixel formats", how=Coding(codec="libx265", pix_fmt="yuv420p10le", options=_HEVC)),
    "4:4:4": Change(family="pixel formats", how=Coding(pix_fmt="yuv444p", container="matroska")),
    "full range": Change(family="pixel formats", how=Coding(pix_fmt="yuvj420p", colour=(6, 2))),
    "pixels 4:3": Change(family="pixel formats", shots=each(squeezed(0.75, 1.0)), how=Coding(aspect=Fraction(4, 3))),
    "pixels 2:1": Change(family="pixel formats", shots=each(squeezed(0.5, 1.0)), how=Coding(aspect=Fraction(2, 1))),
    "AVI, H.264 with B pictures": Change(
        family="containers", shots=at_rate(30.0), how=Coding(container="avi", options=_BF)
    ),
    "AVI, MPEG-4": Change(
        family="containers",
        shots=at_rate(30.0),
        how=Coding(
            container="avi", codec="mpeg4", options={"q:v": "2", "qmin": "2", "qmax": "4", "b": "8M", "bf": "2"}
        ),
    ),
    "AVI, Motion JPEG": Change(
        family="containers",
        shots=at_rate(30.0),
        how=Coding(
            container="avi", codec="mjpeg", pix_fmt="yuvj420p", colour=(6, 2), options={"qmin": "2", "qmax": "4"}
        ),
    ),
    "MPEG-TS": Change(family="containers", how=Coding(container="mpegts", options=_BF)),
    "WebM, VP8": Change(
        family="containers",
        how=Coding(container="webm", codec="libvpx", options={"b": "4M", "deadline": "realtime", "cpu-used": "8"}),
    ),
    "fragmented MP4": Change(family="containers", how=Coding(file_options={"movflags": "frag_keyframe+empty_moov"})),
    "FLV": Change(family="containers", how=Coding(container="flv")),
}

# -- material --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Clip:
    name: str
    genuine: bool
    path: Path
    reference: Path | None = None


def clips(data: Path) -> list[Clip]:
    """Genuine and attacking clips, with a photo of the same person where there is one; the samples, too."""
    found = []
    for folder in (data, data / "selfies"):
        with (folder / "videos.csv").open(newline="") as rows:
            for row in csv.DictReader(rows):
                several_people, digital = (
                    "+" in row["subject"],
                    "digital" in (row["presentation"], *Path(row["path"]).parts),
                )
                if not (several_people or digital):
                    photos = (row.get("references") or "").split()
                    genuine, photo = row["presentation"] == "bona_fide", folder / photos[-1] if photos else None
                    path = folder / row["path"]
                    found.append(Clip(name=path.name, genuine=genuine, path=path, reference=photo))
    samples = Path(__file__).resolve().parents[2] / "samples"
    return found + [
        Clip(name=f"sample {path.name}", genuine=False, path=path, reference=samples / "reference.jpg")
        for path in sorted(samples.glob("*.mp4"))
    ]


# Their only sign is what the file says of its own origin. Coding anew takes it away, before any change.
LABELLED = {"virtual_camera"}


def simulated(data: Path, folder: Path, each_of: int) -> list[Clip]:
    """Attacks made from photos and clips, some of each species, kept in the work folder.

    Each is checked against another photo of the person whose photo it was made from; one made from clips alone, against
    the photo that goes with the first.
    """
    from idverify.simulation import SPECIES, simulate

    photos = two_of_a_person(sorted((data / "selfies" / "references").glob("*.jpg")))
    films = [clip for clip in clips(data) if clip.genuine and clip.reference]
    found = []
    for species, row in SPECIES.items():
        if row.channel == "bona_fide" or row.needs_challenge or species in LABELLED:
            continue
        for seed in range(each_of):
            path = folder / f"{species}_{seed}.mp4"
            film = films[(7 * seed + 3) % len(films)]
            photo, another = photos[(5 * seed + 1) % len(photos)]
            source, reference = (film.path, film.reference) if row.needs_clip else (photo, another)
            other: dict[str, Any] = {}
            if row.needs_other:
                other, reference = {"other": photo}, another
            if not path.exists():
                simulate(species, source, path, seed=seed, duration_s=5.0, **other)
            found.append(Clip(name=path.name, genuine=False, path=path, reference=reference))
    return found


def two_of_a_person(photos: list[Path]) -> list[tuple[Path, Path]]:
    """Each photo with another one of the same person; names end with the number of the photo."""
    person = [path.stem.rpartition("_")[0] for path in photos]
    named = list(zip(photos, person, strict=True))
    return [(a, b) for a, whose in named for b, other in named if a != b and whose == other]


def base_of(clip: Clip, folder: Path) -> bytes:
    path = folder / f"base_{zlib.crc32(str(clip.path).encode()):08x}.mp4"
    if not path.exists():
        path.write_bytes(encode(shots_of(clip.path), Coding(options={"crf": "14", "preset": "ultrafast"})))
    return path.read_bytes()


# -- runs ------------------------------------------------------------------------------------------------------------

COLUMNS = ("clip", "genuine", "change", "task", "outcome", "liveness_alone", "reasons", "llr", "lacking", "notes")
KINDS = {"genuine": True, "attacks": False}
Pair = tuple[Clip, str]


def is_simulated(clip: str) -> bool:
    """Whether an attack was made by :func:`simulated`, by its name."""
    from idverify.simulation import SPECIES

    species, _, number = Path(clip).stem.rpartition("_")
    return species in SPECIES and number.isdigit()


def pairs_in_random_order(material: list[Clip], changes: list[str]) -> Iterator[Pair]:
    """Each pair of clip and change once, two genuine ones to one attack, simulated attacks last; genuine clips also
    untouched."""
    rng = np.random.default_rng(SEED)
    shuffled: dict[bool, list[Pair]] = {}
    for genuine in (True, False):
        pairs = [(clip, name) for clip in material if clip.genuine == genuine for name in changes]
        pairs = [pairs[k] for k in rng.permutation(len(pairs))]
        # They are taken from the end.
        shuffled[genuine] = sorted(pairs, key=lambda pair: not is_simulated(pair[0].name))
    begun = set()
    while shuffled[True] or shuffled[False]:
        for genuine in (True, True, False):
            if shuffled[genuine]:
                clip, name = shuffled[genuine].pop()
                if genuine and clip.name not in begun:
                    begun.add(clip.name)
                    yield clip, "untouched"
                yield clip, name


def run(args: argparse.Namespace) -> None:
    until = time.monotonic() + 3600 * args.hours
    args.work.mkdir(parents=True, exist_ok=True)
    rows_path = args.work / "rows.csv"
    done = set()
    if rows_path.exists():
        with rows_path.open(newline="") as rows:
            done = {(row["clip"], row["change"]) for row in csv.DictReader(rows)}
    # How busy this machine is says nothing about a clip.
    policy = load_policy(args.policy)
    verifier = Verifier(policy=replace(policy, limits=replace(policy.limits, decode_budget_s=3600.0)))
    material = clips(args.data) + simulated(args.data, args.work, args.simulated)
    material = [clip for clip in material if args.clip in clip.name]
    changes = [name for name in CHANGES if args.match in name and name != "untouched"]
    plan = {kind: sum(clip.genuine == own for clip in material) * len(changes) for kind, own in KINDS.items()}
    (args.work / "plan.json").write_text(json.dumps(plan))
    with rows_path.open("a", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS)
        if not done:
            writer.writeheader()
        for clip, name in pairs_in_random_order(material, changes):
            if (clip.name, name) in done:
                continue
            if time.monotonic() > until:
                return
            base = base_of(clip, args.work)
            row = _judged(verifier, clip, base, name)
            writer.writerow(row)
            # Of an attack that is accepted it is asked whether the change did it.
            if row["outcome"] == "accept" and not clip.genuine and (clip.name, "untouched") not in done:
                done.add((clip.name, "untouched"))
                writer.writerow(_judged(verifier, clip, base, "untouched"))
            out.flush()


def _judged(verifier: Verifier, clip: Clip, base: bytes, name: str) -> dict[str, Any]:
    change = CHANGES[name]
    video = encode(change.shots(shots_of(base)), change.how)
    task = "liveness" if clip.reference is None else "check"
    try:
        presentation = verifier.observe(video, seed=SEED)
        decision = alone = verifier.judge(presentation, None)
        if clip.reference is not None:
            decision = verifier.judge(presentation, verifier.enrol(clip.reference))
        liveness_alone = alone.outcome.value
        outcome, reasons = decision.outcome.value, " ".join(r.value for r in decision.reasons)
        llr = "" if decision.liveness is None or decision.liveness.llr is None else f"{decision.liveness.llr:.2f}"
        lacking, notes = _lacking(decision), "; ".join(decision.warnings)
    except Exception as error:  # noqa: BLE001 - an error is an outcome of this benchmark
        outcome = liveness_alone = "error"
        reasons, llr, notes, lacking = f"{type(error).__name__}: {error}", "", "", ""
    return {
        "clip": clip.name,
        "genuine": clip.genuine,
        "change": name,
        "task": task,
        "outcome": outcome,
        "liveness_alone": liveness_alone,
        "reasons": reasons,
        "llr": llr,
        "lacking": lacking,
        "notes": notes,
    }


def _lacking(decision: Decision) -> str:
    """Mechanisms that could not be assessed, and ways to attack that were not passed."""
    if decision.liveness is None:
        return ""
    silent = [f"{e.name}: {e.detail}" for e in decision.liveness.mechanisms if e.status is Status.NOT_ASSESSED]
    open_ways = [
        f"{c.attack_class.value} {'' if c.llr is None else f'{c.llr:.2f}'}"
        for c in decision.liveness.classes
        if not c.passed
    ]
    return "; ".join([*silent, *open_ways])


def report(args: argparse.Namespace) -> None:
    with (args.work / "rows.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    untouched = {row["clip"]: row["outcome"] for row in rows if row["change"] == "untouched"}
    table: dict[str, Any] = {}
    for group, genuine in KINDS.items():
        mine = [row for row in rows if row["genuine"] == str(genuine)]
        changed = [row for row in mine if row["change"] != "untouched"]
        by = {"all changes": changed, "untouched": [row for row in mine if row["change"] == "untouched"]}
        if not genuine:
            by["captured replays and samples"] = [row for row in changed if not is_simulated(row["clip"])]
            by["simulated attacks"] = [row for row in changed if is_simulated(row["clip"])]
        for row in changed:
            by.setdefault(CHANGES[row["change"]].family, []).append(row)
        table[group] = {name: _counts(part, untouched) for name, part in by.items()}
        table[group]["all changes"]["clips"] = len({row["clip"] for row in mine})
        if not genuine:
            passed = sum(row["liveness_alone"] == "accept" for row in changed)
            refused = [row for row in changed if untouched.get(row["clip"]) != "accept"]
            table[group]["all changes"] |= {
                "accepted_by_liveness_alone": _rate(passed, len(changed)),
                "accepted_though_not_untouched": _rate(sum(r["outcome"] == "accept" for r in refused), len(refused)),
                "clips_accepted_untouched": sum(untouched.get(clip) == "accept" for clip in {r["clip"] for r in mine}),
            }
    plan = json.loads((args.work / "plan.json").read_text())
    text = json.dumps({"seconds": SECONDS, "changes": len(CHANGES) - 1, "pairs": plan, **table}, indent=1)
    if args.json:
        args.json.write_text(text + "\n")
    for group, parts in table.items():
        for name, c in parts.items():
            outcomes = "  ".join(f"{word} {c[word]['events']:4}" for word in OUTCOMES)
            print(f"{group:8} {name:16} n {c['accept']['of']:4}  {outcomes}")
    for row in rows:
        if _to_look_at(row, untouched.get(row["clip"])):
            print(
                "  ", row["clip"], "|", row["change"], "|", row["outcome"], row["reasons"], row["llr"], row["lacking"]
            )


OUTCOMES = ("accept", "reject", "inconclusive", "error")


def _to_look_at(row: dict[str, str], untouched: str | None) -> bool:
    if row["outcome"] == "error":
        return True
    if row["genuine"] == "False":
        return row["outcome"] == "accept"
    return row["outcome"] == "reject" or (row["outcome"] != "accept" and untouched == "accept")


def _counts(rows: list[dict[str, str]], untouched: dict[str, str]) -> dict[str, Any]:
    """Each outcome, and that of the untouched clips of the same rows."""
    out: dict[str, Any] = {o: _rate(sum(row["outcome"] == o for row in rows), len(rows)) for o in OUTCOMES}
    paired = [untouched[row["clip"]] for row in rows if row["clip"] in untouched]
    out["untouched_inconclusive"] = _rate(paired.count("inconclusive"), len(paired))
    return out


def _rate(events: int, of: int) -> dict[str, Any]:
    if not of:
        return {"events": 0, "of": 0}
    interval = wilson(events, of)
    return {"events": events, "of": of, "value": events / of, "ci95": [interval.low, interval.high]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    runner = commands.add_parser("run")
    runner.add_argument("data", type=Path)
    runner.add_argument("work", type=Path)
    runner.add_argument("--hours", type=float, default=24.0, help="no check is begun later than this")
    runner.add_argument("--match", default="", help="only changes whose name holds this")
    runner.add_argument("--clip", default="", help="only clips whose name holds this")
    runner.add_argument("--simulated", type=int, default=3, help="simulated attacks of each species")
    runner.add_argument("--policy", default="ial2")
    runner.set_defaults(do=run)
    reporter = commands.add_parser("report")
    reporter.add_argument("work", type=Path)
    reporter.add_argument("--json", type=Path)
    reporter.set_defaults(do=report)
    args = parser.parse_args()
    args.do(args)


if __name__ == "__main__":
    main()

"""What of a challenge's answers people show and forgeries do not: depth, perspective, pictures, whole answers.

Run: ``python benchmarks/accuracy/challenge_answers.py SHARED_DATA WORK_DIR [--takes INDEX.csv] [--update PAGE]``

Four parts, with counts and 95 % intervals (Wilson):

1. turns and looks: clips of people who were asked nothing (no recording of a person who answered a challenge is at
   hand), in pieces of five seconds in which the head turns by 25 degrees or more, or nods by 12, and photos on flat
   cards that are turned and tilted so (simulated): does the parallax count as a head's?
2. approaches: stretches of the same clips in which somebody comes closer or moves back by a quarter or more, against
   photos hung on heads of true depth that do so, and flat ones: the clips zoomed into, as a file and as a sheet that is
   brought closer at a tilt, photos, and flat heads before a background of their own (all simulated);
3. mouth and eyes: movements that landmarks show in the same clips, against the same landmarks over pictures of a still
   that is shaken (simulated);
4. answers: takes of the simulated species ``answer_forged`` (benchmarks/accuracy/pad_takes.py), each against the
   challenge that it was made for: the challenge alone, then the whole decision of the policy ``recovery``.

What was followed in a clip, and what was rendered, is kept in WORK_DIR, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from idverify.challenge import Action, AnswerSeries, ChallengeResult, Step, TimedSteps, load
from idverify.challenge.from_track import series_from_track
from idverify.challenge.movements import Movement, movements
from idverify.challenge.proof import MIN_LOOK_SHARE, MIN_SHOWN_DEG, MIN_TURN_SHARE, StepStatus, as_asked
from idverify.challenge.solid import Shown, shown
from idverify.challenge.verify_motion import judge_motion
from idverify.errors import IdverifyError
from idverify.faces.detection import YuNet
from idverify.faces.landmarks import EyeModel, FaceMesh
from idverify.faces.tracking import Tracker
from idverify.media import open_recording
from idverify.metrics.intervals import wilson
from idverify.models.session import Session
from idverify.pad.eye_stillness import EyePictures
from idverify.pad.motion import MotionObserver
from idverify.simulation import simulate
from idverify.verification.acquisition import acquire
from idverify.verification.verifier import Verifier

MARKER = "<!-- figures of benchmarks/accuracy/challenge_answers.py -->"
PIECE_S, MIN_TURN_DEG, MIN_LOOK_DEG, MIN_GROWTH = 5.0, 25.0, 12.0, 0.25
LONGER_SIDE_PX = 960
# Zooms of 4 in 10 to 8 in 10, as large as approaches are asked for and larger.
ZOOMS = (1.4, 1.8)
# A sheet in a hand is not kept upright to a few degrees.
TILT_DEG = 8.0
SIZE_WH, RATE_HZ = (360, 480), 15.0
NEARER = (Action.COME_CLOSER, Action.MOVE_BACK)
TURNED = (Action.TURN_LEFT.value, Action.TURN_RIGHT.value)
TURNING = (Action.TURN_LEFT, Action.LOOK_UP, Action.TURN_RIGHT, Action.LOOK_DOWN)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--photos", type=int, default=16, help="people whose photos become heads and sheets")
    parser.add_argument("--takes", type=Path, help="index of the takes")
    parser.add_argument("--update", type=Path, help="put the table into this page, between its markers")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    clips = [*sorted((options.data / "videos" / "bona_fide").glob("[!g]*")), *selfies(options.data)]
    genuine = [series for clip in clips if (series := followed(clip, options.work / "genuine"))]
    lines = [f"{'what':62} {'counted':>8} {'of':>5} {'rate':>7}  95 % interval"]
    lines += turns(genuine, photos(options.data, options.photos), options.work)
    lines += approaches(clips, genuine, photos(options.data, options.photos), options.work)
    lines += mouths_and_eyes(genuine, photos(options.data, 8), options.work)
    if options.takes:
        lines += answers(options.takes, options.work)
    table = "\n".join(lines)
    print(table)
    if options.update:
        before, _, after = options.update.read_text("utf-8").split(MARKER)
        options.update.write_text(f"{before}{MARKER}\n```text\n{table}\n```\n{MARKER}{after}", "utf-8")
    return 0


def selfies(data: Path) -> list[Path]:
    with (data / "selfies" / "videos.csv").open(newline="") as rows:
        genuine = [row["path"] for row in csv.DictReader(rows) if row["presentation"] == "bona_fide"]
    return [data / "selfies" / path for path in genuine]


def photos(data: Path, count: int) -> list[Path]:
    """The first photo of so many people, by a hash of their names."""
    people = sorted((data / "lfw").iterdir(), key=lambda folder: zlib.crc32(folder.name.encode()))
    return [min(folder.glob("*.jpg")) for folder in people[:count]]


# -- turns and looks -------------------------------------------------------------------------------------


def turns(clips: list[AnswerSeries], faces: list[Path], work: Path) -> list[str]:
    lines = []
    for column, least_deg, least, what in (
        (0, MIN_TURN_DEG, MIN_TURN_SHARE, "people's turns that count as a head's"),
        (1, MIN_LOOK_DEG, MIN_LOOK_SHARE, "people's nods that count as a head's"),
    ):
        found = [list(parallax(series, column, least_deg)) for series in clips]
        shares = [one for own in found for one in own]
        people = sum(bool(own) for own in found)
        lines += [row(f"{what} ({people} clips)", counted(shares, least), len(shares)), spread("parallax", shares)]
    cards = [(photo, made(photo, work / "turned", TURNING, depth=0.0)) for photo in faces]
    done = Counter(as_turned(photo, card) for photo, card in cards if card)
    lines.append(
        row("photos turned or tilted as asked that count (simulated)", done[StepStatus.DONE], sum(done.values()))
    )
    return lines


def as_turned(photo: Path, card: AnswerSeries) -> StepStatus:
    """What becomes of the step that a card was made for, whoever's face is on it."""
    same = replace(card, likeness_llr=np.ones(len(card)))
    (result,) = judge_motion([Step(action=movement_of(photo, TURNING), start_s=1.0, end_s=5.4)], same)
    return result.status


def parallax(series: AnswerSeries, column: int, least_deg: float) -> Iterator[Shown]:
    """Of each piece in which the head turns that way, and no other way by more."""
    pose = np.stack([series.yaw_deg, series.pitch_deg], axis=1)
    assert series.turned_deg is not None
    assert series.turn_shown_deg is not None
    for piece in pieces(series.times_s):
        span = np.ptp(pose[piece], axis=0)
        if span[column] >= least_deg and span.argmax() == column:
            moved, confirmed = series.turned_deg[piece], series.turn_shown_deg[piece]
            yield shown(series.times_s[piece], moved, confirmed, least=MIN_SHOWN_DEG)


def pieces(times_s: np.ndarray) -> Iterator[np.ndarray]:
    """Pieces of a clip, one after the other; the last one may be shorter."""
    for start in np.arange(times_s[0], times_s[-1], PIECE_S):
        inside = (times_s >= start) & (times_s < start + PIECE_S)
        if inside.sum() >= 5:
            yield inside


# -- approaches ------------------------------------------------------------------------------------------


def approaches(clips: list[Path], genuine: list[AnswerSeries], faces: list[Path], work: Path) -> list[str]:
    people = [own for series in genuine if (own := list(nearer(series)))]
    heads = [made(photo, work / "heads", NEARER, depth=1.0) for photo in faces]
    zoomed = [made_zoom(clip, ZOOMS[i % 2], 0.0, work / "zoomed") for i, clip in enumerate(clips)]
    sheets = [made_zoom(clip, ZOOMS[i % 2], TILT_DEG, work / "sheets") for i, clip in enumerate(clips[::2])]
    cards = [made(photo, work / "cards", NEARER, depth=0.0) for photo in faces]
    lines = []
    for what, found in (
        (f"people's approaches and retreats that count ({len(people)} clips)", [r for own in people for r in own]),
        ("photos hung on heads of true depth that count (simulated)", [r for s in heads if s for r in nearer(s)]),
        ("flat zooms of clips that count (simulated)", [r for s in zoomed if s for r in nearer(s)]),
        ("flat sheets brought closer at a tilt that count (simulated)", [r for s in sheets if s for r in nearer(s)]),
        ("  the same, were the background not seen", [r for s in (*zoomed, *sheets) if s for r in nearer(unseen(s))]),
        ("flat heads before a still background that count (simulated)", [r for s in cards if s for r in nearer(s)]),
        (
            "every stretch of the clips, its landmarks enlarged (simulated)",
            [r for s in genuine for r in enlargements(s)],
        ),
    ):
        statuses = Counter(status for status, _ in found)
        unclear = statuses[StepStatus.NOT_ASSESSABLE]
        lines.append(row(what, statuses[StepStatus.DONE], len(found)) + f"  ({unclear} not assessable)")
        lines.append(spread("perspective", [one for _, one in found if np.isfinite(one.share)]))
    return lines


def nearer(series: AnswerSeries) -> Iterator[tuple[StepStatus, Shown]]:
    """Every approach and retreat of a quarter or more that the landmarks show."""
    for movement in movements(series):
        if movement.action in NEARER:
            step = around(movement)
            inside = (series.times_s >= step.start_s) & (series.times_s < step.end_s)
            assert series.grown is not None
            grown = series.grown[inside & np.isfinite(series.grown)]
            if grown.size and np.ptp(grown) >= MIN_GROWTH:
                status, _, solid = as_asked(step, movement, series)
                assert solid is not None
                yield status, solid


def enlargements(series: AnswerSeries) -> Iterator[tuple[StepStatus, Shown]]:
    """What flat zooms in and out of each stretch would show, were no background seen: sizes change, no proportions."""
    assert series.grown is not None
    for start_s in np.arange(series.times_s[0], series.times_s[-1] - 3.6, 1.2):
        since = series.times_s - start_s
        part = np.clip(np.minimum((since - 1.0) / 0.6, (3.6 - since) / 0.6), 0, 1)
        part = part * part * (3 - 2 * part)
        for zoom in ZOOMS:
            for action, size in zip(NEARER, (zoom**part, zoom**-part), strict=True):
                zoomed = replace(series, grown=(1 + series.grown) * size - 1, background_step=None)
                here = Movement(
                    action=action, begin_s=start_s + 1, onset_s=start_s + 1, peak_s=start_s + 2, strength=1.0
                )
                status, _, solid = as_asked(around(here), here, zoomed)
                assert solid is not None
                yield status, solid


def around(movement: Movement) -> Step:
    """A window as a challenge gives it, in which the movement begins after a usual delay."""
    start_s = max(movement.begin_s - 1.0, 0.0)
    return Step(action=movement.action, start_s=start_s, end_s=start_s + 4.4)


def unseen(series: AnswerSeries) -> AnswerSeries:
    return replace(series, background_step=None)


def made(photo: Path, folder: Path, actions: Sequence[Action], *, depth: float) -> AnswerSeries | None:
    """A photo hung on a head of some depth that makes one of some movements (simulated)."""
    folder.mkdir(parents=True, exist_ok=True)
    seed = zlib.crc32(photo.stem.encode())
    clip, asked = folder / f"{photo.stem}.mp4", folder / f"{photo.stem}.json"
    if not (folder / f"{photo.stem}.npz").exists() and not clip.exists():
        step = {"action": movement_of(photo, actions).value, "start_ms": 1000, "end_ms": 5400}
        asked.write_text(json.dumps({"steps": [step], "light": []}), "utf-8")
        # A head that comes closer does so before a background, not with it.
        try:
            simulate("answer_forged", photo, clip, seed=seed % 100_000, challenge=asked, size_wh=SIZE_WH,
                     rate_hz=RATE_HZ, depth=depth, smooth=0.0, layers=1.0)  # fmt: skip
        except IdverifyError as error:
            print(f"{photo.stem}: {error}", file=sys.stderr)
            return None
    return followed(clip, folder)


def movement_of(photo: Path, actions: Sequence[Action]) -> Action:
    """Which of some movements is made of a photo."""
    return actions[zlib.crc32(photo.stem.encode()) % len(actions)]


def made_zoom(clip: Path, zoom: float, tilt_deg: float, folder: Path) -> AnswerSeries | None:
    """A clip that is enlarged and made small again, as a file, or as a sheet that is held at a tilt (simulated)."""
    folder.mkdir(parents=True, exist_ok=True)
    flat = folder / f"{clip.stem}-{zoom:g}.mp4"
    if not (folder / f"{flat.stem}.npz").exists() and not flat.exists():
        zoom_into(clip, partial := folder / "part.mp4", zoom, tilt_deg)
        partial.rename(flat)
    return followed(flat, folder)


def zoom_into(clip: Path, output: Path, most: float, tilt_deg: float) -> None:
    """Zoom into the middle of the first six seconds and out again, the sheet tilting by as much as it comes closer."""
    with open_recording(clip) as recording, av.open(str(output), "w") as target:
        stream = None
        for frame in recording:
            if frame.time_s > 6.0:
                break
            image = frame.image_rgb()
            shrink = min(1.0, LONGER_SIDE_PX / max(image.shape[:2]))
            height, width = (int(side * shrink) // 2 * 2 for side in image.shape[:2])
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            part = float(np.clip(min((frame.time_s - 1.0) / 0.8, (4.2 - frame.time_s) / 0.8), 0, 1))
            part = part * part * (3 - 2 * part)
            view = enlarged(most**part, tilt_deg * part, width, height)
            image = cv2.warpPerspective(image, view, (width, height), borderMode=cv2.BORDER_REPLICATE)
            if stream is None:
                stream = target.add_stream("libx264", rate=30, options={"crf": "20", "preset": "veryfast"})
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.codec_context.time_base = Fraction(1, 1000)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            picture.pts, picture.time_base = round(frame.time_s * 1000), Fraction(1, 1000)
            target.mux(stream.encode(picture))
        if stream is not None:
            target.mux(stream.encode(None))


def enlarged(zoom: float, tilt_deg: float, width: int, height: int) -> np.ndarray:
    """How a sheet looks that comes closer and is tilted back: seen by a camera whose view is as high as it is far."""
    there = np.array([[1, 0, -width / 2], [0, 1, -0.45 * height], [0, 0, 1]])
    back = np.array([[1, 0, width / 2], [0, 1, 0.45 * height], [0, 0, 1]])
    cosine, sine = np.cos(np.radians(tilt_deg)), np.sin(np.radians(tilt_deg))
    tilt = np.array([[zoom, 0, 0], [0, zoom * cosine, 0], [0, sine / height, 1]])
    return back @ tilt @ there


# -- mouth and eyes --------------------------------------------------------------------------------------


def mouths_and_eyes(genuine: list[AnswerSeries], faces: list[Path], work: Path) -> list[str]:
    stills = [still for photo in faces if (still := made_still(photo, work / "stills"))]
    lines = []
    for action in (Action.OPEN_MOUTH, Action.SMILE, Action.BLINK_TWICE):
        found = [(series, m) for series in genuine for m in movements(series) if m.action is action]
        live = Counter(as_asked(around(m), m, series)[0] for series, m in found)
        dead = Counter(as_asked(around(m), m, over(series, still))[0] for series, m in found for still in stills)
        what = action.value.replace("_", " ")
        lines += [
            row(f"people's movements '{what}' that the picture confirms", live[StepStatus.DONE], len(found)),
            row("  the same landmarks over shaken stills (simulated)", dead[StepStatus.DONE], sum(dead.values())),
        ]
    return lines


def made_still(photo: Path, folder: Path) -> AnswerSeries | None:
    folder.mkdir(parents=True, exist_ok=True)
    clip = folder / f"{photo.stem}.mp4"
    if not (folder / f"{photo.stem}.npz").exists() and not clip.exists():
        try:
            simulate("photo_shaken", photo, clip, seed=1, size_wh=SIZE_WH, rate_hz=RATE_HZ, duration_s=8.0)
        except IdverifyError:
            return None
    return followed(clip, folder)


def over(series: AnswerSeries, still: AnswerSeries) -> AnswerSeries:
    """What landmarks say of one clip, and pictures of another, which runs on in a loop."""
    period = still.times_s[-1] + 0.05
    at = np.searchsorted(still.times_s, np.mod(series.times_s, period)).clip(0, len(still) - 1)
    assert still.mouth_changed is not None
    assert still.eyes_changed is not None
    return replace(series, mouth_changed=still.mouth_changed[at], eyes_changed=still.eyes_changed[at])


# -- whole answers ---------------------------------------------------------------------------------------


def answers(index: Path, work: Path) -> list[str]:
    with index.open(newline="") as rows:
        takes = [row for row in csv.DictReader(rows) if row["species"] == "answer_forged" and row["challenge"]]
    judged = [one for one in judgements(takes, work / "answers.jsonl") if one is not None]
    outcomes = Counter(one["challenge"] for one in judged)
    steps = Counter((what, status) for one in judged for what, status in one["steps"])
    accepted = sum(one["decision"] == "accept" for one in judged)
    people = len({take["person"] for take in takes})
    lines = [
        row(f"forged answers of {people} people: challenge followed (simulated)", outcomes["followed"], len(judged)),
        row("forged answers: accepted by recovery (simulated)", accepted, len(judged)),
    ]
    issued = [one for one in judged if not one["steps"] or any(what in TURNED for what, _ in one["steps"])]
    let_in = sum(one["decision"] == "accept" for one in issued)
    lines.append(row("  of these, challenges as they are issued, with a turn or light", let_in, len(issued)))
    for action in sorted({what for what, _ in steps}):
        total = sum(n for (what, _), n in steps.items() if what == action)
        lines.append(row(f"  step {action}: done", steps[action, StepStatus.DONE.value], total))
    return lines


def judgements(takes: list[dict[str, str]], kept: Path) -> Iterator[dict[str, Any] | None]:
    """What became of each take; what was judged before is not judged again."""
    known = {row["path"]: row for row in map(json.loads, kept.read_text("utf-8").splitlines())} if kept.exists() else {}
    verifier = Verifier(policy="recovery")
    for number, take in enumerate(takes, start=1):
        print(f"\r{number} of {len(takes)} takes", end="", file=sys.stderr)
        if take["path"] not in known:
            try:
                result, outcome, reasons = answer(verifier, take)
            except IdverifyError as error:
                print(f"{take['path']}: {error}", file=sys.stderr)
                yield None
                continue
            known[take["path"]] = {
                "path": take["path"], "decision": outcome, "reasons": reasons, "challenge": result.outcome.value,
                "steps": [(step.action.value, step.status.value) for step in result.steps],
                "light": result.light and result.light.status.value,
            }  # fmt: skip
            with kept.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(known[take["path"]]) + "\n")
        yield known[take["path"]]
    print(file=sys.stderr)


def answer(verifier: Verifier, take: dict[str, str]) -> tuple[ChallengeResult, str, list[str]]:
    """Judge a take as if its steps had been revealed in time: by an attacker who renders as fast as he is asked."""
    asked = load(take["challenge"])
    revealed = [step.start_s for step in asked.steps] + [part.start_s for part in asked.light[:1]]
    timed = TimedSteps(challenge=asked, revealed_s=tuple(revealed), recording_started_s=0.0, latency_s=0.0)
    decision = verifier.check(take["path"], take["reference"], challenge=timed)
    assert decision.challenge is not None
    return decision.challenge, decision.outcome.value, [reason.value for reason in decision.reasons]


# -- following -------------------------------------------------------------------------------------------


def followed(clip: Path, kept: Path) -> AnswerSeries | None:
    """The answer of the face that is seen longest; None where nobody is seen."""
    kept.mkdir(parents=True, exist_ok=True)
    file = kept / f"{clip.stem}.npz"
    if not file.exists():
        with open_recording(clip) as recording:
            capture = acquire(recording, Tracker(*models()), factories={"motion": MotionObserver, "eyes": EyePictures})
        columns = {}
        if capture.tracks:
            track = max(capture.tracks.values(), key=len)
            motion, eyes = (capture.observers[track.track_id][name] for name in ("motion", "eyes"))
            assert isinstance(motion, MotionObserver)
            assert isinstance(eyes, EyePictures)
            series = series_from_track(
                track, picture_width_px=capture.size_wh[0], motion=motion.signals(), eyes=eyes.signals()
            )
            columns = {field.name: getattr(series, field.name) for field in fields(series)}
        np.savez_compressed(file, **columns)
    with np.load(file) as data:
        return AnswerSeries(**data) if data.files and len(data["times_s"]) > 10 else None


@lru_cache(maxsize=1)
def models() -> tuple[YuNet, FaceMesh, EyeModel]:
    return (
        YuNet(Session("yunet", threads=1)),
        FaceMesh(Session("face_mesh", threads=1)),
        EyeModel(Session("iris", threads=1)),
    )


def counted(found: Iterable[Shown], least: float) -> int:
    return sum(one.share >= least for one in found)


def spread(what: str, found: list[Shown]) -> str:
    if not found:
        return f"  shares of a head's {what}: none"
    low, middle, high = np.nanpercentile([one.share for one in found], [10, 50, 90])
    return f"  shares of a head's {what}: median {middle:.2f}, 10 % below {low:.2f}, 10 % above {high:.2f}"


def row(what: str, count: int, total: int) -> str:
    if not total:
        return f"{what:62} {count:8} {total:5}"
    interval = wilson(count, total)
    return f"{what:62} {count:8} {total:5} {count / total:7.1%}  {interval.low:.1%} to {interval.high:.1%}"


if __name__ == "__main__":
    sys.exit(main())

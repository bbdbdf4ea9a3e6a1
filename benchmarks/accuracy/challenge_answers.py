"""What of a challenge's answers people show and forgeries do not: depth of turns and of approaches, and whole answers.

Run: ``python benchmarks/accuracy/challenge_answers.py SHARED_DATA WORK_DIR [--takes INDEX.csv] [--update PAGE]``

Three parts, with counts and 95 % intervals (Wilson):

1. turns: clips of people who were asked nothing (no recording of a person who answered a challenge is at hand), in
   pieces of five seconds in which the head turns by 25 degrees or more: does the parallax count as a head's?
2. approaches: the same clips, zoomed into by a third and out again, as a flat picture that comes closer (simulated);
3. answers: takes of the simulated species ``answer_forged`` (benchmarks/accuracy/pad_takes.py), each against the
   challenge that it was made for: the challenge alone, then the whole decision of the policy ``recovery``.

What was followed in a clip is kept in WORK_DIR, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from idverify.challenge import ChallengeOutcome, ChallengeResult, StepStatus, TimedSteps, load
from idverify.challenge.solid import Shown, approach_shown, shown, turn_shown_deg
from idverify.challenge.verify_motion import MIN_APPROACH_SHARE, MIN_SHOWN_DEG, MIN_SHOWN_GROWTH, MIN_TURN_SHARE
from idverify.errors import IdverifyError
from idverify.faces.detection import YuNet
from idverify.faces.landmarks import FaceMesh
from idverify.faces.tracking import Tracker
from idverify.media import open_recording
from idverify.metrics.intervals import wilson
from idverify.models.session import Session
from idverify.pad.motion import MotionObserver, MotionSignals
from idverify.verification.acquisition import acquire
from idverify.verification.verifier import Verifier

MARKER = "<!-- figures of benchmarks/accuracy/challenge_answers.py -->"
PIECE_S, MIN_TURN_DEG, MIN_GROWTH = 5.0, 25.0, 0.15
ZOOM, LONGER_SIDE_PX = 0.3, 960


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--takes", type=Path, help="index of the takes")
    parser.add_argument("--update", type=Path, help="put the table into this page, between its markers")
    options = parser.parse_args()
    clips = [*sorted((options.data / "videos" / "bona_fide").glob("[!g]*")), *selfies(options.data)]
    lines = [f"{'what':58} {'counted':>8} {'of':>5} {'rate':>7}  95 % interval"]
    lines += turns(clips, options.work)
    lines += approaches(clips, options.work)
    if options.takes:
        lines += answers(options.takes)
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


def turns(clips: list[Path], work: Path) -> list[str]:
    found: list[Shown] = []
    people = 0
    for clip in clips:
        signals, yaw = followed(clip, work / "genuine")
        confirmed = turn_shown_deg(signals)
        own = []
        for piece in pieces(signals.times_s):
            if np.ptp(yaw[piece]) >= MIN_TURN_DEG:
                moved = np.asarray(signals.pose_change_deg[piece, :2], np.float64)
                own.append(shown(signals.times_s[piece], moved, confirmed[piece], least=MIN_SHOWN_DEG))
        people += bool(own)
        found += own
    return [
        row(f"people's turns that count as a head's ({people} clips)", counted(found, MIN_TURN_SHARE), len(found)),
        spread("shares of a head's parallax", found),
    ]


def approaches(clips: list[Path], work: Path) -> list[str]:
    found: list[Shown] = []
    for clip in clips:
        flat = work / "flat" / f"{clip.stem}.mp4"
        if not flat.exists() and not (work / "flat" / f"{clip.stem}.npz").exists():
            zoom_into(clip, flat)
        signals, _ = followed(flat, work / "flat")
        moved, confirmed = approach_shown(signals)
        if np.nanmax(np.abs(moved), initial=0.0) >= MIN_GROWTH:
            one = (moved[:, None], confirmed[:, None])
            found.append(shown(signals.times_s, *one, least=MIN_SHOWN_GROWTH))
    return [
        row("flat zooms that count as coming closer (simulated)", counted(found, MIN_APPROACH_SHARE), len(found)),
        spread("shares of a head's perspective", found),
    ]


def answers(index: Path) -> list[str]:
    with index.open(newline="") as rows:
        takes = [row for row in csv.DictReader(rows) if row["species"] == "answer_forged" and row["challenge"]]
    verifier = Verifier(policy="recovery")
    outcomes: Counter[str] = Counter()
    steps: Counter[tuple[str, str]] = Counter()
    accepted = judged = 0
    for number, take in enumerate(takes, start=1):
        try:
            result, outcome = answer(verifier, take)
        except IdverifyError as error:
            print(f"{take['path']}: {error}", file=sys.stderr)
            continue
        judged += 1
        accepted += outcome == "accept"
        outcomes[result.outcome.value] += 1
        steps.update((step.action.value, step.status.value) for step in result.steps)
        print(f"\r{number} of {len(takes)} takes", end="", file=sys.stderr)
    print(file=sys.stderr)
    followed_by = outcomes[ChallengeOutcome.FOLLOWED.value]
    lines = [
        row("forged answers: challenge followed (simulated)", followed_by, judged),
        row("forged answers: accepted by recovery (simulated)", accepted, judged),
    ]
    for action in sorted({action for action, _ in steps}):
        total = sum(n for (what, _), n in steps.items() if what == action)
        lines.append(row(f"  step {action}: done", steps[action, StepStatus.DONE.value], total))
    return lines


def answer(verifier: Verifier, take: dict[str, str]) -> tuple[ChallengeResult, str]:
    """Judge a take as if its steps had been revealed in time: by an attacker who renders as fast as he is asked."""
    asked = load(take["challenge"])
    revealed = [step.start_s for step in asked.steps] + [part.start_s for part in asked.light[:1]]
    timed = TimedSteps(challenge=asked, revealed_s=tuple(revealed), recording_started_s=0.0, latency_s=0.0)
    decision = verifier.check(take["path"], take["reference"], challenge=timed)
    assert decision.challenge is not None
    return decision.challenge, decision.outcome.value


def followed(clip: Path, kept: Path) -> tuple[MotionSignals, np.ndarray]:
    """Motion of the face that is seen longest, and its yaw at the same times."""
    kept.mkdir(parents=True, exist_ok=True)
    file = kept / f"{clip.stem}.npz"
    if not file.exists():
        tracker = Tracker(YuNet(Session("yunet")), FaceMesh(Session("face_mesh")), None)
        with open_recording(clip) as recording:
            capture = acquire(recording, tracker, factories={"motion": MotionObserver})
        track = max(capture.tracks.values(), key=len)
        observer = capture.observers[track.track_id]["motion"]
        assert isinstance(observer, MotionObserver)
        signals = observer.signals()
        yaw = np.interp(signals.times_s, track.times_s, track.yaw_pitch_roll_deg[:, 0])
        columns = {name: getattr(signals, name) for name in MotionSignals.__slots__}
        np.savez_compressed(file, yaw_deg=yaw, **columns)
    with np.load(file) as data:
        return MotionSignals(**{name: data[name] for name in MotionSignals.__slots__}), data["yaw_deg"]


def pieces(times_s: np.ndarray) -> Iterator[np.ndarray]:
    """Pieces of a clip, one after the other; the last one may be shorter."""
    for start in np.arange(times_s[0], times_s[-1], PIECE_S):
        inside = (times_s >= start) & (times_s < start + PIECE_S)
        if inside.sum() >= 5:
            yield inside


def zoom_into(clip: Path, output: Path) -> None:
    """Zoom into the middle of the first six seconds and out again: what a flat picture shows that comes closer."""
    output.parent.mkdir(parents=True, exist_ok=True)
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
            zoom = float(np.exp(ZOOM * part * part * (3 - 2 * part)))
            about = np.array([[zoom, 0, width / 2 * (1 - zoom)], [0, zoom, 0.45 * height * (1 - zoom)]])
            image = cv2.warpAffine(image, about, (width, height), borderMode=cv2.BORDER_REPLICATE)
            if stream is None:
                stream = target.add_stream("libx264", rate=30, options={"crf": "20", "preset": "veryfast"})
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.codec_context.time_base = Fraction(1, 1000)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            picture.pts, picture.time_base = round(frame.time_s * 1000), Fraction(1, 1000)
            target.mux(stream.encode(picture))
        if stream is not None:
            target.mux(stream.encode(None))


def counted(found: list[Shown], least: float) -> int:
    return sum(one.share >= least for one in found)


def spread(what: str, found: list[Shown]) -> str:
    shares = np.array([one.share for one in found])
    low, middle, high = np.nanpercentile(shares, [10, 50, 90])
    return f"  {what}: median {middle:.2f}, 10 % below {low:.2f}, 10 % above {high:.2f}"


def row(what: str, count: int, total: int) -> str:
    if not total:
        return f"{what:58} {count:8} {total:5}"
    interval = wilson(count, total)
    return f"{what:58} {count:8} {total:5} {count / total:7.1%}  {interval.low:.1%} to {interval.high:.1%}"


if __name__ == "__main__":
    sys.exit(main())

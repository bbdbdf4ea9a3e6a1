"""How often a recording of something else passes a challenge, and how often an honest answer does.

Run: ``python benchmarks/accuracy/challenge_guessing.py [--honest N] [--clips FOLDER] [--json FILE] [--update PAGE]``

Six tables, each with counts and the upper end of a 95 % interval (Clopper-Pearson; 3/n where there are none):

1. honest: simulated answers with natural jitter, each to its own challenge;
2. other answers: simulated answers, each against every other challenge of the same length (all ordered pairs);
3. any order: the same, challenges drawn at random, so that some are the same sequence in other windows;
4. real clips: recordings of people who were asked nothing, against 1,000 random challenges each. Their time
   runs on in a loop, so that every window shows something (a harder test than the clip as it is);
5. photos at a tilt: the right colours on a flat sheet;
6. in time: simulated honest recordings that arrive over slow lines, by the rules of time alone; and answers to timed
   steps that the network delays.

All but table 4 are simulated (``idverify.challenge.simulate_answer``) and say nothing about real people.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from idverify.challenge import (
    Action,
    AnswerSeries,
    Challenge,
    Step,
    TimedSteps,
    admit,
    guess_probability,
    issue,
    judge,
    judge_timed,
    out_of_time,
    simulate_answer,
)
from idverify.challenge.actions import TURNS
from idverify.challenge.movements import Movement, movements, winners
from idverify.challenge.simulation import on_a_sheet
from idverify.verification.policy import load_policy

# Signs nothing of value: only this program sees these challenges.
KEY = b"challenge benchmark, no secret"
ACTIONS = tuple(Action)
BARS = {3: 0.01, 4: 0.002}
HONEST_BAR = 0.98
RNG_SEED = 20260101
MARKER = "<!-- figures of benchmarks/accuracy/challenge_guessing.py -->"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--honest", type=int, default=2000, help="honest answers per number of steps")
    parser.add_argument("--per-clip", type=int, default=1000, help="challenges per real clip")
    parser.add_argument("--clips", type=Path, help="folder of real clips")
    parser.add_argument("--json", type=Path, help="write the rows here as well")
    parser.add_argument("--update", type=Path, help="put the table into this page, between its markers")
    options = parser.parse_args()
    rng = np.random.default_rng(RNG_SEED)
    rows: list[dict[str, Any]] = []
    for n_steps in (3, 4):
        rows.append(honest(n_steps, options.honest, "motion", rng))
        rows += unrelated(n_steps, rng)
    rows += [honest(0, max(100, options.honest // 10), "light", rng), other_light(max(200, options.honest // 5), rng)]
    rows.append(sheets(max(200, options.honest // 5), rng))
    rows += [in_time(options.honest, rng), delayed(options.honest // 2, rng)]
    if options.clips:
        rows += real_clips(options.clips, options.per_clip, rng)
    table = "\n".join(lines_of(rows))
    print(table)
    if options.update:
        page = options.update.read_text()
        before, after = page.split(MARKER)[0], page.split(MARKER)[2]
        options.update.write_text(f"{before}{MARKER}\n```text\n{table}\n```\n{MARKER}{after}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 0 if all(row["met"] for row in rows) else 1


def honest(n_steps: int, trials: int, kind: Any, rng: np.random.Generator) -> dict[str, Any]:
    passed = 0
    for seed in range(trials):
        challenge = issue(kind=kind, steps=n_steps or None, seed=seed, key=KEY, now_s=0.0)
        passed += judge(challenge, simulate_answer(challenge, rng), mirrored=False).followed
    what = f"honest, {n_steps} steps" if n_steps else "honest, light"
    return row(what, passed, trials, HONEST_BAR, at_least=True)


def unrelated(n_steps: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Record one answer to every sequence and hold it against every other, each in its own windows."""
    sequences = np.array(
        [
            s
            for s in product(range(len(ACTIONS)), repeat=n_steps)
            if np.all(np.diff(s)) and s != s[::-1] and any(ACTIONS[a] in TURNS for a in s)
        ],
        np.intp,
    )
    assert len(sequences) == round(1 / guess_probability(n_steps=n_steps))
    challenges = [with_sequence(seed, sequence) for seed, sequence in enumerate(sequences)]
    windows = np.array([[(s.start_s, s.end_s) for s in c.steps] for c in challenges])
    passed = np.zeros(len(sequences), np.int64)
    same_order = 0
    # The same sequence asked for in other windows: what a random challenge may turn out to be.
    others = windows[rng.permutation(len(windows))]
    for index, challenge in enumerate(challenges):
        found = movements(simulate_answer(challenge, rng))
        fits = passes(found, windows, sequences)
        passed[index] = fits.sum() - fits[index]
        same_order += int(passes(found, others[index : index + 1], sequences[index : index + 1])[0])
    count = len(sequences)
    at_random = (int(passed.sum()) + same_order, count * count)
    return [
        row(f"other answers, {n_steps} steps", int(passed.sum()), count * (count - 1), BARS[n_steps]),
        row(f"any order, {n_steps} steps", *at_random, BARS[n_steps]),
    ]


def in_time(trials: int, rng: np.random.Generator) -> dict[str, Any]:
    """Let honest recordings arrive: read, recorded, sent whole afterwards through lines from poor to good."""
    passed = 0
    for seed in range(trials):
        challenge = issue(kind="motion", steps=3, seed=seed, key=KEY, now_s=0.0)
        recording_s = challenge.duration_s + rng.uniform(0.5, 2.0)
        # Reading and the camera's permission; then 0.5 to 2 Mbit/s of video over 0.4 to 20 Mbit/s of line, with some
        # round trips of up to a second, and now and then a connection that is lost for a while.
        sent_s = recording_s * rng.uniform(0.5, 2.0) / np.exp(rng.uniform(np.log(0.4), np.log(20.0)))
        lost_s = rng.uniform(2.0, 20.0) if rng.random() < 0.1 else 0.0
        arrival_s = rng.uniform(3.0, 20.0) + recording_s + sent_s + 4 * rng.uniform(0.05, 1.0) + lost_s
        admission = admit(challenge, key=KEY, now_s=arrival_s, received_at_s=arrival_s, allow_seeded=True)
        passed += (admission.refusal or out_of_time(challenge, admission, recording_s=recording_s)) is None
    return row("honest, arrives in time, slow lines", passed, trials, HONEST_BAR, at_least=True)


def delayed(trials: int, rng: np.random.Generator) -> dict[str, Any]:
    """Reveal steps one by one over lines that delay prompt and answer by up to the policy's latency together."""
    passed, latency_s = 0, load_policy("recovery").challenge_latency_s
    for seed in range(trials):
        challenge = issue(kind="motion", steps=3, seed=seed, key=KEY, now_s=0.0)
        moment, moments = 1.2, []
        for step in challenge.steps:
            moments.append(moment)
            moment += step.end_s - step.start_s + latency_s
        timed = TimedSteps(
            challenge=challenge, revealed_s=tuple(moments), recording_started_s=0.0, latency_s=latency_s
        )
        late = simulate_answer(timed.scheduled(), rng).shifted(rng.uniform(0.0, latency_s))
        passed += judge_timed(timed, late, mirrored=False).followed
    return row("honest, timed steps, slow lines", passed, trials, HONEST_BAR, at_least=True)


def with_sequence(seed: int, sequence: Iterable[int]) -> Challenge:
    """Return a challenge with random windows and the given movements (unsealed)."""
    sequence = list(sequence)
    drawn = issue(steps=len(sequence), seed=seed, key=KEY, now_s=0.0)
    steps = tuple(
        Step(action=ACTIONS[a], start_s=s.start_s, end_s=s.end_s) for a, s in zip(sequence, drawn.steps, strict=True)
    )
    return Challenge(
        nonce=drawn.nonce, issued_at_s=0.0, expires_at_s=120.0, actions=ACTIONS, steps=steps, light=(), seeded=True
    )


def passes(found: tuple[Movement, ...], windows: NDArray[Any], sequences: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Hold one recording against many challenges at once, as ``judge`` does with one."""
    best = winners(found, windows)
    codes = np.array([ACTIONS.index(movement.action) for movement in found] + [-1])
    return np.asarray((codes[best] == sequences).all(axis=1))


def other_light(trials: int, rng: np.random.Generator) -> dict[str, Any]:
    """Hold an answer to one colour sequence against another sequence at the same times."""
    passed = 0
    for seed in range(trials):
        asked = issue(kind="light", seed=seed, key=KEY, now_s=0.0)
        recorded = issue(kind="light", seed=seed + trials, key=KEY, now_s=0.0)
        passed += judge(asked, simulate_answer(recorded, rng), mirrored=False).followed
    return row("other colours, light", passed, trials, BARS[4] * 5)


def sheets(trials: int, rng: np.random.Generator) -> dict[str, Any]:
    """Let a photo that is held at some tilt answer the colours that it is shown itself."""
    passed = 0
    for seed in range(trials):
        asked = issue(kind="light", seed=seed, key=KEY, now_s=0.0)
        passed += judge(asked, on_a_sheet(simulate_answer(asked, rng), rng), mirrored=False).followed
    return row("photos at a tilt, right colours, light", passed, trials, BARS[4] * 5)


def real_clips(folder: Path, per_clip: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    rows = []
    for n_steps in (3, 4):
        passed = trials = turning = turning_trials = 0
        drawn = [issue(steps=n_steps, seed=int(s), key=KEY, now_s=0.0) for s in rng.integers(2**31, size=per_clip)]
        windows = np.array([[(s.start_s, s.end_s) for s in c.steps] for c in drawn])
        sequences = np.array([[ACTIONS.index(s.action) for s in c.steps] for c in drawn])
        for series in series_of_clips(folder):
            found = movements(looped(series, windows.max() + 1.0))
            hits = int(passes(found, windows, sequences).sum())
            passed, trials = passed + hits, trials + per_clip
            if np.ptp(series.yaw_deg) > 30.0:
                turning, turning_trials = turning + hits, turning_trials + per_clip
        rows.append(row(f"real clips, {n_steps} steps", passed, trials, BARS[n_steps]))
        rows.append(row(f"real clips with head turns, {n_steps} steps", turning, turning_trials, BARS[n_steps]))
    return rows


_clips: dict[Path, list[AnswerSeries]] = {}


def series_of_clips(folder: Path) -> list[AnswerSeries]:
    """Follow the longest seen face of every clip."""
    if folder not in _clips:
        from idverify.challenge.from_track import series_from_track
        from idverify.faces.detection import YuNet
        from idverify.faces.landmarks import EyeModel, FaceMesh
        from idverify.faces.tracking import Tracker
        from idverify.media import open_recording
        from idverify.models.session import Session
        from idverify.verification.acquisition import acquire

        detector, mesh, eyes = YuNet(Session("yunet")), FaceMesh(Session("face_mesh")), EyeModel(Session("iris"))
        _clips[folder] = []
        for path in sorted(folder.iterdir()):
            with open_recording(path) as recording:
                capture = acquire(recording, Tracker(detector, mesh, eyes), factories={})
            if capture.tracks:
                track = max(capture.tracks.values(), key=len)
                _clips[folder].append(series_from_track(track, picture_width_px=capture.size_wh[0]))
            print(f"\rfollowed {len(_clips[folder])} faces", end="", file=sys.stderr)
        print(file=sys.stderr)
    return _clips[folder]


def looped(series: AnswerSeries, length_s: float) -> AnswerSeries:
    """Repeat a clip until it is long enough; a step of 40 ms joins end and start."""
    period = series.times_s[-1] - series.times_s[0] + 0.04
    repeats = int(np.ceil(length_s / period))
    times = np.concatenate([series.times_s - series.times_s[0] + k * period for k in range(repeats)])
    columns = ("yaw_deg", "pitch_deg", "roll_deg", "eye_opening", "mouth_opening", "mouth_width", "face_scale")
    repeated = {name: np.concatenate([getattr(series, name)] * repeats) for name in columns}
    return AnswerSeries(times_s=times, **repeated)


def row(what: str, passed: int, trials: int, bar: float, *, at_least: bool = False) -> dict[str, Any]:
    rate = passed / trials if trials else float("nan")
    if at_least:
        limit = float(beta.ppf(0.025, passed, trials - passed + 1)) if passed else 0.0
    else:
        limit = float(beta.ppf(0.975, passed + 1, trials - passed)) if passed else 3 / max(trials, 1)
    met = bool(rate >= bar if at_least else rate <= bar)
    return {"what": what, "passed": passed, "trials": trials, "rate": rate, "limit": limit, "bar": bar, "met": met}


def lines_of(rows: list[dict[str, Any]]) -> list[str]:
    """Return the table as text: a rate's limit is the 95 % interval's end on the side that matters."""
    lines = [f"{'trials of':38} {'passed':>8} {'of':>11} {'rate':>9} {'95 % limit':>11} {'bar':>7}"]
    lines += [
        f"{r['what']:38} {r['passed']:8,} {r['trials']:11,} {r['rate']:9.4%} {r['limit']:11.4%} "
        f"{r['bar']:7.2%} {'met' if r['met'] else 'BROKEN'}"
        for r in rows
    ]
    luck = "".join(f" {guess_probability(n_steps=k):.4%} ({k} steps)" for k in (3, 4, 5))
    return [*lines, f"luck alone, computed, at most:{luck} {guess_probability(n_colours=5):.4%} (5 colours)"]


if __name__ == "__main__":
    sys.exit(main())

"""What a bad line does to honest recordings, and to attacks: is anybody rejected, is any attack accepted?

    python benchmarks/accuracy/line_faults.py signals --data ../shared/data --patterns 1000
    python benchmarks/accuracy/line_faults.py checks --data ../shared/data --patterns 1000 --out faults.jsonl

A *pattern* is what lines and their recorders do to a stream: pictures lost or repeated in bursts, held for up to 3 s,
stalls that leave a gap or are retimed away, pictures that come late or are caught up in a hurry, few pictures a second,
and few bits; one to three of these at random. ``signals`` plays patterns on the fingerprints of the clips, which takes
seconds, and asks for signs of tampering; it plays loops and joins of two clips as well, which should be found.
``checks`` makes files and judges each whole, and goes on where it was stopped. Genuine clips and attacks (captured
replays and takes of ``idverify simulate``, if a folder of them is given) go through the same patterns. Rates are
printed with 95 % intervals (Clopper and Pearson), by clip as well, since patterns on one clip are no independent
trials.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import zlib
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from idverify.errors import IdverifyError
from idverify.media import open_recording
from idverify.media.recording import TimeProblems
from idverify.media.source import MediaLimits
from idverify.metrics import clopper_pearson
from idverify.pad import injection
from idverify.pad.fingerprints import FrameFingerprints
from idverify.verification.verifier import Verifier

# Seconds of a clip that go through a line; its pictures are no larger than a call's.
LENGTH_S, SIDE_PX = 8.0, 640
# Bits a second of a call on a bad line, and of a good recording.
FEW_BITS, MANY_BITS = (150_000, 500_000), 2_500_000
# Signals that look at the pictures.
PICTURE_SIGNALS = ("repeated_passage", "frozen_pictures", "cuts", "quality_fall")


# -- what a line does: times of pictures in; which picture is shown when, out ----------------------


def lost(rng, n):
    """Which of n pictures are lost, in bursts (the model of Gilbert 1960, doi:10.1002/j.1538-7305.1960.tb03959.x)."""
    share, burst = rng.uniform(0.02, 0.35), rng.uniform(1, 6)
    state, out = False, np.zeros(n, bool)
    for k in range(1, n):
        out[k] = state = bool(rng.random() < (1 - 1 / burst if state else share / burst / (1 - share)))
    return out


def stalls(rng, times_s):
    """Which pictures fall into one or two stalls of 0.3 to 3 s; two fifths of the recording are left at least."""
    out = np.zeros(len(times_s), bool)
    for _ in range(rng.integers(1, 3)):
        begin = rng.uniform(0.3, max(times_s[-1] - 0.6, 0.4))
        out |= (times_s > begin) & (times_s <= begin + rng.uniform(0.3, 3.0))
    if out.mean() > 0.6:
        out = (times_s > 0.4 * times_s[-1]) & (times_s <= 0.4 * times_s[-1] + 0.5)
    return out


def held(shown):
    """Each picture that is not shown is the one before."""
    return np.maximum.accumulate(np.where(shown, np.arange(len(shown)), 0))


def drop(rng, t):
    kept = np.flatnonzero(~lost(rng, len(t)))
    return kept, t[kept]


def repeat(rng, t):
    return held(~lost(rng, len(t))), t


def freeze(rng, t):
    return held(~stalls(rng, t)), t


def gap(rng, t):
    kept = np.flatnonzero(~stalls(rng, t))
    return kept, t[kept]


def retimed(rng, t):
    kept = np.flatnonzero(~stalls(rng, t))
    return kept, np.median(np.diff(t)) * np.arange(len(kept))


def catch_up(rng, t):
    """Held, then what was missed at twice to four times the speed."""
    begin, length, speed = rng.uniform(0.3, max(t[-1] - 1.5, 0.4)), rng.uniform(0.3, 1.5), rng.uniform(2, 4)
    late = np.minimum(t, begin + (t - begin - length) * speed)
    shown_s = np.where(t < begin, t, np.where(t < begin + length, begin, late))
    return np.clip(np.searchsorted(t, shown_s + 1e-6, side="right") - 1, 0, len(t) - 1), t


def late(rng, t):
    """Times of arrival."""
    arrived = np.maximum.accumulate(t + rng.exponential(rng.uniform(0.01, 0.08), len(t))) + 1e-3 * np.arange(len(t))
    return np.arange(len(t)), arrived - arrived[0]


def slow(rng, t):
    """Five to twelve pictures a second, as they come or repeated by the recorder."""
    turns = np.floor(t * rng.uniform(5, 12) + rng.random())
    new = np.r_[True, np.diff(turns) > 0]
    return (np.flatnonzero(new), t[new]) if rng.random() < 0.5 else (held(new), t)


def few_bits(rng, t):
    """No picture moves; the encoder is starved."""
    return np.arange(len(t)), t


FAULTS = {f.__name__: f for f in (drop, repeat, freeze, gap, retimed, catch_up, late, slow, few_bits)}


def pattern(rng, times_s):
    """Names of the faults, which pictures are shown, and when."""
    names = [str(n) for n in rng.choice(list(FAULTS), size=rng.choice([1, 1, 2, 3]), replace=False)]
    shown, times = np.arange(len(times_s)), times_s
    for name in names:
        these, times = FAULTS[name](rng, times)
        shown = shown[these]
    return names, shown, times


# -- clips -------------------------------------------------------------------------------------------


def clips(data):
    """Path, kind and a photo of the same person, if there is one."""
    for table in (data / "videos.csv", data / "selfies" / "videos.csv"):
        with table.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                kind = {"bona_fide": "bona_fide", "attack": "captured"}.get(line["presentation"], line["presentation"])
                kind = "deepfake" if kind == "digital" or "digital" in line["path"] else kind
                if "multiple_faces" not in line["path"]:
                    photos = (line.get("references") or "").split()
                    yield table.parent / line["path"], kind, table.parent / photos[0] if photos else None


def proportion(name, k, n):
    interval = clopper_pearson(k, n)
    low, high = interval.low, interval.high
    print(f"{name:58s} {k:5d} of {n:5d}  {100 * k / max(n, 1):6.2f} %  [{100 * low:.2f}, {100 * high:.2f}]")


# -- signals -----------------------------------------------------------------------------------------


class Played:
    """Fingerprints of a clip, in another order and at other times."""

    sizes_wh = ((1, 1),)

    def __init__(self, times_s, thumbnails, compression):
        self._arrays = times_s, thumbnails, compression

    def thumbnails(self):
        return self._arrays[:2]

    def compression(self):
        return self._arrays[2]


def played(clip, shown, times_s):
    _, thumbnails, compression = clip
    compression = compression[shown].copy()
    # A picture that is held is its own repetition.
    compression[np.r_[False, np.diff(shown) == 0], 1] = 1.0
    return Played(times_s, thumbnails[shown], compression)


def looped(rng, clip):
    """A passage of 1 to 3 s comes again, forwards, backwards or over and over."""
    times_s, n = clip[0], len(clip[0])
    length = int(rng.uniform(1.0, min(3.0, times_s[-1] / 2.2)) / np.median(np.diff(times_s)))
    begin = rng.integers(0, max(1, n - 2 * length))
    passage, rest = np.arange(begin, begin + length), np.arange(begin + length, n)
    again = (passage, passage[::-1], np.tile(passage, 4))[rng.integers(3)]
    return np.concatenate([np.arange(begin), passage, again, rest])[:n]


def signals(options):
    facts, found = injection.ContainerFacts(metadata={}, time_problems=TimeProblems()), {}
    for path, kind, _ in clips(options.data):
        if kind == "bona_fide":
            seen = FrameFingerprints()
            with open_recording(path, limits=MediaLimits(max_duration_s=LENGTH_S)) as recording:
                for frame in recording:
                    seen.observe_frame(frame)
            found[path.stem] = *seen.thumbnails(), seen.compression()
    rng, names, counts = np.random.default_rng(options.seed), list(found), Counter()
    rates = {name: 1.0 / np.median(np.diff(clip[0])) for name, clip in found.items()}

    def asked(what, fingerprints):
        counts[what, "n"] += 1
        for evidence in injection.assess(fingerprints, facts):
            if evidence.name not in PICTURE_SIGNALS:
                continue
            counts[what, evidence.name, "doubt"] += evidence.native is not None and evidence.reason is not None
            counts[what, evidence.name, "proof"] += evidence.decisive

    for k in range(options.patterns):
        name = names[k % len(names)]
        clip, other = found[name], found[names[rng.integers(len(names))]]
        _, shown, times_s = pattern(rng, clip[0])
        if len(shown) >= 20:
            asked("bad line", played(clip, shown, times_s))
        shown = looped(rng, clip)
        asked("loop", played(clip, shown, np.arange(len(shown)) / rates[name]))
        if other is not clip:
            cut = [rng.integers(15, min(len(c[0]), 150)) for c in (clip, other)]
            both = [np.concatenate([clip[i][: cut[0]], other[i][: cut[1]]]) for i in (1, 2)]
            asked("join", Played(np.arange(sum(cut)) / rates[name], *both))
    print(f"{len(names)} genuine clips, {options.patterns} patterns, seed {options.seed}\n")
    for what, signal, how in sorted(key for key in counts if len(key) == 3):
        if what == "bad line" or signal == {"loop": "repeated_passage", "join": "cuts"}[what]:
            proportion(f"{what}: {signal}, {how}", counts[what, signal, how], counts[what, "n"])


# -- checks ------------------------------------------------------------------------------------------


def pictures(path):
    """Times and pictures of a clip, no larger than a call's."""
    times, images = [], []
    with open_recording(path, limits=MediaLimits(max_duration_s=LENGTH_S)) as recording:
        for frame in recording:
            scale = min(1.0, SIDE_PX / max(frame.size_wh))
            times.append(frame.time_s)
            images.append(frame.image_rgb(tuple(2 * round(side * scale / 2) for side in frame.size_wh)))
    return np.array(times), images


def encoded(images, shown, times_s, bits):
    """The recording that a line leaves, as bytes of an MP4 file."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.bit_rate, stream.options = "yuv420p", bits, {"preset": "ultrafast", "bf": "0"}
        stream.codec_context.time_base = Fraction(1, 90_000)
        for k, time_s in zip(shown, times_s, strict=True):
            picture = av.VideoFrame.from_ndarray(images[k], "rgb24")
            picture.pts, picture.time_base = round(time_s * 90_000), Fraction(1, 90_000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return file.getvalue()


def checks(options):
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.touch()
    done = [json.loads(line) for line in options.out.read_text(encoding="utf-8").splitlines()]
    kept = {(row["clip"], row["pattern"]) for row in done}
    everything = [item for item in clips(options.data) if item[1] != "deepfake"]
    for folder in options.takes:
        everything += [(path, "simulated", None) for path in sorted(folder.rglob("*.mp4"))]
    verifier, held_clip = Verifier(policy=options.policy), (None, None)
    cv2.setNumThreads(1)
    genuine, attacks = ([i for i in everything if (i[1] == "bona_fide") == which] for which in (True, False))
    with options.out.open("a", encoding="utf-8") as out:
        for group in (genuine, attacks):
            # The patterns of one clip one after the other, so that it is read once.
            for k in sorted(range(options.patterns if group else 0), key=lambda k: k % len(group)):
                path, kind, photo = group[k % len(group)]
                if (path.stem, k) in kept or k // len(group) % options.parts != options.part:
                    continue
                if held_clip[0] != path:
                    held_clip = path, pictures(path)
                row = judge(verifier, *held_clip[1], photo, np.random.default_rng([zlib.crc32(path.stem.encode()), k]))
                out.write(json.dumps({"clip": path.stem, "kind": kind, "pattern": k, **row}) + "\n")
                out.flush()
    report([json.loads(line) for line in options.out.read_text(encoding="utf-8").splitlines()], options.policy)


def judge(verifier, times_s, images, photo, rng):
    kinds, shown, times = pattern(rng, times_s)
    video = encoded(images, shown, times, int(rng.uniform(*FEW_BITS)) if "few_bits" in kinds else MANY_BITS)
    try:
        seed = int(rng.integers(2**32))
        decision = verifier.check(video, photo, seed=seed) if photo else verifier.assess_liveness(video, seed=seed)
    except IdverifyError as error:
        return {"faults": kinds, "outcome": "error", "reasons": [type(error).__name__]}
    return {"faults": kinds, "outcome": decision.outcome.value, "reasons": [r.value for r in decision.reasons]}


def report(rows, policy):
    print(f"policy {policy}\n")
    for kind in dict.fromkeys(row["kind"] for row in rows):
        own = [row for row in rows if row["kind"] == kind]
        of_clip = {}
        for row in own:
            of_clip.setdefault(row["clip"], []).append(row["outcome"])
        for outcome in ("accept", "reject", "inconclusive", "error"):
            proportion(f"{kind}: {outcome}", sum(row["outcome"] == outcome for row in own), len(own))
        bad = "reject" if kind == "bona_fide" else "accept"
        proportion(f"{kind}: clips with any {bad}", sum(bad in seen for seen in of_clip.values()), len(of_clip))
        reasons = Counter(reason for row in own if row["outcome"] != "accept" for reason in row["reasons"])
        print(f"  reasons: {dict(reasons.most_common(12))}")
        for name in FAULTS:
            those = [row for row in own if name in row["faults"]]
            seen = Counter(row["outcome"] for row in those)
            print(f"  {name:10s} {dict(seen)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mode", choices=("signals", "checks"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--patterns", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--policy", default="ial2")
    parser.add_argument("--takes", type=Path, action="append", default=[], help="folder of simulated attacks")
    parser.add_argument("--out", type=Path, default=Path("line_faults.jsonl"))
    parser.add_argument("--part", type=int, default=0, help="of --parts processes that share the work")
    parser.add_argument("--parts", type=int, default=1)
    options = parser.parse_args()
    {"signals": signals, "checks": checks}[options.mode](options)


if __name__ == "__main__":
    main()

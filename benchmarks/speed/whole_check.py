"""A whole check beside decoding alone: ``python benchmarks/speed/whole_check.py`` (needs scikit-image and the models).

Prints, for a 10 s 1080p and a 5 s 720p clip made here: the time PyAV needs only to decode, with its default threading
and with frame threading; the time of a whole check with models loaded; their ratio; the processor seconds of both
over all cores, which tell a busy machine from a slow program; and the share of them that the liveness mechanisms take,
from a comparison of the same clip without them (the prints of every frame are taken in both). Then what a fresh process
adds and its peak memory for 5 s and 30 s of video. Every figure is a median; ratios are of times taken right after one
another, since the machine's speed changes under them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
from clips import make, write_portrait

from idverify.verification.verifier import Verifier

CLIPS = {"10 s 1080p": ((1080, 1920), 10.0), "5 s 720p": ((720, 1280), 5.0)}
# The peak of the process's own memory: `ru_maxrss` would begin with that of the process that started it.
CHECK_ONCE = """
import sys
from pathlib import Path
from idverify.verification.verifier import Verifier
Verifier().check(sys.argv[1], sys.argv[2])
status = Path("/proc/self/status").read_text()
print(next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:")))
"""


def seconds_of(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def decode(path: Path, thread_type: str | None) -> None:
    """Every picture decoded, none looked at."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if thread_type:
            stream.thread_type = thread_type
        for _ in container.decode(stream):
            pass


def fresh(folder: Path, *command: str) -> str:
    """What a new process prints; compiled modules are kept in the folder, where an installed package has its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment, check=False)
    if done.returncode not in (0, 1, 3):
        sys.exit(done.stderr)
    return done.stdout.strip()


def speed(clip: Path, photo: Path, rounds: int) -> dict[str, float]:
    """Medians over interleaved rounds."""
    verifier = Verifier()
    verifier.check(clip, photo)
    rows = []
    for _ in range(rounds):
        start = time.process_time()
        plain = seconds_of(lambda: decode(clip, None))
        decode_cpu = time.process_time() - start
        threaded = seconds_of(lambda: decode(clip, "FRAME"))
        start = time.process_time()
        check = seconds_of(lambda: verifier.check(clip, photo))
        check_cpu = time.process_time() - start
        start = time.process_time()
        verifier.compare(clip, photo)
        share = 1 - (time.process_time() - start) / check_cpu
        rows.append((plain, threaded, check, check / plain, check / threaded, decode_cpu, check_cpu, share))
    names = (
        *("decode_default_s", "decode_frame_threads_s", "check_s", "check_over_default", "check_over_frame_threads"),
        *("decode_default_cpu_s", "check_cpu_s", "liveness_share"),
    )
    return dict(zip(names, map(statistics.median, zip(*rows, strict=True)), strict=True))


def cold(clip: Path, photo: Path, rounds: int) -> float:
    """Seconds that a fresh process adds to a warm check, Python's own start included."""
    verifier = Verifier()
    verifier.check(clip, photo)
    command = ("-m", "idverify", "check", str(clip), str(photo), "--quiet")
    fresh(clip.parent, *command)
    added = []
    for _ in range(rounds):
        warm = seconds_of(lambda: verifier.check(clip, photo))
        added.append(seconds_of(lambda: fresh(clip.parent, *command)) - warm)
    return statistics.median(added)


def main() -> None:
    """Make the clips, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clips", type=Path, help="keep the clips in this folder")
    parser.add_argument("--json", type=Path, help="write the figures for the README")
    options = parser.parse_args()
    rows: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.clips or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        photo = write_portrait(folder / "reference.png")
        for name, (size_wh, duration_s) in CLIPS.items():
            clip = make(folder / f"{name.replace(' ', '_')}.mp4", size_wh, duration_s)
            print(f"{name}, {clip.stat().st_size * 8 / duration_s / 1e6:.1f} Mbit/s, {os.cpu_count()} cores")
            figures = speed(clip, photo, options.rounds)
            for figure, value in figures.items():
                print(f"  {figure:26} {value:7.3f}", flush=True)
            note(rows, f"whole check of {name}, models loaded", f"{figures['check_s']:.2f} s")
            plain, threaded = figures["check_over_default"], figures["check_over_frame_threads"]
            note(rows, f"the same over decoding alone, PyAV's default threads ({name})", f"{plain:.2f}")
            note(rows, f"the same over decoding alone, frame threads ({name})", f"{threaded:.2f}")
            share = f"{100 * figures['liveness_share']:.0f} %"
            note(rows, f"share of its processor time that liveness takes ({name})", share)
        short = make(folder / "5_s_720p.mp4", (720, 1280), 5.0)
        added = cold(short, photo, options.rounds)
        print(f"cold start adds              {added:7.3f} s")
        note(rows, "a fresh process adds", f"{added:.2f} s")
        for duration_s in (5.0, 30.0):
            clip = make(folder / f"{duration_s:.0f}_s_720p.mp4", (720, 1280), duration_s)
            peaks = [
                float(fresh(folder, "-c", CHECK_ONCE, str(clip), str(photo))) for _ in range(min(3, options.rounds))
            ]
            print(f"peak memory, {duration_s:2.0f} s of 720p     {statistics.median(peaks):7.1f} MB", flush=True)
            note(rows, f"peak memory, {duration_s:.0f} s of 720p video", f"{statistics.median(peaks):.0f} MB")
    if options.json:
        result = {"machine": f"{os.cpu_count()} cores ({platform.machine()})", "rows": rows}
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def note(rows: list[dict[str, str]], what: str, value: str) -> None:
    rows.append({"what": what, "value": value})


if __name__ == "__main__":
    main()

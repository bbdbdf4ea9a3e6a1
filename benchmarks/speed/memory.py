"""Memory over many checks in one process: ``python benchmarks/speed/memory.py`` (needs scikit-image and the models).

Prints the resident memory after a warm-up and after more checks of one short clip, and the growth between: under 1 MB
over 200 checks is the bar. The allocator's free lists reach their size in a few steps of some megabytes within the
first hundred checks, and in small ones within the first thousands; ``--warm-up 120`` begins after the former and tells
a leak, which would go on, ``--warm-up 4000`` after the latter. Peak memory against the length of a video is in
``whole_check.py``.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
from pathlib import Path

from clips import make, write_portrait

from idverify.verification.verifier import Verifier


def resident_mb() -> float:
    """Resident memory of this process (Linux)."""
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return float(line.split()[1]) / 1024


def main() -> None:
    """Check one clip again and again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checks", type=int, default=200)
    parser.add_argument("--warm-up", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photo = write_portrait(Path(folder) / "reference.png")
        clip = make(Path(folder) / "clip.mp4", (360, 480), 1.6)
        verifier = Verifier()
        for _ in range(options.warm_up):
            verifier.check(clip, photo)
        before = now = resident_mb()
        print(f"after {options.warm_up:4} checks: {before:7.1f} MB", flush=True)
        for done in range(1, options.checks + 1):
            verifier.check(clip, photo)
            if done % max(1, options.checks // 4) == 0:
                now = resident_mb()
                print(f"after {options.warm_up + done:4} checks: {now:7.1f} MB", flush=True)
        print(f"growth over {options.checks} checks: {now - before:+.2f} MB")


if __name__ == "__main__":
    main()

"""Checks in one process do not add up in memory; ``benchmarks/speed/memory.py`` has the long version with figures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import stills

import idverify

# Twenty checks, and twenty more, after five that warm up every cache and pool. The allocator's free lists may take a
# step of some megabytes in one of the two; a leak is in both.
WARM_UP, CHECKS = 5, 20
# A leak of one small picture (640 x 360 RGB) per check would be 13 MB; the allocator alone moves by a few.
MOST_GROWTH_MB = 8.0

LOOP = """
import gc, sys
from pathlib import Path
from idverify import Verifier

def resident_mb():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

verifier = Verifier(policy="ial2")
video, photo, warm_up, checks = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for _ in range(warm_up):
    verifier.check(video, photo)
for _ in range(2):
    before = resident_mb()
    for _ in range(checks):
        verifier.check(video, photo)
    print(resident_mb() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")
def test_twenty_checks_do_not_add_up(verifier, portrait, tmp_path):
    video = stills.write(tmp_path / "clip.mp4", portrait, "panned", 0.4, size_wh=(240, 320))
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), portrait[..., ::-1])
    source = str(Path(idverify.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", LOOP, str(video), str(photo), str(WARM_UP), str(CHECKS)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert min(map(float, done.stdout.split())) < MOST_GROWTH_MB

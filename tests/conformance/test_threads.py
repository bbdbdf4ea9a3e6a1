"""One verifier shared by many threads gives what one thread gives."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import stills

from idverify.report import to_json
from idverify.verification.verifier import Verifier

N_THREADS = 16


def document(decision) -> str:
    values = to_json(decision)
    del values["timing_ms"]
    return json.dumps(values, sort_keys=True)


@pytest.fixture(scope="module")
def work(tmp_path_factory, portrait):
    """Two short clips, each with a reference that gives another answer."""
    folder = tmp_path_factory.mktemp("threads")
    size = {"size_wh": (240, 320)}
    moving = stills.write(folder / "a.mp4", portrait, "shaken", 0.6, **size)
    fixed = stills.write(folder / "b.mp4", portrait, "fixed", 0.6, **size)
    return [(moving, portrait), (fixed, np.ascontiguousarray(portrait[:, 185:]))]


def test_sixteen_threads_on_one_verifier_give_the_results_of_one_thread(verifier, work):
    expected = [document(verifier.check(*task, seed=7)) for task in work]
    assert expected[0] != expected[1]
    start = threading.Barrier(N_THREADS)

    def check(k: int) -> str:
        start.wait(timeout=60)
        return document(verifier.check(*work[k % 2], seed=7))

    with ThreadPoolExecutor(N_THREADS) as pool:
        found = list(pool.map(check, range(N_THREADS)))
    assert found == expected * (N_THREADS // 2)


def test_threads_that_meet_at_the_first_use_load_once_and_agree(verifier, portrait):
    """A verifier that has loaded nothing yet, asked by four threads at once."""
    fresh = Verifier(policy="ial2")
    start = threading.Barrier(4)

    def compare(_: int) -> str:
        start.wait(timeout=60)
        return document(fresh.compare(portrait, portrait))

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(compare, range(4)))
    assert found == {document(verifier.compare(portrait, portrait))}
    assert fresh.face_models is fresh.face_models


IN_A_FRESH_PROCESS = """
import sys, time
from idverify.models import cores
from idverify.verification.verifier import Verifier
cores.keep_to(int(sys.argv[1]))
verifier = Verifier()
verifier.load()
whole, own = time.process_time(), time.thread_time()
verifier.check(sys.argv[2], sys.argv[3])
print((time.thread_time() - own) / (time.process_time() - whole))
"""


def test_a_process_that_keeps_to_one_core_works_in_one_thread(verifier):
    """As the workers of an evaluation: decoder, OpenCV and models start no thread that does anything."""
    samples = Path(__file__).resolve().parents[2] / "samples"
    media = [str(samples / name) for name in ("photo_panned.mp4", "reference.jpg")]
    shares = {
        cores: float(subprocess.check_output([sys.executable, "-c", IN_A_FRESH_PROCESS, str(cores), *media]))
        for cores in (1, 4)
    }
    # NumPy's BLAS has threads of its own unless the environment says otherwise; they take two or three percent.
    assert shares[1] > 0.93
    assert shares[4] < shares[1], "the measurement sees other threads' work"


def test_observers_in_a_thread_of_their_own_see_what_they_see_in_one(verifier, work, monkeypatch):
    beside = [document(verifier.check(*task, seed=7)) for task in work]
    monkeypatch.setattr("idverify.verification.follower.cores.usable", lambda: 1)
    assert [document(verifier.check(*task, seed=7)) for task in work] == beside

"""Every engine maps the same way: each job once, whatever dies, and only what is needed in flight."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from evaluation_fakes import FakeSystem, made_up_trials

from idverify.errors import ModelMissingError, ParameterError
from idverify.evaluation import evaluate
from idverify.evaluation.executors import AHEAD, ENGINES, Executor, WorkerDeath, executor
from idverify.protocols import write_trials

PACKAGES = {"local": "concurrent.futures", "ray": "ray", "dask": "distributed"}
WORKERS = 2
REPORTS = ("scores.csv", "run.json", "report.json")


@pytest.fixture(scope="module", params=ENGINES)
def engine(request) -> Iterator[Executor]:
    pytest.importorskip(PACKAGES[request.param], reason=f"needs {request.param}")
    # Workers import the tests' own modules, wherever the engine starts them.
    here = os.pathsep.join([str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])])
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([here, before])
    try:
        with executor(request.param, workers=WORKERS) as opened:
            yield opened
    finally:
        os.environ["PYTHONPATH"] = before


def loaded(log: Path) -> int:
    """What a worker makes once: it leaves a line."""
    with log.open("a") as lines:
        lines.write(f"{os.getpid()}\n")
    return 10


def add(base: int, job: int) -> int:
    if job == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return base + job


def add_once_dead(flag: Path, base: int, job: int) -> int:
    """Dies at the first try of job 3, as a machine short of memory would make it."""
    if job == 3 and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return base + job


def nap(base: int, job: int) -> int:
    time.sleep(job)
    return base


def allocator(_base: int = 0, _job: int = 0) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("MALLOC_")}


# Taken before any engine is opened: some set the environment of the process that opens them, too.
ALLOCATOR = allocator()


def refuse() -> int:
    raise ModelMissingError("the model fake is not on this machine")


def test_every_job_is_answered_once_and_models_load_once_a_worker(engine, tmp_path):
    log = tmp_path / "log"
    answers = dict(engine.map(int.__add__, range(50), setup=partial(loaded, log)))
    assert answers == {number: number + 10 for number in range(50)}
    pids = log.read_text().split()
    assert len(pids) == len(set(pids)) <= WORKERS


def test_a_job_that_kills_its_worker_costs_itself_only(engine, tmp_path):
    answers = dict(engine.map(add, range(12), setup=partial(loaded, tmp_path / "log")))
    assert isinstance(answers.pop(7), WorkerDeath)
    assert answers == {number: number + 10 for number in range(12) if number != 7}


def test_a_worker_that_dies_by_itself_costs_nothing(engine, tmp_path):
    task = partial(add_once_dead, tmp_path / "died")
    answers = dict(engine.map(task, range(8), setup=partial(loaded, tmp_path / "log")))
    assert answers == {number: number + 10 for number in range(8)}


def test_workers_allocate_as_every_process_here_does(engine, tmp_path):
    answers = dict(engine.map(allocator, range(2), setup=partial(loaded, tmp_path / "log")))
    assert answers == {0: ALLOCATOR, 1: ALLOCATOR}


def test_what_cannot_be_loaded_ends_the_run(engine):
    with pytest.raises(ModelMissingError, match="the model fake"):
        list(engine.map(int.__add__, range(3), setup=refuse))


def test_jobs_are_taken_as_they_are_needed(engine, tmp_path):
    taken = []

    def stream() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    answers = engine.map(int.__add__, stream(), setup=partial(loaded, tmp_path / "log"))
    for done, _ in enumerate(answers, start=1):
        assert len(taken) <= done + WORKERS * AHEAD
    assert len(taken) == 100


def test_an_evaluation_is_the_same_on_every_engine(engine, tmp_path):
    write_trials(made_up_trials(4, extra=("corrupt_1.mp4", "crash_1.mp4")), tmp_path / "t.csv")
    evaluate(tmp_path / "t.csv", tmp_path / "here", make_system=FakeSystem)
    evaluate(tmp_path / "t.csv", tmp_path / "there", make_system=FakeSystem, engine=engine)
    for name in REPORTS:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_an_engine_that_is_not_there_is_one_sentence():
    with pytest.raises(ParameterError, match="there is no engine 'slurm'"), executor("slurm"):
        pass
    with pytest.raises(ParameterError, match="this machine"), executor("local", address="127.0.0.1:1"):
        pass


def test_a_run_that_ends_leaves_no_process_behind(tmp_path):
    log = tmp_path / "log"
    with executor("local", workers=WORKERS) as opened:
        list(opened.map(int.__add__, range(10), setup=partial(loaded, log)))
    deadline = time.monotonic() + 10
    pids = [int(pid) for pid in log.read_text().split()]
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_a_run_that_is_cut_short_waits_for_no_worker(tmp_path):
    log = tmp_path / "log"
    with executor("local", workers=WORKERS) as opened:
        answers = opened.map(nap, [0, 600, 600, 600, 600], setup=partial(loaded, log))
        next(answers)
        began = time.monotonic()
        answers.close()
    assert time.monotonic() - began < 60
    assert not [pid for pid in log.read_text().split() if Path(f"/proc/{pid}").exists()]


def hears(_: int, signal_number: int) -> bool:
    return signal_number not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system has no masks of signals")
def test_workers_of_this_machine_never_hear_the_keyboard(tmp_path):
    with executor("local", workers=1) as engine:
        answers = dict(engine.map(hears, [signal.SIGINT, signal.SIGTERM], setup=partial(loaded, tmp_path / "log")))
    assert answers == {0: False, 1: True}
    assert hears(0, signal.SIGINT)

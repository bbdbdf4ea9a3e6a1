"""A child behind walls: it answers with values, and what kills it costs one question."""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from idverify.errors import CorruptMediaError, MediaCrashedError
from idverify.isolation import channel
from idverify.isolation.process import ChildProcess
from idverify.reasons import NotAssessed, Reason

CHILD = """
import os, signal, sys, time
sys.path.insert(0, {tests!r})
from idverify.errors import CorruptMediaError
from idverify.isolation.process import serve
from idverify.isolation.walls import runtime_paths

def corrupt():
    raise CorruptMediaError("no picture")

class Evil:
    def __reduce__(self):
        return os.system, ("true",)

def prepare(settings):
    return dict(
        add=lambda a, b: a + b,
        pid=os.getpid,
        crash=lambda: os.kill(os.getpid(), signal.SIGSEGV) or signal.raise_signal(signal.SIGSEGV),
        hang=lambda: time.sleep(60),
        grow=lambda: len(bytearray(3 << 30)),
        fail=lambda: 1 / 0,
        corrupt=corrupt,
        evil=Evil,
    )

if __name__ == "__main__":
    serve(prepare, runtime_paths)
"""


@pytest.fixture(scope="module")
def child(tmp_path_factory) -> ChildProcess:
    folder = tmp_path_factory.mktemp("child")
    (folder / "some_child.py").write_text(CHILD.format(tests=str(folder)))
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), str(Path(channel.__file__).parents[2]), before])
    made = ChildProcess("some_child", None, memory_bytes=1 << 30, time_limit_s=3.0)
    yield made
    made.end()
    os.environ["PYTHONPATH"] = before


def test_it_answers_with_what_it_is_asked(child):
    assert child.ask("add", 2, 3) == 5
    sent = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert np.array_equal(child.ask("add", sent, np.float32(1)), sent + 1)


@pytest.mark.parametrize("question", ["crash", "hang", "grow"])
@pytest.mark.skipif(sys.platform != "linux", reason="a memory limit is Linux's here")
def test_what_kills_it_costs_one_question(child, question):
    began = time.monotonic()
    with pytest.raises(MediaCrashedError):
        child.ask(question)
    assert time.monotonic() - began < 30
    assert child.ask("add", 1, 1) == 2


def test_a_child_killed_from_outside_is_replaced(child):
    os.kill(child.ask("pid"), signal.SIGKILL)
    time.sleep(0.2)
    assert child.ask("add", 1, 2) == 3


def test_its_errors_are_those_of_the_package_or_a_failure_of_its_own(child):
    with pytest.raises(CorruptMediaError, match="no picture"):
        child.ask("corrupt")
    with pytest.raises(MediaCrashedError, match="ZeroDivisionError"):
        child.ask("fail")


def test_a_child_in_a_strangers_hands_can_only_send_values(child):
    with pytest.raises(MediaCrashedError):
        child.ask("evil")
    assert child.ask("add", 1, 1) == 2


@pytest.mark.parametrize(
    "code",
    [
        pickle.dumps(os.system),
        b"cos\nsystem\n(S'true'\ntR.",
        b"cidverify.models.pull\npull\n.",
        b"cidverify.verification.verifier\nVerifier\n.",
        b"cbuiltins\neval\n.",
        b"\x80\x04not a pickle",
    ],
)
def test_nothing_but_values_is_made_of_a_message(code):
    message = len(code).to_bytes(8, "big") + code
    with pytest.raises(EOFError):
        channel.receive(io.BytesIO(message), trusted=False)


def test_values_of_the_package_come_through():
    unsure = NotAssessed(reason=Reason.BLURRY, detail="d")
    value = (unsure, {"a": [1.5, None]}, np.zeros((2, 2), np.uint8), frozenset({1}))
    pipe = io.BytesIO()
    channel.send(pipe, value)
    pipe.seek(0)
    back = channel.receive(pipe, trusted=False)
    assert back[0].reason is Reason.BLURRY
    assert back[2].shape == (2, 2)
    assert back[3] == {1}


def test_threads_take_turns(child):
    answers: list[int] = []
    threads = [threading.Thread(target=lambda n=n: answers.append(child.ask("add", n, 0))) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == list(range(20))

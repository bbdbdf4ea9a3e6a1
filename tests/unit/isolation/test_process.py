"""A child behind walls: it answers with values, and what kills it costs one question."""

from __future__ import annotations

import gc
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idverify.errors import CorruptMediaError, MediaCrashedError, ModelError
from idverify.isolation import channel
from idverify.isolation.process import ChildProcess
from idverify.isolation.walls import available
from idverify.reasons import NotAssessed, Reason
from idverify.verification.decision import Outcome

CHILD = """
import os, re, signal, sys, time
sys.path.insert(0, {tests!r})
from idverify.errors import CorruptMediaError
from idverify.isolation.process import serve
from idverify.isolation.walls import runtime_paths

def corrupt():
    raise CorruptMediaError("no picture")

class Evil:
    def __reduce__(self):
        return os.system, ("true",)

def others():
    return [int(fd) for fd in os.listdir("/proc/self/fd") if int(fd) > 2]

def babble():
    for fd in others():
        try:
            os.write(fd, bytes([255]) * 64)
        except OSError:
            pass
    time.sleep(60)

def leave():
    for fd in others():
        try:
            os.close(fd)
        except OSError:
            pass
    time.sleep(0.3)
    os._exit(3)

def prepare(settings):
    if settings == "unfit":
        raise MemoryError
    return dict(
        add=lambda a, b: a + b,
        pid=os.getpid,
        crash=lambda: os.kill(os.getpid(), signal.SIGSEGV) or signal.raise_signal(signal.SIGSEGV),
        hang=lambda: time.sleep(60),
        slow=lambda: time.sleep(0.5) or "slow",
        fork=os.fork,
        grow=lambda: len(bytearray(3 << 30)),
        fail=lambda: 1 / 0,
        corrupt=corrupt,
        evil=Evil,
        babble=babble,
        leave=leave,
        # Native code that gives no other thread a turn.
        stuck=lambda: re.match("(a+)+$", "a" * 60 + "b"),
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


def test_one_that_is_begun_gets_ready_meanwhile_and_may_be_ended_at_any_time(child):
    child.end()
    child.begin()
    pid = child.pid
    assert child.alive
    child.start()
    assert (child.ask("pid"), child.pid) == (pid, pid)
    os.kill(pid, signal.SIGSTOP)

    def ask() -> None:
        # More than the pipe holds: it is still being sent when the child ends.
        with pytest.raises(MediaCrashedError):
            child.ask("add", bytes(1 << 22), b"")

    asked = threading.Thread(target=ask)
    asked.start()
    time.sleep(0.3)
    child.end()
    asked.join(timeout=30)
    assert not asked.is_alive()
    assert not child.alive
    assert child.ask("add", 1, 2) == 3


def test_who_was_killed_is_told_from_who_took_too_long(child):
    for question, within_s, killed in (("hang", 0.5, False), ("crash", None, False)):
        with pytest.raises(MediaCrashedError) as ended:
            child.ask(question, within_s=within_s)
        assert ended.value.killed is killed
    child.start()
    timer = threading.Timer(0.3, os.kill, (child.pid, signal.SIGKILL))
    timer.start()
    with pytest.raises(MediaCrashedError) as ended:
        child.ask("hang")
    assert ended.value.killed


STOPPED = """
from idverify.errors import MediaCrashedError
from idverify.isolation import process
process._OVERDUE_S = 0.5
child = process.ChildProcess("some_child", None, memory_bytes=1 << 30, time_limit_s=3.0)
child.start()
send = process.channel.send
process.channel.send = lambda *question: (send(*question), print("asked", flush=True))
try:
    child.ask("hang")
except MediaCrashedError as error:
    print(error.killed)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system stops no processes")
def test_who_was_stopped_for_long_has_read_nothing_bad(child):
    asking = subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, text=True)
    try:
        assert asking.stdout.readline() == "asked\n"
        asking.send_signal(signal.SIGSTOP)
        time.sleep(5.0)
        asking.send_signal(signal.SIGCONT)
        assert asking.communicate(timeout=60)[0] == "True\n"
    finally:
        asking.kill()
        asking.communicate()


def test_its_errors_are_those_of_the_package_or_a_failure_of_its_own(child):
    with pytest.raises(CorruptMediaError, match="no picture"):
        child.ask("corrupt")
    with pytest.raises(MediaCrashedError, match="ZeroDivisionError"):
        child.ask("fail")


def test_a_child_in_a_strangers_hands_can_only_send_values(child):
    with pytest.raises(MediaCrashedError):
        child.ask("evil")
    assert child.ask("add", 1, 1) == 2


def message(root, *nodes, sizes=()) -> io.BytesIO:
    text = json.dumps([root, list(nodes), list(sizes)]).encode()
    return io.BytesIO(len(text).to_bytes(8, "big") + text)


OUTCOME = ["enum", "idverify.verification.decision", "Outcome", "reject"]


@pytest.mark.parametrize(
    "told",
    [
        message([0], ["data", "idverify.models.pull", "pull", {}]),
        message([0], ["data", "idverify.verification.verifier", "Verifier", {}]),
        message([0], ["data", "os", "system", {}]),
        message([0], ["data", "idverify.__main__", "X", {}]),
        message([0], ["data", "idverify.challenge.nonces", "_Entry", {}]),
        message([0], ["data", "idverify.reasons", "NotAssessed", {"reason": "x"}]),
        message([0], ["data", "idverify.reasons", "NotAssessed", {"reason": "x", "detail": "", "__class__": "x"}]),
        message([0], ["enum", "idverify.verification.decision", "Outcome", "sure"]),
        message([0], OUTCOME, ["x"]),
        message([0], ["tuple", [[0]]]),
        message([-1], ["tuple", []]),
        message([True], ["tuple", []], ["tuple", []]),
        message([0], ["array", "|O", [1], 0], sizes=[0]),
        message([0], ["array", "<f8", [1 << 40], 0], sizes=[0]),
        message([0], ["array", "<f8", [-1], 0], sizes=[0]),
        message([2], ["tuple", []], ["tuple", [[0]]], ["set", [[1]]]),
        message({}, []),
        message([0], sizes=[1 << 62]),
        # Small, and without end for whoever writes it out.
        message([63], ["tuple", []], *(["tuple", [[n], [n]]] for n in range(63))),
        message([0], ["array", "|u1", [0], 0], ["array", "|u1", [0], 0], sizes=[0]),
        # Numbers that are all the same to a dictionary.
        message([0], ["dict", [[n * ((1 << 61) - 1), 0] for n in range(5000)]]),
        message([0], *(["frozenset", [[n]]] for n in range(5000))),
        io.BytesIO((1 << 28).to_bytes(8, "big") + b" " * (1 << 28)),
        message([0], sizes=[-1]),
        io.BytesIO((2000000).to_bytes(8, "big") + b"[" * 2000000),
        io.BytesIO((1 << 60).to_bytes(8, "big")),
        io.BytesIO(len(pickle.dumps(os.system)).to_bytes(8, "big") + pickle.dumps(os.system)),
    ],
)
def test_nothing_but_values_is_made_of_a_message(told):
    with pytest.raises(EOFError):
        channel.receive_values(told)


def test_a_message_changes_no_word_of_the_package():
    class Twisted:
        """A pickle that names a member and gives it other insides."""

        def __reduce__(self):
            return Outcome, ("reject",), {"_value_": "accept"}

    code = pickle.dumps(Twisted(), protocol=4)
    with pytest.raises(EOFError):
        channel.receive_values(io.BytesIO(len(code).to_bytes(8, "big") + code))
    assert Outcome.REJECT.value == "reject"
    assert channel.receive_values(message([0], OUTCOME)) is Outcome.REJECT


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
VALUES = st.recursive(
    PLAIN | st.just(NotAssessed(reason=Reason.BLURRY, detail="d")) | st.sampled_from(Reason),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.sampled_from(Reason), inner)
        | st.frozensets(st.integers() | st.text())
    ),
)


@given(VALUES)
def test_values_come_back_as_they_were(value):
    pipe = io.BytesIO()
    channel.send_values(pipe, value)
    pipe.seek(0)
    assert channel.receive_values(pipe) == value
    assert pipe.read() == b""


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3).T,
        np.zeros((0, 3), np.uint8),
        np.array(1.5),
        np.float64(np.nan),
        np.array(["a", "ß"]),
        np.ones((2, 2), bool)[:, ::-1],
    ],
)
def test_arrays_come_back_as_they_were(array):
    pipe = io.BytesIO()
    channel.send_values(pipe, {"a": array, "b": array})
    pipe.seek(0)
    back = channel.receive_values(pipe)
    assert type(back["a"]) is type(array)
    assert back["a"].dtype == array.dtype
    assert np.array_equal(back["a"], array, equal_nan=array.dtype.kind == "f")
    assert back["a"] is back["b"]


def test_an_interrupted_question_leaves_no_answer_for_the_next_one(child):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        child.start()
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            child.ask("slow")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert child.ask("add", 1, 2) == 3


def test_the_keyboards_interrupt_is_the_parents_business(child):
    os.kill(child.ask("pid"), signal.SIGINT)
    time.sleep(0.2)
    pid = child._process.pid
    assert child.ask("pid") == pid


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system has no masks of signals")
def test_it_does_not_hear_the_keyboard_before_its_first_line_either(child):
    child.end()
    child.begin()
    pid = child.pid
    os.kill(pid, signal.SIGINT)
    assert child.ask("pid") == pid
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.skipif(not available().no_network, reason="this system has no seccomp for programs")
def test_it_leaves_no_process_behind_that_could_hold_the_pipe(child):
    with pytest.raises(MediaCrashedError, match="PermissionError"):
        child.ask("fork")


def test_nothing_is_imported_from_the_working_folder(child, tmp_path, monkeypatch):
    (tmp_path / "fractions.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    child.end()
    monkeypatch.chdir(tmp_path)
    assert child.ask("add", 1, 2) == 3
    assert not (tmp_path / "ran").exists()


def test_threads_take_turns(child):
    answers: list[int] = []
    threads = [threading.Thread(target=lambda n=n: answers.append(child.ask("add", n, 0))) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == list(range(20))


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_what_cannot_be_begun_is_one_sentence(monkeypatch):
    with pytest.raises(TypeError):
        ChildProcess("some_child")  # type: ignore[call-arg]
    gc.collect()
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(MediaCrashedError, match="cannot be begun: No such file"):
        ChildProcess("some_child", None, memory_bytes=1 << 30, time_limit_s=3.0).start()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_fork_asks_a_child_of_its_own_and_leaves_its_parents_alone(child):
    pid = child.ask("pid")
    fork = os.fork()
    if fork == 0:
        # A fork that hangs is a failure here, not a wait without end.
        signal.alarm(60)
        try:
            os._exit(0 if child.ask("pid") != pid else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
    assert child.ask("pid") == pid


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_fork_in_the_middle_of_anothers_question_does_not_wait_for_it(child):
    asked = threading.Thread(target=child.ask, args=("slow",))
    asked.start()
    time.sleep(0.2)
    assert child._lock.locked()
    fork = os.fork()
    if fork == 0:
        signal.alarm(60)
        try:
            os._exit(0 if child.ask("add", 1, 2) == 3 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
    asked.join()
    assert child.ask("add", 1, 2) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="looks at its descriptors as Linux shows them")
def test_only_who_was_killed_is_called_killed(child):
    for question, said in (("babble", "no answer"), ("leave", "exit code 3")):
        with pytest.raises(MediaCrashedError, match=said) as ended:
            child.ask(question)
        assert not ended.value.killed


def test_one_that_cannot_get_ready_says_why_and_blames_no_file(child):
    unfit = ChildProcess("some_child", "unfit", memory_bytes=1 << 30, time_limit_s=3.0)
    with pytest.raises(ModelError, match=r"cannot get ready: MemoryError$"):
        unfit.ask("add", 1, 2)


PARENT = """
from idverify.isolation import ChildProcess
child = ChildProcess("some_child", None, memory_bytes=1 << 30, time_limit_s=1.0)
print(child.ask("pid"), flush=True)
child.ask("stuck", within_s=1.0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes as Linux shows them")
def test_a_decoder_that_hangs_does_not_outlive_a_parent_that_was_killed(child):
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        time.sleep(0.3)
        parent.kill()
    deadline = time.monotonic() + 60
    while (left := Path(f"/proc/{pid}").exists()) and time.monotonic() < deadline:
        time.sleep(0.1)
    if left:
        os.kill(pid, signal.SIGKILL)
    assert not left

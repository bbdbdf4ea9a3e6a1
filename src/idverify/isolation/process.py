"""A child process that works behind walls, seen from its parent; one question at a time.

A child that dies, hangs or answers nonsense is ended, and the question that it was at raises
:class:`~idverify.errors.MediaCrashedError`; the next question gets a new child.

Public items: :class:`ChildProcess`, :func:`serve`.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from idverify import errors
from idverify.errors import IdverifyError, MediaCrashedError, ModelError
from idverify.isolation import channel
from idverify.isolation.interpreter import command
from idverify.isolation.keyboard import unheard
from idverify.isolation.walls import close_walls

__all__ = ["ChildProcess", "serve"]

# What a child is given of the environment: nothing that could hold a secret.
_KEPT = (
    *("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "IDVERIFY_MODELS", "XDG_DATA_HOME", "OMP_NUM_THREADS", "TMPDIR"),
    *("SYSTEMROOT", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"),
)
# Loading models from a slow disk.
_START_S = 120.0
# How often a child looks whether its parent is still there.
_FOLLOW_S = 0.5
# Seconds after which a child that its parent should have ended ends itself.
_OVERDUE_S = 5.0
# Seconds in which a child that is ending has ended.
_ENDING_S = 2.0
_NO_ANSWER = "the process that decodes answered with something that is no answer"


class ChildProcess:
    """A process that answers questions behind walls.

    Parameters
    ----------
    module
        Run with ``python -m``; it calls :func:`serve`.
    settings
        Sent to it first: what it needs to get ready. Picklable.
    memory_bytes
        How much memory it may take beyond what it has once it is ready.
    time_limit_s
        Seconds for one question.
    """

    # Also of one that was never made whole, and is ended all the same.
    _process: subprocess.Popen[bytes] | None = None
    # Whether it was sent its settings, and whether it said that it is ready.
    _is_told = _is_ready = False

    def __init__(self, module: str, settings: Any, *, memory_bytes: int, time_limit_s: float) -> None:
        self._module, self._settings = module, settings
        self._memory_bytes, self._time_limit_s = memory_bytes, time_limit_s
        self._lock = threading.Lock()
        _made.add(self)
        #: Walls that this system does not have, in words; known once the child is ready.
        self.missing_walls: tuple[str, ...] = ()

    @property
    def pid(self) -> int | None:
        """Of the child; None while there is none."""
        process = self._process
        return None if process is None else process.pid

    @property
    def alive(self) -> bool:
        """Whether there is a child and it runs."""
        process = self._process
        return process is not None and process.poll() is None

    def begin(self) -> None:
        """Have a child that gets ready while this process does other things; :meth:`start` waits for it.

        Its settings are sent at once: they are no longer than a pipe holds (64 KiB).

        Raises
        ------
        MediaCrashedError
            No process can be begun.
        """
        with self._lock:
            process = self._begun()
            with contextlib.suppress(OSError):
                # One that is gone already says how when it is waited for.
                channel.send(cast("BinaryIO", process.stdin), self._settings)
            self._is_told = True

    def start(self) -> None:
        """Have a child that is ready.

        Raises
        ------
        IdverifyError
            What it needs cannot be used.
        """
        with self._lock:
            self._ready()

    def ask(self, question: str, *arguments: Any, within_s: float | None = None) -> Any:
        """Put one question and wait for the answer.

        Parameters
        ----------
        question, arguments
            Picklable.
        within_s
            Seconds for this question, where they are others than the usual ones.

        Raises
        ------
        MediaCrashedError
            The child died, took too long, or did not answer with a value.
        IdverifyError
            What the question itself raised.
        """
        with self._lock:
            process = self._ready()
            limit_s = self._time_limit_s if within_s is None else within_s
            answer = self._answer(process, lambda pipe: channel.send(pipe, (question, arguments, limit_s)), limit_s)
        return _raised_or_value(answer)

    def end(self) -> None:
        """End the child, if there is one."""
        process = self._process
        self._process = None
        if process is not None:
            process.kill()
            process.wait()
            _close_pipes(process)

    def _leave_to_parent(self) -> None:
        """After a fork: the child and whoever holds the lock are the other process's; this one begins its own."""
        process, self._process = self._process, None
        self._lock = threading.Lock()
        if process is not None:
            _close_pipes(process)

    def _ready(self) -> subprocess.Popen[bytes]:
        process = self._begun()
        if self._is_ready:
            return process
        say = (lambda pipe: None) if self._is_told else (lambda pipe: channel.send(pipe, self._settings))
        answer = self._answer(process, say, _START_S)
        try:
            self.missing_walls = tuple(_raised_or_value(answer))
        except IdverifyError:
            self.end()
            raise
        self._is_ready = True
        return process

    def _begun(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.end()
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        try:
            with unheard():
                self._process = subprocess.Popen(
                    command(self._module, str(self._memory_bytes), str(os.getpid())),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    # A buffer, and its lock, would be copied by a fork.
                    bufsize=0,
                    env=environment,
                )
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise MediaCrashedError(f"the process that decodes cannot be begun: {why}") from error
        self._is_told = self._is_ready = False
        return self._process

    def _answer(self, process: subprocess.Popen[bytes], say: Callable[[BinaryIO], None], limit_s: float) -> Any:
        ended = threading.Event()

        def stop() -> None:
            ended.set()
            process.kill()

        watch = threading.Timer(limit_s, stop)
        watch.daemon = True
        began_s = time.monotonic()
        watch.start()
        try:
            say(cast("BinaryIO", process.stdin))
            return channel.receive_values(cast("BinaryIO", process.stdout))
        except (EOFError, OSError, ValueError) as error:
            # ValueError: the pipe was closed here, by somebody who ended the child.
            # It closes its pipes before it has ended; to kill it meanwhile would say that others had killed it.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_ENDING_S)
            code = process.poll()
            self.end()
            # Who was stopped meanwhile (a shell's Ctrl-Z, a frozen container) finds that all the time is over.
            stopped = time.monotonic() - began_s > limit_s + _OVERDUE_S
            killed = (code == -signal.SIGKILL and not ended.is_set()) or stopped
            raise MediaCrashedError(_how_it_ended(code, ended.is_set(), limit_s), killed=killed) from error
        except BaseException:
            # Interrupted: the answer that is still to come would be taken for that of the next question.
            self.end()
            raise
        finally:
            watch.cancel()

    def __del__(self) -> None:
        self.end()


# Children of this process, for its forks to leave alone.
_made: weakref.WeakSet[ChildProcess] = weakref.WeakSet()


def _leave_all_to_parent() -> None:
    for child in list(_made):
        child._leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all_to_parent)


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            # What was still to be said has nobody to hear it.
            with contextlib.suppress(OSError):
                pipe.close()


def _how_it_ended(code: int | None, late: bool, limit_s: float) -> str:
    if late:
        return f"the process that decodes was ended: it took longer than {limit_s:g} s"
    if code is None:
        return _NO_ANSWER
    if code == -signal.SIGKILL:
        return "the process that decodes was killed (signal 9), by somebody or by a system that is short of memory"
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    return f"the process that decodes ended {how}: the file, or what it needs, is more than a decoder here can bear"


def _raised_or_value(answer: Any) -> Any:
    """The value of an answer, or the error that it names."""
    if not (isinstance(answer, tuple) and len(answer) == 2 and answer[0] in ("value", "error")):
        raise MediaCrashedError(_NO_ANSWER)
    kind, content = answer
    if kind == "value":
        return content
    if not (isinstance(content, tuple) and len(content) == 2):
        raise MediaCrashedError("the process that decodes failed and does not say how")
    name, text = content
    if not (isinstance(name, str) and isinstance(text, str)):
        raise MediaCrashedError(_NO_ANSWER)
    found = getattr(errors, name, None)
    if isinstance(found, type) and issubclass(found, IdverifyError):
        raise found(text)
    raise MediaCrashedError(f"the process that decodes failed: {text}")


# -- in the child ----------------------------------------------------------------------------------------------------


def serve(prepare: Callable[[Any], dict[str, Callable[..., Any]]], readable: Callable[[], Iterable[Path]]) -> None:
    """Answer the parent's questions until it is gone.

    Parameters
    ----------
    prepare
        Takes the settings; loads everything; gives the questions that can be asked, by name.
    readable
        What may still be read behind the walls.
    """
    memory_bytes, parent = map(int, sys.argv[1:3])
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    # Where no mask keeps the keyboard's interrupt away: the parent alone decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not be taken for an answer.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    settings = channel.receive(source)
    with _ended_after(_START_S):
        try:
            questions = prepare(settings)
            walls = close_walls(readable=readable(), memory_bytes=memory_bytes)
        except Exception as error:  # noqa: BLE001 - whatever it lacks, no file is to blame
            known = error if isinstance(error, IdverifyError) else ModelError(_not_ready(error))
            channel.send_values(sink, ("error", (type(known).__name__, str(known))))
            return
        channel.send_values(sink, ("value", walls.missing))
    while True:
        try:
            question, arguments, limit_s = channel.receive(source)
        except EOFError:
            return
        with _ended_after(limit_s):
            _say(sink, _answered(questions[question], arguments))


@contextlib.contextmanager
def _ended_after(limit_s: float) -> Iterator[None]:
    """End this process should it take much longer, where its parent is gone and native code lets no thread look."""
    # The one clock that needs no turn of the interpreter; what it writes goes where standard output goes: nowhere.
    faulthandler.dump_traceback_later(limit_s + _OVERDUE_S, exit=True, file=1)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _not_ready(error: Exception) -> str:
    return f"the process that decodes cannot get ready: {type(error).__name__} {error}".rstrip()


def _say(sink: BinaryIO, answer: tuple[str, Any]) -> None:
    try:
        channel.send_values(sink, answer)
    except TypeError as error:
        channel.send_values(sink, ("error", ("", str(error))))


def _answered(ask: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[str, Any]:
    try:
        return "value", ask(*arguments)
    except MemoryError:
        return "error", ("MediaCrashedError", "the file needs more memory than it is given")
    except IdverifyError as error:
        return "error", (type(error).__name__, str(error))
    except Exception as error:  # noqa: BLE001 - one file's fault must not end the child
        return "error", ("", f"{type(error).__name__}: {error}")


def _follow(parent: int) -> None:
    """End with the parent, in the middle of a question, too."""
    while os.getppid() == parent:
        time.sleep(_FOLLOW_S)
    os._exit(1)

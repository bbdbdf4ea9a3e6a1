"""A judge's process, seen from outside.

Goal: begin it, ask it, end it; imports next to nothing, so that it loads its models while the rest of the service is
still being imported.

Public items: :class:`Inmate`, :class:`InmateError`.
"""

from __future__ import annotations

import os
import subprocess
import threading
from typing import Any, BinaryIO, cast

from idverify.errors import IdverifyError
from idverify.isolation.interpreter import command
from idverify.service import wire

__all__ = ["Inmate", "InmateError"]

# Loading models from a slow disk.
START_S = 60.0
# What the judge's process is given of the environment: nothing that holds a secret.
_KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "PYTHONPATH",
    "IDVERIFY_MODELS",
    "XDG_DATA_HOME",
    "OMP_NUM_THREADS",
    "TMPDIR",
)


class InmateError(IdverifyError):
    """The judge's process is gone, or was ended because it took too long.

    Parameters
    ----------
    killed
        Whether it was killed from outside (by the system or an operator) and not by what it read.
    """

    def __init__(self, message: str, *, killed: bool = False) -> None:
        super().__init__(message)
        self.killed = killed


class Inmate:
    """One process; one question at a time."""

    def __init__(self, *, memory_bytes: int) -> None:
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._process = subprocess.Popen(
            command("idverify.service.inmate", str(memory_bytes)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self._lock = threading.Lock()
        self.missing_walls: tuple[str, ...] = ()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def wait_ready(self) -> None:
        """Wait until the models are loaded and the walls closed.

        Raises
        ------
        InmateError
        """
        head = self._exchange(None, (), START_S)
        if not head.get("ready"):
            self.end()
            raise InmateError(f"the judge could not start: {head.get('error', 'no reason given')}")
        self.missing_walls = tuple(head["missing_walls"])

    def ask(self, head: dict[str, Any], *parts: bytes, within_s: float) -> dict[str, Any]:
        """Put one question.

        Raises
        ------
        InmateError
        """
        return self._exchange(head, parts, within_s)

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _exchange(self, head: dict[str, Any] | None, parts: tuple[bytes, ...], within_s: float) -> dict[str, Any]:
        late = threading.Event()

        def expire() -> None:
            late.set()
            self._process.kill()

        clock = threading.Timer(within_s, expire)
        clock.daemon = True
        with self._lock:
            clock.start()
            try:
                if head is not None:
                    wire.send(cast("BinaryIO", self._process.stdin), head, *parts)
                answer, _ = wire.receive(cast("BinaryIO", self._process.stdout))
            except (EOFError, OSError, ValueError):
                self._process.kill()
                code = self._process.wait()
                if late.is_set():
                    raise InmateError(f"the judge took more than {within_s:g} s") from None
                raise InmateError(f"the judge ended with {code}", killed=code == -9) from None
            finally:
                clock.cancel()
        return answer

"""The journal of a run: one line a finished trial, only ever appended to.

A line is written in one piece, so a run that is killed leaves at most one unfinished line at the end, which the next
run cuts off. The first line says which trials, policy and models the rest belongs to; a journal of anything else is
refused. One run at a time writes it.

Public items: :class:`Journal`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from idverify.errors import ParameterError
from idverify.evaluation.holding import hold
from idverify.evaluation.results import TrialResult

__all__ = ["Journal"]

FORMAT = 1
# A power cut may lose this much; a killed process loses nothing that was written.
SYNC_EVERY_S = 1.0


class Journal:
    """Finished trials on disk; use it as a context manager.

    Parameters
    ----------
    path
        The file; it is made where it is not there yet.
    header
        What the run is about, as plain JSON values.

    Attributes
    ----------
    results : dict
        Number of the trial -> its result, from earlier runs and this one.

    Raises
    ------
    ParameterError
        The file belongs to another run, is damaged before its last line, or another process is writing it.
    """

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self.results: dict[int, TrialResult] = {}
        self._path = path
        self._header = {"format": FORMAT, **header}
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._synced = time.monotonic()
        try:
            hold(self._fd, path.parent)
            self._recover()
        except BaseException:
            os.close(self._fd)
            raise

    def _recover(self) -> None:
        # By this descriptor: to close another one would let go of the file.
        with open(self._fd, "rb", closefd=False) as file:
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        os.ftruncate(self._fd, len(whole))
        lines = whole.splitlines()
        if not lines:
            self._write(self._header)
            return
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                if number == 1:
                    self._require_same(row)
                else:
                    trial = int(row.pop("trial"))
                    self.results[trial] = TrialResult.from_json(row)
            except ParameterError:
                raise
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise ParameterError(f"{self._path} line {number} is damaged: {error!r}") from error

    def _require_same(self, found: Mapping[str, Any]) -> None:
        other = sorted(k for k in self._header.keys() | found.keys() if self._header.get(k) != found.get(k))
        if other:
            raise ParameterError(
                f"{self._path} belongs to a run with other {', '.join(other)}; resume with the same ones, "
                "or use another folder"
            )

    def add(self, trial: int, result: TrialResult) -> None:
        """Append one finished trial."""
        self._write({"trial": trial, **result.to_json()})
        self.results[trial] = result
        if time.monotonic() - self._synced > SYNC_EVERY_S:
            self._sync()

    def _write(self, row: Mapping[str, Any]) -> None:
        line = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        while line:
            line = line[os.write(self._fd, line) :]

    def _sync(self) -> None:
        os.fsync(self._fd)
        self._synced = time.monotonic()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sync()
        os.close(self._fd)

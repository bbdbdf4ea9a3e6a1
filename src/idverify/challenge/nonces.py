"""A nonce is good for one attempt, however that attempt ends.

Goal: one challenge, one video. A second video under the same challenge is refused, so nobody can try
a library of recordings against it. A nonce is kept until a day after its expiry, so that servers
whose clocks differ cannot forget one while another still takes it.

Public items: :class:`NonceStore` (the protocol), :class:`MemoryNonceStore` (one process, any number of
threads), :class:`SqliteNonceStore` (any number of processes on one machine).
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Protocol, runtime_checkable

from idverify.errors import ChallengeError

__all__ = ["MemoryNonceStore", "NonceStore", "SqliteNonceStore"]

# How long past expiry a nonce is remembered: far above any disagreement of server clocks.
_GRACE_S = 86_400.0
# How long a process waits for others to finish their claims before it gives up.
_BUSY_TIMEOUT_S = 30.0


@runtime_checkable
class NonceStore(Protocol):
    """Remembers which nonces were used."""

    def claim(self, nonce: str, *, expires_at_s: float, now_s: float) -> bool:
        """Take the nonce: True for the first caller ever, False for every later one."""
        ...


class MemoryNonceStore:
    """Nonces in this process's memory; safe under threads, forgotten at exit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._expiry: dict[str, float] = {}

    def claim(self, nonce: str, *, expires_at_s: float, now_s: float) -> bool:
        """Take the nonce: True for the first caller ever, False for every later one."""
        with self._lock:
            self._expiry = {n: e for n, e in self._expiry.items() if e + _GRACE_S >= now_s}
            if nonce in self._expiry:
                return False
            self._expiry[nonce] = expires_at_s
            return True

    def __repr__(self) -> str:
        return f"MemoryNonceStore({len(self._expiry)} nonces)"


class SqliteNonceStore:
    """Nonces in an SQLite file; safe under threads and processes.

    Parameters
    ----------
    path
        The database file; made where absent. Not on a network file system: SQLite's locks do not
        hold there.

    Raises
    ------
    ChallengeError
        The file cannot be opened, or is not such a database.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._run("CREATE TABLE IF NOT EXISTS nonces (nonce TEXT PRIMARY KEY, expires_at_s REAL NOT NULL)", ())

    def claim(self, nonce: str, *, expires_at_s: float, now_s: float) -> bool:
        """Take the nonce: True for the first caller ever, False for every later one.

        Raises
        ------
        ChallengeError
            The database cannot be written: an unknown past is never taken for an unused nonce.
        """
        self._run("DELETE FROM nonces WHERE expires_at_s < ?", (now_s - _GRACE_S,))
        # The primary key decides between processes; the row count says who was first.
        return self._run("INSERT OR IGNORE INTO nonces VALUES (?, ?)", (nonce, expires_at_s)) == 1

    def _run(self, statement: str, values: tuple[object, ...]) -> int:
        try:
            with closing(sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT_S)) as connection, connection:
                return connection.execute(statement, values).rowcount
        except sqlite3.Error as error:
            raise ChallengeError(f"the nonce store {self._path} cannot be used: {error}") from error

    def __repr__(self) -> str:
        return f"SqliteNonceStore({str(self._path)!r})"

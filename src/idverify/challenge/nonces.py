"""The record of issued challenges: each is good for one attempt of one subject, however that attempt ends.

Goal: one challenge, one video, and no choice of challenges. A second video under the same challenge is refused, so
nobody can try a library of recordings against it. Challenges are entered when they are issued: a new one voids the
subject's one before, and a subject is issued a limited number, so nobody can ask until one fits a recording that is
at hand. A challenge that was never entered does not count.

Conventions: subjects are opaque texts (:func:`idverify.challenge.issue` enters keyed hashes, so that the record names
nobody); times are seconds since 1970 (UTC). An entry is kept until a day after its expiry, so that servers whose clocks
differ cannot forget one while another still takes it.

Public items: :class:`NonceStore` (the protocol), :class:`MemoryNonceStore` (one process, any number of
threads), :class:`SqliteNonceStore` (any number of processes on one machine), :class:`UnsafeNoNonceStore`,
:class:`Claim`.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from idverify.errors import ChallengeError, ChallengeLimitError, ParameterError
from idverify.reasons import Reason
from idverify.text import foreign

__all__ = ["Claim", "MemoryNonceStore", "NonceStore", "SqliteNonceStore", "UnsafeNoNonceStore"]

# How long past expiry an entry is remembered (far above any disagreement of server clocks), and the time over which
# a subject's challenges are counted.
_DAY_S = 86_400.0
# Ten attempts a day let an honest person fail often; at one in 504 for three movements, a recording at hand then fits
# one of a day's challenges with at most 2 %.
DEFAULT_DAILY_LIMIT = 10
# How long a process waits for others to finish their claims before it gives up.
_BUSY_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What became of taking a nonce.

    Parameters
    ----------
    refusal
        Why the challenge does not count; None where it does.
    issued
        How many challenges the subject was issued within a day, this one included; 0 where that is not known.
    """

    refusal: Reason | None
    issued: int


@runtime_checkable
class NonceStore(Protocol):
    """Remembers which challenges were issued to whom, and which were used."""

    def issue(self, nonce: str, *, subject: str, expires_at_s: float, now_s: float) -> int:
        """Enter a challenge, void the subject's open one, and return how many the subject was issued within a day.

        Raises
        ------
        ChallengeLimitError
            The subject was issued as many as are allowed; nothing was entered.
        """
        ...

    def claim(self, nonce: str, *, now_s: float) -> Claim:
        """Take the nonce: it counts for the first caller ever, if it is the newest of its subject."""
        ...


class MemoryNonceStore:
    """The record in this process's memory; safe under threads, forgotten at exit.

    Parameters
    ----------
    daily_limit
        Challenges that one subject is issued within a day.
    """

    def __init__(self, *, daily_limit: int = DEFAULT_DAILY_LIMIT) -> None:
        self._daily_limit = _checked_limit(daily_limit)
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    def issue(self, nonce: str, *, subject: str, expires_at_s: float, now_s: float) -> int:
        """Enter a challenge; see :meth:`NonceStore.issue`.

        Raises
        ------
        ChallengeLimitError
            The subject was issued as many as are allowed.
        """
        with self._lock:
            self._entries = {n: e for n, e in self._entries.items() if e.forget_after_s >= now_s}
            own = [e for e in self._entries.values() if e.subject == subject]
            recent = sum(e.issued_at_s > now_s - _DAY_S for e in own)
            if recent >= self._daily_limit:
                raise _limit_reached(self._daily_limit)
            if nonce in self._entries:
                raise ChallengeError("a nonce cannot be issued twice")
            for entry in own:
                entry.void = True
            self._entries[nonce] = _Entry(subject, now_s, max(expires_at_s, now_s) + _DAY_S)
            return recent + 1

    def claim(self, nonce: str, *, now_s: float) -> Claim:
        """Take the nonce; see :meth:`NonceStore.claim`."""
        with self._lock:
            entry = self._entries.get(nonce)
            if entry is None:
                return Claim(refusal=Reason.CHALLENGE_UNKNOWN, issued=0)
            own = [e for e in self._entries.values() if e.subject == entry.subject]
            issued = sum(e.issued_at_s > now_s - _DAY_S for e in own)
            refusal = _refusal(used=entry.used, void=entry.void)
            entry.used = True
            return Claim(refusal=refusal, issued=issued)

    def __repr__(self) -> str:
        return f"MemoryNonceStore({len(self._entries)} nonces)"


@dataclass(slots=True)
class _Entry:
    subject: str
    issued_at_s: float
    forget_after_s: float
    used: bool = False
    void: bool = False


class SqliteNonceStore:
    """The record in an SQLite file; safe under threads and processes.

    Parameters
    ----------
    path
        The database file; made where absent. Not on a network file system: SQLite's locks do not
        hold there.
    daily_limit
        Challenges that one subject is issued within a day.

    Raises
    ------
    ChallengeError
        The file cannot be opened, or is not such a database.
    """

    def __init__(self, path: str | Path, *, daily_limit: int = DEFAULT_DAILY_LIMIT) -> None:
        self._path = Path(path)
        self._daily_limit = _checked_limit(daily_limit)
        with self._transaction() as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS challenges (nonce TEXT PRIMARY KEY, subject TEXT NOT NULL,"
                " issued_at_s REAL NOT NULL, forget_after_s REAL NOT NULL, used INTEGER NOT NULL,"
                " void INTEGER NOT NULL)"
            )
            database.execute("CREATE INDEX IF NOT EXISTS challenges_by_subject ON challenges (subject)")

    def issue(self, nonce: str, *, subject: str, expires_at_s: float, now_s: float) -> int:
        """Enter a challenge; see :meth:`NonceStore.issue`.

        Raises
        ------
        ChallengeLimitError
            The subject was issued as many as are allowed.
        ChallengeError
            The database cannot be written.
        """
        with self._transaction() as database:
            database.execute("DELETE FROM challenges WHERE forget_after_s < ?", (now_s,))
            recent = _recent(database, subject, now_s)
            if recent >= self._daily_limit:
                raise _limit_reached(self._daily_limit)
            database.execute("UPDATE challenges SET void = 1 WHERE subject = ?", (subject,))
            forget_after_s = max(expires_at_s, now_s) + _DAY_S
            database.execute(
                "INSERT INTO challenges VALUES (?, ?, ?, ?, 0, 0)", (nonce, subject, now_s, forget_after_s)
            )
            return recent + 1

    def claim(self, nonce: str, *, now_s: float) -> Claim:
        """Take the nonce; see :meth:`NonceStore.claim`.

        Raises
        ------
        ChallengeError
            The database cannot be written: an unknown past is never taken for an unused nonce.
        """
        with self._transaction() as database:
            row = database.execute("SELECT subject, used, void FROM challenges WHERE nonce = ?", (nonce,)).fetchone()
            if row is None:
                return Claim(refusal=Reason.CHALLENGE_UNKNOWN, issued=0)
            subject, used, void = row
            database.execute("UPDATE challenges SET used = 1 WHERE nonce = ?", (nonce,))
            return Claim(refusal=_refusal(used=used, void=void), issued=_recent(database, subject, now_s))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One writer at a time: what is read in it stays true until what is written in it is there."""
        try:
            with closing(sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)) as database:
                database.execute("BEGIN IMMEDIATE")
                yield database
                database.execute("COMMIT")
        except ChallengeError:
            raise
        except (sqlite3.Error, ValueError) as error:
            raise ChallengeError(f"the nonce store {foreign(self._path)} cannot be used: {error}") from error

    def __repr__(self) -> str:
        return f"SqliteNonceStore({str(self._path)!r})"


class UnsafeNoNonceStore:
    """No record at all: any challenge can be answered any number of times. For drills and tests."""

    def issue(self, nonce: str, *, subject: str, expires_at_s: float, now_s: float) -> int:
        """Enter nothing, count nothing."""
        return 0

    def claim(self, nonce: str, *, now_s: float) -> Claim:
        """Let everything through."""
        return Claim(refusal=None, issued=0)

    def __repr__(self) -> str:
        return "UnsafeNoNonceStore()"


def _recent(database: sqlite3.Connection, subject: str, now_s: float) -> int:
    count = "SELECT COUNT(*) FROM challenges WHERE subject = ? AND issued_at_s > ?"
    return int(database.execute(count, (subject, now_s - _DAY_S)).fetchone()[0])


def _refusal(*, used: bool, void: bool) -> Reason | None:
    return Reason.CHALLENGE_REUSED if used else Reason.CHALLENGE_SUPERSEDED if void else None


def _checked_limit(daily_limit: int) -> int:
    if not isinstance(daily_limit, int) or daily_limit < 1:
        raise ParameterError(f"daily_limit is a whole number from 1 on, got {daily_limit!r}")
    return daily_limit


def _limit_reached(daily_limit: int) -> ChallengeLimitError:
    return ChallengeLimitError(
        f"this subject was issued {daily_limit} challenges within a day, which is the limit; try again tomorrow"
    )

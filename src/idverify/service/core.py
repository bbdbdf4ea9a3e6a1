"""What every part of the service works with: database, vault, settings and the clock.

Public items: :class:`Core`, :class:`Vault`, :func:`open_core`, :func:`open_existing`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from idverify.errors import ParameterError
from idverify.service.blobs import Blobs, open_blobs
from idverify.service.database import Database
from idverify.service.keys import DataKey, MasterKey
from idverify.service.settings import Settings
from idverify.text import foreign

__all__ = ["Core", "Vault", "open_core", "open_existing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    """Encrypted pieces and the key of keys."""

    master: MasterKey
    blobs: Blobs

    def put(self, key: DataKey, name: str, plain: bytes) -> None:
        """Encrypt and keep."""
        self.blobs.put(name, key.seal(plain, name))

    def get(self, key: DataKey, name: str) -> bytes:
        """Read and decrypt."""
        return key.open(self.blobs.get(name), name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """One service, opened."""

    settings: Settings
    database: Database
    vault: Vault
    clock: Callable[[], float] = field(default=time.time)


def open_core(settings: Settings, *, clock: Callable[[], float] = time.time) -> Core:
    """Open database and vault, and bring the tables to this version.

    Raises
    ------
    ParameterError
        An address, a folder or the master key cannot be used.
    DatabaseUnavailableError
    """
    try:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ParameterError(f"the folder {settings.data} cannot be used: {error.strerror or error}") from None
    vault = Vault(master=MasterKey.find(settings.data), blobs=open_blobs(settings.blobs_address))
    database = Database(settings.database_url)
    database.migrate()
    return Core(settings=settings, database=database, vault=vault, clock=clock)


def open_existing(settings: Settings) -> Core:
    """Open a service that is there, as :func:`open_core` does; a slip in a folder's name must not make another one.

    Raises
    ------
    ParameterError
        There is none, or as for :func:`open_core`.
    DatabaseUnavailableError
    """
    if not settings.database and not (settings.data / "idverify.sqlite").is_file():
        raise ParameterError(f"{foreign(settings.data)} is no folder of a service")
    return open_core(settings)

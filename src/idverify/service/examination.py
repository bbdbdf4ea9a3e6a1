"""What a service would find here: walls for judges, the database, the store and the master key it was told of.

Conventions: looks at ``IDVERIFY_DATABASE``, ``IDVERIFY_BLOBS`` and ``IDVERIFY_MASTER_KEY`` where they are set; makes
and changes nothing but one piece in the store, which it deletes again. No secret is said, nor any address's password.

Public items: :class:`Found`, :func:`examine_service`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from idverify.errors import IdverifyError
from idverify.service.blobs import open_blobs
from idverify.service.database import Database
from idverify.service.keys import MASTER_KEY_VARIABLE, MasterKey

__all__ = ["BLOBS_VARIABLE", "DATABASE_VARIABLE", "Found", "examine_service"]

DATABASE_VARIABLE, BLOBS_VARIABLE = "IDVERIFY_DATABASE", "IDVERIFY_BLOBS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing looked at; ``mend`` is empty where all is well, ``broken`` where the service would not start."""

    name: str
    found: str
    mend: str = ""
    broken: bool = False


def examine_service() -> Iterator[Found]:
    """Look at everything that a service needs of its machine."""
    yield _tried("database", DATABASE_VARIABLE, "SQLite in the service's folder", _database)
    yield _tried(
        "blobs", BLOBS_VARIABLE, "encrypted files in the service's folder", lambda url: open_blobs(url).check()
    )
    yield _tried("master key", MASTER_KEY_VARIABLE, "a file in the service's folder, made at the first start", _key)


def _tried(name: str, variable: str, otherwise: str, look: Callable[[str], None]) -> Found:
    address = os.environ.get(variable)
    if not address:
        return Found(name=name, found=otherwise)
    try:
        look(address)
    except IdverifyError as error:
        return Found(name=name, found=str(error), mend=f"correct {variable}", broken=True)
    return Found(name=name, found=f"as {variable} says")


def _database(url: str) -> None:
    database = Database(url, pool_size=1)
    try:
        database.ping()
    finally:
        database.close()


def _key(_: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        MasterKey.find(Path(folder))

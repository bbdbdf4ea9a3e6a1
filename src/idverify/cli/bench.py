"""``idverify bench``: speed, memory, start-up and accuracy, held to gates.

Public items: :data:`bench_command`.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from idverify.errors import ParameterError
from idverify.text import foreign

if TYPE_CHECKING:
    from idverify.evaluation.gates import Breach, Figure

__all__ = ["bench_command"]

_FILE = click.Path(path_type=Path)
# A gate is broken: the same code as a rejection.
BROKEN = 1


@click.command(name="bench")
@click.option("--video", type=_FILE, help="Clip to check; by default a sample of the source folder.")
@click.option("--reference", type=_FILE, help="Photo to check it against; by default the sample's.")
@click.option("--trials", type=_FILE, help="Trials file; adds accuracy (see idverify evaluate).")
@click.option("--workers", type=click.IntRange(min=1), help="Processes for the trials; by default one a core.")
@click.option("--policy", default="ial2", show_default=True, metavar="NAME|FILE", help="Policy to check by.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="The fastest round counts.")
@click.option("--gate", type=_FILE, help="Gate file (TOML); a broken gate ends with exit code 1.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.pass_context
def bench_command(
    ctx: click.Context,
    video: Path | None,
    reference: Path | None,
    trials: Path | None,
    workers: int | None,
    policy: str,
    rounds: int,
    gate: Path | None,
    json_path: Path | None,
) -> None:
    """Measure the check on this machine and hold the figures to gates.

    Times are ratios to decoding the same clip alone and to a plain loop over its frames, measured side by side.

    Exit codes: 0 all gates hold, 1 a gate is broken, 2 wrong usage, 4 media, model, policy or gate file error.
    """
    from idverify.evaluation.bench import process_figures, speed_figures
    from idverify.evaluation.gates import breaches, read_gates

    gates = read_gates(gate) if gate else ()
    video, reference = _subject_of_measurement(video, reference)
    figures = speed_figures(video, reference, policy=policy, rounds=rounds)
    check_s = figures["check_s"].value
    figures |= process_figures(video, reference, check_s=check_s, policy=policy, rounds=rounds)
    if trials is not None:
        figures |= _accuracy(trials, policy, workers)
    broken = breaches(gates, figures)
    if json_path is not None:
        _write_json(json_path, figures, broken)
    for name, figure in figures.items():
        click.echo(f"{name:<34} {figure.text}")
    for breach in broken:
        click.echo(f"gate broken: {foreign(breach)}", err=True)
    if gates and not broken:
        click.echo(f"all {len(gates)} gates hold", err=True)
    ctx.exit(BROKEN if broken else 0)


def _subject_of_measurement(video: Path | None, reference: Path | None) -> tuple[Path, Path]:
    if (video is None) != (reference is None):
        raise click.UsageError("--video and --reference go together")
    if video is not None and reference is not None:
        return video, reference
    from idverify.models.manifest import data_dir

    samples = data_dir().parent / "samples"
    video, reference = samples / "photo_animated.mp4", samples / "reference.jpg"
    if not (video.is_file() and reference.is_file()):
        raise click.UsageError("there are no samples beside this installation: give --video and --reference")
    return video, reference


def _accuracy(trials: Path, policy: str, workers: int | None) -> dict[str, Figure]:
    from idverify.evaluation import evaluate
    from idverify.evaluation.bench import accuracy_figures
    from idverify.evaluation.executors import LocalExecutor

    with tempfile.TemporaryDirectory(prefix="idverify-bench-") as folder:
        report = evaluate(trials, Path(folder) / "run", policy=policy, engine=LocalExecutor(workers))
        return accuracy_figures(json.loads(report.read_text(encoding="utf-8")))


def _write_json(path: Path, figures: dict[str, Figure], broken: tuple[Breach, ...]) -> None:
    rows = {name: {"value": f.value, "low": f.low, "high": f.high, "text": f.text} for name, f in figures.items()}
    content = {"figures": rows, "broken_gates": [str(breach) for breach in broken]}
    try:
        path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ParameterError(f"{foreign(path)} cannot be written: {error.strerror}") from error

"""``idverify evaluate``: judge a file of trials and report error rates.

Public items: :data:`evaluate_command`.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import click

from idverify.cli.engines import engine_options
from idverify.cli.folders import FolderPath
from idverify.errors import MediaError
from idverify.text import foreign, without_controls

__all__ = ["evaluate_command"]


@click.command(name="evaluate")
@click.argument("trials", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=FolderPath(), help="Folder for the run.")
@click.option("--policy", default="ial2", show_default=True, metavar="NAME|FILE", help="Policy to judge by.")
@click.option(
    "--card",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Calibration card of your own, as idverify calibrate writes it.",
)
@engine_options
@click.option("--resume", is_flag=True, help="Go on with a run that was cut short.")
@click.option("--quiet", "-q", is_flag=True, help="No progress bar.")
@click.pass_context
def evaluate_command(
    ctx: click.Context,
    trials: Path,
    out: Path,
    policy: str,
    card: Path | None,
    workers: int | None,
    engine: str,
    address: str | None,
    resume: bool,
    quiet: bool,
) -> None:
    """Judge every trial of the CSV file TRIALS and report error rates.

    The folder receives scores.csv first, then report.json, report.md and report.html. A run that was killed goes on
    with --resume and loses at most the trials in flight; its report is the same as if it had not been killed.

    Exit codes: 0 reported, 2 wrong usage, 4 trials, model or policy error.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from idverify.cli import Invocation
    from idverify.evaluation import evaluate
    from idverify.evaluation.executors import executor

    ctx.ensure_object(Invocation).if_cut_short = "finished trials are kept, and --resume goes on from there"
    console = Console(stderr=True)
    name = TextColumn("{task.description}")
    columns = (name, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with (
        executor(engine, workers=workers, address=address) as opened,
        Progress(*columns, console=console, disable=quiet or not sys.stderr.isatty()) as bar,
    ):
        tasks = {what: bar.add_task(what.capitalize(), total=None) for what in ("photos", "trials")}
        report = evaluate(
            trials,
            out,
            policy=policy,
            card=card,
            engine=opened,
            resume=resume,
            progress=lambda what, done, total: bar.update(tasks[what], completed=done, total=total),
        )
    written = (report.with_suffix(".md"), report.with_suffix(".html"), report)
    click.echo("\n".join(without_controls(str(path)) for path in written))
    _require_decisions(out / "scores.csv")


def _require_decisions(scores: Path) -> None:
    """A report about nothing is no success, whatever was written."""
    from idverify.evaluation.results import FAILED

    with scores.open(newline="", encoding="utf-8") as rows:
        failures = [row["error"] for row in csv.DictReader(rows) if row["outcome"] == FAILED or not row["outcome"]]
        rows.seek(0)
        n_trials = sum(1 for _ in csv.DictReader(rows))
    if n_trials and len(failures) == n_trials:
        raise MediaError(f"none of {n_trials} trials could be judged; the first one: {foreign(failures[0])}")

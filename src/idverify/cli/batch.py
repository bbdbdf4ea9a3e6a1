"""``idverify batch``: decisions over a manifest of many recordings.

Public items: :data:`batch_command`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from idverify.cli.engines import engine_options
from idverify.text import foreign

__all__ = ["batch_command"]


def _shard(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, int]:
    """Read I/N."""
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", value)
    first, step = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= first <= step:
        raise click.BadParameter(f"expected I/N with 1 <= I <= N, got {foreign(value)!r}")
    return first, step


@click.command(name="batch")
@click.argument("manifest")
@click.option("--out", required=True, metavar="DIR|URL", help="Folder, or an address such as s3://bucket/run.")
@click.option("--policy", default="ial2", show_default=True, metavar="NAME|FILE", help="For rows that name none.")
@click.option("--card", type=click.Path(dir_okay=False, path_type=Path), help="Calibration card of your own.")
@engine_options
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many rows.")
@click.option("--shard", default="1/1", show_default=True, callback=_shard, metavar="I/N", help="Part I of N runs.")
@click.option("--quiet", "-q", is_flag=True, help="No progress bar.")
@click.pass_context
def batch_command(
    ctx: click.Context,
    manifest: str,
    out: str,
    policy: str,
    card: Path | None,
    workers: int | None,
    engine: str,
    address: str | None,
    limit: int | None,
    shard: tuple[int, int],
    quiet: bool,
) -> None:
    """Decide every row of MANIFEST, a CSV or Parquet file with the columns video and reference.

    Results are parts in Parquet, in the order of the manifest; failures are rows, too. A batch that was killed is
    started again by the same command and goes on where it was.

    Exit codes: 0 decided, 2 wrong usage, 4 manifest, model or policy error, or no row could be judged.
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

    from idverify.cli import ExitCode, Invocation
    from idverify.evaluation.batch import run_batch
    from idverify.evaluation.executors import executor
    from idverify.isolation.walls import available

    ctx.ensure_object(Invocation).if_cut_short = "written parts stay, and the same command goes on from there"
    if engine == "local" and (missing := available().missing):
        click.echo(f"Recordings are decoded here without: {', '.join(missing)}", err=True)
    rates = TextColumn("{task.fields[rate]:.2f} a second, {task.fields[failed]} failed")
    columns = (BarColumn(), MofNCompleteColumn(), rates, TimeElapsedColumn(), TimeRemainingColumn())
    with (
        executor(engine, workers=workers, address=address) as opened,
        Progress(*columns, console=Console(stderr=True), disable=quiet or not sys.stderr.isatty()) as bar,
    ):
        task = bar.add_task("", total=None, failed=0, rate=0.0)

        def tell(done: int, todo: int, failed: int) -> None:
            elapsed = bar.tasks[task].elapsed or 0.0
            rate = done / elapsed if elapsed else 0.0
            bar.update(task, completed=done, total=todo, failed=failed, rate=rate)

        done, failed = run_batch(
            manifest,
            out,
            policy=policy,
            card=card,
            engine=opened,
            limit=limit,
            shard=shard,
            progress=tell,
        )
    told = f"{done} rows decided, {failed} of them failed" if done else "no row was left to decide"
    click.echo(f"{told}: {foreign(out)}")
    if done and failed == done:
        raise click.exceptions.Exit(ExitCode.ERROR)

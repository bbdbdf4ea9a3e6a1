"""``idverify models list | pull | check``.

Goal: a person sees which models there are, under which licence, from where, and whether the files on this machine are
those; and gets the missing ones with one command. Errors leave as :class:`idverify.errors.ModelError`, which the
outermost group turns into one sentence and exit code 4.

Public items: :data:`models_group`.
"""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from idverify.errors import ModelIntegrityError, ModelMissingError
from idverify.models.manifest import ModelStatus, check, models_dir, specs
from idverify.models.pull import pull
from idverify.text import foreign

__all__ = ["models_group"]


@click.group(name="models")
def models_group() -> None:
    """List, pull and check the models that take part in a decision."""


@models_group.command(name="list")
def list_command() -> None:
    """Show every model with role, origin, licence and the state of its file."""
    table = Table(box=None, pad_edge=False)
    for title in ("Model", "File", "Licence", "SHA-256"):
        table.add_column(title, no_wrap=True)
    console = Console(highlight=False)
    statuses = check()
    for status in statuses:
        row = status.spec
        table.add_row(row.name, _state(status), row.licence, row.sha256[:12])
    console.print(table)
    console.print()
    for status in statuses:
        row = status.spec
        console.print(f"{row.name}: {row.role}; {row.origin}, {row.version}", soft_wrap=True)
    console.print(f"\nFolder: {models_dir()}", soft_wrap=True)


def _state(status: ModelStatus) -> str:
    return status.state if status.spec.default or status.state != "missing" else "not pulled by default"


@models_group.command(name="pull")
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Also those that the default pipeline does not need.")
@click.option(
    "--from",
    "source_dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Take the files from this folder, without network: ONNX files, original files, or packages.",
)
def pull_command(names: tuple[str, ...], everything: bool, source_dir: Path | None) -> None:
    """Bring the models that are missing, NAMES or the default ones, and check every hash."""
    known = [row.name for row in specs()]
    for name in names:
        if name not in known:
            raise click.BadParameter(f"no model named {name!r}; there are {', '.join(known)}", param_hint="NAMES")
    wanted = known if everything else list(names) or None
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("looking at what is there", total=None)
        brought = pull(
            wanted,
            source_dir=source_dir,
            progress=lambda what, done, total: bar.update(task, description=what, completed=done, total=total),
        )
    for row in brought:
        click.echo(f"{row.name}  {row.sha256}")
    click.echo(f"{len(brought)} brought, the others were there: {foreign(models_dir())}")


@models_group.command(name="check")
def check_command() -> None:
    """Hash the files again; exit code 4 if one that the default pipeline needs is missing or altered."""
    bad: list[str] = []
    altered = False
    statuses = check()
    width = max(len(_state(status)) for status in statuses)
    for status in statuses:
        click.echo(f"{status.spec.name:<16} {_state(status):<{width}} {foreign(status.path)}")
        if status.state == "altered" or (status.state != "ok" and status.spec.default):
            bad.append(status.spec.name)
            altered = altered or status.state == "altered"
    if bad:
        kind = ModelIntegrityError if altered else ModelMissingError
        raise kind(f"not as the manifest says: {', '.join(bad)}: run 'idverify models pull'")

"""``idverify audit``: check the service's audit chain, and hand out what it says.

Public items: :data:`audit_group`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from idverify.errors import ParameterError
from idverify.text import foreign

if TYPE_CHECKING:
    from idverify.service.chain import Checked
    from idverify.service.core import Core

__all__ = ["audit_group"]

# A chain that does not hold is a finding, not a failure of the check.
_BROKEN = 1


def _service(command: Callable[..., Any]) -> Callable[..., Any]:
    data = click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        metavar="DIR",
        help="Folder of the service.",
    )
    database = click.option(
        "--database",
        envvar="IDVERIFY_DATABASE",
        default="",
        metavar="URL",
        help="Where the service's database is elsewhere; better given as IDVERIFY_DATABASE.",
    )
    return data(database(command))


@click.group("audit")
def audit_group() -> None:
    """Check and export the record of what the service did, by whom and why."""


@audit_group.command("verify")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@_service
@click.option("--key", metavar="HEX", help="The service's public key, got by another way than FILE.")
@click.option("--checkpoint", metavar="SHA256", help="An entry noted earlier, which has to be there.")
@click.pass_context
def verify_command(
    ctx: click.Context, file: Path | None, data: Path | None, database: str, key: str | None, checkpoint: str | None
) -> None:
    """Check a chain: FILE offline, or the one in a service's folder.

    Exit codes: 0 it holds, 1 it is broken (the first broken entry is named), 4 it could not be read.
    """
    if (file is None) == (data is None):
        raise click.UsageError("give either FILE or --data DIR")
    _need_packages()
    if data is not None:
        if key is not None:
            raise click.UsageError("--key goes with FILE: a service's folder holds its own")
        from idverify.service import audit

        with _opened(data, database) as core:
            _tell(ctx, audit.verify_stored(core, must_hold=checkpoint))
        return
    from idverify.service import case_record, chain

    assert file is not None
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{foreign(file)} cannot be read: {foreign(error)}") from None
    record = case_record.read(text)
    found = chain.verify(
        record["entries"],
        key or record["public_key"],
        case_id=record["case"],
        must_end_signed=True,
        must_hold=checkpoint,
    )
    if key is None:
        said = foreign(record["public_key"])
        click.echo(f"checked with the key in the file, which proves nothing by itself; compare: {said}", err=True)
    if found.broken is None and not case_record.shows(text, record):
        click.echo(
            "the entries hold, but the page shows something else: altered, or made by another version of idverify"
        )
        ctx.exit(_BROKEN)
    _tell(ctx, found)


@audit_group.command("export")
@click.argument("case", required=False)
@_service
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write: .html for people and programs, .json for programs.",
)
def export_command(case: str | None, data: Path | None, database: str, output: Path) -> None:
    """Write the record of CASE, or of everything, up to now; that it was exported is noted in it."""
    _need_packages()
    if output.suffix not in (".html", ".json"):
        raise click.UsageError("the output's name ends in .html or .json")
    if case is None and output.suffix == ".html":
        raise click.UsageError("a page is about one CASE; the whole chain is written as .json")
    from idverify.service import audit, case_record

    with _opened(_required(data), database) as core:
        record = audit.export_all(core) if case is None else audit.export_case(core, case)
    text = case_record.as_page(record) if output.suffix == ".html" else case_record.as_json(record)
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise ParameterError(f"{foreign(str(output))} cannot be written: {error.strerror or error}") from None
    click.echo(f"{foreign(str(output))}: {len(record['entries'])} entries")


@audit_group.command("checkpoint")
@_service
def checkpoint_command(data: Path | None, database: str) -> None:
    """Sign the chain as it stands; keep what is printed elsewhere, for `verify --checkpoint` and `--key`."""
    _need_packages()
    from idverify.service import audit

    with _opened(_required(data), database) as core:
        entry, key = audit.checkpoint(core), audit.public_key(core)
    click.echo(f"entry       {entry.number}\ncheckpoint  {entry.sha256}\nkey         {key}")


def _tell(ctx: click.Context, found: Checked) -> None:
    if found.broken is not None:
        click.echo(f"broken at entry {found.broken.number}: {found.broken.why}")
        ctx.exit(_BROKEN)
    click.echo(f"{found.holds} entries hold; signed up to entry {found.signed_to}; newest {found.newest}")


def _required(data: Path | None) -> Path:
    if data is None:
        raise click.UsageError("--data DIR is needed")
    return data


@contextmanager
def _opened(data: Path, database: str) -> Iterator[Core]:
    from idverify.service.core import open_existing
    from idverify.service.settings import Settings

    core = open_existing(Settings(data=data.resolve(), database=database))
    try:
        yield core
    finally:
        core.database.close()


def _need_packages() -> None:
    try:
        import idverify.service.audit  # noqa: F401 - to see whether it can be
    except ImportError as error:
        if (error.name or "").startswith("idverify"):
            raise
        raise ParameterError(f"the service's packages are not installed ({error.name}); run: idverify doctor") from None

"""``idverify serve``: the capture service, and the keys of those who call it.

Public items: :data:`serve_group`.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from idverify.errors import ParameterError

if TYPE_CHECKING:
    from idverify.service.core import Core
    from idverify.service.settings import Settings

__all__ = ["serve_group"]


@click.group("serve", invoke_without_command=True)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("idverify-data"),
    show_default=True,
    metavar="DIR",
    help="Folder of the database, the encrypted files and the master key; made where absent.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--public-url", default="", metavar="URL", help="How people reach the service; https:// behind a proxy.")
@click.option("--judges", default=1, show_default=True, type=click.IntRange(1, 256), help="How many judge processes.")
@click.option(
    "--role",
    type=click.Choice(["all", "web", "judge"]),
    default="all",
    show_default=True,
    help="Everything in one, or one part of many machines.",
)
@click.option(
    "--database",
    envvar="IDVERIFY_DATABASE",
    default="",
    metavar="URL",
    help="postgresql+psycopg://... instead of a file in DIR; better given as IDVERIFY_DATABASE.",
)
@click.option(
    "--blobs",
    envvar="IDVERIFY_BLOBS",
    default="",
    metavar="URL",
    help="s3://bucket/prefix instead of files in DIR; or IDVERIFY_BLOBS.",
)
@click.option(
    "--case-policy",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    metavar="FILE",
    help="How often a person may try, by when each step of a case is due, how long what is kept; TOML.",
)
@click.pass_context
def serve_group(
    ctx: click.Context,
    data: Path,
    host: str,
    port: int,
    public_url: str,
    judges: int,
    role: str,
    database: str,
    blobs: str,
    case_policy: Path | None,
) -> None:
    """Run the capture service: people open a link, record themselves, and are decided about.

    Exit codes: 0 it was told to stop, 4 it could not start.
    """
    from idverify.service.case_policy import load_case_policy
    from idverify.service.inmate import Inmate
    from idverify.service.settings import Limits, Settings

    # Whatever is made from here on is for this user only, the database included.
    os.umask(0o077)
    # The judges load their models while the rest is imported.
    wanted = judges if role != "web" and ctx.invoked_subcommand is None else 0
    inmates = [Inmate(memory_bytes=Limits().judge_bytes) for _ in range(wanted)]
    for inmate in inmates:
        inmate.begin()
    try:
        from idverify.service.serve import serve
    except ImportError as error:
        if (error.name or "").startswith("idverify"):
            raise
        raise ParameterError(f"the service's packages are not installed ({error.name}); run: idverify doctor") from None
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    settings = Settings(data=data.resolve(), host=host, port=port, database=database, blobs=blobs)
    settings = replace(settings, cases=load_case_policy(case_policy))
    settings = replace(settings, public_url=public_url, judges=judges, role=role)  # type: ignore[arg-type]
    if ctx.invoked_subcommand is not None:
        ctx.obj = settings
        return
    serve(settings, say=click.echo, inmates=inmates)


@serve_group.command("new-key")
@click.argument("name")
@click.pass_obj
def new_key_command(settings: Settings, name: str) -> None:
    """Make an API key for the caller NAME; it is shown once."""
    from idverify.service.api_keys import make_key

    core = _open(settings)
    with closing(core.database):
        key = make_key(core, name)
    click.echo(f"id              {key.id}\nkey             {key.secret}\nwebhook secret  {key.webhook_secret}")


@serve_group.command("revoke-key")
@click.argument("key_id", metavar="ID")
@click.pass_obj
def revoke_key_command(settings: Settings, key_id: str) -> None:
    """Take the API key ID out of use."""
    from idverify.service.api_keys import revoke_key

    core = _open(settings)
    with closing(core.database):
        revoke_key(core, key_id)
    click.echo(f"{key_id} opens nothing any more")


def _open(settings: Settings) -> Core:
    from idverify.service.core import open_core

    return open_core(settings)

"""``idverify serve``: the capture service.

Public items: :data:`serve_command`.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from idverify.errors import ParameterError

__all__ = ["serve_command"]


@click.command("serve")
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
    default="",
    metavar="URL",
    help="postgresql+psycopg://... instead of a file in DIR.  [env var: IDVERIFY_DATABASE]",
)
@click.option("--blobs", default="", metavar="URL", help="s3://bucket/prefix instead of files in DIR.")
def serve_command(
    data: Path, host: str, port: int, public_url: str, judges: int, role: str, database: str, blobs: str
) -> None:
    """Run the capture service: people open a link, record themselves, and are decided about.

    Exit codes: 0 it was told to stop, 4 it could not start.
    """
    import os

    try:
        from idverify.service.serve import serve
        from idverify.service.settings import Settings
    except ImportError as error:
        if (error.name or "").startswith("idverify"):
            raise
        raise ParameterError(f"the service's packages are not installed ({error.name}); run: idverify doctor") from None
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    settings = Settings(
        data=data.resolve(),
        host=host,
        port=port,
        public_url=public_url,
        judges=judges,
        role=role,  # type: ignore[arg-type]
        database=database or os.environ.get("IDVERIFY_DATABASE", ""),
        blobs=blobs or os.environ.get("IDVERIFY_BLOBS", ""),
    )
    serve(settings, say=lambda line: click.echo(line))

"""``idverify inspect``: what is in a recording, without a verdict.

Public items: :data:`inspect_command`.
"""

from __future__ import annotations

import click

from idverify.cli import Invocation, notices

__all__ = ["inspect_command"]


@click.command("inspect")
@click.argument("video")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--quiet", "-q", is_flag=True, help="No progress bar.")
@click.pass_context
def inspect_command(ctx: click.Context, video: str, as_json: bool, quiet: bool) -> None:
    """Show the faces followed in VIDEO, their quality and the liveness signals over time; no verdict.

    Exit codes: 0 shown, 2 wrong usage, 4 media or model error.
    """
    ctx.ensure_object(Invocation).as_json = as_json

    from idverify.verification.verifier import Verifier

    with notices.progress(shown=not quiet) as advance:
        inspection = Verifier().inspect(video, progress=advance)
    if as_json:
        from idverify.report.json import dumps, inspection_json

        click.echo(dumps(inspection_json(inspection)))
    else:
        from idverify.cli.render import show_inspection

        show_inspection(inspection)

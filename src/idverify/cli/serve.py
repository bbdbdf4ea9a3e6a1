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

from idverify.cli.folders import FolderPath
from idverify.errors import ParameterError

if TYPE_CHECKING:
    from idverify.service.core import Core
    from idverify.service.desk.accounts import NewAccount
    from idverify.service.settings import OpenID, Settings

__all__ = ["serve_group"]


@click.group("serve", invoke_without_command=True)
@click.option(
    "--data",
    type=FolderPath(),
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
@click.option(
    "--oidc-issuer",
    envvar="IDVERIFY_OIDC_ISSUER",
    default="",
    metavar="URL",
    help="OpenID provider that people at the desk sign in with; its client is given as IDVERIFY_OIDC_CLIENT_ID and "
    "IDVERIFY_OIDC_CLIENT_SECRET.",
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
    oidc_issuer: str,
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
    settings = replace(settings, cases=load_case_policy(case_policy), oidc=_oidc(oidc_issuer))
    settings = replace(settings, public_url=public_url, judges=judges, role=role)  # type: ignore[arg-type]
    if ctx.invoked_subcommand is not None:
        ctx.obj = settings
        return
    serve(settings, say=click.echo, inmates=inmates)


def _oidc(issuer: str) -> OpenID | None:
    from idverify.service.settings import OpenID

    if not issuer:
        return None
    names = ("IDVERIFY_OIDC_CLIENT_ID", "IDVERIFY_OIDC_CLIENT_SECRET")
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise ParameterError(f"--oidc-issuer needs {missing[0]} in the environment")
    client_id, secret = (os.environ[name] for name in names)
    return OpenID(issuer=issuer.rstrip("/"), client_id=client_id, client_secret=secret)


@serve_group.command("new-key")
@click.argument("name")
@click.pass_obj
def new_key_command(settings: Settings, name: str) -> None:
    """Make an API key for the caller NAME; it is shown once."""
    from idverify.service.api_keys import make_key

    core = _open(settings, makes=True)
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


@serve_group.group("account")
def account_group() -> None:
    """Accounts of those who work at the desk."""


@account_group.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(["reviewer", "senior", "auditor", "admin"]), required=True)
@click.option(
    "--oidc-subject",
    default=None,
    metavar="SUB",
    help="The OpenID provider's own name for them (sub); without it they get a password and one-time codes.",
)
@click.pass_obj
def add_account_command(settings: Settings, name: str, role: str, oidc_subject: str | None) -> None:
    """Make an account NAME; what it signs in with is shown once."""
    from idverify.service.desk import accounts
    from idverify.service.desk.roles import Role

    core = _open(settings, makes=True)
    with closing(core.database):
        _show_account(accounts.add(core, name, Role(role), oidc_subject=oidc_subject))


@account_group.command("reset")
@click.argument("name")
@click.pass_obj
def reset_account_command(settings: Settings, name: str) -> None:
    """Give NAME another password and other one-time codes, and end a lock after too many failures."""
    from idverify.service.desk import accounts

    core = _open(settings)
    with closing(core.database):
        _show_account(accounts.reset(core, name))


@account_group.command("disable")
@click.argument("name")
@click.pass_obj
def disable_account_command(settings: Settings, name: str) -> None:
    """Take NAME out of use, at once and in every browser."""
    _set_disabled(settings, name, disabled=True)


@account_group.command("enable")
@click.argument("name")
@click.pass_obj
def enable_account_command(settings: Settings, name: str) -> None:
    """Let NAME sign in again."""
    _set_disabled(settings, name, disabled=False)


@account_group.command("list")
@click.pass_obj
def list_accounts_command(settings: Settings) -> None:
    """Show every account, its role, and how it signs in."""
    from idverify.service.desk import accounts

    core = _open(settings)
    with closing(core.database):
        rows = accounts.all_accounts(core)
    if not rows:
        click.echo("No accounts yet; to make one: idverify serve --data DIR account add NAME --role ROLE", err=True)
    for row in rows:
        how = "password" if row.password is not None else "OpenID Connect"
        out = "  (disabled)" if row.disabled_s is not None else ""
        click.echo(f"{row.name}  {row.role}  {how}{out}")


def _set_disabled(settings: Settings, name: str, *, disabled: bool) -> None:
    from idverify.service import audit
    from idverify.service.desk import accounts

    core = _open(settings)
    with closing(core.database):
        found = next((row.id for row in accounts.all_accounts(core) if row.name == name), None)
        if found is None:
            raise ParameterError(f"there is no account {name!r}")
        accounts.set_disabled(core, found, disabled, actor=audit.OPERATOR)
    click.echo(f"{name} {'cannot sign in any more' if disabled else 'can sign in again'}")


def _show_account(made: NewAccount) -> None:
    click.echo(f"name      {made.name}\nrole      {made.role.value}")
    if made.password is None or made.totp_uri is None:
        click.echo("signs in by OpenID Connect")
        return
    click.echo(f"password  {made.password}\ncodes     {made.totp_uri}")
    if sys.stdout.isatty():
        import segno

        segno.make(made.totp_uri).terminal(sys.stdout, compact=True)
        click.echo("Scan this with an authenticator. Neither is shown again.")


@serve_group.command("export-trials")
@click.option("-o", "--output", required=True, type=FolderPath(), help="Folder to write; new.")
@click.pass_obj
def export_trials_command(settings: Settings, output: Path) -> None:
    """Write attempts that people reviewed, with the machine's scores and what the people saw; no media.

    The folder receives trials.csv, scores.csv and run.json, which idverify calibrate and the reports of idverify
    evaluate read. Half of the people, drawn by their pseudonym, are for fitting (dev), half for judging (eval).

    Exit codes: 0 written, 4 there is nothing to write, or the folder cannot be used.
    """
    from idverify.cli.reviewed_trials import write_folder
    from idverify.service.desk.reviewed import reviewed

    core = _open(settings)
    with closing(core.database):
        found, untold = reviewed(core)
    written, others = write_folder(found, output)
    click.echo(f"{output}: {written} trials; left out: {untold} that people could not tell, {others} of other models")


def _open(settings: Settings, *, makes: bool = False) -> Core:
    """The service; one that is not there is only made by what can come before its first start."""
    from idverify.service.core import open_core, open_existing

    return open_core(settings) if makes else open_existing(settings)

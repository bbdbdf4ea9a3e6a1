"""``idverify challenge``: issue an active challenge.

Goal: a sealed challenge file for the app that records the answer, and the words to show with it. The file goes to
``-o`` (standard output by default); what a person reads goes to standard error.

Exit codes: 0 issued, 2 wrong usage (nothing that can be asked for), 4 no secret, or a file that cannot be written.

Public items: :data:`challenge_group`.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from idverify.challenge import (
    KEY_VARIABLE,
    KINDS,
    LANGUAGES,
    Action,
    Challenge,
    Kind,
    SqliteNonceStore,
    issue,
    phrase,
    to_json,
)
from idverify.cli.numbers import FiniteRange
from idverify.errors import ChallengeError, ParameterError
from idverify.text import foreign

__all__ = ["challenge_group"]

_EXIT_ERROR = 4


@click.group("challenge")
def challenge_group() -> None:
    """Issue an active challenge: something to do that no recording can have done before."""


@challenge_group.command("new")
@click.option("--kind", type=click.Choice(KINDS), default="motion", show_default=True, help="What to ask for.")
@click.option("--steps", type=int, default=None, metavar="N", help="Movements to ask for [default: 3, more if needed].")
@click.option("--ttl", type=FiniteRange(), default=120.0, show_default=True, metavar="SECONDS", help="Time to answer.")
@click.option(
    "--avoid",
    multiple=True,
    metavar="MOVEMENT",
    help="A movement the person cannot make; repeat for more. One of "
    f"{', '.join(action.value for action in Action)}, or a group: turn, look, mouth, blink, move.",
)
@click.option(
    "--subject",
    default=None,
    metavar="REFERENCE",
    help="Your own reference of the person or the attempt, sealed in as a keyed hash; name it again when you check.",
)
@click.option(
    "--nonces",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Record of issued challenges, made where absent: the newest of a subject counts, and only so many a day.",
)
@click.option("--seed", type=int, default=None, metavar="N", help="Predictable challenge: for tests only.")
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Words to print.")
@click.option(
    "--key",
    envvar=KEY_VARIABLE,
    default=None,
    metavar="SECRET",
    help=f"Secret to sign with; better in the environment ({KEY_VARIABLE}), where other users cannot see it.",
)
@click.option(
    "-o", "--output", default="-", metavar="FILE", help="Where the challenge goes [default: -, standard output]."
)
@click.pass_context
def new_command(
    ctx: click.Context,
    kind: Kind,
    steps: int | None,
    ttl: float,
    avoid: tuple[str, ...],
    subject: str | None,
    nonces: Path | None,
    seed: int | None,
    language: str,
    key: str | None,
    output: str,
) -> None:
    """Issue one challenge, good for one attempt."""
    try:
        store = None if nonces is None else SqliteNonceStore(nonces)
        challenge = issue(
            kind=kind, steps=steps, ttl_s=ttl, avoid=avoid, subject=subject, nonce_store=store, seed=seed, key=key
        )
        _write(output, to_json(challenge))
    except ParameterError as error:
        raise click.UsageError(str(error), ctx) from error
    except ChallengeError as error:
        click.echo(f"Error: {error}", err=True)
        ctx.exit(_EXIT_ERROR)
    click.echo(_summary(challenge, language, recorded=store is not None), err=True)


def _write(output: str, text: str) -> None:
    """Write the whole file or nothing."""
    if output == "-":
        click.echo(text, nl=False)
        return
    target = Path(output)
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ChallengeError(f"cannot write {foreign(target)}: {error.strerror}") from error


def _summary(challenge: Challenge, language: str, *, recorded: bool) -> str:
    """Say in words what was asked for and how likely luck answers it."""
    valid_s = challenge.expires_at_s - challenge.issued_at_s
    lines = [f"Challenge {challenge.nonce}, valid for {valid_s:g} s.", f"   0.0 s  {phrase('ready', language)}"]
    lines += [f"  {step.start_s:4.1f} s  {phrase(step.action, language)}" for step in challenge.steps]
    if challenge.light:
        colours = ", ".join(part.colour.value for part in challenge.light)
        lines.append(f"  {challenge.light[0].start_s:4.1f} s  {phrase('light', language)} ({colours})")
    lines.append(f"The recording has to last {challenge.duration_s:.1f} s.")
    lines.append(f"A video made before fits by luck at most once in {1 / challenge.guess_probability:,.0f} times.")
    if not recorded:
        lines.append("It is on no record (--nonces FILE), so only a check with --unsafe-no-nonces takes its answer.")
    elif not challenge.seeded:
        lines.append("It replaces the subject's challenge before it, if there was one.")
    if challenge.seeded:
        lines.append("UNSAFE: made from a seed, so it can be predicted. For tests only.")
    return "\n".join(lines)

"""``idverify check``, ``idverify liveness`` and ``idverify match``: a decision, its words and its exit code.

Goal: three questions to one :class:`~idverify.verification.verifier.Verifier` with the same options, output and exit
codes. Standard output is the decision and nothing else; progress and warnings go to standard error.

Public items: :data:`check_command`, :data:`liveness_command`, :data:`match_command`.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from idverify.cli import ExitCode, Invocation, notices
from idverify.errors import ParameterError
from idverify.text import foreign

if TYPE_CHECKING:
    from idverify.verification.decision import Decision

__all__ = ["check_command", "liveness_command", "match_command"]

_FILE = click.Path(path_type=Path)
# A video or a photo is kept as the text that was given: as a path, an address or a data URI would lose its slashes.
_MEDIA = click.STRING


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """What the three commands have in common."""

    policy: str
    as_json: bool
    report: Path | None
    quiet: bool
    seed: int | None
    card: Path | None = None


def _decision_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every command that decides."""
    options = (
        click.option(
            "--policy",
            default="ial2",
            show_default=True,
            metavar="NAME|FILE",
            help="Which errors are tolerable: ial2, recovery, strict, convenience, or a policy's TOML file.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else."),
        click.option(
            "--report",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE.html",
            help="Write a page with pictures and plots; replaces an older one.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(min=0),
            metavar="N",
            help="Draw the compared frames as the decision with this seed did; never one known beforehand.",
        ),
        click.option("--quiet", "-q", is_flag=True, help="Print the outcome's one word; no progress bar."),
    )
    for option in reversed(options):
        command = option(command)
    return command


_card_option = click.option(
    "--card",
    type=_FILE,
    metavar="FILE",
    help="Calibration card of your own, as idverify calibrate writes it.",
)


def _moment(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """Read ``now``, seconds since 1970, or ISO 8601 with a zone, as seconds since 1970."""
    if text is None or text == "now":
        return None if text is None else time.time()
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            moment = datetime.min
        # A time of day without a zone is another moment on every machine.
        seconds = math.nan if moment.tzinfo is None else moment.timestamp()
    if not 0 <= seconds < math.inf:
        raise click.BadParameter(
            "expected now, seconds since 1970, or a time with its zone such as 2026-01-31T12:00:00Z, "
            f"got {foreign(text)!r}"
        )
    return seconds


@click.command("check")
@click.argument("video", type=_MEDIA)
@click.argument("reference", type=_MEDIA)
@_decision_options
@_card_option
@click.option(
    "--challenge",
    type=_FILE,
    metavar="FILE",
    help="The challenge that VIDEO answers (see idverify challenge); the secret is read from IDVERIFY_CHALLENGE_KEY.",
)
@click.option(
    "--nonces",
    type=_FILE,
    metavar="FILE",
    help="Record of issued and used challenges, as idverify challenge new writes it. A policy that requires "
    "a challenge requires it.",
)
@click.option("--subject", metavar="REFERENCE", help="Whose attempt this is, as the challenge was issued for.")
@click.option(
    "--received-at",
    callback=_moment,
    metavar="TIME",
    help="When VIDEO arrived: now, ISO 8601 with its zone, or seconds since 1970. An answer that came before it can "
    "have been made is refused. Without it this is checked against the present time, and the outcome says so.",
)
@click.option(
    "--unsafe-no-nonces",
    is_flag=True,
    help="Ask no record of challenges: an answer can be handed in again, and challenges can be chosen among.",
)
@click.option("--mirrored", is_flag=True, help="The app that recorded VIDEO mirrors it; for --challenge.")
@click.pass_context
def check_command(
    ctx: click.Context,
    /,
    video: str,
    reference: str,
    challenge: Path | None,
    nonces: Path | None,
    subject: str | None,
    received_at: float | None,
    unsafe_no_nonces: bool,
    mirrored: bool,
    **options: Any,
) -> None:
    """Verify that the live person in VIDEO is the person in the photo REFERENCE.

    Exit codes: 0 accept, 1 reject, 3 inconclusive, 2 wrong usage, 4 media, model or policy error.
    """
    about = {"nonces": nonces, "subject": subject, "received-at": received_at, "unsafe-no-nonces": unsafe_no_nonces}
    if challenge is None and (named := [f"--{n}" for n, v in (about | {"mirrored": mirrored}).items() if v]):
        raise click.UsageError(f"{', '.join(named)} is about a challenge: give one with --challenge")
    if nonces is not None and unsafe_no_nonces:
        raise click.UsageError("--nonces and --unsafe-no-nonces contradict each other")
    asked: dict[str, Any] = {}
    if challenge is not None:
        from idverify.challenge import SqliteNonceStore, UnsafeNoNonceStore

        asked = {
            "challenge": challenge,
            "nonce_store": SqliteNonceStore(nonces) if nonces else UnsafeNoNonceStore() if unsafe_no_nonces else None,
            "subject": subject,
            "received_at_s": received_at,
            "mirrored": mirrored,
        }
    _run(ctx, options, (video, reference), lambda verifier, **k: verifier.check(video, reference, **asked, **k))


@click.command("liveness")
@click.argument("video", type=_MEDIA)
@_decision_options
@click.pass_context
def liveness_command(ctx: click.Context, /, video: str, **options: Any) -> None:
    """Decide whether VIDEO shows a live person; does not say who it is.

    Exit codes: 0 accept, 1 reject, 3 inconclusive, 2 wrong usage, 4 media, model or policy error.
    """
    _run(ctx, options, (video,), lambda verifier, **k: verifier.assess_liveness(video, **k))


@click.command("match")
@click.argument("probe", type=_MEDIA, metavar="VIDEO|PHOTO")
@click.argument("reference", type=_MEDIA)
@_decision_options
@_card_option
@click.pass_context
def match_command(ctx: click.Context, /, probe: str, reference: str, **options: Any) -> None:
    """Compare the person in VIDEO or PHOTO with the photo REFERENCE; NO liveness is checked.

    A photo of a person matches as well as the person does: never let anybody in on this alone.

    Exit codes: 0 accept, 1 reject, 3 inconclusive, 2 wrong usage, 4 media, model or policy error.
    """
    _run(ctx, options, (probe, reference), lambda verifier, **k: verifier.compare(probe, reference, **k))


def _run(
    ctx: click.Context,
    raw_options: dict[str, Any],
    inputs: tuple[str, ...],
    decide: Callable[..., Decision],
) -> None:
    """Decide, write what was asked for, and leave with the outcome's exit code."""
    options = _Options(**raw_options)
    ctx.ensure_object(Invocation).as_json = options.as_json
    _require_report_writable(options.report, inputs)

    if "idverify.verification.verifier" not in sys.modules:
        from idverify.models.loading import load_ahead

        # To import the rest takes as long as to load the models.
        load_ahead()
    from idverify.verification.verifier import Verifier

    verifier = Verifier(policy=options.policy, card=options.card)
    with notices.progress(shown=not options.quiet) as advance:
        decision = decide(verifier, seed=options.seed, progress=advance, face_images=options.report is not None)
    _show(decision, options)
    ctx.exit(_exit_code(decision))


def _show(decision: Decision, options: _Options) -> None:
    # The report comes first: where it cannot be written, no outcome is printed beside the error.
    if options.report is not None:
        _write_report(decision, options.report)
    notices.warn(decision)
    if options.as_json:
        from idverify.report.json import dumps, to_json

        click.echo(dumps(to_json(decision)))
    elif options.quiet:
        click.echo(decision.outcome.value)
    else:
        from idverify.cli.render import show_decision

        show_decision(decision)
    if options.report is not None and not options.quiet:
        click.echo(f"Report written to {foreign(options.report)}", err=True)


def _exit_code(decision: Decision) -> ExitCode:
    from idverify.verification.decision import Outcome

    codes = {Outcome.ACCEPT: ExitCode.ACCEPT, Outcome.REJECT: ExitCode.REJECT}
    return codes.get(decision.outcome, ExitCode.INCONCLUSIVE)


def _write_report(decision: Decision, path: Path) -> None:
    from idverify.report.html import write_html

    try:
        write_html(decision, path)
    except OSError as error:
        raise ParameterError(f"the report {foreign(path)} cannot be written: {error.strerror or error}") from error


def _require_report_writable(report: Path | None, inputs: tuple[str, ...]) -> None:
    """Refuse before the work starts what would fail, or destroy an input, after it."""
    if report is None:
        return
    if report.suffix.lower() not in {".html", ".htm"}:
        raise click.BadParameter(f"expected a name that ends in .html, got {foreign(report)}", param_hint="--report")
    if not report.parent.is_dir():
        raise click.BadParameter(f"there is no folder {foreign(report.parent)}", param_hint="--report")
    # A null character is in no name of a file, and what asks for one is refused later, in its own words.
    if any("\0" not in path and os.path.realpath(report) == os.path.realpath(path) for path in inputs):
        raise click.BadParameter("the report would overwrite an input", param_hint="--report")

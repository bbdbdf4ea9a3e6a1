"""``idverify check``, ``idverify liveness`` and ``idverify match``: a decision, its words and its exit code.

Goal: three questions to one :class:`~idverify.verification.verifier.Verifier` with the same options, output and exit
codes. Standard output is the decision and nothing else; progress and warnings go to standard error.

Public items: :data:`check_command`, :data:`liveness_command`, :data:`match_command`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from idverify.cli import ExitCode, Invocation
from idverify.errors import ParameterError

if TYPE_CHECKING:
    from idverify.verification.decision import Decision

__all__ = ["check_command", "liveness_command", "match_command"]

_FILE = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """What the three commands have in common."""

    policy: str
    as_json: bool
    report: Path | None
    quiet: bool
    card: Path | None = None


def _decision_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every command that decides."""
    options = (
        click.option(
            "--policy",
            default="ial2",
            show_default=True,
            metavar="NAME|FILE",
            help="Which errors are tolerable: ial2, strict, convenience, or a policy's TOML file.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else."),
        click.option(
            "--report",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE.html",
            help="Write a page with pictures and plots; replaces an older one.",
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


@click.command("check")
@click.argument("video", type=_FILE)
@click.argument("reference", type=_FILE)
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
    help="Database of used challenges, made where absent. Without it a challenge can be answered twice.",
)
@click.option("--mirrored", is_flag=True, help="The app that recorded VIDEO mirrors it; for --challenge.")
@click.pass_context
def check_command(
    ctx: click.Context,
    /,
    video: Path,
    reference: Path,
    challenge: Path | None,
    nonces: Path | None,
    mirrored: bool,
    **options: Any,
) -> None:
    """Verify that the live person in VIDEO is the person in the photo REFERENCE.

    Exit codes: 0 accept, 1 reject, 3 inconclusive, 2 wrong usage, 4 media, model or policy error.
    """
    if challenge is None and (nonces is not None or mirrored):
        raise click.UsageError("--nonces and --mirrored are about a challenge: give one with --challenge")
    _run(
        ctx,
        options,
        (video, reference),
        lambda verifier, **k: verifier.check(video, reference, **_asked(challenge, nonces, mirrored), **k),
    )


def _asked(challenge: Path | None, nonces: Path | None, mirrored: bool) -> dict[str, Any]:
    """What the verifier is told of the challenge."""
    if challenge is None:
        return {}
    from idverify.challenge import SqliteNonceStore

    store = None if nonces is None else SqliteNonceStore(nonces)
    return {"challenge": challenge, "nonce_store": store, "mirrored": mirrored}


@click.command("liveness")
@click.argument("video", type=_FILE)
@_decision_options
@click.pass_context
def liveness_command(ctx: click.Context, /, video: Path, **options: Any) -> None:
    """Decide whether VIDEO shows a live person; does not say who it is.

    Exit codes: 0 accept, 1 reject, 3 inconclusive, 2 wrong usage, 4 media, model or policy error.
    """
    _run(ctx, options, (video,), lambda verifier, **k: verifier.assess_liveness(video, **k))


@click.command("match")
@click.argument("probe", type=_FILE, metavar="VIDEO|PHOTO")
@click.argument("reference", type=_FILE)
@_decision_options
@_card_option
@click.pass_context
def match_command(ctx: click.Context, /, probe: Path, reference: Path, **options: Any) -> None:
    """Compare the person in VIDEO or PHOTO with the photo REFERENCE; NO liveness is checked.

    A photo of a person matches as well as the person does: never let anybody in on this alone.

    Exit codes: 0 accept, 1 reject, 3 inconclusive, 2 wrong usage, 4 media, model or policy error.
    """
    _run(ctx, options, (probe, reference), lambda verifier, **k: verifier.compare(probe, reference, **k))


def _run(
    ctx: click.Context,
    raw_options: dict[str, Any],
    inputs: tuple[Path, ...],
    decide: Callable[..., Decision],
) -> None:
    """Decide, write what was asked for, and leave with the outcome's exit code."""
    options = _Options(**raw_options)
    ctx.ensure_object(Invocation).as_json = options.as_json
    _require_report_writable(options.report, inputs)

    from idverify.cli import render
    from idverify.verification.verifier import Verifier

    verifier = Verifier(policy=options.policy, card=options.card)
    with render.progress(shown=not options.quiet) as advance:
        decision = decide(verifier, progress=advance, face_images=options.report is not None)
    _show(decision, options)
    ctx.exit(_exit_code(decision))


def _show(decision: Decision, options: _Options) -> None:
    from idverify.cli import render

    # The report comes first: where it cannot be written, no outcome is printed beside the error.
    if options.report is not None:
        _write_report(decision, options.report)
    render.warn(decision)
    if options.as_json:
        from idverify.report.json import dumps, to_json

        click.echo(dumps(to_json(decision)))
    elif options.quiet:
        click.echo(decision.outcome.value)
    else:
        render.show_decision(decision)
    if options.report is not None and not options.quiet:
        click.echo(f"Report written to {options.report}", err=True)


def _exit_code(decision: Decision) -> ExitCode:
    from idverify.verification.decision import Outcome

    codes = {Outcome.ACCEPT: ExitCode.ACCEPT, Outcome.REJECT: ExitCode.REJECT}
    return codes.get(decision.outcome, ExitCode.INCONCLUSIVE)


def _write_report(decision: Decision, path: Path) -> None:
    from idverify.report.html import write_html

    try:
        write_html(decision, path)
    except OSError as error:
        raise ParameterError(f"the report {path} cannot be written: {error.strerror or error}") from error


def _require_report_writable(report: Path | None, inputs: tuple[Path, ...]) -> None:
    """Refuse before the work starts what would fail, or destroy an input, after it."""
    if report is None:
        return
    if report.suffix.lower() not in {".html", ".htm"}:
        raise click.BadParameter(f"expected a name that ends in .html, got {report}", param_hint="--report")
    if not report.parent.is_dir():
        raise click.BadParameter(f"there is no folder {report.parent}", param_hint="--report")
    if any(report.resolve() == path.resolve() for path in inputs):
        raise click.BadParameter("the report would overwrite an input", param_hint="--report")

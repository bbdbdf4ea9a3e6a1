"""Command line: words and files in; one sentence, one JSON object or one page out, and an exit code.

In: arguments and streams. Out: exit codes (:class:`ExitCode`) that never say yes on doubt; with ``--json`` standard
output holds exactly one JSON object, an error included, and nothing where the usage is wrong. A command's module is
loaded only when it runs, so that ``idverify --help`` costs little.
Read this file first, then ``check``; there is one file per command.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import io
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, NoReturn, cast

import click

from idverify._version import __version__
from idverify.errors import IdverifyError, ParameterError
from idverify.text import foreign, without_controls

__all__ = ["ExitCode", "Invocation", "cli", "main"]


class ExitCode(IntEnum):
    """What the process tells its caller."""

    ACCEPT = 0
    REJECT = 1
    USAGE = 2
    INCONCLUSIVE = 3
    ERROR = 4
    # 128 + signal number, as shells report it: SIGINT is 2, SIGPIPE is 13.
    INTERRUPTED = 130
    BROKEN_PIPE = 141


@dataclass(slots=True)
class Invocation:
    """What the outermost layer must know of the command that runs."""

    as_json: bool = False
    # What there is of the work when it ends before its end.
    if_cut_short: str = "nothing was decided"


class _Row(NamedTuple):
    """One command: where it lives, and its line in ``--help``, so that helping loads none of them."""

    name: str
    target: str
    help: str

    def exists(self) -> bool:
        """Whether the package holds the command's module."""
        return importlib.util.find_spec(self.target.partition(":")[0]) is not None


_ROWS = (
    _Row("check", "idverify.cli.check:check_command", "Verify a person: selfie video and reference photo."),
    _Row("liveness", "idverify.cli.check:liveness_command", "Is a live person before the camera? No reference."),
    _Row("match", "idverify.cli.check:match_command", "Compare only: NO liveness is checked."),
    _Row("inspect", "idverify.cli.inspect:inspect_command", "Show tracks, quality and signals; no verdict."),
    _Row("challenge", "idverify.cli.challenge:challenge_group", "Issue an active challenge."),
    _Row("models", "idverify.cli.models:models_group", "List, pull and check the models."),
    _Row("serve", "idverify.cli.serve:serve_group", "Run the capture service."),
    _Row("audit", "idverify.cli.audit:audit_group", "Check and export the service's record of what it did."),
    _Row("doctor", "idverify.cli.doctor:doctor_command", "Say what is installed and what is missing."),
    _Row("simulate", "idverify.cli.simulate:simulate_command", "Make a simulated attack to drill a deployment."),
    _Row("evaluate", "idverify.cli.evaluate:evaluate_command", "Measure error rates over a file of trials."),
    _Row("batch", "idverify.cli.batch:batch_command", "Decide a manifest of many recordings."),
    _Row("trials", "idverify.cli.trials:trials_command", "Make a trials file from a published data set."),
    _Row("calibrate", "idverify.cli.calibrate:calibrate_command", "Fit thresholds to your own scores."),
    _Row("bench", "idverify.cli.bench:bench_command", "Measure speed and memory; hold them to gates."),
)


# What a disk answers that is full, and a machine whose files, memory or processes are used up.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_USED_UP = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})


class LazyGroup(click.Group):
    """A group that imports a command's module only to run it, and turns every error into one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of use."""
        return [row.name for row in _ROWS if row.exists()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one command asked for."""
        row = next((row for row in _ROWS if row.name == cmd_name and row.exists()), None)
        if row is None:
            return None
        module, _, attribute = row.target.partition(":")
        return cast("click.Command", getattr(importlib.import_module(module), attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(row.name, row.help) for row in _ROWS if row.exists()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; nothing but click's own control flow leaves here as an exception."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            # The reader went away. Standard output must not be flushed into the closed pipe at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(ExitCode.BROKEN_PIPE)
        except IdverifyError as error:
            _fail(ctx, error, _one_line(str(error)))
        except Exception as error:  # noqa: BLE001 - the last line of defence: a fault of ours is neither a traceback nor a verdict
            if os.environ.get("IDVERIFY_DEBUG"):
                traceback.print_exc()
            left = ctx.ensure_object(Invocation).if_cut_short
            if isinstance(error, OSError) and (error.filename is not None or error.errno in _FULL | _USED_UP):
                # What is full, closed or none, met where no module has a better word for it.
                _fail(ctx, ParameterError(), _one_line(f"{_unusable(error)}; {left}"))
            _fail(ctx, error, _internal(error, left))


def _print_version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"idverify {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 accept, 1 reject, 3 inconclusive, 2 wrong usage, 4 media, model or policy error.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
def cli() -> None:
    """Verify offline that the live person in a selfie video is the person in a reference photo."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; the process's own by default.

    Returns
    -------
    int
        An :class:`ExitCode`.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Closed by whoever started this. The lowest free number is its own: no other file gets what is said.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - until the end
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A name of a file that the terminal cannot show must not end a verification.
            stream.reconfigure(errors="backslashreplace")
    if not sys.warnoptions:
        # Standard error is for errors of this program, one sentence each; asked for with -W, warnings are shown.
        warnings.simplefilter("ignore")
    arguments = None if argv is None else list(argv)
    invocation = Invocation()
    try:
        code = cli.main(args=arguments, prog_name="idverify", standalone_mode=False, obj=invocation)
    except click.Abort:
        click.echo(f"Interrupted: {invocation.if_cut_short}.", err=True)
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        said = io.StringIO()
        error.show(said)
        click.echo(without_controls(said.getvalue(), keep="\n"), err=True, nl=False)
        return ExitCode.USAGE
    return code if isinstance(code, int) else ExitCode.ACCEPT


def _fail(ctx: click.Context, error: Exception, message: str) -> NoReturn:
    """One sentence on standard error, one object on standard output where JSON was asked for."""
    click.echo(f"Error: {message}", err=True)
    if ctx.ensure_object(Invocation).as_json:
        from idverify.report.json import dumps, error_json

        click.echo(dumps(error_json(error, message)))
    ctx.exit(ExitCode.ERROR)


def _unusable(error: OSError) -> str:
    what = "the disk" if error.errno in _FULL else "this machine"
    place = what if error.filename is None else foreign(error.filename)
    return f"{place} cannot be used: {foreign(error.strerror or type(error).__name__)}"


def _internal(error: Exception, left: str) -> str:
    if isinstance(error, ImportError):
        return f"a needed package does not load ({_one_line(str(error))}); run: idverify doctor"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    text = _one_line(f"{type(error).__name__}: {error}")
    return f"internal error ({text}{where}); {left}. Please report it."


def _one_line(text: str) -> str:
    return without_controls(" ".join(text.split())) or "unknown error"

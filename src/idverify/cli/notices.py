"""What standard error gets: a bar while the work runs, and warnings after it.

What draws on a terminal is loaded only where something is drawn, since a service that runs one check after the other
pays for it in each.

Public items: :func:`progress`, :func:`warn`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from idverify.verification.decision import Decision

__all__ = ["progress", "warn"]


@contextmanager
def progress(*, shown: bool) -> Iterator[Callable[[float], None]]:
    """Show a bar on standard error while the work runs, where that is a terminal.

    Yields
    ------
    callable
        Takes the fraction done, 0..1.
    """
    if not shown or not sys.stderr.isatty():
        yield lambda fraction: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from idverify.cli.render import console

    columns = (TextColumn("Looking at the recording"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda fraction: bar.update(task, completed=fraction)


def warn(decision: Decision) -> None:
    """Say loudly, on standard error, what the outcome does not protect against."""
    from idverify.report.words import warnings

    if loud := warnings(decision):
        from idverify.cli.render import console, words

        err = console(stderr=True)
        for warning in loud:
            err.print(words(f"WARNING: {warning}", style="bold red"))

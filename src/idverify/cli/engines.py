"""Options of the commands that run on an engine.

Public items: :func:`engine_options`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["engine_options"]

F = TypeVar("F", bound=Callable[..., Any])


def engine_options(command: F) -> F:
    """Add ``--engine``, ``--address`` and ``--workers``."""
    options = (
        click.option(
            "--engine",
            type=click.Choice(["local", "ray", "dask"]),
            default="local",
            show_default=True,
            help="What runs the work: this machine's processes, Ray or Dask.",
        ),
        click.option("--address", metavar="A", help="Of a Ray or Dask cluster; by default one starts here."),
        click.option("--workers", type=click.IntRange(min=1), help="Processes; by default one a core."),
    )
    for option in reversed(options):
        command = option(command)
    return command

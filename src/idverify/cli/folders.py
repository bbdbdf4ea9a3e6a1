"""Folders on the command line that a command writes into.

Goal: a variable of a shell that was never set is an empty word, and the empty path is the working folder. It ends
here, as wrong usage.

Public items: :class:`FolderPath`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ["FolderPath"]


class FolderPath(click.Path):
    """A folder, there or not, that has a name."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a path, or fail as wrong usage."""
        if value == "":
            self.fail("expected a folder, got an empty name.", param, ctx)
        return super().convert(value, param, ctx)

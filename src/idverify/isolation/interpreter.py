"""The command that runs a module of this package in a Python of its own.

Goal: a child imports what its parent would, and nothing from the folder that happens to be the working one: with
``python -m`` a file ``json.py`` among somebody's recordings would be run.

Public items: :func:`command`.
"""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["command"]

# Before anything is imported, the working folder ('' on the path) is taken off it; this package is found at its end.
_BEGIN = (
    "import sys; sys.path[:] = [p for p in sys.path if p] + [sys.argv.pop(1)]; "
    "import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def command(module: str, *arguments: str) -> list[str]:
    """Words of the command.

    Parameters
    ----------
    module
        Run as ``__main__``.
    arguments
        What it finds in ``sys.argv`` behind its name.
    """
    return [sys.executable, "-c", _BEGIN, str(Path(__file__).resolve().parents[2]), module, *arguments]

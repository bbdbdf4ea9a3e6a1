"""Who judges the trials: looks at a video once, then answers for any number of references.

Public items: :class:`Analyst`, :class:`Judge`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from idverify.decision import Decision

__all__ = ["Analyst", "Judge"]

# From one reference (None: liveness alone) to a decision about a video that was looked at before.
Judge = Callable[[Path | None], Decision]


class Analyst(Protocol):
    """Judges trials. One lives in each worker process."""

    @property
    def stamp(self) -> Mapping[str, Any]:
        """What makes the scores what they are: version, policy, models. Plain JSON values."""

    def look(self, video: Path) -> Judge:
        """Analyse a video (or a photo) once.

        Raises
        ------
        MediaError
            The file cannot be used; every trial with it fails. The judge may raise it too, for a reference.
        """

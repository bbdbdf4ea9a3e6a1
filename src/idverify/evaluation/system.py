"""Who judges the trials: looks at a video once, enrols a photo once, then answers for any pair of them.

Public items: :class:`SystemUnderTest`, :class:`Judge`, :class:`Reference`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from idverify.verification.decision import Decision

__all__ = ["Judge", "Reference", "SystemUnderTest"]

# What one system made of a photo and any other can judge by. It travels between processes by pickle, in memory only.
Reference = Any
# From one reference (None: liveness alone) to a decision about a video that was looked at before.
Judge = Callable[[Reference], Decision]


class SystemUnderTest(Protocol):
    """Judges trials. One lives in each worker process."""

    @property
    def stamp(self) -> Mapping[str, Any]:
        """What makes the scores what they are: version, policy, models. Plain JSON values."""

    def enrol(self, reference: Path) -> Reference:
        """Look at a reference photo.

        Raises
        ------
        MediaError
            The file cannot be used; every trial with it fails.
        """

    def observe(self, video: Path) -> Judge:
        """Analyse a video (or a photo) once.

        Raises
        ------
        MediaError
            The file cannot be used; every trial with it fails. The judge may raise it too.
        """

"""A verifier whose decoding and analysis happen in a child process behind walls.

The parent reads the bytes, admits challenges and keeps their record; the child never sees a path, a secret or a store.
What comes back are values (see :mod:`~idverify.isolation.channel`).

Public items: :class:`IsolatedQuestions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from idverify.errors import MediaCrashedError, ModelError
from idverify.isolation.process import ChildProcess
from idverify.media.source import MediaLimits, open_source
from idverify.verification.decision import Decision
from idverify.verification.inspection import Inspection

if TYPE_CHECKING:
    from idverify.challenge import Admission
    from idverify.challenge.attempt import Attempt
    from idverify.comparison.calibration import CalibrationCard
    from idverify.verification.binding import CaptureEvidence
    from idverify.verification.policy import DecisionPolicy

__all__ = ["IsolatedQuestions"]

T = TypeVar("T")
_ANOTHER = "the process that decodes answered with something else than was asked for"
# Beyond what loaded models take. A whole check of 30 s of 1080p takes 0.4 GB.
MEMORY_BYTES = 2 << 30
# Longer than a policy lets decoding take.
TIME_LIMIT_S = 180.0


class IsolatedQuestions:
    """The questions of a verifier, put to a child process.

    Parameters
    ----------
    policy, card, models_dir
        As for :class:`~idverify.verification.Verifier`.
    """

    def __init__(
        self, policy: DecisionPolicy, card: CalibrationCard | str | Path | None, models_dir: str | Path | None
    ) -> None:
        self._limits = policy.limits
        self._child = ChildProcess(
            "idverify.verification.behind_walls",
            (policy, card, models_dir),
            memory_bytes=MEMORY_BYTES,
            time_limit_s=TIME_LIMIT_S,
        )

    def start(self) -> None:
        """Have a child with its models loaded."""
        self._child.start()

    @property
    def missing_walls(self) -> tuple[str, ...]:
        """The walls that this system does not have, in words."""
        self._child.start()
        return self._child.missing_walls

    def check(
        self,
        video: Any,
        reference: Any,
        attempt: Attempt | None,
        admission: Admission,
        capture: CaptureEvidence | None,
        face_images: bool,
        seed: int | None,
    ) -> Decision:
        """Steps (1) to (9) for an attempt that was admitted."""
        # The child judges the answer and has no use for the secret.
        known = None if attempt is None else replace(attempt, key=b"")
        sources = self._bytes(video), self._photo(reference)
        return self._asked(Decision, "check", *sources, known, admission, capture, face_images, seed)

    def check_many(self, video: Any, references: Sequence[Any], seed: int | None) -> list[Decision]:
        """One recording against many photos."""
        photos = [self._photo(photo) for photo in references]
        decisions = self._asked(list, "check_many", self._bytes(video), photos, seed)
        if [type(decision) for decision in decisions] != [Decision] * len(photos):
            raise MediaCrashedError(_ANOTHER)
        return decisions

    def assess_liveness(self, video: Any, face_images: bool, seed: int | None) -> Decision:
        """Liveness alone."""
        return self._asked(Decision, "assess_liveness", self._bytes(video), face_images, seed)

    def compare(self, probe: Any, reference: Any, face_images: bool, seed: int | None) -> Decision:
        """Comparison alone."""
        photos = self._photo(probe), self._photo(reference)
        return self._asked(Decision, "compare", *photos, face_images, seed)

    def inspect(self, video: Any) -> Inspection:
        """Tracks, quality, signals."""
        return self._asked(Inspection, "inspect", self._bytes(video))

    def _asked(self, kind: type[T], question: str, *arguments: Any) -> T:
        """An answer of the kind that was asked for; a process in a stranger's hands may send any value."""
        self._child.start()
        try:
            answer = self._child.ask(question, *arguments)
        except ModelError as error:
            # They were all there when it began: this ends no batch.
            raise MediaCrashedError(_ANOTHER) from error
        if type(answer) is not kind:
            raise MediaCrashedError(_ANOTHER)
        return answer

    def _bytes(self, source: Any) -> bytes:
        return _read(source, self._limits)

    def _photo(self, source: Any) -> Any:
        return source if isinstance(source, np.ndarray) else _read(source, self._limits)


def _read(source: Any, limits: MediaLimits) -> bytes:
    with open_source(source, limits) as opened:
        return opened.stream.read()

"""The verifier's numbered steps one at a time, so that a video is looked at once for many references.

Same steps, same numbers and same results as :class:`~idverify.verifier.Verifier`'s ``check``, ``assess_liveness`` and
``compare``; a test holds them to it.

Public items: :class:`StepwiseVerifier`, :class:`LookedAt`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from idverify import verifier as steps
from idverify.decision import Decision, Findings, Task
from idverify.enrolment import EnrolledFace, enrol
from idverify.errors import UnsupportedMediaError
from idverify.features import Template
from idverify.media import load_photo
from idverify.reasons import Assessed, NotAssessed, Reason
from idverify.verifier import Verifier

__all__ = ["LookedAt", "StepwiseVerifier"]

Enrolment = Assessed[EnrolledFace] | NotAssessed


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAt:
    """A probe after one pass: a recording that was watched, or a photo that was enrolled."""

    path: Path
    seen: steps._Seen | None = field(default=None, repr=False)
    photo: Enrolment | None = field(default=None, repr=False)


class StepwiseVerifier(Verifier):
    """A verifier whose steps are called one by one."""

    @property
    def model_hashes(self) -> Mapping[str, str]:
        """Name -> sha256 of every model in use."""
        self._load(steps._Stopwatch())
        return {stamp.name: stamp.sha256 for stamp in self._stamps}

    def look(self, path: Path) -> LookedAt:
        """Watch a recording, or enrol the face of a photo.

        Raises
        ------
        MediaError, ModelError, CalibrationError
        """
        watch = steps._Stopwatch()
        self._load(watch)
        photo = self._try_photo(path)
        if photo is not None:
            return LookedAt(path=path, photo=enrol(photo, self._faces))
        return LookedAt(path=path, seen=self._watch_recording(path, watch, None))

    def enrol(self, path: Path) -> Enrolment:
        """Enrol a reference photo.

        Raises
        ------
        MediaError
        """
        self._load(steps._Stopwatch())
        return enrol(load_photo(path, limits=self.policy.limits), self._faces)

    def judge(self, probe: LookedAt, reference: Enrolment | None) -> Decision:
        """Decide: a recording is checked (or assessed for liveness without a reference), a photo is compared.

        Raises
        ------
        UnsupportedMediaError
            A photo without a reference: there is nothing to assess.
        """
        watch = steps._Stopwatch()
        face = reference.value if isinstance(reference, Assessed) else None
        hindered = [reference.reason] if isinstance(reference, NotAssessed) else []
        if probe.seen is None:
            if reference is None:
                raise UnsupportedMediaError(f"{probe.path.name}: liveness needs a video, this is a photo")
            template, obstacles = _of_photo(probe.photo)
            findings = Findings(
                task=Task.MATCH,
                match=self._match(template, face, watch),
                liveness=None,
                obstacles=(*hindered, *obstacles),
            )
            return self._decision(findings, None, reference, watch, False)
        liveness = self._liveness(probe.seen, face, watch)
        findings = Findings(
            task=Task.LIVENESS if reference is None else Task.CHECK,
            match=None if reference is None else self._match(steps._bound_template(probe.seen.subject), face, watch),
            liveness=liveness,
            obstacles=(*hindered, *probe.seen.obstacles),
        )
        return self._decision(findings, probe.seen, reference, watch, False)


def _of_photo(photo: Enrolment | None) -> tuple[Template | None, list[Reason]]:
    if isinstance(photo, NotAssessed):
        return None, [steps._PROBE_WORDS.get(photo.reason, photo.reason)]
    return (photo.value.template if photo else None), []

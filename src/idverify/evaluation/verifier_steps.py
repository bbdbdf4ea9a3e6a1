"""The verifier's numbered steps one at a time, so that a video is looked at once for many references.

Same steps, same numbers and same results as :class:`~idverify.verifier.Verifier`'s ``check``, ``assess_liveness`` and
``compare``; a test holds them to it.

Public items: :class:`StepwiseVerifier`, :class:`LookedAt`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from idverify import verifier as steps
from idverify.calibration import CalibrationCard
from idverify.decision import Decision, Findings, Task
from idverify.enrolment import EnrolledFace, enrol
from idverify.errors import UnsupportedMediaError
from idverify.features import Template
from idverify.media import load_photo
from idverify.pad.evidence import PADEvidence
from idverify.pad.panel import PADInputs, Panel
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

    @property
    def comparison_card(self) -> CalibrationCard:
        """The calibration card in use; its models are those in use, or the verifier would have refused it."""
        self._load(steps._Stopwatch())
        return self._card

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
            return LookedAt(path=path, photo=enrol(photo, self.face_models))
        seen = self._watch_recording(path, watch, None)
        return LookedAt(path=path, seen=replace(seen, panel=_PanelWithMemory(seen.panel)))

    def enrol(self, path: Path) -> Enrolment:
        """Enrol a reference photo.

        Raises
        ------
        MediaError
        """
        self._load(steps._Stopwatch())
        return enrol(load_photo(path, limits=self.policy.limits), self.face_models)

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


class _PanelWithMemory(Panel):
    """The panel of one recording: what does not depend on the reference is judged once."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._alone: tuple[PADEvidence, ...] | None = None
        self._injection: tuple[PADEvidence, ...] | None = None

    def assess(self, inputs: PADInputs) -> tuple[PADEvidence, ...]:
        """Ask every mechanism once, and again only the one that looks for the reference photo."""
        if self._alone is None:
            self._alone = self._panel.assess(replace(inputs, reference_rgb=None, reference_points_px=None))
        if inputs.reference_rgb is None:
            return self._alone
        found = self._panel._reference_reuse(inputs)
        return tuple(found if evidence.name == found.name else evidence for evidence in self._alone)

    def injection_signals(self) -> tuple[PADEvidence, ...]:
        """Signals of the recording, computed once."""
        if self._injection is None:
            self._injection = self._panel.injection_signals()
        return self._injection


def _of_photo(photo: Enrolment | None) -> tuple[Template | None, list[Reason]]:
    if isinstance(photo, NotAssessed):
        return None, [steps._PROBE_WORDS.get(photo.reason, photo.reason)]
    return (photo.value.template if photo else None), []

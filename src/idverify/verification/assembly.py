"""Findings in, a :class:`~idverify.verification.decision.Decision` out: the rule applied, with the whole evidence.

Public items: :func:`assemble`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from idverify._version import __version__
from idverify.comparison.calibration import CalibrationCard
from idverify.reasons import Assessed
from idverify.text import foreign
from idverify.verification.binding import binding_of
from idverify.verification.decision import (
    CalibrationStamp,
    Decision,
    FaceImage,
    Findings,
    FrameCounts,
    ModelStamp,
    Outcome,
    PolicyStamp,
    ReferenceEvidence,
    Task,
    decide,
)
from idverify.verification.enrolment import EnrolledFace, Enrolment
from idverify.verification.fusion import confidence
from idverify.verification.policy import DecisionPolicy
from idverify.verification.presentation import Presentation
from idverify.verification.subject import Subject

__all__ = ["assemble"]

# Faces shown in a report at most.
MAX_FACE_IMAGES = 8


def assemble(
    findings: Findings,
    policy: DecisionPolicy,
    *,
    models: tuple[ModelStamp, ...],
    card: CalibrationCard,
    timing_ms: Mapping[str, float],
    presentation: Presentation | None = None,
    enrolled: Enrolment | None = None,
    photo_notes: tuple[str, ...] = (),
    face_images: bool = False,
) -> Decision:
    """Decide under a policy and lay out what the decision rests on.

    Parameters
    ----------
    findings
        What the rule looks at.
    policy
    models, card
        Those in use.
    timing_ms
        Milliseconds by step.
    presentation, enrolled
        The recording and the reference behind the findings, where there were any.
    photo_notes
        What was met in reading the photos, as sentences.
    face_images
        Keep the compared faces, for a report.
    """
    outcome, reasons = decide(findings, policy)
    subject = presentation.subject if presentation and isinstance(presentation.subject, Subject) else None
    face = enrolled.value if isinstance(enrolled, Assessed) else None
    return Decision(
        task=findings.task,
        outcome=outcome,
        confidence=_confidence(findings, policy),
        reasons=reasons,
        challenge=findings.challenge,
        capture=binding_of(findings.challenge),
        warnings=(
            *(presentation.warnings if presentation else ()),
            *photo_notes,
            *_policy_warnings(policy, outcome),
            *_card_warnings(findings, policy, card),
        ),
        match=findings.match,
        liveness=findings.liveness,
        quality=subject.quality if subject else {},
        injection_signals=presentation.injection_signals if presentation else (),
        frames=_counts(presentation, subject),
        bystanders=subject.bystanders if subject else 0,
        reference=ReferenceEvidence(faces=face.n_faces, quality=face.quality) if face else None,
        policy=PolicyStamp(name=policy.name, sha256=policy.sha256),
        models=models,
        calibration=None if findings.task is Task.LIVENESS else _calibration(card),
        timing_ms=timing_ms,
        idverify_version=__version__,
        face_images=_face_images(subject, face) if face_images else (),
    )


def _calibration(card: CalibrationCard) -> CalibrationStamp:
    return CalibrationStamp(data=card.about.get("data", ""), date=card.about.get("date", ""), sha256=card.sha256)


def _policy_warnings(policy: DecisionPolicy, outcome: Outcome) -> tuple[str, ...]:
    if not policy.unsafe:
        return ()
    name = foreign(policy.name)
    if policy.compares_only:
        return (f"policy {name}: liveness did not decide; this {outcome.value} says nothing about attacks",)
    return (f"policy {name} asks less of liveness than is safe; this {outcome.value} says little about attacks",)


def _card_warnings(findings: Findings, policy: DecisionPolicy, card: CalibrationCard) -> tuple[str, ...]:
    asked = policy.target_fmr_with_liveness
    if findings.match is None or findings.liveness is None or asked is None:
        return ()
    known = card.as_strict_as(asked, policy.reference_kind)
    if known <= asked:
        return ()
    return (
        f"policy {foreign(policy.name)} asks for FMR {asked:g} where liveness is judged; the calibration "
        f"card has no threshold as strict, so that {known:g} is asked there",
    )


def _confidence(findings: Findings, policy: DecisionPolicy) -> float | None:
    """None as soon as a half that was asked for is missing."""
    needs_match = findings.task is not Task.LIVENESS
    needs_liveness = findings.task is not Task.MATCH and not policy.compares_only
    match = findings.match.llr if findings.match else None
    live = findings.liveness.llr if findings.liveness and needs_liveness else None
    if (needs_match and match is None) or (needs_liveness and live is None):
        return None
    return confidence(match_llr=match, liveness_llr=live, prior=policy.prior)


def _counts(presentation: Presentation | None, subject: Subject | None) -> FrameCounts:
    if presentation is None:
        return FrameCounts(decoded=0, analysed=0, compared=0, times_s=())
    times = tuple(c.face.time_s for c in subject.compared) if subject else ()
    return FrameCounts(
        decoded=presentation.capture.n_decoded,
        analysed=presentation.capture.n_analysed,
        compared=len(times),
        times_s=times,
        seed=presentation.capture.seed,
    )


def _face_images(subject: Subject | None, reference: EnrolledFace | None) -> tuple[FaceImage, ...]:
    shown = []
    if reference is not None:
        shown.append(
            FaceImage(
                title="reference",
                image_rgb=reference.image_rgb,
                points_px=reference.face.points_px[:, :2].astype(np.float32),
            )
        )
    for c in subject.compared[:MAX_FACE_IMAGES] if subject else ():
        title = f"{c.face.time_s:.2f} s"
        shown.append(FaceImage(title=title, image_rgb=c.image_rgb, points_px=c.points_px[:, :2].astype(np.float32)))
    return tuple(shown)

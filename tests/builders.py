"""Made-up decisions for the tests of what projects from them."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np

from idverify.faces.tracking import FaceTrack
from idverify.pad.evidence import PADEvidence, Status
from idverify.reasons import NotAssessed, Reason
from idverify.verification.decision import (
    CalibrationStamp,
    Decision,
    FaceImage,
    FrameCounts,
    LivenessEvidence,
    MatchEvidence,
    ModelStamp,
    Outcome,
    PolicyStamp,
    ReferenceEvidence,
    Task,
)
from idverify.verification.fusion import AttackClass, ClassEvidence, ClassVerdict

TIMES_S = np.arange(0.0, 4.0, 0.25)


def match(**changes: Any) -> MatchEvidence:
    good: dict[str, Any] = {
        "similarity": 0.7123,
        "llr": 11.5,
        "probability": 0.99999,
        "fmr_at_score": 4e-5,
        "average_fmr_at_score": 5e-6,
        "fmr_at_threshold": 8e-4,
        "stated_for": "strangers of the same sex and group",
        "reference_kind": "portrait",
        "threshold": 0.5021,
        "target_fmr": 1e-4,
        "matched": True,
    }
    return MatchEvidence(**(good | changes))


def stillness(llr: float = 4.0, **changes: Any) -> PADEvidence:
    good: dict[str, Any] = {
        "name": "stillness",
        "status": Status.ASSESSED,
        "unit": "residual / noise (higher: more non-rigid)",
        "detail": "Non-rigid motion is 6.2 times the noise.",
        "native": 6.2,
        "bona_fide_llr": llr,
        "times_s": TIMES_S,
        "values": 3 + np.sin(TIMES_S * 3),
    }
    return PADEvidence(**(good | changes))


def depth_abstains() -> PADEvidence:
    why = NotAssessed(reason=Reason.TOO_LITTLE_MOVEMENT, detail="The head turned 3 degrees, 12 are needed.")
    return PADEvidence.not_assessed("depth", "parallax / inter-eye distance", why)


def attack_classes(**verdicts: str) -> tuple[ClassEvidence, ...]:
    """Every way to attack ruled out, but for those named with another verdict."""
    return tuple(
        ClassEvidence(
            attack_class=one,
            verdict=ClassVerdict(verdicts.get(one.value, "ruled_out")),
            llr=None if verdicts.get(one.value) == "not_tested" else 2.0,
            mechanisms=() if verdicts.get(one.value) == "not_tested" else ("stillness",),
        )
        for one in AttackClass
    )


def metadata_signal() -> PADEvidence:
    return PADEvidence(
        name="container_metadata",
        status=Status.NOT_APPLICABLE,
        unit="names found",
        detail="The container names no software.",
    )


def decision(**changes: Any) -> Decision:
    """An accepted check; `changes` replace fields."""
    good: dict[str, Any] = {
        "task": Task.CHECK,
        "outcome": Outcome.ACCEPT,
        "confidence": 0.9973,
        "reasons": (Reason.MATCH, Reason.LIVE),
        "warnings": (),
        "match": match(),
        "liveness": LivenessEvidence(
            llr=4.0,
            probability=0.982,
            mechanisms=(stillness(), depth_abstains()),
            classes=attack_classes(animated="no_sign", swapped="doubtful", rendered="not_tested"),
        ),
        "quality": {"sharpness": 81.0, "illumination_uniformity": 64.5},
        "injection_signals": (metadata_signal(),),
        "frames": FrameCounts(decoded=300, analysed=150, compared=4, times_s=(0.5, 1.5, 2.5, 3.5)),
        "bystanders": 1,
        "reference": ReferenceEvidence(faces=1, quality={"sharpness": 92.0}),
        "policy": PolicyStamp(name="ial2", sha256="1" * 64),
        "models": (ModelStamp(name="sface", version="2021dec", sha256="a" * 64, licence="Apache-2.0"),),
        "calibration": CalibrationStamp(data="People of the fit half", date="2026-11-23", sha256="c" * 64),
        "timing_ms": {"decode": 410.2, "whole": 980.0},
        "idverify_version": "0.1.0",
    }
    return Decision(**(good | changes))


def still_photo() -> Decision:
    """A photograph held before the camera: rejected, although it matches."""
    found = stillness(
        -6.0,
        native=0.4,
        decisive=True,
        reason=Reason.STATIC_PRESENTATION,
        detail="One planar transform explains all motion.",
        values=np.full(TIMES_S.shape, 0.4),
    )
    return decision(
        outcome=Outcome.REJECT,
        confidence=0.0412,
        reasons=(Reason.STATIC_PRESENTATION,),
        liveness=LivenessEvidence(llr=-6.0, probability=0.0025, mechanisms=(found, depth_abstains())),
    )


def too_dark() -> Decision:
    """Nothing could be judged: inconclusive, with everything optional missing."""
    return decision(
        outcome=Outcome.INCONCLUSIVE,
        confidence=None,
        reasons=(Reason.TOO_DARK, Reason.VIDEO_TOO_SHORT),
        match=None,
        liveness=LivenessEvidence(llr=None, probability=None, mechanisms=(depth_abstains(),)),
        quality={"under_exposure": float("nan"), "sharpness": 12.0},
        injection_signals=(),
        frames=FrameCounts(decoded=20, analysed=10, compared=0, times_s=()),
        bystanders=0,
        reference=None,
        models=(),
        timing_ms={},
    )


def unsafe_match() -> Decision:
    """A comparison under the unsafe policy: accepted, and shouted about."""
    return decision(
        task=Task.MATCH,
        reasons=(Reason.MATCH,),
        warnings=("The reference photo is small.",),
        liveness=None,
        injection_signals=(),
        policy=PolicyStamp(name="unsafe-comparison-only", sha256="2" * 64),
    )


def with_face_images(base: Decision) -> Decision:
    """Add two small pictures with landmarks."""
    rows, columns = np.mgrid[0:120, 0:90]
    image = np.stack([rows * 2, columns * 2, rows + columns], axis=-1).astype(np.uint8)
    points = np.stack([np.linspace(20, 70, 468), np.linspace(30, 90, 468)], axis=-1).astype(np.float32)
    shown = tuple(FaceImage(title=title, image_rgb=image, points_px=points) for title in ("0.50 s", "reference"))
    return dataclasses.replace(base, face_images=shown)


def track(track_id: int = 0, frames: int = 16) -> FaceTrack:
    times = TIMES_S[:frames]
    return FaceTrack(
        track_id=track_id,
        frame_indices=np.arange(frames),
        times_s=times,
        bboxes_xyxy_px=np.tile([100.0, 80.0, 260.0, 280.0], (frames, 1)),
        points_px=np.zeros((frames, 468, 3), np.float32),
        yaw_pitch_roll_deg=np.stack([np.linspace(-20, 25, frames), np.zeros(frames), np.zeros(frames)], axis=-1),
        eye_opening=np.full((frames, 2), 0.3),
        mouth_opening=np.zeros(frames),
        presence=np.ones(frames),
    )


def inspection() -> Any:
    """What ``Verifier.inspect`` returns, as far as the projections look at it."""
    sharpness = np.where(np.arange(TIMES_S.size) == 3, np.nan, 60 + 10 * np.sin(TIMES_S))
    return SimpleNamespace(
        recording={"size_wh": (1280, 720), "codec": "h264", "duration_s": 4.0, "rotation_deg": 0},
        tracks=(track(0), track(1, frames=5)),
        subject_id=0,
        quality={"sharpness": (TIMES_S, sharpness)},
        signals=(stillness(), depth_abstains()),
    )

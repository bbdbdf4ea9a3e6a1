"""Decision -> strict JSON, described by ``decision.schema.json`` beside this file.

Conventions: keys are stable within one major `SCHEMA_VERSION`; log-likelihood ratios are natural logarithms;
times are seconds unless the key says ``_ms``; what is missing is null. There is no NaN and no infinity.

Public items: :data:`SCHEMA_VERSION`, :func:`to_json`, :func:`series_json`, :func:`error_json`, :func:`inspection_json`,
:func:`dumps`, :func:`load_schema`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from idverify.errors import IdverifyError

if TYPE_CHECKING:
    from idverify.challenge.verification import ChallengeResult
    from idverify.challenge.verify_light import LightResult
    from idverify.challenge.verify_motion import StepResult
    from idverify.faces.tracking import FaceTrack
    from idverify.pad.evidence import PADEvidence
    from idverify.verification.decision import Decision, LivenessEvidence, MatchEvidence, ReferenceEvidence
    from idverify.verification.verifier import Inspection
from idverify.text import foreign, visible

__all__ = ["SCHEMA_VERSION", "dumps", "error_json", "inspection_json", "load_schema", "series_json", "to_json"]

SCHEMA_VERSION = "1.0"


def to_json(decision: Decision) -> dict[str, Any]:
    """Project a decision onto plain JSON types.

    Parameters
    ----------
    decision : Decision

    Returns
    -------
    dict
        Holds to ``decision.schema.json``; no pixels, templates or file names.

    Raises
    ------
    ValueError
        A number of the match or the confidence is not finite: such a decision must not be passed on.
    """
    document = {
        "schema_version": SCHEMA_VERSION,
        "idverify_version": decision.idverify_version,
        "task": decision.task.value,
        "outcome": decision.outcome.value,
        "confidence": _optional(decision.confidence),
        "reasons": [reason.value for reason in decision.reasons],
        "guidance": list(decision.guidance),
        "warnings": _warnings(decision),
        "match": _match(decision.match),
        "liveness": _liveness(decision.liveness),
        "challenge": _challenge(decision.challenge),
        "capture": decision.capture.value,
        "quality": _numbers(decision.quality),
        "injection_signals": _evidence(decision.injection_signals),
        "frames": {
            "decoded": int(decision.frames.decoded),
            "analysed": int(decision.frames.analysed),
            "compared": int(decision.frames.compared),
            "times_s": [_finite(time) for time in decision.frames.times_s],
            "seed": decision.frames.seed,
        },
        "bystanders": int(decision.bystanders),
        "reference": _reference(decision.reference),
        "policy": asdict(decision.policy),
        "models": [asdict(model) for model in decision.models],
        "calibration": asdict(decision.calibration) if decision.calibration else None,
        "timing_ms": _numbers(decision.timing_ms),
    }
    return cast("dict[str, Any]", visible(document))


def series_json(decision: Decision) -> dict[str, Any]:
    """Project what a decision's mechanisms measured over time onto plain JSON types, as dense as a plot can show.

    Returns
    -------
    dict
        Mechanism -> ``times_s``, ``values``; those that measured nothing over time are left out.
    """
    from idverify.report.plots import thin

    rows = (*(decision.liveness.mechanisms if decision.liveness else ()), *decision.injection_signals)
    return {row.name: _series(*thin(row.times_s, row.values)) for row in rows if len(row.times_s)}


def inspection_json(inspection: Inspection) -> dict[str, Any]:
    """Project an inspection onto plain JSON types: facts, tracks, quality and signals over time."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "recording": {key: _plain(value) for key, value in inspection.recording.items()},
        "subject_id": inspection.subject_id,
        "tracks": [_track(track) for track in inspection.tracks],
        "quality": {name: _series(times, values) for name, (times, values) in inspection.quality.items()},
        "signals": [
            {**row, **_series(signal.times_s, signal.values)}
            for row, signal in zip(_evidence(inspection.signals), inspection.signals, strict=True)
        ],
    }
    return cast("dict[str, Any]", visible(document))


def error_json(error: Exception, message: str | None = None) -> dict[str, Any]:
    """Project an error onto plain JSON types; its code is the class's name in snake case.

    Examples
    --------
    >>> from idverify.errors import ModelMissingError
    >>> error_json(ModelMissingError("no file"))["error"]
    {'code': 'model_missing', 'message': 'no file'}
    """
    code = "internal"
    if isinstance(error, IdverifyError):
        name = type(error).__name__.removesuffix("Error")
        code = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    return {"schema_version": SCHEMA_VERSION, "error": {"code": code, "message": visible(message or str(error))}}


def dumps(document: Mapping[str, Any]) -> str:
    """Serialise for a terminal or a pipe: ASCII, indented, strict.

    Raises
    ------
    ValueError
        A number is not finite.
    """
    return json.dumps(document, indent=2, allow_nan=False)


def load_schema() -> dict[str, Any]:
    """Read the JSON Schema (draft 2020-12) of what ``--json`` prints: a decision or an error."""
    from importlib import resources

    text = resources.files("idverify.report").joinpath("decision.schema.json").read_text("utf-8")
    return cast("dict[str, Any]", json.loads(text))


def _warnings(decision: Decision) -> list[str]:
    from idverify.report.words import warnings

    return list(warnings(decision))


def _match(match: MatchEvidence | None) -> dict[str, Any] | None:
    if match is None:
        return None
    rates = ("fmr_at_score", "average_fmr_at_score", "fmr_at_threshold")
    names = ("similarity", "llr", "probability", "threshold", "target_fmr", *rates)
    numbers = {name: _finite(getattr(match, name)) for name in names}
    return {**numbers, "stated_for": match.stated_for, "reference_kind": match.reference_kind}


def _liveness(liveness: LivenessEvidence | None) -> dict[str, Any] | None:
    if liveness is None:
        return None
    return {
        "llr": _optional(liveness.llr),
        "probability": _optional(liveness.probability),
        "mechanisms": _evidence(liveness.mechanisms),
        "attack_classes": [
            {
                "name": one.attack_class.value,
                "tested": one.tested,
                "verdict": one.verdict.value,
                "llr": _optional(one.llr),
                "mechanisms": list(one.mechanisms),
            }
            for one in liveness.classes
        ],
    }


def _challenge(result: ChallengeResult | None) -> dict[str, Any] | None:
    if result is None:
        return None
    return {
        "outcome": result.outcome.value,
        "reasons": [reason.value for reason in result.reasons],
        "guess_probability": _finite(result.guess_probability),
        "binding": result.binding,
        "issued": result.admission.issued,
        "received_at_s": result.admission.received_at_s,
        "arrival_stated": result.admission.arrival_stated,
        "subject_checked": result.admission.subject_checked,
        "nonce_checked": result.admission.nonce_checked,
        "nonce": result.nonce,
        "mirrored": result.mirrored,
        "seeded": result.seeded,
        "steps": [_step(step) for step in result.steps],
        "light": _light(result.light),
    }


def _step(step: StepResult) -> dict[str, Any]:
    seen = step.seen
    return {
        "action": step.action.value,
        "start_s": _finite(step.start_s),
        "end_s": _finite(step.end_s),
        "status": step.status.value,
        "seen": None if seen is None else {"action": seen.action.value, "time_s": _finite(seen.onset_s)},
        "reason": step.reason.value if step.reason else None,
        "depth_share": None if step.solid is None else _measured(step.solid.share),
    }


def _light(light: LightResult | None) -> dict[str, Any] | None:
    if light is None:
        return None
    names = ("explained", "explained_by_others", "response", "background_response", "lag_s", "relief")
    measured = {name: _measured(getattr(light, name)) for name in names}
    return {"status": light.status.value, **measured, "reason": light.reason.value if light.reason else None}


def _evidence(rows: Iterable[PADEvidence]) -> list[dict[str, Any]]:
    return [
        {
            "name": row.name,
            "status": row.status.value,
            "native": _measured(row.native),
            "unit": row.unit,
            "llr": _optional(row.bona_fide_llr),
            "detail": row.detail,
        }
        for row in rows
    ]


def _reference(reference: ReferenceEvidence | None) -> dict[str, Any] | None:
    if reference is None:
        return None
    return {"faces": int(reference.faces), "quality": _numbers(reference.quality)}


def _track(track: FaceTrack) -> dict[str, Any]:
    yaw, pitch, roll = track.yaw_pitch_roll_deg.T
    return {
        "track_id": int(track.track_id),
        "times_s": _array(track.times_s),
        "bboxes_xyxy_px": [_array(box) for box in track.bboxes_xyxy_px],
        "yaw_deg": _array(yaw),
        "pitch_deg": _array(pitch),
        "roll_deg": _array(roll),
        "eye_opening": [_array(pair) for pair in track.eye_opening],
        "mouth_opening": _array(track.mouth_opening),
    }


def _series(times: Iterable[float], values: Iterable[float]) -> dict[str, Any]:
    return {"times_s": _array(times), "values": _array(values)}


def _array(values: Iterable[float]) -> list[float | None]:
    return [_measured(value) for value in values]


def _numbers(values: Mapping[str, float]) -> dict[str, float | None]:
    return {str(name): _measured(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    """A fact of the recording as JSON: numbers, text, lists; anything else as its text."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return foreign(value)
    if isinstance(value, Mapping):
        return {foreign(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    try:
        return _measured(value)
    except (TypeError, ValueError):
        return foreign(value)


def _measured(value: float | None) -> float | None:
    """A measurement; one that could not be taken (NaN, infinite) is null."""
    if value is None or not math.isfinite(float(value)):
        return None
    return float(value)


def _optional(value: float | None) -> float | None:
    return None if value is None else _finite(value)


def _finite(value: float) -> float:
    """A number that the outcome rests on."""
    if not math.isfinite(float(value)):
        raise ValueError(f"expected a finite number in the decision, got {value}")
    return float(value)

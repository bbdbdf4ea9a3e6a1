"""The JSON holds to its schema, is strict, and says exactly what the decision says."""

from __future__ import annotations

import dataclasses
import json

import builders
import numpy as np
import pytest
from jsonschema import Draft202012Validator

import idverify.errors
from idverify.errors import IdverifyError, MediaNotFoundError
from idverify.report import load_schema, to_json
from idverify.report.json import dumps, error_json, inspection_json, series_json
from idverify.verification.decision import Decision, LivenessEvidence

DECISIONS = {
    "accept": builders.decision,
    "reject_still_photo": builders.still_photo,
    "inconclusive_too_dark": builders.too_dark,
    "match_unsafe": builders.unsafe_match,
}
VALIDATOR = Draft202012Validator(load_schema())


def test_the_schema_is_itself_valid() -> None:
    Draft202012Validator.check_schema(load_schema())


@pytest.mark.parametrize("make", DECISIONS.values(), ids=DECISIONS)
def test_every_kind_of_decision_holds_to_the_schema(make: object) -> None:
    document = json.loads(dumps(to_json(make())))  # type: ignore[operator]
    VALIDATOR.validate(document)


@pytest.mark.parametrize(
    ("path", "lie"),
    [
        (("outcome",), "maybe"),
        (("confidence",), 1.2),
        (("match", "llr"), None),
        (("liveness", "mechanisms", 0, "llr"), None),
        (("liveness", "mechanisms", 1, "llr"), 3.0),
        (("models", 0, "sha256"), "abc"),
        (("calibration", "sha256"), "abc"),
        (("calibration", "date"), None),
        (("extra",), 1),
    ],
)
def test_the_schema_refuses_a_document_that_lies(path: tuple[str | int, ...], lie: object) -> None:
    document = json.loads(dumps(to_json(builders.decision())))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = lie
    assert not VALIDATOR.is_valid(document)


def test_the_schema_misses_no_key_of_the_decision() -> None:
    shown = set(to_json(builders.decision()))
    fields = {field.name for field in dataclasses.fields(Decision)} - {"face_images"}
    assert fields <= shown
    assert set(load_schema()["$defs"]["decision"]["required"]) == shown


def test_numpy_numbers_come_out_as_plain_ones_and_gaps_as_null() -> None:
    quality = {"sharpness": np.float32(50), "under_exposure": np.nan}
    document = to_json(builders.decision(quality=quality, timing_ms={"whole": np.float64("inf")}))
    assert document["quality"] == {"sharpness": 50.0, "under_exposure": None}
    assert document["timing_ms"] == {"whole": None}
    dumps(document)


@pytest.mark.parametrize("field", ["similarity", "llr", "probability", "fmr_at_score", "threshold"])
def test_a_decision_that_rests_on_nan_is_not_passed_on(field: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        to_json(builders.decision(match=builders.match(**{field: float("nan")})))


def test_an_infinite_liveness_is_not_passed_on() -> None:
    liveness = LivenessEvidence(llr=float("inf"), probability=1.0, mechanisms=())
    with pytest.raises(ValueError, match="finite"):
        to_json(builders.decision(liveness=liveness))


def test_pictures_never_reach_the_json() -> None:
    plain = builders.decision()
    assert to_json(builders.with_face_images(plain)) == to_json(plain)


def test_a_series_is_no_longer_than_a_plot_can_show_and_loses_no_spike() -> None:
    values = np.zeros(5000)
    values[1234], values[7] = 9.0, np.nan
    row = dataclasses.replace(
        builders.decision().injection_signals[0], name="long", times_s=np.arange(5000) / 30, values=values
    )
    found = json.loads(dumps(series_json(builders.decision(injection_signals=(row,)))))
    series = found["long"]
    assert len(series["times_s"]) == len(series["values"]) <= 400
    assert [time for time, value in zip(series["times_s"], series["values"], strict=True) if value] == [1234 / 30]
    assert all(len(each["times_s"]) for each in found.values())


@pytest.mark.parametrize("name", [n for n in idverify.errors.__all__ if n != "NotAcceptedError"])
def test_every_error_has_a_code_and_holds_to_the_schema(name: str) -> None:
    error = getattr(idverify.errors, name)("something is wrong")
    assert isinstance(error, IdverifyError)
    VALIDATOR.validate(error_json(error))


def test_error_codes_are_stable() -> None:
    assert error_json(MediaNotFoundError("x"))["error"] == {"code": "media_not_found", "message": "x"}
    assert error_json(ZeroDivisionError("x"), "oops")["error"] == {"code": "internal", "message": "oops"}


def test_an_inspection_shows_series_of_equal_length_and_no_verdict() -> None:
    document = json.loads(dumps(inspection_json(builders.inspection())))
    assert {"outcome", "confidence"}.isdisjoint(document)
    assert document["recording"]["size_wh"] == [1280, 720]
    assert [track["track_id"] for track in document["tracks"]] == [0, 1]
    series = [*document["quality"].values(), *document["signals"]]
    assert len(series) > 0
    assert all(len(row["times_s"]) == len(row["values"]) for row in series)
    assert document["quality"]["sharpness"]["values"][3] is None

"""How a recording was bound: named in every decision, and required where a service decides."""

from __future__ import annotations

import dataclasses

import builders
import pytest
from test_check_challenge import followed, found, not_followed

from idverify.errors import PolicyError
from idverify.pad.injection import names_no_camera
from idverify.reasons import Reason
from idverify.report import to_json
from idverify.report.words import Tone, findings
from idverify.verification.binding import CaptureBinding, CaptureEvidence, binding_of
from idverify.verification.decision import Outcome, Task, decide
from idverify.verification.policy import load_policy
from idverify.verification.shipped import policies_dir

RECOVERY = dataclasses.replace(load_policy("recovery"), required_mechanisms=("stillness",))
LED = CaptureEvidence(camera_named="FaceTime HD Camera")


def timed():
    return dataclasses.replace(followed(), binding="session")


def test_only_an_answer_binds():
    assert binding_of(None) is CaptureBinding.FILE
    assert binding_of(not_followed()) is CaptureBinding.FILE
    assert binding_of(dataclasses.replace(not_followed(), binding="session")) is CaptureBinding.FILE
    assert binding_of(followed()) is CaptureBinding.CHALLENGE
    assert binding_of(timed()) is CaptureBinding.SESSION


def test_recovery_takes_nothing_less_than_a_session_from_a_service():
    assert RECOVERY.service_capture is CaptureBinding.SESSION
    assert decide(found(timed(), capture=LED), RECOVERY)[0] is Outcome.ACCEPT
    outcome, reasons = decide(found(followed(), capture=LED), RECOVERY)
    assert (outcome, reasons[-1]) == (Outcome.INCONCLUSIVE, Reason.CAPTURE_NOT_BOUND)
    outcome, reasons = decide(found(None, capture=LED), RECOVERY)
    assert outcome is Outcome.INCONCLUSIVE
    assert {Reason.CHALLENGE_MISSING, Reason.CAPTURE_NOT_BOUND} <= set(reasons)


def test_where_nobody_led_the_capture_a_challenge_suffices():
    assert decide(found(followed()), RECOVERY)[0] is Outcome.ACCEPT


def test_a_missing_binding_never_hides_a_rejection_and_never_makes_one():
    stranger = builders.match(matched=False, llr=-9.0)
    assert decide(found(None, match=stranger, capture=LED), RECOVERY)[0] is Outcome.REJECT
    outcome, reasons = decide(found(not_followed(), capture=LED), RECOVERY)
    assert outcome is Outcome.REJECT
    assert Reason.CAPTURE_NOT_BOUND not in reasons


@pytest.mark.parametrize("name", ["OBS Virtual Camera", "ManyCam Virtual Webcam", "v4l2loopback 0"])
def test_a_virtual_cameras_name_makes_it_inconclusive_as_in_a_file(name):
    outcome, reasons = decide(found(timed(), capture=CaptureEvidence(camera_named=name)), RECOVERY)
    assert (outcome, reasons) == (Outcome.INCONCLUSIVE, (Reason.NOT_FROM_A_CAMERA,))


@pytest.mark.parametrize("name", ["", "FaceTime HD Camera", "camera2 1, facing front", "Integrated Webcam (0bda:58f4)"])
def test_the_names_of_cameras_are_no_doubt(name):
    assert not names_no_camera(name)
    assert decide(found(timed(), capture=CaptureEvidence(camera_named=name)), RECOVERY)[0] is Outcome.ACCEPT


@pytest.mark.parametrize(
    ("binding", "said", "tone"),
    [
        (CaptureBinding.FILE, "not bound to a capture", Tone.NEUTRAL),
        (CaptureBinding.CHALLENGE, "bound by a challenge", Tone.FOR),
        (CaptureBinding.SESSION, "bound by a session", Tone.FOR),
    ],
)
def test_words_and_json_say_it(binding, said, tone):
    decision = dataclasses.replace(builders.decision(), capture=binding)
    (row,) = [row for row in findings(decision) if row.label == "capture"]
    assert said in row.text
    assert row.tone is tone
    assert to_json(decision)["capture"] == binding.value
    assert not [row for row in findings(dataclasses.replace(decision, task=Task.MATCH)) if row.label == "capture"]


def test_a_policy_that_asks_for_an_unknown_binding_is_refused(tmp_path):
    text = tmp_path / "own.toml"
    shipped = (policies_dir() / "recovery.toml").read_text()
    own = shipped.replace('name = "recovery"', 'name = "own"')
    text.write_text(own.replace('service_capture = "session"', 'service_capture = "witness"'))
    with pytest.raises(PolicyError, match="service_capture = 'witness'"):
        load_policy(text)
    text.write_text(own.replace('service_capture = "session"\n', ""))
    assert load_policy(text).service_capture is CaptureBinding.FILE
    assert load_policy(text).weaker_than(load_policy("recovery")) == ("service_capture",)

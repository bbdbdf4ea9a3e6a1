"""A verifier whose work is done behind walls decides as one that does it here, and a crash is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from idverify import Verifier
from idverify.errors import MediaCrashedError, MediaNotFoundError, ModelMissingError, ParameterError
from idverify.report import to_json

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
CLIP, PHOTO = SAMPLES / "photo_panned.mp4", SAMPLES / "reference.jpg"


def document(decision) -> dict:
    shown = to_json(decision)
    del shown["timing_ms"]
    return shown


@pytest.fixture(scope="module")
def isolated(verifier) -> Verifier:
    return Verifier(policy="ial2", isolation="process")


def test_decisions_are_the_same(verifier, isolated):
    assert document(isolated.assess_liveness(CLIP, seed=1)) == document(verifier.assess_liveness(CLIP, seed=1))
    assert document(isolated.compare(PHOTO.read_bytes(), PHOTO)) == document(verifier.compare(PHOTO, PHOTO))


def test_a_check_with_pictures_comes_through(isolated):
    decision = isolated.check(CLIP, PHOTO, face_images=True)
    assert decision.outcome.value == "reject"
    assert decision.face_images
    assert isolated.inspect(CLIP).tracks


def test_many_photos_are_judged_against_one_recording(isolated):
    one, other = isolated.check_many(CLIP, [PHOTO, PHOTO])
    assert one.outcome is other.outcome


def test_errors_of_media_are_the_usual_ones(isolated, tmp_path):
    with pytest.raises(MediaNotFoundError):
        isolated.check(tmp_path / "nowhere.mp4", PHOTO)


def test_what_gives_objects_of_this_process_is_refused(isolated):
    for ask in (lambda: isolated.observe(CLIP), lambda: isolated.enrol(PHOTO)):
        with pytest.raises(ParameterError, match="check_many"):
            ask()
    with pytest.raises(ParameterError, match="isolation"):
        Verifier(isolation="thread")  # type: ignore[arg-type]


def test_a_child_that_dies_is_one_sentence_and_the_next_question_is_answered(isolated, monkeypatch):
    child = isolated._child._child
    child.start()
    real = child._answer

    def dies(process, say, limit_s):
        process.kill()
        return real(process, say, limit_s)

    monkeypatch.setattr(child, "_answer", dies)
    with pytest.raises(MediaCrashedError, match="signal 9"):
        isolated.assess_liveness(CLIP)
    monkeypatch.undo()
    assert isolated.assess_liveness(CLIP).outcome.value == "reject"


def test_models_that_were_there_are_not_missed_later(isolated, tmp_path, monkeypatch):
    def lies(*_):
        raise ModelMissingError("the model sface is not on this machine")

    isolated.load()
    monkeypatch.setattr(isolated._child._child, "ask", lies)
    with pytest.raises(MediaCrashedError, match="something else than was asked for"):
        isolated.check_many(CLIP, [PHOTO])
    with pytest.raises(ModelMissingError):
        Verifier(isolation="process", models_dir=tmp_path).check_many(CLIP, [PHOTO])


@pytest.mark.parametrize("answer", [None, "accept", [], [None], {"outcome": "accept"}])
def test_what_is_no_decision_is_not_taken_for_one(isolated, monkeypatch, answer):
    monkeypatch.setattr(isolated._child._child, "ask", lambda *_: answer)
    for ask in (
        lambda: isolated.check(CLIP, PHOTO),
        lambda: isolated.check_many(CLIP, [PHOTO]),
        lambda: isolated.assess_liveness(CLIP),
        lambda: isolated.compare(PHOTO, PHOTO),
        lambda: isolated.inspect(CLIP),
    ):
        with pytest.raises(MediaCrashedError, match="something else than was asked for"):
            ask()

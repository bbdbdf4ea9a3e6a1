"""The evaluation's step-by-step verifier decides exactly as the verifier itself."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from idverify.errors import CalibrationError, ModelError

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
CLIP = DATA / "videos" / "bona_fide" / "tv_tony_blair.avi"
PHOTOS = [DATA / "lfw" / "Tony_Blair" / "Tony_Blair_0001.jpg", DATA / "lfw" / "Al_Pacino" / "Al_Pacino_0001.jpg"]


@pytest.fixture(scope="module")
def verifiers():
    if not all(p.is_file() for p in (CLIP, *PHOTOS)):
        pytest.skip(f"needs the clips and photos of {DATA}")
    from idverify.evaluation.verifier_steps import StepwiseVerifier
    from idverify.verifier import Verifier

    stepwise = StepwiseVerifier()
    try:
        assert stepwise.model_hashes
    except (ModelError, CalibrationError) as error:
        pytest.skip(f"needs models and calibration: {error}")
    return Verifier(), stepwise


def same(one, other) -> bool:
    """Equal in everything but time; evidence carries arrays, so its text is compared."""
    names = [field.name for field in fields(one) if field.name not in ("timing_ms", "exhibits")]
    return all(repr(getattr(one, name)) == repr(getattr(other, name)) for name in names)


def test_one_look_decides_as_many_checks(verifiers):
    verifier, stepwise = verifiers
    seen = stepwise.look(CLIP)
    for photo in PHOTOS:
        assert same(stepwise.judge(seen, stepwise.enrol(photo)), verifier.check(CLIP, photo))
    assert same(stepwise.judge(seen, None), verifier.assess_liveness(CLIP))


def test_a_photo_is_compared(verifiers):
    verifier, stepwise = verifiers
    decision = stepwise.judge(stepwise.look(PHOTOS[0]), stepwise.enrol(PHOTOS[1]))
    assert same(decision, verifier.compare(PHOTOS[0], PHOTOS[1]))

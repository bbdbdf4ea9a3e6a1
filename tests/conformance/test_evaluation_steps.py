"""Looking once and judging many times decides exactly as the verifier does."""

from __future__ import annotations

import pickle
from dataclasses import fields
from pathlib import Path

import pytest

from idverify.errors import UnsupportedMediaError

SEED = 7
DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
CLIP = DATA / "videos" / "bona_fide" / "tv_tony_blair.avi"
PHOTOS = [DATA / "lfw" / "Tony_Blair" / "Tony_Blair_0001.jpg", DATA / "lfw" / "Al_Pacino" / "Al_Pacino_0001.jpg"]


@pytest.fixture(scope="module", autouse=True)
def media():
    if not all(p.is_file() for p in (CLIP, *PHOTOS)):
        pytest.skip(f"needs the clips and photos of {DATA}")


def same(one, other) -> bool:
    """Equal in everything but time; evidence carries arrays, so its text is compared."""
    names = [field.name for field in fields(one) if field.name not in ("timing_ms", "face_images")]
    return all(repr(getattr(one, name)) == repr(getattr(other, name)) for name in names)


def test_one_look_decides_as_many_checks(verifier):
    presentation = verifier.observe(CLIP, seed=SEED)
    for photo in PHOTOS:
        assert same(verifier.judge(presentation, verifier.enrol(photo)), verifier.check(CLIP, photo, seed=SEED))
    assert same(verifier.judge(presentation, None), verifier.assess_liveness(CLIP, seed=SEED))


def test_the_system_of_an_evaluation_decides_as_the_verifier_does(verifier):
    from idverify.evaluation.verifier_system import VerifierSystem

    system = VerifierSystem("ial2")
    told = system.stamp["policy"]
    names = ("sha256", "target_fmr", "target_fmr_with_liveness")
    assert all(told[name] == getattr(verifier.policy, name) for name in names)
    judge = system.observe(CLIP)
    for photo in PHOTOS:
        sent = pickle.dumps(system.enrol(photo))
        assert len(sent) < 25_000, "thousands of photos are kept in memory"
        decision = judge(pickle.loads(sent))
        assert same(decision, verifier.check(CLIP, photo, seed=decision.frames.seed))
    # The draw is the video's: another run gives the same scores.
    assert same(judge(None), system.observe(CLIP)(None))
    assert same(judge(None), verifier.assess_liveness(CLIP, seed=decision.frames.seed))


def test_a_photo_is_compared(verifier):
    decision = verifier.judge(verifier.enrol(PHOTOS[0]), verifier.enrol(PHOTOS[1]))
    assert same(decision, verifier.compare(PHOTOS[0], PHOTOS[1]))


def test_a_photo_alone_is_nothing_to_judge(verifier):
    with pytest.raises(UnsupportedMediaError, match="needs a video"):
        verifier.judge(verifier.enrol(PHOTOS[0]), None)

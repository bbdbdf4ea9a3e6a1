"""The whole verifier on whole files: photographs are never accepted, bad input is said, results repeat."""

from __future__ import annotations

import io
import json

import cv2
import numpy as np
import pytest
import stills
from media_factory import encode

from idverify.errors import IdverifyError, MediaError, MediaNotFoundError, PolicyError, UnsupportedMediaError
from idverify.faces.uprightness import turned
from idverify.reasons import Reason
from idverify.report import to_json
from idverify.verification.decision import Decision, Outcome, Task
from idverify.verification.verifier import Verifier

# Small clips of different cameras and codecs.
CLIPS = ("grid_bbaf2n.mpg", "lp_d18.mp4", "tv_jet_li.avi", "talk_vrt_2.mp4")


@pytest.fixture(scope="session")
def clip(tmp_path_factory, portrait):
    """Maker of stills turned into videos, each made once."""
    folder, made = tmp_path_factory.mktemp("stills"), {}

    def make(motion: str, seconds: float = 3.2, noise: float = 0.0):
        key = (motion, seconds, noise)
        if key not in made:
            made[key] = stills.write(folder / f"{motion}_{seconds}_{noise}.mp4", portrait, motion, seconds, noise=noise)
        return made[key]

    return make


def document(decision: Decision) -> str:
    """JSON without what the clock says."""
    values = to_json(decision)
    del values["timing_ms"]
    return json.dumps(values, sort_keys=True)


# -- a photograph is not a person --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def reference(verifier, portrait):
    return verifier.enrol(portrait)


@pytest.mark.parametrize(
    ("motion", "noise"), [*((motion, 0.0) for motion in stills.MOTIONS), ("fixed", 4.0), ("panned", 4.0)]
)
def test_a_still_photograph_turned_into_a_video_is_never_accepted(verifier, clip, reference, motion, noise):
    """Neither beside the photograph itself nor, asked for liveness alone, beside none."""
    seen = verifier.observe(clip(motion, noise=noise))
    for decision in (verifier.judge(seen, reference), verifier.judge(seen, None)):
        assert not decision.accepted
        assert decision.confidence is None or decision.confidence < 0.9
        if decision.outcome is Outcome.REJECT:
            named = {Reason.STATIC_PRESENTATION, Reason.REFERENCE_REUSED, Reason.PRESENTATION_ATTACK}
            assert named & set(decision.reasons)
            assert decision.guidance


def test_it_matches_all_the_same_and_is_rejected_for_what_it_is(verifier, clip, portrait):
    decision = verifier.check(clip("panned"), portrait)
    assert decision.match.matched, "it is her face, after all"
    assert decision.outcome is Outcome.REJECT
    assert decision.reasons[0] in (Reason.STATIC_PRESENTATION, Reason.REFERENCE_REUSED)


@pytest.mark.parametrize("turn_deg", [90, 180, 270])
def test_a_recording_that_turns_in_its_middle_is_read_upright_in_both_halves(verifier, portrait, turn_deg):
    shots = [np.roll(portrait[:300], (k // 6, k // 4), axis=(0, 1)) for k in range(90)]
    shots = [shot if k < 40 else turned(shot, turn_deg) for k, shot in enumerate(shots)]
    seen = verifier.observe(encode(shots, rate=30, options={"crf": "14", "preset": "ultrafast"}))
    assert "the pictures turn in the middle of the recording; they were turned back" in seen.warnings
    assert seen.subject.coverage > 0.95
    assert not {Reason.PERSON_CHANGED, Reason.FACE_LOST, Reason.RECORDING_CUT} & set(seen.obstacles)
    for track in seen.capture.tracks.values():
        assert np.abs(track.yaw_pitch_roll_deg[:, 2]).max() < 20


@pytest.mark.parametrize("narrow_first", [True, False])
def test_a_recording_whose_sides_change_in_its_middle_shows_one_person(verifier, portrait, narrow_first):
    """As browsers record while a phone is turned: the same scene, in pictures of another shape."""
    shots = [np.roll(portrait[:300], (k // 6, k // 4), axis=(0, 1)) for k in range(80)]
    shaped = [shot[:, 60:240] if (k < 40) == narrow_first else shot for k, shot in enumerate(shots)]
    options = {"crf": "14", "preset": "ultrafast", "bf": "0"}
    times_ms = [round(1000 * k / 30) for k in range(80)]
    coded = [
        encode(shaped[part], container="mpegts", times_ms=times_ms[part], options=options)
        for part in (slice(40), slice(40, 80))
    ]
    seen = verifier.observe(b"".join(coded))
    assert "the size of the pictures changes" in seen.warnings
    assert seen.subject.coverage > 0.95
    assert not {Reason.PERSON_CHANGED, Reason.FACE_LOST, Reason.FACE_CROPPED} & set(seen.obstacles)


def test_where_liveness_is_judged_the_match_must_be_firmer(verifier, clip, portrait):
    decision = verifier.check(clip("shaken", 1.6), portrait)
    assert decision.match.target_fmr == verifier.policy.target_fmr_with_liveness
    assert verifier.compare(portrait, portrait).match.target_fmr == verifier.policy.target_fmr


def test_without_a_reference_nobody_is_compared(verifier, clip):
    decision = verifier.assess_liveness(clip("shaken", 1.6))
    assert decision.task is Task.LIVENESS
    assert decision.match is None
    assert decision.reference is None


def test_the_unsafe_policy_accepts_it_and_shouts(clip, portrait, verifier):
    decision = Verifier(policy="unsafe-comparison-only").check(clip("shaken", 1.6), portrait)
    assert decision.outcome is Outcome.ACCEPT
    assert any("unsafe-comparison-only" in warning for warning in decision.warnings)


# -- photos that cannot be used ----------------------------------------------------------------------------------------


def references(portrait) -> dict[str, tuple[np.ndarray, Reason]]:
    # Columns of the portrait: the face is between 130 and 240, its middle near 185.
    return {
        "none": (np.full((300, 300, 3), 127, np.uint8), Reason.REFERENCE_UNUSABLE),
        "two": (np.hstack([portrait, portrait[:, ::-1]]), Reason.REFERENCE_MULTIPLE_FACES),
        "half": (np.ascontiguousarray(portrait[:, 185:]), Reason.REFERENCE_UNUSABLE),
        "a blur": (cv2.GaussianBlur(portrait, (0, 0), 14), Reason.REFERENCE_UNUSABLE),
        "night": ((portrait * 0.04).astype(np.uint8), Reason.REFERENCE_UNUSABLE),
    }


@pytest.mark.parametrize("what", ["none", "two", "half", "a blur", "night"])
def test_a_photo_that_cannot_be_used_is_a_reason(verifier, portrait, what):
    photo, reason = references(portrait)[what]
    decision = verifier.compare(portrait, photo)
    assert decision.outcome is Outcome.INCONCLUSIVE
    assert decision.reasons[0] is reason
    assert decision.match is None
    assert decision.confidence is None
    assert decision.guidance[0] == reason.guidance


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("none", Reason.NO_FACE),
        ("two", Reason.MULTIPLE_FACES),
        ("night", Reason.TOO_DARK),
    ],
)
def test_a_photo_to_compare_that_cannot_be_used_says_what_is_wrong_with_it(verifier, portrait, what, reason):
    photo, _ = references(portrait)[what]
    decision = verifier.compare(photo, portrait)
    assert decision.outcome is Outcome.INCONCLUSIVE
    assert decision.reasons[0] is reason


def test_what_is_neither_photo_nor_video_is_told_as_both(verifier, portrait, tmp_path):
    text = tmp_path / "text.jpg"
    text.write_text("plain text, whatever the name says")
    with pytest.raises(UnsupportedMediaError, match=r"is not a photo.*JPEG.*is not a video.*MP4"):
        verifier.compare(text, portrait)
    with pytest.raises(UnsupportedMediaError, match="is a folder") as caught:
        verifier.compare(tmp_path, portrait)
    assert str(caught.value).count("is a folder") == 1


def test_two_photos_of_her_match_and_a_stranger_does_not(verifier, portrait):
    again = cv2.resize(portrait[:, ::-1], None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    decision = verifier.compare(portrait, np.ascontiguousarray(again))
    assert decision.outcome is Outcome.ACCEPT
    assert decision.task is Task.MATCH
    assert decision.match.fmr_at_score <= 1e-4
    assert decision.liveness is None


# -- files that are no media -------------------------------------------------------------------------------------------


def bad_files(folder) -> dict[str, tuple[object, type[IdverifyError]]]:
    text = folder / "notes.mp4"
    text.write_text("This is not a video.\n" * 50)
    empty = folder / "empty.mp4"
    empty.touch()
    return {
        "a text file named .mp4": (text, UnsupportedMediaError),
        "an empty file": (empty, IdverifyError),
        "a folder": (folder, MediaError),
        "nothing there": (folder / "absent.mp4", MediaNotFoundError),
        "bytes of text": (b"not a video either", UnsupportedMediaError),
    }


@pytest.mark.parametrize(
    "what", ["a text file named .mp4", "an empty file", "a folder", "nothing there", "bytes of text"]
)
def test_what_is_no_video_raises_one_sentence(verifier, portrait, tmp_path, what):
    media, error = bad_files(tmp_path)[what]
    with pytest.raises(error) as caught:
        verifier.check(media, portrait)
    assert "\n" not in str(caught.value)


def test_a_bad_policy_is_told_before_any_file_is_read():
    with pytest.raises(PolicyError, match="the policies are"):
        Verifier(policy="ial9")


# -- the same again ----------------------------------------------------------------------------------------------------


def test_the_same_files_give_the_same_document(verifier, clip, portrait):
    first, second = (document(verifier.check(clip("tilted", 1.6), portrait, seed=7)) for _ in range(2))
    assert first == second


def test_a_path_bytes_and_a_file_give_the_same_document(verifier, clip, portrait, tmp_path):
    video = clip("shaken", 1.6)
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), portrait[..., ::-1])
    expected = document(verifier.check(str(video), portrait, seed=7))
    assert document(verifier.check(video.read_bytes(), photo, seed=7)) == expected
    with video.open("rb") as stream:
        assert document(verifier.check(stream, photo.read_bytes(), seed=7)) == expected
    enrolled = verifier.enrol(io.BytesIO(photo.read_bytes()))
    assert document(verifier.judge(verifier.observe(video, seed=7), enrolled)) == expected


def test_a_new_verifier_gives_the_same_document(verifier, clip, portrait):
    assert document(Verifier(policy="ial2").check(clip("tilted", 1.6), portrait, seed=7)) == document(
        verifier.check(clip("tilted", 1.6), portrait, seed=7)
    )


def test_the_seed_that_was_drawn_makes_the_same_decision_again(verifier, clip, portrait):
    first = verifier.check(clip("shaken", 1.6), portrait)
    assert document(verifier.check(clip("shaken", 1.6), portrait, seed=first.frames.seed)) == document(first)


def test_progress_rises_and_face_images_come_only_when_asked(verifier, clip, portrait):
    shares: list[float] = []
    decision = verifier.check(clip("shaken", 1.6), portrait, progress=shares.append, face_images=True)
    assert shares == sorted(shares)
    assert shares[-1] > 0.9
    assert decision.face_images
    assert "array" not in repr(decision)
    assert verifier.check(clip("shaken", 1.6), portrait).face_images == ()


def test_the_inspection_has_no_verdict(verifier, clip):
    seen = verifier.inspect(clip("tilted", 1.6))
    assert len(seen.tracks) == 1
    assert not hasattr(seen, "outcome")
    assert {"stillness", "depth"} <= {signal.name for signal in seen.signals}


# -- real recordings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLIPS)
def test_a_real_recording_gives_an_outcome(verifier, shared_data, portrait, name):
    """Whose face it is not: never accepted against a stranger's photo."""
    decision = verifier.check(shared_data / "videos" / "bona_fide" / name, portrait)
    assert decision.outcome in (Outcome.REJECT, Outcome.INCONCLUSIVE)
    assert decision.match is None or not decision.match.matched
    assert decision.frames.analysed > 10


def test_a_recording_of_the_person_matches(verifier, shared_data):
    video = shared_data / "videos" / "bona_fide" / "tv_tony_blair.avi"
    decision = verifier.compare(video, shared_data / "lfw" / "Tony_Blair" / "Tony_Blair_0002.jpg")
    assert decision.match is not None
    assert decision.match.llr > 0
    assert decision.outcome is not Outcome.REJECT


def test_a_show_with_many_faces_is_never_accepted(verifier, shared_data):
    """Not for either of the two people who are in it."""
    seen = verifier.observe(shared_data / "videos" / "multiple_faces" / "multi_award_show.mp4")
    for who in ("lin-manuel-miranda.png", "alex-lacamoire.png"):
        assert not verifier.judge(seen, verifier.enrol(shared_data / "references" / who)).accepted
    assert not verifier.judge(seen, None).accepted

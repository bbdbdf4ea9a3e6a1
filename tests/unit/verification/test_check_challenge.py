"""A challenge inside a verification: what it does to the decision, and how the decision tells of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import builders
import numpy as np
import pytest
from jsonschema import Draft202012Validator

import idverify.challenge as ch
from idverify.challenge import Behaviour, ChallengeOutcome, ChallengeResult
from idverify.challenge.attempt import Attempt
from idverify.challenge.from_track import LightObserver, Likeness, TurnedFaces
from idverify.errors import ChallengeError, ParameterError
from idverify.faces.landmarks import LEFT_EYE, MOUTH_CORNERS, RIGHT_EYE
from idverify.faces.tracking import FaceTrack
from idverify.pad.motion import MotionObserver, MotionSignals
from idverify.reasons import Reason
from idverify.report import load_schema, to_json
from idverify.report.html import to_html
from idverify.report.words import Tone, findings, warnings
from idverify.verification.decision import Findings, LivenessEvidence, Outcome, Task, decide
from idverify.verification.policy import DecisionPolicy, load_policy
from idverify.verification.verifier import Verifier

KEY = "a secret of this test, 24 B"
NOW_S = 1_800_000_000.0
WIDTH_PX = 640
CLEAN = Behaviour(amplitude=(1.0, 1.0), delay_s=(0.5, 0.5), rate_hz=(30.0, 30.0), missing=(0.0, 0.0), noise=0.0)


def issued(kind: ch.Kind = "motion", **options: Any) -> ch.Challenge:
    return ch.issue(kind=kind, **{"seed": 1, "key": KEY, "now_s": NOW_S, **options})


def answer(challenge: ch.Challenge) -> ch.AnswerSeries:
    return ch.simulate_answer(challenge, np.random.default_rng(5), CLEAN)


def attempt(challenge: ch.Challenge, *, mirrored: bool = False) -> Attempt:
    return Attempt.at(challenge, key=KEY, mirrored=mirrored, allow_seeded=True)


class Solid(MotionObserver):
    """Saw what a solid head shows that moves as the answer says."""

    def __init__(self, series: ch.AnswerSeries) -> None:
        super().__init__()
        self._series = series

    def signals(self) -> MotionSignals:
        n, points = len(self._series), PATCH_POINTS[None].repeat(len(self._series), axis=0)
        sines = np.sin(np.radians(self._series.turned_deg)) * np.array([-1.0, 1.0])
        depth = np.tile(np.random.default_rng(1).permutation(np.linspace(-20.0, 20.0, points.shape[1])), (n, 1))
        rows = {name: getattr(MotionObserver().signals(), name) for name in MotionSignals.__slots__}
        empty = {name: np.full((n, *value.shape[1:]), np.nan) for name, value in rows.items()}
        return MotionSignals(**{
            **empty,
            "times_s": self._series.times_s, "is_key": np.arange(n) == 0, "eye_distance_px": np.full(n, 80.0),
            "pose_change_deg": np.column_stack([self._series.turned_deg, np.zeros(n)]),
            "key_points": points, "key_depth": depth, "off_plane": depth[..., None] * sines[:, None],
        })  # fmt: skip


PATCH_POINTS = np.stack(np.meshgrid(np.linspace(30, 98, 6), np.linspace(40, 112, 6)), -1).reshape(-1, 2)


def likeness_of(series: ch.AnswerSeries) -> Likeness:
    assert series.likeness_llr is not None
    seen = np.isfinite(series.likeness_llr)
    return Likeness(times_s=series.times_s[seen], mated_llr=series.likeness_llr[seen])


def judged(what: Attempt, face: FaceTrack, observers: Any = None, **options: Any) -> ChallengeResult:
    return what.judge(
        face,
        observers or {},
        **{"picture_width_px": WIDTH_PX, "recording_s": 20.0, "admission": ch.Admission(), **options},
    )


def followed() -> ChallengeResult:
    return ch.judge(issued("both"), answer(issued("both")), mirrored=False)


def not_followed() -> ChallengeResult:
    return ch.judge(issued(seed=2), answer(issued()), mirrored=False)


def stopped_early() -> ChallengeResult:
    challenge = issued()
    whole = answer(challenge)
    end = int(np.searchsorted(whole.times_s, challenge.steps[-1].start_s))
    names = [f.name for f in dataclasses.fields(whole)]
    return ch.judge(challenge, ch.AnswerSeries(**{n: getattr(whole, n)[:end] for n in names}), mirrored=False)


def refused() -> ChallengeResult:
    return ch.refused(issued(), Reason.CHALLENGE_EXPIRED, mirrored=False)


def nobody() -> ChallengeResult:
    return ch.unseen(issued(), Reason.NO_FACE, mirrored=False)


RESULTS: dict[str, tuple[Callable[[], ChallengeResult], ChallengeOutcome]] = {
    "followed": (followed, ChallengeOutcome.FOLLOWED),
    "not_followed": (not_followed, ChallengeOutcome.NOT_FOLLOWED),
    "stopped_early": (stopped_early, ChallengeOutcome.NOT_ASSESSED),
    "nobody": (nobody, ChallengeOutcome.NOT_ASSESSED),
    "refused": (refused, ChallengeOutcome.REFUSED),
}


def found(challenge: ChallengeResult | None, **changes: Any) -> Findings:
    good: dict[str, Any] = {
        "task": Task.CHECK,
        "match": builders.match(),
        "liveness": LivenessEvidence(
            llr=4.0, probability=0.98, mechanisms=(builders.stillness(),), classes=builders.attack_classes()
        ),
        "obstacles": (),
        "challenge": challenge,
    }
    return Findings(**(good | changes))


@pytest.fixture(params=["recovery", "ial2"])
def policy(request: pytest.FixtureRequest) -> DecisionPolicy:
    return dataclasses.replace(load_policy(request.param), required_mechanisms=("stillness",))


# -- the rule --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RESULTS)
def test_a_challenge_that_was_given_decides_required_or_not(policy: DecisionPolicy, name: str) -> None:
    make, expected = RESULTS[name]
    result = make()
    assert result.outcome is expected
    outcome, reasons = decide(found(result), policy)
    wanted = {
        ChallengeOutcome.FOLLOWED: Outcome.ACCEPT,
        ChallengeOutcome.NOT_ASSESSED: Outcome.INCONCLUSIVE,
        ChallengeOutcome.NOT_FOLLOWED: Outcome.REJECT,
        ChallengeOutcome.REFUSED: Outcome.REJECT,
    }
    assert outcome is wanted[expected]
    assert set(result.reasons) <= set(reasons)


def test_no_challenge_is_missed_only_where_one_is_required() -> None:
    required = dataclasses.replace(load_policy("recovery"), required_mechanisms=("stillness",))
    assert decide(found(None), required) == (Outcome.INCONCLUSIVE, (Reason.CHALLENGE_MISSING,))
    assert decide(found(None, task=Task.LIVENESS, match=None), required)[1] == (Reason.CHALLENGE_MISSING,)
    assert Reason.CHALLENGE_MISSING not in decide(found(None), load_policy("ial2"))[1]


def test_the_missing_challenge_is_the_first_advice_and_hides_no_attack() -> None:
    required = dataclasses.replace(load_policy("recovery"), required_mechanisms=("stillness",))
    assert decide(found(None, obstacles=(Reason.TOO_DARK,)), required)[1][0] is Reason.CHALLENGE_MISSING
    stranger = builders.match(matched=False, llr=-9.0)
    assert decide(found(None, match=stranger), required) == (Outcome.REJECT, (Reason.NO_MATCH,))


@pytest.mark.parametrize("task", [Task.CHECK, Task.LIVENESS])
@pytest.mark.parametrize("name", ["recovery", "ial2", "unsafe-comparison-only"])
def test_an_answered_challenge_never_accepts_by_itself(task: Task, name: str) -> None:
    nothing = found(followed(), task=task, match=None, liveness=None)
    assert decide(nothing, load_policy(name))[0] is Outcome.INCONCLUSIVE


# -- the attempt -----------------------------------------------------------------------------------------


def as_followed_face(series: ch.AnswerSeries) -> FaceTrack:
    """The track of a face that moves as the series says: only eyes and mouth corners have a place."""
    n = len(series)
    points = np.zeros((n, 468, 3), np.float32)
    eyes = series.face_scale * WIDTH_PX
    for eye, side in ((RIGHT_EYE, -0.5), (LEFT_EYE, 0.5)):
        points[:, eye[:2], 0] = (side * eyes)[:, None]
    for corner, side in zip(MOUTH_CORNERS, (-0.5, 0.5), strict=True):
        points[:, corner, 0] = side * series.mouth_width * eyes
    return FaceTrack(
        track_id=0,
        frame_indices=np.arange(n),
        times_s=series.times_s,
        bboxes_xyxy_px=np.tile([200.0, 100.0, 400.0, 360.0], (n, 1)),
        points_px=points,
        yaw_pitch_roll_deg=np.stack([series.yaw_deg, series.pitch_deg, series.roll_deg], axis=-1),
        eye_opening=series.eye_opening,
        mouth_opening=series.mouth_opening,
        presence=np.ones(n),
    )


@pytest.mark.parametrize("seed", range(6))
def test_an_honest_answer_goes_through_the_track_and_its_mirror_image_does_not(seed: int) -> None:
    challenge = issued(seed=seed, steps=4, avoid=["mouth", "move", "blink"])
    series = answer(challenge)
    face, observers, likeness = as_followed_face(series), {"motion": Solid(series)}, likeness_of(series)
    assert judged(attempt(challenge), face, observers, likeness=likeness).followed
    mirrored = judged(attempt(challenge, mirrored=True), face, observers, likeness=likeness)
    assert mirrored.mirrored
    assert not mirrored.followed
    assert not judged(attempt(challenge), face, observers).followed, "nobody compared the turned face"
    assert not judged(attempt(challenge), face, {}, likeness=likeness).followed, "nothing shows a solid head"


def test_each_kind_asks_for_what_it_needs_and_no_more() -> None:
    needs = {kind: attempt(issued(kind)).needs for kind in ch.KINDS}
    assert {kind: (n.eyes, list(n.factories.values())) for kind, n in needs.items()} == {
        "motion": (True, [TurnedFaces]),
        "light": (False, [LightObserver]),
        "both": (True, [LightObserver, TurnedFaces]),
    }
    assert attempt(issued(avoid=["turn"])).needs.factories == {}


def test_what_cannot_count_is_refused_and_uses_up_no_nonce() -> None:
    store = ch.MemoryNonceStore()
    challenge = issued(subject="ann", nonce_store=store)
    forged = dataclasses.replace(challenge, steps=challenge.steps[::-1])
    late = attempt(challenge).admit(now_s=NOW_S + 1e4, nonce_store=store)
    wrong = attempt(forged).admit(now_s=NOW_S + 60, nonce_store=store)
    first = attempt(challenge).admit(now_s=NOW_S + 60, nonce_store=store)
    again = attempt(challenge).admit(now_s=NOW_S + 60, nonce_store=store)
    assert [admission.refusal for admission in (late, wrong, first, again)] == [
        Reason.CHALLENGE_EXPIRED,
        Reason.CHALLENGE_SIGNATURE_INVALID,
        None,
        Reason.CHALLENGE_REUSED,
    ]


def test_a_recording_longer_than_the_time_since_its_challenge_is_refused_whatever_it_shows() -> None:
    challenge = issued(seed=None)
    series = answer(challenge)
    face, what = as_followed_face(series), attempt(challenge)
    admission = what.admit(now_s=NOW_S + 24.0, nonce_store=None)
    assert admission.refusal is None, "long enough for the challenge alone"
    assert judged(what, face, recording_s=23.0, admission=admission).outcome is not ChallengeOutcome.REFUSED
    late = judged(what, face, recording_s=25.0, admission=admission)
    assert (late.outcome, late.reasons) == (ChallengeOutcome.REFUSED, (Reason.CHALLENGE_IMPOSSIBLE_TIME,))
    nobody = what.unseen(Reason.NO_FACE, recording_s=25.0, admission=admission)
    assert nobody.reasons == (Reason.CHALLENGE_IMPOSSIBLE_TIME,)


@pytest.mark.parametrize("lacking", ["nonce_store", "subject"])
def test_a_policy_that_requires_a_challenge_requires_its_record_and_its_subject(lacking: str) -> None:
    given: dict[str, Any] = {"nonce_store": ch.MemoryNonceStore(), "subject": "ann"}
    given[lacking] = None
    with pytest.raises(ParameterError, match=lacking):
        Verifier(policy="recovery").check("none.mp4", "none.jpg", challenge=issued(), challenge_key=KEY, **given)


def test_steps_drawn_from_a_seed_are_predictable_however_they_were_revealed() -> None:
    for seed, refusal in ((1, Reason.CHALLENGE_PREDICTABLE), (None, None)):
        drawn = issued(seed=seed)
        timed = ch.TimedSteps(
            challenge=drawn, revealed_s=tuple(s.start_s for s in drawn.steps), recording_started_s=0.0, latency_s=2.0
        )
        admission = Attempt.at(timed, key=None, mirrored=False).admit(now_s=NOW_S, nonce_store=None)
        assert admission.refusal is refusal


def test_recovery_asks_at_least_as_much_of_liveness_as_ial2() -> None:
    recovery, ial2 = load_policy("recovery"), load_policy("ial2")
    assert set(recovery.weaker_than(ial2)) == set()


def test_an_attempt_is_prepared_from_a_file_and_never_without_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, challenge = tmp_path / "challenge.json", issued()
    path.write_text(ch.to_json(challenge), "utf-8")
    read = Attempt.at(path, key=KEY, mirrored=False)
    assert read.challenge == challenge
    assert KEY not in repr(read)
    monkeypatch.delenv(ch.KEY_VARIABLE, raising=False)
    with pytest.raises(ChallengeError, match="secret"):
        Attempt.at(path, key=None, mirrored=False)


# -- what is said of it ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_is_in_the_json_as_the_schema_says_and_on_the_page(name: str) -> None:
    result = RESULTS[name][0]()
    decision = builders.decision(challenge=result)
    document = to_json(decision)
    Draft202012Validator(load_schema()).validate(document)
    told = document["challenge"]
    assert told["outcome"] == result.outcome.value
    assert [step["status"] for step in told["steps"]] == [step.status.value for step in result.steps]
    assert (told["light"] is None) == (result.light is None)
    rows = {row.label: row for row in findings(decision)}
    assert all(reason.sentence in rows["challenge"].text for reason in result.reasons)
    assert rows["challenge"].text in to_html(decision).replace("&#x27;", "'")


def test_colours_speak_for_and_against() -> None:
    tones = {
        name: {row.label: row.tone for row in findings(builders.decision(challenge=RESULTS[name][0]()))}
        for name in RESULTS
    }
    assert tones["followed"]["challenge"] is tones["followed"]["colours"] is Tone.FOR
    assert tones["not_followed"]["challenge"] is tones["refused"]["challenge"] is Tone.AGAINST
    assert tones["nobody"]["challenge"] is tones["stopped_early"]["challenge"] is Tone.NEUTRAL


def test_a_challenge_that_can_be_predicted_is_shouted_about() -> None:
    checked = ch.Admission(arrival_stated=True, subject_checked=True, nonce_checked=True)
    seeded, real = (dataclasses.replace(followed(), seeded=s, admission=checked) for s in (True, False))
    assert any("PREDICTABLE" in line for line in warnings(builders.decision(challenge=seeded)))
    assert warnings(builders.decision(challenge=real)) == ()


@pytest.mark.parametrize("gap", ["arrival_stated", "subject_checked", "nonce_checked"])
def test_what_was_not_looked_at_is_said(gap: str) -> None:
    checked = ch.Admission(arrival_stated=True, subject_checked=True, nonce_checked=True)
    result = dataclasses.replace(followed(), seeded=False, admission=dataclasses.replace(checked, **{gap: False}))
    assert len(warnings(builders.decision(challenge=result))) == 1
    assert to_json(builders.decision(challenge=result))["challenge"][gap] is False

"""Issuing, sealing, reading and refusing challenges; verdicts on hand-made answers."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import idverify.challenge as ch
from idverify.challenge import Action, Behaviour, ChallengeOutcome, StepStatus
from idverify.challenge.simulation import on_a_sheet
from idverify.errors import ChallengeError, ChallengeLimitError, ParameterError
from idverify.reasons import Reason

KEY = "a secret of this test, 24 B"
NOW_S = 1_800_000_000.0


def issued(**options: object) -> ch.Challenge:
    return ch.issue(**{"seed": 1, "key": KEY, "now_s": NOW_S, **options})  # type: ignore[arg-type]


def asking(*actions: Action, **options: object) -> ch.Challenge:
    """A challenge for these movements, properly sealed by nobody."""
    drawn = issued(steps=max(3, len(actions)), **options)
    steps = tuple(dataclasses.replace(s, action=a) for s, a in zip(drawn.steps, actions, strict=False))
    return dataclasses.replace(drawn, steps=steps)


def answer(challenge: ch.Challenge, **changes: object) -> ch.AnswerSeries:
    behaviour = Behaviour(amplitude=(1.0, 1.0), delay_s=(0.5, 0.5), rate_hz=(30.0, 30.0), missing=(0.0, 0.0), noise=0.0)
    series = ch.simulate_answer(challenge, np.random.default_rng(5), behaviour)
    return dataclasses.replace(series, **changes)  # type: ignore[arg-type]


# -- issue -----------------------------------------------------------------------------------------------


def test_sequences_are_uniform_over_what_the_count_says() -> None:
    counts = Counter(tuple(s.action for s in issued(seed=seed, avoid=["look", "mouth", "blink"], steps=5).steps)
                     for seed in range(6000))  # fmt: skip
    possible = round(1 / ch.guess_probability(n_actions=4, n_steps=5))
    assert len(counts) == possible == 4 * 3**4 - 4 * 3**2
    assert max(counts.values()) < 3.0 * 6000 / possible


@pytest.mark.parametrize("kind", ch.KINDS)
def test_no_repeat_no_palindrome_windows_follow_each_other(kind: ch.Kind) -> None:
    for seed in range(100):
        challenge = issued(kind=kind, seed=seed)
        for symbols in ([s.action for s in challenge.steps], [s.colour for s in challenge.light]):
            assert all(a is not b for a, b in pairwise(symbols))
            assert symbols != symbols[::-1] or not symbols
        parts = [*challenge.steps, *challenge.light]
        assert all(a.end_s <= b.start_s for a, b in pairwise(parts))
        assert challenge.kind == kind


def test_avoided_movements_are_never_asked_for() -> None:
    for seed in range(200):
        actions = {s.action for s in issued(seed=seed, avoid=["blink", "turn-left"]).steps}
        assert not actions & {Action.BLINK_TWICE, Action.TURN_LEFT}


def test_fewer_movements_mean_more_steps_by_default() -> None:
    few = issued(avoid=["look", "mouth", "blink", "turn_left"])
    assert len(few.steps) > 3
    assert few.guess_probability <= 0.01


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "dance"},
        {"steps": 1},
        {"steps": 2},
        {"steps": 99},
        {"avoid": ["turn", "look", "mouth", "blink", "move"]},
        {"avoid": ["turn", "look", "mouth", "blink"]},
        {"avoid": ["sneeze"]},
        {"ttl_s": 3.0},
        {"steps": 3, "avoid": ["look", "mouth", "turn"]},
    ],
)
def test_what_luck_would_answer_is_not_issued(options: dict[str, object]) -> None:
    with pytest.raises(ParameterError):
        issued(**options)


def test_no_secret_or_a_short_one_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ch.KEY_VARIABLE, raising=False)
    with pytest.raises(ChallengeError, match=ch.KEY_VARIABLE):
        ch.issue()
    with pytest.raises(ChallengeError, match="16"):
        ch.issue(key="short")
    monkeypatch.setenv(ch.KEY_VARIABLE, KEY)
    assert ch.issue().is_signed_by(KEY)


def test_two_unseeded_challenges_differ_and_a_seeded_one_says_so() -> None:
    a, b = ch.issue(key=KEY), ch.issue(key=KEY)
    assert a.nonce != b.nonce
    assert not a.seeded
    assert issued().steps == issued().steps
    assert issued().seeded


# -- files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ch.KINDS)
def test_a_file_gives_back_the_same_challenge(kind: ch.Kind, tmp_path: Path) -> None:
    challenge = issued(kind=kind)
    (tmp_path / "c.json").write_text(ch.to_json(challenge))
    assert ch.load(tmp_path / "c.json") == challenge
    assert ch.load(tmp_path / "c.json").is_signed_by(KEY)


def test_any_changed_value_breaks_the_seal_or_the_form() -> None:
    original = json.loads(ch.to_json(issued(kind="both", subject="ann")))
    changed = 0
    for path, value in list(leaves(original)):
        forged = json.loads(json.dumps(original))
        place = forged
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = {"true": False, "false": True}.get(str(value).lower(), other(value))
        with suppress(ChallengeError):
            assert not ch.from_json(json.dumps(forged)).is_signed_by(KEY), path
        changed += 1
    assert changed > 30


def leaves(tree: object, path: tuple[object, ...] = ()) -> object:
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else None
    if pairs is None:
        yield path, tree
    else:
        for key, value in pairs:
            yield from leaves(value, (*path, key))


def other(value: object) -> object:
    if isinstance(value, int):
        return value + 1
    swaps = {"turn_left": "turn_right", "red": "blue"}
    return swaps.get(str(value), str(value)[:-1] + ("0" if str(value)[-1] != "0" else "1"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        '{"format": "idverify-challenge/1"}',
        '{"a":1,"a":2}',
        "[" * 100_000,
        b"\xff\xfe",
        "NaN",
    ],
)
def test_what_is_no_challenge_is_refused(text: str | bytes) -> None:
    with pytest.raises(ChallengeError):
        ch.from_json(text)


@pytest.mark.parametrize("field", ["nonce", "steps", "extra"])
def test_missing_and_unknown_fields_are_refused(field: str) -> None:
    fields = json.loads(ch.to_json(issued()))
    fields = {k: v for k, v in fields.items() if k != field} if field in fields else {**fields, field: 1}
    with pytest.raises(ChallengeError):
        ch.from_json(json.dumps(fields))


@pytest.mark.parametrize("value", [True, 1.5, -1, "1000", 10**30, None])
def test_times_are_whole_milliseconds(value: object) -> None:
    fields = json.loads(ch.to_json(issued()))
    fields["steps"][0]["start_ms"] = value
    with pytest.raises(ChallengeError):
        ch.from_json(json.dumps(fields))


def test_a_missing_file_is_a_challenge_error(tmp_path: Path) -> None:
    for name in ("none.json", "null\0character"):
        with pytest.raises(ChallengeError, match="cannot read"):
            ch.load(tmp_path / name)
    with pytest.raises(ChallengeError, match="cannot be used"):
        ch.SqliteNonceStore(tmp_path / "null\0character")


# -- admission -------------------------------------------------------------------------------------------


def store_of(kind: str, folder: Path, **options: int) -> ch.NonceStore:
    return ch.MemoryNonceStore(**options) if kind == "memory" else ch.SqliteNonceStore(folder / "n.sqlite", **options)


def test_seal_seed_subject_time_and_nonce_are_judged_in_this_order() -> None:
    store = ch.MemoryNonceStore()
    challenge = issued(seed=None, subject="ann", nonce_store=store)

    def admit(c: ch.Challenge, now_s: float, key: str = KEY, subject: str = "ann") -> Reason | None:
        return ch.admit(c, key=key, now_s=now_s, nonce_store=store, subject=subject).refusal

    assert admit(challenge, NOW_S + 60, "quite another secret, 26 B") is Reason.CHALLENGE_SIGNATURE_INVALID
    longer = dataclasses.replace(challenge, expires_at_s=challenge.expires_at_s + 1e6)
    assert admit(longer, NOW_S + 60) is Reason.CHALLENGE_SIGNATURE_INVALID
    moved = dataclasses.replace(challenge, subject=issued(subject="bob").subject)
    assert admit(moved, NOW_S + 60, subject="bob") is Reason.CHALLENGE_SIGNATURE_INVALID
    assert admit(issued(subject="ann"), NOW_S + 60) is Reason.CHALLENGE_PREDICTABLE
    assert admit(challenge, NOW_S + 60, subject="bob") is Reason.CHALLENGE_OF_ANOTHER
    assert admit(issued(seed=None), NOW_S + 60) is Reason.CHALLENGE_OF_ANOTHER, "issued for nobody"
    assert admit(challenge, NOW_S + 120) is Reason.CHALLENGE_EXPIRED
    assert admit(challenge, NOW_S + 119.9) is None, "none of the refusals used the nonce up"
    assert admit(challenge, NOW_S + 119.9) is Reason.CHALLENGE_REUSED


# -- time ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ch.KINDS)
def test_an_answer_from_before_it_can_have_been_made_is_refused_and_uses_the_nonce_up(kind: ch.Kind) -> None:
    for after_s, expected in ((-1.0, True), (0.0, True), (8.0, None), (60.0, False)):
        store = ch.MemoryNonceStore()
        challenge = issued(seed=None, kind=kind, subject="ann", nonce_store=store)
        arrival_s = NOW_S + (challenge.duration_s - 0.01 if expected is None else after_s)
        result = ch.verify(
            challenge, answer(challenge), key=KEY, now_s=NOW_S + 100, received_at_s=arrival_s, subject="ann",
            mirrored=False, nonce_store=store,
        )  # fmt: skip
        assert (result.reasons == (Reason.CHALLENGE_IMPOSSIBLE_TIME,)) is (expected is not False)
        assert store.claim(challenge.nonce, now_s=NOW_S).refusal is Reason.CHALLENGE_REUSED


def test_the_recordings_own_length_counts_where_it_is_longer_and_the_slack_ends_it() -> None:
    challenge = issued(seed=None)

    def reasons(after_s: float, recording_s: float, slack_s: float = 30.0) -> Reason:
        return ch.verify(
            challenge, answer(challenge), key=KEY, now_s=NOW_S + after_s, received_at_s=NOW_S + after_s,
            recording_s=recording_s, slack_s=slack_s, mirrored=False,
        ).reasons[0]  # fmt: skip

    assert reasons(24.9, 25.0) is Reason.CHALLENGE_IMPOSSIBLE_TIME
    assert reasons(25.1, 25.0) is Reason.CHALLENGE_FOLLOWED
    assert reasons(54.9, 25.0) is Reason.CHALLENGE_FOLLOWED
    assert reasons(55.1, 25.0) is Reason.CHALLENGE_EXPIRED
    assert reasons(challenge.duration_s + 30.1, 0.0) is Reason.CHALLENGE_EXPIRED, "a short recording gains no time"


def test_an_unstated_arrival_is_the_time_of_verification_and_said_so() -> None:
    challenge = issued(seed=None)
    late = ch.admit(challenge, key=KEY, now_s=NOW_S + 60)
    assert late.refusal is None
    assert not late.arrival_stated
    stated = ch.admit(challenge, key=KEY, now_s=NOW_S + 1e6, received_at_s=NOW_S + 60)
    assert stated.refusal is None
    assert stated.arrival_stated, "a file may be checked long after it arrived"
    assert ch.admit(challenge, key=KEY, now_s=NOW_S + 1).refusal is Reason.CHALLENGE_IMPOSSIBLE_TIME
    with pytest.raises(ParameterError, match="ahead of the clock"):
        ch.admit(challenge, key=KEY, now_s=NOW_S, received_at_s=NOW_S + 60)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), -1.0, 1e300])
def test_what_is_no_time_is_a_parameter_error(value: float) -> None:
    with pytest.raises(ParameterError):
        issued(ttl_s=value)
    with pytest.raises(ParameterError):
        issued(now_s=value)
    for name in ("now_s", "received_at_s"):
        with pytest.raises(ParameterError):
            ch.admit(issued(), key=KEY, **{"now_s": NOW_S, name: value})


# -- counting --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_nobody_shops_for_a_challenge_that_fits(kind: str, tmp_path: Path) -> None:
    """Of any number of challenges asked for, the newest counts; their number is limited and enters the luck."""
    store = store_of(kind, tmp_path, daily_limit=5)
    asked = [issued(seed=None, subject="ann", nonce_store=store) for _ in range(5)]
    with pytest.raises(ChallengeLimitError, match="5 challenges"):
        issued(seed=None, subject="ann", nonce_store=store)
    assert issued(seed=None, subject="bob", nonce_store=store), "others are not shut out"
    for old in asked[:-1]:
        assert store.claim(old.nonce, now_s=NOW_S).refusal is Reason.CHALLENGE_SUPERSEDED
    result = ch.verify(
        asked[-1], answer(asked[-1]), key=KEY, now_s=NOW_S + 60, subject="ann", mirrored=False, nonce_store=store
    )
    assert result.followed
    assert result.admission.issued == 5
    assert result.guess_probability == pytest.approx(5 * asked[-1].guess_probability)
    assert issued(seed=None, subject="ann", nonce_store=store, now_s=NOW_S + 86_401), "a day later again"


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_challenge_that_was_never_entered_does_not_count(kind: str, tmp_path: Path) -> None:
    result = ch.admit(issued(seed=None), key=KEY, now_s=NOW_S + 60, nonce_store=store_of(kind, tmp_path))
    assert result.refusal is Reason.CHALLENGE_UNKNOWN


def test_the_subject_is_in_neither_the_file_nor_the_record(tmp_path: Path) -> None:
    store = ch.SqliteNonceStore(tmp_path / "n.sqlite")
    challenge = issued(subject="ann@example.org", nonce_store=store)
    assert "ann@" not in ch.to_json(challenge)
    assert b"ann@" not in (tmp_path / "n.sqlite").read_bytes()
    assert challenge.is_for("ann@example.org", KEY)
    assert not issued().is_for("", KEY)
    with pytest.raises(ParameterError, match="subject"):
        issued(nonce_store=store)


@pytest.mark.parametrize("limit", [0, -1, 2.5, None])
def test_a_limit_of_nothing_is_a_parameter_error(limit: object) -> None:
    with pytest.raises(ParameterError):
        ch.MemoryNonceStore(daily_limit=limit)  # type: ignore[arg-type]


def test_a_refused_challenge_is_never_followed() -> None:
    challenge = issued()
    result = ch.verify(challenge, answer(challenge), key=KEY, now_s=NOW_S + 500, mirrored=False, allow_seeded=True)
    assert result.outcome is ChallengeOutcome.REFUSED
    assert not result.followed
    assert result.reasons == (Reason.CHALLENGE_EXPIRED,)
    assert result.steps == ()
    with pytest.raises(TypeError):
        bool(result)


def _claim(path: str, nonce: str) -> bool:
    return ch.SqliteNonceStore(path).claim(nonce, now_s=NOW_S).refusal is None


def test_of_many_processes_one_gets_the_nonce(tmp_path: Path) -> None:
    path = str(tmp_path / "nonces.sqlite")
    for i in range(5):
        ch.SqliteNonceStore(path).issue(f"n{i}", subject=f"s{i}", expires_at_s=NOW_S + 120, now_s=NOW_S)
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        won = list(pool.map(_claim, [path] * 60, [f"n{i % 5}" for i in range(60)]))
    assert sum(won) == 5


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_of_many_threads_one_gets_the_nonce(kind: str, tmp_path: Path) -> None:
    store = store_of(kind, tmp_path)
    assert isinstance(store, ch.NonceStore)
    for i in range(3):
        store.issue(f"n{i}", subject=f"s{i}", expires_at_s=NOW_S, now_s=NOW_S)
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda i: store.claim(f"n{i % 3}", now_s=NOW_S), range(60)))
    assert sum(claim.refusal is None for claim in won) == 3
    assert {claim.refusal for claim in won} == {None, Reason.CHALLENGE_REUSED}


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_nonces_outlive_their_expiry_but_not_forever(kind: str, tmp_path: Path) -> None:
    store = store_of(kind, tmp_path)
    store.issue("n", subject="s", expires_at_s=NOW_S, now_s=NOW_S)
    assert store.claim("n", now_s=NOW_S).refusal is None
    store.issue("m", subject="s", expires_at_s=NOW_S, now_s=NOW_S + 3600)
    assert store.claim("n", now_s=NOW_S + 3600).refusal is Reason.CHALLENGE_REUSED
    store.issue("o", subject="s", expires_at_s=NOW_S, now_s=NOW_S + 90_000)
    assert store.claim("n", now_s=NOW_S + 90_000).refusal is Reason.CHALLENGE_UNKNOWN


def test_a_broken_nonce_store_is_an_error_not_an_unused_nonce(tmp_path: Path) -> None:
    (tmp_path / "n.sqlite").write_text("this is no database, however long one looks at it" * 50)
    with pytest.raises(ChallengeError, match="nonce store"):
        ch.SqliteNonceStore(tmp_path / "n.sqlite")


# -- movements -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", Action)
def test_each_movement_is_seen_as_itself(action: Action) -> None:
    asked = asking(action)
    step = ch.judge(asked, answer(asked), mirrored=False).steps[0]
    assert step.status is StepStatus.DONE
    assert step.seen is not None
    assert step.start_s + 0.5 <= step.seen.onset_s <= step.end_s


@pytest.mark.parametrize("asked", Action)
@pytest.mark.parametrize("done", Action)
def test_a_movement_never_passes_for_another(asked: Action, done: Action) -> None:
    result = ch.judge(asking(asked), answer(asking(done)), mirrored=False)
    assert result.followed == (asked is done)
    if asked is not done:
        assert result.steps[0].status is StepStatus.WRONG_ORDER
        assert result.reasons == (Reason.CHALLENGE_NOT_FOLLOWED,)


def test_doing_nothing_is_missed_and_swapping_is_wrong_order() -> None:
    asked = asking(Action.SMILE, Action.LOOK_UP, Action.TURN_LEFT)
    nothing = dataclasses.replace(asked, steps=())
    swapped = asking(Action.LOOK_UP, Action.SMILE, Action.TURN_LEFT)
    still = ch.judge(asked, answer_of_length(nothing, asked.duration_s), mirrored=False)
    assert [s.status for s in still.steps] == [StepStatus.MISSED] * 3
    wrong = ch.judge(asked, answer(swapped), mirrored=False)
    assert [s.status for s in wrong.steps] == [StepStatus.WRONG_ORDER] * 2 + [StepStatus.DONE]


def answer_of_length(challenge: ch.Challenge, length_s: float) -> ch.AnswerSeries:
    n = int(30 * (length_s + 1))
    return ch.AnswerSeries(
        times_s=np.arange(n) / 30, yaw_deg=np.zeros(n), pitch_deg=np.zeros(n), roll_deg=np.zeros(n),
        eye_opening=np.full((n, 2), 0.3), mouth_opening=np.zeros(n), mouth_width=np.full(n, 0.8),
        face_scale=np.full(n, 0.2),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ("stops_early", Reason.VIDEO_TOO_SHORT),
        ("face_hidden", Reason.FACE_LOST),
        ("sunglasses", Reason.EYES_NOT_VISIBLE),
        ("two_frames_a_second", Reason.LOW_FRAME_RATE),
        ("somebody_else", Reason.PERSON_CHANGED),
    ],
)
def test_what_cannot_be_seen_is_not_assessed_and_never_followed(lie: str, reason: Reason) -> None:
    asked = asking(Action.TURN_LEFT, Action.LOOK_UP, Action.BLINK_TWICE)
    series = answer(asked)
    last = series.times_s >= asked.steps[-1].start_s
    blank = {"eye_opening": np.where(last[:, None], np.nan, series.eye_opening)}
    hidden = {**blank, "yaw_deg": np.where(last, np.nan, series.yaw_deg)}
    lies = {
        "stops_early": lambda: taken(series, ~last),
        "face_hidden": lambda: dataclasses.replace(series, **hidden),
        "sunglasses": lambda: dataclasses.replace(series, **blank),
        "two_frames_a_second": lambda: taken(series, ~last | (np.arange(len(series)) % 14 == 0)),
        "somebody_else": lambda: dataclasses.replace(series, subject_id=last.astype(int)),
    }
    result = ch.judge(asked, lies[lie](), mirrored=False)
    assert result.outcome is ChallengeOutcome.NOT_ASSESSED
    assert result.reasons == (reason,)
    assert [s.status for s in result.steps] == [StepStatus.DONE, StepStatus.DONE, StepStatus.NOT_ASSESSABLE]


@pytest.mark.parametrize(("more_s", "reason"), [(-3.0, Reason.VIDEO_TOO_SHORT), (1.0, Reason.FACE_LOST)])
def test_who_leaves_before_the_last_step_did_not_send_a_short_recording(more_s: float, reason: Reason) -> None:
    asked = asking(Action.TURN_LEFT, Action.LOOK_UP, Action.SMILE)
    series = answer(asked)
    seen = taken(series, series.times_s < asked.steps[-1].start_s)
    result = ch.judge(asked, seen, mirrored=False, recording_s=asked.steps[-1].end_s + more_s)
    assert result.reasons == (reason,)


def test_who_is_away_for_a_step_did_not_record_too_few_pictures() -> None:
    asked = asking(Action.TURN_LEFT, Action.LOOK_UP, Action.SMILE)
    series = answer(asked)
    step = asked.steps[1]
    away = (series.times_s >= step.start_s) & (series.times_s < step.end_s)
    assert ch.judge(asked, taken(series, ~away), mirrored=False).reasons == (Reason.FACE_LOST,)


def taken(series: ch.AnswerSeries, keep: np.ndarray) -> ch.AnswerSeries:
    names = [f.name for f in dataclasses.fields(series)]
    return ch.AnswerSeries(**{name: getattr(series, name)[keep] for name in names})


def test_a_missed_step_outweighs_one_that_cannot_be_judged() -> None:
    asked = asking(Action.SMILE, Action.LOOK_UP, Action.TURN_LEFT)
    series = answer(asking(Action.SMILE))
    series = taken(series, series.times_s < asked.steps[1].end_s)
    result = ch.judge(asked, answer_of_length(asked, asked.steps[1].end_s), mirrored=False)
    assert result.outcome is ChallengeOutcome.NOT_FOLLOWED
    assert result.reasons == (Reason.CHALLENGE_NOT_FOLLOWED, Reason.VIDEO_TOO_SHORT)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_almost_no_frames_are_not_assessed(n: int) -> None:
    series = taken(answer(issued()), np.arange(len(answer(issued()))) < n)
    assert ch.judge(issued(), series, mirrored=False).outcome is ChallengeOutcome.NOT_ASSESSED


# -- light -----------------------------------------------------------------------------------------------


def test_colours_are_followed_and_nothing_else_is() -> None:
    asked, recorded = issued(kind="light", seed=1), issued(kind="light", seed=2)
    rng = np.random.default_rng(3)
    followed = ch.judge(asked, ch.simulate_answer(asked, rng), mirrored=False)
    assert followed.followed
    assert followed.light is not None
    assert followed.light.response > 5 * followed.light.background_response
    assert 0.0 <= followed.light.lag_s <= 0.3
    replayed = ch.judge(asked, ch.simulate_answer(recorded, rng), mirrored=False)
    assert replayed.outcome is ChallengeOutcome.NOT_FOLLOWED
    assert replayed.light is not None
    assert replayed.light.status is StepStatus.WRONG_ORDER


def test_strong_room_light_is_not_assessed() -> None:
    asked = issued(kind="light")
    sunny = Behaviour(ambient_lux=(20_000.0, 30_000.0))
    for seed in range(5):
        result = ch.judge(asked, ch.simulate_answer(asked, np.random.default_rng(seed), sunny), mirrored=False)
        assert result.outcome is ChallengeOutcome.NOT_ASSESSED
        assert result.reasons[0] in (Reason.TOO_BRIGHT, Reason.TOO_MUCH_MOVEMENT)


@pytest.mark.parametrize("noise", [0.001, 0.006, 0.03])
def test_a_common_colour_laid_over_the_face_is_no_light(noise: float) -> None:
    for seed in range(8):
        asked = issued(kind="light", seed=seed)
        series = ch.simulate_answer(asked, np.random.default_rng(seed))
        assert ch.judge(asked, series, mirrored=False).followed
        assert series.skin_rgb is not None
        grain = 1 + np.random.default_rng(seed).normal(0, noise, (len(series), 18))
        tint = dataclasses.replace(series, skin_parts_rgb=np.tile(series.skin_rgb, 6) * grain)
        result = ch.judge(asked, tint, mirrored=False)
        assert result.light is not None
        assert result.light.status in (StepStatus.FLAT, StepStatus.NOT_ASSESSABLE)
        blind = ch.judge(asked, dataclasses.replace(series, skin_parts_rgb=None), mirrored=False)
        assert blind.outcome is ChallengeOutcome.NOT_ASSESSED


def test_a_sheet_that_the_screen_lights_unevenly_is_no_face() -> None:
    """The parts of a tilted photo answer by different amounts, but as a plane does."""
    for seed in range(12):
        asked, rng = issued(kind="light", seed=seed), np.random.default_rng(seed)
        series = ch.simulate_answer(asked, rng)
        honest = ch.judge(asked, series, mirrored=False)
        assert honest.followed
        assert honest.light is not None
        assert honest.light.relief > 0.2
        result = ch.judge(asked, on_a_sheet(series, rng), mirrored=False)
        assert result.light is not None
        assert result.light.status in (StepStatus.FLAT, StepStatus.NOT_ASSESSABLE)
        assert abs(result.light.relief) < 0.1
        for shape in ("skin_parts_place", "skin_parts_facing"):
            blind = ch.judge(asked, dataclasses.replace(series, **{shape: None}), mirrored=False)
            assert blind.outcome is ChallengeOutcome.NOT_ASSESSED


def test_light_on_the_whole_scene_is_no_answer() -> None:
    asked = issued(kind="light")
    series = answer(asked)
    flat = dataclasses.replace(series, background_rgb=series.skin_rgb)
    assert ch.judge(asked, flat, mirrored=False).light.status is StepStatus.MISSED  # type: ignore[union-attr]
    unknown = dataclasses.replace(series, background_rgb=None)
    assert ch.judge(asked, unknown, mirrored=False).outcome is ChallengeOutcome.NOT_ASSESSED
    blind = dataclasses.replace(series, skin_rgb=None)
    assert ch.judge(asked, blind, mirrored=False).outcome is ChallengeOutcome.NOT_ASSESSED


# -- words and values ------------------------------------------------------------------------------------


def test_every_language_has_words_of_its_own_for_everything() -> None:
    assert {"en", "es", "fr", "pt", "zh", "ar", "hi"} == set(ch.LANGUAGES)
    for language in ch.LANGUAGES:
        said = [ch.phrase(what, language) for what in (*Action, "ready", "light")]
        assert len(set(said)) == len(said)
        assert all(text.strip() and text[-1] in ".。।" for text in said)
    assert ch.phrase(Action.SMILE, "pt-BR") == ch.phrase(Action.SMILE, "pt")
    with pytest.raises(ParameterError):
        ch.phrase(Action.SMILE, "xx")


def test_answers_refuse_wrong_shapes_and_times_and_show_no_data() -> None:
    series = answer(issued())
    assert "frames" in repr(series)
    assert len(repr(series)) < 80
    with pytest.raises(ParameterError, match="increasing"):
        dataclasses.replace(series, times_s=series.times_s[::-1])
    with pytest.raises(ParameterError, match="eye_opening"):
        dataclasses.replace(series, eye_opening=series.eye_opening[:, :1])
    with pytest.raises(ValueError, match="read-only"):
        series.yaw_deg[0] = 1.0

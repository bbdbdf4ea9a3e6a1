"""One attempt from its making to its end, on both databases, by a clock that the test holds."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import select
from walk import PHOTO, Walk, asked, sha256

from idverify.challenge.issuing import MAX_GUESS_PROBABILITY
from idverify.service import api_keys, attempts, capture, housekeeping, jobs
from idverify.service.api_keys import Caller
from idverify.service.problems import Problem
from idverify.service.steps import LEAD_IN_S, SLACK_S, TAIL_S
from idverify.service.tables import Attempt, Link, Recording, Reveal


@pytest.fixture
def walk(core, caller):
    return Walk(core, caller)


def code_of(act):
    with pytest.raises(Problem) as refused:
        act()
    return refused.value.code


# -- asking --------------------------------------------------------------------------------------


def test_a_new_attempt_waits_for_the_person(walk, clock):
    view = walk.ask(subject="s-1", options={"avoid": ["blink"]}).view
    assert (view["state"], view["subject"], view["decision"], view["evidence"]) == (
        "requires_input",
        "s-1",
        None,
        "kept",
    )
    assert view["expires_s"] == clock() + walk.core.settings.limits.link_s
    assert walk.token not in str(view)


def test_the_same_request_is_answered_the_same(core, caller):
    first = attempts.create(core, caller, asked(), idempotency_key="k")
    again = attempts.create(core, caller, asked(), idempotency_key="k")
    assert (first.again, again.again) == (False, True)
    assert (first.view, first.link) == (again.view, again.link)
    assert (
        code_of(lambda: attempts.create(core, caller, asked(subject="x"), idempotency_key="k"))
        == "idempotency_conflict"
    )
    other = api_keys.make_key(core, "other")
    assert not attempts.create(core, Caller(id=other.id, name=""), asked(), idempotency_key="k").again


def test_two_equal_requests_at_once_make_one_attempt(core, caller, monkeypatch):
    """The second one looks before the first has written, and writes after it."""
    real = attempts._answered
    looks = []

    def blind_once(*arguments):
        looks.append(1)
        return None if len(looks) <= 2 else real(*arguments)

    monkeypatch.setattr(attempts, "_answered", blind_once)
    first = attempts.create(core, caller, asked(), idempotency_key="k")
    second = attempts.create(core, caller, asked(), idempotency_key="k")
    assert second.again
    assert second.view["id"] == first.view["id"]
    with core.database.reading() as session:
        assert len(list(session.scalars(select(Attempt)))) == 1


def test_somebody_elses_attempt_looks_like_none(core, walk):
    walk.ask()
    stranger = Caller(id=api_keys.make_key(core, "stranger").id, name="")
    for act in (attempts.get, attempts.cancel, attempts.delete_evidence):
        assert code_of(lambda act=act: act(core, stranger, walk.attempt)) == "not_found"
        assert code_of(lambda act=act: act(core, stranger, "att_none")) == "not_found"


def test_an_enrolled_photo_serves_many_until_it_is_deleted(core, caller, walk):
    photo = attempts.enrol_reference(core, caller, PHOTO)["id"]
    walk.ask(photo=None, reference_id=photo).open().record(b"a")
    job = jobs.claim(core, "j")
    assert jobs.load(core, job).photo == PHOTO
    attempts.delete_reference(core, caller, photo)
    assert code_of(lambda: jobs.load(core, job)) == "not_found"
    assert code_of(lambda: attempts.create(core, caller, asked(photo=None, reference_id=photo))) == "not_found"
    stranger = Caller(id=api_keys.make_key(core, "stranger").id, name="")
    assert code_of(lambda: attempts.delete_reference(core, stranger, photo)) == "not_found"


def test_a_revoked_key_opens_nothing(core):
    key = api_keys.make_key(core, "x")
    assert api_keys.caller_of(core, key.secret).id == key.id
    api_keys.revoke_key(core, key.id)
    for secret in (key.secret, key.secret + "x", "", "idv_"):
        assert api_keys.caller_of(core, secret) is None


# -- the link ------------------------------------------------------------------------------------


def test_looking_does_not_use_a_link_up_and_opening_does(core, walk):
    walk.ask()
    for _ in range(3):
        assert capture.look_up(core, walk.token).id == walk.attempt
    walk.open()
    assert capture.session_of(core, walk.session) == walk.attempt
    for act in (capture.look_up, capture.open_link):
        assert code_of(lambda act=act: act(core, walk.token)) == "link_used"


def test_a_link_expires_and_an_unknown_one_is_unknown(core, walk, clock):
    walk.ask(link_s=60.0)
    assert code_of(lambda: capture.open_link(core, "nobody")) == "link_unknown"
    clock.pass_s(60)
    assert code_of(lambda: capture.open_link(core, walk.token)) == "link_expired"
    assert housekeeping.tidy(core) == (1, 0)
    assert walk.state == "expired"
    clock.pass_s(0.1)
    assert housekeeping.tidy(core) == (0, 1)
    assert walk.view["evidence"] == "deleted"


def test_no_token_lies_in_the_database(core, walk, tmp_path):
    walk.ask().open()
    way = capture.continue_elsewhere(core, walk.attempt)
    with core.database.reading() as session:
        kept = {link.token_sha256 for link in session.scalars(select(Link))}
    assert len(kept) == 3
    if core.database.sqlite:
        with sqlite3.connect(tmp_path / "data" / "idverify.sqlite") as connection:
            dump = "\n".join(connection.iterdump())
        for secret in (walk.token, walk.session, way.code, way.url.rsplit("/", 1)[1], PHOTO.decode()):
            assert secret not in dump


def test_going_on_elsewhere_moves_the_session(core, walk):
    walk.ask().open().begin()
    way = capture.continue_elsewhere(core, walk.attempt)
    there = capture.open_link(core, way.code.lower())
    assert code_of(lambda: capture.session_of(core, walk.session)) == "session_moved"
    assert capture.session_of(core, there.session) == walk.attempt
    # The link was the same way in.
    assert code_of(lambda: capture.open_link(core, way.url.rsplit("/", 1)[1])) == "link_used"
    assert (walk.state, walk.view["failure"]) == ("requires_input", "session_moved")


# -- the recording -------------------------------------------------------------------------------


def test_consent_comes_first(core, walk):
    walk.ask()
    capture.open_link(core, walk.token)
    assert code_of(walk.begin) == "consent_missing"


def test_steps_are_revealed_one_by_one_when_due_and_never_before_the_recording_runs(core, walk, clock):
    walk.ask().open().begin()
    nothing = capture.next_step(core, walk.attempt, walk.recording, after=-1)
    assert (nothing.step, nothing.done, nothing.wait_s) == (None, False, None)
    clock.pass_s(5)
    walk.put(0, b"first")
    began = clock()
    steps = walk.follow()
    with core.database.reading() as session:
        reveals = list(session.scalars(select(Reveal).order_by(Reveal.step)))
    assert [step["index"] for step in steps] == [reveal.step for reveal in reveals] == list(range(len(steps)))
    assert len(steps) >= 3
    assert reveals[0].revealed_s >= began + LEAD_IN_S
    for earlier, later, step in zip(reveals, reveals[1:], steps, strict=False):
        assert later.revealed_s >= earlier.revealed_s + step["hold_s"] + SLACK_S - 0.001
    assert clock() >= reveals[-1].revealed_s + steps[-1]["hold_s"] + TAIL_S - 0.001


def test_a_step_is_revealed_once_however_often_it_is_asked_for(core, walk, clock):
    walk.ask().open().begin().put(0, b"x")
    clock.pass_s(LEAD_IN_S)
    first = capture.next_step(core, walk.attempt, walk.recording, after=-1)
    clock.pass_s(0.5)
    again = capture.next_step(core, walk.attempt, walk.recording, after=-1)
    assert first.step == again.step
    with core.database.reading() as session:
        assert len(list(session.scalars(select(Reveal)))) == 1


def test_a_step_that_reached_the_browser_too_late_costs_one_recording_and_nothing_else(core, walk, clock):
    walk.ask().open().begin().put(0, b"x")
    clock.pass_s(LEAD_IN_S)
    capture.next_step(core, walk.attempt, walk.recording, after=-1)
    clock.pass_s(capture.STEP_SEEN_S + 0.1)
    assert code_of(lambda: capture.next_step(core, walk.attempt, walk.recording, after=0)) == "recording_late"
    assert (walk.state, walk.view["failure"], walk.view["recordings_judged"]) == ("requires_input", "recording_late", 0)
    walk.record(b"again")
    assert walk.state == "processing"


def test_a_piece_may_come_twice_but_not_differently(core, walk):
    walk.ask().open().begin()
    assert walk.put(0, b"a")[0] == 1
    assert walk.put(0, b"a")[0] == 1
    assert code_of(lambda: walk.put(0, b"b")) == "chunk_conflict"
    assert walk.put(2, b"c")[0] == 2
    assert capture.state_of(core, walk.attempt)[1] == [0, 2]
    refused = code_of(lambda: capture.put_chunk(core, walk.attempt, walk.recording, 1, b"b", sha256(b"c")))
    assert refused == "recording_incomplete"


def test_a_recording_that_is_not_whole_is_not_judged(core, walk):
    walk.ask().open().begin().put(0, b"a")
    walk.follow()
    walk.put(2, b"c")
    # A piece is on its way: send it, and finish again.
    assert code_of(lambda: walk.finish(b"a", b"b", b"c")) == "recording_incomplete"
    assert walk.state == "recording"
    walk.put(1, b"b")
    walk.finish(b"a", b"b", b"c").finish(b"a", b"b", b"c")
    assert walk.state == "processing"


@pytest.mark.parametrize("how", ["other bytes", "more pieces", "steps not asked for"])
def test_a_whole_that_is_not_what_was_sent_is_recorded_again(core, walk, how):
    walk.ask().open().begin().put(0, b"a")
    if how != "steps not asked for":
        walk.follow()
    if how == "more pieces":
        walk.put(1, b"b")
    sha = sha256(b"z") if how == "other bytes" else None
    assert code_of(lambda: walk.finish(b"a", sha=sha)) == "recording_incomplete"
    assert (walk.state, walk.view["failure"], walk.view["recordings_judged"]) == (
        "requires_input",
        "recording_incomplete",
        0,
    )


def test_what_comes_is_bounded(core, walk, clock):
    limits = core.settings.limits
    walk.ask().open().begin()
    assert code_of(lambda: walk.put(limits.recording_chunks, b"x")) == "recording_too_long"
    clock.pass_s(2 * limits.recording_s + 1)
    assert code_of(lambda: walk.put(0, b"x")) == "recording_too_long"


def test_a_file_is_taken_only_where_the_attempt_allows_it_and_is_asked_nothing(core, walk, caller):
    walk.ask().open()
    assert code_of(lambda: walk.begin(from_file=True)) == "invalid_request"
    other = Walk(core, caller).ask(options={"file": True}).open().begin(from_file=True)
    other.put(0, b"x")
    other.finish(b"x")
    assert jobs.load(core, jobs.claim(core, "j")).challenge is None


def test_recordings_of_others_are_not_found(core, walk, caller):
    walk.ask().open().begin()
    other = Walk(core, caller).ask().open().begin()
    other.recording = walk.recording
    assert code_of(lambda: other.put(0, b"x")) == "not_found"
    assert code_of(lambda: capture.next_step(core, other.attempt, walk.recording, after=-1)) == "not_found"


# -- the decision --------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["accept", "reject"])
def test_decided_is_decided(core, walk, outcome):
    walk.ask().open().record(b"a").judged(outcome)
    assert walk.state == outcome + "ed"
    assert walk.view["decision"]["outcome"] == outcome
    assert code_of(walk.begin) == "wrong_state"
    assert jobs.claim(core, "j") is None


def test_inconclusive_may_be_tried_again_but_not_for_ever(core, walk):
    walk.ask().open()
    for n in range(core.settings.limits.recordings_judged):
        assert capture.recordings_left(core, capture.state_of(core, walk.attempt)[0]) == 3 - n
        walk.record(f"take {n}".encode()).judged("inconclusive")
    assert code_of(walk.begin) == "no_recordings_left"
    assert walk.state == "inconclusive"


def test_whoever_looks_and_begins_again_gains_nothing(core, walk, clock):
    """A prepared clip that waits for fitting steps: luck stays as improbable as for one recording."""
    walk.ask().open()
    chances, counts = [], []
    for _ in range(core.settings.limits.recordings_begun):
        walk.begin().put(0, b"prepared")
        clock.pass_s(LEAD_IN_S)
        assert capture.next_step(core, walk.attempt, walk.recording, after=-1).step is not None
        with core.database.reading() as session:
            drawn = capture.challenge_of(session.get_one(Recording, walk.recording))
        chances.append(drawn.guess_probability)
        counts.append(len(drawn.steps))
    assert sum(chances) <= MAX_GUESS_PROBABILITY
    assert counts == sorted(counts)
    assert counts[0] == 3


def test_a_recording_that_was_shown_nothing_costs_no_steps(core, walk):
    walk.ask().open()
    for _ in range(10):
        walk.begin()
    with core.database.reading() as session:
        assert len(capture.challenge_of(session.get_one(Recording, walk.recording)).steps) == 3


def test_technical_failures_are_bounded_too(core, walk):
    walk.ask().open()
    for _ in range(core.settings.limits.recordings_begun):
        walk.begin()
    assert code_of(walk.begin) == "no_recordings_left"


def test_evidence_goes_when_its_time_is_up_and_the_decision_stays(core, walk, clock):
    walk.ask().open().record(b"a").judged("accept")
    clock.pass_s(core.settings.cases.evidence_of_s("recovery") - 1)
    assert housekeeping.tidy(core) == (0, 0)
    clock.pass_s(1)
    assert housekeeping.tidy(core) == (0, 1)
    assert (walk.state, walk.view["evidence"], walk.view["decision"]["outcome"]) == ("accepted", "deleted", "accept")


def test_after_deletion_nothing_on_disk_can_be_decrypted(core, walk, tmp_path):
    blobs = Path(core.settings.blobs_address)
    walk.ask().open().record(b"a secret face", b"and more")
    kept = {path: path.read_bytes() for path in blobs.rglob("*") if path.is_file()}
    assert len(kept) == 3
    assert not any(b"secret" in content or PHOTO in content for content in kept.values())
    attempts.delete_evidence(core, walk.caller, walk.attempt)
    assert (walk.state, walk.view["evidence"]) == ("redacted", "deleted")
    assert not [path for path in blobs.rglob("*") if path.is_file()]
    # Even from a copy of the files: the only key is gone, and the master key does not open them.
    with core.database.reading() as session:
        assert session.get_one(Attempt, walk.attempt).wrapped_key is None
    for path, content in kept.items():
        with pytest.raises(Exception, match="cannot be decrypted"):
            core.vault.master.key.open(content, path.relative_to(blobs).as_posix())
    assert jobs.claim(core, "j") is None


@pytest.mark.parametrize("far", ["asked", "opened", "recording", "processing", "accepted", "canceled"])
def test_evidence_can_be_deleted_at_any_time(core, walk, far):
    walk.ask()
    if far == "canceled":
        attempts.cancel(core, walk.caller, walk.attempt)
    if far in ("opened", "recording", "processing", "accepted"):
        walk.open()
    if far == "recording":
        walk.begin().put(0, b"x")
    if far in ("processing", "accepted"):
        walk.record(b"x")
    if far == "accepted":
        walk.judged("accept")
    attempts.delete_evidence(core, walk.caller, walk.attempt)
    attempts.delete_evidence(core, walk.caller, walk.attempt)
    assert (walk.state, walk.view["evidence"]) == ("redacted", "deleted")


def test_cancel_ends_what_was_not_decided(core, walk):
    walk.ask().open().record(b"x")
    job = jobs.claim(core, "j")
    assert attempts.cancel(core, walk.caller, walk.attempt)["state"] == "canceled"
    assert attempts.cancel(core, walk.caller, walk.attempt)["state"] == "canceled"
    # The judge speaks too late.
    assert not jobs.settle(core, job, {"outcome": "accept", "reasons": []}, {})
    assert walk.view["decision"] is None
    other = Walk(core, walk.caller).ask().open().record(b"x").judged("accept")
    assert code_of(lambda: attempts.cancel(core, walk.caller, other.attempt)) == "wrong_state"

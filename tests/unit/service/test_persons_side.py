"""The person's side of a case on both databases: other ways, appeals, questions, who vouches, codes, what is kept."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from sqlalchemy import select
from walk import PHOTO, Walk

from idverify.service import (
    api_keys,
    appeals,
    attempts,
    audit,
    case_links,
    cases,
    continuation,
    housekeeping,
    papers,
    questions,
    vouching,
)
from idverify.service.api_keys import Caller
from idverify.service.appeals import LEADS_TO
from idverify.service.case_routes import BY_PERSON, CaseRoute
from idverify.service.case_states import CLOSED, CaseState
from idverify.service.cases import HELD, AskedCase
from idverify.service.problems import Problem
from idverify.service.tables import Attempt, AuditEntry, CasePaper, CaseVisit

PDF, JPEG = b"%PDF-1.7 a paper", b"\xff\xd8\xff\xe0 a photo"
REVIEWER = "acc_REVIEWER"


class Way:
    """One case, and both sides of it."""

    def __init__(self, core, caller, **changes):
        self.core, self.caller = core, caller
        self.reference = attempts.enrol_reference(core, caller, PHOTO)["id"]
        wanted = {
            "subject": "s-1", "route": CaseRoute.STANDARD, "policy": "recovery", "locale": "en",
            "reference_id": self.reference, **changes,
        }  # fmt: skip
        self.id = cases.open_case(core, caller, AskedCase(**wanted))[0]["id"]

    @contextmanager
    def held(self):
        with self.core.database.writing() as session:
            audit.hold(session)
            yield session, cases.locked_case(session, self.id)

    def become(self, *states):
        """What the desk does, shortened; states may be skipped where the table has no way."""
        for state in states:
            with self.held() as (session, case):
                cases.become(self.core, session, case, CaseState(state), actor=REVIEWER)
        return self

    def begin(self):
        made = cases.own_attempt(self.core, self.id)
        return Walk(self.core, self.caller, made.view["id"], made.link.rsplit("/", 1)[1])

    def appeal(self, words="", *documents):
        with self.held() as (session, case):
            appeals.appeal(self.core, session, case, words, documents)

    def texts(self, *kinds):
        with self.core.database.reading() as session:
            return [
                paper.text for paper in papers.of_case(self.core, session, session.get(cases.Case, self.id), *kinds)
            ]

    @property
    def view(self):
        return cases.get(self.core, self.caller, self.id)

    @property
    def state(self):
        return self.view["state"]


@pytest.fixture
def way(core, caller):
    return Way(core, caller)


def code_of(act):
    with pytest.raises(Problem) as refused:
        act()
    return refused.value.code


def entries(core, kind):
    with core.database.reading() as session:
        told = [json.loads(entry.content) for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.number))]
    return [entry for entry in told if entry["kind"] == kind]


def holds(core):
    found = audit.verify_stored(core)
    assert found.broken is None, found


# How to come from a new case into each state.
REACHED = {
    CaseState.OPEN: (),
    CaseState.DELAYED: ("delayed",),
    CaseState.VOUCHING: ("vouching",),
    CaseState.ATTENDED: ("attended",),
    CaseState.REVIEW: ("review",),
    CaseState.SECOND_REVIEW: ("review", "second_review"),
    CaseState.QUESTION: ("review", "question"),
    CaseState.REFUSED: ("review", "refused"),
    CaseState.APPEAL: ("review", "refused", "appeal"),
    CaseState.CONFIRMED: ("review", "refused", "appeal", "confirmed"),
    CaseState.ACCEPTED: ("review", "accepted"),
    CaseState.FROZEN: ("frozen",),
    CaseState.RECOVERED: ("review", "accepted", "recovered"),
    CaseState.WITHDRAWN: ("withdrawn",),
}


# -- other ways ------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", list(CaseRoute))
@pytest.mark.parametrize("after_a_rejection", [False, True])
def test_every_way_can_be_chosen_before_the_first_attempt_and_after_a_failed_one(way, core, route, after_a_rejection):
    if after_a_rejection:
        way.begin().open().record(b"a").judged("reject")
    cases.choose_route(core, way.id, route)
    view = way.view
    assert view["route"] == route.value
    expected = {CaseRoute.MINOR: "vouching", CaseRoute.NO_FACE: "review", CaseRoute.ATTENDED: "attended"}
    assert view["state"] == expected.get(route, "delayed" if after_a_rejection else "open")
    assert view["next"]["due_s"] > core.clock()
    holds(core)


@pytest.mark.parametrize("route", sorted(BY_PERSON, key=lambda route: route.value))
def test_who_was_sent_to_a_person_stays_there_and_no_score_decides_even_if_a_recording_is_asked_for(way, core, route):
    cases.choose_route(core, way.id, route)
    assert code_of(lambda: cases.choose_route(core, way.id, CaseRoute.STANDARD)) in (
        "case_with_person",
        "case_wrong_state",
    )
    way.become(*(["review"] if way.state != "review" else []), "open")
    assert code_of(lambda: cases.choose_route(core, way.id, CaseRoute.STANDARD)) == "case_with_person"
    way.begin().open().record(b"a").judged("accept")
    assert way.state == "review"
    way.become("open").begin().open().record(b"b").judged("reject")
    assert way.state == "review"


def test_a_child_whose_recording_is_judged_meanwhile_is_not_decided_by_it(way, core):
    walk = way.begin().open().record(b"a")
    cases.choose_route(core, way.id, CaseRoute.MINOR)
    assert (walk.state, way.state) == ("canceled", "vouching")
    with pytest.raises(AssertionError):
        walk.judged("accept")
    assert way.state == "vouching"


def test_what_was_begun_is_not_dropped_for_another_that_may_be_easier(way, core):
    walk = way.begin().open().begin()
    assert code_of(lambda: cases.choose_route(core, way.id, CaseRoute.NO_GESTURE)) == "attempt_open"
    assert code_of(way.begin) == "attempt_open"
    walk.put(0, b"a")
    walk.follow()
    walk.finish(b"a")
    assert code_of(lambda: cases.choose_route(core, way.id, CaseRoute.NO_GESTURE)) == "attempt_open"
    assert code_of(way.begin) == "attempt_open"
    # A person can have it at any time: that is no easier.
    cases.choose_route(core, way.id, CaseRoute.NO_FACE)
    assert way.state == "review"


def test_a_link_that_was_lost_before_anything_was_recorded_is_replaced(way, core):
    first = way.begin()
    second = way.begin()
    assert (first.state, second.state) == ("canceled", "requires_input")


def test_the_policy_is_the_same_on_every_way(way, core):
    for route in (CaseRoute.NO_GESTURE, CaseRoute.PHOTOSENSITIVE, CaseRoute.STANDARD):
        cases.choose_route(core, way.id, route)
        walk = way.begin()
        assert walk.view["policy"] == "recovery"
        assert walk.view["options"]["light"] is (route is CaseRoute.NO_GESTURE)
        # No picture of a file, and nothing else that would bind less.
        assert walk.view["options"]["file"] is False


def test_without_a_photo_from_the_service_the_person_begins_nothing(core, caller):
    way = Way(core, caller, reference_id=None)
    assert code_of(lambda: cases.own_attempt(core, way.id)) == "case_wrong_state"


def test_a_photo_of_another_service_is_none(core, caller):
    key = api_keys.make_key(core, "others")
    theirs = attempts.enrol_reference(core, Caller(id=key.id, name="others"), PHOTO)["id"]
    for name in ("reference_id", "voucher_reference_id"):
        assert code_of(lambda name=name: Way(core, caller, **{name: theirs})) == "not_found"


# -- asking for a person ---------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(CaseState))
def test_from_every_state_that_is_not_accepted_one_click_leads_to_a_person(way, core, state):
    way.become(*REACHED[state])
    if state in (CaseState.ACCEPTED, CaseState.FROZEN, *CLOSED):
        assert code_of(lambda: way.appeal("why")) == "case_wrong_state"
        return
    way.appeal("I am who I say I am.", PDF)
    assert way.state == LEADS_TO[state].value
    assert way.texts("appeal") == ["I am who I say I am."]
    if LEADS_TO[state] is not state:
        assert way.view["next"]["who"] in ("reviewer", "senior")
        assert entries(core, f"case.{LEADS_TO[state].value}")[-1]["facts"]["why"] == "asked_for_person"
    holds(core)


@pytest.mark.parametrize(
    "state", [CaseState.OPEN, CaseState.DELAYED, CaseState.VOUCHING, CaseState.ATTENDED, CaseState.REFUSED]
)
def test_nothing_has_to_be_written_for_it(way, state):
    way.become(*REACHED[state]).appeal()
    assert way.state == LEADS_TO[state].value


def test_what_was_confirmed_is_looked_at_again_only_with_something_new(way):
    way.become(*REACHED[CaseState.CONFIRMED])
    assert code_of(way.appeal) == "nothing_new"
    way.appeal("", JPEG)
    assert way.state == "review"


def test_an_appeal_after_its_deadline_is_taken_and_marked(way, core, clock):
    way.become("review", "refused")
    clock.pass_s(core.settings.cases.deadlines_s["appeal"] + 1)
    way.appeal("I was away.")
    assert way.state == "appeal"
    assert entries(core, "case.appeal")[0]["facts"]["late"] is True


def test_documents_are_sealed_under_the_cases_own_key_and_readable_to_the_desk(way, core):
    way.become("review", "refused").appeal("look", PDF, JPEG)
    with way.held() as (session, case):
        found = appeals.attachments(core, session, case)
        kinds = sorted((paper.kind, paper.content_type) for paper in found)
        assert kinds == [("appeal", "text/plain"), ("document", "application/pdf"), ("document", "image/jpeg")]
        bodies = {papers.content(core, session, case, paper.id)[0] for paper in found if paper.kind == "document"}
        assert bodies == {PDF, JPEG}
        texts = next(paper for paper in found if paper.kind == "appeal")
        with pytest.raises(Problem):
            papers.content(core, session, case, texts.id)
    # Nothing of it lies in the open.
    data = core.settings.data
    assert not any(PDF in file.read_bytes() for file in data.rglob("*") if file.is_file())
    told = json.dumps(entries(core, "paper.kept"))
    assert "look" not in told


def test_a_document_of_another_case_is_none(way, core, caller):
    other = Way(core, caller, subject="s-2").become("review", "refused")
    other.appeal("", PDF)
    with core.database.reading() as session:
        paper = session.scalars(select(CasePaper)).one()
    with way.held() as (session, case), pytest.raises(Problem) as refused:
        papers.content(core, session, case, paper.id)
    assert refused.value.code == "not_found"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "document_type"),
        (b"MZ a program", "document_type"),
        (b"<svg onload=alert(1)>", "document_type"),
        (b"<!doctype html>", "document_type"),
        (b"RIFF....WAVE", "document_type"),
        (b"....ftypisom a film", "document_type"),
        (PDF + b"x" * papers.LARGEST_DOCUMENT, "too_large"),
    ],
)
def test_what_is_no_document_or_too_large_is_refused_and_nothing_is_kept(way, core, document, code):
    way.become("review", "refused")
    assert code_of(lambda: way.appeal("words", document)) == code
    assert way.state == "refused"
    assert way.texts() == []


def test_a_case_holds_no_more_papers_than_it_can(way, core, monkeypatch):
    monkeypatch.setattr(papers, "MOST_DOCUMENTS", 2)
    monkeypatch.setattr(papers, "MOST_TEXTS", 1)
    way.become("review")
    way.appeal("one", PDF, PDF)
    assert code_of(lambda: way.appeal("two")) == "too_many_papers"
    assert code_of(lambda: way.appeal("", PDF)) == "too_many_papers"


def test_controls_in_words_are_shown_and_never_obeyed(way):
    way.become("review")
    way.appeal("a\x1b[2Jb\u202egpj\nsecond line")
    assert way.texts("appeal") == ["a\\x1b[2Jb\\u202egpj\nsecond line"]


# -- questions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["review", "appeal"])
def test_an_answer_goes_back_to_where_it_was_asked(way, core, clock, where):
    way.become(*REACHED[CaseState(where)])
    with way.held() as (session, case):
        questions.ask(core, session, case, REVIEWER, "Which year was the account made?")
    assert (way.state, way.view["next"]["who"]) == ("question", "person")
    clock.pass_s(60)
    with way.held() as (session, case):
        questions.answer(core, session, case, "2009")
    assert way.state == where
    assert way.texts("question", "answer") == ["Which year was the account made?", "2009"]
    holds(core)


def test_nothing_is_answered_that_was_not_asked_and_no_empty_answer(way, core):
    with way.held() as (session, case), pytest.raises(Problem):
        questions.answer(core, session, case, "2009")
    way.become("review")
    with way.held() as (session, case):
        questions.ask(core, session, case, REVIEWER, "When?")
    with way.held() as (session, case), pytest.raises(Problem):
        questions.answer(core, session, case, "  ")
    assert way.state == "question"


# -- an adult vouches ------------------------------------------------------------------------------


def vouched(way, **how):
    made = vouching.begin(way.core, way.id, **how)
    return Walk(way.core, way.caller, made.view["id"], made.link.rsplit("/", 1)[1])


def vouches(way):
    with way.core.database.reading() as session:
        return vouching.of_case(session, session.get(cases.Case, way.id))


@pytest.mark.parametrize("outcome", ["accept", "reject"])
def test_an_adult_vouches_by_an_attempt_of_their_own_and_then_a_person_decides(core, caller, outcome):
    photo = attempts.enrol_reference(core, caller, b"the adult")["id"]
    way = Way(core, caller, route=CaseRoute.MINOR, voucher_reference_id=photo)
    walk = vouched(way, words="I am his mother.").open().record(b"a").judged(outcome)
    assert way.state == "review"
    assert walk.view["reference"] == photo
    assert walk.view["subject"] is None
    assert [(v.attempt_id, v.reference) for v in vouches(way)] == [(walk.attempt, "service")]
    assert way.view["attempts"][0]["role"] == "voucher"
    # Nothing of it counts against the child.
    assert way.view["rejections"] == 0
    assert way.texts("voucher_words") == ["I am his mother."]
    holds(core)


def test_an_adult_without_a_photo_at_the_service_brings_one_and_that_is_said(core, caller):
    way = Way(core, caller, route=CaseRoute.MINOR)
    assert code_of(lambda: vouched(way)) == "voucher_photo_missing"
    walk = vouched(way, photo=b"the adult's own").open().record(b"a").judged("accept")
    assert [(v.attempt_id, v.reference) for v in vouches(way)] == [(walk.attempt, "own")]


def test_an_adult_who_does_not_record_leaves_it_to_a_person_who_is_told(core, caller):
    way = Way(core, caller, route=CaseRoute.MINOR)
    vouching.without_recording(core, way.id, "We have no camera.")
    assert way.state == "review"
    assert [(v.attempt_id, v.reference) for v in vouches(way)] == [(None, "missing")]


def test_an_adults_inconclusive_recording_can_be_made_again(core, caller):
    way = Way(core, caller, route=CaseRoute.MINOR)
    vouched(way, photo=b"p").open().record(b"a").judged("inconclusive")
    assert way.state == "vouching"
    vouched(way, photo=b"p").open().record(b"b").judged("accept")
    assert way.state == "review"


def test_an_adults_recording_that_was_begun_is_not_dropped_for_another(core, caller):
    way = Way(core, caller, route=CaseRoute.MINOR)
    first = vouched(way, photo=b"p")
    second = vouched(way, photo=b"p").open().begin()
    assert first.state == "canceled"
    assert code_of(lambda: vouched(way, photo=b"p")) == "attempt_open"
    assert second.state == "recording"


def test_whoever_begins_again_and_again_is_not_asked_until_they_like_it(way, core, clock):
    """Attempts that run out cost nothing but what they have seen, and that is counted over the case."""
    for _ in range(400):
        walk = way.begin().open()
        try:
            walk.begin().put(0, b"a")
        except Problem as problem:
            code = problem.code
            break
        walk.follow()
        # As one that ran out.
        with core.database.writing() as session:
            session.get_one(Attempt, walk.attempt).state = "expired"
    else:
        raise AssertionError("nobody counted")
    assert code == "no_recordings_left"
    # Other ways are open as before, and so is this one when the window is over.
    clock.pass_s(core.settings.cases.window_s + 1)
    way.begin().open().begin()


def test_nobody_vouches_where_nobody_is_asked_to(way):
    assert code_of(lambda: vouched(way, photo=b"p")) == "case_wrong_state"


def test_an_adults_attempt_never_recovers_an_account_whatever_the_case_has_become(core, caller):
    way = Way(core, caller, route=CaseRoute.MINOR)
    walk = vouched(way, photo=b"p").open().record(b"a")
    way.become("review", "open")
    walk.judged("accept")
    assert way.state == "open"


# -- together with a reviewer ----------------------------------------------------------------------


def issued(way):
    with way.held() as (session, case):
        return continuation.issue(way.core, session, case, REVIEWER)


def test_a_code_brings_the_person_to_the_reviewer_once(core, caller):
    way = Way(core, caller, route=CaseRoute.ATTENDED)
    code = issued(way)
    # 13 symbols of 32: 65 bits.
    assert len(code.replace("-", "")) == 13
    visit = continuation.redeem(core, code.lower())
    assert case_links.case_of_visit(core, visit.secret) == way.id
    assert way.state == "review"
    assert entries(core, "case.review")[0]["facts"]["attended"] is True
    assert code_of(lambda: continuation.redeem(core, code)) == "link_used"
    data = core.settings.data / "idverify.sqlite"
    assert not data.exists() or code.replace("-", "").encode() not in data.read_bytes()
    holds(core)


def test_a_code_runs_out_and_a_new_one_ends_the_one_before(core, caller, clock):
    way = Way(core, caller, route=CaseRoute.ATTENDED)
    first, second = issued(way), issued(way)
    assert code_of(lambda: continuation.redeem(core, first)) == "link_unknown"
    clock.pass_s(core.settings.cases.retention_s["continuation"] + 1)
    assert code_of(lambda: continuation.redeem(core, second)) == "link_expired"
    way.become("review")
    with pytest.raises(Problem):
        issued(way)


def test_a_link_for_one_purpose_is_none_for_another(core, caller):
    way = Way(core, caller, route=CaseRoute.ATTENDED)
    code = issued(way)
    with way.held() as (session, case):
        link, _ = case_links.new_link(core, session, case, actor=caller.id)
    token = link.rsplit("/", 1)[1]
    assert code_of(lambda: continuation.redeem(core, token)) == "link_unknown"
    with core.database.writing() as session:
        audit.hold(session)
        for purpose in ("case", "not_me"):
            with pytest.raises(Problem):
                case_links.open_link(core, session, code, purpose)


# -- "that was not me" -----------------------------------------------------------------------------


@pytest.mark.parametrize("state", [state for state in CaseState if state is not CaseState.FROZEN])
def test_saying_that_it_was_not_me_freezes_whatever_the_case_is(way, core, clock, state):
    way.become(*REACHED[state])
    with way.held() as (session, case):
        link, _ = case_links.new_link(core, session, case, actor="x")
    with core.database.writing() as session:
        audit.hold(session)
        visit = case_links.open_link(core, session, link.rsplit("/", 1)[1])
    with way.held() as (session, case):
        cases.dispute(core, session, case, actor=audit.PERSON)
    view = way.view
    assert (view["state"], view["next"]["who"], view["disputed_s"]) == ("frozen", "senior", clock())
    # Whoever had it open is out.
    assert code_of(lambda: case_links.case_of_visit(core, visit.secret)) == "session_missing"
    holds(core)


def test_what_is_under_way_stops_with_it(way, core):
    walk = way.begin().open().begin()
    cases.not_me(core, way.caller, way.id)
    assert walk.state == "canceled"
    housekeeping.tidy(core)
    with core.database.reading() as session:
        assert session.get(Attempt, walk.attempt).wrapped_key is not None
        assert not session.scalars(select(CaseVisit)).all()


# -- how long what is kept -------------------------------------------------------------------------


@pytest.mark.parametrize("state", sorted(HELD, key=lambda state: state.value))
def test_what_somebody_here_has_to_look_at_stays_however_late_they_are(way, core, clock, state):
    walk = way.begin().open().record(b"a").judged("reject")
    path = REACHED[state]
    way.become(*path)
    if state in LEADS_TO:
        way.appeal("words")
    clock.pass_s(400 * 86400.0)
    housekeeping.tidy(core)
    assert walk.view["evidence"] == "kept"


@pytest.mark.parametrize("state", [CaseState.RECOVERED, CaseState.WITHDRAWN])
def test_at_the_end_everything_goes_when_its_time_is_over(way, core, clock, state):
    walk = way.begin().open().record(b"a").judged("reject")
    way.appeal("words", PDF)
    way.become(*([] if state is CaseState.WITHDRAWN else ["accepted"]), state.value)
    clock.pass_s(core.settings.cases.evidence_of_s("recovery") + 1)
    housekeeping.tidy(core)
    assert walk.view["evidence"] == "deleted"
    assert way.texts("appeal") == ["words"]
    clock.pass_s(core.settings.cases.retention_s["papers"])
    housekeeping.tidy(core)
    assert way.texts() == []
    assert entries(core, "papers.deleted")
    assert not list((core.settings.data / "blobs").rglob("*pap_*"))
    holds(core)

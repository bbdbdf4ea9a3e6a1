"""What a calling service does with cases in Python, against a web process without a network."""

from __future__ import annotations

import httpx
import pytest
from test_http import PHOTO, Site, reject

from idverify.errors import ParameterError
from idverify.service import audit, cases
from idverify.service.case_states import CaseState
from idverify.service.client import ApiError, Case, Client


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.core.database.close()


@pytest.fixture
def client(site):
    def forward(request):
        path = request.url.raw_path.decode()
        answer = site.api.request(request.method, path, content=request.content, headers=dict(request.headers))
        return httpx.Response(answer.status_code, content=answer.content)

    with Client("http://127.0.0.1:8080", site.key.secret, transport=httpx.MockTransport(forward)) as made:
        yield made


def code_of(act, *arguments, **named):
    with pytest.raises(ApiError) as refused:
        act(*arguments, **named)
    return refused.value.code


def test_a_case_is_opened_once_and_tells_what_is_next(client):
    case = client.open_case(subject="account-1", locale="pt", route="photosensitive", idempotency_key="1")
    assert client.open_case(subject="account-1", locale="pt", route="photosensitive", idempotency_key="1") == case
    assert (case.state, case.subject, case.route) == (CaseState.OPEN, "account-1", "photosensitive")
    assert (case.step, case.who, case.overdue, case.attempts) == ("record", "person", False, ())
    assert case.due_s is not None
    assert client.case(case.id) == case
    assert not case.accepted
    with pytest.raises(TypeError, match="accepted"):
        bool(case)


def test_attempts_are_made_within_it_under_its_rules(site, client):
    case = client.open_case(subject="account-1")
    attempt = client.new_attempt(case.id, photo=PHOTO, idempotency_key="a")
    assert client.new_attempt(case.id, photo=PHOTO, idempotency_key="a") == attempt
    assert "/r/" in attempt.link
    assert client.case(case.id).attempts == (attempt.id,)
    assert code_of(client.new_attempt, case.id, photo=PHOTO) == "attempt_open"
    before = client.case(case.id).rejections_left
    reject(site, {"id": attempt.id})
    after = client.case(case.id)
    assert (after.state, after.rejections_left) == (CaseState.DELAYED, before - 1)
    assert after.wait_until_s is not None
    assert code_of(client.new_attempt, case.id, photo=PHOTO) == "attempt_delayed"
    for wrong in ({}, {"photo": PHOTO, "reference": "ref_X"}):
        with pytest.raises(ParameterError):
            client.new_attempt(case.id, **wrong)


def test_notices_and_links_are_for_the_person_and_in_no_repr(site, client):
    case = client.open_case(subject="account-1", reference=client.enrol(PHOTO), service="A bank")
    [notice] = client.notices(case.id)
    assert (notice.state, "A bank" in notice.subject) == (CaseState.OPEN, True)
    assert "/n/" in notice.body
    assert "/n/" in notice.message
    assert "/n/" not in repr(notice)
    assert "/c/" in client.case_link(case.id)


def test_it_ends_as_the_service_says_and_only_where_it_may(client):
    case = client.open_case(subject="account-1")
    assert code_of(client.recovered, case.id) == "case_wrong_state"
    ended = client.withdraw(case.id)
    assert (ended.state, ended.step, ended.who, ended.due_s) == (CaseState.WITHDRAWN, None, None, None)
    frozen = client.not_me(case.id)
    assert (frozen.state, frozen.who) == (CaseState.FROZEN, "senior")
    assert isinstance(frozen, Case)
    assert code_of(client.withdraw, "cas_NONE") == "not_found"


def test_an_accepted_case_is_recovered(site, client):
    case = client.open_case(subject="account-1")
    with site.core.database.writing() as session:
        audit.hold(session)
        cases.become(site.core, session, cases.locked_case(session, case.id), CaseState.ACCEPTED, actor="tests")
    assert client.case(case.id).accepted
    assert client.recovered(case.id).state is CaseState.RECOVERED

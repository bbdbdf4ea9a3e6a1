"""Webhooks: signed, repeated until taken, never lost, never trusted without their signature."""

from __future__ import annotations

import socket
import time
from dataclasses import replace

import httpx
import pytest
from live import Receiver
from sqlalchemy import select
from walk import Walk

from idverify.service import api_keys, cases
from idverify.service.api_keys import make_key
from idverify.service.case_routes import CaseRoute
from idverify.service.case_states import CaseState
from idverify.service.cases import AskedCase
from idverify.service.client import ApiError, read_webhook
from idverify.service.core import open_core
from idverify.service.states import State
from idverify.service.tables import OutboxEvent
from idverify.service.webhooks import WAITS_S, deliver_due


@pytest.fixture
def client():
    with httpx.Client(follow_redirects=False, trust_env=False) as opened:
        yield opened


def events(core):
    with core.database.reading() as session:
        return list(session.scalars(select(OutboxEvent).order_by(OutboxEvent.created_s)))


def test_a_message_is_signed_thin_and_delivered_once(core, caller, client, clock):
    # The signature's time has to be the receiver's, too.
    clock.now = time.time()
    receiver = Receiver()
    walk = Walk(core, caller).ask(callback=receiver.url, subject="account 7").open().begin()
    assert deliver_due(core, client) == 1
    assert deliver_due(core, client) == 0
    body, headers = receiver.next()
    change = read_webhook(body, headers, api_keys.webhook_secret(core, caller.id))
    assert (change.attempt_id, change.state, change.subject) == (walk.attempt, State.RECORDING, "account 7")
    assert b"link" not in body
    assert b"photo" not in body
    receiver.close()


def test_a_change_of_a_case_is_told_as_such(core, caller, client, clock):
    clock.now = time.time()
    receiver = Receiver()
    wanted = AskedCase(
        subject="account 7", route=CaseRoute.STANDARD, policy="recovery", locale="en", callback=receiver.url
    )
    case = cases.open_case(core, caller, wanted)[0]["id"]
    cases.not_me(core, caller, case)
    assert deliver_due(core, client) == 1
    body, headers = receiver.next()
    change = read_webhook(body, headers, api_keys.webhook_secret(core, caller.id))
    assert (change.attempt_id, change.case_id) == (None, case)
    assert (change.state, change.subject) == (CaseState.FROZEN, "account 7")
    receiver.close()


def test_a_forged_or_replayed_message_is_refused(core, caller, client, clock):
    clock.now = time.time()
    receiver = Receiver()
    Walk(core, caller).ask(callback=receiver.url).open().begin()
    deliver_due(core, client)
    body, headers = receiver.next()
    secret = api_keys.webhook_secret(core, caller.id)
    other = make_key(core, "other").webhook_secret
    old = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 3600)}
    bad = (
        (body.replace(b"recording", b"accepted"), headers, secret),
        (body, {**headers, "webhook-id": "msg_other"}, secret),
        (body, old, secret),
        (body, {}, secret),
        (body, headers, other),
        (b"", headers, secret),
    )
    for content, with_headers, with_secret in bad:
        with pytest.raises(ApiError) as refused:
            read_webhook(content, with_headers, with_secret)
        assert refused.value.code == "forged"
    receiver.close()


@pytest.mark.parametrize("status", [500, 404, 302])
def test_what_is_not_taken_comes_again_later_and_later_with_the_same_id(core, caller, client, clock, status):
    receiver = Receiver(refusals=(status, status))
    Walk(core, caller).ask(callback=receiver.url).open().begin()
    assert deliver_due(core, client) == 0
    for wait in WAITS_S[:2]:
        clock.pass_s(wait - 0.1)
        assert deliver_due(core, client) == 0
        assert len(receiver.seen) == WAITS_S.index(wait) + 1
        clock.pass_s(0.2)
        deliver_due(core, client)
    assert len(receiver.seen) == 3
    assert len({headers["webhook-id"] for _, headers in receiver.seen}) == 1
    (event,) = events(core)
    assert event.delivered_s is not None
    receiver.close()


def test_nobody_there_is_given_up_after_days_and_said(core, caller, client, clock, caplog):
    Walk(core, caller).ask(callback="http://127.0.0.1:1/").open().begin()
    for wait in (*WAITS_S, 0.0):
        assert deliver_due(core, client) == 0
        clock.pass_s(wait + 0.1)
    (event,) = events(core)
    assert (event.next_s, event.delivered_s, event.tries) == (None, None, len(WAITS_S) + 1)
    assert "given up" in caplog.text
    assert sum(WAITS_S) > 2 * 24 * 3600


def test_a_restart_loses_nothing(core, caller, client, clock):
    receiver = Receiver()
    Walk(core, caller).ask(callback=receiver.url).open().begin()
    core.database.close()
    again = open_core(core.settings, clock=clock)
    assert deliver_due(again, client) == 1
    again.database.close()
    receiver.close()


def test_a_courier_that_dies_in_mid_delivery_costs_a_repetition_only(core, caller, client, clock, monkeypatch):
    from idverify.service import webhooks

    receiver = Receiver()
    Walk(core, caller).ask(callback=receiver.url).open().begin()

    def die(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(webhooks, "_note", die)
    with pytest.raises(KeyboardInterrupt):
        deliver_due(core, client)
    monkeypatch.undo()
    clock.pass_s(60)
    assert deliver_due(core, client) == 1
    assert len(receiver.seen) == 2
    receiver.close()


@pytest.mark.parametrize(
    "leads_to", [["127.0.0.1"], ["::1"], ["169.254.169.254"], ["::ffff:127.0.0.1"], ["0.0.0.0"], ["192.0.2.7", "::1"]]
)
def test_a_published_service_delivers_nothing_to_its_own_machine(core, caller, client, clock, monkeypatch, leads_to):
    looked_up = []

    def look_up(host, port, **_):
        looked_up.append((host, port))
        return [(0, 0, 0, "", (address, port)) for address in leads_to]

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    monkeypatch.setattr(client, "post", lambda *_, **__: pytest.fail("something was sent"))
    published = replace(core, settings=replace(core.settings, public_url="https://verify.example"))
    Walk(published, caller).ask(callback="https://hooks.example:8443/x").open().begin()
    assert deliver_due(published, client) == 0
    assert looked_up[0] == ("hooks.example", 8443)
    assert [event.last_failure for event in events(core)] == ["the address leads to this machine"]


def test_a_message_goes_to_the_address_that_was_looked_at_under_its_name(core, caller, client, clock, monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", lambda host, port, **_: [(0, 0, 0, "", ("2001:db8::7", port, 0, 0))])
    sent = []
    client._transport = httpx.MockTransport(lambda request: sent.append(request) or httpx.Response(204))
    published = replace(core, settings=replace(core.settings, public_url="https://verify.example"))
    Walk(published, caller).ask(callback="https://hooks.example/x").open().begin()
    assert deliver_due(published, client) == 1
    request = sent[0]
    assert (request.url.host, request.headers["host"]) == ("2001:db8::7", "hooks.example")
    assert request.extensions["sni_hostname"] == "hooks.example"


def test_a_name_that_leads_nowhere_is_tried_again(core, caller, client, clock, monkeypatch):
    def nowhere(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", nowhere)
    published = replace(core, settings=replace(core.settings, public_url="https://verify.example"))
    Walk(published, caller).ask(callback="https://hooks.example/x").open().begin()
    assert deliver_due(published, client) == 0
    assert [(event.last_failure, event.next_s is None) for event in events(core)] == [("gaierror", False)]

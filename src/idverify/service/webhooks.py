"""Webhooks: what was written to the outbox is delivered, signed, and tried again until it was taken.

Conventions: Standard Webhooks (``webhook-id``, ``webhook-timestamp``, ``webhook-signature``). A message may come twice
and in any order; its id stays the same. It is thin: the receiver asks the API what the attempt is now. A redirect is no
delivery. A published service delivers nothing to its own machine, whatever name leads there.

Public items: :func:`deliver_due`, :class:`Courier`, :data:`WAITS_S`.

References
----------
Standard Webhooks, https://www.standardwebhooks.com.
"""

from __future__ import annotations

import logging
import socket
import threading
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from sqlalchemy import select
from standardwebhooks.webhooks import Webhook

from idverify.errors import IdverifyError
from idverify.service.api_keys import webhook_secret
from idverify.service.core import Core
from idverify.service.settings import is_own
from idverify.service.tables import OutboxEvent

if TYPE_CHECKING:
    import httpx

__all__ = ["WAITS_S", "Courier", "deliver_due"]

log = logging.getLogger("idverify.service.webhooks")

#: After each failure so long, as Standard Webhooks advises; after the last one it is given up.
WAITS_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0)
_TIMEOUT_S = 10.0
_LOOK_S = 0.5
_AT_ONCE = 20


def deliver_due(core: Core, client: httpx.Client) -> int:
    """Deliver what is due.

    Returns
    -------
    int
        How many were taken.

    Raises
    ------
    DatabaseUnavailableError
    """
    taken = 0
    for event_id in _due(core):
        event = _lease(core, event_id)
        if event is None:
            continue
        failure = _deliver(core, client, event)
        taken += failure is None
        _note(core, event_id, failure)
    return taken


def _due(core: Core) -> list[str]:
    with core.database.reading() as session:
        due = select(OutboxEvent.id).where(OutboxEvent.next_s <= core.clock()).order_by(OutboxEvent.created_s)
        return list(session.scalars(due.limit(_AT_ONCE)))


def _lease(core: Core, event_id: str) -> OutboxEvent | None:
    """Take one message for as long as a delivery lasts, so that another courier leaves it alone."""
    now = core.clock()
    with core.database.writing() as session:
        event = session.scalar(
            select(OutboxEvent)
            .where(OutboxEvent.id == event_id, OutboxEvent.next_s <= now)
            .with_for_update(skip_locked=True)
        )
        if event is not None:
            event.tries += 1
            event.next_s = now + 3 * _TIMEOUT_S
        return event


def _deliver(core: Core, client: httpx.Client, event: OutboxEvent) -> str | None:
    """Post it; None, or in few words why it was not taken."""
    import httpx

    now = datetime.fromtimestamp(core.clock(), tz=timezone.utc)
    signature = Webhook(webhook_secret(core, event.api_key_id)).sign(event.id, now, event.body)
    headers = {
        "content-type": "application/json",
        "webhook-id": event.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    try:
        url = place = httpx.URL(event.url)
        if core.settings.public_url:
            addresses = _addresses(url)
            if any(map(is_own, addresses)):
                return "the address leads to this machine"
            # To the very address that was looked at, under its name: looked up again, the name might lead elsewhere.
            place = url.copy_with(host=addresses[0])
        answer = client.post(
            place,
            content=event.body,
            headers={**headers, "host": url.netloc.decode()},
            timeout=_TIMEOUT_S,
            extensions={"sni_hostname": url.host},
        )
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return type(error).__name__
    return None if answer.is_success else f"status {answer.status_code}"


def _addresses(url: httpx.URL) -> list[str]:
    """Where a name leads, the likeliest to be reached first."""
    found = socket.getaddrinfo(url.host, url.port or 443, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


def _note(core: Core, event_id: str, failure: str | None) -> None:
    now = core.clock()
    with core.database.writing() as session:
        event = session.get_one(OutboxEvent, event_id)
        event.last_failure = failure
        if failure is None:
            event.delivered_s, event.next_s = now, None
        elif event.tries <= len(WAITS_S):
            event.next_s = now + WAITS_S[event.tries - 1]
        else:
            event.next_s = None
            log.error("webhook %s was given up after %d tries: %s", event_id, event.tries, failure)


class Courier(threading.Thread):
    """Delivers until told to stop."""

    def __init__(self, core: Core) -> None:
        super().__init__(name="courier", daemon=True)
        self._core = core
        self._told = threading.Event()

    def run(self) -> None:
        """Deliver until told to stop."""
        # Not while the service starts.
        self._told.wait(_LOOK_S)
        import httpx

        with httpx.Client(follow_redirects=False, trust_env=False) as client:
            while not self._told.wait(_LOOK_S):
                try:
                    deliver_due(self._core, client)
                except IdverifyError as error:
                    log.warning("webhooks wait: %s", error)

    def stop(self) -> None:
        """Ask it to end."""
        self._told.set()

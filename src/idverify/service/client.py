"""A typed client of the API, for the service that asks for attempts.

Conventions: every failure of the API is a :class:`ApiError` with its stable code; what an attempt is now is asked for,
never taken from a webhook's body.

Public items: :class:`Client`, :class:`Attempt`, :class:`ApiError`, :func:`read_webhook`, :class:`Change`.

Examples
--------
A recovery service sends the link, and on each webhook asks what the attempt has become::

    client = Client("https://verify.example", key)
    attempt = client.create(photo=photo_on_file, subject=account_id, callback="https://us.example/hook")
    send_to_validated_address(attempt.link)
    ...
    change = read_webhook(body, headers, webhook_secret)
    if change.attempt_id and client.get(change.attempt_id).accepted:
        give_back(change.subject)
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import httpx
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from idverify.errors import IdverifyError, ParameterError
from idverify.service.case_states import CaseState
from idverify.service.states import State

__all__ = ["ApiError", "Attempt", "Change", "Client", "read_webhook"]

# Looking at a photo may wait for models to load.
_TIMEOUT_S = 30.0


class ApiError(IdverifyError):
    """The API refused, or could not be reached (code ``unreachable``).

    Parameters
    ----------
    code
        Stable; see the API's description.
    status
        Of HTTP; 0 where there was no answer.
    """

    def __init__(self, code: str, detail: str, status: int = 0) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.status = code, status


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt as the API tells it.

    Parameters
    ----------
    id, state, subject
    decision
        What ``idverify check --json`` prints; None while undecided.
    failure
        Code of the last technical failure, if the person is to record again.
    evidence_kept
        Whether photo and recordings are still there.
    link
        For the person; only in the answer to :meth:`Client.create`.
    """

    id: str
    state: State
    subject: str | None
    decision: Mapping[str, Any] | None = field(repr=False)
    failure: str | None
    evidence_kept: bool
    link: str | None = field(default=None, repr=False)

    @property
    def accepted(self) -> bool:
        """True only where the person was accepted, and by a decision that says so, too."""
        said = self.decision is not None and self.decision.get("outcome") == "accept"
        return self.state is State.ACCEPTED and said

    @property
    def reasons(self) -> tuple[str, ...]:
        """Stable codes of the decision."""
        return tuple(self.decision["reasons"]) if self.decision else ()

    def __bool__(self) -> bool:
        raise TypeError("an attempt is not just yes or no; use .accepted or .state")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A webhook that was verified: which attempt, or which case, to ask for; the other one is None."""

    message_id: str
    attempt_id: str | None
    case_id: str | None
    state: State | CaseState
    subject: str | None


class Client:
    """Asks the API.

    Parameters
    ----------
    base_url
        Where the service is.
    key
        An API key.
    transport
        Of httpx, for tests.
    """

    def __init__(self, base_url: str, key: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=_TIMEOUT_S,
            transport=transport,
            follow_redirects=False,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def create(
        self,
        *,
        photo: bytes | None = None,
        reference: str | None = None,
        policy: str = "recovery",
        locale: str = "en",
        subject: str | None = None,
        callback: str | None = None,
        avoid: Sequence[str] = (),
        light: bool = False,
        file: bool = False,
        service: str | None = None,
        expires_in_s: float | None = None,
        idempotency_key: str | None = None,
    ) -> Attempt:
        """Ask for an attempt; the answer holds the person's link.

        Parameters
        ----------
        photo, reference
            One of them: a photo, or the id of one enrolled before.
        idempotency_key
            With one, a request that is repeated makes no second attempt.

        Raises
        ------
        ApiError
        ParameterError
            Both or none of `photo` and `reference`.
        """
        if (photo is None) == (reference is None):
            raise ParameterError("give either a photo or the id of one enrolled before")
        body: dict[str, Any] = {"policy": policy, "locale": locale, "subject": subject, "callback": callback}
        body["options"] = {"avoid": list(avoid), "light": light, "file": file, "service": service}
        if photo is not None:
            body["reference_photo"] = base64.b64encode(photo).decode()
        else:
            body["reference"] = reference
        if expires_in_s is not None:
            body["expires_in_s"] = expires_in_s
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return _attempt(self._ask("POST", "/v1/attempts", json=body, headers=headers))

    def get(self, attempt_id: str) -> Attempt:
        """What an attempt is now.

        Raises
        ------
        ApiError
        """
        return _attempt(self._ask("GET", f"/v1/attempts/{attempt_id}"))

    def cancel(self, attempt_id: str) -> Attempt:
        """End an attempt that was not decided.

        Raises
        ------
        ApiError
        """
        return _attempt(self._ask("POST", f"/v1/attempts/{attempt_id}/cancel"))

    def delete_evidence(self, attempt_id: str) -> Attempt:
        """Delete photo and recordings for good.

        Raises
        ------
        ApiError
        """
        return _attempt(self._ask("DELETE", f"/v1/attempts/{attempt_id}/evidence"))

    def enrol(self, photo: bytes) -> str:
        """Keep a photo for several attempts; returns its id.

        Raises
        ------
        ApiError
        """
        headers = {"Content-Type": "application/octet-stream"}
        return str(self._ask("POST", "/v1/references", content=photo, headers=headers)["id"])

    def delete_reference(self, reference: str) -> None:
        """Delete an enrolled photo for good.

        Raises
        ------
        ApiError
        """
        self._ask("DELETE", f"/v1/references/{reference}")

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise ApiError("unreachable", type(error).__name__) from error
        if answer.status_code == 204:
            return {}
        try:
            document = answer.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise ApiError("unreachable", "the answer is no JSON object", answer.status_code)
        if not answer.is_success:
            raise ApiError(document.get("code", "internal"), document.get("detail", ""), answer.status_code)
        return document


def read_webhook(body: bytes | str, headers: Mapping[str, str], secret: str) -> Change:
    """Verify a webhook and read which attempt or case it is about.

    Raises
    ------
    ApiError
        Code ``forged``: not signed with this secret, or too old.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    try:
        content = Webhook(secret).verify(body, lowered)
        read = content if isinstance(content, dict) else json.loads(body)
        data = read["data"]
        is_case = str(read["type"]).startswith("case.")
        return Change(
            message_id=lowered["webhook-id"],
            attempt_id=None if is_case else data["id"],
            case_id=data["id"] if is_case else None,
            state=CaseState(data["state"]) if is_case else State(data["state"]),
            subject=data["subject"],
        )
    except (WebhookVerificationError, ValueError, KeyError, TypeError) as error:
        raise ApiError("forged", f"the webhook cannot be trusted: {type(error).__name__}") from None


def _attempt(view: Mapping[str, Any]) -> Attempt:
    try:
        return Attempt(
            id=view["id"],
            state=State(view["state"]),
            subject=view["subject"],
            decision=view["decision"],
            failure=view["failure"],
            evidence_kept=view["evidence"] == "kept",
            link=view.get("link"),
        )
    except (KeyError, ValueError) as error:
        raise ApiError("unreachable", f"the answer is no attempt: {error}") from None

"""A typed client of the API, for the service that asks for attempts and opens cases.

Conventions: every failure of the API is a :class:`ApiError` with its stable code; what an attempt is now is asked for,
never taken from a webhook's body.

Public items: :class:`Client`, :class:`Attempt`, :class:`Case`, :class:`Notice`, :class:`ApiError`,
:func:`read_webhook`, :class:`Change`.

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

__all__ = ["ApiError", "Attempt", "Case", "Change", "Client", "Notice", "read_webhook"]

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
class Case:
    """A case as the API tells it.

    Parameters
    ----------
    id, state, subject
    route
        The way that it takes; the person may have chosen another one.
    step, who, due_s
        What is next, who does it, and by when; None at the end.
    overdue
        Whether it was not done in time.
    wait_until_s
        No attempt is made before; None where nothing is waited for.
    rejections_left
        Judged rejections until a person has the case.
    attempts
        Ids, oldest first.
    """

    id: str
    state: CaseState
    subject: str
    route: str
    step: str | None
    who: str | None
    due_s: float | None
    overdue: bool
    wait_until_s: float | None
    rejections_left: int
    attempts: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """True only where the account may be given back now."""
        return self.state is CaseState.ACCEPTED

    def __bool__(self) -> bool:
        raise TypeError("a case is not just yes or no; use .accepted or .state")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What the person is to be told of a change; holds links, hence no words in its repr.

    Parameters
    ----------
    id, state, created_s
    subject, body
        Of an e-mail, as plain text.
    message
        Of a short message.
    """

    id: str
    state: CaseState
    created_s: float
    subject: str = field(repr=False)
    body: str = field(repr=False)
    message: str = field(repr=False)


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
        body: dict[str, Any] = {"policy": policy, "locale": locale, "subject": subject, "callback": callback}
        body |= _compared(photo, reference)
        body["options"] = {"avoid": list(avoid), "light": light, "file": file, "service": service}
        if expires_in_s is not None:
            body["expires_in_s"] = expires_in_s
        return _attempt(self._ask("POST", "/v1/attempts", json=body, headers=_once(idempotency_key)))

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

    def open_case(
        self,
        *,
        subject: str,
        route: str = "standard",
        policy: str = "recovery",
        locale: str = "en",
        callback: str | None = None,
        reference: str | None = None,
        voucher_reference: str | None = None,
        service: str | None = None,
        group: str | None = None,
        idempotency_key: str | None = None,
    ) -> Case:
        """Open a case: one person's way back to one account.

        Parameters
        ----------
        reference, voucher_reference
            Ids of photos enrolled before: of the person, who then can begin recordings on their page; of an adult who
            may vouch.
        idempotency_key
            With one, a request that is repeated opens no second case.

        Raises
        ------
        ApiError
        """
        body = {
            "subject": subject,
            "route": route,
            "policy": policy,
            "locale": locale,
            "callback": callback,
            "reference": reference,
            "voucher_reference": voucher_reference,
            "service": service,
            "group": group,
        }
        return _case(self._ask("POST", "/v1/cases", json=body, headers=_once(idempotency_key)))

    def case(self, case_id: str) -> Case:
        """What a case is now.

        Raises
        ------
        ApiError
        """
        return _case(self._ask("GET", f"/v1/cases/{case_id}"))

    def new_attempt(
        self,
        case_id: str,
        *,
        photo: bytes | None = None,
        reference: str | None = None,
        avoid: Sequence[str] = (),
        light: bool = False,
        file: bool = False,
        service: str | None = None,
        idempotency_key: str | None = None,
    ) -> Attempt:
        """Ask for an attempt within a case, under the case's policy; its link opens the case as well.

        Raises
        ------
        ApiError
            Among others ``attempt_delayed`` (the case says until when), ``attempt_open``, ``case_with_person``.
        ParameterError
            Both or none of `photo` and `reference`.
        """
        body = _compared(photo, reference)
        body["options"] = {"avoid": list(avoid), "light": light, "file": file, "service": service}
        return _attempt(
            self._ask("POST", f"/v1/cases/{case_id}/attempts", json=body, headers=_once(idempotency_key))
        )

    def case_link(self, case_id: str) -> str:
        """A new link for the person to their page; it is shown once, and opens once.

        Raises
        ------
        ApiError
        """
        return str(self._ask("POST", f"/v1/cases/{case_id}/link")["link"])

    def notices(self, case_id: str) -> tuple[Notice, ...]:
        """What the person is to be told, oldest first; send it to an address that was checked before.

        Raises
        ------
        ApiError
        """
        return tuple(map(_notice, self._ask("GET", f"/v1/cases/{case_id}/notices")["notices"]))

    def recovered(self, case_id: str) -> Case:
        """Say that the account was given back; refused unless the case was accepted.

        Raises
        ------
        ApiError
        """
        return _case(self._ask("POST", f"/v1/cases/{case_id}/recovered"))

    def withdraw(self, case_id: str) -> Case:
        """End a case that the person does not want any more; what is undecided ends with it.

        Raises
        ------
        ApiError
        """
        return _case(self._ask("POST", f"/v1/cases/{case_id}/withdraw"))

    def not_me(self, case_id: str) -> Case:
        """Freeze a case because the person says that it was not them.

        Raises
        ------
        ApiError
        """
        return _case(self._ask("POST", f"/v1/cases/{case_id}/not-me"))

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


def _case(view: Mapping[str, Any]) -> Case:
    try:
        following = view["next"] or {"step": None, "who": None, "due_s": None}
        return Case(
            id=view["id"],
            state=CaseState(view["state"]),
            subject=view["subject"],
            route=view["route"],
            step=following["step"],
            who=following["who"],
            due_s=following["due_s"],
            overdue=view["overdue"],
            wait_until_s=view["wait_until_s"],
            rejections_left=view["rejections_left"],
            attempts=tuple(attempt["id"] for attempt in view["attempts"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ApiError("unreachable", f"the answer is no case: {error}") from None


def _notice(told: Mapping[str, Any]) -> Notice:
    try:
        return Notice(
            id=told["id"],
            state=CaseState(told["state"]),
            created_s=told["created_s"],
            subject=told["email"]["subject"],
            body=told["email"]["body"],
            message=told["message"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ApiError("unreachable", f"the answer is no notice: {error}") from None


def _compared(photo: bytes | None, reference: str | None) -> dict[str, Any]:
    """What the person is compared with."""
    if (photo is None) == (reference is None):
        raise ParameterError("give either a photo or the id of one enrolled before")
    return {"reference": reference} if photo is None else {"reference_photo": base64.b64encode(photo).decode()}


def _once(idempotency_key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": idempotency_key} if idempotency_key else {}

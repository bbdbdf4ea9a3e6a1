"""What can go wrong with a request, as RFC 9457 problem details: a stable code, a title, one sentence.

Public items: :class:`Problem`, :data:`STATUS`.

References
----------
RFC 9457, Problem Details for HTTP APIs.
"""

from __future__ import annotations

from typing import Any

from idverify.errors import IdverifyError

__all__ = ["STATUS", "Problem"]

#: Code -> HTTP status and title. A caller may rely on the codes.
STATUS: dict[str, tuple[int, str]] = {
    "invalid_request": (400, "The request is not understood"),
    "key_missing": (401, "An API key is needed"),
    "session_missing": (401, "The recording was not opened in this browser"),
    "sign_in_needed": (401, "Sign in first"),
    "sign_in_refused": (401, "Name, password or code is not right"),
    "not_allowed": (403, "This account may not do that"),
    "origin_refused": (403, "The request came from another site"),
    "not_found": (404, "There is no such thing"),
    "link_unknown": (404, "The link is not known"),
    "method_not_allowed": (405, "The method is not offered here"),
    "attempt_open": (409, "Another attempt for the same person is under way"),
    "case_claimed": (409, "Somebody else has the case"),
    "not_claimed": (409, "Take the case first"),
    "look_first": (409, "Look at the evidence first"),
    "view_missing": (409, "Your own view comes first"),
    "second_person": (409, "Another person has to decide this"),
    "case_with_person": (409, "A person has the case"),
    "case_wrong_state": (409, "The case is in another state"),
    "chunk_conflict": (409, "Another piece with this number arrived before"),
    "consent_missing": (409, "Consent comes first"),
    "idempotency_conflict": (409, "The idempotency key was used for another request"),
    "nothing_new": (409, "Nothing new was said or sent"),
    "no_recordings_left": (409, "No further recording is possible"),
    "recording_incomplete": (409, "The recording did not arrive whole"),
    "recording_late": (409, "A step reached the browser too late"),
    "session_moved": (409, "The recording went on on another device"),
    "too_many_papers": (409, "The case holds as many texts and documents as it can"),
    "wrong_state": (409, "The attempt is in another state"),
    "link_expired": (410, "The link has expired"),
    "link_used": (410, "The link was used before"),
    "too_large": (413, "Too large"),
    "recording_too_long": (413, "The recording is too long"),
    "document_type": (422, "Documents of this type are not taken"),
    "voucher_photo_missing": (422, "A photo of the adult is needed"),
    "range_unknown": (416, "There are no such bytes"),
    "not_a_photo": (422, "The reference is no photo that can be read"),
    "reference_unusable": (422, "The reference photo cannot be used"),
    "too_few_movements": (422, "Too few movements are left to ask for"),
    "address_delayed": (429, "Too many were rejected from this network; the next recording has to wait"),
    "attempt_delayed": (429, "The next attempt has to wait"),
    "too_many_requests": (429, "Too many requests"),
    "internal": (500, "Something went wrong here"),
    "provider_trouble": (502, "The OpenID provider does not answer as it should"),
    "not_ready": (503, "The service cannot do this just now"),
}


class Problem(IdverifyError):
    """A request that is answered with problem details.

    Parameters
    ----------
    code
        One of :data:`STATUS`.
    detail
        One sentence for the caller's developers; holds nothing of the person.
    retry_after_s
        When trying again makes sense.
    """

    def __init__(self, code: str, detail: str = "", *, retry_after_s: int | None = None) -> None:
        super().__init__(detail or STATUS[code][1])
        self.code = code
        self.status, self.title = STATUS[code]
        self.detail = detail
        self.retry_after_s = retry_after_s

    def document(self) -> dict[str, Any]:
        """The body of the answer."""
        body = {"type": f"urn:idverify:problem:{self.code}", "title": self.title, "status": self.status}
        return {**body, "detail": self.detail or self.title, "code": self.code}

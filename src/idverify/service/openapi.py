"""The API's description as OpenAPI 3.1, from the same limits and lists that the code goes by.

Public items: :func:`document`.

References
----------
OpenAPI 3.1.0; JSON Schema 2020-12; RFC 9457.
"""

from __future__ import annotations

from typing import Any

from idverify._version import __version__
from idverify.challenge import LANGUAGES
from idverify.report import load_schema
from idverify.service.case_routes import CaseRoute
from idverify.service.case_states import NEXT_STEPS, CaseState, Who
from idverify.service.problems import STATUS
from idverify.service.settings import Limits
from idverify.service.states import State
from idverify.verification.shipped import policy_names

__all__ = ["document"]

_TEXT = {"type": "string", "maxLength": 255}
_TIME = {"type": "number", "description": "Seconds since 1970 (UTC)."}
_MAYBE_TIME = {"type": ["number", "null"], "description": "Seconds since 1970 (UTC)."}
_ID = {"type": "string", "pattern": "^[a-z]{3}_[0-9A-HJKMNP-TV-Z]{16}$"}

# What only people's pages and the desk answer; a caller of the API never meets it.
_OF_PAGES = frozenset(
    {
        *("session_missing", "session_moved", "origin_refused", "link_unknown", "link_expired", "link_used"),
        *("sign_in_needed", "sign_in_refused", "not_allowed", "case_claimed", "not_claimed", "look_first"),
        *("view_missing", "second_person", "nothing_new", "too_many_papers", "document_type", "range_unknown"),
        *("voucher_photo_missing", "consent_missing", "chunk_conflict", "recording_incomplete", "recording_late"),
        *("recording_too_long", "no_recordings_left", "address_delayed"),
    }
)


def document(base_url: str) -> dict[str, Any]:
    """The whole description.

    Parameters
    ----------
    base_url
        Where the service is reached.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "idverify: attempts of identity verification",
            "version": __version__,
            "description": (
                "A service asks for an attempt and sends its link to the person. The person opens it and records "
                "themselves; the service gets the decision, by webhook and by asking. Times are seconds since 1970."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": base_url}],
        "security": [{"key": []}],
        "paths": _paths(),
        "webhooks": {
            "attempt": {"post": _webhook("An attempt became something else.", "Change")},
            "case": {"post": _webhook("A case became something else.", "CaseChange")},
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key."}},
            "schemas": {
                "NewAttempt": _new_attempt(),
                "Attempt": _attempt(link=False),
                "MadeAttempt": _attempt(link=True),
                "NewCase": _new_case(),
                "NewCaseAttempt": _new_case_attempt(),
                "Case": _case(),
                "CaseLink": _object({"link": {"type": "string", "format": "uri"}, "expires_s": _TIME}),
                "Notices": _object({"notices": {"type": "array", "items": _notice()}}),
                "Reference": _object({"id": _ID, "created_s": _TIME}),
                "Decision": _decision(),
                "Problem": _problem(),
                "Change": _change("attempt", [state.value for state in State]),
                "CaseChange": _change("case", [state.value for state in CaseState]),
            },
        },
    }


def _paths() -> dict[str, Any]:
    attempt = _parameter("attempt")
    return {
        "/v1/attempts": {
            "post": {
                "operationId": "createAttempt",
                "summary": "Ask for an attempt.",
                "description": "The link in the answer is shown once; it opens once.",
                **_making("NewAttempt", "MadeAttempt", 400, 401, 404, 409, 413, 422),
            }
        },
        "/v1/attempts/{attempt}": {
            "parameters": [attempt],
            "get": _operation("getAttempt", "State and, once decided, the decision.", "Attempt", 404),
        },
        "/v1/attempts/{attempt}/cancel": {
            "parameters": [attempt],
            "post": _operation("cancelAttempt", "End an attempt that was not decided.", "Attempt", 404, 409),
        },
        "/v1/attempts/{attempt}/evidence": {
            "parameters": [attempt],
            "delete": _operation("deleteEvidence", "Delete photo and recordings, for good.", "Attempt", 404),
        },
        "/v1/cases": {
            "post": {
                "operationId": "openCase",
                "summary": "Open a case: one person's way back to one account.",
                **_making("NewCase", "Case", 400, 401, 404, 409, 413),
            }
        },
        "/v1/cases/{case}": {
            "parameters": [_parameter("case")],
            "get": _operation("getCase", "State, the next step, who takes it and by when, and attempts.", "Case", 404),
        },
        "/v1/cases/{case}/attempts": {
            "parameters": [_parameter("case")],
            "post": {
                "operationId": "createCaseAttempt",
                "summary": "Ask for an attempt within a case.",
                "description": (
                    "429 (attempt_delayed, with Retry-After) while the person has to wait after a rejection; 409 "
                    "(case_with_person) once a person has the case. The link in the answer is shown once."
                ),
                **_making("NewCaseAttempt", "MadeAttempt", 400, 401, 404, 409, 413, 422),
            },
        },
        "/v1/cases/{case}/link": {
            "parameters": [_parameter("case")],
            "post": {
                "operationId": "linkCase",
                "summary": "A link for the person to their page of the case; shown once, and good once.",
                "responses": {"201": _answer("Made.", "CaseLink"), **_problems(401, 404)},
            },
        },
        "/v1/cases/{case}/notices": {
            "parameters": [_parameter("case")],
            "get": _operation(
                "noticesOfCase",
                "What the person is to be told of each change; to be sent to an address that was checked before.",
                "Notices",
                404,
            ),
        },
        "/v1/cases/{case}/evidence": {
            "parameters": [_parameter("case")],
            "delete": _operation(
                "deleteCaseEvidence", "Delete what was recorded, written and sent in a case, for good.", "Case", 404
            ),
        },
        "/v1/cases/{case}/withdraw": {
            "parameters": [_parameter("case")],
            "post": _operation("withdrawCase", "The person does not want it any more.", "Case", 404, 409),
        },
        "/v1/cases/{case}/recovered": {
            "parameters": [_parameter("case")],
            "post": _operation("recoveredCase", "The account was given back.", "Case", 404, 409),
        },
        "/v1/cases/{case}/not-me": {
            "parameters": [_parameter("case")],
            "post": _operation("notMeCase", "The person says that it was not them: freeze it.", "Case", 404, 409),
        },
        "/v1/references": {
            "post": {
                "operationId": "enrolReference",
                "summary": "Keep a photo for several attempts, until it is deleted.",
                "requestBody": {
                    "required": True,
                    "content": {"image/*": {"schema": {"type": "string", "contentEncoding": "binary"}}},
                },
                "responses": {"201": _answer("Kept.", "Reference"), **_problems(400, 401, 413, 422)},
            }
        },
        "/v1/references/{reference}": {
            "parameters": [_parameter("reference")],
            "delete": {
                "operationId": "deleteReference",
                "summary": "Delete an enrolled photo, for good.",
                "responses": {"204": {"description": "Deleted."}, **_problems(401, 404)},
            },
        },
    }


def _operation(name: str, summary: str, schema: str, *problems: int) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {"200": _answer("Done.", schema), **_problems(401, *problems)},
    }


def _making(schema: str, made: str, *problems: int) -> dict[str, Any]:
    """A request that is made once, however often it is sent."""
    return {
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "The same request again, under the same key, is answered the same.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
            }
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(schema)}}},
        "responses": {
            "201": _answer("Made.", made),
            "200": _answer("The same was asked for before.", made),
            **_problems(*problems),
        },
    }


def _webhook(what: str, schema: str) -> dict[str, Any]:
    headers = {
        "webhook-id": "The same for every delivery of one message.",
        "webhook-timestamp": "Seconds since 1970 of this delivery.",
        "webhook-signature": "Standard Webhooks: HMAC-SHA256 over id, timestamp and body.",
    }
    return {
        "summary": f"{what} Sent to its callback until answered with 2xx.",
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(schema)}}},
        "responses": {"200": {"description": "Taken."}},
    }


def _new_attempt() -> dict[str, Any]:
    photo_bytes = Limits().photo_bytes
    return {
        **_object(
            {
                "policy": {"enum": [*policy_names(), None], "default": "recovery"},
                "locale": {"enum": [*LANGUAGES, None], "default": "en", "description": "Language of the page."},
                "reference_photo": {
                    "type": "string",
                    "contentEncoding": "base64",
                    "description": f"The photo to compare with; at most {photo_bytes} bytes. This or `reference`.",
                },
                "reference": {**_TEXT, "description": "A photo that was enrolled before. This or `reference_photo`."},
                "subject": {
                    "type": ["string", "null"],
                    "maxLength": 255,
                    "description": "The service's own reference for the person; never a person's name.",
                },
                "callback": {
                    "type": ["string", "null"],
                    "maxLength": 2000,
                    "format": "uri",
                    "description": "Where webhooks go: https; http on the service's machine while it is not published.",
                },
                "expires_in_s": {
                    "type": ["number", "null"],
                    "minimum": 60,
                    "maximum": 2592000,
                    "description": "How long the link can be opened.",
                },
                "options": _object(
                    {
                        "avoid": {
                            "type": ["array", "null"],
                            "maxItems": 20,
                            "items": {"type": "string", "maxLength": 64},
                            "description": "Movements that the person cannot make: turn, look, mouth, blink, move, ...",
                        },
                        "light": {"type": "boolean", "default": False, "description": "Ask for screen colours, too."},
                        "file": {
                            "type": "boolean",
                            "default": False,
                            "description": "Take a file where no camera can be used; it is bound to nothing.",
                        },
                        "service": {"type": ["string", "null"], "maxLength": 80, "description": "A name to show."},
                    },
                    optional=("avoid", "light", "file", "service"),
                ),
            },
            optional=(
                "policy",
                "locale",
                "reference_photo",
                "reference",
                "subject",
                "callback",
                "expires_in_s",
                "options",
            ),
        ),
        "oneOf": [{"required": ["reference_photo"]}, {"required": ["reference"]}],
    }


def _new_case() -> dict[str, Any]:
    shared = _new_attempt()["properties"]
    return _object(
        {
            "subject": {
                "type": "string",
                "minLength": 1,
                "maxLength": 255,
                "description": "The service's own reference for the person; rejections are counted under it.",
            },
            "route": {
                "enum": [*(route.value for route in CaseRoute), None],
                "default": CaseRoute.STANDARD.value,
                "description": (
                    "no_gesture: colours instead of movements; photosensitive: no colours; minor, no_face and "
                    "attended: a person decides."
                ),
            },
            **{name: shared[name] for name in ("policy", "locale", "callback")},
            **{
                name: {"type": ["string", "null"], "maxLength": 255, "description": f"An enrolled photo of {whose}."}
                for name, whose in (("reference", "the person"), ("voucher_reference", "an adult who vouches"))
            },
            "service": {
                "type": ["string", "null"],
                "maxLength": 80,
                "description": "Your name, as the person reads it.",
            },
            "group": {
                "type": ["string", "null"],
                "maxLength": 64,
                "description": "A label of the service's own; figures of reviews are kept apart by it.",
            },
        },
        optional=("route", "policy", "locale", "callback", "reference", "voucher_reference", "service", "group"),
    )


def _new_case_attempt() -> dict[str, Any]:
    """As an attempt of its own, but for what the case says."""
    whole = _new_attempt()
    case_says = ("policy", "locale", "subject", "callback")
    properties = {name: schema for name, schema in whole["properties"].items() if name not in case_says}
    return {**_object(properties, optional=tuple(properties)), "oneOf": whole["oneOf"]}


def _case() -> dict[str, Any]:
    step = _object(
        {
            "step": {"enum": sorted({step.step for step in NEXT_STEPS.values()})},
            "who": {"enum": [who.value for who in Who]},
            "due_s": _TIME,
        }
    )
    return _object(
        {
            "id": _ID,
            "state": {"enum": [state.value for state in CaseState]},
            "route": {"enum": [route.value for route in CaseRoute]},
            "policy": {"type": "string"},
            "locale": {"enum": list(LANGUAGES)},
            "subject": {"type": "string"},
            "created_s": _TIME,
            "changed_s": _TIME,
            "next": {"anyOf": [step, {"type": "null"}], "description": "null where nothing more has to happen."},
            "overdue": {"type": "boolean"},
            "wait_until_s": _MAYBE_TIME,
            "rejections": {
                "type": "integer",
                "minimum": 0,
                "description": "Judged rejections of the subject within the policy's window.",
            },
            "rejections_left": {"type": "integer", "minimum": 0, "description": "Then a person has the case."},
            "case_policy_sha256": {"type": "string", "description": "Of the case policy its last change went by."},
            "disputed_s": {**_MAYBE_TIME, "description": "When somebody said that it was not them."},
            "attempts": {
                "type": "array",
                "items": _object(
                    {
                        "id": _ID,
                        "state": {"enum": [state.value for state in State]},
                        "role": {"enum": ["subject", "voucher"], "description": "voucher: of an adult who vouches."},
                    }
                ),
            },
        }
    )


def _notice() -> dict[str, Any]:
    text = {"type": "string"}
    return _object(
        {
            "id": _ID,
            "state": {"enum": [state.value for state in CaseState]},
            "created_s": _TIME,
            "locale": {"enum": list(LANGUAGES)},
            "email": _object({"subject": text, "body": {**text, "description": "Plain text."}}),
            "message": {**text, "description": "The same in short, for a message to a phone."},
        }
    )


def _attempt(*, link: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": _ID,
        "state": {"enum": [state.value for state in State]},
        "policy": {"type": "string"},
        "locale": {"enum": list(LANGUAGES)},
        "options": {"type": "object"},
        "subject": {"type": ["string", "null"]},
        "case": {"type": ["string", "null"], "description": "The case it belongs to."},
        "reference": {"type": ["string", "null"]},
        "created_s": _TIME,
        "expires_s": {**_TIME, "description": "Until then the person can begin or go on. Seconds since 1970."},
        "consent_s": _MAYBE_TIME,
        "consent_version": {"type": ["string", "null"], "description": "Names the words that were agreed to."},
        "recordings_judged": {"type": "integer", "minimum": 0},
        "failure": {"type": ["string", "null"], "description": "Code of the last technical failure."},
        "decided_s": _MAYBE_TIME,
        "decision": {"anyOf": [_ref("Decision"), {"type": "null"}]},
        "capture": {
            "type": ["object", "null"],
            "description": "What the stamps of the capture proved: source, and the seconds each answer took to arrive.",
        },
        "evidence": {"enum": ["kept", "deleted"]},
    }
    if link:
        fields["link"] = {"type": "string", "format": "uri", "description": "For the person; opens once."}
    return _object(fields)


def _decision() -> dict[str, Any]:
    """What ``idverify check --json`` prints, its definitions taken in."""
    schema = load_schema()
    return {**schema["$defs"]["decision"], "$defs": schema["$defs"], "$id": schema["$id"]}


def _change(what: str, states: list[str]) -> dict[str, Any]:
    fields = {"id": _ID, "state": {"enum": states}, "subject": {"type": ["string", "null"]}}
    notice = {"notice": {**_ID, "description": "What the person is to be told; see the case's notices."}}
    data = _object(fields | (notice if what == "case" else {}))
    return _object(
        {
            "type": {"enum": [f"{what}.{state}" for state in states]},
            "timestamp": _TIME,
            "data": data,
        }
    )


def _problem() -> dict[str, Any]:
    return _object(
        {
            "type": {"type": "string", "pattern": "^urn:idverify:problem:"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"enum": list(STATUS)},
        }
    )


def _problems(*statuses: int) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": _ref("Problem")}}
    found = {}
    for status in sorted({*statuses, 429, 500, 503}):
        said = [f"{code}: {title}" for code, (s, title) in STATUS.items() if s == status and code not in _OF_PAGES]
        found[str(status)] = {"description": "; ".join(said) + ".", "content": content}
    return found


def _answer(description: str, schema: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _object(properties: dict[str, Any], *, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name in properties if name not in optional],
        "properties": properties,
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}

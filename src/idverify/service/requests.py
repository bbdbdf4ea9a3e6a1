"""What comes in over HTTP, read within bounds and checked before anything is done with it.

Public items: :func:`body`, :func:`json_object`, :func:`idempotency_key`, :func:`asked`, :func:`asked_case`,
:func:`asked_in_case`, :func:`photo_body`, :class:`Fields`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request

from idverify import challenge as challenges
from idverify.challenge import LANGUAGES
from idverify.errors import ParameterError
from idverify.service.attempts import Asked
from idverify.service.case_routes import CaseRoute
from idverify.service.cases import AskedCase
from idverify.service.core import Core
from idverify.service.problems import Problem
from idverify.service.settings import is_loopback, is_own
from idverify.verification.shipped import policy_names

__all__ = [
    "Fields",
    "asked",
    "asked_case",
    "asked_in_case",
    "body",
    "idempotency_key",
    "json_object",
    "language_of",
    "photo_body",
]

_LONGEST_KEY = 255
_MAX_LINK_S, _MIN_LINK_S = 30 * 24 * 3600.0, 60.0
_MAX_DEPTH = 20
# RFC 1123, section 2.1, and the underscore that some networks use.
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?")


async def body(request: Request, limit: int) -> bytes:
    """The whole body, if it is not larger than allowed; more is not read.

    Raises
    ------
    Problem
        ``too_large``.
    """
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > limit:
        raise Problem("too_large", f"at most {limit} bytes")
    pieces, total = [], 0
    try:
        async for piece in request.stream():
            total += len(piece)
            if total > limit:
                raise Problem("too_large", f"at most {limit} bytes")
            pieces.append(piece)
    except ClientDisconnect:
        raise Problem("invalid_request", "the request ended too early") from None
    return b"".join(pieces)


async def photo_body(request: Request, core: Core) -> bytes:
    """A photo sent as it is.

    Raises
    ------
    Problem
    """
    content = await body(request, core.settings.limits.photo_bytes)
    if not content:
        raise Problem("invalid_request", "the body is the photo, and it is empty")
    return content


async def json_object(request: Request, limit: int) -> dict[str, Any]:
    """The body as a JSON object; an empty one where there is none.

    Raises
    ------
    Problem
        ``invalid_request``, ``too_large``.
    """
    content = await body(request, limit)
    if not content:
        return {}
    try:
        read = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Problem("invalid_request", "the body is no JSON") from None
    if not isinstance(read, dict) or _too_deep(read):
        raise Problem("invalid_request", "the body is no JSON object")
    return read


def idempotency_key(request: Request) -> str | None:
    """The name under which a request is made once, however often it is sent; None where there is none.

    Raises
    ------
    Problem
        ``invalid_request``.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable()):
        raise Problem("invalid_request", f"Idempotency-Key has 1 to {_LONGEST_KEY} printable characters")
    return key


class Fields:
    """The fields of a JSON object: each is asked for by name and type, and what nobody asked for is refused."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._left = dict(given)

    def text(self, name: str, *, longest: int = 255) -> str | None:
        """A text of at most `longest` characters; None where it is absent or null."""
        value = self._left.pop(name, None)
        if value is None:
            return None
        # PostgreSQL keeps no NUL, and half a surrogate pair is no text.
        if not isinstance(value, str) or len(value) > longest or "\0" in value or not _encodes(value):
            raise Problem("invalid_request", f"{name} is a text of at most {longest} characters")
        return value

    def number(self, name: str, least: float, most: float) -> float | None:
        """A number within bounds."""
        value = self._left.pop(name, None)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            raise Problem("invalid_request", f"{name} is a number from {least:.15g} to {most:.15g}")
        return float(value)

    def whole(self, name: str, least: int, most: int) -> int:
        """A whole number that has to be there."""
        value = self._left.pop(name, None)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise Problem("invalid_request", f"{name} is a whole number from {least} to {most}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self._left.pop(name, default)
        if not isinstance(value, bool):
            raise Problem("invalid_request", f"{name} is true or false")
        return value

    def texts(self, name: str, *, most: int = 20) -> list[str]:
        """A short list of short texts."""
        value = self._left.pop(name, None)
        if value is None:
            return []
        fits = isinstance(value, list) and len(value) <= most
        if not fits or not all(isinstance(item, str) and len(item) <= 64 and _encodes(item) for item in value):
            raise Problem("invalid_request", f"{name} is a list of at most {most} short texts")
        return list(value)

    def inner(self, name: str) -> Fields:
        """An object within."""
        value = self._left.pop(name, None)
        if value is None:
            return Fields({})
        if not isinstance(value, dict):
            raise Problem("invalid_request", f"{name} is an object")
        return Fields(value)

    def rest(self, *, longest: int) -> dict[str, Any]:
        """Everything else, if it is short enough to be kept."""
        left, self._left = self._left, {}
        if len(json.dumps(left)) > longest or not _encodes(json.dumps(left, ensure_ascii=False)):
            raise Problem("too_large", f"at most {longest} characters of signals")
        return json.loads(json.dumps(left).replace("\\u0000", ""))  # type: ignore[no-any-return]

    def nothing_else(self) -> None:
        """Refuse what nobody asked for."""
        if self._left:
            raise Problem("invalid_request", f"{sorted(self._left)[0][:64]!r} is not known")


def asked(given: Mapping[str, Any], core: Core) -> Asked:
    """A request for an attempt.

    Raises
    ------
    Problem
        ``invalid_request``, ``too_large``, ``too_few_movements``.
    """
    fields = Fields(given)
    policy = _policy(fields)
    photo = _decoded(fields.text("reference_photo", longest=core.settings.limits.photo_bytes * 4 // 3 + 4), core)
    reference_id = fields.text("reference")
    if (photo is None) == (reference_id is None):
        raise Problem("invalid_request", "give either reference_photo (base64) or reference (an id)")
    options = fields.inner("options")
    chosen = {
        "avoid": options.texts("avoid"),
        "light": options.flag("light", default=False),
        "file": options.flag("file", default=False),
        "service": options.text("service", longest=80),
    }
    options.nothing_else()
    _check_movements(chosen)
    found = Asked(
        policy=policy,
        locale=language_of(fields.text("locale") or "en"),
        photo=photo,
        reference_id=reference_id,
        options=chosen,
        subject=fields.text("subject"),
        callback=_callback(fields.text("callback", longest=2000), core),
        link_s=fields.number("expires_in_s", _MIN_LINK_S, _MAX_LINK_S),
    )
    fields.nothing_else()
    return found


def asked_case(given: Mapping[str, Any], core: Core) -> AskedCase:
    """A request for a case.

    Raises
    ------
    Problem
        ``invalid_request``.
    """
    fields = Fields(given)
    subject = fields.text("subject")
    if not subject:
        raise Problem("invalid_request", "subject is the service's own reference for the person")
    route = fields.text("route") or CaseRoute.STANDARD.value
    if route not in {known.value for known in CaseRoute}:
        raise Problem("invalid_request", f"route is one of: {', '.join(known.value for known in CaseRoute)}")
    found = AskedCase(
        subject=subject,
        route=CaseRoute(route),
        policy=_policy(fields),
        locale=language_of(fields.text("locale") or "en"),
        callback=_callback(fields.text("callback", longest=2000), core),
        reference_id=fields.text("reference"),
        voucher_reference_id=fields.text("voucher_reference"),
        service=fields.text("service", longest=80),
        group=fields.text("group", longest=64) or None,
    )
    fields.nothing_else()
    return found


def asked_in_case(given: Mapping[str, Any], core: Core) -> Asked:
    """A request for an attempt within a case, which says the rest.

    Raises
    ------
    Problem
        ``invalid_request``, ``too_large``, ``too_few_movements``.
    """
    for name in ("policy", "locale", "subject", "callback"):
        if name in given:
            raise Problem("invalid_request", f"{name} is the case's")
    return asked(given, core)


def _policy(fields: Fields) -> str:
    policy = fields.text("policy") or "recovery"
    if policy not in policy_names():
        raise Problem("invalid_request", f"policy is one of: {', '.join(policy_names())}")
    return policy


def language_of(tag: str) -> str:
    """The page's language for a language tag such as ``pt-BR``.

    Raises
    ------
    Problem
        ``invalid_request``: there are no words in it.
    """
    language = re.split(r"[-_]", tag)[0].lower()
    if language not in LANGUAGES:
        raise Problem("invalid_request", f"locale is one of: {', '.join(LANGUAGES)}")
    return language


def _decoded(text: str | None, core: Core) -> bytes | None:
    if text is None:
        return None
    try:
        photo = base64.b64decode(text, validate=True)
    except ValueError:
        photo = b""
    if not photo:
        raise Problem("invalid_request", "reference_photo is a photo in base64")
    if len(photo) > core.settings.limits.photo_bytes:
        raise Problem("too_large", f"a photo has at most {core.settings.limits.photo_bytes} bytes")
    return photo


def _check_movements(options: Mapping[str, Any]) -> None:
    try:
        challenges.actions_named(options["avoid"])
    except ParameterError as error:
        raise Problem("invalid_request", str(error)) from None
    try:
        # What cannot be drawn now cannot be drawn later.
        challenges.issue(
            kind="both" if options["light"] else "motion", avoid=options["avoid"], key=b"only to see if it can be drawn"
        )
    except ParameterError as error:
        raise Problem("too_few_movements", str(error)) from None


def _callback(text: str | None, core: Core) -> str | None:
    if text is None:
        return None
    import httpx

    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise Problem("invalid_request", "callback is no address") from None
    # A service that is published has callers elsewhere, who must not reach what listens on its machine.
    tried_here = not core.settings.public_url
    is_reachable = _is_host(url.host) and _is_port(url.port) and (tried_here or not is_own(url.host))
    if url.scheme == "https" and is_reachable and not url.userinfo:
        return text
    if tried_here and url.scheme == "http" and is_loopback(url.host) and not url.userinfo:
        return text
    raise Problem("invalid_request", "callback is an https:// address" + " (http:// only on this machine)" * tried_here)


def _is_host(host: str) -> bool:
    """Whether it can be the name or the address of a machine."""
    try:
        ip_address(host)
    except ValueError:
        try:
            labels = host.rstrip(".").encode("idna").decode().split(".")
        except UnicodeError:
            return False
        return all(_LABEL.fullmatch(label) for label in labels)
    return True


def _is_port(port: int | None) -> bool:
    return port is None or 0 < port < 1 << 16


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _too_deep(value: Any, depth: int = 0) -> bool:
    if depth > _MAX_DEPTH:
        return True
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_too_deep(item, depth + 1) for item in inner)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number in JSON")

"""Signing in with an OpenID provider: where to send somebody, and who came back.

Goal: whoever comes back is the one who was sent, with a code that is good here only, and the provider's own signature
on who they are. Roles are never taken from the provider: an account says what somebody is.

Conventions: what is remembered between the two is sealed in a cookie of its own; nothing of a token is kept.

Public items: :class:`Sent`, :func:`begin`, :func:`finish`, :class:`ProviderError`.

References
----------
OpenID Connect Core 1.0, 3.1; RFC 7636 (PKCE); RFC 9700, best current practice.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from idverify.errors import IdverifyError
from idverify.service.core import Core
from idverify.service.keys import EvidenceUnreadableError
from idverify.service.problems import Problem
from idverify.service.settings import OpenID

__all__ = ["ProviderError", "Sent", "begin", "finish"]

# Signatures of the provider alone: one that is made with the client's secret, or with nothing, proves nothing.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
_WAIT_S, _AWAY_S, _LEEWAY_S = 10.0, 600.0, 60
_SEALED = "openid"
_MOST_BYTES = 256 * 1024


class ProviderError(IdverifyError):
    """The provider does not answer, or not as it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Where somebody is sent, and what their browser keeps until they come back."""

    url: str
    cookie: str = field(repr=False)


def begin(core: Core, provider: OpenID) -> Sent:
    """Send somebody to the provider.

    Raises
    ------
    ProviderError
    """
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    with _client() as http:
        there = _document(http, provider)
    asked = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": _return_url(core),
        "scope": "openid",
        "state": state,
        "nonce": nonce,
        "code_challenge": create_s256_code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    kept = json.dumps([state, nonce, verifier, core.clock() + _AWAY_S]).encode()
    sealed = core.vault.master.key.seal(kept, _SEALED)
    url = add_params_to_uri(str(there["authorization_endpoint"]), list(asked.items()))
    return Sent(url=url, cookie=base64.urlsafe_b64encode(sealed).decode())


def finish(core: Core, provider: OpenID, *, cookie: str, state: str, code: str) -> str:
    """Who came back: the provider's own name for them.

    Raises
    ------
    Problem
        ``sign_in_refused``: they were not sent from this browser, or too long ago.
    ProviderError
        The provider does not answer, or what it says does not hold.
    """
    try:
        kept = core.vault.master.key.open(base64.urlsafe_b64decode(cookie.encode()), _SEALED)
        sent, nonce, verifier, until_s = json.loads(kept)
    except (EvidenceUnreadableError, ValueError):
        raise Problem("sign_in_refused") from None
    if not hmac.compare_digest(sent.encode(), state.encode()) or core.clock() > until_s or not code:
        raise Problem("sign_in_refused")
    with _client() as http:
        there = _document(http, provider)
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": _return_url(core),
            "code_verifier": verifier,
        }
        client = (provider.client_id, provider.client_secret)
        answer = _ask(http, "POST", there["token_endpoint"], data=asked, auth=client)
        keys = _ask(http, "GET", there["jwks_uri"])
    return _subject(core, provider, answer, keys, nonce)


def _subject(core: Core, provider: OpenID, answer: dict[str, Any], keys: dict[str, Any], nonce: str) -> str:
    """Check the identity token, and read whose it is."""
    wanted = {
        "iss": {"essential": True, "value": provider.issuer},
        "aud": {"essential": True, "value": provider.client_id},
        "sub": {"essential": True},
    }
    known = {"nonce": nonce, "client_id": provider.client_id, "access_token": answer.get("access_token")}
    try:
        registry = JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)
        token = jwt.decode(answer["id_token"], key=KeySet.import_key_set(keys), registry=registry)  # type: ignore[arg-type]
        claims = CodeIDToken(token.claims, token.header, wanted, known)
        claims.validate(now=int(core.clock()), leeway=_LEEWAY_S)
        subject = claims["sub"]
    except Exception as error:  # noqa: BLE001 - two libraries' errors; whatever does not hold is refused
        raise ProviderError(f"the provider's word does not hold: {type(error).__name__}") from None
    if not isinstance(subject, str) or not 1 <= len(subject) <= 255 or "\0" in subject:
        raise ProviderError("the provider's name for somebody has 1 to 255 characters")
    return subject


def _document(http: httpx.Client, provider: OpenID) -> dict[str, Any]:
    """What the provider offers, by its own account."""
    found = _ask(http, "GET", f"{provider.issuer}/.well-known/openid-configuration")
    if found.get("issuer") != provider.issuer:
        raise ProviderError("the provider calls itself something else")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        url = httpx.URL(str(found.get(name, "")))
        # Over the same way as the provider itself: nothing goes over an open line because a document says so.
        if url.scheme != httpx.URL(provider.issuer).scheme or not url.host:
            raise ProviderError(f"the provider's {name} cannot be used")
    return found


def _ask(http: httpx.Client, method: str, url: str, **options: Any) -> dict[str, Any]:
    try:
        answer = http.request(method, url, **options)
        found = answer.json() if answer.is_success and len(answer.content) <= _MOST_BYTES else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise ProviderError(f"the provider does not answer: {type(error).__name__}") from None
    if not isinstance(found, dict):
        raise ProviderError(f"the provider answered {answer.status_code}")
    return found


def _client() -> httpx.Client:
    return httpx.Client(timeout=_WAIT_S, follow_redirects=False)


def _return_url(core: Core) -> str:
    return f"{core.settings.base_url}/desk/oidc/return"

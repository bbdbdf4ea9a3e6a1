"""The seal on a challenge: canonical JSON and an HMAC under a server's secret.

Goal: a challenge that was not issued with the secret, or was altered since, is told apart without
asking any server.

Conventions: canonical JSON = UTF-8, keys sorted, no white space, every number an integer (times are
whole milliseconds), so that other languages reproduce the same bytes without rules for floats.

Public items: :func:`canonical_json`, :func:`secret_key`, :func:`sign`, :func:`is_signed`,
:func:`sealed_subject`, :data:`KEY_VARIABLE`.

References
----------
RFC 2104 (HMAC); FIPS 180-4 (SHA-256); RFC 8785 (canonical JSON; this is a subset of it).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping

from idverify.errors import ChallengeError, ParameterError

__all__ = ["KEY_VARIABLE", "canonical_json", "is_signed", "sealed_subject", "secret_key", "sign"]

KEY_VARIABLE = "IDVERIFY_CHALLENGE_KEY"

# NIST SP 800-131A Rev. 2, section 10: HMAC keys of at least 112 bits; rounded up to 128.
MIN_KEY_BYTES = 16


def secret_key(key: bytes | str | None = None) -> bytes:
    """Return the server's secret: the argument, or the environment variable.

    Raises
    ------
    ChallengeError
        No secret was given, or one of fewer than 16 bytes.
    """
    given = os.environ.get(KEY_VARIABLE, "") if key is None else key
    secret = given.encode() if isinstance(given, str) else bytes(given)
    if not secret:
        raise ChallengeError(f"no secret to sign challenges with: set {KEY_VARIABLE} or pass a key")
    if len(secret) < MIN_KEY_BYTES:
        raise ChallengeError(
            f"the challenge secret has {len(secret)} bytes, expected at least {MIN_KEY_BYTES}; "
            "make one with: python -c 'import secrets; print(secrets.token_hex(32))'"
        )
    return secret


def sealed_subject(subject: str, key: bytes) -> str:
    """Return the keyed hash that stands for a subject, 64 hexadecimal digits; whoever lacks the key cannot tell whose.

    Raises
    ------
    ParameterError
        The subject is empty.
    """
    if not subject:
        raise ParameterError("a subject is a text that is not empty")
    # The prefix keeps these apart from seals of challenges, which are JSON.
    return hmac.new(key, b"subject:" + subject.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def canonical_json(payload: Mapping[str, object]) -> bytes:
    """Return the one byte string that stands for ``payload``.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": [2, "x"]})
    b'{"a":[2,"x"],"b":1}'
    """
    return json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sign(payload: Mapping[str, object], key: bytes) -> str:
    """Return the HMAC-SHA-256 of the canonical form, as 64 hexadecimal digits."""
    return hmac.new(key, canonical_json(payload), hashlib.sha256).hexdigest()


def is_signed(payload: Mapping[str, object], signature: str, key: bytes) -> bool:
    """Tell whether ``signature`` is the payload's, in time that does not depend on where they differ."""
    return hmac.compare_digest(sign(payload, key).encode(), signature.encode())

"""The audit chain as arithmetic: links, signatures, and the first place at which they do not hold. Knows no database.

An entry has two parts. Its *link* holds the number, the link before, the hash of the content, the hash of the case it
belongs to, and whether it is signed; its *content* says what happened. A page about one case therefore shows that
case's contents only, and still proves by the links of all others that nothing was put in, taken out or exchanged.

Conventions: both parts are canonical JSON (RFC 8785) under SHA-256; every signature is Ed25519 over a link's hash.

Public items: :class:`Entry`, :func:`linked`, :func:`verify`, :class:`Checked`, :class:`Broken`, :func:`case_tag`.

References
----------
RFC 8785, JSON Canonicalization Scheme; RFC 8032, Ed25519.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from idverify.errors import ParameterError

__all__ = ["FIRST", "Broken", "Checked", "Entry", "case_tag", "linked", "verify"]

#: What the first link has before it.
FIRST = "0" * 64
# Entries between two signatures that nobody asked for: every number that this divides is signed.
_SIGNED_EVERY = 100
# So that a signature made here is none anywhere else.
_SIGNS = b"idverify-audit-1\0"

_TEXT, _MAYBE_TEXT = (str,), (str, type(None))
_TYPES: dict[str, tuple[type, ...]] = {
    "number": (int,),
    "before": _TEXT,
    "case": _MAYBE_TEXT,
    "content_sha256": _TEXT,
    "signed": (bool,),
    "sha256": _TEXT,
    "signature": _MAYBE_TEXT,
    "content": _MAYBE_TEXT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry.

    Parameters
    ----------
    number
        From 1 on, without a gap.
    before
        ``sha256`` of the entry before.
    case
        See :func:`case_tag`; None where the entry is about no case.
    content_sha256, content
        What happened, as canonical JSON; the text is None where it is about another case than the one exported.
    signed, signature
        Whether it has to be signed, and the signature; hexadecimal digits.
    sha256
        Of the link.
    """

    number: int
    before: str
    case: str | None
    content_sha256: str
    signed: bool
    sha256: str
    signature: str | None
    content: str | None

    def document(self) -> dict[str, Any]:
        """JSON types."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The first place at which a chain does not hold."""

    number: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What checking a chain found.

    Parameters
    ----------
    holds
        How many entries hold, from the first on.
    signed_to
        Number of the last signature that holds; 0 where there is none.
    newest
        ``sha256`` of the last entry that holds.
    broken
        None where all hold.
    """

    holds: int
    signed_to: int
    newest: str
    broken: Broken | None


def case_tag(case_id: str) -> str:
    """What a link says of the case: not its name, for a page about another case holds it, too."""
    return hashlib.sha256(f"idverify-case\0{case_id}".encode()).hexdigest()


def linked(
    content: Mapping[str, Any],
    *,
    number: int,
    before: str,
    case_id: str | None,
    private: Ed25519PrivateKey,
    checkpoint: bool = False,
) -> Entry:
    """Make the entry that follows another one.

    Parameters
    ----------
    content
        JSON types.
    number, before
        Its own number, and the hash of the entry before.
    case_id
        The case it is about.
    private
        Signs every hundredth, and checkpoints.
    checkpoint
        Sign this one.
    """
    text = rfc8785.dumps(dict(content))
    tag = None if case_id is None else case_tag(case_id)
    content_sha256 = hashlib.sha256(text).hexdigest()
    signed = checkpoint or number % _SIGNED_EVERY == 0
    sha256 = _link_sha256(number, before, tag, content_sha256, signed)
    return Entry(
        number=number,
        before=before,
        case=tag,
        content_sha256=content_sha256,
        signed=signed,
        sha256=sha256,
        signature=private.sign(_SIGNS + bytes.fromhex(sha256)).hex() if signed else None,
        content=text.decode(),
    )


def verify(
    entries: Iterable[Mapping[str, Any]],
    public_key: str,
    *,
    case_id: str | None = None,
    must_end_signed: bool = False,
    must_hold: str | None = None,
) -> Checked:
    """Check a chain without the service.

    Parameters
    ----------
    entries
        As :meth:`Entry.document` gives them, oldest first.
    public_key
        Ed25519, 64 hexadecimal digits.
    case_id
        The entries are a part of a chain that begins with the opening of this case; contents of others may be absent.
    must_end_signed
        The last entry has to be signed: what came after the last signature may have been cut off.
    must_hold
        ``sha256`` of an entry that was noted elsewhere and has to be there.

    Raises
    ------
    ParameterError
        The key is none.
    """
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
    except ValueError:
        raise ParameterError("the public key has 64 hexadecimal digits") from None
    holds, signed_to, newest, last, seen = 0, 0, FIRST, 0, False
    tag = None if case_id is None else case_tag(case_id)
    for row in entries:
        try:
            number = _well_formed(row)["number"]
            if holds == 0 and tag is not None:
                last, newest = number - 1, row["before"]
            fault = _fault(row, last + 1, newest, public, tag, first=holds == 0)
        except (KeyError, TypeError, ValueError, RecursionError, rfc8785.CanonicalizationError):
            fault = "the entry cannot be read"
        if fault:
            return _checked(holds, signed_to, newest, Broken(number=last + 1, why=fault))
        last, holds, newest = last + 1, holds + 1, row["sha256"]
        signed_to = last if row["signed"] else signed_to
        seen = seen or newest == must_hold
    why = ""
    if must_end_signed and (holds == 0 or signed_to != last):
        why = "the chain does not end with a signature: entries may have been cut off"
    elif must_hold is not None and not seen:
        why = "the entry that was noted elsewhere is not there: entries were cut off, or all were made anew"
    return _checked(holds, signed_to, newest, Broken(number=last + 1, why=why) if why else None)


def _checked(holds: int, signed_to: int, newest: str, broken: Broken | None) -> Checked:
    return Checked(holds=holds, signed_to=signed_to, newest=newest, broken=broken)


def _fault(
    row: Mapping[str, Any], number: int, before: str, public: Ed25519PublicKey, tag: str | None, *, first: bool
) -> str:
    """Why a well-formed entry does not hold; empty where it does."""
    if _link_sha256(row["number"], row["before"], row["case"], row["content_sha256"], row["signed"]) != row["sha256"]:
        return "the entry's link was altered"
    if row["number"] != number:
        return "an entry is missing, or stands in another place"
    if row["before"] != before:
        return "the entry does not follow the one before"
    text = row["content"]
    if text is None and (tag is None or row["case"] == tag):
        return "the entry's content is missing"
    if text is not None and hashlib.sha256(text.encode()).hexdigest() != row["content_sha256"]:
        return "the entry's content was altered"
    if text is not None and rfc8785.dumps(json.loads(text)).decode() != text:
        return "the entry's content is not canonical"
    if tag is not None and first and (row["case"] != tag or json.loads(text)["kind"] != "case.opened"):
        return "the part does not begin with the opening of its case"
    if number % _SIGNED_EVERY == 0 and not row["signed"]:
        return "a signature is missing"
    if row["signed"]:
        try:
            public.verify(bytes.fromhex(row["signature"] or ""), _SIGNS + bytes.fromhex(row["sha256"]))
        except (InvalidSignature, ValueError):
            return "the signature does not hold"
    return ""


def _well_formed(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """An entry whose parts have the types that they must have.

    Raises
    ------
    TypeError, KeyError
    """
    for name, types in _TYPES.items():
        # A flag is a number in Python, and a number with a point is the same number: neither is what was written.
        if type(row[name]) not in types:
            raise TypeError(name)
    return row


def _link_sha256(number: int, before: str, case: str | None, content_sha256: str, signed: bool) -> str:
    link: dict[str, Any] = {
        "number": number,
        "before": before,
        "case": case,
        "content_sha256": content_sha256,
        "signed": signed,
    }
    return hashlib.sha256(rfc8785.dumps(link)).hexdigest()

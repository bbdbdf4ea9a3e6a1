"""What an operator may set, and the limits on what comes in.

Public items: :class:`Settings`, :class:`Limits`, :class:`OpenID`, :func:`is_loopback`, :func:`is_own`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Literal

from idverify.errors import ParameterError
from idverify.service.case_policy import CasePolicy, load_case_policy
from idverify.text import foreign

__all__ = ["Limits", "OpenID", "Role", "Settings", "is_loopback", "is_own"]

Role = Literal["all", "web", "judge"]

MIB = 1 << 20
# Schemes of sites, and the ports that an origin does not name.
_PORTS = {"https": 443, "http": 80}
_SITE = re.compile(r"(https?)://(\[[0-9A-F:.]+\]|[^\s/?#@:\[\]]+)(?::([0-9]{1,5}))?/?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What comes in at most, and how long things live. Seconds and bytes.

    Parameters
    ----------
    photo_bytes, chunk_bytes, recording_bytes, recording_chunks, recording_s
        Of one photo, one piece, one recording.
    json_bytes
        Of a request that is neither.
    link_s
        How long a link can be opened, unless the caller says less or more.
    session_s
        How long the person has after opening it.
    continue_s
        How long the way to another device stays open.
    recordings_judged, recordings_begun
        Of one attempt; the second bounds the technical failures.
    judge_s, judge_bytes
        What judging one recording may take: time, and memory beyond what the models take.
    lease_s
        A judge that is silent for longer is taken for dead.
    arrival_s
        How long after its last picture was due a piece may arrive and still count as sent in time.
    claim_s
        How long a reviewer has a case before somebody else may take it.
    """

    photo_bytes: int = 12 * MIB
    chunk_bytes: int = 8 * MIB
    recording_bytes: int = 48 * MIB
    recording_chunks: int = 240
    recording_s: float = 90.0
    json_bytes: int = 17 * MIB
    link_s: float = 24 * 3600.0
    session_s: float = 1800.0
    continue_s: float = 600.0
    recordings_judged: int = 3
    recordings_begun: int = 20
    judge_s: float = 180.0
    judge_bytes: int = 2048 * MIB
    lease_s: float = 15.0
    arrival_s: float = 10.0
    claim_s: float = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenID:
    """Who vouches for people at the desk.

    Parameters
    ----------
    issuer
        Address of the provider; what it offers is read from there.
    client_id, client_secret
        What the provider knows this service by.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One service.

    Parameters
    ----------
    data
        Folder of the database, the encrypted files and the master key, unless they are elsewhere.
    database, blobs
        Addresses; empty for files in `data`.
    host, port
        Where the web process listens.
    public_url
        How people reach it; empty for ``http://host:port``. Kept as browsers name it when they say where they are.
    judges
        How many judge processes.
    role
        ``web``, ``judge``, or ``all``.
    rate_per_key, rate_per_address
        Requests a minute.
    cases
        How often a person may try, and by when each step of a case is due.
    oidc
        An OpenID provider for the desk; None for local accounts only.

    Raises
    ------
    ParameterError
        `public_url` is none, or one whose pages get no camera.
    """

    data: Path
    database: str = ""
    blobs: str = ""
    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str = ""
    judges: int = 1
    role: Role = "all"
    rate_per_key: int = 600
    rate_per_address: int = 600
    limits: Limits = field(default_factory=Limits)
    cases: CasePolicy = field(default_factory=load_case_policy)
    oidc: OpenID | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "public_url", _origin(self.public_url))

    @property
    def database_url(self) -> str:
        """The database's address, the default filled in."""
        return self.database or f"sqlite:///{self.data / 'idverify.sqlite'}"

    @property
    def blobs_address(self) -> str:
        """The blob store's address, the default filled in."""
        return self.blobs or str(self.data / "blobs")

    @property
    def base_url(self) -> str:
        """How people reach the service, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_own(host: str) -> bool:
    """Whether a host names the machine itself, whoever asks; a name that only leads there is not looked up."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_link_local or address.is_unspecified


def _origin(url: str) -> str:
    """An address as browsers write an origin (RFC 6454, section 6.2): links that say it otherwise open nothing."""
    if not url:
        return ""
    wrong = ParameterError(f"the public URL {foreign(url)!r} is none: expected https://verify.example, without a path")
    parts = _SITE.fullmatch(url.strip())
    if parts is None:
        raise wrong
    scheme, host, port = parts[1].lower(), parts[2].lower(), int(parts[3] or _PORTS[parts[1].lower()])
    try:
        host = f"[{IPv6Address(host[1:-1])}]" if host[0] == "[" else host.encode("idna").decode()
    except ValueError:
        raise wrong from None
    if not 0 < port < 1 << 16:
        raise wrong
    if scheme == "http" and not is_loopback(host.strip("[]")):
        raise ParameterError(
            f"the public URL {foreign(url)!r} has to begin with https://: browsers give no camera to other pages"
        )
    return f"{scheme}://{host}" + ("" if port == _PORTS[scheme] else f":{port}")

"""Rejections of one network address, over all cases and callers: whoever goes from account to account meets a limit.

Conventions: the address itself is never kept. Its mark is keyed by the master key, so that nobody finds an address by
trying all of them, and is taken away when its rejections do not count any more. Of an IPv6 address the network counts:
a household has far more addresses than anybody needs.

Public items: :func:`tag_of`, :func:`refuse_if_spent`.
"""

from __future__ import annotations

import hashlib
import math
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from idverify.service.core import Core
from idverify.service.problems import Problem
from idverify.service.states import State
from idverify.service.tables import Attempt

__all__ = ["refuse_if_spent", "tag_of"]

# RFC 6177: what one household is given, at the least.
_IPV6_PREFIX = 64
_UNDECIDED = (State.RECORDING.value, State.PROCESSING.value)


def tag_of(core: Core, address: str) -> str:
    """The mark of an address's network; the same for the same network, and of no use to anybody else."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        network = address
    else:
        mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
        if isinstance(found, IPv6Address) and mapped is None:
            network = str(ip_network((found, _IPV6_PREFIX), strict=False))
        else:
            network = str(mapped or found)
    return hashlib.blake2b(network.encode(), key=core.vault.master.derived("networks"), digest_size=16).hexdigest()


def refuse_if_spent(core: Core, session: Session, tag: str, attempt_id: str) -> None:
    """Refuse a recording from a network from which too many were rejected. The caller holds the audit chain's head.

    Those that are under way count, too, as what they may become.

    Raises
    ------
    Problem
        ``address_delayed``.
    """
    policy, now = core.settings.cases, core.clock()
    since_s = now - policy.window_s
    others = (Attempt.address_tag == tag, Attempt.id != attempt_id)
    rejected, oldest = session.execute(
        select(func.count(), func.min(Attempt.rejected_s)).where(
            Attempt.address_tag == tag, Attempt.rejected_s > since_s
        )
    ).one()
    in_time = (Attempt.expires_s > now) | (Attempt.state == State.PROCESSING.value)
    under_way = session.scalar(select(func.count()).where(*others, Attempt.state.in_(_UNDECIDED), in_time)) or 0
    if rejected + under_way < policy.address_rejections:
        return
    # Of those under way, nobody knows; soon they are decided.
    wait_s = 60.0 if oldest is None or rejected < policy.address_rejections else oldest + policy.window_s - now
    raise Problem("address_delayed", retry_after_s=max(1, math.ceil(wait_s)))

"""How often somebody may ask: per API key, per session, per address.

Conventions: moving windows of a minute, counted in this process: several web machines allow as many times more.

Public items: :class:`Throttle`.
"""

from __future__ import annotations

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from idverify.service.problems import Problem
from idverify.service.settings import Settings

__all__ = ["Throttle"]

# Links and keys that are wrong: far more than a person mistypes, far fewer than guessing needs.
WRONG_PER_MINUTE = 30
# One recording sends a piece a second, asks for steps and hints.
PER_SESSION = 900
# Sign-ins under one name, right or wrong: a person's hundred guesses take longer than it takes to notice them.
PER_NAME = 5


class Throttle:
    """Counts requests and refuses what is too much."""

    def __init__(self, settings: Settings) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._per_minute = {
            "key": RateLimitItemPerMinute(settings.rate_per_key),
            "address": RateLimitItemPerMinute(settings.rate_per_address),
            "session": RateLimitItemPerMinute(PER_SESSION),
            "sign_in": RateLimitItemPerMinute(PER_NAME),
            "wrong": RateLimitItemPerMinute(WRONG_PER_MINUTE),
        }

    def count(self, kind: str, who: str) -> None:
        """Count one request.

        Raises
        ------
        Problem
            ``too_many_requests``.
        """
        if not self._limiter.hit(self._per_minute[kind], kind, who):
            raise Problem("too_many_requests", retry_after_s=30)

    def refuse_guessing(self, who: str) -> None:
        """Refuse an address that was wrong too often.

        Raises
        ------
        Problem
            ``too_many_requests``.
        """
        if not self._limiter.test(self._per_minute["wrong"], "wrong", who):
            raise Problem("too_many_requests", retry_after_s=60)

    def wrong(self, who: str) -> None:
        """Count a wrong key, link or code."""
        self._limiter.hit(self._per_minute["wrong"], "wrong", who)

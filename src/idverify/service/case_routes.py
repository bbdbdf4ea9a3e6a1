"""The ways through a case, and what each asks of an attempt; never a weaker decision.

A route changes what is asked for, never what it takes to be accepted: the policy of the attempt stays what it is, and
what cannot be assessed is not accepted.

Public items: :class:`CaseRoute`, :data:`BY_PERSON`, :func:`start_of`, :func:`options_on`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from idverify.service.case_states import CaseState

__all__ = ["BY_PERSON", "CaseRoute", "options_on", "start_of"]


class CaseRoute(str, Enum):
    """Which way a case takes. The value is the stable name in the API and the database."""

    STANDARD = "standard"
    NO_GESTURE = "no_gesture"
    PHOTOSENSITIVE = "photosensitive"
    MINOR = "minor"
    NO_FACE = "no_face"
    ATTENDED = "attended"


# Where no attempt is made, unless a reviewer asks for one: an adult vouches, or a person has it from the beginning.
_WITH_A_PERSON = {
    CaseRoute.MINOR: CaseState.VOUCHING,
    CaseRoute.NO_FACE: CaseState.REVIEW,
    CaseRoute.ATTENDED: CaseState.ATTENDED,
}
#: Routes on which no score decides, whatever is recorded. Above all, faces of children are never decided by one.
BY_PERSON = frozenset(_WITH_A_PERSON)


def start_of(route: CaseRoute) -> CaseState:
    """The state in which a case on this route begins."""
    return _WITH_A_PERSON.get(route, CaseState.OPEN)


def options_on(route: CaseRoute, options: Mapping[str, Any]) -> dict[str, Any]:
    """An attempt's options as the route needs them.

    Parameters
    ----------
    route
        One on which attempts are made.
    options
        What the service asked for.
    """
    if route is CaseRoute.NO_GESTURE:
        # Colours alone: as hard to guess as movements are, and nothing has to be moved.
        return {**options, "light": True, "gestures": False}
    if route is CaseRoute.PHOTOSENSITIVE:
        return {**options, "light": False}
    return dict(options)

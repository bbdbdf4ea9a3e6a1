"""What a challenge can ask for: nine movements and six screen colours.

Goal: one closed list of each, so that a challenge file, its words and its verification cannot disagree.

Conventions: left and right are the person's own. Every movement is a pulse: out of the resting pose
and back to it; turns go far and are held. Colours are sRGB; each is fully on or off in each channel, which makes them
as far apart in chromaticity as a screen can show.

Public items: :class:`Action`, :class:`Colour`, :data:`TURNS`, :data:`LOOKS`, :func:`actions_named`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from idverify.errors import ParameterError
from idverify.text import foreign

__all__ = ["LOOKS", "TURNS", "Action", "Colour", "actions_named"]


class Action(str, Enum):
    """One movement. The value is the stable name in challenge files."""

    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    LOOK_UP = "look_up"
    LOOK_DOWN = "look_down"
    OPEN_MOUTH = "open_mouth"
    BLINK_TWICE = "blink_twice"
    SMILE = "smile"
    COME_CLOSER = "come_closer"
    MOVE_BACK = "move_back"


class Colour(str, Enum):
    """One full-screen colour. The value is the stable name in challenge files."""

    rgb: tuple[int, int, int]

    def __new__(cls, name: str, rgb: tuple[int, int, int]) -> Colour:
        """Attach the sRGB triple (0 or 1 per channel) to the name."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.rgb = rgb
        return member

    RED = ("red", (1, 0, 0))
    GREEN = ("green", (0, 1, 0))
    BLUE = ("blue", (0, 0, 1))
    CYAN = ("cyan", (0, 1, 1))
    MAGENTA = ("magenta", (1, 0, 1))
    YELLOW = ("yellow", (1, 1, 0))

    @property
    def css(self) -> str:
        """The colour as a web page writes it, such as ``#ff0000``."""
        return "#" + "".join("ff" if on else "00" for on in self.rgb)


# What a flat or warped picture answers worst: every challenge asks for one of these where the person can make it.
TURNS = (Action.TURN_LEFT, Action.TURN_RIGHT)
LOOKS = (Action.LOOK_UP, Action.LOOK_DOWN)

# Everyday names for what a person cannot do, each covering every movement that needs it.
_GROUPS: dict[str, tuple[Action, ...]] = {
    "turn": TURNS,
    "look": LOOKS,
    "mouth": (Action.OPEN_MOUTH, Action.SMILE),
    "blink": (Action.BLINK_TWICE,),
    "move": (Action.COME_CLOSER, Action.MOVE_BACK),
}


def actions_named(names: Iterable[str]) -> frozenset[Action]:
    """Turn names of movements, or of groups of movements, into the movements.

    Parameters
    ----------
    names
        Values of :class:`Action`, or ``turn``, ``look``, ``mouth``, ``blink``, ``move``; spaces and
        hyphens count as underscores.

    Raises
    ------
    ParameterError
        A name is none of these.

    Examples
    --------
    >>> sorted(a.value for a in actions_named(["blink", "look-up"]))
    ['blink_twice', 'look_up']
    """
    found: set[Action] = set()
    for name in names:
        plain = name.strip().lower().replace("-", "_").replace(" ", "_")
        if plain in _GROUPS:
            found.update(_GROUPS[plain])
        elif plain in {action.value for action in Action}:
            found.add(Action(plain))
        else:
            known = ", ".join([*(a.value for a in Action), *_GROUPS])
            raise ParameterError(f"unknown movement {foreign(name)!r}; expected one of: {known}")
    return frozenset(found)

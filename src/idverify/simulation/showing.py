"""Pictures of any species shown to a camera: on a phone, on a monitor, or one of them on paper.

Goal: an attacker shows a forged face as well as it can be shown: so close that no bezel is seen, without lamps in the
glass, the panel's grid out of focus; and as badly as it is often done. Both are drawn.

Public items: :data:`INSTRUMENTS`, :func:`shown_on`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from idverify.errors import ParameterError
from idverify.simulation import prints, screens
from idverify.simulation.source import Played, Setup, Take

__all__ = ["INSTRUMENTS", "shown_on"]

INSTRUMENTS = ("injected", "phone", "monitor", "paper")
"""How the pictures of a species come to the camera: as a file in its place, or shown to it."""

_PAPERS = (prints.print_flat, prints.print_bent, prints.print_shaken, prints.print_cutout)


def shown_on(shown: str, take: Take, setup: Setup, rng: np.random.Generator) -> Take:
    """The take as a camera sees it; as it is where it is injected.

    Parameters
    ----------
    shown : str
        One of :data:`INSTRUMENTS`.
    take : Take
    setup : Setup
        For the camera's picture, rate and duration; its source gives way to the take.
    rng : numpy.random.Generator

    Raises
    ------
    ParameterError
        No such instrument, or the take has no picture.
    """
    if shown not in INSTRUMENTS:
        raise ParameterError(f"no instrument named {shown!r}; there are {', '.join(INSTRUMENTS)}")
    if shown == "injected":
        return take
    showing = replace(setup, source=Played(take))
    if shown == "phone":
        return screens.replay_phone(
            showing,
            rng,
            fill=float(rng.uniform(0.75, 1.5)),
            sway=float(rng.uniform(0.2, 1.2)),
            glare=float(rng.choice([0.0, rng.uniform(0.0, 0.6)])),
            flicker=float(rng.choice([0.0, rng.uniform(0.0, 0.12)])),
        )
    if shown == "monitor":
        return screens.replay_monitor(
            showing,
            rng,
            fill=float(rng.uniform(0.9, 1.7)),
            sway=float(rng.uniform(0.1, 0.6)),
            moire=float(rng.choice([0.0, rng.uniform(0.1, 0.75)])),
            flicker=float(rng.choice([0.0, rng.uniform(0.0, 0.28)])),
        )
    return _PAPERS[int(rng.integers(len(_PAPERS)))](showing, rng)

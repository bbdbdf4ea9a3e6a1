"""Simulation: a bona fide clip or photo in, a labelled simulated attack out, to drill a deployment.

In: a clip or photo, the name of a species, a seed, any of its parameters. Out: a file by :func:`simulate`, or its
pictures by :func:`render`: physically reasoned, the same for the same seed, said to be simulated in every file. It is
no proof against the real thing; captured attacks are. What is not given is drawn from the seed.
Read :mod:`~idverify.simulation.source` first, then the module of a species; :data:`SPECIES` names them.
"""

from __future__ import annotations

import inspect
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.errors import ParameterError
from idverify.simulation import animation, flash, injection, masks, photo_driven, prints, screens, stills, swap, tracked
from idverify.simulation.degrade import DEGRADATIONS, degraded
from idverify.simulation.faces import Eyes, Locate, default_eyes, default_locate
from idverify.simulation.showing import INSTRUMENTS, shown_on
from idverify.simulation.source import Setup, Shot, Source, Take
from idverify.simulation.writer import CODECS, LABEL, write_take

__all__ = [
    "CODECS",
    "DEGRADATIONS",
    "INSTRUMENTS",
    "LABEL",
    "SPECIES",
    "Shot",
    "Species",
    "Take",
    "parameter_words",
    "parameters_of",
    "render",
    "simulate",
]

# Where zero makes no sense: sizes, periods, counts. Elsewhere zero switches an effect off.
_POSITIVE = frozenset({"bend", "factor", "fill", "grow", "hole", "period", "steps"})
# The encoder works in blocks of this size.
_SMALLEST_SIDE_PX = 16
# Longer or faster is a slip of the pen, and would write until the disk is full: ten minutes, a phone's slow motion.
_LONGEST_S, _FASTEST_HZ = 600.0, 240.0
# x264's scale ends here.
_WORST_CRF = 51.0

Origin = str | Path | NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Species:
    """One kind of attack.

    Parameters
    ----------
    name : str
    channel : str
        ``presentation`` (shown to a camera), ``injection`` (altered or fed in as a file) or ``bona_fide``.
    summary : str
        One sentence.
    needs_clip : bool
        A photo is not enough.
    needs_other : bool
        A second person is needed.
    needs_challenge : bool
        The file of a challenge is needed.
    make : callable
        From a :class:`~idverify.simulation.source.Setup`, a random generator and its parameters to a take.
    """

    name: str
    channel: str
    summary: str
    needs_clip: bool
    needs_other: bool
    needs_challenge: bool
    make: Callable[..., Take]


def _bona_fide(setup: Setup, rng: np.random.Generator) -> Take:
    """The clip as it is, to be degraded."""
    return injection.unaltered(setup)


def _row(
    make: Callable[..., Take], channel: str, *, clip: bool = False, other: bool = False, challenge: bool = False
) -> Species:
    return Species(
        name=make.__name__.lstrip("_"),
        channel=channel,
        summary=(make.__doc__ or "").strip().partition("\n")[0],
        needs_clip=clip,
        needs_other=other,
        needs_challenge=challenge,
        make=make,
    )


_ROWS = (
    _row(_bona_fide, "bona_fide", clip=True),
    _row(prints.print_flat, "presentation"),
    _row(prints.print_bent, "presentation"),
    _row(prints.print_shaken, "presentation"),
    _row(prints.print_cutout, "presentation"),
    _row(masks.mask_eyeholes, "presentation", clip=True),
    _row(screens.replay_phone, "presentation"),
    _row(screens.replay_monitor, "presentation"),
    _row(screens.replay_tablet_glare, "presentation"),
    _row(stills.photo_fixed, "injection"),
    _row(stills.photo_panned, "injection"),
    _row(stills.photo_zoomed, "injection"),
    _row(stills.photo_shaken, "injection"),
    _row(animation.photo_animated, "injection"),
    _row(photo_driven.photo_driven, "injection"),
    _row(photo_driven.answer_forged, "injection", challenge=True),
    _row(flash.face_flash, "injection", clip=True, other=True),
    _row(tracked.face_blend, "injection", clip=True, other=True),
    _row(swap.face_swap_crude, "injection", clip=True, other=True),
    _row(tracked.face_swap_tracked, "injection", clip=True, other=True),
    _row(injection.loop, "injection", clip=True),
    _row(injection.cut_two_people, "injection", clip=True, other=True),
    _row(injection.bitrate_ladder, "injection", clip=True),
    _row(injection.virtual_camera, "injection", clip=True),
)

SPECIES: Mapping[str, Species] = MappingProxyType({row.name: row for row in _ROWS})
"""Every species by name; ``bona_fide`` changes nothing and is there to be degraded."""


def parameters_of(species: str) -> Mapping[str, object]:
    """Names and defaults of a species' own parameters; None means drawn from the seed.

    Raises
    ------
    ParameterError
        No such species.
    """
    signature = inspect.signature(_species(species).make)
    keyword = inspect.Parameter.KEYWORD_ONLY
    return {name: one.default for name, one in signature.parameters.items() if one.kind is keyword}


def parameter_words(species: str) -> Mapping[str, str]:
    """What each of a species' own parameters does, as its documentation says.

    Raises
    ------
    ParameterError
        No such species.
    """
    words: dict[str, str] = {}
    lines = inspect.cleandoc(_species(species).make.__doc__ or "").partition("Parameters\n----------\n")[2].splitlines()
    names: list[str] = []
    for line in lines:
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.partition(" : ")[0].split(",")]
        for name in names if line.startswith(" ") else ():
            words[name] = f"{words.get(name, '')} {line.strip()}".strip()
    for name, text in words.items():
        # "As for `another`." stands for what is said there.
        if text.startswith("As for `"):
            words[name] = parameter_words(text.split("`")[1])[name]
    return words


def render(
    species: str,
    source: Origin,
    *,
    seed: int = 0,
    other: Origin | None = None,
    degrade: Sequence[str] = (),
    strength: float | None = None,
    size_wh: tuple[int, int] | None = None,
    duration_s: float = 5.0,
    rate_hz: float = 30.0,
    locate: Locate | None = None,
    eyes: Eyes | None = None,
    shown: str = "injected",
    challenge: str | Path | None = None,
    **params: float,
) -> Take:
    """Make an attack's pictures.

    Parameters
    ----------
    species : str
        A key of :data:`SPECIES`.
    source : path, or uint8 [shape=(h, w, 3)]
        The bona fide clip or the photo.
    seed : int
        Everything that is not given is drawn from it.
    other : path, or uint8 [shape=(h, w, 3)], optional
        The second person, for species that need one.
    degrade : sequence of str
        Keys of :data:`DEGRADATIONS`, applied in order.
    strength : float in [0, 1], optional
        Of the degradations.
    size_wh : tuple of int, optional
        Size of the simulated camera's picture. Species that alter a clip keep the clip's.
    duration_s : float
        Longest result.
    rate_hz : float
        Pictures per second of the simulated camera.
    locate : callable, optional
        Finds the face mesh; by default with the installed models.
    eyes : callable, optional
        Looks closely at the eyes of a mesh; by default with the installed models.
    shown : str
        One of :data:`INSTRUMENTS`: what shows the pictures to a simulated camera. On paper one of them is printed.
    challenge : path, optional
        The file of a challenge, for species that answer one.
    **params
        The species' own parameters, see :func:`parameters_of`.

    Returns
    -------
    Take
        Its shots are made while they are read.

    Raises
    ------
    ParameterError
        An unknown species, degradation or parameter, a value outside its domain, or a source of the wrong kind.
    MediaError
        The source cannot be read.
    ModelMissingError
        The species looks for a face and the models are not on this machine.
    """
    row = _checked(species, seed, duration_s, rate_hz, params)
    if size_wh is not None and min(size_wh) < _SMALLEST_SIDE_PX:
        raise ParameterError(f"size_wh must be at least {_SMALLEST_SIDE_PX} each way, got {size_wh}")
    setup = Setup(
        source=Source(source),
        other=None if other is None else Source(other),
        locate=locate or default_locate(),
        size_wh=size_wh,
        duration_s=duration_s,
        rate_hz=rate_hz,
        eyes=eyes or default_eyes(),
        challenge=None if challenge is None else Path(challenge),
    )
    take = row.make(setup, _generator(seed, row.name), **params)
    showing = setup if challenge is None else replace(setup, duration_s=setup.asked().duration_s)
    take = shown_on(shown, take, showing, _generator(seed, shown))
    for kind in degrade:
        take = degraded(take, kind, rng=_generator(seed, kind), locate=setup.locate, strength=strength)
    return take


def simulate(
    species: str,
    source: Origin,
    output: str | Path,
    *,
    seed: int = 0,
    degrade: Sequence[str] = (),
    codec: str = "h264",
    crf: float | None = None,
    **options: Any,
) -> Path:
    """Make an attack and write it, labelled as simulated.

    The same arguments give the same bytes on one machine.

    Parameters
    ----------
    species, source, seed, degrade, **options
        As for :func:`render`.
    output : path
        ``.mp4``, ``.mov``, ``.mkv`` or ``.webm``; the container's comment says that it is simulated, the species and
        the seed.
    codec : str
        ``h264``, ``mpeg4``, ``vp8``, ``vp9`` or ``mjpeg``.
    crf : float, optional
        Quality as x264's constant rate factor counts it; smaller is better.

    Returns
    -------
    Path
        The output.

    Raises
    ------
    ParameterError, MediaError, ModelMissingError
        As for :func:`render`; also an output that cannot be written.
    """
    output = Path(output)
    if codec not in CODECS:
        raise ParameterError(f"no codec named {codec!r}; there are {', '.join(CODECS)}")
    if crf is not None and not 0 <= crf <= _WORST_CRF:
        raise ParameterError(f"crf must lie in [0, {_WORST_CRF:g}], got {crf!r}")
    take = render(species, source, seed=seed, degrade=degrade, **options)
    if codec != "h264" or crf is not None:
        encoding = replace(take.encoding, codec=codec, crf=take.encoding.crf if crf is None else crf)
        take = Take(shots=take.shots, encoding=encoding)
    label = f"species={species} seed={seed}" + "".join(f" degrade={kind}" for kind in degrade)
    write_take(take, output, label)
    return output


def _species(name: str) -> Species:
    row = SPECIES.get(name)
    if row is None:
        raise ParameterError(f"no species named {name!r}; there are {', '.join(SPECIES)}")
    return row


def _checked(species: str, seed: int, duration_s: float, rate_hz: float, params: Mapping[str, float]) -> Species:
    row, known = _species(species), parameters_of(species)
    if seed < 0:
        raise ParameterError(f"seed must not be negative, got {seed}")
    for name, value, most in (("duration_s", duration_s, _LONGEST_S), ("rate_hz", rate_hz, _FASTEST_HZ)):
        if not 0 < value <= most:  # NaN included
            raise ParameterError(f"{name} must be above 0 and at most {most:g}, got {value!r}")
    for name, value in params.items():
        if name not in known:
            raise ParameterError(f"{species} has no parameter {name!r}; it has {', '.join(known) or 'none'}")
        if not math.isfinite(value) or value < 0 or (value == 0 and name in _POSITIVE):
            lowest = "above 0" if name in _POSITIVE else "of at least 0"
            raise ParameterError(f"{name} must be a number {lowest}, got {value!r}")
    return row


def _generator(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for each name: species do not share their draws."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])

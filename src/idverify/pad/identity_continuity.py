"""Identity continuity: is it one person from the first picture to the last, in every picture?

This witness knows no faces. Whoever compares faces hands over how alike they are, as plain numbers: faces drawn over
the recording, and of all others those that look least like them. A person who turns, laughs and blinks is linked from
face to face by faces that are alike; another person is not, in however few pictures or many. So the native value is the
*weakest link*: the least similarity in the tree that links all faces by the greatest similarities.

Which faces look least alike is a matter of pictures: :func:`oddness` says how much a picture differs from both sides in
time while the sides are alike, at spacings of one to eight pictures (a flash, a run of pictures, a crossfade). Between
its next neighbours this is judged by itself as well: a face that is turned too far or blurred cannot be compared.

The mechanism never speaks for bona fide: an attack shows one person throughout as well.

Sources: face sequences against a swap of the person are asked for in ISO/IEC 30107-1:2023 (attacks that change the
presentation after a check); the tree is that of single linkage, Gower & Ross 1969, doi:10.2307/2346439; the measures
are this project's own.

What counts as likeness depends on whoever compares: all numbers in its units are on the card of this mechanism.

Public items: :data:`NAME`, :class:`Likenesses`, :func:`weakest_link`, :func:`oddness`, :func:`unit_pictures`,
:func:`glance_mark`, :func:`shows_same_person`, :func:`assess`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.pad._llr import load_scale
from idverify.pad.evidence import PADEvidence, Status
from idverify.reasons import NotAssessed, Reason

__all__ = [
    "NAME",
    "Likenesses",
    "assess",
    "glance_mark",
    "oddness",
    "shows_same_person",
    "unit_pictures",
    "weakest_link",
]

F64 = NDArray[np.float64]

NAME = "identity_continuity"
UNIT = "least similarity that is needed to link all faces (lower: another person)"
# With fewer faces there is nothing to link.
MIN_FACES = 2
# Size at which a face is compared with the others as a picture: enough for brows, eyes, nose and mouth.
PICTURE_SIDE = 24
# Pictures between one and those before and after it.
SPACINGS = (1, 2, 3, 4, 6, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Likenesses:
    """How alike n faces of one track are, in time order, and the oddest picture of it.

    Parameters
    ----------
    times_s : float64 [shape=(n,)]
    similarity : float64 [shape=(n, n)]
        Of each pair, 1 on the diagonal.
    oddest : float
        The greatest :func:`oddness` of a picture of the track between its next neighbours; 0 where none has any.
    oddest_s : float
        When it is shown.
    """

    times_s: F64
    similarity: F64 = field(repr=False)
    oddest: float = 0.0
    oddest_s: float = 0.0


def weakest_link(faces: Likenesses) -> tuple[float, float]:
    """The weakest link between the faces (two or more), and when the fewer faces on one side of it begin.

    Returns
    -------
    similarity : float
    time_s : float
    """
    n = len(faces.times_s)
    linked, strength = np.zeros(n, bool), faces.similarity[0].copy()
    linked[0], links = True, []
    near = np.zeros(n, np.intp)
    for _ in range(n - 1):
        new = int(np.argmax(np.where(linked, -np.inf, strength)))
        links.append((float(strength[new]), int(near[new]), new))
        linked[new] = True
        closer = faces.similarity[new] > strength
        near[closer & ~linked], strength = new, np.maximum(strength, faces.similarity[new])
    weakest = min(links)
    side = _linked_without(links, weakest, n)
    fewer = side if 2 * side.sum() <= n else ~side
    return weakest[0], float(faces.times_s[fewer].min())


def _linked_without(links: list[tuple[float, int, int]], cut: tuple[float, int, int], n: int) -> NDArray[np.bool_]:
    """Which faces hang on the newer end of a link that is cut; `links` in the order in which the tree grew."""
    side = np.zeros(n, bool)
    side[cut[2]] = True
    for link in links[links.index(cut) + 1 :]:
        side[link[2]] = side[link[1]]
    return side


def unit_pictures(chips_rgb: NDArray[np.uint8]) -> F64:
    """Aligned faces as small pictures of no mean and unit length, so that light counts for nothing.

    Parameters
    ----------
    chips_rgb : uint8 [shape=(n, h, w, 3)]

    Returns
    -------
    float64 [shape=(n, PICTURE_SIDE**2)]
    """
    side = (PICTURE_SIDE, PICTURE_SIDE)
    small = [cv2.resize(cv2.cvtColor(c, cv2.COLOR_RGB2GRAY), side, interpolation=cv2.INTER_AREA) for c in chips_rgb]
    rows = np.stack(small).reshape(len(small), -1).astype(np.float64) if small else np.empty((0, PICTURE_SIDE**2))
    rows -= rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9))


def oddness(pictures: F64, spacings: Sequence[int] = SPACINGS) -> F64:
    """How much less each picture is like those before and after it than they are like each other.

    The greatest over the spacings; at an end, the two nearest on the one side stand for both. Negative for what
    lies on a way from one picture to another, as a moving face does.

    Parameters
    ----------
    pictures : float64 [shape=(n, d)]
        Of :func:`unit_pictures`, in time order.
    spacings
        Pictures between one and those before and after it.

    Returns
    -------
    float64 [shape=(n,)]
    """
    n = len(pictures)
    apart, here, odd = 1.0 - pictures @ pictures.T, np.arange(n), np.full(n, -1.0)
    for h in (h for h in spacings if 2 * h < n):
        before = np.where(here >= h, here - h, here + 2 * h)
        after = np.where(here < n - h, here + h, here - 2 * h)
        # Either may point outside where the other side is short as well.
        before, after = np.clip(before, 0, n - 1), np.clip(after, 0, n - 1)
        odd = np.maximum(odd, np.minimum(apart[here, before], apart[here, after]) - apart[before, after])
    return odd


def shows_same_person(similarity: float) -> bool:
    """Whether two parts of one recording, each pooled, are so alike that they show one person."""
    return similarity >= load_scale(NAME).marks["same_person_from"][0]


def glance_mark() -> float:
    """Similarity to the compared faces, by the fastest network, below which a face is looked at again."""
    return load_scale(NAME).marks["second_look_below"][0]


def assess(faces: Likenesses) -> PADEvidence:
    """Whether one person is shown throughout."""
    n = len(faces.times_s)
    if n < MIN_FACES:
        why = NotAssessed(reason=Reason.LIVENESS_UNCERTAIN, detail=f"{n} faces to compare, {MIN_FACES} are needed")
        return PADEvidence.not_assessed(NAME, UNIT, why)
    native, time_s = weakest_link(faces)
    scale = load_scale(NAME)
    changed = native < scale.marks["changed_below"][0]
    odd = not changed and faces.oddest > scale.marks["odd_above"][0]
    found = f"another person is shown from {time_s:.2f} s on" if changed else "one person is shown throughout"
    if odd:
        found = f"a picture at {faces.oddest_s:.2f} s belongs neither to the one before nor to the one after it"
    return PADEvidence(
        name=NAME,
        status=Status.ASSESSED,
        unit=UNIT,
        native=native,
        bona_fide_llr=scale.floor if odd else min(0.0, scale(native)),
        detail=f"{found}: the weakest link among {n} faces is {native:.2f}",
        reason=Reason.PERSON_CHANGED if changed or odd else None,
        times_s=faces.times_s,
        values=np.where(np.eye(n, dtype=bool), -np.inf, faces.similarity).max(axis=1),
    )

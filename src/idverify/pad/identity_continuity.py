"""Identity continuity: is it one person from the first picture to the last?

This witness knows no faces. Whoever compares faces hands over how alike they are, as plain numbers: a few faces spread
over the recording, and the one that looks least like the rest, since a swap may be short. The native value is the least
of two kinds of likeness: of any one face to all others, and of all faces before any moment to all after it.

The mechanism never speaks for bona fide: an attack shows one person throughout as well.

Sources: face sequences against a swap of the person are asked for in ISO/IEC 30107-1:2023 (attacks that change the
presentation after a check); the measure is this project's own.

What counts as likeness depends on whoever compares: all numbers in its units are on the card of this mechanism.

Public items: :data:`NAME`, :class:`Likenesses`, :func:`least_likeness`, :func:`shows_same_person`, :func:`assess`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from idverify.pad._llr import load_scale
from idverify.pad.evidence import PADEvidence, Status
from idverify.reasons import NotAssessed, Reason

__all__ = ["NAME", "Likenesses", "assess", "least_likeness", "shows_same_person"]

F64 = NDArray[np.float64]

NAME = "identity_continuity"
UNIT = "least similarity of a face to the others, or of those before a moment to those after (lower: another person)"
# With fewer faces, one bad picture could pass for a change.
MIN_FACES = 4
# So many faces on each side of a moment, for the same reason.
MIN_SIDE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Likenesses:
    """How alike n faces of one track are, in time order.

    Parameters
    ----------
    times_s : float64 [shape=(n,)]
    similarity : float64 [shape=(n, n)]
        Of each pair, 1 on the diagonal.
    weights : float64 > 0 [shape=(n,)]
        How much each face is to be trusted.
    """

    times_s: F64
    similarity: F64 = field(repr=False)
    weights: F64 = field(repr=False)


def least_likeness(faces: Likenesses) -> tuple[float, float]:
    """The least likeness in a recording of :data:`MIN_FACES` faces or more, and when it changes.

    Returns
    -------
    likeness : float
    time_s : float
    """
    each, moments = _to_the_others(faces), _across(faces)
    k, m = int(np.argmin(each)), int(np.argmin(moments))
    if each[k] <= moments[m]:
        return float(each[k]), float(faces.times_s[k])
    return float(moments[m]), float(faces.times_s[m + MIN_SIDE])


def shows_same_person(similarity: float) -> bool:
    """Whether two parts of one recording, each pooled, are so alike that they show one person."""
    return similarity >= load_scale(NAME).marks["same_person_from"][0]


def _to_the_others(faces: Likenesses) -> F64:
    """Mean similarity of each face to all others, by their weights [shape=(n,)]."""
    alone = faces.similarity * (1 - np.eye(len(faces.weights)))
    return np.asarray(alone @ faces.weights / (faces.weights.sum() - faces.weights))


def _across(faces: Likenesses) -> F64:
    """Mean similarity between the faces before and after each moment, by their weights [shape=(moments,)]."""
    weighted = faces.similarity * np.outer(faces.weights, faces.weights)
    total = weighted.cumsum(axis=0).cumsum(axis=1)
    before = faces.weights.cumsum()
    ends = np.arange(MIN_SIDE - 1, len(before) - MIN_SIDE)
    pairs = total[ends, -1] - total[ends, ends]
    return np.asarray(pairs / (before[ends] * (before[-1] - before[ends])))


def assess(faces: Likenesses) -> PADEvidence:
    """Whether one person is shown throughout."""
    n = len(faces.times_s)
    if n < MIN_FACES:
        why = NotAssessed(reason=Reason.VIDEO_TOO_SHORT, detail=f"{n} faces to compare, {MIN_FACES} are needed")
        return PADEvidence.not_assessed(NAME, UNIT, why)
    native, time_s = least_likeness(faces)
    scale = load_scale(NAME)
    changed = native < scale.marks["changed_below"][0]
    found = f"another person is shown around {time_s:.1f} s" if changed else "one person is shown throughout"
    return PADEvidence(
        name=NAME,
        status=Status.ASSESSED,
        unit=UNIT,
        native=native,
        bona_fide_llr=min(0.0, scale(native)),
        detail=f"{found}: the least similarity among {n} faces is {native:.2f}",
        reason=Reason.PERSON_CHANGED if changed else None,
        times_s=faces.times_s,
        values=_to_the_others(faces),
    )

"""Mouth stillness: do the eyes live in a face whose mouth never does?

A mask with eye holes, of paper or stiffer, lets eyes blink and look about, which every other cue of motion takes for
life. What it covers is rigid. Living lips and chin are never quite still: they breathe, swallow, smile or speak.

The native value is the contrast of the mouth (:func:`idverify.pad.liveliness.activity`: change of the lower face over
that of the typical part) that is exceeded for a tenth of the time, in the liveliest :data:`WINDOW_S` of the recording,
but no more than :data:`MOST_OVER_TYPICAL` times what it reaches in the middle one of its seconds, so that one short
burst is not enough: about one, as everywhere else, where nothing moves. Somebody who keeps silent and calm comes close
to it, so that it is never proof; somebody who speaks is far from it, and so is a film of such a person: it does not
speak for bona fide.

Sources: masks with holes as attack instruments: Erdogmus & Marcel 2014, doi:10.1109/TIFS.2014.2322255; the measure is
this project's own.

Public items: :data:`NAME`, :func:`native_value`, :func:`assess`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from idverify.pad._llr import load_scale
from idverify.pad.evidence import PADEvidence, Status, why_few
from idverify.pad.liveliness import MOUTH_SHARE, activity
from idverify.pad.motion import MotionSignals
from idverify.pad.stillness import BLIND_PX, MIN_FRAMES
from idverify.reasons import NotAssessed, Reason

__all__ = ["NAME", "assess", "native_value"]

NAME = "mouth_stillness"
UNIT = "change of the mouth / typical change of the face (lower: a rigid face)"
WINDOW_S = 5.0
# What one stretch counts for over the middle one of all stretches of this length. No bona fide clip is judged otherwise
# for it: those who are silent between two words move their lips by a third more than a rigid face does, and more.
MOST_OVER_TYPICAL, STRETCH_S, MIN_IN_STRETCH = 2.0, 1.0, 4


def native_value(signals: MotionSignals) -> float | None:
    """Contrast of the mouth in the liveliest stretch, as far as the others bear it out; None with too few frames."""
    return _borne_out(activity(signals).mouth, signals.times_s)


def _borne_out(mouth: NDArray[np.float64], times: NDArray[np.float64]) -> float | None:
    judged = np.isfinite(mouth)
    if judged.sum() < MIN_FRAMES:
        return None
    span = times[-1] - times[0] + 1e-6
    stretches = max(1, round(span / WINDOW_S))
    slot = ((times - times[0]) / span * stretches).astype(int)
    parts = [mouth[judged & (slot == k)] for k in range(stretches)]
    full = [part for part in parts if len(part) >= MIN_FRAMES] or [mouth[judged]]
    liveliest = max(np.quantile(part, 1 - MOUTH_SHARE) for part in full)
    second = ((times - times[0]) / STRETCH_S).astype(int)
    each = [mouth[judged & (second == k)] for k in range(second[-1] + 1)]
    typical = [np.quantile(part, 1 - MOUTH_SHARE) for part in each if len(part) >= MIN_IN_STRETCH]
    return float(min(liveliest, MOST_OVER_TYPICAL * np.median(typical)) if typical else liveliest)


def assess(signals: MotionSignals) -> PADEvidence:
    """Whether the mouth is as rigid as a mask."""
    mouth = activity(signals).mouth
    native = _borne_out(mouth, signals.times_s)
    if native is None:
        reason = why_few(signals.times_s, MIN_FRAMES, Reason.TOO_MUCH_MOVEMENT)
        why = NotAssessed(reason=reason, detail=f"of {len(signals)} frames, too few show a face that is not turning")
        return PADEvidence.not_assessed(NAME, UNIT, why)
    noise = float(np.nanmedian(signals.change_px))
    if noise > BLIND_PX:
        why = NotAssessed(reason=Reason.LIVENESS_UNCERTAIN, detail=f"noise of {noise:.1f} px would hide calm lips")
        return PADEvidence.not_assessed(NAME, UNIT, why)
    judged = np.isfinite(mouth)
    return PADEvidence(
        name=NAME,
        status=Status.ASSESSED,
        unit=UNIT,
        native=native,
        bona_fide_llr=min(0.0, load_scale(NAME)(native)),
        detail=f"the mouth changes {native:.1f} times as much as the typical part of the face",
        times_s=signals.times_s[judged],
        values=mouth[judged],
    )

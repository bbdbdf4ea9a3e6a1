"""Context motion: do face and background move as one?

A picture that fills the view, glided over or held before the camera, carries its own background with it: face
and background follow one similarity. A person before a camera moves against the background, whether the camera
stands or is held in a hand.

The native value is the share of the background's motion that the face shares: ``1 - E|face - background|^2 /
E|background|^2``, held to [-1, 1], where both motions are steps of the face's place from one analysed frame to
the next. It is judged only where the background has texture and moves; before a still background a moved
photograph and a moving head look alike.

Sources: Anjos & Marcel 2011, doi:10.1109/IJCB.2011.6117503; Anjos, Chakka & Marcel 2014,
doi:10.1049/iet-bmt.2012.0071.

Public items: :data:`NAME`, :func:`shared_motion`, :func:`assess`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from idverify.pad._llr import load_scale
from idverify.pad.evidence import PADEvidence, Status
from idverify.pad.motion import MotionSignals
from idverify.reasons import NotAssessed, Reason

__all__ = ["NAME", "assess", "shared_motion"]

F64 = NDArray[np.float64]

NAME = "context_motion"
UNIT = "share of the background's motion that the face takes part in (1: one rigid picture)"
MIN_FRAMES = 20
# Root mean square step of the background between analysed frames, over the eye distance, above tracking noise.
MIN_STEP = 0.004


def shared_motion(face_from: F64, face_to: F64, background: F64) -> tuple[F64, F64]:
    """Squared steps of the background at the face, and squared differences of the face's steps from it.

    Parameters
    ----------
    face_from, face_to : float64 [shape=(n, 4, 2)]
        Points of the face in the frame before and in this one.
    background : float64 [shape=(n, 2, 3)]
        Similarity of the background between the two.

    Returns
    -------
    background_step2, difference2 : float64 [shape=(n,)]
        Square pixels; NaN where either was lost.
    """
    carried = np.einsum("nij,npj->npi", background[:, :, :2], face_from) + background[:, None, :, 2]
    step2 = ((carried - face_from) ** 2).sum(axis=2).mean(axis=1)
    return step2, ((face_to - carried) ** 2).sum(axis=2).mean(axis=1)


def assess(signals: MotionSignals) -> PADEvidence:
    """Whether face and background follow one motion."""
    step2, difference2 = shared_motion(signals.face_from, signals.face_to, signals.background)
    seen = np.isfinite(difference2)
    if seen.sum() < MIN_FRAMES:
        detail = f"background and face followed together in {seen.sum()} of {len(signals)} frames"
        return PADEvidence.not_assessed(NAME, UNIT, NotAssessed(reason=Reason.LIVENESS_UNCERTAIN, detail=detail))
    size = float(np.median(signals.eye_distance_px))
    step = float(np.sqrt(step2[seen].mean())) / size
    if step < MIN_STEP:
        detail = "the background stands still, which a photograph in a hand and a person share"
        return PADEvidence(name=NAME, status=Status.NOT_APPLICABLE, unit=UNIT, detail=detail)
    native = float(np.clip(1.0 - difference2[seen].sum() / step2[seen].sum(), -1.0, 1.0))
    return PADEvidence(
        name=NAME,
        status=Status.ASSESSED,
        unit=UNIT,
        native=native,
        bona_fide_llr=load_scale(NAME)(1.0 - native),
        detail=_words(native),
        times_s=signals.times_s[seen],
        values=1.0 - difference2[seen] / np.maximum(step2[seen], 1e-9),
    )


def _words(native: float) -> str:
    """Below nothing there is no share: the face moves by itself then."""
    if native <= 0:
        return "the face moves by itself, not with the background"
    return f"the face takes part in {100 * native:.0f} % of the background's motion"

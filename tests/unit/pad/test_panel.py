"""What mechanisms say together: a proof of one that another contradicts is a doubt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from idverify.pad import skin_change, stillness
from idverify.pad.evidence import PADEvidence, Status
from idverify.pad.panel import LIVING_SKIN_LLR, unproven_where_skin_lives
from idverify.reasons import Reason

STILL = PADEvidence(
    name=stillness.NAME, status=Status.ASSESSED, unit="", detail="still", native=1.0, bona_fide_llr=-2.2,
    reason=Reason.STATIC_PRESENTATION, decisive=True,
)  # fmt: skip


def skin(llr: float | None, reason: Reason | None = None) -> PADEvidence:
    status = Status.NOT_ASSESSED if llr is None else Status.ASSESSED
    return PADEvidence(name=skin_change.NAME, status=status, unit="", detail="", bona_fide_llr=llr, reason=reason)


def test_a_face_as_still_as_a_photograph_whose_skin_lives_is_no_proof():
    still, other = unproven_where_skin_lives((STILL, skin(LIVING_SKIN_LLR)))
    assert (still.decisive, still.reason, still.bona_fide_llr) == (False, None, STILL.bona_fide_llr)
    assert "skin" in still.detail
    assert other == skin(LIVING_SKIN_LLR) or other.bona_fide_llr == LIVING_SKIN_LLR


@pytest.mark.parametrize("llr", [LIVING_SKIN_LLR - 0.01, -3.0, None])
def test_a_photograph_stays_one(llr):
    assert unproven_where_skin_lives((STILL, skin(llr)))[0] is STILL


@pytest.mark.parametrize("light", [Reason.TOO_BRIGHT, Reason.TOO_DARK])
def test_where_light_hid_the_skin_nothing_says_that_it_is_a_photograph(light):
    still, _ = unproven_where_skin_lives((STILL, skin(None, light)))
    assert (still.decisive, still.reason, still.bona_fide_llr) == (False, None, STILL.bona_fide_llr)
    assert unproven_where_skin_lives((STILL, skin(None, Reason.LOW_FRAME_RATE)))[0] is STILL


def test_no_other_proof_is_taken_back():
    shown_again = replace(STILL, name="reference_reuse", reason=Reason.REFERENCE_REUSED)
    assert unproven_where_skin_lives((shown_again, skin(5.0)))[0] is shown_again

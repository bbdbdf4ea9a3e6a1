"""Fusion: proof is not outvoted, more evidence for never means less, and None stays None."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from idverify.errors import PolicyError
from idverify.pad.evidence import PADEvidence, Status
from idverify.verification.fusion import (
    CORRELATION,
    FAMILIES,
    RULED_OUT_LLR,
    AttackClass,
    ClassVerdict,
    Prior,
    class_evidence,
    confidence,
    fuse_liveness,
)

PRIOR = Prior(genuine=0.9, impostor=0.05, attack=0.05)
NAMES = (*FAMILIES, "pulse", "reference_reuse")
llrs = st.floats(-20, 20)


def evidence(name: str, llr: float | None, decisive: bool = False) -> PADEvidence:
    status = Status.NOT_ASSESSED if llr is None else Status.ASSESSED
    return PADEvidence(name=name, status=status, unit="", detail="", bona_fide_llr=llr, decisive=decisive)


soft = st.builds(evidence, st.sampled_from(NAMES), st.none() | llrs)
panels = st.lists(soft, max_size=7, unique_by=lambda e: e.name)


# -- liveness ----------------------------------------------------------------------------------------------------------


def test_nothing_assessed_is_none():
    assert fuse_liveness([]) is None
    assert fuse_liveness([evidence(name, None) for name in NAMES]) is None


@given(panel=panels)
def test_what_was_not_assessed_changes_nothing(panel):
    assert fuse_liveness([e for e in panel if e.bona_fide_llr is not None]) == fuse_liveness(panel)


@given(panel=panels, order=st.randoms())
def test_the_order_does_not_matter(panel, order):
    shuffled = list(panel)
    order.shuffle(shuffled)
    before, after = fuse_liveness(panel), fuse_liveness(shuffled)
    assert (before is None and after is None) or before == pytest.approx(after, abs=1e-9)


@given(panel=panels)
def test_what_nobody_saw_bounds_what_is_proven(panel):
    """Each class has an equal share: with one of five not seen at all, the odds cannot exceed five to one."""
    unseen = sum(c.llr is None for c in class_evidence(panel, {}))
    fused = fuse_liveness(panel)
    assert fused is None or unseen == 0 or fused <= np.log(len(AttackClass) / unseen) + 1e-9


@given(support=st.floats(0, 20), doubt=st.floats(-20, 0))
def test_what_a_replay_shows_by_nature_does_not_outvote_the_look_of_the_screen(support, doubt):
    """Motion, depth, blinks and pulse are in a replayed recording, too."""
    moving = [evidence(name, support) for name in ("stillness", "depth", "liveliness", "context_motion", "pulse")]
    screen = evidence("recapture", doubt)
    replayed = {c.attack_class: c for c in class_evidence([*moving, screen], {})}[AttackClass.REPLAYED]
    assert replayed.llr == pytest.approx(doubt)
    assert not replayed.passed or doubt == 0
    assert fuse_liveness([*moving, screen]) <= np.log(5) - np.log(np.exp(-doubt) + 3) + 1e-9


@given(panel=panels, mark=st.floats(-3, 3))
def test_only_what_was_tested_and_reaches_the_mark_passes(panel, mark):
    marks = {one.value: mark for one in AttackClass}
    for one in class_evidence(panel, marks):
        assert one.passed == (one.tested and one.llr >= mark)
        assert (one.verdict is ClassVerdict.RULED_OUT) == (one.passed and one.llr >= RULED_OUT_LLR)
        assert set(one.mechanisms) <= {e.name for e in panel if e.bona_fide_llr is not None}


def test_those_that_only_speak_against_test_nothing():
    panel = [evidence(name, 0.0) for name in ("eye_stillness", "texture_constancy", "screen_rhythm", "reference_reuse")]
    assert {c.verdict for c in class_evidence(panel, {})} == {ClassVerdict.NOT_TESTED}


def test_somebody_calm_is_uncertain_and_no_attacker():
    """Cues of calm skin, eyes and mouth alone never reach what a policy rejects."""
    calm = [evidence(name, -20.0) for name, family in FAMILIES.items() if family == "calm"]
    lively = [evidence("stillness", 1.6), evidence("recapture", 1.6)]
    fused = fuse_liveness([*calm, *lively])
    assert -1.2 < fused < 0


@given(panel=panels, at=st.integers(0, 6), more=st.floats(0, 10))
def test_a_mechanism_that_says_more_for_bona_fide_never_lowers_the_sum(panel, at, more):
    assessed = [e for e in panel if e.bona_fide_llr is not None]
    assume(assessed)
    at %= len(assessed)
    raised = list(assessed)
    raised[at] = evidence(assessed[at].name, assessed[at].bona_fide_llr + more)
    assert fuse_liveness(raised) >= fuse_liveness(assessed) - 1e-9


@given(a=llrs, b=llrs)
def test_families_add_and_a_family_counts_for_less_than_its_sum(a, b):
    def still(*panel: PADEvidence) -> float:
        return class_evidence(panel, {})[0].llr

    assert still(evidence("stillness", a), evidence("pulse", b)) == pytest.approx(a + b)
    together = still(evidence("stillness", a), evidence("depth", b))
    if a * b > 0:
        assert abs(together) == pytest.approx(max(abs(a), abs(b), abs(a + b) / (1 + CORRELATION)))
    else:
        assert together == pytest.approx(a + b)


@given(panel=panels, name=st.sampled_from(NAMES), llr=llrs)
def test_a_voice_never_speaks_against_its_own_side(panel, name, llr):
    """Whoever says a little for bona fide does not lower the sum, nor does a little against it raise it."""
    others = [e for e in panel if e.name != name]
    before, after = fuse_liveness(others), fuse_liveness([*others, evidence(name, llr)])
    assume(before is not None)
    assert after >= before - 1e-9 if llr >= 0 else after <= before + 1e-9


def test_n_voices_of_one_family_count_for_more_than_one_and_less_than_n():
    names = [name for name, family in FAMILIES.items() if family == "motion"]
    for n in range(2, len(names) + 1):
        assert 2.0 < class_evidence([evidence(name, 2.0) for name in names[:n]], {})[0].llr < 2.0 * n


@given(panel=panels, proof=st.floats(-20, -0.1))
def test_proof_of_an_attack_is_not_outvoted(panel, proof):
    others = [e for e in panel if e.name != "reference_reuse"]
    fused = fuse_liveness([*others, evidence("reference_reuse", proof, decisive=True)])
    assert fused <= proof
    without = fuse_liveness(others)
    assert without is None or fused <= without + 1e-9 or without > proof


@given(panel=panels, proof=st.floats(-20, -0.1))
def test_proof_never_softens_what_else_speaks_against(panel, proof):
    against = [e for e in panel if e.name != "reference_reuse" and (e.bona_fide_llr or 0) < 0]
    assume(against)
    fused = fuse_liveness([*against, evidence("reference_reuse", proof, decisive=True)])
    assert fused <= min(proof, fuse_liveness(against)) + 1e-9


def test_a_decisive_mechanism_that_found_nothing_is_a_voice_like_others():
    panel = [evidence("pulse", 1.0), evidence("reference_reuse", 0.5)]
    decisive = [evidence("pulse", 1.0), evidence("reference_reuse", 0.5, decisive=True)]
    assert fuse_liveness(decisive) == fuse_liveness(panel)


# -- confidence --------------------------------------------------------------------------------------------------------


@given(match=llrs, live=llrs, more=st.floats(0, 10))
def test_confidence_rises_with_both(match, live, more):
    base = confidence(match_llr=match, liveness_llr=live, prior=PRIOR)
    assert 0 <= base <= 1
    assert confidence(match_llr=match + more, liveness_llr=live, prior=PRIOR) >= base - 1e-12
    assert confidence(match_llr=match, liveness_llr=live + more, prior=PRIOR) >= base - 1e-12


def test_without_evidence_it_is_the_prior():
    assert confidence(match_llr=0.0, liveness_llr=0.0, prior=PRIOR) == pytest.approx(0.9)
    assert confidence(match_llr=0.0, liveness_llr=None, prior=PRIOR) == pytest.approx(0.9 / 0.95)
    assert confidence(match_llr=None, liveness_llr=0.0, prior=PRIOR) == pytest.approx(0.9 / 0.95)


@given(match=llrs, live=llrs)
def test_it_is_bayes_rule(match, live):
    genuine, impostor, attack = 0.9 * np.exp(match + live), 0.05 * np.exp(live), 0.05 * np.exp(match)
    expected = genuine / (genuine + impostor + attack)
    assert confidence(match_llr=match, liveness_llr=live, prior=PRIOR) == pytest.approx(expected, rel=1e-9)


@given(a=llrs, b=llrs)
def test_both_halves_weigh_alike_where_the_prior_does(a, b):
    one = confidence(match_llr=a, liveness_llr=b, prior=PRIOR)
    assert one == pytest.approx(confidence(match_llr=b, liveness_llr=a, prior=PRIOR), rel=1e-9)


def test_limits_are_symmetric_and_finite():
    """Overwhelming evidence for one half leaves the other half's question; against either half nothing is left."""
    for far in (50.0, 800.0, 1e6):
        alone = confidence(match_llr=None, liveness_llr=1.0, prior=PRIOR)
        assert confidence(match_llr=far, liveness_llr=1.0, prior=PRIOR) == pytest.approx(alone)
        assert confidence(match_llr=1.0, liveness_llr=far, prior=PRIOR) == pytest.approx(alone)
        assert confidence(match_llr=-far, liveness_llr=far, prior=PRIOR) == pytest.approx(0, abs=1e-9)
        assert confidence(match_llr=far, liveness_llr=-far, prior=PRIOR) == pytest.approx(0, abs=1e-9)


def test_no_evidence_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one half"):
        confidence(match_llr=None, liveness_llr=None, prior=PRIOR)


@pytest.mark.parametrize(
    "parts", [(0.9, 0.05, 0.06), (1.0, 0.0, 0.0), (1.2, -0.1, -0.1), (float("nan"), 0.5, 0.5), (0, 0, 0)]
)
def test_a_prior_adds_up_to_one(parts):
    with pytest.raises(PolicyError, match="add up to 1"):
        Prior(genuine=parts[0], impostor=parts[1], attack=parts[2])

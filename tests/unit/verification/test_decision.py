"""The rule: a table of findings and outcomes, and the law that nothing missing ever becomes *accept*."""

from __future__ import annotations

from dataclasses import replace

import builders
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.challenge.verification import ChallengeOutcome, ChallengeResult
from idverify.comparison.calibration import load_card
from idverify.errors import NotAcceptedError
from idverify.models.manifest import data_dir
from idverify.pad.evidence import PADEvidence, Status
from idverify.reasons import NotAssessed, Reason
from idverify.verification.assembly import assemble
from idverify.verification.decision import (
    Decision,
    Findings,
    LivenessEvidence,
    Outcome,
    Task,
    decide,
    match_evidence,
)
from idverify.verification.fusion import AttackClass, ClassVerdict, class_evidence, fuse_liveness
from idverify.verification.policy import load_policy, policy_names

POLICIES = {name: load_policy(name) for name in policy_names()}
IAL2, STRICT, RECOVERY = POLICIES["ial2"], POLICIES["strict"], POLICIES["recovery"]
UNSAFE = POLICIES["unsafe-comparison-only"]
NAN = float("nan")
# Enough for ial2, too little for strict.
BETWEEN = (IAL2.accept_liveness_llr + STRICT.accept_liveness_llr) / 2

MATCHED = builders.match()
STRANGER = builders.match(similarity=0.1, llr=-6.0, matched=False)
UNSURE = builders.match(similarity=0.48, llr=2.0, matched=False)


def mechanism(name: str, llr: float | None, **more) -> PADEvidence:
    if llr is None:
        why = NotAssessed(reason=more.get("reason") or Reason.TOO_LITTLE_MOVEMENT, detail="")
        return PADEvidence.not_assessed(name, "", why)
    return builders.stillness(llr, name=name, **more)


def live(llr: float | None = 4.0, *mechanisms: PADEvidence) -> LivenessEvidence:
    shown = mechanisms or (mechanism("stillness", 4.0), mechanism("depth", 4.0))
    # What the policies require besides.
    names = {m.name for m in shown}
    shown += tuple(mechanism(name, 0.5) for name in ("recapture", "eye_stillness", "skin_change") if name not in names)
    classes = builders.attack_classes()
    return LivenessEvidence(llr=llr, probability=None if llr is None else 0.9, mechanisms=shown, classes=classes)


def challenge(outcome: ChallengeOutcome, *reasons: Reason) -> ChallengeResult:
    return ChallengeResult(
        outcome=outcome, reasons=reasons, guess_probability=0.01, nonce="0" * 32, mirrored=False, seeded=False
    )


FOLLOWED = challenge(ChallengeOutcome.FOLLOWED, Reason.CHALLENGE_FOLLOWED)
REPLAYED = challenge(ChallengeOutcome.REFUSED, Reason.CHALLENGE_REUSED)
IGNORED = challenge(ChallengeOutcome.NOT_FOLLOWED, Reason.CHALLENGE_NOT_FOLLOWED)
UNSEEN = challenge(ChallengeOutcome.NOT_ASSESSED, Reason.TOO_DARK)


def found(task: Task = Task.CHECK, match=MATCHED, liveness=None, obstacles=(), **more) -> Findings:
    liveness = live() if liveness is None and task is not Task.MATCH else liveness
    return Findings(task=task, match=match, liveness=liveness, obstacles=obstacles, **more)


def findings(task=Task.CHECK, match=None, liveness=None, obstacles=(), **more) -> Findings:
    return Findings(task=task, match=match, liveness=liveness, obstacles=obstacles, **more)


STILL = mechanism("stillness", -6.0, decisive=True, reason=Reason.STATIC_PRESENTATION)
UNREADABLE = mechanism("recapture", None, reason=Reason.LOW_RESOLUTION)
REUSED = mechanism("reference_reuse", -8.0, decisive=True, reason=Reason.REFERENCE_REUSED)
SOFT_OBJECTION = mechanism("depth", -5.0, reason=Reason.PRESENTATION_ATTACK)

# What was found -> under which policy -> outcome and reasons.
TABLE = {
    "the right person, live": (found(), IAL2, "accept", ["live", "match"]),
    "another person, live": (found(match=STRANGER), IAL2, "reject", ["no_match"]),
    "a likeness short of the threshold": (found(match=UNSURE), IAL2, "inconclusive", ["match_uncertain"]),
    "a photo of the right person": (
        found(liveness=live(-6.0, STILL)), IAL2, "reject", ["static_presentation"],
    ),
    "proof beside strong soft support": (
        found(liveness=live(9.0, STILL, mechanism("depth", 15.0))), IAL2, "reject", ["static_presentation"],
    ),
    "the reference itself, re-shot": (
        found(liveness=live(2.0, mechanism("stillness", 6.0), REUSED)), IAL2, "reject", ["reference_reused"],
    ),
    "a decisive mechanism that found nothing": (
        found(liveness=live(3.0, mechanism("stillness", 3.0, decisive=True))), IAL2, "accept", ["live", "match"],
    ),
    "soft evidence of an attack": (
        found(liveness=live(-3.0, mechanism("stillness", 1.0), SOFT_OBJECTION)),
        IAL2, "reject", ["presentation_attack"],
    ),
    "an objection without a name": (
        found(liveness=live(-3.0, mechanism("stillness", -3.0))), IAL2, "reject", ["presentation_attack"],
    ),
    "too little liveness": (found(liveness=live(0.1)), IAL2, "inconclusive", ["liveness_uncertain"]),
    "a way to attack that is doubtful": (
        found(liveness=replace(live(), classes=builders.attack_classes(swapped="doubtful"))),
        IAL2,
        "inconclusive",
        ["liveness_uncertain"],
    ),
    "a way to attack that was not tested": (
        found(liveness=replace(live(), classes=builders.attack_classes(replayed="not_tested"))),
        IAL2,
        "inconclusive",
        ["liveness_uncertain"],
    ),
    "a way to attack that the policy does not name": (
        found(liveness=replace(live(), classes=builders.attack_classes(rendered="not_tested"))),
        IAL2,
        "accept",
        ["live", "match"],
    ),
    "liveness enough for ial2 only": (found(liveness=live(BETWEEN)), STRICT, "inconclusive", ["liveness_uncertain"]),
    "a required mechanism could not judge": (
        found(liveness=live(5.0, mechanism("stillness", 5.0), mechanism("depth", None))),
        STRICT, "inconclusive", ["too_little_movement"],
    ),
    "a required mechanism was not there": (
        found(liveness=live(5.0, mechanism("stillness", 5.0))), STRICT, "inconclusive", ["liveness_uncertain"],
    ),
    "a mechanism that is not required could not judge": (
        found(liveness=live(5.0, mechanism("stillness", 5.0), mechanism("depth", None))),
        IAL2, "accept", ["live", "match"],
    ),
    "the look of the picture could not be judged": (
        found(liveness=live(5.0, mechanism("stillness", 5.0), UNREADABLE)),
        IAL2, "inconclusive", ["low_resolution"],
    ),
    "no mechanism could judge": (
        found(liveness=live(None, mechanism("stillness", None))), IAL2, "inconclusive", ["liveness_uncertain"],
    ),
    "no liveness at all": (findings(match=MATCHED), IAL2, "inconclusive", ["liveness_uncertain"]),
    "a sum that is not a number": (found(liveness=live(NAN)), IAL2, "inconclusive", ["liveness_uncertain"]),
    "no comparison": (found(match=None), IAL2, "inconclusive", ["match_uncertain"]),
    "nothing at all": (findings(), IAL2, "inconclusive", ["liveness_uncertain"]),
    "no face": (findings(obstacles=(Reason.NO_FACE,)), IAL2, "inconclusive", ["no_face", "liveness_uncertain"]),
    "two people in the picture": (
        found(obstacles=(Reason.MULTIPLE_FACES,)), IAL2, "inconclusive", ["multiple_faces"],
    ),
    "another person, and doubt who is meant": (
        found(match=STRANGER, obstacles=(Reason.MULTIPLE_FACES,)),
        IAL2, "inconclusive", ["multiple_faces", "match_uncertain"],
    ),
    "an attack in a video with obstacles": (
        found(liveness=live(-6.0, STILL), obstacles=(Reason.TOO_DARK,)), IAL2, "reject", ["static_presentation"],
    ),
    "soft evidence of an attack in a video with obstacles": (
        found(liveness=live(-3.0, SOFT_OBJECTION, mechanism("stillness", 1.0)), obstacles=(Reason.TOO_DARK,)),
        IAL2, "inconclusive", ["too_dark", "liveness_uncertain"],
    ),
    "too little liveness, and a blurred face": (
        found(liveness=live(0.1), handicaps=(Reason.BLURRY,)), IAL2, "inconclusive", ["blurry", "liveness_uncertain"],
    ),
    "a doubtful likeness of a blurred face": (
        found(match=UNSURE, handicaps=(Reason.BLURRY,)), IAL2, "inconclusive", ["blurry", "match_uncertain"],
    ),
    "a required mechanism could not judge a dark face": (
        found(liveness=live(5.0, mechanism("stillness", 5.0), mechanism("depth", None)), handicaps=(Reason.TOO_DARK,)),
        STRICT, "inconclusive", ["too_dark", "too_little_movement"],
    ),
    "a blurred face that was judged all the same": (
        found(handicaps=(Reason.BLURRY,)), IAL2, "accept", ["live", "match"],
    ),
    "two people in a blurred picture": (
        found(obstacles=(Reason.MULTIPLE_FACES,), handicaps=(Reason.BLURRY,)), IAL2, "inconclusive", ["multiple_faces"],
    ),
    "soft evidence of an attack in a blurred video": (
        found(liveness=live(-3.0, SOFT_OBJECTION, mechanism("stillness", 1.0)), handicaps=(Reason.BLURRY,)),
        IAL2, "inconclusive", ["blurry", "liveness_uncertain"],
    ),
    "proof of an attack in a blurred video": (
        found(liveness=live(-6.0, STILL), handicaps=(Reason.BLURRY,)), IAL2, "reject", ["static_presentation"],
    ),
    "a tampered recording": (
        found(warranted=(Reason.TAMPERED_RECORDING,)), IAL2, "reject", ["tampered_recording"],
    ),
    "a stranger's photo": (
        found(match=STRANGER, liveness=live(-6.0, STILL)), IAL2, "reject", ["static_presentation", "no_match"],
    ),
    "liveness alone, live": (found(Task.LIVENESS, match=None), IAL2, "accept", ["live"]),
    "liveness alone, a photo": (
        found(Task.LIVENESS, match=None, liveness=live(-6.0, STILL)), IAL2, "reject", ["static_presentation"],
    ),
    "liveness alone under an unsafe policy": (
        found(Task.LIVENESS, match=None), UNSAFE, "inconclusive", ["liveness_uncertain"],
    ),
    "match alone, the same": (findings(Task.MATCH, match=MATCHED), IAL2, "accept", ["match"]),
    "match alone, another": (findings(Task.MATCH, match=STRANGER), IAL2, "reject", ["no_match"]),
    "match alone, no face in the photo": (
        findings(Task.MATCH, obstacles=(Reason.REFERENCE_UNUSABLE,)), IAL2, "inconclusive", ["reference_unusable"],
    ),
    "the unsafe policy looks at the face alone": (
        found(liveness=live(-6.0, STILL)), UNSAFE, "accept", ["match"],
    ),
    "the unsafe policy and a stranger": (found(match=STRANGER), UNSAFE, "reject", ["no_match"]),
    "a challenge required and none given": (found(), RECOVERY, "inconclusive", ["challenge_missing"]),
    "a challenge answered": (
        found(challenge=FOLLOWED), RECOVERY, "accept", ["live", "match", "challenge_followed"],
    ),
    "a challenge answered by a stranger": (
        found(match=STRANGER, challenge=FOLLOWED), RECOVERY, "reject", ["no_match"],
    ),
    "a challenge used twice": (found(challenge=REPLAYED), RECOVERY, "reject", ["challenge_reused"]),
    "a challenge not followed, though not required": (
        found(challenge=IGNORED), IAL2, "reject", ["challenge_not_followed"],
    ),
    "an answer in the dark": (found(challenge=UNSEEN), RECOVERY, "inconclusive", ["too_dark"]),
}  # fmt: skip


@pytest.mark.parametrize("row", TABLE)
def test_the_table(row):
    what, policy, outcome, reasons = TABLE[row]
    assert decide(what, policy) == (Outcome(outcome), tuple(Reason(code) for code in reasons))


# -- nothing missing becomes yes ---------------------------------------------------------------------------------------

mechanisms = st.builds(
    mechanism,
    st.sampled_from(["stillness", "depth", "reference_reuse", "pulse"]),
    st.none() | st.floats(-9, 9) | st.just(NAN),
    decisive=st.booleans(),
    reason=st.sampled_from([None, Reason.STATIC_PRESENTATION, Reason.PRESENTATION_ATTACK]),
)
lives = st.none() | st.builds(
    LivenessEvidence,
    llr=st.none() | st.floats(-9, 9) | st.just(NAN),
    probability=st.none(),
    mechanisms=st.lists(mechanisms, min_size=1, max_size=5).map(tuple),
    classes=st.dictionaries(
        st.sampled_from([one.value for one in AttackClass]),
        st.sampled_from(["no_sign", "doubtful", "not_tested"]),
        max_size=2,
    ).map(lambda verdicts: builders.attack_classes(**verdicts))
    | st.just(()),
)
obstacles = st.lists(st.sampled_from([Reason.NO_FACE, Reason.TOO_DARK, Reason.VIDEO_TOO_SHORT]), max_size=2).map(tuple)
anything = st.builds(
    Findings,
    task=st.sampled_from(Task),
    match=st.sampled_from([None, MATCHED, STRANGER, UNSURE, builders.match(llr=NAN, similarity=NAN, matched=False)]),
    liveness=lives,
    obstacles=st.just(()) | obstacles,
    warranted=st.sampled_from([(), (Reason.TAMPERED_RECORDING,)]),
    challenge=st.sampled_from([None, FOLLOWED, REPLAYED, IGNORED, UNSEEN]),
)
any_policy = st.sampled_from(sorted(POLICIES)).map(POLICIES.__getitem__)


def attack_is_proven(evidence: LivenessEvidence | None) -> bool:
    return evidence is not None and any(e.decisive and (e.bona_fide_llr or 0) < 0 for e in evidence.mechanisms)


def is_live(evidence: LivenessEvidence | None, policy) -> bool:
    """Liveness as the policy wants it, said once more and from scratch."""
    if evidence is None or evidence.llr is None or not evidence.llr >= policy.accept_liveness_llr:
        return False
    status = {e.name: e.status for e in evidence.mechanisms}
    required = all(status.get(name) is Status.ASSESSED for name in policy.required_mechanisms)
    verdicts = {c.attack_class.value: c.verdict.value for c in evidence.classes}
    covered = all(verdicts.get(name) in ("ruled_out", "no_sign") for name in policy.attack_classes)
    return required and covered and not attack_is_proven(evidence)


@settings(max_examples=300)
@given(what=anything, policy=any_policy)
def test_accept_means_that_everything_asked_for_was_found_good(what, policy):
    asks_match, asks_live = what.task is not Task.LIVENESS, what.task is not Task.MATCH
    good = not what.obstacles and not what.warranted
    if asks_match:
        good = good and what.match is not None and what.match.matched
    if asks_live:
        good = good and not (policy.require_challenge and what.challenge is None)
        good = good and what.challenge in (None, FOLLOWED)
        good = good and (is_live(what.liveness, policy) if not policy.unsafe else asks_match)
    outcome, reasons = decide(what, policy)
    assert (outcome is Outcome.ACCEPT) == good
    assert reasons
    assert len(set(reasons)) == len(reasons)


@given(what=anything, policy=any_policy)
def test_each_outcome_gives_reasons_of_its_kind(what, policy):
    outcome, reasons = decide(what, policy)
    praise = {Reason.LIVE, Reason.MATCH, Reason.CHALLENGE_FOLLOWED}
    assert set(reasons) <= praise if outcome is Outcome.ACCEPT else not praise & set(reasons)
    if outcome is not Outcome.ACCEPT:
        assert all(reason.guidance for reason in reasons)


@given(what=anything, policy=any_policy)
def test_a_rejection_names_something_that_was_found(what, policy):
    outcome, _ = decide(what, policy)
    if outcome is not Outcome.REJECT:
        return
    judged = what.task is not Task.MATCH and not policy.unsafe and what.liveness is not None
    below = judged and what.liveness.llr is not None and what.liveness.llr < policy.reject_liveness_llr
    stranger = what.task is not Task.LIVENESS and what.match is not None and what.match.llr < 0
    answered_wrong = what.task is not Task.MATCH and what.challenge in (REPLAYED, IGNORED)
    assert what.warranted or below or stranger or answered_wrong or (judged and attack_is_proven(what.liveness))


@given(what=anything, policy=any_policy, obstacle=st.sampled_from([Reason.NO_FACE, Reason.TIME_BASE_INVALID]))
def test_an_obstacle_never_helps(what, policy, obstacle):
    hindered = Findings(
        task=what.task,
        match=what.match,
        liveness=what.liveness,
        obstacles=(*what.obstacles, obstacle),
        warranted=what.warranted,
        challenge=what.challenge,
    )
    before, after = decide(what, policy)[0], decide(hindered, policy)[0]
    assert after is not Outcome.ACCEPT
    assert after is Outcome.INCONCLUSIVE or before is Outcome.REJECT


# -- the decision itself -----------------------------------------------------------------------------------------------

DECISIONS = (builders.decision, builders.still_photo, builders.too_dark, builders.unsafe_match)


@pytest.mark.parametrize("make", DECISIONS)
def test_a_decision_is_no_boolean(make):
    with pytest.raises(TypeError, match="three outcomes"):
        bool(make())
    with pytest.raises(TypeError, match="three outcomes"):
        _ = make() and True


def test_the_doors():
    assert builders.decision().accepted is True
    builders.decision().raise_unless_accepted()
    for make, word in (
        (builders.still_photo, "reject: static_presentation"),
        (builders.too_dark, "inconclusive: too_dark"),
    ):
        assert make().accepted is False
        with pytest.raises(NotAcceptedError, match=word):
            make().raise_unless_accepted()


def test_guidance_is_for_the_person_and_in_order():
    assert builders.decision().guidance == ()
    assert builders.too_dark().guidance == (Reason.TOO_DARK.guidance, Reason.VIDEO_TOO_SHORT.guidance)


def skin_unseen(reason: Reason, still: float = 4.0) -> LivenessEvidence:
    """All is well, but nothing could test for an animated picture."""
    seen = (mechanism("stillness", still), mechanism("recapture", 2.0), mechanism("eye_stillness", 0.0))
    shown = (*seen, mechanism("skin_change", None, reason=reason))
    llr, classes = fuse_liveness(shown), class_evidence(shown, {})
    return LivenessEvidence(llr=llr, probability=0.9, mechanisms=shown, classes=classes)


@pytest.mark.parametrize("light", [Reason.TOO_BRIGHT, Reason.TOO_DARK])
@pytest.mark.parametrize("policy", sorted(set(POLICIES) - {"unsafe-comparison-only"}))
def test_light_takes_no_objection_away_whatever_the_policy_asks_for(policy, light):
    outcome, reasons = decide(found(liveness=skin_unseen(light)), POLICIES[policy])
    assert outcome is Outcome.INCONCLUSIVE
    assert light in reasons


def test_who_holds_still_in_light_that_hides_the_skin_is_no_attacker():
    def outcome(reason: Reason) -> Outcome:
        return decide(found(liveness=skin_unseen(reason, still=-6.0)), IAL2)[0]

    assert (outcome(Reason.TOO_BRIGHT), outcome(Reason.LOW_FRAME_RATE)) == (Outcome.INCONCLUSIVE, Outcome.REJECT)


def test_a_slow_camera_is_no_trick_of_light():
    slow = skin_unseen(Reason.LOW_FRAME_RATE)
    assert decide(found(liveness=slow), POLICIES["convenience"])[0] is Outcome.ACCEPT


def test_a_decision_cannot_be_changed_and_shows_no_pixels():
    shown = builders.with_face_images(builders.decision())
    assert isinstance(shown, Decision)
    with pytest.raises(AttributeError):
        shown.outcome = Outcome.ACCEPT
    assert "array" not in repr(shown)


def test_a_decision_equals_itself_and_no_other_and_has_a_hash_to_match():
    """Its evidence holds arrays, which neither compare nor hash by value."""
    one, other = builders.decision(), builders.decision()
    assert one == one
    assert one != other
    assert len({one, other, one}) == 2
    assert one.liveness == one.liveness
    assert {one.liveness: 1}[one.liveness] == 1
    assert all(hash(evidence) for evidence in one.liveness.mechanisms)


# -- a face laid over somebody else's ----------------------------------------------------------------------------------

CARD = load_card(data_dir() / "calibration" / "comparison.toml")
verdicts = st.sampled_from([verdict.value for verdict in ClassVerdict])
similarities = st.floats(-1, 1)


def swapped(verdict: str) -> LivenessEvidence:
    return replace(live(), classes=builders.attack_classes(swapped=verdict))


@given(similarity=similarities, verdict=verdicts, policy=any_policy)
def test_doubt_about_a_swapped_face_never_makes_a_match(similarity, verdict, policy):
    plain, doubted = (match_evidence(similarity, CARD, policy, evidence) for evidence in (None, swapped(verdict)))
    assert doubted.matched <= plain.matched
    assert doubted.target_fmr <= plain.target_fmr
    assert doubted.llr == plain.llr


@given(similarity=similarities, verdict=verdicts)
def test_ial2_asks_a_recording_for_a_firmer_match_whatever_is_said_of_swapped_faces(similarity, verdict):
    told = match_evidence(similarity, CARD, IAL2, swapped(verdict))
    assert told.target_fmr == IAL2.target_fmr_with_liveness
    assert told.threshold == CARD.threshold(IAL2.target_fmr_with_liveness)
    assert told.matched == (similarity >= told.threshold)


def test_a_match_that_is_not_firm_enough_is_inconclusive_and_the_person_may_try_again():
    between = (CARD.threshold(IAL2.target_fmr) + CARD.threshold(IAL2.target_fmr_with_liveness)) / 2
    for verdict in ("ruled_out", "no_sign"):
        evidence = swapped(verdict)
        match = match_evidence(between, CARD, IAL2, evidence)
        assert decide(found(match=match, liveness=evidence), IAL2) == (Outcome.INCONCLUSIVE, (Reason.MATCH_UNCERTAIN,))
    firm = match_evidence(CARD.threshold(IAL2.target_fmr_with_liveness), CARD, IAL2, swapped("no_sign"))
    assert decide(found(match=firm, liveness=swapped("no_sign")), IAL2)[0] is Outcome.ACCEPT


@given(similarity=similarities, wanted=st.floats(1e-6, 1e-4))
def test_a_firmer_match_at_a_rate_that_the_card_does_not_know_is_at_least_as_firm(similarity, wanted):
    told = match_evidence(similarity, CARD, replace(IAL2, target_fmr_with_liveness=wanted), swapped("no_sign"))
    assert told.target_fmr <= wanted
    assert told.threshold == CARD.threshold(told.target_fmr)
    assert told.matched == (similarity >= told.threshold)


def test_a_decision_warns_where_the_card_has_no_threshold_for_a_firmer_match():
    few = {kind: replace(own, thresholds={1e-4: 0.5}) for kind, own in CARD.kinds.items()}

    def warnings(card, **asked) -> tuple[str, ...]:
        return assemble(found(**asked), IAL2, models=(), card=card, timing_ms={}).warnings

    (said,) = warnings(replace(CARD, kinds=few))
    assert "asks for FMR 1e-05" in said
    assert "0.0001 is asked" in said
    assert warnings(CARD) == warnings(replace(CARD, kinds=few), task=Task.MATCH) == ()


def test_a_card_that_knows_no_rate_as_low_asks_for_the_lowest_that_it_knows():
    few = {kind: replace(own, thresholds={1e-3: 0.4, 1e-4: 0.5}) for kind, own in CARD.kinds.items()}
    card = replace(CARD, kinds=few)
    assert match_evidence(0.52, card, IAL2, swapped("no_sign")).matched
    policy = replace(IAL2, target_fmr=1e-3, target_fmr_with_liveness=1e-5)
    asked = match_evidence(0.45, card, policy, swapped("no_sign"))
    assert (asked.target_fmr, asked.threshold, asked.matched) == (1e-4, 0.5, False)

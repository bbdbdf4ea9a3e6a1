"""Numbers in words, and the findings of a decision as short rows of text.

Goal: the terminal and the HTML page say the same thing. A :class:`Finding` is one row; numbers are explained
("1 in 25,000 strangers would score at least this") and never rounded up to certainty.

Public items: :class:`Tone`, :class:`Finding`, :func:`findings`, :func:`mechanism_finding`,
:func:`challenge_findings`, :func:`challenge_warnings`, :func:`headline`,
:func:`warnings`, :func:`name_words`, :func:`class_words`, :func:`probability_words`, :func:`rate_words`,
:func:`llr_words`, :func:`tone_of`, :func:`is_unsafe`, :data:`NOT_DECIDED`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from idverify.challenge.proof import StepStatus
from idverify.challenge.verification import ChallengeOutcome, ChallengeResult
from idverify.challenge.verify_light import LightResult
from idverify.challenge.verify_motion import StepResult
from idverify.comparison.calibration import AT_LARGE
from idverify.pad.evidence import PADEvidence, Status
from idverify.reasons import Reason
from idverify.text import foreign
from idverify.verification.binding import CaptureBinding
from idverify.verification.decision import Decision, LivenessEvidence, MatchEvidence, Outcome, Task
from idverify.verification.fusion import AttackClass, ClassVerdict

__all__ = [
    "NOT_DECIDED",
    "Finding",
    "Tone",
    "challenge_findings",
    "challenge_warnings",
    "findings",
    "headline",
    "is_unsafe",
    "llr_words",
    "mechanism_finding",
    "name_words",
    "needed_words",
    "probability_words",
    "rate_words",
    "reached_words",
    "tone_of",
    "warnings",
]

#: What no outcome of this package means; shown in the report and in the README.
NOT_DECIDED = (
    "Whether the reference photo is genuine, or whose photo it is: that is the work of a document check.",
    "Where a file came from: a video file cannot prove that it left a camera unaltered.",
    "Whether a person acts freely, and whether somebody is entitled to anything.",
    "Identical twins, brothers, sisters, children and other close look-alikes, 3-D silicone masks, and high-end "
    "deepfakes injected as files are not reliably found.",
)

# Half a nat either way is a factor of 1.6: too little to call a direction.
_LITTLE_LLR = 0.5


class Tone(str, Enum):
    """What a finding speaks for; decides its colour."""

    FOR = "for"
    AGAINST = "against"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One row of a report: what was looked at, and what was found."""

    label: str
    text: str
    tone: Tone = Tone.NEUTRAL


def probability_words(probability: float) -> str:
    """Write a probability as a percentage that never claims certainty.

    Examples
    --------
    >>> probability_words(0.873), probability_words(0.99999), probability_words(0.0)
    ('87.3 %', 'over 99.9 %', 'under 0.1 %')
    """
    if probability > 0.999:
        return "over 99.9 %"
    if probability < 0.001:
        return "under 0.1 %"
    # Rounded towards doubt, not towards certainty.
    return f"{math.floor(probability * 1000) / 10:.1f} %"


def rate_words(rate: float) -> str:
    """Write a rate in [0, 1] as a count of people.

    Examples
    --------
    >>> rate_words(1e-4), rate_words(0.31), rate_words(0.0)
    ('1 in 10,000', '31 in 100', 'fewer than 1 in a million')
    """
    if rate >= 0.1:
        return f"{round(rate * 100)} in 100"
    if rate < 1e-6:
        return "fewer than 1 in a million"
    return f"1 in {_two_digits(1 / rate):,}"


def llr_words(llr: float, positive: str, negative: str) -> str:
    """Write a natural-log likelihood ratio as "so many times likelier".

    Examples
    --------
    >>> llr_words(4.0, "a live person", "an attack")
    '54 times likelier from a live person than from an attack'
    """
    if abs(llr) < _LITTLE_LLR:
        return "says little either way"
    likelier, other = (positive, negative) if llr > 0 else (negative, positive)
    size = abs(llr)
    times = "over a million" if size > math.log(1e6) else _factor(math.exp(size))
    return f"{times} times likelier from {likelier} than from {other}"


def reached_words(match: MatchEvidence) -> str:
    """How many strangers would score as much: the least favoured that were measured, and at large."""
    words = f"{rate_words(match.fmr_at_score)} {match.stated_for} would score at least this"
    if match.average_fmr_at_score < match.fmr_at_score:
        words += f", {rate_words(match.average_fmr_at_score)} at large"
    return words


def needed_words(match: MatchEvidence) -> str:
    """How many strangers the policy lets pass: its target, and what the least favoured have, where it was measured."""
    words = f"the policy lets {rate_words(match.target_fmr)} strangers at large pass"
    if match.fmr_at_threshold > match.target_fmr and match.stated_for != AT_LARGE:
        words += f", and up to {rate_words(match.fmr_at_threshold)} of the least favoured"
    return f"{words}; its thresholds are those for a {match.reference_kind}"


def name_words(name: str) -> str:
    """Write a component's or mechanism's name as words.

    Examples
    --------
    >>> name_words("UnderExposurePrevention"), name_words("reference_reuse")
    ('under exposure prevention', 'reference reuse')
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower()


def headline(decision: Decision) -> str:
    """One line: the outcome, and the confidence where there is one."""
    word = decision.outcome.value.upper()
    if decision.confidence is None:
        return f"{word}  (no confidence: evidence is missing)"
    what = {
        Task.CHECK: "a live person who is the person in the photo",
        Task.LIVENESS: "a live person",
        Task.MATCH: "the person in the photo",
    }[decision.task]
    return f"{word}  ({probability_words(decision.confidence)} confident that this is {what})"


def is_unsafe(decision: Decision) -> bool:
    """Whether the policy gave up a protection; such a policy says so in its name."""
    return decision.policy.name.startswith("unsafe")


def warnings(decision: Decision) -> tuple[str, ...]:
    """Everything a reader must know before using the outcome, loudest first."""
    loud: list[str] = []
    if is_unsafe(decision):
        loud.append(
            f"UNSAFE POLICY {foreign(decision.policy.name)}: anybody who holds a photo or video of the person can be "
            "accepted. Do not let anybody in on this outcome."
        )
    if decision.task is Task.MATCH:
        loud.append("NO LIVENESS WAS CHECKED: a photo, a screen or a mask matches as well as the person does.")
    if decision.task is Task.LIVENESS:
        loud.append("No reference photo was compared: this outcome does not say who the person is.")
    if decision.challenge is not None:
        loud += challenge_warnings(decision.challenge)
    return tuple(dict.fromkeys([*loud, *decision.warnings]))


def challenge_warnings(result: ChallengeResult) -> tuple[str, ...]:
    """What was not looked at of a challenge, and what makes it worth less."""
    loud = []
    if result.seeded:
        loud.append("PREDICTABLE CHALLENGE: it was made from a seed, for tests only. Anybody can prepare for it.")
    asked = result.admission
    if result.binding == "challenge" and asked.refusal is None:
        if not asked.nonce_checked:
            loud.append("UNSAFE: no record of used challenges was asked, so this one can be answered again.")
        if not asked.subject_checked:
            loud.append("The challenge was not compared with the attempt that it was issued for.")
        if not asked.arrival_stated:
            loud.append(
                "When the recording arrived was not stated: whether it can have been made after its challenge was "
                "issued was checked against the time of this verification only."
            )
    return tuple(loud)


def findings(decision: Decision, *, brief: bool = False) -> tuple[Finding, ...]:
    """The rows that carried the decision, in the order of the steps.

    Parameters
    ----------
    decision
    brief
        Gather mechanisms and signals that speak neither for nor against in two rows at the end, by name.
    """
    rows: list[Finding] = []
    if decision.match is not None:
        rows.append(_match_finding(decision.match, refused=Reason.NO_MATCH in decision.reasons))
    elif decision.task is not Task.LIVENESS:
        rows.append(Finding(label="match", text="not assessed"))
    rows.append(_liveness_finding(decision) if decision.liveness else Finding(label="liveness", text="not checked"))
    rows += [_classes_finding(decision.liveness)] if decision.liveness and decision.liveness.classes else []
    challenge = () if decision.challenge is None else challenge_findings(decision.challenge)
    mechanisms = decision.liveness.mechanisms if decision.liveness else ()
    if not brief:
        rows += [*map(mechanism_finding, mechanisms), *challenge]
        rows += map(mechanism_finding, decision.injection_signals)
        return (*rows, *_capture_finding(decision), _recording_finding(decision))
    asked = (*mechanisms, *decision.injection_signals)
    found = [(evidence, mechanism_finding(evidence)) for evidence in asked]
    rows += [row for _, row in found if row.tone is not Tone.NEUTRAL]
    quiet = [evidence for evidence, row in found if row.tone is Tone.NEUTRAL]
    return (*rows, *challenge, *_quiet_findings(quiet), *_capture_finding(decision), _recording_finding(decision))


# What each binding means, for a reader who knows nothing of it.
_CAPTURE_WORDS = {
    CaptureBinding.FILE: "a file that is not bound to a capture: nothing shows that it was recorded for this attempt",
    CaptureBinding.CHALLENGE: "bound by a challenge: recorded after this attempt asked for these movements",
    CaptureBinding.SESSION: "bound by a session: recorded while a server revealed each step and kept the time",
}


def _capture_finding(decision: Decision) -> tuple[Finding, ...]:
    """How the recording was bound; a comparison alone says nothing of it, and a photo is no recording."""
    if decision.task is Task.MATCH:
        return ()
    tone = Tone.NEUTRAL if decision.capture is CaptureBinding.FILE else Tone.FOR
    return (Finding(label="capture", text=_CAPTURE_WORDS[decision.capture], tone=tone),)


def _quiet_findings(evidence: Sequence[PADEvidence]) -> Iterator[Finding]:
    """Those that could not judge, each with why; and the names of those that found nothing either way."""
    silent = [e for e in evidence if e.status is Status.NOT_ASSESSED]
    why: dict[str, list[str]] = {}
    for e in silent:
        why.setdefault(e.reason.sentence if e.reason else "", []).append(name_words(e.name))
    if why:
        text = " ".join(f"{', '.join(names)}: {sentence or 'no reason was given.'}" for sentence, names in why.items())
        yield Finding(label="could not judge", text=text)
    if even := [name_words(e.name) for e in evidence if e.status is Status.ASSESSED]:
        yield Finding(label="say little", text=", ".join(even))


def mechanism_finding(evidence: PADEvidence) -> Finding:
    """What one liveness mechanism or injection signal found."""
    label = name_words(evidence.name)
    detail = evidence.detail.strip()
    if evidence.status is not Status.ASSESSED or evidence.bona_fide_llr is None:
        why = evidence.reason.sentence if evidence.reason else ""
        text = f"{evidence.status.value.replace('_', ' ')}: {' '.join(filter(None, [why, detail]))}"
        return Finding(label=label, text=text.rstrip(": "))
    if evidence.decisive and evidence.reason is not None:
        return Finding(label=label, text=f"decisive: {evidence.reason.sentence} {detail}".strip(), tone=Tone.AGAINST)
    words = llr_words(evidence.bona_fide_llr, "a live person", "an attack")
    return Finding(label=label, text=f"{words}. {detail}".strip(), tone=_tone(evidence.bona_fide_llr))


def challenge_findings(result: ChallengeResult) -> tuple[Finding, ...]:
    """What became of the challenge, as a whole and step by step."""
    said = " ".join(reason.sentence for reason in result.reasons)
    text = f"{name_words(result.outcome.value)}: {said}"
    if result.followed:
        text += f" A recording made before fits by luck {rate_words(result.guess_probability)} times at most"
        many = result.admission.issued
        text += f", with {many} challenges issued to this subject within a day." if many > 1 else "."
    whole = Finding(label="challenge", text=text, tone=_CHALLENGE_TONES.get(result.outcome, Tone.NEUTRAL))
    light = () if result.light is None else (_light_finding(result.light),)
    return (whole, *(_step_finding(step) for step in result.steps), *light)


_CHALLENGE_TONES = {
    ChallengeOutcome.FOLLOWED: Tone.FOR,
    ChallengeOutcome.NOT_FOLLOWED: Tone.AGAINST,
    ChallengeOutcome.REFUSED: Tone.AGAINST,
}
_STEP_TONES = {StepStatus.DONE: Tone.FOR, StepStatus.MISSED: Tone.AGAINST, StepStatus.WRONG_ORDER: Tone.AGAINST,
               StepStatus.FLAT: Tone.AGAINST}  # fmt: skip


def _step_finding(step: StepResult) -> Finding:
    text = f"{name_words(step.status.value)}, asked for from {step.start_s:.1f} to {step.end_s:.1f} s"
    if step.seen is not None:
        text += f"; seen: {name_words(step.seen.action.value)} at {step.seen.onset_s:.1f} s"
    if step.reason is not None:
        text += f". {step.reason.sentence}"
    tone = _STEP_TONES.get(step.status, Tone.NEUTRAL)
    return Finding(label=name_words(step.action.value), text=text, tone=tone)


def _light_finding(light: LightResult) -> Finding:
    text = name_words(light.status.value)
    if math.isfinite(light.explained):
        text += f": the colours shown explain {probability_words(light.explained)} of the skin's changes of colour"
    if light.reason is not None:
        text += f". {light.reason.sentence}"
    return Finding(label="colours", text=text, tone=_STEP_TONES.get(light.status, Tone.NEUTRAL))


def _match_finding(match: MatchEvidence, *, refused: bool) -> Finding:
    verdict = "matches" if match.matched else "does not match" if refused else "too weak to be a match"
    text = (
        f"{verdict}: similarity {match.similarity:.3f}, needed {match.threshold:.3f}. "
        f"{_sentence_case(reached_words(match))}. {_sentence_case(needed_words(match))}."
    )
    tone = Tone.FOR if match.matched else Tone.AGAINST if refused else Tone.NEUTRAL
    return Finding(label="match", text=text, tone=tone)


def _liveness_finding(decision: Decision) -> Finding:
    liveness = decision.liveness
    if liveness is None or liveness.llr is None:
        return Finding(label="liveness", text="not assessed")
    words = llr_words(liveness.llr, "a live person", "an attack")
    odds = "" if liveness.probability is None else f" Probability {probability_words(liveness.probability)}."
    return Finding(label="liveness", text=f"all evidence together: {words}.{odds}", tone=_tone(liveness.llr))


def _classes_finding(liveness: LivenessEvidence) -> Finding:
    """What the outcome covers, in one row: which ways to attack were tested and ruled out, and which were not."""
    parts = {name_words(v.value): [c for c in liveness.classes if c.verdict is v] for v in ClassVerdict}
    text = "; ".join(
        f"{what}: {', '.join(class_words(c.attack_class) for c in own)}" for what, own in parts.items() if own
    )
    return Finding(label="ways to attack", text=f"{text}.")


def class_words(attack_class: AttackClass) -> str:
    """A way to attack in a few words."""
    return _CLASS_WORDS[attack_class]


_CLASS_WORDS = {
    AttackClass.STILL: "a still picture",
    AttackClass.ANIMATED: "an animated picture",
    AttackClass.REPLAYED: "a replay on a screen",
    AttackClass.SWAPPED: "a face laid over another",
    AttackClass.RENDERED: "a generated face",
}


def _recording_finding(decision: Decision) -> Finding:
    frames = decision.frames
    if decision.task is Task.MATCH and frames.decoded == 0:
        return Finding(label="probe", text="a photo, not a recording")
    text = f"{frames.decoded} frames read, {frames.analysed} analysed, {frames.compared} compared."
    if frames.times_s:
        text += f" Compared frames span {frames.times_s[0]:.1f} to {frames.times_s[-1]:.1f} s."
    if frames.seed is not None:
        text += f" They were drawn with the seed {frames.seed}."
    if decision.bystanders:
        text += f" Bystanders in the picture: {decision.bystanders}."
    return Finding(label="recording", text=text)


def tone_of(outcome: Outcome) -> Tone:
    """The colour of an outcome."""
    return {Outcome.ACCEPT: Tone.FOR, Outcome.REJECT: Tone.AGAINST}.get(outcome, Tone.NEUTRAL)


def _tone(llr: float) -> Tone:
    if abs(llr) < _LITTLE_LLR:
        return Tone.NEUTRAL
    return Tone.FOR if llr > 0 else Tone.AGAINST


def _factor(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{_two_digits(value):,}"


def _two_digits(value: float) -> int:
    """Round down to two significant digits: a claim is never rounded up."""
    step = 10 ** max(0, math.floor(math.log10(value) + 1e-9) - 1)
    return int(math.floor(value / step + 1e-9) * step)


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]

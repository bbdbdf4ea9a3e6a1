"""From trials to the tables of the liveness benchmark: pure functions, Markdown out.

A trial is decided anew by :func:`idverify.decision.decide`, so one set of rows serves any policy, and a cue is left out by fusing
without it. *Non-response* is the outcome inconclusive. APCER and BPCER are of the responses (ISO/IEC 30107-3:2023); since abstaining
makes them larger, the share of all presentations that was accepted stands beside them.

The score of a trial is its fused LLR; minus infinity where an attack is proven, none (NaN) where the recording cannot be judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from pad_rows import Trial

from idverify.decision import Findings, LivenessEvidence, Outcome, Task, decide
from idverify.fusion import fuse_liveness
from idverify.metrics import BPCER_TARGETS, Proportion, apcer, bpcer, threshold_at_apcer, worst
from idverify.pad.evidence import PADEvidence
from idverify.policy import DecisionPolicy
from idverify.reasons import Reason

__all__ = ["auc", "decided", "full_report", "score", "species_rates"]

# Any of these says rightly what is wrong with a degraded clip.
RIGHT_CODES = {
    "dark": {Reason.TOO_DARK},
    "backlit": {Reason.BACKLIT, Reason.TOO_DARK, Reason.UNEVEN_LIGHT},
    "blur": {Reason.BLURRY},
    "low_bitrate": {Reason.HEAVILY_COMPRESSED, Reason.BLURRY},
    "small_face": {Reason.FACE_TOO_FAR, Reason.LOW_RESOLUTION},
    "tilt": {Reason.MISALIGNED_FACE},
    "low_frame_rate": {Reason.LOW_FRAME_RATE},
    "occlusion": {Reason.FACE_COVERED, Reason.EYES_NOT_VISIBLE},
}
# The authors' own class border of MiniFASNet.
PEER_ACCEPTS_FROM = 0.5

Verdict = tuple[Outcome, tuple[Reason, ...]]


# -- one trial -------------------------------------------------------------------------------------


def decided(trial: Trial, policy: DecisionPolicy, *, without: str | None = None, source_photo: bool = False) -> Verdict:
    """Outcome and reasons under a policy, if wanted as if one cue had said nothing, or with the source photo as reference."""
    mechanisms = trial.mechanisms
    if source_photo and trial.source_photo is not None:
        asked = trial.source_photo
        mechanisms = tuple(asked if e.name == asked.name else e for e in mechanisms)
    liveness = None
    if mechanisms:
        llr = fuse_liveness([e for e in mechanisms if e.name != without])
        silenced = tuple(_silenced(e) if e.name == without else e for e in mechanisms)
        liveness = LivenessEvidence(llr=llr, probability=None, mechanisms=silenced)
    proven = tuple(e.reason or Reason.TAMPERED_RECORDING for e in trial.injection if e.decisive and e.name != without)
    findings = Findings(
        task=Task.LIVENESS, match=None, liveness=liveness, obstacles=trial.obstacles, warranted=proven
    )
    return decide(findings, policy)


def _silenced(evidence: PADEvidence) -> PADEvidence:
    """It was asked, as the policy may require, but speaks neither for nor against."""
    return evidence if evidence.bona_fide_llr is None else replace(evidence, bona_fide_llr=0.0, decisive=False)


def score(trial: Trial, policy: DecisionPolicy) -> float:
    """Grows with the evidence of a bona fide presentation; NaN is a non-response."""
    evidence = (*trial.mechanisms, *trial.injection)
    if any(e.decisive and e.bona_fide_llr is not None and e.bona_fide_llr < 0 for e in evidence):
        return -np.inf
    outcome, reasons = decided(trial, policy)
    llr = fuse_liveness(trial.mechanisms)
    unjudged = outcome is Outcome.INCONCLUSIVE and set(reasons) != {Reason.LIVENESS_UNCERTAIN}
    return float("nan") if llr is None or unjudged else llr


# -- rates -----------------------------------------------------------------------------------------


def species_rates(trials: Sequence[Trial], verdict: Callable[[Trial], Verdict]) -> dict[str, Counter[Outcome]]:
    """Outcomes by species, in order of appearance."""
    counts: dict[str, Counter[Outcome]] = {}
    for trial in trials:
        counts.setdefault(trial.clip.species, Counter())[verdict(trial)[0]] += 1
    return counts


def accepted_of_responses(count: Counter[Outcome]) -> Proportion:
    return Proportion(errors=count[Outcome.ACCEPT], trials=count[Outcome.ACCEPT] + count[Outcome.REJECT])


def share(count: Counter[Outcome], outcome: Outcome) -> Proportion:
    return Proportion(errors=count[outcome], trials=count.total())


def auc(bona_fide: Iterable[float], attack: Iterable[float]) -> float | None:
    """Chance that a bona fide score lies above an attack's, ties half; None without both."""
    b, a = np.asarray(list(bona_fide), float)[:, None], np.asarray(list(attack), float)[None]
    return float(((b > a) + 0.5 * (b == a)).mean()) if b.size and a.size else None


# -- tables ----------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"


def interval(rate: Proportion) -> str:
    """The rate with counts and, where something was measured, its 95 % Wilson interval."""
    if not rate.trials:
        return "no response"
    bounds = rate.wilson()
    return f"{rate}, {100 * bounds.low:.0f} to {100 * bounds.high:.0f} %" if rate.errors else str(rate)


def attacks_table(trials: Sequence[Trial], policy: DecisionPolicy) -> str:
    counts = species_rates(trials, lambda t: decided(t, policy))
    with_photo = species_rates(
        [t for t in trials if t.source_photo is not None], lambda t: decided(t, policy, source_photo=True)
    )
    rows = []
    for name, count in sorted(counts.items(), key=lambda item: -(accepted_of_responses(item[1]).value or 0)):
        photo = with_photo.get(name)
        rows.append(
            (
                name,
                count.total(),
                *(count[o] for o in Outcome),
                interval(accepted_of_responses(count)),
                interval(share(count, Outcome.INCONCLUSIVE)),
                f"{photo[Outcome.ACCEPT]} of {photo.total()}" if photo else "",
            )
        )
    head = ("species", "n", "accepted", "rejected", "inconclusive", "APCER", "APNRR", "accepted, source photo is reference")
    measured = {name: rate for name, count in counts.items() if (rate := accepted_of_responses(count)).trials}
    headline = "\nNo species had a response.\n"
    if measured:
        name, rate = worst(measured)
        headline = f"\nWorst species: **{name}**, APCER {interval(rate)}.\n"
    return table(head, rows) + headline


def bona_fide_table(trials: Sequence[Trial], policy: DecisionPolicy) -> str:
    verdicts = [(t, *decided(t, policy)) for t in trials]
    count = Counter(outcome for _, outcome, _ in verdicts)
    rejected = Proportion(errors=count[Outcome.REJECT], trials=count[Outcome.ACCEPT] + count[Outcome.REJECT])
    lines = [
        f"{count.total()} clips: {count[Outcome.ACCEPT]} accepted, {count[Outcome.REJECT]} rejected, "
        f"{count[Outcome.INCONCLUSIVE]} inconclusive. BPCER {interval(rejected)}; "
        f"BPNRR {interval(share(count, Outcome.INCONCLUSIVE))}.\n"
    ]
    rows = [(t.clip.clip, o.value, codes(t, r)) for t, o, r in verdicts if o is not Outcome.ACCEPT]
    return "\n".join([*lines, table(("not accepted", "outcome", "reasons"), rows)]) if rows else lines[0]


def codes(trial: Trial, reasons: Iterable[Reason]) -> str:
    return trial.failure or ", ".join(r.value for r in reasons)


def apart_table(trials: Sequence[Trial], policy: DecisionPolicy) -> str:
    rows = [(t.clip.clip, t.clip.species, o.value, codes(t, r)) for t in trials for o, r in [decided(t, policy)]]
    return table(("clip", "what", "outcome", "reasons"), rows)


def degraded_table(trials: Sequence[Trial], policy: DecisionPolicy) -> str:
    rows = []
    right_of_all = [0, 0]
    for name in dict.fromkeys(t.clip.species for t in trials):
        verdicts = [decided(t, policy) for t in trials if t.clip.species == name]
        count = Counter(outcome for outcome, _ in verdicts)
        right = sum(o is Outcome.INCONCLUSIVE and bool(RIGHT_CODES.get(name, set()) & set(r)) for o, r in verdicts)
        seen = Counter(r.value for o, reasons in verdicts if o is not Outcome.ACCEPT for r in reasons)
        rows.append((name, count.total(), *(count[o] for o in Outcome), right, ", ".join(f"{k} {n}" for k, n in seen.items())))
        right_of_all[0] += right
        right_of_all[1] += count.total() - count[Outcome.ACCEPT]
    head = ("degradation", "n", "accepted", "rejected", "inconclusive", "with the right code", "codes")
    total = interval(Proportion(errors=right_of_all[0], trials=right_of_all[1]))
    return table(head, rows) + f"\nInconclusive with the right code, of those not accepted: {total}.\n"


def operating_points(bona_fide: Sequence[Trial], attacks: Sequence[Trial], policy: DecisionPolicy) -> str:
    """Thresholds from the dev half of the sources, errors on the eval half."""
    split = lambda trials, half: [t for t in trials if t.clip.half == half]  # noqa: E731
    parts = {half: (split(bona_fide, half), split(attacks, half)) for half in ("dev", "eval")}
    scores = {half: tuple(np.array([score(t, policy) for t in part]) for part in both) for half, both in parts.items()}
    if any(not np.isfinite(s).any() for both in scores.values() for s in both):
        return "Too few responses in one of the halves.\n"
    species = {half: [t.clip.species for t in both[1]] for half, both in parts.items()}
    rows = []
    for target in BPCER_TARGETS:
        threshold = threshold_at_apcer(scores["dev"][1], species["dev"], target)
        observed = apcer(scores["eval"][1], species["eval"], threshold)
        name, rate = worst(observed)
        overall = Proportion(errors=sum(p.errors for p in observed.values()), trials=sum(p.trials for p in observed.values()))
        rows.append(
            (
                f"{100 * target:g} %",
                f"{threshold:.2f}",
                interval(bpcer(scores["eval"][0], threshold)),
                f"{name}: {interval(rate)}",
                interval(overall),
            )
        )
    sizes = ", ".join(f"{half}: {len(b)} bona fide and {len(a)} attacks" for half, (b, a) in parts.items())
    head = ("APCER asked of every species on dev", "threshold (LLR)", "BPCER on eval", "worst APCER on eval", "all attacks on eval")
    return f"{sizes}.\n\n" + table(head, rows)


def mechanisms_table(bona_fide: Sequence[Trial], groups: dict[str, Sequence[Trial]]) -> str:
    """How well each LLR alone tells bona fide clips from attacks, and how often it abstains."""
    values = lambda trials, name: [  # noqa: E731
        e.bona_fide_llr for t in trials for e in (*t.mechanisms, *t.injection) if e.name == name and e.bona_fide_llr is not None
    ]
    everything = [*bona_fide, *(t for g in groups.values() for t in g)]
    names = dict.fromkeys(e.name for t in everything for e in (*t.mechanisms, *t.injection))
    rows = []
    for name in names:
        own = values(bona_fide, name)
        cells: list[object] = [name, f"{len(own)} of {len(bona_fide)}"]
        for group in groups.values():
            theirs = values(group, name)
            area = auc(own, theirs)
            cells += [f"{len(theirs)} of {len(group)}", "" if area is None else f"{area:.2f}"]
        rows.append(cells)
    head = ["mechanism", "judged bona fide"] + [cell for name in groups for cell in (f"judged {name}", f"AUC {name}")]
    return table(head, rows)


def leaving_out_table(bona_fide: Sequence[Trial], attacks: Sequence[Trial], policy: DecisionPolicy) -> str:
    """What the decisions would be if one cue had said nothing; cues whose silence changes nothing are named below."""
    names = dict.fromkeys(e.name for t in (*bona_fide, *attacks) for e in (*t.mechanisms, *t.injection))
    counts = {
        name: tuple(Counter(decided(t, policy, without=name)[0] for t in group) for group in (bona_fide, attacks))
        for name in (None, *names)
    }
    rows = [(name or "(nothing)", *_four(both)) for name, both in counts.items() if name is None or both != counts[None]]
    idle = [name for name, both in counts.items() if name is not None and both == counts[None]]
    head = ("left out", "bona fide accepted", "bona fide rejected", "attacks accepted", "attacks rejected")
    return table(head, rows) + (f"\nNo outcome count changes without: {', '.join(idle)}.\n" if idle else "")


def _four(both: tuple[Counter[Outcome], ...]) -> tuple[int, ...]:
    return tuple(count[outcome] for count in both for outcome in (Outcome.ACCEPT, Outcome.REJECT))


def peers_table(groups: dict[str, Sequence[Trial]], policy: DecisionPolicy, peer: str) -> str:
    """Accepted by this system and by a peer, on the same clips; the peer has two outcomes only."""
    rows = []
    for name, trials in groups.items():
        both = [t for t in trials if peer in t.peers]
        ours = Counter(decided(t, policy)[0] for t in both)
        theirs = sum(t.peers[peer] >= PEER_ACCEPTS_FROM for t in both)
        if both:
            rows.append((name, len(both), ours[Outcome.ACCEPT], ours[Outcome.REJECT], theirs, len(both) - theirs))
    return table(("clips", "n", "accepted", "rejected", f"accepted by {peer}", f"rejected by {peer}"), rows)


def full_report(trials: Sequence[Trial], policy: DecisionPolicy) -> str:
    """All tables, for one policy."""
    of = {name: [t for t in trials if t.clip.material == name] for name in ("bona_fide", "captured", "simulated", "degraded", "apart")}
    # The species bona_fide with nothing done to it is not an attack; the one photo is what reference reuse is for.
    attacks = [*of["captured"], *of["simulated"]]
    differ = sum(bool(t.outcome) and not t.failure and decided(t, policy)[0].value != t.outcome for t in trials)
    failed = [t.clip.clip for t in trials if t.failure]
    parts = [
        f"Policy `{policy.name}`: accepted from an LLR of {policy.accept_liveness_llr:g}, rejected below "
        f"{policy.reject_liveness_llr:g}. {len(trials)} clips; {len(failed)} could not be read or made"
        f"{': ' + ', '.join(failed) if failed else ''}; {differ} are decided otherwise than in the run.\n",
        "### Bona fide clips\n\n" + bona_fide_table(of["bona_fide"], policy),
        "### Captured attacks\n\n" + attacks_table(of["captured"], policy),
        "### Simulated attacks\n\n" + attacks_table(of["simulated"], policy),
        "### Apart: digital manipulation, several people\n\n" + apart_table(of["apart"], policy),
        "### Degraded bona fide clips\n\n" + degraded_table(of["degraded"], policy),
        "### Thresholds from one half of the sources, errors on the other\n\n"
        + operating_points(of["bona_fide"], attacks, policy),
        "### Each mechanism alone\n\n"
        + mechanisms_table(of["bona_fide"], {name: of[name] for name in ("captured", "simulated")}),
        "### Each cue left out\n\n" + leaving_out_table(of["bona_fide"], attacks, policy),
    ]
    for peer in dict.fromkeys(name for t in trials for name in t.peers):
        species = {f"simulated {n}": [t for t in of["simulated"] if t.clip.species == n] for n in dict.fromkeys(t.clip.species for t in of["simulated"])}
        groups = {"bona fide": of["bona_fide"], "degraded bona fide": of["degraded"], "captured attacks": of["captured"], **species}
        parts.append(f"### Beside {peer} alone, on the same clips\n\n" + peers_table(groups, policy, peer))
    return "\n".join(parts)

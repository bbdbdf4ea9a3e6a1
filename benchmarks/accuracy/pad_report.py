"""The tables of the liveness benchmark: trials and a policy in, Markdown out.

APCER and BPCER are of the responses, non-response rates stand beside them (ISO/IEC 30107-3:2023): a system that
abstains does not lower its error rates by it. Zero errors of n print as the bound 3/n.

Public items: :func:`full_report` and the tables it consists of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from pad_rows import Trial
from pad_verdicts import accepted_of_responses, auc, decided, outcomes_by_species, score, share

from idverify.metrics import BPCER_TARGETS, Proportion, apcer, bpcer, threshold_at_apcer, worst
from idverify.reasons import Reason
from idverify.simulation import SPECIES
from idverify.verification.decision import Outcome
from idverify.verification.policy import DecisionPolicy

__all__ = ["full_report", "operating_points", "peers_table"]

# Any of these says rightly what is wrong with a degraded clip.
RIGHT_CODES = {
    "dark": {Reason.TOO_DARK},
    "backlit": {Reason.BACKLIT, Reason.TOO_DARK, Reason.UNEVEN_LIGHT},
    "blur": {Reason.BLURRY},
    "low_bitrate": {Reason.HEAVILY_COMPRESSED, Reason.BLURRY},
    "small_face": {Reason.FACE_TOO_FAR, Reason.LOW_RESOLUTION},
    "tilt": {Reason.MISALIGNED_FACE},
    "low_frame_rate": {Reason.LOW_FRAME_RATE},
    "stall": {Reason.RECORDING_STALLED},
    "occlusion": {Reason.FACE_COVERED, Reason.EYES_NOT_VISIBLE, Reason.MOUTH_COVERED},
}
# The authors' own class border of MiniFASNet.
PEER_ACCEPTS_FROM = 0.5


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
    counts = outcomes_by_species(trials, lambda t: decided(t, policy))
    with_photo = outcomes_by_species(
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
    head = ("species", "n", "accepted", "rejected", "inconclusive", "APCER", "APNRR", "accepted with source photo")
    measured = {name: rate for name, count in counts.items() if (rate := accepted_of_responses(count)).trials}
    headline = "\nNo species had a response.\n"
    if measured:
        name, rate = worst(measured)
        headline = f"\nWorst species: **{name}**, APCER {interval(rate)}.\n"
    accepted = Proportion(errors=sum(c[Outcome.ACCEPT] for c in counts.values()), trials=len(trials))
    return table(head, rows) + (f"{headline}All species together, accepted: {interval(accepted)}.\n" if trials else "")


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
        found = ", ".join(f"{code} {n}" for code, n in seen.items())
        rows.append((name, count.total(), *(count[o] for o in Outcome), right, found))
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
        bona_fide_errors = interval(bpcer(scores["eval"][0], threshold))
        rows.append((f"{100 * target:g} %", f"{threshold:.2f}", bona_fide_errors, f"{name}: {interval(rate)}"))
    sizes = ", ".join(f"{half}: {len(b)} bona fide and {len(a)} attacks" for half, (b, a) in parts.items())
    head = ("APCER asked of every species on dev", "threshold (LLR)", "BPCER on eval", "worst APCER on eval")
    return f"{sizes}.\n\n" + table(head, rows)


def mechanisms_table(bona_fide: Sequence[Trial], groups: Mapping[str, Sequence[Trial]]) -> str:
    """How well each LLR alone tells bona fide clips from attacks, and how often it abstains."""
    rows = []
    for name in _names([*bona_fide, *(t for group in groups.values() for t in group)]):
        own = _llrs(bona_fide, name)
        cells: list[object] = [name, f"{len(own)} of {len(bona_fide)}"]
        for group in groups.values():
            theirs = _llrs(group, name)
            area = auc(own, theirs)
            cells += [f"{len(theirs)} of {len(group)}", "" if area is None else f"{area:.2f}"]
        rows.append(cells)
    head = ["mechanism", "judged bona fide"] + [cell for name in groups for cell in (f"judged {name}", f"AUC {name}")]
    return table(head, rows)


def _names(trials: Iterable[Trial]) -> dict[str, None]:
    """Mechanisms and signals, in order of appearance."""
    return dict.fromkeys(e.name for t in trials for e in (*t.mechanisms, *t.injection))


def _llrs(trials: Iterable[Trial], name: str) -> list[float]:
    evidence = (e for t in trials for e in (*t.mechanisms, *t.injection) if e.name == name)
    return [e.bona_fide_llr for e in evidence if e.bona_fide_llr is not None]


def leaving_out_table(bona_fide: Sequence[Trial], attacks: Sequence[Trial], policy: DecisionPolicy) -> str:
    """What the decisions would be if one cue had said nothing; cues whose silence changes nothing are named below."""

    def counts(name: str | None) -> tuple[int, ...]:
        both = (Counter(decided(t, policy, without=name)[0] for t in group) for group in (bona_fide, attacks))
        return tuple(count[outcome] for count in both for outcome in (Outcome.ACCEPT, Outcome.REJECT))

    whole = counts(None)
    each = {name: counts(name) for name in _names([*bona_fide, *attacks])}
    idle = [name for name, numbers in each.items() if numbers == whole]
    rows = [("(nothing)", *whole), *((name, *numbers) for name, numbers in each.items() if numbers != whole)]
    head = ("left out", "bona fide accepted", "bona fide rejected", "attacks accepted", "attacks rejected")
    return table(head, rows) + (f"\nNo outcome count changes without: {', '.join(idle)}.\n" if idle else "")


def peers_table(groups: Mapping[str, Sequence[Trial]], policy: DecisionPolicy, peer: str) -> str:
    """Accepted by this system and by a peer, on the same clips; the peer has two outcomes only."""
    rows = []
    for name, trials in groups.items():
        both = [t for t in trials if peer in t.peers]
        ours = Counter(decided(t, policy)[0] for t in both)
        theirs = sum(t.peers[peer] >= PEER_ACCEPTS_FROM for t in both)
        if both:
            rows.append((name, len(both), ours[Outcome.ACCEPT], ours[Outcome.REJECT], theirs, len(both) - theirs))
    return table(("clips", "n", "accepted", "rejected", f"accepted by {peer}", f"rejected by {peer}"), rows)


def _by_channel(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Shown to a camera, or fed in as a file."""
    groups: dict[str, list[Trial]] = {"presentation": [], "injection": []}
    for trial in trials:
        groups[SPECIES[trial.clip.species].channel].append(trial)
    return groups


def full_report(trials: Sequence[Trial], policy: DecisionPolicy) -> str:
    """All tables, for one policy."""
    materials = ("bona_fide", "captured", "simulated", "degraded", "apart")
    of = {name: [t for t in trials if t.clip.material == name] for name in materials}
    attacks, by_channel = [*of["captured"], *of["simulated"]], _by_channel(of["simulated"])
    differ = sum(bool(t.outcome) and not t.failure and decided(t, policy)[0].value != t.outcome for t in trials)
    failed = [t.clip.clip for t in trials if t.failure]
    parts = [
        f"Policy `{policy.name}`: accepted from an LLR of {policy.accept_liveness_llr:g}, rejected below "
        f"{policy.reject_liveness_llr:g}. {len(trials)} clips; {len(failed)} could not be read or made"
        f"{': ' + ', '.join(failed) if failed else ''}; {differ} are decided otherwise than in the run.\n",
        "### Bona fide clips\n\n" + bona_fide_table(of["bona_fide"], policy),
        "### Captured attacks\n\n" + attacks_table(of["captured"], policy),
        *(
            f"### Simulated attacks: {channel}\n\n" + attacks_table(own, policy)
            for channel, own in by_channel.items()
        ),
        "### Apart: digital manipulation, several people\n\n" + apart_table(of["apart"], policy),
        "### Degraded bona fide clips\n\n" + degraded_table(of["degraded"], policy),
        # What is fed in as a file is no presentation attack (ISO/IEC 30107-3), and changes no camera's threshold.
        "### Thresholds from one half of the sources, errors on the other: presentation attacks\n\n"
        + operating_points(of["bona_fide"], [*of["captured"], *by_channel["presentation"]], policy),
        "### Each mechanism alone\n\n"
        + mechanisms_table(of["bona_fide"], {name: of[name] for name in ("captured", "simulated")}),
        "### Each cue left out\n\n" + leaving_out_table(of["bona_fide"], attacks, policy),
    ]
    for peer in dict.fromkeys(name for t in trials for name in t.peers):
        groups = {"bona fide": of["bona_fide"], "degraded": of["degraded"], "captured attacks": of["captured"]}
        for t in of["simulated"]:
            groups.setdefault(f"simulated {t.clip.species}", []).append(t)
        parts.append(f"### Beside {peer} alone, on the same clips\n\n" + peers_table(groups, policy, peer))
    return "\n".join(parts)

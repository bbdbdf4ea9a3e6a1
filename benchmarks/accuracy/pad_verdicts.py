"""Trials of the liveness benchmark, decided anew: outcomes, scores and rates.

A trial is decided by :func:`idverify.verification.decision.decide`, so one set of rows serves any policy,
and a cue is left out by fusing without it. *Non-response* is the outcome inconclusive. The score of a trial is its
fused LLR; minus infinity where an attack is proven, none (NaN) where the recording cannot be judged.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pad_rows import Trial

from idverify.comparison.calibration import CalibrationCard
from idverify.metrics import Proportion
from idverify.pad._llr import load_scale
from idverify.pad.evidence import PADEvidence
from idverify.reasons import Reason
from idverify.verification.decision import Findings, LivenessEvidence, Outcome, Task, decide, match_evidence
from idverify.verification.fusion import class_evidence, fuse_liveness
from idverify.verification.policy import DecisionPolicy

__all__ = [
    "Verdict",
    "accepted_of_responses",
    "auc",
    "decided",
    "outcomes_by_species",
    "score",
    "share",
    "without_the_person",
]

Verdict = tuple[Outcome, tuple[Reason, ...]]


# -- one trial -------------------------------------------------------------------------------------


def decided(
    trial: Trial,
    policy: DecisionPolicy,
    *,
    without: str | None = None,
    source_photo: bool = False,
    card: CalibrationCard | None = None,
) -> Verdict:
    """Outcome and reasons of liveness alone, or with a card of the whole check against the other photo of the person.

    If wanted, as if one cue had said nothing, or with the source photo as reference.
    """
    mechanisms = trial.mechanisms
    asked = trial.source_photo if source_photo else trial.with_reference if card else None
    if asked is not None:
        mechanisms = tuple(asked if e.name == asked.name else e for e in mechanisms)
    liveness = None
    if mechanisms:
        llr = fuse_liveness([e for e in mechanisms if e.name != without])
        silenced = tuple(_silenced(e) if e.name == without else e for e in mechanisms)
        classes = class_evidence(silenced, policy.attack_classes)
        liveness = LivenessEvidence(llr=llr, probability=None, mechanisms=silenced, classes=classes)
    proven = tuple(e.reason for e in trial.injection if e.decisive and e.reason and e.name != without)
    compared = card is not None and trial.similarity is not None
    findings = Findings(
        task=Task.CHECK if card else Task.LIVENESS,
        match=match_evidence(trial.similarity, card, policy, liveness) if compared else None,
        liveness=liveness,
        obstacles=trial.obstacles,
        handicaps=trial.handicaps,
        warranted=proven,
    )
    return decide(findings, policy)


def _silenced(evidence: PADEvidence) -> PADEvidence:
    """It was asked, as the policy may require, but speaks neither for nor against."""
    return evidence if evidence.bona_fide_llr is None else replace(evidence, bona_fide_llr=0.0, decisive=False)


def without_the_person(trials: Sequence[Trial], left_out: Path) -> list[Trial]:
    """The same trials, with what `skin_change` says where it was trained without their person, or their driver."""
    with left_out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    said = {row["name"].removeprefix(f"{row['kind']}_"): float(row["logit"]) for row in rows}
    scale = load_scale("skin_change")

    def instead(evidence: PADEvidence, native: float) -> PADEvidence:
        if evidence.name != "skin_change" or evidence.bona_fide_llr is None:
            return evidence
        return replace(evidence, native=native, bona_fide_llr=scale(native))

    return [
        replace(trial, mechanisms=tuple(instead(e, said[stem]) for e in trial.mechanisms))
        if (stem := Path(trial.clip.clip).stem) in said
        else trial
        for trial in trials
    ]


def score(trial: Trial, policy: DecisionPolicy) -> float:
    """Grows with the evidence of a bona fide presentation; NaN is a non-response."""
    evidence = (*trial.mechanisms, *trial.injection)
    if any(e.decisive and e.bona_fide_llr is not None and e.bona_fide_llr < 0 for e in evidence):
        return -np.inf
    outcome, reasons = decided(trial, policy)
    llr = fuse_liveness(trial.mechanisms)
    uncertain = not trial.obstacles and set(reasons) - set(trial.handicaps) == {Reason.LIVENESS_UNCERTAIN}
    unjudged = outcome is Outcome.INCONCLUSIVE and not uncertain
    return float("nan") if llr is None or unjudged else llr


# -- rates -----------------------------------------------------------------------------------------


def outcomes_by_species(trials: Sequence[Trial], verdict: Callable[[Trial], Verdict]) -> dict[str, Counter[Outcome]]:
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

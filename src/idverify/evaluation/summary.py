"""From a scores file to figures: every rate with its counts and intervals.

Thresholds come from ``split = dev``, errors from ``split = eval``. The policy's own thresholds were fixed before
either. Where dev has too few trials for a target (rule of three), the threshold is not set and the report says how
many it would take. A video counts once for liveness, however many references it met. EER, ACER and HTER stand under
``literature``.

Public items: :func:`summarise`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify import metrics
from idverify.evaluation.groups import group_figures, unlike_the_card
from idverify.evaluation.results import FAILED
from idverify.evaluation.scores import ScoreTable
from idverify.metrics import Proportion, literature
from idverify.protocols import Split
from idverify.reasons import Reason

__all__ = ["FMR_TARGETS", "summarise"]

# The policies' targets are among them: 1e-3, 1e-4, 1e-5.
FMR_TARGETS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
# An enrolment that failed with one of these leaves a person without a reference.
ENROLMENT_FAILURES = (Reason.REFERENCE_UNUSABLE, Reason.REFERENCE_MULTIPLE_FACES)
Mask = NDArray[np.bool_]
Figures = dict[str, Any]


def summarise(table: ScoreTable, run: Mapping[str, Any]) -> Figures:
    """All figures of a run, as plain JSON values.

    Parameters
    ----------
    table
        The scores file.
    run
        What made the scores: version, policy, models.
    """
    dev, evaluated = table.split(Split.DEV), table.split(Split.EVAL)
    policy = run.get("policy", {})
    return {
        "run": dict(run),
        "trials": _trials(table),
        "failures": _failures(table),
        "transactions": _transactions(evaluated),
        "comparison": _comparison(dev, evaluated),
        "liveness": _liveness(dev, evaluated, policy),
        "confidence": _confidence(evaluated, policy.get("prior")),
        "groups": _groups(evaluated, "group"),
        "between_groups": group_figures(
            evaluated.where(evaluated.bona_fide & ~np.isnan(evaluated.numbers["similarity"])), policy.get("target_fmr")
        ),
        "strangers_of_the_card": unlike_the_card(
            _compared(evaluated, evaluated.non_mated).numbers["similarity"],
            run.get("comparison", {}).get("non_mated_means", {}),
        ),
        "devices": _groups(evaluated, "device"),
        "literature": _literature(dev, evaluated),
    }


# -- rates
# ------------------------------------------------------------------------------------------------------------


def rate(errors: Mask, first: Iterable[str] | None = None, second: Iterable[str] | None = None) -> Figures:
    """A rate with counts, Wilson interval, and the interval by subject where people are named."""
    proportion = Proportion(errors=int(np.count_nonzero(errors)), trials=errors.size)
    figures = counted(proportion)
    interval = _by_subject(errors, first, second)
    if interval is not None:
        figures["by_subject"] = {"low": interval.low, "high": interval.high, "method": interval.method}
    return figures


def counted(proportion: Proportion) -> Figures:
    """A rate with counts and Wilson interval; zero errors are bounded by the rule of three."""
    figures: Figures = {"errors": proportion.errors, "trials": proportion.trials, "rate": proportion.value}
    if proportion.trials:
        interval = proportion.wilson()
        figures |= {"low": interval.low, "high": interval.high, "text": str(proportion)}
    return figures


def _by_subject(errors: Mask, first: Iterable[str] | None, second: Iterable[str] | None) -> metrics.Interval | None:
    people = None if first is None else list(first)
    others = None if second is None else list(second)
    if not people or len({*people, *(others or [])}) < (2 if others is None else 3):
        return None
    if others is None:
        return metrics.bootstrap_by_subject(errors, people)
    return metrics.bootstrap_two_way(errors, people, others)


def _people(table: ScoreTable) -> tuple[list[str], list[str]]:
    """Subject and reference subject of each row; an unnamed one is known by its reference photo."""
    named = np.where(table.texts["reference_subject"] != "", table.texts["reference_subject"], table.texts["reference"])
    return table.texts["subject"].tolist(), named.tolist()


# -- sections
# ---------------------------------------------------------------------------------------------------------


def _trials(table: ScoreTable) -> Figures:
    figures: Figures = {}
    for split in Split:
        part = table.split(split)
        if not len(part):
            continue
        attacks = part.texts["pai_species"][~part.bona_fide]
        figures[split.value] = {
            "trials": len(part),
            "videos": int(np.unique(part.texts["video"]).size),
            "subjects": int(np.unique(part.texts["subject"]).size),
            "mated": int(np.count_nonzero(part.mated & part.bona_fide)),
            "non_mated": int(np.count_nonzero(part.non_mated & part.bona_fide)),
            "bona_fide": int(np.count_nonzero(part.bona_fide)),
            "attacks": {str(s): int(np.count_nonzero(attacks == s)) for s in np.unique(attacks)},
        }
    return figures


def _failures(table: ScoreTable) -> Figures:
    """Why trials had no decision, or an inconclusive one: first reason -> count."""
    failed = table.texts["error"][table.outcome(FAILED)]
    first = [reasons.partition(";")[0] for reasons in table.texts["reasons"][table.outcome("inconclusive")]]
    return {
        "failed": _count(error.partition(":")[0] for error in failed.tolist()),
        "inconclusive": _count(first),
    }


def _count(values: Iterable[str]) -> Figures:
    names, counts = np.unique(list(values) or np.empty(0, np.str_), return_counts=True)
    return {str(name): int(n) for name, n in zip(names, counts, strict=True)}


def _transactions(table: ScoreTable) -> Figures:
    """What the policy did: anything but *accept* refuses a person, anything but *accept* stops an attack.

    Rates are of people whose photo could be enrolled; the generalised ones (GFRR, GFAR) are of everybody.
    """
    everybody, table = table, table.where(~_unenrolled(table))
    mated, strangers = table.where(table.bona_fide & table.mated), table.where(table.bona_fide & table.non_mated)
    all_mated = everybody.where(everybody.bona_fide & everybody.mated)
    all_strangers = everybody.where(everybody.bona_fide & everybody.non_mated)
    attacks = table.where(~table.bona_fide & table.mated)
    alone = table.where(table.bona_fide & (table.texts["mated"] == ""))
    figures: Figures = {
        "frr": rate(~mated.outcome("accept"), mated.texts["subject"]),
        "gfrr": rate(~all_mated.outcome("accept"), all_mated.texts["subject"]),
        "frr_by_outcome": {
            name: int(np.count_nonzero(mated.outcome(name))) for name in ("accept", "reject", "inconclusive", FAILED)
        },
        "far": rate(strangers.outcome("accept"), *_people(strangers)),
        "gfar": rate(all_strangers.outcome("accept"), *_people(all_strangers)),
        "fte": counted(_failures_to_enrol(everybody)),
        "fta": rate(np.isnan(mated.numbers["similarity"]), mated.texts["subject"]),
        "liveness_alone_refused": rate(~alone.outcome("accept"), alone.texts["subject"]),
        "iapar": {},
    }
    if len(attacks):
        iapar = metrics.iapar(attacks.outcome("accept"), attacks.texts["pai_species"].tolist())
        figures["iapar"] = {name: counted(proportion) for name, proportion in iapar.items()}
        figures["iapar_worst"] = metrics.worst(iapar)[0]
        refused = figures["frr"]["rate"]
        if refused is not None:
            figures["riapar"] = metrics.riapar(metrics.worst(iapar)[1].value or 0.0, refused)
    return figures


def _failures_to_enrol(table: ScoreTable) -> Proportion:
    """Reference photos, each counted once, that could not be enrolled."""
    with_reference = table.where(table.texts["reference"] != "")
    photos = np.unique(with_reference.texts["reference"])
    failed = np.unique(with_reference.texts["reference"][_unenrolled(with_reference)])
    return metrics.fte(int(failed.size), int(photos.size))


def _unenrolled(table: ScoreTable) -> Mask:
    """Rows whose reference photo could not be enrolled."""
    codes = np.char.add(np.char.add(";", table.texts["reasons"]), ";")
    unusable = np.zeros(len(table), np.bool_)
    for code in ENROLMENT_FAILURES:
        unusable |= np.char.find(codes, f";{code.value};") >= 0
    return unusable


def _comparison(dev: ScoreTable, evaluated: ScoreTable) -> Figures:
    """The comparison alone: bona fide presentations with a similarity."""
    same, others = _compared(evaluated, evaluated.mated), _compared(evaluated, evaluated.non_mated)
    figures: Figures = {"mated": len(same), "non_mated": len(others), "at_fmr": []}
    dev_others = _compared(dev, dev.non_mated).numbers["similarity"]
    if len(same) and len(others):
        figures["at_fmr"] = [_at_fmr(target, dev_others, same, others) for target in FMR_TARGETS]
        figures |= _calibration(same.numbers["match_llr"], others.numbers["match_llr"])
    figures["fmr_at_policy"] = rate(others.texts["matched"] == "true", *_people(others))
    figures["fnmr_at_policy"] = rate(same.texts["matched"] != "true", same.texts["subject"])
    return figures


def _compared(table: ScoreTable, rows: Mask) -> ScoreTable:
    return table.where(rows & table.bona_fide & ~np.isnan(table.numbers["similarity"]))


def _at_fmr(target: float, dev_others: NDArray[np.float64], same: ScoreTable, others: ScoreTable) -> Figures:
    needed = metrics.trials_for_target(target)
    if dev_others.size < needed:
        return {"target_fmr": target, "threshold": None, "dev_trials": dev_others.size, "dev_trials_needed": needed}
    threshold = metrics.threshold_at_fmr(dev_others, target)
    return {
        "target_fmr": target,
        "threshold": threshold,
        "dev_trials": dev_others.size,
        "dev_trials_needed": needed,
        "fmr": rate(others.numbers["similarity"] >= threshold, *_people(others)),
        "fnmr": rate(same.numbers["similarity"] < threshold, same.texts["subject"]),
    }


def _calibration(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> Figures:
    """Quality of LLRs; probabilities take the share of positives among these trials as their prior."""
    if not positive.size or not negative.size or np.isnan(positive).any() or np.isnan(negative).any():
        return {}
    labels = np.repeat([True, False], [positive.size, negative.size])
    llrs = np.concatenate((positive, negative))
    probability = metrics.probability_from_llr(llrs, float(labels.mean()))
    return {
        "cllr": metrics.cllr(positive, negative),
        "min_cllr": metrics.min_cllr(positive, negative),
        "brier": metrics.brier(probability, labels),
        "ece": metrics.ece(probability, labels),
        "prior": float(labels.mean()),
    }


def videos_once(table: ScoreTable) -> ScoreTable:
    """The first trial of each video."""
    keep = np.zeros(len(table), np.bool_)
    keep[np.unique(table.texts["video"], return_index=True)[1]] = True
    return table.where(keep)


def _liveness(dev: ScoreTable, evaluated: ScoreTable, policy: Mapping[str, Any]) -> Figures:
    dev, evaluated = videos_once(dev), videos_once(evaluated)
    llr = evaluated.numbers["liveness_llr"]
    bona_fide, attacks = llr[evaluated.bona_fide], llr[~evaluated.bona_fide]
    species = evaluated.texts["pai_species"][~evaluated.bona_fide].tolist()
    figures: Figures = {"bona_fide": bona_fide.size, "attacks": attacks.size, "at_apcer": []}
    if policy and bona_fide.size:
        figures["at_policy"] = _at_policy(bona_fide, attacks, species, policy)
    if bona_fide.size and attacks.size:
        answered = ~np.isnan(bona_fide), ~np.isnan(attacks)
        figures |= _calibration(bona_fide[answered[0]], attacks[answered[1]])
        figures["at_apcer"] = [_at_apcer(t, dev, bona_fide, attacks, species) for t in metrics.BPCER_TARGETS]
    return figures


def _at_policy(
    bona_fide: NDArray[np.float64], attacks: NDArray[np.float64], species: list[str], policy: Mapping[str, Any]
) -> Figures:
    """The policy classifies outside its two thresholds; between them it does not respond."""
    accept, refuse = policy["accept_liveness_llr"], policy["reject_liveness_llr"]

    def responses(llr: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where((llr >= refuse) & (llr < accept), np.nan, llr)

    figures: Figures = {
        "bpcer": counted(metrics.bpcer(responses(bona_fide), accept)),
        "bpnrr": counted(metrics.bpnrr(responses(bona_fide))),
        "apcer": {},
        "apnrr": {},
    }
    if attacks.size:
        apcer = metrics.apcer(responses(attacks), species, accept)
        figures["apcer"] = {name: counted(p) for name, p in apcer.items()}
        figures["apnrr"] = {name: counted(p) for name, p in metrics.apnrr(responses(attacks), species).items()}
        if any(p.trials for p in apcer.values()):
            figures["apcer_worst"] = metrics.worst(apcer)[0]
    return figures


def _at_apcer(
    target: float, dev: ScoreTable, bona_fide: NDArray[np.float64], attacks: NDArray[np.float64], species: list[str]
) -> Figures:
    llr = dev.numbers["liveness_llr"][~dev.bona_fide]
    dev_species = dev.texts["pai_species"][~dev.bona_fide].tolist()
    needed = metrics.trials_for_target(target)
    if not llr.size or np.isnan(llr).all():
        return {"target_apcer": target, "threshold": None, "dev_trials_needed_per_species": needed}
    threshold = metrics.threshold_at_apcer(llr, dev_species, target)
    apcer = metrics.apcer(attacks, species, threshold)
    fewest = min(p.trials for p in metrics.apcer(llr, dev_species, threshold).values())
    return {
        "target_apcer": target,
        "threshold": threshold,
        "dev_trials_needed_per_species": needed,
        "dev_trials_of_rarest_species": fewest,
        "supported": fewest >= needed,
        "bpcer": counted(metrics.bpcer(bona_fide, threshold)),
        "apcer": {name: counted(p) for name, p in apcer.items()},
    }


def _confidence(table: ScoreTable, prior: Mapping[str, float] | None) -> Figures:
    """Whether the confidence means what it says: right person, live, against everything else.

    It is a statement under the policy's prior, so each way to a video weighs as much as the prior gives it, however
    many trials there are of it. Where one of the ways has no trial, every trial weighs the same.
    """
    confidence = table.numbers["confidence"]
    ways = {
        "genuine": table.bona_fide & table.mated,
        "impostor": table.bona_fide & table.non_mated,
        "attack": ~table.bona_fide & table.mated,
    }
    given = ~np.isnan(confidence) & np.logical_or.reduce([*ways.values()])
    if not given.any():
        return {"trials": 0}
    right = ways["genuine"][given]
    counts = {way: int(np.count_nonzero(rows & given)) for way, rows in ways.items()}
    weights = np.ones(right.size)
    if weighted := prior is not None and all(counts.values()):
        weights = sum(prior[way] / counts[way] * rows[given] for way, rows in ways.items())
    bins = metrics.reliability(confidence[given], right, weights=weights)
    plain = metrics.reliability(confidence[given], right)
    return {
        "trials": right.size,
        **counts,
        "weighted_to": dict(prior) if weighted and prior else None,
        "brier": metrics.brier(confidence[given], right, weights=weights),
        "ece": metrics.ece(confidence[given], right, weights=weights),
        "reliability": [
            {"predicted": p, "observed": o, "trials": n, "right": round(n * share)}
            for p, o, n, share in zip(
                bins.predicted.tolist(),
                bins.observed.tolist(),
                bins.count.tolist(),
                plain.observed.tolist(),
                strict=True,
            )
        ],
    }


def _groups(table: ScoreTable, column: str) -> Figures:
    """Error rates by group against everybody, with the 25 % rule."""
    mated = table.where(table.bona_fide & table.mated & ~_unenrolled(table))
    rates = {"frr": (mated, ~mated.outcome("accept"))}
    compared = _compared(table, table.mated)
    rates["fnmr_at_policy"] = (compared, compared.texts["matched"] != "true")
    return {name: found for name, (part, errors) in rates.items() if (found := _differentials(part, errors, column))}


def _differentials(table: ScoreTable, errors: Mask, column: str) -> list[Figures]:
    names = np.unique(table.texts[column])
    if names.size < 2:
        return []
    of = {str(name): table.texts[column] == name for name in names}
    rates = {name: Proportion(errors=int(errors[m].sum()), trials=int(m.sum())) for name, m in of.items()}
    return [
        {
            "name": d.group or "(not named)",
            **counted(d.rate),
            "ratio": d.ratio,
            "verdict": d.verdict.value,
        }
        for d in metrics.differentials(rates)
    ]


def _literature(dev: ScoreTable, evaluated: ScoreTable) -> Figures:
    """Single figures for published tables; no decision rests on them."""
    figures: Figures = {}
    same, others = (_compared(evaluated, rows).numbers["similarity"] for rows in (evaluated.mated, evaluated.non_mated))
    if same.size and others.size:
        figures["comparison_eer"] = literature.eer(same, others)
    once = videos_once(evaluated)
    llr = once.numbers["liveness_llr"]
    live, attack = llr[once.bona_fide & ~np.isnan(llr)], llr[~once.bona_fide & ~np.isnan(llr)]
    if live.size and attack.size:
        figures["liveness_eer"] = literature.eer(live, attack)
    return figures

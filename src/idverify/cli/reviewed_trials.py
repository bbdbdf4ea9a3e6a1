"""Reviewed attempts of a service as the folder of an evaluation: trials, scores, and what made them.

Conventions: scores of other models, or under another calibration card, are not mixed with those of this version; they
are left out and counted.

Public items: :func:`write_folder`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idverify._version import __version__
from idverify.comparison.calibration import load_card
from idverify.errors import ParameterError
from idverify.evaluation.results import TrialResult
from idverify.evaluation.scores import write_atomically, write_scores
from idverify.models import data_dir
from idverify.protocols import Presentation, Split, Trial, write_trials
from idverify.verification.policy import load_policy, policy_names

if TYPE_CHECKING:
    from idverify.comparison.calibration import CalibrationCard
    from idverify.service.desk.reviewed import Reviewed

__all__ = ["write_folder"]

# What a person saw is that it was no live person, not what was held before the camera.
_SPECIES = "seen_by_reviewer"


def write_folder(found: Iterable[Reviewed], output: Path) -> tuple[int, int]:
    """Write the folder.

    Returns
    -------
    tuple of int
        Trials written; those left out, for other models made their scores.

    Raises
    ------
    ParameterError
        Nothing is left to write, or the folder cannot be used.
    """
    card = load_card(data_dir() / "calibration" / "comparison.toml")
    everything = list(found)
    rows = [row for row in everything if (row.decision.get("calibration") or {}).get("sha256") == card.sha256]
    if not rows:
        raise ParameterError(f"nothing to write: {len(everything)} reviewed attempts, none with scores of these models")
    trials = [_trial(row) for row in rows]
    try:
        output.mkdir(parents=True)
        write_trials(trials, output / "trials.csv")
        write_scores(output / "scores.csv", trials, {n: _result(row.decision) for n, row in enumerate(rows)})
        write_atomically(output / "run.json", json.dumps(_run(rows[-1].decision, card), indent=2) + "\n")
    except OSError as error:
        raise ParameterError(f"the folder {output} cannot be made anew: {error.strerror or error}") from None
    return len(rows), len(everything) - len(rows)


def _trial(row: Reviewed) -> Trial:
    return Trial(
        video=f"attempts/{row.attempt}",
        reference=row.reference or "",
        mated=row.mated,
        presentation=Presentation.BONA_FIDE if row.bona_fide else Presentation.ATTACK,
        pai_species="" if row.bona_fide else _SPECIES,
        subject=row.subject,
        group=row.group,
        split=_split(row.reference_subject or row.subject),
        reference_subject=row.reference_subject,
    )


def _split(person: str) -> Split:
    """One person's trials are all for fitting, or all for judging."""
    return Split.DEV if hashlib.sha256(person.encode()).digest()[0] % 2 else Split.EVAL


def _result(decision: Mapping[str, Any]) -> TrialResult:
    match, liveness = decision.get("match") or {}, decision.get("liveness") or {}
    evidence = [*liveness.get("mechanisms", ()), *decision.get("injection_signals", ())]
    return TrialResult(
        outcome=str(decision["outcome"]),
        reasons=tuple(decision.get("reasons", ())),
        similarity=match.get("similarity"),
        match_llr=match.get("llr"),
        fmr_at_score=match.get("fmr_at_score"),
        matched=match["similarity"] >= match["threshold"] if match else None,
        liveness_llr=liveness.get("llr"),
        confidence=decision.get("confidence"),
        mechanisms={row["name"]: (row["native"], row["llr"]) for row in evidence},
    )


def _run(decision: Mapping[str, Any], card: CalibrationCard) -> dict[str, Any]:
    """What made the scores, as an evaluation writes it."""
    means = {group.name: group.non_mated_mean for group in card.groups if not group.alike}
    return {
        "idverify_version": __version__,
        "policy": _policy(decision["policy"]),
        "models": {model["name"]: model["sha256"] for model in decision.get("models", ())},
        "comparison": {"models": dict(card.models), "card_sha256": card.sha256, "non_mated_means": means},
    }


def _policy(stamp: Mapping[str, Any]) -> dict[str, Any]:
    """The policy's thresholds, where this version's policy of that name is the one that decided."""
    told = {"name": stamp["name"], "sha256": stamp["sha256"]}
    known = load_policy(str(stamp["name"])) if stamp["name"] in policy_names() else None
    if known is None or known.sha256 != stamp["sha256"]:
        return {**told, "target_fmr": None}
    llrs = {"accept_liveness_llr": known.accept_liveness_llr, "reject_liveness_llr": known.reject_liveness_llr}
    rates = {"target_fmr": known.target_fmr, "target_fmr_with_liveness": known.target_fmr_with_liveness}
    return {**told, **rates, **llrs, "prior": asdict(known.prior)}

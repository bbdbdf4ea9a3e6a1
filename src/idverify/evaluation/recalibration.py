"""A service's own calibration card, from the scores of its own cameras and users.

The card is fitted on ``split = dev`` and judged on ``split = eval``. A false match rate can be shown only by enough
pairs of different people: comparing the same two people a hundred times is one pair. Too few pairs for a target (rule
of three) are refused, with the number that it takes.

Public items: :func:`recalibrate`, :class:`Recalibration`, :class:`HeldBack`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from idverify import metrics
from idverify.comparison.calibration import REFERENCE_KINDS, CalibrationCard, fit_card
from idverify.comparison.strangers import GroupScores
from idverify.errors import CalibrationError
from idverify.evaluation.groups import UNNAMED, groups_of_pairs
from idverify.evaluation.report import read_run
from idverify.evaluation.scores import ScoreTable, read_scores
from idverify.metrics import Proportion
from idverify.protocols import Split

__all__ = ["HeldBack", "Recalibration", "recalibrate"]


STATED_FOR = "strangers of the least favoured group or camera in the trials"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """What the card is worth on trials that it was not fitted on.

    Parameters
    ----------
    errors
        Target FMR -> ``(FMR, FNMR)`` at the card's threshold.
    cllr, min_cllr
        In bits, of the card's LLR; the second after the best recalibration.
    ece
        Of its probabilities, at the share of mated trials as prior.
    """

    errors: Mapping[float, tuple[Proportion, Proportion]]
    cllr: float
    min_cllr: float
    ece: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibration:
    """A fitted card, and its held-back figures where there are eval trials of both classes."""

    card: CalibrationCard
    held_back: HeldBack | None


def recalibrate(
    scores_path: str | Path,
    targets: Sequence[float],
    *,
    kind: str = REFERENCE_KINDS[0],
    today: date | None = None,
) -> Recalibration:
    """Fit a card to a scores file of ``idverify evaluate``.

    Parameters
    ----------
    scores_path
        ``scores.csv``; ``run.json`` beside it names the models that made the scores.
    targets
        False match rates that thresholds are wanted for, each between 0 and 1. They hold in every group of people and
        for every camera that the trials name, where there are enough comparisons to show it (rule of three).
    kind
        What the references of the trials are.
    today
        The date written into the card.

    Raises
    ------
    ParameterError
        A file is missing or damaged, or a target is not between 0 and 1.
    CalibrationError
        Too few comparisons for a target, or the run does not name the models of the comparison.
    """
    scores_path = Path(scores_path)
    table = read_scores(scores_path)
    comparable = table.where(table.bona_fide & ~np.isnan(table.numbers["similarity"]))
    fitted = comparable.split(Split.DEV)
    _require_enough(fitted, targets)
    card = fit_card(
        fitted.numbers["similarity"][fitted.mated],
        fitted.numbers["similarity"][fitted.non_mated],
        models=_models(read_run(scores_path.with_name("run.json"))),
        people=len(_people(fitted)),
        photos=int(np.union1d(fitted.texts["video"], fitted.texts["reference"]).size),
        targets=targets,
        about={
            "data": f"{scores_path.name}, sha256 {hashlib.sha256(scores_path.read_bytes()).hexdigest()}, split dev",
            "date": (today or date.today()).isoformat(),
            "command": "idverify calibrate",
        },
        groups=_groups(fitted),
        kind=kind,
        stated_for=STATED_FOR,
    )
    return Recalibration(card=card, held_back=_held_back(card, comparable.split(Split.EVAL)))


def _groups(fitted: ScoreTable) -> list[GroupScores]:
    """Strangers of one group of people, and strangers before one camera; what is not named is of no group."""
    own, theirs = groups_of_pairs(fitted)
    named = [(name, (own == name) & (theirs == name), True) for name in np.unique(own[own != UNNAMED]).tolist()]
    devices = fitted.texts["device"]
    named += [(f"camera {name}", devices == name, False) for name in np.unique(devices[devices != ""]).tolist()]
    return [_group(name, fitted.where(rows), alike) for name, rows, alike in named if (rows & fitted.non_mated).any()]


def _group(name: str, part: ScoreTable, alike: bool) -> GroupScores:
    return GroupScores(
        name=name,
        non_mated=part.numbers["similarity"][part.non_mated],
        mated=part.numbers["similarity"][part.mated],
        people=len(_people(part)),
        photos=int(np.union1d(part.texts["video"], part.texts["reference"]).size),
        alike=alike,
    )


def _require_enough(fitted: ScoreTable, targets: Sequence[float]) -> None:
    """Count pairs of different people, and say what is missing for the strictest target first."""
    others = fitted.where(fitted.non_mated)
    pairs = {
        tuple(sorted(pair)) for pair in zip(others.texts["subject"].tolist(), _reference_people(others), strict=True)
    }
    for target in sorted(targets):
        needed = metrics.trials_for_target(target)
        if len(pairs) < needed:
            raise CalibrationError(
                f"FMR {target:g} needs non-mated comparisons of at least {needed} different pairs of people "
                f"in split dev (rule of three), got {len(pairs)} pairs in {len(others)} comparisons"
            )
    if not fitted.mated.any():
        raise CalibrationError("split dev holds no mated comparison of a bona fide presentation")


def _reference_people(table: ScoreTable) -> list[str]:
    """Who each reference shows; an unnamed person is known by the photo."""
    named = table.texts["reference_subject"]
    return [str(name) for name in np.where(named != "", named, table.texts["reference"])]


def _people(table: ScoreTable) -> set[str]:
    return {*table.texts["subject"].tolist(), *filter(None, table.texts["reference_subject"].tolist())}


def _models(run: Mapping[str, Any]) -> dict[str, str]:
    models = run.get("comparison", {}).get("models", {})
    if not models:
        raise CalibrationError(
            "run.json does not name the models of the comparison: make the scores with idverify evaluate"
        )
    return dict(models)


def _held_back(card: CalibrationCard, table: ScoreTable) -> HeldBack | None:
    same, others = (table.numbers["similarity"][rows] for rows in (table.mated, table.non_mated))
    if not same.size or not others.size:
        return None
    llrs = card.llr_at(same), card.llr_at(others)
    labels = np.repeat([True, False], [same.size, others.size])
    probability = metrics.probability_from_llr(np.concatenate(llrs), float(labels.mean()))
    return HeldBack(
        errors={
            target: (
                Proportion(errors=int(np.count_nonzero(others >= at)), trials=others.size),
                Proportion(errors=int(np.count_nonzero(same < at)), trials=same.size),
            )
            for target, at in next(iter(card.kinds.values())).thresholds.items()
        },
        cllr=metrics.cllr(*llrs),
        min_cllr=metrics.min_cllr(*llrs),
        ece=metrics.ece(probability, labels),
    )

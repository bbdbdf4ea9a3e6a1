"""What a similarity means: a calibration card maps it to an LLR and to the rate of strangers who score as much.

A card belongs to the models whose scores it was fitted on: it names their sha256, and a card that names others is
refused. It holds, from non-mated comparisons, the thresholds for target false match rates and the upper tail; from both
classes, a monotone map to the natural-log likelihood ratio, fitted by pooling adjacent violators. Nothing claims more
than the counts support: the LLR is bounded by them, and a rate is never given below 3/n (rule of three).

Sources: Ayer et al. 1955, doi:10.1214/aoms/1177728423 (PAV); Brümmer & du Preez 2006,
doi:10.1016/j.csl.2005.08.001 (LLR); ISO/IEC 19795-1:2021 (rule of three, false match rate).

Public items: :class:`CalibrationCard`, :func:`fit_card`, :func:`load_card`, :func:`write_card`,
:func:`threshold_at_fmr`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.errors import CalibrationError
from idverify.metrics import error_rates
from idverify.metrics.intervals import trials_for_target
from idverify.metrics.isotonic import pav_counts

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["CalibrationCard", "fit_card", "load_card", "threshold_at_fmr", "write_card"]

F64 = NDArray[np.float64]

# ISO/IEC 19795-1, rule of three: no error in n trials bounds the rate by 3/n with 95 % confidence.
RULE_OF_THREE = 3.0
FORMAT = 1
# Similarities are fitted on a grid this fine; a finer one changes no LLR by more than its sampling error.
_GRID_STEP = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationCard:
    """The meaning of the scores of one set of models.

    Parameters
    ----------
    models
        Model name -> sha256 of the file as used.
    counts
        ``people``, ``photos``, ``mated``, ``non_mated`` comparisons it was fitted on.
    thresholds
        Target FMR -> least similarity that keeps it, ascending in similarity.
    llr_similarity, llr : float64 [shape=(k,)]
        Knots of the map to the LLR, both rising.
    tail_similarity, tail_log10_fmr : float64 [shape=(m,)]
        Knots of the non-mated tail: similarity rising, rate falling.
    about
        Data, date and command, as text.
    """

    models: Mapping[str, str]
    counts: Mapping[str, int]
    thresholds: Mapping[float, float]
    llr_similarity: F64 = field(repr=False)
    llr: F64 = field(repr=False)
    tail_similarity: F64 = field(repr=False)
    tail_log10_fmr: F64 = field(repr=False)
    about: Mapping[str, str]

    def require_models(self, used: Mapping[str, str]) -> None:
        """Refuse to speak for other models than those it was fitted on.

        Raises
        ------
        CalibrationError
        """
        for name, sha256 in self.models.items():
            if used.get(name) != sha256:
                raise CalibrationError(
                    f"the calibration card was fitted on {name} {sha256[:12]}, but the model in use is "
                    f"{str(used.get(name))[:12]}; fit a card for it with `idverify calibrate`"
                )

    @property
    def sha256(self) -> str:
        """Of the card as :func:`write_card` writes it: a file that was not edited has the same."""
        return hashlib.sha256(_to_toml(self).encode()).hexdigest()

    def llr_at(self, similarity: float | F64) -> F64:
        """Natural-log likelihood ratio, mated over non-mated."""
        return np.asarray(np.interp(similarity, self.llr_similarity, self.llr))

    def fmr_at(self, similarity: float | F64) -> F64:
        """Rate of strangers who would score at least this; never below 3/n."""
        rate = 10.0 ** np.interp(similarity, self.tail_similarity, self.tail_log10_fmr)
        return np.asarray(np.maximum(rate, RULE_OF_THREE / self.counts["non_mated"]))

    def threshold(self, target_fmr: float) -> float:
        """Least similarity that keeps the target false match rate.

        Raises
        ------
        CalibrationError
            The card was not fitted for this target.
        """
        for target, similarity in self.thresholds.items():
            if np.isclose(target, target_fmr, rtol=1e-9, atol=0):
                return similarity
        known = ", ".join(f"{t:g}" for t in self.thresholds)
        raise CalibrationError(f"the calibration card has no threshold for FMR {target_fmr:g}; it has: {known}")


def threshold_at_fmr(non_mated: F64, target_fmr: float) -> float:
    """Least similarity at which the observed FMR is at most `target_fmr`; ties count against.

    Raises
    ------
    CalibrationError
        Fewer than ``3 / target_fmr`` comparisons: the rate cannot be shown.
    """
    needed = trials_for_target(target_fmr)
    if len(non_mated) < needed:
        raise CalibrationError(
            f"FMR {target_fmr:g} needs at least {needed} non-mated comparisons (rule of three), got {len(non_mated)}"
        )
    return error_rates.threshold_at_fmr(non_mated, target_fmr)


def fit_card(
    mated: F64,
    non_mated: F64,
    *,
    models: Mapping[str, str],
    people: int,
    photos: int,
    targets: Sequence[float],
    about: Mapping[str, str],
) -> CalibrationCard:
    """Fit a card to comparison scores of known truth.

    Parameters
    ----------
    mated, non_mated : float64 [shape=(n,)], [shape=(m,)]
    models
        Name -> sha256 of the models that made the scores.
    people, photos
        Counts behind the comparisons.
    targets
        False match rates that thresholds are wanted for.
    about
        Free text entries: data, date, command.

    Raises
    ------
    CalibrationError
        Too few comparisons for a target (rule of three), or a class is empty.
    """
    if not len(mated) or not len(non_mated):
        raise CalibrationError(f"both classes are needed, got {len(mated)} mated and {len(non_mated)} non-mated scores")
    knots, llr = _fit_llr(mated, non_mated)
    tail_similarity, tail = _fit_tail(non_mated)
    return CalibrationCard(
        models=dict(models),
        counts={"people": people, "photos": photos, "mated": len(mated), "non_mated": len(non_mated)},
        thresholds={t: threshold_at_fmr(non_mated, t) for t in sorted(targets, reverse=True)},
        llr_similarity=knots,
        llr=llr,
        tail_similarity=tail_similarity,
        tail_log10_fmr=tail,
        about=dict(about),
    )


def _fit_llr(mated: F64, non_mated: F64) -> tuple[F64, F64]:
    """Knots of the monotone LLR: histogram, pool adjacent violators, bound by the counts."""
    edges = np.arange(-1, 1 + _GRID_STEP, _GRID_STEP)
    m, n = (np.histogram(np.clip(x, -1, 1), bins=edges)[0] for x in (mated, non_mated))
    blocks = pav_counts((edges[1:] + edges[:-1]) / 2, m, n)
    # A class that is absent from a block may still be there three times in as many trials (rule of three).
    rate_m = np.maximum(blocks.positives, RULE_OF_THREE) / len(mated)
    rate_n = np.maximum(blocks.negatives, RULE_OF_THREE) / len(non_mated)
    llr = np.maximum.accumulate(np.log(rate_m) - np.log(rate_n))
    return (blocks.low + blocks.high) / 2, llr


def _fit_tail(non_mated: F64) -> tuple[F64, F64]:
    """Similarity at falling rates, evenly in the logarithm, down to the highest comparison; ties count against."""
    n = len(non_mated)
    ranks = np.unique(np.round(np.geomspace(1, n, 61)).astype(np.int64))
    ordered = np.sort(non_mated)
    similarity = np.unique(ordered[n - ranks])
    reaching = n - np.searchsorted(ordered, similarity, side="left")
    return similarity, np.log10(reaching / n)


def write_card(card: CalibrationCard, path: Path) -> None:
    """Write a card as TOML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_to_toml(card), encoding="utf-8")


def _to_toml(card: CalibrationCard) -> str:
    # Every digit: a threshold that was rounded down would let the next comparison in.
    def numbers(values: F64) -> str:
        return "[" + ", ".join(repr(float(v)) for v in values) + "]"

    lines = ['kind = "comparison"', f"format = {FORMAT}", "", "[about]"]
    lines += [f"{key} = {json.dumps(text, ensure_ascii=False)}" for key, text in card.about.items()]
    lines += ["", "[models]", *(f'{name} = "{sha}"' for name, sha in card.models.items())]
    lines += ["", "[counts]", *(f"{name} = {count}" for name, count in card.counts.items())]
    for target, similarity in card.thresholds.items():
        lines += ["", "[[threshold]]", f"target_fmr = {float(target)!r}", f"similarity = {float(similarity)!r}"]
    lines += ["", "[llr]", f"similarity = {numbers(card.llr_similarity)}", f"llr = {numbers(card.llr)}"]
    lines += ["", "[non_mated_tail]", f"similarity = {numbers(card.tail_similarity)}"]
    lines += [f"log10_fmr = {numbers(card.tail_log10_fmr)}", ""]
    return "\n".join(lines)


def load_card(path: Path) -> CalibrationCard:
    """Read and check a card.

    Raises
    ------
    CalibrationError
        Missing, damaged, of another format, or with maps or thresholds that are not monotone.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        card = _from_table(table)
    except OSError:
        raise CalibrationError(f"no calibration card at {path}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise CalibrationError(f"calibration card {path.name} is damaged: {error}") from None
    if not _is_sound(card):
        raise CalibrationError(f"calibration card {path.name} is damaged: its maps or thresholds are not monotone")
    return card


def _is_sound(card: CalibrationCard) -> bool:
    """Whether the maps and thresholds rise and fall as they must; NaN does neither."""
    maps = ((card.llr_similarity, card.llr), (card.tail_similarity, -card.tail_log10_fmr))
    if not all(len(x) == len(y) > 1 and np.all(np.diff(x) > 0) and np.all(np.diff(y) >= 0) for x, y in maps):
        return False
    by_target = np.array([card.thresholds[target] for target in sorted(card.thresholds)])
    return bool(np.isfinite(by_target).all() and np.all(np.diff(by_target) <= 0) and card.counts["non_mated"] > 0)


def _from_table(table: Mapping[str, Any]) -> CalibrationCard:
    if table["kind"] != "comparison" or table["format"] != FORMAT:
        raise ValueError(f"expected kind comparison, format {FORMAT}; got {table['kind']}, format {table['format']}")
    rows = {float(row["target_fmr"]): float(row["similarity"]) for row in table["threshold"]}
    llr, tail = table["llr"], table["non_mated_tail"]
    return CalibrationCard(
        models=table["models"],
        counts=table["counts"],
        thresholds=rows,
        llr_similarity=np.asarray(llr["similarity"], np.float64),
        llr=np.asarray(llr["llr"], np.float64),
        tail_similarity=np.asarray(tail["similarity"], np.float64),
        tail_log10_fmr=np.asarray(tail["log10_fmr"], np.float64),
        about=table["about"],
    )

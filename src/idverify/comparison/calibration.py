"""What a similarity means: a calibration card maps it to an LLR and to the rate of strangers who score as much.

A card belongs to the models whose scores it was fitted on: it names their sha256, and a card that names others is
refused. It holds, from non-mated comparisons, the thresholds for target false match rates and the upper tails; from
both classes, a monotone map to the natural-log likelihood ratio, fitted by pooling adjacent violators. Nothing claims
more than the counts support: the LLR is bounded by them, and a rate is never given below 3/n (rule of three).

Strangers of one group are more alike than strangers at large (:mod:`idverify.comparison.strangers`). Where a card was
fitted with groups of enough comparisons, its LLR and its rate at a score are those of the least favoured, and the
average stands beside. Each threshold keeps its target in every source of pictures, and in every group of look-alikes an
agreed multiple of it, but for groups that are said not to be held; the card lists what every group had.

What the reference is matters too: a selfie beside a selfie scores higher than a portrait of another year. Thresholds
are kept by kind of reference, and a kind that was not measured has none.

Sources: Ayer et al. 1955, doi:10.1214/aoms/1177728423 (PAV); Brümmer & du Preez 2006,
doi:10.1016/j.csl.2005.08.001 (LLR); ISO/IEC 19795-1:2021 (rule of three, false match rate).

Public items: :class:`CalibrationCard`, :class:`KindThresholds`, :func:`fit_card`, :func:`load_card`,
:func:`write_card`, :func:`threshold_at_fmr`, :func:`thresholds_for`, :data:`REFERENCE_KINDS`.
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

from idverify.comparison.strangers import (
    LEAST_COMPARISONS,
    GroupRates,
    GroupScores,
    group_rates,
    least_favoured_tail,
    shared_excess,
    upper_tail,
)
from idverify.errors import CalibrationError
from idverify.metrics import error_rates
from idverify.metrics.intervals import trials_for_target
from idverify.metrics.isotonic import pav_counts
from idverify.text import foreign

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "REFERENCE_KINDS",
    "CalibrationCard",
    "KindThresholds",
    "fit_card",
    "load_card",
    "threshold_at_fmr",
    "thresholds_for",
    "write_card",
]

F64 = NDArray[np.float64]

# ISO/IEC 19795-1, rule of three: no error in n trials bounds the rate by 3/n with 95 % confidence.
RULE_OF_THREE = 3.0
FORMAT = 2
# What a reference photo may be; the first is what a policy means that does not say.
REFERENCE_KINDS = ("portrait", "selfie", "document")
# What a card states of whose groups too few comparisons are known.
AT_LARGE = "strangers at large, of any sex and group"
# Similarities are fitted on a grid this fine; a finer one changes no LLR by more than its sampling error.
_GRID_STEP = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class KindThresholds:
    """Thresholds for one kind of reference.

    Parameters
    ----------
    thresholds
        Target FMR -> least similarity that keeps it.
    mated, missed
        Mated trials with a reference of this kind, and how many of them the strictest target would miss.
    """

    thresholds: Mapping[float, float]
    mated: int
    missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationCard:
    """The meaning of the scores of one set of models.

    Parameters
    ----------
    models
        Model name -> sha256 of the file as used.
    counts
        ``people``, ``photos``, ``mated``, ``non_mated`` comparisons it was fitted on.
    stated_for
        Among whom the rate at a score holds, as words: "... strangers of the same sex and group, ...".
    kinds
        Kind of reference -> its thresholds; see :data:`REFERENCE_KINDS`.
    groups
        What everybody, and every group and source, had.
    llr_similarity, llr : float64 [shape=(k,)]
        Knots of the map to the LLR, both rising.
    tail_similarity, tail_log10_fmr : float64 [shape=(m,)]
        Knots of the least favoured non-mated tail: similarity rising, rate falling.
    average_similarity, average_log10_fmr : float64 [shape=(j,)]
        The same of all non-mated comparisons together.
    about
        Data, date and command, as text.
    """

    models: Mapping[str, str]
    counts: Mapping[str, int]
    stated_for: str
    kinds: Mapping[str, KindThresholds]
    groups: tuple[GroupRates, ...] = field(repr=False)
    llr_similarity: F64 = field(repr=False)
    llr: F64 = field(repr=False)
    tail_similarity: F64 = field(repr=False)
    tail_log10_fmr: F64 = field(repr=False)
    average_similarity: F64 = field(repr=False)
    average_log10_fmr: F64 = field(repr=False)
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
        """Rate of strangers who would score at least this, among the least favoured; never below 3/n."""
        return self._rate(similarity, self.tail_similarity, self.tail_log10_fmr)

    def average_fmr_at(self, similarity: float | F64) -> F64:
        """The same among strangers at large; never more than among the least favoured."""
        average = self._rate(similarity, self.average_similarity, self.average_log10_fmr)
        return np.minimum(average, self.fmr_at(similarity))

    def _rate(self, similarity: float | F64, knots: F64, log10_fmr: F64) -> F64:
        rate = 10.0 ** np.interp(similarity, knots, log10_fmr)
        return np.asarray(np.maximum(rate, RULE_OF_THREE / self.counts["non_mated"]))

    @property
    def thresholds(self) -> Mapping[float, float]:
        """Target FMR -> threshold, for the kind of reference that a policy means that does not say."""
        return self.kinds[REFERENCE_KINDS[0]].thresholds if REFERENCE_KINDS[0] in self.kinds else {}

    def threshold(self, target_fmr: float, kind: str = REFERENCE_KINDS[0]) -> float:
        """Least similarity that keeps the target false match rate, for a kind of reference.

        Raises
        ------
        CalibrationError
            The card was not fitted for this target, or with references of this kind.
        """
        if kind not in self.kinds:
            raise CalibrationError(
                f"the calibration card has no thresholds for a reference that is a {kind}; it has them for: "
                f"{', '.join(self.kinds)}. Fit a card to trials of that kind with `idverify calibrate`"
            )
        thresholds = self.kinds[kind].thresholds
        for target, similarity in thresholds.items():
            if np.isclose(target, target_fmr, rtol=1e-9, atol=0):
                return similarity
        known = ", ".join(f"{t:g}" for t in thresholds)
        raise CalibrationError(f"the calibration card has no threshold for FMR {target_fmr:g}; it has: {known}")

    def as_strict_as(self, target_fmr: float, kind: str = REFERENCE_KINDS[0]) -> float:
        """The highest rate of those with a threshold that is at most the target; where none is, the lowest of them."""
        known = self.kinds[kind].thresholds
        return max((rate for rate in known if rate <= target_fmr), default=min(known))


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
    groups: Sequence[GroupScores] = (),
    excess: float = 1.0,
    kind: str = REFERENCE_KINDS[0],
    stated_for: str = AT_LARGE,
) -> CalibrationCard:
    """Fit a card to comparison scores of known truth.

    Parameters
    ----------
    mated, non_mated : float64 [shape=(n,)], [shape=(m,)]
        Of everybody.
    models
        Name -> sha256 of the models that made the scores.
    people, photos
        Counts behind the comparisons.
    targets
        False match rates that thresholds are wanted for.
    about
        Free text entries: data, date, command.
    groups
        Comparisons within groups and sources, for the least favoured of them; those of fewer than
        :data:`~idverify.comparison.strangers.LEAST_COMPARISONS` say nothing of the LLR and of the rate at a score.
    excess
        How many times the target a group of look-alikes may have.
    kind
        What the references are.
    stated_for
        Among whom the rate at a score holds, where there are groups of enough comparisons.

    Raises
    ------
    CalibrationError
        Too few comparisons for a target (rule of three), a class is empty, or the scores do not tell the two apart.
    """
    if not len(mated) or not len(non_mated):
        raise CalibrationError(f"both classes are needed, got {len(mated)} mated and {len(non_mated)} non-mated scores")
    counts = {"people": people, "photos": photos}
    everybody = GroupScores(
        name="everybody", non_mated=non_mated, mated=mated, people=people, photos=photos, alike=False
    )
    enough = [g for g in groups if len(g.non_mated) >= LEAST_COMPARISONS]
    alike = [g.non_mated for g in enough if g.alike]
    knots, llr = _fit_llr(mated, np.concatenate(alike) if alike else non_mated)
    average = upper_tail(non_mated)
    tail = least_favoured_tail([everybody, *enough], shared_excess(enough)) if enough else average
    thresholds = thresholds_for(targets, non_mated, groups, excess)
    strictest = min(thresholds)
    missed = int(np.count_nonzero(mated < thresholds[strictest]))
    card = CalibrationCard(
        models=dict(models),
        counts={**counts, "mated": len(mated), "non_mated": len(non_mated)},
        stated_for=stated_for if enough else AT_LARGE,
        kinds={kind: KindThresholds(thresholds=thresholds, mated=len(mated), missed=missed)},
        groups=tuple(group_rates(group, thresholds) for group in (everybody, *groups)),
        llr_similarity=knots,
        llr=llr,
        tail_similarity=tail[0],
        tail_log10_fmr=tail[1],
        average_similarity=average[0],
        average_log10_fmr=average[1],
        about=dict(about),
    )
    if not _is_sound(card):
        raise CalibrationError(
            "no card can be fitted to these scores: those of mated comparisons are no higher than the others, or all "
            "strangers, or all of a group, score the same"
        )
    return card


def thresholds_for(
    targets: Sequence[float], non_mated: F64, groups: Sequence[GroupScores] = (), excess: float = 1.0
) -> dict[float, float]:
    """Threshold for each target, the loosest first: what everybody needs, and every group and source that is held.

    A group of look-alikes needs what its counts show, where they can (rule of three), and what its tail does. What a
    looser target needs a stricter one needs as well, whether or not a group's counts can show that, too.

    Parameters
    ----------
    targets, non_mated, groups, excess
        As for :func:`fit_card`.

    Raises
    ------
    CalibrationError
        Too few comparisons for a target (rule of three).
    """
    held = [group for group in groups if group.held]
    alike = [group for group in held if group.alike and len(group.non_mated) >= LEAST_COMPARISONS]
    tail = least_favoured_tail(alike, shared_excess(groups)) if alike else None
    result: dict[float, float] = {}
    for target in sorted(targets, reverse=True):
        needed = [threshold_at_fmr(non_mated, target), *result.values()]
        for group in held:
            rate = min(excess * target, 1.0) if group.alike else target
            if rate < 1 and len(group.non_mated) >= trials_for_target(rate):
                needed.append(threshold_at_fmr(group.non_mated, rate))
        if tail is not None:
            similarity, log10_fmr = tail
            needed.append(float(np.interp(np.log10(min(excess * target, 1.0)), log10_fmr[::-1], similarity[::-1])))
        result[target] = max(needed)
    return result


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


def write_card(card: CalibrationCard, path: Path) -> None:
    """Write a card as TOML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_to_toml(card), encoding="utf-8")


def _to_toml(card: CalibrationCard) -> str:
    # Every digit: a threshold that was rounded down would let the next comparison in.
    def numbers(values: F64) -> str:
        return "[" + ", ".join(repr(float(v)) for v in values) + "]"

    lines = ['kind = "comparison"', f"format = {FORMAT}", f"stated_for = {_text(card.stated_for)}", "", "[about]"]
    lines += [f"{key} = {_text(text)}" for key, text in card.about.items()]
    lines += ["", "[models]", *(f'{name} = "{sha}"' for name, sha in card.models.items())]
    lines += ["", "[counts]", *(f"{name} = {count}" for name, count in card.counts.items())]
    for name, kind in card.kinds.items():
        pairs = ", ".join(f"[{float(t)!r}, {float(s)!r}]" for t, s in kind.thresholds.items())
        lines += ["", "[[reference_kind]]", f"name = {_text(name)}", f"mated = {kind.mated}", f"missed = {kind.missed}"]
        lines += [f"target_fmr_and_similarity = [{pairs}]"]
    for group in card.groups:
        errors = ", ".join(f"[{float(t)!r}, {fm}, {fnm}]" for t, (fm, fnm) in group.errors.items())
        lines += ["", "[[group]]", f"name = {_text(group.name)}", f"alike = {str(group.alike).lower()}"]
        lines += [f"{name} = {getattr(group, name)}" for name in ("people", "photos", "mated", "non_mated")]
        lines += [f"non_mated_mean = {group.non_mated_mean!r}"]
        lines += [f"target_fmr_and_false_matches_and_false_non_matches = [{errors}]"]
    lines += ["", "[llr]", f"similarity = {numbers(card.llr_similarity)}", f"llr = {numbers(card.llr)}"]
    lines += ["", "[least_favoured_tail]", f"similarity = {numbers(card.tail_similarity)}"]
    lines += [f"log10_fmr = {numbers(card.tail_log10_fmr)}"]
    lines += ["", "[average_tail]", f"similarity = {numbers(card.average_similarity)}"]
    lines += [f"log10_fmr = {numbers(card.average_log10_fmr)}", ""]
    return "\n".join(lines)


def _text(words: str) -> str:
    return json.dumps(words, ensure_ascii=False)


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
    except OSError as error:
        raise CalibrationError(f"no calibration card at {foreign(path)}: {error.strerror or error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise CalibrationError(f"calibration card {path.name} is damaged: {error}") from None
    if not _is_sound(card):
        raise CalibrationError(f"calibration card {path.name} is damaged: its maps or thresholds are not monotone")
    return card


def _is_sound(card: CalibrationCard) -> bool:
    """Whether the maps and thresholds rise and fall as they must; NaN does neither."""
    maps = (
        (card.llr_similarity, card.llr),
        (card.tail_similarity, -card.tail_log10_fmr),
        (card.average_similarity, -card.average_log10_fmr),
    )
    if not all(len(x) == len(y) > 1 and np.all(np.diff(x) > 0) and np.all(np.diff(y) >= 0) for x, y in maps):
        return False
    if not card.kinds or not set(card.kinds) <= set(REFERENCE_KINDS) or card.counts["non_mated"] <= 0:
        return False
    return all(_rise(kind.thresholds) for kind in card.kinds.values())


def _rise(thresholds: Mapping[float, float]) -> bool:
    """Whether stricter targets need more, and every number is one."""
    by_target = np.array([thresholds[target] for target in sorted(thresholds)])
    return bool(by_target.size and np.isfinite(by_target).all() and np.all(np.diff(by_target) <= 0))


def _from_table(table: Mapping[str, Any]) -> CalibrationCard:
    if table["kind"] != "comparison" or table["format"] != FORMAT:
        raise ValueError(f"expected kind comparison, format {FORMAT}; got {table['kind']}, format {table['format']}")
    llr, tail, average = table["llr"], table["least_favoured_tail"], table["average_tail"]
    return CalibrationCard(
        models=table["models"],
        counts=table["counts"],
        stated_for=str(table["stated_for"]),
        kinds={str(row["name"]): _kind(row) for row in table["reference_kind"]},
        groups=tuple(map(_group, table.get("group", ()))),
        llr_similarity=np.asarray(llr["similarity"], np.float64),
        llr=np.asarray(llr["llr"], np.float64),
        tail_similarity=np.asarray(tail["similarity"], np.float64),
        tail_log10_fmr=np.asarray(tail["log10_fmr"], np.float64),
        average_similarity=np.asarray(average["similarity"], np.float64),
        average_log10_fmr=np.asarray(average["log10_fmr"], np.float64),
        about=table["about"],
    )


def _kind(row: Mapping[str, Any]) -> KindThresholds:
    pairs = {float(target): float(similarity) for target, similarity in row["target_fmr_and_similarity"]}
    return KindThresholds(thresholds=pairs, mated=int(row["mated"]), missed=int(row["missed"]))


def _group(row: Mapping[str, Any]) -> GroupRates:
    errors = row["target_fmr_and_false_matches_and_false_non_matches"]
    return GroupRates(
        name=str(row["name"]),
        alike=bool(row["alike"]),
        people=int(row["people"]),
        photos=int(row["photos"]),
        mated=int(row["mated"]),
        non_mated=int(row["non_mated"]),
        non_mated_mean=float(row["non_mated_mean"]),
        errors={float(target): (int(matches), int(misses)) for target, matches, misses in errors},
    )

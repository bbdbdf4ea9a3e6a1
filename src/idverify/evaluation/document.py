"""The report as titles, sentences and tables, before it becomes Markdown or HTML.

Public items: :class:`Table`, :class:`Section`, :func:`sections`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Section", "Table", "sections"]

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of texts; the first column names the row."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A title, what to know before reading, and tables. ``key`` names the plots that belong to it."""

    key: str
    title: str
    text: str
    tables: tuple[Table, ...] = ()


def sections(figures: Figures) -> tuple[Section, ...]:
    """The report in reading order: what was tested, then whole transactions, then the two halves."""
    return (
        _run(figures),
        _transactions(figures["transactions"]),
        _comparison(figures["comparison"], figures["strangers_of_the_card"]),
        _liveness(figures["liveness"]),
        _confidence(figures["confidence"]),
        _groups(figures["groups"], figures["devices"], figures["between_groups"]),
        _failures(figures["failures"]),
        _literature(figures["literature"]),
    )


def shown(figures: Figures) -> tuple[str, str, str]:
    """Rate with counts, its 95 % interval, and the interval by subject."""
    if not figures["trials"]:
        return ("not measured (0 trials)", "", "")
    by_subject = figures.get("by_subject")
    return (figures["text"], _interval(figures), _interval(by_subject) if by_subject else "")


def _interval(figures: Figures) -> str:
    return f"{100 * figures['low']:.3g} % to {100 * figures['high']:.3g} %"


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


HEADLINE = " (worst species: the headline)"
RATE = ("rate", "95 % interval", "95 % interval by subject")


def _run(figures: Figures) -> Section:
    run, trials = figures["run"], figures["trials"]
    policy = run.get("policy", {})
    models = run.get("models", {})
    made = [("idverify", str(run.get("idverify_version", "unknown")))]
    made += [("policy", f"{policy.get('name')} ({policy.get('sha256', '')[:12]})")] if policy else []
    card = run.get("comparison", {}).get("card_sha256")
    made += [("calibration card", card[:12])] if card else []
    made += [(f"model {name}", sha256[:12]) for name, sha256 in models.items()]
    names = ("trials", "videos", "subjects", "mated", "non_mated", "bona_fide")
    rows = tuple((split, *(str(part[n]) for n in names), _species(part["attacks"])) for split, part in trials.items())
    return Section(
        key="run",
        title="What was tested",
        text="Thresholds are set on split dev, or by the policy; all errors are measured on split eval. "
        "Mated and non-mated count bona fide presentations. Zero errors of n are printed as the bound 3/n.",
        tables=(
            Table(header=("made by", "version"), rows=tuple(made)),
            Table(header=("split", *(n.replace("_", "-") for n in names), "attacks"), rows=rows),
        ),
    )


def _species(counts: Figures) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.items()) or "none"


def _transactions(figures: Figures) -> Section:
    outcomes = ", ".join(f"{name} {n}" for name, n in figures["frr_by_outcome"].items())
    rows = [
        ("FRR: the right person, live, not accepted", *shown(figures["frr"])),
        ("FTA: no comparison could be made for them", *shown(figures["fta"])),
        ("FAR: another person, live, accepted", *shown(figures["far"])),
        ("FTE: reference photos that could not be enrolled", *shown(figures["fte"])),
        ("GFRR: FRR with those who could not be enrolled", *shown(figures["gfrr"])),
        ("GFAR: FAR with those who could not be enrolled", *shown(figures["gfar"])),
        ("bona fide without reference, not accepted", *shown(figures["liveness_alone_refused"])),
    ]
    worst = figures.get("iapar_worst")
    for name, iapar in figures["iapar"].items():
        label = f"IAPAR {name}: attack accepted" + (HEADLINE if name == worst else "")
        rows.append((label, *shown(iapar)))
    text = "Whole checks under the policy, of people whose photo could be enrolled. "
    text += f"The right person's outcomes: {outcomes}."
    if "riapar" in figures:
        text += f" RIAPAR (worst IAPAR + FRR): {100 * figures['riapar']:.3g} %."
    return Section(
        key="transactions",
        title="Transactions",
        text=text,
        tables=(Table(header=("error", *RATE), rows=tuple(rows)),),
    )


def _comparison(figures: Figures, strangers: Figures) -> Section:
    rows = [
        ("FMR at the policy's threshold", *shown(figures["fmr_at_policy"])),
        ("FNMR at the policy's threshold", *shown(figures["fnmr_at_policy"])),
    ]
    at = [_at_fmr(row) for row in figures["at_fmr"]]
    tables = [Table(header=("error", *RATE), rows=tuple(rows))]
    if at:
        header = ("target FMR", "threshold from dev", "FMR on eval", "FNMR on eval", "FNMR 95 % by subject")
        tables.append(Table(header=header, rows=tuple(at)))
    text = f"{figures['mated']} mated and {figures['non_mated']} non-mated comparisons of bona fide presentations."
    text += _calibration(figures) + (f" {strangers['sentence']}" if strangers.get("sentence") else "")
    return Section(key="comparison", title="Comparison", text=text, tables=tuple(tables))


def _at_fmr(row: Figures) -> tuple[str, ...]:
    target = f"{row['target_fmr']:g}"
    if row["threshold"] is None:
        return (target, f"not set: dev has {row['dev_trials']} of {row['dev_trials_needed']} comparisons", "", "", "")
    fnmr = shown(row["fnmr"])
    return (target, _value(row["threshold"]), shown(row["fmr"])[0], fnmr[0], fnmr[2])


def _calibration(figures: Figures) -> str:
    if "cllr" not in figures:
        return ""
    return (
        f" Cllr {figures['cllr']:.4f} bits (at best {figures['min_cllr']:.4f} with the same ordering), "
        f"ECE {100 * figures['ece']:.3g} %, Brier {figures['brier']:.4g}, at a prior of {figures['prior']:.3g}."
    )


def _liveness(figures: Figures) -> Section:
    text = f"{figures['bona_fide']} bona fide and {figures['attacks']} attack videos, each counted once."
    tables = []
    if "at_policy" in figures:
        tables.append(_liveness_at_policy(figures["at_policy"]))
    if figures["at_apcer"]:
        header = ("target APCER", "threshold from dev", "BPCER on eval", "APCER per species on eval", "dev was enough")
        tables.append(Table(header=header, rows=tuple(_at_apcer(row) for row in figures["at_apcer"])))
    return Section(key="liveness", title="Liveness", text=text + _calibration(figures), tables=tuple(tables))


def _liveness_at_policy(figures: Figures) -> Table:
    rows = [
        ("BPCER: bona fide taken for an attack", *shown(figures["bpcer"])[:2]),
        ("BPNRR: bona fide without response", *shown(figures["bpnrr"])[:2]),
    ]
    worst = figures.get("apcer_worst")
    for name, apcer in figures["apcer"].items():
        label = f"APCER {name}: attack taken for bona fide" + (HEADLINE if name == worst else "")
        rows.append((label, *shown(apcer)[:2]))
        rows.append((f"APNRR {name}: attack without response", *shown(figures["apnrr"][name])[:2]))
    return Table(header=("error at the policy's thresholds", *RATE[:2]), rows=tuple(rows))


def _at_apcer(row: Figures) -> tuple[str, ...]:
    target = f"{100 * row['target_apcer']:g} %"
    needed = row["dev_trials_needed_per_species"]
    if row["threshold"] is None:
        return (target, "not set: dev has no attacks", "", "", f"no: {needed} a species are needed")
    apcer = "; ".join(f"{name} {shown(figures)[0]}" for name, figures in row["apcer"].items())
    fewest = row["dev_trials_of_rarest_species"]
    enough = "yes" if row["supported"] else f"no: {fewest} of {needed} of the rarest species"
    return (target, _value(row["threshold"]), shown(row["bpcer"])[0], apcer, enough)


def _confidence(figures: Figures) -> Section:
    if not figures["trials"]:
        return Section(key="confidence", title="Confidence", text="No trial with a reference has a confidence.")
    rows = tuple(
        (_value(row["predicted"]), _value(row["observed"]), str(row["trials"]), str(row["right"]))
        for row in figures["reliability"]
    )
    prior = figures["weighted_to"]
    mix = "Every trial weighs the same; the confidence is a statement under the policy's prior."
    if prior:
        mix = "Genuine, impostor and attack trials weigh as much as the policy's prior gives them: " + (
            ", ".join(f"{way} {share:g}" for way, share in prior.items()) + "."
        )
    return Section(
        key="confidence",
        title="Confidence",
        text="Does the confidence mean what it says, over "
        f"{figures['genuine']} trials of the right person, live, {figures['impostor']} of another person, and "
        f"{figures['attack']} of an attack that shows the right person? "
        f"ECE {100 * figures['ece']:.3g} %, Brier {figures['brier']:.4g}. {mix}",
        tables=(Table(header=("mean confidence", "share of the right", "trials", "of them right"), rows=rows),),
    )


def _groups(groups: Figures, devices: Figures, between: Figures) -> Section:
    tables = _between_groups(between) if between else []
    for kind, found in (("group", groups), ("device", devices)):
        for error, rows in found.items():
            cells = tuple((r["name"], *shown(r)[:2], _value(r["ratio"]), r["verdict"]) for r in rows)
            title = f"{error.replace('_', ' ').upper()} by {kind}"
            header = (title, *RATE[:2], "ratio to all", "more than 25 % worse")
            tables.append(Table(header=header, rows=cells))
    text = (
        "A group is worse when its whole interval lies more than 25 % above the overall rate (NIST SP 800-63A-4), "
        "within when it lies below that, and undecided when there are too few trials to say."
    )
    text = " ".join([text, *_worst_over_best(between), *between.get("warnings", ())])
    return Section(key="groups", title="Differences between groups", text=text, tables=tuple(tables))


def _between_groups(figures: Figures) -> list[Table]:
    """Misses by group, false matches within and across groups, at the policy's threshold."""
    names = figures["groups"]
    misses = tuple((row["groups"][0], str(row["people"]), *shown(row)) for row in figures["fnmr"])
    inside = [row for row in figures["fmr"] if row["groups"][0] == row["groups"][1]]
    matches = tuple((row["groups"][0], str(row["people"]), *shown(row)) for row in inside)
    cells = {tuple(row["groups"]): shown(row)[0] for row in figures["fmr"]}
    cells |= {(b, a): text for (a, b), text in cells.items()}
    matrix = tuple((a, *(cells[a, b] for b in names)) for a in names)
    return [
        Table(header=("FNMR by group", "people", *RATE), rows=misses),
        Table(header=("FMR within a group", "people", *RATE), rows=matches),
        Table(header=("FMR between groups", *names), rows=matrix),
    ]


def _worst_over_best(figures: Figures) -> list[str]:
    found = []
    for error in ("fnmr", "fmr"):
        ratio = figures.get(f"{error}_worst_over_best")
        if ratio is not None:
            least = "at least " if ratio["at_least"] else ""
            found.append(
                f"{error.upper()}, worst ({ratio['worst']}) over best ({ratio['best']}): {least}{ratio['ratio']:.3g}."
            )
    return found


def _failures(figures: Figures) -> Section:
    rows = [(f"failed: {name}", str(n)) for name, n in figures["failed"].items()]
    rows += [(f"inconclusive: {name}", str(n)) for name, n in figures["inconclusive"].items()]
    return Section(
        key="failures",
        title="Trials without an answer",
        text="All splits, by the first reason." if rows else "None.",
        tables=(Table(header=("reason", "trials"), rows=tuple(rows)),) if rows else (),
    )


def _literature(figures: Figures) -> Section:
    rows = tuple((name.replace("_", " "), f"{100 * value:.3g} %") for name, value in figures.items())
    return Section(
        key="literature",
        title="For comparison with the literature only",
        text="The threshold of an EER is chosen on the very trials that it judges; "
        "ISO/IEC 30107-3 and ISO/IEC 19795-1 do not report it.",
        tables=(Table(header=("figure", "value"), rows=rows),) if rows else (),
    )

"""Write the figures of README and docs from the results of the benchmarks: no number there is typed by hand.

    python benchmarks/figures.py            # rewrites the blocks between the markers
    python benchmarks/figures.py --check    # exits 1 where a block is not what the results say

The results are files in ``benchmarks/results``, each written by the command that its section names.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks" / "accuracy"))

from peers_table import markdown as peers  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- generated: figures -->", "<!-- end -->"


def percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def rated(rate: dict[str, Any]) -> str:
    low, high = rate["ci95"]
    if not rate["events"]:
        return f"< {percent(3 / rate['of'])} (0 of {rate['of']:,})"
    return f"{percent(rate['value'])} ({rate['events']:,} of {rate['of']:,}; {percent(low)} to {percent(high)})"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def photos(r: dict[str, Any]) -> str:
    rows = [
        [f"{p['target_fmr']:g}", rated(p["fmr"]), rated(p["fnmr"]), percent(p["fnmr_person_mean"])]
        for p in r["operating_points"]
    ]
    c, t, own, listed = r["calibration"], r["ten_fold_accuracy"], r["at_own_fmr"], r["official_pairs"]
    official = (
        f" Of the {listed['listed']:,} pairs of LFW's own protocol (unrestricted, outside data; the threshold from "
        f"all pairs of the people of nine folds), those whose photos were at hand: {rated(listed['mated'])} of the "
        f"mated and {rated(listed['non_mated'])} of the non-mated ones are told right. The protocol has as many of "
        f"both: accuracy {listed['accuracy']['value']:.2%} "
        f"({' to '.join(f'{end:.2%}' for end in listed['accuracy']['ci95'])})."
        if listed
        else ""
    )
    return (
        f"**One photo against one photo.** {r['data']}: {r['people']:,} people, {r['photos']:,} photos, "
        f"{r['failures_to_enrol']} failures to enrol; {r['mated']:,} mated and {r['non_mated']:,} non-mated "
        "comparisons. Eight folds of people; a pair is compared by what was fitted without both of their folds, at "
        "thresholds from pairs without them. What ships is fitted on everybody, a third more. In brackets: counts and "
        "95 % Wilson interval by comparison.\n\n"
        + table(["target FMR", "FMR", "FNMR", "FNMR, mean over people"], rows)
        + f"\n\nCllr {c['cllr']:.4f} (best possible {c['min_cllr']:.4f}), ECE {percent(c['ece'])} at the trials' own "
        f"prior of {percent(c['prior'])}. Ten-fold accuracy, mean of {t['draws']} draws of {t['pairs']:,} pairs: "
        f"{t['mean']:.2%} (standard deviation between folds {percent(t['std'])}). Where LFW's own strangers have FMR "
        f"{own['fmr']:g}: FNMR {rated(own['fnmr'])}.{official}\n\n"
        "`python benchmarks/accuracy/lfw.py templates LFW_DIR lfw.npz`, then `python benchmarks/accuracy/lfw.py report "
        "lfw.npz strangers.npz --pairs pairs.txt --json benchmarks/results/lfw.json`"
    )


def videos(r: dict[str, Any]) -> str:
    rows = [
        [
            f"{p['target_fmr']:g}",
            rated(p["fmr_all_pairs"]),
            str(p["matches_in_2000_random_pairs"]),
            rated(p["fnmr_mated"]),
        ]
        for p in r["operating_points"]
    ]
    return (
        f"**Video against photo.** {r['clips']} clips of other sources, pooled probes, against every LFW photo; "
        f"mated are {len(r['mated_by_person'])} television clips. Few people: read the intervals with care. The people "
        "of the photos had a small part in the fit, as everybody in LFW; those of most clips had none.\n\n"
        + table(["target FMR", "FMR", "matches in 2,000 random non-mated pairs", "FNMR"], rows)
        + "\n\n`python benchmarks/accuracy/video_match.py SHARED_DATA templates.npz "
        "--json benchmarks/results/video_match.json`"
    )


def speed(r: dict[str, Any]) -> str:
    rows = [[row["what"], row["value"]] for row in r["rows"]]
    return (
        f"**Speed and memory.** Medians of one run on {r['machine']}; clips made for this, with one slice a picture as "
        "phones write them. PyAV's default threads share the slices of a picture, so such a clip decodes on one core; "
        "frame threads, which a check uses, take all.\n\n"
        + table(["what", "measured"], rows)
        + "\n\n`python benchmarks/speed/whole_check.py --json benchmarks/results/speed.json`"
    )


def engines(r: dict[str, Any]) -> str:
    head = ["engine", "jobs", "seconds", "share of the ideal speed", "peak memory", "10,000 jobs that do nothing"]
    rows = [
        [
            name,
            f"{r['jobs']:,}",
            f"{row['seconds']:.0f} s",
            percent(row["share_of_ideal"]),
            f"{row['peak_mb']:,.0f} MB",
            f"{row['seconds_of_10000_jobs_that_do_nothing']:.1f} s",
        ]
        for name, row in r["engines"].items()
    ]
    return (
        f"**A batch on each engine.** {r['workers']} workers on a machine of two cores; recordings of one second made "
        "for this, each with a reference, behind walls; from the first line of the command to its last, so that "
        "starting is in it. The ideal is what as many processes take without an engine, each on a core of its own.\n\n"
        + table(head, rows)
        + f"\n\n`python benchmarks/speed/engines.py WORK_DIR --jobs {r['jobs']} "
        "--json benchmarks/results/engines.json`"
    )


def metrics(r: dict[str, Any]) -> str:
    stream, sort = r["ways"]["stream"], r["ways"]["sort"]
    return (
        f"**Streaming metrics.** The threshold for FMR {r['target_fmr']:g} of {r['scores']:,} scores: the stream takes "
        f"{stream['cpu_s']:.1f} s of one core and {stream['peak_mb']:.0f} MB, keeping and sorting all takes "
        f"{sort['cpu_s']:.1f} s and {sort['peak_mb']:,.0f} MB ({r['sort_over_stream_memory']:.0f} times the memory; "
        f"{r['sort_over_stream_time']:.1f} times the time without that of making the scores), with the same result.\n\n"
        "`python benchmarks/speed/test_metrics_speed.py --json benchmarks/results/metrics.json`"
    )


EVALUATION = (
    "python benchmarks/accuracy/whole_evaluation.py run SHARED_DATA WORK_DIR "
    "--json benchmarks/results/evaluation.json --plot docs/confidence.svg"
)


def counted(rate: dict[str, Any]) -> str:
    return f"{rate['text']}; {percent(rate['low'])} to {percent(rate['high'])}" if rate["trials"] else "not measured"


def cost(r: dict[str, Any]) -> str:
    run = r["run"]
    text = (
        f"{r['trials']:,} trials over {r['videos']} videos and {r['photos']} photos took "
        f"{run['wall_s'] / 60:.1f} minutes and {run['cpu_s']:.0f} s of processor time with {run['workers']} workers"
    )
    if run["kept_busy"] is not None:
        text += f"; each was at work, or waiting for a core, {percent(run['kept_busy'])} of the time"
    return text + "."


def killed(r: dict[str, Any]) -> str:
    same = r["same_bytes"]
    at = ", ".join(f"{n:,}" for n in r["trials_finished_at_each"])
    return (
        f"A run of {r['trials']:,} trials was killed at {r['kills']} random moments (trials finished by then: {at}) "
        f"and resumed: {sum(same.values())} of its {len(same)} files have the same bytes as those of a run that was "
        "not killed.\n\n"
        "`python benchmarks/accuracy/whole_evaluation.py kill WORK_DIR "
        "--json benchmarks/results/evaluation_killed.json`"
    )


def evaluation(r: dict[str, Any]) -> str:
    whole, sure = r["report"]["transactions"], r["report"]["confidence"]
    worst = whole["iapar"][whole["iapar_worst"]]
    return (
        "**Whole checks, evaluated.** `idverify evaluate`: "
        + cost(r)
        + f" On the eval half: FRR {whole['frr']['text']}, FAR {whole['far']['text']}, worst IAPAR {worst['text']} "
        f"({whole['iapar_worst'].replace('_', ' ')}); ECE of the confidence "
        f"{percent(sure['ece'])} at the policy's prior. "
        "Species by species, and the reliability of the confidence: [Measure, and calibrate](evaluation.md).\n\n"
        f"`{EVALUATION}`"
    )


def evaluation_at_length(r: dict[str, Any]) -> str:
    report = r["report"]
    whole, sure, trials = report["transactions"], report["confidence"], report["trials"]
    rows = [["FRR: the right person, live, not accepted", counted(whole["frr"])]]
    rows += [[f"FRR, {g['name'].replace('_', ' ')}", counted(g)] for g in report["groups"].get("frr", [])]
    rows += [["FTE: reference photos that could not be enrolled", counted(whole["fte"])]]
    rows += [["GFRR: FRR with those who could not be enrolled", counted(whole["gfrr"])]]
    rows += [["FAR: another person, live, accepted", counted(whole["far"])]]
    rows += [[f"IAPAR {name.replace('_', ' ')}: accepted", counted(rate)] for name, rate in whole["iapar"].items()]
    bins = [
        [f"{b['predicted']:.3f}", f"{b['observed']:.3f}", f"{b['trials']:,}", str(b["right"])]
        for b in sure["reliability"]
    ]
    prior = ", ".join(f"{way} {share:g}" for way, share in (sure["weighted_to"] or {}).items())
    return (
        cost(r)
        + f"\n\nThe eval half has {trials['eval']['subjects']} people in {trials['eval']['videos']} videos. Not "
        "held back are the strangers, people of LFW, each with a small part in a mean that the comparison takes off, "
        "and not the cameras: the liveness scales were fitted on the bona fide clips of this same folder, so do not "
        "expect their rates from others; [liveness.md](liveness.md) has figures with the source left out. Frames of "
        "the same session are easier for the comparison than real use, and close to a re-shot reference, which "
        "liveness looks for. Simulated species say so in their name.\n\n"
        + table(["policy ial2, eval half", "rate (counts); 95 % Wilson interval"], rows)
        + "\n\n**Does the confidence mean what it says?** "
        f"{sure['genuine']:,} trials of the right person, live, {sure['impostor']:,} of another person and "
        f"{sure['attack']:,} of an attack that shows the right person, weighed as the policy's prior has it ({prior}): "
        f"ECE {percent(sure['ece'])}, Brier {sure['brier']:.4f}.\n\n"
        + table(["mean confidence", "share of the right", "trials", "of them right"], bins)
        + "\n\n![Reliability of the confidence](confidence.svg)\n\n"
        f"`{EVALUATION}`"
    )


def photos_in_short(r: dict[str, Any]) -> str:
    point = next(p for p in r["operating_points"] if p["target_fmr"] == 1e-4)
    return (
        f"- **Photo against photo** ({r['data']}): FNMR {rated(point['fnmr'])} at the threshold for FMR "
        f"1e-4, where FMR was {rated(point['fmr'])}."
    )


def videos_in_short(r: dict[str, Any]) -> str:
    point = next(p for p in r["operating_points"] if p["target_fmr"] == 1e-4)
    return (
        f"- **Video against photo** ({r['clips']} clips of other sources): FNMR {rated(point['fnmr_mated'])} and "
        f"FMR {rated(point['fmr_all_pairs'])} at the threshold for FMR 1e-4."
    )


def evaluation_in_short(r: dict[str, Any]) -> str:
    whole = r["report"]["transactions"]
    worst = whole["iapar"][whole["iapar_worst"]]
    return (
        f"- **Whole checks** (policy ial2, {r['trials']:,} trials, eval half): the right person not accepted "
        f"{whole['frr']['text']}, a stranger accepted {whole['far']['text']}, worst kind of attack accepted "
        f"{worst['text']} ({whole['iapar_worst'].replace('_', ' ')})."
    )


def speed_in_short(r: dict[str, Any]) -> str:
    rows = [row for row in r["rows"] if row["what"].startswith(("whole check", "a fresh process", "peak memory, 5 s"))]
    return f"- **Speed** ({r['machine']}): " + "; ".join(f"{row['what']} {row['value']}" for row in rows) + "."


def groups_in_short(r: dict[str, Any]) -> str:
    """Before and after, by group: the table of the promise."""
    key = "utkface_edge"
    head = ["group (UTKFace, 18 to 70 years, same sex and group)", "before", "now"]
    old, new = r["before"][key], r["after"][key]
    rows = [[a["group"], rated(a["fmr"]), rated(b["fmr"])] for a, b in zip(old["groups"], new["groups"], strict=True)]
    rows.append(["all people against all people", rated(old["all"]), rated(new["all"])])
    rows.append(
        ["stage photos of women of one look", rated(r["before"]["stage"]["fmr"]), rated(r["after"]["stage"]["fmr"])]
    )
    rows.append(["for comparison, LFW: all people", rated(r["before"]["lfw"]["fmr"]), rated(r["after"]["lfw"]["fmr"])])
    rows.append(
        ["LFW: FNMR at the same threshold", rated(r["before"]["lfw"]["fnmr"]), rated(r["after"]["lfw"]["fnmr"])]
    )
    return (
        "- **Groups of people**: strangers who match at the threshold called FMR 1e-4, each pair compared by what was "
        "fitted on neither of the two. "
        "What scores mean, and for whom: [docs/scores.md](docs/scores.md).\n\n" + table(head, rows)
    )


def groups(r: dict[str, Any]) -> str:
    parts = []
    for key, words in (("utkface_edge", "last row repeated around the picture"), ("utkface_black", "black around it")):
        new, (low, high) = r["after"][key], r["after"]["thresholds"]
        rows = [
            [g["group"], str(g["photos"]), rated(g["fmr"]), by_person(g["fmr"]), rated(g["fmr_as_labelled"])]
            for g in new["groups"]
        ]
        rows.append(
            ["all", str(new["photos"]), rated(new["all"]), by_person(new["all"]), rated(new["all_as_labelled"])]
        )
        head = ["group", "photos", "FMR", "95 % by person", "FMR, one photo a person taken at its word"]
        parts.append(
            f"**UTKFace, {words}**, at the threshold called FMR 1e-4 ({low:.3f} to {high:.3f}, by who is left out). "
            "Pairs known to show one person are left out but in the last column. Under 18, same sex, group and age "
            f"(two years): {rated(new['under_18_same_group_and_age'])}.\n\n" + table(head, rows)
        )
    stage, s = r["after"]["stage"], r["selfies"]
    parts.append(
        f"**Stage photos of women of one look**, {stage['people']} people: FMR {rated(stage['fmr'])}, "
        f"by person {by_person(stage['fmr'])}; FNMR {rated(stage['fnmr'])}."
    )
    parts.append(
        f"**Selfie videos against selfies of the same people**: missed {rated(s['fnmr_portrait'])} at the thresholds "
        f"for a portrait, {rated(s['fnmr_selfie'])} at those for a selfie ({s['thresholds']['selfie']:.3f}); lowest "
        f"mated similarity {s['lowest_mated']:.3f}, highest of strangers {s['highest_non_mated']:.3f}."
    )
    parts.append(
        "`python benchmarks/accuracy/strangers.py report lfw.npz strangers.npz selfies.json "
        "--json benchmarks/results/strangers.json`"
    )
    return "\n\n".join(parts)


def harmless(r: dict[str, Any]) -> str:
    asked = ("accept", "reject", "inconclusive", "untouched_inconclusive")
    rows, errors = [], 0
    for group in ("genuine", "attacks"):
        errors += r[group]["all changes"]["error"]["events"]
        for name, c in r[group].items():
            if name != "untouched":
                rows.append([group, name, *(with_bounds(c[outcome]) for outcome in asked)])
    shares = " and ".join(
        f"{r[group]['all changes']['accept']['of']:,} of the {n:,} {group} pairs" for group, n in r["pairs"].items()
    )
    attacks = r["attacks"]["all changes"]
    head = ["clips", "changes", "accepted", "rejected", "inconclusive", "the same clips untouched: inconclusive"]
    return (
        f"**Harmless changes.** Clips, cut to {r['seconds']:g} s, under {r['changes']} changes that recorders, muxers "
        f"and senders make; policy ial2. {shares} of a clip and a change were run, in an order drawn by chance, "
        f"simulated attacks last; {errors} ended in an error. Most genuine clips took part in fits, so that few of "
        "them are inconclusive even untouched says little about others; attacks are captured replays, the samples, and "
        "simulated ones, swaps and blends laid over genuine clips that the networks were trained on. "
        f"{attacks['clips_accepted_untouched']} of the {attacks['clips']} attacking clips are accepted as they are; "
        f"of the others' pairs {with_bounds(attacks['accepted_though_not_untouched'])} were accepted. Liveness alone, "
        f"with nobody compared, accepted {with_bounds(attacks['accepted_by_liveness_alone'])} of all.\n\n"
        + table(head, rows)
        + "\n\n`python benchmarks/accuracy/harmless_changes.py run SHARED_DATA WORK_DIR`, then "
        "`python benchmarks/accuracy/harmless_changes.py report WORK_DIR "
        "--json benchmarks/results/harmless_changes.json`"
    )


def with_bounds(rate: dict[str, Any]) -> str:
    if not rate["of"]:
        return "not asked"
    low, high = rate["ci95"]
    return f"{percent(rate['value'])} ({rate['events']:,} of {rate['of']:,}; {percent(low)} to {percent(high)})"


def turned(r: dict[str, Any]) -> str:
    words = ("right", "refused", "wrong")
    rows = [[angle, *(str(c[word]) for word in words)] for angle, c in r["angles"].items()]
    rows.append(["all", *(with_bounds(r["all"][word]) for word in words)])
    return (
        f"**Turned photos.** {r['photos']} photos turned before a grey ground. Right: it matches the photo as it is at "
        "the threshold called FMR 1e-4; wrong: it is taken for a stranger. Upright photos that were turned: "
        f"{r['upright photos that were turned']}.\n\n"
        + table(["degrees", "right", "refused", "wrong"], rows)
        + "\n\n`python benchmarks/accuracy/turned_pictures.py SHARED_DATA "
        f"--photos {r['asked_for']} "
        "--json benchmarks/results/turned_pictures.json`"
    )


def poor(r: dict[str, Any]) -> str:
    rows = [
        [row["way"], f"{row['photos']:,}", str(row["failures_to_enrol"]), rated(row["fmr"]), rated(row["fnmr"])]
        for row in r["ways"]
    ]
    return (
        "**Poor pictures.** LFW photos made worse, each against all photos as they are, at the threshold called "
        f"FMR {r['target_fmr']:g}, by the comparison that ships.\n\n"
        + table(["made worse", "photos", "no usable face", "FMR", "FNMR"], rows)
        + "\n\n`python benchmarks/accuracy/poor_pictures.py LFW_DIR lfw.npz "
        "--json benchmarks/results/poor_pictures.json`"
    )


def covered_in_short(r: dict[str, Any]) -> str:
    def said(name: str) -> str:
        of, covered = r[name]["of"], r[name]["covered"]
        low, high = percent(r[name]["low"]), percent(r[name]["high"])
        return f"{percent(covered / of)} ({covered:,} of {of:,}; {low} to {high})"

    bare = {"bare faces, lfw": "of bare faces in LFW", "bare faces, utkface": "of portraits in UTKFace"}
    bare |= {"faces of genuine clips": "of faces in genuine clips"}
    alarms = ", ".join(f"{said(name)} {words}" for name, words in bare.items() if name in r)
    return (
        "- **Covered faces, counted.** Of masks drawn in textures that it did not see, on people whom it did not see, "
        f"{said('covered: mask, textures held out')} are found. Taken for covered are {alarms} "
        "(`models/cards/occlusion.md` has the rest; `python benchmarks/accuracy/occlusion.py DIR "
        "--json benchmarks/results/occlusion.json`)."
    )


def by_person(rate: dict[str, Any]) -> str:
    low, high = rate.get("ci95_by_person", (None, None))
    return "too few people" if low is None else f"{percent(low)} to {percent(high)}"


def tries(rows: list[dict[str, Any]]) -> str:
    names = {
        "lfw_fnmr_at_1e-4": "LFW FNMR at its FMR 1e-4",
        "group_fmr": "there: FMR in groups",
        "all_fmr": "all",
        "all_unseen_padding_fmr": "all, unseen padding",
        "stage_fmr": "stage",
        "lfw_fnmr_where_all_1.5e-4": "LFW FNMR where all is 1.5e-4",
        "lfw_fnmr_where_stage_1e-2": "LFW FNMR where stage is 1 %",
    }
    cells = [[row["way"], *(percent(row[key]) for key in names)] for row in rows]
    return (
        "**What was tried**: each fitted on one half of the people and judged on the other, twice; what ships is "
        "fitted on twice as many, which does more than most of this. LFW FNMR at its own FMR 1e-4; at that threshold "
        "the FMR of UTKFace (mean of the eight groups, all, and all with another padding, unseen in the fit) and the "
        "stage photos; and "
        "LFW FNMR at the thresholds that hold the others to a rate.\n\n"
        + table(["way to compare", *names.values()], cells)
        + "\n\n`python benchmarks/accuracy/comparison_tries.py lfw.npz strangers.npz --json "
        "benchmarks/results/comparison_tries.json`"
    )


def service_latency(r: dict[str, Any]) -> str:
    rows = [
        [
            row["what"],
            f"{row['median']:.2f} {row['unit']} ({row['low']:.2f} to {row['high']:.2f}, {row['n']} rounds)",
            f"{row['bar']:g}" if row["bar"] is not None else "",
        ]
        for row in r["rows"]
    ]
    return (
        f"On {r['cores']} cores that had other work, too (load average {r['load_before']:.1f} before it began, "
        f"niceness of the run {r['niceness']}); the bars are meant for an idle machine. Recording "
        f"`{r['video']}`; medians and ranges.\n\n"
        + table(["what", "measured", "bar"], rows)
        + "\n\n`python benchmarks/service/latency.py --json benchmarks/results/service_latency.json`"
    )


def slow_connection(r: list[dict[str, Any]]) -> str:
    head = ["picture", "link to camera", "pieces", "sent", "answers: median", "longest", "of"]
    rows = [
        [
            row["picture"],
            f"{row['link_to_camera_s']:.1f} s",
            str(row["pieces"]),
            f"{row['kilobytes']:.0f} kB",
            f"{row['median_s']:.2f} s",
            f"{row['longest_s']:.2f} s",
            str(row["answers"]),
        ]
        for row in r
    ]
    return (
        f"Over {r[0]['kbit_s']} kbit/s and {r[0]['latency_ms']} ms (Chromium's emulation), from the end of a request's "
        "time to the arrival of the piece that holds its answer, by the server's clock:\n\n"
        + table(head, rows)
        + "\n\n`IDVERIFY_FIGURES=benchmarks/results pytest tests/browser/test_slow_connection.py`"
    )


Section = Callable[[Any], str]
# File -> its sections, in order; each is the name of a result and what to make of it.
SECTIONS: dict[str, list[tuple[str, Section]]] = {
    "README.md": [
        ("lfw", photos_in_short),
        ("video_match", videos_in_short),
        ("strangers", groups_in_short),
        ("evaluation", evaluation_in_short),
        ("speed", speed_in_short),
    ],
    "docs/figures.md": [
        ("lfw", photos),
        ("video_match", videos),
        ("evaluation", evaluation),
        ("peers", peers),
        ("speed", speed),
        ("engines", engines),
        ("metrics", metrics),
        ("harmless_changes", harmless),
        ("turned_pictures", turned),
    ],
    "docs/service.md": [("service_latency", service_latency), ("slow_connection", slow_connection)],
    "docs/limits.md": [("occlusion", covered_in_short)],
    "docs/scores.md": [("strangers", groups), ("poor_pictures", poor), ("comparison_tries", tries)],
    "docs/evaluation.md": [("evaluation", evaluation_at_length), ("evaluation_killed", killed)],
}


def render(sections: list[tuple[str, Section]]) -> str:
    parts = []
    for name, section in sections:
        path = RESULTS / f"{name}.json"
        if path.is_file():
            parts.append(section(json.loads(path.read_text(encoding="utf-8"))))
    return "\n\n".join(parts).replace("\n\n- ", "\n- ")


def rewrite(path: Path, sections: list[tuple[str, Section]], *, check: bool) -> bool:
    """Whether the file's block is what the results say; it is rewritten unless that is only checked."""
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    wanted = f"{before}{BEGIN}\n{render(sections)}\n{END}{after}"
    if not check:
        path.write_text(wanted, encoding="utf-8")
    return wanted == text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    same = [rewrite(ROOT / name, sections, check=args.check) for name, sections in SECTIONS.items()]
    return int(args.check and not all(same))


if __name__ == "__main__":
    sys.exit(main())

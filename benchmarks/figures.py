"""Write the figures of the README from the results of the benchmarks: no number there is typed by hand.

    python benchmarks/figures.py            # rewrites the block between the markers in README.md
    python benchmarks/figures.py --check    # exits 1 where the block is not what the results say

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
    c, t = r["calibration"], r["ten_fold_accuracy"]
    return (
        f"**One photo against one photo.** {r['data']}: {r['people']:,} people, {r['photos']:,} photos, "
        f"{r['failures_to_enrol']} failures to enrol in both halves; {r['mated']:,} mated and {r['non_mated']:,} "
        "non-mated "
        "comparisons. Thresholds come from the other half of the people. In brackets: counts and 95 % Wilson interval "
        "by comparison.\n\n"
        + table(["target FMR", "FMR", "FNMR", "FNMR, mean over people"], rows)
        + f"\n\nCllr {c['cllr']:.4f} (best possible {c['min_cllr']:.4f}), ECE {percent(c['ece'])} at the trials' own "
        f"prior of {percent(c['prior'])}. Ten-fold accuracy on {t['pairs']:,} pairs of test-half people: "
        f"{percent(t['mean'])} "
        f"(standard deviation {percent(t['std'])}).\n\n"
        "`python benchmarks/accuracy/lfw.py templates LFW_DIR templates.npz`, then "
        "`python benchmarks/accuracy/lfw.py report templates.npz --json benchmarks/results/lfw.json`"
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
        f"mated are {len(r['mated_by_person'])} television clips. Few people: read the intervals with care.\n\n"
        + table(["target FMR", "FMR", "matches in 2,000 random non-mated pairs", "FNMR"], rows)
        + "\n\n`python benchmarks/accuracy/video_match.py SHARED_DATA templates.npz "
        "--json benchmarks/results/video_match.json`"
    )


def speed(r: dict[str, Any]) -> str:
    rows = [[row["what"], row["value"]] for row in r["rows"]]
    return (
        f"**Speed and memory.** Medians of one run on {r['machine']}.\n\n"
        + table(["what", "measured"], rows)
        + "\n\n`python benchmarks/speed/whole_check.py --json benchmarks/results/speed.json`"
    )


SECTIONS: dict[str, Callable[[dict[str, Any]], str]] = {
    "lfw": photos,
    "video_match": videos,
    "peers": peers,
    "speed": speed,
}


def render() -> str:
    parts = []
    for name, section in SECTIONS.items():
        path = RESULTS / f"{name}.json"
        if path.is_file():
            parts.append(section(json.loads(path.read_text(encoding="utf-8"))))
    return "\n\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    wanted = f"{before}{BEGIN}\n{render()}\n{END}{after}"
    if args.check:
        return int(wanted != text)
    readme.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

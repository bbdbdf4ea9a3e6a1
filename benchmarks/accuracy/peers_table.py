"""The table of ``peers.py`` from its results; imports nothing heavy, so that figures can be written anywhere."""

from __future__ import annotations

from typing import Any

COMMAND = "python benchmarks/accuracy/peers.py SHARED_DATA --people 300 --json benchmarks/results/peers.json"


def markdown(result: dict[str, Any]) -> str:
    others = "; ".join(f"{name} ({what})" for name, what in result["others"].items())
    lines = [
        f"**Peers side by side.** {result['photos']} photos of {result['people']} people (LFW's test half, those of "
        "the clips), all pairs; each clip against each photo. All peers see the same faces and landmarks; each stands "
        f"at its own documented threshold. What idverify takes off faces was fitted on means of all of LFW, these "
        f"people among them. face_recognition: {result['face_recognition']}. Tried as well, "
        f"not in the table: {others}.",
        "",
        "| peer, threshold | photos FMR | photos FNMR "
        f"| FNMR at FMR {result['common_fmr']:g} | clips FMR | clips FNMR |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in result["comparison"]:
        figures = (*row["photos"].values(), row["photos_fnmr_at_common_fmr"], *row["clips"].values())
        lines.append(f"| {row['peer']}, {row['threshold']} | " + " | ".join(percent(f) for f in figures) + " |")
    lines += ["", "| liveness | bona fide: accept / reject / inconclusive | replays: the same |", "| --- | --- | --- |"]
    for row in result["liveness"]:
        cells = [row["note"], ""] if "note" in row else []
        cells = cells or [" / ".join(map(str, row[p].values())) for p in ("bona_fide", "attack")]
        lines.append(f"| {row['peer']} | {cells[0]} | {cells[1]} |")
    lines += [
        "",
        "idverify's recapture network was trained on pictures of these very clips; what it says of clips left out of "
        "its training is in [liveness.md](liveness.md).",
        "",
        f"`{COMMAND}`",
    ]
    return "\n".join(lines)


def percent(figure: dict[str, Any]) -> str:
    if figure["events"] == 0:
        return f"< {300 / figure['of']:.2g} % (0 of {figure['of']})"
    return f"{100 * figure['value']:.3g} % ({figure['events']} of {figure['of']})"

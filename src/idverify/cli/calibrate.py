"""``idverify calibrate``: fit thresholds and the LLR map to a service's own scores.

Public items: :data:`calibrate_command`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from idverify.cli.numbers import FiniteRange
from idverify.text import foreign

if TYPE_CHECKING:
    from idverify.evaluation.recalibration import Recalibration

__all__ = ["calibrate_command"]


@click.command(name="calibrate")
@click.argument("scores", type=click.Path(path_type=Path))
@click.option(
    "--target-fmr",
    "targets",
    type=FiniteRange(0.0, 1.0, min_open=True, max_open=True),
    multiple=True,
    required=True,
    help="False match rate to set a threshold for; may be given several times.",
)
@click.option(
    "--reference",
    "kind",
    type=click.Choice(["portrait", "selfie", "document"]),
    default="portrait",
    show_default=True,
    help="What the references of the trials are; a policy that names another kind refuses the card.",
)
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Card to write.")
def calibrate_command(scores: Path, targets: tuple[float, ...], kind: str, output: Path) -> None:
    """Fit a calibration card to SCORES, the scores.csv of idverify evaluate.

    Trials of split dev are fitted, trials of split eval judge the result. A target that the trials cannot show is
    refused: FMR 1e-4 takes non-mated comparisons of 30,000 different pairs of people. Where the trials name groups or
    cameras, thresholds hold for the least favoured of those with enough comparisons to show it. The card speaks only
    for the models that made the scores.

    Exit codes: 0 written, 2 wrong usage, 4 too few trials or files that cannot be read.
    """
    from idverify.comparison.calibration import write_card
    from idverify.evaluation.recalibration import recalibrate

    result = recalibrate(scores, targets, kind=kind)
    write_card(result.card, output)
    click.echo(
        "\n".join([f"{foreign(output)}: {_counts(result)}", *_thresholds(result), *_groups(result), *_quality(result)])
    )


def _counts(result: Recalibration) -> str:
    counts = result.card.counts
    compared = f"{counts['mated']} mated and {counts['non_mated']} non-mated comparisons"
    return f"fitted on {compared} of {counts['people']} people"


def _thresholds(result: Recalibration) -> list[str]:
    lines = []
    (kind,) = result.card.kinds.values()
    for target, threshold in kind.thresholds.items():
        line = f"  FMR {target:g}: similarity >= {threshold:.4f}"
        if result.held_back is not None:
            fmr, fnmr = result.held_back.errors[target]
            line += f"; on eval: FMR {fmr}, FNMR {fnmr}"
        lines.append(line)
    return lines


def _groups(result: Recalibration) -> list[str]:
    """What each group had at the thresholds, most alike first."""
    rows = sorted(result.card.groups[1:], key=lambda group: -group.non_mated_mean)
    return [
        f"  {foreign(group.name)}: strangers score {group.non_mated_mean:.3f} on average; false matches "
        + ", ".join(f"{found} of {group.non_mated} at FMR {target:g}" for target, (found, _) in group.errors.items())
        for group in rows
    ]


def _quality(result: Recalibration) -> list[str]:
    held_back = result.held_back
    if held_back is None:
        return ["  not judged: split eval does not hold both mated and non-mated comparisons"]
    return [
        f"  on eval: Cllr {held_back.cllr:.4f} bits (at best {held_back.min_cllr:.4f} with the same ordering), "
        f"ECE {100 * held_back.ece:.3g} %"
    ]

"""``idverify trials``: make a trials file from a data set's folder.

Public items: :data:`trials_command`.
"""

from __future__ import annotations

import inspect
from collections import Counter
from pathlib import Path
from typing import Any

import click

from idverify.protocols import PROTOCOLS, write_trials
from idverify.text import foreign

__all__ = ["trials_command"]


@click.command(name="trials")
@click.argument("name", type=click.Choice(sorted(PROTOCOLS)))
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="CSV to write.")
@click.option("--protocol", help="The set's protocol, where it has several (OULU-NPU: 1 to 4; CFP: FF or FP).")
@click.option("--fold", type=int, help="The fold left for evaluation, where the protocol has folds.")
def trials_command(name: str, root: Path, output: Path, protocol: str | None, fold: int | None) -> None:
    """Write the trials of the data set NAME, which lies in the folder ROOT, with its published split."""
    load = PROTOCOLS[name]
    options: dict[str, Any] = {k: v for k, v in (("protocol", protocol), ("fold", fold)) if v is not None}
    unknown = sorted(options.keys() - inspect.signature(load).parameters.keys())
    if unknown:
        raise click.UsageError(f"{name} has no option --{unknown[0]}")
    if name == "oulu-npu" and protocol is not None:
        if not protocol.isdecimal():
            raise click.BadParameter("expected a number from 1 to 4", param_hint="--protocol")
        options["protocol"] = int(protocol)
    trials = load(root, **options)
    write_trials(trials, output)
    counts = Counter((trial.split.value, trial.presentation.value) for trial in trials)
    shown = ", ".join(f"{n} {split} {presentation}" for (split, presentation), n in sorted(counts.items()))
    click.echo(f"{foreign(output)}: {len(trials)} trials ({shown})")

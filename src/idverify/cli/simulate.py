"""``idverify simulate``: make a simulated attack, or a degraded bona fide clip, to drill a deployment.

Public items: :data:`simulate_command`.
"""

from __future__ import annotations

from pathlib import Path

import click

from idverify.text import foreign

__all__ = ["simulate_command"]

_FILE = click.Path(path_type=Path)


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Read WIDTHxHEIGHT."""
    if value is None:
        return None
    width, _, height = value.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and 16 <= int(width) <= 4096 and 16 <= int(height) <= 4096):
        raise click.BadParameter("expected WIDTHxHEIGHT between 16x16 and 4096x4096, as in 720x1280")
    return int(width), int(height)


def _settings(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, float]:
    """Read NAME=NUMBER pairs."""
    pairs: dict[str, float] = {}
    for text in value:
        name, _, number = text.partition("=")
        try:
            pairs[name.strip()] = float(number)
        except ValueError:
            raise click.BadParameter(f"expected NAME=NUMBER, got {foreign(text)!r}") from None
    return pairs


def _list(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print every species with its parameters, and stop."""
    if not value or ctx.resilient_parsing:
        return
    from idverify.simulation import DEGRADATIONS, SPECIES, parameters_of

    for row in SPECIES.values():
        needs = " (needs --other)" if row.needs_other else " (needs a video)" if row.needs_clip else ""
        click.echo(f"{row.name:20} {row.channel:12} {row.summary}{needs}")
        names = ", ".join(parameters_of(row.name))
        if names:
            click.echo(f"{'':33} --set: {names}")
    click.echo(f"--degrade: {', '.join(DEGRADATIONS)}")
    ctx.exit()


@click.command("simulate")
@click.argument("species")
@click.argument("source", type=_FILE, metavar="INPUT")
@click.option("-o", "--output", type=_FILE, required=True, metavar="OUT.mp4", help="MP4, MOV or MKV; replaces a file.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The same seed, the same file.")
@click.option("--other", type=_FILE, metavar="FILE", help="The second person, for species that need one.")
@click.option("--degrade", multiple=True, metavar="KIND", help="Make it hard to judge; may be repeated. See --list.")
@click.option("--strength", type=click.FloatRange(0, 1), help="Of --degrade; drawn from the seed if left out.")
@click.option("--size", "size_wh", callback=_size, metavar="WxH", help="Picture of the simulated camera.")
@click.option("--duration", type=float, default=5.0, show_default=True, metavar="SECONDS", help="Longest result.")
@click.option("--rate", type=float, default=30.0, show_default=True, metavar="HZ", help="Of the simulated camera.")
@click.option("--set", "params", multiple=True, callback=_settings, metavar="NAME=NUMBER", help="See --list.")
@click.option("--list", is_flag=True, is_eager=True, expose_value=False, callback=_list, help="Show every species.")
def simulate_command(
    species: str,
    source: Path,
    output: Path,
    seed: int,
    other: Path | None,
    degrade: tuple[str, ...],
    strength: float | None,
    size_wh: tuple[int, int] | None,
    duration: float,
    rate: float,
    params: dict[str, float],
) -> None:
    """Make an attack of kind SPECIES from INPUT, a bona fide video or a photo.

    The file says in its comment tag that it is simulated. With SPECIES bona_fide and --degrade it is the honest clip
    made hard: dark, blurred, far away. Show every species and its parameters with --list.
    """
    from idverify.simulation import simulate

    written = simulate(
        species,
        source,
        output,
        seed=seed,
        other=other,
        degrade=degrade,
        strength=strength,
        size_wh=size_wh,
        duration_s=duration,
        rate_hz=rate,
        **params,
    )
    click.echo(f"{foreign(written)}: simulated {species}, seed {seed}", err=True)

"""``idverify simulate``: make a simulated attack, or a degraded bona fide clip, to drill a deployment.

Public items: :data:`simulate_command`.
"""

from __future__ import annotations

from pathlib import Path

import click

from idverify.cli.numbers import FiniteRange
from idverify.errors import ParameterError
from idverify.text import foreign

__all__ = ["simulate_command"]

_FILE = click.Path(path_type=Path)
_NUMBER = FiniteRange()


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
    from idverify.simulation import CODECS, DEGRADATIONS, INSTRUMENTS, SPECIES, parameters_of

    for row in SPECIES.values():
        needs = " (needs --other)" if row.needs_other else " (needs a video)" if row.needs_clip else ""
        needs = " (needs --challenge)" if row.needs_challenge else needs
        click.echo(f"{row.name:20} {row.channel:12} {row.summary}{needs}")
        names = ", ".join(parameters_of(row.name))
        if names:
            click.echo(click.wrap_text(f"--set: {names}", 120, initial_indent=" " * 34, subsequent_indent=" " * 41))
    click.echo(f"--degrade: {', '.join(DEGRADATIONS)}")
    click.echo(f"--shown: {', '.join(INSTRUMENTS)}")
    click.echo(f"--codec: {', '.join(CODECS)}")
    ctx.exit()


def _about(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Print what one species is and what each of its parameters does, and stop."""
    if value is None or ctx.resilient_parsing:
        return
    from idverify.simulation import SPECIES, parameter_words, parameters_of

    try:
        defaults = parameters_of(value)
    except ParameterError as error:
        raise click.BadParameter(str(error), ctx, param) from None
    row = SPECIES[value]
    click.echo(f"{row.name}: {row.summary}")
    words = parameter_words(value)
    for name, default in defaults.items():
        drawn = "drawn from the seed" if default is None else f"{default:g}"
        click.echo(f"  {name} ({drawn})")
        click.echo(click.wrap_text(words.get(name, ""), 100, initial_indent=" " * 6, subsequent_indent=" " * 6))
    ctx.exit()


@click.command("simulate")
@click.argument("species")
@click.argument("source", type=_FILE, metavar="INPUT")
@click.option(
    "-o", "--output", type=_FILE, required=True, metavar="OUT.mp4", help="MP4, MOV, MKV, WebM; replaces a file."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The same seed, the same file.")
@click.option("--other", type=_FILE, metavar="FILE", help="The second person, or the clip that drives a photo.")
@click.option("--challenge", type=_FILE, metavar="FILE", help="The challenge that is answered, for species that do.")
@click.option("--shown", default="injected", show_default=True, metavar="ON", help="What shows it; see --list.")
@click.option("--codec", default="h264", show_default=True, metavar="NAME", help="Encoder of the file; see --list.")
@click.option("--crf", type=FiniteRange(0, 51), help="Quality as x264 counts it: 17 is very good, 30 poor.")
@click.option("--degrade", multiple=True, metavar="KIND", help="Make it hard to judge; may be repeated. See --list.")
@click.option("--strength", type=FiniteRange(0, 1), help="Of --degrade; drawn from the seed if left out.")
@click.option("--size", "size_wh", callback=_size, metavar="WxH", help="Picture of the simulated camera.")
@click.option("--duration", type=_NUMBER, default=5.0, show_default=True, metavar="SECONDS", help="Longest result.")
@click.option("--rate", type=_NUMBER, default=30.0, show_default=True, metavar="HZ", help="Of the simulated camera.")
@click.option("--set", "params", multiple=True, callback=_settings, metavar="NAME=NUMBER", help="See --list.")
@click.option("--about", is_eager=True, expose_value=False, callback=_about, metavar="SPECIES", help="Explain one.")
@click.option("--list", is_flag=True, is_eager=True, expose_value=False, callback=_list, help="Show every species.")
@click.pass_context
def simulate_command(
    ctx: click.Context,
    species: str,
    source: Path,
    output: Path,
    seed: int,
    other: Path | None,
    challenge: Path | None,
    shown: str,
    codec: str,
    crf: float | None,
    degrade: tuple[str, ...],
    strength: float | None,
    size_wh: tuple[int, int] | None,
    duration: float,
    rate: float,
    params: dict[str, float],
) -> None:
    """Make an attack of kind SPECIES from INPUT, a bona fide video or a photo.

    The file says in its comment tag that it is simulated. With SPECIES bona_fide and --degrade it is the honest clip
    made hard: dark, blurred, far away. Show every species with --list, what its parameters do with --about.

    Exit codes: 0 written, 2 wrong usage, 4 media or model error.
    """
    from idverify.simulation import simulate

    try:
        written = simulate(
            species,
            source,
            output,
            seed=seed,
            other=other,
            challenge=challenge,
            shown=shown,
            codec=codec,
            crf=crf,
            degrade=degrade,
            strength=strength,
            size_wh=size_wh,
            duration_s=duration,
            rate_hz=rate,
            **params,
        )
    except ParameterError as error:
        raise click.UsageError(str(error), ctx) from error
    click.echo(f"{foreign(written)}: simulated {species}, seed {seed}", err=True)

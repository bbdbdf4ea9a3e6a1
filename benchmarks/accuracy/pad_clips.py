"""The clips of the liveness benchmark: what is shown, in the order in which it is judged.

Real clips come first, then round after round one source through all species, so that a run that is stopped early has
seen every species. Simulated takes are written once and kept. Every parameter of a species is varied, by the clip's
name, not only what the species draws itself: an attacker does not keep to defaults. The strong species have takes of
their own (pad_takes.py).
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pad_rows import Clip
from pad_takes import SPECIES as STRONG

from idverify.simulation import DEGRADATIONS, SPECIES, parameters_of, simulate

__all__ = ["Item", "halves", "items", "make"]

# Clips that attacks are made from, in the order in which they are: one at least of each kind of camera.
SOURCE_CLIPS = (
    "lp_s20",
    "talk_katie_hill",
    "lp_d12",
    "webcam_man_expressions",
    "lp_d9",
    "tv_tony_blair",
    "lp_d18",
    "grid_lbax4n",
    "lp_d3",
    "talk_vrt_2",
    "lp_d6",
    "webcam_les_dark_room",
)
# Photos that attacks are made from.
SOURCE_PHOTOS = 6
# Modules of the simulator whose species show one picture, however it moves.
ONE_PICTURE_FAMILIES = ("prints", "masks", "stills", "animation")
# Far beyond what a species draws itself, where its default is to draw: an attacker may choose any of it.
WIDE = {
    "turn": (0.0, 5.0),
    "grain": (0.0, 5.0),
    "speech": (0.0, 1.0),
    "glare": (0.0, 1.0),
    "flicker": (0.0, 0.4),
    "moire": (0.0, 1.0),
    "gloss": (0.0, 1.0),
    "fill": (0.8, 1.4),
    "feather": (0.01, 0.2),
}
# Which part of a clip is altered is no strength.
FIXED = frozenset({"at", "hole", "period", "steps"})
# Where a parameter with a number for its default may go: up to this many times as much, or as little.
FACTOR = 2.5
# The simulated camera: small, to spare time. A still face is proof from three seconds on.
SIZE_WH, DURATION_S = (480, 854), 3.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A clip and how to get its file.

    Parameters
    ----------
    clip, path
    recipe
        Arguments of :func:`idverify.simulation.simulate` but for the output; None for a real clip.
    one_picture_of
        The source whose sharpest picture is all that it shows.
    """

    clip: Clip
    path: Path
    recipe: dict[str, object] | None = None
    one_picture_of: Path | None = None


def make(item: Item) -> None:
    """Write the take of an item, unless it is there."""
    if item.recipe is None or item.path.exists():
        return
    item.path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = item.path.with_suffix(".part.mp4")
    simulate(output=unfinished, **item.recipe)
    unfinished.rename(item.path)


def varied(species: str, name: str) -> dict[str, float]:
    """Parameters of a species for the clip of this name: about half of them given, far from where they usually are."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    given = {}
    for parameter, default in parameters_of(species).items():
        share, low_high = rng.random(), WIDE.get(parameter)
        if parameter in FIXED or share < 0.5:
            continue
        if low_high is not None:
            given[parameter] = round(float(rng.uniform(*low_high)), 3)
        elif isinstance(default, int | float):
            given[parameter] = round(float(default) * FACTOR ** float(rng.uniform(-1, 1)), 3)
    return given


def source_of(subject: str) -> str:
    """The same man stands under his name and as ``webcam_NAME``."""
    return subject.removeprefix("webcam_")


def halves(sources: Sequence[str]) -> dict[str, str]:
    """Every other source is for thresholds (dev), the rest for errors (eval); the first of a name counts."""
    return {source: ("dev", "eval")[k % 2] for k, source in enumerate(dict.fromkeys(sources))}


def items(data: Path, out: Path, photos: Sequence[Path]) -> Iterator[Item]:
    """All clips.

    Parameters
    ----------
    data, out
        The real clips; where the takes are kept.
    photos
        Photos to make attacks from, of different people.
    """
    with (data / "videos.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    files = {Path(line["path"]).stem: data / line["path"] for line in lines}
    subjects = {Path(line["path"]).stem: source_of(line["subject"]) for line in lines}
    made_from = {subjects[name]: files[name] for name in SOURCE_CLIPS} | {p.stem: p for p in photos}
    half = halves([*made_from, *sorted(subjects.values())])
    for line in lines:
        name = Path(line["path"]).stem
        yield Item(clip=_real(line, subjects[name], half[subjects[name]]), path=files[name])
    sources = list(made_from.items())
    order = _interleaved(sources[: len(SOURCE_CLIPS)], sources[len(SOURCE_CLIPS) :])
    for k, (source, path) in enumerate(order):
        other = order[(k + 1) % len(order)][1]
        for clip, options in _takes(source, half[source], is_photo=path in photos):
            yield _item(clip, options, path, other, out)


def _interleaved(clips: list[tuple[str, Path]], photos: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Two clips (one of each half), then two photos, and so on."""
    order = []
    for k in range(0, max(len(clips), len(photos)), 2):
        order += clips[k : k + 2] + photos[k : k + 2]
    return order


def _real(line: dict[str, str], source: str, half: str) -> Clip:
    folder = Path(line["path"]).parent.name
    material = {"bona_fide": "bona_fide", "attack": "captured"}.get(folder, "apart")
    species = line["pai_species"] or ("bona_fide" if material == "bona_fide" else folder)
    return Clip(
        clip=Path(line["path"]).stem,
        presentation=line["presentation"],
        material=material,
        species=species,
        source=source,
        half=half,
    )


def _takes(source: str, half: str, *, is_photo: bool) -> Iterator[tuple[Clip, dict[str, object]]]:
    """Every species and degradation that this source can be made into."""

    def named(species: str, presentation: str, material: str) -> Clip:
        return Clip(
            clip=f"{species}-{source}",
            presentation=presentation,
            material=material,
            species=species,
            source=source,
            half=half,
        )

    for name, species in SPECIES.items():
        if name in STRONG or species.channel == "bona_fide" or (is_photo and species.needs_clip):
            continue
        clip = named(name, "attack", "simulated")
        yield clip, {"species": name, "needs_other": species.needs_other, **varied(name, clip.clip)}
    for name in () if is_photo else DEGRADATIONS:
        options = {"species": "bona_fide", "degrade": (name,), "needs_other": False}
        yield named(name, "bona_fide", "degraded"), options


def _item(clip: Clip, options: dict[str, object], source: Path, other: Path, out: Path) -> Item:
    species = str(options["species"])
    recipe = {
        **{name: value for name, value in options.items() if name != "needs_other"},
        "source": source,
        "other": other if options["needs_other"] else None,
        # Each source draws its own strengths.
        "seed": zlib.crc32(clip.source.encode()) % 1000,
        "size_wh": SIZE_WH,
        "duration_s": DURATION_S,
    }
    family = SPECIES[species].make.__module__.rpartition(".")[2]
    shown = source if family in ONE_PICTURE_FAMILIES else None
    return Item(clip=clip, path=out / "takes" / f"{clip.clip}.mp4", recipe=recipe, one_picture_of=shown)

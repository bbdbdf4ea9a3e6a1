"""The clips of the liveness benchmark: what is shown, in the order in which it is judged.

Real clips come first, then round after round one source through all species, so that a run that is stopped early has
seen every species. Simulated takes are written once and kept.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pad_rows import Clip

from idverify.simulation import DEGRADATIONS, SPECIES, simulate

__all__ = ["Item", "halves", "items"]

# Clips that attacks are made from, one at least of each kind of camera.
SOURCE_CLIPS = ("lp_s20", "talk_katie_hill", "lp_d12", "webcam_man_expressions", "talk_vrt_1", "lp_d13")
# Photos that attacks are made from.
SOURCE_PHOTOS = 2
# Modules of the simulator whose species show one picture, however it moves.
ONE_PICTURE_FAMILIES = ("prints", "masks", "stills", "animation")
# The simulated camera: small, to spare time.
SIZE_WH, DURATION_S = (480, 854), 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A clip and how to get its file; `one_picture_of` is the source whose sharpest picture is all that it shows."""

    clip: Clip
    path: Path
    make: Callable[[], object] | None = None
    one_picture_of: Path | None = None


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
    """Two clips (one of each half), then the photos, then the other clips."""
    return clips[:2] + photos + clips[2:]


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
        if species.channel != "bona_fide" and not (is_photo and species.needs_clip):
            yield named(name, "attack", "simulated"), {"species": name, "needs_other": species.needs_other}
    for name in () if is_photo else DEGRADATIONS:
        options = {"species": "bona_fide", "degrade": (name,), "needs_other": False}
        yield named(name, "bona_fide", "degraded"), options


def _item(clip: Clip, options: dict[str, object], source: Path, other: Path, out: Path) -> Item:
    path = out / "takes" / f"{clip.clip}.mp4"
    options = dict(options)
    species, needs_other = str(options.pop("species")), options.pop("needs_other")

    def make() -> None:
        unfinished = path.with_suffix(".part.mp4")
        simulate(
            species,
            source,
            unfinished,
            seed=0,
            size_wh=SIZE_WH,
            duration_s=DURATION_S,
            other=other if needs_other else None,
            **options,
        )
        unfinished.rename(path)

    family = SPECIES[species].make.__module__.rpartition(".")[2]
    return Item(clip=clip, path=path, make=make, one_picture_of=source if family in ONE_PICTURE_FAMILIES else None)

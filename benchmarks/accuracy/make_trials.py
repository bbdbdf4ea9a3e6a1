"""Make a trials file over the clips and photos of a data folder.

Run: ``python benchmarks/accuracy/make_trials.py DATA -o trials.csv [--photos N] [--seed N]``, then
``idverify evaluate trials.csv --out DIR``.

DATA holds ``videos.csv`` or ``videos/videos.csv`` (path, presentation, pai_species, subject) and ``lfw/PERSON/*.jpg``.
Every clip meets every photo of its own person that there is, and N photos of other people. People, not trials, are
shared out to dev and eval, so that nobody is in both.
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path

from idverify.protocols import Presentation, Split, Trial, write_trials

HALVES = (Split.DEV, Split.EVAL)


def read_clips(data: Path) -> list[dict[str, str]]:
    tables = [data / "videos.csv", data / "videos" / "videos.csv"]
    with next(t for t in tables if t.is_file()).open(encoding="utf-8", newline="") as file:
        # A recording of several people is no trial of one of them.
        return [row for row in csv.DictReader(file) if "+" not in row["subject"]]


def trial(data: Path, clip: dict[str, str], photo: Path, split: Split) -> Trial:
    person = photo.parent.name
    return Trial(
        video=str(data / clip["path"]),
        reference=str(photo),
        mated=person == clip["subject"],
        presentation=Presentation(clip["presentation"]),
        pai_species=clip["pai_species"],
        subject=clip["subject"],
        reference_subject=person,
        device=Path(clip["path"]).stem.split("_")[0],
        split=split,
    )


def make_trials(data: Path, photos: int, seed: int) -> list[Trial]:
    rng = random.Random(seed)
    people = sorted(p.name for p in (data / "lfw").iterdir() if p.is_dir())
    clips = read_clips(data)
    subjects = sorted({clip["subject"] for clip in clips})
    rng.shuffle(subjects)
    half_of = {name: HALVES[n % 2] for n, name in enumerate(subjects)}
    rng.shuffle(people)
    strangers = [p for p in people if p not in half_of]
    of_half = {
        half: [sorted((data / "lfw" / p).glob("*.jpg"))[0] for p in strangers[n::2]][:photos]
        for n, half in enumerate(HALVES)
    }
    trials = []
    for clip in clips:
        half = half_of[clip["subject"]]
        own = sorted((data / "lfw" / clip["subject"]).glob("*.jpg"))
        trials += [trial(data, clip, photo, half) for photo in (*own, *of_half[half])]
    return trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--photos", type=int, default=340, help="photos of other people that each clip meets")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    trials = make_trials(arguments.data.resolve(), arguments.photos, arguments.seed)
    write_trials(trials, arguments.output)
    print(f"{arguments.output}: {len(trials)} trials")


if __name__ == "__main__":
    main()

"""Make a trials file over the clips and photos of a data folder, with simulated attacks beside the captured ones.

    python benchmarks/accuracy/make_trials.py SHARED_DATA WORK_DIR [--photos N] [--seed N] [--workers N]

SHARED_DATA holds ``videos.csv`` (path, presentation, pai_species, subject) and ``lfw/PERSON/*.jpg``. WORK_DIR receives
``trials.csv``, frames of clips as ``references/*.jpg``, and simulated attacks as ``takes/*.mp4``, which are kept.

- Every bona fide clip meets N photos of other people, all of LFW's test half. What the comparison takes off was fitted
  on means of all of LFW: each of these people has a part of a thousandth or less in it.
- Mated: the person's LFW photos (group ``other_session``), and two frames of the clip itself where it lasts long enough
  (group ``same_session``). The latter is easier for the comparison than real use, and harder for the mechanism that
  looks for re-shot references, since such a frame is one.
- Attacks meet photos of the person they show: captured replays, prints and screens and files made from LFW photos
  (against another photo of that person), and simulated replays of clips (against the clip's person).

People, not trials, are shared out to dev and eval, so that nobody is in both.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
from comparison_sets import SAME_PERSON, is_test

from idverify.media import open_recording
from idverify.models import cores
from idverify.protocols import Presentation, Split, Trial, write_trials
from idverify.simulation import simulate

HALVES = (Split.DEV, Split.EVAL)
# Attacks made from one photo, and attacks that play a clip; people and clips in each half that they are made from.
FROM_PHOTOS = ("print_flat", "print_shaken", "photo_panned", "photo_animated")
FROM_CLIPS = ("replay_phone", "replay_monitor")
SOURCES = 3
# A clip's own frames are far apart in time only in a clip of this length.
MIN_CLIP_S = 5.0
# Frames are taken this far from both ends.
MARGIN_S = 0.5
# The simulated camera: small and short, to spare time.
CAMERA = {"size_wh": (480, 854), "duration_s": 4.0, "seed": 0}


@dataclass(frozen=True, kw_only=True)
class Take:
    """A simulated attack and the photos that it is tried against."""

    species: str
    source: Path
    subject: str
    split: Split
    references: tuple[Path, ...]

    def path(self, work: Path) -> Path:
        return work / "takes" / f"{self.species}-{self.source.stem}.mp4"


def read_clips(data: Path) -> list[dict[str, str]]:
    with (data / "videos.csv").open(encoding="utf-8", newline="") as file:
        # A recording of several people is no trial of one of them.
        return [row for row in csv.DictReader(file) if "+" not in row["subject"]]


def own_frames(clip: Path, work: Path) -> tuple[Path, ...]:
    """Two frames of a clip as photos, named by their times."""
    folder = work / "references"
    folder.mkdir(parents=True, exist_ok=True)
    if not (found := sorted(folder.glob(f"{clip.stem}@*.jpg"))):
        with open_recording(clip) as recording:
            times = [frame.time_s for frame in recording]
        wanted = [times[0] + MARGIN_S, times[-1] - MARGIN_S]
        with open_recording(clip) as recording:
            for frame in recording:
                if wanted and frame.time_s >= wanted[0]:
                    path = folder / f"{clip.stem}@{wanted.pop(0):06.2f}.jpg"
                    picture = cv2.cvtColor(frame.image_rgb(), cv2.COLOR_RGB2BGR)
                    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
                    found.append(path)
    return tuple(found)


def far_apart(frames: Sequence[Path]) -> tuple[Path, ...]:
    """The frames, where the clip that they are of is long enough."""
    times = [float(path.stem.rpartition("@")[2]) for path in frames]
    return tuple(frames) if times[-1] - times[0] + 2 * MARGIN_S >= MIN_CLIP_S else ()


def references_of(data: Path, subject: str, frames: dict[str, tuple[Path, ...]]) -> tuple[Path, ...]:
    """Photos of a person that are not frames of the presentation itself."""
    for folder in (data / "lfw" / subject, data / "crops" / subject / "bona_fide"):
        if photos := sorted(folder.glob("*")):
            return tuple(photos[:2])
    return frames.get(subject, ())


def trial(video: Path, reference: Path | None, subject: str, split: Split, **changes: object) -> Trial:
    plain = {
        "video": str(video),
        "reference": str(reference or ""),
        "mated": True if reference else None,
        "presentation": Presentation.BONA_FIDE,
        "subject": subject,
        "reference_subject": subject if reference else "",
        "device": video.stem.split("_")[0],
        "split": split,
    }
    return Trial(**(plain | changes))


def attack_trials(video: Path, references: Sequence[Path], species: str, subject: str, split: Split) -> list[Trial]:
    attack = {"presentation": Presentation.ATTACK, "pai_species": species, "device": ""}
    return [trial(video, photo, subject, split, **attack) for photo in references or [None]]


def choose_takes(
    data: Path,
    half_of: dict[str, Split],
    frames: dict[str, tuple[Path, ...]],
    clips: dict[str, Path],
    people: list[str],
) -> list[Take]:
    """Attacks on the first people that have two photos, and replays of the first clips that have references."""
    takes = []
    for n, half in enumerate(HALVES):
        several = [p for p in people[n::2] if len(list((data / "lfw" / p).glob("*.jpg"))) > 1]
        for person in several[:SOURCES]:
            first, second, *_ = sorted((data / "lfw" / person).glob("*.jpg"))
            takes += [
                Take(species=s, source=first, subject=person, split=half, references=(second,)) for s in FROM_PHOTOS
            ]
        shown = [s for s in clips if half_of[s] is half and references_of(data, s, frames)]
        for subject in shown[:SOURCES]:
            photos = references_of(data, subject, frames)
            takes += [
                Take(species=s, source=clips[subject], subject=subject, split=half, references=photos)
                for s in FROM_CLIPS
            ]
    return takes


def make_take(take: Take, work: Path) -> None:
    path = take.path(work)
    if not path.is_file():
        cores.keep_to(1)
        unfinished = path.with_suffix(".part.mp4")
        simulate(take.species, take.source, unfinished, **CAMERA)
        unfinished.rename(path)


def make_takes(takes: Sequence[Take], work: Path, workers: int) -> None:
    (work / "takes").mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        list(pool.map(make_take, takes, [work] * len(takes)))


def make_trials(data: Path, work: Path, photos: int, seed: int, workers: int) -> list[Trial]:
    rng = random.Random(seed)
    rows = read_clips(data)
    clips = {row["subject"]: data / row["path"] for row in rows if row["presentation"] == "bona_fide"}
    subjects = sorted({row["subject"] for row in rows})
    rng.shuffle(subjects)
    attacked = {row["subject"] for row in rows if row["presentation"] != "bona_fide"}
    subjects.sort(key=lambda name: name not in attacked)  # captured attacks are few: shared out first
    half_of = {name: HALVES[n % 2] for n, name in enumerate(subjects)}
    twice = {name for pair in SAME_PERSON for name in pair}
    folders = sorted(p.name for p in (data / "lfw").iterdir() if p.is_dir())
    people = [name for name in folders if is_test(name) and name not in twice and name not in half_of]
    rng.shuffle(people)
    strangers = {
        half: [sorted((data / "lfw" / name).glob("*.jpg"))[0] for name in people[n::2]][:photos]
        for n, half in enumerate(HALVES)
    }
    frames = {subject: own_frames(clip, work) for subject, clip in clips.items()}
    trials = []
    for row in rows:
        video, subject, half = data / row["path"], row["subject"], half_of[row["subject"]]
        if row["presentation"] != "bona_fide":
            references = references_of(data, subject, frames)
            trials += attack_trials(video, references, row["pai_species"], subject, half)
            continue
        own = sorted((data / "lfw" / subject).glob("*.jpg"))
        trials += [trial(video, photo, subject, half, group="other_session") for photo in own]
        here = far_apart(own_frames(video, work))
        trials += [trial(video, photo, subject, half, group="same_session") for photo in here]
        trials += [
            trial(video, photo, subject, half, mated=False, reference_subject=photo.parent.name)
            for photo in strangers[half]
        ]
    takes = choose_takes(data, half_of, frames, clips, people)
    make_takes(takes, work, workers)
    for take in takes:
        trials += attack_trials(take.path(work), take.references, f"simulated_{take.species}", take.subject, take.split)
    return trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--photos", type=int, default=375, help="photos of other people that each clip meets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=cores.usable())
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    trials = make_trials(arguments.data.resolve(), work, arguments.photos, arguments.seed, arguments.workers)
    write_trials(trials, work / "trials.csv")
    print(f"{work / 'trials.csv'}: {len(trials)} trials")


if __name__ == "__main__":
    main()

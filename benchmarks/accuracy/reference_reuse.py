"""How often reference reuse is flagged between different photos of one person, and how often it is found.

    python benchmarks/accuracy/reference_reuse.py --data ../shared/data [--reshots N]

False flags: every mated pair of LFW, one photo as the only frame, the other as the reference; flagged pairs are
listed, since LFW holds a few copies of one photo. Detection: photos filmed again by the simulation of
models/training/fit_pad_image.py, with other seeds than the fit used. The same session: fit_pad_image.py prints it.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

import cv2
import numpy as np

from idverify.pad import reference_reuse
from idverify.pad._llr import load_scale

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models" / "training"))
from fit_pad_image import Models, reshoot, small


def crops_by_person(folder: Path, models: Models, max_photos: int) -> dict[str, dict[str, np.ndarray]]:
    """Aligned crops of every person with two photos or more."""
    people = {}
    for person in sorted(p for p in folder.iterdir() if p.is_dir()):
        photos = sorted(person.glob("*.jpg"))[:max_photos]
        if len(photos) > 1:
            crops = {p.stem: models.photo_crop(p) for p in photos}
            people[person.name] = {name: crop for name, crop in crops.items() if crop is not None}
    return people


def mated_correlations(people: dict[str, dict[str, np.ndarray]]) -> list[tuple[float, str, str]]:
    """Lasting correlation and names of every mated pair."""
    rows = []
    for crops in people.values():
        for (a, probe), (b, reference) in itertools.combinations(crops.items(), 2):
            rows.append((reference_reuse.lasting_correlation(probe[None], reference), a, b))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--reshots", type=int, default=60, help="photos that are filmed again, per kind and level")
    parser.add_argument("--max-photos", type=int, default=12, help="photos per person, the first ones; 1000: all")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    models, scale = Models(), load_scale("reference_reuse")
    people = crops_by_person(args.data / "lfw", models, args.max_photos)
    rows = mated_correlations(people)
    values = np.array([value for value, _, _ in rows])
    flagged = sorted((row for row in rows if scale.proves(row[0])), reverse=True)
    print(f"decisive at {scale.decisive_at}; {len(people)} people, {len(rows)} mated pairs")
    print(f"false flags {len(flagged)} of {len(rows)}: {100 * len(flagged) / max(len(rows), 1):.4f} %")
    print("quantiles 0.5 0.9 0.99 0.999 max:", np.quantile(values, [0.5, 0.9, 0.99, 0.999, 1]).round(3))
    for value, a, b in flagged:
        print(f"  {value:.3f}  {a}  {b}")
    photos = sorted((args.data / "lfw").glob("*/*_0001.jpg"))
    chosen = [photos[i] for i in np.random.default_rng(77).permutation(len(photos))[: 2 * args.reshots]]
    large = [crop for crop in (models.photo_crop(p, 2) for p in chosen) if crop is not None][: args.reshots]
    rng = np.random.default_rng(78)
    print("kind      level  found        5 % quantile")
    for kind, level in itertools.product(("still", "animated"), range(3)):
        got = np.array(
            [reference_reuse.lasting_correlation(reshoot(p, rng, level, kind == "animated"), small(p)) for p in large]
        )
        found = sum(map(scale.proves, got))
        print(f"{kind:9s} {level:5d}  {found:3d} of {len(got):3d}   {np.quantile(got, 0.05):.3f}")


if __name__ == "__main__":
    main()

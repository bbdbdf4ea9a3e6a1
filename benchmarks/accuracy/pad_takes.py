"""Takes of the strongest simulated attackers, for fitting and for measuring liveness.

    python benchmarks/accuracy/pad_takes.py --data ../shared/data --out DIR [--each 120] [--species photo_driven ...]
                                            [--jobs 1] [--minutes 30]
    python benchmarks/accuracy/pad_takes.py --data ../shared/data --out DIR --learn 2000 [--drift slow]   # to train on

Writes ``DIR/<half>/<species>/*`` and ``DIR/index.csv``: one row per take with species, person, photo, driver's clip,
drawn parameters, the other photo of the person to compare with, instrument, encoder and seed. People and drivers of the
two halves (``fit``, ``test``) are different ones. Takes are made in turns, so that a run that is stopped early has seen
every species; another run goes on where it was.

Everything that can be varied is varied: renderer, lids, blender, encoder, quality, size, rate, camera. What is fitted
on these takes must not know them by their renderer.

``--drift`` makes takes whose skin changes its shade as well, as who knows ``skin_change`` would have it: slowly and by
itself, or free in size and pace and in part as the face moves.

``--learn`` makes many more, of the fit half and injected, for a model that is judged on people and drivers left out:
photos of everybody there is in that half, passages of all genuine clips to drive them, some made poor; and every third
one is such a passage without an attack (``bona_fide``), cut, encoded and made poor as the attacks are.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import itertools
import json
import multiprocessing
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.errors import IdverifyError
from idverify.faces.detection import YuNet
from idverify.faces.landmarks import FaceMesh, head_pose_deg, region_of_points
from idverify.media.photo import load_photo
from idverify.models.session import Session
from idverify.simulation import parameters_of, simulate
from idverify.simulation.degrade import degraded
from idverify.simulation.faces import default_locate
from idverify.simulation.following import framed
from idverify.simulation.source import Encoding, Setup, Source, Take
from idverify.simulation.writer import write_take

SPECIES = ("photo_driven", "face_swap_tracked", "face_flash", "face_blend", "answer_forged")
COLUMNS = (
    "path", "half", "species", "person", "source_photo", "driver", "renderer", "instrument", "reference", "codec",
    "size", "rate_hz", "params", "challenge", "seed",
)  # fmt: skip
# Most takes are files fed in: nothing covers the traces of the warp there.
INSTRUMENTS = ("injected", "injected", "phone", "injected", "injected", "monitor", "injected", "injected", "paper")
SIZES = ((480, 640), (360, 480), (480, 854), (640, 480), (540, 720), (720, 960), (720, 1280), (1080, 1440))
SIZE_SHARES = (0.25, 0.5, 0.05, 0.12, 0.04, 0.02, 0.01, 0.01)
RATES_HZ = (30.0, 25.0, 24.0, 20.0, 15.0, 15.0, 15.0, 15.0, 12.0, 10.0, 7.5, 5.0)
CODECS = ("h264", "h264", "h264", "mpeg4", "vp8", "vp9")
# Under which the challenges are issued that are answered.
CHALLENGE_KEY = b"takes of the liveness benchmark"
# A photo to attack with is what people put online of themselves: frontal enough, not a stamp.
MAX_TURN_DEG, MIN_FACE_PX = 22.0, 80
# A driver's clip is at least as long as a take; to learn from, as long as one window.
MIN_DRIVER_S, MIN_PASSAGE_S = 3.6, 2.9
# What is made to learn from, in turns, and how poor it gets.
LEARNED = ("photo_driven", "bona_fide", "face_swap_tracked", "photo_driven", "bona_fide", "face_blend")
POOR, POOR_SHARE, MOST_POOR = ("low_bitrate", "blur", "dark"), 0.3, 0.5
# Percent of the brightness by which the shade of a skin that changes by itself spreads.
DRIFT = {"slow": (0.7, 6.0), "free": (2.0, 9.0)}


class Person(NamedTuple):
    """A victim: the photo that the attacker has, and the one that is on file."""

    name: str
    photo: Path
    reference: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One take to be made."""

    half: str
    species: str
    person: Person
    driver: Path | None
    instrument: str
    seed: int
    degrade: tuple[str, ...] = ()
    learned: bool = False
    drift: str = ""

    @property
    def stem(self) -> str:
        driver = "script" if self.driver is None else self.driver.stem
        drift = {"": "", "slow": "-drift", "free": "-drift-free"}[self.drift]
        return f"{self.species}-{self.person.name}-{driver}-{self.instrument}{drift}-{self.seed}"


def driven_live(species: str) -> bool:
    """Whether the take is another's live clip with the photo in it."""
    return species in ("bona_fide", "face_swap_tracked", "face_flash", "face_blend")


def half_of(name: str) -> str:
    """Which half a person belongs to; the same as for the photos of benchmarks/accuracy/pad.py."""
    return ("fit", "test")[int(hashlib.sha256(f"fit or test: {name}".encode()).hexdigest(), 16) % 2]


def people(data: Path, photos_of: Photos) -> Iterator[Person]:
    """People of whom there are two photos, one of them good enough to be animated."""
    folders = [p for p in sorted((data / "lfw").iterdir()) if p.is_dir()]
    groups = {p.name: sorted(p.glob("*.jpg")) for p in folders}
    groups |= {f"kpop_{p.name}": sorted(p.glob("*"))[:6] for p in sorted((data / "kpop").iterdir()) if p.is_dir()}
    for photo in sorted((data / "selfies" / "references").glob("tdsv_*.jpg")):
        groups.setdefault(photo.stem.rpartition("_")[0], []).append(photo)
    named = [(name, photos) for name, photos in groups.items() if len(photos) > 1]
    # By a hash, so that any prefix is spread over the alphabet and over the sources.
    first = {f"kpop_p{index}" for index in range(8)} | {name for name, _ in named if name.startswith("tdsv_")}
    ranked = [(zlib.crc32(name.encode()) * (0.05 if name in first else 1.0), name, photos) for name, photos in named]
    for _, name, photos in sorted(ranked):
        good = [photo for photo in photos[:4] if photos_of.is_frontal(photo)]
        on_file = [photo for photo in photos if good and photo != good[0] and photos_of.is_single(photo)]
        if on_file:
            yield Person(name, good[0], on_file[0])


class Photos:
    """What photos are good for, kept."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "photos.json"
        self._known: dict[str, list[bool]] = json.loads(self._file.read_text()) if self._file.exists() else {}
        self._locate, self._detector = default_locate(), YuNet(Session("yunet", threads=1))

    def is_frontal(self, photo: Path) -> bool:
        """Whether it can be animated."""
        return self._of(photo)[0]

    def is_single(self, photo: Path) -> bool:
        """Whether it shows one face, as a photo on file does."""
        return self._of(photo)[1]

    def _of(self, photo: Path) -> list[bool]:
        if str(photo) not in self._known:
            try:
                image = load_photo(photo)
            except IdverifyError:
                return [False, False]
            mesh, count = self._locate(image), len(self._detector.detect(image))
            frontal = mesh is not None and float(np.ptp(mesh[:, 0])) >= MIN_FACE_PX
            frontal = mesh is not None and frontal and bool(np.abs(head_pose_deg(mesh)[:2]).max() < MAX_TURN_DEG)
            self._known[str(photo)] = [frontal and count == 1, count == 1]
            self._file.write_text(json.dumps(self._known))
        return self._known[str(photo)]


def genuine(data: Path) -> Iterator[tuple[str, Path]]:
    """Genuine clips that show one person, and whom."""
    for table, folder in ((data / "videos.csv", data), (data / "selfies" / "videos.csv", data / "selfies")):
        with table.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["presentation"] == "bona_fide" and "+" not in row["subject"]:
                    yield row["subject"].removeprefix("webcam_"), folder / row["path"]


def drivers(data: Path) -> dict[str, list[Path]]:
    """Genuine clips whose people lend their movements, by half; all clips of a person in one half."""
    found: dict[str, list[Path]] = {}
    for person, film in genuine(data):
        # Very small pictures make no attack worth the name.
        if not (film.name.endswith("phone.3gp") or "tv_" in film.name):
            films = found.setdefault(person, [])
            if length_s(film) >= MIN_DRIVER_S:
                films.append(film)
    halves: dict[str, list[Path]] = {"fit": [], "test": []}
    for index, subject in enumerate(sorted(found, key=lambda name: zlib.crc32(name.encode()))):
        halves[("fit", "test")[index % 2]] += found[subject]
    return halves


def recipes(data: Path, out: Path, each: int) -> list[Recipe]:
    """What to make, in turns of species and halves."""
    photos_of, clips = Photos(out), drivers(data)
    victims: dict[str, list[Person]] = {"fit": [], "test": []}
    for person in people(data, photos_of):
        own = [half for half, films in clips.items() if any(film.stem.startswith(person.name) for film in films)]
        half = own[0] if own else half_of(person.name)
        if len(victims[half]) < max(each // 2, 15):
            victims[half].append(person)
        if all(len(rows) >= max(each // 2, 15) for rows in victims.values()):
            break
    made = []
    for turn in range(each):
        half = ("fit", "test")[turn % 2]
        for index, species in enumerate(SPECIES):
            seed = zlib.crc32(f"{species} {turn}".encode()) % 100_000
            # A tight crop has no room to move in.
            rows = [p for p in victims[half] if driven_live(species) or not p.name.startswith("kpop_")]
            person = rows[(turn // 2 + 3 * index) % len(rows)]
            films = [film for film in clips[half] if not film.stem.startswith(person.name)]
            driven = driven_live(species) or (species == "photo_driven" and turn % 4 >= 2)
            made.append(
                Recipe(
                    half=half,
                    species=species,
                    person=person,
                    driver=films[seed % len(films)] if driven else None,
                    instrument=INSTRUMENTS[(turn // 2 + index) % len(INSTRUMENTS)],
                    seed=seed,
                )
            )
    return made


def passages(data: Path) -> dict[str, list[Path]]:
    """Genuine clips that hold a window, by person."""
    found: dict[str, list[Path]] = {}
    for person, film in genuine(data):
        if length_s(film) >= MIN_PASSAGE_S:
            found.setdefault(person, []).append(film)
    return found


def victims_to_learn(data: Path, photos_of: Photos, clips: dict[str, list[Path]]) -> Iterator[tuple[str, Path]]:
    """People of the fit half and a photo of each; where there is no other, a picture of their clip."""
    test = {film.stem for film in drivers(data)["test"]}
    own = {name for name, films in clips.items() if any(film.stem in test for film in films)}
    for name, films in clips.items():
        if name not in own and (half_of(name) == "fit" or not (data / "lfw" / name).is_dir()):
            selfies, press = (data / "selfies" / "references").glob(f"{name}_*"), (data / "lfw" / name).glob("*")
            yield name, next(filter(photos_of.is_frontal, sorted(selfies) or sorted(press)), films[0])
    folders = [p for p in sorted((data / "lfw").iterdir()) if p.is_dir() and p.name not in clips]
    lfw = [(p.name, min(p.glob("*.jpg"))) for p in folders]
    kpop = [(f"kpop_{p.parent.name}", p) for p in sorted((data / "kpop").glob("*/*"))[::6]]
    strangers = [(p.stem, p) for p in sorted((data / "utkface").glob("*"))[::6]]
    for name, photo in sorted(lfw + kpop + strangers, key=lambda row: zlib.crc32(row[1].name.encode())):
        if half_of(name) == "fit" and photos_of.is_frontal(photo):
            yield name, photo


def recipes_to_learn(data: Path, out: Path, count: int, most_people: int = 600) -> list[Recipe]:
    """What to make for a model that learns from many."""
    clips = passages(data)
    victims = list(itertools.islice(victims_to_learn(data, Photos(out), clips), most_people))
    roomy = [victim for victim in victims if victim[1].parent.parent.name == "lfw" or victim[0] in clips]
    made = []
    for turn in range(count):
        species = LEARNED[turn % len(LEARNED)]
        rng = np.random.default_rng([turn, 23])
        # A tight crop has no room to move in; and pictures of clips are what is sharpest.
        rows = roomy if species == "photo_driven" else victims
        known = [row for row in rows if row[0] in clips]
        rows = known if rng.random() < 0.2 else rows
        name, photo = rows[rng.integers(len(rows))]
        people_left = [person for person in sorted(clips) if person != name]
        films = clips[people_left[rng.integers(len(people_left))]]
        driven = driven_live(species) or rng.random() < 0.5
        made.append(
            Recipe(
                half="fit",
                species=species,
                person=Person(name, photo, photo),
                driver=films[rng.integers(len(films))] if driven else None,
                instrument="injected",
                seed=100_000 + turn,
                degrade=(str(rng.choice(POOR)),) if rng.random() < POOR_SHARE else (),
                learned=True,
            )
        )
    return made


def make(recipe: Recipe, out: Path) -> dict[str, Any] | str:
    """Write one take; its row of the index, or why there is none."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng([recipe.seed, 17])
    codec = str(rng.choice(CODECS))
    size = SIZES[int(rng.choice(len(SIZES), p=SIZE_SHARES))]
    rate, crf = float(rng.choice(RATES_HZ)), float(rng.uniform(14, 24))
    suffix = {"vp8": ".webm", "vp9": ".webm", "mpeg4": ".mp4"}.get(codec, str(rng.choice([".mp4", ".mov", ".mkv"])))
    path = out / recipe.half / recipe.species / f"{recipe.stem}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    params: dict[str, Any] = {}
    challenge = None
    if not driven_live(recipe.species):
        source: Path = recipe.person.photo
        other = recipe.driver
        params = {"smooth": float(rng.integers(2)), "lids": float(rng.integers(2)), "layers": float(rng.integers(2))}
        renderer = f"{'smooth' if params['smooth'] else 'triangles'}/{'slid' if params['lids'] else 'stretched'}"
        renderer += "/layers" if params["layers"] else "/sheet"
        if recipe.learned and recipe.driver is not None:
            params["start"] = round(float(rng.uniform(0, min(max(length_s(recipe.driver) - 4.0, 0.0), 8.0))), 2)
    else:
        assert recipe.driver is not None
        source, other = recipe.driver, recipe.person.photo
        room = max(length_s(recipe.driver) - (4.5 if recipe.learned else 5.5), 0.0)
        params = {"start": round(float(rng.uniform(0, min(room, 8.0))), 2)}
        renderer = "live"
        if recipe.species not in ("face_flash", "bona_fide"):
            params |= {"blender": float(rng.integers(3)), "smooth": float(rng.integers(2))}
            way = ("poisson", "multiband", "feathered")[int(params["blender"])]
            renderer = f"{'smooth' if params['smooth'] else 'triangles'}/{way}"
    if recipe.drift:
        params["drift"] = round(float(np.random.default_rng([recipe.seed, 29]).uniform(*DRIFT[recipe.drift])), 2)
        params |= {"free": 1.0} if recipe.drift == "free" else {}
    if recipe.species == "answer_forged":
        from idverify import challenge as challenges

        challenge = path.with_suffix(".challenge.json")
        kind = challenges.KINDS[int(rng.choice(3, p=(0.5, 0.3, 0.2)))]
        if not challenge.exists():
            issued = challenges.issue(kind=kind, key=CHALLENGE_KEY, now_s=time.time())
            challenge.write_text(challenges.to_json(issued), encoding="utf-8")
        rate, size = float(np.clip(rate, 12.0, 15.0)), min(size, (480, 640))
    if not path.exists():
        partial = path.with_name(f"part-{path.name}")
        duration_s, locate = float(rng.uniform(3.6, 4.4)), _kept_locate(out)
        strength = float(rng.uniform(0, MOST_POOR)) if recipe.degrade else None
        try:
            if recipe.species == "bona_fide":
                setup = Setup(source=Source(source), locate=locate, size_wh=size, rate_hz=rate, duration_s=duration_s)
                take = Take(
                    shots=framed(setup, params["start"]), encoding=Encoding(codec=codec, crf=crf, nominal_rate_hz=rate)
                )
                for kind in recipe.degrade:
                    take = degraded(take, kind, rng=rng, locate=locate, strength=strength)
                write_take(take, partial, f"species=bona_fide seed={recipe.seed}")
            else:
                simulate(
                    recipe.species, source, partial, seed=recipe.seed, other=other, size_wh=size, rate_hz=rate,
                    codec=codec, crf=crf, duration_s=duration_s, shown=recipe.instrument, locate=locate,
                    challenge=challenge, degrade=recipe.degrade, strength=strength, **params,
                )  # fmt: skip
        except IdverifyError as error:
            return f"{recipe.stem}: {error}"
        partial.rename(path)
    return {
        "path": str(path), "half": recipe.half, "species": recipe.species, "person": recipe.person.name,
        "source_photo": str(recipe.person.photo), "driver": "" if recipe.driver is None else str(recipe.driver),
        "renderer": renderer, "instrument": recipe.instrument, "reference": str(recipe.person.reference),
        "codec": codec, "size": f"{size[0]}x{size[1]}", "rate_hz": f"{rate:g}", "params": json.dumps(params),
        "challenge": "" if challenge is None else str(challenge), "seed": str(recipe.seed),
    }  # fmt: skip


def length_s(clip: Path) -> float:
    """Duration that a clip's container states, or a guess."""
    with av.open(str(clip)) as container:
        return float(container.duration or 5_000_000) / 1e6


_located: dict[str, Any] = {}


def _kept_locate(out: Path) -> Any:
    """The mesh finder; what was found in a picture before is not looked for again."""
    if "locate" not in _located:
        detect, mesh = default_locate(), FaceMesh(Session("face_mesh", threads=1))
        known: dict[bytes, NDArray[np.float32] | None] = {}
        last: list[NDArray[np.float32]] = []

        def locate(image: NDArray[np.uint8]) -> NDArray[np.float32] | None:
            name = image[::5, ::7].tobytes()
            if name not in known:
                found = None
                if last:
                    points, presence = mesh.fit(image, [region_of_points(last[0])])
                    # A face that jumps is another one: it is looked for anew.
                    jump = np.abs(points[0] - last[0])[:, :2].mean() / max(float(np.ptp(last[0][:, 0])), 1.0)
                    found = points[0] if presence[0] > 0.9 and jump < 0.08 else None
                known[name] = found = detect(image) if found is None else found
                last[:] = [] if found is None else [found]
            return known[name]

        _located["locate"] = locate
    return _located["locate"]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--each", type=int, default=120, help="takes of each species")
    parser.add_argument("--species", choices=SPECIES, nargs="+", default=SPECIES, help="of which to make takes")
    parser.add_argument("--half", choices=("fit", "test"), help="make takes of this half only")
    parser.add_argument("--injected", action="store_true", help="make no takes that are shown on something")
    parser.add_argument("--learn", type=int, help="make as many takes to train on instead")
    parser.add_argument("--drift", choices=DRIFT, help="the skin changes its shade by itself")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=30.0)
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    index = args.out / "index.csv"
    done = set()
    if index.exists():
        with index.open(newline="", encoding="utf-8") as file:
            done = {Path(row["path"]).stem for row in csv.DictReader(file)}
    if args.learn:
        wanted = recipes_to_learn(args.data, args.out, args.learn)
    else:
        wanted = [r for r in recipes(args.data, args.out, args.each) if r.species in args.species]
        wanted = [r for r in wanted if args.half in (None, r.half)]
    if args.drift:
        wanted = [replace(r, drift=args.drift) for r in wanted if "drift" in parameters_of(r.species)]
    waiting = [r for r in wanted if r.stem not in done and (r.instrument == "injected" or not args.injected)]
    end = time.monotonic() + 60 * args.minutes
    with ProcessPoolExecutor(args.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        running: set[Future[dict[str, Any] | str]] = set()
        while running or (waiting and time.monotonic() < end):
            while waiting and len(running) < args.jobs and time.monotonic() < end:
                running.add(pool.submit(make, waiting.pop(0), args.out))
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                row = future.result()
                if isinstance(row, str):
                    print(row, flush=True)
                    continue
                new = not index.exists()
                with index.open("a", newline="", encoding="utf-8") as file:
                    writer = csv.DictWriter(file, COLUMNS)
                    if new:
                        writer.writeheader()
                    writer.writerow(row)


if __name__ == "__main__":
    main()

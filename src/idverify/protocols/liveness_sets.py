"""Liveness data sets whose truth stands in folder and file names.

Each set is a pattern of relative paths with named parts, so that the table below is the documentation. A file of the
set's type that does not fit the pattern is an error, not a gap. Sets without a development part (CASIA-FASD,
MSU-MFSD, SiW, CelebA-Spoof) give their training part as ``dev``: nothing here is trained on it.

The sets hold no reference photos, so their trials are of liveness alone.

Public items: :func:`replay_attack`, :func:`replay_mobile`, :func:`oulu_npu`, :func:`casia_fasd`, :func:`msu_mfsd`,
:func:`siw`, :func:`celeba_spoof`.

References
----------
.. [1] I. Chingovska, A. Anjos, S. Marcel, "On the effectiveness of local binary patterns in face anti-spoofing",
   BIOSIG 2012 (Replay-Attack).
.. [2] A. Costa-Pazo et al., "The Replay-Mobile face presentation-attack database", BIOSIG 2016,
   doi:10.1109/BIOSIG.2016.7736936.
.. [3] Z. Boulkenafet et al., "OULU-NPU: a mobile face presentation attack database with real-world variations", FG
   2017, doi:10.1109/FG.2017.77.
.. [4] Z. Zhang et al., "A face antispoofing database with diverse attacks", ICB 2012, doi:10.1109/ICB.2012.6199754
   (CASIA-FASD).
.. [5] D. Wen, H. Han, A. K. Jain, "Face spoof detection with image distortion analysis", TIFS 2015,
   doi:10.1109/TIFS.2015.2400395 (MSU-MFSD).
.. [6] Y. Liu, A. Jourabloo, X. Liu, "Learning deep models for face anti-spoofing: binary or auxiliary supervision",
   CVPR 2018, doi:10.1109/CVPR.2018.00048 (SiW).
.. [7] Y. Zhang et al., "CelebA-Spoof: large-scale face anti-spoofing dataset with rich annotations", ECCV 2020,
   doi:10.1007/978-3-030-58610-2_5.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from idverify.errors import ParameterError
from idverify.protocols.trials import Presentation, Split, Trial

__all__ = ["casia_fasd", "celeba_spoof", "msu_mfsd", "oulu_npu", "replay_attack", "replay_mobile", "siw"]

_SPLITS = {
    "train": Split.TRAIN,
    "devel": Split.DEV,
    "dev": Split.DEV,
    "test": Split.EVAL,
}
# Two-part sets: the training part sets thresholds.
_TWO_PARTS = {"train": Split.DEV, "test": Split.EVAL}

# train/real/client001_session01_webcam_authenticate_adverse_1.mov
# train/attack/fixed/attack_print_client001_session01_highdef_photo_adverse.mov
_REPLAY_ATTACK = re.compile(
    r"(?P<part>train|devel|test)/(?:real/client(?P<real>\d+)_session\d+_webcam_authenticate_\w+"
    r"|attack/(?:fixed|hand)/attack_(?P<instrument>print|mobile|highdef)_client(?P<shown>\d+)_session\d+"
    r"_(?:mobile|highdef)_(?P<medium>photo|video)_\w+)\.mov"
)
# train/real/client001_session01_authenticate_mobile_adverse.mov
# train/attack/attack_client001_session01_mattescreen_fixed_mobile_photo_lightoff.mov
_REPLAY_MOBILE = re.compile(
    r"(?P<part>train|devel|test)/(?:real/client(?P<real>\d+)_session\d+_authenticate_(?P<camera>mobile|tablet)_\w+"
    r"|attack/attack_client(?P<shown>\d+)_session\d+_(?P<instrument>print|mattescreen)_(?P<support>fixed|hand)"
    r"_(?P<attack_camera>mobile|tablet)_(?P<medium>photo|video)_\w+)\.mov"
)
# Train_files/PHONE_SESSION_USER_FILE.avi
_OULU_NPU = re.compile(
    r"(?P<part>Train|Dev|Test)_files/(?P<phone>\d)_(?P<session>\d)_(?P<user>\d+)_(?P<file>[1-5])\.avi"
)
# train_release/1/HR_1.avi
_CASIA_FASD = re.compile(r"(?P<part>train|test)_release/(?P<subject>\d+)/(?P<file>HR_[1-4]|[1-8])\.avi")
# scene01/real/real_client001_android_SD_scene01.mp4
# scene01/attack/attack_client001_laptop_SD_ipad_video_scene01.mov
_MSU_MFSD = re.compile(
    r"scene01/(?:real/real_client(?P<real>\d+)_(?P<camera>android|laptop)_SD"
    r"|attack/attack_client(?P<shown>\d+)_(?P<attack_camera>android|laptop)_SD"
    r"_(?P<species>ipad_video|iphone_video|printed_photo))_scene01\.(?:mp4|mov)"
)
# Train/spoof/003/SUBJECT-SENSOR-TYPE-MEDIUM-SESSION.mov
_SIW = re.compile(
    r"(?P<part>Train|Test)/(?P<kind>live|spoof)/(?P<folder>\d+)/"
    r"(?P<subject>\d+)-(?P<sensor>\d+)-(?P<type>[123])-(?P<medium>\d+)-\d+(?:\.m)?\.mov"
)

_OULU_SPECIES = {"1": "", "2": "print_1", "3": "print_2", "4": "display_1", "5": "display_2"}
_CASIA_SPECIES = {
    **dict.fromkeys(("1", "2", "HR_1"), ""),
    **dict.fromkeys(("3", "4", "HR_2"), "print_warped"),
    **dict.fromkeys(("5", "6", "HR_3"), "print_cutout"),
    **dict.fromkeys(("7", "8", "HR_4"), "replay"),
}
_SIW_SPECIES = {"1": "", "2": "print", "3": "replay"}
# Attribute 40 of the label vectors [7].
_CELEBA_SPECIES = (
    "",
    "photo",
    "poster",
    "a4",
    "face_mask",
    "upper_body_mask",
    "region_mask",
    "pc",
    "pad",
    "phone",
    "mask_3d",
)
_CELEBA_ATTRIBUTE = 40


def _trial(video: Path, *, species: str, subject: str, split: Split, device: str = "") -> Trial:
    return Trial(
        video=str(video),
        presentation=Presentation.ATTACK if species else Presentation.BONA_FIDE,
        pai_species=species,
        subject=subject,
        device=device,
        split=split,
    )


def _collect(
    root: str | Path,
    folders: tuple[str, ...],
    suffixes: tuple[str, ...],
    pattern: re.Pattern[str],
    make: Callable[[Path, re.Match[str]], Trial | None],
) -> tuple[Trial, ...]:
    """Every file of the set's type under its folders, in order of path; the pattern must fit each."""
    base = Path(root).resolve()
    found = sorted(p for f in folders for p in (base / f).rglob("*") if p.suffix in suffixes and p.is_file())
    trials = list(_matched(base, found, pattern, make))
    if not trials:
        raise ParameterError(f"{base}: expected folders {', '.join(folders)} with {'/'.join(suffixes)} files, got none")
    return tuple(trials)


def _matched(
    base: Path, found: list[Path], pattern: re.Pattern[str], make: Callable[[Path, re.Match[str]], Trial | None]
) -> Iterator[Trial]:
    for path in found:
        name = path.relative_to(base).as_posix()
        parts = pattern.fullmatch(name)
        if parts is None:
            raise ParameterError(f"{base}: file {name!r} does not fit the layout {pattern.pattern!r}")
        trial = make(path, parts)
        if trial is not None:
            yield trial


def replay_attack(root: str | Path) -> tuple[Trial, ...]:
    """Replay-Attack [1]_: ``train``, ``devel`` and ``test`` as published; species are instrument and medium.

    The ``enroll`` videos are left out: a reference is a photo.
    """

    def make(path: Path, part: re.Match[str]) -> Trial:
        species = f"{part['instrument']}_{part['medium']}" if part["instrument"] else ""
        subject = part["real"] or part["shown"]
        return _trial(path, species=species, subject=subject, split=_SPLITS[part["part"]], device="webcam")

    return _collect(root, ("train", "devel", "test"), (".mov",), _REPLAY_ATTACK, make)


def replay_mobile(root: str | Path) -> tuple[Trial, ...]:
    """Replay-Mobile [2]_: ``train``, ``devel`` and ``test`` as published.

    Species are instrument, support and medium, for example ``print_hand_photo``.
    """

    def make(path: Path, part: re.Match[str]) -> Trial:
        species = "_".join(filter(None, part.group("instrument", "support", "medium")))
        return _trial(
            path,
            species=species,
            subject=part["real"] or part["shown"],
            split=_SPLITS[part["part"]],
            device=part["camera"] or part["attack_camera"],
        )

    return _collect(root, ("train", "devel", "test"), (".mov",), _REPLAY_MOBILE, make)


def oulu_npu(root: str | Path, *, protocol: int = 1, fold: int = 1) -> tuple[Trial, ...]:
    """OULU-NPU [3]_: protocols 1 to 4 as published.

    Parameters
    ----------
    root
        Holds ``Train_files``, ``Dev_files`` and ``Test_files``.
    protocol
        1: unseen session (3). 2: unseen printer and display. 3: unseen phone (`fold`). 4: all three.
    fold
        The phone left for evaluation in protocols 3 and 4, from 1 to 6.

    Raises
    ------
    ParameterError
        No such protocol or fold, no files, or a file name that does not fit.
    """
    if protocol not in (1, 2, 3, 4) or fold not in range(1, 7):
        raise ParameterError(f"expected protocol 1 to 4 and fold 1 to 6, got {protocol} and {fold}")

    def make(path: Path, part: re.Match[str]) -> Trial | None:
        unseen = part["part"] == "Test"
        if protocol in (1, 4) and (part["session"] == "3") != unseen:
            return None
        if protocol in (2, 4) and part["file"] not in ("1", *(("3", "5") if unseen else ("2", "4"))):
            return None
        if protocol in (3, 4) and (part["phone"] == str(fold)) != unseen:
            return None
        return _trial(
            path,
            species=_OULU_SPECIES[part["file"]],
            subject=part["user"],
            split=_SPLITS[part["part"].lower()],
            device=f"phone_{part['phone']}",
        )

    return _collect(root, ("Train_files", "Dev_files", "Test_files"), (".avi",), _OULU_NPU, make)


def casia_fasd(root: str | Path) -> tuple[Trial, ...]:
    """CASIA-FASD [4]_: ``train_release`` is dev, ``test_release`` is eval; people are numbered anew in each."""

    def make(path: Path, part: re.Match[str]) -> Trial:
        device = "high" if part["file"].startswith("HR_") else ("low", "normal")[int(part["file"]) % 2 == 0]
        return _trial(
            path,
            species=_CASIA_SPECIES[part["file"]],
            subject=f"{part['part']}_{part['subject']}",
            split=_TWO_PARTS[part["part"]],
            device=f"quality_{device}",
        )

    return _collect(root, ("train_release", "test_release"), (".avi",), _CASIA_FASD, make)


def msu_mfsd(root: str | Path) -> tuple[Trial, ...]:
    """MSU-MFSD [5]_: people of ``train_sub_list.txt`` are dev, those of ``test_sub_list.txt`` are eval."""
    lists = {Split.DEV: "train_sub_list.txt", Split.EVAL: "test_sub_list.txt"}
    split_of = {int(s): split for split, name in lists.items() for s in _text(Path(root) / name).split()}

    def make(path: Path, part: re.Match[str]) -> Trial:
        subject = part["real"] or part["shown"]
        if int(subject) not in split_of:
            raise ParameterError(f"{path.name}: client {subject} stands in neither {' nor '.join(lists.values())}")
        return _trial(
            path,
            species=part["species"] or "",
            subject=subject,
            split=split_of[int(subject)],
            device=part["camera"] or part["attack_camera"],
        )

    return _collect(root, ("scene01",), (".mp4", ".mov"), _MSU_MFSD, make)


def siw(root: str | Path) -> tuple[Trial, ...]:
    """SiW [6]_: ``Train`` is dev, ``Test`` is eval; species are attack type and medium number."""

    def make(path: Path, part: re.Match[str]) -> Trial:
        kind = _SIW_SPECIES[part["type"]]
        if bool(kind) != (part["kind"] == "spoof"):
            raise ParameterError(f"{path.name}: type {part['type']} stands in folder {part['kind']!r}")
        return _trial(
            path,
            species=f"{kind}_{part['medium']}" if kind else "",
            subject=part["subject"],
            split=_TWO_PARTS[part["part"].lower()],
            device=f"sensor_{part['sensor']}",
        )

    return _collect(root, ("Train", "Test"), (".mov",), _SIW, make)


def celeba_spoof(root: str | Path) -> tuple[Trial, ...]:
    """CelebA-Spoof [7]_ (photos): ``metas/intra_test`` with train as dev and test as eval.

    Raises
    ------
    ParameterError
        The label files are missing or not as published.
    """
    base = Path(root).resolve()
    parts = {"train": Split.DEV, "test": Split.EVAL}
    return tuple(t for part, split in parts.items() for t in _celeba_part(base, part, split))


def _celeba_part(base: Path, part: str, split: Split) -> Iterator[Trial]:
    labels = base / "metas" / "intra_test" / f"{part}_label.json"
    try:
        rows = json.loads(_text(labels))
        for name, attributes in sorted(rows.items()):
            species = _CELEBA_SPECIES[attributes[_CELEBA_ATTRIBUTE]]
            yield _trial(base / name, species=species, subject=name.split("/")[2], split=split)
    except (json.JSONDecodeError, AttributeError, LookupError, TypeError) as error:
        raise ParameterError(f"{labels}: expected paths with 43 attributes each, got: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path}: expected a text file of the data set, got: {error}") from error

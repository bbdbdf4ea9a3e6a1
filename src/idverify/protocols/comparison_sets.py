"""Comparison data sets: pairs of photos, mated or not.

The first photo of a pair stands in the column ``video``, the second in ``reference``; all presentations are bona
fide. ``group`` is the published fold. LFW's View 1 is ``dev`` and View 2 is ``eval``, as its authors ask. CFP and
AgeDB are ten-fold: one round of it makes `fold` ``eval`` and the other nine ``dev``.

Public items: :func:`lfw`, :func:`cfp`, :func:`agedb`.

References
----------
.. [1] G. B. Huang et al., "Labeled Faces in the Wild", University of Massachusetts, Amherst, TR 07-49, 2007.
.. [2] S. Sengupta et al., "Frontal to profile face verification in the wild", WACV 2016,
   doi:10.1109/WACV.2016.7477558.
.. [3] S. Moschoglou et al., "AgeDB: the first manually collected, in-the-wild age database", CVPR workshops 2017,
   doi:10.1109/CVPRW.2017.250.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from idverify.errors import ParameterError
from idverify.protocols.trials import Presentation, Split, Trial

__all__ = ["agedb", "cfp", "lfw"]

FOLDS = 10
# AgeDB-30 lists 600 pairs a fold, one fold after the other [3].
AGEDB_PAIRS_PER_FOLD = 600
_LFW_FOLDERS = ("lfw", "lfw-deepfunneled", "lfw_funneled")
_LFW_LISTS = {"pairsDevTrain.txt": Split.DEV, "pairsDevTest.txt": Split.DEV, "pairs.txt": Split.EVAL}


def _pair(first: Path, second: Path, people: tuple[str, str], mated: bool, group: str, split: Split) -> Trial:
    return Trial(
        video=str(first),
        reference=str(second),
        mated=mated,
        presentation=Presentation.BONA_FIDE,
        subject=people[0],
        reference_subject=people[1],
        group=group,
        split=split,
    )


def _once(trials: Iterable[Trial]) -> tuple[Trial, ...]:
    """Each pair once, the last time it is listed: a repeated trial is no new evidence."""
    return tuple({(trial.video, trial.reference): trial for trial in trials}.values())


def _lines(path: Path) -> list[list[str]]:
    """Words of each line that has any; commas count as blanks."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path}: expected a pair list of the data set, got: {error}") from error
    return [line.replace(",", " ").split() for line in text.splitlines() if line.strip()]


def _whole(words: list[str], path: Path) -> list[int]:
    try:
        return [int(word) for word in words]
    except ValueError:
        raise ParameterError(f"{path}: expected whole numbers, got {' '.join(words)!r}") from None


def _split(fold: int, eval_fold: int) -> Split:
    return Split.EVAL if fold == eval_fold else Split.DEV


def _check_fold(fold: int) -> None:
    if fold not in range(1, FOLDS + 1):
        raise ParameterError(f"fold: expected 1 to {FOLDS}, got {fold}")


def lfw(root: str | Path) -> tuple[Trial, ...]:
    """LFW [1]_: ``pairsDevTrain.txt`` and ``pairsDevTest.txt`` (View 1) are dev, ``pairs.txt`` (View 2) is eval.

    Parameters
    ----------
    root
        Holds the lists (at least ``pairs.txt``) and the folders of people, in itself or in ``lfw``,
        ``lfw-deepfunneled`` or ``lfw_funneled``.

    Raises
    ------
    ParameterError
        ``pairs.txt`` is missing, or a line is not a pair.
    """
    base = Path(root).resolve()
    images = next((base / f for f in _LFW_FOLDERS if (base / f).is_dir()), base)
    lists = [name for name in _LFW_LISTS if (base / name).is_file() or name == "pairs.txt"]
    # View 2 comes last: where both views hold a pair, it stays for evaluation.
    return _once(trial for name in lists for trial in _lfw_pairs(base / name, images, _LFW_LISTS[name]))


def _lfw_pairs(path: Path, images: Path, split: Split) -> Iterator[Trial]:
    header, *rows = _lines(path) or [[]]
    per_class = _whole(header, path)[-1] if header else 0
    for number, words in enumerate(rows):
        group = f"fold_{number // (2 * per_class) + 1:02d}" if len(header) == 2 and per_class else ""
        if len(words) == 3:
            words = [words[0], words[1], words[0], words[2]]
        if len(words) != 4:
            raise ParameterError(f"{path}: expected 3 or 4 words a pair, got {' '.join(words)!r}")
        first, second = words[0], words[2]
        at, to = _whole([words[1], words[3]], path)
        yield _pair(
            images / first / f"{first}_{at:04d}.jpg",
            images / second / f"{second}_{to:04d}.jpg",
            (first, second),
            first == second,
            group,
            split,
        )


def cfp(root: str | Path, *, protocol: str = "FP", fold: int = FOLDS) -> tuple[Trial, ...]:
    """CFP [2]_: frontal against profile (``"FP"``) or frontal against frontal (``"FF"``).

    Parameters
    ----------
    root
        Holds ``Data`` and ``Protocol``.
    fold
        The fold for evaluation, from 1 to 10.

    Raises
    ------
    ParameterError
        No such protocol or fold, or lists that are missing or name an unknown photo.
    """
    if protocol not in ("FF", "FP"):
        raise ParameterError(f"protocol: expected 'FF' or 'FP', got {protocol!r}")
    _check_fold(fold)
    lists = Path(root).resolve() / "Protocol"
    first, second = (_cfp_photos(lists, f"Pair_list_{side}.txt") for side in ("F", protocol[1]))
    return _once(
        _cfp_pair(first, second, words, path, kind == "same", f"fold_{k:02d}", _split(k, fold))
        for k in range(1, FOLDS + 1)
        for kind in ("same", "diff")
        for path in [lists / "Split" / protocol / f"{k:02d}" / f"{kind}.txt"]
        for words in _lines(path)
    )


def _cfp_photos(lists: Path, name: str) -> dict[int, Path]:
    rows = _lines(lists / name)
    if any(len(words) != 2 for words in rows):
        raise ParameterError(f"{lists / name}: expected a number and a path a line")
    return {_whole(words[:1], lists / name)[0]: (lists / words[1]).resolve() for words in rows}


def _cfp_pair(
    first: dict[int, Path],
    second: dict[int, Path],
    words: list[str],
    path: Path,
    mated: bool,
    group: str,
    split: Split,
) -> Trial:
    numbers = _whole(words, path)
    if len(numbers) != 2 or numbers[0] not in first or numbers[1] not in second:
        raise ParameterError(f"{path}: expected two numbers of the photo lists, got {' '.join(words)!r}")
    a, b = first[numbers[0]], second[numbers[1]]
    # Data/Images/PERSON/frontal/01.jpg
    return _pair(a, b, (a.parent.parent.name, b.parent.parent.name), mated, group, split)


def agedb(root: str | Path, *, pairs: str = "agedb_30_pair.txt", fold: int = FOLDS) -> tuple[Trial, ...]:
    """AgeDB-30 [3]_: a list of ``FIRST SECOND 1|0`` beside photos named ``NUMBER_PERSON_AGE_GENDER.jpg``.

    Parameters
    ----------
    root
        Holds the photos and the list.
    pairs
        The list's name.
    fold
        The fold for evaluation, from 1 to 10; folds follow each other in the list.

    Raises
    ------
    ParameterError
        No such fold, a missing list, or a line that is not a pair.
    """
    _check_fold(fold)
    base = Path(root).resolve()
    return _once(_agedb_pair(base, base / pairs, n, words, fold) for n, words in enumerate(_lines(base / pairs)))


def _agedb_pair(base: Path, path: Path, number: int, words: list[str], eval_fold: int) -> Trial:
    people = [word.rsplit("/", 1)[-1].split("_") for word in words[:2]]
    if len(words) != 3 or words[2] not in ("0", "1") or any(len(parts) < 4 for parts in people):
        raise ParameterError(f"{path} line {number + 1}: expected two photos and 0 or 1, got {' '.join(words)!r}")
    k = number // AGEDB_PAIRS_PER_FOLD + 1
    first, second = ("_".join(parts[1:-2]) for parts in people)
    split = _split(k, eval_fold)
    return _pair(base / words[0], base / words[1], (first, second), words[2] == "1", f"fold_{k:02d}", split)

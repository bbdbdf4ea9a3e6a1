"""What faces share is taken off: the mean over people, and the ways in which groups and cameras differ.

A camera, or a group of people, moves all its faces to one side of what a network has learnt; two strangers of it then
look alike, and a threshold that holds for others does not hold for them. What moves them is estimated from the means of
groups and sources alone, and counted as what changes within a person: along those directions features shrink by
``1 / sqrt(1 + strength * between / within)``, and along all others nothing changes. Nobody is assigned to a group, here
or later: every face goes through the same map.

The length of a network's vector says how much it found in a picture: little in one that is blurred, dark, turned or
damaged, whose cosines are small with everybody, mates and strangers alike. Such a face is lengthened before the centre
is taken off, so that less of it goes, and a little in what comes out, so that one threshold means nearly the same for
clear and for poor pictures. How much is bounded: a picture made as poor as can be gains no more than a poor one.

Conventions: rows are faces. The map is of one network; a file of it names that network's sha256.

Sources: within-class covariance normalisation: Hatch et al. 2006, ISCA Interspeech, doi:10.21437/Interspeech.2006-183;
the nuisance of groups is projected out as nuisance attribute projection does: Solomonoff et al. 2005,
doi:10.1109/ICASSP.2005.1415192. The one strength for both is this project's own. That lengths tell quality: Meng et al.
2021, "MagFace", doi:10.1109/CVPR46437.2021.01400; what is made of them is this project's own.

Public items: :class:`Balance`, :func:`lengthened`, :func:`fit_balance`, :func:`load_balance`, :func:`write_balance`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idverify.errors import CalibrationError
from idverify.models.manifest import data_dir

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Balance", "fit_balance", "lengthened", "load_balance", "write_balance"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_FILE = Path("calibration") / "sface_balance.toml"
FORMAT = 2
# A direction that shrinks by less than this changes no cosine in its third digit.
_UNCHANGED = 0.99
# Of the typical length over a face's own, as natural logarithm: one LFW photo in a hundred goes as far.
_MOST_LENGTHENED = 0.25
# What of it is left in the vectors that are compared: more finds more mates of LFW, and more strangers among portraits
# that are all poor (benchmarks/accuracy/comparison_tries.py prints the neighbours).
_LEFT_IN = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """A map of one network's features after which groups and cameras lie in the same place.

    Parameters
    ----------
    length
        Typical length of the network's vectors.
    centre : float64 [shape=(d,)]
        Mean over groups and sources of the vectors that :func:`lengthened` gives.
    directions : float64 [shape=(k, d)]
        Orthonormal: along these, groups and sources differ.
    gains : float64 [shape=(k,)]
        What is kept along each, in (0, 1].
    """

    length: float
    centre: F64 = field(repr=False)
    directions: F64 = field(repr=False)
    gains: F64 = field(repr=False)

    def __post_init__(self) -> None:
        k, d = self.directions.shape
        if self.centre.shape != (d,) or self.gains.shape != (k,):
            raise ValueError("centre, directions and gains do not fit together")
        if not (np.isfinite(self.length) and self.length > 0):
            raise ValueError("the typical length is no positive number")
        # Asked this way, NaN is refused.
        if not (np.isfinite(self.centre).all() and ((self.gains > 0) & (self.gains <= 1)).all()):
            raise ValueError("a gain is not in (0, 1], or the centre is not finite")
        if not np.allclose(self.directions @ self.directions.T, np.eye(k), atol=1e-4):
            raise ValueError("the directions are not orthonormal")

    def apply(self, vectors: NDArray[np.floating]) -> F32:
        """Vectors of n faces, balanced: of about unit length, a little more where the network found little.

        Parameters
        ----------
        vectors : float [shape=(n, d)]
            As the network gives them.

        Returns
        -------
        float32 [shape=(n, d)]
        """
        x = lengthened(vectors, self.length)
        left_in = np.linalg.norm(x, axis=1, keepdims=True) ** _LEFT_IN
        left = self.take_off(x)
        length = np.maximum(np.linalg.norm(left, axis=1, keepdims=True), 1e-12)
        return np.asarray(left / length * left_in, np.float32)

    def take_off(self, vectors: F64) -> F64:
        """What is left of vectors, at whatever length, without the centre and along the directions [shape=(n, d)]."""
        centred = vectors - self.centre
        return np.asarray(centred - (centred @ self.directions.T * (1 - self.gains)) @ self.directions)


def lengthened(vectors: NDArray[np.floating], typical: float) -> F64:
    """Vectors of unit length where their own is typical, longer where it is less, shorter where it is more.

    Parameters
    ----------
    vectors : float [shape=(n, d)]
        As the network gives them.
    typical
        Length that becomes 1.

    Returns
    -------
    float64 [shape=(n, d)]
    """
    length = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float64), 1e-12)
    longer = np.exp(np.clip(np.log(typical / length), -_MOST_LENGTHENED, _MOST_LENGTHENED))
    return np.asarray(vectors / length * longer)


def fit_balance(means: F64, weights: F64, *, length: float, within: float, strength: float) -> Balance:
    """Fit the map to the means of groups and sources.

    Parameters
    ----------
    means : float64 [shape=(m, d)]
        Mean vector, :func:`lengthened`, of each group of people and each source of pictures.
    weights : float64 > 0 [shape=(m,)]
        How much each counts, whatever its number of people.
    length
        Typical length of the network's vectors.
    within
        Variance within a person, mean over dimensions.
    strength
        How many times over the variance between means counts as within a person.

    Returns
    -------
    Balance
    """
    share = weights / weights.sum()
    centre = share @ means
    spread = (means - centre) * np.sqrt(share)[:, None]
    between, directions = np.linalg.eigh(spread.T @ spread)
    gains = 1 / np.sqrt(1 + strength * np.maximum(between, 0) / within)
    kept = gains < _UNCHANGED
    return Balance(length=length, centre=centre, directions=directions.T[kept], gains=gains[kept])


def load_balance(model_sha256: str) -> tuple[Balance, str]:
    """The map for the SFace in use, and the sha256 of the file that holds it.

    Raises
    ------
    CalibrationError
        The file is missing or damaged, or was made with another model.
    """
    path = data_dir() / _FILE
    try:
        raw = path.read_bytes()
        table = tomllib.loads(raw.decode("utf-8"))
        if table["kind"] != "balance" or table["format"] != FORMAT:
            raise ValueError(f"expected kind balance, format {FORMAT}")
        made_with = str(table["model_sha256"])
        centre = np.asarray(table["centre"], np.float64)
        balance = Balance(
            length=float(table["length"]),
            centre=centre,
            directions=np.asarray(table["directions"], np.float64).reshape(-1, len(centre)),
            gains=np.asarray(table["gains"], np.float64),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise CalibrationError(f"{path.name} cannot be read: {error}") from None
    if made_with != model_sha256:
        raise CalibrationError(f"{path.name} was made with another model than the sface in use")
    return balance, hashlib.sha256(raw).hexdigest()


def write_balance(
    path: Path, balance: Balance, *, model_sha256: str, counts: Mapping[str, int], about: Mapping[str, str]
) -> None:
    """Write the map as TOML, with what it was made from."""

    def numbers(values: F64) -> str:
        return "[" + ", ".join(f"{v:.6f}" for v in values) + "]"

    lines = ['kind = "balance"', f"format = {FORMAT}"]
    lines += [f"{key} = {json.dumps(text)}" for key, text in about.items()]
    lines += [f'model_sha256 = "{model_sha256}"', f"length = {balance.length:.4f}"]
    lines += [f"centre = {numbers(balance.centre)}"]
    lines += [f"gains = {numbers(balance.gains)}", "directions = ["]
    lines += [f"  {numbers(row)}," for row in balance.directions]
    lines += ["]", "", "[counts]", *(f"{json.dumps(name)} = {n}" for name, n in counts.items())]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")

"""What reads files of others: for each, sound files to begin with, and a function that must end in peace.

Peace is a value, or an :class:`~idverify.errors.IdverifyError` of one line. Anything else that is raised is a finding.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from media_factory import KINDS, encode_kind, quadrants
from PIL import Image

from idverify.models import data_dir

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@dataclass(frozen=True)
class Target:
    """One reader.

    Parameters
    ----------
    seeds
        Makes the sound files.
    read
        Reads one damaged file.
    """

    seeds: Callable[[], list[bytes]]
    read: Callable[[bytes], object]


def _recordings() -> list[bytes]:
    return [encode_kind(name, 12) for name in KINDS]


def _read_recording(data: bytes) -> int:
    from idverify.media import open_recording

    with open_recording(data) as recording:
        return sum(int(frame.luma((32, 32)).size) + int(frame.image_rgb((16, 16)).size) for frame in recording)


def _photos() -> list[bytes]:
    image = Image.fromarray(np.tile(quadrants(), (2, 2, 1)))
    files = []
    for form in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000"):
        buffer = io.BytesIO()
        image.save(buffer, form)
        files.append(buffer.getvalue())
    return files


def _read_photo(data: bytes) -> object:
    from idverify.media import load_photo

    return load_photo(data).shape


def _check_seeds() -> list[bytes]:
    return [path.read_bytes() for path in sorted(SAMPLES.glob("*.mp4"))]


def _check(data: bytes) -> object:
    """The whole way: whatever comes of damaged attacks, it is no acceptance."""
    decision = _verifier().check(data, str(SAMPLES / "reference.jpg"))
    if decision.accepted:
        raise AssertionError("a damaged attack was accepted")
    return decision.outcome


@lru_cache(maxsize=1)
def _verifier():  # type: ignore[no-untyped-def]
    from idverify import Verifier

    return Verifier(policy="ial2")


def _as_file(read: Callable[[Path], object], suffix: str) -> Callable[[bytes], object]:
    def run(data: bytes) -> object:
        with tempfile.NamedTemporaryFile(suffix=suffix, delete=False) as file:
            file.write(data)
        try:
            return read(Path(file.name))
        finally:
            os.unlink(file.name)

    return run


def _challenges() -> list[bytes]:
    from idverify import challenge

    kinds = ("motion", "light", "both")
    return [challenge.to_json(challenge.issue(kind=kind, key=b"0123456789abcdef")).encode() for kind in kinds]


def _read_challenge(data: bytes) -> object:
    from idverify import challenge

    return challenge.from_json(data)


_TRIALS = (
    "video,reference,mated,presentation,pai_species,subject,group,device,split\n"
    "a.mp4,b.jpg,true,bona_fide,,p1,g,d,dev\nc.mp4,d.jpg,false,bona_fide,,p2,g,d,eval\ne.mp4,,,attack,print,p3,,,eval\n"
)


def _read_trials(path: Path) -> object:
    from idverify.protocols import read_trials

    return read_trials(path)


def _read_scores(path: Path) -> object:
    from idverify.evaluation import read_scores

    return read_scores(path)


def _scores() -> list[bytes]:
    from idverify.evaluation.results import TrialResult
    from idverify.evaluation.scores import write_scores
    from idverify.protocols import read_trials

    with tempfile.TemporaryDirectory() as folder:
        trials, scores = Path(folder) / "t.csv", Path(folder) / "s.csv"
        trials.write_text(_TRIALS)
        result = TrialResult(outcome="accept", similarity=0.7, match_llr=3.0, mechanisms={"depth": (1.0, 2.0)})
        write_scores(scores, read_trials(trials), dict.fromkeys(range(3), result))
        return [scores.read_bytes()]


def _manifests() -> list[bytes]:
    import pyarrow as pa
    from pyarrow import parquet

    text = b"id,video,reference,policy,place\n1,a.mp4,b.jpg,,x\n2,c.mp4,d.jpg,strict,y\n"
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"video": ["a", "b"], "reference": ["c", "d"]}), buffer)
    return [text, buffer.getvalue()]


def _read_manifest(path: Path) -> object:
    from idverify.evaluation.manifest import read_manifest

    manifest = read_manifest(str(path))
    return list(manifest.rows(0, 10, policy="ial2"))


def _read_card(path: Path) -> object:
    from idverify.comparison import load_card

    return load_card(path)


def _read_policy(path: Path) -> object:
    from idverify import load_policy

    return load_policy(path)


def _shipped(pattern: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(data_dir().glob(pattern))]


TARGETS = {
    "recording": Target(_recordings, _read_recording),
    "photo": Target(_photos, _read_photo),
    "check": Target(_check_seeds, _check),
    "challenge": Target(_challenges, _read_challenge),
    "trials": Target(lambda: [_TRIALS.encode()], _as_file(_read_trials, ".csv")),
    "scores": Target(_scores, _as_file(_read_scores, ".csv")),
    "manifest": Target(_manifests, _as_file(_read_manifest, ".csv")),
    "card": Target(lambda: _shipped("calibration/comparison.toml"), _as_file(_read_card, ".toml")),
    "policy": Target(lambda: _shipped("policies/*.toml"), _as_file(_read_policy, ".toml")),
}

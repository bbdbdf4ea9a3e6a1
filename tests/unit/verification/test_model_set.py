"""The set of models: everything is loaded before a verification, or nothing is verified."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from idverify.errors import IdverifyError, ModelIntegrityError, ModelMissingError
from idverify.models.loading import COMPARISON_MODELS, PIPELINE_MODELS
from idverify.models.manifest import locate
from idverify.verification.model_set import ModelSet
from idverify.verification.verifier import Verifier


def linked(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        (folder / locate(name).name).symlink_to(locate(name))
    return folder


def test_the_models_stand_in_their_order_and_are_loaded_once():
    model_set = ModelSet()
    model_set.load()
    assert tuple(stamp.name for stamp in model_set.stamps) == PIPELINE_MODELS
    assert model_set.face_models is model_set.face_models


@pytest.mark.parametrize("absent", ["sface", "yunet"])
def test_one_missing_file_stops_everything(tmp_path, absent):
    folder = linked(tmp_path, tuple(name for name in PIPELINE_MODELS if name != absent))
    with pytest.raises(ModelMissingError, match=absent):
        ModelSet(models_dir=folder).load()


@pytest.mark.parametrize("altered", COMPARISON_MODELS)
def test_one_altered_file_stops_everything(tmp_path, altered):
    folder = linked(tmp_path, tuple(name for name in PIPELINE_MODELS if name != altered))
    (folder / locate(altered).name).write_bytes(locate(altered).read_bytes()[:-1])
    with pytest.raises(ModelIntegrityError, match=altered):
        ModelSet(models_dir=folder).load()


def test_a_verifier_is_pickled_by_its_settings(tmp_path):
    """Workers of a pool get the settings and load the models themselves."""
    verifier = Verifier(policy="strict", card=tmp_path / "card.toml", models_dir=tmp_path)
    again = pickle.loads(pickle.dumps(verifier))
    assert again.policy == verifier.policy
    with pytest.raises(IdverifyError, match=str(tmp_path)):
        again.load()
    assert len(pickle.dumps(verifier)) < 4000

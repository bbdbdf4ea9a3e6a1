"""The command line as a black box: exit codes, what is on which stream, and never a traceback."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import builders
import click
import pytest
from jsonschema import Draft202012Validator
from PIL import Image

from idverify import errors
from idverify.cli import ExitCode, cli, main
from idverify.report import load_schema
from idverify.report.words import findings

VALIDATOR = Draft202012Validator(load_schema())
# Seconds that a command may take on a machine that is busy with other things.
PATIENCE_S = 240
# One line for each of the three questions.
QUESTIONS = {"check": ["clip.mp4", "ref.jpg"], "liveness": ["clip.mp4"], "match": ["clip.mp4", "ref.jpg"]}


class FakeVerifier:
    """Answers with what the test laid out, and keeps what it was asked."""

    answer: Callable[[], Any] = builders.decision
    calls: list[dict[str, Any]]

    def __init__(self, policy: object = "ial2", card: object = None, models_dir: object = None) -> None:
        type(self).calls = [{"policy": policy, "card": card}]

    def _decide(self, *paths: Path, progress: Callable[[float], None], **more: Any) -> Any:
        progress(0.5)
        progress(1.0)
        type(self).calls.append({"paths": paths, **more})
        return type(self).answer()

    check = assess_liveness = compare = inspect = _decide


@pytest.fixture
def verifier(monkeypatch: pytest.MonkeyPatch) -> type[FakeVerifier]:
    """Put a verifier in place whose answers the test chooses."""
    module = types.ModuleType("idverify.verification.verifier")
    fake = type("Fake", (FakeVerifier,), {"calls": []})
    module.Verifier = fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "idverify.verification.verifier", module)
    return fake


def _raise(error: BaseException) -> Callable[[], Any]:
    def answer() -> Any:
        raise error

    return answer


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "idverify", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, **environment},
        check=False,
    )


# -- exit codes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(
    ("answer", "code", "word"),
    [
        (builders.decision, 0, "accept"),
        (builders.still_photo, 1, "reject"),
        (builders.too_dark, 3, "inconclusive"),
    ],
)
def test_the_outcome_is_the_exit_code(
    verifier: Any, capsys: Any, question: str, answer: Callable[[], Any], code: int, word: str
) -> None:
    verifier.answer = staticmethod(answer)
    assert main([question, *QUESTIONS[question]]) == code
    out = capsys.readouterr().out
    assert out.startswith(word.upper())
    assert main([question, *QUESTIONS[question], "--quiet"]) == code
    assert capsys.readouterr().out == f"{word}\n"
    assert main([question, *QUESTIONS[question], "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    VALIDATOR.validate(document)
    assert document["outcome"] == word


@pytest.mark.parametrize("name", errors.__all__)
@pytest.mark.parametrize("question", QUESTIONS)
def test_every_error_is_one_sentence_and_exit_code_4(verifier: Any, capsys: Any, question: str, name: str) -> None:
    verifier.answer = staticmethod(_raise(getattr(errors, name)("the clip\nis damaged")))
    assert main([question, *QUESTIONS[question]]) == 4
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err == "Error: the clip is damaged\n"
    assert main([question, *QUESTIONS[question], "--json"]) == 4
    document = json.loads(capsys.readouterr().out)
    VALIDATOR.validate(document)
    assert document["error"]["message"] == "the clip is damaged"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (PermissionError(13, "Permission denied", "/a\x1b/b"), "/a\\x1b/b cannot be used: Permission denied"),
        (OSError(28, "No space left on device"), "the disk cannot be used: No space left on device"),
        (OSError(27, "File too large"), "the disk cannot be used: File too large"),
        (OSError(24, "Too many open files"), "this machine cannot be used: Too many open files"),
    ],
)
def test_a_place_that_cannot_be_used_is_no_fault_of_the_program(verifier: Any, capsys: Any, fault, words) -> None:
    def fail() -> None:
        raise fault

    verifier.answer = staticmethod(fail)
    assert main(["check", "a", "b", "--json"]) == 4
    streams = capsys.readouterr()
    assert streams.err == f"Error: {words}; nothing was decided\n"
    assert json.loads(streams.out)["error"]["code"] == "parameter"


@pytest.mark.parametrize("fault", [ZeroDivisionError("x"), MemoryError(), RecursionError("deep"), OSError(5, "io")])
def test_a_fault_of_ours_is_neither_a_verdict_nor_a_traceback(verifier: Any, capsys: Any, fault: Exception) -> None:
    verifier.answer = staticmethod(_raise(fault))
    assert main(["check", "a", "b", "--json"]) == 4
    streams = capsys.readouterr()
    assert json.loads(streams.out)["error"]["code"] == "internal"
    assert streams.err.startswith(f"Error: internal error ({type(fault).__name__}")
    assert "Traceback" not in streams.err


def test_a_package_that_does_not_load_points_to_the_doctor(verifier: Any, capsys: Any) -> None:
    verifier.answer = staticmethod(_raise(ImportError("libav.so.1: cannot open")))
    assert main(["check", "a", "b"]) == 4
    assert "idverify doctor" in capsys.readouterr().err


def test_an_interrupt_decides_nothing(verifier: Any, capsys: Any) -> None:
    verifier.answer = staticmethod(_raise(KeyboardInterrupt()))
    assert main(["check", "a", "b"]) == ExitCode.INTERRUPTED
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "nothing was decided" in streams.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "only-one.mp4"],
        ["check", "a", "b", "c"],
        ["check", "a", "b", "--polcy", "x"],
        ["nonsense"],
        [],
        ["check", "a", "b", "--mirrored"],
        ["check", "a", "b", "--nonces", "used.sqlite"],
        ["check", "a", "b", "--report", "page.txt"],
        ["check", "a", "b", "--report", "/no/such/folder/page.html"],
    ],
)
def test_wrong_usage_is_exit_code_2_and_prints_nothing(verifier: Any, capsys: Any, arguments: list[str]) -> None:
    assert main(arguments) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err
    assert verifier.calls == []


def test_a_number_that_is_not_one_is_never_passed_on_as_accepted(verifier: Any, capsys: Any) -> None:
    verifier.answer = staticmethod(lambda: builders.decision(match=builders.match(llr=float("nan"))))
    assert main(["check", "a", "b", "--json"]) == 4
    assert "outcome" not in json.loads(capsys.readouterr().out)


# -- what is passed on, and where things are printed -----------------------------------------------------


def test_options_reach_the_verifier(verifier: Any, tmp_path: Path) -> None:
    report = tmp_path / "page.html"
    options = ["--policy", "strict", "--card", "own.toml", "--challenge", "c.json", "--report", str(report)]
    main(["check", "a.mp4", "b.jpg", *options])
    assert verifier.calls == [
        {"policy": "strict", "card": Path("own.toml")},
        {
            "paths": ("a.mp4", "b.jpg"),
            "face_images": True,
            "seed": None,
            "challenge": Path("c.json"),
            "nonce_store": None,
            "subject": None,
            "received_at_s": None,
            "mirrored": False,
        },
    ]
    assert report.read_text("utf-8").startswith("<!doctype html>")


def test_no_pictures_are_asked_for_without_a_report(verifier: Any) -> None:
    main(["check", "a.mp4", "b.jpg"])
    assert verifier.calls[1] == {"paths": ("a.mp4", "b.jpg"), "face_images": False, "seed": None}


def test_a_report_that_cannot_be_written_withholds_the_outcome(
    verifier: Any, capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idverify.report.html.write_html", lambda *_: _raise(PermissionError(13, "denied"))())
    assert main(["check", "a", "b", "--json", "--report", str(tmp_path / "page.html")]) == 4
    document = json.loads(capsys.readouterr().out)
    assert document["error"]["code"] == "parameter"
    assert "denied" in document["error"]["message"]


def test_a_report_never_replaces_an_input(verifier: Any, tmp_path: Path) -> None:
    video = tmp_path / "clip.html"
    assert main(["liveness", str(video), "--report", str(video)]) == 2


@pytest.mark.parametrize("quiet", [[], ["--quiet"], ["--json"]])
def test_warnings_are_loud_in_every_mode(verifier: Any, capsys: Any, quiet: list[str]) -> None:
    verifier.answer = staticmethod(builders.unsafe_match)
    main(["match", "a", "b", "--policy", "unsafe-comparison-only", *quiet])
    streams = capsys.readouterr()
    assert "WARNING: UNSAFE POLICY" in streams.err
    assert "WARNING: NO LIVENESS WAS CHECKED" in streams.err
    assert "WARNING" not in streams.out
    if quiet == ["--json"]:
        assert json.loads(streams.out)["warnings"][0].startswith("UNSAFE POLICY")


@pytest.mark.parametrize("columns", ["20", "40", "200"])
def test_every_width_shows_every_word(verifier: Any, capsys: Any, monkeypatch: Any, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    main(["check", "a", "b"])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= int(columns)
    assert "\x1b" not in out
    said = [row.text for row in findings(builders.decision(), brief=True)]
    shown = set(out.split())
    assert [word for text in said for word in text.split() if word not in shown] == [] or int(columns) < 40


def test_inspect_prints_no_verdict(verifier: Any, capsys: Any) -> None:
    verifier.answer = staticmethod(builders.inspection)
    assert main(["inspect", "a.mp4"]) == 0
    words = capsys.readouterr().out
    assert "0 (subject)" in words
    assert "accept" not in words.lower()
    # What was found, and how it spread, are two statements.
    assert len(re.findall(r"; median ", " ".join(words.split()))) == 1
    assert main(["inspect", "a.mp4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["subject_id"] == 0


# -- the process -----------------------------------------------------------------------------------------


def test_help_names_every_command_without_loading_one() -> None:
    code = (
        "import sys; from idverify.cli import main; main(['--help']);"
        "heavy = {'numpy', 'cv2', 'av', 'PIL', 'onnxruntime', 'rich', 'idverify.cli.check'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in ("check", "liveness", "match", "inspect", "doctor"))


def test_every_listed_command_can_be_loaded_and_helps() -> None:
    context = cli.make_context("idverify", ["doctor"])
    names = cli.list_commands(context)
    assert len(names) >= 5
    for name in names:
        command = cli.get_command(context, name)
        assert command is not None
        assert command.get_help(context)


def test_version() -> None:
    assert _run("--version").stdout.startswith("idverify ")


def test_a_reader_that_goes_away_is_no_traceback_and_no_accept() -> None:
    command = f"{sys.executable} -m idverify doctor --json; echo code $? >&2"
    done = subprocess.run(
        ["bash", "-c", f"({command}) | true"], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a shell that closes files")
@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-"])
def test_who_closed_standard_error_gets_the_same_answer(closed: str) -> None:
    command = f"{sys.executable} -m idverify check none.mp4 none.jpg --json {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["message"] == "there is no file 'none.jpg'"


@pytest.mark.parametrize("width", ["40", "100"])
def test_doctor_names_the_command_that_mends(width: str, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("IDVERIFY_MODELS", str(tmp_path))
    assert main(["doctor"]) == 4
    streams = capsys.readouterr()
    assert "idverify models pull" in streams.out
    assert streams.err == ""


def test_what_the_doctor_advises_brings_what_it_is_said_to_bring(tmp_path: Path, monkeypatch: Any) -> None:
    from idverify.cli import doctor, models
    from idverify.models import specs

    monkeypatch.setenv("IDVERIFY_MODELS", str(tmp_path))
    brought: list[str] = []

    def pull(names: list[str] | None, **_: Any) -> tuple[()]:
        brought.extend([row.name for row in specs() if row.default] if names is None else names)
        return ()

    monkeypatch.setattr(models, "pull", pull)
    advised = [check for check in doctor.examine() if check.area == "model" and check.mend]
    assert {check.state for check in advised} == {doctor.State.MISSING, doctor.State.OPTIONAL}
    for check in advised:
        brought.clear()
        assert main(check.mend.split()[1:]) == 0
        assert check.name in brought, check.mend


def test_every_safe_policy_is_named_where_one_is_chosen() -> None:
    from idverify.verification.shipped import policy_names

    for question in QUESTIONS:
        said = _run(question, "--help").stdout
        assert [name for name in policy_names() if "unsafe" not in name and name not in said] == []


def test_doctor_json_agrees_with_its_exit_code(capsys: Any) -> None:
    code = main(["doctor", "--json"])
    document = json.loads(capsys.readouterr().out)
    missing = [check for check in document["checks"] if check["state"] == "missing"]
    assert document["ok"] == (not missing)
    assert code == (4 if missing else 0)
    assert all(check["mend"] for check in missing)


def test_doctor_knows_every_dependency_of_the_package() -> None:
    from idverify.cli import doctor

    tomllib = pytest.importorskip("tomllib")
    project = Path(__file__).resolve().parents[2] / "pyproject.toml"
    rows = tomllib.loads(project.read_text("utf-8"))["project"]
    needed = {row.split(">")[0] for row in rows["dependencies"] if "python_version" not in row}
    assert set(doctor._NEEDED.values()) == needed
    assert set(doctor._EXTRAS) == set(rows["optional-dependencies"]) - {"test", "test-core", "lint", "docs"}


@pytest.mark.parametrize("module", ["av", "cv2", "onnxruntime", "rich"])
def test_doctor_runs_where_a_dependency_does_not_load(module: str) -> None:
    # Nor do the extras, most of whose time goes into being imported.
    absent = [module, "matplotlib", "ray", "distributed", "pyarrow", "starlette"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent!r}));"
        "from idverify.cli import main; sys.exit(main(['doctor', '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 4, done.stderr
    broken = [c for c in json.loads(done.stdout)["checks"] if c["state"] == "missing" and c["area"] == "dependency"]
    assert len(broken) == 1


# -- what is given as a file ------------------------------------------------------------------------------------------


def test_an_address_keeps_its_slashes_in_the_message(capsys: Any) -> None:
    assert main(["liveness", "https://example.org/selfie.mp4"]) == 4
    assert "https://example.org/selfie.mp4 is an address" in capsys.readouterr().err


def test_a_data_uri_reaches_the_verifier_as_it_is(verifier: Any) -> None:
    uri = "data:image/jpeg;base64,//9h//8="
    assert main(["match", uri, uri]) == 0
    assert verifier.calls[-1]["paths"] == (uri, uri)


def test_python_warnings_stay_off_standard_error(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40)).save(buffer, "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7f")
    (tmp_path / "photo.jpg").write_bytes(buffer.getvalue())
    done = _run("match", str(tmp_path / "photo.jpg"), str(tmp_path / "photo.jpg"), "--quiet")
    assert done.stdout == "inconclusive\n"
    assert "arning:" not in done.stderr.replace("WARNING:", "")


@pytest.mark.parametrize(("outcomes", "code"), [(("failed", "failed"), 4), (("failed", "reject"), 0)])
def test_an_evaluation_in_which_nothing_could_be_judged_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path, outcomes: tuple[str, ...], code: int
) -> None:
    def evaluate(trials: Path, out: Path, **_: Any) -> Path:
        rows = [f"{outcome},{'CorruptMediaError: no frame' if outcome == 'failed' else ''}" for outcome in outcomes]
        out.mkdir()
        (out / "scores.csv").write_text("\n".join(["outcome,error", *rows]) + "\n", encoding="utf-8")
        return out / "report.json"

    monkeypatch.setattr("idverify.evaluation.evaluate", evaluate)
    (tmp_path / "trials.csv").write_text("", encoding="utf-8")
    assert main(["evaluate", str(tmp_path / "trials.csv"), "--out", str(tmp_path / "out"), "--quiet"]) == code
    streams = capsys.readouterr()
    assert "report.json" in streams.out
    assert ("none of 2 trials could be judged" in streams.err) is (code == 4)


# -- numbers that are none ----------------------------------------------------------------------------


def _numbers(group: click.Group, ctx: click.Context) -> list[tuple[str, click.Parameter]]:
    found = []
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += [(f"{name} {inner}", option) for inner, option in _numbers(command, ctx)]
        found += [(name, option) for option in command.params if isinstance(option.type, click.types.FloatParamType)]
    return found


def test_no_command_takes_what_is_not_a_number_for_one() -> None:
    numbers = _numbers(cli, click.Context(cli))
    assert len(numbers) >= 5
    for name, option in numbers:
        for text in ("nan", "inf", "-inf", "1e999", "x"):
            with pytest.raises(click.BadParameter):
                pytest.fail(f"{name} {option.opts}: {option.type.convert(text, option, None)}")


@pytest.mark.parametrize(
    "wrong",
    [
        ("--crf", "nan"), ("--duration", "nan"), ("--duration", "0"), ("--duration", "1e9"), ("--rate", "1e12"),
        ("--rate", "-1"), ("--strength", "nan"), ("--codec", "none"), ("--shown", "none"), ("--set", "grain=inf"),
    ],
)  # fmt: skip
def test_a_simulation_that_cannot_be_is_wrong_usage(tmp_path: Path, capsys: Any, wrong: tuple[str, str]) -> None:
    photo, made = tmp_path / "photo.png", tmp_path / "made.mp4"
    Image.new("RGB", (64, 64), "grey").save(photo)
    assert main(["simulate", "photo_fixed", str(photo), "-o", str(made), *wrong]) == ExitCode.USAGE
    assert "internal" not in capsys.readouterr().err
    assert not made.exists()

"""Gates and the bench command; the measurements themselves on made-up processes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from evaluation_fakes import FakeSystem, made_up_trials

from idverify.cli.bench import bench_command
from idverify.errors import ParameterError
from idverify.evaluation import bench, evaluate
from idverify.evaluation.executors import LocalExecutor
from idverify.evaluation.gates import Figure, Gate, breaches, read_gates
from idverify.metrics import wilson
from idverify.protocols import write_trials


def gate_file(folder: Path, text: str) -> Path:
    (folder / "gate.toml").write_text(text, encoding="utf-8")
    return folder / "gate.toml"


def rate(errors: int, trials: int) -> Figure:
    interval = wilson(errors, trials)
    return Figure(value=errors / trials, low=interval.low, high=interval.high, text=f"{errors} of {trials}")


def test_a_rate_breaks_its_gate_only_beyond_its_interval():
    gate = Gate(figure="accuracy.frr", at_most=0.05)
    assert gate.holds_for(rate(1, 10))  # 10 % of ten may well be 5 %
    assert not gate.holds_for(rate(100, 1000))  # 10 % of a thousand may not
    assert gate.holds_for(rate(0, 10))


def test_a_figure_that_was_not_measured_breaks_its_gate():
    (breach,) = breaches([Gate(figure="check_over_decode", at_most=2.0)], {})
    assert str(breach) == "check_over_decode at most 2: not measured"


def test_bounds_hold_at_their_own_value_and_on_both_sides():
    gate = Gate(figure="x", at_most=2.0, at_least=1.0)
    assert [gate.holds_for(Figure.exactly(v)) for v in (0.9, 1.0, 2.0, 2.1)] == [False, True, True, False]
    assert str(gate) == "x at most 2 and at least 1"


def test_gates_are_read_in_order(tmp_path):
    path = gate_file(tmp_path, '[[gate]]\nfigure = "a"\nat_most = 1\n[[gate]]\nfigure = "b"\nat_least = 0.5\n')
    assert read_gates(path) == (Gate(figure="a", at_most=1), Gate(figure="b", at_least=0.5))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[[gates]]\n",
        '[[gate]]\nfigure = "a"\n',
        '[[gate]]\nfigure = "a"\nat_most = "2"\n',
        '[[gate]]\nfigure = "a"\nat_most = nan\n',
        '[[gate]]\nfigure = "a"\nat_most = true\n',
        '[[gate]]\nfigure = "a"\natmost = 2\n',
        "[[gate]]\nfigure = 1\nat_most = 2\n",
        "[[gate]\n",
    ],
)
def test_a_gate_file_that_could_gate_nothing_is_refused(tmp_path, text):
    with pytest.raises(ParameterError, match="gate"):
        read_gates(gate_file(tmp_path, text))


def test_rates_of_a_report_become_figures(tmp_path):
    write_trials(made_up_trials(4), tmp_path / "t.csv")
    report = evaluate(tmp_path / "t.csv", tmp_path / "run", engine=LocalExecutor(1), make_system=FakeSystem)
    figures = bench.accuracy_figures(json.loads(report.read_text()))
    frr = figures["accuracy.frr"]
    assert frr.low <= frr.value <= frr.high
    assert {"accuracy.iapar_worst", "accuracy.apcer_worst", "accuracy.comparison_cllr"} <= figures.keys()


def test_a_fresh_process_that_fails_says_why():
    with pytest.raises(ParameterError, match="ZeroDivisionError"):
        bench._python("1 / 0")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell no peak of the process's own")
def test_peak_memory_is_that_of_the_fresh_process_not_of_its_parent(tmp_path, monkeypatch):
    stub = "class Verifier:\n    def __init__(self, policy): pass\n    def check(self, *media): b'x' * (60 << 20)\n"
    wing = tmp_path / "idverify" / "verification"
    wing.mkdir(parents=True)
    (wing.parent / "__init__.py").touch()
    (wing / "__init__.py").touch()
    (wing / "verifier.py").write_text(stub)
    monkeypatch.syspath_prepend(tmp_path)
    # Written to, so that the memory is really taken.
    parent = np.ones(400 << 20, np.uint8)
    figures = bench.process_figures(tmp_path / "v.mp4", tmp_path / "r.jpg", check_s=0.1, rounds=1)
    assert parent.nbytes > 2**20 * figures["peak_memory_mb"].value > 60 << 20


@pytest.fixture
def measured(monkeypatch):
    monkeypatch.setattr(
        bench, "speed_figures", lambda *a, **k: {n: Figure.exactly(1.5) for n in ("check_s", "check_over_decode")}
    )
    monkeypatch.setattr(bench, "process_figures", lambda *a, **k: {"import_s": Figure.exactly(0.1, "s")})


@pytest.mark.parametrize(("bound", "code"), [(2.0, 0), (1.0, 1)])
def test_a_broken_gate_ends_with_1_and_names_figure_and_gate(tmp_path, measured, bound, code):
    (tmp_path / "v.mp4").touch()
    (tmp_path / "r.jpg").touch()
    gate = gate_file(tmp_path, f'[[gate]]\nfigure = "check_over_decode"\nat_most = {bound}\n')
    arguments = ["--video", str(tmp_path / "v.mp4"), "--reference", str(tmp_path / "r.jpg"), "--gate", str(gate)]
    done = CliRunner().invoke(bench_command, [*arguments, "--json", str(tmp_path / "out.json")])
    assert done.exit_code == code, done.output
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["figures"]["import_s"]["value"] == 0.1
    broken = ["check_over_decode at most 1: got 1.5"] if code else []
    assert written["broken_gates"] == broken
    assert all(text in done.output for text in broken)


def test_a_clip_without_a_photo_is_wrong_usage(tmp_path, measured):
    (tmp_path / "v.mp4").touch()
    assert CliRunner().invoke(bench_command, ["--video", str(tmp_path / "v.mp4")]).exit_code == 2

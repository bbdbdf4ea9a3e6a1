"""The evaluation runner: resumable after any kill, failures kept, the same bytes each time."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from evaluation_fakes import FakeSystem, made_up_trials

from idverify.errors import ModelMissingError, ParameterError
from idverify.evaluation import evaluate, read_scores
from idverify.evaluation.executors import LocalExecutor
from idverify.evaluation.journal import Journal
from idverify.evaluation.results import FAILED, TrialResult
from idverify.evaluation.scores import write_scores
from idverify.evaluation.verifier_system import VerifierSystem
from idverify.evaluation.work import VideoJob, judge_video
from idverify.protocols import Split, write_trials

REPORTS = ("scores.csv", "run.json", "report.json", "report.md", "report.html")
TESTS = Path(__file__).resolve().parents[2]  # where evaluation_fakes lies
RUN = """
import sys
from functools import partial
sys.path.insert(0, {here!r})
from evaluation_fakes import FakeSystem
from idverify.evaluation import evaluate
from idverify.evaluation.executors import LocalExecutor
if __name__ == "__main__":
    engine = LocalExecutor(int(sys.argv[3]))
    evaluate(sys.argv[1], sys.argv[2], engine=engine, resume=True, make_system=partial(FakeSystem, 0.004))
"""


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in REPORTS}


@pytest.fixture(scope="module")
def trials_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trials") / "trials.csv"
    write_trials(made_up_trials(), path)
    return path


@pytest.fixture(scope="module")
def finished(trials_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    seen: dict[str, list[tuple[int, int]]] = {"photos": [], "trials": []}
    note = lambda what, *p: seen[what].append(p)  # noqa: E731
    evaluate(trials_file, out, engine=LocalExecutor(1), make_system=FakeSystem, progress=note)
    for what, n in (("photos", 16), ("trials", len(made_up_trials()))):
        assert seen[what] == [(k, n) for k in range(n + 1)]
    return out


def test_every_trial_is_a_row_in_the_order_of_the_trials(finished):
    table = read_scores(finished / "scores.csv")
    assert table.texts["video"].tolist() == [t.video for t in made_up_trials()]
    assert table.texts["error"][-1] == "CorruptMediaError: corrupt_1.mp4: no frame can be decoded"
    assert table.texts["outcome"][-1] == "failed"
    assert np.isnan(table.numbers["liveness_llr"][-1])
    assert table.mechanisms() == ("stillness",)


def test_workers_change_no_byte(finished, trials_file, tmp_path):
    evaluate(trials_file, tmp_path / "out", engine=LocalExecutor(3), make_system=FakeSystem)
    assert contents(tmp_path / "out") == contents(finished)


def test_each_video_and_each_photo_is_opened_once_by_workers_of_one_core(trials_file, tmp_path):
    log = tmp_path / "log"
    evaluate(trials_file, tmp_path / "out", engine=LocalExecutor(3), make_system=partial(FakeSystem, 0.001, log=log))
    lines = [line.split() for line in log.read_text().splitlines()]
    trials = made_up_trials()
    for verb, expected in (("look", {t.video for t in trials}), ("enrol", {t.reference for t in trials} - {""})):
        opened = [name for what, name, *_ in lines if what == verb]
        assert sorted(opened) == sorted(expected)
    assert {(cores, threads) for *_, cores, threads in lines} == {("1", "1")}


def test_only_the_photos_of_unfinished_trials_are_opened_again(finished, trials_file, tmp_path):
    out, log = tmp_path / "out", tmp_path / "log"
    out.mkdir()
    journal = (finished / "journal.jsonl").read_bytes().splitlines(keepends=True)
    last = [line for line in journal[1:] if json.loads(line)["trial"] == 3]
    (out / "journal.jsonl").write_bytes(b"".join(line for line in journal if line not in last))
    evaluate(trials_file, out, engine=LocalExecutor(2), resume=True, make_system=partial(FakeSystem, log=log))
    opened = sorted(line.split()[1] for line in log.read_text().splitlines())
    assert opened == sorted([made_up_trials()[3].video, made_up_trials()[3].reference])
    assert contents(out) == contents(finished)


def test_a_photo_that_cannot_be_read_or_kills_costs_its_own_trials_only(tmp_path):
    bad = ("corrupt_photo.jpg", "crash_photo.jpg")
    trials = made_up_trials(2, extra=())
    trials += [dataclasses.replace(trials[0], reference=name, mated=False, reference_subject="x") for name in bad]
    write_trials(trials, tmp_path / "t.csv")
    evaluate(tmp_path / "t.csv", tmp_path / "out", engine=LocalExecutor(2), make_system=FakeSystem)
    table = read_scores(tmp_path / "out" / "scores.csv")
    assert table.texts["error"][-2:].tolist() == [
        "CorruptMediaError: corrupt_photo.jpg: no frame can be decoded",
        "the process that looked at it died",
    ]
    assert (table.texts["outcome"][:-2] != "failed").all()


def test_a_run_killed_five_times_leaves_the_same_bytes(finished, trials_file, tmp_path):
    script, out = tmp_path / "run.py", tmp_path / "out"
    script.write_text(RUN.format(here=str(TESTS)), encoding="utf-8")
    command = [sys.executable, str(script), str(trials_file), str(out)]
    rng = random.Random(4)
    total, done = len(made_up_trials()), [0]
    for kill in range(5):
        run = subprocess.Popen([*command, str(1 + kill // 4)], start_new_session=True)
        # Wait until this run has added something, then kill it (with its workers, or alone) at a random moment.
        while run.poll() is None and _lines(out) <= done[-1]:
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, 0.08))
        (os.kill if kill % 2 else os.killpg)(run.pid, signal.SIGKILL)
        run.wait()
        assert run.returncode == -signal.SIGKILL, "the run ended before it was killed"
        done.append(_lines(out))
    assert done == sorted(set(done)), "each run must go on where the one before it stopped"
    assert done[-1] < total
    evaluate(trials_file, out, engine=LocalExecutor(2), resume=True, make_system=FakeSystem)
    assert contents(out) == contents(finished)


def _lines(out: Path) -> int:
    path = out / "journal.jsonl"
    return path.read_bytes().count(b"\n") - 1 if path.exists() else 0


def test_a_half_written_line_is_cut_off_and_judged_again(finished, trials_file, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    journal = (finished / "journal.jsonl").read_bytes()
    (out / "journal.jsonl").write_bytes(journal[: len(journal) // 2])
    evaluate(trials_file, out, engine=LocalExecutor(1), resume=True, make_system=FakeSystem)
    assert contents(out) == contents(finished)


def test_a_worker_that_dies_costs_its_own_video_only(tmp_path):
    write_trials(made_up_trials(2, extra=("crash_1.mp4",)), tmp_path / "t.csv")
    evaluate(tmp_path / "t.csv", tmp_path / "out", engine=LocalExecutor(2), make_system=FakeSystem)
    table = read_scores(tmp_path / "out" / "scores.csv")
    assert table.texts["error"][-1] == "the process that looked at it died"
    assert (table.texts["outcome"][:-1] != "failed").all()


def test_a_run_is_neither_overwritten_nor_mixed_with_another(finished, trials_file, tmp_path):
    with pytest.raises(ParameterError, match="--resume"):
        evaluate(trials_file, finished, make_system=FakeSystem)
    write_trials(made_up_trials(3), tmp_path / "other.csv")
    with pytest.raises(ParameterError, match="belongs to a run with other trials_sha256"):
        evaluate(tmp_path / "other.csv", finished, resume=True, make_system=FakeSystem)


def test_a_finished_run_is_reported_again_without_judging(finished, trials_file):
    before = contents(finished)
    evaluate(trials_file, finished, resume=True, make_system=FakeSystem)
    assert contents(finished) == before


def test_a_missing_model_ends_the_run_instead_of_failing_every_trial(trials_file, tmp_path):
    with pytest.raises(ModelMissingError, match="idverify models pull"):
        evaluate(trials_file, tmp_path / "out", engine=LocalExecutor(1), make_system=partial(FakeSystem, missing=True))


def test_a_damaged_journal_is_refused_by_line(tmp_path):
    header = {"trials_sha256": "1"}
    with Journal(tmp_path / "j", header) as journal:
        journal.add(0, TrialResult(outcome="accept"))
    (tmp_path / "j").write_bytes((tmp_path / "j").read_bytes() + b'{"trial": 1}\n')
    with pytest.raises(ParameterError, match="line 3 is damaged"):
        Journal(tmp_path / "j", header)


# -- the figures ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def figures(finished) -> dict:
    return json.loads((finished / "report.json").read_text())


def test_figures_are_those_of_the_scores_file(finished, figures):
    table = read_scores(finished / "scores.csv").split(Split.EVAL)
    mated = table.bona_fide & table.mated
    refused = int((~table.outcome("accept") & mated).sum())
    assert (figures["transactions"]["frr"]["errors"], figures["transactions"]["frr"]["trials"]) == (
        refused,
        mated.sum(),
    )
    non_mated = table.bona_fide & table.non_mated
    accepted = int((table.outcome("accept") & non_mated).sum())
    assert figures["transactions"]["far"]["errors"] == accepted
    assert set(figures["transactions"]["iapar"]) == {"print", "replay"}
    assert figures["failures"]["failed"] == {"CorruptMediaError": 1}


def test_a_reference_that_fails_for_everybody_counts_once(tmp_path):
    from idverify.evaluation.summary import summarise

    trials = [t for t in made_up_trials(4, extra=()) if t.reference]
    bad = trials[0].reference
    results = {
        n: TrialResult(outcome="inconclusive", reasons=("reference_multiple_faces",) if t.reference == bad else ())
        for n, t in enumerate(trials)
    }
    trials = [dataclasses.replace(t, split=Split.EVAL) for t in trials]
    write_scores(tmp_path / "s.csv", trials, results)
    fte = summarise(read_scores(tmp_path / "s.csv"), {})["transactions"]["fte"]
    assert (fte["errors"], fte["trials"]) == (1, 8)


def test_the_confidence_is_held_to_the_prior_that_it_rests_on(finished):
    """Ten times the impostors change no figure; without a prior they do."""
    from idverify.evaluation.summary import summarise

    table = read_scores(finished / "scores.csv")
    often = np.repeat(np.arange(len(table)), np.where(table.bona_fide & table.non_mated, 10, 1))
    more = type(table)(
        texts={name: c[often] for name, c in table.texts.items()},
        numbers={name: c[often] for name, c in table.numbers.items()},
    )
    run = {"policy": FakeSystem.stamp["policy"]}
    once, tenfold = (summarise(t, run)["confidence"] for t in (table, more))
    assert tenfold["impostor"] == 10 * once["impostor"]
    assert tenfold["ece"] == pytest.approx(once["ece"], abs=1e-12)
    observed = [[row["observed"] for row in figures["reliability"]] for figures in (once, tenfold)]
    assert observed[0] == pytest.approx(observed[1])
    assert sum(r["right"] for r in once["reliability"]) == once["genuine"]
    plain, crowded = (summarise(t, {})["confidence"] for t in (table, more))
    assert plain["weighted_to"] is None
    assert abs(plain["ece"] - crowded["ece"]) > 1e-6


def test_a_photo_that_could_not_be_enrolled_is_no_false_rejection(tmp_path):
    """FRR, FAR and IAPAR are of enrolled people; the generalised rates count everybody."""
    from idverify.evaluation.summary import summarise

    trials = [dataclasses.replace(t, split=Split.EVAL) for t in made_up_trials(4, extra=())[:24]]
    bad = {n for n, t in enumerate(trials) if t.reference == "dev0_photo.jpg"}
    enrolled = TrialResult(outcome="accept", similarity=0.9)
    unusable = TrialResult(outcome="inconclusive", reasons=("reference_unusable",))
    write_scores(tmp_path / "s.csv", trials, {n: unusable if n in bad else enrolled for n in range(len(trials))})
    figures = summarise(read_scores(tmp_path / "s.csv"), {})["transactions"]
    names = ("frr", "gfrr", "fta", "far", "gfar")
    counts = {name: (figures[name]["errors"], figures[name]["trials"]) for name in names}
    assert counts == {"frr": (0, 3), "gfrr": (1, 4), "fta": (0, 3), "far": (9, 9), "gfar": (9, 12)}
    assert {name: rate["trials"] for name, rate in figures["iapar"].items()} == {"print": 3, "replay": 3}


def test_a_threshold_beyond_the_data_is_not_set(figures):
    rows = {row["target_fmr"]: row for row in figures["comparison"]["at_fmr"]}
    assert rows[1e-4] == {"target_fmr": 1e-4, "threshold": None, "dev_trials": 56, "dev_trials_needed": 30_000}
    assert all(not row["supported"] for row in figures["liveness"]["at_apcer"])


def test_a_video_counts_once_for_liveness(figures):
    assert figures["liveness"]["bona_fide"] == 8 + 1  # 8 selfies met 8 photos each; one corrupt
    assert figures["liveness"]["attacks"] == 16
    assert figures["liveness"]["at_policy"]["bpnrr"]["errors"] >= 1


def test_thresholds_come_from_dev_and_errors_from_eval(trials_file, finished, tmp_path):
    """Worse eval scores change the errors, not the thresholds."""
    from idverify.evaluation.summary import summarise

    table = read_scores(finished / "scores.csv")
    many = {name: np.tile(c, 10) for name, c in table.texts.items()}
    numbers = {name: np.tile(c, 10) for name, c in table.numbers.items()}
    plain = type(table)(texts=many, numbers=numbers)
    shifted = {
        **numbers,
        "similarity": np.where(many["split"] == "eval", numbers["similarity"] - 0.2, numbers["similarity"]),
    }
    worse = type(table)(texts=many, numbers=shifted)
    a, b = (summarise(t, {})["comparison"]["at_fmr"][0] for t in (plain, worse))
    assert a["threshold"] == b["threshold"] is not None
    assert a["fnmr"]["errors"] < b["fnmr"]["errors"]


def test_the_page_is_self_contained_and_complete(finished):
    page = (finished / "report.html").read_text()
    assert page.count("<svg") == 9
    assert "http-equiv" in page
    for outside in ("<script", "<img", "<link", "@import", "url("):
        assert outside not in page.replace("url(#", "")
    markdown = (finished / "report.md").read_text()
    assert markdown.count("## ") == 8
    assert "worst species: the headline" in markdown


def test_no_text_of_a_trial_can_become_markup(tmp_path):
    from idverify.evaluation.document import Section, Table
    from idverify.evaluation.report import to_html

    page = to_html(
        [Section(key="k", title="<t>", text="&", tables=(Table(header=("<h>",), rows=(("<script>",),)),))], {}
    )
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


# -- the scores file --------------------------------------------------------------------------------------------------


def test_scores_survive_writing_and_reading(tmp_path):
    results = {0: TrialResult(outcome="accept", similarity=0.1 + 0.2, matched=True, mechanisms={"depth": (None, -1.5)})}
    write_scores(tmp_path / "s.csv", made_up_trials()[:1], results)
    table = read_scores(tmp_path / "s.csv")
    assert table.numbers["similarity"][0] == 0.1 + 0.2
    assert np.isnan(table.numbers["native_depth"][0])
    assert table.numbers["llr_depth"][0] == -1.5
    assert TrialResult.from_json(json.loads(json.dumps(results[0].to_json()))) == results[0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("accept", "yes", "s.csv line 2, column outcome: expected one of accept"),
        ("0.25", "much", "s.csv line 2, column similarity: expected a number or nothing, got 'much'"),
        ("similarity", "likeness", "s.csv line 1: missing column 'similarity'"),
        ("0.25", "0.25,1", "s.csv line 2: expected 19 values, got 20"),
    ],
)
def test_a_wrong_scores_file_is_named_by_line_and_column(tmp_path, old, new, message):
    write_scores(tmp_path / "s.csv", made_up_trials()[:1], {0: TrialResult(outcome="accept", similarity=0.25)})
    text = (tmp_path / "s.csv").read_text().replace(old, new, 1)
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(ParameterError, match=message):
        read_scores(tmp_path / "s.csv")


def test_what_is_no_file_is_a_failed_row_and_ends_no_run(verifier, tmp_path):
    system = VerifierSystem()
    for video in (tmp_path, Path("s3://bucket/v.mp4"), Path("/dev/zero")):
        (result,) = judge_video(system, VideoJob(video=video, references=(None,)))
        assert result.outcome == FAILED
        assert "Error: " in result.error


AT_WORK = """
import sys, time
from pathlib import Path
from idverify.evaluation.journal import Journal
with Journal(Path(sys.argv[1]), {}):
    print("at work", flush=True)
    time.sleep(600)
"""


def test_a_journal_has_one_writer_who_lets_go_however_it_ends(tmp_path):
    pytest.importorskip("fcntl", reason="this system has no locks of the kind")
    other = subprocess.Popen([sys.executable, "-c", AT_WORK, str(tmp_path / "j")], stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == b"at work\n"
        with pytest.raises(ParameterError, match="another run is at work in "):
            Journal(tmp_path / "j", {})
    finally:
        other.kill()
        other.communicate()
    with Journal(tmp_path / "j", {}) as journal:
        assert not journal.results

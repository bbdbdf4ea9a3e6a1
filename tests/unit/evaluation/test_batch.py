"""A batch leaves the same bytes however often and wherever it was killed; failures are rows, nothing is done twice."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("pyarrow", reason="a batch needs pyarrow")

import pyarrow as pa
from pyarrow import parquet

from idverify.cli import main
from idverify.errors import (
    CalibrationError,
    CorruptMediaError,
    MediaCrashedError,
    MediaNotFoundError,
    ParameterError,
)
from idverify.evaluation import batch
from idverify.evaluation.batch import Job, Outcome, run_batch
from idverify.evaluation.executors import LocalExecutor
from idverify.evaluation.manifest import read_manifest
from idverify.evaluation.storage import open_storage, read_media
from idverify.isolation.walls import Walls
from idverify.models import data_dir
from idverify.reasons import NotAssessed, Reason

N_ROWS = 3 * batch.ROWS_PER_PART + 7
RUN = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from idverify.evaluation.batch import run_batch
from idverify.evaluation.executors import LocalExecutor
from test_batch import Stub
if __name__ == "__main__":
    run_batch(sys.argv[1], sys.argv[2], engine=LocalExecutor(2), make_system=Stub)
"""


class Stub:
    """Decides by the names: corrupt... fails, crash... kills; what it does goes to a file `log` beside the manifest."""

    def __init__(self, key: bytes) -> None:
        self.key = key

    def decide(self, job: Job) -> list[Outcome]:
        log = job.base / "log"
        if log.exists():
            with log.open("a") as lines:
                lines.write("".join(f"{row_id}\n" for _, row_id, _ in job.wanted))
        time.sleep(0.004)
        if job.video.startswith("crash"):
            os._exit(9)
        if job.video.startswith("corrupt"):
            return [Outcome(outcome="failed", error="CorruptMediaError: no frame") for _ in job.wanted]
        drawn = [batch.draw_of(self.key, row_id) / 2**48 for _, row_id, _ in job.wanted]
        return [Outcome(outcome="accept", confidence=value, reasons=("match",)) for value in drawn]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.csv"
    lines = ["id,video,reference,policy,clinic"]
    for n in range(N_ROWS):
        name = {70: "corrupt", 80: "crash"}.get(n, f"clip{n // 3}")
        clinic = '"Köln, Süd"' if n == 5 else str(n % 4)
        lines.append(f"r{n},{name}.mp4,photo{n}.jpg,,{clinic}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def table(out: Path) -> pa.Table:
    return pa.concat_tables([parquet.read_table(path) for path in sorted(out.glob("part-*.parquet"))])




def test_every_row_is_there_once_in_the_order_of_the_manifest(manifest, tmp_path):
    done, failed = run_batch(str(manifest), tmp_path / "out", engine=LocalExecutor(2), make_system=Stub)
    rows = table(tmp_path / "out")
    assert (done, failed) == (N_ROWS, 2)
    assert rows.column("id").to_pylist() == [f"r{n}" for n in range(N_ROWS)]
    assert rows.column("clinic").to_pylist()[5] == "Köln, Süd"
    outcomes = rows.column("outcome").to_pylist()
    assert [n for n, outcome in enumerate(outcomes) if outcome == "failed"] == [70, 80]
    errors = rows.column("error").to_pylist()
    assert errors[70] == "CorruptMediaError: no frame"
    assert errors[80] == "the process that looked at it died"


def test_a_batch_killed_anywhere_leaves_the_same_bytes(manifest, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(RUN.format(here=str(Path(__file__).resolve().parent)), encoding="utf-8")
    out, whole = tmp_path / "out", tmp_path / "whole"
    rng, parts = random.Random(3), 0
    for kill in range(5):
        run = subprocess.Popen([sys.executable, str(script), str(manifest), str(out)], start_new_session=True)
        while run.poll() is None and len(list(out.glob("part-*"))) < min(parts + 1, 3):
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, 0.1))
        # The driver alone, or the driver with all its workers.
        (os.kill if kill % 2 else os.killpg)(run.pid, signal.SIGKILL)
        run.wait()
        parts = len(list(out.glob("part-*")))
    run_batch(str(manifest), out, engine=LocalExecutor(2), make_system=Stub)
    whole.mkdir()
    (whole / batch.RUN).write_bytes((out / batch.RUN).read_bytes())
    run_batch(str(manifest), whole, engine=LocalExecutor(1), make_system=Stub)
    names = sorted(path.name for path in whole.iterdir())
    assert sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) == names
    assert all((out / name).read_bytes() == (whole / name).read_bytes() for name in names)


def test_what_is_done_is_not_done_again(manifest, tmp_path):
    out = tmp_path / "out"
    run_batch(str(manifest), out, engine=LocalExecutor(1), make_system=Stub)
    (manifest.parent / "log").touch()
    assert run_batch(str(manifest), out, engine=LocalExecutor(1), make_system=Stub) == (0, 0)
    sorted(out.glob("part-*"))[1].unlink()
    done, _ = run_batch(str(manifest), out, engine=LocalExecutor(1), make_system=Stub)
    assert done == batch.ROWS_PER_PART
    assert set((manifest.parent / "log").read_text().split()) == {
        f"r{n}" for n in range(batch.ROWS_PER_PART, 2 * batch.ROWS_PER_PART)
    }


def test_shards_share_a_manifest_and_a_limit_cuts_it(manifest, tmp_path):
    counts = [
        run_batch(str(manifest), tmp_path / "out", engine=LocalExecutor(1), make_system=Stub, shard=(i, 3))[0]
        for i in (1, 2, 3)
    ]
    assert sum(counts) == N_ROWS
    assert table(tmp_path / "out").column("id").to_pylist() == [f"r{n}" for n in range(N_ROWS)]
    assert run_batch(str(manifest), tmp_path / "few", engine=LocalExecutor(1), make_system=Stub, limit=70)[0] == 70


def test_a_parquet_manifest_and_an_object_store_are_the_same_batch(manifest, tmp_path):
    pytest.importorskip("obstore")
    from pyarrow import csv

    path = tmp_path / "manifest.parquet"
    parquet.write_table(csv.read_csv(manifest), path)
    (tmp_path / "bucket").mkdir()
    done, _ = run_batch(str(path), f"file://{tmp_path}/bucket", engine=LocalExecutor(1), make_system=Stub)
    assert done == N_ROWS
    assert table(tmp_path / "bucket").column("id").to_pylist() == [f"r{n}" for n in range(N_ROWS)]


def test_paths_of_a_manifest_in_an_object_store_start_from_its_place_there(tmp_path, monkeypatch):
    pytest.importorskip("obstore", reason="needs obstore")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "m.csv").write_text("video,reference\nclip.mp4,photos/a.jpg\n", encoding="utf-8")
    (tmp_path / "there" / "clip.mp4").write_bytes(b"video")
    (tmp_path / "here.jpg").write_bytes(b"photo")
    found = read_manifest(f"file://{tmp_path}/there/m.csv")
    monkeypatch.chdir(tmp_path)
    assert read_media("clip.mp4", found.base, max_bytes=9) == b"video"
    assert read_media(str(tmp_path / "here.jpg"), found.base, max_bytes=9) == b"photo"
    with pytest.raises(MediaNotFoundError, match=r"'here.jpg'"):
        read_media("here.jpg", found.base, max_bytes=9)


def test_another_batch_is_not_mixed_in(manifest, tmp_path):
    out = tmp_path / "out"
    run_batch(str(manifest), out, engine=LocalExecutor(1), make_system=Stub)
    with pytest.raises(ParameterError, match="a batch with other policy"):
        run_batch(str(manifest), out, engine=LocalExecutor(1), make_system=Stub, policy="strict")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,photo\na,b\n", "lacks the columns reference"),
        ("video,reference,outcome\na,b,c\n", "columns that may not be"),
        ("video,reference\na,\n", "rows without reference"),
        ("video,reference\n", "names no recording"),
        ("id,video,reference\n1,a,b\n1,c,d\n", "names an id twice"),
        ("video,reference\na,b,c\n", "neither CSV"),
        ("id,video,reference\n1,a,b\n,c,d\n", "names an id twice"),
    ],
)
def test_a_wrong_manifest_is_one_sentence(tmp_path, text, message):
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(ParameterError, match=message):
        run_batch(str(path), tmp_path / "out", engine=LocalExecutor(1), make_system=Stub)


def test_the_command_decides_real_recordings(verifier, tmp_path, capsys):
    samples = Path(__file__).resolve().parents[3] / "samples"
    path = tmp_path / "m.csv"
    photo = samples / "reference.jpg"
    path.write_text(f"video,reference\n{samples}/photo_panned.mp4,{photo}\nnowhere.mp4,{photo}\n")
    assert main(["batch", str(path), "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
    assert "2 rows decided, 1 of them failed" in capsys.readouterr().out
    rows = table(tmp_path / "out")
    assert rows.column("outcome").to_pylist() == ["reject", "failed"]
    assert json.loads(rows.column("decision").to_pylist()[0])["outcome"] == "reject"
    assert rows.column("error").to_pylist()[1] == "MediaNotFoundError: there is no file 'nowhere.mp4'"
    assert main(["batch", str(path), "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
    assert "no row was left to decide" in capsys.readouterr().out
    # Started again elsewhere from the same beginning, the same bytes: the frames that are compared, too.
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / batch.RUN).write_bytes((tmp_path / "out" / batch.RUN).read_bytes())
    assert main(["batch", str(path), "--out", str(tmp_path / "again"), "--workers", "1"]) == 0
    first, second = (next((tmp_path / name).glob("part-*")) for name in ("out", "again"))
    assert first.read_bytes() == second.read_bytes()


def test_runs_that_begin_at_once_share_one_secret(tmp_path):
    stores = [open_storage(tmp_path / "out") for _ in range(2)]
    assert all(batch.RUN not in store.names() for store in stores)
    for store, key in zip(stores, (b"one", b"two"), strict=True):
        store.create(batch.RUN, key)
    assert [store.read(batch.RUN) for store in stores] == [b"one", b"one"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [batch.RUN]


def test_runs_that_write_the_same_part_at_once_leave_it_whole(tmp_path):
    store = open_storage(tmp_path)
    pieces = [bytes([n]) * 400_000 for n in range(8)]
    failures: list[Exception] = []

    def write(data: bytes) -> None:
        try:
            for _ in range(10):
                store.write("part", data)
        except (ParameterError, OSError) as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(data,)) for data in pieces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert store.read("part") in pieces
    assert store.names() == {"part"}


def test_objects_of_a_bucket_are_created_once(tmp_path):
    pytest.importorskip("obstore")
    store = open_storage(f"file://{tmp_path}")
    store.create("a", b"one")
    store.create("a", b"two")
    assert store.read("a") == b"one"


def a_file(out: Path) -> None:
    out.write_text("")


def no_json(out: Path) -> None:
    out.mkdir()
    (out / batch.RUN).write_text("{")


def no_batch(out: Path) -> None:
    out.mkdir()
    (out / batch.RUN).write_text('["key"]')


def a_folder(out: Path) -> None:
    (out / batch.RUN).mkdir(parents=True)


@pytest.mark.parametrize("spoil", [a_file, no_json, no_batch, a_folder])
def test_a_place_that_cannot_be_used_is_one_sentence(manifest, tmp_path, spoil):
    spoil(tmp_path / "out")
    with pytest.raises(ParameterError, match="the place of the results"):
        run_batch(str(manifest), tmp_path / "out", engine=LocalExecutor(1), make_system=Stub)


def test_a_card_that_is_not_there_is_one_sentence(manifest, tmp_path):
    with pytest.raises(CalibrationError, match="no calibration card"):
        run_batch(str(manifest), tmp_path / "out", engine=LocalExecutor(1), make_system=Stub, card=tmp_path / "none")


def test_a_policy_file_that_changed_is_another_batch(manifest, tmp_path):
    policy, out = tmp_path / "own.toml", tmp_path / "out"
    text = (data_dir() / "policies" / "ial2.toml").read_text().replace('name = "ial2"', 'name = "own"')
    policy.write_text(text)
    run_batch(str(manifest), out, engine=LocalExecutor(1), make_system=Stub, policy=str(policy), limit=3)
    policy.write_text(text + "\n# changed\n")
    with pytest.raises(ParameterError, match="a batch with other policy"):
        run_batch(str(manifest), out, engine=LocalExecutor(1), make_system=Stub, policy=str(policy), limit=3)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_and_a_name_that_is_none_are_failures_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "a\0b"):
        with pytest.raises(MediaNotFoundError):
            read_media(name, tmp_path, max_bytes=100)


def test_text_stays_text_however_the_header_is_written(tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes(b'\xef\xbb\xbf"id",video,reference,"site, floor"\r\n007,1.mp4,2020-01-01,"0\n1"\r\n')
    read = read_manifest(str(path))
    (row,) = read.rows(0, 1, policy="ial2")
    assert (row.id, row.reference) == ("007", "2020-01-01")
    assert read.columns(0, 1)["site, floor"].to_pylist() == ["0\n1"]
    path.write_bytes(b"id,video,reference,n\r007,a,b,010\r")
    assert read_manifest(str(path)).columns(0, 1)["n"].to_pylist() == ["010"]


@pytest.mark.parametrize("limits", [(70, None), (None, 70), (70, 10, None), (10, 70, 130, None)])
def test_no_row_is_found_twice_whatever_the_limits_of_its_runs_were(manifest, tmp_path, limits):
    for limit in limits:
        run_batch(str(manifest), tmp_path / "out", engine=LocalExecutor(1), make_system=Stub, limit=limit)
    assert table(tmp_path / "out").column("id").to_pylist() == [f"r{n}" for n in range(N_ROWS)]


def test_a_run_killed_before_it_removed_what_a_limit_cut_short_is_mended_by_the_next(manifest, tmp_path):
    out = tmp_path / "out"
    run_batch(str(manifest), out, engine=LocalExecutor(1), make_system=Stub)
    (out / "part-0000001-006.parquet").write_bytes((out / "part-0000001-064.parquet").read_bytes())
    assert run_batch(str(manifest), out, engine=LocalExecutor(1), make_system=Stub, limit=70) == (0, 0)
    assert table(out).num_rows == N_ROWS


def test_an_object_that_is_gone_stays_so(tmp_path):
    pytest.importorskip("obstore")
    for store in (open_storage(tmp_path), open_storage(f"file://{tmp_path}")):
        store.write("a", b"one")
        for _ in range(2):
            store.remove("a")
        assert store.names() == frozenset()


def test_other_columns_of_any_type_arrive_as_they_are(tmp_path):
    path = tmp_path / "m.parquet"
    extra = {
        "taken": pa.array([1, 1577836800000000001], pa.timestamp("ns")),
        "day": pa.array([2**30, None], pa.date32()),
        "boxes": pa.array([[1.0], []]),
        "raw": pa.array([b"\xff", b""]),
        "site": pa.array(["a", "b"]),
    }
    own = {"id": [7, None], "video": pa.array(["v", "v"]).dictionary_encode(), "reference": ["r", "s"]}
    parquet.write_table(pa.table({**own, **extra}), path)
    run_batch(str(path), tmp_path / "out", engine=LocalExecutor(1), make_system=Stub)
    rows = table(tmp_path / "out")
    assert rows.column("id").to_pylist() == ["7", "1"]
    assert rows.column("video").to_pylist() == ["v", "v"]
    for name, values in extra.items():
        assert rows.column(name).combine_chunks().equals(values)


@pytest.mark.parametrize("name", ["id", "video", "reference", "policy"])
@pytest.mark.parametrize("values", [[["a"]], [{"a": 1}], [b"\xff"]])
def test_a_column_that_is_no_text_where_text_is_needed_is_one_sentence(tmp_path, name, values):
    path = tmp_path / "m.parquet"
    parquet.write_table(pa.table({"video": ["v"], "reference": ["r"]} | {name: values}), path)
    with pytest.raises(ParameterError, match=f"has a column {name} of the type .*: expected text"):
        read_manifest(str(path))


@pytest.mark.parametrize(("killed", "tries"), [(True, 2), (False, 1)])
def test_a_decoder_that_was_killed_from_outside_costs_no_row(tmp_path, killed, tries):
    asked = []

    class Verifier:
        def check_many(self, *_, **__):
            asked.append(1)
            raise MediaCrashedError("the process that decodes ended", killed=killed)

    system = batch.BatchSystem({}, None, b"key")
    system._verifier = lambda policy: Verifier()
    (tmp_path / "v").write_bytes(b"v")
    system.decide(Job(video="v", policy="ial2", base=tmp_path, wanted=((0, "0", "v"),)))
    assert len(asked) == tries


@pytest.mark.parametrize("command", ["batch", "evaluate"])
def test_who_interrupts_is_told_what_stays(manifest, tmp_path, capsys, monkeypatch, command):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("idverify.evaluation.batch.run_batch", interrupt)
    monkeypatch.setattr("idverify.evaluation.evaluate", interrupt)
    assert main([command, str(manifest), "--out", str(tmp_path / "out")]) == 130
    assert "goes on from there" in capsys.readouterr().err


@pytest.mark.parametrize("shard", ["0/0", "2/1", "1", "1/", "1/" + "9" * 5000, "-1/1"])
def test_a_shard_that_is_none_is_wrong_usage(manifest, tmp_path, shard):
    assert main(["batch", str(manifest), "--out", str(tmp_path / "out"), "--shard", shard]) == 2


@pytest.mark.parametrize("blamed", ["recording", "photo"])
def test_a_recording_that_hangs_is_not_waited_for_with_each_photo(tmp_path, blamed):
    asked = []

    class Verifier:
        def check_many(self, video, photos, *, seed):
            asked.append(len(photos))
            raise MediaCrashedError("it took longer than 180 s")

        def assess_liveness(self, video, *, seed):
            asked.append(0)
            if blamed == "recording":
                raise CorruptMediaError("it is damaged")

    system = batch.BatchSystem({}, None, b"key")
    system._verifier = lambda policy: Verifier()
    (tmp_path / "v").write_bytes(b"v")
    rows = tuple((n, str(n), "v") for n in range(5))
    outcomes = system.decide(Job(video="v", policy="ial2", base=tmp_path, wanted=rows))
    assert [o.outcome for o in outcomes] == ["failed"] * 5
    assert {o.error for o in outcomes} == {
        "CorruptMediaError: it is damaged" if blamed == "recording" else "MediaCrashedError: it took longer than 180 s"
    }
    assert asked == ([5, 0] if blamed == "recording" else [5, 0, 1, 1, 1, 1, 1])


class Telling(batch.BatchSystem):
    """Says how long a recording must be under the policy that it judges by."""

    def decide(self, job: Job) -> list[Outcome]:
        return [Outcome(outcome="reject", error=str(self._policies[job.policy].min_duration_s)) for _ in job.wanted]


def test_a_batch_judges_by_what_it_was_begun_with(tmp_path, monkeypatch):
    own = tmp_path / "own.toml"
    own.write_text((data_dir() / "policies" / "ial2.toml").read_text().replace('name = "ial2"', 'name = "own"'))
    path = tmp_path / "m.csv"
    path.write_text(f"video,reference,policy\nv,r,{own}\n")
    monkeypatch.setattr(batch, "BatchSystem", Telling)

    class Later:
        def map(self, task, jobs, *, setup):
            own.write_text(own.read_text().replace("min_duration_s = 1.5", "min_duration_s = 9.0"))
            yield from ((number, task(setup(), job)) for number, job in enumerate(jobs))

    run_batch(str(path), tmp_path / "out", engine=Later())
    assert "min_duration_s = 9.0" in own.read_text()
    assert table(tmp_path / "out").column("error").to_pylist() == ["1.5"]


def test_the_folder_of_the_results_is_one_table_for_its_readers(manifest, tmp_path):
    run_batch(str(manifest), tmp_path / "out", engine=LocalExecutor(1), make_system=Stub)
    assert parquet.read_table(tmp_path / "out").column("id").to_pylist() == [f"r{n}" for n in range(N_ROWS)]


def test_parts_of_nobody_knows_which_batch_are_not_taken_for_done(manifest, tmp_path):
    out = tmp_path / "out"
    run_batch(str(manifest), out, engine=LocalExecutor(1), make_system=Stub, limit=64)
    (out / batch.RUN).unlink()
    with pytest.raises(ParameterError, match="parts of a batch and no"):
        run_batch(str(manifest), out, engine=LocalExecutor(1), make_system=Stub)


def test_a_batch_below_another_is_another(manifest, tmp_path):
    pytest.importorskip("obstore")
    (tmp_path / "bucket" / "below").mkdir(parents=True)
    below, above = f"file://{tmp_path}/bucket/below", f"file://{tmp_path}/bucket"
    for place in (below, above):
        done, _ = run_batch(str(manifest), place, engine=LocalExecutor(1), make_system=Stub)
        assert done == N_ROWS


def test_walls_that_are_missing_are_said(manifest, tmp_path, capsys, monkeypatch):
    none = Walls(no_network=False, no_files=True, memory_limit=True)
    monkeypatch.setattr("idverify.isolation.walls.available", lambda: none)
    monkeypatch.setattr("idverify.evaluation.batch.run_batch", lambda *_, **__: (1, 0))
    assert main(["batch", str(manifest), "--out", str(tmp_path / "out")]) == 0
    assert "decoded here without: no network" in capsys.readouterr().err
    main(["doctor"])
    assert "decode without: no network" in capsys.readouterr().out


HOLD = """
import sys, time
from idverify.evaluation.storage import open_storage
with open_storage(sys.argv[1]).held(sys.argv[2], first=int(sys.argv[3]), n_bytes=int(sys.argv[4])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holding():
    """Another process that is at work in a place, until it is killed."""
    pytest.importorskip("fcntl", reason="this system has no locks of the kind")
    begun = []

    def hold(out: Path, *which: int) -> subprocess.Popen:
        words = [sys.executable, "-c", HOLD, str(out), batch.RUN, *map(str, which)]
        begun.append(subprocess.Popen(words, stdout=subprocess.PIPE))
        assert begun[-1].stdout.readline() == b"held\n"
        return begun[-1]

    yield hold
    for process in begun:
        process.kill()
        process.communicate()


def test_a_batch_that_runs_is_not_done_a_second_time(manifest, tmp_path, holding):
    out = tmp_path / "out"

    def run(shard=(1, 1)):
        return run_batch(str(manifest), out, engine=LocalExecutor(1), make_system=Stub, shard=shard, limit=9)

    run()
    whole = holding(out, 0, 0)
    for shard in ((1, 1), (1, 2), (2, 2)):
        with pytest.raises(ParameterError, match="another run is at work in"):
            run(shard)
    # However it ends, nothing of it is in the way.
    whole.kill()
    whole.wait()
    assert run() == (0, 0)
    holding(out, 2, 1)
    for shard in ((1, 1), (2, 2), (2, 3)):
        with pytest.raises(ParameterError, match="another run"):
            run(shard)
    assert run((1, 2)) == run((3, 3)) == (0, 0)


def test_a_place_without_locks_is_written_all_the_same(manifest, tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(pytest.importorskip("fcntl"), "lockf", no_locks)
    done, _ = run_batch(str(manifest), tmp_path / "out", engine=LocalExecutor(1), make_system=Stub, limit=9)
    assert done == 9


@pytest.mark.parametrize("column", ["video", "reference"])
def test_addresses_that_nothing_here_reads_are_no_failures_of_recordings(tmp_path, monkeypatch, column):
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    row = {"video": "v.mp4", "reference": "r.jpg"} | {column: "s3://bucket/x"}
    manifest = tmp_path / "m.csv"
    manifest.write_text(f"video,reference\nv.mp4,r.jpg\n{row['video']},{row['reference']}\n", encoding="utf-8")
    out = tmp_path / "out"
    with pytest.raises(ParameterError, match="pip install obstore"):
        run_batch(str(manifest), out, engine=LocalExecutor(1), make_system=Stub)
    assert not list(out.iterdir())
    assert run_batch(str(manifest), out, engine=LocalExecutor(1), make_system=Stub, limit=1) == (1, 0)
    # Of a cluster's machines, one may lack it.
    system = batch.BatchSystem({}, None, b"key")
    system._verifier = lambda policy: None
    with pytest.raises(ParameterError, match="pip install obstore"):
        system.decide(Job(video="s3://bucket/x", policy="ial2", base=tmp_path, wanted=((0, "0", "r.jpg"),)))


@pytest.mark.parametrize(("command", "code"), [("batch", 4), ("evaluate", 2)])
def test_an_empty_name_is_not_the_working_folder(manifest, tmp_path, capsys, monkeypatch, command, code):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    assert main([command, str(manifest), "--out", ""]) == code
    assert "name" in capsys.readouterr().err
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", ["batch --out o", "evaluate --out o", "calibrate --target-fmr 0.1 -o o"])
@pytest.mark.parametrize("name", ["none.csv", "."])
def test_a_file_to_read_that_is_none_is_no_wrong_usage(tmp_path, capsys, monkeypatch, command, name):
    monkeypatch.chdir(tmp_path)
    assert main([*command.split(), name]) == 4
    assert name in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("answer", [None, [], [None], ["accept"], [NotAssessed(reason=Reason.BLURRY, detail="")]])
def test_a_decoder_that_answers_with_no_decision_costs_its_own_rows(tmp_path, answer):
    system = batch.BatchSystem({}, None, b"key")
    system._verifier = lambda policy: SimpleNamespace(check_many=lambda *_, **__: answer)
    (tmp_path / "v").write_bytes(b"v")
    (row,) = system.decide(Job(video="v", policy="ial2", base=tmp_path, wanted=((0, "0", "v"),)))
    assert (row.outcome, row.decision) == ("failed", "")
    assert row.error.startswith("MediaCrashedError: ")

"""A judge and its process: real models, real walls, and what comes of everything that can go wrong with them."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from walk import Walk, open_new, sha256

from idverify import models
from idverify.errors import MediaCrashedError
from idverify.service import attempts, capture, jobs
from idverify.service.api_keys import Caller, make_key
from idverify.service.examiner import Examiner
from idverify.service.inmate import Inmate
from idverify.service.judge import Judge
from idverify.service.problems import Problem
from idverify.service.series import series_of
from idverify.service.settings import Limits, Settings
from idverify.service.tables import Attempt

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
VIDEO = (SAMPLES / "photo_panned.mp4").read_bytes()
PHOTO = (SAMPLES / "reference.jpg").read_bytes()
PATIENCE_S = 90.0

pytestmark = pytest.mark.skipif(
    any(status.spec.default and status.state != "ok" for status in models.check()),
    reason="needs models: idverify models pull",
)


@pytest.fixture
def core(tmp_path):
    """On SQLite and by the real clock: a process of its own takes part."""
    opened = open_new(Settings(data=tmp_path / "data", limits=Limits(lease_s=2.0)))
    yield opened
    opened.database.close()


@pytest.fixture
def walk(core):
    key = make_key(core, "tests")
    return Walk(core, Caller(id=key.id, name=""))


@pytest.fixture
def judge(core):
    working = Judge(core)
    working.start()
    yield working
    working.stop()
    working.join(timeout=30)
    assert not working.is_alive()


@pytest.fixture
def inmate():
    process = Inmate(memory_bytes=1 << 31)
    process.start()
    yield process
    process.end()


def send_file(walk, video=VIDEO, **changes):
    """A plain file, the shortest way to a judge."""
    walk.ask(photo=PHOTO, options={"file": True}, policy="ial2", **changes).open().begin(from_file=True)
    walk.put(0, video)
    return walk.finish(video)


def wait_for(condition, what):
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, f"waited {PATIENCE_S:g} s for {what}"
        time.sleep(0.05)


def test_a_recording_is_decided_as_the_command_decides_it(core, walk, judge, verifier):
    send_file(walk)
    wait_for(lambda: walk.state != "processing", "a decision")
    decision = walk.view["decision"]
    direct = verifier.check(SAMPLES / "photo_panned.mp4", SAMPLES / "reference.jpg")
    assert (walk.state, decision["outcome"]) == ("rejected", direct.outcome.value)
    assert decision["reasons"] == [reason.value for reason in direct.reasons]
    assert decision["capture"] == "file"
    assert walk.view["capture"] == {"source": "file"}
    with core.database.reading() as session:
        row = session.get_one(Attempt, walk.attempt)
    wait_for(lambda: series_of(core, row.id, row.decided_recording_id, row.wrapped_key), "what was measured")
    kept = series_of(core, row.id, row.decided_recording_id, row.wrapped_key)
    assert {"liveliness", "stillness", "recapture"} <= set(kept)
    assert all(len(each.times_s) == len(each.values) > 0 for each in kept.values())


@pytest.mark.parametrize("content", [b"no video at all", VIDEO[: len(VIDEO) // 2], os.urandom(5000)])
def test_what_cannot_be_decoded_is_a_technical_failure_and_the_judge_lives(walk, judge, content):
    judge.ready.wait(PATIENCE_S)
    pid = judge.inmate.pid
    send_file(walk, content)
    wait_for(lambda: walk.state != "processing", "an end")
    # Half a file may hold enough to be judged as what it is: cut off. It is never rejected for that.
    assert walk.state in ("requires_input", "inconclusive")
    if walk.state == "requires_input":
        assert walk.view["failure"] == "recording_unreadable"
    assert judge.inmate.pid == pid


def freeze(inmate):
    """Stop it, so that it is in the middle of the next question for as long as a test needs."""
    os.kill(inmate.pid, signal.SIGSTOP)


def test_killed_from_outside_the_recording_is_judged_again(core, walk, judge):
    judge.ready.wait(PATIENCE_S)
    freeze(judge.inmate)
    send_file(walk)
    wait_for(lambda: jobs.waiting(core) == 0, "the claim")
    time.sleep(0.3)
    os.kill(judge.inmate.pid, signal.SIGKILL)
    wait_for(lambda: walk.state != "processing", "a decision")
    assert walk.state == "rejected"


def test_a_codec_that_crashes_costs_one_attempt_a_technical_failure_and_nothing_else(core, walk, judge):
    judge.ready.wait(PATIENCE_S)
    freeze(judge.inmate)
    send_file(walk)
    wait_for(lambda: jobs.waiting(core) == 0, "the claim")
    time.sleep(0.3)
    os.kill(judge.inmate.pid, signal.SIGSEGV)
    os.kill(judge.inmate.pid, signal.SIGCONT)
    wait_for(lambda: walk.state != "processing", "an end")
    assert (walk.state, walk.view["failure"], walk.view["recordings_judged"]) == ("requires_input", "judge_failed", 0)
    other = send_file(Walk(core, walk.caller))
    wait_for(lambda: other.state != "processing", "the next decision")
    assert other.state == "rejected"


def test_one_that_hangs_is_ended_when_its_time_is_up(inmate):
    freeze(inmate)
    began = time.monotonic()
    with pytest.raises(MediaCrashedError, match="longer than 1 s") as ended:
        inmate.answer("photo", PHOTO, within_s=1.0)
    assert time.monotonic() - began < 10
    assert not ended.value.killed
    assert not inmate.alive


def test_memory_without_end_is_refused_inside(tmp_path):
    small = Inmate(memory_bytes=8 << 20)
    small.start()
    try:
        case = {"policy": "ial2", "challenge": None, "camera": ""}
        try:
            answer = small.answer("judge", VIDEO, PHOTO, within_s=PATIENCE_S, **case)
        except MediaCrashedError as ended:
            # A native library that is refused memory may end the process; nobody killed it.
            answer = {"error": "killed" if ended.killed else "memory"}
        assert answer["error"] in ("memory", "media", "internal", "setup")
    finally:
        small.end()


@pytest.mark.parametrize(
    "said", [5, "no JSON", "[" * 1_000_000, "[]", '"text"', b"{}", '{"a": NaN}', '{"a": -Infinity}', '{"a": 1e400}']
)
def test_what_is_no_answer_is_none(monkeypatch, said):
    """A process in a stranger's hands may send any value; only an object in JSON is read."""
    inmate = Inmate(memory_bytes=1 << 30)
    monkeypatch.setattr(inmate, "ask", lambda *_, **__: said)
    with pytest.raises(MediaCrashedError, match="no answer"):
        inmate.answer("photo", PHOTO, within_s=1.0)


@pytest.mark.parametrize(
    "said",
    [{}, {"decision": 5}, {"decision": {}}, {"decision": {"outcome": "sure"}, "capture": {}}, {"error": ["late"]},
     {"decision": {"outcome": "accept"}, "capture": 5}, {"decision": {"outcome": []}, "capture": {}},
     {"decision": {"outcome": "accept", "reasons": 5}, "capture": {}},
     {"decision": {"outcome": "accept", "reasons": [{}]}, "capture": {}}],
)  # fmt: skip
def test_an_answer_that_decides_nothing_costs_one_attempt_and_the_judge_lives(walk, judge, monkeypatch, said):
    judge.ready.wait(PATIENCE_S)
    monkeypatch.setattr(judge.inmate, "answer", lambda *_, **__: said)
    send_file(walk)
    wait_for(lambda: walk.state != "processing", "an end")
    assert (walk.state, walk.view["failure"]) == ("requires_input", "judge_failed")
    assert judge.is_alive()


def test_what_it_says_may_be_shown(monkeypatch):
    inmate = Inmate(memory_bytes=1 << 30)
    monkeypatch.setattr(inmate, "ask", lambda *_, **__: '{"detail": "\\ud800 \\u202e \\u0007"}')
    inmate.answer("photo", PHOTO, within_s=1.0)["detail"].encode()
    assert "\u202e" not in inmate.answer("photo", PHOTO, within_s=1.0)["detail"]


def test_it_ends_with_its_service(inmate):
    """The pipe closes: nobody is left to answer."""
    inmate._process.stdin.close()
    wait_for(lambda: not inmate.alive, "its end")


def test_the_process_has_no_secret_in_its_environment(monkeypatch, tmp_path):
    secret = base64.b64encode(os.urandom(32)).decode()
    monkeypatch.setenv("IDVERIFY_MASTER_KEY", secret)
    monkeypatch.setenv("IDVERIFY_DATABASE", f"postgresql+psycopg://u:{secret}@h/d")
    process = Inmate(memory_bytes=1 << 30)
    process.begin()
    try:
        assert secret.encode() not in Path(f"/proc/{process.pid}/environ").read_bytes()
    finally:
        process.end()


def test_without_models_nothing_is_claimed_and_the_trouble_is_named(core, walk, monkeypatch, tmp_path):
    monkeypatch.setenv("IDVERIFY_MODELS", str(tmp_path))
    send_file(walk)
    judge = Judge(core)
    judge.start()
    wait_for(lambda: judge.trouble, "the trouble")
    judge.stop()
    judge.join(timeout=30)
    assert "idverify models pull" in judge.trouble
    assert (walk.state, jobs.waiting(core)) == ("processing", 1)


def test_evidence_deleted_in_mid_judgement_is_not_judged(core, walk, judge):
    judge.ready.wait(PATIENCE_S)
    freeze(judge.inmate)
    send_file(walk)
    wait_for(lambda: jobs.waiting(core) == 0, "the claim")
    attempts.delete_evidence(core, walk.caller, walk.attempt)
    os.kill(judge.inmate.pid, signal.SIGCONT)
    time.sleep(1.0)
    assert (walk.state, walk.view["decision"]) == ("redacted", None)


def test_one_recording_that_blames_the_models_again_and_again_keeps_no_other_waiting(core, monkeypatch):
    monkeypatch.setattr("idverify.service.judge.PAUSE_S", 0.05)
    began = []

    class Blaming:
        alive, missing_walls = True, ()

        def start(self):
            began.append("start")

        def end(self):
            self.alive = False

        def answer(self, what, video, photo, **case):
            return {"error": "setup", "detail": "no model"} if video == b"poison" else {"error": "media"}

    key = make_key(core, "tests")
    first, second = (Walk(core, Caller(id=key.id, name="")) for _ in range(2))
    send_file(first, b"poison")
    send_file(second, b"no video", subject="another")
    judge = Judge(core, inmate=Blaming())
    judge.start()
    try:
        wait_for(lambda: {first.state, second.state} == {"requires_input"}, "both ends")
        assert (first.view["failure"], second.view["failure"]) == ("judge_failed", "recording_unreadable")
        # What it said was asked of a process of its own each time.
        assert len(began) >= jobs.MAX_TRIES
    finally:
        judge.stop()
        judge.join(timeout=30)


def test_the_examiner_knows_a_usable_photo(core):
    examiner = Examiner(core)
    try:
        examiner.require_usable(PHOTO)
        for content, code in ((b"no photo", "not_a_photo"), (grey_jpeg(), "reference_unusable")):
            with pytest.raises(Problem) as refused:
                examiner.require_usable(content)
            assert refused.value.code == code
    finally:
        examiner.end()


def test_the_examiner_shows_what_browsers_do_not(core):
    from PIL import Image

    photo = Image.open(SAMPLES / "reference.jpg")
    tiff, jp2 = io.BytesIO(), io.BytesIO()
    photo.save(tiff, "TIFF", exif={0x0112: 6})
    photo.save(jp2, "JPEG2000")
    sent = [tiff.getvalue(), jp2.getvalue()]
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.from_pillow(photo).save(heic := io.BytesIO(), format="HEIF")
        sent.append(heic.getvalue())
    examiner = Examiner(core)
    try:
        for content in sent:
            shown = Image.open(io.BytesIO(examiner.as_jpeg(content)))
            assert shown.format == "JPEG"
            # Upright, as the judge sees it.
            upright = photo.size[::-1] if content is sent[0] else photo.size
            assert abs(shown.width / shown.height - upright[0] / upright[1]) < 0.01
        # However narrow, what is left of it after shrinking is a picture.
        for size_wh in ((1, 9000), (9000, 2)):
            Image.new("L", size_wh, 99).save(line := io.BytesIO(), "TIFF")
            shown = Image.open(io.BytesIO(examiner.as_jpeg(line.getvalue())))
            assert (max(shown.size), min(shown.size)) == (1600, 1)
        assert examiner.as_jpeg(b"no photo") is None
    finally:
        examiner.end()


def test_photos_that_take_long_do_not_keep_every_thread_waiting(core):
    examiner, go_on = Examiner(core), threading.Event()

    class Slow:
        def answer(self, what, *parts, within_s):
            go_on.wait(60)
            return {"usable": True}

    examiner._inmate = Slow()
    threads = [threading.Thread(target=examiner.require_usable, args=(PHOTO,), daemon=True) for _ in range(40)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: sum(thread.is_alive() for thread in threads) < 10, "those who need not wait")
    finally:
        go_on.set()
    for thread in threads:
        thread.join(timeout=30)
    # Who comes later is looked at again.
    examiner._inmate.answer = lambda *_, **__: {"error": "media"}
    with pytest.raises(Problem):
        examiner.require_usable(PHOTO)


def test_hints_follow_the_picture(core):
    import cv2
    import numpy as np

    picture = cv2.cvtColor(cv2.imread(str(SAMPLES / "reference.jpg")), cv2.COLOR_BGR2GRAY)
    examiner = Examiner(core)

    def hint(image):
        small = cv2.resize(image, (120, 160))
        return examiner.hint(cv2.imencode(".jpg", small)[1].tobytes())

    height, width = picture.shape
    canvas = np.full((height * 4, width * 4), 128, np.uint8)
    canvas[height : 2 * height, width : 2 * width] = picture
    try:
        assert hint(picture) in ("ok", "too_close", "off_centre")
        assert hint(np.full_like(picture, 128)) == "no_face"
        assert hint(np.full_like(picture, 3)) == "too_dark"
        assert hint(canvas) in ("too_far", "no_face")
        assert hint(np.hstack([picture, picture])) == "several_faces"
        # Many at once: some get none, and nobody waits long.
        found: list[str | None] = []
        threads = [threading.Thread(target=lambda: found.append(hint(picture))) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert len(found) == 12
    finally:
        examiner.end()


def grey_jpeg() -> bytes:
    import cv2
    import numpy as np

    return bytes(cv2.imencode(".jpg", np.full((300, 300), 128, np.uint8))[1].tobytes())


def test_a_timed_recording_reaches_the_judge_with_its_stamps(core, walk, judge):
    """A prepared clip, sent as fast as it is asked for: it cannot answer what is revealed."""
    walk.ask(photo=PHOTO).open().begin()
    parts = [VIDEO[i : i + 10_000] for i in range(0, len(VIDEO), 10_000)]
    for n, part in enumerate(parts):
        capture.put_chunk(core, walk.attempt, walk.recording, n, part, sha256(part))
    shown = -1
    while True:
        step = capture.next_step(core, walk.attempt, walk.recording, after=shown)
        if step.done:
            break
        if step.step is not None:
            shown = step.step["index"]
        else:
            time.sleep(min(step.wait_s or 0.1, 0.5))
    walk.finish(*parts)
    wait_for(lambda: walk.state != "processing", "an end")
    assert walk.state != "accepted"
    assert (walk.state, walk.view["failure"]) == ("requires_input", "recording_late")

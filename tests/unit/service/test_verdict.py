"""The service's clock and the library together: a prepared clip, with stamps as an honest browser would leave them."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from live import PHOTO, SAMPLES

from idverify import Verifier, models
from idverify import challenge as challenges
from idverify.reasons import Reason
from idverify.report import load_schema, to_json
from idverify.service.steps import LEAD_IN_S, SLACK_S, step_lengths_s
from idverify.service.verdict import LateError, decide

pytestmark = pytest.mark.skipif(
    any(status.spec.default and status.state != "ok" for status in models.check()),
    reason="needs models: idverify models pull",
)
START_S = 1_000.0
UPLOAD_S = 0.3
KEY = b"a key for these tests only"


def prepared(seconds: float) -> bytes:
    """The sample's pictures forwards and backwards, for as long as asked: made before anybody asked for anything."""
    with av.open(str(SAMPLES / "photo_panned.mp4")) as source:
        pictures = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    there_and_back = pictures + pictures[-2:0:-1]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webm") as out:
        stream = out.add_stream("libvpx", rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 1_500_000
        stream.options = {"deadline": "realtime", "cpu-used": "8"}
        for i in range(round(seconds * 25)):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(there_and_back[i % len(there_and_back)], format="rgb24")))
        out.mux(stream.encode())
    return buffer.getvalue()


@pytest.fixture(scope="module")
def asked():
    return challenges.issue(key=KEY)


@pytest.fixture(scope="module")
def video(asked):
    lengths = step_lengths_s(asked)
    return prepared(1.0 + UPLOAD_S + LEAD_IN_S + sum(lengths) + SLACK_S * len(lengths) + 2.0)


@pytest.fixture(scope="module")
def verifier():
    return Verifier(policy="recovery")


def case_of(asked, video, *, late_s=0.0):
    """Pieces of a second each (bytes shared evenly), stamped when they arrive; steps when they were due."""
    seconds = round(sum(step_lengths_s(asked)) + 8)
    sizes = [len(part) for part in np.array_split(np.frombuffer(video, np.uint8), seconds)]
    arrived = [START_S + n + 1 + UPLOAD_S + (late_s if n else 0.0) for n in range(seconds)]
    revealed = [arrived[0] + LEAD_IN_S]
    for length in step_lengths_s(asked)[:-1]:
        revealed.append(revealed[-1] + length + SLACK_S)
    return {
        "challenge": challenges.to_json(asked),
        "chunks": list(zip(sizes, arrived, strict=True)),
        "revealed_s": revealed,
        "began_s": START_S - 0.5,
        "arrival_s": 10.0,
        "camera": "FaceTime HD Camera",
    }


def test_a_prepared_clip_in_perfect_time_does_not_answer_what_was_revealed(verifier, asked, video):
    decision, capture = decide(verifier, video, PHOTO, case_of(asked, video))
    assert not decision.accepted
    assert decision.challenge.binding == "session"
    assert not decision.challenge.followed
    assert decision.capture.value == "file"
    assert Reason.CHALLENGE_NOT_FOLLOWED in decision.reasons
    assert capture["source"] == "camera"
    assert len(capture["latencies_s"]) == len(asked.steps)
    assert all(0 <= latency < 10 for latency in capture["latencies_s"])
    assert to_json(decision)["capture"] in load_schema()["$defs"]["decision"]["properties"]["capture"]["enum"]
    # The windows are the server's, in the recording's own time, and each begins after the one before.
    starts = [step.start_s for step in decision.challenge.steps]
    assert starts == sorted(starts)
    assert starts[0] >= 1.0


def test_the_same_clip_sent_late_is_not_judged(verifier, asked, video):
    with pytest.raises(LateError, match="after its time"):
        decide(verifier, video, PHOTO, case_of(asked, video, late_s=30.0))


def test_a_file_is_bound_to_nothing_and_recovery_does_not_take_it(verifier):
    case = {"challenge": None}
    decision, capture = decide(verifier, Path(SAMPLES / "photo_panned.mp4").read_bytes(), PHOTO, case)
    assert not decision.accepted
    assert (decision.capture.value, capture) == ("file", {"source": "file"})

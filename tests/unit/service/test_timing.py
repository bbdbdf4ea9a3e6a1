"""Two clocks: what stamps prove about a recording, and what they catch."""

from __future__ import annotations

import contextlib
import io
import math

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idverify import challenge as challenges
from idverify.service.steps import LEAD_IN_S, SLACK_S, TAIL_S, count_steps, due_step, step_document, step_lengths_s
from idverify.service.timing import TOLERANCE_S, chunk_ends_s, measure

KEY = b"a key for these tests only"
RATE_HZ = 20


def clip(seconds: float, container: str) -> bytes:
    """Grey pictures in a container, as browsers record them."""
    buffer = io.BytesIO()
    codec = {"webm": "libvpx", "mp4": "mpeg4"}[container]
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"} if container == "mp4" else {}
    with av.open(buffer, "w", format=container, options=options) as out:
        stream = out.add_stream(codec, rate=RATE_HZ)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.gop_size = RATE_HZ
        for i in range(round(seconds * RATE_HZ)):
            picture = np.full((48, 64, 3), 40 + i % 150, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    return buffer.getvalue()


@pytest.mark.parametrize("container", ["webm", "mp4"])
def test_pieces_end_later_and_later_and_the_last_one_at_the_end(container):
    video = clip(6.0, container)
    sizes = [len(part) for part in np.array_split(np.frombuffer(video, np.uint8), 9)]
    ends = chunk_ends_s(video, sizes)
    known = ends[np.isfinite(ends)]
    assert known.size >= 5
    assert (np.diff(known) >= 0).all()
    assert known[-1] == pytest.approx(6.0 - 1 / RATE_HZ, abs=0.02)


@pytest.mark.parametrize("container", ["webm", "mp4"])
def test_a_piece_never_claims_pictures_that_it_does_not_complete(container):
    video, compared = clip(4.0, container), 0
    for cut in range(200, len(video), max(1, len(video) // 17)):
        (first, _) = chunk_ends_s(video, [cut, len(video) - cut])
        times = []
        with (
            contextlib.suppress(av.error.FFmpegError, IndexError),
            av.open(io.BytesIO(video[:cut]), "r", metadata_errors="ignore") as part,
        ):
            for packet in part.demux(video=0):
                if packet.size and packet.pts is not None:
                    times.append(float(packet.pts * packet.time_base))
        # Where even the first part cannot be opened alone, there is nothing to compare with.
        if math.isfinite(first) and times:
            assert first <= max(times) + 1e-6
            compared += 1
    assert compared >= 5


# -- the law: an honest recording is on time, whatever the line -----------------------------------

LENGTHS = [3.5, 3.5, 4.0]


def honest(*, start: float, up_s: list[float], seconds: float = 24.0):
    """Pieces of one second each, each as late as the line makes it; steps as the server reveals them."""
    ends = np.arange(1.0, seconds + 0.5)
    arrived, last = [], -math.inf
    for end, late in zip(ends, up_s, strict=False):
        last = max(last, start + end + late)
        arrived.append(last)
    reveals = [arrived[0] + LEAD_IN_S]
    for length in LENGTHS[:-1]:
        reveals.append(reveals[-1] + length + SLACK_S)
    return ends[: len(arrived)], arrived, reveals


lateness = st.lists(st.floats(0.02, 4.0), min_size=24, max_size=24)


@given(lateness, st.floats(-1e3, 2e9), st.floats(0.0, 3.0))
def test_an_honest_recording_is_on_time_whatever_the_line(up_s, start, before):
    ends, arrived, reveals = honest(start=start, up_s=up_s)
    timing = measure(ends, arrived, revealed_s=reveals, lengths_s=LENGTHS, began_s=start - before, arrival_s=10.0)
    assert timing.on_time, timing.why
    # Never earlier than the truth: a step cannot seem to have been revealed before it was.
    assert timing.started_s >= start - 1e-5
    assert all(latency <= 4.0 + 1e-3 + 1.0 for latency in timing.latencies_s)


@given(lateness, st.floats(-1e6, 1e6))
def test_only_differences_of_times_count(up_s, shift):
    ends, arrived, reveals = honest(start=1000.0, up_s=up_s)
    one = measure(ends, arrived, revealed_s=reveals, lengths_s=LENGTHS, began_s=999.0, arrival_s=5.0)
    moved = [t + shift for t in arrived], [t + shift for t in reveals]
    other = measure(ends, moved[0], revealed_s=moved[1], lengths_s=LENGTHS, began_s=999.0 + shift, arrival_s=5.0)
    assert one.on_time == other.on_time
    assert one.latencies_s == pytest.approx(other.latencies_s, abs=1e-3)


def test_a_recording_that_is_older_than_its_attempt_is_not_bound():
    ends, arrived, reveals = honest(start=1000.0, up_s=[0.1] * 24)
    timing = measure(
        ends, arrived, revealed_s=reveals, lengths_s=LENGTHS, began_s=1000.0 + TOLERANCE_S + 0.2, arrival_s=10.0
    )
    assert not timing.on_time
    assert "longer than the time since it was asked for" in timing.why


def test_a_first_piece_sent_early_and_the_rest_made_afterwards_is_late():
    """Whoever waits for all steps, and then makes the video, sends its answers too late."""
    ends, arrived, reveals = honest(start=1000.0, up_s=[0.1] * 24)
    made = 15.0
    late = [arrived[0], *(t + made for t in arrived[1:])]
    timing = measure(ends, late, revealed_s=reveals, lengths_s=LENGTHS, began_s=999.5, arrival_s=10.0)
    assert not timing.on_time
    assert "more than 10 s after its time" in timing.why


def test_a_clip_that_ends_before_the_last_answer_is_late_for_ever():
    ends, arrived, reveals = honest(start=1000.0, up_s=[0.1] * 24)
    timing = measure(ends[:8], arrived[:8], revealed_s=reveals, lengths_s=LENGTHS, began_s=999.5, arrival_s=10.0)
    assert not timing.on_time
    assert timing.latencies_s[-1] == math.inf


def test_everything_at_once_at_the_end_is_not_bound_to_steps_that_came_before_it():
    """A short clip sent as one piece: it can have begun after the steps were known."""
    reveals = [1002.0, 1006.0, 1010.0]
    timing = measure(np.array([6.0]), [1016.0], revealed_s=reveals, lengths_s=LENGTHS, began_s=1000.0, arrival_s=10.0)
    assert not timing.on_time


def test_without_a_single_time_nothing_is_bound():
    timing = measure(np.array([np.nan]), [5.0], revealed_s=[1.0], lengths_s=[3.0], began_s=0.0, arrival_s=9.0)
    assert not timing.on_time


# -- which step is due ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", challenges.KINDS)
def test_every_step_gets_its_time_and_the_end_comes_after_the_last(kind):
    asked = challenges.issue(kind=kind, key=KEY)
    revealed: list[float] = []
    now, done = 100.0, False
    while not done:
        due = due_step(asked, first_chunk_s=100.0, revealed_s=revealed, now_s=now)
        if due.step is not None:
            assert due.step == len(revealed)
            revealed.append(now)
        done = due.done
        now += due.wait_s or 0.0
    assert len(revealed) == count_steps(asked)
    assert now >= revealed[-1] + step_lengths_s(asked)[-1] + TAIL_S - 1e-6


def test_before_the_first_piece_nothing_is_due():
    asked = challenges.issue(key=KEY)
    assert due_step(asked, first_chunk_s=None, revealed_s=[], now_s=1e9).step is None


@pytest.mark.parametrize("locale", challenges.LANGUAGES)
def test_a_step_says_one_thing_in_the_persons_language_and_nothing_of_the_next(locale):
    asked = challenges.issue(kind="both", key=KEY)
    documents = [step_document(asked, i, locale) for i in range(count_steps(asked))]
    for document, step in zip(documents, asked.steps, strict=False):
        assert (document["kind"], document["action"], document["of"]) == ("move", step.action.value, len(documents))
        assert document["text"] == challenges.phrase(step.action, locale)
        assert "start_s" not in document
    assert documents[-1]["kind"] == "colour"
    assert [c["colour"] for c in documents[-1]["colours"]] == [part.colour.css for part in asked.light]

"""Which pictures are analysed: in turn, when they jump, and never when they show nothing or nothing new."""

from __future__ import annotations

import av
import numpy as np
import pytest

from idverify.media.frame import Frame, Orientation
from idverify.pad.evidence import ANALYSIS_RATE_HZ
from idverify.pad.fingerprints import FrameFingerprints
from idverify.verification.sampling import FrameSampler

FACE_XYXY = np.array([16.0, 6.0, 32.0, 26.0])


def scene(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(40, 200, (32, 48)).astype(np.uint8)


def moving(n: int) -> list[np.ndarray]:
    """The scene, which changes a little from picture to picture."""
    noise = np.random.default_rng(1)
    return [np.clip(scene().astype(int) + noise.integers(-4, 5, (32, 48)), 0, 255).astype(np.uint8) for _ in range(n)]


def analysed(pictures, rate_hz: float = 30.0, face=FACE_XYXY) -> list[int]:
    sampler = FrameSampler()
    return [k for k, picture in enumerate(pictures) if sampler.wants(k / rate_hz, picture, face)]


@pytest.mark.parametrize(("rate_hz", "expected"), [(5, 5), (15, 15), (30, 15), (40, 15)])
def test_so_many_a_second_in_turn(rate_hz, expected):
    assert len(analysed(moving(2 * rate_hz), rate_hz)) == pytest.approx(2 * expected, abs=2)
    assert ANALYSIS_RATE_HZ == 15.0


@pytest.mark.parametrize("at", [20, 21, 22, 23])
def test_a_picture_in_which_the_face_jumps_is_analysed_whenever_it_comes(at):
    pictures = moving(40)
    pictures[at] = pictures[at].copy()
    pictures[at][6:26, 16:32] = scene(5)[6:26, 16:32]
    assert at in analysed(pictures)


def test_what_jumps_beside_the_face_waits_its_turn():
    pictures = moving(40)
    turns = analysed(pictures)
    pictures[21][:, 36:] = scene(5)[:, 36:]
    assert analysed(pictures) == turns


def test_held_and_blank_pictures_are_passed_over_and_the_next_new_one_is_not():
    pictures = moving(60)
    stalled = [*pictures[:20], *[pictures[19]] * 60, *pictures[20:]]
    seen = analysed(stalled)
    assert not [k for k in seen if 20 <= k < 80]
    assert 80 in seen
    assert analysed([np.full((32, 48), 16, np.uint8)] * 30 + pictures)[0] == 30


def test_without_thumbnails_time_decides():
    sampler = FrameSampler()
    assert sum(sampler.wants(k / 30, None, None) for k in range(60)) == pytest.approx(30, abs=1)


@pytest.mark.parametrize("transposed", [False, True])
def test_the_thumbnail_is_upright_as_the_faces_are(transposed):
    """Dark on the left of the coded picture; after a quarter turn, at the top."""
    coded = np.full((96, 128), 200, np.uint8)
    coded[:, :40] = 20
    picture = av.VideoFrame.from_ndarray(coded, "gray").reformat(format="yuv420p")
    seen = FrameFingerprints()
    seen.observe_frame(Frame(picture, index=0, time_s=0.0, orientation=Orientation(transposed=transposed)))
    assert seen.latest is not None
    dark = seen.latest < 100
    assert (dark.all(axis=1).any(), dark.all(axis=0).any()) == (transposed, not transposed)

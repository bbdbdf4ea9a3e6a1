"""Cost of the image and signal mechanisms per frame and per recording; hot kernels beside plain loops.

pytest benchmarks/speed/test_pad_image_speed.py --benchmark-enable --benchmark-only
"""

from itertools import pairwise
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest

from idverify.media.frame import Frame, Orientation
from idverify.models.session import Session
from idverify.pad import pulse, recapture, reference_reuse, screen_rhythm
from idverify.pad.fingerprints import FrameFingerprints, deepest_repeat, lasting_fall, squared_differences

SIDE = reference_reuse.CROP_SIDE_PX


@pytest.fixture(scope="module")
def frame():
    y, x = np.mgrid[:1080, :1920]
    image = np.stack([(x // 5) % 256, (y // 3) % 256, (x + y) % 256], axis=-1).astype(np.uint8)
    picture = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv420p")
    return Frame(picture, index=0, time_s=0.0, orientation=Orientation())


@pytest.fixture(scope="module")
def view(frame):
    size = (640, 360)
    return SimpleNamespace(frame=frame, image_rgb=frame.image_rgb(size), luma=frame.luma(size), scale=3.0)


@pytest.fixture(scope="module")
def face():
    rng = np.random.default_rng(0)
    angle = np.linspace(0, 40 * np.pi, 468)
    radius = 300 * np.sqrt(np.linspace(0, 1, 468))
    points = np.stack([960 + radius * np.cos(angle), 540 + radius * np.sin(angle), 0 * angle], axis=1)
    for index, dx, dy in ((33, -120, -60), (133, -60, -60), (263, 120, -60), (362, 60, -60), (2, 0, 60)):
        points[index] = (960 + dx, 540 + dy, 0)
    points[:, :2] += rng.normal(0, 1, (468, 2))
    box = np.array([660.0, 240, 1260, 840])
    return SimpleNamespace(points_px=points.astype(np.float32), bbox_xyxy_px=box, time_s=0.0)


@pytest.fixture(scope="module")
def crops():
    rng = np.random.default_rng(1)
    rough = rng.normal(size=(11, SIDE, SIDE)).astype(np.float32)
    return np.stack([np.clip(128 + 200 * cv2.GaussianBlur(one, (0, 0), 2), 0, 255) for one in rough]).astype(np.uint8)


@pytest.fixture(scope="module")
def thumbnails():
    return np.random.default_rng(2).integers(0, 256, (300, 32, 48)).astype(np.uint8)


@pytest.mark.benchmark(group="per analysed 1080p frame")
@pytest.mark.parametrize(
    "collector", [recapture.Recapture, pulse.SkinColour, reference_reuse.ReferenceReuse, screen_rhythm.ScreenRhythm]
)
def test_collectors(benchmark, collector, view, face):
    seen = collector()

    def fifteen_frames():
        for _ in range(15):
            face.time_s += 1 / 15
            seen.observe(view, face)
        return len(seen.__dict__) > 0

    assert benchmark(fifteen_frames)


@pytest.fixture(scope="module")
def strips():
    return np.random.default_rng(3).integers(0, 256, (10, recapture.SIDE_PX, recapture.STRIP_PX, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def network():
    return Session("recapture", threads=1)


@pytest.mark.benchmark(group="recapture network, ten frames of four views")
def test_recapture_network(benchmark, strips, network):
    assert benchmark(recapture.frame_logits, strips, network).shape == (10, 4)


@pytest.mark.benchmark(group="recapture network, ten frames of four views")
def test_recapture_network_in_batches(benchmark, strips, network):
    (together,) = benchmark(network.run, strips)
    np.testing.assert_allclose(-together, recapture.frame_logits(strips, network), atol=1e-3)


@pytest.mark.benchmark(group="row profile of one picture")
def test_row_profile(benchmark, view):
    assert benchmark(screen_rhythm.row_profile, view.luma).shape == (24,)


@pytest.mark.benchmark(group="row profile of one picture")
def test_row_profile_by_loops(benchmark, view):
    strips = np.arange(25) * view.luma.shape[0] // 24

    def loops():
        return [
            round(sum(sum(map(int, row)) for row in view.luma[top:end]) / ((end - top) * view.luma.shape[1]))
            for top, end in pairwise(strips)
        ]

    plain = benchmark.pedantic(loops, rounds=1)
    np.testing.assert_array_equal(screen_rhythm.row_profile(view.luma), plain)


@pytest.mark.benchmark(group="per decoded 1080p frame")
def test_fingerprint(benchmark, frame):
    seen = FrameFingerprints()
    benchmark(seen.observe_frame, frame)
    assert len(seen.thumbnails()[0]) > 0


@pytest.mark.benchmark(group="all pairs of 300 thumbnails")
def test_squared_differences(benchmark, thumbnails):
    assert benchmark(squared_differences, thumbnails).shape == (300, 300)


@pytest.mark.benchmark(group="all pairs of 300 thumbnails")
def test_squared_differences_by_loops(benchmark, thumbnails):
    some = thumbnails.astype(np.float32)

    def loops():
        return np.array([[((a - b) ** 2).mean() for b in some] for a in some])

    plain = benchmark.pedantic(loops, rounds=1)
    np.testing.assert_allclose(squared_differences(thumbnails), plain, rtol=1e-3, atol=0.1)


@pytest.mark.benchmark(group="spectrum of 12 signals")
def test_line_spectrum(benchmark):
    times, signals = np.arange(450) / 15, np.random.default_rng(3).normal(size=(12, 450))
    frequencies = np.arange(0.75, 4, 1 / 120)
    assert benchmark(pulse.line_spectrum, times, signals, frequencies).shape == (12, len(frequencies))


@pytest.mark.benchmark(group="spectrum of 12 signals")
def test_line_spectrum_by_loops(benchmark):
    times, signals = np.arange(450) / 15, np.random.default_rng(3).normal(size=(12, 450))
    frequencies = np.arange(0.75, 4, 1 / 120)
    place = (times - times[0]) / (times[-1] - times[0])
    root = np.sqrt(0.05 + np.sin(np.pi * place) ** 2)

    def loops():
        out = np.empty((len(signals), len(frequencies)))
        for k, signal in enumerate(signals):
            flat = root[:, None]
            rest = root * signal - flat[:, 0] * ((root * flat[:, 0] * signal).sum() / (root**2).sum())
            for i, f in enumerate(frequencies):
                waves = np.stack([np.ones_like(times), np.cos(2 * np.pi * f * times), np.sin(2 * np.pi * f * times)])
                design = (root * waves).T
                left = root * signal - design @ np.linalg.lstsq(design, root * signal, rcond=None)[0]
                out[k, i] = 1 - (left @ left) / (rest @ rest)
        return out

    plain = benchmark.pedantic(loops, rounds=1)
    np.testing.assert_allclose(pulse.line_spectrum(times, signals, frequencies), plain, atol=1e-6)


@pytest.mark.benchmark(group="once per recording")
def test_reference_reuse(benchmark, crops):
    assert benchmark(reference_reuse.lasting_correlation, crops[1:], crops[0]) < 0.9


@pytest.mark.benchmark(group="once per recording")
def test_repeats_of_300_frames(benchmark, thumbnails):
    assert benchmark(deepest_repeat, np.arange(300) / 30, thumbnails) is not None


@pytest.mark.benchmark(group="once per recording")
def test_pulse_of_ten_seconds(benchmark):
    rng = np.random.default_rng(4)
    colours = 100 + rng.normal(size=(150, 4, 3))
    assert benchmark(pulse.estimate_pulse, np.arange(150) / 15, colours) is not None


def fall_by_loop(times, values, change, contrast):
    spells = {}
    for time_s, (detail, repeated), moved, seen in zip(times, values, change, np.log(contrast), strict=True):
        spells.setdefault(int((time_s - times[0]) / 0.5), []).append((detail, repeated, moved, seen))
    means = [np.mean(own, axis=0) for own in spells.values() if len(own) >= 4]
    rows = [(np.log(detail + 0.05), -repeated, seen, moved) for detail, repeated, moved, seen in means]
    best = 0.0
    for m in range(2, len(rows) - 1):
        falls = [
            np.percentile([row[k] for row in rows[:m]], 25) - np.percentile([row[k] for row in rows[m:]], 75)
            for k in (0, 1, 2)
        ]
        falls[0] -= max(falls[2], 0.0)
        best = max(best, np.sqrt(max(falls[0], 0.0) * max(falls[1], 0.0)))
        before, after = (np.median([row[3] for row in part]) for part in (rows[:m], rows[m:]))
        if after >= 0.6 * before and falls[0] > -0.05 and falls[2] < 0.05:
            best = max(best, 0.4 * falls[1])
    return best


@pytest.mark.parametrize("way", ["vectorised", "loop"])
@pytest.mark.benchmark(group="lasting fall of 300 frames")
def test_lasting_fall(benchmark, way):
    times, rng = np.arange(300) / 30, np.random.default_rng(5)
    later = (times > 6)[:, None]
    values = np.where(later, [1.2, 0.7], [2.0, 0.3]) + rng.normal(0, 0.03, (300, 2))
    change, contrast = rng.uniform(2, 4, 300), np.where(times > 6, 38.0, 40.0) + rng.normal(0, 0.5, 300)
    found = benchmark(lasting_fall if way == "vectorised" else fall_by_loop, times, values, change, contrast)
    depth = found[0] if way == "vectorised" else found
    assert depth == pytest.approx(fall_by_loop(times, values, change, contrast), rel=1e-6)
    assert depth > 0.3

"""Recordings: containers and codecs, times, orientation, colours, crops, limits and memory."""

from __future__ import annotations

import gc
import io
import tracemalloc
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_factory import CORNERS, KINDS, SIZE_WH, encode, encode_kind, quadrants, two_picture_tracks

from idverify import media
from idverify.errors import CorruptMediaError, MediaLimitError, ParameterError
from idverify.media import MediaLimits, open_recording
from idverify.media.colour import LAYOUTS, resize, rgb_matrix
from idverify.media.frame import Frame, Orientation
from idverify.media.recording import _Clock

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
N_FRAMES = 8


@pytest.fixture(scope="session")
def videos() -> dict[str, bytes]:
    made = {}
    for name, (_, codec, _, _) in KINDS.items():
        try:
            made[name] = encode_kind(name, N_FRAMES)
        except (av.error.FFmpegError, ValueError):
            assert codec not in av.codecs_available  # an encoder that this build lacks, and nothing else
    assert len(made) >= 10
    return made


@pytest.fixture(scope="session")
def plain_video() -> bytes:
    return encode([quadrants(shift=index) for index in range(30)])


def corners(image: np.ndarray, margin: int = 8) -> np.ndarray:
    return image[[margin, margin, -margin, -margin], [margin, -margin, margin, -margin]].astype(int)


def frame_of(planes: np.ndarray, pix_fmt: str, *, space: int = 2, range_: int = 0) -> Frame:
    picture = av.VideoFrame.from_ndarray(planes, format=pix_fmt)
    picture.colorspace, picture.color_range = space, range_
    return Frame(picture, index=0, time_s=0.0, orientation=Orientation())


def scene(size_wh: tuple[int, int]) -> np.ndarray:
    """Smooth colours, so that chroma subsampling and scaling change little."""
    y, x = np.mgrid[: size_wh[1], : size_wh[0]] / np.array(size_wh[::-1])[:, None, None]
    return np.stack([60 + 130 * x, 60 + 130 * y, 190 - 120 * x * y], axis=-1).astype(np.uint8)


# -- containers and codecs -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_gives_its_pictures_times_and_colours(name: str, videos: dict[str, bytes]) -> None:
    if name not in videos:
        pytest.skip(f"this build has no encoder {KINDS[name][1]}")
    with open_recording(videos[name]) as recording:
        frames = [(frame.index, frame.time_s, frame.image_rgb()) for frame in recording]
        assert [index for index, _, _ in frames] == list(range(N_FRAMES))
        np.testing.assert_allclose([time for _, time, _ in frames], np.arange(N_FRAMES) / 25, atol=0.0011)
        assert recording.size_wh == SIZE_WH
        assert not recording.time_problems
        assert not recording.truncated
        assert recording.notes == ()
        assert recording.n_bytes == len(videos[name])
    for _, _, image in frames:
        assert np.abs(corners(image) - CORNERS).max() <= 4


def test_a_recording_describes_itself(plain_video: bytes) -> None:
    with open_recording(plain_video) as recording:
        assert (recording.codec, recording.container) == ("h264", "mov")
        assert recording.nominal_rate_hz == 25.0
        assert recording.duration_s == pytest.approx(30 / 25)
        assert recording.bit_rate_bps is not None
        assert 0 < recording.bit_rate_bps <= len(plain_video) * 8 / 1.2
        assert recording.metadata["encoder"].startswith("Lavf")
        assert recording.metadata["stream:handler_name"] == "VideoHandler"
        with pytest.raises(TypeError):
            recording.metadata["encoder"] = "Camera"  # type: ignore[index]


def test_path_bytes_and_file_objects_give_the_same(plain_video: bytes, tmp_path: Path) -> None:
    class Pipe:
        def __init__(self) -> None:
            self.read = io.BytesIO(plain_video).read

    path = tmp_path / "a video:with a name.txt"
    path.write_bytes(plain_video)
    half_read = io.BytesIO(plain_video)
    half_read.seek(1000)
    sums = []
    for source in (path, str(path), plain_video, bytearray(plain_video), half_read, Pipe()):
        with open_recording(source) as recording:  # type: ignore[arg-type]
            sums.append([(frame.time_s, int(frame.luma().sum())) for frame in recording])
    assert len(sums[0]) == 30
    assert all(other == sums[0] for other in sums[1:])
    assert not half_read.closed


def test_a_closed_recording_gives_no_more_frames_but_those_taken_stay(plain_video: bytes) -> None:
    with open_recording(plain_video) as recording:
        first = next(recording)
    with pytest.raises(ParameterError, match="closed"):
        next(recording)
    assert np.abs(corners(first.image_rgb()) - CORNERS).max() <= 4
    recording.close()


# -- times ---------------------------------------------------------------------------------------------


def test_uneven_times_come_out_as_they_are() -> None:
    times_ms = [0, 33, 67, 100, 400, 430, 460, 1000]
    video = encode([quadrants(shift=i) for i in range(8)], container="matroska", times_ms=times_ms)
    with open_recording(video) as recording:
        np.testing.assert_allclose([frame.time_s for frame in recording], np.array(times_ms) / 1000)
        assert not recording.time_problems


@pytest.mark.parametrize(("rate_hz", "given_hz"), [(25, 25), (30, 30), (50, 25), (60, 30), (120, 40), (240, 40)])
def test_fast_recordings_are_thinned_out_and_read_to_their_end(rate_hz: int, given_hz: int) -> None:
    times_ms = [round(1000 * k / rate_hz) for k in range(rate_hz)]
    video = encode([quadrants()] * rate_hz, container="matroska", times_ms=times_ms)
    with open_recording(video, limits=MediaLimits(max_frames=given_hz + 2)) as recording:
        frames = [(frame.index, frame.time_s) for frame in recording]
        assert not recording.notes
    assert len(frames) == pytest.approx(given_hz, abs=1)
    assert frames[-1][1] > 0.95
    assert all(time_s == pytest.approx(times_ms[index] / 1000) for index, time_s in frames)


@given(offset_ms=st.integers(0, 100_000))
@settings(max_examples=10, deadline=None)
def test_the_first_picture_is_at_zero_wherever_the_container_starts(offset_ms: int) -> None:
    times_ms = [offset_ms + step for step in (0, 40, 90, 120)]
    options = {"bf": "0"}
    video = encode([quadrants()] * 4, container="matroska", times_ms=times_ms, options=options)
    with open_recording(video) as recording:
        assert [round(frame.time_s, 6) for frame in recording] == [0.0, 0.04, 0.09, 0.12]


def test_a_stream_without_a_stated_duration_or_rate_still_has_times() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    pipe = Pipe()
    with av.open(pipe, "w", format="matroska") as output:  # a browser writes such files: no way back to the header
        stream = output.add_stream("libvpx", options={"deadline": "realtime"})
        stream.width, stream.height = SIZE_WH
        stream.codec_context.time_base = Fraction(1, 1000)
        for time_ms in (0, 70, 100, 180):
            picture = av.VideoFrame.from_ndarray(quadrants(), format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = time_ms, Fraction(1, 1000)
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    with open_recording(pipe.getvalue()) as recording:
        assert [frame.time_s for frame in recording] == pytest.approx([0.0, 0.07, 0.1, 0.18])
        assert recording.duration_s is None
        assert not recording.truncated


def stamped(pts: int | None, dts: int | None = None) -> SimpleNamespace:
    return SimpleNamespace(pts=pts, dts=dts, time_base=Fraction(1, 100), duration=4)


def test_a_missing_time_is_filled_by_the_stated_rate_and_counted() -> None:
    clock = _Clock(SimpleNamespace(average_rate=Fraction(25)), "the file")  # type: ignore[arg-type]
    stamps = [stamped(100), stamped(None, 104), stamped(None), stamped(112)]
    assert [clock.read(stamp) for stamp in stamps] == pytest.approx([0.0, 0.04, 0.08, 0.12])  # type: ignore[arg-type]
    assert clock.problems == media.TimeProblems(missing=1)
    assert clock.end_s == pytest.approx(0.16)


def test_times_that_begin_after_pictures_without_any_go_on_from_them() -> None:
    clock = _Clock(SimpleNamespace(average_rate=Fraction(25)), "the file")  # type: ignore[arg-type]
    stamps = [stamped(None), stamped(None), stamped(100), stamped(104)]
    assert [clock.read(stamp) for stamp in stamps] == pytest.approx([0.0, 0.04, 0.08, 0.12])  # type: ignore[arg-type]
    assert clock.problems == media.TimeProblems(missing=2)


def test_no_time_is_made_up_without_a_stated_rate() -> None:
    clock = _Clock(SimpleNamespace(average_rate=None), "the file")  # type: ignore[arg-type]
    assert clock.read(stamped(7)) == 0.0  # type: ignore[arg-type]
    with pytest.raises(CorruptMediaError, match="states no frame rate"):
        clock.read(stamped(None))  # type: ignore[arg-type]


# -- orientation ---------------------------------------------------------------------------------------

TURNED = {0: [0, 1, 2, 3], 90: [2, 0, 3, 1], 180: [3, 2, 1, 0], 270: [1, 3, 0, 2]}


@pytest.mark.skipif(
    not hasattr(av.video.stream.VideoStream, "set_display_rotation"), reason="this PyAV writes no display matrix"
)
@pytest.mark.parametrize("clockwise_deg", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pictures_are_upright(clockwise_deg: int, mirrored: bool) -> None:
    # FFmpeg's angle is counter-clockwise and its flip follows the turn.
    counter_clockwise = -clockwise_deg if not mirrored else clockwise_deg
    video = encode([quadrants()] * 2, display=(counter_clockwise, mirrored))
    with open_recording(video) as recording:
        frame = next(recording)
        expected_wh = SIZE_WH if clockwise_deg % 180 == 0 else SIZE_WH[::-1]
        assert recording.size_wh == frame.size_wh == expected_wh
        assert (recording.rotation_deg, recording.mirrored) == (clockwise_deg, mirrored)
        image = frame.image_rgb()
    assert image.shape[:2] == expected_wh[::-1]
    # Mirroring first exchanges the columns of the upright picture's source.
    source = np.array(CORNERS)[[1, 0, 3, 2] if mirrored else [0, 1, 2, 3]]
    assert np.abs(corners(image) - source[TURNED[clockwise_deg]]).max() <= 4


@given(st.booleans(), st.booleans(), st.booleans(), st.data())
def test_a_box_finds_the_same_pixels_in_the_coded_and_the_upright_picture(
    transposed: bool, flip_x: bool, flip_y: bool, data: st.DataObject
) -> None:
    orientation = Orientation(transposed=transposed, flip_x=flip_x, flip_y=flip_y)
    coded = np.arange(7 * 5, dtype=np.uint8).reshape(5, 7)
    upright = orientation.apply(coded)
    height, width = upright.shape
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
    left, top, right, bottom = orientation.coded_box((x0, y0, x1, y1), (width, height))
    np.testing.assert_array_equal(orientation.apply(coded[top:bottom, left:right]), upright[y0:y1, x0:x1])
    assert orientation.size_wh((7, 5)) == (width, height)


@pytest.mark.parametrize(
    ("matrix", "clockwise_deg"),
    [([1, 0, 0, 1], 0), ([0, 1, -1, 0], 90), ([-1, 0, 0, -1], 180), ([0, -1, 1, 0], 270), ([9, 2, -2, 9], 0)],
)
def test_display_matrices_of_the_track_header(matrix: list[int], clockwise_deg: int) -> None:
    a, b, c, d = (65536 * value for value in matrix)
    orientation = Orientation.from_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
    assert (orientation.rotation_deg, orientation.mirrored) == (clockwise_deg, False)


# -- colours -------------------------------------------------------------------------------------------

# H.273, section 8.3: equations 32 to 47, written out for one colour at a time.
KR_KB = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


def coded(rgb: tuple[int, int, int], space: int, full: bool, bits: int) -> tuple[int, int, int]:
    kr, kb = KR_KB[space]
    r, g, b = (value / 255 for value in rgb)
    y = kr * r + (1 - kr - kb) * g + kb * b
    pb, pr = 0.5 * (b - y) / (1 - kb), 0.5 * (r - y) / (1 - kr)
    unit = 2 ** (bits - 8)
    top = 2**bits - 1
    if full:
        return round(top * y), round(top * pb + 128 * unit), round(top * pr + 128 * unit)
    return round((219 * y + 16) * unit), round((224 * pb + 128) * unit), round((224 * pr + 128) * unit)


@pytest.mark.parametrize("space", KR_KB)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p10le", "nv12"])
def test_known_colours_in_every_matrix_range_and_depth(space: int, full: bool, pix_fmt: str) -> None:
    bits = 10 if "10" in pix_fmt else 8
    for rgb in [(255, 255, 255), (0, 0, 0), (200, 30, 40), (20, 180, 60), (224, 172, 138)]:
        # A picture of this very format, filled plane by plane through writable views.
        picture = av.VideoFrame(16, 12, pix_fmt)
        layout = LAYOUTS[pix_fmt]
        values = coded(rgb, space, full, bits)
        for index, plane in enumerate(picture.planes):
            view = np.frombuffer(plane, dtype=np.uint16 if layout.shift else np.uint8)
            if layout.interleaved and index:
                view[0::2], view[1::2] = values[1], values[2]
            else:
                view[:] = values[index]
        picture.colorspace, picture.color_range = space, 2 if full else 1
        frame = Frame(picture, index=0, time_s=0.0, orientation=Orientation())
        assert np.abs(frame.image_rgb().astype(int) - rgb).max() <= 2
        assert np.abs(frame.luma().astype(float) - min(values[0] / 2 ** (bits - 8), 255)).max() <= 0.5


@pytest.mark.parametrize(("space", "range_"), [(1, 1), (1, 2), (6, 1)])
def test_the_tags_of_the_stream_choose_matrix_and_range(space: int, range_: int) -> None:
    video = encode([quadrants()] * 2, colour=(space, range_), options={"qp": "0"}, container="matroska")
    with open_recording(video) as recording:
        assert np.abs(corners(next(recording).image_rgb()) - CORNERS).max() <= 3


def test_the_matrix_that_nobody_states_goes_by_the_size() -> None:
    small, hd = rgb_matrix(2, 0, (720, 576)), rgb_matrix(2, 0, (1280, 720))
    np.testing.assert_array_equal(small, rgb_matrix(6, 1, (720, 576)))
    np.testing.assert_array_equal(hd, rgb_matrix(1, 1, (1280, 720)))


@pytest.mark.parametrize("pix_fmt", ["rgb24", "bgra", "gray", "gbrp", "yuyv422", "yuv410p"])
def test_rare_formats_come_out_as_well(pix_fmt: str) -> None:
    image = scene((64, 48))
    picture = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
    frame = Frame(picture, index=0, time_s=0.0, orientation=Orientation())
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    expected = image if pix_fmt != "gray" else np.repeat(grey[:, :, None], 3, axis=2)
    assert np.abs(frame.image_rgb().astype(int) - expected)[4:-4, 4:-4].max() <= 12
    assert np.abs(frame.luma((32, 24)).astype(int) - cv2.resize(grey, (32, 24))).max() <= 25
    assert frame.crop_rgb((0, 0, 20, 20)).shape == (20, 20, 3)


# -- scaling and crops -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size_wh", [(640, 360), (320, 180), (512, 512), (55, 31), (7, 5), (1280, 720), (1500, 40)])
def test_scaled_pictures_agree_with_scaling_the_rgb(size_wh: tuple[int, int]) -> None:
    image = scene((1280, 720))
    picture = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
        format="yuv420p", dst_colorspace=1, dst_color_range=1
    )
    picture.colorspace, picture.color_range = 1, 1
    frame = Frame(picture, index=0, time_s=0.0, orientation=Orientation())
    shrinks = size_wh[0] <= 1280
    expected = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    # 2 levels of rounding in the 8-bit planes, and 1 or 2 of scaling in steps.
    assert np.abs(frame.image_rgb(size_wh).astype(int) - expected).max() <= 4
    assert frame.luma(size_wh).shape == size_wh[::-1]


@pytest.mark.parametrize("width", [1281, 1279, 1027, 999, 641])
def test_odd_sizes_are_not_stretched(width: int) -> None:
    ramp = np.tile(np.linspace(2_000, 62_000, width), (width, 1)).astype(np.uint16)
    for size in (300, 200, 112, 57):
        centres = (np.arange(size) + 0.5) * width / size - 0.5
        error = resize(ramp, (size, size)).mean(axis=0) - np.interp(centres, np.arange(width), ramp[0])
        assert np.abs(error).max() / 60_000 < 1 / 400  # at the far edge; a thousand times less inside


@pytest.fixture(scope="module")
def noisy() -> Frame:
    planes = np.random.default_rng(4).integers(16, 236, (48 * 3 // 2, 64), dtype=np.uint8)
    return frame_of(planes, "yuv420p", space=1, range_=1)


@given(st.integers(0, 62), st.integers(0, 46), st.integers(1, 64), st.integers(1, 48))
@settings(max_examples=60, deadline=None)
def test_a_crop_is_a_part_of_the_picture(noisy: Frame, left: int, top: int, width: int, height: int) -> None:
    right, bottom = min(left + width, 64), min(top + height, 48)
    whole = noisy.image_rgb()
    np.testing.assert_array_equal(noisy.crop_rgb((left, top, right, bottom)), whole[top:bottom, left:right])


@given(st.tuples(*[st.integers(-70, 130)] * 4))
@settings(max_examples=40, deadline=None)
def test_a_crop_beyond_the_picture_repeats_its_edge(noisy: Frame, box: tuple[int, int, int, int]) -> None:
    left, right = sorted((box[0], box[2]))
    top, bottom = sorted((box[1], box[3]))
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    padded = cv2.copyMakeBorder(noisy.image_rgb(), 140, 140, 140, 140, cv2.BORDER_REPLICATE)
    expected = padded[top + 140 : bottom + 140, left + 140 : right + 140]
    np.testing.assert_array_equal(noisy.crop_rgb((left, top, right, bottom)), expected)


def test_a_scaled_crop_agrees_with_scaling_the_crop() -> None:
    picture = av.VideoFrame.from_ndarray(scene((640, 480)), format="rgb24").reformat(format="yuv420p")
    frame = Frame(picture, index=0, time_s=0.0, orientation=Orientation())
    for box in [(101, 53, 501, 453), (-60, -20, 300, 340), (0.4, 0.4, 639.6, 479.6)]:
        expected = cv2.resize(frame.crop_rgb(box), (112, 112), interpolation=cv2.INTER_AREA)
        assert np.abs(frame.crop_rgb(box, (112, 112)).astype(int) - expected).max() <= 3


@pytest.mark.parametrize(
    "box", [(0, 0, np.nan, 4), (0, 0, np.inf, 4), (9, 0, 3, 4), (0, 0, 1e9, 4), (0, 0, 4), (-900, 0, 4, 4)]
)
def test_boxes_that_are_none_are_refused(noisy: Frame, box: tuple[float, ...]) -> None:
    with pytest.raises(ParameterError, match="expected a box"):
        noisy.crop_rgb(box)


@pytest.mark.parametrize("size_wh", [(0, 10), (10, -1)])
def test_sizes_that_are_none_are_refused(noisy: Frame, size_wh: tuple[int, int]) -> None:
    for call in (noisy.image_rgb, noisy.luma, lambda size: noisy.crop_rgb((0, 0, 9, 9), size)):
        with pytest.raises(ParameterError, match="at least 1x1"):
            call(size_wh)


def test_arrays_are_the_callers_own(noisy: Frame) -> None:
    before = noisy.luma()
    noisy.luma()[:] = 0
    noisy.image_rgb()[:] = 0
    np.testing.assert_array_equal(noisy.luma(), before)


def test_a_frame_does_not_print_pixels(noisy: Frame) -> None:
    assert repr(noisy) == "Frame(index=0, time_s=0.000000, size_wh=(64, 48))"


# -- limits and memory -------------------------------------------------------------------------------------


def test_reading_stops_at_the_limits_and_says_so(plain_video: bytes) -> None:
    for limits, n_frames in [(MediaLimits(max_frames=7), 7), (MediaLimits(max_duration_s=0.5), 13)]:
        with open_recording(plain_video, limits=limits) as recording:
            assert len(list(recording)) == n_frames
            (note,) = recording.notes
            assert "stopped at the limit" in note
            assert not recording.truncated


@pytest.mark.parametrize(
    "limits",
    [
        MediaLimits(max_bytes=1000),
        MediaLimits(max_size_wh=(95, 95)),
        MediaLimits(max_size_wh=(4096, 63)),
        MediaLimits(decode_budget_s=1e-6),
    ],
    ids=["bytes", "width", "height", "budget"],
)
def test_what_is_over_a_limit_is_refused(
    plain_video: bytes, limits: MediaLimits, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(MediaLimitError, match="limit"):
        list(open_recording(plain_video, limits=limits))
    assert capfd.readouterr() == ("", "")


def test_a_pipe_is_not_read_beyond_the_limit() -> None:
    class Endless:
        n_read = 0

        def read(self, n: int) -> bytes:
            self.n_read += n
            return b"\0" * n

    endless = Endless()
    with pytest.raises(MediaLimitError):
        open_recording(endless, limits=MediaLimits(max_bytes=5_000_000))  # type: ignore[arg-type]
    assert endless.n_read < 10_000_000


@pytest.mark.parametrize("change", [{"max_frames": 0}, {"max_duration_s": -1.0}, {"max_size_wh": (0, 1)}])
def test_limits_that_are_none_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ParameterError):
        MediaLimits(**change)  # type: ignore[arg-type]


def test_the_clock_of_the_budget_does_not_run_in_the_caller(plain_video: bytes) -> None:
    import time

    with open_recording(plain_video, limits=MediaLimits(decode_budget_s=0.5)) as recording:
        for frame in recording:
            if frame.index == 1:
                time.sleep(0.6)
        assert frame.index == 29


def test_memory_stays_flat(plain_video: bytes) -> None:
    tracemalloc.start()
    try:
        with open_recording(plain_video) as recording:
            levels = [(frame.image_rgb((48, 32)).sum(), tracemalloc.get_traced_memory()[0])[1] for frame in recording]
    finally:
        tracemalloc.stop()
    assert levels[-1] - levels[5] < 20_000


def test_a_closed_recording_leaves_no_pictures_to_the_garbage_collector(plain_video: bytes) -> None:
    def read() -> None:
        with open_recording(plain_video) as recording:
            assert len(list(recording)) == 30

    read()
    gc.collect()
    gc.disable()
    try:
        read()
        before = {id(thing) for thing in gc.get_objects()}
        read()
        left = [thing for thing in gc.get_objects() if id(thing) not in before]
    finally:
        gc.enable()
    big = [thing for thing in left if isinstance(thing, av.VideoFrame) and thing.width > 16]
    assert not big


@pytest.mark.parametrize("container", ["mp4", "matroska", "avi", "mpegts"])
def test_a_second_moving_picture_is_counted_wherever_the_container_keeps_it(container: str) -> None:
    with open_recording(two_picture_tracks(container)) as recording:
        assert len(list(recording)) > 0
        assert recording.n_picture_tracks == 2
        assert any("several picture tracks" in note for note in recording.notes)


def test_one_moving_picture_and_a_cover_are_one() -> None:
    with open_recording(two_picture_tracks(cover=True)) as recording:
        assert len(list(recording)) == 5
        assert recording.n_picture_tracks == 1
        assert not any("picture tracks" in note for note in recording.notes)


def test_public_names() -> None:
    assert media.__all__ == ["Frame", "MediaLimits", "Recording", "TimeProblems", "load_photo", "open_recording"]
    assert all(hasattr(media, name) for name in media.__all__)


# -- real recordings ---------------------------------------------------------------------------------------

CLIPS = sorted((DATA / "videos").glob("*/*.*"))


@pytest.mark.skipif(not CLIPS, reason="needs the clips of shared/data, which are not part of the project")
@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.name)
def test_every_real_clip_opens_with_sane_times(path: Path) -> None:
    with open_recording(path, limits=MediaLimits(max_frames=25)) as recording:
        times_s = np.array([frame.time_s for frame in recording])
        assert not recording.time_problems
        assert not recording.truncated
    assert times_s[0] == 0.0
    assert len(times_s) == 25
    steps_s = np.diff(times_s)
    assert 0.01 < steps_s.min() <= steps_s.max() < 0.3

"""What containers say in many ways is seen in one: turns, windows, pixels that are not square, tracks, late times."""

from __future__ import annotations

import itertools
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_factory import CORNERS, SIZE_WH, encode, quadrants, retimed, tracks

from idverify.errors import ParameterError, UnsupportedMediaError
from idverify.media import open_recording
from idverify.media.bars import between_bars, may_have_bars
from idverify.media.colour import rgb_matrix
from idverify.media.frame import Frame, Orientation
from idverify.media.recording import Framing

ORIENTATIONS = [Orientation(transposed=t, flip_x=x, flip_y=y) for t, x, y in itertools.product((False, True), repeat=3)]


def picture_of(image: np.ndarray, pix_fmt: str = "yuv444p") -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)


def textured(size_wh: tuple[int, int], seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (size_wh[1] // 8 + 1, size_wh[0] // 8 + 1, 3), np.uint8)
    return np.ascontiguousarray(np.kron(noise, np.ones((8, 8, 1), np.uint8))[: size_wh[1], : size_wh[0]])


# -- turns and windows -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("turn", [0, 90, 180, 270, 360, -90])
def test_one_more_turn_is_a_turn_of_the_upright_picture(orientation: Orientation, turn: int) -> None:
    picture = picture_of(textured((48, 32)))
    upright, more = (
        Frame(picture, index=0, time_s=0.0, orientation=o) for o in (orientation, orientation.turned(turn))
    )
    assert np.array_equal(more.image_rgb(), np.rot90(upright.image_rgb(), -(turn // 90)))


@given(
    orientation=st.sampled_from(ORIENTATIONS),
    box=st.tuples(st.integers(0, 16), st.integers(0, 8), st.integers(24, 48), st.integers(16, 32)),
)
@settings(max_examples=40, deadline=None)
def test_a_window_is_that_part_of_the_picture(orientation: Orientation, box: tuple[int, int, int, int]) -> None:
    picture = picture_of(textured((48, 32)))
    upright = Frame(picture, index=0, time_s=0.0, orientation=orientation)
    left, top, right, bottom = box if not orientation.transposed else (box[1], box[0], box[3], box[2])
    window = upright.coded_box((left, top, right, bottom))
    part = Frame(picture, index=0, time_s=0.0, orientation=orientation, window=window)
    assert part.size_wh == (right - left, bottom - top)
    assert np.array_equal(part.image_rgb(), upright.image_rgb()[top:bottom, left:right])
    assert np.array_equal(part.luma(), upright.luma()[top:bottom, left:right])
    middle = (2, 3, part.size_wh[0] - 1, part.size_wh[1] - 2)
    assert np.array_equal(part.crop_rgb(middle), part.image_rgb()[3 : middle[3], 2 : middle[2]])


@pytest.mark.parametrize("aspect", [Fraction(2, 1), Fraction(1, 2), Fraction(4, 3), Fraction(16, 11)])
def test_pixels_that_are_not_square_are_stretched_and_that_is_noted(aspect: Fraction) -> None:
    with open_recording(encode([quadrants()] * 3, pixel_aspect=aspect)) as recording:
        frame = next(recording)
        stretched = np.array(SIZE_WH) * [max(aspect, 1), max(1 / aspect, 1)]
        assert frame.size_wh == recording.size_wh == pytest.approx(tuple(stretched), abs=1)
        assert any("not square" in note for note in recording.notes)
        image = frame.image_rgb()
        assert np.abs(image[[8, 8, -8, -8], [8, -8, 8, -8]].astype(int) - CORNERS).max() < 16
        half = frame.crop_rgb((0, 0, frame.size_wh[0] // 2, frame.size_wh[1] // 2))
        assert np.abs(half.mean(axis=(0, 1)) - CORNERS[0]).max() < 24


def test_an_absurd_shape_of_pixels_is_not_believed() -> None:
    with open_recording(encode([quadrants()] * 3, pixel_aspect=Fraction(60, 1))) as recording:
        assert recording.size_wh == SIZE_WH
        assert any("not believed" in note for note in recording.notes)


def test_a_recording_begins_again_in_another_framing() -> None:
    images = [quadrants(shift=index) for index in range(10)]
    with open_recording(encode(images)) as recording:
        first = recording.first_frame().image_rgb()
        plain = [(frame.time_s, frame.image_rgb()) for frame in recording]
        recording.begin_again(Framing(turn_deg=180, window_xyxy_px=(48, 0, 96, 64)))
        again = [(frame.time_s, frame.image_rgb()) for frame in recording]
        assert recording.size_wh == (48, 64)
        assert len(recording.notes) == 2
    assert np.array_equal(first, plain[0][1])
    assert [time_s for time_s, _ in again] == [time_s for time_s, _ in plain]
    for (_, one), (_, other) in zip(plain, again, strict=True):
        assert np.array_equal(other, np.rot90(one[:, 48:], 2))


@pytest.mark.parametrize("turn_deg", [90, 180, 270])
def test_a_frame_and_all_after_it_are_turned(turn_deg: int) -> None:
    video = encode([quadrants(shift=index) for index in range(6)])
    with open_recording(video) as recording:
        plain = [frame.image_rgb() for frame in recording]
    with open_recording(video) as recording:
        before = [next(recording), next(recording)]
        frames = [*before[:1], recording.turn(before[1], turn_deg), *recording]
        assert "the pictures turn in the middle of the recording; they were turned back" in recording.notes
    assert [frame.index for frame in frames] == list(range(6))
    for frame, image in zip(frames, plain, strict=True):
        expected = image if frame.index == 0 else np.rot90(image, -turn_deg // 90)
        assert frame.size_wh == expected.shape[1::-1]
        assert np.array_equal(frame.image_rgb(), expected)


def of_sizes(*sizes_wh: tuple[int, int]) -> bytes:
    """Ten pictures of each size one after the other."""
    parts = [
        encode([quadrants(size_wh)] * 10, container="mpegts", codec="mpeg2video", options={"b": "2M"})
        for size_wh in sizes_wh
    ]
    return b"".join(parts)


@pytest.mark.parametrize("turn_deg", [0, 90])
@pytest.mark.parametrize("later_wh", [(96, 64), (384, 256), (144, 96)])
def test_pictures_of_another_size_and_the_same_shape_are_shown_in_that_of_the_first(
    later_wh: tuple[int, int], turn_deg: int
) -> None:
    with open_recording(of_sizes((192, 128), later_wh)) as recording:
        recording.begin_again(Framing(turn_deg=turn_deg, window_xyxy_px=(96, 0, 192, 128)))
        upright_wh = (96, 128) if turn_deg == 0 else (128, 96)
        frames = list(recording)
        assert {frame.size_wh for frame in frames} == {recording.size_wh} == {upright_wh}
        assert "the size of the pictures changes" in recording.notes
    first, last = frames[0].image_rgb().astype(int), frames[-1].image_rgb().astype(int)
    assert first.shape == last.shape == (*upright_wh[::-1], 3)
    assert frames[-1].luma().shape == upright_wh[::-1]
    assert np.abs(first[[8, 8, -8, -8], [8, -8, 8, -8]] - last[[8, 8, -8, -8], [8, -8, 8, -8]]).max() < 16
    box = (8, 8, 40, 56)
    assert np.abs(frames[-1].crop_rgb(box).astype(int) - last[8:56, 8:40]).mean() < 4


def test_pictures_of_another_shape_keep_it() -> None:
    with open_recording(of_sizes((192, 128), (128, 192))) as recording:
        assert {frame.size_wh for frame in recording} == {(192, 128), (128, 192)}


def test_a_window_outside_the_picture_is_refused() -> None:
    with open_recording(encode([quadrants()] * 3)) as recording, pytest.raises(ParameterError):
        recording.begin_again(Framing(window_xyxy_px=(0, 0, 97, 64)))


# -- bars ------------------------------------------------------------------------------------------------------------


def looks(box: tuple[int, int, int, int], level: int, size_wh: tuple[int, int] = (320, 180), n: int = 6):
    """Moving pictures inside a box, bars of one level around it, and what a codec adds to them."""
    left, top, right, bottom = box
    for k in range(n):
        rng = np.random.default_rng(k)
        luma = np.full((size_wh[1], size_wh[0]), level, np.int16)
        luma[top:bottom, left:right] = textured((right - left, bottom - top), seed=k)[..., 0]
        yield np.clip(luma + rng.integers(-1, 2, luma.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("level", [0, 16, 90, 235, 255])
@pytest.mark.parametrize("box", [(110, 0, 210, 180), (0, 30, 320, 150), (40, 20, 290, 150), (20, 0, 320, 180)])
def test_bars_are_found_to_a_pixel_or_two_and_never_cut_into_by_more(box: tuple[int, ...], level: int) -> None:
    found = between_bars(list(looks(box, level)))
    assert found is not None
    assert np.abs(np.array(found) - box).max() <= 2
    assert found[0] >= box[0]
    assert found[1] >= box[1]
    assert found[2] <= box[2]
    assert found[3] <= box[3]


FILLS = ("blurred copy", "gradient along", "gradient across", "still background", "one level with a button")


def filled(fill: str, width: int, k: int) -> np.ndarray:
    """A moving picture of `width` in the middle of a wider one, the rest filled as editors fill it."""
    picture = textured((width, 180), seed=k)[..., 0]
    if fill == "blurred copy":
        background = cv2.GaussianBlur(cv2.resize(picture, (320, 320))[70:250], (0, 0), 20)
    elif fill.startswith("gradient"):
        y, x = np.mgrid[:180, :320]
        background = (y if fill.endswith("along") else x / 2) + 30
    elif fill == "still background":
        background = cv2.resize(textured((40, 24), seed=99)[..., 0], (320, 180), interpolation=cv2.INTER_CUBIC)
    else:
        background = np.full((180, 320), 18)
        background[50:130, 20:60] = background[50:130, 260:300] = 90
    luma = np.array(background, np.int16)
    left = (320 - width) // 2
    luma[:, left : left + width] = picture
    return np.clip(luma + np.random.default_rng(k).integers(-1, 2, luma.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("upright", [True, False])
@pytest.mark.parametrize("width", [100, 240, 280])
@pytest.mark.parametrize("fill", FILLS)
def test_twin_bars_are_found_whatever_fills_them(fill: str, width: int, upright: bool) -> None:
    shown = [filled(fill, width, k) for k in range(6)]
    shown = shown if upright else [np.ascontiguousarray(luma.T) for luma in shown]
    assert may_have_bars(shown[0])
    box = between_bars(shown)
    assert box is not None
    left, right = (box[0], box[2]) if upright else (box[1], box[3])
    assert 0 <= left - (320 - width) // 2 <= 4
    assert 0 <= (320 + width) // 2 - right <= 4


@pytest.mark.parametrize("by", ["apart", "in time"])
def test_strips_beside_a_screen_before_a_camera_are_none(by: str) -> None:
    shown = [filled("gradient along", 240, k) for k in range(6)]
    if by == "apart":  # not in the middle by as little as a hand holds it
        shown = [luma[:, 8:] for luma in shown]
    else:  # the hand that holds the camera is never still
        shown = [np.roll(luma, 2 * k, axis=1) for k, luma in enumerate(shown)]
    assert between_bars(shown) is None


@pytest.mark.parametrize("table", [120, 200])
@pytest.mark.parametrize("bezel_px", [8, 12, 20])
@pytest.mark.parametrize("off", ["in the middle", "off by half the bezel"])
@pytest.mark.parametrize("upright", [True, False])
def test_a_device_before_a_still_camera_keeps_its_bezel(table: int, bezel_px: int, off: str, upright: bool) -> None:
    y, x = np.mgrid[:180, :320]
    shown, off_px = [], 0 if off == "in the middle" else bezel_px // 2
    for k in range(6):
        luma = table + 20 * (y / 180 + x / 320) + np.random.default_rng(k).normal(0, 1, (180, 320))
        luma[:, 90 - bezel_px + off_px : 230 + bezel_px + off_px] = 30
        luma[:, 90 + off_px : 230 + off_px] = textured((140, 180), seed=k)[..., 0]
        luma = np.clip(luma, 0, 255).astype(np.uint8)
        shown.append(luma if upright else np.ascontiguousarray(luma.T))
    assert between_bars(shown) is None


def test_black_bars_between_a_picture_and_what_an_editor_filled_the_rest_with_are_bars() -> None:
    shown = [filled("gradient along", 240, k) for k in range(6)]
    for luma in shown:
        luma[:, 40:60] = luma[:, 260:280] = 16
    box = between_bars(shown)
    assert box is not None
    assert 60 <= box[0] <= 64
    assert 256 <= box[2] <= 260


def test_moving_detail_at_both_sides_is_no_bar() -> None:
    shown = [filled("still background", 240, k) for k in range(6)]
    for k, luma in enumerate(shown):
        luma[:, :40], luma[:, 280:] = textured((40, 180), seed=50 + k)[..., 0], textured((40, 180), seed=70 + k)[..., 0]
    assert between_bars(shown) is None


@pytest.mark.filterwarnings("error")
@given(size_wh=st.tuples(st.integers(1, 40), st.integers(1, 40)), n=st.integers(1, 3), blocks=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_box_lies_inside_pictures_of_any_size(size_wh: tuple[int, int], n: int, blocks: bool) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (size_wh[1], size_wh[0]), np.uint8) for _ in range(n)]
    shown = [textured(size_wh, seed=k)[..., 0] for k in range(n)] if blocks else noise
    may_have_bars(shown[0])
    left, top, right, bottom = between_bars(shown) or (0, 0, *size_wh)
    assert 0 <= left < right <= size_wh[0]
    assert 0 <= top < bottom <= size_wh[1]


def test_a_line_of_text_on_a_bar_hides_it_not() -> None:
    shown = list(looks((0, 30, 320, 150), 0))
    for luma in shown:
        luma[160:170, 100:180:3] = 235
    found = between_bars(shown)
    assert found is not None
    assert found[3] <= 150


def test_a_picture_up_to_the_edge_has_none() -> None:
    shown = list(looks((0, 0, 320, 180), 0))
    assert between_bars(shown) is None
    assert not may_have_bars(shown[0][:, 3:])  # its texture has edges of its own, now not equally far from both sides


def test_a_lit_head_before_a_black_room_has_none() -> None:
    y, x = np.mgrid[:180, :320]
    head = np.where(((x - 160) / 50) ** 2 + ((y - 100) / 70) ** 2 < 1, textured((320, 180))[..., 0] // 2 + 60, 16)
    assert may_have_bars(head.astype(np.uint8))
    assert between_bars([np.roll(head, k, axis=1).astype(np.uint8) for k in range(6)]) is None


@pytest.mark.filterwarnings("error")
def test_a_logo_before_nothing_has_none() -> None:
    shown = [np.full((180, 320), 16, np.uint8) for _ in range(6)]
    for luma in shown:
        luma[20:30, 20:40] = 235
    assert between_bars(shown) is None


def test_blank_pictures_say_nothing() -> None:
    blank = np.full((180, 320), 16, np.uint8)
    assert between_bars([blank] * 6) is None
    assert between_bars([blank, *looks((110, 0, 210, 180), 16)]) is not None


# -- tracks ----------------------------------------------------------------------------------------------------------


def colour_of(video: bytes) -> tuple[np.ndarray, int]:
    with open_recording(video) as recording:
        mean = next(recording).image_rgb().mean(axis=(0, 1))
        list(recording)
        return mean, recording.n_picture_tracks


RED, BLUE = (np.full((64, 96, 3), colour, np.uint8) for colour in ((200, 30, 30), (30, 30, 200)))


@pytest.mark.parametrize("container", ["mp4", "mov", "matroska"])
def test_the_track_marked_as_the_default_is_read(container: str) -> None:
    mean, n = colour_of(tracks(([RED] * 10, False), ([BLUE] * 6, True), container=container))
    assert mean[2] > mean[0]
    assert n == 2


@pytest.mark.parametrize("both", [False, True])
def test_without_a_mark_the_track_with_the_most_pictures_is_read(both: bool) -> None:
    mean, n = colour_of(tracks(([RED] * 5, both), ([BLUE] * 20, both)))
    assert mean[2] > mean[0]
    assert n == 2


def test_a_track_of_one_picture_is_a_thumbnail_wherever_it_stands() -> None:
    for order in (0, 1):
        made = [([RED], True), ([BLUE] * 12, False)]
        mean, n = colour_of(tracks(*(made[::-1] if order else made)))
        assert mean[2] > mean[0]
        assert n == 1


# -- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts", "flv"])
def test_times_that_begin_late_change_nothing(container: str) -> None:
    images = [np.roll(textured(SIZE_WH), index, axis=1) for index in range(50)]
    seen = []
    for offset_ms in (0, 60_000):
        times = [offset_ms + 40 * index for index in range(50)]
        with open_recording(encode(images, container=container, times_ms=times)) as recording:
            list(recording)
            assert not recording.truncated
            assert not recording.notes
            seen.append((recording.bits_per_picture, recording.bit_rate_bps))
    assert seen[1] == pytest.approx(seen[0], rel=0.1)


@pytest.mark.parametrize("container", ["avi", "asf"])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_pictures_coded_out_of_order_come_in_even_time(container: str, codec: str) -> None:
    images = [np.roll(textured(SIZE_WH), 2 * index, axis=1) for index in range(30)]
    with open_recording(encode(images, container=container, codec=codec, options={"bf": "3"})) as recording:
        times = [frame.time_s for frame in recording]
        assert not recording.time_problems
    assert len(times) == 30
    assert np.diff(times) == pytest.approx(0.04, abs=0.002)


def test_wrong_times_are_still_seen_where_a_container_holds_times_of_presentation() -> None:
    video = encode([quadrants(shift=index) for index in range(6)], options={"bf": "0"})
    with open_recording(retimed(video, [0, 40, 200, 120, 160, 240])) as recording:
        list(recording)
        assert recording.time_problems.backwards == 1


# -- colours ---------------------------------------------------------------------------------------------------------


def matrix_video(name: str) -> bytes:
    return encode([quadrants(shift=k) for k in range(4)], options={"x264-params": f"colormatrix={name}"})


@pytest.mark.parametrize("name", ["ICtCp", "chroma-derived-nc", "smpte2085"])
def test_a_matrix_that_is_not_read_is_one_sentence_on_opening(name: str) -> None:
    with pytest.raises(UnsupportedMediaError, match=r"matrix \d+"):
        open_recording(matrix_video(name))


def test_ycgco_is_read() -> None:
    with open_recording(matrix_video("YCgCo")) as recording:
        assert [frame.image_rgb().shape for frame in recording] == [(64, 96, 3)] * 4


def test_ycgco_gives_back_the_colours_it_was_made_of() -> None:
    rgb = np.array([[200, 40, 40], [40, 180, 60], [10, 10, 10], [255, 255, 255]], np.float64)
    r, g, b = rgb.T
    ycc = np.stack([r / 4 + g / 2 + b / 4, -r / 4 + g / 2 - b / 4 + 128, r / 2 - b / 2 + 128], axis=1)
    matrix = rgb_matrix(8, 2, (96, 64))
    assert matrix is not None
    assert ycc @ matrix[:, :3].T + matrix[:, 3] == pytest.approx(rgb, abs=0.01)

"""Files that are not what they say, each named by its lie.

Every one must end in one typed error of one sentence, or in frames with a note that says what was wrong; and
in little time, without a word on the terminal.
"""

from __future__ import annotations

import io
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_factory import (
    KINDS,
    encode,
    encode_kind,
    flipped_bytes,
    quadrants,
    retimed,
    sound_only,
    with_constant_time,
    with_sample_size,
)
from PIL import Image

from idverify.errors import (
    CorruptMediaError,
    MediaError,
    MediaLimitError,
    MediaNotFoundError,
    ParameterError,
    UnsupportedMediaError,
)
from idverify.media import MediaLimits, Recording, open_recording


@pytest.fixture(autouse=True)
def _nothing_is_printed_and_nothing_hangs(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    start_s = time.monotonic()
    yield
    assert time.monotonic() - start_s < 20
    # The encoders of the builders may print; FFmpeg and Python's I/O callbacks may not.
    assert not [line for line in capfd.readouterr().err.splitlines() if not line.startswith("Svt[")]


@pytest.fixture(scope="session")
def moving() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [quadrants(shift=i) + rng.integers(0, 30, (64, 96, 3), dtype=np.uint8) for i in range(50)]


@pytest.fixture(scope="session")
def long_mp4(moving: list[np.ndarray]) -> bytes:
    """Two seconds with its index at the front, as a file for streaming has it."""
    return encode(moving, options={"g": "10"}, index_first=True)


@pytest.fixture(scope="session")
def mjpeg() -> bytes:
    return encode([quadrants(shift=i) for i in range(6)], container="avi", codec="mjpeg", pix_fmt="yuvj420p")


def read_all(source: Any, **limits: Any) -> tuple[list[float], Recording]:
    with open_recording(source, limits=MediaLimits(**limits)) as recording:
        return [frame.time_s for frame in recording], recording


def one_sentence(error: BaseException) -> bool:
    return 10 < len(str(error)) < 300 and "\n" not in str(error)


def sizes_or_error(source: Any, **limits: Any) -> tuple[list[tuple[int, int]], MediaError | None]:
    """Sizes of the frames until the end, or until one typed error."""
    sizes = []
    try:
        with open_recording(source, limits=MediaLimits(**limits)) as recording:
            for frame in recording:
                sizes.append(frame.size_wh)
                assert frame.image_rgb((16, 16)).shape == (16, 16, 3)
                assert np.isfinite(frame.time_s)
    except MediaError as error:
        return sizes, error
    return sizes, None


# -- this is a video -----------------------------------------------------------------------------------------


def test_this_file_exists() -> None:
    with pytest.raises(MediaNotFoundError, match="no file") as caught:
        open_recording("/no/such/file.mp4")
    assert isinstance(caught.value, FileNotFoundError)


def test_this_name_is_a_name() -> None:
    with pytest.raises(MediaNotFoundError):
        open_recording("a\0b.mp4")


def test_this_folder_is_a_video(tmp_path: Path) -> None:
    folder = tmp_path / "folder.mp4"
    folder.mkdir()
    with pytest.raises(UnsupportedMediaError, match="is a folder"):
        open_recording(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_this_pipe_is_a_video(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(UnsupportedMediaError, match="device or a pipe"):
        open_recording(tmp_path / "pipe.mp4")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything may be read by root")
def test_this_file_may_be_read(tmp_path: Path, mjpeg: bytes) -> None:
    path = tmp_path / "secret.avi"
    path.write_bytes(mjpeg)
    path.chmod(0)
    with pytest.raises(MediaNotFoundError, match="cannot be opened"):
        open_recording(path)


def test_this_empty_file_is_a_video(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    with pytest.raises(CorruptMediaError, match="is empty"):
        open_recording(path)


def test_this_text_is_a_video(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("not a video at all\n" * 100)
    with pytest.raises(UnsupportedMediaError, match="not a video") as caught:
        open_recording(path)
    assert one_sentence(caught.value)


def test_this_noise_is_a_video() -> None:
    with pytest.raises(UnsupportedMediaError):
        open_recording(np.random.default_rng(0).bytes(100_000))


def test_this_text_behind_a_signature_is_a_video() -> None:
    signatures = [b"\0\0\0\x18ftypisom", b"\x1a\x45\xdf\xa3", b"RIFF\xff\xff\0\0AVI LIST", b"OggS", b"FLV\x01"]
    signatures += [bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3"]
    for signature in signatures:
        with pytest.raises((CorruptMediaError, UnsupportedMediaError)) as caught:
            open_recording(signature + b"hello " * 5000)
        assert one_sentence(caught.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_this_photo_is_a_video(kind: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(quadrants()).save(buffer, format=kind)
    with pytest.raises(UnsupportedMediaError, match="is a photo"):
        open_recording(buffer.getvalue())


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_this_sound_is_a_video(container: str) -> None:
    with pytest.raises(UnsupportedMediaError, match="no moving pictures, only: audio"):
        open_recording(sound_only(container))


def test_this_number_is_a_video() -> None:
    for source in (12, None, io.StringIO("text"), quadrants()):
        with pytest.raises(ParameterError):
            open_recording(source)  # type: ignore[arg-type]


def test_this_codec_is_one_that_phones_write() -> None:
    video = encode([quadrants()] * 2, container="matroska", codec="ffv1")
    with pytest.raises(UnsupportedMediaError, match="coded as ffv1"):
        open_recording(video)


# -- this file names only itself -------------------------------------------------------------------------------


def test_this_address_is_a_file() -> None:
    for address in ("http://127.0.0.1:9/a.mp4", "file:///etc/passwd", "concat://a|b", "rtsp://camera/1"):
        with pytest.raises(UnsupportedMediaError, match="only local files"):
            open_recording(address)


def test_this_protocol_is_a_path() -> None:
    for name in ("concat:a.mp4|b.mp4", "pipe:0", "subfile,,start,0,end,9,,:a.mp4"):
        with pytest.raises(MediaNotFoundError):
            open_recording(name)
    with pytest.raises(UnsupportedMediaError, match="data URI"):
        open_recording("data:video/mp4;base64,AAAA")


def test_this_playlist_is_a_video(tmp_path: Path, mjpeg: bytes) -> None:
    """A playlist that makes a server fetch an address, or read another file of its own."""
    fetched = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        port = server.getsockname()[1]

        def accept() -> None:
            try:
                server.accept()[0].close()
                fetched.set()
            except TimeoutError:
                return

        listener = threading.Thread(target=accept)
        listener.start()
        (tmp_path / "other.avi").write_bytes(mjpeg)
        playlists = [
            f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n",
            f"ffconcat version 1.0\nfile '{tmp_path}/other.avi'\n",
            f"<?xml version='1.0'?><MPD><BaseURL>http://127.0.0.1:{port}/</BaseURL></MPD>",
            f"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video {port} RTP/AVP 96\n",
        ]
        for index, text in enumerate(playlists):
            path = tmp_path / f"playlist{index}.mp4"
            path.write_text(text)
            with pytest.raises(UnsupportedMediaError):
                open_recording(path)
        listener.join()
    assert not fetched.is_set()


# -- this file is whole -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [0.4, 0.7, 0.97])
def test_this_cut_off_mp4_is_whole(long_mp4: bytes, part: float) -> None:
    times_s, recording = read_all(long_mp4[: int(len(long_mp4) * part)])
    assert 50 * part - 10 < len(times_s) < 50
    assert recording.truncated
    assert any("end before" in note for note in recording.notes)


@pytest.mark.parametrize("name", ["vp8_webm", "vp9_webm", "mjpeg_avi", "mpeg4_avi", "wmv2_wmv", "h264_444_mkv"])
def test_this_cut_off_file_is_whole(name: str, moving: list[np.ndarray]) -> None:
    container, codec, pix_fmt, options = KINDS[name]
    data = encode(moving, container=container, codec=codec, pix_fmt=pix_fmt, options=options)
    times_s, recording = read_all(data[: len(data) // 2])
    assert 10 < len(times_s) < 40
    assert recording.truncated


def test_this_mp4_without_its_index_is_whole(moving: list[np.ndarray]) -> None:
    data = encode(moving[:10])
    with pytest.raises(CorruptMediaError, match="truncated or damaged"):
        open_recording(data[: len(data) // 2])


@pytest.mark.parametrize("name", KINDS)
def test_a_whole_file_is_not_called_cut_off(name: str) -> None:
    if KINDS[name][1] not in av.codecs_available:
        pytest.skip("this build has no such encoder")
    times_s, recording = read_all(encode_kind(name, 40))
    assert len(times_s) == 40
    assert not recording.truncated
    assert recording.notes == ()


def test_this_damaged_middle_is_a_picture(long_mp4: bytes) -> None:
    middle = int(len(long_mp4) * 0.6)
    times_s, recording = read_all(flipped_bytes(long_mp4, middle, middle + len(long_mp4) // 10))
    assert 30 < len(times_s) <= 50
    assert times_s[-1] > 1.9
    assert "parts of the recording are damaged" in recording.notes


@pytest.fixture(scope="module")
def fragments(moving: list[np.ndarray]) -> bytes:
    return encode(moving, options={"g": "10", "bf": "0"}, fragmented=True)


@pytest.mark.parametrize("filling", [bytes, np.random.default_rng(0).bytes], ids=["zeros", "noise"])
def test_this_hole_among_fragments_is_nothing(fragments: bytes, filling: Callable[[int], bytes]) -> None:
    third, fourth = (found.start() - 4 for found in list(re.finditer(b"moof", fragments))[2:4])
    times_s, recording = read_all(fragments[:third] + filling(fourth - third) + fragments[fourth:])
    assert 10 <= len(times_s) < 50
    assert recording.truncated
    assert "the pictures end before the recording does" in recording.notes


@pytest.mark.parametrize("at_end", [True, False])
def test_fragments_without_a_hole_are_whole(fragments: bytes, at_end: bool) -> None:
    """Padding behind the last one, and a box of a kind that is not read before it."""
    last = fragments.rindex(b"moof") - 4
    event = b"\0\0\0\x10emsg" + bytes(8)
    times_s, recording = read_all(fragments + bytes(5000) if at_end else fragments[:last] + event + fragments[last:])
    assert len(times_s) == 50
    assert recording.notes == ()


def test_a_track_of_no_known_kind_is_said_to_be_one(mjpeg: bytes) -> None:
    assert mjpeg.count(b"strf") == 1
    with pytest.raises(UnsupportedMediaError, match="no moving pictures, only: unknown"):
        read_all(mjpeg.replace(b"strf", b"junk"))


@given(st.sampled_from(["h264_mp4", "vp8_webm", "mjpeg_avi", "wmv2_wmv", "mpeg1_mpg", "mpeg2_ts"]), st.data())
@settings(max_examples=60, deadline=None)
def test_any_damage_gives_frames_or_one_typed_error(name: str, data: st.DataObject) -> None:
    video = encode_kind(name, 6)
    start = data.draw(st.integers(0, len(video) - 1))
    stop = data.draw(st.integers(start, min(start + 400, len(video))))
    damaged = flipped_bytes(video, start, stop, seed=start)[: data.draw(st.integers(1, len(video)))]
    sizes, error = sizes_or_error(damaged)
    assert sizes if error is None else one_sentence(error)


def test_this_file_object_can_be_read_to_its_end(moving: list[np.ndarray]) -> None:
    data = encode(moving * 3, container="matroska", options={"qp": "5", "bf": "0", "preset": "ultrafast"})
    assert len(data) > 500_000  # more than the demuxer reads at once

    class Failing(io.BytesIO):
        def read(self, n: int | None = -1) -> bytes:
            if self.tell() > len(data) // 2:
                raise OSError("the disk is gone")
            return super().read(n)

    times_s, recording = read_all(Failing(data))
    assert 0 < len(times_s) < 150
    assert recording.truncated


# -- this picture has this size -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("container", "codec"), [("mp4", "mpeg4"), ("matroska", "libx264"), ("mpegts", "libx264"), ("flv", "libx264")]
)
def test_this_8k_bomb_is_a_selfie(container: str, codec: str) -> None:
    black = np.zeros((4320, 7680, 3), np.uint8)
    options = {"preset": "ultrafast"} if codec == "libx264" else {}
    bomb = encode([black], container=container, codec=codec, options=options)
    assert len(bomb) < 500_000
    with pytest.raises(MediaLimitError, match="4096x4096") as caught:
        open_recording(bomb)
    assert one_sentence(caught.value)


def test_this_large_picture_is_small() -> None:
    """The container claims 16x16; the coded pictures say otherwise."""
    lie = with_sample_size(encode([quadrants((640, 480))] * 3), (16, 16))
    times_s, recording = read_all(lie)
    assert len(times_s) == 3
    # The shape of a pixel follows from the size that the container claims, so only the height is the pictures' own.
    assert recording.size_wh[1] == 480
    with pytest.raises((MediaLimitError, CorruptMediaError)):
        open_recording(lie, limits=MediaLimits(max_size_wh=(320, 320)))


def test_this_recording_keeps_its_size() -> None:
    """Pictures grow in the middle: beyond the limits they are refused or left out, never shown."""
    small = [quadrants((64, 48))] * 5
    large = [quadrants((640, 480))] * 5
    stream = b"".join(
        encode(images, container="mpegts", codec="mpeg2video", options={"b": "1M"}) for images in (small, large)
    )
    times_s, recording = read_all(stream)
    assert len(times_s) > 5
    assert "the size of the pictures changes" in recording.notes
    sizes, error = sizes_or_error(stream, max_size_wh=(128, 128))
    assert set(sizes) <= {(64, 48)}
    assert sizes if error is None else isinstance(error, MediaLimitError)


# -- these times are true ---------------------------------------------------------------------------------------


def test_every_picture_is_at_zero(mjpeg: bytes) -> None:
    times_s, recording = read_all(retimed(mjpeg, [0] * 6))
    assert times_s == [0.0] * 6
    assert recording.time_problems.repeated == 5


def test_every_second_picture_repeats_a_time(mjpeg: bytes) -> None:
    times_s, recording = read_all(retimed(mjpeg, [0, 40, 40, 80, 80, 120]))
    assert times_s == pytest.approx([0.0, 0.04, 0.04, 0.08, 0.08, 0.12])
    assert recording.time_problems.repeated == 2


def test_time_runs_backwards(mjpeg: bytes) -> None:
    times_s, recording = read_all(retimed(mjpeg, [0, 80, 40, 120, 100, 160]))
    assert times_s == pytest.approx([0.0, 0.08, 0.04, 0.12, 0.1, 0.16])
    assert (recording.time_problems.backwards, recording.time_problems.repeated) == (2, 0)
    assert recording.time_problems


def test_this_selfie_takes_a_quarter_of_an_hour(mjpeg: bytes) -> None:
    times_s, recording = read_all(retimed(mjpeg, [0, 40, 80, 120, 160, 900_000]))
    assert len(times_s) == 5
    assert any("limit of 30 s" in note for note in recording.notes)


@pytest.mark.parametrize("bits", [24, 31, 32])
def test_a_clock_that_begins_again_took_years(bits: int, moving: list[np.ndarray]) -> None:
    video = bytearray(encode(moving, container="flv", codec="flv1"))
    at = 13
    while at < len(video):  # each tag: kind, size, time (its highest byte last), track, content, size
        size, low, high = (int.from_bytes(video[at + a : at + b], "big") for a, b in ((1, 4), (4, 7), (7, 8)))
        time_ms = ((high << 24 | low) + 2**bits - 900) % 2**bits
        video[at + 4 : at + 8] = (time_ms & 0xFFFFFF).to_bytes(3, "big") + bytes([time_ms >> 24])
        at += 11 + size + 4
    times_s, recording = read_all(bytes(video))
    assert times_s == pytest.approx(np.arange(50) / 25, abs=0.002)
    assert recording.notes == ()
    assert not recording.time_problems


def test_the_index_gives_every_picture_no_time_at_all() -> None:
    times_s, recording = read_all(with_constant_time(encode([quadrants()] * 10)))
    assert len(times_s) > 0
    assert recording.time_problems


def test_a_stream_without_timestamps_is_timed_by_its_stated_rate() -> None:
    elementary = encode([quadrants(shift=i) for i in range(10)], container="mpeg1video", codec="mpeg1video")
    times_s, _ = read_all(elementary)
    assert len(times_s) == 10
    # FFmpeg's parser places the very last picture one step late.
    assert np.diff(times_s)[:-1] == pytest.approx(np.full(8, 0.04))


def test_one_picture_is_a_recording() -> None:
    times_s, recording = read_all(encode([quadrants()]))
    assert times_s == [0.0]
    assert not recording.truncated


# -- this takes no time -------------------------------------------------------------------------------------


def test_this_takes_no_time_to_decode(long_mp4: bytes) -> None:
    with pytest.raises(MediaLimitError, match="decoding takes longer"):
        read_all(long_mp4, decode_budget_s=0.002)


def test_pixels_are_square_and_only_one_track_counts() -> None:
    from fractions import Fraction

    _, recording = read_all(encode([quadrants()] * 2, pixel_aspect=Fraction(4, 3)))
    assert recording.pixel_aspect_ratio == pytest.approx(4 / 3)
    assert any("not square" in note for note in recording.notes)

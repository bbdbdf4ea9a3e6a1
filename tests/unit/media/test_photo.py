"""Photos: kinds, depths, transparency, orientation, limits and damage."""

from __future__ import annotations

import base64
import builtins
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_factory import CORNERS, encode, quadrants
from PIL import Image

from idverify import media
from idverify.errors import (
    CorruptMediaError,
    MediaError,
    MediaLimitError,
    MediaNotFoundError,
    ParameterError,
    UnsupportedMediaError,
)
from idverify.media import MediaLimits, load_photo
from idverify.media.photo import read_photo

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
IMAGE = quadrants((96, 64))


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def photo_or_error(data: bytes) -> np.ndarray | MediaError:
    try:
        return load_photo(data, limits=MediaLimits(max_photo_pixels=1_000_000))
    except MediaError as error:
        return error


def corners(image: np.ndarray) -> np.ndarray:
    return image[[8, 8, -8, -8], [8, -8, 8, -8]].astype(int)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_every_kind_gives_its_colours(kind: str, tmp_path: Path) -> None:
    data = saved(Image.fromarray(IMAGE), kind)
    path = tmp_path / "photo.misnamed"
    path.write_bytes(data)
    for source in (data, path, str(path), io.BytesIO(data)):
        photo = load_photo(source)
        assert photo.shape == (64, 96, 3)
        assert photo.dtype == np.uint8
        assert np.abs(corners(photo) - CORNERS).max() <= 8


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_undone(kind: str, orientation: int) -> None:
    # Pillow's own transposition is the independent witness.
    stored = Image.fromarray(IMAGE)
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = load_photo(saved(stored, kind, exif=exif))
    order = {
        1: [0, 1, 2, 3],
        2: [1, 0, 3, 2],
        3: [3, 2, 1, 0],
        4: [2, 3, 0, 1],
        5: [0, 2, 1, 3],
        6: [2, 0, 3, 1],
        7: [3, 1, 2, 0],
        8: [1, 3, 0, 2],
    }[orientation]
    assert photo.shape[:2] == ((64, 96) if orientation < 5 else (96, 64))
    assert np.abs(corners(photo) - np.array(CORNERS)[order]).max() <= 8


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "RGBA", "LA", "YCbCr"])
def test_modes(mode: str) -> None:
    kind = {"CMYK": "JPEG", "YCbCr": "JPEG"}.get(mode, "PNG")
    grey = mode in ("L", "LA", "1")
    image = Image.fromarray(IMAGE)
    photo = load_photo(saved(image.quantize(16) if mode == "P" else image.convert(mode), kind))
    expected = np.array(Image.fromarray(IMAGE).convert("L"))[:, :, None].repeat(3, 2) if grey else IMAGE
    if mode == "1":
        assert set(np.unique(photo)) == {0, 255}
    else:
        assert np.abs(corners(photo) - corners(expected)).max() <= 8


def test_what_is_transparent_shows_white() -> None:
    rgba = np.dstack([IMAGE, np.full(IMAGE.shape[:2], 255, np.uint8)])
    rgba[:32, :48, 3] = 0
    rgba[:32, 48:, 3] = 128
    photo = load_photo(saved(Image.fromarray(rgba), "PNG"))
    assert corners(photo)[0].tolist() == [255, 255, 255]
    assert np.abs(corners(photo)[1] - (np.array(CORNERS[1]) * 128 + 255 * 127) / 255).max() <= 1
    assert corners(photo)[2].tolist() == list(CORNERS[2])


def test_a_transparent_palette_entry_shows_white() -> None:
    palette = Image.fromarray(IMAGE).quantize(8)
    photo = load_photo(saved(palette, "PNG", transparency=palette.getpixel((8, 8))))
    assert corners(photo)[0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_are_scaled_not_cut(kind: str) -> None:
    values = np.linspace(0, 65535, 96).astype(np.uint16)
    photo = load_photo(saved(Image.fromarray(np.tile(values, (64, 1))), kind))
    np.testing.assert_array_equal(photo[0, :, 0], (values / 257).round().astype(np.uint8))
    assert (photo[..., 0] == photo[..., 2]).all()


def test_the_first_picture_of_an_animation() -> None:
    first, second = Image.fromarray(IMAGE), Image.fromarray(IMAGE[::-1].copy())
    for kind in ("GIF", "WEBP", "PNG"):
        photo = load_photo(saved(first, kind, save_all=True, append_images=[second]))
        assert np.abs(corners(photo) - CORNERS).max() <= 8


def test_heic_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(IMAGE)).save(buffer, quality=95)
    data = buffer.getvalue()
    assert np.abs(corners(load_photo(data)) - CORNERS).max() <= 8
    with pytest.raises(MediaLimitError):
        load_photo(data, limits=MediaLimits(max_photo_pixels=1000))
    with pytest.raises(CorruptMediaError):
        load_photo(data[: len(data) // 2])

    real_import = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "pillow_heif":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UnsupportedMediaError, match="pip install pillow-heif"):
        load_photo(data)


# -- arrays -----------------------------------------------------------------------------------------------


def test_arrays_are_taken_as_they_are() -> None:
    assert load_photo(IMAGE) is IMAGE
    grey = load_photo(IMAGE[:, :, 0])
    np.testing.assert_array_equal(grey, np.dstack([IMAGE[:, :, 0]] * 3))


@pytest.mark.parametrize(
    "array",
    [IMAGE.astype(float), IMAGE[..., :2], np.dstack([IMAGE, IMAGE]), IMAGE[0, 0], IMAGE[:0]],
    ids=["float", "two channels", "six channels", "one line", "empty"],
)
def test_other_arrays_are_refused_with_what_came(array: np.ndarray) -> None:
    with pytest.raises(ParameterError, match=r"expected a uint8 array .* got \w+ of shape"):
        load_photo(array)


# -- what is no photo ---------------------------------------------------------------------------------------


def test_a_video_given_as_a_photo() -> None:
    with pytest.raises(UnsupportedMediaError, match="is a video, not a photo: expected JPEG"):
        load_photo(encode([IMAGE]))


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (b"", CorruptMediaError),
        (b"plain text, whatever the name says", UnsupportedMediaError),
        ("/no/such/photo.jpg", MediaNotFoundError),
        ("https://example.org/photo.jpg", UnsupportedMediaError),
        (12, ParameterError),
        (io.StringIO("text"), ParameterError),
    ],
    ids=["empty", "text", "missing", "address", "number", "text mode"],
)
def test_what_is_no_photo(source: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        load_photo(source)


def test_a_folder_given_as_a_photo(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMediaError, match="folder"):
        load_photo(tmp_path)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_a_truncated_photo_is_not_half_a_photo(kind: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), kind)
    with pytest.raises(CorruptMediaError):
        load_photo(data[: len(data) // 2])


def png_bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims a huge picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size_wh", [(8000, 7000), (11_000, 11_000), (60_000, 60_000)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_refused_before_it_goes_off(size_wh: tuple[int, int]) -> None:
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(MediaLimitError, match="pixels"):
        load_photo(png_bomb(*size_wh))
    assert before == Image.MAX_IMAGE_PIXELS


def test_a_file_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(saved(Image.fromarray(IMAGE), "PNG"))
    with pytest.raises(MediaLimitError, match="too large"):
        load_photo(path, limits=MediaLimits(max_bytes=100))


@given(st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"]), st.integers(0, 2**32), st.integers(1, 30))
@settings(max_examples=150, deadline=None)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damage_gives_a_photo_or_one_typed_error(kind: str, seed: int, n_bytes: int) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(saved(Image.fromarray(IMAGE), kind))
    for at in rng.integers(0, min(len(data), 400), n_bytes):
        data[at] = rng.integers(256)
    outcome = photo_or_error(bytes(data))
    if isinstance(outcome, MediaError):
        assert "\n" not in str(outcome)
    else:
        assert (outcome.dtype, outcome.ndim) == (np.uint8, 3)


@pytest.mark.skipif(not DATA.exists(), reason="needs the photos of shared/data, which are not part of the project")
def test_real_references_load() -> None:
    paths = sorted((DATA / "references").glob("*.*"))
    assert paths
    for path in paths:
        photo = load_photo(path)
        assert photo.ndim == 3
        assert min(photo.shape[:2]) > 100
        assert photo.std() > 10


# -- cut off, large, and of rarer kinds ------------------------------------------------------------------------------


def smooth(size_wh: tuple[int, int] = (320, 480)) -> np.ndarray:
    y, x = np.mgrid[: size_wh[1], : size_wh[0]]
    waves = [127 + 100 * np.sin(x / a + y / b) for a, b in ((17, 23), (31, 11), (13, 29))]
    return np.stack(waves, axis=-1).astype(np.uint8)


@pytest.mark.parametrize("share", [0.5, 0.7, 0.9, 0.999])
def test_of_a_jpeg_that_ends_early_the_rows_that_are_there_are_read_and_that_is_said(share: float) -> None:
    data = saved(Image.fromarray(smooth()), "JPEG", quality=90)
    photo = read_photo(data[: int(share * len(data))])
    n_rows = len(photo.image_rgb)
    assert (share - 0.1) * 480 <= n_rows <= 480
    assert np.abs(photo.image_rgb[: n_rows - 16].astype(int) - smooth()[: n_rows - 16]).mean() < 6
    assert "ends early" in photo.notes[0]


def test_of_a_jpeg_of_which_hardly_anything_is_there_nothing_is_read() -> None:
    data = saved(Image.fromarray(smooth()), "JPEG", quality=90)
    with pytest.raises(CorruptMediaError):
        read_photo(data[: len(data) // 8])


@pytest.mark.parametrize("times", [2, 5])
def test_a_large_jpeg_is_read_at_a_part_of_its_size_up_to_a_bound(times: int) -> None:
    data = saved(Image.fromarray(smooth()), "JPEG", quality=90)
    limits = MediaLimits(max_photo_pixels=320 * 480 // times)
    photo = read_photo(data, limits=limits)
    assert photo.image_rgb.shape[0] * photo.image_rgb.shape[1] <= limits.max_photo_pixels
    assert photo.image_rgb.shape[0] / photo.image_rgb.shape[1] == pytest.approx(1.5, abs=0.05)
    assert "320x480" in photo.notes[0]
    with pytest.raises(MediaLimitError):
        read_photo(data, limits=MediaLimits(max_photo_pixels=320 * 480 // 9))


@pytest.mark.parametrize(("kind", "options"), [("JPEG2000", {}), ("JPEG2000", {"no_jp2": True}), ("AVIF", {})])
def test_rarer_kinds_are_read_where_pillow_can(kind: str, options: dict[str, Any]) -> None:
    try:
        data = saved(Image.fromarray(IMAGE), kind, **options)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow writes no {kind}")
    photo = read_photo(data)
    assert np.abs(corners(photo.image_rgb) - CORNERS).max() <= 16
    assert not photo.notes
    with pytest.raises(UnsupportedMediaError, match="is a photo, not a video"):
        media.open_recording(data)


def test_a_large_jpeg_2000_is_read_at_fewer_resolutions() -> None:
    data = saved(Image.fromarray(smooth()), "JPEG2000")
    photo = read_photo(data, limits=MediaLimits(max_photo_pixels=320 * 480 // 3))
    assert photo.image_rgb.shape == (240, 160, 3)


def test_large_photos_palettes_and_damaged_tags_bring_no_warning(
    recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    palette = Image.fromarray(IMAGE).convert("P")
    palette.info["transparency"] = bytes(range(256))
    exif = Image.Exif()
    exif[0x0112] = 6
    for data in (
        saved(Image.fromarray(IMAGE), "JPEG"),
        saved(palette, "PNG", transparency=bytes(range(256))),
        saved(Image.fromarray(IMAGE), "PNG", exif=exif.tobytes()[:-9]),
    ):
        assert load_photo(data).size == IMAGE.size
    assert not list(recwarn)


# -- data URIs -------------------------------------------------------------------------------------------------------


def uri(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def test_a_data_uri_is_read_as_what_it_holds() -> None:
    data = saved(Image.fromarray(IMAGE), "PNG")
    folded = "\n".join(uri(data)[k : k + 76] for k in range(0, len(uri(data)), 76))
    escaped = "data:image/png," + "".join(f"%{byte:02x}" for byte in data)
    for text in (uri(data), folded, escaped, "DATA:;BASE64," + base64.b64encode(data).decode()):
        assert np.array_equal(load_photo(text), IMAGE)


@pytest.mark.parametrize("what", ["bad base64", "cut", "no data", "other path"])
def test_no_message_holds_the_photo(what: str) -> None:
    text = uri(np.random.default_rng(0).bytes(30_000))
    broken: Any = {
        "bad base64": text[:-7] + "*" + text[-6:],
        "cut": text[:20_001],
        "no data": "data:image/png;base64",
        "other path": Path(text),
    }[what]
    with pytest.raises(MediaError) as caught:
        load_photo(broken)
    assert len(str(caught.value)) < 200
    assert text[30:50] not in str(caught.value)


@pytest.mark.parametrize("name", ["https://example.org/" + "a" * 5000, "n" * 5000, "x\x1b[2J" * 900])
def test_messages_hold_at_most_200_characters_of_a_name(name: str) -> None:
    with pytest.raises(MediaError) as caught:
        load_photo(name)
    assert len(str(caught.value)) < 300
    assert "\x1b" not in str(caught.value)


def test_no_message_about_a_file_that_is_there_holds_more_of_its_name(tmp_path: Path) -> None:
    deep = tmp_path.joinpath("d" * 120, "e" * 120)
    deep.mkdir(parents=True)
    path = deep / "large\x1b[31m.jpg"
    path.write_bytes(bytes(100))
    with pytest.raises(MediaLimitError, match="too large") as caught:
        load_photo(path, limits=MediaLimits(max_bytes=50))
    assert len(str(caught.value)) < 300
    assert "\x1b" not in str(caught.value)


def test_pixels_of_a_kind_that_is_not_read_are_not_called_damaged() -> None:
    with pytest.raises(UnsupportedMediaError, match="floating point"):
        load_photo(saved(Image.fromarray(np.ones((16, 16), np.float32)), "TIFF"))

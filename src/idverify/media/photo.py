"""Photos: :func:`read_photo` gives upright 8-bit RGB of whatever kind of image came, and what is to be said of it.

Conventions: the format is told by its signature, never by a name; EXIF orientation is applied; transparent
pixels show white, as a browser page would; 16-bit samples are scaled, not cut; an animation gives its first
picture; colour profiles are not applied. The number of pixels is checked before any is decoded; JPEG and
JPEG 2000 of more are decoded at a part of their size. Of a JPEG that ends early, the rows that are there are given.

Public items: :func:`read_photo`, :func:`load_photo`, :class:`Photo`.

References
----------
.. [1] CIPA DC-008 (Exif 2.32), section 4.6.2 and tag 0x0112, Orientation.
.. [2] Recommendation ITU-T T.81 (JPEG), annex B; ISO/IEC 15444-1 (JPEG 2000), annexes A and I.
"""

from __future__ import annotations

import importlib
import io
import math
import re
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from idverify.errors import CorruptMediaError, MediaLimitError, ParameterError, UnsupportedMediaError
from idverify.media.containers import is_video
from idverify.media.source import ByteSource, MediaLimits, open_source
from idverify.text import foreign

__all__ = ["Photo", "load_photo", "read_photo"]

# Format by signature, with the module and the name of Pillow's reader. They are called one by one: Pillow's own `open`
# tries them all, and warns of large pictures where this module has a limit.
_READERS = (
    ("JPEG", (b"\xff\xd8\xff",), "JpegImagePlugin", "JpegImageFile"),
    ("PNG", (b"\x89PNG\r\n\x1a\n",), "PngImagePlugin", "PngImageFile"),
    ("TIFF", (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"), "TiffImagePlugin", "TiffImageFile"),
    ("BMP", (b"BM",), "BmpImagePlugin", "BmpImageFile"),
    ("GIF", (b"GIF87a", b"GIF89a"), "GifImagePlugin", "GifImageFile"),
    ("JPEG 2000", (b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  "), "Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    ("WebP", (b"RIFF",), "WebPImagePlugin", "WebPImageFile"),
    ("AVIF", (), "AvifImagePlugin", "AvifImageFile"),
)
# ISO/IEC 23008-12, section 10: the brands of HEIF files, after b"ftyp"; those of AVIF (specification 1.1, section 6).
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")
# What Pillow's readers raise on damaged input, seen by feeding them damaged files.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    Warning,  # where the caller has made errors of them
    struct.error,
    zlib.error,
)
# So many times the limit of pixels is decoded where the format can be decoded at a part of its size.
_SCALED_EXCESS = 8
# JPEG marker that ends a picture (T.81, table B.1).
_END_OF_IMAGE = b"\xff\xd9"
# Less of a photo than this is none.
_MIN_ROWS_SHARE = 0.25
_ORIENTATION_TAG = 0x0112
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')
# (transpose, flip rows, flip columns) by the value of the tag.
_ORIENTATIONS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Photo:
    """A photo as it is looked at.

    Parameters
    ----------
    image_rgb : uint8 [shape=(h, w, 3)]
        Upright.
    notes : tuple of str
        What was met in reading it, one sentence each.
    """

    image_rgb: NDArray[np.uint8] = field(repr=False)
    notes: tuple[str, ...] = ()


def load_photo(
    source: str | Path | bytes | BinaryIO | NDArray[np.uint8], *, limits: MediaLimits | None = None
) -> NDArray[np.uint8]:
    """Upright RGB of a photo; see :func:`read_photo`, which also says what was met in reading it."""
    return read_photo(source, limits=limits).image_rgb


def read_photo(
    source: str | Path | bytes | BinaryIO | NDArray[np.uint8], *, limits: MediaLimits | None = None
) -> Photo:
    """Read a photo.

    Parameters
    ----------
    source : path, data URI, bytes, binary file object, or uint8 [shape=(h, w, 3) or (h, w)]
        JPEG, PNG, WebP, TIFF, BMP, GIF, JPEG 2000 or AVIF; HEIC with the ``heif`` extra. An array is taken as upright
        RGB, or grey.
    limits : MediaLimits, optional
        ``max_bytes`` and ``max_photo_pixels`` are used.

    Returns
    -------
    Photo
        An RGB array that was given is in it as it is.

    Raises
    ------
    MediaNotFoundError
        No such file.
    UnsupportedMediaError
        Not a photo, HEIC without the extra, or a format that the installed Pillow does not read.
    CorruptMediaError
        Damaged, or so much is missing that no photo is left.
    MediaLimitError
        Too many bytes or pixels.
    ParameterError
        An array of another shape or dtype.
    """
    limits = limits or MediaLimits()
    if isinstance(source, np.ndarray):
        return Photo(image_rgb=_checked_array(source))
    with open_source(source, limits) as opened:
        notes: list[str] = []
        try:
            image = _open_heif(opened, limits) if _is_heif(opened.head) else _open_image(opened, limits, notes)
            rgb = _pixels(image, opened, limits, notes)
            return Photo(image_rgb=_upright(rgb, image), notes=tuple(notes))
        except (MediaLimitError, UnsupportedMediaError, CorruptMediaError):
            raise
        except Image.DecompressionBombError as error:
            raise MediaLimitError(f"{opened.label} holds too many pixels: {foreign(error)}") from error
        except (*_DAMAGE, MemoryError) as error:
            raise CorruptMediaError(f"{opened.label} is truncated or damaged: {foreign(error)}") from error


def _pixels(image: Image.Image, opened: ByteSource, limits: MediaLimits, notes: list[str]) -> NDArray[np.uint8]:
    """RGB as stored; of a JPEG that ends early, the rows that are there."""
    try:
        image.load()
        return _to_rgb(image)
    except OSError:
        if image.format != "JPEG":
            raise
    opened.stream.seek(0)
    # With an end put to it, the decoder gives what came before; the rest has one colour.
    whole = io.BytesIO(opened.stream.read().rstrip(b"\xff") + _END_OF_IMAGE)
    part = _reader("JPEG")(whole)
    _shrink(part, limits, opened.label, [])
    part.load()
    rgb = _to_rgb(part)
    plain = (np.ptp(rgb, axis=1) <= 2).all(axis=1)
    n_rows = len(rgb) - int(np.argmin(plain[::-1])) if not plain.all() else 0
    if n_rows < _MIN_ROWS_SHARE * len(rgb):
        raise CorruptMediaError(f"{opened.label} is truncated: hardly any of its pixels are there")
    notes.append(f"the file ends early; {n_rows} of {len(rgb)} rows of pixels could be read")
    return rgb[:n_rows]


def _checked_array(array: NDArray[Any]) -> NDArray[np.uint8]:
    grey = array.ndim == 2
    rgb = array.ndim == 3 and array.shape[2] == 3
    if array.dtype != np.uint8 or not (grey or rgb) or array.size == 0:
        raise ParameterError(
            f"expected a uint8 array of shape (h, w, 3) or (h, w), got {array.dtype} of shape {array.shape}"
        )
    return np.repeat(array[:, :, None], 3, axis=2) if grey else array


def _is_avif(head: bytes) -> bool:
    """Whether a file of the kind that HEIC is, too, says that it is AVIF: by its brand, or by those it is like."""
    length = int.from_bytes(head[:4], "big")
    brands = [head[at : at + 4] for at in range(8, min(length, len(head)), 4)]
    return head[8:12] in _AVIF_BRANDS or (head[8:12] in (b"mif1", b"msf1") and any(b in brands for b in _AVIF_BRANDS))


def _is_heif(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and not _is_avif(head)


def _reader(kind: str) -> Any:
    """Pillow's reader of a format; None where this Pillow has none."""
    module, name = next((module, name) for format_, _, module, name in _READERS if format_ == kind)
    try:
        return getattr(importlib.import_module(f"PIL.{module}"), name)
    except ImportError:
        return None


def _kind(head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        return "AVIF" if _is_avif(head) else None
    if head[:4] == b"RIFF":
        return "WebP" if head[8:12] == b"WEBP" else None
    return next((kind for kind, signatures, _, _ in _READERS if head.startswith(signatures or (b"\0none",))), None)


def _open_image(opened: ByteSource, limits: MediaLimits, notes: list[str]) -> Image.Image:
    kind = _kind(opened.head)
    if kind is None:
        kinds = ", ".join(kind for kind, _, _, _ in _READERS)
        what = "is a video, not a photo" if is_video(opened) else "is not a photo of a kind that is read"
        raise UnsupportedMediaError(f"{opened.label} {what}: expected {kinds} or HEIC")
    reader = _reader(kind)
    if reader is None:
        raise UnsupportedMediaError(f"{opened.label} is a photo in {kind}, which the installed Pillow does not read")
    image = cast(Image.Image, reader(opened.stream))
    _shrink(image, limits, opened.label, notes)
    return image


def _shrink(image: Image.Image, limits: MediaLimits, label: str, notes: list[str]) -> None:
    """Have a picture of too many pixels decoded at a part of its size, where its format can be; else refuse it."""
    size_wh, n_pixels = image.size, image.size[0] * image.size[1]
    if n_pixels <= limits.max_photo_pixels:
        return
    halvings = math.ceil(math.log2(n_pixels / limits.max_photo_pixels) / 2)
    if n_pixels <= _SCALED_EXCESS * limits.max_photo_pixels:
        if image.format == "JPEG":  # by the size of its blocks (T.81 has 8 x 8)
            image.draft("", (size_wh[0] >> halvings, size_wh[1] >> halvings))
        elif image.format == "JPEG2000":  # by leaving out the finest resolutions
            cast(Any, image).reduce = halvings
    after = image.size if image.format == "JPEG" else _reduced_size(image)
    _check_pixels(after, label, limits, stated=size_wh)
    notes.append(f"the photo has {size_wh[0]}x{size_wh[1]} pixels and was read at a part of its size")


def _reduced_size(image: Image.Image) -> tuple[int, int]:
    halvings = getattr(image, "reduce", 0)
    n = halvings if isinstance(halvings, int) else 0  # of other formats it is the method of that name
    return image.size[0] >> n, image.size[1] >> n


def _open_heif(opened: ByteSource, limits: MediaLimits) -> Image.Image:
    try:
        import pillow_heif  # an extra: the licence of its codecs is the user's choice
    except ImportError as error:
        raise UnsupportedMediaError(
            f"{opened.label} is a HEIC photo, which takes one more package to read: pip install pillow-heif"
        ) from error
    container = pillow_heif.open_heif(opened.stream)
    _check_pixels(container.size, opened.label, limits)
    return cast(Image.Image, container.to_pillow())


def _check_pixels(
    size_wh: tuple[int, int], label: str, limits: MediaLimits, *, stated: tuple[int, int] | None = None
) -> None:
    width, height = stated or size_wh
    if size_wh[0] * size_wh[1] > limits.max_photo_pixels:
        raise MediaLimitError(f"{label} holds {width}x{height} pixels, the limit is {limits.max_photo_pixels}")


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I"):
        grey = _grey_of_16_bits(image)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode == "F":
        raise UnsupportedMediaError("the photo's pixels are floating point numbers, of no known range")
    # Pre-multiplied and palette alpha included; "transparency" is PNG's single colour or palette entry.
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"), dtype=np.uint8)


def _grey_of_16_bits(image: Image.Image) -> NDArray[np.uint8]:
    # Pillow keeps 16-bit grey as "I;16" and its kin, or widened to 32 bits as "I".
    samples = np.asarray(image).astype(np.int64)
    if samples.min() < 0 or samples.max() > 65535:
        raise UnsupportedMediaError("the photo's pixels have more than 16 bits")
    return ((samples * 255 + 32767) // 65535).astype(np.uint8)


def _upright(rgb: NDArray[np.uint8], image: Image.Image) -> NDArray[np.uint8]:
    orientation = _orientation(image)
    if orientation not in _ORIENTATIONS:
        return rgb
    transpose, flip_rows, flip_columns = _ORIENTATIONS[orientation]
    upright = rgb.transpose(1, 0, 2) if transpose else rgb
    return np.ascontiguousarray(upright[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1])


def _orientation(image: Image.Image) -> int | None:
    """The tag's value; None where there is none, or it is damaged and the pixels are sound."""
    if image.format == "TIFF":
        value = cast(Any, image).tag_v2.get(_ORIENTATION_TAG)
        return value if isinstance(value, int) else None
    exif, xmp = image.info.get("exif"), image.info.get("xmp")
    found = _tag_of(exif) if isinstance(exif, bytes) else None
    if found is None and isinstance(xmp, bytes):
        match = _XMP_ORIENTATION.search(xmp)
        found = int(match[1]) if match else None
    return found


def _tag_of(exif: bytes) -> int | None:
    """Orientation in the first directory of an Exif block. Pillow's own reader warns of damage, for all threads."""
    body = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II": "<", b"MM": ">"}.get(body[:2])
    if order is None:
        return None
    try:
        (at,) = struct.unpack_from(f"{order}I", body, 4)
        (n_entries,) = struct.unpack_from(f"{order}H", body, at)
        for entry in range(n_entries):
            tag, kind, count = struct.unpack_from(f"{order}HHI", body, at + 2 + 12 * entry)
            if tag == _ORIENTATION_TAG:
                # TIFF 6.0, section 2: type 3 is a 16-bit number, kept at the beginning of the entry's value.
                value = struct.unpack_from(f"{order}H" if kind == 3 else f"{order}I", body, at + 10 + 12 * entry)[0]
                return int(value) if count == 1 else None
    except struct.error:
        return None
    return None

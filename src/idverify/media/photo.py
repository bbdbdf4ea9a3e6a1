"""Photos: :func:`load_photo` gives upright 8-bit RGB of whatever kind of image came.

Conventions: the format is told by its signature, never by a name; EXIF orientation is applied; transparent
pixels show white, as a browser page would; 16-bit samples are scaled, not cut; an animation gives its first
picture; colour profiles are not applied. The number of pixels is checked before any is decoded.

Public items: :func:`load_photo`.

References
----------
.. [1] CIPA DC-008 (Exif 2.32), tag 0x0112, Orientation.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from idverify.errors import CorruptMediaError, MediaLimitError, ParameterError, UnsupportedMediaError
from idverify.media.source import ByteSource, MediaLimits, open_source

__all__ = ["load_photo"]

# The readers of Pillow that are used; its others stay shut. "JPEG" includes MPO, which several phones write.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
# ISO/IEC 23008-12, section 10: the brands of HEIF files, after b"ftyp".
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
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
_ORIENTATION_TAG = 0x0112
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


def load_photo(
    source: str | Path | bytes | BinaryIO | NDArray[np.uint8], *, limits: MediaLimits | None = None
) -> NDArray[np.uint8]:
    """Upright RGB of a photo.

    Parameters
    ----------
    source : path, bytes, binary file object, or uint8 [shape=(h, w, 3) or (h, w)]
        JPEG, PNG, WebP, TIFF, BMP or GIF; HEIC with the ``heif`` extra. An array is taken as upright RGB, or
        grey.
    limits : MediaLimits, optional
        ``max_bytes`` and ``max_photo_pixels`` are used.

    Returns
    -------
    uint8 [shape=(h, w, 3)]
        RGB. An RGB array that was given comes back as it is.

    Raises
    ------
    MediaNotFoundError
        No such file.
    UnsupportedMediaError
        Not a photo, or HEIC without the extra.
    CorruptMediaError
        Truncated or damaged.
    MediaLimitError
        Too many bytes or pixels.
    ParameterError
        An array of another shape or dtype.
    """
    limits = limits or MediaLimits()
    if isinstance(source, np.ndarray):
        return _checked_array(source)
    with open_source(source, limits) as opened:
        image = _open_heif(opened, limits) if _is_heif(opened.head) else _open_image(opened)
        _check_pixels(image.size, opened.label, limits)
        try:
            image.load()
            return _upright(_to_rgb(image), image)
        except Image.DecompressionBombError as error:
            raise MediaLimitError(f"{opened.label} holds too many pixels: {error}") from error
        except (*_DAMAGE, MemoryError) as error:
            raise CorruptMediaError(f"{opened.label} is truncated or damaged: {error}") from error


def _checked_array(array: NDArray[Any]) -> NDArray[np.uint8]:
    grey = array.ndim == 2
    rgb = array.ndim == 3 and array.shape[2] == 3
    if array.dtype != np.uint8 or not (grey or rgb) or array.size == 0:
        raise ParameterError(
            f"expected a uint8 array of shape (h, w, 3) or (h, w), got {array.dtype} of shape {array.shape}"
        )
    return np.repeat(array[:, :, None], 3, axis=2) if grey else array


def _is_heif(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def _open_image(opened: ByteSource) -> Image.Image:
    try:
        return Image.open(opened.stream, formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaLimitError(f"{opened.label} holds too many pixels: {error}") from error
    except UnidentifiedImageError as error:
        raise UnsupportedMediaError(
            f"{opened.label} is not a photo of a kind that is read (JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC)"
        ) from error
    except _DAMAGE as error:
        raise CorruptMediaError(f"{opened.label} is truncated or damaged: {error}") from error


def _open_heif(opened: ByteSource, limits: MediaLimits) -> Image.Image:
    try:
        import pillow_heif  # an extra: the licence of its codecs is the user's choice
    except ImportError as error:
        raise UnsupportedMediaError(
            f"{opened.label} is a HEIC photo: install the extra idverify[heif] to read it"
        ) from error
    try:
        container = pillow_heif.open_heif(opened.stream)
        _check_pixels(container.size, opened.label, limits)
        return cast(Image.Image, container.to_pillow())
    except MediaLimitError:
        raise
    except (*_DAMAGE, MemoryError) as error:
        raise CorruptMediaError(f"{opened.label} is a damaged HEIC photo: {error}") from error


def _check_pixels(size_wh: tuple[int, int], label: str, limits: MediaLimits) -> None:
    width, height = size_wh
    if width * height > limits.max_photo_pixels:
        raise MediaLimitError(f"{label} holds {width}x{height} pixels, the limit is {limits.max_photo_pixels}")


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I"):
        grey = _grey_of_16_bits(image)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode == "F":
        raise ValueError("pixels are floating point numbers of no known range")
    # Pre-multiplied and palette alpha included; "transparency" is PNG's single colour or palette entry.
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"), dtype=np.uint8)


def _grey_of_16_bits(image: Image.Image) -> NDArray[np.uint8]:
    # Pillow keeps 16-bit grey as "I;16" and its kin, or widened to 32 bits as "I".
    samples = np.asarray(image).astype(np.int64)
    if samples.min() < 0 or samples.max() > 65535:
        raise ValueError("samples of more than 16 bits")
    return ((samples * 255 + 32767) // 65535).astype(np.uint8)


def _upright(rgb: NDArray[np.uint8], image: Image.Image) -> NDArray[np.uint8]:
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except _DAMAGE:  # a damaged tag is none; the pixels are sound
        orientation = None
    if orientation not in _ORIENTATIONS:
        return rgb
    transpose, flip_rows, flip_columns = _ORIENTATIONS[orientation]
    upright = rgb.transpose(1, 0, 2) if transpose else rgb
    return np.ascontiguousarray(upright[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1])

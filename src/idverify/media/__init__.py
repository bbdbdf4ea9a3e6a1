"""Media: bytes of a recording or a photo in, upright pictures with their own times out.

In: a path, bytes or a binary file. Out: a :class:`Recording`, which streams :class:`Frame` objects, or one RGB array.
Times are seconds from the container, never from an assumed rate; memory stays flat however long the recording is.
What cannot be used raises a :class:`~idverify.errors.MediaError`; what is merely damaged or cut off is noted.
Read :mod:`~idverify.media.recording` first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from idverify._lazy import lazy_names

if TYPE_CHECKING:
    from idverify.media.frame import Frame
    from idverify.media.photo import load_photo
    from idverify.media.recording import Recording, TimeProblems, open_recording
    from idverify.media.source import MediaLimits

__all__ = [
    "Frame",
    "MediaLimits",
    "Recording",
    "TimeProblems",
    "load_photo",
    "open_recording",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Frame": "frame",
        "MediaLimits": "source",
        "Recording": "recording",
        "TimeProblems": "recording",
        "load_photo": "photo",
        "open_recording": "recording",
    },
)

"""Signals that a recording was altered, looped, made or fed in.

Only what cannot come from a camera and a bad line proves tampering: a passage of moving pictures that repeats frame by
frame, forwards or backwards. Everything else (a frozen stretch, an editor's name, odd timestamps, no sensor noise, a
change of size) also happens to honest people whose line stalls, whose recorder stutters or whose messenger re-encodes:
it is reported, and its LLR is not fused. What does not show one take of one camera proves no attack, and is not enough
to be accepted: cuts, doubtful repeats, a lasting fall of quality, times that run backwards, and a file that names a
virtual camera or a screen recorder as its source.

**A file cannot prove where it came from.** A virtual camera that plays an untouched recording of somebody
leaves none of these traces; only a challenge that was issued for this one recording speaks to that.

Conventions: one :class:`PADEvidence` per signal; LLRs speak for (> 0, never here) or against (< 0) a genuine
recording.

Public items: :class:`ContainerFacts`, :func:`assess`, :func:`names_no_camera`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idverify.media.recording import Recording, TimeProblems
from idverify.pad._llr import load_scale
from idverify.pad.evidence import PADEvidence, Status
from idverify.pad.fingerprints import (
    FrameFingerprints,
    deepest_repeat,
    lasting_fall,
    longest_freeze,
    scene_jumps,
    shown_anew,
    squared_differences,
)
from idverify.reasons import NotAssessed, Reason

__all__ = ["ContainerFacts", "assess", "names_no_camera"]

F64 = NDArray[np.float64]

# Names that programs leave in containers, in lower case. Re-encoders come with every messenger and say nothing.
_REENCODERS = ("lavf", "lavc", "handbrake", "mencoder", "ffmpeg", "x264", "libvpx", "whatsapp", "telegram")
_EDITORS = (
    "premiere", "after effects", "davinci", "final cut", "imovie", "capcut", "inshot", "kinemaster", "kdenlive",
    "shotcut", "openshot", "vegas", "filmora", "movavi", "camtasia", "avidemux", "moviepy", "blender",
)  # fmt: skip
# Virtual cameras, then screen recorders, then programs that change faces while they are filmed.
_NO_CAMERAS = (
    "virtual camera", "virtual webcam", "virtualcam", "obs studio", "obs-studio", "libobs", "manycam", "splitcam",
    "xsplit", "vmix", "camtwist", "webcamoid", "akvcam", "v4l2loopback", "youcam", "snap camera", "e2esoft", "vcam",
    "altercam", "droidcam", "iriun", "epoccam",
    "replaykitrecording", "screen recorder", "screen recording", "screenrecord", "screenrecorder", "game dvr",
    "bandicam", "fraps", "screenflow", "screencastify", "simplescreenrecorder", "apowersoft", "evcapture",
    "录屏", "屏幕录制", "deepfacelive", "deepfacelab", "faceswap", "swapface", "avatarify", "facerig",
)  # fmt: skip
# Below this median absolute second difference in time, in luma levels of a strip mean, nothing of a sensor is
# left.
_NO_NOISE_LEVELS = 0.02
# A picture that stands still for so long took away part of what was to be seen; genuine streams at hand hang 0.16 s at
# most.
_STALL_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerFacts:
    """What the container says, complete once the recording was read.

    Parameters
    ----------
    metadata
        Tags.
    time_problems
        Timestamps that cannot be right.
    """

    metadata: Mapping[str, str]
    time_problems: TimeProblems

    @classmethod
    def of(cls, recording: Recording) -> ContainerFacts:
        """Take them from a recording that was read to its end."""
        return cls(metadata=dict(recording.metadata), time_problems=recording.time_problems)


def assess(fingerprints: FrameFingerprints, facts: ContainerFacts) -> tuple[PADEvidence, ...]:
    """All injection signals of one recording.

    Parameters
    ----------
    fingerprints
        Full of every decoded frame.
    facts
        Of the container.
    """
    times, thumbnails = fingerprints.thumbnails()
    distance = squared_differences(thumbnails)
    new = shown_anew(thumbnails, distance)
    if len(new) > 2:
        times_new, apart = times[new], np.ascontiguousarray(distance[np.ix_(new, new)])
        change = np.sqrt(np.diagonal(apart, 1).astype(np.float64))
        pictures: tuple[PADEvidence, ...] = (
            _repeat(times_new, thumbnails[new]),
            _freeze(times, distance, change),
            _cuts(times_new, thumbnails[new], apart, change),
            _noise(thumbnails),
            _quality(
                times_new, fingerprints.compression()[new], np.r_[0.0, change], thumbnails[new].std(axis=(1, 2))
            ),
        )
    else:
        why = NotAssessed(reason=Reason.TOO_LITTLE_MOVEMENT, detail=f"{len(new)} different pictures in {len(times)}")
        names = ("repeated_passage", "frozen_pictures", "cuts", "sensor_noise", "quality_fall")
        pictures = tuple(PADEvidence.not_assessed(name, "", why) for name in names)
    return (*pictures, _timestamps(facts.time_problems), _origin(facts.metadata), _sizes(fingerprints.sizes_wh))


def _evidence(name: str, unit: str, native: float, llr: float, detail: str, **more: object) -> PADEvidence:
    return PADEvidence(
        name=name,
        status=Status.ASSESSED,
        unit=unit,
        native=native,
        bona_fide_llr=llr,
        detail=detail,
        **more,  # type: ignore[arg-type]
    )


def _repeat(times: F64, thumbnails: NDArray[np.uint8]) -> PADEvidence:
    name, unit = "repeated_passage", "depth of the deepest repeat, 0 none .. 1 exact"
    repeat = deepest_repeat(times, thumbnails)
    if repeat is None:
        why = NotAssessed(reason=Reason.VIDEO_TOO_SHORT, detail="too short to hold one passage twice")
        return PADEvidence.not_assessed(name, unit, why)
    depth, scale = 1.0 - repeat.dip, load_scale(name)
    proven, doubtful = scale.proves(depth), depth >= scale.marks["doubtful_from"][0]
    way = "played backwards" if repeat.backwards else "again"
    found = (
        f"the passage at {repeat.first_s:.2f} s comes {way} at {repeat.second_s:.2f} s"
        if doubtful
        else "no passage repeats"
    )
    return _evidence(
        name,
        unit,
        depth,
        scale(depth),
        f"{found} (depth {depth:.2f})",
        reason=_named(proven, doubtful),
        decisive=proven,
    )


def _named(proven: bool, doubtful: bool) -> Reason | None:
    """What no genuine recording showed is no single take; what lies far beyond is proof of an alteration."""
    return Reason.TAMPERED_RECORDING if proven else Reason.RECORDING_CUT if doubtful else None


def _freeze(times: F64, distance: NDArray[np.float32], change: F64) -> PADEvidence:
    length_s, begin_s = longest_freeze(times, distance)
    return _evidence(
        "frozen_pictures",
        "s of the longest stretch without any change",
        length_s,
        0.0,
        f"no change for {length_s:.2f} s from {begin_s:.2f} s on; typical change elsewhere {np.median(change):.2f} "
        "levels. A stalled line does this too: it proves nothing, and nothing is concluded from such a stretch",
        reason=Reason.RECORDING_STALLED if length_s >= _STALL_S else None,
    )


def _cuts(times: F64, thumbnails: NDArray[np.uint8], distance: NDArray[np.float32], change: F64) -> PADEvidence:
    found = times[scene_jumps(times, thumbnails, distance)]
    when = ", ".join(f"{t:.2f} s" for t in found[:5])
    return _evidence(
        "cuts",
        "jumps to another scene",
        float(len(found)),
        load_scale("cuts")(float(len(found))),
        f"{len(found)} jumps to another scene" + (f": {when}" if when else ""),
        reason=Reason.RECORDING_CUT if len(found) else None,
        times_s=times[1:],
        values=change,
    )


def _noise(thumbnails: NDArray[np.uint8]) -> PADEvidence:
    # Second differences cancel steady motion; the quietest quarter of the picture shows the sensor, if anything
    # does.
    some = thumbnails[:: max(1, len(thumbnails) // 200)] if len(thumbnails) > 400 else thumbnails
    wave = np.abs(np.diff(some.astype(np.float32), n=2, axis=0)).mean(axis=0) / np.sqrt(6)
    level = float(np.quantile(wave, 0.25))
    verdict = "no sensor noise is left" if level < _NO_NOISE_LEVELS else "noise is there"
    return _evidence(
        "sensor_noise",
        "luma levels per strip mean (lower: smoother than a sensor)",
        level,
        0.0,
        f"{verdict}: {level:.3f} levels; strong compression removes it too",
    )


def _quality(times: F64, compression: F64, change: F64, contrast: F64) -> PADEvidence:
    name, unit = "quality_fall", "fall of detail and rise of repetition at one moment, for good (higher: deeper)"
    found = lasting_fall(times, compression, change, contrast)
    if found is None:
        why = NotAssessed(reason=Reason.VIDEO_TOO_SHORT, detail="too short to have two parts")
        return PADEvidence.not_assessed(name, unit, why)
    (native, time_s), scale = found, load_scale(name)
    fell = native >= scale.marks["fell_from"][0]
    where = f"from {time_s:.1f} s on" if fell else "no lasting change of compression"
    return _evidence(
        name,
        unit,
        native,
        scale(native),
        f"{where}: depth {native:.3f}" + (" (less detail, more of it copied from picture to picture)" if fell else ""),
        reason=Reason.QUALITY_FELL if fell else None,
    )


def _timestamps(problems: TimeProblems) -> PADEvidence:
    wrong = problems.repeated + problems.backwards
    return _evidence(
        "timestamps",
        "pictures with a time that cannot be right",
        float(wrong),
        load_scale("timestamps")(float(wrong)),
        f"{problems.backwards} run backwards, {problems.repeated} repeat, {problems.missing} have none",
        reason=Reason.TIME_BASE_INVALID if problems.backwards else None,
    )


def names_no_camera(text: str) -> bool:
    """Whether a name is that of a virtual camera, a screen recorder or a program that changes faces.

    Examples
    --------
    >>> names_no_camera("OBS Virtual Camera"), names_no_camera("FaceTime HD Camera")
    (True, False)
    """
    lowered = text.lower()
    return any(_names(lowered, name) for name in _NO_CAMERAS)


def _origin(metadata: Mapping[str, str]) -> PADEvidence:
    text = " ".join(metadata.values()).lower()
    feeds, editors, encoders = (
        [name for name in names if _names(text, name)] for names in (_NO_CAMERAS, _EDITORS, _REENCODERS)
    )
    rank = 2.0 if feeds else 1.0 if editors else 0.0
    named = ", ".join(feeds + editors + encoders) or "no program that is known here"
    return _evidence(
        "software",
        "0 camera or re-encoder, 1 editor, 2 screen recorder or virtual camera",
        rank,
        load_scale("software")(rank),
        f"the container names {named}; absence proves nothing",
        reason=Reason.NOT_FROM_A_CAMERA if feeds else None,
    )


def _names(text: str, program: str) -> bool:
    """Whether a text names a program, not as a part of another word ("vcam" in "avcamera")."""
    if not program.isascii():
        return program in text
    return re.search(rf"(?<![a-z]){re.escape(program)}(?![a-z])", text) is not None


def _sizes(sizes_wh: list[tuple[int, int]]) -> PADEvidence:
    changes = float(max(len(sizes_wh) - 1, 0))
    sizes = ", ".join(f"{w}x{h}" for w, h in sizes_wh)
    return _evidence(
        "picture_size", "changes of size", changes, load_scale("picture_size")(changes), f"sizes met: {sizes}"
    )

"""Traces of a display before the camera: the grid of its pixels and the beat of its refresh.

Two lattices of pixels, the display's and the sensor's, make moiré: a few isolated peaks in the spectrum of the
native picture, where skin has a smooth one. They are looked for in native-resolution crops of the face (any
scaling would remove or invent them), at a few frames. The refresh beats with the exposure: bands of rows that
drift, and a brightness that swings at one rate. Lamps on mains power beat too and codecs have a lattice of
their own, so this mechanism never decides alone.

Conventions: spatial frequency in cycles per native pixel; the peak in decibel over the median of its ring; rows
run down the upright picture.

Sources: moiré peaks: Garcia & de Queiroz 2015, doi:10.1109/TIFS.2015.2411394; rolling bands of displays: Patel
et al. 2015, doi:10.1109/ICB.2015.7139082.

Public items: :class:`ScreenRhythm`, :func:`moire_peak_db`, :func:`beat`, :func:`assess`.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.faces.tracking import FaceObservation
from idverify.pad._llr import load_scale
from idverify.pad.evidence import AnalysedFrame, PADEvidence, Status
from idverify.pad.pulse import line_spectrum
from idverify.reasons import NotAssessed, Reason

__all__ = ["ScreenRhythm", "assess", "beat", "moire_peak_db", "row_profile"]

NAME = "screen_rhythm"
UNIT = "dB of the strongest moiré peak over its ring (higher: more like a display)"

F64 = NDArray[np.float64]

# Native pixels of the crop: cheek to cheek in a typical selfie, and a power of two.
_CROP_PX = 128
# Seconds between crops, and how many are kept at most.
_CROP_EVERY_S, _MAX_CROPS = 0.7, 8
# Cycles per pixel: below lies the face itself, above the camera's own aliasing.
_RINGS = (0.12, 0.48)
# Block codecs (8 x 8) put lines on the axes of the spectrum; this many bins about each axis are left out.
_AXIS_BINS = 2
# Rows of the profile whose beat is looked at.
_ROWS = 24
# Analysed frames come at about 15 per second: slower swings are people and light, faster ones fold back into
# the band.
_BEAT_HZ = (2.5, 7.0)
_MIN_BEAT_FRAMES = 24


class ScreenRhythm:
    """Keeps a few native spectra and row profiles (a :class:`TrackObserver`)."""

    def __init__(self) -> None:
        self._peaks: list[tuple[float, float]] = []
        self._times: list[float] = []
        self._rows: list[F64] = []
        self._next_s = -np.inf

    def observe(self, view: AnalysedFrame, face: FaceObservation) -> None:
        """See one analysed frame in which the face was followed."""
        self._times.append(face.time_s)
        self._rows.append(row_profile(view.luma))
        if face.time_s >= self._next_s and len(self._peaks) < _MAX_CROPS:
            self._next_s = face.time_s + _CROP_EVERY_S
            box = _native_box(face, view.frame.size_wh)
            if box is not None:
                luma = cv2.cvtColor(view.frame.crop_rgb(box), cv2.COLOR_RGB2GRAY)
                self._peaks.append((face.time_s, moire_peak_db(np.asarray(luma, np.uint8))))

    def signals(self) -> tuple[F64, F64, F64]:
        """Times and heights of moiré peaks [shape=(k, 2)]; times [shape=(n,)] and row profiles [shape=(n, 24)]."""
        peaks = np.array(self._peaks).reshape(-1, 2)
        return peaks, np.array(self._times), np.array(self._rows).reshape(-1, _ROWS)


def row_profile(luma: NDArray[np.uint8]) -> F64:
    """Mean luma of 24 strips of the picture from top to bottom, in whole levels [shape=(24,)].

    Row by row first: one area average over both directions takes forty times as long.
    """
    rows = cv2.reduce(luma, 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F)
    return np.asarray(np.rint(cv2.resize(rows, (1, _ROWS), interpolation=cv2.INTER_AREA)[:, 0]), np.float64)


def _native_box(face: FaceObservation, size_wh: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """A native square in the middle of the face; ``None`` where the face is smaller."""
    low, high = face.bbox_xyxy_px[:2], face.bbox_xyxy_px[2:]
    if (high - low).min() < _CROP_PX * 0.75 or min(size_wh) < _CROP_PX:
        return None
    left, top = np.clip((low + high - _CROP_PX) / 2, 0, np.array(size_wh) - _CROP_PX).round()
    return float(left), float(top), float(left + _CROP_PX), float(top + _CROP_PX)


@lru_cache(maxsize=1)
def _polar() -> tuple[tuple[NDArray[np.intp], ...], F64]:
    """Bins of the half spectrum that are looked at, ring by ring, as flat indices, and the taper of the crop."""
    fy, fx = np.fft.fftfreq(_CROP_PX)[:, None], np.fft.rfftfreq(_CROP_PX)[None]
    radius = np.hypot(fy, fx)
    edge = _AXIS_BINS / _CROP_PX
    looked_at = (radius >= _RINGS[0]) & (radius <= _RINGS[1]) & (np.abs(fy) > edge) & (fx > edge)
    taper = np.hanning(_CROP_PX)
    ring = np.where(looked_at, (radius * 64).astype(int), -1)
    rings = tuple(np.flatnonzero(ring == k) for k in range(ring.max() + 1) if (ring == k).any())
    return rings, np.outer(taper, taper)


def moire_peak_db(luma: NDArray[np.uint8]) -> float:
    """Height of the strongest isolated peak of the spectrum, in dB over the median of its ring.

    Parameters
    ----------
    luma : uint8 [shape=(128, 128)]
        Native pixels.
    """
    rings, taper = _polar()
    values = luma.astype(np.float64)
    power = np.abs(np.fft.rfft2((values - values.mean()) * taper)) ** 2
    # A face's edges raise whole sectors; a peak also stands out of its own neighbourhood.
    around = (81 * cv2.blur(power, (9, 9)) - 9 * cv2.blur(power, (3, 3))) / 72
    flat, floor = power.ravel(), np.maximum(around.ravel(), 1.0)
    ratio = max(float((flat[ring] / np.maximum(floor[ring], np.median(flat[ring]))).max()) for ring in rings)
    return float(10 * np.log10(max(ratio, 1e-12)))


def beat(times_s: F64, rows: F64) -> tuple[float, float]:
    """Rate in Hz and share of variance of the strongest swing that many rows of the picture share.

    Parameters
    ----------
    times_s : float64 [shape=(n,)]
    rows : float64 [shape=(n, r)]
        Mean luma per strip of the picture; a drifting band gives each strip its own phase, so powers are averaged.
    """
    if len(times_s) < _MIN_BEAT_FRAMES:
        return 0.0, 0.0
    frequencies = np.arange(*_BEAT_HZ, 0.05)
    change = np.diff(np.log(rows + 8.0), axis=0)
    spectrum = line_spectrum(times_s[1:], change.T, frequencies).mean(axis=0)
    best = int(np.argmax(spectrum))
    return float(frequencies[best]), float(spectrum[best])


def assess(peaks: F64, times_s: F64, rows: F64) -> PADEvidence:
    """Whether the face was filmed from a display.

    Parameters
    ----------
    peaks : float64 [shape=(k, 2)]
    times_s : float64 [shape=(n,)]
    rows : float64 [shape=(n, 24)]
        As :meth:`ScreenRhythm.signals` gives them.
    """
    if not len(peaks):
        why = NotAssessed(reason=Reason.LOW_RESOLUTION, detail=f"the face has fewer than {_CROP_PX} native pixels")
        return PADEvidence.not_assessed(NAME, UNIT, why)
    native = float(np.median(peaks[:, 1]))
    rate_hz, share = beat(times_s, rows)
    return PADEvidence(
        name=NAME,
        status=Status.ASSESSED,
        unit=UNIT,
        native=native,
        # A display shows either trace or both; they come from different parts of its making.
        bona_fide_llr=load_scale(NAME)(native) + load_scale("screen_beat")(share),
        detail=f"moiré peak {native:.1f} dB in {len(peaks)} native crops; "
        f"strongest beat of brightness {rate_hz:.1f} Hz with {100 * share:.0f} % of its variance",
        times_s=peaks[:, 0],
        values=peaks[:, 1],
    )

"""Remote pulse: the faint colour change of skin with each heart beat.

Mean colours of forehead and cheeks, and of the background as a negative control, are kept per analysed frame.
Three projections that cancel changes of light (POS, CHROM, OMIT) turn them into pulse signals in short
overlapping windows that cover the whole length; their spectra are weighted least-squares fits of sines *at the
true frame times*, so uneven frames need no resampling. A strong, common line in the band of heart rates
supports a bona fide presentation; its absence says nothing (codecs remove it), and a filmed live person carries
it too, so the support is small.

Conventions: times in seconds, colours in 0..255 RGB, rates in beats per minute, ratios in decibel.

Sources: POS: Wang et al. 2017, doi:10.1109/TBME.2016.2609282; CHROM and the SNR: de Haan & Jeanne 2013,
doi:10.1109/TBME.2013.2266196; OMIT: Álvarez Casado & Bordallo López 2023, doi:10.1109/JBHI.2023.3307942;
least-squares spectra: Lomb 1976, doi:10.1007/BF00648343, and Zechmeister & Kürster 2009,
doi:10.1051/0004-6361:200811296.

Public items: :class:`SkinColour`, :class:`PulseEstimate`, :func:`pulse_signals`, :func:`line_spectrum`,
:func:`estimate_pulse`, :func:`strength_db`, :func:`assess`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from idverify.faces.tracking import FaceObservation
from idverify.pad._llr import load_scale
from idverify.pad.evidence import LONG_ENOUGH_S, AnalysedFrame, PADEvidence, Status, rate_hz
from idverify.reasons import NotAssessed, Reason

__all__ = ["PulseEstimate", "SkinColour", "assess", "estimate_pulse", "line_spectrum", "pulse_signals", "strength_db"]

NAME = "pulse"
UNIT = "bpm (the LLR follows the signal-to-noise ratio of the pulse line)"

F64 = NDArray[np.float64]

# Mesh indices of convex patches of bare skin: forehead between brows and hairline, the person's right and left
# cheek.
_SKIN = (
    (67, 109, 10, 338, 297, 333, 299, 9, 69, 104),
    (117, 118, 101, 36, 205, 187, 123),
    (346, 347, 330, 266, 425, 411, 352),
)
# Heart rates looked for, 45 to 180 per minute, and the band that holds their first harmonic (de Haan & Jeanne
# 2013).
_RATE_HZ, _BAND_HZ = (0.75, 3.0), (0.75, 4.0)
_STEP_HZ = 1 / 120
# Slower pictures show faster changes as slow ones (sampling theorem).
_NYQUIST_HZ = 2 * _BAND_HZ[1]
# Half width of a line: the pulse itself varies by a few beats per minute within seconds.
_LINE_HZ = 0.1
# What the line and its harmonic hold of a flat spectrum.
_CHANCE_DB = float(10 * np.log10(4 * _LINE_HZ / (_BAND_HZ[1] - _BAND_HZ[0] - 4 * _LINE_HZ)))
# Window in which light and skin tone count as constant (Wang et al. 2017, section V).
_WINDOW_S = 1.6
# Fewer beats than this do not make a line.
_MIN_DURATION_S, _MIN_FRAMES = 5.0, 40
# Slower changes than this are light, motion and white balance.
_TREND_HZ = 0.6


class SkinColour:
    """Keeps the mean colour of skin and background per analysed frame (a :class:`TrackObserver`)."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._colours: list[F64] = []

    def observe(self, view: AnalysedFrame, face: FaceObservation) -> None:
        """See one analysed frame in which the face was followed."""
        points = face.points_px[:, :2] / np.float32(view.scale)
        patches = [_patch_mean(view.image_rgb, points[list(patch)]) for patch in _SKIN]
        self._times.append(face.time_s)
        self._colours.append(np.stack([*patches, _background_mean(view.image_rgb, points)]))

    def signals(self) -> tuple[F64, F64]:
        """Times [shape=(n,)] and colours [shape=(n, 4, 3)].

        Forehead, right cheek, left cheek, background; NaN where unseen.
        """
        return np.array(self._times), np.array(self._colours).reshape(-1, len(_SKIN) + 1, 3)


def _patch_mean(image: NDArray[np.uint8], corners: NDArray[np.float32]) -> F64:
    """Mean colour inside a convex polygon [shape=(3,)]; NaN where it leaves the picture or is tiny."""
    x, y, width, height = cv2.boundingRect(corners)
    if x < 0 or y < 0 or width < 3 or height < 3 or x + width > image.shape[1] or y + height > image.shape[0]:
        return np.full(3, np.nan)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, np.round(corners - (x, y)).astype(np.int32), 255)
    return np.array(cv2.mean(image[y : y + height, x : x + width], mask)[:3])


def _background_mean(image: NDArray[np.uint8], points: NDArray[np.float32]) -> F64:
    """Mean colour beside the head, above the shoulders [shape=(3,)]; NaN where the face fills the picture."""
    left, top = points.min(axis=0).astype(int)
    right, bottom = points.max(axis=0).astype(int)
    gap, rows = (right - left) // 3, slice(max(top, 0), max((top + bottom) // 2, 0))
    # Every other pixel each way: the wall is large.
    sides = [image[rows, : max(left - gap, 0)][::2, ::2], image[rows, right + gap :][::2, ::2]]
    sums = [(np.array(cv2.mean(side)[:3]) * side.shape[1], side.shape[1]) for side in sides if side.size >= 3 * 32]
    width = sum(w for _, w in sums)
    return sum((total for total, _ in sums), np.zeros(3)) / width if width else np.full(3, np.nan)


def _projections(windows: F64) -> F64:
    """POS, CHROM and OMIT of colour windows [shape=(m, w, 3)] -> [shape=(3, m, w)]."""
    mean = windows.mean(axis=1, keepdims=True)
    red, green, blue = np.moveaxis(windows / np.maximum(mean, 1e-6) - 1, -1, 0)

    def alpha(a: F64, b: F64) -> F64:
        return np.asarray(a.std(axis=1, keepdims=True) / np.maximum(b.std(axis=1, keepdims=True), 1e-12))

    across, along = green - blue, green + blue - 2 * red
    pos = across + alpha(across, along) * along
    x, y = 3 * red - 2 * green, 1.5 * red + green - 1.5 * blue
    # The sign makes the pulse point the same way in all three.
    chrom = alpha(x, y) * y - x
    tone = mean / np.maximum(np.linalg.norm(mean, axis=-1, keepdims=True), 1e-6)
    along_tone = (windows * tone).sum(axis=-1)
    omit = (windows[..., 1] - along_tone * tone[..., 1]) / np.maximum(mean[..., 1], 1e-6)
    return np.stack([pos, chrom, omit])


def pulse_signals(times_s: F64, colours: F64) -> F64:
    """Pulse signals of one region by each projection, overlap-added over windows that cover the whole length.

    Parameters
    ----------
    times_s : float64 [shape=(n,)]
        Rising; need not be even.
    colours : float64 [shape=(n, 3)]

    Returns
    -------
    float64 [shape=(3, n)]
        POS, CHROM, OMIT: trend removed, unit variance.
    """
    n = len(times_s)
    width = int(np.clip(round(_WINDOW_S / max(float(np.median(np.diff(times_s))), 1e-3)), 4, n))
    windows = sliding_window_view(colours, width, axis=0).transpose(0, 2, 1)
    parts = _projections(windows)
    parts = (parts - parts.mean(axis=-1, keepdims=True)) * np.hanning(width + 2)[1:-1]
    signal = np.zeros((len(parts), n))
    for offset in range(width):
        signal[:, offset : offset + n - width + 1] += parts[:, :, offset]
    signal = _without_trend(times_s, signal)
    return np.asarray(signal / np.maximum(signal.std(axis=-1, keepdims=True), 1e-12))


def _without_trend(times_s: F64, signals: F64) -> F64:
    """Signals less their least-squares fit by cosines slower than the trend limit."""
    span = max(times_s[-1] - times_s[0], 1e-6)
    phase = np.pi * (times_s - times_s[0]) / span
    slow = np.cos(phase[:, None] * np.arange(int(2 * span * _TREND_HZ) + 1))
    fit, *_ = np.linalg.lstsq(slow, signals.T, rcond=None)
    return np.asarray(signals - (slow @ fit).T)


def line_spectrum(times_s: F64, signals: F64, frequencies_hz: F64) -> F64:
    """Share of variance that a sine of each frequency explains, by weighted least squares at the true times.

    Parameters
    ----------
    times_s : float64 [shape=(n,)]
    signals : float64 [shape=(k, n)]
    frequencies_hz : float64 [shape=(f,)]

    Returns
    -------
    float64 in [0, 1] [shape=(k, f)]
        The ends are tapered (Hann), which keeps a strong line from leaking into its surroundings.
    """
    place = (times_s - times_s[0]) / max(times_s[-1] - times_s[0], 1e-9)
    weight = 0.05 + np.sin(np.pi * place) ** 2
    weight /= weight.sum()
    centred = signals - (signals @ weight)[:, None]
    wave = np.exp(2j * np.pi * times_s[:, None] * frequencies_hz)
    wave -= weight @ wave
    cos, sin = wave.real, wave.imag
    yc, ys = (centred * weight) @ cos, (centred * weight) @ sin
    cc, ss, cs = (weight @ (a * b) for a, b in ((cos, cos), (sin, sin), (cos, sin)))
    explained = (ss * yc**2 + cc * ys**2 - 2 * cs * yc * ys) / np.maximum(cc * ss - cs**2, 1e-12)
    return np.asarray(explained / np.maximum((centred**2) @ weight, 1e-24)[:, None])


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseEstimate:
    """A pulse line, if there is one.

    Parameters
    ----------
    rate_bpm
        Of the strongest line.
    snr_db
        Power within the line and its first harmonic over the rest of the band, in the face.
    control_db
        The same at the same rate in the background; ``None`` where no background was seen.
    agreement
        Share of region and method pairs whose own strongest line is the same, 0..1.
    spectrum_hz, spectrum : float64 [shape=(f,)]
        Mean spectrum of the methods.
    """

    rate_bpm: float
    snr_db: float
    control_db: float | None
    agreement: float
    spectrum_hz: F64 = field(repr=False)
    spectrum: F64 = field(repr=False)


def _line_hz(spectra: F64, frequencies: F64) -> F64:
    """Frequency of the highest local maximum of each spectrum [shape=(k, f)] -> [shape=(k,)].

    What only rises towards an end of the band belongs to motion beside it.
    """
    inner = spectra[:, 1:-1]
    peaks = np.where((inner >= spectra[:, :-2]) & (inner >= spectra[:, 2:]), inner, -1.0)
    return np.asarray(frequencies[1:-1][np.argmax(peaks, axis=1)])


def _snr_db(spectrum: F64, frequencies: F64, rate_hz: float) -> float:
    line = (np.abs(frequencies - rate_hz) <= _LINE_HZ) | (np.abs(frequencies - 2 * rate_hz) <= _LINE_HZ)
    inside, outside = float(spectrum[line].sum()), float(spectrum[~line].sum())
    return float(10 * np.log10(max(inside, 1e-12) / max(outside, 1e-12)))


def estimate_pulse(times_s: F64, colours: F64) -> PulseEstimate | None:
    """The pulse of a face.

    Parameters
    ----------
    times_s : float64 [shape=(n,)]
    colours : float64 [shape=(n, 4, 3)]
        As :meth:`SkinColour.signals` gives them.

    Returns
    -------
    PulseEstimate or None
        ``None`` where too little skin was seen for too short a time.
    """
    frequencies = np.arange(_BAND_HZ[0], _BAND_HZ[1], _STEP_HZ)
    seen = np.isfinite(colours).all(axis=2) & np.r_[True, np.diff(times_s) > 0][:, None]
    whole = seen[:, :-1].all(axis=1)
    if whole.sum() < _MIN_FRAMES or np.ptp(times_s[whole]) < _MIN_DURATION_S:
        return None
    times = times_s[whole]
    signals = np.stack([pulse_signals(times, colours[whole, region]) for region in range(colours.shape[1] - 1)])
    spectrum = line_spectrum(times, signals.mean(axis=0), frequencies).mean(axis=0)
    heart = frequencies <= _RATE_HZ[1]
    rate_hz = float(_line_hz(spectrum[None, heart], frequencies[heart])[0])
    single = line_spectrum(times, signals.reshape(-1, len(times)), frequencies[heart])
    own = _line_hz(single, frequencies[heart])
    control = None
    behind = seen[:, -1] & whole
    if behind.sum() >= _MIN_FRAMES and np.ptp(times_s[behind]) >= _MIN_DURATION_S:
        back = pulse_signals(times_s[behind], colours[behind, -1])
        control = _snr_db(line_spectrum(times_s[behind], back, frequencies).mean(axis=0), frequencies, rate_hz)
    return PulseEstimate(
        rate_bpm=60 * rate_hz,
        snr_db=_snr_db(spectrum, frequencies, rate_hz),
        control_db=control,
        agreement=float((np.abs(own - rate_hz) <= _LINE_HZ).mean()),
        spectrum_hz=frequencies,
        spectrum=spectrum,
    )


def strength_db(pulse: PulseEstimate) -> float:
    """Decibel by which the face's line stands out: less what the background shows, lower where regions disagree."""
    control = 0.0 if pulse.control_db is None else max(pulse.control_db - _CHANCE_DB, 0.0)
    return pulse.snr_db - control + 10 * float(np.log10(max(pulse.agreement, 0.05)))


def assess(times_s: F64, colours: F64) -> PADEvidence:
    """What the pulse says; never against the person.

    Parameters
    ----------
    times_s : float64 [shape=(n,)]
    colours : float64 [shape=(n, 4, 3)]
    """
    if rate_hz(times_s) < _NYQUIST_HZ and len(times_s) > 1:
        detail = f"{rate_hz(times_s):.1f} pictures a second, {_NYQUIST_HZ:g} are needed"
        return PADEvidence.not_assessed(NAME, UNIT, NotAssessed(reason=Reason.LOW_FRAME_RATE, detail=detail))
    pulse = estimate_pulse(times_s, colours) if len(times_s) > 1 else None
    if pulse is None:
        detail = f"needs {_MIN_DURATION_S:.0f} s of {_MIN_FRAMES} frames or more with bare skin in view"
        short = not len(times_s) or np.ptp(times_s) < LONG_ENOUGH_S
        reason = Reason.VIDEO_TOO_SHORT if short else Reason.LIVENESS_UNCERTAIN
        return PADEvidence.not_assessed(NAME, UNIT, NotAssessed(reason=reason, detail=detail))
    behind = "no background seen" if pulse.control_db is None else f"background {pulse.control_db:.1f} dB"
    return PADEvidence(
        name=NAME,
        status=Status.ASSESSED,
        unit=UNIT,
        native=pulse.rate_bpm,
        bona_fide_llr=max(0.0, load_scale(NAME)(strength_db(pulse))),
        detail=f"strongest line at {pulse.rate_bpm:.0f} bpm, {pulse.snr_db:.1f} dB ({behind}), "
        f"shared by {100 * pulse.agreement:.0f} % of regions and methods",
        times_s=pulse.spectrum_hz,
        values=pulse.spectrum,
    )

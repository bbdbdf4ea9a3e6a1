"""Small plots as inline SVG: a line over time, a bar, a score on its scale.

Conventions: every function returns one ``<svg>`` element as text; colours come from CSS classes of the page, so that
dark and light both work; every plot has a title that a screen reader reads out. No scripts, no external resources.

Public items: :func:`line`, :func:`bar`, :func:`scale`, :func:`picture`, :func:`thin`.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from idverify.text import markup

__all__ = ["bar", "line", "picture", "scale", "thin"]

F64 = NDArray[np.float64]

_WIDTH, _HEIGHT = 480.0, 110.0
# Room for the numbers on both axes, at the page's 11 px.
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 10.0, 8.0, 20.0
# One point per 1.2 px of plot: more cannot be seen.
_MAX_POINTS = 350
# Sharp on a dense display at the gallery's width of 220 px.
_PICTURE_SIDE_PX = 440


def line(times_s: ArrayLike, values: ArrayLike, title: str) -> str:
    """Draw a signal over time.

    Parameters
    ----------
    times_s, values : array_like [shape=(n,)]
        Seconds, and the signal in its own unit; NaN leaves a gap.
    title : str
        What is drawn, for readers who cannot see it.

    Returns
    -------
    str
        An ``<svg>`` element; empty where no value is finite.
    """
    times, series = thin(times_s, values)
    known = np.isfinite(times) & np.isfinite(series)
    if not known.any():
        return ""
    low, high = _limits(series[known])
    start, end = times[known].min(), max(times[known].max(), times[known].min() + 1e-3)
    x = _LEFT + (times - start) / (end - start) * (_WIDTH - _LEFT - _RIGHT)
    y = _HEIGHT - _BOTTOM - (series - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
    marks = "".join(
        f'<path class="grid" d="M{_LEFT:g} {at:.1f}H{_WIDTH - _RIGHT:g}"/>'
        f'<text x="{_LEFT - 6:g}" y="{at + 3.5:.1f}" text-anchor="end">{value:.3g}</text>'
        for at, value in ((_HEIGHT - _BOTTOM, low), (_TOP + 3, high))
    )
    ends = (
        f'<text x="{_LEFT:g}" y="{_HEIGHT - 5:g}">{start:.1f} s</text>'
        f'<text x="{_WIDTH - _RIGHT:g}" y="{_HEIGHT - 5:g}" text-anchor="end">{end:.1f} s</text>'
    )
    body = f'{marks}{ends}<path class="line" d="{_path(x, y, known)}"/>'
    return _svg(_WIDTH, _HEIGHT, title, body)


def bar(value: float, title: str) -> str:
    """Draw a quality component, 0..100, as a bar; NaN as an empty one."""
    width = float(np.clip(value, 0, 100)) if np.isfinite(value) else 0.0
    body = (
        f'<rect class="track" width="100" height="8" rx="4"/><rect class="fill" width="{width:.1f}" height="8" rx="4"/>'
    )
    return _svg(100, 8, title, body, css="bar")


def scale(value: float, threshold: float, title: str) -> str:
    """Draw a score and the threshold it must reach on one scale."""
    low, high = _limits(np.array([value, threshold, 0.0, 1.0]))
    x_value, x_threshold = ((v - low) / (high - low) * (_WIDTH - 40) + 20 for v in (value, threshold))
    inner = "end" if x_threshold > _WIDTH / 2 else "start"
    outer = "end" if x_value > _WIDTH / 2 else "start"
    body = (
        f'<rect class="track" x="20" y="26" width="{_WIDTH - 40:g}" height="8" rx="4"/>'
        f'<rect class="pass" x="{x_threshold:.1f}" y="26" width="{_WIDTH - 20 - x_threshold:.1f}" height="8" rx="4"/>'
        f'<path class="mark" d="M{x_threshold:.1f} 20V40"/>'
        f'<text x="{x_threshold:.1f}" y="54" text-anchor="{inner}">needed {threshold:.3f}</text>'
        f'<circle class="dot" cx="{x_value:.1f}" cy="30" r="7"/>'
        f'<text x="{x_value:.1f}" y="14" text-anchor="{outer}">this video {value:.3f}</text>'
    )
    return _svg(_WIDTH, 60, title, body)


def picture(image_rgb: NDArray[np.uint8], points_px: NDArray[np.float32], title: str) -> str:
    """Show a picture with its landmarks drawn over it.

    Parameters
    ----------
    image_rgb : uint8 [shape=(h, w, 3)]
    points_px : float32 [shape=(n, 2)]
        In pixels of `image_rgb`.
    title : str

    Returns
    -------
    str
        An ``<svg>`` element that carries the picture as JPEG in a ``data:`` address.
    """
    height, width = image_rgb.shape[:2]
    image = Image.fromarray(image_rgb)
    image.thumbnail((_PICTURE_SIDE_PX, _PICTURE_SIDE_PX))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    # A dot is a line of no length with round ends: 468 of them are one short path.
    dots = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in np.asarray(points_px, dtype=np.float64)[:, :2])
    body = (
        f'<image href="data:image/jpeg;base64,{data}" width="{width}" height="{height}" preserveAspectRatio="none"/>'
        f'<path class="points" stroke-width="{max(height, width) / 130:.2f}" d="{dots}"/>'
    )
    return _svg(width, height, title, body, css="picture")


def thin(times_s: ArrayLike, values: ArrayLike) -> tuple[F64, F64]:
    """Keep of a signal what a plot can show: the lowest and highest value of every stretch, so that no spike is lost.

    Parameters
    ----------
    times_s, values : array_like [shape=(n,)]
        As for :func:`line`; where one is longer, its end is left out.

    Returns
    -------
    tuple of float64 [shape=(m,)]
        Times and values; m is at most 350.
    """
    times, series = np.asarray(times_s, dtype=np.float64), np.asarray(values, dtype=np.float64)
    count = min(times.size, series.size)
    times, series = times[:count], series[:count]
    if count <= _MAX_POINTS:
        return times, series
    stretches = np.array_split(np.arange(count), _MAX_POINTS // 2)
    filled = np.where(np.isfinite(series), series, np.nan)
    picks = sorted({int(i) for part in stretches for i in _extremes(part, filled)})
    return times[picks], series[picks]


def _svg(width: float, height: float, title: str, body: str, css: str = "plot") -> str:
    text = markup(title)
    return (
        f'<svg class="{css}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{text}">'
        f"<title>{text}</title>{body}</svg>"
    )


def _limits(values: F64) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.5 * max(abs(low), 1e-6) if high - low < 1e-9 else 0.0
    return low - margin, high + margin


def _extremes(part: NDArray[np.intp], values: F64) -> tuple[int, int]:
    inside = values[part]
    if np.isnan(inside).all():
        return int(part[0]), int(part[0])
    return int(part[np.nanargmin(inside)]), int(part[np.nanargmax(inside)])


def _path(x: F64, y: F64, known: NDArray[np.bool_]) -> str:
    """Join neighbours; a missing value lifts the pen, and a lone point still shows as a dot."""
    steps = []
    for i in np.flatnonzero(known):
        joined = i > 0 and known[i - 1]
        steps.append(f"{'L' if joined else 'M'}{x[i]:.1f} {y[i]:.1f}{'' if joined else 'h0'}")
    return "".join(steps)

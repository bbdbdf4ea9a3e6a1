"""Motion mechanisms: cost per analysed frame, and their kernels beside plain loops with equal results.

Run: ``pytest benchmarks/speed/test_pad_motion_speed.py --benchmark-only --benchmark-group-by=group``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from motion_scenes import blinking, face, head, look, photograph

from idverify.pad import context_motion, depth, liveliness, mouth_stillness, stillness
from idverify.pad._registration import CELL, N_CELLS, PIXELS, WINDOW, _energy, _off_ramps, _tiles
from idverify.pad.motion import MotionObserver


@pytest.mark.benchmark(group="observer, 75 analysed frames")
def test_observer(benchmark):
    film = head(5.0)
    seen = [(look(p), face(a, i / 15, i)) for i, (p, a) in enumerate(zip(film.pictures, film.anchors, strict=True))]

    def run():
        observer = MotionObserver()
        for view, observation in seen:
            observer.observe(view, observation)
        return observer

    assert len(benchmark(run).signals()) == 75


@pytest.mark.benchmark(group="five mechanisms on 30 s of signals")
def test_assess(benchmark):
    signals = blinking(photograph(30.0, noise=2)).signals()
    mechanisms = (stillness, depth, liveliness, mouth_stillness, context_motion)
    assert len(benchmark(lambda: [m.assess(signals) for m in mechanisms])) == 5


# -- contrast of the cells ---------------------------------------------------------------------------------------------


def contrast_by_loop(change: np.ndarray) -> np.ndarray:
    out = np.full(len(change), np.nan)
    for t in range(len(change)):
        cells = []
        for c in range(change.shape[1]):
            near = [v for v in change[max(t - 1, 0) : t + 2, c] if not np.isnan(v)]
            if near:
                cells.append(float(np.median(near)))
        if len(cells) >= stillness.MIN_CELLS:
            top = sorted(cells)[-stillness.TOP_CELLS :]
            out[t] = np.mean(top) / (np.median(cells) + stillness.ALLOWANCE_PX)
    return out


@pytest.mark.parametrize("way", ["vectorised", "loop"])
@pytest.mark.benchmark(group="contrast of 150 frames")
def test_contrast(benchmark, way):
    change = np.random.default_rng(0).uniform(0.05, 1.0, (150, N_CELLS))
    change[::17] = np.nan
    run = stillness.contrast if way == "vectorised" else contrast_by_loop
    np.testing.assert_allclose(benchmark(run, change), contrast_by_loop(change))


# -- parallax ----------------------------------------------------------------------------------------------------------


def parallax_by_loop(points: np.ndarray, off: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [depth.parallax_rotation_deg(points[t : t + 1], off[t : t + 1], z[t : t + 1]) for t in range(len(points))]
    )


@pytest.mark.parametrize("way", ["vectorised", "loop"])
@pytest.mark.benchmark(group="parallax of 150 frames")
def test_parallax(benchmark, way):
    rng = np.random.default_rng(1)
    points, off = rng.uniform(20, 120, (150, N_CELLS, 2)), rng.normal(0, 1, (150, N_CELLS, 2))
    z = rng.normal(0, 10, (150, N_CELLS))
    run = depth.parallax_rotation_deg if way == "vectorised" else parallax_by_loop
    np.testing.assert_allclose(benchmark(run, points, off, z), parallax_by_loop(points, off, z), atol=1e-6)


# -- shading and energy of the cells -----------------------------------------------------------------------------------


def energy_by_loop(window: np.ndarray) -> np.ndarray:
    flat, out = window.astype(np.float64).ravel(), []
    y, x = np.mgrid[0:CELL, 0:CELL] - (CELL - 1) / 2
    design = np.stack([np.ones(CELL * CELL), x.ravel(), y.ravel()], axis=1)
    for pixels in PIXELS:
        values = np.array([flat[p] for p in pixels])
        left = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
        out.append(sum(v * v for v in left))
    return np.array(out)


def energy(window: np.ndarray) -> np.ndarray:
    tiles = _off_ramps(_tiles(window))
    return _energy(tiles, tiles)


@pytest.mark.parametrize("way", ["vectorised", "loop"])
@pytest.mark.benchmark(group="shading and energy of one patch")
def test_energy(benchmark, way):
    window = np.random.default_rng(2).integers(0, 255, (WINDOW[3], WINDOW[2])).astype(np.uint8)
    run = energy if way == "vectorised" else energy_by_loop
    np.testing.assert_allclose(benchmark(run, window), energy_by_loop(window), rtol=1e-3)


# -- stillness of the mouth --------------------------------------------------------------------------------------------


def mouth_by_loop(signals) -> float:
    found = []
    for t in range(len(signals)):
        cells = [float(v) for v in signals.change_px[t] if not np.isnan(v)]
        turned = np.hypot(*signals.pose_change_deg[t, :2])
        if len(cells) < stillness.MIN_CELLS or turned > liveliness.MAX_TURN_DEG:
            continue
        mouth = sorted(0.0 if np.isnan(v) else float(v) for v in signals.change_px[t][liveliness.MOUTH])
        found.append(np.mean(mouth[-2:]) / (np.median(cells) + stillness.ALLOWANCE_PX))
    return float(np.quantile(found, 1 - liveliness.MOUTH_SHARE))


@pytest.mark.parametrize("way", ["vectorised", "loop"])
@pytest.mark.benchmark(group="mouth of 5 s")
def test_mouth(benchmark, way):
    signals = blinking(photograph(5.0, noise=2)).signals()
    run = mouth_stillness.native_value if way == "vectorised" else mouth_by_loop
    assert benchmark(run, signals) == pytest.approx(mouth_by_loop(signals), rel=1e-5)

"""Texture constancy, eye stillness and identity continuity: cost per frame and per recording, beside plain loops.

Run: ``pytest benchmarks/speed/test_pad_texture_speed.py --benchmark-only --benchmark-group-by=group``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from motion_scenes import face, head, look

from idverify.pad import eye_stillness, identity_continuity, texture_constancy
from idverify.pad.identity_continuity import Likenesses
from idverify.pad.texture_constancy import MIN_FRAMES_IN_SLOT, SKIN, SLOT_S, TREMOR_PX, SkinShade

TIMES_S = np.arange(450) / 15
RNG = np.random.default_rng(0)
SHADE = (4.8 + 0.02 * np.cumsum(RNG.normal(size=(450, len(SKIN))), axis=0) / 20).astype(np.float32)
SLOPE = RNG.uniform(0, 0.05, len(SKIN)).astype(np.float32)


@pytest.mark.benchmark(group="observer, 75 analysed frames")
def test_observer(benchmark):
    film = head(5.0)
    seen = [(look(p), face(a, i / 15, i)) for i, (p, a) in enumerate(zip(film.pictures, film.anchors, strict=True))]

    def run():
        observer = SkinShade()
        for view, observation in seen:
            observer.observe(view, observation)
        return observer

    assert len(benchmark(run).signals()) == 75


def wander_by_loop() -> float:
    own = [[float(v - np.median(row)) for v in row] for row in SHADE]
    excess = []
    for point in range(len(SKIN)):
        slots: dict[int, list[float]] = {}
        for time_s, row in zip(TIMES_S, own, strict=True):
            slots.setdefault(int((time_s - TIMES_S[0]) / SLOT_S), []).append(row[point])
        full = [values for values in slots.values() if len(values) >= MIN_FRAMES_IN_SLOT]
        noise2 = np.mean([np.var(values, ddof=1) / len(values) for values in full])
        excess.append(np.var([np.mean(values) for values in full], ddof=1) - noise2 - (TREMOR_PX * SLOPE[point]) ** 2)
    return 100 * float(np.sqrt(max(np.median(excess), 0)))


@pytest.mark.benchmark(group="wander of 30 s")
def test_wander(benchmark):
    found = benchmark(texture_constancy.wander_percent, TIMES_S, SHADE, SLOPE)
    assert found == pytest.approx(wander_by_loop(), rel=1e-3)


@pytest.mark.benchmark(group="wander of 30 s")
def test_wander_by_loop(benchmark):
    assert benchmark.pedantic(wander_by_loop, rounds=1) > 0


FACES = RNG.normal(size=(7, 128))
FACES /= np.linalg.norm(FACES, axis=1, keepdims=True)
ALIKE = Likenesses(times_s=np.arange(7.0), similarity=FACES @ FACES.T)


def weakest_by_loop() -> float:
    """The least, over all ways to part the faces in two, of the strongest likeness between the parts."""
    strongest = []
    for part in range(1, 2**6):
        ones = [i for i in range(7) if part >> i & 1]
        strongest.append(max(ALIKE.similarity[i, j] for i in ones for j in range(7) if j not in ones))
    return float(min(strongest))


@pytest.mark.benchmark(group="weakest link of 7 faces")
def test_weakest_link(benchmark):
    assert benchmark(identity_continuity.weakest_link, ALIKE)[0] == pytest.approx(weakest_by_loop())


@pytest.mark.benchmark(group="weakest link of 7 faces")
def test_weakest_link_by_loop(benchmark):
    assert benchmark(weakest_by_loop) < 1


# -- stillness of the eyes ---------------------------------------------------------------------------------------------


def eyes_by_loop(pictures: np.ndarray, yaw: np.ndarray, middle: np.ndarray, at_rest: np.ndarray) -> np.ndarray:
    x, y = eye_stillness.SHIFT_XY_PX
    out = np.empty(pictures.shape[:2])
    for eye in range(2):
        for k, picture in enumerate(pictures[:, eye].astype(float)):
            rest = at_rest[np.abs(middle - yaw[k]).argmin(), eye].astype(float)
            best = -1.0
            for down in range(2 * y + 1):
                for across in range(2 * x + 1):
                    window = picture[down : down + rest.shape[0], across : across + rest.shape[1]]
                    best = max(best, float(np.corrcoef(window.ravel(), rest.ravel())[0, 1]))
            out[k, eye] = 1 - best
    return out


@pytest.mark.parametrize("way", ["vectorised", "loop"])
@pytest.mark.benchmark(group="eyes of 5 s")
def test_eyes(benchmark, way):
    pictures = RNG.integers(0, 255, (75, 2, 24, 48)).astype(np.uint8)
    yaw = RNG.uniform(-15, 15, 75)
    seen = (pictures, yaw, *eye_stillness.eyes_at_rest(pictures, yaw))
    run = eye_stillness.eye_change if way == "vectorised" else eyes_by_loop
    np.testing.assert_allclose(benchmark(run, *seen), eyes_by_loop(*seen), atol=1e-4)

"""Kernels of the walk, each beside a plain loop that gives the same numbers.

Run: ``pytest benchmarks/speed/test_kernels_speed.py --benchmark-only --benchmark-group-by=group``. Within a group the
ratio is the figure; absolute times depend on the machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import stage

from idverify.comparison.features import pool
from idverify.comparison.score import similarity_matrix
from idverify.faces import quality
from idverify.faces.alignment import SFACE, align, similarity_matrices
from idverify.faces.detection import overlap_matrix
from idverify.faces.landmarks import eye_opening, head_pose_deg
from idverify.faces.quality import FaceMeasures

F64 = NDArray[np.float64]
WAYS = pytest.mark.parametrize("way", ["vectorised", "loop"])
RNG = np.random.default_rng(0)


def compare(benchmark: Any, way: str, fast: Callable[[], Any], loop: Callable[[], Any], **close: float) -> None:
    """Time one way and hold it to the other."""
    found = benchmark(fast if way == "vectorised" else loop)
    np.testing.assert_allclose(
        found, (loop if way == "vectorised" else fast)(), **({"rtol": 1e-7, "atol": 1e-9} | close)
    )


# -- similarity matrices -----------------------------------------------------------------------------------------------


def umeyama(source: F64, target: F64) -> F64:
    """The textbook way for one face: singular values of the covariance (Umeyama 1991, doi:10.1109/34.88573)."""
    s0, t0 = source - source.mean(axis=0), target - target.mean(axis=0)
    u, d, vt = np.linalg.svd(t0.T @ s0 / len(source))
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    linear = (d * sign).sum() / s0.var(axis=0).sum() * (u * sign) @ vt
    return np.hstack([linear, (target.mean(axis=0) - linear @ source.mean(axis=0))[:, None]])


@WAYS
@pytest.mark.benchmark(group="similarities of 256 faces")
def test_similarity_matrices(benchmark: Any, way: str) -> None:
    source = SFACE.target_px * 3 + 50 + RNG.normal(0, 4, (256, 5, 2))
    compare(
        benchmark,
        way,
        lambda: similarity_matrices(source, SFACE.target_px),
        lambda: np.stack([umeyama(face, SFACE.target_px) for face in source]),
    )


# -- alignment ---------------------------------------------------------------------------------------------------------


def warp_by_loop(image: NDArray[np.uint8], matrix: F64, size: int) -> F64:
    """Bilinear sampling pixel by pixel, edges repeated."""
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    height, width = image.shape[:2]
    out = np.empty((size, size, 3))
    for v in range(size):
        for u in range(size):
            x, y, _ = back @ (u, v, 1.0)
            x0, y0 = int(np.floor(x)), int(np.floor(y))
            total = np.zeros(3)
            for dy in (0, 1):
                for dx in (0, 1):
                    weight = (1 - abs(x - x0 - dx)) * (1 - abs(y - y0 - dy))
                    total += weight * image[min(max(y0 + dy, 0), height - 1), min(max(x0 + dx, 0), width - 1)]
            out[v, u] = total
    return out


@WAYS
@pytest.mark.benchmark(group="alignment of 4 faces")
def test_alignment(benchmark: Any, way: str) -> None:
    smooth = cv2.GaussianBlur(RNG.integers(0, 256, (300, 300, 3), np.uint8), (0, 0), 3)
    smooth = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)
    points = np.stack([stage.head_points((150, 150), 110 + 10 * k, roll_deg=8 * k) for k in range(4)])
    matrices = similarity_matrices(SFACE.source(points), SFACE.target_px)
    # OpenCV rounds positions to 1/32 pixel and colours to whole levels.
    compare(
        benchmark,
        way,
        lambda: align([smooth] * 4, points, SFACE).astype(np.float64),
        lambda: np.stack([warp_by_loop(smooth, matrix, SFACE.size_px) for matrix in matrices]),
        atol=4.0,
        rtol=0,
    )


# -- measures of the mesh ----------------------------------------------------------------------------------------------


@WAYS
@pytest.mark.parametrize("measure", [head_pose_deg, eye_opening], ids=["pose", "eye opening"])
@pytest.mark.benchmark(group="measures of 450 meshes")
def test_mesh_measures(benchmark: Any, way: str, measure: Callable[..., F64]) -> None:
    meshes = np.stack([stage.head_points(yaw_deg=k % 30, eye=0.01 * (k % 40)) for k in range(450)])
    benchmark.group = f"{measure.__name__} of 450 meshes"
    compare(benchmark, way, lambda: measure(meshes), lambda: np.stack([measure(mesh) for mesh in meshes]))


# -- overlaps ----------------------------------------------------------------------------------------------------------


def overlap_by_loop(a: F64, b: F64) -> F64:
    out = np.zeros((len(a), len(b)))
    for i, (ax0, ay0, ax1, ay1) in enumerate(a.tolist()):
        for j, (bx0, by0, bx1, by1) in enumerate(b.tolist()):
            shared = max(0.0, min(ax1, bx1) - max(ax0, bx0)) * max(0.0, min(ay1, by1) - max(ay0, by0))
            union = (ax1 - ax0) * (ay1 - ay0) + (bx1 - bx0) * (by1 - by0) - shared
            out[i, j] = shared / union if union > 0 else 0.0
    return out


@WAYS
@pytest.mark.benchmark(group="overlaps of 100 boxes with 100")
def test_overlaps(benchmark: Any, way: str) -> None:
    low = RNG.uniform(0, 500, (100, 2))
    boxes = np.hstack([low, low + RNG.uniform(10, 200, (100, 2))])
    compare(benchmark, way, lambda: overlap_matrix(boxes, boxes), lambda: overlap_by_loop(boxes, boxes))


# -- quality -----------------------------------------------------------------------------------------------------------


def quality_of(chips: NDArray[np.uint8], meshes: NDArray[np.float32]) -> F64:
    n = len(chips)
    measures = quality.measure(
        chips,
        meshes,
        picture_size_wh=(640, 480),
        inter_eye_px=np.full(n, 60.0),
        pose_deg=head_pose_deg(meshes),
        eyes=eye_opening(meshes),
        surround=np.full(n, 120.0),
    )
    return np.stack(list(quality.components(measures).values()), axis=-1)


@WAYS
@pytest.mark.benchmark(group="quality of 24 faces")
def test_quality(benchmark: Any, way: str) -> None:
    chips = RNG.integers(0, 256, (24, 96, 96, 3), np.uint8)
    meshes = np.stack([stage.head_points((320, 240), 150, yaw_deg=k) for k in range(24)])
    compare(
        benchmark,
        way,
        lambda: quality_of(chips, meshes),
        lambda: np.concatenate([quality_of(chips[k : k + 1], meshes[k : k + 1]) for k in range(24)]),
    )


def exposure_by_loop(chips: NDArray[np.uint8]) -> F64:
    """Shares of dark and bright pixels and the overlap of both halves, pixel by pixel."""
    rows = []
    for chip in chips.tolist():
        dark = bright = 0
        halves = [[0] * 16, [0] * 16]
        for v in range(24, 84):
            for u in range(24, 72):
                red, green, blue = chip[v][u]
                luma = 0.299 * red + 0.587 * green + 0.114 * blue
                dark += luma <= 25
                bright += luma >= 247
                halves[u >= 48][int(luma // 16)] += 1
        overlap = sum(min(a, b) for a, b in zip(*halves, strict=True)) / sum(halves[0])
        rows.append([dark / 2880, bright / 2880, overlap])
    return np.array(rows)


@WAYS
@pytest.mark.benchmark(group="exposure of 24 faces")
def test_exposure(benchmark: Any, way: str) -> None:
    """The vectorised way measures everything else as well."""
    chips = RNG.integers(0, 256, (24, 96, 96, 3), np.uint8) // RNG.integers(1, 4, (24, 1, 1, 1), np.uint8)
    meshes = np.stack([stage.head_points((320, 240), 150)] * 24)

    def fast() -> F64:
        m: FaceMeasures = quality.measure(
            chips,
            meshes,
            picture_size_wh=(640, 480),
            inter_eye_px=np.zeros(24),
            pose_deg=np.zeros((24, 3)),
            eyes=np.zeros((24, 2)),
            surround=np.zeros(24),
        )
        return np.stack([m.dark_share, m.bright_share, m.half_overlap], axis=-1)

    compare(benchmark, way, fast, lambda: exposure_by_loop(chips))


# -- templates ---------------------------------------------------------------------------------------------------------


def pool_by_loop(vectors: F64, weights: F64) -> F64:
    total = [0.0] * vectors.shape[1]
    for row, weight in zip(vectors.tolist(), weights.tolist(), strict=True):
        for k, value in enumerate(row):
            total[k] += weight * value
    return np.array(total) / sum(weights.tolist())


@WAYS
@pytest.mark.benchmark(group="pooling of 24 faces")
def test_pooling(benchmark: Any, way: str) -> None:
    vectors, weights = RNG.normal(0, 0.06, (24, 256)), RNG.uniform(0.1, 1, 24)
    compare(benchmark, way, lambda: pool(vectors, weights).vector, lambda: pool_by_loop(vectors, weights))


def all_pairs_by_loop(probes: F64, references: F64) -> F64:
    return np.array([[float(probe @ reference) for reference in references] for probe in probes])


@WAYS
@pytest.mark.benchmark(group="300 x 300 comparisons")
def test_all_pairs(benchmark: Any, way: str) -> None:
    probes, references = RNG.normal(0, 0.06, (2, 300, 256))
    compare(
        benchmark,
        way,
        lambda: similarity_matrix(probes, references),
        lambda: all_pairs_by_loop(probes, references),
    )

"""Where each pixel of a face strip lies among the points of the mesh: models/calibration/face_layout.npz.

    python models/training/skin_change/layout.py ../shared/data

The mean mesh of many faces seen from the front (one photo a person of the fit half of LFW, laid over each other by
similarity) and two rims around it are triangulated; each node of a grid is a mixture of the corners of its triangle.
Only this mean of many people is kept.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial import Delaunay

from idverify.faces.landmarks import head_pose_deg
from idverify.pad._strips import OVAL, RIMS, SIDE_PX
from idverify.simulation.faces import default_locate

PEOPLE, NODES = 300, 48
# Of the strip's side, the face with its rims.
FILL = 1 / 1.32


def meshes(data: Path) -> np.ndarray:
    digest = lambda name: int(hashlib.sha256(f"fit or test: {name}".encode()).hexdigest(), 16)  # noqa: E731
    locate, found = default_locate(), []
    for folder in sorted(p for p in (data / "lfw").iterdir() if p.is_dir() and digest(p.name) % 2 == 0):
        mesh = locate(np.ascontiguousarray(cv2.imread(str(min(folder.glob("*.jpg"))))[..., ::-1]))
        if mesh is not None and (np.abs(head_pose_deg(mesh)[:2]) < 8).all():
            found.append(mesh[:, 0] + 1j * mesh[:, 1])
        if len(found) == PEOPLE:
            break
    return np.stack(found)


def mean_mesh(faces: np.ndarray) -> np.ndarray:
    spread = faces - faces.mean(axis=1, keepdims=True)
    mean = spread[0]
    for _ in range(5):
        turn = (spread.conj() @ mean) / (np.abs(spread) ** 2).sum(axis=1)
        mean = (turn[:, None] * spread).mean(axis=0)
        mean *= np.exp(1j * (np.pi / 2 - np.angle(mean[152] - mean[10])))
    return np.stack([mean.real, mean.imag], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("models/calibration/face_layout.npz"))
    args = parser.parse_args()
    mean = mean_mesh(meshes(args.data))
    span = np.ptp(mean, axis=0).max() / FILL
    mean = ((mean - (mean.min(axis=0) + mean.max(axis=0)) / 2) / span + 0.5) * SIDE_PX
    outline = mean[list(OVAL)]
    middle = outline.mean(axis=0)
    whole = np.concatenate([mean, *(middle + rim * (outline - middle) for rim in RIMS)])
    triangles = Delaunay(whole)
    # Nodes lie as cv2.resize reads them.
    at = (np.arange(NODES) + 0.5) * SIDE_PX / NODES - 0.5
    nodes = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
    owner = triangles.find_simplex(nodes)
    # Beyond the rim the nearest triangle is continued.
    centres = whole[triangles.simplices].mean(axis=1)
    outside = np.flatnonzero(owner < 0)
    owner[outside] = ((nodes[outside, None] - centres) ** 2).sum(axis=-1).argmin(axis=1)
    transform = triangles.transform[owner]
    first = np.einsum("nij,nj->ni", transform[:, :2], nodes - transform[:, 2])
    weights = np.column_stack([first, 1 - first.sum(axis=1)])
    np.savez_compressed(
        args.out,
        points=triangles.simplices[owner].astype(np.uint16),
        weights=weights.astype(np.float32),
        face_px=np.float32(np.ptp(mean[:, 0])),
    )
    print(f"{len(nodes)} nodes, face {np.ptp(mean[:, 0]):.1f} px wide, {len(outside)} nodes beyond the rim")


if __name__ == "__main__":
    main()

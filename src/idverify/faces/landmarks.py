"""Dense face landmarks, and what is read off them: head pose, eye and mouth opening.

Conventions: 468 points in the order of the MediaPipe face mesh; x and y in upright pixels of the picture given, z in
the same pixels, growing away from the camera. "Right" and "left" are the person's own, so the right eye is on the left
of an unmirrored picture. Every measure is a pure function vectorised over leading axes.

Sources: Kartynnik et al. 2019, "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs",
arXiv:1907.06724; eye opening as in Soukupová & Čech 2016, "Real-Time Eye Blink Detection using Facial Landmarks"; eye
contours: Ablavatski et al. 2020, "Real-time Pupil Tracking from Monocular Video for Digital Puppetry",
arXiv:2006.11341.

Public items: :class:`FaceRegion`, :class:`FaceMesh`, :class:`EyeModel`, :func:`region_of_detection`,
:func:`region_of_points`, :func:`head_pose_deg`, :func:`eye_opening`, :func:`mouth_opening`, :func:`mouth_width`,
:func:`inter_eye_distance`, :func:`five_points`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.faces.detection import DetectedFace
from idverify.models.session import Session

__all__ = [
    "EyeModel",
    "FaceMesh",
    "FaceRegion",
    "eye_opening",
    "five_points",
    "head_pose_deg",
    "inter_eye_distance",
    "mouth_opening",
    "mouth_width",
    "region_of_detection",
    "region_of_points",
]

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

N_POINTS = 468
# The region is half as large again as the face, as the model was trained (Kartynnik et al. 2019, section 2).
REGION_SCALE = 1.5
# Where that holds a second face, the points may come to lie between the two; so narrow a region holds one.
NARROW_SCALE = 1.2
# Points further than this from where the detector has eyes, nose and mouth (mean of the four, over the width of its
# box) are of another face: of 6,245 LFW photos one lies beyond 0.17, and that between two faces, at 0.37.
ASTRAY = 0.25

# Indices into the mesh (canonical_face_model of MediaPipe): corner, corner, then pairs of upper and lower lid.
RIGHT_EYE = (33, 133, ((160, 144), (159, 145), (158, 153)))
LEFT_EYE = (263, 362, ((387, 373), (386, 374), (385, 380)))
MOUTH_CORNERS = (61, 291)
INNER_LIPS = ((82, 87), (13, 14), (312, 317))
NOSE_TIP, FOREHEAD, CHIN, RIGHT_CHEEK, LEFT_CHEEK = 1, 10, 152, 234, 454
# In a face that looks straight ahead the line from forehead to chin leans back by this much (median over LFW photos).
PITCH_AT_REST_DEG = -6.0
# Eyes seen under a greater slant (cosine; 53 degrees) are left to the mesh: down to here the eye model's jitter from
# frame to frame is that of eyes seen straight, beyond it too few were seen to say; benchmarks/accuracy/eye_opening.py.
MIN_EYE_FACING = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceRegion:
    """A rotated square around a face: centre and side in pixels, angle in radians (clockwise in the picture)."""

    centre_xy_px: tuple[float, float]
    side_px: float
    angle_rad: float

    def to_picture(self, size_px: int) -> F64:
        """Affine matrix from a `size_px` square of this region to the picture [shape=(2, 3)]."""
        step = self.side_px / size_px
        cos, sin = np.cos(self.angle_rad) * step, np.sin(self.angle_rad) * step
        linear = np.array([[cos, -sin], [sin, cos]])
        shift = np.asarray(self.centre_xy_px) - linear @ np.full(2, (size_px - 1) / 2)
        return np.hstack([linear, shift[:, None]])


def region_of_detection(face: DetectedFace, scale: float = REGION_SCALE) -> FaceRegion:
    """The square that the mesh model expects, from a detector's box and eyes; its side is `scale` times the box's."""
    low, high = face.bbox_xyxy_px[:2], face.bbox_xyxy_px[2:]
    eye_line = face.keypoints_px[1] - face.keypoints_px[0]
    x, y = (low + high) / 2
    return FaceRegion(
        centre_xy_px=(float(x), float(y)),
        side_px=float(scale * (high - low).max()),
        angle_rad=float(np.arctan2(eye_line[1], eye_line[0])),
    )


def region_of_points(points_px: F32, scale: float = REGION_SCALE) -> FaceRegion:
    """The square that the mesh model expects in the next picture, from this picture's points [shape=(468, 3)]; its
    side is `scale` times theirs."""
    xy = points_px[:, :2].astype(np.float64)
    eye_line = xy[LEFT_EYE[0]] - xy[RIGHT_EYE[0]]
    angle = float(np.arctan2(eye_line[1], eye_line[0]))
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = xy @ axes.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    x, y = (low + high) / 2 @ axes
    return FaceRegion(
        centre_xy_px=(float(x), float(y)), side_px=float(scale * (high - low).max()), angle_rad=angle
    )


class FaceMesh:
    """Fits the 468-point mesh inside given regions.

    Parameters
    ----------
    session
        The ``face_mesh`` model: RGB, 192 x 192.
    """

    INPUT_SIDE = 192

    def __init__(self, session: Session) -> None:
        self._session = session

    def fit(self, image_rgb: NDArray[np.uint8], regions: Sequence[FaceRegion]) -> tuple[F32, F64]:
        """Points and presence of the face in each region.

        Parameters
        ----------
        image_rgb : uint8 [shape=(h, w, 3)]
        regions : k regions

        Returns
        -------
        points_px : float32 [shape=(k, 468, 3)]
        presence : float64 in [0, 1] [shape=(k,)]
        """
        if not regions:
            return np.empty((0, N_POINTS, 3), np.float32), np.empty(0)
        side = self.INPUT_SIDE
        maps = np.stack([region.to_picture(side) for region in regions])
        tiles = np.stack(
            [
                cv2.warpAffine(image_rgb, m, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
                for m in maps
            ]
        )
        raw, flag = self._session.run(tiles)
        local = raw.reshape(-1, N_POINTS, 3).astype(np.float64)
        linear, shift = maps[:, :, :2], maps[:, :, 2]
        points = np.empty_like(local)
        points[..., :2] = local[..., :2] @ linear.transpose(0, 2, 1) + shift[:, None]
        points[..., 2] = local[..., 2] * np.hypot(linear[:, 0, 0], linear[:, 1, 0])[:, None]
        presence = 1.0 / (1.0 + np.exp(-np.clip(flag.reshape(-1).astype(np.float64), -80, 80)))
        return points.astype(np.float32), presence

    def fit_detected(self, image_rgb: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> tuple[F32, F64]:
        """Points and presence of faces that a detector found; the second fit starts from the first one's own points,
        which centres the face.

        Parameters
        ----------
        image_rgb : uint8 [shape=(h, w, 3)]
        faces : k faces

        Returns
        -------
        points_px : float32 [shape=(k, 468, 3)]
        presence : float64 in [0, 1] [shape=(k,)]
            The lesser of both fits; 0 where the points are not those of the face that was found.
        """
        points, presence = self._fit_twice(image_rgb, faces, REGION_SCALE)
        if (astray := _astray(points, faces)).any():
            again = [face for face, away in zip(faces, astray, strict=True) if away]
            points[astray], presence[astray] = self._fit_twice(image_rgb, again, NARROW_SCALE)
            presence[_astray(points, faces)] = 0.0
        return points, presence

    def _fit_twice(self, image_rgb: NDArray[np.uint8], faces: Sequence[DetectedFace], scale: float) -> tuple[F32, F64]:
        rough, first = self.fit(image_rgb, [region_of_detection(face, scale) for face in faces])
        points, second = self.fit(image_rgb, [region_of_points(p, scale) for p in rough])
        return points, np.minimum(first, second)


def _astray(points_px: F32, faces: Sequence[DetectedFace]) -> NDArray[np.bool_]:
    """Which fits lie elsewhere than the faces that they were begun from [shape=(k,)]."""
    away = [
        np.linalg.norm(_four_points(p) - face.keypoints_px, axis=1).mean() / face.width_px
        for p, face in zip(points_px, faces, strict=True)
    ]
    return np.array(away) > ASTRAY


def _four_points(points_px: F32) -> F64:
    """Eyes, nose tip and mouth centre, as a detector has them [shape=(4, 2)]."""
    five = five_points(points_px)
    return np.vstack([five[:3], five[3:].mean(axis=0)])


class EyeModel:
    """Measures how far eyes are open by a close look at each: the mesh, made for whole faces, barely closes its lids.

    Parameters
    ----------
    session
        The ``iris`` model: RGB, 64 x 64, an eye whose outer corner is on the left.
    """

    INPUT_SIDE = 64
    # Side of the square over the distance of the corners (MediaPipe, iris_landmark_landmarks_to_roi).
    EYE_SCALE = 2.3
    # Indices into the 71 contour points: corners, then pairs of lower and upper lid around the middle of the eye.
    _CORNERS, _LOWER, _UPPER = (0, 8), (3, 4, 5), (11, 12, 13)

    def __init__(self, session: Session) -> None:
        self._session = session

    def opening(self, image_rgb: NDArray[np.uint8], points_px: F32) -> F64:
        """Lid distance over eye width of k faces, right then left eye: about 0.33 open, 0.05 to 0.12 closed.

        Parameters
        ----------
        image_rgb : uint8 [shape=(h, w, 3)]
        points_px : float32 [shape=(k, 468, 3)]
            Meshes in pixels of `image_rgb`.

        Returns
        -------
        float64 [shape=(k, 2)]
            Of the mesh where an eye is turned away too far for the close look.
        """
        if not len(points_px):
            return np.empty((0, 2))
        side = self.INPUT_SIDE
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        tiles = [
            cv2.warpAffine(image_rgb, m, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
            for m in self._to_picture(points_px[..., :2].astype(np.float64))
        ]
        contour = self._session.run(np.stack(tiles))[0].reshape(len(tiles), -1, 3)[..., :2].astype(np.float64)
        lids = np.linalg.norm(contour[:, self._UPPER] - contour[:, self._LOWER], axis=-1).mean(axis=-1)
        outer, inner = self._CORNERS
        width = np.linalg.norm(contour[:, outer] - contour[:, inner], axis=-1)
        opening = (lids / np.maximum(width, 1e-9)).reshape(-1, 2)
        return np.where(_eye_facing(points_px) >= MIN_EYE_FACING, opening, eye_opening(points_px))

    def _to_picture(self, xy: F64) -> F64:
        """Affine matrices from tiles to the picture, outer corner on the left of each tile [shape=(2 k, 2, 3)]."""
        outer, inner = xy[:, [RIGHT_EYE[0], LEFT_EYE[0]]], xy[:, [RIGHT_EYE[1], LEFT_EYE[1]]]
        across = (inner - outer) * (self.EYE_SCALE / self.INPUT_SIDE)
        # Down the picture in both eyes, so the left one is mirrored, not turned.
        down = np.stack([-across[..., 1], across[..., 0]], axis=-1) * np.array([[1.0], [-1.0]])
        linear = np.stack([across, down], axis=-1)
        shift = (outer + inner) / 2 - linear.sum(axis=-1) * ((self.INPUT_SIDE - 1) / 2)
        return np.concatenate([linear, shift[..., None]], axis=-1).reshape(-1, 2, 3)


def head_pose_deg(points: F32) -> F64:
    """Yaw, pitch and roll in degrees from mesh points.

    Parameters
    ----------
    points : float32 [shape=(..., 468, 3)]

    Returns
    -------
    float64 [shape=(..., 3)]
        Yaw > 0: turned to the person's left; pitch > 0: looking up; roll > 0: tilted to the person's left shoulder.
    """
    edge = points[..., [LEFT_CHEEK, RIGHT_CHEEK, CHIN, FOREHEAD], :].astype(np.float64)
    across, down = edge[..., 0, :] - edge[..., 1, :], edge[..., 2, :] - edge[..., 3, :]
    across /= np.sqrt(np.einsum("...i,...i->...", across, across))[..., None]
    down -= np.einsum("...i,...i->...", down, across)[..., None] * across
    down /= np.sqrt(np.einsum("...i,...i->...", down, down))[..., None]
    # The third component of the vector product, inwards along the camera's axis.
    inward_z = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
    yaw = np.arctan2(across[..., 2], np.hypot(across[..., 0], across[..., 1]))
    pitch = np.arctan2(-down[..., 2], inward_z)
    roll = np.arctan2(across[..., 1], across[..., 0])
    pose = np.degrees(np.stack([yaw, pitch, roll], axis=-1))
    pose[..., 1] -= PITCH_AT_REST_DEG
    return np.asarray(pose)


def _gaps(points: F32, first: Sequence[int], second: Sequence[int]) -> F64:
    """Distances between pairs of points [shape=(..., pairs)]; one gather, since single frames are measured often."""
    apart = points[..., list(first), :].astype(np.float64) - points[..., list(second), :]
    return np.asarray(np.sqrt(np.einsum("...i,...i->...", apart, apart)))


# Upper and lower lids of the right, then of the left eye; then the corners of each eye.
_LIDS = tuple(zip(*(pair for eye in (RIGHT_EYE, LEFT_EYE) for pair in eye[2]), strict=True))
_EYE_CORNERS = ((RIGHT_EYE[0], LEFT_EYE[0]), (RIGHT_EYE[1], LEFT_EYE[1]))
_LIPS = tuple(zip(*INNER_LIPS, strict=True))


def eye_opening(points: F32) -> F64:
    """Lid distance over eye width of the mesh, right then left eye [shape=(..., 2)]; about 0.3, blinking or not."""
    lids = _gaps(points, *_LIDS)
    mean = lids.reshape(*lids.shape[:-1], 2, -1).mean(axis=-1)
    return np.asarray(mean / np.maximum(_gaps(points, *_EYE_CORNERS), 1e-9))


def _eye_facing(points: F32) -> F64:
    """How much each eye faces the camera, by its shortening in the picture: 1 fully, 0 not at all [shape=(..., 2)]."""
    p = points.astype(np.float64)
    across = np.stack([p[..., eye[0], :] - p[..., eye[1], :] for eye in (RIGHT_EYE, LEFT_EYE)], axis=-2)
    length = np.linalg.norm(across, axis=-1)
    return np.asarray(np.linalg.norm(across[..., :2], axis=-1) / np.maximum(length, 1e-9))


def mouth_opening(points: F32) -> F64:
    """Mean inner lip distance over mouth width [shape=(...)]; 0 closed."""
    width = _gaps(points, MOUTH_CORNERS[:1], MOUTH_CORNERS[1:])[..., 0]
    return np.asarray(_gaps(points, *_LIPS).mean(axis=-1) / np.maximum(width, 1e-9))


def mouth_width(points: F32) -> F64:
    """Mouth width over inter-eye distance [shape=(...)]; grows with a smile."""
    width = _gaps(points, MOUTH_CORNERS[:1], MOUTH_CORNERS[1:])[..., 0]
    return np.asarray(width / np.maximum(inter_eye_distance(points), 1e-9))


def _eye_centres(p: F64) -> F64:
    return np.stack([(p[..., eye[0], :] + p[..., eye[1], :]) / 2 for eye in (RIGHT_EYE, LEFT_EYE)], axis=-2)


def inter_eye_distance(points: F32) -> F64:
    """Distance between the eye centres in space, so that turning the head does not shorten it [shape=(...)], pixels."""
    eyes = _eye_centres(points.astype(np.float64))
    return np.asarray(np.linalg.norm(eyes[..., 1, :] - eyes[..., 0, :], axis=-1))


def five_points(points: F32) -> F64:
    """Right eye, left eye, nose tip, right and left mouth corner [shape=(..., 5, 2)], pixels."""
    p = points.astype(np.float64)
    eyes = _eye_centres(p)[..., :2]
    rest = p[..., [NOSE_TIP, *MOUTH_CORNERS], :2]
    return np.concatenate([eyes, rest], axis=-2)

"""Does the video show the reference photo itself: printed, on a screen, animated, recoloured, cropped, mirrored?

Two photos of one person differ in light, pose and expression, so their fine structure does not line up. A
re-shot photo lines up everywhere and at every moment, whatever was done to its brightness, colour, size or
perspective. Each subject frame is registered to the reference by a smooth flow, and the correlation of the
band-passed pictures is taken block by block. The native value is the correlation that even the *worst* textured
blocks keep *most of the time*: a person who speaks or blinks loses it at the mouth and eyes, also against a
photo of the same session.

A warped copy that speaks and blinks escapes that. It brings the photo's own shadows along when it turns
(:mod:`idverify.pad._rigid_regions`), which is a doubt and no proof.

Conventions: crops are luma, uint8, :data:`CROP_SIDE_PX` square, aligned by mesh points; time runs along the
first axis.

Sources: dense inverse search flow: Kroeger et al. 2016, arXiv:1603.03590; zero-normalised cross-correlation:
Lewis 1995, "Fast normalized cross-correlation". The thresholds come from ``models/training/fit_pad_image.py``.

Public items: :class:`ReferenceFace`, :class:`ReferenceReuse`, :func:`face_crop`, :func:`block_correlation`,
:func:`lasting_correlation`, :func:`assess`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.faces.alignment import CanonicalPoints, similarity_matrices
from idverify.faces.landmarks import LEFT_EYE, RIGHT_EYE, head_pose_deg, inter_eye_distance
from idverify.faces.tracking import FaceObservation
from idverify.pad._llr import load_scale
from idverify.pad._rigid_regions import rigid_likeness
from idverify.pad._strips import FaceStrips, cut_strip
from idverify.pad.evidence import AnalysedFrame, PADEvidence, Status
from idverify.reasons import NotAssessed, Reason

__all__ = [
    "CROP_SIDE_PX",
    "ReferenceFace",
    "ReferenceReuse",
    "assess",
    "block_correlation",
    "face_crop",
    "lasting_correlation",
]

NAME = "reference_reuse"
# The table of what is said of pictures that are turned otherwise than the photo.
TURNED_NAME = "reference_reuse_turned"
UNIT = "lasting block correlation with the reference photo, 0..1 (higher: more alike)"

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

CROP_SIDE_PX = 64
# Eye centres and base of the nose: points that speech does not move. 22 px between the eyes leave room for
# hairline and chin.
_CROP = CanonicalPoints(
    size_px=CROP_SIDE_PX,
    groups=(RIGHT_EYE[:2], LEFT_EYE[:2], (2,)),
    target_px=np.array([[21.0, 24.0], [43.0, 24.0], [32.0, 40.0]]),
)
# Fine enough to tell two photos apart, coarse enough to survive a camera, a print and a codec; chosen on LFW
# and the clips.
_BAND_SIGMA_PX = (0.75, 3.0)
_BLOCK_PX = 9
_GRID = slice(3, 63, 3)
# Luma levels squared: below this a block of the band-passed picture holds noise and no face.
_NOISE_VARIANCE = 1.0
# The less textured blocks of the reference say nothing; the share of blocks that is left out.
_SMOOTH_SHARE = 0.4
# "Most of the time" and "even the worst blocks", as quantiles; a re-shot picture keeps both, a blink or a word
# keeps neither.
_TIME_QUANTILE, _BLOCK_QUANTILE = 0.1, 0.05
# Frames compared, spread over the recording: more change the result by less than its spread between clips.
_FRAMES_COMPARED = 10
# Frames kept while streaming; when full, every other one is dropped.
_FRAMES_KEPT = 24
# Every third analysed frame at first: five a second.
_FIRST_STEP = 3
# Eyes closer than this were enlarged so much that the band holds no detail.
_MIN_EYE_DISTANCE_PX = 16.0


def _face_mask() -> NDArray[np.bool_]:
    """Blocks of the grid inside an ellipse from hairline to chin [shape=(g, g)]."""
    y, x = np.mgrid[_GRID, _GRID].astype(np.float64)
    return np.asarray(((x - 32) / 23) ** 2 + ((y - 36) / 27) ** 2 < 1)


_FACE = _face_mask()


def face_crop(luma: U8, points_px: F32, *, enlarged: int = 1) -> U8:
    """Aligned luma crop of one face.

    Parameters
    ----------
    luma : uint8 [shape=(h, w)]
    points_px : float32 [shape=(468, 3)]
        Mesh points in this picture's pixels.
    enlarged
        Times the size that is compared, for simulations.

    Returns
    -------
    uint8 [shape=(64 * enlarged, 64 * enlarged)]
    """
    matrix = similarity_matrices(_CROP.source(points_px[None]), _CROP.target_px * enlarged)[0]
    shrink = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if shrink < 0.5:
        luma, matrix = _cut_out(luma, matrix, CROP_SIDE_PX * enlarged)
        # Bilinear sampling skips pixels beyond a factor of two, so area-average down to about the final size
        # first.
        luma = np.asarray(cv2.resize(luma, None, fx=2 * shrink, fy=2 * shrink, interpolation=cv2.INTER_AREA), np.uint8)
        matrix[:, :2] /= 2 * shrink
    size = (CROP_SIDE_PX * enlarged, CROP_SIDE_PX * enlarged)
    return np.asarray(
        cv2.warpAffine(luma, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _cut_out(luma: U8, matrix: NDArray[np.float64], side_px: int) -> tuple[U8, NDArray[np.float64]]:
    """The part of the picture that the crop shows, and the matrix from there, so that only this part is averaged."""
    corners = np.array([[0, 0], [side_px, 0], [side_px, side_px], [0, side_px]], np.float64)
    there = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    left, top = np.maximum(np.floor(there.min(axis=0)).astype(int) - 2, 0)
    right, bottom = np.ceil(there.max(axis=0)).astype(int) + 2
    part = luma[top:bottom, left:right]
    if not part.size:
        return luma, matrix
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ (left, top)
    return part, shifted


def _planes(crops: U8) -> F32:
    """Crops [shape=(n, h, w)] as one picture of n channels [shape=(h, w, n)], which OpenCV filters in one go."""
    return np.ascontiguousarray(np.moveaxis(crops, 0, -1), np.float32)


def _filtered(planes: F32, sigma_px: float) -> F32:
    return np.asarray(cv2.GaussianBlur(planes, (0, 0), sigma_px), np.float32).reshape(planes.shape)


def _boxed(planes: F32) -> F32:
    """Block means, on the grid of block centres only [shape=(g, g, n)]."""
    mean = cv2.boxFilter(planes, -1, (_BLOCK_PX, _BLOCK_PX)).reshape(planes.shape)
    return np.asarray(mean[_GRID, _GRID], np.float32)


def _band(planes: F32) -> F32:
    low, high = _BAND_SIGMA_PX
    return _filtered(planes, low) - _filtered(planes, high)


def _evened(crops: U8) -> U8:
    """Crops with local brightness and contrast evened out, for registration [shape=(n, h, w)]."""
    planes = _planes(crops)
    detail = planes - _filtered(planes, 4.0)
    contrast = np.sqrt(_filtered(detail * detail, 4.0) + 4.0)
    return np.ascontiguousarray(np.moveaxis(np.clip(128 + 48 * detail / contrast, 0, 255), -1, 0).astype(np.uint8))


def _register(crops: U8, reference: U8) -> U8:
    """Crops warped onto the reference by a smooth flow [shape=(n, h, w)]."""
    flow_of = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    # Half the resolution suffices for a smooth flow and keeps it from fitting what is not the same.
    flow_of.setFinestScale(1)
    target = _evened(reference[None])[0]
    y, x = np.mgrid[:CROP_SIDE_PX, :CROP_SIDE_PX].astype(np.float32)
    out = np.empty_like(crops)
    for warped, crop, evened in zip(out, crops, _evened(crops), strict=True):
        flow = cv2.GaussianBlur(flow_of.calc(target, evened, None), (0, 0), 2.0)
        cv2.remap(crop, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, warped, cv2.BORDER_REFLECT)
    return out


def block_correlation(crops: U8, reference: U8) -> F32:
    """Zero-normalised correlation of registered crops with the reference, block by block.

    Parameters
    ----------
    crops : uint8 [shape=(n, 64, 64)]
    reference : uint8 [shape=(64, 64)]

    Returns
    -------
    float32 [shape=(n, b)]
        One column per textured block of the reference; unchanged by brightness and contrast of either.
    """
    probe, target = _band(_planes(_register(crops, reference))), _band(_planes(reference[None]))
    probe_mean, target_mean = _boxed(probe), _boxed(target)
    probe_var = _boxed(probe * probe) - probe_mean**2
    target_var = _boxed(target * target) - target_mean**2
    covariance = _boxed(probe * target) - probe_mean * target_mean
    correlation = covariance / np.sqrt((probe_var + _NOISE_VARIANCE) * (target_var + _NOISE_VARIANCE))
    texture = target_var[..., 0][_FACE]
    textured = texture >= np.quantile(texture, _SMOOTH_SHARE)
    return np.asarray(correlation[_FACE][textured].T, np.float32)


def lasting_correlation(crops: U8, reference: U8) -> float:
    """Correlation that nearly all blocks keep nearly all the time, the better of both mirrorings.

    Parameters
    ----------
    crops : uint8 [shape=(n, 64, 64)]
    reference : uint8 [shape=(64, 64)]
    """
    middle, ways = crops[len(crops) // 2][None], (reference, np.ascontiguousarray(reference[:, ::-1]))
    found = [block_correlation(middle, way) for way in ways]
    better = int(found[1].mean() > found[0].mean())
    correlation = found[better] if len(crops) == 1 else block_correlation(crops, ways[better])
    lasting = np.quantile(correlation, _TIME_QUANTILE, axis=0)
    return float(np.quantile(lasting, _BLOCK_QUANTILE))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReferenceFace:
    """What of a reference photo is looked for in a video.

    Parameters
    ----------
    crop : uint8 [shape=(64, 64)]
        As :func:`face_crop` gives it.
    strip
        The face cut out along its mesh.
    """

    crop: U8 = field(repr=False)
    strip: FaceStrips

    @classmethod
    def of(cls, image_rgb: U8, points_px: F32) -> ReferenceFace:
        """Of a photo and the mesh of its face in pixels of it."""
        luma = np.asarray(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY), np.uint8)
        strip = FaceStrips(
            luma=cut_strip(image_rgb, points_px)[None], yaw_pitch_deg=head_pose_deg(points_px)[None, :2]
        )
        return cls(crop=face_crop(luma, points_px), strip=strip)


class ReferenceReuse:
    """Keeps a few aligned crops of the subject, spread over the recording (a :class:`TrackObserver`)."""

    def __init__(self) -> None:
        self._crops: list[U8] = []
        self._seen = 0
        self._every = _FIRST_STEP

    def observe(self, view: AnalysedFrame, face: FaceObservation) -> None:
        """See one analysed frame in which the face was followed."""
        take, self._seen = self._seen % self._every == 0, self._seen + 1
        points = face.points_px / np.float32(view.scale)
        if not take or float(inter_eye_distance(points)) < _MIN_EYE_DISTANCE_PX:
            return
        if len(self._crops) == _FRAMES_KEPT:
            self._crops = self._crops[::2]
            self._every *= 2
        self._crops.append(face_crop(view.luma, points))

    def crops(self) -> U8:
        """The crops kept, in order of time [shape=(n, 64, 64)]."""
        return np.stack(self._crops) if self._crops else np.empty((0, CROP_SIDE_PX, CROP_SIDE_PX), np.uint8)


def assess(crops: U8, strips: FaceStrips, reference: ReferenceFace) -> PADEvidence:
    """Whether the video shows the reference photo itself.

    Parameters
    ----------
    crops : uint8 [shape=(n, 64, 64)]
        As :class:`ReferenceReuse` collects them.
    strips
        The face cut out along its mesh, from the same recording.
    reference
    """
    if not len(crops):
        why = NotAssessed(reason=Reason.LOW_RESOLUTION, detail=f"eyes closer than {_MIN_EYE_DISTANCE_PX:.0f} px")
        return PADEvidence.not_assessed(NAME, UNIT, why)
    chosen = crops[np.unique(np.linspace(0, len(crops) - 1, _FRAMES_COMPARED).astype(int))]
    native = lasting_correlation(chosen, reference.crop)
    scale = load_scale(NAME)
    reused, llr = scale.proves(native), scale(native)
    detail = f"nearly every block of {len(chosen)} frames correlates with the photo by at least {native:.2f}"
    turned = rigid_likeness(strips, reference.strip)
    if turned is not None:
        llr = min(llr, load_scale(TURNED_NAME)(1.0 - turned))
        detail += f"; turned otherwise than the photo, what never moves in a face correlates by {turned:.2f}"
    return PADEvidence(
        name=NAME,
        status=Status.ASSESSED,
        unit=UNIT,
        native=native,
        bona_fide_llr=llr,
        detail=detail,
        reason=Reason.REFERENCE_REUSED if reused else None,
        decisive=reused,
    )

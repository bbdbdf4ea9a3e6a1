"""The answer to a challenge, as time series of one recording.

Goal: everything the verification reads, in one value that knows nothing of pictures or models.

Conventions: one row per analysed frame, times in seconds from the recording's first frame, strictly
increasing and uneven as they come; NaN means *not measured at that time*. Angles in degrees, in the
unmirrored picture: ``yaw_deg`` > 0 when the person turns to their own left (towards the right edge of
the picture), ``pitch_deg`` > 0 when they look up, ``roll_deg`` > 0 when the head tilts to their left
shoulder.

Public items: :class:`AnswerSeries`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from idverify.errors import ParameterError

__all__ = ["AnswerSeries"]

Floats = NDArray[np.float64]

_COLUMNS = {
    "yaw_deg": 0, "pitch_deg": 0, "roll_deg": 0, "eye_opening": 2, "mouth_opening": 0,
    "mouth_width": 0, "face_scale": 0, "skin_rgb": 3, "background_rgb": 3, "skin_parts_rgb": 18,
    "skin_parts_place": 12, "skin_parts_facing": 6,
    "turned_deg": 2, "turn_shown_deg": 2, "grown": 0, "perspective": 0, "background_step": 0,
    "mouth_changed": 0, "eyes_changed": 0, "likeness_llr": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class AnswerSeries:
    """Head pose, eyes, mouth, scale and colours of one face over time.

    Parameters
    ----------
    times_s : (n,) float
        Time of each frame in seconds from the first frame of the recording, strictly increasing.
    yaw_deg, pitch_deg, roll_deg : (n,) float
        Head pose in degrees; see the module's conventions.
    eye_opening : (n, 2) float
        Distance of the lids over the width of the eye: about 0.3 open, below 0.15 closed. Either
        column may be NaN.
    mouth_opening : (n,) float
        Distance of the inner lips over the width of the mouth: 0 closed, above 0.3 open.
    mouth_width : (n,) float
        Distance of the corners of the mouth over the inter-eye distance.
    face_scale : (n,) float
        Inter-eye distance over the width of the picture; measured in space, so that turning the head
        does not shorten it.
    subject_id : (n,) int, optional
        Who the face belongs to, -1 for no face. Absent: one and the same person throughout.
    skin_rgb, background_rgb : (n, 3) float, optional
        Mean sRGB colour (0 to 255, gamma encoded) of the face's skin and of the scene behind it.
    skin_parts_rgb : (n, 18) float, optional
        The same colour of six parts of the face one after the other: forehead, nose, right and left cheek, right and
        left side. They face different ways.
    skin_parts_place, skin_parts_facing : (n, 12), (n, 6) float, optional
        Where these parts lie in the picture, x and y in widths of the face from their middle, and how far they face the
        camera, as the mesh has it: the cosine of their normal's angle to the line of sight.
    turned_deg, turn_shown_deg : (n, 2) float, optional
        Yaw and pitch since a picture up to some seconds ago, as the pose says, and as much of them as the parallax of
        points of the face confirms; see :mod:`idverify.challenge.solid`.
    grown, perspective : (n,) float, optional
        Size of the face over its usual size, less one, and the strength of its perspective, as
        :mod:`idverify.challenge.perspective` measures them; NaN where the head is turned away.
    background_step : (n,) float, optional
        By how much what is behind the person grew since the frame before, as a logarithm.
    mouth_changed : (n,) float, optional
        How much more the picture of the mouth differs from one up to some seconds ago than that of the typical part of
        the face: about 1 where nothing moves of its own accord.
    eyes_changed : (n,) float, optional
        What the picture of the less changed eye lacks in correlation with the eye at rest: 0 the same picture.
    likeness_llr : (n,) float, optional
        How much the face of this frame is like the reference, or like the subject's own at rest: log-likelihood ratio,
        mated over non-mated.

    Raises
    ------
    ParameterError
        A shape does not fit, or the times do not increase.
    """

    times_s: Floats
    yaw_deg: Floats
    pitch_deg: Floats
    roll_deg: Floats
    eye_opening: Floats
    mouth_opening: Floats
    mouth_width: Floats
    face_scale: Floats
    subject_id: NDArray[np.int64] | None = None
    skin_rgb: Floats | None = None
    background_rgb: Floats | None = None
    skin_parts_rgb: Floats | None = None
    skin_parts_place: Floats | None = None
    skin_parts_facing: Floats | None = None
    turned_deg: Floats | None = None
    turn_shown_deg: Floats | None = None
    grown: Floats | None = None
    perspective: Floats | None = None
    background_step: Floats | None = None
    mouth_changed: Floats | None = None
    eyes_changed: Floats | None = None
    likeness_llr: Floats | None = None

    def __post_init__(self) -> None:
        times = _frozen(self.times_s)
        if times.ndim != 1 or not np.all(np.isfinite(times)) or np.any(np.diff(times) <= 0):
            raise ParameterError("times_s must be one-dimensional, finite and strictly increasing")
        object.__setattr__(self, "times_s", times)
        for name, width in _COLUMNS.items():
            shape = (times.size, width) if width else (times.size,)
            given = getattr(self, name)
            values = _frozen(np.full(shape, np.nan) if given is None else given)
            if values.shape != shape:
                raise ParameterError(f"{name} has shape {values.shape}, expected {shape}")
            object.__setattr__(self, name, values)
        ids = np.zeros(times.size, np.int64) if self.subject_id is None else np.array(self.subject_id, np.int64)
        if ids.shape != times.shape:
            raise ParameterError(f"subject_id has shape {ids.shape}, expected {times.shape}")
        ids.setflags(write=False)
        object.__setattr__(self, "subject_id", ids)

    def __repr__(self) -> str:
        span = f"{self.times_s[0]:.2f}..{self.times_s[-1]:.2f} s" if len(self) else "empty"
        return f"AnswerSeries({len(self)} frames, {span})"

    def __len__(self) -> int:
        return int(self.times_s.size)

    def mirrored(self) -> AnswerSeries:
        """Return the same answer as seen in a mirrored picture (and back: it is its own inverse)."""
        assert self.turned_deg is not None
        assert self.turn_shown_deg is not None
        other_way = np.array([-1.0, 1.0])
        return replace(
            self,
            yaw_deg=-self.yaw_deg,
            roll_deg=-self.roll_deg,
            eye_opening=self.eye_opening[:, ::-1],
            turned_deg=self.turned_deg * other_way,
            turn_shown_deg=self.turn_shown_deg * other_way,
        )

    def shifted(self, seconds: float) -> AnswerSeries:
        """Return the same answer, given ``seconds`` later."""
        return replace(self, times_s=self.times_s + seconds)

    def of_one_subject(self) -> tuple[AnswerSeries, NDArray[np.bool_]]:
        """Blank every frame that does not show the person seen most.

        Returns
        -------
        series : AnswerSeries
            The answer with other people's frames set to *not measured*.
        foreign : (n,) bool
            Where another person was seen.
        """
        assert self.subject_id is not None
        seen = self.subject_id[self.subject_id >= 0]
        if seen.size == 0:
            return self._blanked(np.ones(len(self), bool)), np.zeros(len(self), bool)
        labels, counts = np.unique(seen, return_counts=True)
        subject = labels[np.argmax(counts)]
        foreign = (self.subject_id >= 0) & (self.subject_id != subject)
        return self._blanked(self.subject_id != subject), foreign

    def _blanked(self, where: NDArray[np.bool_]) -> AnswerSeries:
        if not where.any():
            return self
        columns = {}
        for name, width in _COLUMNS.items():
            mask = where[:, None] if width else where
            columns[name] = np.where(mask, np.nan, getattr(self, name))
        return replace(self, **columns)


def _frozen(values: ArrayLike) -> Floats:
    copy = np.array(values, np.float64)
    copy.setflags(write=False)
    return copy

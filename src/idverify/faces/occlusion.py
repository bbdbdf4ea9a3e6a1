"""Whether nose and mouth are covered: aligned chips in, a probability for each out.

A small network that was trained in this project on coverings drawn on photos: masks of many cloths, scarves, hands and
things before the mouth; beards, shadows, hats and glasses are none (``models/cards/occlusion.md``). No photo of a real
mask took part in its training.

Public items: :class:`OcclusionModel`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.models.session import Session

__all__ = ["OcclusionModel"]


class OcclusionModel:
    """Sees what hides the lower face.

    Parameters
    ----------
    session
        The ``occlusion`` model: RGB, 48 x 48.
    """

    INPUT_SIDE = 48

    def __init__(self, session: Session) -> None:
        self._session = session

    def covered(self, chips_rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Probability that the nose, and that the mouth is covered.

        Parameters
        ----------
        chips_rgb : uint8 [shape=(n, 96, 96, 3)]
            Aligned with :data:`idverify.faces.quality.CHIP`.

        Returns
        -------
        float64 in [0, 1] [shape=(n, 2)]
        """
        if not len(chips_rgb):
            return np.empty((0, 2))
        size = (self.INPUT_SIDE, self.INPUT_SIDE)
        small = np.stack([cv2.resize(chip, size, interpolation=cv2.INTER_AREA) for chip in chips_rgb])
        logits = self._session.run(small)[0].astype(np.float64)
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -80, 80))))

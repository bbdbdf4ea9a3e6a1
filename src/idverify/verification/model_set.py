"""The models behind a decision, and the card that gives its scores a meaning.

Goal: everything that a verification loads, once and before any evidence is looked at: a missing or altered file or a
card of other models stops here.

Public items: :class:`ModelSet`.
"""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path

from idverify.comparison.balance import Balance, load_balance
from idverify.comparison.calibration import CalibrationCard, load_card
from idverify.comparison.features import DlibExtractor, FusedExtractor, SFaceExtractor
from idverify.errors import CalibrationError
from idverify.faces.detection import YuNet
from idverify.faces.landmarks import EyeModel, FaceMesh
from idverify.faces.occlusion import OcclusionModel
from idverify.models.loading import COMPARISON_MODELS, QUICK_MODEL, load_sessions
from idverify.models.manifest import data_dir
from idverify.models.session import Session
from idverify.pad import recapture
from idverify.verification.decision import ModelStamp
from idverify.verification.enrolment import SEARCH_SIDES_PX, FaceModels

__all__ = ["ModelSet"]


class ModelSet:
    """Models and calibration card of the comparison, loaded at the first use; threads may share one.

    Parameters
    ----------
    card
        What similarities mean: a card, or the file of one. None is the card that the package ships.
    models_dir
        Where the model files are; None is the user's data directory or ``IDVERIFY_MODELS``.
    """

    def __init__(
        self, *, card: CalibrationCard | str | Path | None = None, models_dir: str | Path | None = None
    ) -> None:
        self.given_card = card
        self.models_dir = Path(models_dir) if models_dir is not None else None
        self._lock = threading.Lock()

    def load(self) -> None:
        """Load everything now.

        Raises
        ------
        ModelError
            A model is missing, or is not the one that the manifest names.
        CalibrationError
            The card is damaged, or was fitted on other models.
        """
        with self._lock:
            _ = self.face_models, self.card
            recapture.load_card(self.recapture.spec.sha256)

    @cached_property
    def _sessions(self) -> dict[str, Session]:
        return load_sessions(self.models_dir)

    @cached_property
    def face_models(self) -> FaceModels:
        """Detectors, landmarks and extractors."""
        sessions = self._sessions
        return FaceModels(
            detectors=tuple(YuNet(sessions["yunet"], input_side_px=side) for side in SEARCH_SIDES_PX),
            mesh=FaceMesh(sessions["face_mesh"]),
            eyes=EyeModel(sessions["iris"]),
            occlusion=OcclusionModel(sessions["occlusion"]),
            extractor=FusedExtractor(
                SFaceExtractor(sessions["sface"], self._balance[0], quick=sessions[QUICK_MODEL]),
                DlibExtractor(sessions["dlib_resnet"]),
            ),
        )

    @property
    def recapture(self) -> Session:
        """The network that sees pictures of pictures."""
        return self._sessions["recapture"]

    @property
    def skin_change(self) -> Session:
        """What sees one picture, warped or laid over."""
        return self._sessions["skin_change"]

    @cached_property
    def _balance(self) -> tuple[Balance, str]:
        return load_balance(self._sessions["sface"].spec.sha256)

    @cached_property
    def card(self) -> CalibrationCard:
        """The card in use; its models are those in use, or it would have been refused."""
        card = self.given_card
        if not isinstance(card, CalibrationCard):
            card = load_card(Path(card) if card is not None else data_dir() / "calibration" / "comparison.toml")
        used = {name: self._sessions[name].spec.sha256 for name in COMPARISON_MODELS}
        used["sface_balance"] = self._balance[1]
        card.require_models(used)
        if unnamed := sorted(used.keys() - card.models.keys()):
            raise CalibrationError(f"the calibration card does not say for which {unnamed[0]} it was fitted")
        return card

    @property
    def stamps(self) -> tuple[ModelStamp, ...]:
        """The models, as a decision names them."""
        specs = [session.spec for session in self._sessions.values()]
        return tuple(ModelStamp(name=s.name, version=s.version, sha256=s.sha256, licence=s.licence) for s in specs)

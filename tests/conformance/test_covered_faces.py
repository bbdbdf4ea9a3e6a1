"""Covered noses and mouths, on the sample's face with coverings drawn by its own mesh."""

from __future__ import annotations

from pathlib import Path

import cv2
import media_factory
import numpy as np
import pytest

from idverify.media import load_photo
from idverify.reasons import Assessed, NotAssessed, Reason
from idverify.simulation.landmark_sets import OVAL
from idverify.verification.decision import Outcome
from idverify.verification.verifier import Verifier

PHOTO = Path(__file__).resolve().parents[2] / "samples" / "reference.jpg"
JAW = OVAL[OVAL.index(454) + 1 : OVAL.index(234)]


@pytest.fixture(scope="module")
def verifier() -> Verifier:
    made = Verifier()
    made.load()
    return made


@pytest.fixture(scope="module")
def bare(verifier: Verifier):
    found = verifier.enrol(load_photo(PHOTO))
    assert isinstance(found, Assessed)
    return found.value


def masked(face, colour: tuple[int, int, int], top: int = 6, stripes: bool = False) -> np.ndarray:
    """The photo with a mask from the bridge of the nose (or another mesh point) to below the chin."""
    points = face.face.points_px[:, :2].astype(np.float64)
    outline = np.vstack([points[JAW], points[[50, top, 280]]])
    image, shape = face.image_rgb.copy(), np.round(outline * 16).astype(np.int32)
    covered = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(covered, [shape], 255, cv2.LINE_AA, 4)
    cloth = np.empty_like(image)
    cloth[:] = colour
    if stripes:
        cloth[(np.arange(len(cloth)) // 7) % 2 == 0] = 255 - np.array(colour)
    # The light of the photo falls on the cloth.
    light = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 15).astype(np.float64)[..., None] / 128
    share = cv2.GaussianBlur(covered, (0, 0), 1).astype(np.float64)[..., None] / 255
    return np.round(image * (1 - share) + np.clip(cloth * (0.5 + light / 2), 0, 255) * share).astype(np.uint8)


def hand(face) -> np.ndarray:
    """The photo with three fingers of the skin's colour before the mouth."""
    points, image = face.face.points_px[:, :2], face.image_rgb.copy()
    skin = image[tuple(points[50].round().astype(int)[::-1])].astype(np.float64)
    width = np.linalg.norm(points[61] - points[291])
    for k in range(-1, 2):
        at = points[13] + np.array([0, k * width * 0.28])
        reach = width * np.array([0.9, 0.1])
        ends = [tuple(np.round(at + side * reach).astype(int).tolist()) for side in (-1, 1)]
        for shade, share in ((0.6, 0.16), (0.9, 0.13), (1.0, 0.07)):
            cv2.line(image, *ends, tuple((skin * shade).tolist()), max(1, round(2 * share * width)), cv2.LINE_AA)
    return image


MASKS = {
    "surgical blue": {"colour": (150, 190, 215)},
    "white": {"colour": (235, 235, 230)},
    "black": {"colour": (25, 25, 28)},
    "skin": {"colour": (190, 145, 120)},
    "striped": {"colour": (180, 40, 60), "stripes": True},
}


@pytest.mark.parametrize("name", MASKS)
def test_a_masked_photo_is_no_reference_and_says_why(verifier: Verifier, bare, name: str) -> None:
    found = verifier.enrol(masked(bare, **MASKS[name]))
    assert isinstance(found, NotAssessed)
    assert found.reason is Reason.REFERENCE_COVERED


def test_a_hand_before_the_mouth_is_seen(verifier: Verifier, bare) -> None:
    found = verifier.enrol(hand(bare))
    assert isinstance(found, NotAssessed)
    assert found.reason is Reason.REFERENCE_COVERED


def test_somebody_in_a_mask_is_not_accepted_against_the_own_photo(verifier: Verifier, bare) -> None:
    decision = verifier.compare(masked(bare, **MASKS["surgical blue"]), bare.image_rgb)
    assert decision.outcome is Outcome.INCONCLUSIVE
    assert decision.reasons == (Reason.MOUTH_COVERED,)


@pytest.fixture(scope="module")
def masked_film(bare) -> bytes:
    """Two seconds of the masked photo, held before a camera by an unsteady hand."""
    image = masked(bare, **MASKS["surgical blue"])
    sway = np.sin(np.arange(50)[:, None] * [0.21, 0.17]) * 6
    moved = [np.array([[1.0, 0.0, x], [0.0, 1.0, y]]) for x, y in sway]
    size = image.shape[1], image.shape[0]
    film = [cv2.warpAffine(image, shift, size, borderMode=cv2.BORDER_REPLICATE) for shift in moved]
    return media_factory.encode(film, rate=25)


def test_a_video_of_somebody_in_a_mask_says_so(verifier: Verifier, bare, masked_film: bytes) -> None:
    """Before the own photo, in a whole check and in a comparison alone."""
    for ask in (verifier.check, verifier.compare):
        decision = ask(masked_film, bare.image_rgb, seed=1)
        assert decision.outcome is Outcome.INCONCLUSIVE
        assert decision.match is None
        assert decision.reasons[0] is Reason.MOUTH_COVERED


def test_a_video_is_not_compared_with_a_photo_in_a_mask(verifier: Verifier, bare, masked_film: bytes) -> None:
    decision = verifier.compare(masked_film, masked(bare, **MASKS["black"]), seed=1)
    assert decision.outcome is Outcome.INCONCLUSIVE
    assert decision.reasons[:2] == (Reason.REFERENCE_COVERED, Reason.MOUTH_COVERED)


@pytest.mark.parametrize("what", ["bare", "mask under the chin", "shadow"])
def test_what_leaves_nose_and_mouth_free_is_used(verifier: Verifier, bare, what: str) -> None:
    image = bare.image_rgb
    if what == "mask under the chin":
        image = masked(bare, (150, 190, 215), top=199)
        points = bare.face.points_px[:, :2].round().astype(int)
        low = int(points[17, 1]) + 4
        image[:low] = bare.image_rgb[:low]
    elif what == "shadow":
        image = image.copy()
        image[int(bare.face.points_px[1, 1]) :] = (image[int(bare.face.points_px[1, 1]) :] * 0.6).astype(np.uint8)
    assert isinstance(verifier.enrol(image), Assessed)

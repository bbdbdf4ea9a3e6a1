"""A reference photo: exactly one usable face, or a reason."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import stage

from idverify.faces.detection import DetectedFace
from idverify.faces.tracking import Tracker
from idverify.faces.uprightness import turned
from idverify.reasons import Assessed, NotAssessed, Reason
from idverify.verification.enrolment import (
    MAX_ROLL_DEG,
    PHOTO_SIDE_PX,
    RIVAL_SIZE,
    FaceModels,
    enrol,
    fit_face,
    search_faces,
)
from idverify.verification.verifier import _doubts_about_photos, _notes


def models(*detectors, mesh=None) -> FaceModels:
    return FaceModels(
        detectors=detectors or (stage.StageDetector(),), mesh=mesh or stage.StageMesh(), extractor=stage.extractor()
    )


def photo(cast: stage.Cast, size_wh=(640, 480)) -> np.ndarray:
    return stage.draw(cast, size_wh)


def test_one_face_is_enrolled_with_its_template_and_quality():
    found = enrol(photo({"ann": (320, 240, 150)}), models())
    assert isinstance(found, Assessed)
    face = found.value
    assert face.n_faces == 1
    assert face.template.n_faces == 1
    assert float(face.template.vector @ face.template.vector) == pytest.approx(1.0)
    assert all(0 <= value <= 100 for value in face.quality.values())
    assert face.face.bbox_xyxy_px == pytest.approx([245, 142.5, 395, 337.5], abs=2)


def test_no_face_is_unusable():
    found = enrol(photo({}), models())
    assert isinstance(found, NotAssessed)
    assert found.reason is Reason.REFERENCE_UNUSABLE
    assert "no face" in found.detail


@pytest.mark.parametrize("cast", [{}, {"ann": (180, 240, 150), "bob": (460, 240, 150)}, {"ann": (320, 240, 150)}])
def test_what_was_met_in_reading_a_photo_is_kept_whether_it_can_be_used_or_not(cast):
    found = enrol(photo(cast), models(), notes=("the file ends early",))
    notes = found.value.notes if isinstance(found, Assessed) else found.notes
    assert notes == ("the file ends early",)
    assert _notes("reference photo", found) == ("reference photo: the file ends early",)


@pytest.mark.parametrize("size_wh", [(1, 5000), (20_000, 4), (1, 1)])
def test_a_photo_of_hardly_any_width_shows_no_face(size_wh):
    found = enrol(np.zeros((size_wh[1], size_wh[0], 3), np.uint8), models())
    assert isinstance(found, NotAssessed)
    assert found.reason is Reason.REFERENCE_UNUSABLE


@pytest.mark.parametrize("second", [150, 120, 95])
def test_two_faces_of_similar_size_are_refused_in_either_order(second):
    one, other = {"ann": (180, 240, 150)}, {"bob": (460, 240, second)}
    for cast in (one | other, other | one):
        found = enrol(photo(cast), models())
        assert isinstance(found, NotAssessed)
        assert found.reason is Reason.REFERENCE_MULTIPLE_FACES


def test_a_small_face_behind_is_not_meant():
    found = enrol(photo({"ann": (220, 240, 150), "bob": (500, 150, 150 * RIVAL_SIZE * 0.8)}), models())
    assert isinstance(found, Assessed)
    assert found.value.n_faces == 2
    wanted = enrol(photo({"ann": (320, 240, 150)}), models())
    assert float(found.value.template.vector @ wanted.value.template.vector) == pytest.approx(1.0)


def test_half_a_face_is_unusable():
    """The detector's box is that of what is seen; its points and the mesh reach beyond the picture."""

    class Guessing(stage.StageDetector):
        def detect(self, image_rgb):
            whole = np.array([-75.0, 142.5]) + np.array([[42, 76], [108, 76], [75, 109], [75, 142]])
            return tuple(replace(face, keypoints_px=whole) for face in super().detect(image_rgb))

    class WholeFaces(stage.StageMesh):
        def fit(self, image_rgb, regions):
            points, presence = super().fit(image_rgb, regions)
            # The visible right half of a face that is twice as wide, its middle on the picture's left edge.
            return np.stack([stage.head_points((0.0, 240.0), 150.0)] * len(points)), presence

    found = enrol(photo({"ann": (0, 240, 150)}), models(Guessing(), mesh=WholeFaces()))
    assert isinstance(found, NotAssessed)
    assert found.reason is Reason.REFERENCE_UNUSABLE
    assert "face_cropped" in found.detail


def test_a_face_without_detail_is_unusable_and_says_what_is_wrong():
    flat = photo({"ann": (320, 240, 150)})
    flat[..., 1:] = 120
    found = enrol(flat, models())
    assert isinstance(found, NotAssessed)
    assert "blurry" in found.detail


def test_a_face_in_the_dark_is_unusable():
    dark = photo({"ann": (320, 240, 150)})
    dark[..., 1:] //= 16
    dark[..., 0][dark[..., 0] > 0] = stage.LEVELS["ann"]
    found = enrol((dark * [0.1, 1, 1]).astype(np.uint8), models(LevelAgain(), mesh=MeshAgain()))
    assert isinstance(found, NotAssessed)
    assert "too_dark" in found.detail


class LevelAgain(stage.StageDetector):
    """Finds a face in a darkened picture."""

    def detect(self, image_rgb):
        return super().detect(photo({"ann": (320, 240, 150)}))


class MeshAgain(stage.StageMesh):
    def fit(self, image_rgb, regions):
        return super().fit(photo({"ann": (320, 240, 150)}), regions)


def test_a_large_photo_is_shrunk_before_anything_else():
    large = photo({"ann": (1600, 1200, 700)}, (3200, 2400))
    found = enrol(large, models())
    assert isinstance(found, Assessed)
    assert max(found.value.image_rgb.shape) == PHOTO_SIDE_PX
    assert found.value.face.bbox_xyxy_px == pytest.approx(np.array([625, 372.5, 975, 827.5]), abs=4)


def test_landmarks_that_do_not_fit_are_a_reason():
    class NoFit(stage.StageMesh):
        def fit(self, image_rgb, regions):
            return super().fit(image_rgb, regions)[0], np.full(len(regions), 0.2)

    found = enrol(photo({"ann": (320, 240, 150)}), models(mesh=NoFit()))
    assert isinstance(found, NotAssessed)
    assert "landmarks" in found.detail


class Blind(stage.StageDetector):
    def detect(self, image_rgb):
        self.calls += 1
        return ()


def test_the_thorough_detectors_are_asked_only_where_the_fast_one_finds_nothing():
    fast, thorough, last = Blind(), stage.StageDetector(), stage.StageDetector()
    assert len(search_faces(photo({"ann": (320, 240, 150)}), (fast, thorough, last))) == 1
    assert (fast.calls, thorough.calls, last.calls) == (1, 1, 0)
    assert search_faces(photo({}), (Blind(), Blind())) == ()


def test_the_fit_is_centred_once_more():
    """A box that is off by a third still ends on the face."""
    box = np.array([280.0, 170.0, 430.0, 365.0])
    found = DetectedFace(
        bbox_xyxy_px=box, keypoints_px=np.array([[320.0, 230], [390, 230], [355, 260], [355, 300]]), detection_score=0.7
    )
    face = fit_face(photo({"ann": (320, 240, 150)}), found, stage.StageMesh())
    assert face is not None
    assert face.bbox_xyxy_px == pytest.approx([245, 142.5, 395, 337.5], abs=2)


class Drawn(stage.StageMesh):
    """Fits whoever stands beside a face, where the region is as wide as `from_side_px`."""

    def __init__(self, from_side_px):
        self.from_side_px = from_side_px

    def fit(self, image_rgb, regions):
        points, presence = super().fit(image_rgb, regions)
        for k, region in enumerate(regions):
            if region.side_px >= self.from_side_px:
                points[k, :, 0] += 110
        return points, presence


def test_a_face_beside_does_not_draw_the_landmarks_away():
    picture = photo({"ann": (320, 240, 150)})
    found = search_faces(picture, (stage.StageDetector(),))[0]
    # A face is 195 pixels high here, so a region is 292 wide at first and 234 when it is narrow.
    face = fit_face(picture, found, Drawn(from_side_px=270))
    assert face is not None
    assert face.bbox_xyxy_px == pytest.approx([245, 142.5, 395, 337.5], abs=2)


def test_landmarks_of_another_face_are_none():
    picture = photo({"ann": (320, 240, 150)})
    found = search_faces(picture, (stage.StageDetector(),))[0]
    assert fit_face(picture, found, Drawn(from_side_px=0)) is None
    tracker = Tracker(stage.StageDetector(), Drawn(from_side_px=0))
    luma = picture[..., 0]
    assert tracker.step(picture, luma, scale=1, frame_index=0, time_s=0.0) == []


def test_an_enrolled_face_shows_no_pixels():
    found = enrol(photo({"ann": (320, 240, 150)}), models())
    assert "array" not in repr(found)


# -- photos that lie or stand on their head --------------------------------------------------------------------------


class OneWayUp(stage.StageDetector):
    """Sees a face surely where the mark is in the middle of the picture's top, and less surely in any other turn."""

    def detect(self, image_rgb):
        middle = image_rgb.shape[1] // 2
        upright = image_rgb[:10, middle - 10 : middle + 10, 0].max() > 240
        return tuple(replace(f, detection_score=0.95 if upright else 0.7) for f in super().detect(image_rgb))


def marked() -> np.ndarray:
    image = photo({"ann": (320, 240, 150)})
    image[:10, 310:330] = 250
    return image


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_turned_photo_is_set_upright_and_that_is_said(turn):
    found = enrol(turned(marked(), turn), models(OneWayUp()), notes=("read in part",))
    assert isinstance(found, Assessed)
    assert np.array_equal(found.value.image_rgb, marked())
    assert len(found.value.notes) == (2 if turn else 1)
    assert found.value.notes[0] == "read in part"


@pytest.mark.parametrize(("presence", "turn", "sure"), [(0.99, 180, True), (0.9, 180, False), (0.9, 0, True)])
def test_a_face_that_was_found_by_a_turn_and_is_unsure_is_no_evidence_of_a_stranger(presence, turn, sure):
    class Mesh(stage.StageMesh):
        def fit(self, image_rgb, regions):
            points, found = super().fit(image_rgb, regions)
            return points, np.minimum(found, presence)

    ann = enrol(turned(marked(), turn), models(OneWayUp(), mesh=Mesh()))
    assert isinstance(ann, Assessed)
    assert ann.value.surely_set_upright is sure
    stranger = SimpleNamespace(matched=False)
    assert _doubts_about_photos(stranger, ann, ann) == (
        () if sure else (Reason.REFERENCE_ROTATED, Reason.MISALIGNED_FACE)
    )
    assert _doubts_about_photos(SimpleNamespace(matched=True), ann, ann) == ()


@pytest.mark.parametrize("asked", [[Reason.EYES_NOT_VISIBLE], [Reason.FACE_COVERED], [Reason.EYES_CLOSED], []])
def test_a_face_with_something_before_its_eyes_is_no_evidence_of_a_stranger(asked, monkeypatch):
    monkeypatch.setattr("idverify.verification.enrolment.quality.retry_reasons", lambda _: tuple(asked))
    ann = enrol(marked(), models(OneWayUp()))
    assert isinstance(ann, Assessed), "it is compared"
    covered = bool({Reason.EYES_NOT_VISIBLE, Reason.FACE_COVERED} & set(asked))
    expected = (Reason.REFERENCE_COVERED, Reason.FACE_COVERED) if covered else ()
    assert _doubts_about_photos(SimpleNamespace(matched=False), ann, ann) == expected
    assert _doubts_about_photos(SimpleNamespace(matched=True), ann, ann) == ()


def test_a_head_that_stays_tilted_is_no_evidence_of_a_stranger():
    class Tilted(stage.StageMesh):
        def fit(self, image_rgb, regions):
            points, presence = super().fit(image_rgb, regions)
            tilted = stage.head_points((320.0, 240.0), 150.0, roll_deg=MAX_ROLL_DEG + 5)
            return np.stack([tilted] * len(points)), presence

    found = enrol(photo({"ann": (320, 240, 150)}), models(mesh=Tilted()))
    assert isinstance(found, NotAssessed)
    assert found.reason is Reason.REFERENCE_ROTATED

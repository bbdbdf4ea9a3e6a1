"""Quality: each fault lowers its own component, hardly any other, and reaches its retry code."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import stage
from hypothesis import given
from hypothesis import strategies as st

from idverify.faces.landmarks import eye_opening, head_pose_deg, inter_eye_distance
from idverify.faces.quality import (
    ADVISED,
    CHIP,
    FLOORS,
    components,
    handicaps,
    measure,
    retry_reasons,
    unified_score,
    visibility,
)
from idverify.reasons import Reason

SIZE_WH = (640, 480)
# Levels of a component that count as hardly any change.
ASIDE = 12.0


def face_chip() -> np.ndarray:
    """A drawn face: skin with fine detail, dark eyes and brows, a mouth [shape=(96, 96, 3)]."""
    rng = np.random.default_rng(4)
    noise = cv2.GaussianBlur(rng.normal(0, 1, (96, 48)), (0, 0), 0.7)
    luma = 150 + 12 * np.hstack([noise, noise[:, ::-1]]) / noise.std()
    for x in (33, 63):
        cv2.ellipse(luma, (x, 40), (7, 3), 0, 0, 360, 40.0, -1)
        cv2.ellipse(luma, (x, 32), (9, 2), 0, 0, 360, 70.0, -1)
    cv2.ellipse(luma, (48, 69), (10, 3), 0, 0, 360, 100.0, -1)
    return np.clip(luma[..., None] * [1.15, 0.95, 0.85], 0, 255).astype(np.uint8)


def look(chip=None, *, points=None, surround=150.0, covered=(0.02, 0.02), **changes) -> dict[str, float]:
    """Components of one face; `changes` replace the measured values."""
    chip = face_chip() if chip is None else np.clip(chip, 0, 255).astype(np.uint8)
    points = stage.head_points((320, 240), 150) if points is None else points
    given = {
        "picture_size_wh": SIZE_WH,
        "inter_eye_px": inter_eye_distance(points)[None],
        "pose_deg": head_pose_deg(points)[None],
        "eyes": eye_opening(points)[None],
        "surround": np.array([surround]),
    } | changes
    values = components(measure(chip[None], points[None], **given)) | visibility(np.array([covered]))
    return {name: float(v[0]) for name, v in values.items()}


def blurred(chip, sigma=2.5):
    return cv2.GaussianBlur(chip, (0, 0), sigma)


def half_shadow(chip):
    out = chip.astype(float)
    out[:, :48] *= 0.25
    return out


def dark_glasses(chip):
    out = chip.copy()
    out[28:50, 18:78] = 25
    return out


def scarf(chip):
    out = chip.copy()
    out[56:] = (90, 90, 250)
    return out


# Name -> (picture or mesh of the fault, the component it lowers, others that it may lower as well).
FAULTS = {
    "a blurred face": ({"chip": blurred(face_chip(), 5.0)}, "Sharpness", {"EyesVisible"}),
    "a face in the dark": ({"chip": face_chip() * 0.08}, "UnderExposurePrevention", {"BacklightPrevention"}),
    "a burnt-out face": (
        {"chip": face_chip() * 0.2 + 225.0},
        "OverExposurePrevention",
        {"EyesVisible", "Sharpness", "IlluminationUniformity"},
    ),
    "a face before a window": (
        {"chip": face_chip() * 0.22, "surround": 250.0},
        "BacklightPrevention",
        {"UnderExposurePrevention"},
    ),
    "a shadow on one half": (
        {"chip": half_shadow(face_chip())},
        "IlluminationUniformity",
        {"UnderExposurePrevention", "BacklightPrevention"},
    ),
    "dark glasses": (
        {"chip": dark_glasses(face_chip())},
        "EyesVisible",
        {"UnderExposurePrevention", "FaceOcclusionPrevention"},
    ),
    "a nose that is seen to be covered": ({"covered": (0.95, 0.1)}, "NoseOcclusionPrevention", set()),
    "a mouth that is seen to be covered": ({"covered": (0.1, 0.95)}, "MouthOcclusionPrevention", set()),
    "a scarf": ({"chip": scarf(face_chip())}, "FaceOcclusionPrevention", set()),
    "a head turned aside": ({"points": stage.head_points((320, 240), 150, yaw_deg=60)}, "HeadPoseYaw", set()),
    "a head looking up": ({"points": stage.head_points((320, 240), 150, pitch_deg=60)}, "HeadPosePitch", {"FaceSize"}),
    "a head on its side": ({"points": stage.head_points((320, 240), 150, roll_deg=85)}, "HeadPoseRoll", set()),
    "closed eyes": ({"points": stage.head_points((320, 240), 150, eye=0.03)}, "EyesOpen", set()),
    "a face far away": ({"points": stage.head_points((320, 240), 22)}, "FaceSize", {"InterEyeDistance"}),
    "a face too close": ({"points": stage.head_points((320, 240), 520)}, "FaceDistance", {"FaceInside"}),
    "few pixels": ({"inter_eye_px": np.array([11.0])}, "InterEyeDistance", set()),
    "a face half outside": ({"points": stage.head_points((10, 240), 150)}, "FaceInside", set()),
}


def test_a_good_face_is_good_and_within_bounds():
    values = look()
    assert min(values.values()) >= 60
    assert retry_reasons(values) == handicaps(values) == ()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_lowers_its_own_component_and_little_else(fault):
    changes, name, also = FAULTS[fault]
    good, bad = look(), look(**changes)
    assert bad[name] < good[name] - 40
    spoilt = {other for other in good if bad[other] < good[other] - ASIDE} - {name}
    assert spoilt <= also
    assert all(0 <= value <= 100 for value in bad.values())


def test_each_retry_code_is_reached_by_a_fault():
    reached = set().union(*(retry_reasons(look(**changes)) for changes, _, _ in FAULTS.values()))
    assert reached >= {reason for _, reason in FLOORS.values()}


def test_floors_name_components_and_codes_with_advice():
    assert set(FLOORS) <= set(look())
    assert all(0 < floor < 100 and reason.guidance for floor, reason in FLOORS.values())


def test_whoever_is_turned_away_was_advised_before():
    shared = [name for name in FLOORS if name != "EyesOpen"]  # eyes are looked at closely, and by another model
    assert set(shared) <= set(ADVISED) <= set(look())
    assert all(ADVISED[name][0] > FLOORS[name][0] and ADVISED[name][1] is FLOORS[name][1] for name in shared)
    for changes, name, _ in FAULTS.values():
        if name in ADVISED:
            assert ADVISED[name][1] in handicaps(look(**changes))


def surgical_mask(chip, rgb=(176, 208, 222)):
    out = chip.copy()
    out[44:] = rgb
    return out


def full_beard(chip):
    out = chip.copy()
    out[62:, 16:80] = (45, 38, 34)
    return out


@pytest.mark.parametrize("rgb", [(176, 208, 222), (235, 235, 232), (40, 42, 46)])
def test_a_mask_of_any_colour_covers_and_a_beard_does_not(rgb):
    assert Reason.FACE_COVERED in handicaps(look(surgical_mask(face_chip(), rgb)))
    assert Reason.FACE_COVERED not in handicaps(look(full_beard(face_chip())))


@given(tilt=st.floats(-12, 12))
def test_a_head_hardly_tilted_needs_no_advice(tilt):
    assert handicaps(look(points=stage.head_points((320, 240), 150, roll_deg=tilt))) == ()


@given(tilt=st.floats(20, 70))
def test_a_tilted_head_does(tilt):
    assert handicaps(look(points=stage.head_points((320, 240), 150, roll_deg=tilt)))[0] is Reason.MISALIGNED_FACE


def test_the_most_useful_advice_comes_first_and_once():
    values = look(points=stage.head_points((5, 240), 150, yaw_deg=60, pitch_deg=60))
    reasons = retry_reasons(values | {"HeadPoseYaw": 0.0, "HeadPosePitch": 0.0})
    assert reasons[0] is Reason.FACE_CROPPED
    assert len(set(reasons)) == len(reasons)
    assert Reason.MISALIGNED_FACE in reasons


@given(sigmas=st.lists(st.floats(0.4, 3), min_size=2, max_size=2).map(sorted))
def test_more_blur_is_never_sharper(sigmas):
    less, more = (look(blurred(face_chip(), s))["Sharpness"] for s in sigmas)
    assert more <= less + 1.0


@given(gain=st.floats(0.6, 1.15))
def test_sharpness_is_free_of_contrast(gain):
    assert look(face_chip() * gain)["Sharpness"] == pytest.approx(look()["Sharpness"], abs=8)


@given(gains=st.lists(st.floats(0.02, 1.0), min_size=2, max_size=2).map(sorted))
def test_less_light_is_never_better_exposed(gains):
    dark, light = (look(face_chip() * g)["UnderExposurePrevention"] for g in gains)
    assert dark <= light


def test_both_halves_count_alike():
    shadow = half_shadow(face_chip())
    one, other = look(shadow), look(shadow[:, ::-1])
    assert one["IlluminationUniformity"] == pytest.approx(other["IlluminationUniformity"], abs=3)


def test_many_faces_are_measured_as_each_alone():
    chips = [face_chip(), blurred(face_chip()), (face_chip() * 0.3).astype(np.uint8)]
    points = np.stack([stage.head_points((320, 240), 100 + 40 * k, yaw_deg=9 * k) for k in range(3)])
    surround = np.array([150.0, 90.0, 200.0])
    together = components(
        measure(
            np.stack(chips),
            points,
            picture_size_wh=SIZE_WH,
            inter_eye_px=inter_eye_distance(points),
            pose_deg=head_pose_deg(points),
            eyes=eye_opening(points),
            surround=surround,
        )
    )
    for k, chip in enumerate(chips):
        alone = look(chip, points=points[k], surround=surround[k])
        assert {name: float(v[k]) for name, v in together.items()} == pytest.approx({n: alone[n] for n in together})


def test_no_faces_give_no_values():
    none = np.empty(0)
    values = components(
        measure(
            np.empty((0, CHIP.size_px, CHIP.size_px, 3), np.uint8),
            np.empty((0, 468, 3), np.float32),
            picture_size_wh=SIZE_WH,
            inter_eye_px=none,
            pose_deg=np.empty((0, 3)),
            eyes=np.empty((0, 2)),
            surround=none,
        )
    )
    assert all(v.shape == (0,) for v in values.values())


@given(
    values=st.fixed_dictionaries({name: st.floats(0, 100) for name in look()}),
    name=st.sampled_from(sorted(look())),
    more=st.floats(0, 100),
)
def test_the_unified_score_is_a_weight_and_never_falls_when_a_component_rises(values, name, more):
    before = float(unified_score({k: np.array([v]) for k, v in values.items()})[0])
    raised = values | {name: max(values[name], more)}
    after = float(unified_score({k: np.array([v]) for k, v in raised.items()})[0])
    assert 0 < before <= after + 1e-12 <= 1 + 1e-9

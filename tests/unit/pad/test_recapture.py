"""Recapture: geometry of its views, flat memory, robust pooling, abstention, the card, and the network itself."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify import models
from idverify.errors import CalibrationError
from idverify.models.session import Session
from idverify.pad import recapture
from idverify.pad.evidence import Status
from idverify.reasons import Reason

SPEC = models.spec("recapture")
BOX = np.array([100.0, 80.0, 180.0, 190.0])


@dataclass
class Says:
    """A session that gives one frame after another the recapture logit it is told, all of it from the tight view."""

    values: np.ndarray
    spec: models.ModelSpec = SPEC
    n_asked: int = 0

    def run(self, views):
        logits = np.zeros((len(views), 5), np.float32)
        logits[:, 0] = -np.take(self.values, np.arange(self.n_asked, self.n_asked + len(views)), mode="wrap")
        self.n_asked += len(views)
        return (logits,)


def textured(n: int = 8, level: float = 120.0, sigma: float = 40.0) -> np.ndarray:
    noise = np.random.default_rng(5).normal(level, sigma, (n, 96, recapture.STRIP_PX, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


def smooth(n: int = 8) -> np.ndarray:
    """Much contrast, all of it coarse."""
    wave = 120 + 80 * np.sin(2 * np.pi * np.arange(recapture.STRIP_PX) / 60)
    return np.broadcast_to(wave.astype(np.uint8)[:, None], (n, 96, recapture.STRIP_PX, 3)).copy()


def judged(values, views=None, face_px=120.0, session=None):
    views = textured() if views is None else views
    times = np.arange(len(views)) * 0.4
    return recapture.assess(times, np.full(len(views), face_px), views, session or Says(np.atleast_1d(values)))


# -- views -----------------------------------------------------------------------------------------


BOXES = st.builds(
    lambda x, y, w, h: np.array([x, y, x + w, y + h]),
    st.floats(-50, 400),
    st.floats(-50, 400),
    st.floats(20, 300),
    st.floats(20, 300),
)


@given(BOXES, st.floats(0.3, 4))
def test_views_of_the_face_are_centred_nested_and_scale_with_it(box, scale):
    tight, wide = recapture.face_boxes(box)
    np.testing.assert_allclose((tight[:2] + tight[2:]) / 2, (box[:2] + box[2:]) / 2, atol=1e-6)
    np.testing.assert_allclose(wide[:2] + wide[2:], tight[:2] + tight[2:], atol=1e-6)
    assert (wide[:2] < tight[:2]).all()
    assert (tight[:2] < box[:2]).all()
    assert np.ptp(wide[2:] - wide[:2]) < 1e-6
    np.testing.assert_allclose(recapture.face_boxes(box * scale), recapture.face_boxes(box) * scale, atol=1e-6)


@given(BOXES, st.integers(20, 900), st.integers(20, 900))
def test_views_of_the_setting_lie_inside_the_picture_and_nest(box, width, height):
    boxes = recapture.setting_boxes(box, (width, height))
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= (width, height)).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    near, far = boxes
    assert ((near[2:] - near[:2]) <= (far[2:] - far[:2]) + 1).all()


def test_views_of_the_setting_hold_the_face_where_there_is_room():
    box = np.array([300.0, 300.0, 400.0, 400.0])
    near, far = recapture.setting_boxes(box, (700, 700))
    for view, scale in ((near, 2.7), (far, 4.0)):
        assert view[2] - view[0] == pytest.approx(scale * 100, abs=2)
        assert view[3] - view[1] == pytest.approx(scale * 112, abs=2)


@given(BOXES, st.integers(20, 900), st.integers(20, 900))
def test_the_view_of_the_scene_lies_inside_the_picture(box, width, height):
    left, top, right, bottom = recapture.scene_box(box, (width, height))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


def test_the_view_of_the_scene_is_all_of_a_selfie_and_a_part_of_a_far_view():
    selfie = np.array([120.0, 250.0, 360.0, 550.0])
    assert recapture.scene_box(selfie, (480, 854)).tolist() == [0, 0, 480, 854]
    far = np.array([900.0, 450.0, 1000.0, 550.0])
    assert recapture.scene_box(far, (1920, 1080)).tolist() == [720, 270, 1180, 730]


def test_a_strip_keeps_every_view():
    parts = [np.full((side, side, 3), k + 1, np.uint8) for k, side in enumerate((96, 96, 96, 80, 80))]
    made = recapture.strip(parts)
    assert made.shape == (96, 448, 3)
    for part, left in zip(parts, (0, 96, 192, 288, 368), strict=True):
        np.testing.assert_array_equal(made[: len(part), left : left + len(part)], part)
    assert not made[80:, 288:].any()


class _Film:
    """A frame that cuts crops of the size asked for, all of one brightness: the index of the frame."""

    def __init__(self, index):
        self.index = index

    def crop_rgb(self, box, size_wh):
        return np.full((size_wh[1], size_wh[0], 3), self.index % 251, np.uint8)


@pytest.mark.parametrize("seconds", [1, 4, 30, 300])
def test_memory_is_flat_and_frames_are_spread(seconds):
    observer = recapture.Recapture()
    for index in range(seconds * 15):
        face = SimpleNamespace(time_s=index / 15, bbox_xyxy_px=BOX)
        working = np.full((240, 320, 3), index % 251, np.uint8)
        observer.observe(SimpleNamespace(frame=_Film(index), image_rgb=working, scale=1.0), face)
    times, sizes, views = observer.signals()
    assert len(times) == len(sizes) == len(views) <= 15
    assert len(times) >= min(5 * seconds, 8)
    assert times[-1] - times[0] >= 0.75 * (seconds - 0.2)
    gaps = np.diff(times)
    assert gaps.max() <= 2.05 * gaps.min()
    assert (sizes == 80).all()


def test_nothing_seen_is_not_assessed():
    evidence = recapture.assess(*recapture.Recapture().signals(), Says(np.zeros(1)))
    assert evidence.status is Status.NOT_ASSESSED
    assert evidence.bona_fide_llr is None
    assert evidence.reason is not None


# -- pooling and LLR -------------------------------------------------------------------------------


@given(st.lists(st.floats(-20, 20), min_size=8, max_size=16), st.randoms(use_true_random=False))
def test_a_quarter_of_odd_frames_moves_nothing_beyond_the_others(values, random):
    values = np.array(values)
    n_odd = len(values) // 4
    odd = values.copy()
    odd[random.sample(range(len(values)), n_odd)] = 1e6
    assert recapture.pooled(odd) <= values.max() + 1e-9
    assert recapture.pooled(values[::-1]) == pytest.approx(recapture.pooled(values))
    assert recapture.pooled(values + 1) == pytest.approx(recapture.pooled(values) + 1)


@settings(max_examples=25, deadline=None)
@given(st.floats(-40, 40), st.floats(0, 20))
def test_more_recapture_never_speaks_more_for_bona_fide(value, more):
    low, high = judged(value), judged(value + more)
    assert high.native >= low.native
    assert high.bona_fide_llr <= low.bona_fide_llr
    assert high.decisive >= low.decisive


def test_proof_is_named_and_bounded():
    proof, praise = judged(60.0), judged(-60.0)
    assert proof.decisive
    assert proof.reason is Reason.PRESENTATION_ATTACK
    assert -3 < proof.bona_fide_llr < 0 < praise.bona_fide_llr < 3
    assert not praise.decisive
    assert praise.reason is None


def test_one_glaring_frame_proves_nothing():
    assert not judged(np.r_[np.full(7, -5.0), 90.0]).decisive


def test_frames_that_light_has_blown_out_are_left_out():
    lit = np.concatenate([textured(5), textured(7, level=254.0, sigma=2.0), textured(4)])
    left, alone = judged(np.arange(9.0), lit), judged(np.arange(9.0), textured(9))
    assert left.native == alone.native
    np.testing.assert_array_equal(left.times_s, np.r_[:5, 12:16] * 0.4)


def test_card_of_another_network_is_refused():
    other = replace(SPEC, sha256="0" * 64)
    with pytest.raises(CalibrationError, match="fitted on the network"):
        judged(0.0, session=Says(np.zeros(1), other))


# -- abstention ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("views", "face_px", "reason"),
    [
        (textured(2), 120.0, Reason.VIDEO_TOO_SHORT),
        (textured(), 30.0, Reason.LOW_RESOLUTION),
        (textured(level=8.0, sigma=4.0), 120.0, Reason.TOO_DARK),
        (textured(level=254.0, sigma=2.0), 120.0, Reason.TOO_BRIGHT),
        (smooth(), 120.0, Reason.BLURRY),
    ],
    ids=["short", "small", "dark", "bright", "blurred"],
)
def test_what_cannot_be_seen_is_not_judged(views, face_px, reason):
    evidence = judged(60.0, views, face_px)
    assert evidence.status is Status.NOT_ASSESSED
    assert evidence.reason is reason
    assert not evidence.decisive


def overlaid(colour, *, open_to: int = 0, shoulders: bool = False) -> np.ndarray:
    """Views of a picture of noise over which all but an ellipse around the face is painted."""
    noise, observer = np.random.default_rng(7), recapture.Recapture()
    box = np.array([120.0, 90.0, 200.0, 200.0])
    for index in range(30):
        painted = noise.integers(0, 256, (320, 320, 3), np.uint8)
        hidden = np.full((320, 320), 255, np.uint8)
        cv2.ellipse(hidden, (160, 145), (95, 125), 0, 0, 360, 0, -1)
        hidden[:open_to, 40:280] = 0
        if shoulders:
            hidden[230:, 70:250] = 0
        painted[hidden > 0] = colour
        film = SimpleNamespace(crop_rgb=lambda b, size, picture=painted: cv2.resize(picture[90:200, 120:200], size))
        face = SimpleNamespace(time_s=index / 10, bbox_xyxy_px=box)
        observer.observe(SimpleNamespace(frame=film, image_rgb=painted, scale=1.0), face)
    return observer.signals()[2]


@pytest.mark.parametrize("colour", [(255, 255, 255), (20, 20, 20), (0, 0, 0), (30, 120, 60)])
@pytest.mark.parametrize("value", [60.0, -60.0])
@pytest.mark.parametrize("open_to", [0, 150], ids=["all around", "open above"])
def test_what_is_drawn_around_the_face_neither_proves_an_attack_nor_a_person(colour, value, open_to):
    evidence = judged(value, overlaid(colour, open_to=open_to))
    assert evidence.status is Status.NOT_ASSESSED
    assert evidence.reason is Reason.SURROUNDINGS_HIDDEN
    assert not evidence.decisive
    # A plain wall is not drawn: whoever sits before it reaches the lower side.
    assert judged(value, overlaid(colour, shoulders=True)).status is Status.ASSESSED


# -- the network -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def session():
    return Session("recapture", threads=1)


def test_network_is_small_bundled_and_the_manifest_s():
    assert SPEC.bundled
    assert len(models.load_bytes(SPEC)) <= 4_000_000


def test_each_frame_is_judged_by_itself(session):
    views = np.random.default_rng(1).integers(0, 256, (7, 96, 448, 3), np.uint8)
    together = recapture.frame_logits(views, session)
    alone = np.concatenate([recapture.frame_logits(views[k : k + 1], session) for k in range(7)])
    assert together.shape == (7, 5)
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together, alone, atol=1e-3)
    np.testing.assert_allclose(recapture.frame_logits(views[::-1], session), together[::-1], atol=1e-3)


@pytest.mark.benchmark
def test_time_of_a_crop(session, benchmark):
    views = np.zeros((4, 96, 448, 3), np.uint8)
    benchmark(session.run, views)
    assert benchmark.stats.stats.min / 20 <= 3e-3


def test_inference_stays_in_the_time_allowed(session):
    views = np.zeros((4, 96, 448, 3), np.uint8)
    session.run(views)
    spent = []
    for _ in range(8):
        start = time.process_time()
        session.run(views)
        spent.append(time.process_time() - start)
    assert min(spent) / 20 <= 3e-3


@pytest.mark.parametrize("species", ["print_cutout", "print_bent", "replay_phone", "replay_tablet_glare"])
def test_a_picture_of_the_portrait_is_more_suspicious_than_the_portrait(species, portrait, session, verifier):
    from idverify.simulation import render
    from idverify.simulation.faces import default_locate

    locate = default_locate()
    shots = render(species, portrait, seed=3, size_wh=(360, 640), duration_s=3.0, rate_hz=1.0, locate=locate).shots
    attack = [_logit(shot.image_rgb, locate, session) for shot in shots]
    assert np.median(attack) > _logit(portrait, locate, session) + 1.0


def _logit(image, locate, session):
    mesh = locate(image)
    box = np.concatenate([mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)])
    views = [_cut(image, b) for b in recapture.face_boxes(box)]
    left, top, right, bottom = recapture.scene_box(box, image.shape[1::-1])
    views.append(cv2.resize(image[top:bottom, left:right], (96, 96), interpolation=cv2.INTER_AREA))
    for left, top, right, bottom in recapture.setting_boxes(box, image.shape[1::-1]):
        views.append(cv2.resize(image[top:bottom, left:right], (80, 80), interpolation=cv2.INTER_AREA))
    weights, _ = recapture.load_card(SPEC.sha256)
    return float((recapture.frame_logits(recapture.strip(views)[None], session) * weights).sum())


def _cut(image, box):
    margin = 600
    framed = cv2.copyMakeBorder(image, *[margin] * 4, cv2.BORDER_REPLICATE)
    left, top, right, bottom = np.rint(box + margin).astype(int)
    return cv2.resize(framed[top:bottom, left:right], (96, 96), interpolation=cv2.INTER_AREA)

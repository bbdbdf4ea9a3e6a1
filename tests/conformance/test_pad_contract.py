"""One contract for every liveness mechanism. A new one joins by one row in CASES."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from motion_scenes import RATE_HZ, blinking, face, head, look, photograph

from idverify.models.manifest import spec
from idverify.pad import (
    context_motion,
    depth,
    eye_stillness,
    identity_continuity,
    liveliness,
    mouth_stillness,
    pulse,
    recapture,
    reference_reuse,
    screen_rhythm,
    skin_change,
    stillness,
    texture_constancy,
)
from idverify.pad._strips import FaceStrips
from idverify.pad.evidence import PADEvidence, Status
from idverify.pad.motion import MotionObserver
from idverify.pad.panel import MECHANISMS, PADInputs, Panel
from idverify.reasons import Reason

SIDE = reference_reuse.CROP_SIDE_PX


@dataclass(frozen=True)
class Case:
    """A mechanism, its answer to no signal at all, and arguments with something to judge."""

    name: str
    unit: str
    assess: Callable[..., PADEvidence]
    nothing: tuple
    something: tuple[tuple, ...]
    may_accuse: bool = True


def _crops(seed: int, n: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (n, SIDE, SIDE)).astype(np.uint8)



def _shade(wander: float) -> texture_constancy.ShadeSignals:
    rng = np.random.default_rng(5)
    sway = wander * np.sin(3 * TIMES_S[:, None] + rng.uniform(0, 6, len(texture_constancy.SKIN)))
    shade = np.log(120) + sway + rng.normal(0, 0.005, sway.shape)
    slope = np.full(sway.shape[1], 0.005, np.float32)
    return texture_constancy.ShadeSignals(times_s=TIMES_S, shade=shade.astype(np.float32), slope=slope)


def _alike(people: str) -> tuple[identity_continuity.Likenesses]:
    who = np.array(list(people))
    similarity = np.where(who[:, None] == who, 0.9, 0.4) if people else np.empty((0, 0))
    return (identity_continuity.Likenesses(times_s=np.arange(len(who), dtype=float), similarity=similarity),)


def _eyes(n: int, blinks: float) -> eye_stillness.EyeSignals:
    times_s = np.arange(n) / 15.0
    change = 0.005 + blinks * np.tile((times_s % 2 < 0.3)[:, None], 2)
    return eye_stillness.EyeSignals(
        times_s=times_s, change=change, window=(times_s // 5).astype(np.int64), eyes_px=np.full(n, 90.0),
        followed_s=times_s,
    )  # fmt: skip


TIMES_S = np.arange(180) / 15.0
BEAT = np.sin(2 * np.pi * 1.2 * TIMES_S)
COLOURS = 120 + 0.6 * BEAT[:, None, None] + np.random.default_rng(2).normal(0, 0.3, (len(TIMES_S), 4, 3))
ROWS = 100 + np.random.default_rng(3).normal(0, 1, (len(TIMES_S), 24))
PEAKS = np.column_stack([np.linspace(0.5, 10, 6), np.linspace(4, 9, 6)])
NOTHING = (MotionObserver().signals(),)
FILMS = {
    "still": photograph(5.4, sway=1.0, noise=2).signals(),
    "blinks": blinking(photograph(5.4, noise=2)).signals(),
    "turns": head(5.4).signals(),
}
MOTION = tuple((s,) for s in FILMS.values())
VIEWS = np.random.default_rng(4).integers(0, 255, (6, 96, recapture.STRIP_PX, 3)).astype(np.uint8)
FRAMES = (np.arange(6) * 0.3, np.full(6, 120.0))


def _network_says(views: np.ndarray, logit: np.ndarray) -> PADEvidence:
    """Its answers by hand, in place of the network."""
    def run(strips):
        return (np.full((len(strips), 5), logit.item(), np.float32),)

    session = SimpleNamespace(spec=spec("recapture"), run=run)
    return recapture.assess(*(signal[: len(views)] for signal in FRAMES), views, session)


def _reused(crops, photo):
    """Both ways of looking: the crops as they are, and as strips that are turned otherwise than the photo."""
    rows = np.resize(crops, (len(crops), 96, 96))
    strips = FaceStrips(luma=rows, yaw_pitch_deg=np.full((len(rows), 2), 6.0))
    shown = FaceStrips(luma=np.resize(photo, (1, 96, 96)), yaw_pitch_deg=np.zeros((1, 2)))
    return reference_reuse.assess(crops, strips, reference_reuse.ReferenceFace(crop=photo, strip=shown))


def _trees_say(signals: skin_change.StripSignals, logit: np.ndarray) -> PADEvidence:
    """Their answers by hand, in place of the model."""
    def run(rows):
        return (np.full((len(rows), 1), logit.item(), np.float32),)

    return skin_change.assess(signals, SimpleNamespace(run=run))


def _windows(n: int) -> skin_change.StripSignals:
    features = np.zeros((n, skin_change.N_FEATURES), np.float32)
    return skin_change.StripSignals(
        times_s=np.arange(n) * 2.7, features=features, frames=20 * n, face_px=120.0, rate_hz=7.5
    )


CASES = [
    Case(
        "recapture",
        recapture.UNIT,
        _network_says,
        (VIEWS[:0], np.zeros(1)),
        tuple((VIEWS, np.array([logit])) for logit in (-30.0, 0.0, 30.0)),
    ),
    Case("stillness", stillness.UNIT, stillness.assess, NOTHING, MOTION),
    Case("depth", depth.UNIT, depth.assess, NOTHING, MOTION),
    Case("liveliness", liveliness.UNIT, liveliness.assess, NOTHING, MOTION, may_accuse=False),
    Case("mouth_stillness", mouth_stillness.UNIT, mouth_stillness.assess, NOTHING, MOTION),
    Case(
        "eye_stillness",
        eye_stillness.UNIT,
        eye_stillness.assess,
        (_eyes(0, 0.0),),
        ((_eyes(90, 0.0),), (_eyes(90, 0.5),)),
    ),
    Case("context_motion", context_motion.UNIT, context_motion.assess, NOTHING, MOTION),
    Case(
        "reference_reuse",
        reference_reuse.UNIT,
        _reused,
        (_crops(0, 0), _crops(1, 1)[0]),
        ((_crops(0), _crops(1, 1)[0]), (_crops(1), _crops(1)[0])),
    ),
    Case(
        "screen_rhythm",
        screen_rhythm.UNIT,
        screen_rhythm.assess,
        (PEAKS[:0], TIMES_S, ROWS),
        ((PEAKS, TIMES_S, ROWS),),
    ),
    Case(
        "skin_change",
        skin_change.UNIT,
        _trees_say,
        (_windows(0), np.zeros(1)),
        tuple((_windows(3), np.array([logit])) for logit in (-6.0, 0.0, 6.0)),
    ),
    Case(
        "texture_constancy",
        texture_constancy.UNIT,
        texture_constancy.assess,
        (texture_constancy.SkinShade().signals(),),
        ((_shade(0.0),), (_shade(0.05),)),
    ),
    Case(
        "identity_continuity",
        identity_continuity.UNIT,
        identity_continuity.assess,
        _alike(""),
        (_alike("aaaaaa"), _alike("aaaaba"), _alike("aaabbb")),
    ),
    Case("pulse", pulse.UNIT, pulse.assess, (TIMES_S[:0], COLOURS[:0]), ((TIMES_S, COLOURS),), may_accuse=False),
]


def all_evidence(case: Case) -> list[PADEvidence]:
    return [case.assess(*arguments) for arguments in (case.nothing, *case.something)]


@pytest.fixture(params=CASES, ids=lambda c: c.name)
def case(request) -> Case:
    return request.param


def test_no_signal_is_not_assessed_and_says_what_to_do(case):
    evidence = case.assess(*case.nothing)
    assert evidence.status is Status.NOT_ASSESSED
    assert evidence.bona_fide_llr is None
    assert evidence.reason is not None
    assert evidence.reason.guidance
    assert not evidence.decisive


@pytest.mark.parametrize("followed", [0, 3, 10])
@pytest.mark.parametrize("scarcity", [Reason.VIDEO_TOO_SHORT, Reason.FACE_LOST, Reason.LOW_FRAME_RATE])
def test_only_the_recording_says_why_there_is_little_of_a_face(followed, scarcity):
    panel = Panel(recapture=None, skin_change=None)
    observers = {name: make() for name, make in panel.factories.items()}
    film = photograph(1.0)
    for i in range(followed):
        seen = face(film.anchors[i], i / RATE_HZ, i)
        for name in ("motion", "eye_stillness", "texture_constancy", "skin_change"):
            observers[name].observe(look(film.pictures[i]), seen)
    inputs = PADInputs(track=None, observers=observers, likenesses=_alike("")[0], scarcity=scarcity)
    found = panel.assess(inputs, panel.see(observers))
    told = {e.name: e.reason for e in found if e.status is Status.NOT_ASSESSED}
    named = ("stillness", "recapture", "eye_stillness", "skin_change", "texture_constancy")
    assert [told[name] for name in named] == [scarcity] * len(named)
    assert scarcity is Reason.VIDEO_TOO_SHORT or Reason.VIDEO_TOO_SHORT not in told.values()


def test_something_is_assessed_at_least_once(case):
    assert any(e.status is Status.ASSESSED for e in all_evidence(case))


def test_name_and_unit_are_its_own(case):
    assert {(e.name, e.unit) for e in all_evidence(case)} == {(case.name, case.unit)}


def test_numbers_are_finite_and_bounded(case):
    for evidence in all_evidence(case):
        if evidence.status is Status.ASSESSED:
            assert np.isfinite(evidence.native)
            assert abs(evidence.bona_fide_llr) < 12
            assert case.may_accuse or evidence.bona_fide_llr >= 0


def test_a_finding_is_named_and_negative(case):
    for evidence in all_evidence(case):
        if evidence.decisive:
            assert evidence.reason is not None
            assert evidence.bona_fide_llr < 0


def test_series_fit_together_and_run_forward(case):
    for evidence in all_evidence(case):
        assert evidence.times_s.shape == evidence.values.shape
        assert (np.diff(evidence.times_s) >= 0).all()
        assert np.isfinite(evidence.values).all()


def test_same_signals_same_evidence_and_nothing_changed(case):
    for arguments in case.something:
        before = [_bytes(a) for a in arguments]
        first, second = case.assess(*arguments), case.assess(*arguments)
        assert (first.native, first.bona_fide_llr, first.detail) == (second.native, second.bona_fide_llr, second.detail)
        assert [_bytes(a) for a in arguments] == before


def test_text_shows_no_arrays(case):
    for evidence in all_evidence(case):
        assert "array" not in repr(evidence)
        assert evidence.detail
        assert "nan" not in evidence.detail.lower()


def _bytes(value: object) -> bytes:
    if isinstance(value, np.ndarray):
        return value.tobytes()
    return b"".join(np.asarray(getattr(value, n)).tobytes() for n in type(value).__slots__)


def test_every_mechanism_of_the_panel_has_a_case():
    assert {case.name for case in CASES} == set(MECHANISMS)

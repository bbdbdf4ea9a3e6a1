"""The strong attackers: driven photos, forged answers, flashes, blends and swaps do what they are named for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from idverify.cli.simulate import simulate_command
from idverify.errors import ParameterError
from idverify.faces.landmarks import head_pose_deg
from idverify.simulation import CODECS, INSTRUMENTS, SPECIES, parameter_words, parameters_of, render, simulate
from idverify.simulation.asked import Asked, read_request
from idverify.simulation.blenders import BLENDERS, ColourMatch, with_shading_of
from idverify.simulation.drivers import Answer, Recorded, Reenactment, Script, similarities
from idverify.simulation.head_cage import Cage, Moment, rotation
from idverify.simulation.isp import Isp, Look
from idverify.simulation.landmark_sets import BROWS, LOWER_LIDS, LOWER_LIP, OVAL, UPPER_LIDS, UPPER_LIP
from idverify.simulation.layers import taken_apart
from idverify.simulation.lids import LID_PAINTERS, Eye
from idverify.simulation.lighting import Drift, movement
from idverify.simulation.mouths import MouthInterior
from idverify.simulation.source import Encoding, Shot, Take
from idverify.simulation.splines import thin_plate
from idverify.simulation.warps import SmoothWarp, TriangleWarp, delaunay
from idverify.simulation.writer import write_take

WH = (240, 320)
STRONG = ("photo_driven", "answer_forged", "face_flash", "face_blend", "face_swap_tracked")
# Everything that moves, lights or draws by itself, switched off.
STILL = {
    "turn": 0, "speech": 0, "blinks_hz": 0, "gaze": 0, "brows": 0, "light": 0, "sheen": 0, "pulse": 0, "shake": 0,
    "grain": 0, "wander": 0, "sharpen": 0,
}  # fmt: skip


def head(x: float = 120.0, y: float = 150.0, half: float = 48.0) -> NDArray[np.float32]:
    """A face mesh in space: points on an ellipsoid, with lids, brows, lips and an oval where they belong."""
    rng = np.random.default_rng(7)
    flat = rng.uniform(-0.62, 0.62, (468, 2)) * (1.0, 1.3)
    turn = np.arange(len(OVAL)) * 2 * np.pi / len(OVAL)
    flat[OVAL] = np.stack([np.sin(turn), -1.3 * np.cos(turn)], axis=1)
    s = np.linspace(-1, 1, 9)
    for side, eye_x in enumerate((-0.42, 0.42)):
        for lids, sign in ((UPPER_LIDS, -1), (LOWER_LIDS, 1)):
            flat[list(lids[side])] = np.stack([eye_x + 0.2 * s, -0.3 + sign * 0.08 * (1 - s**2)], axis=1)
        flat[list(BROWS[side])] = np.stack([eye_x + np.linspace(-0.25, 0.25, 5), np.full(5, -0.55)], axis=1)
    lip_x = np.linspace(-0.3, 0.3, 11)
    for lip in (UPPER_LIP, LOWER_LIP):
        flat[list(lip)] = np.stack([lip_x, np.full(11, 0.6)], axis=1)
    flat[[61, 291]] = [(-0.33, 0.6), (0.33, 0.6)]
    flat[[152, 10]] = [(0, 1.3), (0, -1.3)]
    flat[4] = (0.0, 0.15)
    radius = np.clip(1 - (flat / (1.0, 1.3)) ** 2 @ np.ones(2), 0, None)
    deep = -0.9 * np.sqrt(radius)
    return np.column_stack([flat * half + (x, y), deep * half]).astype(np.float32)


def picture(skin: tuple[int, int, int] = (205, 160, 130), mesh: NDArray[np.float32] | None = None) -> NDArray[np.uint8]:
    """A drawn face on a textured wall."""
    rng = np.random.default_rng(3)
    mesh = head() if mesh is None else mesh
    image = cv2.GaussianBlur(rng.integers(40, 200, (WH[1], WH[0], 3), np.uint8), (0, 0), 2.0)
    cv2.fillPoly(image, [np.rint(mesh[OVAL, :2]).astype(np.int32)], skin)
    freckles = rng.integers(-8, 8, (WH[1], WH[0], 1))
    image = np.clip(image + freckles, 0, 255).astype(np.uint8)
    for side in (0, 1):
        ring = np.vstack([mesh[list(UPPER_LIDS[side]), :2], mesh[list(LOWER_LIDS[side]), :2][::-1]])
        cv2.fillPoly(image, [np.rint(ring).astype(np.int32)], (20, 20, 30))
    cv2.polylines(image, [np.rint(mesh[list(UPPER_LIP), :2]).astype(np.int32)], False, (150, 40, 50), 4)
    return image


def locate(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The drawn face fills a fixed part of every test picture."""
    sx, sy = image.shape[1] / WH[0], image.shape[0] / WH[1]
    return (head() * (sx, sy, sx)).astype(np.float32)


def eyes(image: NDArray[np.uint8], mesh: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.full(2, 0.3)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "bona_fide.mp4"
    shots = (Shot(n / 10, picture()) for n in range(24))
    write_take(Take(shots=shots, encoding=Encoding(crf=10, nominal_rate_hz=10)), path, "test clip")
    return path


def shots_of(species: str, source: object, **options: object) -> list[Shot]:
    merged = {"size_wh": WH, "duration_s": 1.0, "rate_hz": 10.0, "locate": locate, "eyes": eyes, **options}
    return list(render(species, source, **merged).shots)  # type: ignore[arg-type]


# -- geometry --------------------------------------------------------------------------------------


@given(st.floats(-30, 30), st.floats(-20, 20), st.floats(-20, 20))
def test_a_head_turns_as_the_landmarks_measure_it(yaw: float, pitch: float, roll: float) -> None:
    mesh = head()
    turned = (mesh - mesh.mean(axis=0)) @ rotation(yaw, pitch, roll).T
    before, after = head_pose_deg(mesh), head_pose_deg(turned.astype(np.float32))
    assert np.allclose(after[0] - before[0], yaw, atol=1e-3) or abs(roll) > 1e-6
    assert abs(after[2] - roll) < 0.5 * abs(yaw) + 1e-3
    single = head_pose_deg((mesh - mesh.mean(axis=0)) @ rotation(0, pitch, 0).T)
    assert np.isclose(single[1] - before[1], pitch, atol=1e-3)


@pytest.mark.parametrize("sheet", [True, False])
def test_a_head_at_rest_is_seen_as_in_the_photo(sheet: bool) -> None:
    cage = Cage(head(), WH, depth=1.0, distance=4.0, sheet=sheet)
    assert np.allclose(cage.posed(Moment(turn=np.eye(3)))[:, :2], cage.points[:, :2], atol=1e-6)


def test_a_turned_head_shows_parallax_and_a_flat_card_none() -> None:
    moves = []
    for depth in (0.0, 1.0):
        cage = Cage(head(), WH, depth=depth, distance=4.0, sheet=False)
        seen = cage.posed(Moment(turn=rotation(15, 0, 0)))[:, 0] - cage.points[:, 0]
        moves.append(seen[4] - seen[OVAL].mean())
    assert abs(moves[0]) < 1.0
    assert moves[1] > 8.0  # the nose goes to the person's left, the picture's right


def test_shoulders_stay_when_the_head_turns() -> None:
    cage = Cage(head(), WH, depth=1.0, distance=4.0, sheet=False)
    seen = cage.posed(Moment(turn=rotation(20, 0, 0)))
    foot = cage.points[:, 1] > WH[1]
    assert foot.sum() > 5
    assert np.abs((seen - cage.points)[foot, :2]).max() < 2.0


@pytest.mark.parametrize("warp", [TriangleWarp, SmoothWarp])
def test_both_renderers_leave_the_photo_at_rest_and_follow_a_shift(warp: type) -> None:
    cage = Cage(head(), WH, depth=1.0, distance=4.0, sheet=False)
    renderer = warp(cage.points, WH)
    pixels = np.stack(np.meshgrid(np.arange(WH[0]), np.arange(WH[1])), axis=-1)
    # Fields are interpolated from coarser ones, but for the last pixels at the edge.
    inner = (slice(20, -20), slice(20, -20))
    assert np.abs(renderer.reading(cage.points) - pixels)[inner].max() < 0.6
    moved = cage.points + np.array([6.0, -4.0, 0.0])
    assert np.abs(renderer.reading(moved) - (pixels - (6.0, -4.0)))[inner].max() < 0.6


def test_the_two_renderers_agree_on_the_face_and_differ_in_what_is_hidden() -> None:
    cage = Cage(head(), WH, depth=1.0, distance=4.0, sheet=False)
    seen = cage.posed(Moment(turn=rotation(10, 0, 0)))
    first, second = (warp(cage.points, WH).reading(seen) for warp in (TriangleWarp, SmoothWarp))
    apart = np.linalg.norm(first - second, axis=2)
    x, y = seen[4, :2].astype(int)
    assert apart[y - 10 : y + 10, x - 10 : x + 10].mean() < 3.0
    assert apart.max() > 1.0


def test_hidden_triangles_are_not_drawn() -> None:
    # Two sheets, one behind the other: the near one is read.
    x, y = np.meshgrid(np.linspace(0, 99, 6), np.linspace(0, 99, 6))
    far = np.column_stack([x.ravel(), y.ravel(), np.full(36, 10.0)])
    seen = far.copy()
    middle = (np.abs(far[:, 0] - 49.5) < 25) & (np.abs(far[:, 1] - 49.5) < 25)
    seen[middle, 0] += 30
    seen[middle, 2] = -10
    read = TriangleWarp(far, (100, 100), coarse=1).reading(seen)
    at = seen[middle].mean(axis=0)
    assert np.allclose(read[int(at[1]), int(at[0])], far[middle].mean(axis=0)[:2], atol=1.5)


def test_delaunay_covers_the_hull_once() -> None:
    rng = np.random.default_rng(0)
    points = np.vstack([[(0, 0), (100, 0), (0, 80), (100, 80)], rng.uniform(5, 75, (40, 2))])
    corners = points[delaunay(points)]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    assert np.isclose(np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2, 8000, rtol=1e-3)


def test_a_thin_plate_goes_through_its_points_and_keeps_planes() -> None:
    rng = np.random.default_rng(1)
    points, at = rng.uniform(0, 100, (30, 2)), rng.uniform(0, 100, (50, 2))
    values = rng.normal(size=(30, 1))
    assert np.allclose(thin_plate(points, points) @ values, values, atol=1e-4)
    plane = np.array([[0.3], [-2.0]])
    assert np.allclose(thin_plate(points, at, stiffness=0.1) @ (points @ plane + 5), at @ plane + 5, atol=1e-6)


@given(st.floats(-40, 40), st.floats(0.5, 2.0))
def test_similarity_is_found_again(yaw: float, scale: float) -> None:
    points = head().astype(np.float64)[:60]
    turn, shift = rotation(yaw, 5, -8), np.array([3.0, -7.0, 2.0])
    turns, scales, shifts = similarities(points, (scale * points @ turn.T + shift)[None])
    assert np.allclose(turns[0], turn, atol=1e-6)
    assert np.isclose(scales[0], scale)
    assert np.allclose(shifts[0], shift, atol=1e-4)


# -- what a photo lacks ----------------------------------------------------------------------------


@pytest.mark.parametrize("painter", sorted(LID_PAINTERS))
def test_a_lid_covers_the_eye_and_leaves_it_when_open(painter: str) -> None:
    photo = picture().astype(np.float32)
    eye = Eye(photo, head()[:, :2].astype(np.float64), 0, painter, np.random.default_rng(0))
    assert np.array_equal(eye.at(0.0, (0.0, 0.0)), photo[eye.box])
    opening = (eye.t > eye.above + 1) & (eye.t < eye.below - 2) & (np.abs(eye.s) < 0.25 * eye.width_px)
    open_eye, shut = eye.at(0.0, (0, 0))[opening].mean(), eye.at(1.0, (0, 0))[opening].mean()
    assert open_eye < 60
    assert shut > open_eye + 60
    half = eye.at(0.5, (0, 0))
    assert open_eye < half[opening].mean() < shut


@pytest.mark.parametrize("painter", sorted(LID_PAINTERS))
def test_the_eye_under_a_falling_lid_stays_where_it_is(painter: str) -> None:
    photo = picture().astype(np.float32)
    eye = Eye(photo, head()[:, :2].astype(np.float64), 0, painter, np.random.default_rng(0))
    edge = eye.above + 0.4 * (eye.below - eye.above)
    below = eye.t > edge + 0.25 * eye.width_px
    assert below.any()
    assert np.abs(eye.at(0.3, (0, 0)) - photo[eye.box])[below].max() < 2.0


def test_a_glance_moves_the_iris_and_not_the_lids() -> None:
    photo = picture().astype(np.float32)
    points = head()[:, :2].astype(np.float64)
    eye = Eye(photo, points, 0, "slid", np.random.default_rng(0))
    rows, columns = eye.box
    middle = points[list(UPPER_LIDS[0])].mean(axis=0) - (columns.start, rows.start)
    photo[rows, columns][int(middle[1]) + 4, int(middle[0])] = 255
    eye = Eye(photo, points, 0, "slid", np.random.default_rng(0))
    before, after = eye.at(0, (0, 0)), eye.at(0, (0.15, 0))
    assert before.max() == 255
    assert not np.array_equal(before, after)
    outside = eye.t < eye.above - 3
    assert np.array_equal(before[outside], after[outside])


def test_teeth_hold_still_while_the_jaw_drops() -> None:
    photo = picture().astype(np.float32)
    cage = Cage(head(), WH, depth=1.0, distance=4.0, sheet=False)
    mouth = MouthInterior(photo, head()[:, :2].astype(np.float64), np.random.default_rng(2), teeth=1.0)
    closed = np.full_like(photo, 99.0)
    mouth.fill(closed, cage.posed(Moment(turn=np.eye(3))))
    assert (closed == 99.0).all()
    seen = []
    for jaw in (0.7, 1.0):
        image = np.full_like(photo, 99.0)
        mouth.fill(image, cage.posed(Moment(turn=np.eye(3), jaw=jaw)))
        seen.append(image)
    x, y = cage.points[13, :2].astype(int)
    row = slice(y + 1, y + 4), slice(x - 6, x + 7)
    assert (seen[0] != 99.0).any()
    assert np.abs(seen[0][row] - seen[1][row]).mean() < 30
    assert (seen[1] != 99.0).sum() > (seen[0] != 99.0).sum()


def test_the_person_is_cut_out_and_the_wall_filled_in() -> None:
    apart = taken_apart(picture(), head(), WH, np.random.default_rng(0), share=0.4, detail=0.0, cut=True)
    assert apart.matte is not None
    assert apart.background is not None
    x, y = apart.mesh[4, :2].astype(int)
    assert apart.matte[y, x] > 0.9
    assert apart.matte[:, :4].mean() < 0.3
    assert np.abs(apart.background - apart.image)[y - 10 : y + 10, x - 10 : x + 10].mean() > 15


# -- what moves it ---------------------------------------------------------------------------------


def test_a_script_blinks_and_is_a_function_of_time_alone() -> None:
    script = Script(4.0, np.random.default_rng(0), turn=1.0, speech=0.5, blinks_hz=0.5, gaze=1.0, brows=1.0)
    times = np.arange(0, 4, 1 / 60)
    closed = np.array([script.at(t).closed[0] for t in times])
    assert closed.max() > 0.8
    assert (closed < 0.1).mean() > 0.6
    again = [script.at(t).closed[0] for t in times[::-1]][::-1]
    assert np.array_equal(closed, again)
    assert max(script.at(t).jaw for t in times) > 0.05


def test_a_script_with_nothing_switched_on_keeps_still() -> None:
    script = Script(4.0, np.random.default_rng(0), turn=0.0, speech=0.0, blinks_hz=0.0, gaze=0.0, brows=0.0)
    for time_s in (0.1, 1.7, 3.3):
        moment = script.at(time_s)
        assert np.allclose(moment.turn, np.eye(3))
        assert (moment.closed, moment.gaze_xy, moment.jaw, moment.smile, moment.brows) == ((0, 0), (0, 0), 0, 0, 0)


@pytest.mark.parametrize(
    ("what", "sign", "axis"), [("turn_left", 1, 0), ("turn_right", -1, 0), ("look_up", 1, 1), ("look_down", -1, 1)]
)
def test_an_answer_turns_the_right_way_inside_its_window(what: str, sign: int, axis: int) -> None:
    idle = Script(6.0, np.random.default_rng(0), turn=0.0, speech=0.0, blinks_hz=0.0, gaze=0.0, brows=0.0)
    answer = Answer([Asked(what, 1.0, 4.5)], idle, np.random.default_rng(1), reach=1.0)
    mesh = head()
    centred = mesh - mesh.mean(axis=0)
    pose = lambda t: head_pose_deg(centred @ answer.at(t).turn.T)[axis] - head_pose_deg(centred)[axis]  # noqa: E731
    inside = np.array([pose(t) for t in np.arange(1.0, 4.5, 0.05)]) * sign
    assert inside.max() > (28 if axis == 0 else 18)
    assert inside.min() > -1e-3
    assert all(abs(pose(t)) < 1e-3 for t in (0.0, 0.95, 4.5, 5.5))


def test_an_answer_blinks_twice() -> None:
    idle = Script(6.0, np.random.default_rng(0), turn=0.0, speech=0.0, blinks_hz=0.0, gaze=0.0, brows=0.0)
    answer = Answer([Asked("blink_twice", 1.0, 4.5)], idle, np.random.default_rng(1), reach=1.0)
    shut = np.array([answer.at(t).closed[0] > 0.8 for t in np.arange(0, 6, 0.01)])
    assert (np.diff(shut.astype(int)) == 1).sum() == 2


def test_a_driver_is_followed_in_turn_and_expression() -> None:
    mesh = head().astype(np.float64)
    times = np.arange(40) / 20
    yaw = 10 * np.sin(2 * np.pi * 0.5 * times)
    meshes = np.stack([(mesh - mesh.mean(axis=0)) @ rotation(a, 0, 0).T + mesh.mean(axis=0) for a in yaw])
    openings = np.full((40, 2), 0.3)
    openings[18:21] = 0.06
    driver = Reenactment(Recorded(times, meshes, openings), turn=1.0, expression=1.0)
    base = driver.at(0.0).turn
    found = [np.degrees(np.arcsin((driver.at(t).turn @ base.T)[2, 0])) for t in times]
    assert np.corrcoef(found, yaw)[0, 1] > 0.99
    assert np.abs(driver.at(0.3).offsets).max() < 0.01  # a rigid head has no expression
    assert driver.at(19 / 20).closed[0] > 0.9
    assert driver.at(0.2).closed[0] == 0.0


@pytest.mark.parametrize("opening", [0.0, 0.06])
def test_a_driver_who_speaks_is_told_from_one_who_is_silent(opening: float) -> None:
    meshes = np.repeat(head().astype(np.float64)[None], 40, axis=0)
    meshes[:, list(LOWER_LIP), 1] += opening * 96 * np.clip(np.sin(np.arange(40)), 0, 1)[:, None]
    meshes += np.random.default_rng(0).normal(0, 0.1, meshes.shape)
    driver = Reenactment(Recorded(np.arange(40) / 20, meshes, np.full((40, 2), 0.3)), turn=1.0, expression=1.0)
    assert driver.speaks is (opening > 0)


def test_a_driver_that_looks_away_does_not_tear_the_photo() -> None:
    mesh = head().astype(np.float64)
    times = np.arange(60) / 20
    yaw = np.concatenate([np.zeros(30), np.linspace(0, 70, 30)])
    meshes = np.stack([(mesh - mesh.mean(axis=0)) @ rotation(a, 0, 0).T + mesh.mean(axis=0) for a in yaw])
    driver = Reenactment(Recorded(times, meshes, np.full((60, 2), 0.3)), turn=1.0, expression=1.0)
    angle = [np.degrees(np.linalg.norm(cv2.Rodrigues(driver.at(t).turn)[0])) for t in times]
    assert max(angle) < 25


# -- the whole -------------------------------------------------------------------------------------


def test_every_effect_can_be_switched_off() -> None:
    images = [shot.image_rgb.astype(int) for shot in shots_of("photo_driven", picture(), **STILL)]
    assert len(images) == 10
    assert max(np.abs(image - images[0]).max() for image in images) <= 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("turn", 2.0), ("speech", 1.0), ("blinks_hz", 1.5), ("gaze", 3.0), ("brows", 2.0), ("light", 0.8),
     ("pulse", 3.0), ("shake", 1.0), ("grain", 3.0), ("wander", 3.0), ("drift", 5.0)],
)  # fmt: skip
def test_each_effect_alone_changes_pictures_over_time(name: str, value: float) -> None:
    turned = {"turn": 1.0} if name == "light" else {}
    quiet = {**STILL, **turned}
    base, changed = (
        [shot.image_rgb.astype(int) for shot in shots_of("photo_driven", picture(), **settings)]
        for settings in (quiet, {**quiet, name: value})
    )
    spread = lambda images: np.ptp(np.stack(images), axis=0).max()  # noqa: E731
    assert spread([a - b for a, b in zip(changed, base, strict=True)]) >= 3


@pytest.mark.parametrize("name", ["smooth", "lids", "layers", "depth", "relief", "teeth", "detail"])
def test_renderers_and_painters_draw_differently(name: str) -> None:
    lively = {**STILL, "turn": 2.0, "speech": 1.0, "blinks_hz": 1.5, "light": 0.6}
    small = cv2.resize(picture(), (120, 160), interpolation=cv2.INTER_AREA)
    first, second = (
        np.stack([s.image_rgb.astype(int) for s in shots_of("photo_driven", small, **{**lively, name: value})])
        for value in (0.0, 1.0)
    )
    assert np.abs(first - second).max() > 3


def test_a_photo_is_driven_by_anothers_clip(clip: Path) -> None:
    moved, scripted = (shots_of("photo_driven", picture(), other=other, seed=4) for other in (clip, None))
    assert len(moved) == len(scripted) == 10
    assert any(not np.array_equal(a.image_rgb, b.image_rgb) for a, b in zip(moved, scripted, strict=True))


def test_a_clip_without_a_face_drives_nothing(clip: Path) -> None:
    def seldom(image: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        return locate(image) if image.shape[0] != WH[1] or image.std() > 200 else None

    photo = cv2.resize(picture(), (300, 400))
    with pytest.raises(ParameterError, match="no face that can be followed"):
        shots_of("photo_driven", photo, other=clip, locate=seldom)


def test_a_forged_answer_lasts_as_long_as_asked_and_takes_the_screens_colours(tmp_path: Path) -> None:
    request = {"steps": [], "light": [{"colour": "red", "start_ms": 500, "end_ms": 1500},
                                      {"colour": "cyan", "start_ms": 1500, "end_ms": 2500}]}  # fmt: skip
    path = tmp_path / "request.json"
    path.write_text(json.dumps(request))
    still = dict.fromkeys(("light", "sheen", "pulse", "shake", "grain", "wander", "sharpen"), 0)
    shots = shots_of("answer_forged", picture(), challenge=path, screen=0.3, **still)
    assert shots[-1].time_s == pytest.approx(3.2, abs=0.11)
    mesh = locate(shots[0].image_rgb)
    x, y = mesh[4, :2].astype(int)

    def ratio(time_s: float) -> float:
        image = min(shots, key=lambda shot: abs(shot.time_s - time_s)).image_rgb.astype(float)
        return float(np.log(image[y - 15 : y + 15, x - 15 : x + 15].mean(axis=(0, 1))[[0, 1]]) @ (1, -1))

    assert ratio(1.3) > ratio(0.2) + 0.05 > ratio(2.3) + 0.1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"steps": [{"action": "turn_left"}]}', '{"steps": 4}'])
def test_a_file_that_is_no_challenge_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ParameterError, match="challenge"):
        read_request(path)


def test_an_answer_needs_a_challenge() -> None:
    with pytest.raises(ParameterError, match="give `challenge`"):
        shots_of("answer_forged", picture())


@given(st.integers(1, 5), st.integers(1, 2))
def test_as_many_pictures_are_flashed_as_asked(clip: Path, count: int, length: int) -> None:
    plain = shots_of("bona_fide", clip, duration_s=2.0)
    options = {"other": picture((90, 60, 50)), "duration_s": 2.0, "soften": 0, "fade": 0, "whole": 1, "seed": count}
    flashed = shots_of("face_flash", clip, count=count, length=length, **options)
    changed = [np.abs(a.image_rgb.astype(int) - b.image_rgb).mean() > 5 for a, b in zip(plain, flashed, strict=True)]
    assert count <= sum(changed) <= count * length
    runs = np.diff(np.concatenate([[0], np.array(changed, int)]))
    assert (runs == 1).sum() <= count


def test_a_crossfade_comes_and_goes(clip: Path) -> None:
    plain = shots_of("bona_fide", clip, duration_s=2.0)
    options = {"other": picture((90, 60, 50)), "duration_s": 2.0, "soften": 0, "whole": 1, "merit": 0, "seed": 3}
    faded = shots_of("face_flash", clip, count=1, length=1, fade=3, **options)
    change = np.array([np.abs(a.image_rgb.astype(int) - b.image_rgb).mean() for a, b in zip(plain, faded, strict=True)])
    peak = int(change.argmax())
    near = change[max(peak - 4, 0) : peak + 1]
    assert (np.diff(near) > 0).sum() >= 2
    assert change.max() > 10


def test_a_blend_lies_between_two_people(clip: Path) -> None:
    options = {
        "other": picture((60, 120, 60)),
        "shape": 0,
        "own_eyes": 0,
        "own_mouth": 0,
        "relight": 0,
        "grain": 0,
        "blender": 2,
    }
    plain = shots_of("bona_fide", clip)[0].image_rgb.astype(int)
    apart = [
        np.abs(shots_of("face_blend", clip, alpha=alpha, **options)[0].image_rgb.astype(int) - plain).mean()
        for alpha in (0.0, 0.4, 0.8)
    ]
    assert apart[0] < 0.5
    assert apart[0] < apart[1] < apart[2]


@pytest.mark.parametrize("blender", range(len(BLENDERS)))
@pytest.mark.parametrize("smooth", [0, 1])
def test_a_swap_keeps_the_drivers_eyes_and_what_is_around(clip: Path, blender: int, smooth: int) -> None:
    rng = np.random.default_rng(5)
    other = np.clip(picture((90, 70, 60)).astype(int) + rng.integers(-60, 60, (WH[1], WH[0], 1)), 0, 255)
    options = {
        "other": other.astype(np.uint8),
        "blender": blender,
        "smooth": smooth,
        "relight": 0,
        "grain": 0,
        "shape": 0,
    }
    plain = shots_of("bona_fide", clip)[2].image_rgb.astype(int)
    kept, taken = (
        np.abs(swapped[2].image_rgb.astype(int) - plain)
        for swapped in (shots_of("face_swap_tracked", clip, own_eyes=own, own_mouth=0, **options) for own in (1, 0))
    )
    ring = head()[list(UPPER_LIDS[0]), :2].mean(axis=0).astype(int)
    patch = slice(ring[1], ring[1] + 6), slice(ring[0] - 4, ring[0] + 5)
    assert kept[patch].mean() < 0.5 * taken[patch].mean() + 1
    x, y = head()[4, :2].astype(int)
    assert taken[y - 20 : y + 20, x - 20 : x + 20].mean() > 3
    assert taken[:20].mean() < 1


def test_a_drivers_blink_comes_through_the_swap(clip: Path) -> None:
    other = np.clip(
        picture((90, 70, 60)).astype(int) + np.random.default_rng(5).integers(-60, 60, (*WH[::-1], 1)), 0, 255
    )
    options = {"other": other.astype(np.uint8), "own_eyes": 0, "own_mouth": 0, "grain": 0, "relight": 0, "shape": 0}
    looks = iter([0.3, 0.3, 0.3, 0.05, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3])
    blinking = lambda image, mesh: np.full(2, next(looks))  # noqa: E731
    plain = shots_of("bona_fide", clip)
    swapped = shots_of("face_swap_tracked", clip, eyes=blinking, own_blinks=1, **options)
    x, y = head()[list(UPPER_LIDS[0]), :2].mean(axis=0).astype(int)
    patch = slice(y, y + 6), slice(x - 4, x + 5)
    apart = [np.abs(a.image_rgb.astype(int) - b.image_rgb)[patch].mean() for a, b in zip(plain, swapped, strict=True)]
    assert apart[3] < 0.5 * min(apart[:3] + apart[4:])


def test_colours_are_matched_and_follow_slowly() -> None:
    mask = np.full((60, 60), 255, np.uint8)
    rng = np.random.default_rng(0)
    face, target = (
        np.clip(rng.normal(level, spread, (60, 60, 3)), 0, 255).astype(np.uint8)
        for level, spread in ((90, 10), (150, 14))
    )
    quick = ColourMatch(0.0)(face, target, mask)
    assert abs(float(quick.mean()) - 150) < 2
    slow = ColourMatch(0.9)
    slow(face, face, mask)
    assert float(slow(face, target, mask).mean()) < 110


def test_light_of_the_target_falls_on_the_face() -> None:
    mask = np.full((80, 80), 255, np.uint8)
    face = np.full((80, 80, 3), 120, np.uint8)
    target = np.tile(np.linspace(60, 200, 80).astype(np.uint8)[None, :, None], (80, 1, 3))
    lit = with_shading_of(face, target, mask, 1.0).astype(int)
    assert lit[:, 70].mean() > lit[:, 10].mean() + 30
    assert np.array_equal(with_shading_of(face, target, mask, 0.0), face)


def test_shade_drifts_on_the_skin_by_the_stated_share_and_about_itself() -> None:
    field = Drift(picture(), head(), 4.0, np.random.default_rng(1))
    gains = np.log(np.stack([field.gain(time_s) for time_s in np.arange(0, 30, 0.05)]))
    spread = gains.std(axis=0)
    inside = spread[spread.shape[0] // 2, spread.shape[1] // 4 : -spread.shape[1] // 4]
    assert 0.02 < np.sqrt(np.square(inside).mean()) < 0.07
    assert spread[0, 0] < 0.1 * inside.mean()
    assert np.abs(gains.mean(axis=0)).max() < 0.5 * inside.mean()
    # What is there now is there in the next picture, and gone in five seconds.
    near, far = (np.mean(gains[:-lag] * gains[lag:]) / np.mean(np.square(gains)) for lag in (1, 100))
    assert near > 0.8 > 0.5 > abs(far)
    # Spots: neither single pixels nor the whole face.
    one = gains[3] * (spread > 0.5 * np.median(inside))
    assert abs(one.mean()) < 0.2 * one.std()
    assert np.mean(one[1:] * one[:-1]) > 0.8 * np.mean(np.square(one))


@pytest.mark.parametrize("seed", range(4))
def test_shade_of_any_pace_has_the_stated_spread_and_stays_in_the_face(seed: int) -> None:
    field = Drift(picture(), head(), 4.0, np.random.default_rng(seed), free=True)
    moves = np.random.default_rng(7).normal(0, 1, (300, 4))
    gains = np.log(np.stack([field.gain(0.05 * k, moved) for k, moved in enumerate(moves)]))
    inside = gains.std(axis=0)[gains.shape[1] // 2, gains.shape[2] // 4 : -gains.shape[2] // 4]
    assert 0.01 < np.sqrt(np.square(inside).mean()) < 0.12
    assert gains.std(axis=0)[0, 0] < 0.1 * inside.mean()


def test_shade_of_any_pace_follows_the_face_in_some_takes_only() -> None:
    apart = []
    for seed in range(8):
        # At one time only what follows the face, and what is new in every picture, differs.
        still, turned = (
            np.mean([np.log(field.gain(0.0, np.array(moved))) for _ in range(100)], axis=0)
            for field, moved in (
                (Drift(picture(), head(), 4.0, np.random.default_rng(seed), free=True), moved)
                for moved in ((0.0, 0.0, 0.0, 0.0), (1.5, 1.0, -1.0, 0.5))
            )
        )
        apart.append(np.abs(turned - still).max())
    assert max(apart) > 0.01
    assert min(apart) < 1e-6


def test_movement_is_told_apart_by_its_kind() -> None:
    mesh = head().astype(np.float64)
    nose, lip = mesh.copy(), mesh.copy()
    nose[4, 0] += 8
    lip[14, 1] += 6
    turn, talk = (movement(points) - movement(mesh) for points in (nose, lip))
    assert turn[0] > 0.5
    assert np.array_equal(turn[1:], [0, 0, 0])
    assert talk[2] > 0.5
    assert np.array_equal(talk[[0, 1, 3]], [0, 0, 0])


@pytest.mark.parametrize("species", ["photo_driven", "face_swap_tracked", "face_blend"])
@pytest.mark.parametrize("free", [0.0, 1.0])
def test_drifting_shade_changes_the_skin_and_nothing_else(species: str, free: float, clip: Path) -> None:
    source = picture() if species == "photo_driven" else clip
    other: dict[str, object] = {"other": picture((190, 150, 140)), "grain": 0}
    options = {**STILL, "layers": 0} if species == "photo_driven" else other
    still, drifting = (shots_of(species, source, seed=2, drift=drift, free=free, **options) for drift in (0.0, 6.0))
    assert len(still) == len(drifting)
    apart = np.stack([np.abs(a.image_rgb.astype(int) - b.image_rgb) for a, b in zip(still, drifting, strict=True)])
    x, y = head()[4, :2].astype(int)
    assert apart[:, y - 20 : y + 20, x - 20 : x + 20].mean() > 0.3
    assert apart[:, :, :8].max() <= 1


def test_grain_comes_after_the_warp_and_has_the_stated_strength() -> None:
    scene = np.full((120, 160, 3), 128.0, np.float32)
    look = Look(grain=3.0, shot=0.5, colour=0.3, blur_px=0.0, sharpen=0.0, wander=0.0)
    camera = Isp((160, 120), look, np.random.default_rng(0))
    first, second = (camera.take(scene, t).astype(float) for t in (0.0, 0.1))
    assert 2.0 < first.mean(axis=2).std() < 4.0
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1
    bright = Isp((160, 120), look, np.random.default_rng(0)).take(scene * 1.7, 0.0).astype(float)
    assert bright.mean(axis=2).std() > first.mean(axis=2).std()
    assert np.array_equal(
        Isp((160, 120), replace(look, grain=0.0), np.random.default_rng(0)).take(scene, 0)[0, 0], [128] * 3
    )


@pytest.mark.parametrize("shown", INSTRUMENTS)
@pytest.mark.parametrize("species", ["photo_driven", "face_swap_tracked"])
def test_every_strong_attack_can_be_shown(species: str, shown: str, clip: Path) -> None:
    source = picture() if species == "photo_driven" else clip
    other = None if species == "photo_driven" else picture((90, 60, 50))
    shots = shots_of(species, source, other=other, shown=shown, duration_s=0.4)
    assert len(shots) >= 3
    assert {shot.image_rgb.shape for shot in shots} == {(WH[1], WH[0], 3)}
    assert not np.array_equal(shots[0].image_rgb, shots[-1].image_rgb)


def test_an_unknown_instrument_is_refused() -> None:
    with pytest.raises(ParameterError, match="no instrument"):
        shots_of("photo_driven", picture(), shown="hologram")


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_every_encoder_writes_its_own_stream_with_the_take_s_times(codec: str, tmp_path: Path) -> None:
    path = tmp_path / ("take.webm" if codec.startswith("vp") else "take.mkv" if codec == "mjpeg" else "take.mp4")
    options = {"locate": locate, "eyes": eyes, "size_wh": (96, 128), "duration_s": 0.6, "rate_hz": 10.0}
    simulate("photo_driven", picture(), path, codec=codec, crf=20, **options)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name.removeprefix("lib") == codec
        assert "SIMULATED" in {key.lower(): value for key, value in container.metadata.items()}["comment"]
        times = [float(frame.time or 0) for frame in container.decode(stream)]
    assert np.allclose(times, np.arange(6) / 10, atol=0.002)


@pytest.mark.parametrize(("codec", "suffix"), [("h264", ".webm"), ("vp8", ".mov"), ("nonsense", ".mp4")])
def test_a_container_that_cannot_hold_the_codec_is_refused(codec: str, suffix: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError):
        simulate("photo_fixed", picture(), tmp_path / f"take{suffix}", codec=codec, locate=locate, duration_s=0.3)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("species", sorted(SPECIES))
def test_every_parameter_is_explained(species: str) -> None:
    words = parameter_words(species)
    for name in parameters_of(species):
        assert len(words.get(name, "")) > 8, f"{species} {name}"


def test_about_explains_a_species_and_list_names_all() -> None:
    about = CliRunner().invoke(simulate_command, ["--about", "answer_forged"])
    assert about.exit_code == 0
    assert "Size of the movements" in about.output
    assert "flat card" in about.output  # taken over from photo_driven
    listed = CliRunner().invoke(simulate_command, ["--list"])
    assert all(name in listed.output for name in (*STRONG, *INSTRUMENTS, *CODECS))
    assert CliRunner().invoke(simulate_command, ["--about", "nothing"]).exit_code != 0


@pytest.mark.parametrize(("rate_hz", "count"), [(30.0, 20), (10.0, 20), (5.0, 10)])
def test_a_slower_camera_leaves_pictures_of_the_clip_out(clip: Path, rate_hz: float, count: int) -> None:
    options = {"other": picture((90, 60, 50)), "duration_s": 2.0, "rate_hz": rate_hz}
    times = [shot.time_s for shot in shots_of("face_blend", clip, **options)]
    assert len(times) == count
    assert times == sorted(set(times))

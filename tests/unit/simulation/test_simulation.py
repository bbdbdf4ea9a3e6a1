"""The attack simulator: each species tells the lie it is named after, the same way for the same seed, and says so."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from idverify.cli.simulate import simulate_command
from idverify.errors import MediaError, ParameterError
from idverify.simulation import DEGRADATIONS, LABEL, SPECIES, Shot, Take, parameters_of, render, simulate
from idverify.simulation.animation import _Puppet
from idverify.simulation.faces import face_outline, portrait, smooth_warp
from idverify.simulation.landmark_sets import BROWS, LOWER_LIDS, LOWER_LIP, OVAL, STIFF, UPPER_LIDS, UPPER_LIP
from idverify.simulation.optics import (
    RollingBands,
    SensorNoise,
    add_light,
    halftone,
    pixel_grid,
    reproduce,
    to_coded,
    to_linear,
)
from idverify.simulation.scene import Pose, Surface, Sway, plane_homography
from idverify.simulation.screens import _Glare
from idverify.simulation.source import Encoding, held
from idverify.simulation.writer import through_codec, write_take

WH = (160, 208)
# A made-up request for two movements and two colours.
CHALLENGE = Path(__file__).with_name("request.challenge.json")
SMALL = {"size_wh": (96, 128), "duration_s": 0.5, "rate_hz": 10.0}


def mesh_at(x: float, y: float, half: float = 40.0) -> np.ndarray:
    """A face mesh drawn by rule: an oval, two eyes, brows, a closed mouth; every other point inside."""
    rng = np.random.default_rng(7)
    points = rng.uniform(-0.6, 0.6, (468, 2)) * (half, 1.3 * half)
    turn = np.arange(len(OVAL)) * 2 * np.pi / len(OVAL)
    points[OVAL] = np.stack([np.sin(turn) * half, -np.cos(turn) * 1.3 * half], axis=1)
    s = np.linspace(-1, 1, 9)
    for side, eye_x in enumerate((-0.45 * half, 0.45 * half)):
        for lids, sign in ((UPPER_LIDS, -1), (LOWER_LIDS, 1)):
            lid_y = -0.3 * half + sign * 0.09 * half * (1 - s**2)
            points[list(lids[side])] = np.stack([eye_x + 0.2 * half * s, lid_y], axis=1)
        brow_x = np.linspace(-0.25, 0.25, 5) * half + eye_x
        points[list(BROWS[side])] = np.stack([brow_x, np.full(5, -0.55 * half)], axis=1)
    lip_x = np.linspace(-0.3, 0.3, 11) * half
    for lip in (UPPER_LIP, LOWER_LIP):
        points[list(lip)] = np.stack([lip_x, np.full(11, 0.6 * half)], axis=1)
    return np.hstack([points + np.array([x, y]), np.zeros((468, 1))]).astype(np.float32)


def picture(
    x: float = 80.0, y: float = 100.0, *, skin: tuple[int, int, int] = (205, 160, 130), n: int = 0
) -> np.ndarray:
    """A drawn face on a textured wall, with a number's worth of change in the wall."""
    rng = np.random.default_rng(3)
    image = cv2.GaussianBlur(rng.integers(40, 200, (WH[1], WH[0], 3), np.uint8), (0, 0), 1.5)
    cv2.circle(image, (20 + 3 * n % 120, 15), 8, (250, 240, 90), -1)
    mesh = mesh_at(x, y)
    cv2.fillPoly(image, [np.rint(mesh[OVAL, :2]).astype(np.int32)], skin)
    for side in (0, 1):
        ring = np.vstack([mesh[list(UPPER_LIDS[side]), :2], mesh[list(LOWER_LIDS[side]), :2][::-1]])
        cv2.fillPoly(image, [np.rint(ring).astype(np.int32)], (20, 20, 30))
    cv2.polylines(image, [np.rint(mesh[list(UPPER_LIP), :2]).astype(np.int32)], False, (150, 40, 50), 4)
    return image


def locate(image: np.ndarray) -> np.ndarray:
    """The drawn face fills a fixed part of the test pictures, whatever their size."""
    sx, sy = image.shape[1] / WH[0], image.shape[0] / WH[1]
    return (mesh_at(80.0, 100.0) * (sx, sy, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "bona_fide.mp4"
    shots = (Shot(n / 10, picture(n=n)) for n in range(20))
    write_take(Take(shots=shots, encoding=Encoding(crf=12, nominal_rate_hz=10)), path, "test clip")
    return path


def rendered(species: str, source: object, **options: object) -> list[Shot]:
    row = SPECIES[species]
    other = {"other": picture(skin=(120, 80, 60))} if row.needs_other else {}
    asked = {"challenge": CHALLENGE} if row.needs_challenge else {}
    merged = {**SMALL, "locate": locate, "eyes": lambda image, mesh: np.full(2, 0.3), **other, **asked, **options}
    return list(render(species, source, **merged).shots)  # type: ignore[arg-type]


@pytest.mark.parametrize("species", sorted(SPECIES))
def test_every_species_is_a_stream_of_even_pictures_with_growing_times(species: str, clip: Path) -> None:
    shots = rendered(species, clip)
    assert len(shots) >= 4
    times = [shot.time_s for shot in shots]
    assert times[0] == 0
    assert all(a < b for a, b in itertools.pairwise(times))
    shapes = {shot.image_rgb.shape for shot in shots}
    assert len(shapes) == 1
    height, width, channels = shapes.pop()
    assert (height % 2, width % 2, channels) == (0, 0, 3)
    assert all(shot.image_rgb.dtype == np.uint8 and shot.image_rgb.std() > 5 for shot in shots)


@pytest.mark.parametrize("species", sorted(set(SPECIES) - {"bona_fide"}))
def test_a_seed_fixes_every_pixel(species: str, clip: Path) -> None:
    first, again = (rendered(species, clip, seed=5, duration_s=0.3) for _ in range(2))
    assert len(first) == len(again) > 0
    assert all(np.array_equal(a.image_rgb, b.image_rgb) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("species", [name for name, row in SPECIES.items() if row.channel == "presentation"])
def test_another_seed_is_another_presentation(species: str, clip: Path) -> None:
    first, other = (rendered(species, clip, seed=seed, duration_s=0.1)[0] for seed in (0, 1))
    assert not np.array_equal(first.image_rgb, other.image_rgb)


def test_at_least_fourteen_attack_species() -> None:
    assert len([row for row in SPECIES.values() if row.channel != "bona_fide"]) >= 14


def test_fixed_photo_never_moves() -> None:
    shots = rendered("photo_fixed", picture(), grain=0.0)
    assert all(np.array_equal(shots[0].image_rgb, shot.image_rgb) for shot in shots)


def test_panned_photo_is_one_rigid_shift() -> None:
    shots = rendered("photo_panned", picture(), speed=0.5, grain=0.0, duration_s=1.0)
    grey = [cv2.cvtColor(shot.image_rgb, cv2.COLOR_RGB2GRAY).astype(np.float64) for shot in (shots[0], shots[3])]
    (dx, dy), response = cv2.phaseCorrelate(*(g[20:-20, 20:-20] for g in grey))
    assert np.hypot(dx, dy) > 1.0
    assert response > 0.5


def test_zoomed_photo_grows_by_its_factor() -> None:
    shots = rendered("photo_zoomed", picture(), factor=2.0, grain=0.0, duration_s=1.0)
    halved = cv2.resize(shots[0].image_rgb, None, fx=2, fy=2)[64:192, 48:144]
    late = render("photo_zoomed", picture(), factor=2.0, grain=0.0, locate=locate, size_wh=(96, 128), duration_s=1.0)
    last = list(late.shots)[-1].image_rgb
    assert np.abs(halved.astype(int) - last).mean() < 0.5 * np.abs(shots[0].image_rgb.astype(int) - last).mean()


def test_a_stall_repeats_a_picture_while_time_goes_on(clip: Path) -> None:
    """It is what a bad line does to honest people, so it is no species of attack."""
    assert "frame_freeze" not in SPECIES
    whole = rendered("bona_fide", clip, duration_s=1.5)
    shots = rendered("bona_fide", clip, degrade=("stall",), duration_s=1.5)
    assert [shot.time_s for shot in shots] == [shot.time_s for shot in whole]
    same = [np.array_equal(a.image_rgb, b.image_rgb) for a, b in itertools.pairwise(shots)]
    assert sum(same) >= 2
    assert not all(same)
    assert not any(np.array_equal(a.image_rgb, b.image_rgb) for a, b in itertools.pairwise(whole))


def test_loop_comes_back_after_its_period(clip: Path) -> None:
    shots = rendered("loop", clip, period=0.45, duration_s=1.55)
    assert len(shots) == 16
    assert all(np.array_equal(a.image_rgb, b.image_rgb) for a, b in zip(shots[:-5], shots[5:], strict=True))
    assert not np.array_equal(shots[0].image_rgb, shots[3].image_rgb)


def test_cut_shows_one_person_then_the_other(clip: Path) -> None:
    shots = rendered("cut_two_people", clip, at=0.55, duration_s=1.2)
    cheeks = np.array([shot.image_rgb[110:125, 70:90].mean() for shot in shots])
    steps = np.abs(np.diff(cheeks))
    assert steps.argmax() == 5
    assert steps.max() > 20 * np.delete(steps, 5).max()


def test_ladder_falls_in_quality(clip: Path) -> None:
    source = rendered("bona_fide", clip, duration_s=2.0)
    shots = rendered("bitrate_ladder", clip, duration_s=2.0)
    error = [np.abs(a.image_rgb.astype(int) - b.image_rgb).mean() for a, b in zip(source, shots, strict=True)]
    assert np.mean(error[15:]) > 1.2 * np.mean(error[:5])


def test_virtual_camera_names_itself_and_keeps_a_fixed_rate(clip: Path, tmp_path: Path) -> None:
    path = simulate("virtual_camera", clip, tmp_path / "v.mp4", locate=locate, duration_s=0.5, rate_hz=30.0)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (1280, 720)
        assert "Virtual Camera" in stream.metadata["handler_name"]
        times = [float(frame.time or 0) for frame in container.decode(stream)]
    assert np.allclose(np.diff(times), 1 / 30, atol=1e-4)


def test_mask_shows_live_eyes_and_paper_cheeks(clip: Path) -> None:
    bare = rendered("bona_fide", clip)[0].image_rgb.astype(int)
    worn = rendered("mask_eyeholes", clip, other=picture(skin=(90, 60, 40)), noise=0.0)[0].image_rgb.astype(int)
    mesh = mesh_at(80.0, 100.0)
    for ring in UPPER_LIDS:
        x, y = mesh[list(ring), :2].mean(axis=0).astype(int)
        assert np.abs(bare - worn)[y + 1, x - 1 : x + 2].mean() < 12
    assert np.abs(bare - worn)[118:126, 50:110].mean() > 25


def test_swap_replaces_the_face_and_nothing_else(clip: Path) -> None:
    bare, swapped = (rendered(name, clip)[0].image_rgb.astype(int) for name in ("bona_fide", "face_swap_crude"))
    change = np.abs(bare - swapped).mean(axis=2)
    assert change[60:140, 50:110].max() > 3
    assert change[:30].max() == 0


def test_puppet_blinks_without_moving_the_rest() -> None:
    mesh = mesh_at(80.0, 100.0)
    puppet = _Puppet(picture(), mesh[:, :2].astype(np.float64))
    opened, shut = (puppet.posed(0, 0, closed, 0).astype(int) for closed in (0.0, 1.0))
    assert np.array_equal(opened, picture())
    x, y = mesh[list(UPPER_LIDS[0] + LOWER_LIDS[0]), :2].mean(axis=0).astype(int)
    assert opened[y, x].mean() < 60
    assert shut[y, x].mean() > 120  # the lid's skin
    assert np.array_equal(opened[130:], shut[130:])


def test_puppet_opens_a_dark_mouth() -> None:
    mesh = mesh_at(80.0, 100.0)
    puppet = _Puppet(picture(), mesh[:, :2].astype(np.float64))
    wide = puppet.posed(0, 0, 0.0, 1.0).astype(int)
    change = np.abs(wide - picture())
    assert change[126:136, 74:86].mean() > 20
    assert change[:70].max() == 0


# -- optics ------------------------------------------------------------------------------------------------------------


def test_coding_and_linear_light_are_inverse() -> None:
    codes = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_coded(to_linear(codes)), codes)


def test_print_has_narrower_contrast_and_gamut() -> None:
    image = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], np.uint8)
    out = reproduce(image, black=0.04, white=0.7, saturation=0.8, cast_rgb=(1, 1, 1)).astype(int)
    assert out[0, 0].min() > 30
    assert out[0, 1].max() < 225
    assert np.ptp(out[0, 2]) < 255


def test_halftone_puts_its_dots_at_the_screen_frequency() -> None:
    grey = np.full((128, 128, 3), 150, np.uint8)
    dots = halftone(grey, pitch_px=4.0, strength=0.5, rng=np.random.default_rng(0))[..., 2].astype(float)
    assert abs(to_linear(dots.astype(np.uint8)).mean() - to_linear(grey).mean()) < 0.01
    spectrum = np.abs(np.fft.rfft(dots.mean(axis=0) - dots.mean()))
    assert spectrum.argmax() == 128 / 4


@pytest.mark.parametrize("pitch_px", [1.02, 0.97, 1.05])
def test_moire_folds_the_panel_pitch_back(pitch_px: float) -> None:
    width = 512
    grid = pixel_grid((width, 8), np.diag([1 / pitch_px, 1 / pitch_px, 1.0]), depth=1.0, blur_px=0.1).astype(float)
    row = grid[..., 0].mean(axis=0)
    found = np.abs(np.fft.rfft(row - row.mean())).argmax() / width
    assert found == pytest.approx(abs(1 / pitch_px - 1), abs=1.5 / width)


def test_moire_colours_are_a_third_of_a_period_apart() -> None:
    grid = pixel_grid((500, 4), np.diag([1.02, 1e-6, 1.0]), depth=1.0, blur_px=0.1).astype(float)
    phase = [np.angle(np.fft.rfft(grid[0, :, c] - grid[0, :, c].mean())[10]) for c in range(3)]
    assert np.allclose(np.abs(np.exp(1j * np.diff(phase)).imag), np.sin(2 * np.pi / 3), atol=0.1)


def test_light_is_only_ever_added() -> None:
    rng = np.random.default_rng(0)
    image, light = (rng.integers(0, 256, (16, 16, 3)).astype(np.uint8) for _ in range(2))
    assert (add_light(image, light).astype(int) >= np.maximum(image, light).astype(int) - 1).all()
    assert np.array_equal(add_light(image, np.zeros_like(image)), image)


def test_bands_stand_still_when_the_flicker_is_a_multiple_of_the_rate() -> None:
    bands = RollingBands((16, 240), flicker_hz=60, depth=0.3, readout_s=0.025)
    assert np.array_equal(bands.at(0.0), bands.at(1 / 30 + 1e-9))
    assert not np.array_equal(bands.at(0.0), bands.at(0.005))
    row = bands.at(0.0)[:, 0, 0].astype(float)
    assert np.abs(np.fft.rfft(row[:160] - row[:160].mean())).argmax() == 1  # 60 Hz * 25 ms = 1.5 bands in 240 rows
    assert row.min() == pytest.approx(255 * 0.7, abs=1)


@pytest.mark.parametrize("sigma", [1.0, 4.0])
def test_sensor_noise_has_the_stated_strength_and_never_repeats(sigma: float) -> None:
    noise = SensorNoise((128, 128), sigma=sigma, rng=np.random.default_rng(0))
    grey = np.full((128, 128, 3), 128, np.uint8)
    first, second = noise.apply(grey).astype(float), noise.apply(grey).astype(float)
    assert first.std() == pytest.approx(sigma, rel=0.1)
    assert abs(first.mean() - 128) < 0.2
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1


# -- geometry and time -------------------------------------------------------------------------------------------------


def test_a_plane_seen_straight_on_fills_its_share() -> None:
    h = plane_homography((200, 300), (640, 480), Pose(), 0.5)
    left, right = (h @ (x, 150, 1) for x in (0, 200))
    assert right[0] / right[2] - left[0] / left[2] == pytest.approx(320)
    centre = h @ (100, 150, 1)
    assert centre[:2] / centre[2] == pytest.approx([320, 240])


def test_sway_is_a_function_of_time_alone_and_rests_without_amount() -> None:
    sway = Sway(Pose(yaw=3.0), 1.0, np.random.default_rng(0))
    forward = [sway.at(t / 10) for t in range(20)]
    assert forward == [sway.at(t / 10) for t in reversed(range(20))][::-1]
    steps = np.abs(np.diff([pose.yaw for pose in (sway.at(t / 300) for t in range(300))]))
    assert 0 < steps.max() < 0.5
    assert Sway(Pose(yaw=3.0), 0.0, np.random.default_rng(0)).at(1.7) == pytest.approx(Pose(yaw=3.0))


def test_smooth_warp_keeps_affine_maps_exactly() -> None:
    points = mesh_at(80, 100)[STIFF, :2].astype(np.float64)
    linear = np.array([[1.2, 0.1], [-0.2, 0.9]])
    reading = smooth_warp(points, points @ linear.T + (3, -4), (40, 40, 120, 160))
    y, x = np.mgrid[40:160, 40:120]
    expected = np.stack([x, y], axis=-1) @ linear.T + (3, -4)
    assert np.abs(reading - expected).max() < 0.01


def test_portrait_stays_inside_and_has_the_aspect() -> None:
    for mesh in (None, mesh_at(10, 20), mesh_at(300, 200, 12)):
        left, top, right, bottom = portrait((320, 240), mesh, 0.75)
        assert 0 <= left < right <= 320
        assert 0 <= top < bottom <= 240
        assert (right - left) / (bottom - top) == pytest.approx(0.75, rel=0.12)


def test_hair_only_grows_the_outline_upwards() -> None:
    mesh = mesh_at(80, 100)
    plain, haired = face_outline(mesh), face_outline(mesh, hair=0.4)
    assert haired[:, 1].min() < plain[:, 1].min() - 10
    assert haired[:, 1].max() == pytest.approx(plain[:, 1].max(), abs=2)


def test_display_holds_pictures_and_reads_no_further_than_it_must() -> None:
    read: list[int] = []

    def source() -> itertools.chain[Shot]:
        def shots():  # type: ignore[no-untyped-def]
            for n in range(1000):
                read.append(n)
                yield Shot(n / 10, np.zeros((2, 2, 3), np.uint8))

        return shots()  # type: ignore[no-any-return]

    shown = held(source(), (t / 30 for t in range(10_000)))
    times = [current.time_s for _, _, current in itertools.islice(shown, 30)]
    assert times == sorted(times)
    assert all(abs(t / 30 - time) < 0.1 for t, time in enumerate(times))
    assert len(read) < 13


def test_codec_keeps_times_and_streams() -> None:
    taken: list[int] = []
    shots = (taken.append(n) or Shot(n / 10, picture(n=n)) for n in range(60))
    out = through_codec(shots, Encoding(crf=20))
    first = next(out)
    assert len(taken) < 20
    times = [first.time_s, *(shot.time_s for shot in out)]
    assert np.allclose(times, np.arange(60) / 10)


# -- degradations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(DEGRADATIONS))
def test_degradation_is_deterministic_and_changes_the_take(kind: str, clip: Path) -> None:
    runs = [rendered("bona_fide", clip, degrade=(kind,), strength=0.8, seed=2) for _ in range(2)]
    assert all(np.array_equal(a.image_rgb, b.image_rgb) for a, b in zip(*runs, strict=True))
    assert len(runs[0]) > 0


def test_degradations_do_what_they_say(clip: Path) -> None:
    def one(*kinds: str) -> np.ndarray:
        return rendered("bona_fide", clip, degrade=kinds, strength=0.7)[0].image_rgb

    plain = one()
    face, wall = (slice(80, 120), slice(60, 100)), (slice(20, 60), slice(0, 20))
    assert one("dark").mean() < 0.4 * plain.mean()
    assert one("backlit")[face].mean() < 0.6 * plain[face].mean()
    assert one("backlit")[wall].mean() > 1.5 * plain[wall].mean()
    assert cv2.Laplacian(one("blur"), cv2.CV_64F).var() < 0.5 * cv2.Laplacian(plain, cv2.CV_64F).var()
    assert np.abs(one("occlusion")[110:130, 60:100].astype(int) - plain[110:130, 60:100]).mean() > 15
    assert np.ptp(locate(one("small_face"))[:, 0]) == pytest.approx(64 - 40 * 0.7, abs=2)


def test_low_frame_rate_keeps_true_times(clip: Path) -> None:
    every = [shot.time_s for shot in rendered("bona_fide", clip, duration_s=2.0)]
    kept = [
        shot.time_s for shot in rendered("bona_fide", clip, duration_s=2.0, degrade=("low_frame_rate",), strength=1)
    ]
    assert set(kept) < set(every)
    assert len(kept) <= 3 * 2.0 + 1


def test_low_bit_rate_costs_bits(clip: Path, tmp_path: Path) -> None:
    sizes = [
        simulate("bona_fide", clip, tmp_path / "b.mp4", degrade=kinds, strength=1.0, locate=locate).stat().st_size
        for kinds in ((), ("low_bitrate",))
    ]
    assert sizes[1] < 0.7 * sizes[0]


# -- files and the command line ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_the_same_seed_gives_the_same_bytes_and_the_label(suffix: str, tmp_path: Path) -> None:
    paths = [
        simulate("replay_phone", picture(), tmp_path / f"{n}.{suffix}", seed=9, locate=locate, **SMALL) for n in (0, 1)
    ]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with av.open(str(paths[0])) as container:
        tags = {key.lower(): value for key, value in container.metadata.items()}
    assert tags["comment"] == f"{LABEL} species=replay_phone seed=9"
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_pictures_of_an_odd_size_are_written_without_their_last_row_and_column(tmp_path):
    shots = (Shot(k / 10, picture()[:207, :159]) for k in range(5))
    write_take(Take(shots=shots), tmp_path / "odd.mp4", "odd")
    with av.open(str(tmp_path / "odd.mp4")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (158, 206)


def test_uneven_times_survive_the_file(tmp_path: Path) -> None:
    times = [0.0, 0.05, 0.3, 0.31, 0.9]
    write_take(Take(shots=(Shot(t, picture()) for t in times)), tmp_path / "t.mp4", "times")
    with av.open(str(tmp_path / "t.mp4")) as container:
        found = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert found == pytest.approx(times, abs=1e-4)


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    def shots():  # type: ignore[no-untyped-def]
        yield Shot(0.0, picture())
        raise RuntimeError("the source ends badly")

    with pytest.raises(RuntimeError, match="ends badly"):
        write_take(Take(shots=shots()), tmp_path / "t.mp4", "broken")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("species", "options", "message"),
    [
        ("print_flatt", {}, "no species"),
        ("print_flat", {"shine": 1.0}, "no parameter 'shine'"),
        ("print_flat", {"gloss": float("nan")}, "gloss must be"),
        ("print_flat", {"fill": 0.0}, "above 0"),
        ("print_flat", {"seed": -1}, "seed"),
        ("print_flat", {"duration_s": 0.0}, "duration_s"),
        ("print_flat", {"size_wh": (2, 2)}, "size_wh"),
        ("print_flat", {"degrade": ("fog",)}, "no degradation"),
        ("print_flat", {"degrade": ("dark",), "strength": 2.0}, "strength"),
        ("loop", {}, "needs a video"),
        ("print_cutout", {"locate": lambda image: None}, "needs a face"),
    ],
)
def test_wrong_arguments_are_named(species: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        render(species, picture(), **{"locate": locate, **options})  # type: ignore[arg-type]


def test_a_second_person_must_be_given(clip: Path) -> None:
    with pytest.raises(ParameterError, match="second person"):
        render("cut_two_people", clip, locate=locate)


def test_a_source_that_is_neither_is_a_media_error(tmp_path: Path) -> None:
    (tmp_path / "note.mp4").write_text("not a video")
    with pytest.raises(MediaError):
        render("photo_fixed", tmp_path / "note.mp4", locate=locate)


def test_parameters_have_defaults_and_are_described() -> None:
    for name, row in SPECIES.items():
        assert row.summary.endswith(".")
        for parameter in parameters_of(name):
            assert parameter in (row.make.__doc__ or "")


def test_command_lists_and_writes(clip: Path, tmp_path: Path) -> None:
    listed = CliRunner().invoke(simulate_command, ["--list"])
    assert listed.exit_code == 0
    assert all(name in listed.output for name in [*SPECIES, *DEGRADATIONS])
    out = tmp_path / "loop.mp4"
    arguments = ["loop", str(clip), "-o", str(out), "--seed", "3", "--set", "period=0.4"]
    made = CliRunner().invoke(simulate_command, arguments)
    assert made.exit_code == 0, made.output
    assert out.stat().st_size > 0


@pytest.mark.parametrize("arguments", [["--size", "0x0"], ["--set", "fill"], ["--seed", "-1"]])
def test_command_refuses_wrong_usage(arguments: list[str]) -> None:
    result = CliRunner().invoke(simulate_command, ["print_flat", "x.jpg", "-o", "y.mp4", *arguments])
    assert result.exit_code == 2


@pytest.mark.parametrize("size_wh", [(40, 90), (90, 40), (61, 37)])
def test_a_reflection_never_leaves_the_glass(size_wh):
    """However far the display is turned, in pictures of any shape."""
    look = SimpleNamespace(glare=lambda wh, rng, strength: np.zeros((wh[1], wh[0], 3), np.uint8), glare_strength=1.0)
    glare = _Glare(size_wh, look, np.random.default_rng(0))
    image = np.zeros((*size_wh[::-1], 3), np.uint8)
    for tilt in (0.0, 1.0, -1.0):
        turned = np.array([[1.0, 0, 0], [0, 1, 0], [tilt, tilt, 1]])
        assert glare(Surface(image, image, 0.0, turned)).shape == image.shape

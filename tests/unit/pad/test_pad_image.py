"""Reference reuse, injection signals and screen rhythm: attacks named by the lie they tell."""

import io
import pickle
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest

from idverify.errors import CalibrationError
from idverify.media import TimeProblems, open_recording
from idverify.media.frame import Frame, Orientation
from idverify.pad import Status, injection, reference_reuse, screen_rhythm
from idverify.pad._llr import LLRScale, load_scale
from idverify.pad._strips import SIDE_PX, FaceStrips
from idverify.pad.fingerprints import (
    MAX_FRAMES,
    FrameFingerprints,
    deepest_repeat,
    lasting_fall,
    longest_freeze,
    squared_differences,
)
from idverify.reasons import Reason
from idverify.simulation import DEGRADATIONS, LABEL, SPECIES

SIDE = reference_reuse.CROP_SIDE_PX
CLIPS = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "videos" / "bona_fide"


def textured(seed, side=SIDE):
    """A picture with detail at every scale, as a face has [shape=(side, side)]."""
    rng = np.random.default_rng(seed)
    layers = [cv2.GaussianBlur(rng.normal(size=(side, side)), (0, 0), s) * s for s in (1.0, 2.0, 4.0, 8.0)]
    total = np.sum(layers, axis=0)
    return np.clip(128 + 45 * total / total.std(), 0, 255).astype(np.uint8)


# -- reference reuse --------------------------------------------------------------------------------


def reshot(photo, seed=0, frames=6, mirrored=False):
    rng = np.random.default_rng(seed)
    corners = np.float32([[0, 0], [SIDE, 0], [SIDE, SIDE], [0, SIDE]])
    out = []
    for _ in range(frames):
        moved = corners + rng.uniform(-1.0, 1.0, (4, 2)).astype(np.float32)
        view = cv2.warpPerspective(
            photo, cv2.getPerspectiveTransform(corners, moved), (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT
        )
        light = 255 * (view / 255.0) ** 1.3 * 0.8 + 20 + rng.normal(0, 1.5, view.shape)
        out.append(np.clip(light, 0, 255).astype(np.uint8))
    stack = np.stack(out)
    return np.ascontiguousarray(stack[:, :, ::-1]) if mirrored else stack


def strips(pictures=(), turns=()):
    return FaceStrips(
        luma=np.array(pictures, np.uint8).reshape(-1, SIDE_PX, SIDE_PX),
        yaw_pitch_deg=np.array(turns, np.float64).reshape(-1, 2),
    )


def reuse(crops, photo, *, video=None, strip=None):
    """What is said of crops and strips of a video, given a photo's."""
    shown = strips([textured(90, SIDE_PX)], [(0, 0)]) if strip is None else strip
    face = reference_reuse.ReferenceFace(crop=photo, strip=shown)
    return reference_reuse.assess(crops, strips() if video is None else video, face)


TURNS = np.array([(8.0, 0.0), (9.0, 3.0), (-7.0, 4.0), (-10.0, -2.0), (0.0, 9.0), (7.0, 7.0)])


def copies(photo, changed=None):
    """The photo's strip, a little shifted, darker and noisier; some places may hold other texture."""
    out = []
    for k, _ in enumerate(TURNS):
        moved = np.roll(photo, (k % 3 - 1, k % 2), axis=(0, 1)) * 0.7 + 20
        moved += np.random.default_rng(k).normal(0, 1.5, moved.shape)
        if changed is not None:
            moved[changed] = textured(70 + k, SIDE_PX)[changed]
        out.append(np.clip(moved, 0, 255))
    return out


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_warped_copy_that_speaks_and_blinks_is_doubted(mirrored):
    """Eyes and mouth are others in each picture, so that the whole face never lines up."""
    photo = textured(11, SIDE_PX)
    living = np.zeros(photo.shape, bool)
    living[34:42, 20:37] = living[34:42, 59:76] = living[67:90, 30:66] = True
    pictures = copies(photo, living)
    turns = TURNS
    if mirrored:
        pictures, turns = [p[:, ::-1] for p in pictures], TURNS * (-1, 1)
    evidence = reuse(
        reshot(textured(2)), textured(1), video=strips(pictures, turns), strip=strips([photo], [(0, 0)])
    )
    assert evidence.bona_fide_llr < -0.5
    assert not evidence.decisive


def test_another_face_and_a_face_turned_as_the_photo_is_are_left_alone():
    photo = textured(11, SIDE_PX)
    apart = [textured(20 + k, SIDE_PX) for k in range(len(TURNS))]
    for pictures, turns in ((apart, TURNS), (copies(photo), TURNS / 5), (copies(photo), TURNS * 4)):
        evidence = reuse(
            reshot(textured(2)), textured(1), video=strips(pictures, turns), strip=strips([photo], [(0, 0)])
        )
        assert evidence.bona_fide_llr == 0.0


@pytest.mark.parametrize("mirrored", [False, True])
def test_this_is_me_says_the_photo_filmed_again(mirrored):
    photo = textured(1)
    evidence = reuse(reshot(photo, mirrored=mirrored), photo)
    assert evidence.decisive
    assert evidence.reason is Reason.REFERENCE_REUSED
    assert evidence.bona_fide_llr is not None
    assert evidence.bona_fide_llr < -1


def test_another_picture_is_no_reuse():
    evidence = reuse(reshot(textured(2)), textured(1))
    assert not evidence.decisive
    assert evidence.native is not None
    assert evidence.native < 0.5
    assert evidence.bona_fide_llr == 0.0


def test_a_mouth_that_moves_is_not_a_photo():
    photo = textured(3)
    frames = reshot(photo)
    for k, frame in enumerate(frames[::2]):
        frame[44:56, 20:44] = textured(50 + k)[:12, :24]
    assert not reuse(frames, photo).decisive


def test_brightness_and_contrast_do_not_hide_a_reuse():
    photo = textured(4)
    darker = (photo * 0.5 + 30).astype(np.uint8)
    same = reference_reuse.lasting_correlation(photo[None], photo)
    assert same > 0.99
    assert reference_reuse.lasting_correlation(darker[None], photo) == pytest.approx(same, abs=0.02)


def test_correlation_has_one_column_per_block_and_stays_a_correlation():
    blocks = reference_reuse.block_correlation(reshot(textured(5), frames=3), textured(5))
    assert blocks.shape[0] == 3
    assert blocks.shape[1] > 50
    assert np.abs(blocks).max() <= 1 + 1e-4


def test_without_a_face_large_enough_reuse_is_not_assessed():
    evidence = reuse(np.empty((0, SIDE, SIDE), np.uint8), textured(1))
    assert evidence.status is Status.NOT_ASSESSED
    assert evidence.reason is Reason.LOW_RESOLUTION


def mesh(eye_distance_px=60.0, centre=(160.0, 120.0)):
    """A crude mesh: right eye, left eye and nose base where they belong, all else at the centre."""
    points = np.zeros((468, 3), np.float32)
    points[:, :2] = centre
    half = eye_distance_px / 2
    for index, dx, dy in ((33, -half, 0), (133, -half, 0), (263, half, 0), (362, half, 0), (2, 0, 1.45 * half)):
        points[index, :2] += (dx, dy)
    return points


def test_the_collector_keeps_few_crops_spread_over_any_length():
    collector = reference_reuse.ReferenceReuse()
    for k in range(400):
        view = SimpleNamespace(luma=np.full((240, 320), k % 256, np.uint8), scale=2.0)
        collector.observe(view, SimpleNamespace(points_px=2 * mesh()))
    levels = collector.crops()[:, 30, 30].astype(int)
    assert 8 <= len(levels) <= 24
    assert collector.crops().shape[1:] == (SIDE, SIDE)
    assert len(np.unique(np.diff(np.unwrap(levels, period=256)))) == 1


def test_a_crop_is_the_same_for_a_picture_twice_as_large():
    image = cv2.GaussianBlur(textured(6, 320), (0, 0), 3)
    double = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    one = reference_reuse.face_crop(image, mesh(60, (160, 160)))
    two = reference_reuse.face_crop(double, mesh(120, (320.5, 320.5)))
    assert np.abs(one.astype(int) - two).mean() < 2


# -- injection --------------------------------------------------------------------------------------

FACTS = injection.ContainerFacts(metadata={}, time_problems=TimeProblems())


def film(n=90, seed=0, noise=1.0):
    """Thumbnail-sized pictures of something that wanders about and never comes back the same [shape=(n, 96, 144)]."""
    rng = np.random.default_rng(seed)
    scene = cv2.GaussianBlur(rng.uniform(0, 255, (160, 220)).astype(np.float32), (0, 0), 3)
    scene = 128 + (scene - scene.mean()) * 4
    path = np.cumsum(cv2.GaussianBlur(rng.normal(size=(n, 2)), (1, 9), 2), axis=0) * 0.8
    path -= path.mean(axis=0)
    frames = []
    for x, y in path:
        shift = np.float32([[1, 0, x - 36], [0, 1, y - 30]])
        frames.append(
            cv2.warpAffine(scene, shift, (144, 96), borderMode=cv2.BORDER_REFLECT) + rng.normal(0, noise, (96, 144))
        )
    return np.clip(frames, 0, 255).astype(np.uint8)


def encoded(frames, rate_hz=30, crf=23):
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate_hz))
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape, "yuv420p"
        stream.options = {"crf": str(crf), "preset": "veryfast"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "gray")))
        container.mux(stream.encode())
    return file.getvalue()


def fingerprints(frames, **how):
    seen = FrameFingerprints()
    with open_recording(encoded(frames, **how)) as recording:
        for frame in recording:
            seen.observe_frame(frame)
    return seen


def signal(name, frames, facts=FACTS, **how):
    return next(e for e in injection.assess(fingerprints(frames, **how), facts) if e.name == name)


@pytest.mark.parametrize("crf", [18, 28])
def test_i_am_still_here_says_the_loop(crf):
    passage = film(45)
    evidence = signal("repeated_passage", np.concatenate([passage, passage, passage]), crf=crf)
    assert evidence.decisive
    assert evidence.reason is Reason.TAMPERED_RECORDING


def test_i_am_still_here_says_the_loop_played_back_and_forth():
    passage = film(45, seed=2)
    evidence = signal("repeated_passage", np.concatenate([passage, passage[-2:0:-1], passage]), crf=18)
    assert evidence.decisive
    assert evidence.reason is Reason.TAMPERED_RECORDING


def test_recorded_in_one_go_is_left_alone():
    for seed in range(3):
        evidence = injection.assess(fingerprints(film(120, seed=seed)), FACTS)
        assert not any(e.decisive for e in evidence)


def test_a_still_picture_is_no_loop():
    still = np.repeat(film(1), 90, axis=0)
    assert not signal("repeated_passage", still).decisive


def test_every_frame_twice_as_recorders_in_the_dark_do_is_no_tampering():
    assert not any(e.decisive for e in injection.assess(fingerprints(np.repeat(film(60), 2, axis=0)), FACTS))


@pytest.mark.parametrize("frames", [6, 27, 60, 120])
def test_a_stall_is_measured_and_proves_nothing(frames):
    """However long it is, and whatever moves before and after."""
    moving = film(90, seed=3)
    evidence = injection.assess(
        fingerprints(np.concatenate([moving[:20], np.repeat(moving[20:21], frames, axis=0), moving[21:]])), FACTS
    )
    frozen = next(e for e in evidence if e.name == "frozen_pictures")
    # Encoders take some pictures, and older ones more, until what stands still is still.
    assert (frames - 1) / 30 - 0.35 <= frozen.native <= (frames - 1) / 30 + 0.05
    assert frozen.bona_fide_llr == 0.0
    assert [e.reason for e in evidence if e.reason is not None] == [Reason.RECORDING_STALLED] * (frames > 15)


def test_a_quiet_stretch_before_a_movement_is_no_repeat():
    """Alike for a while, then far apart: lower than one side only."""
    thumbs = np.full((90, 32, 48), 100.0)
    thumbs += np.linspace(0, 40, 48)
    thumbs[:, :, :24] += np.r_[np.linspace(0, 3, 60), np.linspace(3, 90, 30)][:, None, None]
    found = deepest_repeat(np.arange(90) / 30, thumbs.astype(np.uint8))
    assert found is not None
    assert found.dip > 0.5


@pytest.mark.parametrize("ends", [(0.9, 1.8, 2.7, 3.6, 4.5), (1.2, 2.4, 3.6)], ids=["again", "back and forth"])
def test_a_lamp_that_goes_off_as_before_repeats_nothing(ends):
    """Nearly still pictures, in which light jumps: the jumps alone are alike."""
    still = np.repeat(film(1, noise=0), 140, axis=0).astype(float)
    still += np.random.default_rng(3).normal(0, 3.0, still.shape)
    still += np.linspace(0, 6, 140)[:, None, None] * np.linspace(-1, 1, 144)
    off = np.searchsorted(ends, np.arange(140) / 30) % 2 == 1
    still[off] = 20 + 0.6 * still[off]
    evidence = signal("repeated_passage", np.clip(still, 0, 255).astype(np.uint8), crf=18)
    assert evidence.reason is None


def test_a_loop_in_which_a_lamp_goes_off_is_still_a_loop():
    passage = film(45).astype(float)
    passage[20:35] = 20 + 0.6 * passage[20:35]
    passage = passage.astype(np.uint8)
    assert signal("repeated_passage", np.concatenate([passage, passage]), crf=18).decisive


LIGHTS = {
    "a lamp that flickers": lambda t: 1 + 0.1 * (t // 0.1334 % 2),
    "exposure that rises": lambda t: 1 + 0.04 * t,
    "exposure that swells": lambda t: 1 + 0.08 * np.sin(2 * np.pi * t / 1.7),
    "a television": lambda t: 1 + 0.1 * np.random.default_rng(1).uniform(-1, 1, 20)[(t // 0.4).astype(int)],
}


@pytest.mark.parametrize("backwards", [False, True], ids=["again", "back and forth"])
@pytest.mark.parametrize("light", LIGHTS.values(), ids=LIGHTS)
def test_no_light_laid_over_a_loop_hides_it(light, backwards):
    passage = film(45, seed=2).astype(float)
    loop = np.concatenate([passage, passage[-2:0:-1] if backwards else passage, passage])
    lit = loop * light(np.arange(len(loop)) / 30)[:, None, None]
    evidence = signal("repeated_passage", np.clip(lit, 0, 255).astype(np.uint8), crf=18)
    assert evidence.decisive


@pytest.mark.parametrize("dark_s", [0.3, 1.0])
def test_a_black_start_is_no_cut(dark_s):
    moving = film(80, seed=4)
    moving[: round(dark_s * 30)] = 16
    assert signal("cuts", moving).reason is None


def test_a_scene_that_gets_light_at_once_is_no_cut():
    moving = film(80, seed=4).astype(float)
    moving[:30] = 40 + 0.3 * moving[:30]
    assert signal("cuts", moving.round().astype(np.uint8)).reason is None


def test_loops_of_a_stuttering_line_are_still_loops():
    # Of an even number of pictures, so that the line drops the same ones each time.
    passage = film(46)
    stutter = np.concatenate([passage, passage])[np.repeat(np.arange(0, 92, 2), 2)]
    assert signal("repeated_passage", stutter, crf=18).reason is Reason.TAMPERED_RECORDING


@pytest.mark.parametrize("pixel_format", ["yuv420p10le", "yuv422p10le", "yuv444p12le", "gbrp", "yuv420p"])
def test_every_pixel_format_feeds_every_signal(pixel_format):
    seen = FrameFingerprints()
    pictures = film(30)
    for k, picture in enumerate(pictures):
        rgb = np.repeat(picture[..., None], 3, axis=-1) if picture.ndim == 2 else picture
        decoded = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixel_format)
        seen.observe_frame(Frame(decoded, index=k, time_s=k / 30, orientation=Orientation()))
    assert np.isfinite(seen.compression()[1:]).all()
    assert seen.compression()[:, 0].min() > 0
    plain = np.stack([cv2.resize(p, (48, 32), interpolation=cv2.INTER_AREA) for p in pictures])
    assert np.corrcoef(seen.thumbnails()[1].ravel(), plain.ravel())[0, 1] > 0.9


def test_a_cut_is_counted_once_and_named_in_time():
    evidence = signal("cuts", np.concatenate([film(40, seed=1), film(40, seed=9)]))
    assert evidence.native == 1
    assert "1.3" in evidence.detail
    assert not evidence.decisive


def test_repeats_are_found_at_their_place():
    thumbs = np.stack([cv2.resize(f, (48, 32), interpolation=cv2.INTER_AREA) for f in film(50, noise=0)])
    thumbs = np.concatenate([thumbs, thumbs])
    times = np.arange(100) / 30
    found = deepest_repeat(times, thumbs)
    assert found is not None
    assert not found.backwards
    assert found.dip < 0.2
    assert found.second_s - found.first_s == pytest.approx(50 / 30)


def test_self_similarity_agrees_with_the_plain_loop():
    thumbs = film(6)[:, ::4, ::4]
    plain = [[np.mean((a.astype(float) - b) ** 2) for b in thumbs] for a in thumbs]
    np.testing.assert_allclose(squared_differences(thumbs), plain, rtol=1e-3, atol=0.05)


def test_freeze_is_measured_in_seconds_of_the_container():
    distance = np.ones((6, 6), np.float32)
    distance[1:5, 1:5] = 0
    assert longest_freeze(np.array([0, 0.1, 0.2, 0.9, 1.0, 1.1]), distance) == (pytest.approx(0.9), pytest.approx(0.1))


def test_memory_stays_flat_however_many_frames():
    seen = FrameFingerprints()
    with open_recording(encoded(film(2))) as recording:
        frame = next(iter(recording))
    for _ in range(MAX_FRAMES + 50):
        seen.observe_frame(frame)
    assert len(seen.thumbnails()[0]) == MAX_FRAMES


def test_timestamps_that_run_backwards_are_named_but_prove_nothing():
    facts = replace(FACTS, time_problems=TimeProblems(backwards=3, repeated=1))
    evidence = signal("timestamps", film(20), facts)
    assert evidence.native == 4
    assert evidence.reason is Reason.TIME_BASE_INVALID
    assert not evidence.decisive


@pytest.mark.parametrize(
    ("text", "rank"),
    [
        ("Lavf58.76.100", 0),
        ("HandBrake 1.8.1", 0),
        ("Chrome", 0),
        ("Core Media Video", 0),
        ("Adobe Premiere Pro", 1),
        ("a community of filmmakers, with AVCamera", 0),
        ("OBS Studio (30.2.0)", 2),
        ("OBS Virtual Camera", 2),
        ("ManyCam 8", 2),
        ("ReplayKitRecording", 2),
        ("Microsoft Game DVR", 2),
        ("EV录屏", 2),
        ("", 0),
    ],
)
def test_programs_named_in_the_container_are_ranked_and_never_decide(text, rank):
    evidence = signal("software", film(12), replace(FACTS, metadata={"encoder": text}))
    assert evidence.native == rank
    assert evidence.bona_fide_llr is not None
    assert -1 <= evidence.bona_fide_llr <= 0
    assert not evidence.decisive
    assert (evidence.reason is Reason.NOT_FROM_A_CAMERA) == (rank == 2)


def test_no_signal_reads_the_label_that_simulated_files_carry():
    """The label would tell simulated attacks, and only those, from everything else."""
    seen = fingerprints(film(12))
    plain = injection.assess(seen, FACTS)
    for name in (*SPECIES, *DEGRADATIONS):
        label = f"{LABEL} species={name} seed=0 degrade={name}"
        labelled = injection.assess(seen, replace(FACTS, metadata={**FACTS.metadata, "comment": label}))
        assert [(e.native, e.bona_fide_llr, e.reason) for e in labelled] == [
            (e.native, e.bona_fide_llr, e.reason) for e in plain
        ]


def test_too_few_frames_are_not_assessed():
    evidence = injection.assess(FrameFingerprints(), FACTS)
    assert {e.name for e in evidence if e.status is Status.NOT_ASSESSED} >= {"repeated_passage", "frozen_pictures"}
    assert len({e.name for e in evidence}) == len(evidence)


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the research clips are not on this machine")
@pytest.mark.parametrize("name", ["webcam_man_head_turns.wmv", "tv_bill_clinton.avi", "grid_bbaf2n.mpg"])
def test_clips_of_real_people_are_not_called_tampered(name):
    seen = FrameFingerprints()
    with open_recording(CLIPS / name) as recording:
        for frame in recording:
            seen.observe_frame(frame)
        facts = injection.ContainerFacts.of(recording)
    assert not any(e.decisive for e in injection.assess(seen, facts))


# -- screen rhythm ----------------------------------------------------------------------------------


def test_moire_of_two_lattices_stands_out_of_skin():
    y, x = np.mgrid[:128, :128]
    skin = textured(7, 128)
    grid = 6 * np.sin(2 * np.pi * (0.21 * x + 0.17 * y))
    plain = screen_rhythm.moire_peak_db(skin)
    moire = screen_rhythm.moire_peak_db(np.clip(skin + grid, 0, 255).astype(np.uint8))
    assert moire > plain + 6


def test_lines_of_a_block_codec_are_not_moire():
    skin = textured(8, 128)
    blocky = skin.copy()
    blocky[::8] = np.clip(blocky[::8].astype(int) + 6, 0, 255)
    blocky[:, ::8] = np.clip(blocky[:, ::8].astype(int) + 6, 0, 255)
    assert screen_rhythm.moire_peak_db(blocky) < screen_rhythm.moire_peak_db(skin) + 3


@pytest.mark.parametrize("size_wh", [(360, 640), (640, 361), (25, 24)])
def test_the_row_profile_is_the_area_average_of_each_strip(size_wh):
    luma = np.random.default_rng(9).integers(0, 256, size_wh[::-1]).astype(np.uint8)
    average = cv2.resize(luma, (1, 24), interpolation=cv2.INTER_AREA)[:, 0]
    np.testing.assert_array_equal(screen_rhythm.row_profile(luma), average)


def test_a_band_that_drifts_down_the_picture_beats():
    times = np.sort(np.arange(90) / 15 + np.random.default_rng(0).uniform(-0.01, 0.01, 90))
    strips = np.arange(24)
    noise = np.random.default_rng(1).normal(0, 0.3, (90, 24))
    bands = 100 + 4 * np.sin(2 * np.pi * (4.0 * times[:, None] - strips / 12)) + noise
    rate_hz, share = screen_rhythm.beat(times, bands)
    assert rate_hz == pytest.approx(4.0, abs=0.1)
    assert share > 0.5
    assert screen_rhythm.beat(times, 100 + noise)[1] < 0.2


def test_skin_alone_weighs_nothing_and_a_display_speaks_against():
    times, rng = np.arange(60) / 15, np.random.default_rng(2)
    rows = 100 + rng.normal(0, 0.5, (60, 24))
    skin = screen_rhythm.assess(np.array([[0.0, 8.5], [0.7, 9.0], [1.4, 8.8]]), times, rows)
    display = screen_rhythm.assess(np.array([[0.0, 19.0], [0.7, 18.0], [1.4, 21.0]]), times, rows)
    assert skin.bona_fide_llr == 0
    assert display.bona_fide_llr is not None
    assert display.bona_fide_llr <= -1
    assert not display.decisive
    assert screen_rhythm.assess(np.empty((0, 2)), times, rows).status is Status.NOT_ASSESSED


# -- the card ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mechanism",
    [
        "reference_reuse",
        "repeated_passage",
        "pulse",
        "screen_rhythm",
        "screen_beat",
        "cuts",
        "quality_fall",
        "software",
    ],
)
def test_maps_of_the_card_are_bounded_and_one_sided(mechanism):
    scale = load_scale(mechanism)
    values = [scale(v) for v in np.linspace(-50, 50, 201)]
    assert np.isfinite(values).all()
    assert max(np.abs(values)) < 7
    assert min(values) == 0 if mechanism == "pulse" else max(values) == 0


def test_a_damaged_map_is_refused():
    with pytest.raises(CalibrationError, match="rising"):
        LLRScale(native=(1.0, 0.0), llr=(0.0, 1.0))
    with pytest.raises(CalibrationError, match="monotone"):
        LLRScale(native=(0.0, 1.0, 2.0), llr=(0.0, 1.0, 0.5))
    with pytest.raises(CalibrationError, match="no_such"):
        load_scale("no_such")


def test_evidence_shows_no_pixels():
    evidence = reuse(reshot(textured(1), frames=2), textured(1))
    assert "array" not in repr(evidence)
    assert pickle.loads(pickle.dumps(evidence)).native == evidence.native


# -- compression -----------------------------------------------------------------------------------


def compression(detail, repeated, change=3.0, contrast=40.0, rate_hz=30.0, seed=0):
    """Times, detail and repetition of each picture, its change and its contrast, second by second as given."""
    rng = np.random.default_rng(seed)
    n = round(len(detail) * rate_hz)
    second = (np.arange(n) / rate_hz).astype(int)
    levels = np.column_stack([np.array(detail)[second] * rng.normal(1, 0.03, n), np.array(repeated)[second]])
    levels[:, 1] += rng.normal(0, 0.03, n)
    moves = np.broadcast_to(change, len(detail))[second] * rng.normal(1, 0.1, n)
    return np.arange(n) / rate_hz, levels, moves, np.broadcast_to(contrast, len(detail))[second]


def test_a_soft_picture_that_goes_on_moving_while_blocks_are_copied_has_fallen():
    fall, time_s = lasting_fall(*compression([1.1] * 5, [0.5, 0.5, 0.8, 0.8, 0.8]))
    assert fall >= load_scale("quality_fall").marks["fell_from"][0]
    assert time_s == pytest.approx(2.0)


@pytest.mark.parametrize("seed", range(5))
def test_one_quality_throughout_is_no_fall(seed):
    fall, _ = lasting_fall(*compression([2.0] * 5, [0.4] * 5, seed=seed))
    assert fall < 0.02


def test_a_narrower_channel_is_found_where_it_begins():
    fall, time_s = lasting_fall(*compression([2.0, 2.0, 1.2, 1.2, 1.2], [0.3, 0.3, 0.7, 0.7, 0.7]))
    assert fall == pytest.approx(np.sqrt(np.log(2.05 / 1.25) * 0.4), abs=0.06)
    assert time_s == pytest.approx(2.0)


@pytest.mark.parametrize("turn_deg", [90, 180])
@pytest.mark.parametrize("joined", [False, True])
def test_a_turn_is_no_cut_and_hides_none(turn_deg, joined):
    """Square pictures that turn in the middle, and are seen upright again; other ones that follow are a cut."""
    frames = film(90)[:, :96, 24:120]
    after = film(90, seed=8)[45:, :96, 24:120] if joined else frames[45:]
    coded = encoded([*frames[:45], *np.rot90(after, turn_deg // 90, axes=(1, 2))])
    seen = FrameFingerprints()
    with open_recording(coded) as recording:
        for frame in recording:
            seen.observe_frame(frame)
            if frame.index == 45:
                seen.see_turned(recording.turn(frame, turn_deg))
    names = {e.name: e for e in injection.assess(seen, FACTS)}
    assert names["cuts"].native == joined


@pytest.mark.parametrize("dimmed", [0.3, 0.5, 0.7])
def test_a_lamp_that_is_switched_off_is_no_fall_and_hides_none(dimmed):
    """Less light takes detail, change and contrast alike, and more pieces repeat; a narrower channel takes more."""
    light, repeated = np.array([1.0, 1.0, dimmed, dimmed, dimmed]), [0.3, 0.3, 0.6, 0.6, 0.6]
    fall, _ = lasting_fall(*compression(2.0 * light, repeated, 3.0 * light, 40.0 * light))
    assert fall < load_scale("quality_fall").marks["fell_from"][0]
    squeezed = 2.0 * light * [1.0, 1.0, 0.6, 0.6, 0.6]
    fall, time_s = lasting_fall(*compression(squeezed, repeated, 3.0 * light, 40.0 * light))
    assert fall > 2 * load_scale("quality_fall").marks["fell_from"][0]
    assert time_s == pytest.approx(2.0)


@pytest.mark.parametrize("gain", [0.3, 0.45, 2.0])
def test_exposure_that_changes_in_a_coded_recording_is_no_fall(gain):
    shots = film(120).astype(np.float64)
    shots[60:] *= gain
    names = {e.name: e for e in injection.assess(fingerprints(np.clip(shots, 0, 255).astype(np.uint8)), FACTS)}
    assert names["quality_fall"].reason is None
    assert names["cuts"].reason is None


@pytest.mark.parametrize(
    ("detail", "repeated", "change"),
    [
        ([1.2, 1.2, 2.0, 2.0], [0.7, 0.7, 0.3, 0.3], 3.0),  # an encoder that finds its rate
        ([2.0, 2.0, 1.2, 1.2], [0.4, 0.4, 0.4, 0.4], 3.0),  # a head that comes to rest before a plain wall
        ([2.0, 2.0, 2.0, 2.0], [0.3, 0.3, 0.7, 0.7], [3.0, 3.0, 0.8, 0.8]),  # a person who stops moving
        ([2.0, 1.2, 2.0, 2.0], [0.3, 0.7, 0.3, 0.3], 3.0),  # a moment's jam
        ([1.2, 1.2, 2.0, 2.0], [0.3, 0.3, 0.7, 0.7], 3.0),  # a camera that finds its focus
    ],
)
def test_what_happens_to_honest_people_is_no_fall(detail, repeated, change):
    fall, _ = lasting_fall(*compression(detail, repeated, change))
    assert fall < load_scale("quality_fall").marks["fell_from"][0]


def test_a_fall_is_named_and_does_not_prove():
    names = {e.name: e for e in injection.assess(fingerprints(film(90)), FACTS)}
    assert names["quality_fall"].reason is None
    times, levels, moves, contrast = compression([2.0, 2.0, 1.2, 1.2], [0.3, 0.3, 0.7, 0.7])
    evidence = injection._quality(times, levels, moves, contrast)
    assert evidence.reason is Reason.QUALITY_FELL
    assert evidence.bona_fide_llr < 0
    assert not evidence.decisive
    assert injection._quality(times[:20], levels[:20], moves[:20], contrast[:20]).status is Status.NOT_ASSESSED
    assert injection._quality(times, np.full_like(levels, np.nan), moves, contrast).status is Status.NOT_ASSESSED


def test_pieces_that_repeat_are_counted_and_detail_is_read():
    still = np.repeat(film(1), 10, axis=0)
    seen = fingerprints(still)
    assert np.nanmin(seen.compression()[:, 1]) > 0.9
    noise = np.random.default_rng(0).integers(0, 255, (10, 96, 144)).astype(np.uint8)
    busy = fingerprints(noise, crf=10)
    assert np.nanmax(busy.compression()[:, 1]) < 0.1
    assert busy.compression()[:, 0].mean() > 5 * seen.compression()[:, 0].mean()

"""Laws of the pulse: what rate comes out for what goes in, whatever light, noise and frame times do."""

import numpy as np
import pytest

from idverify.pad import pulse

SKIN = np.array([180.0, 130.0, 110.0])
# Relative strength of the pulse in red, green and blue (de Haan & van Leest 2014, doi:10.1088/0967-3334/35/9/1913).
BLOOD = np.array([0.33, 0.77, 0.53]) / 0.77


def even(rng, duration_s=10.0):
    return np.arange(0, duration_s, 1 / 15)


def jittered_with_gaps(rng, duration_s=10.0):
    times = np.sort(even(rng, duration_s) + rng.uniform(-0.025, 0.025, len(even(rng, duration_s))))
    return times[rng.random(len(times)) > 0.15]


def face(times, rng, *, rate_hz=1.2, amplitude=0.005, noise=0.5, light=0.03, background=True):
    """Mean colours of three skin regions and the background: a beat in the skin, drifting light, camera noise."""
    n = len(times)
    beat = amplitude * np.sin(2 * np.pi * rate_hz * times)[:, None] * BLOOD
    colours = np.repeat((SKIN * (1 + beat))[:, None], 4, axis=1)
    colours[:, 3] = 0.6 * SKIN if background else np.nan
    drift = 1 + light * np.sin(2 * np.pi * 0.13 * times + 1) + 0.01 * rng.normal(size=n)
    return colours * drift[:, None, None] + rng.normal(0, noise, colours.shape)


@pytest.mark.parametrize("frame_times", [even, jittered_with_gaps])
@pytest.mark.parametrize("seed", range(5))
def test_a_tone_of_1_2_hz_and_half_a_percent_in_noise_is_72_bpm(frame_times, seed):
    rng = np.random.default_rng(seed)
    times = frame_times(rng)
    estimate = pulse.estimate_pulse(times, face(times, rng))
    assert estimate is not None
    assert estimate.rate_bpm == pytest.approx(72, abs=2)


@pytest.mark.parametrize("bpm", [50, 66, 90, 120, 165])
def test_the_rate_is_the_beats_over_the_whole_band(bpm):
    rng = np.random.default_rng(bpm)
    times = jittered_with_gaps(rng)
    estimate = pulse.estimate_pulse(times, face(times, rng, rate_hz=bpm / 60))
    assert estimate is not None
    assert estimate.rate_bpm == pytest.approx(bpm, abs=2)


def test_brightness_of_the_recording_changes_nothing():
    times = even(np.random.default_rng(0))
    colours = face(times, np.random.default_rng(1))
    first, second = pulse.estimate_pulse(times, colours), pulse.estimate_pulse(times + 100.0, 0.4 * colours)
    assert first is not None
    assert second is not None
    assert second.rate_bpm == pytest.approx(first.rate_bpm, abs=0.01)
    assert second.snr_db == pytest.approx(first.snr_db, abs=1e-6)


def test_snr_falls_as_noise_grows():
    times = even(np.random.default_rng(0))
    levels = [pulse.estimate_pulse(times, face(times, np.random.default_rng(5), noise=n)) for n in (0.05, 0.5, 4.0)]
    snr = [one.snr_db for one in levels if one is not None]
    assert len(snr) == 3
    assert snr == sorted(snr, reverse=True)


def test_a_picture_without_blood_gains_little_and_a_clear_pulse_gains_more():
    times = even(np.random.default_rng(0))
    clear = pulse.assess(times, face(times, np.random.default_rng(3), noise=0.1))
    prints = [pulse.assess(times, face(times, np.random.default_rng(s), amplitude=0.0)) for s in range(12)]
    assert clear.bona_fide_llr is not None
    assert clear.bona_fide_llr > 0.5
    assert np.median([one.bona_fide_llr for one in prints]) == 0.0


@pytest.mark.parametrize("seed", range(6))
def test_it_never_speaks_against_a_person(seed):
    rng = np.random.default_rng(seed)
    times = jittered_with_gaps(rng)
    evidence = pulse.assess(times, rng.uniform(0, 255, (len(times), 4, 3)))
    assert evidence.bona_fide_llr is not None
    assert evidence.bona_fide_llr >= 0
    assert not evidence.decisive


def test_a_lamp_that_flickers_at_a_heart_rate_over_face_and_wall_is_not_a_pulse():
    times, rng = even(np.random.default_rng(0)), np.random.default_rng(9)
    colours = face(times, rng, amplitude=0.0, noise=0.05)
    # A coloured lamp: all that the eye of the camera sees follows it, skin and wall alike.
    colours *= (1 + 0.01 * np.sin(2 * np.pi * 1.3 * times)[:, None] * np.array([0.2, 1.0, 0.6]))[:, None]
    assert pulse.assess(times, colours).bona_fide_llr == pytest.approx(0.0, abs=0.05)


def test_under_five_seconds_it_does_not_judge():
    times = even(np.random.default_rng(0), 4.5)
    evidence = pulse.assess(times, face(times, np.random.default_rng(0)))
    assert evidence.bona_fide_llr is None
    assert pulse.assess(np.empty(0), np.empty((0, 4, 3))).bona_fide_llr is None


def test_the_spectrum_at_true_times_finds_a_pure_tone_exactly():
    rng = np.random.default_rng(4)
    times = np.sort(rng.uniform(0, 12, 90))
    frequencies = np.arange(0.7, 4, 1 / 120)
    share = pulse.line_spectrum(times, np.sin(2 * np.pi * 1.7 * times + 0.4)[None], frequencies)[0]
    assert frequencies[share.argmax()] == pytest.approx(1.7, abs=1 / 120)
    assert share.max() == pytest.approx(1.0, abs=0.01)
    assert (share >= -1e-9).all()

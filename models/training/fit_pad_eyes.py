"""Fit the LLR map of eye_stillness and write models/calibration/pad_eyes.toml.

    python models/training/fit_pad_eyes.py --data ../shared/data --cache DIR [--swaps N]

Bona fide: the clips of ``videos/bona_fide``, each as a verification judges it. Attacks, simulated with fixed
seeds: the same people with the face of an LFW photo in the place of their own (``idverify simulate face_swap_crude``). A person is left
out with and without the other face. The map is zero or below, and no proof: people stare. That is part of the model too: some honest
people look just like a picture (a lapse, as in psychometrics), or the few who did would flatten the map for all.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from fit_pad_motion import RIDGE, Reader
from fit_pad_mouth import left_out_errors, write_card
from pad_faces_of_others import options, rows, takes
from scipy.optimize import minimize

from idverify.pad.eye_stillness import NAME, EyePictures, native_value

OFFSET = 0.2


def main():
    chosen = options(__doc__, "swaps", 27, "pad_eyes.toml")
    swaps = takes(
        chosen.data, chosen.cache, chosen.n, species="face_swap_crude", name="swap", seed=17, has_other=lambda i: True,
        drawn={"grow": (0.8, 1.1)},
    )  # fmt: skip
    read = Reader(chosen.cache, NAME, EyePictures)
    write_card(chosen.out, "fit_pad_eyes.py", NAME, fit(rows(chosen.data, read, native_value, swaps, "swap")))


def fit(found):
    """The map, and errors with each person left out; `found` are (person, whether bona fide, native value)."""
    people, bona_fide, native = (np.array(column) for column in zip(*found, strict=True))
    x, n_bona, n_attack = np.log(native + OFFSET), int(bona_fide.sum()), int((~bona_fide).sum())
    # As many may stare as the number of people cannot exclude.
    lapse = 3 / n_bona
    fit_line = partial(fit_with_lapse, lapse=lapse)
    intercept, slope = fit_line(x, bona_fide)
    wrong = left_out_errors(people, bona_fide, x, fit_line)
    print("LLR at 1, 1.5, 2, 2.5, 3, 4 %:", np.round(intercept + slope * np.log(np.array([1, 1.5, 2, 2.5, 3, 4]) + OFFSET), 2))
    return {
        "intercept": round(float(intercept), 4), "slope": round(float(slope), 4), "offset": OFFSET,
        "floor": round(float(np.log(lapse)), 3), "ceiling": 0.0, "bona_fide_clips": n_bona, "swaps": n_attack,
        "left_out_bona_fide_wrong": wrong[1], "left_out_swaps_wrong": wrong[0],
    }  # fmt: skip


def fit_with_lapse(x, bona_fide, lapse):
    """Intercept and slope of L, where the ratio of bona fide to attack is ``lapse + (1 - lapse) * exp(L)``."""

    def loss(p):
        odds = lapse + (1 - lapse) * np.exp(np.clip(p[0] + p[1] * x, -40, 40))
        return np.log1p(np.where(bona_fide, 1 / odds, odds)).sum() + RIDGE * p[1] ** 2

    return minimize(loss, [-1.0, 1.0], bounds=[(None, None), (0, None)]).x


if __name__ == "__main__":
    main()

"""Fit the LLR map of mouth_stillness and write models/calibration/pad_mouth.toml.

    python models/training/fit_pad_mouth.py --data ../shared/data --cache DIR [--masks N]

Bona fide: the clips of ``videos/bona_fide``, each as a verification judges it. Attacks, simulated with fixed
seeds: the same people behind a printed mask with eye holes (``idverify simulate mask_eyeholes``), their own face on it or
another's. A person is left out with and without the mask. The map is zero or below, and no proof: people keep silent.
"""

from __future__ import annotations

import datetime

import numpy as np
from fit_pad_motion import Reader, fit_logistic
from pad_faces_of_others import options, rows, takes

from idverify.pad.mouth_stillness import NAME, native_value

OFFSET = 0.2


def main():
    chosen = options(__doc__, "masks", 20, "pad_mouth.toml")
    # Every second one wears another's face.
    masks = takes(
        chosen.data, chosen.cache, chosen.n, species="mask_eyeholes", name="mask", seed=13, has_other=lambda i: i % 2 == 1,
        drawn={"hole": (1.0, 1.6)},
    )  # fmt: skip
    found = rows(chosen.data, Reader(chosen.cache), native_value, masks, "mask")
    write_card(chosen.out, "fit_pad_mouth.py", NAME, fit(found))


def write_card(path, made_by, name, table):
    """One mechanism's table in a file of its own."""
    lines = [
        f"# Written by models/training/{made_by}; do not edit.",
        f'date = "{datetime.date.today().isoformat()}"',
        f"\n[{name}]",
        *(f"{key} = {value}" for key, value in table.items()),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def left_out_errors(people, bona_fide, x, fit_line):
    """Attacks and bona fide recordings judged wrongly by the line that was fitted without their person."""
    wrong = [0, 0]
    for person in set(people):
        out = people == person
        a, b = fit_line(x[~out], bona_fide[~out])
        for is_bona, value in zip(bona_fide[out], x[out], strict=True):
            wrong[int(is_bona)] += int((a + b * value < 0) == is_bona)
    return wrong


def fit(found):
    people, bona_fide, native = (np.array(column) for column in zip(*found, strict=True))
    x, fit_line = np.log(native + OFFSET), lambda x, bona_fide: fit_logistic(x, bona_fide, np.ones(len(x)))
    intercept, slope = fit_line(x, bona_fide)
    wrong = left_out_errors(people, bona_fide, x, fit_line)
    print("LLR at 0.6, 0.9, 1.2, 1.5, 2, 3:", np.round(intercept + slope * np.log(np.array([0.6, 0.9, 1.2, 1.5, 2, 3]) + OFFSET), 2))
    n_bona, n_attack = int(bona_fide.sum()), int((~bona_fide).sum())
    return {
        "intercept": round(float(intercept), 4), "slope": round(float(slope), 4), "offset": OFFSET,
        "floor": round(-float(np.log(n_bona / 3)), 3), "ceiling": 0.0, "bona_fide_clips": n_bona, "masks": n_attack,
        "left_out_bona_fide_wrong": wrong[1], "left_out_masks_wrong": wrong[0],
    }  # fmt: skip


if __name__ == "__main__":
    main()

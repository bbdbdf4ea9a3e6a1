"""Make the sample clips and the reference photo: `python samples/make_samples.py` (needs scikit-image and the models).

Everything is made from one public-domain portrait, NASA's photograph of the astronaut Eileen Collins, which comes with
scikit-image as ``skimage.data.astronaut()``. There is no recording of a living person among the samples, so none of the
clips may ever be accepted: each ``.json`` says what its clip is and which outcomes are right. The same versions of the
encoder give the same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.data import astronaut

from idverify.simulation import SPECIES, simulate

HERE = Path(__file__).resolve().parent
ORIGIN = "skimage.data.astronaut(): NASA, Eileen Collins, public domain"
REFERENCE = "reference.jpg"
# Stands in every .json: a picture of a person is not the person.
NEVER = "accept"

CLIPS = {
    "photo_panned": (
        "A still photograph turned into a video by a view that glides over it.",
        ["reject"],
        {"grain": 0.0, "size_wh": (480, 640)},
    ),
    "replay_phone": (
        "The photograph shown on a phone in a hand, filmed by another camera.",
        ["reject", "inconclusive"],
        {"fill": 0.92, "size_wh": (480, 854)},
    ),
    "photo_animated": (
        "The photograph brought to life: a mesh warp that blinks, speaks and nods.",
        ["reject", "inconclusive"],
        {"grain": 0.0, "size_wh": (480, 640)},
    ),
}


def portrait() -> NDArray[np.uint8]:
    """The head and shoulders of the photograph."""
    return np.ascontiguousarray(astronaut()[:400, 40:340])


def describe(name: str, text: str, expected: list[str], **more: object) -> None:
    """Write the .json of one sample."""
    facts = {"what": text, "simulated": True, "origin": ORIGIN, "expected_outcomes": expected, "never": NEVER, **more}
    (HERE / f"{name}.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Make every sample."""
    photo = portrait()
    cv2.imwrite(str(HERE / REFERENCE), photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    (HERE / "reference.json").write_text(
        json.dumps({"what": "The photograph itself, as the reference.", "simulated": False, "origin": ORIGIN}, indent=2)
        + "\n",
        encoding="utf-8",
    )
    for name, (text, expected, options) in CLIPS.items():
        simulate(name, photo, HERE / f"{name}.mp4", seed=1, duration_s=4.0, rate_hz=25.0, **options)
        more = {"species": name, "channel": SPECIES[name].channel, "seed": 1, "reference": REFERENCE}
        describe(name, text, expected, **more)


if __name__ == "__main__":
    main()

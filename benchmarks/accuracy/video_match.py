"""Match of video against photo: the clips' pooled probes against every LFW photo, at the shipped thresholds.

    python benchmarks/accuracy/video_match.py SHARED_DATA templates.npz [--json FILE]

`templates.npz` is made by ``lfw.py templates``. Mated: the television clips against the photos of the same person.
Non-mated: every other pair, and as a second figure 2,000 random pairs (seed 0). The clips show few people, so the
interval by trial says too much: read it with the number of clips beside it. The comparison is the one that ships, which
was fitted on means of everybody in LFW (``lfw.py`` has the figures of people left out); of the clips only those of
people in LFW were in the fit, as photos.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from comparison_sets import TARGETS, balanced, rate

from idverify.comparison.balance import load_balance
from idverify.comparison.calibration import load_card
from idverify.models.manifest import data_dir, spec
from idverify.pad.identity_continuity import weakest_link
from idverify.reasons import NotAssessed
from idverify.verification.verifier import Verifier


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("templates", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    verifier = Verifier()
    data = np.load(args.templates)
    photos = balanced(data["vectors"], load_balance(spec("sface").sha256)[0])
    people = np.array([n.split("/")[0].lower() for n in data["names"]])
    card = load_card(data_dir() / "calibration" / "comparison.toml")
    names, rows, continuity = [], [], {}
    for clip in sorted((args.data / "videos" / "bona_fide").iterdir()):
        subject = verifier.observe(clip).subject
        if isinstance(subject, NotAssessed):
            print(f"{clip.name}: {subject.reason.value}")
            continue
        names.append(clip.stem)
        rows.append(subject.template.vector)
        if len(subject.likenesses.times_s) > 1:
            continuity[clip.stem] = round(weakest_link(subject.likenesses)[0], 3)
    scores = np.array(rows) @ photos.T
    mated = np.array([[name == f"tv_{person}" for person in people] for name in names])
    strangers = scores[~mated]
    sample = np.random.default_rng(0).choice(strangers, 2000, replace=False)
    own = {name: s[m] for name, s, m in zip(names, scores, mated, strict=True) if m.any()}
    others = np.array(rows) @ np.array(rows).T
    result = {
        "clips": len(names),
        "operating_points": [
            {
                "target_fmr": t,
                "fmr_all_pairs": rate(strangers >= card.threshold(t)),
                "matches_in_2000_random_pairs": int((sample >= card.threshold(t)).sum()),
                "fnmr_mated": rate(scores[mated] < card.threshold(t)),
                "people_missed": [p for p, s in own.items() if s.max() < card.threshold(t)],
            }
            for t in TARGETS
        ],
        "mated_by_person": {p: [round(float(x), 3) for x in sorted(s)] for p, s in own.items()},
        "highest_strangers": sorted(
            ((round(float(s[k]), 3), n, str(data["names"][k])) for n, s, m in zip(names, scores, mated, strict=True)
             for k in np.argsort(-np.where(m, -1, s))[:2]), reverse=True)[:8],
        "continuity": continuity,
        "highest_other_clip": float(np.max(others[~np.eye(len(names), dtype=bool)])),
    }  # fmt: skip
    text = json.dumps(result, indent=2)
    print(text)
    if args.json:
        args.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

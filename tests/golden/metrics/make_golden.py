"""Write the golden files beside this script: plain loops over exact fractions, nothing shared with the package.

Run: ``python tests/golden/metrics/make_golden.py``.
"""

from __future__ import annotations

import json
import math
import random
from fractions import Fraction
from pathlib import Path

HERE = Path(__file__).resolve().parent


def share(errors: int, trials: int) -> list[int]:
    return [errors, trials]


def rates_at(mated, non_mated, threshold):
    return {
        "threshold": threshold,
        "fmr": share(sum(s >= threshold for s in non_mated), len(non_mated)),
        "fnmr": share(sum(s < threshold for s in mated), len(mated)),
    }


def fnmr_at_fmr(mated, non_mated, target):
    """Try a threshold below everything and one just above every non-mated score; keep the lowest that holds."""
    candidates = [-math.inf, *(math.nextafter(s, math.inf) for s in sorted(set(non_mated)))]
    for threshold in candidates:
        if sum(s >= threshold for s in non_mated) / len(non_mated) <= target:
            return {"target": target, **rates_at(mated, non_mated, threshold)}
    raise AssertionError


def isotonic(mated, non_mated):
    """Pool adjacent violators in whole fractions; one value per distinct score."""
    blocks = []
    for score in sorted({*mated, *non_mated}):
        blocks.append([mated.count(score), non_mated.count(score), 1])
        while len(blocks) > 1 and Fraction(blocks[-1][0], sum(blocks[-1][:2])) <= Fraction(
            blocks[-2][0], sum(blocks[-2][:2])
        ):
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    return blocks


def min_cllr(mated, non_mated):
    cost_mated, cost_non_mated = 0.0, 0.0
    for p, n, _ in isotonic(mated, non_mated):
        odds = math.inf if n == 0 else Fraction(p * len(non_mated), n * len(mated))
        cost_mated += p * math.log2(1 + 1 / odds) if p and odds != math.inf else 0.0
        cost_non_mated += n * math.log2(1 + odds) if n else 0.0
    return (cost_mated / len(mated) + cost_non_mated / len(non_mated)) / 2


def comparison_case(name, seed, n_mated, n_non_mated, levels):
    rng = random.Random(seed)
    mated = [round(rng.gauss(0.6, 0.15) * levels) / levels for _ in range(n_mated)]
    non_mated = [round(rng.gauss(0.1, 0.2) * levels) / levels for _ in range(n_non_mated)]
    llr_mated = [round(8 * (s - 0.4), 6) for s in mated]
    llr_non_mated = [round(8 * (s - 0.4), 6) for s in non_mated]
    bits = sum(math.log2(1 + math.exp(-x)) for x in llr_mated) / n_mated
    bits += sum(math.log2(1 + math.exp(x)) for x in llr_non_mated) / n_non_mated
    return name, {
        "kind": "comparison",
        "mated": mated,
        "non_mated": non_mated,
        "rates": [rates_at(mated, non_mated, t) for t in (-1.0, mated[0], non_mated[0], 0.4, 2.0)],
        "at_fmr": [fnmr_at_fmr(mated, non_mated, t) for t in (0.5, 0.29, 0.1, 0.01)],
        "isotonic": isotonic(mated, non_mated),
        "cllr": bits / 2,
        "min_cllr": min_cllr(mated, non_mated),
    }


def pad_case(name, seed, sizes):
    rng = random.Random(seed)
    species = [s for s, n in sizes.items() for _ in range(n)]
    attacks = [None if rng.random() < 0.1 else round(rng.gauss(-1.0, 1.0), 1) for _ in species]
    bona_fide = [None if rng.random() < 0.05 else round(rng.gauss(1.5, 1.0), 1) for _ in range(60)]
    accepted = [s is not None and s >= 0.5 for s in attacks]
    answered = [s for s in bona_fide if s is not None]

    def per_species(errs, of):
        return {
            s: share(
                sum(errs(a) for a, t in zip(attacks, species, strict=True) if t == s and of(a)),
                sum(1 for a, t in zip(attacks, species, strict=True) if t == s and of(a)),
            )
            for s in sorted(sizes)
        }

    def responded(a):
        return a is not None

    def bpcer_at(target):
        for t in [-math.inf, *(math.nextafter(s, math.inf) for s in sorted({a for a in attacks if a is not None}))]:
            rates = per_species(lambda a, t=t: a >= t, responded)
            if all(e / n <= target for e, n in rates.values() if n):
                return {"target": target, "threshold": t, "bpcer": share(sum(s < t for s in answered), len(answered))}
        raise AssertionError

    return name, {
        "kind": "pad",
        "attacks": attacks,
        "species": species,
        "bona_fide": bona_fide,
        "accepted": accepted,
        "threshold": 0.0,
        "apcer": per_species(lambda a: a >= 0.0, responded),
        "apnrr": per_species(lambda a: a is None, lambda a: True),
        "iapar": per_species(lambda a: a is not None and a >= 0.5, lambda a: True),
        "bpcer": share(sum(s < 0.0 for s in answered), len(answered)),
        "bpnrr": share(len(bona_fide) - len(answered), len(bona_fide)),
        "bpcer_at_apcer": [bpcer_at(t) for t in (0.1, 0.05, 0.01)],
    }


def calibration_case(name, seed, n):
    rng = random.Random(seed)
    p = [Fraction(rng.randrange(0, 121), 120) for _ in range(n)]
    y = [int(rng.random() < float(x)) for x in p]
    bins = [[] for _ in range(15)]
    for x, label in zip(p, y, strict=True):
        bins[min(14, int(x * 15))].append((x, label))
    gap = sum(abs(sum(x for x, _ in b) - sum(label for _, label in b)) for b in bins if b)
    return name, {
        "kind": "calibration",
        "probabilities": [float(x) for x in p],
        "labels": y,
        "brier": float(sum((x - label) ** 2 for x, label in zip(p, y, strict=True)) / n),
        "ece": float(Fraction(gap, n)),
    }


def main() -> None:
    cases = [
        comparison_case("comparison_coarse_ties", 1, 40, 100, 10),
        comparison_case("comparison_fine", 2, 60, 200, 1000),
        comparison_case("comparison_one_mated", 3, 1, 7, 5),
        pad_case("pad_three_species", 4, {"print": 30, "replay": 25, "mask": 9}),
        pad_case("pad_one_species", 5, {"print": 12}),
        calibration_case("calibration_good", 6, 300),
        calibration_case("calibration_few", 7, 9),
    ]
    for name, case in cases:
        (HERE / f"{name}.json").write_text(json.dumps(case, indent=None) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

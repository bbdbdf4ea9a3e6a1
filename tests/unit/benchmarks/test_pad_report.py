"""The liveness benchmark's report, from rows made by hand: who is accepted, what is left out, what sets thresholds."""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks" / "accuracy"))

from pad import write_index
from pad_clips import FIXED, STRONG, Item, halves, items, varied
from pad_report import full_report, operating_points, peers_table
from pad_rows import FAILURE, Clip, Row, Trial, append, read_rows, row_of, trials_of
from pad_verdicts import auc, decided, score

from idverify.pad.evidence import PADEvidence, Status
from idverify.reasons import Reason
from idverify.simulation import SPECIES, parameters_of
from idverify.verification.decision import Outcome
from idverify.verification.fusion import fuse_liveness
from idverify.verification.policy import load_policy

# The rows here hold few mechanisms; which ones a policy requires is its own matter.
POLICY = replace(
    load_policy("ial2"), required_mechanisms=("stillness",), attack_classes={"still": 1.5}, accept_liveness_llr=0.1
)


def clip(name="c", presentation="bona_fide", material="bona_fide", species="bona_fide", source="s", half="dev"):
    return Clip(clip=name, presentation=presentation, material=material, species=species, source=source, half=half)


def says(llr, name="stillness", *, decisive=False, reason=None):
    return PADEvidence(
        name=name,
        status=Status.NOT_ASSESSED if llr is None else Status.ASSESSED,
        unit="",
        detail="said by hand",
        native=None if llr is None else 2 * llr,
        bona_fide_llr=llr,
        decisive=decisive,
        reason=reason,
    )


def trial(*mechanisms, at=None, **more):
    return Trial(clip=at or clip(), mechanisms=mechanisms, **more)


def attack(name, species, half, *mechanisms, **more):
    at = clip(name, "attack", "simulated", species, f"of {half}", half)
    return trial(*mechanisms, at=at, **more)


# -- rows ------------------------------------------------------------------------------------------


def rows_of(of_trial):
    for kind, evidence in (("mechanism", of_trial.mechanisms), ("injection", of_trial.injection)):
        yield from (row_of(of_trial.clip, kind, e) for e in evidence)
    obstacles, handicaps = (" ".join(r.value for r in codes) for codes in (of_trial.obstacles, of_trial.handicaps))
    end = {"outcome": of_trial.outcome, "detail": of_trial.failure, "status": FAILURE if of_trial.failure else ""}
    end |= {"obstacles": obstacles, "handicaps": handicaps}
    yield Row(**asdict(of_trial.clip), kind="decision", mechanism="fused", **end)


def test_trials_come_back_from_the_file_as_they_went_in(tmp_path):
    written = [
        trial(
            says(1.25),
            replace(says(-2.0, "screen_rhythm", decisive=True, reason=Reason.PRESENTATION_ATTACK), detail='a, b\n"c"'),
            injection=(says(None, "cuts", reason=Reason.VIDEO_TOO_SHORT),),
            obstacles=(Reason.TOO_DARK, Reason.BLURRY),
            handicaps=(Reason.HEAVILY_COMPRESSED,),
            outcome="reject",
        ),
        trial(at=clip("broken"), outcome=FAILURE, failure="CorruptMediaError: cut off"),
    ]
    for one in written:
        append(tmp_path / "rows.csv", rows_of(one))
    read = trials_of(read_rows(tmp_path / "rows.csv"))
    plain = lambda e: (e.name, e.status, e.native, e.bona_fide_llr, e.decisive, e.reason, e.detail)  # noqa: E731
    for one, other in zip(written, read, strict=True):
        assert all(getattr(one, name) == getattr(other, name) for name in ("clip", "obstacles", "outcome", "failure"))
        assert [*map(plain, one.mechanisms)] == [*map(plain, other.mechanisms)]
        assert [*map(plain, one.injection)] == [*map(plain, other.injection)]


def test_a_clip_whose_run_was_cut_short_is_no_trial():
    rows = list(rows_of(trial(says(1.0))))
    assert len(trials_of(rows)) == 1
    assert trials_of(rows[:-1]) == []


def test_a_peers_score_joins_the_clip_it_was_given_for():
    peer = Row(**asdict(clip()), kind="peer", mechanism="other_net", native=0.25)
    assert trials_of([*rows_of(trial(says(1.0))), peer])[0].peers == {"other_net": 0.25}


# -- one trial -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("llr", "outcome"),
    [(1.5, Outcome.ACCEPT), (0.0, Outcome.INCONCLUSIVE), (-5.0, Outcome.REJECT)],
)
def test_the_policy_decides(llr, outcome):
    assert decided(trial(says(llr)), POLICY)[0] is outcome


def test_a_left_out_cue_neither_accepts_nor_rejects_nor_keeps_others_from_doing_so():
    asked = trial(says(3.0), says(-6.0, "recapture", decisive=True, reason=Reason.PRESENTATION_ATTACK))
    assert decided(asked, POLICY)[0] is Outcome.REJECT
    assert decided(asked, POLICY, without="recapture")[0] is Outcome.ACCEPT
    # The required one may be left out: it was asked, and its silence is what is looked at.
    required = POLICY.required_mechanisms[0]
    assert decided(trial(says(3.0, required)), POLICY, without=required)[0] is Outcome.INCONCLUSIVE
    assert decided(trial(says(0.0, required), says(3.0, "pulse")), POLICY, without=required)[0] is Outcome.ACCEPT


def test_leaving_out_what_was_not_there_changes_nothing():
    asked = trial(says(3.0), says(None, "depth", reason=Reason.TOO_LITTLE_MOVEMENT))
    for name in ("nothing", "depth"):
        assert decided(asked, POLICY, without=name) == decided(asked, POLICY)


def test_proven_tampering_rejects_what_looks_live():
    loop = says(-2.0, "repeated_passage", decisive=True, reason=Reason.TAMPERED_RECORDING)
    looped = trial(says(3.0), injection=(loop,))
    assert decided(looped, POLICY) == (Outcome.REJECT, (Reason.TAMPERED_RECORDING,))
    assert decided(looped, POLICY, without="repeated_passage")[0] is Outcome.ACCEPT
    assert score(looped, POLICY) == -np.inf


def test_the_source_photo_counts_only_when_asked():
    absent = PADEvidence(name="reference_reuse", status=Status.NOT_APPLICABLE, unit="", detail="")
    found = says(-3.0, "reference_reuse", decisive=True, reason=Reason.REFERENCE_REUSED)
    animated = trial(says(3.0), absent, source_photo=found)
    assert decided(animated, POLICY)[0] is Outcome.ACCEPT
    assert decided(animated, POLICY, source_photo=True) == (Outcome.REJECT, (Reason.REFERENCE_REUSED,))


def test_a_recording_that_cannot_be_judged_has_no_score():
    assert np.isnan(score(trial(), POLICY))
    assert np.isnan(score(trial(says(3.0), obstacles=(Reason.TOO_DARK,)), POLICY))
    assert score(trial(says(0.5)), POLICY) == pytest.approx(fuse_liveness(trial(says(0.5)).mechanisms))
    assert score(trial(says(0.5), handicaps=(Reason.BLURRY,)), POLICY) == score(trial(says(0.5)), POLICY)
    assert np.isnan(score(trial(says(0.5), obstacles=(Reason.BLURRY,), handicaps=(Reason.BLURRY,)), POLICY))


# -- rates -----------------------------------------------------------------------------------------


def test_auc_is_one_for_apart_half_for_equal_and_turns_round_when_swapped():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=20), rng.normal(1, 1, size=30).round(1)
    assert auc([2, 3], [0, 1]) == 1.0
    assert auc(a, a) == 0.5
    assert auc(a, b) == pytest.approx(1 - auc(b, a))
    assert auc([], a) is None


def test_thresholds_come_from_dev_and_errors_from_eval():
    bona_fide = [trial(says(2.0), at=clip(f"b{half}", half=half)) for half in ("dev", "eval")]
    dev = [attack(f"d{k}", "print", "dev", says(0.0)) for k in range(4)]
    hard = [attack(f"e{k}", "print", "eval", says(1.9)) for k in range(4)]
    table = operating_points(bona_fide, dev + hard, POLICY)
    # No attack of dev comes near the eval attacks, so the threshold lets all of them through.
    assert table.count("print: 100.00 % (4 of 4)") == 3
    assert operating_points(bona_fide, hard, POLICY) == "Too few responses in one of the halves.\n"


def test_the_report_names_the_worst_species_and_bounds_what_had_no_errors():
    loop = says(-2.0, "repeated_passage", decisive=True, reason=Reason.TAMPERED_RECORDING)
    trials = [
        trial(says(3.0), at=clip("good")),
        trial(says(-3.0), at=clip("refused")),
        *(attack(f"p{k}", "print_flat", "dev", says(3.0 if k else -3.0)) for k in range(4)),
        *(attack(f"l{k}", "loop", "eval", says(3.0), injection=(loop,)) for k in range(6)),
        trial(
            at=clip("broken", "attack", "simulated", "face_swap_crude"),
            outcome=FAILURE,
            failure="ParameterError: no face",
        ),
        trial(says(0.0), at=clip("dim", material="degraded", species="dark"), obstacles=(Reason.TOO_DARK,)),
        trial(says(-3.0), at=clip("soft", material="degraded", species="blur")),
    ]
    text = full_report(trials, POLICY)
    assert "Worst species: **print_flat**, APCER 75.00 % (3 of 4)" in text
    assert "| loop | 6 | 0 | 6 | 0 | < 50.00 % (0 of 6)" in text
    assert "BPCER 50.00 % (1 of 2)" in text
    assert "1 could not be read or made: broken" in text
    assert "of those not accepted: 50.00 % (1 of 2)" in text
    assert "| repeated_passage | 1 | 1 | 9 | 1 |" in text


def test_a_new_mechanism_appears_by_itself():
    trials = [
        trial(says(3.0), says(1.0, "brand_new")),
        attack("a", "print_flat", "dev", says(3.0), says(-1.0, "brand_new")),
    ]
    assert "| brand_new | 1 of 1 | 0 of 0 |  | 1 of 1 | 1.00 |" in full_report(trials, POLICY)


def test_peers_stand_beside_on_the_same_clips_only():
    shown = [attack("a", "print", "dev", says(-3.0), peers={"net": 0.9}), attack("b", "print", "dev", says(-3.0))]
    assert "| prints | 1 | 0 | 1 | 1 | 0 |" in peers_table({"prints": shown}, POLICY, "net")


# -- the plan --------------------------------------------------------------------------------------


def test_halves_alternate_and_keep_a_source_together():
    assert halves(["a", "b", "a", "c"]) == {"a": "dev", "b": "eval", "c": "dev"}


def test_every_species_is_planned_and_no_source_stands_in_both_halves(shared_data, tmp_path):
    photos = sorted((shared_data / "lfw").glob("A*/*_0001.jpg"))[:2]
    planned = list(items(shared_data, tmp_path, photos))
    names = [item.clip.clip for item in planned]
    assert len(set(names)) == len(names)
    simulated = {item.clip.species for item in planned if item.clip.material == "simulated"}
    assert simulated == set(SPECIES) - {"bona_fide", *STRONG}
    sides = {}
    for item in planned:
        sides.setdefault(item.clip.source, set()).add(item.clip.half)
    assert all(len(both) == 1 for both in sides.values())
    assert {item.clip.half for item in planned if item.clip.material == "simulated"} == {"dev", "eval"}


def test_the_index_names_the_takes_that_are_there_and_how_they_reach_the_camera(tmp_path):
    def item(species, *, exists, degraded=False):
        path = tmp_path / f"{species}.mp4"
        if exists:
            path.touch()
        clip = attack("a", species, "dev").clip
        return Item(clip=clip, path=path, recipe={"species": "bona_fide" if degraded else species})

    planned = [
        item("print_flat", exists=True),
        item("photo_animated", exists=True),
        item("dark", exists=True, degraded=True),
        item("loop", exists=False),
        Item(clip=attack("a", "replay_phone", "dev").clip, path=tmp_path / "print_flat.mp4"),
    ]
    write_index(tmp_path / "takes" / "index.csv", planned)
    with (tmp_path / "takes" / "index.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    told = [(row["species"], row["instrument"], row["person"], row["half"]) for row in rows]
    source = planned[0].clip.source
    assert told == [
        ("print_flat", "shown", source, "test"),
        ("photo_animated", "injected", source, "test"),
        ("dark", "injected", source, "test"),
    ]


@pytest.mark.parametrize("species", sorted(set(SPECIES) - {"bona_fide", *STRONG}))
def test_parameters_are_varied_by_name_within_what_the_species_takes(species):
    drawn = [varied(species, f"{species}-{n}") for n in range(60)]
    assert drawn == [varied(species, f"{species}-{n}") for n in range(60)]
    known = set(parameters_of(species)) - FIXED
    for name in {name for row in drawn for name in row}:
        assert name in known
        values = [row[name] for row in drawn if name in row]
        assert min(values) >= 0
        assert max(values) > 1.2 * min(values)


def test_the_turn_of_an_animated_photo_goes_far_beyond_its_default():
    assert max(varied("photo_animated", f"photo_animated-{n}").get("turn", 0) for n in range(100)) > 4

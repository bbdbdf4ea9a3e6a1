"""Outcomes of liveness and of whole checks: clips that a model was trained on are decided about by one that was not."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks" / "accuracy"))

from pad_outcomes import clips, page, takes
from pad_rows import FAILURE, Clip, Row, Trial, row_of, trials_of
from pad_verdicts import decided, without_the_person

from idverify.comparison.calibration import load_card
from idverify.models.manifest import data_dir
from idverify.pad._llr import load_scale
from idverify.pad.evidence import PADEvidence, Status
from idverify.reasons import Reason
from idverify.verification.decision import Outcome
from idverify.verification.policy import load_policy

CARD = load_card(data_dir() / "calibration" / "comparison.toml")
# The rows here hold few mechanisms; which ones a policy requires is its own matter.
POLICY = replace(
    load_policy("ial2"), required_mechanisms=("stillness",), attack_classes={"still": 1.5}, accept_liveness_llr=0.1
)


def says(name: str, llr: float, *, decisive: bool = False) -> PADEvidence:
    return PADEvidence(
        name=name,
        status=Status.ASSESSED,
        unit="",
        detail="",
        native=0.0,
        bona_fide_llr=llr,
        decisive=decisive,
        reason=Reason.PRESENTATION_ATTACK if decisive else None,
    )


def trial(name: str, *, species: str = "bona_fide", llr: float = 3.0, **more: object) -> Trial:
    clip = Clip(clip=name, presentation=species, material="apart", species=species, source=name[0], half="test")
    evidence = (says("skin_change", llr), says("stillness", 1.6), says("reference_reuse", 0.0))
    return Trial(clip=clip, mechanisms=evidence, **more)


def accepted(trials: list[Trial], species: str, part: int) -> str:
    """Counted and accepted, by one of the tables: 0 of liveness, 1 of whole checks."""
    of = [line.split(" | ") for line in "\n".join(page(trials, "ial2", CARD)).split("Policy ")[part + 1].split("\n")]
    return next((f"{cells[3]} of {cells[1]}" for cells in of if cells[0] == f"| {species}"), "none")


def test_only_what_was_left_out_is_decided_about_anew_and_only_what_the_model_says_of_it(tmp_path):
    known, take = trial("a_webcam.mp4"), trial("take.mp4", species="photo_driven, injected")
    other = trial("other.mp4", species="photo_driven, shown")
    file = tmp_path / "left_out.csv"
    file.write_text("kind,name,logit\nreal-bona_fide,real-bona_fide_a_webcam,1.0\nphoto_driven,photo_driven_take,5.0\n")
    found = without_the_person([known, take, other], file)
    assert found[2] == other
    assert [e.bona_fide_llr for e in found[0].mechanisms] == [load_scale("skin_change")(1.0), 1.6, 0.0]
    assert [e.bona_fide_llr for e in found[1].mechanisms] == [load_scale("skin_change")(5.0), 1.6, 0.0]


def test_webcams_are_counted_among_all_and_on_their_own():
    table = "\n".join(page([trial("a_webcam.mp4"), trial("b.mp4")], "ial2", CARD))
    assert "| bona_fide | 2 | 2 |" in table
    assert "| bona_fide, webcams | 1 | 1 |" in table


def test_takes_are_counted_by_species_and_by_how_they_are_shown():
    table = "\n".join(page([trial("a", species="x, injected"), trial("b", species="x, shown")], "ial2", CARD))
    assert "| x | 2 | 2 |" in table
    assert "| x, injected | 1 | 1 |" in table
    assert "| x, shown | 1 | 1 |" in table


@pytest.mark.parametrize(
    ("similarity", "outcome"), [(1.0, Outcome.ACCEPT), (-1.0, Outcome.REJECT), (None, Outcome.INCONCLUSIVE)]
)
def test_a_whole_check_asks_who_it_is_and_liveness_alone_does_not(similarity, outcome):
    one = trial("a", similarity=similarity, compared=True)
    assert decided(one, POLICY)[0] is Outcome.ACCEPT
    assert decided(one, POLICY, card=CARD)[0] is outcome


def test_what_is_said_of_the_reference_counts_in_whole_checks_only():
    one = trial("a", similarity=1.0, compared=True, with_reference=says("reference_reuse", -3.0, decisive=True))
    assert decided(one, POLICY)[0] is Outcome.ACCEPT
    assert decided(one, POLICY, card=CARD)[0] is Outcome.REJECT


def test_whole_checks_are_counted_of_those_with_a_photo_and_one_that_cannot_be_compared_is_not_accepted():
    met, unmet = trial("a", similarity=1.0, compared=True), trial("b", similarity=None, compared=True)
    lone = trial("c")
    assert accepted([met, unmet, lone], "bona_fide", 0).endswith("of 3")
    assert accepted([met, unmet, lone], "bona_fide", 1).endswith("of 2")


def test_a_take_without_a_usable_photo_is_counted_by_liveness_alone():
    rows = [trial(n, species="face_blend, injected", compared=n == "b") for n in ("a", "b")]
    assert accepted(rows, "face_blend", 1).endswith("of 2")
    kept, stopped = (decided(one, POLICY, card=CARD if one.compared else None)[0] for one in rows)
    assert (kept, stopped) == (Outcome.ACCEPT, Outcome.INCONCLUSIVE)


def test_a_match_that_is_not_firm_is_counted_and_stopped():
    ial2 = load_policy("ial2")
    between = (CARD.threshold(ial2.target_fmr) + CARD.threshold(ial2.target_fmr_with_liveness)) / 2
    swaps = [trial(n, similarity=s, compared=True, species="swap") for n, s in (("a", between), ("b", 0.1), ("c", 0.9))]
    (counted,) = (line for line in page(swaps, "ial2", CARD) if line.startswith("| swap | 3 | 0.10"))
    assert counted.endswith("| 2 | 1 |")
    policy = replace(POLICY, target_fmr_with_liveness=ial2.target_fmr_with_liveness)
    assert [decided(one, policy, card=CARD)[0] for one in swaps][::2] == [Outcome.INCONCLUSIVE, Outcome.ACCEPT]


def test_rows_without_a_comparison_are_read_as_before():
    clip = trial("a").clip
    end = Row(**{f: getattr(clip, f) for f in clip.__slots__}, kind="decision", mechanism="fused", outcome="accept")
    (alone,) = trials_of([row_of(clip, "mechanism", says("recapture", 1.0)), end])
    assert not alone.compared
    assert alone.similarity is None
    met = replace(end, kind="comparison", mechanism="match", native=0.7)
    asked = row_of(clip, "with_reference", says("reference_reuse", -1.0))
    (whole,) = trials_of([row_of(clip, "mechanism", says("recapture", 1.0)), asked, met, end])
    assert (whole.compared, whole.similarity) == (True, 0.7)
    assert whole.with_reference is not None
    assert whole.with_reference.bona_fide_llr == -1.0


def test_answers_are_counted_by_what_was_decided_and_apart():
    answers = [
        replace(trial(name, species="answer_forged, injected"), outcome=outcome)
        for name, outcome in (("a", "accept"), ("b", "reject"), ("c", FAILURE))
    ]
    text = "\n".join(page(answers, "ial2", CARD))
    assert "| answer_forged | 3 | 3 | 1 |" in text.split("`recovery`")[1]
    assert "answer_forged" not in text.split("`recovery`")[0]


def test_takes_are_compared_with_the_other_photo_of_the_person(tmp_path):
    index = tmp_path / "index.csv"
    columns = ("path", "half", "species", "person", "instrument", "reference", "challenge", "params")
    with index.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerow(("a.mp4", "test", "face_blend", "Somebody", "paper", "two.jpg", "", "{}"))
        writer.writerow(("b.mp4", "fit", "face_blend", "Another", "injected", "two.jpg", "", "{}"))
        writer.writerow(("c.mp4", "test", "face_blend", "Third", "injected", "two.jpg", "", '{"drift": 2.0}'))
        writer.writerow(("d.mp4", "test", "face_blend", "Third", "injected", "two.jpg", "", '{"drift": 2, "free": 1}'))
    one, drifting, free = takes(index, "test")
    assert (one.species, one.person, one.photos) == ("face_blend, shown", "Somebody", (Path("two.jpg"),))
    assert drifting.species == "face_blend with drifting shade, injected"
    assert free.species == "face_blend with shade of any size and pace, injected"


def test_genuine_clips_with_photos_are_selfies_and_television(shared_data):
    found = [film for film in clips(shared_data) if film.photos]
    assert {film.species for film in found} == {"bona_fide", "captured replay"}
    assert all(photo.exists() for film in found for photo in film.photos)
    assert len({film.person for film in found}) >= 12

"""Outcomes of liveness: clips that a model was trained on are decided about by one that was not."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks" / "accuracy"))

from pad_outcomes import lines, without_the_person
from pad_rows import Clip, Trial

from idverify.pad._llr import load_scale
from idverify.pad.evidence import PADEvidence, Status


def trial(name: str, *, species: str = "bona_fide", llr: float = 3.0) -> Trial:
    clip = Clip(clip=name, presentation=species, material="apart", species=species, source=name[0], half="test")
    said = [("skin_change", llr), ("recapture", 1.6)]
    evidence = tuple(
        PADEvidence(name=n, status=Status.ASSESSED, unit="", detail="", native=0.0, bona_fide_llr=v) for n, v in said
    )
    return Trial(clip=clip, mechanisms=evidence)


def test_only_what_was_trained_on_is_replaced_and_only_what_the_model_says(tmp_path):
    known, take = trial("a_webcam.mp4"), trial("take.mp4", species="photo_driven, injected")
    file = tmp_path / "left_out.csv"
    file.write_text("kind,name,logit\nreal-bona_fide,real-bona_fide_a_webcam,1.0\ndriven,driven_other,5.0\n")
    found = without_the_person([known, take], file)
    assert found[1] == take
    assert [e.bona_fide_llr for e in found[0].mechanisms] == [load_scale("skin_change")(1.0), 1.6]


def test_webcams_are_counted_among_all_and_on_their_own():
    table = "\n".join(lines([trial("a_webcam.mp4"), trial("b.mp4")], "ial2"))
    assert "| bona_fide | 2 | 2 |" in table
    assert "| bona_fide, webcams | 1 | 1 |" in table

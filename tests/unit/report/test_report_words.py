"""Numbers in words never claim more than the numbers do."""

from __future__ import annotations

import dataclasses
import math

import builders
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idverify.comparison.calibration import AT_LARGE
from idverify.pad.evidence import Status
from idverify.reasons import Reason
from idverify.report.words import (
    Tone,
    findings,
    headline,
    llr_words,
    mechanism_finding,
    needed_words,
    probability_words,
    rate_words,
    warnings,
)
from idverify.verification.decision import FrameCounts


@given(st.floats(0, 1))
def test_a_probability_is_never_written_as_certain_or_rounded_up(probability: float) -> None:
    words = probability_words(probability)
    number = float(words.split()[-2])
    assert 0 < number < 100
    if not words.startswith("under"):
        assert number / 100 <= probability + 1e-12


@given(st.floats(1e-6, 0.0999))
def test_a_rate_of_strangers_is_never_written_smaller_than_it_is(rate: float) -> None:
    people = int(rate_words(rate).removeprefix("1 in ").replace(",", ""))
    assert 1 / people >= rate * (1 - 1e-9)
    assert 1 / people <= rate * 1.2  # two digits lose less than a fifth


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (1e-3, "1 in 1,000"),
        (4e-5, "1 in 25,000"),
        (1e-6, "1 in 1,000,000"),
        (0.5, "50 in 100"),
        (0.0, "fewer than 1 in a million"),
    ],
)
def test_rates_as_counts_of_people(rate: float, words: str) -> None:
    assert rate_words(rate) == words


@given(st.floats(0.51, 40))
def test_a_likelihood_ratio_reads_the_same_both_ways(llr: float) -> None:
    assert llr_words(llr, "A", "B") == llr_words(-llr, "B", "A")
    assert llr_words(llr, "A", "B").endswith("likelier from A than from B")


def test_a_weak_likelihood_ratio_takes_no_side() -> None:
    assert llr_words(0.49, "A", "B") == llr_words(-0.49, "A", "B") == "says little either way"
    assert llr_words(math.log(2e6), "A", "B").startswith("over a million times")


def test_a_decisive_finding_names_the_attack_and_not_the_odds() -> None:
    finding = mechanism_finding(builders.still_photo().liveness.mechanisms[0])
    assert finding.tone is Tone.AGAINST
    assert Reason.STATIC_PRESENTATION.sentence in finding.text
    assert "likelier" not in finding.text


def test_a_mechanism_that_could_not_judge_takes_no_side() -> None:
    finding = mechanism_finding(builders.depth_abstains())
    assert finding.tone is Tone.NEUTRAL
    assert finding.text.startswith("not assessed: ")
    assert "12 are needed" in finding.text


def test_findings_follow_the_walk_and_leave_nothing_out() -> None:
    labels = [row.label for row in findings(builders.decision())]
    assert labels[:3] == ["match", "liveness", "ways to attack"]
    assert labels[3:] == ["stillness", "depth", "container metadata", "capture", "recording"]


def test_in_brief_what_takes_no_side_is_gathered_by_name() -> None:
    rows = findings(builders.decision(), brief=True)
    labels = ["match", "liveness", "ways to attack", "stillness", "could not judge", "capture", "recording"]
    assert [row.label for row in rows] == labels
    abstention = builders.depth_abstains()
    assert rows[4].text == f"depth: {abstention.reason.sentence}"
    even = dataclasses.replace(builders.stillness(0.1), name="screen_rhythm")
    liveness = dataclasses.replace(builders.decision().liveness, mechanisms=(even, abstention))
    rows = findings(dataclasses.replace(builders.decision(), liveness=liveness), brief=True)
    assert [row.text for row in rows if row.label == "say little"] == ["screen rhythm"]


def test_what_an_acceptance_covers_is_said_in_one_row() -> None:
    row = {row.label: row.text for row in findings(builders.decision())}["ways to attack"]
    assert row == (
        "ruled out: a still picture, a replay on a screen; no sign: an animated picture; doubtful: a face laid over "
        "another; not tested: a generated face."
    )


def test_missing_halves_are_said_to_be_missing() -> None:
    rows = {row.label: row.text for row in findings(builders.too_dark())}
    assert rows["match"] == rows["liveness"] == "not assessed"
    assert {row.label: row.text for row in findings(builders.unsafe_match())}["liveness"] == "not checked"


def test_a_weak_match_is_not_called_a_stranger() -> None:
    weak = builders.match(matched=False, similarity=0.4)
    uncertain = findings(builders.decision(match=weak, reasons=(Reason.MATCH_UNCERTAIN,)))[0]
    refused = findings(builders.decision(match=weak, reasons=(Reason.NO_MATCH,)))[0]
    assert (uncertain.tone, refused.tone) == (Tone.NEUTRAL, Tone.AGAINST)
    assert uncertain.text.startswith("too weak to be a match")
    assert refused.text.startswith("does not match")


def test_the_least_favoured_are_named_only_where_they_were_measured() -> None:
    of_groups, at_large = builders.match(), builders.match(stated_for=AT_LARGE)
    assert of_groups.fmr_at_threshold > of_groups.target_fmr
    assert "of the least favoured" in needed_words(of_groups)
    assert "least favoured" not in needed_words(at_large)


def test_a_photo_as_probe_is_not_called_an_empty_recording() -> None:
    nothing_decoded = FrameCounts(decoded=0, analysed=0, compared=0, times_s=())
    rows = findings(dataclasses.replace(builders.unsafe_match(), frames=nothing_decoded))
    assert rows[-1].text == "a photo, not a recording"


def test_no_confidence_is_written_where_evidence_is_missing() -> None:
    assert headline(builders.too_dark()) == "INCONCLUSIVE  (no confidence: evidence is missing)"
    assert "99.7 %" in headline(builders.decision())


def test_unsafe_and_half_decisions_are_shouted_about_first() -> None:
    texts = warnings(builders.unsafe_match())
    assert texts[0].startswith("UNSAFE POLICY")
    assert texts[1].startswith("NO LIVENESS WAS CHECKED")
    assert texts[-1] == "The reference photo is small."
    assert warnings(builders.decision()) == ()


def test_not_applicable_carries_its_detail() -> None:
    signal = builders.metadata_signal()
    assert signal.status is Status.NOT_APPLICABLE
    assert mechanism_finding(signal).text == "not applicable: The container names no software."

"""What people saw, as trials with the machine's scores: read by the programs that calibrate and evaluate."""

from __future__ import annotations

import json

import pytest
from desk_site import Site
from sqlalchemy import select

from idverify.cli import main
from idverify.cli.reviewed_trials import write_folder
from idverify.comparison.calibration import load_card
from idverify.errors import ParameterError
from idverify.evaluation.recalibration import recalibrate
from idverify.evaluation.report import write_report
from idverify.evaluation.scores import read_scores
from idverify.models import data_dir
from idverify.protocols import read_trials
from idverify.service import audit
from idverify.service.desk.reviewed import reviewed
from idverify.service.desk.roles import Role
from idverify.service.tables import Attempt, Case, Review, Viewing
from idverify.verification.policy import load_policy

CARD = load_card(data_dir() / "calibration" / "comparison.toml")


@pytest.fixture
def database_url():
    return ""


@pytest.fixture
def site(core):
    return Site(core)


def decision(outcome, similarity, **changes):
    """As a judge writes it, all that is read here."""
    llr, threshold = 2.0 if similarity > 0.4 else -3.0, 0.4
    match = {"similarity": similarity, "llr": llr, "fmr_at_score": 0.01, "threshold": threshold}
    policy = load_policy("recovery")
    return {
        "outcome": outcome,
        "reasons": ["match"] if outcome == "accept" else ["no_match"],
        "confidence": 0.9,
        "match": match,
        "liveness": {"llr": 1.5, "mechanisms": [{"name": "eyes", "native": 0.2, "llr": 1.0}]},
        "injection_signals": [],
        "models": [{"name": "m", "sha256": "0" * 64}],
        "policy": {"name": "recovery", "sha256": policy.sha256},
        "calibration": {"sha256": CARD.sha256},
        **changes,
    }


def seed(site, number, view, verdict, similarity, *, group="g", played=True, **changes):
    """One reviewed case, as rows: the way there is in test_desk."""
    core = site.core
    case = site.case(f"account-{number}", group=group)
    with core.database.writing() as session:
        row = Attempt(
            id=f"att_{number}", api_key_id=site.caller.id, state="rejected", policy="recovery", locale="en",
            options={}, subject=f"account-{number}", created_s=1.0, expires_s=2.0, judged=1, begun=1, tries=0,
            case_id=case, recording_id=f"rec_{number}", decision=decision("reject", similarity, **changes),
        )  # fmt: skip
        session.add(row)
        session.add(
            Review(
                id=f"rev_{number}",
                case_id=case,
                account_id=site.reviewer,
                state="review",
                entered_s=1.0,
                view=view,
                viewed_s=2.0,
                machine="rejected",
                machine_reasons=[],
                evidence="kept",
                verdict=verdict,
                code="met",
                decided_s=3.0,
            )
        )
        if played:
            session.add(Viewing(account_id=site.reviewer, case_id=case, piece=f"recording/rec_{number}", noted_s=2.0))
    return case


@pytest.fixture
def many(site):
    """Forty people that are who they say, forty that are not, a few attacks; and what is no truth."""
    site.reviewer = site.account(Role.SENIOR).id
    for n in range(40):
        seed(site, n, "same_person", "accept", 0.6 + n / 200)
        seed(site, 100 + n, "other_person", "reject", 0.1 + n / 200)
    for n in range(200, 204):
        seed(site, n, "not_live", "reject", 0.7)
    seed(site, 300, "cannot_tell", "reject", 0.5)
    seed(site, 301, "same_person", "reject", 0.5)
    seed(site, 302, "same_person", "accept", 0.5, played=False)
    seed(site, 303, "same_person", "accept", 0.5, calibration={"sha256": "1" * 64})
    return site


def test_what_is_written_is_read_by_calibrate_and_evaluate(many, tmp_path):
    found, untold = reviewed(many.core)
    out = tmp_path / "out"
    assert (write_folder(found, out), untold) == ((84, 1), 2)
    trials = read_trials(out / "trials.csv")
    table = read_scores(out / "scores.csv")
    assert len(trials) == len(table) == 84
    assert (int(table.mated.sum()), int(table.non_mated.sum()), int((~table.bona_fide).sum())) == (40, 40, 4)
    assert {trial.group for trial in trials} == {"g"}
    # The rule of three asks for six pairs of people at a target of one half.
    card = recalibrate(out / "scores.csv", [0.5]).card
    assert card.counts["mated"] + card.counts["non_mated"] == int(
        (table.texts["split"] == "dev")[table.bona_fide].sum()
    )
    assert dict(card.models) == dict(CARD.models)
    told, policy = json.loads((out / "run.json").read_text())["policy"], load_policy("recovery")
    assert all(told[name] == getattr(policy, name) for name in ("target_fmr", "target_fmr_with_liveness"))
    report = json.loads(write_report(out).read_text())
    assert report


def test_one_person_is_all_in_one_half_and_nobody_is_named(many, tmp_path):
    write_folder(reviewed(many.core)[0], tmp_path / "out")
    halves: dict[str, set[str]] = {}
    for trial in read_trials(tmp_path / "out" / "trials.csv"):
        halves.setdefault(trial.reference_subject or trial.subject, set()).add(trial.split.value)
    assert all(len(splits) == 1 for splits in halves.values())
    assert {split for splits in halves.values() for split in splits} == {"dev", "eval"}
    content = "".join(path.read_text() for path in (tmp_path / "out").iterdir())
    assert "account-" not in content
    assert many.caller.id not in content


def test_the_last_word_is_the_truth(site):
    site.reviewer = site.account(Role.SENIOR).id
    case = seed(site, 1, "other_person", "reject", 0.3)
    assert [row.mated for row in reviewed(site.core)[0]] == [False]
    with site.core.database.writing() as session:
        first = session.get_one(Review, "rev_1")
        columns = {column.name: getattr(first, column.name) for column in Review.__table__.columns}
        changes = {"id": "rev_9", "view": "same_person", "verdict": "accept", "decided_s": 9.0}
        session.add(Review(**{**columns, **changes}))
    assert [(row.mated, row.subject == row.reference_subject) for row in reviewed(site.core)[0]] == [(True, True)]
    with site.core.database.reading() as session:
        assert session.get(Case, case) is not None
        assert session.scalars(select(Viewing)).all()


def test_the_command_writes_once_says_what_it_left_out_and_is_recorded(many, tmp_path, capsys):
    folder = tmp_path / "out"
    run = ["serve", "--data", str(many.core.settings.data), "export-trials", "-o", str(folder)]
    assert main(run) == 0
    assert "84 trials; left out: 2 that people could not tell, 1 of other models" in capsys.readouterr().out
    assert main(run) == 4
    with many.core.database.reading() as session:
        kinds = [json.loads(entry.content)["kind"] for entry in audit.entries(session)]
    assert kinds[-1] == "trials.exported"


def test_nothing_to_write_is_said(site, tmp_path):
    with pytest.raises(ParameterError, match="nothing to write: 0 reviewed"):
        write_folder(reviewed(site.core)[0], tmp_path / "out")

"""``idverify audit``: checked offline, exported for a court, and clear about what is broken."""

from __future__ import annotations

import json
import re
import sqlite3

import pytest
from click.testing import CliRunner

pytest.importorskip("rfc8785", reason="needs the extra 'serve'")
pytest.importorskip("sqlalchemy", reason="needs the extra 'serve'")

from idverify.cli import cli
from idverify.service import api_keys, audit, cases
from idverify.service.api_keys import Caller
from idverify.service.case_routes import CaseRoute
from idverify.service.cases import AskedCase
from idverify.service.core import open_core
from idverify.service.settings import Settings

# What a subject may hold, since the service chooses it: the page must not become something else by it.
SUBJECT = "</script><b>s-1</b>"


class Desk:
    def __init__(self, folder):
        self.folder = folder
        core = open_core(Settings(data=folder))
        key = api_keys.make_key(core, "tests")
        self.caller = Caller(id=key.id, name="")
        made = []
        for subject in (SUBJECT, "the other one"):
            wanted = AskedCase(subject=subject, route=CaseRoute.STANDARD, policy="recovery", locale="en")
            made.append(cases.open_case(core, self.caller, wanted)[0]["id"])
        for case in (*made, made[0]):
            cases.not_me(core, self.caller, case)
        self.case, self.other, self.key = made[0], made[1], audit.public_key(core)
        core.database.close()

    def change(self, statement):
        with sqlite3.connect(self.folder / "idverify.sqlite") as connection:
            connection.execute(statement)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "data")


def run(*arguments):
    found = CliRunner().invoke(cli, ["audit", *map(str, arguments)])
    assert "Traceback" not in found.output
    return found


def test_a_service_folder_holds(desk):
    found = run("verify", "--data", desk.folder)
    assert (found.exit_code, found.output.split(";")[0]) == (0, "4 entries hold"), found.output


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("UPDATE audit_entries SET content = replace(content, 'frozen', 'opened') WHERE number = 3", 3),
        ("DELETE FROM audit_entries WHERE number = 2", 2),
        ("DELETE FROM audit_entries WHERE number = 4", 4),
        ("DELETE FROM audit_entries", 1),
        ("UPDATE audit_entries SET sha256 = content_sha256 WHERE number = 1", 1),
    ],
)
def test_the_first_broken_link_of_a_service_folder_is_named(desk, statement, number):
    desk.change(statement)
    found = run("verify", "--data", desk.folder)
    assert found.exit_code == 1
    assert found.output.startswith(f"broken at entry {number}: ")


def test_a_noted_checkpoint_finds_what_was_cut_off_together_with_the_head(desk):
    printed = run("checkpoint", "--data", desk.folder).output
    noted = re.search(r"checkpoint +(\w+)", printed)[1]
    assert desk.key in printed
    assert run("verify", "--data", desk.folder, "--checkpoint", noted).exit_code == 0
    desk.change("DELETE FROM audit_entries WHERE number > 3")
    desk.change("UPDATE audit_head SET number = 3, sha256 = (SELECT sha256 FROM audit_entries WHERE number = 3)")
    assert run("verify", "--data", desk.folder).exit_code == 0
    found = run("verify", "--data", desk.folder, "--checkpoint", noted)
    assert (found.exit_code, found.output.split(":")[0]) == (1, "broken at entry 4")


@pytest.mark.parametrize("name", ["case.html", "case.json"])
def test_a_case_is_exported_and_checked_offline(desk, tmp_path, name):
    file = tmp_path / name
    assert run("export", desk.case, "--data", desk.folder, "-o", file).exit_code == 0
    text = file.read_text()
    assert "the other one" not in text
    assert desk.other not in text
    found = run("verify", file, "--key", desk.key)
    assert found.exit_code == 0, found.output
    assert "proves nothing" in run("verify", file).output
    assert run("verify", file, "--key", "00" * 32).exit_code != 0
    file.write_text(text.replace("case.frozen", "case.opened"))
    found = run("verify", file, "--key", desk.key)
    assert (found.exit_code, found.output) == (1, "broken at entry 3: the entry's content was altered\n")
    # That it was exported is on record, and the service's own chain goes on.
    again = run("verify", "--data", desk.folder).output
    assert again.startswith("5 entries hold; signed up to entry 5")


def test_the_page_loads_nothing_and_is_markup_of_ours_only(desk, tmp_path):
    file = tmp_path / "case.html"
    run("export", desk.case, "--data", desk.folder, "-o", file)
    page = file.read_text()
    assert page.count("</script>") == 1
    assert "<b>" not in page
    assert "&lt;b&gt;s-1" in page
    assert not re.search(r"(?:src|href)=|url\(|@import", page)
    for kind in ("case.opened", "case.frozen", "case.exported"):
        assert f"<code>{kind}</code>" in page


def test_a_page_that_shows_something_else_than_its_record_is_no_proof(desk, tmp_path):
    file = tmp_path / "case.html"
    run("export", desk.case, "--data", desk.folder, "-o", file)
    page = file.read_text()
    for old, new in (
        ("<code>case.frozen</code>", "<code>case.recovered</code>"),
        ("</main>", "<p>All is well.</p></main>"),
    ):
        assert old in page
        file.write_text(page.replace(old, new))
        found = run("verify", file, "--key", desk.key)
        assert (found.exit_code, "shows something else" in found.output) == (1, True)


def test_the_whole_chain_is_exported_as_json(desk, tmp_path):
    file = tmp_path / "all.json"
    assert run("export", "--data", desk.folder, "-o", file).exit_code == 0
    record = json.loads(file.read_text())
    assert [entry["number"] for entry in record["entries"]] == [1, 2, 3, 4, 5]
    assert run("verify", file, "--key", desk.key).exit_code == 0
    del record["entries"][-1]
    file.write_text(json.dumps(record))
    found = run("verify", file, "--key", desk.key)
    assert (found.exit_code, found.output.split(":")[0]) == (1, "broken at entry 5")


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "nonsense", "<html>", "[" * 10_000, '{"format": "idverify-audit/1"}']
)
def test_a_file_that_is_no_record_is_said_in_one_sentence(tmp_path, content):
    file = tmp_path / "x.json"
    file.write_text(content)
    found = run("verify", file)
    assert found.exit_code == 4
    assert "no record of an audit chain" in found.output


def test_wrong_usage_is_said(desk, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, code in (
        (("verify",), 2),
        (("verify", tmp_path / "none.json"), 4),
        (("verify", "--data", empty), 4),
        (("verify", "--data", desk.folder, "--key", desk.key), 2),
        (("export", desk.case, "-o", tmp_path / "x.json"), 2),
        (("export", desk.case, "--data", desk.folder, "-o", tmp_path / "x.txt"), 2),
        (("export", "--data", desk.folder, "-o", tmp_path / "x.html"), 2),
        (("export", "cas_none", "--data", desk.folder, "-o", tmp_path / "x.json"), 4),
        (("export", desk.case, "--data", desk.folder, "-o", tmp_path / "none" / "x.json"), 4),
    ):
        assert run(*arguments).exit_code == code, arguments
    assert not (empty / "idverify.sqlite").exists()

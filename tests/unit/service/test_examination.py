"""What the doctor says of a service: enough to mend it, and no secret."""

from __future__ import annotations

import base64
import json
import os

import pytest
from click.testing import CliRunner

from idverify.cli import cli
from idverify.service.examination import examine_service

GOOD = {
    "IDVERIFY_DATABASE": "sqlite:////dev/shm/idverify-doctor-test.sqlite",
    "IDVERIFY_BLOBS": "memory://",
    "IDVERIFY_MASTER_KEY": base64.b64encode(bytes(32)).decode(),
}
BAD = {
    "IDVERIFY_DATABASE": "postgresql+psycopg://user:hush-hush@127.0.0.1:1/none",
    "IDVERIFY_BLOBS": "gopher://hush-hush",
    "IDVERIFY_MASTER_KEY": "hush-hush",
}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in GOOD:
        monkeypatch.delenv(name, raising=False)


def test_without_settings_everything_is_in_the_services_folder():
    found = {one.name: one for one in examine_service()}
    assert set(found) == {"database", "blobs", "master key"}
    assert not any(one.broken for one in found.values())


@pytest.mark.parametrize("name", GOOD)
def test_what_is_set_is_tried(monkeypatch, name):
    if name == "IDVERIFY_BLOBS":
        pytest.importorskip("obstore", reason="needs the extra 'serve-cluster'")
    monkeypatch.setenv(name, GOOD[name])
    assert [one.found for one in examine_service() if name in one.found] == [f"as {name} says"]
    if name == "IDVERIFY_DATABASE":
        os.unlink("/dev/shm/idverify-doctor-test.sqlite")


@pytest.mark.parametrize("name", BAD)
def test_what_is_broken_is_named_with_its_setting_and_without_its_secret(monkeypatch, name):
    monkeypatch.setenv(name, BAD[name])
    (broken,) = [one for one in examine_service() if one.broken]
    assert name in broken.mend
    assert "hush" not in broken.found


def test_the_doctor_shows_it_and_fails_where_it_is_broken(monkeypatch):
    monkeypatch.setenv("IDVERIFY_MASTER_KEY", "hush-hush")
    done = CliRunner().invoke(cli, ["doctor", "--json"])
    rows = {row["name"]: row for row in json.loads(done.output)["checks"] if row["area"] == "service"}
    assert rows["master key"]["state"] == "missing"
    assert done.exit_code == 4
    assert "hush" not in done.output

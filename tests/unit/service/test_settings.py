"""Where people reach a service: only what a browser can open with a camera, written as browsers write it."""

from __future__ import annotations

import pytest

from idverify.cli import ExitCode, main
from idverify.errors import ParameterError
from idverify.service.settings import Settings


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://verify.example", "https://verify.example"),
        ("https://verify.example/", "https://verify.example"),
        ("HTTPS://Verify.Example:443/", "https://verify.example"),
        ("https://verify.example:8443", "https://verify.example:8443"),
        ("https://b\u00fccher.example", "https://xn--bcher-kva.example"),
        ("https://[2001:DB8::1]:443", "https://[2001:db8::1]"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("", "http://127.0.0.1:8080"),
    ],
)
def test_links_begin_with_the_origin_that_browsers_state(tmp_path, given, origin):
    assert Settings(data=tmp_path, public_url=given).base_url == origin


WRONG = [
    "nonsense", "verify.example", "ftp://verify.example", "https://", "https://verify.example/path", "https://a?b",
    "https://a#b", "https://user@verify.example", "https://verify.example:99999", "https://[::1", "javascript:x",
    "http://verify.example", "https://a..b",
]  # fmt: skip


@pytest.mark.parametrize("given", WRONG)
def test_an_address_that_opens_nothing_is_refused(tmp_path, given):
    with pytest.raises(ParameterError, match="public URL"):
        Settings(data=tmp_path, public_url=given)


@pytest.mark.parametrize(
    "command",
    [
        ["account", "list"], ["account", "reset", "x"], ["account", "disable", "x"], ["account", "enable", "x"],
        ["revoke-key", "x"], ["export-trials", "-o", "out"],
    ],
)  # fmt: skip
def test_a_slip_in_the_folder_makes_no_service(tmp_path, capsys, command):
    folder = tmp_path / "slip"
    assert main(["serve", "--data", str(folder), *command]) == ExitCode.ERROR
    assert "no folder of a service" in capsys.readouterr().err
    assert not folder.exists()


def test_a_service_without_accounts_says_how_to_make_one(tmp_path, capsys):
    assert main(["serve", "--data", str(tmp_path), "new-key", "tests"]) == ExitCode.ACCEPT
    assert main(["serve", "--data", str(tmp_path), "account", "list"]) == ExitCode.ACCEPT
    assert "account add NAME" in capsys.readouterr().err

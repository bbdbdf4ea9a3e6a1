"""Keys and encrypted pieces: what deleting a key leaves behind is noise."""

from __future__ import annotations

import base64
import os
import secrets
import stat
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idverify.errors import ParameterError
from idverify.service import keys
from idverify.service.blobs import LocalBlobs, NoSuchBlobError, ObjectBlobs, StorageUnavailableError
from idverify.service.keys import DataKey, EvidenceUnreadableError, MasterKey


@given(st.binary(max_size=2000), st.text(max_size=40))
def test_what_is_sealed_opens_with_its_key_and_name_only(plain, name):
    key = DataKey.new()
    sealed = key.seal(plain, name)
    assert key.open(sealed, name) == plain
    with pytest.raises(EvidenceUnreadableError):
        DataKey.new().open(sealed, name)
    with pytest.raises(EvidenceUnreadableError):
        key.open(sealed, name + "x")


@given(st.binary(min_size=1, max_size=200), st.integers(0, 10**6))
def test_one_altered_bit_is_noticed(plain, where):
    key = DataKey.new()
    sealed = bytearray(key.seal(plain, "a"))
    sealed[where % len(sealed)] ^= 1 << (where % 8)
    with pytest.raises(EvidenceUnreadableError):
        key.open(bytes(sealed), "a")


@given(st.binary(max_size=60))
def test_what_was_never_sealed_is_refused(noise):
    with pytest.raises(EvidenceUnreadableError):
        DataKey.new().open(noise, "a")


def test_no_secret_is_in_a_repr():
    key = DataKey.new()
    for text in (repr(key), repr(MasterKey(key))):
        assert key.secret.hex() not in text
        assert str(key.secret) not in text


def test_the_master_key_is_made_once_for_this_user_only(tmp_path, monkeypatch):
    monkeypatch.delenv(keys.MASTER_KEY_VARIABLE, raising=False)
    first = MasterKey.find(tmp_path)
    assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600
    assert MasterKey.find(tmp_path) == first
    assert os.listdir(tmp_path) == ["master.key"]


def test_a_master_key_that_others_may_read_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv(keys.MASTER_KEY_VARIABLE, raising=False)
    MasterKey.find(tmp_path)
    (tmp_path / "master.key").chmod(0o644)
    with pytest.raises(ParameterError, match="chmod 600"):
        MasterKey.find(tmp_path)


def test_the_master_key_may_come_from_the_environment(tmp_path, monkeypatch):
    secret = secrets.token_bytes(32)
    monkeypatch.setenv(keys.MASTER_KEY_VARIABLE, base64.b64encode(secret).decode())
    assert MasterKey.find(tmp_path).key.secret == secret
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("text", ["short", base64.b64encode(b"x" * 31).decode(), "*" * 44])
def test_a_master_key_that_is_none_is_refused_without_quoting_it(tmp_path, monkeypatch, text):
    monkeypatch.setenv(keys.MASTER_KEY_VARIABLE, text)
    with pytest.raises(ParameterError) as refused:
        MasterKey.find(tmp_path)
    assert text not in str(refused.value)


def test_tokens_have_the_bits_they_claim():
    assert len(keys.new_token()) * 5 >= 128
    assert len(keys.normalised_token(keys.new_code())) * 5 >= 64
    assert len({keys.new_token() for _ in range(1000)}) == 1000


def test_a_code_may_be_typed_carelessly():
    code = keys.new_code()
    typed = f" {code.lower().replace('-', ' ')} ".replace("0", "o").replace("1", "l")
    assert keys.normalised_token(typed) == keys.normalised_token(code)


@pytest.fixture(params=["files", "objects"])
def blobs(request, tmp_path):
    if request.param == "files":
        return LocalBlobs(tmp_path / "blobs")
    pytest.importorskip("obstore", reason="needs the extra 'serve-cluster'")
    return ObjectBlobs("memory://")


def test_pieces_are_kept_replaced_and_deleted_with_their_owner(blobs):
    blobs.check()
    blobs.put("attempts/a/x/0", b"one")
    blobs.put("attempts/a/x/0", b"two")
    blobs.put("attempts/ab/y", b"other")
    assert blobs.get("attempts/a/x/0") == b"two"
    blobs.delete_all("attempts/a")
    blobs.delete_all("attempts/a")
    with pytest.raises(NoSuchBlobError):
        blobs.get("attempts/a/x/0")
    assert blobs.get("attempts/ab/y") == b"other"


def test_a_store_that_fails_is_tried_again_but_not_for_minutes(monkeypatch):
    pytest.importorskip("obstore", reason="needs the extra 'serve-cluster'")
    asked = []

    class Failing(BaseHTTPRequestHandler):
        def do_PUT(self):
            asked.append(self.path)
            self.rfile.read(int(self.headers["content-length"]))
            self.send_error(503)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name, value in (
            ("ACCESS_KEY_ID", "k"), ("SECRET_ACCESS_KEY", "s"), ("REGION", "us-east-1"), ("ALLOW_HTTP", "true"),
            ("ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}"),
        ):  # fmt: skip
            monkeypatch.setenv(f"AWS_{name}", value)
        with pytest.raises(StorageUnavailableError):
            ObjectBlobs("s3://bucket/prefix").put("attempts/a/x", b"content")
        server.shutdown()
    assert 1 < len(asked) <= 3


@pytest.mark.parametrize("name", ["../x/y", "/etc/passwd", "a", "a/../b", "a//b", "a/.b", "a/b\n", ""])
def test_a_name_leads_nowhere_else(blobs, name):
    for act in (lambda: blobs.put(name, b""), lambda: blobs.get(name), lambda: blobs.delete_all(name)):
        with pytest.raises(ParameterError, match="no name of a piece"):
            act()


def test_files_are_for_this_user_only(tmp_path):
    blobs = LocalBlobs(tmp_path / "blobs")
    blobs.put("a/b/c", b"x")
    for path in (tmp_path / "blobs").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_a_store_that_cannot_be_written_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    blobs = LocalBlobs(tmp_path / "blobs")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageUnavailableError, match="No space left"):
        blobs.put("a/b/c", b"x")
    assert [path.name for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []

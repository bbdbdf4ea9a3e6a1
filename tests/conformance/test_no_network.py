"""A verification opens no connection: with every socket call watched, and on a machine without any network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import stills

import idverify

CHECK = """
import sys

def refuse(event, args):
    if event.startswith(("socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.")):
        raise RuntimeError(f"{event} {args}")

sys.addaudithook(refuse)
from idverify import Verifier
decision = Verifier(policy="ial2").check(sys.argv[1], sys.argv[2])
print(decision.outcome.value)
"""
# Fails at once where there is no network: the address is reserved for documentation (RFC 5737).
PROBE = "import socket; socket.create_connection(('192.0.2.1', 9), timeout=1)"


@pytest.fixture(scope="module")
def files(verifier, portrait, tmp_path_factory) -> list[str]:
    """Asks for the verifier, so that it skips where the models are not there."""
    folder = tmp_path_factory.mktemp("no_network")
    photo = folder / "photo.png"
    cv2.imwrite(str(photo), portrait[..., ::-1])
    return [str(stills.write(folder / "clip.mp4", portrait, "panned", 1.6, size_wh=(240, 320))), str(photo)]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    source = str(Path(idverify.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def test_a_check_connects_to_nothing(files):
    done = run(sys.executable, "-c", CHECK, *files)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() in ("reject", "inconclusive")


@pytest.fixture(scope="module")
def cut_off() -> list[str]:
    """The command that runs another in a namespace without network; skips where that is not allowed."""
    for command in (["unshare", "-n"], ["unshare", "-r", "-n"]):
        if shutil.which("unshare") and run(*command, "true").returncode == 0:
            return command
    pytest.skip("this machine does not allow a namespace without network")


def test_a_check_needs_no_network(files, cut_off):
    probe = run(*cut_off, sys.executable, "-c", PROBE)
    assert "unreachable" in probe.stderr
    done = run(*cut_off, sys.executable, "-c", CHECK, *files)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == run(sys.executable, "-c", CHECK, *files).stdout


def test_the_command_line_needs_no_network(files, cut_off):
    done = run(*cut_off, sys.executable, "-m", "idverify", "check", *files, "--quiet")
    assert done.stdout.strip() in ("reject", "inconclusive"), done.stderr[-2000:]
    assert done.returncode in (1, 3)

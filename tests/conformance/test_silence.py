"""A whole check makes no socket and writes nothing that nobody asked for, as the system itself sees it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import idverify
from idverify.models import models_dir

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
# What ONNX Runtime, or any other library, takes for a build machine and then keeps quiet for.
BUILD_MACHINE = re.compile(
    r"CI$|CI_|.*_CI$|TF_BUILD|GITHUB_|GITLAB|JENKINS|TRAVIS|APPVEYOR|BUILDKITE|CODEBUILD|TEAMCITY|ORT_|BUILD_"
)
WRITING = re.compile(r'(?:open|openat|creat)\([^"]*"(?P<path>[^"]*)"[^)]*O_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND)')
CHANGING = re.compile(
    r'^\d+ +(?:mkdir|mkdirat|rename|renameat2?|link|linkat|symlink|symlinkat|truncate)\([^"]*"(?P<path>[^"]*)"'
)
# Anything that leaves this process for an address of a network.
REACHING = re.compile(r"(?:connect|sendto|sendmsg)\([^)]*sin6?_port")
SOCKET = re.compile(r"^\d+ +socket\((?P<family>\w+)")


@pytest.fixture(scope="module")
def strace() -> str:
    """The system's own account of a process; skips where there is none, or it is not allowed."""
    found = shutil.which("strace")
    if found is None or subprocess.run([found, "-o", os.devnull, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs strace, and leave to use it: apt-get install strace")
    return found


@pytest.fixture(params=["an empty home", "a home that cannot be written"])
def home(request, tmp_path) -> tuple[list[str], Path]:
    """A prefix of the command, and the home that it runs in."""
    folder = tmp_path / "home"
    folder.mkdir()
    if request.param == "an empty home":
        return [], folder
    if os.geteuid() != 0:
        folder.chmod(0o500)
        return [], folder
    # Permissions do not stop root; a mount of its own does.
    mount = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o ro none "$0" && exec "$@"', str(folder)]
    if not shutil.which("unshare") or subprocess.run([*mount, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not allow a mount of its own")
    return mount, folder


def _quiet_environment(home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not BUILD_MACHINE.match(key) and "XDG" not in key}
    source = str(Path(idverify.__file__).parents[1])
    return kept | {
        "HOME": str(home),
        "IDVERIFY_MODELS": str(models_dir()),
        "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")]),
        # Compiled modules are Python's own cache, wherever it was installed.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _traced(strace: str, home: tuple[list[str], Path], log: Path, *command: str) -> tuple[int, list[str], list[str]]:
    """Exit code, address families of the sockets made, and paths written to or made."""
    prefix, folder = home
    calls = "network,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,truncate"
    whole = [*prefix, strace, "-f", "-qq", "-e", f"trace={calls}", "-o", str(log), *command]
    done = subprocess.run(
        whole, capture_output=True, text=True, env=_quiet_environment(folder), timeout=300, check=False
    )
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    families = [match["family"] for match in map(SOCKET.match, lines) if match]
    changes = [match for line in lines for match in (WRITING.search(line), CHANGING.match(line)) if match]
    return done.returncode, families, [match["path"] for match in changes if not match["path"].startswith("/dev/")]


def test_the_trace_sees_what_it_should(strace, home, tmp_path):
    """Or the next test could not fail."""
    code = "import socket, pathlib, sys; socket.socket(); pathlib.Path(sys.argv[1]).write_text('x')"
    target = tmp_path / "written"
    _, families, written = _traced(strace, home, tmp_path / "log", sys.executable, "-c", code, str(target))
    assert families == ["AF_INET"]
    assert written == [str(target)]


def test_a_check_makes_no_socket_and_writes_nothing(strace, home, tmp_path, verifier):
    command = [sys.executable, "-m", "idverify", "check", "--json"]
    media = [str(SAMPLES / "photo_panned.mp4"), str(SAMPLES / "reference.jpg")]
    code, families, written = _traced(strace, home, tmp_path / "log", *command, *media)
    assert code == 1
    assert set(families) <= {"AF_UNIX"}
    assert written == []


def test_a_report_is_the_one_file_that_a_check_writes(strace, home, tmp_path, verifier):
    page = tmp_path / "page.html"
    command = [sys.executable, "-m", "idverify", "check", "--report", str(page)]
    media = [str(SAMPLES / "photo_panned.mp4"), str(SAMPLES / "reference.jpg")]
    code, families, written = _traced(strace, home, tmp_path / "log", *command, *media)
    assert code == 1
    assert page.is_file()
    assert set(families) <= {"AF_UNIX"}
    assert {Path(path).parent for path in written} <= {tmp_path}


def test_the_doctor_reaches_nobody(strace, home, tmp_path, verifier):
    """It imports optional packages; some of them make a socket to see what the system has, and use it for nothing."""
    log = tmp_path / "log"
    code, _, _ = _traced(strace, home, log, sys.executable, "-m", "idverify", "doctor")
    assert code == 0
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    assert [line for line in lines if REACHING.search(line)] == []

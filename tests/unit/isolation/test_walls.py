"""The walls: tried from inside, one way out after the other."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import idverify
from idverify.isolation.walls import available

WALLS = available()

INSIDE = """
import ctypes, fcntl, json, os, platform, resource, socket, struct, subprocess, sys, threading
from pathlib import Path
import numpy as np
from idverify.isolation.walls import close_walls
secret, folder = sys.argv[1], sys.argv[2]
parent = os.getppid()
readable = [Path(sys.prefix), Path(sys.base_prefix), Path("/usr"), Path("/lib")]
walls = close_walls(readable=readable, memory_bytes=256 << 20)

def tried(act):
    try:
        act()
    except BaseException as error:
        return type(error).__name__
    return "worked"

no_limit = (ctypes.c_ulong * 2)(2**64 - 1, 2**64 - 1)
x86 = platform.machine() == "x86_64"

def call(number, *arguments):
    library = ctypes.CDLL(None, use_errno=True)
    if library.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) < 0:
        raise OSError(ctypes.get_errno(), "")

def write():
    with open(os.path.join(folder, "out"), "w") as file:
        file.write("x")

def thread():
    found = []
    t = threading.Thread(target=lambda: found.append(float(np.ones((300, 300)).sum())))
    t.start(); t.join()
    assert found == [90000.0]

print(json.dumps({
    "missing": walls.missing,
    "internet": tried(lambda: socket.socket(socket.AF_INET)),
    "unix": tried(lambda: socket.socket(socket.AF_UNIX)),
    "pair": tried(socket.socketpair),
    "program": tried(lambda: os.execv("/bin/true", ["true"])),
    "child program": tried(lambda: subprocess.run(["/bin/true"])),
    "secret": tried(lambda: open(secret).read()),
    "list": tried(lambda: os.listdir(folder)),
    "write": tried(write),
    "parent's memory": tried(lambda: open(f"/proc/{parent}/environ").read()),
    "signal": tried(lambda: os.kill(parent, 0)),
    "signal to a thread": tried(lambda: call(234 if x86 else 131, parent, parent, 0)),
    "queued signal": tried(lambda: call(129 if x86 else 138, parent, 0, 0)),
    "signal by a file": tried(lambda: fcntl.fcntl(0, fcntl.F_SETOWN, parent)),
    "signal by a file, otherwise": tried(lambda: fcntl.fcntl(0, 15, struct.pack("ii", 1, parent))),
    "limits of the parent": tried(lambda: resource.prlimit(parent, resource.RLIMIT_CPU)),
    "higher limits": tried(lambda: call(302 if x86 else 261, 0, resource.RLIMIT_AS, ctypes.addressof(no_limit), 0)),
    "other process": tried(os.fork),
    "rights of a file": tried(lambda: os.chmod(secret, 0o666)),
    "owner of a file": tried(lambda: os.chown(secret, -1, -1)),
    "times of a file": tried(lambda: os.utime(secret, (0, 0))),
    "marks of a file": tried(lambda: os.setxattr(secret, "user.mark", b"x")),
    "length of a file": tried(lambda: os.truncate(secret, 0)),
    "shared memory": tried(lambda: call(29 if x86 else 194, 0, 4096, 0o1600)),
    "messages": tried(lambda: call(68 if x86 else 186, 0, 0o1600)),
    "own limits": tried(lambda: resource.getrlimit(resource.RLIMIT_AS)),
    "memory": tried(lambda: np.ones((512 << 20,), np.uint8)),
    "own work": tried(thread),
    "own files": tried(lambda: fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL))),
    "library": tried(lambda: open(os.__file__).read()),
}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "master.key").write_text("secret")
    environment = {"PYTHONPATH": str(Path(idverify.__file__).parents[1]), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin"}
    command = [sys.executable, "-c", INSIDE, str(folder / "master.key"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


needs_calls = pytest.mark.skipif(not WALLS.no_network, reason="this system has no seccomp for programs")
needs_files = pytest.mark.skipif(not WALLS.no_files, reason="this system has no Landlock")


@needs_calls
@pytest.mark.parametrize(
    "way",
    [
        "internet",
        "unix",
        "pair",
        "program",
        "child program",
        "signal",
        "signal to a thread",
        "queued signal",
        "signal by a file",
        "signal by a file, otherwise",
        "limits of the parent",
        "higher limits",
        "other process",
        "shared memory",
        "messages",
    ],
)
def test_no_network_no_programs_no_other_processes(found, way):
    assert found[way] == "PermissionError"


@needs_calls
@pytest.mark.parametrize("what", ["rights", "owner", "times", "marks", "length"])
def test_nothing_is_changed_about_a_file_that_cannot_be_opened(found, what):
    # Landlock lets most of it pass.
    assert found[f"{what} of a file"] == "PermissionError"


@needs_files
@pytest.mark.parametrize("way", ["secret", "list", "write", "parent's memory"])
def test_no_files_but_those_it_needs(found, way):
    assert found[way] == "PermissionError"


@pytest.mark.skipif(not WALLS.memory_limit, reason="this system has no limit on memory")
def test_memory_has_an_end(found):
    assert found["memory"] in ("MemoryError", "_ArrayMemoryError")


@pytest.mark.parametrize("way", ["own work", "own files", "library"])
def test_its_work_goes_on(found, way):
    assert found[way] == "worked"


def test_what_is_missing_is_what_was_said(found):
    assert found["missing"] == list(WALLS.missing)


LOWER = """
import resource
from idverify.isolation.walls import close_walls
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
close_walls(readable=[], memory_bytes=64 << 30)
print(resource.getrlimit(resource.RLIMIT_AS))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a memory limit is Linux's here")
def test_a_lower_limit_that_was_there_stays():
    # Only the superuser may raise it; for everybody else, to try is an error.
    done = subprocess.run([sys.executable, "-c", LOWER], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str((8 << 30, 8 << 30))


BELOW_ANOTHER = """
import ctypes, struct
from idverify.isolation import walls
# Landlock (444) and any further filter (prctl, 157, of PR_SET_SECCOMP, 22) are refused, as some containers do.
program = b"".join(struct.pack("HBBI", *step) for step in [
    (walls._LOAD, 0, 0, 0), (walls._EQUAL, 0, 1, 444), (walls._RETURN, 0, 0, walls._REFUSE),
    (walls._EQUAL, 0, 3, 157), (walls._LOAD, 0, 0, 16), (walls._EQUAL, 0, 1, 22),
    (walls._RETURN, 0, 0, walls._REFUSE), (walls._RETURN, 0, 0, walls._ALLOW),
])
buffer = ctypes.create_string_buffer(program, len(program))
head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
before = walls.available().missing
walls._prctl(walls._PR_SET_NO_NEW_PRIVS, 1)
assert walls._prctl(walls._PR_SET_SECCOMP, walls._SECCOMP_MODE_FILTER, ctypes.c_char_p(head)) == 0
print(before == walls.available().missing)
print(walls.available().missing == walls.close_walls(readable=[], memory_bytes=1 << 30).missing)
"""


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not available().no_network, reason="numbers of calls are those of one machine"
)
def test_what_is_said_to_be_there_is_what_can_be_closed():
    done = subprocess.run([sys.executable, "-c", BELOW_ANOTHER], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]

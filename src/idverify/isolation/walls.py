"""The walls around a process that decodes strangers' files: no network, no new programs, no files but those it needs,
no memory without end.

Goal: whoever takes over a codec holds a process that can reach nothing. Applied by the process itself, once its models
are loaded; every wall that this system does not have is named, and ``idverify doctor`` says so.

Conventions: Linux only; elsewhere every wall is missing. Two mechanisms of the kernel, both without privileges: seccomp
refuses calls (sockets, new programs, looking into other processes), Landlock refuses files (writing anywhere, reading
outside what Python and the models need).

Public items: :class:`Walls`, :func:`close_walls`, :func:`available`, :func:`runtime_paths`.

References
----------
seccomp(2), prctl(2), landlock(7); numbers of calls from the kernel's tables for x86-64 and the generic table (arm64).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Walls", "available", "close_walls", "runtime_paths"]

# prctl(2) and <linux/prctl.h>
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38
_SECCOMP_MODE_FILTER = 2
# <linux/seccomp.h>: allow; or fail with EPERM (1).
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1
_KILL = 0x80000000
# <linux/audit.h>
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# Calls that judging never needs: the network, other programs, other processes and what is shared with them, another
# kernel's worth of interfaces; and what changes a file without opening it, most of which Landlock lets pass.
_REFUSED = {
    "x86_64": {
        "socket": 41, "connect": 42, "accept": 43, "sendto": 44, "sendmsg": 46, "bind": 49, "listen": 50,
        "socketpair": 53, "fork": 57, "vfork": 58, "execve": 59, "ptrace": 101, "mount": 165, "unshare": 272,
        "accept4": 288, "perf_event_open": 298, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311,
        "bpf": 321, "execveat": 322, "userfaultfd": 323, "io_uring_setup": 425, "pidfd_getfd": 438, "kill": 62,
        "tkill": 200, "add_key": 248, "request_key": 249, "keyctl": 250, "rt_sigqueueinfo": 129, "setpriority": 141,
        "setrlimit": 160, "rt_tgsigqueueinfo": 297, "sendmmsg": 307, "pidfd_send_signal": 424, "pidfd_open": 434,
        "shmget": 29, "shmat": 30, "shmctl": 31, "semget": 64, "semop": 65, "semctl": 66, "semtimedop": 220,
        "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "mq_open": 240, "mq_unlink": 241,
        "truncate": 76, "chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452, "chown": 92, "fchown": 93,
        "lchown": 94, "fchownat": 260, "utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280,
        "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "setxattrat": 463, "removexattr": 197,
        "lremovexattr": 198, "fremovexattr": 199, "removexattrat": 466, "file_setattr": 469,
    },
    "aarch64": {
        "socket": 198, "socketpair": 199, "bind": 200, "listen": 201, "accept": 202, "connect": 203, "sendto": 206,
        "sendmsg": 211, "add_key": 217, "request_key": 218, "keyctl": 219, "execve": 221, "accept4": 242, "mount": 40,
        "unshare": 97, "ptrace": 117, "kill": 129, "tkill": 130, "perf_event_open": 241, "setns": 268,
        "process_vm_readv": 270, "process_vm_writev": 271, "bpf": 280, "execveat": 281, "userfaultfd": 282,
        "io_uring_setup": 425, "pidfd_getfd": 438, "rt_sigqueueinfo": 138, "setpriority": 140, "setrlimit": 164,
        "rt_tgsigqueueinfo": 240, "sendmmsg": 269, "pidfd_send_signal": 424, "pidfd_open": 434,
        "shmget": 194, "shmat": 196, "shmctl": 195, "semget": 190, "semop": 193, "semctl": 191, "semtimedop": 192,
        "msgget": 186, "msgsnd": 189, "msgrcv": 188, "msgctl": 187, "mq_open": 180, "mq_unlink": 181,
        "truncate": 45, "fchmod": 52, "fchmodat": 53, "fchmodat2": 452, "fchownat": 54, "fchown": 55, "utimensat": 88,
        "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "setxattrat": 463, "removexattr": 14, "lremovexattr": 15,
        "fremovexattr": 16, "removexattrat": 466, "file_setattr": 469,
    },
}  # fmt: skip
# Calls that are needed in one form only: a thread and no process, a signal to itself, a look at its own limits; and one
# that is needed but for a form.
_BOUND = {
    "x86_64": {"clone": 56, "tgkill": 234, "prlimit64": 302, "fcntl": 72},
    "aarch64": {"clone": 220, "tgkill": 131, "prlimit64": 261, "fcntl": 25},
}
# <linux/fcntl.h>: F_SETOWN and F_SETOWN_EX say whom the kernel sends a signal when a file has news.
_SET_OWNER = (8, 15)
# clone3 keeps its flags where a filter cannot look; the C library falls back to clone when there is none (ENOSYS, 38).
_CLONE3, _ABSENT = 435, 0x00050000 | 38
# <linux/sched.h>
_CLONE_THREAD = 0x00010000
# x86-64 programs may also ask by the x32 table, whose numbers have this bit.
_X32 = 0x40000000
# BPF: load a word, compare, return (<linux/bpf_common.h>).
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE = 0, 4
# Low and high word of an argument (<linux/seccomp.h>; both machines are little-endian).
_OFFSETS_ARGUMENT = tuple((16 + 8 * n, 20 + 8 * n) for n in range(6))
# landlock(7): the calls have the same numbers everywhere.
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_VERSION = 1
_RULE_PATH = 1
_FS_EXECUTE, _FS_WRITE, _FS_READ_FILE, _FS_READ_DIR = 1, 2, 4, 8
# Rights that each version of the interface knows.
_FS_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_NET_RIGHTS = 3
_SCOPES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Walls:
    """Which walls stand."""

    no_network: bool
    no_files: bool
    memory_limit: bool

    @property
    def missing(self) -> tuple[str, ...]:
        """The walls that this system does not have, in words."""
        names = {
            "no network (seccomp)": self.no_network,
            "no files (Landlock)": self.no_files,
            "a memory limit": self.memory_limit,
        }
        return tuple(name for name, stands in names.items() if not stands)


def available() -> Walls:
    """Which walls this system offers, without building one."""
    linux = sys.platform == "linux"
    return Walls(
        no_network=linux and platform.machine() in _ARCHITECTURES and _takes_filters(),
        no_files=linux and _landlock_version() > 0,
        memory_limit=linux,
    )


def close_walls(*, readable: Iterable[Path], memory_bytes: int) -> Walls:
    """Close every wall that this system has; there is no way back.

    Parameters
    ----------
    readable
        Folders and files that may still be read; those that are absent are left out.
    memory_bytes
        How much address space may be taken beyond what is taken now.
    """
    if sys.platform != "linux":
        return Walls(no_network=False, no_files=False, memory_limit=False)
    # Not everywhere is there such a module.
    import resource

    # Nothing of what is judged may reach a core file, and other processes may not look in.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    # Whoever began this process may have set a lower one already.
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = taken + memory_bytes if most == resource.RLIM_INFINITY else min(taken + memory_bytes, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    if _prctl(_PR_SET_NO_NEW_PRIVS, 1) != 0:
        return Walls(no_network=False, no_files=False, memory_limit=True)
    no_files = _close_files(readable)
    return Walls(no_network=_close_calls(), no_files=no_files, memory_limit=True)


def runtime_paths() -> list[Path]:
    """Python, its packages and the system's libraries: what a process reads of itself after it has started."""
    return [
        *(Path(path) for path in {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()}),
        Path(__file__).resolve().parents[2],
        *map(Path, ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime")),
        *map(Path, ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system", "/sys/fs/cgroup")),
        *map(Path, ("/dev/null", "/dev/urandom", "/dev/zero")),
    ]


def _takes_filters() -> bool:
    """Whether this process may close calls: asked with no filter at all, which is a bad address and nothing worse."""
    return _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, None) != 0 and ctypes.get_errno() == errno.EFAULT


def _close_calls() -> bool:
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        return False
    program = _filter(machine, own_pid=os.getpid())
    buffer = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    return _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_char_p(head)) == 0


def _filter(machine: str, *, own_pid: int) -> bytes:
    """Instructions: another architecture ends the process, a listed call fails, the rest is allowed."""
    bound = _BOUND[machine]
    first, second, limit = _OFFSETS_ARGUMENT[:3]
    steps: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _OFFSET_ARCHITECTURE),
        (_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _OFFSET_NUMBER),
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _ABSENT),
        *_allowed_if(bound["clone"], [(first[0], _ANY_BIT, _CLONE_THREAD)]),
        *_allowed_if(bound["tgkill"], [(first[0], _EQUAL, own_pid)]),
        # Of itself (0), and with no new limit.
        *_allowed_if(bound["prlimit64"], [(first[0], _EQUAL, 0), (limit[0], _EQUAL, 0), (limit[1], _EQUAL, 0)]),
        *_refused_if(bound["fcntl"], second[0], _SET_OWNER),
    ]
    # Each comparison jumps over those that are left, and over the "allow", to the "refuse" at the end.
    refused = sorted(_REFUSED[machine].values())
    tests = [(_AT_LEAST, _X32)] * (machine == "x86_64") + [(_EQUAL, number) for number in refused]
    steps += [(code, len(tests) - i, 0, value) for i, (code, value) in enumerate(tests)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def _allowed_if(number: int, conditions: list[tuple[int, int, int]]) -> list[tuple[int, int, int, int]]:
    """One call, allowed if every word (offset, comparison, value) is as it should be, and refused otherwise."""
    inner: list[tuple[int, int, int, int]] = []
    for i, (offset, comparison, value) in enumerate(conditions):
        inner += [(_LOAD, 0, 0, offset), (comparison, 0, 2 * (len(conditions) - 1 - i) + 1, value)]
    inner += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    return [(_EQUAL, 0, len(inner), number), *inner]


def _refused_if(number: int, offset: int, values: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
    """One call, refused if a word is one of some values, and allowed otherwise."""
    tests = [(_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    inner = [(_LOAD, 0, 0, offset), *tests, (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    return [(_EQUAL, 0, len(inner), number), *inner]


def _close_files(readable: Iterable[Path]) -> bool:
    version = _landlock_version()
    if version < 1:
        return False
    rights = _FS_RIGHTS[min(version, 5)]
    attributes = struct.pack("QQQ", rights, _NET_RIGHTS if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    # Older kernels know a shorter form.
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _syscall(_LANDLOCK_CREATE, ctypes.c_char_p(attributes), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return False
    try:
        for path in readable:
            _allow_reading(ruleset, path)
        return _syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def _allow_reading(ruleset: int, path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rights = _FS_READ_FILE | (_FS_READ_DIR if path.is_dir() else 0)
        rule = struct.pack("=Qi", rights, descriptor)
        _syscall(_LANDLOCK_ADD, ruleset, _RULE_PATH, ctypes.c_char_p(rule), 0)
    finally:
        os.close(descriptor)


def _landlock_version() -> int:
    if sys.platform != "linux":
        return 0
    return max(0, _syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _LANDLOCK_VERSION))


def _prctl(option: int, *arguments: object) -> int:
    filled = [*arguments, 0, 0, 0, 0][:4]
    values = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in filled]
    return int(ctypes.CDLL(None, use_errno=True).prctl(ctypes.c_int(option), *values))


def _syscall(number: int, *arguments: object) -> int:
    return int(ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *arguments))

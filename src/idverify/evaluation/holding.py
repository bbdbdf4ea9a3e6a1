"""One run at a time at one work.

Goal: a batch or an evaluation that is started twice is not done twice. The lock is the system's: it ends with its
process, however that ends, and leaves nothing behind. Windows has none of the kind, nor have some file systems; there,
as in object stores, nobody is kept away.

Public items: :func:`hold`.
"""

from __future__ import annotations

import errno
from pathlib import Path

from idverify.errors import ParameterError
from idverify.text import foreign

__all__ = ["hold"]

# lockf(3): what another process holds.
_HELD = (errno.EACCES, errno.EAGAIN)


def hold(descriptor: int, place: Path, *, first: int = 0, n_bytes: int = 0) -> None:
    """Hold bytes of a file that is open for writing; until this process closes any descriptor of that file.

    Parameters
    ----------
    descriptor
        Of the file.
    place
        What the message names.
    first, n_bytes
        Which bytes, and how many (0: all that follow); they need not be there.

    Raises
    ------
    ParameterError
        Another process holds one of them.
    """
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, n_bytes, first)
    except OSError as error:
        if error.errno in _HELD:
            raise ParameterError(
                f"another run is at work in {foreign(place)}: wait for its end, or use another place"
            ) from None

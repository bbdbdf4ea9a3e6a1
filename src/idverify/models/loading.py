"""The sessions of a whole verification, loaded side by side: by the first who needs them, or ahead of that.

Reading, hashing and making a session leave Python's lock, so in a fresh process the models load while the modules that
use them are still being imported: :func:`load_ahead` begins with it, and :func:`load_sessions` takes over what was
begun. A file that is missing or altered is an error there, whoever began.

Public items: :func:`load_ahead`, :func:`load_sessions`, :data:`PIPELINE_MODELS`, :data:`COMPARISON_MODELS`,
:data:`QUICK_MODEL`.
"""

from __future__ import annotations

import ctypes
import sys
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from idverify.models.session import Session

__all__ = ["COMPARISON_MODELS", "PIPELINE_MODELS", "QUICK_MODEL", "load_ahead", "load_sessions"]

COMPARISON_MODELS = ("sface", "dlib_resnet")
# What a recording's faces are looked at with instead of SFace itself; see comparison/features.py.
QUICK_MODEL = "sface_eight_bit"
PIPELINE_MODELS = (
    "yunet",
    "face_mesh",
    "iris",
    "occlusion",
    "recapture",
    "skin_change",
    *COMPARISON_MODELS,
    QUICK_MODEL,
)
# One thread loads SFace, which takes as long as all the others together.
_THREADS = 2

_Begun = tuple[ThreadPoolExecutor, Mapping[str, "Future[Session]"]]
_ahead: deque[_Begun] = deque(maxlen=1)


def load_ahead() -> None:
    """Begin to load what the first :func:`load_sessions` without a folder asks for, and return at once."""
    _ahead.append(_begin(None))


def load_sessions(folder: Path | None = None) -> dict[str, Session]:
    """Load the models of :data:`PIPELINE_MODELS`, or wait for those that were begun ahead.

    Parameters
    ----------
    folder
        Where the files lie; by default :func:`idverify.models.manifest.models_dir`.

    Returns
    -------
    dict
        Name -> session, in the order of :data:`PIPELINE_MODELS`.

    Raises
    ------
    ModelError
        As :class:`~idverify.models.session.Session` does, for the first that cannot be had.
    """
    pool, begun = _ahead.pop() if folder is None and _ahead else _begin(folder)
    # No thread of it lives on: walls that go up after this are walls for all there are.
    with pool:
        sessions = {name: begun[name].result() for name in PIPELINE_MODELS}
    _give_back_memory()
    return sessions


def _begin(folder: Path | None) -> _Begun:
    pool = ThreadPoolExecutor(_THREADS, "idverify-models")
    return pool, {name: pool.submit(_load, name, folder) for name in sorted(PIPELINE_MODELS, key="sface".__ne__)}


def _give_back_memory() -> None:
    """Hand what reading the graphs left free to the system: a tenth of a whole check's memory."""
    # Of glibc alone; other allocators do so by themselves.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _load(name: str, folder: Path | None) -> Session:
    # The small models run on small pictures, where a second thread costs more than it saves.
    return Session(name, threads=None if name in (*COMPARISON_MODELS, QUICK_MODEL) else 1, folder=folder)

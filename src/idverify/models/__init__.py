"""Models: the name of a manifest's row in, a session that runs its hash-checked file out.

In: ``MANIFEST.toml`` and the files that :func:`idverify.models.pull.pull` brought. Out: a :class:`Session`, the one
way to run a network. Nothing is loaded that the manifest does not name, and no file is used whose SHA-256 differs.
Read :mod:`~idverify.models.manifest` first, then ``session`` and ``pull``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from idverify._lazy import lazy_names

if TYPE_CHECKING:
    from idverify.models.manifest import (
        InputContract,
        ModelSpec,
        ModelStatus,
        Source,
        check,
        data_dir,
        load_bytes,
        locate,
        models_dir,
        spec,
        specs,
    )
    from idverify.models.session import Session

__all__ = [
    "InputContract",
    "ModelSpec",
    "ModelStatus",
    "Session",
    "Source",
    "check",
    "data_dir",
    "load_bytes",
    "locate",
    "models_dir",
    "spec",
    "specs",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "InputContract": "manifest",
        "ModelSpec": "manifest",
        "ModelStatus": "manifest",
        "Session": "session",
        "Source": "manifest",
        "check": "manifest",
        "data_dir": "manifest",
        "load_bytes": "manifest",
        "locate": "manifest",
        "models_dir": "manifest",
        "spec": "manifest",
        "specs": "manifest",
    },
)

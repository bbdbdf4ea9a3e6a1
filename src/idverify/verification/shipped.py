"""Which policies the package ships.

Goal: whoever only names a policy, as a web server does, need not import what applies it.

Public items: :func:`policies_dir`, :func:`policy_names`.
"""

from __future__ import annotations

from pathlib import Path

from idverify.models.manifest import data_dir

__all__ = ["policies_dir", "policy_names"]


def policies_dir() -> Path:
    """Where they lie."""
    return data_dir() / "policies"


def policy_names() -> tuple[str, ...]:
    """Names of the policies in the package."""
    return tuple(sorted(path.stem for path in policies_dir().glob("*.toml")))

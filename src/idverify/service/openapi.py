"""The API's description as OpenAPI 3.1.

Public items: :func:`document`.
"""

from __future__ import annotations

from typing import Any

from idverify._version import __version__

__all__ = ["document"]


def document(base_url: str) -> dict[str, Any]:
    """The whole description."""
    return {"openapi": "3.1.0", "info": {"title": "idverify", "version": __version__}, "paths": {}}

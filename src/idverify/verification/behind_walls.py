"""The child process of an isolated verifier: loads the models, closes the walls, answers questions.

Run as ``python -m idverify.verification.behind_walls`` by :mod:`~idverify.verification.isolated`.

Public items: :func:`main`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from idverify import models
from idverify.isolation.process import serve
from idverify.isolation.walls import runtime_paths
from idverify.verification.verifier import Verifier

__all__ = ["main"]


def main() -> None:
    """Answer until the parent is gone."""
    folder = models.models_dir()

    def prepare(settings: Any) -> dict[str, Callable[..., Any]]:
        nonlocal folder
        policy, card, models_dir = settings
        folder = Path(models_dir) if models_dir is not None else folder
        verifier = Verifier(policy=policy, card=card, models_dir=models_dir)
        verifier.load()
        return verifier.questions_of_a_child()

    serve(prepare, lambda: [*runtime_paths(), folder, models.data_dir()])


if __name__ == "__main__":
    main()

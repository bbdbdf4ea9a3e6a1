"""What people write in a case: words of the person, texts of reviewers. Encrypted under the case's own key.

Goal: deleting the key deletes the words, as with recordings.

Public items: :func:`case_key`, :func:`seal`, :func:`unseal`, :func:`forget_texts`.
"""

from __future__ import annotations

from idverify.service.core import Core
from idverify.service.keys import DataKey
from idverify.service.problems import Problem
from idverify.service.tables import Case

__all__ = ["case_key", "forget_texts", "seal", "unseal"]


def case_key(core: Core, case: Case) -> DataKey:
    """The key of what is written in a case; made where there is none yet, hence for a row that is being changed."""
    if case.wrapped_key is None:
        key = DataKey.new()
        case.wrapped_key = core.vault.master.wrap(key, case.id)
        return key
    return core.vault.master.unwrap(case.wrapped_key, case.id)


def seal(core: Core, case: Case, name: str, text: str) -> bytes:
    """Encrypt a text; `name` must be given again to read it."""
    return case_key(core, case).seal(text.encode(), f"{case.id}/{name}")


def unseal(core: Core, case: Case, name: str, sealed: bytes) -> str:
    """Read a text.

    Raises
    ------
    Problem
        ``not_found``: it was deleted.
    EvidenceUnreadableError
    """
    if case.wrapped_key is None:
        raise Problem("not_found", "what was written was deleted")
    return case_key(core, case).open(sealed, f"{case.id}/{name}").decode()


def forget_texts(case: Case) -> None:
    """Delete the key: from the end of the transaction on, nothing that was written can be read by anybody."""
    case.wrapped_key = None

"""The database's history, one step a file; :meth:`idverify.service.database.Database.migrate` applies it."""

from __future__ import annotations

__all__ = ["HEAD"]

#: The newest step.
HEAD = "0006"

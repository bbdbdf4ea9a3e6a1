"""Forms that a page sends, read within bounds and kept in memory: nothing of them touches a disk in the open.

Public items: :class:`Form`, :func:`read_form`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from idverify.service.problems import Problem
from idverify.service.requests import body

__all__ = ["Form", "read_form"]

_MOST_FIELDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Fields and files by name."""

    fields: dict[str, str] = field(repr=False)
    documents: dict[str, list[bytes]] = field(repr=False)

    def text(self, name: str, *, longest: int) -> str:
        """A text; empty where there is none.

        Raises
        ------
        Problem
            ``invalid_request``: it is too long, or no text.
        """
        value = self.fields.get(name, "")
        if len(value) > longest or "\0" in value or _lone(value):
            raise Problem("invalid_request", f"{name} is a text of at most {longest} characters")
        return value

    def files(self, name: str) -> list[bytes]:
        """Files; those that are empty, as where none was chosen, are left out."""
        return [content for content in self.documents.get(name, ()) if content]


async def read_form(request: Request, most_bytes: int, *, files: int = 0) -> Form:
    """Read a form; of a field that comes twice, the last.

    Raises
    ------
    Problem
        ``too_large``, ``invalid_request``.
    """
    content = await body(request, most_bytes)

    async def once() -> Any:
        yield content
        yield b""

    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "multipart/form-data":
            parser = MultiPartParser(request.headers, once(), max_files=files, max_fields=_MOST_FIELDS)
            # What is larger would go through a file that nobody encrypted.
            parser.spool_max_size = most_bytes + 1
            read = await parser.parse()
        elif kind == "application/x-www-form-urlencoded" and content.isascii():
            read = await FormParser(request.headers, once()).parse()
        elif content:
            raise ValueError("no form")
        else:
            read = FormData()
    except (MultiPartException, HTTPException, ClientDisconnect, ValueError, KeyError):
        raise Problem("invalid_request", "the form cannot be read") from None
    if len(read.multi_items()) > _MOST_FIELDS + files:
        raise Problem("invalid_request", "the form cannot be read")
    fields: dict[str, str] = {}
    documents: dict[str, list[bytes]] = {}
    for name, value in read.multi_items():
        if isinstance(value, UploadFile):
            documents.setdefault(name, []).append(await value.read())
            await value.close()
        else:
            fields[name] = value
    return Form(fields=fields, documents=documents)


def _lone(text: str) -> bool:
    """Half a surrogate pair is no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False

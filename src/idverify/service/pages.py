"""The pages that people see, rendered here: templates, words and static files of the ``pages`` folder.

Conventions: no page loads anything from elsewhere, and none holds a script or a style of its own; static files lie
under one digest of the whole folder, so that a browser may keep them for ever.

Public items: :class:`Pages`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from idverify.challenge import LANGUAGES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Pages"]

_FOLDER = Path(__file__).parent / "pages"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}


class Pages:
    """Templates with words in every language."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._folder = folder
        self._environment = Environment(
            loader=FileSystemLoader(folder / "templates"), autoescape=True, undefined=StrictUndefined
        )

    @cached_property
    def static(self) -> dict[str, tuple[bytes, str]]:
        """Path below the static folder -> content and type."""
        root = self._folder / "static"
        files = sorted(path for path in root.rglob("*") if path.is_file() and path.suffix in _TYPES)
        return {
            path.relative_to(root).as_posix(): (path.read_bytes(), f"{_TYPES[path.suffix]}; charset=utf-8")
            for path in files
        }

    @cached_property
    def static_base(self) -> str:
        """Where static files are served: changes whenever one of them does."""
        digest = hashlib.sha256()
        for name, (content, _) in self.static.items():
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return f"/static/{digest.hexdigest()[:16]}"

    @cached_property
    def words(self) -> dict[str, dict[str, Any]]:
        """Language -> its words; English where a file is missing."""
        found = {}
        for language in LANGUAGES:
            path = self._folder / "words" / f"{language}.toml"
            if path.is_file():
                found[language] = tomllib.loads(path.read_text("utf-8"))
        return {language: found.get(language, found.get("en", {})) for language in LANGUAGES}

    def consent_version(self, locale: str) -> str:
        """Names the very words that were agreed to."""
        consent = self.words[locale].get("consent", {})
        canonical = json.dumps(consent, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def render(
        self,
        request: Request,
        name: str,
        context: Mapping[str, Any],
        *,
        locale: str,
        status: int = 200,
        path: str | None = None,
    ) -> Response:
        """One page in one language; `path` is where it is asked for again, if not where it was."""
        words = self.words[locale]
        about = words.get("language", {})
        html = self._environment.get_template(name).render(
            locale=locale,
            dir=about.get("dir", "ltr"),
            words=words,
            languages=[
                {
                    "code": code,
                    "name": self.words[code].get("language", {}).get("name", code),
                    "href": f"{path or request.url.path}?locale={code}",
                }
                for code in LANGUAGES
            ],
            static=self.static_base,
            **context,
        )
        return HTMLResponse(html, status_code=status, headers={"Content-Language": locale})


def locale_of(request: Request, chosen: str | None = None) -> str:
    """The language of a page: as asked for, else as chosen, else as the browser prefers, else English."""
    wanted = [request.query_params.get("locale", ""), chosen or ""]
    wanted += [part.partition(";")[0] for part in request.headers.get("accept-language", "")[:200].split(",")]
    for tag in wanted:
        language = tag.strip().lower().replace("_", "-").partition("-")[0]
        if language in LANGUAGES:
            return language
    return "en"

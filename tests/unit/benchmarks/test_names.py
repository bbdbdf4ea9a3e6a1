"""What stands beside the package and makes its figures and models uses names that the package has.

Nothing of it is run by other tests, for it takes data and hours: without this, a name that is gone is only noticed when
a figure is to be measured again.
"""

from __future__ import annotations

import ast
import importlib
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = [path for folder in ("benchmarks", "models", "samples", "docs") for path in (ROOT / folder).rglob("*.py")]


def _found(home: types.ModuleType, name: str) -> object:
    """An attribute that is loaded when it is asked for, or a module within."""
    return getattr(home, name) if hasattr(home, name) else importlib.import_module(f"{home.__name__}.{name}")


def lacking(tree: ast.AST) -> list[str]:
    """Names of the package that a script uses and the package has not."""
    modules: dict[str, types.ModuleType] = {}
    lacks: list[str] = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "idverify"):
            continue
        home = importlib.import_module(node.module or "")
        for alias in node.names:
            try:
                found = _found(home, alias.name)
            except ModuleNotFoundError:
                lacks.append(f"line {node.lineno}: {node.module}.{alias.name}")
                continue
            if isinstance(found, types.ModuleType):
                modules[alias.asname or alias.name] = found
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            home = modules.get(node.value.id)
            if home is not None and not hasattr(home, node.attr):
                lacks.append(f"line {node.lineno}: {home.__name__}.{node.attr}")
    return lacks


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_script_uses_names_that_are_there(script: Path) -> None:
    try:
        assert lacking(ast.parse(script.read_text("utf-8"))) == []
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("idverify"):
            raise
        pytest.skip(f"{error.name} is not installed")


def test_a_name_that_is_gone_is_noticed() -> None:
    script = "from idverify.pad import stillness\nfrom idverify.reasons import Gone, Reason\nstillness.gone(Reason)"
    assert lacking(ast.parse(script)) == ["line 2: idverify.reasons.Gone", "line 3: idverify.pad.stillness.gone"]

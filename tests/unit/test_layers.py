"""The house keeps its order: imports point upstream only, and the two witnesses do not know each other."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest

import idverify

SOURCE = Path(idverify.__file__).parent
# Wing -> the wings that it may import, as in the picture of the house: from the end of the walk to its start. What is
# allowed is not inherited: each row is complete. `EVERYWHERE` may be imported by all and imports none of the others.
EVERYWHERE = {"errors", "reasons", "text", "metrics", "_lazy", "_version"}
WINGS = {
    "__main__": {"cli"},
    "cli": {"service", "report", "evaluation", "protocols", "simulation", "verification", "challenge", "pad",
            "comparison", "faces", "media", "models", "isolation"},
    "service": {"__init__", "isolation", "report", "verification", "challenge", "pad", "media", "models"},
    "evaluation": {"report", "protocols", "simulation", "verification", "comparison", "media", "models", "isolation"},
    "report": {"verification", "challenge", "pad", "comparison", "faces", "media", "models"},
    "simulation": {"faces", "media", "models"},
    "protocols": set(),
    "__init__": {"api", "verification", "media"},
    "api": {"verification"},
    "verification": {"isolation", "challenge", "pad", "comparison", "faces", "media", "models"},
    "challenge": {"pad", "faces", "media", "models"},
    "pad": {"faces", "media", "models"},
    "comparison": {"faces", "media", "models"},
    "faces": {"media", "models"},
    "media": {"models"},
    "models": {"conversion"},
    "conversion": set(),
    "isolation": set(),
    **{own: {"errors", "reasons", "text", "metrics", "_version"} & (EVERYWHERE - {own}) for own in sorted(EVERYWHERE)},
}  # fmt: skip


@lru_cache(maxsize=512)
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def files() -> dict[str, Path]:
    """Dotted name -> file, for every module of the package."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if parts[0] != "_data":
            found[".".join(part for part in parts if part != "__init__") or "__init__"] = path
    return found


def wing_of(module: str) -> str:
    return module.partition(".")[0]


@lru_cache(maxsize=1)
def graph() -> dict[str, set[str]]:
    """Module -> modules of the package that it names in an import, at any depth of its code.

    A package's own ``__init__`` names what lies below it and loads it on first use, so it stands for its wing and not
    for an edge of a circle.
    """
    known = files()
    edges: dict[str, set[str]] = {name: set() for name in known}
    for name, path in known.items():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "idverify":
                assert node.level == 0, f"{name}: a relative import hides the order"
                base = (node.module or "").removeprefix("idverify").lstrip(".")
                for alias in node.names:
                    inner = f"{base}.{alias.name}".lstrip(".")
                    edges[name].add(inner if inner in known else base or "__init__")
            elif isinstance(node, ast.Import):
                edges[name] |= {
                    a.name.removeprefix("idverify.") for a in node.names if a.name.startswith("idverify.")
                }
    return edges


def wings() -> dict[str, set[str]]:
    """Wing -> wings that its files import."""
    found: dict[str, set[str]] = {}
    for name, targets in graph().items():
        found.setdefault(wing_of(name), set()).update({wing_of(to) for to in targets} - {wing_of(name)})
    return found


def reached_from(wing: str) -> set[str]:
    seen: set[str] = set()
    todo = [wing]
    while todo:
        new = wings().get(todo.pop(), set()) - seen
        seen |= new
        todo += new
    return seen


def test_every_module_has_its_wing():
    assert set(wings()) == set(WINGS), "name new wings in the table, and forget those that are gone"


@pytest.mark.parametrize("wing", [wing for wing in WINGS if (SOURCE / wing / "__init__.py").is_file()])
def test_a_wing_says_what_comes_in_what_goes_out_and_where_to_begin(wing):
    said = ast.get_docstring(tree_of(SOURCE / wing / "__init__.py")) or ""
    assert "\nIn: " in said
    assert " Out: " in said
    assert "Read " in said
    assert len(said.splitlines()) <= 8
    for module in re.findall(r"`~idverify\.(\w+\.\w+)`", said):
        assert module in files() or module.startswith("errors.")


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_imports_only_what_its_row_allows(wing):
    assert wings().get(wing, set()) - EVERYWHERE <= WINGS[wing] - EVERYWHERE


def test_the_table_has_no_circle():
    ordered: list[str] = []
    left = {wing: allowed - EVERYWHERE for wing, allowed in WINGS.items() if wing not in EVERYWHERE}
    while left:
        free = [wing for wing, allowed in left.items() if allowed <= set(ordered)]
        assert free, f"a circle among {sorted(left)}"
        ordered += free
        for wing in free:
            del left[wing]


def test_no_circle_between_files():
    packages = {name for name, path in files().items() if path.name == "__init__.py"}
    edges = {name: targets - packages for name, targets in graph().items() if name not in packages}
    while edges:
        free = [name for name, targets in edges.items() if not targets & (set(edges) - {name})]
        assert free, f"a circle among {sorted(edges)}"
        for name in free:
            del edges[name]


def test_the_witnesses_do_not_know_each_other():
    """Not by any detour either."""
    assert "pad" not in reached_from("comparison")
    assert "comparison" not in reached_from("pad")


def test_nothing_below_the_verification_knows_what_is_made_of_it():
    above = {"cli", "report", "evaluation", "simulation", "protocols", "service"}
    for wing in ("verification", "challenge", "pad", "comparison", "faces", "media", "models", "conversion"):
        assert not above & reached_from(wing)


@lru_cache(maxsize=512)
def outside(path: Path) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return frozenset(names)


# Library -> the only files that may import it.
USERS = {
    "onnxruntime": {"models/engine.py", "models/session.py"},
    "dlib": {"comparison/dlib_adapter.py"},
    "face_recognition": {"comparison/dlib_adapter.py"},
    "tensorflow": set(),
    "torch": set(),
    # Looks up where a webhook goes; nothing that judges a recording has it.
    "socket": {"service/webhooks.py"},
    "requests": set(),
}


@pytest.mark.parametrize("library", USERS)
def test_each_heavy_library_has_one_user(library):
    users = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if library in outside(path)}
    assert users <= USERS[library]


def test_only_the_pull_of_models_reaches_out():
    users = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if {"urllib", "http"} & outside(path)}
    assert users <= {"models/pull.py"}

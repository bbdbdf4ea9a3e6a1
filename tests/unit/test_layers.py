"""The house keeps its order: imports point upstream only, and the two witnesses do not know each other."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

import pytest

import idverify

SOURCE = Path(idverify.__file__).parent
# From the spring to the mouth: a module may import those before it. A package is one place in the order.
ORDER = (
    "_version",
    "_cores",
    "errors",
    "reasons",
    # the recording and the photo
    "_colour",
    "frame",
    "_source",
    "_containers",
    "_decoding",
    "photo",
    "media",
    # the models
    "models",
    "conversion",
    "runtime",
    # faces
    "detection",
    "landmarks",
    "tracking",
    "alignment",
    "quality",
    # first witness: who
    "features",
    "dlib_adapter",
    "comparison",
    "metrics",
    "calibration",
    # second witness: live
    "pad",
    # the judgement
    "fusion",
    "policy",
    "challenge",
    "decision",
    # the walk
    "acquisition",
    "enrolment",
    "subject",
    "look",
    "chain",
    "assembly",
    "inspection",
    "verifier",
    "doors",
    "__init__",
    # what is made of it
    "report",
    "protocols",
    "simulation",
    "evaluation",
    "cli",
)
# Against the stream, inside a function and for one purpose only.
EXCEPTIONS = {("models", "conversion")}  # `models.pull` makes the files that it brings

WHO = {"features", "comparison", "dlib_adapter"}


@lru_cache(maxsize=512)
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place_of(dotted: str) -> str:
    """``idverify.pad.motion`` -> ``pad``."""
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imported(path: Path) -> set[tuple[str, bool]]:
    """Places that a file imports, each with whether it does so at the top level of the module."""
    tree = tree_of(path)
    top = {id(node) for node in tree.body}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: a relative import hides the order"
            if node.module == "idverify":
                names = [alias.name for alias in node.names]
                places = [name if name in ORDER else "__init__" for name in names]
            elif (node.module or "").startswith("idverify."):
                places = [place_of(node.module or "")]
            else:
                places = []
        elif isinstance(node, ast.Import):
            places = [place_of(alias.name) for alias in node.names if alias.name.split(".")[0] == "idverify"]
        else:
            continue
        found |= {(place, id(node) in top) for place in places}
    return found


@lru_cache(maxsize=1)
def graph() -> dict[str, set[tuple[str, bool]]]:
    edges: dict[str, set[tuple[str, bool]]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        relative = path.relative_to(SOURCE)
        if relative.parts[0] != "_data":
            place = relative.parts[0].removesuffix(".py")
            edges.setdefault(place, set()).update((to, top) for to, top in imported(path) if to != place)
    return edges


def test_every_module_has_its_place():
    assert set(graph()) == set(ORDER), "name new modules in the order, and forget those that are gone"


@pytest.mark.parametrize("place", ORDER)
def test_imports_point_upstream(place):
    for to, top in graph().get(place, ()):
        if (place, to) in EXCEPTIONS and not top:
            continue
        # The package's own door opens on first use only: it may name what lies behind it.
        assert ORDER.index(to) < ORDER.index(place), f"{place} imports {to}, which lies downstream"


def reached_from(place: str) -> set[str]:
    seen, todo = set(), [place]
    while todo:
        for to, _ in graph().get(todo.pop(), ()):
            if to not in seen:
                seen.add(to)
                todo.append(to)
    return seen


@pytest.mark.parametrize("place", sorted(WHO))
def test_the_comparison_never_sees_the_liveness(place):
    """Not by any detour either."""
    assert "pad" not in reached_from(place)


def test_the_liveness_never_sees_the_comparison():
    assert not (WHO | {"calibration", "subject", "enrolment"}) & reached_from("pad")


def test_nothing_of_the_walk_knows_the_command_line_or_the_reports():
    for place in ORDER[: ORDER.index("report")]:
        assert not {"cli", "report", "evaluation", "simulation"} & reached_from(place)


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
DOORS = {
    "onnxruntime": {"runtime.py", "cli/doctor.py"},
    "dlib": {"dlib_adapter.py"},
    "face_recognition": {"dlib_adapter.py"},
    "tensorflow": set(),
    "torch": set(),
    "socket": set(),
    "requests": set(),
}


@pytest.mark.parametrize("library", DOORS)
def test_each_heavy_library_has_one_door(library):
    users = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if library in outside(path)}
    assert users <= DOORS[library]


def test_only_the_pull_of_models_reaches_out():
    users = {path.relative_to(SOURCE).parts[0] for path in SOURCE.rglob("*.py") if {"urllib", "http"} & outside(path)}
    assert users <= {"conversion"}

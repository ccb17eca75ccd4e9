"""Imports point up, heavy packages are imported where they are used, and files stay short."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import lamina

ROOT = Path(lamina.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# A file may import from its own row or from rows above it. The same list is in
# docs/architecture.md; an entry is a file, or a folder with all that is in it.
ROWS = (
    ("typing", "config", "seeds", "arguments", "warning"),
    ("ops",),
    ("registry", "initializers", "regularizers", "constraints"),
    ("core",),
    (
        "backend",
        "activations",
        "losses",
        "metrics",
        "optimizers",
        "schedules",
        "random",
        "mixed_precision",
    ),
    ("layers",),
    ("training", "distribution", "saving"),
    ("models",),
    ("datasets", "preprocessing", "applications", "utils", "wrappers", "callbacks"),
    ("compat", "", "cli", "demo", "__main__"),
)
PLACE = {entry: place for place, row in enumerate(ROWS, 1) for entry in row}

# Imports within functions that point down, each with its reason. The list may only get shorter.
DOWNWARD = {
    ("models.model", ""): "configs of models name the version of the package",
    ("ops", "backend.keras3"): "for users the package has the functions of keras.ops, too",
}

# Packages that `import lamina` may load; all others are imported where they are used.
LIGHT = {*sys.stdlib_module_names, "jax", "numpy", "lamina"}

# Files of more than 400 lines, each with its reason. The list may only get shorter.
LONG = {
    "activations.py": "one short function each, with its formula and an example",
    "ops/elementwise.py": "one short function each",
    "schedules.py": "one short class each, with its formula and an example",
}


class Import(NamedTuple):
    """One name of an import statement."""

    target: str
    line: int
    at_top: bool


def dotted(path: Path) -> str:
    """Name of a module below lamina: ``core.jit``, or ``core`` for the file of a package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path) for path in FILES}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in {
        name.id for name in ast.walk(node.test) if isinstance(name, ast.Name)
    }


def statements(node: ast.AST, at_top: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    """All nodes that run, and whether they do so when the file is imported."""
    for child in ast.iter_child_nodes(node):
        if is_for_types(child):
            assert isinstance(child, ast.If)
            for other in child.orelse:
                yield other, at_top
                yield from statements(other, at_top)
            continue
        yield child, at_top
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from statements(child, at_top and not inside)


def imports(path: Path) -> Iterator[Import]:
    """What a file imports when it runs, not what only a type checker reads."""
    for node, at_top in statements(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, at_top)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield Import(f"{node.module}.{alias.name}", node.lineno, at_top)


def own_module(target: str) -> str | None:
    """The module of lamina that an import means, or ``None`` for other packages."""
    if target.split(".", maxsplit=1)[0] != "lamina":
        return None
    name = target.removeprefix("lamina").lstrip(".")
    return name if name in MODULES else name.rpartition(".")[0]


def row(module: str) -> int:
    return PLACE[module.split(".", maxsplit=1)[0]]


def wrong_imports(path: Path) -> list[str]:
    """The imports of a file that point down."""
    module = dotted(path)
    found = []
    for entry in imports(path):
        target = own_module(entry.target)
        if target is None or row(target) <= row(module):
            continue
        if entry.at_top or (module, target) not in DOWNWARD:
            found.append(f"{path.relative_to(ROOT)}:{entry.line}: {entry.target}")
    return found


by_file = pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(ROOT)) for p in FILES])


@by_file
def test_every_file_has_a_row(path: Path) -> None:
    assert dotted(path).split(".")[0] in PLACE


@by_file
def test_imports_point_up(path: Path) -> None:
    assert wrong_imports(path) == []


@by_file
def test_imports_are_absolute(path: Path) -> None:
    nodes = ast.walk(tree(path))
    assert [n.lineno for n in nodes if isinstance(n, ast.ImportFrom) and n.level] == []


def test_exceptions_are_needed() -> None:
    used = {
        (dotted(path), own_module(entry.target))
        for path in FILES
        for entry in imports(path)
        if not entry.at_top
    }
    assert set(DOWNWARD) <= used
    assert all(row(target) > row(module) for module, target in DOWNWARD)


@by_file
def test_heavy_packages_are_imported_where_they_are_used(path: Path) -> None:
    top = [entry.target for entry in imports(path) if entry.at_top]
    assert [target for target in top if target.split(".")[0] not in LIGHT] == []


def calls_of(path: Path, owner: str, attribute: str) -> list[int]:
    """Lines where ``owner.attribute`` is mentioned."""
    return [
        node.lineno
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and node.attr == attribute
        and isinstance(node.value, ast.Name)
        and node.value.id == owner
    ]


@by_file
def test_one_file_compiles(path: Path) -> None:
    if dotted(path) != "core.jit":
        assert calls_of(path, "jax", "jit") + calls_of(path, "jax", "pmap") == []
        assert not {"jax.jit", "jax.pmap"} & {entry.target for entry in imports(path)}


@by_file
def test_one_file_warns(path: Path) -> None:
    if dotted(path) != "warning":
        calls = calls_of(path, "warnings", "warn") + calls_of(path, "warnings", "warn_explicit")
        assert calls == []
        assert "warnings.warn" not in {entry.target for entry in imports(path)}


@by_file
def test_one_file_enters_a_call(path: Path) -> None:
    nodes = ast.walk(tree(path))
    entered = [
        expression
        for node in nodes
        if isinstance(node, ast.With)
        for item in node.items
        for expression in ast.walk(item.context_expr)
        if isinstance(expression, ast.Call)
        and isinstance(expression.func, ast.Name | ast.Attribute)
        and getattr(expression.func, "id", getattr(expression.func, "attr", None)) == "Call"
    ]
    assert entered == [] or dotted(path) == "core.pure"


@by_file
def test_one_file_knows_the_context_variables(path: Path) -> None:
    targets = {entry.target for entry in imports(path)}
    assert not {"contextvars.ContextVar", "threading.local"} & targets or dotted(path) in {
        "core.context",
        "registry",
    }
    assert calls_of(path, "threading", "local") == []


@by_file
def test_files_are_short(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    name = str(path.relative_to(ROOT))
    assert (lines > 400) == (name in LONG), f"{name} has {lines} lines"

"""What the compiler of the request path does not check, or does otherwise than the interpreter (docs/decisions/0009)."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tools.compiled import modules

ROOT = Path(__file__).parents[2]
MODULES = modules()


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"))


def classes(module: str) -> list[ast.ClassDef]:
    return [node for node in ast.walk(tree_of(module)) if isinstance(node, ast.ClassDef)]


def base_names(node: ast.ClassDef) -> list[str]:
    return [ast.unparse(base).partition("[")[0] for base in node.bases]


COMPILED_CLASSES = {node.name for module in MODULES for node in classes(module)}
WITHOUT_EFFECT = {"len", "int", "index", "find", "rfind", "start", "end"}
PLAIN_BASES = {"Protocol", "NamedTuple", "Generic", "Enum", "IntFlag", "Exception", "asyncio.Protocol", "Dialled"}


@pytest.mark.parametrize("module", MODULES)
def test_a_compiled_class_has_compiled_bases(module: str) -> None:
    bases = {name for node in classes(module) for name in base_names(node)}
    assert bases <= COMPILED_CLASSES | PLAIN_BASES


@pytest.mark.parametrize("module", MODULES)
def test_frozen_values_stand_elsewhere(module: str) -> None:
    """A dataclass names its types at run time, and those imported for type checking alone are not there."""
    decorators = [ast.unparse(each) for node in classes(module) for each in node.decorator_list]
    assert [each for each in decorators if each.startswith("dataclass")] == []


@pytest.mark.parametrize("module", MODULES)
def test_none_is_no_default_of_a_class(module: str) -> None:
    """The compiler leaves such an attribute without any value; a constructor sets it."""
    found = [
        f"{node.name}.{ast.unparse(each.target)}"
        for node in classes(module)
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.value, ast.Constant) and each.value.value is None
    ]
    assert found == []


@pytest.mark.parametrize("module", MODULES)
def test_no_slice_asks_a_question(module: str) -> None:
    """The bounds of a slice are worked out twice where the sliced type is not known: `view[os.write(fd, view) :]` writes twice."""
    slices = [
        node.slice for node in ast.walk(tree_of(module)) if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice)
    ]
    calls = [call for each in slices for call in ast.walk(each) if isinstance(call, ast.Call)]
    assert [ast.unparse(call) for call in calls if ast.unparse(call.func).rpartition(".")[2] not in WITHOUT_EFFECT] == []


def test_interpreted_classes_have_no_compiled_bases() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in (ROOT / "dataplane").rglob("*.py")
        if str(path.relative_to(ROOT)) not in MODULES
        for node in classes(str(path.relative_to(ROOT)))
        if COMPILED_CLASSES.intersection(base_names(node))
    ]
    assert found == []

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


def is_dataclass(node: ast.ClassDef) -> bool:
    return any(ast.unparse(each).startswith("dataclass") for each in node.decorator_list)


COMPILED_CLASSES = {node.name for module in MODULES for node in classes(module)}
WITHOUT_EFFECT = {"len", "int", "index", "find", "rfind", "start", "end"}
PLAIN_BASES = {"Protocol", "NamedTuple", "Generic", "Enum", "IntFlag", "Exception", "asyncio.Protocol", "Dialled"}


@pytest.mark.parametrize("module", MODULES)
def test_a_compiled_class_has_compiled_bases(module: str) -> None:
    bases = {name for node in classes(module) for name in base_names(node)}
    assert bases <= COMPILED_CLASSES | PLAIN_BASES


@pytest.mark.parametrize("module", MODULES)
def test_fields_of_dataclasses_name_types_that_are_there(module: str) -> None:
    """The compiler looks up a field's type where that is a plain class: before the class that has the field, and at run time."""
    there = {"bool", "bytes", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple"}
    missing = []
    for node in tree_of(module).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            there |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign):
            there |= {ast.unparse(target) for target in node.targets}
        elif isinstance(node, ast.ClassDef):
            if is_dataclass(node):
                missing += [f"{node.name}: {name}" for name in plain_types(node) if name not in there]
            there.add(node.name)
    assert missing == []


def plain_types(node: ast.ClassDef) -> list[str]:
    annotations = [each.annotation for each in node.body if isinstance(each, ast.AnnAssign)]
    plain = [each.value if isinstance(each, ast.Subscript) else each for each in annotations]
    return [ast.unparse(each) for each in plain if isinstance(each, ast.Name)]


@pytest.mark.parametrize("module", MODULES)
def test_none_is_no_default_of_a_class(module: str) -> None:
    """The compiler leaves such an attribute without any value; a constructor sets it, a dataclass's own too."""
    found = [
        f"{node.name}.{ast.unparse(each.target)}"
        for node in classes(module)
        if not is_dataclass(node)
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.value, ast.Constant) and each.value.value is None
    ]
    assert found == []


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_unpacked_into_a_call_by_super(module: str) -> None:
    """The compiler gives every keyword the whole mapping."""
    found = [
        ast.unparse(node)
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("super().")
        if any(keyword.arg is None for keyword in node.keywords) or any(isinstance(each, ast.Starred) for each in node.args)
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

"""What CONTRIBUTING.md says of every file and no linter can check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
TREES = ("dataplane", "controlplane", "tests", "bench", "tools")
LONGEST = 450
GENERATED = ("_pb2.py", "_pb2_grpc.py")


def written_files() -> Iterator[Path]:
    for tree in TREES:
        yield from (path for path in (ROOT / tree).rglob("*.py") if not path.name.endswith(GENERATED))


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_every_tree_is_looked_at() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in written_files()} == set(TREES)


def test_no_file_is_longer_than_a_reader_holds_in_mind() -> None:
    found = {str(path.relative_to(ROOT)): lines(path) for path in written_files()}
    assert {name: length for name, length in found.items() if length > LONGEST} == {}

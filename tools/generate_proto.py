"""Makes the Python of our own .proto files; with --check, says whether what is committed is what would be made.

python -m tools.generate_proto [--check]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).parents[1]
PROTO = ROOT / "proto"


def generate(output: Path) -> None:
    """Write the modules below *output*; a source's folders are its import path."""
    well_known = resources.files("grpc_tools") / "_proto"
    sources = [str(path.relative_to(PROTO)) for path in sorted(PROTO.rglob("*.proto"))]
    outputs = [f"--{kind}_out={output}" for kind in ("python", "pyi", "grpc_python")]
    if protoc.main(["protoc", f"-I{PROTO}", f"-I{well_known}", *outputs, *sources]) != 0:
        raise SystemExit("protoc failed")


def drift() -> list[str]:
    """The generated files that differ from what is committed."""
    with tempfile.TemporaryDirectory() as directory:
        generate(Path(directory))
        made = {path.relative_to(directory): path.read_bytes() for path in Path(directory).rglob("*.py*")}
    return sorted(
        str(path) for path, content in made.items() if not (ROOT / path).exists() or (ROOT / path).read_bytes() != content
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something would change")
    if not parser.parse_args().check:
        generate(ROOT)
        return 0
    differing = drift()
    if differing:
        print("not what proto/ says, run `make proto`:", *differing, sep="\n  ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())

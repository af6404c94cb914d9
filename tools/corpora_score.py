"""How often our verdict on a configuration is Envoy's: `python -m tools.corpora_score [--raise]`.

The corpora (bootstraps with the verdict of Envoy 1.40, one index.json per group) are not part of this repository: POINTSMAN_CORPORA says
where they are, `../shared/corpora` otherwise.  The targets in tests/corpora/target.json may only rise; `--raise` lifts them to what is reached.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataplane.bootstrap.load import BootstrapError, load
from dataplane.compile.support_walk import is_supported
from dataplane.validation import Problem, check_bootstrap, load_problems

_ROOT = Path(__file__).parent.parent
TARGETS = _ROOT / "tests" / "corpora" / "target.json"
_TYPE = re.compile(r"type\.googleapis\.com/([\w.]+)")
_TYPED_STRUCTS = {"udpa.type.v1.TypedStruct", "xds.type.v3.TypedStruct"}
GROUPS = ("bootstrap", "invalid", "istio-bootstrap", "istio-configdump", "istio-authz", "kuma-golden")


@dataclass(frozen=True, slots=True)
class Case:
    """One configuration.  accepted: Envoy's verdict.  extensions: full names of the messages in its Anys."""

    group: str
    path: Path
    accepted: bool
    extensions: frozenset[str]
    replace: tuple[tuple[str, str], ...] = ()
    arguments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.group}/{self.path.name}"


@dataclass(slots=True)
class Score:
    """Cases counted over all, and over those that use supported extensions alone."""

    agreed: dict[str, int] = field(default_factory=lambda: {"all": 0, "supported": 0})
    counted: dict[str, int] = field(default_factory=lambda: {"all": 0, "supported": 0})

    def add(self, agrees: bool, supported: bool) -> None:
        for kind in ("all", "supported") if supported else ("all",):
            self.counted[kind] += 1
            self.agreed[kind] += agrees

    def fraction(self, kind: str) -> float:
        return self.agreed[kind] / self.counted[kind] if self.counted[kind] else 1.0


def corpora() -> Path | None:
    """The directory of the corpora, None where there is none."""
    path = Path(os.environ.get("POINTSMAN_CORPORA", _ROOT.parent / "shared" / "corpora"))
    return path if (path / "invalid" / "index.json").exists() else None


def cases(root: Path) -> Iterator[Case]:
    """All cases that a build without contrib extensions can be compared on."""
    for group in GROUPS:
        for entry in json.loads((root / group / "index.json").read_text()):
            verdict = entry.get("wrapped_valid", entry.get("envoy_valid"))
            name = entry.get("wrapped") or entry["file"]
            if verdict is not None and name and not entry.get("missing_type"):
                yield _case(group, root / group / name, verdict, entry)


def _case(group: str, path: Path, accepted: bool, entry: dict[str, Any]) -> Case:
    extensions = frozenset(_TYPE.findall(path.read_text(encoding="utf-8"))) - _TYPED_STRUCTS
    replace = sorted(entry.get("replace", {}).items(), key=lambda pair: -len(pair[0]))
    return Case(group, path, accepted, extensions, tuple(replace), tuple(entry.get("needs_args", ())))


def problems_of(case: Case) -> list[Problem]:
    """What we have against *case*.  The working directory must be that of `fixtures`."""
    text = case.path.read_text(encoding="utf-8")
    for old, new in case.replace:
        text = re.sub(rf"(?<![\w./-]){re.escape(old)}(?![\w./-])", lambda _, new=new: new, text)  # type: ignore[misc]  # bound early
    options = dict(zip(case.arguments[::2], case.arguments[1::2], strict=True))
    with tempfile.NamedTemporaryFile("w", suffix=case.path.suffix, encoding="utf-8") as file:
        file.write(text)
        file.flush()
        try:
            loaded = load(file.name)
        except BootstrapError as error:
            return load_problems(error)
        return check_bootstrap(loaded, options.get("--service-node", ""), options.get("--service-cluster", ""))


def prepare_fixtures(root: Path, directory: Path) -> None:
    """The files that some cases name, in the working directory that they expect."""
    shutil.copytree(root / "bootstrap" / "fixtures", directory, dirs_exist_ok=True)
    subprocess.run([root / "tools" / "make_certs.sh", directory / "certs"], check=True, capture_output=True)


def measure(root: Path) -> tuple[Score, list[tuple[Case, list[Problem]]]]:
    """The score, and the cases on which the verdicts differ."""
    score, differing = Score(), []
    with tempfile.TemporaryDirectory() as directory:
        prepare_fixtures(root, Path(directory))
        with chdir(directory):
            for case in cases(root):
                problems = problems_of(case)
                agrees = case.accepted is not bool(problems)
                score.add(agrees, all(is_supported(name) for name in case.extensions))
                if not agrees:
                    differing.append((case, problems))
    return score, differing


def targets() -> dict[str, float]:
    """What must be reached: fractions."""
    found: dict[str, float] = json.loads(TARGETS.read_text())
    return found


def main(arguments: Sequence[str]) -> int:
    root = corpora()
    if root is None:
        print("no corpora: set POINTSMAN_CORPORA", file=sys.stderr)
        return 1
    score, differing = measure(root)
    for case, problems in differing:
        print(
            f"{case.name}: Envoy {'accepts' if case.accepted else 'refuses'}; {problems[0] if problems else 'no problem found'}"
        )
    for kind in ("supported", "all"):
        print(f"{kind}: {score.agreed[kind]} of {score.counted[kind]} agree")
    if "--raise" in arguments:
        reached = {kind: int(score.fraction(kind) * 1000) / 1000 for kind in ("all", "supported")}
        TARGETS.write_text(json.dumps({kind: max(reached[kind], target) for kind, target in targets().items()}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

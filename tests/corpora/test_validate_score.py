"""Our verdicts against Envoy's over the corpora: the score may only rise, and validating stays fast."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tools.corpora_score import Case, cases, corpora, measure, prepare_fixtures, problems_of, targets

ROOT = corpora()

pytestmark = [
    pytest.mark.corpora,
    pytest.mark.skipif(ROOT is None, reason="no corpora: set POINTSMAN_CORPORA to where they are"),
]


def test_the_score_reaches_its_targets() -> None:
    assert ROOT is not None
    score, differing = measure(ROOT)
    reached = {kind: score.fraction(kind) for kind in targets()}
    assert all(reached[kind] >= target for kind, target in targets().items()), (reached, [case.name for case, _ in differing])


def test_what_envoy_accepts_and_we_refuse_is_refused_for_a_part_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ROOT is not None
    prepare_fixtures(ROOT, tmp_path)
    monkeypatch.chdir(tmp_path)
    for case in cases(ROOT):
        for problem in problems_of(case) if case.accepted else ():
            assert problem.reason, case.name
            assert problem.path or problem.resource or "unknown type" in problem.reason, (case.name, problem)


def largest() -> Case:
    assert ROOT is not None
    return max(cases(ROOT), key=lambda case: case.path.stat().st_size)


def test_the_largest_file_takes_less_than_half_a_second() -> None:
    case = largest()
    problems_of(case)  # imports what it needs
    start = time.process_time()
    problems_of(case)
    assert time.process_time() - start < 0.5, case.name

"""Our verdicts against Envoy's over the corpora: the score may only rise, and validating stays fast."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dataplane.compile.support_walk import is_supported
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


def test_a_refusal_names_the_extension_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ROOT is not None
    prepare_fixtures(ROOT, tmp_path)
    monkeypatch.chdir(tmp_path)
    for case in cases(ROOT):
        missing = [name for name in case.extensions if not is_supported(name)]
        if case.accepted and missing:
            told = " ".join(str(problem) for problem in problems_of(case))
            # Accepted like Envoy does: the extension stands in a field that nothing here reads, such as rate_limits.
            # A field that is newer than our descriptors stops the conversion, before anything is asked about support.
            assert not told or any(name in told for name in missing) or "no such field" in told, (case.name, told)


def largest() -> Case:
    assert ROOT is not None
    return max(cases(ROOT), key=lambda case: case.path.stat().st_size)


def test_the_largest_file_takes_less_than_half_a_second() -> None:
    case = largest()
    problems_of(case)  # imports what it needs
    start = time.process_time()
    problems_of(case)
    assert time.process_time() - start < 0.5, case.name

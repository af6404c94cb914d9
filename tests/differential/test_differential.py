"""Every case file: ours and Envoy must show the same bytes, log lines and statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.differential.case import Case, load_cases
from tests.differential.compare import differences
from tests.support.envoy_process import ROOT
from tests.support.proxy_process import ProxyRefusedError

if TYPE_CHECKING:
    from tests.differential.conftest import Runs

CASES = load_cases()


def judge(case: Case, runs: Runs) -> None:
    envoy, ours = runs.both(case)
    if case.refused_here:
        assert isinstance(ours, ProxyRefusedError), f"no longer refused, take off the mark: {case.refused_here}"
        assert case.refused_here in str(ours)
        return
    assert not isinstance(envoy, ProxyRefusedError), f"Envoy refuses the case's configuration: {envoy}"
    assert not isinstance(ours, ProxyRefusedError), f"ours refuses what Envoy accepts: {ours}"
    found = differences(envoy, ours, case.normalise)
    if case.listed_difference:
        assert found, f"the listed difference is gone, take it off the list: {case.listed_difference}"
    else:
        assert not found, f"{case.id}: {case.about}\n{found}"


@pytest.mark.differential
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_same_as_envoy(case: Case, runs: Runs) -> None:
    judge(case, runs)


@pytest.mark.differential
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_same_as_envoy_over_ads(case: Case, ads_runs: Runs) -> None:
    judge(case, ads_runs)


def test_listed_differences_are_documented() -> None:
    text = (ROOT / "docs" / "differences.md").read_text()
    assert [case.id for case in CASES if case.listed_difference and case.id not in text] == []

"""Runs cases group by group, on Envoy and on the subject at the same time, once per session and way of delivery."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.differential.case import Case
from tests.differential.delivery import Deliver, OverAds, in_bootstrap
from tests.differential.group import Result, run_or_refuse
from tests.support.control_plane_process import ControlPlaneProcess
from tests.support.envoy_process import envoy_process, require_envoy
from tests.support.our_process import require_dataplane
from tests.support.subject import IS_ENVOY, subject_process


@dataclass
class Runs:
    """Lazily run groups of cases: the first test of a group pays for all of it."""

    directory: Path
    cases: list[Case]
    deliver: Deliver = in_bootstrap
    _done: dict[str, tuple[Result, Result]] = field(default_factory=dict)

    def both(self, case: Case) -> tuple[Result, Result]:
        """What Envoy and the subject made of *case*."""
        if case.id not in self._done:
            asyncio.run(self._run(case.group))
        return self._done[case.id]

    async def _run(self, group: str) -> None:
        members = [case for case in self.cases if case.group == group]
        directory = self.directory / str(len(self._done))
        ours = run_or_refuse(members, subject_process, directory / "subject", self.deliver)
        if members[0].refused_here:
            results = await ours
            self._done |= {case_id: (result, result) for case_id, result in results.items()}
            return
        envoy = run_or_refuse(members, envoy_process, directory / "envoy", self.deliver)
        results, oracle = await asyncio.gather(ours, envoy)
        for case in members:
            self._done[case.id] = oracle[case.id], results[case.id]


def _selected(request: pytest.FixtureRequest, test: str) -> list[Case]:
    """Cases of the *test* function that this session runs, so that `-k` stays quick."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and item.originalname == test]
    cases = [item.callspec.params["case"] for item in items]
    return [case for case in cases if isinstance(case, Case)]


def _require_both() -> None:
    require_envoy()
    # Envoy compared with itself: whatever differs then is the harness's fault or chance.
    if not IS_ENVOY:
        require_dataplane()


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Configuration in the bootstrap."""
    _require_both()
    return Runs(tmp_path_factory.mktemp("static"), _selected(request, "test_same_as_envoy"))


@pytest.fixture(scope="session")
def ads_runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Both proxies as clients of our control plane."""
    _require_both()
    directory = tmp_path_factory.mktemp("ads")
    with ControlPlaneProcess(directory / "control-plane") as control_plane:
        deliver = OverAds(control_plane.url, control_plane.xds_port, "DELTA_GRPC")
        yield Runs(directory, _selected(request, "test_same_as_envoy_over_ads"), deliver)

"""Runs cases group by group, on Envoy and on the subject at the same time, once per session."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.differential.case import Case
from tests.differential.group import Result, run_or_refuse
from tests.support.envoy_process import envoy_process, require_envoy
from tests.support.our_process import require_dataplane
from tests.support.subject import IS_ENVOY, subject_process


@dataclass
class Runs:
    """Lazily run groups of cases: the first test of a group pays for all of it."""

    directory: Path
    cases: list[Case]
    _done: dict[str, tuple[Result, Result]] = field(default_factory=dict)

    def both(self, case: Case) -> tuple[Result, Result]:
        """What Envoy and the subject made of *case*."""
        if case.id not in self._done:
            asyncio.run(self._run(case.group))
        return self._done[case.id]

    async def _run(self, group: str) -> None:
        members = [case for case in self.cases if case.group == group]
        directory = self.directory / str(len(self._done))
        envoy, ours = await asyncio.gather(
            run_or_refuse(members, envoy_process, directory / "envoy"),
            run_or_refuse(members, subject_process, directory / "subject"),
        )
        for case in members:
            self._done[case.id] = envoy[case.id], ours[case.id]


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Only the selected cases are run, so `-k` stays quick."""
    require_envoy()
    # Envoy compared with itself: whatever differs then is the harness's fault or chance.
    if not IS_ENVOY:
        require_dataplane()
    selected = [item.callspec.params["case"] for item in request.session.items if hasattr(item, "callspec")]
    cases = {case.id: case for case in selected if isinstance(case, Case)}
    return Runs(tmp_path_factory.mktemp("differential"), list(cases.values()))

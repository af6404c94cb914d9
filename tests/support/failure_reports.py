"""The report of a failed test ends with what its proxies have said: a run elsewhere leaves nothing else to look at."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.support.proxy_process import known


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        logs = sorted((proxy.name, str(proxy.directory), proxy.log_end()) for proxy in known)
        report.sections += [(f"Log of {name} in {directory}", log) for name, directory, log in logs if log]
    return report

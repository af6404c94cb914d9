"""Our data plane as a child process, with the flags the tests give Envoy too."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.envoy_process import FLUSH_INTERVAL_MS
from tests.support.proxy_process import ProxyProcess


def require_dataplane() -> None:
    """Skip while the checkout has no `python -m dataplane`."""
    if importlib.util.find_spec("dataplane.__main__") is None:
        pytest.skip("no dataplane.__main__ in this checkout")


def our_command(*flags: str, drain_time: int = 1) -> list[str]:
    return [
        sys.executable,
        "-m",
        "dataplane",
        "--concurrency",
        "1",
        "--drain-time-s",
        str(drain_time),
        "--file-flush-interval-msec",
        str(FLUSH_INTERVAL_MS),
        "-l",
        "warning",
        *flags,
    ]


def our_process(
    bootstrap: Mapping[str, Any], directory: Path, *flags: str, name: str = "dataplane", drain_time: int = 1
) -> ProxyProcess:
    """A data plane that is not started yet.  drain_time: in seconds."""
    require_dataplane()
    return ProxyProcess(our_command(*flags, drain_time=drain_time), bootstrap, directory, name)

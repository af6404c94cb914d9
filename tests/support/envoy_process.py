"""Real Envoy as the oracle: where it is, and how it is started.

`make envoy` installs the pinned release below the checkout; POINTSMAN_ENVOY names any other binary.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.proxy_process import ProxyProcess

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ROOT / ".envoy" / "envoy" / "_bin" / "envoy"

# File access logs are flushed this often; Envoy's own default is ten seconds, too long for a test to wait.
FLUSH_INTERVAL_MS = 50


def find_envoy() -> Path | None:
    """The Envoy binary, or None where none is installed."""
    named = os.environ.get("POINTSMAN_ENVOY")
    path = Path(named) if named else INSTALLED
    return path if path.is_file() and os.access(path, os.X_OK) else None


def require_envoy() -> Path:
    """The Envoy binary; skips the test where none is installed."""
    path = find_envoy()
    if path is None:
        pytest.skip("no Envoy: run `make envoy` or set POINTSMAN_ENVOY")
    return path


def envoy_command(envoy: Path, *flags: str, drain_time: int = 1) -> list[str]:
    return [
        str(envoy),
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "--drain-time-s",
        str(drain_time),
        "--file-flush-interval-msec",
        str(FLUSH_INTERVAL_MS),
        "-l",
        "warning",
        *flags,
    ]


def envoy_process(
    bootstrap: Mapping[str, Any], directory: Path, *flags: str, name: str = "envoy", drain_time: int = 1
) -> ProxyProcess:
    """An Envoy that is not started yet; skips where none is installed.  drain_time: in seconds."""
    return ProxyProcess(envoy_command(require_envoy(), *flags, drain_time=drain_time), bootstrap, directory, name)

"""The demo checks itself: with our proxies, and with real Envoys behind the same control plane."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.envoy_process import find_envoy

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]


def demonstrate(directory: Path, proxy: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"TMPDIR": str(directory), "POINTSMAN_PROXY": proxy}
    command = [sys.executable, "-m", "examples.demo.run", "--once"]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=ROOT, env=environment)


@pytest.mark.parametrize("kind", ["ours", "envoy"])
def test_routes_change_under_traffic_and_nothing_is_left_behind(tmp_path: Path, kind: str) -> None:
    envoy = find_envoy()
    if kind == "envoy" and envoy is None:
        pytest.skip("no Envoy: run `make envoy` or set POINTSMAN_ENVOY")
    ended = demonstrate(tmp_path, str(envoy) if kind == "envoy" else "")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "none failed" in ended.stdout
    assert "roll back to revision 1" in ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_proxy_that_does_not_start_fails_the_demo(tmp_path: Path) -> None:
    ended = demonstrate(tmp_path, "false")
    assert ended.returncode == 1
    assert "proxy-1 ended with 1" in ended.stdout
    assert list(tmp_path.iterdir()) == []

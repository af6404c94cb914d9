"""The Python example writes a configuration that the control plane accepts."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from controlplane.client import Client
from tests.support.served_control_plane import served

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]


def test_the_example_applies_its_configuration_and_changes_the_share(tmp_path: Path) -> None:
    async def body() -> None:
        async with served(tmp_path) as serving, Client(f"http://{serving.api}") as client:
            for share in (10, 50):
                command = [sys.executable, "-m", "examples.python.canary", "--server", f"http://{serving.api}", "--no-wait"]
                process = await asyncio.create_subprocess_exec(*command, "--share", str(share), cwd=ROOT)
                assert await asyncio.wait_for(process.wait(), 60) == 0
            _, found = await client.resources()
            assert [each.name for each in found] == ["shop-v1", "shop-v2", "ingress", "shop"]
            difference = await client.diff()
            (change,) = difference.changes
            assert (change.name, difference.to_revision) == ("shop", 2)
            assert change.diff.count("weight: 50") == 2

    asyncio.run(body())

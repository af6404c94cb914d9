"""A whole control plane in the test's own event loop, on kernel-chosen loopback ports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from controlplane.server.assembly import Running, running
from controlplane.server.options import ListenAddress, Options

LOOPBACK = ListenAddress("127.0.0.1", 0)


@asynccontextmanager
async def served(directory: Path, token_file: Path | None = None) -> AsyncIterator[Running]:
    """The store is a file of the directory: entering again continues with it."""
    options = Options(directory / "store.sqlite", LOOPBACK, LOOPBACK, LOOPBACK, token_file, insecure=False)
    async with running(options) as serving:
        yield serving

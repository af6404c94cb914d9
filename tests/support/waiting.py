"""Waiting for a condition instead of sleeping: the only place in the tests that looks at the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

POLL_INTERVAL = 0.02
# Only a failing test waits so long; a busy machine lets a process wait for seconds before it runs at all.
PATIENCE = 60.0

T = TypeVar("T")


class NotInTimeError(AssertionError):
    """The condition did not come true before its deadline."""


def wait_until(probe: Callable[[], T], what: str, timeout: float = PATIENCE) -> T:
    """Call *probe* until it returns something true, and return that.  An OSError from *probe* means "not yet"."""
    deadline = time.monotonic() + timeout
    last = ""
    while time.monotonic() < deadline:
        try:
            found = probe()
        except OSError as error:
            last = f" (last: {error})"
        else:
            if found:
                return found
        time.sleep(POLL_INTERVAL)
    raise NotInTimeError(f"not within {timeout} s: {what}{last}")


async def wait_until_async(probe: Callable[[], T], what: str, timeout: float = PATIENCE) -> T:
    """The same beside a running event loop."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while loop.time() < deadline:
        if found := probe():
            return found
        await asyncio.sleep(POLL_INTERVAL)
    raise NotInTimeError(f"not within {timeout} s: {what}")


async def wait_until_awaited(probe: Callable[[], Awaitable[T]], what: str, timeout: float = PATIENCE) -> T:
    """The same for a *probe* that has to be awaited."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while loop.time() < deadline:
        if found := await probe():
            return found
        await asyncio.sleep(POLL_INTERVAL)
    raise NotInTimeError(f"not within {timeout} s: {what}")

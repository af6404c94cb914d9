"""The worker processes below a data plane that runs several: found in /proc, the way an operator would look for them."""

from __future__ import annotations

from pathlib import Path

from tests.support.proxy_process import ProxyProcess
from tests.support.waiting import wait_until

ARGUMENT = "dataplane.server.workers"


def children(pid: int) -> list[int]:
    """Worker processes of *pid*, oldest first; the one that waits to be needed is among them."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [child for child in map(int, found) if _is_worker(child)]


def wait_workers(proxy: ProxyProcess, count: int) -> list[int]:
    """The worker processes once all of them and the spare one are ready.  The first *count* carry traffic."""

    def ready() -> list[int]:
        found = children(proxy.pid)
        spare = proxy.admin.stats("workers_spare")["pointsman.workers_spare"]
        return found if len(found) == count + 1 and spare else []

    return wait_until(ready, f"{count} workers and a spare")[:count]


def _is_worker(pid: int) -> bool:
    try:
        return ARGUMENT in Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return False

"""Load of plain bytes and WebSocket messages, by a program of our own (raw_peers): no tool of Debian's speaks these."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from bench.cores import pinned
from bench.scenario import LoadResult


@dataclass(frozen=True, slots=True)
class RawLoad:
    """role: one of raw_peers.CLIENTS."""

    role: str
    connections: int = 32

    def run(self, port: int, seconds: float, core: int) -> LoadResult:
        command = [sys.executable, "-m", "bench.raw_peers", self.role, str(port), str(seconds), str(self.connections)]
        done = subprocess.run(command, preexec_fn=pinned(core), capture_output=True, text=True, check=True)
        return LoadResult(**json.loads(done.stdout))

"""Load over HTTP/2 with h2load: a few connections, each with many requests under way."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.cores import pinned
from bench.scenario import LoadResult


@dataclass(frozen=True, slots=True)
class H2load:
    """`h2load -c CONNECTIONS -m STREAMS` on one path.  body: what each request carries; headers: lines.

    http1: over HTTP/1.1 instead.  tls: over TLS.  per_second: so many requests of all connections together, 0 for as many as go.
    """

    path: str
    connections: int = 8
    streams: int = 16
    body: bytes = b""
    headers: tuple[str, ...] = ()
    http1: bool = False
    tls: bool = False
    per_second: float = 0.0

    def run(self, port: int, seconds: float, core: int) -> LoadResult:
        binary = shutil.which("h2load")
        if binary is None:
            raise SystemExit("h2load is not installed")
        with tempfile.TemporaryDirectory(prefix="pointsman-h2load-") as directory:
            times = Path(directory) / "times"
            command = [binary, f"-c{self.connections}", f"-m{self.streams}", f"-D{seconds:.0f}", f"--log-file={times}"]
            if self.http1:
                command.append("--h1")
            if self.per_second:
                command.append(f"--rps={self.per_second / self.connections:.1f}")
            for line in self.headers:
                command += ["-H", line]
            if self.body:
                (Path(directory) / "body").write_bytes(self.body)
                command += ["-d", f"{directory}/body"]
            url = f"{'https' if self.tls else 'http'}://127.0.0.1:{port}{self.path}"
            done = subprocess.run([*command, url], preexec_fn=pinned(core), capture_output=True, text=True, check=True)
            with times.open() as lines:
                return parse(done.stdout, lines)


def parse(text: str, log: Iterable[str]) -> LoadResult:
    """Read h2load's report and its log, a line of (start, status, microseconds) for each request."""
    total = re.search(r"finished in ([\d.]+)(ms|s|m)", text)
    requests = re.search(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded", text)
    assert total is not None, f"not a report of h2load:\n{text}"
    assert requests is not None, f"not a report of h2load:\n{text}"
    seconds = float(total[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0}[total[2]]
    times = sorted(int(line.split("\t")[2]) / 1000 for line in log) or [0.0]
    done, succeeded = int(requests[1]), int(requests[2])
    return LoadResult(done, seconds, times[len(times) // 2], times[int(len(times) * 0.99)], done - succeeded)

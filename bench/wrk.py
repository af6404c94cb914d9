"""Load over HTTP/1.1 with wrk: keep-alive connections, each with one request under way."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

from bench.cores import pinned
from bench.scenario import LoadResult

_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True, slots=True)
class Wrk:
    """`wrk -c CONNECTIONS` on one path.  upload: bytes that each request carries, which makes it a POST."""

    path: str
    connections: int = 32
    scheme: str = "http"
    upload: int = 0

    def run(self, port: int, seconds: float, core: int) -> LoadResult:
        binary = shutil.which("wrk")
        if binary is None:
            raise SystemExit("wrk is not installed")
        command = [binary, "-t1", f"-c{self.connections}", f"-d{seconds:.0f}s", "--latency"]
        url = f"{self.scheme}://127.0.0.1:{port}{self.path}"
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            if self.upload:
                script.write(f'wrk.method = "POST"\nwrk.body = string.rep("x", {self.upload})\n')
                script.flush()
                command += ["-s", script.name]
            done = subprocess.run([*command, url], preexec_fn=pinned(core), capture_output=True, text=True, check=True)
        return parse(done.stdout)


def _milliseconds(text: str, percentile: str) -> float:
    found = re.search(rf"{percentile}%\s+([\d.]+)(us|ms|s)", text)
    assert found is not None, f"wrk printed no {percentile}th percentile:\n{text}"
    return float(found[1]) * _UNITS_MS[found[2]]


def parse(text: str) -> LoadResult:
    """Read wrk's report; everything that is not a 2xx or 3xx answer is an error."""
    total = re.search(r"(\d+) requests in ([\d.]+)(s|m)", text)
    assert total is not None, f"not a report of wrk:\n{text}"
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    errors = (int(bad[1]) if bad else 0) + (sum(map(int, sockets.groups())) if sockets else 0)
    seconds = float(total[2]) * (60 if total[3] == "m" else 1)
    return LoadResult(int(total[1]), seconds, _milliseconds(text, "50"), _milliseconds(text, "99"), errors)

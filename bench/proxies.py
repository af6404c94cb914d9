"""How each proxy is started for a scenario, pinned to the proxy's core."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bench.cores import PROXY_CORE, pinned
from bench.scenario import Place, Scenario
from bench.upstream import free_port
from bench.usage import Memory, cpu_seconds, memory
from tools import compiled

START_TIMEOUT = 30.0
POLL_INTERVAL = 0.05

ROOT = Path(__file__).resolve().parent.parent


@dataclass(slots=True)
class RunningProxy:
    """One proxy under load, now or later; or several that share a port and know nothing of each other."""

    name: str
    place: Place
    processes: list[subprocess.Popen[bytes]]

    @property
    def cpu_seconds(self) -> float:
        return sum(cpu_seconds(process.pid) for process in self.processes)

    @property
    def memory(self) -> Memory:
        every = [memory(process.pid) for process in self.processes]
        return Memory(sum(each.rss for each in every), sum(each.pss for each in every))

    def stop(self) -> None:
        for process in self.processes:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _envoy_binary() -> str | None:
    named = os.environ.get("POINTSMAN_ENVOY", str(ROOT / ".envoy" / "envoy" / "_bin" / "envoy"))
    return named if os.access(named, os.X_OK) else None


def _bootstrap_file(scenario: Scenario, place: Place) -> str:
    path = place.directory / "bootstrap.json"
    path.write_text(json.dumps(scenario.bootstrap(place), indent=1))
    return str(path)


def _ours(scenario: Scenario, place: Place) -> list[str] | None:
    return _dataplane(scenario, place, workers=1)


def _interpreted(scenario: Scenario, place: Place) -> list[str] | None:
    return _dataplane(scenario, place, workers=1, as_shipped=False)


def _two_workers(scenario: Scenario, place: Place) -> list[str] | None:
    return _dataplane(scenario, place, workers=2)


def _dataplane(scenario: Scenario, place: Place, workers: int, as_shipped: bool = True) -> list[str]:
    """as_shipped: with the request path as the image has it, where this machine could compile it."""
    flags = ["--concurrency", str(workers), "-l", "warning", "--disable-hot-restart"]
    build = compiled.environment() if as_shipped and compiled.is_current() else {}
    variables = [f"{name}={value}" for name, value in build.items()]
    return ["env", *variables, sys.executable, "-m", "dataplane", "-c", _bootstrap_file(scenario, place), *flags]


def _envoy(scenario: Scenario, place: Place, workers: int = 1) -> list[str] | None:
    binary = _envoy_binary()
    if binary is None:
        return None
    flags = ["--concurrency", str(workers), "-l", "warning", "--disable-hot-restart"]
    return [binary, "-c", _bootstrap_file(scenario, place), *flags]


def _two_threads(scenario: Scenario, place: Place) -> list[str] | None:
    return _envoy(scenario, place, workers=2)


def _nginx(scenario: Scenario, place: Place) -> list[str] | None:
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if binary is None or "nginx" not in scenario.other_configs:
        return None
    path = place.directory / "nginx.conf"
    path.write_text(scenario.other_configs["nginx"](place))
    return [binary, "-c", str(path), "-e", str(place.directory / "nginx.err")]


def _haproxy(scenario: Scenario, place: Place) -> list[str] | None:
    binary = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if binary is None or "haproxy" not in scenario.other_configs:
        return None
    path = place.directory / "haproxy.cfg"
    path.write_text(scenario.other_configs["haproxy"](place))
    return [binary, "-db", "-f", str(path)]


COMMANDS: dict[str, Callable[[Scenario, Place], list[str] | None]] = {
    "ours": _ours,
    "envoy": _envoy,
    "nginx": _nginx,
    "haproxy": _haproxy,
    "two-workers": _two_workers,
    "strangers": _ours,
    "envoy-two-workers": _two_threads,
    "envoy-strangers": _envoy,
    "interpreted": _interpreted,
}
PAIRS = frozenset({"strangers", "envoy-strangers"})
"""These are started twice, at one port, where the kernel spreads connections over both as it does over the workers of one."""

USUAL = ("ours", "envoy", "nginx", "haproxy")


def _serves(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start(name: str, scenario: Scenario, place: Place) -> RunningProxy | None:
    """Start proxy *name* and wait until it is ready; None where it is not installed or has no configuration for this."""
    places = [place]
    if name in PAIRS:
        places = [replace(place, admin_port=free_port(), directory=place.directory / number) for number in ("1", "2")]
    proxy = RunningProxy(name, place, [])
    try:
        for each in places:
            process = _start_one(name, scenario, each)
            if process is None:
                return None
            proxy.processes.append(process)
    except SystemExit:
        proxy.stop()
        raise
    return proxy


def _start_one(name: str, scenario: Scenario, place: Place) -> subprocess.Popen[bytes] | None:
    place.directory.mkdir(parents=True, exist_ok=True)
    command = COMMANDS[name](scenario, place)
    if command is None:
        return None
    pin = None if scenario.all_cores else pinned(PROXY_CORE)
    with (place.directory / "proxy.log").open("wb") as log:
        process = subprocess.Popen(
            command, preexec_fn=pin, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT
        )
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        if (name in ("nginx", "haproxy") or _serves(place.admin_port, "/ready")) and _listens(place.listen_port):
            return process
        time.sleep(POLL_INTERVAL)
    _stop(process)
    text = (place.directory / "proxy.log").read_text(errors="replace")
    raise SystemExit(f"{name} did not start for scenario {scenario.name}:\n{text[-2000:]}")

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
from dataclasses import dataclass
from pathlib import Path

from bench.cores import PROXY_CORE, pinned
from bench.scenario import Place, Scenario
from tools import compiled

START_TIMEOUT = 30.0
POLL_INTERVAL = 0.05

ROOT = Path(__file__).resolve().parent.parent


@dataclass(slots=True)
class RunningProxy:
    """One proxy under load, now or later."""

    name: str
    place: Place
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


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


def _envoy(scenario: Scenario, place: Place) -> list[str] | None:
    binary = _envoy_binary()
    if binary is None:
        return None
    flags = ["--concurrency", "1", "-l", "warning", "--disable-hot-restart"]
    return [binary, "-c", _bootstrap_file(scenario, place), *flags]


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
    "interpreted": _interpreted,
}
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
    place.directory.mkdir(parents=True, exist_ok=True)
    command = COMMANDS[name](scenario, place)
    if command is None:
        return None
    pin = None if scenario.all_cores else pinned(PROXY_CORE)
    with (place.directory / "proxy.log").open("wb") as log:
        process = subprocess.Popen(
            command, preexec_fn=pin, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT
        )
    proxy = RunningProxy(name, place, process)
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        if (name in ("nginx", "haproxy") or _serves(place.admin_port, "/ready")) and _listens(place.listen_port):
            return proxy
        time.sleep(POLL_INTERVAL)
    proxy.stop()
    text = (place.directory / "proxy.log").read_text(errors="replace")
    raise SystemExit(f"{name} did not start for scenario {scenario.name}:\n{text[-2000:]}")

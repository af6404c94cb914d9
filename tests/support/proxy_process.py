"""A proxy as a child process: started on a bootstrap, awaited through its admin endpoint, stopped, killed.

Here: what holds for any proxy that takes Envoy's flags.  Which program that is: `envoy_process.py`, `our_process.py`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support import child_process
from tests.support.admin_client import AdminClient
from tests.support.waiting import PATIENCE, POLL_INTERVAL, NotInTimeError, wait_until

# A busy machine starts an interpreter slowly; a proxy that refuses its bootstrap exits and is noticed at once.
START_TIMEOUT = 2 * PATIENCE
STOP_TIMEOUT = PATIENCE


# Whoever looks into a failure wants to know what they have said (failure_reports).
known: weakref.WeakSet[ProxyProcess] = weakref.WeakSet()


class ProxyRefusedError(AssertionError):
    """The proxy ended instead of becoming ready; the text is the end of its log."""


class ProxyProcess:
    """One proxy.  The bootstrap's admin port may be 0: the real one comes from `--admin-address-path`."""

    def __init__(self, command: Sequence[str], bootstrap: Mapping[str, Any], directory: Path, name: str) -> None:
        self.name = name
        self.directory = directory
        self.bootstrap_path = directory / "bootstrap.json"
        self.log_path = directory / "proxy.log"
        self._admin_path = directory / "admin-address"
        directory.mkdir(parents=True, exist_ok=True)
        self.bootstrap_path.write_text(json.dumps(bootstrap, indent=1))
        self._command = [
            *command,
            "-c",
            str(self.bootstrap_path),
            "--admin-address-path",
            str(self._admin_path),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        known.add(self)

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return None if self._process is None else self._process.poll()

    @property
    def admin(self) -> AdminClient:
        host, _, port = self._admin_path.read_text().strip().rpartition(":")
        return AdminClient(host, int(port))

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_end(self) -> str:
        # Envoy repeats the whole bootstrap in one line of its refusal.
        return "\n".join(line[:600] for line in self.log().splitlines()[-30:])

    def spawn(self) -> None:
        """Start without waiting: for proxies that are not expected to become ready yet."""
        self._admin_path.unlink(missing_ok=True)
        with self.log_path.open("ab") as log:
            self._process = child_process.start(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=Path(__file__).parents[2]
            )

    def start(self, timeout: float = START_TIMEOUT) -> None:
        """Start and wait for /ready.  Raises ProxyRefusedError with the end of the log when the process ends instead."""
        self.spawn()
        self.wait_ready(timeout)

    def wait_ready(self, timeout: float = START_TIMEOUT) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.returncode is not None:
                raise ProxyRefusedError(f"{self.name} ended with {self.returncode}:\n{self.log_end()}")
            if self._answers_ready():
                return
            time.sleep(POLL_INTERVAL)
        self.kill()
        raise NotInTimeError(f"{self.name} not ready within {timeout} s:\n{self.log_end()}")

    def _answers_ready(self) -> bool:
        try:
            return self.admin.ready()
        except (OSError, ValueError):
            return False

    def stop(self, timeout: float = STOP_TIMEOUT) -> int:
        """SIGTERM, then wait for the exit; a proxy that does not end in time is killed and reported."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise NotInTimeError(f"{self.name} still running {timeout} s after SIGTERM:\n{self.log()[-2000:]}") from None
        return self._process.returncode

    def kill(self) -> None:
        """SIGKILL: the crash, not the stop."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def is_busy(self) -> bool:
        """Whether a thread of it runs, or would if it had a processor."""
        try:
            threads = [(each / "stat").read_text() for each in Path(f"/proc/{self.pid}/task").iterdir()]
        except (FileNotFoundError, ProcessLookupError):
            return False  # it, or that thread, ended just now
        return any(thread.rpartition(")")[2].split()[0] == "R" for thread in threads)

    def open_files(self) -> int:
        """How many file descriptors the process holds."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def wait_listeners(self, names: Sequence[str], timeout: float = PATIENCE) -> dict[str, int]:
        """Ports of the named listeners, once all are bound."""

        def bound() -> dict[str, int]:
            ports = self.admin.listener_ports()
            return ports if all(name in ports for name in names) else {}

        return wait_until(bound, f"{self.name}: listeners {', '.join(names)}", timeout)

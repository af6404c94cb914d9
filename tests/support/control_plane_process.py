"""Our control plane as a child process: started, killed, started again on the same ports and store."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from tests.support import child_process
from tests.support.waiting import PATIENCE, wait_until

START_TIMEOUT = 2 * PATIENCE
_SERVING = re.compile(r"serving: api=\S+:(\d+) grpc=\S+:(\d+) xds=\S+:(\d+)")


class ControlPlaneProcess:
    """Use as a context manager.  The kernel chooses the ports of the first start; later starts keep them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self.api_port = self.grpc_port = self.xds_port = 0

    def __enter__(self) -> ControlPlaneProcess:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    def start(self) -> None:
        """Return when every port is served."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._starts += 1
        log = self._directory / f"control-plane-{self._starts}.log"
        ports = {"api": self.api_port, "grpc": self.grpc_port, "xds": self.xds_port}
        listens = [flag for name, port in ports.items() for flag in (f"--{name}-listen", f"127.0.0.1:{port}")]
        command = [sys.executable, "-m", "controlplane", "serve", "--data", str(self._directory / "data"), *listens]
        with log.open("wb") as output:
            self._process = child_process.start(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=Path(__file__).parents[2]
            )

        def serving() -> re.Match[str] | None:
            assert self._process is not None
            assert self._process.poll() is None, log.read_text()
            return _SERVING.search(log.read_text())

        found = wait_until(serving, "the control plane serves", START_TIMEOUT)
        assert found is not None
        self.api_port, self.grpc_port, self.xds_port = (int(port) for port in found.groups())

    def kill(self) -> None:
        """SIGKILL: the crash, not the stop."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

"""Starting the processes of workers: fresh interpreters, not forks, since gRPC's threads do not survive one.

Here: the command and the socket that it inherits.  Not here: what is said over it (member).
"""

from __future__ import annotations

import socket
import subprocess
import sys
from dataclasses import dataclass


@dataclass(slots=True)
class Spawned:
    """A process that imports what it needs and then waits on its socket until it is needed."""

    process: subprocess.Popen[bytes]
    socket: socket.socket

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """End it now and leave no zombie."""
        self.process.kill()
        self.process.wait()


def spawn() -> Spawned:
    """One more process.  Output goes where ours goes."""
    ours, theirs = socket.socketpair()
    try:
        command = [sys.executable, "-m", "dataplane.server.workers", str(theirs.fileno())]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),))
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return Spawned(process, ours)

"""Ends processes once the run that started them is gone, however it went: Ctrl-C, a kill, a crash.

A process of its own (`child_process` starts it), which is told process ids, a line each, on standard input; the end of that is the end of the
run.  Not PR_SET_PDEATHSIG: it follows the thread that starts a process, and tests start them in threads that come and go.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import suppress

# Between asking and killing: long enough for an nginx that ends its workers, and for a proxy that drains.
GRACE = 5.0


def watched(descriptors: list[int], pids: str) -> list[int]:
    """With those of more processes.  A descriptor stays what it is when its number is given to another process."""
    for pid in pids.split():
        with suppress(ProcessLookupError):
            descriptors.append(os.pidfd_open(int(pid)))
    return descriptors


def living(descriptors: list[int], seconds: float = 0.0) -> list[int]:
    """Those whose processes still run, after as many *seconds* as it takes the first of them to end, at most; others are closed."""
    ended = select.select(descriptors, (), (), seconds)[0]
    for descriptor in ended:
        os.close(descriptor)
    return [each for each in descriptors if each not in ended]


def end(descriptors: list[int], number: signal.Signals) -> None:
    for each in descriptors:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(each, number)


def main() -> None:
    descriptors: list[int] = []
    for line in sys.stdin:
        descriptors = watched(living(descriptors), line)
    end(descriptors, signal.SIGTERM)
    while descriptors and len(left := living(descriptors, GRACE)) < len(descriptors):
        descriptors = left
    end(descriptors, signal.SIGKILL)


if __name__ == "__main__":
    main()

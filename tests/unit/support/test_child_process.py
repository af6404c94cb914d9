"""A run that is broken off leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[3]

# Two children of a thread that ends; one of them ends, too.
RUN = """
import signal, threading, time
from tests.support import child_process

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background may ignore it

def children():
    forever = child_process.start(["sleep", "1000"])
    child_process.start(["sleep", "0"]).wait()
    stubborn = child_process.start(["sh", "-c", "trap '' TERM; while true; do sleep 0.1; done"])
    print(forever.pid, stubborn.pid, flush=True)

thread = threading.Thread(target=children)
thread.start()
thread.join()
time.sleep(1000)
"""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_children_end_with_the_run_and_not_with_its_threads(end: signal.Signals) -> None:
    command = [sys.executable, "-c", RUN]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, start_new_session=True)
    assert run.stdout is not None
    with run.stdout:
        children = [int(pid) for pid in run.stdout.readline().split()]
    assert len(children) == 2
    assert all(is_alive(pid) for pid in children)
    os.killpg(run.pid, end) if end is signal.SIGINT else run.send_signal(end)
    run.wait()
    wait_until(lambda: not any(is_alive(pid) for pid in children), "the end of the children")

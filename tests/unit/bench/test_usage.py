"""CPU time and memory from /proc, on processes of our own."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from bench.usage import TICKS_PER_SECOND, cpu_seconds, family, memory
from tests.support.waiting import wait_until

PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"


def test_children_belong_to_the_family() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE)
    try:
        found = wait_until(lambda: len(family(parent.pid)) == 2 and family(parent.pid), "the child of the child")
        assert found
        assert found[0] == parent.pid
    finally:
        assert parent.stdin is not None
        parent.stdin.close()
        parent.wait()


def test_own_work_shows_as_cpu_time() -> None:
    before = cpu_seconds(os.getpid())
    used = time.process_time()
    while time.process_time() < used + 10 / TICKS_PER_SECOND:
        sum(range(1000))
    assert cpu_seconds(os.getpid()) > before


def test_memory_is_resident_memory() -> None:
    found = memory(os.getpid())
    assert 0 < found.pss <= found.rss

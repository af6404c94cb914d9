"""A heap that keeps what large bodies leave free."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from dataplane.server import heap

PROGRAM = """
import resource, sys
from dataplane.server.heap import keep_steady

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        body = [bytes(200_000) for _ in range(10)]
        del body
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
if sys.argv[1] == "steady":
    keep_steady()
    faults()
print(faults())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is none of GNU's")
def test_large_bodies_that_come_and_go_cost_no_page_faults() -> None:
    counted = {
        mode: int(subprocess.run([sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True).stdout)
        for mode in ("as it comes", "steady")
    }
    assert counted["steady"] * 10 < counted["as it comes"]


def test_what_is_in_use_is_counted() -> None:
    bytes_before, blocks_before = heap.bytes_in_use(), heap.blocks_in_use()
    large, small = [bytearray(4096) for _ in range(1000)], [object() for _ in range(10_000)]
    assert heap.blocks_in_use() - blocks_before >= len(small)
    if bytes_before:
        assert heap.bytes_in_use() - bytes_before >= 4096 * len(large)

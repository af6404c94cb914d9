"""A network of its own for a test that changes the rules of its network.  Linux, as root; elsewhere the test is skipped."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator

import pytest

CLONE_NEWNET = 0x40000000


@contextlib.contextmanager
def own_network() -> Iterator[None]:
    """The calling thread, and the processes and threads it starts, have nothing but a loopback interface."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as before:
        if libc.unshare(CLONE_NEWNET):
            pytest.skip(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        try:
            command("ip", "link", "set", "lo", "up")
            yield
        finally:
            assert libc.setns(before.fileno(), CLONE_NEWNET) == 0


def redirect(destination_port: int, to_port: int) -> None:
    """Connections that start in this network for a port arrive at another."""
    rule = f"-p tcp --dport {destination_port} -j REDIRECT --to-ports {to_port}"
    command("iptables", "-w", "-t", "nat", "-A", "OUTPUT", *rule.split())


def command(*words: str) -> None:
    """Run a tool; skips the test where the tool or the kernel cannot."""
    try:
        subprocess.run(words, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip(f"no {words[0]}")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"{' '.join(words)}: {error.stderr.decode(errors='replace').strip()}")

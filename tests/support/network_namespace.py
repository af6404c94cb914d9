"""A network of its own: for a test that changes the rules of its network, and for each process of a parallel run.

Linux, as root; elsewhere such a test is skipped, and the processes of a run share the machine's network.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Iterator

import pytest

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP = 1


@contextlib.contextmanager
def own_network() -> Iterator[None]:
    """The calling thread, and the processes and threads it starts, have nothing but a loopback interface."""
    with open("/proc/thread-self/ns/net", "rb") as before:
        try:
            leave_network()
        except OSError as error:
            pytest.skip(f"no network namespace: {error.strerror}")
        try:
            yield
        finally:
            assert ctypes.CDLL(None).setns(before.fileno(), CLONE_NEWNET) == 0


def leave_network() -> None:
    """The same for good.  Raises OSError where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))


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

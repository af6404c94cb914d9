"""Where the processes of a hot restart find each other: a Unix socket named after the base id and the restart epoch.

Here: names, base ids, who may speak.  Not here: what is said (predecessor, successor).
Envoy: --base-id, --use-dynamic-base-id, --restart-epoch, --socket-path, --socket-mode.
"""

from __future__ import annotations

import errno
import os
import random
import socket
import stat
import struct
from typing import Final

# Of what is said: an old and a new process understand each other when theirs are equal.
VERSION: Final = "pointsman.1"

_TRIES: Final = 100
_LARGEST_BASE_ID: Final = 0x0FFFFFFF
_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: process, user, group


class BaseIdTaken(Exception):
    """Another process of that base id and epoch lives."""


def address_of(path: str, base_id: int, epoch: int) -> str:
    """path: `--socket-path`; a leading `@` means the abstract namespace."""
    name = f"{path}_pointsman_{base_id}_{epoch}"
    return "\0" + name[1:] if name.startswith("@") else name


def listen(path: str, mode: int, base_id: int, epoch: int) -> socket.socket:
    """Be the process of *epoch*.  mode: permission bits of a socket in the file system.  Raises BaseIdTaken, OSError."""
    address = address_of(path, base_id, epoch)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(address)
        sock.bind(address)
        if not address.startswith("\0"):
            os.chmod(address, mode)
        sock.listen(4)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise BaseIdTaken(
                f"unable to bind domain socket with base_id={base_id}, id={epoch}, errno={error.errno} (see --base-id option)"
            ) from error
        raise
    return sock


def listen_anywhere(path: str, mode: int) -> tuple[socket.socket, int]:
    """The same with a base id that nobody has, which is returned.  Raises BaseIdTaken, OSError."""
    for _ in range(_TRIES - 1):
        base_id = random.randint(1, _LARGEST_BASE_ID)
        try:
            return listen(path, mode, base_id, 0), base_id
        except BaseIdTaken:
            continue
    base_id = random.randint(1, _LARGEST_BASE_ID)
    return listen(path, mode, base_id, 0), base_id


def is_trusted(peer: socket.socket) -> bool:
    """Names in the abstract namespace have no permissions: only our own user, or root, may take our sockets."""
    _, user, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return user in (0, os.getuid())


def _remove_stale(address: str) -> None:
    """A socket file outlives its process; one that somebody listens on is not ours to take."""
    if address.startswith("\0") or not os.path.exists(address) or not stat.S_ISSOCK(os.stat(address).st_mode):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(address)
        except ConnectionRefusedError:
            os.unlink(address)

"""Listening sockets: made, set up and bound as a listener asks for.

Here: system calls on one socket.  Not here: accepting (listener.listener), which sockets exist when (listener.manager).
Envoy: config.listener.v3.Listener.{socket_options, reuse_port, freebind, transparent, tcp_fast_open_queue_length, tcp_backlog_size}.
"""

from __future__ import annotations

import os
import socket
import stat
from typing import Final

from dataplane.base.address import Address, PipeAddress, SocketAddress
from dataplane.snapshot.listener import Listener
from dataplane.snapshot.socket_option import BOUND, PREBIND

_IP_FREEBIND: Final = 15  # not in the socket module of Python 3.11
_IP_TRANSPARENT: Final = 19
_IPV6_FREEBIND: Final = 78
_IPV6_TRANSPARENT: Final = 75


def bind(address: Address, listener: Listener) -> socket.socket:
    """A bound socket that does not listen yet.  Raises OSError."""
    if isinstance(address, PipeAddress):
        return _bind_pipe(address)
    assert isinstance(address, SocketAddress), "internal listeners have no socket"
    sock = socket.socket(socket.AF_INET6 if address.is_ipv6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        _prepare(sock, listener)
        set_options(sock, listener, address, PREBIND)
        sock.bind((address.host, address.port))
        set_options(sock, listener, address, BOUND)
    except OSError:
        sock.close()
        raise
    return sock


def bind_one(address: Address, listener: Listener) -> tuple[socket.socket, ...]:
    """Implements listener.manager.BindSockets where nobody hands sockets over."""
    return (bind(address, listener),)


def bound_address(sock: socket.socket, configured: Address) -> Address:
    """Where *sock* is bound: the configured address, with the port the kernel chose for port 0."""
    if not isinstance(configured, SocketAddress):
        return configured
    host, port = sock.getsockname()[:2]
    return SocketAddress(host, port)


def backlog(listener: Listener) -> int:
    """How many connections may wait to be accepted.  Envoy: the system's maximum unless told."""
    return listener.tcp_backlog_size or _system_backlog()


def set_options(sock: socket.socket, listener: Listener, address: Address, state: int) -> None:
    """Those that *listener* asks for in a *state* of its socket at *address*.  Unix sockets have none.  Raises OSError."""
    if isinstance(address, SocketAddress):
        for option in listener.options_of(address):
            if option.state == state:
                sock.setsockopt(option.level, option.name, option.value)


def _prepare(sock: socket.socket, listener: Listener) -> None:
    ipv6 = sock.family == socket.AF_INET6
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if listener.reuse_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if ipv6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if listener.freebind:
        level, name = (socket.IPPROTO_IPV6, _IPV6_FREEBIND) if ipv6 else (socket.IPPROTO_IP, _IP_FREEBIND)
        sock.setsockopt(level, name, 1)
    if listener.transparent:
        level, name = (socket.IPPROTO_IPV6, _IPV6_TRANSPARENT) if ipv6 else (socket.IPPROTO_IP, _IP_TRANSPARENT)
        sock.setsockopt(level, name, 1)
    if listener.tcp_fast_open_queue_length is not None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, listener.tcp_fast_open_queue_length)


def _bind_pipe(address: PipeAddress) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path = "\0" + address.path[1:] if address.path.startswith("@") else address.path
    try:
        sock.setblocking(False)
        _remove_stale_socket(path)
        sock.bind(path)
        if address.mode and not path.startswith("\0"):
            os.chmod(path, address.mode)
    except OSError:
        sock.close()
        raise
    return sock


def _remove_stale_socket(path: str) -> None:
    """A socket file outlives its process; as Envoy, take its place.  Anything that is not a socket stays and fails the bind."""
    if path.startswith("\0"):
        return
    try:
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)
    except FileNotFoundError:
        pass


def _system_backlog() -> int:
    try:
        with open("/proc/sys/net/core/somaxconn", encoding="ascii") as setting:
            return int(setting.read())
    except (OSError, ValueError):
        return socket.SOMAXCONN

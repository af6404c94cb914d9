"""Sockets that are bound to an address of ours before they dial.  Envoy: config.core.v3.BindConfig."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Final

from dataplane.base.address import SocketAddress
from dataplane.snapshot.socket_option import PREBIND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataplane.snapshot.cluster import SourceAddress

# linux/in.h, linux/in6.h; the socket module does not have them.
_IP_FREEBIND: Final = 15
_IP_BIND_ADDRESS_NO_PORT: Final = 24
_IPV6_FREEBIND: Final = 78


class BindError(OSError):
    """Our own address could not be had; the host is not to blame."""


class OptionError(OSError):
    """An option that was configured is none of our kernel's."""


def source_for(sources: Sequence[SourceAddress], target: SocketAddress) -> SourceAddress:
    """The one of the same version of IP, or else the first."""
    for source in sources:
        if source.address is not None and source.address.is_ipv6 == target.is_ipv6:
            return source
    return sources[0]


def bound_socket(source: SourceAddress, target: SocketAddress) -> socket.socket:
    """A socket that dials *target* from *source*.  Raises BindError.

    Without a port of its own it gets one while it connects, so that as many connections are possible as there are pairs of ports.
    """
    family = socket.AF_INET6 if target.is_ipv6 else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setblocking(False)
        _set_options(bound, source)
        if source.address is not None:
            _bind(bound, source.address, source.freebind)
    except BaseException:
        bound.close()
        raise
    return bound


def _bind(sock: socket.socket, address: SocketAddress, freebind: bool) -> None:
    try:
        if freebind:
            ipv6 = sock.family == socket.AF_INET6
            level, option = (socket.IPPROTO_IPV6, _IPV6_FREEBIND) if ipv6 else (socket.IPPROTO_IP, _IP_FREEBIND)
            sock.setsockopt(level, option, 1)
        if not address.port:
            sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((address.host, address.port))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise BindError(error.errno, f"cannot bind to {address}: {reason}") from error


def _set_options(sock: socket.socket, source: SourceAddress) -> None:
    """Those of a socket that is not bound yet: in Envoy, too, others have no effect on a connection that is dialled."""
    try:
        for option in source.options:
            if option.state == PREBIND:
                sock.setsockopt(option.level, option.name, option.value)
    except OSError as error:
        raise OptionError(error.errno, "failed to apply pre-bind socket options") from error

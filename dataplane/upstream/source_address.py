"""Sockets that are bound to an address of ours before they dial.  Envoy: config.core.v3.BindConfig."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Final

from dataplane.base.address import SocketAddress

if TYPE_CHECKING:
    from dataplane.snapshot.cluster import SourceAddress

# linux/in.h, linux/in6.h; the socket module does not have them.
_IP_FREEBIND: Final = 15
_IP_BIND_ADDRESS_NO_PORT: Final = 24
_IPV6_FREEBIND: Final = 78


class BindError(OSError):
    """Our own address could not be had; the host is not to blame."""


def bound_socket(source: SourceAddress, target: SocketAddress) -> socket.socket:
    """A socket that dials *target* from *source*.  Raises BindError.

    Without a port of its own it gets one while it connects, so that as many connections are possible as there are pairs of ports.
    """
    family = socket.AF_INET6 if target.is_ipv6 else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setblocking(False)
        if source.freebind:
            level, option = (
                (socket.IPPROTO_IPV6, _IPV6_FREEBIND) if family == socket.AF_INET6 else (socket.IPPROTO_IP, _IP_FREEBIND)
            )
            bound.setsockopt(level, option, 1)
        if not source.address.port:
            bound.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        bound.bind((source.address.host, source.address.port))
    except OSError as error:
        bound.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise BindError(error.errno, f"cannot bind to {source.address}: {reason}") from error
    return bound

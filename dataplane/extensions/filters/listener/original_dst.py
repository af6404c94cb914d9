"""Finds where a connection was bound for before a packet filter redirected it to us.  Envoy: envoy.filters.listener.original_dst.

Not here: handing it over to the listener of that address (Listener.use_original_dst, listener.connection).
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from envoy.extensions.filters.listener.original_dst.v3.original_dst_pb2 import OriginalDst as OriginalDstConfig

from dataplane.api.listener_filter import Inspected, Inspection
from dataplane.api.registry import extension
from dataplane.base.address import SocketAddress
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.support import supports

supports(OriginalDstConfig)

_SO_ORIGINAL_DST: Final = 80  # linux/netfilter_ipv4.h; IP6T_SO_ORIGINAL_DST is the same number
_SOCKADDR_IN: Final = struct.Struct("!2xH4s8x")
_SOCKADDR_IN6: Final = struct.Struct("!2xH4x16s4x")


class OriginalDst:
    """Implements api.listener_filter.ListenerFilter."""

    def inspect(self, inspected: Inspected) -> Inspection:
        if inspected.sock is not None:
            found = original_destination(inspected.sock)
            if found is not None:
                inspected.local_address = found
                inspected.restored = True
        return Inspection.DONE


def original_destination(sock: socket.socket) -> SocketAddress | None:
    """Where *sock* was bound for; None for what no packet filter tracks."""
    level, form = {socket.AF_INET: (socket.IPPROTO_IP, _SOCKADDR_IN), socket.AF_INET6: (socket.IPPROTO_IPV6, _SOCKADDR_IN6)}.get(
        socket.AddressFamily(sock.family), (None, _SOCKADDR_IN)
    )
    if level is None:
        return None
    try:
        port, host = form.unpack(sock.getsockopt(level, _SO_ORIGINAL_DST, form.size))
    except OSError:
        return None
    return SocketAddress(socket.inet_ntop(sock.family, host), port)


@extension("envoy.filters.listener", OriginalDstConfig.DESCRIPTOR.full_name)
def compile_config(config: OriginalDstConfig, at: FieldPath, context: CompileContext) -> OriginalDst:
    return OriginalDst()

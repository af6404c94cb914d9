"""An address as the API writes it.  Envoy: config.core.v3.Address."""

from __future__ import annotations

from typing import Any

from dataplane.base.address import Address, PipeAddress, SocketAddress


def write_address(address: Address, message: Any) -> None:
    """Into an empty message."""
    if isinstance(address, PipeAddress):
        message.pipe.path = address.path
    elif isinstance(address, SocketAddress):
        message.socket_address.address, message.socket_address.port_value = address.host, address.port

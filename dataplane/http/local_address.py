"""The machine's own address, which stands in x-forwarded-for where the peer is on the loopback.  Envoy: Network::Utility::getLocalAddress."""

from __future__ import annotations

import fcntl
import socket
import struct
from functools import cache
from typing import Final

_SIOCGIFADDR: Final = 0x8915
_LOOPBACK: Final = "127.0.0.1"


@cache
def local_address() -> str:
    """The IPv4 address of the first interface that is not the loopback; 127.0.0.1 where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(sock.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:  # an interface without an IPv4 address
                continue
            address = socket.inet_ntoa(answer[20:24])
            if not address.startswith("127."):
                return address
    return _LOOPBACK

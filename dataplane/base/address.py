"""Addresses of sockets, as Envoy writes them.  Envoy: config.core.v3.Address."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from functools import lru_cache


@dataclass(frozen=True, slots=True, init=False)
class SocketAddress:
    """An IP address (or, for an upstream that is resolved later, a host name) and a port."""

    host: str
    port: int
    text: str = field(init=False, repr=False, compare=False)
    """`127.0.0.1:80` or `[::1]:80`: the form of Envoy's logs, stats and admin output.  Made once, since every log line asks."""
    wire: bytes = field(init=False, repr=False, compare=False)
    """The same in bytes."""

    def __init__(self, host: str, port: int) -> None:
        text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        keep = object.__setattr__
        keep(self, "host", host)
        keep(self, "port", port)
        keep(self, "text", text)
        keep(self, "wire", text.encode())

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.host

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class PipeAddress:
    """A Unix domain socket.  path: a leading `@` means the abstract namespace.  mode: permission bits, 0 for the umask's."""

    path: str
    mode: int = 0

    @property
    def text(self) -> str:
        return self.path

    @property
    def wire(self) -> bytes:
        return self.path.encode()

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class InternalAddress:
    """A listener of this process.  endpoint_id: tells endpoints apart that are one listener."""

    listener_name: str
    endpoint_id: str = ""

    @property
    def text(self) -> str:
        return f"envoy://{self.listener_name}/{self.endpoint_id}"

    @property
    def wire(self) -> bytes:
        return self.text.encode()

    def __str__(self) -> str:
        return self.text


Address = SocketAddress | PipeAddress | InternalAddress


def address_of(name: object) -> Address | None:
    """What a transport says of one of its ends; None for a Unix socket without a name, and for a peer that is gone already."""
    if isinstance(name, tuple):
        return SocketAddress(str(name[0]), int(name[1]))
    return name if isinstance(name, InternalAddress) else None


@lru_cache(maxsize=1024)
def own_address(host: str, port: int) -> SocketAddress:
    """Our end of a connection: many share it."""
    return SocketAddress(host, port)


def parse_ip_and_port(text: str) -> SocketAddress | None:
    """`127.0.0.1:80` or `[::1]:80`; None for anything else."""
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
        return None
    try:
        ip = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        return None
    return SocketAddress(str(ip), int(port)) if bracketed == (ip.version == 6) else None

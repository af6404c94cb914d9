"""What the operator chose on the command line, as values.

Here: parsing of addresses.  Not here: flags (cli), listening (assembly).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class ListenAddress(NamedTuple):
    """Where to listen.  port 0: the kernel chooses."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> ListenAddress:
        """`127.0.0.1:8080`, `[::1]:8080`, `:8080` (every address).  Raises ValueError."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"{text!r} is not host:port")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"{text!r}: an IPv6 address needs brackets")
        return cls(host or "::", int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Options:
    """Everything `controlplane serve` can be told.  grpc: where the management API listens for gRPC."""

    store: Path
    api: ListenAddress
    grpc: ListenAddress
    xds: ListenAddress
    token_file: Path | None
    insecure: bool

"""BindConfig → snapshot.cluster.SourceAddress.  Envoy: config.core.v3.BindConfig."""

from __future__ import annotations

from envoy.config.core.v3.address_pb2 import BindConfig

from dataplane.base.address import SocketAddress
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.fields import is_ip
from dataplane.compile.support import supports
from dataplane.compile.units import wrapped
from dataplane.snapshot.cluster import SourceAddress

supports(BindConfig, "source_address", "freebind")


def compile_source_address(bind: BindConfig, at: FieldPath) -> SourceAddress | None:
    """None where nothing is bound; freebind by itself binds nothing."""
    if not bind.HasField("source_address"):
        return None
    found = bind.source_address
    if not is_ip(found.address):
        raise ConfigError(at / "source_address" / "address", f"malformed IP address: {found.address}")
    return SourceAddress(SocketAddress(found.address, found.port_value), wrapped(bind, "freebind", False))

"""ProxyProtocolConfig → how connections to upstreams introduce themselves.

Not here: the header's bytes (semantics.proxy_header).  Envoy: config.core.v3.ProxyProtocolConfig.
"""

from __future__ import annotations

from envoy.config.core.v3.proxy_protocol_pb2 import ProxyProtocolConfig

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.support import supports

supports(ProxyProtocolConfig, "version")


def compile_header_only(message: ProxyProtocolConfig, at: FieldPath) -> int:
    """The version alone, 1 or 2."""
    if message.version not in (ProxyProtocolConfig.V1, ProxyProtocolConfig.V2):
        raise ConfigError(at / "version", f"undefined value {message.version}")
    return 2 if message.version == ProxyProtocolConfig.V2 else 1

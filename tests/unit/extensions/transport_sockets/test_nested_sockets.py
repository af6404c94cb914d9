"""Which upstream transport sockets stand in which."""

from __future__ import annotations

import pytest
from envoy.extensions.transport_sockets.internal_upstream.v3.internal_upstream_pb2 import InternalUpstreamTransport
from envoy.extensions.transport_sockets.proxy_protocol.v3.upstream_proxy_protocol_pb2 import ProxyProtocolUpstreamTransport
from envoy.extensions.transport_sockets.raw_buffer.v3.raw_buffer_pb2 import RawBuffer

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.extensions.transport_sockets.proxy_protocol import compile_config


def test_what_passes_metadata_on_stands_outside() -> None:
    inner = InternalUpstreamTransport()
    inner.transport_socket.typed_config.Pack(RawBuffer())
    inner.passthrough_metadata.add(name="a").kind.host.SetInParent()
    outer = ProxyProtocolUpstreamTransport()
    outer.transport_socket.typed_config.Pack(inner)
    with pytest.raises(ConfigError, match="outermost socket alone"):
        compile_config(outer, FieldPath("socket"), CompileContext())

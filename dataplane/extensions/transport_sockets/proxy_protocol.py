"""Upstream connections that begin with a PROXY header.  Envoy: envoy.transport_sockets.upstream_proxy_protocol.

Here: the message → IntroducedSocket.  Not here: the header (semantics.proxy_header), sending it (upstream.introduction).
"""

from __future__ import annotations

from envoy.config.core.v3.proxy_protocol_pb2 import ProxyProtocolConfig, ProxyProtocolPassThroughTLVs
from envoy.extensions.transport_sockets.proxy_protocol.v3.upstream_proxy_protocol_pb2 import ProxyProtocolUpstreamTransport

from dataplane.api.registry import extension
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.cluster import TRANSPORT_SOCKET_KIND
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import find_extension
from dataplane.compile.proxy_protocol import compile_header_only, compile_tlvs
from dataplane.compile.support import supports
from dataplane.snapshot.introduced_socket import IntroducedSocket
from dataplane.snapshot.passing_socket import PassingSocket

supports(ProxyProtocolUpstreamTransport, "config", "transport_socket")
supports(ProxyProtocolConfig, "pass_through_tlvs", "added_tlvs")
supports(ProxyProtocolPassThroughTLVs, "tlv_type", match_type=("INCLUDE_ALL", "INCLUDE"))


@extension(TRANSPORT_SOCKET_KIND, ProxyProtocolUpstreamTransport.DESCRIPTOR.full_name)
def compile_config(message: ProxyProtocolUpstreamTransport, at: FieldPath, context: CompileContext) -> IntroducedSocket:
    inner, at_inner = message.transport_socket, at / "transport_socket" / "typed_config"
    compile_socket, config = find_extension(TRANSPORT_SOCKET_KIND, inner.typed_config, inner.name, at_inner)
    socket = compile_socket(config, at_inner, context)
    if isinstance(socket, PassingSocket):
        raise ConfigError(
            at_inner, "metadata are passed on by the outermost socket alone: this one must stand around the PROXY header"
        )
    at = at / "config"
    return IntroducedSocket(
        version=compile_header_only(message.config, at),
        socket=socket,
        added=compile_tlvs(message.config.added_tlvs, at / "added_tlvs"),
        passed_types=_passed(message.config),
    )


def _passed(config: ProxyProtocolConfig) -> frozenset[int] | None:
    if not config.HasField("pass_through_tlvs"):
        return frozenset()
    if config.pass_through_tlvs.match_type == ProxyProtocolPassThroughTLVs.INCLUDE_ALL:
        return None
    return frozenset(config.pass_through_tlvs.tlv_type)

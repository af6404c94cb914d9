"""ProxyProtocolConfig → how connections to upstreams introduce themselves; PerHostConfig → what is added for one host.

Not here: the header's bytes (semantics.proxy_header).  Envoy: config.core.v3.{ProxyProtocolConfig, PerHostConfig}.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from envoy.config.core.v3.base_pb2 import Metadata
from envoy.config.core.v3.proxy_protocol_pb2 import PerHostConfig, ProxyProtocolConfig, TlvEntry

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.access_log import compile_format
from dataplane.compile.support import supports
from dataplane.observe.formatter_context import FormatterContext
from dataplane.snapshot.introduced_socket import AddedTlv

supports(ProxyProtocolConfig, "version")
supports(PerHostConfig, "added_tlvs")
supports(TlvEntry, "type", "value", "format_string")

_PER_HOST: Final = "envoy.transport_sockets.proxy_protocol"


def compile_header_only(message: ProxyProtocolConfig, at: FieldPath) -> int:
    """The version alone, 1 or 2."""
    if message.version not in (ProxyProtocolConfig.V1, ProxyProtocolConfig.V2):
        raise ConfigError(at / "version", f"undefined value {message.version}")
    return 2 if message.version == ProxyProtocolConfig.V2 else 1


def compile_tlvs(entries: Iterable[TlvEntry], at: FieldPath) -> tuple[AddedTlv, ...]:
    """`added_tlvs`, which *at* names."""
    return tuple(_tlv(entry, at / index) for index, entry in enumerate(entries))


def compile_host_tlvs(metadata: Metadata, at: FieldPath) -> tuple[AddedTlv, ...]:
    """Those of an endpoint, in its metadata.  As Envoy, anything else under that name says nothing."""
    packed, config = metadata.typed_filter_metadata.get(_PER_HOST), PerHostConfig()
    if packed is None or not packed.Unpack(config):
        return ()
    return compile_tlvs(config.added_tlvs, at / "typed_filter_metadata" / _PER_HOST / "added_tlvs")


def _tlv(entry: TlvEntry, at: FieldPath) -> AddedTlv:
    if not entry.HasField("format_string"):
        if not entry.value:
            raise ConfigError(at, "Invalid TLV configuration: one of 'value' or 'format_string' must be set")
        return entry.type, entry.value
    if entry.value:
        raise ConfigError(at, "Invalid TLV configuration: only one of 'value' or 'format_string' can be set")
    render = compile_format(entry.format_string, at / "format_string").render
    return entry.type, lambda info: render(FormatterContext(info))

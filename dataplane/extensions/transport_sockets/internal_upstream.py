"""What stands between a cluster and an internal listener.  Envoy: envoy.transport_sockets.internal_upstream.

It passes metadata of the host and the cluster on to the listener, around the socket that it wraps; without any it is the wrapped socket.
"""

from __future__ import annotations

from typing import Literal

from envoy.extensions.transport_sockets.internal_upstream.v3.internal_upstream_pb2 import InternalUpstreamTransport
from envoy.type.metadata.v3.metadata_pb2 import MetadataKind

from dataplane.api.registry import extension
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import find_extension
from dataplane.compile.support import supports
from dataplane.snapshot.passing_socket import PassingSocket

supports(InternalUpstreamTransport, "passthrough_metadata", "transport_socket")
supports(InternalUpstreamTransport.MetadataValueSource, "kind", "name")
supports(MetadataKind, "cluster", "host")
supports(MetadataKind.Cluster)
supports(MetadataKind.Host)


@extension("envoy.transport_sockets.upstream", InternalUpstreamTransport.DESCRIPTOR.full_name)
def compile_config(config: InternalUpstreamTransport, at: FieldPath, context: CompileContext) -> object | None:
    """The compiled socket that is wrapped, None for plain bytes; or what passes metadata on around it."""
    wrapped, within = config.transport_socket, at / "transport_socket" / "typed_config"
    compile_wrapped, message = find_extension("envoy.transport_sockets.upstream", wrapped.typed_config, wrapped.name, within)
    compiled: object | None = compile_wrapped(message, within, context)
    if not config.passthrough_metadata:
        return compiled
    sources = [_source(source, at / "passthrough_metadata" / index) for index, source in enumerate(config.passthrough_metadata)]
    return PassingSocket(compiled, tuple(sources))


def _source(source: InternalUpstreamTransport.MetadataValueSource, at: FieldPath) -> tuple[Literal["host", "cluster"], str]:
    kind = source.kind.WhichOneof("kind")
    if kind != "host" and kind != "cluster":
        raise ConfigError(at / "kind", f"metadata type is not supported: {kind}")
    return kind, source.name

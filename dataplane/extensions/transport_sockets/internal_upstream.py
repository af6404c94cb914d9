"""What stands between a cluster and an internal listener.  Envoy: envoy.transport_sockets.internal_upstream.

In Envoy it passes metadata and filter state on to the listener, around the socket that it wraps.  Without these it is the wrapped socket.
"""

from __future__ import annotations

from envoy.extensions.transport_sockets.internal_upstream.v3.internal_upstream_pb2 import InternalUpstreamTransport

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import find_extension
from dataplane.compile.support import supports

supports(InternalUpstreamTransport, "transport_socket")


@extension("envoy.transport_sockets.upstream", InternalUpstreamTransport.DESCRIPTOR.full_name)
def compile_config(config: InternalUpstreamTransport, at: FieldPath, context: CompileContext) -> object | None:
    """The compiled socket that is wrapped; None stands for plain bytes."""
    wrapped, at = config.transport_socket, at / "transport_socket" / "typed_config"
    compile_wrapped, message = find_extension("envoy.transport_sockets.upstream", wrapped.typed_config, wrapped.name, at)
    compiled: object | None = compile_wrapped(message, at, context)
    return compiled

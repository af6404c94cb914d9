"""Plain bytes, no encryption.  Envoy: envoy.transport_sockets.raw_buffer."""

from __future__ import annotations

from envoy.extensions.transport_sockets.raw_buffer.v3.raw_buffer_pb2 import RawBuffer

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.support import supports

supports(RawBuffer)


@extension("envoy.transport_sockets.upstream", RawBuffer.DESCRIPTOR.full_name)
@extension("envoy.transport_sockets.downstream", RawBuffer.DESCRIPTOR.full_name)
def compile_config(config: RawBuffer, at: FieldPath, context: CompileContext) -> None:
    """None is what both sides take for a socket without a layer of its own."""

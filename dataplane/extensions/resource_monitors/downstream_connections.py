"""How many downstream connections a process may have.  Envoy: envoy.resource_monitors.global_downstream_max_connections."""

from __future__ import annotations

from envoy.extensions.resource_monitors.downstream_connections.v3.downstream_connections_pb2 import DownstreamConnectionsConfig

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.overload import KIND
from dataplane.compile.support import supports

supports(DownstreamConnectionsConfig, "max_active_downstream_connections")


@extension(KIND, DownstreamConnectionsConfig.DESCRIPTOR.full_name)
def compile_config(config: DownstreamConnectionsConfig, at: FieldPath, context: CompileContext) -> int:
    """The limit."""
    return int(config.max_active_downstream_connections)

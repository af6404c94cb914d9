"""Connections between two listeners of one process.  Envoy: envoy.bootstrap.internal_listener.

Here: that it may stand in a bootstrap.  Not here: its one setting (compile.bootstrap), the connections (upstream.internal_connection).
"""

from __future__ import annotations

from envoy.extensions.bootstrap.internal_listener.v3.internal_listener_pb2 import InternalListener

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.support import supports

supports(InternalListener, "buffer_size_kb")


@extension("envoy.bootstrap", InternalListener.DESCRIPTOR.full_name)
def compile_config(config: InternalListener, at: FieldPath, context: CompileContext) -> None:
    """There is nothing to keep."""

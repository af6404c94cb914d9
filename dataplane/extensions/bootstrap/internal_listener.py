"""Sockets between two listeners of one process.  Envoy: envoy.bootstrap.internal_listener.

Envoy's extension only makes internal listeners and internal addresses possible.  This version has neither, and refuses them where a
configuration uses them; to be ready for them, as the bootstraps of Istio and Kuma ask, changes nothing.
"""

from __future__ import annotations

from envoy.extensions.bootstrap.internal_listener.v3.internal_listener_pb2 import InternalListener

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.support import ignores, supports

supports(InternalListener)
ignores(InternalListener, "buffer_size_kb", because="internal listeners, whose buffers it sizes, are refused")


@extension("envoy.bootstrap", InternalListener.DESCRIPTOR.full_name)
def compile_config(config: InternalListener, at: FieldPath, context: CompileContext) -> None:
    """There is nothing to keep."""

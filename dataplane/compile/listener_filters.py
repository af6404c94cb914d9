"""ListenerFilter → api.listener_filter, in their order.

None is added that was not asked for: without a tls_inspector a connection has no server name, tried with Envoy 1.40.
Envoy: config.listener.v3.ListenerFilter.
"""

from __future__ import annotations

from typing import Any, Final

from envoy.config.listener.v3.listener_components_pb2 import ListenerFilter as FilterMessage
from envoy.config.listener.v3.listener_pb2 import Listener as ListenerMessage

from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import find_extension
from dataplane.compile.support import supports

supports(ListenerMessage, "listener_filters", "listener_filters_timeout", "continue_on_listener_filters_timeout")
supports(FilterMessage, "name", "typed_config")

LISTENER_FILTER_KIND: Final = "envoy.filters.listener"


def compile_listener_filters(message: ListenerMessage, at: FieldPath, context: CompileContext) -> tuple[Any, ...]:
    """Errors go to the context."""
    compiled = []
    for index, each in enumerate(message.listener_filters):
        with context.problems.collect():
            at_config = at / index / "typed_config"
            compile_config, config = find_extension(LISTENER_FILTER_KIND, each.typed_config, each.name, at_config)
            compiled.append(compile_config(config, at_config, context))
    return tuple(compiled)

"""ListenerFilter and its predicates → api.listener_filter, in their order.

Here also: a tls_inspector is put first where filter chains ask for what only it finds out, as Envoy does.
Envoy: config.listener.v3.{ListenerFilter, ListenerFilterChainMatchPredicate}; ListenerImpl::buildListenerFilterFactories.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from envoy.config.listener.v3.listener_components_pb2 import ListenerFilter as FilterMessage
from envoy.config.listener.v3.listener_pb2 import Listener as ListenerMessage
from envoy.extensions.filters.listener.tls_inspector.v3.tls_inspector_pb2 import TlsInspector

from dataplane.api import registry
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import find_extension
from dataplane.compile.support import supports
from dataplane.routing.filter_chain_match import FilterChainMatch
from dataplane.snapshot.listener import FilterChain

supports(ListenerMessage, "listener_filters", "listener_filters_timeout", "continue_on_listener_filters_timeout")
supports(FilterMessage, "name", "typed_config")

LISTENER_FILTER_KIND: Final = "envoy.filters.listener"
_INSPECTOR: Final = TlsInspector.DESCRIPTOR.full_name
_TLS: Final = "tls"


def compile_listener_filters(
    message: ListenerMessage, chains: Sequence[FilterChain], at: FieldPath, context: CompileContext
) -> tuple[Any, ...]:
    """Errors go to the context."""
    compiled = []
    inspects_tls = False
    for index, each in enumerate(message.listener_filters):
        with context.problems.collect():
            at_config = at / index / "typed_config"
            compile_config, config = find_extension(LISTENER_FILTER_KIND, each.typed_config, each.name, at_config)
            inspects_tls |= config.DESCRIPTOR.full_name == _INSPECTOR
            compiled.append(compile_config(config, at_config, context))
    if not inspects_tls and any(_asks_for_tls(chain.match) for chain in chains):
        compile_inspector = registry.find(LISTENER_FILTER_KIND, _INSPECTOR)
        assert compile_inspector is not None
        compiled.insert(0, compile_inspector(TlsInspector(), at, context))
    return tuple(compiled)


def _asks_for_tls(match: object) -> bool:
    if not isinstance(match, FilterChainMatch):
        return False
    names = match.server_names or match.application_protocols
    return match.transport_protocol == _TLS or (not match.transport_protocol and bool(names))

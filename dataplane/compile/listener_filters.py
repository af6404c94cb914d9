"""ListenerFilter → api.listener_filter, in their order.

None is added that was not asked for: without a tls_inspector a connection has no server name, tried with Envoy 1.40.
Envoy: config.listener.v3.{ListenerFilter, ListenerFilterChainMatchPredicate}.
"""

from __future__ import annotations

from typing import Any, Final

from envoy.config.listener.v3.listener_components_pb2 import ListenerFilter as FilterMessage
from envoy.config.listener.v3.listener_components_pb2 import ListenerFilterChainMatchPredicate as PredicateMessage
from envoy.config.listener.v3.listener_pb2 import Listener as ListenerMessage
from envoy.type.v3.range_pb2 import Int32Range

from dataplane.api.listener_filter import Inspected, Inspection, ListenerFilter
from dataplane.base.address import SocketAddress
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import find_extension
from dataplane.compile.support import supports
from dataplane.matching.listener_predicate import AllOf, Always, AnyOf, Not, PortRange, Predicate

supports(ListenerMessage, "listener_filters", "listener_filters_timeout", "continue_on_listener_filters_timeout")
supports(FilterMessage, "name", "typed_config", "filter_disabled")
supports(PredicateMessage, "or_match", "and_match", "not_match", "any_match", "destination_port_range")
supports(PredicateMessage.MatchSet, "rules")
supports(Int32Range, "start", "end")

LISTENER_FILTER_KIND: Final = "envoy.filters.listener"


class ConditionalFilter:
    """A listener filter that says nothing of connections for which it is disabled."""

    __slots__ = ("_disabled", "_filter")

    def __init__(self, listener_filter: ListenerFilter, disabled: Predicate) -> None:
        self._filter = listener_filter
        self._disabled = disabled

    def inspect(self, inspected: Inspected) -> Inspection:
        local = inspected.local_address
        port = local.port if isinstance(local, SocketAddress) else None
        return Inspection.DONE if self._disabled.matches(port) else self._filter.inspect(inspected)


def compile_listener_filters(message: ListenerMessage, at: FieldPath, context: CompileContext) -> tuple[Any, ...]:
    """Errors go to the context."""
    compiled = []
    for index, each in enumerate(message.listener_filters):
        with context.problems.collect():
            at_config = at / index / "typed_config"
            compile_config, config = find_extension(LISTENER_FILTER_KIND, each.typed_config, each.name, at_config)
            listener_filter = compile_config(config, at_config, context)
            if each.HasField("filter_disabled"):
                listener_filter = ConditionalFilter(listener_filter, compile_predicate(each.filter_disabled))
            compiled.append(listener_filter)
    return tuple(compiled)


def compile_predicate(message: PredicateMessage) -> Predicate:
    """The proto's own rules have seen to it that one is set."""
    kind = message.WhichOneof("rule")
    if kind == "or_match":
        return AnyOf(tuple(compile_predicate(each) for each in message.or_match.rules))
    if kind == "and_match":
        return AllOf(tuple(compile_predicate(each) for each in message.and_match.rules))
    if kind == "not_match":
        return Not(compile_predicate(message.not_match))
    if kind == "destination_port_range":
        return PortRange(message.destination_port_range.start, message.destination_port_range.end)
    return Always()

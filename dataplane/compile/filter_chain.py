"""FilterChain → snapshot.listener.FilterChain: match, transport socket, network filters.

Here also: that no two chains of a listener ask for the same.  Not here: matching (routing.filter_chain_match), the filters (extensions).
Envoy: config.listener.v3.{FilterChain, FilterChainMatch, Filter}.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import combinations
from typing import Any, Final

from envoy.config.core.v3.address_pb2 import CidrRange
from envoy.config.listener.v3.listener_components_pb2 import Filter
from envoy.config.listener.v3.listener_components_pb2 import FilterChain as FilterChainMessage
from envoy.config.listener.v3.listener_components_pb2 import FilterChainMatch as MatchMessage
from google.protobuf import json_format

from dataplane.api import registry
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import find_extension
from dataplane.compile.meaning import Meaning
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import seconds_or
from dataplane.matching import cidr
from dataplane.matching.cidr import IpNetwork
from dataplane.routing.filter_chain_match import ANY, FilterChainMatch
from dataplane.snapshot.listener import FilterChain

supports(FilterChainMessage, "filter_chain_match", "filters", "transport_socket", "transport_socket_connect_timeout", "name")
ignores(FilterChainMessage, "metadata", because="read by nothing but extensions that are refused")
supports(Filter, "name", "typed_config")
supports(
    MatchMessage,
    "destination_port",
    "prefix_ranges",
    "direct_source_prefix_ranges",
    "source_type",
    "source_prefix_ranges",
    "source_ports",
    "server_names",
    "transport_protocol",
    "application_protocols",
)
supports(CidrRange, "address_prefix", "prefix_len")

NETWORK_FILTER_KIND: Final = "envoy.filters.network"
TRANSPORT_SOCKET_KIND: Final = "envoy.transport_sockets.downstream"


def compile_filter_chain(message: FilterChainMessage, at: FieldPath, context: CompileContext) -> FilterChain:
    """Errors of the filters go to the context."""
    match, transport_socket = ANY, None
    with context.problems.collect():
        match = _compile_match(message.filter_chain_match, at / "filter_chain_match")
    with context.problems.collect():
        transport_socket = _transport_socket(message, at / "transport_socket", context)
    key = message.SerializeToString(deterministic=True)
    return FilterChain(
        name=message.name,
        network_filters=_network_filters(message.filters, at / "filters", context),
        match=None if match == ANY else match,
        transport_socket=transport_socket,
        transport_socket_connect_timeout=seconds_or(message, "transport_socket_connect_timeout", 0.0, at),
        key=key,
        meaning=Meaning(type(message), key),
    )


def _network_filters(filters: Sequence[Filter], at: FieldPath, context: CompileContext) -> tuple[Any, ...]:
    compiled = []
    for index, each in enumerate(filters):
        with context.problems.collect():
            at_config = at / index / "typed_config"
            compile_config, config = find_extension(NETWORK_FILTER_KIND, each.typed_config, each.name, at_config)
            compiled.append(compile_config(config, at_config, context))
            terminal = registry.is_terminal(NETWORK_FILTER_KIND, config.DESCRIPTOR.full_name)
            check_terminal(each.name, config.DESCRIPTOR.full_name, "network", at / index, terminal, index == len(filters) - 1)
    return tuple(compiled)


def check_terminal(name: str, full_name: str, chain: str, at: FieldPath, is_terminal: bool, is_last: bool) -> None:
    """A terminal filter stands at the end of a chain, and only there.  chain: `network` or `http`."""
    named = f"named {name} of type {extension_name(full_name)}"
    if is_terminal and not is_last:
        raise ConfigError(at, f"Error: terminal filter {named} must be the last filter in a {chain} filter chain.")
    if is_last and not is_terminal:
        raise ConfigError(at, f"Error: non-terminal filter {named} is the last filter in a {chain} filter chain.")


def extension_name(full_name: str) -> str:
    """What Envoy calls an extension: `envoy.filters.http.router` for `envoy.extensions.filters.http.router.v3.Router`."""
    parts = full_name.replace("envoy.extensions.", "envoy.", 1).split(".")
    return ".".join(parts[:-2]) if len(parts) > 2 else full_name


def _transport_socket(message: FilterChainMessage, at: FieldPath, context: CompileContext) -> object | None:
    if not message.HasField("transport_socket"):
        return None
    socket, at = message.transport_socket, at / "typed_config"
    compile_config, config = find_extension(TRANSPORT_SOCKET_KIND, socket.typed_config, socket.name, at)
    compiled: object | None = compile_config(config, at, context)
    return compiled


def _compile_match(message: MatchMessage, at: FieldPath) -> FilterChainMatch:
    return FilterChainMatch(
        destination_port=message.destination_port.value,
        prefix_ranges=compile_ranges(message.prefix_ranges, at / "prefix_ranges"),
        server_names=_server_names(message.server_names, at / "server_names"),
        transport_protocol=message.transport_protocol,
        application_protocols=frozenset(message.application_protocols),
        direct_source_prefix_ranges=compile_ranges(message.direct_source_prefix_ranges, at / "direct_source_prefix_ranges"),
        source_type=message.source_type,
        source_prefix_ranges=compile_ranges(message.source_prefix_ranges, at / "source_prefix_ranges"),
        source_ports=frozenset(message.source_ports),
    )


def compile_ranges(ranges: Iterable[CidrRange], at: FieldPath) -> tuple[IpNetwork, ...]:
    """Longer prefixes than the family has are cut, as Envoy does."""
    compiled = []
    for index, each in enumerate(ranges):
        try:
            compiled.append(cidr.network(each.address_prefix, each.prefix_len.value))
        except ValueError:
            raise ConfigError(at / index / "address_prefix", f"malformed IP address: {each.address_prefix}") from None
    return tuple(compiled)


def _server_names(names: Iterable[str], at: FieldPath) -> frozenset[str]:
    compiled = set()
    for index, name in enumerate(names):
        lower = name.lower()
        if lower.startswith("*."):
            lower = lower[1:]
        if "*" in lower:
            raise ConfigError(at / index, 'partial wildcards are not supported in "server_names"')
        compiled.add(lower)
    return frozenset(compiled - {""})


def check_distinct(
    messages: Sequence[FilterChainMessage], chains: Sequence[FilterChain], at: FieldPath, context: CompileContext
) -> None:
    """Report chains that a connection could not choose between."""
    groups: dict[tuple[int, int, str], list[int]] = {}
    for index, chain in enumerate(chains):
        match = _match_of(chain)
        groups.setdefault((match.destination_port, match.source_type, match.transport_protocol), []).append(index)
    for indices in groups.values():
        for first, second in combinations(indices, 2):
            if overlap(_match_of(chains[first]), _match_of(chains[second])):
                context.problems.add(at / second / "filter_chain_match", _clash(messages[first], messages[second]))
                break


def _match_of(chain: FilterChain) -> FilterChainMatch:
    return chain.match if isinstance(chain.match, FilterChainMatch) else ANY


def _clash(first: FilterChainMessage, second: FilterChainMessage) -> str:
    if first.filter_chain_match != second.filter_chain_match:
        return "multiple filter chains with overlapping matching rules are defined"
    same = json_format.MessageToJson(second.filter_chain_match, preserving_proto_field_name=True, indent=None)
    return f"filter chain '{second.name}' has the same matching rules defined as '{first.name}'. duplicate matcher is: {same}"


_CRITERIA: Final[tuple[Callable[[FilterChainMatch], Collection[object]], ...]] = (
    lambda match: match.prefix_ranges,
    lambda match: match.server_names,
    lambda match: match.application_protocols,
    lambda match: match.direct_source_prefix_ranges,
    lambda match: match.source_prefix_ranges,
    lambda match: match.source_ports,
)


def overlap(one: FilterChainMatch, other: FilterChainMatch) -> bool:
    """Whether some value of every criterion is asked for, equally, by both.  An absent criterion is a value of its own."""
    return all(set(values(one)) & set(values(other)) or not (values(one) or values(other)) for values in _CRITERIA)

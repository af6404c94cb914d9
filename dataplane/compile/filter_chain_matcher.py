"""Listener.filter_chain_matcher → routing.filter_chain_match.NamedChains.

Here: what a tree may ask of a connection, and its action, the name of a chain.  Not here: the tree (matcher_tree).
Envoy: envoy.matching.inputs.* of the network, filter-chain-name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from envoy.config.listener.v3.listener_pb2 import Listener as ListenerMessage
from envoy.extensions.matching.common_inputs.network.v3 import network_inputs_pb2 as inputs
from google.protobuf.wrappers_pb2 import StringValue

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.matcher_tree import TreeCompiler
from dataplane.compile.support import supports
from dataplane.matching.tree import Input
from dataplane.routing import filter_chain_match
from dataplane.snapshot.listener import FilterChain

supports(ListenerMessage, "filter_chain_matcher")
supports(StringValue, "value")

_INPUTS: Final[Mapping[type[Any], Input]] = {
    inputs.DestinationIPInput: filter_chain_match.destination_ip,
    inputs.DestinationPortInput: filter_chain_match.destination_port,
    inputs.SourceIPInput: filter_chain_match.source_ip,
    inputs.SourcePortInput: filter_chain_match.source_port,
    inputs.DirectSourceIPInput: filter_chain_match.direct_source_ip,
    inputs.SourceTypeInput: filter_chain_match.source_type,
    inputs.ServerNameInput: filter_chain_match.server_name,
    inputs.TransportProtocolInput: filter_chain_match.transport_protocol,
    inputs.ApplicationProtocolInput: filter_chain_match.application_protocols,
}
for _message in _INPUTS:
    supports(_message)


def compile_filter_chain_matcher(
    message: ListenerMessage, chains: Sequence[FilterChain], address: object, at: FieldPath
) -> filter_chain_match.NamedChains:
    """chains: all that were configured."""
    by_name: dict[str, FilterChain] = {}
    for index, chain in enumerate(chains):
        if not chain.name or chain.name in by_name:
            problem = f"is duplicated with value '{chain.name}'" if chain.name else "is required when using a listener matcher"
            raise ConfigError(
                at / "filter_chains" / index / "name", f"error adding listener '{address}': \"name\" field {problem}"
            )
        by_name[chain.name] = chain
    names = {each.DESCRIPTOR.full_name: partial(_input, read) for each, read in _INPUTS.items()}
    tree = TreeCompiler(names, _chain_name).compile(message.filter_chain_matcher, at / "filter_chain_matcher")
    return filter_chain_match.NamedChains(by_name, tree)


def _input(read: Input, message: object) -> Input:
    """An input that has no settings."""
    return read


def _chain_name(action: Any, name: str, at: FieldPath) -> str:
    if not isinstance(action, StringValue):
        reason = f"Didn't find a registered implementation for '{name}' with type URL: '{action.DESCRIPTOR.full_name}'"
        raise ConfigError(at, f"cannot create a filter chain matcher: {reason}")
    return action.value

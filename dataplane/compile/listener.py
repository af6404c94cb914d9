"""Listener → snapshot.listener.Listener.

Not here: filter chains (filter_chain), access logs (access_log), sockets (listener).  Envoy: config.listener.v3.Listener.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Final

from envoy.config.core.v3.socket_option_pb2 import SocketOptionsOverride
from envoy.config.listener.v3.listener_components_pb2 import FilterChain as FilterChainMessage
from envoy.config.listener.v3.listener_pb2 import AdditionalAddress
from envoy.config.listener.v3.listener_pb2 import Listener as ListenerMessage

from dataplane.base.address import Address, InternalAddress
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile import fields
from dataplane.compile.access_log import compile_access_logs
from dataplane.compile.context import CompileContext
from dataplane.compile.filter_chain import check_distinct, compile_filter_chain
from dataplane.compile.filter_chain_matcher import compile_filter_chain_matcher
from dataplane.compile.listener_filters import compile_listener_filters
from dataplane.compile.socket_options import compile_socket_options
from dataplane.compile.support import supports
from dataplane.compile.units import metadata_dict, runtime_count, seconds_or, wrapped
from dataplane.routing.filter_chain_match import FilterChainIndex, NamedChains
from dataplane.snapshot.listener import FilterChain, Listener
from dataplane.snapshot.socket_option import SocketOption as CompiledOption

supports(
    ListenerMessage,
    "name",
    "address",
    "additional_addresses",
    "stat_prefix",
    "filter_chains",
    "default_filter_chain",
    "per_connection_buffer_limit_bytes",
    "metadata",
    "transparent",
    "freebind",
    "socket_options",
    "tcp_fast_open_queue_length",
    "traffic_direction",
    "reuse_port",
    "enable_reuse_port",
    "access_log",
    "tcp_backlog_size",
    "bind_to_port",
    "use_original_dst",
    "internal_listener",
    "max_connections_to_accept_per_socket_event",
    "connection_balance_config",
    "ignore_global_conn_limit",
    "bypass_overload_manager",
    drain_type=("DEFAULT", "MODIFY_ONLY"),
)
supports(ListenerMessage.ConnectionBalanceConfig, "exact_balance")
supports(ListenerMessage.ConnectionBalanceConfig.ExactBalance)
supports(ListenerMessage.InternalListenerConfig)
supports(AdditionalAddress, "address", "socket_options")
supports(SocketOptionsOverride, "socket_options")

_LISTENER_FILTERS_TIMEOUT: Final = 15.0
_BUFFER_LIMIT: Final = 1 << 20


def compile_listener(message: ListenerMessage, at: FieldPath, context: CompileContext) -> Listener:
    """Errors of parts go to the context; the result is of use only where it then has none."""
    address = _internal_address(message, at, context) if message.HasField("internal_listener") else _address(message, at)
    _check_chains(message, address, at)
    chains = _chains(message, at / "filter_chains", context)
    default: FilterChain | None = None
    if message.HasField("default_filter_chain"):
        with context.problems.collect():
            default = compile_filter_chain(message.default_filter_chain, at / "default_filter_chain", context)
    return Listener(
        name=message.name or str(uuid.uuid5(uuid.NAMESPACE_URL, str(address))),
        address=address,
        filter_chains=chains,
        default_filter_chain=default,
        additional_addresses=_additional(message, at / "additional_addresses", context),
        listener_filters=compile_listener_filters(message, at / "listener_filters", context),
        listener_filters_timeout=seconds_or(message, "listener_filters_timeout", _LISTENER_FILTERS_TIMEOUT, at),
        continue_on_listener_filters_timeout=message.continue_on_listener_filters_timeout,
        stat_prefix=message.stat_prefix,
        per_connection_buffer_limit=wrapped(message, "per_connection_buffer_limit_bytes", _BUFFER_LIMIT),
        bind_to_port=wrapped(message, "bind_to_port", True) and not message.HasField("internal_listener"),
        use_original_dst=wrapped(message, "use_original_dst", False),
        exact_balance=message.connection_balance_config.HasField("exact_balance"),
        reuse_port=wrapped(message, "enable_reuse_port", True),
        freebind=wrapped(message, "freebind", False),
        transparent=wrapped(message, "transparent", False),
        tcp_backlog_size=wrapped(message, "tcp_backlog_size", 0),
        tcp_fast_open_queue_length=wrapped(message, "tcp_fast_open_queue_length", None),
        socket_options=compile_socket_options(message.socket_options),
        additional_socket_options=_additional_options(message),
        max_connections_to_accept_per_socket_event=wrapped(message, "max_connections_to_accept_per_socket_event", None),
        traffic_direction=message.traffic_direction,
        drain_type=message.drain_type,
        ignore_global_conn_limit=message.ignore_global_conn_limit,
        bypass_overload_manager=message.bypass_overload_manager,
        connection_limit=_connection_limit(message, address, context),
        access_log=compile_access_logs(message.access_log, at / "access_log", context),
        rds_names=frozenset(source.route_config_name for source in context.rds_sources),
        rds_sources=tuple(context.rds_sources),
        srds_sources=tuple(context.srds_sources),
        cluster_names=frozenset(context.cluster_names),
        secret_references=frozenset(context.secret_references),
        metadata=metadata_dict(message.metadata),
        added_via_api=context.added_via_api,
        filter_chain_index=_index(message, chains, address, at),
    )


def _connection_limit(message: ListenerMessage, address: Address, context: CompileContext) -> int | None:
    """As in Envoy, connections that our own clusters open are not limited."""
    if isinstance(address, InternalAddress):
        return None
    return runtime_count(f"envoy.resource_limits.listener.{message.name}.connection_limit", context.runtime)


def _index(
    message: ListenerMessage, chains: tuple[FilterChain, ...], address: Address, at: FieldPath
) -> FilterChainIndex | NamedChains:
    if message.HasField("filter_chain_matcher"):
        return compile_filter_chain_matcher(message, chains, address, at)
    return FilterChainIndex(chains)


def _internal_address(message: ListenerMessage, at: FieldPath, context: CompileContext) -> InternalAddress:
    name = message.name
    if not context.internal_listeners:
        raise ConfigError(
            at / "internal_listener", f"error adding listener named '{name}': InternalListener bootstrap extension is mandatory"
        )
    if message.HasField("address") or message.additional_addresses:
        reason = f"error adding listener '{name}': address should not be used when an internal listener config is provided"
        raise ConfigError(at / "address", reason)
    for field in ("freebind", "transparent"):
        if wrapped(message, field, False):
            raise ConfigError(at / field, f"error adding listener named '{name}': has unsupported tcp listener feature")
    for field in ("tcp_fast_open_queue_length", "enable_reuse_port", "connection_balance_config", "tcp_backlog_size"):
        if message.HasField(field):
            raise ConfigError(at / field, f"error adding listener named '{name}': has unsupported tcp listener feature")
    if message.socket_options:
        raise ConfigError(at / "socket_options", f"error adding listener named '{name}': does not support socket option")
    return InternalAddress(name)


def _address(message: ListenerMessage, at: FieldPath) -> Address:
    if message.address.HasField("envoy_internal_address"):
        reason = (
            f"error adding listener named '{message.name}': use internal_listener field instead of address for internal listeners"
        )
        raise ConfigError(at / "address", reason)
    if not message.HasField("address"):
        raise ConfigError(at / "address", f"error adding listener named '{message.name}': address is necessary")
    return fields.address(message.address, at / "address")


def _check_chains(message: ListenerMessage, address: Address, at: FieldPath) -> None:
    if not message.filter_chains and not message.HasField("default_filter_chain"):
        raise ConfigError(at / "filter_chains", f"error adding listener '{address}': no filter chains specified")


def _chains(message: ListenerMessage, at: FieldPath, context: CompileContext) -> tuple[FilterChain, ...]:
    messages: list[FilterChainMessage] = []
    compiled: list[FilterChain] = []
    for index, chain in enumerate(message.filter_chains):
        with context.problems.collect():
            compiled.append(compile_filter_chain(chain, at / index, context))
            messages.append(chain)
    if len(compiled) == len(message.filter_chains) and not message.HasField("filter_chain_matcher"):
        check_distinct(messages, compiled, at, context)
    return tuple(compiled)


def _additional(message: ListenerMessage, at: FieldPath, context: CompileContext) -> tuple[Address, ...]:
    compiled = []
    for index, each in enumerate(message.additional_addresses):
        with context.problems.collect():
            compiled.append(fields.address(each.address, at / index / "address"))
    return tuple(compiled)


def _additional_options(message: ListenerMessage) -> tuple[tuple[Address, tuple[CompiledOption, ...]], ...]:
    """By address, of those that have options of their own.  What is wrong with an address is told elsewhere."""
    compiled = []
    for each in message.additional_addresses:
        if each.HasField("socket_options"):
            with suppress(ConfigError):
                address = fields.address(each.address, FieldPath())
                compiled.append((address, compile_socket_options(each.socket_options.socket_options)))
    return tuple(compiled)
